/* Operators that passes make; no file holds them. */
#include <string.h>

#include "engine/plan_internal.h"

/* ---- Activation ------------------------------------------------------- */

static enum cz_status shape_activation(struct cz_step *step,
                                       struct cz_error *err)
{
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &step->inputs[0]->dims, err);
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

const struct cz_op cz_ops_internal[] = {
    {.op_type = "cz.Activation",
     .since = 1,
     .flags = CZ_OP_ELEMENTWISE,
     .min_inputs = 1,
     .max_inputs = 1,
     .shape = shape_activation,
     .run = run_activation},
    {.op_type = NULL},
};
