/* What passes ask operators about the steps that they fuse. */
#ifndef CZ_ENGINE_OP_FACTS_INTERNAL_H
#define CZ_ENGINE_OP_FACTS_INTERNAL_H

#include "engine/plan_internal.h"

/* Is the step, of one float32 operand, an activation that cz_activate() knows?
 * Clip is one where its bounds are known. */
bool cz_op_activation(const struct cz_step *step,
                      struct cz_activation *activation);

/* The same, and the Activation that pass_fuse_silu.c makes. op_internal.c */
bool cz_step_activation(const struct cz_step *step,
                        struct cz_activation *activation);

/* A BatchNormalization whose statistics are known is x * scale[c] + shift[c]:
 * fills both, [C] each. False where they are not known, or not C of them. */
bool cz_op_batch_norm(const struct cz_step *step, size_t channels, float *scale,
                      float *shift);

/* A Softmax goes along `count` elements, `inner` apart, for each of outer *
 * inner lines. op_softmax.c; false where the shape is not known. */
struct cz_softmax_range {
    size_t outer, count, inner;
};
bool cz_op_softmax(const struct cz_step *step, struct cz_softmax_range *range);

/* Where a Slice begins along each axis, and how far it goes from one element to
 * the next. op_slice.c; false where that is not known. */
struct cz_slice {
    int64_t start[CZ_RANK_MAX], step[CZ_RANK_MAX];
};
bool cz_op_slice(const struct cz_step *step, struct cz_slice *slice);

/* What a QuantizeLinear or a DequantizeLinear knows of its codes: `count`
 * scales, for all elements or for the indices of `axis`, positive and finite.
 * op_quant.c; false for other steps, where scales or zero points are not known,
 * and for blocks. */
struct cz_quantization {
    bool to_codes; /* QuantizeLinear */
    const float *scale;
    const struct cz_array *zero; /* NULL: all 0 */
    size_t count, axis;
};
bool cz_op_quantization(const struct cz_step *step, struct cz_quantization *q);

/* The bounds of a Clip: an activation of kind CLIP. op_clip.c */
bool cz_op_clip(const struct cz_step *step, struct cz_activation *activation);

#endif
