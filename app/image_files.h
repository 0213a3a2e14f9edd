/* The images that a command line names: files, and folders of them. */
#ifndef CZ_APP_IMAGE_FILES_H
#define CZ_APP_IMAGE_FILES_H

#include <stddef.h>

#include "core/error.h"

struct app_image_files {
    char **paths; /* owned */
    size_t count, capacity;
};

/* Adds `path` or, where it is a folder, the images in it, by name; those in
 * folders below it are left out. CZ_EINVAL for a folder without images. End
 * with _fini whatever the result. */
enum cz_status app_image_files_add(struct app_image_files *files,
                                   const char *path, struct cz_error *err);

/* Adds one path, which it takes over; NULL is CZ_ENOMEM. */
enum cz_status app_image_files_take(struct app_image_files *files, char *path,
                                    struct cz_error *err);
void app_image_files_fini(struct app_image_files *files);

/* "folder/name", or with `ending` instead of the name's own; cz_free() it.
 * NULL when memory is short. */
char *app_image_path(const char *folder, const char *path, const char *ending);

#endif
