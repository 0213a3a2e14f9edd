/* Arithmetic, comparisons, logic, bits and Where, on operands that are
 * broadcast. Expected numbers are worked out by hand. */
#include <math.h>

#include "tests/engine/op_support.h"

#define N CZ_NUMBERS

/* ---- arithmetic ------------------------------------------------------- */

static void computes_with_two_operands(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const b f32[3] 1 2 4; out y; y = Add(x, b)", N(1, 2, 3),
         "float32[3]", N(2, 4, 7), EXACT},
        {"in x f32[3]; const b f32[3] 1 2 4; out y; y = Sub(x, b)", N(1, 2, 3),
         "float32[3]", N(0, 0, -1), EXACT},
        {"in x f32[3]; const b f32[3] 1 2 4; out y; y = Mul(x, b)", N(1, 2, 3),
         "float32[3]", N(1, 4, 12), EXACT},
        {"in x f32[3]; const b f32[3] 1 2 0; out y; y = Div(x, b)", N(1, 3, -3),
         "float32[3]", N(1, 1.5, -INFINITY), EXACT},
        {"in x f64[2]; const b f64[2] 1 4; out y; y = Div(x, b)", N(1, 3),
         "double[2]", N(1, 0.75), EXACT},
        {"in x f32[4]; const b f32[] 3; out y; y = Mod(x, b) fmod=1",
         N(-4, 4, 5.5, 3), "float32[4]", N(-1, 1, 2.5, 0), EXACT},
    };
    CHECK_CASES(cases);
}

static void broadcasts_both_ways(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,1]; const b f32[3] 10 20 30; out y; y = Add(x, b)",
         N(1, 2), "float32[2,3]", N(11, 21, 31, 12, 22, 32), EXACT},
        {"in x f32[3]; const b f32[2,1] 10 20; out y; y = Sub(x, b)",
         N(1, 2, 3), "float32[2,3]", N(-9, -8, -7, -19, -18, -17), EXACT},
        {"in x f32[2,1,2]; const b f32[2,1] 10 20; out y; y = Mul(x, b)",
         N(1, 2, 3, 4), "float32[2,2,2]", N(10, 20, 20, 40, 30, 40, 60, 80),
         EXACT},
        {"in x f32[]; const b f32[2,2] 1 2 3 4; out y; y = Sub(x, b)", N(1),
         "float32[2,2]", N(0, -1, -2, -3), EXACT},
        {"in x f32[2]; const b f32[] 1; out y; y = Sub(x, b)", N(1, 5),
         "float32[2]", N(0, 4), EXACT},
        {"in x f32[]; const b f32[] 1; out y; y = Sub(x, b)", N(5), "float32[]",
         N(4), EXACT},
        {"in x f32[1,2,1,1,1,1,1,2]; const b f32[1,1,1,1,1,1,2,1] 1 2; out y;"
         "y = Mul(x, b)",
         N(1, 2, 3, 4), "float32[1,2,1,1,1,1,2,2]", N(1, 2, 2, 4, 3, 4, 6, 8),
         EXACT},
    };
    CHECK_CASES(cases);
}

static void makes_nothing_of_nothing(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[0,3]; const b f32[3] 1; out y; y = Add(x, b)", NULL, 0,
         "float32[0,3]", NULL, 0, EXACT},
        {"in x f32[2,0]; const b f32[2,1] 1; out y; y = Add(x, b)", NULL, 0,
         "float32[2,0]", NULL, 0, EXACT},
        {"in x i32[0]; const b i32[] 0; out y; y = Div(x, b)", NULL, 0,
         "int32[0]", NULL, 0, EXACT},
    };
    CHECK_CASES(cases);
}

static void wraps_integers_around(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i8[2]; const b i8[] 100; out y; y = Add(x, b)", N(100, 27),
         "int8[2]", N(-56, 127), EXACT},
        {"in x u8[2]; const b u8[] 1; out y; y = Sub(x, b)", N(0, 5),
         "uint8[2]", N(255, 4), EXACT},
        {"in x u16[1]; const b u16[] 65535; out y; y = Mul(x, b)", N(65535),
         "uint16[1]", N(1), EXACT},
        {"in x i32[1]; const b i32[] 65536; out y; y = Mul(x, b)", N(65536),
         "int32[1]", N(0), EXACT},
        {"in x i64[1]; const b i64[] 3; out y; y = Mul(x, b)",
         N(4611686018427387904), "int64[1]", N(-4611686018427387904.0), EXACT},
    };
    CHECK_CASES(cases);
}

