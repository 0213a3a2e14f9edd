/* MaxPool, AveragePool, LpPool and the pools over whole planes. MaxPool with
 * an output of indices is a loop of its own; the others are reductions of
 * rows (pool.c). */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/pool_internal.h"

/* ---- maxima ----------------------------------------------------------- */

/* NaN is not larger than anything, and is passed over, wherever it stands in
 * the window: to keep it would make a pool 40 % slower. */
#define DEFINE_MAX(type, lowest)                                               \
    static void start_max_##type(void *row, size_t count)                      \
    {                                                                          \
        type *y = row;                                                         \
        for (size_t i = 0; i < count; i++)                                     \
            y[i] = lowest;                                                     \
    }                                                                          \
    static void slide_max_##type(void *to, const void *row, size_t count,      \
                                 size_t stride)                                \
    {                                                                          \
        type *restrict y = to;                                                 \
        const type *restrict x = row;                                          \
        if (stride == 1) {                                                     \
            for (size_t i = 0; i < count; i++)                                 \
                y[i] = x[i] > y[i] ? x[i] : y[i];                              \
        } else {                                                               \
            for (size_t i = 0; i < count; i++)                                 \
                y[i] = x[i * stride] > y[i] ? x[i * stride] : y[i];            \
        }                                                                      \
    }                                                                          \
    static void fold_max_##type(const struct cz_pool *pool, void *row,         \
                                const void *x, size_t count)                   \
    {                                                                          \
        (void)pool;                                                            \
        slide_max_##type(row, x, count, 1);                                    \
    }                                                                          \
    static const struct cz_reduction max_##type = {                            \
        sizeof(type), start_max_##type, fold_max_##type, slide_max_##type,     \
        NULL};

DEFINE_MAX(float, -INFINITY)
DEFINE_MAX(double, -(double)INFINITY)
DEFINE_MAX(int8_t, INT8_MIN)
DEFINE_MAX(uint8_t, 0)

static const struct cz_reduction *max_of(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return &max_float;
    case CZ_DTYPE_DOUBLE:
        return &max_double;
    case CZ_DTYPE_INT8:
        return &max_int8_t;
    case CZ_DTYPE_UINT8:
        return &max_uint8_t;
    default:
        return NULL;
    }
}

/* ---- maxima and where they are ---------------------------------------- */

struct argmax {
    struct cz_pool pool;
    enum cz_dtype dtype;
    int64_t *indices;
};

static double load(enum cz_dtype dtype, const char *x, size_t i)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return ((const float *)(const void *)x)[i];
    case CZ_DTYPE_DOUBLE:
        return ((const double *)(const void *)x)[i];
    case CZ_DTYPE_INT8:
        return ((const int8_t *)(const void *)x)[i];
    default:
        return ((const uint8_t *)(const void *)x)[i];
    }
}

/* The position in the plane of a window's maximum, -1 where it holds no
 * number. */
static int64_t find_max(const struct argmax *a, const char *plane,
                        const int64_t at[3])
{
    const struct cz_window *w = &a->pool.window;
    const int64_t *in = a->pool.in;
    struct cz_span taps[3];
    int64_t from[3], best_at = -1;
    double best = 0;
    for (size_t i = 0; i < 3; i++) {
        taps[i] = cz_window_taps(w, i, at[i], in[i]);
        from[i] = at[i] * w->strides[i] - w->pads_begin[i];
    }
    for (int64_t d = taps[0].begin; d < taps[0].end; d++) {
        int64_t z = from[0] + d * w->dilations[0];
        for (int64_t h = taps[1].begin; h < taps[1].end; h++) {
            int64_t row = z * in[1] + from[1] + h * w->dilations[1];
            for (int64_t k = taps[2].begin; k < taps[2].end; k++) {
                int64_t i = row * in[2] + from[2] + k * w->dilations[2];
                double x = load(a->dtype, plane, (size_t)i);
                if (best_at < 0 ? x == x : x > best) {
                    best = x;
                    best_at = i;
                }
            }
        }
    }
    return best_at;
}

/* A position in a plane as ONNX counts it: with column_major, the first of
 * its spatial dimensions is the one that varies fastest. */
static int64_t index_of(const struct cz_pool *pool, int64_t at)
{
    const int64_t *in = pool->in;
    if (!pool->params->column_major)
        return at;
    int64_t x = at % in[2], h = at / in[2] % in[1], z = at / in[2] / in[1];
    return z + in[0] * (h + in[1] * x);
}

static void argmax_plane(void *user, size_t i)
{
    const struct argmax *a = user;
    const struct cz_pool *p = &a->pool;
    const size_t bytes = p->reduction->element_bytes;
    const char *plane = p->x + i * p->in_plane * bytes;
    for (size_t k = 0; k < p->out_plane; k++) {
        int64_t row = (int64_t)k / p->out[2];
        int64_t at[3] = {row / p->out[1], row % p->out[1],
                         (int64_t)k % p->out[2]};
        int64_t best = find_max(a, plane, at);
        size_t to = i * p->out_plane + k;
        a->indices[to] =
            best < 0 ? -1 : (int64_t)(i * p->in_plane) + index_of(p, best);
        if (best < 0)
            p->reduction->start(p->y + to * bytes, 1);
        else
            memcpy(p->y + to * bytes, plane + (size_t)best * bytes, bytes);
    }
}

