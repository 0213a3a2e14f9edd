/* See onednn_internal.h. */
#include "engine/onednn_internal.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libdnnl.so.2"

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

struct cz_onednn *cz_onednn_open(void)
{
    struct cz_onednn *dnn = cz_calloc(1, sizeof *dnn);
    if (!dnn)
        return NULL;
    dnn->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (dnn->library && find_functions(dnn) &&
        dnn->version()->major == DNNL_VERSION_MAJOR &&
        dnn->engine_create(&dnn->engine, dnnl_cpu, 0) == dnnl_success &&
        dnn->stream_create(&dnn->stream, dnn->engine,
                           dnnl_stream_default_flags) == dnnl_success)
        return dnn;
    cz_onednn_close(dnn);
    return NULL;
}

/* The library stays loaded: its threads may still be there. */
void cz_onednn_close(struct cz_onednn *dnn)
{
    if (!dnn)
        return;
    if (dnn->stream)
        dnn->stream_destroy(dnn->stream);
    if (dnn->engine)
        dnn->engine_destroy(dnn->engine);
    cz_free(dnn);
}
