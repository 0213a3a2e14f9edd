/* Normalizations by a norm, by the ONNX operator specification: along an axis
 * (LpNormalization), and across neighbouring channels (LRN). */
#include <math.h>
#include <string.h>

#include "engine/attr_internal.h"
#include "engine/lines_internal.h"
#include "engine/scalar_internal.h"

static enum cz_status check_dtype(const struct cz_step *step,
                                  struct cz_error *err)
{
    const enum cz_dtype dtype = step->inputs[0]->dtype;
    if (cz_dtype_is_float(dtype))
        return CZ_OK;
    return cz_step_unsupported(step, err, "not for elements of %s",
                               cz_dtype_name(dtype));
}

/* ---- LpNormalization -------------------------------------------------- */

struct lp_params {
    int64_t axis, p;
};

static enum cz_status parse_lp(struct cz_step *step, const struct cz_node *node,
                               struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct lp_params *p = step->params;
    p->axis = -1;
    p->p = 2;
    CZ_TRY(cz_attrs_int(&attrs, "axis", CZ_RANGE_ANY, &p->axis));
    return cz_attrs_int(&attrs, "p", (struct cz_range){1, 2}, &p->p);
}

static enum cz_status shape_lp(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const struct lp_params *p = step->params;
    size_t axis;
    CZ_TRY(check_dtype(step, err));
    CZ_TRY(cz_step_axis(step, p->axis, x->dims.rank, &axis, err));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* A line of zeros stays one. */
#define LP_NORM(dtype, T, name, low, high)                                     \
    static void lp_norm_##name(const struct cz_tile *tile)                     \
    {                                                                          \
        const struct lp_params *p = tile->user;                                \
        const T *x = tile->x;                                                  \
        T *y = tile->y;                                                        \
        double norms[CZ_TILE] = {0};                                           \
        for (size_t k = 0; k < tile->length; k++) {                            \
            for (size_t j = 0; j < tile->count; j++) {                         \
                const double v = (double)x[k * tile->stride + j];              \
                norms[j] += p->p == 1 ? fabs(v) : v * v;                       \
            }                                                                  \
        }                                                                      \
        for (size_t j = 0; j < tile->count; j++) {                             \
            norms[j] = p->p == 1 ? norms[j] : sqrt(norms[j]);                  \
            norms[j] = norms[j] == 0 ? 1 : norms[j];                           \
        }                                                                      \
        for (size_t k = 0; k < tile->length; k++) {                            \
            for (size_t j = 0; j < tile->count; j++)                           \
                y[k * tile->stride + j] =                                      \
                    (T)((double)x[k * tile->stride + j] / norms[j]);           \
        }                                                                      \
    }
CZ_EACH_FLOAT(LP_NORM)

static enum cz_status run_lp(struct cz_step *step, const struct cz_exec *exec,
                             struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const struct lp_params *p = step->params;
    size_t axis;
    CZ_TRY(cz_step_axis(step, p->axis, x->dims.rank, &axis, err));
    struct cz_lines lines = cz_lines_of(step, axis, axis + 1);
    lines.kernel = x->dtype == CZ_DTYPE_FLOAT ? lp_norm_f32 : lp_norm_f64;
    lines.user = p;
    cz_lines_run(&lines, exec);
    return CZ_OK;
}

/* ---- LRN -------------------------------------------------------------- */

struct lrn_params {
    int64_t size;
    float alpha, beta, bias;
};

static enum cz_status parse_lrn(struct cz_step *step,
                                const struct cz_node *node,
                                struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct lrn_params *p = step->params;
    p->alpha = 1e-4f;
    p->beta = 0.75f;
    p->bias = 1;
    p->size = -1;
    CZ_TRY(cz_attrs_int(&attrs, "size", (struct cz_range){1, INT32_MAX},
                        &p->size));
    CZ_TRY(cz_attrs_float(&attrs, "alpha", &p->alpha));
    CZ_TRY(cz_attrs_float(&attrs, "beta", &p->beta));
    CZ_TRY(cz_attrs_float(&attrs, "bias", &p->bias));
    return p->size < 0 ? cz_step_error(step, err, "no size") : CZ_OK;
}

static enum cz_status shape_lrn(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    char text[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(check_dtype(step, err));
    if (x->dims.rank < 2)
        return cz_step_error(step, err,
                             "input 0 is %s, want 2 dimensions or more",
                             cz_dims_text(&x->dims, text));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* The array as [batch * channels] planes of `plane` elements. */
struct lrn {
    const struct lrn_params *params;
    const void *x;
    void *y;
    size_t channels, plane;
};

/* Channels [*first, *last) around channel c. */
static void lrn_window(const struct lrn *lrn, size_t c, size_t *first,
                       size_t *last)
{
    const size_t size = (size_t)lrn->params->size;
    const size_t before = (size - 1) / 2, after = size / 2;
    *first = c < before ? 0 : c - before;
    *last = lrn->channels - c <= after ? lrn->channels : c + after + 1;
}

/* Plane i of y, from the planes of x around it. */
#define LRN(dtype, T, name, low, high)                                         \
    static void lrn_##name(void *user, size_t i)                               \
    {                                                                          \
        const struct lrn *lrn = user;                                          \
        const struct lrn_params *p = lrn->params;                              \
        const size_t n = lrn->plane, c = i % lrn->channels;                    \
        const T factor = (T)p->alpha / (T)p->size;                             \
        const T *batch = (const T *)lrn->x + (i - c) * n, *x = batch + c * n;  \
        T *y = (T *)lrn->y + i * n;                                            \
        size_t first, last;                                                    \
        lrn_window(lrn, c, &first, &last);                                     \
        memset(y, 0, n * sizeof *y);                                           \
        for (size_t k = first; k < last; k++) {                                \
            for (size_t j = 0; j < n; j++)                                     \
                y[j] += batch[k * n + j] * batch[k * n + j];                   \
        }                                                                      \
        for (size_t j = 0; j < n; j++)                                         \
            y[j] = x[j] / (T)pow(p->bias + factor * y[j], p->beta);            \
    }
CZ_EACH_FLOAT(LRN)

static enum cz_status run_lrn(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    (void)err;
    const struct cz_array *x = step->inputs[0];
    struct lrn lrn = {
        .params = step->params,
        .x = x->data,
        .y = step->outputs[0]->data,
        .channels = (size_t)x->dims.size[1],
        .plane = cz_dims_product(&x->dims, 2, x->dims.rank),
    };
    if (cz_array_count(x))
        cz_team_for(exec, (size_t)x->dims.size[0] * lrn.channels,
                    x->dtype == CZ_DTYPE_FLOAT ? lrn_f32 : lrn_f64, &lrn);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

const struct cz_op cz_ops_lrn[] = {
    {.op_type = "LpNormalization",
     .since = 1,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(struct lp_params),
     .parse = parse_lp,
     .shape = shape_lp,
     .run = run_lp},
    {.op_type = "LRN",
     .since = 1,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(struct lrn_params),
     .parse = parse_lrn,
     .shape = shape_lrn,
     .run = run_lrn},
    {.op_type = NULL},
};
