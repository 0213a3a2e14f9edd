/* Models in QDQ form in integers: which steps become which, what must stay as
 * it is, and that codes are those of the float operators between
 * QuantizeLinear and DequantizeLinear. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/plan_internal.h"
#include "tests/support/rewrite.h"

/* An integer sum is exact, one of floats is not: where it lies half way between
 * two codes they may differ, by one step. More than this share of an output
 * would be another arithmetic. */
#define STEPS_MAX 1.0
#define DIFFERENT_MAX 0.02
/* Outputs in floats: a step that hides what float32 rounds. */
#define ROUNDING 1e-3

/* ---- models as text --------------------------------------------------- */

/* What the texts here have beside what graph_text.h knows:
 *
 *     scales                   s, z; s2, z2; s3, z3
 *     image [1,3,4,5]          an input x, xq its codes, xf what they stand for
 *     weights w [6,3,1,1] 6    6 scales
 *     codes y = x s z          y is what the codes yq of x stand for
 */
#define TEXT_BYTES 4096

/* Writes what `statement` stands for; false where it is none of them. */
static bool expand_one(char *to, size_t size, const char *statement)
{
    char a[40], b[40], c[40], d[40];
    int n = 0;
    if (strcmp(statement, "scales") == 0)
        n = snprintf(to, size,
                     "const s f32[] 0.01; const z u8[] 120; "
                     "const s2 f32[] 0.03; const z2 u8[] 60; "
                     "const s3 f32[] 0.004; const z3 u8[] 0; ");
    else if (sscanf(statement, "image %39s", a) == 1)
        n = snprintf(to, size,
                     "in x f32%s; xq = QuantizeLinear(x, s, z); "
                     "xf = DequantizeLinear(xq, s, z); ",
                     a);
    else if (sscanf(statement, "weights %39s %39s %39s", a, b, c) == 3)
        n = snprintf(to, size,
                     "const %sq f32%s random; const %ss f32[%s] 0.008 0.007; "
                     "const %sz i8[%s] 0; "
                     "%sc = QuantizeLinear(%sq, %ss, %sz) axis=0; "
                     "%s = DequantizeLinear(%sc, %ss, %sz) axis=0; ",
                     a, b, a, c, a, c, a, a, a, a, a, a, a, a);
    else if (sscanf(statement, "codes %39s = %39s %39s %39s", a, b, c, d) == 4)
        n = snprintf(to, size,
                     "%sq = QuantizeLinear(%s, %s, %s); "
                     "%s = DequantizeLinear(%sq, %s, %s); ",
                     a, b, c, d, a, a, c, d);
    assert_true(n >= 0 && (size_t)n < size);
    return n > 0;
}

static struct cz_model *load(const char *text)
{
    char all[TEXT_BYTES], statement[TEXT_BYTES];
    size_t at = 0;
    for (; *text; text += *text == ';') {
        text += strspn(text, " ");
        const size_t length = strcspn(text, ";");
        snprintf(statement, sizeof statement, "%.*s", (int)length, text);
        text += length;
        if (!expand_one(all + at, sizeof all - at, statement))
            snprintf(all + at, sizeof all - at, "%s; ", statement);
        at += strlen(all + at);
    }
    return cz_test_graph(all);
}

/* ---- comparing -------------------------------------------------------- */

static double at(const struct cz_port *port, size_t i)
{
    switch (port->dtype) {
    case CZ_DTYPE_FLOAT:
        return (double)((const float *)port->data)[i];
    case CZ_DTYPE_INT8:
        return ((const int8_t *)port->data)[i];
    default:
        return ((const uint8_t *)port->data)[i];
    }
}

static size_t count_of(const struct cz_port *port)
{
    size_t count = 1;
    for (size_t i = 0; i < port->dims.rank; i++)
        count *= (size_t)port->dims.size[i];
    return count;
}

