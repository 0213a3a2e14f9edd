/* The passes that fuse steps, each by itself: what they rewrite, what they must
 * leave alone, and that outputs stay what they were. */
#include "tests/support/rewrite.h"

/* ---- fuse_batchnorm --------------------------------------------------- */

#define NORM                                                                   \
    "const g f32[6] 0.5 1 -2 0.1 3 1; const b f32[6] random; "                 \
    "const m f32[6] random; const v f32[6] 0.5 1 2 0.1 3 4; "
#define CONV_IN "in x f32[1,4,5,6]; const w f32[6,4,3,3] random; "

static void folds_batch_norms_into_weights(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"without bias",
         CONV_IN NORM "c = Conv(x, w); y = BatchNormalization(c, g, b, m, v); "
                      "out y",
         NULL, "Conv BatchNormalization", "Conv"},
        {"with bias, and an epsilon",
         CONV_IN NORM "const d f32[6] random; c = Conv(x, w, d); "
                      "y = BatchNormalization(c, g, b, m, v) epsilon=0.1; "
                      "out y",
         NULL, "Conv BatchNormalization", "Conv"},
        {"grouped",
         "in x f32[2,4,5,6]; const w f32[6,2,3,3] random; " NORM
         "c = Conv(x, w) group=2 strides=[2,1]; "
         "y = BatchNormalization(c, g, b, m, v); out y",
         NULL, "Conv BatchNormalization", "Conv"},
        {"depthwise, then an activation",
         "in x f32[1,6,5,6]; const w f32[6,1,3,3] random; " NORM
         "c = Conv(x, w) group=6; n = BatchNormalization(c, g, b, m, v); "
         "y = Relu(n); out y",
         NULL, "Conv BatchNormalization Relu", "Conv+Relu"},
        {"weights that another Conv reads too",
         CONV_IN NORM "c = Conv(x, w); n = BatchNormalization(c, g, b, m, v); "
                      "d = Conv(x, w); y = Sub(n, d); out y",
         NULL, "Conv BatchNormalization Conv Sub", "Conv Conv Sub"},
    };
    CZ_TEST_REWRITES("fuse_batchnorm", rows);
}

static void keeps_batch_norms_that_must_stay(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"the Conv's result is an output",
         CONV_IN NORM "c = Conv(x, w); y = BatchNormalization(c, g, b, m, v); "
                      "out y; out c",
         NULL, "Conv BatchNormalization", "Conv BatchNormalization"},
        {"it is tapped",
         CONV_IN NORM "c = Conv(x, w); y = BatchNormalization(c, g, b, m, v); "
                      "out y",
         "c", "Conv BatchNormalization", "Conv BatchNormalization"},
        {"it has another reader",
         CONV_IN NORM "c = Conv(x, w); n = BatchNormalization(c, g, b, m, v); "
                      "y = Sub(n, c); out y",
         NULL, "Conv BatchNormalization Sub", "Conv BatchNormalization Sub"},
        {"weights that are an input",
         "in x f32[1,4,5,6]; in w f32[6,4,3,3]; " NORM
         "c = Conv(x, w); y = BatchNormalization(c, g, b, m, v); out y",
         NULL, "Conv BatchNormalization", "Conv BatchNormalization"},
        {"a bias that is an input",
         CONV_IN "in d f32[6]; " NORM
                 "c = Conv(x, w, d); y = BatchNormalization(c, g, b, m, v); "
                 "out y",
         NULL, "Conv BatchNormalization", "Conv BatchNormalization"},
        {"statistics that are inputs",
         CONV_IN "in m f32[6]; const g f32[6] 1; const b f32[6] 0; "
                 "const v f32[6] 1; c = Conv(x, w); "
                 "y = BatchNormalization(c, g, b, m, v); out y",
         NULL, "Conv BatchNormalization", "Conv BatchNormalization"},
        {"behind something else",
         "in x f32[1,6,5,6]; " NORM
         "c = Abs(x); y = BatchNormalization(c, g, b, m, v); out y",
         NULL, "Abs BatchNormalization", "Abs BatchNormalization"},
    };
    CZ_TEST_REWRITES("fuse_batchnorm", rows);
}

/* ---- fuse_silu -------------------------------------------------------- */

