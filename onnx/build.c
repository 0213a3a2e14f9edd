/* From the parsed message to the C graph, with the structural checks on the
 * way: every name defined once, every input defined before its node, known
 * element types, data of the right size. */
#include <search.h>
#include <string.h>

#include "onnx/onnx_internal.h"

enum cz_status cz_model_text(const char **copy, struct cz_model *model,
                             struct cz_proto_text text, struct cz_error *err)
{
    if (memchr(text.data, 0, text.size))
        return cz_error_set(err, CZ_EPARSE, "name '%.100s...' has a NUL byte",
                            text.data);
    *copy =
        text.size ? cz_arena_strdup(&model->arena, text.data, text.size) : "";
    return *copy ? CZ_OK : cz_error_nomem(err);
}

/* ---- values ----------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct cz_value *)a)->name,
                  ((const struct cz_value *)b)->name);
}

bool cz_model_has_name(const struct cz_model *model, const char *name)
{
    const struct cz_value key = {.name = name};
    return tfind(&key, &model->names, compare_names) != NULL;
}

static struct cz_value *find_local(const struct cz_graph *graph,
                                   const char *name)
{
    const struct cz_value key = {.name = name};
    void *found = tfind(&key, &graph->names, compare_names);
    return found ? *(struct cz_value **)found : NULL;
}

struct cz_value *cz_graph_find(const struct cz_graph *graph, const char *name)
{
    while (graph) {
        struct cz_value *value = find_local(graph, name);
        if (value)
            return value;
        graph = graph->parent ? graph->parent->graph : NULL;
    }
    return NULL;
}

enum cz_status cz_graph_add_value(struct cz_value **value,
                                  struct cz_graph *graph, const char *name,
                                  struct cz_error *err)
{
    struct cz_arena *arena = &graph->model->arena;
    struct cz_value *v = cz_arena_alloc(arena, 1, sizeof *v);
    struct cz_value **values =
        cz_arena_grow(arena, graph->values, graph->n_values,
                      &graph->value_capacity, sizeof *values);
    if (!v || !values)
        return cz_error_nomem(err);
    graph->values = values;
    v->name = name;
    v->graph = graph;
    void *found = tsearch(v, &graph->names, compare_names);
    if (!found || !tsearch(v, &graph->model->names, compare_names))
        return cz_error_nomem(err);
    if (*(struct cz_value **)found != v)
        return cz_error_set(err, CZ_EPARSE, "'%.100s' is defined twice", name);
    v->id = graph->n_values;
    graph->values[graph->n_values++] = v;
    *value = v;
    return CZ_OK;
}

enum cz_status cz_value_add_use(struct cz_value *value, struct cz_node *node,
                                size_t input, struct cz_error *err)
{
    struct cz_use *uses =
        cz_arena_grow(&value->graph->model->arena, value->uses, value->n_uses,
                      &value->use_capacity, sizeof *uses);
    if (!uses)
        return cz_error_nomem(err);
    value->uses = uses;
    value->uses[value->n_uses++] = (struct cz_use){node, input};
    return CZ_OK;
}

static enum cz_status declare_shape(struct cz_value *value, const void *info,
                                    struct cz_error *err)
{
    size_t rank;
    if (value->shape.known || !cz_proto_info_rank(info, &rank))
        return CZ_OK;
    int64_t *dims =
        cz_arena_alloc(&value->graph->model->arena, rank, sizeof *dims);
    if (!dims)
        return cz_error_nomem(err);
    for (size_t i = 0; i < rank; i++) {
        dims[i] = cz_proto_info_dim(info, i);
        if (dims[i] < -1 || dims[i] > CZ_DIM_MAX)
            return cz_error_set(err, CZ_ESHAPE,
                                "'%.100s': dimension %zu is %lld, want 0 to %d",
                                value->name, i, (long long)dims[i], CZ_DIM_MAX);
    }
    value->shape = (struct cz_shape){true, rank, dims};
    return CZ_OK;
}

/* Takes over what a ValueInfoProto says of `value`. */
static enum cz_status declare(struct cz_value *value, void *info,
                              struct cz_error *err)
{
    int dtype = cz_proto_info_dtype(info);
    if (dtype < 0 || dtype > CZ_DTYPE_FLOAT4E2M1)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "'%.100s': data type %d is not known", value->name,
                            dtype);
    if (value->dtype == CZ_DTYPE_UNDEFINED)
        value->dtype = (enum cz_dtype)dtype;
    void **protos =
        cz_arena_grow(&value->graph->model->arena, value->protos,
                      value->n_protos, &value->proto_capacity, sizeof *protos);
    if (!protos)
        return cz_error_nomem(err);
    value->protos = protos;
    value->protos[value->n_protos++] = info;
    return declare_shape(value, info, err);
}

