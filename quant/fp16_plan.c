/* Decides for each node of the main graph whether it computes in float16.
 *
 * float32 stay: operators without an entry in fp16_ops.c, arithmetic on
 * shapes, and the decode tail. In the tail, operators that only move elements
 * follow what they move as long as all of it is float16: that puts one Cast
 * behind the Concat of a head instead of one behind each convolution. */
#include "quant/fp16_internal.h"

#include "core/alloc.h"

static bool is_float(const struct cz_value *value)
{
    return value && value->dtype == CZ_DTYPE_FLOAT;
}

/* ---- shape arithmetic ------------------------------------------------- */

/* A node whose inputs come from shapes and constants alone, at least one from
 * a shape. */
static bool is_shape_arithmetic(const struct cz_node *node, const bool *shapes)
{
    bool any = false;
    if (cz_node_is(node, "Shape") || cz_node_is(node, "Size"))
        return true;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cz_value *value = node->inputs[i];
        if (!value || value->constant)
            continue;
        if (!value->producer || value->graph != node->graph ||
            !shapes[value->producer->position])
            return false;
        any = true;
    }
    return any;
}

/* ---- values ----------------------------------------------------------- */

bool cz_half_plan_makes_half(const struct cz_half_plan *plan,
                             const struct cz_value *value)
{
    const struct cz_node *node = value->producer;
    if (value->graph != plan->graph)
        return false;
    if (!node)
        return plan->half_io && value->is_input && is_float(value);
    if (node->id >= plan->n_nodes || !plan->half[node->id])
        return false;
    if (cz_node_is(node, "Cast"))
        return true;
    const struct cz_half_op *op = cz_half_op_find(node);
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] == value)
            return cz_half_op_output(op, i);
    }
    return false;
}

enum cz_half_wish cz_half_plan_wish(const struct cz_half_plan *plan,
                                    const struct cz_use *use)
{
    const struct cz_node *node = use->node;
    if (node->graph != plan->graph)
        return CZ_WISH_FLOAT;
    if (cz_node_is(node, "Cast") || cz_node_is(node, "Shape") ||
        cz_node_is(node, "Size"))
        return CZ_WISH_ANY;
    if (node->id >= plan->n_nodes || !plan->half[node->id])
        return CZ_WISH_FLOAT;
    const struct cz_half_op *op = cz_half_op_find(node);
    return cz_half_op_input(op, use->input) ? CZ_WISH_HALF : CZ_WISH_FLOAT;
}

/* ---- nodes ------------------------------------------------------------ */

/* Can the operator take and give float16 here? All operands of type T must be
 * float32 now, and there must be one. */
static bool can_be_half(const struct cz_node *node, const struct cz_half_op *op)
{
    bool any = false;
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (!node->inputs[i] || !cz_half_op_input(op, i))
            continue;
        if (!is_float(node->inputs[i]))
            return false;
        any = true;
    }
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] && cz_half_op_output(op, i) &&
            !is_float(node->outputs[i]))
            return false;
    }
    return any;
}

static bool moves_half_only(const struct cz_half_plan *plan,
                            const struct cz_node *node,
                            const struct cz_half_op *op)
{
    if (!op->moves)
        return false;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cz_value *value = node->inputs[i];
        if (value && cz_half_op_input(op, i) &&
            (value->constant || !cz_half_plan_makes_half(plan, value)))
            return false;
    }
    return true;
}

/* A Cast to float32 may as well give float16, if that is what all its readers
 * want. */
static bool decide_cast(const struct cz_half_plan *plan,
                        const struct cz_node *node)
{
    const struct cz_value *output = node->n_outputs ? node->outputs[0] : NULL;
    if (!is_float(output) || output->is_output || !output->n_uses)
        return false;
    for (size_t i = 0; i < output->n_uses; i++) {
        if (cz_half_plan_wish(plan, &output->uses[i]) != CZ_WISH_HALF)
            return false;
    }
    return true;
}

/* shapes, tail: by position. */
static void decide(struct cz_half_plan *plan, bool *shapes, const bool *tail,
                   bool half_decode)
{
    const struct cz_graph *graph = plan->graph;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        const struct cz_half_op *op = cz_half_op_find(node);
        shapes[i] = is_shape_arithmetic(node, shapes);
        plan->half[node->id] =
            op && !shapes[i] && can_be_half(node, op) &&
            (half_decode || !tail[i] || moves_half_only(plan, node, op));
        plan->n_tail += tail[i];
    }
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        if (cz_node_is(node, "Cast") && !shapes[i])
            plan->half[node->id] = decide_cast(plan, node);
    }
}

enum cz_status cz_half_plan_make(struct cz_half_plan *plan,
                                 const struct cz_graph *graph,
                                 const struct cz_fp16_options *options,
                                 struct cz_error *err)
{
    size_t n = graph->n_nodes;
    *plan = (struct cz_half_plan){
        .graph = graph, .n_nodes = n, .half_io = options->half_io};
    plan->half = cz_calloc(n, sizeof *plan->half);
    bool *shapes = cz_calloc(n, sizeof *shapes);
    bool *tail = cz_calloc(n, sizeof *tail);
    enum cz_status status = CZ_OK;
    if (plan->half && shapes && tail) {
        cz_graph_mark_tail(graph, tail);
        decide(plan, shapes, tail, options->half_decode);
    } else {
        status = cz_error_nomem(err);
    }
    cz_free(shapes);
    cz_free(tail);
    return status;
}

void cz_half_plan_fini(struct cz_half_plan *plan)
{
    cz_free(plan->half);
    *plan = (struct cz_half_plan){.half = NULL};
}
