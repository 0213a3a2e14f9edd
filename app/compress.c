/* `compress MODEL`: load, prune, quantize, cast, save, report.
 *
 * A second thread sets up libonnx's checker while the file is parsed. The gzip
 * sizes come last: who waits for the file does not wait for them. */
#include <sys/stat.h>

#include "app/app.h"
#include "app/compress_report.h"
#include "app/int8_report.h"
#include "app/progress.h"
#include "app/prune.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/gzip.h"
#include "core/output.h"
#include "core/parallel.h"

/* ---- before the work -------------------------------------------------- */

/* The output must not be the input, nor a file that may not be replaced. */
static enum cz_status check_output(const struct app_compress_options *o,
                                   struct cz_error *err)
{
    if (cz_file_is_same(o->model, o->output))
        return cz_error_set(err, CZ_EINVAL,
                            "%s: the output is the input; give -o another "
                            "name",
                            o->output);
    return cz_output_check(o->output, o->force, err);
}

static enum cz_status check(struct cz_model *model,
                            struct app_compress_report *report,
                            struct cz_error *err)
{
    double start = cz_now_ms();
    CZ_TRY(cz_model_check(model, &report->used_checker, err));
    CZ_TRY(cz_graph_infer(cz_model_graph(model), err));
    cz_model_count(&report->stats, model);
    report->ms.check = cz_now_ms() - start;
    report->functions = cz_model_function_count(model);
    return CZ_OK;
}

/* ---- the work --------------------------------------------------------- */

/* The MACs whose weight is not zero: those of the Convs shrink. */
static uint64_t nonzero_macs(const struct cz_stats *stats,
                             const struct cz_prune_report *prune)
{
    uint64_t macs = stats->macs;
    for (size_t i = 0; i < prune->n_layers; i++) {
        const struct cz_prune_layer *layer = &prune->layers[i];
        uint64_t times, idle;
        if (layer->weights && cz_node_weight_reuse(layer->node, &times) &&
            (__builtin_mul_overflow(times, (uint64_t)layer->zeros, &idle) ||
             __builtin_sub_overflow(macs, idle, &macs)))
            return 0; /* shapes that no machine could run */
    }
    return macs;
}

static enum cz_status edit(struct cz_model *model,
                           struct app_compress_report *report,
                           struct cz_error *err)
{
    const struct app_compress_options *o = report->options;
    double start = cz_now_ms();
    CZ_TRY(app_prune(model, o, &report->prune, err));
    report->ms.prune = cz_now_ms() - start;
    cz_model_count(&report->pruned, model);
    report->macs_nonzero = nonzero_macs(&report->pruned, &report->prune.report);
    if (o->int8) {
        start = cz_now_ms();
        CZ_TRY(app_int8_quantize(model, o, report->prune.copy, &report->int8,
                                 err));
        report->ms.int8 = cz_now_ms() - start;
    }
    if (o->fp16) {
        start = cz_now_ms();
        CZ_TRY(cz_fp16_convert(model, &o->fp16_options, &report->fp16, err));
        report->ms.fp16 = cz_now_ms() - start;
    }
    if (o->int8)
        CZ_TRY(cz_pack_tables(model, &report->packed, err));
    cz_model_count(&report->edited, model);
    report->opset = cz_model_opset(model, "");
    return CZ_OK;
}

static enum cz_status save_model(struct cz_model *model,
                                 struct app_compress_report *report,
                                 struct cz_error *err)
{
    double start = cz_now_ms();
    if (app_interrupted())
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    CZ_TRY(cz_model_save(model, report->options->output, report->options->force,
                         err));
    report->ms.save = cz_now_ms() - start;
    return CZ_OK;
}

/* ---- the output, and sizes -------------------------------------------- */

static void add_bytes(struct app_file *file, const struct cz_model *model)
{
    size_t count;
    const char *const *paths = cz_model_files(model, &count);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        if (stat(paths[i], &info) == 0)
            file->bytes += (uint64_t)info.st_size;
    }
}

