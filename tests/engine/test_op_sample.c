/* GridSample and AffineGrid; what is expected was computed with PyTorch. */
#include <math.h>

#include "tests/engine/op_support.h"

static void samples_in_every_mode_and_padding(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bilinear\" padding_mode=\"zeros\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(0.25, 0, 4, 6.7, 0, 0, 0, 2.64),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bilinear\" padding_mode=\"zeros\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 4, 7.91, 2.8, 0, 0, 4.025),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bilinear\" padding_mode=\"border\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 4, 6.7, 7.5, 7, 0, 4.4),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bilinear\" padding_mode=\"border\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 4, 7.91, 7, 7, 0.105, 4.025),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bilinear\" padding_mode=\"reflection\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 4, 6.7, 6.87, 3.8, 7, 4.4),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bilinear\" padding_mode=\"reflection\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(1, 0, 4, 7.91, 5.68, 3.31, 6.4975, 4.025), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"nearest\" padding_mode=\"zeros\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 1, 9, 0, 0, 0, 5), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"nearest\" padding_mode=\"zeros\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 1, 9, 0, 0, 0, 3), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"nearest\" padding_mode=\"border\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 1, 9, 8, 7, 0, 5), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"nearest\" padding_mode=\"border\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 1, 9, 8, 7, 0, 3), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"nearest\" padding_mode=\"reflection\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 1, 9, 8, 5, 7, 5), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"nearest\" padding_mode=\"reflection\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]", CZ_NUMBERS(1, 0, 1, 9, 6, 5, 7, 3), ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bicubic\" padding_mode=\"zeros\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(-0.09277344, -0.4921875, 3.862305, 8.272296, -0.8583789, 0,
                    0, 2.534553),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bicubic\" padding_mode=\"zeros\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(1, 0, 3.862305, 8.726011, 3.061696, 0, 0, 4.163834),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bicubic\" padding_mode=\"border\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(0.3759766, -0.9140625, 3.862305, 8.130664, 7.78575, 7.02025,
                    -0.681408, 3.883073),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bicubic\" padding_mode=\"border\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(1, 0, 3.862305, 8.712809, 7.624768, 7.33075, 0.08058431,
                    3.611144),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bicubic\" padding_mode=\"reflection\" "
         "align_corners=0; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(-0.3710938, -1.96875, 3.862305, 8.130664, 7.395703,
                    4.509725, 8.70334, 3.636455),
         ROUNDING},
        {"opset 16; "
         "in x f32[1,2,4,2]; "
         "const i f32[1,1,4,4] 1 5 2 7 3 0 9 4 8 6 1 2 5 3 7 0; "
         "y = GridSample(i, x) mode=\"bicubic\" padding_mode=\"reflection\" "
         "align_corners=1; "
         "out y",
         CZ_NUMBERS(-1, -1, 1, 1, 0, 0, 0.3, -0.4, -1.4, 0.2, 2.4, -1.2, 0.99,
                    3.1, -0.6, 0.95),
         "float32[1,1,2,4]",
         CZ_NUMBERS(1, 0, 3.862305, 8.666543, 6.526336, 3.645824, 6.886862,
                    3.563695),
         ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void samples_three_dimensions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 20; "
         "in x f32[1,1,1,3,3]; "
         "const i f32[1,1,2,2,3] 0 5 3 1 6 4 2 0 5 3 1 6; "
         "y = GridSample(i, x) mode=\"linear\"; "
         "out y",
         CZ_NUMBERS(-1, -1, -1, 0.2, -0.3, 0.4, 1, 1.5, 0),
         "float32[1,1,1,1,3]", CZ_NUMBERS(0, 1.99, 0), ROUNDING},
        {"opset 20; "
         "in x f32[1,1,1,3,3]; "
         "const i f32[1,1,2,2,3] 0 5 3 1 6 4 2 0 5 3 1 6; "
         "y = GridSample(i, x) mode=\"nearest\"; "
         "out y",
         CZ_NUMBERS(-1, -1, -1, 0.2, -0.3, 0.4, 1, 1.5, 0),
         "float32[1,1,1,1,3]", CZ_NUMBERS(0, 0, 0), ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void makes_grids_of_matrices(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 20; "
         "in x f32[1,2,3]; "
         "const s i64[4] 1 1 2 3; "
         "y = AffineGrid(x, s) align_corners=0; "
         "out y",
         CZ_NUMBERS(1, 0.5, 0, -0.25, 2, 0.1), "float32[1,2,3,2]",
         CZ_NUMBERS(-0.9166667, -0.7333333, -0.25, -0.9, 0.4166667, -1.066667,
                    -0.4166667, 1.266667, 0.25, 1.1, 0.9166667, 0.9333333),
         ROUNDING},
        {"opset 20; "
         "in x f32[1,3,4]; "
         "const s i64[5] 1 1 2 1 2; "
         "y = AffineGrid(x, s) align_corners=0; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "float32[1,2,1,2,3]",
         CZ_NUMBERS(2, 2, 2, 2, 6, 10, 4, 8, 12, 4, 12, 20), ROUNDING},
        {"opset 20; "
         "in x f32[1,2,3]; "
         "const s i64[4] 1 1 2 3; "
         "y = AffineGrid(x, s) align_corners=1; "
         "out y",
         CZ_NUMBERS(1, 0.5, 0, -0.25, 2, 0.1), "float32[1,2,3,2]",
         CZ_NUMBERS(-1.5, -1.65, -0.5, -1.9, 0.5, -2.15, -0.5, 2.35, 0.5, 2.1,
                    1.5, 1.85),
         ROUNDING},
        {"opset 20; "
         "in x f32[1,3,4]; "
         "const s i64[5] 1 1 2 1 2; "
         "y = AffineGrid(x, s) align_corners=1; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "float32[1,2,1,2,3]",
         CZ_NUMBERS(1, -3, -7, 1, 5, 9, 5, 9, 13, 5, 17, 29), ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void samples_nothing_where_the_grid_is_no_number(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 16; in x f32[1,1,3,2]; const i f32[1,1,1,2] 3 4; y = "
         "GridSample(i, x); out y",
         CZ_NUMBERS(NAN, NAN, INFINITY, 0, 1e30, -1e30), "float32[1,1,1,3]",
         CZ_NUMBERS(0, 0, 0), EXACT},
        {"opset 16; in x f32[1,1,3,2]; const i f32[1,1,1,2] 3 4; y = "
         "GridSample(i, x) padding_mode=\"border\"; out y",
         CZ_NUMBERS(NAN, NAN, 1e30, 0, -1e30, -1e30), "float32[1,1,1,3]",
         CZ_NUMBERS(3, 4, 3), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void refuses_grids_that_do_not_fit(void **state)
{
    (void)state;
    static const struct cz_test_refusal cases[] = {
        {"opset 16; "
         "in x f32[1,1,2,2]; "
         "in g f32[1,2,2,3]; "
         "y = GridSample(x, g); "
         "out y",
         "GridSample 'y': a grid of [1,2,2,3] for an image of [1,1,2,2]"},
        {"opset 20; "
         "in x f32[1,1,2,2,2]; "
         "in g f32[1,2,2,2,3]; "
         "y = GridSample(x, g) mode=\"cubic\"; "
         "out y",
         "GridSample 'y': mode is 'cubic', input 0 is [1,1,2,2,2]"},
        {"opset 20; "
         "in x f32[1,1,2,2]; "
         "in g f32[1,2,2,2]; "
         "y = GridSample(x, g) mode=\"bilinear\"; "
         "out y",
         "GridSample 'y': mode is 'bilinear'"},
        {"opset 16; "
         "in x f32[1,1,0,2]; "
         "in g f32[1,2,2,2]; "
         "y = GridSample(x, g); "
         "out y",
         "GridSample 'y': its image is [1,1,0,2]"},
        {"opset 20; "
         "in x f32[1,2,3]; "
         "const s i64[3] 1 1 2; "
         "y = AffineGrid(x, s); "
         "out y",
         "AffineGrid 'y': theta is [1,2,3] for 3 dimensions"},
    };
    cz_test_refusals(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_in_every_mode_and_padding),
        cmocka_unit_test(samples_three_dimensions),
        cmocka_unit_test(makes_grids_of_matrices),
        cmocka_unit_test(samples_nothing_where_the_grid_is_no_number),
        cmocka_unit_test(refuses_grids_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
