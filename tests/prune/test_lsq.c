/* Least squares of one convolution against the dense solution, and masks from
 * the inverse Hessian against their definition, on small random problems. */
#include <math.h>
#include <stdio.h>

#include "core/alloc.h"
#include "prune/lsq_internal.h"
#include "prune/obs_internal.h"
#include "tests/support/random_graph.h"
#include "tests/support/support.h"

#define INPUTS_MAX 16
#define OUTPUTS_MAX 6
#define GROUPS_MAX 2
#define WEIGHTS_MAX (GROUPS_MAX * OUTPUTS_MAX * INPUTS_MAX)
#define WINDOWS_MAX 200

/* Products are summed in float32, 1e-7 each; the systems' condition is up to
 * some hundreds. */
#define TOLERANCE 2e-4

/* A layer: windows x with outputs y that other weights made, and noise. */
struct problem {
    struct cz_lsq_shape shape;
    size_t count;
    float x[WINDOWS_MAX * GROUPS_MAX * INPUTS_MAX];
    float y[WINDOWS_MAX * GROUPS_MAX * OUTPUTS_MAX];
    float weights[WEIGHTS_MAX], bias[GROUPS_MAX * OUTPUTS_MAX];
    bool keep[WEIGHTS_MAX];
};

static float uniform(struct cz_random *random)
{
    return (float)cz_random_below(random, 20001) / 10000 - 1;
}

/* Inputs that go together, so that some weights can stand for others. */
static void fill(struct problem *p, uint64_t seed)
{
    struct cz_random random = {seed};
    const size_t n = p->shape.groups * p->shape.inputs;
    const size_t m = p->shape.groups * p->shape.outputs;
    for (size_t k = 0; k < p->count; k++) {
        const float common = uniform(&random);
        for (size_t i = 0; i < n; i++)
            p->x[k * n + i] = 0.3F + common + 0.5F * uniform(&random);
        for (size_t i = 0; i < m; i++)
            p->y[k * m + i] = 2 * uniform(&random) - common;
    }
    for (size_t i = 0; i < m * p->shape.inputs; i++) {
        p->weights[i] = uniform(&random);
        p->keep[i] = cz_random_below(&random, 3) != 0;
    }
    for (size_t i = 0; i < m; i++)
        p->bias[i] = uniform(&random);
}

static struct cz_lsq gather(const struct problem *p,
                            const struct cz_lsq_options *options)
{
    struct cz_lsq lsq;
    const size_t n = p->shape.groups * p->shape.inputs;
    const size_t m = p->shape.groups * p->shape.outputs, half = p->count / 2;
    assert_ok(cz_lsq_init(&lsq, &p->shape, options, cz_test_error()));
    cz_lsq_add(&lsq, p->x, p->y, half);
    cz_lsq_add(&lsq, p->x + half * n, p->y + half * m, p->count - half);
    cz_lsq_finish(&lsq);
    return lsq;
}

/* ---- the dense solution ----------------------------------------------- */

/* Solves a symmetric, positive system of up to INPUTS_MAX + 1 by elimination.
 */
static void eliminate(double a[][INPUTS_MAX + 1], double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < n; r++) {
            const double factor = r == i ? 0 : a[r][i] / a[i][i];
            for (size_t c = 0; c < n && factor != 0; c++)
                a[r][c] -= factor * a[i][c];
            b[r] -= factor * b[i];
        }
    }
    for (size_t i = 0; i < n; i++)
        b[i] /= a[i][i];
}

/* The mean square of the inputs of a group, around their means or not: what the
 * ridge is a share of. */
static double power_of(const struct problem *p, size_t group, bool around)
{
    const size_t n = p->shape.groups * p->shape.inputs;
    double sum = 0;
    for (size_t i = 0; i < p->shape.inputs; i++) {
        double mean = 0, square = 0;
        for (size_t k = 0; k < p->count; k++) {
            const double x = (double)p->x[k * n + group * p->shape.inputs + i];
            mean += x / (double)p->count;
            square += x * x / (double)p->count;
        }
        sum += square - (around ? mean * mean : 0);
    }
    return sum / (double)p->shape.inputs;
}

