/* Any bytes as the YAML files that are read: that of `compress run`, and a data
 * set's data.yaml. No file that they name is opened. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/run_config.h"
#include "eval/yolo_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_run(const char *path)
{
    struct cz_error err = CZ_ERROR_INIT;
    struct app_run_config config;
    app_run_config_read(&config, path, &err);
    app_run_config_fini(&config);
}

static void read_data_set(const char *path)
{
    struct cz_error err = CZ_ERROR_INIT;
    struct cz_yolo yolo;
    cz_yolo_read(&yolo, path, &err);
    cz_yolo_fini(&yolo);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[64];
    const int fd = memfd_create("yaml", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, bytes, size) == (ssize_t)size) {
        read_run(path);
        read_data_set(path);
    }
    close(fd);
    return 0;
}
