/* Windows: what is read from a node, what is refused. */
#include "tests/engine/op_support.h"

static void refuses_windows_that_make_no_sense(void **state)
{
    (void)state;
    static const struct cz_test_refusal cases[] = {
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] pads=[0,-1,0,0]; "
         "out y",
         "MaxPool 'y': 'pads' is -1, want 0 to 2147483647"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,0]; "
         "out y",
         "MaxPool 'y': 'kernel_shape' is 0, want 1 to 2147483647"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] strides=[0,1]; "
         "out y",
         "MaxPool 'y': 'strides' is 0, want 1 to 2147483647"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] strides=[1]; "
         "out y",
         "MaxPool 'y': 'strides' has 1 numbers, want 1 for each of 2 "
         "dimensions"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] pads=[1,1,1]; "
         "out y",
         "MaxPool 'y': 'pads' has 3 numbers, want 2 for each of 2 dimensions"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=2; "
         "out y",
         "MaxPool 'y': attribute 'kernel_shape' has type 2, want 7 (integers)"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) strides=[1,1]; "
         "out y",
         "MaxPool 'y': no kernel_shape"},
        {"in x f32[1,1,4]; "
         "y = MaxPool(x) kernel_shape=[2,2]; "
         "out y",
         "MaxPool 'y': its attributes are for 2 spatial dimensions, its input "
         "is [1,1,4]"},
        {"in x f32[1,4]; "
         "y = MaxPool(x) kernel_shape=[2]; "
         "out y",
         "MaxPool 'y': input 0 is [1,4], want [N,C,H,W]"},
        {"in x f32[1,1,2,2,2,2]; "
         "y = MaxPool(x) kernel_shape=[2]; "
         "out y",
         "MaxPool 'y': 4 spatial dimensions"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,2] auto_pad=\"SAME\"; "
         "out y",
         "MaxPool 'y': auto_pad is 'SAME'"},
        {"in x f32[1,1,4,4]; "
         "y = MaxPool(x) kernel_shape=[2,3] dilations=[1,3] pads=[0,1,0,1]; "
         "out y",
         "MaxPool 'y': dimension 3 of its input is 4 with 2 of padding, too "
         "small for a kernel of 3 with a dilation of 3"},
        {"in x f32[1,1,4,4]; "
         "in w f32[1,1,2,2]; "
         "y = Conv(x, w) kernel_shape=[3,2]; "
         "out y",
         "Conv 'y': kernel_shape says 3, the weight 2"},
    };
    cz_test_refusals(cases, sizeof cases / sizeof *cases);
}

static void makes_nothing_of_nothing(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[0,1,2,2]; y = MaxPool(x) kernel_shape=[2,2]; out y", NULL, 0,
         "float32[0,1,1,1]", NULL, 0, EXACT},
        {"in x f32[1,0,2,2]; y = MaxPool(x) kernel_shape=[2,2]; out y", NULL, 0,
         "float32[1,0,1,1]", NULL, 0, EXACT},
        {"in x f32[1,1,0,2]; y = MaxPool(x) kernel_shape=[2,2]; out y", NULL, 0,
         "float32[1,1,0,1]", NULL, 0, EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_windows_that_make_no_sense),
        cmocka_unit_test(makes_nothing_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
