/* Reductions over any axes, by the ONNX operator specification: the axes are an
 * attribute up to opset 17 (ReduceSum: 12), then an input. What is reduced over
 * no elements gives what the operator starts with: 0, 1, an infinity.
 *
 * The array is dense, so that neighbouring dimensions that are both reduced or
 * both kept are one. The last of them, in which memory runs on, is the inner
 * loop: a run into one result, or a row into a row of results. */
#include <math.h>
#include <string.h>

#include "engine/attr_internal.h"
#include "engine/scalar_internal.h"

/* Elements that one thread takes at a time, at least. */
#define CHUNK ((size_t)16384)

/* Partial results of a run: the compiler keeps them in vectors. */
#define LANES 8

/* What is done to the result of folding. */
enum finish { FINISH_NONE, FINISH_MEAN, FINISH_ROOT, FINISH_LOG, FINISH_LSE };

/* One operator on one type: fills results with what to start with; folds a run
 * of n elements into one result, or n elements into n results; finishes n
 * results, each made of `parts` elements. */
struct fold {
    void (*start)(void *y, size_t n);
    void (*run)(void *y, const void *x, size_t n);
    void (*row)(void *y, const void *x, size_t n);
};

struct reduction {
    const char *op_type;
    enum finish finish;
    struct fold of[CZ_DTYPE_COUNT];
};

struct reduce_params {
    const struct reduction *reduction;
    bool keepdims, noop_with_empty_axes, has_axes_input;
    size_t n_axes;
    int64_t axes[CZ_RANK_MAX];
    /* By shape(): */
    bool reduced[CZ_RANK_MAX];
};

/* ---- folding ---------------------------------------------------------- */

#define SAME(v) (v)
#define SQUARE(v) ((v) * (v))
#define MAGNITUDE(v) fabs(v)
#define PLUS(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#define LARGER(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define SMALLER(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))

/* join(result, map(element)), in type A within a run and B within a row. */
#define FOLD(op, name, T, A, B, first, map, join)                              \
    static void op##_start_##name(void *results, size_t n)                     \
    {                                                                          \
        T *y = results;                                                        \
        for (size_t i = 0; i < n; i++)                                         \
            y[i] = (T)(first);                                                 \
    }                                                                          \
    static void op##_run_##name(void *results, const void *elements, size_t n) \
    {                                                                          \
        const T *x = elements;                                                 \
        T *y = results;                                                        \
        A lanes[LANES], all = (A)*y;                                           \
        size_t i = 0;                                                          \
        for (size_t k = 0; k < LANES; k++)                                     \
            lanes[k] = (A)(first);                                             \
        for (; i + LANES <= n; i += LANES) {                                   \
            for (size_t k = 0; k < LANES; k++) {                               \
                const A v = (A)x[i + k];                                       \
                lanes[k] = (A)join(lanes[k], map(v));                          \
            }                                                                  \
        }                                                                      \
        for (; i < n; i++) {                                                   \
            const A v = (A)x[i];                                               \
            all = (A)join(all, map(v));                                        \
        }                                                                      \
        for (size_t k = 0; k < LANES; k++)                                     \
            all = (A)join(all, lanes[k]);                                      \
        *y = (T)all;                                                           \
    }                                                                          \
    static void op##_row_##name(void *results, const void *elements, size_t n) \
    {                                                                          \
        const T *x = elements;                                                 \
        T *y = results;                                                        \
        for (size_t i = 0; i < n; i++) {                                       \
            const B u = (B)y[i], v = (B)x[i];                                  \
            y[i] = (T)join(u, map(v));                                         \
        }                                                                      \
    }

#define SUMS_OF_FLOATS(dtype, T, name, low, high)                              \
    FOLD(sum, name, T, double, T, 0, SAME, PLUS)                               \
    FOLD(square, name, T, double, T, 0, SQUARE, PLUS)                          \
    FOLD(magnitude, name, T, double, T, 0, (T)MAGNITUDE, PLUS)                 \
    FOLD(product, name, T, double, T, 1, SAME, TIMES)                          \
    FOLD(max, name, T, T, T, -INFINITY, SAME, LARGER)                          \
    FOLD(min, name, T, T, T, INFINITY, SAME, SMALLER)
CZ_EACH_FLOAT(SUMS_OF_FLOATS)

/* The magnitude of a number that wrapped into uint64_t. */
#define UNWRAPPED(v) ((v) >> 63 ? 0 - (v) : (v))
#define U64 uint64_t

