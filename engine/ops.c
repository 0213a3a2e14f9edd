/* All operators: where to look one up. */
#include <string.h>

#include "engine/plan_internal.h"

static const struct cz_op *const tables[] = {
    cz_ops_pointwise, cz_ops_clip,   cz_ops_cast,   cz_ops_binary,
    cz_ops_logic,     cz_ops_reduce, cz_ops_arg,    cz_ops_softmax,
    cz_ops_view,      cz_ops_move,   cz_ops_index,  cz_ops_select,
    cz_ops_conv,      cz_ops_pool,   cz_ops_resize, cz_ops_matrix,
    cz_ops_norm,      cz_ops_lrn,    cz_ops_quant,  cz_ops_integer,
    cz_ops_internal,  cz_ops_join,   cz_ops_slice,  cz_ops_gather,
    cz_ops_scatter,   cz_ops_nms,    cz_ops_unique, cz_ops_roi,
    cz_ops_topk,      cz_ops_sample, cz_ops_einsum, cz_ops_codes,
};

#define N_TABLES (sizeof tables / sizeof *tables)

const struct cz_op *cz_op_find(const char *op_type, int64_t opset)
{
    const struct cz_op *best = NULL;
    for (size_t t = 0; t < N_TABLES; t++) {
        for (const struct cz_op *op = tables[t]; op->op_type; op++) {
            if (strcmp(op->op_type, op_type) == 0 &&
                (int64_t)op->since <= opset &&
                (!best || op->since > best->since))
                best = op;
        }
    }
    return best;
}

bool cz_operator(size_t i, struct cz_operator_info *info)
{
    for (size_t t = 0; t < N_TABLES; t++) {
        for (const struct cz_op *op = tables[t]; op->op_type; op++) {
            if (i-- == 0) {
                info->op_type = op->op_type;
                info->since = op->since;
                return true;
            }
        }
    }
    return false;
}
