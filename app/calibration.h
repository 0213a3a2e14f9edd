/* The images that a model is calibrated with: read, letterboxed and put into
 * the plan's input as evaluation does it. */
#ifndef CZ_APP_CALIBRATION_H
#define CZ_APP_CALIBRATION_H

#include "app/detector.h"
#include "app/image_files.h"
#include "quant/quant.h"

struct app_calibration {
    const char *model;
    const char *source; /* a folder or an image, as --calib has it */
    size_t limit;       /* images at most, evenly over the source */
    struct app_image_files files;
    struct cz_detector *detector;
    struct cz_opencv *opencv;
    struct cz_input_shape shape; /* of the image input */
};

/* Lists the images and opens what reads them. The fields above `files` are the
 * caller's. End with _close whatever the result. */
enum cz_status app_calibration_open(struct app_calibration *calibration,
                                    struct cz_error *err);
void app_calibration_close(struct app_calibration *calibration);

/* As quantizing wants them; `calibration` must stay where it is. */
struct cz_int8_images
app_calibration_images(struct app_calibration *calibration);

#endif
