/* The operators that may compute in float16: those whose type constraint T
 * holds tensor(float16) in every version of opsets 9 to 22 (ONNX operator
 * specification) and that a float16 step does not hurt. Left out on purpose:
 * Max, Min, Range, CumSum, TopK, NonMaxSuppression, RoiAlign, Upsample,
 * GridSample (positions and thresholds), and what holds subgraphs. */

#include "quant/fp16_internal.h"

#define FIRST 1u
#define BIT(i) (1u << (i))

static const struct cz_half_op half_ops[] = {
    {"Abs", FIRST, FIRST, false},
    {"Add", CZ_HALF_ALL, FIRST, false},
    {"AveragePool", FIRST, FIRST, false},
    {"BatchNormalization", CZ_HALF_ALL, CZ_HALF_ALL, false},
    {"Ceil", FIRST, FIRST, false},
    {"Clip", CZ_HALF_ALL, FIRST, false},
    {"Concat", CZ_HALF_ALL, FIRST, true},
    {"Conv", CZ_HALF_ALL, FIRST, false},
    {"ConvTranspose", CZ_HALF_ALL, FIRST, false},
    {"DepthToSpace", FIRST, FIRST, false},
    {"Div", CZ_HALF_ALL, FIRST, false},
    {"Dropout", FIRST, FIRST, false},
    {"Einsum", CZ_HALF_ALL, FIRST, false},
    {"Elu", FIRST, FIRST, false},
    {"Erf", FIRST, FIRST, false},
    {"Exp", FIRST, FIRST, false},
    {"Expand", FIRST, FIRST, false},
    {"Flatten", FIRST, FIRST, true},
    {"Floor", FIRST, FIRST, false},
    {"Gather", FIRST, FIRST, false},
    {"GatherElements", FIRST, FIRST, false},
    {"GatherND", FIRST, FIRST, false},
    {"Gelu", FIRST, FIRST, false},
    {"Gemm", CZ_HALF_ALL, FIRST, false},
    {"GlobalAveragePool", FIRST, FIRST, false},
    {"GlobalMaxPool", FIRST, FIRST, false},
    {"HardSigmoid", FIRST, FIRST, false},
    {"HardSwish", FIRST, FIRST, false},
    {"Identity", FIRST, FIRST, true},
    {"InstanceNormalization", CZ_HALF_ALL, FIRST, false},
    {"LRN", FIRST, FIRST, false},
    {"LayerNormalization", CZ_HALF_ALL, FIRST, false},
    {"LeakyRelu", FIRST, FIRST, false},
    {"Log", FIRST, FIRST, false},
    {"LogSoftmax", FIRST, FIRST, false},
    {"LpPool", FIRST, FIRST, false},
    {"MatMul", CZ_HALF_ALL, FIRST, false},
    {"MaxPool", FIRST, FIRST, false},
    {"Mean", CZ_HALF_ALL, FIRST, false},
    {"Mish", FIRST, FIRST, false},
    {"Mul", CZ_HALF_ALL, FIRST, false},
    {"Neg", FIRST, FIRST, false},
    {"PRelu", CZ_HALF_ALL, FIRST, false},
    {"Pad", BIT(0) | BIT(2), FIRST, false},
    {"Pow", CZ_HALF_ALL, FIRST, false},
    {"Reciprocal", FIRST, FIRST, false},
    {"ReduceL2", FIRST, FIRST, false},
    {"ReduceMax", FIRST, FIRST, false},
    {"ReduceMean", FIRST, FIRST, false},
    {"ReduceMin", FIRST, FIRST, false},
    {"ReduceSum", FIRST, FIRST, false},
    {"Relu", FIRST, FIRST, false},
    {"Reshape", FIRST, FIRST, true},
    {"Resize", FIRST, FIRST, false},
    {"Round", FIRST, FIRST, false},
    {"ScatterElements", BIT(0) | BIT(2), FIRST, false},
    {"ScatterND", BIT(0) | BIT(2), FIRST, false},
    {"Selu", FIRST, FIRST, false},
    {"Sigmoid", FIRST, FIRST, false},
    {"Slice", FIRST, FIRST, false},
    {"Softmax", FIRST, FIRST, false},
    {"Softplus", FIRST, FIRST, false},
    {"Softsign", FIRST, FIRST, false},
    {"SpaceToDepth", FIRST, FIRST, false},
    {"Split", FIRST, CZ_HALF_ALL, false},
    {"Sqrt", FIRST, FIRST, false},
    {"Squeeze", FIRST, FIRST, true},
    {"Sub", CZ_HALF_ALL, FIRST, false},
    {"Sum", CZ_HALF_ALL, FIRST, false},
    {"Tanh", FIRST, FIRST, false},
    {"Tile", FIRST, FIRST, false},
    {"Transpose", FIRST, FIRST, true},
    {"Unsqueeze", FIRST, FIRST, true},
    {"Where", BIT(1) | BIT(2), FIRST, false},
};

/* From opset 19 on. */
static const struct cz_half_op code_ops[] = {
    {"DequantizeLinear", BIT(1), FIRST, false},
    {"QuantizeLinear", BIT(0) | BIT(1), 0, false},
};

static const struct cz_half_op *find_code_op(const struct cz_node *node)
{
    for (size_t i = 0; i < sizeof code_ops / sizeof *code_ops; i++) {
        if (cz_node_is(node, code_ops[i].op_type))
            return &code_ops[i];
    }
    return NULL;
}

const struct cz_half_op *cz_half_op_find(const struct cz_node *node,
                                         enum cz_fp16_codes codes)
{
    for (size_t i = 0; i < sizeof half_ops / sizeof *half_ops; i++) {
        if (cz_node_is(node, half_ops[i].op_type))
            return &half_ops[i];
    }
    return codes == CZ_FP16_CODES_HALF ? find_code_op(node) : NULL;
}

static bool has_bit(unsigned mask, size_t i)
{
    return mask == CZ_HALF_ALL || (i < 32 && (mask >> i & 1));
}

bool cz_half_op_input(const struct cz_half_op *op, size_t i)
{
    return has_bit(op->inputs, i);
}

bool cz_half_op_output(const struct cz_half_op *op, size_t i)
{
    return has_bit(op->outputs, i);
}
