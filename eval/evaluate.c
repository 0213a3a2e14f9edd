/* The twelve statistics, and what there is by class and by threshold. After
 * pycocotools/cocoeval.py accumulate() and summarize(). */
#include <stdatomic.h>
#include <string.h>

#include "core/parallel.h"
#include "eval/curve_internal.h"

const char *cz_coco_stat_name(enum cz_coco_stat stat)
{
    static const char *const names[CZ_COCO_STAT_COUNT] = {
        "AP",  "AP50", "AP75",  "APsmall", "APmedium", "APlarge",
        "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"};
    return names[stat];
}

/* What the statistics are taken from: an area range, and how many detections
 * of a class count in an image. */
enum { ALL_100, SMALL_100, MEDIUM_100, LARGE_100, ALL_1, ALL_10, SLICES };

static const struct cz_curve_options slices[SLICES] = {
    [ALL_100] = {CZ_AREA_ALL, 100, NULL},
    [SMALL_100] = {CZ_AREA_SMALL, 100, NULL},
    [MEDIUM_100] = {CZ_AREA_MEDIUM, 100, NULL},
    [LARGE_100] = {CZ_AREA_LARGE, 100, NULL},
    [ALL_1] = {CZ_AREA_ALL, 1, NULL},
    [ALL_10] = {CZ_AREA_ALL, 10, NULL},
};

/* At an IoU threshold; NONE where the class has no box of that slice. */
struct cell {
    double ap, recall;
};

#define NONE (-1.0)

struct evaluation {
    const struct cz_coco_matches *matches;
    struct cell (*cells)[SLICES][CZ_COCO_IOUS]; /* [n_classes]; owned */
    atomic_bool no_memory;
};

static void evaluate_slice(struct cell cells[CZ_COCO_IOUS],
                           struct cz_curves *curves,
                           const struct cz_class_matches *class,
                           const struct cz_curve_options *slice)
{
    double to_find = (double)class->to_find[slice->area];
    if (to_find > 0)
        cz_curves_walk(curves, class, slice);
    for (size_t t = 0; t < CZ_COCO_IOUS; t++) {
        cells[t] = (struct cell){NONE, NONE};
        if (to_find > 0)
            cells[t] = (struct cell){cz_curve_average(curves, t, to_find, NULL),
                                     cz_curve_recall(curves, t, to_find)};
    }
}

/* A slice of a class. */
static void evaluate_item(void *user, size_t i)
{
    struct evaluation *e = user;
    const struct cz_class_matches *class = &e->matches->classes[i / SLICES];
    const size_t slice = i % SLICES;
    struct cz_curves curves;
    if (cz_curves_init(&curves, class, 1, NULL) != CZ_OK) {
        atomic_store(&e->no_memory, true);
        return;
    }
    evaluate_slice(e->cells[i / SLICES][slice], &curves, class, &slices[slice]);
    cz_curves_fini(&curves);
}

/* ---- means ------------------------------------------------------------ */

struct mean {
    double sum;
    size_t count;
};

static void add(struct mean *mean, double value)
{
    if (value == NONE)
        return;
    mean->sum += value;
    mean->count++;
}

static double value_of(const struct mean *mean)
{
    return mean->count ? mean->sum / (double)mean->count : NONE;
}

/* Thresholds [begin, end) of a slice, of all classes. */
static struct cell mean_cell(const struct evaluation *e, size_t slice,
                             size_t begin, size_t end)
{
    struct mean ap = {0, 0}, recall = {0, 0};
    for (size_t k = 0; k < e->matches->n_classes; k++) {
        for (size_t t = begin; t < end; t++) {
            add(&ap, e->cells[k][slice][t].ap);
            add(&recall, e->cells[k][slice][t].recall);
        }
    }
    return (struct cell){value_of(&ap), value_of(&recall)};
}