/* ---- sums ------------------------------------------------------------- */

static void start_sum(void *row, size_t count)
{
    memset(row, 0, count * sizeof(float));
}

static void slide_sum(void *to, const void *row, size_t count, size_t stride)
{
    float *restrict y = to;
    const float *restrict x = row;
    if (stride == 1) {
        for (size_t i = 0; i < count; i++)
            y[i] += x[i];
    } else {
        for (size_t i = 0; i < count; i++)
            y[i] += x[i * stride];
    }
}

static void fold_sum(const struct cz_pool *pool, void *row, const void *x,
                     size_t count)
{
    (void)pool;
    slide_sum(row, x, count, 1);
}

/* How many elements along dimension i a mean is of. */
static int64_t mean_of(const struct cz_pool *pool, size_t i, int64_t at)
{
    const struct cz_window *w = &pool->window;
    int64_t before = 0, size = pool->in[i];
    if (pool->params->include_pad) {
        before = w->pads_begin[i];
        size += before + w->pads_end[i];
    }
    struct cz_span s = cz_window_inside(
        w->dilations[i], at * w->strides[i] - w->pads_begin[i] + before, size,
        w->kernel[i]);
    return s.end - s.begin;
}

static void finish_mean(const struct cz_pool *pool, void *row,
                        const int64_t at[2])
{
    float *y = row;
    float rows =
        (float)mean_of(pool, 0, at[0]) * (float)mean_of(pool, 1, at[1]);
    for (int64_t x = 0; x < pool->out[2]; x++) {
        float count = rows * (float)mean_of(pool, 2, x);
        y[x] = count > 0 ? y[x] / count : 0;
    }
}

static void fold_powers(const struct cz_pool *pool, void *row, const void *from,
                        size_t count)
{
    const float p = pool->params->p;
    const float *x = from;
    float *y = row;
    if (p == 2) {
        for (size_t i = 0; i < count; i++)
            y[i] += x[i] * x[i];
    } else {
        for (size_t i = 0; i < count; i++)
            y[i] += powf(fabsf(x[i]), p);
    }
}

static void finish_root(const struct cz_pool *pool, void *row,
                        const int64_t at[2])
{
    const float p = pool->params->p;
    float *y = row;
    (void)at;
    for (int64_t x = 0; x < pool->out[2]; x++)
        y[x] = p == 2 ? sqrtf(y[x]) : powf(y[x], 1 / p);
}

static const struct cz_reduction mean = {sizeof(float), start_sum, fold_sum,
                                         slide_sum, finish_mean};
static const struct cz_reduction norm = {sizeof(float), start_sum, fold_powers,
                                         slide_sum, finish_root};

/* ---- windows ---------------------------------------------------------- */

/* LpPool's p is a float in opset 1 and an integer after it. */
static enum cz_status read_p(const struct cz_attrs *attrs, float *p)
{
    const struct cz_attr *attr = cz_node_attr(attrs->node, "p");
    int64_t whole = 2;
    *p = 2;
    if (attr && attr->kind == CZ_ATTR_FLOAT)
        CZ_TRY(cz_attrs_float(attrs, "p", p));
    else
        CZ_TRY(cz_attrs_int(attrs, "p", (struct cz_range){1, 1000}, &whole));
    if (!attr || attr->kind != CZ_ATTR_FLOAT)
        *p = (float)whole;
    if (*p >= 1)
        return CZ_OK;
    return cz_step_error(attrs->step, attrs->err, "'p' is %g, want 1 or more",
                         (double)*p);
}

static enum cz_status parse_pool(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct cz_pool_params *params = step->params;
    CZ_TRY(cz_window_parse(&params->window, &attrs));
    CZ_TRY(cz_attrs_bool(&attrs, "count_include_pad", &params->include_pad));
    CZ_TRY(cz_attrs_bool(&attrs, "storage_order", &params->column_major));
    return read_p(&attrs, &params->p);
}

static enum cz_status shape_pool(struct cz_step *step, struct cz_error *err)
{
    struct cz_pool_params *params = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = x->dims;
    CZ_TRY(cz_window_fit(&params->window, step, &x->dims, NULL, err));
    CZ_TRY(cz_window_resolve(&params->window, step, &x->dims, &y, err));
    CZ_TRY(cz_step_output(step, 0, x->dtype, &y, err));
    return cz_step_output(step, 1, CZ_DTYPE_INT64, &y, err);
}

static enum cz_status shape_max(struct cz_step *step, struct cz_error *err)
{
    enum cz_dtype dtype = step->inputs[0]->dtype;
    if (!max_of(dtype))
        return cz_step_unsupported(step, err, "input 0 is %s",
                                   cz_dtype_name(dtype));
    return shape_pool(step, err);
}

