/* The loops of narrow_internal.h for AVX512_BF16: vdpbf16ps adds the products
 * of 16 couples to 16 floats. */
#ifdef __x86_64__
#include <immintrin.h>

#include "engine/narrow_internal.h"

#define LANES 16
#define PIXELS 12
#define IS_NATIVE 1
#define TARGET __attribute__((target("avx512bf16,avx512bw,avx512f,avx2,fma")))

typedef __m512 vec;
typedef float vec_at __attribute__((vector_size(64), aligned(4), may_alias));

struct couples {
    __m512bh both;
};

TARGET static inline void load_couples(struct couples *c, const uint16_t *from)
{
    c->both = (__m512bh)_mm512_loadu_si512(from);
}

TARGET static inline void splat_couple(struct couples *c, const uint16_t *from)
{
    int32_t couple;
    __builtin_memcpy(&couple, from, sizeof couple);
    c->both = (__m512bh)_mm512_set1_epi32(couple);
}

TARGET static inline void dot(vec *sum, const struct couples *x,
                              const struct couples *w)
{
    *sum = _mm512_dpbf16_ps(*sum, w->both, x->both);
}

TARGET static inline void round_vector(const float *x, uint16_t *y)
{
    const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(x));
    __builtin_memcpy(y, &rounded, sizeof rounded);
}

#include "engine/bf16_loops.h"

const struct cz_narrow cz_bf16_native = BF16_LOOPS;
#endif