static void set_constant(struct cz_value *value, struct cz_tensor *tensor)
{
    value->constant = tensor;
    value->dtype = tensor->dtype;
    value->shape = (struct cz_shape){true, tensor->rank, tensor->dims};
}

enum cz_status cz_tensor_view_initializer(struct cz_value *value, void *proto,
                                          struct cz_error *err)
{
    struct cz_tensor *tensor;
    CZ_TRY(cz_tensor_view(&tensor, value->graph->model, proto, err));
    set_constant(value, tensor);
    return CZ_OK;
}

/* ---- inputs and initializers ------------------------------------------ */

static enum cz_status build_inputs(struct cz_graph *g, struct cz_error *err)
{
    size_t count = cz_proto_graph_count(g->proto, CZ_PROTO_INPUT);
    g->inputs = cz_arena_alloc(&g->model->arena, count, sizeof *g->inputs);
    if (!g->inputs)
        return cz_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        void *info = cz_proto_graph_item(g->proto, CZ_PROTO_INPUT, i);
        const char *name;
        CZ_TRY(cz_model_text(&name, g->model, cz_proto_info_name(info), err));
        CZ_TRY(cz_graph_add_value(&g->inputs[i], g, name, err));
        g->inputs[i]->is_input = true;
        g->n_inputs = i + 1;
        CZ_TRY(declare(g->inputs[i], info, err));
    }
    return CZ_OK;
}

/* A sparse tensor is not viewed, but others read it: its two tensors must hold
 * the data that they say. Its name is that of the values. */
static enum cz_status check_sparse(struct cz_tensor **values,
                                   struct cz_model *model, void *proto,
                                   struct cz_error *err)
{
    struct cz_tensor *indices;
    void *values_proto = cz_proto_sparse_values(proto);
    void *indices_proto = cz_proto_sparse_indices(proto);
    if (!values_proto || !indices_proto)
        return cz_error_set(err, CZ_EPARSE,
                            "a sparse tensor has no values or no indices");
    CZ_TRY(cz_tensor_view(values, model, values_proto, err));
    return cz_tensor_view(&indices, model, indices_proto, err);
}

static enum cz_status build_initializers(struct cz_graph *g,
                                         struct cz_error *err)
{
    size_t count = cz_proto_graph_count(g->proto, CZ_PROTO_INITIALIZER);
    for (size_t i = 0; i < count; i++) {
        void *proto = cz_proto_graph_item(g->proto, CZ_PROTO_INITIALIZER, i);
        struct cz_tensor *tensor;
        CZ_TRY(cz_tensor_view(&tensor, g->model, proto, err));
        struct cz_value *value = find_local(g, tensor->name);
        if (value && value->constant)
            return cz_error_set(err, CZ_EPARSE,
                                "initializer '%.100s' is defined "
                                "twice",
                                tensor->name);
        if (!value)
            CZ_TRY(cz_graph_add_value(&value, g, tensor->name, err));
        set_constant(value, tensor);
    }
    count = cz_proto_graph_count(g->proto, CZ_PROTO_SPARSE_INITIALIZER);
    for (size_t i = 0; i < count; i++) {
        void *proto =
            cz_proto_graph_item(g->proto, CZ_PROTO_SPARSE_INITIALIZER, i);
        struct cz_tensor *values;
        struct cz_value *value;
        CZ_TRY(check_sparse(&values, g->model, proto, err));
        if (!find_local(g, values->name)) /* else the default of an input */
            CZ_TRY(cz_graph_add_value(&value, g, values->name, err));
    }
    return CZ_OK;
}

