/* See blas.h. */
#include "core/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libopenblas.so.0"

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    {"cblas_sgemm", offsetof(struct cz_blas, sgemm)},
    {"cblas_dgemm", offsetof(struct cz_blas, dgemm)},
    {"dposv_", offsetof(struct cz_blas, dposv)},
    {"dpotrf_", offsetof(struct cz_blas, dpotrf)},
    {"dpotri_", offsetof(struct cz_blas, dpotri)},
    {"dpotrs_", offsetof(struct cz_blas, dpotrs)},
};

static struct cz_blas blas;
static bool is_there;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found); /* no cast makes functions */
    return found != NULL;
}

/* The library stays loaded: it keeps threads and buffers. */
static void load(void)
{
    void (*set_threads)(int);
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library || !find(library, "openblas_set_num_threads", &set_threads))
        return;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (!find(library, functions[i].name,
                  (char *)&blas + functions[i].offset))
            return;
    }
    set_threads(1);
    is_there = true;
}

const struct cz_blas *cz_blas(void)
{
    pthread_once(&once, load);
    return is_there ? &blas : NULL;
}

enum cz_status cz_blas_open(const struct cz_blas **opened, struct cz_error *err)
{
    *opened = cz_blas();
    if (*opened)
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        LIBRARY " is not there, or lacks LAPACK: install "
                                "OpenBLAS (Debian: libopenblas0-pthread)");
}
