/* Loading: what the view says of nodes, values, attributes, subgraphs,
 * constants and what stands beside the graph. */
#include <dirent.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

static void check_uses(const struct cz_graph *graph)
{
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct cz_value *value = graph->values[i];
        for (size_t u = 0; u < value->n_uses; u++) {
            const struct cz_use *use = &value->uses[u];
            assert_ptr_equal(use->node->inputs[use->input], value);
        }
    }
}

/* Edges agree in both directions, nodes are where they say. */
static enum cz_status check_node(void *user, struct cz_node *node)
{
    size_t *count = user;
    (*count)++;
    assert_ptr_equal(node->graph->nodes[node->position], node);
    assert_int_equal(node->id, node->position);
    for (size_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i])
            assert_ptr_equal(node->outputs[i]->producer, node);
    if (node->position == 0)
        check_uses(node->graph);
    return CZ_OK;
}

static void builds_a_consistent_view_of_every_model(void **state)
{
    (void)state;
    size_t models = 0;
    DIR *folder = opendir(getenv("MODELS"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;
        const char *dot = strrchr(name, '.');
        size_t nodes = 0;
        if (!dot || strcmp(dot, ".onnx") != 0)
            continue;
        struct cz_model *model = cz_test_load(cz_test_model(name));
        struct cz_graph *graph = cz_model_graph(model);
        assert_int_equal(cz_graph_visit(graph, check_node, &nodes), CZ_OK);
        assert_true(nodes >= graph->n_nodes);
        cz_model_free(model);
        models++;
    }
    closedir(folder);
    assert_true(models > 80);
}

static void links_nodes_and_values(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[1,3]; const w f32[3,4] 1; a = MatMul(x, w);"
                      "y = Clip(a, , a); out y; out a f32[1,4]");
    struct cz_graph *graph = cz_model_graph(model);
    assert_int_equal(graph->n_nodes, 2);
    assert_int_equal(graph->n_inputs, 1);
    assert_int_equal(graph->n_outputs, 2);
    assert_int_equal(graph->n_values, 4);
    struct cz_value *x = cz_test_value(model, "x");
    struct cz_value *w = cz_test_value(model, "w");
    struct cz_value *a = cz_test_value(model, "a");
    assert_true(x->is_input && !x->producer && !x->constant);
    assert_true(!w->is_input && w->constant && w->constant->count == 12);
    assert_true(a->is_output && !a->is_input);
    assert_ptr_equal(a->producer, graph->nodes[0]);
    assert_int_equal(a->n_uses, 2);
    assert_int_equal(a->uses[1].input, 2);
    struct cz_node *clip = graph->nodes[1];
    assert_int_equal(clip->n_inputs, 3);
    assert_null(clip->inputs[1]);
    assert_null(cz_node_input(clip, 1));
    assert_null(cz_node_input(clip, 3));
    assert_string_equal(cz_test_type(model, "a"), "float32[1,4]");
    assert_string_equal(cz_test_type(model, "y"), "undefined");
    assert_null(cz_graph_find(graph, "nowhere"));
    cz_model_free(model);
}

static void keeps_declared_open_dimensions(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("dynamic_axes.onnx"));
    const struct cz_value *image = cz_model_graph(model)->inputs[0];
    assert_true(image->shape.known);
    assert_int_equal(image->shape.rank, 4);
    assert_int_equal(image->shape.dims[0], -1);
    assert_int_equal(image->shape.dims[1], 3);
    assert_int_equal(image->shape.dims[2], -1);
    cz_model_free(model);
}

static void lists_initializers_that_are_inputs_as_both(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("inputs_of_ir3.onnx"));
    struct cz_graph *graph = cz_model_graph(model);
    size_t constants = 0;
    for (size_t i = 0; i < graph->n_inputs; i++)
        constants += graph->inputs[i]->constant != NULL;
    assert_int_equal(constants, graph->n_inputs - 1);
    assert_int_equal(cz_model_ir_version(model), 3);
    assert_int_equal(cz_model_opset(model, ""), 9);
    cz_model_free(model);
}

/* ---- attributes ------------------------------------------------------- */

