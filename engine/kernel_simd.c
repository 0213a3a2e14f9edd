/* Activations that stand by themselves, and Softmax, a vector at a time. */
#include <string.h>

#include "engine/kernels_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/simd_internal.h"

/* Floats of a piece of work: they stay in the first cache. */
#define CHUNK ((size_t)4096)
/* Of the rows of a softmax, for each thread: they even out. */
#define ROW_PIECES 8

struct job {
    const struct cz_simd *simd;
    struct cz_activation activation;
    const float *x;
    float *y;
    size_t count; /* of all floats, or along the softmax */
    /* Softmax: floats behind it, lines before it, shares of the work. */
    size_t inner, outer, pieces;
};

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct job *job = cz_calloc(1, sizeof *job);
    (void)step;
    if (!job)
        return cz_error_nomem(err);
    job->simd = cz_simd_find(plan->block);
    *state = job;
    return CZ_OK;
}

static bool is_plain_float(const struct cz_step *step,
                           const struct cz_plan *plan)
{
    return !step->is_dynamic && step->inputs[0]->dtype == CZ_DTYPE_FLOAT &&
           cz_simd_find(plan->block);
}

/* ---- activations ------------------------------------------------------ */

static bool fits_activation(const struct cz_step *step,
                            const struct cz_plan *plan)
{
    struct cz_activation activation;
    return is_plain_float(step, plan) &&
           cz_step_activation(step, &activation) &&
           step->inputs[0]->layout == step->outputs[0]->layout;
}

static void activate_chunk(void *user, size_t i)
{
    const struct job *job = user;
    size_t from = i * CHUNK, lanes = job->simd->lanes;
    size_t n = job->count - from < CHUNK ? job->count - from : CHUNK;
    const float *x = job->x + from;
    float *y = job->y + from;
    if (x != y)
        memcpy(y, x, n * sizeof *y);
    job->simd->finish(&job->activation, y, NULL, n / lanes);
    for (size_t k = n - n % lanes; k < n; k++)
        y[k] = cz_activate(&job->activation, y[k]);
}

static enum cz_status run_activation(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    struct job *job = step->state;
    (void)err;
    cz_step_activation(step, &job->activation);
    job->x = step->inputs[0]->data;
    job->y = step->outputs[0]->data;
    job->count = step->outputs[0]->size_bytes / sizeof(float);
    cz_team_for(exec, (job->count + CHUNK - 1) / CHUNK, activate_chunk, job);
    return CZ_OK;
}

/* ---- softmax ---------------------------------------------------------- */

static bool fits_softmax(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_softmax_range range;
    return is_plain_float(step, plan) &&
           step->inputs[0]->layout == CZ_LAYOUT_PLAIN &&
           cz_op_softmax(step, &range) && range.count > 0 &&
           (range.inner == 1 || range.inner % plan->block == 0);
}

/* Some neighbours, all along the softmax. */
static void softmax_piece(void *user, size_t i)
{
    const struct job *job = user;
    size_t lanes = job->simd->lanes, vectors = job->inner / lanes;
    size_t part = i % job->pieces;
    size_t from = vectors * part / job->pieces;
    size_t to = vectors * (part + 1) / job->pieces;
    size_t base = i / job->pieces * job->count * job->inner;
    for (size_t v = from; v < to; v++)
        job->simd->softmax(job->x + base + v * lanes, job->y + base + v * lanes,
                           job->count, job->inner);
}

/* Some rows, where it goes along neighbours. */
static void softmax_rows(void *user, size_t i)
{
    const struct job *job = user;
    size_t to = (i + 1) * job->outer / job->pieces;
    for (size_t row = i * job->outer / job->pieces; row < to; row++)
        job->simd->softmax_row(job->x + row * job->count,
                               job->y + row * job->count, job->count);
}

static enum cz_status run_softmax(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    struct job *job = step->state;
    struct cz_softmax_range range;
    (void)err;
    cz_op_softmax(step, &range);
    job->x = step->inputs[0]->data;
    job->y = step->outputs[0]->data;
    job->count = range.count;
    job->inner = range.inner;
    job->outer = range.outer;
    job->pieces = exec->threads;
    if (range.inner == 1) {
        job->pieces *= ROW_PIECES;
        cz_team_for(exec, job->pieces, softmax_rows, job);
    } else {
        cz_team_for(exec, range.outer * job->pieces, softmax_piece, job);
    }
    return CZ_OK;
}

#define ACTIVATION(type)                                                       \
    {                                                                          \
        .name = "simd", .op_type = type, .fits = fits_activation,              \
        .prepare = prepare, .run = run_activation, .release = cz_free          \
    }

const struct cz_kernel cz_kernels_simd[] = {
    ACTIVATION(CZ_OP_ACTIVATION),
    ACTIVATION("Sigmoid"),
    ACTIVATION("Relu"),
    ACTIVATION("LeakyRelu"),
    ACTIVATION("HardSigmoid"),
    ACTIVATION("HardSwish"),
    ACTIVATION("Clip"),
    {.name = "simd",
     .op_type = "Softmax",
     .fits = fits_softmax,
     .prepare = prepare,
     .run = run_softmax,
     .release = cz_free},
    {.name = NULL},
};