static enum cz_status add_gzip_bytes(struct app_file *file,
                                     const char *const *paths, size_t count,
                                     struct cz_gzip *gzip, struct cz_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t size;
        CZ_TRY(cz_gzip_size(&size, gzip, paths[i], err));
        file->gzip_bytes += size;
    }
    return CZ_OK;
}

static enum cz_status save_and_measure(struct cz_model *model,
                                       struct app_compress_report *report,
                                       struct cz_gzip *gzip,
                                       struct cz_error *err)
{
    size_t n_before, n_after;
    const char *const *before = cz_model_files(model, &n_before);
    CZ_TRY(save_model(model, report, err));
    add_bytes(&report->output, model);
    if (!gzip)
        return CZ_OK;
    const char *const *after = cz_model_files(model, &n_after);
    CZ_TRY(add_gzip_bytes(&report->input, before, n_before, gzip, err));
    return add_gzip_bytes(&report->output, after, n_after, gzip, err);
}

/* Memory to measure with is asked for before there is an output. */
static enum cz_status save(struct cz_model *model,
                           struct app_compress_report *report,
                           struct cz_error *err)
{
    struct cz_gzip *gzip = NULL;
    if (report->measure_gzip) {
        gzip = cz_gzip_new(report->options->pruning.prune.threads);
        if (!gzip)
            return cz_error_nomem(err);
    }
    const enum cz_status status = save_and_measure(model, report, gzip, err);
    cz_gzip_free(gzip);
    return status;
}

/* ---- from start to end ------------------------------------------------ */

static enum cz_status load(struct cz_model **model, const char *path,
                           struct app_compress_report *report,
                           struct cz_error *err)
{
    double start = cz_now_ms();
    enum cz_status status = cz_model_load(model, path, err);
    report->ms.load = cz_now_ms() - start;
    return status;
}

/* From the model's file to the output's; `*model` has to be freed whatever
 * comes back. */
static enum cz_status work(struct cz_model **model,
                           struct app_compress_report *report,
                           struct cz_error *err)
{
    const struct app_compress_options *o = report->options;
    CZ_TRY(load(model, o->model, report, err));
    CZ_TRY(check(*model, report, err));
    add_bytes(&report->input, *model);
    CZ_TRY(cz_error_prefix(err, edit(*model, report, err), o->model));
    return save(*model, report, err);
}

static enum cz_status run(struct app_compress_report *report,
                          struct cz_error *err)
{
    const struct app_compress_options *o = report->options;
    double start = cz_now_ms();
    struct cz_model *model = NULL;
    report->measure_gzip = o->json || !o->quiet;
    CZ_TRY(check_output(o, err));
    enum cz_status status = work(&model, report, err);
    report->ms.total = cz_now_ms() - start;
    if (status == CZ_OK) {
        if (o->json)
            app_compress_report_json(report);
        else if (!o->quiet)
            app_compress_report_text(report);
    }
    if (status == CZ_EGATE)
        app_int8_report_tried(stderr, &report->int8);
    app_prune_result_fini(&report->prune);
    app_int8_result_fini(&report->int8);
    cz_model_free(model);
    return status;
}

int app_compress(int argc, char **argv)
{
    struct app_compress_options options;
    struct app_compress_report report = {.options = &options};
    struct app_progress progress;
    struct cz_error err = CZ_ERROR_INIT;
    int exit_code;
    if (app_compress_options_parse(&options, argc, argv, &exit_code)) {
        app_progress_init(&progress, options.quiet || options.json);
        options.pruning.prune.progress = &progress.callback;
        options.fp16_options.progress = &progress.callback;
        options.int8_options.int8.progress = &progress.callback;
        enum cz_status status = run(&report, &err);
        app_progress_fini(&progress);
        exit_code = status == CZ_OK ? APP_DONE : app_fail(&err);
    }
    app_compress_options_fini(&options);
    return exit_code;
}
