/* What there is besides the twelve numbers: the confidence of the best F1, the
 * confusion matrix, the bootstrap. */
#include "tests/eval/support.h"

#define SQUARE "10, 10, 40, 40"
#define FAR "300, 300, 40, 40"
#define TWO_IMAGES                                                             \
    ANNOTATIONS(LIST_2(BOX(1, 1, 1, SQUARE, ""), BOX(2, 2, 1, SQUARE, "")))

/* ---- F1 --------------------------------------------------------------- */

static void the_best_f1_is_where_both_are_balanced(void **state)
{
    (void)state;
    /* Two boxes: found at .9 and .5, wrong ones at .6 and below .5. */
    static const char dets[] =
        "[" LIST_6(DETECTION(1, 1, SQUARE, 0.9), DETECTION(1, 1, FAR, 0.6),
                   DETECTION(2, 1, SQUARE, 0.5), DETECTION(2, 1, FAR, 0.4),
                   DETECTION(2, 1, FAR, 0.4), DETECTION(1, 2, FAR, 0.99)) "]";
    struct evaluated e = evaluate(TWO_IMAGES, dets);
    struct cz_coco_f1 classes[2], overall;
    assert_ok(cz_coco_best_f1(classes, &overall, e.matches, cz_test_error()));
    assert_near(classes[0].confidence, .5);
    assert_near(classes[0].precision, 2. / 3);
    assert_near(classes[0].recall, 1);
    assert_near(classes[0].f1, .8);
    assert_near(classes[1].f1, -1);        /* no box */
    assert_near(overall.confidence, .401); /* the lowest that leaves out .4 */
    assert_near(overall.f1, .8);
    evaluated_fini(&e);
}

static void equal_scores_are_taken_together(void **state)
{
    (void)state;
    struct evaluated e = evaluate(ANNOTATIONS(BOX(1, 1, 1, SQUARE, "")),
                                  "[" LIST_2(DETECTION(1, 1, SQUARE, 0.5),
                                             DETECTION(1, 1, FAR, 0.5)) "]");
    struct cz_coco_f1 classes[2], overall;
    assert_ok(cz_coco_best_f1(classes, &overall, e.matches, cz_test_error()));
    assert_near(classes[0].f1, 2. / 3);
    assert_near(overall.f1, 2. / 3);
    evaluated_fini(&e);
}

/* ---- confusion -------------------------------------------------------- */

static struct cz_coco_confusion count(const struct evaluated *e)
{
    const struct cz_coco_confusion_options options =
        CZ_COCO_CONFUSION_OPTIONS_INIT;
    struct cz_coco_confusion confusion;
    assert_ok(cz_coco_confusion_count(&confusion, e->matches, &e->detections,
                                      &options, cz_test_error()));
    assert_int_equal(confusion.n_classes, 2);
    return confusion;
}

/* [found][true] of classes 1, 2 and nothing. */
static void check_confusion(const char *annotations, const char *detections,
                            const size_t want[9])
{
    struct evaluated e = evaluate(annotations, detections);
    struct cz_coco_confusion confusion = count(&e);
    for (size_t i = 0; i < 9; i++) {
        if (confusion.counts[i] != want[i])
            fail_msg("found %zu, true %zu: %zu, want %zu", i / 3, i % 3,
                     confusion.counts[i], want[i]);
    }
    cz_coco_confusion_fini(&confusion);
    evaluated_fini(&e);
}

static void the_confusion_counts_each_box_and_detection_once(void **state)
{
    (void)state;
    /* Box 1 is found as class 2 (the better overlap), the other proposal is
     * for nothing; box 2 is not found; what is not above .25 does not count. */
    check_confusion(
        ANNOTATIONS(LIST_2(BOX(1, 1, 1, SQUARE, ""), BOX(2, 2, 2, SQUARE, ""))),
        "[" LIST_4(DETECTION(1, 1, "12, 12, 40, 40", 0.9),
                   DETECTION(1, 2, "11, 10, 40, 40", 0.3),
                   DETECTION(1, 1, SQUARE, 0.25),
                   DETECTION(2, 2, FAR, 0.8)) "]",
        (const size_t[]){0, 0, 1, /* found as 1 */
                         1, 0, 1, /* as 2 */
                         0, 1, 0});
}

