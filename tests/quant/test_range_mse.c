/* The squared error that a histogram tells, and the range where it is least,
 * against the values themselves and all pairs of ends. */
#include "quant/affine.h"
#include "tests/quant/ranges.h"

static struct cz_range_options grid_options(bool symmetric)
{
    struct cz_range_options options = DEFAULTS;
    options.symmetric = symmetric;
    return options;
}

/* What the values themselves lose as uint8 or symmetric int8. */
static double true_error(struct cz_range range, bool symmetric)
{
    struct cz_affine affine = cz_affine_from_range(
        &range, symmetric ? CZ_CODES_INT8_SYMMETRIC : CZ_CODES_UINT8);
    double sum = 0;
    for (size_t i = 0; i < VALUES; i++) {
        uint8_t u8;
        int8_t s8;
        float back;
        if (symmetric) {
            cz_affine_to_int8(&s8, values + i, 1, affine);
            cz_affine_from_int8(&back, &s8, 1, affine);
        } else {
            cz_affine_to_uint8(&u8, values + i, 1, affine);
            cz_affine_from_uint8(&back, &u8, 1, affine);
        }
        double error = (double)back - (double)values[i];
        sum += error * error;
    }
    return sum / VALUES;
}

/* 50000 values of a distribution against the evenness of each bin. */
#define ERROR_TOLERANCE 0.02

static void tells_the_error_that_values_have(void **state)
{
    (void)state;
    static const enum shape smooth[] = {NORMAL,   OUTLIERS, UNIFORM, POSITIVE,
                                        NEGATIVE, SILU,     LARGE};
    static const float shares[] = {1, 0.7f, 0.3f, 0.05f};
    for (size_t k = 0; k < sizeof smooth / sizeof *smooth; k++) {
        observe(smooth[k]);
        for (size_t i = 0; i < 8; i++) {
            struct cz_range_options options = grid_options(i % 2);
            struct cz_range r = range_by(CZ_RANGE_MINMAX, i % 2);
            r.low *= shares[i / 2];
            r.high *= shares[i / 2];
            double got = cz_observer_error(&observer, &r, &options);
            double want = true_error(r, i % 2);
            if (!(fabs(got / want - 1) <= ERROR_TOLERANCE))
                fail_msg("shape %d: %g, want %g", (int)smooth[k], got, want);
        }
    }
}

static void tells_no_error_where_there_is_none(void **state)
{
    (void)state;
    static const enum shape exact[] = {CONSTANT, POSITIVE};
    const struct cz_range_options options = DEFAULTS;
    struct cz_range r = {0, 1};
    observer = (struct cz_observer){0};
    assert_true(cz_observer_error(&observer, &r, &options) == 0);
    observe(exact[0]);
    r = range_by(CZ_RANGE_MINMAX, false);
    assert_true(cz_observer_error(&observer, &r, &options) < 1e-15);
    memset(values, 0, sizeof values);
    observe_values(VALUES);
    assert_true(cz_observer_error(&observer, &r, &options) == 0);
    r = (struct cz_range){0, 0};
    assert_true(cz_observer_error(&observer, &r, &options) == 0);
}

/* All that is told of a range [0, 0] is the values' own squares. */
static void tells_the_values_squares_of_a_range_of_nothing(void **state)
{
    (void)state;
    const struct cz_range_options options = DEFAULTS;
    const struct cz_range nothing = {0, 0};
    observe(UNIFORM);
    double got = cz_observer_error(&observer, &nothing, &options);
    assert_true(fabs(got - 1.0 / 3) < 0.005);
}

static double error_by(enum cz_range_method method, bool symmetric)
{
    struct cz_range_options options = grid_options(symmetric);
    options.levels = symmetric ? 255 : 256;
    struct cz_range r = range_by(method, symmetric);
    return cz_observer_error(&observer, &r, &options);
}

static void is_never_worse_than_other_methods(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        observe((enum shape)shape);
        for (int i = 0; i < 2; i++) {
            double mse = error_by(CZ_RANGE_MSE, i);
            assert_true(mse <= error_by(CZ_RANGE_MINMAX, i));
            assert_true(mse <= error_by(CZ_RANGE_AVERAGE, i));
            assert_true(mse <= error_by(CZ_RANGE_PERCENTILE, i));
            assert_true(mse <= error_by(CZ_RANGE_ENTROPY, i));
        }
    }
}

/* What a search by factors may leave to one over all pairs of ends. */
#define SEARCH_TOLERANCE 0.005
#define PLACES 48

