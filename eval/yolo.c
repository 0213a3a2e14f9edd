/* A YOLO data set as annotations. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || strrchr(name, '.') != name + digits)
        return false;
    errno = 0;
    *number = strtoll(name, NULL, 10);
    return errno == 0;
}

/* True when all images are called by numbers, no two by the same. */
static enum cz_status have_numbers(bool *have, const struct cz_texts *images,
                                   struct cz_error *err)
{
    struct cz_ids ids = {.items = NULL};
    enum cz_status status = CZ_OK;
    int64_t number;
    *have = true;
    for (size_t i = 0; status == CZ_OK && *have && i < images->count; i++) {
        *have = number_of(&number, images->items[i]);
        status = *have ? cz_ids_add(&ids, number, err) : CZ_OK;
    }
    if (status == CZ_OK && *have)
        *have = cz_ids_sort(&ids, "image", NULL) == CZ_OK;
    cz_ids_fini(&ids);
    return status;
}

static enum cz_status add_images(struct cz_coco *coco,
                                 const struct cz_texts *images,
                                 const struct cz_image_sizes *sizes,
                                 struct cz_error *err)
{
    bool by_number;
    CZ_TRY(have_numbers(&by_number, images, err));
    for (size_t i = 0; i < images->count; i++) {
        struct cz_coco_image image = {.id = (int64_t)i + 1,
                                      .file_name = images->items[i]};
        if (by_number)
            number_of(&image.id, images->items[i]);
        CZ_TRY(sizes->read(sizes->user, images->items[i], &image.width,
                           &image.height, err));
        CZ_TRY(cz_coco_add_image(coco, &image, err));
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
    for (size_t i = 0; i < images.count; i++) {
        const char *labels = cz_yolo_label_path(&yolo->arena, images.items[i]);
        if (!labels)
            return cz_error_nomem(err);
        CZ_TRY(cz_yolo_labels(coco, i, labels, err));
    }
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
