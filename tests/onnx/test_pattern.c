/* Patterns: weights behind constants, the DFL convolution and its look-alikes,
 * parameters, the decode tail, heads, counts. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* The graph of the text with its types inferred. */
static struct cz_model *inferred(const char *text)
{
    struct cz_model *model = cz_test_graph(text);
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    return model;
}

static struct cz_model *load_inferred(const char *path)
{
    struct cz_model *model = cz_test_load(path);
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    return model;
}

/* ---- weights ---------------------------------------------------------- */

static void finds_weights_behind_what_keeps_their_elements(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *weight; /* NULL: none is found */
    } rows[] = {
        {"const w f32[4,3,1,1] 1; y = Conv(x, w)", "w"},
        {"const w f32[12] 1; const s i64[4] 4 3 1 1; r = Reshape(w, s);"
         "i = Identity(r); y = Conv(x, i)",
         "w"},
        {"const w f16[4,3,1,1] 1; c = Cast(w) to=1; y = Conv(x, c)", "w"},
        {"w = Constant() value_floats=[1.0,2.0,3.0]; const s i64[4] 1 3 1 1;"
         "r = Reshape(w, s); y = Conv(x, r)",
         "w"},
        {"const w f32[4,3] 1; const a i64[2] 2 3; u = Unsqueeze(w, a);"
         "y = Conv(x, u)",
         "w"},
        {"const w i8[4,3,1,1] 1; c = Cast(w) to=1; y = Conv(x, c)", NULL},
        {"const w f32[3,4,1,1] 1; t = Transpose(w) perm=[1,0,2,3];"
         "y = Conv(x, t)",
         NULL},
        {"const w f32[4,3,1,1] 1; m = Mul(w, w); y = Conv(x, m)", NULL},
        {"in w f32[4,3,1,1]; y = Conv(x, w)", NULL},
        {"c = Constant() value_float=2.0; const s i64[4] 1 1 1 1;"
         "r = Reshape(c, s); y = Conv(x, r) group=3",
         NULL},
        {"const w i64[4,3,1,1] 1; y = com.example::Conv(x, w)", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        struct cz_value *value;
        snprintf(text, sizeof text, "in x f32[1,3,8,8]; %s; out y",
                 rows[i].text);
        struct cz_model *model = cz_test_graph(text);
        struct cz_tensor *tensor =
            cz_node_weight(cz_test_node(model, "y"), &value);
        if ((tensor != NULL) != (rows[i].weight != NULL))
            fail_msg("weight %sfound: %s", tensor ? "" : "not ", text);
        if (tensor) {
            assert_string_equal(value->name, rows[i].weight);
            assert_ptr_equal(value->constant, tensor);
        }
        cz_model_free(model);
    }
}

static void tells_who_else_reads_a_weight(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *other; /* NULL: nobody */
    } rows[] = {
        {"y = Conv(x, w); z = Conv(x, w)", NULL},
        {"y = Conv(x, w); z = Mul(x, w)", "z"},
        {"y = Conv(x, w); i = Identity(w); z = Conv(x, i)", NULL},
        {"y = Conv(x, w); i = Identity(w); z = Mul(x, i)", "z"},
        {"y = Conv(w, w)", "y"},
        {"y = Conv(x, w, w)", "y"},
        {"y = Conv(x, w); z = Shape(w)", "z"},
        {"y = Conv(x, w); z = com.example::Conv(x, w)", "z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "in x f32[1,3,8,8]; const w f32[3,3,1,1] 1; %s; out y",
                 rows[i].text);
        struct cz_model *model = cz_test_graph(text);
        const struct cz_node *other =
            cz_weight_other_reader(cz_test_value(model, "w"));
        if (!rows[i].other)
            assert_null(other);
        else if (!other || strcmp(other->name, rows[i].other) != 0)
            fail_msg("other reader '%s': %s", other ? other->name : "", text);
        cz_model_free(model);
    }
}

/* ---- DFL -------------------------------------------------------------- */

static void knows_dfl_from_its_look_alikes(void **state)
{
    (void)state;
    struct cz_model *model =
        load_inferred(cz_test_model("dfl_lookalikes.onnx"));
    const struct cz_graph *graph = cz_model_graph(model);
    size_t found = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_value *weight;
        if (!cz_node_is_dfl(graph->nodes[i]))
            continue;
        cz_node_weight(graph->nodes[i], &weight);
        assert_string_equal(weight->name, "dfl");
        assert_false(cz_node_is_learned(graph->nodes[i]));
        found++;
    }
    assert_int_equal(found, 1);
    cz_model_free(model);
}

