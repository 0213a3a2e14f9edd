/* See run_options.h. */
#include "app/run_options.h"

#include <stdio.h>
#include <string.h>

#include "app/bench.h"
#include "app/compress_options.h"
#include "app/eval.h"

#define NAME_BYTES 101

static const char *const hidden_compress[] = {"calib", "output",  "force",
                                              "json",  "quiet",   "verbose",
                                              "help",  "version", NULL};
static const char *const hidden_eval[] = {
    "dets",  "ann",  "images", "save-dets", "curves",    "per-class",
    "force", "json", "quiet",  "help",      "confusion", NULL};
static const char *const hidden_bench[] = {"profile", "trace", "start-of",
                                           "times",   "force", "json",
                                           "quiet",   "help",  NULL};

struct app_run_options app_run_options_compress(void)
{
    return (struct app_run_options){.list = app_compress_long_options(),
                                    .hidden = hidden_compress,
                                    .where = "of a variant",
                                    .sweeps = true};
}

struct app_run_options app_run_options_eval(void)
{
    return (struct app_run_options){.list = app_eval_long_options(),
                                    .hidden = hidden_eval,
                                    .where = "of 'evaluate:'"};
}

struct app_run_options app_run_options_bench(void)
{
    return (struct app_run_options){.list = app_bench_long_options(),
                                    .hidden = hidden_bench,
                                    .where = "of 'bench:'"};
}

static bool is_in(const char *const *list, const char *name)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

static bool is_key(const char *key, const char *option)
{
    while (*key && (*key == *option || (*key == '_' && *option == '-'))) {
        key++;
        option++;
    }
    return !*key && !*option;
}

const struct option *app_run_option(const struct app_run_options *options,
                                    const char *key)
{
    for (const struct option *o = options->list; o->name; o++) {
        if (is_key(key, o->name) && !is_in(options->hidden, o->name))
            return o;
    }
    return NULL;
}

bool app_run_keys(const char **names, struct app_run_config *config,
                  const struct app_run_options *options)
{
    size_t n = 0;
    for (const struct option *o = options->list;
         o->name && n < APP_RUN_KEYS_MAX; o++) {
        if (is_in(options->hidden, o->name))
            continue;
        char *name = cz_arena_strdup(&config->arena, o->name, strlen(o->name));
        if (!name)
            return false;
        for (char *at = name; *at; at++)
            *at = *at == '-' ? '_' : *at;
        names[n++] = name;
    }
    static const char *const own[] = {"name", "precision"};
    for (size_t i = 0; i < 2 && options->sweeps && n < APP_RUN_KEYS_MAX; i++)
        names[n++] = own[i];
    names[n] = NULL;
    return true;
}

bool app_run_is_path(const char *option)
{
    static const char *const paths[] = {"ann", "calib", "names", "ort-lib",
                                        NULL};
    return is_in(paths, option);
}

bool app_run_is_repeated(const char *option)
{
    static const char *const repeated[] = {"skip", "sparsity-of", "keep",
                                           "shape", NULL};
    return is_in(repeated, option);
}

static void add_to_name(char name[NAME_BYTES], const char *text)
{
    size_t size = strlen(name);
    if (size && size < NAME_BYTES - 1)
        name[size++] = '-';
    while (*text == '-')
        text++;
    for (; *text && size < NAME_BYTES - 1; text++)
        name[size++] = strchr("*?[]/\\:=,; '\"", *text) ? '_' : *text;
    name[size] = 0;
}

static void add_all_to_name(char name[NAME_BYTES],
                            const struct app_run_args *args, bool patterns)
{
    for (size_t i = 0; i < args->count; i++) {
        const char *text = args->items[i];
        if (!patterns && strncmp(text, "--", 2) == 0 &&
            app_run_is_repeated(text + 2))
            i++;
        else
            add_to_name(name, text);
    }
}

/* Patterns make no names where there is anything else. */
const char *app_run_name(struct app_run_config *config,
                         const struct app_run_args *args,
                         const struct option *swept)
{
    char name[NAME_BYTES] = "";
    add_all_to_name(name, args, false);
    if (!*name && !swept)
        add_all_to_name(name, args, true);
    if (swept)
        add_to_name(name, swept->name);
    return app_run_text(config, "%s", *name ? name : "baseline");
}
