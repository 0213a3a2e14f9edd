/* Quantizing as the command does it; see int8.h. Some images are held back from
 * calibration for those trials that tell which layers to keep. */
#include "app/int8.h"

#include <stdio.h>
#include <string.h>

#include "app/calibration.h"
#include "app/keep.h"
#include "app/text.h"
#include "core/alloc.h"

/* Trials are judged by this many images. With fewer than four times as many in
 * all, they calibrate, too. */
#define JUDGED 8

/* Skipped images that are named. */
#define SKIPPED_SHOWN 10

/* ---- images ----------------------------------------------------------- */

/* Some of the images. */
struct subset {
    struct cz_int8_images all;
    size_t *indices; /* owned */
};

static enum cz_status begin(void *user, struct cz_plan *plan,
                            struct cz_error *err)
{
    const struct subset *subset = user;
    return subset->all.begin(subset->all.user, plan, err);
}

static enum cz_status fill(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err)
{
    const struct subset *subset = user;
    return subset->all.fill(subset->all.user, subset->indices[i], plan, err);
}

/* The images whose `is_held` is as wanted. */
static enum cz_status make_subset(struct cz_int8_images *images,
                                  struct subset *subset, const bool *is_held,
                                  bool wanted, struct cz_error *err)
{
    *images =
        (struct cz_int8_images){.begin = begin, .fill = fill, .user = subset};
    subset->indices = cz_calloc(subset->all.count + 1, sizeof *subset->indices);
    if (!subset->indices)
        return cz_error_nomem(err);
    for (size_t i = 0; i < subset->all.count; i++) {
        if (!is_held || is_held[i] == wanted)
            subset->indices[images->count++] = i;
    }
    return CZ_OK;
}

/* Those for calibration, and every so many for the judge. */
static enum cz_status split(struct cz_int8_images *calibration,
                            struct cz_int8_images *judge,
                            struct subset subsets[2], struct cz_error *err)
{
    const size_t count = subsets[0].all.count;
    bool *is_held = cz_calloc(count + 1, sizeof *is_held);
    if (!is_held)
        return cz_error_nomem(err);
    for (size_t i = 0; i < JUDGED && i < count; i++)
        is_held[(2 * i + 1) * count / (2 * (JUDGED < count ? JUDGED : count))] =
            true;
    enum cz_status status =
        make_subset(calibration, &subsets[0],
                    count < 4 * JUDGED ? NULL : is_held, false, err);
    if (status == CZ_OK)
        status = make_subset(judge, &subsets[1], is_held, true, err);
    cz_free(is_held);
    return status;
}

/* ---- what is told ----------------------------------------------------- */

/* Images that no range comes from, on stderr. */
static void tell_skipped(const struct app_calibration *calibration)
{
    for (size_t i = 0; i < calibration->n_skipped; i++) {
        if (i == SKIPPED_SHOWN) {
            fprintf(stderr, "compress: ... and %zu more were skipped\n",
                    calibration->n_skipped - i);
            return;
        }
        fputs("compress: skipped: ", stderr);
        app_print_clean(stderr, calibration->skipped[i]);
        fputc('\n', stderr);
    }
}

/* ---- the model again -------------------------------------------------- */

/* As it is before it is quantized: pruned where that was asked for. */
static enum cz_status load(void *user, struct cz_model **model,
                           struct cz_error *err)
{
    const struct app_compress_options *o = user;
    struct cz_prune_options prune = o->prune_options;
    struct cz_prune_report report = {0};
    prune.progress = NULL;
    CZ_TRY(cz_model_load(model, o->model, err));
    CZ_TRY(cz_graph_infer(cz_model_graph(*model), err));
    const enum cz_status status =
        o->prune ? cz_prune_l1(*model, &prune, &report, err) : CZ_OK;
    cz_prune_report_fini(&report);
    return status;
}

/* ---- trials ----------------------------------------------------------- */

