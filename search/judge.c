/* A few images, the boxes that the model found on them as it was, and how far
 * those of a changed one are from these and from the truth. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/half.h"
#include "search/trial_internal.h"

/* Boxes of the model as it was count from this score on. */
#define CONFIDENCE 0.05F

/* YOLOX's own, see CZ_IOU_AUTO. */
#define YOLOX_IOU 0.65F

/* What is compared. */
enum subject { BOXES, ANCHORS, OUTPUTS };

/* The outputs of an image as float32, one after the other. */
struct numbers {
    float *items;
    size_t count, capacity;
};

struct cz_judge {
    struct cz_judge_options options;
    enum subject subject;
    struct cz_boxes *references; /* [images.count] where boxes are compared */
    struct numbers *outputs;     /* [images.count] where they are not */
    struct numbers now;          /* of the model that is looked at */
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

/* The outputs of a plan of which numbers are compared: those of floats, or all
 * where there are none. */
struct compared {
    const struct cz_port *ports;
    size_t n_ports;
    bool has_floats;
};

static struct compared compared_of(const struct cz_plan *plan)
{
    struct compared c = {.has_floats = false};
    c.ports = cz_plan_outputs(plan, &c.n_ports);
    for (size_t i = 0; i < c.n_ports; i++)
        c.has_floats |= cz_dtype_is_float(c.ports[i].dtype);
    return c;
}

/* How many numbers output i gives. */
static size_t count_numbers(const struct compared *c, size_t i)
{
    return c->has_floats && !cz_dtype_is_float(c->ports[i].dtype)
               ? 0
               : cz_port_count(&c->ports[i]);
}

static enum cz_status read_outputs(struct numbers *numbers,
                                   const struct cz_plan *plan,
                                   struct cz_error *err)
{
    const struct compared c = compared_of(plan);
    size_t count = 0;
    for (size_t i = 0; i < c.n_ports; i++)
        count += count_numbers(&c, i);
    if (count >= numbers->capacity) {
        cz_free(numbers->items);
        numbers->capacity = 0;
        numbers->items = cz_calloc(count + 1, sizeof *numbers->items);
        if (!numbers->items)
            return cz_error_nomem(err);
        numbers->capacity = count + 1;
    }
    numbers->count = 0;
    for (size_t i = 0; i < c.n_ports; i++) {
        if (count_numbers(&c, i))
            cz_port_widen(numbers->items + numbers->count, &c.ports[i]);
        numbers->count += count_numbers(&c, i);
    }
    return CZ_OK;
}

/* Adds the squares of what they are apart, and of the reference. */
static void compare_numbers(struct cz_agreement *sum,
                            const struct numbers *reference,
                            const struct numbers *now)
{
    for (size_t i = 0; i < now->count; i++) {
        const double want = reference->items[i];
        const double apart = now->items[i] - want;
        sum->difference += apart * apart;
        sum->weight += want * want;
    }
}

/* Boxes may come from infinite numbers; from NaN nothing does. */
static enum cz_status check_numbers(const struct numbers *numbers,
                                    const struct cz_plan *plan, size_t image,
                                    bool may_be_infinite, struct cz_error *err)
{
    const struct compared c = compared_of(plan);
    const float *number = numbers->items;
    for (size_t i = 0; i < c.n_ports; i++) {
        const float *end = number + count_numbers(&c, i);
        for (; number < end; number++) {
            if (isnan(*number) || (isinf(*number) && !may_be_infinite))
                return cz_error_set(err, CZ_EINVAL,
                                    "output '%.200s': values are NaN or "
                                    "infinite on calibration image %zu",
                                    c.ports[i].name, image + 1);
        }
    }
    return CZ_OK;
}

/* ---- images ----------------------------------------------------------- */

static bool has_boxes(const struct cz_judge *judge)
{
    return cz_detector_is_bound(judge->options.detector);
}

static enum subject subject_of(const struct cz_judge *judge)
{
    if (!has_boxes(judge))
        return OUTPUTS;
    return judge->options.by_anchors &&
                   cz_detector_has_anchors(judge->options.detector)
               ? ANCHORS
               : BOXES;
}

static enum cz_status run(const struct cz_judge *judge, struct cz_plan *plan,
                          size_t image, struct cz_error *err)
{
    const struct cz_images *images = &judge->options.images;
    CZ_TRY(images->fill(images->user, image, plan, err));
    return cz_plan_run(plan, err);
}

/* ---- the model as it was ---------------------------------------------- */

/* Gives whether there is anything that a changed model may lose. */
static enum cz_status keep_reference(struct cz_judge *judge,
                                     struct cz_plan *plan, size_t image,
                                     bool *has_something, struct cz_error *err)
{
    struct cz_boxes *boxes = &judge->references[image];
    struct numbers *outputs =
        judge->subject == BOXES ? &judge->now : &judge->outputs[image];
    struct cz_agreement all = {0, 0};
    CZ_TRY(run(judge, plan, image, err));
    CZ_TRY(read_outputs(outputs, plan, err));
    CZ_TRY(check_numbers(outputs, plan, image, has_boxes(judge), err));
    if (judge->subject == BOXES) {
        CZ_TRY(find_boxes(judge, plan, image, boxes, err));
        *has_something |= boxes->count > 0;
        return CZ_OK;
    }
    compare_numbers(&all, outputs, outputs);
    *has_something |=
        judge->subject == ANCHORS
            ? cz_detector_sees(judge->options.detector, outputs->items)
            : all.weight > 0;
    return CZ_OK;
}

static enum cz_status open_plan(struct cz_plan **plan,
                                const struct cz_judge *judge,
                                struct cz_model *model, struct cz_error *err)
{
    const struct cz_images *images = &judge->options.images;
    CZ_TRY(cz_plan_compile(plan, model, &judge->options.plan, err));
    return images->begin(images->user, *plan, err);
}

static enum cz_status refuse(const struct cz_judge *judge, struct cz_error *err)
{
    const size_t count = judge->options.images.count;
    return judge->subject == OUTPUTS
               ? cz_error_set(err, CZ_EINVAL,
                              "the model as it is makes nothing but zeros of "
                              "%zu of the images: nothing can be compared",
                              count)
               : cz_error_set(err, CZ_EINVAL,
                              "the model as it is finds no box on %zu of the "
                              "images: want images like those that it will see",
                              count);
}

static enum cz_status keep_references(struct cz_judge *judge,
                                      struct cz_plan *plan,
                                      struct cz_error *err)
{
    bool has_something = false;
    judge->subject = subject_of(judge);
    for (size_t i = 0; i < judge->options.images.count; i++)
        CZ_TRY(keep_reference(judge, plan, i, &has_something, err));
    return has_something ? CZ_OK : refuse(judge, err);
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
                           const struct cz_model_source *source,
                           struct cz_error *err)
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
                            const struct cz_model_source *source,
                            const struct cz_judge_options *options,
                            struct cz_error *err)
{
    *judge = NULL;
    if (options->truth && options->by_anchors)
        return cz_error_set(err, CZ_EINVAL,
                            "anchors are not compared with the truth");
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
        cz_free(judge->outputs[i].items);
    cz_free(judge->outputs);
    cz_free(judge->now.items);
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
    if (judge->subject == BOXES) {
        CZ_TRY(find_boxes(judge, plan, image, &judge->boxes, err));
        return cz_boxes_compare(sum, &judge->references[image], &judge->boxes,
                                err);
    }
    const struct numbers *reference = &judge->outputs[image];
    CZ_TRY(read_outputs(&judge->now, plan, err));
    if (judge->now.count != reference->count)
        return cz_error_set(err, CZ_ESHAPE,
                            "the changed model makes %zu numbers, not %zu",
                            judge->now.count, reference->count);
    if (judge->subject == ANCHORS) {
        sum->difference += cz_detector_diverge(
            judge->options.detector, reference->items, judge->now.items);
        sum->weight++; /* images */
    } else {
        compare_numbers(sum, reference, &judge->now);
    }
    return CZ_OK;
}

/* What is told of what was found and compared. */
static enum cz_status conclude(struct cz_judge *judge,
                               const struct cz_agreement *sum,
                               struct cz_verdict *verdict, struct cz_error *err)
{
    const enum cz_evidence evidence = cz_judge_evidence(judge);
    *verdict = (struct cz_verdict){
        .difference = sum->weight > 0 ? sum->difference / sum->weight : 0};
    if (judge->subject == ANCHORS)
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
