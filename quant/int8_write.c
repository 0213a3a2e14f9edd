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

/* A Conv's weight and bias as numbers. */
struct weights {
    struct cz_node *node;
    struct cz_weights weights;
    float *values;                /* [channels, per_channel] */
    float *bias;                  /* [channels], or NULL */
    float *scales, *least_scales; /* [channels] */
    int8_t *codes;
    int32_t *bias_codes;
    uint8_t *most_codes; /* [groups, inputs], or NULL */
    enum cz_dtype codes_type;
};

static enum cz_status read_floats(float **values, struct cz_value *value,
                                  struct cz_error *err)
{
    struct cz_elements elements;
    CZ_TRY(cz_tensor_elements(value->constant, &elements, err));
    *values = cz_realloc_array(NULL, elements.count + 1, sizeof **values);
    if (!*values)
        return cz_error_nomem(err);
    for (size_t i = 0; i < elements.count; i++)
        (*values)[i] = (float)cz_elements_get(&elements, i);
    return CZ_OK;
}

static enum cz_status read_weights(struct weights *w, struct cz_error *err)
{
    const struct cz_tensor *tensor = w->node->inputs[1]->constant;
    struct cz_value *bias = cz_node_input(w->node, 2);
    const size_t channels = (size_t)tensor->dims[0];
    CZ_TRY(read_floats(&w->values, w->node->inputs[1], err));
    if (bias)
        CZ_TRY(read_floats(&w->bias, bias, err));
    w->weights =
        (struct cz_weights){w->values,
                            channels,
                            channels ? tensor->count / channels : 0,
                            NULL,
                            tensor->rank > 1 ? (size_t)tensor->dims[1] : 0,
                            1};
    w->least_scales = cz_calloc(channels + 1, sizeof *w->least_scales);
    w->scales = cz_calloc(channels + 1, sizeof *w->scales);
    w->codes = cz_calloc(tensor->count + 1, sizeof *w->codes);
    w->bias_codes = cz_calloc(channels + 1, sizeof *w->bias_codes);
    return w->scales && w->least_scales && w->codes && w->bias_codes
               ? CZ_OK
               : cz_error_nomem(err);
}

static void free_weights(struct weights *w)
{
    cz_free(w->values);
    cz_free(w->bias);
    cz_free(w->scales);
    cz_free(w->least_scales);
    cz_free(w->most_codes);
    cz_free(w->codes);
    cz_free(w->bias_codes);
}

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

/* A bias that is too large for its steps gets larger ones: the channel's
 * weights are quantized more coarsely. */
static void find_least_scales(struct weights *w, float input_scale)
{
    for (size_t c = 0; c < w->weights.channels; c++)
        w->least_scales[c] =
            nextafterf((float)(fabs((double)w->bias[c]) /
                               ((double)input_scale * (INT32_MAX / 2))),
                       INFINITY);
}

/* Values may be so much greater than those of the calibration images. */
#define MARGIN 1.125F

/* How much greater the squared error of limited pairs may be: 1 dB. */
#define PAIRS_WORTH 1.26

/* The greatest code that each input channel has. */
static enum cz_status find_most_codes(struct weights *w,
                                      const struct cz_int8_tensor *input,
                                      struct cz_error *err)
{
    const size_t inputs = w->weights.inputs;
    const size_t groups = (size_t)cz_node_attr_int(w->node, "group", 1);
    const struct cz_int8_seen *seen = input->seen;
    if (!inputs || groups * inputs != seen->channels)
        return CZ_OK;
    w->most_codes = cz_calloc(seen->channels, 1);
    if (!w->most_codes)
        return cz_error_nomem(err);
    for (size_t c = 0; c < seen->channels; c++) {
        const float most = MARGIN * seen->channel_most[c];
        cz_affine_to_uint8(&w->most_codes[c], &most, 1, input->affine);
    }
    w->weights.groups = groups;
    w->weights.most_codes = w->most_codes;
    return CZ_OK;
}

static double squared_error(const struct weights *w)
{
    double sum = 0;
    for (size_t c = 0; c < w->weights.channels; c++) {
        const struct cz_affine affine = {w->scales[c], 0};
        for (size_t i = 0; i < w->weights.per_channel; i++) {
            const size_t k = c * w->weights.per_channel + i;
            float value;
            cz_affine_from_int8(&value, &w->codes[k], 1, affine);
            const double rest = (double)value - (double)w->values[k];
            sum += rest * rest;
        }
    }
    return sum;
}

/* Makes products safe for x86 without VNNI: weights that come in pairs which 16
 * bits can add or, where those are much worse, uint8 codes, for which ONNX
 * Runtime has slower products that add in 32. */
