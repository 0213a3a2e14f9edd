/* Operators that keep the elements and their order and change the shape: by
 * the ONNX operator specification. Where memory.c gave the output the place of
 * the input there is nothing to do when they run. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

static enum cz_status run_view(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)exec;
    (void)err;
    if (step->outputs[0])
        cz_copy_bytes(step->outputs[0]->data, step->inputs[0]->data,
                      cz_copy_array_bytes(step->inputs[0]));
    return CZ_OK;
}

static enum cz_status shape_same(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* ---- Reshape ---------------------------------------------------------- */

struct reshape {
    bool keeps_zero; /* a 0 is a size, and not the input's */
};

static enum cz_status parse_reshape(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    struct reshape *p = step->params;
    (void)err;
    p->keeps_zero = cz_node_attr_int(node, "allowzero", 0) != 0;
    return CZ_OK;
}

/* The product of the dims that are neither 0 nor -1; false when it is too
 * large. */
static bool count_others(const struct cz_dims *dims, int64_t *count)
{
    *count = 1;
    for (size_t i = 0; i < dims->rank; i++) {
        if (dims->size[i] > 0 &&
            __builtin_mul_overflow(*count, dims->size[i], count))
            return false;
    }
    return true;
}

/* Puts what is left of the input's elements into the -1. For an empty input
 * the dims that are not 0 decide. */
static enum cz_status fill_open_dim(struct cz_dims *y, size_t open,
                                    const struct cz_step *step,
                                    struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    char from[CZ_DIMS_TEXT_BYTES], to[CZ_DIMS_TEXT_BYTES];
    int64_t have, others;
    bool has_zero = false;
    for (size_t i = 0; i < y->rank; i++)
        has_zero |= y->size[i] == 0;
    bool is_empty = cz_array_count(x) == 0;
    if (!count_others(&x->dims, &have) || !count_others(y, &others) ||
        (is_empty == has_zero && have % others))
        return cz_step_error(step, err, "%s cannot become %s",
                             cz_dims_text(&x->dims, from), cz_dims_text(y, to));
    y->size[open] = is_empty != has_zero ? 0 : have / others;
    return CZ_OK;
}