/* ---- nodes ------------------------------------------------------------ */

static enum cz_status node_text(const char **text, struct cz_graph *g,
                                const void *proto,
                                enum cz_proto_node_field field,
                                struct cz_error *err)
{
    return cz_model_text(text, g->model, cz_proto_node_text(proto, field), err);
}

static enum cz_status build_outputs_of(struct cz_node *node,
                                       struct cz_error *err)
{
    struct cz_graph *g = node->graph;
    for (size_t i = 0; i < node->n_outputs; i++) {
        const char *name;
        CZ_TRY(cz_model_text(&name, g->model,
                             cz_proto_node_output(node->proto, i), err));
        if (!*name)
            continue;
        CZ_TRY(cz_graph_add_value(&node->outputs[i], g, name, err));
        node->outputs[i]->producer = node;
    }
    return CZ_OK;
}

static enum cz_status build_node(struct cz_node **result, struct cz_graph *g,
                                 void *proto, struct cz_error *err)
{
    struct cz_arena *arena = &g->model->arena;
    struct cz_node *node = cz_arena_alloc(arena, 1, sizeof *node);
    if (!node)
        return cz_error_nomem(err);
    *result = node;
    node->graph = g;
    node->proto = proto;
    node->n_inputs = cz_proto_node_input_count(proto);
    node->n_outputs = cz_proto_node_output_count(proto);
    node->inputs = cz_arena_alloc(arena, node->n_inputs, sizeof *node->inputs);
    node->outputs =
        cz_arena_alloc(arena, node->n_outputs, sizeof *node->outputs);
    if (!node->inputs || !node->outputs)
        return cz_error_nomem(err);
    CZ_TRY(node_text(&node->name, g, proto, CZ_PROTO_NODE_NAME, err));
    CZ_TRY(node_text(&node->op_type, g, proto, CZ_PROTO_NODE_OP_TYPE, err));
    CZ_TRY(node_text(&node->domain, g, proto, CZ_PROTO_NODE_DOMAIN, err));
    if (strcmp(node->domain, "ai.onnx") == 0)
        node->domain = "";
    if (!cz_model_opset(g->model, node->domain))
        return cz_error_set(
            err, CZ_EPARSE,
            "%.50s '%.100s': the model does not import the operator "
            "set '%.100s'",
            node->op_type, node->name, node->domain);
    return build_outputs_of(node, err);
}

static enum cz_status build_nodes(struct cz_graph *g, struct cz_error *err)
{
    size_t count = cz_proto_graph_count(g->proto, CZ_PROTO_NODE);
    g->nodes = cz_arena_alloc(&g->model->arena, count, sizeof *g->nodes);
    if (!g->nodes)
        return cz_error_nomem(err);
    g->node_capacity = count;
    for (size_t i = 0; i < count; i++) {
        void *proto = cz_proto_graph_item(g->proto, CZ_PROTO_NODE, i);
        CZ_TRY(build_node(&g->nodes[i], g, proto, err));
        g->nodes[i]->position = g->nodes[i]->id = i;
        g->n_nodes = i + 1;
    }
    return CZ_OK;
}

/* ---- attributes ------------------------------------------------------- */

static enum cz_status build_numbers(struct cz_attr *attr,
                                    struct cz_arena *arena, void *proto,
                                    struct cz_error *err)
{
    if (attr->kind == CZ_ATTR_FLOATS) {
        attr->floats = cz_proto_attr_floats(proto);
        return CZ_OK;
    }
    if (attr->kind == CZ_ATTR_INTS) {
        attr->ints = cz_proto_attr_ints(proto);
        return CZ_OK;
    }
    int64_t *number = cz_arena_alloc(arena, 1, sizeof *number);
    if (!number)
        return cz_error_nomem(err);
    if (attr->kind == CZ_ATTR_INT) {
        *number = cz_proto_attr_int(proto);
        attr->ints = number;
    } else {
        *(float *)(void *)number = cz_proto_attr_float(proto);
        attr->floats = (const float *)(const void *)number;
    }
    return CZ_OK;
}

