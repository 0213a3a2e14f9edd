/* Constants in float16: values beyond its range, readers of both kinds, every
 * way to store one; and what is refused. */
#include <math.h>
#include <stdio.h>

#include "core/alloc.h"
#include "tests/quant/support.h"

static const double largest = 65504, smallest = 0x1p-24;

static void check_element(struct halved *h, const char *value, size_t i,
                          double want)
{
    double is = element(h->model, value, i);
    if (is != want)
        fail_msg("%s[%zu] is %.9g, want %.9g", value, i, is, want);
}

static void check_refused(struct cz_model *model,
                          struct cz_fp16_options options, enum cz_status status,
                          const char *words)
{
    struct cz_fp16_report report;
    assert_error(cz_fp16_convert(model, &options, &report, cz_test_error()),
                 status, words);
    cz_model_free(model);
}

static void check_file_refused(const char *name, enum cz_status status,
                               const char *words)
{
    check_refused(cz_test_load(cz_test_model(name)),
                  (struct cz_fp16_options)CZ_FP16_OPTIONS_INIT, status, words);
}

/* ---- range ------------------------------------------------------------ */

static void clamps_what_is_too_large_and_counts_it(void **state)
{
    (void)state;
    /* 1e5, -7e4, 65504, 65520, 1, -1 */
    const double want[] = {largest, -largest, largest, largest, 1, -1};
    struct halved h = convert_file("fp16_range.onnx");
    for (size_t i = 0; i < 6; i++)
        check_element(&h, "wide", i, want[i]);
    assert_int_equal(h.report.clamped, 3);
    assert_string_equal(h.report.clamped_in, "wide");
    halved_free(&h);
}

static void raises_what_would_vanish_and_counts_it(void **state)
{
    (void)state;
    /* 1e-9, -1e-9, 2e-8, 6e-8, 1e-40, 0.5 */
    const double want[] = {smallest, -smallest, smallest,
                           smallest, smallest,  0.5};
    struct halved h = convert_file("fp16_range.onnx");
    for (size_t i = 0; i < 6; i++)
        check_element(&h, "small", i, want[i]);
    assert_int_equal(h.report.raised, 4);
    halved_free(&h);
}

static void keeps_zeros_zero(void **state)
{
    (void)state;
    struct halved h = convert_file("all_zero.onnx");
    for (size_t i = 0; i < 40; i++)
        check_element(&h, "zeros", i, 0);
    assert_int_equal(h.report.raised, 0);
    assert_int_equal(h.report.clamped, 0);
    assert_null(h.report.clamped_in);
    halved_free(&h);
}

static void refuses_values_beyond_the_range_when_strict(void **state)
{
    (void)state;
    check_refused(cz_test_load(cz_test_model("fp16_range.onnx")),
                  (struct cz_fp16_options){.strict = true}, CZ_EINVAL,
                  "tensor 'wide': 3 values are beyond float16's 65504");
}

static void accepts_values_within_the_range_when_strict(void **state)
{
    (void)state;
    struct halved h =
        convert(cz_test_load(cz_test_model("tiny_v8_opset17.onnx")),
                (struct cz_fp16_options){.strict = true});
    assert_int_equal(h.report.clamped, 0);
    halved_free(&h);
}

static void keeps_the_infinities_of_a_mask(void **state)
{
    (void)state;
    struct halved h =
        convert(cz_test_load(cz_test_model("attention_mask.onnx")),
                (struct cz_fp16_options){.strict = true});
    check_element(&h, "mask", 0, 0);
    check_element(&h, "mask", 1, (double)-INFINITY);
    assert_int_equal(h.report.clamped, 0);
    halved_free(&h);
}

static void refuses_weights_that_are_not_finite(void **state)
{
    (void)state;
    check_file_refused("bad/weight_nan.onnx", CZ_EINVAL,
                       "tensor 'weight': 1 of its weights are NaN, 0 infinite");
    check_file_refused("bad/weight_inf.onnx", CZ_EINVAL,
                       "tensor 'weight': 0 of its weights are NaN, 1 infinite");
    check_file_refused("bad/weight_minus_inf.onnx", CZ_EINVAL,
                       "tensor 'weight': 0 of its weights are NaN, 1 infinite");
}

