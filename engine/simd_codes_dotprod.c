/* The loops of convolutions on codes for NEON with dot products (FEAT_DotProd,
 * of processors since the Cortex-A55 and A75). */
#ifdef __aarch64__
#include <arm_neon.h>
#include <string.h>

#include "engine/simd_codes_internal.h"

#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))

#include "engine/simd_codes_neon.h"

typedef uint8x8_t quad; /* bytes of int8, followed by anything */

INLINE void splat_quad(quad *q, const uint8_t *x)
{
    uint32_t four;
    memcpy(&four, x, sizeof four);
    *q = vcreate_u8(four) ^ X_SHIFT;
}

INLINE void splat_lanes(quad *q, const uint8_t *x, const uint8_t *lanes)
{
    uint32_t four;
    memcpy(&four, lanes, sizeof four);
    *q = vqtbl1_u8(vld1q_u8(x), vcreate_u8(four)) ^ X_SHIFT;
}

INLINE void add_quads(sums *s, const quad *x, const quads *w)
{
    *s = (sums)vdotq_lane_s32((int32x4_t)*s, (int8x16_t)*w, (int8x8_t)*x, 0);
}

INLINE void add_two_quads(sums *s, const quad *x, const quads *w,
                          const quad *x2, const quads *w2)
{
    add_quads(s, x, w);
    add_quads(s, x2, w2);
}

#include "engine/simd_codes.h"

const struct cz_codes_loops cz_codes_dotprod = CODES_LOOPS;
#endif
