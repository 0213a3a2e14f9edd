/* Where an image lies in the input, and what the input then holds. That the
 * resize is OpenCV's is checked in test_letterbox.py; here the loops of the
 * vector units are held against the plain ones. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/half.h"
#include "detect/detect.h"
#include "tests/support/support.h"

static const struct cz_input_format square = {.width = 640,
                                              .height = 640,
                                              .dtype = CZ_DTYPE_FLOAT,
                                              .rgb = true,
                                              .unit = true};

static struct cz_image make_image(size_t width, size_t height)
{
    struct cz_image image = {
        .width = width, .height = height, .step = 3 * width + 5};
    uint32_t state = 1;
    image.pixels = cz_malloc(image.step * height);
    for (size_t i = 0; i < image.step * height; i++) {
        state = state * 1664525 + 1013904223;
        image.pixels[i] = (uint8_t)(state >> 24);
    }
    return image;
}

static void *fill(const struct cz_input_format *format,
                  const struct cz_image *image)
{
    struct cz_fit fit;
    void *input = cz_calloc(3 * format->width * format->height, 4);
    cz_letterbox_fit(&fit, format, image->width, image->height);
    assert_ok(cz_letterbox_fill(input, &fit, format, image, cz_test_error()));
    return input;
}

static void expect_fit(const struct cz_input_format *format, size_t width,
                       size_t height, const struct cz_fit *want)
{
    struct cz_fit fit;
    cz_letterbox_fit(&fit, format, width, height);
    assert_int_equal(fit.width, want->width);
    assert_int_equal(fit.height, want->height);
    assert_int_equal(fit.left, want->left);
    assert_int_equal(fit.top, want->top);
}

static void fits_as_ultralytics_does(void **state)
{
    (void)state;
    expect_fit(&square, 640, 480,
               &(struct cz_fit){.width = 640, .height = 480, .top = 80});
    /* 333 * 1.28 = 426.24; the odd border row goes below. */
    expect_fit(&square, 500, 333,
               &(struct cz_fit){.width = 640, .height = 426, .top = 107});
    expect_fit(&square, 333, 500,
               &(struct cz_fit){.width = 426, .height = 640, .left = 107});
    expect_fit(&square, 640, 427,
               &(struct cz_fit){.width = 640, .height = 427, .top = 106});
}

static void fits_at_the_corner(void **state)
{
    struct cz_input_format corner = square;
    (void)state;
    corner.corner = true;
    expect_fit(&corner, 500, 334,
               &(struct cz_fit){.width = 640, .height = 428});
}

static void keeps_a_pixel_of_very_thin_images(void **state)
{
    struct cz_fit fit;
    (void)state;
    cz_letterbox_fit(&fit, &square, 20000, 1);
    assert_int_equal(fit.width, 640);
    assert_int_equal(fit.height, 1);
    cz_letterbox_fit(&fit, &square, 1, 1);
    assert_int_equal(fit.width, 640);
    assert_int_equal(fit.height, 640);
}

static void makes_rectangles_with_half_a_stride_of_margin(void **state)
{
    struct cz_input_format format = square;
    struct cz_fit fit;
    (void)state;
    cz_letterbox_rect(&format, 640, 32, 640, 480);
    assert_int_equal(format.width, 672);
    assert_int_equal(format.height, 512);
    cz_letterbox_fit(&fit, &format, 640, 480);
    assert_int_equal(fit.width, 640); /* the longest side stays 640 */
    assert_int_equal(fit.left, 16);
    cz_letterbox_rect(&format, 640, 32, 100, 1000);
    assert_int_equal(format.width, 96);
    assert_int_equal(format.height, 672);
}

/* Ultralytics divides by height / width: 640 / (640 / 368) is a little more
 * than 368, and ceil() takes the next step. */
static void rounds_rectangles_as_ultralytics_does(void **state)
{
    static const size_t sizes[][3] = {/* width, height; width of the input */
                                      {368, 640, 416},
                                      {276, 480, 416},
                                      {345, 600, 416},
                                      {640, 368, 672},
                                      {360, 640, 384}};
    struct cz_input_format format = square;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cz_letterbox_rect(&format, 640, 32, sizes[i][0], sizes[i][1]);
        assert_int_equal(format.width, sizes[i][2]);
    }
    assert_int_equal(format.height, 672);
}

/* 500x333 becomes 640 x 426.24: load_image() takes the next pixel. */
static void rounds_up_what_goes_into_rectangles(void **state)
{
    struct cz_input_format format = square;
    (void)state;
    cz_letterbox_rect(&format, 640, 32, 500, 333);
    expect_fit(
        &format, 500, 333,
        &(struct cz_fit){.width = 640, .height = 427, .left = 16, .top = 10});
    cz_letterbox_rect(&format, 640, 32, 333, 500);
    expect_fit(
        &format, 333, 500,
        &(struct cz_fit){.width = 427, .height = 640, .left = 10, .top = 16});
}

