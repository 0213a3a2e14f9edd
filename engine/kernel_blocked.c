/* MaxPool and Resize in the blocked layout. */
#include <math.h>
#include <string.h>

#include "engine/kernels_internal.h"
#include "engine/pool_internal.h"
#include "engine/resize_internal.h"
#include "engine/storage_internal.h"

static bool is_blocked(const struct cz_step *step)
{
    return !step->is_dynamic && step->inputs[0]->layout == CZ_LAYOUT_BLOCKED &&
           step->outputs[0]->layout == CZ_LAYOUT_BLOCKED;
}

struct state {
    size_t block;
};

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **result, struct cz_error *err)
{
    struct state *state = cz_calloc(1, sizeof *state);
    if (!state)
        return cz_error_nomem(err);
    state->block = cz_plan_block(plan, step->inputs[0]->dtype);
    *result = state;
    return CZ_OK;
}

/* ---- MaxPool ---------------------------------------------------------- */

/* Maxima of one type of elements. */
struct maxima {
    size_t bytes; /* of an element */
    /* y[0..count) = the lowest there is */
    void (*lower)(void *y, int64_t count);
    /* y[i] = the larger of y[i] and x[i] */
    void (*raise)(void *y, const void *x, int64_t count);
};

#define MAXIMA(T, lowest)                                                      \
    static void lower_##T(void *row, int64_t count)                            \
    {                                                                          \
        T *y = row;                                                            \
        for (int64_t i = 0; i < count; i++)                                    \
            y[i] = lowest;                                                     \
    }                                                                          \
    static void raise_##T(void *to, const void *from, int64_t count)           \
    {                                                                          \
        T *restrict y = to;                                                    \
        const T *restrict x = from;                                            \
        for (int64_t i = 0; i < count; i++)                                    \
            y[i] = x[i] > y[i] ? x[i] : y[i];                                  \
    }                                                                          \
    static const struct maxima maxima_##T = {sizeof(T), lower_##T, raise_##T};

MAXIMA(float, -INFINITY)
MAXIMA(int8_t, INT8_MIN)
MAXIMA(uint8_t, 0)

static const struct maxima *maxima_of(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        return &maxima_float;
    case CZ_DTYPE_INT8:
        return &maxima_int8_t;
    case CZ_DTYPE_UINT8:
        return &maxima_uint8_t;
    default:
        return NULL;
    }
}

/* First the largest of the columns under a window, in each row of the input,
 * then the largest of these rows: k + k steps instead of k * k. */
struct max_pool {
    const struct cz_window *window;
    const struct maxima *maxima;
    const char *x;
    char *y;
    struct cz_scratch *scratch; /* for [in_h][out_w][lanes] */
    int64_t lanes, pixel;       /* channels and bytes of one */
    int64_t in_h, in_w, out_h, out_w;
};

/* A row of the input, [in_w][lanes], to [out_w][lanes]. */
static void pool_columns(const struct max_pool *p, char *y, const char *x)
{
    const int64_t stride = p->window->strides[1];
    const int64_t first = -p->window->pads_begin[1];
    const int64_t reach = (p->out_w - 1) * stride;
    /* The taps that no window has in the row may be many. */
    const struct cz_span taps =
        cz_window_inside(p->window->dilations[1], first + reach,
                         p->in_w + reach, p->window->kernel[1]);
    p->maxima->lower(y, p->out_w * p->lanes);
    for (int64_t k = taps.begin; k < taps.end; k++) {
        int64_t offset = first + k * p->window->dilations[1];
        struct cz_span w = cz_window_inside(stride, offset, p->in_w, p->out_w);
        int64_t run = stride == 1 ? w.end - w.begin : 1;
        for (int64_t i = w.begin; i < w.end; i += run)
            p->maxima->raise(y + i * p->pixel,
                             x + (i * stride + offset) * p->pixel,
                             run * p->lanes);
    }
}

