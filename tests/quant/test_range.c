/* Ranges by all methods at the ends of what there is; extremes, averages and
 * percentiles against sorted values. */
#include <float.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "tests/quant/ranges.h"

/* ---- all methods ------------------------------------------------------ */

static void names_methods_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < CZ_RANGE_METHODS; i++) {
        enum cz_range_method found = CZ_RANGE_METHODS;
        const char *name = cz_range_method_name((enum cz_range_method)i);
        assert_true(cz_range_method_find(&found, name));
        assert_int_equal(found, i);
    }
    enum cz_range_method method = CZ_RANGE_MSE;
    assert_false(cz_range_method_find(&method, "MSE"));
    assert_false(cz_range_method_find(&method, ""));
    assert_int_equal(method, CZ_RANGE_MSE);
}

static void check_range(struct cz_range r, bool symmetric)
{
    assert_true(isfinite(r.low) && isfinite(r.high));
    assert_true(r.low <= 0 && r.high >= 0);
    float most = fmaxf(observer.max, -observer.min);
    assert_true(r.high <= fmaxf(symmetric ? most : observer.max, 0));
    assert_true(r.low >= fminf(symmetric ? -most : observer.min, 0));
    assert_true(!symmetric || r.low == -r.high);
}

static void stays_between_the_extremes_with_zero(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        observe((enum shape)shape);
        for (int i = 0; i < 2 * CZ_RANGE_METHODS; i++)
            check_range(range_by((enum cz_range_method)(i / 2), i % 2), i % 2);
    }
}

static void takes_nothing_but_zeros(void **state)
{
    (void)state;
    memset(values, 0, sizeof values);
    observe_values(1000);
    for (int i = 0; i < 2 * CZ_RANGE_METHODS; i++)
        assert_range(range_by((enum cz_range_method)(i / 2), i % 2), 0, 0, 0);
}

/* Any method, any constant: the constant itself, or its side of 0. */
static void takes_a_constant(void **state)
{
    (void)state;
    static const float constants[] = {0.7f,  -3,     1,       -1,
                                      1e30f, 1e-40f, FLT_MAX, -FLT_MAX};
    for (size_t k = 0; k < sizeof constants / sizeof *constants; k++) {
        float c = constants[k];
        for (size_t i = 0; i < 100; i++)
            values[i] = c;
        observe_values(100);
        for (int i = 0; i < CZ_RANGE_METHODS; i++) {
            enum cz_range_method method = (enum cz_range_method)i;
            double low = fmin((double)c, 0), high = fmax((double)c, 0);
            double most = high - low;
            assert_range(range_by(method, false), low, high, 0);
            assert_range(range_by(method, true), -most, most, 0);
        }
    }
}

static void takes_the_widest_floats(void **state)
{
    (void)state;
    static const float ends[] = {FLT_MAX, -FLT_MAX, 0, 1, FLT_MAX, -FLT_MAX};
    memcpy(values, ends, sizeof ends);
    observe_values(6);
    for (int i = 0; i < 2 * CZ_RANGE_METHODS; i++)
        check_range(range_by((enum cz_range_method)(i / 2), i % 2), i % 2);
}

/* At a known end, or a little before it where that has the least error. */
static void assert_at_end(float found, float end)
{
    assert_true(found / end <= 1 && found / end > 0.95f);
}

static void clips_ranges_to_what_is_known(void **state)
{
    (void)state;
    observe(NORMAL);
    for (int i = 0; i < CZ_RANGE_METHODS; i++) {
        struct cz_range_options options = DEFAULTS;
        options.method = (enum cz_range_method)i;
        options.known_min = CZ_SILU_MIN;
        assert_at_end(range_of(&options).low, CZ_SILU_MIN);
        assert_true(range_of(&options).high > 2);
        options.known_min = 0;
        options.known_max = 1;
        assert_true(range_of(&options).low == 0);
        assert_at_end(range_of(&options).high, 1);
        options.symmetric = true;
        const struct cz_range range = range_of(&options);
        assert_at_end(range.high, 1);
        assert_true(range.low == -range.high);
    }
}

static void gives_the_same_range_again(void **state)
{
    (void)state;
    observe(TAILS);
    for (int i = 0; i < 2 * CZ_RANGE_METHODS; i++) {
        struct cz_range one = range_by((enum cz_range_method)(i / 2), i % 2);
        struct cz_range two = range_by((enum cz_range_method)(i / 2), i % 2);
        assert_memory_equal(&one, &two, sizeof one);
    }
}

static void takes_nothing_of_the_heap(void **state)
{
    (void)state;
    observe(SILU);
    cz_alloc_fail_at(1);
    for (int i = 0; i < 2 * CZ_RANGE_METHODS; i++)
        range_by((enum cz_range_method)(i / 2), i % 2);
    assert_int_equal(cz_alloc_fail_at(0), 0);
}

static void assert_refused(struct cz_range_options options, const char *words)
{
    struct cz_range range;
    assert_error(
        cz_observer_range(&range, &observer, &options, cz_test_error()),
        CZ_EINVAL, words);
}

