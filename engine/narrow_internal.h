/* Products of 16-bit floats, bfloat16 or float16: the inner loops of
 * kernel_narrow.c, once for each kind of vector unit.
 *
 * bfloat16 (bf16_loops.h), summed in float32: the unit of work is a couple, two
 * neighbouring channels in 32 bits, of which the processors that have
 * AVX512_BF16 multiply and add both in one instruction. On all others the same
 * sums are made of float32 instructions: the product of two bfloat16 numbers is
 * exact in float32. What is beyond the largest bfloat16, 3.39e38, becomes
 * infinity; denormal numbers (below 1.18e-38) become 0, as the instructions
 * have it, which also make 0 of sums that small.
 *
 * float16 (fp16_neon.c), on processors that compute with it: sums of
 * CZ_FP16_SEGMENT products are float16, what is made of them float32. Inputs
 * beyond the largest float16, 65504, become that. Sums beyond it become
 * infinity: weights are scaled so that the largest of an output channel is
 * below 2, which leaves a segment's inputs up to 511 on the average.
 *
 * Rounding is to nearest, ties to even. NaN stays NaN, and in bfloat16 infinity
 * infinity. */
#ifndef CZ_ENGINE_NARROW_INTERNAL_H
#define CZ_ENGINE_NARROW_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CZ_FP16_SEGMENT 64

/* For p in [0, n), o < outputs, l < lanes:
 *
 *     y[o * y_block + p * lanes + l] = bias[o * lanes + l] +
 *         scale[o * lanes + l] * sum over t < taps, c < lanes of
 *             x[offsets[t] + p * step + c] *
 *             w[((t * lanes / together + c / together) * outputs + o) *
 *                   lanes * together + l * together + c % together]
 *
 * A tap is a kernel position in a block of input channels, as in struct
 * cz_simd_product. Distances are in elements. */
struct cz_narrow_product {
    const uint16_t *x; /* at an even address of elements, as all distances */
    const ptrdiff_t *offsets; /* [taps] */
    size_t taps, step;
    const uint16_t *w;
    size_t outputs; /* 1 or CZ_SIMD_OUTPUTS */
    const float *bias;
    const float *scale; /* 1, and not read, unless is_scaled */
    float *y;
    size_t y_block;
};

struct cz_narrow {
    size_t lanes;
    size_t together; /* input channels whose weights lie side by side */
    bool is_native;  /* the processor multiplies these numbers itself */
    bool is_scaled;  /* weights are divided by `scale` before they are narrow */
    uint16_t (*narrow)(float x);
    void (*multiply)(const struct cz_narrow_product *product, size_t n);
    /* y = x, rounded; n vectors. */
    void (*round)(const float *x, uint16_t *y, size_t n);
};

/* The fastest one of this many lanes that the processor has (CZ_CPU may limit
 * it); NULL when there is none. float16 is only where it is native. */
const struct cz_narrow *cz_bf16_find(size_t lanes);
const struct cz_narrow *cz_fp16_find(size_t lanes);

extern const struct cz_narrow cz_bf16_plain;
#ifdef __x86_64__
extern const struct cz_narrow cz_bf16_avx2, cz_bf16_avx512, cz_bf16_native;
#endif
#ifdef __aarch64__
extern const struct cz_narrow cz_bf16_neon, cz_fp16_neon;
#endif

#endif
