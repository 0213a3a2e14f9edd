/* Every allocation fails once: the work then ends with CZ_ENOMEM, frees what
 * it had (the address sanitizer looks) and leaves no file. */
#include <dirent.h>

#include "core/alloc.h"
#include "prune/prune.h"
#include "quant/quant.h"
#include "tests/support/support.h"

/* More than any of the models asks for. */
#define ALLOCATIONS_MAX 100000

static enum cz_status edit(struct cz_model *model, struct cz_error *err)
{
    struct cz_prune_options prune = CZ_PRUNE_OPTIONS_INIT;
    struct cz_fp16_options half = CZ_FP16_OPTIONS_INIT;
    struct cz_prune_report prune_report;
    struct cz_fp16_report half_report;
    struct cz_stats stats;
    CZ_TRY(cz_graph_infer(cz_model_graph(model), err));
    cz_model_count(&stats, model);
    prune.sparsity = .3;
    prune.threads = 1;
    enum cz_status status = cz_prune_l1(model, &prune, &prune_report, err);
    cz_prune_report_fini(&prune_report);
    CZ_TRY(status);
    return cz_fp16_convert(model, &half, &half_report, err);
}

static enum cz_status run(const char *from, const char *to, bool edited,
                          struct cz_error *err)
{
    struct cz_model *model;
    CZ_TRY(cz_model_load(&model, from, err));
    enum cz_status status = edited ? edit(model, err) : CZ_OK;
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

static void check_model(const char *name, bool edited)
{
    char *folder = cz_test_folder_new();
    const char *from = cz_test_model(name);
    const char *to = cz_test_path(folder, "x.onnx");
    enum cz_status status = CZ_ENOMEM;
    size_t nth = 0;
    while (status != CZ_OK && nth < ALLOCATIONS_MAX) {
        struct cz_error err = CZ_ERROR_INIT;
        cz_alloc_fail_at(++nth);
        status = run(from, to, edited, &err);
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
    check_model("tiny_v8_opset12.onnx", true);
}

static void survives_with_weights_in_typed_fields_and_constants(void **state)
{
    (void)state;
    check_model("storage_float32_typed.onnx", true);
    check_model("storage_constant_floats.onnx", true);
    check_model("constant_forms.onnx", true);
}

static void survives_with_external_data(void **state)
{
    (void)state;
    check_model("external.onnx", true);
    check_model("external_constant.onnx", true);
}

static void survives_when_it_copies_data_files(void **state)
{
    (void)state;
    check_model("external_no_length.onnx", false);
    check_model("external_folder.onnx", false);
}

static void survives_with_subgraphs(void **state)
{
    (void)state;
    check_model("if_captures_outer.onnx", true);
    check_model("loop.onnx", true);
    check_model("nested_if.onnx", true);
}

static void survives_with_every_kind_of_attribute(void **state)
{
    (void)state;
    check_model("every_attribute.onnx", true);
}

static void survives_with_constants_of_two_kinds_of_readers(void **state)
{
    (void)state;
    check_model("shared_scale.onnx", true);
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
        cmocka_unit_test(survives_in_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
