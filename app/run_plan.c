/* See run_plan.h. */
#include "app/run_plan.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/bench.h"
#include "app/calibration_files.h"
#include "app/compress_options.h"
#include "app/eval.h"
#include "app/run_options.h"
#include "core/path.h"

const char *app_run_kind_name(enum app_run_kind kind)
{
    static const char *const names[] = {[APP_RUN_MAKE] = "make",
                                        [APP_RUN_INSPECT] = "inspect",
                                        [APP_RUN_EVAL] = "evaluate",
                                        [APP_RUN_COMPARE] = "compare",
                                        [APP_RUN_BENCH] = "benchmark",
                                        [APP_RUN_DETECT] = "draw",
                                        [APP_RUN_SENSITIVITY] = "sensitivity"};
    return names[kind];
}

const char *app_run_file(struct app_run_config *config, size_t model,
                         size_t variant)
{
    return variant == config->baseline
               ? config->models[model].path
               : app_run_text(config, "%s/models/%s-%s.onnx", config->output,
                              config->models[model].name,
                              config->variants[variant].name);
}

struct app_run_step *app_run_find(const struct app_run_plan *plan,
                                  enum app_run_kind kind, size_t model,
                                  size_t variant)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct app_run_step *step = &plan->steps[i];
        if (step->kind == kind && step->model == model &&
            step->variant == variant)
            return step;
    }
    return NULL;
}

/* ---- a step ----------------------------------------------------------- */

struct planner {
    struct app_run_plan *plan;
    struct app_run_config *config;
    struct app_run_step *step; /* that is being made */
    struct cz_error *err;
};

static enum cz_status add_step(struct planner *p, enum app_run_kind kind,
                               size_t model, size_t variant)
{
    struct app_run_config *c = p->config;
    struct app_run_plan *plan = p->plan;
    struct app_run_step *grown = cz_arena_grow(
        &c->arena, plan->steps, plan->n_steps, &plan->capacity, sizeof *grown);
    const char *id =
        app_run_text(c, "%s%s%s.%s", c->models[model].name,
                     variant == APP_RUN_ALL ? "" : "-",
                     variant == APP_RUN_ALL ? "" : c->variants[variant].name,
                     app_run_kind_name(kind));
    if (!grown || !id)
        return cz_error_nomem(p->err);
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (strcmp(plan->steps[i].id, id) == 0)
            return cz_error_set(p->err, CZ_EPARSE,
                                "%s: two of its models and variants would be "
                                "the same files, '%s'; give one of them "
                                "another 'name:'",
                                c->path, id);
    }
    plan->steps = grown;
    p->step = &grown[plan->n_steps++];
    *p->step = (struct app_run_step){
        .kind = kind, .model = model, .variant = variant, .id = id};
    return CZ_OK;
}

static enum cz_status add(struct planner *p, const char *text)
{
    return app_run_add(p->config, &p->step->args, text, p->err);
}

static enum cz_status add_pair(struct planner *p, const char *option,
                               const char *value)
{
    CZ_TRY(add(p, option));
    return add(p, value);
}

static enum cz_status add_all(struct planner *p,
                              const struct app_run_args *args)
{
    for (size_t i = 0; i < args->count; i++)
        CZ_TRY(add(p, args->items[i]));
    return CZ_OK;
}

/* A file among the arguments that the result depends on. */
static enum cz_status add_input(struct planner *p, const char *path)
{
    CZ_TRY(add(p, path));
    return app_run_add(p->config, &p->step->files, path, p->err);
}

static enum cz_status add_product(struct planner *p, const char *path)
{
    return app_run_add(p->config, &p->step->products, path, p->err);
}

/* Waits for the step that makes something of the variant, if there is one. */
static enum cz_status need(struct planner *p, enum app_run_kind kind,
                           size_t variant)
{
    struct app_run_step *step = p->step;
    const struct app_run_step *other =
        app_run_find(p->plan, kind, step->model, variant);
    if (!other)
        return CZ_OK;
    size_t capacity = step->n_needs;
    size_t *grown = cz_arena_grow(&p->config->arena, step->needs, step->n_needs,
                                  &capacity, sizeof *grown);
    if (!grown)
        return cz_error_nomem(p->err);
    step->needs = grown;
    grown[step->n_needs++] = (size_t)(other - p->plan->steps);
    return CZ_OK;
}

