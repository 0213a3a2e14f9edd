/* How far the boxes of two detectors are apart for the same image. */
#include <math.h>

#include "core/alloc.h"
#include "detect/boxes_internal.h"

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

double cz_box_iou(const struct cz_box *a, const struct cz_box *b)
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
        const double overlap = cz_box_iou(box, &others->items[i]);
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
