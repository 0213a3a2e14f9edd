/* What computes in float16 and what stays float32, and where the Casts are. */
#include <stdio.h>

#include "tests/quant/support.h"

/* ---- Casts ------------------------------------------------------------ */

/* One behind the input; one where the boxes and one where the scores enter
 * the decode. */
static void puts_three_casts_into_a_yolov8(void **state)
{
    (void)state;
    static const int opsets[] = {11, 12, 17, 19, 22};
    for (size_t i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "tiny_v8_opset%d.onnx", opsets[i]);
        struct halved h = convert_file(name);
        assert_int_equal(h.report.casts, 3);
        assert_int_equal(count_nodes(h.model, "Cast"), 3);
        halved_free(&h);
    }
}

static void puts_a_cast_only_where_the_type_changes(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        size_t casts;
    } rows[] = {
        {"no_tail.onnx", 2},            /* input, output */
        {"tiny_v5.onnx", 3},            /* input, two levels */
        {"tiny_yolox.onnx", 7},         /* input, three maps of two levels */
        {"two_readers.onnx", 5},        /* input, output, into Min and Max by
                                            one, out of each */
        {"output_read_inside.onnx", 3}, /* input, two outputs */
        {"input_is_output.onnx", 2},
        {"shared_scale.onnx", 2},
        {"all_decode.onnx", 2},     /* input, behind the Conv */
        {"cast_int_input.onnx", 1}, /* the one that is there gives half */
        {"tiny_nms.onnx", 2},       /* input, behind the Split's input */
        {"resize_computed_scales.onnx", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *before = cz_test_load(cz_test_model(rows[i].model));
        size_t old = count_nodes(before, "Cast");
        struct halved h = convert_file(rows[i].model);
        if (h.report.casts != rows[i].casts)
            fail_msg("%s: %zu Casts", rows[i].model, h.report.casts);
        assert_int_equal(count_nodes(h.model, "Cast"), old + rows[i].casts);
        cz_model_free(before);
        halved_free(&h);
    }
}

static void adds_no_cast_for_half_inputs_and_outputs(void **state)
{
    (void)state;
    struct halved h = convert(cz_test_load(cz_test_model("no_tail.onnx")),
                              (struct cz_fp16_options){.half_io = true});
    assert_int_equal(h.report.casts, 0);
    assert_half(dtype_of(&h, "images"));
    assert_half(dtype_of(&h, "y"));
    halved_free(&h);
}

static void lets_existing_casts_give_float16(void **state)
{
    (void)state;
    struct halved h = convert_text(
        "in x u8[1,2,4,4]; out y f32[1,1,4,4]; const w f32[1,2,1,1] 1 2\n"
        "f = Cast(x) to=1; y = Conv(f, w)");
    assert_half(dtype_of(&h, "f"));
    assert_int_equal(cz_node_attr_int(cz_test_node(h.model, "f"), "to", 0),
                     CZ_DTYPE_FLOAT16);
    halved_free(&h);
}

static void keeps_a_cast_that_a_float32_operator_reads(void **state)
{
    (void)state;
    struct halved h = convert_text(
        "in x u8[1,2,4,4]; out y; out t; const w f32[1,2,1,1] 1 2\n"
        "const low f32[] 0.5\n"
        "f = Cast(x) to=1; y = Conv(f, w); t = Max(f, low)");
    assert_float(dtype_of(&h, "f"));
    assert_half(reads(&h, "y", 0));
    assert_float(reads(&h, "t", 0));
    assert_int_equal(h.report.casts, 2); /* into and out of the Conv */
    halved_free(&h);
}

/* ---- inputs and outputs ----------------------------------------------- */

static void keeps_the_types_of_inputs_and_outputs(void **state)
{
    (void)state;
    struct halved h = convert_file("two_inputs.onnx");
    assert_float(dtype_of(&h, "left"));
    assert_float(dtype_of(&h, "right"));
    assert_int_equal(dtype_of(&h, "index"), CZ_DTYPE_INT64);
    assert_float(dtype_of(&h, "both"));
    assert_int_equal(dtype_of(&h, "best"), CZ_DTYPE_INT64);
    halved_free(&h);
}

static void makes_float_inputs_and_outputs_half_when_asked_to(void **state)
{
    (void)state;
    struct halved h = convert(cz_test_load(cz_test_model("two_inputs.onnx")),
                              (struct cz_fp16_options){.half_io = true});
    assert_half(dtype_of(&h, "left"));
    assert_half(dtype_of(&h, "both"));
    assert_half(dtype_of(&h, "picked"));
    assert_int_equal(dtype_of(&h, "index"), CZ_DTYPE_INT64);
    assert_int_equal(dtype_of(&h, "best"), CZ_DTYPE_INT64);
    halved_free(&h);
}

