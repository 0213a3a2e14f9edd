/* x */
#include "engine/plan_internal.h"
const struct cz_op cz_ops_integer[] = {{.op_type = NULL}};
