/* Frames: the same ones again, parts of them, their taps and times. */
#include <stdlib.h>

#include "tests/support/engine.h"
#include "tests/support/plan.h"
#include "tests/support/random_graph.h"
#include "tests/support/rewrite.h"

/* ---- parts of a plan -------------------------------------------------- */

#define PARTS                                                                  \
    "in x f32[1,16,6,6]; const w f32[16,16,3,3] random; "                      \
    "a = Conv(x, w) pads=[1,1,1,1]; s = Sigmoid(a); b = Mul(a, s); "           \
    "c, d = Split(b) axis=1; e = Concat(d, c) axis=1; f = Add(e, x); "         \
    "y = Relu(f); out y"

static struct cz_plan *compile_taps(struct cz_model *model,
                                    const char *const *taps, size_t n_taps,
                                    bool keep_all)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.taps = taps;
    options.n_taps = n_taps;
    options.keep_all = keep_all;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

static size_t step_called(const struct cz_plan *plan, const char *name)
{
    for (size_t i = 0; i < cz_plan_step_count(plan); i++) {
        if (strcmp(cz_plan_step(plan, i).name, name) == 0)
            return i;
    }
    fail_msg("no step '%s'", name);
    return 0;
}

/* Up to a node, a value changed through its tap, on from there. */
static void runs_on_from_a_value_that_was_changed(void **state)
{
    (void)state;
    static const char *const taps[] = {"e"};
    struct cz_model *model = cz_test_graph(PARTS);
    struct cz_plan *plan = compile_taps(model, taps, 1, true);
    const struct cz_port *e = cz_plan_find(plan, "e");
    const struct cz_port *y = cz_plan_outputs(plan, NULL);
    const struct cz_port *x = cz_plan_inputs(plan, NULL);
    size_t from = step_called(plan, "f");
    cz_test_random_frame(plan, 3);
    float *first = malloc(y->size_bytes);
    assert_non_null(first);
    memcpy(first, y->data, y->size_bytes);

    assert_ok(cz_plan_run_steps(plan, 0, from, cz_test_error()));
    for (size_t i = 0; i < e->size_bytes / sizeof(float); i++)
        ((float *)e->data)[i] = (float)i;
    for (int round = 0; round < 2; round++) {
        assert_ok(cz_plan_run_steps(plan, from, cz_plan_step_count(plan),
                                    cz_test_error()));
        for (size_t i = 0; i < y->size_bytes / sizeof(float); i++) {
            float sum = (float)i + ((const float *)x->data)[i];
            assert_true(((const float *)y->data)[i] == (sum > 0 ? sum : 0));
        }
    }
    /* What stands before is still there: the frame again from the Split. */
    assert_ok(cz_plan_run_steps(plan, step_called(plan, "c"),
                                cz_plan_step_count(plan), cz_test_error()));
    assert_memory_equal(y->data, first, y->size_bytes);
    free(first);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void runs_no_step_where_there_is_none(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(PARTS);
    struct cz_plan *plan = compile_taps(model, NULL, 0, true);
    size_t n = cz_plan_step_count(plan);
    cz_test_random_frame(plan, 3);
    assert_ok(cz_plan_run_steps(plan, 2, 2, cz_test_error()));
    assert_ok(cz_plan_run_steps(plan, n, n + 5, cz_test_error()));
    assert_ok(cz_plan_run_steps(plan, 3, 1, cz_test_error()));
    cz_plan_free(plan);
    cz_model_free(model);
}

/* A float16 port has memory of its own, which parts of a frame fill too. */
static void converts_float16_in_parts_of_a_frame(void **state)
{
    (void)state;
    static const char *const taps[] = {"a"};
    struct cz_model *model = cz_test_graph(
        "in x f16[4]; a = Neg(x); y = Abs(a); out y f16[4]; info a f16[4]");
    struct cz_plan *plan = compile_taps(model, taps, 1, true);
    static const uint16_t x[] = {0x3c00, 0xbc00, 0x0000, 0x7bff};
    static const uint16_t negated[] = {0xbc00, 0x3c00, 0x8000, 0xfbff};
    static const uint16_t absolute[] = {0x3c00, 0x3c00, 0x0000, 0x7bff};
    memcpy(cz_plan_inputs(plan, NULL)->data, x, sizeof x);
    assert_ok(cz_plan_run_steps(plan, 0, 1, cz_test_error()));
    assert_memory_equal(cz_plan_find(plan, "a")->data, negated, sizeof x);
    assert_ok(cz_plan_run_steps(plan, 1, 2, cz_test_error()));
    assert_memory_equal(cz_plan_outputs(plan, NULL)->data, absolute, sizeof x);
    cz_plan_free(plan);
    cz_model_free(model);
}

/* ---- taps and frames -------------------------------------------------- */

static void taps_hold_what_the_model_computes(void **state)
{
    (void)state;
    static const char *const taps[] = {"a", "s", "b", "c", "d", "e", "f", "x"};
    struct cz_model *model = cz_test_graph(PARTS);
    struct cz_plan *all = compile_taps(model, taps, 8, true);
    cz_test_random_frame(all, 5);
    for (size_t i = 0; i < 8; i++) {
        struct cz_plan *one = compile_taps(model, taps + i, 1, false);
        cz_test_random_frame(one, 5);
        assert_true(cz_test_port_difference(cz_plan_find(one, taps[i]),
                                            cz_plan_find(all, taps[i])) <=
                    CZ_TEST_OTHER_KERNELS);
        assert_true(cz_test_difference(one, all) <= CZ_TEST_OTHER_KERNELS);
        cz_plan_free(one);
    }
    assert_null(cz_plan_find(all, "none"));
    cz_plan_free(all);
    cz_model_free(model);
}

static void names_a_tap_that_is_not_there(void **state)
{
    (void)state;
    static const char *const taps[] = {"nowhere"};
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_model *model = cz_test_graph(PARTS);
    struct cz_plan *plan = NULL;
    options.taps = taps;
    options.n_taps = 1;
    assert_error(cz_plan_compile(&plan, model, &options, cz_test_error()),
                 CZ_EINVAL, "there is no value 'nowhere'");
    cz_model_free(model);
}

/* Another frame in between leaves no trace. */
static void gives_the_same_result_in_every_frame(void **state)
{
    (void)state;
    char text[CZ_RANDOM_TEXT_BYTES], tap[16];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        cz_random_graph(text, tap, 200000 + seed, 12);
        struct cz_model *model = cz_test_graph(text);
        struct cz_plan *plan = compile_taps(model, NULL, 0, false);
        struct cz_plan *fresh = compile_taps(model, NULL, 0, false);
        size_t count;
        const struct cz_port *outputs = cz_plan_outputs(plan, &count);
        cz_test_random_frame(plan, 1);
        cz_test_random_frame(plan, 2);
        cz_test_random_frame(plan, 1);
        cz_test_random_frame(fresh, 1);
        for (size_t i = 0; i < count; i++)
            assert_memory_equal(outputs[i].data,
                                cz_plan_outputs(fresh, NULL)[i].data,
                                outputs[i].size_bytes);
        cz_plan_free(plan);
        cz_plan_free(fresh);
        cz_model_free(model);
    }
}

static void times_each_step_of_the_same_frame(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(PARTS);
    struct cz_plan *plan = compile_taps(model, NULL, 0, false);
    struct cz_plan *timed = compile_taps(model, NULL, 0, false);
    size_t n = cz_plan_step_count(timed);
    double *times = malloc(n * sizeof *times);
    assert_non_null(times);
    for (size_t i = 0; i < n; i++)
        times[i] = -1;
    cz_test_random_frame(plan, 1);
    cz_test_randomize(timed, 1);
    assert_ok(cz_plan_run_timed(timed, times, cz_test_error()));
    assert_true(cz_test_difference(plan, timed) == 0);
    for (size_t i = 0; i < n; i++)
        assert_true(times[i] >= 0);
    free(times);
    cz_plan_free(plan);
    cz_plan_free(timed);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_on_from_a_value_that_was_changed),
        cmocka_unit_test(runs_no_step_where_there_is_none),
        cmocka_unit_test(converts_float16_in_parts_of_a_frame),
        cmocka_unit_test(taps_hold_what_the_model_computes),
        cmocka_unit_test(names_a_tap_that_is_not_there),
        cmocka_unit_test(gives_the_same_result_in_every_frame),
        cmocka_unit_test(times_each_step_of_the_same_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
