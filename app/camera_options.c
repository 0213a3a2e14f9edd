/* The command line of `compress camera`. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/camera.h"
#include "core/parallel.h"

#define COMMAND "compress camera"
#define TIMEOUT_S 10
#define SIDE_MAX 16384
#define FPS_MAX 1000
#define CSI_FORMAT                                                             \
    "nvarguscamerasrc sensor-id=%s ! video/x-raw(memory:NVMM),width=%zu,"      \
    "height=%zu,framerate=%.0f/1 ! nvvidconv ! video/x-raw,format=BGRx ! "     \
    "videoconvert ! video/x-raw,format=BGR ! appsink drop=1 max-buffers=1 "    \
    "sync=false"
#define CSI_WIDTH 1280
#define CSI_HEIGHT 720
#define CSI_FPS 30

static const char help[] =
    "Usage: compress camera MODEL.onnx --source 0|FILE|URL|PIPELINE\n"
    "\n"
    "Runs a detector on a camera or a video, and shows what it finds and how\n"
    "long each step takes. A window opens where there is a display. Ctrl-C "
    "ends\n"
    "it, and files are closed.\n"
    "\n"
    "Source\n"
    "  -s, --source S      a camera's number, a device, a video file or pipe, "
    "-\n"
    "                      (standard input), an address (rtsp://, http://), "
    "or\n"
    "                      a GStreamer pipeline that ends in an appsink\n"
    "      --csi[=N]       camera N (0) of a Jetson's CSI connector\n"
    "      --capture WxH[@FPS]\n"
    "                      what a camera is asked for\n"
    "      --reconnect N   tries in a row to get back a live source that is\n"
    "                      lost; default: no end of them\n"
    "      --timeout S     seconds to wait for a source (10)\n"
    "      --frames N      end after N frames\n"
    "\n"
    "Output\n"
    "      --headless      no window\n"
    "      --save FILE     a video with the boxes: .mp4, .mov, .mkv, .avi\n"
    "      --csv FILE      a row for each frame\n"
    "      --http [ADDR:]PORT\n"
    "                      a page to watch from; ADDR is 127.0.0.1 without\n"
    "                      it, so that only this computer can\n"
    "      --compare OTHER.onnx\n"
    "                      a second model on the same frames, side by side\n"
    "  -f, --force         overwrite files\n" APP_OUTPUT_HELP "\n"
    "Model\n"
    "      --conf P        lowest score, default 0.25\n" APP_ENGINE_KIND_HELP
    "  -t, --threads N     default: the cores that this process may "
    "use\n" APP_DETECTOR_HELP;

enum {
    OPTION_CSI = 800,
    OPTION_CAPTURE,
    OPTION_RECONNECT,
    OPTION_TIMEOUT,
    OPTION_FRAMES,
    OPTION_HEADLESS,
    OPTION_SAVE,
    OPTION_CSV,
    OPTION_HTTP,
    OPTION_COMPARE,
};

static const struct option long_options[] = {
    {"source", required_argument, NULL, 's'},
    {"csi", optional_argument, NULL, OPTION_CSI},
    {"capture", required_argument, NULL, OPTION_CAPTURE},
    {"reconnect", required_argument, NULL, OPTION_RECONNECT},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"headless", no_argument, NULL, OPTION_HEADLESS},
    {"save", required_argument, NULL, OPTION_SAVE},
    {"csv", required_argument, NULL, OPTION_CSV},
    {"http", required_argument, NULL, OPTION_HTTP},
    {"compare", required_argument, NULL, OPTION_COMPARE},
    APP_DETECTOR_LONG_OPTIONS,
    {NULL, 0, NULL, 0},
};

/* ---- arguments -------------------------------------------------------- */

/* "1280x720", "1280x720@30" */
static bool parse_capture(struct cz_source_options *source, const char *text)
{
    char *end;
    const unsigned long width = strtoul(text, &end, 10);
    unsigned long height = 0;
    double fps = 0;
    bool is_good = *end == 'x';
    if (is_good)
        height = strtoul(end + 1, &end, 10);
    if (is_good && *end == '@') {
        const char *from = end + 1;
        fps = strtod(from, &end);
        is_good = end > from && fps > 0 && fps <= FPS_MAX;
    }
    source->width = width;
    source->height = height;
    source->fps = fps;
    if (is_good && !*end && width >= 1 && width <= SIDE_MAX && height >= 1 &&
        height <= SIDE_MAX)
        return true;
    app_usage_error(COMMAND,
                    "--capture %s: want WIDTHxHEIGHT or "
                    "WIDTHxHEIGHT@FPS",
                    text);
    return false;
}

static bool parse_csi(struct app_camera_options *options, const char *text)
{
    options->csi = text ? text : "0";
    const size_t digits = strspn(options->csi, "0123456789");
    if (digits > 0 && digits < 4 && !options->csi[digits])
        return true;
    app_usage_error(COMMAND, "--csi %s: want the number of a sensor", text);
    return false;
}