static enum cz_status limit_pairs(struct weights *w,
                                  const struct cz_int8_tensor *input,
                                  const struct cz_weight_options *options,
                                  struct cz_error *err)
{
    const double free_error = squared_error(w);
    CZ_TRY(find_most_codes(w, input, err));
    CZ_TRY(cz_affine_weights(w->scales, w->codes, &w->weights, options, err));
    if (squared_error(w) <= PAIRS_WORTH * free_error)
        return CZ_OK;
    w->weights.most_codes = NULL;
    w->codes_type = CZ_DTYPE_UINT8;
    return cz_affine_weights(w->scales, w->codes, &w->weights, options, err);
}

/* Symmetric codes of the other type: 128 is 0. */
static void make_unsigned(struct weights *w)
{
    for (size_t i = 0; i < w->weights.channels * w->weights.per_channel; i++)
        w->codes[i] ^= INT8_MIN;
}

static enum cz_status write_bias(struct weights *w, float input_scale,
                                 struct cz_error *err)
{
    const size_t channels = w->weights.channels;
    const int64_t dims[] = {(int64_t)channels};
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_INT32,
                                        .rank = 1,
                                        .dims = dims,
                                        .data = w->bias_codes,
                                        .size_bytes =
                                            channels * sizeof *w->bias_codes};
    for (size_t c = 0; c < channels; c++) {
        const float step = input_scale * w->scales[c];
        w->bias_codes[c] = (int32_t)lrint((double)w->bias[c] / (double)step);
        w->scales[c] = step;
    }
    return replace_input(w->node, 2, &spec, w->scales, err);
}

/* `input`: the tensor that the convolution reads, NULL for one of which only
 * the weights are quantized. */
static enum cz_status convert(struct weights *w,
                              const struct cz_int8_plan *plan,
                              const struct cz_int8_tensor *input,
                              struct cz_error *err)
{
    struct cz_weight_options options = CZ_WEIGHT_OPTIONS_INIT;
    const struct cz_tensor *old = w->node->inputs[1]->constant;
    const bool has_int_bias =
        w->bias && input && plan->options->target == CZ_INT8_ONNXRUNTIME;
    if (has_int_bias) {
        find_least_scales(w, input->affine.scale);
        options.least_scales = w->least_scales;
    }
    CZ_TRY(cz_affine_weights(w->scales, w->codes, &w->weights, &options, err));
    if (input && plan->options->target == CZ_INT8_ONNXRUNTIME)
        CZ_TRY(limit_pairs(w, input, &options, err));
    if (w->codes_type == CZ_DTYPE_UINT8)
        make_unsigned(w);
    const struct cz_tensor_spec spec = {.dtype = w->codes_type,
                                        .rank = old->rank,
                                        .dims = old->dims,
                                        .data = w->codes,
                                        .size_bytes = old->count};
    CZ_TRY(replace_input(w->node, 1, &spec, w->scales, err));
    return has_int_bias ? write_bias(w, input->affine.scale, err) : CZ_OK;
}

static enum cz_status write_weights(const struct cz_int8_plan *plan,
                                    struct cz_node *node,
                                    const struct cz_int8_tensor *input,
                                    struct cz_error *err)
{
    struct weights w = {.node = node, .codes_type = CZ_DTYPE_INT8};
    enum cz_status status = read_weights(&w, err);
    if (status == CZ_OK)
        status = convert(&w, plan, input, err);
    free_weights(&w);
    return cz_error_prefix(err, status, cz_node_label(node));
}

/* ---- all of it -------------------------------------------------------- */

/* The input's tensor is looked up before the edits put nodes between. */
static enum cz_status write_all(struct cz_int8_plan *plan,
                                struct cz_node *const *nodes,
                                struct cz_int8_tensor *const *inputs,
                                struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const size_t id = nodes[i]->id;
        if (plan->has_small_weights[id])
            CZ_TRY(write_weights(plan, nodes[i], NULL, err));
        else if (plan->roles[id] == CZ_INT8_WEIGHTED)
            CZ_TRY(write_weights(plan, nodes[i], inputs[i], err));
    }
    for (size_t i = 0; i < plan->n_tensors; i++)
        CZ_TRY(write_tensor(plan, &plan->tensors[i], err));
    return CZ_OK;
}

enum cz_status cz_int8_write(struct cz_int8_plan *plan, struct cz_error *err)
{
    struct cz_graph *graph = plan->graph;
    struct cz_node **nodes = cz_calloc(plan->n_nodes + 1, sizeof *nodes);
    struct cz_int8_tensor **inputs =
        cz_calloc(plan->n_nodes + 1, sizeof *inputs);
    enum cz_status status = nodes && inputs ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; i < plan->n_nodes && status == CZ_OK; i++) {
        nodes[i] = graph->nodes[i];
        inputs[i] = cz_int8_plan_tensor(plan, cz_node_input(nodes[i], 0));
    }
    if (status == CZ_OK) {
        cz_graph_edit_begin(graph);
        status = write_all(plan, nodes, inputs, err);
        cz_graph_edit_end(graph);
    }
    cz_free(inputs);
    cz_free(nodes);
    return status == CZ_OK ? cz_model_drop_unused(graph->model, err) : status;
}