static void lets_an_output_be_read_in_float16_inside(void **state)
{
    (void)state;
    struct halved h =
        convert_text("in x f32[1,1,2,2]; out m; out y; const w f32[1,1,1,1] 2\n"
                     "m = Conv(x, w); y = Conv(m, w)");
    assert_float(dtype_of(&h, "m"));
    assert_half(reads(&h, "y", 0)); /* the value before the output's Cast */
    assert_int_equal(h.report.casts, 3);
    halved_free(&h);
}

/* ---- the decode tail -------------------------------------------------- */

#define DECODE                                                                 \
    "in x f32[1,2,4,4]; out y; const w f32[4,2,1,1] 0.5\n"                     \
    "const shape i64[3] 1 4 16; const two f32[] 2\n"                           \
    "c = Conv(x, w); r = Reshape(c, shape)\n"                                  \
    "t = Transpose(r) perm=[0,2,1]; s = Sigmoid(t); y = Mul(s, two)"

static void keeps_the_decode_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_text(DECODE);
    assert_half(dtype_of(&h, "c"));
    assert_half(dtype_of(&h, "r")); /* only moved */
    assert_half(dtype_of(&h, "t"));
    assert_float(reads(&h, "s", 0));
    assert_float(dtype_of(&h, "s"));
    assert_float(dtype_of(&h, "two"));
    assert_int_equal(h.report.casts, 2);
    assert_int_equal(h.report.tail_nodes, 4);
    halved_free(&h);
}

static void converts_the_decode_when_asked_to(void **state)
{
    (void)state;
    struct halved h = convert(cz_test_graph(DECODE),
                              (struct cz_fp16_options){.half_decode = true});
    assert_half(dtype_of(&h, "s"));
    assert_half(dtype_of(&h, "two"));
    assert_float(dtype_of(&h, "y"));
    assert_int_equal(h.report.casts, 2);
    halved_free(&h);
}

static void keeps_dfl_and_anchors_of_a_yolov8_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_file("tiny_v8_opset17.onnx");
    assert_float(dtype_of(&h, "model.12/dfl/conv.weight"));
    assert_float(reads(&h, "model.12/dfl/Conv", 0));
    assert_float(dtype_of(&h, "model.12/decode/anchors"));
    assert_float(dtype_of(&h, "model.12/decode/strides"));
    assert_float(dtype_of(&h, "output0"));
    assert_half(reads(&h, "model.12/cv2.0/Conv", 0));
    assert_half(dtype_of(&h, "model.12/cv2.0/weight"));
    halved_free(&h);
}

/* ---- what ONNX fixes -------------------------------------------------- */

static void leaves_the_scales_of_resize_float32(void **state)
{
    (void)state;
    struct halved h = convert_file("tiny_v8_opset17.onnx");
    assert_half(reads(&h, "Resize", 0));
    assert_float(reads(&h, "Resize", 2));
    halved_free(&h);
    h = convert_file("resize_forms.onnx");
    assert_float(dtype_of(&h, "roi"));
    assert_float(dtype_of(&h, "third"));
    halved_free(&h);
}

/* Concat only moves, but what it moves here must not be rounded: 10 times
 * 1.6 is 16 pixels, 10 times 1.6 in float16 is 15. */
static void leaves_computed_scales_of_resize_float32(void **state)
{
    (void)state;
    struct halved h = convert_text(
        "in x f32[1,2,10,10]; out y; const w f32[2,2,1,1] 0.5\n"
        "const a f32[2] 1; const b f32[2] 1.6; const one f32[4] 1.0\n"
        "c = Conv(x, w); s = Concat(a, b) axis=0; m = Mul(s, one)\n"
        "r = Resize(c, , m); y = Conv(r, w)");
    assert_half(reads(&h, "r", 0));
    assert_float(reads(&h, "r", 2));
    assert_float(dtype_of(&h, "m"));
    assert_float(dtype_of(&h, "s"));
    assert_float(dtype_of(&h, "b"));
    halved_free(&h);
}

static void computes_weights_in_float16_that_float16_reads(void **state)
{
    (void)state;
    struct halved h = convert_file("computed_weight.onnx");
    assert_half(dtype_of(&h, "kernel"));
    assert_half(reads(&h, "Conv_1", 1));
    halved_free(&h);
}

static void leaves_selection_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_file("tiny_nms.onnx");
    assert_float(reads(&h, "NonMaxSuppression", 0));
    assert_float(reads(&h, "NonMaxSuppression", 3));
    assert_float(reads(&h, "TopK", 0));
    halved_free(&h);
}

static void leaves_selection_between_convs_in_float32(void **state)
{
    (void)state;
    struct halved h =
        convert_text("in x f32[1,2,4,4]; out y; const w f32[2,2,1,1] 0.5\n"
                     "const k i64[1] 4; const ax i64[] 2; c = Conv(x, w)\n"
                     "v, i = TopK(c, k); s = CumSum(v, ax); y = Conv(s, w)");
    assert_float(reads(&h, "v", 0));
    assert_float(dtype_of(&h, "v"));
    assert_float(dtype_of(&h, "s"));
    assert_half(reads(&h, "y", 0));
    halved_free(&h);
}

