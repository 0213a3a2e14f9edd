/* Types and shapes of values: a walk in topological order over one table of
 * operators. Declared types stand; inference fills the gaps. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnx/infer_internal.h"

/* Where the element type of an operator's output 0 comes from; the further
 * outputs follow as noted. */
enum dtype_rule {
    DTYPE_OF_INPUT,    /* as input `dtype_input`, all outputs */
    DTYPE_OF_OPERANDS, /* as the operands, which all have one type */
    DTYPE_THEN_INT64,  /* output 0 as input 0, output 1 int64 (indices) */
    DTYPE_THEN_BOOL,   /* output 0 as input 0, output 1 bool (masks) */
    DTYPE_INT64,       /* all outputs */
    DTYPE_BOOL,
    DTYPE_OF_ATTR_TO, /* Cast's `to` */
    DTYPE_OF_VALUE,   /* ConstantOfShape's `value`, float32 without */
};

struct op {
    const char *op_type;
    cz_infer_rule *shapes; /* NULL: left unknown */
    enum dtype_rule dtype;
    size_t dtype_input;
};

static const struct op ops[] = {
    {"Abs", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Add", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"And", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"ArgMax", NULL, DTYPE_INT64, 0},
    {"ArgMin", NULL, DTYPE_INT64, 0},
    {"AveragePool", cz_infer_pool, DTYPE_OF_INPUT, 0},
    {"BatchNormalization", cz_infer_same, DTYPE_OF_OPERANDS, 0},
    {"Cast", cz_infer_same, DTYPE_OF_ATTR_TO, 0},
    {"CastLike", cz_infer_same, DTYPE_OF_INPUT, 1},
    {"Ceil", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Celu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Clip", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Concat", cz_infer_concat, DTYPE_OF_OPERANDS, 0},
    {"ConstantOfShape", NULL, DTYPE_OF_VALUE, 0},
    {"Conv", cz_infer_conv, DTYPE_OF_OPERANDS, 0},
    {"ConvTranspose", cz_infer_conv_transpose, DTYPE_OF_OPERANDS, 0},
    {"Cos", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"CumSum", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"DepthToSpace", cz_infer_depth_to_space, DTYPE_OF_INPUT, 0},
    {"DequantizeLinear", cz_infer_same, DTYPE_OF_INPUT, 1},
    {"Div", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"Dropout", cz_infer_same, DTYPE_THEN_BOOL, 0},
    {"Einsum", NULL, DTYPE_OF_INPUT, 0},
    {"Elu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Equal", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"Erf", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Exp", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Expand", NULL, DTYPE_OF_INPUT, 0},
    {"Flatten", cz_infer_flatten, DTYPE_OF_INPUT, 0},
    {"Floor", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Gather", cz_infer_gather, DTYPE_OF_INPUT, 0},
    {"GatherElements", NULL, DTYPE_OF_INPUT, 0},
    {"GatherND", NULL, DTYPE_OF_INPUT, 0},
    {"Gelu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Gemm", cz_infer_gemm, DTYPE_OF_OPERANDS, 0},
    {"GlobalAveragePool", cz_infer_global_pool, DTYPE_OF_INPUT, 0},
    {"GlobalLpPool", cz_infer_global_pool, DTYPE_OF_INPUT, 0},
    {"GlobalMaxPool", cz_infer_global_pool, DTYPE_OF_INPUT, 0},
    {"Greater", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"GreaterOrEqual", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"GridSample", NULL, DTYPE_OF_INPUT, 0},
    {"GroupNormalization", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"HardSigmoid", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"HardSwish", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Identity", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"InstanceNormalization", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"IsInf", cz_infer_same, DTYPE_BOOL, 0},
    {"IsNaN", cz_infer_same, DTYPE_BOOL, 0},
    {"LRN", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"LayerNormalization", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"LeakyRelu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Less", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"LessOrEqual", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"Log", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"LogSoftmax", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"LpNormalization", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"LpPool", cz_infer_pool, DTYPE_OF_INPUT, 0},
    {"MatMul", cz_infer_matmul, DTYPE_OF_OPERANDS, 0},
    {"Max", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"MaxPool", cz_infer_pool, DTYPE_THEN_INT64, 0},
    {"MaxRoiPool", NULL, DTYPE_OF_INPUT, 0},
    {"Mean", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"Min", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"Mish", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Mod", cz_infer_broadcast, DTYPE_OF_INPUT, 0},
    {"Mul", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"Neg", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"NonMaxSuppression", NULL, DTYPE_INT64, 0},
    {"NonZero", NULL, DTYPE_INT64, 0},
    {"Not", cz_infer_same, DTYPE_BOOL, 0},
    {"Or", cz_infer_broadcast, DTYPE_BOOL, 0},
    {"PRelu", cz_infer_same, DTYPE_OF_OPERANDS, 0},
    {"Pad", cz_infer_pad, DTYPE_OF_INPUT, 0},
    {"Pow", cz_infer_broadcast, DTYPE_OF_INPUT, 0},
    {"QuantizeLinear", cz_infer_same, DTYPE_OF_INPUT, 2},
    {"Range", NULL, DTYPE_OF_INPUT, 0},
    {"Reciprocal", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"ReduceL1", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceL2", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceLogSum", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceLogSumExp", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceMax", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceMean", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceMin", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceProd", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceSum", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"ReduceSumSquare", cz_infer_reduce, DTYPE_OF_INPUT, 0},
    {"Relu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Reshape", cz_infer_reshape, DTYPE_OF_INPUT, 0},
    {"Resize", cz_infer_resize, DTYPE_OF_INPUT, 0},
    {"ReverseSequence", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"RoiAlign", NULL, DTYPE_OF_INPUT, 0},
    {"Round", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"ScatterElements", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"ScatterND", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Selu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Shape", cz_infer_shape_of, DTYPE_INT64, 0},
    {"Shrink", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Sigmoid", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Sign", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Sin", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Size", NULL, DTYPE_INT64, 0},
    {"Slice", cz_infer_slice, DTYPE_OF_INPUT, 0},
    {"Softmax", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Softplus", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Softsign", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"SpaceToDepth", cz_infer_space_to_depth, DTYPE_OF_INPUT, 0},
    {"Split", cz_infer_split, DTYPE_OF_INPUT, 0},
    {"Sqrt", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Squeeze", cz_infer_squeeze, DTYPE_OF_INPUT, 0},
    {"Sub", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"Sum", cz_infer_broadcast, DTYPE_OF_OPERANDS, 0},
    {"Tan", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Tanh", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"ThresholdedRelu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Tile", NULL, DTYPE_OF_INPUT, 0},
    {"TopK", NULL, DTYPE_THEN_INT64, 0},
    {"Transpose", cz_infer_transpose, DTYPE_OF_INPUT, 0},
    {"Trilu", cz_infer_same, DTYPE_OF_INPUT, 0},
    {"Unsqueeze", cz_infer_unsqueeze, DTYPE_OF_INPUT, 0},
    {"Upsample", cz_infer_resize, DTYPE_OF_INPUT, 0},
    {"Where", cz_infer_broadcast, DTYPE_OF_INPUT, 1},
    {"Xor", cz_infer_broadcast, DTYPE_BOOL, 0},
};

static const struct op *find_op(const struct cz_node *node)
{
    for (size_t i = 0; !*node->domain && i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].op_type, node->op_type) == 0)
            return &ops[i];
    }
    return NULL;
}

/* ---- what the rules ask ----------------------------------------------- */

enum cz_status cz_infer_error(const struct cz_node *node, struct cz_error *err,
                              const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return cz_error_set(err, CZ_ESHAPE, "%.50s '%.200s': %s", node->op_type,
                        cz_node_label(node), message);
}

struct cz_infer_shape cz_infer_input(const struct cz_node *node, size_t i)
{
    struct cz_infer_shape shape = {.known = false};
    const struct cz_value *value = cz_node_input(node, i);
    if (!value || !value->shape.known || value->shape.rank > CZ_INFER_RANK_MAX)
        return shape;
    shape.known = true;
    shape.rank = value->shape.rank;
    for (size_t d = 0; d < shape.rank; d++)
        shape.dims[d] = value->shape.dims[d];
    return shape;
}

bool cz_infer_ints(const struct cz_node *node, size_t i, int64_t *ints,
                   size_t capacity, size_t *count)
{
    const struct cz_value *value = cz_node_input(node, i);
    struct cz_elements e;
    if (!value || !value->constant || value->constant->count > capacity ||
        (value->constant->dtype != CZ_DTYPE_INT64 &&
         value->constant->dtype != CZ_DTYPE_INT32) ||
        cz_tensor_elements(value->constant, &e, NULL) != CZ_OK)
        return false;
    *count = e.count;
    for (size_t k = 0; k < e.count; k++)
        ints[k] = cz_elements_get_int(&e, k);
    return true;
}

bool cz_infer_ints_or_attr(const struct cz_node *node, size_t i,
                           const char *name, int64_t *ints, size_t capacity,
                           size_t *count)
{
    if (cz_node_input(node, i))
        return cz_infer_ints(node, i, ints, capacity, count);
    const int64_t *list = cz_node_attr_ints(node, name, count);
    if (!list || *count > capacity)
        return false;
    memcpy(ints, list, *count * sizeof *ints);
    return true;
}

enum cz_status cz_infer_axis(size_t *axis, const struct cz_node *node,
                             int64_t number, size_t rank, struct cz_error *err)
{
    int64_t r = (int64_t)rank;
    if (number < -r || number >= r)
        return cz_infer_error(node, err, "axis %lld of %zu dimensions",
                              (long long)number, rank);
    *axis = (size_t)(number < 0 ? number + r : number);
    return CZ_OK;
}

/* ---- the walk --------------------------------------------------------- */

static enum cz_dtype value_attr_dtype(const struct cz_node *node)
{
    const struct cz_attr *attr = cz_node_attr(node, "value");
    if (attr && attr->kind == CZ_ATTR_TENSOR && attr->count)
        return attr->tensors[0]->dtype;
    return CZ_DTYPE_FLOAT;
}

static enum cz_dtype operands_dtype(const struct cz_node *node)
{
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && node->inputs[i]->dtype != CZ_DTYPE_UNDEFINED)
            return node->inputs[i]->dtype;
    }
    return CZ_DTYPE_UNDEFINED;
}

/* What an operator that is not known here makes has the type that its reader
 * has for its other operands. */
static void type_operands(struct cz_node *node)
{
    enum cz_dtype dtype = operands_dtype(node);
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && node->inputs[i]->dtype == CZ_DTYPE_UNDEFINED)
            node->inputs[i]->dtype = dtype;
    }
}