static enum cz_status shape_sum(struct cz_step *step, struct cz_error *err)
{
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_FLOAT, err));
    return shape_pool(step, err);
}

static enum cz_status run_max(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    (void)err;
    if (step->n_outputs > 1 && step->outputs[1]) {
        enum cz_dtype dtype = step->inputs[0]->dtype;
        struct argmax a = {cz_pool_of(step, max_of(dtype)), dtype,
                           step->outputs[1]->data};
        if (a.pool.out_plane > 0)
            cz_team_for(exec, a.pool.planes, argmax_plane, &a);
        return CZ_OK;
    }
    struct cz_pool pool = cz_pool_of(step, max_of(step->inputs[0]->dtype));
    cz_pool_run(&pool, exec);
    return CZ_OK;
}

static enum cz_status run_mean(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)err;
    struct cz_pool pool = cz_pool_of(step, &mean);
    cz_pool_run(&pool, exec);
    return CZ_OK;
}

static enum cz_status run_norm(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)err;
    struct cz_pool pool = cz_pool_of(step, &norm);
    cz_pool_run(&pool, exec);
    return CZ_OK;
}

/* ---- whole planes ----------------------------------------------------- */

/* Planes of `count` elements, each of which becomes one number. */
struct planes {
    const float *x;
    float *y;
    size_t count;
    float p;
};

static enum cz_status parse_global(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct cz_pool_params *params = step->params;
    return read_p(&attrs, &params->p);
}

static enum cz_status shape_global(struct cz_step *step, struct cz_error *err)
{
    struct cz_dims y = step->inputs[0]->dims;
    char text[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_FLOAT, err));
    if (y.rank < 2)
        return cz_step_error(step, err, "input 0 is %s, want [N,C,...]",
                             cz_dims_text(&y, text));
    for (size_t i = 2; i < y.rank; i++) {
        if (y.size[i] == 0)
            return cz_step_error(step, err, "input 0 is %s: nothing to pool",
                                 cz_dims_text(&y, text));
        y.size[i] = 1;
    }
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

static void mean_plane(void *user, size_t i)
{
    const struct planes *planes = user;
    const float *x = planes->x + i * planes->count;
    double sum = 0;
    for (size_t k = 0; k < planes->count; k++)
        sum += (double)x[k];
    planes->y[i] = (float)(sum / (double)planes->count);
}

static void max_plane(void *user, size_t i)
{
    const struct planes *planes = user;
    const float *x = planes->x + i * planes->count;
    float best = -INFINITY;
    for (size_t k = 0; k < planes->count; k++)
        best = x[k] > best ? x[k] : best;
    planes->y[i] = best;
}

static void norm_plane(void *user, size_t i)
{
    const struct planes *planes = user;
    const float *x = planes->x + i * planes->count;
    double sum = 0, p = (double)planes->p;
    for (size_t k = 0; k < planes->count; k++)
        sum += pow(fabs((double)x[k]), p);
    planes->y[i] = (float)pow(sum, 1 / p);
}

static enum cz_status run_planes(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 void (*work)(void *user, size_t i))
{
    const struct cz_array *x = step->inputs[0];
    const struct cz_pool_params *params = step->params;
    struct planes planes = {.x = x->data,
                            .y = step->outputs[0]->data,
                            .count = cz_dims_product(&x->dims, 2, x->dims.rank),
                            .p = params->p};
    cz_team_for(exec, cz_dims_product(&x->dims, 0, 2), work, &planes);
    return CZ_OK;
}

static enum cz_status run_global_mean(struct cz_step *step,
                                      const struct cz_exec *exec,
                                      struct cz_error *err)
{
    (void)err;
    return run_planes(step, exec, mean_plane);
}

static enum cz_status run_global_max(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    (void)err;
    return run_planes(step, exec, max_plane);
}

static enum cz_status run_global_norm(struct cz_step *step,
                                      const struct cz_exec *exec,
                                      struct cz_error *err)
{
    (void)err;
    return run_planes(step, exec, norm_plane);
}

/* ---- table ------------------------------------------------------------ */

#define POOL(name, shape_, run_)                                               \
    {                                                                          \
        .op_type = name, .since = 1, .min_inputs = 1, .max_inputs = 1,         \
        .params_size = sizeof(struct cz_pool_params), .parse = parse_pool,     \
        .shape = shape_, .run = run_                                           \
    }
#define GLOBAL(name, run_)                                                     \
    {                                                                          \
        .op_type = name, .since = 1, .min_inputs = 1, .max_inputs = 1,         \
        .params_size = sizeof(struct cz_pool_params), .parse = parse_global,   \
        .shape = shape_global, .run = run_                                     \
    }

const struct cz_op cz_ops_pool[] = {
    POOL("MaxPool", shape_max, run_max),
    POOL("AveragePool", shape_sum, run_mean),
    POOL("LpPool", shape_sum, run_norm),
    GLOBAL("GlobalAveragePool", run_global_mean),
    GLOBAL("GlobalMaxPool", run_global_max),
    GLOBAL("GlobalLpPool", run_global_norm),
    {.op_type = NULL},
};
