/* How far the boxes of two detectors are apart. */
#include <math.h>

#include "detect/detect.h"
#include "tests/support/support.h"

static const struct cz_box person = {10, 10, 50, 90, 0.8F, 0};
static const struct cz_box dog = {100, 40, 160, 80, 0.5F, 16};

/* difference / weight, and the sums are kept apart for who wants them. */
static double apart(const struct cz_box *reference, size_t n_reference,
                    const struct cz_box *others, size_t n_others)
{
    struct cz_box a[4], b[4];
    for (size_t i = 0; i < n_reference; i++)
        a[i] = reference[i];
    for (size_t i = 0; i < n_others; i++)
        b[i] = others[i];
    const struct cz_boxes left = {.items = a, .count = n_reference};
    const struct cz_boxes right = {.items = b, .count = n_others};
    struct cz_agreement sum = {0, 0};
    assert_ok(cz_boxes_compare(&sum, &left, &right, cz_test_error()));
    return sum.difference / sum.weight;
}

/* Of floats. */
static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) < 1e-6);
}

static void is_nothing_for_equal_boxes(void **state)
{
    (void)state;
    const struct cz_box boxes[] = {person, dog};
    const struct cz_box turned[] = {dog, person};
    assert_true(apart(boxes, 2, boxes, 2) == 0);
    assert_true(apart(boxes, 2, turned, 2) == 0);
}

static void is_1_where_none_is_found(void **state)
{
    (void)state;
    const struct cz_box boxes[] = {person, dog};
    assert_true(apart(boxes, 2, NULL, 0) == 1);
}

static void counts_what_only_one_of_them_has(void **state)
{
    (void)state;
    const struct cz_box both[] = {person, dog};
    const double share = 0.25 / (0.64 + 0.25);
    assert_near(apart(both, 2, &person, 1), share);
    assert_near(apart(&person, 1, both, 2), 0.25 / 0.64);
}

static void tells_classes_apart(void **state)
{
    (void)state;
    struct cz_box other = person;
    other.label = 1;
    assert_near(apart(&person, 1, &other, 1), 2);
}

static void counts_scores_and_places_of_a_pair(void **state)
{
    (void)state;
    struct cz_box other = person;
    other.score = 0.6F;
    assert_near(apart(&person, 1, &other, 1), 0.04 / 0.64);
    other.score = 0.8F;
    other.y2 = 82; /* nine tenths of it */
    assert_near(apart(&person, 1, &other, 1), 0.25);
    other.y2 = 58; /* six tenths: as bad as none */
    assert_near(apart(&person, 1, &other, 1), 1);
    other.y2 = 49; /* less than half: another object */
    assert_near(apart(&person, 1, &other, 1), 2);
}

/* The nearer of two takes the box, and the other one stays alone. */
static void pairs_a_box_with_the_nearest_once(void **state)
{
    (void)state;
    struct cz_box far = person;
    far.y2 = 74;
    const struct cz_box others[] = {far, person};
    const struct cz_box twice[] = {person, person};
    assert_near(apart(&person, 1, others, 2), 1);
    assert_near(apart(twice, 2, &person, 1), 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_nothing_for_equal_boxes),
        cmocka_unit_test(is_1_where_none_is_found),
        cmocka_unit_test(counts_what_only_one_of_them_has),
        cmocka_unit_test(tells_classes_apart),
        cmocka_unit_test(counts_scores_and_places_of_a_pair),
        cmocka_unit_test(pairs_a_box_with_the_nearest_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
