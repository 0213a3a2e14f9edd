/* Operators of one operand, Clip and Cast. Expected numbers are numpy's, in
 * double precision. */
#include <float.h>
#include <math.h>

#include "tests/engine/op_support.h"

#define N CZ_NUMBERS

/* ---- functions -------------------------------------------------------- */

/* Of -2.5, -1, 0, 0.5 and 3, or of numbers where the function has values. */
#define OF(node, ...)                                                          \
    {                                                                          \
        "opset 20; in x f32[5]; out y; y = " node, N(-2.5, -1, 0, 0.5, 3),     \
            "float32[5]", N(__VA_ARGS__), FLOAT32                              \
    }

static void computes_elementary_functions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        OF("Abs(x)", 2.5, 1, 0, 0.5, 3),
        OF("Neg(x)", 2.5, 1, 0, -0.5, -3),
        OF("Sign(x)", -1, -1, 0, 1, 1),
        OF("Floor(x)", -3, -1, 0, 0, 3),
        OF("Ceil(x)", -2, -1, 0, 1, 3),
        OF("Reciprocal(x)", -0.4, -1, INFINITY, 2, 1.0 / 3),
        OF("Exp(x)", 0.0820849986, 0.367879441, 1, 1.64872127, 20.0855369),
        OF("Sqrt(x)", NAN, NAN, 0, 0.707106781, 1.73205081),
        OF("Log(x)", NAN, NAN, -INFINITY, -0.693147181, 1.09861229),
        OF("Sin(x)", -0.598472144, -0.841470985, 0, 0.479425539, 0.141120008),
        OF("Cos(x)", -0.801143616, 0.540302306, 1, 0.877582562, -0.989992497),
        OF("Tan(x)", 0.747022297, -1.55740772, 0, 0.54630249, -0.142546543),
        OF("Atan(x)", -1.19028995, -0.785398163, 0, 0.463647609, 1.24904577),
        OF("Sinh(x)", -6.05020448, -1.17520119, 0, 0.521095305, 10.0178749),
        OF("Cosh(x)", 6.13228948, 1.54308063, 1, 1.12762597, 10.067662),
        OF("Asinh(x)", -1.64723115, -0.881373587, 0, 0.481211825, 1.81844646),
        OF("Erf(x)", -0.999593048, -0.842700793, 0, 0.520499878, 0.99997791),
        {"in x f32[3]; out y; y = Asin(x)", N(-1, 0.5, 0), "float32[3]",
         N(-1.57079633, 0.523598776, 0), FLOAT32},
        {"in x f32[3]; out y; y = Acos(x)", N(-1, 0.5, 0), "float32[3]",
         N(3.14159265, 1.04719755, 1.57079633), FLOAT32},
        {"in x f32[3]; out y; y = Atanh(x)", N(-0.5, 0, 0.25), "float32[3]",
         N(-0.549306144, 0, 0.255412812), FLOAT32},
        {"in x f32[3]; out y; y = Acosh(x)", N(1, 1.5, 4), "float32[3]",
         N(0, 0.96242365, 2.06343707), FLOAT32},
    };
    CHECK_CASES(cases);
}

static void rounds_halves_to_even(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[6]; out y; y = Round(x)", N(-2.5, -1.5, -0.4, 0.5, 1.5, 2.5),
         "float32[6]", N(-2, -2, 0, 0, 2, 2), EXACT},
    };
    CHECK_CASES(cases);
}

static void computes_activations(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        OF("Relu(x)", 0, 0, 0, 0.5, 3),
        OF("LeakyRelu(x)", -0.025, -0.01, 0, 0.5, 3),
        OF("LeakyRelu(x) alpha=0.5", -1.25, -0.5, 0, 0.5, 3),
        OF("Sigmoid(x)", 0.07585818, 0.268941421, 0.5, 0.622459331,
           0.952574127),
        OF("Tanh(x)", -0.986614298, -0.761594156, 0, 0.462117157, 0.995054754),
        OF("Elu(x)", -0.917915001, -0.632120559, 0, 0.5, 3),
        OF("Elu(x) alpha=2.0", -1.83583, -1.26424112, 0, 0.5, 3),
        OF("Selu(x)", -1.61378576, -1.11133074, 0, 0.525350494, 3.15210296),
        OF("Selu(x) alpha=0.0 gamma=2.0", 0, 0, 0, 1, 6),
        OF("Celu(x) alpha=2.0", -1.42699041, -0.786938681, 0, 0.5, 3),
        OF("HardSigmoid(x)", 0, 0.3, 0.5, 0.6, 1),
        OF("HardSigmoid(x) alpha=0.5 beta=0.0", 0, 0, 0, 0.25, 1),
        OF("HardSwish(x)", -0.208333333, -0.333333333, 0, 0.291666667, 3),
        OF("Softplus(x)", 0.0788897343, 0.313261688, 0.693147181, 0.974076984,
           3.04858735),
        OF("Softsign(x)", -0.714285714, -0.5, 0, 0.333333333, 0.75),
        OF("Mish(x)", -0.196816204, -0.303401461, 0, 0.375245211, 2.986535),
        OF("Gelu(x)", -0.0155241633, -0.158655254, 0, 0.345731231, 2.99595031),
        OF("Gelu(x) approximate=\"tanh\"", -0.0150842661, -0.158808009, 0,
           0.34571401, 2.99636261),
        OF("ThresholdedRelu(x)", 0, 0, 0, 0, 3),
        OF("ThresholdedRelu(x) alpha=0.25", 0, 0, 0, 0.5, 3),
    };
    CHECK_CASES(cases);
}

