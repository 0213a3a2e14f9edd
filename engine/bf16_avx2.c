/* The loops of narrow_internal.h for AVX2 with FMA. */
#ifdef __x86_64__
#include <immintrin.h>

#include "engine/narrow_internal.h"

#define LANES 8
#define PIXELS 4
#define IS_NATIVE 0
#define TARGET __attribute__((target("avx2,fma")))
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)

typedef __m256 vec;
typedef float vec_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t words_at
    __attribute__((vector_size(32), aligned(2), may_alias));

#include "engine/bf16_loops.h"

const struct cz_narrow cz_bf16_avx2 = BF16_LOOPS;
#endif
