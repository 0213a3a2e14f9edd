/* The codes of weights: symmetric for each output channel, int8 or, where x86
 * could not add their products in pairs, uint8. */
#include <math.h>

#include "core/alloc.h"
#include "quant/int8_internal.h"

/* ---- numbers ---------------------------------------------------------- */

static enum cz_status check_bias(const float *bias, size_t count,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(bias[i]))
            return cz_error_set(err, CZ_EINVAL,
                                "the bias of output channel %zu is not finite",
                                i);
    }
    return CZ_OK;
}

static enum cz_status read_weights(struct cz_int8_conv *conv,
                                   struct cz_error *err)
{
    const struct cz_tensor *tensor = conv->node->inputs[1]->constant;
    struct cz_value *bias = cz_node_input(conv->node, 2);
    const size_t channels = (size_t)tensor->dims[0];
    float *values = NULL;
    CZ_TRY(cz_tensor_floats(conv->node->inputs[1]->constant, &values, err));
    conv->weights = (struct cz_weights){
        .values = values,
        .channels = channels,
        .per_channel = channels ? tensor->count / channels : 0,
        .inputs = tensor->rank > 1 ? (size_t)tensor->dims[1] : 0,
        .groups = (size_t)cz_node_attr_int(conv->node, "group", 1)};
    if (bias && bias->constant) {
        CZ_TRY(cz_tensor_floats(bias->constant, &conv->bias, err));
        CZ_TRY(check_bias(conv->bias, bias->constant->count, err));
    }
    conv->scales = cz_calloc(channels + 1, sizeof *conv->scales);
    conv->codes = cz_calloc(tensor->count + 1, sizeof *conv->codes);
    return conv->scales && conv->codes ? CZ_OK : cz_error_nomem(err);
}

/* ---- biases ----------------------------------------------------------- */

bool cz_int8_conv_has_int_bias(const struct cz_int8_plan *plan,
                               const struct cz_int8_conv *conv)
{
    return conv->bias && conv->is_integer &&
           plan->options->target == CZ_INT8_ONNXRUNTIME;
}

/* A bias that is too large for its steps gets larger ones: the channel's
 * weights are quantized more coarsely. least_scales: [channels]. */
static void find_least_scales(float *least_scales,
                              const struct cz_int8_conv *conv)
{
    for (size_t c = 0; c < conv->weights.channels; c++)
        least_scales[c] = nextafterf(
            (float)(fabs((double)conv->bias[c]) /
                    ((double)conv->input->affine.scale * (INT32_MAX / 2))),
            INFINITY);
}

/* ---- pairs ------------------------------------------------------------ */

/* Values may be so much greater than those of the calibration images. */
#define MARGIN 1.125F

/* How much greater the squared error of limited pairs may be: 1 dB. */
#define PAIRS_WORTH 1.26

/* The greatest code that each input channel has. */
static enum cz_status find_most_codes(struct cz_int8_conv *conv,
                                      struct cz_error *err)
{
    const struct cz_int8_seen *seen = conv->input->seen;
    if (!conv->weights.inputs ||
        conv->weights.groups * conv->weights.inputs != seen->channels)
        return CZ_OK;
    uint8_t *most_codes = cz_calloc(seen->channels, 1);
    if (!most_codes)
        return cz_error_nomem(err);
    for (size_t c = 0; c < seen->channels; c++) {
        const float most = MARGIN * seen->channel_most[c];
        cz_affine_to_uint8(&most_codes[c], &most, 1, conv->input->affine);
    }
    conv->weights.most_codes = most_codes;
    return CZ_OK;
}

static void forget_most_codes(struct cz_int8_conv *conv)
{
    cz_free((void *)conv->weights.most_codes);
    conv->weights.most_codes = NULL;
}

static double squared_error(const struct cz_int8_conv *conv)
{
    const struct cz_weights *w = &conv->weights;
    double sum = 0;
    for (size_t c = 0; c < w->channels; c++) {
        const struct cz_affine affine = {conv->scales[c], 0};
        for (size_t i = c * w->per_channel; i < (c + 1) * w->per_channel; i++) {
            float value;
            cz_affine_from_int8(&value, &conv->codes[i], 1, affine);
            const double rest = (double)value - (double)w->values[i];
            sum += rest * rest;
        }
    }
    return sum;
}

