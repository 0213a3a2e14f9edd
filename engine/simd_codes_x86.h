/* What the loops of simd_codes.h need besides products, in AVX2: for all files
 * that include them on x86. */
#include "engine/simd_codes_macros.h"

typedef uint8_t quads __attribute__((vector_size(32), may_alias));
typedef int16_t words __attribute__((vector_size(32), may_alias));
typedef int32_t sums __attribute__((vector_size(32), may_alias));
typedef uint32_t wraps __attribute__((vector_size(32), may_alias));
typedef float floats __attribute__((vector_size(32), may_alias));

/* packssdw works on halves of vectors, and so does punpckwd. */
#define ORDER                                                                  \
    {                                                                          \
        0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15                   \
    }

INLINE void splat_quad(quads *q, const uint8_t *x)
{
    int32_t four;
    memcpy(&four, x, sizeof four);
    *q = (quads)_mm256_set1_epi32(four);
}

INLINE void splat_lanes(quads *q, const uint8_t *x, const quads *lanes)
{
    const __m256i block =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)x));
    *q = (quads)_mm256_shuffle_epi8(block, (__m256i)*lanes);
}

INLINE void splat_couple(words *w, const int16_t *x)
{
    int32_t two;
    memcpy(&two, x, sizeof two);
    *w = (words)_mm256_set1_epi32(two);
}

INLINE void load_words(words *w, const uint8_t *x, uint8_t flip)
{
    const __m128i codes = _mm_loadu_si128((const __m128i *)x);
    *w = (words)_mm256_cvtepu8_epi16(
        _mm_xor_si128(codes, _mm_set1_epi8((char)flip)));
}

INLINE void interleave(words *low, words *high, const words *a, const words *b)
{
    *low = (words)_mm256_unpacklo_epi16((__m256i)*a, (__m256i)*b);
    *high = (words)_mm256_unpackhi_epi16((__m256i)*a, (__m256i)*b);
}

INLINE void round_words(words *w, const floats *low, const floats *high,
                        int16_t zero)
{
    const __m256i rounded = _mm256_packs_epi32(
        _mm256_cvtps_epi32((__m256)*low), _mm256_cvtps_epi32((__m256)*high));
    *w = (words)_mm256_adds_epi16(rounded, _mm256_set1_epi16(zero));
}

INLINE void store_codes(const words *a, const words *b, bool is_signed,
                        uint8_t *y)
{
    const __m256i first = (__m256i)*a, second = b ? (__m256i)*b : first;
    const __m256i packed = is_signed ? _mm256_packs_epi16(first, second)
                                     : _mm256_packus_epi16(first, second);
    const __m256i codes = _mm256_permute4x64_epi64(packed, 0xd8);
    if (b)
        _mm256_storeu_si256((__m256i *)y, codes);
    else
        _mm_storeu_si128((__m128i *)y, _mm256_castsi256_si128(codes));
}

INLINE void store_floats(const floats *low, const floats *high,
                         const struct cz_codes_finish *f, size_t at)
{
    const __m256 a = (__m256)*low, b = (__m256)*high;
    _mm256_storeu_ps(f->low + at, _mm256_permute2f128_ps(a, b, 0x20));
    if (f->high)
        _mm256_storeu_ps(f->high + at, _mm256_permute2f128_ps(a, b, 0x31));
}