static void does_not_overflow_at_the_ends(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2]; out y; y = Softplus(x)", N(-200, 200), "float32[2]",
         N(0, 200), FLOAT32},
        {"in x f32[2]; out y; y = Sigmoid(x)", N(-200, 200), "float32[2]",
         N(0, 1), FLOAT32},
        {"opset 18; in x f32[2]; out y; y = Mish(x)", N(-200, 200),
         "float32[2]", N(0, 200), FLOAT32},
    };
    CHECK_CASES(cases);
}

static void keeps_nan(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1]; out y; y = Relu(x)", N(NAN), "float32[1]", N(NAN),
         EXACT},
        {"in x f32[1]; out y; y = Sign(x)", N(NAN), "float32[1]", N(NAN),
         EXACT},
        {"in x f64[1]; out y; y = HardSwish(x)", N(NAN), "double[1]", N(NAN),
         EXACT},
        {"in x f32[1]; out y; y = HardSigmoid(x)", N(NAN), "float32[1]", N(NAN),
         EXACT},
        {"in x f32[1]; const a f32[] 0; const b f32[] 1; out y;"
         "y = Clip(x, a, b)",
         N(NAN), "float32[1]", N(NAN), EXACT},
    };
    CHECK_CASES(cases);
}

static void tells_nan_and_infinities(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[4]; out y; y = IsNaN(x)", N(NAN, INFINITY, -INFINITY, 1),
         "bool[4]", N(1, 0, 0, 0), EXACT},
        {"in x f32[4]; out y; y = IsInf(x)", N(NAN, INFINITY, -INFINITY, 1),
         "bool[4]", N(0, 1, 1, 0), EXACT},
        {"in x f64[4]; out y; y = IsInf(x) detect_negative=0",
         N(NAN, INFINITY, -INFINITY, 1), "bool[4]", N(0, 1, 0, 0), EXACT},
        {"in x f32[4]; out y; y = IsInf(x) detect_positive=0",
         N(NAN, INFINITY, -INFINITY, 1), "bool[4]", N(0, 0, 1, 0), EXACT},
    };
    CHECK_CASES(cases);
}

static void works_on_integers_and_truths(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i8[3]; out y; y = Abs(x)", N(-128, -5, 7), "int8[3]",
         N(-128, 5, 7), EXACT},
        {"in x u16[2]; out y; y = Abs(x)", N(65535, 7), "uint16[2]",
         N(65535, 7), EXACT},
        {"in x i32[3]; out y; y = Neg(x)", N(-2147483648.0, -5, 7), "int32[3]",
         N(-2147483648.0, 5, -7), EXACT},
        {"in x i64[3]; out y; y = Sign(x)", N(-9, 0, 7), "int64[3]",
         N(-1, 0, 1), EXACT},
        {"in x i16[2]; out y; y = Relu(x)", N(-9, 7), "int16[2]", N(0, 7),
         EXACT},
        {"in x bool[2]; out y; y = Not(x)", N(0, 1), "bool[2]", N(1, 0), EXACT},
        {"opset 18; in x u8[2]; out y; y = BitwiseNot(x)", N(0, 5), "uint8[2]",
         N(255, 250), EXACT},
    };
    CHECK_CASES(cases);
}

static void takes_scalars_and_nothing(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[]; out y; y = Neg(x)", N(3), "float32[]", N(-3), EXACT},
        {"in x f32[2,0,3]; out y; y = Neg(x)", NULL, 0, "float32[2,0,3]", NULL,
         0, EXACT},
        {"in x f64[1,2]; out y; y = Exp(x)", N(0, 1), "double[1,2]",
         N(1, 2.718281828459045), 1e-15},
    };
    CHECK_CASES(cases);
}

