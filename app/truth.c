/* Annotations of calibration images; see truth.h. */
#include "app/truth.h"

#include <string.h>

#include "core/alloc.h"
#include "core/path.h"

/* Fewer images say nothing about precision. */
#define KNOWN_MIN 8

/* ---- annotations ------------------------------------------------------ */

/* Do two files have the same name, but for folders and endings? */
static bool is_same_name(const char *a, const char *b)
{
    const size_t size = cz_path_stem_size(a);
    return size == cz_path_stem_size(b) &&
           strncmp(cz_path_base(a), cz_path_base(b), size) == 0;
}

/* The size of an image that is called like one of the calibration's, which
 * YOLO's labels are fractions of. No others are opened: they have none. */
static enum cz_status image_size(void *user, const char *path, int64_t *width,
                                 int64_t *height, struct cz_error *err)
{
    const struct app_calibration *c = user;
    *width = *height = 0;
    for (size_t i = 0; i < c->files.count; i++) {
        size_t w = 0, h = 0;
        if (!is_same_name(c->files.paths[i], path))
            continue;
        CZ_TRY(cz_image_size(&w, &h, c->opencv, path, err));
        *width = (int64_t)w;
        *height = (int64_t)h;
        return CZ_OK;
    }
    return CZ_OK;
}

/* CZ_EINVAL for annotations that say nothing about this model. */
static enum cz_status read(struct app_truth *truth, struct cz_error *err)
{
    struct app_calibration *c = truth->calibration;
    const struct cz_image_sizes sizes = {image_size, c};
    const char *path = truth->path;
    size_t known = 0;
    CZ_TRY(cz_coco_load(&truth->coco, path, &sizes, err));
    for (size_t i = 0; i < c->files.count; i++)
        known += app_truth_knows(truth, i);
    if (known < KNOWN_MIN)
        return cz_error_set(err, CZ_EINVAL,
                            "%s: knows %zu of the %zu calibration images: want "
                            "%d at least",
                            path, known, c->files.count, KNOWN_MIN);
    if (!cz_coco_box_count(truth->coco))
        return cz_error_set(err, CZ_EINVAL, "%s: no boxes", path);
    return CZ_OK;
}

/* Nothing is known, where nobody asked for it. */
static enum cz_status forgive(struct app_truth *truth, enum cz_status status)
{
    if (status != CZ_EINVAL || !truth->is_optional)
        return status;
    cz_coco_free(truth->coco);
    truth->coco = NULL;
    truth->judged.n_classes = 0;
    return CZ_OK;
}

enum cz_status app_truth_open(struct app_truth *truth, const char *path,
                              struct app_calibration *calibration,
                              struct cz_error *err)
{
    const char *source = calibration->source;
    *truth = (struct app_truth){.calibration = calibration,
                                .path = path ? path : source,
                                .is_optional = !path};
    if (!path && !cz_path_ends_in(source, ".json") && !cz_coco_is_yolo(source))
        return CZ_OK;
    return forgive(truth, read(truth, err));
}

void app_truth_close(struct app_truth *truth)
{
    cz_coco_free(truth->coco);
    cz_free(truth->categories);
    cz_free(truth->image_ids);
    *truth = (struct app_truth){.coco = NULL};
}

/* ---- images ----------------------------------------------------------- */

static const struct cz_coco_image *find_image(const struct app_truth *truth,
                                              size_t i)
{
    return cz_coco_find_image(truth->coco, truth->calibration->files.paths[i]);
}

bool app_truth_knows(const struct app_truth *truth, size_t i)
{
    return truth->coco && find_image(truth, i);
}

static void undo(void *user, struct cz_boxes *boxes)
{
    const struct app_calibration *c = user;
    cz_letterbox_undo(&c->fit, boxes);
}

enum cz_status app_truth_choose(struct app_truth *truth, const size_t *images,
                                size_t count, struct cz_error *err)
{
    truth->image_ids = cz_calloc(count + 1, sizeof *truth->image_ids);
    if (!truth->image_ids)
        return cz_error_nomem(err);
    for (size_t i = 0; i < count; i++)
        truth->image_ids[i] = find_image(truth, images[i])->id;
    truth->judged = (struct cz_truth){.coco = truth->coco,
                                      .image_ids = truth->image_ids,
                                      .undo = undo,
                                      .user = truth->calibration};
    return CZ_OK;
}

/* ---- classes ---------------------------------------------------------- */

/* names: [n], for the labels. */
static enum cz_status map(struct app_truth *truth, const char **names, size_t n,
                          struct cz_error *err)
{
    char note[CZ_COCO_NOTE_BYTES];
    bool is_named = true;
    for (size_t i = 0; i < n; i++) {
        names[i] = cz_detector_label(truth->calibration->detector, (uint32_t)i);
        is_named = is_named && names[i];
    }
    return cz_coco_map_classes(truth->categories, note, is_named ? names : NULL,
                               n, truth->coco, err);
}

enum cz_status app_truth_bind(struct app_truth *truth, struct cz_error *err)
{
    size_t n = cz_detector_classes(truth->calibration->detector);
    const struct cz_error *no_decoder = &truth->calibration->no_decoder;
    if (!truth->coco || truth->categories)
        return CZ_OK;
    if (no_decoder->code != CZ_OK) {
        cz_error_set(err, CZ_EINVAL, "%s: nothing to compare with: %s",
                     truth->path, no_decoder->message);
        return forgive(truth, CZ_EINVAL);
    }
    if (!n)
        cz_coco_categories(truth->coco, &n);
    const char **names = cz_calloc(n + 1, sizeof *names);
    truth->categories = cz_calloc(n + 1, sizeof *truth->categories);
    truth->judged.categories = truth->categories;
    truth->judged.n_classes = n;
    enum cz_status status = names && truth->categories
                                ? map(truth, names, n, err)
                                : cz_error_nomem(err);
    cz_free(names);
    return forgive(truth, cz_error_prefix(err, status, truth->path));
}