/* Sums wrap around. */
#define SUMS_OF_INTS(name, T)                                                  \
    FOLD(sum, name, T, U64, U64, 0, SAME, PLUS)                                \
    FOLD(square, name, T, U64, U64, 0, SQUARE, PLUS)                           \
    FOLD(product, name, T, U64, U64, 1, SAME, TIMES)
SUMS_OF_INTS(i32, int32_t)
SUMS_OF_INTS(i64, int64_t)
SUMS_OF_INTS(u32, uint32_t)
SUMS_OF_INTS(u64, uint64_t)
FOLD(magnitude, i32, int32_t, U64, U64, 0, UNWRAPPED, PLUS)
FOLD(magnitude, i64, int64_t, U64, U64, 0, UNWRAPPED, PLUS)

#define LIMITS_OF_INTS(dtype, T, name, low, high)                              \
    FOLD(max, name, T, T, T, low, SAME, LARGER)                                \
    FOLD(min, name, T, T, T, high, SAME, SMALLER)
CZ_EACH_INT(LIMITS_OF_INTS)
FOLD(max, b8, uint8_t, uint8_t, uint8_t, 0, SAME, LARGER)
FOLD(min, b8, uint8_t, uint8_t, uint8_t, 1, SAME, SMALLER)

/* ---- finishing -------------------------------------------------------- */

#define FINISH(name, T)                                                        \
    static void finish_##name(void *results, size_t n, enum finish finish,     \
                              size_t parts)                                    \
    {                                                                          \
        T *y = results;                                                        \
        for (size_t i = 0; finish == FINISH_MEAN && i < n; i++)                \
            y[i] = cz_##name##_saturate((double)y[i] / (double)parts);         \
        for (size_t i = 0; finish == FINISH_ROOT && i < n; i++)                \
            y[i] = cz_##name##_saturate(sqrt((double)y[i]));                   \
        for (size_t i = 0; finish == FINISH_LOG && i < n; i++)                 \
            y[i] = cz_##name##_saturate(log((double)y[i]));                    \
    }
FINISH(f32, float)
FINISH(f64, double)
FINISH(i32, int32_t)
FINISH(i64, int64_t)
FINISH(u32, uint32_t)
FINISH(u64, uint64_t)

static void finish(const struct cz_array *output, void *y, size_t n,
                   enum finish kind, size_t parts)
{
    switch (output->dtype) {
    case CZ_DTYPE_FLOAT:
        finish_f32(y, n, kind, parts);
        break;
    case CZ_DTYPE_DOUBLE:
        finish_f64(y, n, kind, parts);
        break;
    case CZ_DTYPE_INT32:
        finish_i32(y, n, kind, parts);
        break;
    case CZ_DTYPE_INT64:
        finish_i64(y, n, kind, parts);
        break;
    case CZ_DTYPE_UINT32:
        finish_u32(y, n, kind, parts);
        break;
    case CZ_DTYPE_UINT64:
        finish_u64(y, n, kind, parts);
        break;
    default: /* only Max and Min have more types, and nothing to finish */
        break;
    }
}

/* ---- the list --------------------------------------------------------- */