static void crowds_take_what_lies_in_them(void **state)
{
    (void)state;
    check_confusion(
        ANNOTATIONS(BOX(1, 1, 1, "0, 0, 200, 200", ", \"iscrowd\": 1")),
        "[" LIST_2(DETECTION(1, 1, SQUARE, 0.9),
                   DETECTION(1, 2, SQUARE, 0.9)) "]",
        (const size_t[]){0, 0, 0, 0, 0, 1, 0, 0, 0});
}

/* ---- bootstrap -------------------------------------------------------- */

static void compare(struct cz_coco_delta *ap, const char *annotations,
                    const char *first, const char *second,
                    struct cz_coco_bootstrap_options options)
{
    struct evaluated a = evaluate(annotations, first);
    struct evaluated b = evaluate(annotations, second);
    struct cz_coco_delta ap50;
    assert_ok(cz_coco_bootstrap(ap, &ap50, a.matches, b.matches, &options,
                                cz_test_error()));
    assert_near(ap50.difference, ap->difference);
    evaluated_fini(&a);
    evaluated_fini(&b);
}

static void the_same_result_differs_by_nothing(void **state)
{
    (void)state;
    const char *result = "[" DETECTION(1, 1, SQUARE, 0.9) "]";
    struct cz_coco_delta ap;
    compare(&ap, TWO_IMAGES, result, result,
            (struct cz_coco_bootstrap_options)CZ_COCO_BOOTSTRAP_OPTIONS_INIT);
    assert_near(ap.difference, 0);
    assert_near(ap.low, 0);
    assert_near(ap.high, 0);
    assert_true(ap.noise);
}

/* Each of two images finds its box in one of the results: a draw is either one
 * of them twice (the difference is -1 or 1) or both. */
static void the_interval_spans_the_draws(void **state)
{
    (void)state;
    struct cz_coco_delta ap;
    compare(&ap, TWO_IMAGES, "[" DETECTION(1, 1, SQUARE, 0.9) "]",
            "[" DETECTION(2, 1, SQUARE, 0.9) "]",
            (struct cz_coco_bootstrap_options)CZ_COCO_BOOTSTRAP_OPTIONS_INIT);
    assert_near(ap.difference, 0);
    assert_near(ap.low, -1);
    assert_near(ap.high, 1);
    assert_true(ap.noise);
}

/* The second result finds what the first one finds, and one box more. */
static void what_is_better_everywhere_is_no_noise(void **state)
{
    (void)state;
    struct cz_coco_delta ap;
    compare(&ap, TWO_IMAGES, "[]",
            "[" LIST_2(DETECTION(1, 1, SQUARE, 0.9),
                       DETECTION(2, 1, SQUARE, 0.8)) "]",
            (struct cz_coco_bootstrap_options)CZ_COCO_BOOTSTRAP_OPTIONS_INIT);
    assert_near(ap.difference, 1);
    assert_near(ap.low, 1);
    assert_near(ap.high, 1);
    assert_false(ap.noise);
}

/* ---- a draw, spelled out ---------------------------------------------- */

enum { IMAGES = 3, DATA_SETS = 27, DRAWS = 40, MANY = 30 };

/* Images 1 to 3, image i being what image drawn[i] of the original data set
 * is: each has a box, the third has two. */
static struct cz_coco *draw_annotations(const size_t drawn[IMAGES])
{
    char text[2048], boxes[1024] = "";
    int id = 1;
    for (size_t i = 0; i < IMAGES; i++) {
        for (size_t box = 0; box < (drawn[i] == 2 ? 2 : 1); box++, id++) {
            size_t used = strlen(boxes);
            snprintf(boxes + used, sizeof boxes - used,
                     "%s{\"id\":%d,\"image_id\":%zu,\"category_id\":1,"
                     "\"bbox\":[%s]}",
                     id > 1 ? "," : "", id, i + 1, box ? FAR : SQUARE);
        }
    }
    snprintf(text, sizeof text,
             "{\"images\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 3}], "
             "\"categories\": [{\"id\": 1}], \"annotations\": [%s]}",
             boxes);
    return parse_annotations(text);
}

