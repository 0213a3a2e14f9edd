/* The images that a model is calibrated with: read, letterboxed and put into
 * the plan's input as evaluation does it. */
#ifndef CZ_APP_CALIBRATION_H
#define CZ_APP_CALIBRATION_H

#include "app/calibration_files.h"
#include "app/detector.h"
#include "core/progress.h"
#include "quant/quant.h"

struct app_calibration {
    const char *model;
    const char *source; /* of --calib; see calibration_files.h */
    size_t limit;       /* images at most, evenly over the source */
    const struct cz_progress *progress; /* may be NULL */
    struct app_image_files files;       /* that can be read */
    char **skipped; /* [n_skipped] why others cannot; owned */
    size_t n_skipped;
    struct cz_detector *detector;
    struct cz_opencv *opencv;
    struct cz_input_shape shape; /* of the image input */
    /* Why no decoder fits the model: CZ_OK where one does. Then its images are
     * RGB, 0 to 1, as most models want them. */
    struct cz_error no_decoder;
    struct cz_fit fit; /* of the image that was read last */
};

/* Lists the images, reads each once to leave out those that cannot be read, and
 * opens the detector. The fields above `files` are the caller's. CZ_EINVAL
 * where fewer than 8 remain. End with _close whatever the result. */
enum cz_status app_calibration_open(struct app_calibration *calibration,
                                    struct cz_error *err);
void app_calibration_close(struct app_calibration *calibration);

/* The images that were skipped, on stderr. */
void app_calibration_tell_skipped(const struct app_calibration *calibration);

/* As quantizing wants them; `calibration` must stay where it is. */
struct cz_images app_calibration_images(struct app_calibration *calibration);

#endif
