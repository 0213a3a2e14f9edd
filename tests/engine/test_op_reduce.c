/* Reductions, ArgMax and ArgMin, the softmaxes and CumSum. Expected numbers are
 * worked out by hand or with numpy, in double precision. */
#include <math.h>

#include "tests/engine/op_support.h"

#define N CZ_NUMBERS

/* ---- reductions ------------------------------------------------------- */

/* Of [[1, 2, 3], [4, 5, 6]] along the last axis. */
#define ROWS(op, ...)                                                          \
    {                                                                          \
        "opset 17; in x f32[2,3]; out y; y = " op "(x) axes=[1] keepdims=0",   \
            N(1, 2, 3, 4, 5, 6), "float32[2]", N(__VA_ARGS__), FLOAT32         \
    }
#define COLUMNS(op, ...)                                                       \
    {                                                                          \
        "opset 18; in x f32[2,3]; const a i64[1] -2; out y; y = " op "(x, a)", \
            N(1, 2, 3, 4, 5, 6), "float32[1,3]", N(__VA_ARGS__), FLOAT32       \
    }

static void reduces_runs_and_rows(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        COLUMNS("ReduceSum", 5, 7, 9),
        ROWS("ReduceMean", 2, 5),
        COLUMNS("ReduceMean", 2.5, 3.5, 4.5),
        ROWS("ReduceMax", 3, 6),
        COLUMNS("ReduceMax", 4, 5, 6),
        ROWS("ReduceMin", 1, 4),
        COLUMNS("ReduceMin", 1, 2, 3),
        ROWS("ReduceProd", 6, 120),
        COLUMNS("ReduceProd", 4, 10, 18),
        ROWS("ReduceL1", 6, 15),
        COLUMNS("ReduceL1", 5, 7, 9),
        ROWS("ReduceL2", 3.74165739, 8.77496439),
        COLUMNS("ReduceL2", 4.12310563, 5.38516481, 6.70820393),
        ROWS("ReduceLogSum", 1.79175947, 2.7080502),
        COLUMNS("ReduceLogSum", 1.60943791, 1.94591015, 2.19722458),
        ROWS("ReduceLogSumExp", 3.40760596, 6.40760596),
        COLUMNS("ReduceLogSumExp", 4.04858735, 5.04858735, 6.04858735),
        ROWS("ReduceSumSquare", 14, 77),
        COLUMNS("ReduceSumSquare", 17, 29, 45),
    };
    CHECK_CASES(cases);
}

static void reduces_any_set_of_axes(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 11; in x f32[2,2,2]; out y; y = ReduceSum(x)",
         N(1, 2, 3, 4, 5, 6, 7, 8), "float32[1,1,1]", N(36), EXACT},
        {"opset 11; in x f32[2,2,2]; out y; y = ReduceSum(x) keepdims=0",
         N(1, 2, 3, 4, 5, 6, 7, 8), "float32[]", N(36), EXACT},
        {"in x f32[2,2,2]; const a i64[2] 0 -1; out y; y = ReduceSum(x, a)",
         N(1, 2, 3, 4, 5, 6, 7, 8), "float32[1,2,1]", N(14, 22), EXACT},
        {"in x f32[2,2,2]; const a i64[2] 0 1; out y;"
         "y = ReduceSum(x, a) keepdims=0",
         N(1, 2, 3, 4, 5, 6, 7, 8), "float32[2]", N(16, 20), EXACT},
        {"in x f32[2,2,2]; const a i64[1] 1; out y;"
         "y = ReduceSum(x, a) keepdims=0",
         N(1, 2, 3, 4, 5, 6, 7, 8), "float32[2,2]", N(4, 6, 12, 14), EXACT},
        {"in x f32[2,2,2,2]; const a i64[2] 0 2; out y;"
         "y = ReduceSum(x, a) keepdims=0",
         N(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[2,2]", N(20, 24, 36, 40), EXACT},
        {"in x f32[]; out y; y = ReduceSum(x)", N(7), "float32[]", N(7), EXACT},
        {"in x f32[1,3,1]; const a i64[1] 0; out y; y = ReduceSum(x, a)",
         N(1, 2, 3), "float32[1,3,1]", N(1, 2, 3), EXACT},
    };
    CHECK_CASES(cases);
}

