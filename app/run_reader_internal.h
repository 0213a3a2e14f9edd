/* What the parts of a run's file are read with: nodes of its YAML tree, and
 * complaints that say where. */
#ifndef CZ_APP_RUN_READER_INTERNAL_H
#define CZ_APP_RUN_READER_INTERNAL_H

#include "app/run_config.h"
#include "app/run_options.h"
#include "core/yaml.h"

/* Names become parts of file names: of these letters, at most so many. */
#define APP_RUN_NAME_LETTERS                                                   \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-"
#define APP_RUN_NAME_MOST 100

struct app_run_reader {
    struct app_run_config *config;
    yaml_document_t document;
    struct cz_error *err;
};

/* A key of a map, and what to do with its value. Lists of keys end with a name
 * of NULL. */
struct app_run_key {
    const char *name;
    enum cz_status (*read)(struct app_run_reader *r, yaml_node_t *value);
};

struct app_run_place app_run_place_of(const yaml_node_t *node);
yaml_node_t *app_run_node(struct app_run_reader *r, int index);

/* CZ_EPARSE: "CONFIG:LINE:COLUMN: what is wrong", of a node or a place. */
enum cz_status app_run_wrong(const struct app_run_reader *r,
                             const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum cz_status app_run_wrong_at(const struct app_run_reader *r,
                                struct app_run_place place, const char *what);

/* A scalar that is not empty; `want` says what it should be. It lives as long
 * as the document. */
enum cz_status app_run_read_text(const char **text, struct app_run_reader *r,
                                 const yaml_node_t *node, const char *want);

/* A path, from the file's folder on; in the config's arena. */
enum cz_status app_run_read_path(const char **path, struct app_run_reader *r,
                                 const yaml_node_t *node, const char *want);

/* From 0 to `most`, which may be infinite. */
enum cz_status app_run_read_number(double *number, struct app_run_reader *r,
                                   const yaml_node_t *node, double most);
enum cz_status app_run_read_bool(bool *value, struct app_run_reader *r,
                                 const yaml_node_t *node);

/* Is it fit for a part of a file's name? */
enum cz_status app_run_check_name(struct app_run_reader *r,
                                  const yaml_node_t *node, const char *name);

/* Calls `read` for each pair of a map; no key comes twice. */
enum cz_status app_run_each_pair(
    struct app_run_reader *r, const yaml_node_t *map,
    enum cz_status (*read)(struct app_run_reader *r, const yaml_node_t *key,
                           yaml_node_t *value, void *user),
    void *user);

/* The same of a list that is not empty. */
enum cz_status app_run_each_item(
    struct app_run_reader *r, yaml_node_t *list,
    enum cz_status (*read)(struct app_run_reader *r, yaml_node_t *node),
    const char *want);

/* A map of these keys; `where` is for messages: "of 'data:'". */
enum cz_status app_run_read_map(struct app_run_reader *r,
                                const yaml_node_t *map,
                                const struct app_run_key *list,
                                const char *where);

/* There is no such key; names the nearest of `names`, which end with NULL. */
enum cz_status app_run_unknown_key(const struct app_run_reader *r,
                                   const yaml_node_t *node,
                                   const char *const *names, const char *where);

/* Of run_variants.c: a map of a command's options, as its arguments; the list
 * of variants; and then the one without arguments, which is put in front where
 * there is none. */
enum cz_status app_run_read_section(struct app_run_reader *r, yaml_node_t *node,
                                    const struct app_run_options *options,
                                    struct app_run_args *args);
enum cz_status app_run_read_variants(struct app_run_reader *r,
                                     yaml_node_t *list);
enum cz_status app_run_find_baseline(struct app_run_reader *r);

#endif