static void orders_channels_and_surrounds_with_grey(void **state)
{
    struct cz_input_format format = square;
    uint8_t pixels[] = {10, 20, 30, 40, 50, 60}; /* 2x1, BGR */
    struct cz_image image = {pixels, 2, 1, 6, NULL};
    const float rgb[] = {114, 114, 30, 60, 114, 114, 20, 50, 114, 114, 10, 40};
    const float bgr[] = {10, 40, 114, 114, 20, 50, 114, 114, 30, 60, 114, 114};
    (void)state;
    /* 2x2: d = 0.5, of which round(0.4) = 0 goes above; use 2x3 for 1. */
    format.width = 2;
    format.height = 2;
    format.unit = false;
    format.rgb = false;
    float *input = fill(&format, &image);
    for (int i = 0; i < 12; i++)
        assert_float_equal(input[i], bgr[i], 0);
    cz_free(input);
    format.rgb = true;
    format.height = 3;
    input = fill(&format, &image);
    for (int c = 0; c < 3; c++) {
        assert_float_equal(input[6 * c], 114, 0);
        assert_float_equal(input[6 * c + 2], rgb[4 * c + 2], 0);
        assert_float_equal(input[6 * c + 3], rgb[4 * c + 3], 0);
        assert_float_equal(input[6 * c + 4], 114, 0);
    }
    cz_free(input);
}

static void makes_the_same_numbers_in_every_type(void **state)
{
    struct cz_input_format format = square, half = square, bytes = square;
    struct cz_image image = make_image(301, 200);
    size_t count = 3 * format.width * format.height;
    (void)state;
    half.dtype = CZ_DTYPE_FLOAT16;
    bytes.dtype = CZ_DTYPE_UINT8;
    float *floats = fill(&format, &image);
    uint16_t *halves = fill(&half, &image);
    uint8_t *plain = fill(&bytes, &image);
    for (size_t i = 0; i < count; i++) {
        assert_true(floats[i] == (float)plain[i] / 255.0F);
        assert_int_equal(halves[i], cz_half_from_float(floats[i]));
    }
    cz_free(floats);
    cz_free(halves);
    cz_free(plain);
    cz_free(image.pixels);
}

static void gives_the_same_on_every_processor(void **state)
{
    static const size_t sizes[][2] = {{640, 480},  {1, 1},     {2, 3},
                                      {7, 5},      {500, 333}, {641, 639},
                                      {1280, 720}, {33, 2000}};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct cz_image image = make_image(sizes[s][0], sizes[s][1]);
        float *fast = fill(&square, &image);
        setenv("CZ_CPU", "baseline", 1);
        float *plain = fill(&square, &image);
        unsetenv("CZ_CPU");
        assert_memory_equal(fast, plain, 3 * 640 * 640 * sizeof *fast);
        cz_free(fast);
        cz_free(plain);
        cz_free(image.pixels);
    }
}

static void brings_boxes_back_and_clips_them(void **state)
{
    struct cz_box box = {.x1 = -5, .y1 = 107, .x2 = 320, .y2 = 640};
    struct cz_boxes boxes = {.items = &box, .count = 1};
    struct cz_fit fit;
    (void)state;
    cz_letterbox_fit(&fit, &square, 500, 333);
    cz_letterbox_undo(&fit, &boxes);
    assert_float_equal(box.x1, 0, 0);
    assert_float_equal(box.y1, 0, 0);
    assert_float_equal(box.x2, 250, 1e-4);
    assert_float_equal(box.y2, 333, 0);
}

static void says_when_memory_is_short(void **state)
{
    struct cz_image image = make_image(30, 20);
    struct cz_fit fit;
    float *input = cz_calloc(3 * 640 * 640, 4);
    (void)state;
    cz_letterbox_fit(&fit, &square, 30, 20);
    cz_alloc_fail_at(1);
    enum cz_status status =
        cz_letterbox_fill(input, &fit, &square, &image, NULL);
    cz_alloc_fail_at(0);
    assert_int_equal(status, CZ_ENOMEM);
    cz_free(input);
    cz_free(image.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_as_ultralytics_does),
        cmocka_unit_test(fits_at_the_corner),
        cmocka_unit_test(keeps_a_pixel_of_very_thin_images),
        cmocka_unit_test(makes_rectangles_with_half_a_stride_of_margin),
        cmocka_unit_test(rounds_rectangles_as_ultralytics_does),
        cmocka_unit_test(rounds_up_what_goes_into_rectangles),
        cmocka_unit_test(orders_channels_and_surrounds_with_grey),
        cmocka_unit_test(makes_the_same_numbers_in_every_type),
        cmocka_unit_test(gives_the_same_on_every_processor),
        cmocka_unit_test(brings_boxes_back_and_clips_them),
        cmocka_unit_test(says_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
