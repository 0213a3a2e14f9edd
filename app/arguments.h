/* Arguments that several commands take: numbers, and what a model runs in. */
#ifndef CZ_APP_ARGUMENTS_H
#define CZ_APP_ARGUMENTS_H

#include <stdbool.h>

#include "engine/engine.h"

/* A whole number from low to high, of `option` of `command`. */
struct app_number {
    const char *command; /* "compress bench", as app_usage_error() wants it */
    const char *option;  /* "--frames" */
    size_t low, high;
};

/* These print what is wrong and return false. */
bool app_parse_number(size_t *number, const struct app_number *what,
                      const char *text);

/* Numbers with commas between them, at most `capacity`. */
bool app_parse_numbers(size_t *numbers, size_t *count, size_t capacity,
                       const struct app_number *what, const char *text);

/* A number from 0 to 1. */
bool app_parse_fraction(float *number, const char *command, const char *option,
                        const char *text);

/* "compress", "ort", ... */
bool app_parse_engine(enum cz_engine_kind *kind, const char *command,
                      const char *text);

/* The options that are the same for every command that runs models. */
struct app_engine_options {
    const char *command;
    struct cz_engine_options engine;
    struct cz_input_shape *shapes; /* those of engine.plan; owned */
    char *cache_file;              /* likewise */
};

enum {
    APP_OPTION_SHAPE = 512,
    APP_OPTION_PASSES,
    APP_OPTION_TUNE,
    APP_OPTION_ORT_LIB,
};

/* Those without shapes, for commands that know the shape from elsewhere. */
#define APP_PLAN_LONG_OPTIONS                                                  \
    {"passes", required_argument, NULL, APP_OPTION_PASSES},                    \
        {"tune", required_argument, NULL, APP_OPTION_TUNE},                    \
    {                                                                          \
        "ort-lib", required_argument, NULL, APP_OPTION_ORT_LIB                 \
    }

#define APP_ENGINE_LONG_OPTIONS                                                \
    {"shape", required_argument, NULL, APP_OPTION_SHAPE}, APP_PLAN_LONG_OPTIONS

#define APP_ENGINE_HELP                                                        \
    "  --shape [NAME=]1x3x640x640\n"                                           \
    "                      size of an input that the model leaves open; may\n" \
    "                      be repeated\n" APP_PLAN_HELP

#define APP_PLAN_HELP                                                          \
    "  --passes LIST       switch off rewritings of the graph: none (all of\n" \
    "                      them), or -NAME,-NAME; for finding errors\n"        \
    "  --tune off|cache    cache (default): time the implementations of "      \
    "each\n"                                                                   \
    "                      layer once and remember the fastest; off: take\n"   \
    "                      the first that fits\n"                              \
    "  --ort-lib FILE      ONNX Runtime's libonnxruntime.so.1; default: the\n" \
    "                      one in $ORT_LIB, else the installed one\n"

/* `argc` bounds the number of shapes. False when memory is short, which was
 * said. Ends with _fini in any case. */
bool app_engine_options_init(struct app_engine_options *options,
                             const char *command, int argc);
void app_engine_options_fini(struct app_engine_options *options);

/* Takes one of the options above; the argument must outlive `options`. */
bool app_engine_option(struct app_engine_options *options, int option,
                       char *argument);

#endif
