/* The loops of narrow_internal.h in float16, for processors of ARM that compute
 * with it (ARMv8.2, FEAT_FP16): 8 products in an instruction instead of 4. */
#ifdef __aarch64__
#include <arm_neon.h>

#include "core/half.h"
#include "engine/narrow_internal.h"
#include "engine/simd_macros.h"

#define LANES 4
#define PIXELS 12
#define TARGET __attribute__((target("arch=armv8.2-a+fp16")))

/* Both blocks of outputs; of a single one, the upper half is zeros. */
INLINE float16x8_t load_weights(const uint16_t *from, size_t outputs)
{
    if (outputs > 1)
        return vreinterpretq_f16_u16(vld1q_u16(from));
    return vreinterpretq_f16_u16(vcombine_u16(vld1_u16(from), vdup_n_u16(0)));
}

/* Adds the products of input channel c. By hand, as GCC 12 takes the channels
 * out of the vectors first, and orders the products so that each waits for the
 * one before: 118 instructions and 112 cycles of a Cortex-A55 instead of 71 and
 * 62. Only the first 16 registers ("x") can be taken a part of. */
#define MULTIPLY_CHANNEL(c)                                                    \
    do {                                                                       \
        const float16x8_t wc = load_weights(w + (c)*outputs * LANES, outputs); \
        UNROLL                                                                 \
        for (size_t p = 0; p < pixels; p++)                                    \
            __asm__ volatile("fmla %0.8h, %1.8h, %2.h[" #c "]"                 \
                             : "+w"(sum[p])                                    \
                             : "w"(wc), "x"(blocks[p]));                       \
    } while (0)

/* All counts are constants where these are used, so that `sum` is registers. */
INLINE void multiply_tap(const uint16_t *x, const uint16_t *w, float16x8_t *sum,
                         size_t pixels, size_t outputs, size_t step)
{
    float16x4_t blocks[PIXELS];
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        blocks[p] = vreinterpret_f16_u16(vld1_u16(x + p * step));
        __asm__ volatile("" : "+x"(blocks[p]));
    }
    MULTIPLY_CHANNEL(0);
    MULTIPLY_CHANNEL(1);
    MULTIPLY_CHANNEL(2);
    MULTIPLY_CHANNEL(3);
}

/* Adds a segment to the output, or to the bias where it is the first one. */
INLINE void add_segment(const struct cz_narrow_product *m,
                        const float16x8_t *sum, float *y, size_t pixels,
                        size_t outputs, bool is_first)
{
    UNROLL
    for (size_t o = 0; o < outputs; o++) {
        const float32x4_t bias = vld1q_f32(m->bias + o * LANES);
        const float32x4_t scale = vld1q_f32(m->scale + o * LANES);
        UNROLL
        for (size_t p = 0; p < pixels; p++) {
            float *to = y + o * m->y_block + p * LANES;
            const float32x4_t s =
                vcvt_f32_f16(o ? vget_high_f16(sum[p]) : vget_low_f16(sum[p]));
            const float32x4_t before = is_first ? bias : vld1q_f32(to);
            vst1q_f32(to, vfmaq_f32(before, s, scale));
        }
    }
}

INLINE void multiply_tile(const struct cz_narrow_product *m, const uint16_t *x,
                          float *y, size_t pixels, size_t outputs, size_t step)
{
    const size_t segment = CZ_FP16_SEGMENT / LANES;
    const uint16_t *w = m->w;
    for (size_t from = 0; from < m->taps; from += segment) {
        const size_t to = m->taps - from < segment ? m->taps : from + segment;
        float16x8_t sum[PIXELS];
        UNROLL
        for (size_t p = 0; p < pixels; p++)
            sum[p] = vdupq_n_f16(0);
        for (size_t t = from; t < to; t++, w += LANES * outputs * LANES)
            multiply_tap(x + m->offsets[t], w, sum, pixels, outputs, step);
        add_segment(m, sum, y, pixels, outputs, from == 0);
    }
}

#include "engine/narrow_run.h"

/* Infinity times a weight of 0 would be NaN, and spread. */
TARGET static void round_vectors(const float *x, uint16_t *y, size_t n)
{
    const float32x4_t most = vdupq_n_f32(CZ_HALF_MAX);
    for (size_t i = 0; i < n; i++) {
        const float32x4_t v = vminq_f32(vld1q_f32(x + i * LANES), most);
        const float16x4_t half = vcvt_f16_f32(vmaxq_f32(v, vnegq_f32(most)));
        vst1_u16(y + i * LANES, vreinterpret_u16_f16(half));
    }
}

const struct cz_narrow cz_fp16_neon = {
    .lanes = LANES,
    .together = 1,
    .is_native = true,
    .is_scaled = true,
    .narrow = cz_half_from_float,
    .multiply = multiply,
    .round = round_vectors,
};
#endif