static void finds_dfl_in_other_forms_and_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_dfl;
    } rows[] = {
        {"const w f32[1,16,1,1] iota; y = Conv(x, w)", true},
        {"const w f16[1,16,1,1] iota; c = Cast(w) to=1; y = Conv(x, c)", true},
        {"const w f32[16] iota; const s i64[4] 1 16 1 1; r = Reshape(w, s);"
         "y = Conv(x, r)",
         true},
        {"const w f32[1,16,1,1] iota; const b f32[1]; y = Conv(x, w, b)",
         false},
        {"const w f32[1,16,1,1] 1; y = Conv(x, w)", false},
        {"const w f32[16,1,1,1] iota; y = Conv(x, w) group=16", false},
        {"const w f32[1,4,2,2] iota; y = Conv(x, w) group=4", false},
        {"const w f32[1,16,1,1] iota; y = ConvTranspose(x, w)", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text, "in x f32[1,16,8,8]; %s; out y",
                 rows[i].text);
        struct cz_model *model = cz_test_graph(text);
        cz_graph_infer(cz_model_graph(model), NULL);
        if (cz_node_is_dfl(cz_test_node(model, "y")) != rows[i].is_dfl)
            fail_msg("want %d: %s", rows[i].is_dfl, text);
        cz_model_free(model);
    }
}

static void finds_no_dfl_of_a_single_bin(void **state)
{
    (void)state;
    struct cz_model *model = inferred(
        "in x f32[1,1,8,8]; const w f32[1,1,1,1] 0; y = Conv(x, w); out y");
    assert_false(cz_node_is_dfl(cz_test_node(model, "y")));
    assert_true(cz_node_is_learned(cz_test_node(model, "y")));
    cz_model_free(model);
}

static size_t count_dfl(struct cz_model *model)
{
    const struct cz_graph *graph = cz_model_graph(model);
    size_t count = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        count += cz_node_is_dfl(graph->nodes[i]);
    return count;
}

static void finds_dfl_in_yolov8_of_every_opset(void **state)
{
    (void)state;
    static const char *const files[] = {
        "tiny_v8_opset11.onnx", "tiny_v8_opset12.onnx", "tiny_v8_opset17.onnx",
        "tiny_v8_opset19.onnx", "tiny_v8_opset22.onnx"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct cz_model *model = load_inferred(cz_test_model(files[i]));
        assert_int_equal(count_dfl(model), 1);
        cz_model_free(model);
    }
    struct cz_model *model = load_inferred(cz_test_model("tiny_v5.onnx"));
    assert_int_equal(count_dfl(model), 0);
    cz_model_free(model);
}

/* ---- the tail --------------------------------------------------------- */

static void marks_what_no_learned_operator_follows(void **state)
{
    (void)state;
    struct cz_model *model =
        inferred("in x f32[1,3,8,8]; const w f32[3,3,1,1] 1; const k f32[1] 2;"
                 "a = Relu(x); b = Conv(a, w); c = Sigmoid(b); d = Mul(c, k);"
                 "e = Conv(c, w); f = Exp(e); g = Add(d, f); out g");
    struct cz_graph *graph = cz_model_graph(model);
    bool tail[7] = {false};
    static const bool want[7] = {false, false, false, true, false, true, true};
    cz_graph_mark_tail(graph, tail);
    for (size_t i = 0; i < 7; i++)
        if (tail[i] != want[i])
            fail_msg("node '%s': tail is %d", graph->nodes[i]->name, tail[i]);
    cz_model_free(model);
}

static void keeps_dfl_and_what_leads_to_it_in_the_tail(void **state)
{
    (void)state;
    struct cz_model *model = inferred(
        "in x f32[1,4,8,8]; const w f32[4,4,1,1] 1; const d f32[1,4,1,1] iota;"
        "a = Conv(x, w); b = Softmax(a) axis=1; y = Conv(b, d); out y");
    bool tail[3] = {true, false, false};
    cz_graph_mark_tail(cz_model_graph(model), tail);
    assert_false(tail[0]);
    assert_true(tail[1]);
    assert_true(tail[2]);
    cz_model_free(model);
}

static void counts_subgraphs_with_the_node_that_holds_them(void **state)
{
    (void)state;
    struct cz_model *model =
        load_inferred(cz_test_model("if_captures_outer.onnx"));
    struct cz_graph *graph = cz_model_graph(model);
    bool *tail = calloc(graph->n_nodes, sizeof *tail);
    assert_non_null(tail);
    cz_graph_mark_tail(graph, tail);
    for (size_t i = 0; i < graph->n_nodes; i++)
        assert_false(tail[i]); /* the last node is a Conv, behind the If */
    free(tail);
    cz_model_free(model);
    model = load_inferred(cz_test_model("nested_if.onnx"));
    graph = cz_model_graph(model);
    tail = calloc(graph->n_nodes, sizeof *tail);
    assert_non_null(tail);
    cz_graph_mark_tail(graph, tail);
    assert_false(tail[graph->n_nodes - 1]); /* a Conv, five levels down */
    free(tail);
    cz_model_free(model);
}

