/* The loops of convolutions for AVX2 with FMA: 16 registers of 8 floats. */
#ifdef __x86_64__
#include <immintrin.h>

#include "engine/simd_internal.h"

#define LANES 8
#define PIXELS 6
#define HAS_LANE_PRODUCTS 0
#define TARGET __attribute__((target("avx2,fma")))
#define SPLAT(f) _mm256_set1_ps(f)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MIN(a, b) _mm256_min_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)

typedef __m256 vec;
typedef float vec_at __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(32)));

#include "engine/simd_loops.h"

const struct cz_simd cz_simd_avx2 = SIMD_LOOPS;
#endif
