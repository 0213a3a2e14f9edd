/* Resize and Upsample; what is expected was computed by hand, with the
 * reference of the ONNX package or, with antialias, with PyTorch. */
#include "tests/engine/op_support.h"

static void takes_the_nearest_in_every_nearest_mode(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 3; "
         "y = Resize(x, , , z) nearest_mode=\"round_prefer_floor\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,3]",
         CZ_NUMBERS(2, 8, 32), EXACT},
        {"in x f32[1,1,7]; "
         "const s f32[3] 1.0 1.0 1.5; "
         "y = Resize(x, , s) nearest_mode=\"round_prefer_floor\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,10]",
         CZ_NUMBERS(1, 2, 2, 4, 8, 8, 16, 32, 32, 64), EXACT},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 3; "
         "y = Resize(x, , , z) nearest_mode=\"round_prefer_ceil\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,3]",
         CZ_NUMBERS(2, 8, 32), EXACT},
        {"in x f32[1,1,7]; "
         "const s f32[3] 1.0 1.0 1.5; "
         "y = Resize(x, , s) nearest_mode=\"round_prefer_ceil\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,10]",
         CZ_NUMBERS(1, 2, 2, 4, 8, 8, 16, 32, 32, 64), EXACT},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 3; "
         "y = Resize(x, , , z) nearest_mode=\"floor\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,3]",
         CZ_NUMBERS(1, 8, 32), EXACT},
        {"in x f32[1,1,7]; "
         "const s f32[3] 1.0 1.0 1.5; "
         "y = Resize(x, , s) nearest_mode=\"floor\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,10]",
         CZ_NUMBERS(1, 1, 2, 4, 4, 8, 16, 16, 32, 64), EXACT},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 3; "
         "y = Resize(x, , , z) nearest_mode=\"ceil\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,3]",
         CZ_NUMBERS(2, 8, 64), EXACT},
        {"in x f32[1,1,7]; "
         "const s f32[3] 1.0 1.0 1.5; "
         "y = Resize(x, , s) nearest_mode=\"ceil\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,10]",
         CZ_NUMBERS(1, 2, 4, 4, 8, 16, 16, 32, 64, 64), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void follows_every_coordinate_transformation_mode(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,2,2]; "
         "const z i64[4] 1 1 3 4; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"half_pixel\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8), "float32[1,1,3,4]",
         CZ_NUMBERS(1, 1.25, 1.75, 2, 2.5, 3.125, 4.375, 5, 4, 5, 7, 8),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 1; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"half_pixel\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,1]", CZ_NUMBERS(8),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 4; "
         "y = Resize(x, , , z) nearest_mode=\"floor\" "
         "coordinate_transformation_mode=\"half_pixel\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,4]",
         CZ_NUMBERS(1, 4, 8, 32), ROUNDING},
        {"in x f32[1,1,2,2]; "
         "const z i64[4] 1 1 3 4; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"pytorch_half_pixel\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8), "float32[1,1,3,4]",
         CZ_NUMBERS(1, 1.25, 1.75, 2, 2.5, 3.125, 4.375, 5, 4, 5, 7, 8),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 1; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"pytorch_half_pixel\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,1]", CZ_NUMBERS(1),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 4; "
         "y = Resize(x, , , z) nearest_mode=\"floor\" "
         "coordinate_transformation_mode=\"pytorch_half_pixel\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,4]",
         CZ_NUMBERS(1, 4, 8, 32), ROUNDING},
        {"in x f32[1,1,2,2]; "
         "const z i64[4] 1 1 3 4; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"align_corners\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8), "float32[1,1,3,4]",
         CZ_NUMBERS(1, 1.333333, 1.666667, 2, 2.5, 3.333333, 4.166667, 5, 4,
                    5.333333, 6.666667, 8),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 1; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"align_corners\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,1]", CZ_NUMBERS(1),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 4; "
         "y = Resize(x, , , z) nearest_mode=\"floor\" "
         "coordinate_transformation_mode=\"align_corners\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,4]",
         CZ_NUMBERS(1, 4, 16, 64), ROUNDING},
        {"in x f32[1,1,2,2]; "
         "const z i64[4] 1 1 3 4; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8), "float32[1,1,3,4]",
         CZ_NUMBERS(1, 1.5, 2, 2, 3, 4.5, 6, 6, 4, 6, 8, 8), ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 1; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,1]", CZ_NUMBERS(1),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 4; "
         "y = Resize(x, , , z) nearest_mode=\"floor\" "
         "coordinate_transformation_mode=\"asymmetric\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,4]",
         CZ_NUMBERS(1, 2, 8, 32), ROUNDING},
        {"in x f32[1,1,2,2]; "
         "const z i64[4] 1 1 3 4; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"tf_half_pixel_for_nn\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8), "float32[1,1,3,4]",
         CZ_NUMBERS(2.5, 3.5, 4, 4, 5, 7, 8, 8, 5, 7, 8, 8), ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 1; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"tf_half_pixel_for_nn\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,1]", CZ_NUMBERS(12),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const z i64[3] 1 1 4; "
         "y = Resize(x, , , z) nearest_mode=\"floor\" "
         "coordinate_transformation_mode=\"tf_half_pixel_for_nn\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,4]",
         CZ_NUMBERS(1, 4, 16, 64), ROUNDING},
        {"opset 19; "
         "in x f32[1,1,5]; "
         "const s f32[3] 1.0 1.0 0.5; "
         "y = Resize(x, , s) mode=\"linear\" "
         "coordinate_transformation_mode=\"half_pixel_symmetric\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4), "float32[1,1,2]", CZ_NUMBERS(1, 3),
         ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void interpolates_with_cubic_weights(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,4,4]; "
         "const s f32[4] 1.0 1.0 1.5 0.75; "
         "y = Resize(x, , s) mode=\"cubic\"; "
         "out y",
         CZ_NUMBERS(1, 5, 2, 7, 3, 0, 9, 4, 8, 6, 1, 2, 5, 3, 7, 0),
         "float32[1,1,6,3]",
         CZ_NUMBERS(1.557838, 3.29503, 6.348074, 1.514685, 4.18457, 5.843099,
                    3.309383, 4.548864, 4.322663, 7.314339, 3.256474, 2.252013,
                    6.726635, 4.206055, 1.130859, 4.369538, 5.664063, 1.013692),
         ROUNDING},
        {"in x f32[1,1,4,4]; "
         "const s f32[4] 1.0 1.0 1.5 0.75; "
         "y = Resize(x, , s) mode=\"cubic\" cubic_coeff_a=-0.5; "
         "out y",
         CZ_NUMBERS(1, 5, 2, 7, 3, 0, 9, 4, 8, 6, 1, 2, 5, 3, 7, 0),
         "float32[1,1,6,3]",
         CZ_NUMBERS(1.457262, 3.368779, 6.459341, 1.695312, 4.113281, 5.714988,
                    3.265437, 4.512587, 4.273721, 7.372712, 3.36849, 2.203741,
                    6.595197, 4.230469, 1.175058, 4.533324, 5.428241,
                    0.8349033),
         ROUNDING},
        {"in x f32[1,1,4,4]; "
         "const s f32[4] 1.0 1.0 1.5 0.75; "
         "y = Resize(x, , s) mode=\"cubic\" exclude_outside=1; "
         "out y",
         CZ_NUMBERS(1, 5, 2, 7, 3, 0, 9, 4, 8, 6, 1, 2, 5, 3, 7, 0),
         "float32[1,1,6,3]",
         CZ_NUMBERS(1.486558, 3.276394, 6.442586, 1.521162, 4.117857, 5.870196,
                    3.360014, 4.548864, 4.255939, 7.335362, 3.256474, 2.264518,
                    6.568203, 4.314286, 1.09539, 4.353366, 5.696791, 0.9072259),
         ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void crops_and_fills_what_is_outside(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,7]; "
         "const r f32[6] 0 0 0.5 1 1 1.25; "
         "const z i64[3] 1 1 4; "
         "y = Resize(x, r, , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"tf_crop_and_resize\" "
         "extrapolation_value=-9.0; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,4]",
         CZ_NUMBERS(8, 24, 64, -9), ROUNDING},
        {"in x f32[1,1,7]; "
         "const r f32[6] 0 0 0.25 1 1 0.5; "
         "const z i64[3] 1 1 1; "
         "y = Resize(x, r, , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"tf_crop_and_resize\"; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,1]", CZ_NUMBERS(5),
         ROUNDING},
        {"in x f32[1,1,7]; "
         "const r f32[6] 0 0 0.5 1 1 1.5; "
         "const z i64[3] 1 1 3; "
         "y = Resize(x, r, , z) "
         "coordinate_transformation_mode=\"tf_crop_and_resize\" "
         "extrapolation_value=-9.0; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,3]",
         CZ_NUMBERS(8, 64, -9), EXACT},
        {"opset 18; "
         "in x f32[1,1,7]; "
         "const r f32[2] 0.5 1.0; "
         "const z i64[1] 7; "
         "y = Resize(x, r, , z) "
         "coordinate_transformation_mode=\"tf_crop_and_resize\" axes=[2]; "
         "out y",
         CZ_NUMBERS(1, 2, 4, 8, 16, 32, 64), "float32[1,1,7]",
         CZ_NUMBERS(8, 8, 16, 16, 32, 32, 64), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void keeps_the_aspect_ratio_and_the_axes_not_named(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 18; "
         "in x f32[1,1,2,8]; "
         "const z i64[2] 4 4; "
         "y = Resize(x, , , z) coordinate_transformation_mode=\"asymmetric\" "
         "nearest_mode=\"floor\" keep_aspect_ratio_policy=\"not_larger\" "
         "axes=[2,3]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[1,1,1,4]", CZ_NUMBERS(0, 2, 4, 6), EXACT},
        {"opset 18; "
         "in x f32[1,1,2,8]; "
         "const z i64[2] 4 3; "
         "y = Resize(x, , , z) coordinate_transformation_mode=\"asymmetric\" "
         "nearest_mode=\"floor\" keep_aspect_ratio_policy=\"not_smaller\" "
         "axes=[-1,-2]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[1,1,3,12]",
         CZ_NUMBERS(0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 0, 0, 1, 2, 2, 3, 4, 4,
                    5, 6, 6, 7, 8, 8, 9, 10, 10, 11, 12, 12, 13, 14, 14, 15),
         EXACT},
        {"opset 18; "
         "in x f32[1,1,2,8]; "
         "const z i64[2] 4 4; "
         "y = Resize(x, , , z) coordinate_transformation_mode=\"asymmetric\" "
         "nearest_mode=\"floor\" keep_aspect_ratio_policy=\"stretch\" "
         "axes=[3,2]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[1,1,4,4]",
         CZ_NUMBERS(0, 2, 4, 6, 0, 2, 4, 6, 8, 10, 12, 14, 8, 10, 12, 14),
         EXACT},
        {"opset 19; "
         "in x f32[1,1,2,8]; "
         "const s f32[1] 0.5; "
         "y = Resize(x, , s) coordinate_transformation_mode=\"asymmetric\" "
         "nearest_mode=\"floor\" axes=[3]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[1,1,2,4]", CZ_NUMBERS(0, 2, 4, 6, 8, 10, 12, 14), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void smoothes_what_it_shrinks_with_antialias(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 18; "
         "in x f32[1,1,6,8]; "
         "const z i64[4] 1 1 2 3; "
         "y = Resize(x, , , z) mode=\"linear\" antialias=1 exclude_outside=1; "
         "out y",
         CZ_NUMBERS(0, 14, 5, 19, 10, 1, 15, 6, 20, 11, 2, 16, 7, 21, 12, 3, 17,
                    8, 22, 13, 4, 18, 9, 0, 14, 5, 19, 10, 1, 15, 6, 20, 11, 2,
                    16, 7, 21, 12, 3, 17, 8, 22, 13, 4, 18, 9, 0, 14),
         "float32[1,1,2,3]",
         CZ_NUMBERS(11.49671, 11.22917, 9.851974, 11.33553, 11.66964, 9.842106),
         ROUNDING},
        {"opset 18; "
         "in x f32[1,1,6,8]; "
         "const z i64[4] 1 1 3 2; "
         "y = Resize(x, , , z) mode=\"cubic\" antialias=1 exclude_outside=1 "
         "cubic_coeff_a=-0.5; "
         "out y",
         CZ_NUMBERS(0, 14, 5, 19, 10, 1, 15, 6, 20, 11, 2, 16, 7, 21, 12, 3, 17,
                    8, 22, 13, 4, 18, 9, 0, 14, 5, 19, 10, 1, 15, 6, 20, 11, 2,
                    16, 7, 21, 12, 3, 17, 8, 22, 13, 4, 18, 9, 0, 14),
         "float32[1,1,3,2]",
         CZ_NUMBERS(10.81982, 10.2113, 12.27255, 10.41714, 11.50699, 10.53628),
         ROUNDING},
        {"opset 18; "
         "in x f32[1,1,4]; "
         "const z i64[3] 1 1 2; "
         "y = Resize(x, , , z) mode=\"linear\" antialias=1; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[1,1,2]", CZ_NUMBERS(1.625, 3.375),
         ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void reads_the_forms_of_older_opsets(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; "
         "in x f32[1,1,2,3]; "
         "const s f32[4] 1 1 2 2; "
         "y = Upsample(x, s); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), "float32[1,1,4,6]",
         CZ_NUMBERS(0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3,
                    4, 4, 5, 5),
         ROUNDING},
        {"opset 9; "
         "in x f32[1,1,2,3]; "
         "const s f32[4] 1 1 1 2; "
         "y = Upsample(x, s) mode=\"linear\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), "float32[1,1,2,6]",
         CZ_NUMBERS(0, 0.5, 1, 1.5, 2, 2, 3, 3.5, 4, 4.5, 5, 5), ROUNDING},
        {"opset 10; "
         "in x f32[1,1,2,3]; "
         "const s f32[4] 1 1 2 0.67; "
         "y = Resize(x, s); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), "float32[1,1,4,2]",
         CZ_NUMBERS(0, 2, 0, 2, 3, 5, 3, 5), ROUNDING},
        {"opset 11; "
         "in x f32[1,1,2,3]; "
         "const r f32[0]; "
         "const s f32[4] 1 1 2 2; "
         "y = Resize(x, r, s) coordinate_transformation_mode=\"asymmetric\" "
         "nearest_mode=\"floor\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), "float32[1,1,4,6]",
         CZ_NUMBERS(0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3,
                    4, 4, 5, 5),
         ROUNDING},
        {"opset 13; "
         "in x f32[1,1,2,3]; "
         "const r f32[0]; "
         "const s f32[0]; "
         "const z i64[4] 1 1 4 3; "
         "y = Resize(x, r, s, z); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), "float32[1,1,4,3]",
         CZ_NUMBERS(0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5), ROUNDING},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void resizes_any_axes_of_any_rank_and_type(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,2,3]; "
         "const s f32[4] 1.0 1.0 1.0 1.0; "
         "y = Resize(x, , s) ; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), "float32[1,1,2,3]",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5), EXACT},
        {"in x f32[1,2,2,3]; "
         "const s f32[4] 1.0 2.0 1.5 1.0; "
         "y = Resize(x, , s) coordinate_transformation_mode=\"asymmetric\" "
         "nearest_mode=\"floor\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "float32[1,4,3,3]",
         CZ_NUMBERS(0, 1, 2, 0, 1, 2, 3, 4, 5, 0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7,
                    8, 6, 7, 8, 9, 10, 11, 6, 7, 8, 6, 7, 8, 9, 10, 11),
         EXACT},
        {"in x f32[1,2,2,3]; "
         "const z i64[4] 1 3 3 3; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"align_corners\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "float32[1,3,3,3]",
         CZ_NUMBERS(0, 1, 2, 1.5, 2.5, 3.5, 3, 4, 5, 3, 4, 5, 4.5, 5.5, 6.5, 6,
                    7, 8, 6, 7, 8, 7.5, 8.5, 9.5, 9, 10, 11),
         ROUNDING},
        {"in x f32[1,1,2,2,2]; "
         "const z i64[5] 1 1 3 2 2; "
         "y = Resize(x, , , z) mode=\"linear\" "
         "coordinate_transformation_mode=\"align_corners\"; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,1,3,2,2]",
         CZ_NUMBERS(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7), ROUNDING},
        {"in x f32[3]; "
         "const s f32[1] 2; "
         "y = Resize(x, , s); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[6]", CZ_NUMBERS(1, 1, 2, 2, 3, 3),
         EXACT},
        {"in x u8[1,3]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "uint8[1,6]", CZ_NUMBERS(1, 1, 2, 2, 3, 3),
         EXACT},
        {"in x i64[1,3]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "int64[1,6]", CZ_NUMBERS(1, 1, 2, 2, 3, 3),
         EXACT},
        {"in x f64[1,3]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "double[1,6]", CZ_NUMBERS(1, 1, 2, 2, 3, 3),
         EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

/* More outputs than a table has places, more rows than share one. */
static void resizes_images_larger_than_a_table(void **state)
{
    (void)state;
    static double x[70 * 90], want[140 * 180];
    for (size_t i = 0; i < 70 * 90; i++)
        x[i] = (double)(i * 31 % 257);
    for (size_t i = 0; i < 140 * 180; i++)
        want[i] = x[i / 180 / 2 * 90 + i % 180 / 2];
    const struct cz_test_case nearest = {"in x f32[1,1,70,90]; const s f32[4] "
                                         "1 1 2 2; y = Resize(x, , s); out y",
                                         x,
                                         70 * 90,
                                         "float32[1,1,140,180]",
                                         want,
                                         140 * 180,
                                         EXACT};
    cz_test_cases(&nearest, 1);
    for (size_t i = 0; i < 70 * 180; i++) {
        size_t row = i / 180 * 90, at = i % 180 / 2;
        size_t next = at + 1 < 90 ? at + 1 : at;
        want[i] = i % 2 ? (x[row + at] + x[row + next]) / 2 : x[row + at];
    }
    const struct cz_test_case linear = {
        "in x f32[1,1,70,90]; const s f32[4] 1 1 1 2; y = Resize(x, , s) "
        "mode=\"linear\" coordinate_transformation_mode=\"asymmetric\"; out y",
        x,
        70 * 90,
        "float32[1,1,70,180]",
        want,
        70 * 180,
        EXACT};
    cz_test_cases(&linear, 1);
}

static void waits_for_sizes_that_a_frame_tells(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[1,2]; in z i64[2]; y = Resize(x, , , z); out y", NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 2));
    cz_test_feed(&e, "z", CZ_NUMBERS(1, 4));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[1,4]", CZ_NUMBERS(1, 1, 2, 2), EXACT);
    cz_test_feed(&e, "z", CZ_NUMBERS(2, 1));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2,1]", CZ_NUMBERS(1, 1), EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_sizes_that_make_no_sense(void **state)
{
    (void)state;
    static const struct cz_test_refusal cases[] = {
        {"in x f32[1,1,4]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s); "
         "out y",
         "Resize 'y': 2 scales for 3 dimensions"},
        {"in x f32[1,4]; "
         "const s f32[2] 1 -2; "
         "y = Resize(x, , s); "
         "out y",
         "Resize 'y': a scale is -2, want more than 0"},
        {"in x f32[1,4]; "
         "const s f32[2] 1 1e9; "
         "y = Resize(x, , s); "
         "out y",
         "Resize 'y': 1e+09 times 4 elements"},
        {"in x f32[1,4]; "
         "const z i64[2] 1 -1; "
         "y = Resize(x, , , z); "
         "out y",
         "Resize 'y': a size is -1"},
        {"in x f32[1,0]; "
         "const z i64[2] 1 3; "
         "y = Resize(x, , , z); "
         "out y",
         "Resize 'y': dimension 1 would grow from 0 to 3"},
        {"in x f32[1,4]; "
         "const s f32[2] 1 2; "
         "const z i64[2] 1 8; "
         "y = Resize(x, , s, z); "
         "out y",
         "Resize 'y': both scales and sizes are given"},
        {"in x f32[1,4]; "
         "y = Resize(x); "
         "out y",
         "Resize 'y': 0 scales for 2 dimensions"},
        {"opset 18; "
         "in x f32[1,4]; "
         "const s f32[2] 2; "
         "y = Resize(x, , s) axes=[1,-1]; "
         "out y",
         "Resize 'y': axis 1 is there twice"},
        {"opset 18; "
         "in x f32[1,4]; "
         "const s f32[1] 2; "
         "y = Resize(x, , s) axes=[2]; "
         "out y",
         "Resize 'y': axis 2 is outside of 2 dimensions"},
        {"in x f32[1,4]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s) mode=\"area\"; "
         "out y",
         "Resize 'y': mode is 'area'"},
        {"in x f32[1,4]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s) "
         "coordinate_transformation_mode=\"tf_crop_and_resize\"; "
         "out y",
         "Resize 'y': roi has 0 numbers, want 4"},
        {"in x i64[1,4]; "
         "const s f32[2] 1 2; "
         "y = Resize(x, , s) mode=\"linear\"; "
         "out y",
         "Resize 'y': input 0 is int64"},
        {"opset 18; "
         "in x f32[1,4]; "
         "const r f32[2] -1e5 1e5; "
         "const s f32[1] 1e-5; "
         "y = Resize(x, r, s) mode=\"linear\" antialias=1 axes=[1] "
         "coordinate_transformation_mode=\"tf_crop_and_resize\"; "
         "out y",
         "Resize 'y': a scale of 1e-05 for 4 elements"},
    };
    cz_test_refusals(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_nearest_in_every_nearest_mode),
        cmocka_unit_test(follows_every_coordinate_transformation_mode),
        cmocka_unit_test(interpolates_with_cubic_weights),
        cmocka_unit_test(crops_and_fills_what_is_outside),
        cmocka_unit_test(keeps_the_aspect_ratio_and_the_axes_not_named),
        cmocka_unit_test(smoothes_what_it_shrinks_with_antialias),
        cmocka_unit_test(reads_the_forms_of_older_opsets),
        cmocka_unit_test(resizes_any_axes_of_any_rank_and_type),
        cmocka_unit_test(resizes_images_larger_than_a_table),
        cmocka_unit_test(waits_for_sizes_that_a_frame_tells),
        cmocka_unit_test(refuses_sizes_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
