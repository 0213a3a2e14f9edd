/* The compiler: ports, shapes, what is known at compile time, errors. */
#include <stdio.h>

#include "tests/engine/op_support.h"

static void gives_an_input_back_through_views(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[2,3]; a = Identity(x); y = Identity(a); out y", NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 2, 3, 4, 5, 6));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2,3]", CZ_NUMBERS(1, 2, 3, 4, 5, 6),
                   EXACT);
    cz_test_engine_fini(&e);
}

static void takes_constant_nodes_of_every_kind(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[1]; a = Constant() value_float=2.0; "
        "b = Constant() value_floats=[3.0]; s = Constant() value_ints=[1]; "
        "i = Constant() value_int=1; c = Cast(i) to=1; p = Add(x, a); "
        "q = Add(p, b); r = Add(q, c); y = Reshape(r, s); out y",
        NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(10));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[1]", CZ_NUMBERS(16), EXACT);
    cz_test_engine_fini(&e);
}

static void names_every_operator_that_is_missing(void **state)
{
    (void)state;
    struct cz_error err = CZ_ERROR_INIT;
    assert_int_equal(cz_test_engine_try("in x f32[1]; a = com.example::Foo(x); "
                                        "b = com.example::Foo(a); "
                                        "y = com.example::Bar(b); out y",
                                        &err),
                     CZ_EUNSUPPORTED);
    assert_string_equal(err.message,
                        "operators that the engine does not have: "
                        "com.example.Foo ('a'), com.example.Bar ('y')");
}

/* They trust what a pass has set. */
static void refuses_what_only_passes_put_in(void **state)
{
    (void)state;
    struct cz_operator_info op;
    size_t own = 0;
    for (size_t i = 0; cz_operator(i, &op); i++) {
        struct cz_error err = CZ_ERROR_INIT;
        char text[120];
        if (strncmp(op.op_type, "cz.", 3) != 0)
            continue;
        snprintf(text, sizeof text,
                 "in x f32[3,4,5]; in z f32[5]; y = %s(x, z); out y",
                 op.op_type);
        assert_int_equal(cz_test_engine_try(text, &err), CZ_EUNSUPPORTED);
        assert_non_null(strstr(err.message, "does not have: cz."));
        own++;
    }
    assert_true(own > 0);
}

static void asks_for_dims_that_are_open(void **state)
{
    (void)state;
    struct cz_error err = CZ_ERROR_INIT;
    assert_int_equal(
        cz_test_engine_try("in x f32[n,3,h,w]; y = Identity(x); out y", &err),
        CZ_ESHAPE);
    assert_string_equal(err.message, "input 'x': dimension 2 is open: give the "
                                     "input's shape");
}

static void refuses_an_output_that_is_declared_otherwise(void **state)
{
    static const struct cz_test_failure rows[] = {
        {"in x f32[4]; const c f32[1] 0; y = Greater(x, c); out y f16[4]",
         CZ_ESHAPE, "'y' is declared float16, but is bool"},
        {"in x f32[4]; y = Shape(x); out y bf16[1]", CZ_ESHAPE,
         "'y' is declared bfloat16, but is int64"},
        {"in x f32[4]; y = Cast(x) to=7; out y f32[4]", CZ_ESHAPE,
         "'y' is declared float32, but is int64"},
        /* of a size and a type that only a frame tells */
        {"in x f32[4]; n = NonZero(x); y = Neg(n); out y f16[1,?]", CZ_ESHAPE,
         "'y' is declared float16, but is int64"},
    };
    (void)state;
    CHECK_REFUSED(rows);
}

/* More than a thread converts at a time, and a rest. */
static void converts_all_of_a_half_precision_port(void **state)
{
    (void)state;
    enum { N = 3 * (1 << 16) + 5 };
    static const char *const texts[] = {
        "in x f16[196613]; y = Neg(x); out y f16[196613]",
        "in x bf16[196613]; y = Neg(x); out y bf16[196613]"};
    for (size_t t = 0; t < COUNT(texts); t++) {
        struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
        options.threads = 1 + t;
        struct cz_test_engine e = cz_test_engine(texts[t], &options);
        uint16_t *x = cz_plan_inputs(e.plan, NULL)->data;
        for (size_t i = 0; i < N; i++)
            x[i] = (uint16_t)(i % 0x7c00);
        cz_test_run(&e);
        const uint16_t *y = cz_plan_outputs(e.plan, NULL)->data;
        for (size_t i = 0; i < N; i++)
            assert_int_equal(y[i], x[i] ^ 0x8000);
        cz_test_engine_fini(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_an_input_back_through_views),
        cmocka_unit_test(takes_constant_nodes_of_every_kind),
        cmocka_unit_test(names_every_operator_that_is_missing),
        cmocka_unit_test(refuses_what_only_passes_put_in),
        cmocka_unit_test(asks_for_dims_that_are_open),
        cmocka_unit_test(refuses_an_output_that_is_declared_otherwise),
        cmocka_unit_test(converts_all_of_a_half_precision_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
