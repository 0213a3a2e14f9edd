/* How far two detectors are apart: their boxes, what they say at anchors. */
#include <math.h>
#include <string.h>

#include "detect/detector_internal.h"
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

/* ---- anchors ---------------------------------------------------------- */

/* YOLOv8's outputs for 20 anchors of 3 classes. */
#define COUNT 20
#define CLASSES 3

struct outputs {
    float box[4][COUNT]; /* centre and size */
    float scores[CLASSES][COUNT];
};

static const struct cz_detector v8 = {
    .decoder = CZ_DECODER_V8,
    .classes = CLASSES,
    .levels = {{.box = {0, 0, COUNT, 1},
                .scores = {0, 4 * COUNT, COUNT, 1},
                .anchors = COUNT}},
    .n_levels = 1,
    .n_outputs = 1};

static struct outputs some_outputs(void)
{
    struct outputs o;
    memset(&o, 0, sizeof o);
    for (int i = 0; i < COUNT; i++) {
        o.box[0][i] = o.box[1][i] = (float)(100 + i);
        o.box[2][i] = o.box[3][i] = 40;
    }
    o.scores[1][17] = .8F;
    return o;
}

static double diverge(const struct cz_detector *detector,
                      struct outputs reference, struct outputs other)
{
    const struct cz_port port = {
        .dtype = CZ_DTYPE_FLOAT, .data = &other, .size_bytes = sizeof other};
    assert_true(cz_detector_has_anchors(detector, &port));
    return cz_detector_diverge(detector, &port, &reference.box[0][0]);
}

static void does_not_diverge_from_itself(void **state)
{
    (void)state;
    assert_true(diverge(&v8, some_outputs(), some_outputs()) == 0);
}

/* Also beyond where no box is left, and where the reference sees none. */
static void diverges_by_scores(void **state)
{
    (void)state;
    struct outputs half = some_outputs(), tenth = half, more = half;
    half.scores[1][17] = .4F;
    tenth.scores[1][17] = .04F;
    more.scores[2][3] = .5F;
    assert_near(diverge(&v8, some_outputs(), half),
                .8 * log(2) + .2 * log(.2 / .6));
    assert_true(fabs(diverge(&v8, some_outputs(), tenth) -
                     (.8 * log(20) + .2 * log(.2 / .96))) < 1e-4);
    assert_true(fabs(diverge(&v8, some_outputs(), more) - log(2)) < 1e-4);
}

/* Twice as wide: an IoU of a half. Where the reference sees nothing, places do
 * not count. */
static void diverges_by_places(void **state)
{
    (void)state;
    struct outputs wide = some_outputs(), elsewhere = wide;
    wide.box[2][17] = 80;
    elsewhere.box[2][3] = 80;
    assert_near(diverge(&v8, some_outputs(), wide), 15 * .8 * .5);
    assert_true(diverge(&v8, some_outputs(), elsewhere) == 0);
}

/* Logits, each class times the objectness. */
static void reads_objectness(void **state)
{
    (void)state;
    struct cz_detector v5 = v8;
    struct outputs a = some_outputs();
    v5.classes = CLASSES - 1;
    v5.levels[0].has_objectness = v5.levels[0].logits = true;
    v5.levels[0].objectness = (struct cz_fields){0, 4 * COUNT, COUNT, 1};
    v5.levels[0].scores = (struct cz_fields){0, 5 * COUNT, COUNT, 1};
    for (int i = 0; i < COUNT; i++)
        a.scores[0][i] = a.scores[1][i] = a.scores[2][i] = -20;
    a.scores[0][5] = 0;
    a.scores[2][5] = 20;
    struct outputs b = a;
    b.scores[0][5] = 20; /* 1 instead of a half */
    assert_true(fabs(diverge(&v5, b, a) - log(2)) < 1e-4);
}

static void has_anchors_of_float32_alone(void **state)
{
    (void)state;
    struct cz_detector rows = v8;
    struct cz_port port = {.dtype = CZ_DTYPE_FLOAT16};
    assert_false(cz_detector_has_anchors(&v8, &port));
    port.dtype = CZ_DTYPE_FLOAT;
    rows.decoder = CZ_DECODER_END_TO_END;
    assert_false(cz_detector_has_anchors(&rows, &port));
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
        cmocka_unit_test(does_not_diverge_from_itself),
        cmocka_unit_test(diverges_by_scores),
        cmocka_unit_test(diverges_by_places),
        cmocka_unit_test(reads_objectness),
        cmocka_unit_test(has_anchors_of_float32_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
