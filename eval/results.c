/* Detections in COCO's results format: read as a stream, written as
 * Ultralytics writes them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/output.h"
#include "eval/coco_internal.h"
#include "eval/records_internal.h"

/* ---- in memory -------------------------------------------------------- */

enum cz_status cz_coco_detections_add(struct cz_coco_detections *detections,
                                      const struct cz_coco_detection *detection,
                                      struct cz_error *err)
{
    struct cz_coco_detection *grown =
        cz_array_grow(detections->items, detections->count,
                      &detections->capacity, sizeof *grown);
    if (!grown)
        return cz_error_nomem(err);
    detections->items = grown;
    grown[detections->count++] = *detection;
    return CZ_OK;
}

void cz_coco_detections_fini(struct cz_coco_detections *detections)
{
    cz_free(detections->items);
    *detections = (struct cz_coco_detections)CZ_COCO_DETECTIONS_INIT;
}

enum cz_status cz_coco_check_detection(const struct cz_coco_detection *d,
                                       const struct cz_coco *coco,
                                       struct cz_error *err)
{
    if (cz_ids_find(&coco->image_ids, d->image_id) == CZ_ID_NONE)
        return cz_error_set(err, CZ_EINVAL,
                            "no image has the image_id %" PRId64, d->image_id);
    if (cz_ids_find(&coco->category_ids, d->category_id) == CZ_ID_NONE)
        return cz_error_set(err, CZ_EINVAL,
                            "no category has the category_id %" PRId64,
                            d->category_id);
    if (!isfinite(d->score))
        return cz_error_set(err, CZ_EINVAL,
                            "'score' is %g, want a finite number", d->score);
    return cz_coco_check_bbox(d->bbox, err);
}

/* ---- reading ---------------------------------------------------------- */

struct results {
    const struct cz_coco *coco;
    struct cz_coco_detections *detections;
};

enum { IMAGE, CATEGORY, BBOX, SCORE };

static const struct cz_field fields[] = {
    [IMAGE] = {"image_id", CZ_FIELD_ID, true},
    [CATEGORY] = {"category_id", CZ_FIELD_INTEGER, true},
    [BBOX] = {"bbox", CZ_FIELD_BOX, true},
    [SCORE] = {"score", CZ_FIELD_NUMBER, true},
};

static enum cz_status take(void *user, const struct cz_field_value *values,
                           struct cz_error *err)
{
    struct results *results = user;
    struct cz_coco_detection detection = {
        .image_id = values[IMAGE].integer,
        .category_id = values[CATEGORY].integer,
        .score = values[SCORE].number,
    };
    if (values[IMAGE].text) {
        const struct cz_coco_image *image =
            cz_coco_find_image(results->coco, values[IMAGE].text);
        if (!image)
            return cz_error_set(err, CZ_EINVAL,
                                "no image, or more than one, has the name '%s'",
                                values[IMAGE].text);
        detection.image_id = image->id;
    }
    memcpy(detection.bbox, values[BBOX].box, sizeof detection.bbox);
    CZ_TRY(cz_coco_check_detection(&detection, results->coco, err));
    return cz_coco_detections_add(results->detections, &detection, err);
}

static enum cz_status read_results(struct cz_coco_detections *detections,
                                   const struct cz_source *source,
                                   const struct cz_coco *coco,
                                   struct cz_error *err)
{
    static const struct cz_record_list list = {.noun = "detection",
                                               .fields = fields,
                                               .n_fields = sizeof fields /
                                                           sizeof *fields,
                                               .take = take};
    struct results results = {coco, detections};
    return cz_records_read(source, &list, 1, &results, err);
}

enum cz_status cz_coco_detections_load(struct cz_coco_detections *detections,
                                       const char *path,
                                       const struct cz_coco *coco,
                                       struct cz_error *err)
{
    const struct cz_source source = {.name = path};
    return read_results(detections, &source, coco, err);
}

enum cz_status cz_coco_detections_parse(struct cz_coco_detections *detections,
                                        const void *bytes, size_t size,
                                        const char *name,
                                        const struct cz_coco *coco,
                                        struct cz_error *err)
{
    const struct cz_source source = {
        .name = name, .bytes = size ? bytes : "", .size = size};
    return read_results(detections, &source, coco, err);
}

/* ---- writing ---------------------------------------------------------- */

#define NUMBER_BYTES 400 /* of any double with %f */

/* The number rounded, as Python prints it: 80.0, 80.36, 1e-05. */
static void print_rounded(FILE *file, double number, int decimals)
{
    char text[NUMBER_BYTES];
    int size = snprintf(text, sizeof text, "%.*f", decimals, number);
    double rounded = strtod(text, NULL);
    while (text[size - 1] == '0' && text[size - 2] != '.')
        text[--size] = 0;
    if (rounded != 0 && fabs(rounded) < 1e-4)
        snprintf(text, sizeof text, "%.0e", rounded);
    fputs(text, file);
}

static void print_detection(FILE *file, const struct cz_coco_detection *d)
{
    fprintf(file, "{\"image_id\": %" PRId64 ", \"category_id\": %" PRId64,
            d->image_id, d->category_id);
    for (size_t i = 0; i < 4; i++) {
        fputs(i ? ", " : ", \"bbox\": [", file);
        print_rounded(file, d->bbox[i], 3);
    }
    fputs("], \"score\": ", file);
    print_rounded(file, d->score, 5);
    fputc('}', file);
}

static void print_all(FILE *file, const void *user)
{
    const struct cz_coco_detections *detections = user;
    fputc('[', file);
    for (size_t i = 0; i < detections->count; i++) {
        if (i)
            fputs(", ", file);
        print_detection(file, &detections->items[i]);
    }
    fputc(']', file);
}

enum cz_status
cz_coco_detections_save(const struct cz_coco_detections *detections,
                        const char *path, bool overwrite, struct cz_error *err)
{
    return cz_output_print(path, overwrite, print_all, detections, err);
}
