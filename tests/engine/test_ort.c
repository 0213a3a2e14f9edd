/* Whole models in ONNX Runtime: shapes, types, memory, errors. Skipped where
 * its library is not. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/ort_internal.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

static bool is_here(void)
{
    const char *path = getenv("ORT_LIB");
    return path && *path;
}

static enum cz_status open_with(struct cz_engine **engine, const char *model,
                                struct cz_input_shape *shape,
                                struct cz_error *err)
{
    struct cz_engine_options options = CZ_ENGINE_OPTIONS_INIT;
    options.kind = CZ_ENGINE_ORT;
    options.plan.threads = 1;
    options.plan.shapes = shape;
    options.plan.n_shapes = shape ? 1 : 0;
    return cz_engine_open(engine, cz_test_model(model), &options, err);
}

static struct cz_engine *opened(const char *model, struct cz_input_shape *shape)
{
    struct cz_engine *engine;
    assert_ok(open_with(&engine, model, shape, cz_test_error()));
    return engine;
}

static void expect_error(const char *model, struct cz_input_shape *shape,
                         const char *message)
{
    struct cz_engine *engine;
    struct cz_error err = CZ_ERROR_INIT;
    assert_int_not_equal(open_with(&engine, model, shape, &err), CZ_OK);
    assert_null(engine);
    if (!strstr(err.message, message))
        fail_msg("'%s' is not in: %s", message, err.message);
}

/* ---- frames ----------------------------------------------------------- */

static void keeps_the_memory_of_fixed_outputs(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    struct cz_engine *engine = opened("tiny_v8_opset17.onnx", NULL);
    const struct cz_port *out = cz_engine_outputs(engine, NULL);
    assert_ok(cz_engine_run(engine, cz_test_error()));
    const void *data = out->data;
    float *copy = malloc(out->size_bytes);
    assert_non_null(copy);
    memcpy(copy, data, out->size_bytes);
    assert_ok(cz_engine_run(engine, cz_test_error()));
    assert_ptr_equal(out->data, data);
    assert_memory_equal(out->data, copy, out->size_bytes);
    free(copy);
    cz_engine_close(engine);
}

static void gives_float16_as_it_is(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    static const uint16_t numbers[] = {0x3c00, 0xbc00, 0x7bff}; /* 1 -1 65504 */
    static const uint16_t negated[] = {0xbc00, 0x3c00, 0xfbff};
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "half.onnx");
    struct cz_model *model =
        cz_test_graph("in x f16[n]; y = Neg(x); out y f16[n]");
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);

    struct cz_input_shape shape = {"x", {1, {3}}};
    struct cz_engine_options options = CZ_ENGINE_OPTIONS_INIT;
    struct cz_engine *engine;
    options.kind = CZ_ENGINE_ORT;
    options.plan.shapes = &shape;
    options.plan.n_shapes = 1;
    assert_ok(cz_engine_open(&engine, path, &options, cz_test_error()));
    memcpy(cz_engine_inputs(engine, NULL)->data, numbers, sizeof numbers);
    assert_ok(cz_engine_run(engine, cz_test_error()));
    const struct cz_port *out = cz_engine_outputs(engine, NULL);
    assert_int_equal(out->dtype, CZ_DTYPE_FLOAT16);
    assert_int_equal(out->size_bytes, sizeof negated);
    assert_memory_equal(out->data, negated, sizeof negated);
    cz_engine_close(engine);
    cz_test_folder_remove(folder);
}

/* ---- shapes ----------------------------------------------------------- */

static struct cz_input_shape shape_of(const char *name, int64_t size)
{
    return (struct cz_input_shape){name, {4, {1, 3, size, size}}};
}

static void takes_shapes_with_and_without_a_name(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    const char *const names[] = {NULL, "images"};
    for (size_t i = 0; i < 2; i++) {
        struct cz_input_shape shape = shape_of(names[i], 64);
        struct cz_engine *engine = opened("dynamic_axes.onnx", &shape);
        const struct cz_port *in = cz_engine_inputs(engine, NULL);
        assert_int_equal(in->size_bytes, 3 * 64 * 64 * 4);
        assert_ok(cz_engine_run(engine, cz_test_error()));
        const struct cz_port *out = cz_engine_outputs(engine, NULL);
        assert_int_equal(out->dims.size[0], 1);
        assert_true(out->dims.size[2] > 0);
        cz_engine_close(engine);
    }
}

