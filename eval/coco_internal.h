/* The annotations as the files of this folder see them, and how those that
 * read them put them together. */
#ifndef CZ_EVAL_COCO_INTERNAL_H
#define CZ_EVAL_COCO_INTERNAL_H

#include "core/alloc.h"
#include "eval/eval.h"
#include "eval/ids_internal.h"

/* What counts of an annotation. */
struct cz_coco_box {
    uint32_t image, category; /* places in the arrays of struct cz_coco */
    double bbox[4];
    double area;
    bool crowd;
    bool id_zero;
};

struct cz_coco {
    struct cz_coco_image *images; /* [n_images] */
    size_t n_images, images_capacity;
    struct cz_coco_category *categories; /* [n_categories] */
    size_t n_categories, categories_capacity;
    struct cz_coco_box *boxes; /* [n_boxes], in the order of the file */
    size_t n_boxes, boxes_capacity;
    struct cz_arena names; /* the texts */

    struct cz_ids image_ids, category_ids;
    uint32_t *by_stem; /* [n_images], images sorted by their names' stems */
};

/* The largest coordinate that is taken: products of two stay finite, and no
 * image is that large. */
#define CZ_COORDINATE_MAX 1e9

/* More of anything is refused: places are uint32_t. */
#define CZ_COCO_COUNT_MAX ((size_t)UINT32_MAX / 2)

/* Builders: append; texts are copied. */
enum cz_status cz_coco_add_image(struct cz_coco *coco,
                                 const struct cz_coco_image *image,
                                 struct cz_error *err);
enum cz_status cz_coco_add_category(struct cz_coco *coco,
                                    const struct cz_coco_category *category,
                                    struct cz_error *err);
enum cz_status cz_coco_add_box(struct cz_coco *coco,
                               const struct cz_coco_box *box,
                               struct cz_error *err);

/* Once all images and categories are there: checks that ids are unique, makes
 * what looks them up. */
enum cz_status cz_coco_index(struct cz_coco *coco, struct cz_error *err);

/* CZ_EINVAL where a box is not finite, too far away, or has a negative size. */
enum cz_status cz_coco_check_bbox(const double bbox[4], struct cz_error *err);

/* The same for a detection, and CZ_EINVAL for an image or category that is not
 * there, or a score that is not finite. */
enum cz_status cz_coco_check_detection(const struct cz_coco_detection *d,
                                       const struct cz_coco *coco,
                                       struct cz_error *err);

#endif
