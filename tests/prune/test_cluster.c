/* Clusters of weights: who goes with whom, and which values they get. */
#include "prune/cluster.h"

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "prune/cluster_internal.h"
#include "prune/recover.h"
#include "tests/prune/support.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"

/* Sums in another order, of some numbers near 1. */
#define ROUNDING 1e-6

/* [-1, 1), the same ones for the same seed. */
static float draw(unsigned *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (float)(*seed >> 8) * 0x1p-23f - 1;
}

static void draw_all(float *values, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        values[i] = draw(&seed);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static size_t count_distinct(const float *values, size_t n)
{
    float *sorted = cz_calloc(n + 1, sizeof *sorted);
    size_t distinct = 0;
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n; i++)
        distinct += i == 0 || sorted[i] != sorted[i - 1];
    cz_free(sorted);
    return distinct;
}

static double square(double x)
{
    return x * x;
}

/* ---- k-means ---------------------------------------------------------- */

static double cost_of(const float *weights, size_t n, size_t most)
{
    struct cz_clusters c;
    float got[64];
    double cost = 0;
    assert_ok(cz_clusters_find(&c, weights, n, most, cz_test_error()));
    cz_clusters_apply(got, &c);
    for (size_t i = 0; i < n; i++)
        cost += square((double)got[i] - (double)weights[i]);
    assert_int_equal(count_distinct(got, n), cz_clusters_count(&c));
    assert_true(cz_clusters_count(&c) <= most);
    cz_clusters_fini(&c);
    return cost;
}

/* Of sorted numbers in k stretches, all of them tried. */
static double least_cost(const float *sorted, size_t n, size_t k)
{
    double least = k == 0 && n == 0 ? 0 : INFINITY, mean = 0;
    for (size_t from = n; k > 0 && from-- > 0;) {
        double cost = 0;
        mean += ((double)sorted[from] - mean) / (double)(n - from);
        for (size_t i = from; i < n; i++)
            cost += square((double)sorted[i] - mean);
        least = fmin(least, cost + least_cost(sorted, from, k - 1));
    }
    return least;
}

/* Each number to the nearest of `k` values of even distances. */
static double even_cost(const float *sorted, size_t n, size_t k)
{
    const double least = (double)sorted[0];
    const double step = ((double)sorted[n - 1] - least) / (double)(k - 1);
    double cost = 0;
    for (size_t i = 0; i < n; i++) {
        const double at = rint(((double)sorted[i] - least) / step);
        cost += square((double)sorted[i] - least - at * step);
    }
    return cost;
}

static void is_never_worse_than_even_distances(void **state)
{
    (void)state;
    float weights[64];
    for (unsigned seed = 0; seed < 200; seed++) {
        draw_all(weights, 64, seed);
        for (size_t i = 0; i < 64; i++) /* more of them near 0 */
            weights[i] *= weights[i] * weights[i];
        qsort(weights, 64, sizeof *weights, by_value);
        for (size_t k = 2; k < 20; k++)
            assert_true(cost_of(weights, 64, k) <=
                        even_cost(weights, 64, k) + ROUNDING);
    }
}

/* Lloyd's method ends in a local minimum: of random numbers, mostly in the
 * best one. */
static void finds_mostly_the_best_clusters(void **state)
{
    (void)state;
    float weights[12];
    size_t found = 0, all = 0;
    for (unsigned seed = 0; seed < 100; seed++) {
        draw_all(weights, 12, seed);
        qsort(weights, 12, sizeof *weights, by_value);
        for (size_t k = 2; k < 5; k++, all++) {
            const double cost = cost_of(weights, 12, k);
            const double least = least_cost(weights, 12, k);
            assert_true(cost >= least - ROUNDING);
            found += cost <= least + ROUNDING;
        }
    }
    assert_true(found * 4 >= all * 3);
}

