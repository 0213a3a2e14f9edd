/* The loops of convolutions in the compiler's own vectors, which become what
 * the processor has, such as pairs of SSE registers; and the choice among the
 * kinds. */
#include "core/cpu.h"
#include "engine/simd_internal.h"

#define LANES 8
#define PIXELS 4
#define HAS_LANE_PRODUCTS 0
#define TARGET
#define SPLAT(f) ((vec){f, f, f, f, f, f, f, f})
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
/* As minps and maxps do: the second where the comparison fails. */
#define CHOOSE(mask, a, b) ((vec)(((mask) & (ivec)(a)) | (~(mask) & (ivec)(b))))
#define MIN(a, b) CHOOSE((a) < (b), a, b)
#define MAX(a, b) CHOOSE((a) > (b), a, b)

typedef float vec __attribute__((vector_size(32)));
typedef float vec_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(32)));

#include "engine/simd_loops.h"

const struct cz_simd cz_simd_plain = SIMD_LOOPS;

size_t cz_simd_lanes(void)
{
#ifdef __aarch64__
    return cz_simd_neon.lanes;
#else
    return cz_cpu_has(CZ_CPU_AVX512) ? 16 : cz_simd_plain.lanes;
#endif
}

const struct cz_simd *cz_simd_find(size_t lanes)
{
#ifdef __aarch64__
    if (lanes == cz_simd_neon.lanes)
        return &cz_simd_neon;
#endif
#ifdef __x86_64__
    if (lanes == 16 && cz_cpu_has(CZ_CPU_AVX512))
        return &cz_simd_avx512;
    if (lanes == 8 && cz_cpu_has(CZ_CPU_AVX2))
        return &cz_simd_avx2;
#endif
    return lanes == cz_simd_plain.lanes ? &cz_simd_plain : NULL;
}
