/* The keys of a run's YAML file; see run_config.h. */
#include "app/run_config.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/near.h"
#include "app/run_options.h"
#include "core/path.h"
#include "core/yaml.h"

#define SAMPLES_MOST 16
#define SAMPLES_DEFAULT 2
#define NAME_MOST 100
#define VARIANTS_MOST 500
#define NAME_LETTERS                                                           \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-"

struct reader {
    struct app_run_config *config;
    yaml_document_t document;
    struct cz_error *err;
};

/* ---- texts ------------------------------------------------------------ */

const char *app_run_text(struct app_run_config *config, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int size = vsnprintf(NULL, 0, format, args);
    char *text =
        size < 0 ? NULL : cz_arena_alloc(&config->arena, (size_t)size + 1, 1);
    if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

enum cz_status app_run_add(struct app_run_config *config,
                           struct app_run_args *args, const char *text,
                           struct cz_error *err)
{
    const char **grown = cz_arena_grow(&config->arena, args->items, args->count,
                                       &args->capacity, sizeof *grown);
    const char *copy =
        text ? cz_arena_strdup(&config->arena, text, strlen(text)) : NULL;
    if (!grown || !copy)
        return cz_error_nomem(err);
    args->items = grown;
    grown[args->count++] = copy;
    return CZ_OK;
}

/* A path of the file: relative to the folder that it is in. */
static const char *path_of(struct reader *r, const char *text)
{
    char *path = cz_path_join(r->config->folder, text);
    const char *copy =
        path ? cz_arena_strdup(&r->config->arena, path, strlen(path)) : NULL;
    cz_free(path);
    return copy;
}

/* ---- nodes ------------------------------------------------------------ */

static struct app_run_place place_of(const yaml_node_t *node)
{
    return (struct app_run_place){node->start_mark.line + 1,
                                  node->start_mark.column + 1};
}

/* "CONFIG:LINE:COLUMN: what is wrong" */
__attribute__((format(printf, 3, 4))) static enum cz_status
wrong(const struct reader *r, const yaml_node_t *node, const char *format, ...)
{
    char what[384];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const struct app_run_place place = place_of(node);
    return cz_error_set(r->err, CZ_EPARSE, "%s:%zu:%zu: %s", r->config->path,
                        place.line, place.column, what);
}

static yaml_node_t *node_of(struct reader *r, int index)
{
    return yaml_document_get_node(&r->document, index);
}

/* The text of a scalar that is not empty. */
static enum cz_status read_text(const char **text, struct reader *r,
                                const yaml_node_t *node, const char *want)
{
    *text = cz_yaml_scalar(node);
    return *text && **text ? CZ_OK : wrong(r, node, "want %s here", want);
}

static enum cz_status read_path(const char **path, struct reader *r,
                                const yaml_node_t *node, const char *want)
{
    const char *text;
    CZ_TRY(read_text(&text, r, node, want));
    *path = path_of(r, text);
    return *path ? CZ_OK : cz_error_nomem(r->err);
}

static enum cz_status read_number(double *number, struct reader *r,
                                  const yaml_node_t *node, double most)
{
    const char *text = cz_yaml_scalar(node);
    char *end = NULL;
    *number = text && *text ? strtod(text, &end) : 0;
    if (end && !*end && *number >= 0 && *number <= most && isfinite(*number))
        return CZ_OK;
    return isinf(most)
               ? wrong(r, node, "want a number of at least 0 here")
               : wrong(r, node, "want a number from 0 to %g here", most);
}

static enum cz_status read_bool(bool *value, struct reader *r,
                                const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    *value = text && strcmp(text, "true") == 0;
    return *value || (text && strcmp(text, "false") == 0)
               ? CZ_OK
               : wrong(r, node, "want true or false here");
}

static bool is_false(const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    return text && strcmp(text, "false") == 0;
}

/* ---- maps ------------------------------------------------------------- */

/* A key of a map, and what to do with its value. */
struct key {
    const char *name;
    enum cz_status (*read)(struct reader *r, yaml_node_t *value);
};

/* Calls `read` for each pair of a map; no key comes twice. */
static enum cz_status
each_pair(struct reader *r, const yaml_node_t *map,
          enum cz_status (*read)(struct reader *r, const yaml_node_t *key,
                                 yaml_node_t *value, void *user),
          void *user)
{
    const yaml_node_pair_t *begin = map->data.mapping.pairs.start;
    for (const yaml_node_pair_t *pair = begin;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_of(r, pair->key);
        const char *name;
        CZ_TRY(read_text(&name, r, key, "a key"));
        for (const yaml_node_pair_t *other = begin; other < pair; other++) {
            if (strcmp(name, cz_yaml_scalar(node_of(r, other->key))) == 0)
                return wrong(r, key, "'%.100s:' is here a second time", name);
        }
        CZ_TRY(read(r, key, node_of(r, pair->value), user));
    }
    return CZ_OK;
}

/* `names` ends with NULL. */
static enum cz_status unknown_key(const struct reader *r,
                                  const yaml_node_t *node,
                                  const char *const *names, const char *where)
{
    const char *name = cz_yaml_scalar(node);
    struct app_near near = app_near_start(name);
    for (size_t i = 0; names[i]; i++)
        app_near_try(&near, names[i]);
    return near.nearest
               ? wrong(r, node,
                       "there is no key '%.100s:' %s; did you mean '%s:'?",
                       name, where, near.nearest)
               : wrong(r, node, "there is no key '%.100s:' %s", name, where);
}

struct keys {
    const struct key *list; /* ends with a name of NULL */
    const char *where;
};

static enum cz_status read_key(struct reader *r, const yaml_node_t *key,
                               yaml_node_t *value, void *user)
{
    const struct keys *keys = user;
    const char *names[APP_RUN_KEYS_MAX + 1];
    size_t n = 0;
    for (const struct key *k = keys->list; k->name; k++) {
        if (strcmp(k->name, cz_yaml_scalar(key)) == 0)
            return k->read(r, value);
        names[n++] = k->name;
    }
    names[n] = NULL;
    return unknown_key(r, key, names, keys->where);
}

static enum cz_status read_map(struct reader *r, const yaml_node_t *map,
                               const struct key *list, const char *where)
{
    struct keys keys = {list, where};
    return map->type == YAML_MAPPING_NODE
               ? each_pair(r, map, read_key, &keys)
               : wrong(r, map, "want keys and values %s", where);
}

/* ---- options of commands ---------------------------------------------- */

struct section {
    const struct app_run_options *options;
    struct app_run_args *args;
    /* Of a variant: its name, and the option that a list gives several values,
     * each of which makes a variant of its own. */
    const char *name;
    const struct option *swept;
    const yaml_node_t *values;
};

static enum cz_status add_value(struct reader *r, struct section *s,
                                const struct option *option,
                                const yaml_node_t *node)
{
    const char *value;
    char name[64];
    snprintf(name, sizeof name, "--%s", option->name);
    if (!option->has_arg) {
        bool is_on;
        CZ_TRY(read_bool(&is_on, r, node));
        return is_on ? app_run_add(r->config, s->args, name, r->err) : CZ_OK;
    }
    CZ_TRY(app_run_is_path(option->name)
               ? read_path(&value, r, node, "a path")
               : read_text(&value, r, node, "a value"));
    CZ_TRY(app_run_add(r->config, s->args, name, r->err));
    return app_run_add(r->config, s->args, value, r->err);
}

/* [compress, ort] -> compress,ort */
static enum cz_status join_values(struct reader *r, struct section *s,
                                  const struct option *option,
                                  const yaml_node_t *list)
{
    const char *joined = "", *value;
    char name[64];
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        CZ_TRY(read_text(&value, r, node_of(r, *item), "a value"));
        joined = app_run_text(r->config, "%s%s%s", joined, *joined ? "," : "",
                              value);
        if (!joined)
            return cz_error_nomem(r->err);
    }
    snprintf(name, sizeof name, "--%s", option->name);
    CZ_TRY(app_run_add(r->config, s->args, name, r->err));
    return app_run_add(r->config, s->args, joined, r->err);
}

