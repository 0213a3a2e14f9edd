/* The loops of convolutions on codes for AVX512_VNNI, in vectors of 32 bytes as
 * those for AVX2: vpdpbusd and vpdpwssd add products to sums at once, and do
 * not saturate. */
#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#include "engine/simd_codes_internal.h"

#define PIXELS 4
#define TARGET                                                                 \
    __attribute__((target("avx512vnni,avx512vl,avx512bw,avx512f,avx2,fma")))
#define IS_SATURATING false

#include "engine/simd_codes_x86.h"

INLINE void add_couples(sums *s, const couples *x, const couples *w)
{
    *s = (sums)_mm256_dpwssd_epi32((__m256i)*s, (__m256i)*x, (__m256i)*w);
}

INLINE void add_quads(sums *s, const quad *x, const quads *w)
{
    *s = (sums)_mm256_dpbusd_epi32((__m256i)*s, (__m256i)*x, (__m256i)*w);
}

INLINE void add_two_quads(sums *s, const quad *x, const quads *w,
                          const quad *x2, const quads *w2)
{
    add_quads(s, x, w);
    add_quads(s, x2, w2);
}

#include "engine/simd_codes.h"

const struct cz_codes_loops cz_codes_vnni = CODES_LOOPS;
#endif