/* Minimises the sum that lsq_internal.h has, over the windows themselves; the
 * bias is one more unknown, whose input is 1. */
static void solve_densely(double *w, double *bias, const struct problem *p,
                          size_t output, const struct cz_lsq_options *o)
{
    double a[INPUTS_MAX + 1][INPUTS_MAX + 1] = {{0}}, b[INPUTS_MAX + 1] = {0};
    double x[INPUTS_MAX + 1];
    size_t places[INPUTS_MAX], k = 0;
    const size_t n = p->shape.inputs, group = output / p->shape.outputs;
    const bool *keep = p->keep + output * n;
    const double fixed =
        o->bias && !o->bias_is_free ? (double)o->bias[output] : 0;
    for (size_t i = 0; i < n; i++) {
        if (keep[i])
            places[k++] = i;
    }
    const size_t unknowns = k + o->bias_is_free;
    for (size_t at = 0; at < p->count; at++) {
        const float *row = p->x + (at * p->shape.groups + group) * n;
        const size_t m = p->shape.groups * p->shape.outputs;
        for (size_t i = 0; i < k; i++)
            x[i] = (double)row[places[i]];
        x[k] = 1;
        for (size_t i = 0; i < unknowns; i++) {
            for (size_t j = 0; j < unknowns; j++)
                a[i][j] += x[i] * x[j] / (double)p->count;
            b[i] += x[i] * ((double)p->y[at * m + output] - fixed) /
                    (double)p->count;
        }
    }
    const double ridge = o->ridge * power_of(p, group, o->bias_is_free);
    for (size_t i = 0; i < k; i++) {
        a[i][i] += ridge;
        b[i] += ridge * (double)p->weights[output * n + places[i]];
    }
    eliminate(a, b, unknowns);
    memset(w, 0, n * sizeof *w);
    for (size_t i = 0; i < k; i++)
        w[places[i]] = b[i];
    *bias = o->bias_is_free ? b[k] : fixed;
}

static double error_densely(const struct problem *p, size_t output,
                            const float *w, double bias)
{
    const size_t n = p->shape.inputs, group = output / p->shape.outputs;
    const size_t m = p->shape.groups * p->shape.outputs;
    double sum = 0;
    for (size_t at = 0; at < p->count; at++) {
        const float *x = p->x + (at * p->shape.groups + group) * n;
        double y = bias - (double)p->y[at * m + output];
        for (size_t i = 0; i < n; i++)
            y += (double)w[output * n + i] * (double)x[i];
        sum += y * y;
    }
    return sum / (double)p->count;
}

/* ---- least squares ---------------------------------------------------- */

enum { NO_BIAS, FIXED_BIAS, FREE_BIAS, BIASES };

static void check_solution(struct problem *p, int kind)
{
    const struct cz_lsq_options o = {.ridge = 0.01,
                                     .bias = kind == NO_BIAS ? NULL : p->bias,
                                     .bias_is_free = kind == FREE_BIAS,
                                     .threads = 2};
    const size_t n = p->shape.inputs, m = p->shape.groups * p->shape.outputs;
    float solved[WEIGHTS_MAX], bias[GROUPS_MAX * OUTPUTS_MAX];
    double errors[GROUPS_MAX * OUTPUTS_MAX], want[INPUTS_MAX], want_bias;
    struct cz_lsq lsq = gather(p, &o);
    memcpy(solved, p->weights, sizeof solved);
    memcpy(bias, p->bias, sizeof bias);
    assert_ok(cz_lsq_solve(solved, bias, &lsq, p->keep, cz_test_error()));
    assert_ok(cz_lsq_errors(errors, &lsq, solved, kind == NO_BIAS ? NULL : bias,
                            cz_test_error()));
    for (size_t i = 0; i < m; i++) {
        solve_densely(want, &want_bias, p, i, &o);
        for (size_t k = 0; k < n; k++)
            assert_true(fabs((double)solved[i * n + k] - want[k]) < TOLERANCE);
        if (kind != NO_BIAS)
            assert_true(
                fabs((double)bias[i] -
                     (kind == FREE_BIAS ? want_bias : (double)p->bias[i])) <
                TOLERANCE);
        assert_true(fabs(errors[i] - error_densely(p, i, solved, want_bias)) <
                    TOLERANCE);
    }
    cz_lsq_fini(&lsq);
}

