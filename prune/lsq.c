/* See lsq_internal.h. */
#include "prune/lsq_internal.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/blas.h"
#include "core/parallel.h"

/* ---- OpenBLAS --------------------------------------------------------- */

/* As cblas.h declares it; its enums are ints. */
typedef void sgemm_function(int order, int trans_a, int trans_b, int m, int n,
                            int k, float alpha, const float *a, int lda,
                            const float *b, int ldb, float beta, float *c,
                            int ldc);
/* LAPACK's, of Fortran: columns first, all by reference. */
typedef void dposv_function(const char *uplo, const int *n, const int *nrhs,
                            double *a, const int *lda, double *b,
                            const int *ldb, int *info);

enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 };

static struct {
    sgemm_function *sgemm;
    dposv_function *dposv;
} blas;

static enum cz_status open_blas(struct cz_error *err)
{
    void *sgemm = cz_blas_find("cblas_sgemm"), *dposv = cz_blas_find("dposv_");
    if (!sgemm || !dposv)
        return cz_blas_missing(err);
    memcpy(&blas.sgemm, &sgemm, sizeof sgemm);
    memcpy(&blas.dposv, &dposv, sizeof dposv);
    return CZ_OK;
}

/* ---- sums ------------------------------------------------------------- */

enum cz_status cz_lsq_sums_init(struct cz_lsq_sums *sums,
                                const struct cz_lsq_shape *shape,
                                struct cz_error *err)
{
    const size_t g = shape->groups, n = shape->inputs, m = shape->outputs;
    *sums = (struct cz_lsq_sums){.shape = *shape};
    CZ_TRY(open_blas(err));
    if (n > INT_MAX / 64 || m > INT_MAX / 64)
        return cz_error_set(err, CZ_EUNSUPPORTED, "%zu inputs are too many", n);
    sums->xx = cz_calloc(g * n * n + 1, sizeof *sums->xx);
    sums->xy = cz_calloc(g * n * m + 1, sizeof *sums->xy);
    sums->x = cz_calloc(g * n + 1, sizeof *sums->x);
    sums->y = cz_calloc(g * m + 1, sizeof *sums->y);
    sums->yy = cz_calloc(g * m + 1, sizeof *sums->yy);
    sums->product = cz_calloc(g * n * (n + m) + 1, sizeof *sums->product);
    return sums->xx && sums->xy && sums->x && sums->y && sums->yy &&
                   sums->product
               ? CZ_OK
               : cz_error_nomem(err);
}

void cz_lsq_sums_fini(struct cz_lsq_sums *sums)
{
    cz_free(sums->xx);
    cz_free(sums->xy);
    cz_free(sums->x);
    cz_free(sums->y);
    cz_free(sums->yy);
    cz_free(sums->product);
}

/* Columns of one group's products that are added at once. */
#define BAND ((size_t)128)

uint64_t cz_lsq_draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct addition {
    struct cz_lsq_sums *sums;
    const float *x, *y; /* of all windows */
    size_t count, bands;
};

/* The transposed x times some columns of itself, or of y. */
static void multiply(const struct addition *a, size_t group, size_t from,
                     size_t columns, bool is_y)
{
    const struct cz_lsq_shape *s = &a->sums->shape;
    const size_t n = s->inputs, width = is_y ? s->outputs : n;
    const size_t x_row = s->groups * n, row = s->groups * width;
    const size_t first = is_y ? 0 : from; /* the lower triangle */
    const float *x = a->x + group * n + first;
    const float *right = (is_y ? a->y : a->x) + group * width + from;
    float *product = a->sums->product + group * n * (n + s->outputs) +
                     (is_y ? n * n : 0) + first * width + from;
    double *sum =
        (is_y ? a->sums->xy : a->sums->xx) + (group * n + first) * width + from;
    blas.sgemm(ROW_MAJOR, TRANSPOSED, AS_IT_IS, (int)(n - first), (int)columns,
               (int)a->count, 1, x, (int)x_row, right, (int)row, 0, product,
               (int)width);
    for (size_t i = 0; i < n - first; i++) {
        for (size_t k = 0; k < columns; k++)
            sum[i * width + k] += (double)product[i * width + k];
    }
}

