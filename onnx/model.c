/* Models: load, save, and what stands in the file beside the graph. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/output.h"
#include "onnx/checker_shim.h"
#include "onnx/onnx_internal.h"

/* Each node looks its operator set up among them. */
#define IMPORTS_MAX 64

/* What libonnx 1.12's checker knows. */
#define CHECKER_OPSET_MAX 17
#define CHECKER_IR_MAX 8

static enum cz_status new_model(struct cz_model **model, const char *name,
                                struct cz_error *err)
{
    struct cz_model *m = cz_calloc(1, sizeof *m);
    if (!m)
        return cz_error_nomem(err);
    m->externals_end = &m->externals;
    m->name = cz_arena_strdup(&m->arena, name, strlen(name));
    if (!m->name) {
        cz_model_free(m);
        return cz_error_nomem(err);
    }
    *model = m;
    return CZ_OK;
}

/* Every import of ONNX's own domain asks for the same version. */
static enum cz_status check_imports(const struct cz_model *model, int64_t opset,
                                    struct cz_error *err)
{
    for (size_t i = 0; i < cz_proto_model_opset_count(model->proto); i++) {
        struct cz_proto_text text;
        int64_t version = cz_proto_model_opset(model->proto, i, &text);
        if ((!*text.data || strcmp(text.data, "ai.onnx") == 0) &&
            version != opset)
            return cz_error_set(err, CZ_EPARSE,
                                "imports two ONNX operator sets: %" PRId64
                                " and %" PRId64,
                                opset, version);
    }
    return CZ_OK;
}

static enum cz_status check_opset(struct cz_model *model, struct cz_error *err)
{
    size_t imports = cz_proto_model_opset_count(model->proto);
    if (imports > IMPORTS_MAX)
        return cz_error_set(err, CZ_EPARSE,
                            "imports %zu operator sets, want %d at most",
                            imports, IMPORTS_MAX);
    int64_t opset = cz_model_opset(model, "");
    CZ_TRY(check_imports(model, opset, err));
    if (opset >= CZ_OPSET_MIN && opset <= CZ_OPSET_MAX)
        return CZ_OK;
    if (opset == 0)
        return cz_error_set(err, CZ_EPARSE,
                            "imports no ONNX operator set (opset_import)");
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "opset %" PRId64 " is not supported (%d to %d are); "
                        "export the model with opset=17",
                        opset, CZ_OPSET_MIN, CZ_OPSET_MAX);
}

static enum cz_status build_view(struct cz_model *model, struct cz_error *err)
{
    if (!cz_proto_model_has_graph(model->proto))
        return cz_error_set(err, CZ_EPARSE,
                            "not an ONNX model: it has no "
                            "graph");
    CZ_TRY(check_opset(model, err));
    CZ_TRY(cz_graph_build(&model->graph, model,
                          cz_proto_model_graph(model->proto), NULL, err));
    if (!model->graph->n_nodes)
        return cz_error_set(err, CZ_EPARSE, "its graph has no nodes");
    if (!model->graph->n_outputs)
        return cz_error_set(err, CZ_EPARSE, "its graph has no outputs");
    return CZ_OK;
}

/* Ends loading: gives the model away, or says which file is wrong. */
static enum cz_status finish(struct cz_model **result, struct cz_model *model,
                             enum cz_status status, struct cz_error *err)
{
    if (status == CZ_OK) {
        *result = model;
        return CZ_OK;
    }
    cz_error_prefix(err, status, model->name);
    cz_model_free(model);
    return status;
}

static enum cz_status open_model(int *fd, const char *path,
                                 struct cz_error *err)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return cz_error_set(err, CZ_EIO, "%s", strerror(errno));
    const char *wrong = NULL;
    if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode))
        wrong = "is not a regular file";
    else if (info.st_size == 0)
        wrong = "is empty";
    else if (info.st_size > INT32_MAX)
        wrong = "is larger than protobuf's 2 GB; save it with external data";
    if (!wrong)
        return CZ_OK;
    close(*fd);
    return cz_error_set(err, CZ_EPARSE, "%s", wrong);
}

/* Notes the files that belong together: the model at `path`, and its data
 * files where they are now. */
static enum cz_status note_files(struct cz_model *model, const char *path,
                                 const struct cz_external_files *written,
                                 struct cz_error *err)
{
    size_t count = 1;
    for (const struct cz_external *x = model->externals; x; x = x->next)
        count++;
    const char **files = cz_arena_alloc(&model->arena, count, sizeof *files);
    if (!files)
        return cz_error_nomem(err);
    char *text;
    CZ_TRY(cz_model_join(&text, model, path, "", "", err));
    files[0] = text;
    model->n_files = 1;
    for (size_t i = 0; i < written->count; i++) {
        CZ_TRY(
            cz_model_join(&text, model, written->outputs[i].path, "", "", err));
        files[model->n_files++] = text;
    }
    for (const struct cz_external *x = model->externals; x && !written->count;
         x = x->next) {
        if (!cz_external_is_first(x))
            continue;
        CZ_TRY(
            cz_model_join(&text, model, model->folder, "/", x->location, err));
        files[model->n_files++] = text;
    }
    model->files = files;
    return CZ_OK;
}

static enum cz_status load(struct cz_model *model, const char *path,
                           struct cz_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    model->folder = slash ? cz_arena_strdup(&model->arena, path, length) : ".";
    if (!model->folder)
        return cz_error_nomem(err);
    int fd;
    CZ_TRY(open_model(&fd, path, err));
    enum cz_status status = cz_proto_model_read(&model->proto, fd, err);
    close(fd);
    CZ_TRY(status);
    CZ_TRY(build_view(model, err));
    const struct cz_external_files none = {.outputs = NULL};
    return note_files(model, path, &none, err);
}