static void takes_no_axes_for_all_or_for_none(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,2]; out y; y = ReduceSum(x) noop_with_empty_axes=0",
         N(1, 2, 3, 4), "float32[1,1]", N(10), EXACT},
        {"in x f32[2,2]; out y; y = ReduceSum(x) noop_with_empty_axes=1",
         N(1, 2, 3, 4), "float32[2,2]", N(1, 2, 3, 4), EXACT},
        {"opset 18; in x f32[2,2]; const a i64[0]; out y;"
         "y = ReduceMax(x, a) noop_with_empty_axes=1",
         N(1, 2, 3, 4), "float32[2,2]", N(1, 2, 3, 4), EXACT},
        {"opset 18; in x f32[2,2]; out y;"
         "y = ReduceL2(x) noop_with_empty_axes=1",
         N(1, -2, 3, -4), "float32[2,2]", N(1, 2, 3, 4), EXACT},
        {"opset 18; in x f32[2,2]; out y;"
         "y = ReduceL1(x) noop_with_empty_axes=1",
         N(1, -2, 3, -4), "float32[2,2]", N(1, 2, 3, 4), EXACT},
        {"opset 18; in x f32[2,2]; out y;"
         "y = ReduceSumSquare(x) noop_with_empty_axes=1",
         N(1, -2, 3, -4), "float32[2,2]", N(1, 4, 9, 16), EXACT},
        {"opset 18; in x f32[2]; out y;"
         "y = ReduceLogSum(x) noop_with_empty_axes=1",
         N(1, 2.718281828), "float32[2]", N(0, 1), FLOAT32},
        {"opset 18; in x f32[2,2]; out y;"
         "y = ReduceLogSumExp(x) noop_with_empty_axes=1",
         N(1, -2, 3, -4), "float32[2,2]", N(1, -2, 3, -4), EXACT},
        {"opset 18; in x f32[]; out y; y = ReduceMean(x) "
         "noop_with_empty_axes=1",
         N(-3), "float32[]", N(-3), EXACT},
    };
    CHECK_CASES(cases);
}

static void reduces_axes_that_a_frame_brings(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[2,2]; in a i64[1]; y = ReduceSum(x, a) keepdims=0; out y",
        NULL);
    cz_test_feed(&e, "x", N(1, 2, 3, 4));
    cz_test_feed(&e, "a", N(0));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2]", N(4, 6), EXACT);
    cz_test_feed(&e, "a", N(-1));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2]", N(3, 7), EXACT);
    cz_test_engine_fini(&e);
}

static void starts_where_there_is_nothing(void **state)
{
    (void)state;
#define EMPTY(op, want)                                                        \
    {                                                                          \
        "in x f32[2,0]; out y; y = " op "(x) axes=[1] keepdims=0", NULL, 0,    \
            "float32[2]", N(want, want), EXACT                                 \
    }
    const struct cz_test_case cases[] = {
        EMPTY("ReduceMean", NAN),
        EMPTY("ReduceMax", -INFINITY),
        EMPTY("ReduceMin", INFINITY),
        EMPTY("ReduceProd", 1),
        EMPTY("ReduceL2", 0),
        EMPTY("ReduceLogSum", -INFINITY),
        EMPTY("ReduceLogSumExp", -INFINITY),
        {"in x i8[1,0]; out y; y = ReduceMax(x) axes=[1]", NULL, 0, "int8[1,1]",
         N(-128), EXACT},
        {"in x i32[1,0]; out y; y = ReduceMean(x) axes=[1]", NULL, 0,
         "int32[1,1]", N(0), EXACT},
        {"in x f32[0,2]; out y; y = ReduceMax(x) axes=[1]", NULL, 0,
         "float32[0,1]", NULL, 0, EXACT},
    };
    CHECK_CASES(cases);
}

static void reduces_integers_and_doubles(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 11; in x i32[3]; out y; y = ReduceSum(x)", N(2147483647, 1, 0),
         "int32[1]", N(-2147483648.0), EXACT},
        {"in x i64[3]; out y; y = ReduceMean(x)", N(-1, -2, -4), "int64[1]",
         N(-2), EXACT},
        {"in x u8[3]; out y; y = ReduceMax(x)", N(3, 200, 7), "uint8[1]",
         N(200), EXACT},
        {"in x i8[3]; out y; y = ReduceMin(x)", N(3, -100, 7), "int8[1]",
         N(-100), EXACT},
        {"opset 20; in x bool[3]; out y; y = ReduceMax(x)", N(0, 1, 0),
         "bool[1]", N(1), EXACT},
        {"opset 20; in x bool[3]; out y; y = ReduceMin(x)", N(0, 1, 0),
         "bool[1]", N(0), EXACT},
        {"in x i32[3]; out y; y = ReduceL1(x)", N(-3, 4, -5), "int32[1]", N(12),
         EXACT},
        {"in x i32[2]; out y; y = ReduceL2(x)", N(-3, 4), "int32[1]", N(5),
         EXACT},
        {"in x u64[2]; out y; y = ReduceProd(x)", N(3, 4), "uint64[1]", N(12),
         EXACT},
        {"in x f64[2]; out y; y = ReduceLogSumExp(x)", N(1000, 999),
         "double[1]", N(1000.3132616875183), 1e-14},
    };
    CHECK_CASES(cases);
}

