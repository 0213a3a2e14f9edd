/* Edits that add tensors and nodes or remove them: they stand where they
 * should in the view and in what is saved, and what nobody reads goes. */
#include "core/alloc.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* x -> a -> b -> y; a is read by c as well. */
#define CHAIN                                                                  \
    "in x f32[1,4]; a = Relu(x); b = Exp(a); c = Neg(a); y = Add(b, c);"       \
    "out y f32[1,4]"

/* ---- new tensors and nodes -------------------------------------------- */

static struct cz_value *add_tensor(struct cz_model *model, const char *stem,
                                   enum cz_dtype dtype, size_t count,
                                   const void *data)
{
    const int64_t dim = (int64_t)count;
    const struct cz_tensor_spec spec = {
        .dtype = dtype,
        .rank = count != 1,
        .dims = &dim,
        .data = data,
        .size_bytes = count * cz_dtype_bits(dtype) / 8,
    };
    struct cz_value *value;
    assert_ok(cz_graph_add_tensor(&value, cz_model_graph(model), stem, "_q",
                                  &spec, cz_test_error()));
    return value;
}

static void adds_an_initializer(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    const int8_t data[] = {-3, 0, 127};
    struct cz_value *value = add_tensor(model, "a", CZ_DTYPE_INT8, 3, data);
    assert_string_equal(value->name, "a_q");
    assert_string_equal(cz_test_type(model, "a_q"), "int8[3]");
    assert_string_equal(add_tensor(model, "a", CZ_DTYPE_INT8, 1, data)->name,
                        "a_q_1");
    model = cz_test_reload(model);
    struct cz_elements e;
    assert_string_equal(cz_test_type(model, "a_q"), "int8[3]");
    assert_ok(cz_tensor_elements(cz_test_value(model, "a_q")->constant, &e,
                                 cz_test_error()));
    assert_memory_equal(e.data, data, 3);
    assert_string_equal(cz_test_type(model, "a_q_1"), "int8[]");
    cz_model_free(model);
}

static void refuses_initializers_of_another_size(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    const int64_t dims[] = {2, 3};
    struct cz_tensor_spec spec = {CZ_DTYPE_FLOAT, 2, dims, "", 6};
    struct cz_value *value;
    assert_error(cz_graph_add_tensor(&value, cz_model_graph(model), "a", "_b",
                                     &spec, cz_test_error()),
                 CZ_ESHAPE, "'a_b': 6 bytes are not the size of its float32");
    spec.dtype = CZ_DTYPE_STRING;
    assert_error(cz_graph_add_tensor(&value, cz_model_graph(model), "a", "_b",
                                     &spec, cz_test_error()),
                 CZ_ESHAPE, "'a_b': 6 bytes are not the size of its string");
    cz_model_free(cz_test_reload(model));
}

/* The parts of a scale and a zero point that all tests share. */
struct qdq {
    struct cz_value *operands[2];
    struct cz_node_spec quantize, dequantize;
};

static void make_qdq(struct qdq *q, struct cz_model *model)
{
    static const float scale = .5f;
    static const uint8_t zero = 128;
    static const int64_t axis = 1;
    static const struct cz_attr attr = {
        .name = "axis", .kind = CZ_ATTR_INT, .count = 1, .ints = &axis};
    q->operands[0] = add_tensor(model, "scale", CZ_DTYPE_FLOAT, 1, &scale);
    q->operands[1] = add_tensor(model, "zero", CZ_DTYPE_UINT8, 1, &zero);
    q->quantize = (struct cz_node_spec){.op_type = "QuantizeLinear",
                                        .suffix = "_quantized",
                                        .dtype = CZ_DTYPE_UINT8,
                                        .operands = q->operands,
                                        .n_operands = 2};
    q->dequantize = q->quantize;
    q->dequantize.op_type = "DequantizeLinear";
    q->dequantize.stem = "own";
    q->dequantize.suffix = "_dequantized";
    q->dequantize.dtype = CZ_DTYPE_FLOAT;
    q->dequantize.attrs = &attr;
    q->dequantize.n_attrs = 1;
}

