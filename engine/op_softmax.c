/* Softmax, LogSoftmax, Hardmax and CumSum: along an axis, by the ONNX operator
 * specification. Up to opset 12 the softmaxes take all dimensions from `axis`
 * on as one. */
#include <string.h>
#include <tgmath.h>

#include "engine/attr_internal.h"
#include "engine/lines_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/scalar_internal.h"

/* ---- softmaxes -------------------------------------------------------- */

/* One line whose elements are neighbours. Sums are double: lines may be as
 * long as an image is large. */
#define SOFTMAX_LINE(dtype, T, name, low, high)                                \
    static void softmax_line_##name(const struct cz_tile *tile, bool is_log)   \
    {                                                                          \
        const size_t n = tile->length;                                         \
        const T *x = tile->x;                                                  \
        T *y = tile->y, most = x[0];                                           \
        double sum = 0;                                                        \
        for (size_t k = 1; k < n; k++)                                         \
            most = x[k] > most ? x[k] : most;                                  \
        for (size_t k = 0; k < n; k++)                                         \
            sum += (double)(y[k] = exp(x[k] - most));                          \
        const T shift = most + (T)log(sum), scale = (T)sum;                    \
        for (size_t k = 0; is_log && k < n; k++)                               \
            y[k] = x[k] - shift;                                               \
        for (size_t k = 0; !is_log && k < n; k++)                              \
            y[k] /= scale;                                                     \
    }
CZ_EACH_FLOAT(SOFTMAX_LINE)

/* Lines side by side. */
#define SOFTMAX_TILE(dtype, T, name, low, high)                                \
    static void softmax_tile_##name(const struct cz_tile *tile, bool is_log)   \
    {                                                                          \
        const size_t count = tile->count;                                      \
        const size_t end = tile->length * tile->stride;                        \
        const T *x = tile->x;                                                  \
        T *y = tile->y, most[CZ_TILE];                                         \
        double sum[CZ_TILE] = {0};                                             \
        memcpy(most, x, count * sizeof(T));                                    \
        for (size_t k = tile->stride; k < end; k += tile->stride) {            \
            for (size_t j = 0; j < count; j++)                                 \
                most[j] = x[k + j] > most[j] ? x[k + j] : most[j];             \
        }                                                                      \
        for (size_t k = 0; k < end; k += tile->stride) {                       \
            for (size_t j = 0; j < count; j++)                                 \
                sum[j] += (double)(y[k + j] = exp(x[k + j] - most[j]));        \
        }                                                                      \
        for (size_t j = 0; is_log && j < count; j++)                           \
            most[j] += (T)log(sum[j]);                                         \
        for (size_t k = 0; k < end; k += tile->stride) {                       \
            for (size_t j = 0; is_log && j < count; j++)                       \
                y[k + j] = x[k + j] - most[j];                                 \
            for (size_t j = 0; !is_log && j < count; j++)                      \
                y[k + j] /= (T)sum[j];                                         \
        }                                                                      \
    }
CZ_EACH_FLOAT(SOFTMAX_TILE)

/* 1 for the first of the largest, else 0. */
#define HARDMAX(dtype, T, name, low, high)                                     \
    static void hardmax_##name(const struct cz_tile *tile)                     \
    {                                                                          \
        const T *x = tile->x;                                                  \
        T *y = tile->y;                                                        \
        for (size_t j = 0; j < tile->count; j++) {                             \
            size_t best = j;                                                   \
            for (size_t k = 0; k < tile->length; k++) {                        \
                const size_t at = k * tile->stride + j;                        \
                y[at] = 0;                                                     \
                if (x[at] > x[best])                                           \
                    best = at;                                                 \
            }                                                                  \
            y[best] = 1;                                                       \
        }                                                                      \
    }
CZ_EACH_FLOAT(HARDMAX)

#define SOFTMAXES(dtype, T, name, low, high)                                   \
    static void softmax_##name(const struct cz_tile *tile)                     \
    {                                                                          \
        if (tile->stride == 1)                                                 \
            softmax_line_##name(tile, false);                                  \
        else                                                                   \
            softmax_tile_##name(tile, false);                                  \
    }                                                                          \
    static void log_softmax_##name(const struct cz_tile *tile)                 \
    {                                                                          \
        if (tile->stride == 1)                                                 \
            softmax_line_##name(tile, true);                                   \
        else                                                                   \
            softmax_tile_##name(tile, true);                                   \
    }
CZ_EACH_FLOAT(SOFTMAXES)

struct softmax_params {
    int64_t axis;
    void (*f32)(const struct cz_tile *tile);
    void (*f64)(const struct cz_tile *tile);
};

static enum cz_status parse_softmax(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    const char *type = step->op->op_type;
    struct softmax_params *p = step->params;
    *p = (struct softmax_params){
        .axis = step->op->since < 13 ? 1 : -1,
        .f32 = *type == 'S'   ? softmax_f32
               : *type == 'L' ? log_softmax_f32
                              : hardmax_f32,
        .f64 = *type == 'S'   ? softmax_f64
               : *type == 'L' ? log_softmax_f64
                              : hardmax_f64,
    };
    return cz_attrs_int(&attrs, "axis", CZ_RANGE_ANY, &p->axis);
}

/* The first dimension of a line; the flattening form may point behind the
 * last. */
static enum cz_status softmax_axis(const struct cz_step *step, size_t *axis,
                                   struct cz_error *err)
{
    const int64_t number = ((struct softmax_params *)step->params)->axis;
    *axis = step->inputs[0]->dims.rank;
    if (step->op->since < 13 && number == (int64_t)*axis)
        return CZ_OK;
    return cz_step_axis(step, number, *axis, axis, err);
}

