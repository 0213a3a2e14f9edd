/* From a model's numbers to candidates: scores above the confidence first,
 * then the boxes of those that stay.
 *
 * YOLOv8 (anchor-free, distances as distributions): Li et al., Generalized
 * Focal Loss, NeurIPS 2020, section 3.2. YOLOv5 and v7: offsets (2s - 0.5) and
 * sizes (2s)^2 of anchors. YOLOX: Ge et al. 2021, section 2.1; its sizes are
 * exp(). */
#include <math.h>
#include <string.h>

#include "core/half.h"
#include "detect/boxes_internal.h"
#include "detect/detector_internal.h"

/* A row of scores is looked at in blocks: most hold nothing. */
#define BLOCK 32

/* A probability, and what quantization and rounding add to it. */
#define SCORE_MAX 1.01F

/* No class has such a number, where none is known. */
#define LABEL_LIMIT 0x1p20F

struct frame {
    const struct cz_detector *detector;
    struct cz_numbers numbers;
    const struct cz_thresholds *thresholds;
    struct cz_boxes *boxes;
    struct cz_error *err;
};

static float sigmoid(float x)
{
    return 1.0F / (1.0F + expf(-x));
}

/* The value at which a score reaches `confidence`. */
static float raw_limit(float confidence, bool logits)
{
    return logits ? logf(confidence / (1.0F - confidence)) : confidence;
}

static enum cz_status add(struct frame *frame, const struct cz_level *level,
                          float score, size_t anchor, size_t label)
{
    if (!isfinite(score)) {
        frame->boxes->not_finite++;
        return CZ_OK;
    }
    if (score <= frame->thresholds->confidence)
        return CZ_OK;
    frame->boxes->above_one += score > SCORE_MAX;
    size_t order = (level->first + anchor) * frame->detector->classes + label;
    return cz_keys_add(&frame->boxes->memory->keys, score, (uint32_t)order,
                       frame->err);
}

/* ---- scores without objectness, a row for each class ------------------ */

/* Also true where one is no number. */
static bool any_above(const float *scores, float limit)
{
    int any = 0;
    for (int i = 0; i < BLOCK; i++)
        any |= !(scores[i] <= limit);
    return any;
}

static enum cz_status scan_class(struct frame *frame,
                                 const struct cz_level *level, size_t label,
                                 float limit)
{
    const float *scores = cz_field(&frame->numbers, &level->scores, label, 0);
    for (size_t i = 0; i < level->anchors; i += BLOCK) {
        size_t end = i + BLOCK;
        if (end <= level->anchors && !any_above(scores + i, limit))
            continue;
        for (size_t k = i; k < end && k < level->anchors; k++) {
            if (scores[k] <= limit)
                continue;
            float score = level->logits ? sigmoid(scores[k]) : scores[k];
            CZ_TRY(add(frame, level, score, k, label));
        }
    }
    return CZ_OK;
}

/* ---- scores anchor by anchor ------------------------------------------ */

static enum cz_status scan_anchor(struct frame *frame,
                                  const struct cz_level *level, size_t anchor,
                                  float limit)
{
    float objectness = 1;
    if (level->has_objectness) {
        float raw = *cz_field(&frame->numbers, &level->objectness, 0, anchor);
        if (raw <= limit)
            return CZ_OK;
        objectness = level->logits ? sigmoid(raw) : raw;
    }
    const float *scores = cz_field(&frame->numbers, &level->scores, 0, anchor);
    for (size_t c = 0; c < frame->detector->classes; c++) {
        float raw = scores[c * level->scores.field];
        if (raw <= limit)
            continue; /* objectness is 1 at most */
        float score = level->logits ? sigmoid(raw) : raw;
        CZ_TRY(add(frame, level, score * objectness, anchor, c));
    }
    return CZ_OK;
}

static enum cz_status scan_level(struct frame *frame,
                                 const struct cz_level *level)
{
    float limit = raw_limit(frame->thresholds->confidence, level->logits);
    bool by_class = level->scores.anchor == 1 && !level->has_objectness;
    for (size_t c = 0; by_class && c < frame->detector->classes; c++)
        CZ_TRY(scan_class(frame, level, c, limit));
    for (size_t i = 0; !by_class && i < level->anchors; i++)
        CZ_TRY(scan_anchor(frame, level, i, limit));
    return CZ_OK;
}

/* ---- boxes ------------------------------------------------------------ */

static struct cz_box from_centre(float x, float y, float w, float h)
{
    return (struct cz_box){
        .x1 = x - w / 2, .y1 = y - h / 2, .x2 = x + w / 2, .y2 = y + h / 2};
}

