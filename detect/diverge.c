/* How far two detectors are apart for the same image by what they say at each
 * anchor. */
#include <math.h>

#include "detect/boxes_internal.h"
#include "detect/detector_internal.h"

/* How much more an IoU counts than the score of a class: the gains 7.5 and 0.5
 * that Ultralytics trains with. */
#define IOU_WEIGHT 15

/* Scores below the first are no detections, probabilities below the second are
 * none. */
#define SCORE_LEAST 1e-3
#define PROBABILITY_LEAST 1e-6

/* Anchors that are looked at together: their scores for one class lie side by
 * side in most outputs. */
#define ANCHOR_BLOCK 16

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

/* In [0, 1], or NaN. */
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
    score *= objectness;
    return score < 0 ? 0 : score > 1 ? 1 : score;
}

/* Of one Bernoulli distribution from another, in nats. */
static double divergence(double p, double q)
{
    p = fmin(fmax(p, PROBABILITY_LEAST), 1 - PROBABILITY_LEAST);
    q = fmin(fmax(q, PROBABILITY_LEAST), 1 - PROBABILITY_LEAST);
    return p * log(p / q) + (1 - p) * log((1 - p) / (1 - q));
}

/* Of all classes; `best` is the reference's highest score at each anchor. */
static double compare_scores(const struct pair *pair, size_t first,
                             size_t count, double best[ANCHOR_BLOCK])
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
            if (isnan(q))
                sum = INFINITY;
            else if (p >= SCORE_LEAST || q >= SCORE_LEAST)
                sum += divergence(p, q);
        }
    }
    return sum;
}

static bool are_equal(const struct cz_box *a, const struct cz_box *b)
{
    return a->x1 == b->x1 && a->y1 == b->y1 && a->x2 == b->x2 && a->y2 == b->y2;
}

/* 1 - IoU. What is no box of the reference's says nothing of the other. */
static double compare_boxes(const struct pair *pair, size_t anchor)
{
    const struct cz_box a =
        cz_decode_box(pair->detector, &pair->reference, pair->level, anchor);
    const struct cz_box b =
        cz_decode_box(pair->detector, &pair->other, pair->level, anchor);
    if (!cz_is_box(&a) || are_equal(&a, &b))
        return 0;
    return cz_is_box(&b) ? 1 - cz_box_iou(&a, &b) : 1;
}

static double compare_level(const struct pair *pair)
{
    double best[ANCHOR_BLOCK], sum = 0;
    for (size_t i = 0; i < pair->level->anchors; i += ANCHOR_BLOCK) {
        const size_t left = pair->level->anchors - i;
        const size_t count = left < ANCHOR_BLOCK ? left : ANCHOR_BLOCK;
        sum += compare_scores(pair, i, count, best);
        for (size_t k = 0; k < count; k++) {
            if (best[k] >= SCORE_LEAST)
                sum += IOU_WEIGHT * best[k] * compare_boxes(pair, i + k);
        }
    }
    return sum;
}

static struct cz_numbers numbers_of(const struct cz_detector *detector,
                                    const float *all)
{
    struct cz_numbers numbers = {{NULL}};
    for (size_t i = 0; i < detector->n_outputs; i++) {
        size_t count = 1;
        numbers.data[i] = all;
        for (size_t k = 0; k < detector->dims[i].rank; k++)
            count *= (size_t)detector->dims[i].size[k];
        all += count;
    }
    return numbers;
}

bool cz_detector_has_anchors(const struct cz_detector *detector)
{
    return detector->n_outputs > 0 &&
           detector->decoder != CZ_DECODER_END_TO_END;
}

bool cz_detector_sees(const struct cz_detector *detector, const float *all)
{
    const struct cz_numbers numbers = numbers_of(detector, all);
    for (size_t i = 0; i < detector->n_levels; i++) {
        const struct cz_level *level = &detector->levels[i];
        for (size_t k = 0; k < level->anchors * detector->classes; k++) {
            if (score_at(&numbers, level, k % level->anchors,
                         k / level->anchors) >= SCORE_LEAST)
                return true;
        }
    }
    return false;
}

double cz_detector_diverge(const struct cz_detector *detector,
                           const float *reference, const float *other)
{
    struct pair pair = {.detector = detector,
                        .reference = numbers_of(detector, reference),
                        .other = numbers_of(detector, other)};
    double sum = 0;
    for (size_t i = 0; i < detector->n_levels; i++) {
        pair.level = &detector->levels[i];
        sum += compare_level(&pair);
    }
    return sum;
}
