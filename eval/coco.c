/* The annotations in memory: adding to them, and looking things up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/path.h"
#include "eval/coco_internal.h"

/* ---- adding ----------------------------------------------------------- */

/* A copy of `text`, or "". */
static const char *keep(struct cz_coco *coco, const char *text)
{
    if (!text || !*text)
        return "";
    return cz_arena_strdup(&coco->names, text, strlen(text));
}

/* Room for one more of `what` at array[count]. */
static enum cz_status grow(void *array, size_t count, size_t *capacity,
                           size_t size, const char *what, struct cz_error *err)
{
    void *old, *grown;
    if (count >= CZ_COCO_COUNT_MAX)
        return cz_error_set(err, CZ_EUNSUPPORTED, "more than %zu %s",
                            CZ_COCO_COUNT_MAX, what);
    memcpy(&old, array, sizeof old);
    grown = cz_array_grow(old, count, capacity, size);
    if (!grown)
        return cz_error_nomem(err);
    memcpy(array, &grown, sizeof grown);
    return CZ_OK;
}

enum cz_status cz_coco_add_image(struct cz_coco *coco,
                                 const struct cz_coco_image *image,
                                 struct cz_error *err)
{
    CZ_TRY(grow(&coco->images, coco->n_images, &coco->images_capacity,
                sizeof *coco->images, "images", err));
    CZ_TRY(cz_ids_add(&coco->image_ids, image->id, err));
    struct cz_coco_image *added = &coco->images[coco->n_images];
    *added = *image;
    added->file_name = keep(coco, image->file_name);
    if (!added->file_name)
        return cz_error_nomem(err);
    coco->n_images++;
    return CZ_OK;
}

enum cz_status cz_coco_add_category(struct cz_coco *coco,
                                    const struct cz_coco_category *category,
                                    struct cz_error *err)
{
    CZ_TRY(grow(&coco->categories, coco->n_categories,
                &coco->categories_capacity, sizeof *coco->categories,
                "categories", err));
    CZ_TRY(cz_ids_add(&coco->category_ids, category->id, err));
    struct cz_coco_category *added = &coco->categories[coco->n_categories];
    *added = *category;
    added->name = keep(coco, category->name);
    if (!added->name)
        return cz_error_nomem(err);
    coco->n_categories++;
    return CZ_OK;
}

enum cz_status cz_coco_add_box(struct cz_coco *coco,
                               const struct cz_coco_box *box,
                               struct cz_error *err)
{
    CZ_TRY(grow(&coco->boxes, coco->n_boxes, &coco->boxes_capacity,
                sizeof *coco->boxes, "annotations", err));
    coco->boxes[coco->n_boxes++] = *box;
    return CZ_OK;
}

enum cz_status cz_coco_check_bbox(const double bbox[4], struct cz_error *err)
{
    for (size_t i = 0; i < 4; i++) {
        if (!(fabs(bbox[i]) <= CZ_COORDINATE_MAX))
            return cz_error_set(err, CZ_EINVAL,
                                "'bbox' has the number %g, want finite pixels",
                                bbox[i]);
    }
    if (bbox[2] < 0 || bbox[3] < 0)
        return cz_error_set(
            err, CZ_EINVAL, "'bbox' has the %s %g, want 0 or more",
            bbox[2] < 0 ? "width" : "height", bbox[2] < 0 ? bbox[2] : bbox[3]);
    return CZ_OK;
}

void cz_coco_free(struct cz_coco *coco)
{
    if (!coco)
        return;
    cz_free(coco->images);
    cz_free(coco->categories);
    cz_free(coco->boxes);
    cz_free(coco->by_stem);
    cz_ids_fini(&coco->image_ids);
    cz_ids_fini(&coco->category_ids);
    cz_arena_fini(&coco->names);
    cz_free(coco);
}

/* ---- names of images -------------------------------------------------- */

/* A part of a text. */
struct part {
    const char *text;
    size_t size;
};

/* The base name without its suffix. */
static struct part stem(const char *path)
{
    return (struct part){cz_path_base(path), cz_path_stem_size(path)};
}

