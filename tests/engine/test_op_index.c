/* Operators that make arrays of shapes, read and write where indices say. The
 * expected numbers are worked out by hand from the ONNX operator specification.
 */
#include "tests/engine/op_support.h"

/* ---- shapes ----------------------------------------------------------- */

static void tells_the_shape_or_a_part_of_it(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[1,2,3]; out y; y = Shape(x)", SIX, "int64[3]",
         CZ_NUMBERS(1, 2, 3), EXACT},
        {"opset 15; in x f32[1,2,3]; out y; y = Shape(x) start=1", SIX,
         "int64[2]", CZ_NUMBERS(2, 3), EXACT},
        {"opset 15; in x f32[1,2,3]; out y; y = Shape(x) start=-2 end=-1", SIX,
         "int64[1]", CZ_NUMBERS(2), EXACT},
        {"opset 15; in x f32[1,2,3]; out y; y = Shape(x) start=-99 end=99", SIX,
         "int64[3]", CZ_NUMBERS(1, 2, 3), EXACT},
        {"opset 15; in x f32[1,2,3]; out y; y = Shape(x) start=2 end=1", SIX,
         "int64[0]", NONE, EXACT},
        {"in x f32[]; out y; y = Shape(x)", CZ_NUMBERS(1), "int64[0]", NONE,
         EXACT},
        {"in x f32[2,0]; out y; y = Shape(x)", NONE, "int64[2]",
         CZ_NUMBERS(2, 0), EXACT},
        {"in x f32[1,2,3]; out y; y = Size(x)", SIX, "int64[]", CZ_NUMBERS(6),
         EXACT},
        {"in x f32[]; out y; y = Size(x)", CZ_NUMBERS(1), "int64[]",
         CZ_NUMBERS(1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void tells_a_shape_that_depends_on_data(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[4]; out y; out n; a = NonZero(x); y = Shape(a); n = Size(a)",
        NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 0, 2, 3));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "int64[2]", CZ_NUMBERS(1, 3), EXACT);
    cz_test_expect(&e, "n", "int64[]", CZ_NUMBERS(3), EXACT);
    cz_test_feed(&e, "x", CZ_NUMBERS(0, 0, 0, 3));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "int64[2]", CZ_NUMBERS(1, 1), EXACT);
    cz_test_engine_fini(&e);
}

static void fills_an_array_of_a_given_shape(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x i64[2]; const s i64[1] 2; const n i64[0]; out y; out z; out w;"
        "y = ConstantOfShape(x); z = ConstantOfShape(s);"
        "w = ConstantOfShape(n)",
        NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 3));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[1,3]", CZ_NUMBERS(0, 0, 0), EXACT);
    cz_test_expect(&e, "z", "float32[2]", CZ_NUMBERS(0, 0), EXACT);
    cz_test_expect(&e, "w", "float32[]", CZ_NUMBERS(0), EXACT);
    cz_test_engine_fini(&e);
}

static void counts_from_start_to_limit(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i64[]; const l i64[] 10; const d i64[] 4; out y;"
         "y = Range(x, l, d)",
         CZ_NUMBERS(1), "int64[3]", CZ_NUMBERS(1, 5, 9), EXACT},
        {"in x i32[]; const l i32[] 0; const d i32[] -2; out y;"
         "y = Range(x, l, d)",
         CZ_NUMBERS(5), "int32[3]", CZ_NUMBERS(5, 3, 1), EXACT},
        {"in x f32[]; const l f32[] 2; const d f32[] 0.5; out y;"
         "y = Range(x, l, d)",
         CZ_NUMBERS(0.75), "float32[3]", CZ_NUMBERS(0.75, 1.25, 1.75), EXACT},
        {"in x f64[]; const l f64[] -2; const d f64[] 0.5; out y;"
         "y = Range(x, l, d)",
         CZ_NUMBERS(0), "double[0]", NONE, EXACT},
        {"in x i64[1]; const l i64[1] 3; const d i64[1] 9000000000000000000;"
         "out y; y = Range(x, l, d)",
         CZ_NUMBERS(1), "int64[1]", CZ_NUMBERS(1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_ranges_without_an_end(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"const s i64[] 0; const l i64[] 5; const d i64[] 0; out y;"
         "in x f32[1]; y = Range(s, l, d)",
         CZ_ESHAPE, "Range 'y': it would make inf numbers"},
        {"const s f32[] 0; const l f32[] 0; const d f32[] 0; out y;"
         "in x f32[1]; y = Range(s, l, d)",
         CZ_ESHAPE, "Range 'y': it would make inf numbers"},
        {"const s i64[] 0; const l i64[] 1000000000000000000; const d i64[] 1;"
         "in x f32[1]; out y; y = Range(s, l, d)",
         CZ_ESHAPE, "Range 'y': it would make 1e+18 numbers"},
        {"const s i64[] 0; const l i64[] 1000000000000; const d i64[] 1;"
         "in x f32[1]; out y; y = Range(s, l, d)",
         CZ_ESHAPE,
         "Range 'y': its output of int64 [1000000000000] would not fit in "
         "memory"},
        {"in x f32[2]; out y; y = Range(x, x, x)", CZ_ESHAPE,
         "Range 'y': input 0 has 2 numbers, want 1"},
    };
    cz_test_failures(rows, COUNT(rows));
}