static void finds_groups_that_lie_apart(void **state)
{
    (void)state;
    const float weights[] = {5, -1, 0.5f, 5.5f, 0, -1.5f, 0.75f, 0, 6, -2};
    const float want[] = {5.5f,  -1.5f,  0.625f, 5.5f, 0,
                          -1.5f, 0.625f, 0,      5.5f, -1.5f};
    struct cz_clusters c;
    float got[10];
    assert_ok(cz_clusters_find(&c, weights, 10, 4, cz_test_error()));
    cz_clusters_apply(got, &c);
    for (size_t i = 0; i < 10; i++)
        assert_float_equal(got[i], want[i], ROUNDING);
    assert_int_equal(c.distinct, 9);
    assert_int_equal(cz_clusters_count(&c), 4);
    cz_clusters_fini(&c);
}

static void counts_zero_among_the_values(void **state)
{
    (void)state;
    float weights[5000];
    draw_all(weights, 5000, 1);
    for (size_t i = 0; i < 5000; i += 3)
        weights[i] = i % 2 ? 0.0f : -0.0f;
    for (size_t k = 2; k <= CZ_CLUSTERS_MAX; k += 127) {
        struct cz_clusters c;
        float got[5000];
        assert_ok(cz_clusters_find(&c, weights, 5000, k, cz_test_error()));
        cz_clusters_apply(got, &c);
        assert_int_equal(count_distinct(got, 5000), k);
        assert_int_equal(cz_clusters_count(&c), k);
        for (size_t i = 0; i < 5000; i++)
            assert_true((got[i] == 0) == (weights[i] == 0));
        cz_clusters_fini(&c);
    }
}

static void keeps_values_that_are_few(void **state)
{
    (void)state;
    static const float some[] = {0.1f, -7, 0, 1e-30f, 3e38f};
    for (size_t n = 0; n <= 5; n++) {
        struct cz_clusters c;
        float weights[40], got[40];
        for (size_t i = 0; i < 40; i++)
            weights[i] = n ? some[i % n] : 0;
        assert_ok(cz_clusters_find(&c, weights, 40, 5, cz_test_error()));
        cz_clusters_apply(got, &c);
        assert_memory_equal(got, weights, sizeof got);
        assert_int_equal(cz_clusters_count(&c), n ? n : 1);
        cz_clusters_fini(&c);
    }
}

/* ---- values by least squares ------------------------------------------ */

#define GROUPS ((size_t)2)
#define INPUTS ((size_t)70) /* more than a band */
#define OUTPUTS ((size_t)21)
#define WEIGHTS (GROUPS * OUTPUTS * INPUTS)
#define WINDOWS ((size_t)200)
#define VALUES ((size_t)6)
#define RIDGE 0.01

/* A random layer, and windows of what it reads and should give. */
struct problem {
    float weights[WEIGHTS], bias[GROUPS * OUTPUTS];
    float x[WINDOWS * GROUPS * INPUTS], y[WINDOWS * GROUPS * OUTPUTS];
    struct cz_lsq lsq;
};

static struct problem *problem_new(bool bias_is_free, size_t threads)
{
    struct problem *p = cz_calloc(1, sizeof *p);
    const struct cz_lsq_shape shape = {GROUPS, INPUTS, OUTPUTS};
    if (!cz_blas()) {
        cz_free(p);
        skip();
    }
    const struct cz_lsq_options options = {.ridge = RIDGE,
                                           .bias = p->bias,
                                           .bias_is_free = bias_is_free,
                                           .threads = threads};
    draw_all(p->weights, WEIGHTS, 1);
    for (size_t i = 0; i < WEIGHTS; i += 5)
        p->weights[i] = 0;
    draw_all(p->bias, GROUPS * OUTPUTS, 2);
    draw_all(p->x, WINDOWS * GROUPS * INPUTS, 3);
    draw_all(p->y, WINDOWS * GROUPS * OUTPUTS, 4);
    for (size_t w = 0; w < WINDOWS; w++) {
        for (size_t o = 0; o < GROUPS * OUTPUTS; o++) {
            const float *x = p->x + (w * GROUPS + o / OUTPUTS) * INPUTS;
            for (size_t i = 0; i < INPUTS; i++)
                p->y[w * GROUPS * OUTPUTS + o] +=
                    p->weights[o * INPUTS + i] * (x[i] + 0.25f);
        }
    }
    assert_ok(cz_lsq_init(&p->lsq, &shape, &options, cz_test_error()));
    cz_lsq_add(&p->lsq, p->x, p->y, WINDOWS);
    cz_lsq_finish(&p->lsq);
    return p;
}

