/* From opset 9, 10, 11 or 12 to 13: which operators changed in between, and
 * which of them need another form (ONNX operator specification, "Changelog").
 *
 * Most changes only let an operator take more types or negative axes, or gave
 * it an attribute whose default is what it did before. An operator that is in
 * neither table is refused: it was not there in these opsets. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/raise_internal.h"

/* The IR version that came with opset 13; the one that lets initializers be
 * no inputs. */
#define IR_OF_OPSET_13 7
#define IR_OF_INITIALIZERS 4

/* What changed in a way that matters, and with which opset (of those that are
 * gone, in opset 13 at the latest). Of two rows of an
 * operator, the first that fits the model is its own. */
static const struct {
    const char *op_type;
    int64_t since;
    cz_raise_rule *rule;
} changed[] = {
    {"Clip", 11, cz_raise_clip},
    {"ConvTranspose", 11, cz_raise_conv_transpose},
    {"Dropout", 12, cz_raise_dropout},
    {"Hardmax", 13, cz_raise_softmax},
    {"LogSoftmax", 13, cz_raise_softmax},
    {"OneHot", 11, cz_raise_one_hot},
    {"Pad", 11, cz_raise_pad},
    {"ReduceSum", 13, cz_raise_axes},
    {"Resize", 11, cz_raise_resize_10},
    {"Resize", 13, cz_raise_resize_11},
    {"Scatter", 13, cz_raise_scatter},
    {"Slice", 10, cz_raise_slice},
    {"Softmax", 13, cz_raise_softmax},
    {"Split", 13, cz_raise_split},
    {"Squeeze", 13, cz_raise_axes},
    {"TopK", 10, cz_raise_top_k},
    {"Unsqueeze", 13, cz_raise_axes},
    {"Upsample", 13, cz_raise_upsample},
};

/* All other operators of opset 12 and before, sorted: those that did not
 * change, and those of which every earlier form means the same in opset 13. */
static const char *const unchanged[] = {
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AveragePool",
    "BatchNormalization",
    "BitShift",
    "Cast",
    "Ceil",
    "Celu",
    "Compress",
    "Concat",
    "ConcatFromSequence",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvInteger",
    "Cos",
    "Cosh",
    "CumSum",
    "DepthToSpace",
    "DequantizeLinear",
    "Det",
    "Div",
    "DynamicQuantizeLinear",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "EyeLike",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "Identity",
    "If",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LRN",
    "LSTM",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Loop",
    "LpNormalization",
    "LpPool",
    "MatMul",
    "MatMulInteger",
    "Max",
    "MaxPool",
    "MaxRoiPool",
    "MaxUnpool",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mod",
    "Mul",
    "Multinomial",
    "Neg",
    "NegativeLogLikelihoodLoss",
    "NonMaxSuppression",
    "NonZero",
    "Not",
    "Or",
    "PRelu",
    "Pow",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
    "RNN",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "ReverseSequence",
    "RoiAlign",
    "Round",
    "Scan",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "SequenceAt",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceErase",
    "SequenceInsert",
    "SequenceLength",
    "Shape",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "SoftmaxCrossEntropyLoss",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "SplitToSequence",
    "Sqrt",
    "StringNormalizer",
    "Sub",
    "Sum",
    "Tan",
    "Tanh",
    "TfIdfVectorizer",
    "ThresholdedRelu",
    "Tile",
    "Transpose",
    "Unique",
    "Where",
    "Xor",
};

struct nodes {
    struct cz_node **items; /* [count], of all graphs; NULL: only count */
    size_t count;
};

enum cz_status cz_raise_refuse(const struct cz_node *node, struct cz_error *err,
                               const char *why)
{
    return cz_error_set(
        err, CZ_EUNSUPPORTED,
        "%.50s '%.100s': cannot be raised from opset %" PRId64 " to %d: %s",
        node->op_type, cz_node_label(node),
        cz_model_opset(node->graph->model, ""), CZ_OPSET_RAISED, why);
}

static enum cz_status collect(void *user, struct cz_node *node)
{
    struct nodes *nodes = user;
    if (nodes->items)
        nodes->items[nodes->count] = node;
    nodes->count++;
    return CZ_OK;
}

static int compare_op_types(const void *key, const void *row)
{
    return strcmp(key, *(const char *const *)row);
}

static enum cz_status raise_node(struct cz_node *node, int64_t opset,
                                 struct cz_raise_report *report,
                                 struct cz_error *err)
{
    bool is_known =
        bsearch(node->op_type, unchanged, sizeof unchanged / sizeof *unchanged,
                sizeof *unchanged, compare_op_types);
    if (*node->domain)
        return CZ_OK;
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        if (strcmp(changed[i].op_type, node->op_type) != 0)
            continue;
        is_known = true;
        if (opset >= changed[i].since)
            continue;
        report->nodes++;
        return changed[i].rule(node, err);
    }
    if (is_known)
        return CZ_OK;
    return cz_raise_refuse(node, err,
                           "it is no operator of this opset that is known");
}

/* Nodes that rules add have their final form and are not visited. */
static enum cz_status raise_nodes(struct nodes *nodes, int64_t opset,
                                  struct cz_raise_report *report,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < nodes->count; i++)
        cz_graph_edit_begin(nodes->items[i]->graph);
    for (size_t i = 0; i < nodes->count; i++)
        CZ_TRY(raise_node(nodes->items[i], opset, report, err));
    for (size_t i = 0; i < nodes->count; i++)
        cz_graph_edit_end(nodes->items[i]->graph);
    return CZ_OK;
}

static void set_opset(struct cz_model *model, int64_t opset)
{
    for (size_t i = 0; i < cz_proto_model_opset_count(model->proto); i++) {
        struct cz_proto_text domain;
        cz_proto_model_opset(model->proto, i, &domain);
        if (!*domain.data || strcmp(domain.data, "ai.onnx") == 0)
            cz_proto_model_set_opset(model->proto, i, opset);
    }
}

enum cz_status cz_model_raise_opset(struct cz_model *model, int64_t wanted,
                                    struct cz_raise_report *report,
                                    struct cz_error *err)
{
    struct nodes nodes = {.items = NULL};
    int64_t opset = cz_model_opset(model, "");
    *report = (struct cz_raise_report){.from = opset, .to = opset};
    if (opset >= wanted)
        return cz_model_raise_ir(model, IR_OF_INITIALIZERS, err);
    if (opset >= CZ_OPSET_RAISED || wanted > CZ_OPSET_RAISED)
        return cz_error_set(err, CZ_EINVAL,
                            "opset %" PRId64 " cannot be raised to %" PRId64,
                            opset, wanted);
    if (cz_model_function_count(model))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "has functions of its own and opset %" PRId64
                            "; export the model with opset=17",
                            opset);
    CZ_TRY(cz_graph_infer(model->graph, err));
    CZ_TRY(cz_model_raise_ir(model, IR_OF_OPSET_13, err));
    CZ_TRY(cz_graph_visit(model->graph, collect, &nodes));
    nodes.items = cz_realloc_array(NULL, nodes.count, sizeof *nodes.items);
    if (!nodes.items)
        return cz_error_nomem(err);
    nodes.count = 0;
    enum cz_status status = cz_graph_visit(model->graph, collect, &nodes);
    if (status == CZ_OK)
        status = raise_nodes(&nodes, opset, report, err);
    cz_free(nodes.items);
    CZ_TRY(status);
    set_opset(model, CZ_OPSET_RAISED);
    report->to = CZ_OPSET_RAISED;
    return CZ_OK;
}
