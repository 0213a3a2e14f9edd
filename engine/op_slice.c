/* Slice and Pad: by the ONNX operator specification. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"
#include "engine/op_facts_internal.h"

/* ---- Slice ------------------------------------------------------------ */

struct slice {
    struct cz_int_list starts, ends, axes; /* before opset 10 */
    struct cz_slice slice;                 /* told by shape() */
};

/* The operands, each as long as the first. */
struct slice_operands {
    struct cz_ints starts, ends, axes, steps;
};

static enum cz_status parse_slice(struct cz_step *step,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    struct slice *p = step->params;
    (void)err;
    p->starts = cz_node_int_list(node, "starts");
    p->ends = cz_node_int_list(node, "ends");
    p->axes = cz_node_int_list(node, "axes");
    return CZ_OK;
}

static enum cz_status read_slice(struct slice_operands *o,
                                 const struct cz_step *step, bool *is_known,
                                 struct cz_error *err)
{
    const struct slice *p = step->params;
    CZ_TRY(cz_step_read_ints(&o->starts, step, 1, &p->starts, err));
    CZ_TRY(cz_step_read_ints(&o->ends, step, 2, &p->ends, err));
    CZ_TRY(cz_step_read_ints(&o->axes, step, 3, &p->axes, err));
    CZ_TRY(cz_step_read_ints(&o->steps, step, 4, NULL, err));
    *is_known = o->starts.is_known && o->ends.is_known && o->axes.is_known &&
                o->steps.is_known;
    if (!*is_known)
        return CZ_OK;
    const size_t n = o->starts.count;
    if (o->ends.count != n || (o->axes.is_given && o->axes.count != n) ||
        (o->steps.is_given && o->steps.count != n))
        return cz_step_error(step, err,
                             "%zu starts, %zu ends, %zu axes, %zu steps", n,
                             o->ends.count, o->axes.count, o->steps.count);
    return CZ_OK;
}

static int64_t clamp(int64_t number, int64_t low, int64_t high)
{
    return number < low ? low : number > high ? high : number;
}

/* Counts from the end where the number is negative; below that is -1. */
static int64_t from_end(int64_t number, int64_t size)
{
    if (number >= 0)
        return number;
    return number < -size ? -1 : number + size;
}

/* Fixes *start and gives the number of elements; step is not 0. */
static int64_t slice_axis(int64_t *start, int64_t end, int64_t step,
                          int64_t size)
{
    int64_t first = from_end(*start, size), span;
    end = from_end(end, size);
    if (step > 0) {
        first = clamp(first, 0, size);
        span = clamp(end, 0, size) - first;
    } else {
        first = clamp(first, 0, size - 1);
        span = first - clamp(end, -1, size - 1);
        step = step == INT64_MIN ? INT64_MAX : -step;
    }
    *start = first;
    return size == 0 || span <= 0 ? 0 : (span - 1) / step + 1;
}

static enum cz_status shape_slice(struct cz_step *step, struct cz_error *err)
{
    struct slice *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = x->dims;
    struct slice_operands o;
    bool is_known, seen[CZ_RANK_MAX] = {false};
    CZ_TRY(read_slice(&o, step, &is_known, err));
    if (!is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    for (size_t i = 0; i < y.rank; i++) {
        p->slice.start[i] = 0;
        p->slice.step[i] = 1;
    }
    for (size_t i = 0; i < o.starts.count; i++) {
        size_t axis;
        CZ_TRY(cz_step_axis(step, o.axes.is_given ? o.axes.at[i] : (int64_t)i,
                            y.rank, &axis, err));
        if (seen[axis])
            return cz_step_error(step, err, "axis %zu is there twice", axis);
        seen[axis] = true;
        if (o.steps.is_given)
            p->slice.step[axis] = o.steps.at[i];
        if (p->slice.step[axis] == 0)
            return cz_step_error(step, err, "the step of axis %zu is 0", axis);
        p->slice.start[axis] = o.starts.at[i];
        y.size[axis] = slice_axis(&p->slice.start[axis], o.ends.at[i],
                                  p->slice.step[axis], x->dims.size[axis]);
    }
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status run_slice(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    const struct slice *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_array *y = step->outputs[0];
    struct cz_copy copy = {.element_bytes = cz_element_bytes(x->dtype)};
    ptrdiff_t from[CZ_RANK_MAX], to[CZ_RANK_MAX];
    const char *first = x->data;
    (void)err;
    if (!cz_array_count(y))
        return CZ_OK;
    cz_copy_strides(x, from);
    cz_copy_strides(y, to);
    for (size_t i = 0; i < y->dims.rank; i++) {
        /* The step of a single element may be any number. */
        ptrdiff_t step_bytes =
            y->dims.size[i] > 1 ? (ptrdiff_t)p->slice.step[i] * from[i] : 0;
        first += (ptrdiff_t)p->slice.start[i] * from[i];
        cz_copy_add_axis(&copy, (size_t)y->dims.size[i], to[i], step_bytes);
    }
    cz_copy_run(&copy, y->data, first, exec);
    return CZ_OK;
}

bool cz_op_slice(const struct cz_step *step, struct cz_slice *slice)
{
    if (step->is_dynamic)
        return false;
    *slice = ((const struct slice *)step->params)->slice;
    return true;
}

/* ---- Pad -------------------------------------------------------------- */

enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };

struct pad {
    enum pad_mode mode;
    struct cz_int_list pads; /* before opset 11, with the value */
    float value;
    /* Told by shape(): what is kept of each axis of the input (a negative pad
     * crops), and where it starts in the output. */
    int64_t crop[CZ_RANK_MAX], kept[CZ_RANK_MAX], before[CZ_RANK_MAX];
};

static enum cz_status parse_pad(struct cz_step *step,
                                const struct cz_node *node,
                                struct cz_error *err)
{
    static const char *const modes[] = {
        [PAD_CONSTANT] = "constant",
        [PAD_REFLECT] = "reflect",
        [PAD_EDGE] = "edge",
        [PAD_WRAP] = "wrap",
    };
    struct pad *p = step->params;
    const char *mode = cz_node_attr_string(node, "mode", "constant");
    p->pads = cz_node_int_list(node, "pads");
    if (step->opset < 11)
        p->value = cz_node_attr_float(node, "value", 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(mode, modes[i]) == 0) {
            p->mode = (enum pad_mode)i;
            return CZ_OK;
        }
    }
    return cz_step_unsupported(step, err, "mode '%.40s'", mode);
}

