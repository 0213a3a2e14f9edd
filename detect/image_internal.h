/* What the files about images share. */
#ifndef CZ_DETECT_IMAGE_INTERNAL_H
#define CZ_DETECT_IMAGE_INTERNAL_H

#include "detect/detect.h"
#include "detect/opencv_shim.h"

struct cz_opencv {
    const struct cz_cv_table *cv;
};

#endif
