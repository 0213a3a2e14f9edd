/* What a detector's head gives out: the families that Ultralytics, YOLOX and
 * their exporters write. */
#include "core/alloc.h"
#include "onnx/onnx.h"

/* Fewer candidates than this and an output is no grid of anchors. */
#define ANCHORS_MIN 100
#define END_TO_END_FIELDS 6

/* Boxes are decoded where the tail computes with them: a raw head has nothing
 * but Sigmoids and movement behind its convolutions. */
static bool tail_decodes(const struct cz_graph *graph)
{
    bool *tail = cz_calloc(graph->n_nodes, sizeof *tail);
    bool decodes = false;
    if (!tail)
        return false;
    cz_graph_mark_tail(graph, tail);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        decodes |= tail[i] && node->n_outputs && node->outputs[0] &&
                   cz_dtype_is_float(node->outputs[0]->dtype) &&
                   (cz_node_is(node, "Mul") || cz_node_is(node, "Add") ||
                    cz_node_is(node, "Sub"));
    }
    cz_free(tail);
    return decodes;
}

static enum cz_head head_of_one(const struct cz_graph *graph,
                                const struct cz_shape *shape, int64_t *classes)
{
    int64_t middle = shape->dims[1], last = shape->dims[2];
    if (last == END_TO_END_FIELDS && middle > 0)
        return CZ_HEAD_END_TO_END;
    if (middle > 4 && last >= ANCHORS_MIN && last > middle) {
        *classes = middle - 4;
        return CZ_HEAD_ANCHOR_FREE;
    }
    if (last > 5 && middle >= ANCHORS_MIN && middle > last) {
        *classes = last - 5;
        return tail_decodes(graph) ? CZ_HEAD_ANCHORS : CZ_HEAD_GRID;
    }
    return CZ_HEAD_UNKNOWN;
}

enum cz_head cz_graph_head(const struct cz_graph *graph, int64_t *classes)
{
    size_t maps = 0;
    *classes = 0;
    for (size_t i = 0; i < graph->n_outputs; i++) {
        const struct cz_shape *shape = &graph->outputs[i]->shape;
        maps += shape->known && shape->rank >= 4;
    }
    if (maps >= 3 && maps == graph->n_outputs)
        return CZ_HEAD_FEATURE_MAPS;
    const struct cz_shape *first = &graph->outputs[0]->shape;
    if (!first->known || first->rank != 3)
        return CZ_HEAD_UNKNOWN;
    return head_of_one(graph, first, classes);
}
