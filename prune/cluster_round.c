/* Weights rounded to values one after the other: cz_clusters_round().
 *
 * With L L' = xx + ridge and e what the weights are off, the loss is the sum
 * over i of
 *
 *     L_ii^2 (e_i + sum over j > i of L_ji / L_ii e_j)^2
 *
 * so from the last weight on, each one's best value is that next to w_i less
 * the sum: what GPTQ does (E. Frantar et al., ICLR 2023) as J. Chee et al. have
 * it (QuIP, NeurIPS 2023, section 3: LDLQ). */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/compare.h"
#include "core/parallel.h"
#include "prune/cluster_internal.h"

/* Output channels at once, next to each other in vectors. */
#define ROWS ((size_t)16)

struct input {
    double power;
    size_t at;
};

struct rounding {
    struct cz_clusters *clusters;
    const struct cz_lsq *lsq;
    const float *weights;
    double *factors;      /* [groups, inputs, inputs] L_ji / L_ii, for j > i */
    struct input *inputs; /* [groups, inputs] in their order */
    atomic_bool has_failed;
};

/* ---- factors ---------------------------------------------------------- */

static int by_power(const void *a, const void *b)
{
    const struct input *x = a, *y = b;
    if (x->power != y->power)
        return x->power < y->power ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Of one group. The strongest input comes last: it is rounded first, and all
 * others make up for it. */
static void factor(void *user, size_t group)
{
    struct rounding *r = user;
    const size_t n = r->lsq->shape.inputs;
    const double *xx = r->lsq->xx + group * n * n;
    double *factors = r->factors + group * n * n;
    struct input *inputs = r->inputs + group * n;
    const int size = (int)n;
    int info = 0;
    for (size_t i = 0; i < n; i++)
        inputs[i] = (struct input){xx[i * n + i], i};
    qsort(inputs, n, sizeof *inputs, by_power);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            factors[i * n + j] = xx[inputs[i].at * n + inputs[j].at];
        factors[i * n + i] += r->lsq->ridge[group];
    }
    r->lsq->blas->dpotrf("L", &size, factors, &size, &info);
    for (size_t i = 0; i < n; i++) {
        const double diagonal = factors[i * n + i];
        for (size_t j = i + 1; j < n; j++) /* not solvable: each on its own */
            factors[i * n + j] = info ? 0 : factors[i * n + j] / diagonal;
    }
}

/* ---- rounding --------------------------------------------------------- */

static uint16_t nearest(const struct cz_clusters *c, double value)
{
    size_t from = 1, to = c->count - 1;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if ((double)c->values[middle] + (double)c->values[middle + 1] >
            2 * value)
            to = middle;
        else
            from = middle + 1;
    }
    return (uint16_t)from;
}

/* One input's weights in `rows` output channels from `first` on. */
static void round_input(const struct rounding *r, size_t first, size_t rows,
                        size_t input, const double *sums, double *off)
{
    struct cz_clusters *c = r->clusters;
    for (size_t k = 0; k < rows; k++) {
        const size_t at = (first + k) * r->lsq->shape.inputs + input;
        const double weight = (double)r->weights[at];
        if (c->of[at] == 0)
            continue;
        c->of[at] = nearest(c, weight - sums[k]);
        off[k] = (double)c->values[c->of[at]] - weight;
    }
}

static void round_rows(void *user, size_t item)
{
    struct rounding *r = user;
    const struct cz_lsq_shape *s = &r->lsq->shape;
    const size_t n = s->inputs, pieces = (s->outputs + ROWS - 1) / ROWS;
    const size_t group = item / pieces, from = item % pieces * ROWS;
    const size_t rows = s->outputs - from < ROWS ? s->outputs - from : ROWS;
    const struct input *inputs = r->inputs + group * n;
    double *off = cz_calloc(n * ROWS + 1, sizeof *off); /* [inputs, ROWS] */
    if (!off) {
        atomic_store(&r->has_failed, true);
        return;
    }
    for (size_t i = n; i-- > 0;) {
        const double *row = r->factors + (group * n + i) * n;
        double sums[ROWS] = {0};
        for (size_t j = i + 1; j < n; j++) {
            for (size_t k = 0; k < ROWS; k++)
                sums[k] += row[j] * off[j * ROWS + k];
        }
        round_input(r, group * s->outputs + from, rows, inputs[i].at, sums,
                    off + i * ROWS);
    }
    cz_free(off);
}

enum cz_status cz_clusters_round(struct cz_clusters *clusters,
                                 const struct cz_lsq *lsq, const float *weights,
                                 struct cz_error *err)
{
    const size_t n = lsq->shape.inputs, groups = lsq->shape.groups;
    const size_t pieces = (lsq->shape.outputs + ROWS - 1) / ROWS;
    const size_t threads = lsq->options.threads;
    struct rounding r = {.clusters = clusters, .lsq = lsq, .weights = weights};
    r.factors = cz_calloc(groups * n * n + 1, sizeof *r.factors);
    r.inputs = cz_calloc(groups * n + 1, sizeof *r.inputs);
    if (r.factors && r.inputs) {
        qsort(clusters->values + 1, clusters->count - 1,
              sizeof *clusters->values, cz_compare_floats);
        cz_parallel_for(groups, threads, factor, &r);
        cz_parallel_for(groups * pieces, threads, round_rows, &r);
    } else {
        atomic_store(&r.has_failed, true);
    }
    cz_free(r.factors);
    cz_free(r.inputs);
    return atomic_load(&r.has_failed) ? cz_error_nomem(err) : CZ_OK;
}