static void refuses_shapes_that_do_not_fit(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    struct cz_input_shape wrong_rank = {"images", {2, {1, 3}}};
    struct cz_input_shape wrong_name = shape_of("pixels", 64);
    struct cz_input_shape of_fixed = shape_of(NULL, 32);
    struct cz_input_shape twice[] = {shape_of("images", 64),
                                     shape_of("images", 32)};
    struct cz_engine_options options = CZ_ENGINE_OPTIONS_INIT;
    struct cz_engine *engine;
    expect_error("dynamic_axes.onnx", NULL, "its size must be given");
    expect_error("dynamic_axes.onnx", &wrong_rank, "[1,3] does not fit");
    expect_error("dynamic_axes.onnx", &wrong_name,
                 "'pixels', which is no input");
    expect_error("tiny_v8_opset17.onnx", &of_fixed,
                 "no input takes the shape [1,3,32,32]");
    options.kind = CZ_ENGINE_ORT;
    options.plan.shapes = twice;
    options.plan.n_shapes = 2;
    assert_error(cz_engine_open(&engine, cz_test_model("dynamic_axes.onnx"),
                                &options, cz_test_error()),
                 CZ_EINVAL, "two shapes for input 'images'");
}

/* ---- errors ----------------------------------------------------------- */

static void says_what_is_wrong_with_the_library(void **state)
{
    (void)state;
    struct cz_ort_library library;
    struct cz_error err = CZ_ERROR_INIT;
    assert_int_equal(cz_ort_library_open(&library, "/none.so", &err),
                     CZ_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "/none.so"));
    cz_ort_library_close(&library);
    assert_int_equal(cz_ort_library_open(&library, "libm.so.6", &err),
                     CZ_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "another one"));
    cz_ort_library_close(&library);
}

static void names_the_model_that_it_refuses(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    expect_error("none.onnx", NULL, "none.onnx: No such file or directory");
    expect_error("bad/empty.onnx", NULL, "bad/empty.onnx");
}

/* The library of the tests is one for the CPU. */
static void says_that_it_cannot_use_the_gpu(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    const enum cz_engine_kind kinds[] = {CZ_ENGINE_ORT_CUDA,
                                         CZ_ENGINE_ORT_TENSORRT};
    for (size_t i = 0; i < 2; i++) {
        struct cz_engine_options options = CZ_ENGINE_OPTIONS_INIT;
        struct cz_engine *engine;
        struct cz_error err = CZ_ERROR_INIT;
        options.kind = kinds[i];
        if (cz_engine_open(&engine, cz_test_model("no_tail.onnx"), &options,
                           &err) == CZ_OK) {
            cz_engine_close(engine);
            continue; /* a library that can */
        }
        assert_non_null(strstr(err.message, "cannot use the GPU"));
    }
}

static void survives_every_allocation_that_fails(void **state)
{
    (void)state;
    if (!is_here())
        skip();
    size_t nth = 1;
    struct cz_engine *engine = NULL;
    enum cz_status status = CZ_ENOMEM;
    for (; status != CZ_OK && nth < 1000; nth++) {
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(nth);
        status = open_with(&engine, "no_tail.onnx", NULL, &err);
        cz_alloc_fail_at(0);
        assert_int_equal(err.code, status);
        assert_true(status == CZ_OK || status == CZ_ENOMEM);
        assert_true((status == CZ_OK) == (engine != NULL));
    }
    assert_in_range(nth, 5, 999);
    cz_engine_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_memory_of_fixed_outputs),
        cmocka_unit_test(gives_float16_as_it_is),
        cmocka_unit_test(takes_shapes_with_and_without_a_name),
        cmocka_unit_test(refuses_shapes_that_do_not_fit),
        cmocka_unit_test(says_what_is_wrong_with_the_library),
        cmocka_unit_test(names_the_model_that_it_refuses),
        cmocka_unit_test(says_that_it_cannot_use_the_gpu),
        cmocka_unit_test(survives_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
