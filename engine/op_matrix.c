/* MatMul, Gemm, Einsum. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_matrix[] = {
    {.op_type = NULL},
};
