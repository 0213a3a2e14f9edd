/* What there is besides the twelve numbers: the confidence of the best F1, the
 * confusion matrix, the bootstrap. */
#include "tests/eval/support.h"

#define SQUARE "10, 10, 40, 40"
#define FAR "300, 300, 40, 40"

/* ---- F1 --------------------------------------------------------------- */

static void the_best_f1_is_where_both_are_balanced(void **state)
{
    (void)state;
    /* Two boxes: found at .9 and .5, wrong ones at .6 and below .5. */
    struct evaluated e = evaluate(
        ANNOTATIONS(BOX(1, 1, 1, SQUARE, "") "," BOX(2, 2, 1, SQUARE, "")),
        "[" DETECTION(1, 1, SQUARE, 0.9) "," DETECTION(1, 1, FAR, 0.6) "," DETECTION(
            2, 1, SQUARE,
            0.5) "," DETECTION(2, 1, FAR,
                               0.4) "," DETECTION(2, 1, FAR,
                                                  0.4) "," DETECTION(1, 2, FAR,
                                                                     0.99) "]");
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
    struct evaluated e = evaluate(
        ANNOTATIONS(BOX(1, 1, 1, SQUARE, "")),
        "[" DETECTION(1, 1, SQUARE, 0.5) "," DETECTION(1, 1, FAR, 0.5) "]");
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
    assert_ok(cz_coco_confusion_count(&confusion, e->matches,
                                      e->detections.items, e->detections.count,
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
        ANNOTATIONS(BOX(1, 1, 1, SQUARE, "") "," BOX(2, 2, 2, SQUARE, "")),
        "[" DETECTION(1, 1, "12, 12, 40, 40", 0.9) "," DETECTION(
            1, 2, "11, 10, 40, 40",
            0.3) "," DETECTION(1, 1, SQUARE, 0.25) "," DETECTION(2, 2, FAR,
                                                                 0.8) "]",
        (const size_t[]){0, 0, 1, /* found as 1 */
                         1, 0, 1, /* as 2 */
                         0, 1, 0});
}

static void crowds_take_what_lies_in_them(void **state)
{
    (void)state;
    check_confusion(
        ANNOTATIONS(BOX(1, 1, 1, "0, 0, 200, 200", ", \"iscrowd\": 1")),
        "[" DETECTION(1, 1, SQUARE, 0.9) "," DETECTION(1, 2, SQUARE, 0.9) "]",
        (const size_t[]){0, 0, 0, 0, 0, 1, 0, 0, 0});
}

/* ---- bootstrap -------------------------------------------------------- */

#define TWO_IMAGES                                                             \
    ANNOTATIONS(BOX(1, 1, 1, SQUARE, "") "," BOX(2, 2, 1, SQUARE, ""))

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
    compare(
        &ap, TWO_IMAGES, "[]",
        "[" DETECTION(1, 1, SQUARE, 0.9) "," DETECTION(2, 1, SQUARE, 0.8) "]",
        (struct cz_coco_bootstrap_options)CZ_COCO_BOOTSTRAP_OPTIONS_INIT);
    assert_near(ap.difference, 1);
    assert_near(ap.low, 1);
    assert_near(ap.high, 1);
    assert_false(ap.noise);
}

/* An image that is drawn twice weighs as two images with the same content:
 * what the weights give is what COCOeval gives of such a data set. The draws
 * of three images are enumerated; with one draw the interval is that draw. */
