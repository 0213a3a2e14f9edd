/* `compress eval`: models, or the detections of others, against annotations. */
#include "app/eval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/progress.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/output.h"
#include "core/path.h"

#define SKIPPED_SHOWN 10

/* ---- which images and classes ----------------------------------------- */

/* What --limit and --classes leave. */
struct selection {
    struct cz_coco_match_options options;
    int64_t *image_ids, *category_ids; /* owned */
};

static enum cz_status select_images(struct selection *s,
                                    const struct app_eval *eval,
                                    struct cz_error *err)
{
    size_t count, limit = eval->options->limit;
    const struct cz_coco_image *images = cz_coco_images(eval->coco, &count);
    if (limit == 0 || limit >= count)
        return CZ_OK;
    s->image_ids = cz_calloc(limit, sizeof *s->image_ids);
    if (!s->image_ids)
        return cz_error_nomem(err);
    for (size_t i = 0; i < limit; i++)
        s->image_ids[i] = images[i].id;
    s->options.image_ids = s->image_ids;
    s->options.n_images = limit;
    return CZ_OK;
}

/* By name, or else by id; NULL where there is none. */
static const struct cz_coco_category *find_category(const struct cz_coco *coco,
                                                    const char *text)
{
    size_t count;
    const struct cz_coco_category *all = cz_coco_categories(coco, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, text) == 0)
            return &all[i];
    }
    char *end;
    long long id = strtoll(text, &end, 10);
    return *text && !*end ? cz_coco_category(coco, id) : NULL;
}

static enum cz_status select_classes(struct selection *s,
                                     const struct app_eval *eval,
                                     struct cz_error *err)
{
    char *text = eval->options->classes;
    if (!text)
        return CZ_OK;
    s->category_ids = cz_calloc(strlen(text) + 1, sizeof *s->category_ids);
    if (!s->category_ids)
        return cz_error_nomem(err);
    for (char *end = text; end; text = end + 1) {
        end = strchr(text, ',');
        if (end)
            *end = 0;
        const struct cz_coco_category *category =
            find_category(eval->coco, text);
        if (!category)
            return cz_error_set(err, CZ_EINVAL, "%s: has no class '%s'",
                                eval->options->annotations, text);
        s->category_ids[s->options.n_categories++] = category->id;
        if (!end)
            break;
    }
    s->options.category_ids = s->category_ids;
    return CZ_OK;
}

static void selection_fini(struct selection *s)
{
    cz_free(s->image_ids);
    cz_free(s->category_ids);
}

/* ---- where the images are --------------------------------------------- */

/* Is the first image in the folder? */
static bool holds_images(const struct app_eval *eval, const char *folder)
{
    size_t count;
    const struct cz_coco_image *images = cz_coco_images(eval->coco, &count);
    char *path = count ? cz_path_join(folder, images[0].file_name) : NULL;
    const bool found = path && access(path, R_OK) == 0;
    cz_free(path);
    return found;
}

/* A copy of the first bytes. */
static char *copy(const char *text, size_t size)
{
    char *made = cz_calloc(1, size + 1);
    if (made)
        memcpy(made, text, size);
    return made;
}

/* Beside COCO's annotations, or in images/ there; a data.yaml tells paths. */
static enum cz_status find_images(struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    if (cz_coco_is_yolo(o->annotations))
        return CZ_OK;
    eval->images =
        o->images ? copy(o->images, strlen(o->images))
                  : copy(o->annotations, cz_path_folder_size(o->annotations));
    if (!eval->images)
        return cz_error_nomem(err);
    if (o->images)
        return CZ_OK;
    char *below = cz_path_join(eval->images, "images");
    if (!below)
        return cz_error_nomem(err);
    const bool is_below =
        !holds_images(eval, eval->images) && holds_images(eval, below);
    cz_free(is_below ? eval->images : below);
    if (is_below)
        eval->images = below;
    return CZ_OK;
}

