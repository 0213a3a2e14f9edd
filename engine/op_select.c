/* NonZero and Compress: by the ONNX operator specification. TopK, Unique and
 * NonMaxSuppression have files of their own. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

/* ---- NonZero ---------------------------------------------------------- */

static bool is_nonzero(const void *data, enum cz_dtype dtype, size_t i)
{
    switch (cz_element_bytes(dtype)) {
    case 1:
        return ((const uint8_t *)data)[i] != 0;
    case 2:
        return ((const uint16_t *)data)[i] != 0;
    case 4:
        return dtype == CZ_DTYPE_FLOAT ? ((const float *)data)[i] != 0
                                       : ((const uint32_t *)data)[i] != 0;
    default:
        return dtype == CZ_DTYPE_DOUBLE ? ((const double *)data)[i] != 0
                                        : ((const uint64_t *)data)[i] != 0;
    }
}

static enum cz_status shape_nonzero(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = {.rank = 2, .size = {(int64_t)x->dims.rank, 0}};
    if (!x->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    for (size_t i = 0; i < cz_array_count(x); i++)
        y.size[1] += is_nonzero(x->known, x->dtype, i);
    return cz_step_output(step, 0, CZ_DTYPE_INT64, &y, err);
}

static enum cz_status run_nonzero(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const size_t n = (size_t)step->outputs[0]->dims.size[1];
    int64_t *to = step->outputs[0]->data;
    size_t found = 0;
    (void)exec;
    (void)err;
    for (size_t i = 0; found < n; i++) {
        if (!is_nonzero(x->data, x->dtype, i))
            continue;
        size_t rest = i;
        for (size_t d = x->dims.rank; d-- > 0; rest /= (size_t)x->dims.size[d])
            to[d * n + found] = (int64_t)(rest % (size_t)x->dims.size[d]);
        found++;
    }
    return CZ_OK;
}

/* ---- Compress --------------------------------------------------------- */

struct compress {
    bool has_axis;
    int64_t number;
    size_t axis;
};

static enum cz_status parse_compress(struct cz_step *step,
                                     const struct cz_node *node,
                                     struct cz_error *err)
{
    struct compress *p = step->params;
    (void)err;
    p->has_axis = cz_node_attr(node, "axis") != NULL;
    p->number = cz_node_attr_int(node, "axis", 0);
    return CZ_OK;
}

static enum cz_status shape_compress(struct cz_step *step, struct cz_error *err)
{
    struct compress *p = step->params;
    const struct cz_array *x = step->inputs[0], *condition = step->inputs[1];
    struct cz_dims y = {.rank = 1, .size = {(int64_t)cz_array_count(x)}};
    CZ_TRY(cz_step_want_dtype(step, 1, CZ_DTYPE_BOOL, err));
    CZ_TRY(cz_step_want_rank(step, 1, 1, err));
    if (p->has_axis) {
        y = x->dims;
        CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    }
    if (condition->dims.size[0] > y.size[p->axis])
        return cz_step_error(
            step, err, "a condition of %" PRId64 " for %" PRId64 " elements",
            condition->dims.size[0], y.size[p->axis]);
    if (!condition->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    y.size[p->axis] = 0;
    for (size_t i = 0; i < cz_array_count(condition); i++)
        y.size[p->axis] += ((const uint8_t *)condition->known)[i] != 0;
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status run_compress(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct compress *p = step->params;
    const struct cz_array *x = step->inputs[0], *condition = step->inputs[1];
    const uint8_t *is_kept = condition->data;
    const size_t rank = x->dims.rank, n = cz_array_count(condition);
    const size_t element = cz_element_bytes(x->dtype);
    const size_t bytes =
        p->has_axis ? cz_copy_row_bytes(x, p->axis + 1) : element;
    const size_t row = p->has_axis
                           ? cz_copy_row_bytes(x, p->axis)
                           : cz_dims_product(&x->dims, 0, rank) * element;
    const size_t rows = p->has_axis ? cz_dims_product(&x->dims, 0, p->axis) : 1;
    char *to = step->outputs[0]->data;
    (void)exec;
    (void)err;
    if (!cz_array_count(step->outputs[0]))
        return CZ_OK;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            if (!is_kept[i])
                continue;
            memcpy(to, (const char *)x->data + r * row + i * bytes, bytes);
            to += bytes;
        }
    }
    return CZ_OK;
}

#define PARAMS(type) sizeof(struct type)

const struct cz_op cz_ops_select[] = {
    {"NonZero", 9, 0, 1, 1, 0, NULL, shape_nonzero, run_nonzero},
    {"Compress", 9, 0, 2, 2, PARAMS(compress), parse_compress, shape_compress,
     run_compress},
    {.op_type = NULL},
};
