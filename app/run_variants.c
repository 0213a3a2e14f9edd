/* Options of commands as keys of a run's file, and the variants, which are made
 * of them. */
#include <stdio.h>
#include <string.h>

#include "app/run_reader_internal.h"

#define VARIANTS_MOST 500

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

static enum cz_status add_value(struct app_run_reader *r, struct section *s,
                                const struct option *option,
                                const yaml_node_t *node)
{
    const char *value;
    char name[64];
    snprintf(name, sizeof name, "--%s", option->name);
    if (!option->has_arg) {
        bool is_on;
        CZ_TRY(app_run_read_bool(&is_on, r, node));
        return is_on ? app_run_add(r->config, s->args, name, r->err) : CZ_OK;
    }
    CZ_TRY(app_run_is_path(option->name)
               ? app_run_read_path(&value, r, node, "a path")
               : app_run_read_text(&value, r, node, "a value"));
    CZ_TRY(app_run_add(r->config, s->args, name, r->err));
    return app_run_add(r->config, s->args, value, r->err);
}

/* [compress, ort] -> compress,ort */
static enum cz_status join_values(struct app_run_reader *r, struct section *s,
                                  const struct option *option,
                                  const yaml_node_t *list)
{
    const char *joined = "", *value;
    char name[64];
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        CZ_TRY(app_run_read_text(&value, r, app_run_node(r, *item), "a value"));
        joined = app_run_text(r->config, "%s%s%s", joined, *joined ? "," : "",
                              value);
        if (!joined)
            return cz_error_nomem(r->err);
    }
    snprintf(name, sizeof name, "--%s", option->name);
    CZ_TRY(app_run_add(r->config, s->args, name, r->err));
    return app_run_add(r->config, s->args, joined, r->err);
}

static enum cz_status repeat_values(struct app_run_reader *r, struct section *s,
                                    const struct option *option,
                                    const yaml_node_t *list)
{
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++)
        CZ_TRY(add_value(r, s, option, app_run_node(r, *item)));
    return CZ_OK;
}

static enum cz_status add_list(struct app_run_reader *r, struct section *s,
                               const struct option *option,
                               const yaml_node_t *list)
{
    if (list->data.sequence.items.start == list->data.sequence.items.top)
        return app_run_wrong(r, list, "this list is empty");
    if (!option->has_arg)
        return app_run_wrong(r, list, "want true or false here");
    if (app_run_is_repeated(option->name))
        return repeat_values(r, s, option, list);
    if (!s->options->sweeps)
        return join_values(r, s, option, list);
    if (s->swept)
        return app_run_wrong(
            r, list,
            "only one key of a variant can have several values: "
            "'%s' has, too",
            s->swept->name);
    s->swept = option;
    s->values = list;
    return CZ_OK;
}

static enum cz_status read_precision(struct app_run_reader *r,
                                     struct section *s, const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    const bool is_both = text && strcmp(text, "int8+fp16") == 0;
    const bool is_int8 = is_both || (text && strcmp(text, "int8") == 0);
    const bool is_fp16 = is_both || (text && strcmp(text, "fp16") == 0);
    if (!is_int8 && !is_fp16 && (!text || strcmp(text, "fp32") != 0))
        return app_run_wrong(r, node,
                             "want fp32, fp16, int8 or int8+fp16 here");
    if (is_int8)
        CZ_TRY(app_run_add(r->config, s->args, "--int8", r->err));
    return is_fp16 ? app_run_add(r->config, s->args, "--fp16", r->err) : CZ_OK;
}

static enum cz_status read_option(struct app_run_reader *r,
                                  const yaml_node_t *key, yaml_node_t *value,
                                  void *user)
{
    struct section *s = user;
    const char *name = cz_yaml_scalar(key), *names[APP_RUN_KEYS_MAX + 1];
    if (s->options->sweeps && strcmp(name, "name") == 0)
        return app_run_read_text(&s->name, r, value, "a name");
    if (s->options->sweeps && strcmp(name, "precision") == 0)
        return read_precision(r, s, value);
    const struct option *option = app_run_option(s->options, name);
    if (!option) {
        return app_run_keys(names, r->config, s->options)
                   ? app_run_unknown_key(r, key, names, s->options->where)
                   : cz_error_nomem(r->err);
    }
    return value->type == YAML_SEQUENCE_NODE ? add_list(r, s, option, value)
                                             : add_value(r, s, option, value);
}

