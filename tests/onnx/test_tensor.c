/* Tensors: elements of every storage and type, float16 in every storage, and
 * external data that is edited, saved and read back. */
#include <stdlib.h>

#include "core/half.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

#define WEIGHTS 216 /* of the storage_* models */

static struct cz_elements elements_of(struct cz_tensor *tensor)
{
    struct cz_elements elements;
    assert_ok(cz_tensor_elements(tensor, &elements, cz_test_error()));
    return elements;
}

/* The tensor behind the weight of the model's only Conv. */
static struct cz_tensor *conv_weight(struct cz_model *model)
{
    struct cz_value *value;
    struct cz_graph *graph = cz_model_graph(model);
    struct cz_tensor *tensor =
        cz_node_weight(graph->nodes[graph->n_nodes - 1], &value);
    assert_non_null(tensor);
    return tensor;
}

static void sees_the_same_weights_in_every_storage(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum cz_storage storage;
        enum cz_dtype dtype;
        size_t stride;
    } rows[] = {
        {"storage_float32_raw.onnx", CZ_STORAGE_RAW, CZ_DTYPE_FLOAT, 4},
        {"storage_float32_typed.onnx", CZ_STORAGE_TYPED, CZ_DTYPE_FLOAT, 4},
        {"storage_float16_raw.onnx", CZ_STORAGE_RAW, CZ_DTYPE_FLOAT16, 2},
        {"storage_float16_typed.onnx", CZ_STORAGE_TYPED, CZ_DTYPE_FLOAT16, 4},
        {"storage_bfloat16_raw.onnx", CZ_STORAGE_RAW, CZ_DTYPE_BFLOAT16, 2},
        {"storage_bfloat16_typed.onnx", CZ_STORAGE_TYPED, CZ_DTYPE_BFLOAT16, 4},
        {"storage_double_raw.onnx", CZ_STORAGE_RAW, CZ_DTYPE_DOUBLE, 8},
        {"storage_double_typed.onnx", CZ_STORAGE_TYPED, CZ_DTYPE_DOUBLE, 8},
        {"storage_constant_value.onnx", CZ_STORAGE_RAW, CZ_DTYPE_FLOAT, 4},
        {"storage_constant_floats.onnx", CZ_STORAGE_ATTR, CZ_DTYPE_FLOAT, 4},
        {"storage_reshaped.onnx", CZ_STORAGE_RAW, CZ_DTYPE_FLOAT, 4},
    };
    struct cz_model *first = cz_test_load(cz_test_model(rows[0].file));
    struct cz_elements want = elements_of(conv_weight(first));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_load(cz_test_model(rows[i].file));
        assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
        struct cz_tensor *tensor = conv_weight(model);
        struct cz_elements got = elements_of(tensor);
        assert_int_equal(tensor->storage, rows[i].storage);
        assert_int_equal(got.dtype, rows[i].dtype);
        assert_int_equal(got.stride, rows[i].stride);
        assert_int_equal(got.count, WEIGHTS);
        for (size_t k = 0; k < WEIGHTS; k++)
            if (cz_elements_get(&got, k) != cz_elements_get(&want, k))
                fail_msg("%s: weight %zu is %g, want %g", rows[i].file, k,
                         cz_elements_get(&got, k), cz_elements_get(&want, k));
        cz_model_free(model);
    }
    assert_true(cz_elements_get(&want, 0) != cz_elements_get(&want, 1));
    cz_model_free(first);
}

static void reads_integers_of_every_width(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "const a i8[2] -128 127; const b u8[2] 0 255; const d i32[2] -7 65536;"
        "const e i64[2] -3 4611686018427387904; const f bool[2] 0 1;"
        "const g bf16[2] 1.5 -2; const h f64[2] 0.1 -3; in x f32[1];"
        "y = Relu(x); out y");
    static const struct {
        const char *name;
        double first, second;
    } rows[] = {
        {"a", -128, 127}, {"b", 0, 255},  {"d", -7, 65536}, {"e", -3, 0x1p62},
        {"f", 0, 1},      {"g", 1.5, -2}, {"h", .1, -3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_elements e =
            elements_of(cz_test_value(model, rows[i].name)->constant);
        assert_true(cz_elements_get(&e, 0) == rows[i].first);
        assert_true(cz_elements_get(&e, 1) == rows[i].second);
    }
    cz_model_free(model);
}

