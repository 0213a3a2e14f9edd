/* Which class was taken for which; after ultralytics/utils/metrics.py,
 * ConfusionMatrix.process_batch(). */
#include <string.h>

#include "eval/matches_internal.h"
#include "eval/order_internal.h"

#define NONE SIZE_MAX

/* What lies in each image, in the order of the file. */
struct by_image {
    uint32_t *places; /* [starts[n_images]]; owned */
    size_t *starts;   /* [n_images + 1]; owned */
};

/* The proposal that a box has so far. */
struct proposal {
    size_t detection; /* NONE: no one yet */
    double iou;
};

struct counting {
    struct cz_coco_confusion *result;
    const struct cz_coco_matches *matches;
    const struct cz_coco_detection *detections;
    const struct cz_coco_confusion_options *options;
    struct by_image by_detection, by_box;
    struct proposal *proposals; /* [boxes]; owned */
};

/* ---- one image -------------------------------------------------------- */

static size_t class_of_box(const struct counting *c, size_t box)
{
    const struct cz_coco *coco = c->matches->coco;
    int64_t id = coco->categories[coco->boxes[box].category].id;
    return cz_ids_find(&c->matches->categories, id);
}

static size_t class_of_detection(const struct counting *c, size_t detection)
{
    return cz_ids_find(&c->matches->categories,
                       c->detections[detection].category_id);
}

static void count(struct counting *c, size_t found, size_t truth)
{
    c->result->counts[found * (c->result->n_classes + 1) + truth]++;
}

/* The box that the detection overlaps most and enough, the first of equals. */
static size_t best_box(const struct counting *c, size_t image, size_t detection,
                       double *best_iou)
{
    size_t best = NONE;
    *best_iou = c->options->iou_threshold;
    for (size_t i = c->by_box.starts[image]; i < c->by_box.starts[image + 1];
         i++) {
        size_t place = c->by_box.places[i];
        const struct cz_coco_box *box = &c->matches->coco->boxes[place];
        double iou =
            cz_bbox_iou(c->detections[detection].bbox, box->bbox, false);
        if (box->crowd || !(iou > *best_iou))
            continue;
        best = place;
        *best_iou = iou;
    }
    return best;
}

static bool is_in_crowd(const struct counting *c, size_t image,
                        size_t detection)
{
    for (size_t i = c->by_box.starts[image]; i < c->by_box.starts[image + 1];
         i++) {
        size_t place = c->by_box.places[i];
        const struct cz_coco_box *box = &c->matches->coco->boxes[place];
        if (box->crowd &&
            class_of_box(c, place) == class_of_detection(c, detection) &&
            cz_bbox_iou(c->detections[detection].bbox, box->bbox, true) >
                c->options->iou_threshold)
            return true;
    }
    return false;
}

static void propose(struct counting *c, size_t image)
{
    const struct by_image *d = &c->by_detection;
    for (size_t i = d->starts[image]; i < d->starts[image + 1]; i++) {
        double iou;
        size_t box = best_box(c, image, d->places[i], &iou);
        if (box != NONE && (c->proposals[box].detection == NONE ||
                            iou > c->proposals[box].iou))
            c->proposals[box] = (struct proposal){d->places[i], iou};
    }
}

static bool is_taken(const struct counting *c, size_t image, size_t detection)
{
    double iou;
    size_t box = best_box(c, image, detection, &iou);
    return box != NONE && c->proposals[box].detection == detection;
}

static void count_image(struct counting *c, size_t image)
{
    const struct by_image *d = &c->by_detection, *b = &c->by_box;
    size_t nothing = c->result->n_classes;
    propose(c, image);
    for (size_t i = b->starts[image]; i < b->starts[image + 1]; i++) {
        size_t box = b->places[i];
        size_t detection = c->proposals[box].detection;
        if (c->matches->coco->boxes[box].crowd)
            continue;
        count(c, detection == NONE ? nothing : class_of_detection(c, detection),
              class_of_box(c, box));
    }
    for (size_t i = d->starts[image]; i < d->starts[image + 1]; i++) {
        if (!is_taken(c, image, d->places[i]) &&
            !is_in_crowd(c, image, d->places[i]))
            count(c, class_of_detection(c, d->places[i]), nothing);
    }
}

/* ---- sorting by image ------------------------------------------------- */