static void quantizes_all_reads_of_a_value(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_value *a = cz_test_value(model, "a");
    struct cz_node *quantize, *dequantize;
    struct qdq q;
    make_qdq(&q, model);
    assert_ok(cz_value_append(&quantize, a, &q.quantize, cz_test_error()));
    assert_ok(cz_value_append(&dequantize, quantize->outputs[0], &q.dequantize,
                              cz_test_error()));
    while (a->uses[0].node != quantize)
        assert_ok(
            cz_value_move_use(a, 0, dequantize->outputs[0], cz_test_error()));
    while (a->n_uses > 1)
        assert_ok(
            cz_value_move_use(a, 1, dequantize->outputs[0], cz_test_error()));
    assert_int_equal(q.operands[0]->n_uses, 2);
    model = cz_test_reload(model);
    dequantize = cz_test_node(model, "b")->inputs[0]->producer;
    assert_string_equal(dequantize->op_type, "DequantizeLinear");
    assert_int_equal(cz_node_attr_int(dequantize, "axis", 0), 1);
    assert_int_equal(dequantize->position, 2);
    assert_int_equal(dequantize->n_inputs, 3);
    assert_string_equal(dequantize->inputs[1]->name, "scale_q");
    assert_string_equal(dequantize->inputs[2]->name, "zero_q");
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_string_equal(cz_test_type(model, "own_dequantized"), "float32[1,4]");
    cz_model_free(model);
}

static void puts_a_node_before_one_reader(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_node *c = cz_test_node(model, "c"), *node;
    struct qdq q;
    make_qdq(&q, model);
    assert_ok(cz_node_interpose(&node, c, 0, &q.quantize, cz_test_error()));
    assert_int_equal(node->position + 1, c->position);
    assert_ptr_equal(c->inputs[0], node->outputs[0]);
    assert_int_equal(cz_test_value(model, "a")->n_uses, 2);
    assert_string_equal(cz_test_node(model, "b")->inputs[0]->name, "a");
    model = cz_test_reload(model);
    assert_string_equal(cz_test_node(model, "c")->inputs[0]->name,
                        "a_quantized");
    cz_model_free(model);
}

static void puts_a_node_before_a_reader_in_a_subgraph(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in c bool; in x f32[2]; a = Relu(x);"
                      "y = If(c) then_branch={ t = Neg(a); out t }"
                      "          else_branch={ e = Exp(a); out e };"
                      "out y f32[2]");
    struct cz_graph *branch =
        cz_node_attr(cz_test_node(model, "y"), "then_branch")->graphs[0];
    struct cz_value *a = cz_test_value(model, "a");
    const struct cz_node_spec spec = {
        .op_type = "Abs", .suffix = "_abs", .dtype = CZ_DTYPE_FLOAT};
    struct cz_node *node;
    assert_ok(
        cz_node_interpose(&node, branch->nodes[0], 0, &spec, cz_test_error()));
    assert_ptr_equal(node->graph, branch);
    assert_int_equal(a->n_uses, 2);
    model = cz_test_reload(model);
    branch = cz_node_attr(cz_test_node(model, "y"), "then_branch")->graphs[0];
    assert_int_equal(branch->n_nodes, 2);
    assert_string_equal(branch->nodes[1]->inputs[0]->name, "a_abs");
    cz_model_free(model);
}

static void gives_a_new_value_its_own_shape(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    const int64_t dims[] = {4, 1};
    const struct cz_shape shape = {true, 2, dims};
    const struct cz_node_spec spec = {.op_type = "Transpose",
                                      .suffix = "_t",
                                      .dtype = CZ_DTYPE_FLOAT,
                                      .shape = &shape};
    struct cz_node *node;
    assert_ok(cz_value_append(&node, cz_model_graph(model)->inputs[0], &spec,
                              cz_test_error()));
    assert_string_equal(cz_test_type(model, "x_t"), "float32[4,1]");
    cz_model_free(model);
}