static void equals_the_dense_solution(void **state)
{
    (void)state;
    static const struct cz_lsq_shape shapes[] = {
        {1, 1, 1}, {1, 5, 3}, {2, 4, 2}, {2, 16, 6}, {1, 9, 1}};
    struct problem p;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        p.shape = shapes[seed % 5];
        p.count = 40 + seed * 4;
        fill(&p, seed);
        for (int kind = 0; kind < BIASES; kind++)
            check_solution(&p, kind);
    }
}

static void solves_channels_with_the_same_mask_together(void **state)
{
    (void)state;
    struct problem p = {.shape = {1, 12, 6}, .count = 100};
    fill(&p, 3);
    for (size_t i = 12; i < 48; i++)
        p.keep[i] = p.keep[i % 12];
    check_solution(&p, FREE_BIAS);
}

static void decides_by_the_ridge_with_fewer_windows_than_weights(void **state)
{
    (void)state;
    struct problem p = {.shape = {1, 16, 3}, .count = 6};
    fill(&p, 5);
    check_solution(&p, FREE_BIAS);
    check_solution(&p, NO_BIAS);
}

static void leaves_the_weights_of_inputs_that_are_zero(void **state)
{
    (void)state;
    struct problem p = {.shape = {1, 8, 2}, .count = 50};
    float solved[WEIGHTS_MAX];
    fill(&p, 7);
    memset(p.x, 0, sizeof p.x);
    const struct cz_lsq_options o = {.ridge = 0.01, .threads = 1};
    struct cz_lsq lsq = gather(&p, &o);
    memcpy(solved, p.weights, sizeof solved);
    assert_ok(cz_lsq_solve(solved, NULL, &lsq, p.keep, cz_test_error()));
    for (size_t i = 0; i < 16; i++)
        assert_true(solved[i] == (p.keep[i] ? p.weights[i] : 0));
    cz_lsq_fini(&lsq);
}

static void leaves_the_weights_where_inputs_are_not_finite(void **state)
{
    (void)state;
    struct problem p = {.shape = {1, 8, 2}, .count = 50};
    float solved[WEIGHTS_MAX];
    double errors[2];
    fill(&p, 8);
    p.x[9] = INFINITY;
    const struct cz_lsq_options o = {.ridge = 0.01, .threads = 1};
    struct cz_lsq lsq = gather(&p, &o);
    memcpy(solved, p.weights, sizeof solved);
    assert_ok(cz_lsq_solve(solved, NULL, &lsq, p.keep, cz_test_error()));
    for (size_t i = 0; i < 16; i++)
        assert_true(isfinite(solved[i]));
    assert_ok(cz_lsq_errors(errors, &lsq, solved, NULL, cz_test_error()));
    assert_false(errors[0] < 1e30); /* nothing says that it is better */
    cz_lsq_fini(&lsq);
}

/* ---- masks ------------------------------------------------------------ */

/* The error of one output channel when `keep` stays and is solved for, with the
 * ridge: what a weight's loss is about. */
static double loss_of(const struct problem *p, const bool *keep, double ridge)
{
    struct problem copy = *p;
    double w[INPUTS_MAX], bias, sum;
    float floats[INPUTS_MAX];
    const struct cz_lsq_options o = {.ridge = ridge};
    memcpy(copy.keep, keep, p->shape.inputs);
    solve_densely(w, &bias, &copy, 0, &o);
    for (size_t i = 0; i < p->shape.inputs; i++)
        floats[i] = (float)w[i];
    sum = error_densely(p, 0, floats, 0);
    for (size_t i = 0; i < p->shape.inputs; i++) {
        const double away = keep[i] ? w[i] - (double)p->weights[i] : 0;
        sum += ridge * power_of(p, 0, false) * away * away;
    }
    /* A weight that goes is away from what it was, too. */
    for (size_t i = 0; i < p->shape.inputs; i++)
        sum += keep[i] ? 0
                       : ridge * power_of(p, 0, false) * (double)p->weights[i] *
                             (double)p->weights[i];
    return sum;
}

