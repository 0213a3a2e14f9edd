/* `compress bench`: every combination is loaded once, then they take turns. */
#include "app/bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/app.h"
#include "app/json_memory.h"
#include "app/precision.h"
#include "app/progress.h"
#include "app/tensor_file.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/output.h"

/* Threads spin for a while when a frame is over, in case another one follows
 * at once: those of oneDNN for 9 ms (those of ONNX Runtime are told to sleep).
 * Where others take turns on the same cores, each waits until they are quiet.
 */
#define PAUSE_MS 15

struct bench {
    const struct app_bench_options *options;
    int argc;
    char *const *argv; /* as the command got them */
    struct app_progress progress;
    struct app_bench_run *runs; /* owned, with what is in them */
    size_t n_runs;
    bool pauses; /* between turns */
};

/* ---- the combinations ------------------------------------------------- */

static void add_run(struct bench *bench, const char *model,
                    enum cz_engine_kind kind, enum cz_precision precision,
                    size_t threads)
{
    struct app_bench_run *run = &bench->runs[bench->n_runs++];
    run->model = model;
    run->options = bench->options->run.engine;
    run->options.kind = kind;
    run->options.plan.precision = precision;
    run->options.plan.threads = threads;
}

/* One for each precision; of other engines than ours there is one. */
static void add_engine(struct bench *bench, const char *model,
                       enum cz_engine_kind kind, size_t threads)
{
    const struct app_bench_options *o = bench->options;
    if (kind != CZ_ENGINE_COMPRESS) {
        add_run(bench, model, kind, CZ_PRECISION_FLOAT32, threads);
        return;
    }
    for (size_t p = 0; p < o->n_precisions; p++)
        add_run(bench, model, kind, o->precisions[p], threads);
}

static enum cz_status list_runs(struct bench *bench, struct cz_error *err)
{
    const struct app_bench_options *o = bench->options;
    bench->runs =
        cz_calloc(o->n_models * o->n_engines * o->n_threads * o->n_precisions,
                  sizeof *bench->runs);
    if (!bench->runs)
        return cz_error_nomem(err);
    for (size_t m = 0; m < o->n_models; m++)
        for (size_t t = 0; t < o->n_threads; t++)
            for (size_t e = 0; e < o->n_engines; e++)
                add_engine(bench, o->models[m], o->engines[e], o->threads[t]);
    for (size_t i = 0; i < bench->n_runs; i++) {
        struct cz_engine_options *options = &bench->runs[i].options;
        options->ort_sleeps = bench->n_runs > 1;
        bench->pauses |= bench->n_runs > 1 && options->plan.threads > 1;
    }
    return CZ_OK;
}

/* ---- the work --------------------------------------------------------- */

static enum cz_status tick(struct bench *bench, const char *stage, size_t done,
                           size_t total, struct cz_error *err)
{
    if (cz_progress_tick(&bench->progress.callback, stage, done, total))
        return CZ_OK;
    return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
}

/* All runs in turn, several times: the median time, the largest memory. The
 * start before the first one that counts fills the tuning cache. */
static enum cz_status measure_starts(struct bench *bench, struct cz_error *err)
{
    for (size_t s = 0; s <= APP_BENCH_STARTS; s++) {
        for (size_t i = 0; i < bench->n_runs; i++) {
            struct app_bench_run *run = &bench->runs[i];
            uint64_t peak = run->peak_rss_bytes;
            CZ_TRY(tick(bench, "start", s * bench->n_runs + i,
                        (APP_BENCH_STARTS + 1) * bench->n_runs, err));
            CZ_TRY(
                app_bench_measure_start(run, i, bench->argc, bench->argv, err));
            if (s == 0)
                continue;
            run->starts_ms[s - 1] = run->first_ms;
            if (s > 1 && run->peak_rss_bytes < peak)
                run->peak_rss_bytes = peak;
        }
    }
    for (size_t i = 0; i < bench->n_runs; i++)
        bench->runs[i].first_ms =
            app_latency(bench->runs[i].starts_ms, APP_BENCH_STARTS).median_ms;
    return CZ_OK;
}

/* The type that most of the model's parameters have. */
static enum cz_status find_precision(struct app_bench_run *run,
                                     struct cz_error *err)
{
    struct cz_model *model;
    struct cz_stats stats;
    CZ_TRY(cz_model_load(&model, run->model, err));
    cz_model_count(&stats, model);
    run->precision = stats.dtype;
    cz_model_free(model);
    return CZ_OK;
}

static enum cz_status load(struct bench *bench, struct cz_error *err)
{
    for (size_t i = 0; i < bench->n_runs; i++) {
        struct app_bench_run *run = &bench->runs[i];
        size_t n_inputs;
        CZ_TRY(tick(bench, "load", i, bench->n_runs, err));
        CZ_TRY(find_precision(run, err));
        CZ_TRY(cz_engine_open(&run->engine, run->model, &run->options, err));
        const struct cz_port *inputs = cz_engine_inputs(run->engine, &n_inputs);
        app_tensor_fill(inputs, n_inputs);
        run->times_ms = cz_calloc(bench->options->frames, sizeof(double));
        if (!run->times_ms)
            return cz_error_nomem(err);
    }
    return CZ_OK;
}