static void joins_activations_of_several_operators(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"SiLU", "in x f32[9]; s = Sigmoid(x); y = Mul(x, s); out y", NULL,
         "Sigmoid Mul", "Silu"},
        {"SiLU, the gate first",
         "in x f32[9]; s = Sigmoid(x); y = Mul(s, x); out y", NULL,
         "Sigmoid Mul", "Silu"},
        {"HardSwish",
         "in x f32[9]; s = HardSigmoid(x) alpha=0.16666667; y = Mul(x, s); "
         "out y",
         NULL, "HardSigmoid Mul", "HardSwish"},
        {"Mish",
         "in x f32[9]; s = Softplus(x); t = Tanh(s); y = Mul(x, t); out y",
         NULL, "Softplus Tanh Mul", "Mish"},
        {"Mish, the gate first",
         "in x f32[9]; s = Softplus(x); t = Tanh(s); y = Mul(t, x); out y",
         NULL, "Softplus Tanh Mul", "Mish"},
        {"behind a Conv, then into it",
         CONV_IN "c = Conv(x, w); s = Sigmoid(c); y = Mul(c, s); out y", NULL,
         "Conv Sigmoid Mul", "Conv+Silu"},
    };
    CZ_TEST_REWRITES("fuse_silu", rows);
}

static void keeps_what_only_looks_like_an_activation(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"a gate that is read twice",
         "in x f32[9]; s = Sigmoid(x); z = Mul(x, s); y = Sub(z, s); out y",
         NULL, "Sigmoid Mul Sub", "Sigmoid Mul Sub"},
        {"a gate that is an output",
         "in x f32[9]; s = Sigmoid(x); y = Mul(x, s); out y; out s", NULL,
         "Sigmoid Mul", "Sigmoid Mul"},
        {"a gate that is tapped",
         "in x f32[9]; s = Sigmoid(x); y = Mul(x, s); out y", "s",
         "Sigmoid Mul", "Sigmoid Mul"},
        {"the gate of another value",
         "in x f32[9]; in z f32[9]; s = Sigmoid(z); y = Mul(x, s); out y", NULL,
         "Sigmoid Mul", "Sigmoid Mul"},
        {"HardSigmoid with ONNX's own alpha",
         "in x f32[9]; s = HardSigmoid(x); y = Mul(x, s); out y", NULL,
         "HardSigmoid Mul", "HardSigmoid Mul"},
        {"HardSigmoid with an alpha that is not quite a sixth",
         "in x f32[9]; s = HardSigmoid(x) alpha=0.16676; y = Mul(x, s); out y",
         NULL, "HardSigmoid Mul", "HardSigmoid Mul"},
        {"HardSigmoid with another beta",
         "in x f32[9]; s = HardSigmoid(x) alpha=0.16666667 beta=0.4; "
         "y = Mul(x, s); out y",
         NULL, "HardSigmoid Mul", "HardSigmoid Mul"},
        {"Tanh alone", "in x f32[9]; s = Tanh(x); y = Mul(x, s); out y", NULL,
         "Tanh Mul", "Tanh Mul"},
        {"a Softplus that is an output",
         "in x f32[9]; s = Softplus(x); t = Tanh(s); y = Mul(x, t); "
         "out y; out s",
         NULL, "Softplus Tanh Mul", "Softplus Tanh Mul"},
        {"a Softplus that is read twice",
         "in x f32[9]; s = Softplus(x); t = Tanh(s); m = Mul(x, t); "
         "y = Sub(m, s); out y",
         NULL, "Softplus Tanh Mul Sub", "Softplus Tanh Mul Sub"},
        {"double precision",
         "in x f32[9]; d = Cast(x) to=11; s = Sigmoid(d); m = Mul(d, s); "
         "y = Cast(m) to=1; out y",
         NULL, "Cast Sigmoid Mul Cast", "Cast Sigmoid Mul Cast"},
        {"a square", "in x f32[9]; s = Sigmoid(x); y = Mul(s, s); out y", NULL,
         "Sigmoid Mul", "Sigmoid Mul"},
        {"values whose size depends on data",
         "in x f32[9]; n = NonZero(x); c = Cast(n) to=1; s = Sigmoid(c); "
         "y = Mul(c, s); out y",
         NULL, "NonZero Cast Sigmoid Mul", "NonZero Cast Sigmoid Mul"},
    };
    CZ_TEST_REWRITES("fuse_silu", rows);
}

/* ---- fuse_activation -------------------------------------------------- */

