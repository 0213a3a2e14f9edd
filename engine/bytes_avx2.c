/* The loops over codes for AVX2. */
#ifdef __x86_64__
#include <immintrin.h>

#include "engine/bytes_internal.h"
#include "engine/simd_macros.h"

#define TARGET __attribute__((target("avx2")))

#include "engine/bytes_loops.h"

/* Entries 16 k + low and 16 (k + 1) + low, by a bit of the code. */
INLINE __m256i look_up_pair(const uint8_t *table, __m256i low, __m256i bit)
{
    const __m128i *entries = (const __m128i *)table;
    const __m256i a = _mm256_broadcastsi128_si256(_mm_loadu_si128(entries));
    const __m256i b = _mm256_broadcastsi128_si256(_mm_loadu_si128(entries + 1));
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(a, low),
                              _mm256_shuffle_epi8(b, low), bit);
}

INLINE __m256i look_up_half(const uint8_t *table, __m256i low,
                            const __m256i bit[3])
{
    const __m256i a =
        _mm256_blendv_epi8(look_up_pair(table, low, bit[0]),
                           look_up_pair(table + 32, low, bit[0]), bit[1]);
    const __m256i b =
        _mm256_blendv_epi8(look_up_pair(table + 64, low, bit[0]),
                           look_up_pair(table + 96, low, bit[0]), bit[1]);
    return _mm256_blendv_epi8(a, b, bit[2]);
}

/* All 16 entries that the last 4 bits of a code may mean, and a choice among
 * them by each of its other bits, which is the first one of a byte for that. */
INLINE __m256i look_up(const uint8_t *table, __m256i codes)
{
    const __m256i low = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    const __m256i bit[3] = {_mm256_slli_epi16(codes, 3),
                            _mm256_slli_epi16(codes, 2),
                            _mm256_slli_epi16(codes, 1)};
    return _mm256_blendv_epi8(look_up_half(table, low, bit),
                              look_up_half(table + CZ_CODES / 2, low, bit),
                              codes);
}

TARGET static void map(const uint8_t table[CZ_CODES], uint8_t *y,
                       const uint8_t *x, size_t n)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i codes = _mm256_loadu_si256((const void *)(x + i));
        _mm256_storeu_si256((void *)(y + i), look_up(table, codes));
    }
    for (; i < n; i++)
        y[i] = table[x[i]];
}

const struct cz_byte_loops cz_byte_loops_avx2 = {quantize, dequantize, map,
                                                 add};
#endif
