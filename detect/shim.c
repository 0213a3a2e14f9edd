/* Finds and opens the shared objects of OpenCV; see shim_internal.h. */
#include "detect/shim_internal.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/path.h"

/* What $CZ_OPENCV is a name of. */
#define MAIN_SHIM "compress-opencv.so"

/* The folder of the program with a '/' at its end; "" when it is not known. */
static void own_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    folder[n > 0 ? n : 0] = 0;
    char *slash = strrchr(folder, '/');
    folder[slash ? slash + 1 - folder : 0] = 0;
}

static bool find_named(char *path, size_t size, const char *file,
                       const char *wanted)
{
    if (strcmp(file, MAIN_SHIM) == 0)
        return (size_t)snprintf(path, size, "%s", wanted) < size;
    return (size_t)snprintf(path, size, "%.*s%s",
                            (int)cz_path_folder_size(wanted), wanted,
                            file) < size;
}

static bool find_shim(char *path, size_t size, const char *file)
{
    static const char *const below[] = {"", "../lib/compress/"};
    const char *wanted = getenv("CZ_OPENCV");
    if (wanted && *wanted)
        return find_named(path, size, file, wanted);
    char folder[PATH_MAX];
    own_folder(folder, sizeof folder);
    for (size_t i = 0; *folder && i < sizeof below / sizeof *below; i++) {
        if ((size_t)snprintf(path, size, "%s%s%s", folder, below[i], file) <
                size &&
            access(path, R_OK) == 0)
            return true;
    }
    return false;
}

enum cz_status cz_shim_open(const void **table, const struct cz_shim *shim,
                            struct cz_error *err)
{
    char path[PATH_MAX + 64];
    if (!find_shim(path, sizeof path, shim->file))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "%s need %s, which is neither beside the program "
                            "nor in ../lib/compress: `make` builds it, `make "
                            "install` installs it",
                            shim->what, shim->file);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return cz_error_set(err, CZ_EUNSUPPORTED, "%s need %s: %s", shim->what,
                            shim->packages, dlerror());
    *table = dlsym(handle, shim->symbol);
    if (*table && *(const unsigned *)*table == shim->abi)
        return CZ_OK;
    dlclose(handle);
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "%s: is of another version of this program", path);
}