/* Outputs are codes, or floats where `step` is what one of them is worth. */
static void compare(const struct cz_port *a, const struct cz_port *b,
                    double step, const char *what)
{
    size_t different = 0, count = count_of(a);
    for (size_t i = 0; i < count; i++) {
        const double steps = fabs(at(a, i) - at(b, i)) / step;
        if (!(steps < STEPS_MAX + 0.01))
            fail_msg("%s: element %zu of %s is %g, want %g", what, i, a->name,
                     at(a, i), at(b, i));
        different += steps > 0.01;
    }
    if (different > 1 && (double)different > DIFFERENT_MAX * (double)count)
        fail_msg("%s: %zu of %zu elements of %s differ", what, different, count,
                 a->name);
}

/* The outputs with these passes are those without any. */
static void expect_same(struct cz_model *model, const char *passes,
                        const char *tap, double step, const char *what)
{
    struct cz_plan *want = cz_test_compile(model, "-fuse_codes", tap);
    struct cz_plan *plan = cz_test_compile(model, passes, tap);
    size_t count;
    const struct cz_port *outputs = cz_plan_outputs(plan, &count);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        cz_test_random_frame(want, seed);
        cz_test_random_frame(plan, seed);
        for (size_t i = 0; i < count; i++)
            compare(&outputs[i], cz_plan_outputs(want, NULL) + i, step, what);
    }
    cz_plan_free(plan);
    cz_plan_free(want);
}

/* Steps of a few codes grow in the layers behind: outputs differ by no more
 * than this share of their range, on average by a tenth of it. */
#define CLOSE 0.1

/* The plan's outputs are those of exact sums, step by step. */
static void expect_close(struct cz_model *model, const char *passes)
{
    struct cz_plan *want = cz_test_compile(model, "-fuse_codes", NULL);
    struct cz_plan *plan = cz_test_compile(model, passes, NULL);
    size_t count;
    const struct cz_port *a = cz_plan_outputs(plan, &count);
    const struct cz_port *b = cz_plan_outputs(want, NULL);
    cz_test_random_frame(want, 1);
    cz_test_random_frame(plan, 1);
    for (size_t i = 0; i < count; i++) {
        double sum = 0, most = 0, range = 0;
        const size_t n = count_of(&a[i]);
        for (size_t k = 0; k < n; k++) {
            const double difference = fabs(at(&a[i], k) - at(&b[i], k));
            sum += difference;
            most = difference > most ? difference : most;
            range = fabs(at(&b[i], k)) > range ? fabs(at(&b[i], k)) : range;
        }
        assert_true(range > 0);
        if (!(most < CLOSE * range && sum / (double)n < CLOSE / 10 * range))
            fail_msg("%s: differs by %g of %g, on average %g", a[i].name, most,
                     range, sum / (double)n);
    }
    cz_plan_free(plan);
    cz_plan_free(want);
}

struct row {
    const char *what, *text, *tap;
    double step; /* what a code of the output is worth: 1 where it is one */
    const char *steps;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        struct cz_model *model = load(r->text);
        cz_test_expect_steps(model, "-layout", r->tap, r->what, r->steps);
        expect_same(model, "-layout", r->tap, r->step, r->what);
        expect_same(model, "-fuse_tables", r->tap, r->step, r->what);
        expect_same(model, NULL, r->tap, r->step, r->what);
        cz_model_free(model);
    }
}
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

/* ---- convolutions ----------------------------------------------------- */

