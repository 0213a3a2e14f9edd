/* The twelve statistics of small cases that can be worked out by hand, and of
 * those whose answers pycocotools gave. */
#include "tests/eval/support.h"

#include <jansson.h>

#define SQUARE "10, 10, 40, 40" /* 1600: medium */

static double stat_of(const char *annotations, const char *detections,
                      enum cz_coco_stat stat)
{
    struct evaluated e = evaluate(annotations, detections);
    double value = e.report.stats[stat];
    evaluated_fini(&e);
    return value;
}

static double ap50(const char *annotations, const char *detections)
{
    return stat_of(annotations, detections, CZ_COCO_AP50);
}

/* ---- by hand ---------------------------------------------------------- */

static void finding_everything_gives_one(void **state)
{
    (void)state;
    struct evaluated e = evaluate(ANNOTATIONS(BOX(1, 1, 1, SQUARE, "")),
                                  "[" DETECTION(1, 1, SQUARE, 0.5) "]");
    assert_near(e.report.stats[CZ_COCO_AP], 1);
    assert_near(e.report.stats[CZ_COCO_AR1], 1);
    assert_near(e.report.stats[CZ_COCO_AP_MEDIUM], 1);
    assert_near(e.report.stats[CZ_COCO_AP_SMALL], -1);
    assert_near(e.report.stats[CZ_COCO_AR_LARGE], -1);
    assert_near(e.report.classes[1].ap, -1); /* it has no box */
    assert_int_equal(e.report.boxes, 1);
    assert_int_equal(e.report.images, 2);
    assert_int_equal(e.report.n_classes, 2);
    evaluated_fini(&e);
}

static void finding_nothing_gives_zero(void **state)
{
    (void)state;
    const char *boxes = ANNOTATIONS(BOX(1, 1, 1, SQUARE, ""));
    assert_near(ap50(boxes, "[]"), 0);
    assert_near(stat_of(boxes, "[]", CZ_COCO_AR100), 0);
}

static void without_boxes_there_is_no_number(void **state)
{
    (void)state;
    struct evaluated e =
        evaluate(ANNOTATIONS(""), "[" DETECTION(1, 1, SQUARE, 0.5) "]");
    for (int s = 0; s < CZ_COCO_STAT_COUNT; s++)
        assert_near(e.report.stats[s], -1);
    evaluated_fini(&e);
}

/* Recall .5 is reached with precision 1: 51 of the 101 recalls. */
static void half_of_the_boxes_give_half(void **state)
{
    (void)state;
    assert_near(ap50(ANNOTATIONS(LIST_2(BOX(1, 1, 1, SQUARE, ""),
                                        BOX(2, 2, 1, SQUARE, ""))),
                     "[" DETECTION(2, 1, SQUARE, 0.5) "]"),
                51. / 101);
}

static void a_second_detection_of_a_box_is_wrong(void **state)
{
    (void)state;
    /* Found last: precision 1/2 at every recall. */
    assert_near(ap50(ANNOTATIONS(BOX(1, 1, 1, SQUARE, "")),
                     "[" LIST_2(DETECTION(1, 1, "200, 200, 5, 5", 0.9),
                                DETECTION(1, 1, SQUARE, 0.8)) "]"),
                .5);
    /* Found first: what comes behind does not matter. */
    assert_near(ap50(ANNOTATIONS(BOX(1, 1, 1, SQUARE, "")),
                     "[" LIST_2(DETECTION(1, 1, SQUARE, 0.9),
                                DETECTION(1, 1, SQUARE, 0.8)) "]"),
                1);
}

static void equal_scores_go_by_image_then_by_order(void **state)
{
    (void)state;
    const char *boxes = ANNOTATIONS(BOX(1, 2, 1, SQUARE, ""));
    /* In the same image the earlier one is first, ... */
    assert_near(
        ap50(boxes, "[" LIST_2(DETECTION(2, 1, SQUARE, 0.5),
                               DETECTION(2, 1, "200, 200, 5, 5", 0.5)) "]"),
        1);
    assert_near(ap50(boxes, "[" LIST_2(DETECTION(2, 1, "200, 200, 5, 5", 0.5),
                                       DETECTION(2, 1, SQUARE, 0.5)) "]"),
                .5);
    /* ... in another one the lower id. */
    assert_near(ap50(boxes, "[" LIST_2(DETECTION(2, 1, SQUARE, 0.5),
                                       DETECTION(1, 1, SQUARE, 0.5)) "]"),
                .5);
}

static void classes_do_not_mix(void **state)
{
    (void)state;
    assert_near(ap50(ANNOTATIONS(LIST_2(BOX(1, 1, 1, SQUARE, ""),
                                        BOX(2, 1, 2, SQUARE, ""))),
                     "[" DETECTION(1, 1, SQUARE, 0.5) "]"),
                .5); /* the mean of 1 and 0 */
}

