/* Atomic creation of files: temporary name, write, rename. */
#include "core/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/path.h"

#define MAX_ATTEMPTS 100

/* A link to a file is written through: `*is_link`. */
static enum cz_status look(bool *is_link, const char *path, bool overwrite,
                           struct cz_error *err)
{
    struct stat info;
    *is_link = false;
    if (lstat(path, &info) != 0)
        return CZ_OK;
    *is_link = S_ISLNK(info.st_mode);
    bool is_dangling = *is_link && stat(path, &info) != 0;
    if (!is_dangling && !S_ISREG(info.st_mode))
        return cz_error_set(err, CZ_EINVAL, "%s: is not a regular file", path);
    if (!overwrite)
        return cz_error_set(err, CZ_EINVAL,
                            "%s: exists already; --force overwrites it", path);
    if (is_dangling)
        return cz_error_set(err, CZ_EINVAL, "%s: is a link that leads nowhere",
                            path);
    return CZ_OK;
}

enum cz_status cz_output_check(const char *path, bool overwrite,
                               struct cz_error *err)
{
    bool is_link;
    return look(&is_link, path, overwrite, err);
}

/* The file's own name: where a link leads to. */
static enum cz_status name_file(struct cz_output *output, const char *path,
                                bool is_link, struct cz_error *err)
{
    char real[PATH_MAX];
    const char *name = is_link ? realpath(path, real) : path;
    if (!name)
        return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
    output->path = cz_strdup(name);
    return output->path ? CZ_OK : cz_error_nomem(err);
}

/* `ending`: what stands behind ".tmp". */
static enum cz_status open_temporary(struct cz_output *output,
                                     const char *ending, struct cz_error *err)
{
    int folder_length = (int)cz_path_folder_size(output->path);
    size_t size = (size_t)folder_length + strlen(ending) + 64;
    output->temporary = cz_malloc(size);
    if (!output->temporary)
        return cz_error_nomem(err);
    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        snprintf(output->temporary, size, "%.*s.compress-%ld-%d.tmp%s",
                 folder_length, output->path, (long)getpid(), attempt, ending);
        output->fd = open(output->temporary,
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (output->fd >= 0)
            return CZ_OK;
        if (errno != EEXIST)
            break;
    }
    return cz_error_set(err, CZ_EIO, "%s: cannot write here: %s", output->path,
                        strerror(errno));
}

static void release(struct cz_output *output)
{
    cz_free(output->path);
    cz_free(output->temporary);
    *output = (struct cz_output){.fd = -1};
}

static enum cz_status open_output(struct cz_output *output, const char *path,
                                  bool overwrite, bool is_alike,
                                  struct cz_error *err)
{
    *output = (struct cz_output){.fd = -1, .overwrite = overwrite};
    bool is_link;
    CZ_TRY(look(&is_link, path, overwrite, err));
    CZ_TRY(name_file(output, path, is_link, err));
    const char *base = cz_path_base(output->path);
    const char *ending = is_alike ? base + cz_path_stem_size(output->path) : "";
    enum cz_status status = open_temporary(output, ending, err);
    if (status != CZ_OK)
        release(output);
    return status;
}

enum cz_status cz_output_open(struct cz_output *output, const char *path,
                              bool overwrite, struct cz_error *err)
{
    return open_output(output, path, overwrite, false, err);
}

enum cz_status cz_output_open_alike(struct cz_output *output, const char *path,
                                    bool overwrite, struct cz_error *err)
{
    return open_output(output, path, overwrite, true, err);
}

static int rename_into_place(const struct cz_output *output)
{
    if (output->overwrite)
        return rename(output->temporary, output->path);
    int result = renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path,
                           RENAME_NOREPLACE);
    /* Some file systems (NFS, FUSE) do not know the flag. */
    if (result != 0 && (errno == EINVAL || errno == ENOSYS))
        result = rename(output->temporary, output->path);
    return result;
}

enum cz_status cz_output_try(const char *path, bool overwrite,
                             struct cz_error *err)
{
    struct cz_output output;
    CZ_TRY(cz_output_open(&output, path, overwrite, err));
    cz_output_abort(&output);
    return CZ_OK;
}

enum cz_status cz_output_commit(struct cz_output *output, struct cz_error *err)
{
    enum cz_status status = CZ_OK;
    if (close(output->fd) != 0 || rename_into_place(output) != 0) {
        status = cz_error_set(err, CZ_EIO, "%s: cannot write: %s", output->path,
                              strerror(errno));
        unlink(output->temporary);
    }
    release(output);
    return status;
}

void cz_output_abort(struct cz_output *output)
{
    if (output->fd < 0)
        return;
    close(output->fd);
    unlink(output->temporary);
    release(output);
}

/* Through a copy of the descriptor: fclose() closes that, _commit the other. */
static bool print_to(int fd, void (*print)(FILE *file, const void *user),
                     const void *user)
{
    const int copy = dup(fd);
    FILE *file = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (!file) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    print(file, user);
    const bool failed = ferror(file) != 0;
    return fclose(file) == 0 && !failed;
}

enum cz_status cz_output_print(const char *path, bool overwrite,
                               void (*print)(FILE *file, const void *user),
                               const void *user, struct cz_error *err)
{
    struct cz_output output;
    CZ_TRY(cz_output_open(&output, path, overwrite, err));
    if (print_to(output.fd, print, user))
        return cz_output_commit(&output, err);
    const enum cz_status status = cz_error_set(
        err, CZ_EIO, "%s: cannot write: %s", path, strerror(errno));
    cz_output_abort(&output);
    return status;
}
