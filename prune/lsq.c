/* See lsq_internal.h. */
#include "prune/lsq_internal.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"

/* ---- sums ------------------------------------------------------------- */

#define MOMENTS_MAX ((size_t)1 << 28)

bool cz_lsq_fits(const struct cz_lsq_shape *shape)
{
    const size_t n = shape->inputs;
    return n && shape->groups && shape->outputs &&
           n <= MOMENTS_MAX / n / shape->groups &&
           shape->outputs <= INT_MAX / 64;
}

enum cz_status cz_lsq_init(struct cz_lsq *lsq, const struct cz_lsq_shape *shape,
                           const struct cz_lsq_options *options,
                           struct cz_error *err)
{
    const size_t g = shape->groups, n = shape->inputs, m = shape->outputs;
    *lsq = (struct cz_lsq){.shape = *shape, .options = *options};
    CZ_TRY(cz_blas_open(&lsq->blas, err));
    if (!cz_lsq_fits(shape))
        return cz_error_set(err, CZ_EUNSUPPORTED, "%zu inputs are too many", n);
    lsq->xx = cz_calloc(g * n * n + 1, sizeof *lsq->xx);
    lsq->xy = cz_calloc(g * m * n + 1, sizeof *lsq->xy);
    lsq->x = cz_calloc(g * n + 1, sizeof *lsq->x);
    lsq->y = cz_calloc(g * m + 1, sizeof *lsq->y);
    lsq->yy = cz_calloc(g * m + 1, sizeof *lsq->yy);
    lsq->variance = cz_calloc(g * m + 1, sizeof *lsq->variance);
    lsq->ridge = cz_calloc(g + 1, sizeof *lsq->ridge);
    lsq->product = cz_calloc(g * n * (n + m) + 1, sizeof *lsq->product);
    return lsq->xx && lsq->xy && lsq->x && lsq->y && lsq->yy && lsq->variance &&
                   lsq->ridge && lsq->product
               ? CZ_OK
               : cz_error_nomem(err);
}

void cz_lsq_fini(struct cz_lsq *lsq)
{
    cz_free(lsq->xx);
    cz_free(lsq->xy);
    cz_free(lsq->x);
    cz_free(lsq->y);
    cz_free(lsq->yy);
    cz_free(lsq->variance);
    cz_free(lsq->ridge);
    cz_free(lsq->product);
}

/* Columns of one group's products that are added at once. */
#define BAND ((size_t)128)

struct addition {
    struct cz_lsq *lsq;
    const float *x, *y; /* of all windows */
    size_t count, bands;
};

/* One product of many: the transposed left, [count, rows], with columns of x,
 * [count, columns], into the rows of `sum`, [rows, inputs]. */
struct product {
    const float *left, *x; /* their rows are all values of one window */
    size_t rows, columns, left_stride;
    float *sums; /* room for the new ones, as those of `sum` */
    double *sum;
};

static void add_product(const struct addition *a, const struct product *p)
{
    const struct cz_lsq_shape *s = &a->lsq->shape;
    const size_t n = s->inputs;
    a->lsq->blas->sgemm(CZ_BLAS_ROW_MAJOR, CZ_BLAS_TRANSPOSED, CZ_BLAS_AS_IT_IS,
                        (int)p->rows, (int)p->columns, (int)a->count, 1,
                        p->left, (int)p->left_stride, p->x,
                        (int)(s->groups * n), 0, p->sums, (int)n);
    for (size_t i = 0; i < p->rows; i++) {
        for (size_t k = 0; k < p->columns; k++)
            p->sum[i * n + k] += (double)p->sums[i * n + k];
    }
}

/* Of one group: y with x, or a band of columns of x with x, of which the lower
 * triangle is enough. */
