/* Whole reads and writes, however many calls they take. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"

#define DRAIN_BYTES 4096 /* at first */

enum cz_status cz_file_fail(const char *path, struct cz_error *err)
{
    return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
}

/* Until there is something to read, or the other side is closed. A signal ends
 * poll() whatever its flags are. */
static enum cz_status wait_for(int fd, const char *path, struct cz_error *err)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    if (poll(&waiting, 1, -1) >= 0)
        return CZ_OK;
    if (errno != EINTR)
        return cz_file_fail(path, err);
    return cz_error_set(err, CZ_EINTERRUPTED,
                        "%s: interrupted while it was waited for", path);
}

enum cz_status cz_file_open(int *fd, const char *path, struct cz_error *err)
{
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return cz_file_fail(path, err);
    if (fstat(*fd, &info) != 0 || !S_ISFIFO(info.st_mode))
        return CZ_OK;
    enum cz_status status = wait_for(*fd, path, err);
    if (status != CZ_OK)
        close(*fd);
    return status;
}

enum cz_status cz_file_read(size_t *done, int fd, void *bytes, size_t size,
                            const char *path, struct cz_error *err)
{
    *done = 0;
    while (*done < size) {
        ssize_t n = read(fd, (char *)bytes + *done, size - *done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            CZ_TRY(wait_for(fd, path, err));
            continue;
        }
        if (n < 0)
            return cz_file_fail(path, err);
        if (n == 0)
            break;
        *done += (size_t)n;
    }
    return CZ_OK;
}

enum cz_status cz_file_write(int fd, const void *bytes, size_t size,
                             const char *path, struct cz_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, (const char *)bytes + done, size - done);
        if (n < 0 && errno != EINTR)
            return cz_file_fail(path, err);
        if (n > 0)
            done += (size_t)n;
    }
    return CZ_OK;
}

static enum cz_status load(void **bytes, size_t *size, int fd, const char *path,
                           size_t most, struct cz_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return cz_file_fail(path, err);
    if (!S_ISREG(info.st_mode))
        return cz_error_set(err, CZ_EIO, "%s: is no regular file", path);
    if ((size_t)info.st_size > most)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "%s: has %lld bytes, the most is %zu", path,
                            (long long)info.st_size, most);
    char *text = cz_malloc((size_t)info.st_size + 1);
    *bytes = text;
    if (!text)
        return cz_error_nomem(err);
    CZ_TRY(cz_file_read(size, fd, text, (size_t)info.st_size, path, err));
    text[*size] = 0;
    return CZ_OK;
}

static enum cz_status drain(void **bytes, size_t *size, int fd,
                            const char *path, size_t most, struct cz_error *err)
{
    size_t done, capacity = DRAIN_BYTES;
    for (char *text = NULL;; capacity *= 2) {
        text = cz_realloc_array(text, capacity + 1, 1);
        if (!text)
            return cz_error_nomem(err);
        *bytes = text;
        CZ_TRY(
            cz_file_read(&done, fd, text + *size, capacity - *size, path, err));
        *size += done;
        text[*size] = 0;
        if (*size > most)
            return cz_error_set(err, CZ_EUNSUPPORTED,
                                "%s: has more than %zu bytes", path, most);
        if (*size < capacity)
            return CZ_OK;
    }
}

enum cz_status cz_file_drain(void **bytes, size_t *size, const char *path,
                             size_t most, struct cz_error *err)
{
    int fd;
    *bytes = NULL;
    *size = 0;
    CZ_TRY(cz_file_open(&fd, path, err));
    enum cz_status status = drain(bytes, size, fd, path, most, err);
    close(fd);
    if (status != CZ_OK) {
        cz_free(*bytes);
        *bytes = NULL;
    }
    return status;
}

enum cz_status cz_file_load(void **bytes, size_t *size, const char *path,
                            size_t most, struct cz_error *err)
{
    *bytes = NULL;
    *size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cz_file_fail(path, err);
    enum cz_status status = load(bytes, size, fd, path, most, err);
    close(fd);
    if (status != CZ_OK) {
        cz_free(*bytes);
        *bytes = NULL;
    }
    return status;
}

enum cz_status cz_file_make_folder(const char *path, struct cz_error *err)
{
    char *part = cz_strdup(path);
    enum cz_status status = part ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 1; part && i <= strlen(path) && status == CZ_OK; i++) {
        if (path[i] && path[i] != '/')
            continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            status = cz_file_fail(part, err);
        part[i] = path[i];
    }
    cz_free(part);
    return status;
}

bool cz_file_is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}
