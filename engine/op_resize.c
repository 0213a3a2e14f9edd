/* Resize, Upsample, GridSample, RoiAlign. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_resize[] = {
    {.op_type = NULL},
};
