/* The loops of convolutions on codes in the compiler's own vectors, for any
 * processor; and the choice among the kinds. */
#include <string.h>

#include "core/cpu.h"
#include "engine/simd_codes_internal.h"

#define LANES 4
#define PIXELS 4
#define X_SHIFT 0
#define TARGET
#define IS_SATURATING false
#define ORDER                                                                  \
    {                                                                          \
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15                   \
    }

#include "engine/simd_macros.h"

typedef uint8_t quads __attribute__((vector_size(16), may_alias));
typedef int16_t words __attribute__((vector_size(16), may_alias));
typedef uint16_t halves __attribute__((vector_size(16), may_alias));
typedef int32_t sums __attribute__((vector_size(16), may_alias));
typedef uint32_t wraps __attribute__((vector_size(16), may_alias));
typedef quads quad;
typedef words couples;
typedef float floats __attribute__((vector_size(16), may_alias));

INLINE void splat_quad(quad *q, const uint8_t *x)
{
    uint32_t four;
    memcpy(&four, x, sizeof four);
    *q = (quad)((wraps){0} + four);
}

INLINE void splat_lanes(quad *q, const uint8_t *x, const uint8_t *lanes)
{
    for (size_t i = 0; i < 16; i++)
        (*q)[i] = x[lanes[i % 4]];
}

INLINE void splat_couple(couples *c, const int16_t *x)
{
    for (size_t i = 0; i < 8; i++)
        (*c)[i] = x[i % 2];
}

INLINE void load_couples(couples *c, const int16_t *w)
{
    *c = *(const couples *)w;
}

INLINE void load_words(words *w, const uint8_t *x, uint8_t flip)
{
    for (size_t i = 0; i < 8; i++)
        (*w)[i] = x[i] ^ flip;
}

INLINE void add_couples(sums *s, const couples *x, const couples *w)
{
    for (size_t i = 0; i < 4; i++) {
        const int64_t sum = (int64_t)(*x)[2 * i] * (*w)[2 * i] +
                            (int64_t)(*x)[2 * i + 1] * (*w)[2 * i + 1];
        (*s)[i] = (int32_t)((uint32_t)(*s)[i] + (uint32_t)sum);
    }
}

/* Adds both int16 of each int32. */
INLINE void add_halves(sums *s, const words *w)
{
    *s += ((sums)((wraps)*w << 16) >> 16) + ((sums)*w >> 16);
}

/* A product of two codes is an int16. */
INLINE void add_quads(sums *s, const quad *x, const quads *w)
{
    const words codes = (words)*x, weights = (words)*w;
    const words left = (words)((halves)weights << 8) >> 8;
    const words even = (codes & 255) * left;
    const words odd = (words)((halves)codes >> 8) * (weights >> 8);
    add_halves(s, &even);
    add_halves(s, &odd);
}

INLINE void add_two_quads(sums *s, const quad *x, const quads *w,
                          const quad *x2, const quads *w2)
{
    add_quads(s, x, w);
    add_quads(s, x2, w2);
}

INLINE void interleave(couples *c, const words *a, const words *b)
{
    for (size_t i = 0; i < CZ_CODES_BLOCK; i++) {
        c[i / 4][2 * (i % 4)] = a[i / 8][i % 8];
        c[i / 4][2 * (i % 4) + 1] = b[i / 8][i % 8];
    }
}

/* To even, as rintf() does where numbers are this small. */
#define ROUND_BY 12582912.0f /* 1.5 * 2^23 */

INLINE int32_t round_one(float x, int16_t zero)
{
    const float low = x > INT16_MIN ? x : INT16_MIN;
    const float cut = low < INT16_MAX ? low : INT16_MAX;
    const int32_t sum = (int32_t)((cut + ROUND_BY) - ROUND_BY) + zero;
    return sum < INT16_MIN ? INT16_MIN : sum > INT16_MAX ? INT16_MAX : sum;
}

INLINE void round_words(words *w, const floats *f, int16_t zero)
{
    for (size_t i = 0; i < 8; i++)
        (*w)[i] = (int16_t)round_one(f[i / 4][i % 4], zero);
}

INLINE uint8_t clamp_code(int16_t word, bool is_signed)
{
    const int16_t low = is_signed ? INT8_MIN : 0;
    const int16_t high = is_signed ? INT8_MAX : UINT8_MAX;
    return (uint8_t)(word < low ? low : word > high ? high : word);
}

INLINE void store_codes(const words *w, size_t pixels, bool is_signed,
                        uint8_t *y)
{
    for (size_t i = 0; i < pixels * CZ_CODES_BLOCK; i++)
        y[i] = clamp_code(w[i / 8][i % 8], is_signed);
}

INLINE void store_floats(const floats *y, const struct cz_codes_finish *f,
                         size_t at)
{
    for (size_t i = 0; i < 4 && f->floats[i]; i++)
        memcpy(f->floats[i] + at, y + i, sizeof y[i]);
}

#include "engine/simd_codes.h"

const struct cz_codes_loops cz_codes_plain = CODES_LOOPS;

const struct cz_codes_loops *cz_codes_find(void)
{
#ifdef __aarch64__
    return cz_cpu_has(CZ_CPU_DOTPROD) ? &cz_codes_dotprod : &cz_codes_neon;
#endif
#ifdef __x86_64__
    if (cz_cpu_has(CZ_CPU_AVX512) && __builtin_cpu_supports("avx512vnni") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return &cz_codes_vnni;
    if (cz_cpu_has(CZ_CPU_AVX2))
        return &cz_codes_avx2;
#endif
    return &cz_codes_plain;
}
