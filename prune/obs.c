/* See obs_internal.h.
 *
 * H^-1 is the same for all output channels of a group, and what each of them
 * takes off it is kept as rows v: the inverse without the weights that are gone
 * is H^-1 - sum v v'. So the r-th weight costs r * n, not n * n, and some
 * weights are looked up at once. */
#include "prune/obs_internal.h"

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/compare.h"
#include "core/parallel.h"

/* Weights that are chosen by the losses as they were before the first of them
 * went: one of so many of those that go, and at most so many. */
#define BATCH_SHARE ((size_t)16)
#define BATCH ((size_t)8)

/* Where the inverse's diagonal is smaller than this share of what it was, it is
 * rounding. */
#define LEAST_PIVOT 1e-6f

/* How much sparser than the layer one of its channels may become. */
#define SPREAD 1.6

struct step {
    uint32_t input;
    float loss; /* of this weight, or of an earlier one if that was more: who
                   has this one has those before it, too */
};

struct obs {
    const struct cz_lsq *lsq;
    const struct cz_obs_options *options;
    const float *weights; /* as they were */
    float *inverse;       /* [groups, inputs, inputs] of xx + ridge */
    float *solved;        /* [groups, outputs, inputs]: nothing gone yet */
    size_t most;          /* weights that may go of one output channel */
    const size_t *rows;   /* [n_rows] the output channels, of all groups */
    size_t n_rows;
    struct step *steps; /* [n_rows, most] */
    atomic_bool has_failed;
};

/* ---- the inverse ------------------------------------------------------ */

static void load_system(double *matrix, double *v, const struct obs *o,
                        size_t group)
{
    const struct cz_lsq *lsq = o->lsq;
    const size_t n = lsq->shape.inputs, m = lsq->shape.outputs;
    const double ridge = lsq->ridge[group];
    memcpy(matrix, lsq->xx + group * n * n, n * n * sizeof *matrix);
    for (size_t i = 0; i < n; i++)
        matrix[i * n + i] += ridge;
    for (size_t i = 0; i < m * n; i++) {
        const size_t at = group * m * n + i;
        v[i] = lsq->xy[at] + ridge * (double)o->weights[at];
    }
}

static void store_system(const double *matrix, const double *v, struct obs *o,
                         size_t group)
{
    const size_t n = o->lsq->shape.inputs, m = o->lsq->shape.outputs;
    float *inverse = o->inverse + group * n * n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i; k < n; k++)
            inverse[i * n + k] = inverse[k * n + i] = (float)matrix[i * n + k];
    }
    for (size_t i = 0; i < m * n; i++)
        o->solved[group * m * n + i] = (float)v[i];
}

/* One group's; should the numbers not be finite, the weights stay as they were
 * and the inverse is 1. */
static void invert(void *user, size_t group)
{
    struct obs *o = user;
    const struct cz_blas *blas = o->lsq->blas;
    const int n = (int)o->lsq->shape.inputs, m = (int)o->lsq->shape.outputs;
    const size_t size = (size_t)n * (size_t)n, all = (size_t)m * (size_t)n;
    double *matrix = cz_calloc(size + all + 1, sizeof *matrix);
    double *v = matrix + size;
    int info = 0;
    if (!matrix) {
        atomic_store(&o->has_failed, true);
        return;
    }
    load_system(matrix, v, o, group);
    blas->dpotrf("L", &n, matrix, &n, &info);
    if (info == 0)
        blas->dpotrs("L", &n, &m, matrix, &n, v, &n, &info);
    if (info == 0)
        blas->dpotri("L", &n, matrix, &n, &info);
    for (size_t i = 0; i < size && info != 0; i++)
        matrix[i] = i % (size_t)(n + 1) == 0;
    for (size_t i = 0; i < all && info != 0; i++)
        v[i] = (double)o->weights[group * all + i];
    store_system(matrix, v, o, group);
    cz_free(matrix);
}

/* ---- one output channel ----------------------------------------------- */

