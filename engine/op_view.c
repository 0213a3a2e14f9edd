/* Operators that keep the bytes and change the shape. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_view[] = {
    {.op_type = NULL},
};