static bool parse_timeout(struct cz_source_options *source, const char *text)
{
    const struct app_number limits = {COMMAND, "--timeout", 1, 3600};
    size_t seconds;
    if (!app_parse_number(&seconds, &limits, text))
        return false;
    source->timeout_ms = (int)seconds * 1000;
    return true;
}

static bool parse_source(struct app_camera_options *options, int option,
                         char *argument)
{
    const struct app_number tries = {COMMAND, "--reconnect", 0, SIZE_MAX - 1};
    const struct app_number frames = {COMMAND, "--frames", 1, SIZE_MAX};
    switch (option) {
    case 's':
        options->source.text = argument;
        return true;
    case OPTION_CSI:
        return parse_csi(options, argument);
    case OPTION_CAPTURE:
        return parse_capture(&options->source, argument);
    case OPTION_RECONNECT:
        return app_parse_number(&options->reconnect, &tries, argument);
    case OPTION_TIMEOUT:
        return parse_timeout(&options->source, argument);
    default:
        return app_parse_number(&options->frames, &frames, argument);
    }
}

static bool parse_option(struct app_camera_options *options, int option,
                         int *exit_code)
{
    switch (option) {
    case 's':
    case OPTION_CSI:
    case OPTION_CAPTURE:
    case OPTION_RECONNECT:
    case OPTION_TIMEOUT:
    case OPTION_FRAMES:
        return parse_source(options, option, optarg);
    case OPTION_HEADLESS:
        return options->headless = true;
    case OPTION_SAVE:
        options->save = optarg;
        return true;
    case OPTION_CSV:
        options->csv = optarg;
        return true;
    case OPTION_HTTP:
        options->http = optarg;
        return true;
    case OPTION_COMPARE:
        options->compare = optarg;
        return true;
    default:
        return app_detector_option(&options->detector, option, optarg,
                                   exit_code);
    }
}

/* ---- all of it -------------------------------------------------------- */

/* The pipeline of --csi. */
static void make_csi(struct app_camera_options *options)
{
    const struct cz_source_options *s = &options->source;
    snprintf(options->pipeline, sizeof options->pipeline, CSI_FORMAT,
             options->csi, s->width ? s->width : CSI_WIDTH,
             s->height ? s->height : CSI_HEIGHT, s->fps > 0 ? s->fps : CSI_FPS);
    options->source.text = options->pipeline;
}

/* A camera that is not plugged in may be named by a path, too. */
static bool has_size(const char *source)
{
    const enum cz_source_kind kind = cz_source_kind(source);
    return kind != CZ_SOURCE_CAMERA &&
           (kind != CZ_SOURCE_FILE || strcmp(source, "-") == 0 ||
            access(source, F_OK) == 0);
}

static bool check(struct app_camera_options *options)
{
    const char *const files[] = {options->save, options->csv};
    if (!options->source.text == !options->csi) {
        app_usage_error(COMMAND, "want --source or --csi");
        return false;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] && !*files[i]) {
            app_usage_error(COMMAND, "--save and --csv want a file");
            return false;
        }
    }
    if (options->save && options->csv &&
        strcmp(options->save, options->csv) == 0) {
        app_usage_error(COMMAND, "--save and --csv want a file each");
        return false;
    }
    if (options->csi)
        make_csi(options);
    else if (options->source.width && has_size(options->source.text)) {
        app_usage_error(COMMAND, "--capture is for cameras; what comes from "
                                 "elsewhere has a size already");
        return false;
    }
    struct cz_plan_options *plan = &options->detector.engine.engine.plan;
    if (!plan->threads)
        plan->threads = cz_cpu_count();
    return app_detector_options_check(&options->detector);
}

static bool parse(struct app_camera_options *options, int argc, char **argv,
                  int *exit_code)
{
    int option;
    *exit_code = APP_USAGE;
    optind = 0;
    while ((option = getopt_long(argc, argv, "s:" APP_DETECTOR_SHORT_OPTIONS,
                                 long_options, NULL)) != -1) {
        if (!parse_option(options, option, exit_code))
            return false;
    }
    if (optind + 1 != argc) {
        app_usage_error(COMMAND, "want one model");
        return false;
    }
    options->model = argv[optind];
    return check(options);
}

bool app_camera_options_parse(struct app_camera_options *options, int argc,
                              char **argv, int *exit_code)
{
    *options = (struct app_camera_options){
        .source.timeout_ms = TIMEOUT_S * 1000, .reconnect = SIZE_MAX};
    *exit_code = APP_FAILED;
    return app_detector_options_init(&options->detector, COMMAND, help,
                                     &CZ_THRESHOLDS_DEMO, argc) &&
           parse(options, argc, argv, exit_code);
}

void app_camera_options_fini(struct app_camera_options *options)
{
    app_detector_options_fini(&options->detector);
}
