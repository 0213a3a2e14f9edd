/* What each operator does to channels: one row of a table, one rule. A rule
 * unites what belongs together, or says why it cannot tell. */
#include "prune/coupling_internal.h"

#include <string.h>

#define RANK_MAX 8

#define UNKNOWN_SHAPE "the shape of what it makes is not known"
#define NOT_CONSTANT "it has operands that are computed"

/* ---- constants -------------------------------------------------------- */

static bool read_numbers(const struct cz_node *node, size_t input,
                         double numbers[2 * RANK_MAX], size_t *count)
{
    const struct cz_value *value = cz_node_input(node, input);
    struct cz_elements e;
    if (!value || !value->constant || value->constant->count > 2 * RANK_MAX ||
        cz_tensor_elements(value->constant, &e, NULL) != CZ_OK || !e.stride)
        return false;
    *count = e.count;
    for (size_t i = 0; i < e.count; i++)
        numbers[i] = cz_elements_get(&e, i);
    return true;
}

/* An operand that is an attribute in older opsets. */
static bool read_either(const struct cz_node *node, const char *name,
                        size_t input, double numbers[2 * RANK_MAX],
                        size_t *count)
{
    const struct cz_attr *attr = cz_node_attr(node, name);
    if (!attr)
        return read_numbers(node, input, numbers, count);
    if (attr->count > 2 * RANK_MAX ||
        (attr->kind != CZ_ATTR_INTS && attr->kind != CZ_ATTR_FLOATS))
        return false;
    *count = attr->count;
    for (size_t i = 0; i < attr->count; i++)
        numbers[i] = attr->kind == CZ_ATTR_INTS ? (double)attr->ints[i]
                                                : (double)attr->floats[i];
    return true;
}

/* 0, which is never an axis to work along, for one that is none. */
static size_t axis_of(double number, const struct cz_value *value)
{
    const double rank = (double)value->shape.rank;
    const double axis = number < 0 ? number + rank : number;
    return axis > 0 && axis < rank ? (size_t)axis : 0;
}

/* Do the axes leave batch and channels alone? */
static bool are_spatial(const double *axes, size_t count,
                        const struct cz_value *value)
{
    for (size_t i = 0; i < count; i++) {
        if (axis_of(axes[i], value) < 2)
            return false;
    }
    return true;
}

/* Why this operand of the node's cannot be made smaller, or NULL. */
static const char *find_fault(const struct cz_node *node, size_t input,
                              size_t axis, size_t count)
{
    const struct cz_value *value = node->inputs[input];
    if (!value->constant)
        return "its weights are computed";
    if (value->constant->dtype != CZ_DTYPE_FLOAT)
        return "its weights are not float32";
    if (value->n_uses != 1 || value->is_output)
        return "it shares its weights";
    if (value->is_input && cz_model_ir_version(node->graph->model) > 3)
        return "its weights may be replaced by the caller";
    if (axis >= value->constant->rank ||
        value->constant->dims[axis] != (int64_t)count)
        return "its weights do not fit its shape";
    return NULL;
}

/* ---- operands --------------------------------------------------------- */

size_t cz_conv_groups(const struct cz_node *conv)
{
    const int64_t groups = cz_node_attr_int(conv, "group", 1);
    return groups > 0 ? (size_t)groups : 1;
}

bool cz_conv_is_depthwise(const struct cz_node *conv)
{
    const struct cz_shape *x = &conv->inputs[0]->shape;
    const size_t groups = cz_conv_groups(conv);
    return groups > 1 && x->known && x->rank > 1 &&
           x->dims[1] == (int64_t)groups;
}

static size_t conv_operands(struct cz_channel_operand *operands,
                            const struct cz_node *conv)
{
    const struct cz_value *x = conv->inputs[0], *y = conv->outputs[0];
    size_t n = 0;
    operands[n++] = (struct cz_channel_operand){1, 0, y};
    if (!cz_conv_is_depthwise(conv))
        operands[n++] = (struct cz_channel_operand){1, 1, x};
    if (cz_node_input(conv, 2))
        operands[n++] = (struct cz_channel_operand){2, 0, y};
    return n;
}

/* Constants that have an axis of more than one element where the channels of
 * the result are. */
