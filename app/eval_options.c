/* Command line of `compress eval`. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "app/arguments.h"
#include "app/eval.h"
#include "core/alloc.h"

#define COMMAND "compress eval"
#define RESAMPLES_MAX 1000000

static const char help[] =
    "Usage: compress eval MODEL.onnx... --ann FILE.json [--images DIR]\n"
    "       compress eval --dets DETS.json... --ann FILE.json\n"
    "\n"
    "Tells how good a detector is: COCO's twelve numbers, as pycocotools "
    "gives\n"
    "them, and what an image takes. With several models, which take turns on\n"
    "each image, or files of detections, also how each differs from the\n"
    "first, and whether that is more than noise.\n"
    "\n"
    "  --ann FILE          what there is: COCO's instances JSON, or a YOLO "
    "data.yaml\n"
    "  --images DIR        where the images are; default: beside FILE, or in\n"
    "                      images/ there\n"
    "  --dets FILE         detections in COCO's results format; may be "
    "repeated\n"
    "  --save-dets FILE    write the model's detections in that format\n"
    "  --limit N           only the first N images of the annotations\n"
    "  --classes LIST      only these: names or ids with commas between\n"
    "  --strict            an image that cannot be read is an error; else it "
    "is\n"
    "                      named and left out\n"
    "  --per-class         AP, AP50, AR and the best confidence of each class\n"
    "  --curves            precision by recall of each class, at IoU .50\n"
    "  --confusion         which class was taken for which, at confidence .25 "
    "and\n"
    "                      IoU .45\n"
    "  --resamples N       draws of images for the intervals of differences "
    "(1000)\n"
    "  --seed N            of these draws (1)\n"
    "  --conf P            lowest score (0.001)\n" APP_ENGINE_KIND_HELP
    "  -t, --threads N     images at work at a time; default: the cores that\n"
    "                      this process may use\n" APP_DETECTOR_HELP
    "  -f, --force         overwrite FILE of --save-dets\n" APP_OUTPUT_HELP;

enum {
    OPTION_DETS = 256,
    OPTION_IMAGES,
    OPTION_SAVE_DETS,
    OPTION_STRICT,
    OPTION_ANN,
    OPTION_LIMIT,
    OPTION_CLASSES,
    OPTION_PER_CLASS,
    OPTION_CURVES,
    OPTION_CONFUSION,
    OPTION_RESAMPLES,
    OPTION_SEED,
};

static const struct option long_options[] = {
    {"dets", required_argument, NULL, OPTION_DETS},
    {"ann", required_argument, NULL, OPTION_ANN},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"classes", required_argument, NULL, OPTION_CLASSES},
    {"per-class", no_argument, NULL, OPTION_PER_CLASS},
    {"curves", no_argument, NULL, OPTION_CURVES},
    {"confusion", no_argument, NULL, OPTION_CONFUSION},
    {"resamples", required_argument, NULL, OPTION_RESAMPLES},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"images", required_argument, NULL, OPTION_IMAGES},
    {"save-dets", required_argument, NULL, OPTION_SAVE_DETS},
    {"strict", no_argument, NULL, OPTION_STRICT},
    APP_DETECTOR_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

/* A number, from `low` to `high`. */
static bool number(size_t *value, const char *option, size_t low, size_t high)
{
    const struct app_number what = {COMMAND, option, low, high};
    return app_parse_number(value, &what, optarg);
}

/* What is to be evaluated, and against what. */
static bool parse_source(struct app_eval_options *o, int option)
{
    switch (option) {
    case OPTION_DETS:
        o->sources[o->n_sources++] = optarg;
        return true;
    case OPTION_ANN:
        o->annotations = optarg;
        return true;
    case OPTION_IMAGES:
        o->images = optarg;
        return true;
    case OPTION_LIMIT:
        return number(&o->limit, "--limit", 1, SIZE_MAX);
    case OPTION_CLASSES:
        o->classes = optarg;
        return true;
    case OPTION_STRICT:
        return o->strict = true;
    default:
        o->save_dets = optarg;
        return true;
    }
}

/* What is to be told. */
static bool parse_report(struct app_eval_options *o, int option)
{
    switch (option) {
    case OPTION_PER_CLASS:
        return o->per_class = true;
    case OPTION_CURVES:
        return o->curves = true;
    case OPTION_CONFUSION:
        return o->confusion = true;
    case OPTION_RESAMPLES:
        return number(&o->resamples, "--resamples", 1, RESAMPLES_MAX);
    default:
        return number(&o->seed, "--seed", 0, SIZE_MAX);
    }
}

