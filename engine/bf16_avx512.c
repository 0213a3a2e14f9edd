/* The loops of narrow_internal.h for AVX-512 without its bfloat16 instructions.
 */
#ifdef __x86_64__
#include <immintrin.h>

#include "engine/narrow_internal.h"

#define LANES 16
#define PIXELS 12
#define IS_NATIVE 0
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)

typedef __m512 vec;
typedef float vec_at __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t words_at
    __attribute__((vector_size(64), aligned(2), may_alias));

#include "engine/bf16_loops.h"

const struct cz_narrow cz_bf16_avx512 = BF16_LOOPS;
#endif
