/* einsum. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_einsum[] = {
    {.op_type = NULL},
};
