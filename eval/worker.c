/* One thread's share of a run: images to detections of categories. */
#include "eval/worker_internal.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"

/* ---- the model -------------------------------------------------------- */

/* Which category each class of the model is. */
static enum cz_status map_classes(struct cz_eval_worker *worker,
                                  struct cz_error *err)
{
    const struct cz_detector *detector = cz_session_detector(worker->session);
    const size_t n = cz_detector_classes(detector);
    const char **names = cz_calloc(n, sizeof *names);
    bool named = true;
    enum cz_status status = CZ_ENOMEM;
    worker->category_ids = cz_calloc(n, sizeof *worker->category_ids);
    if (!names || !worker->category_ids) {
        cz_error_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = cz_detector_label(detector, (uint32_t)i);
        named = named && names[i];
    }
    status = cz_coco_map_classes(worker->category_ids, named ? names : NULL, n,
                                 worker->job->coco, err);
out:
    cz_free(names);
    return status;
}

enum cz_status cz_eval_worker_init(struct cz_eval_worker *worker,
                                   const struct cz_eval_job *job,
                                   struct cz_error *err)
{
    *worker = (struct cz_eval_worker){.job = job};
    CZ_TRY(cz_session_open(&worker->session, job->path, &job->session, err));
    return cz_error_prefix(err, map_classes(worker, err), job->path);
}

void cz_eval_worker_fini(struct cz_eval_worker *worker)
{
    cz_session_close(worker->session);
    cz_free(worker->category_ids);
    *worker = (struct cz_eval_worker){.job = NULL};
}

/* ---- an image --------------------------------------------------------- */

static enum cz_status read_image(struct cz_image *pixels,
                                 const struct cz_eval_job *job,
                                 const struct cz_coco_image *image,
                                 struct cz_error *err)
{
    const char *folder = job->options->images;
    if (!folder)
        return cz_image_read(pixels, job->opencv, image->file_name, err);
    const size_t size = strlen(folder) + strlen(image->file_name) + 1;
    char *path = cz_malloc(size);
    if (!path)
        return cz_error_nomem(err);
    snprintf(path, size, "%s%s", folder, image->file_name);
    const enum cz_status status = cz_image_read(pixels, job->opencv, path, err);
    cz_free(path);
    return status;
}

/* Takes the image off the list with the reason. Memory that is short, and a
 * caller who wants all or nothing, are errors all the same. */
static enum cz_status skip(struct cz_eval_result *result,
                           const struct cz_eval_job *job, enum cz_status status,
                           struct cz_error *err)
{
    if (job->options->strict || status == CZ_ENOMEM || status == CZ_EINTERNAL)
        return status;
    const size_t size = strlen(err->message) + 1;
    result->skipped = cz_malloc(size);
    if (!result->skipped)
        return cz_error_nomem(err);
    memcpy(result->skipped, err->message, size);
    return CZ_OK;
}

/* The boxes as detections of the image's categories. */
static enum cz_status keep_boxes(const struct cz_eval_worker *worker,
                                 struct cz_eval_result *result,
                                 const struct cz_boxes *boxes,
                                 struct cz_error *err)
{
    result->not_finite = boxes->not_finite;
    result->items = cz_calloc(boxes->count, sizeof *result->items);
    if (!result->items)
        return cz_error_nomem(err);
    for (size_t i = 0; i < boxes->count; i++) {
        const struct cz_box *box = &boxes->items[i];
        const int64_t category = worker->category_ids[box->label];
        if (category < 0) {
            result->unknown_class++;
            continue;
        }
        result->items[result->count++] = (struct cz_coco_detection){
            .image_id = result->image->id,
            .category_id = category,
            .bbox = {box->x1, box->y1, (double)box->x2 - box->x1,
                     (double)box->y2 - box->y1},
            .score = box->score};
    }
    return CZ_OK;
}

enum cz_status cz_eval_worker_run(struct cz_eval_worker *worker,
                                  struct cz_eval_result *result,
                                  struct cz_error *err)
{
    const struct cz_eval_job *job = worker->job;
    const struct cz_coco_image *image = result->image;
    const struct cz_boxes *boxes;
    struct cz_image pixels;
    const double start = cz_now_ms();
    enum cz_status status = read_image(&pixels, job, image, err);
    if (status != CZ_OK)
        return skip(result, job, status, err);
    result->times_ms[CZ_STAGE_READ] = cz_now_ms() - start;
    result->is_resized = image->width && image->height &&
                         ((size_t)image->width != pixels.width ||
                          (size_t)image->height != pixels.height);
    status =
        cz_session_run(worker->session, &boxes, result->times_ms, &pixels, err);
    if (status == CZ_OK)
        status = keep_boxes(worker, result, boxes, err);
    result->is_done = status == CZ_OK;
    cz_image_free(&pixels, job->opencv);
    return status;
}

void cz_eval_result_fini(struct cz_eval_result *result)
{
    cz_free(result->items);
    cz_free(result->skipped);
    *result = (struct cz_eval_result){.items = NULL};
}