/* The pads of axis `axis`, which takes what it crops from the input. */
static enum cz_status pad_axis(struct cz_dims *y, const struct cz_step *step,
                               size_t axis, const int64_t pads[2],
                               struct cz_error *err)
{
    struct pad *p = step->params;
    const int64_t size = y->size[axis];
    const int64_t after = pads[1] > 0 ? pads[1] : 0;
    p->before[axis] = pads[0] > 0 ? pads[0] : 0;
    p->crop[axis] =
        pads[0] < 0 ? -(pads[0] + 1) : 0; /* one less: no overflow */
    bool fits = pads[0] >= 0 || p->crop[axis] < size;
    p->crop[axis] += pads[0] < 0 && fits;
    p->kept[axis] = size - p->crop[axis];
    fits &= pads[1] >= -p->kept[axis];
    if (fits && pads[1] < 0)
        p->kept[axis] += pads[1];
    if (!fits ||
        __builtin_add_overflow(p->kept[axis], p->before[axis],
                               &y->size[axis]) ||
        __builtin_add_overflow(y->size[axis], after, &y->size[axis]))
        return cz_step_error(step, err,
                             "pads of %" PRId64 " and %" PRId64
                             " for axis %zu of %" PRId64,
                             pads[0], pads[1], axis, size);
    if (p->mode != PAD_CONSTANT && !p->kept[axis] && y->size[axis])
        return cz_step_error(step, err, "axis %zu is empty: nothing to repeat",
                             axis);
    return CZ_OK;
}

static enum cz_status pad_axes(struct cz_dims *y, const struct cz_step *step,
                               const struct cz_ints *pads,
                               const struct cz_ints *axes, struct cz_error *err)
{
    const size_t n = axes->is_given ? axes->count : y->rank;
    bool seen[CZ_RANK_MAX] = {false};
    if (pads->count != 2 * n)
        return cz_step_error(step, err, "%zu pads for %zu axes", pads->count,
                             n);
    for (size_t i = 0; i < n; i++) {
        size_t axis = i;
        if (axes->is_given)
            CZ_TRY(cz_step_axis(step, axes->at[i], y->rank, &axis, err));
        if (seen[axis])
            return cz_step_error(step, err, "axis %zu is there twice", axis);
        seen[axis] = true;
        CZ_TRY(pad_axis(y, step, axis,
                        (int64_t[]){pads->at[i], pads->at[i + n]}, err));
    }
    return CZ_OK;
}

