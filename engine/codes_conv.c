/* A convolution in floats between DequantizeLinear and QuantizeLinear becomes
 * one on codes. Its weights were dequantized when the model was compiled: the
 * step that did it still knows their codes. */
#include <string.h>

#include "engine/codes_internal.h"
#include "engine/kernels_internal.h"
#include "engine/op_facts_internal.h"

enum { INPUT, WEIGHT, BIAS };

/* The largest sum of products of two codes that int32 always holds. */
#define PRODUCTS_MAX (((size_t)1 << 30) / (255 * 128))
#define BIAS_MAX 0x1p29

/* The weights as codes: `count` scales, one for each channel or for all. */
struct weights {
    struct cz_array *codes;
    const float *scale;
    size_t count;
    int32_t zero;
};

static float scale_of(const struct weights *w, size_t channel)
{
    return w->scale[w->count == 1 ? 0 : channel];
}

/* uint8 codes around 128 are int8 codes around 0; others want a zero point. */
static bool zeros_fit(const struct cz_quantization *q, enum cz_dtype dtype)
{
    const int32_t want = dtype == CZ_DTYPE_UINT8 ? 128 : 0;
    for (size_t i = 0; q->zero && i < q->count; i++) {
        if (cz_code_at(dtype, q->zero->known, i) != want)
            return false;
    }
    return q->zero || want == 0;
}

/* Finds what the weights of a Conv were before they were folded. */
static bool find_weights(struct weights *w, const struct cz_step *conv)
{
    const struct cz_array *folded = conv->inputs[WEIGHT];
    struct cz_quantization q;
    if (!folded->folded || !cz_op_quantization(folded->folded, &q) ||
        q.to_codes || q.axis != 0)
        return false;
    struct cz_array *codes = folded->folded->inputs[0];
    const size_t channels = (size_t)codes->dims.size[0];
    *w = (struct weights){codes, q.scale, q.count,
                          codes->dtype == CZ_DTYPE_UINT8 ? 128 : 0};
    return codes->is_constant && cz_is_codes(codes->dtype) &&
           (q.count == 1 || q.count == channels) &&
           zeros_fit(&q, codes->dtype) &&
           cz_array_count(codes) / channels <= PRODUCTS_MAX;
}

/* The weights as int8 around 0. */
static enum cz_status center_weights(struct weights *w, struct cz_plan *plan,
                                     struct cz_error *err)
{
    if (w->zero == 0)
        return CZ_OK;
    const uint8_t *from = w->codes->known;
    struct cz_array *centered = cz_plan_add_constant(
        plan, w->codes->name, CZ_DTYPE_INT8, &w->codes->dims, err);
    if (!centered)
        return CZ_ENOMEM;
    for (size_t i = 0; i < centered->size_bytes; i++)
        ((int8_t *)centered->data)[i] = (int8_t)(from[i] - w->zero);
    w->codes = centered;
    return CZ_OK;
}

/* The bias in steps of the sums; *fits is false where it is too large. */
static enum cz_status code_bias(struct cz_array **coded, struct cz_plan *plan,
                                const struct cz_step *conv,
                                const struct weights *w, bool *fits,
                                struct cz_error *err)
{
    const struct cz_array *bias = cz_step_input(conv, BIAS);
    const double x_scale = (double)conv->inputs[INPUT]->coding->scale;
    *coded = NULL;
    *fits = true;
    if (!bias)
        return CZ_OK;
    *coded = cz_plan_add_constant(plan, bias->name, CZ_DTYPE_INT32, &bias->dims,
                                  err);
    if (!*coded)
        return CZ_ENOMEM;
    for (size_t i = 0; i < (size_t)bias->dims.size[0]; i++) {
        const double steps = (double)((const float *)bias->known)[i] /
                             (x_scale * (double)scale_of(w, i));
        *fits &= fabs(steps) <= BIAS_MAX;
        ((int32_t *)(*coded)->data)[i] = *fits ? (int32_t)rint(steps) : 0;
    }
    return CZ_OK;
}

/* Cutting a number off and rounding it can change places: activations that do
 * nothing else have a table behind the sums. */
static bool has_table(const struct cz_activation *a)
{
    return a->kind == CZ_ACT_RELU || a->kind == CZ_ACT_CLIP;
}

