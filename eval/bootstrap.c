/* The paired bootstrap: how much a difference depends on which images happen
 * to be in the data set. Efron & Tibshirani, An Introduction to the Bootstrap,
 * 1993: resampling in pairs, percentile interval (chapter 13).
 *
 * A resample is a weight for each image, so it costs one walk along the
 * matches that there are. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/compare.h"
#include "core/parallel.h"
#include "core/random.h"
#include "eval/curve_internal.h"

#define CHUNK 16 /* resamples that share their scratch memory */

struct sample {
    double ap, ap50; /* differences */
};

struct bootstrap {
    const struct cz_coco_matches *results[2];
    uint64_t seed;
    struct sample *samples; /* [n]; owned */
    size_t n;
    atomic_bool no_memory;
};

/* Draws as many images as there are: each resample from its own seed, so that
 * the threads do not matter. */
static void draw(uint32_t *weights, size_t n_images, uint64_t seed, size_t i)
{
    uint64_t state = seed;
    state = cz_random_next(&state) + i;
    memset(weights, 0, n_images * sizeof *weights);
    for (size_t drawn = 0; drawn < n_images; drawn++)
        weights[(cz_random_next(&state) >> 32) * n_images >> 32]++;
}

static double boxes_to_find(const struct cz_class_matches *class,
                            const uint32_t *weights)
{
    double sum = 0;
    for (size_t i = 0; i < class->n_by_image; i++) {
        const struct cz_image_boxes *boxes = &class->by_image[i];
        uint32_t weight = weights ? weights[boxes->image] : 1;
        sum += (double)weight * boxes->count;
    }
    return sum;
}

/* AP and AP50 on the images as weighted; 0 where there is no box to find. */
static struct sample evaluate(const struct cz_coco_matches *matches,
                              const uint32_t *weights, struct cz_curves *curves)
{
    const struct cz_curve_options options = {
        .area = CZ_AREA_ALL, .max_rank = CZ_BEST_MAX, .weights = weights};
    struct sample sum = {0, 0};
    size_t classes = 0;
    for (size_t k = 0; k < matches->n_classes; k++) {
        const struct cz_class_matches *class = &matches->classes[k];
        double to_find = boxes_to_find(class, weights);
        if (to_find == 0)
            continue;
        cz_curves_walk(curves, class, &options);
        for (size_t t = 0; t < CZ_COCO_IOUS; t++) {
            double ap = cz_curve_average(curves, t, to_find, NULL);
            sum.ap += ap;
            sum.ap50 += t == 0 ? ap : 0;
        }
        classes++;
    }
    if (classes) {
        sum.ap /= (double)(classes * CZ_COCO_IOUS);
        sum.ap50 /= (double)classes;
    }
    return sum;
}

static struct sample difference(const struct bootstrap *b,
                                const uint32_t *weights,
                                struct cz_curves curves[2])
{
    struct sample first = evaluate(b->results[0], weights, &curves[0]);
    struct sample second = evaluate(b->results[1], weights, &curves[1]);
    return (struct sample){second.ap - first.ap, second.ap50 - first.ap50};
}

/* Scratch for one thread. */
struct scratch {
    uint32_t *weights;
    struct cz_curves curves[2];
};

static bool scratch_init(struct scratch *s, const struct bootstrap *b)
{
    *s = (struct scratch){
        .weights = cz_calloc(b->results[0]->images.count, sizeof *s->weights)};
    bool ok = s->weights;
    for (size_t i = 0; i < 2; i++)
        ok = cz_curves_init(&s->curves[i], b->results[i]->classes,
                            b->results[i]->n_classes, NULL) == CZ_OK &&
             ok;
    return ok;
}

static void scratch_fini(struct scratch *s)
{
    cz_free(s->weights);
    for (size_t i = 0; i < 2; i++)
        cz_curves_fini(&s->curves[i]);
}