static enum cz_status repeat_values(struct reader *r, struct section *s,
                                    const struct option *option,
                                    const yaml_node_t *list)
{
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++)
        CZ_TRY(add_value(r, s, option, node_of(r, *item)));
    return CZ_OK;
}

static enum cz_status add_list(struct reader *r, struct section *s,
                               const struct option *option,
                               const yaml_node_t *list)
{
    if (list->data.sequence.items.start == list->data.sequence.items.top)
        return wrong(r, list, "this list is empty");
    if (!option->has_arg)
        return wrong(r, list, "want true or false here");
    if (app_run_is_repeated(option->name))
        return repeat_values(r, s, option, list);
    if (!s->options->sweeps)
        return join_values(r, s, option, list);
    if (s->swept)
        return wrong(r, list,
                     "only one key of a variant can have several values: "
                     "'%s' has, too",
                     s->swept->name);
    s->swept = option;
    s->values = list;
    return CZ_OK;
}

static enum cz_status read_precision(struct reader *r, struct section *s,
                                     const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    const bool is_both = text && strcmp(text, "int8+fp16") == 0;
    const bool is_int8 = is_both || (text && strcmp(text, "int8") == 0);
    const bool is_fp16 = is_both || (text && strcmp(text, "fp16") == 0);
    if (!is_int8 && !is_fp16 && (!text || strcmp(text, "fp32") != 0))
        return wrong(r, node, "want fp32, fp16, int8 or int8+fp16 here");
    if (is_int8)
        CZ_TRY(app_run_add(r->config, s->args, "--int8", r->err));
    return is_fp16 ? app_run_add(r->config, s->args, "--fp16", r->err) : CZ_OK;
}

