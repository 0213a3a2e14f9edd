/* A detector ready to run, from the command line to boxes: what the commands
 * that see images share. */
#ifndef CZ_APP_DETECTOR_H
#define CZ_APP_DETECTOR_H

#include <jansson.h>

#include "app/arguments.h"
#include "detect/detect.h"

#define APP_ANCHORS_MAX 24 /* numbers: 4 strides, 3 anchors each */

/* What the command line of every command that runs detectors has. */
struct app_detector_options {
    struct app_engine_options engine;
    struct cz_detector_options detector;
    struct cz_thresholds thresholds; /* iou: CZ_IOU_AUTO unless given */
    float anchors[APP_ANCHORS_MAX];
    bool rect, force, json, quiet;
    const char *help; /* the text of --help */
};

enum {
    APP_OPTION_ENGINE = 600,
    APP_OPTION_PRECISION,
    APP_OPTION_DECODER,
    APP_OPTION_PIXELS,
    APP_OPTION_SIZE,
    APP_OPTION_NAMES,
    APP_OPTION_ANCHORS,
    APP_OPTION_RECT,
    APP_OPTION_CONF,
    APP_OPTION_IOU,
    APP_OPTION_MAX_DET,
    APP_OPTION_AGNOSTIC,
};

#define APP_DETECTOR_SHORT_OPTIONS "t:fjqh"

#define APP_DETECTOR_LONG_OPTIONS                                              \
    {"engine", required_argument, NULL, APP_OPTION_ENGINE},                    \
        {"precision", required_argument, NULL, APP_OPTION_PRECISION},          \
        {"threads", required_argument, NULL, 't'},                             \
        {"decoder", required_argument, NULL, APP_OPTION_DECODER},              \
        {"pixels", required_argument, NULL, APP_OPTION_PIXELS},                \
        {"size", required_argument, NULL, APP_OPTION_SIZE},                    \
        {"names", required_argument, NULL, APP_OPTION_NAMES},                  \
        {"anchors", required_argument, NULL, APP_OPTION_ANCHORS},              \
        {"rect", no_argument, NULL, APP_OPTION_RECT},                          \
        {"conf", required_argument, NULL, APP_OPTION_CONF},                    \
        {"iou", required_argument, NULL, APP_OPTION_IOU},                      \
        {"max-det", required_argument, NULL, APP_OPTION_MAX_DET},              \
        {"agnostic", no_argument, NULL, APP_OPTION_AGNOSTIC},                  \
        APP_PLAN_LONG_OPTIONS, {"force", no_argument, NULL, 'f'},              \
        {"json", no_argument, NULL, 'j'}, {"quiet", no_argument, NULL, 'q'},   \
    {                                                                          \
        "help", no_argument, NULL, 'h'                                         \
    }

/* Besides these, a command explains its --threads and --force. */
#define APP_ENGINE_KIND_HELP                                                   \
    "  --engine E          compress (default), ort (ONNX Runtime), "           \
    "ort:cuda,\n"                                                              \
    "                      ort:tensorrt\n"                                     \
    "  --precision P       float32 (default), bf16, fp16 or auto (16 bits "    \
    "where\n"                                                                  \
    "                      they are timed to be faster): what convolutions "   \
    "of our\n"                                                                 \
    "                      engine round their operands to\n"
#define APP_OUTPUT_HELP                                                        \
    "  -j, --json          print one JSON object on stdout, nothing else\n"    \
    "  -q, --quiet         print nothing but errors\n"                         \
    "  -h, --help          this text\n"

#define APP_DETECTOR_HELP                                                      \
    "  --decoder D         how the outputs are read: auto (default), v8, "     \
    "v5,\n"                                                                    \
    "                      yolox, end2end, v5-maps, v8-maps, yolox-maps\n"     \
    "  --pixels P          how images go in: auto (default), rgb/255, rgb,\n"  \
    "                      bgr/255, bgr (at the top left, as YOLOX)\n"         \
    "  --size N|HxW        input of a model that leaves its size open\n"       \
    "  --names FILE        class names, one a line\n"                          \
    "  --anchors W,H,...   of v5-maps, in pixels, the finest stride first\n"   \
    "  --rect              an input as small as each image allows, instead\n"  \
    "                      of a square; for models of open size\n"             \
    "  --iou P             boxes of a class that overlap more are one "        \
    "object;\n"                                                                \
    "                      default 0.7, and 0.65 for YOLOX\n"                  \
    "  --max-det N         boxes of an image (300)\n"                          \
    "  --agnostic          boxes of different classes are one object, "        \
    "too\n" APP_PLAN_HELP

/* The IoU of NMS becomes the authors' own; for the rest see
 * app_engine_options_init(). */
bool app_detector_options_init(struct app_detector_options *options,
                               const char *command, const char *help,
                               const struct cz_thresholds *thresholds,
                               int argc);
void app_detector_options_fini(struct app_detector_options *options);

/* Takes one of the options above. False when the command is over: after --help,
 * with `*exit_code` set, or a usage error. */
bool app_detector_option(struct app_detector_options *options, int option,
                         char *argument, int *exit_code);

/* What goes together; false after a usage error. */
bool app_detector_options_check(const struct app_detector_options *options);

/* The same as a session takes them. */
struct cz_session_options
app_session_options(const struct app_detector_options *options);

/* A model that is open, and OpenCV. */
struct app_detector {
    const char *model;
    struct cz_session_options options;
    struct cz_session *session;
    struct cz_opencv *opencv;
};

/* Loads the model and OpenCV; `d` must stay where it is. End with _close
 * whatever the result. */
enum cz_status app_detector_open(struct app_detector *d, const char *model,
                                 const struct app_detector_options *options,
                                 struct cz_error *err);
void app_detector_close(struct app_detector *d);

/* The decoder, and how images go in: lines for people, an object for
 * scripts. */
void app_detector_print(const struct app_detector *d);
json_t *app_detector_json(const struct app_detector *d);

#endif
