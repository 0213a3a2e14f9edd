/* Bad files: which step refuses each of them, with which code, and that the
 * message names the file and what is wrong. */
#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "prune/prune.h"
#include "quant/quant.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

enum stage { LOAD, CHECK, INFER, PRUNE, HALF, DONE };

static const char *const stage_names[] = {"cz_model_load",   "cz_model_check",
                                          "cz_graph_infer",  "cz_prune_l1",
                                          "cz_fp16_convert", "nothing"};

struct row {
    const char *file; /* in $MODELS/bad */
    enum stage stage; /* the first step that refuses it */
    enum cz_status status;
    const char *text; /* part of the message */
};

static const struct row rows[] = {
    /* No ONNX file. */
    {"empty.onnx", LOAD, CZ_EPARSE, "is empty"},
    {"truncated.onnx", LOAD, CZ_EPARSE, "cut short"},
    {"truncated_tail.onnx", LOAD, CZ_EPARSE, "cut short"},
    {"photo.jpg", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"random.onnx", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"text.onnx", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"archive.onnx", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"directory.onnx", LOAD, CZ_EPARSE, "is not a regular file"},
    /* Model and graph. */
    {"no_graph.onnx", LOAD, CZ_EPARSE, "it has no graph"},
    {"no_nodes.onnx", LOAD, CZ_EPARSE, "output 'y' is not defined"},
    {"no_opset.onnx", LOAD, CZ_EPARSE, "imports no ONNX operator set"},
    {"two_opsets.onnx", LOAD, CZ_EPARSE, "two ONNX operator sets: 17 and 13"},
    {"opset99.onnx", LOAD, CZ_EUNSUPPORTED, "opset 99 is not supported"},
    {"opset8.onnx", LOAD, CZ_EUNSUPPORTED, "opset 8 is not supported"},
    {"undefined_input.onnx", LOAD, CZ_EPARSE,
     "Conv 'Conv': input 'weight' is not defined"},
    {"undefined_output.onnx", LOAD, CZ_EPARSE,
     "output 'nowhere' is not defined"},
    {"no_output.onnx", LOAD, CZ_EPARSE, "its graph has no outputs"},
    {"cycle.onnx", LOAD, CZ_EPARSE,
     "Add 'first': is part of a cycle through 'b'"},
    {"unsorted.onnx", LOAD, CZ_EPARSE, "not in topological order"},
    {"self_loop.onnx", LOAD, CZ_EPARSE, "Add 'a': is part of a cycle"},
    {"duplicate_output.onnx", LOAD, CZ_EPARSE, "'y' is defined twice"},
    {"duplicate_initializer.onnx", LOAD, CZ_EPARSE,
     "initializer 'weight' is defined twice"},
    {"output_overwrites_input.onnx", LOAD, CZ_EPARSE,
     "'images' is defined twice"},
    {"no_import_for_domain.onnx", LOAD, CZ_EPARSE,
     "does not import the operator set 'com.example'"},
    {"deep_subgraphs.onnx", LOAD, CZ_EPARSE, "protobuf cannot parse it"},
    {"unknown_operator.onnx", CHECK, CZ_EPARSE, "Sigmoidal"},
    /* Names. */
    {"name_nul.onnx", LOAD, CZ_EPARSE, "name 'stem...' has a NUL byte"},
    {"value_nul.onnx", LOAD, CZ_EPARSE, "name 'x...' has a NUL byte"},
    {"name_not_utf8.onnx", LOAD, CZ_EPARSE, "input 'weight' is not defined"},
    {"name_escape.onnx", LOAD, CZ_EPARSE, "input 'weight' is not defined"},
    {"name_long.onnx", LOAD, CZ_EPARSE, "input 'weight' is not defined"},
    /* Tensors. */
    {"raw_too_short.onnx", LOAD, CZ_ESHAPE,
     "tensor 'weight': 108 float32 elements need 432 bytes, the file has 428"},
    {"raw_too_long.onnx", LOAD, CZ_ESHAPE, "need 432 bytes, the file has 436"},
    {"raw_odd_size.onnx", LOAD, CZ_ESHAPE, "need 432 bytes, the file has 431"},
    {"no_data.onnx", LOAD, CZ_ESHAPE, "need 108 values, the file has 0"},
    {"typed_too_short.onnx", LOAD, CZ_ESHAPE,
     "need 108 values, the file has 107"},
    {"typed_wrong_field.onnx", LOAD, CZ_ESHAPE,
     "need 108 values, the file has 0"},
    {"raw_and_typed.onnx", CHECK, CZ_EPARSE, "weight"},
    {"negative_dim.onnx", LOAD, CZ_ESHAPE,
     "tensor 'weight': dimension 1 is -3"},
    {"dim_too_large.onnx", LOAD, CZ_ESHAPE, "dimension 0 is 8589934592"},
    {"dims_overflow.onnx", LOAD, CZ_ESHAPE, "dimensions overflows"},
    {"bytes_overflow.onnx", LOAD, CZ_ESHAPE, "dimensions overflows"},
    {"dims_absurd.onnx", LOAD, CZ_ESHAPE, "the file has 432"},
    {"dims_absurd_no_data.onnx", LOAD, CZ_ESHAPE, "the file has 0"},
    {"zero_dim.onnx", INFER, CZ_ESHAPE, "0 channels"},
    {"dtype99.onnx", LOAD, CZ_EUNSUPPORTED, "data type 99 is not known"},
    {"dtype_undefined.onnx", LOAD, CZ_EUNSUPPORTED, "data type 0 is not known"},
    {"weight_int64.onnx", INFER, CZ_ESHAPE, "weight is int64"},
    {"weight_nan.onnx", PRUNE, CZ_EINVAL, "weight 50 is NaN"},
    {"weight_inf.onnx", PRUNE, CZ_EINVAL, "weight 50 is infinite"},
    {"weight_minus_inf.onnx", PRUNE, CZ_EINVAL, "weight 50 is infinite"},
    /* Conv. */
    {"conv_stride_zero.onnx", INFER, CZ_ESHAPE, "'strides' is 0"},
    {"conv_stride_negative.onnx", INFER, CZ_ESHAPE, "'strides' is -1"},
    {"conv_dilation_zero.onnx", INFER, CZ_ESHAPE, "'dilations' is 0"},
    {"conv_group_zero.onnx", INFER, CZ_ESHAPE, "group is 0"},
    {"conv_group_mismatch.onnx", INFER, CZ_ESHAPE, "3 x 2 groups"},
    {"conv_kernel_mismatch.onnx", INFER, CZ_ESHAPE,
     "kernel_shape says 5, the weight 3"},
    {"conv_kernel_rank.onnx", INFER, CZ_ESHAPE,
     "'kernel_shape' has 1 numbers, want 2"},
    {"conv_pads_short.onnx", INFER, CZ_ESHAPE, "'pads' has 2 numbers, want 4"},
    {"conv_weight_rank.onnx", INFER, CZ_ESHAPE, "weight has 1 dims"},
    {"conv_channels_mismatch.onnx", INFER, CZ_ESHAPE, "Conv 'Conv'"},
    {"conv_no_weight.onnx", CHECK, CZ_EPARSE, "Conv"},
    {"conv_no_input.onnx", CHECK, CZ_EPARSE, "Conv"},
    {"conv_no_output.onnx", CHECK, CZ_EPARSE, "Conv_1"},
    {"conv_100k_inputs.onnx", CHECK, CZ_EPARSE, "100003"},
    {"attribute_wrong_type.onnx", CHECK, CZ_EPARSE, "group"},
    {"attribute_no_tensor.onnx", LOAD, CZ_EPARSE, "'value' has no value"},
    {"duplicate_attribute.onnx", CHECK, CZ_EPARSE, "group"},
    /* Valid, but not for pruning or float16. */
    {"no_conv.onnx", PRUNE, CZ_EINVAL, "no Conv to prune"},
    {"already_pruned.onnx", PRUNE, CZ_EINVAL, "pruned already"},
    {"already_fp16.onnx", HALF, CZ_EINVAL, "float16 already"},
    /* External data. */
    {"external_missing.onnx", LOAD, CZ_EIO, "'nowhere.bin': No such file"},
    {"external_short.onnx", LOAD, CZ_EPARSE, "has 860 bytes, want 864"},
    {"external_beyond.onnx", LOAD, CZ_EPARSE, "from byte 1000000 on"},
    {"external_climbs.onnx", LOAD, CZ_EPARSE,
     "'../../etc/passwd' is not inside the model's folder"},
    {"external_climbs_within.onnx", LOAD, CZ_EPARSE, "is not inside"},
    {"external_absolute.onnx", LOAD, CZ_EPARSE, "'/etc/passwd' is not inside"},
    {"external_negative_offset.onnx", LOAD, CZ_EPARSE, "offset '-1'"},
    {"external_negative_length.onnx", LOAD, CZ_EPARSE, "length '-864'"},
    {"external_offset_overflow.onnx", LOAD, CZ_EPARSE,
     "offset '18446744073709551615'"},
    {"external_offset_huge.onnx", LOAD, CZ_EPARSE,
     "from byte 9223372036854775807 on"},
    {"external_offset_text.onnx", LOAD, CZ_EPARSE, "offset 'abc'"},
    {"external_length_wrong.onnx", LOAD, CZ_ESHAPE,
     "216 float32 elements need 864 bytes, its external data has 860"},
    {"external_folder.onnx", LOAD, CZ_EIO, "is not a regular file"},
    {"external_link.onnx", LOAD, CZ_EIO, "is a symbolic link"},
    {"external_no_location.onnx", LOAD, CZ_EPARSE, "location '' is not"},
    {"external_device.onnx", LOAD, CZ_EIO, "'.': is not a regular file"},
    /* What the files above refer to: no models either. */
    {"data.bin", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"data_short.bin", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"data_link.bin", LOAD, CZ_EPARSE, "not an ONNX file"},
    {"data_folder", LOAD, CZ_EPARSE, "is not a regular file"},
};