static void leaves_upsample_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_file("inputs_of_ir3.onnx");
    assert_float(reads(&h, "Upsample", 0));
    assert_float(dtype_of(&h, "scales"));
    assert_half(dtype_of(&h, "weight"));
    halved_free(&h);
}

/* ---- shape arithmetic ------------------------------------------------- */

static void leaves_arithmetic_on_shapes_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_text(
        "in x f32[1,2,?,?]; out y; const w f32[2,2,1,1] 0.5\n"
        "const two f32[] 2; const last i64[] 3\n"
        "c = Conv(x, w); s = Shape(c); g = Gather(s, last)\n"
        "f = Cast(g) to=1; d = Div(f, two); m = Mul(c, d); y = Conv(m, w)");
    assert_float(dtype_of(&h, "f"));
    assert_float(dtype_of(&h, "d"));
    assert_float(dtype_of(&h, "two"));
    assert_half(reads(&h, "m", 0));
    assert_half(reads(&h, "m", 1)); /* through a Cast */
    assert_int_equal(h.report.casts, 3);
    halved_free(&h);
}

static void reads_the_shape_of_a_half_value_without_a_cast(void **state)
{
    (void)state;
    struct halved h = convert_file("dynamic_axes.onnx");
    const struct cz_node *shape = cz_test_node(h.model, "Shape");
    assert_half(shape->inputs[0]->dtype);
    assert_int_equal(shape->outputs[0]->dtype, CZ_DTYPE_INT64);
    halved_free(&h);
}

/* ---- subgraphs and others' operators ---------------------------------- */

static void leaves_subgraphs_and_what_they_capture_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_file("if_captures_outer.onnx");
    const struct cz_node *node = cz_test_node(h.model, "If");
    const struct cz_attr *branch = cz_node_attr(node, "then_branch");
    const struct cz_node *conv = branch->graphs[0]->nodes[0];
    assert_string_equal(conv->op_type, "Conv");
    for (size_t i = 0; i < 3; i++)
        assert_float(conv->inputs[i]->dtype);
    assert_half(reads(&h, "Conv", 0));
    halved_free(&h);
}

static void leaves_foreign_operators_in_float32(void **state)
{
    (void)state;
    struct halved h = convert_file("custom_domain.onnx");
    assert_float(reads(&h, "Normalize", 0));
    assert_float(dtype_of(&h, "scale"));
    halved_free(&h);
}

static void converts_what_follows_an_unknown_operator(void **state)
{
    (void)state;
    static const char *const operators[] = {"com.example::Guess", "NoSuchOp"};
    for (size_t i = 0; i < 2; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "in x f32[1,2,4,4]; out y; const w f32[2,2,1,1] 0.5\n"
                 "u = %s(x); c = Conv(u, w); r = Relu(c); y = Conv(r, w)",
                 operators[i]);
        struct halved h = convert_text(text);
        assert_true(h.report.tensors > 0);
        assert_half(dtype_of(&h, "w"));
        assert_float(dtype_of(&h, "u"));
        assert_half(reads(&h, "c", 0));
        assert_half(reads(&h, "r", 0));
        assert_half(reads(&h, "y", 0));
        halved_free(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_three_casts_into_a_yolov8),
        cmocka_unit_test(puts_a_cast_only_where_the_type_changes),
        cmocka_unit_test(adds_no_cast_for_half_inputs_and_outputs),
        cmocka_unit_test(lets_existing_casts_give_float16),
        cmocka_unit_test(keeps_a_cast_that_a_float32_operator_reads),
        cmocka_unit_test(keeps_the_types_of_inputs_and_outputs),
        cmocka_unit_test(makes_float_inputs_and_outputs_half_when_asked_to),
        cmocka_unit_test(lets_an_output_be_read_in_float16_inside),
        cmocka_unit_test(keeps_the_decode_in_float32),
        cmocka_unit_test(converts_the_decode_when_asked_to),
        cmocka_unit_test(keeps_dfl_and_anchors_of_a_yolov8_in_float32),
        cmocka_unit_test(leaves_the_scales_of_resize_float32),
        cmocka_unit_test(leaves_computed_scales_of_resize_float32),
        cmocka_unit_test(computes_weights_in_float16_that_float16_reads),
        cmocka_unit_test(leaves_selection_in_float32),
        cmocka_unit_test(leaves_selection_between_convs_in_float32),
        cmocka_unit_test(leaves_upsample_in_float32),
        cmocka_unit_test(leaves_arithmetic_on_shapes_in_float32),
        cmocka_unit_test(reads_the_shape_of_a_half_value_without_a_cast),
        cmocka_unit_test(leaves_subgraphs_and_what_they_capture_in_float32),
        cmocka_unit_test(leaves_foreign_operators_in_float32),
        cmocka_unit_test(converts_what_follows_an_unknown_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
