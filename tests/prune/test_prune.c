/* Pruning layer by layer: which weights go, wherever they are stored, and
 * what stays as it was. */
#include "tests/prune/support.h"

#include "core/alloc.h"

/* ---- how many --------------------------------------------------------- */

static void zeroes_a_share_rounded_half_to_even(void **state)
{
    (void)state;
    static const struct {
        const char *conv;
        size_t zeros; /* 0.05 n is 0.05, 0.1, 0.15, 0.5, 1.5, 2.5, 3.5 */
    } rows[] = {{"Conv", 0},   {"Conv_1", 0}, {"Conv_2", 0}, {"Conv_3", 0},
                {"Conv_4", 2}, {"Conv_5", 2}, {"Conv_6", 4}};
    struct pruned p = prune_file("tiny_counts.onnx", 0.05);
    assert_int_equal(p.report.n_layers, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(zeros_of(&p, rows[i].conv), rows[i].zeros);
        assert_int_equal(row(&p, rows[i].conv)->zeros, rows[i].zeros);
        check_conv(&p, rows[i].conv, rows[i].zeros);
    }
    pruned_free(&p);
}

static void zeroes_the_same_share_of_every_conv_of_a_detector(void **state)
{
    (void)state;
    static const double sparsities[] = {0.01, 0.05, 0.3, 0.5, 0.999};
    for (size_t i = 0; i < 5; i++) {
        struct pruned p = prune_file("tiny_v5.onnx", sparsities[i]);
        check_all_convs(&p, sparsities[i]);
        pruned_free(&p);
    }
}

static void keeps_every_weight_at_sparsity_zero(void **state)
{
    (void)state;
    struct pruned p = prune_file("tiny_v5.onnx", 0);
    assert_operands_equal(&p.after, &p.before);
    assert_int_equal(p.report.zeros, 0);
    pruned_free(&p);
}

static void sums_up_all_layers(void **state)
{
    (void)state;
    struct pruned p = prune_file("conv_groups.onnx", 0.25);
    /* 216, 216, 108, 216, 864 weights */
    assert_int_equal(p.report.weights, 1620);
    assert_int_equal(p.report.zeros, 405);
    assert_int_equal(p.report.zeros_before, 0);
    assert_int_equal(p.report.n_pruned, 5);
    pruned_free(&p);
}

/* ---- which ------------------------------------------------------------ */

static void prunes_ties_by_lower_index(void **state)
{
    (void)state;
    struct pruned p = prune_file("ties.onnx", 0.3);
    struct cz_test_operand *w = cz_test_weight(&p.after, "Conv");
    for (size_t i = 0; i < w->count; i++)
        assert_true(w->values[i] == (i < 12 ? 0 : 0.5));
    check_conv(&p, "Conv", 12);
    check_conv(&p, "Conv_1", 12);
    check_conv(&p, "Conv_2", 12);
    check_conv(&p, "Conv_3", 0);
    pruned_free(&p);
}

static void leaves_a_layer_alone_that_is_sparser_than_asked_for(void **state)
{
    (void)state;
    struct pruned p = prune_file("ties.onnx", 0.3);
    /* 20 of 40 are zeros, of both signs; 12 are asked for. */
    assert_int_equal(row(&p, "Conv_3")->zeros_before, 20);
    assert_int_equal(row(&p, "Conv_3")->zeros, 20);
    assert_null(row(&p, "Conv_3")->skipped);
    check_conv(&p, "Conv_3", 0);
    pruned_free(&p);
}

static void counts_existing_zeros_towards_the_share(void **state)
{
    (void)state;
    struct pruned p = prune_file("ties.onnx", 0.6);
    assert_int_equal(zeros_of(&p, "Conv_3"), 24);
    check_conv(&p, "Conv_3", 24);
    pruned_free(&p);
}

