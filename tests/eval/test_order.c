/* The linear-time sorts against what they should do, for many sizes. */
#include "eval/order_internal.h"
#include "tests/eval/support.h"

#define COUNT_MAX 3000

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void keys_fall_as_scores_rise(void **state)
{
    (void)state;
    static const double rising[] = {-1e300, -5, -1e-310, 0,    4.9e-324,
                                    .001,   .5, 1,       1e300};
    for (size_t i = 1; i < sizeof rising / sizeof *rising; i++)
        assert_true(cz_score_key(rising[i]) < cz_score_key(rising[i - 1]));
    assert_true(cz_score_key(-0.) == cz_score_key(0.));
}

static void scores_are_sorted_and_ties_stay(void **state)
{
    (void)state;
    static struct cz_scored items[COUNT_MAX], scratch[COUNT_MAX];
    static const uint32_t distinct[] = {1, 2, 50, 1u << 24};
    uint32_t random = 1;
    for (size_t n = 0; n <= COUNT_MAX; n += n < 130 ? 1 : 997) {
        uint32_t scores = distinct[n % 4];
        for (size_t i = 0; i < n; i++)
            items[i] = (struct cz_scored){
                cz_score_key((double)(next(&random) % scores) / scores),
                (uint32_t)i};
        cz_order_by_score(items, n, scratch);
        for (size_t i = 1; i < n; i++)
            assert_true(items[i - 1].key < items[i].key ||
                        (items[i - 1].key == items[i].key &&
                         items[i - 1].place < items[i].place));
    }
}

static void places_are_sorted_by_key_and_ties_stay(void **state)
{
    (void)state;
    enum { KEYS = 17 };
    static uint32_t keys[COUNT_MAX], places[COUNT_MAX], scratch[COUNT_MAX];
    size_t starts[KEYS + 1];
    uint32_t random = 2;
    for (size_t n = 0; n <= COUNT_MAX; n += n < 50 ? 1 : 983) {
        for (size_t i = 0; i < n; i++) {
            keys[i] = next(&random) % KEYS;
            places[i] = (uint32_t)i;
        }
        cz_order_by_key(places, n, keys, KEYS, scratch, starts);
        assert_int_equal(starts[0], 0);
        assert_int_equal(starts[KEYS], n);
        for (size_t k = 0; k < KEYS; k++)
            for (size_t i = starts[k]; i < starts[k + 1]; i++) {
                assert_int_equal(keys[places[i]], k);
                assert_true(i == starts[k] || places[i - 1] < places[i]);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_fall_as_scores_rise),
        cmocka_unit_test(scores_are_sorted_and_ties_stay),
        cmocka_unit_test(places_are_sorted_by_key_and_ties_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