/* The mean of a distribution whose logits are `bins` numbers. */
static float distance(const float *logits, size_t step, size_t bins)
{
    float most = logits[0], sum = 0, mean = 0;
    if (bins == 1)
        return logits[0];
    for (size_t b = 1; b < bins; b++)
        most = logits[b * step] > most ? logits[b * step] : most;
    for (size_t b = 0; b < bins; b++) {
        float weight = expf(logits[b * step] - most);
        sum += weight;
        mean += weight * (float)b;
    }
    return mean / sum;
}

static struct cz_box box_from_distances(const struct cz_numbers *numbers,
                                        const struct cz_level *level, size_t i)
{
    float x = (float)(i % level->columns) + 0.5F;
    float y = (float)(i / level->columns) + 0.5F, d[4];
    for (size_t side = 0; side < 4; side++)
        d[side] =
            distance(cz_field(numbers, &level->box, side * level->bins, i),
                     level->box.field, level->bins);
    return (struct cz_box){.x1 = (x - d[0]) * level->stride,
                           .y1 = (y - d[1]) * level->stride,
                           .x2 = (x + d[2]) * level->stride,
                           .y2 = (y + d[3]) * level->stride};
}

static struct cz_box box_from_anchor(const float f[4],
                                     const struct cz_level *level, size_t i)
{
    float s[4], x = (float)(i % level->columns),
                y = (float)(i / level->columns);
    for (int k = 0; k < 4; k++)
        s[k] = level->logits ? sigmoid(f[k]) : f[k];
    return from_centre((2 * s[0] - 0.5F + x) * level->stride,
                       (2 * s[1] - 0.5F + y) * level->stride,
                       4 * s[2] * s[2] * level->anchor_w,
                       4 * s[3] * s[3] * level->anchor_h);
}

static struct cz_box box_from_cell(const float f[4],
                                   const struct cz_level *level, size_t i)
{
    float x = (float)(i % level->columns), y = (float)(i / level->columns);
    return from_centre((f[0] + x) * level->stride, (f[1] + y) * level->stride,
                       expf(f[2]) * level->stride, expf(f[3]) * level->stride);
}

struct cz_box cz_decode_box(const struct cz_detector *detector,
                            const struct cz_numbers *numbers,
                            const struct cz_level *level, size_t i)
{
    float f[4];
    if (detector->decoder == CZ_DECODER_V8_MAPS)
        return box_from_distances(numbers, level, i);
    for (size_t k = 0; k < 4; k++)
        f[k] = *cz_field(numbers, &level->box, k, i);
    switch (detector->decoder) {
    case CZ_DECODER_V5_MAPS:
        return box_from_anchor(f, level, i);
    case CZ_DECODER_YOLOX:
    case CZ_DECODER_YOLOX_MAPS:
        return box_from_cell(f, level, i);
    case CZ_DECODER_END_TO_END:
        return (struct cz_box){f[0], f[1], f[2], f[3], 0, 0};
    default:
        return from_centre(f[0], f[1], f[2], f[3]);
    }
}

static const struct cz_level *find_level(const struct cz_detector *detector,
                                         size_t anchor)
{
    const struct cz_level *level = detector->levels;
    const struct cz_level *last = level + detector->n_levels - 1;
    while (level < last && anchor >= level[1].first)
        level++;
    return level;
}

bool cz_is_box(const struct cz_box *box)
{
    return isfinite(box->x1) && isfinite(box->y1) && isfinite(box->x2) &&
           isfinite(box->y2) && box->x1 <= box->x2 && box->y1 <= box->y2;
}

/* The boxes of the keys, in their order. */
static enum cz_status make_boxes(const struct frame *frame)
{
    const struct cz_detector *detector = frame->detector;
    struct cz_boxes *boxes = frame->boxes;
    const struct cz_keys *keys = &boxes->memory->keys;
    CZ_TRY(cz_reserve(&boxes->items, &boxes->capacity, keys->count,
                      sizeof *boxes->items, frame->err));
    for (size_t k = 0; k < keys->count; k++) {
        size_t order = cz_key_order(keys->items[k]);
        size_t anchor = order / detector->classes;
        const struct cz_level *level = find_level(detector, anchor);
        struct cz_box box = cz_decode_box(detector, &frame->numbers, level,
                                          anchor - level->first);
        box.score = cz_key_score(keys->items[k]);
        box.label = (uint32_t)(order % detector->classes);
        if (cz_is_box(&box))
            boxes->items[boxes->count++] = box;
        else
            boxes->not_finite++;
    }
    return CZ_OK;
}

/* ---- end to end ------------------------------------------------------- */

/* Rows of corners, score, class; the class is checked, it is a number of the
 * model's. */
