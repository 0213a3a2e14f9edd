/* See onednn_internal.h. */
#include "engine/onednn_internal.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libdnnl.so.2"
#define OPENMP "libgomp.so.1"

static bool find_functions(struct cz_onednn *dnn)
{
    bool all = true;
#define FIND(name)                                                             \
    do {                                                                       \
        void *found = dlsym(dnn->library, "dnnl_" #name);                      \
        memcpy(&dnn->name, &found, sizeof found);                              \
        all = all && found;                                                    \
    } while (0);
    CZ_ONEDNN_FUNCTIONS(FIND)
#undef FIND
    return all;
}

/* Debian's oneDNN works with the threads of GNU's OpenMP, which came with it,
 * and stays as long. */
static void find_openmp(struct cz_onednn *dnn)
{
    void *openmp = dlopen(OPENMP, RTLD_NOW | RTLD_NOLOAD);
    void *found = openmp ? dlsym(openmp, "omp_set_num_threads") : NULL;
    memcpy(&dnn->set_threads, &found, sizeof found);
    if (openmp)
        dlclose(openmp);
}

void cz_onednn_use_threads(const struct cz_onednn *dnn)
{
    if (dnn->set_threads)
        dnn->set_threads((int)dnn->threads);
}

struct cz_onednn *cz_onednn_new(size_t threads)
{
    struct cz_onednn *dnn = cz_calloc(1, sizeof *dnn);
    if (dnn)
        dnn->threads = threads;
    return dnn;
}

bool cz_onednn_load(struct cz_onednn *dnn)
{
    if (dnn->was_tried)
        return dnn->stream != NULL;
    dnn->was_tried = true;
    dnn->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!dnn->library)
        return false;
    find_openmp(dnn);
    cz_onednn_use_threads(dnn);
    return find_functions(dnn) && dnn->version()->major == DNNL_VERSION_MAJOR &&
           dnn->engine_create(&dnn->engine, dnnl_cpu, 0) == dnnl_success &&
           dnn->stream_create(&dnn->stream, dnn->engine,
                              dnnl_stream_default_flags) == dnnl_success;
}

/* The library stays loaded: its threads may still be there. */
void cz_onednn_free(struct cz_onednn *dnn)
{
    if (!dnn)
        return;
    if (dnn->stream)
        dnn->stream_destroy(dnn->stream);
    if (dnn->engine)
        dnn->engine_destroy(dnn->engine);
    cz_free(dnn);
}