static void add_band(void *user, size_t i)
{
    const struct addition *a = user;
    const struct cz_lsq_shape *s = &a->lsq->shape;
    const size_t n = s->inputs, m = s->outputs;
    const size_t group = i / (a->bands + 1), band = i % (a->bands + 1);
    const float *x = a->x + group * n;
    float *sums = a->lsq->product + group * n * (n + m);
    if (band == 0) {
        add_product(a, &(struct product){.left = a->y + group * m,
                                         .rows = m,
                                         .left_stride = s->groups * m,
                                         .x = x,
                                         .columns = n,
                                         .sums = sums + n * n,
                                         .sum = a->lsq->xy + group * m * n});
        return;
    }
    const size_t from = (band - 1) * BAND, left = n - from;
    add_product(a, &(struct product){.left = x + from,
                                     .rows = left,
                                     .left_stride = s->groups * n,
                                     .x = x + from,
                                     .columns = left < BAND ? left : BAND,
                                     .sums = sums + from * n + from,
                                     .sum = a->lsq->xx + group * n * n +
                                            from * n + from});
}

void cz_lsq_add(struct cz_lsq *lsq, const float *x, const float *y,
                size_t count)
{
    const size_t n = lsq->shape.groups * lsq->shape.inputs;
    const size_t m = lsq->shape.groups * lsq->shape.outputs;
    struct addition a = {.lsq = lsq,
                         .x = x,
                         .y = y,
                         .count = count,
                         .bands = (lsq->shape.inputs + BAND - 1) / BAND};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < n; k++)
            lsq->x[k] += (double)x[i * n + k];
        for (size_t k = 0; k < m; k++) {
            lsq->y[k] += (double)y[i * m + k];
            lsq->yy[k] += (double)y[i * m + k] * (double)y[i * m + k];
        }
    }
    lsq->count += count;
    cz_parallel_for(lsq->shape.groups * (a.bands + 1), lsq->options.threads,
                    add_band, &a);
}

/* ---- moments ---------------------------------------------------------- */

static void finish_inputs(struct cz_lsq *lsq, size_t group)
{
    const size_t n = lsq->shape.inputs;
    const double count = (double)lsq->count;
    double *xx = lsq->xx + group * n * n, *x = lsq->x + group * n, sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] /= count;
        for (size_t k = 0; k <= i; k++) {
            const double around = lsq->options.bias_is_free ? x[i] * x[k] : 0;
            xx[i * n + k] = xx[i * n + k] / count - around;
            xx[k * n + i] = xx[i * n + k];
        }
        sum += xx[i * n + i];
    }
    /* Inputs that are all 0 leave the weights what they were. */
    lsq->ridge[group] = sum > 0 ? lsq->options.ridge * sum / (double)n : 1;
}

static void finish_output(struct cz_lsq *lsq, size_t i)
{
    const size_t n = lsq->shape.inputs, group = i / lsq->shape.outputs;
    const struct cz_lsq_options *o = &lsq->options;
    const double count = (double)lsq->count;
    const double mean = lsq->y[i] / count;
    const double fixed = o->bias ? (double)o->bias[i] : 0;
    const double bias = o->bias_is_free ? mean : fixed;
    lsq->y[i] = mean;
    lsq->variance[i] = lsq->yy[i] / count - mean * mean;
    lsq->yy[i] = lsq->yy[i] / count - 2 * bias * mean + bias * bias;
    for (size_t k = 0; k < n; k++)
        lsq->xy[i * n + k] =
            lsq->xy[i * n + k] / count - bias * lsq->x[group * n + k];
}

void cz_lsq_finish(struct cz_lsq *lsq)
{
    for (size_t g = 0; g < lsq->shape.groups; g++)
        finish_inputs(lsq, g);
    for (size_t i = 0; i < lsq->shape.groups * lsq->shape.outputs; i++)
        finish_output(lsq, i);
}

/* ---- errors ----------------------------------------------------------- */

/* Output channels of one group at once. */
#define ROWS ((size_t)16)

struct measuring {
    const struct cz_lsq *lsq;
    const float *weights, *bias;
    double *errors;
    atomic_bool has_failed;
};

/* v' xx v - 2 v' xy + yy, and what the bias is off where it is free. */
static double error_of(const struct measuring *m, size_t i, const double *v,
                       const double *product)
{
    const struct cz_lsq *lsq = m->lsq;
    const size_t n = lsq->shape.inputs, group = i / lsq->shape.outputs;
    double error = lsq->yy[i], mean = 0;
    for (size_t k = 0; k < n; k++) {
        error += v[k] * (product[k] - 2 * lsq->xy[i * n + k]);
        mean += v[k] * lsq->x[group * n + k];
    }
    if (lsq->options.bias_is_free) {
        const double off = mean + (double)m->bias[i] - lsq->y[i];
        error += off * off;
    }
    return error < 0 ? 0 : error; /* by rounding; NaN stays */
}