static void pool_block(void *user, size_t i)
{
    const struct max_pool *p = user;
    const struct cz_window *window = p->window;
    const int64_t out_row = p->out_w * p->pixel, in_row = p->in_w * p->pixel;
    float *slot = cz_scratch_take(p->scratch);
    char *rows = (char *)slot;
    for (int64_t h = 0; h < p->in_h; h++)
        pool_columns(p, rows + h * out_row,
                     p->x + ((int64_t)i * p->in_h + h) * in_row);
    for (int64_t h = 0; h < p->out_h; h++) {
        char *y = p->y + ((int64_t)i * p->out_h + h) * out_row;
        struct cz_span taps = cz_window_taps(window, 0, h, p->in_h);
        p->maxima->lower(y, p->out_w * p->lanes);
        for (int64_t k = taps.begin; k < taps.end; k++) {
            int64_t row = h * window->strides[0] - window->pads_begin[0] +
                          k * window->dilations[0];
            p->maxima->raise(y, rows + row * out_row, p->out_w * p->lanes);
        }
    }
    cz_scratch_give(p->scratch, slot);
}

static enum cz_status prepare_max_pool(struct cz_step *step,
                                       const struct cz_plan *plan,
                                       void **result, struct cz_error *err)
{
    const size_t in_h = (size_t)step->inputs[0]->dims.size[2];
    const size_t out_w = (size_t)step->outputs[0]->dims.size[3];
    if (!cz_scratch_reserve(plan->exec.scratch,
                            in_h * out_w *
                                cz_plan_block(plan, step->inputs[0]->dtype)))
        return cz_error_nomem(err);
    return prepare(step, plan, result, err);
}

static bool fits_max_pool(const struct cz_step *step,
                          const struct cz_plan *plan)
{
    (void)plan;
    return is_blocked(step) && maxima_of(step->inputs[0]->dtype) &&
           (step->n_outputs < 2 || !step->outputs[1]);
}

static enum cz_status run_max_pool(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct cz_pool_params *params = step->params;
    const struct cz_dims *in = &step->inputs[0]->dims;
    const struct cz_dims *out = &step->outputs[0]->dims;
    const struct state *state = step->state;
    const struct maxima *maxima = maxima_of(step->inputs[0]->dtype);
    struct max_pool p = {.window = &params->window,
                         .maxima = maxima,
                         .x = step->inputs[0]->data,
                         .y = step->outputs[0]->data,
                         .scratch = exec->scratch,
                         .lanes = (int64_t)state->block,
                         .pixel = (int64_t)(state->block * maxima->bytes),
                         .in_h = in->size[2],
                         .in_w = in->size[3],
                         .out_h = out->size[2],
                         .out_w = out->size[3]};
    size_t plane = (size_t)(p.out_h * p.out_w * p.pixel);
    (void)err;
    cz_team_for(exec, step->outputs[0]->size_bytes / plane, pool_block, &p);
    return CZ_OK;
}

/* ---- Resize ----------------------------------------------------------- */

static bool fits_resize(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_resize_params *p = step->params;
    (void)plan;
    return is_blocked(step) && p->axis[0].is_kept && p->axis[1].is_kept;
}

/* Blocks are one dimension more, which is not resized. */
static struct cz_dims dims_of_blocks(const struct cz_dims *dims, size_t block)
{
    return (struct cz_dims){5,
                            {dims->size[0], dims->size[1] / (int64_t)block,
                             dims->size[2], dims->size[3], (int64_t)block}};
}

static enum cz_status run_resize(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const size_t block = ((const struct state *)step->state)->block;
    struct cz_resize_params params = *(struct cz_resize_params *)step->params;
    struct cz_array in = *step->inputs[0], out = *step->outputs[0];
    struct cz_array *inputs[] = {&in}, *outputs[] = {&out};
    struct cz_step plain = *step;
    (void)err;
    in.dims = dims_of_blocks(&in.dims, block);
    out.dims = dims_of_blocks(&out.dims, block);
    params.axis[1].in = params.axis[1].out = in.dims.size[1];
    params.axis[4] = params.axis[1];
    params.axis[4].in = params.axis[4].out = (int64_t)block;
    plain.params = &params;
    plain.inputs = inputs;
    plain.outputs = outputs;
    plain.n_inputs = plain.n_outputs = 1;
    cz_resize_run(&plain, exec);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_blocked[] = {
    {.name = "blocked",
     .op_type = "MaxPool",
     .fits = fits_max_pool,
     .prepare = prepare_max_pool,
     .run = run_max_pool,
     .release = cz_free},
    {.name = "blocked",
     .op_type = "Resize",
     .fits = fits_resize,
     .prepare = prepare,
     .run = run_resize,
     .release = cz_free},
    {.name = "blocked",
     .op_type = "Upsample",
     .fits = fits_resize,
     .prepare = prepare,
     .run = run_resize,
     .release = cz_free},
    {.name = NULL},
};
