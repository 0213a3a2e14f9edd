/* The steps of a run: each a command line of this program, what its result
 * depends on, and what it leaves.
 *
 * For each model: its variants are made, each is looked into and evaluated, all
 * detections are compared, all files take turns in one benchmark, and boxes are
 * drawn on a few images. */
#ifndef CZ_APP_RUN_PLAN_H
#define CZ_APP_RUN_PLAN_H

#include <jansson.h>

#include "app/image_files.h"
#include "app/run_config.h"
#include "core/hash.h"

enum app_run_kind {
    APP_RUN_MAKE,
    APP_RUN_INSPECT,
    APP_RUN_EVAL,
    APP_RUN_COMPARE,
    APP_RUN_BENCH,
    APP_RUN_DETECT,
    APP_RUN_SENSITIVITY,
    APP_RUN_KIND_COUNT,
};

enum app_run_state {
    APP_RUN_TO_DO,
    APP_RUN_CACHED, /* its result is that of an earlier run */
    APP_RUN_MADE,
    APP_RUN_FAILED,
    APP_RUN_LEFT_OUT, /* what it depends on failed */
};

/* Of a step that is about all variants of a model. */
#define APP_RUN_ALL ((size_t)-1)

/* What a step about all variants has of one of them. */
struct app_run_part {
    size_t variant;
    size_t need; /* the step that makes it; APP_RUN_ALL: none */
};

struct app_run_step {
    enum app_run_kind kind;
    size_t model, variant;
    const char *id;               /* fit for a file: "yolov8n-int8.eval" */
    struct app_run_args args;     /* without the program's name */
    struct app_run_args files;    /* that its result depends on */
    struct app_run_args products; /* files that it writes */
    bool uses_val, uses_calib;    /* their images count, too */
    bool uses_machine;            /* its result is that of this machine */
    size_t *needs, n_needs;       /* [n_needs] steps before it */
    /* COMPARE and BENCH: each has app_run_part_args() arguments behind the
     * command's name, and a file. One that could not be made is taken out. */
    struct app_run_part *parts;
    size_t n_parts;
    char key[CZ_HASH_TEXT_BYTES]; /* before it begins; "": not known */
    /* When it is done. */
    enum app_run_state state;
    json_t *result; /* what it printed; owned */
    double seconds; /* that it took when it was made */
    int exit_code;
    const char *message; /* why it failed */
};

struct app_run_plan {
    struct app_run_config *config; /* its arena holds all texts */
    struct app_run_step *steps;
    size_t n_steps, capacity;
    struct app_image_files val, calib; /* images of the two; owned */
};

/* Checks all arguments with the commands' own parsers, which print what is
 * wrong, lists the images and the steps. End with _fini whatever the result. */
enum cz_status app_run_plan_make(struct app_run_plan *plan,
                                 struct app_run_config *config,
                                 struct cz_error *err);
void app_run_plan_fini(struct app_run_plan *plan);

/* NULL: there is none. */
struct app_run_step *app_run_find(const struct app_run_plan *plan,
                                  enum app_run_kind kind, size_t model,
                                  size_t variant);

/* The file of a variant: that of the model for the baseline. In the config's
 * arena; NULL: no memory. */
const char *app_run_file(struct app_run_config *config, size_t model,
                         size_t variant);

/* Run i of the variant's file in the benchmark; NULL: there is none. */
const json_t *app_run_bench_run(const struct app_run_plan *plan, size_t model,
                                size_t variant, size_t i);

/* How many arguments a part of such a step has: "--dets FILE", or a file. */
size_t app_run_part_args(enum app_run_kind kind);

/* The place of a variant among the parts; n_parts where it is none of them. */
size_t app_run_part_of(const struct app_run_step *step, size_t variant);

/* The command line of a step as getopt wants it: [args->count + 1] and NULL,
 * texts that may be written to, in the config's arena. NULL: no memory. */
char **app_run_argv(struct app_run_config *config,
                    const struct app_run_args *args, const char *command);

/* "make", "evaluate", ... */
const char *app_run_kind_name(enum app_run_kind kind);

#endif
