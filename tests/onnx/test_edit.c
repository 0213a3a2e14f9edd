/* Edits: the view and the message change together, names stay unique, nodes
 * stay in order, and what is saved can be read again. */
#include <stdlib.h>

#include "core/alloc.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* x -> a -> b -> y; a is read by c as well. */
#define CHAIN                                                                  \
    "in x f32[1,4]; a = Relu(x); b = Exp(a); c = Neg(a); y = Add(b, c);"       \
    "out y f32[1,4]"

static void appends_a_node_behind_the_producer(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_value *a = cz_test_value(model, "a");
    struct cz_node *node;
    const struct cz_node_spec spec = {
        .op_type = "Cast", .suffix = "_half", .dtype = CZ_DTYPE_FLOAT16};
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_value_append(&node, a, &spec, cz_test_error()));
    assert_int_equal(node->position, a->producer->position + 1);
    assert_int_equal(node->id, cz_model_graph(model)->n_nodes - 1);
    assert_ptr_equal(node->inputs[0], a);
    assert_ptr_equal(node->outputs[0]->producer, node);
    assert_string_equal(node->outputs[0]->name, "a_half");
    assert_int_equal(a->n_uses, 3);
    assert_string_equal(cz_test_type(model, "a_half"), "float16[1,4]");
    assert_ok(cz_node_set_attr_int(node, "to", 10, cz_test_error()));
    model = cz_test_reload(model);
    node = cz_test_value(model, "a_half")->producer;
    assert_int_equal(cz_node_attr_int(node, "to", 0), 10);
    assert_int_equal(cz_test_value(model, "a")->n_uses, 3);
    cz_model_free(model);
}

static void appends_to_inputs_and_initializers_at_the_start(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[2]; const w f32[2] 1; y = Add(x, w); out y f32[2]");
    struct cz_node *node;
    const struct cz_node_spec spec = {
        .op_type = "Identity", .suffix = "_copy", .dtype = CZ_DTYPE_FLOAT};
    assert_ok(cz_value_append(&node, cz_test_value(model, "x"), &spec,
                              cz_test_error()));
    assert_int_equal(node->position, 0);
    assert_ok(cz_value_append(&node, cz_test_value(model, "w"), &spec,
                              cz_test_error()));
    assert_int_equal(node->position, 0);
    assert_string_equal(node->outputs[0]->name, "w_copy");
    cz_model_free(cz_test_reload(model));
}

static void makes_names_unique_with_a_number(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_node *node;
    const struct cz_node_spec spec = {
        .op_type = "Identity", .suffix = "", .dtype = CZ_DTYPE_FLOAT};
    static const char *const names[] = {"a_1", "a_2", "a_3"};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(cz_value_append(&node, cz_test_value(model, "a"), &spec,
                                  cz_test_error()));
        assert_string_equal(node->outputs[0]->name, names[i]);
    }
    cz_model_free(cz_test_reload(model));
}

static void gives_a_value_another_size_in_its_declaration_too(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,4,n]; info a f32[1,4,n]; a = Relu(x); y = Neg(a); out y");
    struct cz_value *a = cz_test_value(model, "a");
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_value_set_dim(a, 1, 3, cz_test_error()));
    assert_string_equal(cz_test_type(model, "a"), "float32[1,3,?]");
    assert_string_equal(cz_test_type(model, "y"), "float32[1,4,?]");
    assert_error(cz_value_set_dim(a, 3, 3, cz_test_error()), CZ_EINTERNAL,
                 "has no dimension 3");
    model = cz_test_reload(model);
    assert_string_equal(cz_test_type(model, "a"), "float32[1,3,?]");
    cz_model_free(model);
}

static void interposes_a_node_before_an_output(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(CHAIN);
    struct cz_value *y = cz_test_value(model, "y");
    struct cz_node *producer = y->producer, *node;
    const struct cz_node_spec spec = {
        .op_type = "Identity", .suffix = "_inner", .dtype = CZ_DTYPE_FLOAT};
    assert_ok(cz_value_interpose(&node, y, &spec, cz_test_error()));
    assert_ptr_equal(y->producer, node);
    assert_string_equal(producer->outputs[0]->name, "y_inner");
    assert_ptr_equal(node->inputs[0], producer->outputs[0]);
    assert_int_equal(node->position, producer->position + 1);
    assert_true(y->is_output);
    assert_false(node->inputs[0]->is_output);
    model = cz_test_reload(model);
    assert_string_equal(cz_model_graph(model)->outputs[0]->name, "y");
    assert_string_equal(cz_test_value(model, "y")->producer->op_type,
                        "Identity");
    cz_model_free(model);
}

