/* One thread's share of a run: images to detections of categories, a model
 * after the other. */
#include "eval/worker_internal.h"

#include <string.h>

#include "core/alloc.h"
#include "core/path.h"

/* ---- the models ------------------------------------------------------- */

/* Which category each class of the model is. One that does not tell how many
 * it has is taken to have those of the annotations. */
static enum cz_status map_classes(struct cz_eval_seat *seat,
                                  const struct cz_coco *coco,
                                  struct cz_error *err)
{
    const struct cz_detector *detector = cz_session_detector(seat->session);
    size_t n = cz_detector_classes(detector);
    if (!n)
        cz_coco_categories(coco, &n);
    const char **names = cz_calloc(n, sizeof *names);
    bool named = true;
    enum cz_status status = CZ_ENOMEM;
    seat->n_classes = n;
    seat->categories = cz_calloc(n, sizeof *seat->categories);
    if (!names || !seat->categories) {
        cz_error_nomem(err);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = cz_detector_label(detector, (uint32_t)i);
        named = named && names[i];
    }
    status = cz_coco_map_classes(seat->categories, seat->class_note,
                                 named ? names : NULL, n, coco, err);
out:
    cz_free(names);
    return status;
}

enum cz_status cz_eval_worker_init(struct cz_eval_worker *worker,
                                   const struct cz_eval_job *job,
                                   struct cz_error *err)
{
    const size_t n = job->options->n_models;
    *worker = (struct cz_eval_worker){.job = job};
    worker->seats = cz_calloc(n, sizeof *worker->seats);
    if (!worker->seats)
        return cz_error_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct cz_eval_seat *seat = &worker->seats[i];
        const char *path = job->options->models[i];
        CZ_TRY(cz_session_open(&seat->session, path, &job->session, err));
        CZ_TRY(cz_error_prefix(err, map_classes(seat, job->coco, err), path));
    }
    return CZ_OK;
}

void cz_eval_worker_fini(struct cz_eval_worker *worker)
{
    for (size_t i = 0; worker->seats && i < worker->job->options->n_models;
         i++) {
        cz_session_close(worker->seats[i].session);
        cz_free(worker->seats[i].categories);
    }
    cz_free(worker->seats);
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
    char *path = cz_path_join(folder, image->file_name);
    if (!path)
        return cz_error_nomem(err);
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
    if (job->options->strict || !cz_image_is_bad(status))
        return status;
    result->skipped = cz_strdup(err->message);
    return result->skipped ? CZ_OK : cz_error_nomem(err);
}

/* The boxes as detections of the image's categories. */
static enum cz_status keep_boxes(struct cz_eval_found *found,
                                 const struct cz_eval_seat *seat,
                                 const struct cz_boxes *boxes, int64_t image_id,
                                 struct cz_error *err)
{
    found->not_finite = boxes->not_finite;
    found->above_one = boxes->above_one;
    found->items = cz_calloc(boxes->count, sizeof *found->items);
    if (!found->items)
        return cz_error_nomem(err);
    for (size_t i = 0; i < boxes->count; i++) {
        const struct cz_box *box = &boxes->items[i];
        const struct cz_coco_category *category =
            box->label < seat->n_classes ? seat->categories[box->label] : NULL;
        if (!category) {
            found->unknown_class++;
            continue;
        }
        found->items[found->count++] = (struct cz_coco_detection){
            .image_id = image_id,
            .category_id = category->id,
            .bbox = {box->x1, box->y1, (double)box->x2 - box->x1,
                     (double)box->y2 - box->y1},
            .score = box->score};
    }
    return CZ_OK;
}

static enum cz_status run_models(struct cz_eval_worker *worker,
                                 struct cz_eval_result *result,
                                 const struct cz_image *pixels,
                                 const struct cz_stage_times *times,
                                 struct cz_error *err)
{
    const size_t n = worker->job->options->n_models;
    for (size_t i = 0; i < n; i++) {
        const size_t model = (result->first_model + i) % n;
        const struct cz_eval_seat *seat = &worker->seats[model];
        struct cz_eval_found *found = &result->found[model];
        const struct cz_boxes *boxes;
        found->times = *times;
        CZ_TRY(
            cz_session_run(seat->session, &boxes, &found->times, pixels, err));
        CZ_TRY(keep_boxes(found, seat, boxes, result->image->id, err));
    }
    return CZ_OK;
}

enum cz_status cz_eval_worker_run(struct cz_eval_worker *worker,
                                  struct cz_eval_result *result,
                                  struct cz_error *err)
{
    const struct cz_eval_job *job = worker->job;
    const struct cz_coco_image *image = result->image;
    struct cz_image pixels;
    struct cz_stage_times times = {.wall_ms = {0}};
    struct cz_moment start = cz_moment_now();
    enum cz_status status = read_image(&pixels, job, image, err);
    if (status != CZ_OK)
        return skip(result, job, status, err);
    cz_stage_end(&times, CZ_STAGE_READ, &start);
    result->is_resized = image->width && image->height &&
                         ((size_t)image->width != pixels.width ||
                          (size_t)image->height != pixels.height);
    status = run_models(worker, result, &pixels, &times, err);
    result->is_done = status == CZ_OK;
    cz_image_free(&pixels, job->opencv);
    return status;
}
