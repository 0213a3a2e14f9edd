/* External data: tensors whose elements lie in files beside the model
 * (TensorProto.external_data: location, offset, length).
 *
 * A location may only name a regular file inside the model's folder: not an
 * absolute path, no "..", no symbolic link. Elements are read when they are
 * first asked for. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checked.h"
#include "onnx/onnx_internal.h"

static enum cz_status parse_number(uint64_t *number, const char *text,
                                   const struct cz_tensor *t, const char *key,
                                   struct cz_error *err)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || *number > INT64_MAX)
        return cz_error_set(
            err, CZ_EPARSE,
            "tensor '%.100s': external data: %s '%.100s' is not a "
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

/* Opens `location` below `folder` one name at a time, so that no symbolic link
 * is followed; -1 with errno set when that fails. */
static int open_beneath(const char *folder, const char *location)
{
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0) {
        char name[NAME_MAX + 1];
        size_t length = strcspn(location, "/");
        bool is_last = location[length] == 0;
        if (length > NAME_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, location, length);
        name[length] = 0;
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
        int next = openat(at, length ? name : ".",
                          is_last ? flags : flags | O_DIRECTORY);
        int number = errno;
        close(at);
        errno = number;
        if (is_last)
            return next;
        at = next;
        location += length + 1;
    }
    return -1;
}

enum cz_status cz_external_open(int *fd, const struct cz_external *x,
                                struct cz_error *err)
{
    const char *name = x->tensor->name;
    struct stat info;
    size_t end;
    *fd = open_beneath(x->tensor->model->folder, x->location);
    if (*fd < 0)
        return cz_error_set(
            err, CZ_EIO, "tensor '%.100s': external data '%.100s': %s", name,
            x->location,
            errno == ELOOP ? "is a symbolic link" : strerror(errno));
    if (fstat(*fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(*fd);
        return cz_error_set(err, CZ_EIO,
                            "tensor '%.100s': external data '%.100s': is not a "
                            "regular file",
                            name, x->location);
    }
    if (!cz_add_size((size_t)x->offset, x->size, &end) ||
        end > (size_t)info.st_size) {
        close(*fd);
        return cz_error_set(
            err, CZ_EPARSE,
            "tensor '%.100s': external data '%.100s' has %lld bytes, "
            "want %zu from byte %llu on",
            name, x->location, (long long)info.st_size, x->size,
            (unsigned long long)x->offset);
    }
    return CZ_OK;
}

bool cz_external_is_first(const struct cz_external *external)
{
    const struct cz_external *x = external->tensor->model->externals;
    while (strcmp(x->location, external->location) != 0)
        x = x->next;
    return x == external;
}

void cz_externals_sweep(struct cz_model *model)
{
    struct cz_external **link = &model->externals;
    while (*link) {
        struct cz_external *x = *link;
        if (!x->is_dropped) {
            link = &x->next;
            continue;
        }
        *link = x->next;
        cz_free(x->bytes);
        model->externals_changed = true;
    }
    model->externals_end = link;
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
        return cz_error_set(
            err, CZ_EPARSE,
            "tensor '%.100s': external data location '%.100s' is not "
            "inside the model's folder",
            t->name, x->location ? x->location : "");
    if (length != x->size)
        return cz_error_set(
            err, CZ_ESHAPE,
            "tensor '%.100s': %zu %s elements need %zu bytes, its "
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
        return cz_error_set(
            err, CZ_EUNSUPPORTED,
            "tensor '%.100s': external data, but the model has no "
            "folder",
            tensor->name);
    if (bits < 8)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "tensor '%.100s': external data of type %s",
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
    CZ_TRY(cz_external_open(&fd, x, err));
    close(fd);
    return CZ_OK;
}

enum cz_status cz_external_load(struct cz_external *external,
                                struct cz_error *err)
{
    if (external->bytes)
        return CZ_OK;
    int fd;
    CZ_TRY(cz_external_open(&fd, external, err));
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
        return cz_error_set(
            err, CZ_EIO, "tensor '%.100s': external data '%.100s': cannot read",
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
