/* Frames that wait between two steps while others go through them, and what a
 * Conv reads: on random graphs, and window by window. */
#include <stdio.h>

#include "core/alloc.h"
#include "tests/support/engine.h"
#include "tests/support/plan.h"
#include "tests/support/random_graph.h"

#define GRAPHS 150
#define PIECES 8
#define FRAMES 3

static struct cz_plan *compile(struct cz_model *model, const char *passes)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.passes = passes;
    options.threads = 1;
    options.tune = CZ_TUNE_OFF;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

/* All frames go through the steps from..to-1. */
static void advance(struct cz_frames *frames, struct cz_plan *plan, size_t from,
                    size_t to)
{
    for (size_t i = 0; i < FRAMES; i++) {
        assert_ok(cz_frames_load(frames, i, plan, from, cz_test_error()));
        assert_ok(cz_plan_run_steps(plan, from, to, cz_test_error()));
        assert_ok(cz_frames_save(frames, i, plan, to, cz_test_error()));
    }
}

/* Frame i gives what it gives alone. */
static bool is_same(struct cz_frames *frames, size_t i, struct cz_plan *plan,
                    struct cz_plan *alone)
{
    cz_test_randomize(alone, i + 1);
    assert_ok(cz_plan_run(alone, cz_test_error()));
    assert_ok(cz_frames_load(frames, i, plan, cz_plan_step_count(plan),
                             cz_test_error()));
    return cz_test_difference(plan, alone) == 0;
}

static void check_graph(uint64_t seed, const char *passes)
{
    static char text[CZ_RANDOM_TEXT_BYTES];
    char tap[16];
    cz_random_graph(text, tap, seed, PIECES);
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan = compile(model, passes);
    struct cz_plan *alone = compile(model, passes);
    struct cz_frames *frames;
    assert_ok(cz_frames_new(&frames, FRAMES, cz_test_error()));
    for (size_t i = 0; i < FRAMES; i++) {
        cz_test_randomize(plan, i + 1);
        assert_ok(cz_frames_save(frames, i, plan, 0, cz_test_error()));
    }
    /* In steps of one and of several. */
    const size_t steps = cz_plan_step_count(plan), stride = 1 + seed % 3;
    for (size_t at = 0; at < steps; at += stride)
        advance(frames, plan, at, at + stride < steps ? at + stride : steps);
    for (size_t i = 0; i < FRAMES; i++) {
        if (!is_same(frames, i, plan, alone))
            fail_msg("seed %zu, frame %zu, passes %s", (size_t)seed, i,
                     passes ? passes : "all");
    }
    cz_frames_free(frames);
    cz_plan_free(plan);
    cz_plan_free(alone);
    cz_model_free(model);
}

static void frames_that_wait_give_what_they_give_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        check_graph(seed, NULL);
        check_graph(seed, "-layout");
        check_graph(seed, "none");
    }
}

#define TWO_CONVS                                                              \
    "in x f32[1,2,4,4]; out y\n"                                               \
    "const w f32[2,2,3,3] random; const v f32[2,2,3,3] random\n"               \
    "a = Conv(x, w) pads=[1,1,1,1]; b = Relu(a); "                             \
    "y = Conv(b, v) pads=[1,1,1,1]"

static void keeps_inputs_of_float16_apart(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph("in x f16[1,8]; out y\n"
                                           "a = Cast(x) to=1; y = Relu(a)");
    struct cz_plan *plan = compile(model, NULL), *alone = compile(model, NULL);
    struct cz_frames *frames;
    assert_ok(cz_frames_new(&frames, FRAMES, cz_test_error()));
    for (size_t i = 0; i < FRAMES; i++) {
        cz_test_randomize(plan, i + 1);
        assert_ok(cz_frames_save(frames, i, plan, 0, cz_test_error()));
    }
    advance(frames, plan, 0, cz_plan_step_count(plan));
    for (size_t i = 0; i < FRAMES; i++)
        assert_true(is_same(frames, i, plan, alone));
    cz_frames_free(frames);
    cz_plan_free(plan);
    cz_plan_free(alone);
    cz_model_free(model);
}