static void convolves_codes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"between codes",
         "scales; image [1,4,5,6]; weights w [6,4,3,3] 6; const b f32[6] "
         "random; c = Conv(xf, w, b) pads=[1,1,1,1]; y = QuantizeLinear(c, s2, "
         "z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes"},
        {"without a bias, strides and dilations",
         "scales; image [2,4,9,8]; weights w [6,4,3,2] 6; c = Conv(xf, w) "
         "strides=[2,1] dilations=[1,3] pads=[0,1,2,1]; y = QuantizeLinear(c, "
         "s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes"},
        {"signed codes",
         "const s f32[] 0.01; const z i8[] -5; const s2 f32[] 0.03; const z2 "
         "i8[] 9; image [1,3,7,4]; weights w [2,3,3,1] 2; c = Conv(xf, w); y = "
         "QuantizeLinear(c, s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes"},
        {"unsigned weights, one scale",
         "scales; image [1,3,7,5]; const q f32[2,3,2,2] random; const ws f32[] "
         "0.01; const wz u8[] 128; wq = QuantizeLinear(q, ws, wz); w = "
         "DequantizeLinear(wq, ws, wz); c = Conv(xf, w); y = QuantizeLinear(c, "
         "s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes"},
        {"then Relu",
         "scales; image [1,3,7,5]; weights w [2,3,2,2] 2; c = Conv(xf, w); r = "
         "Relu(c); y = QuantizeLinear(r, s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes"},
        {"to floats",
         "scales; image [1,3,7,5]; weights w [2,3,2,2] 2; const b f32[2] "
         "random; y = Conv(xf, w, b); out y",
         NULL, ROUNDING, "QuantizeLinear cz.ConvCodes"},
        {"to floats, with what is fused, then codes",
         "scales; image [1,3,7,5]; weights w [3,3,3,3] 3; const b f32[3] "
         "random; c = Conv(xf, w, b) pads=[1,1,1,1]; g = Sigmoid(c); m = "
         "Mul(c, g); a = Add(x, m); y = QuantizeLinear(a, s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes+Silu+Add QuantizeLinear"},
        {"a result that is read by others too",
         "scales; image [1,3,7,5]; weights w [2,3,2,2] 2; c = Conv(xf, w); y = "
         "QuantizeLinear(c, s2, z2); out y; t = Neg(c); yt = QuantizeLinear(t, "
         "s2, z2); out yt",
         NULL, 1,
         "QuantizeLinear cz.ConvCodes QuantizeLinear Neg QuantizeLinear"},
        {"a result that is tapped",
         "scales; image [1,3,7,5]; weights w [2,3,2,2] 2; c = Conv(xf, w); y = "
         "QuantizeLinear(c, s2, z2); out y",
         "c", 1, "QuantizeLinear cz.ConvCodes QuantizeLinear"},
    };
    CHECK(rows);
}

static void leaves_other_convolutions_alone(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"weights with a zero point",
         "scales; image [1,3,7,5]; const q f32[2,3,2,2] random; const ws f32[] "
         "0.01; const wz i8[] 3; wq = QuantizeLinear(q, ws, wz); w = "
         "DequantizeLinear(wq, ws, wz); c = Conv(xf, w); y = QuantizeLinear(c, "
         "s2, z2); out y",
         NULL, 1, "QuantizeLinear DequantizeLinear Conv QuantizeLinear"},
        {"scales along the input's channels",
         "scales; image [1,3,7,5]; const q f32[3,3,2,2] random; const ws "
         "f32[3] 0.01; wq = QuantizeLinear(q, ws, wz) axis=1; const wz i8[3] "
         "0; w = DequantizeLinear(wq, ws, wz) axis=1; c = Conv(xf, w); y = "
         "QuantizeLinear(c, s2, z2); out y",
         NULL, 1, "QuantizeLinear DequantizeLinear Conv QuantizeLinear"},
        {"weights in floats",
         "scales; image [1,3,7,5]; const w f32[2,3,2,2] random; c = Conv(xf, "
         "w); y = QuantizeLinear(c, s2, z2); out y",
         NULL, 1, "QuantizeLinear DequantizeLinear Conv QuantizeLinear"},
        {"one dimension, which no kernel has",
         "scales; image [1,3,7]; weights w [2,3,3] 2; c = Conv(xf, w); y = "
         "QuantizeLinear(c, s2, z2); out y",
         NULL, 1, "QuantizeLinear DequantizeLinear Conv QuantizeLinear"},
        {"an image in floats",
         "scales; in x f32[1,3,7,5]; weights w [2,3,2,2] 2; c = Conv(x, w); y "
         "= QuantizeLinear(c, s2, z2); out y",
         NULL, 1, "Conv QuantizeLinear"},
        {"a bias without end",
         "scales; image [1,3,7,5]; weights w [2,3,2,2] 2; const b f32[2] 1 "
         "1e9; c = Conv(xf, w, b); y = QuantizeLinear(c, s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes QuantizeLinear"},
    };
    CHECK(rows);
}

