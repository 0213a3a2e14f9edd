/* Which of the calibration images calibrate, and which are held back to judge
 * the result by. */
#ifndef CZ_APP_SUBSET_H
#define CZ_APP_SUBSET_H

#include "app/calibration.h"
#include "app/truth.h"

struct app_subset {
    struct cz_images all;
    size_t *indices;         /* of the images among all; owned */
    struct app_truth *truth; /* that wants to know the detector, or NULL */
    struct cz_images images; /* these alone */
};

struct app_subsets {
    struct app_subset calibrating, judged;
};

/* Holds back some of the images that the truth knows, evenly spaced, or of all
 * where nothing is known. Where there are few, those calibrate, too. `subsets`
 * must stay where it is. End with _fini whatever the result. */
enum cz_status app_subsets_split(struct app_subsets *subsets,
                                 struct app_calibration *calibration,
                                 struct app_truth *truth, struct cz_error *err);
void app_subsets_fini(struct app_subsets *subsets);

#endif
