/* Operators that work element by element, with numpy's broadcasting. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_pointwise[] = {
    {.op_type = NULL},
};