static enum cz_status read_option(struct reader *r, const yaml_node_t *key,
                                  yaml_node_t *value, void *user)
{
    struct section *s = user;
    const char *name = cz_yaml_scalar(key), *names[APP_RUN_KEYS_MAX + 1];
    if (s->options->sweeps && strcmp(name, "name") == 0)
        return read_text(&s->name, r, value, "a name");
    if (s->options->sweeps && strcmp(name, "precision") == 0)
        return read_precision(r, s, value);
    const struct option *option = app_run_option(s->options, name);
    if (!option) {
        return app_run_keys(names, r->config, s->options)
                   ? unknown_key(r, key, names, s->options->where)
                   : cz_error_nomem(r->err);
    }
    return value->type == YAML_SEQUENCE_NODE ? add_list(r, s, option, value)
                                             : add_value(r, s, option, value);
}

/* ---- variants --------------------------------------------------------- */

/* Names become parts of file names. */
static enum cz_status check_name(struct reader *r, const yaml_node_t *node,
                                 const char *name)
{
    if (strspn(name, NAME_LETTERS) == strlen(name) && *name != '.' &&
        *name != '-' && strlen(name) <= NAME_MOST)
        return CZ_OK;
    return wrong(r, node,
                 "'%.100s' becomes part of file names: want letters, digits, "
                 "'.', '_', '+' and '-', at most %d",
                 name, NAME_MOST);
}

static enum cz_status
check_variant_name(struct reader *r, const yaml_node_t *node, const char *name)
{
    const struct app_run_config *c = r->config;
    CZ_TRY(check_name(r, node, name));
    for (size_t i = 0; i < c->n_variants; i++) {
        if (strcmp(c->variants[i].name, name) == 0)
            return wrong(r, node,
                         "there is another variant '%s'; give this one a "
                         "'name:' of its own",
                         name);
    }
    return CZ_OK;
}

/* Takes over the section's arguments. */
static enum cz_status add_variant(struct reader *r, const yaml_node_t *node,
                                  const char *name, struct app_run_args args)
{
    struct app_run_config *c = r->config;
    CZ_TRY(check_variant_name(r, node, name));
    struct app_run_variant *grown =
        cz_arena_grow(&c->arena, c->variants, c->n_variants,
                      &c->variants_capacity, sizeof *grown);
    const char *copy = cz_arena_strdup(&c->arena, name, strlen(name));
    if (!grown || !copy)
        return cz_error_nomem(r->err);
    if (c->n_variants == VARIANTS_MOST)
        return wrong(r, node, "more than %d variants", VARIANTS_MOST);
    c->variants = grown;
    grown[c->n_variants++] = (struct app_run_variant){
        .name = copy, .args = args, .place = place_of(node)};
    return CZ_OK;
}