static void measure_rows(void *user, size_t item)
{
    struct measuring *m = user;
    const struct cz_lsq_shape *s = &m->lsq->shape;
    const size_t n = s->inputs, pieces = (s->outputs + ROWS - 1) / ROWS;
    const size_t group = item / pieces, from = item % pieces * ROWS;
    const size_t rows = s->outputs - from < ROWS ? s->outputs - from : ROWS;
    const size_t first = group * s->outputs + from;
    double *v = cz_calloc(2 * rows * n + 1, sizeof *v), *product = v + rows * n;
    if (!v) {
        atomic_store(&m->has_failed, true);
        return;
    }
    for (size_t i = 0; i < rows * n; i++)
        v[i] = (double)m->weights[first * n + i];
    m->lsq->blas->dgemm(CZ_BLAS_ROW_MAJOR, CZ_BLAS_AS_IT_IS, CZ_BLAS_AS_IT_IS,
                        (int)rows, (int)n, (int)n, 1, v, (int)n,
                        m->lsq->xx + group * n * n, (int)n, 0, product, (int)n);
    for (size_t i = 0; i < rows; i++)
        m->errors[first + i] =
            error_of(m, first + i, v + i * n, product + i * n);
    cz_free(v);
}

enum cz_status cz_lsq_errors(double *errors, const struct cz_lsq *lsq,
                             const float *weights, const float *bias,
                             struct cz_error *err)
{
    struct measuring m = {
        .lsq = lsq, .weights = weights, .bias = bias, .errors = errors};
    const size_t pieces = (lsq->shape.outputs + ROWS - 1) / ROWS;
    cz_parallel_for(lsq->shape.groups * pieces, lsq->options.threads,
                    measure_rows, &m);
    return atomic_load(&m.has_failed) ? cz_error_nomem(err) : CZ_OK;
}

void cz_lsq_level(float *bias, const struct cz_lsq *lsq, const float *weights)
{
    const size_t n = lsq->shape.inputs, m = lsq->shape.outputs;
    for (size_t i = 0; i < lsq->shape.groups * m; i++) {
        double mean = 0;
        for (size_t k = 0; k < n; k++)
            mean += (double)weights[i * n + k] * lsq->x[i / m * n + k];
        if (lsq->options.bias_is_free)
            bias[i] = (float)(lsq->y[i] - mean);
    }
}

/* ---- solutions -------------------------------------------------------- */

/* Ridges, each ten times the one before, that are tried. */
#define RIDGES 5

/* Output channels of a group, one behind the other, that keep the same
 * weights. */
struct run {
    size_t first, count;
    size_t group;
    size_t *places;     /* [k] of the weights that remain */
    double *matrix, *v; /* [k, k], [count, k] */
    size_t k;
};

struct solving {
    const struct cz_lsq *lsq;
    const bool *keep;
    float *weights, *bias;
    struct run *runs;
    atomic_bool has_failed;
};

static enum cz_status find_runs(struct solving *s, size_t *n_runs,
                                struct cz_error *err)
{
    const struct cz_lsq_shape *shape = &s->lsq->shape;
    const size_t n = shape->inputs, channels = shape->groups * shape->outputs;
    s->runs = cz_calloc(channels + 1, sizeof *s->runs);
    *n_runs = 0;
    if (!s->runs)
        return cz_error_nomem(err);
    for (size_t i = 0; i < channels; i++) {
        const bool is_same =
            i % shape->outputs != 0 &&
            memcmp(s->keep + i * n, s->keep + (i - 1) * n, n) == 0;
        if (!is_same)
            s->runs[(*n_runs)++] =
                (struct run){.first = i, .group = i / shape->outputs};
        s->runs[*n_runs - 1].count++;
    }
    return CZ_OK;
}