enum cz_status cz_model_load(struct cz_model **model, const char *path,
                             struct cz_error *err)
{
    struct cz_model *m = NULL;
    CZ_TRY(new_model(&m, path, err));
    return finish(model, m, load(m, path, err), err);
}

static enum cz_status parse(struct cz_model *model, const void *bytes,
                            size_t size, const char *folder,
                            struct cz_error *err)
{
    if (folder) {
        model->folder = cz_arena_strdup(&model->arena, folder, strlen(folder));
        if (!model->folder)
            return cz_error_nomem(err);
    }
    CZ_TRY(cz_proto_model_parse(&model->proto, bytes, size, err));
    return build_view(model, err);
}

enum cz_status cz_model_parse(struct cz_model **model, const void *bytes,
                              size_t size, const char *name, const char *folder,
                              struct cz_error *err)
{
    struct cz_model *m = NULL;
    CZ_TRY(new_model(&m, name, err));
    return finish(model, m, parse(m, bytes, size, folder, err), err);
}

void cz_model_free(struct cz_model *model)
{
    if (!model)
        return;
    for (struct cz_external *x = model->externals; x; x = x->next)
        cz_free(x->bytes);
    cz_graph_fini(model->graph);
    cz_names_fini(&model->names);
    cz_arena_fini(&model->arena);
    cz_proto_model_free(model->proto);
    cz_free(model);
}

/* The order of the view's nodes becomes that of the message's, in each graph
 * when its first node comes. */
static enum cz_status order_nodes(void *user, struct cz_node *node)
{
    struct cz_error *err = user;
    struct cz_graph *graph = node->graph;
    if (node->position != 0)
        return CZ_OK;
    void **protos = cz_realloc_array(NULL, graph->n_nodes, sizeof *protos);
    if (!protos)
        return cz_error_nomem(err);
    for (size_t i = 0; i < graph->n_nodes; i++)
        protos[i] = graph->nodes[i]->proto;
    enum cz_status status = cz_proto_graph_retain(graph->proto, CZ_PROTO_NODE,
                                                  protos, graph->n_nodes, err);
    cz_free(protos);
    return status;
}

static enum cz_status write_model(struct cz_model *model,
                                  const struct cz_output *output,
                                  struct cz_error *err)
{
    enum cz_status status = cz_proto_model_write(model->proto, output->fd, err);
    return cz_error_prefix(err, status, output->path);
}

enum cz_status cz_model_save(struct cz_model *model, const char *path,
                             bool overwrite, struct cz_error *err)
{
    struct cz_output output;
    struct cz_external_files files = {.outputs = NULL};
    CZ_TRY(cz_graph_visit(model->graph, order_nodes, err));
    CZ_TRY(cz_output_open(&output, path, overwrite, err));
    /* Data files lie beside the model, not beside a link to it. */
    const char *real =
        cz_arena_strdup(&model->arena, output.path, strlen(output.path));
    enum cz_status status = real ? CZ_OK : cz_error_nomem(err);
    if (status == CZ_OK)
        status = cz_external_write(&files, model, real, overwrite, err);
    if (status == CZ_OK)
        status = write_model(model, &output, err);
    if (status == CZ_OK)
        status = note_files(model, real, &files, err);
    if (status == CZ_OK)
        status = cz_external_commit(&files, err);
    if (status == CZ_OK)
        status = cz_output_commit(&output, err);
    else
        cz_output_abort(&output);
    cz_external_files_fini(&files);
    return status;
}

enum cz_status cz_model_join(char **text, struct cz_model *model, const char *a,
                             const char *b, const char *c, struct cz_error *err)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    *text = cz_arena_alloc(&model->arena, size, 1);
    if (!*text)
        return cz_error_nomem(err);
    snprintf(*text, size, "%s%s%s", a, b, c);
    return CZ_OK;
}

const char *const *cz_model_files(const struct cz_model *model, size_t *count)
{
    *count = model->n_files;
    return model->files;
}

enum cz_status cz_model_check(const struct cz_model *model, bool *checked,
                              struct cz_error *err)
{
    *checked = cz_model_opset(model, "") <= CHECKER_OPSET_MAX &&
               cz_model_ir_version(model) <= CHECKER_IR_MAX;
    if (!*checked)
        return CZ_OK;
    enum cz_status status = cz_checker_run(model->proto, model->folder, err);
    return cz_error_prefix(err, status, model->name);
}

struct cz_graph *cz_model_graph(struct cz_model *model)
{
    return model->graph;
}

int64_t cz_model_ir_version(const struct cz_model *model)
{
    return cz_proto_model_ir_version(model->proto);
}

const char *cz_model_producer(const struct cz_model *model)
{
    return cz_proto_model_producer(model->proto).data;
}

int64_t cz_model_opset(const struct cz_model *model, const char *domain)
{
    size_t count = cz_proto_model_opset_count(model->proto);
    for (size_t i = 0; i < count; i++) {
        struct cz_proto_text text;
        int64_t version = cz_proto_model_opset(model->proto, i, &text);
        const char *name = strcmp(text.data, "ai.onnx") ? text.data : "";
        if (strcmp(name, domain) == 0)
            return version;
    }
    return 0;
}

size_t cz_model_function_count(const struct cz_model *model)
{
    return cz_proto_model_function_count(model->proto);
}

const char *cz_model_metadata(const struct cz_model *model, const char *key)
{
    size_t count = cz_proto_model_metadata_count(model->proto);
    for (size_t i = 0; i < count; i++) {
        struct cz_proto_text name, value;
        cz_proto_model_metadata(model->proto, i, &name, &value);
        if (strcmp(name.data, key) == 0)
            return value.data;
    }
    return NULL;
}