static enum cz_status shape_softmax(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    size_t axis;
    if (!cz_dtype_is_float(x->dtype))
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    CZ_TRY(softmax_axis(step, &axis, err));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static enum cz_status run_softmax(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    const struct softmax_params *p = step->params;
    const struct cz_array *x = step->inputs[0];
    size_t axis;
    CZ_TRY(softmax_axis(step, &axis, err));
    struct cz_lines lines =
        cz_lines_of(step, axis, step->op->since < 13 ? x->dims.rank : axis + 1);
    lines.kernel = x->dtype == CZ_DTYPE_FLOAT ? p->f32 : p->f64;
    cz_lines_run(&lines, exec);
    return CZ_OK;
}

bool cz_op_softmax(const struct cz_step *step, struct cz_softmax_range *range)
{
    const struct cz_dims *dims = &step->inputs[0]->dims;
    struct cz_error err;
    size_t axis;
    if (softmax_axis(step, &axis, &err) != CZ_OK)
        return false;
    size_t end = step->op->since < 13 ? dims->rank : axis + 1;
    range->outer = cz_dims_product(dims, 0, axis);
    range->count = cz_dims_product(dims, axis, end);
    range->inner = cz_dims_product(dims, end, dims->rank);
    return true;
}

/* ---- CumSum ----------------------------------------------------------- */

struct cumsum_params {
    bool is_exclusive, is_reverse;
};

/* Sums of type A, which wraps around where T is an integer. */
#define CUMSUM(name, T, A)                                                     \
    static void cumsum_##name(const struct cz_tile *tile)                      \
    {                                                                          \
        const struct cumsum_params *p = tile->user;                            \
        const T *x = tile->x;                                                  \
        T *y = tile->y;                                                        \
        A sums[CZ_TILE] = {0};                                                 \
        for (size_t i = 0; i < tile->length; i++) {                            \
            const size_t k = p->is_reverse ? tile->length - 1 - i : i;         \
            const size_t at = k * tile->stride;                                \
            for (size_t j = 0; j < tile->count; j++) {                         \
                const A before = sums[j];                                      \
                sums[j] += (A)x[at + j];                                       \
                y[at + j] = (T)(p->is_exclusive ? before : sums[j]);           \
            }                                                                  \
        }                                                                      \
    }
#define CUMSUM_FLOAT(dtype, T, name, low, high) CUMSUM(name, T, T)
#define CUMSUM_INT(dtype, T, name, low, high) CUMSUM(name, T, uint64_t)
CZ_EACH_FLOAT(CUMSUM_FLOAT)
CZ_EACH_INT(CUMSUM_INT)

static const struct {
    void (*of[CZ_DTYPE_COUNT])(const struct cz_tile *tile);
} cumsums = {CZ_OF_NUMBERS(cumsum)};

static enum cz_status parse_cumsum(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct cumsum_params *p = step->params;
    CZ_TRY(cz_attrs_bool(&attrs, "exclusive", &p->is_exclusive));
    return cz_attrs_bool(&attrs, "reverse", &p->is_reverse);
}

static int64_t read_axis(enum cz_dtype dtype, const void *data)
{
    return dtype == CZ_DTYPE_INT64 ? *(const int64_t *)data
                                   : *(const int32_t *)data;
}

static enum cz_status shape_cumsum(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0], *axis = step->inputs[1];
    size_t found;
    if (!cumsums.of[x->dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    if (axis->dtype != CZ_DTYPE_INT32 && axis->dtype != CZ_DTYPE_INT64)
        return cz_step_error(step, err, "axis is %s, want int64",
                             cz_dtype_name(axis->dtype));
    if (cz_array_count(axis) != 1)
        return cz_step_error(step, err, "axis has %zu elements, want 1",
                             cz_array_count(axis));
    if (axis->known)
        CZ_TRY(cz_step_axis(step, read_axis(axis->dtype, axis->known),
                            x->dims.rank, &found, err));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static enum cz_status run_cumsum(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0], *number = step->inputs[1];
    const int64_t rank = (int64_t)x->dims.rank;
    int64_t axis = read_axis(number->dtype, number->data);
    if (axis < -rank || axis >= rank)
        return cz_error_set(
            err, CZ_EINVAL, "%s '%.200s': axis %lld of %lld dimensions",
            step->op->op_type, step->name, (long long)axis, (long long)rank);
    axis += axis < 0 ? rank : 0;
    struct cz_lines lines = cz_lines_of(step, (size_t)axis, (size_t)axis + 1);
    lines.kernel = cumsums.of[x->dtype];
    lines.user = step->params;
    cz_lines_run(&lines, exec);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

#define SOFTMAX_ROW(name, version)                                             \
    {                                                                          \
        .op_type = name, .since = version, .min_inputs = 1, .max_inputs = 1,   \
        .params_size = sizeof(struct softmax_params), .parse = parse_softmax,  \
        .shape = shape_softmax, .run = run_softmax                             \
    }

const struct cz_op cz_ops_softmax[] = {
    SOFTMAX_ROW("Softmax", 1),
    SOFTMAX_ROW("Softmax", 13),
    SOFTMAX_ROW("LogSoftmax", 1),
    SOFTMAX_ROW("LogSoftmax", 13),
    SOFTMAX_ROW("Hardmax", 1),
    SOFTMAX_ROW("Hardmax", 13),
    {.op_type = "CumSum",
     .since = 11,
     .min_inputs = 2,
     .max_inputs = 2,
     .params_size = sizeof(struct cumsum_params),
     .parse = parse_cumsum,
     .shape = shape_cumsum,
     .run = run_cumsum},
    {.op_type = NULL},
};
