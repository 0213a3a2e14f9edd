/* Concat and Split: by the ONNX operator specification. A part that memory.c
 * placed inside of the whole is not copied. */
#include <inttypes.h>

#include "engine/element_internal.h"

/* ---- Concat ----------------------------------------------------------- */

struct join {
    int64_t number; /* the attribute */
    size_t axis;
};

static enum cz_status parse_concat(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct join *p = step->params;
    if (!cz_node_attr(node, "axis"))
        return cz_step_error(step, err, "it has no attribute 'axis'");
    p->number = cz_node_attr_int(node, "axis", 0);
    return CZ_OK;
}

/* Adds the size of input i along the axis to that of the output. */
static enum cz_status add_part(struct cz_dims *y, const struct cz_step *step,
                               size_t i, size_t axis, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[i], *first = step->inputs[0];
    char text[CZ_DIMS_TEXT_BYTES], want[CZ_DIMS_TEXT_BYTES];
    if (!x)
        return cz_step_error(step, err, "input %zu is missing", i);
    CZ_TRY(cz_step_want_dtype(step, i, first->dtype, err));
    struct cz_dims other = x->dims;
    if (other.rank == y->rank)
        other.size[axis] = first->dims.size[axis];
    if (!cz_dims_equal(&other, &first->dims))
        return cz_step_error(step, err,
                             "input %zu is %s, the first %s: they differ "
                             "elsewhere than in axis %zu",
                             i, cz_dims_text(&x->dims, text),
                             cz_dims_text(&first->dims, want), axis);
    if (__builtin_add_overflow(y->size[axis], x->dims.size[axis],
                               &y->size[axis]))
        return cz_step_error(step, err, "the sum of axis %zu overflows", axis);
    return CZ_OK;
}

static enum cz_status shape_concat(struct cz_step *step, struct cz_error *err)
{
    struct join *p = step->params;
    const struct cz_array *first = step->inputs[0];
    struct cz_dims y = first->dims;
    CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    y.size[p->axis] = 0;
    for (size_t i = 0; i < step->n_inputs; i++)
        CZ_TRY(add_part(&y, step, i, p->axis, err));
    return cz_step_output(step, 0, first->dtype, &y, err);
}

static enum cz_status run_concat(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const struct join *p = step->params;
    struct cz_array *y = step->outputs[0];
    const size_t count = cz_dims_product(&y->dims, 0, p->axis);
    const size_t whole = cz_copy_row_bytes(y, p->axis);
    char *to = y->data;
    (void)err;
    if (!cz_array_count(y))
        return CZ_OK;
    for (size_t i = 0; i < step->n_inputs; i++) {
        size_t part = cz_copy_row_bytes(step->inputs[i], p->axis);
        cz_copy_rows(&(struct cz_rows){to, step->inputs[i]->data, whole, part,
                                       count, part},
                     exec);
        to += part;
    }
    return CZ_OK;
}

/* ---- Split ------------------------------------------------------------ */

struct split {
    int64_t number; /* the attribute axis */
    int64_t parts;  /* num_outputs, or 0 */
    struct cz_int_list sizes;
    size_t axis;
};

static enum cz_status parse_split(struct cz_step *step,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    struct split *p = step->params;
    p->number = cz_node_attr_int(node, "axis", 0);
    p->sizes = cz_node_int_list(node, "split");
    p->parts = cz_node_attr_int(node, "num_outputs", 0);
    if (p->parts && (p->parts < 0 || (size_t)p->parts != step->n_outputs))
        return cz_step_error(step, err,
                             "num_outputs is %" PRId64 ", it has %zu outputs",
                             p->parts, step->n_outputs);
    return CZ_OK;
}

/* The size of part i: of the input, the attribute, or all the same but for a
 * smaller last one. */
static int64_t part_size(const struct cz_step *step, size_t i)
{
    const struct split *p = step->params;
    const struct cz_array *sizes = cz_step_input(step, 1);
    const int64_t n = (int64_t)step->n_outputs;
    if (sizes)
        return sizes->dtype == CZ_DTYPE_INT64
                   ? ((const int64_t *)sizes->known)[i]
                   : ((const int32_t *)sizes->known)[i];
    if (p->sizes.ints)
        return p->sizes.ints[i];
    const int64_t size = step->inputs[0]->dims.size[p->axis];
    const int64_t part = size / n + (size % n != 0);
    return (int64_t)i < n - 1 ? part : size - part * (n - 1);
}

static enum cz_status check_part_count(const struct cz_step *step,
                                       struct cz_error *err)
{
    const struct split *p = step->params;
    const struct cz_array *sizes = cz_step_input(step, 1);
    const int64_t size = step->inputs[0]->dims.size[p->axis];
    const bool is_told = sizes || p->sizes.ints;
    size_t n = sizes ? cz_array_count(sizes) : p->sizes.count;
    if (is_told && n != step->n_outputs)
        return cz_step_error(step, err, "%zu sizes for %zu outputs", n,
                             step->n_outputs);
    if (!is_told && step->opset < 18 && size % (int64_t)step->n_outputs)
        return cz_step_error(step, err,
                             "axis %zu of %" PRId64
                             " cannot be split into %zu equal parts",
                             p->axis, size, step->n_outputs);
    return CZ_OK;
}

static enum cz_status shape_split(struct cz_step *step, struct cz_error *err)
{
    struct split *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const struct cz_array *sizes = cz_step_input(step, 1);
    struct cz_dims y = x->dims;
    CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    if (sizes && !sizes->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    CZ_TRY(check_part_count(step, err));
    int64_t rest = y.size[p->axis];
    for (size_t i = 0; i < step->n_outputs; i++) {
        const int64_t part = part_size(step, i);
        if (part < 0 || part > rest)
            return cz_step_error(step, err,
                                 "part %zu is %" PRId64 ", there are %" PRId64,
                                 i, part, rest);
        rest -= part;
        y.size[p->axis] = part;
        CZ_TRY(cz_step_output(step, i, x->dtype, &y, err));
    }
    if (rest)
        return cz_step_error(step, err,
                             "its parts leave %" PRId64 " of %" PRId64, rest,
                             x->dims.size[p->axis]);
    return CZ_OK;
}

static enum cz_status run_split(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    const struct split *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const size_t count = cz_dims_product(&x->dims, 0, p->axis);
    const size_t whole = cz_copy_row_bytes(x, p->axis);
    const char *from = x->data;
    (void)err;
    if (!cz_array_count(x))
        return CZ_OK;
    for (size_t i = 0; i < step->n_outputs; i++) {
        const struct cz_array *y = step->outputs[i];
        size_t part =
            cz_copy_row_bytes(x, p->axis + 1) * (size_t)part_size(step, i);
        if (y)
            cz_copy_rows(
                &(struct cz_rows){y->data, from, part, whole, count, part},
                exec);
        from += part;
    }
    return CZ_OK;
}

#define PARAMS(type) sizeof(struct type)

const struct cz_op cz_ops_join[] = {
    {"Concat", 4, 0, 1, SIZE_MAX, PARAMS(join), parse_concat, shape_concat,
     run_concat},
    /* 13: the sizes are an input; 18: num_outputs */
    {"Split", 2, 0, 1, 1, PARAMS(split), parse_split, shape_split, run_split},
    {"Split", 13, 0, 1, 2, PARAMS(split), parse_split, shape_split, run_split},
    {"Split", 18, 0, 1, 2, PARAMS(split), parse_split, shape_split, run_split},
    {.op_type = NULL},
};