static void resample_chunk(void *user, size_t chunk)
{
    struct bootstrap *b = user;
    struct scratch s;
    size_t end = (chunk + 1) * CHUNK;
    if (!scratch_init(&s, b))
        atomic_store(&b->no_memory, true);
    else
        for (size_t i = chunk * CHUNK; i < end && i < b->n; i++) {
            draw(s.weights, b->results[0]->images.count, b->seed, i);
            b->samples[i] = difference(b, s.weights, s.curves);
        }
    scratch_fini(&s);
}

/* ---- the interval ----------------------------------------------------- */

/* With a straight line between neighbours, as numpy's percentile(). */
static double percentile(const double *sorted, size_t n, double fraction)
{
    double at = fraction * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] +
           (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static struct cz_coco_delta interval(double difference_of_all, double *values,
                                     size_t n)
{
    struct cz_coco_delta delta = {.difference = difference_of_all};
    qsort(values, n, sizeof *values, cz_compare_doubles);
    delta.low = percentile(values, n, .025);
    delta.high = percentile(values, n, .975);
    delta.noise = delta.low <= 0 && delta.high >= 0;
    return delta;
}

static enum cz_status make_deltas(struct cz_coco_delta *ap,
                                  struct cz_coco_delta *ap50,
                                  const struct bootstrap *b,
                                  struct cz_error *err)
{
    struct scratch s;
    double *values = cz_calloc(b->n, sizeof *values);
    enum cz_status status = CZ_OK;
    if (!scratch_init(&s, b) || !values) {
        status = cz_error_nomem(err);
    } else {
        struct sample all = difference(b, NULL, s.curves);
        for (size_t i = 0; i < b->n; i++)
            values[i] = b->samples[i].ap;
        *ap = interval(all.ap, values, b->n);
        for (size_t i = 0; i < b->n; i++)
            values[i] = b->samples[i].ap50;
        *ap50 = interval(all.ap50, values, b->n);
    }
    scratch_fini(&s);
    cz_free(values);
    return status;
}

/* ---- from start to end ------------------------------------------------ */

static bool same_ids(const struct cz_ids *a, const struct cz_ids *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = a->items[i].id == b->items[i].id;
    return same;
}

static enum cz_status check(const struct cz_coco_matches *first,
                            const struct cz_coco_matches *second,
                            const struct cz_coco_bootstrap_options *options,
                            struct cz_error *err)
{
    if (!same_ids(&first->images, &second->images) ||
        !same_ids(&first->categories, &second->categories))
        return cz_error_set(err, CZ_EINVAL,
                            "the results to compare are not on the same "
                            "images and classes");
    if (options->resamples == 0)
        return cz_error_set(err, CZ_EINVAL, "0 resamples, want 1 or more");
    for (size_t k = 0; k < first->n_classes; k++) {
        if (first->classes[k].to_find[CZ_AREA_ALL])
            return CZ_OK;
    }
    return cz_error_set(err, CZ_EINVAL, "there is no box to find");
}

enum cz_status cz_coco_bootstrap(
    struct cz_coco_delta *ap, struct cz_coco_delta *ap50,
    const struct cz_coco_matches *first, const struct cz_coco_matches *second,
    const struct cz_coco_bootstrap_options *options, struct cz_error *err)
{
    struct bootstrap b = {.results = {first, second},
                          .seed = options->seed,
                          .n = options->resamples};
    CZ_TRY(check(first, second, options, err));
    b.samples = cz_calloc(b.n, sizeof *b.samples);
    if (!b.samples)
        return cz_error_nomem(err);
    cz_parallel_for((b.n + CHUNK - 1) / CHUNK, options->threads, resample_chunk,
                    &b);
    enum cz_status status = atomic_load(&b.no_memory)
                                ? cz_error_nomem(err)
                                : make_deltas(ap, ap50, &b, err);
    cz_free(b.samples);
    return status;
}