static void a_draw_is_the_data_set_that_it_names(void **state)
{
    (void)state;
    enum { IMAGES = 3, DRAWS = 40 };
    static const double scores[IMAGES][2] = {{.9, .3}, {.7, .8}, {.5, .6}};
    bool seen[IMAGES + 1] = {false};
    char text[2048];
    struct cz_coco *coco;
    snprintf(text, sizeof text,
             "{\"images\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 3}], "
             "\"categories\": [{\"id\": 1}], \"annotations\": [%s,%s,%s,%s]}",
             BOX(1, 1, 1, SQUARE, ""), BOX(2, 2, 1, SQUARE, ""),
             BOX(3, 3, 1, SQUARE, ""), BOX(4, 3, 1, FAR, ""));
    coco = parse_annotations(text);
    struct cz_coco_detections found = CZ_COCO_DETECTIONS_INIT;
    for (int64_t i = 0; i < IMAGES; i++) {
        struct cz_coco_detection d = {i + 1, 1, {12, 10, 40, 40}, scores[i][0]};
        assert_ok(cz_coco_detections_add(&found, &d, cz_test_error()));
        d = (struct cz_coco_detection){i + 1, 1, {90, 9, 9, 9}, scores[i][1]};
        assert_ok(cz_coco_detections_add(&found, &d, cz_test_error()));
    }
    const struct cz_coco_match_options all = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco_detections nothing = CZ_COCO_DETECTIONS_INIT;
    struct evaluated e = evaluate_with(coco, found, &all);
    struct cz_coco_matches *none;
    assert_ok(
        cz_coco_match(&none, coco, nothing.items, 0, &all, cz_test_error()));

    /* Every data set of three images out of these three, by its AP. */
    double aps[27];
    for (size_t d = 0; d < 27; d++) {
        const size_t drawn[] = {d % 3, d / 3 % 3, d / 9};
        size_t used = (size_t)snprintf(
            text, sizeof text,
            "{\"images\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 3}], "
            "\"categories\": [{\"id\": 1}], \"annotations\": [");
        struct cz_coco_detections copies = CZ_COCO_DETECTIONS_INIT;
        int id = 0;
        for (size_t i = 0; i < IMAGES; i++) {
            used += (size_t)snprintf(
                text + used, sizeof text - used,
                "%s{\"id\": %d, \"image_id\": %zu, \"category_id\": 1, "
                "\"bbox\": [" SQUARE "]}",
                id ? "," : "", id + 1, i + 1);
            id++;
            if (drawn[i] == 2) {
                used += (size_t)snprintf(
                    text + used, sizeof text - used,
                    ",{\"id\": %d, \"image_id\": %zu, \"category_id\": 1, "
                    "\"bbox\": [" FAR "]}",
                    id + 1, i + 1);
                id++;
            }
            for (size_t k = 0; k < 2; k++) {
                struct cz_coco_detection copy = found.items[2 * drawn[i] + k];
                copy.image_id = (int64_t)i + 1;
                assert_ok(
                    cz_coco_detections_add(&copies, &copy, cz_test_error()));
            }
        }
        snprintf(text + used, sizeof text - used, "]}");
        struct evaluated drawn_e =
            evaluate_with(parse_annotations(text), copies, &all);
        aps[d] = drawn_e.report.stats[CZ_COCO_AP];
        evaluated_fini(&drawn_e);
    }
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        const struct cz_coco_bootstrap_options one = {.resamples = 1,
                                                      .seed = seed};
        struct cz_coco_delta ap, ap50;
        assert_ok(cz_coco_bootstrap(&ap, &ap50, none, e.matches, &one,
                                    cz_test_error()));
        assert_near(ap.low, ap.high);
        size_t d = 0;
        while (d < 27 && !(fabs(aps[d] - ap.low) <= ROUNDING))
            d++;
        if (d == 27)
            fail_msg("seed %d: no draw has the AP %.17g", (int)seed, ap.low);
        seen[d % 3 == d / 3 % 3 && d % 3 == d / 9 ? d % 3 : IMAGES] = true;
    }
    /* Draws of one image alone, and mixed ones. */
    for (size_t i = 0; i <= IMAGES; i++)
        assert_true(seen[i]);
    cz_coco_matches_free(none);
    evaluated_fini(&e);
}

static void the_seed_decides_and_threads_do_not(void **state)
{
    (void)state;
    static const char first[] = "[" DETECTION(1, 1, SQUARE, 0.9) "]";
    static const char second[] = "[" DETECTION(2, 1, SQUARE, 0.9) "]";
    struct cz_coco_bootstrap_options options = {
        .resamples = 7, .seed = 3, .threads = 1};
    struct cz_coco_delta one, many;
    compare(&one, TWO_IMAGES, first, second, options);
    options.threads = 4;
    compare(&many, TWO_IMAGES, first, second, options);
    assert_near(one.low, many.low);
    assert_near(one.high, many.high);
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