/* More than one thread's share of elements. */
static void covers_large_arrays(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    static double x[COUNT], want[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = (double)i - COUNT / 2;
        want[i] = fabs(x[i]);
    }
    const struct cz_test_case large = {"in x f32[5,100,100]; out y; y = Abs(x)",
                                       x,
                                       COUNT,
                                       "float32[5,100,100]",
                                       want,
                                       COUNT,
                                       EXACT};
    cz_test_cases(&large, 1);
}

/* ---- Clip ------------------------------------------------------------- */

static void clips_by_attributes_up_to_opset_10(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 9; in x f32[3]; out y; y = Clip(x) min=-1.0 max=2.5",
         N(-3, 1, 3), "float32[3]", N(-1, 1, 2.5), EXACT},
        {"opset 10; in x f64[3]; out y; y = Clip(x) max=2.5", N(-3, 1, 3),
         "double[3]", N(-3, 1, 2.5), EXACT},
        {"opset 9; in x f32[2]; out y; y = Clip(x)", N(-INFINITY, 1),
         "float32[2]", N(-FLT_MAX, 1), EXACT},
    };
    CHECK_CASES(cases);
}

static void clips_by_inputs_from_opset_11(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const a f32[] -1; const b f32[] 2.5; out y;"
         "y = Clip(x, a, b)",
         N(-3, 1, 3), "float32[3]", N(-1, 1, 2.5), EXACT},
        {"in x f32[3]; const b f32[1] 2.5; out y; y = Clip(x, , b)",
         N(-3, 1, 3), "float32[3]", N(-3, 1, 2.5), EXACT},
        {"in x i8[3]; const a i8[] -1; out y; y = Clip(x, a)", N(-3, 1, 127),
         "int8[3]", N(-1, 1, 127), EXACT},
        {"in x u64[3]; const b u64[] 2; out y; y = Clip(x, , b)", N(0, 2, 3),
         "uint64[3]", N(0, 2, 2), EXACT},
    };
    CHECK_CASES(cases);
}

static void clips_to_the_upper_of_bounds_that_cross(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const a f32[] 5; const b f32[] 2; out y;"
         "y = Clip(x, a, b)",
         N(1, 3, 9), "float32[3]", N(2, 2, 2), EXACT},
    };
    CHECK_CASES(cases);
}

static void clips_by_bounds_that_a_frame_brings(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[3]; in a f32[]; in b f32[]; y = Clip(x, a, b); out y", NULL);
    cz_test_feed(&e, "x", N(-3, 1, 3));
    cz_test_feed(&e, "a", N(0));
    cz_test_feed(&e, "b", N(2));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[3]", N(0, 1, 2), EXACT);
    cz_test_engine_fini(&e);
}

/* ---- Cast ------------------------------------------------------------- */

static void casts_floats_to_integers_by_cutting_off(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[4]; out y; y = Cast(x) to=6", N(-1.9, 1.9, 0, 3), "int32[4]",
         N(-1, 1, 0, 3), EXACT},
        {"in x f64[3]; out y; y = Cast(x) to=7",
         N(-1e15, 1.5, 9007199254740992), "int64[3]",
         N(-1e15, 1, 9007199254740992), EXACT},
    };
    CHECK_CASES(cases);
}

static void casts_what_is_out_of_range_to_the_end(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[4]; out y; y = Cast(x) to=2", N(-1, 300, NAN, INFINITY),
         "uint8[4]", N(0, 255, 0, 255), EXACT},
        {"in x f32[3]; out y; y = Cast(x) to=3", N(-1e9, 1e9, NAN), "int8[3]",
         N(-128, 127, 0), EXACT},
        {"in x f32[3]; out y; y = Cast(x) to=7", N(-1e30, 1e30, NAN),
         "int64[3]", N(-9223372036854775808.0, 9223372036854775807.0, 0),
         EXACT},
        {"in x f64[3]; out y; y = Cast(x) to=13", N(-1, 1e30, NAN), "uint64[3]",
         N(0, 18446744073709551615.0, 0), EXACT},
    };
    CHECK_CASES(cases);
}

static void casts_integers_by_wrapping_around(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i32[3]; out y; y = Cast(x) to=2", N(-1, 256, 7), "uint8[3]",
         N(255, 0, 7), EXACT},
        {"in x i64[2]; out y; y = Cast(x) to=6", N(4294967297, -1), "int32[2]",
         N(1, -1), EXACT},
        {"in x u8[2]; out y; y = Cast(x) to=3", N(255, 7), "int8[2]", N(-1, 7),
         EXACT},
        {"in x u16[2]; out y; y = Cast(x) to=1", N(65535, 7), "float32[2]",
         N(65535, 7), EXACT},
    };
    CHECK_CASES(cases);
}

