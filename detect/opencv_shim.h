/* OpenCV and libjpeg for C: decode, encode, draw.
 *
 * The shim is a shared object of its own, compress-opencv.so, because OpenCV
 * brings more than a hundred libraries: it is opened when a command needs
 * images, and the program starts without it. It exports one symbol,
 * cz_cv_table. It decides nothing, keeps nothing, and any thread may call it.
 *
 * Pictures are BGR, 8 bits, row after row `step` bytes apart. Functions that
 * can fail give false and a line of text in `why` ([CZ_CV_WHY_BYTES]). */
#ifndef CZ_DETECT_OPENCV_SHIM_H
#define CZ_DETECT_OPENCV_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of the table. */
#define CZ_CV_ABI 3
#define CZ_CV_WHY_BYTES 200

struct cz_cv_picture {
    uint8_t *pixels;
    size_t width, height, step;
    void *owner; /* what release() frees; NULL where the caller owns it */
};

struct cz_cv_bytes {
    const uint8_t *data;
    size_t size;
    void *owner;
};

struct cz_cv_point {
    int x, y;
};

/* Rectangle from (x, y), `thickness` -1: filled; or text whose baseline begins
 * there. */
struct cz_cv_stroke {
    struct cz_cv_point at;
    int width, height; /* of a rectangle */
    double font_scale; /* of text */
    int thickness;
    uint8_t bgr[3];
};

struct cz_cv_table {
    unsigned abi;
    const char *(*version)(void)CZ_NOEXCEPT;
    /* IMREAD_COLOR: turned as EXIF says, alpha dropped, grey and CMYK
     * converted, 16 bits reduced to 8. A JPEG that ends early or is damaged
     * fails. */
    bool (*decode)(struct cz_cv_picture *picture, const void *bytes,
                   size_t size, char *why) CZ_NOEXCEPT;
    /* The size that decode() gives: from the header of a JPEG, else by
     * decoding. */
    bool (*measure)(size_t *width, size_t *height, const void *bytes,
                    size_t size, char *why) CZ_NOEXCEPT;
    /* extension: ".png"; quality: 0..100, of JPEG and WebP only. With
     * bytes->owner of an earlier call its memory is used again; NULL: new. */
    bool (*encode)(struct cz_cv_bytes *bytes,
                   const struct cz_cv_picture *picture, const char *extension,
                   int quality, char *why) CZ_NOEXCEPT;
    void (*release_picture)(struct cz_cv_picture *picture) CZ_NOEXCEPT;
    void (*release_bytes)(struct cz_cv_bytes *bytes) CZ_NOEXCEPT;
    bool (*rectangle)(const struct cz_cv_picture *picture,
                      const struct cz_cv_stroke *stroke) CZ_NOEXCEPT;
    bool (*text)(const struct cz_cv_picture *picture, const char *text,
                 const struct cz_cv_stroke *stroke) CZ_NOEXCEPT;
    /* The size of a text, and how far it reaches below its baseline. */
    bool (*text_size)(struct cz_cv_point *size, int *below, const char *text,
                      double font_scale, int thickness) CZ_NOEXCEPT;
};

extern const struct cz_cv_table cz_cv_table;

#ifdef __cplusplus
}
#endif

#endif