static void knows_names_and_sizes_of_types(void **state)
{
    (void)state;
    assert_string_equal(cz_dtype_name(CZ_DTYPE_FLOAT), "float32");
    assert_string_equal(cz_dtype_name(CZ_DTYPE_FLOAT4E2M1), "float4e2m1");
    assert_string_equal(cz_dtype_name((enum cz_dtype)99), "unknown");
    assert_string_equal(cz_dtype_name((enum cz_dtype) - 1), "unknown");
    assert_int_equal(cz_dtype_bits(CZ_DTYPE_COMPLEX128), 128);
    assert_int_equal(cz_dtype_bits(CZ_DTYPE_INT4), 4);
    assert_int_equal(cz_dtype_bits(CZ_DTYPE_STRING), 0);
    assert_int_equal(cz_dtype_bits((enum cz_dtype)99), 0);
    assert_true(cz_dtype_is_float(CZ_DTYPE_BFLOAT16));
    assert_false(cz_dtype_is_float(CZ_DTYPE_INT32));
}

/* ---- Constant nodes --------------------------------------------------- */

static void sees_plain_numbers_of_constant_nodes(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "a = Constant() value_float=0.5; b = Constant() value_floats=[1.5,2.5];"
        "c = Constant() value_int=-7; d = Constant() value_ints=[1,2,3];"
        "in x f32[1]; y = Relu(x); out y");
    static const struct {
        const char *name, *type;
        double last;
    } rows[] = {
        {"a", "float32[]", .5},
        {"b", "float32[2]", 2.5},
        {"c", "int64[]", -7},
        {"d", "int64[3]", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_tensor *tensor = cz_test_value(model, rows[i].name)->constant;
        assert_non_null(tensor);
        struct cz_elements e = elements_of(tensor);
        assert_string_equal(cz_test_type(model, rows[i].name), rows[i].type);
        assert_true(cz_elements_get(&e, e.count - 1) == rows[i].last);
    }
    cz_model_free(model);
}

static void has_no_constant_for_texts_and_computed_values(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("a = Constant() value_string=\"text\"; const s i64[1] 2;"
                      "b = ConstantOfShape(s); out b");
    assert_null(cz_test_value(model, "a")->constant);
    assert_null(cz_test_value(model, "b")->constant);
    cz_model_free(model);
}

/* ---- float16 ---------------------------------------------------------- */

/* Converts the Conv weight of a model, saves, loads, and compares every
 * element with what core/half.h says of it. */
static void check_half(const char *file)
{
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "half.onnx"));
    struct cz_model *model = cz_test_load(cz_test_model(file));
    struct cz_tensor *tensor = conv_weight(model);
    struct cz_elements e = elements_of(tensor);
    float *before = calloc(e.count, sizeof *before);
    struct cz_half_counts counts = {0};
    assert_non_null(before);
    for (size_t i = 0; i < e.count; i++)
        before[i] = (float)cz_elements_get(&e, i);
    assert_ok(cz_tensor_to_half(tensor, &counts, cz_test_error()));
    assert_int_equal(tensor->dtype, CZ_DTYPE_FLOAT16);
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);

    model = cz_test_load(path);
    tensor = conv_weight(model);
    assert_int_equal(tensor->dtype, CZ_DTYPE_FLOAT16);
    e = elements_of(tensor);
    for (size_t i = 0; i < e.count; i++) {
        uint16_t want = cz_half_from_float(before[i]);
        assert_true(cz_elements_get(&e, i) == (double)cz_half_to_float(want));
    }
    cz_model_free(model);
    free(before);
    free(path);
    cz_test_folder_remove(folder);
}

static void becomes_half_in_raw_data(void **state)
{
    (void)state;
    check_half("storage_float32_raw.onnx");
}

static void becomes_half_in_a_typed_field(void **state)
{
    (void)state;
    check_half("storage_float32_typed.onnx");
}

static void becomes_half_in_a_constant_node(void **state)
{
    (void)state;
    check_half("storage_constant_value.onnx");
}

