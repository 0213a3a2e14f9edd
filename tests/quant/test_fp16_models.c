/* Every generated model in float16, with all options: is the file a good one,
 * and does ONNX Runtime compute with it what it computed before? */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "tests/quant/support.h"
#include "tests/support/ort.h"

/* float16 rounds each operator's result to 11 bits (2^-11 is 0.0005); a few
 * dozen operators in a row, and sums over channels, keep the error below this
 * share of the largest output. */
#define HALF_TOLERANCE 0.02

#define FREE_DIM 16
#define SEED 16

/* Converting is refused; test_fp16_errors.c has the words. */
static const char *const refused[] = {"dequantized_weight.onnx",
                                      "double_compute.onnx",
                                      "qdq.onnx",
                                      "storage_bfloat16_raw.onnx",
                                      "storage_bfloat16_typed.onnx",
                                      "storage_double_raw.onnx",
                                      "storage_double_typed.onnx",
                                      "storage_float16_raw.onnx",
                                      "storage_float16_typed.onnx",
                                      "unsorted.onnx",
                                      NULL};

/* ONNX Runtime lacks an operator of these. */
static const char *const not_run[] = {
    "custom_domain.onnx", "every_attribute.onnx", "sparse_initializer.onnx",
    "concat_100k_inputs.onnx", /* it takes minutes over that */
    NULL};

/* Float16 gives another number here, not a rounded one. */
static const char *const not_compared[] = {
    "half_range_activations.onnx", /* 1e5 overflows */
    "fp16_range.onnx",             /* its weights are clamped */
    "cast_float_to_int.onnx",      /* rounding decides on the integer, ... */
    "comparison_zoo.onnx",         /* ... which element is the largest, ... */
    "bool_output.onnx",
    "two_inputs.onnx",
    "tiny_nms.onnx", /* ... and the order of equal scores */
    NULL};

static const struct cz_fp16_options choices[] = {
    {.half_io = false},
    {.half_io = true},
    {.half_decode = true},
    {.half_io = true, .half_decode = true},
};

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* Calls work(name) for each model that can be converted. */
static void for_each_model(void (*work)(const char *name))
{
    size_t count = 0;
    DIR *folder = opendir(cz_test_model("."));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".onnx") != 0 ||
            is_listed(refused, entry->d_name))
            continue;
        work(entry->d_name);
        count++;
    }
    closedir(folder);
    assert_true(count > 60);
}

/* ---- the file --------------------------------------------------------- */

/* What is declared and inferred in the saved file is what the conversion
 * made, as far as it can be inferred without the original's declarations. */
static void check_dtypes(struct cz_model *saved, struct cz_model *converted,
                         const char *name)
{
    struct cz_graph *graph = cz_model_graph(converted);
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct cz_value *want = graph->values[i];
        if (!want->producer && !want->constant && !want->n_uses)
            continue;
        enum cz_dtype dtype = cz_test_value(saved, want->name)->dtype;
        if (dtype && dtype != want->dtype)
            fail_msg("%s: %s is %s, want %s", name, want->name,
                     cz_dtype_name(dtype), cz_dtype_name(want->dtype));
    }
}

static bool has_dtype(const struct cz_value *value, enum cz_dtype dtype)
{
    return value->dtype == dtype;
}

/* Operands that the specification wants of one type have one type. */
static void check_operands(struct cz_model *model, const char *name)
{
    static const char *const uniform[] = {
        "Conv", "Add",    "Sub", "Mul", "Div",   "Concat",
        "Gemm", "MatMul", "Min", "Max", "Range", "BatchNormalization",
        NULL};
    struct cz_graph *graph = cz_model_graph(model);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        for (size_t j = 1; j < node->n_inputs; j++)
            if (is_listed(uniform, node->op_type) && node->inputs[0]->dtype &&
                node->inputs[j] && node->inputs[j]->dtype &&
                !has_dtype(node->inputs[j], node->inputs[0]->dtype))
                fail_msg("%s: %s mixes types", name, cz_node_label(node));
        /* scales, in the form of opset 10 and of later ones */
        size_t scales = node->n_inputs == 2 ? 1 : 2;
        if (cz_node_is(node, "Resize") && cz_node_input(node, scales))
            assert_float(node->inputs[scales]->dtype);
    }
}

/* No Cast undoes another or does what another one does. */
static void check_casts(struct cz_model *model, const char *name)
{
    struct cz_graph *graph = cz_model_graph(model);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        if (!cz_node_is(node, "Cast"))
            continue;
        const struct cz_value *input = node->inputs[0];
        const struct cz_value *output = node->outputs[0];
        if (input->producer && cz_node_is(input->producer, "Cast") &&
            has_dtype(input->producer->inputs[0], output->dtype) &&
            cz_dtype_is_float(input->dtype))
            fail_msg("%s: Cast %s undoes a Cast", name, cz_node_label(node));
        for (size_t u = 0; u < input->n_uses; u++) {
            const struct cz_node *other = input->uses[u].node;
            if (other != node && cz_node_is(other, "Cast") &&
                has_dtype(other->outputs[0], output->dtype))
                fail_msg("%s: two Casts of %s", name, input->name);
        }
    }
}

