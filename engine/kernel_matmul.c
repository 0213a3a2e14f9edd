/* MatMul and Gemm in float32, by the loops of gemm.c ("gemm") or in OpenBLAS.
 * Either works in one thread; here the products are cut into pieces for all of
 * them, along the side of the output that is longer. */
#include <limits.h>

#include "engine/gemm_internal.h"
#include "engine/kernels_internal.h"
#include "engine/matrix_internal.h"
#include "engine/openblas_internal.h"

/* Rows or columns of a piece. */
#define PIECE_MIN 32

struct state {
    struct cz_gemm_unit unit;
    struct cz_matrices matrices;
    size_t pieces; /* of each product */
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    return !step->is_dynamic && cz_gemm_takes(step->inputs[0]) &&
           cz_gemm_takes(step->inputs[1]) &&
           cz_gemm_takes(cz_step_input(step, 2)) &&
           cz_gemm_takes(step->residual) && cz_gemm_takes(step->outputs[0]) &&
           cz_simd_find(plan->block);
}

static bool fits_openblas(const struct cz_step *step,
                          const struct cz_plan *plan)
{
    if (!plan->openblas || !fits(step, plan))
        return false;
    const struct cz_product p = cz_matrices_of(step).p;
    return p.m <= INT_MAX && p.n <= INT_MAX && p.k <= INT_MAX &&
           cz_array_count(step->outputs[0]) * p.k >= CZ_OPENBLAS_MACS_MIN &&
           cz_openblas_load(plan->openblas);
}

static size_t longer_side(const struct cz_product *p)
{
    return p->m > p->n ? p->m : p->n;
}

static enum cz_status prepare_unit(struct cz_step *step,
                                   const struct cz_plan *plan,
                                   const struct cz_openblas *openblas,
                                   void **result, struct cz_error *err)
{
    struct state *state = cz_calloc(1, sizeof *state);
    if (!state)
        return cz_error_nomem(err);
    state->unit = (struct cz_gemm_unit){openblas, cz_simd_find(plan->block)};
    state->matrices = cz_matrices_of(step);
    state->pieces = 1;
    if (state->matrices.count % plan->exec.threads != 0) {
        const size_t most = longer_side(&state->matrices.p) / PIECE_MIN;
        state->pieces = plan->exec.threads < most ? plan->exec.threads : most;
        state->pieces += state->pieces == 0;
    }
    *result = state;
    return CZ_OK;
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    return prepare_unit(step, plan, NULL, state, err);
}

static enum cz_status prepare_openblas(struct cz_step *step,
                                       const struct cz_plan *plan, void **state,
                                       struct cz_error *err)
{
    return prepare_unit(step, plan, plan->openblas, state, err);
}

/* ---- a frame ---------------------------------------------------------- */

/* Cuts piece i of n out of a product: its first row and column. */
static void cut(struct cz_gemm *g, size_t i, size_t n, size_t *row,
                size_t *column)
{
    const bool by_rows = g->m >= g->n;
    const size_t side = by_rows ? g->m : g->n;
    const size_t from = i * side / n, size = (i + 1) * side / n - from;
    *row = by_rows ? from : 0;
    *column = by_rows ? 0 : from;
    *(by_rows ? &g->m : &g->n) = size;
    g->a += *row * g->a_row;
    g->b += *column * g->b_column;
    g->y += *row * g->y_row + *column;
}

static void multiply_piece(void *user, size_t i)
{
    const struct state *s = user;
    const struct cz_matrices *m = &s->matrices;
    const struct cz_step *step = m->step;
    const struct cz_product *p = &m->p;
    const size_t batch = i / s->pieces;
    size_t row, column;
    float *y = step->outputs[0]->data;
    struct cz_gemm g = {
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .a = (const float *)step->inputs[0]->data +
             cz_matrices_offset(m, m->a_batch, batch),
        .b = (const float *)step->inputs[1]->data +
             cz_matrices_offset(m, m->b_batch, batch),
        .a_row = p->a_row,
        .a_column = p->a_column,
        .b_row = p->b_row,
        .b_column = p->b_column,
        .y = y + batch * p->m * p->n,
        .y_row = p->n,
    };
    cut(&g, i % s->pieces, s->pieces, &row, &column);
    cz_gemm_run(&s->unit, &g);
    for (size_t r = 0; r < g.m; r++) {
        float *from = g.y + r * g.y_row;
        if (m->gemm)
            cz_matrices_scale(m, from, row + r, column, g.n);
        cz_gemm_finish(&s->unit, step, 0, (size_t)(from - y), g.n);
    }
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    struct state *state = step->state;
    (void)err;
    cz_team_for(exec, state->matrices.count * state->pieces, multiply_piece,
                state);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_matmul[] = {
    {.name = "gemm",
     .op_type = "MatMul",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = cz_free},
    {.name = "gemm",
     .op_type = "Gemm",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = cz_free},
    {.name = NULL},
};

const struct cz_kernel cz_kernels_openblas_matmul[] = {
    {.name = "openblas",
     .op_type = "MatMul",
     .fits = fits_openblas,
     .prepare = prepare_openblas,
     .run = run,
     .release = cz_free},
    {.name = "openblas",
     .op_type = "Gemm",
     .fits = fits_openblas,
     .prepare = prepare_openblas,
     .run = run,
     .release = cz_free},
    {.name = NULL},
};