static size_t elementwise_operands(struct cz_channel_operand *operands,
                                   const struct cz_node *node)
{
    const struct cz_value *y = node->outputs[0];
    size_t n = 0;
    if (!y->shape.known || y->shape.rank < 3)
        return 0;
    for (size_t i = 0; i < node->n_inputs && i < 2; i++) {
        const struct cz_value *v = node->inputs[i];
        if (!v || !v->constant || v->constant->rank + 1 < y->shape.rank)
            continue;
        const size_t axis = v->constant->rank + 1 - y->shape.rank;
        if (v->constant->dims[axis] != 1)
            operands[n++] = (struct cz_channel_operand){i, axis, y};
    }
    return n;
}

static cz_coupling_rule couple_elementwise;

size_t cz_channel_operands(struct cz_channel_operand *operands,
                           const struct cz_node *node)
{
    cz_coupling_rule *rule = cz_coupling_rule_of(node);
    if (!rule)
        return 0;
    if (cz_node_is(node, "Conv"))
        return conv_operands(operands, node);
    if (cz_node_is(node, "BatchNormalization")) {
        for (size_t i = 0; i < 4; i++)
            operands[i] =
                (struct cz_channel_operand){i + 1, 0, node->outputs[0]};
        return 4;
    }
    return rule == couple_elementwise ? elementwise_operands(operands, node)
                                      : 0;
}

static const char *find_operand_fault(const struct cz_coupling *c,
                                      const struct cz_node *node)
{
    struct cz_channel_operand operands[CZ_CHANNEL_OPERANDS_MAX];
    const size_t n = cz_channel_operands(operands, node);
    for (size_t i = 0; i < n; i++) {
        const struct cz_channel_operand *o = &operands[i];
        size_t count = cz_coupling_channels(c, o->value);
        if (o->value == cz_node_input(node, 0) && cz_node_is(node, "Conv"))
            count /= cz_conv_groups(node);
        const char *fault = find_fault(node, o->input, o->axis, count);
        if (fault)
            return fault;
    }
    return NULL;
}

/* ---- convolutions ----------------------------------------------------- */

/* All groups stay of one size: the same channels go in each. */
static void unite_groups(struct cz_coupling *c, const struct cz_value *value,
                         size_t groups)
{
    const size_t count = cz_coupling_channels(c, value) / groups;
    for (size_t group = 1; group < groups; group++) {
        for (size_t i = 0; i < count; i++)
            cz_coupling_unite(c, value, i, value, group * count + i);
    }
}

static const char *couple_conv(struct cz_coupling *c,
                               const struct cz_node *node)
{
    const struct cz_value *x = cz_node_input(node, 0), *y = node->outputs[0];
    const size_t in = cz_coupling_channels(c, x);
    const size_t out = cz_coupling_channels(c, y);
    const size_t groups = cz_conv_groups(node);
    if (!in || !out || !cz_node_input(node, 1))
        return UNKNOWN_SHAPE;
    if (in % groups || out % groups)
        return "its groups do not fit its channels";
    const char *fault = find_operand_fault(c, node);
    if (fault)
        return fault;
    if (!cz_conv_is_depthwise(node)) {
        unite_groups(c, x, groups);
        unite_groups(c, y, groups);
        return NULL;
    }
    for (size_t i = 0; i < out; i++)
        cz_coupling_unite(c, x, i / (out / in), y, i);
    return NULL;
}

/* ---- channel by channel ----------------------------------------------- */

static const char *couple_same(struct cz_coupling *c,
                               const struct cz_node *node)
{
    const struct cz_value *x = cz_node_input(node, 0), *y = node->outputs[0];
    const size_t count = cz_coupling_channels(c, x);
    if (!count || cz_coupling_channels(c, y) != count)
        return UNKNOWN_SHAPE;
    for (size_t i = 1; i < node->n_outputs; i++) {
        const struct cz_value *other = node->outputs[i];
        if (other && (other->n_uses || other->is_output))
            return "more than its first output is read";
    }
    for (size_t i = 0; i < count; i++)
        cz_coupling_unite(c, x, i, y, i);
    return NULL;
}

static const char *couple_norm(struct cz_coupling *c,
                               const struct cz_node *node)
{
    for (size_t i = 0; i < 5; i++) {
        if (!cz_node_input(node, i))
            return NOT_CONSTANT;
    }
    const char *fault = find_operand_fault(c, node);
    return fault ? fault : couple_same(c, node);
}

/* An operand that is no constant. One channel for all of the others' is one
 * that never goes: it is the only one of its set. */
static const char *couple_operand(struct cz_coupling *c,
                                  const struct cz_value *x,
                                  const struct cz_value *y)
{
    const size_t count = cz_coupling_channels(c, x);
    if (!count || x->shape.rank != y->shape.rank)
        return "its operands have different ranks";
    for (size_t i = 0; i < count && count == cz_coupling_channels(c, y); i++)
        cz_coupling_unite(c, x, i, y, i);
    return NULL;
}