static void leaves_convolutions_without_a_kernel_alone(void **state)
{
    (void)state;
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    struct cz_model *model =
        load("scales; image [1,16,5,6]; weights w [16,16,3,3] 16; "
             "c = Conv(xf, w); y = QuantizeLinear(c, s2, z2); out y");
    options.passes = "-layout";
    options.kernels = "-codes_direct,-codes_winograd,-codes_depthwise";
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    assert_string_equal(cz_test_steps(plan),
                        "QuantizeLinear DequantizeLinear Conv QuantizeLinear");
    cz_plan_free(plan);
    cz_model_free(model);
}

/* ---- functions -------------------------------------------------------- */

static void looks_functions_up(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"one operator",
         "scales; image [3,50]; t = Tanh(xf); y = QuantizeLinear(t, s3, z3); "
         "out y",
         NULL, 1, "QuantizeLinear cz.MapCodes"},
        {"with a constant",
         "scales; image [3,50]; const k f32[1,1] 1.7; t = Mul(k, xf); y = "
         "QuantizeLinear(t, s3, z3); out y",
         NULL, 1, "QuantizeLinear cz.MapCodes"},
        {"Clip",
         "scales; image [3,50]; const k f32[] -0.5; const l f32[] 0.25; t = "
         "Clip(xf, k, l); y = QuantizeLinear(t, s2, z2); out y",
         NULL, 1, "QuantizeLinear cz.MapCodes"},
        {"other scales, other types",
         "scales; image [3,50]; const z4 i8[] -7; y = QuantizeLinear(xf, s2, "
         "z4); out y",
         NULL, 1, "QuantizeLinear cz.MapCodes"},
        {"SiLU of three operators, behind a Conv",
         "scales; image [1,3,7,5]; weights w [2,3,2,2] 2; c = Conv(xf, w); "
         "codes d = c s2 z2; g = Sigmoid(d); codes h = g s3 z3; m = Mul(d, h); "
         "y = QuantizeLinear(m, s, z); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes"},
        {"both ways from one value",
         "scales; image [3,50]; a = Sigmoid(xf); codes d = a s3 z3; b = "
         "Tanh(xf); codes h = b s z; m = Mul(d, h); y = QuantizeLinear(m, s, "
         "z); out y",
         NULL, 1, "QuantizeLinear cz.MapCodes"},
        {"a value between that is an output",
         "scales; image [3,50]; a = Sigmoid(xf); out dq; codes d = a s3 z3; b "
         "= Tanh(d); y = QuantizeLinear(b, s, z); out y",
         NULL, 1, "QuantizeLinear cz.MapCodes cz.MapCodes"},
    };
    CHECK(rows);
}

static void leaves_other_functions_alone(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"of two values",
         "scales; in u f32[3,5]; in v f32[3,5]; codes d = u s3 z3; codes h = v "
         "s z; m = Mul(d, h); y = QuantizeLinear(m, s, z); out y",
         NULL, 1,
         "QuantizeLinear DequantizeLinear QuantizeLinear DequantizeLinear Mul "
         "QuantizeLinear"},
        {"a constant for each column",
         "scales; image [3,5]; const k f32[5] random; m = Mul(xf, k); y = "
         "QuantizeLinear(m, s, z); out y",
         NULL, 1, "QuantizeLinear DequantizeLinear Mul QuantizeLinear"},
        {"scales of channels",
         "scales; image [2,5]; const cs f32[5] 0.5; const cz u8[5] 3; t = "
         "Tanh(xf); y = QuantizeLinear(t, cs, cz); out y",
         NULL, 1, "QuantizeLinear DequantizeLinear Tanh QuantizeLinear"},
    };
    CHECK(rows);
}

