/* Opens the shim of OpenCV, also beside other work. */
#include <pthread.h>

#include "core/alloc.h"
#include "detect/image_internal.h"
#include "detect/shim_internal.h"

static enum cz_status open_shim(struct cz_opencv *opencv, struct cz_error *err)
{
    static const struct cz_shim shim = {
        .file = "compress-opencv.so",
        .symbol = "cz_cv_table",
        .what = "images",
        .packages = "OpenCV 4 and libexif (apt install "
                    "libopencv-imgcodecs406 libopencv-imgproc406 libexif12)",
        .abi = CZ_CV_ABI};
    const void *table;
    CZ_TRY(cz_shim_open(&table, &shim, err));
    opencv->cv = table;
    return CZ_OK;
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
