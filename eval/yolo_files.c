/* Which images `val:` means, and where their labels are: the rules of
 * ultralytics/data/utils.py (check_det_dataset, img2label_paths) and base.py
 * (get_img_files). */
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/path.h"
#include "eval/yolo_internal.h"

/* ---- paths ------------------------------------------------------------ */

/* a/b, or b where that is absolute; in the arena. */
static const char *join(struct cz_arena *arena, const char *folder,
                        const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    char *joined = cz_path_join(folder, path);
    if (!joined)
        return NULL;
    const char *kept = cz_arena_strdup(arena, joined, strlen(joined));
    cz_free(joined);
    return kept;
}

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* Where an entry of `val:` is. Roboflow's exports have ../valid/images, and
 * mean valid/images. */
static enum cz_status locate(const char **path, struct cz_yolo *yolo,
                             const char *entry, struct cz_error *err)
{
    const char *root = yolo->folder;
    if (yolo->root)
        root = join(&yolo->arena, yolo->folder, yolo->root);
    if (!root)
        return cz_error_nomem(err);
    *path = join(&yolo->arena, root, entry);
    if (*path && !exists(*path) && strncmp(entry, "../", 3) == 0) {
        const char *without = join(&yolo->arena, root, entry + 3);
        if (!without || exists(without))
            *path = without;
    }
    return *path ? CZ_OK : cz_error_nomem(err);
}

const char *cz_yolo_label_path(struct cz_arena *arena, const char *image)
{
    static const char from[] = "images/", to[] = "labels/";
    size_t size = strlen(image);
    const char *dot = strrchr(image, '.');
    const char *slash = strrchr(image, '/');
    if (dot && (!slash || dot > slash))
        size = (size_t)(dot - image);
    char *path = cz_arena_alloc(arena, size + sizeof ".txt", 1);
    if (!path)
        return NULL;
    memcpy(path, image, size);
    memcpy(path + size, ".txt", sizeof ".txt");
    for (size_t at = slash ? (size_t)(slash - image) : 0; at-- > 0;) {
        if ((at == 0 || image[at - 1] == '/') &&
            strncmp(image + at, from, sizeof from - 1) == 0) {
            memcpy(path + at, to, sizeof to - 1);
            break;
        }
    }
    return path;
}

/* ---- folders ---------------------------------------------------------- */

/* Links among folders can make any number of paths. */
#define ENTRIES_MOST 2000000

static enum cz_status add_tree(struct cz_texts *images, struct cz_yolo *yolo,
                               FTS *tree, struct cz_error *err)
{
    FTSENT *entry;
    size_t count = 0;
    while (errno = 0, (entry = fts_read(tree))) {
        if (++count > ENTRIES_MOST)
            return cz_error_set(
                err, CZ_EINVAL,
                "%s: more than %d files; do links lead round in "
                "circles?",
                tree->fts_path, ENTRIES_MOST);
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
            (entry->fts_info == FTS_NS && entry->fts_level == 0))
            return cz_error_set(err, CZ_EIO, "%s: %s", entry->fts_path,
                                strerror(entry->fts_errno));
        if (entry->fts_info == FTS_F && cz_image_is_name(entry->fts_path))
            CZ_TRY(cz_texts_add(images, &yolo->arena, entry->fts_path, err));
    }
    return errno ? cz_error_set(err, CZ_EIO, "cannot search a folder: %s",
                                strerror(errno))
                 : CZ_OK;
}

static enum cz_status add_folder(struct cz_texts *images, struct cz_yolo *yolo,
                                 const char *path, struct cz_error *err)
{
    char *paths[] = {cz_arena_strdup(&yolo->arena, path, strlen(path)), NULL};
    if (!paths[0])
        return cz_error_nomem(err);
    FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return cz_error_nomem(err);
    enum cz_status status = add_tree(images, yolo, tree, err);
    fts_close(tree);
    return status;
}

/* ---- list files ------------------------------------------------------- */

static enum cz_status add_lines(struct cz_texts *images, struct cz_yolo *yolo,
                                const char *path, char *text,
                                struct cz_error *err)
{
    const char *folder =
        cz_arena_strdup(&yolo->arena, path, cz_path_folder_size(path));
    size_t number = 0;
    if (!folder)
        return cz_error_nomem(err);
    for (char *line; (line = strsep(&text, "\n"));) {
        size_t size = strcspn(line, "\r");
        number++;
        if (size >= PATH_MAX)
            return cz_error_set(err, CZ_EPARSE,
                                "%s: line %zu: is no path: it is too long",
                                path, number);
        line[size] = 0;
        while (size && (line[size - 1] == ' ' || line[size - 1] == '\t'))
            line[--size] = 0;
        if (!size)
            continue;
        if (!cz_image_is_name(line))
            return cz_error_set(err, CZ_EPARSE,
                                "%s: line %zu: '%.100s' is no image file", path,
                                number, line);
        const char *joined = join(&yolo->arena, folder, line);
        if (!joined)
            return cz_error_nomem(err);
        CZ_TRY(cz_texts_add(images, &yolo->arena, joined, err));
    }
    return CZ_OK;
}

static enum cz_status add_list(struct cz_texts *images, struct cz_yolo *yolo,
                               const char *path, struct cz_error *err)
{
    char *text;
    CZ_TRY(cz_yolo_text_load(&text, path, err));
    enum cz_status status = add_lines(images, yolo, path, text, err);
    cz_free(text);
    return status;
}

/* ---- all of them ------------------------------------------------------ */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum cz_status cz_yolo_images(struct cz_texts *images, struct cz_yolo *yolo,
                              struct cz_error *err)
{
    *images = (struct cz_texts){.items = NULL};
    for (size_t i = 0; i < yolo->val.count; i++) {
        const char *path;
        struct stat info;
        CZ_TRY(locate(&path, yolo, yolo->val.items[i], err));
        if (stat(path, &info) != 0)
            return cz_error_set(err, CZ_EIO, "%s: %s", path, strerror(errno));
        if (S_ISDIR(info.st_mode))
            CZ_TRY(add_folder(images, yolo, path, err));
        else
            CZ_TRY(add_list(images, yolo, path, err));
    }
    if (!images->count)
        return cz_error_set(err, CZ_EINVAL, "there is no image in '%s'",
                            yolo->val.count ? yolo->val.items[0] : "");
    qsort(images->items, images->count, sizeof *images->items, compare_texts);
    for (size_t i = 1; i < images->count; i++) {
        if (compare_texts(&images->items[i - 1], &images->items[i]) == 0)
            return cz_error_set(err, CZ_EINVAL,
                                "the image %s is there twice in 'val:'",
                                images->items[i]);
    }
    return CZ_OK;
}