static void add_band(void *user, size_t i)
{
    const struct addition *a = user;
    const struct cz_lsq_shape *s = &a->sums->shape;
    const size_t group = i / (a->bands + 1), band = i % (a->bands + 1);
    if (band == 0) {
        multiply(a, group, 0, s->outputs, true);
        return;
    }
    const size_t from = (band - 1) * BAND, left = s->inputs - from;
    multiply(a, group, from, left < BAND ? left : BAND, false);
}

void cz_lsq_add(struct cz_lsq_sums *sums, const float *x, const float *y,
                size_t count, size_t threads)
{
    const size_t n = sums->shape.groups * sums->shape.inputs;
    const size_t m = sums->shape.groups * sums->shape.outputs;
    struct addition a = {.sums = sums,
                         .x = x,
                         .y = y,
                         .count = count,
                         .bands = (sums->shape.inputs + BAND - 1) / BAND};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < n; k++)
            sums->x[k] += (double)x[i * n + k];
        for (size_t k = 0; k < m; k++) {
            sums->y[k] += (double)y[i * m + k];
            sums->yy[k] += (double)y[i * m + k] * (double)y[i * m + k];
        }
    }
    sums->count += count;
    cz_parallel_for(sums->shape.groups * (a.bands + 1), threads, add_band, &a);
}

/* ---- solutions -------------------------------------------------------- */

struct solving {
    const struct cz_lsq_problem *problem;
    float *weights, *bias;
    double *errors; /* [groups, outputs, 2] before and after */
    atomic_bool failed;
    atomic_size_t kept;
};

/* One output channel. */
struct channel {
    const struct cz_lsq_problem *problem;
    const double *xx, *xy, *x; /* of its group; xy: its column */
    double y, yy, count;
    size_t n, stride; /* of xy */
    const bool *keep;
    const float *weights;
    double bias, ridge;
    size_t *places;     /* [k] of the weights that remain */
    double *matrix, *v; /* [k, k], [k] */
    size_t k;
};

static double mean(const struct channel *c, size_t i)
{
    return c->x[i] / c->count;
}

/* mean(x_i x_j), around the means where the bias is free. */
static double moment(const struct channel *c, size_t i, size_t j)
{
    const double sum = i > j ? c->xx[i * c->n + j] : c->xx[j * c->n + i];
    const double around =
        c->problem->bias_is_free ? mean(c, i) * mean(c, j) : 0;
    return sum / c->count - around;
}

/* mean(x_i (y - bias)), likewise. */
static double target(const struct channel *c, size_t i)
{
    const double free = c->problem->bias_is_free ? c->y / c->count : c->bias;
    return c->xy[i * c->stride] / c->count - mean(c, i) * free;
}

/* The mean squared error of weights [k] with a bias. */
static double error_of(const struct channel *c, const double *v, double bias)
{
    double sum = c->yy / c->count - 2 * bias * c->y / c->count + bias * bias;
    for (size_t a = 0; a < c->k; a++) {
        const size_t i = c->places[a];
        double row = 0;
        for (size_t b = 0; b < a; b++) {
            const size_t j = c->places[b];
            row += 2 * v[b] * c->xx[i * c->n + j];
        }
        row += v[a] * c->xx[i * c->n + i];
        row -= 2 * c->xy[i * c->stride];
        sum += v[a] * (row / c->count + 2 * bias * mean(c, i));
    }
    return sum > 0 ? sum : 0;
}

static void fill(struct channel *c)
{
    double diagonal = 0;
    for (size_t a = 0; a < c->k; a++)
        diagonal += moment(c, c->places[a], c->places[a]);
    const double ridge =
        c->problem->ridge * diagonal / (double)(c->k ? c->k : 1) + 1e-30;
    for (size_t a = 0; a < c->k; a++) {
        const size_t i = c->places[a];
        for (size_t b = 0; b <= a; b++)
            c->matrix[b * c->k + a] = moment(c, i, c->places[b]);
        c->matrix[a * c->k + a] += ridge;
        c->v[a] = target(c, i) + ridge * (double)c->weights[i];
    }
}