/* One for each value, "name-value". */
static enum cz_status add_sweep(struct reader *r, struct section *s,
                                const yaml_node_t *node, const char *name)
{
    const yaml_node_t *list = s->values;
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const char *value;
        struct app_run_args args = {.count = 0};
        struct section one = {.options = s->options, .args = &args};
        CZ_TRY(read_text(&value, r, node_of(r, *item), "a value"));
        for (size_t i = 0; i < s->args->count; i++)
            CZ_TRY(app_run_add(r->config, &args, s->args->items[i], r->err));
        CZ_TRY(add_value(r, &one, s->swept, node_of(r, *item)));
        const char *full = app_run_text(r->config, "%s-%s", name, value);
        if (!full)
            return cz_error_nomem(r->err);
        CZ_TRY(add_variant(r, node, full, args));
    }
    return CZ_OK;
}

static enum cz_status read_variant(struct reader *r, yaml_node_t *node)
{
    struct app_run_args args = {.count = 0};
    const struct app_run_options options = app_run_options_compress();
    struct section s = {.options = &options, .args = &args};
    if (node->type != YAML_MAPPING_NODE)
        return wrong(r, node,
                     "want a variant, such as {name: pruned, prune: "
                     "0.05}");
    CZ_TRY(each_pair(r, node, read_option, &s));
    const char *name = s.name;
    if (!name)
        name = app_run_name(r->config, &args, s.swept);
    if (!name)
        return cz_error_nomem(r->err);
    return s.swept ? add_sweep(r, &s, node, name)
                   : add_variant(r, node, name, args);
}

static enum cz_status each_item(struct reader *r, yaml_node_t *list,
                                enum cz_status (*read)(struct reader *r,
                                                       yaml_node_t *node),
                                const char *want)
{
    if (list->type != YAML_SEQUENCE_NODE ||
        list->data.sequence.items.start == list->data.sequence.items.top)
        return wrong(r, list, "want a list of %s here", want);
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++)
        CZ_TRY(read(r, node_of(r, *item)));
    return CZ_OK;
}

static enum cz_status read_variants(struct reader *r, yaml_node_t *list)
{
    return each_item(r, list, read_variant, "variants");
}

/* ---- models ----------------------------------------------------------- */

/* The file's name without its ending, with '_' for what no name may have. */
static const char *name_of_file(struct app_run_config *c, const char *path)
{
    const char *base = cz_path_base(path);
    char *name = cz_arena_strdup(&c->arena, base, cz_path_stem_size(base));
    for (char *at = name; at && *at; at++) {
        if (!strchr(NAME_LETTERS, *at) || (at == name && strchr(".-", *at)))
            *at = '_';
    }
    return name;
}

static enum cz_status check_model(struct reader *r, const yaml_node_t *node,
                                  const char *name, const char *path)
{
    const struct app_run_config *c = r->config;
    CZ_TRY(check_name(r, node, name));
    for (size_t i = 0; i < c->n_models; i++) {
        if (strcmp(c->models[i].name, name) == 0)
            return wrong(r, node,
                         "there is another model '%.100s'; give this one a "
                         "name: {name: other, path: %.100s}",
                         name, path);
    }
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return wrong(r, node, "%.200s: %s", path, strerror(errno));
    return S_ISREG(info.st_mode)
               ? CZ_OK
               : wrong(r, node, "%.200s: is no file; want an ONNX model", path);
}

static enum cz_status add_model(struct reader *r, const yaml_node_t *node,
                                const char *name, const char *path)
{
    struct app_run_config *c = r->config;
    struct app_run_model *grown = cz_arena_grow(
        &c->arena, c->models, c->n_models, &c->models_capacity, sizeof *grown);
    name = name ? cz_arena_strdup(&c->arena, name, strlen(name))
                : name_of_file(c, path);
    if (!grown || !name)
        return cz_error_nomem(r->err);
    CZ_TRY(check_model(r, node, name, path));
    c->models = grown;
    grown[c->n_models++] = (struct app_run_model){name, path};
    return CZ_OK;
}

struct named_model {
    const char *name, *path;
};

static enum cz_status read_model_key(struct reader *r, const yaml_node_t *key,
                                     yaml_node_t *value, void *user)
{
    static const char *const names[] = {"name", "path", NULL};
    struct named_model *model = user;
    if (strcmp(cz_yaml_scalar(key), "name") == 0)
        return read_text(&model->name, r, value, "a name");
    if (strcmp(cz_yaml_scalar(key), "path") == 0)
        return read_path(&model->path, r, value, "a model's path");
    return unknown_key(r, key, names, "of a model");
}

