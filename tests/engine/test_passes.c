/* What passes and kernels once got wrong, or must not be tempted to do: small
 * models that give the same with all of them and with none. */
#include <math.h>

#include "tests/support/engine.h"

/* Sums in another order. */
#define TOLERANCE 1e-5

#define NO_KERNELS                                                             \
    "-winograd,-direct,-depthwise,-onednn,-blocked,-place,-simd,"              \
    "-gemm,-openblas"

static void feed(struct cz_test_engine *e)
{
    size_t n;
    const struct cz_port *inputs = cz_plan_inputs(e->plan, &n);
    for (size_t i = 0; i < n; i++) {
        float *x = inputs[i].data;
        for (size_t k = 0; k < inputs[i].size_bytes / sizeof *x; k++)
            x[k] = (float)((k * 7 + i) % 11) / 4 - 1;
    }
}

static void compare(const struct cz_port *got, const struct cz_port *want)
{
    const float *a = got->data, *b = want->data;
    assert_int_equal(got->size_bytes, want->size_bytes);
    for (size_t k = 0; k < got->size_bytes / sizeof *a; k++) {
        if (!(fabsf(a[k] - b[k]) <= TOLERANCE * fmaxf(1, fabsf(b[k]))))
            fail_msg("%s[%zu] is %.9g, want %.9g", got->name, k, (double)a[k],
                     (double)b[k]);
    }
}

static void check(const char *text, const struct cz_plan_options *options)
{
    struct cz_plan_options plain = CZ_PLAN_OPTIONS_INIT;
    plain.threads = 1;
    plain.passes = "none";
    plain.kernels = NO_KERNELS;
    struct cz_test_engine want = cz_test_engine(text, &plain);
    struct cz_test_engine got = cz_test_engine(text, options);
    size_t n;
    const struct cz_port *outputs = cz_plan_outputs(want.plan, &n);
    print_message("%s\n", text);
    for (int frame = 0; frame < 2; frame++) {
        feed(&want);
        feed(&got);
        cz_test_run(&want);
        cz_test_run(&got);
    }
    for (size_t i = 0; i < n; i++)
        compare(&cz_plan_outputs(got.plan, NULL)[i], &outputs[i]);
    cz_test_engine_fini(&got);
    cz_test_engine_fini(&want);
}

/* With each of these lists of kernels. */
static void check_kernels(const char *text, const char *const *lists, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
        options.threads = 1;
        options.kernels = lists[i];
        check(text, &options);
    }
}

static void adds_residuals_of_a_pixel_to_each_image(void **state)
{
    static const char *const lists[] = {NULL, "-winograd,-direct,-depthwise",
                                        "-onednn"};
    (void)state;
    check_kernels("in x f32[3,1,1,1]; const w f32[1,1,3,3] iota; "
                  "v = Conv(x, w) pads=[1,1,1,1]; y = Add(x, v); out y",
                  lists, 3);
    check_kernels("in x f32[2,16,1,1]; const w f32[16,16,1,1] random 1 1; "
                  "v = Conv(x, w); y = Add(v, x); out y",
                  lists, 3);
}

static void blocks_no_parts_that_no_kernel_moves(void **state)
{
    static const char *const lists[] = {"-place", NULL};
    (void)state;
    check_kernels("in x f32[1,32,4,4]; const w f32[48,32,1,1] random 1 1; "
                  "const s i64[2] 16 32; v = Conv(x, w); "
                  "a, b = Split(v, s) axis=1; y = Concat(b, a, a) axis=1; "
                  "out a; out y",
                  lists, 2);
}

/* Values that would like to lie in each other, or twice in one. */
static void shares_bytes_only_where_nobody_minds(void **state)
{
    static const char *const models[] = {
        "in x f32[1,4]; y = Identity(x); z = Neg(x); out y; out z",
        "in x f32[2,4]; y = Concat(x, x) axis=0; z = Neg(x); out y; out z",
        "in x f32[4,4]; a, b = Split(x) axis=0; y = Concat(a, b) axis=0; "
        "z = Neg(y); out y; out z; out a",
        "in x f32[4,4]; a, b = Split(x) axis=0; y = Concat(b, a) axis=0; "
        "z = Concat(a, b) axis=0; v = Concat(y, z, a) axis=0; out y; out v",
        "in x f32[2,4]; a = Neg(x); y = Concat(a, a) axis=0; b = Exp(a); "
        "z = Concat(b, a) axis=0; out y; out z",
        "in x f32[4]; const s i64[2] 2 2; a = Reshape(x, s); b = Neg(a); "
        "c = Add(x, x); d = Reshape(b, r); const r i64[1] 4; y = Sub(d, c); "
        "out y; out a",
        "in x f32[2,2]; a = Neg(x); b = Concat(a, x) axis=0; "
        "c = Concat(b, b) axis=0; d = Concat(c, b, a) axis=0; y = Exp(b); "
        "out y; out d",
        "in x f32[2,2]; a = Neg(x); b = Neg(a); c = Neg(b); y = Add(c, a); "
        "out y; out c",
        "in x f32[4,2]; const s i64[2] 1 3; a, b = Split(x, s) axis=0; "
        "c = Neg(b); d = Concat(a, c) axis=0; e = Concat(a, b) axis=0; "
        "y = Add(d, e); out y; out b; out e",
    };
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    (void)state;
    options.threads = 1;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check(models[i], &options);
}

/* Each convolution may only take a sum whose other operand is there by then. */
static void moves_convolutions_behind_what_they_add(void **state)
{
    static const char *const lists[] = {NULL, NO_KERNELS};
    (void)state;
    check_kernels("in x f32[1,16,5,5]; const w f32[16,16,1,1] random 1 0.3; "
                  "const v f32[16,16,3,3] random 2 0.2; a = Conv(x, w); "
                  "b = Conv(x, v) pads=[1,1,1,1]; c = Relu(x); d = Add(a, b); "
                  "e = Add(c, d); f = Conv(e, w); g = Add(f, e); "
                  "h = Conv(g, w); i = Relu(g); j = Add(i, h); out j; out d",
                  lists, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_residuals_of_a_pixel_to_each_image),
        cmocka_unit_test(blocks_no_parts_that_no_kernel_moves),
        cmocka_unit_test(shares_bytes_only_where_nobody_minds),
        cmocka_unit_test(moves_convolutions_behind_what_they_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
