/* The loops of convolutions for NEON: 32 registers of 4 floats. */
#ifdef __aarch64__
#include <arm_neon.h>

#include "engine/simd_internal.h"

#define LANES 4
#define PIXELS 8
#define HAS_LANE_PRODUCTS 1
#define TARGET
#define SPLAT(f) vdupq_n_f32(f)
#define MULTIPLY_ADD(a, b, c) vfmaq_f32(c, a, b)
#define MIN(a, b) vbslq_f32(vcltq_f32(a, b), a, b)
#define MAX(a, b) vbslq_f32(vcgtq_f32(a, b), a, b)

typedef float32x4_t vec;
typedef float vec_at __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(16)));

#include "engine/simd_loops.h"

const struct cz_simd cz_simd_neon = SIMD_LOOPS;
#endif