/* ---- sums and moves --------------------------------------------------- */

static void adds_codes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"of both types",
         "scales; in u f32[3,70]; in v f32[3,70]; const z4 i8[] -7; codes d = "
         "u s z; codes h = v s2 z4; m = Add(d, h); y = QuantizeLinear(m, s2, "
         "z2); out y",
         NULL, 1, "QuantizeLinear QuantizeLinear cz.AddCodes"},
        {"to signed codes, of one value and what is made of it",
         "scales; image [1,3,7,5]; weights w [3,3,1,1] 3; const z4 i8[] -7; c "
         "= Conv(xf, w); codes d = c s2 z2; m = Add(d, xf); y = "
         "QuantizeLinear(m, s2, z4); out y",
         NULL, 1, "QuantizeLinear cz.ConvCodes cz.AddCodes"},
        {"not where one is repeated",
         "scales; in u f32[3,7]; in v f32[1,7]; codes d = u s z; codes h = v "
         "s2 z2; m = Add(d, h); y = QuantizeLinear(m, s2, z2); out y",
         NULL, 1,
         "QuantizeLinear DequantizeLinear QuantizeLinear DequantizeLinear Add "
         "QuantizeLinear"},
    };
    CHECK(rows);
}

static void moves_codes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"through views and a transposition",
         "scales; image [2,3,4,5]; const k i64[3] 6 4 5; r = Reshape(xf, k); t "
         "= Transpose(r) perm=[2,0,1]; y = QuantizeLinear(t, s, z); out y",
         NULL, 1, "QuantizeLinear Reshape Transpose cz.MapCodes"},
        {"to floats at the end",
         "scales; image [2,3,4,5]; t = Transpose(xf) perm=[1,0,2,3]; y = "
         "Neg(t); out y",
         NULL, ROUNDING, "QuantizeLinear Transpose DequantizeLinear Neg"},
        {"a pool, then other scales",
         "scales; image [1,3,6,7]; m = MaxPool(xf) kernel_shape=[3,3] "
         "pads=[1,1,1,1] strides=[1,2]; y = QuantizeLinear(m, s2, z2); out y",
         NULL, 1, "QuantizeLinear MaxPool cz.MapCodes"},
        {"a larger image",
         "scales; image [1,3,6,7]; const k f32[4] 1 1 2 2; r = Resize(xf, , k) "
         "mode=\"nearest\" coordinate_transformation_mode=\"asymmetric\"; y = "
         "QuantizeLinear(r, s2, z2); out y",
         NULL, 1, "QuantizeLinear Resize cz.MapCodes"},
        {"parts with other scales, one of them twice",
         "scales; image [1,4,6,7]; weights w [4,4,1,1] 4; const k i64[2] 1 3; "
         "p, q = Split(xf, k) axis=1; codes d = p s z; codes e = q s z; c = "
         "Conv(xf, w); codes h = c s2 z2; j = Concat(d, e, h, d) axis=1; y = "
         "QuantizeLinear(j, s2, z2); out y",
         NULL, 1,
         "QuantizeLinear Split cz.ConvCodes cz.MapCodes cz.MapCodes "
         "cz.MapCodes Concat cz.MapCodes"},
        {"not a mean, nor an indexed pool",
         "scales; image [1,3,6,7]; m, i = MaxPool(xf) kernel_shape=[3,3]; a = "
         "AveragePool(xf) kernel_shape=[2,2]; y = QuantizeLinear(m, s, z); out "
         "y; out i; v = QuantizeLinear(a, s, z); out v",
         NULL, 1,
         "QuantizeLinear DequantizeLinear MaxPool AveragePool QuantizeLinear "
         "QuantizeLinear"},
    };
    CHECK(rows);
}

