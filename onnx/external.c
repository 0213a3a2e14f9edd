/* External data: tensors whose elements lie in files beside the model
 * (TensorProto.external_data: location, offset, length).
 *
 * A location may only name a regular file inside the model's folder: not an
 * absolute path, no "..", no symbolic link. Elements are read when they are
 * first asked for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/output.h"
#include "onnx/onnx_internal.h"

/* Offsets that others can map: onnx.proto recommends 4096, 64 is what a
 * vector load wants. */
#define ALIGNMENT 64u

static enum cz_status parse_number(uint64_t *number, const char *text,
                                   const struct cz_tensor *t, const char *key,
                                   struct cz_error *err)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || *number > INT64_MAX)
        return cz_error_set(err, CZ_EPARSE,
                            "tensor '%s': external data: %s '%s' is not a "
                            "number of bytes",
                            t->name, key, text);
    return CZ_OK;
}

static bool is_inside(const char *location)
{
    if (!*location || *location == '/')
        return false;
    for (const char *part = location; part;) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return false;
        part = strchr(part, '/');
        if (part)
            part++;
    }
    return true;
}

static enum cz_status join(char **path, const char *folder, const char *name,
                           struct cz_error *err)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    *path = cz_malloc(size);
    if (!*path)
        return cz_error_nomem(err);
    snprintf(*path, size, "%s/%s", folder, name);
    return CZ_OK;
}

static enum cz_status open_location(int *fd, const struct cz_external *x,
                                    struct cz_error *err)
{
    const char *name = x->tensor->name;
    char *path;
    struct stat info;
    CZ_TRY(join(&path, x->tensor->model->folder, x->location, err));
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    cz_free(path);
    if (*fd < 0)
        return cz_error_set(err, CZ_EIO, "tensor '%s': external data '%s': %s",
                            name, x->location,
                            errno == ELOOP ? "is a symbolic link"
                                           : strerror(errno));
    if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(*fd);
        return cz_error_set(err, CZ_EIO,
                            "tensor '%s': external data '%s': is not a "
                            "regular file",
                            name, x->location);
    }
    if (x->offset + x->size > (uint64_t)info.st_size) {
        close(*fd);
        return cz_error_set(err, CZ_EPARSE,
                            "tensor '%s': external data '%s' has %lld bytes, "
                            "want %zu from byte %llu on",
                            name, x->location, (long long)info.st_size, x->size,
                            (unsigned long long)x->offset);
    }
    return CZ_OK;
}

static enum cz_status read_entries(struct cz_external *x, struct cz_error *err)
{
    struct cz_tensor *t = x->tensor;
    uint64_t length = x->size;
    for (size_t i = 0; i < cz_proto_tensor_external_count(t->proto); i++) {
        struct cz_proto_text key, value;
        cz_proto_tensor_external(t->proto, i, &key, &value);
        if (strcmp(key.data, "location") == 0)
            CZ_TRY(cz_model_text(&x->location, t->model, value, err));
        else if (strcmp(key.data, "offset") == 0)
            CZ_TRY(parse_number(&x->offset, value.data, t, "offset", err));
        else if (strcmp(key.data, "length") == 0)
            CZ_TRY(parse_number(&length, value.data, t, "length", err));
    }
    if (!x->location || !is_inside(x->location))
        return cz_error_set(err, CZ_EPARSE,
                            "tensor '%s': external data location '%s' is not "
                            "inside the model's folder",
                            t->name, x->location ? x->location : "");
    if (length != x->size)
        return cz_error_set(err, CZ_ESHAPE,
                            "tensor '%s': %zu %s elements need %zu bytes, its "
                            "external data has %llu",
                            t->name, t->count, cz_dtype_name(t->dtype), x->size,
                            (unsigned long long)length);
    return CZ_OK;
}

enum cz_status cz_external_attach(struct cz_tensor *tensor,
                                  struct cz_error *err)
{
    struct cz_model *model = tensor->model;
    size_t bits = cz_dtype_bits(tensor->dtype);
    if (!model->folder)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "tensor '%s': external data, but the model has no "
                            "folder",
                            tensor->name);
    if (bits < 8)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "tensor '%s': external data of type %s",
                            tensor->name, cz_dtype_name(tensor->dtype));
    struct cz_external *x = cz_arena_alloc(&model->arena, 1, sizeof *x);
    if (!x)
        return cz_error_nomem(err);
    x->tensor = tensor;
    x->size = tensor->count * (bits / 8);
    tensor->external = x;
    *model->externals_end = x;
    model->externals_end = &x->next;
    CZ_TRY(read_entries(x, err));
    int fd;
    CZ_TRY(open_location(&fd, x, err));
    close(fd);
    return CZ_OK;
}