static void crowds_count_neither_way(void **state)
{
    (void)state;
    /* Both detections lie in the crowd and overlap it by their own area. */
    assert_near(ap50(ANNOTATIONS(LIST_2(BOX(1, 1, 1, SQUARE, ""),
                                        BOX(2, 1, 1, "100, 100, 200, 200",
                                            ", \"iscrowd\": 1"))),
                     "[" LIST_3(DETECTION(1, 1, "100, 100, 10, 10", 0.9),
                                DETECTION(1, 1, "110, 100, 10, 10", 0.8),
                                DETECTION(1, 1, SQUARE, 0.7)) "]"),
                1);
}

static void areas_come_from_the_file_or_from_the_box(void **state)
{
    (void)state;
    const char *dets = "[" DETECTION(1, 1, SQUARE, 0.5) "]";
    const char *small = ANNOTATIONS(BOX(1, 1, 1, SQUARE, ", \"area\": 1024"));
    const char *medium = ANNOTATIONS(BOX(1, 1, 1, SQUARE, ""));
    const char *null = ANNOTATIONS(BOX(1, 1, 1, SQUARE, ", \"area\": null"));
    assert_near(stat_of(small, dets, CZ_COCO_AR_SMALL), 1);
    assert_near(stat_of(small, dets, CZ_COCO_AR_MEDIUM), 1); /* 32^2: both */
    assert_near(stat_of(medium, dets, CZ_COCO_AR_SMALL), -1);
    assert_near(stat_of(medium, dets, CZ_COCO_AR_MEDIUM), 1);
    assert_near(stat_of(null, dets, CZ_COCO_AR_MEDIUM), 1);
}

static void the_101st_detection_does_not_count(void **state)
{
    (void)state;
    struct cz_coco *coco =
        parse_annotations(ANNOTATIONS(BOX(1, 1, 1, SQUARE, "")));
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    struct cz_coco_detection d = {1, 1, {200, 200, 5, 5}, .9};
    const struct cz_coco_match_options options = CZ_COCO_MATCH_OPTIONS_INIT;
    for (int i = 0; i < 100; i++)
        assert_ok(cz_coco_detections_add(&detections, &d, cz_test_error()));
    d = (struct cz_coco_detection){1, 1, {10, 10, 40, 40}, .8};
    assert_ok(cz_coco_detections_add(&detections, &d, cz_test_error()));
    struct evaluated e = evaluate_with(coco, detections, &options);
    assert_near(e.report.stats[CZ_COCO_AP], 0);
    assert_int_equal(e.report.detections, 100);
    e.detections.items[0].score = .7;
    struct cz_coco_matches *matches;
    struct cz_coco_report report;
    assert_ok(cz_coco_match(&matches, coco, e.detections.items, 101, &options,
                            cz_test_error()));
    assert_ok(cz_coco_evaluate(&report, matches, 1, cz_test_error()));
    assert_near(report.stats[CZ_COCO_AP], .01);
    cz_coco_report_fini(&report);
    cz_coco_matches_free(matches);
    evaluated_fini(&e);
}

/* As pycocotools has it: see cz_coco_match(). */
static void a_box_with_the_id_zero_is_never_found(void **state)
{
    (void)state;
    struct evaluated e = evaluate(ANNOTATIONS(BOX(0, 1, 1, SQUARE, "")),
                                  "[" DETECTION(1, 1, SQUARE, 0.5) "]");
    assert_near(e.report.stats[CZ_COCO_AP], 0);
    assert_true(cz_coco_has_id_zero(e.coco));
    evaluated_fini(&e);
}

static void only_what_is_selected_counts(void **state)
{
    (void)state;
    static const int64_t image = 2, class = 2;
    struct cz_coco_match_options options = {.image_ids = &image,
                                            .n_images = 1,
                                            .category_ids = &class,
                                            .n_categories = 1};
    struct cz_coco *coco = parse_annotations(
        ANNOTATIONS(LIST_3(BOX(1, 1, 2, SQUARE, ""), BOX(2, 2, 1, SQUARE, ""),
                           BOX(3, 2, 2, SQUARE, ""))));
    struct evaluated e = evaluate_with(
        coco,
        parse_detections("[" LIST_2(DETECTION(1, 2, "0, 0, 9, 9", 0.9),
                                    DETECTION(2, 2, SQUARE, 0.5)) "]",
                         coco),
        &options);
    assert_int_equal(e.report.images, 1);
    assert_int_equal(e.report.n_classes, 1);
    assert_int_equal(e.report.boxes, 1);
    assert_near(e.report.stats[CZ_COCO_AP], 1);
    evaluated_fini(&e);
}

