/* Every allocation fails once: the work then ends with CZ_ENOMEM and frees what
 * it had (the address sanitizer looks). */
#include "tests/eval/support.h"

/* More than the work asks for. */
#define ALLOCATIONS_MAX 10000

#define SQUARE "10, 10, 40, 40"

static const char annotations[] = ANNOTATIONS(
    LIST_3(BOX(1, 1, 1, SQUARE, ""), BOX(2, 2, 2, SQUARE, ", \"iscrowd\": 1"),
           BOX(3, 2, 1, "5, 5, 50, 50", ", \"area\": 9")));
static const char dets[] =
    "[" LIST_3(DETECTION("one", 1, SQUARE, 0.9), DETECTION(2, 2, SQUARE, 0.8),
               DETECTION(2, 1, SQUARE, 0.7)) "]";

static enum cz_status look_closer(const struct cz_coco_matches *matches,
                                  const struct cz_coco_detections *detections,
                                  struct cz_error *err)
{
    const struct cz_coco_confusion_options defaults =
        CZ_COCO_CONFUSION_OPTIONS_INIT;
    const struct cz_coco_bootstrap_options few = {.resamples = 20,
                                                  .threads = 1};
    struct cz_coco_confusion confusion;
    struct cz_coco_f1 f1[2], overall;
    struct cz_coco_delta ap, ap50;
    double precision[CZ_COCO_RECALLS];
    CZ_TRY(cz_coco_best_f1(f1, &overall, matches, err));
    CZ_TRY(cz_coco_curve(precision, matches, 0, 0, err));
    CZ_TRY(cz_coco_bootstrap(&ap, &ap50, matches, matches, &few, err));
    enum cz_status status = cz_coco_confusion_count(&confusion, matches,
                                                    detections, &defaults, err);
    cz_coco_confusion_fini(&confusion);
    return status;
}

static enum cz_status
evaluate_detections(const struct cz_coco *coco,
                    const struct cz_coco_detections *detections,
                    struct cz_error *err)
{
    static const int64_t images[] = {2, 1}, classes[] = {1, 2};
    const struct cz_coco_match_options options = {.image_ids = images,
                                                  .n_images = 2,
                                                  .category_ids = classes,
                                                  .n_categories = 2,
                                                  .threads = 1};
    struct cz_coco_matches *matches;
    struct cz_coco_report report;
    CZ_TRY(cz_coco_match(&matches, coco, detections->items, detections->count,
                         &options, err));
    enum cz_status status = cz_coco_evaluate(&report, matches, 1, err);
    if (status == CZ_OK)
        status = look_closer(matches, detections, err);
    cz_coco_report_fini(&report);
    cz_coco_matches_free(matches);
    return status;
}

static enum cz_status work(struct cz_error *err)
{
    struct cz_coco *coco;
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    CZ_TRY(cz_coco_parse(&coco, annotations, sizeof annotations - 1, "ann.json",
                         err));
    enum cz_status status = cz_coco_detections_parse(
        &detections, dets, sizeof dets - 1, "dets.json", coco, err);
    if (status == CZ_OK)
        status = evaluate_detections(coco, &detections, err);
    cz_coco_detections_fini(&detections);
    cz_coco_free(coco);
    return status;
}

static enum cz_status size_of(void *user, const char *path, int64_t *width,
                              int64_t *height, struct cz_error *err)
{
    (void)user, (void)path, (void)err;
    *width = *height = 10;
    return CZ_OK;
}

static const char *yaml; /* the file that load_yolo() loads */

static enum cz_status load_yolo(struct cz_error *err)
{
    const struct cz_image_sizes sizes = {.read = size_of};
    struct cz_coco *coco;
    CZ_TRY(cz_coco_load(&coco, yaml, &sizes, err));
    cz_coco_free(coco);
    return CZ_OK;
}

static void fail_one_by_one(enum cz_status (*do_work)(struct cz_error *))
{
    enum cz_status status = CZ_ENOMEM;
    size_t nth = 0;
    while (status != CZ_OK && nth < ALLOCATIONS_MAX) {
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(++nth);
        status = do_work(&err);
        cz_alloc_fail_at(0);
        if (status != CZ_OK && (status != CZ_ENOMEM || err.code != CZ_ENOMEM ||
                                !strstr(err.message, "out of memory")))
            fail_msg("allocation %zu: status %d: %s", nth, status, err.message);
    }
    assert_int_equal(status, CZ_OK);
    assert_true(nth > 10);
}

static void survives_while_evaluating(void **state)
{
    (void)state;
    fail_one_by_one(work);
}

#define DEEP_16 "[[[[[[[[[[[[[[[["
#define DEEP_80 DEEP_16 DEEP_16 DEEP_16 DEEP_16 DEEP_16
#define UP_16 "]]]]]]]]]]]]]]]]"
#define UP_80 UP_16 UP_16 UP_16 UP_16 UP_16

/* What makes yajl itself ask for more memory: depth and escapes. */
static enum cz_status read_odd_json(struct cz_error *err)
{
    static const char text[] =
        "{\"info\": " DEEP_80 DEEP_80 "\"\\n\"" UP_80 UP_80 ", \"images\": "
        "[{\"id\": 1, \"file_name\": \"\\u00e9\\t\\u20ac.jpg\"}], "
        "\"categories\": [{\"id\": 1}], \"annotations\": []}";
    struct cz_coco *coco;
    CZ_TRY(cz_coco_parse(&coco, text, sizeof text - 1, "ann.json", err));
    cz_coco_free(coco);
    return CZ_OK;
}

static void survives_in_odd_json(void **state)
{
    (void)state;
    fail_one_by_one(read_odd_json);
}

static void survives_in_a_yolo_data_set(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    static const char data[] =
        "val: [.]\npath: .\nnames: {0: a, 1: b}\nnc: 2\n";
    static const char label[] = "1 .5 .5 .5 .5\n0 .1 .1 .2 .2 .3 .4\n";
    cz_test_file_write(cz_test_path(folder, "1.jpg"), "", 0);
    cz_test_file_write(cz_test_path(folder, "1.txt"), label, sizeof label - 1);
    cz_test_file_write(cz_test_path(folder, "data.yaml"), data,
                       sizeof data - 1);
    yaml = cz_test_path(folder, "data.yaml");
    fail_one_by_one(load_yolo);
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_while_evaluating),
        cmocka_unit_test(survives_in_odd_json),
        cmocka_unit_test(survives_in_a_yolo_data_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
