/* The keys of a data.yaml that matter here: path, val, names, nc. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "core/yaml.h"
#include "eval/yolo_internal.h"

#define CLASSES_MAX 1000000

enum cz_status cz_texts_add(struct cz_texts *texts, struct cz_arena *arena,
                            const char *text, struct cz_error *err)
{
    const char **grown = cz_arena_grow(arena, texts->items, texts->count,
                                       &texts->capacity, sizeof *grown);
    const char *copy = cz_arena_strdup(arena, text, strlen(text));
    if (!grown || !copy)
        return cz_error_nomem(err);
    texts->items = grown;
    grown[texts->count++] = copy;
    return CZ_OK;
}

struct yaml {
    const char *path; /* for messages */
    yaml_document_t document;
    struct cz_yolo *yolo;
    struct cz_error *err;
};

static enum cz_status wrong(const struct yaml *y, const yaml_node_t *node,
                            const char *key, const char *want)
{
    return cz_error_set(y->err, CZ_EPARSE, "%s: line %zu: want %s as '%s:'",
                        y->path, node->start_mark.line + 1, want, key);
}

static bool read_count(size_t *count, const char *text)
{
    char *end;
    errno = 0;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    *count = value;
    return text && *text >= '0' && *text <= '9' && !*end && errno == 0 &&
           value <= CLASSES_MAX;
}

/* ---- keys ------------------------------------------------------------- */

static enum cz_status read_path(struct yaml *y, const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    if (!text)
        return wrong(y, node, "path", "a folder");
    y->yolo->root = cz_arena_strdup(&y->yolo->arena, text, strlen(text));
    return y->yolo->root ? CZ_OK : cz_error_nomem(y->err);
}

static enum cz_status read_val(struct yaml *y, yaml_node_t *node)
{
    struct cz_yolo *yolo = y->yolo;
    if (cz_yaml_scalar(node) && *cz_yaml_scalar(node))
        return cz_texts_add(&yolo->val, &yolo->arena, cz_yaml_scalar(node),
                            y->err);
    if (node->type != YAML_SEQUENCE_NODE)
        return wrong(y, node, "val", "a folder, a list file, or a list");
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        yaml_node_t *entry = yaml_document_get_node(&y->document, *item);
        if (!cz_yaml_scalar(entry) || !*cz_yaml_scalar(entry))
            return wrong(y, entry ? entry : node, "val", "folders and files");
        CZ_TRY(cz_texts_add(&yolo->val, &yolo->arena, cz_yaml_scalar(entry),
                            y->err));
    }
    return CZ_OK;
}

static enum cz_status read_name_list(struct yaml *y, const yaml_node_t *node)
{
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        yaml_node_t *entry = yaml_document_get_node(&y->document, *item);
        if (!cz_yaml_scalar(entry))
            return wrong(y, entry ? entry : node, "names", "a list of texts");
        CZ_TRY(cz_texts_add(&y->yolo->names, &y->yolo->arena,
                            cz_yaml_scalar(entry), y->err));
    }
    return CZ_OK;
}

/* 0: person, 1: bicycle, ... in any order. */
static enum cz_status read_name_map(struct yaml *y, const yaml_node_t *node)
{
    struct cz_texts *names = &y->yolo->names;
    const yaml_node_pair_t *begin = node->data.mapping.pairs.start;
    size_t count = (size_t)(node->data.mapping.pairs.top - begin), class;
    for (size_t i = 0; i < count; i++)
        CZ_TRY(cz_texts_add(names, &y->yolo->arena, "", y->err));
    bool *seen = cz_arena_alloc(&y->yolo->arena, count, sizeof *seen);
    if (!seen)
        return cz_error_nomem(y->err);
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *key = yaml_document_get_node(&y->document, begin[i].key);
        yaml_node_t *name =
            yaml_document_get_node(&y->document, begin[i].value);
        if (!read_count(&class, cz_yaml_scalar(key)) || class >= count ||
            seen[class] || !cz_yaml_scalar(name))
            return wrong(y, key ? key : node, "names",
                         "a text for each of 0, 1, 2, ...");
        seen[class] = true;
        names->items[class] =
            cz_arena_strdup(&y->yolo->arena, cz_yaml_scalar(name),
                            strlen(cz_yaml_scalar(name)));
        if (!names->items[class])
            return cz_error_nomem(y->err);
    }
    return CZ_OK;
}