/* A file of a variant among the arguments of a step about all of them, which
 * goes without it where `kind` has failed. */
static enum cz_status add_part(struct planner *p, size_t variant,
                               const char *path, enum app_run_kind kind)
{
    struct app_run_step *step = p->step;
    const struct app_run_step *other =
        app_run_find(p->plan, kind, step->model, variant);
    size_t capacity = step->n_parts;
    struct app_run_part *grown =
        cz_arena_grow(&p->config->arena, step->parts, step->n_parts, &capacity,
                      sizeof *grown);
    if (!grown)
        return cz_error_nomem(p->err);
    step->parts = grown;
    grown[step->n_parts++] = (struct app_run_part){
        variant, other ? (size_t)(other - p->plan->steps) : APP_RUN_ALL};
    return add_input(p, path);
}

/* It has all runs of a file, then those of the next one, in the order of its
 * parts. */
const json_t *app_run_bench_run(const struct app_run_plan *plan, size_t model,
                                size_t variant, size_t i)
{
    const struct app_run_step *step =
        app_run_find(plan, APP_RUN_BENCH, model, APP_RUN_ALL);
    const json_t *runs = step ? json_object_get(step->result, "runs") : NULL;
    const size_t n = step ? step->n_parts : 0;
    const size_t part = step ? app_run_part_of(step, variant) : 0;
    const size_t each = n ? json_array_size(runs) / n : 0;
    return part < n && i < each ? json_array_get(runs, part * each + i) : NULL;
}

size_t app_run_part_args(enum app_run_kind kind)
{
    return kind == APP_RUN_COMPARE ? 2 : 1;
}

size_t app_run_part_of(const struct app_run_step *step, size_t variant)
{
    size_t i = 0;
    while (i < step->n_parts && step->parts[i].variant != variant)
        i++;
    return i;
}

/* The end of each command line. */
static enum cz_status quietly(struct planner *p)
{
    CZ_TRY(add(p, "--json"));
    return add(p, "--quiet");
}

/* ---- kinds of steps --------------------------------------------------- */

char **app_run_argv(struct app_run_config *config,
                    const struct app_run_args *args, const char *command)
{
    struct cz_arena *arena = &config->arena;
    char **argv = cz_arena_alloc(arena, args->count + 2, sizeof *argv);
    bool is_done =
        argv && (argv[0] = cz_arena_strdup(arena, command, strlen(command)));
    for (size_t i = 0; i < args->count && is_done; i++)
        is_done = (argv[i + 1] = cz_arena_strdup(arena, args->items[i],
                                                 strlen(args->items[i])));
    return is_done ? argv : NULL;
}

static enum cz_status refuse(const struct planner *p,
                             struct app_run_place place, const char *what)
{
    return app_run_placed(p->config, place,
                          cz_error_set(p->err, CZ_EPARSE, "%s", what), p->err);
}

/* A command's parser has printed what is wrong, or that memory is short, and
 * gave the exit code; where is said here. */
static enum cz_status refuse_options(const struct planner *p,
                                     struct app_run_place place,
                                     const char *what, int exit_code)
{
    return exit_code == APP_FAILED ? cz_error_nomem(p->err)
                                   : refuse(p, place, what);
}

static enum cz_status find_out_images(struct planner *p, bool *uses_images)
{
    const struct app_run_variant *v = &p->config->variants[p->step->variant];
    struct app_compress_options options;
    int exit_code;
    char **argv = app_run_argv(p->config, &v->args, "compress");
    if (!argv)
        return cz_error_nomem(p->err);
    const bool is_right = app_compress_options_read(
        &options, (int)v->args.count + 1, argv, &exit_code);
    *uses_images = is_right && app_compress_needs_images(&options);
    app_compress_options_fini(&options);
    if (!is_right)
        return refuse_options(p, v->place, "this variant is not right",
                              exit_code);
    if (*uses_images && !p->config->calib)
        return refuse(p, v->place,
                      "this variant wants images: add 'data: {calib: FOLDER}', "
                      "images like those that the model will see");
    return CZ_OK;
}

