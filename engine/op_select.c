/* Operators whose result is chosen by data: TopK, NonMaxSuppression, ... */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_select[] = {
    {.op_type = NULL},
};
