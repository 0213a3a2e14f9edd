/* Which options of the commands a run's file may set. */
#ifndef CZ_APP_RUN_OPTIONS_H
#define CZ_APP_RUN_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

#include "app/run_config.h"

/* More keys than any command has options. */
#define APP_RUN_KEYS_MAX 63

struct app_run_options {
    const struct option *list;
    const char *const *hidden; /* what the run itself sets; ends with NULL */
    const char *where;         /* for messages: "of a variant" */
    bool sweeps;               /* a list makes several variants */
};

struct app_run_options app_run_options_compress(void);
struct app_run_options app_run_options_eval(void);
struct app_run_options app_run_options_bench(void);

/* The option of a key, '_' or '-' between words; NULL: there is none. */
const struct option *app_run_option(const struct app_run_options *options,
                                    const char *key);

/* All keys, with '_', in the config's arena: at most APP_RUN_KEYS_MAX, then
 * NULL. False: no memory. */
bool app_run_keys(const char **names, struct app_run_config *config,
                  const struct app_run_options *options);

/* Is its value a path? May it come more than once? */
bool app_run_is_path(const char *option);
bool app_run_is_repeated(const char *option);

/* A name for a variant out of its arguments, fit for a file, with that of the
 * option whose values follow (or NULL) at its end: "int8", "prune-0.05-fp16".
 * NULL: no memory. */
const char *app_run_name(struct app_run_config *config,
                         const struct app_run_args *args,
                         const struct option *swept);

#endif
