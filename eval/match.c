/* From detections to matches: sorted by class and image, in such an order that
 * nothing is sorted twice; then each image's are matched with its boxes. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/parallel.h"
#include "eval/group_internal.h"
#include "eval/order_internal.h"

/* ---- one class -------------------------------------------------------- */

/* Places of detections or boxes, those of a class together, in it those of an
 * image together, in it as in the file. */
struct sorted {
    uint32_t *places;       /* [starts[n_classes]]; owned */
    const uint32_t *images; /* of each place in the file's order */
    size_t *starts;         /* [n_classes + 1]; owned */
};

struct matching {
    struct cz_coco_matches *result;
    const struct cz_coco_detection *detections;
    struct sorted by_detection, by_box;
    atomic_bool no_memory;
};

/* What is needed for one class and then no more. */
struct class_scratch {
    struct cz_arena arena;
    struct cz_scored *scored, *other;
    uint32_t *run;    /* where the image's detections begin */
    uint32_t *filled; /* how many of the run there are yet */
    const struct cz_coco_detection **detections; /* by image, best first */
    struct cz_match **matches;                   /* likewise */
    const struct cz_coco_box **boxes;            /* by image */
    uint16_t *taken;
    struct cz_candidates candidates;
};

static bool scratch_init(struct class_scratch *s, size_t n, size_t n_boxes)
{
    *s = (struct class_scratch){.arena = {NULL}};
    s->scored = cz_arena_alloc(&s->arena, n, sizeof *s->scored);
    s->other = cz_arena_alloc(&s->arena, n, sizeof *s->other);
    s->run = cz_arena_alloc(&s->arena, n, sizeof *s->run);
    s->filled = cz_arena_alloc(&s->arena, n, sizeof *s->filled);
    s->detections = cz_arena_alloc(&s->arena, n, sizeof *s->detections);
    s->matches = cz_arena_alloc(&s->arena, n, sizeof *s->matches);
    s->boxes = cz_arena_alloc(&s->arena, n_boxes, sizeof *s->boxes);
    s->taken = cz_arena_alloc(&s->arena, n_boxes, sizeof *s->taken);
    return s->scored && s->other && s->run && s->filled && s->detections &&
           s->matches && s->boxes && s->taken;
}

/* Makes the class's matches in the order of the curve, and the lists by image
 * in the order of matching: both fall out of one sort by score. */
static void order_detections(struct class_scratch *s,
                             struct cz_class_matches *class,
                             const struct matching *m, const uint32_t *places,
                             size_t n)
{
    const uint32_t *images = m->by_detection.images;
    for (size_t i = 0; i < n; i++) {
        double score = m->detections[places[i]].score;
        s->scored[i] = (struct cz_scored){cz_score_key(score), (uint32_t)i};
        bool same = i > 0 && images[places[i]] == images[places[i - 1]];
        s->run[i] = same ? s->run[i - 1] : (uint32_t)i;
    }
    cz_order_by_score(s->scored, n, s->other);
    for (size_t i = 0; i < n; i++) {
        uint32_t at = s->scored[i].place, run = s->run[at];
        const struct cz_coco_detection *detection = &m->detections[places[at]];
        uint32_t rank = s->filled[run]++;
        class->matches[i] = (struct cz_match){
            .score = detection->score,
            .image = images[places[at]],
            .rank = (uint8_t)(rank < CZ_BEST_MAX ? rank : CZ_BEST_MAX),
        };
        s->detections[run + rank] = detection;
        s->matches[run + rank] = &class->matches[i];
    }
}

static size_t run_length(const struct sorted *sorted, const uint32_t *places,
                         size_t begin, size_t n)
{
    size_t end = begin + 1;
    while (end < n &&
           sorted->images[places[end]] == sorted->images[places[begin]])
        end++;
    return end - begin;
}

/* Goes through the images that have detections of the class. */
static bool match_images(struct class_scratch *s, const struct matching *m,
                         size_t k)
{
    const struct sorted *ds = &m->by_detection, *bs = &m->by_box;
    const uint32_t *detections = ds->places + ds->starts[k];
    const uint32_t *boxes = bs->places + bs->starts[k];
    size_t n = ds->starts[k + 1] - ds->starts[k];
    size_t n_boxes = bs->starts[k + 1] - bs->starts[k], box = 0;
    for (size_t d = 0, length; d < n; d += length) {
        uint32_t image = ds->images[detections[d]];
        length = run_length(ds, detections, d, n);
        while (box < n_boxes && bs->images[boxes[box]] < image)
            box++;
        bool has_boxes = box < n_boxes && bs->images[boxes[box]] == image;
        const struct cz_group group = {
            .detections = s->detections + d,
            .matches = s->matches + d,
            .n = length < CZ_BEST_MAX ? length : CZ_BEST_MAX,
            .boxes = s->boxes + box,
            .n_boxes = has_boxes ? run_length(bs, boxes, box, n_boxes) : 0,
            .taken = s->taken,
        };
        if (!cz_group_match(&group, &s->candidates, &s->arena))
            return false;
    }
    return true;
}

