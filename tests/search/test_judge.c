/* What a judge compares where no decoder knows the outputs. */
#include "core/alloc.h"
#include "search/search.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"
#include "tests/support/support.h"

#define IMAGES 3

/* y is x times 2, and 2.5 as a changed model makes it: a quarter away, and a
 * sixteenth in squares. */
#define TWICE "in x f32[1,3,4,4]; const w f32[1] 2; y = Mul(x, w); "
#define MORE "in x f32[1,3,4,4]; const w f32[1] 2.5; y = Mul(x, w); "

static enum cz_status load(void *user, struct cz_model **model,
                           struct cz_error *err)
{
    return cz_test_graph_try(model, user, err);
}

/* Never bound: so outputs are compared. */
static struct cz_detector *detector;

static int open_detector(void **state)
{
    struct cz_detector_options options = {0};
    (void)state;
    return cz_detector_load(&detector, cz_test_model("tiny_v8_opset17.onnx"),
                            &options, cz_test_error()) == CZ_OK
               ? 0
               : -1;
}

static int close_detector(void **state)
{
    (void)state;
    cz_detector_free(detector);
    return 0;
}

static enum cz_status open_judge(struct cz_judge **judge, const char *text,
                                 struct cz_error *err)
{
    const struct cz_model_source source = {load, (void *)text};
    const struct cz_judge_options options = {
        .images = cz_test_noise(IMAGES),
        .plan = {.threads = 1},
        .detector = detector,
    };
    return cz_judge_new(judge, &source, &options, err);
}

/* The difference of `changed` from `text`. */
static enum cz_status compare(double *difference, const char *text,
                              const char *changed, struct cz_error *err)
{
    struct cz_judge *judge;
    struct cz_model *model = NULL;
    struct cz_verdict verdict = {.difference = -1};
    enum cz_status status = open_judge(&judge, text, err);
    if (status == CZ_OK)
        status = cz_test_graph_try(&model, changed, err);
    if (status == CZ_OK)
        status = cz_judge_measure(judge, model, &verdict, err);
    if (status == CZ_OK && cz_judge_evidence(judge) != CZ_EVIDENCE_OUTPUTS)
        fail_msg("%s: there are no boxes", text);
    cz_model_free(model);
    cz_judge_free(judge);
    *difference = verdict.difference;
    return status;
}

static void sums_squares_of_all_kinds_of_numbers(void **state)
{
    static const struct {
        const char *text, *changed;
        double least, most;
    } rows[] = {
        {TWICE "out y", TWICE "out y", 0, 0},
        {TWICE "out y", MORE "out y", 0.0625, 0.0625},
        {TWICE "z = Cast(y) to=10; out z", MORE "z = Cast(y) to=10; out z",
         0.062, 0.063},
        {TWICE "z = Cast(y) to=16; out z", MORE "z = Cast(y) to=16; out z",
         0.06, 0.065},
        {TWICE "z = Cast(y) to=11; out z", MORE "z = Cast(y) to=11; out z",
         0.0624, 0.0626},
        /* integers where there is nothing else: 1 for -1 is 4 for 1 */
        {TWICE "z = Sign(y); i = Cast(z) to=7; out i",
         MORE "z = Sign(y); n = Neg(z); i = Cast(n) to=7; out i", 4, 4},
        {TWICE "z = Greater(y, x); out z", TWICE "z = Greater(x, y); out z",
         0.5, 1e9},
        /* beside floats they do not count */
        {TWICE "z = Sign(y); i = Cast(z) to=7; out y; out i",
         MORE "z = Sign(y); n = Neg(z); i = Cast(n) to=7; out y; out i", 0.0625,
         0.0625},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double difference;
        assert_ok(compare(&difference, rows[i].text, rows[i].changed,
                          cz_test_error()));
        if (!(difference >= rows[i].least - 1e-6 &&
              difference <= rows[i].most + 1e-6))
            fail_msg("%s: %g", rows[i].changed, difference);
    }
}

static void refuses_what_cannot_be_compared(void **state)
{
    struct cz_judge *judge;
    double difference;
    (void)state;
    assert_error(open_judge(&judge,
                            TWICE "const z f32[1] 0; v = Mul(y, z); out v",
                            cz_test_error()),
                 CZ_EINVAL, "nothing but zeros of 3 of the images");
    assert_error(open_judge(&judge,
                            TWICE "const z f32[1] 1e30; v = Mul(y, z); "
                                  "h = Cast(v) to=10; out h",
                            cz_test_error()),
                 CZ_EINVAL, "NaN or infinite on calibration image 1");
    assert_error(compare(&difference, TWICE "out y",
                         TWICE "const s i64[1] 1; z = ReduceSum(y, s); out z",
                         cz_test_error()),
                 CZ_ESHAPE, "makes 16 numbers, not 48");
}

static void ends_when_memory_is_short(void **state)
{
    size_t asked = 1;
    (void)state;
    for (size_t nth = 1; nth <= asked; nth++) {
        struct cz_error err = CZ_ERROR_INIT;
        double difference;
        cz_alloc_fail_at(nth);
        const enum cz_status status =
            compare(&difference, TWICE "out y", MORE "out y", &err);
        asked = cz_alloc_fail_at(0);
        if (status != CZ_ENOMEM && nth <= asked)
            fail_msg("allocation %zu: %d, %s", nth, (int)status, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_squares_of_all_kinds_of_numbers),
        cmocka_unit_test(refuses_what_cannot_be_compared),
        cmocka_unit_test(ends_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, open_detector, close_detector);
}
