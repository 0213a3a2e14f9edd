/* Detectors that are open; see detector.h. */
#include "app/detector.h"

#include "app/precision.h"
#include "app/text.h"

/* ---- opening ---------------------------------------------------------- */

static enum cz_status open_session(void *user, struct cz_error *err)
{
    struct app_detector *d = user;
    return cz_session_open(&d->session, d->model, &d->options, err);
}

enum cz_status app_detector_open(struct app_detector *d, const char *model,
                                 const struct app_detector_options *options,
                                 struct cz_error *err)
{
    *d = (struct app_detector){.model = model,
                               .options = app_session_options(options)};
    return cz_opencv_open_beside(&d->opencv, open_session, d, err);
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

static void print_precision(const struct app_detector *d)
{
    char text[APP_PRECISION_BYTES];
    if (d->options.engine.plan.precision == CZ_PRECISION_FLOAT32)
        return;
    const struct cz_precision_report report =
        cz_plan_precision(cz_engine_plan(cz_session_engine(d->session)));
    printf("  %s\n", app_precision_text(text, &report));
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
    printf("%s; ", pixels_text(format));
    if (cz_detector_classes(detector))
        printf("%zu classes, ", cz_detector_classes(detector));
    printf("names: %s\n", cz_detector_names_source(detector));
    print_precision(d);
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
                        app_json_known(cz_detector_classes(detector)));
    json_object_set_new(object, "names",
                        json_string(cz_detector_names_source(detector)));
    json_object_set_new(object, "letterbox",
                        json_string(d->options.rect ? "rect" : "fixed"));
    json_object_set_new(object, "pixels", json_string(pixels_text(format)));
    json_object_set_new(object, "height", app_json_count(format->height));
    json_object_set_new(object, "width", app_json_count(format->width));
    return object;
}