static void sets_inputs_beyond_the_last_and_leaves_some_out(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[2]; const hi f32[] 6; a = Relu(x);"
                      "y = Clip(a); out y f32[2]");
    struct cz_node *clip = cz_test_node(model, "y");
    struct cz_value *hi = cz_test_value(model, "hi");
    assert_ok(cz_node_set_input(clip, 2, hi, cz_test_error()));
    assert_int_equal(clip->n_inputs, 3);
    assert_null(clip->inputs[1]);
    assert_ok(cz_node_set_input(clip, 1, hi, cz_test_error()));
    assert_int_equal(hi->n_uses, 2);
    assert_ok(cz_node_set_input(clip, 1, NULL, cz_test_error()));
    assert_int_equal(hi->n_uses, 1);
    assert_int_equal(hi->uses[0].input, 2);
    model = cz_test_reload(model);
    clip = cz_test_node(model, "y");
    assert_int_equal(clip->n_inputs, 3);
    assert_null(clip->inputs[1]);
    assert_string_equal(clip->inputs[2]->name, "hi");
    cz_model_free(model);
}

static void sets_attributes_of_each_kind(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[2]; y = Op(x) f=1.5 gone=3 ints=[7]; out y f32[2]");
    struct cz_node *node = cz_test_node(model, "y");
    const float floats[] = {.5f, 2};
    const int64_t ints[] = {4, 5, 6};
    const struct cz_bytes strings[] = {{"one", 3}, {"two", 3}};
    const struct cz_attr attrs[] = {
        {.name = "f", .kind = CZ_ATTR_FLOAT, .count = 1, .floats = floats},
        {.name = "floats",
         .kind = CZ_ATTR_FLOATS,
         .count = 2,
         .floats = floats},
        {.name = "ints", .kind = CZ_ATTR_INTS, .count = 3, .ints = ints},
        {.name = "s", .kind = CZ_ATTR_STRING, .count = 1, .strings = strings},
        {.name = "strings",
         .kind = CZ_ATTR_STRINGS,
         .count = 2,
         .strings = strings},
    };
    for (size_t i = 0; i < 5; i++)
        assert_ok(cz_node_set_attr(node, &attrs[i], cz_test_error()));
    cz_node_drop_attr(node, "gone");
    cz_node_drop_attr(node, "never there");
    for (size_t pass = 0; pass < 2; pass++) {
        size_t count;
        assert_int_equal(node->n_attrs, 5);
        assert_true(cz_node_attr_float(node, "f", 0) == .5f);
        assert_true(cz_node_attr(node, "floats")->floats[1] == 2);
        assert_int_equal(cz_node_attr_ints(node, "ints", &count)[2], 6);
        assert_int_equal(count, 3);
        assert_string_equal(cz_node_attr_string(node, "s", ""), "one");
        assert_string_equal(cz_node_attr(node, "strings")->strings[1].data,
                            "two");
        model = cz_test_reload(model);
        node = cz_test_node(model, "y");
    }
    cz_model_free(model);
}

/* ---- the order -------------------------------------------------------- */

static void orders_new_nodes_when_edits_end(void **state)
{
    (void)state;
    static const char *const want[] = {"a", "a_q_1", "a_q", "b_0",
                                       "b", "a_c",   "c",   "y"};
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_graph *graph = cz_model_graph(model);
    struct cz_node_spec spec = {
        .op_type = "Abs", .suffix = "_q", .dtype = CZ_DTYPE_FLOAT};
    struct cz_value *a = cz_test_value(model, "a");
    struct cz_node *node;
    cz_graph_edit_begin(graph);
    cz_graph_edit_begin(graph);
    assert_ok(cz_value_append(&node, a, &spec, cz_test_error()));
    assert_ptr_equal(graph->nodes[node->position], node);
    assert_ok(cz_value_append(&node, a, &spec, cz_test_error()));
    spec.suffix = "_0";
    assert_ok(cz_value_interpose(&node, cz_test_value(model, "b"), &spec,
                                 cz_test_error()));
    spec.suffix = "_c";
    assert_ok(cz_node_interpose(&node, cz_test_node(model, "c"), 0, &spec,
                                cz_test_error()));
    cz_graph_edit_end(graph);
    cz_graph_edit_end(graph);
    assert_int_equal(graph->n_nodes, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(graph->nodes[i]->position, i);
        assert_string_equal(graph->nodes[i]->outputs[0]->name, want[i]);
    }
    cz_model_free(cz_test_reload(model));
}

