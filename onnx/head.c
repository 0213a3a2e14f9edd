/* What a detector's head gives out: the families that Ultralytics, YOLOX and
 * their exporters write. */
#include "core/alloc.h"
#include "onnx/onnx.h"

/* Fewer candidates than this and an output is no grid of anchors. */
#define ANCHORS_MIN 100
#define END_TO_END_FIELDS 6
/* As many rows as NMS gives at the most, where a foreign operator does it. */
#define DETECTIONS_MAX 300

/* What the decode tail does. */
struct tail_work {
    bool decodes; /* computes boxes; a raw head has Sigmoids and movement */
    bool selects; /* picks the best: NMS, or TopK of a one-to-one head */
};

static struct tail_work look_at_tail(const struct cz_graph *graph)
{
    struct tail_work work = {false, false};
    bool *tail = cz_calloc(graph->n_nodes, sizeof *tail);
    if (!tail)
        return work;
    cz_graph_mark_tail(graph, tail);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        if (!tail[i] || !node->n_outputs || !node->outputs[0])
            continue;
        work.selects |=
            cz_node_is(node, "TopK") || cz_node_is(node, "NonMaxSuppression");
        work.decodes |= cz_dtype_is_float(node->outputs[0]->dtype) &&
                        (cz_node_is(node, "Mul") || cz_node_is(node, "Add") ||
                         cz_node_is(node, "Sub"));
    }
    cz_free(tail);
    return work;
}

static enum cz_head head_of_one(const struct cz_graph *graph,
                                const struct cz_shape *shape, int64_t *classes)
{
    int64_t middle = shape->dims[1], last = shape->dims[2];
    struct tail_work work = look_at_tail(graph);
    if (last == END_TO_END_FIELDS && middle > 0 &&
        (work.selects || middle <= DETECTIONS_MAX))
        return CZ_HEAD_END_TO_END;
    if (middle > 4 && last >= ANCHORS_MIN && last > middle) {
        *classes = middle - 4;
        return CZ_HEAD_ANCHOR_FREE;
    }
    if (last > 5 && middle >= ANCHORS_MIN && middle > last) {
        *classes = last - 5;
        return work.decodes ? CZ_HEAD_ANCHORS : CZ_HEAD_GRID;
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
    if (!graph->n_outputs)
        return CZ_HEAD_UNKNOWN;
    const struct cz_shape *first = &graph->outputs[0]->shape;
    if (!first->known || first->rank != 3)
        return CZ_HEAD_UNKNOWN;
    return head_of_one(graph, first, classes);
}
