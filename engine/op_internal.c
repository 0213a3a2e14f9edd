/* Operators that passes make; no file holds them. */
#include <string.h>

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

struct reorder {
    const float *from;
    float *to;
    size_t channels, pixels, block; /* of one image */
};

/* Block `i` of the batch: [pixels, block] from [block, pixels]. */
static void to_blocked(void *user, size_t i)
{
    const struct reorder *r = user;
    size_t blocks = (r->channels + r->block - 1) / r->block;
    size_t first = i % blocks * r->block;
    size_t n = r->channels - first < r->block ? r->channels - first : r->block;
    const float *from =
        r->from + (i / blocks * r->channels + first) * r->pixels;
    float *to = r->to + i * r->block * r->pixels;
    for (size_t p = 0; p < r->pixels; p++) {
        for (size_t c = 0; c < n; c++)
            to[p * r->block + c] = from[c * r->pixels + p];
        for (size_t c = n; c < r->block; c++)
            to[p * r->block + c] = 0;
    }
}

static void to_plain(void *user, size_t i)
{
    const struct reorder *r = user;
    size_t blocks = (r->channels + r->block - 1) / r->block;
    size_t first = i % blocks * r->block;
    size_t n = r->channels - first < r->block ? r->channels - first : r->block;
    const float *from = r->from + i * r->block * r->pixels;
    float *to = r->to + (i / blocks * r->channels + first) * r->pixels;
    for (size_t c = 0; c < n; c++) {
        for (size_t p = 0; p < r->pixels; p++)
            to[c * r->pixels + p] = from[p * r->block + c];
    }
}

static void run_reorder(struct cz_step *step, const struct cz_exec *exec,
                        void (*work)(void *, size_t))
{
    const struct cz_dims *dims = &step->outputs[0]->dims;
    const struct cz_array *blocked =
        step->outputs[0]->layout == CZ_LAYOUT_BLOCKED ? step->outputs[0]
                                                      : step->inputs[0];
    struct reorder r = {.from = step->inputs[0]->data,
                        .to = step->outputs[0]->data,
                        .channels = (size_t)dims->size[1],
                        .pixels = cz_dims_product(dims, 2, dims->rank),
                        .block = *(const size_t *)step->params};
    cz_team_for(exec, blocked->size_bytes / sizeof(float) / r.block / r.pixels,
                work, &r);
}

static enum cz_status run_to_blocked(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    (void)err;
    run_reorder(step, exec, to_blocked);
    return CZ_OK;
}

static enum cz_status run_to_plain(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    (void)err;
    run_reorder(step, exec, to_plain);
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