/* So many that quadratic work would show as a timeout. */
static void adds_forty_thousand_nodes(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_graph *graph = cz_model_graph(model);
    const struct cz_node_spec spec = {
        .op_type = "Abs", .suffix = "_q", .dtype = CZ_DTYPE_FLOAT};
    struct cz_node *node, *add = cz_test_node(model, "y");
    struct cz_value *c = cz_test_value(model, "c");
    cz_graph_edit_begin(graph);
    for (size_t i = 0; i < 20000; i++) {
        assert_ok(
            cz_value_append(&node, graph->inputs[0], &spec, cz_test_error()));
        assert_ok(cz_node_set_input(add, 1, c, cz_test_error()));
        assert_ok(cz_node_interpose(&node, add, 1, &spec, cz_test_error()));
    }
    cz_graph_edit_end(graph);
    assert_int_equal(graph->n_nodes, 40004);
    assert_int_equal(add->position, 40003);
    assert_ok(cz_model_drop_unused(model, cz_test_error()));
    assert_int_equal(graph->n_nodes, 5);
    cz_model_free(cz_test_reload(model));
}

/* ---- what nobody reads ------------------------------------------------ */

static void drops_what_nobody_reads(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[2]; in spare f32[2]; const w f32[2] 1; const v f32[2] 2;"
        "const unused f32[2] 3; const kept f32[2] 4; out kept;"
        "a = Add(x, w); b = Mul(a, v); c, d = Split(b); y = Relu(x);"
        "z = com.example::Print(y); info b f32[2]; info y f32[2];"
        "out y f32[2]");
    struct cz_graph *graph = cz_model_graph(model);
    struct cz_value *x = graph->inputs[0];
    assert_ok(cz_model_drop_unused(model, cz_test_error()));
    for (size_t pass = 0; pass < 2; pass++) {
        graph = cz_model_graph(model);
        assert_int_equal(graph->n_nodes, 2);
        assert_int_equal(graph->n_inputs, 2);
        assert_int_equal(graph->n_values, 5);
        for (size_t i = 0; i < graph->n_values; i++)
            assert_int_equal(graph->values[i]->id, i);
        assert_null(cz_graph_find(graph, "unused"));
        assert_null(cz_graph_find(graph, "b"));
        assert_non_null(cz_graph_find(graph, "kept"));
        x = graph->inputs[0];
        assert_int_equal(x->n_uses, 1);
        assert_string_equal(x->uses[0].node->op_type, "Relu");
        model = cz_test_reload(model);
    }
    cz_model_free(model);
}

static void drops_a_weight_that_was_replaced(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,3,4,4]; const w f32[3,1,1,1] 1; y = Conv(x, w) group=3;"
        "out y f32[1,3,4,4]");
    struct cz_node *conv = cz_test_node(model, "y"), *node;
    const int64_t dims[] = {3, 1, 1, 1};
    const struct cz_tensor_spec tensor = {CZ_DTYPE_INT8, 4, dims, "123", 3};
    struct cz_value *small;
    struct qdq q;
    make_qdq(&q, model);
    assert_ok(cz_graph_add_tensor(&small, cz_model_graph(model), "w", "_int8",
                                  &tensor, cz_test_error()));
    assert_ok(cz_node_set_input(conv, 1, small, cz_test_error()));
    assert_ok(
        cz_node_interpose(&node, conv, 1, &q.dequantize, cz_test_error()));
    assert_ok(cz_model_drop_unused(model, cz_test_error()));
    model = cz_test_reload(model);
    assert_null(cz_graph_find(cz_model_graph(model), "w"));
    assert_int_equal(cz_model_graph(model)->n_nodes, 2);
    cz_model_free(model);
}

