/* See run_reader_internal.h. */
#include "app/run_reader_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/near.h"
#include "core/path.h"

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

enum cz_status app_run_placed(struct app_run_config *config,
                              struct app_run_place place, enum cz_status status,
                              struct cz_error *err)
{
    const char *context = app_run_text(config, "%s:%zu:%zu", config->path,
                                       place.line, place.column);
    return context ? cz_error_prefix(err, status, context)
                   : cz_error_nomem(err);
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
static const char *path_of(struct app_run_reader *r, const char *text)
{
    char *path = cz_path_join(r->config->folder, text);
    const char *copy =
        path ? cz_arena_strdup(&r->config->arena, path, strlen(path)) : NULL;
    cz_free(path);
    return copy;
}

/* ---- nodes ------------------------------------------------------------ */

struct app_run_place app_run_place_of(const yaml_node_t *node)
{
    return (struct app_run_place){node->start_mark.line + 1,
                                  node->start_mark.column + 1};
}

enum cz_status app_run_wrong_at(const struct app_run_reader *r,
                                struct app_run_place place, const char *what)
{
    return app_run_placed(r->config, place,
                          cz_error_set(r->err, CZ_EPARSE, "%s", what), r->err);
}

enum cz_status app_run_wrong(const struct app_run_reader *r,
                             const yaml_node_t *node, const char *format, ...)
{
    char what[384];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return app_run_wrong_at(r, app_run_place_of(node), what);
}

yaml_node_t *app_run_node(struct app_run_reader *r, int index)
{
    return yaml_document_get_node(&r->document, index);
}

enum cz_status app_run_read_text(const char **text, struct app_run_reader *r,
                                 const yaml_node_t *node, const char *want)
{
    *text = cz_yaml_scalar(node);
    return *text && **text ? CZ_OK
                           : app_run_wrong(r, node, "want %s here", want);
}

enum cz_status app_run_read_path(const char **path, struct app_run_reader *r,
                                 const yaml_node_t *node, const char *want)
{
    const char *text;
    CZ_TRY(app_run_read_text(&text, r, node, want));
    *path = path_of(r, text);
    return *path ? CZ_OK : cz_error_nomem(r->err);
}

enum cz_status app_run_read_number(double *number, struct app_run_reader *r,
                                   const yaml_node_t *node, double most)
{
    const char *text = cz_yaml_scalar(node);
    char *end = NULL;
    *number = text && *text ? strtod(text, &end) : 0;
    if (end && !*end && *number >= 0 && *number <= most && isfinite(*number))
        return CZ_OK;
    return isinf(most)
               ? app_run_wrong(r, node, "want a number of at least 0 here")
               : app_run_wrong(r, node, "want a number from 0 to %g here",
                               most);
}

enum cz_status app_run_read_bool(bool *value, struct app_run_reader *r,
                                 const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    *value = text && strcmp(text, "true") == 0;
    return *value || (text && strcmp(text, "false") == 0)
               ? CZ_OK
               : app_run_wrong(r, node, "want true or false here");
}

/* ---- names ------------------------------------------------------------ */

enum cz_status app_run_check_name(struct app_run_reader *r,
                                  const yaml_node_t *node, const char *name)
{
    if (strspn(name, APP_RUN_NAME_LETTERS) == strlen(name) && *name != '.' &&
        *name != '-' && strlen(name) <= APP_RUN_NAME_MOST)
        return CZ_OK;
    return app_run_wrong(
        r, node,
        "'%.100s' becomes part of file names: want letters, digits, "
        "'.', '_', '+' and '-', at most %d",
        name, APP_RUN_NAME_MOST);
}

/* ---- maps ------------------------------------------------------------- */

enum cz_status app_run_each_pair(
    struct app_run_reader *r, const yaml_node_t *map,
    enum cz_status (*read)(struct app_run_reader *r, const yaml_node_t *key,
                           yaml_node_t *value, void *user),
    void *user)
{
    const yaml_node_pair_t *begin = map->data.mapping.pairs.start;
    for (const yaml_node_pair_t *pair = begin;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = app_run_node(r, pair->key);
        const char *name;
        CZ_TRY(app_run_read_text(&name, r, key, "a key"));
        for (const yaml_node_pair_t *other = begin; other < pair; other++) {
            if (strcmp(name, cz_yaml_scalar(app_run_node(r, other->key))) == 0)
                return app_run_wrong(r, key, "'%.100s:' is here a second time",
                                     name);
        }
        CZ_TRY(read(r, key, app_run_node(r, pair->value), user));
    }
    return CZ_OK;
}

enum cz_status app_run_unknown_key(const struct app_run_reader *r,
                                   const yaml_node_t *node,
                                   const char *const *names, const char *where)
{
    const char *name = cz_yaml_scalar(node);
    struct app_near near = app_near_start(name);
    for (size_t i = 0; names[i]; i++)
        app_near_try(&near, names[i]);
    return near.nearest
               ? app_run_wrong(
                     r, node,
                     "there is no key '%.100s:' %s; did you mean '%s:'?", name,
                     where, near.nearest)
               : app_run_wrong(r, node, "there is no key '%.100s:' %s", name,
                               where);
}

struct keys {
    const struct app_run_key *list; /* ends with a name of NULL */
    const char *where;
};

static enum cz_status read_key(struct app_run_reader *r, const yaml_node_t *key,
                               yaml_node_t *value, void *user)
{
    const struct keys *keys = user;
    const char *names[APP_RUN_KEYS_MAX + 1];
    size_t n = 0;
    for (const struct app_run_key *k = keys->list; k->name; k++) {
        if (strcmp(k->name, cz_yaml_scalar(key)) == 0)
            return k->read(r, value);
        names[n++] = k->name;
    }
    names[n] = NULL;
    return app_run_unknown_key(r, key, names, keys->where);
}

enum cz_status app_run_read_map(struct app_run_reader *r,
                                const yaml_node_t *map,
                                const struct app_run_key *list,
                                const char *where)
{
    struct keys keys = {list, where};
    return map->type == YAML_MAPPING_NODE
               ? app_run_each_pair(r, map, read_key, &keys)
               : app_run_wrong(r, map, "want keys and values %s", where);
}

/* ---- lists ------------------------------------------------------------ */

enum cz_status app_run_each_item(
    struct app_run_reader *r, yaml_node_t *list,
    enum cz_status (*read)(struct app_run_reader *r, yaml_node_t *node),
    const char *want)
{
    if (list->type != YAML_SEQUENCE_NODE ||
        list->data.sequence.items.start == list->data.sequence.items.top)
        return app_run_wrong(r, list, "want a list of %s here", want);
    for (yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++)
        CZ_TRY(read(r, app_run_node(r, *item)));
    return CZ_OK;
}