struct row {
    const struct obs *o;
    const float *inverse; /* of its group */
    float *w, *d;         /* [inputs] the weights, the inverse's diagonal */
    float *v;             /* [most, inputs] */
    float *columns;       /* [most, BATCH] */
    bool *gone;           /* [inputs] */
    size_t *left;         /* [blocks] of N:M, weights that may still go */
    size_t count;         /* gone */
    float worst;          /* loss */
    struct step *steps;
};

static size_t block_of(const struct row *r, size_t i)
{
    const struct cz_obs_options *o = r->o->options;
    return i / o->kernel / o->nm.m * o->kernel + i % o->kernel;
}

static bool may_go(const struct row *r, size_t i)
{
    return !r->gone[i] && (!r->left || r->left[block_of(r, i)] > 0);
}

/* Marks it as gone; the count, when there is none left. */
static size_t pick(struct row *r)
{
    const size_t n = r->o->lsq->shape.inputs;
    float least = INFINITY;
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        const float loss = r->w[i] * r->w[i] / r->d[i];
        if (loss < least && may_go(r, i)) {
            least = loss;
            best = i;
        }
    }
    if (best < n) {
        r->gone[best] = true;
        if (r->left)
            r->left[block_of(r, best)]--;
    }
    return best;
}

/* Rows of the inverse without the weights that were gone before the batch. */
static void look_up(struct row *r, const size_t *batch, size_t count)
{
    const size_t n = r->o->lsq->shape.inputs;
    float *v = r->v + r->count * n;
    for (size_t b = 0; b < count; b++) {
        memcpy(v + b * n, r->inverse + batch[b] * n, n * sizeof *v);
        for (size_t i = 0; i < r->count; i++)
            r->columns[i * BATCH + b] = r->v[i * n + batch[b]];
    }
    if (r->count)
        r->o->lsq->blas->sgemm(CZ_BLAS_ROW_MAJOR, CZ_BLAS_TRANSPOSED,
                               CZ_BLAS_AS_IT_IS, (int)count, (int)n,
                               (int)r->count, -1, r->columns, (int)BATCH, r->v,
                               (int)n, 1, v, (int)n);
}

/* Takes the b-th weight of the batch out. */
static void take(struct row *r, const size_t *batch, size_t b)
{
    const size_t n = r->o->lsq->shape.inputs, at = batch[b];
    float *first = r->v + (r->count - b) * n, *v = first + b * n;
    for (size_t a = 0; a < b; a++) {
        const float factor = first[a * n + at];
        for (size_t i = 0; i < n; i++)
            v[i] -= factor * first[a * n + i];
    }
    const float least = LEAST_PIVOT * r->inverse[at * n + at];
    const float pivot = v[at] > least ? v[at] : least;
    const float scale = 1 / sqrtf(pivot), change = r->w[at] * scale;
    for (size_t i = 0; i < n; i++) {
        v[i] *= scale;
        const float d = r->d[i] - v[i] * v[i];
        const float floor = LEAST_PIVOT * r->inverse[i * n + i];
        r->d[i] = d > floor ? d : floor;
        r->w[i] -= v[i] * change;
    }
    r->w[at] = 0;
    r->worst = fmaxf(r->worst, change * change);
    r->steps[r->count++] =
        (struct step){.input = (uint32_t)at, .loss = r->worst};
}

static void choose_batch(struct row *r)
{
    const size_t left = r->o->most - r->count;
    const size_t share = r->o->most / BATCH_SHARE + 1;
    const size_t wanted = share < BATCH ? share : BATCH;
    size_t batch[BATCH], count = 0;
    while (count < wanted && count < left) {
        batch[count] = pick(r);
        if (batch[count] == r->o->lsq->shape.inputs)
            break; /* losses that are no numbers */
        count++;
    }
    look_up(r, batch, count);
    for (size_t b = 0; b < count; b++)
        take(r, batch, b);
    for (size_t i = 0; count == 0 && r->count < r->o->most; i++) {
        if (may_go(r, i)) {
            r->gone[i] = true;
            if (r->left)
                r->left[block_of(r, i)]--;
            r->steps[r->count++] =
                (struct step){.input = (uint32_t)i, .loss = INFINITY};
        }
    }
}

