/* Data files of a model that is saved. Nothing gets its final name before all
 * is written: first the data files, then the model that refers to them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/onnx_internal.h"

/* Offsets that others can map: onnx.proto recommends 4096, 64 is what a
 * vector load wants. */
#define ALIGNMENT 64u

static enum cz_status write_all(const struct cz_output *output,
                                const void *bytes, size_t size,
                                struct cz_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t put =
            write(output->fd, (const char *)bytes + done, size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return cz_error_set(err, CZ_EIO, "%s: cannot write: %s",
                                output->path, strerror(errno));
        done += (size_t)put;
    }
    return CZ_OK;
}

static bool is_same(const char *a, const char *b)
{
    struct stat info_a, info_b;
    return stat(a, &info_a) == 0 && stat(b, &info_b) == 0 &&
           info_a.st_dev == info_b.st_dev && info_a.st_ino == info_b.st_ino;
}

/* Is `path` a file that the model was read from? */
static bool is_source(const struct cz_model *model, const char *path)
{
    for (size_t i = 0; i < model->n_files; i++) {
        if (is_same(model->files[i], path))
            return true;
    }
    return false;
}

/* One output more in `files`, open for writing. */
static enum cz_status add_file(struct cz_external_files *files,
                               struct cz_output **output,
                               const struct cz_model *model, const char *path,
                               bool overwrite, struct cz_error *err)
{
    if (!files->in_place && is_source(model, path))
        return cz_error_set(err, CZ_EINVAL,
                            "%s: the model is read from this file; give the "
                            "output another name",
                            path);
    struct cz_output *outputs = cz_realloc_array(
        files->outputs, files->count + 1, sizeof *files->outputs);
    if (!outputs)
        return cz_error_nomem(err);
    files->outputs = outputs;
    *output = &outputs[files->count];
    CZ_TRY(cz_output_open(*output, path, overwrite, err));
    files->count++;
    return CZ_OK;
}

/* ---- all tensors into a new file -------------------------------------- */

static enum cz_status put_number(struct cz_tensor *t, const char *key,
                                 uint64_t number, struct cz_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return cz_proto_tensor_put_external(t->proto, key, text, err);
}

static enum cz_status write_tensor(struct cz_external *x, const char *location,
                                   uint64_t *offset,
                                   const struct cz_output *output,
                                   struct cz_error *err)
{
    static const char padding[ALIGNMENT];
    struct cz_tensor *t = x->tensor;
    size_t size = t->count * (cz_dtype_bits(t->dtype) / 8);
    size_t pad = (size_t)(-*offset % ALIGNMENT);
    CZ_TRY(write_all(output, padding, pad, err));
    CZ_TRY(write_all(output, x->bytes, size, err));
    CZ_TRY(cz_proto_tensor_put_external(t->proto, "location", location, err));
    CZ_TRY(put_number(t, "offset", *offset + pad, err));
    CZ_TRY(put_number(t, "length", size, err));
    cz_proto_tensor_drop_external(t->proto, "checksum");
    *offset += pad + size;
    return CZ_OK;
}

static enum cz_status write_data_file(struct cz_external_files *files,
                                      struct cz_model *model, const char *path,
                                      bool overwrite, struct cz_error *err)
{
    char *data_path;
    CZ_TRY(cz_model_join(&data_path, model, path, "", ".data", err));
    const char *slash = strrchr(data_path, '/');
    struct cz_output *output = NULL;
    uint64_t offset = 0;
    CZ_TRY(add_file(files, &output, model, data_path, overwrite, err));
    model->externals_changed = true; /* entries will speak of this file */
    /* The new file may take the place of one that holds the elements. */
    for (struct cz_external *x = model->externals; x; x = x->next)
        CZ_TRY(cz_external_load(x, err));
    for (struct cz_external *x = model->externals; x; x = x->next)
        CZ_TRY(write_tensor(x, slash ? slash + 1 : data_path, &offset, output,
                            err));
    return CZ_OK;
}

/* ---- files as they are ------------------------------------------------ */

static enum cz_status copy_bytes(int from, const struct cz_output *to,
                                 struct cz_error *err)
{
    char buffer[64 * 1024];
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cz_error_set(err, CZ_EIO, "%s: cannot copy: %s", to->path,
                                strerror(errno));
        CZ_TRY(write_all(to, buffer, (size_t)got, err));
    }
    return CZ_OK;
}

static enum cz_status copy_file(struct cz_external_files *files,
                                const struct cz_external *x, const char *folder,
                                bool overwrite, struct cz_error *err)
{
    struct cz_output *output = NULL;
    char *path;
    int fd;
    CZ_TRY(
        cz_model_join(&path, x->tensor->model, folder, "/", x->location, err));
    CZ_TRY(add_file(files, &output, x->tensor->model, path, overwrite, err));
    CZ_TRY(cz_external_open(&fd, x, err));
    enum cz_status status = copy_bytes(fd, output, err);
    close(fd);
    return status;
}

/* The model must not take the place of the data that it refers to. */
static enum cz_status check_path(struct cz_model *model, const char *path,
                                 struct cz_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    for (const struct cz_external *x = model->externals; x; x = x->next) {
        char *data;
        if (!cz_external_is_first(x))
            continue;
        CZ_TRY(
            cz_model_join(&data, model, model->folder, "/", x->location, err));
        if (is_same(path, data) || strcmp(base, x->location) == 0)
            return cz_error_set(err, CZ_EINVAL,
                                "%s: is the name of the model's external data",
                                path);
    }
    return CZ_OK;
}

static bool all_in_top_folder(const struct cz_model *model)
{
    for (const struct cz_external *x = model->externals; x; x = x->next) {
        if (strchr(x->location, '/'))
            return false;
    }
    return true;
}

enum cz_status cz_external_write(struct cz_external_files *files,
                                 struct cz_model *model, const char *path,
                                 bool overwrite, struct cz_error *err)
{
    if (!model->externals)
        return CZ_OK;
    const char *slash = strrchr(path, '/');
    const char *folder = ".";
    if (slash)
        folder =
            cz_arena_strdup(&model->arena, path, (size_t)(slash - path) + 1);
    if (!folder)
        return cz_error_nomem(err);
    CZ_TRY(check_path(model, path, err));
    files->in_place = model->n_files && is_same(model->files[0], path);
    bool same_folder = is_same(folder, model->folder);
    if (model->externals_changed || (!same_folder && !all_in_top_folder(model)))
        return write_data_file(files, model, path, overwrite, err);
    if (same_folder)
        return CZ_OK;
    for (const struct cz_external *x = model->externals; x; x = x->next) {
        if (cz_external_is_first(x))
            CZ_TRY(copy_file(files, x, folder, overwrite, err));
    }
    return CZ_OK;
}

enum cz_status cz_external_commit(struct cz_external_files *files,
                                  struct cz_error *err)
{
    enum cz_status status = CZ_OK;
    for (size_t i = 0; i < files->count; i++) {
        if (status == CZ_OK)
            status = cz_output_commit(&files->outputs[i], err);
        else
            cz_output_abort(&files->outputs[i]);
    }
    files->count = 0;
    return status;
}

void cz_external_files_fini(struct cz_external_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        cz_output_abort(&files->outputs[i]);
    cz_free(files->outputs);
    *files = (struct cz_external_files){.outputs = NULL};
}
