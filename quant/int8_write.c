/* The edits: QuantizeLinear and DequantizeLinear behind each tensor, weights
 * as int8 initializers with a DequantizeLinear for each output channel, biases
 * as int32 in steps of input scale times weight scale. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "quant/int8_internal.h"

/* Of opset 13: the first with a scale for each channel. */
#define CHANNEL_AXIS 0

/* ---- names ------------------------------------------------------------ */

/* New values have short names: there are a thousand of them, and those of the
 * values that they stand for would be a tenth of the file. */
struct stem {
    char text[32];
};

static struct stem make_stem(char kind, size_t number)
{
    struct stem stem;
    snprintf(stem.text, sizeof stem.text, "%c%zu", kind, number);
    return stem;
}

/* ---- initializers ----------------------------------------------------- */

/* What the edits have made so far. */
struct writer {
    const struct cz_int8_plan *plan;
    struct cz_value *zero_points[256]; /* of activations, shared; NULL: none */
};

static enum cz_status add_scales(struct cz_value **made, struct cz_graph *graph,
                                 const struct stem *stem, const float *scales,
                                 size_t rank, size_t channels,
                                 struct cz_error *err)
{
    const int64_t dims[] = {(int64_t)channels};
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_FLOAT,
                                        .rank = rank,
                                        .dims = dims,
                                        .data = scales,
                                        .size_bytes =
                                            channels * sizeof *scales};
    return cz_graph_add_tensor(made, graph, stem->text, "_scale", &spec, err);
}

/* The zero point of a tensor: one initializer for all of the same value. */
static enum cz_status find_zero_point(struct cz_value **made, struct writer *w,
                                      uint8_t code, enum cz_dtype dtype,
                                      struct cz_error *err)
{
    const struct cz_tensor_spec spec = {
        .dtype = dtype, .data = &code, .size_bytes = 1};
    const struct stem stem = make_stem('z', code);
    if (!w->zero_points[code])
        CZ_TRY(cz_graph_add_tensor(&w->zero_points[code], w->plan->graph,
                                   stem.text, "_zero_point", &spec, err));
    *made = w->zero_points[code];
    return CZ_OK;
}

/* ---- activations ------------------------------------------------------ */

/* Lets the readers of codes read `to` instead of the tensor's value. */
static enum cz_status move_readers(const struct cz_int8_plan *plan,
                                   struct cz_value *value, struct cz_value *to,
                                   struct cz_error *err)
{
    for (size_t i = value->n_uses; i-- > 0;) {
        if (value->uses[i].node->id < plan->n_nodes &&
            cz_int8_plan_reads(plan, &value->uses[i]))
            CZ_TRY(cz_value_move_use(value, i, to, err));
    }
    return CZ_OK;
}

static enum cz_status write_tensor(struct writer *w, size_t number,
                                   struct cz_error *err)
{
    const struct cz_int8_tensor *tensor = &w->plan->tensors[number];
    const enum cz_dtype codes =
        tensor->codes == CZ_CODES_UINT8 ? CZ_DTYPE_UINT8 : CZ_DTYPE_INT8;
    const struct stem stem = make_stem('t', number);
    struct cz_value *value = tensor->value, *operands[2];
    struct cz_node *quantize, *dequantize;
    CZ_TRY(add_scales(&operands[0], value->graph, &stem, &tensor->affine.scale,
                      0, 1, err));
    CZ_TRY(find_zero_point(&operands[1], w, (uint8_t)tensor->affine.zero_point,
                           codes, err));
    struct cz_node_spec spec = {.op_type = "QuantizeLinear",
                                .stem = stem.text,
                                .suffix = "_q",
                                .dtype = codes,
                                .operands = operands,
                                .n_operands = 2};
    CZ_TRY(cz_value_append(&quantize, value, &spec, err));
    spec.op_type = "DequantizeLinear";
    spec.suffix = "_dq";
    spec.dtype = CZ_DTYPE_FLOAT;
    CZ_TRY(cz_value_append(&dequantize, quantize->outputs[0], &spec, err));
    return move_readers(w->plan, value, dequantize->outputs[0], err);
}

/* ---- weights ---------------------------------------------------------- */

/* The zero point of weights in uint8. */
#define UINT8_ZERO 128

/* Zero points of weights in uint8; NULL for int8, whose default is 0. */
static enum cz_status add_weight_zeros(struct cz_value **made,
                                       struct cz_graph *graph,
                                       const struct stem *stem,
                                       const struct cz_tensor_spec *codes,
                                       struct cz_error *err)
{
    const size_t channels = (size_t)codes->dims[0];
    *made = NULL;
    if (codes->dtype != CZ_DTYPE_UINT8)
        return CZ_OK;
    uint8_t *zeros = cz_malloc(channels + 1);
    if (!zeros)
        return cz_error_nomem(err);
    memset(zeros, UINT8_ZERO, channels);
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_UINT8,
                                        .rank = 1,
                                        .dims = codes->dims,
                                        .data = zeros,
                                        .size_bytes = channels};
    const enum cz_status status =
        cz_graph_add_tensor(made, graph, stem->text, "_zero_point", &spec, err);
    cz_free(zeros);
    return status;
}