static bool start_row(struct row *r, const struct obs *o, size_t i)
{
    const struct cz_obs_options *options = o->options;
    const size_t n = o->lsq->shape.inputs, channel = o->rows[i];
    *r = (struct row){
        .o = o,
        .inverse = o->inverse + channel / o->lsq->shape.outputs * n * n,
        .w = cz_calloc(n, sizeof *r->w),
        .d = cz_calloc(n, sizeof *r->d),
        .v = cz_calloc(o->most * n + 1, sizeof *r->v),
        .columns = cz_calloc(o->most * BATCH + 1, sizeof *r->columns),
        .gone = cz_calloc(n, sizeof *r->gone),
        .steps = o->steps + i * o->most};
    if (options->nm.m)
        r->left = cz_calloc(n / options->nm.m + 1, sizeof *r->left);
    if (!r->w || !r->d || !r->v || !r->columns || !r->gone ||
        (options->nm.m && !r->left))
        return false;
    for (size_t k = 0; r->left && k < n / options->nm.m; k++)
        r->left[k] = options->nm.m - options->nm.n;
    memcpy(r->w, o->solved + channel * n, n * sizeof *r->w);
    for (size_t k = 0; k < n; k++)
        r->d[k] = r->inverse[k * n + k];
    return true;
}

static void choose_row(void *user, size_t i)
{
    struct obs *o = user;
    struct row r;
    if (start_row(&r, o, i)) {
        while (r.count < o->most)
            choose_batch(&r);
    } else {
        atomic_store(&o->has_failed, true);
    }
    cz_free(r.w);
    cz_free(r.d);
    cz_free(r.v);
    cz_free(r.columns);
    cz_free(r.gone);
    cz_free(r.left);
}

static enum cz_status choose_rows(struct obs *o, struct cz_error *err)
{
    const struct cz_lsq_shape *s = &o->lsq->shape;
    const size_t threads = o->lsq->options.threads;
    o->inverse =
        cz_calloc(s->groups * s->inputs * s->inputs + 1, sizeof *o->inverse);
    o->solved =
        cz_calloc(s->groups * s->outputs * s->inputs + 1, sizeof *o->solved);
    o->steps = cz_calloc(o->n_rows * o->most + 1, sizeof *o->steps);
    if (!o->inverse || !o->solved || !o->steps)
        return cz_error_nomem(err);
    cz_parallel_for(s->groups, threads, invert, o);
    if (!atomic_load(&o->has_failed))
        cz_parallel_for(o->n_rows, threads, choose_row, o);
    return atomic_load(&o->has_failed) ? cz_error_nomem(err) : CZ_OK;
}

static void finish(struct obs *o)
{
    cz_free(o->inverse);
    cz_free(o->solved);
    cz_free(o->steps);
    cz_free((void *)o->rows);
}

/* `count` of the output channels of each group, evenly spread. */
static enum cz_status list_rows(struct obs *o, size_t count,
                                struct cz_error *err)
{
    const struct cz_lsq_shape *s = &o->lsq->shape;
    size_t *rows = cz_calloc(s->groups * count + 1, sizeof *rows);
    if (!rows)
        return cz_error_nomem(err);
    for (size_t g = 0; g < s->groups; g++) {
        for (size_t i = 0; i < count; i++)
            rows[o->n_rows++] = g * s->outputs + i * s->outputs / count;
    }
    o->rows = rows;
    return CZ_OK;
}

/* ---- all output channels ---------------------------------------------- */

/* The `count`-th smallest loss of all. */
static enum cz_status find_threshold(float *threshold, const struct obs *o,
                                     size_t count, struct cz_error *err)
{
    const size_t all = o->n_rows * o->most;
    float *losses = cz_calloc(all + 1, sizeof *losses);
    if (!losses)
        return cz_error_nomem(err);
    for (size_t i = 0; i < all; i++)
        losses[i] = o->steps[i].loss;
    qsort(losses, all, sizeof *losses, cz_compare_floats);
    *threshold = losses[count ? count - 1 : 0];
    cz_free(losses);
    return CZ_OK;
}

