/* A YOLO data set as annotations. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/path.h"
#include "eval/yolo_internal.h"

static enum cz_status add_categories(struct cz_coco *coco,
                                     const struct cz_yolo *yolo,
                                     struct cz_error *err)
{
    for (size_t i = 0; i < yolo->names.count; i++) {
        const struct cz_coco_category category = {.id = (int64_t)i + 1,
                                                  .name = yolo->names.items[i]};
        CZ_TRY(cz_coco_add_category(coco, &category, err));
    }
    return CZ_OK;
}

/* The number that the file is called by; false where it is none. */
static bool number_of(int64_t *number, const char *path)
{
    const char *name = cz_path_base(path);
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || strrchr(name, '.') != name + digits)
        return false;
    errno = 0;
    *number = strtoll(name, NULL, 10);
    return errno == 0;
}

/* The numbers that images are called by, sorted, each with the place of its
 * image; one may be there several times. */
static enum cz_status find_numbers(struct cz_ids *numbers,
                                   const struct cz_texts *images,
                                   struct cz_error *err)
{
    int64_t number;
    for (size_t i = 0; i < images->count; i++) {
        if (!number_of(&number, images->items[i]))
            continue;
        CZ_TRY(cz_ids_add(numbers, number, err));
        numbers->items[numbers->count - 1].place = (uint32_t)i;
    }
    cz_ids_sort(numbers, "image", NULL);
    return CZ_OK;
}

/* ids: [images]. A number that one image alone is called by is its id; all
 * others are counted, without the numbers: no id stands for another image than
 * Ultralytics means by it. */
static void choose_ids(int64_t *ids, size_t n_images,
                       const struct cz_ids *numbers)
{
    const struct cz_id *items = numbers->items;
    int64_t next = 1;
    for (size_t i = 0; i < n_images; i++)
        ids[i] = -1;
    for (size_t i = 0; i < numbers->count; i++) {
        const bool again = i && items[i - 1].id == items[i].id;
        if (!again &&
            (i + 1 == numbers->count || items[i + 1].id != items[i].id))
            ids[items[i].place] = items[i].id;
    }
    for (size_t i = 0; i < n_images; i++) {
        if (ids[i] >= 0)
            continue;
        while (cz_ids_find(numbers, next) != CZ_ID_NONE)
            next++;
        ids[i] = next++;
    }
}

static enum cz_status make_ids(int64_t **ids, const struct cz_texts *images,
                               struct cz_error *err)
{
    struct cz_ids numbers = {.items = NULL};
    *ids = cz_calloc(images->count, sizeof **ids);
    enum cz_status status =
        *ids ? find_numbers(&numbers, images, err) : cz_error_nomem(err);
    if (status == CZ_OK)
        choose_ids(*ids, images->count, &numbers);
    cz_ids_fini(&numbers);
    return status;
}

static enum cz_status add_images(struct cz_coco *coco,
                                 const struct cz_texts *images,
                                 const struct cz_image_sizes *sizes,
                                 struct cz_error *err)
{
    int64_t *ids;
    enum cz_status status = make_ids(&ids, images, err);
    for (size_t i = 0; status == CZ_OK && i < images->count; i++) {
        struct cz_coco_image image = {.id = ids[i],
                                      .file_name = images->items[i]};
        status = sizes->read(sizes->user, images->items[i], &image.width,
                             &image.height, err);
        if (status == CZ_OK)
            status = cz_coco_add_image(coco, &image, err);
    }
    cz_free(ids);
    return status;
}

/* The boxes of all images of which the size is known. */
static enum cz_status add_boxes(struct cz_coco *coco, struct cz_yolo *yolo,
                                struct cz_error *err)
{
    for (size_t i = 0; i < coco->n_images; i++) {
        const struct cz_coco_image *image = &coco->images[i];
        const char *labels = cz_yolo_label_path(&yolo->arena, image->file_name);
        if (!labels)
            return cz_error_nomem(err);
        if (image->width && image->height)
            CZ_TRY(cz_yolo_labels(coco, i, labels, err));
    }
    return CZ_OK;
}

static enum cz_status load(struct cz_coco *coco, struct cz_yolo *yolo,
                           const char *path, const struct cz_image_sizes *sizes,
                           struct cz_error *err)
{
    struct cz_texts images;
    CZ_TRY(cz_yolo_read(yolo, path, err));
    CZ_TRY(add_categories(coco, yolo, err));
    CZ_TRY(cz_error_prefix(err, cz_yolo_images(&images, yolo, err), path));
    CZ_TRY(add_images(coco, &images, sizes, err));
    CZ_TRY(add_boxes(coco, yolo, err));
    return cz_coco_index(coco, err);
}

enum cz_status cz_coco_load_yolo(struct cz_coco **coco, const char *path,
                                 const struct cz_image_sizes *sizes,
                                 struct cz_error *err)
{
    struct cz_yolo yolo;
    *coco = NULL;
    struct cz_coco *result = cz_calloc(1, sizeof *result);
    if (!result)
        return cz_error_nomem(err);
    enum cz_status status = load(result, &yolo, path, sizes, err);
    cz_yolo_fini(&yolo);
    if (status == CZ_OK)
        *coco = result;
    else
        cz_coco_free(result);
    return status;
}