static enum cz_status check_make(struct planner *p)
{
    struct app_compress_options options;
    int exit_code;
    char **argv = app_run_argv(p->config, &p->step->args, "compress");
    if (!argv)
        return cz_error_nomem(p->err);
    const bool is_right = app_compress_options_parse(
        &options, (int)p->step->args.count + 1, argv, &exit_code);
    app_compress_options_fini(&options);
    return is_right
               ? CZ_OK
               : refuse_options(p, p->config->variants[p->step->variant].place,
                                "this variant is not right", exit_code);
}

static enum cz_status plan_make(struct planner *p, size_t model, size_t variant)
{
    struct app_run_config *c = p->config;
    const char *output = app_run_file(c, model, variant);
    CZ_TRY(add_step(p, APP_RUN_MAKE, model, variant));
    CZ_TRY(find_out_images(p, &p->step->uses_calib));
    CZ_TRY(add_input(p, c->models[model].path));
    CZ_TRY(add_all(p, &c->variants[variant].args));
    if (p->step->uses_calib)
        CZ_TRY(add_pair(p, "--calib", c->calib));
    if (!output)
        return cz_error_nomem(p->err);
    CZ_TRY(add_pair(p, "--output", output));
    CZ_TRY(add(p, "--force"));
    CZ_TRY(add_product(p, output));
    CZ_TRY(quietly(p));
    return check_make(p);
}

static enum cz_status plan_inspect(struct planner *p, size_t model,
                                   size_t variant)
{
    CZ_TRY(add_step(p, APP_RUN_INSPECT, model, variant));
    CZ_TRY(add(p, "inspect"));
    CZ_TRY(add_input(p, app_run_file(p->config, model, variant)));
    CZ_TRY(need(p, APP_RUN_MAKE, variant));
    return add(p, "--json");
}

/* What is to be found. */
static enum cz_status add_truth(struct planner *p)
{
    const struct app_run_config *c = p->config;
    p->step->uses_val = true;
    CZ_TRY(add_pair(p, "--ann", c->annotations));
    return app_run_add(p->config, &p->step->files, c->annotations, p->err);
}

static const char *detections_of(struct planner *p, size_t model,
                                 size_t variant)
{
    const struct app_run_config *c = p->config;
    return app_run_text(p->config, "%s/detections/%s-%s.json", c->output,
                        c->models[model].name, c->variants[variant].name);
}

static enum cz_status check_eval(struct planner *p)
{
    struct app_eval_options options;
    int exit_code;
    char **argv = app_run_argv(p->config, &p->step->args, "compress eval");
    if (!argv)
        return cz_error_nomem(p->err);
    /* Behind the command's name. */
    const bool is_right = app_eval_options_parse(
        &options, (int)p->step->args.count, argv + 1, &exit_code);
    app_eval_options_fini(&options);
    return is_right ? CZ_OK
                    : refuse_options(p, p->config->evaluate_place,
                                     "'evaluate:' is not right", exit_code);
}

static enum cz_status plan_eval(struct planner *p, size_t model, size_t variant)
{
    const char *detections = detections_of(p, model, variant);
    if (!detections)
        return cz_error_nomem(p->err);
    CZ_TRY(add_step(p, APP_RUN_EVAL, model, variant));
    CZ_TRY(add(p, "eval"));
    CZ_TRY(add_input(p, app_run_file(p->config, model, variant)));
    CZ_TRY(need(p, APP_RUN_MAKE, variant));
    CZ_TRY(add_truth(p));
    if (p->config->images)
        CZ_TRY(add_pair(p, "--images", p->config->images));
    CZ_TRY(add_all(p, &p->config->evaluate));
    /* A number is of all images, or there is none. */
    CZ_TRY(add(p, "--strict"));
    CZ_TRY(add(p, "--curves"));
    CZ_TRY(add_pair(p, "--save-dets", detections));
    CZ_TRY(add(p, "--force"));
    CZ_TRY(add_product(p, detections));
    CZ_TRY(quietly(p));
    return check_eval(p);
}

/* Options of 'evaluate:' that say what is counted. */
static bool is_about_counting(const char *option)
{
    static const char *const names[] = {"--limit", "--classes", "--resamples",
                                        "--seed"};
    size_t i = 0;
    while (i < sizeof names / sizeof *names && strcmp(option, names[i]) != 0)
        i++;
    return i < sizeof names / sizeof *names;
}

