/* What each step of a plan takes: measured, as a table, as JSON, and as a
 * trace for chrome://tracing (the Trace Event Format's complete events). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/bench.h"
#include "app/json_memory.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/output.h"

/* ---- measuring -------------------------------------------------------- */

enum cz_status app_bench_profile(struct app_bench_run *run, size_t frames,
                                 struct cz_error *err)
{
    struct cz_plan *plan = cz_engine_plan(run->engine);
    struct app_bench_profile *p = &run->profile;
    if (!plan)
        return CZ_OK;
    size_t count = cz_plan_step_count(plan);
    p->mean_ms = cz_calloc(count, sizeof *p->mean_ms);
    p->last_ms = cz_calloc(count, sizeof *p->last_ms);
    if (!p->mean_ms || !p->last_ms)
        return cz_error_nomem(err);
    p->n_steps = count;
    for (size_t f = 0; f < frames; f++) {
        if (app_interrupted())
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        CZ_TRY(cz_plan_run_timed(plan, p->last_ms, err));
        for (size_t i = 0; i < count; i++)
            p->mean_ms[i] += p->last_ms[i] / (double)frames;
    }
    return CZ_OK;
}

void app_bench_profile_fini(struct app_bench_profile *profile)
{
    cz_free(profile->mean_ms);
    cz_free(profile->last_ms);
}

/* ---- rows ------------------------------------------------------------- */

/* A step, or all steps of one operator and kernel. */
struct row {
    struct cz_step_info info; /* of the first one */
    double ms;
    size_t count;
};

/* [n_steps]; free with cz_free(); NULL when memory is short. */
static struct row *list_rows(const struct app_bench_run *run)
{
    const struct app_bench_profile *p = &run->profile;
    struct row *rows = cz_calloc(p->n_steps, sizeof *rows);
    for (size_t i = 0; rows && i < p->n_steps; i++)
        rows[i] = (struct row){cz_plan_step(cz_engine_plan(run->engine), i),
                               p->mean_ms[i], 1};
    return rows;
}

static bool is_same_kind(const struct row *a, const struct row *b)
{
    return strcmp(a->info.op_type, b->info.op_type) == 0 &&
           strcmp(a->info.kernel, b->info.kernel) == 0;
}

/* Adds rows of the same kind up, in place; gives their number. */
static size_t add_up(struct row *rows, size_t count)
{
    size_t kinds = 0;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < kinds && !is_same_kind(&rows[k], &rows[i]))
            k++;
        if (k == kinds) {
            rows[kinds++] = rows[i];
            continue;
        }
        rows[k].ms += rows[i].ms;
        rows[k].info.macs += rows[i].info.macs;
        rows[k].count++;
    }
    return kinds;
}

/* The slowest first. */
static int compare(const void *a, const void *b)
{
    double x = ((const struct row *)a)->ms, y = ((const struct row *)b)->ms;
    return (x < y) - (x > y);
}

static double sum_ms(const struct row *rows, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += rows[i].ms;
    return total;
}

/* Billions of multiply-accumulates a second; "" for none. */
static const char *speed(char text[APP_NUMBER_BYTES], const struct row *row)
{
    text[0] = 0;
    if (row->info.macs && row->ms > 0)
        snprintf(text, APP_NUMBER_BYTES, "%.1f",
                 (double)row->info.macs / row->ms / 1e6);
    return text;
}

/* ---- the table -------------------------------------------------------- */

static void print_steps(const struct row *rows, size_t count, double total)
{
    printf("%9s %6s %8s  %-20s %-16s %-8s %-16s %s\n", "ms", "share", "GMAC/s",
           "operator", "kernel", "layout", "output", "node");
    for (size_t i = 0; i < count; i++) {
        const struct cz_step_info *info = &rows[i].info;
        char dims[APP_DIMS_BYTES], number[APP_NUMBER_BYTES];
        printf("%9.3f %5.1f%% %8s  %-20s %-16s %-8s %-16s ", rows[i].ms,
               100 * rows[i].ms / total, speed(number, &rows[i]), info->op_type,
               info->kernel, info->layout, app_dims(dims, &info->dims));
        app_print_clean(stdout, info->name);
        putchar('\n');
    }
}

static void print_kinds(const struct row *rows, size_t count, double total)
{
    printf("\n%9s %6s %8s  %-20s %-16s %s\n", "ms", "share", "GMAC/s",
           "operator", "kernel", "steps");
    for (size_t i = 0; i < count; i++) {
        char number[APP_NUMBER_BYTES];
        printf("%9.3f %5.1f%% %8s  %-20s %-16s %zu\n", rows[i].ms,
               100 * rows[i].ms / total, speed(number, &rows[i]),
               rows[i].info.op_type, rows[i].info.kernel, rows[i].count);
    }
}

