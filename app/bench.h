/* The parts of `compress bench`: its options, one row for each combination of
 * model, engine, precision and threads, and what is made of the rows. */
#ifndef CZ_APP_BENCH_H
#define CZ_APP_BENCH_H

#include <getopt.h>
#include <jansson.h>

#include "app/arguments.h"
#include "app/latency.h"

#define APP_BENCH_THREADS_MAX 8 /* numbers that --threads takes */
#define APP_BENCH_STARTS 5      /* of which first_ms is the median */

struct app_bench_options {
    struct app_engine_options run; /* without engine, threads, precision */
    const char *const *models;     /* [n_models] */
    size_t n_models;
    enum cz_engine_kind engines[CZ_ENGINE_COUNT]; /* [n_engines] */
    size_t n_engines;
    enum cz_precision precisions[CZ_PRECISION_COUNT]; /* [n_precisions] */
    size_t n_precisions;
    size_t threads[APP_BENCH_THREADS_MAX]; /* [n_threads] */
    size_t n_threads;
    size_t frames, warmup;
    bool profile, times, json, quiet;
    const char *trace; /* file for the Chrome trace, or NULL */
    bool force;        /* overwrite it */
    /* For the processes that measure a start: which run, and where to write
     * the result; see bench_start.c. */
    bool is_child;
    size_t child_run, child_fd;
};

/* Parses the command line. False when the command is over, with its exit code
 * in `*exit_code`. Ends with _fini in any case. */
bool app_bench_options_parse(struct app_bench_options *options, int argc,
                             char **argv, int *exit_code);
void app_bench_options_fini(struct app_bench_options *options);

/* The options that there are; the last has no name. */
const struct option *app_bench_long_options(void);

/* What the steps of a plan took: means over the frames. */
struct app_bench_profile {
    size_t n_steps;
    double *mean_ms; /* [n_steps]; owned */
    double *last_ms; /* of the last frame; owned */
};

struct app_bench_run {
    const char *model;
    struct cz_engine_options options; /* with engine, threads, precision */
    enum cz_dtype precision;          /* that most parameters have */
    struct cz_engine *engine;
    double *times_ms; /* [frames] */
    struct app_latency latency;
    double starts_ms[APP_BENCH_STARTS];
    double first_ms; /* from nothing to the end of the first frame: median */
    uint64_t peak_rss_bytes;
    struct app_bench_profile profile; /* n_steps 0: none */
};

/* Fills in first_ms and peak_rss_bytes of the run, which is the command's
 * index-th, from a process that does nothing else: this program once more, with
 * the arguments of this command ([argc], as app_bench() got them). */
enum cz_status app_bench_measure_start(struct app_bench_run *run, size_t index,
                                       int argc, char *const *argv,
                                       struct cz_error *err);

/* What that process does; gives its exit code. */
int app_bench_be_child(const struct app_bench_run *run, int fd);

/* Runs `frames` frames with a clock at each step; a run without a plan gets no
 * profile. */
enum cz_status app_bench_profile(struct app_bench_run *run, size_t frames,
                                 struct cz_error *err);
void app_bench_profile_fini(struct app_bench_profile *profile);

/* The profiles' last frames in Chrome's trace event format. */
enum cz_status app_bench_trace(const struct app_bench_run *runs, size_t n_runs,
                               const struct app_bench_options *options,
                               struct cz_error *err);

/* The table of one profile, and as JSON (null where there is none). */
void app_bench_profile_text(const struct app_bench_run *run);
json_t *app_bench_profile_json(const struct app_bench_run *run);

#endif
