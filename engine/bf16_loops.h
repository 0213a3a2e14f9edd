/* The loops of narrow_internal.h in vectors of LANES floats. Included by one
 * file for each kind of vector unit, which defines before it
 *
 *     LANES    floats of a vector: the block of channels
 *     vec      a vector of LANES floats
 *     vec_at, words_at   of floats and of uint32_t, at any address
 *     TARGET   the function attribute that switches the instructions on
 *     PIXELS   of a tile: PIXELS * 2 sums and what they are made of have to
 *              fit in the registers
 *     IS_NATIVE   whether the processor computes with bfloat16
 *
 * and, where IS_NATIVE, struct couples, load_couples(), splat_couple(), dot()
 * and round_vector() as they are below; else MULTIPLY_ADD(a, b, c). It exports
 * BF16_LOOPS, the initializer of its struct cz_narrow. */
#include <string.h>

#include "core/half.h"
#include "engine/simd_macros.h"

#define LOAD(p) (*(const vec_at *)(p))
#define STORE(p, v) (*(vec_at *)(p) = (v))

#if !IS_NATIVE

/* LANES couples as two vectors of floats. Vectors go by address: those of
 * bf16_plain.c have no registers to be passed in. */
struct couples {
    vec even, odd;
};

typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

INLINE void widen(struct couples *c, const words *bits)
{
    c->even = (vec)(*bits << 16);
    c->odd = (vec)(*bits & 0xffff0000u);
}

INLINE void load_couples(struct couples *c, const uint16_t *from)
{
    const words bits = *(const words_at *)from;
    widen(c, &bits);
}

INLINE void splat_couple(struct couples *c, const uint16_t *from)
{
    uint32_t couple;
    memcpy(&couple, from, sizeof couple);
    const words bits = (words){0} + couple;
    widen(c, &bits);
}

/* In the order of vdpbf16ps. */
INLINE void dot(vec *sum, const struct couples *x, const struct couples *w)
{
    *sum = MULTIPLY_ADD(x->odd, w->odd, *sum);
    *sum = MULTIPLY_ADD(x->even, w->even, *sum);
}

INLINE void round_vector(const float *x, uint16_t *y)
{
    const vec v = LOAD(x);
    const words bits = (words)v, magnitude = bits & 0x7fffffffu;
    const words nan = (words)((ints)magnitude > 0x7f800000);
    const words tiny = (words)((ints)magnitude < 0x00800000);
    const words rounded = bits + 0x7fff + (bits >> 16 & 1);
    const words kept = (rounded & ~nan) | ((bits | 0x400000u) & nan);
    const words all = (kept & ~tiny) | (bits & 0x80000000u & tiny);
    const halves half = __builtin_convertvector(all >> 16, halves);
    memcpy(y, &half, sizeof half);
}

#endif

/* All counts are constants where these are used, so that `sum` is registers.
 */
INLINE void multiply_taps(const struct cz_narrow_product *m, const uint16_t *x,
                          vec *sum, size_t pixels, size_t outputs, size_t step)
{
    const uint16_t *w = m->w;
    for (size_t t = 0; t < m->taps; t++) {
        const uint16_t *from = x + m->offsets[t];
        for (size_t c = 0; c < LANES; c += 2, w += outputs * LANES * 2) {
            struct couples w0, w1, xp;
            load_couples(&w0, w);
            load_couples(&w1, w + (outputs - 1) * LANES * 2);
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                splat_couple(&xp, from + p * step + c);
                dot(&sum[p * outputs], &xp, &w0);
                if (outputs > 1)
                    dot(&sum[p * outputs + 1], &xp, &w1);
            }
        }
    }
}

INLINE void multiply_tile(const struct cz_narrow_product *m, const uint16_t *x,
                          float *y, size_t pixels, size_t outputs, size_t step)
{
    vec sum[2 * PIXELS];
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        UNROLL
        for (size_t o = 0; o < outputs; o++)
            sum[p * outputs + o] = LOAD(m->bias + o * LANES);
    }
    multiply_taps(m, x, sum, pixels, outputs, step);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        UNROLL
        for (size_t o = 0; o < outputs; o++)
            STORE(y + o * m->y_block + p * LANES, sum[p * outputs + o]);
    }
}

#include "engine/narrow_run.h"

TARGET static void round_vectors(const float *x, uint16_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        round_vector(x + i * LANES, y + i * LANES);
}

#define BF16_LOOPS                                                             \
    {                                                                          \
        .lanes = LANES, .together = 2, .is_native = IS_NATIVE,                 \
        .narrow = cz_bfloat16_from_float, .multiply = multiply,                \
        .round = round_vectors                                                 \
    }