/* One after the other, that which makes least of it, by trying all. */
static void choose_by_trying(bool *keep, const struct problem *p, size_t zeros,
                             double ridge)
{
    const size_t n = p->shape.inputs;
    memset(keep, true, n);
    for (size_t z = 0; z < zeros; z++) {
        size_t best = n;
        double least = INFINITY;
        for (size_t i = 0; i < n; i++) {
            if (!keep[i])
                continue;
            keep[i] = false;
            const double loss = loss_of(p, keep, ridge);
            keep[i] = true;
            if (loss < least) {
                least = loss;
                best = i;
            }
        }
        keep[best] = false;
    }
}

static void takes_the_weights_that_cost_least(void **state)
{
    (void)state;
    struct problem p = {.shape = {1, 12, 1}, .count = 150};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool keep[INPUTS_MAX], want[INPUTS_MAX];
        const struct cz_lsq_options o = {.ridge = 0.01, .threads = 1};
        const struct cz_obs_options obs = {.zeros = 7, .kernel = 1};
        fill(&p, seed);
        struct cz_lsq lsq = gather(&p, &o);
        assert_ok(cz_obs_choose(keep, &lsq, p.weights, &obs, cz_test_error()));
        choose_by_trying(want, &p, 7, o.ridge);
        assert_memory_equal(keep, want, 12);
        cz_lsq_fini(&lsq);
    }
}

static size_t count_zeros(const bool *keep, size_t count)
{
    size_t zeros = 0;
    for (size_t i = 0; i < count; i++)
        zeros += !keep[i];
    return zeros;
}

static void makes_as_many_zeros_as_asked_for_with_any_threads(void **state)
{
    (void)state;
    struct problem p = {.shape = {2, 16, 6}, .count = 150};
    fill(&p, 11);
    for (size_t zeros = 0; zeros < 192; zeros += 13) {
        bool keep[2][WEIGHTS_MAX];
        const struct cz_obs_options obs = {.zeros = zeros, .kernel = 4};
        for (size_t i = 0; i < 2; i++) {
            const struct cz_lsq_options o = {.ridge = 0.01,
                                             .threads = 1 + 2 * i};
            struct cz_lsq lsq = gather(&p, &o);
            assert_ok(
                cz_obs_choose(keep[i], &lsq, p.weights, &obs, cz_test_error()));
            cz_lsq_fini(&lsq);
        }
        assert_int_equal(count_zeros(keep[0], 192), zeros);
        assert_memory_equal(keep[0], keep[1], 192);
    }
}

static void keeps_two_of_four_along_the_channels(void **state)
{
    (void)state;
    struct problem p = {.shape = {2, 16, 6}, .count = 150};
    bool keep[WEIGHTS_MAX];
    const struct cz_lsq_options o = {.ridge = 0.01, .threads = 1};
    const struct cz_obs_options obs = {.nm = {2, 4}, .kernel = 2};
    fill(&p, 12);
    struct cz_lsq lsq = gather(&p, &o);
    assert_ok(cz_obs_choose(keep, &lsq, p.weights, &obs, cz_test_error()));
    for (size_t row = 0; row < 12; row++) {
        for (size_t block = 0; block < 2; block++) {
            for (size_t k = 0; k < 2; k++) {
                size_t kept = 0;
                for (size_t c = 0; c < 4; c++)
                    kept += keep[row * 16 + (block * 4 + c) * 2 + k];
                assert_int_equal(kept, 2);
            }
        }
    }
    cz_lsq_fini(&lsq);
}

