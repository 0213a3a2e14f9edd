/* The letterbox's loops for AVX2. Compilers do not see how to resize a row,
 * which reads pixels from all over: four columns at a time here. */
#ifdef __x86_64__
#include <immintrin.h>

#include "detect/letterbox_internal.h"

#define TARGET __attribute__((target("avx2,fma")))
#include "detect/letterbox_rows.h"

#define COLUMNS 4

/* The 8 bytes at a pixel: it, the next one, 2 bytes of the one after. */
static inline TARGET __m128i load8(const uint8_t *pixels, int32_t from)
{
    return _mm_loadl_epi64((const __m128i *)(pixels + 3 * (size_t)from));
}

/* Two pixels, blue, green and red of each a sum of 32 bits: the products of
 * neighbours (p0 w0 + p1 w1) are one instruction once they lie in pairs. */
static inline TARGET __m256i sums(const uint8_t *pixels, int32_t low,
                                  int32_t high, __m256i weights)
{
    const __m256i pairs = _mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, 0, -1, 3, -1,
        1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    __m256i both = _mm256_inserti128_si256(
        _mm256_castsi128_si256(load8(pixels, low)), load8(pixels, high), 1);
    both = _mm256_shuffle_epi8(both, pairs);
    return _mm256_srai_epi32(_mm256_madd_epi16(both, weights), 4);
}

static TARGET void row_resize(int16_t *planes, const uint8_t *pixels,
                              size_t width, const struct cz_axis *x)
{
    const __m256i even = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2);
    const __m256i odd = _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3);
    int16_t *b = planes, *g = b + x->count, *r = g + x->count;
    size_t i = 0;
    for (; i + COLUMNS <= x->count; i += COLUMNS) {
        const int32_t *from = x->from + i;
        if (3 * (size_t)from[COLUMNS - 1] + 8 > 3 * width)
            break;
        __m256i w = _mm256_castsi128_si256(
            _mm_loadu_si128((const __m128i *)(x->weights + 2 * i)));
        /* b0 g0 r0 . | b2 g2 r2 . and b1 g1 r1 . | b3 g3 r3 . */
        __m256i s02 = sums(pixels, from[0], from[2],
                           _mm256_permutevar8x32_epi32(w, even));
        __m256i s13 =
            sums(pixels, from[1], from[3], _mm256_permutevar8x32_epi32(w, odd));
        /* b0 b1 g0 g1 r0 r1 . . | b2 b3 g2 g3 r2 r3 . . */
        __m256i packed = _mm256_packs_epi32(_mm256_unpacklo_epi32(s02, s13),
                                            _mm256_unpackhi_epi32(s02, s13));
        __m128i low = _mm256_castsi256_si128(packed);
        __m128i high = _mm256_extracti128_si256(packed, 1);
        __m128i bg = _mm_unpacklo_epi32(low, high);
        _mm_storel_epi64((__m128i *)(b + i), bg);
        _mm_storel_epi64((__m128i *)(g + i), _mm_unpackhi_epi64(bg, bg));
        _mm_storel_epi64((__m128i *)(r + i), _mm_unpackhi_epi32(low, high));
    }
    row_resize_from(i, planes, pixels, width, x);
}

const struct cz_rows cz_rows_avx2 = {row_split, row_resize, row_blend,
                                     row_to_float};
#endif