static void problem_free(struct problem *p)
{
    cz_lsq_fini(&p->lsq);
    cz_free(p);
}

static double error_of(const struct problem *p, const struct cz_clusters *c)
{
    float weights[WEIGHTS], bias[GROUPS * OUTPUTS];
    double errors[GROUPS * OUTPUTS], sum = 0;
    memcpy(bias, p->bias, sizeof bias);
    cz_clusters_apply(weights, c);
    cz_lsq_level(bias, &p->lsq, weights);
    assert_ok(cz_lsq_errors(errors, &p->lsq, weights, bias, cz_test_error()));
    for (size_t i = 0; i < GROUPS * OUTPUTS; i++)
        sum += errors[i];
    return sum;
}

/* Gauss, without a choice of pivots: of what is positive definite. */
static void eliminate(double *matrix, double *vector, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < n; r++) {
            const double times = matrix[r * n + i] / matrix[i * n + i];
            for (size_t k = i; k < n && r != i; k++)
                matrix[r * n + k] -= times * matrix[i * n + k];
            if (r != i)
                vector[r] -= times * vector[i];
        }
    }
    for (size_t i = 0; i < n; i++)
        vector[i] /= matrix[i * n + i];
}

/* What window w feeds to each value of output channel o, less its mean. */
static void features(double *f, const struct problem *p,
                     const struct cz_clusters *c, size_t w, size_t o)
{
    const size_t group = o / OUTPUTS;
    const double *mean = p->lsq.x + group * INPUTS;
    memset(f, 0, VALUES * sizeof *f);
    for (size_t i = 0; i < INPUTS; i++)
        f[c->of[o * INPUTS + i]] +=
            (double)p->x[(w * GROUPS + group) * INPUTS + i] -
            (p->lsq.options.bias_is_free ? mean[i] : 0);
}

/* The values but the first, from the windows themselves. */
static void solve_densely(double *values, const struct problem *p,
                          const struct cz_clusters *c)
{
    enum { N = VALUES - 1 };
    double matrix[N * N] = {0}, f[VALUES];
    memset(values, 0, N * sizeof *values);
    for (size_t w = 0; w < WINDOWS; w++) {
        for (size_t o = 0; o < GROUPS * OUTPUTS; o++) {
            const double off =
                p->lsq.options.bias_is_free ? p->lsq.y[o] : (double)p->bias[o];
            const double y = (double)p->y[w * GROUPS * OUTPUTS + o] - off;
            features(f, p, c, w, o);
            for (size_t k = 0; k < N * N; k++)
                matrix[k] += f[1 + k / N] * f[1 + k % N] / WINDOWS;
            for (size_t k = 0; k < N; k++)
                values[k] += f[1 + k] * y / WINDOWS;
        }
    }
    for (size_t i = 0; i < WEIGHTS; i++) {
        const double ridge = p->lsq.ridge[i / INPUTS / OUTPUTS];
        const size_t k = c->of[i];
        if (k > 0) {
            matrix[(k - 1) * N + k - 1] += ridge;
            values[k - 1] += ridge * (double)c->values[k];
        }
    }
    eliminate(matrix, values, N);
}

static void check_fit(bool bias_is_free)
{
    /* The sums of the layer are made in float32. */
    const double tolerance = 1e-4;
    struct problem *p = problem_new(bias_is_free, 1);
    struct cz_clusters c;
    double want[VALUES];
    assert_ok(
        cz_clusters_find(&c, p->weights, WEIGHTS, VALUES, cz_test_error()));
    assert_int_equal(c.count, VALUES);
    solve_densely(want, p, &c);
    const double before = error_of(p, &c);
    assert_ok(cz_clusters_fit(&c, &p->lsq, cz_test_error()));
    assert_true(error_of(p, &c) < before);
    assert_float_equal(c.values[0], 0, 0);
    for (size_t k = 1; k < VALUES; k++)
        assert_float_equal(c.values[k], want[k - 1], tolerance);
    cz_clusters_fini(&c);
    problem_free(p);
}