static enum cz_status build_strings(struct cz_attr *attr,
                                    struct cz_arena *arena, void *proto,
                                    struct cz_error *err)
{
    struct cz_bytes *strings =
        cz_arena_alloc(arena, attr->count, sizeof *strings);
    if (!strings)
        return cz_error_nomem(err);
    for (size_t i = 0; i < attr->count; i++) {
        struct cz_proto_text text = cz_proto_attr_string(proto, i);
        strings[i].data = cz_arena_strdup(arena, text.data, text.size);
        strings[i].size = text.size;
        if (!strings[i].data)
            return cz_error_nomem(err);
    }
    attr->strings = strings;
    return CZ_OK;
}

static enum cz_status build_tensors(struct cz_attr *attr,
                                    struct cz_model *model, void *proto,
                                    struct cz_error *err)
{
    struct cz_tensor **tensors =
        cz_arena_alloc(&model->arena, attr->count, sizeof *tensors);
    if (!tensors)
        return cz_error_nomem(err);
    for (size_t i = 0; i < attr->count; i++)
        CZ_TRY(cz_tensor_view(&tensors[i], model,
                              cz_proto_attr_tensor(proto, i), err));
    attr->tensors = tensors;
    return CZ_OK;
}

static enum cz_status build_graphs(struct cz_attr *attr, struct cz_node *node,
                                   void *proto, struct cz_error *err)
{
    struct cz_model *model = node->graph->model;
    struct cz_graph **graphs =
        cz_arena_alloc(&model->arena, attr->count, sizeof *graphs);
    if (!graphs)
        return cz_error_nomem(err);
    attr->graphs = graphs; /* before they are whole: cz_graph_fini() */
    for (size_t i = 0; i < attr->count; i++)
        CZ_TRY(cz_graph_build(&graphs[i], model, cz_proto_attr_graph(proto, i),
                              node, err));
    return CZ_OK;
}

enum cz_status cz_attr_build(struct cz_attr *attr, struct cz_node *node,
                             void *proto, struct cz_error *err)
{
    struct cz_model *model = node->graph->model;
    CZ_TRY(cz_model_text(&attr->name, model, cz_proto_attr_name(proto), err));
    attr->count = cz_proto_attr_count(proto);
    enum cz_attr_kind kind = (enum cz_attr_kind)cz_proto_attr_kind(proto);
    attr->kind = kind;
    if (!attr->count && (kind == CZ_ATTR_TENSOR || kind == CZ_ATTR_GRAPH))
        return cz_error_set(err, CZ_EPARSE, "attribute '%.100s' has no value",
                            attr->name);
    for (size_t i = 0; i < cz_proto_attr_sparse_count(proto); i++) {
        struct cz_tensor *values;
        CZ_TRY(
            check_sparse(&values, model, cz_proto_attr_sparse(proto, i), err));
    }
    switch (kind) {
    case CZ_ATTR_FLOAT:
    case CZ_ATTR_INT:
    case CZ_ATTR_FLOATS:
    case CZ_ATTR_INTS:
        return build_numbers(attr, &model->arena, proto, err);
    case CZ_ATTR_STRING:
    case CZ_ATTR_STRINGS:
        return build_strings(attr, &model->arena, proto, err);
    case CZ_ATTR_TENSOR:
    case CZ_ATTR_TENSORS:
        return build_tensors(attr, model, proto, err);
    case CZ_ATTR_GRAPH:
    case CZ_ATTR_GRAPHS:
        return build_graphs(attr, node, proto, err);
    default:
        attr->count = 0;
        return CZ_OK;
    }
}

