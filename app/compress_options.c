/* Command line of `compress MODEL`: getopt, defaults, what goes with what. */
#include "app/compress_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/arguments.h"
#include "core/alloc.h"
#include "core/parallel.h"

static const char help[] =
    "Usage: compress MODEL.onnx [--prune P [--recover lsq]] [--int8] [--fp16]\n"
    "                [--calib DIR] [-o OUT.onnx]\n"
    "       compress inspect MODEL.onnx\n"
    "       compress infer MODEL.onnx --input X.f32 --output Y.f32\n"
    "       compress bench MODEL.onnx...\n"
    "       compress detect MODEL.onnx IMAGE|DIR...\n"
    "       compress camera MODEL.onnx --source 0|FILE|URL|PIPELINE\n"
    "       compress eval MODEL.onnx... --ann FILE\n"
    "       compress sensitivity MODEL.onnx --calib DIR\n"
    "       compress run CONFIG.yaml\n"
    "\n"
    "Makes a YOLO-style detector smaller and shows what changed.\n"
    "\n"
    "  compress yolov8n.onnx --prune 0.05 --fp16\n"
    "\n"
    "Pruning\n" APP_PRUNE_HELP "\n"
    "Precision\n"
    "  --fp16                float16 weights and computation; inputs, outputs\n"
    "                        and the box decode stay float32; with --int8 "
    "what\n"
    "                        that leaves float\n"
    "  --fp16-io             float16 inputs and outputs too\n"
    "  --fp16-all            float16 box decode too (steps of up to half a\n"
    "                        pixel)\n"
    "  --int8                8-bit weights and activations; the box decode "
    "and\n"
    "                        the convolutions before it stay "
    "float32\n" APP_INT8_HELP
    "  --keep NAME           a Conv that stays float32; may be repeated; "
    "none: all\n"
    "                        become int8; without it trials on some images "
    "tell\n"
    "                        which few to keep\n"
    "  --rounding R          of weights: learned from the images, with biases\n"
    "                        (default), or nearest, in less time\n"
    "  --max-drop D          mAP50-95 that int8 may lose (0.01; 0 to 1): more "
    "is\n"
    "                        tried until it loses less; exit code 4 where it\n"
    "                        surely loses more even so\n"
    "  --ann FILE            annotations of the --calib images (COCO's .json,\n"
    "                        YOLO's .yaml), to measure that; without them it "
    "is\n"
    "                        estimated from the boxes\n"
    "  --strict              weights beyond float16's 65504 are an error, not\n"
    "                        clamped\n"
    "  --board NAME          nano, tx2, xavier-nx, agx-xavier, orin-nano, "
    "orin-nx,\n"
    "                        agx-orin, pi4 or pi5: chooses --target, refuses "
    "what it\n"
    "                        cannot compute in, says what it gains\n"
    "\n"
    "General\n"
    "  -o, --output FILE     where to write; without it beside the model, as\n"
    "                        yolov8n-p05-fp16.onnx\n"
    "  -f, --force           overwrite FILE\n"
    "  -j, --json            print one JSON object on stdout, nothing else\n"
    "  -q, --quiet           print nothing but errors\n"
    "  -v, --verbose         one line for each Conv\n"
    "  -t, --threads N       default: the cores that this process may use\n"
    "  -h, --help            this text\n"
    "  -V, --version\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 input rejected, 4 int8\n"
    "surely loses more than --max-drop, or a gate of `run` does not hold,\n"
    "130 interrupted\n";

enum {
    OPTION_FP16 = 256,
    OPTION_FP16_IO,
    OPTION_FP16_ALL,
    OPTION_STRICT,
    OPTION_INT8,
    OPTION_BOARD,
    OPTION_ROUNDING,
    OPTION_MAX_DROP,
    OPTION_ANN,
};

