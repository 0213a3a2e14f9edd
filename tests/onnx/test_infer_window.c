/* Inference of the operators that slide a window over the image. The expected
 * types are worked out by hand from the ONNX operator specification. */
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

static void slides_convolutions_over_the_image(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[1,3,8,8]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         "float32[1,4,6,6]"},
        {"in x f32[2,3,8,9]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) strides=[2,2] pads=[1,1,1,1]",
         "float32[2,4,4,5]"},
        {"in x f32[1,3,8,8]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) dilations=[2,3]",
         "float32[1,4,4,2]"},
        {"in x f32[1,3,8,8]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) pads=[1,2,3,4]",
         "float32[1,4,10,12]"},
        {"in x f32[1,6,8,8]; const w f32[4,3,1,1] 1; out y;"
         "y = Conv(x, w) group=2",
         "float32[1,4,8,8]"},
        {"in x f32[1,3,7,7]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) auto_pad=\"SAME_UPPER\" strides=[2,3]",
         "float32[1,4,4,3]"},
        {"in x f32[1,3,7,7]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) auto_pad=\"SAME_LOWER\"",
         "float32[1,4,7,7]"},
        {"in x f32[1,3,7,7]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) auto_pad=\"VALID\" strides=[2,2]",
         "float32[1,4,3,3]"},
        {"in x f32[1,3,7,7]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) auto_pad=\"NOTSET\" pads=[1,1,1,1]",
         "float32[1,4,7,7]"},
        {"in x f32[1,2,32]; const w f32[6,2,5] 1; out y; y = Conv(x, w)",
         "float32[1,6,28]"},
        {"in x f32[1,1,4,5,6]; const w f32[3,1,3,3,3] 1; out y;"
         "y = Conv(x, w)",
         "float32[1,3,2,3,4]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void keeps_open_dimensions_of_images_open(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[n,3,h,8]; const w f32[4,3,3,3] 1; out y;"
         "y = Conv(x, w) pads=[1,1,1,1]",
         "float32[?,4,?,8]"},
        {"in x f32[1,?,8,8]; const w f32[4,3,1,1] 1; out y; y = Conv(x, w)",
         "float32[1,4,8,8]"},
        {"in x f32[1,3,8,8]; in w f32[4,3,?,1]; out y; y = Conv(x, w)",
         "float32[1,4,?,8]"},
        {"in x f32; const w f32[4,3,1,1] 1; out y; y = Conv(x, w)", "float32"},
        {"in x f32[1,3,8,8]; in w f32; out y; y = Conv(x, w)", "float32"},
        {"in x f32[n,3,h,w]; out y; y = GlobalMaxPool(x)", "float32[?,3,1,1]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void slides_pools_and_rounds_up_in_ceil_mode(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[1,3,8,8]; out y; y = MaxPool(x) kernel_shape=[2,2] "
         "strides=[2,2]",
         "float32[1,3,4,4]"},
        {"in x f32[1,3,9,9]; out y; y = MaxPool(x) kernel_shape=[2,2] "
         "strides=[2,2]",
         "float32[1,3,4,4]"},
        {"in x f32[1,3,9,9]; out y; y = MaxPool(x) kernel_shape=[2,2] "
         "strides=[2,2] ceil_mode=1",
         "float32[1,3,5,5]"},
        /* The last window would start behind the image: it is left out. */
        {"in x f32[1,3,4,4]; out y; y = MaxPool(x) kernel_shape=[1,1] "
         "strides=[2,2] ceil_mode=1",
         "float32[1,3,2,2]"},
        {"in x f32[1,3,5,5]; out y; y = AveragePool(x) kernel_shape=[3,3] "
         "strides=[3,3] pads=[1,1,1,1] ceil_mode=1",
         "float32[1,3,2,2]"},
        {"in x f32[1,3,8,8]; out y; y = MaxPool(x) kernel_shape=[5,5] "
         "pads=[2,2,2,2]",
         "float32[1,3,8,8]"},
        {"in x f32[1,3,8,8]; out y; y = MaxPool(x) kernel_shape=[3,3] "
         "dilations=[2,2]",
         "float32[1,3,4,4]"},
        {"in x f32[1,3,8,8]; out y; y = LpPool(x) kernel_shape=[2,2] p=2",
         "float32[1,3,7,7]"},
        {"in x f32[1,3,8,8]; out y; z, y = MaxPool(x) kernel_shape=[2,2]",
         "int64[1,3,7,7]"},
        {"in x f16[1,3,8,8]; out y; y = GlobalAveragePool(x)",
         "float16[1,3,1,1]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void widens_transposed_convolutions(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[1,8,4,4]; const w f32[8,6,2,2] 1; out y;"
         "y = ConvTranspose(x, w) strides=[2,2]",
         "float32[1,6,8,8]"},
        {"in x f32[1,8,4,4]; const w f32[8,3,3,3] 1; out y;"
         "y = ConvTranspose(x, w) strides=[2,2] group=2 pads=[1,1,1,1] "
         "output_padding=[1,1]",
         "float32[1,6,8,8]"},
        {"in x f32[1,8,4,4]; const w f32[8,6,3,3] 1; out y;"
         "y = ConvTranspose(x, w) dilations=[2,2]",
         "float32[1,6,8,8]"},
        {"in x f32[1,8,4,4]; const w f32[8,6,3,3] 1; out y;"
         "y = ConvTranspose(x, w) strides=[2,2] output_shape=[10,8]",
         "float32[1,6,10,8]"},
        {"in x f32[1,8,4,4]; const w f32[8,6,3,3] 1; out y;"
         "y = ConvTranspose(x, w) strides=[2,3] auto_pad=\"SAME_UPPER\"",
         "float32[1,6,8,12]"},
        {"in x f32[1,8,h,4]; const w f32[8,6,1,1] 1; out y;"
         "y = ConvTranspose(x, w)",
         "float32[1,6,?,4]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slides_convolutions_over_the_image),
        cmocka_unit_test(keeps_open_dimensions_of_images_open),
        cmocka_unit_test(slides_pools_and_rounds_up_in_ceil_mode),
        cmocka_unit_test(widens_transposed_convolutions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
