/* Operators whose result is chosen by data. The expected numbers are worked out
 * by hand from the ONNX operator specification, and for NonMaxSuppression as
 * ONNX Runtime has it. */
#include <math.h>
#include <stdlib.h>

#include "tests/engine/op_support.h"

/* ---- TopK ------------------------------------------------------------- */

static void takes_the_best_in_order(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[5]; out y; y, i = TopK(x) k=3",
         CZ_NUMBERS(1, 5, 3, 5, 4), "float32[3]", CZ_NUMBERS(5, 5, 4), EXACT},
        {"opset 10; in x f32[5]; const k i64[1] 2; out y; y, i = TopK(x, k)",
         CZ_NUMBERS(-1, -5, -3, -2, -4), "float32[2]", CZ_NUMBERS(-1, -2),
         EXACT},
        {"opset 11; in x f32[5]; const k i64[1] 2; out y;"
         "y, i = TopK(x, k) largest=0",
         CZ_NUMBERS(-1, 5, -3, 2, 4), "float32[2]", CZ_NUMBERS(-3, -1), EXACT},
        {"in x i64[4]; const k i64[1] 4; out y; y, i = TopK(x, k)",
         CZ_NUMBERS(-7, 9, 0, 3), "int64[4]", CZ_NUMBERS(9, 3, 0, -7), EXACT},
        {"in x i32[4]; const k i64[1] 3; out y; y, i = TopK(x, k) largest=0",
         CZ_NUMBERS(-7, 2147483647, -2147483648.0, 3), "int32[3]",
         CZ_NUMBERS(-2147483648.0, -7, 3), EXACT},
        {"in x u8[4]; const k i64[1] 1; out y; y, i = TopK(x, k)",
         CZ_NUMBERS(7, 255, 0, 3), "uint8[1]", CZ_NUMBERS(255), EXACT},
        {"in x f32[3,2]; const k i64[1] 2; out y; y, i = TopK(x, k) axis=0",
         CZ_NUMBERS(1, 6, 3, 4, 5, 2), "float32[2,2]", CZ_NUMBERS(5, 6, 3, 4),
         EXACT},
        {"in x f32[3]; const k i64[1] 0; out y; y, i = TopK(x, k)",
         CZ_NUMBERS(1, 2, 3), "float32[0]", NONE, EXACT},
        {"in x f32[0]; const k i64[1] 0; out y; y, i = TopK(x, k)", NONE,
         "float32[0]", NONE, EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void gives_ties_to_the_lower_index(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[6]; const k i64[1] 4; out y; v, y = TopK(x, k)",
         CZ_NUMBERS(1, 5, 1, 5, 1, 1), "int64[4]", CZ_NUMBERS(1, 3, 0, 2),
         EXACT},
        {"in x f32[4]; const k i64[1] 4; out y; v, y = TopK(x, k) largest=0",
         CZ_NUMBERS(0, -0.0, 0, -1), "int64[4]", CZ_NUMBERS(3, 0, 1, 2), EXACT},
        {"in x i8[2,3]; const k i64[1] 1; out y; v, y = TopK(x, k) axis=-2",
         CZ_NUMBERS(1, 2, 3, 1, 3, 2), "int64[1,3]", CZ_NUMBERS(0, 1, 0),
         EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void puts_nan_last_in_both_directions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[5]; const k i64[1] 5; out y; v, y = TopK(x, k)",
         CZ_NUMBERS(1, NAN, INFINITY, NAN, -INFINITY), "int64[5]",
         CZ_NUMBERS(2, 0, 4, 1, 3), EXACT},
        {"in x f64[4]; const k i64[1] 4; out y; v, y = TopK(x, k) largest=0",
         CZ_NUMBERS(1, NAN, INFINITY, -INFINITY), "int64[4]",
         CZ_NUMBERS(3, 0, 2, 1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static int by_value_then_index(const void *a, const void *b)
{
    const double *x = a, *y = b;
    if (x[0] != y[0])
        return x[0] > y[0] ? -1 : 1;
    return x[1] < y[1] ? -1 : 1;
}

/* Against a full sort: more elements than a block of keys, many equal. */
static void takes_few_of_many(void **state)
{
    (void)state;
    enum { N = 1000, K = 300 };
    double x[N], pairs[N][2], values[K], indices[K];
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)(i * 7919 % 211);
        pairs[i][0] = x[i];
        pairs[i][1] = (double)i;
    }
    qsort(pairs, N, sizeof *pairs, by_value_then_index);
    for (size_t i = 0; i < K; i++) {
        values[i] = pairs[i][0];
        indices[i] = pairs[i][1];
    }
    struct cz_test_engine e = cz_test_engine(
        "in x f32[1000]; const k i64[1] 300; out y; out i; y, i = TopK(x, k)",
        NULL);
    cz_test_feed(&e, "x", x, N);
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[300]", values, K, EXACT);
    cz_test_expect(&e, "i", "int64[300]", indices, K, EXACT);
    cz_test_engine_fini(&e);
}

static void takes_as_many_as_the_frame_says(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[3]; in k i64[1]; out y; out i; y, i = TopK(x, k)", NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(4, 6, 5));
    cz_test_feed(&e, "k", CZ_NUMBERS(1));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[1]", CZ_NUMBERS(6), EXACT);
    cz_test_feed(&e, "k", CZ_NUMBERS(3));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[3]", CZ_NUMBERS(6, 5, 4), EXACT);
    cz_test_expect(&e, "i", "int64[3]", CZ_NUMBERS(1, 2, 0), EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_to_take_more_than_there_are(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[3]; const k i64[1] 4; out y; y, i = TopK(x, k)", CZ_ESHAPE,
         "TopK 'y': k is 4, axis 0 has 3"},
        {"in x f32[3]; const k i64[1] -1; out y; y, i = TopK(x, k)", CZ_ESHAPE,
         "TopK 'y': k is -1, axis 0 has 3"},
        {"opset 9; in x f32[3]; out y; y, i = TopK(x)", CZ_ESHAPE,
         "TopK 'y': k is -1, axis 0 has 3"},
        {"in x f32[3]; const k i64[2] 1; out y; y, i = TopK(x, k)", CZ_ESHAPE,
         "TopK 'y': input 1 has 2 numbers, at most 1 can be"},
        {"in x f32[]; const k i64[1] 1; out y; y, i = TopK(x, k)", CZ_ESHAPE,
         "TopK 'y': axis -1 is outside of 0 dimensions"},
    };
    cz_test_failures(rows, COUNT(rows));
}

/* ---- NonZero, Compress ------------------------------------------------ */

static void lists_where_elements_are_not_zero(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; out y; y = NonZero(x)",
         CZ_NUMBERS(1, 0, NAN, -0.0, 2, 0), "int64[2,3]",
         CZ_NUMBERS(0, 0, 1, 0, 2, 1), EXACT},
        {"opset 9; in x bool[3]; out y; y = NonZero(x)", CZ_NUMBERS(0, 1, 1),
         "int64[1,2]", CZ_NUMBERS(1, 2), EXACT},
        {"in x i64[2]; out y; y = NonZero(x)", CZ_NUMBERS(0, 0), "int64[1,0]",
         NONE, EXACT},
        {"in x f64[]; out y; y = NonZero(x)", CZ_NUMBERS(3), "int64[0,1]", NONE,
         EXACT},
        {"in x i32[0,2]; out y; y = NonZero(x)", NONE, "int64[2,0]", NONE,
         EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void keeps_what_a_condition_marks(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3,2]; const c bool[3] 0 1 1; out y;"
         "y = Compress(x, c) axis=0",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]", CZ_NUMBERS(3, 4, 5, 6),
         EXACT},
        {"in x f32[3,2]; const c bool[2] 0 1; out y;"
         "y = Compress(x, c) axis=-1",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[3,1]", CZ_NUMBERS(2, 4, 6),
         EXACT},
        {"opset 9; in x i64[3,2]; const c bool[4] 0 1 0 1; out y;"
         "y = Compress(x, c)",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "int64[2]", CZ_NUMBERS(2, 4), EXACT},
        {"in x f32[3]; const c bool[0]; out y; y = Compress(x, c)",
         CZ_NUMBERS(1, 2, 3), "float32[0]", NONE, EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void keeps_what_the_frame_marks(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[3]; in c bool[3]; out y; y = Compress(x, c) axis=0", NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 2, 3));
    cz_test_feed(&e, "c", CZ_NUMBERS(1, 0, 1));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2]", CZ_NUMBERS(1, 3), EXACT);
    cz_test_feed(&e, "c", CZ_NUMBERS(0, 0, 0));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[0]", NONE, EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_conditions_that_are_too_long(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[3,2]; in c bool[4]; out y; y = Compress(x, c) axis=0",
         CZ_ESHAPE, "Compress 'y': a condition of 4 for 3 elements"},
        {"in x f32[3]; in c i64[3]; out y; y = Compress(x, c)", CZ_ESHAPE,
         "Compress 'y': input 1 is int64, want bool"},
    };
    cz_test_failures(rows, COUNT(rows));
}