static const struct option long_options[] = {
    APP_PRUNE_LONG_OPTIONS,
    {"fp16", no_argument, NULL, OPTION_FP16},
    {"fp16-io", no_argument, NULL, OPTION_FP16_IO},
    {"fp16-all", no_argument, NULL, OPTION_FP16_ALL},
    {"strict", no_argument, NULL, OPTION_STRICT},
    {"int8", no_argument, NULL, OPTION_INT8},
    {"board", required_argument, NULL, OPTION_BOARD},
    APP_INT8_LONG_OPTIONS,
    {"rounding", required_argument, NULL, OPTION_ROUNDING},
    {"max-drop", required_argument, NULL, OPTION_MAX_DROP},
    {"ann", required_argument, NULL, OPTION_ANN},
    {"output", required_argument, NULL, 'o'},
    {"force", no_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"threads", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const struct app_number threads_number = {"compress", "--threads", 1,
                                                 CZ_THREADS_MAX};

static bool parse_rounding(bool *learn, const char *text)
{
    *learn = strcmp(text, "learned") == 0;
    return *learn || strcmp(text, "nearest") == 0 ||
           (app_usage_error("compress",
                            "--rounding %s: want learned or nearest", text),
            false);
}

static bool parse_max_drop(double *drop, const char *text)
{
    char *end;
    *drop = strtod(text, &end);
    if (end != text && !*end && *drop >= 0 && *drop <= 1)
        return true;
    app_usage_error("compress",
                    "--max-drop %s: want what mAP50-95 may fall by, 0 to 1, "
                    "such as 0.01 for a point",
                    text);
    return false;
}

struct parser {
    struct app_compress_options *options;
    const char *output;
    int exit_code; /* of a command that is over */
};

/* False after a usage error or when the command is over. */
static bool parse_option(struct parser *p, int option)
{
    struct app_compress_options *o = p->options;
    if (app_is_prune_option(option))
        return app_parse_prune_option(&o->pruning, option, optarg);
    if (app_is_int8_option(option))
        return app_parse_int8_option(&o->int8_options, option, optarg);
    switch (option) {
    case OPTION_FP16:
        o->fp16 = true;
        return true;
    case OPTION_FP16_IO:
        o->fp16_options.half_io = true;
        return true;
    case OPTION_FP16_ALL:
        o->fp16_options.half_decode = true;
        return true;
    case OPTION_STRICT:
        o->fp16_options.strict = true;
        return true;
    case OPTION_INT8:
        o->int8 = true;
        return true;
    case OPTION_BOARD:
        o->board = app_board_find(optarg);
        return o->board != NULL;
    case OPTION_ROUNDING:
        return parse_rounding(&o->int8_options.learn, optarg);
    case OPTION_MAX_DROP:
        return parse_max_drop(&o->int8_options.max_drop, optarg);
    case OPTION_ANN:
        o->int8_options.annotations = optarg;
        return true;
    case 'o':
        p->output = optarg;
        return true;
    case 'f':
        o->force = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    case 'v':
        o->verbose = true;
        return true;
    case 't':
        return app_parse_number(&o->pruning.prune.threads, &threads_number,
                                optarg);
    case 'h':
        fputs(help, stdout);
        p->exit_code = APP_DONE;
        return false;
    case 'V':
        puts("compress " APP_VERSION);
        p->exit_code = APP_DONE;
        return false;
    default: /* getopt has said what is wrong */
        fputs("Try 'compress --help'.\n", stderr);
        return false;
    }
}

/* Images are for int8, and for pruning that makes up for what goes. */
static bool check_images(const struct app_compress_options *o)
{
    const struct app_int8_options *int8 = &o->int8_options;
    const bool by_images = app_prune_needs_images(&o->pruning);
    if ((o->int8 || by_images) && !int8->calib)
        return app_usage_error(
                   "compress",
                   "%s wants --calib DIR, a folder of images like those that "
                   "the model will see%s",
                   o->int8 ? "--int8" : app_prune_images_option(&o->pruning),
                   o->int8 || !app_prune_cuts(&o->pruning)
                       ? ""
                       : "; without (--importance l1, no --recover) nothing "
                         "makes up for what is cut, and accuracy goes with it"),
               false;
    if (!o->int8 && !by_images && (int8->calib || int8->has_images))
        return app_usage_error("compress",
                               "--calib and --calib-images go with --int8, "
                               "--recover lsq, --sparsity auto, --channels, "
                               "--target-macs or --target-ms"),
               false;
    if (!o->int8 && !app_int8_options_are_default(int8))
        return app_usage_error("compress",
                               "--target, --ranges, --keep, --rounding, "
                               "--max-drop and --ann go with --int8"),
               false;
    return true;
}

/* What one option demands of the others. */
static bool check_together(struct app_compress_options *o)
{
    const struct cz_fp16_options *fp16 = &o->fp16_options;
    /* What else would the images be for? */
    o->pruning.recover |=
        app_prune_cuts(&o->pruning) && !o->int8 && o->int8_options.calib;
    if (!app_prune_options_check(&o->pruning))
        return false;
    if (!o->fp16 && (fp16->half_io || fp16->half_decode || fp16->strict))
        return app_usage_error("compress",
                               "--fp16-io, --fp16-all and --strict go with "
                               "--fp16"),
               false;
    if (!check_images(o))
        return false;
    if (!o->pruning.is_asked && !o->fp16 && !o->int8)
        return app_usage_error("compress",
                               "%s: nothing to do; add --prune 0.05, --fp16, "
                               "--int8, or several",
                               o->model),
               false;
    return true;
}

/* What the board can run, and for which runtime. */
static bool check_board(struct parser *p)
{
    struct app_compress_options *o = p->options;
    struct app_int8_options *int8 = &o->int8_options;
    struct cz_error err = CZ_ERROR_INIT;
    if (!o->board)
        return true;
    if (app_board_check(o->board, o->int8, &err) != CZ_OK) {
        p->exit_code = app_fail(&err);
        return false;
    }
    if (int8->has_target && int8->int8.target != o->board->target) {
        app_usage_error("compress",
                        "--target %s is not for --board %s: leave it out, or "
                        "take %s",
                        cz_int8_target_name(int8->int8.target), o->board->name,
                        cz_int8_target_name(o->board->target));
        return false;
    }
    int8->int8.target = o->board->target;
    return true;
}

/* The cast comes behind int8. */
static void choose_codes(struct app_compress_options *o)
{
    if (o->int8)
        o->fp16_options.codes = o->int8_options.int8.target == CZ_INT8_TENSORRT
                                    ? CZ_FP16_CODES_HALF
                                    : CZ_FP16_CODES_FLOAT;
}

/* "-p05" and the like: what goes, or what is to be left. */
static void name_pruning(char *name, size_t size,
                         const struct app_prune_options *o)
{
    if (o->prune.nm.m)
        snprintf(name, size, "-%zu-%zu", o->prune.nm.n, o->prune.nm.m);
    else if (o->prune.sparsity > 0)
        snprintf(name, size, "-p%02g", o->prune.sparsity * 100);
    else if (o->channels > 0)
        snprintf(name, size, "-c%02g", o->channels * 100);
    else if (o->target_macs > 0)
        snprintf(name, size, "-macs%02g", o->target_macs * 100);
    else if (o->target_ms > 0)
        snprintf(name, size, "-ms%g", o->target_ms);
    else if (o->prune.n_rules)
        snprintf(name, size, "-pruned");
}

/* dir/yolov8n.onnx -> dir/yolov8n-p05-fp16.onnx */
static char *default_output(const struct app_compress_options *o)
{
    size_t length = strlen(o->model);
    size_t size = length + 128;
    const struct app_prune_options *pruning = &o->pruning;
    char *name = cz_malloc(size);
    char prune[64] = "", cluster[32] = "";
    if (!name)
        return NULL;
    if (length > 5 && strcmp(o->model + length - 5, ".onnx") == 0)
        length -= 5;
    name_pruning(prune, sizeof prune, pruning);
    if (pruning->clusters)
        snprintf(cluster, sizeof cluster, "-k%zu", pruning->clusters);
    snprintf(name, size, "%.*s%s%s%s%s.onnx", (int)length, o->model, prune,
             cluster, o->int8 ? "-int8" : "", o->fp16 ? "-fp16" : "");
    return name;
}

static int out_of_memory(void)
{
    struct cz_error err;
    cz_error_nomem(&err);
    return app_fail(&err);
}

static bool read_all(struct parser *p, int argc, char **argv)
{
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "o:fjqvt:hV", long_options,
                                 NULL)) != -1) {
        if (!parse_option(p, option))
            return false;
    }
    return true;
}

