/* Opens the shim of OpenCV. Its libraries are left open at the end: they have
 * exit handlers of their own. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "detect/image_internal.h"

#define SHIM "compress-opencv.so"

/* The folder of the program with a '/' at its end; "" when it is not known. */
static void own_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    folder[n > 0 ? n : 0] = 0;
    char *slash = strrchr(folder, '/');
    folder[slash ? slash + 1 - folder : 0] = 0;
}

static bool find_shim(char *path, size_t size)
{
    static const char *const below[] = {"", "../lib/compress/"};
    const char *wanted = getenv("CZ_OPENCV");
    if (wanted && *wanted)
        return (size_t)snprintf(path, size, "%s", wanted) < size;
    char folder[PATH_MAX];
    own_folder(folder, sizeof folder);
    for (size_t i = 0; *folder && i < sizeof below / sizeof *below; i++) {
        if ((size_t)snprintf(path, size, "%s%s" SHIM, folder, below[i]) <
                size &&
            access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static enum cz_status open_shim(struct cz_opencv *opencv, struct cz_error *err)
{
    char path[PATH_MAX + sizeof "../lib/compress/" SHIM];
    if (!find_shim(path, sizeof path))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "images need " SHIM ", which is neither beside "
                            "the program nor in ../lib/compress: `make` builds "
                            "it, `make install` installs it");
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "images need OpenCV 4 and libexif (apt install "
                            "libopencv-imgcodecs406 libopencv-imgproc406 "
                            "libexif12): %s",
                            dlerror());
    opencv->cv = dlsym(handle, "cz_cv_table");
    if (opencv->cv && opencv->cv->abi == CZ_CV_ABI)
        return CZ_OK;
    dlclose(handle);
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "%s: is of another version of this program", path);
}

enum cz_status cz_opencv_open(struct cz_opencv **opencv, struct cz_error *err)
{
    *opencv = NULL;
    struct cz_opencv *opened = cz_calloc(1, sizeof *opened);
    if (!opened)
        return cz_error_nomem(err);
    enum cz_status status = open_shim(opened, err);
    if (status == CZ_OK)
        *opencv = opened;
    else
        cz_free(opened);
    return status;
}

struct opening {
    struct cz_opencv **opencv;
    enum cz_status status;
    struct cz_error err;
};

static void *open_it(void *argument)
{
    struct opening *o = argument;
    o->status = cz_opencv_open(o->opencv, &o->err);
    return NULL;
}

enum cz_status
cz_opencv_open_beside(struct cz_opencv **opencv,
                      enum cz_status (*other)(void *user, struct cz_error *err),
                      void *user, struct cz_error *err)
{
    struct opening o = {.opencv = opencv};
    pthread_t helper;
    *opencv = NULL;
    const bool is_beside = pthread_create(&helper, NULL, open_it, &o) == 0;
    const enum cz_status status = other(user, err);
    if (is_beside)
        pthread_join(helper, NULL);
    else
        open_it(&o);
    if (status == CZ_OK && o.status != CZ_OK)
        *err = o.err;
    return status == CZ_OK ? o.status : status;
}

void cz_opencv_close(struct cz_opencv *opencv)
{
    cz_free(opencv);
}

const char *cz_opencv_version(const struct cz_opencv *opencv)
{
    return opencv->cv->version();
}