static int compare_parts(struct part a, struct part b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.text, b.text, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_images(const void *a, const void *b, void *user)
{
    const struct cz_coco_image *images = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order =
        compare_parts(stem(images[x].file_name), stem(images[y].file_name));
    return order ? order : (x > y) - (x < y);
}

static bool ends_with_path(const char *path, const char *tail)
{
    size_t size = strlen(path), tail_size = strlen(tail);
    return tail_size && size > tail_size && path[size - tail_size - 1] == '/' &&
           strcmp(path + size - tail_size, tail) == 0;
}

/* How well `name` names the file: by the whole path, by a path to it, by the
 * base name, by the stem alone; 0: not at all. */
static int closeness(const char *file_name, const char *name)
{
    struct part part = stem(file_name);
    if (strcmp(file_name, name) == 0)
        return 4;
    if (ends_with_path(file_name, name) || ends_with_path(name, file_name))
        return 3;
    if (strcmp(cz_path_base(file_name), cz_path_base(name)) == 0)
        return 2;
    return strlen(name) == part.size && memcmp(name, part.text, part.size) == 0;
}

/* The first place in by_stem that is not before `key`. */
static size_t lower_bound(const struct cz_coco *coco, struct part key)
{
    size_t low = 0, high = coco->n_images;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *found = coco->images[coco->by_stem[middle]].file_name;
        if (compare_parts(stem(found), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of the images with this stem the one that `name` is closest to; NULL where
 * there is none, or several are. */
static const struct cz_coco_image *
find_by_stem(const struct cz_coco *coco, struct part key, const char *name)
{
    const struct cz_coco_image *best = NULL;
    int best_closeness = 0;
    for (size_t i = lower_bound(coco, key); i < coco->n_images; i++) {
        const struct cz_coco_image *image = &coco->images[coco->by_stem[i]];
        if (compare_parts(stem(image->file_name), key) != 0)
            break;
        int close = closeness(image->file_name, name);
        if (close > best_closeness)
            best = image;
        else if (close == best_closeness)
            best = NULL;
        if (close > best_closeness)
            best_closeness = close;
    }
    return best;
}

const struct cz_coco_image *cz_coco_find_image(const struct cz_coco *coco,
                                               const char *name)
{
    const struct cz_coco_image *image;
    if (!*name)
        return NULL;
    image = find_by_stem(coco, stem(name), name);
    if (!image) /* what looks like a suffix may be none */
        image = find_by_stem(coco, (struct part){name, strlen(name)}, name);
    return image;
}

/* ---- looking up ------------------------------------------------------- */

enum cz_status cz_coco_index(struct cz_coco *coco, struct cz_error *err)
{
    CZ_TRY(cz_ids_sort(&coco->image_ids, "image", err));
    CZ_TRY(cz_ids_sort(&coco->category_ids, "category", err));
    coco->by_stem = cz_calloc(coco->n_images, sizeof *coco->by_stem);
    if (!coco->by_stem)
        return cz_error_nomem(err);
    for (size_t i = 0; i < coco->n_images; i++)
        coco->by_stem[i] = (uint32_t)i;
    if (coco->n_images)
        qsort_r(coco->by_stem, coco->n_images, sizeof *coco->by_stem,
                compare_images, coco->images);
    return CZ_OK;
}

const struct cz_coco_image *cz_coco_images(const struct cz_coco *coco,
                                           size_t *count)
{
    *count = coco->n_images;
    return coco->images;
}

const struct cz_coco_category *cz_coco_categories(const struct cz_coco *coco,
                                                  size_t *count)
{
    *count = coco->n_categories;
    return coco->categories;
}

size_t cz_coco_box_count(const struct cz_coco *coco)
{
    return coco->n_boxes;
}

const struct cz_coco_image *cz_coco_image(const struct cz_coco *coco,
                                          int64_t id)
{
    uint32_t place = cz_ids_find(&coco->image_ids, id);
    return place == CZ_ID_NONE ? NULL : &coco->images[place];
}

const struct cz_coco_category *cz_coco_category(const struct cz_coco *coco,
                                                int64_t id)
{
    uint32_t place = cz_ids_find(&coco->category_ids, id);
    return place == CZ_ID_NONE ? NULL : &coco->categories[place];
}

bool cz_coco_has_id_zero(const struct cz_coco *coco)
{
    for (size_t i = 0; i < coco->n_boxes; i++) {
        if (coco->boxes[i].id_zero)
            return true;
    }
    return false;
}