static const char *couple_elementwise(struct cz_coupling *c,
                                      const struct cz_node *node)
{
    const struct cz_value *y = node->outputs[0];
    if (!cz_coupling_channels(c, y))
        return UNKNOWN_SHAPE;
    if (node->n_inputs != 2 || !node->inputs[0] || !node->inputs[1])
        return "it has not two operands";
    for (size_t i = 0; i < 2; i++) {
        const struct cz_value *x = node->inputs[i];
        if (x->constant && x->constant->rank > y->shape.rank)
            return "its operands have different ranks";
    }
    const char *fault = find_operand_fault(c, node);
    for (size_t i = 0; i < 2 && !fault; i++) {
        if (!node->inputs[i]->constant)
            fault = couple_operand(c, node->inputs[i], y);
    }
    return fault;
}

/* ---- along other axes ------------------------------------------------- */

static const char *couple_pad(struct cz_coupling *c, const struct cz_node *node)
{
    const struct cz_value *y = node->outputs[0];
    double pads[2 * RANK_MAX], axes[2 * RANK_MAX];
    size_t count, n_axes;
    if (!cz_coupling_channels(c, y))
        return UNKNOWN_SHAPE;
    if (cz_node_input(node, 3)) {
        if (!read_numbers(node, 3, axes, &n_axes) ||
            !are_spatial(axes, n_axes, y))
            return "it pads channels";
        return couple_same(c, node);
    }
    const size_t rank = y->shape.rank;
    if (!read_either(node, "pads", 1, pads, &count) || count != 2 * rank)
        return NOT_CONSTANT;
    if (pads[0] != 0 || pads[1] != 0 || pads[rank] != 0 || pads[rank + 1] != 0)
        return "it pads channels";
    return couple_same(c, node);
}

static const char *couple_slice(struct cz_coupling *c,
                                const struct cz_node *node)
{
    double axes[2 * RANK_MAX];
    size_t count;
    if (!cz_coupling_channels(c, cz_node_input(node, 0)))
        return UNKNOWN_SHAPE;
    if (!read_either(node, "axes", 3, axes, &count))
        return NOT_CONSTANT;
    if (!are_spatial(axes, count, node->inputs[0]))
        return "it takes some of the channels";
    return couple_same(c, node);
}

static const char *couple_reduce(struct cz_coupling *c,
                                 const struct cz_node *node)
{
    double axes[2 * RANK_MAX];
    size_t count;
    if (!cz_coupling_channels(c, cz_node_input(node, 0)))
        return UNKNOWN_SHAPE;
    if (!read_either(node, "axes", 1, axes, &count))
        return NOT_CONSTANT;
    if (!count || !are_spatial(axes, count, node->inputs[0]) ||
        !cz_node_attr_int(node, "keepdims", 1))
        return "it reduces over channels";
    return couple_same(c, node);
}

/* Those that look beyond the axis for what they read, or may. */
static bool has_odd_mode(const struct cz_node *node)
{
    const char *mode =
        cz_node_attr_string(node, "coordinate_transformation_mode", "");
    const char *policy =
        cz_node_attr_string(node, "keep_aspect_ratio_policy", "stretch");
    return strncmp(mode, "tf_", 3) == 0 || strcmp(policy, "stretch") != 0;
}

static const char *couple_resize(struct cz_coupling *c,
                                 const struct cz_node *node)
{
    const bool is_old = node->n_inputs < 3; /* opset 10, and Upsample */
    double scales[2 * RANK_MAX];
    size_t count;
    if (has_odd_mode(node))
        return "it may move channels";
    if (cz_node_attr(node, "axes")) {
        const struct cz_attr *axes = cz_node_attr(node, "axes");
        for (size_t i = 0; i < axes->count; i++) {
            if (axes->kind != CZ_ATTR_INTS || axes->ints[i] < 2)
                return "it may resize channels";
        }
        return couple_same(c, node);
    }
    const bool has_sizes = cz_node_input(node, 3) != NULL;
    if (has_sizes
            ? !read_numbers(node, 3, scales, &count)
            : !read_either(node, "scales", is_old ? 1 : 2, scales, &count))
        return NOT_CONSTANT;
    if (count < 3 || (!has_sizes && scales[1] != 1))
        return "it may resize channels";
    return couple_same(c, node); /* which wants as many behind as before */
}