/* One frame of each. `times` is where their time goes; SIZE_MAX: nowhere. */
static enum cz_status take_turns(struct bench *bench, size_t frame,
                                 struct cz_error *err)
{
    static const struct timespec pause = {0, PAUSE_MS * 1000000};
    for (size_t i = 0; i < bench->n_runs; i++) {
        struct app_bench_run *run = &bench->runs[i];
        if (bench->pauses)
            nanosleep(&pause, NULL);
        double start = cz_now_ms();
        CZ_TRY(
            cz_error_prefix(err, cz_engine_run(run->engine, err), run->model));
        if (frame != SIZE_MAX)
            run->times_ms[frame] = cz_now_ms() - start;
    }
    return CZ_OK;
}

static enum cz_status run_frames(struct bench *bench, struct cz_error *err)
{
    const struct app_bench_options *o = bench->options;
    for (size_t i = 0; i < o->warmup; i++) {
        CZ_TRY(tick(bench, "warm up", i, o->warmup, err));
        CZ_TRY(take_turns(bench, SIZE_MAX, err));
    }
    for (size_t i = 0; i < o->frames; i++) {
        CZ_TRY(tick(bench, "frames", i, o->frames, err));
        CZ_TRY(take_turns(bench, i, err));
    }
    for (size_t i = 0; i < bench->n_runs; i++)
        bench->runs[i].latency =
            app_latency(bench->runs[i].times_ms, o->frames);
    return CZ_OK;
}

static enum cz_status profile(struct bench *bench, struct cz_error *err)
{
    const struct app_bench_options *o = bench->options;
    for (size_t i = 0; i < bench->n_runs && o->profile; i++) {
        struct app_bench_run *run = &bench->runs[i];
        CZ_TRY(tick(bench, "profile", i, bench->n_runs, err));
        CZ_TRY(cz_error_prefix(err, app_bench_profile(run, o->frames, err),
                               run->model));
    }
    return o->trace ? app_bench_trace(bench->runs, bench->n_runs, o, err)
                    : CZ_OK;
}

static enum cz_status work(struct bench *bench, struct cz_error *err)
{
    const struct app_bench_options *o = bench->options;
    if (o->trace)
        CZ_TRY(cz_output_check(o->trace, o->force, err));
    CZ_TRY(list_runs(bench, err));
    CZ_TRY(measure_starts(bench, err));
    CZ_TRY(load(bench, err));
    CZ_TRY(run_frames(bench, err));
    return profile(bench, err);
}

/* ---- the report ------------------------------------------------------- */

/* The precision of a run, which only our engine has. */
static const char *computed_in(const struct app_bench_run *run)
{
    return run->options.kind == CZ_ENGINE_COMPRESS
               ? cz_precision_name(run->options.plan.precision)
               : "-";
}

/* The type of the parameters, if there are any. */
static const char *type_of(const struct app_bench_run *run)
{
    return run->precision == CZ_DTYPE_UNDEFINED ? "-"
                                                : app_precision(run->precision);
}

static void print_row(const struct app_bench_run *run, double first_median_ms,
                      bool several)
{
    char peak[APP_NUMBER_BYTES];
    printf("%-12s %-5s %-8s %7zu %9.2f %9.2f %9.2f %9.2f %9.1f %9s",
           cz_engine_name(run->options.kind), type_of(run), computed_in(run),
           run->options.plan.threads, run->latency.min_ms,
           run->latency.median_ms, run->latency.p90_ms, run->latency.p99_ms,
           run->first_ms, app_bytes(peak, run->peak_rss_bytes));
    if (several)
        printf(" %6.3f", run->latency.median_ms / first_median_ms);
    fputs("  ", stdout);
    app_print_clean(stdout, run->model);
    putchar('\n');
}

/* What came of the precisions that were asked for. */
static void print_precisions(const struct bench *bench)
{
    for (size_t i = 0; i < bench->n_runs; i++) {
        const struct app_bench_run *run = &bench->runs[i];
        char text[APP_PRECISION_BYTES];
        if (run->options.plan.precision == CZ_PRECISION_FLOAT32)
            continue;
        const struct cz_precision_report report =
            cz_plan_precision(cz_engine_plan(run->engine));
        app_print_clean(stdout, run->model);
        printf(", %zu thread%s: %s\n", run->options.plan.threads,
               run->options.plan.threads == 1 ? "" : "s",
               app_precision_text(text, &report));
    }
}

