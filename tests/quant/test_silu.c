/* Codes for what a SiLU reads: the error that they are chosen by against that
 * of each value, and what is chosen. */
#include <float.h>

#include "quant/silu.h"
#include "tests/quant/ranges.h"

static const struct cz_affine GATE = {1.0F / 255, 0};

static float coded(float value, struct cz_affine affine)
{
    uint8_t code;
    cz_affine_to_uint8(&code, &value, 1, affine);
    cz_affine_from_uint8(&value, &code, 1, affine);
    return value;
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

/* From the values, not from their histogram. */
static double error_of_values(struct cz_affine x, struct cz_affine y)
{
    double sum = 0;
    for (size_t i = 0; i < VALUES; i++) {
        const double input = (double)coded(values[i], x);
        const float gate = coded((float)(1 / (1 + exp(-input))), GATE);
        const double made = (double)coded((float)input * gate, y);
        const double rest = made - silu((double)values[i]);
        sum += rest * rest;
    }
    return sum / VALUES;
}

static struct cz_affine codes_of(float low, float high)
{
    return cz_affine_from_range(&(struct cz_range){low, high}, CZ_CODES_UINT8);
}

/* A SiLU of what was observed: the codes that ranges of least error give x and
 * y, and those chosen for x. */
struct fit {
    struct cz_silu silu;
    struct cz_affine start, chosen;
};

static struct fit fit_observed(void)
{
    struct cz_range_options options = DEFAULTS;
    options.known_min = -7;
    const struct cz_range range = range_of(&options);
    struct fit fit = {
        .silu = {&observer, GATE, codes_of(CZ_SILU_MIN, fmaxf(range.high, 1))},
        .start = cz_affine_from_range(&range, CZ_CODES_UINT8)};
    fit.chosen = cz_silu_input_codes(&fit.silu, fit.start);
    return fit;
}

static const float DEVIATIONS[] = {0.5F, 2, 9, 40};
#define N_DEVIATIONS (sizeof DEVIATIONS / sizeof *DEVIATIONS)

static struct fit fit_normal(float deviation)
{
    fill(values, VALUES, NORMAL, 5);
    for (size_t i = 0; i < VALUES; i++)
        values[i] *= deviation;
    observe_values(VALUES);
    return fit_observed();
}

static void its_error_is_that_of_the_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_DEVIATIONS; i++) {
        const struct fit fit = fit_normal(DEVIATIONS[i]);
        const double got = cz_silu_error(&fit.silu, fit.start);
        const double want = error_of_values(fit.start, fit.silu.y);
        if (fabs(got - want) > 0.03 * want)
            fail_msg("deviation %g: %.9g, want %.9g", (double)DEVIATIONS[i],
                     got, want);
    }
}

/* All but the narrowest, which a SiLU hardly bends. */
static void chosen_codes_are_better_for_the_values(void **state)
{
    (void)state;
    for (size_t i = 1; i < N_DEVIATIONS; i++) {
        const struct fit fit = fit_normal(DEVIATIONS[i]);
        const double before = error_of_values(fit.start, fit.silu.y);
        const double after = error_of_values(fit.chosen, fit.silu.y);
        if (!(after < 0.97 * before))
            fail_msg("deviation %g: %.9g, was %.9g", (double)DEVIATIONS[i],
                     after, before);
    }
}

/* What is clipped has the code of 0 before and after. */
static void nothing_that_shows_is_clipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_DEVIATIONS; i++) {
        const struct fit fit = fit_normal(DEVIATIONS[i]);
        const double step = (double)fit.chosen.scale;
        const double low = -fit.chosen.zero_point * step;
        assert_true(fit.chosen.scale != fit.start.scale);
        assert_true(low <= (double)observer.min + step ||
                    -silu(low) < 0.5 * (double)fit.silu.y.scale + 0.1 * step);
    }
}

/* Where a SiLU changes nothing, y is x, and is not rounded a second time. */
static void large_values_keep_the_steps_of_what_is_made(void **state)
{
    (void)state;
    fill(values, VALUES, UNIFORM, 5);
    for (size_t i = 0; i < VALUES; i++)
        values[i] = 60 + 40 * values[i];
    observe_values(VALUES);
    const struct cz_silu silu = {&observer, GATE, codes_of(CZ_SILU_MIN, 100)};
    const struct cz_affine x = cz_silu_input_codes(&silu, codes_of(-7, 100));
    assert_float_equal(x.scale, silu.y.scale, 0);
}

static void any_values_give_codes(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        observe((enum shape)shape);
        const struct fit fit = fit_observed();
        assert_true(fit.chosen.scale >= FLT_MIN && isfinite(fit.chosen.scale));
        assert_in_range(fit.chosen.zero_point, 0, UINT8_MAX);
        assert_true(cz_silu_error(&fit.silu, fit.chosen) <=
                    cz_silu_error(&fit.silu, fit.start));
    }
}

static void no_values_leave_the_codes(void **state)
{
    (void)state;
    const struct cz_silu silu = {&observer, GATE, codes_of(0, 5)};
    const struct cz_affine start = codes_of(-3, 5);
    observe_values(0);
    const struct cz_affine chosen = cz_silu_input_codes(&silu, start);
    assert_float_equal(chosen.scale, start.scale, 0);
    assert_int_equal(chosen.zero_point, start.zero_point);
    assert_true(cz_silu_error(&silu, start) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_error_is_that_of_the_values),
        cmocka_unit_test(chosen_codes_are_better_for_the_values),
        cmocka_unit_test(nothing_that_shows_is_clipped),
        cmocka_unit_test(large_values_keep_the_steps_of_what_is_made),
        cmocka_unit_test(any_values_give_codes),
        cmocka_unit_test(no_values_leave_the_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