static void divides_integers_towards_zero(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i32[4]; const b i32[4] 2 -2 2 -2; out y; y = Div(x, b)",
         N(7, 7, -7, -7), "int32[4]", N(3, -3, -3, 3), EXACT},
        {"in x u8[2]; const b u8[] 2; out y; y = Div(x, b)", N(255, 3),
         "uint8[2]", N(127, 1), EXACT},
        {"in x i32[1]; const b i32[] -1; out y; y = Div(x, b)",
         N(-2147483648.0), "int32[1]", N(-2147483648.0), EXACT},
        {"in x i64[1]; const b i64[] -1; out y; y = Div(x, b)",
         N(-9223372036854775808.0), "int64[1]", N(-9223372036854775808.0),
         EXACT},
    };
    CHECK_CASES(cases);
}

static void takes_remainders_by_either_sign(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x i32[4]; const b i32[4] 3 -3 3 -3; out y; y = Mod(x, b)",
         N(7, 7, -7, -7), "int32[4]", N(1, -2, 2, -1), EXACT},
        {"in x i32[4]; const b i32[4] 3 -3 3 -3; out y; y = Mod(x, b) fmod=1",
         N(7, 7, -7, -7), "int32[4]", N(1, 1, -1, -1), EXACT},
        {"in x u8[2]; const b u8[] 7; out y; y = Mod(x, b)", N(255, 3),
         "uint8[2]", N(3, 3), EXACT},
        {"in x i64[1]; const b i64[] -1; out y; y = Mod(x, b)",
         N(-9223372036854775808.0), "int64[1]", N(0), EXACT},
    };
    CHECK_CASES(cases);
}

static void refuses_to_divide_integers_by_zero(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x i32[2]; const b i32[2] 1 0; out y; y = Div(x, b)", CZ_EINVAL,
         "Div 'y': division by zero"},
        {"in x u8[2]; in b u8[1]; out y; y = Mod(x, b)", CZ_EINVAL,
         "Mod 'y': division by zero"},
        {"in x i64[2]; in b i64[1]; out y; y = Mod(x, b) fmod=1", CZ_EINVAL,
         "Mod 'y': division by zero"},
    };
    CHECK_REFUSED(rows);
}

static void raises_to_powers_of_any_type(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const b f32[3] 2 0.5 -1; out y; y = Pow(x, b)",
         N(3, 4, 2), "float32[3]", N(9, 2, 0.5), FLOAT32},
        {"in x f32[3]; const b f32[] 2; out y; y = Pow(x, b)", N(3, -4, 0.5),
         "float32[3]", N(9, 16, 0.25), EXACT},
        {"in x f32[2]; const b i64[] 3; out y; y = Pow(x, b)", N(2, -2),
         "float32[2]", N(8, -8), FLOAT32},
        {"in x f64[2]; const b u8[] 3; out y; y = Pow(x, b)", N(2, -2),
         "double[2]", N(8, -8), EXACT},
        {"in x i32[3]; const b i32[3] 3 0 31; out y; y = Pow(x, b)",
         N(-2, 0, 2), "int32[3]", N(-8, 1, -2147483648.0), EXACT},
        {"in x i64[2]; const b f32[2] 2 -1; out y; y = Pow(x, b)",
         N(94906265, 4), "int64[2]", N(9007199136250225, 0), EXACT},
        {"in x i32[1]; const b f32[] -1; out y; y = Pow(x, b)", N(0),
         "int32[1]", N(2147483647), EXACT},
    };
    CHECK_CASES(cases);
}