/* The bias that makes the means equal. */
static double best_bias(const struct channel *c, const double *v)
{
    double bias = c->y / c->count;
    for (size_t a = 0; a < c->k; a++)
        bias -= v[a] * mean(c, c->places[a]);
    return bias;
}

static bool solve(struct channel *c)
{
    const int k = (int)c->k, one = 1;
    int info = 0;
    fill(c);
    if (c->k)
        blas.dposv("L", &k, &one, c->matrix, &k, c->v, &k, &info);
    return info == 0;
}

static bool start(struct channel *c, struct solving *s, size_t i)
{
    const struct cz_lsq_problem *p = s->problem;
    const struct cz_lsq_shape *shape = &p->sums->shape;
    const size_t group = i / shape->outputs, output = i % shape->outputs;
    const size_t n = shape->inputs;
    *c = (struct channel){.problem = p,
                          .xx = p->sums->xx + group * n * n,
                          .xy =
                              p->sums->xy + group * n * shape->outputs + output,
                          .x = p->sums->x + group * n,
                          .y = p->sums->y[i],
                          .yy = p->sums->yy[i],
                          .count = (double)p->sums->count,
                          .n = n,
                          .stride = shape->outputs,
                          .keep = p->keep + i * n,
                          .weights = p->weights + i * n,
                          .bias = p->bias ? (double)p->bias[i] : 0,
                          .places = cz_calloc(n + 1, sizeof *c->places)};
    for (size_t j = 0; c->places && j < n; j++) {
        if (c->keep[j])
            c->places[c->k++] = j;
    }
    c->matrix = cz_calloc(c->k * c->k + 1, sizeof *c->matrix);
    c->v = cz_calloc(2 * c->k + 1, sizeof *c->v);
    return c->places && c->matrix && c->v;
}

static void solve_channel(void *user, size_t i)
{
    struct solving *s = user;
    struct channel c;
    if (!start(&c, s, i)) {
        atomic_store(&s->failed, true);
    } else {
        double *masked = c.v + c.k;
        for (size_t a = 0; a < c.k; a++)
            masked[a] = (double)c.weights[c.places[a]];
        const bool is_solved = solve(&c);
        const double bias =
            s->problem->bias_is_free ? best_bias(&c, c.v) : c.bias;
        const double before = error_of(&c, masked, c.bias);
        const double after = is_solved ? error_of(&c, c.v, bias) : INFINITY;
        s->errors[2 * i] = before;
        s->errors[2 * i + 1] = after < before ? after : before;
        atomic_fetch_add(&s->kept, !(after < before));
        for (size_t a = 0; a < c.k && after < before; a++)
            s->weights[i * c.n + c.places[a]] = (float)c.v[a];
        if (after < before && s->problem->bias_is_free)
            s->bias[i] = (float)bias;
    }
    cz_free(c.places);
    cz_free(c.matrix);
    cz_free(c.v);
}

enum cz_status cz_lsq_solve(float *weights, float *bias,
                            struct cz_lsq_result *result,
                            const struct cz_lsq_problem *problem,
                            struct cz_error *err)
{
    const struct cz_lsq_sums *sums = problem->sums;
    const size_t channels = sums->shape.groups * sums->shape.outputs;
    const double count = (double)sums->count;
    struct solving s = {.problem = problem,
                        .weights = weights,
                        .bias = bias,
                        .errors = cz_calloc(2 * channels + 1, sizeof(double))};
    *result = (struct cz_lsq_result){.kept = 0};
    if (!s.errors)
        return cz_error_nomem(err);
    for (size_t i = 0; i < channels * sums->shape.inputs; i++)
        weights[i] = problem->keep[i] ? problem->weights[i] : 0;
    cz_parallel_for(channels, problem->threads, solve_channel, &s);
    for (size_t i = 0; i < channels; i++) {
        const double y = sums->y[i] / count;
        result->before += s.errors[2 * i];
        result->after += s.errors[2 * i + 1];
        result->power += sums->yy[i] / count - y * y;
    }
    result->kept = atomic_load(&s.kept);
    cz_free(s.errors);
    return atomic_load(&s.failed) ? cz_error_nomem(err) : CZ_OK;
}
