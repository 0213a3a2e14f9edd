/* Matching the detections of a class in one image with its boxes. After
 * pycocotools/cocoeval.py (evaluateImg) and common/maskApi.c (bbIou), all
 * thresholds and area ranges at once, for the boxes that overlap at all. */
#include <math.h>
#include <string.h>

#include "eval/group_internal.h"

/* pycocotools' areaRng; both ends belong to it. */
static const double area_ranges[CZ_AREAS][2] = {
    [CZ_AREA_ALL] = {0, 1e10},
    [CZ_AREA_SMALL] = {0, 32 * 32},
    [CZ_AREA_MEDIUM] = {32 * 32, 96 * 96},
    [CZ_AREA_LARGE] = {96 * 96, 1e10},
};

double cz_iou_threshold(size_t t)
{
    return t + 1 == CZ_COCO_IOUS
               ? .95
               : .5 + (double)t * ((.95 - .5) / (CZ_COCO_IOUS - 1));
}

double cz_bbox_iou(const double box[4], const double truth[4], bool crowd)
{
    double w =
        fmin(box[0] + box[2], truth[0] + truth[2]) - fmax(box[0], truth[0]);
    if (w <= 0)
        return 0;
    double h =
        fmin(box[1] + box[3], truth[1] + truth[3]) - fmax(box[1], truth[1]);
    if (h <= 0)
        return 0;
    double area = box[2] * box[3], both = w * h;
    return both / (crowd ? area : area + truth[2] * truth[3] - both);
}

static bool is_outside(double area, size_t range)
{
    return area < area_ranges[range][0] || area > area_ranges[range][1];
}

static bool find_candidates(struct cz_candidates *found, struct cz_arena *arena,
                            const struct cz_group *group)
{
    found->count = 0;
    for (size_t d = 0; d < group->n; d++) {
        found->starts[d] = found->count;
        for (size_t b = 0; b < group->n_boxes; b++) {
            const struct cz_coco_box *box = group->boxes[b];
            double iou =
                cz_bbox_iou(group->detections[d]->bbox, box->bbox, box->crowd);
            if (!(iou >= cz_iou_threshold(0)))
                continue;
            struct cz_candidate *grown =
                cz_arena_grow(arena, found->items, found->count,
                              &found->capacity, sizeof *grown);
            if (!grown)
                return false;
            found->items = grown;
            grown[found->count++] = (struct cz_candidate){(uint32_t)b, iou};
        }
    }
    found->starts[group->n] = found->count;
    return true;
}

bool cz_coco_box_is_ignored(const struct cz_coco_box *box, size_t range)
{
    return box->crowd || is_outside(box->area, range);
}

/* The free box of largest overlap, the last one of equals, of those that are
 * ignored or of those that are not; NULL where none reaches the threshold. */
static const struct cz_candidate *
best_candidate(const struct cz_group *group,
               const struct cz_candidate *candidates, size_t count,
               size_t range, size_t t, bool ignored)
{
    const struct cz_candidate *best = NULL;
    double iou = cz_iou_threshold(t);
    for (size_t c = 0; c < count; c++) {
        const struct cz_coco_box *box = group->boxes[candidates[c].box];
        bool is_taken = group->taken[candidates[c].box] >> t & 1;
        if ((is_taken && !box->crowd) || candidates[c].iou < iou ||
            cz_coco_box_is_ignored(box, range) != ignored)
            continue;
        best = &candidates[c];
        iou = best->iou;
    }
    return best;
}

/* One detection at one threshold; sets the threshold's bits. */
static void match_at(struct cz_match *match, const struct cz_group *group,
                     const struct cz_candidate *candidates, size_t count,
                     size_t range, size_t t, bool outside)
{
    uint16_t bit = (uint16_t)(1u << t);
    bool ignored = false;
    const struct cz_candidate *best =
        best_candidate(group, candidates, count, range, t, false);
    if (!best) {
        best = best_candidate(group, candidates, count, range, t, true);
        ignored = best;
    }
    if (best)
        group->taken[best->box] |= bit;
    /* pycocotools stores the id of the box that was found, and takes an id of
     * 0 for none. */
    bool found = best && !group->boxes[best->box]->id_zero;
    if (ignored || (!found && outside))
        match->ignored[range] |= bit;
    else if (found)
        match->found[range] |= bit;
}

bool cz_group_match(const struct cz_group *group, struct cz_candidates *found,
                    struct cz_arena *arena)
{
    if (!find_candidates(found, arena, group))
        return false;
    for (size_t range = 0; range < CZ_AREAS; range++) {
        memset(group->taken, 0, group->n_boxes * sizeof *group->taken);
        for (size_t d = 0; d < group->n; d++) {
            const double *bbox = group->detections[d]->bbox;
            size_t begin = found->starts[d];
            size_t count = found->starts[d + 1] - begin;
            bool outside = is_outside(bbox[2] * bbox[3], range);
            if (count == 0) {
                group->matches[d]->ignored[range] = outside ? CZ_IOU_ALL : 0;
                continue;
            }
            for (size_t t = 0; t < CZ_COCO_IOUS; t++)
                match_at(group->matches[d], group, found->items + begin, count,
                         range, t, outside);
        }
    }
    return true;
}