/* ---- a model ---------------------------------------------------------- */

/* From here on these images alone count: those that the models have seen. */
static enum cz_status narrow(struct selection *s, const struct cz_eval_run *run,
                             struct cz_error *err)
{
    int64_t *ids = cz_calloc(run->n_images, sizeof *ids);
    if (!ids)
        return cz_error_nomem(err);
    if (run->n_images)
        memcpy(ids, run->image_ids, run->n_images * sizeof *ids);
    cz_free(s->image_ids);
    s->image_ids = ids;
    s->options.image_ids = ids;
    s->options.n_images = run->n_images;
    return CZ_OK;
}

static enum cz_status check_run(const struct cz_eval_run *run,
                                const struct app_eval *eval,
                                struct cz_error *err)
{
    if (run->n_images)
        return CZ_OK;
    if (run->interrupted)
        return cz_error_set(err, CZ_EINTERRUPTED,
                            "interrupted before the first image was done");
    return cz_error_set(err, CZ_EINVAL,
                        "none of %zu images could be read; is --images right? "
                        "The first: %s",
                        run->n_skipped,
                        run->n_skipped ? run->skipped[0].reason
                                       : eval->options->annotations);
}

/* A model's share of the run; its detections move to the result. */
static void take_model(struct app_eval_result *result,
                       const struct cz_eval_run *run,
                       struct cz_eval_model *model)
{
    struct stat facts;
    result->model = model;
    result->bytes = stat(result->name, &facts) == 0 ? (size_t)facts.st_size : 0;
    for (size_t stage = 0; stage < CZ_STAGE_COUNT; stage++)
        result->latency[stage] =
            app_latency(model->times_ms[stage], run->n_images);
    result->detections = model->detections;
    model->detections = (struct cz_coco_detections)CZ_COCO_DETECTIONS_INIT;
}

static enum cz_status run_models(struct app_eval *eval, struct selection *s,
                                 struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    struct app_progress progress;
    const struct cz_eval_options options = {
        .models = o->sources,
        .n_models = o->n_models,
        .session = app_session_options(&o->detector),
        .images = eval->images,
        .image_ids = s->options.image_ids,
        .n_images = s->options.n_images,
        .strict = o->strict,
        .progress = &progress.callback,
    };
    app_progress_init(&progress, o->detector.quiet || o->detector.json);
    const enum cz_status status =
        cz_eval_run(&eval->run, eval->coco, &options, err);
    app_progress_fini(&progress);
    CZ_TRY(status);
    CZ_TRY(check_run(&eval->run, eval, err));
    for (size_t i = 0; i < o->n_models; i++)
        take_model(&eval->results[i], &eval->run, &eval->run.models[i]);
    return narrow(s, &eval->run, err);
}

/* ---- results ---------------------------------------------------------- */

static enum cz_status read_detections(struct app_eval_result *result,
                                      const struct app_eval *eval,
                                      struct cz_error *err)
{
    const double start_ms = cz_now_ms();
    CZ_TRY(cz_coco_detections_load(&result->detections, result->name,
                                   eval->coco, err));
    result->read_ms = cz_now_ms() - start_ms;
    return CZ_OK;
}

/* The detections of all sources. */
static enum cz_status collect(struct app_eval *eval, struct selection *s,
                              struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    if (o->n_models)
        CZ_TRY(run_models(eval, s, err));
    for (size_t i = o->n_models; i < o->n_sources; i++)
        CZ_TRY(read_detections(&eval->results[i], eval, err));
    return CZ_OK;
}

/* Counts only those of images that are looked at: a file may have more. */
static enum cz_status evaluate(struct app_eval_result *result,
                               const struct app_eval *eval,
                               const struct selection *s, struct cz_error *err)
{
    const double start_ms = cz_now_ms();
    CZ_TRY(cz_error_prefix(
        err,
        cz_coco_match(&result->matches, eval->coco, result->detections.items,
                      result->detections.count, &s->options, err),
        result->name));
    CZ_TRY(cz_coco_evaluate(&result->report, result->matches,
                            s->options.threads, err));
    result->match_ms = cz_now_ms() - start_ms;
    return CZ_OK;
}

