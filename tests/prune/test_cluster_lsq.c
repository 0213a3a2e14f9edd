/* Weights in few values with the least error of what their layer gives. */
#include "prune/cluster_internal.h"
#include "prune/recover.h"
#include "tests/prune/clusters.h"
#include "tests/prune/support.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"

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

/* ---- with images ------------------------------------------------------ */

/* A model, and one that is to become like it. */
struct recovered {
    struct cz_model *original, *model;
    struct cz_prune_options prune;
    struct cz_recover_options options;
    struct cz_recover_report report;
};

static struct recovered recovered_of(struct cz_model *original,
                                     struct cz_model *model)
{
    struct recovered r = {.original = original,
                          .model = model,
                          .options = CZ_RECOVER_OPTIONS_INIT};
    r.options.images = cz_test_noise(4);
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
    r->options.prune = &r->prune;
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
        assert_true(row->before == row->after); /* there are no zeros */
        assert_true(row->clustered < 0.2);
        cz_free(weights);
    }
    recovered_free(&r);
}

/* Zeros may move with their mask, but stay as many. */
static void keeps_the_zeros_of_a_pruned_model(void **state)
{
    (void)state;
    need_blas();
    for (int mask = CZ_RECOVER_MASK_GIVEN; mask <= CZ_RECOVER_MASK_OBS;
         mask++) {
        const struct cz_prune_options half = {.sparsity = 0.5};
        struct recovered r = recovered_new(6, 1);
        struct cz_prune_report report;
        float *weights;
        size_t zeros = 0;
        assert_ok(cz_prune_l1(r.model, &half, &report, cz_test_error()));
        r.options.mask = (enum cz_recover_mask)mask;
        assert_ok(recover(&r));
        assert_ok(cz_tensor_floats(cz_test_value(r.model, "w")->constant,
                                   &weights, cz_test_error()));
        for (size_t i = 0; i < 216; i++)
            zeros += weights[i] == 0;
        assert_int_equal(zeros, 108);
        assert_int_equal(count_distinct(weights, 216), 6);
        assert_int_equal(r.report.layers[0].values, 6);
        cz_free(weights);
        cz_prune_report_fini(&report);
        recovered_free(&r);
    }
}

static void leaves_those_alone_that_are_skipped(void **state)
{
    (void)state;
    static const char *const skip = "[ey]";
    need_blas();
    struct recovered r = recovered_new(6, 1);
    struct cz_test_operands before = cz_test_operands_read(r.model);
    r.prune.skip = &skip;
    r.prune.n_skip = 1;
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
    r.prune.skip = &all;
    r.prune.n_skip = 1;
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
        cmocka_unit_test(fits_the_values_as_a_dense_solution_does),
        cmocka_unit_test(fits_the_same_for_any_number_of_threads),
        cmocka_unit_test(leaves_a_value_that_nobody_has),
        cmocka_unit_test(rounds_to_the_nearest_where_inputs_are_independent),
        cmocka_unit_test(rounds_with_less_error_than_to_the_nearest),
        cmocka_unit_test(rounds_what_cannot_be_solved),
        cmocka_unit_test(solves_for_few_values_no_worse_than_k_means),
        cmocka_unit_test(clusters_while_it_recovers),
        cmocka_unit_test(keeps_the_zeros_of_a_pruned_model),
        cmocka_unit_test(leaves_those_alone_that_are_skipped),
        cmocka_unit_test(leaves_the_dfl_convolution_as_it_is),
        cmocka_unit_test(recovers_the_same_for_any_number_of_threads),
        cmocka_unit_test(refuses_to_recover_with_a_wrong_number),
        cmocka_unit_test(recovers_in_spite_of_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