static void fits_the_values_as_a_dense_solution_does(void **state)
{
    (void)state;
    check_fit(true);
    check_fit(false);
}

static void fits_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    float values[2][VALUES];
    for (size_t i = 0; i < 2; i++) {
        struct problem *p = problem_new(true, i ? 3 : 1);
        struct cz_clusters c;
        assert_ok(
            cz_clusters_find(&c, p->weights, WEIGHTS, VALUES, cz_test_error()));
        assert_ok(cz_clusters_fit(&c, &p->lsq, cz_test_error()));
        memcpy(values[i], c.values, sizeof values[i]);
        cz_clusters_fini(&c);
        problem_free(p);
    }
    assert_memory_equal(values[0], values[1], sizeof values[0]);
}

static void leaves_a_value_that_nobody_has(void **state)
{
    (void)state;
    struct problem *p = problem_new(true, 1);
    struct cz_clusters c;
    assert_ok(
        cz_clusters_find(&c, p->weights, WEIGHTS, VALUES, cz_test_error()));
    const float value = c.values[2];
    for (size_t i = 0; i < WEIGHTS; i++)
        c.of[i] = c.of[i] == 2 ? 3 : c.of[i];
    assert_ok(cz_clusters_fit(&c, &p->lsq, cz_test_error()));
    assert_float_equal(c.values[2], value, 0);
    cz_clusters_fini(&c);
    problem_free(p);
}

/* ---- weights rounded in turn ------------------------------------------ */

/* The problem's weights as least squares has them, and their clusters. */
static void solve_weights(struct problem *p, struct cz_clusters *c)
{
    bool keep[WEIGHTS];
    for (size_t i = 0; i < WEIGHTS; i++)
        keep[i] = p->weights[i] != 0;
    assert_ok(
        cz_lsq_solve(p->weights, p->bias, &p->lsq, keep, cz_test_error()));
    assert_ok(
        cz_clusters_find(c, p->weights, WEIGHTS, VALUES, cz_test_error()));
}

static void check_zeros_stay(const struct problem *p,
                             const struct cz_clusters *c)
{
    for (size_t i = 0; i < WEIGHTS; i++)
        assert_true((c->of[i] == 0) == (p->weights[i] == 0));
}

static void rounds_to_the_nearest_where_inputs_are_independent(void **state)
{
    (void)state;
    struct problem *p = problem_new(true, 1);
    struct cz_clusters c;
    uint16_t of[WEIGHTS];
    solve_weights(p, &c);
    memcpy(of, c.of, sizeof of);
    memset(p->lsq.xx, 0, GROUPS * INPUTS * INPUTS * sizeof *p->lsq.xx);
    for (size_t i = 0; i < GROUPS * INPUTS; i++)
        p->lsq.xx[i * INPUTS + i % INPUTS] = (double)(1 + i % 3);
    for (size_t i = 0; i < WEIGHTS; i++)
        c.of[i] = c.of[i] ? 1 : 0; /* what they had does not count */
    assert_ok(cz_clusters_round(&c, &p->lsq, p->weights, cz_test_error()));
    assert_memory_equal(c.of, of, sizeof of);
    cz_clusters_fini(&c);
    problem_free(p);
}

static void rounds_with_less_error_than_to_the_nearest(void **state)
{
    (void)state;
    struct problem *p = problem_new(true, 1);
    struct cz_clusters c;
    solve_weights(p, &c);
    const double nearest = error_of(p, &c);
    assert_ok(cz_clusters_round(&c, &p->lsq, p->weights, cz_test_error()));
    assert_true(error_of(p, &c) < nearest);
    check_zeros_stay(p, &c);
    cz_clusters_fini(&c);
    problem_free(p);
}

