/* float16 in a model in QDQ form: what is computed in integers is left alone,
 * or has float16 scales. */
#include "tests/quant/support.h"
#include "tests/support/plan.h"

/* An integer convolution with a Relu that is folded, and a float one in front
 * of the decode tail. Channel 1 of `w` has a scale that float16 has not. */
#define MODEL                                                                  \
    "ir 8; opset 13; in x f32[1,1,4,4]; const s f32[] 0.1; const z u8[] 0; "   \
    "const w i8[2,1,1,1] 100 -50; const ws f32[2] 0.01 1e-7; "                 \
    "const wz i8[2] 0 0; const u u8[1,2,1,1] 130 128; const us f32[1] 3e-7; "  \
    "const uz u8[1] 128; q = QuantizeLinear(x, s, z); "                        \
    "d = DequantizeLinear(q, s, z); wd = DequantizeLinear(w, ws, wz) axis=0; " \
    "c = Conv(d, wd); r = Relu(c); qr = QuantizeLinear(r, s, z); "             \
    "dr = DequantizeLinear(qr, s, z); "                                        \
    "ud = DequantizeLinear(u, us, uz) axis=0; e = Conv(dr, ud); "              \
    "y = Sigmoid(e); out y f32[1,1,4,4]"

static struct halved convert_codes(enum cz_fp16_codes codes)
{
    return convert(cz_test_graph(MODEL),
                   (struct cz_fp16_options){.codes = codes});
}

static void leaves_integers_to_onnx_runtime(void **state)
{
    (void)state;
    struct halved h = convert_codes(CZ_FP16_CODES_FLOAT);
    assert_int_equal(cz_model_opset(h.model, ""), 13);
    assert_int_equal(h.report.casts, 3); /* both operands of e, and behind it */
    assert_float(dtype_of(&h, "s"));
    assert_float(dtype_of(&h, "ws"));
    assert_float(dtype_of(&h, "us"));
    assert_float(dtype_of(&h, "c"));
    assert_float(dtype_of(&h, "r"));
    assert_half(dtype_of(&h, "e"));
    assert_half(reads(&h, "e", 0));
    assert_half(reads(&h, "e", 1));
    assert_float(reads(&h, "y", 0));
    assert_true(element(h.model, "w", 1) == -50);
    halved_free(&h);
}

static void gives_tensorrt_half_scales(void **state)
{
    (void)state;
    struct halved h = convert_codes(CZ_FP16_CODES_HALF);
    assert_int_equal(cz_model_opset(h.model, ""), 19);
    assert_int_equal(h.report.casts, 2); /* behind x, and before y */
    assert_half(dtype_of(&h, "s"));
    assert_half(dtype_of(&h, "ws"));
    assert_half(dtype_of(&h, "us"));
    assert_half(reads(&h, "q", 0));
    assert_half(dtype_of(&h, "c"));
    assert_half(dtype_of(&h, "r"));
    assert_half(dtype_of(&h, "e"));
    assert_float(reads(&h, "y", 0));
    halved_free(&h);
}

/* 1e-7 becomes 2^-23, 3e-7 5 * 2^-24. */
static void lets_codes_of_weights_follow_their_scale(void **state)
{
    (void)state;
    struct halved h = convert_codes(CZ_FP16_CODES_HALF);
    assert_true(element(h.model, "ws", 1) == 0x1p-23);
    assert_true(element(h.model, "w", 0) == 100);
    assert_true(element(h.model, "w", 1) == -42);
    assert_true(element(h.model, "us", 0) == 5 * 0x1p-24);
    assert_true(element(h.model, "u", 0) == 130);
    assert_true(element(h.model, "u", 1) == 128); /* 0 stays 0 */
    halved_free(&h);
}

/* The engine has no float16 inside: what differs is the rounding of scales and
 * weights, and the code of a value between two of them. */
#define NEAR 0.01

static void runs_as_before(void **state)
{
    (void)state;
    static const enum cz_fp16_codes codes[] = {CZ_FP16_CODES_FLOAT,
                                               CZ_FP16_CODES_HALF};
    for (size_t i = 0; i < 2; i++) {
        struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
        struct cz_plan *a, *b;
        struct cz_model *before = cz_test_graph(MODEL);
        struct halved h = convert_codes(codes[i]);
        options.threads = 1;
        assert_ok(cz_plan_compile(&a, before, &options, cz_test_error()));
        assert_ok(cz_plan_compile(&b, h.model, &options, cz_test_error()));
        cz_test_randomize(a, 1);
        cz_test_randomize(b, 1);
        assert_ok(cz_plan_run(a, cz_test_error()));
        assert_ok(cz_plan_run(b, cz_test_error()));
        assert_true(cz_test_difference(a, b) < NEAR);
        cz_plan_free(a);
        cz_plan_free(b);
        cz_model_free(before);
        halved_free(&h);
    }
}

static void refuses_codes_that_nobody_asked_for(void **state)
{
    (void)state;
    struct cz_fp16_options options = CZ_FP16_OPTIONS_INIT;
    struct cz_fp16_report report;
    struct cz_model *model = cz_test_graph(MODEL);
    assert_error(cz_fp16_convert(model, &options, &report, cz_test_error()),
                 CZ_EUNSUPPORTED, "is quantized (4 quantized operators)");
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_integers_to_onnx_runtime),
        cmocka_unit_test(gives_tensorrt_half_scales),
        cmocka_unit_test(lets_codes_of_weights_follow_their_scale),
        cmocka_unit_test(runs_as_before),
        cmocka_unit_test(refuses_codes_that_nobody_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
