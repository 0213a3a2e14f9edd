/* See prune.h. */
#include "app/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/calibration.h"
#include "app/channels.h"
#include "core/alloc.h"
#include "core/path.h"

/* Images for least squares where nobody says how many: more take longer, and
 * give hardly more. */
#define IMAGES 64

/* ---- a copy ----------------------------------------------------------- */

/* For the trials of int8, which begin with the model as it is now. */
static enum cz_status keep_copy(struct app_prune_result *result,
                                struct cz_model *model, struct cz_error *err)
{
    const char *parent = getenv("TMPDIR");
    result->folder =
        cz_path_join(parent && *parent ? parent : "/tmp", "compress-XXXXXX");
    if (!result->folder)
        return cz_error_nomem(err);
    if (!mkdtemp(result->folder))
        return cz_error_set(err, CZ_EIO,
                            "cannot make a folder %s; set TMPDIR to where one "
                            "can be made",
                            result->folder);
    result->copy = cz_path_join(result->folder, "pruned.onnx");
    return result->copy ? cz_model_save(model, result->copy, false, err)
                        : cz_error_nomem(err);
}

static void remove_copy(struct app_prune_result *result)
{
    static const char *const names[] = {"pruned.onnx", "pruned.onnx.data"};
    for (size_t i = 0; result->folder && i < 2; i++) {
        char *path = cz_path_join(result->folder, names[i]);
        if (path)
            unlink(path);
        cz_free(path);
    }
    if (result->folder)
        rmdir(result->folder);
    cz_free(result->folder);
    cz_free(result->copy);
}

void app_prune_result_fini(struct app_prune_result *result)
{
    cz_prune_report_fini(&result->report);
    cz_share_fini(&result->share);
    cz_recover_report_fini(&result->recover);
    cz_channels_report_fini(&result->channels);
    cz_cluster_report_fini(&result->cluster);
    remove_copy(result);
}

/* ---- with images ------------------------------------------------------ */

/* All that pruning with images stands on. */
struct workshop {
    const struct app_compress_options *options;
    struct app_prune_result *result;
    struct cz_prune_options prune;
    struct cz_plan_options plan;
    struct app_calibration calibration;
    struct cz_images images;
    struct cz_model *original;
};

static enum cz_status open_workshop(struct workshop *w, struct cz_error *err)
{
    const struct app_compress_options *o = w->options;
    const struct app_int8_options *calib = &o->int8_options;
    w->calibration = (struct app_calibration){
        .model = o->model,
        .source = calib->calib,
        .limit = calib->has_images ? calib->calib_images : IMAGES,
        .progress = w->prune.progress};
    CZ_TRY(app_calibration_open(&w->calibration, err));
    app_calibration_tell_skipped(&w->calibration);
    w->images = app_calibration_images(&w->calibration);
    w->result->images = w->images.count;
    w->plan.shapes = &w->calibration.shape;
    w->plan.n_shapes = 1;
    CZ_TRY(cz_model_load(&w->original, o->model, err));
    return cz_graph_infer(cz_model_graph(w->original), err);
}

static enum cz_status find_shares(struct workshop *w, struct cz_error *err)
{
    struct cz_share_options share = CZ_SHARE_OPTIONS_INIT;
    share.images = w->images;
    share.plan = w->plan;
    share.prune = &w->prune;
    share.progress = w->prune.progress;
    CZ_TRY(cz_share_find(&w->result->share, w->original, &share, err));
    w->prune.share = &w->result->share;
    return CZ_OK;
}

static enum cz_status recover(struct workshop *w, struct cz_model *model,
                              struct cz_error *err)
{
    struct cz_recover_options recover = CZ_RECOVER_OPTIONS_INIT;
    recover.images = w->images;
    recover.plan = w->plan;
    recover.mask = w->options->pruning.mask;
    recover.prune = &w->prune;
    recover.cuts = app_prune_cuts(&w->options->pruning);
    recover.clusters = w->options->pruning.clusters;
    recover.progress = w->prune.progress;
    w->result->windows = recover.windows;
    return cz_recover_lsq(model, w->original, &recover, &w->result->recover,
                          err);
}

