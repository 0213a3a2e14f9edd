/* Every allocation fails once, in compiling and in running, with all after it
 * or alone: the work ends with CZ_ENOMEM or, where there is another way, with
 * the right numbers, and frees what it had (the address sanitizer looks). */
#include <math.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/half.h"
#include "tests/support/engine.h"

/* More than any of the models asks for. */
#define ALLOCATIONS_MAX 20000
#define NUMBERS_MAX 8192

/* Another kernel than without a failure sums in another order. */
#define TOLERANCE 1e-4

/* What a run gives: all numbers of all outputs. */
struct result {
    float numbers[NUMBERS_MAX];
    size_t count;
};

static void feed(struct cz_plan *plan)
{
    size_t n;
    const struct cz_port *inputs = cz_plan_inputs(plan, &n);
    for (size_t i = 0; i < n; i++) {
        bool is_half = inputs[i].dtype == CZ_DTYPE_FLOAT16;
        size_t count = inputs[i].size_bytes / (is_half ? 2 : 4);
        for (size_t k = 0; k < count; k++) {
            float x = (float)((k * 7 + i) % 11) / 4 - 1;
            if (is_half)
                ((uint16_t *)inputs[i].data)[k] = cz_half_from_float(x);
            else
                ((float *)inputs[i].data)[k] = x;
        }
    }
}

static void add_port(struct result *result, const struct cz_port *port)
{
    size_t bytes = port->dtype == CZ_DTYPE_FLOAT   ? 4
                   : port->dtype == CZ_DTYPE_INT64 ? 8
                                                   : 2;
    for (size_t k = 0; k < port->size_bytes / bytes; k++) {
        assert_true(result->count < NUMBERS_MAX);
        result->numbers[result->count++] =
            bytes == 4   ? ((const float *)port->data)[k]
            : bytes == 8 ? (float)((const int64_t *)port->data)[k]
                         : cz_half_to_float(((const uint16_t *)port->data)[k]);
    }
}

static void collect(struct result *result, const struct cz_plan *plan,
                    const struct cz_plan_options *options)
{
    size_t n;
    const struct cz_port *outputs = cz_plan_outputs(plan, &n);
    result->count = 0;
    for (size_t i = 0; i < n; i++)
        add_port(result, &outputs[i]);
    for (size_t i = 0; i < options->n_taps; i++)
        add_port(result, cz_plan_find(plan, options->taps[i]));
}

/* Compiles and runs two frames while allocations fail: it says which;
 * 0: none does. `*asked` is how many there were. */
typedef size_t failing(size_t nth);

static enum cz_status work(struct result *result, failing *failing_at,
                           size_t nth, const char *text,
                           const struct cz_plan_options *options, size_t *asked,
                           struct cz_error *err)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan = NULL;
    failing_at(nth);
    enum cz_status status = cz_plan_compile(&plan, model, options, err);
    for (int frame = 0; frame < 2 && status == CZ_OK; frame++) {
        feed(plan);
        status = cz_plan_run(plan, err);
    }
    *asked = cz_alloc_fail_at(0);
    if (status == CZ_OK)
        collect(result, plan, options);
    cz_plan_free(plan);
    cz_model_free(model);
    return status;
}

static void compare(const struct result *got, const struct result *want,
                    size_t nth)
{
    assert_int_equal(got->count, want->count);
    for (size_t i = 0; i < got->count; i++) {
        float a = got->numbers[i], b = want->numbers[i];
        if (!(fabsf(a - b) <= (float)TOLERANCE * fmaxf(1, fabsf(b))))
            fail_msg("allocation %zu failed: number %zu is %g, want %g", nth, i,
                     (double)a, (double)b);
    }
}

static void check_failing(const char *text,
                          const struct cz_plan_options *options,
                          failing *failing_at)
{
    struct cz_error err = CZ_ERROR_INIT;
    struct result want, got;
    size_t total, asked;
    assert_ok(
        work(&want, failing_at, 0, text, options, &total, cz_test_error()));
    assert_true(total > 3 && total < ALLOCATIONS_MAX);
    for (size_t nth = 1; nth <= total; nth++) {
        enum cz_status status =
            work(&got, failing_at, nth, text, options, &asked, &err);
        if (status == CZ_OK)
            compare(&got, &want, nth);
        else if (status != CZ_ENOMEM || err.code != CZ_ENOMEM ||
                 !strstr(err.message, "out of memory"))
            fail_msg("allocation %zu of %zu: status %d: %s", nth, total, status,
                     err.message);
    }
    assert_int_equal(
        work(&got, failing_at, total + 1, text, options, &asked, &err), CZ_OK);
}

static void check_options(const char *text,
                          const struct cz_plan_options *options)
{
    check_failing(text, options, cz_alloc_fail_at);
    check_failing(text, options, cz_alloc_fail_only);
}

static void check(const char *text)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    options.threads = 1;
    check_options(text, &options);
    options.threads = 2;
    options.kernels = "-onednn";
    check_options(text, &options);
    options.passes = "none";
    options.kernels =
        "-winograd,-direct,-depthwise,-onednn,-blocked,-place,-simd,"
        "-gemm,-openblas";
    check_options(text, &options);
}