static void print_text(const struct bench *bench)
{
    bool several = bench->n_runs > 1;
    printf("%-12s %-5s %-8s %7s %9s %9s %9s %9s %9s %9s%s  %s\n", "engine",
           "type", "computes", "threads", "min ms", "median", "p90", "p99",
           "first ms", "peak", several ? "  ratio" : "", "model");
    for (size_t i = 0; i < bench->n_runs; i++)
        print_row(&bench->runs[i], bench->runs[0].latency.median_ms, several);
    print_precisions(bench);
    for (size_t i = 0; i < bench->n_runs; i++) {
        if (bench->runs[i].profile.n_steps)
            app_bench_profile_text(&bench->runs[i]);
    }
}

/* From the fastest to the slowest: app_latency() sorts them. */
static json_t *times_json(const struct app_bench_run *run, size_t frames)
{
    json_t *list = json_array();
    for (size_t i = 0; i < frames; i++)
        json_array_append_new(list, app_json_ms(run->times_ms[i]));
    return list;
}

static json_t *run_json(const struct app_bench_run *run,
                        const struct app_bench_options *options)
{
    const struct app_latency *l = &run->latency;
    json_t *object = json_object();
    json_object_set_new(object, "model", app_json_text(run->model));
    json_object_set_new(object, "engine",
                        json_string(cz_engine_name(run->options.kind)));
    json_object_set_new(object, "precision",
                        json_string(app_precision(run->precision)));
    json_object_set_new(object, "compute",
                        app_plan_json(cz_engine_plan(run->engine)));
    json_object_set_new(object, "threads",
                        app_json_count(run->options.plan.threads));
    json_object_set_new(object, "frames", app_json_count(options->frames));
    json_object_set_new(object, "min_ms", app_json_ms(l->min_ms));
    json_object_set_new(object, "median_ms", app_json_ms(l->median_ms));
    json_object_set_new(object, "p90_ms", app_json_ms(l->p90_ms));
    json_object_set_new(object, "p99_ms", app_json_ms(l->p99_ms));
    json_object_set_new(object, "first_ms", app_json_ms(run->first_ms));
    json_object_set_new(object, "peak_rss_bytes",
                        app_json_count(run->peak_rss_bytes));
    if (options->times)
        json_object_set_new(object, "times_ms",
                            times_json(run, options->frames));
    json_object_set_new(object, "profile", app_bench_profile_json(run));
    return object;
}

static void print_json(const struct bench *bench)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < bench->n_runs; i++)
        json_array_append_new(runs, run_json(&bench->runs[i], bench->options));
    json_t *root = json_object();
    json_object_set_new(root, "schema", json_string("compress.bench/1"));
    json_object_set_new(root, "runs", runs);
    app_print_json(root);
}

/* ---- from start to end ------------------------------------------------ */

static void fini(struct bench *bench)
{
    for (size_t i = 0; i < bench->n_runs; i++) {
        cz_engine_close(bench->runs[i].engine);
        cz_free(bench->runs[i].times_ms);
        app_bench_profile_fini(&bench->runs[i].profile);
    }
    cz_free(bench->runs);
}

static int run(struct bench *bench)
{
    const struct app_bench_options *o = bench->options;
    struct cz_error err = CZ_ERROR_INIT;
    app_progress_init(&bench->progress, o->quiet || o->json);
    enum cz_status status = work(bench, &err);
    app_progress_fini(&bench->progress);
    if (status == CZ_OK && o->json)
        print_json(bench);
    else if (status == CZ_OK && !o->quiet)
        print_text(bench);
    return status == CZ_OK ? APP_DONE : app_fail(&err);
}

static int run_child(struct bench *bench)
{
    const struct app_bench_options *o = bench->options;
    struct cz_error err = CZ_ERROR_INIT;
    if (list_runs(bench, &err) != CZ_OK)
        return app_fail(&err);
    if (o->child_run >= bench->n_runs)
        return APP_USAGE;
    return app_bench_be_child(&bench->runs[o->child_run], (int)o->child_fd);
}

/* Copies of the arguments; parsing splits them. */
static char **copy_arguments(struct cz_arena *arena, int argc, char **argv)
{
    char **copy = cz_arena_alloc(arena, (size_t)argc, sizeof *copy);
    for (int i = 0; copy && i < argc; i++) {
        copy[i] = cz_arena_strdup(arena, argv[i], strlen(argv[i]));
        if (!copy[i])
            return NULL;
    }
    return copy;
}

int app_bench(int argc, char **argv)
{
    struct app_bench_options options;
    struct cz_arena arena = {0};
    struct bench bench = {.options = &options, .argc = argc};
    struct cz_error err = CZ_ERROR_INIT;
    int exit_code;
    bench.argv = copy_arguments(&arena, argc, argv);
    if (!bench.argv) {
        cz_error_nomem(&err);
        return app_fail(&err);
    }
    if (app_bench_options_parse(&options, argc, argv, &exit_code))
        exit_code = options.is_child ? run_child(&bench) : run(&bench);
    fini(&bench);
    app_bench_options_fini(&options);
    cz_arena_fini(&arena);
    return exit_code;
}
