/* Questions to the graph: names, operators, attributes, walks. */
#include <string.h>

#include "onnx/onnx_internal.h"

const char *cz_node_label(const struct cz_node *node)
{
    if (*node->name)
        return node->name;
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i])
            return node->outputs[i]->name;
    }
    return "";
}

bool cz_node_is(const struct cz_node *node, const char *op_type)
{
    return !*node->domain && strcmp(node->op_type, op_type) == 0;
}

struct cz_value *cz_node_input(const struct cz_node *node, size_t i)
{
    return i < node->n_inputs ? node->inputs[i] : NULL;
}

const struct cz_attr *cz_node_attr(const struct cz_node *node, const char *name)
{
    for (size_t i = 0; i < node->n_attrs; i++) {
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    }
    return NULL;
}

int64_t cz_node_attr_int(const struct cz_node *node, const char *name,
                         int64_t otherwise)
{
    const struct cz_attr *attr = cz_node_attr(node, name);
    return attr && attr->kind == CZ_ATTR_INT ? attr->ints[0] : otherwise;
}

float cz_node_attr_float(const struct cz_node *node, const char *name,
                         float otherwise)
{
    const struct cz_attr *attr = cz_node_attr(node, name);
    bool has = attr && attr->count &&
               (attr->kind == CZ_ATTR_FLOAT || attr->kind == CZ_ATTR_FLOATS);
    return has ? attr->floats[0] : otherwise;
}

const char *cz_node_attr_string(const struct cz_node *node, const char *name,
                                const char *otherwise)
{
    const struct cz_attr *attr = cz_node_attr(node, name);
    return attr && attr->kind == CZ_ATTR_STRING ? attr->strings[0].data
                                                : otherwise;
}

const int64_t *cz_node_attr_ints(const struct cz_node *node, const char *name,
                                 size_t *count)
{
    const struct cz_attr *attr = cz_node_attr(node, name);
    if (!attr || attr->kind != CZ_ATTR_INTS) {
        *count = 0;
        return NULL;
    }
    *count = attr->count;
    return attr->ints;
}

enum cz_status cz_graph_visit(struct cz_graph *graph,
                              enum cz_status (*visit)(void *user,
                                                      struct cz_node *node),
                              void *user)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_node *node = graph->nodes[i];
        CZ_TRY(visit(user, node));
        for (size_t a = 0; a < node->n_attrs; a++) {
            const struct cz_attr *attr = &node->attrs[a];
            if (attr->kind != CZ_ATTR_GRAPH && attr->kind != CZ_ATTR_GRAPHS)
                continue;
            for (size_t j = 0; j < attr->count; j++)
                CZ_TRY(cz_graph_visit(attr->graphs[j], visit, user));
        }
    }
    return CZ_OK;
}