static void handles_a_layer_of_zeros_beside_others(void **state)
{
    (void)state;
    struct pruned p = prune_file("all_zero.onnx", 0.5);
    assert_int_equal(zeros_of(&p, "Conv"), 40);
    assert_int_equal(zeros_of(&p, "Conv_1"), 20);
    pruned_free(&p);
}

static void arrives_at_the_same_weights_in_two_steps(void **state)
{
    (void)state;
    struct cz_prune_options options = CZ_PRUNE_OPTIONS_INIT;
    struct cz_prune_report report;
    struct cz_model *steps = cz_test_load(cz_test_model("tiny_v5.onnx"));
    options.sparsity = 0.05;
    assert_ok(cz_prune_l1(steps, &options, &report, cz_test_error()));
    cz_prune_report_fini(&report);
    options.sparsity = 0.1;
    struct pruned second = prune(steps, &options);
    struct pruned at_once = prune_file("tiny_v5.onnx", 0.1);
    assert_true(second.report.zeros_before > 0);
    assert_operands_equal(&second.after, &at_once.after);
    pruned_free(&second);
    pruned_free(&at_once);
}

/* ---- every kind of Conv ----------------------------------------------- */

static void prunes_convolutions_of_every_kind(void **state)
{
    (void)state;
    static const char *const models[] = {
        "conv_groups.onnx", /* grouped, depthwise */
        "conv1d.onnx",
        "conv3d.onnx",
        "tiny_yolox.onnx",
        "no_names.onnx",
        "inputs_of_ir3.onnx",
        "dynamic_axes.onnx",
        "if_captures_outer.onnx", /* a Conv in a subgraph */
        "loop.onnx",
        "nested_if.onnx",
        "annotated.onnx",
        "double_compute.onnx",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct pruned p = prune_file(models[i], 0.2);
        assert_true(p.report.zeros > 0);
        check_all_convs(&p, 0.2);
        pruned_free(&p);
    }
}

static void prunes_all_storages_of_a_weight_alike(void **state)
{
    (void)state;
    static const char *const names[] = {
        "float32_typed",  "float16_raw",     "float16_typed", "bfloat16_raw",
        "bfloat16_typed", "double_raw",      "double_typed",  "constant_value",
        "reshaped",       "constant_floats",
    };
    struct pruned raw = prune_file("storage_float32_raw.onnx", 0.3);
    const struct cz_test_operand *want = cz_test_weight(&raw.after, "Conv");
    assert_int_equal(zeros_of(&raw, "Conv"), 65);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[64];
        snprintf(file, sizeof file, "storage_%s.onnx", names[i]);
        struct pruned p = prune_file(file, 0.3);
        assert_values_equal(cz_test_weight(&p.after, "Conv")->values,
                            want->values, want->count, file);
        pruned_free(&p);
    }
    pruned_free(&raw);
}

static void saves_the_zeros_of_every_storage(void **state)
{
    (void)state;
    static const char *const names[] = {
        "storage_float32_raw.onnx",
        "storage_float32_typed.onnx",
        "storage_float16_raw.onnx",
        "storage_float16_typed.onnx",
        "storage_bfloat16_raw.onnx",
        "storage_bfloat16_typed.onnx",
        "storage_double_raw.onnx",
        "storage_double_typed.onnx",
        "storage_constant_value.onnx",
        "storage_constant_floats.onnx",
        "external.onnx",
        "external_no_length.onnx",
        "external_constant.onnx",
        "external_folder.onnx",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *folder = cz_test_folder_new();
        struct pruned p = prune_file(names[i], 0.2);
        const char *path = cz_test_path(folder, "out.onnx");
        assert_ok(cz_model_save(p.model, path, false, cz_test_error()));
        struct cz_model *saved = cz_test_load(path);
        struct cz_test_operands read = cz_test_operands_read(saved);
        assert_operands_equal(&read, &p.after);
        check_all_convs(&p, 0.2);
        cz_test_operands_fini(&read);
        cz_model_free(saved);
        pruned_free(&p);
        cz_test_folder_remove(folder);
    }
}