static double least_of_all_pairs(bool symmetric)
{
    const struct cz_range_options options = grid_options(symmetric);
    struct cz_range all = range_by(CZ_RANGE_MINMAX, symmetric);
    double least = INFINITY;
    for (size_t i = 0; i < PLACES * PLACES; i++) {
        size_t high = i / PLACES, low = symmetric ? high : i % PLACES;
        struct cz_range r = {all.low * expf(-0.15f * (float)low),
                             all.high * expf(-0.15f * (float)high)};
        if (!symmetric || i % PLACES == 0)
            least = fmin(least, cz_observer_error(&observer, &r, &options));
    }
    return least;
}

static void finds_the_least_error_of_all_pairs_of_ends(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        observe((enum shape)shape);
        for (int i = 0; i < 2; i++) {
            struct cz_range_options options = grid_options(i);
            struct cz_range r = range_of(&options);
            double got = cz_observer_error(&observer, &r, &options);
            double want = least_of_all_pairs(i);
            if (!(got <= want * (1 + SEARCH_TOLERANCE)))
                fail_msg("shape %d: %g, want %g", shape, got, want);
        }
    }
}

static void cuts_what_costs_more_steps_than_it_is_worth(void **state)
{
    (void)state;
    observe(OUTLIERS);
    assert_true(range_by(CZ_RANGE_MSE, false).high < 0.95f * observer.max);
    assert_true(range_by(CZ_RANGE_MSE, true).high < 0.95f * observer.max);
    observe(UNIFORM);
    assert_range(range_by(CZ_RANGE_MSE, false), -1, 1, 0.005);
}

/* 50000 values against the density. */
#define SAMPLE_TOLERANCE 0.02

/* The least mean squared error of a normal value and the step that gives it,
 * for an odd number of levels: minima of the integral over the density. */
static void finds_the_known_steps_for_a_normal_distribution(void **state)
{
    (void)state;
    static const struct {
        unsigned levels;
        double step, error;
    } rows[] = {{3, 1.22401, 0.190174},     {5, 0.842989, 0.0821777},
                {7, 0.650770, 0.0468600},   {15, 0.353410, 0.0128894},
                {31, 0.193250, 0.00369322}, {255, 0.0308700, 8.83080e-5}};
    observe(NORMAL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_range_options options = grid_options(true);
        options.levels = rows[i].levels;
        struct cz_range r = range_of(&options);
        double step = (double)r.high / ((rows[i].levels - 1) / 2);
        double error = cz_observer_error(&observer, &r, &options);
        assert_true(fabs(step / rows[i].step - 1) < SAMPLE_TOLERANCE);
        assert_true(fabs(error / rows[i].error - 1) < 2 * SAMPLE_TOLERANCE);
    }
}

/* How much worse than the best end that all values tell a histogram's may
 * be: half of what 1024 bins would give, a tenth of 512. */
#define BINS_TOLERANCE 0.00025

/* The best high end for the values themselves, below the one of MINMAX. */
static double least_true_error(bool symmetric)
{
    struct cz_range all = range_by(CZ_RANGE_MINMAX, symmetric);
    double least = INFINITY;
    for (int i = 0; i < 400; i++) {
        float factor = 1 - (float)i / 500;
        struct cz_range r = {all.low, all.high * factor};
        if (symmetric)
            r.low = -r.high;
        least = fmin(least, true_error(r, symmetric));
    }
    return least;
}

static void has_bins_enough_for_the_least_error(void **state)
{
    (void)state;
    static const enum shape shapes[] = {NORMAL, POSITIVE, SILU, OUTLIERS};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        observe(shapes[k]);
        double got = true_error(range_by(CZ_RANGE_MSE, true), true);
        double want = least_true_error(true);
        if (!(got <= want * (1 + BINS_TOLERANCE)))
            fail_msg("shape %d: %g, want %g", (int)shapes[k], got, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_error_that_values_have),
        cmocka_unit_test(tells_no_error_where_there_is_none),
        cmocka_unit_test(tells_the_values_squares_of_a_range_of_nothing),
        cmocka_unit_test(is_never_worse_than_other_methods),
        cmocka_unit_test(finds_the_least_error_of_all_pairs_of_ends),
        cmocka_unit_test(cuts_what_costs_more_steps_than_it_is_worth),
        cmocka_unit_test(finds_the_known_steps_for_a_normal_distribution),
        cmocka_unit_test(has_bins_enough_for_the_least_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