/* Those that say how a model is run, but for the lowest score. */
static bool is_about_running(const char *option)
{
    return !is_about_counting(option) && strcmp(option, "--conf") != 0 &&
           strcmp(option, "--strict") != 0;
}

static enum cz_status add_some(struct planner *p,
                               const struct app_run_args *args,
                               bool (*is_wanted)(const char *option))
{
    const struct app_run_options options = app_run_options_eval();
    for (size_t i = 0; i < args->count; i++) {
        const char *name = args->items[i];
        const struct option *option = app_run_option(&options, name + 2);
        const bool is_wanted_here = is_wanted(name);
        if (is_wanted_here)
            CZ_TRY(add(p, name));
        if (option && option->has_arg) {
            i++;
            if (is_wanted_here)
                CZ_TRY(add(p, args->items[i]));
        }
    }
    return CZ_OK;
}

/* Intervals of the differences to the baseline. */
static enum cz_status plan_compare(struct planner *p, size_t model)
{
    const struct app_run_config *c = p->config;
    CZ_TRY(add_step(p, APP_RUN_COMPARE, model, APP_RUN_ALL));
    CZ_TRY(add(p, "eval"));
    for (size_t i = 0; i < c->n_variants; i++) {
        const size_t v = i == 0 ? c->baseline : i <= c->baseline ? i - 1 : i;
        CZ_TRY(add(p, "--dets"));
        CZ_TRY(add_part(p, v, detections_of(p, model, v), APP_RUN_EVAL));
    }
    CZ_TRY(add_truth(p));
    CZ_TRY(add_some(p, &c->evaluate, is_about_counting));
    return quietly(p);
}

static enum cz_status check_bench(struct planner *p)
{
    struct app_bench_options options;
    int exit_code;
    char **argv = app_run_argv(p->config, &p->step->args, "compress bench");
    if (!argv)
        return cz_error_nomem(p->err);
    const bool is_right = app_bench_options_parse(
        &options, (int)p->step->args.count, argv + 1, &exit_code);
    app_bench_options_fini(&options);
    return is_right ? CZ_OK
                    : refuse_options(p, p->config->bench_place,
                                     "'bench:' is not right", exit_code);
}

/* All files of a model, taking turns. */
static enum cz_status plan_bench(struct planner *p, size_t model)
{
    const struct app_run_config *c = p->config;
    CZ_TRY(add_step(p, APP_RUN_BENCH, model, APP_RUN_ALL));
    p->step->uses_machine = true;
    CZ_TRY(add(p, "bench"));
    for (size_t v = 0; v < c->n_variants; v++)
        CZ_TRY(
            add_part(p, v, app_run_file(p->config, model, v), APP_RUN_INSPECT));
    CZ_TRY(add_all(p, &c->bench));
    CZ_TRY(add(p, "--times"));
    CZ_TRY(quietly(p));
    return check_bench(p);
}

/* Is there a picture of this name? */
static bool has_product(const struct app_run_step *step, const char *path)
{
    for (size_t i = 0; i < step->products.count; i++) {
        if (strcmp(step->products.items[i], path) == 0)
            return true;
    }
    return false;
}

/* Evenly over the images that there are, each name once. */
static enum cz_status add_pictures(struct planner *p, const char *folder)
{
    const struct app_image_files *val = &p->plan->val;
    const size_t most = p->config->samples;
    const size_t count = val->count < most ? val->count : most;
    for (size_t i = 0; i < count; i++) {
        const char *path = val->paths[i * val->count / count];
        const char *picture =
            app_run_text(p->config, "%s/%s", folder, cz_path_base(path));
        if (!picture)
            return cz_error_nomem(p->err);
        if (has_product(p->step, picture))
            continue;
        CZ_TRY(add_input(p, path));
        CZ_TRY(add_product(p, picture));
    }
    return CZ_OK;
}

