/* Pooling. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_pool[] = {
    {.op_type = NULL},
};
