/* What the files about images share. */
#ifndef CZ_DETECT_IMAGE_INTERNAL_H
#define CZ_DETECT_IMAGE_INTERNAL_H

#include "detect/detect.h"
#include "detect/opencv_shim.h"

struct cz_opencv {
    const struct cz_cv_table *cv;
};

/* What the first bytes of a file tell; 0x0 where they tell nothing. */
struct cz_image_header {
    size_t width, height; /* turned as EXIF says */
    bool is_jpeg;
    bool is_whole; /* of a JPEG: its end marker is there */
};

/* Reads JPEG and PNG headers; never beyond `size`. */
void cz_image_header(struct cz_image_header *header, const uint8_t *bytes,
                     size_t size);

#endif
