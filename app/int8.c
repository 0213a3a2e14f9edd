/* Quantizing as the command does it; see int8.h. */
#include "app/int8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/calibration.h"
#include "app/keep.h"
#include "app/subset.h"
#include "app/text.h"
#include "app/truth.h"
#include "core/alloc.h"

/* mAP50-95 of the float32 model, below which annotations say nothing of it. */
#define PRECISION_LEAST 0.05

/* Of the MACs, for first layers that may stay float: with all else in int8, a
 * runtime that is half as fast at them takes a twentieth longer. */
#define FIRST_SHARE 0.05

/* All that trials stand on. */
struct workshop {
    struct app_compress_options options; /* a copy */
    const char *copy; /* of the model, pruned; NULL: to be pruned again */
    struct app_calibration calibration;
    bool wants_truth; /* where annotations tell it */
    struct app_truth truth;
    struct app_subsets subsets;
    struct cz_int8_options int8;
    struct cz_trial_options trial;
    struct cz_judge_options judge;
};

/* ---- the model again -------------------------------------------------- */

/* As it is before it is quantized: pruned where that was asked for. */
static enum cz_status load(void *user, struct cz_model **model,
                           struct cz_error *err)
{
    const struct workshop *w = user;
    const struct app_prune_options *pruning = &w->options.pruning;
    struct cz_prune_options prune = pruning->prune;
    struct cz_prune_report report = {0};
    const bool is_pruned = w->copy || !pruning->is_asked;
    prune.progress = NULL;
    CZ_TRY(cz_model_load(model, w->copy ? w->copy : w->options.model, err));
    CZ_TRY(cz_graph_infer(cz_model_graph(*model), err));
    const enum cz_status status =
        is_pruned ? CZ_OK : cz_prune_l1(*model, &prune, &report, err);
    cz_prune_report_fini(&report);
    return status;
}

/* ---- trials ----------------------------------------------------------- */

