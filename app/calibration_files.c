/* Sources of calibration images; see calibration_files.h. */
#include "app/calibration_files.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/path.h"
#include "eval/eval.h"

/* Far more than 512 paths. */
#define LIST_BYTES_MAX ((size_t)64 << 20)

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_there(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* "a/b/" of "a/b/c"; cz_free() it. */
static char *folder_of(const char *path)
{
    const size_t size = cz_path_folder_size(path);
    char *folder = cz_malloc(size + 1);
    if (folder)
        snprintf(folder, size + 1, "%s", path);
    return folder;
}

/* ---- folders ---------------------------------------------------------- */

static enum cz_status add_folder(struct app_image_files *files,
                                 const char *folder, struct cz_error *err)
{
    struct cz_error inner_err = CZ_ERROR_INIT;
    enum cz_status status = app_image_files_add(files, folder, err);
    if (status != CZ_EINVAL)
        return status;
    char *images = cz_path_join(folder, "images");
    if (!images)
        return cz_error_nomem(err);
    if (is_folder(images) &&
        app_image_files_add(files, images, &inner_err) == CZ_OK)
        status = CZ_OK;
    cz_free(images);
    return status;
}

/* ---- lists ------------------------------------------------------------ */

static enum cz_status add_line(struct app_image_files *files,
                               const char *folder, char *line,
                               struct cz_error *err)
{
    line += strspn(line, " \t");
    for (size_t size = strlen(line); size && strchr(" \t\r", line[size - 1]);)
        line[--size] = 0;
    if (!*line || *line == '#')
        return CZ_OK;
    return app_image_files_take(files, cz_path_join(folder, line), err);
}

static enum cz_status add_lines(struct app_image_files *files,
                                const char *folder, char *text,
                                struct cz_error *err)
{
    char *line;
    while ((line = strsep(&text, "\n")))
        CZ_TRY(add_line(files, folder, line, err));
    return CZ_OK;
}

static enum cz_status add_list(struct app_image_files *files, const char *path,
                               struct cz_error *err)
{
    void *text;
    size_t size;
    CZ_TRY(cz_file_load(&text, &size, path, LIST_BYTES_MAX, err));
    char *folder = folder_of(path);
    enum cz_status status =
        folder ? add_lines(files, folder, text, err) : cz_error_nomem(err);
    cz_free(folder);
    cz_free(text);
    return status;
}

/* ---- data sets -------------------------------------------------------- */

/* Nobody asks for the boxes: no image is opened for its size. */
static enum cz_status no_size(void *user, const char *path, int64_t *width,
                              int64_t *height, struct cz_error *err)
{
    (void)user, (void)path, (void)err;
    *width = *height = 0;
    return CZ_OK;
}

/* Beside the annotations, or in images/ there; cz_free() it. */
static char *find_image(const char *folder, const char *images,
                        const char *name)
{
    char *beside = cz_path_join(folder, name);
    if (!beside || is_there(beside))
        return beside;
    char *below = cz_path_join(images, name);
    const bool is_below = below && is_there(below);
    cz_free(is_below ? beside : below);
    return is_below ? below : beside;
}

static enum cz_status add_images(struct app_image_files *files,
                                 const struct cz_coco *coco, const char *path,
                                 struct cz_error *err)
{
    size_t count;
    const struct cz_coco_image *all = cz_coco_images(coco, &count);
    char *folder = folder_of(path);
    char *images = folder ? cz_path_join(folder, "images") : NULL;
    enum cz_status status = images ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; i < count && status == CZ_OK; i++) {
        const char *name = all[i].file_name;
        char *found =
            find_image(cz_coco_is_yolo(path) ? "" : folder, images, name);
        status = app_image_files_take(files, found, err);
    }
    cz_free(images);
    cz_free(folder);
    return status;
}

static enum cz_status add_data_set(struct app_image_files *files,
                                   const char *path, struct cz_error *err)
{
    const struct cz_image_sizes sizes = {no_size, NULL};
    struct cz_coco *coco = NULL;
    enum cz_status status = cz_coco_load(&coco, path, &sizes, err);
    if (status == CZ_OK)
        status = add_images(files, coco, path, err);
    cz_coco_free(coco);
    return status;
}

enum cz_status app_calibration_files_add(struct app_image_files *files,
                                         const char *source,
                                         struct cz_error *err)
{
    if (is_folder(source))
        return add_folder(files, source, err);
    if (cz_coco_is_yolo(source) || cz_path_ends_in(source, ".json"))
        return add_data_set(files, source, err);
    if (cz_path_ends_in(source, ".txt"))
        return add_list(files, source, err);
    return app_image_files_add(files, source, err);
}