/* Where there is no factor, each weight goes to its nearest. */
static void rounds_what_cannot_be_solved(void **state)
{
    (void)state;
    struct problem *p = problem_new(true, 1);
    struct cz_clusters c;
    solve_weights(p, &c);
    p->lsq.xx[0] = -1;
    assert_ok(cz_clusters_round(&c, &p->lsq, p->weights, cz_test_error()));
    check_zeros_stay(p, &c);
    cz_clusters_fini(&c);
    problem_free(p);
}

static double total_error(const struct problem *p, const float *weights,
                          const float *bias)
{
    double errors[GROUPS * OUTPUTS], sum = 0;
    assert_ok(cz_lsq_errors(errors, &p->lsq, weights, bias, cz_test_error()));
    for (size_t i = 0; i < GROUPS * OUTPUTS; i++)
        sum += errors[i];
    return sum;
}

static void solves_for_few_values_no_worse_than_k_means(void **state)
{
    (void)state;
    float weights[2][WEIGHTS];
    for (size_t k = 2; k <= 128; k *= 4) {
        for (size_t i = 0; i < 2; i++) {
            struct problem *p = problem_new(k != 8, i ? 3 : 1);
            struct cz_clusters c;
            size_t values;
            solve_weights(p, &c);
            cz_clusters_fini(&c);
            assert_ok(
                cz_clusters_find(&c, p->weights, WEIGHTS, k, cz_test_error()));
            const double means = error_of(p, &c);
            memcpy(weights[i], p->weights, sizeof *weights);
            assert_ok(cz_clusters_solve(weights[i], p->bias, &values, &p->lsq,
                                        k, cz_test_error()));
            assert_true(total_error(p, weights[i], p->bias) < means);
            assert_true(values > 1 && values <= k);
            assert_int_equal(count_distinct(weights[i], WEIGHTS), values);
            for (size_t w = 0; w < WEIGHTS; w++)
                assert_true((weights[i][w] == 0) == (p->weights[w] == 0));
            cz_clusters_fini(&c);
            problem_free(p);
        }
        assert_memory_equal(weights[0], weights[1], sizeof *weights);
    }
}

/* ---- models ----------------------------------------------------------- */

#define THREE_CONVS                                                            \
    "in x f32[1,3,12,12]; const w f32[8,3,3,3] random\n"                       \
    "const v f32[8,1,3,3] random; const b f32[8] random\n"                     \
    "const u f32[4,8,1,1] random\n"                                            \
    "c = Conv(x, w, b) pads=[1,1,1,1]; d = Sigmoid(c)\n"                       \
    "e = Conv(d, v) group=8; f = Relu(e); y = Conv(f, u); out y"

static void clusters_each_layer(void **state)
{
    (void)state;
    static const char *const skip = "e";
    for (size_t threads = 1; threads <= 3; threads += 2) {
        const struct cz_cluster_options options = {
            .clusters = 7, .skip = &skip, .n_skip = 1, .threads = threads};
        struct cz_cluster_report report;
        struct cz_model *model = cz_test_graph(THREE_CONVS);
        float *weights, *before;
        struct cz_tensor *w = cz_test_value(model, "w")->constant;
        assert_ok(cz_tensor_floats(w, &before, cz_test_error()));
        assert_ok(
            cz_cluster_weights(model, &options, &report, cz_test_error()));
        assert_ok(cz_tensor_floats(w, &weights, cz_test_error()));
        assert_int_equal(count_distinct(weights, 216), 7);
        assert_int_equal(report.n_layers, 3);
        assert_int_equal(report.n_clustered, 2);
        assert_string_equal(report.layers[0].name, "c");
        assert_int_equal(report.layers[0].values_before,
                         count_distinct(before, 216));
        assert_int_equal(report.layers[0].values, 7);
        /* Seven even steps of even numbers leave 1/49 of their variance. */
        assert_float_equal(report.layers[0].error, 1.0 / 49, 0.01);
        assert_string_equal(report.layers[1].skipped, "asked for");
        cz_free(before);
        cz_free(weights);
        cz_cluster_report_fini(&report);
        cz_model_free(model);
    }
}

