/* The edits: QuantizeLinear and DequantizeLinear behind each tensor, weights
 * as int8 initializers with a DequantizeLinear for each output channel, biases
 * as int32 in steps of input scale times weight scale. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "quant/int8_internal.h"

/* Of opset 13: the first with a scale for each channel. */
#define CHANNEL_AXIS 0

/* ---- initializers ----------------------------------------------------- */

/* Scales and zero points: one, or one for each channel. */
struct parameters {
    const float *scales;
    const void *zero_points; /* of the codes' type */
    enum cz_dtype codes;
    size_t channels; /* 0: one for all, without an axis */
};

/* operands[2]: initializers called like `value`. */
static enum cz_status add_parameters(struct cz_value **operands,
                                     const struct cz_value *value,
                                     const struct parameters *p,
                                     struct cz_error *err)
{
    const int64_t dims[] = {(int64_t)p->channels};
    const size_t count = p->channels ? p->channels : 1;
    struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_FLOAT,
                                  .rank = p->channels > 0,
                                  .dims = dims,
                                  .data = p->scales,
                                  .size_bytes = count * sizeof *p->scales};
    CZ_TRY(cz_graph_add_tensor(&operands[0], value->graph, value->name,
                               "_scale", &spec, err));
    spec.dtype = p->codes;
    spec.data = p->zero_points;
    spec.size_bytes = count * cz_dtype_bits(p->codes) / 8;
    return cz_graph_add_tensor(&operands[1], value->graph, value->name,
                               "_zero_point", &spec, err);
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

static enum cz_status write_tensor(const struct cz_int8_plan *plan,
                                   const struct cz_int8_tensor *tensor,
                                   struct cz_error *err)
{
    const bool is_signed = plan->options->target == CZ_INT8_TENSORRT;
    const enum cz_dtype codes = is_signed ? CZ_DTYPE_INT8 : CZ_DTYPE_UINT8;
    const uint8_t zero_point = (uint8_t)tensor->affine.zero_point;
    struct cz_value *value = tensor->value, *operands[2];
    struct cz_node *quantize, *dequantize;
    const struct parameters p = {.scales = &tensor->affine.scale,
                                 .zero_points = &zero_point,
                                 .codes = codes};
    CZ_TRY(add_parameters(operands, value, &p, err));
    struct cz_node_spec spec = {.op_type = "QuantizeLinear",
                                .suffix = "_quantized",
                                .dtype = codes,
                                .operands = operands,
                                .n_operands = 2};
    CZ_TRY(cz_value_append(&quantize, value, &spec, err));
    spec.op_type = "DequantizeLinear";
    spec.suffix = "_dequantized";
    spec.dtype = CZ_DTYPE_FLOAT;
    CZ_TRY(cz_value_append(&dequantize, quantize->outputs[0], &spec, err));
    return move_readers(plan, value, dequantize->outputs[0], err);
}

/* ---- weights ---------------------------------------------------------- */

/* The zero point of weights in uint8. */
#define UINT8_ZERO 128

/* DequantizeLinear(codes, scales, zeros), read as input `input` of the node. */
static enum cz_status replace_input(struct cz_node *node, size_t input,
                                    const struct cz_tensor_spec *codes,
                                    const float *scales, struct cz_error *err)
{
    static const int64_t axis = CHANNEL_AXIS;
    const struct cz_attr attr = {
        .name = "axis", .kind = CZ_ATTR_INT, .count = 1, .ints = &axis};
    struct cz_value *old = node->inputs[input], *value, *operands[2];
    const size_t channels = (size_t)codes->dims[0];
    void *zeros = cz_calloc(channels + 1, sizeof(int32_t));
    struct cz_node *dequantize;
    if (!zeros)
        return cz_error_nomem(err);
    if (codes->dtype == CZ_DTYPE_UINT8)
        memset(zeros, UINT8_ZERO, channels);
    enum cz_status status =
        cz_graph_add_tensor(&value, old->graph, old->name, "_int8", codes, err);
    const struct parameters p = {.scales = scales,
                                 .zero_points = zeros,
                                 .codes = codes->dtype,
                                 .channels = channels};
    if (status == CZ_OK)
        status = add_parameters(operands, old, &p, err);
    cz_free(zeros);
    CZ_TRY(status);
    CZ_TRY(cz_node_set_input(node, input, value, err));
    const struct cz_node_spec spec = {.op_type = "DequantizeLinear",
                                      .suffix = "_dequantized",
                                      .dtype = CZ_DTYPE_FLOAT,
                                      .operands = operands,
                                      .n_operands = 2,
                                      .attrs = &attr,
                                      .n_attrs = 1};
    return cz_node_interpose(&dequantize, node, input, &spec, err);
}

