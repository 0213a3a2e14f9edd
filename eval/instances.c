/* COCO's instances JSON as annotations. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "eval/coco_internal.h"
#include "eval/records_internal.h"

/* What an annotation says of where it belongs, until all images are known:
 * the lists come in any order. */
struct reference {
    int64_t image_id, category_id;
};

struct instances {
    struct cz_coco *coco;
    struct reference *references; /* [coco->n_boxes] */
    size_t references_capacity;
    struct cz_ids ids; /* of the annotations */
};

/* ---- the lists -------------------------------------------------------- */

enum { IMAGE_ID, IMAGE_FILE_NAME, IMAGE_WIDTH, IMAGE_HEIGHT };

static const struct cz_field image_fields[] = {
    [IMAGE_ID] = {"id", CZ_FIELD_INTEGER, true},
    [IMAGE_FILE_NAME] = {"file_name", CZ_FIELD_TEXT, false},
    [IMAGE_WIDTH] = {"width", CZ_FIELD_INTEGER, false},
    [IMAGE_HEIGHT] = {"height", CZ_FIELD_INTEGER, false},
};

static enum cz_status take_image(void *user,
                                 const struct cz_field_value *values,
                                 struct cz_error *err)
{
    struct instances *in = user;
    const struct cz_coco_image image = {
        .id = values[IMAGE_ID].integer,
        .file_name = values[IMAGE_FILE_NAME].text,
        .width = values[IMAGE_WIDTH].integer,
        .height = values[IMAGE_HEIGHT].integer,
    };
    if (image.width < 0 || image.height < 0)
        return cz_error_set(err, CZ_EINVAL,
                            "is %" PRId64 "x%" PRId64 " pixels large",
                            image.width, image.height);
    return cz_coco_add_image(in->coco, &image, err);
}

enum { CATEGORY_ID, CATEGORY_NAME };

static const struct cz_field category_fields[] = {
    [CATEGORY_ID] = {"id", CZ_FIELD_INTEGER, true},
    [CATEGORY_NAME] = {"name", CZ_FIELD_TEXT, false},
};

static enum cz_status take_category(void *user,
                                    const struct cz_field_value *values,
                                    struct cz_error *err)
{
    struct instances *in = user;
    const struct cz_coco_category category = {
        .id = values[CATEGORY_ID].integer,
        .name = values[CATEGORY_NAME].text,
    };
    return cz_coco_add_category(in->coco, &category, err);
}

enum { BOX_ID, BOX_IMAGE, BOX_CATEGORY, BOX_BBOX, BOX_AREA, BOX_CROWD };

static const struct cz_field box_fields[] = {
    [BOX_ID] = {"id", CZ_FIELD_INTEGER, true},
    [BOX_IMAGE] = {"image_id", CZ_FIELD_INTEGER, true},
    [BOX_CATEGORY] = {"category_id", CZ_FIELD_INTEGER, true},
    [BOX_BBOX] = {"bbox", CZ_FIELD_BOX, true},
    [BOX_AREA] = {"area", CZ_FIELD_NUMBER, false},
    [BOX_CROWD] = {"iscrowd", CZ_FIELD_FLAG, false},
};

/* Notes where the next box belongs, and its own id. */
static enum cz_status take_reference(struct instances *in,
                                     const struct cz_field_value *values,
                                     struct cz_error *err)
{
    struct reference *grown =
        cz_array_grow(in->references, in->coco->n_boxes,
                      &in->references_capacity, sizeof *grown);
    if (!grown)
        return cz_error_nomem(err);
    in->references = grown;
    grown[in->coco->n_boxes] = (struct reference){values[BOX_IMAGE].integer,
                                                  values[BOX_CATEGORY].integer};
    return cz_ids_add(&in->ids, values[BOX_ID].integer, err);
}

static enum cz_status take_box(void *user, const struct cz_field_value *values,
                               struct cz_error *err)
{
    struct instances *in = user;
    struct cz_coco_box box = {
        .area = values[BOX_AREA].number,
        .crowd = values[BOX_CROWD].integer != 0,
        .id_zero = values[BOX_ID].integer == 0,
    };
    memcpy(box.bbox, values[BOX_BBOX].box, sizeof box.bbox);
    CZ_TRY(cz_coco_check_bbox(box.bbox, err));
    if (!values[BOX_AREA].present)
        box.area = box.bbox[2] * box.bbox[3];
    if (box.area < 0)
        return cz_error_set(err, CZ_EINVAL, "'area' is %g, want 0 or more",
                            box.area);
    CZ_TRY(take_reference(in, values, err));
    return cz_coco_add_box(in->coco, &box, err);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct cz_record_list lists[] = {
    {"images", "image", image_fields, COUNT(image_fields), take_image},
    {"categories", "category", category_fields, COUNT(category_fields),
     take_category},
    {"annotations", "annotation", box_fields, COUNT(box_fields), take_box},
};

/* ---- what belongs where ----------------------------------------------- */

static enum cz_status resolve(struct instances *in, struct cz_error *err)
{
    struct cz_coco *coco = in->coco;
    CZ_TRY(cz_coco_index(coco, err));
    for (size_t i = 0; i < coco->n_boxes; i++) {
        const struct reference *to = &in->references[i];
        struct cz_coco_box *box = &coco->boxes[i];
        box->image = cz_ids_find(&coco->image_ids, to->image_id);
        box->category = cz_ids_find(&coco->category_ids, to->category_id);
        if (box->image == CZ_ID_NONE)
            return cz_error_set(err, CZ_EINVAL,
                                "annotation %zu: no image has the id %" PRId64,
                                i, to->image_id);
        if (box->category == CZ_ID_NONE)
            return cz_error_set(
                err, CZ_EINVAL,
                "annotation %zu: no category has the id %" PRId64, i,
                to->category_id);
    }
    return cz_ids_sort(&in->ids, "annotation", err);
}

static enum cz_status read_instances(struct cz_coco **coco,
                                     const struct cz_source *source,
                                     struct cz_error *err)
{
    struct instances in = {.coco = cz_calloc(1, sizeof *in.coco)};
    enum cz_status status;
    *coco = NULL;
    if (!in.coco)
        return cz_error_nomem(err);
    status = cz_records_read(source, lists, COUNT(lists), &in, err);
    if (status == CZ_OK)
        status = cz_error_prefix(err, resolve(&in, err), source->name);
    if (status == CZ_OK)
        *coco = in.coco;
    else
        cz_coco_free(in.coco);
    cz_free(in.references);
    cz_ids_fini(&in.ids);
    return status;
}

enum cz_status cz_coco_parse(struct cz_coco **coco, const void *bytes,
                             size_t size, const char *name,
                             struct cz_error *err)
{
    const struct cz_source source = {
        .name = name, .bytes = size ? bytes : "", .size = size};
    return read_instances(coco, &source, err);
}

bool cz_coco_is_yolo(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot &&
           (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0);
}

enum cz_status cz_coco_load(struct cz_coco **coco, const char *path,
                            const struct cz_image_sizes *sizes,
                            struct cz_error *err)
{
    const struct cz_source source = {.name = path};
    if (cz_coco_is_yolo(path))
        return cz_coco_load_yolo(coco, path, sizes, err);
    return read_instances(coco, &source, err);
}
