/* oneDNN, opened when a plan is compiled: the program starts without it, and
 * runs where it is not installed. */
#ifndef CZ_ENGINE_ONEDNN_INTERNAL_H
#define CZ_ENGINE_ONEDNN_INTERNAL_H

#include <dnnl.h>

#include "engine/plan_internal.h"

#define CZ_ONEDNN_FUNCTIONS(X)                                                 \
    X(dilated_convolution_forward_desc_init)                                   \
    X(engine_create)                                                           \
    X(engine_destroy)                                                          \
    X(memory_create)                                                           \
    X(memory_desc_equal)                                                       \
    X(memory_desc_init_by_tag)                                                 \
    X(memory_destroy)                                                          \
    X(pooling_forward_desc_init)                                               \
    X(post_ops_append_binary)                                                  \
    X(post_ops_append_eltwise)                                                 \
    X(post_ops_create)                                                         \
    X(post_ops_destroy)                                                        \
    X(primitive_attr_create)                                                   \
    X(primitive_attr_destroy)                                                  \
    X(primitive_attr_set_post_ops)                                             \
    X(primitive_create)                                                        \
    X(primitive_desc_create)                                                   \
    X(primitive_desc_destroy)                                                  \
    X(primitive_desc_query_md)                                                 \
    X(primitive_destroy)                                                       \
    X(primitive_execute)                                                       \
    X(reorder_primitive_desc_create)                                           \
    X(stream_create)                                                           \
    X(stream_destroy)                                                          \
    X(stream_wait)                                                             \
    X(version)

struct cz_onednn {
    size_t threads;
    bool was_tried;
    void *library;
    void (*set_threads)(int); /* of the calling thread's loops; may be NULL */
    dnnl_engine_t engine;
    dnnl_stream_t stream;
#define CZ_ONEDNN_FIELD(name) __typeof__(&dnnl_##name) name;
    CZ_ONEDNN_FUNCTIONS(CZ_ONEDNN_FIELD)
};

/* Nothing is loaded yet: that takes 20 ms and 20 MB. NULL without memory. */
struct cz_onednn *cz_onednn_new(size_t threads);
void cz_onednn_free(struct cz_onednn *dnn);

/* Loads it, the first time; false where it is not installed or of another major
 * version: the plan does without. */
bool cz_onednn_load(struct cz_onednn *dnn);

/* The calling thread's loops in it use the plan's number of threads: to be said
 * before each, as other plans may have another one. */
void cz_onednn_use_threads(const struct cz_onednn *dnn);

#endif
