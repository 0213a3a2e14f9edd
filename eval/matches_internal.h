/* What matching leaves behind: of each class its detections in the order in
 * which a precision-recall curve takes them, each with the thresholds at which
 * it found a box. Everything else is counted from this, with a weight for each
 * image where images are drawn. */
#ifndef CZ_EVAL_MATCHES_INTERNAL_H
#define CZ_EVAL_MATCHES_INTERNAL_H

#include "eval/coco_internal.h"

enum { CZ_AREA_ALL, CZ_AREA_SMALL, CZ_AREA_MEDIUM, CZ_AREA_LARGE, CZ_AREAS };

#define CZ_BEST_MAX 100 /* detections of a class that count in an image */

/* Bit t: at IoU threshold t. */
#define CZ_IOU_ALL ((1u << CZ_COCO_IOUS) - 1)

struct cz_match {
    double score;
    uint32_t image; /* place in cz_coco_matches.image_ids */
    uint8_t rank;   /* among those of its image and class, 0 the best */
    /* By area range: found a box; counts as nothing. Never both. */
    uint16_t found[CZ_AREAS], ignored[CZ_AREAS];
};

struct cz_image_boxes {
    uint32_t image, count;
};

struct cz_class_matches {
    const struct cz_coco_category *category;
    struct cz_match *matches; /* [n_matches], by falling score, then by image,
                                 then in the order of the file; owned */
    size_t n_matches;
    size_t n_to_walk; /* up to the last one that found a box: no curve changes
                         behind it */
    size_t n_boxes;   /* crowds included */
    size_t to_find[CZ_AREAS];        /* boxes that count */
    struct cz_image_boxes *by_image; /* [n_by_image], boxes to find in area
                                        `all`, where there are any; owned */
    size_t n_by_image;
};

struct cz_coco_matches {
    const struct cz_coco *coco;
    struct cz_ids images;     /* selected: id -> place, in rising order */
    struct cz_ids categories; /* likewise: id -> place in `classes` */
    struct cz_class_matches *classes; /* [n_classes], by id; owned */
    size_t n_classes;
};

/* The intersection of two boxes (x, y, w, h) by their union, or by the area of
 * `box` where the other one is a crowd; pycocotools' bbIou(). */
double cz_bbox_iou(const double box[4], const double truth[4], bool crowd);

/* IoU threshold number t, as numpy.linspace(.5, .95, 10) has it. */
double cz_iou_threshold(size_t t);

#endif