/* ---- blocks ----------------------------------------------------------- */

/* What a detector has, in whole blocks: one that is split, added to, joined,
 * pooled and enlarged, and floats at the end. %s: the type of most codes. */
static const char detector[] =
    "const s f32[] 0.01; const z %s 20; const s2 f32[] 0.03; const z2 %s 60; "
    "const s3 f32[] 0.015; const z3 u8[] 128; "
    /* 3 to 32 channels, SiLU */
    "image [2,3,14,11]; weights w [32,3,3,3] 32; const b f32[32] random; c = "
    "Conv(xf, w, b) strides=[2,1] pads=[1,1,1,1]; codes d = c s2 z2; g = "
    "Sigmoid(d); codes h = g s3 z3; m = Mul(d, h); codes n = m s2 z2; "
    /* halves, of which one goes through a residual block */
    "const k i64[2] 16; e, f = Split(n, k) axis=1; codes e1 = e s2 z2; codes "
    "f1 = f s2 z2; weights v [16,16,3,3] 16; cv = Conv(f1, v) pads=[1,1,1,1]; "
    "codes cw = cv s3 z3; ad = Add(cw, f1); codes ae = ad s z; j = Concat(e1, "
    "f1, ae) axis=1; codes jd = j s2 z2; "
    /* larger, then smaller */
    "mp = MaxPool(jd) kernel_shape=[5,3] pads=[2,1,2,1]; codes md = mp s2 z2; "
    "weights u [64,48,1,1] 64; cu = Conv(md, u); codes cx = cu s2 z2; const sc "
    "f32[4] 1 1 2 2; up = Resize(cx, , sc) mode=\"nearest\" "
    "coordinate_transformation_mode=\"asymmetric\"; codes large = up s2 z2; "
    /* blocks that are not full; floats */
    "weights t [24,64,1,1] 24; ct = Conv(large, t); lr = Relu(ct); codes ld = "
    "lr s2 z2; weights r [5,24,1,1] 5; y = Conv(ld, r); out y; y2 = "
    "Conv(large, t); out y2; y3 = GlobalAveragePool(large); out y3";

static void works_in_blocks(void **state)
{
    (void)state;
    static const char *const types[] = {"u8[]", "i8[]"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char text[sizeof detector + 16];
        snprintf(text, sizeof text, detector, types[i], types[i]);
        struct cz_model *model = load(text);
        expect_close(model, NULL);
        expect_close(model, "-fuse_tables");
        expect_close(model, "-layout");
        cz_model_free(model);
    }
}

/* A kernel has packed the codes: neither they nor the floats that they stood
 * for when the plan was compiled are needed any more. */
static void keeps_no_other_weights_than_packed_ones(void **state)
{
    const size_t weights = 16 * 16 * 3 * 3;
    (void)state;
    struct cz_model *model =
        load("scales; image [1,16,8,8]; weights w [16,16,3,3] 16; "
             "c = Conv(xf, w) pads=[1,1,1,1]; codes y = c s2 z2; out yq");
    struct cz_plan *plan = cz_test_compile(model, NULL, NULL);
    for (size_t i = 0; i < plan->n_arrays; i++) {
        const struct cz_array *array = plan->arrays[i];
        if (array->own && array->size_bytes >= weights)
            fail_msg("'%s' has %zu bytes", array->name, array->size_bytes);
    }
    cz_plan_free(plan);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolves_codes),
        cmocka_unit_test(leaves_other_convolutions_alone),
        cmocka_unit_test(leaves_convolutions_without_a_kernel_alone),
        cmocka_unit_test(looks_functions_up),
        cmocka_unit_test(leaves_other_functions_alone),
        cmocka_unit_test(adds_codes),
        cmocka_unit_test(moves_codes),
        cmocka_unit_test(works_in_blocks),
        cmocka_unit_test(keeps_no_other_weights_than_packed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
