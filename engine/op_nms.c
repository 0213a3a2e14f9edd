/* NonMaxSuppression: by the ONNX operator specification, and as ONNX Runtime
 * has it where that is silent: of boxes with the same score the first comes
 * first; boxes without an area suppress nothing and are not suppressed; a box
 * goes when it covers a chosen one by more than the threshold. */
#include <inttypes.h>

#include "core/checked.h"
#include "engine/element_internal.h"

enum {
    IN_BOXES,  /* [batch, box, 4] */
    IN_SCORES, /* [batch, class, box] */
    IN_MAX_BOXES,
    IN_IOU_THRESHOLD,
    IN_SCORE_THRESHOLD
};

struct nms {
    bool is_center;   /* x, y, width, height, and not two corners y, x, y, x */
    size_t max_boxes; /* told by shape(): of one class of one batch entry */
};

static enum cz_status parse_nms(struct cz_step *step,
                                const struct cz_node *node,
                                struct cz_error *err)
{
    struct nms *p = step->params;
    int64_t format = cz_node_attr_int(node, "center_point_box", 0);
    if (format != 0 && format != 1)
        return cz_step_error(step, err, "center_point_box is %" PRId64, format);
    p->is_center = format == 1;
    return CZ_OK;
}

/* ---- shape ------------------------------------------------------------ */

static enum cz_status check_boxes(const struct cz_step *step,
                                  struct cz_error *err)
{
    char text[CZ_DIMS_TEXT_BYTES], other[CZ_DIMS_TEXT_BYTES];
    for (size_t i = IN_BOXES; i <= IN_SCORES; i++) {
        CZ_TRY(cz_step_want_dtype(step, i, CZ_DTYPE_FLOAT, err));
        CZ_TRY(cz_step_want_rank(step, i, 3, err));
    }
    const struct cz_dims *boxes = &step->inputs[IN_BOXES]->dims;
    const struct cz_dims *scores = &step->inputs[IN_SCORES]->dims;
    if (boxes->size[2] != 4 || boxes->size[0] != scores->size[0] ||
        boxes->size[1] != scores->size[2])
        return cz_step_error(step, err,
                             "boxes are %s, scores %s, want [n,b,4] and "
                             "[n,classes,b]",
                             cz_dims_text(boxes, text),
                             cz_dims_text(scores, other));
    return CZ_OK;
}

static enum cz_status check_threshold(const struct cz_step *step, size_t i,
                                      struct cz_error *err)
{
    const struct cz_array *threshold = cz_step_input(step, i);
    CZ_TRY(cz_step_want_dtype(step, i, CZ_DTYPE_FLOAT, err));
    if (threshold && cz_array_count(threshold) != 1)
        return cz_step_error(step, err, "input %zu has %zu numbers, want 1", i,
                             cz_array_count(threshold));
    return CZ_OK;
}