#define N_ROWS (sizeof rows / sizeof *rows)

static enum cz_status prune(struct cz_model *model, struct cz_error *err)
{
    struct cz_prune_options options = CZ_PRUNE_OPTIONS_INIT;
    struct cz_prune_report report;
    options.sparsity = .05;
    enum cz_status status = cz_prune_l1(model, &options, &report, err);
    cz_prune_report_fini(&report);
    return status;
}

static enum cz_status convert(struct cz_model *model, struct cz_error *err)
{
    struct cz_fp16_options options = CZ_FP16_OPTIONS_INIT;
    struct cz_fp16_report report;
    return cz_fp16_convert(model, &options, &report, err);
}

/* Takes a file as far as it goes, as the command does. */
static enum stage refuse(const char *path, enum cz_status *status,
                         struct cz_error *err)
{
    struct cz_model *model;
    bool checked;
    enum stage stage = DONE;
    *status = cz_model_load(&model, path, err);
    if (*status != CZ_OK)
        return LOAD;
    if ((*status = cz_model_check(model, &checked, err)) != CZ_OK)
        stage = CHECK;
    else if ((*status = cz_graph_infer(cz_model_graph(model), err)) != CZ_OK)
        stage = INFER;
    else if ((*status = prune(model, err)) != CZ_OK)
        stage = PRUNE;
    else if ((*status = convert(model, err)) != CZ_OK)
        stage = HALF;
    cz_model_free(model);
    return stage;
}