static void fuses_each_activation_into_its_conv(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"Relu", CONV_IN "c = Conv(x, w); y = Relu(c); out y", NULL,
         "Conv Relu", "Conv+Relu"},
        {"LeakyRelu",
         CONV_IN "c = Conv(x, w); y = LeakyRelu(c) alpha=0.3; out y", NULL,
         "Conv LeakyRelu", "Conv+LeakyRelu"},
        {"Clip",
         CONV_IN "const l f32[] -0.5; const h f32[] 1.5; c = Conv(x, w); "
                 "y = Clip(c, l, h); out y",
         NULL, "Conv Clip", "Conv+Clip"},
        {"Clip with one bound",
         CONV_IN "const h f32[] 0.5; c = Conv(x, w); y = Clip(c, , h); out y",
         NULL, "Conv Clip", "Conv+Clip"},
        {"Clip of opset 9",
         "opset 9; " CONV_IN "c = Conv(x, w); y = Clip(c) min=0.0 max=6.0; "
         "out y",
         NULL, "Conv Clip", "Conv+Clip"},
        {"Sigmoid", CONV_IN "c = Conv(x, w); y = Sigmoid(c); out y", NULL,
         "Conv Sigmoid", "Conv+Sigmoid"},
        {"HardSigmoid", CONV_IN "c = Conv(x, w); y = HardSigmoid(c); out y",
         NULL, "Conv HardSigmoid", "Conv+HardSigmoid"},
        {"HardSwish", CONV_IN "c = Conv(x, w); y = HardSwish(c); out y", NULL,
         "Conv HardSwish", "Conv+HardSwish"},
        {"Tanh", CONV_IN "c = Conv(x, w); y = Tanh(c); out y", NULL,
         "Conv Tanh", "Conv+Tanh"},
        {"Mish", "opset 18; " CONV_IN "c = Conv(x, w); y = Mish(c); out y",
         NULL, "Conv Mish", "Conv+Mish"},
        {"Elu", CONV_IN "c = Conv(x, w); y = Elu(c) alpha=0.7; out y", NULL,
         "Conv Elu", "Conv+Elu"},
        {"Gelu", "opset 20; " CONV_IN "c = Conv(x, w); y = Gelu(c); out y",
         NULL, "Conv Gelu", "Conv+Gelu"},
        {"a ConvTranspose",
         "in x f32[1,4,5,6]; const w f32[4,6,2,2] random; "
         "c = ConvTranspose(x, w) strides=[2,2]; y = Relu(c); out y",
         NULL, "ConvTranspose Relu", "ConvTranspose+Relu"},
        {"the first of two",
         CONV_IN "c = Conv(x, w); r = Relu(c); y = Tanh(r); out y", NULL,
         "Conv Relu Tanh", "Conv+Relu Tanh"},
    };
    CZ_TEST_REWRITES("fuse_activation", rows);
}

static void fuses_silu_into_its_conv(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"SiLU", CONV_IN "c = Conv(x, w); s = Sigmoid(c); y = Mul(c, s); out y",
         NULL, "Conv Silu", "Conv+Silu"},
    };
    CZ_TEST_REWRITES("fuse_activation", rows);
}

static void keeps_activations_that_must_stay(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"the Conv's result is an output",
         CONV_IN "c = Conv(x, w); y = Relu(c); out y; out c", NULL, "Conv Relu",
         "Conv Relu"},
        {"it is tapped", CONV_IN "c = Conv(x, w); y = Relu(c); out y", "c",
         "Conv Relu", "Conv Relu"},
        {"it has another reader",
         CONV_IN "c = Conv(x, w); r = Relu(c); y = Sub(c, r); out y", NULL,
         "Conv Relu Sub", "Conv Relu Sub"},
        {"a slope for each channel",
         CONV_IN "const s f32[6,1,1] random; c = Conv(x, w); y = PRelu(c, s); "
                 "out y",
         NULL, "Conv PRelu", "Conv PRelu"},
        {"bounds that are an input",
         CONV_IN "in l f32[]; c = Conv(x, w); y = Clip(c, l); out y", NULL,
         "Conv Clip", "Conv Clip"},
        {"behind something else",
         "in x f32[1,4,5,6]; c = MaxPool(x) kernel_shape=[2,2]; y = Relu(c); "
         "out y",
         NULL, "MaxPool Relu", "MaxPool Relu"},
    };
    CZ_TEST_REWRITES("fuse_activation", rows);
}

/* ---- fuse_add --------------------------------------------------------- */

#define SUM_IN "in x f32[1,4,5,6]; const w f32[4,4,1,1] random; "

