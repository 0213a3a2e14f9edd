/* From detections to matches: sorted by class and image, in such an order that
 * nothing is sorted twice; then each image's are matched with its boxes.
 * Sorting is parallel over classes, matching over pieces of them, so that a
 * single class keeps all cores busy, too. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/parallel.h"
#include "eval/group_internal.h"
#include "eval/order_internal.h"

#define PIECE 256 /* detections, about */

/* Places of detections or boxes, those of a class together, in it those of an
 * image together, in it as in the file. */
struct sorted {
    uint32_t *places;       /* [starts[n_classes]]; owned */
    const uint32_t *images; /* of each place in the file's order */
    size_t *starts;         /* [n_classes + 1]; owned */
};

/* A class by image, in the order of matching. */
struct lists {
    struct cz_arena arena;
    const struct cz_coco_detection **detections; /* best first */
    struct cz_match **matches;                   /* likewise */
    const struct cz_coco_box **boxes;
    uint16_t *taken; /* of each box */
    size_t pieces;
};

struct matching {
    struct cz_coco_matches *result;
    const struct cz_coco_detection *detections;
    struct sorted by_detection, by_box;
    struct lists *lists; /* [n_classes]; owned */
    atomic_bool no_memory;
};

/* Places of class k: [count]. */
static const uint32_t *places_of(const struct sorted *sorted, size_t k,
                                 size_t *count)
{
    *count = sorted->starts[k + 1] - sorted->starts[k];
    return sorted->places + sorted->starts[k];
}

/* ---- in which order --------------------------------------------------- */

/* What is needed to sort a class and then no more. */
struct sorting {
    struct cz_arena arena;
    struct cz_scored *scored, *other;
    uint32_t *run;    /* where the image's detections begin */
    uint32_t *filled; /* how many of the run there are yet */
};

static bool sorting_init(struct sorting *s, size_t n)
{
    *s = (struct sorting){.arena = {NULL}};
    s->scored = cz_arena_alloc(&s->arena, n, sizeof *s->scored);
    s->other = cz_arena_alloc(&s->arena, n, sizeof *s->other);
    s->run = cz_arena_alloc(&s->arena, n, sizeof *s->run);
    s->filled = cz_arena_alloc(&s->arena, n, sizeof *s->filled);
    return s->scored && s->other && s->run && s->filled;
}

static bool lists_init(struct lists *l, size_t n, size_t n_boxes)
{
    l->detections = cz_arena_alloc(&l->arena, n, sizeof *l->detections);
    l->matches = cz_arena_alloc(&l->arena, n, sizeof *l->matches);
    l->boxes = cz_arena_alloc(&l->arena, n_boxes, sizeof *l->boxes);
    l->taken = cz_arena_alloc(&l->arena, n_boxes, sizeof *l->taken);
    l->pieces = (n + PIECE - 1) / PIECE;
    return l->detections && l->matches && l->boxes && l->taken;
}

/* Makes the matches of class k in the order of the curve, and the lists by
 * image in the order of matching: both fall out of one sort by score. */
static void order_detections(struct matching *m, size_t k, struct sorting *s)
{
    struct cz_class_matches *class = &m->result->classes[k];
    struct lists *l = &m->lists[k];
    const uint32_t *images = m->by_detection.images;
    size_t n;
    const uint32_t *places = places_of(&m->by_detection, k, &n);
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
        l->detections[run + rank] = detection;
        l->matches[run + rank] = &class->matches[i];
    }
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

static void list_class(void *user, size_t k)
{
    struct matching *m = user;
    struct cz_class_matches *class = &m->result->classes[k];
    struct lists *l = &m->lists[k];
    struct sorting sorting;
    size_t n, n_boxes;
    places_of(&m->by_detection, k, &n);
    const uint32_t *boxes = places_of(&m->by_box, k, &n_boxes);
    class->matches = cz_calloc(n, sizeof *class->matches);
    if (sorting_init(&sorting, n) && lists_init(l, n, n_boxes) &&
        class->matches && count_boxes(class, m, boxes, n_boxes)) {
        for (size_t i = 0; i < n_boxes; i++)
            l->boxes[i] = &m->result->coco->boxes[boxes[i]];
        order_detections(m, k, &sorting);
    } else {
        atomic_store(&m->no_memory, true);
    }
    cz_arena_fini(&sorting.arena);
}

/* ---- image by image --------------------------------------------------- */

static size_t run_length(const struct sorted *sorted, const uint32_t *places,
                         size_t begin, size_t n)
{
    size_t end = begin + 1;
    while (end < n &&
           sorted->images[places[end]] == sorted->images[places[begin]])
        end++;
    return end - begin;
}

/* The first place from `at` on with which an image begins. */
static size_t next_image(const struct sorted *sorted, const uint32_t *places,
                         size_t at, size_t n)
{
    if (at == 0 || at >= n)
        return at < n ? at : n;
    return at - 1 + run_length(sorted, places, at - 1, n);
}

