/* MaxPool and Resize in the blocked layout. */
#include <math.h>
#include <string.h>

#include "engine/kernels_internal.h"
#include "engine/pool_internal.h"
#include "engine/resize_internal.h"

#define LANES_MAX 16

static bool is_blocked(const struct cz_step *step)
{
    return !step->is_dynamic && step->inputs[0]->dtype == CZ_DTYPE_FLOAT &&
           step->inputs[0]->layout == CZ_LAYOUT_BLOCKED &&
           step->outputs[0]->layout == CZ_LAYOUT_BLOCKED;
}

/* Remembers the plan's block. */
static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    size_t *block = cz_malloc(sizeof *block);
    (void)step;
    if (!block)
        return cz_error_nomem(err);
    *block = plan->block;
    *state = block;
    return CZ_OK;
}

/* ---- MaxPool ---------------------------------------------------------- */

struct max_pool {
    const struct cz_window *window;
    const float *x;
    float *y;
    size_t lanes;
    int64_t in_h, in_w, out_h, out_w;
};

/* The largest of each lane under the window at (h, w) of one block. */
static void pool_window(const struct max_pool *p, const float *plane,
                        const struct cz_span *rows, int64_t h, int64_t w,
                        float *y)
{
    const struct cz_window *window = p->window;
    const size_t lanes = p->lanes;
    struct cz_span columns = cz_window_taps(window, 1, w, p->in_w);
    float most[LANES_MAX];
    for (size_t l = 0; l < lanes; l++)
        most[l] = -INFINITY;
    for (int64_t i = rows->begin; i < rows->end; i++) {
        int64_t row = h * window->strides[0] - window->pads_begin[0] +
                      i * window->dilations[0];
        int64_t column = w * window->strides[1] - window->pads_begin[1];
        for (int64_t j = columns.begin; j < columns.end; j++) {
            const float *x = plane + (size_t)(row * p->in_w + column +
                                              j * window->dilations[1]) *
                                         lanes;
            for (size_t l = 0; l < lanes; l++)
                most[l] = x[l] > most[l] ? x[l] : most[l];
        }
    }
    memcpy(y, most, lanes * sizeof *y);
}

static void pool_block(void *user, size_t i)
{
    const struct max_pool *p = user;
    const float *plane = p->x + i * (size_t)(p->in_h * p->in_w) * p->lanes;
    float *y = p->y + i * (size_t)(p->out_h * p->out_w) * p->lanes;
    for (int64_t h = 0; h < p->out_h; h++) {
        struct cz_span rows = cz_window_taps(p->window, 0, h, p->in_h);
        for (int64_t w = 0; w < p->out_w; w++) {
            pool_window(p, plane, &rows, h, w, y);
            y += p->lanes;
        }
    }
}

static bool fits_max_pool(const struct cz_step *step,
                          const struct cz_plan *plan)
{
    return is_blocked(step) && plan->block <= LANES_MAX &&
           (step->n_outputs < 2 || !step->outputs[1]);
}

static enum cz_status run_max_pool(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct cz_pool_params *params = step->params;
    const struct cz_dims *in = &step->inputs[0]->dims;
    const struct cz_dims *out = &step->outputs[0]->dims;
    struct max_pool p = {.window = &params->window,
                         .x = step->inputs[0]->data,
                         .y = step->outputs[0]->data,
                         .lanes = *(const size_t *)step->state,
                         .in_h = in->size[2],
                         .in_w = in->size[3],
                         .out_h = out->size[2],
                         .out_w = out->size[3]};
    size_t plane = (size_t)(p.out_h * p.out_w) * p.lanes;
    (void)err;
    cz_team_for(exec, step->outputs[0]->size_bytes / sizeof(float) / plane,
                pool_block, &p);
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
    const size_t block = *(const size_t *)step->state;
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
    {"blocked", "MaxPool", fits_max_pool, prepare, run_max_pool, cz_free, NULL},
    {"blocked", "Resize", fits_resize, prepare, run_resize, cz_free, NULL},
    {"blocked", "Upsample", fits_resize, prepare, run_resize, cz_free, NULL},
    {.name = NULL},
};