enum cz_status cz_external_load(struct cz_external *external,
                                struct cz_error *err)
{
    if (external->bytes)
        return CZ_OK;
    int fd;
    CZ_TRY(open_location(&fd, external, err));
    char *bytes = cz_malloc(external->size);
    size_t done = 0;
    while (bytes && done < external->size) {
        ssize_t got = pread(fd, bytes + done, external->size - done,
                            (off_t)(external->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    close(fd);
    if (!bytes)
        return cz_error_nomem(err);
    if (done < external->size) {
        cz_free(bytes);
        return cz_error_set(err, CZ_EIO,
                            "tensor '%s': external data '%s': cannot read",
                            external->tensor->name, external->location);
    }
    external->bytes = bytes;
    return CZ_OK;
}

enum cz_status cz_external_copy(struct cz_external *copy,
                                const struct cz_external *from,
                                struct cz_error *err)
{
    if (!from->bytes)
        return CZ_OK;
    copy->bytes = cz_malloc(from->size);
    if (!copy->bytes)
        return cz_error_nomem(err);
    memcpy(copy->bytes, from->bytes, from->size);
    return CZ_OK;
}

/* ---- saving ----------------------------------------------------------- */

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
    CZ_TRY(cz_external_load(x, err));
    CZ_TRY(write_all(output, padding, pad, err));
    CZ_TRY(write_all(output, x->bytes, size, err));
    CZ_TRY(cz_proto_tensor_put_external(t->proto, "location", location, err));
    CZ_TRY(put_number(t, "offset", *offset + pad, err));
    CZ_TRY(put_number(t, "length", size, err));
    cz_proto_tensor_drop_external(t->proto, "checksum");
    *offset += pad + size;
    return CZ_OK;
}

/* Writes all external tensors into one new file beside the saved model. */
static enum cz_status write_data_file(struct cz_model *model, const char *path,
                                      bool overwrite, struct cz_error *err)
{
    size_t size = strlen(path) + sizeof ".data";
    char *data_path = cz_malloc(size);
    if (!data_path)
        return cz_error_nomem(err);
    snprintf(data_path, size, "%s.data", path);
    const char *slash = strrchr(data_path, '/');
    const char *location = slash ? slash + 1 : data_path;

    struct cz_output output;
    uint64_t offset = 0;
    enum cz_status status = cz_output_open(&output, data_path, overwrite, err);
    if (status != CZ_OK)
        goto out;
    /* The new file may take the place of one that holds the elements. */
    for (struct cz_external *x = model->externals; x && status == CZ_OK;
         x = x->next)
        status = cz_external_load(x, err);
    for (struct cz_external *x = model->externals; x && status == CZ_OK;
         x = x->next)
        status = write_tensor(x, location, &offset, &output, err);
    if (status == CZ_OK)
        status = cz_output_commit(&output, err);
    else
        cz_output_abort(&output);
    model->externals_changed = true; /* the entries speak of this file now */
out:
    cz_free(data_path);
    return status;
}

static enum cz_status copy_file(int from, const struct cz_output *to,
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

static enum cz_status copy_location(struct cz_external *x, const char *folder,
                                    bool overwrite, struct cz_error *err)
{
    char *path = NULL;
    int fd;
    struct cz_output output;
    CZ_TRY(open_location(&fd, x, err));
    enum cz_status status = join(&path, folder, x->location, err);
    if (status == CZ_OK)
        status = cz_output_open(&output, path, overwrite, err);
    if (status == CZ_OK) {
        status = copy_file(fd, &output, err);
        if (status == CZ_OK)
            status = cz_output_commit(&output, err);
        else
            cz_output_abort(&output);
    }
    close(fd);
    cz_free(path);
    return status;
}

static bool is_first_with_location(const struct cz_model *model,
                                   const struct cz_external *external)
{
    const struct cz_external *x = model->externals;
    while (strcmp(x->location, external->location) != 0)
        x = x->next;
    return x == external;
}

static bool is_same_folder(const char *a, const char *b)
{
    struct stat info_a, info_b;
    return stat(a, &info_a) == 0 && stat(b, &info_b) == 0 &&
           info_a.st_dev == info_b.st_dev && info_a.st_ino == info_b.st_ino;
}

static bool all_in_top_folder(const struct cz_model *model)
{
    for (struct cz_external *x = model->externals; x; x = x->next) {
        if (strchr(x->location, '/'))
            return false;
    }
    return true;
}

enum cz_status cz_external_save(struct cz_model *model, const char *path,
                                bool overwrite, struct cz_error *err)
{
    if (!model->externals)
        return CZ_OK;
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    const char *folder =
        slash ? cz_arena_strdup(&model->arena, path, length) : ".";
    if (!folder)
        return cz_error_nomem(err);
    bool same_folder = is_same_folder(folder, model->folder);
    if (model->externals_changed || (!same_folder && !all_in_top_folder(model)))
        return write_data_file(model, path, overwrite, err);
    if (same_folder)
        return CZ_OK;
    for (struct cz_external *x = model->externals; x; x = x->next) {
        if (is_first_with_location(model, x))
            CZ_TRY(copy_location(x, folder, overwrite, err));
    }
    return CZ_OK;
}