/* Single weights. */
static enum cz_status zero_weights(struct workshop *w, struct cz_model *model,
                                   struct cz_error *err)
{
    const struct app_prune_options *pruning = &w->options->pruning;
    if (pruning->is_auto)
        CZ_TRY(find_shares(w, err));
    CZ_TRY(cz_prune_l1(model, &w->prune, &w->result->report, err));
    return pruning->recover ? recover(w, model, err) : CZ_OK;
}

/* Whole channels: masked first, so that the model is like the original while
 * the others make up for them. */
static enum cz_status cut(struct workshop *w, struct cz_model *model,
                          struct cz_channels *channels, struct cz_error *err)
{
    CZ_TRY(cz_channels_report(&w->result->channels, channels, err));
    CZ_TRY(cz_channels_mask(channels, err));
    if (w->options->pruning.recover)
        CZ_TRY(recover(w, model, err));
    CZ_TRY(cz_channels_cut(channels, err));
    return cz_graph_infer(cz_model_graph(model), err);
}

static enum cz_status cut_channels(struct workshop *w, struct cz_model *model,
                                   struct cz_error *err)
{
    struct app_channels options = {.path = w->options->model,
                                   .pruning = &w->options->pruning,
                                   .images = w->images,
                                   .plan = w->plan,
                                   .detector = w->calibration.detector};
    struct cz_channels *channels;
    enum cz_status status =
        app_channels_choose(&channels, model, &options, err);
    if (status == CZ_OK)
        status = cut(w, model, channels, err);
    cz_channels_free(channels);
    w->result->before_ms = options.before_ms;
    w->result->after_ms = options.after_ms;
    return status;
}

/* What recovery has clustered, has few values already. */
static enum cz_status cluster(struct workshop *w, struct cz_model *model,
                              struct cz_error *err)
{
    const struct cz_cluster_options options = {.clusters =
                                                   w->options->pruning.clusters,
                                               .skip = w->prune.skip,
                                               .n_skip = w->prune.n_skip,
                                               .threads = w->prune.threads,
                                               .progress = w->prune.progress};
    return cz_cluster_weights(model, &options, &w->result->cluster, err);
}

static enum cz_status prune(struct workshop *w, struct cz_model *model,
                            struct cz_error *err)
{
    const struct app_prune_options *pruning = &w->options->pruning;
    const bool cuts = app_prune_cuts(pruning);
    const bool zeroes = app_prune_zeroes(pruning);
    if (app_prune_needs_images(pruning))
        CZ_TRY(open_workshop(w, err));
    if (cuts)
        CZ_TRY(cut_channels(w, model, err));
    else if (zeroes)
        CZ_TRY(zero_weights(w, model, err));
    else if (pruning->recover)
        CZ_TRY(recover(w, model, err)); /* clusters alone */
    if (pruning->clusters)
        CZ_TRY(cluster(w, model, err));
    if (!zeroes || cuts)
        CZ_TRY(
            cz_prune_inspect(model, w->prune.threads, &w->result->report, err));
    return w->options->int8 && (cuts || pruning->recover || pruning->clusters ||
                                pruning->is_auto)
               ? keep_copy(w->result, model, err)
               : CZ_OK;
}

enum cz_status app_prune(struct cz_model *model,
                         const struct app_compress_options *options,
                         struct app_prune_result *result, struct cz_error *err)
{
    const size_t threads = options->pruning.prune.threads;
    struct workshop w = {.options = options,
                         .result = result,
                         .prune = options->pruning.prune,
                         .plan = CZ_PLAN_OPTIONS_INIT};
    w.plan.threads = threads;
    if (!options->pruning.is_asked)
        return cz_prune_inspect(model, threads, &result->report, err);
    const enum cz_status status = prune(&w, model, err);
    cz_model_free(w.original);
    app_calibration_close(&w.calibration);
    return status;
}
