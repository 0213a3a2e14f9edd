/* Any bytes as annotations and detections: the first line
 * is annotations, the rest detections; and all that can be counted of them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "eval/eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Tables of classes by classes, and draws of them, are for few classes. */
#define CLASSES_MAX 100

static void look_closer(const struct cz_coco_matches *matches,
                        const struct cz_coco_detections *detections,
                        size_t n_classes)
{
    const struct cz_coco_confusion_options defaults =
        CZ_COCO_CONFUSION_OPTIONS_INIT;
    const struct cz_coco_bootstrap_options few = {.resamples = 3, .threads = 1};
    struct cz_coco_f1 f1[CLASSES_MAX], overall;
    struct cz_coco_confusion confusion;
    struct cz_coco_delta ap, ap50;
    double precision[CZ_COCO_RECALLS];
    struct cz_error err;
    cz_coco_best_f1(f1, &overall, matches, &err);
    for (size_t k = 0; k < n_classes; k++)
        cz_coco_curve(precision, matches, k, 0, &err);
    cz_coco_confusion_count(&confusion, matches, detections, &defaults, &err);
    cz_coco_confusion_fini(&confusion);
    cz_coco_bootstrap(&ap, &ap50, matches, matches, &few, &err);
}

static void evaluate(const struct cz_coco *coco,
                     const struct cz_coco_detections *detections)
{
    const struct cz_coco_match_options options = {.threads = 1};
    struct cz_coco_matches *matches;
    struct cz_coco_report report;
    struct cz_error err;
    if (cz_coco_match(&matches, coco, detections->items, detections->count,
                      &options, &err) != CZ_OK)
        return;
    if (cz_coco_evaluate(&report, matches, 1, &err) == CZ_OK &&
        report.n_classes <= CLASSES_MAX)
        look_closer(matches, detections, report.n_classes);
    cz_coco_report_fini(&report);
    cz_coco_matches_free(matches);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size ? memchr(bytes, '\n', size) : NULL;
    size_t first = end ? (size_t)(end - bytes) : size;
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    struct cz_coco *coco;
    struct cz_error err;
    if (cz_coco_parse(&coco, bytes, first, "fuzz", &err) != CZ_OK)
        return 0;
    cz_coco_find_image(coco, "a/b.jpg");
    if (!end || cz_coco_detections_parse(&detections, end + 1, size - first - 1,
                                         "fuzz", coco, &err) == CZ_OK)
        evaluate(coco, &detections);
    cz_coco_detections_fini(&detections);
    cz_coco_free(coco);
    return 0;
}
