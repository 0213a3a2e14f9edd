/* A detector ready to run, from the command line to boxes: what the commands
 * that see images share. */
#ifndef CZ_APP_DETECTOR_H
#define CZ_APP_DETECTOR_H

#include <jansson.h>

#include "app/arguments.h"
#include "detect/detect.h"

#define APP_ANCHORS_MAX 24 /* numbers: 4 strides, 3 anchors each */

/* The options; the model they are for. */
struct app_detector_options {
    struct app_engine_options engine;
    struct cz_detector_options detector;
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
};

#define APP_DETECTOR_LONG_OPTIONS                                              \
    {"decoder", required_argument, NULL, APP_OPTION_DECODER},                  \
        {"pixels", required_argument, NULL, APP_OPTION_PIXELS},                \
        {"size", required_argument, NULL, APP_OPTION_SIZE},                    \
        {"names", required_argument, NULL, APP_OPTION_NAMES},                  \
        {"anchors", required_argument, NULL, APP_OPTION_ANCHORS},              \
        {"rect", no_argument, NULL, APP_OPTION_RECT}, APP_PLAN_LONG_OPTIONS

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
    "                      of a square; for models of open "                   \
    "size\n" APP_PLAN_HELP

/* Takes one of the options above, and those of engines. */
bool app_detector_option(struct app_detector_options *options, int option,
                         char *argument);

/* The model, what runs it, and OpenCV. */
struct app_detector {
    const struct app_detector_options *options;
    const char *model;
    struct cz_detector *detector;
    struct cz_engine *engine;
    struct cz_opencv *opencv;
    struct cz_input_format format; /* of the engine that is open */
    size_t width, height;          /* of the input without --rect */
};

/* Loads the model and OpenCV. With --rect the engine is for the square until
 * app_detector_fit() is called. End with _close whatever the result. */
enum cz_status app_detector_open(struct app_detector *d, const char *model,
                                 const struct app_detector_options *options,
                                 struct cz_error *err);
void app_detector_close(struct app_detector *d);

/* The input for an image of this size: the square, or with --rect its own. */
struct cz_input_format app_detector_format(const struct app_detector *d,
                                           size_t width, size_t height);

/* Lets the engine take inputs of this size. */
enum cz_status app_detector_resize(struct app_detector *d,
                                   const struct cz_input_format *format,
                                   struct cz_error *err);

/* Three lines for people; an object for scripts. */
void app_detector_print(const struct app_detector *d);
json_t *app_detector_json(const struct app_detector *d);

#endif
