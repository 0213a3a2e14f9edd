/* A detector ready to run, from the command line to boxes: what the commands
 * that see images share. */
#ifndef CZ_APP_DETECTOR_H
#define CZ_APP_DETECTOR_H

#include <jansson.h>

#include "app/arguments.h"
#include "detect/detect.h"

#define APP_ANCHORS_MAX 24 /* numbers: 4 strides, 3 anchors each */

struct app_detector_options {
    struct app_engine_options engine;
    struct cz_detector_options detector;
    struct cz_thresholds thresholds; /* iou 0: the authors' own */
    float anchors[APP_ANCHORS_MAX];
    bool rect;
};

enum {
    APP_OPTION_DECODER = 600,
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

#define APP_DETECTOR_LONG_OPTIONS                                              \
    {"decoder", required_argument, NULL, APP_OPTION_DECODER},                  \
        {"pixels", required_argument, NULL, APP_OPTION_PIXELS},                \
        {"size", required_argument, NULL, APP_OPTION_SIZE},                    \
        {"names", required_argument, NULL, APP_OPTION_NAMES},                  \
        {"anchors", required_argument, NULL, APP_OPTION_ANCHORS},              \
        {"rect", no_argument, NULL, APP_OPTION_RECT},                          \
        {"conf", required_argument, NULL, APP_OPTION_CONF},                    \
        {"iou", required_argument, NULL, APP_OPTION_IOU},                      \
        {"max-det", required_argument, NULL, APP_OPTION_MAX_DET},              \
        {"agnostic", no_argument, NULL, APP_OPTION_AGNOSTIC},                  \
        APP_PLAN_LONG_OPTIONS

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

/* Takes one of the options above, and those of engines. */
bool app_detector_option(struct app_detector_options *options, int option,
                         char *argument);

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
