/* The command line of `compress detect`. */
#include <getopt.h>
#include <stdio.h>

#include "app/app.h"
#include "app/detect.h"
#include "core/parallel.h"

#define COMMAND "compress detect"

static const char help[] =
    "Usage: compress detect MODEL.onnx IMAGE|DIR...\n"
    "\n"
    "Finds objects in images and draws them on copies: boxes, class names,\n"
    "scores.\n"
    "\n"
    "  -o, --output DIR    where the pictures go. Default: detections, or\n"
    "                      nowhere with --json or --txt\n"
    "      --txt DIR       a text file for each image, YOLO's format: class,\n"
    "                      centre, size, score\n"
    "      --conf P        lowest score, default 0.25\n"
    "      --multi-label   every class of a box above --conf, not only its\n"
    "                      best one: with --conf 0.001 as models are "
    "evaluated\n" APP_ENGINE_KIND_HELP
    "  -t, --threads N     default: the cores that this process may "
    "use\n" APP_DETECTOR_HELP
    "  -f, --force         overwrite pictures and text files\n" APP_OUTPUT_HELP;

enum {
    OPTION_TXT = 700,
    OPTION_MULTI_LABEL,
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"txt", required_argument, NULL, OPTION_TXT},
    {"multi-label", no_argument, NULL, OPTION_MULTI_LABEL},
    APP_DETECTOR_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

static bool parse_option(struct app_detect_options *options, int option,
                         int *exit_code)
{
    switch (option) {
    case 'o':
        options->folder = optarg;
        return true;
    case OPTION_TXT:
        options->txt = optarg;
        return true;
    case OPTION_MULTI_LABEL:
        return options->detector.thresholds.multi_label = true;
    default:
        return app_detector_option(&options->detector, option, optarg,
                                   exit_code);
    }
}

static bool parse(struct app_detect_options *options, int argc, char **argv,
                  int *exit_code)
{
    int option;
    *exit_code = APP_USAGE;
    optind = 0;
    while ((option = getopt_long(argc, argv, "o:" APP_DETECTOR_SHORT_OPTIONS,
                                 long_options, NULL)) != -1) {
        if (!parse_option(options, option, exit_code))
            return false;
    }
    if (optind + 2 > argc) {
        app_usage_error(COMMAND, "want a model, and images or folders of them");
        return false;
    }
    if ((options->folder && !*options->folder) ||
        (options->txt && !*options->txt)) {
        app_usage_error(COMMAND, "--output and --txt want a folder");
        return false;
    }
    options->model = argv[optind];
    options->images = argv + optind + 1;
    options->n_images = argc - optind - 1;
    if (!options->folder && !options->detector.json && !options->txt)
        options->folder = "detections";
    struct cz_plan_options *plan = &options->detector.engine.engine.plan;
    if (!plan->threads)
        plan->threads = cz_cpu_count();
    return app_detector_options_check(&options->detector);
}

bool app_detect_options_parse(struct app_detect_options *options, int argc,
                              char **argv, int *exit_code)
{
    *options = (struct app_detect_options){.n_images = 0};
    *exit_code = APP_FAILED;
    return app_detector_options_init(&options->detector, COMMAND, help,
                                     &CZ_THRESHOLDS_DEMO, argc) &&
           parse(options, argc, argv, exit_code);
}

void app_detect_options_fini(struct app_detect_options *options)
{
    app_detector_options_fini(&options->detector);
}
