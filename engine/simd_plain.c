/* The loops of convolutions in the compiler's own vectors, which become what
 * the processor has: pairs of SSE or NEON registers; and the choice among the
 * kinds. */
#include "core/cpu.h"
#include "engine/simd_internal.h"

#define LANES 8
#define PIXELS 4
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

const struct cz_simd *cz_simd_find(size_t lanes)
{
#ifdef __x86_64__
    if (lanes == 16 && cz_cpu_has(CZ_CPU_AVX512))
        return &cz_simd_avx512;
    if (lanes == 8 && cz_cpu_has(CZ_CPU_AVX2))
        return &cz_simd_avx2;
#endif
    return lanes == cz_simd_plain.lanes ? &cz_simd_plain : NULL;
}
