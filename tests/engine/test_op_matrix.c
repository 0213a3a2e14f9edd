/* MatMul, Gemm and Einsum; what is expected was computed with numpy. */
#include "tests/engine/op_support.h"

static void multiplies_as_numpy_does(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; "
         "const w f32[3,2] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(16, 22, 34, 49), EXACT},
        {"in x f32[3]; "
         "const w f32[3] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[]", CZ_NUMBERS(8), EXACT},
        {"in x f32[3]; "
         "const w f32[3,2] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[2]", CZ_NUMBERS(16, 22), EXACT},
        {"in x f32[2,3]; "
         "const w f32[3] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2]", CZ_NUMBERS(8, 17), EXACT},
        {"in x f32[2,1,2]; "
         "const w f32[2,2] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,1,2]", CZ_NUMBERS(4, 7, 8, 15),
         EXACT},
        {"in x f32[2,2]; "
         "const w f32[2,2,1] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,2,1]", CZ_NUMBERS(2, 4, 8, 18),
         EXACT},
        {"in x f32[2,1,1,2]; "
         "const w f32[3,2,1] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,3,1,1]",
         CZ_NUMBERS(2, 8, 14, 4, 18, 32), EXACT},
        {"in x f32[3]; "
         "const w f32[2,3,1] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3), "float32[2,1]", CZ_NUMBERS(8, 26), EXACT},
        {"in x f64[2,5]; "
         "const w f64[5,2] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), "double[2,2]",
         CZ_NUMBERS(80, 95, 180, 220), EXACT},
        {"in x i32[2,5]; "
         "const w i32[5,2] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), "int32[2,2]",
         CZ_NUMBERS(80, 95, 180, 220), EXACT},
        {"in x i64[2,5]; "
         "const w i64[5,2] iota; "
         "y = MatMul(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), "int64[2,2]",
         CZ_NUMBERS(80, 95, 180, 220), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void multiplies_empty_matrices(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[0,3]; const w f32[3,2] iota; y = MatMul(x, w); out y", NULL,
         0, "float32[0,2]", NULL, 0, EXACT},
        {"in x f32[2,0]; const w f32[0,1]; y = MatMul(x, w); out y", NULL, 0,
         "float32[2,1]", CZ_NUMBERS(0, 0), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void multiplies_and_adds_with_gemm(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; "
         "const w f32[3,2] iota; "
         "y = Gemm(x, w); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(16, 22, 34, 49), EXACT},
        {"in x f32[3,2]; "
         "const w f32[3,2] iota; "
         "const c f32[2] 10 20; "
         "y = Gemm(x, w, c) transA=1; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(36, 55, 42, 64), EXACT},
        {"in x f32[2,3]; "
         "const w f32[2,3] iota; "
         "const c f32[2,1] 10 20; "
         "y = Gemm(x, w, c) transB=1 alpha=0.5 beta=2.0; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(24, 33, 48.5, 71), EXACT},
        {"in x f32[3,2]; "
         "const w f32[2,3] iota; "
         "const c f32[] 1; "
         "y = Gemm(x, w, c) transA=1 transB=1; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(14, 41, 17, 53), EXACT},
        {"opset 9; "
         "in x f32[2,3]; "
         "const w f32[3,2] iota; "
         "const c f32[2,2] 1 2 3 4; "
         "y = Gemm(x, w, c); "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(17, 24, 37, 53), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

/* Sizes that leave parts of tiles in every direction. */
static void multiplies_matrices_larger_than_a_tile(void **state)
{
    (void)state;
    enum { M = 67, K = 131, N = 133 };
    static double a[M * K], y[M * N];
    for (size_t i = 0; i < M * K; i++)
        a[i] = (double)(i * 13 % 7) - 3;
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            y[i * N + j] = 0;
            for (size_t k = 0; k < K; k++)
                y[i * N + j] += a[i * K + k] * (double)(k * N + j);
        }
    }
    const struct cz_test_case c = {
        "in x f32[67,131]; const w f32[131,133] iota; y = MatMul(x, w); out y",
        a,
        M * K,
        "float32[67,133]",
        y,
        M * N,
        ROUNDING};
    cz_test_cases(&c, 1);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            y[i * N + j] = 0;
            for (size_t k = 0; k < K; k++)
                y[i * N + j] += a[i * K + k] * (double)(j * K + k);
        }
    }
    const struct cz_test_case g = {"in x f32[67,131]; const w f32[133,131] "
                                   "iota; y = Gemm(x, w) transB=1; out y",
                                   a,
                                   M * K,
                                   "float32[67,133]",
                                   y,
                                   M * N,
                                   ROUNDING};
    cz_test_cases(&g, 1);
}

static void applies_what_is_fused_in(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[1,2,1,2]; "
         "const w f32[1,2,1,1] 1 -1; "
         "const m f32[1,1,1,2] 10; "
         "c = Conv(x, w); "
         "r = Relu(c); "
         "y = Add(r, m); "
         "out y",
         CZ_NUMBERS(5, 1, 2, 4), "float32[1,1,1,2]", CZ_NUMBERS(13, 10), EXACT},
        {"in x f32[1,2]; "
         "const w f32[2,2] 1 -1 -1 1; "
         "const m f32[1,2] 10; "
         "c = MatMul(x, w); "
         "r = Relu(c); "
         "y = Add(r, m); "
         "out y",
         CZ_NUMBERS(5, 2), "float32[1,2]", CZ_NUMBERS(13, 10), EXACT},
        {"in x f32[1,2]; "
         "const w f32[2,2] 1 -1 -1 1; "
         "const b f32[2] 1; "
         "c = Gemm(x, w, b); "
         "r = Relu(c); "
         "y = Add(r, x); "
         "out y",
         CZ_NUMBERS(5, 2), "float32[1,2]", CZ_NUMBERS(9, 2), EXACT},
        {"in x f32[1,1,1,2]; "
         "const w f32[1,1,1,2] 1 -1; "
         "const m f32[1,1,1,3] 10; "
         "c = ConvTranspose(x, w); "
         "r = Relu(c); "
         "y = Add(r, m); "
         "out y",
         CZ_NUMBERS(5, 2), "float32[1,1,1,3]", CZ_NUMBERS(15, 10, 10), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void sums_products_over_named_dimensions(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,3]; "
         "const w0 f32[3,2] iota; "
         "y = Einsum(x, w0) equation=\"ij,jk\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[2,2]",
         CZ_NUMBERS(16, 22, 34, 49), EXACT},
        {"in x f32[2,1,2]; "
         "const w0 f32[2,2,1] iota; "
         "y = Einsum(x, w0) equation=\"bij,bjk->bik\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,1,1]", CZ_NUMBERS(2, 18), EXACT},
        {"in x f32[3,3]; "
         "y = Einsum(x) equation=\"ii->i\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[3]",
         CZ_NUMBERS(1, 5, 9), EXACT},
        {"in x f32[3,3]; "
         "y = Einsum(x) equation=\"ii\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6, 7, 8, 9), "float32[]", CZ_NUMBERS(15),
         EXACT},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"ba\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4, 5, 6), "float32[3,2]",
         CZ_NUMBERS(1, 4, 2, 5, 3, 6), EXACT},
        {"in x f32[2,2]; "
         "y = Einsum(x) equation=\" i j -> \"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[]", CZ_NUMBERS(10), EXACT},
        {"in x f32[2,1,2]; "
         "const w0 f32[2,2] iota; "
         "y = Einsum(x, w0) equation=\"...ij,...jk->...ik\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,1,2]", CZ_NUMBERS(4, 7, 8, 15),
         EXACT},
        {"in x f32[2,2]; "
         "const w0 f32[2] iota; "
         "y = Einsum(x, w0) equation=\"...,...\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,2]", CZ_NUMBERS(0, 2, 0, 4), EXACT},
        {"in x f32[2]; "
         "const w0 f32[3] iota; "
         "y = Einsum(x, w0) equation=\"i,j->ji\"; "
         "out y",
         CZ_NUMBERS(1, 2), "float32[3,2]", CZ_NUMBERS(0, 0, 1, 2, 2, 4), EXACT},
        {"in x f32[2,2]; "
         "const w0 f32[3,2,2] iota; "
         "const w1 f32[2,2] iota; "
         "y = Einsum(x, w0, w1) equation=\"bn,anm,bm->ba\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "float32[2,3]",
         CZ_NUMBERS(7, 19, 31, 61, 201, 341), EXACT},
        {"in x i32[2,2]; "
         "const w0 i32[2,2] iota; "
         "y = Einsum(x, w0) equation=\"ij,jk->ik\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "int32[2,2]", CZ_NUMBERS(4, 7, 8, 15), EXACT},
        {"in x i64[2,2]; "
         "y = Einsum(x) equation=\"ij->j\"; "
         "out y",
         CZ_NUMBERS(1, 2, 3, 4), "int64[2]", CZ_NUMBERS(4, 6), EXACT},
        {"in x f64[2]; "
         "const w0 f64[2] iota; "
         "y = Einsum(x, w0) equation=\"i,i->i\"; "
         "out y",
         CZ_NUMBERS(1, 2), "double[2]", CZ_NUMBERS(0, 2), EXACT},
    };
    cz_test_cases(cases, sizeof cases / sizeof *cases);
}

static void says_which_operands_do_not_fit(void **state)
{
    (void)state;
    static const struct cz_test_refusal cases[] = {
        {"in x f32[2,3]; "
         "in w f32[2,3]; "
         "y = MatMul(x, w); "
         "out y",
         "MatMul 'y': its operands are [2,3] and [2,3]"},
        {"in x f32[2,1,3]; "
         "in w f32[3,3,1]; "
         "y = MatMul(x, w); "
         "out y",
         "MatMul 'y': its operands are [2,1,3] and [3,3,1]"},
        {"in x f32[]; "
         "in w f32[1]; "
         "y = MatMul(x, w); "
         "out y",
         "MatMul 'y': an operand has no dimensions"},
        {"in x f32[2,3]; "
         "in w f64[3,3]; "
         "y = MatMul(x, w); "
         "out y",
         "MatMul 'y': input 1 is double, want float32"},
        {"in x u8[2,3]; "
         "in w u8[3,3]; "
         "y = MatMul(x, w); "
         "out y",
         "MatMul 'y': input 0 is uint8"},
        {"in x f32[2,3]; "
         "in w f32[2,3]; "
         "y = Gemm(x, w) transA=1 transB=1; "
         "out y",
         "Gemm 'y': [2,3] transposed times [2,3] transposed"},
        {"in x f32[2,3]; "
         "in w f32[3,2]; "
         "in c f32[3]; "
         "y = Gemm(x, w, c); "
         "out y",
         "Gemm 'y': its sum is of [2,2] and [3]"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"ij,jk\"; "
         "out y",
         "Einsum 'y': 'ij,jk' does not fit its 1 operands"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"ijk\"; "
         "out y",
         "Einsum 'y': 'ijk' does not fit its 1 operands"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"ii\"; "
         "out y",
         "Einsum 'y': 'ii' does not fit its 1 operands"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"ij->k\"; "
         "out y",
         "Einsum 'y': 'ij->k' does not fit its 1 operands"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"ij->ii\"; "
         "out y",
         "Einsum 'y': 'ij->ii' does not fit its 1 operands"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"i1\"; "
         "out y",
         "Einsum 'y': '1' in its equation"},
        {"in x f32[2,3]; "
         "y = Einsum(x) equation=\"i..\"; "
         "out y",
         "Einsum 'y': 'i..' does not fit its 1 operands"},
        {"in x f32[2,3]; "
         "y = Einsum(x); "
         "out y",
         "Einsum 'y': no equation"},
    };
    cz_test_refusals(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiplies_as_numpy_does),
        cmocka_unit_test(multiplies_empty_matrices),
        cmocka_unit_test(multiplies_and_adds_with_gemm),
        cmocka_unit_test(multiplies_matrices_larger_than_a_tile),
        cmocka_unit_test(applies_what_is_fused_in),
        cmocka_unit_test(sums_products_over_named_dimensions),
        cmocka_unit_test(says_which_operands_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
