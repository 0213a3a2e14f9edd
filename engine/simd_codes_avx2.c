/* The loops of convolutions on codes for AVX2. */
#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#include "engine/simd_codes_internal.h"

#define PIXELS 4
#define TARGET __attribute__((target("avx2,fma")))
#define IS_SATURATING true

#include "engine/simd_codes_x86.h"

/* The compiler must not know what the sums are. */
#define KEEP(s) __asm__("" : "+x"(*(s)))

/* Modulo 2^32: Winograd's sums come back into range at the end. */
INLINE void add_couples(sums *s, const couples *x, const couples *w)
{
    *s = (sums)((wraps)*s + (wraps)_mm256_madd_epi16((__m256i)*x, (__m256i)*w));
    KEEP(s);
}

INLINE void add_quads(sums *s, const quad *x, const quads *w)
{
    const words twos = (words)_mm256_maddubs_epi16((__m256i)*x, (__m256i)*w);
    const words ones = (words)_mm256_set1_epi16(1);
    add_couples(s, &twos, &ones);
}

INLINE void add_two_quads(sums *s, const quad *x, const quads *w,
                          const quad *x2, const quads *w2)
{
    const words ones = (words)_mm256_set1_epi16(1);
    const words twos = (words)_mm256_maddubs_epi16((__m256i)*x, (__m256i)*w) +
                       (words)_mm256_maddubs_epi16((__m256i)*x2, (__m256i)*w2);
    add_couples(s, &twos, &ones);
}

#include "engine/simd_codes.h"

const struct cz_codes_loops cz_codes_avx2 = CODES_LOOPS;
#endif
