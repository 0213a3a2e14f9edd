/* Detectors from the command line; see detector.h. */
#include "app/detector.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/text.h"
#include "core/parallel.h"

#define SIDE_MAX 16384

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
    default:
        return app_engine_option(&options->engine, option, argument);
    }
}

/* ---- opening ---------------------------------------------------------- */

static enum cz_status open_engine(struct app_detector *d, struct cz_error *err)
{
    struct cz_engine_options options = d->options->engine.engine;
    struct cz_input_shape shape = {.dims = cz_detector_shape(&d->format)};
    if (cz_detector_is_dynamic(d->detector)) {
        options.plan.shapes = &shape;
        options.plan.n_shapes = 1;
    }
    return cz_engine_open(&d->engine, d->model, &options, err);
}

/* The engine and OpenCV take as long as each other: both at once. */
struct opening {
    struct app_detector *d;
    enum cz_status status[2];
    struct cz_error err[2];
};

static void open_one(void *user, size_t i)
{
    struct opening *o = user;
    o->status[i] = i ? cz_opencv_open(&o->d->opencv, &o->err[i])
                     : open_engine(o->d, &o->err[i]);
}

static enum cz_status open_both(struct app_detector *d, struct cz_error *err)
{
    struct opening o = {.d = d};
    cz_parallel_for(2, 2, open_one, &o);
    for (int i = 0; i < 2; i++) {
        if (o.status[i] == CZ_OK)
            continue;
        *err = o.err[i];
        return o.status[i];
    }
    return CZ_OK;
}

static enum cz_status bind(struct app_detector *d, struct cz_error *err)
{
    size_t count;
    const struct cz_port *outputs = cz_engine_outputs(d->engine, &count);
    return cz_detector_bind(d->detector, outputs, count, err);
}

enum cz_status app_detector_open(struct app_detector *d, const char *model,
                                 const struct app_detector_options *options,
                                 struct cz_error *err)
{
    *d = (struct app_detector){.options = options, .model = model};
    CZ_TRY(cz_detector_load(&d->detector, model, &options->detector, err));
    if (options->rect && !cz_detector_is_dynamic(d->detector))
        return cz_error_set(err, CZ_EINVAL,
                            "%s: --rect is for models that leave the size of "
                            "their input open; this one is fixed",
                            model);
    d->format = *cz_detector_format(d->detector);
    d->width = d->format.width;
    d->height = d->format.height;
    CZ_TRY(open_both(d, err));
    CZ_TRY(bind(d, err));
    d->format = *cz_detector_format(d->detector);
    return CZ_OK;
}

void app_detector_close(struct app_detector *d)
{
    cz_engine_close(d->engine);
    cz_opencv_close(d->opencv);
    cz_detector_free(d->detector);
}

/* ---- --rect ----------------------------------------------------------- */

struct cz_input_format app_detector_format(const struct app_detector *d,
                                           size_t width, size_t height)
{
    struct cz_input_format format = *cz_detector_format(d->detector);
    size_t side = d->width > d->height ? d->width : d->height;
    if (d->options->rect)
        cz_letterbox_rect(&format, side, cz_detector_stride(d->detector), width,
                          height);
    return format;
}

enum cz_status app_detector_resize(struct app_detector *d,
                                   const struct cz_input_format *format,
                                   struct cz_error *err)
{
    bool same =
        d->format.width == format->width && d->format.height == format->height;
    d->format = *format;
    if (same)
        return CZ_OK;
    cz_engine_close(d->engine);
    d->engine = NULL;
    CZ_TRY(open_engine(d, err));
    cz_detector_set_size(d->detector, format->width, format->height);
    return bind(d, err);
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
    enum cz_decoder decoder = cz_detector_decoder(d->detector);
    size_t classes = cz_detector_classes(d->detector);
    app_print_clean(stdout, d->model);
    printf(": %s\n", cz_decoder_text(decoder));
    if (d->options->rect)
        printf("  input: rect, longest side %zu, ",
               app_detector_format(d, 1, 1).longest);
    else
        printf("  input: %zux%zu letterbox%s, ", d->format.width,
               d->format.height, d->format.corner ? " at the top left" : "");
    printf("%s; %zu classes, names: %s\n", pixels_text(&d->format), classes,
           cz_detector_names_source(d->detector));
}

json_t *app_detector_json(const struct app_detector *d)
{
    json_t *object = json_object();
    json_object_set_new(
        object, "decoder",
        json_string(cz_decoder_name(cz_detector_decoder(d->detector))));
    json_object_set_new(object, "classes",
                        app_json_count(cz_detector_classes(d->detector)));
    json_object_set_new(object, "names",
                        json_string(cz_detector_names_source(d->detector)));
    json_object_set_new(object, "letterbox",
                        json_string(d->options->rect ? "rect" : "fixed"));
    json_object_set_new(object, "pixels", json_string(pixels_text(&d->format)));
    json_object_set_new(object, "height", app_json_count(d->format.height));
    json_object_set_new(object, "width", app_json_count(d->format.width));
    return object;
}
