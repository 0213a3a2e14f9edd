/* Percentiles of times. */
#include <math.h>

#include "app/latency.h"
#include "tests/support/support.h"

#define ROUNDING 1e-12 /* relative: a few additions and multiplications */

static void assert_near(double found, double want)
{
    if (!(fabs(found - want) <= ROUNDING * want))
        fail_msg("%.17g, want %.17g", found, want);
}

static void of_one_time_is_that_time(void **state)
{
    (void)state;
    double times[] = {2.5};
    const struct app_latency l = app_latency(times, 1);
    assert_near(l.min_ms, 2.5);
    assert_near(l.median_ms, 2.5);
    assert_near(l.p90_ms, 2.5);
    assert_near(l.p99_ms, 2.5);
}

static void sorts_the_times(void **state)
{
    (void)state;
    double times[] = {3, 1, 2};
    const struct app_latency l = app_latency(times, 3);
    assert_near(l.min_ms, 1);
    assert_near(l.median_ms, 2);
    assert_near(times[0], 1);
    assert_near(times[2], 3);
}

static void median_of_an_even_number_lies_in_the_middle(void **state)
{
    (void)state;
    double times[] = {4, 1, 2, 3};
    assert_near(app_latency(times, 4).median_ms, 2.5);
}

/* As numpy.percentile() gives them. */
static void percentiles_lie_between_neighbours(void **state)
{
    (void)state;
    double times[100];
    for (size_t i = 0; i < 100; i++)
        times[i] = (double)(100 - i);
    const struct app_latency l = app_latency(times, 100);
    assert_near(l.min_ms, 1);
    assert_near(l.median_ms, 50.5);
    assert_near(l.p90_ms, 90.1);
    assert_near(l.p99_ms, 99.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_time_is_that_time),
        cmocka_unit_test(sorts_the_times),
        cmocka_unit_test(median_of_an_even_number_lies_in_the_middle),
        cmocka_unit_test(percentiles_lie_between_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