static void summarize(double *stats, const struct evaluation *e)
{
    struct cell of[SLICES];
    for (size_t s = 0; s < SLICES; s++)
        of[s] = mean_cell(e, s, 0, CZ_COCO_IOUS);
    stats[CZ_COCO_AP] = of[ALL_100].ap;
    stats[CZ_COCO_AP50] = mean_cell(e, ALL_100, 0, 1).ap;
    stats[CZ_COCO_AP75] = mean_cell(e, ALL_100, 5, 6).ap;
    stats[CZ_COCO_AP_SMALL] = of[SMALL_100].ap;
    stats[CZ_COCO_AP_MEDIUM] = of[MEDIUM_100].ap;
    stats[CZ_COCO_AP_LARGE] = of[LARGE_100].ap;
    stats[CZ_COCO_AR1] = of[ALL_1].recall;
    stats[CZ_COCO_AR10] = of[ALL_10].recall;
    stats[CZ_COCO_AR100] = of[ALL_100].recall;
    stats[CZ_COCO_AR_SMALL] = of[SMALL_100].recall;
    stats[CZ_COCO_AR_MEDIUM] = of[MEDIUM_100].recall;
    stats[CZ_COCO_AR_LARGE] = of[LARGE_100].recall;
}

/* ---- the report ------------------------------------------------------- */

static struct cz_coco_class class_report(const struct evaluation *e, size_t k)
{
    const struct cz_class_matches *class = &e->matches->classes[k];
    const struct cell *cells = e->cells[k][ALL_100];
    struct mean ap = {0, 0}, recall = {0, 0};
    for (size_t t = 0; t < CZ_COCO_IOUS; t++) {
        add(&ap, cells[t].ap);
        add(&recall, cells[t].recall);
    }
    return (struct cz_coco_class){
        .category = class->category,
        .boxes = class->to_find[CZ_AREA_ALL],
        .detections = class->n_matches,
        .ap = value_of(&ap),
        .ap50 = cells[0].ap,
        .ar100 = value_of(&recall),
    };
}

static enum cz_status make_report(struct cz_coco_report *report,
                                  const struct evaluation *e,
                                  struct cz_error *err)
{
    size_t n_classes = e->matches->n_classes;
    report->classes = cz_calloc(n_classes, sizeof *report->classes);
    if (!report->classes)
        return cz_error_nomem(err);
    report->n_classes = n_classes;
    report->images = e->matches->images.count;
    for (size_t k = 0; k < n_classes; k++) {
        report->classes[k] = class_report(e, k);
        report->boxes += report->classes[k].boxes;
        report->detections += report->classes[k].detections;
    }
    for (size_t t = 0; t < CZ_COCO_IOUS; t++)
        report->ap_by_iou[t] = mean_cell(e, ALL_100, t, t + 1).ap;
    summarize(report->stats, e);
    return CZ_OK;
}

enum cz_status cz_coco_evaluate(struct cz_coco_report *report,
                                const struct cz_coco_matches *matches,
                                size_t threads, struct cz_error *err)
{
    struct evaluation e = {.matches = matches};
    *report = (struct cz_coco_report){.images = 0};
    e.cells = cz_calloc(matches->n_classes, sizeof *e.cells);
    if (!e.cells)
        return cz_error_nomem(err);
    cz_parallel_for(matches->n_classes * SLICES, threads, evaluate_item, &e);
    enum cz_status status = atomic_load(&e.no_memory)
                                ? cz_error_nomem(err)
                                : make_report(report, &e, err);
    cz_free(e.cells);
    return status;
}

void cz_coco_report_fini(struct cz_coco_report *report)
{
    cz_free(report->classes);
    report->classes = NULL;
    report->n_classes = 0;
}

enum cz_status cz_coco_curve(double precision[CZ_COCO_RECALLS],
                             const struct cz_coco_matches *matches,
                             size_t index, size_t iou, struct cz_error *err)
{
    const struct cz_class_matches *class = &matches->classes[index];
    struct cz_curves curves;
    double to_find = (double)class->to_find[CZ_AREA_ALL];
    for (size_t r = 0; r < CZ_COCO_RECALLS; r++)
        precision[r] = NONE;
    if (to_find == 0)
        return CZ_OK;
    CZ_TRY(cz_curves_init(&curves, class, 1, err));
    cz_curves_walk(&curves, class, &slices[ALL_100]);
    cz_curve_average(&curves, iou, to_find, precision);
    cz_curves_fini(&curves);
    return CZ_OK;
}
