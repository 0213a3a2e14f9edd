/* See run_rows.h. */
#include "app/run_rows.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "app/run_machine.h"
#include "app/text.h"
#include "core/gzip.h"

/* ---- reading ---------------------------------------------------------- */

static json_t *find(const json_t *object, const char *path)
{
    json_t *at = (json_t *)object;
    while (at && *path) {
        char key[64];
        const size_t size = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)size, path);
        path += size + (path[size] == '.');
        at = json_is_array(at) ? json_array_get(at, 0) : at;
        at = json_object_get(at, key);
    }
    return at;
}

double app_run_number(const json_t *row, const char *path)
{
    const json_t *number = find(row, path);
    return json_is_number(number) ? json_number_value(number) : NAN;
}

const char *app_run_word(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

/* A copy of what is there, or null. */
static void copy(json_t *to, const char *key, const json_t *from,
                 const char *path)
{
    json_t *value = find(from, path);
    json_object_set(to, key, value ? value : json_null());
}

/* ---- a row ------------------------------------------------------------ */

struct place {
    const struct app_run_plan *plan;
    size_t model, variant;
};

static const struct app_run_step *step_of(const struct place *at,
                                          enum app_run_kind kind)
{
    return app_run_find(at->plan, kind, at->model, at->variant);
}

static const json_t *result_of(const struct place *at, enum app_run_kind kind)
{
    const struct app_run_step *step = step_of(at, kind);
    return step ? step->result : NULL;
}

static bool is_baseline(const struct place *at)
{
    return at->variant == at->plan->config->baseline;
}

/* The baseline's are those of what was made of it. */
static void add_size(json_t *row, const struct place *at)
{
    const struct app_run_config *c = at->plan->config;
    const json_t *made = result_of(at, APP_RUN_MAKE);
    struct stat info;
    for (size_t v = 0; v < c->n_variants && is_baseline(at) && !made; v++) {
        const struct place other = {at->plan, at->model, v};
        made = result_of(&other, APP_RUN_MAKE);
    }
    copy(row, "bytes", made, is_baseline(at) ? "input.bytes" : "output.bytes");
    copy(row, "bytes_gzip", made,
         is_baseline(at) ? "input.bytes_gzip" : "output.bytes_gzip");
    if (!made && is_baseline(at) && stat(c->models[at->model].path, &info) == 0)
        json_object_set_new(row, "bytes",
                            app_json_count((uint64_t)info.st_size));
}

static void add_weights(json_t *row, const struct place *at)
{
    const json_t *seen = result_of(at, APP_RUN_INSPECT);
    copy(row, "parameters", seen, "parameters");
    copy(row, "macs", seen, "macs.dense");
    const double count = app_run_number(seen, "weights.count");
    const double zeros = app_run_number(seen, "weights.zeros");
    json_object_set_new(row, "sparsity", app_json_rounded(zeros / count, 1e4));
}

/* In the order of the comparison: the baseline first, which is compared with
 * none, then the others. */
static const json_t *compared_of(const struct place *at)
{
    const struct app_run_step *step =
        app_run_find(at->plan, APP_RUN_COMPARE, at->model, APP_RUN_ALL);
    const json_t *list = step ? find(step->result, "compared") : NULL;
    const size_t part = step ? app_run_part_of(step, at->variant) : 0;
    return part ? json_array_get(list, part - 1) : NULL;
}

/* Figures are of the files of detections, as their differences are: numbers in
 * these are rounded. Of one variant alone there is no comparison. */
static void add_accuracy(json_t *row, const struct place *at)
{
    const json_t *evaluated = result_of(at, APP_RUN_EVAL);
    const struct app_run_step *step =
        app_run_find(at->plan, APP_RUN_COMPARE, at->model, APP_RUN_ALL);
    const json_t *from =
        is_baseline(at) && step ? step->result : compared_of(at);
    from = find(from, "stats") ? from : evaluated;
    copy(row, "images", evaluated, "images");
    copy(row, "AP", from, "stats.AP");
    copy(row, "AP50", from, "stats.AP50");
    copy(row, "delta_AP", compared_of(at), "delta_AP");
    copy(row, "delta_AP50", compared_of(at), "delta_AP50");
}

/* Of a run of the benchmark, with its ratio to the baseline's. */
static json_t *run_json(const json_t *run, const json_t *base)
{
    static const char *const keys[] = {"engine", "threads",   "precision",
                                       "min_ms", "median_ms", "p90_ms",
                                       "p99_ms", "first_ms",  "peak_rss_bytes"};
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        copy(object, keys[i], run, keys[i]);
    copy(object, "computes", run, "compute.precision");
    const double ms = app_run_number(run, "median_ms");
    json_object_set_new(object, "fps", app_json_rounded(1e3 / ms, 1e2));
    json_object_set_new(
        object, "ratio",
        app_json_rounded(ms / app_run_number(base, "median_ms"), 1e4));
    return object;
}

static void add_runs(json_t *row, const struct place *at)
{
    const size_t baseline = at->plan->config->baseline;
    const json_t *run;
    json_t *list = json_array();
    for (size_t i = 0;
         (run = app_run_bench_run(at->plan, at->model, at->variant, i)); i++)
        json_array_append_new(
            list,
            run_json(run, app_run_bench_run(at->plan, at->model, baseline, i)));
    json_object_set_new(row, "runs", list);
}

/* The first step about the row that failed. */
static void add_state(json_t *row, const struct place *at)
{
    const struct app_run_plan *plan = at->plan;
    const struct app_run_step *failed = NULL;
    for (size_t i = 0; i < plan->n_steps && !failed; i++) {
        const struct app_run_step *step = &plan->steps[i];
        if (step->model == at->model &&
            (step->variant == at->variant ||
             (step->variant == APP_RUN_ALL && is_baseline(at))) &&
            step->state == APP_RUN_FAILED)
            failed = step;
    }
    json_object_set_new(row, "failed",
                        failed ? json_string(app_run_kind_name(failed->kind))
                               : json_null());
    json_object_set_new(row, "message",
                        app_json_maybe(failed ? failed->message : NULL));
    json_object_set_new(row, "exit_code",
                        failed ? json_integer(failed->exit_code) : json_null());
}

/* Sets *is_unknown where there is a gate and nothing to hold against it. */
static json_t *gate(double value, double most, bool *is_unknown)
{
    *is_unknown |= isfinite(most) && isnan(value);
    return isinf(most) || isnan(value) ? json_null()
                                       : json_boolean(value <= most);
}

static void add_gates(json_t *row, const struct place *at)
{
    const struct app_run_config *c = at->plan->config;
    const bool is_own = is_baseline(at) && !isnan(app_run_number(row, "AP"));
    const double lost =
        is_own ? 0 : -app_run_number(row, "delta_AP.difference");
    json_t *gates = json_object();
    bool is_unknown = false;
    /* AP has ten digits. */
    json_object_set_new(gates, "max_drop",
                        gate(lost, c->max_drop + 1e-9, &is_unknown));
    json_object_set_new(
        gates, "max_ms",
        gate(app_run_number(row, "runs.median_ms"), c->max_ms, &is_unknown));
    json_object_set_new(gates, "unknown", json_boolean(is_unknown));
    json_object_set_new(row, "gates", gates);
}

static json_t *args_json(const struct app_run_args *args)
{
    json_t *list = json_array();
    for (size_t i = 0; i < args->count; i++)
        json_array_append_new(list, app_json_text(args->items[i]));
    return list;
}

static json_t *row_json(const struct place *at)
{
    struct app_run_config *c = at->plan->config;
    const struct app_run_variant *variant = &c->variants[at->variant];
    json_t *row = json_object();
    json_object_set_new(row, "model", app_json_text(c->models[at->model].name));
    json_object_set_new(row, "variant", app_json_text(variant->name));
    json_object_set_new(row, "is_baseline", json_boolean(is_baseline(at)));
    const struct app_run_step *make = step_of(at, APP_RUN_MAKE);
    const bool is_there = !make || make->result;
    json_object_set_new(
        row, "file",
        app_json_maybe(is_there ? app_run_file(c, at->model, at->variant)
                                : NULL));
    json_object_set_new(row, "options", args_json(&variant->args));
    add_state(row, at);
    add_size(row, at);
    add_weights(row, at);
    add_accuracy(row, at);
    add_runs(row, at);
    add_gates(row, at);
    return row;
}

/* ---- all of them ------------------------------------------------------ */

static json_t *gates_json(const struct app_run_config *c)
{
    json_t *gates = json_object();
    json_object_set_new(gates, "max_drop", app_json_real(c->max_drop));
    json_object_set_new(gates, "max_ms", app_json_real(c->max_ms));
    return gates;
}

static json_t *steps_json(const struct app_run_plan *plan)
{
    static const char *const states[] = {[APP_RUN_TO_DO] = "to do",
                                         [APP_RUN_CACHED] = "cached",
                                         [APP_RUN_MADE] = "made",
                                         [APP_RUN_FAILED] = "failed",
                                         [APP_RUN_LEFT_OUT] = "left out"};
    json_t *list = json_array();
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct app_run_step *step = &plan->steps[i];
        json_t *object = json_object();
        json_object_set_new(object, "id", app_json_text(step->id));
        json_object_set_new(object, "state", json_string(states[step->state]));
        json_object_set_new(object, "seconds",
                            app_json_rounded(step->seconds, 1e3));
        json_object_set_new(object, "arguments", args_json(&step->args));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *app_run_rows(const struct app_run_plan *plan)
{
    const struct app_run_config *c = plan->config;
    json_t *root = json_object(), *rows = json_array();
    for (size_t m = 0; m < c->n_models; m++) {
        for (size_t i = 0; i < c->n_variants; i++) {
            const struct place at = {plan, m, i};
            json_array_append_new(rows, row_json(&at));
        }
    }
    json_object_set_new(root, "schema", json_string("compress.run/1"));
    json_object_set_new(root, "name", app_json_text(c->name));
    json_object_set_new(root, "config", app_json_text(c->path));
    json_object_set_new(root, "output", app_json_text(c->output));
    json_object_set_new(root, "annotations", app_json_maybe(c->annotations));
    json_object_set_new(root, "calib", app_json_maybe(c->calib));
    json_object_set_new(root, "machine", app_run_machine_json());
    json_object_set_new(root, "gates", gates_json(c));
    json_object_set_new(root, "rows", rows);
    json_object_set_new(root, "steps", steps_json(plan));
    return root;
}

static bool misses(const json_t *row)
{
    return json_is_false(find(row, "gates.max_drop")) ||
           json_is_false(find(row, "gates.max_ms"));
}

static bool failed(const json_t *row)
{
    return json_is_string(json_object_get(row, "failed"));
}

static bool is_any(const json_t *root, bool (*is)(const json_t *row))
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        if (is(row))
            return true;
    }
    return false;
}

bool app_run_rows_miss(const json_t *root)
{
    return is_any(root, misses);
}

double app_run_images(const json_t *root)
{
    double images = NAN;
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        if (isnan(images))
            images = app_run_number(row, "images");
    }
    return images;
}

size_t app_run_rows_unchecked(const json_t *root)
{
    size_t i, count = 0;
    const json_t *row;
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        count += json_is_true(find(row, "gates.unknown"));
    }
    return count;
}

bool app_run_rows_fail(const json_t *root)
{
    return is_any(root, failed);
}
