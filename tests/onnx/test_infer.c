/* Inference: types of elementwise operators, what is declared, subgraphs, and
 * the messages of every rule. The expected types are worked out by hand from
 * the ONNX operator specification. */
#include <stdlib.h>

#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* ---- elementwise ------------------------------------------------------ */

static void broadcasts_from_the_last_dimension(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in a f32[2,3,4]; in b f32[3,1]; out y; y = Add(a, b)",
         "float32[2,3,4]"},
        {"in a f32[4]; in b f32[2,3,1]; out y; y = Mul(a, b)",
         "float32[2,3,4]"},
        {"in a f32[2,1]; in b f32[1,3]; out y; y = Sub(a, b)", "float32[2,3]"},
        {"in a f32[n,3]; in b f32[1,3]; out y; y = Div(a, b)", "float32[?,3]"},
        {"in a f32[n,3]; in b f32[5,3]; out y; y = Pow(a, b)", "float32[5,3]"},
        {"in a f32[2,3]; in b f32; out y; y = Add(a, b)", "float32"},
        {"in a f32[2,3]; const b f32[] 1; out y; y = Add(a, b)",
         "float32[2,3]"},
        {"in a f32[0,3]; in b f32[1,3]; out y; y = Add(a, b)", "float32[0,3]"},
        {"in a f32[2,1]; in b f32[3]; in c f32[4,1,1]; out y;"
         "y = Max(a, b, c)",
         "float32[4,2,3]"},
        {"in c bool[2,1]; in a f32[3]; in b f32[2,3]; out y;"
         "y = Where(c, a, b)",
         "float32[2,3]"},
        {"in a f32[2,1]; in b f32[3]; out y; y = Greater(a, b)", "bool[2,3]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void keeps_the_shape_of_elementwise_operators(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[1,3,h]; out y; y = Sigmoid(x)", "float32[1,3,?]"},
        {"in x f16[2,2]; out y; y = HardSwish(x)", "float16[2,2]"},
        {"in x f32[2,2]; out y; y = Cast(x) to=7", "int64[2,2]"},
        {"in x f32[2,2]; out y; z, y = Dropout(x)", "bool"},
        {"in x bool[2]; out y; y = Not(x)", "bool[2]"},
        {"in x i8[2]; const s f32[] 1; const z i8[] 0; out y;"
         "y = DequantizeLinear(x, s, z)",
         "float32[2]"},
        {"in x f32[1,3,8,8]; out y; y = com.example::Relu(x)", "undefined"},
        {"in x f32; out y; y = Relu(x)", "float32"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void knows_types_where_shapes_depend_on_data(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[1,3]; out y; y = NonZero(x)", "int64"},
        {"in x f32[1,3]; const k i64[1] 2; out y; z, y = TopK(x, k)", "int64"},
        {"in x f32[1,3]; out y; y = ArgMax(x)", "int64"},
        {"in s i64[2]; out y; y = ConstantOfShape(s)", "float32"},
        {"in x f32[1,3]; in s i64[2]; out y; y = Expand(x, s)", "float32"},
        {"in x f32[1,3]; out y; y = Size(x)", "int64"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

/* ---- declarations ----------------------------------------------------- */

static void lets_declared_types_stand(void **state)
{
    (void)state;
    static const struct cz_test_row rows[] = {
        {"in x f32[1,4]; y = Relu(x); out y f32[n,4]", "float32[1,4]"},
        {"in x f32[n,4]; y = Relu(x); out y f32[2,4]", "float32[2,4]"},
        {"in x f32[n,4]; y = Relu(x); info y f32[3,?]; out y", "float32[3,4]"},
        {"in x f32[2,4]; y = Relu(x); out y f32[9,9]", "float32[9,9]"},
        {"in x f32[2,4]; y = Relu(x); out y f32[8]", "float32[8]"},
        {"in x f32[2,4]; y = Relu(x); out y f16[2,4]", "float16[2,4]"},
    };
    cz_test_infer_rows(rows, sizeof rows / sizeof *rows);
}

static void gives_the_same_when_it_is_repeated(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_load(cz_test_model("tiny_v8_opset17.onnx"));
    struct cz_graph *graph = cz_model_graph(model);
    assert_ok(cz_graph_infer(graph, cz_test_error()));
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct cz_value before = *graph->values[i];
        assert_true(before.shape.known);
        assert_int_not_equal(before.dtype, CZ_DTYPE_UNDEFINED);
    }
    struct cz_shape *before = calloc(graph->n_values, sizeof *before);
    assert_non_null(before);
    for (size_t i = 0; i < graph->n_values; i++)
        before[i] = graph->values[i]->shape;
    assert_ok(cz_graph_infer(graph, cz_test_error()));
    for (size_t i = 0; i < graph->n_values; i++) {
        assert_int_equal(graph->values[i]->shape.rank, before[i].rank);
        for (size_t d = 0; d < before[i].rank; d++)
            assert_int_equal(graph->values[i]->shape.dims[d],
                             before[i].dims[d]);
    }
    free(before);
    cz_model_free(model);
}

static void infers_inside_subgraphs(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("nested_if.onnx"));
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    const struct cz_node *outer = cz_model_graph(model)->outputs[0]->producer;
    const struct cz_attr *branch = cz_node_attr(outer, "then_branch");
    const struct cz_node *mean = branch->graphs[0]->nodes[0];
    assert_string_equal(mean->op_type, "ReduceMean");
    assert_int_equal(mean->outputs[0]->dtype, CZ_DTYPE_FLOAT);
    cz_model_free(model);
}

/* ---- contradictions --------------------------------------------------- */

static void names_the_node_and_the_numbers_that_contradict(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"in x f32[1,3,8,8]; const w f32[4,2,3,3] 1; y = Conv(x, w); out y",
         "text: Conv 'y': input has 3 channels, its weight wants 2 x 1"},
        {"in x f32[1,3,8]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         "Conv 'y': input has 3 dims, its weight 4"},
        {"in x f32[1,3,2,2]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         "Conv 'y': dimension 2 of its input is 2, too small"},
        {"in x f32[1,3,8,8]; const w i64[4,3,3,3] 1; y = Conv(x, w); out y",
         "Conv 'y': weight is int64, want a float type"},
        {"in x f32[1,3,8,8]; const w f32[3,3,1,1] 1; out y;"
         "y = Conv(x, w) group=2",
         "Conv 'y': 3 output channels in 2 groups"},
        {"in x f32[1,3,8,8]; const w f32[4,3,1,1] 1; out y;"
         "y = Conv(x, w) pads=[1,1,-1,1]",
         "Conv 'y': 'pads' is -1, want 0 to 2147483647"},
        {"in x f32[1,3,8,8]; out y; y = MaxPool(x) kernel_shape=[9,9]",
         "MaxPool 'y': dimension 2 of its input is 8, too small"},
        {"in x f32[1,3,8,8]; out y; y = MaxPool(x)",
         "MaxPool 'y': has no kernel_shape"},
        {"in a f32[2,3]; in b f32[4]; out y; y = Add(a, b)",
         "Add 'y': cannot broadcast 3 against 4"},
        {"in a f32[2,3]; in b f32[4,2]; out y; y = MatMul(a, b)",
         "MatMul 'y': multiplies 3 columns with 4 rows"},
        {"in a f32[2,2,3]; in b f32[5,3,2]; out y; y = MatMul(a, b)",
         "MatMul 'y': cannot broadcast"},
        {"in a f32[2]; in b f32[2,2]; out y; y = Gemm(a, b)",
         "Gemm 'y': operands have 1 and 2 dims, want 2"},
        {"in a f32[1,2]; in b f32[2,2]; out y; y = Concat(a, b) axis=1",
         "Concat 'y': dimension 0 of input 1 is 2, of the first 1"},
        {"in a f32[1,2]; in b f32[2]; out y; y = Concat(a, b) axis=0",
         "Concat 'y': input 1 has 1 dims"},
        {"in a f32[1,2]; out y; y = Concat(a) axis=2",
         "Concat 'y': axis 2 of 2 dimensions"},
        {"in x f32[1,6]; const s i64[3] 2; out y; y, z = Split(x, s) axis=1",
         "Split 'y': splits into 3, has 2 outputs"},
        {"in x f32[2,3]; const s i64[2] 4 2; out y; y = Reshape(x, s)",
         "Reshape 'y': 6 elements become 8"},
        {"in x f32[2,3]; const s i64[2] 4 -1; out y; y = Reshape(x, s)",
         "Reshape 'y': 6 elements cannot be divided by 4"},
        {"in x f32[2,3]; const s i64[2] -2 3; out y; y = Reshape(x, s)",
         "Reshape 'y': shape holds -2"},
        {"in x f32[2,3]; out y; y = Transpose(x) perm=[0]",
         "Transpose 'y': perm has 1 numbers, want 2"},
        {"in x f32[2,3]; out y; y = Transpose(x) perm=[0,2]",
         "Transpose 'y': axis 2 of 2 dimensions"},
        {"in x f32[2,3]; const a i64[2] 0 0; out y; y = Unsqueeze(x, a)",
         "Unsqueeze 'y': axis 0 twice"},
        {"in x f32[8]; const s i64[1] 0; const e i64[1] 8; const a i64[1] 0;"
         "const t i64[1] 0; out y; y = Slice(x, s, e, a, t)",
         "Slice 'y': step is 0"},
        {"in x f32[1,4,2,2]; out y; y = DepthToSpace(x) blocksize=0",
         "DepthToSpace 'y': blocksize is 0"},
        {"in x f32[1,3,8,8]; const s f32[4] 1 1 2 2; out y;"
         "const p i64[8] 0 0 0 0 0 0 0 2147483647; z = Pad(x, p);"
         "y = com.example::Any(z)",
         NULL},
        {"in x f32[1,2147483647]; in z f32[1,9]; out y;"
         "y = Concat(x, z) axis=1",
         "Concat 'y': dimension 1 of its output is 2147483656"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_graph(rows[i].text);
        struct cz_error err = CZ_ERROR_INIT;
        enum cz_status status = cz_graph_infer(cz_model_graph(model), &err);
        if (!rows[i].message)
            assert_int_equal(status, CZ_OK);
        else if (status != CZ_ESHAPE || err.code != CZ_ESHAPE ||
                 !strstr(err.message, rows[i].message))
            fail_msg("status %d, '%s', want '%s'", status, err.message,
                     rows[i].message);
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broadcasts_from_the_last_dimension),
        cmocka_unit_test(keeps_the_shape_of_elementwise_operators),
        cmocka_unit_test(knows_types_where_shapes_depend_on_data),
        cmocka_unit_test(lets_declared_types_stand),
        cmocka_unit_test(gives_the_same_when_it_is_repeated),
        cmocka_unit_test(infers_inside_subgraphs),
        cmocka_unit_test(names_the_node_and_the_numbers_that_contradict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
