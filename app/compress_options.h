/* The options of `compress MODEL`. */
#ifndef CZ_APP_COMPRESS_OPTIONS_H
#define CZ_APP_COMPRESS_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

#include "app/board.h"
#include "app/int8_options.h"
#include "app/prune_options.h"
#include "quant/quant.h"

struct app_compress_options {
    const char *model;
    char *output; /* as given, or made from the model's name; owned */
    bool fp16, int8;
    bool force, json, quiet, verbose;
    const struct app_board *board; /* or NULL */
    struct app_prune_options pruning;
    struct cz_fp16_options fp16_options;
    struct app_int8_options int8_options;
};

/* Parses the command line. False when the command is over, with its exit code
 * in `*exit_code`: after --help, --version or a usage error. Ends with
 * _fini in any case. */
bool app_compress_options_parse(struct app_compress_options *options, int argc,
                                char **argv, int *exit_code);

/* The same without a model, and without asking whether the options go together.
 */
bool app_compress_options_read(struct app_compress_options *options, int argc,
                               char **argv, int *exit_code);

/* Is there something that only images can tell? */
bool app_compress_needs_images(const struct app_compress_options *options);

void app_compress_options_fini(struct app_compress_options *options);

/* The options that there are; the last has no name. */
const struct option *app_compress_long_options(void);

#endif
