/* A few images, the boxes that the model found on them as it was, and how far
 * those of a changed one are from these and from the truth. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "search/search.h"

/* Boxes of the model as it was count from this score on. */
#define CONFIDENCE 0.05F

/* YOLOX's own, see CZ_IOU_AUTO. */
#define YOLOX_IOU 0.65F

struct cz_judge {
    struct cz_judge_options options;
    struct cz_boxes *references; /* [images.count] */
    float **outputs;             /* [images.count] where they are compared */
    struct cz_boxes boxes;
    struct cz_coco_detections found;   /* by the model that is looked at */
    struct cz_coco_matches *reference; /* of the model as it was; owned */
    double average_precision; /* of the model as it was; -1 without truth */
};

/* ---- boxes ------------------------------------------------------------ */

/* NULL where it is not known. */
static const struct cz_truth *truth_of(const struct cz_judge *judge)
{
    const struct cz_truth *truth = judge->options.truth;
    return truth && truth->n_classes ? truth : NULL;
}

/* All boxes of an image, as evaluation wants them. */
static enum cz_status add_found(struct cz_judge *judge, size_t image,
                                const struct cz_boxes *boxes,
                                struct cz_error *err)
{
    const struct cz_truth *truth = judge->options.truth;
    for (size_t i = 0; i < boxes->count; i++) {
        const struct cz_box *box = &boxes->items[i];
        const struct cz_coco_category *category =
            box->label < truth->n_classes ? truth->categories[box->label]
                                          : NULL;
        if (!category)
            continue;
        const struct cz_coco_detection detection = {
            .image_id = truth->image_ids[image],
            .category_id = category->id,
            .bbox = {box->x1, box->y1, (double)box->x2 - box->x1,
                     (double)box->y2 - box->y1},
            .score = box->score};
        CZ_TRY(cz_coco_detections_add(&judge->found, &detection, err));
    }
    return CZ_OK;
}

/* Leaves those that are compared. */
static void cut(struct cz_boxes *boxes)
{
    while (boxes->count && boxes->items[boxes->count - 1].score <= CONFIDENCE)
        boxes->count--;
}

/* Of the image that the plan was run on. */
static enum cz_status find_boxes(struct cz_judge *judge, struct cz_plan *plan,
                                 size_t image, struct cz_boxes *boxes,
                                 struct cz_error *err)
{
    const struct cz_truth *truth = truth_of(judge);
    struct cz_thresholds thresholds = CZ_THRESHOLDS_EVAL;
    size_t count;
    const struct cz_port *outputs = cz_plan_outputs(plan, &count);
    if (!truth)
        thresholds.confidence = CONFIDENCE;
    if (cz_detector_is_yolox(judge->options.detector))
        thresholds.iou = YOLOX_IOU;
    CZ_TRY(cz_detector_decode(judge->options.detector, outputs, count,
                              &thresholds, boxes, err));
    CZ_TRY(cz_boxes_suppress(boxes, &thresholds, err));
    if (!truth)
        return CZ_OK;
    truth->undo(truth->user, boxes);
    CZ_TRY(add_found(judge, image, boxes, err));
    cut(boxes);
    return CZ_OK;
}

/* Of what was found, which is forgotten. */
static enum cz_status match(struct cz_judge *judge,
                            struct cz_coco_matches **matches,
                            struct cz_error *err)
{
    const struct cz_truth *truth = judge->options.truth;
    const struct cz_coco_match_options options = {
        .image_ids = truth->image_ids,
        .n_images = judge->options.images.count,
        .threads = judge->options.plan.threads};
    const enum cz_status status =
        cz_coco_match(matches, truth->coco, judge->found.items,
                      judge->found.count, &options, err);
    judge->found.count = 0;
    return status;
}

/* mAP50-95 of the model as it was; -1 without a box to find. */
static enum cz_status evaluate(struct cz_judge *judge, struct cz_error *err)
{
    struct cz_coco_report report = {.images = 0};
    CZ_TRY(match(judge, &judge->reference, err));
    const enum cz_status status = cz_coco_evaluate(
        &report, judge->reference, judge->options.plan.threads, err);
    judge->average_precision = report.stats[CZ_COCO_AP];
    cz_coco_report_fini(&report);
    return status;
}

/* How mAP50-95 has changed. */
static enum cz_status compare_precision(struct cz_judge *judge,
                                        struct cz_coco_delta *change,
                                        struct cz_error *err)
{
    struct cz_coco_bootstrap_options options = CZ_COCO_BOOTSTRAP_OPTIONS_INIT;
    struct cz_coco_matches *matches = NULL;
    struct cz_coco_delta ap50;
    options.threads = judge->options.plan.threads;
    enum cz_status status = match(judge, &matches, err);
    if (status == CZ_OK)
        status = cz_coco_bootstrap(change, &ap50, judge->reference, matches,
                                   &options, err);
    cz_coco_matches_free(matches);
    return status;
}