static enum cz_dtype output_dtype(const struct op *op,
                                  const struct cz_node *node, size_t output)
{
    const struct cz_value *source = cz_node_input(node, op->dtype_input);
    enum cz_dtype same = source ? source->dtype : CZ_DTYPE_UNDEFINED;
    switch (op->dtype) {
    case DTYPE_OF_INPUT:
        return same;
    case DTYPE_OF_OPERANDS:
        return operands_dtype(node);
    case DTYPE_THEN_INT64:
        return output == 0 ? same : CZ_DTYPE_INT64;
    case DTYPE_THEN_BOOL:
        return output == 0 ? same : CZ_DTYPE_BOOL;
    case DTYPE_INT64:
        return CZ_DTYPE_INT64;
    case DTYPE_BOOL:
        return CZ_DTYPE_BOOL;
    case DTYPE_OF_ATTR_TO:
        return (enum cz_dtype)cz_node_attr_int(node, "to", 0);
    case DTYPE_OF_VALUE:
        return value_attr_dtype(node);
    }
    return CZ_DTYPE_UNDEFINED;
}

/* Negative numbers come from operands that are not known. */
static enum cz_status bound_dims(const struct cz_node *node,
                                 struct cz_infer_shape *shape,
                                 struct cz_error *err)
{
    for (size_t i = 0; shape->known && i < shape->rank; i++) {
        if (shape->dims[i] < 0)
            shape->dims[i] = -1;
        if (shape->dims[i] > CZ_DIM_MAX)
            return cz_infer_error(node, err,
                                  "dimension %zu of its output is %lld, more "
                                  "than %d",
                                  i, (long long)shape->dims[i], CZ_DIM_MAX);
    }
    return CZ_OK;
}