/* The value of a Constant node is known before it runs. */
static enum cz_status build_constant(struct cz_node *node, const void *proto,
                                     struct cz_attr *attr, struct cz_error *err)
{
    struct cz_tensor *tensor = NULL;
    if (!cz_node_is(node, "Constant") || node->n_outputs != 1 ||
        !node->outputs[0])
        return CZ_OK;
    if (strcmp(attr->name, "value") == 0 && attr->kind == CZ_ATTR_TENSOR &&
        attr->count == 1)
        tensor = attr->tensors[0];
    else if (strncmp(attr->name, "value_", 6) == 0 &&
             (attr->kind == CZ_ATTR_FLOAT || attr->kind == CZ_ATTR_FLOATS ||
              attr->kind == CZ_ATTR_INT || attr->kind == CZ_ATTR_INTS))
        CZ_TRY(cz_tensor_view_attr(&tensor, node->graph->model, (void *)proto,
                                   err));
    if (!tensor)
        return CZ_OK;
    if (tensor->storage == CZ_STORAGE_ATTR)
        tensor->attr = attr;
    set_constant(node->outputs[0], tensor);
    return CZ_OK;
}

static enum cz_status build_attrs(struct cz_node *node, struct cz_error *err)
{
    size_t count = cz_proto_node_attr_count(node->proto);
    node->attrs =
        cz_arena_alloc(&node->graph->model->arena, count, sizeof *node->attrs);
    if (!node->attrs)
        return cz_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        void *proto = cz_proto_node_attr(node->proto, i);
        node->n_attrs = i + 1;
        CZ_TRY(cz_attr_build(&node->attrs[i], node, proto, err));
        CZ_TRY(build_constant(node, proto, &node->attrs[i], err));
    }
    return CZ_OK;
}

/* ---- edges ------------------------------------------------------------ */

/* Does `node` depend on itself? A walk backwards over the inputs, by name,
 * since the graph has no order yet. `found` has room for all nodes. */
static bool is_in_cycle(const struct cz_graph *g, struct cz_node *node,
                        struct cz_node **found, bool *seen)
{
    size_t n_found = 0;
    found[n_found++] = node;
    for (size_t next = 0; next < n_found; next++) {
        const void *proto = found[next]->proto;
        for (size_t i = 0; i < cz_proto_node_input_count(proto); i++) {
            struct cz_value *value =
                find_local(g, cz_proto_node_input(proto, i).data);
            struct cz_node *producer = value ? value->producer : NULL;
            if (producer == node)
                return true;
            if (!producer || seen[producer->position])
                continue;
            seen[producer->position] = true;
            found[n_found++] = producer;
        }
    }
    return false;
}

static enum cz_status order_error(struct cz_node *node,
                                  const struct cz_value *value,
                                  struct cz_error *err)
{
    struct cz_graph *g = node->graph;
    struct cz_node **found = cz_calloc(g->n_nodes, sizeof *found);
    bool *seen = cz_calloc(g->n_nodes, sizeof *seen);
    bool complete = found && seen;
    bool is_cycle = complete && is_in_cycle(g, node, found, seen);
    cz_free(found);
    cz_free(seen);
    if (!complete)
        return cz_error_nomem(err);
    if (is_cycle)
        return cz_error_set(
            err, CZ_EPARSE,
            "%.50s '%.100s': is part of a cycle through '%.100s'",
            node->op_type, cz_node_label(node), value->name);
    return cz_error_set(
        err, CZ_EPARSE,
        "%.50s '%.100s': reads '%.100s', which a later node makes; the "
        "nodes are not in topological order",
        node->op_type, cz_node_label(node), value->name);
}

/* The node at value->graph's level that is, or encloses, `node`. */
static const struct cz_node *enclosing(const struct cz_node *node,
                                       const struct cz_graph *graph)
{
    while (node->graph != graph)
        node = node->graph->parent;
    return node;
}