double cz_drop_weigh(const struct cz_coco_delta *measured, double estimated,
                     size_t n)
{
    const double interval = 2 * 1.96; /* standard errors, of 95 % */
    if (n < 2)
        return estimated;
    const double error = (measured->high - measured->low) / interval;
    const double variance = error * error * (double)n / (double)(n - 1);
    const double off =
        estimated > CZ_ESTIMATED_MOST ? estimated : CZ_ESTIMATE_ERROR;
    const double other = off * off;
    return ((0 - measured->difference) * other + estimated * variance) /
           (variance + other);
}

/* ---- outputs ---------------------------------------------------------- */

/* Calls take() for each float32 output with where it begins among all; gives
 * how many numbers they have. */
static size_t walk_outputs(struct cz_plan *plan, float *all,
                           void (*take)(void *user, float *numbers,
                                        const float *output, size_t count),
                           void *user)
{
    size_t n_outputs, total = 0;
    const struct cz_port *outputs = cz_plan_outputs(plan, &n_outputs);
    for (size_t i = 0; i < n_outputs; i++) {
        const size_t count = outputs[i].size_bytes / sizeof(float);
        if (outputs[i].dtype != CZ_DTYPE_FLOAT)
            continue;
        if (take)
            take(user, all + total, outputs[i].data, count);
        total += count;
    }
    return total;
}

static void copy(void *user, float *numbers, const float *output, size_t count)
{
    (void)user;
    memcpy(numbers, output, count * sizeof *numbers);
}

static void compare(void *user, float *numbers, const float *output,
                    size_t count)
{
    struct cz_agreement *sum = user;
    for (size_t i = 0; i < count; i++) {
        const double apart = (double)output[i] - numbers[i];
        sum->difference += apart * apart;
        sum->weight += (double)numbers[i] * numbers[i];
    }
}

static enum cz_status keep_outputs(struct cz_judge *judge, struct cz_plan *plan,
                                   size_t image, struct cz_error *err)
{
    float *all =
        cz_calloc(walk_outputs(plan, NULL, NULL, NULL) + 1, sizeof *all);
    if (!all)
        return cz_error_nomem(err);
    judge->outputs[image] = all;
    walk_outputs(plan, all, copy, NULL);
    return CZ_OK;
}

/* Boxes may come from infinite numbers; from NaN nothing does. */
static enum cz_status check_outputs(const struct cz_plan *plan, size_t image,
                                    bool may_be_infinite, struct cz_error *err)
{
    size_t n_outputs;
    const struct cz_port *outputs = cz_plan_outputs(plan, &n_outputs);
    for (size_t i = 0; i < n_outputs; i++) {
        const float *numbers = outputs[i].data;
        const bool is_float = outputs[i].dtype == CZ_DTYPE_FLOAT;
        const size_t count = outputs[i].size_bytes / sizeof *numbers;
        for (size_t k = 0; k < count && is_float; k++) {
            if (isnan(numbers[k]) || (isinf(numbers[k]) && !may_be_infinite))
                return cz_error_set(err, CZ_EINVAL,
                                    "output '%.200s': values are NaN or "
                                    "infinite on calibration image %zu",
                                    outputs[i].name, image + 1);
        }
    }
    return CZ_OK;
}

/* ---- images ----------------------------------------------------------- */

static bool has_boxes(const struct cz_judge *judge)
{
    return cz_detector_is_bound(judge->options.detector);
}

static bool has_anchors(const struct cz_judge *judge, struct cz_plan *plan)
{
    return judge->options.by_anchors && has_boxes(judge) &&
           cz_detector_has_anchors(judge->options.detector,
                                   cz_plan_outputs(plan, NULL));
}

static enum cz_status run(const struct cz_judge *judge, struct cz_plan *plan,
                          size_t image, struct cz_error *err)
{
    const struct cz_images *images = &judge->options.images;
    CZ_TRY(images->fill(images->user, image, plan, err));
    return cz_plan_run(plan, err);
}

/* ---- the model as it was ---------------------------------------------- */

static enum cz_status keep_reference(struct cz_judge *judge,
                                     struct cz_plan *plan, size_t image,
                                     struct cz_error *err)
{
    CZ_TRY(run(judge, plan, image, err));
    CZ_TRY(check_outputs(plan, image, has_boxes(judge), err));
    return has_boxes(judge) && !has_anchors(judge, plan)
               ? find_boxes(judge, plan, image, &judge->references[image], err)
               : keep_outputs(judge, plan, image, err);
}

static enum cz_status open_plan(struct cz_plan **plan,
                                const struct cz_judge *judge,
                                struct cz_model *model, struct cz_error *err)
{
    const struct cz_images *images = &judge->options.images;
    CZ_TRY(cz_plan_compile(plan, model, &judge->options.plan, err));
    return images->begin(images->user, *plan, err);
}

static enum cz_status keep_references(struct cz_judge *judge,
                                      struct cz_plan *plan,
                                      struct cz_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < judge->options.images.count; i++) {
        CZ_TRY(keep_reference(judge, plan, i, err));
        found += judge->references[i].count;
    }
    return found || !has_boxes(judge) || has_anchors(judge, plan)
               ? CZ_OK
               : cz_error_set(err, CZ_EINVAL,
                              "the model as it is finds no box on %zu of the "
                              "images: want images like those that it will see",
                              judge->options.images.count);
}