/* As many rows as there can be; run() tells how many there are. */
static enum cz_status shape_nms(struct cz_step *step, struct cz_error *err)
{
    struct nms *p = step->params;
    int64_t max_boxes = 0;
    struct cz_int_room most = {.ints = &max_boxes, .capacity = 1};
    size_t rows;
    CZ_TRY(check_boxes(step, err));
    CZ_TRY(check_threshold(step, IN_IOU_THRESHOLD, err));
    CZ_TRY(check_threshold(step, IN_SCORE_THRESHOLD, err));
    CZ_TRY(cz_step_ints(&most, step, IN_MAX_BOXES, err));
    bool is_known = most.is_known;
    for (size_t i = 0; i < step->n_inputs; i++)
        is_known &= !step->inputs[i] || step->inputs[i]->known;
    if (!is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    const struct cz_dims *scores = &step->inputs[IN_SCORES]->dims;
    p->max_boxes = max_boxes < 0 ? 0 : (size_t)max_boxes;
    if (p->max_boxes > (size_t)scores->size[2])
        p->max_boxes = (size_t)scores->size[2];
    if (!cz_mul_size(cz_dims_product(scores, 0, 2), p->max_boxes, &rows) ||
        rows > INT64_MAX)
        return cz_step_error(step, err, "its output would not fit in memory");
    const struct cz_dims y = {.rank = 2, .size = {(int64_t)rows, 3}};
    return cz_step_output(step, 0, CZ_DTYPE_INT64, &y, err);
}

/* ---- suppression ------------------------------------------------------ */

struct box {
    float x_min, x_max, y_min, y_max, area;
};

/* What one call of run() works with. */
struct work {
    size_t n_boxes, max_boxes;
    float iou_threshold, score_threshold;
    bool has_score_threshold;
    struct box *boxes;            /* [n_boxes], of one batch entry */
    struct cz_ranked *candidates; /* [n_boxes], of one class */
    size_t *chosen;               /* [max_boxes], likewise */
};

static float min(float a, float b)
{
    return b < a ? b : a;
}

static float max(float a, float b)
{
    return a < b ? b : a;
}

static struct box read_box(const float *at, bool is_center)
{
    struct box box;
    if (is_center) {
        const float half_width = at[2] / 2, half_height = at[3] / 2;
        box.x_min = at[0] - half_width;
        box.x_max = at[0] + half_width;
        box.y_min = at[1] - half_height;
        box.y_max = at[1] + half_height;
    } else {
        box.x_min = min(at[1], at[3]);
        box.x_max = max(at[1], at[3]);
        box.y_min = min(at[0], at[2]);
        box.y_max = max(at[0], at[2]);
    }
    box.area = (box.x_max - box.x_min) * (box.y_max - box.y_min);
    return box;
}

static bool is_suppressed(const struct box *a, const struct box *b,
                          float threshold)
{
    const float x_min = max(a->x_min, b->x_min);
    const float x_max = min(a->x_max, b->x_max);
    const float y_min = max(a->y_min, b->y_min);
    const float y_max = min(a->y_max, b->y_max);
    if (x_max <= x_min || y_max <= y_min)
        return false;
    const float both = (x_max - x_min) * (y_max - y_min);
    const float either = a->area + b->area - both;
    if (both <= 0 || a->area <= 0 || b->area <= 0 || either <= 0)
        return false;
    return both / either > threshold;
}

static size_t find_candidates(struct work *work, const float *scores)
{
    const struct cz_order order = {CZ_DTYPE_FLOAT, true};
    size_t n = 0;
    for (size_t i = 0; i < work->n_boxes; i++) {
        if (work->has_score_threshold && !(scores[i] > work->score_threshold))
            continue;
        cz_order_keys(&work->candidates[n].key, order, &scores[i], 1, 1);
        work->candidates[n++].index = i;
    }
    return n;
}

/* Fills work->chosen with the boxes of one class. */
static size_t choose_boxes(struct work *work, const float *scores)
{
    size_t n_chosen = 0, n = find_candidates(work, scores);
    cz_ranked_heapify(work->candidates, n);
    while (n && n_chosen < work->max_boxes) {
        const size_t next = cz_ranked_pop(work->candidates, &n).index;
        bool is_free = true;
        for (size_t i = 0; is_free && i < n_chosen; i++)
            is_free = !is_suppressed(&work->boxes[work->chosen[i]],
                                     &work->boxes[next], work->iou_threshold);
        if (is_free)
            work->chosen[n_chosen++] = next;
    }
    return n_chosen;
}

static size_t choose_all(struct cz_step *step, struct work *work)
{
    const struct nms *p = step->params;
    const struct cz_dims *dims = &step->inputs[IN_SCORES]->dims;
    const size_t classes = (size_t)dims->size[1];
    const float *boxes = step->inputs[IN_BOXES]->data;
    const float *scores = step->inputs[IN_SCORES]->data;
    int64_t *to = step->outputs[0]->data;
    size_t rows = 0;
    for (size_t i = 0; i < (size_t)dims->size[0] * classes; i++) {
        const size_t entry = i / classes;
        for (size_t b = 0; i % classes == 0 && b < work->n_boxes; b++)
            work->boxes[b] =
                read_box(boxes + (entry * work->n_boxes + b) * 4, p->is_center);
        size_t n = choose_boxes(work, scores + i * work->n_boxes);
        for (size_t k = 0; k < n; k++, rows++) {
            *to++ = (int64_t)entry;
            *to++ = (int64_t)(i % classes);
            *to++ = (int64_t)work->chosen[k];
        }
    }
    return rows;
}

static float read_threshold(const struct cz_step *step, size_t i)
{
    const struct cz_array *threshold = cz_step_input(step, i);
    return threshold ? *(const float *)threshold->data : 0;
}

static enum cz_status run_nms(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    const struct nms *p = step->params;
    struct work work = {
        .n_boxes = (size_t)step->inputs[IN_BOXES]->dims.size[1],
        .max_boxes = p->max_boxes,
        .iou_threshold = read_threshold(step, IN_IOU_THRESHOLD),
        .score_threshold = read_threshold(step, IN_SCORE_THRESHOLD),
        .has_score_threshold = cz_step_input(step, IN_SCORE_THRESHOLD) != NULL,
    };
    struct cz_array *y = step->outputs[0];
    (void)exec;
    if (!cz_array_count(y))
        return CZ_OK;
    if (!(work.iou_threshold >= 0 && work.iou_threshold <= 1))
        return cz_error_set(
            err, CZ_EINVAL, "%s '%.120s': iou_threshold is %g, want 0 to 1",
            step->op->op_type, step->name, (double)work.iou_threshold);
    work.boxes = cz_calloc(work.n_boxes, sizeof *work.boxes);
    work.candidates = cz_calloc(work.n_boxes, sizeof *work.candidates);
    work.chosen = cz_calloc(work.max_boxes, sizeof *work.chosen);
    bool has_room = work.boxes && work.candidates && work.chosen;
    if (has_room)
        y->dims.size[0] = (int64_t)choose_all(step, &work);
    cz_free(work.boxes);
    cz_free(work.candidates);
    cz_free(work.chosen);
    return has_room ? CZ_OK : cz_error_nomem(err);
}

#define PARAMS sizeof(struct nms)

const struct cz_op cz_ops_nms[] = {
    /* 11: the scores' threshold is one for what is kept, as it was in fact */
    {"NonMaxSuppression", 10, 0, 2, 5, PARAMS, parse_nms, shape_nms, run_nms},
    {"NonMaxSuppression", 11, 0, 2, 5, PARAMS, parse_nms, shape_nms, run_nms},
    {.op_type = NULL},
};
