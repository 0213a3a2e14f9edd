/* Whole reads and writes, however many calls they take. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"

enum cz_status cz_file_fail(const char *path, struct cz_error *err)
{
    return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
}

enum cz_status cz_file_read(size_t *done, int fd, void *bytes, size_t size,
                            const char *path, struct cz_error *err)
{
    *done = 0;
    while (*done < size) {
        ssize_t n = read(fd, (char *)bytes + *done, size - *done);
        if (n < 0 && errno == EINTR)
            continue;
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
    *bytes = cz_malloc((size_t)info.st_size);
    if (!*bytes)
        return cz_error_nomem(err);
    return cz_file_read(size, fd, *bytes, (size_t)info.st_size, path, err);
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
