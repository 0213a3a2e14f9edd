/* Every allocation fails once: the work then ends with CZ_ENOMEM, frees what it
 * had (the address sanitizer looks), and can be done again. */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "detect/detect.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* More than the work asks for. */
#define ALLOCATIONS_MAX 1000
#define ELEMENTS_MAX 30000

/* What is worked with. */
static char *folder;
static const char *model_path, *names_path;
static struct cz_opencv *opencv;

/* ---- outputs ---------------------------------------------------------- */

/* 64x64 has 8*8 + 4*4 + 2*2 = 84 cells. */
#define RAW                                                                    \
    "in x f32[1,3,64,64]; const w f32[4,3,1,1] 1; y = Conv(x, w);"             \
    "out y"
#define DECODES                                                                \
    "in x f32[1,3,64,64]; const w f32[4,3,1,1] 1; c = Conv(x, w);"             \
    "y = Mul(c, c); out y"

struct outputs {
    const char *graph;
    enum cz_dtype dtype;
    size_t count;
    struct cz_dims dims[3];
};

static const struct outputs all[] = {
    {DECODES, CZ_DTYPE_FLOAT, 1, {{3, {1, 84, 84}}}},
    {DECODES, CZ_DTYPE_FLOAT16, 1, {{3, {1, 84, 84}}}},
    {DECODES, CZ_DTYPE_FLOAT, 1, {{3, {1, 252, 85}}}},
    {RAW, CZ_DTYPE_FLOAT, 1, {{3, {1, 84, 85}}}},
    {RAW, CZ_DTYPE_FLOAT, 1, {{3, {1, 300, 6}}}},
    {RAW,
     CZ_DTYPE_FLOAT16,
     3,
     {{4, {1, 144, 8, 8}}, {4, {1, 144, 4, 4}}, {4, {1, 144, 2, 2}}}},
};

static float numbers[ELEMENTS_MAX];
static uint16_t halves[ELEMENTS_MAX];

/* Numbers from 0 to 1, the same in all outputs. */
static void fill(struct cz_port *ports, const struct outputs *outputs)
{
    uint32_t state = 1;
    for (size_t i = 0; i < ELEMENTS_MAX; i++) {
        state = state * 1664525 + 1013904223;
        numbers[i] = (float)(state >> 8) * 0x1p-24F;
        halves[i] = (uint16_t)(0x3800 | state >> 22); /* 0.5 to 1 */
    }
    for (size_t i = 0; i < outputs->count; i++) {
        size_t elements = 1;
        for (size_t d = 0; d < outputs->dims[i].rank; d++)
            elements *= (size_t)outputs->dims[i].size[d];
        const bool is_half = outputs->dtype == CZ_DTYPE_FLOAT16;
        assert_true(elements <= ELEMENTS_MAX);
        ports[i] = (struct cz_port){.name = "y",
                                    .dtype = outputs->dtype,
                                    .dims = outputs->dims[i],
                                    .data = is_half ? (void *)halves : numbers,
                                    .size_bytes = elements * (is_half ? 2 : 4)};
    }
}

/* ---- decoding --------------------------------------------------------- */

static enum cz_status decode(const struct cz_detector *detector,
                             const struct outputs *outputs,
                             const struct cz_thresholds *thresholds,
                             struct cz_boxes *boxes, struct cz_error *err)
{
    struct cz_port ports[3];
    fill(ports, outputs);
    CZ_TRY(cz_detector_decode(detector, ports, outputs->count, thresholds,
                              boxes, err));
    return cz_boxes_suppress(boxes, thresholds, err);
}

static struct cz_detector *bind(const struct outputs *outputs)
{
    struct cz_port ports[3];
    struct cz_detector *detector;
    const struct cz_detector_options options = CZ_DETECTOR_OPTIONS_INIT;
    struct cz_model *model = cz_test_graph(outputs->graph);
    assert_ok(cz_model_save(model, model_path, true, cz_test_error()));
    cz_model_free(model);
    assert_ok(
        cz_detector_load(&detector, model_path, &options, cz_test_error()));
    fill(ports, outputs);
    assert_ok(
        cz_detector_bind(detector, ports, outputs->count, cz_test_error()));
    return detector;
}