static void casts_to_and_from_truths(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[4]; out y; y = Cast(x) to=9", N(0, -0.5, NAN, 2), "bool[4]",
         N(0, 1, 1, 1), EXACT},
        {"in x bool[2]; out y; y = Cast(x) to=1", N(0, 1), "float32[2]",
         N(0, 1), EXACT},
        {"in x bool[2]; out y; y = Cast(x) to=7", N(0, 1), "int64[2]", N(0, 1),
         EXACT},
    };
    CHECK_CASES(cases);
}

/* 2049 is not a float16, nor 257 a bfloat16. */
static void casts_to_half_precision_by_rounding(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[5]; a = Cast(x) to=10; y = Cast(a) to=1; out y",
         N(0x1.8p-24, -0x1p-25, 65519, 65520, NAN), "float32[5]",
         N(0x1p-23, 0, 65504, INFINITY, NAN), EXACT},
        {"in x f32[3]; a = Cast(x) to=10; y = Cast(a) to=1; out y",
         N(2049, 70000, 0.5), "float32[3]", N(2048, INFINITY, 0.5), EXACT},
        {"in x f32[3]; a = Cast(x) to=16; y = Cast(a) to=1; out y",
         N(257, 259, NAN), "float32[3]", N(256, 260, NAN), EXACT},
        {"in x i32[1]; a = Cast(x) to=10; y = Cast(a) to=6; out y", N(2051),
         "int32[1]", N(2052), EXACT},
    };
    CHECK_CASES(cases);
}

static void casts_like_another_array(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2]; const t i64[1] 0; out y; y = CastLike(x, t)", N(1.5, -2),
         "int64[2]", N(1, -2), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- refusals --------------------------------------------------------- */

static void refuses_what_it_cannot_compute(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x i32[2]; out y; y = Exp(x)", CZ_EUNSUPPORTED,
         "Exp 'y': not for elements of int32"},
        {"in x f32[2]; out y; y = Not(x)", CZ_EUNSUPPORTED,
         "Not 'y': not for elements of float32"},
        {"in x f32[2]; out y; y = Elu(x) alpha=2", CZ_ESHAPE,
         "Elu 'y': attribute 'alpha'"},
        {"opset 20; in x f32[2]; out y; y = Gelu(x) approximate=\"erf\"",
         CZ_EUNSUPPORTED, "Gelu 'y': approximate is 'erf'"},
        {"in x f32[2]; out y; y = Cast(x) to=8", CZ_EUNSUPPORTED,
         "Cast 'y': cannot cast to string"},
        {"in x f32[2]; out y; y = Cast(x) to=77", CZ_ESHAPE,
         "Cast 'y': to is 77"},
        {"in x f32[2]; out y; y = Cast(x)", CZ_ESHAPE, "Cast 'y': to is 0"},
        {"in x f32[2]; const a f32[2] 0; out y; y = Clip(x, a)", CZ_ESHAPE,
         "Clip 'y': min has 2 elements, want 1"},
        {"in x f32[2]; const a i64[] 0; out y; y = Clip(x, , a)", CZ_ESHAPE,
         "Clip 'y': input 2 is int64, want float32"},
        {"opset 9; in x i32[2]; out y; y = Clip(x)", CZ_EUNSUPPORTED,
         "Clip 'y': not for elements of int32"},
    };
    CHECK_REFUSED(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_elementary_functions),
        cmocka_unit_test(rounds_halves_to_even),
        cmocka_unit_test(computes_activations),
        cmocka_unit_test(does_not_overflow_at_the_ends),
        cmocka_unit_test(keeps_nan),
        cmocka_unit_test(tells_nan_and_infinities),
        cmocka_unit_test(works_on_integers_and_truths),
        cmocka_unit_test(takes_scalars_and_nothing),
        cmocka_unit_test(covers_large_arrays),
        cmocka_unit_test(clips_by_attributes_up_to_opset_10),
        cmocka_unit_test(clips_by_inputs_from_opset_11),
        cmocka_unit_test(clips_to_the_upper_of_bounds_that_cross),
        cmocka_unit_test(clips_by_bounds_that_a_frame_brings),
        cmocka_unit_test(casts_floats_to_integers_by_cutting_off),
        cmocka_unit_test(casts_what_is_out_of_range_to_the_end),
        cmocka_unit_test(casts_integers_by_wrapping_around),
        cmocka_unit_test(casts_to_and_from_truths),
        cmocka_unit_test(casts_to_half_precision_by_rounding),
        cmocka_unit_test(casts_like_another_array),
        cmocka_unit_test(refuses_what_it_cannot_compute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
