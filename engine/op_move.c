/* Operators that copy elements to other places: Transpose, Concat, ... */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_move[] = {
    {.op_type = NULL},
};
