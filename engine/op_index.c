/* Operators that make arrays of shapes and numbers: Shape, Size,
 * ConstantOfShape, Constant, Range, EyeLike. By the ONNX operator
 * specification. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/half.h"
#include "engine/element_internal.h"

static const struct cz_dims scalar = {.rank = 0};

/* ---- Shape, Size ------------------------------------------------------ */

struct shape {
    int64_t start, end;
    size_t from, to; /* the same, as axes */
};

static enum cz_status parse_shape(struct cz_step *step,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    struct shape *p = step->params;
    (void)err;
    p->start = 0;
    p->end = INT64_MAX;
    if (step->opset >= 15) {
        p->start = cz_node_attr_int(node, "start", 0);
        p->end = cz_node_attr_int(node, "end", INT64_MAX);
    }
    return CZ_OK;
}

/* Counts from the end where it is negative, and stays in 0..rank. */
static size_t clamp_axis(int64_t axis, size_t rank)
{
    const int64_t n = (int64_t)rank;
    if (axis < -n)
        return 0;
    if (axis > n)
        return rank;
    return (size_t)(axis < 0 ? axis + n : axis);
}

static enum cz_status shape_shape(struct cz_step *step, struct cz_error *err)
{
    struct shape *p = step->params;
    const size_t rank = step->inputs[0]->dims.rank;
    p->from = clamp_axis(p->start, rank);
    p->to = clamp_axis(p->end, rank);
    if (p->to < p->from)
        p->to = p->from;
    const struct cz_dims y = {.rank = 1, .size = {(int64_t)(p->to - p->from)}};
    return cz_step_output(step, 0, CZ_DTYPE_INT64, &y, err);
}

static enum cz_status run_shape(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    const struct shape *p = step->params;
    (void)exec;
    (void)err;
    memcpy(step->outputs[0]->data, step->inputs[0]->dims.size + p->from,
           (p->to - p->from) * sizeof(int64_t));
    return CZ_OK;
}

static enum cz_status shape_size(struct cz_step *step, struct cz_error *err)
{
    return cz_step_output(step, 0, CZ_DTYPE_INT64, &scalar, err);
}

static enum cz_status run_size(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)exec;
    (void)err;
    *(int64_t *)step->outputs[0]->data =
        (int64_t)cz_array_count(step->inputs[0]);
    return CZ_OK;
}

/* ---- Constant, ConstantOfShape ---------------------------------------- */

struct constant {
    struct cz_elements elements;
    enum cz_dtype dtype; /* float32 for half precision */
    struct cz_dims dims;
};

static enum cz_status read_tensor(struct constant *p, struct cz_step *step,
                                  struct cz_tensor *tensor,
                                  struct cz_error *err)
{
    p->dtype = cz_inner_dtype(tensor->dtype);
    if (tensor->rank > CZ_RANK_MAX || !cz_element_bytes(p->dtype))
        return cz_step_unsupported(step, err, "%zu dimensions of %s",
                                   tensor->rank, cz_dtype_name(tensor->dtype));
    p->dims.rank = tensor->rank;
    for (size_t i = 0; i < tensor->rank; i++)
        p->dims.size[i] = tensor->dims[i];
    return cz_tensor_elements(tensor, &p->elements, err);
}

/* Element i, as the engine has it. */
static void read_element(void *to, const struct constant *p, size_t i)
{
    const char *from = (const char *)p->elements.data + i * p->elements.stride;
    if (cz_is_half(p->elements.dtype)) {
        float x = (float)cz_elements_get(&p->elements, i);
        memcpy(to, &x, sizeof x);
    } else {
        memcpy(to, from, cz_element_bytes(p->dtype));
    }
}

static enum cz_status parse_constant(struct cz_step *step,
                                     const struct cz_node *node,
                                     struct cz_error *err)
{
    const struct cz_value *value = node->outputs[0];
    if (!value->constant)
        return cz_step_unsupported(step, err, "it holds no dense numbers");
    return read_tensor(step->params, step, value->constant, err);
}

static enum cz_status shape_constant(struct cz_step *step, struct cz_error *err)
{
    const struct constant *p = step->params;
    return cz_step_output(step, 0, p->dtype, &p->dims, err);
}

static enum cz_status run_constant(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct constant *p = step->params;
    char *to = step->outputs[0]->data;
    (void)exec;
    (void)err;
    for (size_t i = 0; i < p->elements.count; i++)
        read_element(to + i * cz_element_bytes(p->dtype), p, i);
    return CZ_OK;
}

