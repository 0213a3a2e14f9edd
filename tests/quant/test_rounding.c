/* Codes learned from moments: against all codes there are, and what has to stay
 * as it was. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "quant/rounding.h"
#include "tests/quant/values.h"

#define CHANNELS 6
#define INPUTS 5
#define WINDOW 3
#define N (INPUTS * WINDOW) /* odd: the last weight is in no pair */
#define GROUPS 2

static float values[CHANNELS * N], moments[GROUPS * N * N];
static float scales[CHANNELS];
static int8_t codes[CHANNELS * N];
static uint8_t most_codes[GROUPS * INPUTS];

/* Inputs that go together, as those of a convolution do. */
static void fill_moments(void)
{
    uint64_t seed = 7;
    memset(moments, 0, sizeof moments);
    for (size_t g = 0; g < GROUPS; g++) {
        for (size_t s = 0; s < 40; s++) {
            const double common = random_normal(&seed);
            double x[N];
            for (size_t i = 0; i < N; i++)
                x[i] = common + 0.5 * random_normal(&seed);
            for (size_t i = 0; i < N * N; i++)
                moments[g * N * N + i] += (float)(x[i / N] * x[i % N] / 40);
        }
    }
}

static struct cz_weights weights_of(bool limited)
{
    return (struct cz_weights){.values = values,
                               .channels = CHANNELS,
                               .per_channel = N,
                               .most_codes = limited ? most_codes : NULL,
                               .inputs = INPUTS,
                               .groups = GROUPS};
}

/* Weights to the nearest codes. */
static void start(const struct cz_weights *weights)
{
    const struct cz_weight_options options = CZ_WEIGHT_OPTIONS_INIT;
    uint64_t seed = 3;
    for (size_t i = 0; i < CHANNELS * N; i++)
        values[i] = (float)(i % 7 == 2 ? 0 : random_normal(&seed));
    memset(most_codes, 255, sizeof most_codes);
    assert_ok(
        cz_affine_weights(scales, codes, weights, &options, cz_test_error()));
    fill_moments();
}

static void learn(const struct cz_weights *weights)
{
    const struct cz_rounding rounding = {
        .weights = weights, .scales = scales, .moments = moments, .threads = 1};
    assert_ok(cz_rounding_learn(codes, &rounding, cz_test_error()));
}

/* The mean squared error of one channel's output. */
static double error_of(size_t c)
{
    const float *h = moments + c * GROUPS / CHANNELS * N * N;
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            const double a = (double)codes[c * N + i] * (double)scales[c] -
                             (double)values[c * N + i];
            const double b = (double)codes[c * N + k] * (double)scales[c] -
                             (double)values[c * N + k];
            sum += a * b * (double)h[i * N + k];
        }
    }
    return sum;
}

static void lowers_the_error_of_the_output(void **state)
{
    (void)state;
    const struct cz_weights weights = weights_of(false);
    double before[CHANNELS], all[2] = {0, 0};
    start(&weights);
    for (size_t c = 0; c < CHANNELS; c++)
        before[c] = error_of(c);
    learn(&weights);
    for (size_t c = 0; c < CHANNELS; c++) {
        assert_true(error_of(c) <= before[c]);
        all[0] += before[c];
        all[1] += error_of(c);
    }
    assert_true(all[1] < 0.5 * all[0]);
}

/* No code alone can be better than it is. */
static void leaves_no_code_that_could_be_better(void **state)
{
    (void)state;
    const struct cz_weights weights = weights_of(false);
    start(&weights);
    for (int i = 0; i < 20; i++)
        learn(&weights);
    for (size_t i = 0; i < CHANNELS * N; i++) {
        const double least = error_of(i / N);
        if (values[i] == 0)
            continue;
        for (int change = -1; change <= 1; change += 2) {
            codes[i] = (int8_t)(codes[i] + change);
            assert_true(abs(codes[i]) > 127 ||
                        error_of(i / N) >= least * (1 - 1e-4));
            codes[i] = (int8_t)(codes[i] - change);
        }
    }
}

static void leaves_pruned_weights_at_zero(void **state)
{
    (void)state;
    const struct cz_weights weights = weights_of(false);
    start(&weights);
    learn(&weights);
    for (size_t i = 0; i < CHANNELS * N; i++)
        assert_true(values[i] != 0 || codes[i] == 0);
}

static void keeps_pairs_limited(void **state)
{
    (void)state;
    const struct cz_weights weights = weights_of(true);
    size_t changed = 0;
    start(&weights);
    int8_t before[CHANNELS * N];
    memcpy(before, codes, sizeof codes);
    learn(&weights);
    for (size_t c = 0; c < CHANNELS; c++) {
        for (size_t i = 0; i < N; i++) {
            const size_t other = cz_weights_pair_of(&weights, i);
            const int a = codes[c * N + i];
            changed += a != before[c * N + i];
            if (other == N)
                continue;
            assert_int_equal(cz_weights_pair_of(&weights, other), i);
            const int b = codes[c * N + other];
            assert_true((a > 0) != (b > 0) || abs(a + b) * 255 <= CZ_PAIR_MOST);
        }
    }
    assert_true(changed > 0);
}

static void tells_the_last_weight_of_an_odd_number(void **state)
{
    (void)state;
    const struct cz_weights weights = weights_of(true);
    size_t alone = 0;
    for (size_t i = 0; i < N; i++)
        alone += cz_weights_pair_of(&weights, i) == N;
    assert_int_equal(alone, 1);
    assert_int_equal(cz_weights_pair_of(&weights, N - 1), N);
    assert_int_equal(cz_weights_pair_of(&weights, 0), WINDOW);
}

static void limits_no_depthwise_convolution(void **state)
{
    (void)state;
    int8_t learned[2][CHANNELS * N];
    for (int limited = 0; limited < 2; limited++) {
        struct cz_weights weights = weights_of(limited);
        weights.inputs = 1;
        start(&weights);
        learn(&weights);
        memcpy(learned[limited], codes, sizeof codes);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(cz_weights_pair_of(&weights, i), N);
    }
    assert_memory_equal(learned[0], learned[1], sizeof codes);
}

static void survives_short_memory(void **state)
{
    (void)state;
    const struct cz_weights weights = weights_of(false);
    struct cz_error err = CZ_ERROR_INIT;
    start(&weights);
    const struct cz_rounding rounding = {.weights = &weights,
                                         .scales = scales,
                                         .moments = moments,
                                         .threads = 1};
    cz_alloc_fail_at(2);
    assert_int_equal(cz_rounding_learn(codes, &rounding, &err), CZ_ENOMEM);
    cz_alloc_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowers_the_error_of_the_output),
        cmocka_unit_test(leaves_no_code_that_could_be_better),
        cmocka_unit_test(leaves_pruned_weights_at_zero),
        cmocka_unit_test(keeps_pairs_limited),
        cmocka_unit_test(limits_no_depthwise_convolution),
        cmocka_unit_test(tells_the_last_weight_of_an_odd_number),
        cmocka_unit_test(survives_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