static enum cz_status shape_pad(struct cz_step *step, struct cz_error *err)
{
    struct pad *p = step->params;
    const struct cz_array *x = step->inputs[0], *value = cz_step_input(step, 2);
    struct cz_dims y = x->dims;
    struct cz_ints pads, axes;
    CZ_TRY(cz_step_read_ints(&pads, step, 1, &p->pads, err));
    CZ_TRY(cz_step_read_ints(&axes, step, 3, NULL, err));
    CZ_TRY(cz_step_want_dtype(step, 2, x->dtype, err));
    if (value && cz_array_count(value) != 1)
        return cz_step_error(step, err,
                             "constant_value has %zu numbers, want 1",
                             cz_array_count(value));
    if (step->opset < 11 && x->dtype != CZ_DTYPE_FLOAT && p->value != 0)
        return cz_step_unsupported(step, err, "a value for %s",
                                   cz_dtype_name(x->dtype));
    if (!pads.is_known || !axes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    for (size_t i = 0; i < y.rank; i++) {
        p->crop[i] = p->before[i] = 0;
        p->kept[i] = y.size[i];
    }
    CZ_TRY(pad_axes(&y, step, &pads, &axes, err));
    return cz_step_output(step, 0, x->dtype, &y, err);
}

/* Fills the output with the value and puts what is kept on top. */
static void pad_constant(const struct cz_step *step, const struct cz_exec *exec)
{
    const struct pad *p = step->params;
    const struct cz_array *x = step->inputs[0], *value = cz_step_input(step, 2);
    struct cz_array *y = step->outputs[0];
    const size_t bytes = cz_element_bytes(x->dtype);
    static const double zero = 0;
    const void *element = x->dtype == CZ_DTYPE_FLOAT ? (const void *)&p->value
                                                     : (const void *)&zero;
    struct cz_copy copy = {.element_bytes = bytes};
    ptrdiff_t from[CZ_RANK_MAX], to[CZ_RANK_MAX];
    const char *first = x->data;
    char *target = y->data;
    cz_copy_fill(y->data, value ? value->data : element, bytes,
                 cz_array_count(y));
    cz_copy_strides(x, from);
    cz_copy_strides(y, to);
    for (size_t i = 0; i < y->dims.rank; i++) {
        if (p->kept[i] == 0)
            return;
        first += (ptrdiff_t)p->crop[i] * from[i];
        target += (ptrdiff_t)p->before[i] * to[i];
        cz_copy_add_axis(&copy, (size_t)p->kept[i], to[i], from[i]);
    }
    cz_copy_run(&copy, target, first, exec);
}

/* The position in 0..n-1 that is seen at position `at` outside of it. */
static int64_t mirror(enum pad_mode mode, int64_t at, int64_t n)
{
    if (mode == PAD_EDGE || n == 1)
        return clamp(at, 0, n - 1);
    const int64_t period = mode == PAD_WRAP ? n : 2 * (n - 1);
    at %= period;
    if (at < 0)
        at += period;
    return at < n ? at : period - at;
}

/* The input's element for position `at` of an axis of the output. */
static ptrdiff_t padded_from(const struct pad *p, size_t axis, int64_t at)
{
    return (ptrdiff_t)(p->crop[axis] +
                       mirror(p->mode, at - p->before[axis], p->kept[axis]));
}

struct pad_job {
    const struct cz_step *step;
    ptrdiff_t strides[CZ_RANK_MAX]; /* of the input */
};

/* Row i of the output: borders element by element around a run. */
static void pad_row(void *user, size_t i)
{
    const struct pad_job *job = user;
    const struct pad *p = job->step->params;
    const struct cz_array *x = job->step->inputs[0];
    struct cz_array *y = job->step->outputs[0];
    const size_t bytes = cz_element_bytes(x->dtype), last = y->dims.rank - 1;
    const int64_t columns = y->dims.size[last];
    const int64_t run = p->before[last], run_end = run + p->kept[last];
    char *to = (char *)y->data + i * (size_t)columns * bytes;
    const char *from = x->data;
    for (size_t a = last; a-- > 0; i /= (size_t)y->dims.size[a])
        from += job->strides[a] *
                padded_from(p, a, (int64_t)(i % (size_t)y->dims.size[a]));
    for (int64_t c = 0; c < columns; c++) {
        if (c == run) {
            memcpy(to + (size_t)c * bytes, from + (size_t)p->crop[last] * bytes,
                   (size_t)p->kept[last] * bytes);
            c = run_end;
        }
        if (c < columns)
            memcpy(to + (size_t)c * bytes,
                   from + padded_from(p, last, c) * (ptrdiff_t)bytes, bytes);
    }
}

static enum cz_status run_pad(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    const struct pad *p = step->params;
    struct cz_array *y = step->outputs[0];
    const size_t rank = y->dims.rank;
    (void)err;
    if (!cz_array_count(y))
        return CZ_OK;
    if (p->mode == PAD_CONSTANT || rank == 0) {
        pad_constant(step, exec);
        return CZ_OK;
    }
    struct pad_job job = {.step = step};
    cz_copy_strides(step->inputs[0], job.strides);
    cz_team_for(exec, cz_dims_product(&y->dims, 0, rank - 1), pad_row, &job);
    return CZ_OK;
}

#define PARAMS(type) sizeof(struct type)

const struct cz_op cz_ops_slice[] = {
    /* 10: the operands are inputs, with steps */
    {"Slice", 1, 0, 1, 1, PARAMS(slice), parse_slice, shape_slice, run_slice},
    {"Slice", 10, 0, 3, 5, PARAMS(slice), NULL, shape_slice, run_slice},
    /* 11: the operands are inputs; 18: axes; 19: mode 'wrap' */
    {"Pad", 2, 0, 1, 1, PARAMS(pad), parse_pad, shape_pad, run_pad},
    {"Pad", 11, 0, 2, 3, PARAMS(pad), parse_pad, shape_pad, run_pad},
    {"Pad", 18, 0, 2, 4, PARAMS(pad), parse_pad, shape_pad, run_pad},
    {"Pad", 19, 0, 2, 4, PARAMS(pad), parse_pad, shape_pad, run_pad},
    {.op_type = NULL},
};
