/* A few images, the boxes that the model found on them as it was, and how far
 * those of a changed one are from these. */
#include "core/alloc.h"
#include "search/search.h"

#define CONFIDENCE 0.05F

struct cz_judge {
    struct cz_judge_options options;
    struct cz_boxes *references; /* [images.count] */
    struct cz_boxes boxes;
};

static enum cz_status find_boxes(const struct cz_judge *judge,
                                 struct cz_plan *plan, size_t image,
                                 struct cz_boxes *boxes, struct cz_error *err)
{
    const struct cz_int8_images *images = &judge->options.images;
    struct cz_thresholds thresholds = CZ_THRESHOLDS_EVAL;
    size_t count;
    const struct cz_port *outputs = cz_plan_outputs(plan, &count);
    thresholds.confidence = CONFIDENCE;
    CZ_TRY(images->fill(images->user, image, plan, err));
    CZ_TRY(cz_plan_run(plan, err));
    CZ_TRY(cz_detector_decode(judge->options.detector, outputs, count,
                              &thresholds, boxes, err));
    return cz_boxes_suppress(boxes, &thresholds, err);
}

static enum cz_status open_plan(struct cz_plan **plan,
                                const struct cz_judge *judge,
                                struct cz_model *model, struct cz_error *err)
{
    const struct cz_int8_images *images = &judge->options.images;
    CZ_TRY(cz_plan_compile(plan, model, &judge->options.plan, err));
    return images->begin(images->user, *plan, err);
}

static enum cz_status find_references(struct cz_judge *judge,
                                      struct cz_model *model,
                                      struct cz_error *err)
{
    struct cz_plan *plan = NULL;
    enum cz_status status = open_plan(&plan, judge, model, err);
    for (size_t i = 0; i < judge->options.images.count && status == CZ_OK; i++)
        status = find_boxes(judge, plan, i, &judge->references[i], err);
    cz_plan_free(plan);
    return status;
}

static enum cz_status fill(struct cz_judge *judge,
                           const struct cz_source *source, struct cz_error *err)
{
    struct cz_model *model = NULL;
    judge->references =
        cz_calloc(judge->options.images.count + 1, sizeof *judge->references);
    if (!judge->references)
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
    cz_free(judge->references);
    cz_boxes_fini(&judge->boxes);
    cz_free(judge);
}

enum cz_status cz_judge_measure(struct cz_judge *judge, struct cz_model *model,
                                double *difference, struct cz_error *err)
{
    struct cz_plan *plan = NULL;
    struct cz_agreement sum = {0, 0};
    enum cz_status status = open_plan(&plan, judge, model, err);
    for (size_t i = 0; i < judge->options.images.count && status == CZ_OK;
         i++) {
        status = find_boxes(judge, plan, i, &judge->boxes, err);
        if (status == CZ_OK)
            status = cz_boxes_compare(&sum, &judge->references[i],
                                      &judge->boxes, err);
    }
    cz_plan_free(plan);
    *difference = sum.weight > 0 ? sum.difference / sum.weight : 0;
    return status;
}