/* Counts the boxes to find. */
static bool count_boxes(struct cz_class_matches *class,
                        const struct matching *m, const uint32_t *places,
                        size_t n)
{
    const struct cz_coco *coco = m->result->coco;
    class->n_boxes = n;
    class->by_image = cz_calloc(n, sizeof *class->by_image);
    if (!class->by_image)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct cz_coco_box *box = &coco->boxes[places[i]];
        uint32_t image = m->by_box.images[places[i]];
        for (size_t range = 0; range < CZ_AREAS; range++)
            class->to_find[range] += !cz_coco_box_is_ignored(box, range);
        if (cz_coco_box_is_ignored(box, CZ_AREA_ALL))
            continue;
        if (!class->n_by_image ||
            class->by_image[class->n_by_image - 1].image != image)
            class->by_image[class->n_by_image++].image = image;
        class->by_image[class->n_by_image - 1].count++;
    }
    return true;
}

static bool found_any(const struct cz_match *match)
{
    unsigned found = 0;
    for (size_t range = 0; range < CZ_AREAS; range++)
        found |= match->found[range];
    return found;
}

/* Leaves out what is beyond the 100 best of its image. */
static void drop_excess(struct cz_class_matches *class, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (class->matches[i].rank == CZ_BEST_MAX)
            continue;
        class->matches[class->n_matches++] = class->matches[i];
        if (found_any(&class->matches[i]))
            class->n_to_walk = class->n_matches;
    }
}

static bool match_class(const struct matching *m, size_t k)
{
    struct cz_class_matches *class = &m->result->classes[k];
    const struct sorted *ds = &m->by_detection, *bs = &m->by_box;
    size_t n = ds->starts[k + 1] - ds->starts[k];
    const uint32_t *boxes = bs->places + bs->starts[k];
    size_t n_boxes = bs->starts[k + 1] - bs->starts[k];
    struct class_scratch scratch;
    class->matches = cz_calloc(n, sizeof *class->matches);
    bool ok = scratch_init(&scratch, n, n_boxes) && class->matches &&
              count_boxes(class, m, boxes, n_boxes);
    if (ok) {
        for (size_t i = 0; i < n_boxes; i++)
            scratch.boxes[i] = &m->result->coco->boxes[boxes[i]];
        order_detections(&scratch, class, m, ds->places + ds->starts[k], n);
        ok = match_images(&scratch, m, k);
        drop_excess(class, n);
    }
    cz_arena_fini(&scratch.arena);
    return ok;
}

static void match_class_in_parallel(void *user, size_t k)
{
    struct matching *m = user;
    if (!match_class(m, k))
        atomic_store(&m->no_memory, true);
}

/* ---- what belongs where ----------------------------------------------- */

/* The ids asked for, or all, in rising order. */
static enum cz_status select_ids(struct cz_ids *selected,
                                 const struct cz_ids *all, const int64_t *ids,
                                 size_t n_ids, const char *noun,
                                 struct cz_error *err)
{
    bool *wanted = cz_calloc(all->count, sizeof *wanted);
    enum cz_status status = wanted ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; status == CZ_OK && ids && i < n_ids; i++) {
        uint32_t place = cz_ids_find(all, ids[i]);
        if (place == CZ_ID_NONE)
            status = cz_error_set(err, CZ_EINVAL, "no %s has the id %lld", noun,
                                  (long long)ids[i]);
        else
            wanted[place] = true;
    }
    for (size_t i = 0; status == CZ_OK && i < all->count; i++) {
        if (!ids || wanted[all->items[i].place])
            status = cz_ids_add(selected, all->items[i].id, err);
    }
    cz_free(wanted);
    return status;
}

/* `kept` places, of which image and class are known, in order. */
static enum cz_status sort_places(struct sorted *sorted, size_t kept,
                                  uint32_t *images, const uint32_t *classes,
                                  const struct cz_coco_matches *result,
                                  struct cz_error *err)
{
    size_t n_images = result->images.count;
    uint32_t *scratch = cz_calloc(kept, sizeof *scratch);
    size_t *starts = cz_calloc(n_images + 1, sizeof *starts);
    sorted->starts = cz_calloc(result->n_classes + 1, sizeof *sorted->starts);
    sorted->images = images;
    bool ok = scratch && starts && sorted->starts;
    if (ok) {
        cz_order_by_key(sorted->places, kept, images, n_images, scratch,
                        starts);
        cz_order_by_key(sorted->places, kept, classes, result->n_classes,
                        scratch, sorted->starts);
    }
    cz_free(scratch);
    cz_free(starts);
    return ok ? CZ_OK : cz_error_nomem(err);
}

/* Where the items that sort() goes through belong: image, then class. */
struct places {
    uint32_t *images, *classes; /* [count]; owned */
};

static enum cz_status places_init(struct places *places, struct sorted *sorted,
                                  size_t count, struct cz_error *err)
{
    places->images = cz_calloc(count, sizeof *places->images);
    places->classes = cz_calloc(count, sizeof *places->classes);
    sorted->places = cz_calloc(count, sizeof *sorted->places);
    return places->images && places->classes && sorted->places
               ? CZ_OK
               : cz_error_nomem(err);
}