static void refuses_a_frame_that_was_saved_elsewhere(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(TWO_CONVS);
    struct cz_plan *plan = compile(model, "none");
    struct cz_frames *frames;
    assert_ok(cz_frames_new(&frames, 1, cz_test_error()));
    assert_error(cz_frames_load(frames, 0, plan, 1, cz_test_error()), CZ_EINVAL,
                 "before another step");
    /* x and a are of one size. */
    assert_ok(cz_frames_save(frames, 0, plan, 0, cz_test_error()));
    assert_error(cz_frames_load(frames, 0, plan, 1, cz_test_error()), CZ_EINVAL,
                 "before another step");
    cz_frames_free(frames);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void refuses_sizes_that_depend_on_the_data(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph("in x f32[4]; out y\n"
                                           "a = NonZero(x)\n"
                                           "y = Cast(a) to=1");
    struct cz_plan *plan = compile(model, NULL);
    struct cz_frames *frames;
    assert_ok(cz_frames_new(&frames, 1, cz_test_error()));
    assert_error(cz_frames_save(frames, 0, plan, 1, cz_test_error()),
                 CZ_EUNSUPPORTED, "depends on the data");
    cz_frames_free(frames);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(TWO_CONVS);
    struct cz_plan *plan = compile(model, NULL);
    for (size_t n = 1;; n++) {
        struct cz_frames *frames;
        cz_alloc_fail_at(n);
        enum cz_status status = cz_frames_new(&frames, 2, cz_test_error());
        if (status == CZ_OK)
            status = cz_frames_save(frames, 1, plan, 1, cz_test_error());
        if (status == CZ_OK)
            status = cz_frames_load(frames, 1, plan, 1, cz_test_error());
        cz_alloc_fail_at(0);
        cz_frames_free(frames);
        if (status == CZ_OK)
            break;
        assert_int_equal(status, CZ_ENOMEM);
        assert_true(n < 100);
    }
    cz_plan_free(plan);
    cz_model_free(model);
}

/* ---- windows ---------------------------------------------------------- */

/* What the Conv makes of the window, summed by hand, is what it gives. */
static void check_windows(const char *text)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan = compile(model, "none");
    struct cz_conv_view view;
    float window[64], *weights;
    cz_test_randomize(plan, 5);
    assert_ok(cz_plan_run(plan, cz_test_error()));
    assert_true(cz_plan_conv(plan, 0, &view));
    assert_ok(cz_tensor_floats((struct cz_tensor *)view.weights, &weights,
                               cz_test_error()));
    const float *y = cz_plan_outputs(plan, NULL)->data;
    const size_t plane = view.out_size[0] * view.out_size[1];
    const size_t size = view.channels * view.kernel[0] * view.kernel[1];
    const size_t n = size / view.groups, m = view.outputs / view.groups;
    assert_true(size <= 64);
    for (size_t at = 0; at < plane; at++) {
        cz_conv_view_window(window, &view, at / view.out_size[1],
                            at % view.out_size[1]);
        for (size_t c = 0; c < view.outputs; c++) {
            double sum = 0;
            for (size_t i = 0; i < n; i++)
                sum +=
                    (double)weights[c * n + i] * (double)window[c / m * n + i];
            assert_true(sum - (double)y[c * plane + at] < 1e-5);
            assert_true((double)y[c * plane + at] - sum < 1e-5);
        }
    }
    cz_free(weights);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void windows_are_what_the_convolution_sums_up(void **state)
{
    (void)state;
    check_windows("in x f32[1,3,5,7]; out y\nconst w f32[4,3,3,3] random\n"
                  "y = Conv(x, w) pads=[1,1,1,1]");
    check_windows("in x f32[1,2,9,6]; out y\nconst w f32[4,2,3,5] random\n"
                  "y = Conv(x, w) pads=[0,2,1,3] strides=[2,1] "
                  "dilations=[2,1]");
    check_windows("in x f32[1,6,5,5]; out y\nconst w f32[6,1,3,3] random\n"
                  "y = Conv(x, w) pads=[2,0,0,1] group=6");
    check_windows("in x f32[1,6,4,4]; out y\nconst w f32[4,3,2,2] random\n"
                  "y = Conv(x, w) auto_pad=\"SAME_LOWER\" group=2");
}

static void shows_convolutions_of_one_image_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "in x f32[2,2,4,4]; out y\nconst w f32[2,2,1,1] random\n"
        "y = Conv(x, w)",
        "in x f32[1,2,4]; out y\nconst w f32[2,2,1] random\ny = Conv(x, w)",
        "in x f32[1,2,4,4]; out y\ny = Relu(x)"};
    for (size_t i = 0; i < 3; i++) {
        struct cz_model *model = cz_test_graph(others[i]);
        struct cz_plan *plan = compile(model, "none");
        struct cz_conv_view view;
        assert_false(cz_plan_conv(plan, 0, &view));
        assert_false(cz_plan_conv(plan, 99, &view));
        cz_plan_free(plan);
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_wait_give_what_they_give_alone),
        cmocka_unit_test(keeps_inputs_of_float16_apart),
        cmocka_unit_test(refuses_a_frame_that_was_saved_elsewhere),
        cmocka_unit_test(refuses_sizes_that_depend_on_the_data),
        cmocka_unit_test(survives_every_failing_allocation),
        cmocka_unit_test(windows_are_what_the_convolution_sums_up),
        cmocka_unit_test(shows_convolutions_of_one_image_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
