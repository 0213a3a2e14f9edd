/* Slice and Pad. The expected numbers are worked out by hand from the ONNX
 * operator specification; those of reflect and wrap are numpy.pad()'s. */
#include "tests/engine/op_support.h"

#define EIGHT CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7)

/* ---- Slice ------------------------------------------------------------ */

static void slices_with_steps_in_both_directions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[8]; const s i64[1] 1; const e i64[1] 7; const a i64[1] 0;"
         "const t i64[1] 2; out y; y = Slice(x, s, e, a, t)",
         EIGHT, "float32[3]", CZ_NUMBERS(1, 3, 5), EXACT},
        {"in x f32[8]; const s i64[1] -1; const a i64[1] -1; const t i64[1] -3;"
         "const e i64[1] -9223372036854775808; out y;"
         "y = Slice(x, s, e, a, t)",
         EIGHT, "float32[3]", CZ_NUMBERS(7, 4, 1), EXACT},
        {"in x i32[2,4]; const s i32[2] 1 3; const e i32[2] 100 0;"
         "const a i32[2] 0 1; const t i32[2] 1 -1; out y;"
         "y = Slice(x, s, e, a, t)",
         EIGHT, "int32[1,3]", CZ_NUMBERS(7, 6, 5), EXACT},
        {"in x u8[2,4]; const s i64[1] 1; const a i64[1] 1;"
         "const e i64[1] 9000000000000000000; const t i64[1] 2; out y;"
         "y = Slice(x, s, e, a, t)",
         EIGHT, "uint8[2,2]", CZ_NUMBERS(1, 3, 5, 7), EXACT},
        {"in x f32[8]; const s i64[1] 2; const e i64[1] 3; const a i64[1] 0;"
         "const t i64[1] 9000000000000000000; out y;"
         "y = Slice(x, s, e, a, t)",
         EIGHT, "float32[1]", CZ_NUMBERS(2), EXACT},
        {"in x f32[8]; const s i64[1] 2; const e i64[1] -100; const a i64[1] 0;"
         "const t i64[1] -9223372036854775808; out y;"
         "y = Slice(x, s, e, a, t)",
         EIGHT, "float32[1]", CZ_NUMBERS(2), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void slices_without_axes_or_steps(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,4]; const s i64[2] 0 1; const e i64[2] 2 -1; out y;"
         "y = Slice(x, s, e)",
         EIGHT, "float32[2,2]", CZ_NUMBERS(1, 2, 5, 6), EXACT},
        {"in x f32[2,4]; const s i64[1] 5; const e i64[1] 9; out y;"
         "y = Slice(x, s, e)",
         EIGHT, "float32[0,4]", NONE, EXACT},
        {"opset 9; in x f32[2,4]; out y;"
         "y = Slice(x) axes=[1] starts=[-3] ends=[-1]",
         EIGHT, "float32[2,2]", CZ_NUMBERS(1, 2, 5, 6), EXACT},
        {"opset 9; in x f32[2,4]; out y; y = Slice(x) starts=[1] ends=[99]",
         EIGHT, "float32[1,4]", CZ_NUMBERS(4, 5, 6, 7), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void slices_where_the_frame_says(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x f32[8]; in s i64[1]; const e i64[1] 8; out y;"
                       "y = Slice(x, s, e)",
                       NULL);
    cz_test_feed(&e, "x", EIGHT);
    cz_test_feed(&e, "s", CZ_NUMBERS(6));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2]", CZ_NUMBERS(6, 7), EXACT);
    cz_test_feed(&e, "s", CZ_NUMBERS(4));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[4]", CZ_NUMBERS(4, 5, 6, 7), EXACT);
    cz_test_feed(&e, "s", CZ_NUMBERS(8));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[0]", NONE, EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_slices_that_contradict_themselves(void **state)
{
    (void)state;
    static const struct cz_test_refusal rows[] = {
        {"in x f32[8]; const s i64[1] 0; const t i64[1] 0; out y;"
         "y = Slice(x, s, s, s, t)",
         "Slice 'y': the step of axis 0 is 0"},
        {"in x f32[8]; const s i64[1] 0; const e i64[2] 0; out y;"
         "y = Slice(x, s, e)",
         "Slice 'y': 1 starts, 2 ends, 0 axes, 0 steps"},
        {"in x f32[8,8]; const s i64[2] 0; const a i64[2] 0 -2; out y;"
         "y = Slice(x, s, s, a)",
         "Slice 'y': axis 0 is there twice"},
        {"in x f32[8]; const s i64[2] 0; out y; y = Slice(x, s, s)",
         "Slice 'y': axis 1 is outside of 1 dimensions"},
        {"in x f32[8]; const s f32[1] 0; out y; y = Slice(x, s, s)",
         "Slice 'y': input 1 is float32, want int64"},
    };
    cz_test_refusals(rows, COUNT(rows));
}

/* ---- Pad -------------------------------------------------------------- */