/* ---- parts ------------------------------------------------------------ */

bool cz_parts_are_channels(const struct cz_node *node)
{
    const int64_t axis =
        cz_node_attr_int(node, "axis", cz_node_is(node, "Concat"));
    return axis_of((double)axis, node->inputs[0]) == 1;
}

/* Unites the channels of a part with those of the whole from `from` on. */
static void unite_part(struct cz_coupling *c, const struct cz_value *part,
                       const struct cz_value *whole, size_t from)
{
    for (size_t i = 0; i < cz_coupling_channels(c, part); i++)
        cz_coupling_unite(c, part, i, whole, from + i);
}

/* Parts along the channels, or all with the same ones. */
static const char *couple_parts(struct cz_coupling *c,
                                struct cz_value *const *parts, size_t n_parts,
                                const struct cz_value *whole, bool along)
{
    const size_t count = cz_coupling_channels(c, whole);
    size_t sum = 0;
    for (size_t i = 0; i < n_parts; i++) {
        const size_t own = cz_coupling_channels(c, parts[i]);
        if (!own || (!along && own != count))
            return UNKNOWN_SHAPE;
        sum += own;
    }
    if (!count || (along && sum != count))
        return UNKNOWN_SHAPE;
    for (size_t i = 0, from = 0; i < n_parts; i++) {
        unite_part(c, parts[i], whole, from);
        from += along ? cz_coupling_channels(c, parts[i]) : 0;
    }
    return NULL;
}

static const char *couple_concat(struct cz_coupling *c,
                                 const struct cz_node *node)
{
    const struct cz_value *y = node->outputs[0];
    return couple_parts(c, node->inputs, node->n_inputs, y,
                        cz_parts_are_channels(node));
}

static const char *couple_split(struct cz_coupling *c,
                                const struct cz_node *node)
{
    const struct cz_value *x = node->inputs[0];
    const bool along = cz_parts_are_channels(node);
    double sizes[2 * RANK_MAX];
    size_t count;
    if (along && cz_node_input(node, 1) &&
        !read_numbers(node, 1, sizes, &count))
        return NOT_CONSTANT;
    return couple_parts(c, node->outputs, node->n_outputs, x, along);
}

/* ---- the table -------------------------------------------------------- */

struct row {
    const char *op_type;
    cz_coupling_rule *rule;
};

static const struct row rows[] = {
    {"Abs", couple_same},           {"Add", couple_elementwise},
    {"AveragePool", couple_same},   {"BatchNormalization", couple_norm},
    {"Cast", couple_same},          {"Ceil", couple_same},
    {"Celu", couple_same},          {"Clip", couple_same},
    {"Concat", couple_concat},      {"Conv", couple_conv},
    {"Div", couple_elementwise},    {"Dropout", couple_same},
    {"Elu", couple_same},           {"Erf", couple_same},
    {"Exp", couple_same},           {"Floor", couple_same},
    {"Gelu", couple_same},          {"GlobalAveragePool", couple_same},
    {"GlobalMaxPool", couple_same}, {"HardSigmoid", couple_same},
    {"HardSwish", couple_same},     {"Identity", couple_same},
    {"LeakyRelu", couple_same},     {"Log", couple_same},
    {"Max", couple_elementwise},    {"MaxPool", couple_same},
    {"Min", couple_elementwise},    {"Mish", couple_same},
    {"Mul", couple_elementwise},    {"Neg", couple_same},
    {"PRelu", couple_elementwise},  {"Pad", couple_pad},
    {"Pow", couple_elementwise},    {"Reciprocal", couple_same},
    {"ReduceMax", couple_reduce},   {"ReduceMean", couple_reduce},
    {"ReduceMin", couple_reduce},   {"ReduceSum", couple_reduce},
    {"Relu", couple_same},          {"Resize", couple_resize},
    {"Selu", couple_same},          {"Sigmoid", couple_same},
    {"Slice", couple_slice},        {"Softplus", couple_same},
    {"Softsign", couple_same},      {"Split", couple_split},
    {"Sqrt", couple_same},          {"Sub", couple_elementwise},
    {"Tanh", couple_same},          {"Upsample", couple_resize},
};

cz_coupling_rule *cz_coupling_rule_of(const struct cz_node *node)
{
    if (!node->n_outputs || !node->outputs[0] || !cz_node_input(node, 0))
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (cz_node_is(node, rows[i].op_type))
            return rows[i].rule;
    }
    return NULL;
}