static void refuses_an_infinite_weight_behind_a_reshape(void **state)
{
    (void)state;
    check_refused(cz_test_graph("in x f32[1,2,2,2]; out y\n"
                                "const f f32[2] 1 inf\n"
                                "const s i64[4] 1 2 1 1\n"
                                "w = Reshape(f, s); y = Conv(x, w)"),
                  (struct cz_fp16_options)CZ_FP16_OPTIONS_INIT, CZ_EINVAL,
                  "tensor 'f': 0 of its weights are NaN, 1 infinite");
}

static void accepts_nan_that_is_no_weight(void **state)
{
    (void)state;
    struct halved h =
        convert_text("in x f32[1,2,4,4]; in b bool[1,2,4,4]; out y\n"
                     "const w f32[2,2,1,1] 0.5; const none f32[1] nan\n"
                     "c = Conv(x, w); m = Where(b, c, none); y = Conv(m, w)");
    assert_half(reads(&h, "m", 2));
    assert_true(isnan(element(h.model, "none", 0)));
    halved_free(&h);
}

/* 100000 is beyond float16. */
static void keeps_casts_of_large_integers_float32(void **state)
{
    (void)state;
    struct halved h =
        convert_text("in x f32[1,2,4,4]; out y; const w f32[2,2,1,1] 0.5\n"
                     "const large i64[1] 100000; c = Conv(x, w)\n"
                     "f = Cast(large) to=1; m = Mul(c, f); y = Conv(m, w)");
    assert_float(dtype_of(&h, "f"));
    assert_int_equal(cz_node_attr_int(cz_test_node(h.model, "f"), "to", 0),
                     CZ_DTYPE_FLOAT);
    assert_float(dtype_of(&h, "m"));
    halved_free(&h);
}

/* ---- two kinds of readers --------------------------------------------- */

static void duplicates_a_constant_that_both_precisions_read(void **state)
{
    (void)state;
    struct halved h = convert_file("shared_scale.onnx");
    const struct cz_node *body = cz_test_node(h.model, "Mul");
    const struct cz_node *decode = cz_test_node(h.model, "Mul_1");
    assert_half(body->inputs[1]->dtype);
    assert_float(decode->inputs[1]->dtype);
    assert_non_null(body->inputs[1]->constant);
    assert_string_equal(decode->inputs[1]->name, "scale");
    check_element(&h, body->inputs[1]->name, 0, 1.5);
    check_element(&h, "scale", 0, 1.5);
    assert_int_equal(h.report.tensors, 5);
    assert_int_equal(h.report.tensors_kept, 1);
    halved_free(&h);
}

static void casts_a_plain_number_that_both_precisions_read(void **state)
{
    (void)state;
    struct halved h = convert_file("shared_constant_node.onnx");
    const struct cz_node *body = cz_test_node(h.model, "Mul");
    assert_half(body->inputs[1]->dtype);
    assert_string_equal(body->inputs[1]->producer->op_type, "Cast");
    assert_float(reads(&h, "Mul_1", 1));
    halved_free(&h);
}

/* IR version 3 lists initializers as inputs: a new one would be missing. */
static void casts_a_shared_constant_of_ir_3(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "half.onnx");
    struct halved h = convert_text(
        "ir 3; opset 9; in x f32[1,2,4,4]; in w f32[2,2,1,1]; in s f32[1]\n"
        "const w f32[2,2,1,1] 0.5; const s f32[1] 1.5; out y f32[1,2,4,4]\n"
        "c = Conv(x, w); m = Mul(c, s); d = Conv(m, w); e = Sigmoid(d)\n"
        "y = Mul(e, s)");
    assert_ok(cz_model_save(h.model, path, false, cz_test_error()));
    halved_free(&h);
    bool checked;
    h.model = cz_test_load(path);
    assert_ok(cz_model_check(h.model, &checked, cz_test_error()));
    assert_true(checked);
    assert_ok(cz_graph_infer(cz_model_graph(h.model), cz_test_error()));
    assert_half(reads(&h, "m", 1));
    assert_string_equal(
        cz_test_node(h.model, "m")->inputs[1]->producer->op_type, "Cast");
    assert_float(dtype_of(&h, "s"));
    assert_string_equal(cz_test_node(h.model, "y")->inputs[1]->name, "s");
    for (size_t i = 0; i < cz_model_graph(h.model)->n_values; i++) {
        const struct cz_value *value = cz_model_graph(h.model)->values[i];
        assert_true(!value->constant || value->is_input);
    }
    halved_free(&h);
    cz_test_folder_remove(folder);
}