/* ---- NonMaxSuppression ------------------------------------------------ */

/* Three pairs: two boxes that cover each other by more than 0.5, two by less,
 * two apart, as corners y, x, y, x; the last ones with corners swapped. */
#define CORNERS                                                                \
    "const b f32[1,6,4] 0 0 1 1  0 0.1 1 1.1  0 -0.1 1 0.9 "                   \
    "0 10 1 11  1 11.1 0 10.1  0 100 1 101;"

static void suppresses_boxes_that_cover_better_ones(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,6];" CORNERS "const m i64[1] 3; const t f32[1] 0.5;"
         "out y; y = NonMaxSuppression(b, x, m, t)",
         CZ_NUMBERS(0.9, 0.75, 0.6, 0.95, 0.5, 0.3), "int64[3,3]",
         CZ_NUMBERS(0, 0, 3, 0, 0, 0, 0, 0, 5), EXACT},
        {"opset 10; in x f32[1,1,6];" CORNERS "const m i64[] 2;"
         "const t f32[] 0.5; const s f32[] 0.6; out y;"
         "y = NonMaxSuppression(b, x, m, t, s)",
         CZ_NUMBERS(0.6, 0.75, 0.65, 0.5, 0.5, 0.3), "int64[1,3]",
         CZ_NUMBERS(0, 0, 1), EXACT},
        {"in x f32[1,2,6];" CORNERS "const m i64[1] 1; out y;"
         "y = NonMaxSuppression(b, x, m)",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1), "int64[2,3]",
         CZ_NUMBERS(0, 0, 5, 0, 1, 0), EXACT},
        {"in x f32[1,1,6];" CORNERS "out y; y = NonMaxSuppression(b, x)",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "int64[0,3]", NONE, EXACT},
        {"in x f32[1,1,6];" CORNERS "const m i64[1] 9000000000000000000;"
         "const t f32[1] 1; out y; y = NonMaxSuppression(b, x, m, t)",
         CZ_NUMBERS(1, 1, 1, 1, 1, NAN), "int64[6,3]",
         CZ_NUMBERS(0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 0, 5),
         EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void suppresses_boxes_given_by_their_centers(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,1,3]; const b f32[2,3,4] 5 5 10 10  6 5 10 10  20 5 10 10 "
         "5 5 10 10  5 9 10 10  5 5 0 10;"
         "const m i64[1] 3; const t f32[1] 0.5; out y;"
         "y = NonMaxSuppression(b, x, m, t) center_point_box=1",
         CZ_NUMBERS(1, 2, 3, 1, 2, 3), "int64[5,3]",
         CZ_NUMBERS(0, 0, 2, 0, 0, 1, 1, 0, 2, 1, 0, 1, 1, 0, 0), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void finds_other_boxes_in_each_frame(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[1,1,6];" CORNERS "const m i64[1] 6; const t f32[1] 0.5;"
        "const s f32[1] 0.5; const c i64[] 2; out y; out z;"
        "y = NonMaxSuppression(b, x, m, t, s);"
        "z = Gather(y, c) axis=1",
        NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(0.9, 0.8, 0.7, 0.6, 0.7, 0.8));
    cz_test_run(&e);
    cz_test_expect(&e, "z", "int64[3]", CZ_NUMBERS(0, 5, 4), EXACT);
    cz_test_feed(&e, "x", CZ_NUMBERS(0, 0, 0, 0, 0, 0));
    cz_test_run(&e);
    cz_test_expect(&e, "z", "int64[0]", NONE, EXACT);
    cz_test_feed(&e, "x", CZ_NUMBERS(0, 0, 0, 0.9, 0, 0.6));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "int64[2,3]", CZ_NUMBERS(0, 0, 3, 0, 0, 5), EXACT);
    cz_test_engine_fini(&e);
}

