/* Pools; what is expected was computed by hand, in numpy or with PyTorch. */
#include <math.h>
#include <stdio.h>

#include "tests/engine/op_support.h"

static void takes_the_maximum_of_windows(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,5]; "
         "y = MaxPool(x) kernel_shape=[3]; "
         "out y",
         CZ_NUMBERS(3, 1, 2, -5, -4), "float32[1,1,3]", CZ_NUMBERS(3, 2, 2),
         EXACT},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] strides=[2,2]; "
         "out y",
         CZ_NUMBERS(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3),
         "float32[1,1,2,2]", CZ_NUMBERS(9, 6, 9, 9), EXACT},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[3,3] pads=[1,1,1,1]; "
         "out y",
         CZ_NUMBERS(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3),
         "float32[1,1,4,4]",
         CZ_NUMBERS(9, 9, 9, 6, 9, 9, 9, 8, 9, 9, 9, 9, 9, 9, 9, 9), EXACT},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] dilations=[2,1]; "
         "out y",
         CZ_NUMBERS(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3),
         "float32[1,1,2,3]", CZ_NUMBERS(5, 5, 8, 9, 9, 9), EXACT},
        {"in x f32[1,1,2,2,2]; "
         "y = MaxPool(x) kernel_shape=[2,1,2]; "
         "out y",
         CZ_NUMBERS(5, 1, 2, 3, 4, 9, 8, 7), "float32[1,1,1,2,1]",
         CZ_NUMBERS(9, 8), EXACT},
        {"in x f32[1,1,3,3]; "
         "y = MaxPool(x) kernel_shape=[2,2] auto_pad=\"SAME_LOWER\"; "
         "out y",
         CZ_NUMBERS(-1, -2, -3, -4, -5, -6, -7, -8, -9), "float32[1,1,3,3]",
         CZ_NUMBERS(-1, -1, -2, -1, -1, -2, -4, -4, -5), EXACT},
        {"opset 9; "
         "in x f32[1,1,3,3]; "
         "y = MaxPool(x) kernel_shape=[2,2] auto_pad=\"SAME_UPPER\"; "
         "out y",
         CZ_NUMBERS(-1, -2, -3, -4, -5, -6, -7, -8, -9), "float32[1,1,3,3]",
         CZ_NUMBERS(-1, -2, -3, -4, -5, -6, -7, -8, -9), EXACT},
        {"in x u8[1,1,1,4]; "
         "y = MaxPool(x) kernel_shape=[1,2]; "
         "out y",
         CZ_NUMBERS(1, 200, 3, 4), "uint8[1,1,1,3]", CZ_NUMBERS(200, 200, 4),
         EXACT},
        {"in x i8[1,1,1,4]; "
         "y = MaxPool(x) kernel_shape=[1,2]; "
         "out y",
         CZ_NUMBERS(-1, -100, -128, -128), "int8[1,1,1,3]",
         CZ_NUMBERS(-1, -100, -128), EXACT},
        {"in x f64[1,1,1,4]; "
         "y = MaxPool(x) kernel_shape=[1,2]; "
         "out y",
         CZ_NUMBERS(-1, -100, 3, 4), "double[1,1,1,3]", CZ_NUMBERS(-1, 3, 4),
         EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void
rounds_up_with_ceil_mode_but_starts_no_window_in_padding(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,5]; "
         "y = MaxPool(x) kernel_shape=[2] strides=[2] ceil_mode=1; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4), "float32[1,1,3]", CZ_NUMBERS(1, 3, 4),
         EXACT},
        {"in x f32[1,1,5]; "
         "y = MaxPool(x) kernel_shape=[2] strides=[2]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4), "float32[1,1,2]", CZ_NUMBERS(1, 3), EXACT},
        {"in x f32[1,1,2]; "
         "y = MaxPool(x) kernel_shape=[1] strides=[2] ceil_mode=1; "
         "out y",
         CZ_NUMBERS(7, 8), "float32[1,1,1]", CZ_NUMBERS(7), EXACT},
        {"in x f32[1,1,4]; "
         "y = AveragePool(x) kernel_shape=[3] strides=[3] pads=[1,1] "
         "ceil_mode=1; "
         "out y",
         CZ_NUMBERS(2, 4, 6, 8), "float32[1,1,2]", CZ_NUMBERS(3, 7), EXACT},
        {"in x f32[1,1,5]; "
         "y = AveragePool(x) kernel_shape=[3] strides=[2] ceil_mode=1 "
         "count_include_pad=1; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5), "float32[1,1,2]", CZ_NUMBERS(2, 4), EXACT},
        {"in x f32[1,1,4]; "
         "y = AveragePool(x) kernel_shape=[3] strides=[2] ceil_mode=1 "
         "count_include_pad=1; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[1,1,2]", CZ_NUMBERS(2, 3.5), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void averages_with_or_without_the_padding(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,3,3]; "
         "y = AveragePool(x) kernel_shape=[2,2]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,2,2]",
         CZ_NUMBERS(3, 4, 6, 7), EXACT},
        {"in x f32[1,1,3,3]; "
         "y = AveragePool(x) kernel_shape=[3,3] pads=[1,1,1,1]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,3,3]",
         CZ_NUMBERS(3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7), ROUNDING},
        {"in x f32[1,1,3,3]; "
         "y = AveragePool(x) kernel_shape=[3,3] pads=[1,1,1,1] "
         "count_include_pad=1; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,3,3]",
         CZ_NUMBERS(1.333333, 2.333333, 1.777778, 3, 5, 3.666667, 2.666667,
                    4.333333, 3.111111),
         ROUNDING},
        {"opset 19; "
         "in x f32[1,1,5]; "
         "y = AveragePool(x) kernel_shape=[2] dilations=[3]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4), "float32[1,1,2]", CZ_NUMBERS(1.5, 2.5),
         EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void takes_norms_of_windows(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,4]; "
         "y = LpPool(x) kernel_shape=[2]; "
         "out y",
         CZ_NUMBERS(3, -4, 0, 1), "float32[1,1,3]", CZ_NUMBERS(5, 4, 1), EXACT},
        {"in x f32[1,1,4]; "
         "y = LpPool(x) kernel_shape=[2] p=1 pads=[1,0]; "
         "out y",
         CZ_NUMBERS(3, -4, 0, 1), "float32[1,1,4]", CZ_NUMBERS(3, 7, 4, 1),
         EXACT},
        {"in x f32[1,1,4]; "
         "y = LpPool(x) kernel_shape=[2] strides=[2] p=3; "
         "out y",
         CZ_NUMBERS(3, -4, 0, 1), "float32[1,1,2]", CZ_NUMBERS(4.497941, 1),
         ROUNDING},
        {"opset 18; "
         "in x f32[1,1,4]; "
         "y = LpPool(x) kernel_shape=[2] strides=[3] dilations=[2] "
         "ceil_mode=1; "
         "out y",
         CZ_NUMBERS(3, -4, 0, 1), "float32[1,1,2]", CZ_NUMBERS(3, 1), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void pools_whole_planes(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2,2,2]; "
         "y = GlobalAveragePool(x); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 6, -1, -1, 0, 0), "float32[1,2,1,1]",
         CZ_NUMBERS(3, -0.5), EXACT},
        {"in x f32[1,2,2,2]; "
         "y = GlobalMaxPool(x); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 6, -1, -1, 0, 0), "float32[1,2,1,1]",
         CZ_NUMBERS(6, 0), EXACT},
        {"in x f32[1,2,2]; "
         "y = GlobalLpPool(x); "
         "out y",
         CZ_NUMBERS(3, 4, 5, 12), "float32[1,2,1]", CZ_NUMBERS(5, 13), EXACT},
        {"in x f32[1,2,2]; "
         "y = GlobalLpPool(x) p=1; "
         "out y",
         CZ_NUMBERS(3, -4, 5, 12), "float32[1,2,1]", CZ_NUMBERS(7, 17), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void tells_where_a_maximum_is(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,4,4]; "
         "a, y = MaxPool(x) kernel_shape=[2,2] strides=[2,2]; "
         "out y i64; "
         "out a",
         CZ_NUMBERS(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3),
         "int64[1,1,2,2]", CZ_NUMBERS(5, 7, 12, 14), EXACT},
        {"in x f32[1,1,2,3]; "
         "a, y = MaxPool(x) kernel_shape=[1,2] storage_order=1; "
         "out y i64; "
         "out a",
         CZ_NUMBERS(5, 1, 9, 9, 1, 2), "int64[1,1,2,2]", CZ_NUMBERS(0, 4, 1, 5),
         EXACT},
        {"in x f32[1,2,1,2]; "
         "a, y = MaxPool(x) kernel_shape=[1,2]; "
         "out y i64; "
         "out a",
         CZ_NUMBERS(5, 1, 9, 9), "int64[1,2,1,1]", CZ_NUMBERS(0, 2), EXACT},
        {"in x f32[1,1,1,4]; "
         "i, y = MaxPool(x) kernel_shape=[1,2] strides=[1,2]; "
         "out y i64",
         CZ_NUMBERS(5, 6, 9, 8), "int64[1,1,1,2]", CZ_NUMBERS(1, 2), EXACT},
        {"in x f32[1,1,1,4]; "
         "y, i = MaxPool(x) kernel_shape=[1,2] strides=[1,2]; "
         "out i i64; "
         "out y",
         CZ_NUMBERS(5, 6, 9, 8), "float32[1,1,1,2]", CZ_NUMBERS(6, 9), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void passes_over_what_is_no_number(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,4]; y = MaxPool(x) kernel_shape=[2]; out y",
         CZ_NUMBERS(NAN, 1, NAN, -INFINITY), "float32[1,1,3]",
         CZ_NUMBERS(1, 1, -INFINITY), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

/* As wide as several pieces of a row, with strides above and below them. */
static void pools_rows_longer_than_a_piece(void **state)
{
    (void)state;
    static const struct {
        const char *attributes;
        size_t kernel, stride, pad;
    } rows[] = {
        {"kernel_shape=[5] pads=[2,2]", 5, 1, 2},
        {"kernel_shape=[1300] strides=[7] pads=[100,100]", 1300, 7, 100},
        {"kernel_shape=[600] strides=[700]", 600, 700, 0}};
    static double x[2000], want[2000];
    for (size_t i = 0; i < 2000; i++)
        x[i] = (double)(i * 7919 % 2003);
    for (size_t r = 0; r < 3; r++) {
        size_t n =
            (2000 + 2 * rows[r].pad - rows[r].kernel) / rows[r].stride + 1;
        for (size_t k = 0; k < n; k++) {
            want[k] = 0;
            for (size_t i = 0; i < 2000; i++) {
                bool inside =
                    i + rows[r].pad >= k * rows[r].stride &&
                    i + rows[r].pad < k * rows[r].stride + rows[r].kernel;
                if (inside && x[i] > want[k])
                    want[k] = x[i];
            }
        }
        char text[200], type[40];
        snprintf(text, sizeof text,
                 "in x f32[1,1,2000]; y = MaxPool(x) %s; out y",
                 rows[r].attributes);
        snprintf(type, sizeof type, "float32[1,1,%zu]", n);
        struct cz_test_case c = {text, x, 2000, type, want, n, EXACT};
        cz_test_cases(&c, 1);
    }
}

static void puts_maxima_back_where_they_were(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,2,2]; "
         "const i i64[1,1,2,2] 5 7 8 10; "
         "y = MaxUnpool(x, i) kernel_shape=[2,2] strides=[2,2]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[1,1,4,4]",
         CZ_NUMBERS(0, 0, 0, 0, 0, 1, 0, 2, 3, 0, 4, 0, 0, 0, 0, 0), EXACT},
        {"in x f32[1,1,2]; "
         "const i i64[1,1,2] 1 4; "
         "const s i64[3] 1 1 5; "
         "y = MaxUnpool(x, i, s) kernel_shape=[2] strides=[2]; "
         "out y",
         CZ_NUMBERS(8, 9), "float32[1,1,5]", CZ_NUMBERS(0, 8, 0, 0, 9), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void aligns_regions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 10; "
         "in x f32[1,1,4,6]; "
         "const r f32[2,4] 0 0 4 3 -1 -1 2.5 9; "
         "const b i64[2] 0 0; "
         "y = RoiAlign(x, r, b) output_height=2 output_width=2 "
         "sampling_ratio=2; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    17, 18, 19, 20, 21, 22, 23),
         "float32[2,1,2,2]",
         CZ_NUMBERS(5.5, 7.5, 14.5, 16.5, 9.15625, 10.625, 0, 0), ROUNDING},
        {"opset 16; "
         "in x f32[1,1,4,6]; "
         "const r f32[2,4] 0 0 4 3 -1 -1 2.5 9; "
         "const b i64[2] 0 0; "
         "y = RoiAlign(x, r, b) output_height=2 output_width=2 "
         "sampling_ratio=2; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    17, 18, 19, 20, 21, 22, 23),
         "float32[2,1,2,2]",
         CZ_NUMBERS(2.375, 4.375, 11, 13, 3.375, 7.875, 0, 0), ROUNDING},
        {"opset 16; "
         "in x f32[1,1,4,6]; "
         "const r f32[2,4] 0 0 4 3 -1 -1 2.5 9; "
         "const b i64[2] 0 0; "
         "y = RoiAlign(x, r, b) output_width=2 spatial_scale=0.5 "
         "coordinate_transformation_mode=\"output_half_pixel\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    17, 18, 19, 20, 21, 22, 23),
         "float32[2,1,1,2]", CZ_NUMBERS(5, 6, 10.8, 11.6125), ROUNDING},
        {"opset 16; "
         "in x f32[1,1,4,6]; "
         "const r f32[2,4] 0 0 4 3 -1 -1 2.5 9; "
         "const b i64[2] 0 0; "
         "y = RoiAlign(x, r, b) output_height=1 output_width=2 mode=\"max\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    17, 18, 19, 20, 21, 22, 23),
         "float32[2,1,1,2]", CZ_NUMBERS(13, 15, 18, 13.0625), ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void takes_the_maximum_of_regions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,4,6]; "
         "const r f32[2,5] 0 0 0 3 3 0 4 1 9 1; "
         "y = MaxRoiPool(x, r) pooled_shape=[2,2]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    17, 18, 19, 20, 21, 22, 23),
         "float32[2,1,2,2]", CZ_NUMBERS(7, 9, 19, 21, 11, 0, 11, 0), EXACT},
        {"in x f32[1,1,4,6]; "
         "const r f32[1,5] 0 0 0 6 6; "
         "y = MaxRoiPool(x, r) pooled_shape=[1,1] spatial_scale=0.5; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                    17, 18, 19, 20, 21, 22, 23),
         "float32[1,1,1,1]", CZ_NUMBERS(21), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void refuses_data_that_point_outside(void **state)
{
    (void)state;
    static const struct cz_test_refusal cases[] = {
        {"in x f32[1,1,2]; "
         "const i i64[1,1,2] 0 4; "
         "y = MaxUnpool(x, i) kernel_shape=[2] strides=[2]; "
         "out y",
         "MaxUnpool 'y': index 4 is outside of 4 elements"},
        {"in x f32[1,1,2]; "
         "in i i64[1,1,3]; "
         "y = MaxUnpool(x, i) kernel_shape=[2]; "
         "out y",
         "MaxUnpool 'y': its indices do not have the input's shape"},
        {"in x f32[1,1,2,2]; "
         "const r f32[1,4] 0; "
         "const b i64[1] 1; "
         "y = RoiAlign(x, r, b); "
         "out y",
         "RoiAlign 'y': a region is in image 1 of 1"},
        {"in x f32[1,1,2,2]; "
         "const r f32[1,5] -1 0; "
         "y = MaxRoiPool(x, r) pooled_shape=[1,1]; "
         "out y",
         "MaxRoiPool 'y': a region is in image -1 of 1"},
        {"in x f32[1,1,2,2]; "
         "const r f32[1,4] 0 0 2e9 1; "
         "const b i64[1] 0; "
         "y = RoiAlign(x, r, b); "
         "out y",
         "RoiAlign 'y': a region ends at 2e+09"},
        {"in x f32[1,1,2,2]; "
         "in r f32[1,3]; "
         "in b i64[1]; "
         "y = RoiAlign(x, r, b); "
         "out y",
         "RoiAlign 'y': its regions are [1,3], want [R,4]"},
        {"in x f32[1,1,0,2]; "
         "y = GlobalMaxPool(x); "
         "out y",
         "GlobalMaxPool 'y': input 0 is [1,1,0,2]: nothing to pool"},
        {"in x i32[1,1,2,2]; "
         "y = MaxPool(x) kernel_shape=[1,1]; "
         "out y",
         "MaxPool 'y': input 0 is int32"},
    };
    cz_test_refusals(cases, sizeof cases / sizeof *cases);
}

static void has_no_index_for_a_window_without_a_number(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2,1,4]; m, y = MaxPool(x) kernel_shape=[1,2] "
         "strides=[1,2]; out y",
         CZ_NUMBERS(1, 2, 4, 3, NAN, NAN, 5, NAN), "int64[1,2,1,2]",
         CZ_NUMBERS(1, 2, -1, 6), EXACT},
        {"in x f32[1,2,2,2]; m, y = MaxPool(x) kernel_shape=[1,2] "
         "storage_order=1; out y",
         CZ_NUMBERS(1, 2, 4, 3, NAN, NAN, 5, NAN), "int64[1,2,2,1]",
         CZ_NUMBERS(2, 1, -1, 5), EXACT},
    };
    CHECK_CASES(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_maximum_of_windows),
        cmocka_unit_test(
            rounds_up_with_ceil_mode_but_starts_no_window_in_padding),
        cmocka_unit_test(averages_with_or_without_the_padding),
        cmocka_unit_test(takes_norms_of_windows),
        cmocka_unit_test(pools_whole_planes),
        cmocka_unit_test(tells_where_a_maximum_is),
        cmocka_unit_test(passes_over_what_is_no_number),
        cmocka_unit_test(pools_rows_longer_than_a_piece),
        cmocka_unit_test(puts_maxima_back_where_they_were),
        cmocka_unit_test(aligns_regions),
        cmocka_unit_test(takes_the_maximum_of_regions),
        cmocka_unit_test(refuses_data_that_point_outside),
        cmocka_unit_test(has_no_index_for_a_window_without_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
