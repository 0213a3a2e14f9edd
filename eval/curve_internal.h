/* Precision and recall along the detections of a class, at all IoU thresholds
 * in one walk. */
#ifndef CZ_EVAL_CURVE_INTERNAL_H
#define CZ_EVAL_CURVE_INTERNAL_H

#include "eval/matches_internal.h"

/* At each box that was found: the boxes found so far, and the precision. */
struct cz_curve_point {
    double found, precision;
};

struct cz_curves {
    struct cz_curve_point *points[CZ_COCO_IOUS]; /* [n_points[t]] */
    size_t n_points[CZ_COCO_IOUS];
    void *memory;
};

/* Which detections count, and how often. */
struct cz_curve_options {
    size_t area;             /* CZ_AREA_ALL, ... */
    size_t max_rank;         /* detections of the class in an image */
    const uint32_t *weights; /* [images] how often each counts; NULL: once */
};

/* Room for the curves of any of classes[n]. CZ_ENOMEM only. */
enum cz_status cz_curves_init(struct cz_curves *curves,
                              const struct cz_class_matches *classes, size_t n,
                              struct cz_error *err);
void cz_curves_fini(struct cz_curves *curves);

/* Fills in the points of `class`. */
void cz_curves_walk(struct cz_curves *curves,
                    const struct cz_class_matches *class,
                    const struct cz_curve_options *options);

/* Of the points of threshold t, with `to_find` boxes in all (more than 0): the
 * mean of the precision at the 101 recalls, each the best at that recall or
 * beyond. precision: [CZ_COCO_RECALLS] these, or NULL. */
double cz_curve_average(const struct cz_curves *curves, size_t t,
                        double to_find, double *precision);

/* The recall at the end. */
double cz_curve_recall(const struct cz_curves *curves, size_t t,
                       double to_find);

#endif
