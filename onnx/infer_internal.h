/* What the driver of inference and the rules of the operators share. */
#ifndef CZ_ONNX_INFER_INTERNAL_H
#define CZ_ONNX_INFER_INTERNAL_H

#include "onnx/onnx_internal.h"

/* Tensors of more dimensions than this stay unknown. */
#define CZ_INFER_RANK_MAX 8

/* A shape being worked out; dims[i] is -1 where it is not known. */
struct cz_infer_shape {
    bool known;
    size_t rank;
    int64_t dims[CZ_INFER_RANK_MAX];
};

/* Works out the shapes of a node's outputs ([node->n_outputs], all unknown at
 * first) from those of its inputs; leaves unknown what it cannot tell. */
typedef enum cz_status cz_infer_rule(const struct cz_node *node,
                                     struct cz_infer_shape *outputs,
                                     struct cz_error *err);

/* The shape of input i; not known when it is left out. */
struct cz_infer_shape cz_infer_input(const struct cz_node *node, size_t i);

/* The constant integers of input i, at most `capacity`; false when they are
 * not constant, not integers, or more. */
bool cz_infer_ints(const struct cz_node *node, size_t i, int64_t *ints,
                   size_t capacity, size_t *count);

/* An operand that is given as an input from some opset on, and before that as
 * an attribute: looked for in both. */
bool cz_infer_ints_or_attr(const struct cz_node *node, size_t i,
                           const char *name, int64_t *ints, size_t capacity,
                           size_t *count);

/* Brings an axis of -rank..rank-1 into 0..rank-1. CZ_ESHAPE when outside. */
enum cz_status cz_infer_axis(size_t *axis, const struct cz_node *node,
                             int64_t number, size_t rank, struct cz_error *err);

/* CZ_ESHAPE with the node's type and name before the message. */
enum cz_status cz_infer_error(const struct cz_node *node, struct cz_error *err,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* infer_window.c: operators that slide a window over the image. */
cz_infer_rule cz_infer_conv, cz_infer_conv_transpose, cz_infer_pool,
    cz_infer_global_pool;

/* infer_rules.c: all others. */
cz_infer_rule cz_infer_same, cz_infer_broadcast, cz_infer_concat,
    cz_infer_split, cz_infer_slice, cz_infer_reshape, cz_infer_transpose,
    cz_infer_squeeze, cz_infer_unsqueeze, cz_infer_flatten, cz_infer_resize,
    cz_infer_pad, cz_infer_matmul, cz_infer_gemm, cz_infer_reduce,
    cz_infer_depth_to_space, cz_infer_space_to_depth, cz_infer_shape_of,
    cz_infer_gather;

#endif
