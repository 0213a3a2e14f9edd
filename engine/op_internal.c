/* Operators that passes make; no file holds them. */
#include <string.h>

#include "engine/element_internal.h"
#include "engine/op_facts_internal.h"

/* ---- Activation ------------------------------------------------------- */

static enum cz_status shape_activation(struct cz_step *step,
                                       struct cz_error *err)
{
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &step->inputs[0]->dims, err);
}

bool cz_step_activation(const struct cz_step *step,
                        struct cz_activation *activation)
{
    if (strcmp(step->op->op_type, CZ_OP_ACTIVATION) != 0)
        return cz_op_activation(step, activation);
    *activation = step->activation;
    return true;
}

struct activation_run {
    const struct cz_activation *activation;
    const float *in;
    float *out;
    size_t count;
};

#define CHUNK ((size_t)16384)

static void run_chunk(void *user, size_t i)
{
    const struct activation_run *run = user;
    size_t from = i * CHUNK;
    size_t to = run->count - from < CHUNK ? run->count : from + CHUNK;
    for (size_t k = from; k < to; k++)
        run->out[k] = cz_activate(run->activation, run->in[k]);
}

static enum cz_status run_activation(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    (void)err;
    struct activation_run run = {&step->activation, step->inputs[0]->data,
                                 step->outputs[0]->data,
                                 step->outputs[0]->size_bytes / sizeof(float)};
    cz_team_for(exec, (run.count + CHUNK - 1) / CHUNK, run_chunk, &run);
    return CZ_OK;
}

/* ---- layouts ---------------------------------------------------------- */

/* Channels of all images in `blocks` blocks from `first` on, of which each has
 * `lanes` that are channels. */
struct part {
    size_t first, blocks, lanes;
};

static void copy_part(const struct cz_step *step, const struct part *part,
                      bool to_plain, const struct cz_exec *exec)
{
    const struct cz_dims *dims = &step->outputs[0]->dims;
    const size_t block = *(const size_t *)step->params;
    const size_t channels = (size_t)dims->size[1];
    const size_t pixels = cz_dims_product(dims, 2, dims->rank);
    const ptrdiff_t unit = (ptrdiff_t)cz_element_bytes(step->outputs[0]->dtype);
    const ptrdiff_t row = (ptrdiff_t)pixels * unit;
    const ptrdiff_t pixel = (ptrdiff_t)block * unit;
    const ptrdiff_t plain = (ptrdiff_t)channels * row;
    const ptrdiff_t blocked =
        (ptrdiff_t)((channels + block - 1) / block * block) * row;
    const size_t at = part->first * block * pixels * (size_t)unit;
    struct cz_copy copy = {.element_bytes = (size_t)unit};
    cz_copy_add_axis(&copy, (size_t)dims->size[0], to_plain ? plain : blocked,
                     to_plain ? blocked : plain);
    cz_copy_add_axis(&copy, part->blocks, (ptrdiff_t)block * row,
                     (ptrdiff_t)block * row);
    if (to_plain) {
        cz_copy_add_axis(&copy, part->lanes, row, unit);
        cz_copy_add_axis(&copy, pixels, unit, pixel);
    } else {
        cz_copy_add_axis(&copy, pixels, pixel, unit);
        cz_copy_add_axis(&copy, part->lanes, unit, row);
    }
    cz_copy_run(&copy, (char *)step->outputs[0]->data + at,
                (const char *)step->inputs[0]->data + at, exec);
}

/* The blocks that are full, then what is in the last one. */
static void reorder(const struct cz_step *step, bool to_plain,
                    const struct cz_exec *exec)
{
    const size_t block = *(const size_t *)step->params;
    const size_t channels = (size_t)step->outputs[0]->dims.size[1];
    const struct part full = {0, channels / block, block};
    const struct part last = {channels / block, 1, channels % block};
    copy_part(step, &full, to_plain, exec);
    copy_part(step, &last, to_plain, exec);
}

static enum cz_status run_to_blocked(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    struct cz_array *out = step->outputs[0];
    (void)err;
    if ((size_t)out->dims.size[1] % *(const size_t *)step->params)
        memset(out->data, 0, out->size_bytes); /* lanes without a channel */
    reorder(step, false, exec);
    return CZ_OK;
}

static enum cz_status run_to_plain(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    (void)err;
    reorder(step, true, exec);
    return CZ_OK;
}

const struct cz_op cz_ops_internal[] = {
    {.op_type = CZ_OP_ACTIVATION,
     .since = 1,
     .flags = CZ_OP_ELEMENTWISE,
     .min_inputs = 1,
     .max_inputs = 1,
     .shape = shape_activation,
     .run = run_activation},
    {.op_type = CZ_OP_TO_BLOCKED,
     .since = 1,
     .flags = CZ_OP_ANY_LAYOUT,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(size_t), /* the plan's block */
     .run = run_to_blocked},
    {.op_type = CZ_OP_TO_PLAIN,
     .since = 1,
     .flags = CZ_OP_ANY_LAYOUT,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(size_t),
     .run = run_to_plain},
    {.op_type = NULL},
};
