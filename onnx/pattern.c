/* Structure before names: weights behind constants, the DFL convolution, the
 * decode tail. */

#include "onnx/onnx_internal.h"

static bool is_one_of(const struct cz_node *node, const char *const *list)
{
    for (; *list; list++) {
        if (cz_node_is(node, *list))
            return true;
    }
    return false;
}

/* Operators that hand on the elements of input 0 in their order. */
static const char *const reshaping[] = {"Identity",  "Reshape", "Squeeze",
                                        "Unsqueeze", "Flatten", NULL};

/* How many of them in a row are followed: nobody writes more. */
#define RESHAPES_MAX 16

/* Does `node` hand on the elements of input 0 in their order, perhaps as
 * another float type? */
static bool keeps_elements(const struct cz_node *node)
{
    const struct cz_value *input = cz_node_input(node, 0);
    if (!cz_node_is(node, "Cast"))
        return is_one_of(node, reshaping);
    return input && cz_dtype_is_float(input->dtype) &&
           cz_dtype_is_float((enum cz_dtype)cz_node_attr_int(node, "to", 0));
}

/* The value whose elements are those of `value`. */
static struct cz_value *origin(struct cz_value *value)
{
    for (int i = 0; i < RESHAPES_MAX; i++) {
        if (!value || value->constant || !value->producer ||
            !keeps_elements(value->producer))
            break;
        value = cz_node_input(value->producer, 0);
    }
    return value;
}

/* The first reader that is no Conv with `value` as its weight. */
static const struct cz_node *other_reader(const struct cz_value *value,
                                          int depth)
{
    for (size_t i = 0; i < value->n_uses; i++) {
        const struct cz_use *use = &value->uses[i];
        if (cz_node_is(use->node, "Conv") && use->input == 1)
            continue;
        if (use->input != 0 || !keeps_elements(use->node) ||
            depth == RESHAPES_MAX || !use->node->n_outputs ||
            !use->node->outputs[0] || use->node->outputs[0]->is_output)
            return use->node;
        const struct cz_node *other =
            other_reader(use->node->outputs[0], depth + 1);
        if (other)
            return other;
    }
    return NULL;
}

const struct cz_node *cz_weight_other_reader(const struct cz_value *weight)
{
    return other_reader(weight, 0);
}

struct cz_tensor *cz_node_weight(const struct cz_node *node,
                                 struct cz_value **value)
{
    struct cz_value *from = origin(cz_node_input(node, 1));
    *value = from;
    if (!from || !from->constant || !cz_dtype_is_float(from->constant->dtype))
        return NULL;
    /* A single number of a Constant has no array that could be edited. */
    if (from->constant->storage == CZ_STORAGE_ATTR && !from->constant->rank)
        return NULL;
    return from->constant;
}

static bool reaches_parameter(const struct cz_value *value, int depth)
{
    for (size_t i = 0; i < value->n_uses; i++) {
        const struct cz_node *node = value->uses[i].node;
        if (value->uses[i].input > 0 &&
            (cz_node_is_learned(node) || cz_node_is_dfl(node)))
            return true;
        if (value->uses[i].input == 0 && depth < RESHAPES_MAX &&
            keeps_elements(node) && node->n_outputs && node->outputs[0] &&
            reaches_parameter(node->outputs[0], depth + 1))
            return true;
    }
    return false;
}

bool cz_value_is_parameter(const struct cz_value *value)
{
    return value->constant && cz_dtype_is_float(value->constant->dtype) &&
           reaches_parameter(value, 0);
}

bool cz_value_is_codes(const struct cz_value *value)
{
    if (!value->constant || cz_dtype_is_float(value->constant->dtype))
        return false;
    for (size_t i = 0; i < value->n_uses; i++) {
        const struct cz_node *node = value->uses[i].node;
        if (value->uses[i].input == 0 && cz_node_is(node, "DequantizeLinear") &&
            node->n_outputs && node->outputs[0] &&
            reaches_parameter(node->outputs[0], 0))
            return true;
    }
    return false;
}

const struct cz_tensor *cz_node_codes(const struct cz_node *node)
{
    const struct cz_value *weight = origin(cz_node_input(node, 1));
    const struct cz_node *from = weight ? weight->producer : NULL;
    if (!from || !cz_node_is(from, "DequantizeLinear"))
        return NULL;
    const struct cz_value *codes = origin(cz_node_input(from, 0));
    return codes && codes->constant &&
                   !cz_dtype_is_float(codes->constant->dtype)
               ? codes->constant
               : NULL;
}

bool cz_node_is_dfl(const struct cz_node *node)
{
    struct cz_value *value;
    struct cz_elements e;
    if (!cz_node_is(node, "Conv") || cz_node_input(node, 2))
        return false;
    const struct cz_tensor *weight = cz_node_weight(node, &value);
    const struct cz_value *input = cz_node_input(node, 1);
    if (!weight || !input->shape.known || input->shape.rank != 4 ||
        input->shape.dims[0] != 1 || weight->count < 2 ||
        input->shape.dims[1] != (int64_t)weight->count)
        return false;
    if (cz_tensor_elements(value->constant, &e, NULL) != CZ_OK)
        return false;
    for (size_t i = 0; i < e.count; i++) {
        if (cz_elements_get(&e, i) != (double)i)
            return false;
    }
    return true;
}

/* Has it a constant matrix, or stack of matrices, as its second operand? */
static bool is_by_matrix(const struct cz_node *node)
{
    struct cz_value *value;
    const struct cz_tensor *codes = cz_node_codes(node);
    if (codes)
        return codes->rank >= 2;
    return cz_node_weight(node, &value) && value->constant->rank >= 2;
}

bool cz_node_is_learned(const struct cz_node *node)
{
    static const char *const always[] = {"ConvTranspose", "BatchNormalization",
                                         NULL};
    static const char *const products[] = {"Gemm", "MatMul", NULL};
    if (cz_node_is(node, "Conv"))
        return !cz_node_is_dfl(node);
    if (is_one_of(node, products))
        return is_by_matrix(node);
    return is_one_of(node, always);
}

static bool holds_learned(const struct cz_node *node)
{
    for (size_t a = 0; a < node->n_attrs; a++) {
        const struct cz_attr *attr = &node->attrs[a];
        if (attr->kind != CZ_ATTR_GRAPH && attr->kind != CZ_ATTR_GRAPHS)
            continue;
        for (size_t i = 0; i < attr->count; i++) {
            const struct cz_graph *g = attr->graphs[i];
            for (size_t j = 0; j < g->n_nodes; j++) {
                if (cz_node_is_learned(g->nodes[j]) ||
                    holds_learned(g->nodes[j]))
                    return true;
            }
        }
    }
    return false;
}

const struct cz_node *cz_value_reader(const struct cz_value *value, size_t use)
{
    const struct cz_node *node = value->uses[use].node;
    while (node->graph != value->graph)
        node = node->graph->parent;
    return node;
}

void cz_graph_mark_tail(const struct cz_graph *graph, bool *tail)
{
    for (size_t i = graph->n_nodes; i-- > 0;) {
        const struct cz_node *node = graph->nodes[i];
        tail[i] = !cz_node_is_learned(node) && !holds_learned(node);
        for (size_t o = 0; tail[i] && o < node->n_outputs; o++) {
            const struct cz_value *value = node->outputs[o];
            for (size_t u = 0; value && tail[i] && u < value->n_uses; u++)
                tail[i] = tail[cz_value_reader(value, u)->position];
        }
    }
}
