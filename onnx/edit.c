/* Edits: each changes the message and the view in the same step. */
#include <stdio.h>
#include <string.h>

#include "onnx/onnx_internal.h"

/* `stem` with `suffix`, and with a number behind it where something in the
 * model has that name. Numbers are not used twice, so that many names with the
 * same stem cost no more than others. */
static enum cz_status unique_name(const char **name, struct cz_model *model,
                                  const char *stem, const char *suffix,
                                  struct cz_error *err)
{
    size_t size = strlen(stem) + strlen(suffix) + 24;
    char *text = cz_arena_alloc(&model->arena, size, 1);
    if (!text)
        return cz_error_nomem(err);
    snprintf(text, size, "%s%s", stem, suffix);
    while (cz_model_has_name(model, text))
        snprintf(text, size, "%s%s_%zu", stem, suffix, ++model->n_made);
    *name = text;
    return CZ_OK;
}

void cz_value_set_dtype(struct cz_value *value, enum cz_dtype dtype)
{
    value->dtype = dtype;
    for (size_t i = 0; i < value->n_protos; i++)
        cz_proto_info_set_dtype(value->protos[i], (int)dtype);
}

bool cz_value_can_clone(const struct cz_value *value)
{
    return value->constant->storage != CZ_STORAGE_ATTR &&
           cz_model_ir_version(value->graph->model) > 3;
}

enum cz_status cz_value_clone_constant(struct cz_value **clone,
                                       struct cz_value *value,
                                       const char *suffix, struct cz_error *err)
{
    struct cz_graph *graph = value->graph;
    struct cz_model *model = graph->model;
    const char *own_name;
    void *proto;
    if (!cz_value_can_clone(value))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "'%.100s': this constant cannot be cloned",
                            value->name);
    CZ_TRY(unique_name(&own_name, model, value->name, suffix, err));
    CZ_TRY(cz_proto_graph_add_copy(&proto, graph->proto, value->constant->proto,
                                   own_name, err));
    CZ_TRY(cz_graph_add_value(clone, graph, own_name, err));
    CZ_TRY(cz_tensor_view(&(*clone)->constant, model, proto, err));
    (*clone)->dtype = value->dtype;
    (*clone)->shape = value->shape;
    return value->constant->external
               ? cz_external_copy((*clone)->constant->external,
                                  value->constant->external, err)
               : CZ_OK;
}

enum cz_status cz_value_move_use(struct cz_value *value, size_t use,
                                 struct cz_value *to, struct cz_error *err)
{
    const struct cz_use moved = value->uses[use];
    CZ_TRY(
        cz_proto_node_put_input(moved.node->proto, moved.input, to->name, err));
    value->uses[use] = value->uses[--value->n_uses];
    moved.node->inputs[moved.input] = to;
    return cz_value_add_use(to, moved.node, moved.input, err);
}

enum cz_status cz_node_set_input(struct cz_node *node, size_t input,
                                 struct cz_value *value, struct cz_error *err)
{
    struct cz_value *before = node->inputs[input];
    size_t use = 0;
    if (before) {
        while (before->uses[use].node != node ||
               before->uses[use].input != input)
            use++;
        return cz_value_move_use(before, use, value, err);
    }
    CZ_TRY(cz_proto_node_put_input(node->proto, input, value->name, err));
    node->inputs[input] = value;
    return cz_value_add_use(value, node, input, err);
}

enum cz_status cz_node_set_attr_int(struct cz_node *node, const char *name,
                                    int64_t number, struct cz_error *err)
{
    struct cz_arena *arena = &node->graph->model->arena;
    size_t capacity = node->n_attrs;
    size_t i = 0;
    void *proto;
    while (i < node->n_attrs && strcmp(node->attrs[i].name, name) != 0)
        i++;
    struct cz_attr *attrs = node->attrs;
    if (i == node->n_attrs)
        attrs = cz_arena_grow(arena, attrs, i, &capacity, sizeof *attrs);
    int64_t *value = cz_arena_alloc(arena, 1, sizeof *value);
    char *copy = cz_arena_strdup(arena, name, strlen(name));
    if (!attrs || !value || !copy)
        return cz_error_nomem(err);
    CZ_TRY(cz_proto_node_put_int(&proto, node->proto, name, number, err));
    *value = number;
    attrs[i] = (struct cz_attr){
        .name = copy, .kind = CZ_ATTR_INT, .count = 1, .ints = value};
    node->attrs = attrs;
    if (i == node->n_attrs)
        node->n_attrs++;
    return CZ_OK;
}