static void finds_nan_as_the_largest_and_the_smallest(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,2]; out y; y = ReduceMax(x) axes=[1] keepdims=0",
         N(NAN, 1, 1, NAN), "float32[2]", N(NAN, NAN), EXACT},
        {"in x f32[2,2]; out y; y = ReduceMin(x) axes=[0] keepdims=0",
         N(NAN, 1, 1, NAN), "float32[2]", N(NAN, NAN), EXACT},
    };
    CHECK_CASES(cases);
}

/* 100 rows of 1000 elements, where the sum of ones in float32 alone would be
 * right, too, but not that of tenths. */
static void adds_up_long_runs(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    static double x[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = 0.1;
    const struct cz_test_case cases[] = {
        {"opset 11; in x f32[100,1000]; out y; y = ReduceSum(x)", x, COUNT,
         "float32[1,1]", N(10000.000149), 1e-7},
    };
    CHECK_CASES(cases);
}

/* ---- ArgMax and ArgMin ------------------------------------------------ */

static void finds_the_first_or_the_last(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; out y; y = ArgMax(x) axis=1", N(1, 5, 5, 7, 2, 7),
         "int64[2,1]", N(1, 0), EXACT},
        {"in x f32[2,3]; out y; y = ArgMax(x) axis=-1 select_last_index=1",
         N(1, 5, 5, 7, 2, 7), "int64[2,1]", N(2, 2), EXACT},
        {"opset 11; in x f32[2,3]; out y; y = ArgMax(x) keepdims=0",
         N(1, 5, 5, 7, 2, 7), "int64[3]", N(1, 0, 1), EXACT},
        {"in x i8[4]; out y; y = ArgMin(x) keepdims=0", N(1, -5, -5, 7),
         "int64[]", N(1), EXACT},
        {"in x u16[4]; out y; y = ArgMin(x) select_last_index=1", N(1, 0, 0, 7),
         "int64[1]", N(2), EXACT},
        {"in x f32[3]; out y; y = ArgMax(x)", N(1, NAN, INFINITY), "int64[1]",
         N(1), EXACT},
        {"in x f32[0,3]; out y; y = ArgMax(x) axis=1", NULL, 0, "int64[0,1]",
         NULL, 0, EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- softmaxes -------------------------------------------------------- */

#define X2 N(1, 2, 3, 1, 1, 5)

static void normalizes_exponentials_along_an_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; out y; y = Softmax(x)", X2, "float32[2,3]",
         N(0.0900305732, 0.244728471, 0.665240956, 0.017668422, 0.017668422,
           0.964663156),
         FLOAT32},
        {"in x f32[2,3]; out y; y = Softmax(x) axis=0", X2, "float32[2,3]",
         N(0.5, 0.731058579, 0.119202922, 0.5, 0.268941421, 0.880797078),
         FLOAT32},
        {"in x f64[2,3]; out y; y = LogSoftmax(x)", X2, "double[2,3]",
         N(-2.40760596, -1.40760596, -0.407605964, -4.0359763, -4.0359763,
           -0.0359762997),
         1e-8},
        {"in x f32[2,3]; out y; y = LogSoftmax(x) axis=-2", X2, "float32[2,3]",
         N(-0.693147181, -0.313261688, -2.12692801, -0.693147181, -1.31326169,
           -0.126928011),
         FLOAT32},
        {"in x f32[2,3]; out y; y = Hardmax(x)", X2, "float32[2,3]",
         N(0, 0, 1, 0, 0, 1), EXACT},
        {"in x f32[2,3]; out y; y = Hardmax(x) axis=0", X2, "float32[2,3]",
         N(1, 1, 0, 0, 0, 1), EXACT},
        {"in x f32[2]; out y; y = Softmax(x)", N(1000, 1000), "float32[2]",
         N(0.5, 0.5), EXACT},
        {"in x f32[2,0]; out y; y = Softmax(x)", NULL, 0, "float32[2,0]", NULL,
         0, EXACT},
    };
    CHECK_CASES(cases);
}

