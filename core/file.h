/* Files that are read and written as they are. */
#ifndef CZ_CORE_FILE_H
#define CZ_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* CZ_EIO: `path` and what errno says. */
enum cz_status cz_file_fail(const char *path, struct cz_error *err);

/* Opens a file for cz_file_read(), pipes too: a writer is waited for, there and
 * here, until a signal comes that is caught (CZ_EINTERRUPTED). */
enum cz_status cz_file_open(int *fd, const char *path, struct cz_error *err);

/* Reads `size` bytes, or fewer where the file ends: `*done` of them. `path` is
 * for messages. */
enum cz_status cz_file_read(size_t *done, int fd, void *bytes, size_t size,
                            const char *path, struct cz_error *err);

enum cz_status cz_file_write(int fd, const void *bytes, size_t size,
                             const char *path, struct cz_error *err);

/* The content of a regular file of at most `most` bytes; cz_free() it; a NUL
 * stands behind it. Waits for nothing: folders, pipes and devices are CZ_EIO,
 * larger files CZ_EUNSUPPORTED. */
enum cz_status cz_file_load(void **bytes, size_t *size, const char *path,
                            size_t most, struct cz_error *err);

/* The same for whatever cz_file_open() opens. */
enum cz_status cz_file_drain(void **bytes, size_t *size, const char *path,
                             size_t most, struct cz_error *err);

/* Makes a folder, and those above it, where they are not there. CZ_EIO. */
enum cz_status cz_file_make_folder(const char *path, struct cz_error *err);

/* Whether both names lead to one file that exists. */
bool cz_file_is_same(const char *a, const char *b);

#endif
