/* Edits of what is there, and new initializers: each changes the message and
 * the view in the same step. New nodes are edit_node.c's. */
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "onnx/onnx_internal.h"

/* Numbers are not used twice, so that many names with the same stem cost no
 * more than others. */
enum cz_status cz_model_unique_name(const char **name, struct cz_model *model,
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

enum cz_status cz_value_set_dim(struct cz_value *value, size_t axis,
                                int64_t size, struct cz_error *err)
{
    struct cz_shape *shape = &value->shape;
    if (!shape->known || axis >= shape->rank || size < 0)
        return cz_error_set(err, CZ_EINTERNAL,
                            "'%.100s' has no dimension %zu of size %lld",
                            value->name, axis, (long long)size);
    int64_t *dims =
        cz_arena_alloc(&value->graph->model->arena, shape->rank, sizeof *dims);
    if (!dims)
        return cz_error_nomem(err);
    memcpy(dims, shape->dims, shape->rank * sizeof *dims);
    dims[axis] = size;
    shape->dims = dims; /* the old ones may be those of others, too */
    for (size_t i = 0; i < value->n_protos; i++)
        cz_proto_info_set_dim(value->protos[i], axis, size);
    return CZ_OK;
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
    CZ_TRY(cz_model_unique_name(&own_name, model, value->name, suffix, err));
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

static bool size_is_right(const struct cz_tensor_spec *spec)
{
    size_t count, bytes;
    size_t bits = cz_dtype_bits(spec->dtype);
    if (!cz_dims_count(spec->dims, spec->rank, &count) ||
        !cz_mul_size(count, 16, &bytes))
        return false;
    return bits && (count * bits + 7) / 8 == spec->size_bytes;
}

enum cz_status cz_graph_add_tensor(struct cz_value **value,
                                   struct cz_graph *graph, const char *stem,
                                   const char *suffix,
                                   const struct cz_tensor_spec *spec,
                                   struct cz_error *err)
{
    struct cz_model *model = graph->model;
    const char *name;
    void *proto;
    if (cz_model_ir_version(model) <= 3)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "'%.100s%.100s': IR version 3 takes no initializer "
                            "that is not an input",
                            stem, suffix);
    if (!size_is_right(spec))
        return cz_error_set(err, CZ_ESHAPE,
                            "'%.100s%.100s': %zu bytes are not the size of its "
                            "%s elements",
                            stem, suffix, spec->size_bytes,
                            cz_dtype_name(spec->dtype));
    CZ_TRY(cz_model_unique_name(&name, model, stem, suffix, err));
    CZ_TRY(cz_proto_graph_add_tensor(&proto, graph->proto, name, err));
    cz_proto_tensor_set_dtype(proto, (int)spec->dtype);
    CZ_TRY(cz_proto_tensor_put_dims(proto, spec->dims, spec->rank, err));
    CZ_TRY(cz_proto_tensor_put_raw(proto, spec->data, spec->size_bytes, err));
    CZ_TRY(cz_graph_add_value(value, graph, name, err));
    return cz_tensor_view_initializer(*value, proto, err);
}

/* ---- uses ------------------------------------------------------------- */

static void drop_use(struct cz_value *value, size_t use)
{
    value->uses[use] = value->uses[--value->n_uses];
}

enum cz_status cz_value_move_use(struct cz_value *value, size_t use,
                                 struct cz_value *to, struct cz_error *err)
{
    const struct cz_use moved = value->uses[use];
    CZ_TRY(
        cz_proto_node_put_input(moved.node->proto, moved.input, to->name, err));
    drop_use(value, use);
    moved.node->inputs[moved.input] = to;
    return cz_value_add_use(to, moved.node, moved.input, err);
}

/* Inputs that are left out, up to number `input`. */
static enum cz_status add_inputs(struct cz_node *node, size_t input,
                                 struct cz_error *err)
{
    struct cz_arena *arena = &node->graph->model->arena;
    size_t capacity = node->n_inputs;
    while (node->n_inputs <= input) {
        struct cz_value **inputs = cz_arena_grow(
            arena, node->inputs, node->n_inputs, &capacity, sizeof *inputs);
        if (!inputs)
            return cz_error_nomem(err);
        node->inputs = inputs;
        CZ_TRY(cz_proto_node_put_input(node->proto, node->n_inputs, "", err));
        inputs[node->n_inputs++] = NULL;
    }
    return CZ_OK;
}

enum cz_status cz_node_set_input(struct cz_node *node, size_t input,
                                 struct cz_value *value, struct cz_error *err)
{
    CZ_TRY(add_inputs(node, input, err));
    struct cz_value *before = node->inputs[input];
    size_t use = 0;
    while (before &&
           (before->uses[use].node != node || before->uses[use].input != input))
        use++;
    if (before && value)
        return cz_value_move_use(before, use, value, err);
    CZ_TRY(cz_proto_node_put_input(node->proto, input, value ? value->name : "",
                                   err));
    node->inputs[input] = value;
    if (before)
        drop_use(before, use);
    return value ? cz_value_add_use(value, node, input, err) : CZ_OK;
}

/* ---- nodes ------------------------------------------------------------ */

enum cz_status cz_node_set_op_type(struct cz_node *node, const char *op_type,
                                   struct cz_error *err)
{
    char *copy =
        cz_arena_strdup(&node->graph->model->arena, op_type, strlen(op_type));
    if (!copy)
        return cz_error_nomem(err);
    node->op_type = copy;
    return cz_proto_node_set_op_type(node->proto, op_type, err);
}

static enum cz_status put_content(void *proto, const struct cz_attr *attr,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < attr->count; i++) {
        switch (attr->kind) {
        case CZ_ATTR_FLOAT:
        case CZ_ATTR_FLOATS:
            CZ_TRY(cz_proto_attr_add_float(proto, attr->floats[i], err));
            break;
        case CZ_ATTR_INT:
        case CZ_ATTR_INTS:
            CZ_TRY(cz_proto_attr_add_int(proto, attr->ints[i], err));
            break;
        case CZ_ATTR_STRING:
        case CZ_ATTR_STRINGS: {
            const struct cz_bytes *text = &attr->strings[i];
            CZ_TRY(cz_proto_attr_add_string(
                proto, (struct cz_proto_text){text->data, text->size}, err));
            break;
        }
        default:
            return cz_error_set(err, CZ_EINTERNAL,
                                "attribute '%.100s' is not of numbers or text",
                                attr->name);
        }
    }
    return CZ_OK;
}