/* All that trials stand on. */
struct workshop {
    struct app_compress_options options; /* a copy: load() is handed it */
    struct app_calibration calibration;
    struct subset subsets[2];
    struct cz_int8_options int8;
    struct cz_int8_options quick; /* the same for trials: nothing is learned */
    struct cz_trial_options trial;
    struct cz_judge_options judge;
};

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
    tell_skipped(&w->calibration);
    w->subsets[0].all = app_calibration_images(&w->calibration);
    w->subsets[1].all = w->subsets[0].all;
    w->int8.plan.threads = o->prune_options.threads;
    w->int8.plan.shapes = &w->calibration.shape;
    w->int8.plan.n_shapes = 1;
    w->int8.statistics = cz_int8_statistics_new();
    if (!w->int8.statistics)
        return cz_error_nomem(err);
    CZ_TRY(split(&w->int8.images, &w->judge.images, w->subsets, err));
    w->judge.plan = w->int8.plan;
    w->judge.detector = w->calibration.detector;
    w->trial = (struct cz_trial_options){
        .source = {.load = load, .user = &w->options}, .int8 = &w->quick};
    w->quick = w->int8;
    w->quick.learn = false;
    return CZ_OK;
}

static enum cz_status open_judge(struct workshop *w, struct cz_error *err)
{
    return cz_judge_new(&w->trial.judge, &w->trial.source, &w->judge, err);
}

static void close_workshop(struct workshop *w)
{
    cz_judge_free(w->trial.judge);
    cz_int8_statistics_free(w->int8.statistics);
    for (size_t i = 0; i < 2; i++)
        cz_free(w->subsets[i].indices);
    app_calibration_close(&w->calibration);
}

/* ---- the commands ----------------------------------------------------- */

void app_int8_result_fini(struct app_int8_result *result)
{
    cz_int8_report_fini(&result->report);
    cz_keep_fini(&result->keep);
}

static enum cz_status find_kept(struct workshop *w,
                                struct app_int8_result *result,
                                struct cz_error *err)
{
    CZ_TRY(open_judge(w, err));
    result->judged = w->judge.images.count;
    CZ_TRY(cz_keep_find(&result->keep, &w->trial, err));
    w->int8.keep = (const char *const *)result->keep.names;
    w->int8.n_keep = result->keep.count;
    return CZ_OK;
}

/* Takes the names of --keep, where `none` alone is no name. */
static enum cz_status check_kept(struct workshop *w,
                                 const struct cz_graph *graph,
                                 struct cz_error *err)
{
    struct cz_int8_options *int8 = &w->options.int8_options.int8;
    if (int8->n_keep == 1 && strcmp(int8->keep[0], "none") == 0)
        int8->n_keep = 0;
    return app_keep_check(int8, graph, err);
}

enum cz_status app_int8_quantize(struct cz_model *model,
                                 const struct app_compress_options *options,
                                 struct app_int8_result *result,
                                 struct cz_error *err)
{
    struct workshop w = {.options = *options};
    CZ_TRY(check_kept(&w, cz_model_graph(model), err));
    enum cz_status status = open_workshop(&w, err);
    if (status == CZ_OK && !options->int8_options.int8.n_keep)
        status = find_kept(&w, result, err);
    if (status == CZ_OK)
        status = cz_int8_quantize(model, &w.int8, &result->report, err);
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
                                           .prune = options->prune_options};
    prune.prune.progress = w->int8.progress;
    return options->prune ? cz_sensitivity_prune(sensitivity, &prune, err)
                          : cz_sensitivity_measure(sensitivity, &w->trial, err);
}

enum cz_status app_int8_sensitivity(struct cz_sensitivity *sensitivity,
                                    const struct app_compress_options *options,
                                    size_t *judged, struct cz_error *err)
{
    struct workshop w = {.options = *options};
    struct cz_model *model = NULL;
    w.options.prune = false; /* that is for trials */
    enum cz_status status = load(&w.options, &model, err);
    if (status == CZ_OK)
        status = check_kept(&w, cz_model_graph(model), err);
    cz_model_free(model);
    if (status == CZ_OK)
        status = open_workshop(&w, err);
    if (status == CZ_OK)
        status = open_judge(&w, err);
    if (status == CZ_OK)
        status = measure(sensitivity, &w, options, err);
    *judged = w.judge.images.count;
    close_workshop(&w);
    return status;
}