static enum cz_status compare(struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    const struct cz_coco_bootstrap_options options = {
        .resamples = o->resamples,
        .seed = o->seed,
        .threads = o->detector.engine.engine.plan.threads};
    double start_ms = cz_now_ms();
    for (size_t i = 1; i < eval->n_results; i++) {
        struct app_eval_result *result = &eval->results[i];
        CZ_TRY(
            cz_error_prefix(err,
                            cz_coco_bootstrap(&result->ap, &result->ap50,
                                              eval->results[0].matches,
                                              result->matches, &options, err),
                            result->name));
    }
    eval->compare_ms = cz_now_ms() - start_ms;
    return CZ_OK;
}

/* What there is on request, of the first result. */
static enum cz_status add_details(struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_result *first = &eval->results[0];
    const struct cz_coco_confusion_options confusion =
        CZ_COCO_CONFUSION_OPTIONS_INIT;
    size_t n = first->report.n_classes;
    eval->f1 = cz_calloc(n, sizeof *eval->f1);
    eval->curves = cz_calloc(n, sizeof *eval->curves);
    if (!eval->f1 || !eval->curves)
        return cz_error_nomem(err);
    if (eval->options->per_class)
        CZ_TRY(cz_coco_best_f1(eval->f1, &eval->best_f1, first->matches, err));
    for (size_t k = 0; eval->options->curves && k < n; k++)
        CZ_TRY(cz_coco_curve(eval->curves[k], first->matches, k, 0, err));
    if (!eval->options->confusion)
        return CZ_OK;
    return cz_coco_confusion_count(&eval->confusion, first->matches,
                                   &first->detections, &confusion, err);
}

static enum cz_status work_with(struct app_eval *eval, struct selection *s,
                                struct cz_error *err)
{
    s->options.threads = eval->options->detector.engine.engine.plan.threads;
    CZ_TRY(select_images(s, eval, err));
    CZ_TRY(select_classes(s, eval, err));
    CZ_TRY(collect(eval, s, err));
    for (size_t i = 0; i < eval->n_results; i++)
        CZ_TRY(evaluate(&eval->results[i], eval, s, err));
    CZ_TRY(compare(eval, err));
    return add_details(eval, err);
}

/* What reads sizes. */
struct measuring {
    struct cz_opencv *opencv;
    bool is_strict;
};

/* The sizes of images that YOLO labels are fractions of. One that cannot be
 * read has none: the run of the models will leave it out, and tell. */
static enum cz_status image_size(void *user, const char *path, int64_t *width,
                                 int64_t *height, struct cz_error *err)
{
    struct measuring *m = user;
    size_t w = 0, h = 0;
    if (!m->opencv)
        CZ_TRY(cz_opencv_open(&m->opencv, err));
    const enum cz_status status = cz_image_size(&w, &h, m->opencv, path, err);
    const bool is_left_out = !m->is_strict && cz_image_is_bad(status);
    *width = is_left_out ? 0 : (int64_t)w;
    *height = is_left_out ? 0 : (int64_t)h;
    return is_left_out ? CZ_OK : status;
}

static enum cz_status load_annotations(struct app_eval *eval,
                                       struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    struct measuring measuring = {.is_strict = o->strict || !o->n_models};
    const struct cz_image_sizes sizes = {image_size, &measuring};
    const double start_ms = cz_now_ms();
    const enum cz_status status =
        cz_coco_load(&eval->coco, o->annotations, &sizes, err);
    cz_opencv_close(measuring.opencv);
    eval->read_ms = cz_now_ms() - start_ms;
    return status;
}

