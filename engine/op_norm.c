/* Normalizations. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_norm[] = {
    {.op_type = NULL},
};