/* DequantizeLinear(codes, scales, zeros), read as input `input` of the node. */
static enum cz_status replace_input(struct cz_node *node, size_t input,
                                    const struct stem *stem,
                                    const struct cz_tensor_spec *codes,
                                    const float *scales, struct cz_error *err)
{
    static const int64_t axis = CHANNEL_AXIS;
    const struct cz_attr attr = {
        .name = "axis", .kind = CZ_ATTR_INT, .count = 1, .ints = &axis};
    struct cz_value *old = node->inputs[input], *value, *operands[2];
    struct cz_node *dequantize;
    CZ_TRY(cz_graph_add_tensor(&value, old->graph, old->name, "_int8", codes,
                               err));
    CZ_TRY(add_scales(&operands[0], old->graph, stem, scales, 1,
                      (size_t)codes->dims[0], err));
    CZ_TRY(add_weight_zeros(&operands[1], old->graph, stem, codes, err));
    CZ_TRY(cz_node_set_input(node, input, value, err));
    const struct cz_node_spec spec = {.op_type = "DequantizeLinear",
                                      .stem = stem->text,
                                      .suffix = "_dq",
                                      .dtype = CZ_DTYPE_FLOAT,
                                      .operands = operands,
                                      .n_operands = operands[1] ? 2 : 1,
                                      .attrs = &attr,
                                      .n_attrs = 1};
    return cz_node_interpose(&dequantize, node, input, &spec, err);
}

/* An earlier convolution with the same codes of the same weight, or NULL. */
static const struct cz_int8_conv *find_twin(const struct cz_int8_plan *plan,
                                            size_t number)
{
    const struct cz_int8_conv *conv = &plan->convs[number];
    for (size_t i = 0; i < number; i++) {
        const struct cz_int8_conv *other = &plan->convs[i];
        if (other->source == conv->source && other->type == conv->type &&
            memcmp(other->scales, conv->scales,
                   conv->weights.channels * sizeof *conv->scales) == 0 &&
            memcmp(other->codes, conv->codes,
                   conv->weights.channels * conv->weights.per_channel) == 0)
            return other;
    }
    return NULL;
}

static enum cz_status write_weight(const struct cz_int8_plan *plan,
                                   size_t number, struct cz_error *err)
{
    const struct stem stem = make_stem('w', number);
    const struct cz_int8_conv *conv = &plan->convs[number];
    const struct cz_tensor *old = conv->node->inputs[1]->constant;
    const struct cz_tensor_spec spec = {.dtype = conv->type,
                                        .rank = old->rank,
                                        .dims = old->dims,
                                        .data = conv->codes,
                                        .size_bytes = old->count};
    for (size_t i = 0; i < old->count && conv->type == CZ_DTYPE_UINT8; i++)
        conv->codes[i] ^= INT8_MIN; /* 128 is 0 */
    const struct cz_int8_conv *twin = find_twin(plan, number);
    if (twin)
        return cz_node_set_input(conv->node, 1, twin->node->inputs[1], err);
    return replace_input(conv->node, 1, &stem, &spec, conv->scales, err);
}

/* In steps of the product of two scales: [channels] both. */
static void find_bias_codes(int32_t *codes, float *steps,
                            const struct cz_int8_conv *conv)
{
    for (size_t c = 0; c < conv->weights.channels; c++) {
        steps[c] = conv->input->affine.scale * conv->scales[c];
        codes[c] = (int32_t)lrint((double)conv->bias[c] / (double)steps[c]);
    }
}

static enum cz_status write_int_bias(const struct cz_int8_conv *conv,
                                     size_t number, struct cz_error *err)
{
    const struct stem stem = make_stem('b', number);
    const size_t channels = conv->weights.channels;
    const int64_t dims[] = {(int64_t)channels};
    int32_t *codes = cz_calloc(channels + 1, sizeof *codes);
    float *steps = cz_calloc(channels + 1, sizeof *steps);
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_INT32,
                                        .rank = 1,
                                        .dims = dims,
                                        .data = codes,
                                        .size_bytes = channels * sizeof *codes};
    enum cz_status status = CZ_ENOMEM;
    if (codes && steps) {
        find_bias_codes(codes, steps, conv);
        status = replace_input(conv->node, 2, &stem, &spec, steps, err);
    } else {
        cz_error_nomem(err);
    }
    cz_free(steps);
    cz_free(codes);
    return status;
}

/* One that learning has changed. */
static enum cz_status write_float_bias(const struct cz_int8_conv *conv,
                                       size_t number, struct cz_error *err)
{
    const struct stem stem = make_stem('b', number);
    struct cz_value *old = conv->node->inputs[2], *value;
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_FLOAT,
                                        .rank = old->constant->rank,
                                        .dims = old->constant->dims,
                                        .data = conv->bias,
                                        .size_bytes = conv->weights.channels *
                                                      sizeof *conv->bias};
    CZ_TRY(cz_graph_add_tensor(&value, old->graph, stem.text, "", &spec, err));
    return cz_node_set_input(conv->node, 2, value, err);
}

static enum cz_status write_conv(const struct cz_int8_plan *plan, size_t number,
                                 struct cz_error *err)
{
    const struct cz_int8_conv *conv = &plan->convs[number];
    CZ_TRY(write_weight(plan, number, err));
    if (cz_int8_conv_has_int_bias(plan, conv))
        return write_int_bias(conv, number, err);
    return conv->bias && plan->options->learn
               ? write_float_bias(conv, number, err)
               : CZ_OK;
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status write_all(const struct cz_int8_plan *plan,
                                struct cz_error *err)
{
    struct writer w = {.plan = plan};
    for (size_t i = 0; i < plan->n_convs; i++)
        CZ_TRY(cz_error_prefix(err, write_conv(plan, i, err),
                               cz_node_label(plan->convs[i].node)));
    for (size_t i = 0; i < plan->n_tensors; i++)
        CZ_TRY(write_tensor(&w, i, err));
    return CZ_OK;
}

enum cz_status cz_int8_write(struct cz_int8_plan *plan, struct cz_error *err)
{
    cz_graph_edit_begin(plan->graph);
    const enum cz_status status = write_all(plan, err);
    cz_graph_edit_end(plan->graph);
    return status == CZ_OK ? cz_model_drop_unused(plan->graph->model, err)
                           : status;
}
