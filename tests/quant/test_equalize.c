/* Equalization: the same outputs, equal ranges, and which pairs there are. */
#include <math.h>

#include "quant/equalize.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"
#include "tests/support/support.h"

/* Sums in another order of magnitude round otherwise. */
#define SAME 1e-4
#define EQUAL 1e-2

/* Plain, then depthwise between two others, grouped, without a bias: three
 * pairs, and a Clip that ends the chain. */
#define CHAIN                                                                  \
    "in x f32[1,3,12,12]; "                                                    \
    "const u f32[8,3,3,3] random 1 0.3; const p f32[8] random 2 0.2; "         \
    "const v f32[8,1,3,3] random 3 9.0; const q f32[8] random 4 0.2; "         \
    "const w f32[6,4,1,1] random 5 0.02; "                                     \
    "const s f32[4,6,3,3] random 6 3.0; const t f32[4] random 7 0.2; "         \
    "const z f32[4,4,1,1] random 8 0.5; "                                      \
    "a = Conv(x, u, p) pads=[1,1,1,1]; b = Relu(a); "                          \
    "c = Conv(b, v, q) pads=[1,1,1,1] group=8; d = LeakyRelu(c) alpha=0.2; "   \
    "e = Conv(d, w) group=2; "                                                 \
    "f = Conv(e, s, t) pads=[1,1,1,1]; g = Clip(f); "                          \
    "y = Conv(g, z); out y"

static size_t equalize(struct cz_model *model)
{
    size_t pairs;
    assert_ok(cz_equalize(model, &pairs, cz_test_error()));
    return pairs;
}

static struct cz_plan *run(struct cz_model *model)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    cz_test_randomize(plan, 1);
    assert_ok(cz_plan_run(plan, cz_test_error()));
    return plan;
}

static void leaves_the_outputs_as_they_are(void **state)
{
    (void)state;
    struct cz_model *before = cz_test_graph(CHAIN);
    struct cz_model *after = cz_test_graph(CHAIN);
    assert_int_equal(equalize(after), 3);
    struct cz_plan *a = run(before), *b = run(after);
    assert_true(cz_test_difference(a, b) < SAME);
    cz_plan_free(a);
    cz_plan_free(b);
    cz_model_free(before);
    cz_model_free(after);
}

/* The greatest of `runs` x `length` weights from `begin` on, `step` apart. */
static double range(struct cz_model *model, const char *weight, size_t begin,
                    size_t runs, size_t length, size_t step)
{
    struct cz_elements e;
    double most = 0;
    assert_ok(cz_tensor_elements(cz_test_value(model, weight)->constant, &e,
                                 cz_test_error()));
    for (size_t r = 0; r < runs; r++) {
        for (size_t i = 0; i < length; i++)
            most = fmax(most, fabs(cz_elements_get(&e, begin + r * step + i)));
    }
    return most;
}

static void gives_both_sides_of_a_channel_the_same_range(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    equalize(model);
    for (size_t c = 0; c < 8; c++) { /* depthwise, and groups of 4 behind it */
        const double made = range(model, "v", 9 * c, 1, 9, 0);
        const double read = range(model, "w", c / 4 * 12 + c % 4, 3, 1, 4);
        assert_true(fabs(made / read - 1) < EQUAL);
    }
    for (size_t c = 0; c < 6; c++) {
        const double made = range(model, "w", 4 * c, 1, 4, 0);
        const double read = range(model, "s", 9 * c, 4, 9, 54);
        assert_true(fabs(made / read - 1) < EQUAL);
    }
    cz_model_free(model);
}

#define FIRST                                                                  \
    "in x f32[1,3,8,8]; const u f32[4,3,1,1] random; "                         \
    "const v f32[4,4,1,1] random; a = Conv(x, u); "

static void finds_no_pairs_where_there_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        FIRST "b = Sigmoid(a); c = Mul(a, b); y = Conv(c, v); out y",
        FIRST "b = Clip(a); y = Conv(b, v); out y",
        FIRST "b = Conv(a, v); y = Add(a, b); out y",
        FIRST "y = Conv(a, v); out y; out a",
        FIRST "b = Relu(a); c = Conv(b, v); y = Conv(c, v); out y",
        "in x f32[1,4,8,8]; const v f32[4,4,1,1] random; a = Conv(x, v); "
        "y = Conv(a, v); out y",
        "in x f32[1,3,8,8]; in u f32[4,3,1,1]; const v f32[4,4,1,1] random; "
        "a = Conv(x, u); y = Conv(a, v); out y",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cz_model *model = cz_test_graph(texts[i]);
        assert_int_equal(equalize(model), 0);
        cz_model_free(model);
    }
}

static void leaves_channels_of_zeros_alone(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,1,2,2]; const u f32[2,1,1,1] 0 4; "
        "const v f32[1,2,1,1] 3 1; a = Conv(x, u); y = Conv(a, v); out y");
    assert_int_equal(equalize(model), 1);
    assert_true(range(model, "u", 0, 1, 1, 0) == 0);
    assert_true(range(model, "v", 0, 1, 1, 0) == 3);
    assert_true(range(model, "u", 1, 1, 1, 0) == 2);
    assert_true(range(model, "v", 1, 1, 1, 0) == 2);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_the_outputs_as_they_are),
        cmocka_unit_test(gives_both_sides_of_a_channel_the_same_range),
        cmocka_unit_test(finds_no_pairs_where_there_are_none),
        cmocka_unit_test(leaves_channels_of_zeros_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