/* Returns how many allocations there were. */
static size_t fail_decoding(const struct outputs *outputs,
                            const struct cz_thresholds *thresholds)
{
    struct cz_detector *detector = bind(outputs);
    struct cz_boxes whole = {0};
    assert_ok(decode(detector, outputs, thresholds, &whole, cz_test_error()));
    assert_true(whole.count > 0);
    enum cz_status status = CZ_ENOMEM;
    size_t nth = 0;
    while (status != CZ_OK && nth < ALLOCATIONS_MAX) {
        struct cz_boxes boxes = {0};
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(++nth);
        status = decode(detector, outputs, thresholds, &boxes, &err);
        cz_alloc_fail_at(0);
        if (status != CZ_OK)
            assert_int_equal(status, CZ_ENOMEM);
        assert_int_equal(err.code, status);
        assert_ok(
            decode(detector, outputs, thresholds, &boxes, cz_test_error()));
        assert_int_equal(boxes.count, whole.count);
        assert_memory_equal(boxes.items, whole.items,
                            whole.count * sizeof *whole.items);
        cz_boxes_fini(&boxes);
    }
    assert_int_equal(status, CZ_OK);
    cz_boxes_fini(&whole);
    cz_detector_free(detector);
    return nth;
}

static void survives_while_decoding(void **state)
{
    const struct cz_thresholds thresholds[] = {
        CZ_THRESHOLDS_EVAL,
        CZ_THRESHOLDS_DEMO,
        {.confidence = 0.1F,
         .iou = 0.5F,
         .max_boxes = 20,
         .max_candidates = 50,
         .multi_label = true,
         .agnostic = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++)
            assert_true(fail_decoding(&all[i], &thresholds[t]) > 3);
    }
}

/* ---- the rest --------------------------------------------------------- */

static void fail_one_by_one(enum cz_status (*work)(struct cz_error *),
                            size_t least)
{
    enum cz_status status = CZ_ENOMEM;
    size_t nth = 0;
    while (status != CZ_OK && nth < ALLOCATIONS_MAX) {
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(++nth);
        status = work(&err);
        cz_alloc_fail_at(0);
        if (status != CZ_OK && (status != CZ_ENOMEM || err.code != CZ_ENOMEM ||
                                !strstr(err.message, "out of memory")))
            fail_msg("allocation %zu: status %d: %s", nth, status, err.message);
    }
    assert_int_equal(status, CZ_OK);
    assert_true(nth > least);
}

static enum cz_status load(struct cz_error *err)
{
    const struct cz_detector_options options = {.names_file = names_path};
    struct cz_detector *detector;
    CZ_TRY(cz_detector_load(&detector, model_path, &options, err));
    cz_detector_free(detector);
    return CZ_OK;
}

static void survives_while_loading(void **state)
{
    struct cz_model *model = cz_test_graph("meta task detect;" RAW);
    (void)state;
    assert_ok(cz_model_save(model, model_path, true, cz_test_error()));
    cz_model_free(model);
    cz_test_file_write(names_path, "a\nb\nc\n", 6);
    fail_one_by_one(load, 5);
}

static enum cz_status use_images(struct cz_error *err)
{
    static uint8_t pixels[12];
    const char *path = cz_test_path(folder, "a.png");
    struct cz_image image = {pixels, 2, 2, 6, NULL};
    size_t width, height;
    CZ_TRY(cz_image_write(&image, opencv, path, true, err));
    CZ_TRY(cz_image_size(&width, &height, opencv, path, err));
    CZ_TRY(cz_image_read(&image, opencv, path, err));
    cz_image_free(&image, opencv);
    return CZ_OK;
}

static void survives_with_images(void **state)
{
    (void)state;
    assert_ok(cz_opencv_open(&opencv, cz_test_error()));
    fail_one_by_one(use_images, 3);
    cz_opencv_close(opencv);
}

static int set_up(void **state)
{
    (void)state;
    folder = cz_test_folder_new();
    model_path = strdup(cz_test_path(folder, "m.onnx"));
    names_path = strdup(cz_test_path(folder, "names.txt"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((void *)model_path);
    free((void *)names_path);
    cz_test_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_while_decoding),
        cmocka_unit_test(survives_while_loading),
        cmocka_unit_test(survives_with_images),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
