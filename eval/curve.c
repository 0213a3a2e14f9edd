/* pycocotools/cocoeval.py accumulate(), looking only at what can change its
 * result: precision counts where a box is found, since between two of these
 * recall stands still and precision falls. Images that are drawn several times
 * are steps of several boxes; the points between would lie below. */
#include "eval/curve_internal.h"

#include <float.h>

enum cz_status cz_curves_init(struct cz_curves *curves,
                              const struct cz_class_matches *classes, size_t n,
                              struct cz_error *err)
{
    /* A box that counts is found once at most at a threshold. */
    size_t most = 0;
    for (size_t k = 0; k < n; k++) {
        size_t found = classes[k].n_boxes < classes[k].n_matches
                           ? classes[k].n_boxes
                           : classes[k].n_matches;
        if (found > most)
            most = found;
    }
    struct cz_curve_point *points =
        cz_calloc(most * CZ_COCO_IOUS, sizeof *points);
    if (!points)
        return cz_error_nomem(err);
    curves->memory = points;
    for (size_t t = 0; t < CZ_COCO_IOUS; t++)
        curves->points[t] = points + t * most;
    return CZ_OK;
}

void cz_curves_fini(struct cz_curves *curves)
{
    cz_free(curves->memory);
    curves->memory = NULL;
}

void cz_curves_walk(struct cz_curves *curves,
                    const struct cz_class_matches *class,
                    const struct cz_curve_options *options)
{
    const size_t area = options->area;
    double seen = 0;                    /* detections, but for those that are
                                           ignored at every threshold */
    double ignored[CZ_COCO_IOUS] = {0}; /* of these, at this threshold */
    double found[CZ_COCO_IOUS] = {0};
    for (size_t t = 0; t < CZ_COCO_IOUS; t++)
        curves->n_points[t] = 0;
    for (size_t i = 0; i < class->n_to_walk; i++) {
        const struct cz_match *match = &class->matches[i];
        double weight = options->weights ? options->weights[match->image] : 1;
        unsigned some = match->found[area] | match->ignored[area];
        if (weight == 0 || match->rank >= options->max_rank ||
            match->ignored[area] == CZ_IOU_ALL)
            continue;
        seen += weight;
        for (size_t t = 0; some >> t; t++) {
            if (match->ignored[area] >> t & 1)
                ignored[t] += weight;
            if (!(match->found[area] >> t & 1))
                continue;
            found[t] += weight;
            curves->points[t][curves->n_points[t]++] = (struct cz_curve_point){
                found[t], found[t] / (seen - ignored[t] + DBL_EPSILON)};
        }
    }
}

/* How many of the 101 recalls are not above `reached`. */
static size_t recalls_within(double reached)
{
    const double step = 1. / (CZ_COCO_RECALLS - 1);
    size_t r = (size_t)(reached / step);
    while (r < CZ_COCO_RECALLS && (double)r * step <= reached)
        r++;
    while (r > 0 && (double)(r - 1) * step > reached)
        r--;
    return r;
}

double cz_curve_average(const struct cz_curves *curves, size_t t,
                        double to_find, double *precision)
{
    const struct cz_curve_point *points = curves->points[t];
    double best = 0, sum = 0;
    size_t right = CZ_COCO_RECALLS; /* recalls from here on are done */
    /* Backwards: a recall has the precision of the first point that reaches
     * it, or of a better one behind that. */
    for (size_t p = curves->n_points[t] + 1; p-- > 0;) {
        size_t left = p ? recalls_within(points[p - 1].found / to_find) : 0;
        sum += best * (double)(right - left);
        for (size_t r = left; precision && r < right; r++)
            precision[r] = best;
        right = left;
        if (p && points[p - 1].precision > best)
            best = points[p - 1].precision;
    }
    return sum / CZ_COCO_RECALLS;
}

double cz_curve_recall(const struct cz_curves *curves, size_t t, double to_find)
{
    size_t n = curves->n_points[t];
    return n ? curves->points[t][n - 1].found / to_find : 0;
}
