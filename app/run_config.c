/* The keys of a run's YAML file; see run_config.h. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/run_reader_internal.h"
#include "core/path.h"

#define SAMPLES_MOST 16
#define SAMPLES_DEFAULT 2

/* ---- models ----------------------------------------------------------- */

/* The file's name without its ending, with '_' for what no name may have. */
static const char *name_of_file(struct app_run_config *c, const char *path)
{
    const char *base = cz_path_base(path);
    char *name = cz_arena_strdup(&c->arena, base, cz_path_stem_size(base));
    for (char *at = name; at && *at; at++) {
        if (!strchr(APP_RUN_NAME_LETTERS, *at) ||
            (at == name && strchr(".-", *at)))
            *at = '_';
    }
    return name;
}

static enum cz_status check_model(struct app_run_reader *r,
                                  const yaml_node_t *node, const char *name,
                                  const char *path)
{
    const struct app_run_config *c = r->config;
    CZ_TRY(app_run_check_name(r, node, name));
    for (size_t i = 0; i < c->n_models; i++) {
        if (strcmp(c->models[i].name, name) == 0)
            return app_run_wrong(
                r, node,
                "there is another model '%.100s'; give this one a "
                "name: {name: other, path: %.100s}",
                name, path);
    }
    struct stat info;
    if (stat(path, &info) != 0 || access(path, R_OK) != 0)
        return app_run_wrong(r, node, "%.200s: %s", path, strerror(errno));
    return S_ISREG(info.st_mode)
               ? CZ_OK
               : app_run_wrong(r, node,
                               "%.200s: is no file; want an ONNX model", path);
}

static enum cz_status add_model(struct app_run_reader *r,
                                const yaml_node_t *node, const char *name,
                                const char *path)
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

static enum cz_status read_model_key(struct app_run_reader *r,
                                     const yaml_node_t *key, yaml_node_t *value,
                                     void *user)
{
    static const char *const names[] = {"name", "path", NULL};
    struct named_model *model = user;
    if (strcmp(cz_yaml_scalar(key), "name") == 0)
        return app_run_read_text(&model->name, r, value, "a name");
    if (strcmp(cz_yaml_scalar(key), "path") == 0)
        return app_run_read_path(&model->path, r, value, "a model's path");
    return app_run_unknown_key(r, key, names, "of a model");
}

static enum cz_status read_model(struct app_run_reader *r, yaml_node_t *node)
{
    struct named_model model = {.name = NULL};
    if (node->type != YAML_MAPPING_NODE)
        CZ_TRY(app_run_read_path(&model.path, r, node, "a model's path"));
    else
        CZ_TRY(app_run_each_pair(r, node, read_model_key, &model));
    return model.path ? add_model(r, node, model.name, model.path)
                      : app_run_wrong(r, node, "want a 'path:' of this model");
}

static enum cz_status read_models(struct app_run_reader *r, yaml_node_t *list)
{
    return list->type == YAML_SEQUENCE_NODE
               ? app_run_each_item(r, list, read_model, "models")
               : read_model(r, list);
}

/* ---- the other keys --------------------------------------------------- */

/* A text that outlives the document. */
static enum cz_status keep_text(const char **kept, struct app_run_reader *r,
                                const yaml_node_t *node, const char *want)
{
    const char *text;
    CZ_TRY(app_run_read_text(&text, r, node, want));
    *kept = app_run_text(r->config, "%s", text);
    return *kept ? CZ_OK : cz_error_nomem(r->err);
}

static enum cz_status read_name(struct app_run_reader *r, yaml_node_t *node)
{
    return keep_text(&r->config->name, r, node, "a title");
}

static enum cz_status read_output(struct app_run_reader *r, yaml_node_t *node)
{
    return keep_text(&r->config->output, r, node, "a folder");
}

static enum cz_status read_annotations(struct app_run_reader *r,
                                       yaml_node_t *node)
{
    r->config->annotations_place = app_run_place_of(node);
    return app_run_read_path(&r->config->annotations, r, node,
                             "COCO's instances JSON or a data.yaml");
}

static enum cz_status read_images(struct app_run_reader *r, yaml_node_t *node)
{
    return app_run_read_path(&r->config->images, r, node, "a folder");
}