/* The places of the run's weights, and room. */
static bool start_run(struct run *run, const struct solving *s)
{
    const size_t n = s->lsq->shape.inputs;
    run->places = cz_calloc(n + 1, sizeof *run->places);
    for (size_t i = 0; run->places && i < n; i++) {
        if (s->keep[run->first * n + i])
            run->places[run->k++] = i;
    }
    run->matrix = cz_calloc(run->k * run->k + 1, sizeof *run->matrix);
    run->v = cz_calloc(run->count * run->k + 1, sizeof *run->v);
    return run->places && run->matrix && run->v;
}

/* xx + ridge and xy + ridge * w of the weights that remain. */
static void fill(struct run *run, const struct solving *s, double ridge)
{
    const struct cz_lsq *lsq = s->lsq;
    const size_t n = lsq->shape.inputs, k = run->k;
    const double *xx = lsq->xx + run->group * n * n;
    for (size_t a = 0; a < k; a++) {
        const double *row = xx + run->places[a] * n;
        for (size_t b = a; b < k; b++)
            run->matrix[a * k + b] = row[run->places[b]];
        run->matrix[a * k + a] += ridge;
    }
    for (size_t i = 0; i < run->count; i++) {
        const size_t first = (run->first + i) * n;
        for (size_t a = 0; a < k; a++) {
            const size_t at = first + run->places[a];
            run->v[i * k + a] = lsq->xy[at] + ridge * (double)s->weights[at];
        }
    }
}

static bool is_finite(const double *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fabs(v[i]);
    return isfinite(sum);
}

/* One channel's solution, with the bias that makes the means equal. */
static void store(const struct run *run, const struct solving *s, size_t i)
{
    const struct cz_lsq *lsq = s->lsq;
    const size_t n = lsq->shape.inputs, channel = run->first + i;
    const double *v = run->v + i * run->k, *x = lsq->x + run->group * n;
    double bias = lsq->y[channel];
    for (size_t a = 0; a < run->k; a++) {
        s->weights[channel * n + run->places[a]] = (float)v[a];
        bias -= v[a] * x[run->places[a]];
    }
    if (lsq->options.bias_is_free)
        s->bias[channel] = (float)bias;
}

/* False where there is no solution, as with infinite inputs. Sums in float32
 * are so far from those of real windows that a ridge much smaller than theirs
 * may not make the system positive: then a larger one does. */
static bool solve_system(struct run *run, const struct solving *s)
{
    const int k = (int)run->k, count = (int)run->count;
    double ridge = s->lsq->ridge[run->group];
    int info = k > 0;
    fill(run, s, ridge);
    for (int tries = 0; info != 0 && tries < RIDGES; tries++) {
        s->lsq->blas->dposv("L", &k, &count, run->matrix, &k, run->v, &k,
                            &info);
        ridge *= 10;
        if (info != 0)
            fill(run, s, ridge);
    }
    return info == 0;
}

static void solve_run(void *user, size_t i)
{
    struct solving *s = user;
    struct run *run = &s->runs[i];
    if (start_run(run, s)) {
        /* What cannot be solved stays as it was. */
        const bool is_solved = solve_system(run, s);
        for (size_t c = 0; c < run->count && is_solved; c++) {
            if (is_finite(run->v + c * run->k, run->k))
                store(run, s, c);
        }
    } else {
        atomic_store(&s->has_failed, true);
    }
    cz_free(run->places);
    cz_free(run->matrix);
    cz_free(run->v);
}

enum cz_status cz_lsq_solve(float *weights, float *bias,
                            const struct cz_lsq *lsq, const bool *keep,
                            struct cz_error *err)
{
    struct solving s = {
        .lsq = lsq, .keep = keep, .weights = weights, .bias = bias};
    const size_t channels = lsq->shape.groups * lsq->shape.outputs;
    size_t n_runs;
    CZ_TRY(find_runs(&s, &n_runs, err));
    for (size_t i = 0; i < channels * lsq->shape.inputs; i++)
        weights[i] = keep[i] ? weights[i] : 0;
    cz_parallel_for(n_runs, lsq->options.threads, solve_run, &s);
    cz_free(s.runs);
    return atomic_load(&s.has_failed) ? cz_error_nomem(err) : CZ_OK;
}