static void interposes_behind_the_second_output(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[4,2]; a, b = Split(x); y = Add(a, b); out y f32[2,2]");
    struct cz_value *b = cz_test_value(model, "b");
    struct cz_node *split = b->producer, *node;
    const struct cz_node_spec spec = {
        .op_type = "Relu", .suffix = "_raw", .dtype = CZ_DTYPE_FLOAT};
    assert_ok(cz_value_interpose(&node, b, &spec, cz_test_error()));
    assert_string_equal(split->outputs[0]->name, "a");
    assert_string_equal(split->outputs[1]->name, "b_raw");
    assert_int_equal(b->n_uses, 1);
    cz_model_free(cz_test_reload(model));
}

static void redirects_one_input(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[2]; in z f32[2]; a = Relu(x); y = Add(a, a);"
                      "out y f32[2]");
    struct cz_value *a = cz_test_value(model, "a");
    struct cz_value *z = cz_test_value(model, "z");
    struct cz_node *add = cz_test_node(model, "y");
    assert_ok(cz_node_set_input(add, 1, z, cz_test_error()));
    assert_int_equal(a->n_uses, 1);
    assert_int_equal(a->uses[0].input, 0);
    assert_int_equal(z->n_uses, 1);
    assert_ptr_equal(z->uses[0].node, add);
    model = cz_test_reload(model);
    assert_string_equal(cz_test_node(model, "y")->inputs[1]->name, "z");
    cz_model_free(model);
}

static void sets_int_attributes_old_and_new(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[2]; y = Cast(x) to=1 note=\"kept\"; out y f32[2]");
    struct cz_node *node = cz_test_node(model, "y");
    assert_ok(cz_node_set_attr_int(node, "to", 11, cz_test_error()));
    assert_int_equal(node->n_attrs, 2);
    assert_ok(cz_node_set_attr_int(node, "saturate", 0, cz_test_error()));
    assert_int_equal(node->n_attrs, 3);
    model = cz_test_reload(model);
    node = cz_test_node(model, "y");
    assert_int_equal(node->n_attrs, 3);
    assert_int_equal(cz_node_attr_int(node, "to", 0), 11);
    assert_int_equal(cz_node_attr_int(node, "saturate", 1), 0);
    assert_string_equal(cz_node_attr(node, "note")->strings[0].data, "kept");
    cz_model_free(model);
}

static void clones_a_constant_under_a_new_name(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[3]; const w f32[3] 1 2 3; y = Add(x, w); out y f32[3]");
    struct cz_value *w = cz_test_value(model, "w"), *clone;
    assert_ok(cz_value_clone_constant(&clone, w, "", cz_test_error()));
    assert_string_equal(clone->name, "w_1");
    struct cz_elements e;
    assert_ok(cz_tensor_elements(clone->constant, &e, cz_test_error()));
    float number = 9;
    memcpy(e.data, &number, sizeof number);
    assert_ok(cz_tensor_elements(w->constant, &e, cz_test_error()));
    assert_true(cz_elements_get(&e, 0) == 1);
    model = cz_test_reload(model);
    clone = cz_test_value(model, "w_1");
    assert_ok(cz_tensor_elements(clone->constant, &e, cz_test_error()));
    assert_true(cz_elements_get(&e, 0) == 9);
    assert_true(cz_elements_get(&e, 2) == 3);
    cz_model_free(model);
}

static void clones_edited_external_data(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    struct cz_value *first = cz_test_value(model, "first"), *clone;
    struct cz_elements e;
    float number = 42;
    assert_ok(cz_tensor_elements(first->constant, &e, cz_test_error()));
    memcpy(e.data, &number, sizeof number);
    cz_tensor_touch(first->constant);
    assert_ok(cz_value_clone_constant(&clone, first, "_copy", cz_test_error()));
    assert_ok(cz_tensor_elements(clone->constant, &e, cz_test_error()));
    assert_true(cz_elements_get(&e, 0) == 42);
    double last = cz_elements_get(&e, e.count - 1);
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "x.onnx");
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);
    model = cz_test_load(path);
    clone = cz_test_value(model, "first_copy");
    assert_ok(cz_tensor_elements(clone->constant, &e, cz_test_error()));
    assert_true(cz_elements_get(&e, 0) == 42);
    assert_true(cz_elements_get(&e, e.count - 1) == last);
    cz_model_free(model);
    cz_test_folder_remove(folder);
}

/* So many that quadratic work would show as a timeout. */
static void redirects_a_hundred_thousand_inputs(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_load(cz_test_model("concat_100k_inputs.onnx"));
    struct cz_value *y = cz_test_value(model, "y");
    struct cz_value *x = cz_test_value(model, "x");
    struct cz_value *images = cz_model_graph(model)->inputs[0];
    struct cz_node *concat = y->producer;
    assert_int_equal(x->n_uses, 100000);
    for (size_t i = 0; i < concat->n_inputs; i++)
        assert_ok(cz_node_set_input(concat, i, images, cz_test_error()));
    assert_int_equal(x->n_uses, 0);
    assert_int_equal(images->n_uses, 100001);
    cz_model_free(model);
}

