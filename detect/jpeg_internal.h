/* JPEG files for compress-opencv.so; see jpeg.c. Any thread may call these.
 * What fails gives false and a line of text in `why` ([CZ_CV_WHY_BYTES]). */
#ifndef CZ_DETECT_JPEG_INTERNAL_H
#define CZ_DETECT_JPEG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cz_jpeg_header {
    size_t width, height; /* as stored */
    unsigned orientation; /* EXIF's: 1 upright, 2 to 4 mirrored or turned by
                             180 degrees, 5 to 8 the same and transposed */
};

/* Whether the file begins as a JPEG does. */
bool cz_jpeg_is(const void *bytes, size_t size) CZ_NOEXCEPT;

bool cz_jpeg_header_read(struct cz_jpeg_header *header, const void *bytes,
                         size_t size, char *why) CZ_NOEXCEPT;

/* Fills height rows of BGR pixels, `step` bytes apart, as stored: for the
 * header's size. False for a file that ends early or is damaged. */
bool cz_jpeg_read(uint8_t *pixels, size_t step, const void *bytes, size_t size,
                  char *why) CZ_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