static void becomes_half_in_a_list_of_floats(void **state)
{
    (void)state;
    check_half("storage_constant_floats.onnx");
}

static void becomes_half_in_external_data(void **state)
{
    (void)state;
    check_half("external.onnx");
    check_half("external_folder.onnx");
    check_half("external_constant.onnx");
}

static void becomes_half_as_a_single_float(void **state)
{
    (void)state;
    struct cz_half_counts counts = {0};
    struct cz_model *model =
        cz_test_graph("a = Constant() value_float=0.1; out a");
    struct cz_tensor *tensor = cz_test_value(model, "a")->constant;
    assert_ok(cz_tensor_to_half(tensor, &counts, cz_test_error()));
    struct cz_elements e = elements_of(tensor);
    assert_int_equal(e.count, 1);
    assert_int_equal(tensor->rank, 0);
    assert_true(cz_elements_get(&e, 0) ==
                (double)cz_half_to_float(cz_half_from_float(.1F)));
    cz_model_free(model);
}

static void counts_what_float16_cannot_hold(void **state)
{
    (void)state;
    struct cz_half_counts counts = {0};
    struct cz_model *model = cz_test_graph(
        "const a f32[7] 1e5 -7e4 65504 1e-9 -1e-9 0 1; in x f32[7];"
        "y = Add(x, a); out y");
    struct cz_tensor *tensor = cz_test_value(model, "a")->constant;
    assert_ok(cz_tensor_to_half(tensor, &counts, cz_test_error()));
    assert_int_equal(counts.clamped, 2);
    assert_int_equal(counts.raised, 2);
    assert_int_equal(counts.nan + counts.infinite, 0);
    struct cz_elements e = elements_of(tensor);
    assert_true(cz_elements_get(&e, 1) == -65504);
    assert_true(cz_elements_get(&e, 4) == -0x1p-24);
    assert_error(cz_tensor_to_half(tensor, &counts, cz_test_error()),
                 CZ_EINTERNAL, "'a' is not float32");
    cz_model_free(model);
}

static void becomes_half_without_elements(void **state)
{
    (void)state;
    struct cz_half_counts counts = {0};
    struct cz_model *model = cz_test_graph("const a f32[0,3]; in x f32[0,3];"
                                           "y = Add(x, a); out y");
    struct cz_tensor *tensor = cz_test_value(model, "a")->constant;
    assert_ok(cz_tensor_to_half(tensor, &counts, cz_test_error()));
    assert_int_equal(tensor->dtype, CZ_DTYPE_FLOAT16);
    cz_model_free(model);
}

/* ---- external data ---------------------------------------------------- */

static void saves_edited_external_data_beside_the_model(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "edited.onnx"));
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    struct cz_tensor *first = cz_test_value(model, "first")->constant;
    struct cz_tensor *second = cz_test_value(model, "second")->constant;
    struct cz_elements e = elements_of(first);
    double other = cz_elements_get(&e, 6);
    struct cz_elements s = elements_of(second);
    double kept = cz_elements_get(&s, s.count - 1);
    float number = 42;
    memcpy((char *)e.data + 5 * e.stride, &number, sizeof number);
    cz_tensor_touch(first);
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);

    assert_true(cz_test_file_exists(cz_test_path(folder, "edited.onnx.data")));
    assert_false(
        cz_test_file_exists(cz_test_path(folder, "external.onnx.data")));
    model = cz_test_load(path);
    e = elements_of(cz_test_value(model, "first")->constant);
    assert_true(cz_elements_get(&e, 5) == 42);
    assert_true(cz_elements_get(&e, 6) == other);
    s = elements_of(cz_test_value(model, "second")->constant);
    assert_true(cz_elements_get(&s, s.count - 1) == kept);
    cz_model_free(model);
    free(path);
    cz_test_folder_remove(folder);
}

static void saves_edited_external_data_twice(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    struct cz_tensor *first = cz_test_value(model, "first")->constant;
    struct cz_elements e = elements_of(first);
    float number = 42;
    memcpy(e.data, &number, sizeof number);
    cz_tensor_touch(first);
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "b.onnx" : "a.onnx";
        assert_ok(cz_model_save(model, cz_test_path(folder, name), false,
                                cz_test_error()));
        struct cz_model *copy = cz_test_load(cz_test_path(folder, name));
        struct cz_elements c =
            elements_of(cz_test_value(copy, "first")->constant);
        assert_true(cz_elements_get(&c, 0) == 42);
        cz_model_free(copy);
    }
    assert_true(cz_test_file_exists(cz_test_path(folder, "b.onnx.data")));
    cz_model_free(model);
    cz_test_folder_remove(folder);
}