static void keeps_a_constant_that_is_an_output(void **state)
{
    (void)state;
    struct halved h = convert_file("constant_output.onnx");
    assert_float(dtype_of(&h, "offset"));
    assert_half(reads(&h, "Add", 1));
    halved_free(&h);
}

static void keeps_a_constant_that_only_float32_reads(void **state)
{
    (void)state;
    struct halved h = convert_file("two_readers.onnx");
    assert_float(dtype_of(&h, "low"));
    assert_float(dtype_of(&h, "high"));
    assert_int_equal(h.report.tensors_kept, 2);
    halved_free(&h);
}

/* ---- storage ---------------------------------------------------------- */

static void converts_every_storage_alike(void **state)
{
    (void)state;
    static const struct {
        const char *model, *value;
    } rows[] = {{"storage_float32_raw.onnx", "weight"},
                {"storage_float32_typed.onnx", "weight"},
                {"storage_reshaped.onnx", "flat"},
                {"storage_constant_value.onnx", "Constant_output_0"},
                {"storage_constant_floats.onnx", "Constant_output_0"}};
    struct cz_model *original = cz_test_load(cz_test_model(rows[0].model));
    char *folder = cz_test_folder_new();
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct halved h = convert_file(rows[r].model);
        const char *path = cz_test_path(folder, rows[r].model);
        assert_ok(cz_model_save(h.model, path, false, cz_test_error()));
        halved_free(&h);
        struct halved saved = {.model = cz_test_load(path)};
        assert_ok(cz_graph_infer(cz_model_graph(saved.model), cz_test_error()));
        assert_half(dtype_of(&saved, rows[r].value));
        for (size_t i = 0; i < 216; i++) /* exact in float16 */
            check_element(&saved, rows[r].value, i,
                          element(original, "weight", i));
        halved_free(&saved);
    }
    cz_test_folder_remove(folder);
    cz_model_free(original);
}

static void converts_external_data(void **state)
{
    (void)state;
    size_t size;
    char *folder = cz_test_folder_new();
    struct cz_model *original = cz_test_load(cz_test_model("external.onnx"));
    struct halved h = convert_file("external.onnx");
    assert_ok(cz_model_save(h.model, cz_test_path(folder, "half.onnx"), false,
                            cz_test_error()));
    halved_free(&h);
    h.model = cz_test_load(cz_test_path(folder, "half.onnx"));
    assert_half(dtype_of(&h, "first"));
    assert_float_equal(element(h.model, "first", 0),
                       element(original, "first", 0), 1e-3);
    cz_free(cz_test_file_read(cz_test_path(folder, "half.onnx.data"), &size));
    assert_true(size > 0);
    halved_free(&h);
    cz_model_free(original);
    cz_test_folder_remove(folder);
}

static void halves_the_file(void **state)
{
    (void)state;
    size_t before, after;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "half.onnx");
    struct halved h = convert_file("tiny_v8_opset17.onnx");
    assert_ok(cz_model_save(h.model, path, false, cz_test_error()));
    cz_free(cz_test_file_read(cz_test_model("tiny_v8_opset17.onnx"), &before));
    cz_free(cz_test_file_read(path, &after));
    /* 48,632 weights of the body; the rest is graph. */
    assert_true(before - after > 2 * 48632 - 1024);
    halved_free(&h);
    cz_test_folder_remove(folder);
}

/* ---- declarations ----------------------------------------------------- */

static void retypes_value_infos(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "half.onnx");
    struct halved h = convert_file("annotated.onnx");
    assert_ok(cz_model_save(h.model, path, false, cz_test_error()));
    halved_free(&h);
    h.model = cz_test_load(path); /* not inferred: as declared */
    assert_half(dtype_of(&h, "Conv_output_0"));
    assert_half(dtype_of(&h, "Mul_output_0"));
    assert_float(dtype_of(&h, "y"));
    assert_float(dtype_of(&h, "images"));
    halved_free(&h);
    cz_test_folder_remove(folder);
}

