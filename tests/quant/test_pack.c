/* Tables that float16 holds exactly: which are stored so, and that nothing
 * changes. */
#include <string.h>

#include "tests/quant/support.h"
#include "tests/support/rewrite.h"

/* A table of 256 numbers, the last given one from there on. */
#define TABLE(numbers) "const t f32[256] " numbers "; "

static size_t packed_of(struct cz_model *model)
{
    size_t packed;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_pack_tables(model, &packed, cz_test_error()));
    assert_int_equal(count_nodes(model, "Cast"), packed);
    return packed;
}

static void only_what_is_exact_and_large_and_for_arithmetic(void **state)
{
    static const struct {
        const char *text;
        size_t packed;
    } rows[] = {
        {"in x f32[256]; " TABLE(
             "0.5 79.5 -0.0 65504 6.103515625e-05") "y = Add(x, t); out y",
         1},
        {"in x f32[256]; " TABLE("iota") "a = Mul(x, t); b = Sub(t, a); "
                                         "y = Div(b, t); out y",
         1},
        {"in x f32[256]; " TABLE("0.5 2049") "y = Add(x, t); out y", 0},
        {"in x f32[256]; " TABLE("0.5 65536") "y = Add(x, t); out y", 0},
        {"in x f32[256]; " TABLE("0.5 0.1") "y = Add(x, t); out y", 0},
        {"in x f32[256]; " TABLE("0.5 nan") "y = Add(x, t); out y", 0},
        {"in x f32[255]; const t f32[255] 8; y = Add(x, t); out y", 0},
        {"in x f32[256]; " TABLE("8") "y = Max(x, t); out y", 0},
        {"in x f32[256]; " TABLE("8") "a = Add(x, t); y = Max(a, t); out y", 0},
        {"in x f32[1,16,4,4]; const w f32[16,16,1,1] 8; y = Conv(x, w); out y",
         0},
        {"in x f32[256]; " TABLE("8") "y = Add(x, t); out y; out t", 0},
        {"in x i32[256]; const t i32[256] 8; y = Add(x, t); out y", 0},
        {"in x f32[256]; " TABLE("8 inf -inf") "y = Add(x, t); out y", 1},
        {"in x f32[256]; " TABLE("8") "a = Add(t, t); y = Mul(a, x); out y", 1},
        {"in x f32[256]; in c bool; " TABLE(
             "8") "y = If(c) then_branch={ p = Add(x, t); out p } "
                  "else_branch={ q = Sub(x, t); out q }; out y",
         1},
        {"ir 3; in x f32[256]; in t f32[256]; " TABLE(
             "8") "y = Add(x, t); out y",
         0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_graph(rows[i].text);
        const size_t packed = packed_of(model);
        if (packed != rows[i].packed)
            fail_msg("%zu packed: %s", packed, rows[i].text);
        cz_model_free(model);
    }
}

static void outputs_stay_what_they_were(void **state)
{
    static const char text[] =
        "in x f32[256]; " TABLE("iota") "a = Add(t, t); b = Mul(x, t); "
                                        "y = Sub(a, b); out y";
    static float want[256];
    (void)state;
    for (size_t is_packed = 0; is_packed < 2; is_packed++) {
        struct cz_model *model = cz_test_graph(text);
        const struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
        struct cz_plan *plan;
        if (is_packed)
            assert_int_equal(packed_of(model), 1);
        assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
        cz_test_random_frame(plan, 1);
        const float *y = cz_plan_outputs(plan, NULL)->data;
        if (is_packed)
            assert_memory_equal(y, want, sizeof want);
        memcpy(want, y, sizeof want);
        cz_plan_free(plan);
        cz_model_free(model);
    }
}

static void numbers_are_read_as_they_were(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[256]; " TABLE("iota") "y = Add(x, t); out y");
    assert_int_equal(packed_of(model), 1);
    const struct cz_value *table = cz_test_value(model, "t");
    assert_int_equal(table->dtype, CZ_DTYPE_FLOAT16);
    assert_int_equal(table->n_uses, 1);
    for (size_t i = 0; i < 256; i++)
        assert_true(element(model, "t", i) == (double)i);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_exact_and_large_and_for_arithmetic),
        cmocka_unit_test(outputs_stay_what_they_were),
        cmocka_unit_test(numbers_are_read_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
