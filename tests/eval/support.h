/* What the tests of eval/ share: annotations and detections written as short
 * texts, and results made of them. */
#ifndef CZ_TESTS_EVAL_SUPPORT_H
#define CZ_TESTS_EVAL_SUPPORT_H

#include <math.h>
#include <stdio.h>

#include "core/alloc.h"
#include "eval/eval.h"
#include "tests/support/support.h"

/* Sums of a few dozen numbers of about 1, in another order. */
#define ROUNDING 1e-12

#define assert_near(number, want)                                              \
    do {                                                                       \
        double assert_near_number_ = (number), assert_near_want_ = (want);     \
        if (!(fabs(assert_near_number_ - assert_near_want_) <= ROUNDING))      \
            fail_msg("%s is %.17g, want %.17g", #number, assert_near_number_,  \
                     assert_near_want_);                                       \
    } while (0)

/* Images 1 and 2, classes 1 and 2, and the annotations in `text`, objects with
 * commas between. */
#define ANNOTATIONS(text)                                                      \
    "{\"images\": [{\"id\": 1, \"file_name\": \"a/one.jpg\"},"                 \
    "{\"id\": 2, \"file_name\": \"two.jpg\"}],"                                \
    "\"categories\": [{\"id\": 1, \"name\": \"cat\"},"                         \
    "{\"id\": 2, \"name\": \"dog\"}], \"annotations\": [" text "]}"

/* A box of a class in an image, with an id. */
#define BOX(id, image, class, bbox, more)                                      \
    "{\"id\": " #id ", \"image_id\": " #image                                  \
    ", \"category_id\": " #class ", \"bbox\": [" bbox "]" more "}"

#define DETECTION(image, class, bbox, score)                                   \
    "{\"image_id\": " #image                                                   \
    ", \"category_id\": " #class ", \"bbox\": [" bbox "], \"score\": " #score  \
                                 "}"

/* Several of these. */
#define LIST_2(a, b) a "," b
#define LIST_3(a, b, c) LIST_2(a, b) "," c
#define LIST_4(a, b, c, d) LIST_3(a, b, c) "," d
#define LIST_6(a, b, c, d, e, f) LIST_3(a, b, c) "," LIST_3(d, e, f)

static inline struct cz_coco *parse_annotations(const char *text)
{
    struct cz_coco *coco;
    assert_ok(
        cz_coco_parse(&coco, text, strlen(text), "ann.json", cz_test_error()));
    return coco;
}

static inline struct cz_coco_detections
parse_detections(const char *text, const struct cz_coco *coco)
{
    struct cz_coco_detections detections = CZ_COCO_DETECTIONS_INIT;
    assert_ok(cz_coco_detections_parse(&detections, text, strlen(text),
                                       "dets.json", coco, cz_test_error()));
    return detections;
}

/* Everything from the texts to the report. */
struct evaluated {
    struct cz_coco *coco;
    struct cz_coco_detections detections;
    struct cz_coco_matches *matches;
    struct cz_coco_report report;
};

static inline struct evaluated
evaluate_with(struct cz_coco *coco, struct cz_coco_detections detections,
              const struct cz_coco_match_options *options)
{
    struct evaluated e = {.coco = coco, .detections = detections};
    assert_ok(cz_coco_match(&e.matches, coco, detections.items,
                            detections.count, options, cz_test_error()));
    assert_ok(cz_coco_evaluate(&e.report, e.matches, options->threads,
                               cz_test_error()));
    return e;
}

/* `annotations` as for ANNOTATIONS() when done, `detections` a whole list. */
static inline struct evaluated evaluate(const char *annotations,
                                        const char *detections)
{
    const struct cz_coco_match_options options = CZ_COCO_MATCH_OPTIONS_INIT;
    struct cz_coco *coco = parse_annotations(annotations);
    return evaluate_with(coco, parse_detections(detections, coco), &options);
}

static inline void evaluated_fini(struct evaluated *e)
{
    cz_coco_report_fini(&e->report);
    cz_coco_matches_free(e->matches);
    cz_coco_detections_fini(&e->detections);
    cz_coco_free(e->coco);
}

#endif
