/* Quantizing, and products of 8-bit integers. Expected numbers are worked out
 * by hand or with numpy. */
#include <math.h>

#include "tests/engine/op_support.h"

#define N CZ_NUMBERS

/* ---- QuantizeLinear and DequantizeLinear ------------------------------ */

static void quantizes_with_one_scale(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 10; in x f32[6]; const s f32[] 2; const z u8[] 128; out y;"
         "y = QuantizeLinear(x, s, z)",
         N(0, 2, 3, 1000, -254, -1000), "uint8[6]", N(128, 129, 130, 255, 1, 0),
         EXACT},
        {"in x f32[4]; const s f32[1] 0.5; out y; y = QuantizeLinear(x, s)",
         N(0.25, 0.75, -3, 1e30), "uint8[4]", N(0, 2, 0, 255), EXACT},
        {"in x f32[3]; const s f32[] 1; const z i8[] -1; out y;"
         "y = QuantizeLinear(x, s, z)",
         N(-200, 0, 200), "int8[3]", N(-128, -1, 127), EXACT},
        {"in x i32[2]; const s f32[] 3; out y; y = QuantizeLinear(x, s)",
         N(7, 8), "uint8[2]", N(2, 3), EXACT},
        {"opset 21; in x f32[2]; const s f32[] 1; out y;"
         "y = QuantizeLinear(x, s) output_dtype=5",
         N(-40000, 300), "int16[2]", N(-32768, 300), EXACT},
        {"in x f32[3]; const s f32[] 0; const z i8[] 3; out y;"
         "y = QuantizeLinear(x, s, z)",
         N(NAN, 1, 0), "int8[3]", N(0, 127, 0), EXACT},
        {"in x f32[0]; const s f32[] 1; out y; y = QuantizeLinear(x, s)", NULL,
         0, "uint8[0]", NULL, 0, EXACT},
    };
    CHECK_CASES(cases);
}

static void quantizes_along_an_axis(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2,2]; const s f32[2] 1 2; const z u8[2] 0 10; out y;"
         "y = QuantizeLinear(x, s, z)",
         N(1, 2, 3, 4), "uint8[1,2,2]", N(1, 2, 12, 12), EXACT},
        {"in x f32[2,2]; const s f32[2] 1 2; out y;"
         "y = QuantizeLinear(x, s) axis=-1",
         N(1, 2, 3, 4), "uint8[2,2]", N(1, 1, 3, 2), EXACT},
        {"in x i8[2,2]; const s f32[2] 1 2; const z i8[2] 0 1; out y;"
         "y = DequantizeLinear(x, s, z) axis=0",
         N(1, 2, 3, 4), "float32[2,2]", N(1, 2, 4, 6), EXACT},
    };
    CHECK_CASES(cases);
}

static void quantizes_in_blocks(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 21; in x f32[2,3]; const s f32[2,2] 1 2 3 4; out y;"
         "const z u8[2,2] 0 1 2 3;"
         "y = QuantizeLinear(x, s, z) axis=1 block_size=2",
         N(4, 8, 12, 24, 24, 24), "uint8[2,3]", N(4, 8, 7, 10, 10, 9), EXACT},
        {"opset 21; in x u8[3,1]; const s f32[2,1] 1 2; out y;"
         "y = DequantizeLinear(x, s) axis=0 block_size=2",
         N(1, 2, 3), "float32[3,1]", N(1, 2, 6), EXACT},
    };
    CHECK_CASES(cases);
}

static void dequantizes_every_type(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"opset 10; in x u8[3]; const s f32[] 0.5; const z u8[] 128; out y;"
         "y = DequantizeLinear(x, s, z)",
         N(0, 128, 255), "float32[3]", N(-64, 0, 63.5), EXACT},
        {"in x i32[2]; const s f32[] 0.5; out y; y = DequantizeLinear(x, s)",
         N(-2147483648.0, 3), "float32[2]", N(-1073741824.0, 1.5), EXACT},
        {"opset 21; in x u16[2]; const s f32[] 2; const z u16[] 65535; out y;"
         "y = DequantizeLinear(x, s, z)",
         N(0, 65535), "float32[2]", N(-131070, 0), EXACT},
        {"opset 21; in x i16[2]; const s f32[] 2; out y;"
         "y = DequantizeLinear(x, s)",
         N(-32768, 1), "float32[2]", N(-65536, 2), EXACT},
    };
    CHECK_CASES(cases);
}

