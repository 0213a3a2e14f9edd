/* The options of quantizing, for the commands that do it. */
#ifndef CZ_APP_INT8_OPTIONS_H
#define CZ_APP_INT8_OPTIONS_H

#include <stdbool.h>

#include "quant/quant.h"

/* Default of --max-drop. */
#define APP_INT8_MAX_DROP 0.01

struct app_int8_options {
    const char *command;         /* as app_usage_error() wants it */
    struct cz_int8_options int8; /* without images */
    const char **keep;           /* that of `int8`; owned */
    const char *calib;           /* where the images are */
    size_t calib_images;         /* at most */
    bool has_images;             /* --calib-images was given */
    bool has_target;             /* it was given */
    bool has_ranges;             /* --ranges was given */
    const char *annotations;     /* of those images; NULL: those that `calib`
                                    holds, if it does */
    double max_drop;             /* of mAP50-95 */
    bool learn;                  /* codes of weights and biases */
};

enum {
    APP_OPTION_CALIB = 768,
    APP_OPTION_CALIB_IMAGES,
    APP_OPTION_TARGET,
    APP_OPTION_RANGES,
    APP_OPTION_KEEP,
};

#define APP_INT8_LONG_OPTIONS                                                  \
    {"calib", required_argument, NULL, APP_OPTION_CALIB},                      \
        {"calib-images", required_argument, NULL, APP_OPTION_CALIB_IMAGES},    \
        {"target", required_argument, NULL, APP_OPTION_TARGET},                \
        {"ranges", required_argument, NULL, APP_OPTION_RANGES},                \
    {                                                                          \
        "keep", required_argument, NULL, APP_OPTION_KEEP                       \
    }

/* How images and ranges are chosen, for the usage text. */
#define APP_INT8_HELP                                                          \
    "  --calib SOURCE        images like those that the model will see (8 "    \
    "at\n"                                                                     \
    "                        least), for the ranges of its activations: a\n"   \
    "                        folder, a .txt list, COCO's .json, YOLO's "       \
    ".yaml\n"                                                                  \
    "  --calib-images N      of them at most, evenly over SOURCE (int8: "      \
    "128,\n"                                                                   \
    "                        pruning: 64; at most 512)\n"                      \
    "  --target T            the runtime that the int8 file is for:\n"         \
    "                        onnxruntime (default) or tensorrt\n"              \
    "  --ranges METHOD       mse (default), minmax, average, percentile or\n"  \
    "                        entropy\n"

/* Defaults, and room for as many names as there are arguments. False when there
 * is no memory. */
bool app_int8_options_init(struct app_int8_options *options,
                           const char *command, int argc);
void app_int8_options_fini(struct app_int8_options *options);

/* Is it one of the above? */
bool app_is_int8_option(int option);

/* Takes one; prints what is wrong and returns false. */
bool app_parse_int8_option(struct app_int8_options *options, int option,
                           const char *text);

/* Are all but those of the images as they were at first? */
bool app_int8_options_are_default(const struct app_int8_options *options);

#endif
