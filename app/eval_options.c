/* Command line of `compress eval`. */
#include <getopt.h>
#include <stdio.h>

#include "app/arguments.h"
#include "app/eval.h"
#include "core/alloc.h"
#include "core/parallel.h"

#define COMMAND "compress eval"
#define RESAMPLES_MAX 1000000

static const char help[] =
    "Usage: compress eval --dets DETS.json [--dets OTHER.json...] --ann "
    "FILE.json\n"
    "\n"
    "Tells how good detections are: COCO's twelve numbers, as pycocotools "
    "gives\n"
    "them. With several files of detections, also how each differs from the "
    "first,\n"
    "and whether that is more than noise.\n"
    "\n"
    "  --dets FILE         detections in COCO's results format; may be "
    "repeated\n"
    "  --ann FILE          what there is: COCO's instances JSON, or a YOLO "
    "data.yaml\n"
    "  --limit N           only the first N images of the annotations\n"
    "  --classes LIST      only these: names or ids with commas between\n"
    "  --per-class         AP, AP50, AR and the best confidence of each class\n"
    "  --curves            precision by recall of each class, at IoU .50\n"
    "  --confusion         which class was taken for which, at confidence .25 "
    "and\n"
    "                      IoU .45\n"
    "  --resamples N       draws of images for the intervals of differences "
    "(1000)\n"
    "  --seed N            of these draws (1)\n"
    "  -t, --threads N     default: the cores that this process may use\n"
    "  -j, --json          print one JSON object on stdout, nothing else\n"
    "  -q, --quiet         print nothing but errors\n"
    "  -h, --help          this text\n";

enum {
    OPTION_DETS = 256,
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
    {"threads", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* A number, from `low` to `high`. */
static bool number(size_t *value, const char *option, size_t low, size_t high)
{
    const struct app_number what = {COMMAND, option, low, high};
    return app_parse_number(value, &what, optarg);
}

/* False after a usage error, or when the command is over. */
static bool parse_option(struct app_eval_options *o, int option, int *exit_code)
{
    switch (option) {
    case OPTION_DETS:
        o->detections[o->n_detections++] = optarg;
        return true;
    case OPTION_ANN:
        o->annotations = optarg;
        return true;
    case OPTION_LIMIT:
        return number(&o->limit, "--limit", 1, SIZE_MAX);
    case OPTION_CLASSES:
        o->classes = optarg;
        return true;
    case OPTION_PER_CLASS:
        return o->per_class = true;
    case OPTION_CURVES:
        return o->curves = true;
    case OPTION_CONFUSION:
        return o->confusion = true;
    case OPTION_RESAMPLES:
        return number(&o->resamples, "--resamples", 1, RESAMPLES_MAX);
    case OPTION_SEED:
        return number(&o->seed, "--seed", 0, SIZE_MAX);
    case 't':
        return number(&o->threads, "--threads", 1, CZ_THREADS_MAX);
    case 'j':
        return o->json = true;
    case 'q':
        return o->quiet = true;
    case 'h':
        fputs(help, stdout);
        *exit_code = APP_DONE;
        return false;
    default:
        fputs("Try '" COMMAND " --help'.\n", stderr);
        return false;
    }
}

static bool check_together(const struct app_eval_options *o)
{
    if (!o->n_detections)
        return app_usage_error(COMMAND, "want detections: --dets FILE"), false;
    if (!o->annotations)
        return app_usage_error(COMMAND, "want annotations: --ann FILE"), false;
    return true;
}

bool app_eval_options_parse(struct app_eval_options *options, int argc,
                            char **argv, int *exit_code)
{
    int option;
    *options = (struct app_eval_options){.resamples = 1000, .seed = 1};
    *exit_code = APP_FAILED;
    options->detections = cz_calloc((size_t)argc, sizeof *options->detections);
    if (!options->detections) {
        fputs("compress: out of memory\n", stderr);
        return false;
    }
    *exit_code = APP_USAGE;
    optind = 0;
    while ((option = getopt_long(argc, argv, "t:jqh", long_options, NULL)) !=
           -1) {
        if (!parse_option(options, option, exit_code))
            return false;
    }
    if (optind < argc)
        return app_usage_error(COMMAND,
                               "'%s': models cannot be evaluated yet, only "
                               "their detections: --dets FILE",
                               argv[optind]),
               false;
    return check_together(options);
}

void app_eval_options_fini(struct app_eval_options *options)
{
    cz_free(options->detections);
}