void app_bench_profile_text(const struct app_bench_run *run)
{
    size_t count = run->profile.n_steps;
    struct row *rows = list_rows(run);
    if (!rows)
        return;
    double total = sum_ms(rows, count);
    putchar('\n');
    app_print_clean(stdout, run->model);
    printf(", %s, %zu thread%s: %zu steps, %.3f ms\n\n",
           cz_precision_name(run->options.plan.precision),
           run->options.plan.threads, run->options.plan.threads == 1 ? "" : "s",
           count, total);
    qsort(rows, count, sizeof *rows, compare);
    print_steps(rows, count, total);
    count = add_up(rows, count);
    qsort(rows, count, sizeof *rows, compare);
    print_kinds(rows, count, total);
    cz_free(rows);
}

/* ---- JSON ------------------------------------------------------------- */

static json_t *info_json(const struct cz_step_info *info)
{
    json_t *object = json_object();
    json_object_set_new(object, "op_type", app_json_text(info->op_type));
    json_object_set_new(object, "kernel", app_json_text(info->kernel));
    json_object_set_new(object, "layout", app_json_text(info->layout));
    json_object_set_new(object, "dims", app_json_dims(&info->dims));
    json_object_set_new(object, "macs", app_json_count(info->macs));
    return object;
}

json_t *app_bench_profile_json(const struct app_bench_run *run)
{
    if (!run->profile.n_steps)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < run->profile.n_steps; i++) {
        const struct cz_step_info info =
            cz_plan_step(cz_engine_plan(run->engine), i);
        json_t *object = info_json(&info);
        json_object_set_new(object, "name", app_json_text(info.name));
        json_object_set_new(object, "mean_ms",
                            json_real(run->profile.mean_ms[i]));
        json_array_append_new(list, object);
    }
    return list;
}

/* ---- the trace -------------------------------------------------------- */

/* Each run is a process of its own in the viewer. */
static json_t *run_name(const struct app_bench_run *run, size_t pid)
{
    char name[512];
    snprintf(name, sizeof name, "%s, %s, threads: %zu", run->model,
             cz_precision_name(run->options.plan.precision),
             run->options.plan.threads);
    json_t *args = json_object();
    json_object_set_new(args, "name", app_json_text(name));
    json_t *event = json_object();
    json_object_set_new(event, "name", json_string("process_name"));
    json_object_set_new(event, "ph", json_string("M"));
    json_object_set_new(event, "pid", app_json_count(pid));
    json_object_set_new(event, "args", args);
    return event;
}

static void add_events(json_t *events, const struct app_bench_run *run,
                       size_t pid)
{
    double start_us = 0;
    if (run->profile.n_steps)
        json_array_append_new(events, run_name(run, pid));
    for (size_t i = 0; i < run->profile.n_steps; i++) {
        const struct cz_step_info info =
            cz_plan_step(cz_engine_plan(run->engine), i);
        double duration_us = run->profile.last_ms[i] * 1e3;
        json_t *event = json_object();
        json_object_set_new(event, "name", app_json_text(info.name));
        json_object_set_new(event, "cat", app_json_text(info.op_type));
        json_object_set_new(event, "ph", json_string("X"));
        json_object_set_new(event, "ts", json_real(start_us));
        json_object_set_new(event, "dur", json_real(duration_us));
        json_object_set_new(event, "pid", app_json_count(pid));
        json_object_set_new(event, "tid", app_json_count(0));
        json_object_set_new(event, "args", info_json(&info));
        json_array_append_new(events, event);
        start_us += duration_us;
    }
}

enum cz_status app_bench_trace(const struct app_bench_run *runs, size_t n_runs,
                               const struct app_bench_options *options,
                               struct cz_error *err)
{
    json_t *events = json_array();
    for (size_t i = 0; i < n_runs; i++)
        add_events(events, &runs[i], i);
    json_t *root = json_object();
    json_object_set_new(root, "traceEvents", events);
    json_object_set_new(root, "displayTimeUnit", json_string("ms"));
    char *text = app_json_dump(root, JSON_REAL_PRECISION(10));
    json_decref(root);
    const enum cz_status status =
        text ? cz_output_print(options->trace, options->force, app_print_line,
                               text, err)
             : cz_error_nomem(err);
    cz_free(text);
    return status;
}
