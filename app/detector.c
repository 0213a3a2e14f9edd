/* Detectors from the command line; see detector.h. */
#include "app/detector.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/text.h"
#include "core/parallel.h"

#define SIDE_MAX 16384
#define MAX_BOXES 30000

/* ---- options ---------------------------------------------------------- */

static bool parse_name(int *found, const char *option, const char *text,
                       const char *(*name)(int), int count, const char *command)
{
    for (*found = 0; *found < count; ++*found) {
        if (strcmp(text, name(*found)) == 0)
            return true;
    }
    app_usage_error(command, "%s %s: see '--help' for what there is", option,
                    text);
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

bool app_detector_option(struct app_detector_options *options, int option,
                         char *argument)
{
    const char *command = options->engine.command;
    int found;
    switch (option) {
    case APP_OPTION_DECODER:
        if (!parse_name(&found, "--decoder", argument, decoder_name,
                        CZ_DECODER_COUNT, command))
            return false;
        options->detector.decoder = (enum cz_decoder)found;
        return true;
    case APP_OPTION_PIXELS:
        if (!parse_name(&found, "--pixels", argument, pixels_name,
                        CZ_PIXELS_COUNT, command))
            return false;
        options->detector.pixels = (enum cz_pixels)found;
        return true;
    case APP_OPTION_SIZE:
        return parse_size(options, argument);
    case APP_OPTION_NAMES:
        options->detector.names_file = argument;
        return true;
    case APP_OPTION_ANCHORS:
        return parse_anchors(options, argument);
    case APP_OPTION_RECT:
        options->rect = true;
        return true;
    case APP_OPTION_CONF:
    case APP_OPTION_IOU:
    case APP_OPTION_MAX_DET:
    case APP_OPTION_AGNOSTIC:
        return parse_threshold(options, option, argument);
    default:
        return app_engine_option(&options->engine, option, argument);
    }
}

struct cz_session_options
app_session_options(const struct app_detector_options *options)
{
    return (struct cz_session_options){.engine = options->engine.engine,
                                       .detector = options->detector,
                                       .thresholds = options->thresholds,
                                       .rect = options->rect};
}

/* ---- opening ---------------------------------------------------------- */

/* The model and OpenCV take as long as each other: both at once. */
struct opening {
    struct app_detector *d;
    enum cz_status status[2];
    struct cz_error err[2];
};

static void open_one(void *user, size_t i)
{
    struct opening *o = user;
    struct app_detector *d = o->d;
    o->status[i] =
        i ? cz_opencv_open(&d->opencv, &o->err[i])
          : cz_session_open(&d->session, d->model, &d->options, &o->err[i]);
}

enum cz_status app_detector_open(struct app_detector *d, const char *model,
                                 const struct app_detector_options *options,
                                 struct cz_error *err)
{
    struct opening o = {.d = d};
    *d = (struct app_detector){.model = model,
                               .options = app_session_options(options)};
    cz_parallel_for(2, 2, open_one, &o);
    for (int i = 0; i < 2; i++) {
        if (o.status[i] == CZ_OK)
            continue;
        *err = o.err[i];
        return o.status[i];
    }
    return CZ_OK;
}

void app_detector_close(struct app_detector *d)
{
    cz_session_close(d->session);
    cz_opencv_close(d->opencv);
}

/* ---- reports ---------------------------------------------------------- */

static const char *pixels_text(const struct cz_input_format *format)
{
    if (format->dtype == CZ_DTYPE_UINT8)
        return format->rgb ? "RGB bytes" : "BGR bytes";
    if (format->unit)
        return format->rgb ? "RGB 0..1" : "BGR 0..1";
    return format->rgb ? "RGB 0..255" : "BGR 0..255";
}

void app_detector_print(const struct app_detector *d)
{
    const struct cz_detector *detector = cz_session_detector(d->session);
    const struct cz_input_format *format = cz_detector_format(detector);
    app_print_clean(stdout, d->model);
    printf(": %s\n", cz_decoder_text(cz_detector_decoder(detector)));
    if (d->options.rect)
        printf("  input: rect, longest side %zu, ",
               cz_session_format(d->session, 1, 1).longest);
    else
        printf("  input: %zux%zu letterbox%s, ", format->width, format->height,
               format->corner ? " at the top left" : "");
    printf("%s; %zu classes, names: %s\n", pixels_text(format),
           cz_detector_classes(detector), cz_detector_names_source(detector));
}

json_t *app_detector_json(const struct app_detector *d)
{
    const struct cz_detector *detector = cz_session_detector(d->session);
    const struct cz_input_format *format = cz_detector_format(detector);
    json_t *object = json_object();
    json_object_set_new(
        object, "decoder",
        json_string(cz_decoder_name(cz_detector_decoder(detector))));
    json_object_set_new(object, "classes",
                        app_json_count(cz_detector_classes(detector)));
    json_object_set_new(object, "names",
                        json_string(cz_detector_names_source(detector)));
    json_object_set_new(object, "letterbox",
                        json_string(d->options.rect ? "rect" : "fixed"));
    json_object_set_new(object, "pixels", json_string(pixels_text(format)));
    json_object_set_new(object, "height", app_json_count(format->height));
    json_object_set_new(object, "width", app_json_count(format->width));
    return object;
}
