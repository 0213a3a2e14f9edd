/* Decides for each node of the main graph whether it computes in float16.
 *
 * float32 stay: operators without an entry in fp16_ops.c, arithmetic on
 * shapes, arithmetic on constants where float32 is wanted of it, and the
 * decode tail. In the tail, operators that only move elements follow what they
 * move as long as all of it is float16: that puts one Cast behind the Concat
 * of a head instead of one behind each convolution. */
#include "quant/fp16_internal.h"

#include "core/alloc.h"

static bool is_float(const struct cz_value *value)
{
    return value && value->dtype == CZ_DTYPE_FLOAT;
}

/* ---- where operands come from ------------------------------------------ */

/* What a node computes with: the image, at least one shape beside constants,
 * or nothing but constants. */
enum origin { ORIGIN_DATA, ORIGIN_SHAPES, ORIGIN_CONSTANTS };

static bool has_subgraph(const struct cz_node *node)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        if (node->attrs[i].kind == CZ_ATTR_GRAPH)
            return true;
    }
    return false;
}

/* origins: of the nodes before this one, by position. */
static enum origin find_origin(const struct cz_node *node,
                               const enum origin *origins)
{
    enum origin origin = ORIGIN_CONSTANTS;
    if (cz_node_is(node, "Shape") || cz_node_is(node, "Size"))
        return ORIGIN_SHAPES;
    if (has_subgraph(node))
        return ORIGIN_DATA;
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct cz_value *value = node->inputs[i];
        if (!value || value->constant)
            continue;
        if (!value->producer || value->graph != node->graph)
            return ORIGIN_DATA;
        enum origin from = origins[value->producer->position];
        if (from != ORIGIN_CONSTANTS)
            origin = from;
        if (from == ORIGIN_DATA)
            break;
    }
    return origin;
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
    const struct cz_half_op *op = cz_half_op_find(node, plan->codes);
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
    const struct cz_half_op *op = cz_half_op_find(node, plan->codes);
    return cz_half_op_input(op, use->input) ? CZ_WISH_HALF : CZ_WISH_FLOAT;
}

/* ---- nodes ------------------------------------------------------------ */

/* Can no value that the Cast reads be beyond float16? Integers of more than 8
 * bits can. */
static bool fits_half(const struct cz_node *cast)
{
    const struct cz_value *input = cz_node_input(cast, 0);
    switch (input ? input->dtype : CZ_DTYPE_UNDEFINED) {
    case CZ_DTYPE_FLOAT:
    case CZ_DTYPE_FLOAT16:
    case CZ_DTYPE_BOOL:
    case CZ_DTYPE_INT8:
    case CZ_DTYPE_UINT8:
        return true;
    default:
        return false;
    }
}

/* Can the operator take and give float16 here? All operands of type T must be
 * float32 now, none a large integer, and there must be one. */
static bool can_be_half(const struct cz_node *node, const struct cz_half_op *op)
{
    bool any = false;
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (!node->inputs[i] || !cz_half_op_input(op, i))
            continue;
        const struct cz_node *producer = node->inputs[i]->producer;
        if (!is_float(node->inputs[i]) ||
            (producer && cz_node_is(producer, "Cast") && !fits_half(producer)))
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

/* Does nobody want what the node makes in another type than float16? */
static bool only_half_reads(const struct cz_half_plan *plan,
                            const struct cz_node *node)
{
    size_t n_uses = 0;
    for (size_t i = 0; i < node->n_outputs; i++) {
        const struct cz_value *output = node->outputs[i];
        if (!output)
            continue;
        if (output->is_output)
            return false;
        for (size_t u = 0; u < output->n_uses; u++) {
            if (cz_half_plan_wish(plan, &output->uses[u]) != CZ_WISH_HALF)
                return false;
        }
        n_uses += output->n_uses;
    }
    return n_uses > 0;
}

static bool decide_node(const struct cz_half_plan *plan,
                        const struct cz_node *node, enum origin origin,
                        bool in_tail)
{
    const struct cz_half_op *op = cz_half_op_find(node, plan->codes);
    return op && origin != ORIGIN_SHAPES && can_be_half(node, op) &&
           (!in_tail || moves_half_only(plan, node, op));
}

/* Two kinds of nodes ask their readers. What is made of constants alone is
 * float16 when all of them want that: a weight may be computed, but so may
 * the scales of a Resize. And a Cast to float32 may then as well give
 * float16. */
static bool decide_by_readers(const struct cz_half_plan *plan,
                              const struct cz_node *node, enum origin origin)
{
    if (cz_node_is(node, "Cast"))
        return origin != ORIGIN_SHAPES && node->n_outputs &&
               is_float(node->outputs[0]) && fits_half(node) &&
               only_half_reads(plan, node);
    return plan->half[node->id] &&
           (origin != ORIGIN_CONSTANTS || only_half_reads(plan, node));
}

/* What is known of each node, by position. */
struct facts {
    enum origin *origins;
    bool *tail;
    bool *is_integer; /* and stays so, in float32 */
};

static void decide(struct cz_half_plan *plan, struct facts *facts,
                   bool half_decode)
{
    const struct cz_graph *graph = plan->graph;
    enum origin *origins = facts->origins;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        origins[i] = find_origin(node, origins);
        plan->half[node->id] =
            !facts->is_integer[i] &&
            decide_node(plan, node, origins[i], facts->tail[i] && !half_decode);
        plan->n_tail += facts->tail[i];
    }
    for (size_t i = graph->n_nodes; i-- > 0;) {
        const struct cz_node *node = graph->nodes[i];
        plan->half[node->id] = decide_by_readers(plan, node, origins[i]);
    }
}

enum cz_status cz_half_plan_make(struct cz_half_plan *plan,
                                 const struct cz_graph *graph,
                                 const struct cz_fp16_options *options,
                                 struct cz_error *err)
{
    size_t n = graph->n_nodes;
    *plan = (struct cz_half_plan){.graph = graph,
                                  .n_nodes = n,
                                  .half_io = options->half_io,
                                  .codes = options->codes};
    plan->half = cz_calloc(n, sizeof *plan->half);
    struct facts facts = {.origins = cz_calloc(n, sizeof *facts.origins),
                          .tail = cz_calloc(n, sizeof *facts.tail),
                          .is_integer = cz_calloc(n, sizeof *facts.is_integer)};
    enum cz_status status = CZ_OK;
    if (plan->half && facts.origins && facts.tail && facts.is_integer) {
        cz_graph_mark_tail(graph, facts.tail);
        if (options->codes == CZ_FP16_CODES_FLOAT)
            cz_half_mark_integer(graph, facts.is_integer);
        decide(plan, &facts, options->half_decode);
    } else {
        status = cz_error_nomem(err);
    }
    cz_free(facts.origins);
    cz_free(facts.tail);
    cz_free(facts.is_integer);
    return status;
}

void cz_half_plan_fini(struct cz_half_plan *plan)
{
    cz_free(plan->half);
    *plan = (struct cz_half_plan){.half = NULL};
}