static enum cz_status read_model(struct reader *r, yaml_node_t *node)
{
    struct named_model model = {.name = NULL};
    if (node->type != YAML_MAPPING_NODE)
        CZ_TRY(read_path(&model.path, r, node, "a model's path"));
    else
        CZ_TRY(each_pair(r, node, read_model_key, &model));
    return model.path ? add_model(r, node, model.name, model.path)
                      : wrong(r, node, "want a 'path:' of this model");
}

static enum cz_status read_models(struct reader *r, yaml_node_t *list)
{
    return list->type == YAML_SEQUENCE_NODE
               ? each_item(r, list, read_model, "models")
               : read_model(r, list);
}

/* ---- the other keys --------------------------------------------------- */

static enum cz_status read_name(struct reader *r, yaml_node_t *node)
{
    const char *text;
    CZ_TRY(read_text(&text, r, node, "a title"));
    r->config->name = cz_arena_strdup(&r->config->arena, text, strlen(text));
    return r->config->name ? CZ_OK : cz_error_nomem(r->err);
}

static enum cz_status read_output(struct reader *r, yaml_node_t *node)
{
    const char *text;
    CZ_TRY(read_text(&text, r, node, "a folder"));
    r->config->output = cz_arena_strdup(&r->config->arena, text, strlen(text));
    return r->config->output ? CZ_OK : cz_error_nomem(r->err);
}

static enum cz_status read_annotations(struct reader *r, yaml_node_t *node)
{
    return read_path(&r->config->annotations, r, node,
                     "COCO's instances JSON or a data.yaml");
}

static enum cz_status read_images(struct reader *r, yaml_node_t *node)
{
    return read_path(&r->config->images, r, node, "a folder");
}

static enum cz_status read_calib(struct reader *r, yaml_node_t *node)
{
    return read_path(&r->config->calib, r, node,
                     "a folder or a list of images");
}

static enum cz_status read_data(struct reader *r, yaml_node_t *node)
{
    static const struct key keys[] = {{"val", read_annotations},
                                      {"images", read_images},
                                      {"calib", read_calib},
                                      {NULL, NULL}};
    return read_map(r, node, keys, "of 'data:'");
}

static enum cz_status read_section(struct reader *r, yaml_node_t *node,
                                   const struct app_run_options *options,
                                   struct app_run_args *args)
{
    struct section s = {.options = options, .args = args};
    return node->type == YAML_MAPPING_NODE
               ? each_pair(r, node, read_option, &s)
               : wrong(r, node, "want keys and values %s", options->where);
}

static enum cz_status read_evaluate(struct reader *r, yaml_node_t *node)
{
    const struct app_run_options options = app_run_options_eval();
    r->config->evaluate_place = place_of(node);
    return read_section(r, node, &options, &r->config->evaluate);
}

static enum cz_status read_bench(struct reader *r, yaml_node_t *node)
{
    const struct app_run_options options = app_run_options_bench();
    r->config->bench_place = place_of(node);
    r->config->benches = !is_false(node);
    return r->config->benches
               ? read_section(r, node, &options, &r->config->bench)
               : CZ_OK;
}

static enum cz_status read_sensitivity(struct reader *r, yaml_node_t *node)
{
    return read_bool(&r->config->sensitivity, r, node);
}

static enum cz_status read_samples(struct reader *r, yaml_node_t *node)
{
    double number;
    CZ_TRY(read_number(&number, r, node, SAMPLES_MOST));
    r->config->samples = (size_t)number;
    return number == floor(number) ? CZ_OK
                                   : wrong(r, node, "want a whole number here");
}

static enum cz_status read_max_drop(struct reader *r, yaml_node_t *node)
{
    return read_number(&r->config->max_drop, r, node, 1);
}

static enum cz_status read_max_ms(struct reader *r, yaml_node_t *node)
{
    CZ_TRY(read_number(&r->config->max_ms, r, node, INFINITY));
    return r->config->max_ms > 0
               ? CZ_OK
               : wrong(r, node, "want milliseconds, more than 0, here");
}

