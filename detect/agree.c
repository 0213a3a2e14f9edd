/* How far two detectors are apart for the same image: their boxes, or what they
 * say at each anchor. */
#include <math.h>

#include "core/alloc.h"
#include "detect/detector_internal.h"

/* Boxes that overlap less are of different objects. */
#define SAME_IOU 0.5

/* How much more a box's place counts than its score: the thresholds of
 * mAP50-95 lie 0.05 apart. */
#define IOU_WEIGHT 5

static double area_of(const struct cz_box *box)
{
    return ((double)box->x2 - (double)box->x1) *
           ((double)box->y2 - (double)box->y1);
}

static double iou_of(const struct cz_box *a, const struct cz_box *b)
{
    const double w =
        fmin((double)a->x2, (double)b->x2) - fmax((double)a->x1, (double)b->x1);
    const double h =
        fmin((double)a->y2, (double)b->y2) - fmax((double)a->y1, (double)b->y1);
    if (!(w > 0 && h > 0))
        return 0;
    return w * h / (area_of(a) + area_of(b) - w * h);
}

/* The box that overlaps `box` most, of those of its class that are free;
 * others->count when there is none. */
static size_t find_partner(const struct cz_boxes *others, const bool *is_taken,
                           const struct cz_box *box, double *iou)
{
    size_t found = others->count;
    *iou = SAME_IOU;
    for (size_t i = 0; i < others->count; i++) {
        if (is_taken[i] || others->items[i].label != box->label)
            continue;
        const double overlap = iou_of(box, &others->items[i]);
        if (overlap > *iou || (overlap >= *iou && found == others->count)) {
            *iou = overlap;
            found = i;
        }
    }
    return found;
}

static double squared(double x)
{
    return x * x;
}

enum cz_status cz_boxes_compare(struct cz_agreement *agreement,
                                const struct cz_boxes *reference,
                                const struct cz_boxes *others,
                                struct cz_error *err)
{
    bool *is_taken = cz_calloc(others->count + 1, sizeof *is_taken);
    if (!is_taken)
        return cz_error_nomem(err);
    for (size_t i = 0; i < reference->count; i++) {
        const struct cz_box *box = &reference->items[i];
        const double score = (double)box->score;
        double iou;
        const size_t k = find_partner(others, is_taken, box, &iou);
        agreement->weight += squared(score);
        if (k == others->count) {
            agreement->difference += squared(score);
            continue;
        }
        is_taken[k] = true;
        agreement->difference +=
            squared(score - (double)others->items[k].score) +
            squared(score * fmin(1, IOU_WEIGHT * (1 - iou)));
    }
    for (size_t k = 0; k < others->count; k++) {
        if (!is_taken[k])
            agreement->difference += squared((double)others->items[k].score);
    }
    cz_free(is_taken);
    return CZ_OK;
}

/* ---- anchors ---------------------------------------------------------- */

/* How much more an IoU counts than the score of a class: the gains 7.5 and 0.5
 * that Ultralytics trains with. */
#define ANCHOR_IOU_WEIGHT 15

/* Scores below the first are no detections, probabilities below the second are
 * none. */
#define SCORE_LEAST 1e-3
#define PROBABILITY_LEAST 1e-6

/* Anchors that are looked at together: their scores for one class lie side by
 * side in most outputs. */
#define ANCHORS 16

/* Two detectors at the anchors of a level. */
struct pair {
    const struct cz_detector *detector;
    const struct cz_level *level;
    struct cz_numbers reference, other;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double score_at(const struct cz_numbers *numbers,
                       const struct cz_level *level, size_t anchor,
                       size_t label)
{
    double score = (double)*cz_field(numbers, &level->scores, label, anchor);
    double objectness = 1;
    if (level->logits)
        score = sigmoid(score);
    if (level->has_objectness)
        objectness = (double)*cz_field(numbers, &level->objectness, 0, anchor);
    if (level->has_objectness && level->logits)
        objectness = sigmoid(objectness);
    return score * objectness;
}

/* Of one Bernoulli distribution from another, in nats. */
static double divergence(double p, double q)
{
    p = fmin(fmax(p, PROBABILITY_LEAST), 1 - PROBABILITY_LEAST);
    q = fmin(fmax(q, PROBABILITY_LEAST), 1 - PROBABILITY_LEAST);
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q));
}

/* Of all classes; `best` is the highest score of each anchor. */
static double compare_scores(const struct pair *pair, size_t first,
                             size_t count, double best[ANCHORS])
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        best[i] = 0;
    for (size_t label = 0; label < pair->detector->classes; label++) {
        for (size_t i = 0; i < count; i++) {
            const double p =
                score_at(&pair->reference, pair->level, first + i, label);
            const double q =
                score_at(&pair->other, pair->level, first + i, label);
            best[i] = fmax(best[i], p);
            if (p >= SCORE_LEAST || q >= SCORE_LEAST)
                sum += divergence(p, q);
        }
    }
    return sum;
}

static double compare_places(const struct pair *pair, size_t anchor)
{
    const struct cz_box a =
        cz_decode_box(pair->detector, &pair->reference, pair->level, anchor);
    const struct cz_box b =
        cz_decode_box(pair->detector, &pair->other, pair->level, anchor);
    return 1 - iou_of(&a, &b);
}

static double compare_level(const struct pair *pair)
{
    double best[ANCHORS], sum = 0;
    for (size_t i = 0; i < pair->level->anchors; i += ANCHORS) {
        const size_t left = pair->level->anchors - i;
        const size_t count = left < ANCHORS ? left : ANCHORS;
        sum += compare_scores(pair, i, count, best);
        for (size_t k = 0; k < count; k++) {
            if (best[k] >= SCORE_LEAST)
                sum +=
                    ANCHOR_IOU_WEIGHT * best[k] * compare_places(pair, i + k);
        }
    }
    return sum;
}

bool cz_detector_has_anchors(const struct cz_detector *detector,
                             const struct cz_port *outputs)
{
    bool has =
        detector->n_outputs > 0 && detector->decoder != CZ_DECODER_END_TO_END;
    for (size_t i = 0; i < detector->n_outputs && has; i++)
        has = outputs[i].dtype == CZ_DTYPE_FLOAT;
    return has;
}

double cz_detector_diverge(const struct cz_detector *detector,
                           const struct cz_port *outputs,
                           const float *reference)
{
    struct pair pair = {.detector = detector};
    double sum = 0;
    for (size_t i = 0; i < detector->n_outputs; i++) {
        pair.reference.data[i] = reference;
        pair.other.data[i] = outputs[i].data;
        reference += outputs[i].size_bytes / sizeof *reference;
    }
    for (size_t i = 0; i < detector->n_levels; i++) {
        pair.level = &detector->levels[i];
        sum += compare_level(&pair);
    }
    return sum;
}