static enum cz_status read_rows(struct frame *frame, size_t rows)
{
    struct cz_boxes *boxes = frame->boxes;
    const size_t classes = frame->detector->classes;
    const float limit = classes ? (float)classes : LABEL_LIMIT;
    const float *data =
        frame->numbers.data[frame->detector->levels[0].box.port];
    CZ_TRY(cz_reserve(&boxes->items, &boxes->capacity, rows,
                      sizeof *boxes->items, frame->err));
    for (size_t i = 0; i < rows; i++) {
        const float *r = data + 6 * i;
        if (r[4] <= frame->thresholds->confidence)
            continue;
        CZ_TRY(isfinite(r[4]) ? cz_keys_add(&boxes->memory->keys, r[4],
                                            (uint32_t)i, frame->err)
                              : CZ_OK);
        boxes->not_finite += isfinite(r[4]) ? 0 : 1;
        boxes->above_one += isfinite(r[4]) && r[4] > SCORE_MAX;
    }
    CZ_TRY(cz_keys_best(boxes->memory, frame->thresholds->max_candidates, 0,
                        frame->err));
    for (size_t k = 0; k < boxes->memory->keys.count; k++) {
        const float *r =
            data + 6 * (size_t)cz_key_order(boxes->memory->keys.items[k]);
        struct cz_box box = {r[0], r[1], r[2], r[3], r[4], 0};
        if (!(r[5] >= 0 && r[5] < limit) || !cz_is_box(&box)) {
            boxes->not_finite++;
            continue;
        }
        box.label = (uint32_t)r[5];
        boxes->items[boxes->count++] = box;
    }
    boxes->final = true;
    return CZ_OK;
}

/* ---- the frame -------------------------------------------------------- */

static bool same_dims(const struct cz_dims *bound, const struct cz_dims *now,
                      bool open_rows)
{
    if (bound->rank != now->rank)
        return false;
    for (size_t i = 0; i < bound->rank; i++) {
        bool rows = open_rows && i + 2 == bound->rank;
        if (bound->size[i] != now->size[i] && !rows)
            return false;
    }
    return true;
}

static size_t element_count(const struct cz_port *port)
{
    return port->size_bytes / (cz_dtype_bits(port->dtype) / 8);
}

/* Points frame->numbers at the outputs, or at float32 copies of them. */
static enum cz_status map_outputs(struct frame *frame,
                                  const struct cz_port *outputs)
{
    struct cz_box_memory *m = frame->boxes->memory;
    size_t total = 0, used = 0;
    for (size_t i = 0; i < frame->detector->n_outputs; i++)
        total += outputs[i].dtype == CZ_DTYPE_FLOAT16
                     ? element_count(&outputs[i])
                     : 0;
    CZ_TRY(cz_reserve(&m->widened, &m->widened_capacity, total,
                      sizeof *m->widened, frame->err));
    for (size_t i = 0; i < frame->detector->n_outputs; i++) {
        frame->numbers.data[i] = outputs[i].data;
        if (outputs[i].dtype != CZ_DTYPE_FLOAT16 || !element_count(&outputs[i]))
            continue;
        cz_half_widen(m->widened + used, outputs[i].data,
                      element_count(&outputs[i]));
        frame->numbers.data[i] = m->widened + used;
        used += element_count(&outputs[i]);
    }
    return CZ_OK;
}

static enum cz_status check_outputs(const struct cz_detector *detector,
                                    const struct cz_port *outputs, size_t count,
                                    struct cz_error *err)
{
    bool open_rows = detector->decoder == CZ_DECODER_END_TO_END;
    bool same = count == detector->n_outputs;
    for (size_t i = 0; same && i < count; i++)
        same = same_dims(&detector->dims[i], &outputs[i].dims, open_rows);
    if (same)
        return CZ_OK;
    return cz_error_set(err, CZ_ESHAPE,
                        "%s: the outputs have other shapes than when the "
                        "decoder was chosen",
                        detector->path);
}

static enum cz_status decode_levels(struct frame *frame)
{
    const struct cz_detector *detector = frame->detector;
    for (size_t i = 0; i < detector->n_levels; i++)
        CZ_TRY(scan_level(frame, &detector->levels[i]));
    CZ_TRY(cz_keys_best(frame->boxes->memory, frame->thresholds->max_candidates,
                        frame->thresholds->multi_label ? 0 : detector->classes,
                        frame->err));
    return make_boxes(frame);
}

enum cz_status cz_detector_decode(const struct cz_detector *detector,
                                  const struct cz_port *outputs, size_t count,
                                  const struct cz_thresholds *thresholds,
                                  struct cz_boxes *boxes, struct cz_error *err)
{
    struct frame frame = {.detector = detector,
                          .thresholds = thresholds,
                          .boxes = boxes,
                          .err = err};
    CZ_TRY(check_outputs(detector, outputs, count, err));
    CZ_TRY(cz_boxes_prepare(boxes, err));
    CZ_TRY(map_outputs(&frame, outputs));
    if (detector->decoder != CZ_DECODER_END_TO_END)
        return decode_levels(&frame);
    const struct cz_dims *dims = &outputs[detector->levels[0].box.port].dims;
    return read_rows(&frame, (size_t)dims->size[dims->rank - 2]);
}
