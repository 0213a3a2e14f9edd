/* Load and save without an edit: what comes out is what went in, byte by byte,
 * annotations, functions and unknown fields included; data files go along. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "tests/support/support.h"

/* Data in a folder beside the model: in another folder one new file. */
#define REWRITTEN "external_folder.onnx"

static bool is_model(const char *name)
{
    size_t length = strlen(name);
    return length > 5 && strcmp(name + length - 5, ".onnx") == 0;
}

static void save_copy(const char *from, const char *to)
{
    struct cz_model *model = cz_test_load(from);
    assert_ok(cz_model_save(model, to, false, cz_test_error()));
    cz_model_free(model);
}

/* "x.onnx" in a new folder and its data files equal those at `path`. */
static void check_copy(const char *path)
{
    char *folder = cz_test_folder_new();
    char *copy = strdup(cz_test_path(folder, "x.onnx"));
    save_copy(path, copy);
    assert_files_equal(path, copy);
    free(copy);
    cz_test_folder_remove(folder);
}

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        count += entry->d_name[0] != '.';
    closedir(d);
    return count;
}

static void saves_every_model_as_it_was(void **state)
{
    (void)state;
    size_t compared = 0;
    DIR *folder = opendir(getenv("MODELS"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!is_model(entry->d_name) || strcmp(entry->d_name, REWRITTEN) == 0)
            continue;
        check_copy(cz_test_model(entry->d_name));
        compared++;
    }
    closedir(folder);
    assert_true(compared > 80);
}

static void saves_yolov8n_as_it_was(void **state)
{
    (void)state;
    check_copy(cz_test_shared("models/yolov8n.onnx"));
}

static void saves_yolov5n_as_it_was(void **state)
{
    (void)state;
    check_copy(cz_test_shared("models/yolov5n.onnx"));
}

static void saves_yolox_nano_as_it_was(void **state)
{
    (void)state;
    check_copy(cz_test_shared("models/yolox_nano.onnx"));
}

static void saves_the_same_after_inference(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_model("tiny_v8_opset17.onnx");
    const char *copy = cz_test_path(folder, "x.onnx");
    struct cz_model *model = cz_test_load(path);
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_model_save(model, copy, false, cz_test_error()));
    assert_files_equal(path, copy);
    cz_model_free(model);
    cz_test_folder_remove(folder);
}

/* ---- external data ---------------------------------------------------- */

static void copies_data_files_to_another_folder(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    save_copy(cz_test_model("external_no_length.onnx"),
              cz_test_path(folder, "x.onnx"));
    assert_files_equal(cz_test_model("external_first.bin"),
                       cz_test_path(folder, "external_first.bin"));
    assert_files_equal(cz_test_model("external.onnx.data"),
                       cz_test_path(folder, "external.onnx.data"));
    assert_int_equal(count_files(folder), 3);
    cz_model_free(cz_test_load(cz_test_path(folder, "x.onnx")));
    cz_test_folder_remove(folder);
}