enum cz_status app_run_read_section(struct app_run_reader *r, yaml_node_t *node,
                                    const struct app_run_options *options,
                                    struct app_run_args *args)
{
    struct section s = {.options = options, .args = args};
    return node->type == YAML_MAPPING_NODE
               ? app_run_each_pair(r, node, read_option, &s)
               : app_run_wrong(r, node, "want keys and values %s",
                               options->where);
}

/* ---- variants --------------------------------------------------------- */

static enum cz_status check_variant_name(struct app_run_reader *r,
                                         const yaml_node_t *node,
                                         const char *name)
{
    const struct app_run_config *c = r->config;
    CZ_TRY(app_run_check_name(r, node, name));
    for (size_t i = 0; i < c->n_variants; i++) {
        if (strcmp(c->variants[i].name, name) == 0)
            return app_run_wrong(
                r, node,
                "there is another variant '%s'; give this one a "
                "'name:' of its own",
                name);
    }
    return CZ_OK;
}

/* Takes over the section's arguments. */
static enum cz_status add_variant(struct app_run_reader *r,
                                  const yaml_node_t *node, const char *name,
                                  struct app_run_args args)
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
        return app_run_wrong(r, node, "more than %d variants", VARIANTS_MOST);
    c->variants = grown;
    grown[c->n_variants++] = (struct app_run_variant){
        .name = copy, .args = args, .place = app_run_place_of(node)};
    return CZ_OK;
}

/* One for each value, "name-value". */
static enum cz_status add_sweep(struct app_run_reader *r, struct section *s,
                                const yaml_node_t *node, const char *name)
{
    const yaml_node_t *list = s->values;
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const char *value;
        struct app_run_args args = {.count = 0};
        struct section one = {.options = s->options, .args = &args};
        CZ_TRY(app_run_read_text(&value, r, app_run_node(r, *item), "a value"));
        for (size_t i = 0; i < s->args->count; i++)
            CZ_TRY(app_run_add(r->config, &args, s->args->items[i], r->err));
        CZ_TRY(add_value(r, &one, s->swept, app_run_node(r, *item)));
        const char *full = app_run_text(r->config, "%s-%s", name, value);
        if (!full)
            return cz_error_nomem(r->err);
        CZ_TRY(add_variant(r, node, full, args));
    }
    return CZ_OK;
}

static enum cz_status read_variant(struct app_run_reader *r, yaml_node_t *node)
{
    struct app_run_args args = {.count = 0};
    const struct app_run_options options = app_run_options_compress();
    struct section s = {.options = &options, .args = &args};
    if (node->type != YAML_MAPPING_NODE)
        return app_run_wrong(r, node,
                             "want a variant, such as {name: pruned, prune: "
                             "0.05}");
    CZ_TRY(app_run_each_pair(r, node, read_option, &s));
    const char *name = s.name;
    if (!name)
        name = app_run_name(r->config, &args, s.swept);
    if (!name)
        return cz_error_nomem(r->err);
    return s.swept ? add_sweep(r, &s, node, name)
                   : add_variant(r, node, name, args);
}

enum cz_status app_run_read_variants(struct app_run_reader *r,
                                     yaml_node_t *list)
{
    return app_run_each_item(r, list, read_variant, "variants");
}

enum cz_status app_run_find_baseline(struct app_run_reader *r)
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
            return app_run_wrong_at(r, c->variants[i].place,
                                    "a variant with options is no 'baseline': "
                                    "that is the model as it is");
    }
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    CZ_TRY(add_variant(r, root, "baseline", (struct app_run_args){.count = 0}));
    const struct app_run_variant baseline = c->variants[c->n_variants - 1];
    memmove(c->variants + 1, c->variants,
            (c->n_variants - 1) * sizeof *c->variants);
    c->variants[0] = baseline;
    return CZ_OK;
}