static void reads_every_kind_of_attribute(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_load(cz_test_model("every_attribute.onnx"));
    struct cz_node *node = cz_test_node(model, "Everything");
    static const struct {
        const char *name;
        enum cz_attr_kind kind;
        size_t count;
    } rows[] = {
        {"a_float", CZ_ATTR_FLOAT, 1},   {"an_int", CZ_ATTR_INT, 1},
        {"a_string", CZ_ATTR_STRING, 1}, {"a_tensor", CZ_ATTR_TENSOR, 1},
        {"a_graph", CZ_ATTR_GRAPH, 1},   {"floats", CZ_ATTR_FLOATS, 2},
        {"ints", CZ_ATTR_INTS, 3},       {"strings", CZ_ATTR_STRINGS, 2},
        {"tensors", CZ_ATTR_TENSORS, 2}, {"graphs", CZ_ATTR_GRAPHS, 1},
        {"no_ints", CZ_ATTR_INTS, 0},    {"nul_string", CZ_ATTR_STRING, 1},
    };
    assert_int_equal(node->n_attrs, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < node->n_attrs; i++) {
        const struct cz_attr *attr = cz_node_attr(node, rows[i].name);
        assert_non_null(attr);
        assert_int_equal(attr->kind, rows[i].kind);
        assert_int_equal(attr->count, rows[i].count);
    }
    assert_true(cz_node_attr(node, "a_float")->floats[0] == .5F);
    assert_int_equal(cz_node_attr_int(node, "an_int", 0), -7);
    assert_int_equal(cz_node_attr_int(node, "a_float", 3), 3);
    assert_int_equal(cz_node_attr_int(node, "nowhere", 4), 4);
    assert_true(cz_node_attr(node, "floats")->floats[1] == 1.5F);
    size_t count;
    const int64_t *ints = cz_node_attr_ints(node, "ints", &count);
    assert_int_equal(count, 3);
    assert_true(ints[2] == (int64_t)1 << 62);
    assert_null(cz_node_attr_ints(node, "an_int", &count));
    assert_int_equal(count, 0);
    const struct cz_attr *strings = cz_node_attr(node, "strings");
    assert_string_equal(strings->strings[1].data, "two");
    const struct cz_bytes *bytes = cz_node_attr(node, "nul_string")->strings;
    assert_int_equal(bytes->size, 4);
    assert_memory_equal(bytes->data, "a\0b\xff", 5);
    assert_int_equal(cz_node_attr(node, "a_tensor")->tensors[0]->count, 4);
    const struct cz_graph *graph = cz_node_attr(node, "a_graph")->graphs[0];
    assert_ptr_equal(graph->parent, node);
    cz_model_free(model);
}

/* ---- subgraphs -------------------------------------------------------- */

static void sees_outer_values_from_subgraphs(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_load(cz_test_model("if_captures_outer.onnx"));
    struct cz_graph *graph = cz_model_graph(model);
    struct cz_value *bias = cz_test_value(model, "outer_bias");
    assert_int_equal(bias->n_uses, 1);
    const struct cz_node *conv = bias->uses[0].node;
    assert_string_equal(conv->op_type, "Conv");
    assert_ptr_not_equal(conv->graph, graph);
    assert_string_equal(conv->graph->parent->op_type, "If");
    assert_ptr_equal(conv->graph->parent->graph, graph);
    assert_ptr_equal(cz_graph_find(conv->graph, "outer_bias"), bias);
    const struct cz_value *kernel = conv->inputs[1];
    assert_ptr_equal(kernel->graph, conv->graph);
    assert_null(cz_graph_find(graph, kernel->name));
    cz_model_free(model);
}

static enum cz_status stop_at_loop(void *user, struct cz_node *node)
{
    size_t *count = user;
    (*count)++;
    return strcmp(node->op_type, "Loop") == 0 ? CZ_EINTERRUPTED : CZ_OK;
}

static enum cz_status count_convs(void *user, struct cz_node *node)
{
    size_t *count = user;
    *count += cz_node_is(node, "Conv");
    return CZ_OK;
}

static void visits_outer_nodes_before_inner_ones_and_stops(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("loop.onnx"));
    struct cz_graph *graph = cz_model_graph(model);
    size_t visited = 0, convs = 0;
    assert_int_equal(cz_graph_visit(graph, stop_at_loop, &visited),
                     CZ_EINTERRUPTED);
    assert_int_equal(visited, 2);
    assert_int_equal(cz_graph_visit(graph, count_convs, &convs), CZ_OK);
    assert_int_equal(convs, 3);
    cz_model_free(model);
}

/* ---- beside the graph ------------------------------------------------- */