static const char chain[] =
    "in x f32[1,3,8,8]; const a f32[16,3,3,3] random 1 0.3; "
    "const b f32[16,16,3,3] random 2 0.2; const d f32[16,1,3,3] random 3 0.4; "
    "const n f32[16] 1; const s i64[2] 8 8; const r f32[4] 1 1 2 2; "
    "c = Conv(x, a) pads=[1,1,1,1]; e = BatchNormalization(c, n, n, n, n); "
    "f = Sigmoid(e); g = Mul(e, f); h = Conv(g, b) pads=[1,1,1,1]; "
    "i = Add(g, h); j = Conv(i, d) group=16 pads=[1,1,1,1] strides=[2,2]; "
    "k, l = Split(j, s) axis=1; m = Concat(l, k, j) axis=1; "
    "o = MaxPool(m) kernel_shape=[3,3] pads=[1,1,1,1]; p = Resize(o, , r); "
    "y = Softmax(p) axis=1; out y; out i";

static void survives_in_convolutions(void **state)
{
    (void)state;
    check(chain);
}

static void survives_in_channels(void **state)
{
    (void)state;
    check("in x f32[1,3,6,5]; const w f32[16,3,3,3] random; "
          "const v f32[16,16,1,1] random; const t f32[16,16,2,2] random; "
          "a = Conv(x, w); b = GlobalAveragePool(a); c = Conv(b, v); "
          "d = HardSigmoid(c); e = Mul(a, d); "
          "y = ConvTranspose(e, t) strides=[2,2]; out y");
}

static void survives_in_products_of_matrices(void **state)
{
    (void)state;
    check("in x f32[1,5,6,7]; const w f32[7,5,3,3] random; "
          "const t f32[7,4,2,2] random; const m f32[14,9] random; "
          "const g f32[9,9] random; const s i64[2] -1 9; "
          "a = Conv(x, w) pads=[1,1,1,1]; b = ConvTranspose(a, t) "
          "strides=[2,2]; c = MatMul(b, m); d = Reshape(c, s); "
          "y = Gemm(d, g); out y");
}

static void survives_on_codes(void **state)
{
    (void)state;
    check("in x f32[1,3,6,5]; const s f32[] 0.02; const z u8[] 128; "
          "const w i8[16,3,3,3] 3 -5 9; const ws f32[16] 0.01; "
          "const wz i8[16] 0; const b f32[16] random; const k f32[4] 1 1 2 2; "
          "p = QuantizeLinear(x, s, z); q = DequantizeLinear(p, s, z); "
          "wf = DequantizeLinear(w, ws, wz) axis=0; "
          "c = Conv(q, wf, b) pads=[1,1,1,1]; d = QuantizeLinear(c, s, z); "
          "e = DequantizeLinear(d, s, z); f = Sigmoid(e); "
          "g = QuantizeLinear(f, s, z); h = DequantizeLinear(g, s, z); "
          "i = Add(e, h); j = QuantizeLinear(i, s, z); "
          "l = DequantizeLinear(j, s, z); r = Resize(l, , k); "
          "t = Concat(r, r) axis=1; u = MaxPool(t) kernel_shape=[2,2]; "
          "y = Relu(u); out y; v = Conv(q, wf, b); out v");
}

static void survives_with_taps_and_all_values_kept(void **state)
{
    static const char *const taps[] = {"h", "k", "x", "n"};
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    (void)state;
    options.threads = 2;
    options.taps = taps;
    options.n_taps = 4;
    check_options(chain, &options);
    options.keep_all = true;
    check_options(chain, &options);
}

static void survives_in_half_precision(void **state)
{
    (void)state;
    check("in x f16[1,4]; const w f16[4,3] 0.5 1 2; a = MatMul(x, w); "
          "y = Relu(a); z = NonZero(x); out y; out a; out z");
}

static void survives_where_sizes_depend_on_data(void **state)
{
    (void)state;
    check("in x f32[2,6]; i = NonZero(x); t = Transpose(i); "
          "v = GatherND(x, t); u, p = Unique(v) sorted=1; q = Cast(p) to=1; "
          "r = Concat(v, q) axis=0; y = Softmax(r); out y; out i");
    check("in b f32[1,8,4]; in s f32[1,2,8]; const n i64[] 4; "
          "const iou f32[] 0.5; const t f32[] 0.1; const z i64[] 0; "
          "const o i64[] 2; k = NonMaxSuppression(b, s, n, iou, t); "
          "i = Gather(k, o) axis=1; c = Squeeze(b, zero); "
          "const zero i64[1] 0; y = Gather(c, i) axis=0; out y; out k");
}

static void survives_in_constants(void **state)
{
    (void)state;
    check("in x f32[1,2,4,4]; h = Shape(x); const i i64[] 1; g = Gather(h, i); "
          "const one i64[1] 0; u = Unsqueeze(g, one); const m i64[1] -1; "
          "s = Concat(u, m) axis=0; r = Reshape(x, s); "
          "const c f32[2,16] iota; e = Sqrt(c); y = Add(r, e); out y");
}

static void survives_in_branches(void **state)
{
    (void)state;
    check("in x f32[2,3]; h = Shape(x); const n i64[2] 2 3; e = Equal(h, n); "
          "m = Cast(e) to=6; p = ReduceMin(m) keepdims=0; c = Cast(p) to=9; "
          "y = If(c) then_branch={const w f32[3,4] 2; a = MatMul(x, w); out a} "
          "else_branch={a = Neg(x); out a}; out y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_in_convolutions),
        cmocka_unit_test(survives_in_channels),
        cmocka_unit_test(survives_in_products_of_matrices),
        cmocka_unit_test(survives_on_codes),
        cmocka_unit_test(survives_with_taps_and_all_values_kept),
        cmocka_unit_test(survives_in_half_precision),
        cmocka_unit_test(survives_where_sizes_depend_on_data),
        cmocka_unit_test(survives_in_constants),
        cmocka_unit_test(survives_in_branches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
