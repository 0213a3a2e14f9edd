/* See openblas_internal.h. */
#include "engine/openblas_internal.h"

struct cz_openblas *cz_openblas_new(void)
{
    return cz_calloc(1, sizeof(struct cz_openblas));
}

void cz_openblas_free(struct cz_openblas *openblas)
{
    cz_free(openblas);
}

bool cz_openblas_load(struct cz_openblas *openblas)
{
    if (!openblas->was_tried)
        openblas->blas = cz_blas();
    openblas->was_tried = true;
    return openblas->blas != NULL;
}

/* A distance that is never used, of a single row, may be too small for it. */
static int leading(size_t row, size_t column, size_t least)
{
    const size_t distance = column == 1 ? row : column;
    return (int)(distance > least ? distance : least);
}

void cz_openblas_run(const struct cz_openblas *openblas,
                     const struct cz_gemm *g)
{
    const bool a_is_plain = g->a_column == 1, b_is_plain = g->b_column == 1;
    const int trans_a = a_is_plain ? CZ_BLAS_AS_IT_IS : CZ_BLAS_TRANSPOSED;
    const int trans_b = b_is_plain ? CZ_BLAS_AS_IT_IS : CZ_BLAS_TRANSPOSED;
    openblas->blas->sgemm(
        CZ_BLAS_ROW_MAJOR, trans_a, trans_b, (int)g->m, (int)g->n, (int)g->k, 1,
        g->a, leading(g->a_row, g->a_column, a_is_plain ? g->k : g->m), g->b,
        leading(g->b_row, g->b_column, b_is_plain ? g->n : g->k), 0, g->y,
        leading(g->y_row, 1, g->n));
}
