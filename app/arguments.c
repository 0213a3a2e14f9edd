/* Numbers, engines, shapes from the command line; where tuning is kept. */
#include "app/arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/app.h"
#include "core/alloc.h"

/* ---- numbers ---------------------------------------------------------- */

/* Digits from `text` to `end`. */
static bool read_number(size_t *number, const char *text, const char *end)
{
    *number = 0;
    for (const char *c = text; c < end; c++) {
        if (*c < '0' || *c > '9' ||
            __builtin_mul_overflow(*number, (size_t)10, number) ||
            __builtin_add_overflow(*number, (size_t)(*c - '0'), number))
            return false;
    }
    return text < end;
}

static bool parse_part(size_t *number, const struct app_number *what,
                       const char *text, const char *end)
{
    if (read_number(number, text, end) && *number >= what->low &&
        *number <= what->high)
        return true;
    if (what->high == SIZE_MAX)
        app_usage_error(what->command,
                        "%s %.*s: want a whole number of at least %zu",
                        what->option, (int)(end - text), text, what->low);
    else
        app_usage_error(
            what->command, "%s %.*s: want a whole number from %zu to %zu",
            what->option, (int)(end - text), text, what->low, what->high);
    return false;
}

bool app_parse_number(size_t *number, const struct app_number *what,
                      const char *text)
{
    return parse_part(number, what, text, text + strlen(text));
}

bool app_parse_numbers(size_t *numbers, size_t *count, size_t capacity,
                       const struct app_number *what, const char *text)
{
    *count = 0;
    for (;; text++) {
        const char *end = text + strcspn(text, ",");
        if (*count == capacity) {
            app_usage_error(what->command, "%s: at most %zu numbers",
                            what->option, capacity);
            return false;
        }
        if (!parse_part(&numbers[(*count)++], what, text, end))
            return false;
        text = end;
        if (!*text)
            return true;
    }
}

bool app_parse_fraction(float *number, const char *command, const char *option,
                        const char *text)
{
    char *end;
    *number = strtof(text, &end);
    if (end != text && !*end && *number >= 0 && *number <= 1)
        return true;
    app_usage_error(command, "%s %s: want a number from 0 to 1", option, text);
    return false;
}

bool app_parse_engine(enum cz_engine_kind *kind, const char *command,
                      const char *text)
{
    for (int k = 0; k < CZ_ENGINE_COUNT; k++) {
        *kind = (enum cz_engine_kind)k;
        if (strcmp(text, cz_engine_name(*kind)) == 0)
            return true;
    }
    app_usage_error(command,
                    "--engine %s: want compress, ort, ort:cuda or ort:tensorrt",
                    text);
    return false;
}

/* ---- shapes ----------------------------------------------------------- */

/* "1x3x640x640" */
static bool read_dims(struct cz_dims *dims, const char *text)
{
    dims->rank = 0;
    for (;; text++) {
        const char *end = text + strcspn(text, "x");
        size_t number;
        if (dims->rank == CZ_RANK_MAX || !read_number(&number, text, end) ||
            number > INT64_MAX)
            return false;
        dims->size[dims->rank++] = (int64_t)number;
        text = end;
        if (!*text)
            return true;
    }
}

/* Splits NAME=DIMS at its last '='. The name stays in `argument`. */
static bool add_shape(struct app_engine_options *options, char *argument)
{
    struct cz_plan_options *plan = &options->engine.plan;
    struct cz_input_shape *shape = &options->shapes[plan->n_shapes];
    char *equals = strrchr(argument, '=');
    const char *dims = equals ? equals + 1 : argument;
    if (!read_dims(&shape->dims, dims)) {
        app_usage_error(options->command,
                        "--shape %s: want [NAME=]1x3x640x640, at most %d dims",
                        argument, CZ_RANK_MAX);
        return false;
    }
    if (equals) {
        *equals = 0;
        shape->name = argument;
    }
    plan->n_shapes++;
    return true;
}

/* ---- tuning ----------------------------------------------------------- */

/* $XDG_CACHE_HOME/compress/tune.json, or below ~/.cache; NULL where neither
 * variable is set. Its folder is made if it can be. */
static char *cache_file(void)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    bool from_home = !cache || *cache != '/';
    if (from_home && (!home || *home != '/'))
        return NULL;
    const char *base = from_home ? home : cache;
    const char *below = from_home ? "/.cache" : "";
    size_t size = strlen(base) + strlen(below) + sizeof "/compress/tune.json";
    char *path = cz_malloc(size);
    if (!path)
        return NULL;
    snprintf(path, size, "%s%s", base, below);
    mkdir(path, 0777);
    snprintf(path, size, "%s%s/compress", base, below);
    mkdir(path, 0777);
    snprintf(path, size, "%s%s/compress/tune.json", base, below);
    return path;
}

static bool parse_tune(enum cz_tune *tune, const char *command,
                       const char *text)
{
    bool off = strcmp(text, "off") == 0;
    *tune = off ? CZ_TUNE_OFF : CZ_TUNE_CACHE;
    if (off || strcmp(text, "cache") == 0)
        return true;
    app_usage_error(command, "--tune %s: want off or cache", text);
    return false;
}

/* ---- all of them ------------------------------------------------------ */

bool app_engine_options_init(struct app_engine_options *options,
                             const char *command, int argc)
{
    *options = (struct app_engine_options){.command = command,
                                           .engine = CZ_ENGINE_OPTIONS_INIT};
    options->shapes = cz_calloc((size_t)argc, sizeof *options->shapes);
    options->cache_file = cache_file();
    options->engine.plan.shapes = options->shapes;
    options->engine.plan.tune = CZ_TUNE_CACHE;
    options->engine.plan.cache_file = options->cache_file;
    options->engine.plan.passes = getenv("CZ_PASSES");
    options->engine.plan.kernels = getenv("CZ_KERNELS");
    if (options->shapes)
        return true;
    struct cz_error err;
    cz_error_nomem(&err);
    app_fail(&err);
    return false;
}

void app_engine_options_fini(struct app_engine_options *options)
{
    cz_free(options->shapes);
    cz_free(options->cache_file);
}

bool app_engine_option(struct app_engine_options *options, int option,
                       char *argument)
{
    switch (option) {
    case APP_OPTION_SHAPE:
        return add_shape(options, argument);
    case APP_OPTION_PASSES:
        options->engine.plan.passes = argument;
        return true;
    case APP_OPTION_TUNE:
        return parse_tune(&options->engine.plan.tune, options->command,
                          argument);
    case APP_OPTION_ORT_LIB:
        options->engine.ort_library = argument;
        return true;
    default: /* getopt has said what is wrong */
        fprintf(stderr, "Try '%s --help'.\n", options->command);
        return false;
    }
}