static enum cz_status plan_detect(struct planner *p, size_t model,
                                  size_t variant)
{
    const struct app_run_config *c = p->config;
    const char *folder =
        app_run_text(p->config, "%s/pictures/%s-%s", c->output,
                     c->models[model].name, c->variants[variant].name);
    if (!folder)
        return cz_error_nomem(p->err);
    CZ_TRY(add_step(p, APP_RUN_DETECT, model, variant));
    CZ_TRY(add(p, "detect"));
    CZ_TRY(add_input(p, app_run_file(p->config, model, variant)));
    CZ_TRY(need(p, APP_RUN_MAKE, variant));
    CZ_TRY(add_pictures(p, folder));
    CZ_TRY(add_some(p, &c->evaluate, is_about_running));
    CZ_TRY(add_pair(p, "--output", folder));
    CZ_TRY(add(p, "--force"));
    return quietly(p);
}

static enum cz_status plan_sensitivity(struct planner *p, size_t model)
{
    const struct app_run_config *c = p->config;
    CZ_TRY(add_step(p, APP_RUN_SENSITIVITY, model, APP_RUN_ALL));
    p->step->uses_calib = true;
    CZ_TRY(add(p, "sensitivity"));
    CZ_TRY(add_input(p, c->models[model].path));
    CZ_TRY(add_pair(p, "--calib", c->calib));
    return quietly(p);
}

/* ---- all of them ------------------------------------------------------ */

static enum cz_status plan_model(struct planner *p, size_t model)
{
    const struct app_run_config *c = p->config;
    for (size_t v = 0; v < c->n_variants; v++) {
        if (v != c->baseline)
            CZ_TRY(plan_make(p, model, v));
        CZ_TRY(plan_inspect(p, model, v));
        if (c->annotations)
            CZ_TRY(plan_eval(p, model, v));
        if (c->samples && p->plan->val.count)
            CZ_TRY(plan_detect(p, model, v));
    }
    if (c->annotations && c->n_variants > 1)
        CZ_TRY(plan_compare(p, model));
    if (c->benches)
        CZ_TRY(plan_bench(p, model));
    return c->sensitivity ? plan_sensitivity(p, model) : CZ_OK;
}

/* The images that COCO's annotations name, in their folder. */
static enum cz_status list_in_folder(struct planner *p)
{
    const struct app_run_config *c = p->config;
    struct cz_coco *coco;
    size_t count;
    CZ_TRY(cz_coco_load(&coco, c->annotations, NULL, p->err));
    const struct cz_coco_image *images = cz_coco_images(coco, &count);
    enum cz_status status = CZ_OK;
    for (size_t i = 0; i < count && status == CZ_OK; i++)
        status = app_image_files_take(
            &p->plan->val, cz_path_join(c->images, images[i].file_name),
            p->err);
    cz_coco_free(coco);
    return status;
}

static enum cz_status list_images(struct planner *p)
{
    struct app_run_config *c = p->config;
    struct app_run_plan *plan = p->plan;
    enum cz_status status = CZ_OK;
    if (c->annotations) {
        status =
            c->images && !cz_coco_is_yolo(c->annotations)
                ? list_in_folder(p)
                : app_calibration_files_add(&plan->val, c->annotations, p->err);
        CZ_TRY(app_run_placed(c, c->annotations_place, status, p->err));
    }
    if (c->calib)
        status = app_calibration_files_add(&plan->calib, c->calib, p->err);
    return app_run_placed(c, c->calib_place, status, p->err);
}

enum cz_status app_run_plan_make(struct app_run_plan *plan,
                                 struct app_run_config *config,
                                 struct cz_error *err)
{
    struct planner p = {.plan = plan, .config = config, .err = err};
    *plan = (struct app_run_plan){.config = config};
    if (config->sensitivity && !config->calib)
        return cz_error_set(err, CZ_EPARSE,
                            "%s: 'sensitivity: true' wants 'data: {calib: "
                            "FOLDER}'",
                            config->path);
    CZ_TRY(list_images(&p));
    for (size_t m = 0; m < config->n_models; m++)
        CZ_TRY(plan_model(&p, m));
    return CZ_OK;
}

void app_run_plan_fini(struct app_run_plan *plan)
{
    for (size_t i = 0; i < plan->n_steps; i++)
        json_decref(plan->steps[i].result);
    app_image_files_fini(&plan->val);
    app_image_files_fini(&plan->calib);
}
