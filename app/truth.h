/* What should be found on calibration images, where annotations tell. */
#ifndef CZ_APP_TRUTH_H
#define CZ_APP_TRUTH_H

#include <stdbool.h>

#include "app/calibration.h"
#include "search/search.h"

struct app_truth {
    struct app_calibration *calibration;
    const char *path;       /* of the annotations */
    bool is_optional;       /* nobody asked for them */
    struct cz_coco *coco;   /* NULL: nothing is known */
    struct cz_truth judged; /* what a judge wants of it; see _choose */
    const struct cz_coco_category **categories; /* those of it, owned */
    int64_t *image_ids;                         /* likewise */
};

/* Reads the annotations of the calibration's images: those of `path`, or with
 * NULL those that the source of the images holds itself, if it does. Nothing is
 * known where a source's own say nothing about the images or about the model's
 * classes; for `path` that is CZ_EINVAL. End with _close whatever the result;
 * `calibration` must stay where it is. */
enum cz_status app_truth_open(struct app_truth *truth, const char *path,
                              struct app_calibration *calibration,
                              struct cz_error *err);
void app_truth_close(struct app_truth *truth);

/* Whether the annotations know calibration image `i`; false where nothing is
 * known. */
bool app_truth_knows(const struct app_truth *truth, size_t i);

/* Fills `judged` for those images of the calibration: [count], all known. */
enum cz_status app_truth_choose(struct app_truth *truth, const size_t *images,
                                size_t count, struct cz_error *err);

/* Then, when the detector is bound: which category each class is. */
enum cz_status app_truth_bind(struct app_truth *truth, struct cz_error *err);

#endif