static void leaves_data_files_alone_in_the_same_folder(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    save_copy(cz_test_model("external.onnx"),
              cz_test_path(folder, "external.onnx"));
    const char *data = cz_test_path(folder, "external.onnx.data");
    struct stat before, after;
    assert_int_equal(stat(data, &before), 0);
    save_copy(cz_test_path(folder, "external.onnx"),
              cz_test_path(folder, "y.onnx"));
    assert_int_equal(stat(data, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(count_files(folder), 3);
    assert_files_equal(cz_test_path(folder, "external.onnx"),
                       cz_test_path(folder, "y.onnx"));
    cz_test_folder_remove(folder);
}

static void gathers_data_of_a_subfolder_into_one_file(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    save_copy(cz_test_model("external_folder.onnx"),
              cz_test_path(folder, "x.onnx"));
    assert_int_equal(count_files(folder), 2);
    assert_true(cz_test_file_exists(cz_test_path(folder, "x.onnx.data")));
    struct cz_model *a = cz_test_load(cz_test_model("external_folder.onnx"));
    struct cz_model *b = cz_test_load(cz_test_path(folder, "x.onnx"));
    static const char *const names[] = {"first", "second"};
    for (size_t i = 0; i < 2; i++) {
        struct cz_elements ea, eb;
        assert_ok(cz_tensor_elements(cz_test_value(a, names[i])->constant, &ea,
                                     cz_test_error()));
        assert_ok(cz_tensor_elements(cz_test_value(b, names[i])->constant, &eb,
                                     cz_test_error()));
        assert_int_equal(ea.count, eb.count);
        assert_memory_equal(ea.data, eb.data, ea.count * 4);
    }
    cz_model_free(a);
    cz_model_free(b);
    cz_test_folder_remove(folder);
}

static void does_not_overwrite_a_data_file_that_exists(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *data = cz_test_path(folder, "external.onnx.data");
    char *path = strdup(cz_test_path(folder, "x.onnx"));
    cz_test_file_write(data, "mine", 4);
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    assert_error(cz_model_save(model, path, false, cz_test_error()), CZ_EINVAL,
                 "external.onnx.data: exists already");
    assert_false(cz_test_file_exists(path));
    assert_int_equal(count_files(folder), 1);
    assert_ok(cz_model_save(model, path, true, cz_test_error()));
    assert_files_equal(cz_test_path(folder, "external.onnx.data"),
                       cz_test_model("external.onnx.data"));
    cz_model_free(model);
    free(path);
    cz_test_folder_remove(folder);
}

static void does_not_overwrite_its_own_data_file(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    save_copy(cz_test_model("external.onnx"),
              cz_test_path(folder, "external.onnx"));
    struct cz_model *model =
        cz_test_load(cz_test_path(folder, "external.onnx"));
    assert_error(cz_model_save(model,
                               cz_test_path(folder, "external.onnx.data"), true,
                               cz_test_error()),
                 CZ_EINVAL, "external.onnx.data");
    cz_model_free(model);
    assert_files_equal(cz_test_model("external.onnx.data"),
                       cz_test_path(folder, "external.onnx.data"));
    cz_test_folder_remove(folder);
}

static void does_not_take_the_name_of_a_data_file_that_goes_along(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    assert_error(cz_model_save(model,
                               cz_test_path(folder, "external.onnx.data"),
                               false, cz_test_error()),
                 CZ_EINVAL, "is the name of the model's external data");
    assert_int_equal(count_files(folder), 0);
    cz_model_free(model);
    cz_test_folder_remove(folder);
}

/* ---- the output file -------------------------------------------------- */

static void overwrites_only_when_it_may(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "x.onnx"));
    cz_test_file_write(path, "mine", 4);
    struct cz_model *model = cz_test_load(cz_test_model("conv1d.onnx"));
    assert_error(cz_model_save(model, path, false, cz_test_error()), CZ_EINVAL,
                 "x.onnx: exists already");
    size_t size;
    char *bytes = cz_test_file_read(path, &size);
    assert_string_equal(bytes, "mine");
    cz_free(bytes);
    assert_ok(cz_model_save(model, path, true, cz_test_error()));
    assert_files_equal(path, cz_test_model("conv1d.onnx"));
    cz_model_free(model);
    free(path);
    cz_test_folder_remove(folder);
}

static void overwrites_the_file_that_it_came_from(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "external.onnx"));
    save_copy(cz_test_model("external.onnx"), path);
    struct cz_model *model = cz_test_load(path);
    assert_ok(cz_model_save(model, path, true, cz_test_error()));
    cz_model_free(model);
    assert_files_equal(path, cz_test_model("external.onnx"));
    assert_files_equal(cz_test_path(folder, "external.onnx.data"),
                       cz_test_model("external.onnx.data"));
    free(path);
    cz_test_folder_remove(folder);
}

static void says_why_it_cannot_save(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("conv1d.onnx"));
    assert_error(
        cz_model_save(model, "/no/such/folder/x.onnx", false, cz_test_error()),
        CZ_EIO, "/no/such/folder/x.onnx");
    assert_error(cz_model_save(model, "/dev/null", true, cz_test_error()),
                 CZ_EINVAL, "/dev/null: is not a regular file");
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saves_every_model_as_it_was),
        cmocka_unit_test(saves_yolov8n_as_it_was),
        cmocka_unit_test(saves_yolov5n_as_it_was),
        cmocka_unit_test(saves_yolox_nano_as_it_was),
        cmocka_unit_test(saves_the_same_after_inference),
        cmocka_unit_test(copies_data_files_to_another_folder),
        cmocka_unit_test(leaves_data_files_alone_in_the_same_folder),
        cmocka_unit_test(gathers_data_of_a_subfolder_into_one_file),
        cmocka_unit_test(does_not_overwrite_a_data_file_that_exists),
        cmocka_unit_test(does_not_overwrite_its_own_data_file),
        cmocka_unit_test(does_not_take_the_name_of_a_data_file_that_goes_along),
        cmocka_unit_test(overwrites_only_when_it_may),
        cmocka_unit_test(overwrites_the_file_that_it_came_from),
        cmocka_unit_test(says_why_it_cannot_save),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
