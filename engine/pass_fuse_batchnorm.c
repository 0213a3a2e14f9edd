/* Conv + BatchNormalization: y = scale * (w x + b) + shift is a convolution
 * with other weights and another bias, computed once. */
#include <string.h>

#include "engine/op_facts_internal.h"

static void scale_weights(struct cz_array *to, const struct cz_array *from,
                          const float *scale)
{
    const float *w = from->data;
    float *out = to->data;
    size_t channels = (size_t)from->dims.size[0];
    size_t n = channels ? cz_array_count(from) / channels : 0;
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < n; i++)
            out[c * n + i] = w[c * n + i] * scale[c];
    }
}

/* Gives the convolution its new operands. */
static enum cz_status fuse(struct cz_plan *plan, struct cz_step *conv,
                           const float *scale, const float *shift,
                           struct cz_error *err)
{
    struct cz_array *weights = conv->inputs[1];
    const struct cz_array *bias = cz_step_input(conv, 2);
    const struct cz_dims per_channel = {1, {weights->dims.size[0]}};
    struct cz_array *new_weights = cz_plan_add_constant(
        plan, weights->name, CZ_DTYPE_FLOAT, &weights->dims, err);
    struct cz_array *new_bias = cz_plan_add_constant(
        plan, weights->name, CZ_DTYPE_FLOAT, &per_channel, err);
    struct cz_array **inputs =
        cz_arena_alloc(&plan->arena, 3, sizeof(struct cz_array *));
    if (!new_weights || !new_bias || !inputs)
        return cz_error_nomem(err);
    scale_weights(new_weights, weights, scale);
    for (int64_t c = 0; c < per_channel.size[0]; c++) {
        float before = bias ? ((const float *)bias->data)[c] : 0;
        ((float *)new_bias->data)[c] = before * scale[c] + shift[c];
    }
    inputs[0] = conv->inputs[0];
    inputs[1] = new_weights;
    inputs[2] = new_bias;
    conv->inputs = inputs;
    conv->n_inputs = 3;
    return CZ_OK;
}

/* The convolution right before, if its operands are constants. */
static struct cz_step *conv_before(const struct cz_step *norm)
{
    const struct cz_array *in = norm->inputs[0];
    struct cz_step *conv = in->producer;
    if (!conv || conv->is_dynamic || strcmp(conv->op->op_type, "Conv") != 0 ||
        in->n_uses != 1 || in->is_kept || in->dtype != CZ_DTYPE_FLOAT)
        return NULL;
    const struct cz_array *bias = cz_step_input(conv, 2);
    return conv->inputs[1]->is_constant && (!bias || bias->is_constant) ? conv
                                                                        : NULL;
}

static enum cz_status try_norm(struct cz_plan *plan, struct cz_step *norm,
                               struct cz_error *err)
{
    struct cz_step *conv = conv_before(norm);
    if (!conv)
        return CZ_OK;
    size_t channels = (size_t)conv->inputs[1]->dims.size[0];
    float *scale = cz_realloc_array(NULL, 2 * channels + 1, sizeof *scale);
    enum cz_status status = CZ_OK;
    if (!scale)
        return cz_error_nomem(err);
    if (cz_op_batch_norm(norm, channels, scale, scale + channels)) {
        status = fuse(plan, conv, scale, scale + channels, err);
        conv->outputs[0] = norm->outputs[0];
        conv->outputs[0]->producer = conv;
        norm->is_dead = true;
    }
    cz_free(scale);
    return status;
}

enum cz_status cz_pass_fuse_batchnorm(struct cz_plan *plan,
                                      struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        if (!step->is_dynamic &&
            strcmp(step->op->op_type, "BatchNormalization") == 0)
            CZ_TRY(try_norm(plan, step, err));
    }
    return CZ_OK;
}
