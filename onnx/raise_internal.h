/* Between raise.c, which knows what changed when, and raise_rules.c, which
 * knows how a node gets its new form. */
#ifndef CZ_ONNX_RAISE_INTERNAL_H
#define CZ_ONNX_RAISE_INTERNAL_H

#include "onnx/onnx_internal.h"

/* Gives the node the form that the next stage's opset, 13 or 19, has for it;
 * CZ_EUNSUPPORTED where there is none. */
typedef enum cz_status cz_raise_rule(struct cz_node *node,
                                     struct cz_error *err);

/* The node cannot be raised, and why. */
enum cz_status cz_raise_refuse(const struct cz_node *node, struct cz_error *err,
                               const char *why);

cz_raise_rule cz_raise_axes;     /* Squeeze, Unsqueeze, ReduceSum, ... */
cz_raise_rule cz_raise_split;    /* split becomes an input */
cz_raise_rule cz_raise_slice;    /* starts, ends, axes become inputs */
cz_raise_rule cz_raise_pad;      /* pads, value become inputs */
cz_raise_rule cz_raise_clip;     /* min, max become inputs */
cz_raise_rule cz_raise_top_k;    /* k becomes an input */
cz_raise_rule cz_raise_dropout;  /* ratio becomes an input; the mask a bool */
cz_raise_rule cz_raise_upsample; /* is a Resize now */
cz_raise_rule cz_raise_resize_10;
cz_raise_rule cz_raise_resize_11; /* empty inputs are left out */
cz_raise_rule cz_raise_scatter;   /* is called ScatterElements now */
cz_raise_rule cz_raise_softmax;   /* along one axis; LogSoftmax, Hardmax, too */
cz_raise_rule cz_raise_conv_transpose;
cz_raise_rule cz_raise_one_hot;

/* To opset 19. */
cz_raise_rule cz_raise_split_count; /* parts that are equal are counted */
cz_raise_rule cz_raise_roi_align;   /* has another default */
cz_raise_rule cz_raise_batch_normalization;

#endif