static void replaces_the_data_file_that_it_reads(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "external.onnx"));
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);

    model = cz_test_load(path);
    struct cz_tensor *first = cz_test_value(model, "first")->constant;
    struct cz_elements e = elements_of(first);
    float number = 42;
    memcpy(e.data, &number, sizeof number);
    cz_tensor_touch(first);
    assert_ok(cz_model_save(model, path, true, cz_test_error()));
    cz_model_free(model);

    struct cz_model *again = cz_test_load(path);
    struct cz_model *before = cz_test_load(cz_test_model("external.onnx"));
    e = elements_of(cz_test_value(again, "first")->constant);
    assert_true(cz_elements_get(&e, 0) == 42);
    e = elements_of(cz_test_value(again, "second")->constant);
    struct cz_elements old =
        elements_of(cz_test_value(before, "second")->constant);
    assert_memory_equal(e.data, old.data, old.count * old.stride);
    cz_model_free(again);
    cz_model_free(before);
    free(path);
    cz_test_folder_remove(folder);
}

static void notices_a_data_file_that_shrank(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *path = strdup(cz_test_path(folder, "external.onnx"));
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);
    model = cz_test_load(path);
    cz_test_file_write(cz_test_path(folder, "external.onnx.data"), "x", 1);
    struct cz_elements e;
    assert_error(cz_tensor_elements(cz_test_value(model, "first")->constant, &e,
                                    cz_test_error()),
                 CZ_EPARSE, "'external.onnx.data' has 1 bytes");
    cz_model_free(model);
    free(path);
    cz_test_folder_remove(folder);
}

static void refuses_elements_that_were_dropped(void **state)
{
    (void)state;
    static const char *const files[] = {"storage_float32_raw.onnx",
                                        "storage_float32_typed.onnx",
                                        "storage_double_typed.onnx"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct cz_model *model = cz_test_load(cz_test_model(files[i]));
        struct cz_elements elements;
        cz_tensor_drop(conv_weight(model));
        assert_error(
            cz_tensor_elements(conv_weight(model), &elements, cz_test_error()),
            CZ_EINVAL, "was dropped");
        cz_model_free(model);
    }
}

static void reads_dropped_elements_of_a_file_anew(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_load(cz_test_model("external.onnx"));
    struct cz_tensor *tensor = conv_weight(model);
    struct cz_elements elements = elements_of(tensor);
    const double first = cz_elements_get(&elements, 0);
    cz_tensor_drop(tensor);
    elements = elements_of(tensor);
    assert_true(cz_elements_get(&elements, 0) == first);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_the_same_weights_in_every_storage),
        cmocka_unit_test(reads_integers_of_every_width),
        cmocka_unit_test(knows_names_and_sizes_of_types),
        cmocka_unit_test(sees_plain_numbers_of_constant_nodes),
        cmocka_unit_test(has_no_constant_for_texts_and_computed_values),
        cmocka_unit_test(becomes_half_in_raw_data),
        cmocka_unit_test(becomes_half_in_a_typed_field),
        cmocka_unit_test(becomes_half_in_a_constant_node),
        cmocka_unit_test(becomes_half_in_a_list_of_floats),
        cmocka_unit_test(becomes_half_in_external_data),
        cmocka_unit_test(becomes_half_as_a_single_float),
        cmocka_unit_test(counts_what_float16_cannot_hold),
        cmocka_unit_test(becomes_half_without_elements),
        cmocka_unit_test(saves_edited_external_data_beside_the_model),
        cmocka_unit_test(saves_edited_external_data_twice),
        cmocka_unit_test(replaces_the_data_file_that_it_reads),
        cmocka_unit_test(notices_a_data_file_that_shrank),
        cmocka_unit_test(refuses_elements_that_were_dropped),
        cmocka_unit_test(reads_dropped_elements_of_a_file_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
