/* The confidence at which precision and recall are in the best balance, at IoU
 * .50; after ultralytics/utils/metrics.py ap_per_class(), which has the curve
 * over 1000 confidences. */
#include <string.h>

#include "eval/matches_internal.h"

#define STEPS 1000 /* confidences 0.000, 0.001, ... 0.999 */

/* Counts of a class down to some score. */
struct counts {
    double found, wrong, to_find;
};

static struct cz_coco_f1 f1_of(const struct counts *counts, double confidence)
{
    double given = counts->found + counts->wrong;
    struct cz_coco_f1 f1 = {
        .confidence = confidence,
        .precision = given > 0 ? counts->found / given : 0,
        .recall = counts->found / counts->to_find,
    };
    f1.f1 = 2 * counts->found / (given + counts->to_find);
    return f1;
}

static void take(struct counts *counts, const struct cz_match *match)
{
    if (match->found[CZ_AREA_ALL] & 1)
        counts->found++;
    else if (!(match->ignored[CZ_AREA_ALL] & 1))
        counts->wrong++;
}

/* Every score is a candidate; those that are equal go together. */
static struct cz_coco_f1 best_of_class(const struct cz_class_matches *class)
{
    struct counts counts = {.to_find = (double)class->to_find[CZ_AREA_ALL]};
    struct cz_coco_f1 best = {-1, -1, -1, -1};
    if (counts.to_find == 0)
        return best;
    best = f1_of(&counts, 1);
    for (size_t i = 0; i < class->n_matches; i++) {
        const struct cz_match *match = &class->matches[i];
        take(&counts, match);
        if (i + 1 < class->n_matches && match[1].score == match->score)
            continue;
        struct cz_coco_f1 here = f1_of(&counts, match->score);
        if (here.f1 > best.f1)
            best = here;
    }
    return best;
}

/* Adds the class to the sums at all steps. */
static void add_steps(struct cz_coco_f1 *sums,
                      const struct cz_class_matches *class)
{
    struct counts counts = {.to_find = (double)class->to_find[CZ_AREA_ALL]};
    size_t i = 0;
    for (size_t step = STEPS; step-- > 0;) {
        while (i < class->n_matches &&
               class->matches[i].score >= (double)step / STEPS)
            take(&counts, &class->matches[i++]);
        struct cz_coco_f1 here = f1_of(&counts, 0);
        sums[step].precision += here.precision;
        sums[step].recall += here.recall;
        sums[step].f1 += here.f1;
    }
}

enum cz_status cz_coco_best_f1(struct cz_coco_f1 *classes,
                               struct cz_coco_f1 *overall,
                               const struct cz_coco_matches *matches,
                               struct cz_error *err)
{
    struct cz_coco_f1 *sums = cz_calloc(STEPS, sizeof *sums);
    size_t n = 0, best = 0;
    if (!sums)
        return cz_error_nomem(err);
    for (size_t k = 0; k < matches->n_classes; k++) {
        classes[k] = best_of_class(&matches->classes[k]);
        if (matches->classes[k].to_find[CZ_AREA_ALL] == 0)
            continue;
        add_steps(sums, &matches->classes[k]);
        n++;
    }
    for (size_t step = 1; step < STEPS; step++) {
        if (sums[step].f1 > sums[best].f1)
            best = step;
    }
    *overall = (struct cz_coco_f1){-1, -1, -1, -1};
    if (n)
        *overall = (struct cz_coco_f1){
            (double)best / STEPS, sums[best].precision / (double)n,
            sums[best].recall / (double)n, sums[best].f1 / (double)n};
    cz_free(sums);
    return CZ_OK;
}
