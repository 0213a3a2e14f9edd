/* See blas.h. */
#include "core/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define LIBRARY "libopenblas.so.0"

/* Stays loaded: it keeps threads and buffers. */
static void *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    void (*set_threads)(int);
    void *opened = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *found = opened ? dlsym(opened, "openblas_set_num_threads") : NULL;
    if (!found)
        return;
    memcpy(&set_threads, &found, sizeof found);
    set_threads(1);
    library = opened;
}

void *cz_blas_find(const char *function)
{
    pthread_once(&once, load);
    return library ? dlsym(library, function) : NULL;
}

enum cz_status cz_blas_missing(struct cz_error *err)
{
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        LIBRARY " is not there, or lacks LAPACK: install "
                                "OpenBLAS (Debian: libopenblas0-pthread)");
}