#define OF(op, dtype, name)                                                    \
    .of[CZ_DTYPE_##dtype] = {op##_start_##name, op##_run_##name,               \
                             op##_row_##name}
#define OF_FLOATS(op) OF(op, FLOAT, f32), OF(op, DOUBLE, f64)
#define OF_SIGNED(op) OF_FLOATS(op), OF(op, INT32, i32), OF(op, INT64, i64)
#define OF_SUMS(op) OF_SIGNED(op), OF(op, UINT32, u32), OF(op, UINT64, u64)
#define OF_LIMITS(op)                                                          \
    OF_SUMS(op), OF(op, INT8, i8), OF(op, INT16, i16), OF(op, UINT8, u8),      \
        OF(op, UINT16, u16), OF(op, BOOL, b8)

static const struct reduction reductions[] = {
    {"ReduceSum", FINISH_NONE, OF_SUMS(sum)},
    {"ReduceMean", FINISH_MEAN, OF_SUMS(sum)},
    {"ReduceMax", FINISH_NONE, OF_LIMITS(max)},
    {"ReduceMin", FINISH_NONE, OF_LIMITS(min)},
    {"ReduceProd", FINISH_NONE, OF_SUMS(product)},
    {"ReduceL1", FINISH_NONE, OF_SIGNED(magnitude)},
    {"ReduceL2", FINISH_ROOT, OF_SUMS(square)},
    {"ReduceLogSum", FINISH_LOG, OF_SUMS(sum)},
    {"ReduceLogSumExp", FINISH_LSE, OF_FLOATS(max)},
    {"ReduceSumSquare", FINISH_NONE, OF_SUMS(square)},
};

/* ---- walking ---------------------------------------------------------- */

/* Dimensions of one kind, and their strides in the input. */
struct side {
    size_t rank;
    size_t size[CZ_RANK_MAX], stride[CZ_RANK_MAX];
};

struct walk {
    const struct cz_array *input;
    struct cz_array *output;
    const struct reduction *reduction;
    struct side kept, reduced; /* without the inner dimension */
    size_t run, row;           /* of the inner one; the other is 1 */
    size_t folds;              /* of runs or rows into each result */
    size_t count;              /* results */
    size_t chunk;              /* of results */
    size_t bytes;              /* of an element */
};

static size_t side_count(const struct side *side)
{
    size_t count = 1;
    for (size_t d = 0; d < side->rank; d++)
        count *= side->size[d];
    return count;
}

/* Where element i of a side is in the input. */
static size_t side_offset(const struct side *side, size_t i)
{
    size_t offset = 0;
    for (size_t d = side->rank; d-- > 0; i /= side->size[d])
        offset += i % side->size[d] * side->stride[d];
    return offset;
}

static void set_sides(struct walk *walk, const bool *reduced)
{
    const struct cz_dims *dims = &walk->input->dims;
    size_t strides[CZ_RANK_MAX];
    struct side *last = NULL;
    cz_dims_strides(dims, strides);
    for (size_t d = 0; d < dims->rank; d++) {
        struct side *side = reduced[d] ? &walk->reduced : &walk->kept;
        if (dims->size[d] == 1)
            continue;
        if (side != last)
            side->size[side->rank++] = 1;
        side->size[side->rank - 1] *= (size_t)dims->size[d];
        side->stride[side->rank - 1] = strides[d];
        last = side;
    }
    walk->run = walk->row = 1;
    if (last == &walk->reduced)
        walk->run = last->size[--last->rank];
    else if (last)
        walk->row = last->size[--last->rank];
}

/* Log of the sum of exponentials of the elements of one result, which holds
 * their maximum. */
#define LOG_SUM_EXP(dtype, T, name, low, high)                                 \
    static void log_sum_exp_##name(const struct walk *walk, size_t from, T *y) \
    {                                                                          \
        const double most = *y;                                                \
        double sum = 0;                                                        \
        if (!isfinite(most))                                                   \
            return;                                                            \
        for (size_t i = 0; i < walk->folds; i++) {                             \
            const T *x = (const T *)walk->input->data + from +                 \
                         side_offset(&walk->reduced, i);                       \
            for (size_t k = 0; k < walk->run; k++)                             \
                sum += exp((double)x[k] - most);                               \
        }                                                                      \
        *y = (T)(most + log(sum));                                             \
    }
CZ_EACH_FLOAT(LOG_SUM_EXP)

static void log_sum_exp(const struct walk *walk, size_t from, void *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (walk->input->dtype == CZ_DTYPE_FLOAT)
            log_sum_exp_f32(walk, from + i, (float *)y + i);
        else
            log_sum_exp_f64(walk, from + i, (double *)y + i);
    }
}

/* The n results from `at` on, all of one row. */
static void reduce_row(const struct walk *walk, size_t at, size_t n)
{
    const struct reduction *reduction = walk->reduction;
    const struct fold *fold = &reduction->of[walk->input->dtype];
    const size_t from =
        side_offset(&walk->kept, at / walk->row) + at % walk->row;
    const char *x = (const char *)walk->input->data + from * walk->bytes;
    char *y = (char *)walk->output->data + at * walk->bytes;
    fold->start(y, n);
    for (size_t i = 0; i < walk->folds; i++) {
        const char *part = x + side_offset(&walk->reduced, i) * walk->bytes;
        if (walk->row > 1)
            fold->row(y, part, n);
        else
            fold->run(y, part, walk->run);
    }
    if (reduction->finish == FINISH_LSE)
        log_sum_exp(walk, from, y, n);
    else if (reduction->finish != FINISH_NONE)
        finish(walk->output, y, n, reduction->finish, walk->folds * walk->run);
}

static void reduce_chunk(void *user, size_t chunk)
{
    const struct walk *walk = user;
    const size_t begin = chunk * walk->chunk, left = walk->count - begin;
    const size_t end = begin + (left < walk->chunk ? left : walk->chunk);
    for (size_t at = begin; at < end;) {
        const size_t in_row = walk->row - at % walk->row;
        const size_t n = end - at < in_row ? end - at : in_row;
        reduce_row(walk, at, n);
        at += n;
    }
}