static void refuses_a_tensor_without_a_finite_value(void **state)
{
    (void)state;
    observe_values(0);
    assert_refused(DEFAULTS, "no finite value was seen (NaN: 0, infinite: 0)");
    values[0] = values[1] = NAN;
    values[2] = INFINITY;
    observe_values(3);
    assert_refused(DEFAULTS, "no finite value was seen (NaN: 2, infinite: 1)");
}

static void refuses_options_outside_their_range(void **state)
{
    (void)state;
    observe(NORMAL);
    static const unsigned levels[] = {0, 1, 2, 65537};
    static const double coverages[] = {0, -1, 1.0001, 99.999, (double)NAN};
    struct cz_range_options options;
    for (size_t i = 0; i < 4; i++) {
        options = DEFAULTS;
        options.levels = levels[i];
        assert_refused(options, "levels, want 3 to 65536");
    }
    for (size_t i = 0; i < 5; i++) {
        options = DEFAULTS;
        options.coverage = coverages[i];
        assert_refused(options, "is outside 0 < c <= 1");
    }
    options = DEFAULTS;
    options.known_min = NAN;
    assert_refused(options, "known values from nan to inf");
    options.known_min = 2;
    options.known_max = 1;
    assert_refused(options, "known values from 2 to 1");
}

/* ---- minmax, average, percentile -------------------------------------- */

static void finds_extremes_and_averages(void **state)
{
    (void)state;
    const float one[] = {-1, 10}, two[] = {-3, 20};
    observer = (struct cz_observer){0};
    cz_observer_add(&observer, one, 2);
    cz_observer_add(&observer, two, 2);
    assert_range(range_by(CZ_RANGE_MINMAX, false), -3, 20, 0);
    assert_range(range_by(CZ_RANGE_MINMAX, true), -20, 20, 0);
    assert_range(range_by(CZ_RANGE_AVERAGE, false), -1.02, 10.1, 1e-6);
    assert_range(range_by(CZ_RANGE_AVERAGE, true), -10.1, 10.1, 1e-6);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Between the two sorted values about the share's place there is nothing; a
 * bin is all that the histogram can be off. */
static void check_percentile(double coverage)
{
    static float sorted[VALUES];
    struct cz_range_options options = DEFAULTS;
    options.method = CZ_RANGE_PERCENTILE;
    options.coverage = coverage;
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, VALUES, sizeof *sorted, by_value);
    double cut = (1 - coverage) / 2 * (VALUES - 1);
    double low = (double)sorted[(size_t)cut];
    double high = (double)sorted[(size_t)(VALUES - 1 - cut)];
    assert_range(range_of(&options), fmin(low, 0), fmax(high, 0),
                 2 * observer.bin_width);
    for (size_t i = 0; i < VALUES; i++)
        sorted[i] = fabsf(values[i]);
    qsort(sorted, VALUES, sizeof *sorted, by_value);
    high = (double)sorted[(size_t)(coverage * (VALUES - 1))];
    options.symmetric = true;
    assert_range(range_of(&options), -high, high, 2 * observer.bin_width);
}

static void cuts_the_share_that_was_asked_for(void **state)
{
    (void)state;
    static const double coverages[] = {0.5, 0.9, 0.99, 0.999};
    static const enum shape dense[] = {NORMAL,   OUTLIERS, UNIFORM, POSITIVE,
                                       NEGATIVE, SILU,     STEPS};
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++) {
        observe(dense[i]);
        for (size_t k = 0; k < 4; k++)
            check_percentile(coverages[k]);
    }
}

static void cuts_nothing_of_all(void **state)
{
    (void)state;
    struct cz_range_options options = DEFAULTS;
    options.method = CZ_RANGE_PERCENTILE;
    options.coverage = 1;
    for (int shape = 0; shape < SHAPES; shape++) {
        observe((enum shape)shape);
        options.symmetric = false;
        struct cz_range want = range_by(CZ_RANGE_MINMAX, false);
        assert_range(range_of(&options), (double)want.low, (double)want.high,
                     0);
        options.symmetric = true;
        want = range_by(CZ_RANGE_MINMAX, true);
        assert_range(range_of(&options), (double)want.low, (double)want.high,
                     0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_methods_both_ways),
        cmocka_unit_test(stays_between_the_extremes_with_zero),
        cmocka_unit_test(takes_nothing_but_zeros),
        cmocka_unit_test(takes_a_constant),
        cmocka_unit_test(takes_the_widest_floats),
        cmocka_unit_test(clips_ranges_to_what_is_known),
        cmocka_unit_test(gives_the_same_range_again),
        cmocka_unit_test(takes_nothing_of_the_heap),
        cmocka_unit_test(refuses_a_tensor_without_a_finite_value),
        cmocka_unit_test(refuses_options_outside_their_range),
        cmocka_unit_test(finds_extremes_and_averages),
        cmocka_unit_test(cuts_the_share_that_was_asked_for),
        cmocka_unit_test(cuts_nothing_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
