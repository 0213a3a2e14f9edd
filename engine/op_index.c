/* Operators that index with tensors, and those that make tensors of shapes. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_index[] = {
    {.op_type = NULL},
};