/* The first box of this image or a later one. */
static size_t first_box(const struct sorted *sorted, const uint32_t *places,
                        size_t n, uint32_t image)
{
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (sorted->images[places[middle]] < image)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* Goes through the images whose detections of class k begin in a piece. */
static bool match_images(const struct matching *m, size_t k, size_t piece,
                         struct cz_candidates *candidates,
                         struct cz_arena *arena)
{
    const struct sorted *ds = &m->by_detection, *bs = &m->by_box;
    const struct lists *l = &m->lists[k];
    size_t n, n_boxes;
    const uint32_t *detections = places_of(ds, k, &n);
    const uint32_t *boxes = places_of(bs, k, &n_boxes);
    size_t end = next_image(ds, detections, (piece + 1) * PIECE, n);
    size_t d = next_image(ds, detections, piece * PIECE, n), length;
    for (; d < end; d += length) {
        uint32_t image = ds->images[detections[d]];
        size_t box = first_box(bs, boxes, n_boxes, image);
        bool has_boxes = box < n_boxes && bs->images[boxes[box]] == image;
        length = run_length(ds, detections, d, n);
        const struct cz_group group = {
            .detections = l->detections + d,
            .matches = l->matches + d,
            .n = length < CZ_BEST_MAX ? length : CZ_BEST_MAX,
            .boxes = l->boxes + box,
            .n_boxes = has_boxes ? run_length(bs, boxes, box, n_boxes) : 0,
            .taken = l->taken + box,
        };
        if (!cz_group_match(&group, candidates, arena))
            return false;
    }
    return true;
}

/* A piece of the pieces of all classes. */
static void match_piece(void *user, size_t piece)
{
    struct matching *m = user;
    struct cz_arena arena = {NULL};
    struct cz_candidates candidates = {.items = NULL};
    size_t k = 0;
    for (; piece >= m->lists[k].pieces; k++)
        piece -= m->lists[k].pieces;
    if (!match_images(m, k, piece, &candidates, &arena))
        atomic_store(&m->no_memory, true);
    cz_arena_fini(&arena);
}

/* ---- what is left ----------------------------------------------------- */

static bool found_any(const struct cz_match *match)
{
    unsigned found = 0;
    for (size_t range = 0; range < CZ_AREAS; range++)
        found |= match->found[range];
    return found;
}

/* Leaves out what is beyond the 100 best of its image. */
static void drop_excess(void *user, size_t k)
{
    struct matching *m = user;
    struct cz_class_matches *class = &m->result->classes[k];
    size_t n = m->by_detection.starts[k + 1] - m->by_detection.starts[k];
    for (size_t i = 0; i < n; i++) {
        if (class->matches[i].rank == CZ_BEST_MAX)
            continue;
        class->matches[class->n_matches++] = class->matches[i];
        if (found_any(&class->matches[i]))
            class->n_to_walk = class->n_matches;
    }
}

static enum cz_status match_classes(struct matching *m, size_t threads,
                                    struct cz_error *err)
{
    const size_t n_classes = m->result->n_classes;
    size_t pieces = 0;
    m->lists = cz_calloc(n_classes, sizeof *m->lists);
    if (!m->lists)
        return cz_error_nomem(err);
    cz_parallel_for(n_classes, threads, list_class, m);
    for (size_t k = 0; k < n_classes; k++)
        pieces += m->lists[k].pieces;
    if (!atomic_load(&m->no_memory))
        cz_parallel_for(pieces, threads, match_piece, m);
    if (!atomic_load(&m->no_memory))
        cz_parallel_for(n_classes, threads, drop_excess, m);
    for (size_t k = 0; k < n_classes; k++)
        cz_arena_fini(&m->lists[k].arena);
    cz_free(m->lists);
    return atomic_load(&m->no_memory) ? cz_error_nomem(err) : CZ_OK;
}

/* ---- what belongs where ----------------------------------------------- */

/* Ids that were asked for: [count]; NULL: all. */
struct wanted {
    const int64_t *ids;
    size_t count;
    const char *noun;
};

/* Those of `all`, in rising order. */
static enum cz_status select_ids(struct cz_ids *selected,
                                 const struct cz_ids *all,
                                 const struct wanted *w, struct cz_error *err)
{
    const int64_t *ids = w->ids;
    bool *wanted = cz_calloc(all->count, sizeof *wanted);
    enum cz_status status = wanted ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; status == CZ_OK && ids && i < w->count; i++) {
        uint32_t place = cz_ids_find(all, ids[i]);
        if (place == CZ_ID_NONE)
            status = cz_error_set(err, CZ_EINVAL, "no %s has the id %lld",
                                  w->noun, (long long)ids[i]);
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

/* Where the items that sort_places() goes through belong: image, then class. */
struct places {
    uint32_t *images, *classes; /* [count]; owned */
};

/* `kept` places, of which image and class are known, in order. */
static enum cz_status sort_places(struct sorted *sorted, size_t kept,
                                  const struct places *places,
                                  const struct cz_coco_matches *result,
                                  struct cz_error *err)
{
    size_t n_images = result->images.count;
    uint32_t *scratch = cz_calloc(kept, sizeof *scratch);
    size_t *starts = cz_calloc(n_images + 1, sizeof *starts);
    sorted->starts = cz_calloc(result->n_classes + 1, sizeof *sorted->starts);
    sorted->images = places->images;
    bool ok = scratch && starts && sorted->starts;
    if (ok) {
        cz_order_by_key(sorted->places, kept, places->images, n_images, scratch,
                        starts);
        cz_order_by_key(sorted->places, kept, places->classes,
                        result->n_classes, scratch, sorted->starts);
    }
    cz_free(scratch);
    cz_free(starts);
    return ok ? CZ_OK : cz_error_nomem(err);
}

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
    return sort_places(&m->by_detection, kept, places, result, err);
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
    return sort_places(&m->by_box, kept, places, result, err);
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
    const struct wanted images = {o->image_ids, o->n_images, "image"};
    const struct wanted categories = {o->category_ids, o->n_categories,
                                      "category"};
    CZ_TRY(select_ids(&result->images, &coco->image_ids, &images, err));
    CZ_TRY(
        select_ids(&result->categories, &coco->category_ids, &categories, err));
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
        status = match_classes(m, threads, err);
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
