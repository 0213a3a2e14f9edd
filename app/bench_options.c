/* Command line of `compress bench`. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/bench.h"
#include "app/precision.h"
#include "core/parallel.h"

#define COMMAND "compress bench"
#define FRAMES_MAX 1000000

static const char help[] =
    "Usage: compress bench MODEL.onnx... [--engine E[,E...]] [--threads "
    "N[,N...]]\n"
    "\n"
    "Measures how long a frame takes, for each combination of model, engine,\n"
    "precision and number of threads. They take turns, a frame each, so that "
    "a\n"
    "slow moment of the machine meets all of them. Inputs are random numbers.\n"
    "\n"
    "  --engine E[,E...]   compress (default), ort (ONNX Runtime), ort:cuda,\n"
    "                      ort:tensorrt\n"
    "  --precision P[,P...]\n"
    "                      float32 (default), bf16, fp16 or auto (16 bits "
    "where\n"
    "                      they are timed to be faster): what convolutions of "
    "our\n"
    "                      engine round their operands to\n"
    "  -t, --threads N[,N...]\n"
    "                      default: the cores that this process may use\n"
    "  -n, --frames N      frames to measure (100)\n"
    "  --warmup N          frames before these (10)\n" APP_ENGINE_HELP
    "  --profile           what each step of our engine takes\n"
    "  --trace FILE        one frame's steps for chrome://tracing or "
    "Perfetto;\n"
    "                      goes with --profile\n"
    "  --times             with --json: the time of each frame\n"
    "  -f, --force         overwrite FILE\n"
    "  -j, --json          print one JSON object on stdout, nothing else\n"
    "  -q, --quiet         print nothing but errors\n"
    "  -h, --help          this text\n";

enum {
    OPTION_ENGINE = 256,
    OPTION_PRECISION,
    OPTION_WARMUP,
    OPTION_PROFILE,
    OPTION_TRACE,
    OPTION_TIMES,
    OPTION_START_OF,
};

static const struct option long_options[] = {
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"precision", required_argument, NULL, OPTION_PRECISION},
    {"threads", required_argument, NULL, 't'},
    {"frames", required_argument, NULL, 'n'},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    APP_ENGINE_LONG_OPTIONS,
    {"profile", no_argument, NULL, OPTION_PROFILE},
    {"trace", required_argument, NULL, OPTION_TRACE},
    {"times", no_argument, NULL, OPTION_TIMES},
    {"start-of", required_argument, NULL, OPTION_START_OF}, /* not for users */
    {"force", no_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Names with commas between them, which become ends of strings. */
static bool parse_engines(struct app_bench_options *options, char *text)
{
    char *end = text;
    options->n_engines = 0;
    while (end) {
        end = strchr(text, ',');
        if (end)
            *end = 0;
        if (options->n_engines == CZ_ENGINE_COUNT) {
            app_usage_error(COMMAND, "--engine: at most %d engines",
                            CZ_ENGINE_COUNT);
            return false;
        }
        if (!app_parse_engine(&options->engines[options->n_engines++], COMMAND,
                              text))
            return false;
        text = end + 1;
    }
    return true;
}

/* "RUN,FD" */
static bool parse_start_of(struct app_bench_options *o, const char *text)
{
    static const struct app_number what = {COMMAND, "--start-of", 0, INT_MAX};
    size_t numbers[2], count;
    o->is_child =
        app_parse_numbers(numbers, &count, 2, &what, text) && count == 2;
    if (!o->is_child)
        return false;
    o->child_run = numbers[0];
    o->child_fd = numbers[1];
    return true;
}

/* False after a usage error, or when the command is over. */
static bool parse_option(struct app_bench_options *o, int option,
                         int *exit_code)
{
    static const struct app_number threads = {COMMAND, "--threads", 1,
                                              CZ_THREADS_MAX};
    static const struct app_number frames = {COMMAND, "--frames", 1,
                                             FRAMES_MAX};
    static const struct app_number warmup = {COMMAND, "--warmup", 0,
                                             FRAMES_MAX};
    switch (option) {
    case OPTION_ENGINE:
        return parse_engines(o, optarg);
    case OPTION_PRECISION:
        return app_parse_precisions(o->precisions, &o->n_precisions, COMMAND,
                                    optarg);
    case 't':
        return app_parse_numbers(o->threads, &o->n_threads,
                                 APP_BENCH_THREADS_MAX, &threads, optarg);
    case 'n':
        return app_parse_number(&o->frames, &frames, optarg);
    case OPTION_WARMUP:
        return app_parse_number(&o->warmup, &warmup, optarg);
    case OPTION_PROFILE:
        o->profile = true;
        return true;
    case OPTION_TRACE:
        o->trace = optarg;
        return true;
    case OPTION_TIMES:
        o->times = true;
        return true;
    case OPTION_START_OF:
        return parse_start_of(o, optarg);
    case 'f':
        o->force = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    case 'h':
        fputs(help, stdout);
        *exit_code = APP_DONE;
        return false;
    default:
        return app_engine_option(&o->run, option, optarg);
    }
}

/* What one option demands of the others. */
static bool check_together(const struct app_bench_options *o)
{
    bool has_plan = false;
    for (size_t i = 0; i < o->n_engines; i++)
        has_plan |= o->engines[i] == CZ_ENGINE_COMPRESS;
    if (o->trace && (!o->profile || !*o->trace))
        return app_usage_error(COMMAND, "--trace FILE goes with --profile"),
               false;
    if (!has_plan && (o->n_precisions > 1 || o->precisions[0]))
        return app_usage_error(COMMAND, APP_PRECISION_ENGINE), false;
    if (o->profile && !has_plan)
        return app_usage_error(COMMAND,
                               "--profile goes with --engine compress"),
               false;
    return true;
}

const struct option *app_bench_long_options(void)
{
    return long_options;
}

bool app_bench_options_parse(struct app_bench_options *options, int argc,
                             char **argv, int *exit_code)
{
    *options = (struct app_bench_options){
        .engines = {CZ_ENGINE_COMPRESS},
        .n_engines = 1,
        .precisions = {CZ_PRECISION_FLOAT32},
        .n_precisions = 1,
        .threads = {cz_cpu_count()},
        .n_threads = 1,
        .frames = 100,
        .warmup = 10,
    };
    *exit_code = APP_FAILED;
    if (!app_engine_options_init(&options->run, COMMAND, argc))
        return false;
    *exit_code = APP_USAGE;
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "t:n:fjqh", long_options, NULL)) !=
           -1) {
        if (!parse_option(options, option, exit_code))
            return false;
    }
    if (optind == argc)
        return app_usage_error(COMMAND, "want a model, or several"), false;
    options->models = (const char *const *)argv + optind;
    options->n_models = (size_t)(argc - optind);
    return check_together(options);
}

void app_bench_options_fini(struct app_bench_options *options)
{
    app_engine_options_fini(&options->run);
}
