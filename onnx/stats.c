/* Counting: parameters, and multiply-accumulates. */
#include "onnx/onnx_internal.h"

/* The product of the dims of `shape` from `first` to before `last`; an open
 * batch counts as 1. */
static bool product(uint64_t *result, const struct cz_shape *shape,
                    size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        int64_t dim = i == 0 && shape->dims[i] < 0 ? 1 : shape->dims[i];
        if (dim < 0 || __builtin_mul_overflow(*result, (uint64_t)dim, result))
            return false;
    }
    return true;
}

bool cz_node_weight_reuse(const struct cz_node *node, uint64_t *times)
{
    bool reads_input =
        cz_node_is(node, "ConvTranspose") || cz_node_is(node, "Gemm");
    const struct cz_value *weight = cz_node_input(node, 1);
    const struct cz_value *value = cz_node_input(node, 0);
    if (!reads_input)
        value = node->n_outputs ? node->outputs[0] : NULL;
    if (!value || !value->shape.known || value->shape.rank < 2)
        return false;
    const struct cz_shape *shape = &value->shape;
    *times = 1;
    if (cz_node_is(node, "Conv") || cz_node_is(node, "ConvTranspose"))
        return product(times, shape, 0, 1) &&
               product(times, shape, 2, shape->rank);
    if (cz_node_is(node, "Gemm")) {
        size_t rows = cz_node_attr_int(node, "transA", 0) ? 1 : 0;
        return product(times, shape, rows, rows + 1);
    }
    if (!cz_node_is(node, "MatMul") || !weight || !weight->shape.known ||
        weight->shape.rank < 2)
        return false;
    uint64_t stack = 1; /* matrices in the weight, each used for its own */
    if (!product(times, shape, 0, shape->rank - 1) ||
        !product(&stack, &weight->shape, 0, weight->shape.rank - 2) || !stack)
        return false;
    *times /= stack;
    return true;
}

bool cz_node_macs(const struct cz_node *node, uint64_t *macs)
{
    struct cz_value *value;
    const struct cz_tensor *weight = cz_node_weight(node, &value);
    uint64_t times;
    if (!weight)
        weight = cz_node_codes(node);
    return weight && cz_node_weight_reuse(node, &times) &&
           !__builtin_mul_overflow(times, (uint64_t)weight->count, macs);
}

static void count_macs(struct cz_stats *stats, const struct cz_node *node)
{
    uint64_t macs;
    if (cz_node_is(node, "BatchNormalization"))
        return;
    if (!cz_node_macs(node, &macs) ||
        __builtin_add_overflow(stats->macs, macs, &stats->macs))
        stats->macs_unknown++;
}

struct counter {
    struct cz_stats *stats;
    uint64_t by_dtype[CZ_DTYPE_COUNT];
};

static void count_parameters(struct counter *c, const struct cz_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct cz_value *value = graph->values[i];
        if (!cz_value_is_parameter(value) && !cz_value_is_codes(value))
            continue;
        c->by_dtype[value->dtype] += value->constant->count;
        c->stats->parameters += value->constant->count;
        if (c->by_dtype[value->dtype] > c->by_dtype[c->stats->dtype])
            c->stats->dtype = value->dtype;
    }
}

static enum cz_status count_node(void *user, struct cz_node *node)
{
    struct counter *c = user;
    c->stats->nodes++;
    if (node->position == 0) /* the first of each graph stands for it */
        count_parameters(c, node->graph);
    if (cz_node_is_learned(node) || cz_node_is_dfl(node))
        count_macs(c->stats, node);
    return CZ_OK;
}

void cz_model_count(struct cz_stats *stats, struct cz_model *model)
{
    struct counter counter = {.stats = stats};
    *stats = (struct cz_stats){0};
    cz_graph_visit(model->graph, count_node, &counter);
}