/* The specification's own example. */
static void finds_scale_and_zero_point(void **state)
{
    (void)state;
    struct cz_test_engine e =
        cz_test_engine("in x f32[6]; out y; out s; out z;"
                       "y, s, z = DynamicQuantizeLinear(x)",
                       NULL);
    cz_test_feed(&e, "x", N(0, 2, -3, -2.5, 1.34, 0.5));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "uint8[6]", N(153, 255, 0, 26, 221, 179), EXACT);
    cz_test_expect(&e, "s", "float32[]", N(0.0196078431), 1e-8);
    cz_test_expect(&e, "z", "uint8[]", N(153), EXACT);
    cz_test_feed(&e, "x", N(0, 0, 0, 0, 0, 0));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "uint8[6]", N(0, 0, 0, 0, 0, 0), EXACT);
    cz_test_expect(&e, "s", "float32[]", N(1), EXACT);
    cz_test_engine_fini(&e);
}

/* ---- convolutions ----------------------------------------------------- */

#define IMAGE N(10, 20, 30, 40, 50, 60, 70, 80, 90)

static void convolves_integers(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x u8[1,1,3,3]; const w u8[1,1,2,2] 1 2 3 4; const a u8[] 10;"
         "const b u8[] 1; out y; y = ConvInteger(x, w, a, b)",
         IMAGE, "int32[1,1,2,2]", N(190, 250, 370, 430), EXACT},
        {"in x u8[1,1,3,3]; const w u8[1,1,2,2] 1 2 3 4; const a u8[] 10;"
         "const b u8[1] 1; out y; y = ConvInteger(x, w, a, b) pads=[1,1,1,1]",
         IMAGE, "int32[1,1,4,4]",
         N(0, 30, 80, 40, 90, 190, 250, 100, 210, 370, 430, 160, 60, 70, 80, 0),
         EXACT},
        {"in x i8[1,2,3]; const w i8[2,1,2] 1 -1 2 3; out y;"
         "y = ConvInteger(x, w) group=2",
         N(1, 5, -7, 2, 3, 4), "int32[1,2,2]", N(-4, 12, 13, 18), EXACT},
        {"in x i8[1,1,5]; const w u8[1,1,2] 1 255; out y;"
         "y = ConvInteger(x, w) strides=[2] dilations=[2]",
         N(1, 2, 3, 4, -5), "int32[1,1,2]", N(766, -1272), EXACT},
    };
    CHECK_CASES(cases);
}

static void convolves_and_quantizes(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x u8[1,1,3,3]; const a f32[] 0.5; const az u8[] 10;"
         "const w u8[2,1,2,2] 1 2 3 4 1 2 3 4; const ws f32[2] 0.2 0.4;"
         "const wz u8[2] 1 2; const s f32[] 4; const z u8[] 3;"
         "const b i32[2] 5 -7; out y;"
         "y = QLinearConv(x, a, az, w, ws, wz, s, z, b)",
         IMAGE, "uint8[1,2,2,2]", N(8, 9, 12, 14, 8, 9, 11, 12), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- matrices --------------------------------------------------------- */

static void multiplies_integer_matrices(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x u8[2,3]; const w i8[3,2] 1 -2 3 4 -5 6; const a u8[] 1;"
         "const b i8[] 2; out y; y = MatMulInteger(x, w, a, b)",
         N(1, 2, 3, 4, 5, 6), "int32[2,2]", N(-13, 10, -34, 16), EXACT},
        {"in x u8[2,3]; const w i8[3,2] 1 -2 3 4 -5 6; const a u8[2] 1 2;"
         "const b i8[2] 1 2; out y; y = MatMulInteger(x, w, a, b)",
         N(1, 2, 3, 4, 5, 6), "int32[2,2]", N(-10, 10, -18, 14), EXACT},
        {"in x i8[2]; const w i8[2] 3 4; out y; y = MatMulInteger(x, w)",
         N(-1, 2), "int32[]", N(5), EXACT},
        {"in x i8[2,1,2]; const w i8[2,2,1] 3 4 5 6; out y;"
         "y = MatMulInteger(x, w)",
         N(1, 2, 3, 4), "int32[2,1,1]", N(11, 39), EXACT},
        {"in x i8[1,2]; const w i8[2,2,1] 3 4 5 6; out y;"
         "y = MatMulInteger(x, w)",
         N(1, 2), "int32[2,1,1]", N(11, 17), EXACT},
        {"in x i8[2,0]; const w i8[0,1]; out y; y = MatMulInteger(x, w)", NULL,
         0, "int32[2,1]", N(0, 0), EXACT},
    };
    CHECK_CASES(cases);
}