static void suppresses_constant_boxes_while_compiling(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i64[1]; const b f32[1,2,4] 0 0 1 1 0 0 1 1; const s f32[1,1,2] "
         "1 2;"
         "const m i64[1] 2; const t f32[1] 0.5; out y;"
         "z = NonMaxSuppression(b, s, m, t); y = Concat(z, z) axis=1",
         CZ_NUMBERS(0), "int64[1,6]", CZ_NUMBERS(0, 0, 1, 0, 0, 1), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

static void refuses_boxes_without_scores(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[1,1,5]; in b f32[1,6,4]; out y;"
         "y = NonMaxSuppression(b, x)",
         CZ_ESHAPE,
         "NonMaxSuppression 'y': boxes are [1,6,4], scores [1,1,5], want "
         "[n,b,4] and [n,classes,b]"},
        {"in x f32[1,5]; in b f32[1,5,4]; out y; y = NonMaxSuppression(b, x)",
         CZ_ESHAPE,
         "NonMaxSuppression 'y': input 1 is [1,5], want 3 dimensions"},
        {"in x f32[1,1,5]; in b f64[1,5,4]; out y;"
         "y = NonMaxSuppression(b, x)",
         CZ_ESHAPE, "NonMaxSuppression 'y': input 0 is double, want float32"},
        {"in x f32[1,1,5]; in b f32[1,5,4]; const m i64[1] 1;"
         "const t f32[1] 1.5; out y; y = NonMaxSuppression(b, x, m, t)",
         CZ_EINVAL, "NonMaxSuppression 'y': iou_threshold is 1.5, want 0 to 1"},
        {"in x f32[1,1,5]; in b f32[1,5,4]; out y;"
         "y = NonMaxSuppression(b, x) center_point_box=2",
         CZ_ESHAPE, "NonMaxSuppression 'y': center_point_box is 2"},
    };
    cz_test_failures(rows, COUNT(rows));
}