/* In each image a detection of its first box, and a wrong one. */
static struct cz_coco_detections draw_detections(const size_t drawn[IMAGES])
{
    static const double scores[IMAGES][2] = {{.9, .3}, {.7, .8}, {.5, .6}};
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    for (size_t i = 0; i < IMAGES; i++) {
        const struct cz_coco_detection right = {
            (int64_t)i + 1, 1, {12, 10, 40, 40}, scores[drawn[i]][0]};
        const struct cz_coco_detection wrong = {
            (int64_t)i + 1, 1, {90, 9, 9, 9}, scores[drawn[i]][1]};
        assert_ok(cz_coco_detections_add(&detections, &right, cz_test_error()));
        assert_ok(cz_coco_detections_add(&detections, &wrong, cz_test_error()));
    }
    return detections;
}

static struct evaluated evaluate_draw(size_t number)
{
    const size_t drawn[] = {number % 3, number / 3 % 3, number / 9};
    const struct cz_coco_match_options all = CZ_COCO_MATCH_OPTIONS_INIT;
    return evaluate_with(draw_annotations(drawn), draw_detections(drawn), &all);
}

/* AP of one draw: the second result's, the first having found nothing. */
static double ap_of_seed(const struct evaluated *e, uint64_t seed)
{
    const struct cz_coco_bootstrap_options one = {.resamples = 1, .seed = seed};
    const struct cz_coco_match_options all = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco_matches *none;
    struct cz_coco_delta ap, ap50;
    assert_ok(cz_coco_match(&none, e->coco, NULL, 0, &all, cz_test_error()));
    assert_ok(
        cz_coco_bootstrap(&ap, &ap50, none, e->matches, &one, cz_test_error()));
    assert_near(ap.low, ap.high);
    cz_coco_matches_free(none);
    return ap.low;
}

/* An image that is drawn twice weighs as two images with the same content: each
 * draw has the AP of one of the 27 data sets that can be drawn. */
static void a_draw_is_the_data_set_that_it_names(void **state)
{
    (void)state;
    double aps[DATA_SETS];
    size_t distinct = 0;
    for (size_t d = 0; d < DATA_SETS; d++) {
        struct evaluated drawn = evaluate_draw(d);
        aps[d] = drawn.report.stats[CZ_COCO_AP];
        evaluated_fini(&drawn);
    }
    struct evaluated e = evaluate_draw(0 + 1 * 3 + 2 * 9);
    double before = -1;
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        double ap = ap_of_seed(&e, seed);
        size_t d = 0;
        while (d < DATA_SETS && !(fabs(aps[d] - ap) <= ROUNDING))
            d++;
        if (d == DATA_SETS)
            fail_msg("seed %d: no draw has the AP %.17g", (int)seed, ap);
        distinct += fabs(ap - before) > ROUNDING;
        before = ap;
    }
    assert_true(distinct > DRAWS / 4); /* the seeds do differ */
    evaluated_fini(&e);
}

/* MANY images, each with a box that a detection of its own fits by more or
 * less: draws of them differ. */
static struct cz_coco *many_annotations(void)
{
    char text[MANY * 128 + 128], images[MANY * 32] = "", boxes[MANY * 96] = "";
    for (int i = 0; i < MANY; i++) {
        const char *comma = i ? "," : "";
        const size_t used = strlen(images), used_boxes = strlen(boxes);
        snprintf(images + used, sizeof images - used, "%s{\"id\":%d}", comma,
                 i);
        snprintf(boxes + used_boxes, sizeof boxes - used_boxes,
                 "%s{\"id\":%d,\"image_id\":%d,\"category_id\":1,"
                 "\"bbox\":[0,0,100,100]}",
                 comma, i + 1, i);
    }
    snprintf(text, sizeof text,
             "{\"images\":[%s],\"categories\":[{\"id\":1}],"
             "\"annotations\":[%s]}",
             images, boxes);
    return parse_annotations(text);
}