static enum cz_status fill_table(const uint8_t **table, struct cz_plan *plan,
                                 const struct cz_activation *activation,
                                 const struct cz_coding *to,
                                 struct cz_error *err)
{
    uint8_t *codes = cz_arena_alloc(&plan->arena, CZ_CODES, 1);
    if (!codes)
        return cz_error_nomem(err);
    for (size_t i = 0; i < CZ_CODES; i++)
        codes[i] = cz_code_of_value(
            to, cz_activate(activation, cz_code_value(to, (uint8_t)i)));
    *table = codes;
    return CZ_OK;
}

static enum cz_status
fill_params(struct cz_conv_codes_params *p, struct cz_plan *plan,
            const struct cz_step *conv, const struct weights *w,
            const struct cz_coding *to, struct cz_error *err)
{
    const struct cz_coding *from = conv->inputs[INPUT]->coding;
    const size_t channels = (size_t)conv->outputs[0]->dims.size[1];
    float *multiplier =
        cz_arena_alloc(&plan->arena, channels + 1, sizeof(float));
    if (!multiplier)
        return cz_error_nomem(err);
    for (size_t i = 0; i < channels; i++)
        multiplier[i] = from->scale * scale_of(w, i) / (to ? to->scale : 1);
    p->conv = *(const struct cz_conv_params *)conv->params;
    p->x_zero = from->zero;
    p->y_zero = to ? to->zero : 0;
    p->multiplier = multiplier;
    if (to && has_table(&conv->activation))
        CZ_TRY(fill_table(&p->table, plan, &conv->activation, to, err));
    return CZ_OK;
}

static bool can_fuse(const struct cz_step *conv, const struct cz_coding *to)
{
    const struct cz_array *bias = cz_step_input(conv, BIAS);
    return strcmp(conv->op->op_type, "Conv") == 0 && !conv->is_dynamic &&
           conv->inputs[INPUT]->coding && (!bias || bias->is_constant) &&
           cz_array_count(conv->outputs[0]) &&
           (!to || (!conv->residual && (conv->activation.kind == CZ_ACT_NONE ||
                                        has_table(&conv->activation))));
}

/* Makes `fused`, a copy of the convolution, one of codes. */
static enum cz_status rewrite(struct cz_step *fused, struct cz_plan *plan,
                              const struct weights *w, struct cz_array *bias,
                              const struct cz_coding *to, struct cz_error *err)
{
    struct cz_array **ends =
        cz_arena_alloc(&plan->arena, 4, sizeof(struct cz_array *));
    struct cz_conv_codes_params *params =
        cz_arena_alloc(&plan->arena, 1, sizeof *params);
    if (!ends || !params)
        return cz_error_nomem(err);
    CZ_TRY(fill_params(params, plan, fused, w, to, err));
    ends[INPUT] = fused->inputs[INPUT]->coding->codes;
    ends[WEIGHT] = w->codes;
    ends[BIAS] = bias;
    ends[BIAS + 1] = to ? to->codes : fused->outputs[0];
    fused->op = cz_op_find(CZ_OP_CONV_CODES, 1);
    fused->params = params;
    fused->inputs = ends;
    fused->n_inputs = bias ? 3 : 2;
    fused->outputs = ends + BIAS + 1;
    if (to)
        fused->activation.kind = CZ_ACT_NONE;
    return CZ_OK;
}

static bool has_kernel(struct cz_step *fused, const struct cz_plan *plan)
{
    const bool is_plain = cz_codes_read_plain(fused->inputs[INPUT]);
    return cz_kernel_exists_for(fused, plan,
                                is_plain ? CZ_LAYOUT_PLAIN : CZ_LAYOUT_BLOCKED,
                                CZ_LAYOUT_BLOCKED);
}

enum cz_status cz_codes_fuse_conv(struct cz_plan *plan, struct cz_step *conv,
                                  const struct cz_coding *to, bool *is_done,
                                  struct cz_error *err)
{
    struct cz_step fused = *conv;
    struct weights w;
    *is_done = false;
    if (!can_fuse(conv, to) || !find_weights(&w, conv))
        return CZ_OK;
    struct cz_array *bias = cz_step_input(conv, BIAS);
    bool fits = true;
    if (to)
        CZ_TRY(code_bias(&bias, plan, conv, &w, &fits, err));
    if (!fits)
        return CZ_OK;
    CZ_TRY(center_weights(&w, plan, err));
    CZ_TRY(rewrite(&fused, plan, &w, bias, to, err));
    if (!has_kernel(&fused, plan))
        return CZ_OK;
    *conv = fused;
    conv->outputs[0]->producer = conv;
    *is_done = true;
    return CZ_OK;
}