static void slopes_below_zero(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2,2]; const s f32[2,1] 0.5 2; out y; y = PRelu(x, s)",
         N(-1, 1, -1, 1), "float32[1,2,2]", N(-0.5, 1, -2, 1), EXACT},
        {"opset 9; in x i32[3]; const s i32[1] 3; out y; y = PRelu(x, s)",
         N(-1, 0, 1), "int32[3]", N(-3, 0, 1), EXACT},
        {"opset 9; in x u32[2]; const s u32[1] 3; out y; y = PRelu(x, s)",
         N(1, 5), "uint32[2]", N(1, 5), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- any number of operands ------------------------------------------- */

static void computes_with_any_number_of_operands(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2]; out y; y = Sum(x)", N(1, 2), "float32[2]", N(1, 2),
         EXACT},
        {"in x f32[2]; const b f32[2,1] 10 20; const c f32[] 100; out y;"
         "y = Sum(x, b, c)",
         N(1, 2), "float32[2,2]", N(111, 112, 121, 122), EXACT},
        {"in x f32[1]; const b f32[1] 2; const c f32[3] 0 3 6; out y;"
         "y = Mean(x, b, c)",
         N(1), "float32[3]", N(1, 2, 3), EXACT},
        {"in x f32[3]; const b f32[3] 2 2 2; const c f32[] 1; out y;"
         "y = Max(x, c, b)",
         N(1, 3, -5), "float32[3]", N(2, 3, 2), EXACT},
        {"in x i8[3]; const b i8[1] 2; out y; y = Min(x, b)", N(1, 3, -5),
         "int8[3]", N(1, 2, -5), EXACT},
        {"in x f32[2]; a = Neg(x); b = Add(a, x); y = Sum(a, b, a); out y",
         N(1, 2), "float32[2]", N(-2, -4), EXACT},
        {"in x f32[2]; const b f32[2] 2 -9; a = Neg(x); y = Max(a, b, a);"
         "out y",
         N(1, 2), "float32[2]", N(2, -2), EXACT},
    };
    CHECK_CASES(cases);
}

static void gives_nan_where_one_of_them_is(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const b f32[3] 1 nan nan; out y; y = Max(x, b)",
         N(NAN, 1, NAN), "float32[3]", N(NAN, NAN, NAN), EXACT},
        {"in x f32[3]; const b f32[3] 1 nan nan; const c f32[] 0; out y;"
         "y = Min(x, b, c)",
         N(NAN, 1, NAN), "float32[3]", N(NAN, NAN, NAN), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- comparisons and logic -------------------------------------------- */

#define COMPARE(op, ...)                                                       \
    {                                                                          \
        "in x f32[4]; const b f32[] 2; out y; y = " op "(x, b)",               \
            N(1, 2, 3, NAN), "bool[4]", N(__VA_ARGS__), EXACT                  \
    }

static void compares(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        COMPARE("Equal", 0, 1, 0, 0),
        COMPARE("Greater", 0, 0, 1, 0),
        COMPARE("Less", 1, 0, 0, 0),
        COMPARE("GreaterOrEqual", 0, 1, 1, 0),
        COMPARE("LessOrEqual", 1, 1, 0, 0),
        {"in x u8[2,1]; const b u8[2] 200 1; out y; y = Greater(x, b)",
         N(255, 1), "bool[2,2]", N(1, 1, 0, 0), EXACT},
        {"in x bool[2,1]; const b bool[2] 0 1; out y; y = Equal(x, b)", N(0, 1),
         "bool[2,2]", N(1, 0, 0, 1), EXACT},
    };
    CHECK_CASES(cases);
}

#define LOGIC(op, ...)                                                         \
    {                                                                          \
        "in x bool[2,1]; const b bool[2] 0 1; out y; y = " op "(x, b)",        \
            N(0, 1), "bool[2,2]", N(__VA_ARGS__), EXACT                        \
    }

static void combines_truths(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        LOGIC("And", 0, 0, 0, 1),
        LOGIC("Or", 0, 1, 1, 1),
        LOGIC("Xor", 0, 1, 1, 0),
    };
    CHECK_CASES(cases);
}

static void combines_and_shifts_bits(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 18; in x u8[2]; const b u8[] 12; out y; y = BitwiseAnd(x, b)",
         N(10, 3), "uint8[2]", N(8, 0), EXACT},
        {"opset 18; in x i32[2]; const b i32[] 12; out y; y = BitwiseOr(x, b)",
         N(10, -16), "int32[2]", N(14, -4), EXACT},
        {"opset 18; in x i64[2]; const b i64[] 12; out y; y = BitwiseXor(x, b)",
         N(10, -1), "int64[2]", N(6, -13), EXACT},
        {"in x u8[3]; const b u8[3] 1 7 8; out y;"
         "y = BitShift(x, b) direction=\"LEFT\"",
         N(129, 1, 1), "uint8[3]", N(2, 128, 0), EXACT},
        {"in x u64[3]; const b u64[3] 1 63 64; out y;"
         "y = BitShift(x, b) direction=\"RIGHT\"",
         N(9, 9223372036854775808.0, 9), "uint64[3]", N(4, 1, 0), EXACT},
    };
    CHECK_CASES(cases);
}