static enum cz_status shape_reshape(struct cz_step *step, struct cz_error *err)
{
    const struct reshape *p = step->params;
    const struct cz_array *x = step->inputs[0];
    char from[CZ_DIMS_TEXT_BYTES], to[CZ_DIMS_TEXT_BYTES];
    struct cz_dims y = {0};
    struct cz_int_room sizes = {.ints = y.size, .capacity = CZ_RANK_MAX};
    size_t open = CZ_RANK_MAX, count;
    CZ_TRY(cz_step_ints(&sizes, step, 1, err));
    if (!sizes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    y.rank = sizes.count;
    for (size_t i = 0; i < y.rank; i++) {
        if (y.size[i] == 0 && !p->keeps_zero && i < x->dims.rank)
            y.size[i] = x->dims.size[i];
        else if (y.size[i] < -1 || (y.size[i] == -1 && open < CZ_RANK_MAX))
            return cz_step_error(step, err, "its shape is %s",
                                 cz_dims_text(&y, to));
        else if (y.size[i] == -1)
            open = i;
    }
    if (open < CZ_RANK_MAX)
        CZ_TRY(fill_open_dim(&y, open, step, err));
    CZ_TRY(cz_step_output(step, 0, x->dtype, &y, err));
    count = cz_dims_product(&y, 0, y.rank);
    if (count != cz_array_count(x))
        return cz_step_error(step, err, "%s cannot become %s",
                             cz_dims_text(&x->dims, from),
                             cz_dims_text(&y, to));
    return CZ_OK;
}

/* ---- Flatten ---------------------------------------------------------- */

struct flatten {
    int64_t axis;
};

static enum cz_status parse_flatten(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    struct flatten *p = step->params;
    (void)err;
    p->axis = cz_node_attr_int(node, "axis", 1);
    return CZ_OK;
}

static enum cz_status shape_flatten(struct cz_step *step, struct cz_error *err)
{
    const struct flatten *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const size_t rank = x->dims.rank;
    size_t axis = rank; /* which is allowed here: [all, 1] */
    if (p->axis != (int64_t)rank && (rank || p->axis))
        CZ_TRY(cz_step_axis(step, p->axis, rank, &axis, err));
    const struct cz_dims y = {
        .rank = 2,
        .size = {(int64_t)cz_dims_product(&x->dims, 0, axis),
                 (int64_t)cz_dims_product(&x->dims, axis, rank)},
    };
    return cz_step_output(step, 0, x->dtype, &y, err);
}

/* ---- Squeeze, Unsqueeze ----------------------------------------------- */

struct axes {
    struct cz_int_list list; /* before opset 13 */
};

static enum cz_status parse_axes(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    struct axes *p = step->params;
    (void)err;
    p->list = cz_node_int_list(node, "axes");
    return CZ_OK;
}

/* Marks the axes, which are of an array of `rank`. */
static enum cz_status mark_axes(bool marked[CZ_RANK_MAX],
                                const struct cz_step *step,
                                const struct cz_ints *axes, size_t rank,
                                struct cz_error *err)
{
    for (size_t i = 0; i < axes->count; i++) {
        size_t axis;
        CZ_TRY(cz_step_axis(step, axes->at[i], rank, &axis, err));
        if (marked[axis])
            return cz_step_error(step, err, "axis %zu is there twice", axis);
        marked[axis] = true;
    }
    return CZ_OK;
}

static enum cz_status shape_squeeze(struct cz_step *step, struct cz_error *err)
{
    const struct axes *p = step->params;
    const struct cz_array *x = step->inputs[0];
    bool dropped[CZ_RANK_MAX] = {false};
    struct cz_dims y = {0};
    struct cz_ints axes;
    CZ_TRY(cz_step_read_ints(&axes, step, 1, &p->list, err));
    if (!axes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    CZ_TRY(mark_axes(dropped, step, &axes, x->dims.rank, err));
    for (size_t i = 0; i < x->dims.rank; i++) {
        if (dropped[i] && x->dims.size[i] != 1)
            return cz_step_error(step, err, "axis %zu is %" PRId64 ", want 1",
                                 i, x->dims.size[i]);
        if (!dropped[i] && (axes.count || x->dims.size[i] != 1))
            y.size[y.rank++] = x->dims.size[i];
    }
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status shape_unsqueeze(struct cz_step *step,
                                      struct cz_error *err)
{
    const struct axes *p = step->params;
    const struct cz_array *x = step->inputs[0];
    bool added[CZ_RANK_MAX] = {false};
    struct cz_dims y = {0};
    struct cz_ints axes;
    CZ_TRY(cz_step_read_ints(&axes, step, 1, &p->list, err));
    if (!axes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    y.rank = x->dims.rank + axes.count;
    if (y.rank > CZ_RANK_MAX)
        return cz_step_unsupported(step, err,
                                   "%zu dimensions, at most %d can be", y.rank,
                                   CZ_RANK_MAX);
    CZ_TRY(mark_axes(added, step, &axes, y.rank, err));
    for (size_t i = 0, next = 0; i < y.rank; i++)
        y.size[i] = added[i] ? 1 : x->dims.size[next++];
    return cz_step_output(step, 0, x->dtype, &y, err);
}

/* ---- Dropout ---------------------------------------------------------- */

/* Only the inference form, which passes its input on. */
static enum cz_status shape_dropout(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const struct cz_array *training = cz_step_input(step, 2);
    CZ_TRY(cz_step_want_dtype(step, 2, CZ_DTYPE_BOOL, err));
    if (training && (!training->known || cz_array_count(training) != 1 ||
                     *(const uint8_t *)training->known))
        return cz_step_unsupported(step, err,
                                   "training_mode must be a constant 'false'");
    CZ_TRY(cz_step_output(step, 0, x->dtype, &x->dims, err));
    return cz_step_output(step, 1, step->opset < 10 ? x->dtype : CZ_DTYPE_BOOL,
                          &x->dims, err);
}

static enum cz_status run_dropout(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    struct cz_array *mask = step->n_outputs > 1 ? step->outputs[1] : NULL;
    CZ_TRY(run_view(step, exec, err));
    if (mask)
        cz_copy_fill(mask->data, cz_element_one(mask->dtype),
                     cz_element_bytes(mask->dtype), cz_array_count(mask));
    return CZ_OK;
}

#define RESHAPE sizeof(struct reshape)
#define AXES sizeof(struct axes)

const struct cz_op cz_ops_view[] = {
    {"Identity", 1, CZ_OP_VIEW, 1, 1, 0, NULL, shape_same, run_view},
    {"Reshape", 5, CZ_OP_VIEW, 2, 2, RESHAPE, NULL, shape_reshape, run_view},
    /* 14: allowzero */
    {"Reshape", 14, CZ_OP_VIEW, 2, 2, RESHAPE, parse_reshape, shape_reshape,
     run_view},
    {"Flatten", 1, CZ_OP_VIEW, 1, 1, sizeof(struct flatten), parse_flatten,
     shape_flatten, run_view},
    /* 13: axes are an input */
    {"Squeeze", 1, CZ_OP_VIEW, 1, 1, AXES, parse_axes, shape_squeeze, run_view},
    {"Squeeze", 13, CZ_OP_VIEW, 1, 2, AXES, NULL, shape_squeeze, run_view},
    {"Unsqueeze", 1, CZ_OP_VIEW, 1, 1, AXES, parse_axes, shape_unsqueeze,
     run_view},
    {"Unsqueeze", 13, CZ_OP_VIEW, 2, 2, AXES, NULL, shape_unsqueeze, run_view},
    /* 10: the mask is bool; 12: ratio and training_mode are inputs */
    {"Dropout", 7, CZ_OP_VIEW, 1, 1, 0, NULL, shape_dropout, run_dropout},
    {"Dropout", 10, CZ_OP_VIEW, 1, 1, 0, NULL, shape_dropout, run_dropout},
    {"Dropout", 12, CZ_OP_VIEW, 1, 3, 0, NULL, shape_dropout, run_dropout},
    {.op_type = NULL},
};