/* A gate that nothing is measured for would never close. */
static enum cz_status check_gates(struct reader *r)
{
    const struct app_run_config *c = r->config;
    const char *what = NULL;
    if (isfinite(c->max_drop) && !c->annotations)
        what = "'max_drop:' wants 'data: {val: FILE}', to measure mAP on";
    else if (isfinite(c->max_ms) && !c->benches)
        what = "'max_ms:' wants a benchmark; leave 'bench: false' out";
    return what ? cz_error_set(r->err, CZ_EPARSE, "%s:%zu:%zu: %s", c->path,
                               c->gates_place.line, c->gates_place.column, what)
                : CZ_OK;
}

static enum cz_status read_gates(struct reader *r, yaml_node_t *node)
{
    static const struct key keys[] = {
        {"max_drop", read_max_drop}, {"max_ms", read_max_ms}, {NULL, NULL}};
    r->config->gates_place = place_of(node);
    return read_map(r, node, keys, "of 'gates:'");
}

/* ---- the file --------------------------------------------------------- */

static enum cz_status read_root(struct reader *r, const yaml_node_t *root)
{
    static const struct key keys[] = {{"name", read_name},
                                      {"output", read_output},
                                      {"models", read_models},
                                      {"data", read_data},
                                      {"variants", read_variants},
                                      {"evaluate", read_evaluate},
                                      {"bench", read_bench},
                                      {"sensitivity", read_sensitivity},
                                      {"samples", read_samples},
                                      {"gates", read_gates},
                                      {NULL, NULL}};
    if (!root)
        return cz_error_set(r->err, CZ_EPARSE,
                            "%s: is empty; want at least 'models:'",
                            r->config->path);
    CZ_TRY(read_map(r, root, keys, "of a run"));
    return r->config->n_models
               ? check_gates(r)
               : wrong(r, root, "want 'models:', a list of ONNX files");
}

/* The variant that is the model as it is, in front if there is none. */
static enum cz_status find_baseline(struct reader *r)
{
    struct app_run_config *c = r->config;
    for (size_t i = 0; i < c->n_variants; i++) {
        if (c->variants[i].args.count == 0) {
            c->baseline = i;
            return CZ_OK;
        }
    }
    for (size_t i = 0; i < c->n_variants; i++) {
        if (strcmp(c->variants[i].name, "baseline") == 0)
            return cz_error_set(r->err, CZ_EPARSE,
                                "%s:%zu:%zu: a variant with options is no "
                                "'baseline': that is the model as it is",
                                c->path, c->variants[i].place.line,
                                c->variants[i].place.column);
    }
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    CZ_TRY(add_variant(r, root, "baseline", (struct app_run_args){.count = 0}));
    const struct app_run_variant baseline = c->variants[c->n_variants - 1];
    memmove(c->variants + 1, c->variants,
            (c->n_variants - 1) * sizeof *c->variants);
    c->variants[0] = baseline;
    return CZ_OK;
}

static enum cz_status set_defaults(struct app_run_config *c, const char *path,
                                   struct cz_error *err)
{
    const char *base = cz_path_base(path);
    const size_t stem = cz_path_stem_size(base);
    *c = (struct app_run_config){.benches = true,
                                 .samples = SAMPLES_DEFAULT,
                                 .max_drop = INFINITY,
                                 .max_ms = INFINITY};
    c->path = cz_arena_strdup(&c->arena, path, strlen(path));
    c->folder = cz_arena_strdup(&c->arena, path, cz_path_folder_size(path));
    c->name = cz_arena_strdup(&c->arena, base, stem);
    if (!c->path || !c->folder || !c->name)
        return cz_error_nomem(err);
    c->output = app_run_text(c, "runs/%s", c->name);
    return c->output ? CZ_OK : cz_error_nomem(err);
}

enum cz_status app_run_config_read(struct app_run_config *config,
                                   const char *path, struct cz_error *err)
{
    struct reader r = {.config = config, .err = err};
    CZ_TRY(set_defaults(config, path, err));
    CZ_TRY(cz_yaml_load(&r.document, path, err));
    enum cz_status status =
        read_root(&r, yaml_document_get_root_node(&r.document));
    if (status == CZ_OK)
        status = find_baseline(&r);
    yaml_document_delete(&r.document);
    return status;
}

void app_run_config_fini(struct app_run_config *config)
{
    cz_arena_fini(&config->arena);
}
