/* The command line of detectors; see detector.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/detector.h"
#include "app/precision.h"
#include "core/parallel.h"

#define SIDE_MAX 16384
#define MAX_BOXES 30000

static bool parse_name(int *found, const char *option, const char *text,
                       const char *(*name)(int), int count, const char *command)
{
    for (*found = 0; *found < count; ++*found) {
        if (strcmp(text, name(*found)) == 0)
            return true;
    }
    char choices[256] = "";
    for (int i = 0; i < count; i++) {
        const size_t used = strlen(choices);
        snprintf(choices + used, sizeof choices - used, "%s%s",
                 i == 0           ? ""
                 : i + 1 == count ? " or "
                                  : ", ",
                 name(i));
    }
    app_usage_error(command, "%s %s: want %s", option, text, choices);
    return false;
}

static const char *decoder_name(int decoder)
{
    return cz_decoder_name((enum cz_decoder)decoder);
}

static const char *pixels_name(int pixels)
{
    return cz_pixels_name((enum cz_pixels)pixels);
}

/* "640", or height x width as in shapes. */
static bool parse_size(struct app_detector_options *options, const char *text)
{
    char *end;
    unsigned long height = strtoul(text, &end, 10), width = height;
    bool good = end > text;
    if (good && *end == 'x') {
        const char *second = end + 1;
        width = strtoul(second, &end, 10);
        good = end > second;
    }
    if (good && !*end && height >= 1 && width >= 1 && height <= SIDE_MAX &&
        width <= SIDE_MAX) {
        options->detector.height = height;
        options->detector.width = width;
        return true;
    }
    app_usage_error(options->engine.command,
                    "--size %s: want a side or HEIGHTxWIDTH, 1 to %d", text,
                    SIDE_MAX);
    return false;
}

static bool parse_anchors(struct app_detector_options *options,
                          const char *text)
{
    size_t count = 0;
    const char *at = text;
    bool good = true;
    while (good) {
        char *end;
        float number = strtof(at, &end);
        good = end > at && number > 0 && number < 1e6F &&
               count < APP_ANCHORS_MAX && (!*end || *end == ',');
        if (good)
            options->anchors[count++] = number;
        if (good && !*end)
            break;
        at = end + 1;
    }
    options->detector.anchors = options->anchors;
    options->detector.n_anchors = count;
    if (good && count % 2 == 0)
        return true;
    app_usage_error(options->engine.command,
                    "--anchors %s: want pairs of width,height, at most %d",
                    text, APP_ANCHORS_MAX / 2);
    return false;
}

static bool parse_threshold(struct app_detector_options *options, int option,
                            const char *argument)
{
    const char *command = options->engine.command;
    const struct app_number boxes = {command, "--max-det", 1, MAX_BOXES};
    struct cz_thresholds *t = &options->thresholds;
    switch (option) {
    case APP_OPTION_CONF:
        return app_parse_fraction(&t->confidence, command, "--conf", argument);
    case APP_OPTION_IOU:
        return app_parse_fraction(&t->iou, command, "--iou", argument);
    case APP_OPTION_MAX_DET:
        return app_parse_number(&t->max_boxes, &boxes, argument);
    default:
        return t->agnostic = true;
    }
}

/* One of the names of decoders, or of ways to feed pixels. */
static bool parse_choice(struct app_detector_options *options, int option,
                         const char *argument)
{
    const char *command = options->engine.command;
    const bool is_decoder = option == APP_OPTION_DECODER;
    int found;
    if (!parse_name(&found, is_decoder ? "--decoder" : "--pixels", argument,
                    is_decoder ? decoder_name : pixels_name,
                    is_decoder ? (int)CZ_DECODER_COUNT : (int)CZ_PIXELS_COUNT,
                    command))
        return false;
    if (is_decoder)
        options->detector.decoder = (enum cz_decoder)found;
    else
        options->detector.pixels = (enum cz_pixels)found;
    return true;
}

/* How the model is run. */
static bool parse_engine(struct app_detector_options *options, int option,
                         char *argument)
{
    const char *command = options->engine.command;
    const struct app_number threads = {command, "--threads", 1, CZ_THREADS_MAX};
    struct cz_engine_options *engine = &options->engine.engine;
    switch (option) {
    case APP_OPTION_ENGINE:
        return app_parse_engine(&engine->kind, command, argument);
    case APP_OPTION_PRECISION:
        return app_parse_precision(&engine->plan.precision, command, argument);
    case 't':
        return app_parse_number(&engine->plan.threads, &threads, argument);
    case APP_OPTION_RECT:
        return options->rect = true;
    default:
        return app_engine_option(&options->engine, option, argument);
    }
}

/* How the model is read. */
static bool parse_model(struct app_detector_options *options, int option,
                        char *argument)
{
    switch (option) {
    case APP_OPTION_DECODER:
    case APP_OPTION_PIXELS:
        return parse_choice(options, option, argument);
    case APP_OPTION_SIZE:
        return parse_size(options, argument);
    case APP_OPTION_NAMES:
        options->detector.names_file = argument;
        return true;
    case APP_OPTION_ANCHORS:
        return parse_anchors(options, argument);
    default:
        return parse_engine(options, option, argument);
    }
}

bool app_detector_option(struct app_detector_options *options, int option,
                         char *argument, int *exit_code)
{
    switch (option) {
    case APP_OPTION_CONF:
    case APP_OPTION_IOU:
    case APP_OPTION_MAX_DET:
    case APP_OPTION_AGNOSTIC:
        return parse_threshold(options, option, argument);
    case 'f':
        return options->force = true;
    case 'j':
        return options->json = true;
    case 'q':
        return options->quiet = true;
    case 'h':
        fputs(options->help, stdout);
        *exit_code = APP_DONE;
        return false;
    default:
        return parse_model(options, option, argument);
    }
}

bool app_detector_options_init(struct app_detector_options *options,
                               const char *command, const char *help,
                               const struct cz_thresholds *thresholds, int argc)
{
    *options =
        (struct app_detector_options){.detector = CZ_DETECTOR_OPTIONS_INIT,
                                      .thresholds = *thresholds,
                                      .help = help};
    options->thresholds.iou = CZ_IOU_AUTO;
    return app_engine_options_init(&options->engine, command, argc);
}

bool app_detector_options_check(const struct app_detector_options *options)
{
    const struct cz_engine_options *engine = &options->engine.engine;
    if (engine->kind == CZ_ENGINE_COMPRESS ||
        engine->plan.precision == CZ_PRECISION_FLOAT32)
        return true;
    app_usage_error(options->engine.command, APP_PRECISION_ENGINE);
    return false;
}

void app_detector_options_fini(struct app_detector_options *options)
{
    app_engine_options_fini(&options->engine);
}

struct cz_session_options
app_session_options(const struct app_detector_options *options)
{
    return (struct cz_session_options){.engine = options->engine.engine,
                                       .detector = options->detector,
                                       .thresholds = options->thresholds,
                                       .rect = options->rect};
}
