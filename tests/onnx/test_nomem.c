/* Every allocation fails once: the work then ends with CZ_ENOMEM, frees what
 * it had (the address sanitizer looks) and leaves no file. */
#include <dirent.h>

#include "core/alloc.h"
#include "prune/prune.h"
#include "quant/quant.h"
#include "tests/support/support.h"

/* More than any of the models asks for. */
#define ALLOCATIONS_MAX 100000

typedef enum cz_status edit_function(struct cz_model *model,
                                     struct cz_error *err);

static enum cz_status leave(struct cz_model *model, struct cz_error *err)
{
    (void)model;
    (void)err;
    return CZ_OK;
}

static enum cz_status prune(struct cz_model *model, struct cz_error *err)
{
    struct cz_prune_options options = CZ_PRUNE_OPTIONS_INIT;
    struct cz_fp16_options half = CZ_FP16_OPTIONS_INIT;
    struct cz_prune_report prune_report;
    struct cz_fp16_report half_report;
    struct cz_stats stats;
    CZ_TRY(cz_graph_infer(cz_model_graph(model), err));
    cz_model_count(&stats, model);
    options.sparsity = .3;
    options.threads = 1;
    enum cz_status status = cz_prune_l1(model, &options, &prune_report, err);
    cz_prune_report_fini(&prune_report);
    CZ_TRY(status);
    return cz_fp16_convert(model, &half, &half_report, err);
}

/* Weights of Convs come from a DequantizeLinear. */
static enum cz_status quantize_node(struct cz_node *node, struct cz_error *err)
{
    const int64_t axis = 0;
    const struct cz_attr attr = {
        .name = "axis", .kind = CZ_ATTR_INT, .count = 1, .ints = &axis};
    const struct cz_tensor_spec scale = {CZ_DTYPE_FLOAT, 0, NULL, "\0\0\0\0",
                                         4};
    struct cz_value *weight, *small, *operands[2];
    struct cz_node *made;
    const struct cz_node_spec spec = {.op_type = "DequantizeLinear",
                                      .suffix = "_float",
                                      .dtype = CZ_DTYPE_FLOAT,
                                      .operands = operands,
                                      .n_operands = 2,
                                      .attrs = &attr,
                                      .n_attrs = 1};
    if (!cz_node_is(node, "Conv") || !cz_node_weight(node, &weight))
        return CZ_OK;
    CZ_TRY(cz_graph_add_tensor(&small, node->graph, weight->name, "_small",
                               &scale, err));
    CZ_TRY(cz_graph_add_tensor(&operands[0], node->graph, "scale", "", &scale,
                               err));
    operands[1] = NULL;
    CZ_TRY(cz_node_set_input(node, 1, small, err));
    return cz_node_interpose(&made, node, 1, &spec, err);
}

static enum cz_status quantize(struct cz_model *model, struct cz_error *err)
{
    struct cz_graph *graph = cz_model_graph(model);
    CZ_TRY(cz_model_raise_ir(model, 9, err));
    cz_graph_edit_begin(graph);
    for (size_t i = 0, n = graph->n_nodes; i < n; i++)
        CZ_TRY(quantize_node(graph->nodes[i], err));
    cz_graph_edit_end(graph);
    return cz_model_drop_unused(model, err);
}

static enum cz_status raise_opset(struct cz_model *model, struct cz_error *err)
{
    struct cz_raise_report report;
    return cz_model_raise_opset(model, 13, &report, err);
}

static enum cz_status run(const char *from, const char *to, edit_function *edit,
                          struct cz_error *err)
{
    struct cz_model *model;
    CZ_TRY(cz_model_load(&model, from, err));
    enum cz_status status = edit(model, err);
    if (status == CZ_OK)
        status = cz_model_save(model, to, false, err);
    cz_model_free(model);
    return status;
}

/* Fails the test when `folder` holds anything. */
static void check_empty(const char *folder, size_t nth)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
            fail_msg("%s is left after allocation %zu failed", entry->d_name,
                     nth);
    closedir(d);
}

static void check_model(const char *name, edit_function *edit)
{
    char *folder = cz_test_folder_new();
    const char *from = cz_test_model(name);
    const char *to = cz_test_path(folder, "x.onnx");
    enum cz_status status = CZ_ENOMEM;
    size_t nth = 0;
    while (status != CZ_OK && nth < ALLOCATIONS_MAX) {
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(++nth);
        status = run(from, to, edit, &err);
        cz_alloc_fail_at(0);
        if (status == CZ_OK)
            break;
        if (status != CZ_ENOMEM || err.code != CZ_ENOMEM ||
            !strstr(err.message, "out of memory"))
            fail_msg("allocation %zu: status %d: %s", nth, status, err.message);
        check_empty(folder, nth);
    }
    assert_int_equal(status, CZ_OK);
    assert_true(nth > 3);
    cz_model_free(cz_test_load(to));
    cz_test_folder_remove(folder);
}

static void survives_in_a_detector(void **state)
{
    (void)state;
    check_model("tiny_v8_opset12.onnx", prune);
}

static void survives_with_weights_in_typed_fields_and_constants(void **state)
{
    (void)state;
    check_model("storage_float32_typed.onnx", prune);
    check_model("storage_constant_floats.onnx", prune);
    check_model("constant_forms.onnx", prune);
}

static void survives_with_external_data(void **state)
{
    (void)state;
    check_model("external.onnx", prune);
    check_model("external_constant.onnx", prune);
}

static void survives_when_it_copies_data_files(void **state)
{
    (void)state;
    check_model("external_no_length.onnx", leave);
    check_model("external_folder.onnx", leave);
}

static void survives_with_subgraphs(void **state)
{
    (void)state;
    check_model("if_captures_outer.onnx", prune);
    check_model("loop.onnx", prune);
    check_model("nested_if.onnx", prune);
}

static void survives_with_every_kind_of_attribute(void **state)
{
    (void)state;
    check_model("every_attribute.onnx", prune);
}

static void survives_with_constants_of_two_kinds_of_readers(void **state)
{
    (void)state;
    check_model("shared_scale.onnx", prune);
}

static void survives_with_new_tensors_and_nodes(void **state)
{
    (void)state;
    check_model("tiny_v8_opset12.onnx", quantize);
    check_model("external.onnx", quantize);
    check_model("nested_if.onnx", quantize);
}

static void survives_in_opset_13(void **state)
{
    (void)state;
    check_model("tiny_v5.onnx", raise_opset);
    check_model("clip_opset9.onnx", raise_opset);
    check_model("inputs_of_ir3.onnx", raise_opset);
}

static void survives_in_errors(void **state)
{
    (void)state;
    struct cz_model *model;
    for (size_t nth = 1; nth < 50; nth++) {
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(nth);
        enum cz_status status =
            cz_model_load(&model, cz_test_model("bad/cycle.onnx"), &err);
        cz_alloc_fail_at(0);
        assert_true(status == CZ_ENOMEM || status == CZ_EPARSE);
        assert_int_equal(err.code, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_in_a_detector),
        cmocka_unit_test(survives_with_weights_in_typed_fields_and_constants),
        cmocka_unit_test(survives_with_external_data),
        cmocka_unit_test(survives_when_it_copies_data_files),
        cmocka_unit_test(survives_with_subgraphs),
        cmocka_unit_test(survives_with_every_kind_of_attribute),
        cmocka_unit_test(survives_with_constants_of_two_kinds_of_readers),
        cmocka_unit_test(survives_with_new_tensors_and_nodes),
        cmocka_unit_test(survives_in_opset_13),
        cmocka_unit_test(survives_in_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
