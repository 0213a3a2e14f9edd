/* Files written beside their name and renamed: whoever looks at the name sees
 * the old file or the whole new one, never a part. */
#ifndef CZ_CORE_OUTPUT_H
#define CZ_CORE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "core/error.h"

struct cz_output {
    int fd;          /* open for writing while the file is being made */
    char *path;      /* the name that it will have; behind a link its target */
    char *temporary; /* the name that it has until then */
    bool overwrite;
};

/* Makes an empty temporary file in the folder of `path`. With `overwrite`
 * false an existing `path` is CZ_EINVAL; a folder that is missing or cannot
 * be written to is CZ_EIO. A link to a file stays, and the file that it leads
 * to is replaced. On success end with _commit or _abort. */
enum cz_status cz_output_open(struct cz_output *output, const char *path,
                              bool overwrite, struct cz_error *err);

/* The same; the temporary name ends as `path` does, for libraries that open it
 * themselves and choose the format by that. */
enum cz_status cz_output_open_alike(struct cz_output *output, const char *path,
                                    bool overwrite, struct cz_error *err);

/* Closes the file and gives it its name. Whatever the result, the temporary
 * file is gone and `output` needs no _abort. */
enum cz_status cz_output_commit(struct cz_output *output, struct cz_error *err);

/* Closes and removes the temporary file. */
void cz_output_abort(struct cz_output *output);

/* A whole file of what `print` prints. CZ_EIO also when that fails. */
enum cz_status cz_output_print(const char *path, bool overwrite,
                               void (*print)(FILE *file, const void *user),
                               const void *user, struct cz_error *err);

/* CZ_EINVAL when a file `path` exists and `overwrite` is false, or when it is
 * no regular file, or a link to none: the question to ask before long work. */
enum cz_status cz_output_check(const char *path, bool overwrite,
                               struct cz_error *err);

/* The same, and whether a file can be made there: _open, then _abort. */
enum cz_status cz_output_try(const char *path, bool overwrite,
                             struct cz_error *err);

#endif
