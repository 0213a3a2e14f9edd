/* Inference of the operators that move, multiply and reduce. The expected types
 * are worked out by hand from the ONNX operator specification. */
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* ---- moving ----------------------------------------------------------- */

static void adds_up_the_axis_of_a_concat(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in a f32[1,2,3]; in b f32[1,4,3]; out y; y = Concat(a, b) axis=1",
         "float32[1,6,3]"},
        {"in a f32[1,2,3]; in b f32[1,2,5]; out y; y = Concat(a, b) axis=-1",
         "float32[1,2,8]"},
        {"in a f32[1,h,3]; in b f32[1,4,3]; out y; y = Concat(a, b) axis=1",
         "float32[1,?,3]"},
        {"in a f32[n,2,?]; in b f32[1,4,3]; out y; y = Concat(a, b) axis=1",
         "float32[1,6,3]"},
        {"in a f32[1,2]; in b f32; out y; y = Concat(a, b) axis=1", "float32"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void splits_by_attribute_or_input_or_evenly(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"opset 11; in x f32[1,6]; out y; z, y = Split(x) axis=1 split=[2,4]",
         "float32[1,4]"},
        {"opset 13; in x f32[1,6]; const s i64[2] 1 5; out y;"
         "z, y = Split(x, s) axis=-1",
         "float32[1,5]"},
        {"in x f32[1,6]; out y; z, y = Split(x) axis=1", "float32[1,3]"},
        {"opset 18; in x f32[1,7]; out y; a, b, y = Split(x) axis=1 "
         "num_outputs=3",
         "float32[1,1]"},
        {"opset 18; in x f32[1,7]; out y; y, b, c = Split(x) axis=1 "
         "num_outputs=3",
         "float32[1,3]"},
        {"in x f32[1,6]; in s i64[2]; out y; z, y = Split(x, s) axis=1",
         "float32[1,?]"},
        {"in x f32[4,6]; out y; z, y = Split(x)", "float32[2,6]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void slices_forwards_and_backwards(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"opset 9; in x f32[8,8]; out y; y = Slice(x) starts=[1,2] ends=[7,5]",
         "float32[6,3]"},
        {"opset 9; in x f32[8,8]; out y; y = Slice(x) axes=[-1] starts=[2] "
         "ends=[9223372036854775807]",
         "float32[8,6]"},
        {"in x f32[8,8]; const s i64[1] 1; const e i64[1] -1; const a i64[1] 1;"
         "const t i64[1] 2; out y; y = Slice(x, s, e, a, t)",
         "float32[8,3]"},
        {"in x f32[8,8]; const s i64[1] -1; const a i64[1] 0; out y;"
         "const e i64[1] -9223372036854775808; const t i64[1] -1;"
         "y = Slice(x, s, e, a, t)",
         "float32[8,8]"},
        {"in x f32[8,8]; const s i64[1] 6; const e i64[1] 1; const a i64[1] 0;"
         "const t i64[1] -2; out y; y = Slice(x, s, e, a, t)",
         "float32[3,8]"},
        {"in x f32[8,8]; const s i64[1] 100; const e i64[1] 200; out y;"
         "y = Slice(x, s, e)",
         "float32[0,8]"},
        {"in x f32[8,8]; const s i64[1] -100; const e i64[1] 3; out y;"
         "y = Slice(x, s, e)",
         "float32[3,8]"},
        {"in x f32[8,8]; const s i64[1] 5; const e i64[1] 2; out y;"
         "y = Slice(x, s, e)",
         "float32[0,8]"},
        {"in x f32[0,8]; const s i64[1] -1; const e i64[1] -100;"
         "const a i64[1] 0; const t i64[1] -1; out y;"
         "y = Slice(x, s, e, a, t)",
         "float32[0,8]"},
        {"in x f32[h,8]; const s i32[1] 1; const e i32[1] 3; out y;"
         "y = Slice(x, s, e)",
         "float32[?,8]"},
        {"in x f32[8,8]; in s i64[1]; const e i64[1] 3; out y;"
         "y = Slice(x, s, e)",
         "float32"},
        {"in x f32[8,8]; const s i64[1] 0; const e i64[1] 3; in a i64[1];"
         "out y; y = Slice(x, s, e, a)",
         "float32"},
        {"in x f32[1,3,8,8]; const s i64[1] 0; const e i64[1] 8;"
         "const a i64[1] 2; const t i64[1] 2; out y;"
         "y = Slice(x, s, e, a, t)",
         "float32[1,3,4,8]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void reshapes_with_zero_and_minus_one(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[2,3,4]; const s i64[2] 6 4; out y; y = Reshape(x, s)",
         "float32[6,4]"},
        {"in x f32[2,3,4]; const s i64[2] 0 -1; out y; y = Reshape(x, s)",
         "float32[2,12]"},
        {"in x f32[2,3,4]; const s i64[3] -1 0 2; out y; y = Reshape(x, s)",
         "float32[4,3,2]"},
        {"in x f32[n,3,4]; const s i64[2] 0 -1; out y; y = Reshape(x, s)",
         "float32[?,?]"},
        {"in x f32[n,3,4]; const s i64[2] 5 12; out y; y = Reshape(x, s)",
         "float32[5,12]"},
        {"in x f32; const s i64[2] 0 7; out y; y = Reshape(x, s)",
         "float32[?,7]"},
        {"in x f32[0,3]; const s i64[2] 0 5; out y;"
         "y = Reshape(x, s) allowzero=1",
         "float32[0,5]"},
        {"in x f32[1]; const s i64[0]; out y; y = Reshape(x, s)", "float32[]"},
        {"in x f32[2,3]; in s i64[2]; out y; y = Reshape(x, s)", "float32"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void transposes_squeezes_and_flattens(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[2,3,4]; out y; y = Transpose(x)", "float32[4,3,2]"},
        {"in x f32[2,3,4]; out y; y = Transpose(x) perm=[0,2,1]",
         "float32[2,4,3]"},
        {"opset 11; in x f32[1,3,1]; out y; y = Squeeze(x) axes=[0,-1]",
         "float32[3]"},
        {"in x f32[1,3,1]; const a i64[1] -1; out y; y = Squeeze(x, a)",
         "float32[1,3]"},
        {"in x f32[1,3,1]; out y; y = Squeeze(x)", "float32"},
        {"opset 11; in x f32[3]; out y; y = Unsqueeze(x) axes=[0,2]",
         "float32[1,3,1]"},
        {"in x f32[3,4]; const a i64[2] -1 0; out y; y = Unsqueeze(x, a)",
         "float32[1,3,4,1]"},
        {"in x f32[2,3,4]; out y; y = Flatten(x)", "float32[2,12]"},
        {"in x f32[2,3,4]; out y; y = Flatten(x) axis=0", "float32[1,24]"},
        {"in x f32[2,3,4]; out y; y = Flatten(x) axis=-1", "float32[6,4]"},
        {"in x f32[2,3,4]; out y; y = Flatten(x) axis=3", "float32[24,1]"},
        {"in x f32[n,3,4]; out y; y = Flatten(x)", "float32[?,12]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void resizes_by_scales_or_sizes(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"opset 9; in x f32[1,3,8,8]; const s f32[4] 1 1 2 2; out y;"
         "y = Upsample(x, s)",
         "float32[1,3,16,16]"},
        {"opset 10; in x f32[1,3,8,8]; const s f32[4] 1 1 2 0.5; out y;"
         "y = Resize(x, s)",
         "float32[1,3,16,4]"},
        {"in x f32[1,3,8,8]; const s f32[4] 1 1 2 2; out y;"
         "y = Resize(x, , s)",
         "float32[1,3,16,16]"},
        {"in x f32[1,3,8,8]; const s i64[4] 1 3 5 6; out y;"
         "y = Resize(x, , , s)",
         "float32[1,3,5,6]"},
        {"in x f32[1,3,5,5]; const s f32[4] 1 1 1.5 1.5; out y;"
         "y = Resize(x, , s)",
         "float32[1,3,7,7]"},
        /* 0.7f is below 0.7, but 10 * 0.7f in float is 7. */
        {"in x f32[1,3,10,10]; const s f32[4] 1 1 0.7 0.7; out y;"
         "y = Resize(x, , s)",
         "float32[1,3,7,7]"},
        {"in x f32[n,3,h,8]; const s f32[4] 1 1 2 2; out y;"
         "y = Resize(x, , s)",
         "float32[?,3,?,16]"},
        {"in x f32[1,3,8,8]; in s f32[4]; out y; y = Resize(x, , s)",
         "float32"},
        {"opset 18; in x f32[1,3,8,8]; const s f32[2] 2 2; out y;"
         "y = Resize(x, , s) axes=[2,3]",
         "float32"},
        {"in x f32[1,1,8,8]; const r f32[8] 0 0 0 0 1 1 1 0.5; out y;"
         "const s f32[4] 1 1 2 2; y = Resize(x, r, s) "
         "coordinate_transformation_mode=\"tf_crop_and_resize\"",
         "float32"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void pads_by_attribute_or_input(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"opset 9; in x f32[2,3]; out y; y = Pad(x) pads=[0,1,2,3]",
         "float32[4,7]"},
        {"in x f32[2,3]; const p i64[4] 0 -1 0 2; out y; y = Pad(x, p)",
         "float32[2,4]"},
        {"in x f32[n,3]; const p i64[4] 1 1 1 1; out y; y = Pad(x, p)",
         "float32[?,5]"},
        {"in x f32[2,3]; in p i64[4]; out y; y = Pad(x, p)", "float32"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void gathers_and_exchanges_blocks(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[2,3,4]; const i i64[] 1; out y; y = Gather(x, i) axis=1",
         "float32[2,4]"},
        {"in x f32[2,3,4]; in i i64[5,6]; out y; y = Gather(x, i) axis=-2",
         "float32[2,5,6,4]"},
        {"in x f32[1,8,4,4]; out y; y = DepthToSpace(x) blocksize=2",
         "float32[1,2,8,8]"},
        {"in x f32[1,2,8,8]; out y; y = SpaceToDepth(x) blocksize=2",
         "float32[1,8,4,4]"},
        {"in x f32[n,2,h,8]; out y; y = SpaceToDepth(x) blocksize=2",
         "float32[?,8,?,4]"},
        {"in x f32[1,n,4]; out y; y = Shape(x)", "int64[3]"},
        {"in x f32; out y; y = Shape(x)", "int64[?]"},
        {"opset 15; in x f32[1,2,3]; out y; y = Shape(x) start=1", "int64"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

/* ---- products and sums ------------------------------------------------ */

static void multiplies_matrices_and_broadcasts_their_batch(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in a f32[2,3]; in b f32[3,4]; out y; y = MatMul(a, b)",
         "float32[2,4]"},
        {"in a f32[5,1,2,3]; in b f32[7,3,4]; out y; y = MatMul(a, b)",
         "float32[5,7,2,4]"},
        {"in a f32[2,3]; in b f32[6,3,4]; out y; y = MatMul(a, b)",
         "float32[6,2,4]"},
        {"in a f32[n,2,k]; in b f32[k,4]; out y; y = MatMul(a, b)",
         "float32[?,2,4]"},
        {"in a f32[2,3]; in b f32[4,3]; out y; y = Gemm(a, b) transB=1",
         "float32[2,4]"},
        {"in a f32[3,2]; in b f32[3,4]; out y; y = Gemm(a, b) transA=1",
         "float32[2,4]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void reduces_axes_by_attribute_or_input(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[2,3,4]; out y; y = ReduceMean(x) axes=[1]",
         "float32[2,1,4]"},
        {"in x f32[2,3,4]; out y; y = ReduceMax(x) axes=[-1,0] keepdims=0",
         "float32[3]"},
        {"in x f32[2,3,4]; const a i64[1] 2; out y;"
         "y = ReduceSum(x, a) keepdims=0",
         "float32[2,3]"},
        {"opset 18; in x f32[2,3,4]; const a i64[1] -3; out y;"
         "y = ReduceMean(x, a)",
         "float32[1,3,4]"},
        {"in x f32[2,3]; in a i64[1]; out y; y = ReduceSum(x, a)", "float32"},
        {"in x f32[2,3]; const a i64[0]; out y; y = ReduceSum(x, a)",
         "float32"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up_the_axis_of_a_concat),
        cmocka_unit_test(splits_by_attribute_or_input_or_evenly),
        cmocka_unit_test(slices_forwards_and_backwards),
        cmocka_unit_test(reshapes_with_zero_and_minus_one),
        cmocka_unit_test(transposes_squeezes_and_flattens),
        cmocka_unit_test(resizes_by_scales_or_sizes),
        cmocka_unit_test(pads_by_attribute_or_input),
        cmocka_unit_test(gathers_and_exchanges_blocks),
        cmocka_unit_test(multiplies_matrices_and_broadcasts_their_batch),
        cmocka_unit_test(reduces_axes_by_attribute_or_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