/* Puts `node` at `position` of its graph. */
static enum cz_status place(struct cz_node *node, size_t position,
                            struct cz_error *err)
{
    struct cz_graph *g = node->graph;
    struct cz_node **nodes =
        cz_arena_grow(&g->model->arena, g->nodes, g->n_nodes, &g->node_capacity,
                      sizeof *nodes);
    if (!nodes)
        return cz_error_nomem(err);
    g->nodes = nodes;
    for (size_t i = g->n_nodes; i > position; i--) {
        nodes[i] = nodes[i - 1];
        nodes[i]->position = i;
    }
    nodes[position] = node;
    node->position = position;
    node->id = g->n_nodes++;
    return CZ_OK;
}

/* A node with room for one input and one output, with nothing connected. */
static enum cz_status new_node(struct cz_node **result, struct cz_graph *graph,
                               const char *op_type, size_t position,
                               struct cz_error *err)
{
    struct cz_arena *arena = &graph->model->arena;
    struct cz_node *node = cz_arena_alloc(arena, 1, sizeof *node);
    struct cz_value **ends = cz_arena_alloc(arena, 2, sizeof *ends);
    char *op_copy = cz_arena_strdup(arena, op_type, strlen(op_type));
    if (!node || !ends || !op_copy)
        return cz_error_nomem(err);
    node->name = "";
    node->op_type = op_copy;
    node->domain = "";
    node->graph = graph;
    node->inputs = ends;
    node->outputs = ends + 1;
    node->n_inputs = node->n_outputs = 1;
    CZ_TRY(cz_proto_graph_add_node(&node->proto, graph->proto, op_type, err));
    *result = node;
    return place(node, position, err);
}

static enum cz_status connect_output(struct cz_node *node, size_t output,
                                     struct cz_value *value,
                                     struct cz_error *err)
{
    node->outputs[output] = value;
    value->producer = node;
    return cz_proto_node_put_output(node->proto, output, value->name, err);
}

/* A node and a new value like `value`, not connected yet. */
static enum cz_status add_pair(struct cz_node **node, struct cz_value **made,
                               const struct cz_value *value,
                               const struct cz_node_spec *spec,
                               struct cz_error *err)
{
    struct cz_graph *graph = value->graph;
    const char *name;
    size_t position = value->producer ? value->producer->position + 1 : 0;
    CZ_TRY(unique_name(&name, graph->model, value->name, spec->suffix, err));
    CZ_TRY(cz_graph_add_value(made, graph, name, err));
    (*made)->dtype = spec->dtype;
    (*made)->shape = value->shape;
    return new_node(node, graph, spec->op_type, position, err);
}

enum cz_status cz_value_append(struct cz_node **node, struct cz_value *value,
                               const struct cz_node_spec *spec,
                               struct cz_error *err)
{
    struct cz_value *made;
    CZ_TRY(add_pair(node, &made, value, spec, err));
    CZ_TRY(connect_output(*node, 0, made, err));
    return cz_node_set_input(*node, 0, value, err);
}

enum cz_status cz_value_interpose(struct cz_node **node, struct cz_value *value,
                                  const struct cz_node_spec *spec,
                                  struct cz_error *err)
{
    struct cz_node *producer = value->producer;
    struct cz_value *inner;
    size_t output = 0;
    CZ_TRY(add_pair(node, &inner, value, spec, err));
    while (producer->outputs[output] != value)
        output++;
    CZ_TRY(connect_output(producer, output, inner, err));
    CZ_TRY(connect_output(*node, 0, value, err));
    return cz_node_set_input(*node, 0, inner, err);
}
