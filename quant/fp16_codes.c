/* float16 in a model in QDQ form: which operators are computed in integers, and
 * scales that are float16. */
#include <math.h>

#include "quant/fp16_internal.h"

/* ---- operators in integers -------------------------------------------- */

static bool is_dequantized(const struct cz_value *value)
{
    return value->producer && cz_node_is(value->producer, "DequantizeLinear");
}

/* Are all float operands that are computed dequantized, and is there one? */
static bool reads_codes(const struct cz_node *node)
{
    bool any = false;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cz_value *value = node->inputs[i];
        if (!value || value->constant || value->dtype != CZ_DTYPE_FLOAT)
            continue;
        if (!is_dequantized(value))
            return false;
        any = true;
    }
    return any;
}

static bool is_only_quantized(const struct cz_value *value)
{
    for (size_t i = 0; i < value->n_uses; i++) {
        if (!cz_node_is(value->uses[i].node, "QuantizeLinear"))
            return false;
    }
    return value->n_uses && !value->is_output;
}

/* What runtimes fold into the range of the codes. */
static bool is_folded(const struct cz_node *node)
{
    return (cz_node_is(node, "Relu") || cz_node_is(node, "Clip")) &&
           is_only_quantized(node->outputs[0]);
}

static bool makes_codes(const struct cz_node *node)
{
    for (size_t i = 0; i < node->n_outputs; i++) {
        const struct cz_value *value = node->outputs[i];
        if (value && !is_only_quantized(value) &&
            !(value->n_uses == 1 && !value->is_output &&
              is_folded(value->uses[0].node)))
            return false;
    }
    return node->n_outputs > 0;
}

void cz_half_mark_integer(const struct cz_graph *graph, bool *is_integer)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        const struct cz_value *x = cz_node_input(node, 0);
        is_integer[i] = makes_codes(node) && reads_codes(node);
        if (!is_integer[i] && x && x->producer && x->graph == graph &&
            node->n_outputs && is_folded(node))
            is_integer[i] = is_integer[x->producer->position];
    }
}

/* ---- scales ----------------------------------------------------------- */

/* Codes of one scale, each with an own zero point. */
struct run {
    struct cz_elements *codes;
    size_t first, count;
    double zero;
    double factor; /* old scale / new scale */
};

static void follow(const struct run *run)
{
    const bool is_signed = run->codes->dtype == CZ_DTYPE_INT8;
    const double least = is_signed ? INT8_MIN : 0;
    const double most = is_signed ? INT8_MAX : UINT8_MAX;
    uint8_t *codes = run->codes->data;
    for (size_t i = run->first; i < run->first + run->count; i++) {
        const double code = cz_elements_get(run->codes, i) - run->zero;
        const double moved = rint(code * run->factor) + run->zero;
        codes[i * run->codes->stride] =
            (uint8_t)(int)fmin(fmax(moved, least), most);
    }
}

static enum cz_status follow_in(const struct cz_node *dequantize,
                                const struct cz_elements *scales,
                                const float *before, struct cz_error *err)
{
    struct cz_tensor *tensor = dequantize->inputs[0]->constant;
    const struct cz_value *zero = cz_node_input(dequantize, 2);
    struct cz_elements codes, zeros = {.count = 0};
    CZ_TRY(cz_tensor_elements(tensor, &codes, err));
    if (zero && zero->constant)
        CZ_TRY(cz_tensor_elements(zero->constant, &zeros, err));
    struct run run = {.codes = &codes, .count = codes.count / scales->count};
    for (size_t c = 0; c < scales->count; c++) {
        run.first = c * run.count;
        run.zero = c < zeros.count ? cz_elements_get(&zeros, c) : 0;
        run.factor = (double)before[c] / cz_elements_get(scales, c);
        follow(&run);
    }
    cz_tensor_touch(tensor);
    return CZ_OK;
}

/* Only weights: they have a scale for each index of axis 0. */
static bool has_weights(const struct cz_node *node, size_t n_scales)
{
    const struct cz_value *codes = cz_node_input(node, 0);
    return cz_node_is(node, "DequantizeLinear") && codes && codes->constant &&
           (codes->dtype == CZ_DTYPE_INT8 || codes->dtype == CZ_DTYPE_UINT8) &&
           cz_node_attr_int(node, "axis", 1) == 0 && codes->constant->rank &&
           n_scales && codes->constant->dims[0] == (int64_t)n_scales;
}

enum cz_status cz_half_follow_scale(const struct cz_value *scale,
                                    const float *before, struct cz_error *err)
{
    struct cz_elements scales;
    CZ_TRY(cz_tensor_elements(scale->constant, &scales, err));
    for (size_t i = 0; i < scale->n_uses; i++) {
        const struct cz_node *node = scale->uses[i].node;
        if (scale->uses[i].input == 1 && has_weights(node, scales.count))
            CZ_TRY(follow_in(node, &scales, before, err));
    }
    return CZ_OK;
}
