/* From opset 9, 10, 11 or 12 to 13, and from there to 19: which operators
 * changed in between, and which of them need another form (ONNX operator
 * specification, "Changelog").
 *
 * Most changes only let an operator take more types or negative axes, or gave
 * it an attribute whose default is what it did before. An operator that is in
 * no table is refused: it was not there in these opsets. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/raise_internal.h"

/* The IR version that lets initializers be no inputs. */
#define IR_OF_INITIALIZERS 4

struct change {
    const char *op_type;
    int64_t since;
    cz_raise_rule *rule;
};

/* What changed in a way that matters, and with which opset (of those that are
 * gone, in opset 13 at the latest). Of two rows of an
 * operator, the first that fits the model is its own. */
static const struct change changed[] = {
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

/* The same from opset 13 to 19. */
static const struct change changed_later[] = {
    {"BatchNormalization", 14, cz_raise_batch_normalization},
    {"ReduceL1", 18, cz_raise_axes},
    {"ReduceL2", 18, cz_raise_axes},
    {"ReduceLogSum", 18, cz_raise_axes},
    {"ReduceLogSumExp", 18, cz_raise_axes},
    {"ReduceMax", 18, cz_raise_axes},
    {"ReduceMean", 18, cz_raise_axes},
    {"ReduceMin", 18, cz_raise_axes},
    {"ReduceProd", 18, cz_raise_axes},
    {"ReduceSumSquare", 18, cz_raise_axes},
    {"RoiAlign", 16, cz_raise_roi_align},
    {"Split", 18, cz_raise_split_count},
};

/* Operators that came with opset 14 to 18, sorted. */
static const char *const added_later[] = {
    "Bernoulli",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "BlackmanWindow",
    "CastLike",
    "CenterCropPad",
    "Col2Im",
    "DFT",
    "GridSample",
    "GroupNormalization",
    "HammingWindow",
    "HannWindow",
    "HardSwish",
    "LayerNormalization",
    "MelWeightMatrix",
    "Mish",
    "Optional",
    "OptionalGetElement",
    "OptionalHasElement",
    "STFT",
    "SequenceMap",
    "Trilu",
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Raising goes from one to the next. `ir`: the version that came with it. */
static const struct stage {
    int64_t to, ir;
    const struct change *changed;
    size_t n_changed;
    const char *const *added; /* operators that `unchanged` does not have */
    size_t n_added;
} stages[] = {
    {13, 7, changed, COUNT(changed), NULL, 0},
    {CZ_OPSET_RAISED, 9, changed_later, COUNT(changed_later), added_later,
     COUNT(added_later)},
};

/* The stage that a model of this opset, below CZ_OPSET_RAISED, goes
 * through. */
static const struct stage *find_stage(int64_t opset)
{
    const struct stage *stage = stages;
    while (opset >= stage->to)
        stage++;
    return stage;
}

struct nodes {
    struct cz_node **items; /* [count], of all graphs; NULL: only count */
    size_t count;
};

enum cz_status cz_raise_refuse(const struct cz_node *node, struct cz_error *err,
                               const char *why)
{
    const int64_t opset = cz_model_opset(node->graph->model, "");
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "%.50s '%.100s': cannot be raised from opset %" PRId64
                        " to %" PRId64 ": %s",
                        node->op_type, cz_node_label(node), opset,
                        find_stage(opset)->to, why);
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

static bool is_listed(const char *op_type, const char *const *list,
                      size_t count)
{
    return count &&
           bsearch(op_type, list, count, sizeof *list, compare_op_types);
}

/* The first row for the operator that comes after `opset`; `*is_known` where
 * there is any row. */
static const struct change *find_change(const struct stage *stage,
                                        const char *op_type, int64_t opset,
                                        bool *is_known)
{
    for (size_t i = 0; i < stage->n_changed; i++) {
        if (strcmp(stage->changed[i].op_type, op_type) != 0)
            continue;
        *is_known = true;
        if (opset < stage->changed[i].since)
            return &stage->changed[i];
    }
    return NULL;
}

static enum cz_status raise_node(struct cz_node *node, int64_t opset,
                                 struct cz_raise_report *report,
                                 struct cz_error *err)
{
    const struct stage *stage = find_stage(opset);
    bool is_known = is_listed(node->op_type, unchanged, COUNT(unchanged)) ||
                    is_listed(node->op_type, stage->added, stage->n_added);
    if (*node->domain)
        return CZ_OK;
    if (stage != stages) /* in the form that the first stage ends with */
        find_change(stages, node->op_type, opset, &is_known);
    const struct change *change =
        find_change(stage, node->op_type, opset, &is_known);
    if (change) {
        report->nodes++;
        return change->rule(node, err);
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

/* One stage. */
static enum cz_status raise_model(struct cz_model *model, int64_t opset,
                                  struct cz_raise_report *report,
                                  struct cz_error *err)
{
    struct nodes nodes = {.items = NULL};
    const struct stage *stage = find_stage(opset);
    CZ_TRY(cz_graph_infer(model->graph, err));
    CZ_TRY(cz_model_raise_ir(model, stage->ir, err));
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
    set_opset(model, stage->to);
    report->to = stage->to;
    return CZ_OK;
}

enum cz_status cz_model_raise_opset(struct cz_model *model, int64_t wanted,
                                    struct cz_raise_report *report,
                                    struct cz_error *err)
{
    int64_t opset = cz_model_opset(model, "");
    *report = (struct cz_raise_report){.from = opset, .to = opset};
    if (opset >= wanted)
        return cz_model_raise_ir(model, IR_OF_INITIALIZERS, err);
    if (wanted > CZ_OPSET_RAISED)
        return cz_error_set(err, CZ_EINVAL,
                            "opset %" PRId64 " cannot be raised to %" PRId64,
                            opset, wanted);
    if (cz_model_function_count(model))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "has functions of its own and opset %" PRId64
                            "; export the model with opset=%d",
                            opset, opset < stages[0].to ? 17 : CZ_OPSET_RAISED);
    while (report->to < wanted)
        CZ_TRY(raise_model(model, report->to, report, err));
    return CZ_OK;
}