static enum cz_status find_references(struct cz_judge *judge,
                                      struct cz_model *model,
                                      struct cz_error *err)
{
    struct cz_plan *plan = NULL;
    enum cz_status status = open_plan(&plan, judge, model, err);
    if (status == CZ_OK)
        status = keep_references(judge, plan, err);
    if (status == CZ_OK && truth_of(judge))
        status = evaluate(judge, err);
    cz_plan_free(plan);
    return status;
}

static enum cz_status fill(struct cz_judge *judge,
                           const struct cz_source *source, struct cz_error *err)
{
    struct cz_model *model = NULL;
    judge->references =
        cz_calloc(judge->options.images.count + 1, sizeof *judge->references);
    judge->outputs =
        cz_calloc(judge->options.images.count + 1, sizeof *judge->outputs);
    if (!judge->references || !judge->outputs)
        return cz_error_nomem(err);
    enum cz_status status = source->load(source->user, &model, err);
    if (status == CZ_OK)
        status = find_references(judge, model, err);
    cz_model_free(model);
    return status;
}

enum cz_status cz_judge_new(struct cz_judge **judge,
                            const struct cz_source *source,
                            const struct cz_judge_options *options,
                            struct cz_error *err)
{
    *judge = cz_calloc(1, sizeof **judge);
    if (!*judge)
        return cz_error_nomem(err);
    (*judge)->options = *options;
    (*judge)->average_precision = -1;
    const enum cz_status status = fill(*judge, source, err);
    if (status != CZ_OK) {
        cz_judge_free(*judge);
        *judge = NULL;
    }
    return status;
}

void cz_judge_free(struct cz_judge *judge)
{
    if (!judge)
        return;
    for (size_t i = 0; judge->references && i < judge->options.images.count;
         i++)
        cz_boxes_fini(&judge->references[i]);
    for (size_t i = 0; judge->outputs && i < judge->options.images.count; i++)
        cz_free(judge->outputs[i]);
    cz_free(judge->outputs);
    cz_free(judge->references);
    cz_coco_matches_free(judge->reference);
    cz_boxes_fini(&judge->boxes);
    cz_coco_detections_fini(&judge->found);
    cz_free(judge);
}

double cz_judge_precision(const struct cz_judge *judge)
{
    return judge->average_precision;
}

enum cz_evidence cz_judge_evidence(const struct cz_judge *judge)
{
    if (!has_boxes(judge))
        return CZ_EVIDENCE_OUTPUTS;
    /* How sure a figure of one image is, nobody can tell. */
    return judge->average_precision < 0 || judge->options.images.count < 2
               ? CZ_EVIDENCE_BOXES
               : CZ_EVIDENCE_TRUTH;
}

/* ---- a changed model -------------------------------------------------- */

static enum cz_status compare_image(struct cz_judge *judge,
                                    struct cz_plan *plan, size_t image,
                                    struct cz_agreement *sum,
                                    struct cz_error *err)
{
    CZ_TRY(run(judge, plan, image, err));
    if (has_anchors(judge, plan)) {
        sum->difference += cz_detector_diverge(judge->options.detector,
                                               cz_plan_outputs(plan, NULL),
                                               judge->outputs[image]);
        sum->weight++;
        return CZ_OK;
    }
    if (!has_boxes(judge)) {
        walk_outputs(plan, judge->outputs[image], compare, sum);
        return CZ_OK;
    }
    CZ_TRY(find_boxes(judge, plan, image, &judge->boxes, err));
    return cz_boxes_compare(sum, &judge->references[image], &judge->boxes, err);
}

/* What is told of what was found and compared. */
static enum cz_status conclude(struct cz_judge *judge,
                               const struct cz_agreement *sum,
                               struct cz_verdict *verdict, struct cz_error *err)
{
    const enum cz_evidence evidence = cz_judge_evidence(judge);
    *verdict = (struct cz_verdict){
        .difference = sum->weight > 0 ? sum->difference / sum->weight : 0};
    if (judge->options.by_anchors)
        return CZ_OK;
    if (evidence != CZ_EVIDENCE_OUTPUTS)
        verdict->drop = CZ_DROP_PER_DIFFERENCE * verdict->difference;
    if (evidence == CZ_EVIDENCE_TRUTH) {
        CZ_TRY(compare_precision(judge, &verdict->measured, err));
        verdict->drop = cz_drop_weigh(&verdict->measured, verdict->drop,
                                      judge->options.images.count);
    }
    return CZ_OK;
}

enum cz_status cz_judge_measure(struct cz_judge *judge, struct cz_model *model,
                                struct cz_verdict *verdict,
                                struct cz_error *err)
{
    struct cz_plan *plan = NULL;
    struct cz_agreement sum = {0, 0};
    enum cz_status status = open_plan(&plan, judge, model, err);
    judge->found.count = 0;
    for (size_t i = 0; i < judge->options.images.count && status == CZ_OK; i++)
        status = compare_image(judge, plan, i, &sum, err);
    if (status == CZ_OK)
        status = conclude(judge, &sum, verdict, err);
    cz_plan_free(plan);
    return status;
}
