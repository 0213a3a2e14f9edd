/* sample. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_sample[] = {
    {.op_type = NULL},
};
