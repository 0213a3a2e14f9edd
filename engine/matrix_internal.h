/* Attributes of Gemm, for all of its kernels. */
#ifndef CZ_ENGINE_MATRIX_INTERNAL_H
#define CZ_ENGINE_MATRIX_INTERNAL_H

#include <stdbool.h>

struct cz_gemm_params {
    float alpha, beta;
    bool trans_a, trans_b;
};

#endif