static enum cz_status quantize(struct cz_int8_conv *conv,
                               const struct cz_weight_options *options,
                               struct cz_error *err)
{
    return cz_affine_weights(conv->scales, conv->codes, &conv->weights, options,
                             err);
}

/* Makes products safe for x86 without VNNI: weights that come in pairs which 16
 * bits can add or, where those are much worse, uint8 codes, for which ONNX
 * Runtime has slower products that add in 32. */
static enum cz_status limit_pairs(struct cz_int8_conv *conv,
                                  const struct cz_weight_options *options,
                                  struct cz_error *err)
{
    const double free_error = squared_error(conv);
    CZ_TRY(find_most_codes(conv, err));
    if (!conv->weights.most_codes) {
        conv->type = CZ_DTYPE_UINT8; /* nobody knows */
        return CZ_OK;
    }
    CZ_TRY(quantize(conv, options, err));
    if (squared_error(conv) <= PAIRS_WORTH * free_error)
        return CZ_OK;
    forget_most_codes(conv);
    conv->type = CZ_DTYPE_UINT8;
    return quantize(conv, options, err);
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status find_codes(const struct cz_int8_plan *plan,
                                 struct cz_int8_conv *conv, float *least_scales,
                                 struct cz_error *err)
{
    struct cz_weight_options options = CZ_WEIGHT_OPTIONS_INIT;
    if (cz_int8_conv_has_int_bias(plan, conv)) {
        find_least_scales(least_scales, conv);
        options.least_scales = least_scales;
    }
    CZ_TRY(quantize(conv, &options, err));
    return conv->is_integer && plan->options->target == CZ_INT8_ONNXRUNTIME
               ? limit_pairs(conv, &options, err)
               : CZ_OK;
}

static enum cz_status make(const struct cz_int8_plan *plan,
                           struct cz_int8_conv *conv, struct cz_error *err)
{
    CZ_TRY(read_weights(conv, err));
    float *least_scales =
        cz_calloc(conv->weights.channels + 1, sizeof *least_scales);
    const enum cz_status status =
        least_scales ? find_codes(plan, conv, least_scales, err)
                     : cz_error_nomem(err);
    cz_free(least_scales);
    return status;
}

enum cz_status cz_int8_weights_make(struct cz_int8_plan *plan,
                                    struct cz_error *err)
{
    plan->convs = cz_calloc(plan->n_nodes + 1, sizeof *plan->convs);
    if (!plan->convs)
        return cz_error_nomem(err);
    for (size_t i = 0; i < plan->n_nodes; i++) {
        struct cz_node *node = plan->graph->nodes[i];
        const bool is_integer = plan->roles[node->id] == CZ_INT8_WEIGHTED;
        if (!is_integer && !cz_int8_plan_stores_codes(plan, node))
            continue;
        struct cz_int8_conv *conv = &plan->convs[plan->n_convs++];
        const struct cz_use use = {.node = node, .input = 0};
        *conv = (struct cz_int8_conv){.node = node,
                                      .source = node->inputs[1],
                                      .is_integer = is_integer,
                                      .type = CZ_DTYPE_INT8};
        if (cz_int8_plan_reads(plan, &use))
            conv->input = cz_int8_plan_tensor(plan, node->inputs[0]);
        CZ_TRY(
            cz_error_prefix(err, make(plan, conv, err), cz_node_label(node)));
    }
    return CZ_OK;
}

void cz_int8_weights_free(struct cz_int8_plan *plan)
{
    for (size_t i = 0; i < plan->n_convs; i++) {
        struct cz_int8_conv *conv = &plan->convs[i];
        forget_most_codes(conv);
        cz_free((void *)conv->weights.values);
        cz_free(conv->bias);
        cz_free(conv->scales);
        cz_free(conv->codes);
    }
    cz_free(plan->convs);
    plan->convs = NULL;
    plan->n_convs = 0;
}
