/* The loops of convolutions for AVX-512: 32 registers of 16 floats. */
#ifdef __x86_64__
#include <immintrin.h>

#include "engine/simd_internal.h"

#define LANES 16
#define PIXELS 12
#define HAS_LANE_PRODUCTS 0
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define SPLAT(f) _mm512_set1_ps(f)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define MIN(a, b) _mm512_min_ps(a, b)
#define MAX(a, b) _mm512_max_ps(a, b)

typedef __m512 vec;
typedef float vec_at __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(64)));

#include "engine/simd_loops.h"

const struct cz_simd cz_simd_avx512 = SIMD_LOOPS;
#endif
