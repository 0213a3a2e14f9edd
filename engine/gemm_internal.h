/* Products of two float32 matrices: what MatMul, Gemm and, by way of im2col,
 * convolutions on plain arrays are made of. */
#ifndef CZ_ENGINE_GEMM_INTERNAL_H
#define CZ_ENGINE_GEMM_INTERNAL_H

#include "engine/simd_internal.h"

struct cz_openblas;

/* y [m,n] = a [m,k] b [k,n]; distances in floats. Of a_row and a_column one is
 * 1, and so of b_row and b_column; the columns of y are neighbours. None of
 * the sizes is 0. */
struct cz_gemm {
    size_t m, n, k;
    const float *a, *b;
    size_t a_row, a_column, b_row, b_column;
    float *y;
    size_t y_row;
};

/* Who computes it: OpenBLAS, or else our own loops. */
struct cz_gemm_unit {
    const struct cz_openblas *openblas; /* or NULL */
    const struct cz_simd *simd;
};

/* Whether it is dense float32 with some elements in it, as matrices are; true
 * for NULL, an operand that is left out. */
bool cz_gemm_takes(const struct cz_array *array);

/* In the calling thread alone. */
void cz_gemm_run(const struct cz_gemm_unit *unit, const struct cz_gemm *gemm);

/* Adds `bias` to `count` elements of the step's output 0 from `from` on, and
 * applies what is fused into the step. */
void cz_gemm_finish(const struct cz_gemm_unit *unit, const struct cz_step *step,
                    float bias, size_t from, size_t count);

#endif