/* ---- models that are refused ------------------------------------------ */

static void refuses_a_model_that_computes_in_float16(void **state)
{
    (void)state;
    check_file_refused("bad/already_fp16.onnx", CZ_EINVAL,
                       "is float16 already");
    struct halved h = convert_file("tiny_v8_opset17.onnx");
    check_refused(h.model, (struct cz_fp16_options)CZ_FP16_OPTIONS_INIT,
                  CZ_EINVAL, "is float16 already");
}

static void refuses_a_quantized_model(void **state)
{
    (void)state;
    check_file_refused("qdq.onnx", CZ_EUNSUPPORTED, "is quantized");
    check_file_refused("dequantized_weight.onnx", CZ_EUNSUPPORTED,
                       "is quantized");
}

static void refuses_a_model_with_nothing_to_convert(void **state)
{
    (void)state;
    check_file_refused("bad/no_conv.onnx", CZ_EINVAL,
                       "there is nothing to convert");
    check_file_refused("double_compute.onnx", CZ_EINVAL,
                       "there is nothing to convert");
}

static bool stop(void *user, const char *stage, size_t done, size_t total)
{
    assert_string_equal(stage, "fp16");
    assert_in_range(done, 1, total);
    return ++*(size_t *)user < 5;
}

static void stops_when_it_is_told_to(void **state)
{
    (void)state;
    size_t calls = 0;
    const struct cz_progress progress = {stop, &calls};
    check_refused(cz_test_load(cz_test_model("tiny_v8_opset17.onnx")),
                  (struct cz_fp16_options){.progress = &progress},
                  CZ_EINTERRUPTED, "interrupted");
    assert_int_equal(calls, 5);
}

/* Every allocation fails once: CZ_ENOMEM each time, and no leak (asan). */
static void survives_a_lack_of_memory(void **state)
{
    (void)state;
    const struct cz_fp16_options options = CZ_FP16_OPTIONS_INIT;
    static const char *const models[] = {"shared_scale.onnx",
                                         "constant_forms.onnx"};
    for (size_t m = 0; m < 2; m++) {
        enum cz_status status = CZ_ENOMEM;
        for (size_t nth = 1; status != CZ_OK; nth++) {
            struct cz_fp16_report report;
            struct cz_model *model = cz_test_load(cz_test_model(models[m]));
            cz_alloc_fail_at(nth);
            status = cz_fp16_convert(model, &options, &report, cz_test_error());
            cz_alloc_fail_at(0);
            assert_true(status == CZ_OK ? nth > 1 : status == CZ_ENOMEM);
            cz_model_free(model);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clamps_what_is_too_large_and_counts_it),
        cmocka_unit_test(raises_what_would_vanish_and_counts_it),
        cmocka_unit_test(keeps_zeros_zero),
        cmocka_unit_test(refuses_values_beyond_the_range_when_strict),
        cmocka_unit_test(accepts_values_within_the_range_when_strict),
        cmocka_unit_test(keeps_the_infinities_of_a_mask),
        cmocka_unit_test(refuses_weights_that_are_not_finite),
        cmocka_unit_test(refuses_an_infinite_weight_behind_a_reshape),
        cmocka_unit_test(accepts_nan_that_is_no_weight),
        cmocka_unit_test(keeps_casts_of_large_integers_float32),
        cmocka_unit_test(duplicates_a_constant_that_both_precisions_read),
        cmocka_unit_test(casts_a_plain_number_that_both_precisions_read),
        cmocka_unit_test(casts_a_shared_constant_of_ir_3),
        cmocka_unit_test(keeps_a_constant_that_is_an_output),
        cmocka_unit_test(keeps_a_constant_that_only_float32_reads),
        cmocka_unit_test(converts_every_storage_alike),
        cmocka_unit_test(converts_external_data),
        cmocka_unit_test(halves_the_file),
        cmocka_unit_test(retypes_value_infos),
        cmocka_unit_test(refuses_a_model_that_computes_in_float16),
        cmocka_unit_test(refuses_a_quantized_model),
        cmocka_unit_test(refuses_a_model_with_nothing_to_convert),
        cmocka_unit_test(stops_when_it_is_told_to),
        cmocka_unit_test(survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