static void declares_types_wherever_they_stand(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[2]; a = Relu(x); y = Relu(a); info a f32[2];"
                      "info y f32[2]; out y f32[2]");
    cz_value_set_dtype(cz_test_value(model, "x"), CZ_DTYPE_FLOAT16);
    cz_value_set_dtype(cz_test_value(model, "a"), CZ_DTYPE_FLOAT16);
    cz_value_set_dtype(cz_test_value(model, "y"), CZ_DTYPE_FLOAT16);
    model = cz_test_reload(model);
    static const char *const names[] = {"x", "a", "y"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(cz_test_type(model, names[i]), "float16[2]");
    cz_model_free(model);
}

/* Behind the name "a": TypeProto, tensor type, float16. */
static const char half_info[] = "a\x12\x0a\x0a\x08\x08\x0a";

static void declares_a_type_five_times(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[2]; a = Relu(x); y = Relu(a); info a f32[2]; info a f32[2];"
        "info a f32[2]; info a f32[2]; info a f32[2]; out y f32[2]");
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "x.onnx");
    size_t size, count = 0, length = sizeof half_info - 1;
    cz_value_set_dtype(cz_test_value(model, "a"), CZ_DTYPE_FLOAT16);
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);
    char *bytes = cz_test_file_read(path, &size);
    for (size_t i = 0; i + length <= size; i++)
        count += memcmp(bytes + i, half_info, length) == 0;
    assert_int_equal(count, 5);
    cz_free(bytes);
    cz_test_folder_remove(folder);
}

static void edits_inside_a_subgraph(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_load(cz_test_model("if_captures_outer.onnx"));
    struct cz_node *outer = NULL;
    for (size_t i = 0; i < cz_model_graph(model)->n_nodes; i++)
        if (cz_node_is(cz_model_graph(model)->nodes[i], "If"))
            outer = cz_model_graph(model)->nodes[i];
    assert_non_null(outer);
    struct cz_graph *branch = cz_node_attr(outer, "then_branch")->graphs[0];
    struct cz_value *kernel = cz_graph_find(branch, "then/kernel"), *made;
    struct cz_node *conv = branch->nodes[0], *node;
    const struct cz_node_spec spec = {
        .op_type = "Identity", .suffix = "same", .dtype = CZ_DTYPE_FLOAT};
    assert_ok(cz_value_append(&node, kernel, &spec, cz_test_error()));
    made = node->outputs[0];
    assert_int_equal(node->position, 0);
    assert_int_equal(conv->position, 1);
    assert_ok(cz_node_set_input(conv, 1, made, cz_test_error()));
    model = cz_test_reload(model);
    cz_model_free(model);
}

static void edits_a_model_with_unknown_fields(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "x.onnx"));
    size_t before = 0, after = 0, size;
    struct cz_model *model = cz_test_load(cz_test_model("unknown_fields.onnx"));
    struct cz_node *node;
    const struct cz_node_spec spec = {
        .op_type = "Identity", .suffix = "added", .dtype = CZ_DTYPE_FLOAT};
    assert_ok(cz_value_append(&node, cz_model_graph(model)->inputs[0], &spec,
                              cz_test_error()));
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);
    char *old = cz_test_file_read(cz_test_model("unknown_fields.onnx"), &size);
    for (size_t i = 0; i + 11 <= size; i++)
        before += memcmp(old + i, "unknown to ", 11) == 0;
    cz_free(old);
    char *new = cz_test_file_read(path, &size);
    for (size_t i = 0; i + 11 <= size; i++)
        after += memcmp(new + i, "unknown to ", 11) == 0;
    cz_free(new);
    assert_true(before > 10);
    assert_int_equal(after, before);
    free(path);
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_a_node_behind_the_producer),
        cmocka_unit_test(appends_to_inputs_and_initializers_at_the_start),
        cmocka_unit_test(makes_names_unique_with_a_number),
        cmocka_unit_test(gives_a_value_another_size_in_its_declaration_too),
        cmocka_unit_test(interposes_a_node_before_an_output),
        cmocka_unit_test(interposes_behind_the_second_output),
        cmocka_unit_test(redirects_one_input),
        cmocka_unit_test(sets_int_attributes_old_and_new),
        cmocka_unit_test(clones_a_constant_under_a_new_name),
        cmocka_unit_test(clones_edited_external_data),
        cmocka_unit_test(redirects_a_hundred_thousand_inputs),
        cmocka_unit_test(declares_types_wherever_they_stand),
        cmocka_unit_test(declares_a_type_five_times),
        cmocka_unit_test(edits_inside_a_subgraph),
        cmocka_unit_test(edits_a_model_with_unknown_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