static enum cz_status write_weight(const struct cz_int8_conv *conv,
                                   struct cz_error *err)
{
    const struct cz_tensor *old = conv->node->inputs[1]->constant;
    const struct cz_tensor_spec spec = {.dtype = conv->type,
                                        .rank = old->rank,
                                        .dims = old->dims,
                                        .data = conv->codes,
                                        .size_bytes = old->count};
    for (size_t i = 0; i < old->count && conv->type == CZ_DTYPE_UINT8; i++)
        conv->codes[i] ^= INT8_MIN; /* 128 is 0 */
    return replace_input(conv->node, 1, &spec, conv->scales, err);
}

/* In steps of the product of two scales. */
static enum cz_status write_int_bias(const struct cz_int8_conv *conv,
                                     struct cz_error *err)
{
    const size_t channels = conv->weights.channels;
    const int64_t dims[] = {(int64_t)channels};
    int32_t *codes = cz_calloc(channels + 1, sizeof *codes);
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_INT32,
                                        .rank = 1,
                                        .dims = dims,
                                        .data = codes,
                                        .size_bytes = channels * sizeof *codes};
    if (!codes)
        return cz_error_nomem(err);
    for (size_t c = 0; c < channels; c++) {
        const float step = conv->input->affine.scale * conv->scales[c];
        codes[c] = (int32_t)lrint((double)conv->bias[c] / (double)step);
        conv->scales[c] = step;
    }
    const enum cz_status status =
        replace_input(conv->node, 2, &spec, conv->scales, err);
    cz_free(codes);
    return status;
}

/* One that learning has changed. */
static enum cz_status write_float_bias(const struct cz_int8_conv *conv,
                                       struct cz_error *err)
{
    struct cz_value *old = conv->node->inputs[2], *value;
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_FLOAT,
                                        .rank = old->constant->rank,
                                        .dims = old->constant->dims,
                                        .data = conv->bias,
                                        .size_bytes = conv->weights.channels *
                                                      sizeof *conv->bias};
    CZ_TRY(cz_graph_add_tensor(&value, old->graph, old->name, "_corrected",
                               &spec, err));
    return cz_node_set_input(conv->node, 2, value, err);
}

static enum cz_status write_conv(const struct cz_int8_plan *plan,
                                 const struct cz_int8_conv *conv,
                                 struct cz_error *err)
{
    CZ_TRY(write_weight(conv, err));
    if (cz_int8_conv_has_int_bias(plan, conv))
        return write_int_bias(conv, err);
    return conv->bias && plan->options->learn ? write_float_bias(conv, err)
                                              : CZ_OK;
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status write_all(const struct cz_int8_plan *plan,
                                struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_convs; i++) {
        const struct cz_int8_conv *conv = &plan->convs[i];
        CZ_TRY(cz_error_prefix(err, write_conv(plan, conv, err),
                               cz_node_label(conv->node)));
    }
    for (size_t i = 0; i < plan->n_tensors; i++)
        CZ_TRY(write_tensor(plan, &plan->tensors[i], err));
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