static void chooses_by_a_condition(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x bool[2,1]; const a f32[2] 1 2; const b f32[] 9; out y;"
         "y = Where(x, a, b)",
         N(1, 0), "float32[2,2]", N(1, 2, 9, 9), EXACT},
        {"in x bool[2]; const a i64[2,1] 1 2; const b i64[2] 8 9; out y;"
         "y = Where(x, a, b)",
         N(1, 0), "int64[2,2]", N(1, 9, 2, 9), EXACT},
        {"in x u8[3]; const c bool[3] 1 0 1; const b u8[] 9; out y;"
         "y = Where(c, x, b)",
         N(1, 2, 3), "uint8[3]", N(1, 9, 3), EXACT},
        {"in x i16[2]; const c bool[] 0; const b i16[2] 8 9; out y;"
         "y = Where(c, x, b)",
         N(1, 2), "int16[2]", N(8, 9), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- refusals --------------------------------------------------------- */

static void refuses_operands_that_do_not_fit(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[2,3]; const b f32[2] 1; out y; y = Add(x, b)", CZ_ESHAPE,
         "Add 'y': cannot broadcast [2,3] against [2]"},
        {"in x f32[2]; in b f64[2]; out y; y = Add(x, b)", CZ_ESHAPE,
         "Add 'y': input 1 is double, want float32"},
        {"in x bool[2]; in b bool[2]; out y; y = Add(x, b)", CZ_EUNSUPPORTED,
         "Add 'y': not for elements of bool"},
        {"in x f32[2]; in b f32[2]; out y; y = Mod(x, b)", CZ_EUNSUPPORTED,
         "Mod 'y': not for elements of float32"},
        {"in x f32[2]; const s f32[3,1] 1; out y; y = PRelu(x, s)", CZ_ESHAPE,
         "PRelu 'y': slope [3,1] does not broadcast to [2]"},
        {"in x f32[2]; in b bool[2]; out y; y = Pow(x, b)", CZ_EUNSUPPORTED,
         "Pow 'y': not for elements of float32 with exponents of bool"},
        {"in x f32[2]; in b f32[3]; in c f32[2]; out y; y = Max(x, c, b)",
         CZ_ESHAPE, "Max 'y': cannot broadcast [2] against [3]"},
        {"in x f32[2]; in b f32[2]; out y; y = And(x, b)", CZ_EUNSUPPORTED,
         "And 'y': not for elements of float32"},
        {"in x u8[2]; in b u8[2]; out y; y = BitShift(x, b)", CZ_ESHAPE,
         "BitShift 'y': no direction"},
        {"in x f32[2]; in a f32[2]; out y; y = Where(x, a, a)", CZ_ESHAPE,
         "Where 'y': input 0 is float32, want bool"},
        {"in x bool[2]; in a f32[2]; in b i32[2]; out y; y = Where(x, a, b)",
         CZ_ESHAPE, "Where 'y': input 2 is int32, want float32"},
        {"in x f32[70000,1]; in b f32[70000]; out y; y = Add(x, b);"
         "in c f32[70000,1,1]; z = Add(y, c)",
         CZ_ESHAPE, "would not fit in memory"},
    };
    CHECK_REFUSED(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_with_two_operands),
        cmocka_unit_test(broadcasts_both_ways),
        cmocka_unit_test(makes_nothing_of_nothing),
        cmocka_unit_test(wraps_integers_around),
        cmocka_unit_test(divides_integers_towards_zero),
        cmocka_unit_test(takes_remainders_by_either_sign),
        cmocka_unit_test(refuses_to_divide_integers_by_zero),
        cmocka_unit_test(raises_to_powers_of_any_type),
        cmocka_unit_test(slopes_below_zero),
        cmocka_unit_test(computes_with_any_number_of_operands),
        cmocka_unit_test(gives_nan_where_one_of_them_is),
        cmocka_unit_test(compares),
        cmocka_unit_test(combines_truths),
        cmocka_unit_test(combines_and_shifts_bits),
        cmocka_unit_test(chooses_by_a_condition),
        cmocka_unit_test(refuses_operands_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