/* The options that detections of others have no use for. */
static bool is_for_models(int option)
{
    switch (option) {
    case 't':
    case 'f':
    case 'j':
    case 'q':
    case 'h':
    case '?':
    case OPTION_DETS:
    case OPTION_ANN:
    case OPTION_SAVE_DETS: /* says so itself */
    case OPTION_LIMIT:
    case OPTION_CLASSES:
    case OPTION_PER_CLASS:
    case OPTION_CURVES:
    case OPTION_CONFUSION:
    case OPTION_RESAMPLES:
    case OPTION_SEED:
        return false;
    default:
        return true;
    }
}

static const char *option_name(int option)
{
    const struct option *o = long_options;
    while (o->name && o->val != option)
        o++;
    return o->name;
}

/* False after a usage error, or when the command is over. */
static bool parse_option(struct app_eval_options *o, int option, int *exit_code)
{
    switch (option) {
    case OPTION_DETS:
    case OPTION_ANN:
    case OPTION_IMAGES:
    case OPTION_LIMIT:
    case OPTION_CLASSES:
    case OPTION_STRICT:
    case OPTION_SAVE_DETS:
        return parse_source(o, option);
    case OPTION_PER_CLASS:
    case OPTION_CURVES:
    case OPTION_CONFUSION:
    case OPTION_RESAMPLES:
    case OPTION_SEED:
        return parse_report(o, option);
    default:
        return app_detector_option(&o->detector, option, optarg, exit_code);
    }
}

static bool check_together(const struct app_eval_options *o)
{
    if (!o->n_sources)
        return app_usage_error(COMMAND, "want a model, or detections: --dets "
                                        "FILE"),
               false;
    if (!o->annotations)
        return app_usage_error(COMMAND, "want annotations: --ann FILE"), false;
    if (o->images && cz_coco_is_yolo(o->annotations))
        return app_usage_error(COMMAND, "--images is for COCO's JSON; a "
                                        "data.yaml tells where images are"),
               false;
    if (o->classes && !*o->classes)
        return app_usage_error(COMMAND, "--classes wants names or ids"), false;
    if (o->save_dets && !*o->save_dets)
        return app_usage_error(COMMAND, "--save-dets wants a file name"), false;
    if (!o->n_models && o->model_option)
        return app_usage_error(COMMAND,
                               "--%s is for models; there are only detections",
                               o->model_option),
               false;
    if (o->save_dets && o->n_models != 1)
        return app_usage_error(COMMAND,
                               "--save-dets is for one model; there "
                               "are %zu",
                               o->n_models),
               false;
    return app_detector_options_check(&o->detector);
}

/* Models come before files of detections. */
static void add_models(struct app_eval_options *o, char **models, size_t count)
{
    memmove(o->sources + count, o->sources, o->n_sources * sizeof *o->sources);
    for (size_t i = 0; i < count; i++)
        o->sources[i] = models[i];
    o->n_models = count;
    o->n_sources += count;
}

static bool parse(struct app_eval_options *options, int argc, char **argv,
                  int *exit_code)
{
    int option;
    *exit_code = APP_USAGE;
    optind = 0;
    while ((option = getopt_long(argc, argv, APP_DETECTOR_SHORT_OPTIONS,
                                 long_options, NULL)) != -1) {
        if (!parse_option(options, option, exit_code))
            return false;
        if (!options->model_option && is_for_models(option))
            options->model_option = option_name(option);
    }
    add_models(options, argv + optind, (size_t)(argc - optind));
    return check_together(options);
}

const struct option *app_eval_long_options(void)
{
    return long_options;
}

bool app_eval_options_parse(struct app_eval_options *options, int argc,
                            char **argv, int *exit_code)
{
    *options = (struct app_eval_options){.resamples = 1000, .seed = 1};
    *exit_code = APP_FAILED;
    if (!app_detector_options_init(&options->detector, COMMAND, help,
                                   &CZ_THRESHOLDS_EVAL, argc))
        return false;
    options->sources = cz_calloc((size_t)argc, sizeof *options->sources);
    if (options->sources)
        return parse(options, argc, argv, exit_code);
    fputs("compress: out of memory\n", stderr);
    return false;
}

void app_eval_options_fini(struct app_eval_options *options)
{
    app_detector_options_fini(&options->detector);
    cz_free(options->sources);
}
