/* Operators that passes make; no file holds them. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_internal[] = {
    {.op_type = NULL},
};
