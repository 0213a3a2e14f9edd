/* Views: the shapes they give, the elements they keep. The expected shapes are
 * worked out by hand from the ONNX operator specification. */
#include "tests/engine/op_support.h"

/* The six elements come out in their order with another shape. */
#define KEEPS_SIX(text, type)                                                  \
    {                                                                          \
        text, SIX, type, SIX, EXACT                                            \
    }

static void reshapes_with_copied_and_open_dims(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        KEEPS_SIX("in x f32[2,3]; const s i64[2] 3 2; out y;"
                  "y = Reshape(x, s)",
                  "float32[3,2]"),
        KEEPS_SIX("in x f32[2,3]; const s i64[3] 0 -1 1; out y;"
                  "y = Reshape(x, s)",
                  "float32[2,3,1]"),
        KEEPS_SIX("opset 9; in x f32[2,3]; const s i64[1] -1;"
                  "out y; y = Reshape(x, s)",
                  "float32[6]"),
        KEEPS_SIX("opset 14; in x i32[6]; const s i64[2] -1 2; out y;"
                  "y = Reshape(x, s) allowzero=1",
                  "int32[3,2]"),
        {"in x f32[1]; const s i64[0]; out y; y = Reshape(x, s)", CZ_NUMBERS(7),
         "float32[]", CZ_NUMBERS(7), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void reshapes_empty_arrays(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[0,4]; const s i64[2] 0 -1; out y; y = Reshape(x, s)", NULL,
         0, "float32[0,4]", NULL, 0, EXACT},
        {"in x f32[0,4]; const s i64[2] -1 2; out y; y = Reshape(x, s)", NULL,
         0, "float32[0,2]", NULL, 0, EXACT},
        {"opset 14; in x f32[0,4]; const s i64[3] 3 0 2; out y;"
         "y = Reshape(x, s) allowzero=1",
         NULL, 0, "float32[3,0,2]", NULL, 0, EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void reshapes_to_a_shape_that_comes_with_the_frame(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[2,3]; in s i64[2]; out y; y = Reshape(x, s)", NULL);
    cz_test_feed(&e, "x", SIX);
    cz_test_feed(&e, "s", CZ_NUMBERS(3, -1));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[3,2]", SIX, EXACT);
    cz_test_feed(&e, "s", CZ_NUMBERS(1, 6));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[1,6]", SIX, EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_shapes_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"in x f32[2,3]; const s i64[2] 4 2; out y; y = Reshape(x, s)",
         "Reshape 'y': [2,3] cannot become [4,2]"},
        {"in x f32[2,3]; const s i64[2] -1 4; out y; y = Reshape(x, s)",
         "Reshape 'y': [2,3] cannot become [-1,4]"},
        {"in x f32[2,3]; const s i64[2] -1 -1; out y; y = Reshape(x, s)",
         "Reshape 'y': its shape is [-1,-1]"},
        {"in x f32[2,3]; const s i64[2] -2 3; out y; y = Reshape(x, s)",
         "Reshape 'y': its shape is [-2,3]"},
        {"in x f32[2,3]; const s i64[9] 1; out y; y = Reshape(x, s)",
         "Reshape 'y': input 1 has 9 numbers, at most 8 can be"},
        {"in x f32[2,3]; const s i64[2] 4611686018427387904 4; out y;"
         "y = Reshape(x, s)",
         "Reshape 'y': its output of float32 [4611686018427387904,4] would "
         "not fit in memory"},
        {"in x f32[2,3]; const a i64[1] 1; out y; y = Squeeze(x, a)",
         "Squeeze 'y': axis 1 is 3, want 1"},
        {"in x f32[2,3]; const a i64[2] 0 -4; out y; y = Unsqueeze(x, a)",
         "Unsqueeze 'y': axis 0 is there twice"},
        {"in x f32[2,3]; const a i64[1] 3; out y; y = Unsqueeze(x, a)",
         "Unsqueeze 'y': axis 3 is outside of 3 dimensions"},
        {"in x f32[2,3]; out y; y = Flatten(x) axis=-3",
         "Flatten 'y': axis -3 is outside of 2 dimensions"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cz_error err = CZ_ERROR_INIT;
        assert_int_equal(cz_test_engine_try(rows[i].text, &err), CZ_ESHAPE);
        assert_string_equal(err.message, rows[i].message);
    }
}

static void flattens_at_any_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        KEEPS_SIX("in x f32[1,2,3]; out y; y = Flatten(x)", "float32[1,6]"),
        KEEPS_SIX("opset 9; in x f32[1,2,3]; out y; y = Flatten(x) axis=2",
                  "float32[2,3]"),
        KEEPS_SIX("in x f32[1,2,3]; out y; y = Flatten(x) axis=3",
                  "float32[6,1]"),
        KEEPS_SIX("in x f32[1,2,3]; out y; y = Flatten(x) axis=-1",
                  "float32[2,3]"),
        KEEPS_SIX("in x f32[1,2,3]; out y; y = Flatten(x) axis=0",
                  "float32[1,6]"),
        {"in x f32[]; out y; y = Flatten(x) axis=0", CZ_NUMBERS(5),
         "float32[1,1]", CZ_NUMBERS(5), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void drops_and_adds_axes_of_size_1(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        KEEPS_SIX("in x f32[1,2,1,3]; out y; y = Squeeze(x)", "float32[2,3]"),
        KEEPS_SIX("in x f32[1,2,1,3]; const a i64[1] -2; out y;"
                  "y = Squeeze(x, a)",
                  "float32[1,2,3]"),
        KEEPS_SIX("opset 11; in x f32[1,2,1,3]; out y; y = Squeeze(x) axes=[0]",
                  "float32[2,1,3]"),
        KEEPS_SIX("in x f32[2,3]; const a i64[2] -1 0; out y;"
                  "y = Unsqueeze(x, a)",
                  "float32[1,2,3,1]"),
        KEEPS_SIX("opset 9; in x f32[2,3]; out y; y = Unsqueeze(x) axes=[1,2]",
                  "float32[2,1,1,3]"),
        {"in x i64[]; const a i64[1] 0; out y; y = Unsqueeze(x, a)",
         CZ_NUMBERS(-4), "int64[1]", CZ_NUMBERS(-4), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void passes_elements_through_a_dropout(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        KEEPS_SIX("opset 9; in x f32[6]; out y; y = Dropout(x) ratio=0.9",
                  "float32[6]"),
        KEEPS_SIX("opset 13; in x f32[6]; const r f32[] 0.5; const t bool[] 0;"
                  "out y; y = Dropout(x, r, t)",
                  "float32[6]"),
    };
    cz_test_cases(cases, COUNT(cases));
}

static void says_that_a_dropout_kept_everything(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[2]; out y; z, y = Dropout(x)", CZ_NUMBERS(0, 5),
         "float32[2]", CZ_NUMBERS(1, 1), EXACT},
        {"opset 10; in x f32[2]; out y; z, y = Dropout(x)", CZ_NUMBERS(0, 5),
         "bool[2]", CZ_NUMBERS(1, 1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_to_train(void **state)
{
    (void)state;
    struct cz_error err = CZ_ERROR_INIT;
    assert_int_equal(
        cz_test_engine_try("in x f32[6]; const r f32[] 0.5; const t bool[] 1;"
                           "out y; y = Dropout(x, r, t)",
                           &err),
        CZ_EUNSUPPORTED);
    assert_string_equal(err.message, "Dropout 'y': training_mode must be a "
                                     "constant 'false'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshapes_with_copied_and_open_dims),
        cmocka_unit_test(reshapes_empty_arrays),
        cmocka_unit_test(reshapes_to_a_shape_that_comes_with_the_frame),
        cmocka_unit_test(refuses_shapes_that_do_not_fit),
        cmocka_unit_test(flattens_at_any_axis),
        cmocka_unit_test(drops_and_adds_axes_of_size_1),
        cmocka_unit_test(passes_elements_through_a_dropout),
        cmocka_unit_test(says_that_a_dropout_kept_everything),
        cmocka_unit_test(refuses_to_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
