/* Conv and ConvTranspose; what is expected was computed with PyTorch. */
#include "tests/engine/op_support.h"

static void convolves_one_to_three_dimensions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,5]; "
         "const w f32[2,1,2] iota; "
         "y = Conv(x, w); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4), "float32[1,2,4]",
         CZ_NUMBERS(1, 2, 3, 4, 3, 8, 13, 18), EXACT},
        {"in x f32[1,1,3,3]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,2,2]",
         CZ_NUMBERS(25, 31, 43, 49), EXACT},
        {"in x f32[1,1,2,2,3]; "
         "const w f32[1,1,2,1,2] iota; "
         "y = Conv(x, w); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), "float32[1,1,1,2,2]",
         CZ_NUMBERS(34, 40, 52, 58), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void adds_bias_strides_dilations_and_pads(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2,2,2]; "
         "const w f32[2,2,1,1] iota; "
         "const b f32[2] 10 -1; "
         "y = Conv(x, w, b); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,2,2,2]",
         CZ_NUMBERS(14, 15, 16, 17, 11, 16, 21, 26), EXACT},
        {"in x f32[1,1,4,4]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w) strides=[2,3]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[1,1,2,1]", CZ_NUMBERS(24, 72), EXACT},
        {"in x f32[1,1,4,4]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w) dilations=[2,3]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
         "float32[1,1,2,1]", CZ_NUMBERS(52, 76), EXACT},
        {"in x f32[1,1,3,3]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w) pads=[0,1,2,0] strides=[2,1]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,2,3]",
         CZ_NUMBERS(13, 25, 31, 7, 8, 9), EXACT},
        {"in x f32[2,1,1,2]; "
         "const w f32[1,1,1,1] 2; "
         "y = Conv(x, w); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3), "float32[2,1,1,2]", CZ_NUMBERS(0, 2, 4, 6),
         EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void convolves_groups_by_themselves(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,4,1,2]; "
         "const w f32[2,2,1,1] iota; "
         "y = Conv(x, w) group=2; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,2,1,2]",
         CZ_NUMBERS(2, 3, 26, 31), EXACT},
        {"in x f32[1,2,2,2]; "
         "const w f32[4,1,1,2] iota; "
         "y = Conv(x, w) group=2; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,4,2,1]",
         CZ_NUMBERS(1, 3, 3, 13, 41, 59, 59, 85), EXACT},
        {"in x f32[1,3,1,3]; "
         "const w f32[3,1,1,3] iota; "
         "y = Conv(x, w) group=3 pads=[0,1,0,1]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7, 8), "float32[1,3,1,3]",
         CZ_NUMBERS(2, 5, 2, 32, 50, 32, 98, 149, 98), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void pads_the_odd_one_where_auto_pad_says(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,3,3]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w) auto_pad=\"SAME_UPPER\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,3,3]",
         CZ_NUMBERS(25, 31, 12, 43, 49, 18, 8, 9, 0), EXACT},
        {"in x f32[1,1,3,3]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w) auto_pad=\"SAME_LOWER\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,3,3]",
         CZ_NUMBERS(3, 8, 13, 13, 25, 31, 25, 43, 49), EXACT},
        {"in x f32[1,1,3,3]; "
         "const w f32[1,1,3,3] 1; "
         "y = Conv(x, w) auto_pad=\"SAME_UPPER\" strides=[2,2]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,2,2]",
         CZ_NUMBERS(12, 16, 24, 28), EXACT},
        {"in x f32[1,1,4]; "
         "const w f32[1,1,2] iota; "
         "y = Conv(x, w) auto_pad=\"SAME_LOWER\" dilations=[2]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3), "float32[1,1,4]", CZ_NUMBERS(1, 2, 3, 0),
         EXACT},
        {"in x f32[1,1,5]; "
         "const w f32[1,1,1] 3; "
         "y = Conv(x, w) auto_pad=\"SAME_UPPER\" strides=[3]; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4), "float32[1,1,2]", CZ_NUMBERS(0, 9), EXACT},
        {"in x f32[1,1,3,3]; "
         "const w f32[1,1,2,2] iota; "
         "y = Conv(x, w) auto_pad=\"VALID\" pads=[1,1,1,1]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[1,1,2,2]",
         CZ_NUMBERS(25, 31, 43, 49), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void transposes_convolutions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,3]; "
         "const w f32[1,2,2] iota; "
         "y = ConvTranspose(x, w); "
         "out y",
         CZ_NUMBERS(0, 1, 2), "float32[1,2,4]",
         CZ_NUMBERS(0, 0, 1, 2, 0, 2, 7, 6), EXACT},
        {"in x f32[1,1,2,2]; "
         "const w f32[1,1,3,3] iota; "
         "y = ConvTranspose(x, w) strides=[2,1]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[1,1,5,4]",
         CZ_NUMBERS(0, 1, 4, 4, 3, 10, 13, 10, 6, 22, 32, 24, 9, 24, 31, 20, 18,
                    45, 52, 32),
         EXACT},
        {"in x f32[1,1,2,2]; "
         "const w f32[1,1,2,2] iota; "
         "y = ConvTranspose(x, w) dilations=[2,2]; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[1,1,4,4]",
         CZ_NUMBERS(0, 0, 1, 2, 0, 0, 3, 4, 2, 4, 3, 6, 6, 8, 9, 12), EXACT},
        {"in x f32[1,4,1,2]; "
         "const w f32[4,1,1,2] iota; "
         "const b f32[2] 100 200; "
         "y = ConvTranspose(x, w, b) group=2; "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3, 4, 5, 6, 7), "float32[1,2,1,3]",
         CZ_NUMBERS(104, 112, 110, 252, 324, 274), EXACT},
        {"in x f32[1,1,1,2,2]; "
         "const w f32[1,1,2,1,2] iota; "
         "y = ConvTranspose(x, w); "
         "out y",
         CZ_NUMBERS(0, 1, 2, 3), "float32[1,1,2,2,3]",
         CZ_NUMBERS(0, 0, 1, 0, 2, 3, 0, 2, 3, 4, 12, 9), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void pads_transposed_convolutions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] pads=[1,2]; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,4]", CZ_NUMBERS(2, 5, 4, 9), EXACT},
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] output_padding=[1]; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,8]",
         CZ_NUMBERS(1, 2, 5, 4, 9, 6, 9, 0), EXACT},
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] output_shape=[6]; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,6]", CZ_NUMBERS(2, 5, 4, 9, 6, 9),
         EXACT},
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] output_shape=[9]; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,9]",
         CZ_NUMBERS(1, 2, 5, 4, 9, 6, 9, 0, 0), EXACT},
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] auto_pad=\"SAME_UPPER\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,6]", CZ_NUMBERS(1, 2, 5, 4, 9, 6),
         EXACT},
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] auto_pad=\"SAME_LOWER\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,6]", CZ_NUMBERS(2, 5, 4, 9, 6, 9),
         EXACT},
        {"in x f32[1,1,3]; "
         "const w f32[1,1,3] 1 2 3; "
         "y = ConvTranspose(x, w) strides=[2] auto_pad=\"VALID\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[1,1,7]", CZ_NUMBERS(1, 2, 5, 4, 9, 6, 9),
         EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void says_which_operands_contradict_each_other(void **state)
{
    (void)state;
    static const struct cz_test_refusal cases[] = {
        {"in x f32[1,3,4,4]; "
         "in w f32[2,4,1,1]; "
         "y = Conv(x, w); "
         "out y",
         "Conv 'y': input has 3 channels, its weight wants 4 x 1 groups"},
        {"in x f32[1,4,4,4]; "
         "in w f32[3,2,1,1]; "
         "y = Conv(x, w) group=2; "
         "out y",
         "Conv 'y': 3 output channels in 2 groups"},
        {"in x f32[1,2,4,4]; "
         "in w f32[3,2,1,1]; "
         "in b f32[2]; "
         "y = Conv(x, w, b); "
         "out y",
         "Conv 'y': bias has 2 numbers, want 3"},
        {"in x f32[1,2,4]; "
         "in w f32[3,2,1,1]; "
         "y = Conv(x, w); "
         "out y",
         "Conv 'y': its input has 3 dimensions, its weight 4"},
        {"in x f32[1,3,4,4]; "
         "in w f32[3,2,1,1]; "
         "y = ConvTranspose(x, w) group=2; "
         "out y",
         "ConvTranspose 'y': 3 input channels in 2 groups"},
        {"in x f32[1,1,2,2]; "
         "in w f32[1,1,2,2]; "
         "y = ConvTranspose(x, w) pads=[2,0,2,0]; "
         "out y",
         "ConvTranspose 'y': dimension 2 of its output would be -1: the pads 2 "
         "and 2 leave nothing"},
        {"in x f64[1,1,2,2]; "
         "in w f32[1,1,2,2]; "
         "y = Conv(x, w); "
         "out y",
         "Conv 'y': input 0 is double, want float32"},
    };
    cz_test_refusals(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolves_one_to_three_dimensions),
        cmocka_unit_test(adds_bias_strides_dilations_and_pads),
        cmocka_unit_test(convolves_groups_by_themselves),
        cmocka_unit_test(pads_the_odd_one_where_auto_pad_says),
        cmocka_unit_test(transposes_convolutions),
        cmocka_unit_test(pads_transposed_convolutions),
        cmocka_unit_test(says_which_operands_contradict_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
