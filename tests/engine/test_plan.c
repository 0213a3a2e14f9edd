/* The compiler: ports, shapes, what is known at compile time, errors. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_an_input_back_through_views),
        cmocka_unit_test(takes_constant_nodes_of_every_kind),
        cmocka_unit_test(names_every_operator_that_is_missing),
        cmocka_unit_test(asks_for_dims_that_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
