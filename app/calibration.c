/* Images for calibration; see calibration.h. */
#include "app/calibration.h"

#include <stdio.h>

#include "app/text.h"
#include "core/alloc.h"

/* Fewer images than this say too little about the ranges. */
#define IMAGES_MIN 8

/* Skipped images that are named. */
#define SKIPPED_SHOWN 10

/* Keeps `limit` of the files, evenly spaced. */
static void thin_out(struct app_image_files *files, size_t limit)
{
    const size_t count = files->count;
    if (count <= limit)
        return;
    for (size_t i = 0, kept = 0; i < count; i++) {
        if (kept < limit && i == kept * count / limit)
            files->paths[kept++] = files->paths[i];
        else
            cz_free(files->paths[i]);
    }
    files->count = limit;
}

/* Images fail while their pixels are decoded: nothing less tells. */
static enum cz_status try_image(const struct app_calibration *c,
                                const char *path, struct cz_error *err)
{
    struct cz_image image;
    CZ_TRY(cz_image_read(&image, c->opencv, path, err));
    cz_image_free(&image, c->opencv);
    return CZ_OK;
}

static enum cz_status skip(struct app_calibration *c, const char *reason,
                           struct cz_error *err)
{
    char *copy = cz_strdup(reason);
    if (!copy)
        return cz_error_nomem(err);
    c->skipped[c->n_skipped++] = copy;
    return CZ_OK;
}

/* Drops the files that cannot be read. */
static enum cz_status drop_unreadable(struct app_calibration *c,
                                      struct cz_error *err)
{
    const size_t count = c->files.count;
    enum cz_status status = CZ_OK;
    size_t kept = 0;
    c->skipped = cz_calloc(count + 1, sizeof *c->skipped);
    if (!c->skipped)
        return cz_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct cz_error image_err = CZ_ERROR_INIT;
        enum cz_status found = CZ_OK;
        if (status == CZ_OK && !cz_progress_tick(c->progress, "read", i, count))
            status = cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        if (status == CZ_OK)
            found = try_image(c, c->files.paths[i], &image_err);
        if (found != CZ_OK)
            status = cz_image_is_bad(found)
                         ? skip(c, image_err.message, err)
                         : cz_error_set(err, found, "%s", image_err.message);
        if (found == CZ_OK)
            c->files.paths[kept++] = c->files.paths[i];
        else
            cz_free(c->files.paths[i]);
    }
    c->files.count = kept;
    return status;
}

static enum cz_status refuse_few(const struct app_calibration *c,
                                 struct cz_error *err)
{
    if (!c->n_skipped)
        return cz_error_set(err, CZ_EINVAL,
                            "%s: %zu images are too few to calibrate with: "
                            "want %d at least, better 64",
                            c->source, c->files.count, IMAGES_MIN);
    return cz_error_set(err, CZ_EINVAL,
                        "%s: %zu images that can be read are too few to "
                        "calibrate with: want %d at least; %zu cannot, the "
                        "first: %s",
                        c->source, c->files.count, IMAGES_MIN, c->n_skipped,
                        c->skipped[0]);
}

enum cz_status app_calibration_open(struct app_calibration *c,
                                    struct cz_error *err)
{
    const struct cz_detector_options options = CZ_DETECTOR_OPTIONS_INIT;
    CZ_TRY(app_calibration_files_add(&c->files, c->source, err));
    thin_out(&c->files, c->limit);
    CZ_TRY(cz_opencv_open(&c->opencv, err));
    if (c->files.count >= IMAGES_MIN)
        CZ_TRY(drop_unreadable(c, err));
    if (c->files.count < IMAGES_MIN)
        return refuse_few(c, err);
    CZ_TRY(cz_detector_load(&c->detector, c->model, &options, err));
    c->shape.dims = cz_detector_shape(cz_detector_format(c->detector));
    return CZ_OK;
}

void app_calibration_close(struct app_calibration *c)
{
    cz_opencv_close(c->opencv);
    cz_detector_free(c->detector);
    app_image_files_fini(&c->files);
    for (size_t i = 0; i < c->n_skipped; i++)
        cz_free(c->skipped[i]);
    cz_free(c->skipped);
}

static enum cz_status begin(void *user, struct cz_plan *plan,
                            struct cz_error *err)
{
    struct app_calibration *c = user;
    size_t count;
    const struct cz_port *outputs = cz_plan_outputs(plan, &count);
    c->no_decoder = CZ_ERROR_INIT;
    const enum cz_status status =
        cz_detector_bind(c->detector, outputs, count, &c->no_decoder);
    return status == CZ_OK || status == CZ_EUNSUPPORTED
               ? CZ_OK
               : cz_error_set(err, status, "%s", c->no_decoder.message);
}

static enum cz_status fill(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err)
{
    struct app_calibration *c = user;
    const struct cz_input_format *format = cz_detector_format(c->detector);
    struct cz_image image;
    CZ_TRY(cz_image_read(&image, c->opencv, c->files.paths[i], err));
    cz_letterbox_fit(&c->fit, format, image.width, image.height);
    enum cz_status status = cz_letterbox_fill(cz_plan_inputs(plan, NULL)->data,
                                              &c->fit, format, &image, err);
    cz_image_free(&image, c->opencv);
    return status;
}

static float share(float position, size_t size)
{
    const float s = position / (float)size;
    return s > 0 ? s < 1 ? s : 1 : 0;
}

/* The boxes of the best scores. */
static enum cz_status look(void *user, struct cz_plan *plan,
                           struct cz_region *regions, size_t *n_regions,
                           struct cz_error *err)
{
    const struct app_calibration *c = user;
    const struct cz_input_format *format = cz_detector_format(c->detector);
    struct cz_thresholds thresholds = CZ_THRESHOLDS_DEMO;
    struct cz_boxes boxes = {.items = NULL};
    size_t count;
    const struct cz_port *outputs = cz_plan_outputs(plan, &count);
    *n_regions = 0;
    if (!cz_detector_is_bound(c->detector))
        return CZ_OK;
    thresholds.max_boxes = CZ_REGIONS_MAX;
    enum cz_status status = cz_detector_decode(c->detector, outputs, count,
                                               &thresholds, &boxes, err);
    if (status == CZ_OK)
        status = cz_boxes_suppress(&boxes, &thresholds, err);
    for (size_t i = 0; i < boxes.count && i < CZ_REGIONS_MAX; i++) {
        const struct cz_box *box = &boxes.items[i];
        regions[(*n_regions)++] =
            (struct cz_region){.left = share(box->x1, format->width),
                               .top = share(box->y1, format->height),
                               .right = share(box->x2, format->width),
                               .bottom = share(box->y2, format->height)};
    }
    cz_boxes_fini(&boxes);
    return status;
}

struct cz_images app_calibration_images(struct app_calibration *calibration)
{
    return (struct cz_images){.count = calibration->files.count,
                              .begin = begin,
                              .fill = fill,
                              .look = look,
                              .user = calibration};
}

void app_calibration_tell_skipped(const struct app_calibration *calibration)
{
    for (size_t i = 0; i < calibration->n_skipped; i++) {
        if (i == SKIPPED_SHOWN) {
            fprintf(stderr, "compress: ... and %zu more were skipped\n",
                    calibration->n_skipped - i);
            return;
        }
        fputs("compress: skipped: ", stderr);
        app_print_clean(stderr, calibration->skipped[i]);
        fputc('\n', stderr);
    }
}