/* ---- the operator ----------------------------------------------------- */

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct reduce_params *p = step->params;
    const struct cz_attrs_list axes = {p->axes, CZ_RANK_MAX, CZ_RANGE_ANY};
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++) {
        if (strcmp(reductions[i].op_type, step->op->op_type) == 0)
            p->reduction = &reductions[i];
    }
    p->has_axes_input = step->op->since >= 13;
    p->keepdims = true;
    CZ_TRY(cz_attrs_bool(&attrs, "keepdims", &p->keepdims));
    if (!p->has_axes_input)
        return cz_attrs_ints(&attrs, "axes", axes, &p->n_axes);
    return cz_attrs_bool(&attrs, "noop_with_empty_axes",
                         &p->noop_with_empty_axes);
}

/* Which dimensions are reduced; none named is all of them or none: then each
 * element is a result of its own, |x| for ReduceL2, as ONNX Runtime has it. */
static enum cz_status set_reduced(const struct cz_step *step,
                                  struct cz_error *err)
{
    struct reduce_params *p = step->params;
    const size_t rank = step->inputs[0]->dims.rank;
    size_t axis;
    for (size_t d = 0; d < rank; d++)
        p->reduced[d] = p->n_axes == 0 && !p->noop_with_empty_axes;
    for (size_t i = 0; i < p->n_axes; i++) {
        CZ_TRY(cz_step_axis(step, p->axes[i], rank, &axis, err));
        if (p->reduced[axis])
            return cz_step_error(step, err, "axis %zu is named twice", axis);
        p->reduced[axis] = true;
    }
    return CZ_OK;
}

static enum cz_status shape(struct cz_step *step, struct cz_error *err)
{
    struct reduce_params *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_dims dims = {.rank = 0};
    if (!p->reduction->of[x->dtype].start)
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    if (p->has_axes_input) {
        struct cz_int_room axes = {.ints = p->axes, .capacity = CZ_RANK_MAX};
        CZ_TRY(cz_step_ints(&axes, step, 1, err));
        p->n_axes = axes.count;
        if (!axes.is_known) {
            cz_step_set_dynamic(step);
            return CZ_OK;
        }
    }
    CZ_TRY(set_reduced(step, err));
    for (size_t d = 0; d < x->dims.rank; d++) {
        if (!p->reduced[d])
            dims.size[dims.rank++] = x->dims.size[d];
        else if (p->keepdims)
            dims.size[dims.rank++] = 1;
    }
    return cz_step_output(step, 0, x->dtype, &dims, err);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    const struct reduce_params *p = step->params;
    struct walk walk = {
        .input = step->inputs[0],
        .output = step->outputs[0],
        .reduction = p->reduction,
        .count = cz_array_count(step->outputs[0]),
        .bytes = cz_element_bytes(step->outputs[0]->dtype),
    };
    if (walk.count == 0)
        return CZ_OK;
    set_sides(&walk, p->reduced);
    walk.folds = cz_array_count(walk.input) ? side_count(&walk.reduced) : 0;
    walk.chunk = CHUNK / (walk.folds * walk.run + 1) + 1;
    cz_team_for(exec, (walk.count - 1) / walk.chunk + 1, reduce_chunk, &walk);
    return CZ_OK;
}

#define ROW(name, version)                                                     \
    {                                                                          \
        .op_type = name, .since = version, .min_inputs = 1,                    \
        .max_inputs = (version) < 13 ? 1 : 2,                                  \
        .params_size = sizeof(struct reduce_params), .parse = parse,           \
        .shape = shape, .run = run                                             \
    }

const struct cz_op cz_ops_reduce[] = {
    ROW("ReduceSum", 1),       ROW("ReduceSum", 13),
    ROW("ReduceMean", 1),      ROW("ReduceMean", 18),
    ROW("ReduceMax", 1),       ROW("ReduceMax", 18),
    ROW("ReduceMin", 1),       ROW("ReduceMin", 18),
    ROW("ReduceProd", 1),      ROW("ReduceProd", 18),
    ROW("ReduceL1", 1),        ROW("ReduceL1", 18),
    ROW("ReduceL2", 1),        ROW("ReduceL2", 18),
    ROW("ReduceLogSum", 1),    ROW("ReduceLogSum", 18),
    ROW("ReduceLogSumExp", 1), ROW("ReduceLogSumExp", 18),
    ROW("ReduceSumSquare", 1), ROW("ReduceSumSquare", 18),
    {.op_type = NULL},
};