static void clusters_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    struct cz_model *models[2];
    struct cz_test_operands operands[2];
    for (size_t i = 0; i < 2; i++) {
        const struct cz_cluster_options options = {.clusters = 5,
                                                   .threads = i ? 3 : 1};
        struct cz_cluster_report report;
        models[i] = cz_test_graph(THREE_CONVS);
        assert_ok(
            cz_cluster_weights(models[i], &options, &report, cz_test_error()));
        operands[i] = cz_test_operands_read(models[i]);
        cz_cluster_report_fini(&report);
    }
    assert_operands_equal(&operands[0], &operands[1]);
    for (size_t i = 0; i < 2; i++) {
        cz_test_operands_fini(&operands[i]);
        cz_model_free(models[i]);
    }
}

static void clusters_float16_and_leaves_float64(void **state)
{
    (void)state;
    const struct cz_cluster_options options = {.clusters = 4};
    struct cz_cluster_report report;
    struct cz_model *model = cz_test_graph(
        "in x f16[1,8,2,2]; const w f16[8,8,1,1] random; y = Conv(x, w); out y;"
        "in p f64[1,8,2,2]; const q f64[8,8,1,1] random; r = Conv(p, q); out r;"
        "in s bf16[1,8,2,2]; const t bf16[8,8,1,1] random; u = Conv(s, t);"
        "out u");
    assert_ok(cz_cluster_weights(model, &options, &report, cz_test_error()));
    for (size_t i = 0; i < 3; i += 2) {
        float *weights;
        struct cz_tensor *t =
            cz_test_value(model, report.layers[i].weight)->constant;
        assert_ok(cz_tensor_floats(t, &weights, cz_test_error()));
        assert_int_equal(count_distinct(weights, 64), 4);
        assert_true(report.layers[i].error < 0.15); /* even ones: 1/16 */
        cz_free(weights);
    }
    assert_string_equal(report.layers[1].skipped, "its weights are float64");
    cz_cluster_report_fini(&report);
    cz_model_free(model);
}

static void check_refused(struct cz_model *model,
                          struct cz_cluster_options options, const char *words)
{
    struct cz_cluster_report report;
    struct cz_test_operands before = cz_test_operands_read(model);
    assert_error(cz_cluster_weights(model, &options, &report, cz_test_error()),
                 CZ_EINVAL, words);
    struct cz_test_operands after = cz_test_operands_read(model);
    assert_operands_equal(&after, &before);
    cz_cluster_report_fini(&report);
    cz_test_operands_fini(&before);
    cz_test_operands_fini(&after);
    cz_model_free(model);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    static const size_t wrong[] = {0, 1, 257, SIZE_MAX};
    static const char *const nobody = "nobody", *const all = "*";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(cz_test_graph(THREE_CONVS),
                      (struct cz_cluster_options){.clusters = wrong[i]},
                      "are outside 2 <= K <= 256");
    check_refused(cz_test_graph(THREE_CONVS),
                  (struct cz_cluster_options){
                      .clusters = 4, .skip = &nobody, .n_skip = 1},
                  "pattern 'nobody' matches no Conv");
    check_refused(
        cz_test_graph(THREE_CONVS),
        (struct cz_cluster_options){.clusters = 4, .skip = &all, .n_skip = 1},
        "the weights of none of the 3 Convs can be clustered (the first, 'c': "
        "asked for)");
    check_refused(cz_test_load(cz_test_model("bad/no_conv.onnx")),
                  (struct cz_cluster_options){.clusters = 4},
                  "there is no Conv to cluster");
    check_refused(cz_test_load(cz_test_model("bad/weight_nan.onnx")),
                  (struct cz_cluster_options){.clusters = 4},
                  "Conv 'Conv': weight 50 is NaN");
}

