/* Products of matrices, with the loops of simd_internal.h or in OpenBLAS.
 *
 * Our own: a panel of the right matrix, two vectors wide and some hundred
 * terms deep, is copied so that it is dense and stays in the first cache;
 * then all rows of the left one meet it, as they lie (K. Goto, R. van de
 * Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008, without
 * its packing of the left side: here that fits into the second cache). */
#include "engine/gemm_internal.h"

#include <string.h>

#include "core/sizes.h"
#include "engine/openblas_internal.h"

#define WIDTH_MAX 32 /* two vectors of 16 */
/* Terms of a sum in a row: the panel has to fit into the first cache, and
 * short sums of sums round less. */
#define DEPTH 128
/* Rows that meet a panel: DEPTH columns of them fit into the second cache. */
#define ROWS 384
/* Fewer rows are not worth the copy of a panel. */
#define FEW_ROWS 12

/* Columns [from, from + width) of the product. */
struct panel {
    const struct cz_gemm *gemm;
    const struct cz_simd *simd;
    size_t from, width;
};

/* to[depth][full], zeros behind the last column. */
static void pack(const struct panel *p, size_t k, size_t depth, float *to)
{
    const struct cz_gemm *g = p->gemm;
    const size_t full = CZ_SIMD_OUTPUTS * p->simd->lanes;
    const float *b = g->b + k * g->b_row + p->from * g->b_column;
    if (p->width < full)
        memset(to, 0, depth * full * sizeof *to);
    if (g->b_column == 1) {
        for (size_t i = 0; i < depth; i++)
            memcpy(to + i * full, b + i * g->b_row, p->width * sizeof *to);
        return;
    }
    for (size_t c = 0; c < p->width; c++) {
        for (size_t i = 0; i < depth; i++)
            to[i * full + c] = b[i * g->b_row + c * g->b_column];
    }
}

/* Rows [row, row + rows) of the panel's columns. */
static void multiply_panel(const struct panel *p, size_t row, size_t rows)
{
    _Alignas(64) float packed[DEPTH * WIDTH_MAX];
    _Alignas(64) float tile[ROWS * WIDTH_MAX];
    const struct cz_gemm *g = p->gemm;
    const size_t full = CZ_SIMD_OUTPUTS * p->simd->lanes;
    const bool is_full = p->width == full;
    const bool packs = rows > FEW_ROWS || g->b_column != 1 || !is_full;
    float *y = g->y + row * g->y_row + p->from;
    struct cz_simd_rows part = {
        .a = g->a + row * g->a_row,
        .a_row = g->a_row,
        .a_column = g->a_column,
        .b = packs ? packed : g->b + p->from,
        .b_row = packs ? full : g->b_row,
        .y = is_full ? y : tile,
        .y_row = is_full ? g->y_row : full,
    };
    for (size_t k = 0; k < g->k; k += DEPTH) {
        part.depth = cz_least(DEPTH, g->k - k);
        part.adds = k > 0;
        if (packs)
            pack(p, k, part.depth, packed);
        p->simd->rows(&part, rows);
        part.a += part.depth * g->a_column;
        part.b += packs ? 0 : part.depth * g->b_row;
    }
    for (size_t i = 0; i < rows && !is_full; i++)
        memcpy(y + i * g->y_row, tile + i * full, p->width * sizeof *y);
}

static void multiply(const struct cz_gemm *gemm, const struct cz_simd *simd)
{
    const size_t full = CZ_SIMD_OUTPUTS * simd->lanes;
    const size_t blocks = (gemm->m + ROWS - 1) / ROWS;
    for (size_t i = 0; i < blocks; i++) {
        const size_t row = i * gemm->m / blocks;
        const size_t rows = (i + 1) * gemm->m / blocks - row;
        for (size_t from = 0; from < gemm->n; from += full) {
            const struct panel panel = {gemm, simd, from,
                                        cz_least(full, gemm->n - from)};
            multiply_panel(&panel, row, rows);
        }
    }
}

bool cz_gemm_takes(const struct cz_array *array)
{
    return !array ||
           (array->dtype == CZ_DTYPE_FLOAT && !array->is_dynamic &&
            array->size_bytes > 0 && array->layout == CZ_LAYOUT_PLAIN);
}

void cz_gemm_run(const struct cz_gemm_unit *unit, const struct cz_gemm *gemm)
{
    if (unit->openblas)
        cz_openblas_run(unit->openblas, gemm);
    else
        multiply(gemm, unit->simd);
}

void cz_gemm_finish(const struct cz_gemm_unit *unit, const struct cz_step *step,
                    float bias, size_t from, size_t count)
{
    const struct cz_simd *simd = unit->simd;
    const size_t whole = count - count % simd->lanes;
    float *y = (float *)step->outputs[0]->data + from;
    const float *residual =
        step->residual ? (const float *)step->residual->data + from : NULL;
    for (size_t i = 0; i < count && bias != 0; i++)
        y[i] += bias;
    simd->finish(&step->activation, y, residual, whole / simd->lanes);
    for (size_t i = whole; i < count; i++)
        y[i] =
            cz_activate(&step->activation, y[i]) + (residual ? residual[i] : 0);
}