static void draws_a_diagonal(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; out y; y = EyeLike(x)", SIX, "float32[2,3]",
         CZ_NUMBERS(1, 0, 0, 0, 1, 0), EXACT},
        {"in x f32[2,3]; out y; y = EyeLike(x) k=1 dtype=7", SIX, "int64[2,3]",
         CZ_NUMBERS(0, 1, 0, 0, 0, 1), EXACT},
        {"in x f32[2,3]; out y; y = EyeLike(x) k=-1 dtype=11", SIX,
         "double[2,3]", CZ_NUMBERS(0, 0, 0, 1, 0, 0), EXACT},
        {"in x f32[2,3]; out y; y = EyeLike(x) k=-9223372036854775808", SIX,
         "float32[2,3]", CZ_NUMBERS(0, 0, 0, 0, 0, 0), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

/* ---- Gather ----------------------------------------------------------- */

static void gathers_slices_along_an_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3,2]; const i i64[2] 2 -3; out y; y = Gather(x, i)", SIX,
         "float32[2,2]", CZ_NUMBERS(5, 6, 1, 2), EXACT},
        {"in x f32[2,3]; const i i32[2,2] 0 2 -1 1; out y;"
         "y = Gather(x, i) axis=-1",
         SIX, "float32[2,2,2]", CZ_NUMBERS(1, 3, 3, 2, 4, 6, 6, 5), EXACT},
        {"in x f32[2,3]; const i i64[] 1; out y; y = Gather(x, i) axis=1", SIX,
         "float32[2]", CZ_NUMBERS(2, 5), EXACT},
        {"in x f32[2,3]; const i i64[0]; out y; y = Gather(x, i)", SIX,
         "float32[0,3]", NONE, EXACT},
        {"in x f32[2,0]; const i i64[1] 1; out y; y = Gather(x, i)", NONE,
         "float32[1,0]", NONE, EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void gathers_single_elements(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; const i i64[1,3] 1 0 -1; out y;"
         "y = GatherElements(x, i)",
         SIX, "float32[1,3]", CZ_NUMBERS(4, 2, 6), EXACT},
        {"in x u8[2,3]; const i i64[2,2] 2 0 -3 -2; out y;"
         "y = GatherElements(x, i) axis=1",
         SIX, "uint8[2,2]", CZ_NUMBERS(3, 1, 4, 5), EXACT},
        {"in x i64[1,3,2]; const i i64[1,1,2] 2 1; out y;"
         "y = GatherElements(x, i) axis=1",
         SIX, "int64[1,1,2]", CZ_NUMBERS(5, 4), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void gathers_by_tuples_of_indices(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; const i i64[2,2] 0 1 -1 -1; out y; y = GatherND(x, i)",
         SIX, "float32[2]", CZ_NUMBERS(2, 6), EXACT},
        {"in x f32[2,3]; const i i64[1,1] 1; out y; y = GatherND(x, i)", SIX,
         "float32[1,3]", CZ_NUMBERS(4, 5, 6), EXACT},
        {"opset 12; in x f32[2,3]; const i i64[2,1] 2 0; out y;"
         "y = GatherND(x, i) batch_dims=1",
         SIX, "float32[2]", CZ_NUMBERS(3, 4), EXACT},
        {"in x f32[2,3]; const i i64[2] 1 0; out y; y = GatherND(x, i)", SIX,
         "float32[]", CZ_NUMBERS(4), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void marks_one_class_of_each_index(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i64[3]; const d i64[] 3; const v f32[2] 5 9; out y;"
         "y = OneHot(x, d, v)",
         CZ_NUMBERS(0, -1, 7), "float32[3,3]",
         CZ_NUMBERS(9, 5, 5, 5, 5, 9, 5, 5, 5), EXACT},
        {"in x f32[2]; const d f32[1] 3; const v u8[2] 0 1; out y;"
         "y = OneHot(x, d, v) axis=0",
         CZ_NUMBERS(1, 2), "uint8[3,2]", CZ_NUMBERS(0, 0, 1, 0, 0, 1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

/* ---- Scatter ---------------------------------------------------------- */

static void scatters_single_elements(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[2,3]; const i i64[1,2] 1 0;"
         "const u f32[1,2] 7 8; out y; y = Scatter(x, i, u)",
         SIX, "float32[2,3]", CZ_NUMBERS(1, 8, 3, 7, 5, 6), EXACT},
        {"opset 11; in x f32[2,3]; const i i32[2,1] -1 0;"
         "const u f32[2,1] 7 8; out y; y = ScatterElements(x, i, u) axis=1",
         SIX, "float32[2,3]", CZ_NUMBERS(1, 2, 7, 8, 5, 6), EXACT},
        {"opset 16; in x i32[3]; const i i64[3] 1 1 -1; const u i32[3] 7 8 9;"
         "out y; y = ScatterElements(x, i, u) reduction=\"add\"",
         CZ_NUMBERS(1, 2, 3), "int32[3]", CZ_NUMBERS(1, 17, 12), EXACT},
        {"opset 16; in x i8[3]; const i i64[2] 1 1; const u i8[2] 100 3;"
         "out y; y = ScatterElements(x, i, u) reduction=\"mul\"",
         CZ_NUMBERS(1, 1, 3), "int8[3]", CZ_NUMBERS(1, 44, 3), EXACT},
        {"opset 18; in x f32[3]; const i i64[3] 0 1 2; const u f32[3] 2;"
         "out y; y = ScatterElements(x, i, u) reduction=\"max\"",
         CZ_NUMBERS(1, 2, 3), "float32[3]", CZ_NUMBERS(2, 2, 3), EXACT},
        {"opset 18; in x f32[3]; const i i64[3] 0 1 2; const u f32[3] 2;"
         "out y; y = ScatterElements(x, i, u) reduction=\"min\"",
         CZ_NUMBERS(1, 2, 3), "float32[3]", CZ_NUMBERS(1, 2, 2), EXACT},
        {"opset 18; in x bool[3]; const i i64[3] 0 1 2; const u bool[3] 1 0 1;"
         "out y; y = ScatterElements(x, i, u) reduction=\"mul\"",
         CZ_NUMBERS(1, 1, 0), "bool[3]", CZ_NUMBERS(1, 0, 0), EXACT},
        {"in x f32[3]; const i i64[0]; const u f32[0]; out y;"
         "y = ScatterElements(x, i, u)",
         CZ_NUMBERS(1, 2, 3), "float32[3]", CZ_NUMBERS(1, 2, 3), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void scatters_by_tuples_of_indices(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 11; in x f32[2,3]; const i i64[2,2] 0 1 -1 -1;"
         "const u f32[2] 7 8; out y; y = ScatterND(x, i, u)",
         SIX, "float32[2,3]", CZ_NUMBERS(1, 7, 3, 4, 5, 8), EXACT},
        {"opset 16; in x f32[2,3]; const i i64[2,1] 1;"
         "const u f32[2,3] iota; out y; y = ScatterND(x, i, u) "
         "reduction=\"add\"",
         SIX, "float32[2,3]", CZ_NUMBERS(1, 2, 3, 7, 10, 13), EXACT},
        {"opset 18; in x f32[2]; const i i64[2,1] 0 1; const u f32[2] 9 0;"
         "out y; y = ScatterND(x, i, u) reduction=\"max\"",
         CZ_NUMBERS(3, 4), "float32[2]", CZ_NUMBERS(9, 4), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

/* ---- errors ----------------------------------------------------------- */

static void refuses_indices_that_are_outside(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[3]; in i i64[1]; const o i64[1] 3; out y;"
         "j = Add(i, o); y = Gather(x, j)",
         CZ_EINVAL, "Gather 'y': index 3 is outside of 3"},
        {"in x f32[3]; const i i64[1] -4; out y; y = Gather(x, i)", CZ_EINVAL,
         "Gather 'y': index -4 is outside of 3"},
        {"in x f32[0]; const i i64[1] 0; out y; y = Gather(x, i)", CZ_EINVAL,
         "Gather 'y': index 0 is outside of 0"},
        {"in x f32[3]; const i i64[1] -9223372036854775808; out y;"
         "y = Gather(x, i)",
         CZ_EINVAL, "Gather 'y': index -9223372036854775808 is outside of 3"},
        {"in x f32[3]; const i i32[1] 3; out y; y = GatherElements(x, i)",
         CZ_EINVAL, "GatherElements 'y': index 3 is outside of 3"},
        {"in x f32[3,2]; const i i64[2] 2 2; out y; y = GatherND(x, i)",
         CZ_EINVAL, "GatherND 'y': index 2 is outside of 2"},
        {"in x f32[3]; const i i64[1] 5; const u f32[1]; out y;"
         "y = ScatterElements(x, i, u)",
         CZ_EINVAL, "ScatterElements 'y': index 5 is outside of 3"},
        {"in x f32[3]; const i i64[1,1] -4; const u f32[1]; out y;"
         "y = ScatterND(x, i, u)",
         CZ_EINVAL, "ScatterND 'y': index -4 is outside of 3"},
    };
    cz_test_failures(rows, COUNT(rows));
}

static void refuses_operands_that_do_not_fit_together(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[3]; in i f32[1]; out y; y = Gather(x, i)", CZ_ESHAPE,
         "Gather 'y': input 1 is float32, want int64 or int32"},
        {"in x f32[]; in i i64[1]; out y; y = Gather(x, i)", CZ_ESHAPE,
         "Gather 'y': axis 0 is outside of 0 dimensions"},
        {"in x f32[2,3]; in i i64[2,4]; out y; y = GatherElements(x, i)",
         CZ_ESHAPE,
         "GatherElements 'y': axis 1 of the indices is 4, of the data 3"},
        {"in x f32[2,3]; in i i64[2]; out y; y = GatherElements(x, i)",
         CZ_ESHAPE, "GatherElements 'y': input 1 is [2], want 2 dimensions"},
        {"in x f32[2,3]; in i i64[3]; out y; y = GatherND(x, i)", CZ_ESHAPE,
         "GatherND 'y': indices of [3] do not fit to data of [2,3] with 0 "
         "batch dimensions"},
        {"in x f32[2,3]; in i i64[3,1]; out y;"
         "y = GatherND(x, i) batch_dims=1",
         CZ_ESHAPE,
         "GatherND 'y': indices of [3,1] do not fit to data of [2,3] with 1 "
         "batch dimensions"},
        {"in x f32[3]; in i i64[1]; in u f32[2]; out y;"
         "y = ScatterElements(x, i, u)",
         CZ_ESHAPE, "ScatterElements 'y': [1] indices for [2] updates"},
        {"in x f32[3]; in i i64[1,1]; in u f32[2]; out y;"
         "y = ScatterND(x, i, u)",
         CZ_ESHAPE,
         "ScatterND 'y': [1,1] indices and [2] updates do not fit "
         "together"},
        {"in x f32[3]; in i i64[1]; in u i64[1]; out y;"
         "y = ScatterElements(x, i, u)",
         CZ_ESHAPE, "ScatterElements 'y': input 2 is int64, want float32"},
        {"in x f32[3]; in i i64[1]; in u f32[1]; out y;"
         "y = ScatterElements(x, i, u) reduction=\"sub\"",
         CZ_EUNSUPPORTED, "ScatterElements 'y': reduction 'sub'"},
        {"in x i64[3]; const d i64[] -3; const v f32[2]; out y;"
         "y = OneHot(x, d, v)",
         CZ_ESHAPE, "OneHot 'y': its output would be [3,-3]"},
    };
    cz_test_failures(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_shape_or_a_part_of_it),
        cmocka_unit_test(tells_a_shape_that_depends_on_data),
        cmocka_unit_test(fills_an_array_of_a_given_shape),
        cmocka_unit_test(counts_from_start_to_limit),
        cmocka_unit_test(refuses_ranges_without_an_end),
        cmocka_unit_test(draws_a_diagonal),
        cmocka_unit_test(gathers_slices_along_an_axis),
        cmocka_unit_test(gathers_single_elements),
        cmocka_unit_test(gathers_by_tuples_of_indices),
        cmocka_unit_test(marks_one_class_of_each_index),
        cmocka_unit_test(scatters_single_elements),
        cmocka_unit_test(scatters_by_tuples_of_indices),
        cmocka_unit_test(refuses_indices_that_are_outside),
        cmocka_unit_test(refuses_operands_that_do_not_fit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