/* Takes over what is not declared. */
static enum cz_status merge_shape(struct cz_value *value,
                                  const struct cz_infer_shape *shape,
                                  struct cz_error *err)
{
    if (!shape->known || value->constant ||
        (value->shape.known && value->shape.rank != shape->rank))
        return CZ_OK;
    int64_t *dims =
        cz_arena_alloc(&value->graph->model->arena, shape->rank, sizeof *dims);
    if (!dims)
        return cz_error_nomem(err);
    for (size_t i = 0; i < shape->rank; i++) {
        bool declared = value->shape.known && value->shape.dims[i] >= 0;
        dims[i] = declared ? value->shape.dims[i] : shape->dims[i];
    }
    value->shape = (struct cz_shape){true, shape->rank, dims};
    return CZ_OK;
}

static enum cz_status infer_shapes(const struct op *op, struct cz_node *node,
                                   struct cz_error *err)
{
    struct cz_infer_shape *shapes = cz_calloc(node->n_outputs, sizeof *shapes);
    if (!shapes)
        return cz_error_nomem(err);
    enum cz_status status = op->shapes(node, shapes, err);
    for (size_t i = 0; status == CZ_OK && i < node->n_outputs; i++) {
        status = bound_dims(node, &shapes[i], err);
        if (status == CZ_OK && node->outputs[i])
            status = merge_shape(node->outputs[i], &shapes[i], err);
    }
    cz_free(shapes);
    return status;
}

