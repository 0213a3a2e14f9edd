/* Removes what nobody reads. Inner graphs come first: what they let go of may
 * be all that an outer value was made for. */
#include <string.h>

#include "onnx/onnx_internal.h"

/* ---- what goes -------------------------------------------------------- */

static void forget_dropped_readers(struct cz_value *value)
{
    size_t kept = 0;
    for (size_t i = 0; i < value->n_uses; i++) {
        if (!value->uses[i].node->is_dropped)
            value->uses[kept++] = value->uses[i];
    }
    value->n_uses = kept;
}

/* Subgraphs read outer values, and of sparse tensors the view knows nothing;
 * operators of others may do more than make outputs. */
static bool may_go(const struct cz_node *node)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        switch (node->attrs[i].kind) {
        case CZ_ATTR_GRAPH:
        case CZ_ATTR_GRAPHS:
        case CZ_ATTR_SPARSE_TENSOR:
        case CZ_ATTR_SPARSE_TENSORS:
            return false;
        default:
            break;
        }
    }
    return !*node->domain && node->n_outputs;
}

static bool is_read(const struct cz_node *node)
{
    for (size_t i = 0; i < node->n_outputs; i++) {
        struct cz_value *value = node->outputs[i];
        if (!value)
            continue;
        forget_dropped_readers(value);
        if (value->n_uses || value->is_output)
            return true;
    }
    return false;
}

static void drop_external(const struct cz_tensor *tensor)
{
    if (tensor->external)
        tensor->external->is_dropped = true;
}

static void mark_node(struct cz_node *node)
{
    node->is_dropped = true;
    for (size_t i = 0; i < node->n_attrs; i++) {
        const struct cz_attr *attr = &node->attrs[i];
        bool has =
            attr->kind == CZ_ATTR_TENSOR || attr->kind == CZ_ATTR_TENSORS;
        for (size_t j = 0; has && j < attr->count; j++)
            drop_external(attr->tensors[j]);
    }
}

static void mark_value(struct cz_value *value)
{
    forget_dropped_readers(value);
    if (value->producer) {
        value->is_dropped = value->producer->is_dropped;
        return;
    }
    value->is_dropped = value->constant && !value->is_input &&
                        !value->is_output && !value->n_uses;
    if (value->is_dropped)
        drop_external(value->constant);
}

/* Says whether anything goes. */
static bool mark(struct cz_graph *graph)
{
    bool any = false;
    for (size_t i = graph->n_nodes; i-- > 0;) {
        struct cz_node *node = graph->nodes[i];
        if (may_go(node) && !is_read(node))
            mark_node(node);
        any |= node->is_dropped;
    }
    for (size_t i = 0; i < graph->n_values; i++) {
        mark_value(graph->values[i]);
        any |= graph->values[i]->is_dropped;
    }
    return any;
}

/* ---- the message and the view ----------------------------------------- */

static bool names_a_dropped_value(const struct cz_graph *graph,
                                  struct cz_proto_text name)
{
    const struct cz_value *value = cz_graph_find(graph, name.data);
    return value && value->graph == graph && value->is_dropped;
}

/* Initializers or value infos. */
static enum cz_status drop_in_list(struct cz_graph *graph,
                                   enum cz_proto_list list,
                                   struct cz_proto_text (*name)(const void *),
                                   struct cz_error *err)
{
    size_t count = cz_proto_graph_count(graph->proto, list), n_kept = 0;
    void **kept = cz_realloc_array(NULL, count, sizeof *kept);
    if (!kept)
        return cz_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        void *item = cz_proto_graph_item(graph->proto, list, i);
        if (!names_a_dropped_value(graph, name(item)))
            kept[n_kept++] = item;
    }
    enum cz_status status =
        cz_proto_graph_retain(graph->proto, list, kept, n_kept, err);
    cz_free(kept);
    return status;
}

static enum cz_status drop_nodes(struct cz_graph *graph, struct cz_error *err)
{
    size_t n_kept = 0;
    void **kept = cz_realloc_array(NULL, graph->n_nodes, sizeof *kept);
    if (!kept)
        return cz_error_nomem(err);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_node *node = graph->nodes[i];
        if (node->is_dropped)
            continue;
        kept[n_kept] = node->proto;
        node->position = node->id = n_kept;
        graph->nodes[n_kept++] = node;
    }
    graph->n_nodes = n_kept;
    enum cz_status status =
        cz_proto_graph_retain(graph->proto, CZ_PROTO_NODE, kept, n_kept, err);
    cz_free(kept);
    return status;
}

static void drop_values(struct cz_graph *graph)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        struct cz_value *value = graph->values[i];
        if (value->is_dropped) {
            cz_graph_forget_name(value);
            continue;
        }
        value->id = n_kept;
        graph->values[n_kept++] = value;
    }
    graph->n_values = n_kept;
}

static enum cz_status drop_in_graph(struct cz_graph *graph,
                                    struct cz_error *err);

static enum cz_status drop_below(const struct cz_node *node,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        const struct cz_attr *attr = &node->attrs[i];
        bool has = attr->kind == CZ_ATTR_GRAPH || attr->kind == CZ_ATTR_GRAPHS;
        for (size_t j = 0; has && j < attr->count; j++)
            CZ_TRY(drop_in_graph(attr->graphs[j], err));
    }
    return CZ_OK;
}

static enum cz_status drop_in_graph(struct cz_graph *graph,
                                    struct cz_error *err)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        CZ_TRY(drop_below(graph->nodes[i], err));
    if (!mark(graph))
        return CZ_OK;
    CZ_TRY(
        drop_in_list(graph, CZ_PROTO_INITIALIZER, cz_proto_tensor_name, err));
    CZ_TRY(drop_in_list(graph, CZ_PROTO_VALUE_INFO, cz_proto_info_name, err));
    CZ_TRY(drop_nodes(graph, err));
    drop_values(graph);
    return CZ_OK;
}

enum cz_status cz_model_drop_unused(struct cz_model *model,
                                    struct cz_error *err)
{
    enum cz_status status = drop_in_graph(model->graph, err);
    cz_externals_sweep(model);
    return status;
}