static void reads_what_stands_beside_the_graph(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("annotated.onnx"));
    assert_int_equal(cz_model_ir_version(model), 8);
    assert_string_equal(cz_model_producer(model), "tests");
    assert_int_equal(cz_model_opset(model, ""), 17);
    assert_int_equal(cz_model_opset(model, "com.example"), 0);
    assert_string_equal(cz_model_metadata(model, "stride"), "32");
    assert_string_equal(cz_model_metadata(model, "names"),
                        "{0: 'person', 1: 'na\xc3\xafve caf\xc3\xa9'}");
    assert_string_equal(cz_model_metadata(model, "empty"), "");
    assert_null(cz_model_metadata(model, "nowhere"));
    assert_int_equal(cz_model_function_count(model), 0);
    cz_model_free(model);
}

static void counts_functions_and_knows_domains(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_load(cz_test_model("local_functions.onnx"));
    struct cz_node *silu = cz_test_node(model, "SiLU");
    assert_int_equal(cz_model_function_count(model), 2);
    assert_string_equal(silu->domain, "tests.local");
    assert_false(cz_node_is(silu, "SiLU"));
    assert_int_equal(cz_model_opset(model, "tests.local"), 1);
    cz_model_free(model);
}

static void takes_ai_onnx_for_the_default_domain(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("ai_onnx_domain.onnx"));
    struct cz_node *relu = cz_test_node(model, "Relu");
    assert_string_equal(relu->domain, "");
    assert_true(cz_node_is(relu, "Relu"));
    assert_int_equal(cz_model_opset(model, ""), 17);
    cz_model_free(model);
}

static void labels_nodes_without_a_name_by_their_output(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("no_names.onnx"));
    const struct cz_graph *graph = cz_model_graph(model);
    assert_string_equal(graph->nodes[0]->name, "");
    assert_string_equal(cz_node_label(graph->nodes[0]), "1");
    assert_string_equal(cz_node_label(graph->nodes[2]), "3");
    cz_model_free(model);
}

static void checks_up_to_opset_17(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool checked;
    } rows[] = {
        {"tiny_v8_opset11.onnx", true},
        {"tiny_v8_opset17.onnx", true},
        {"tiny_v8_opset19.onnx", false},
        {"tiny_v8_opset22.onnx", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_load(cz_test_model(rows[i].file));
        bool checked = !rows[i].checked;
        assert_ok(cz_model_check(model, &checked, cz_test_error()));
        assert_int_equal(checked, rows[i].checked);
        cz_model_free(model);
    }
}

static void checks_up_to_ir_8(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "opset 17; ir 8; in x f32[1]; y = Relu(x); out y f32[1]",
        "opset 17; ir 10; in x f32[1]; y = Relu(x); out y f32[1]"};
    for (size_t i = 0; i < 2; i++) {
        bool checked;
        struct cz_model *model = cz_test_graph(texts[i]);
        assert_ok(cz_model_check(model, &checked, cz_test_error()));
        assert_int_equal(checked, i == 0);
        cz_model_free(model);
    }
}

static void parses_the_same_from_memory(void **state)
{
    (void)state;
    size_t size;
    const char *path = cz_test_model("external.onnx");
    char *bytes = cz_test_file_read(path, &size);
    struct cz_model *model;
    struct cz_elements e, want;
    assert_ok(cz_model_parse(&model, bytes, size, "memory", getenv("MODELS"),
                             cz_test_error()));
    cz_free(bytes); /* it was copied */
    struct cz_model *other = cz_test_load(path);
    assert_ok(cz_tensor_elements(cz_test_value(model, "second")->constant, &e,
                                 cz_test_error()));
    assert_ok(cz_tensor_elements(cz_test_value(other, "second")->constant,
                                 &want, cz_test_error()));
    assert_memory_equal(e.data, want.data, want.count * want.stride);
    cz_model_free(model);
    cz_model_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_a_consistent_view_of_every_model),
        cmocka_unit_test(links_nodes_and_values),
        cmocka_unit_test(keeps_declared_open_dimensions),
        cmocka_unit_test(lists_initializers_that_are_inputs_as_both),
        cmocka_unit_test(reads_every_kind_of_attribute),
        cmocka_unit_test(sees_outer_values_from_subgraphs),
        cmocka_unit_test(visits_outer_nodes_before_inner_ones_and_stops),
        cmocka_unit_test(reads_what_stands_beside_the_graph),
        cmocka_unit_test(counts_functions_and_knows_domains),
        cmocka_unit_test(takes_ai_onnx_for_the_default_domain),
        cmocka_unit_test(labels_nodes_without_a_name_by_their_output),
        cmocka_unit_test(checks_up_to_opset_17),
        cmocka_unit_test(checks_up_to_ir_8),
        cmocka_unit_test(parses_the_same_from_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