static void check_row(const struct row *row)
{
    char name[256];
    enum cz_status status;
    struct cz_error err = CZ_ERROR_INIT;
    snprintf(name, sizeof name, "bad/%s", row->file);
    enum stage stage = refuse(cz_test_model(name), &status, &err);
    if (stage != row->stage)
        fail_msg("%s: refused by %s, want %s: %s", row->file,
                 stage_names[stage], stage_names[row->stage], err.message);
    if (status != row->status || err.code != status)
        fail_msg("%s: status %d, code %d, want %d: %s", row->file, status,
                 err.code, row->status, err.message);
    /* Pruning and conversion know no files: app/ puts the name before it. */
    if (stage < PRUNE && !strstr(err.message, name))
        fail_msg("%s: file not named: %s", row->file, err.message);
    if (!strstr(err.message, row->text))
        fail_msg("%s: want '%s' in: %s", row->file, row->text, err.message);
}

static void refuses_every_bad_file_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ROWS; i++)
        check_row(&rows[i]);
}

static bool is_in_table(const char *file)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].file, file) == 0)
            return true;
    return false;
}

static void has_a_row_for_every_bad_file(void **state)
{
    (void)state;
    size_t found = 0;
    DIR *folder = opendir(cz_test_model("bad"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        if (!is_in_table(entry->d_name))
            fail_msg("bad/%s: what is wrong with it?", entry->d_name);
        found++;
    }
    closedir(folder);
    assert_int_equal(found, N_ROWS);
}

static void refuses_files_that_are_not_there_or_no_files(void **state)
{
    (void)state;
    struct cz_model *model;
    char *folder = cz_test_folder_new();
    const char *fifo = cz_test_path(folder, "fifo.onnx");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_error(cz_model_load(&model, "/no/such/model.onnx", cz_test_error()),
                 CZ_EIO, "/no/such/model.onnx: No such file");
    assert_error(cz_model_load(&model, fifo, cz_test_error()), CZ_EPARSE,
                 "fifo.onnx: is not a regular file");
    assert_error(cz_model_load(&model, "", cz_test_error()), CZ_EIO,
                 "No such file");
    cz_test_folder_remove(folder);
}

static void refuses_every_truncation_of_a_model(void **state)
{
    (void)state;
    size_t size, accepted = 0;
    char *bytes =
        cz_test_file_read(cz_test_model("if_captures_outer.onnx"), &size);
    for (size_t cut = 0; cut < size; cut++) {
        struct cz_model *model;
        struct cz_error err = CZ_ERROR_INIT;
        if (cz_model_parse(&model, bytes, cut, "cut", NULL, &err) == CZ_OK) {
            cz_model_free(model);
            accepted++;
            continue;
        }
        assert_int_not_equal(err.code, CZ_OK);
        assert_int_equal(strncmp(err.message, "cut: ", 5), 0);
    }
    assert_int_equal(accepted, 0);
    cz_free(bytes);
}

static void refuses_external_data_without_a_folder(void **state)
{
    (void)state;
    size_t size;
    struct cz_model *model;
    char *bytes = cz_test_file_read(cz_test_model("external.onnx"), &size);
    assert_error(
        cz_model_parse(&model, bytes, size, "memory", NULL, cz_test_error()),
        CZ_EUNSUPPORTED, "memory: tensor 'first': external data");
    cz_free(bytes);
}

static void refuses_dimensions_out_of_range_in_declarations(void **state)
{
    (void)state;
    struct cz_model *model;
    assert_error(cz_test_graph_try(&model, "in x f32[1,-5]; y = Relu(x); out y",
                                   cz_test_error()),
                 CZ_ESHAPE, "text: 'x': dimension 1 is -5");
    assert_error(cz_test_graph_try(&model,
                                   "in x f32[2147483648]; y = Relu(x); out y",
                                   cz_test_error()),
                 CZ_ESHAPE, "dimension 0 is 2147483648");
}

static void refuses_outputs_that_are_listed_twice(void **state)
{
    (void)state;
    struct cz_model *model;
    assert_error(cz_test_graph_try(&model,
                                   "in x f32[1]; y = Relu(x); out y; out y",
                                   cz_test_error()),
                 CZ_EPARSE, "text: output 'y' is listed twice");
}

static void finds_long_cycles(void **state)
{
    (void)state;
    struct cz_model *model;
    assert_error(cz_test_graph_try(&model,
                                   "in x f32[1]; a = Add(x, d); b = Relu(a);"
                                   "c = Relu(b); d = Relu(c); out d",
                                   cz_test_error()),
                 CZ_EPARSE, "Add 'a': is part of a cycle through 'd'");
    assert_error(cz_test_graph_try(&model,
                                   "in x f32[1]; a = Add(x, b); b = Relu(x);"
                                   "out a",
                                   cz_test_error()),
                 CZ_EPARSE, "Add 'a': reads 'b', which a later node makes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_bad_file_and_says_why),
        cmocka_unit_test(has_a_row_for_every_bad_file),
        cmocka_unit_test(refuses_files_that_are_not_there_or_no_files),
        cmocka_unit_test(refuses_every_truncation_of_a_model),
        cmocka_unit_test(refuses_external_data_without_a_folder),
        cmocka_unit_test(refuses_dimensions_out_of_range_in_declarations),
        cmocka_unit_test(refuses_outputs_that_are_listed_twice),
        cmocka_unit_test(finds_long_cycles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