/* What is known of those for the judge. */
static enum cz_status open_truth(struct workshop *w, struct cz_error *err)
{
    if (!w->truth.coco)
        return CZ_OK;
    w->judge.truth = &w->truth.judged;
    return app_truth_choose(&w->truth, w->subsets.judged.indices,
                            w->judge.images.count, err);
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status open_workshop(struct workshop *w, struct cz_error *err)
{
    const struct app_compress_options *o = &w->options;
    w->calibration =
        (struct app_calibration){.model = o->model,
                                 .source = o->int8_options.calib,
                                 .limit = o->int8_options.calib_images,
                                 .progress = o->int8_options.int8.progress};
    w->int8 = o->int8_options.int8;
    CZ_TRY(app_calibration_open(&w->calibration, err));
    if (!app_prune_needs_images(&o->pruning)) /* or it was said there */
        app_calibration_tell_skipped(&w->calibration);
    w->int8.plan.threads = o->pruning.prune.threads;
    w->int8.plan.shapes = &w->calibration.shape;
    w->int8.plan.n_shapes = 1;
    w->int8.statistics = cz_int8_statistics_new();
    if (!w->int8.statistics)
        return cz_error_nomem(err);
    if (w->wants_truth)
        CZ_TRY(app_truth_open(&w->truth, o->int8_options.annotations,
                              &w->calibration, err));
    CZ_TRY(app_subsets_split(&w->subsets, &w->calibration, &w->truth, err));
    w->int8.images = w->subsets.calibrating.images;
    w->judge.images = w->subsets.judged.images;
    CZ_TRY(open_truth(w, err));
    w->judge.plan = w->int8.plan;
    w->judge.detector = w->calibration.detector;
    w->trial = (struct cz_trial_options){.source = {.load = load, .user = w},
                                         .int8 = &w->int8};
    return CZ_OK;
}

static enum cz_status open_judge(struct workshop *w, struct cz_error *err)
{
    const enum cz_status status =
        cz_judge_new(&w->trial.judge, &w->trial.source, &w->judge, err);
    return w->options.pruning.is_asked ? cz_error_prefix(err, status, "pruned")
                                       : status;
}

static void close_workshop(struct workshop *w)
{
    cz_judge_free(w->trial.judge);
    cz_int8_statistics_free(w->int8.statistics);
    app_subsets_fini(&w->subsets);
    app_truth_close(&w->truth);
    app_calibration_close(&w->calibration);
}

/* ---- the commands ----------------------------------------------------- */

void app_int8_result_fini(struct app_int8_result *result)
{
    cz_int8_report_fini(&result->report);
    cz_choices_fini(&result->choices);
}

/* What to do about it. */
static enum cz_status refuse(const struct workshop *w,
                             const struct app_int8_result *result,
                             struct cz_error *err)
{
    const struct cz_choices *choices = &result->choices;
    const double drop = choices->verdict.drop;
    const struct cz_coco_delta *measured = &choices->verdict.measured;
    char told[96] = "estimated from boxes";
    const char *best = "";
    if (choices->evidence == CZ_EVIDENCE_OUTPUTS)
        return cz_error_set(
            err, CZ_EGATE,
            "int8 makes other outputs: %.2g from those of "
            "float32 on %zu images (0: equal, 1: as far as they "
            "are from 0); '--max-drop 1' takes it",
            choices->verdict.difference, result->judged);
    for (size_t i = 0; i < choices->n_tried; i++) {
        if (choices->tried[i].is_kept)
            best = choices->tried[i].choice;
    }
    if (choices->evidence == CZ_EVIDENCE_TRUTH)
        snprintf(told, sizeof told, "measured: %.4f, 95 %%: %.4f to %.4f,",
                 0 - measured->difference, 0 - measured->high,
                 0 - measured->low);
    return cz_error_set(
        err, CZ_EGATE,
        "int8 loses %.4f mAP50-95 (%s on %zu images) after '%s'; "
        "--max-drop is %g. '--max-drop %.3f' takes it; more images than %zu "
        "for --calib, or --fp16, lose less",
        drop, told, result->judged, best, w->options.int8_options.max_drop,
        ceil(drop * 1000) / 1000, w->calibration.files.count);
}

/* A model that has hardly any mAP has none to lose. Annotations that nobody
 * asked for are done without. */
static enum cz_status check_precision(struct workshop *w, struct cz_error *err)
{
    const double precision = cz_judge_precision(w->trial.judge);
    if (cz_judge_evidence(w->trial.judge) != CZ_EVIDENCE_TRUTH ||
        precision >= PRECISION_LEAST)
        return CZ_OK;
    if (!w->truth.is_optional)
        return cz_error_set(err, CZ_EINVAL,
                            "%s: float32 itself has mAP50-95 %.3f on %zu "
                            "images: want annotations of these images and of "
                            "the model's classes",
                            w->truth.path, precision, w->judge.images.count);
    cz_judge_free(w->trial.judge);
    w->trial.judge = NULL;
    w->judge.truth = NULL;
    return open_judge(w, err);
}

/* Of TensorRT's symmetric codes nearly half are for what a SiLU never makes.
 * ONNX Runtime's are not, and first layers in float32 cost our own engine a
 * seventh of its speed (docs/benchmarks.md). */
static double first_share(enum cz_int8_target target)
{
    return target == CZ_INT8_TENSORRT ? FIRST_SHARE : 0;
}

static enum cz_status find_choices(struct workshop *w, bool fixed_keep,
                                   struct app_int8_result *result,
                                   struct cz_error *err)
{
    const struct app_int8_options *o = &w->options.int8_options;
    CZ_TRY(open_judge(w, err));
    CZ_TRY(check_precision(w, err));
    result->judged = w->judge.images.count;
    result->judged_calibrate =
        w->int8.images.count == w->calibration.files.count;
    const struct cz_choices_options options = {.trial = w->trial,
                                               .max_drop = o->max_drop,
                                               .learn = o->learn,
                                               .fixed_ranges = o->has_ranges,
                                               .fixed_keep = fixed_keep,
                                               .first_share =
                                                   first_share(o->int8.target)};
    result->no_decoder = w->calibration.no_decoder;
    CZ_TRY(cz_choices_find(&result->choices, &options, err));
    return result->choices.fails ? refuse(w, result, err) : CZ_OK;
}

enum cz_status app_int8_quantize(struct cz_model *model,
                                 const struct app_compress_options *options,
                                 const char *pruned,
                                 struct app_int8_result *result,
                                 struct cz_error *err)
{
    struct workshop w = {
        .options = *options, .copy = pruned, .wants_truth = true};
    CZ_TRY(app_keep_take(&w.options.int8_options.int8, cz_model_graph(model),
                         err));
    enum cz_status status = open_workshop(&w, err);
    if (status == CZ_OK)
        status = find_choices(&w, options->int8_options.int8.n_keep > 0, result,
                              err);
    if (status == CZ_OK)
        status = cz_int8_quantize(model, &result->choices.int8, &result->report,
                                  err);
    close_workshop(&w);
    return status;
}

static enum cz_status measure(struct cz_sensitivity *sensitivity,
                              const struct workshop *w,
                              const struct app_compress_options *options,
                              struct cz_error *err)
{
    struct cz_prune_trial_options prune = {.source = w->trial.source,
                                           .judge = w->trial.judge,
                                           .prune = options->pruning.prune};
    prune.prune.progress = w->int8.progress;
    return options->pruning.is_asked
               ? cz_sensitivity_prune(sensitivity, &prune, err)
               : cz_sensitivity_measure(sensitivity, &w->trial, err);
}

enum cz_status app_int8_sensitivity(struct cz_sensitivity *sensitivity,
                                    const struct app_compress_options *options,
                                    struct app_int8_judged *judged,
                                    struct cz_error *err)
{
    struct workshop w = {.options = *options};
    struct cz_model *model = NULL;
    w.options.pruning.is_asked = false; /* that is for trials */
    enum cz_status status = load(&w, &model, err);
    if (status == CZ_OK)
        status = app_keep_take(&w.options.int8_options.int8,
                               cz_model_graph(model), err);
    cz_model_free(model);
    if (status == CZ_OK)
        status = open_workshop(&w, err);
    if (status == CZ_OK)
        status = open_judge(&w, err);
    if (status == CZ_OK) {
        judged->images = w.judge.images.count;
        judged->by_boxes =
            cz_judge_evidence(w.trial.judge) != CZ_EVIDENCE_OUTPUTS;
        status = measure(sensitivity, &w, options, err);
    }
    close_workshop(&w);
    return status;
}
