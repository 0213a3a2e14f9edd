/* What is measured and what is estimated, as one drop. */
#include <math.h>

#include "search/trial_internal.h"
#include "tests/support/support.h"

/* An interval of 95 % for a standard error of CZ_ESTIMATE_ERROR. */
#define SAME_ERROR (3.92 * CZ_ESTIMATE_ERROR)
#define MANY 1000000

static double weigh(double drop, double interval, double estimated, size_t n)
{
    const struct cz_coco_delta measured = {.difference = -drop,
                                           .low = -drop - interval / 2,
                                           .high = -drop + interval / 2};
    return cz_drop_weigh(&measured, estimated, n);
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) < 1e-6))
        fail_msg("got %g, want %g", got, want);
}

static void halves_what_is_as_sure(void **state)
{
    (void)state;
    assert_near(weigh(.03, SAME_ERROR, .01, MANY), .02);
    assert_near(weigh(-.01, SAME_ERROR, .01, MANY), 0);
}

static void believes_what_is_surer(void **state)
{
    (void)state;
    assert_near(weigh(.03, 0, .01, MANY), .03);
    assert_near(weigh(.03, 1000, .01, MANY), .01);
    /* Half the error, a quarter of the variance. */
    assert_near(weigh(.03, SAME_ERROR / 2, .01, MANY), .03 * .8 + .01 * .2);
}

/* Two images: the variance is twice that of the bootstrap. */
static void few_images_are_less_sure_than_they_say(void **state)
{
    (void)state;
    assert_near(weigh(.03, SAME_ERROR, .01, 2), .03 / 3 + .01 * 2 / 3);
    assert_near(weigh(.03, SAME_ERROR, .01, 1), .01);
    assert_near(weigh(.03, SAME_ERROR, .01, 0), .01);
}

/* Where the boxes are gone, the estimate only says that they are. */
static void a_large_estimate_is_as_wrong_as_it_is_large(void **state)
{
    (void)state;
    const double own = .2 * .2, other = CZ_ESTIMATE_ERROR * CZ_ESTIMATE_ERROR;
    assert_near(weigh(.4, SAME_ERROR, .2, MANY),
                (.4 * own + .2 * other) / (own + other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_what_is_as_sure),
        cmocka_unit_test(believes_what_is_surer),
        cmocka_unit_test(few_images_are_less_sure_than_they_say),
        cmocka_unit_test(a_large_estimate_is_as_wrong_as_it_is_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
