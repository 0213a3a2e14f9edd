/* The command line of `compress detect`. */
#include <getopt.h>
#include <stdio.h>

#include "app/app.h"
#include "app/detect.h"
#include "core/parallel.h"

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
    "evaluated\n"
    "      --engine E      compress (default), ort (ONNX Runtime), ort:cuda,\n"
    "                      ort:tensorrt\n"
    "  -t, --threads N     default: the cores that this process may "
    "use\n" APP_DETECTOR_HELP "  -f, --force         overwrite pictures and "
    "text files\n"
    "  -j, --json          print one JSON object on stdout, nothing else\n"
    "  -q, --quiet         print nothing but errors\n"
    "  -h, --help          this text\n";

enum {
    OPTION_TXT = 700,
    OPTION_MULTI_LABEL,
    OPTION_ENGINE,
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"txt", required_argument, NULL, OPTION_TXT},
    {"multi-label", no_argument, NULL, OPTION_MULTI_LABEL},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"threads", required_argument, NULL, 't'},
    APP_DETECTOR_LONG_OPTIONS,
    {"force", no_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool parse_option(struct app_detect_options *options, int option,
                         int *exit_code)
{
    static const struct app_number threads = {APP_DETECT_COMMAND, "--threads",
                                              1, CZ_THREADS_MAX};
    struct cz_engine_options *engine = &options->detector.engine.engine;
    switch (option) {
    case 'o':
        options->folder = optarg;
        return true;
    case OPTION_TXT:
        options->txt = optarg;
        return true;
    case OPTION_MULTI_LABEL:
        return options->detector.thresholds.multi_label = true;
    case OPTION_ENGINE:
        return app_parse_engine(&engine->kind, APP_DETECT_COMMAND, optarg);
    case 't':
        return app_parse_number(&engine->plan.threads, &threads, optarg);
    case 'f':
        options->force = true;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'q':
        options->quiet = true;
        return true;
    case 'h':
        fputs(help, stdout);
        *exit_code = APP_DONE;
        return false;
    default:
        return app_detector_option(&options->detector, option, optarg);
    }
}

bool app_detect_parse(struct app_detect_options *options, int argc, char **argv,
                      int *exit_code)
{
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "o:t:fjqh", long_options, NULL)) !=
           -1) {
        if (!parse_option(options, option, exit_code))
            return false;
    }
    if (optind + 2 > argc) {
        app_usage_error(APP_DETECT_COMMAND,
                        "want a model, and images or folders of them");
        return false;
    }
    options->model = argv[optind];
    options->images = argv + optind + 1;
    options->n_images = argc - optind - 1;
    if (!options->folder && !options->json && !options->txt)
        options->folder = "detections";
    struct cz_plan_options *plan = &options->detector.engine.engine.plan;
    if (!plan->threads)
        plan->threads = cz_cpu_count();
    return true;
}
