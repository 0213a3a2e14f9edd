/* See run_check.h. The plan has had the commands' own parsers check all
 * arguments: they are right here. */
#include "app/run_check.h"

#include "app/app.h"
#include "app/compress_options.h"
#include "app/eval.h"
#include "app/keep.h"
#include "prune/prune.h"

/* What one step of kind MAKE names: patterns, Convs to keep. */
static enum cz_status check_names(struct cz_model *model,
                                  struct app_compress_options *options,
                                  struct cz_error *err)
{
    CZ_TRY(cz_prune_check(model, &options->pruning.prune, err));
    return options->int8 ? app_keep_take(&options->int8_options.int8,
                                         cz_model_graph(model), err)
                         : CZ_OK;
}

static enum cz_status check_make(const struct app_run_plan *plan,
                                 const struct app_run_step *step,
                                 struct cz_model *model, struct cz_error *err)
{
    struct app_run_config *config = plan->config;
    const struct app_run_place place = config->variants[step->variant].place;
    char **argv = app_run_argv(config, &step->args, "compress");
    struct app_compress_options options;
    int exit_code;
    if (!argv)
        return cz_error_nomem(err);
    enum cz_status status =
        app_compress_options_parse(&options, (int)step->args.count + 1, argv,
                                   &exit_code)
            ? check_names(model, &options, err)
            : cz_error_nomem(err);
    app_compress_options_fini(&options);
    status = cz_error_prefix(err, status, config->models[step->model].name);
    return app_run_placed(config, place, status, err);
}

static enum cz_status check_eval(const struct app_run_plan *plan,
                                 const struct app_run_step *step,
                                 struct cz_error *err)
{
    struct app_run_config *config = plan->config;
    char **argv = app_run_argv(config, &step->args, "compress eval");
    struct app_eval_options options;
    struct app_detector detector;
    int exit_code;
    if (!argv)
        return cz_error_nomem(err);
    /* Behind the command's name. */
    const bool is_parsed = app_eval_options_parse(
        &options, (int)step->args.count, argv + 1, &exit_code);
    enum cz_status status;
    if (is_parsed) {
        options.detector.engine.engine.plan.tune = CZ_TUNE_OFF; /* no file */
        status = app_detector_open(&detector, options.sources[0],
                                   &options.detector, err);
        app_detector_close(&detector);
    } else {
        status = cz_error_nomem(err);
    }
    app_eval_options_fini(&options);
    return config->evaluate_place.line
               ? app_run_placed(config, config->evaluate_place, status, err)
               : status;
}

static enum cz_status check_steps(const struct app_run_plan *plan, size_t m,
                                  struct cz_model *model, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct app_run_step *step = &plan->steps[i];
        if (step->model != m)
            continue;
        if (step->kind == APP_RUN_MAKE)
            CZ_TRY(check_make(plan, step, model, err));
        if (step->kind == APP_RUN_EVAL &&
            step->variant == plan->config->baseline)
            CZ_TRY(check_eval(plan, step, err));
        if (app_interrupted())
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    }
    return CZ_OK;
}

enum cz_status app_run_check(const struct app_run_plan *plan,
                             struct cz_error *err)
{
    for (size_t m = 0; m < plan->config->n_models; m++) {
        struct cz_model *model = NULL;
        bool used_checker;
        enum cz_status status =
            cz_model_load(&model, plan->config->models[m].path, err);
        if (status == CZ_OK)
            status = cz_model_check(model, &used_checker, err);
        if (status == CZ_OK)
            status = cz_graph_infer(cz_model_graph(model), err);
        if (status == CZ_OK)
            status = check_steps(plan, m, model, err);
        cz_model_free(model);
        CZ_TRY(status);
    }
    return CZ_OK;
}
