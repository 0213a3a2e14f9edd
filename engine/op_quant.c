/* Quantization. */
#include "engine/plan_internal.h"

const struct cz_op cz_ops_quant[] = {
    {.op_type = NULL},
};