enum cz_status cz_node_set_attr(struct cz_node *node,
                                const struct cz_attr *attr,
                                struct cz_error *err)
{
    struct cz_arena *arena = &node->graph->model->arena;
    size_t capacity = node->n_attrs;
    size_t i = 0;
    void *proto;
    while (i < node->n_attrs && strcmp(node->attrs[i].name, attr->name) != 0)
        i++;
    struct cz_attr *attrs = node->attrs;
    if (i == node->n_attrs)
        attrs = cz_arena_grow(arena, attrs, i, &capacity, sizeof *attrs);
    if (!attrs)
        return cz_error_nomem(err);
    CZ_TRY(cz_proto_node_put_attr(&proto, node->proto, attr->name,
                                  (int)attr->kind, err));
    CZ_TRY(put_content(proto, attr, err));
    node->attrs = attrs;
    CZ_TRY(cz_attr_build(&attrs[i], node, proto, err));
    if (i == node->n_attrs)
        node->n_attrs++;
    return CZ_OK;
}

enum cz_status cz_node_set_attr_int(struct cz_node *node, const char *name,
                                    int64_t number, struct cz_error *err)
{
    const struct cz_attr attr = {
        .name = name, .kind = CZ_ATTR_INT, .count = 1, .ints = &number};
    return cz_node_set_attr(node, &attr, err);
}

void cz_node_drop_attr(struct cz_node *node, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->n_attrs; i++) {
        if (strcmp(node->attrs[i].name, name) != 0)
            node->attrs[kept++] = node->attrs[i];
    }
    node->n_attrs = kept;
    cz_proto_node_drop_attr(node->proto, name);
}

/* ---- the model -------------------------------------------------------- */

/* What is no input any more is not declared as one. */
static void forget_declaration(struct cz_value *value, const void *info)
{
    size_t kept = 0;
    for (size_t i = 0; i < value->n_protos; i++) {
        if (value->protos[i] != info)
            value->protos[kept++] = value->protos[i];
    }
    value->n_protos = kept;
    value->is_input = false;
}

static enum cz_status drop_default_inputs(struct cz_graph *g,
                                          struct cz_error *err)
{
    void **kept = cz_realloc_array(NULL, g->n_inputs, sizeof *kept);
    size_t n_kept = 0;
    if (!kept)
        return cz_error_nomem(err);
    for (size_t i = 0; i < g->n_inputs; i++) {
        void *info = cz_proto_graph_item(g->proto, CZ_PROTO_INPUT, i);
        if (!g->inputs[i]->constant) {
            g->inputs[n_kept] = g->inputs[i];
            kept[n_kept++] = info;
        } else {
            forget_declaration(g->inputs[i], info);
        }
    }
    g->n_inputs = n_kept;
    enum cz_status status =
        cz_proto_graph_retain(g->proto, CZ_PROTO_INPUT, kept, n_kept, err);
    cz_free(kept);
    return status;
}

enum cz_status cz_model_raise_ir(struct cz_model *model, int64_t version,
                                 struct cz_error *err)
{
    int64_t old = cz_model_ir_version(model);
    if (old >= version)
        return CZ_OK;
    if (old <= 3)
        CZ_TRY(drop_default_inputs(model->graph, err));
    cz_proto_model_set_ir_version(model->proto, version);
    return CZ_OK;
}