static void refuses_what_is_not_there(void **state)
{
    (void)state;
    static const int64_t unknown = 7;
    struct cz_coco *coco = parse_annotations(ANNOTATIONS(""));
    struct cz_coco_match_options options = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco_matches *matches;
    struct cz_coco_detection d[] = {{1, 1, {0, 0, 1, 1}, .5},
                                    {7, 1, {0, 0, 1, 1}, .5}};
#define REFUSES(text)                                                          \
    assert_error(                                                              \
        cz_coco_match(&matches, coco, d, 2, &options, cz_test_error()),        \
        CZ_EINVAL, text)
    REFUSES("detection 1: no image has the image_id 7");
    d[1].image_id = 1;
    d[1].category_id = -7;
    REFUSES("detection 1: no category has the category_id -7");
    d[1].category_id = 1;
    d[1].score = (double)NAN;
    REFUSES("detection 1: 'score' is nan");
    d[1].score = .5;
    d[1].bbox[3] = (double)INFINITY;
    REFUSES("detection 1: 'bbox' has the number inf");
    d[1].bbox[3] = -1;
    REFUSES("detection 1: 'bbox' has the height -1");
    d[1].bbox[3] = 1;
    options.image_ids = &unknown;
    options.n_images = 1;
    REFUSES("no image has the id 7");
    options.image_ids = NULL;
    options.category_ids = &unknown;
    options.n_categories = 1;
    REFUSES("no category has the id 7");
#undef REFUSES
    cz_coco_free(coco);
}

static void the_curve_ends_at_the_recall(void **state)
{
    (void)state;
    double precision[CZ_COCO_RECALLS];
    struct evaluated e = evaluate(
        ANNOTATIONS(LIST_2(BOX(1, 1, 1, SQUARE, ""), BOX(2, 2, 1, SQUARE, ""))),
        "[" LIST_2(DETECTION(1, 1, "200, 200, 5, 5", 0.9),
                   DETECTION(2, 1, SQUARE, 0.5)) "]");
    assert_ok(cz_coco_curve(precision, e.matches, 0, 9, cz_test_error()));
    for (size_t r = 0; r < CZ_COCO_RECALLS; r++)
        assert_near(precision[r], r <= 50 ? .5 : 0);
    assert_ok(cz_coco_curve(precision, e.matches, 1, 0, cz_test_error()));
    assert_near(precision[0], -1);
    evaluated_fini(&e);
}

/* ---- as pycocotools answered ------------------------------------------ */

/* What is asked for in the issue that this evaluator came from. */
#define TOLERANCE 1e-9

static void check_stats(const struct cz_coco_report *report,
                        const json_t *expected, const char *name)
{
    for (int s = 0; s < CZ_COCO_STAT_COUNT; s++) {
        const char *stat = cz_coco_stat_name((enum cz_coco_stat)s);
        double want = json_real_value(json_object_get(expected, stat));
        if (!(fabs(report->stats[s] - want) <= TOLERANCE))
            fail_msg("%s: %s is %.17g, want %.17g", name, stat,
                     report->stats[s], want);
    }
}

static void check_files(const char *annotations, const char *detections,
                        const json_t *expected)
{
    const struct cz_coco_match_options options = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco_detections loaded = CZ_COCO_DETECTIONS_INIT;
    struct cz_coco *coco;
    assert_non_null(expected);
    assert_ok(cz_coco_load(&coco, annotations, NULL, cz_test_error()));
    assert_ok(
        cz_coco_detections_load(&loaded, detections, coco, cz_test_error()));
    struct evaluated e = evaluate_with(coco, loaded, &options);
    check_stats(&e.report, expected, detections);
    evaluated_fini(&e);
}

static void agrees_with_pycocotools_in_hard_cases(void **state)
{
    (void)state;
    static const char *const names[] = {"corners", "crowded-11", "dense-11",
                                        "sparse80-11", "ties-11"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *folder =
            cz_test_path(cz_test_shared("eval-golden"), names[i]);
        json_t *root =
            json_load_file(cz_test_path(folder, "expected.json"), 0, NULL);
        assert_non_null(root);
        folder = cz_test_path(cz_test_shared("eval-golden"), names[i]);
        check_files(cz_test_path(folder, "gt.json"),
                    cz_test_path(folder, "dt.json"),
                    json_object_get(root, "stats"));
        json_decref(root);
    }
}

static void agrees_with_pycocotools_on_a_detector(void **state)
{
    (void)state;
    json_t *root = json_load_file(cz_test_shared("golden/stats.json"), 0, NULL);
    assert_non_null(root);
    check_files(cz_test_shared("coco/val/instances.json"),
                cz_test_shared("golden/dets-yolov8n.json"),
                json_object_get(root, "yolov8n"));
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding_everything_gives_one),
        cmocka_unit_test(finding_nothing_gives_zero),
        cmocka_unit_test(without_boxes_there_is_no_number),
        cmocka_unit_test(half_of_the_boxes_give_half),
        cmocka_unit_test(a_second_detection_of_a_box_is_wrong),
        cmocka_unit_test(equal_scores_go_by_image_then_by_order),
        cmocka_unit_test(classes_do_not_mix),
        cmocka_unit_test(crowds_count_neither_way),
        cmocka_unit_test(areas_come_from_the_file_or_from_the_box),
        cmocka_unit_test(the_101st_detection_does_not_count),
        cmocka_unit_test(a_box_with_the_id_zero_is_never_found),
        cmocka_unit_test(only_what_is_selected_counts),
        cmocka_unit_test(refuses_what_is_not_there),
        cmocka_unit_test(the_curve_ends_at_the_recall),
        cmocka_unit_test(agrees_with_pycocotools_in_hard_cases),
        cmocka_unit_test(agrees_with_pycocotools_on_a_detector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
