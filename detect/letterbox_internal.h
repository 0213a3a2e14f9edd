/* The loops of the letterbox over the pixels of a row: plain C that compilers
 * vectorise, for each kind of vector unit. */
#ifndef CZ_DETECT_LETTERBOX_INTERNAL_H
#define CZ_DETECT_LETTERBOX_INTERNAL_H

#include "detect/detect.h"

/* Where the pixels of an axis come from: `from[i]` and the next one, with
 * weights of 11 bits; `from` never falls. */
struct cz_axis {
    int32_t *from;
    int16_t *weights; /* [2 * count] */
    size_t count;
};

struct cz_rows {
    /* planes[c * count + i] = pixels[3 * i + c] */
    void (*split)(uint8_t *planes, const uint8_t *pixels, size_t count);
    /* A source row of `width` pixels in the columns of `x`, 15 bits:
     * planes[c * x->count + i]. */
    void (*resize)(int16_t *planes, const uint8_t *pixels, size_t width,
                   const struct cz_axis *x);
    /* The weighted mean of two resized rows, rounded as OpenCV rounds it. */
    void (*blend)(uint8_t *row, const int16_t *above, const int16_t *below,
                  const int16_t weights[2], size_t count);
    /* to[i] = from[i] / divisor */
    void (*to_float)(float *to, const uint8_t *from, float divisor,
                     size_t count);
};

/* cz_letterbox_fill() with memory of the caller's, cz_letterbox_bytes() of it,
 * aligned as cz_malloc() does. */
size_t cz_letterbox_bytes(const struct cz_fit *fit,
                          const struct cz_input_format *format);
void cz_letterbox_fill_with(void *memory, void *input, const struct cz_fit *fit,
                            const struct cz_input_format *format,
                            const struct cz_image *image);

/* The fastest that the processor has (CZ_CPU may limit it). */
const struct cz_rows *cz_rows_find(void);

extern const struct cz_rows cz_rows_plain;
#ifdef __x86_64__
extern const struct cz_rows cz_rows_avx2;
#endif

#endif