static void losses_rise_to_those_of_the_masks(void **state)
{
    (void)state;
    struct problem p = {.shape = {1, 16, 6}, .count = 150};
    double losses[17];
    const struct cz_lsq_options o = {.ridge = 1e-6, .threads = 1};
    fill(&p, 13);
    struct cz_lsq lsq = gather(&p, &o);
    assert_ok(cz_obs_losses(&(struct cz_obs_curve){losses, 17, 6}, &lsq,
                            p.weights, cz_test_error()));
    for (size_t i = 1; i < 16; i++)
        assert_true(losses[i] >= losses[i - 1]);
    /* What half of the weights, gone and made up for, add to the error. */
    const struct cz_obs_options obs = {.zeros = 48, .kernel = 1};
    double before[6], after[6], sum = 0;
    float solved[WEIGHTS_MAX];
    memset(p.keep, true, sizeof p.keep);
    memcpy(solved, p.weights, sizeof solved);
    assert_ok(cz_lsq_solve(solved, NULL, &lsq, p.keep, cz_test_error()));
    assert_ok(cz_lsq_errors(before, &lsq, solved, NULL, cz_test_error()));
    assert_ok(cz_obs_choose(p.keep, &lsq, p.weights, &obs, cz_test_error()));
    memcpy(solved, p.weights, sizeof solved);
    assert_ok(cz_lsq_solve(solved, NULL, &lsq, p.keep, cz_test_error()));
    assert_ok(cz_lsq_errors(after, &lsq, solved, NULL, cz_test_error()));
    for (size_t i = 0; i < 6; i++)
        sum += after[i] - before[i];
    /* The loss counts a later weight at least as high as an earlier one. */
    assert_true(losses[8] >= sum * 0.999 && losses[8] < sum * 1.25);
    cz_lsq_fini(&lsq);
}

/* ---- memory ----------------------------------------------------------- */

static enum cz_status try_all(struct problem *p, struct cz_error *err)
{
    const struct cz_lsq_options o = {.ridge = 0.01, .threads = 1};
    const struct cz_obs_options obs = {.zeros = 20, .kernel = 1};
    float solved[WEIGHTS_MAX];
    double errors[GROUPS_MAX * OUTPUTS_MAX], losses[5];
    struct cz_lsq lsq;
    memcpy(solved, p->weights, sizeof solved);
    enum cz_status status = cz_lsq_init(&lsq, &p->shape, &o, err);
    if (status == CZ_OK) {
        cz_lsq_add(&lsq, p->x, p->y, p->count);
        cz_lsq_finish(&lsq);
        status = cz_obs_choose(p->keep, &lsq, p->weights, &obs, err);
    }
    if (status == CZ_OK)
        status = cz_obs_losses(&(struct cz_obs_curve){losses, 5, 2}, &lsq,
                               p->weights, err);
    if (status == CZ_OK)
        status = cz_lsq_solve(solved, NULL, &lsq, p->keep, err);
    if (status == CZ_OK)
        status = cz_lsq_errors(errors, &lsq, solved, NULL, err);
    cz_lsq_fini(&lsq);
    return status;
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    struct problem p = {.shape = {2, 6, 3}, .count = 60};
    fill(&p, 1);
    cz_alloc_fail_at(0);
    assert_ok(try_all(&p, cz_test_error()));
    const size_t count = cz_alloc_fail_at(0);
    assert_true(count > 10);
    for (size_t n = 1; n <= count; n++) {
        cz_alloc_fail_at(n);
        const enum cz_status status = try_all(&p, cz_test_error());
        cz_alloc_fail_at(0);
        assert_int_equal(status, CZ_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_dense_solution),
        cmocka_unit_test(solves_channels_with_the_same_mask_together),
        cmocka_unit_test(decides_by_the_ridge_with_fewer_windows_than_weights),
        cmocka_unit_test(leaves_the_weights_of_inputs_that_are_zero),
        cmocka_unit_test(leaves_the_weights_where_inputs_are_not_finite),
        cmocka_unit_test(takes_the_weights_that_cost_least),
        cmocka_unit_test(makes_as_many_zeros_as_asked_for_with_any_threads),
        cmocka_unit_test(keeps_two_of_four_along_the_channels),
        cmocka_unit_test(losses_rise_to_those_of_the_masks),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