static enum cz_status infer_node(struct cz_node *node, struct cz_error *err)
{
    const struct op *op = find_op(node);
    if (!op)
        return CZ_OK;
    if (op->dtype == DTYPE_OF_OPERANDS)
        type_operands(node);
    for (size_t i = 0; i < node->n_outputs; i++) {
        struct cz_value *value = node->outputs[i];
        if (value && value->dtype == CZ_DTYPE_UNDEFINED)
            value->dtype = output_dtype(op, node, i);
    }
    return op->shapes && node->n_outputs ? infer_shapes(op, node, err) : CZ_OK;
}

/* The outputs of an If have the types of its branch's, those of a Loop the
 * types of its body's behind the condition. Shapes may change from turn to
 * turn, or between the branches: they stay unknown. */
static void take_from_subgraph(struct cz_node *node,
                               const struct cz_graph *subgraph)
{
    size_t skip = cz_node_is(node, "Loop") ? 1 : 0;
    if (!skip && !cz_node_is(node, "If"))
        return;
    for (size_t i = 0; i < node->n_outputs; i++) {
        struct cz_value *value = node->outputs[i];
        if (value && value->dtype == CZ_DTYPE_UNDEFINED &&
            i + skip < subgraph->n_outputs)
            value->dtype = subgraph->outputs[i + skip]->dtype;
    }
}

static enum cz_status infer_graph(struct cz_graph *graph, struct cz_error *err)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_node *node = graph->nodes[i];
        for (size_t a = 0; a < node->n_attrs; a++) {
            const struct cz_attr *attr = &node->attrs[a];
            if (attr->kind != CZ_ATTR_GRAPH && attr->kind != CZ_ATTR_GRAPHS)
                continue;
            for (size_t g = 0; g < attr->count; g++) {
                CZ_TRY(infer_graph(attr->graphs[g], err));
                take_from_subgraph(node, attr->graphs[g]);
            }
        }
        CZ_TRY(infer_node(node, err));
    }
    return CZ_OK;
}

enum cz_status cz_graph_infer(struct cz_graph *graph, struct cz_error *err)
{
    return cz_error_prefix(err, infer_graph(graph, err), graph->model->name);
}