static bool check_all(struct parser *p, int argc, char **argv)
{
    struct app_compress_options *o = p->options;
    if (optind == argc)
        return app_usage_error("compress", "no model given"), false;
    if (optind + 1 < argc)
        return app_usage_error("compress", "one model at a time: '%s' and '%s'",
                               argv[optind], argv[optind + 1]),
               false;
    if (p->output && !*p->output)
        return app_usage_error("compress", "--output wants a file name"), false;
    if (!*argv[optind])
        return app_usage_error("compress", "the model's name is empty"), false;
    o->model = argv[optind];
    if (!check_together(o) || !check_board(p))
        return false;
    choose_codes(o);
    o->output = p->output ? cz_strdup(p->output) : default_output(o);
    if (!o->output)
        p->exit_code = out_of_memory();
    return o->output != NULL;
}

const struct option *app_compress_long_options(void)
{
    return long_options;
}

static bool parse(struct app_compress_options *options, int argc, char **argv,
                  int *exit_code, bool with_check)
{
    *options = (struct app_compress_options){
        .fp16_options = CZ_FP16_OPTIONS_INIT,
    };
    struct parser parser = {.options = options, .exit_code = APP_USAGE};
    if (!app_prune_options_init(&options->pruning, argc) ||
        !app_int8_options_init(&options->int8_options, "compress", argc)) {
        *exit_code = out_of_memory();
        return false;
    }
    const bool go_on = read_all(&parser, argc, argv) &&
                       (!with_check || check_all(&parser, argc, argv));
    *exit_code = parser.exit_code;
    return go_on;
}

bool app_compress_options_read(struct app_compress_options *options, int argc,
                               char **argv, int *exit_code)
{
    return parse(options, argc, argv, exit_code, false);
}

bool app_compress_options_parse(struct app_compress_options *options, int argc,
                                char **argv, int *exit_code)
{
    return parse(options, argc, argv, exit_code, true);
}

bool app_compress_needs_images(const struct app_compress_options *options)
{
    return options->int8 || app_prune_needs_images(&options->pruning);
}

void app_compress_options_fini(struct app_compress_options *options)
{
    cz_free(options->output);
    app_prune_options_fini(&options->pruning);
    app_int8_options_fini(&options->int8_options);
}