static enum cz_status parse_constant_of_shape(struct cz_step *step,
                                              const struct cz_node *node,
                                              struct cz_error *err)
{
    struct constant *p = step->params;
    const struct cz_attr *value = cz_node_attr(node, "value");
    p->dtype = CZ_DTYPE_FLOAT;
    if (!value)
        return CZ_OK;
    if (value->kind != CZ_ATTR_TENSOR || value->tensors[0]->count != 1)
        return cz_step_error(step, err, "its value is not one number");
    return read_tensor(p, step, value->tensors[0], err);
}

static enum cz_status shape_constant_of_shape(struct cz_step *step,
                                              struct cz_error *err)
{
    const struct constant *p = step->params;
    struct cz_dims y = {0};
    struct cz_int_room sizes = {.ints = y.size, .capacity = CZ_RANK_MAX};
    CZ_TRY(cz_step_ints(&sizes, step, 0, err));
    if (!sizes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    y.rank = sizes.count;
    return cz_step_output(step, 0, p->dtype, &y, err);
}

static enum cz_status run_constant_of_shape(struct cz_step *step,
                                            const struct cz_exec *exec,
                                            struct cz_error *err)
{
    const struct constant *p = step->params;
    struct cz_array *y = step->outputs[0];
    uint64_t element = 0;
    (void)exec;
    (void)err;
    if (p->elements.count)
        read_element(&element, p, 0);
    cz_copy_fill(y->data, &element, cz_element_bytes(p->dtype),
                 cz_array_count(y));
    return CZ_OK;
}

/* ---- Range ------------------------------------------------------------ */

/* One of its operands. */
union number {
    double real;
    int64_t whole;
};

static union number read_number(const struct cz_array *array)
{
    const void *x = array->known;
    switch (array->dtype) {
    case CZ_DTYPE_FLOAT:
        return (union number){.real = (double)*(const float *)x};
    case CZ_DTYPE_DOUBLE:
        return (union number){.real = *(const double *)x};
    case CZ_DTYPE_INT16:
        return (union number){.whole = *(const int16_t *)x};
    case CZ_DTYPE_INT32:
        return (union number){.whole = *(const int32_t *)x};
    default:
        return (union number){.whole = *(const int64_t *)x};
    }
}

/* How many steps of `delta` there are before `limit`; infinite for nonsense. */
static double count_range(const struct cz_step *step)
{
    const union number start = read_number(step->inputs[0]);
    const union number limit = read_number(step->inputs[1]);
    const union number delta = read_number(step->inputs[2]);
    if (cz_dtype_is_float(step->inputs[0]->dtype)) {
        double n = ceil((limit.real - start.real) / delta.real);
        return isnan(n) ? INFINITY : n > 0 ? n : 0;
    }
    if (delta.whole == 0)
        return INFINITY;
    if (delta.whole > 0 ? start.whole >= limit.whole
                        : start.whole <= limit.whole)
        return 0;
    uint64_t span = (uint64_t)limit.whole - (uint64_t)start.whole;
    uint64_t stride = (uint64_t)delta.whole;
    if (delta.whole < 0) {
        span = 0 - span;
        stride = 0 - stride;
    }
    return (double)((span - 1) / stride + 1);
}

static enum cz_status shape_range(struct cz_step *step, struct cz_error *err)
{
    const enum cz_dtype dtype = step->inputs[0]->dtype;
    bool is_known = true;
    if (!cz_dtype_is_float(dtype) && dtype != CZ_DTYPE_INT16 &&
        dtype != CZ_DTYPE_INT32 && dtype != CZ_DTYPE_INT64)
        return cz_step_unsupported(step, err, "element type %s",
                                   cz_dtype_name(dtype));
    for (size_t i = 0; i < 3; i++) {
        CZ_TRY(cz_step_want_dtype(step, i, dtype, err));
        if (cz_array_count(step->inputs[i]) != 1)
            return cz_step_error(step, err, "input %zu has %zu numbers, want 1",
                                 i, cz_array_count(step->inputs[i]));
        is_known &= step->inputs[i]->known != NULL;
    }
    if (!is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    const double n = count_range(step);
    if (!(n < 1e15))
        return cz_step_error(step, err, "it would make %g numbers", n);
    const struct cz_dims y = {.rank = 1, .size = {(int64_t)n}};
    return cz_step_output(step, 0, dtype, &y, err);
}

/* Unsigned arithmetic: the last sum may leave the type. */
#define FILL_RANGE(type, wide)                                                 \
    do {                                                                       \
        const wide first = (wide) * (const type *)step->inputs[0]->data;       \
        const wide delta = (wide) * (const type *)step->inputs[2]->data;       \
        for (size_t i = 0; i < n; i++)                                         \
            ((type *)y->data)[i] = (type)(first + (wide)i * delta);            \
    } while (0)

static enum cz_status run_range(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    struct cz_array *y = step->outputs[0];
    const size_t n = cz_array_count(y);
    (void)exec;
    (void)err;
    switch (y->dtype) {
    case CZ_DTYPE_FLOAT:
        FILL_RANGE(float, float);
        break;
    case CZ_DTYPE_DOUBLE:
        FILL_RANGE(double, double);
        break;
    case CZ_DTYPE_INT16:
        FILL_RANGE(int16_t, uint64_t);
        break;
    case CZ_DTYPE_INT32:
        FILL_RANGE(int32_t, uint64_t);
        break;
    default:
        FILL_RANGE(int64_t, uint64_t);
        break;
    }
    return CZ_OK;
}

/* ---- EyeLike ---------------------------------------------------------- */

struct eye {
    int64_t dtype, diagonal;
};

static enum cz_status parse_eye(struct cz_step *step,
                                const struct cz_node *node,
                                struct cz_error *err)
{
    struct eye *p = step->params;
    p->dtype = cz_node_attr_int(node, "dtype", CZ_DTYPE_UNDEFINED);
    p->diagonal = cz_node_attr_int(node, "k", 0);
    if (p->dtype < 0 || p->dtype >= CZ_DTYPE_COUNT)
        return cz_step_error(step, err, "dtype is %" PRId64, p->dtype);
    if (cz_is_half((enum cz_dtype)p->dtype))
        p->dtype = CZ_DTYPE_FLOAT;
    return CZ_OK;
}

static enum cz_status shape_eye(struct cz_step *step, struct cz_error *err)
{
    const struct eye *p = step->params;
    const struct cz_array *x = step->inputs[0];
    CZ_TRY(cz_step_want_rank(step, 0, 2, err));
    return cz_step_output(
        step, 0, p->dtype ? (enum cz_dtype)p->dtype : x->dtype, &x->dims, err);
}

static enum cz_status run_eye(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    const struct eye *p = step->params;
    struct cz_array *y = step->outputs[0];
    const int64_t rows = y->dims.size[0], columns = y->dims.size[1];
    const size_t bytes = cz_element_bytes(y->dtype);
    char *to = y->data;
    (void)exec;
    (void)err;
    memset(to, 0, cz_copy_array_bytes(y));
    if (!cz_array_count(y) || p->diagonal >= columns || p->diagonal <= -rows)
        return CZ_OK;
    int64_t row = p->diagonal < 0 ? -p->diagonal : 0;
    for (; row < rows && row + p->diagonal < columns; row++)
        memcpy(to + (size_t)(row * columns + row + p->diagonal) * bytes,
               cz_element_one(y->dtype), bytes);
    return CZ_OK;
}

#define PARAMS(type) sizeof(struct type)

const struct cz_op cz_ops_index[] = {
    /* 15: start and end */
    {"Shape", 1, CZ_OP_OF_SHAPE, 1, 1, PARAMS(shape), parse_shape, shape_shape,
     run_shape},
    {"Shape", 15, CZ_OP_OF_SHAPE, 1, 1, PARAMS(shape), parse_shape, shape_shape,
     run_shape},
    {"Size", 1, CZ_OP_OF_SHAPE, 1, 1, 0, NULL, shape_size, run_size},
    {"EyeLike", 9, CZ_OP_OF_SHAPE, 1, 1, PARAMS(eye), parse_eye, shape_eye,
     run_eye},
    {"Constant", 1, 0, 0, 0, PARAMS(constant), parse_constant, shape_constant,
     run_constant},
    {"ConstantOfShape", 9, 0, 1, 1, PARAMS(constant), parse_constant_of_shape,
     shape_constant_of_shape, run_constant_of_shape},
    {"Range", 11, 0, 3, 3, 0, NULL, shape_range, run_range},
    {.op_type = NULL},
};