static void survives_a_lack_of_memory(void **state)
{
    (void)state;
    const struct cz_cluster_options options = {.clusters = 4, .threads = 1};
    enum cz_status status = CZ_ENOMEM;
    for (size_t nth = 1; status != CZ_OK; nth++) {
        struct cz_cluster_report report;
        struct cz_model *model = cz_test_graph(THREE_CONVS);
        cz_alloc_fail_at(nth);
        status = cz_cluster_weights(model, &options, &report, cz_test_error());
        cz_alloc_fail_at(0);
        assert_true(status == CZ_OK ? nth > 1 : status == CZ_ENOMEM);
        cz_cluster_report_fini(&report);
        cz_model_free(model);
    }
}

/* ---- with images ------------------------------------------------------ */

static enum cz_status begin(void *user, struct cz_plan *plan,
                            struct cz_error *err)
{
    (void)user;
    (void)plan;
    (void)err;
    return CZ_OK;
}

static enum cz_status fill(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err)
{
    (void)user;
    (void)err;
    cz_test_randomize(plan, i);
    return CZ_OK;
}

/* A model, and one that is to become like it. */
struct recovered {
    struct cz_model *original, *model;
    struct cz_recover_options options;
    struct cz_recover_report report;
};

static struct recovered recovered_of(struct cz_model *original,
                                     struct cz_model *model)
{
    struct recovered r = {.original = original,
                          .model = model,
                          .options = CZ_RECOVER_OPTIONS_INIT};
    r.options.images = (struct cz_images){4, begin, fill, NULL};
    r.options.windows = 64;
    assert_ok(cz_graph_infer(cz_model_graph(r.original), cz_test_error()));
    assert_ok(cz_graph_infer(cz_model_graph(r.model), cz_test_error()));
    return r;
}

static struct recovered recovered_new(size_t clusters, size_t threads)
{
    struct recovered r =
        recovered_of(cz_test_graph(THREE_CONVS), cz_test_graph(THREE_CONVS));
    r.options.clusters = clusters;
    r.options.plan.threads = threads;
    return r;
}

static enum cz_status recover(struct recovered *r)
{
    return cz_recover_lsq(r->model, r->original, &r->options, &r->report,
                          cz_test_error());
}

static void recovered_free(struct recovered *r)
{
    cz_recover_report_fini(&r->report);
    cz_model_free(r->original);
    cz_model_free(r->model);
}

static void need_blas(void)
{
    if (!cz_blas())
        skip();
}

static void clusters_while_it_recovers(void **state)
{
    (void)state;
    static const char *const names[] = {"w", "v", "u"};
    static const size_t counts[] = {216, 72, 32};
    need_blas();
    struct recovered r = recovered_new(6, 1);
    assert_ok(recover(&r));
    assert_int_equal(r.report.n_layers, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct cz_recover_layer *row = &r.report.layers[i];
        float *weights;
        assert_ok(cz_tensor_floats(cz_test_value(r.model, names[i])->constant,
                                   &weights, cz_test_error()));
        assert_int_equal(count_distinct(weights, counts[i]), 6);
        assert_int_equal(row->values, 6);
        assert_true(row->clustered > row->after && row->clustered < 0.2);
        cz_free(weights);
    }
    recovered_free(&r);
}

static void leaves_those_alone_that_are_skipped(void **state)
{
    (void)state;
    static const char *const skip = "[ey]";
    need_blas();
    struct recovered r = recovered_new(6, 1);
    struct cz_test_operands before = cz_test_operands_read(r.model);
    r.options.skip = &skip;
    r.options.n_skip = 1;
    assert_ok(recover(&r));
    assert_int_equal(r.report.n_layers, 1);
    struct cz_test_operands after = cz_test_operands_read(r.model);
    assert_values_equal(cz_test_weight(&after, "e")->values,
                        cz_test_weight(&before, "e")->values, 72, "e");
    cz_test_operands_fini(&before);
    cz_test_operands_fini(&after);
    recovered_free(&r);
}

