/* The products of matrices that a MatMul or a Gemm is, for all of its kernels.
 */
#ifndef CZ_ENGINE_MATRIX_INTERNAL_H
#define CZ_ENGINE_MATRIX_INTERNAL_H

#include "engine/plan_internal.h"

struct cz_gemm_params {
    float alpha, beta;
    bool trans_a, trans_b;
};

/* Matrices [m,k] x [k,n] = [m,n], with strides in elements. */
struct cz_product {
    size_t m, n, k;
    size_t a_row, a_column, b_row, b_column;
};

/* A step's products, one for each index of the batch dims; those of the output
 * are dense and one behind the other. */
struct cz_matrices {
    const struct cz_step *step;
    struct cz_product p;
    struct cz_dims batch;
    size_t count;                                      /* of the products */
    size_t a_batch[CZ_RANK_MAX], b_batch[CZ_RANK_MAX]; /* strides */
    const struct cz_gemm_params *gemm;                 /* NULL: MatMul */
    const struct cz_array *c;                          /* of Gemm, or NULL */
    size_t c_row, c_column;
};

struct cz_matrices cz_matrices_of(const struct cz_step *step);

/* The element where product `i` of an operand begins; `strides` are a_batch or
 * b_batch. */
size_t cz_matrices_offset(const struct cz_matrices *matrices,
                          const size_t strides[CZ_RANK_MAX], size_t i);

/* Of a Gemm: y = alpha * y + beta * c, for `count` neighbours in a row. */
void cz_matrices_scale(const struct cz_matrices *matrices, float *y, size_t row,
                       size_t column, size_t count);

#endif