/* ---- Unique ----------------------------------------------------------- */

static void lists_each_element_once(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x f32[6]; out y; out i; out v; out c;"
                       "y, i, v, c = Unique(x)",
                       NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(2, 1, 1, 3, 4, 3));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[4]", CZ_NUMBERS(1, 2, 3, 4), EXACT);
    cz_test_expect(&e, "i", "int64[4]", CZ_NUMBERS(1, 0, 3, 4), EXACT);
    cz_test_expect(&e, "v", "int64[6]", CZ_NUMBERS(1, 0, 0, 2, 3, 2), EXACT);
    cz_test_expect(&e, "c", "int64[4]", CZ_NUMBERS(2, 1, 2, 1), EXACT);
    cz_test_engine_fini(&e);
}

static void lists_elements_as_they_first_occur(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x i32[2,3]; out y; out i; out v; out c;"
                       "y, i, v, c = Unique(x) sorted=0",
                       NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(2, 1, 1, 3, 4, 3));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "int32[4]", CZ_NUMBERS(2, 1, 3, 4), EXACT);
    cz_test_expect(&e, "i", "int64[4]", CZ_NUMBERS(0, 1, 3, 4), EXACT);
    cz_test_expect(&e, "v", "int64[6]", CZ_NUMBERS(0, 1, 1, 2, 3, 2), EXACT);
    cz_test_expect(&e, "c", "int64[4]", CZ_NUMBERS(1, 2, 2, 1), EXACT);
    cz_test_engine_fini(&e);
}

static void lists_rows_or_columns_once(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3,2]; out y; y = Unique(x) axis=0",
         CZ_NUMBERS(1, 2, 0, 9, 1, 2), "float32[2,2]", CZ_NUMBERS(0, 9, 1, 2),
         EXACT},
        {"in x i8[2,3]; out y; y = Unique(x) axis=-1",
         CZ_NUMBERS(1, 0, 1, -2, 3, -2), "int8[2,2]", CZ_NUMBERS(0, 1, 3, -2),
         EXACT},
        {"in x f32[2,2,2]; out y; y = Unique(x) axis=1 sorted=0",
         CZ_NUMBERS(1, 2, 1, 2, 3, 4, 3, 4), "float32[2,1,2]",
         CZ_NUMBERS(1, 2, 3, 4), EXACT},
        {"in x f32[]; out y; y = Unique(x)", CZ_NUMBERS(3), "float32[1]",
         CZ_NUMBERS(3), EXACT},
        {"in x f32[0]; out y; y = Unique(x)", NONE, "float32[0]", NONE, EXACT},
        {"in x f32[4]; out y; a, y = Unique(x)", CZ_NUMBERS(NAN, 1, NAN, -0.0),
         "int64[3]", CZ_NUMBERS(3, 1, 0), EXACT},
    };
    cz_test_cases(cases, COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_best_in_order),
        cmocka_unit_test(gives_ties_to_the_lower_index),
        cmocka_unit_test(puts_nan_last_in_both_directions),
        cmocka_unit_test(takes_few_of_many),
        cmocka_unit_test(takes_as_many_as_the_frame_says),
        cmocka_unit_test(refuses_to_take_more_than_there_are),
        cmocka_unit_test(lists_where_elements_are_not_zero),
        cmocka_unit_test(keeps_what_a_condition_marks),
        cmocka_unit_test(keeps_what_the_frame_marks),
        cmocka_unit_test(refuses_conditions_that_are_too_long),
        cmocka_unit_test(suppresses_boxes_that_cover_better_ones),
        cmocka_unit_test(suppresses_boxes_given_by_their_centers),
        cmocka_unit_test(finds_other_boxes_in_each_frame),
        cmocka_unit_test(suppresses_constant_boxes_while_compiling),
        cmocka_unit_test(refuses_boxes_without_scores),
        cmocka_unit_test(lists_each_element_once),
        cmocka_unit_test(lists_elements_as_they_first_occur),
        cmocka_unit_test(lists_rows_or_columns_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