static enum cz_status build_edges(struct cz_node *node, struct cz_error *err)
{
    struct cz_graph *g = node->graph;
    for (size_t i = 0; i < node->n_inputs; i++) {
        struct cz_proto_text text = cz_proto_node_input(node->proto, i);
        if (!text.size)
            continue;
        const char *name;
        CZ_TRY(cz_model_text(&name, g->model, text, err));
        struct cz_value *value = cz_graph_find(g, name);
        if (!value)
            return cz_error_set(
                err, CZ_EPARSE,
                "%.50s '%.100s': input '%.100s' is not defined: no node "
                "makes it, and it is neither an input nor an "
                "initializer",
                node->op_type, cz_node_label(node), name);
        if (value->producer && value->producer->position >=
                                   enclosing(node, value->graph)->position)
            return order_error(node, value, err);
        node->inputs[i] = value;
        CZ_TRY(cz_value_add_use(value, node, i, err));
    }
    return CZ_OK;
}

static enum cz_status build_outputs(struct cz_graph *g, struct cz_error *err)
{
    size_t count = cz_proto_graph_count(g->proto, CZ_PROTO_OUTPUT);
    g->outputs = cz_arena_alloc(&g->model->arena, count, sizeof *g->outputs);
    if (!g->outputs)
        return cz_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        void *info = cz_proto_graph_item(g->proto, CZ_PROTO_OUTPUT, i);
        const char *name;
        CZ_TRY(cz_model_text(&name, g->model, cz_proto_info_name(info), err));
        struct cz_value *value = find_local(g, name);
        if (!value)
            return cz_error_set(
                err, CZ_EPARSE,
                "output '%.100s' is not defined: no node makes it", name);
        if (value->is_output)
            return cz_error_set(err, CZ_EPARSE,
                                "output '%.100s' is listed twice", name);
        value->is_output = true;
        g->outputs[i] = value;
        g->n_outputs = i + 1;
        CZ_TRY(declare(value, info, err));
    }
    return CZ_OK;
}

static enum cz_status build_infos(struct cz_graph *g, struct cz_error *err)
{
    size_t count = cz_proto_graph_count(g->proto, CZ_PROTO_VALUE_INFO);
    for (size_t i = 0; i < count; i++) {
        void *info = cz_proto_graph_item(g->proto, CZ_PROTO_VALUE_INFO, i);
        struct cz_value *value = find_local(g, cz_proto_info_name(info).data);
        if (value)
            CZ_TRY(declare(value, info, err));
    }
    return CZ_OK;
}

enum cz_status cz_graph_build(struct cz_graph **graph, struct cz_model *model,
                              void *proto, struct cz_node *parent,
                              struct cz_error *err)
{
    struct cz_graph *g = cz_arena_alloc(&model->arena, 1, sizeof *g);
    if (!g)
        return cz_error_nomem(err);
    *graph = g;
    g->model = model;
    g->proto = proto;
    g->parent = parent;
    CZ_TRY(cz_model_text(&g->name, model, cz_proto_graph_name(proto), err));
    CZ_TRY(build_inputs(g, err));
    CZ_TRY(build_initializers(g, err));
    CZ_TRY(build_nodes(g, err));
    CZ_TRY(build_infos(g, err));
    CZ_TRY(build_outputs(g, err));
    for (size_t i = 0; i < g->n_nodes; i++) {
        CZ_TRY(build_edges(g->nodes[i], err));
        CZ_TRY(build_attrs(g->nodes[i], err));
    }
    return CZ_OK;
}

void cz_graph_forget_name(struct cz_value *value)
{
    tdelete(value, &value->graph->names, compare_names);
}

static void keep_value(void *value)
{
    (void)value; /* it is the arena's */
}

void cz_names_fini(void **names)
{
    tdestroy(*names, keep_value);
    *names = NULL;
}

void cz_graph_fini(struct cz_graph *graph)
{
    if (!graph)
        return;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        for (size_t a = 0; a < node->n_attrs; a++) {
            const struct cz_attr *attr = &node->attrs[a];
            if (attr->kind != CZ_ATTR_GRAPH && attr->kind != CZ_ATTR_GRAPHS)
                continue;
            for (size_t j = 0; attr->graphs && j < attr->count; j++)
                cz_graph_fini(attr->graphs[j]);
        }
    }
    cz_names_fini(&graph->names);
}
