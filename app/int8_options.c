/* The options of quantizing; see int8_options.h. */
#include "app/int8_options.h"

#include <string.h>

#include "app/app.h"
#include "app/arguments.h"
#include "core/alloc.h"

#define CALIB_IMAGES 128

bool app_int8_options_init(struct app_int8_options *options,
                           const char *command, int argc)
{
    *options = (struct app_int8_options){.command = command,
                                         .int8 = CZ_INT8_OPTIONS_INIT,
                                         .calib_images = CALIB_IMAGES,
                                         .max_drop = APP_INT8_MAX_DROP,
                                         .learn = true};
    options->keep = cz_calloc((size_t)argc + 1, sizeof *options->keep);
    options->int8.keep = options->keep;
    return options->keep != NULL;
}

void app_int8_options_fini(struct app_int8_options *options)
{
    cz_free(options->keep);
}

bool app_is_int8_option(int option)
{
    return option >= APP_OPTION_CALIB && option <= APP_OPTION_KEEP;
}

static bool parse_target(struct app_int8_options *options, const char *text)
{
    for (int i = 0; i < CZ_INT8_TARGETS; i++) {
        options->int8.target = (enum cz_int8_target)i;
        if (strcmp(text, cz_int8_target_name(options->int8.target)) == 0)
            return true;
    }
    app_usage_error(options->command,
                    "--target %s: want onnxruntime or tensorrt", text);
    return false;
}

static bool parse_ranges(struct app_int8_options *options, const char *text)
{
    options->has_ranges = true;
    if (cz_range_method_find(&options->int8.method, text))
        return true;
    app_usage_error(options->command,
                    "--ranges %s: want mse, minmax, average, percentile or "
                    "entropy",
                    text);
    return false;
}

bool app_parse_int8_option(struct app_int8_options *options, int option,
                           const char *text)
{
    const struct app_number images = {options->command, "--calib-images", 8,
                                      512};
    switch (option) {
    case APP_OPTION_CALIB:
        options->calib = text;
        return true;
    case APP_OPTION_CALIB_IMAGES:
        options->has_images = true;
        return app_parse_number(&options->calib_images, &images, text);
    case APP_OPTION_TARGET:
        options->has_target = true;
        return parse_target(options, text);
    case APP_OPTION_RANGES:
        return parse_ranges(options, text);
    default:
        options->keep[options->int8.n_keep++] = text;
        return true;
    }
}

bool app_int8_options_are_default(const struct app_int8_options *options)
{
    return !options->has_target && !options->has_ranges && options->learn &&
           !options->int8.n_keep && !options->annotations &&
           options->max_drop == APP_INT8_MAX_DROP;
}