/* All below the threshold, and of those at it the first, until `count` are
 * gone. */
static void mark(bool *keep, const struct obs *o, float threshold, size_t count)
{
    const size_t n = o->lsq->shape.inputs, all = o->n_rows * o->most;
    memset(keep, true, o->n_rows * n);
    for (int at = 0; at < 2; at++) {
        for (size_t i = 0; i < all && count; i++) {
            const struct step *step = &o->steps[i];
            if (at ? step->loss == threshold : step->loss < threshold) {
                keep[i / o->most * n + step->input] = false;
                count--;
            }
        }
    }
}

static size_t most_of(const struct cz_lsq *lsq,
                      const struct cz_obs_options *options)
{
    const size_t n = lsq->shape.inputs;
    const double channels = (double)(lsq->shape.groups * lsq->shape.outputs);
    if (options->nm.m)
        return n / options->nm.m * (options->nm.m - options->nm.n);
    const double most = ceil(SPREAD * (double)options->zeros / channels) + 1;
    return most < (double)n ? (size_t)most : n;
}

enum cz_status cz_obs_choose(bool *keep, const struct cz_lsq *lsq,
                             const float *weights,
                             const struct cz_obs_options *options,
                             struct cz_error *err)
{
    struct obs o = {.lsq = lsq,
                    .options = options,
                    .weights = weights,
                    .most = most_of(lsq, options)};
    const size_t all = lsq->shape.groups * lsq->shape.outputs * o.most;
    const size_t zeros = options->nm.m ? all : options->zeros;
    float threshold = 0;
    enum cz_status status = list_rows(&o, lsq->shape.outputs, err);
    if (status == CZ_OK)
        status = choose_rows(&o, err);
    if (status == CZ_OK)
        status = find_threshold(&threshold, &o, zeros, err);
    if (status == CZ_OK)
        mark(keep, &o, threshold, zeros);
    finish(&o);
    return status;
}

/* ---- what it costs ---------------------------------------------------- */

/* Weights of an output channel that are never taken out: the last ones. */
#define NEVER 0.05

/* Adds up the steps, smallest loss first. */
static void add_up(const struct cz_obs_curve *curve, const struct obs *o)
{
    const struct step *steps = o->steps;
    const size_t n = o->lsq->shape.inputs, taken = o->n_rows * o->most;
    const double channels =
        (double)(o->lsq->shape.groups * o->lsq->shape.outputs);
    const double scale = channels / (double)o->n_rows;
    const double all = (double)(o->n_rows * n);
    double sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < curve->count; i++) {
        const double share = (double)i / (double)(curve->count - 1);
        for (; at < taken && (double)at < share * all; at++)
            sum += (double)steps[at].loss * scale;
        curve->losses[i] = share * all > (double)taken ? INFINITY : sum;
    }
}

static int by_loss(const void *a, const void *b)
{
    const float x = ((const struct step *)a)->loss;
    const float y = ((const struct step *)b)->loss;
    return (x > y) - (x < y);
}

enum cz_status cz_obs_losses(const struct cz_obs_curve *curve,
                             const struct cz_lsq *lsq, const float *weights,
                             struct cz_error *err)
{
    const struct cz_obs_options options = {.kernel = 1};
    const size_t n = lsq->shape.inputs, m = lsq->shape.outputs;
    struct obs o = {.lsq = lsq,
                    .options = &options,
                    .weights = weights,
                    .most = n - (size_t)ceil(NEVER * (double)n)};
    enum cz_status status =
        list_rows(&o, curve->rows < m ? curve->rows : m, err);
    if (status == CZ_OK)
        status = choose_rows(&o, err);
    if (status == CZ_OK) {
        qsort(o.steps, o.n_rows * o.most, sizeof *o.steps, by_loss);
        add_up(curve, &o);
    }
    finish(&o);
    return status;
}
