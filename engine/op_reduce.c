/* Operators that run along axes: reductions, softmax, arg, cumulative sum. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_reduce[] = {
    {.op_type = NULL},
};
