/* New nodes: their places in the order of the graph, and what they connect.
 *
 * While edits are open, the order is a list (node->before, node->after), and
 * new nodes stand at the end of the array; then the array gets the order of
 * the list. */
#include <string.h>

#include "onnx/onnx_internal.h"

/* ---- the order -------------------------------------------------------- */

void cz_graph_edit_begin(struct cz_graph *graph)
{
    if (graph->is_edited)
        return;
    graph->is_edited = true;
    graph->first = graph->n_nodes ? graph->nodes[0] : NULL;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_node *node = graph->nodes[i];
        node->before = i ? graph->nodes[i - 1] : NULL;
        node->after = i + 1 < graph->n_nodes ? graph->nodes[i + 1] : NULL;
    }
}

void cz_graph_edit_end(struct cz_graph *graph)
{
    size_t i = 0;
    if (!graph->is_edited)
        return;
    graph->is_edited = false;
    for (struct cz_node *node = graph->first; node; node = node->after) {
        graph->nodes[i] = node;
        node->position = i++;
    }
}

/* Puts `node` behind `before`, or first of its graph where that is NULL. */
static enum cz_status place(struct cz_node *node, struct cz_node *before,
                            struct cz_error *err)
{
    struct cz_graph *g = node->graph;
    struct cz_node **nodes =
        cz_arena_grow(&g->model->arena, g->nodes, g->n_nodes, &g->node_capacity,
                      sizeof *nodes);
    if (!nodes)
        return cz_error_nomem(err);
    bool was_edited = g->is_edited;
    cz_graph_edit_begin(g);
    g->nodes = nodes;
    node->position = node->id = g->n_nodes;
    nodes[g->n_nodes++] = node;
    node->before = before;
    node->after = before ? before->after : g->first;
    if (node->after)
        node->after->before = node;
    *(before ? &before->after : &g->first) = node;
    if (!was_edited)
        cz_graph_edit_end(g);
    return CZ_OK;
}

/* The node that `node` stands behind. */
static struct cz_node *node_before(const struct cz_node *node)
{
    if (node->graph->is_edited)
        return node->before;
    return node->position ? node->graph->nodes[node->position - 1] : NULL;
}

/* ---- nodes ------------------------------------------------------------ */

/* A node behind `before`, with nothing connected. */
static enum cz_status new_node(struct cz_node **result, struct cz_graph *graph,
                               const struct cz_node_spec *spec,
                               struct cz_node *before, struct cz_error *err)
{
    struct cz_arena *arena = &graph->model->arena;
    struct cz_node *node = cz_arena_alloc(arena, 1, sizeof *node);
    struct cz_value **ends = cz_arena_alloc(arena, 2, sizeof *ends);
    char *op_copy =
        cz_arena_strdup(arena, spec->op_type, strlen(spec->op_type));
    if (!node || !ends || !op_copy)
        return cz_error_nomem(err);
    node->name = "";
    node->op_type = op_copy;
    node->domain = "";
    node->graph = graph;
    node->inputs = ends;
    node->outputs = ends + 1;
    node->n_inputs = node->n_outputs = 1;
    CZ_TRY(cz_proto_graph_add_node(&node->proto, graph->proto, spec->op_type,
                                   err));
    *result = node;
    CZ_TRY(place(node, before, err));
    for (size_t i = 0; i < spec->n_attrs; i++)
        CZ_TRY(cz_node_set_attr(node, &spec->attrs[i], err));
    return CZ_OK;
}

static enum cz_status connect_output(struct cz_node *node, size_t output,
                                     struct cz_value *value,
                                     struct cz_error *err)
{
    node->outputs[output] = value;
    value->producer = node;
    return cz_proto_node_put_output(node->proto, output, value->name, err);
}

static enum cz_status connect_inputs(struct cz_node *node,
                                     struct cz_value *first,
                                     const struct cz_node_spec *spec,
                                     struct cz_error *err)
{
    CZ_TRY(cz_node_set_input(node, 0, first, err));
    for (size_t i = 0; i < spec->n_operands; i++)
        CZ_TRY(cz_node_set_input(node, i + 1, spec->operands[i], err));
    return CZ_OK;
}

/* A new value of `graph`, called after `value` or as the spec says. */
static enum cz_status new_value(struct cz_value **made, struct cz_graph *graph,
                                const struct cz_value *value,
                                const struct cz_node_spec *spec,
                                struct cz_error *err)
{
    const char *name;
    CZ_TRY(cz_model_unique_name(&name, graph->model,
                                spec->stem ? spec->stem : value->name,
                                spec->suffix, err));
    CZ_TRY(cz_graph_add_value(made, graph, name, err));
    (*made)->dtype = spec->dtype;
    (*made)->shape = value->shape;
    if (!spec->shape)
        return CZ_OK;
    size_t rank = spec->shape->rank;
    int64_t *dims = cz_arena_alloc(&graph->model->arena, rank, sizeof *dims);
    if (!dims)
        return cz_error_nomem(err);
    for (size_t i = 0; i < rank; i++)
        dims[i] = spec->shape->dims[i];
    (*made)->shape = (struct cz_shape){spec->shape->known, rank, dims};
    return CZ_OK;
}

enum cz_status cz_value_append(struct cz_node **node, struct cz_value *value,
                               const struct cz_node_spec *spec,
                               struct cz_error *err)
{
    struct cz_value *made;
    CZ_TRY(new_value(&made, value->graph, value, spec, err));
    CZ_TRY(new_node(node, value->graph, spec, value->producer, err));
    CZ_TRY(connect_output(*node, 0, made, err));
    return connect_inputs(*node, value, spec, err);
}

enum cz_status cz_value_interpose(struct cz_node **node, struct cz_value *value,
                                  const struct cz_node_spec *spec,
                                  struct cz_error *err)
{
    struct cz_node *producer = value->producer;
    struct cz_value *inner;
    size_t output = 0;
    CZ_TRY(new_value(&inner, value->graph, value, spec, err));
    CZ_TRY(new_node(node, value->graph, spec, producer, err));
    while (producer->outputs[output] != value)
        output++;
    CZ_TRY(connect_output(producer, output, inner, err));
    CZ_TRY(connect_output(*node, 0, value, err));
    return connect_inputs(*node, inner, spec, err);
}

enum cz_status cz_node_interpose(struct cz_node **node, struct cz_node *reader,
                                 size_t input, const struct cz_node_spec *spec,
                                 struct cz_error *err)
{
    struct cz_graph *graph = reader->graph;
    struct cz_value *value = reader->inputs[input];
    struct cz_value *made;
    CZ_TRY(new_value(&made, graph, value, spec, err));
    CZ_TRY(new_node(node, graph, spec, node_before(reader), err));
    CZ_TRY(connect_output(*node, 0, made, err));
    CZ_TRY(connect_inputs(*node, value, spec, err));
    return cz_node_set_input(reader, input, made, err);
}