static void pads_with_a_constant(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[2]; out y; y = Pad(x) pads=[1,2] value=0.5",
         CZ_NUMBERS(3, 4), "float32[5]", CZ_NUMBERS(0.5, 3, 4, 0.5, 0.5),
         EXACT},
        {"in x f32[1,2]; const p i64[4] 1 0 0 1; const v f32[] 9; out y;"
         "y = Pad(x, p, v)",
         CZ_NUMBERS(3, 4), "float32[2,3]", CZ_NUMBERS(9, 9, 9, 3, 4, 9), EXACT},
        {"in x i8[2]; const p i64[2] 1 0; out y; y = Pad(x, p)",
         CZ_NUMBERS(3, 4), "int8[3]", CZ_NUMBERS(0, 3, 4), EXACT},
        {"opset 18; in x f32[1,2]; const p i64[2] 0 1; const a i64[1] -1;"
         "out y; y = Pad(x, p, , a)",
         CZ_NUMBERS(3, 4), "float32[1,3]", CZ_NUMBERS(3, 4, 0), EXACT},
        {"in x f32[0]; const p i64[2] 1 1; const v f32[] 2; out y;"
         "y = Pad(x, p, v)",
         NONE, "float32[2]", CZ_NUMBERS(2, 2), EXACT},
        {"in x f32[]; const p i64[0]; out y; y = Pad(x, p)", CZ_NUMBERS(3),
         "float32[]", CZ_NUMBERS(3), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void crops_where_pads_are_negative(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[8]; const p i64[2] -2 1; out y; y = Pad(x, p)", EIGHT,
         "float32[7]", CZ_NUMBERS(2, 3, 4, 5, 6, 7, 0), EXACT},
        {"in x f32[2,4]; const p i64[4] 0 1 -1 -3; out y; y = Pad(x, p)", EIGHT,
         "float32[1,2]", CZ_NUMBERS(0, 0), EXACT},
        {"in x f32[8]; const p i64[2] -8 0; out y; y = Pad(x, p)", EIGHT,
         "float32[0]", NONE, EXACT},
        {"in x f32[8]; const p i64[2] 2 -5; out y;"
         "y = Pad(x, p) mode=\"reflect\"",
         EIGHT, "float32[5]", CZ_NUMBERS(2, 1, 0, 1, 2), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void pads_with_elements_of_the_array(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[3]; out y; y = Pad(x) pads=[2,1] mode=\"reflect\"",
         CZ_NUMBERS(1, 2, 3), "float32[6]", CZ_NUMBERS(3, 2, 1, 2, 3, 2),
         EXACT},
        {"in x f32[3]; const p i64[2] 5 0; out y;"
         "y = Pad(x, p) mode=\"reflect\"",
         CZ_NUMBERS(1, 2, 3), "float32[8]", CZ_NUMBERS(2, 1, 2, 3, 2, 1, 2, 3),
         EXACT},
        {"in x u8[3]; const p i64[2] 2 1; out y; y = Pad(x, p) mode=\"edge\"",
         CZ_NUMBERS(1, 2, 3), "uint8[6]", CZ_NUMBERS(1, 1, 1, 2, 3, 3), EXACT},
        {"opset 19; in x f32[3]; const p i64[2] 2 4; out y;"
         "y = Pad(x, p) mode=\"wrap\"",
         CZ_NUMBERS(1, 2, 3), "float32[9]",
         CZ_NUMBERS(2, 3, 1, 2, 3, 1, 2, 3, 1), EXACT},
        {"in x f32[2,2]; const p i64[4] 1 1 0 0; out y;"
         "y = Pad(x, p) mode=\"reflect\"",
         CZ_NUMBERS(1, 2, 3, 4), "float32[3,3]",
         CZ_NUMBERS(4, 3, 4, 2, 1, 2, 4, 3, 4), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_pads_that_do_not_fit(void **state)
{
    (void)state;
    static const struct cz_test_refusal rows[] = {
        {"in x f32[2]; const p i64[2] -2 -1; out y; y = Pad(x, p)",
         "Pad 'y': pads of -2 and -1 for axis 0 of 2"},
        {"in x f32[2]; const p i64[2] -9223372036854775808 0; out y;"
         "y = Pad(x, p)",
         "Pad 'y': pads of -9223372036854775808 and 0 for axis 0 of 2"},
        {"in x f32[2]; const p i64[2] 9000000000000000000; out y;"
         "y = Pad(x, p)",
         "Pad 'y': pads of 9000000000000000000 and "
         "9000000000000000000 for axis 0 of 2"},
        {"in x f32[2]; const p i64[3] 0; out y; y = Pad(x, p)",
         "Pad 'y': 3 pads for 1 axes"},
        {"in x f32[0]; const p i64[2] 1 0; out y; y = Pad(x, p) mode=\"edge\"",
         "Pad 'y': axis 0 is empty: nothing to repeat"},
        {"in x f32[2]; const p i64[2] 1 0; out y; y = Pad(x, p) mode=\"odd\"",
         "Pad 'y': mode 'odd'"},
    };
    cz_test_refusals(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_with_steps_in_both_directions),
        cmocka_unit_test(slices_without_axes_or_steps),
        cmocka_unit_test(slices_where_the_frame_says),
        cmocka_unit_test(refuses_slices_that_contradict_themselves),
        cmocka_unit_test(pads_with_a_constant),
        cmocka_unit_test(crops_where_pads_are_negative),
        cmocka_unit_test(pads_with_elements_of_the_array),
        cmocka_unit_test(refuses_pads_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
