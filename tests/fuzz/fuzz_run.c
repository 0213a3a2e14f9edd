/* Any bytes as the YAML file of `compress run`. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/run_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[64];
    struct cz_error err = CZ_ERROR_INIT;
    struct app_run_config config;
    const int fd = memfd_create("config", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, bytes, size) == (ssize_t)size) {
        app_run_config_read(&config, path, &err);
        app_run_config_fini(&config);
    }
    close(fd);
    return 0;
}