static void fuses_a_sum_into_its_conv(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"the Conv first", SUM_IN "c = Conv(x, w); y = Add(c, x); out y", NULL,
         "Conv Add", "Conv+Add"},
        {"the Conv second", SUM_IN "c = Conv(x, w); y = Add(x, c); out y", NULL,
         "Conv Add", "Conv+Add"},
        {"behind an activation",
         SUM_IN "c = Conv(x, w); s = Sigmoid(c); m = Mul(c, s); "
                "y = Add(x, m); out y",
         NULL, "Conv+Silu Add", "Conv+Silu+Add"},
        {"two Convs: the later one",
         SUM_IN "const v f32[4,4,3,3] random; c = Conv(x, w); "
                "d = Conv(x, v) pads=[1,1,1,1]; r = Relu(d); y = Add(c, r); "
                "out y",
         NULL, "Conv Conv+Relu Add", "Conv Conv+Relu+Add"},
        {"the other operand is made after the Conv",
         SUM_IN "c = Conv(x, w); e = Exp(x); n = Neg(e); y = Add(c, n); out y",
         NULL, "Conv Exp Neg Add", "Exp Neg Conv+Add"},
        {"the other operand is an output",
         SUM_IN "e = Exp(x); c = Conv(x, w); y = Add(c, e); out y; out e", NULL,
         "Exp Conv Add", "Exp Conv+Add"},
        {"an activation behind the sum",
         SUM_IN "c = Conv(x, w); a = Add(c, x); y = Relu(a); out y", NULL,
         "Conv Add Relu", "Conv+Add Relu"},
        {"a chain of sums",
         SUM_IN "const v f32[4,4,1,1] random; c = Conv(x, w); a = Add(c, x); "
                "d = Conv(a, v); b = Add(a, d); e = Conv(b, w); "
                "y = Add(b, e); out y",
         NULL, "Conv Add Conv Add Conv Add", "Conv+Add Conv+Add Conv+Add"},
    };
    CZ_TEST_REWRITES("fuse_add", rows);
}

static void keeps_sums_that_must_stay(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"the Conv's result is an output",
         SUM_IN "c = Conv(x, w); y = Add(c, x); out y; out c", NULL, "Conv Add",
         "Conv Add"},
        {"it is tapped", SUM_IN "c = Conv(x, w); y = Add(c, x); out y", "c",
         "Conv Add", "Conv Add"},
        {"it has another reader",
         SUM_IN "c = Conv(x, w); s = Add(c, x); y = Mul(s, c); out y", NULL,
         "Conv Add Mul", "Conv Add Mul"},
        {"it is both operands", SUM_IN "c = Conv(x, w); y = Add(c, c); out y",
         NULL, "Conv Add", "Conv Add"},
        {"the other operand is a constant",
         SUM_IN "const k f32[1,4,5,6] random; c = Conv(x, w); y = Add(c, k); "
                "out y",
         NULL, "Conv Add", "Conv Add"},
        {"the other operand is smaller",
         SUM_IN "in z f32[1,4,1,1]; c = Conv(x, w); y = Add(c, z); out y", NULL,
         "Conv Add", "Conv Add"},
        {"the Conv's result is smaller",
         "in x f32[1,4,1,1]; in z f32[1,4,5,6]; const w f32[4,4,1,1] random; "
         "c = Conv(x, w); y = Add(c, z); out y",
         NULL, "Conv Add", "Conv Add"},
        {"the Conv has a sum already",
         SUM_IN "in z f32[1,4,5,6]; c = Conv(x, w); a = Add(c, x); "
                "y = Add(a, z); out y",
         NULL, "Conv Add Add", "Conv+Add Add"},
        {"a difference", SUM_IN "c = Conv(x, w); y = Sub(c, x); out y", NULL,
         "Conv Sub", "Conv Sub"},
    };
    CZ_TEST_REWRITES("fuse_add", rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_batch_norms_into_weights),
        cmocka_unit_test(keeps_batch_norms_that_must_stay),
        cmocka_unit_test(joins_activations_of_several_operators),
        cmocka_unit_test(keeps_what_only_looks_like_an_activation),
        cmocka_unit_test(fuses_each_activation_into_its_conv),
        cmocka_unit_test(fuses_silu_into_its_conv),
        cmocka_unit_test(keeps_activations_that_must_stay),
        cmocka_unit_test(fuses_a_sum_into_its_conv),
        cmocka_unit_test(keeps_sums_that_must_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