/* ---- counts ----------------------------------------------------------- */

static void counts_parameters_and_macs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t parameters, macs;
        size_t unknown;
    } rows[] = {
        /* 4 x 3 x 9 weights, 6 x 6 places; bias 4 */
        {"in x f32[1,3,8,8]; const w f32[4,3,3,3] 1; const b f32[4] 1;"
         "y = Conv(x, w, b); out y",
         112, 108 * 36, 0},
        {"in x f32[n,3,8,8]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         108, 108 * 36, 0},
        {"in x f32[2,3,8,8]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         108, 2 * 108 * 36, 0},
        {"in x f32[1,6,8,8]; const w f32[6,1,3,3] 1; out y;"
         "y = Conv(x, w) group=6",
         54, 54 * 36, 0},
        {"in x f32[1,3,h,8]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         108, 0, 1},
        {"in x f32[1,8,4,4]; const w f32[8,6,2,2] 1; out y;"
         "y = ConvTranspose(x, w) strides=[2,2]",
         192, 192 * 16, 0},
        {"in x f32[1,16]; const w f32[16,10] 1; y = MatMul(x, w); out y", 160,
         160, 0},
        {"in x f32[1,7,16]; const w f32[16,10] 1; y = MatMul(x, w); out y", 160,
         7 * 160, 0},
        /* Five matrices, each for its own rows. */
        {"in x f32[5,7,3]; const w f32[5,3,2] 1; y = MatMul(x, w); out y", 30,
         210, 0},
        {"in x f32[16,5]; const w f32[10,16] 1; const b f32[10] 1; out y;"
         "y = Gemm(x, w, b) transA=1 transB=1",
         170, 5 * 160, 0},
        /* One tensor, two Convs: parameters count once, MACs twice. */
        {"in x f32[1,3,4,4]; const w f32[3,3,1,1] 1; a = Conv(x, w);"
         "y = Conv(a, w); out y",
         9, 2 * 9 * 16, 0},
        {"in x f32[1,3,4,4]; const s f32[3] 1; y = Relu(x); out y;"
         "z = BatchNormalization(x, s, s, s, s)",
         3, 0, 0},
        {"in x f32[1,3,4,4]; const s f32[3,1,1] 1; y = Mul(x, s); out y", 0, 0,
         0},
        {"in x f32[1,16,4,4]; const w f32[1,16,1,1] iota; y = Conv(x, w);"
         "out y",
         16, 256, 0},
        {"in x f32[1,3,4,4]; in w f32[3,3,1,1]; y = Conv(x, w); out y", 0, 0,
         1},
        {"in a f32[1,4]; in b f32[4,4]; y = MatMul(a, b); out y", 0, 0, 0},
        /* Codes, but not those of what is no weight. */
        {"in x f32[1,3,4,4]; const c i8[2,3,1,1] 1; const s f32[] 0.5;"
         "const d i32[2] 1; w = DequantizeLinear(c, s);"
         "b = DequantizeLinear(d, s); y = Conv(x, w, b); out y",
         8, 6 * 16, 0},
        {"in x f32[1,7,16]; const c i8[16,10] 1; const s f32[] 0.5; out y;"
         "w = DequantizeLinear(c, s); y = MatMul(x, w)",
         160, 7 * 160, 0},
        {"in x f32[5,16]; const c i8[16,10] 1; const s f32[] 0.5; out y;"
         "w = DequantizeLinear(c, s); y = Gemm(x, w)",
         160, 5 * 160, 0},
        {"in x f32[1,3,4,4]; const c i8[3,1,1] 1; const s f32[] 0.5;"
         "m = DequantizeLinear(c, s); y = Mul(x, m); out y",
         0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = inferred(rows[i].text);
        struct cz_stats stats;
        cz_model_count(&stats, model);
        if (stats.parameters != rows[i].parameters ||
            stats.macs != rows[i].macs || stats.macs_unknown != rows[i].unknown)
            fail_msg("%zu parameters, %zu MACs, %zu unknown: %s",
                     (size_t)stats.parameters, (size_t)stats.macs,
                     stats.macs_unknown, rows[i].text);
        cz_model_free(model);
    }
}

static void counts_the_nodes_and_parameters_of_subgraphs(void **state)
{
    (void)state;
    struct cz_model *model =
        load_inferred(cz_test_model("if_captures_outer.onnx"));
    struct cz_stats stats;
    cz_model_count(&stats, model);
    /* Conv 3-4 and bias, Conv 4-4 and bias of the branch, Conv 4-4 and bias;
     * five nodes outside, Conv and Mul inside. */
    assert_int_equal(stats.parameters, 112 + 148 + 148);
    assert_int_equal(stats.nodes, cz_model_graph(model)->n_nodes + 2);
    cz_model_free(model);
}

/* The figures that Ultralytics prints for YOLOv8n are 3.2 M parameters and 8.7
 * GFLOP, two for each MAC. */
static void counts_yolov8n_as_its_authors_do(void **state)
{
    (void)state;
    struct cz_model *model =
        load_inferred(cz_test_shared("models/yolov8n.onnx"));
    struct cz_stats stats;
    cz_model_count(&stats, model);
    assert_in_range(stats.parameters, 3150000, 3160000);
    assert_in_range(stats.macs, 4340000000, 4400000000);
    assert_int_equal(stats.macs_unknown, 0);
    cz_model_free(model);
}

/* ---- heads ------------------------------------------------------------ */

static void tells_heads_from_shapes_and_decode(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum cz_head head;
        int64_t classes;
    } rows[] = {
        {"in x f32[1,84,8400]; y = Relu(x); out y", CZ_HEAD_ANCHOR_FREE, 80},
        {"in x f32[1,5,2100]; y = Relu(x); out y", CZ_HEAD_ANCHOR_FREE, 1},
        {"in x f32[1,8400,85]; const w f32[85,85] 1; a = MatMul(x, w);"
         "y = Sigmoid(a); out y",
         CZ_HEAD_GRID, 80},
        {"in x f32[1,8400,85]; const w f32[85,85] 1; a = MatMul(x, w);"
         "y = Mul(a, x); out y",
         CZ_HEAD_ANCHORS, 80},
        {"in x f32[1,25600,6]; const w f32[6,6] 1; a = MatMul(x, w);"
         "y = Mul(a, x); out y",
         CZ_HEAD_ANCHORS, 1},
        {"in x f32[1,300,6]; const w f32[6,6] 1; a = MatMul(x, w);"
         "y = Mul(a, x); out y",
         CZ_HEAD_END_TO_END, 0},
        {"in x f32[1,300,6]; y = Relu(x); out y", CZ_HEAD_END_TO_END, 0},
        {"in x f32[n,100,6]; y = Relu(x); out y", CZ_HEAD_END_TO_END, 0},
        {"in x f32[1,64,8,8]; a = Relu(x); b = Exp(x); c = Neg(x); out a;"
         "out b; out c",
         CZ_HEAD_FEATURE_MAPS, 0},
        {"in x f32[1,64,8,8]; a = Relu(x); b = Exp(x); out a; out b",
         CZ_HEAD_UNKNOWN, 0},
        {"in x f32[1,1000]; y = Relu(x); out y", CZ_HEAD_UNKNOWN, 0},
        {"in x f32[1,84,n]; y = Relu(x); out y", CZ_HEAD_UNKNOWN, 0},
        {"in x f32; y = Relu(x); out y", CZ_HEAD_UNKNOWN, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = inferred(rows[i].text);
        int64_t classes = -1;
        enum cz_head head = cz_graph_head(cz_model_graph(model), &classes);
        if (head != rows[i].head || classes != rows[i].classes)
            fail_msg("head %d, %d classes: %s", head, (int)classes,
                     rows[i].text);
        cz_model_free(model);
    }
}

static void tells_the_heads_of_real_models(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum cz_head head;
    } rows[] = {
        {"models/yolov8n.onnx", CZ_HEAD_ANCHOR_FREE},
        {"models/yolov5n.onnx", CZ_HEAD_ANCHORS},
        {"models/yolox_nano.onnx", CZ_HEAD_GRID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t classes;
        struct cz_model *model = load_inferred(cz_test_shared(rows[i].file));
        assert_int_equal(cz_graph_head(cz_model_graph(model), &classes),
                         rows[i].head);
        assert_int_equal(classes, 80);
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_weights_behind_what_keeps_their_elements),
        cmocka_unit_test(tells_who_else_reads_a_weight),
        cmocka_unit_test(knows_dfl_from_its_look_alikes),
        cmocka_unit_test(finds_dfl_in_other_forms_and_nowhere_else),
        cmocka_unit_test(finds_no_dfl_of_a_single_bin),
        cmocka_unit_test(finds_dfl_in_yolov8_of_every_opset),
        cmocka_unit_test(marks_what_no_learned_operator_follows),
        cmocka_unit_test(keeps_dfl_and_what_leads_to_it_in_the_tail),
        cmocka_unit_test(counts_subgraphs_with_the_node_that_holds_them),
        cmocka_unit_test(counts_parameters_and_macs),
        cmocka_unit_test(counts_the_nodes_and_parameters_of_subgraphs),
        cmocka_unit_test(counts_yolov8n_as_its_authors_do),
        cmocka_unit_test(tells_heads_from_shapes_and_decode),
        cmocka_unit_test(tells_the_heads_of_real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
