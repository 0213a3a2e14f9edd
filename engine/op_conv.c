/* Conv and ConvTranspose. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_conv[] = {
    {.op_type = NULL},
};
