/* Starts this program once more. By its path: an emulator of a processor
 * answers what that is, while the link itself leads the kernel to the emulator.
 * By the link where nothing stands at the path any more. */
#include "app/program.h"

#include <limits.h>
#include <unistd.h>

void app_become_program(const char *const *argv)
{
    char path[PATH_MAX];
    const ssize_t size = readlink(APP_PROGRAM, path, sizeof path - 1);
    if (size > 0) {
        path[size] = 0;
        execv(path, (char *const *)argv);
    }
    execv(APP_PROGRAM, (char *const *)argv);
}