/* ---- what stays ------------------------------------------------------- */

static void leaves_biases_and_other_operators_untouched(void **state)
{
    (void)state;
    static const char *const models[] = {
        "conv_transpose.onnx",      "batch_normalization.onnx",
        "gemm_classifier.onnx",     "prelu.onnx",
        "layer_normalization.onnx", "attention_mask.onnx",
        "sparse_initializer.onnx",  "every_attribute.onnx",
        "local_functions.onnx"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct cz_prune_options options = {.sparsity = 0.5};
        struct pruned p =
            prune(cz_test_load(cz_test_model(models[i])), &options);
        for (size_t l = 0; l < p.report.n_layers; l++)
            if (!p.report.layers[l].skipped)
                check_conv(
                    &p, p.report.layers[l].name,
                    (size_t)rint(0.5 * (double)p.report.layers[l].weights));
        assert_operands_equal(&p.after, &p.before);
        pruned_free(&p);
    }
}

static void keeps_unknown_fields_and_all_else_of_the_file(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *source = cz_test_model("unknown_fields_v8.onnx");
    const char *plain = cz_test_path(folder, "plain.onnx");
    const char *zeroed = cz_test_path(folder, "zeroed.onnx");
    struct cz_model *untouched = cz_test_load(source);
    assert_ok(cz_model_save(untouched, plain, false, cz_test_error()));
    struct pruned p = prune_file("unknown_fields_v8.onnx", 0.2);
    assert_ok(cz_model_save(p.model, zeroed, false, cz_test_error()));

    size_t size, other_size;
    char *a = cz_test_file_read(plain, &size);
    char *b = cz_test_file_read(zeroed, &other_size);
    assert_int_equal(size, other_size);
    for (size_t i = 0; i < size; i++) /* a byte is what it was, or a zero */
        assert_true(a[i] == b[i] || b[i] == 0);
    cz_free(a);
    cz_free(b);
    cz_model_free(untouched);
    pruned_free(&p);
    cz_test_folder_remove(folder);
}

static void inspects_without_a_change(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("ties.onnx"));
    struct cz_test_operands before = cz_test_operands_read(model);
    struct cz_prune_report report;
    assert_ok(cz_prune_inspect(model, 0, &report, cz_test_error()));
    struct cz_test_operands after = cz_test_operands_read(model);
    assert_operands_equal(&after, &before);
    assert_int_equal(report.n_layers, 4);
    assert_int_equal(report.weights, 160);
    assert_int_equal(report.zeros, 20);
    assert_int_equal(report.zeros_before, 20);
    cz_prune_report_fini(&report);
    cz_test_operands_fini(&before);
    cz_test_operands_fini(&after);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroes_a_share_rounded_half_to_even),
        cmocka_unit_test(zeroes_the_same_share_of_every_conv_of_a_detector),
        cmocka_unit_test(keeps_every_weight_at_sparsity_zero),
        cmocka_unit_test(sums_up_all_layers),
        cmocka_unit_test(prunes_ties_by_lower_index),
        cmocka_unit_test(leaves_a_layer_alone_that_is_sparser_than_asked_for),
        cmocka_unit_test(counts_existing_zeros_towards_the_share),
        cmocka_unit_test(handles_a_layer_of_zeros_beside_others),
        cmocka_unit_test(arrives_at_the_same_weights_in_two_steps),
        cmocka_unit_test(prunes_convolutions_of_every_kind),
        cmocka_unit_test(prunes_all_storages_of_a_weight_alike),
        cmocka_unit_test(saves_the_zeros_of_every_storage),
        cmocka_unit_test(leaves_biases_and_other_operators_untouched),
        cmocka_unit_test(keeps_unknown_fields_and_all_else_of_the_file),
        cmocka_unit_test(inspects_without_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