static void flattens_behind_the_axis_up_to_opset_12(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 12; in x f32[1,2,3]; out y; y = Softmax(x)", X2,
         "float32[1,2,3]",
         N(0.0147698515, 0.0401486188, 0.109135261, 0.0147698515, 0.0147698515,
           0.806406566),
         FLOAT32},
        {"opset 11; in x f32[1,2,3]; out y; y = Hardmax(x)", X2,
         "float32[1,2,3]", N(0, 0, 0, 0, 0, 1), EXACT},
        {"opset 9; in x f32[1,2,3]; out y; y = Softmax(x) axis=2", X2,
         "float32[1,2,3]",
         N(0.0900305732, 0.244728471, 0.665240956, 0.017668422, 0.017668422,
           0.964663156),
         FLOAT32},
        {"opset 11; in x f32[2]; out y; y = LogSoftmax(x)", N(3, 4),
         "float32[2]", N(0, 0), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- CumSum ----------------------------------------------------------- */

static void adds_up_along_an_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; const a i32[] 1; out y; y = CumSum(x, a)",
         N(1, 2, 3, 4, 5, 6), "float32[2,3]", N(1, 3, 6, 4, 9, 15), EXACT},
        {"in x f32[2,3]; const a i64[] -2; out y; y = CumSum(x, a)",
         N(1, 2, 3, 4, 5, 6), "float32[2,3]", N(1, 2, 3, 5, 7, 9), EXACT},
        {"in x i32[3]; const a i64[1] 0; out y; y = CumSum(x, a) exclusive=1",
         N(1, 2, 3), "int32[3]", N(0, 1, 3), EXACT},
        {"in x f64[3]; const a i64[] 0; out y; y = CumSum(x, a) reverse=1",
         N(1, 2, 3), "double[3]", N(6, 5, 3), EXACT},
        {"in x i64[3]; const a i64[] 0; out y;"
         "y = CumSum(x, a) reverse=1 exclusive=1",
         N(1, 2, 3), "int64[3]", N(5, 3, 0), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- refusals --------------------------------------------------------- */

static void refuses_axes_and_types_that_are_wrong(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[2,3]; out y; y = ReduceMax(x) axes=[2]", CZ_ESHAPE,
         "ReduceMax 'y': axis 2 is outside of 2 dimensions"},
        {"in x f32[2,3]; out y; y = ReduceMax(x) axes=[1,-1]", CZ_ESHAPE,
         "ReduceMax 'y': axis 1 is named twice"},
        {"in x f32[2,3]; out y; y = ReduceMax(x) axes=[0,0,0,0,0,0,0,0,0]",
         CZ_ESHAPE, "ReduceMax 'y': 'axes' has 9 numbers"},
        {"in x f32[2,3]; out y; y = ReduceMax(x) axes=1", CZ_ESHAPE,
         "ReduceMax 'y': attribute 'axes'"},
        {"in x f32[2,3]; const a f32[1] 1; out y; y = ReduceSum(x, a)",
         CZ_ESHAPE, "ReduceSum 'y': input 1 is float32, want int64"},
        {"in x bool[2]; out y; y = ReduceMean(x)", CZ_EUNSUPPORTED,
         "ReduceMean 'y': not for elements of bool"},
        {"in x f32[2]; out y; y = ArgMax(x) axis=-2", CZ_ESHAPE,
         "ArgMax 'y': axis -2 is outside of 1 dimensions"},
        {"in x f32[2,0]; out y; y = ArgMax(x) axis=1", CZ_ESHAPE,
         "ArgMax 'y': axis 1 of [2,0] has no elements"},
        {"in x f32[2]; out y; y = Softmax(x) axis=1", CZ_ESHAPE,
         "Softmax 'y': axis 1 is outside of 1 dimensions"},
        {"in x i32[2]; out y; y = Softmax(x)", CZ_EUNSUPPORTED,
         "Softmax 'y': not for elements of int32"},
        {"in x f32[2]; const a i64[] 1; out y; y = CumSum(x, a)", CZ_ESHAPE,
         "CumSum 'y': axis 1 is outside of 1 dimensions"},
        {"in x f32[]; in a i64[]; out y; y = CumSum(x, a)", CZ_EINVAL,
         "CumSum 'y': axis 0 of 0 dimensions"},
        {"in x f32[2]; in a i64[2]; out y; y = CumSum(x, a)", CZ_ESHAPE,
         "CumSum 'y': axis has 2 elements, want 1"},
    };
    CHECK_REFUSED(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduces_runs_and_rows),
        cmocka_unit_test(reduces_any_set_of_axes),
        cmocka_unit_test(takes_no_axes_for_all_or_for_none),
        cmocka_unit_test(reduces_axes_that_a_frame_brings),
        cmocka_unit_test(starts_where_there_is_nothing),
        cmocka_unit_test(reduces_integers_and_doubles),
        cmocka_unit_test(finds_nan_as_the_largest_and_the_smallest),
        cmocka_unit_test(adds_up_long_runs),
        cmocka_unit_test(finds_the_first_or_the_last),
        cmocka_unit_test(normalizes_exponentials_along_an_axis),
        cmocka_unit_test(flattens_behind_the_axis_up_to_opset_12),
        cmocka_unit_test(adds_up_along_an_axis),
        cmocka_unit_test(refuses_axes_and_types_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
