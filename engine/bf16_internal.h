/* Products of bfloat16 numbers with sums in float32: the inner loops of
 * kernel_bf16.c, once for each kind of vector unit.
 *
 * The unit of work is a couple, two neighbouring channels in 32 bits, of which
 * the processors that have AVX512_BF16 multiply and add both in one
 * instruction. On all others the same sums are made of float32 instructions:
 * the product of two bfloat16 numbers is exact in float32.
 *
 * Rounding is to nearest, ties to even. NaN stays NaN and infinity infinity;
 * what is beyond the largest bfloat16, 3.39e38, becomes infinity; denormal
 * numbers (below 1.18e-38) become 0, as the instructions have it, which also
 * make 0 of sums that small. */
#ifndef CZ_ENGINE_BF16_INTERNAL_H
#define CZ_ENGINE_BF16_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For p in [0, n), o < outputs, l < lanes:
 *
 *     y[o * y_block + p * lanes + l] = bias[o * lanes + l] +
 *         sum over t < taps, c < lanes of
 *             x[offsets[t] + p * step + c] *
 *             w[((t * lanes / 2 + c / 2) * outputs + o) * lanes * 2 +
 *               l * 2 + c % 2]
 *
 * A tap is a kernel position in a block of input channels, as in struct
 * cz_simd_product. Distances are in elements. */
struct cz_bf16_product {
    const uint16_t *x; /* at an even address of elements, as all distances */
    const ptrdiff_t *offsets; /* [taps] */
    size_t taps, step;
    const uint16_t *w;
    size_t outputs; /* 1 or CZ_SIMD_OUTPUTS */
    const float *bias;
    float *y;
    size_t y_block;
};

struct cz_bf16 {
    size_t lanes;
    bool is_native; /* the processor multiplies bfloat16 itself */
    void (*multiply)(const struct cz_bf16_product *product, size_t n);
    /* y = x, rounded; n vectors. */
    void (*round)(const float *x, uint16_t *y, size_t n);
};

/* The fastest one of this many lanes that the processor has (CZ_CPU may limit
 * it); NULL when there is none. */
const struct cz_bf16 *cz_bf16_find(size_t lanes);

extern const struct cz_bf16 cz_bf16_plain;
#ifdef __x86_64__
extern const struct cz_bf16 cz_bf16_avx2, cz_bf16_avx512, cz_bf16_native;
#endif
#ifdef __aarch64__
extern const struct cz_bf16 cz_bf16_neon;
#endif

#endif
