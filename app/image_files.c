/* Lists images; see image_files.h. */
#include "app/image_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/path.h"
#include "detect/detect.h"

char *app_image_path(const char *folder, const char *path, const char *ending)
{
    const char *name = cz_path_base(path);
    const size_t stem = ending ? cz_path_stem_size(path) : strlen(name);
    size_t size = strlen(folder) + 1 + stem + (ending ? strlen(ending) : 0) + 1;
    char *made = cz_malloc(size);
    if (made)
        snprintf(made, size, "%s/%.*s%s", folder, (int)stem, name,
                 ending ? ending : "");
    return made;
}

enum cz_status app_image_files_take(struct app_image_files *files, char *path,
                                    struct cz_error *err)
{
    if (path && files->count == files->capacity) {
        void *grown = cz_array_grow(files->paths, files->count,
                                    &files->capacity, sizeof *files->paths);
        if (!grown) {
            cz_free(path);
            path = NULL;
        } else {
            files->paths = grown;
        }
    }
    if (!path)
        return cz_error_nomem(err);
    files->paths[files->count++] = path;
    return CZ_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum cz_status add_folder(struct app_image_files *files, DIR *folder,
                                 const char *path, struct cz_error *err)
{
    size_t first = files->count;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.' && cz_image_is_name(entry->d_name))
            CZ_TRY(app_image_files_take(
                files, app_image_path(path, entry->d_name, NULL), err));
    }
    if (files->count == first)
        return cz_error_set(err, CZ_EINVAL, "%s: no images in this folder",
                            path);
    qsort(files->paths + first, files->count - first, sizeof *files->paths,
          compare);
    return CZ_OK;
}

static enum cz_status add_file(struct app_image_files *files, const char *path,
                               struct cz_error *err)
{
    return app_image_files_take(files, cz_strdup(path), err);
}

enum cz_status app_image_files_add(struct app_image_files *files,
                                   const char *path, struct cz_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return add_file(files, path, err);
    DIR *folder = opendir(path);
    if (!folder)
        return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
    enum cz_status status = add_folder(files, folder, path, err);
    closedir(folder);
    return status;
}

void app_image_files_fini(struct app_image_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        cz_free(files->paths[i]);
    cz_free(files->paths);
}
