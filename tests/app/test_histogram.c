/* Percentiles out of counts. */
#include <math.h>

#include "app/histogram.h"
#include "tests/support/support.h"

#define STEP 0.0051 /* relative: half a step of the counts */

static void assert_near(double found, double want)
{
    if (!(fabs(found - want) <= STEP * want))
        fail_msg("%.9g, want %.9g", found, want);
}

static void of_no_time_is_nothing(void **state)
{
    static struct app_histogram h;
    (void)state;
    assert_true(app_histogram_percentile(&h, 0.5) <= 0);
}

static void of_one_time_is_that_time(void **state)
{
    (void)state;
    for (double ms = 0.01; ms < 1e5; ms *= 3.7) {
        struct app_histogram h = {.count = 0};
        app_histogram_add(&h, ms);
        assert_near(app_histogram_percentile(&h, 0), ms);
        assert_near(app_histogram_percentile(&h, 0.5), ms);
        assert_near(app_histogram_percentile(&h, 0.99), ms);
        assert_true(h.sum_ms >= ms && h.sum_ms <= ms);
    }
}

static void tells_the_middle_from_the_slow_end(void **state)
{
    static struct app_histogram h;
    (void)state;
    for (int i = 1; i <= 1000; i++)
        app_histogram_add(&h, i);
    assert_near(app_histogram_percentile(&h, 0.5), 500);
    assert_near(app_histogram_percentile(&h, 0.9), 900);
    assert_near(app_histogram_percentile(&h, 0.99), 990);
    assert_near(app_histogram_percentile(&h, 1), 1000);
}

static void takes_times_beyond_its_ends(void **state)
{
    static struct app_histogram h;
    (void)state;
    app_histogram_add(&h, 0);
    app_histogram_add(&h, -1);
    app_histogram_add(&h, 1e12);
    assert_int_equal(h.count, 3);
    assert_true(app_histogram_percentile(&h, 0.5) < 0.002);
    assert_true(app_histogram_percentile(&h, 1) > 6e5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_no_time_is_nothing),
        cmocka_unit_test(of_one_time_is_that_time),
        cmocka_unit_test(tells_the_middle_from_the_slow_end),
        cmocka_unit_test(takes_times_beyond_its_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