static struct cz_coco_detections many_detections(void)
{
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    for (int i = 0; i < MANY; i++) {
        const struct cz_coco_detection d = {
            i, 1, {0, 0, 100, 41 + 37 * i % 59}, .9 - .01 * i};
        assert_ok(cz_coco_detections_add(&detections, &d, cz_test_error()));
    }
    return detections;
}

/* From nothing found to what was found. */
static struct cz_coco_delta delta_of(const struct evaluated *e, uint64_t seed,
                                     size_t threads)
{
    const struct cz_coco_bootstrap_options options = {
        .resamples = 200, .seed = seed, .threads = threads};
    const struct cz_coco_match_options all = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco_matches *none;
    struct cz_coco_delta ap, ap50;
    assert_ok(cz_coco_match(&none, e->coco, NULL, 0, &all, cz_test_error()));
    assert_ok(cz_coco_bootstrap(&ap, &ap50, none, e->matches, &options,
                                cz_test_error()));
    cz_coco_matches_free(none);
    return ap;
}

static void the_seed_decides_and_threads_do_not(void **state)
{
    (void)state;
    const struct cz_coco_match_options all = CZ_COCO_MATCH_OPTIONS_INIT;
    struct evaluated e =
        evaluate_with(many_annotations(), many_detections(), &all);
    const struct cz_coco_delta one = delta_of(&e, 3, 1);
    const struct cz_coco_delta many = delta_of(&e, 3, 4);
    const struct cz_coco_delta other = delta_of(&e, 4, 1);
    assert_true(one.low == many.low && one.high == many.high);
    assert_true(one.low < one.high);
    assert_true(fabs(one.low - other.low) > ROUNDING);
    assert_true(fabs(one.high - other.high) > ROUNDING);
    evaluated_fini(&e);
}

static void refuses_to_compare_what_is_not_alike(void **state)
{
    (void)state;
    static const int64_t image = 1;
    const struct cz_coco_bootstrap_options options =
        CZ_COCO_BOOTSTRAP_OPTIONS_INIT;
    const struct cz_coco_match_options some = {.image_ids = &image,
                                               .n_images = 1};
    struct cz_coco_delta ap, ap50;
    struct cz_coco_matches *fewer;
    struct evaluated e = evaluate(TWO_IMAGES, "[]");
    struct evaluated empty = evaluate(ANNOTATIONS(""), "[]");
    assert_ok(cz_coco_match(&fewer, e.coco, NULL, 0, &some, cz_test_error()));
    assert_error(cz_coco_bootstrap(&ap, &ap50, e.matches, fewer, &options,
                                   cz_test_error()),
                 CZ_EINVAL, "not on the same images and classes");
    assert_error(cz_coco_bootstrap(&ap, &ap50, empty.matches, empty.matches,
                                   &options, cz_test_error()),
                 CZ_EINVAL, "there is no box to find");
    cz_coco_matches_free(fewer);
    evaluated_fini(&e);
    evaluated_fini(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_f1_is_where_both_are_balanced),
        cmocka_unit_test(equal_scores_are_taken_together),
        cmocka_unit_test(the_confusion_counts_each_box_and_detection_once),
        cmocka_unit_test(crowds_take_what_lies_in_them),
        cmocka_unit_test(the_same_result_differs_by_nothing),
        cmocka_unit_test(the_interval_spans_the_draws),
        cmocka_unit_test(what_is_better_everywhere_is_no_noise),
        cmocka_unit_test(a_draw_is_the_data_set_that_it_names),
        cmocka_unit_test(the_seed_decides_and_threads_do_not),
        cmocka_unit_test(refuses_to_compare_what_is_not_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