static enum cz_status read_names(struct yaml *y, const yaml_node_t *node)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return read_name_list(y, node);
    if (node->type == YAML_MAPPING_NODE)
        return read_name_map(y, node);
    return wrong(y, node, "names", "a list or a map of texts");
}

/* Without names, classes are called by their numbers. */
static enum cz_status check_class_count(struct yaml *y, const yaml_node_t *node)
{
    struct cz_texts *names = &y->yolo->names;
    size_t count;
    char name[32];
    if (!read_count(&count, cz_yaml_scalar(node)))
        return wrong(y, node, "nc", "the number of classes");
    if (names->count && names->count != count)
        return cz_error_set(y->err, CZ_EPARSE,
                            "%s: line %zu: 'nc:' is %zu, but 'names:' has %zu",
                            y->path, node->start_mark.line + 1, count,
                            names->count);
    for (size_t i = names->count; i < count; i++) {
        snprintf(name, sizeof name, "class_%zu", i);
        CZ_TRY(cz_texts_add(names, &y->yolo->arena, name, y->err));
    }
    return CZ_OK;
}

/* ---- the document ----------------------------------------------------- */

static yaml_node_t *find(struct yaml *y, const yaml_node_t *root,
                         const char *key)
{
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const char *name =
            cz_yaml_scalar(yaml_document_get_node(&y->document, pair->key));
        if (name && strcmp(name, key) == 0)
            return yaml_document_get_node(&y->document, pair->value);
    }
    return NULL;
}

static enum cz_status read_document(struct yaml *y)
{
    yaml_node_t *root = yaml_document_get_root_node(&y->document);
    if (!root || root->type != YAML_MAPPING_NODE)
        return cz_error_set(y->err, CZ_EPARSE,
                            "%s: want a map with 'val:' and 'names:'", y->path);
    yaml_node_t *path = find(y, root, "path"), *val = find(y, root, "val");
    yaml_node_t *names = find(y, root, "names"), *nc = find(y, root, "nc");
    if (!val)
        return cz_error_set(y->err, CZ_EPARSE, "%s: has no 'val:'", y->path);
    if (!names && !nc)
        return cz_error_set(y->err, CZ_EPARSE, "%s: has no 'names:'", y->path);
    if (path)
        CZ_TRY(read_path(y, path));
    CZ_TRY(read_val(y, val));
    if (names)
        CZ_TRY(read_names(y, names));
    return nc ? check_class_count(y, nc) : CZ_OK;
}

static enum cz_status set_folder(struct cz_yolo *yolo, const char *path,
                                 struct cz_error *err)
{
    yolo->folder =
        cz_arena_strdup(&yolo->arena, path, cz_path_folder_size(path));
    return yolo->folder ? CZ_OK : cz_error_nomem(err);
}

enum cz_status cz_yolo_read(struct cz_yolo *yolo, const char *path,
                            struct cz_error *err)
{
    struct yaml y = {.path = path, .yolo = yolo, .err = err};
    struct stat info;
    *yolo = (struct cz_yolo){.folder = NULL};
    CZ_TRY(set_folder(yolo, path, err));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(EISDIR));
    CZ_TRY(cz_yaml_load(&y.document, path, err));
    const enum cz_status status = read_document(&y);
    yaml_document_delete(&y.document);
    return status;
}

void cz_yolo_fini(struct cz_yolo *yolo)
{
    cz_arena_fini(&yolo->arena);
}