static void check_face(struct cz_model *saved, const char *name, bool half_io)
{
    struct cz_model *original = cz_test_load(cz_test_model(name));
    struct cz_graph *old = cz_model_graph(original);
    struct cz_graph *now = cz_model_graph(saved);
    assert_int_equal(now->n_inputs, old->n_inputs);
    assert_int_equal(now->n_outputs, old->n_outputs);
    for (size_t i = 0; i < old->n_inputs + old->n_outputs; i++) {
        bool is_input = i < old->n_inputs;
        const struct cz_value *was =
            is_input ? old->inputs[i] : old->outputs[i - old->n_inputs];
        const struct cz_value *is =
            is_input ? now->inputs[i] : now->outputs[i - old->n_inputs];
        assert_string_equal(is->name, was->name);
        enum cz_dtype want = was->dtype;
        if (half_io && want == CZ_DTYPE_FLOAT)
            want = CZ_DTYPE_FLOAT16;
        if (!was->constant && is->dtype != want)
            fail_msg("%s: %s is %s", name, is->name, cz_dtype_name(is->dtype));
    }
    cz_model_free(original);
}

static void check_file(const char *name, struct cz_fp16_options options)
{
    bool checked;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, name);
    struct halved h = convert(cz_test_load(cz_test_model(name)), options);
    assert_true(h.report.tensors > 0 && h.report.nodes > 0);
    assert_ok(cz_model_save(h.model, path, false, cz_test_error()));
    struct cz_model *saved = cz_test_load(path);
    if (strcmp(name, "ai_onnx_domain.onnx") != 0) /* unknown to the checker */
        assert_ok(cz_model_check(saved, &checked, cz_test_error()));
    assert_ok(cz_graph_infer(cz_model_graph(saved), cz_test_error()));
    check_dtypes(saved, h.model, name);
    check_operands(saved, name);
    check_casts(saved, name);
    check_face(saved, name, options.half_io);
    cz_model_free(saved);
    halved_free(&h);
    cz_test_folder_remove(folder);
}

static void check_file_with_all_options(const char *name)
{
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        check_file(name, choices[i]);
}

static void makes_good_files_of_all_models(void **state)
{
    (void)state;
    for_each_model(check_file_with_all_options);
}

/* ---- what it computes ------------------------------------------------- */

static struct cz_ort *ort;

static int open_ort(void **state)
{
    (void)state;
    struct cz_error err = CZ_ERROR_INIT;
    if (cz_ort_open(&ort, &err) == CZ_OK)
        return 0;
    fprintf(stderr, "%s\n", err.message);
    return -1;
}

static int close_ort(void **state)
{
    (void)state;
    if (ort)
        cz_ort_close(ort);
    return 0;
}

static void run_model(struct cz_ort_tensors *outputs, const char *path)
{
    struct cz_ort_session *session;
    struct cz_ort_tensors inputs;
    assert_ok(cz_ort_session_new(&session, ort, path, cz_test_error()));
    assert_ok(cz_ort_random_inputs(&inputs, session, FREE_DIM, SEED,
                                   cz_test_error()));
    assert_ok(cz_ort_run(outputs, session, &inputs, cz_test_error()));
    cz_ort_tensors_fini(&inputs);
    cz_ort_session_free(session);
}

static void compare(const struct cz_ort_tensors *halves,
                    const struct cz_ort_tensors *floats, const char *name)
{
    assert_int_equal(halves->count, floats->count);
    for (size_t t = 0; t < floats->count; t++) {
        const struct cz_ort_tensor *a = &floats->items[t];
        const struct cz_ort_tensor *b = &halves->items[t];
        float largest = 0, difference = 0;
        assert_int_equal(a->count, b->count);
        for (size_t i = 0; i < a->count; i++) {
            largest = fmaxf(largest, fabsf(a->values[i]));
            float d = fabsf(a->values[i] - b->values[i]);
            difference = d <= difference ? difference : d; /* NaN too */
        }
        if (!((double)difference <= HALF_TOLERANCE * (double)largest))
            fail_msg("%s: %s differs by %g of %g", name, a->name,
                     (double)difference, (double)largest);
    }
}

static void check_run(const char *name)
{
    struct cz_ort_tensors floats, halves;
    if (is_listed(not_run, name))
        return;
    char *folder = cz_test_folder_new();
    run_model(&floats, cz_test_model(name));
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        char file[32];
        snprintf(file, sizeof file, "%zu.onnx", i);
        struct halved h =
            convert(cz_test_load(cz_test_model(name)), choices[i]);
        const char *path = cz_test_path(folder, file);
        assert_ok(cz_model_save(h.model, path, false, cz_test_error()));
        halved_free(&h);
        run_model(&halves, path);
        if (!is_listed(not_compared, name))
            compare(&halves, &floats, name);
        cz_ort_tensors_fini(&halves);
    }
    cz_ort_tensors_fini(&floats);
    cz_test_folder_remove(folder);
}

static void computes_what_float32_computes_but_for_rounding(void **state)
{
    (void)state;
    if (!ort)
        skip();
    for_each_model(check_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_good_files_of_all_models),
        cmocka_unit_test(computes_what_float32_computes_but_for_rounding),
    };
    return cmocka_run_group_tests(tests, open_ort, close_ort);
}
