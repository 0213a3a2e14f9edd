/* The loops of bf16_internal.h in the compiler's own vectors, for any
 * processor; and the choice among the kinds. */
#include "core/cpu.h"
#include "engine/bf16_internal.h"

#define LANES 8
#define PIXELS 4
#define IS_NATIVE 0
#define TARGET
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))

typedef float vec __attribute__((vector_size(32)));
typedef float vec_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t words_at
    __attribute__((vector_size(32), aligned(2), may_alias));

#include "engine/bf16_loops.h"

const struct cz_bf16 cz_bf16_plain = BF16_LOOPS;

const struct cz_bf16 *cz_bf16_find(size_t lanes)
{
#ifdef __aarch64__
    if (lanes == cz_bf16_neon.lanes)
        return &cz_bf16_neon;
#endif
#ifdef __x86_64__
    if (lanes == 16 && cz_cpu_has(CZ_CPU_AVX512_BF16))
        return &cz_bf16_native;
    if (lanes == 16 && cz_cpu_has(CZ_CPU_AVX512))
        return &cz_bf16_avx512;
    if (lanes == 8 && cz_cpu_has(CZ_CPU_AVX2))
        return &cz_bf16_avx2;
#endif
    return lanes == cz_bf16_plain.lanes ? &cz_bf16_plain : NULL;
}
