/* The inner loops of convolutions on blocked arrays, and of products of plain
 * matrices, once for each kind of vector unit.
 *
 * A vector holds one block of channels of a pixel: `lanes` floats. Everything
 * here works on raw pointers; distances are in floats. The loops are written
 * once, with the compiler's vector types, in simd_loops.h, and compiled by
 * simd_plain.c (any processor, 8 lanes), simd_neon.c (4 lanes), simd_avx2.c (8
 * lanes) and simd_avx512.c (16 lanes). */
#ifndef CZ_ENGINE_SIMD_INTERNAL_H
#define CZ_ENGINE_SIMD_INTERNAL_H

#include "engine/plan_internal.h"

/* No more than 16 lanes; packed arrays start at a multiple of this. */
#define CZ_SIMD_ALIGN_BYTES 64

/* Output blocks that multiply() makes at once. */
#define CZ_SIMD_OUTPUTS 2

/* A tap of multiply() is no deeper. */
#define CZ_SIMD_DEPTH_MAX 64

/* A product of matrices, where row p of the left one is gathered from x:
 *
 *     y[o * y_block + p * lanes + l] = bias[o * lanes + l] +
 *         sum over t < taps, c < depth of
 *             x[offsets[t] + p * step + c] *
 *             w[((t * depth + c) * outputs + o) * lanes + l]
 *
 * A convolution of any size is one, where a tap is a kernel position in a
 * block of input channels (depth == lanes), or a row of the kernel in one
 * channel of a plain image (depth == its width): im2col without the copy. */
struct cz_simd_product {
    const float *x;
    const ptrdiff_t *offsets; /* [taps] */
    size_t taps, depth, step;
    const float *w;    /* [taps][depth][outputs][lanes] */
    size_t outputs;    /* 1 or CZ_SIMD_OUTPUTS */
    const float *bias; /* [outputs * lanes]; NULL: zeros */
    float *y;
    size_t y_block;
};

/* One or two rows of a depthwise convolution in one block of channels:
 *
 *     y[i * y_row + p * lanes + l] = bias[l] +
 *         sum over r < kernel_h, c < kernel_w of
 *             x[i * stride_h + r][column * lanes + l] *
 *             w[(r * kernel_w + c) * lanes + l]
 *
 * with column = p * stride_w + c * dilation_w - pad_left, where that is inside
 * [0, in_w); for p in [inside_from, inside_to) it always is. */
struct cz_simd_depthwise {
    size_t kernel_h, kernel_w, stride_h, stride_w, dilation_w;
    size_t in_w, pad_left, out_w, inside_from, inside_to;
    const float *const *x; /* rows of the input */
    const float *w;
    const float *bias; /* [lanes] */
    float *y;
    size_t y_row;
};

/* Rows of a product of two matrices, CZ_SIMD_OUTPUTS vectors wide:
 *
 *     y[i * y_row + l] = sum over k < depth of
 *         a[i * a_row + k * a_column] * b[k * b_row + l]
 *
 * or that much more than it was, where `adds`. */
struct cz_simd_rows {
    const float *a;
    size_t a_row, a_column;
    const float *b;
    size_t b_row, depth;
    float *y;
    size_t y_row;
    bool adds;
};

struct cz_simd {
    size_t lanes;
    /* Pixels p in [0, n). */
    void (*multiply)(const struct cz_simd_product *product, size_t n);
    /* Rows i in [0, rows), of pixels p in [0, out_w). */
    void (*depthwise)(const struct cz_simd_depthwise *d, size_t rows);
    /* Rows i in [0, n). */
    void (*rows)(const struct cz_simd_rows *rows, size_t n);
    /* y = activation(y) + residual over n vectors; residual: NULL for none. */
    void (*finish)(const struct cz_activation *activation, float *y,
                   const float *residual, size_t n);
    /* By stride - 1: B'dB of one tile, n x n vectors (n = 6 or 9), where
     * v[i * v_step ...] gets vector i; A'mA + bias, 4 rows of 4 vectors, from
     * m as v. See below. */
    void (*winograd_in[2])(const float *x, size_t x_row, float *v,
                           size_t v_step);
    void (*winograd_out[2])(const float *m, size_t m_step, const float *bias,
                            float *y, size_t y_row);
    /* Softmax of `count` > 0 values that lie `stride` floats apart, for as many
     * neighbours as a vector holds. */
    void (*softmax)(const float *x, float *y, size_t count, size_t stride);
    /* The same of `count` neighbours. */
    void (*softmax_row)(const float *x, float *y, size_t count);
};

/* Those of the fastest loops that the processor has. */
size_t cz_simd_lanes(void);

/* The fastest one of this many lanes that the processor has (CZ_CPU may limit
 * it); NULL when there is none. */
const struct cz_simd *cz_simd_find(size_t lanes);

extern const struct cz_simd cz_simd_plain;
#ifdef __x86_64__
extern const struct cz_simd cz_simd_avx2, cz_simd_avx512;
#endif
#ifdef __aarch64__
extern const struct cz_simd cz_simd_neon;
#endif

/* Winograd's convolution of 3 taps to 4 outputs, as polynomials are multiplied
 * by way of their values at points.
 *
 * Stride 1 is F(4, 3) on 0, +-a, +-b and infinity, in this order; 6 inputs.
 * Stride 2 is taps 0 and 2 on the even inputs, F(4, 2) on +-a, +-b and
 * infinity, and then tap 1 on the odd ones, as it is: 9 inputs, 9 positions,
 * the last 4 with the same weight.
 *
 * Among fractions whose products are exact in float32 these points give the
 * smallest errors; with stride 1, a quarter of that of the usual 1 and 2. */
#define CZ_WINOGRAD_OUT 4
#define CZ_WINOGRAD_WEIGHTS 6 /* positions that differ in them */
#define CZ_WINOGRAD_A 0.625
#define CZ_WINOGRAD_B 1.5
#define CZ_WINOGRAD_A2 0.5
#define CZ_WINOGRAD_B2 1.25

#endif
