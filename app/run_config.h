/* What `compress run` is told by its YAML file.
 *
 * Variants, `evaluate:` and `bench:` take the long options of the commands
 * that do the work, with '_' or '-' between words, so that a new option of a
 * command is a new key here. */
#ifndef CZ_APP_RUN_CONFIG_H
#define CZ_APP_RUN_CONFIG_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/alloc.h"

/* Where something stands in the file, from 1. */
struct app_run_place {
    size_t line, column;
};

/* Arguments of a command, ["--prune", "0.05", ...]; of the config's arena. */
struct app_run_args {
    const char **items;
    size_t count, capacity;
};

struct app_run_model {
    const char *name, *path;
};

/* What becomes of each model. */
struct app_run_variant {
    const char *name;
    struct app_run_args args; /* none: the model as it is */
    struct app_run_place place;
};

struct app_run_config {
    const char *path, *folder; /* the file; what its paths are relative to */
    const char *name;          /* the report's title */
    const char *output;        /* folder */
    struct app_run_model *models;
    size_t n_models, models_capacity;
    struct app_run_variant *variants;
    size_t n_variants, variants_capacity;
    size_t baseline;            /* the variant without arguments */
    const char *annotations;    /* NULL: nothing is evaluated */
    const char *images, *calib; /* or NULL */
    struct app_run_args evaluate, bench;
    struct app_run_place annotations_place, calib_place;
    struct app_run_place evaluate_place, bench_place, gates_place;
    bool benches;            /* `bench: false` switches it off */
    bool sensitivity;        /* of each model, layer by layer */
    size_t samples;          /* pictures with boxes in the report */
    double max_drop, max_ms; /* gates; infinite: none */
    struct cz_arena arena;
};

/* The options of `evaluate:`, `bench:` and the variants that a file may give:
 * those of the commands without what the run itself sets. */
bool app_run_may_set(const char *section, const char *option);

/* Reads a file. CZ_EPARSE with line and column, and for an unknown key the
 * nearest that there is. End with _fini whatever the result. */
enum cz_status app_run_config_read(struct app_run_config *config,
                                   const char *path, struct cz_error *err);
void app_run_config_fini(struct app_run_config *config);

/* Adds a text, copied to the arena. */
enum cz_status app_run_add(struct app_run_config *config,
                           struct app_run_args *args, const char *text,
                           struct cz_error *err);

/* The text that printf would print, in the arena; NULL: no memory. */
const char *app_run_text(struct app_run_config *config, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Passes `status` on, and says in front of an error's message where the file
 * has what it is about: FILE:LINE:COLUMN. */
enum cz_status app_run_placed(struct app_run_config *config,
                              struct app_run_place place, enum cz_status status,
                              struct cz_error *err);

#endif