static enum cz_status read_calib(struct app_run_reader *r, yaml_node_t *node)
{
    r->config->calib_place = app_run_place_of(node);
    return app_run_read_path(&r->config->calib, r, node,
                             "a folder or a list of images");
}

static enum cz_status read_data(struct app_run_reader *r, yaml_node_t *node)
{
    static const struct app_run_key keys[] = {{"val", read_annotations},
                                              {"images", read_images},
                                              {"calib", read_calib},
                                              {NULL, NULL}};
    return app_run_read_map(r, node, keys, "of 'data:'");
}

static bool is_false(const yaml_node_t *node)
{
    const char *text = cz_yaml_scalar(node);
    return text && strcmp(text, "false") == 0;
}

static enum cz_status read_evaluate(struct app_run_reader *r, yaml_node_t *node)
{
    const struct app_run_options options = app_run_options_eval();
    r->config->evaluate_place = app_run_place_of(node);
    return app_run_read_section(r, node, &options, &r->config->evaluate);
}

static enum cz_status read_bench(struct app_run_reader *r, yaml_node_t *node)
{
    const struct app_run_options options = app_run_options_bench();
    r->config->bench_place = app_run_place_of(node);
    r->config->benches = !is_false(node);
    return r->config->benches
               ? app_run_read_section(r, node, &options, &r->config->bench)
               : CZ_OK;
}

static enum cz_status read_sensitivity(struct app_run_reader *r,
                                       yaml_node_t *node)
{
    return app_run_read_bool(&r->config->sensitivity, r, node);
}

static enum cz_status read_samples(struct app_run_reader *r, yaml_node_t *node)
{
    double number;
    CZ_TRY(app_run_read_number(&number, r, node, SAMPLES_MOST));
    r->config->samples = (size_t)number;
    return number == floor(number)
               ? CZ_OK
               : app_run_wrong(r, node, "want a whole number here");
}

static enum cz_status read_max_drop(struct app_run_reader *r, yaml_node_t *node)
{
    return app_run_read_number(&r->config->max_drop, r, node, 1);
}

static enum cz_status read_max_ms(struct app_run_reader *r, yaml_node_t *node)
{
    CZ_TRY(app_run_read_number(&r->config->max_ms, r, node, INFINITY));
    return r->config->max_ms > 0
               ? CZ_OK
               : app_run_wrong(r, node, "want milliseconds, more than 0, here");
}

/* A gate that nothing is measured for would never close. */
static enum cz_status check_gates(struct app_run_reader *r)
{
    const struct app_run_config *c = r->config;
    const char *what = NULL;
    if (isfinite(c->max_drop) && !c->annotations)
        what = "'max_drop:' wants 'data: {val: FILE}', to measure mAP on";
    else if (isfinite(c->max_ms) && !c->benches)
        what = "'max_ms:' wants a benchmark; leave 'bench: false' out";
    return what ? app_run_wrong_at(r, c->gates_place, what) : CZ_OK;
}

static enum cz_status read_gates(struct app_run_reader *r, yaml_node_t *node)
{
    static const struct app_run_key keys[] = {
        {"max_drop", read_max_drop}, {"max_ms", read_max_ms}, {NULL, NULL}};
    r->config->gates_place = app_run_place_of(node);
    return app_run_read_map(r, node, keys, "of 'gates:'");
}

/* ---- the file --------------------------------------------------------- */

static enum cz_status read_root(struct app_run_reader *r,
                                const yaml_node_t *root)
{
    static const struct app_run_key keys[] = {
        {"name", read_name},
        {"output", read_output},
        {"models", read_models},
        {"data", read_data},
        {"variants", app_run_read_variants},
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
    CZ_TRY(app_run_read_map(r, root, keys, "of a run"));
    return r->config->n_models
               ? check_gates(r)
               : app_run_wrong(r, root, "want 'models:', a list of ONNX files");
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
    c->path = app_run_text(c, "%s", path);
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
    struct app_run_reader r = {.config = config, .err = err};
    CZ_TRY(set_defaults(config, path, err));
    CZ_TRY(cz_yaml_load(&r.document, path, err));
    enum cz_status status =
        read_root(&r, yaml_document_get_root_node(&r.document));
    if (status == CZ_OK)
        status = app_run_find_baseline(&r);
    yaml_document_delete(&r.document);
    return status;
}

void app_run_config_fini(struct app_run_config *config)
{
    cz_arena_fini(&config->arena);
}
