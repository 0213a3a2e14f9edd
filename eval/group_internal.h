/* The detections of a class in one image, to be matched with its boxes. */
#ifndef CZ_EVAL_GROUP_INTERNAL_H
#define CZ_EVAL_GROUP_INTERNAL_H

#include "eval/matches_internal.h"

/* A box that a detection overlaps enough at some threshold. */
struct cz_candidate {
    uint32_t box; /* place in the image's boxes */
    double iou;
};

/* The detections of a class in an image, best first, and its boxes. */
struct cz_group {
    const struct cz_coco_detection *const *detections; /* [n] */
    struct cz_match *const *matches; /* [n]; to be filled in */
    size_t n;
    const struct cz_coco_box *const *boxes; /* [n_boxes], in file order */
    size_t n_boxes;
    uint16_t *taken; /* [n_boxes]: bit t */
};

/* The candidates of a detection, for as many detections as there are. */
struct cz_candidates {
    struct cz_candidate *items;
    size_t count, capacity;
    size_t starts[CZ_BEST_MAX + 1];
};

/* True for what counts as nothing in this area range: crowds, and boxes of
 * another size. */
bool cz_coco_box_is_ignored(const struct cz_coco_box *box, size_t range);

/* Fills in what each detection found. `found` keeps its memory, which is in
 * `arena`, for the next group. False: no memory. */
bool cz_group_match(const struct cz_group *group, struct cz_candidates *found,
                    struct cz_arena *arena);

#endif