static void drops_inside_subgraphs_first(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in c bool; in x f32[2]; a = Relu(x);"
        "y = If(c) then_branch={ s = Neg(a); t = Neg(x); out t }"
        "          else_branch={ const k f32[2] 1; e = Exp(x); out e };"
        "out y f32[2]");
    assert_ok(cz_model_drop_unused(model, cz_test_error()));
    model = cz_test_reload(model);
    const struct cz_node *node = cz_test_node(model, "y");
    assert_int_equal(cz_model_graph(model)->n_nodes, 1);
    assert_int_equal(cz_node_attr(node, "then_branch")->graphs[0]->n_nodes, 1);
    assert_int_equal(cz_node_attr(node, "else_branch")->graphs[0]->n_values, 1);
    cz_model_free(model);
}

static void drops_external_data_with_its_tensor(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    struct cz_value *first = cz_test_value(model, "first");
    struct cz_elements e;
    int64_t dims[4];
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "x.onnx");
    assert_ok(cz_tensor_elements(first->constant, &e, cz_test_error()));
    size_t rank = first->constant->rank;
    assert_true(rank <= 4);
    memcpy(dims, first->constant->dims, rank * sizeof *dims);
    char *zeros = cz_calloc(e.count, 4);
    struct cz_tensor_spec spec = {CZ_DTYPE_FLOAT, rank, dims, zeros,
                                  e.count * 4};
    struct cz_value *other;
    assert_ok(cz_graph_add_tensor(&other, cz_model_graph(model), "first",
                                  "_new", &spec, cz_test_error()));
    while (first->n_uses)
        assert_ok(cz_value_move_use(first, 0, other, cz_test_error()));
    assert_ok(cz_model_drop_unused(model, cz_test_error()));
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);
    model = cz_test_load(path);
    assert_null(cz_graph_find(cz_model_graph(model), "first"));
    cz_model_free(model);
    cz_free(zeros);
    cz_test_folder_remove(folder);
}

/* ---- IR versions ------------------------------------------------------ */

static void takes_initializers_from_the_inputs_of_ir_3(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("ir 3; opset 9; in w f32[2]; in x f32[2];"
                      "const w f32[2] 1; y = Add(x, w); out y f32[2]");
    const struct cz_tensor_spec spec = {CZ_DTYPE_INT8, 0, NULL, "1", 1};
    struct cz_value *value;
    assert_error(cz_graph_add_tensor(&value, cz_model_graph(model), "w", "_q",
                                     &spec, cz_test_error()),
                 CZ_EUNSUPPORTED, "'w_q': IR version 3");
    assert_ok(cz_model_raise_ir(model, 7, cz_test_error()));
    assert_ok(cz_model_raise_ir(model, 4, cz_test_error()));
    assert_ok(cz_graph_add_tensor(&value, cz_model_graph(model), "w", "_q",
                                  &spec, cz_test_error()));
    cz_value_set_dtype(cz_test_value(model, "w"), CZ_DTYPE_FLOAT);
    model = cz_test_reload(model);
    assert_int_equal(cz_model_ir_version(model), 7);
    assert_int_equal(cz_model_graph(model)->n_inputs, 1);
    assert_string_equal(cz_model_graph(model)->inputs[0]->name, "x");
    assert_false(cz_test_value(model, "w")->is_input);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_an_initializer),
        cmocka_unit_test(refuses_initializers_of_another_size),
        cmocka_unit_test(quantizes_all_reads_of_a_value),
        cmocka_unit_test(puts_a_node_before_one_reader),
        cmocka_unit_test(puts_a_node_before_a_reader_in_a_subgraph),
        cmocka_unit_test(gives_a_new_value_its_own_shape),
        cmocka_unit_test(sets_inputs_beyond_the_last_and_leaves_some_out),
        cmocka_unit_test(sets_attributes_of_each_kind),
        cmocka_unit_test(orders_new_nodes_when_edits_end),
        cmocka_unit_test(adds_forty_thousand_nodes),
        cmocka_unit_test(drops_what_nobody_reads),
        cmocka_unit_test(drops_a_weight_that_was_replaced),
        cmocka_unit_test(drops_inside_subgraphs_first),
        cmocka_unit_test(drops_external_data_with_its_tensor),
        cmocka_unit_test(takes_initializers_from_the_inputs_of_ir_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