static void multiplies_and_quantizes(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x u8[2,3]; const xs f32[] 0.5; const xz u8[] 1;"
         "const w i8[3,2] 1 -2 3 4 -5 6; const ws f32[] 0.1;"
         "const wz i8[] 2; const s f32[] 0.25; const z i8[] 10; out y;"
         "y = QLinearMatMul(x, xs, xz, w, ws, wz, s, z)",
         N(1, 2, 3, 4, 5, 6), "int8[2,2]", N(7, 12, 3, 13), EXACT},
    };
    CHECK_CASES(cases);
}

/* ---- refusals --------------------------------------------------------- */

static void refuses_operands_that_do_not_fit(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"opset 10; in x f32[2,2]; const s f32[2] 1; out y;"
         "y = QuantizeLinear(x, s)",
         CZ_ESHAPE, "QuantizeLinear 'y': scale is [2], want one number"},
        {"in x f32[2,2]; const s f32[3] 1; out y; y = QuantizeLinear(x, s)",
         CZ_ESHAPE, "QuantizeLinear 'y': scale is [3], want one number, or 2"},
        {"in x f32[2]; const s f32[] 1; const z u8[2] 1; out y;"
         "y = QuantizeLinear(x, s, z)",
         CZ_ESHAPE, "zero point is [2], the scale is []"},
        {"in x f32[2]; const s f64[] 1; out y; y = QuantizeLinear(x, s)",
         CZ_ESHAPE, "input 1 is double, want float32"},
        {"in x f32[2]; const s f32[] 1; const z i32[] 1; out y;"
         "y = QuantizeLinear(x, s, z)",
         CZ_EUNSUPPORTED, "cannot quantize to int32"},
        {"opset 21; in x f32[2,3]; const s f32[2,3] 1; out y;"
         "y = QuantizeLinear(x, s) block_size=2",
         CZ_ESHAPE, "scale is [2,3], blocks of 2 want [2,2]"},
        {"opset 21; in x f32[2,3]; const s f32[] 1; out y;"
         "y = QuantizeLinear(x, s) block_size=-1",
         CZ_ESHAPE, "'block_size' is -1"},
        {"in x f32[2]; const s f32[] 1; out y; y = DequantizeLinear(x, s)",
         CZ_EUNSUPPORTED, "DequantizeLinear 'y': not for elements of float32"},
        {"in x f32[1,1,3]; in w u8[1,1,2]; out y; y = ConvInteger(x, w)",
         CZ_ESHAPE, "input 0 is float32, want int8 or uint8"},
        {"in x u8[1,2,3]; in w u8[1,1,2]; out y; y = ConvInteger(x, w)",
         CZ_ESHAPE, "input has 2 channels, its weight wants 1 x 1 groups"},
        {"in x u8[1,1,3]; in w u8[2,1,2]; in a u8[2]; out y;"
         "y = ConvInteger(x, w, a)",
         CZ_ESHAPE, "input 2 has 2 numbers, want 1 or 1"},
        {"in x u8[2,3]; in w u8[2,3]; out y; y = MatMulInteger(x, w)",
         CZ_ESHAPE, "MatMulInteger 'y': cannot multiply [2,3] by [2,3]"},
        {"in x u8[]; in w u8[2,3]; out y; y = MatMulInteger(x, w)", CZ_ESHAPE,
         "cannot multiply [] by [2,3]"},
        {"in x u8[2,3]; in w u8[3,2]; in a u8[3]; out y;"
         "y = MatMulInteger(x, w, a)",
         CZ_ESHAPE, "input 2 has 3 numbers, want 1 or 2"},
    };
    CHECK_REFUSED(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantizes_with_one_scale),
        cmocka_unit_test(quantizes_along_an_axis),
        cmocka_unit_test(quantizes_in_blocks),
        cmocka_unit_test(dequantizes_every_type),
        cmocka_unit_test(finds_scale_and_zero_point),
        cmocka_unit_test(convolves_integers),
        cmocka_unit_test(convolves_and_quantizes),
        cmocka_unit_test(multiplies_integer_matrices),
        cmocka_unit_test(multiplies_and_quantizes),
        cmocka_unit_test(refuses_operands_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
