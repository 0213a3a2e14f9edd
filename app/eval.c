/* `compress eval`: detections against annotations. */
#include "app/eval.h"

#include <stdlib.h>
#include <string.h>

#include "app/progress.h"
#include "core/alloc.h"

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

/* ---- results ---------------------------------------------------------- */

static enum cz_status evaluate(struct app_eval_result *result,
                               const struct app_eval *eval,
                               const struct selection *s, struct cz_error *err)
{
    double start_ms = app_now_ms();
    CZ_TRY(cz_coco_detections_load(&result->detections, result->name,
                                   eval->coco, err));
    result->read_ms = app_now_ms() - start_ms;
    CZ_TRY(cz_error_prefix(
        err,
        cz_coco_match(&result->matches, eval->coco, result->detections.items,
                      result->detections.count, &s->options, err),
        result->name));
    CZ_TRY(cz_coco_evaluate(&result->report, result->matches,
                            eval->options->threads, err));
    result->match_ms = app_now_ms() - start_ms - result->read_ms;
    return CZ_OK;
}

static enum cz_status compare(struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    const struct cz_coco_bootstrap_options options = {
        .resamples = o->resamples, .seed = o->seed, .threads = o->threads};
    double start_ms = app_now_ms();
    for (size_t i = 1; i < o->n_detections; i++) {
        struct app_eval_result *result = &eval->results[i];
        CZ_TRY(
            cz_error_prefix(err,
                            cz_coco_bootstrap(&result->ap, &result->ap50,
                                              eval->results[0].matches,
                                              result->matches, &options, err),
                            result->name));
    }
    eval->compare_ms = app_now_ms() - start_ms;
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
                                   first->detections.items,
                                   first->detections.count, &confusion, err);
}

static enum cz_status work_with(struct app_eval *eval, struct selection *s,
                                struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    s->options.threads = o->threads;
    CZ_TRY(select_images(s, eval, err));
    CZ_TRY(select_classes(s, eval, err));
    for (size_t i = 0; i < o->n_detections; i++) {
        eval->results[i].name = o->detections[i];
        CZ_TRY(evaluate(&eval->results[i], eval, s, err));
    }
    CZ_TRY(compare(eval, err));
    return add_details(eval, err);
}

static enum cz_status work(struct app_eval *eval, struct cz_error *err)
{
    const struct app_eval_options *o = eval->options;
    const struct cz_image_sizes sizes = {.read = app_image_size};
    struct selection selection = {.options = CZ_COCO_MATCH_OPTIONS_INIT};
    double start_ms = app_now_ms();
    eval->results = cz_calloc(o->n_detections, sizeof *eval->results);
    if (!eval->results)
        return cz_error_nomem(err);
    CZ_TRY(cz_coco_load(&eval->coco, o->annotations, &sizes, err));
    eval->read_ms = app_now_ms() - start_ms;
    enum cz_status status = work_with(eval, &selection, err);
    selection_fini(&selection);
    return status;
}

/* ---- from start to end ------------------------------------------------ */

static void fini(struct app_eval *eval)
{
    for (size_t i = 0; eval->results && i < eval->options->n_detections; i++) {
        struct app_eval_result *result = &eval->results[i];
        cz_coco_report_fini(&result->report);
        cz_coco_matches_free(result->matches);
        cz_coco_detections_fini(&result->detections);
    }
    cz_coco_confusion_fini(&eval->confusion);
    cz_free(eval->results);
    cz_free(eval->f1);
    cz_free(eval->curves);
    cz_coco_free(eval->coco);
}

int app_eval(int argc, char **argv)
{
    struct app_eval_options options;
    struct app_eval eval = {.options = &options};
    struct cz_error err = CZ_ERROR_INIT;
    int exit_code;
    if (app_eval_options_parse(&options, argc, argv, &exit_code)) {
        enum cz_status status = work(&eval, &err);
        exit_code = status == CZ_OK ? APP_DONE : app_fail(&err);
        if (status == CZ_OK && options.json)
            app_eval_print_json(&eval);
        else if (status == CZ_OK && !options.quiet)
            app_eval_print_text(&eval);
        fini(&eval);
    }
    app_eval_options_fini(&options);
    return exit_code;
}
