/* How far two detectors are apart by what they say at anchors. */
#include <math.h>
#include <string.h>

#include "detect/detector_internal.h"
#include "tests/support/support.h"

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
    .dims = {{3, {1, 4 + CLASSES, COUNT}}},
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
                      const struct outputs *reference,
                      const struct outputs *other)
{
    return cz_detector_diverge(detector, &reference->box[0][0],
                               &other->box[0][0]);
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) < 1e-4))
        fail_msg("%g instead of %g", a, b);
}

static void is_nothing_from_itself(void **state)
{
    (void)state;
    struct outputs o = some_outputs();
    assert_true(diverge(&v8, &o, &o) == 0);
    o.box[2][17] = 0; /* no area */
    assert_true(diverge(&v8, &o, &o) == 0);
    o.box[2][17] = INFINITY;
    assert_true(diverge(&v8, &o, &o) == 0);
}

/* Also beyond where no box is left, and where the reference sees none. */
static void grows_with_scores(void **state)
{
    (void)state;
    const struct outputs o = some_outputs();
    struct outputs half = o, tenth = o, more = o;
    half.scores[1][17] = .4F;
    tenth.scores[1][17] = .04F;
    more.scores[2][3] = .5F;
    assert_near(diverge(&v8, &o, &half), .8 * log(2) + .2 * log(.2 / .6));
    assert_near(diverge(&v8, &o, &tenth), .8 * log(20) + .2 * log(.2 / .96));
    assert_near(diverge(&v8, &o, &more), log(2));
}

/* Twice as wide: an IoU of a half. Where the reference sees nothing, places do
 * not count. */
static void grows_with_places(void **state)
{
    (void)state;
    const struct outputs o = some_outputs();
    struct outputs wide = o, elsewhere = o;
    wide.box[2][17] = 80;
    elsewhere.box[2][3] = 80;
    assert_near(diverge(&v8, &o, &wide), 15 * .8 * .5);
    assert_true(diverge(&v8, &o, &elsewhere) == 0);
}

/* What is no box is as far as can be from one; what is no score, farther. */
static void takes_numbers_that_are_none(void **state)
{
    (void)state;
    const struct outputs o = some_outputs();
    struct outputs nan_box = o, no_box = o, above = o, nan_score = o;
    nan_box.box[0][17] = NAN;
    assert_near(diverge(&v8, &o, &nan_box), 15 * .8);
    no_box.box[3][17] = -40;
    assert_near(diverge(&v8, &o, &no_box), 15 * .8);
    assert_true(diverge(&v8, &no_box, &o) == 0);
    above.scores[1][17] = 7; /* as 1 is */
    assert_near(diverge(&v8, &above, &o), log(1 / .8));
    above.box[2][17] = 80;
    assert_near(diverge(&v8, &above, &o), log(1 / .8) + 15 * .5);
    nan_score.scores[0][1] = NAN;
    assert_true(isinf(diverge(&v8, &o, &nan_score)));
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
    assert_false(cz_detector_sees(&v5, &a.box[0][0]));
    a.scores[0][5] = 0;
    a.scores[2][5] = 20;
    struct outputs b = a;
    b.scores[0][5] = 20; /* 1 instead of a half */
    assert_near(diverge(&v5, &b, &a), log(2));
    assert_true(cz_detector_sees(&v5, &a.box[0][0]));
}

/* Two outputs of a level each. */
static void adds_up_levels(void **state)
{
    (void)state;
    struct cz_detector two = v8;
    struct outputs a[2] = {some_outputs(), some_outputs()};
    two.levels[1] = two.levels[0];
    two.levels[1].box.port = two.levels[1].scores.port = 1;
    two.levels[1].first = COUNT;
    two.dims[1] = two.dims[0];
    two.n_levels = two.n_outputs = 2;
    struct outputs b[2] = {a[0], a[1]};
    b[1].scores[1][17] = .4F;
    const double once = .8 * log(2) + .2 * log(.2 / .6);
    assert_near(diverge(&two, a, b), once);
    b[0] = b[1];
    assert_near(diverge(&two, a, b), 2 * once);
    memset(a[0].scores, 0, sizeof a[0].scores);
    assert_true(cz_detector_sees(&two, &a[0].box[0][0]));
    memset(a[1].scores, 0, sizeof a[1].scores);
    assert_false(cz_detector_sees(&two, &a[0].box[0][0]));
}

static void wants_anchors(void **state)
{
    (void)state;
    struct cz_detector other = v8;
    assert_true(cz_detector_has_anchors(&v8));
    other.decoder = CZ_DECODER_END_TO_END;
    assert_false(cz_detector_has_anchors(&other));
    other = v8;
    other.n_outputs = 0; /* not bound */
    assert_false(cz_detector_has_anchors(&other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_nothing_from_itself),
        cmocka_unit_test(grows_with_scores),
        cmocka_unit_test(grows_with_places),
        cmocka_unit_test(takes_numbers_that_are_none),
        cmocka_unit_test(reads_objectness),
        cmocka_unit_test(adds_up_levels),
        cmocka_unit_test(wants_anchors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
