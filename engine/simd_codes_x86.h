/* What the loops of simd_codes.h need besides products, in AVX2: for all files
 * that include them on x86. */
#include "engine/simd_macros.h"

#define LANES 8
#define X_SHIFT 0

typedef uint8_t quads __attribute__((vector_size(32), may_alias));
typedef int16_t words __attribute__((vector_size(32), may_alias));
typedef quads quad;
typedef words couples;
typedef int32_t sums __attribute__((vector_size(32), may_alias));
typedef uint32_t wraps __attribute__((vector_size(32), may_alias));
typedef float floats __attribute__((vector_size(32), may_alias));

/* packssdw works on halves of vectors, and so does punpckwd. */
#define ORDER                                                                  \
    {                                                                          \
        0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15                   \
    }

INLINE void splat_quad(quad *q, const uint8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    *q = (quad)_mm256_set1_epi32(four);
}

INLINE void splat_lanes(quad *q, const uint8_t *x, const uint8_t *lanes)
{
    const __m256i block =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)x));
    quad from;
    splat_quad(&from, lanes);
    *q = (quad)_mm256_shuffle_epi8(block, (__m256i)from);
}

INLINE void splat_couple(couples *c, const int16_t *x)
{
    int32_t two;
    memcpy(&two, x, sizeof two);
    *c = (couples)_mm256_set1_epi32(two);
}

INLINE void load_couples(couples *c, const int16_t *w)
{
    *c = *(const couples *)w;
}

INLINE void load_words(words *w, const uint8_t *x, uint8_t flip)
{
    const __m128i codes = _mm_loadu_si128((const __m128i *)x);
    *w = (words)_mm256_cvtepu8_epi16(
        _mm_xor_si128(codes, _mm_set1_epi8((char)flip)));
}

INLINE void interleave(couples *c, const words *a, const words *b)
{
    c[0] = (couples)_mm256_unpacklo_epi16((__m256i)*a, (__m256i)*b);
    c[1] = (couples)_mm256_unpackhi_epi16((__m256i)*a, (__m256i)*b);
}

INLINE void round_words(words *w, const floats *f, int16_t zero)
{
    const __m256i rounded = _mm256_packs_epi32(
        _mm256_cvtps_epi32((__m256)f[0]), _mm256_cvtps_epi32((__m256)f[1]));
    *w = (words)_mm256_adds_epi16(rounded, _mm256_set1_epi16(zero));
}

INLINE void store_codes(const words *w, size_t pixels, bool is_signed,
                        uint8_t *y)
{
    const __m256i first = (__m256i)w[0];
    const __m256i second = pixels > 1 ? (__m256i)w[1] : first;
    const __m256i packed = is_signed ? _mm256_packs_epi16(first, second)
                                     : _mm256_packus_epi16(first, second);
    const __m256i codes = _mm256_permute4x64_epi64(packed, 0xd8);
    if (pixels > 1)
        _mm256_storeu_si256((__m256i *)y, codes);
    else
        _mm_storeu_si128((__m128i *)y, _mm256_castsi256_si128(codes));
}

/* Floats have 8 lanes or more. */
INLINE void store_floats(const floats *y, const struct cz_codes_finish *f,
                         size_t at)
{
    const __m256 a = (__m256)y[0], b = (__m256)y[1];
    _mm256_storeu_ps(f->floats[0] + at, _mm256_permute2f128_ps(a, b, 0x20));
    if (f->floats[2])
        _mm256_storeu_ps(f->floats[2] + at, _mm256_permute2f128_ps(a, b, 0x31));
}