/* What could go wrong with it when all is done. */
static enum cz_status check_output(const struct app_eval_options *o,
                                   struct cz_error *err)
{
    if (!o->save_dets)
        return CZ_OK;
    bool is_input = cz_file_is_same(o->save_dets, o->annotations);
    for (size_t i = 0; i < o->n_sources; i++)
        is_input = is_input || cz_file_is_same(o->save_dets, o->sources[i]);
    if (is_input)
        return cz_error_set(err, CZ_EINVAL,
                            "%s: the output is an input; give --save-dets "
                            "another name",
                            o->save_dets);
    return cz_output_try(o->save_dets, o->detector.force, err);
}

/* After the report, which is there then whatever comes of this. */
static enum cz_status save(const struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    if (!o->save_dets)
        return CZ_OK;
    if (eval->run.interrupted)
        return cz_error_set(err, CZ_EINTERRUPTED,
                            "%s: not written: the run was interrupted",
                            o->save_dets);
    return cz_coco_detections_save(&eval->results[0].detections, o->save_dets,
                                   o->detector.force, err);
}

static enum cz_status work(struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    struct selection selection = {.options = CZ_COCO_MATCH_OPTIONS_INIT};
    eval->results = cz_calloc(o->n_sources, sizeof *eval->results);
    if (!eval->results)
        return cz_error_nomem(err);
    eval->n_results = o->n_sources;
    for (size_t i = 0; i < o->n_sources; i++)
        eval->results[i].name = o->sources[i];
    CZ_TRY(check_output(o, err));
    CZ_TRY(load_annotations(eval, err));
    CZ_TRY(find_images(eval, err));
    enum cz_status status = work_with(eval, &selection, err);
    selection_fini(&selection);
    return status;
}

/* ---- from start to end ------------------------------------------------ */

static void fini(struct app_eval *eval)
{
    for (size_t i = 0; i < eval->n_results; i++) {
        struct app_eval_result *result = &eval->results[i];
        cz_coco_report_fini(&result->report);
        cz_coco_matches_free(result->matches);
        cz_coco_detections_fini(&result->detections);
    }
    cz_eval_run_fini(&eval->run);
    cz_coco_confusion_fini(&eval->confusion);
    cz_free(eval->results);
    cz_free(eval->images);
    cz_free(eval->f1);
    cz_free(eval->curves);
    cz_coco_free(eval->coco);
}

/* Images that were left out, on stderr: their numbers are in no statistic. */
static void tell_skipped(const struct app_eval *eval)
{
    const struct cz_eval_run *run = &eval->run;
    for (size_t i = 0; i < run->n_skipped; i++) {
        if (i == SKIPPED_SHOWN) {
            fprintf(stderr, "compress: ... and %zu more were skipped\n",
                    run->n_skipped - i);
            return;
        }
        fputs("compress: skipped: ", stderr);
        app_print_clean(stderr, run->skipped[i].reason);
        fputc('\n', stderr);
    }
}

int app_eval(int argc, char **argv)
{
    struct app_eval_options options;
    struct app_eval eval = {.options = &options};
    struct cz_error err = CZ_ERROR_INIT;
    int exit_code;
    if (app_eval_options_parse(&options, argc, argv, &exit_code)) {
        enum cz_status status = work(&eval, &err);
        exit_code = status != CZ_OK        ? app_fail(&err)
                    : eval.run.interrupted ? APP_INTERRUPTED
                                           : APP_DONE;
        if (status == CZ_OK)
            tell_skipped(&eval);
        if (status == CZ_OK && options.detector.json)
            app_eval_print_json(&eval);
        else if (status == CZ_OK && !options.detector.quiet)
            app_eval_print_text(&eval);
        if (status == CZ_OK && save(&eval, &err) != CZ_OK)
            exit_code = app_fail(&err);
        fini(&eval);
    }
    app_eval_options_fini(&options);
    return exit_code;
}