static enum cz_status by_image_init(struct by_image *sorted, size_t items,
                                    size_t n_images, struct cz_error *err)
{
    sorted->places = cz_calloc(items, sizeof *sorted->places);
    sorted->starts = cz_calloc(n_images + 1, sizeof *sorted->starts);
    return sorted->places && sorted->starts ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status sort_boxes(struct counting *c, uint32_t *keys,
                                 uint32_t *scratch)
{
    const struct cz_coco *coco = c->matches->coco;
    size_t kept = 0;
    for (size_t i = 0; i < coco->n_boxes; i++) {
        keys[i] = cz_ids_find(&c->matches->images,
                              coco->images[coco->boxes[i].image].id);
        c->proposals[i].detection = NONE;
        if (keys[i] != CZ_ID_NONE && class_of_box(c, i) != CZ_ID_NONE)
            c->by_box.places[kept++] = (uint32_t)i;
    }
    cz_order_by_key(c->by_box.places, kept, keys, c->matches->images.count,
                    scratch, c->by_box.starts);
    return CZ_OK;
}

static enum cz_status sort_detections(struct counting *c, size_t n,
                                      uint32_t *keys, uint32_t *scratch,
                                      struct cz_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cz_coco_detection *d = &c->detections[i];
        CZ_TRY(cz_coco_check_detection(d, c->matches->coco, err));
        keys[i] = cz_ids_find(&c->matches->images, d->image_id);
        if (keys[i] != CZ_ID_NONE && class_of_detection(c, i) != CZ_ID_NONE &&
            d->score > c->options->conf_threshold)
            c->by_detection.places[kept++] = (uint32_t)i;
    }
    cz_order_by_key(c->by_detection.places, kept, keys,
                    c->matches->images.count, scratch, c->by_detection.starts);
    return CZ_OK;
}

static enum cz_status sort_all(struct counting *c, size_t n_detections,
                               struct cz_error *err)
{
    size_t n_boxes = c->matches->coco->n_boxes;
    size_t most = n_detections > n_boxes ? n_detections : n_boxes;
    uint32_t *keys = cz_calloc(most, sizeof *keys);
    uint32_t *scratch = cz_calloc(most, sizeof *scratch);
    enum cz_status status =
        keys && scratch ? sort_boxes(c, keys, scratch) : cz_error_nomem(err);
    if (status == CZ_OK)
        status = sort_detections(c, n_detections, keys, scratch, err);
    cz_free(keys);
    cz_free(scratch);
    return status;
}

/* ---- from start to end ------------------------------------------------ */

static enum cz_status count_all(struct counting *c, size_t n_detections,
                                struct cz_error *err)
{
    size_t n_images = c->matches->images.count;
    size_t n_boxes = c->matches->coco->n_boxes, side = c->result->n_classes + 1;
    c->result->counts = cz_calloc(side, side * sizeof *c->result->counts);
    c->proposals = cz_calloc(n_boxes, sizeof *c->proposals);
    if (!c->result->counts || !c->proposals)
        return cz_error_nomem(err);
    CZ_TRY(by_image_init(&c->by_box, n_boxes, n_images, err));
    CZ_TRY(by_image_init(&c->by_detection, n_detections, n_images, err));
    CZ_TRY(sort_all(c, n_detections, err));
    for (size_t image = 0; image < n_images; image++)
        count_image(c, image);
    return CZ_OK;
}

enum cz_status cz_coco_confusion_count(
    struct cz_coco_confusion *confusion, const struct cz_coco_matches *matches,
    const struct cz_coco_detections *detections,
    const struct cz_coco_confusion_options *options, struct cz_error *err)
{
    struct counting c = {.result = confusion,
                         .matches = matches,
                         .detections = detections->items,
                         .options = options};
    *confusion = (struct cz_coco_confusion){.n_classes = matches->n_classes};
    enum cz_status status = count_all(&c, detections->count, err);
    cz_free(c.proposals);
    cz_free(c.by_box.places);
    cz_free(c.by_box.starts);
    cz_free(c.by_detection.places);
    cz_free(c.by_detection.starts);
    return status;
}

void cz_coco_confusion_fini(struct cz_coco_confusion *confusion)
{
    cz_free(confusion->counts);
    *confusion = (struct cz_coco_confusion){.n_classes = 0};
}