static enum cz_status sort_detections(struct matching *m, struct places *places,
                                      size_t count, struct cz_error *err)
{
    struct cz_coco_matches *result = m->result;
    size_t kept = 0;
    CZ_TRY(places_init(places, &m->by_detection, count, err));
    for (size_t i = 0; i < count; i++) {
        const struct cz_coco_detection *d = &m->detections[i];
        enum cz_status status = cz_coco_check_detection(d, result->coco, err);
        if (status != CZ_OK) {
            char where[48];
            snprintf(where, sizeof where, "detection %zu", i);
            return cz_error_prefix(err, status, where);
        }
        places->images[i] = cz_ids_find(&result->images, d->image_id);
        places->classes[i] = cz_ids_find(&result->categories, d->category_id);
        if (places->images[i] != CZ_ID_NONE && places->classes[i] != CZ_ID_NONE)
            m->by_detection.places[kept++] = (uint32_t)i;
    }
    return sort_places(&m->by_detection, kept, places->images, places->classes,
                       result, err);
}

static enum cz_status sort_boxes(struct matching *m, struct places *places,
                                 struct cz_error *err)
{
    struct cz_coco_matches *result = m->result;
    const struct cz_coco *coco = result->coco;
    size_t kept = 0;
    CZ_TRY(places_init(places, &m->by_box, coco->n_boxes, err));
    for (size_t i = 0; i < coco->n_boxes; i++) {
        const struct cz_coco_box *box = &coco->boxes[i];
        places->images[i] =
            cz_ids_find(&result->images, coco->images[box->image].id);
        places->classes[i] = cz_ids_find(&result->categories,
                                         coco->categories[box->category].id);
        if (places->images[i] != CZ_ID_NONE && places->classes[i] != CZ_ID_NONE)
            m->by_box.places[kept++] = (uint32_t)i;
    }
    return sort_places(&m->by_box, kept, places->images, places->classes,
                       result, err);
}

static void places_fini(struct places *places, struct sorted *sorted)
{
    cz_free(places->images);
    cz_free(places->classes);
    cz_free(sorted->places);
    cz_free(sorted->starts);
}

/* ---- from start to end ------------------------------------------------ */

static enum cz_status select_all(struct cz_coco_matches *result,
                                 const struct cz_coco_match_options *o,
                                 struct cz_error *err)
{
    const struct cz_coco *coco = result->coco;
    CZ_TRY(select_ids(&result->images, &coco->image_ids, o->image_ids,
                      o->n_images, "image", err));
    CZ_TRY(select_ids(&result->categories, &coco->category_ids, o->category_ids,
                      o->n_categories, "category", err));
    result->n_classes = result->categories.count;
    result->classes = cz_calloc(result->n_classes, sizeof *result->classes);
    if (!result->classes)
        return cz_error_nomem(err);
    for (size_t k = 0; k < result->n_classes; k++)
        result->classes[k].category =
            cz_coco_category(coco, result->categories.items[k].id);
    return CZ_OK;
}

static enum cz_status match_all(struct matching *m, size_t n_detections,
                                size_t threads, struct cz_error *err)
{
    struct places detections = {.images = NULL}, boxes = {.images = NULL};
    enum cz_status status = sort_detections(m, &detections, n_detections, err);
    if (status == CZ_OK)
        status = sort_boxes(m, &boxes, err);
    if (status == CZ_OK)
        cz_parallel_for(m->result->n_classes, threads, match_class_in_parallel,
                        m);
    if (atomic_load(&m->no_memory))
        status = cz_error_nomem(err);
    places_fini(&detections, &m->by_detection);
    places_fini(&boxes, &m->by_box);
    return status;
}

enum cz_status
cz_coco_match(struct cz_coco_matches **matches, const struct cz_coco *coco,
              const struct cz_coco_detection *detections, size_t n_detections,
              const struct cz_coco_match_options *options, struct cz_error *err)
{
    struct cz_coco_matches *result = cz_calloc(1, sizeof *result);
    *matches = NULL;
    if (!result)
        return cz_error_nomem(err);
    result->coco = coco;
    struct matching m = {.result = result, .detections = detections};
    enum cz_status status = CZ_OK;
    if (n_detections > CZ_COCO_COUNT_MAX)
        status = cz_error_set(err, CZ_EUNSUPPORTED, "more than %zu detections",
                              CZ_COCO_COUNT_MAX);
    if (status == CZ_OK)
        status = select_all(result, options, err);
    if (status == CZ_OK)
        status = match_all(&m, n_detections, options->threads, err);
    if (status == CZ_OK)
        *matches = result;
    else
        cz_coco_matches_free(result);
    return status;
}

void cz_coco_matches_free(struct cz_coco_matches *matches)
{
    if (!matches)
        return;
    for (size_t k = 0; matches->classes && k < matches->n_classes; k++) {
        cz_free(matches->classes[k].matches);
        cz_free(matches->classes[k].by_image);
    }
    cz_free(matches->classes);
    cz_ids_fini(&matches->images);
    cz_ids_fini(&matches->categories);
    cz_free(matches);
}