/* One of its weights is 0, which nobody has pruned. */
static void leaves_the_dfl_convolution_as_it_is(void **state)
{
    (void)state;
    static const char *const name = "model.12/dfl/Conv";
    need_blas();
    for (size_t clusters = 0; clusters <= 4; clusters += 4) {
        struct recovered r =
            recovered_of(cz_test_load(cz_test_model("tiny_v8_opset17.onnx")),
                         cz_test_load(cz_test_model("tiny_v8_opset17.onnx")));
        struct cz_test_operands before = cz_test_operands_read(r.model);
        r.options.clusters = clusters;
        if (clusters)
            assert_ok(recover(&r));
        else
            assert_error(recover(&r), CZ_EINVAL, "nothing to recover");
        for (size_t i = 0; i < r.report.n_layers; i++)
            assert_string_not_equal(r.report.layers[i].name, name);
        struct cz_test_operands after = cz_test_operands_read(r.model);
        assert_values_equal(cz_test_weight(&after, name)->values,
                            cz_test_weight(&before, name)->values, 16, name);
        cz_test_operands_fini(&before);
        cz_test_operands_fini(&after);
        recovered_free(&r);
    }
}

static void recovers_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    need_blas();
    struct recovered r[2] = {recovered_new(6, 1), recovered_new(6, 3)};
    struct cz_test_operands operands[2];
    for (size_t i = 0; i < 2; i++) {
        assert_ok(recover(&r[i]));
        operands[i] = cz_test_operands_read(r[i].model);
    }
    assert_operands_equal(&operands[0], &operands[1]);
    for (size_t i = 0; i < 2; i++) {
        cz_test_operands_fini(&operands[i]);
        recovered_free(&r[i]);
    }
}

static void refuses_to_recover_with_a_wrong_number(void **state)
{
    (void)state;
    struct recovered r = recovered_new(1, 1);
    assert_error(recover(&r), CZ_EINVAL, "1 values for a layer are outside");
    recovered_free(&r);
    static const char *const all = "*";
    need_blas();
    r = recovered_new(4, 1);
    r.options.skip = &all;
    r.options.n_skip = 1;
    assert_error(recover(&r), CZ_EINVAL, "weights that can be clustered");
    recovered_free(&r);
}

static void recovers_in_spite_of_a_lack_of_memory(void **state)
{
    (void)state;
    need_blas();
    enum cz_status status = CZ_ENOMEM;
    for (size_t nth = 1; status != CZ_OK; nth++) {
        struct recovered r = recovered_new(4, 1);
        cz_alloc_fail_at(nth);
        status = recover(&r);
        cz_alloc_fail_at(0);
        assert_true(status == CZ_OK ? nth > 1 : status == CZ_ENOMEM);
        recovered_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_never_worse_than_even_distances),
        cmocka_unit_test(finds_mostly_the_best_clusters),
        cmocka_unit_test(finds_groups_that_lie_apart),
        cmocka_unit_test(counts_zero_among_the_values),
        cmocka_unit_test(keeps_values_that_are_few),
        cmocka_unit_test(fits_the_values_as_a_dense_solution_does),
        cmocka_unit_test(fits_the_same_for_any_number_of_threads),
        cmocka_unit_test(leaves_a_value_that_nobody_has),
        cmocka_unit_test(rounds_to_the_nearest_where_inputs_are_independent),
        cmocka_unit_test(rounds_with_less_error_than_to_the_nearest),
        cmocka_unit_test(rounds_what_cannot_be_solved),
        cmocka_unit_test(solves_for_few_values_no_worse_than_k_means),
        cmocka_unit_test(clusters_each_layer),
        cmocka_unit_test(clusters_the_same_for_any_number_of_threads),
        cmocka_unit_test(clusters_float16_and_leaves_float64),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(survives_a_lack_of_memory),
        cmocka_unit_test(clusters_while_it_recovers),
        cmocka_unit_test(leaves_those_alone_that_are_skipped),
        cmocka_unit_test(leaves_the_dfl_convolution_as_it_is),
        cmocka_unit_test(recovers_the_same_for_any_number_of_threads),
        cmocka_unit_test(refuses_to_recover_with_a_wrong_number),
        cmocka_unit_test(recovers_in_spite_of_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
