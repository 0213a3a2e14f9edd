/* The loops of convolutions on codes for NEON as all of aarch64 has it. */
#ifdef __aarch64__
#include <arm_neon.h>
#include <string.h>

#include "engine/simd_codes_internal.h"

#define TARGET

#include "engine/simd_codes_neon.h"

typedef quads quad; /* bytes of int8 */

INLINE void splat_quad(quad *q, const uint8_t *x)
{
    uint32_t four;
    memcpy(&four, x, sizeof four);
    *q = (quad)vdupq_n_u32(four) ^ X_SHIFT;
}

INLINE void splat_lanes(quad *q, const uint8_t *x, const uint8_t *lanes)
{
    uint32_t four;
    memcpy(&four, lanes, sizeof four);
    *q = (quad)vqtbl1q_u8(vld1q_u8(x), (uint8x16_t)vdupq_n_u32(four)) ^ X_SHIFT;
}

INLINE void add_quads(sums *s, const quad *x, const quads *w)
{
    const int8x16_t a = (int8x16_t)*x, b = (int8x16_t)*w;
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
    *s = (sums)((wraps)*s + (wraps)vpaddq_s32(low, high));
}

INLINE void add_two_quads(sums *s, const quad *x, const quads *w,
                          const quad *x2, const quads *w2)
{
    const int8x16_t a = (int8x16_t)*x, b = (int8x16_t)*w;
    const int8x16_t c = (int8x16_t)*x2, d = (int8x16_t)*w2;
    const int32x4_t low =
        vpadalq_s16(vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b))),
                    vmull_s8(vget_low_s8(c), vget_low_s8(d)));
    const int32x4_t high =
        vpadalq_s16(vpaddlq_s16(vmull_high_s8(a, b)), vmull_high_s8(c, d));
    *s = (sums)((wraps)*s + (wraps)vpaddq_s32(low, high));
}

#include "engine/simd_codes.h"

const struct cz_codes_loops cz_codes_neon = CODES_LOOPS;
#endif
