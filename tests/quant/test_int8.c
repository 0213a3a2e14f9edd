/* int8 in QDQ form: what gets codes for either runtime, what stays float, and
 * that the numbers stay near. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "quant/quant.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"
#include "tests/support/support.h"

/* Two convolutions with SiLU, a residual sum, a pool beside it, and a last
 * convolution in front of the decode tail. */
#define MODEL                                                                  \
    "opset 12; in x f32[1,3,16,16]; "                                          \
    "const u f32[16,3,3,3] random 1 0.3; const p f32[16] random 2 0.2; "       \
    "const v f32[16,16,3,3] random 3 0.15; const q f32[16] random 4 0.2; "     \
    "const w f32[8,32,1,1] random 5 0.2; const r f32[8] random 6 0.2; "        \
    "a = Conv(x, u, p) pads=[1,1,1,1]; b = Sigmoid(a); c = Mul(a, b); "        \
    "d = Conv(c, v, q) pads=[1,1,1,1]; e = Sigmoid(d); f = Mul(d, e); "        \
    "g = Add(c, f); "                                                          \
    "h = MaxPool(f) kernel_shape=[3,3] pads=[1,1,1,1] strides=[1,1]; "         \
    "i = Concat(g, h) axis=1; j = Conv(i, w, r); y = Sigmoid(j); out y"
#define IMAGES 8

/* Of sigmoids: some codes of 1/255 through three layers. */
#define NEAR 0.02
/* Entropy cuts the tails of so few values short. */
#define CUT 0.2

static enum cz_status begin(void *user, struct cz_plan *plan,
                            struct cz_error *err)
{
    (void)plan;
    (void)err;
    ++*(size_t *)user;
    return CZ_OK;
}

static enum cz_status fill(void *user, size_t i, struct cz_plan *plan,
                           struct cz_error *err)
{
    (void)user;
    (void)err;
    cz_test_randomize(plan, i);
    return CZ_OK;
}

static struct cz_int8_options options_for(enum cz_int8_target target,
                                          size_t *begun)
{
    struct cz_int8_options options = CZ_INT8_OPTIONS_INIT;
    options.target = target;
    options.plan.threads = 1;
    options.images = (struct cz_images){
        .count = IMAGES, .begin = begin, .fill = fill, .user = begun};
    return options;
}

static size_t count(const struct cz_model *model, const char *op_type)
{
    const struct cz_graph *graph = cz_model_graph((struct cz_model *)model);
    size_t found = 0;
    for (size_t i = 0; i < graph->n_nodes; i++)
        found += cz_node_is(graph->nodes[i], op_type);
    return found;
}

static struct cz_model *quantized(const char *text,
                                  const struct cz_int8_options *options,
                                  struct cz_int8_report *report)
{
    struct cz_model *model = cz_test_graph(text);
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_int8_quantize(model, options, report, cz_test_error()));
    return model;
}

/* The producer of what the node called `label` reads as input i. */
static const struct cz_node *behind(struct cz_model *model, const char *label,
                                    size_t i)
{
    const struct cz_value *value = cz_test_value(model, label);
    return value->producer->inputs[i]->producer;
}

static bool reads_codes(struct cz_model *model, const char *label, size_t i)
{
    const struct cz_node *node = behind(model, label, i);
    return node && cz_node_is(node, "DequantizeLinear");
}

static void quantizes_all_between_convolutions_for_onnx_runtime(void **state)
{
    (void)state;
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_ONNXRUNTIME, &begun);
    struct cz_model *model = quantized(MODEL, &options, &report);
    assert_int_equal(begun, 1);
    assert_int_equal(report.convolutions, 2);
    assert_int_equal(report.n_layers, 3);
    assert_int_equal(report.layers[2].state, CZ_INT8_IS_LAST);
    assert_int_equal(report.opset_before, 12);
    assert_int_equal(report.opset, 13);
    /* x a b c d e f g h i; three weights and two biases besides */
    assert_int_equal(report.tensors, 10);
    assert_int_equal(count(model, "QuantizeLinear"), 10);
    assert_int_equal(count(model, "DequantizeLinear"), 10 + 3 + 2);
    for (size_t i = 0; i < 3; i++)
        assert_true(reads_codes(model, "a", i));
    assert_true(reads_codes(model, "c", 0) && reads_codes(model, "c", 1));
    assert_true(reads_codes(model, "g", 0) && reads_codes(model, "g", 1));
    assert_false(reads_codes(model, "y", 0)); /* the tail */
    /* Its pairs of products would be too large for 16 bits. */
    assert_int_equal(behind(model, "a", 1)->inputs[0]->dtype, CZ_DTYPE_UINT8);
    assert_int_equal(behind(model, "a", 2)->inputs[0]->dtype, CZ_DTYPE_INT32);
    assert_null(cz_graph_find(cz_model_graph(model), "u"));
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

static void quantizes_inputs_of_convolutions_for_tensorrt(void **state)
{
    (void)state;
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_TENSORRT, &begun);
    struct cz_model *model = quantized(MODEL, &options, &report);
    assert_true(reads_codes(model, "a", 0) && reads_codes(model, "a", 1));
    assert_false(reads_codes(model, "a", 2)); /* float bias */
    assert_false(reads_codes(model, "b", 0)); /* SiLU stays whole */
    assert_false(reads_codes(model, "c", 0));
    assert_true(reads_codes(model, "d", 0));
    assert_false(reads_codes(model, "j", 0));
    const struct cz_node *codes = behind(model, "d", 0)->inputs[0]->producer;
    assert_true(cz_node_is(codes, "QuantizeLinear"));
    assert_int_equal(codes->inputs[2]->dtype, CZ_DTYPE_INT8);
    struct cz_elements zero;
    assert_ok(
        cz_tensor_elements(codes->inputs[2]->constant, &zero, cz_test_error()));
    assert_true(cz_elements_get(&zero, 0) == 0);
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

/* The greatest difference of outputs, or the mean of its square. */
enum measure { GREATEST, MEAN_SQUARE };

static double mean_square(const struct cz_plan *a, const struct cz_plan *b)
{
    const struct cz_port *x = cz_plan_outputs(a, NULL);
    const struct cz_port *y = cz_plan_outputs(b, NULL);
    const size_t count = x->size_bytes / sizeof(float);
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double rest = (double)((const float *)x->data)[i] -
                            (double)((const float *)y->data)[i];
        sum += rest * rest;
    }
    return sum / (double)count;
}

static double error_of(const struct cz_int8_options *options,
                       enum measure measure)
{
    struct cz_plan_options plan_options = CZ_PLAN_OPTIONS_INIT;
    struct cz_int8_report report;
    struct cz_plan *a, *b;
    struct cz_model *before = cz_test_graph(MODEL);
    struct cz_model *after = quantized(MODEL, options, &report);
    plan_options.threads = 1;
    assert_ok(cz_plan_compile(&a, before, &plan_options, cz_test_error()));
    assert_ok(cz_plan_compile(&b, after, &plan_options, cz_test_error()));
    cz_test_randomize(a, IMAGES + 1);
    cz_test_randomize(b, IMAGES + 1);
    assert_ok(cz_plan_run(a, cz_test_error()));
    assert_ok(cz_plan_run(b, cz_test_error()));
    const double difference =
        measure == GREATEST ? cz_test_difference(a, b) : mean_square(a, b);
    cz_plan_free(a);
    cz_plan_free(b);
    cz_int8_report_fini(&report);
    cz_model_free(before);
    cz_model_free(after);
    return difference;
}

static void stays_near_the_float_model(void **state)
{
    (void)state;
    for (int t = 0; t < CZ_INT8_TARGETS; t++) {
        for (int m = 0; m < CZ_RANGE_METHODS; m++) {
            size_t begun = 0;
            struct cz_int8_options options =
                options_for((enum cz_int8_target)t, &begun);
            options.method = (enum cz_range_method)m;
            const double error = error_of(&options, GREATEST);
            const bool cuts = options.method == CZ_RANGE_ENTROPY;
            assert_true(error > 0 && error < (cuts ? CUT : NEAR));
        }
    }
}

/* Less noise of weights; that of activations stays. */
static void learns_codes_that_are_nearer(void **state)
{
    (void)state;
    for (int t = 0; t < CZ_INT8_TARGETS; t++) {
        size_t begun = 0;
        struct cz_int8_options options =
            options_for((enum cz_int8_target)t, &begun);
        const double nearest = error_of(&options, MEAN_SQUARE);
        options.learn = true;
        const double learned = error_of(&options, MEAN_SQUARE);
        assert_int_equal(begun, 3); /* once more than calibration */
        assert_true(learned < nearest);
        assert_true(error_of(&options, MEAN_SQUARE) == learned);
        options.plan.threads = 2;
        assert_true(fabs(error_of(&options, MEAN_SQUARE) / learned - 1) < 1e-3);
    }
}

static void keeps_what_is_asked_for(void **state)
{
    (void)state;
    static const char *const keep[] = {"d"};
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_ONNXRUNTIME, &begun);
    options.keep = keep;
    options.n_keep = 1;
    struct cz_model *model = quantized(MODEL, &options, &report);
    assert_int_equal(report.layers[1].state, CZ_INT8_KEPT);
    assert_true(reads_codes(model, "d", 1)); /* the weight, for its size */
    /* Its activation goes with it; an integer Mul gives what it reads. */
    assert_false(reads_codes(model, "e", 0) || reads_codes(model, "f", 1));
    assert_true(reads_codes(model, "d", 0) && reads_codes(model, "g", 1));
    cz_int8_report_fini(&report);
    cz_model_free(model);
    options.keep_weights = true;
    model = quantized(MODEL, &options, &report);
    assert_false(reads_codes(model, "d", 1));
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

static enum cz_status try(const char *text, size_t images, size_t *begun)
{
    struct cz_int8_options options = options_for(CZ_INT8_ONNXRUNTIME, begun);
    struct cz_int8_report report;
    struct cz_model *model = cz_test_graph(text);
    options.images.count = images;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    enum cz_status status =
        cz_int8_quantize(model, &options, &report, cz_test_error());
    cz_int8_report_fini(&report);
    cz_model_free(model);
    return status;
}

static void refuses_what_cannot_be_quantized(void **state)
{
    (void)state;
    size_t begun = 0;
    assert_int_equal(try(MODEL, 0, &begun), CZ_EINVAL);
    assert_int_equal(try("in x f32[4]; y = Relu(x); out y", IMAGES, &begun),
                     CZ_EINVAL);
    assert_int_equal(try("in x f32[1,8,4,4]; const w f16[8,8,1,1] random; "
                         "const s f32[] 1; a = QuantizeLinear(x, s); "
                         "y = DequantizeLinear(a, s); out y",
                         IMAGES, &begun),
                     CZ_EINVAL);
    assert_int_equal(begun, 0);
    /* The weight makes infinite numbers of the images. */
    assert_int_equal(
        try("in x f32[1,8,4,4]; const w f32[8,8,1,1] 3e38; "
            "const v f32[8,8,1,1] random; a = Conv(x, w); b = Conv(a, v); "
            "c = Conv(b, v); y = Sigmoid(c); out y",
            IMAGES, &begun),
        CZ_EINVAL);
}

/* The inputs stay 0. */
static enum cz_status leave(void *user, size_t i, struct cz_plan *plan,
                            struct cz_error *err)
{
    (void)user;
    (void)i;
    (void)plan;
    (void)err;
    return CZ_OK;
}

static void refuses_images_of_one_colour(void **state)
{
    (void)state;
    size_t begun = 0;
    struct cz_int8_options options = options_for(CZ_INT8_TENSORRT, &begun);
    struct cz_int8_report report;
    struct cz_model *model = cz_test_graph(MODEL);
    options.images.fill = leave;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_int_equal(
        cz_int8_quantize(model, &options, &report, cz_test_error()), CZ_EINVAL);
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

static void survives_short_memory(void **state)
{
    (void)state;
    size_t begun = 0;
    for (size_t nth = 1;; nth++) {
        struct cz_int8_options options =
            options_for(CZ_INT8_ONNXRUNTIME, &begun);
        options.learn = true;
        struct cz_int8_report report;
        struct cz_error err = CZ_ERROR_INIT;
        struct cz_model *model = cz_test_graph(MODEL);
        options.images.count = 1;
        assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
        cz_alloc_fail_at(nth);
        enum cz_status status =
            cz_int8_quantize(model, &options, &report, &err);
        const size_t asked = cz_alloc_fail_at(0);
        cz_int8_report_fini(&report);
        cz_model_free(model);
        if (asked < nth)
            break;
        assert_int_equal(status, CZ_ENOMEM);
    }
}

/* ---- again ------------------------------------------------------------ */

/* Scales, zero points and codes. */
static void assert_same_constants(const struct cz_graph *a,
                                  const struct cz_graph *b)
{
    assert_int_equal(a->n_values, b->n_values);
    for (size_t i = 0; i < a->n_values; i++) {
        struct cz_elements x, y;
        assert_true(!a->values[i]->constant == !b->values[i]->constant);
        if (!a->values[i]->constant)
            continue;
        assert_ok(
            cz_tensor_elements(a->values[i]->constant, &x, cz_test_error()));
        assert_ok(
            cz_tensor_elements(b->values[i]->constant, &y, cz_test_error()));
        assert_int_equal(x.count, y.count);
        for (size_t k = 0; k < x.count; k++)
            assert_true(cz_elements_get(&x, k) == cz_elements_get(&y, k));
    }
}

static void quantizes_again_from_statistics(void **state)
{
    (void)state;
    for (int learn = 0; learn < 2; learn++) {
        size_t begun = 0;
        struct cz_int8_report report;
        struct cz_int8_options options =
            options_for(CZ_INT8_ONNXRUNTIME, &begun);
        options.learn = learn;
        options.statistics = cz_int8_statistics_new();
        assert_non_null(options.statistics);
        struct cz_model *first = quantized(MODEL, &options, &report);
        cz_int8_report_fini(&report);
        struct cz_model *second = quantized(MODEL, &options, &report);
        assert_int_equal(begun, 1 + learn); /* by the first alone */
        assert_same_constants(cz_model_graph(first), cz_model_graph(second));
        cz_int8_report_fini(&report);
        cz_model_free(second);
        cz_model_free(first);
        cz_int8_statistics_free(options.statistics);
    }
}

static void refuses_statistics_of_another_model(void **state)
{
    (void)state;
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_TENSORRT, &begun);
    options.statistics = cz_int8_statistics_new();
    struct cz_model *model = quantized(MODEL, &options, &report);
    cz_int8_report_fini(&report);
    cz_model_free(model);
    options.target = CZ_INT8_ONNXRUNTIME; /* has more tensors */
    model = cz_test_graph(MODEL);
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_error(cz_int8_quantize(model, &options, &report, cz_test_error()),
                 CZ_EINVAL, "the statistics are of another model");
    cz_int8_report_fini(&report);
    cz_model_free(model);
    cz_int8_statistics_free(options.statistics);
}

/* Scale and zero point of what the node called `label` reads first. */
static void find_codes(double codes[2], struct cz_model *model,
                       const char *label)
{
    const struct cz_node *node = behind(model, label, 0);
    for (size_t i = 0; i < 2; i++) {
        struct cz_elements elements;
        assert_ok(cz_tensor_elements(node->inputs[1 + i]->constant, &elements,
                                     cz_test_error()));
        codes[i] = cz_elements_get(&elements, 0);
    }
}

/* A SiLU in codes is 0 where its gate is: no code is spent below that. */
static void spends_no_codes_where_silu_is_0(void **state)
{
    (void)state;
    static const char text[] =
        "opset 13; in x f32[1,3,16,16]; "
        "const u f32[8,3,3,3] random 1 9; const v f32[8,8,1,1] random 3 0.2; "
        "a = Conv(x, u); b = Sigmoid(a); c = Mul(a, b); "
        "d = Conv(c, v); e = Sigmoid(d); f = Mul(d, e); "
        "g = Conv(f, v); y = Sigmoid(g); out y";
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_ONNXRUNTIME, &begun);
    options.method = CZ_RANGE_MINMAX;
    struct cz_model *model = quantized(text, &options, &report);
    double codes[2];
    find_codes(codes, model, "b");
    assert_in_range((int)(codes[0] * codes[1]), 6, 7);
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

/* Codes that are best for the SiLU would be no codes of the pool's input. */
static void keeps_the_codes_of_what_a_pool_moves(void **state)
{
    (void)state;
    static const char text[] =
        "opset 13; in x f32[1,3,16,16]; "
        "const u f32[8,3,3,3] random 1 9; const v f32[8,8,1,1] random 3 0.2; "
        "a = Conv(x, u); b = MaxPool(a) kernel_shape=[2,2]; "
        "c = Sigmoid(b); d = Mul(b, c); "
        "e = Conv(d, v); f = Conv(e, v); y = Sigmoid(f); out y";
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_ONNXRUNTIME, &begun);
    struct cz_model *model = quantized(text, &options, &report);
    double pool[2], silu[2];
    find_codes(pool, model, "b");
    find_codes(silu, model, "c");
    assert_float_equal(pool[0], silu[0], 0);
    assert_float_equal(pool[1], silu[1], 0);
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

static void tells_the_noise_of_each_layer(void **state)
{
    (void)state;
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_TENSORRT, &begun);
    struct cz_model *model = quantized(MODEL, &options, &report);
    for (size_t i = 0; i < report.n_layers; i++) {
        if (report.layers[i].state == CZ_INT8_DONE)
            assert_in_range((int)report.layers[i].snr_db, 25, 60);
    }
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

static void equalizes_weights_first(void **state)
{
    (void)state;
    size_t begun = 0;
    struct cz_int8_report report;
    struct cz_int8_options options = options_for(CZ_INT8_ONNXRUNTIME, &begun);
    options.equalize = true;
    struct cz_model *model = quantized(
        "in x f32[1,3,16,16]; const u f32[8,3,1,1] random; "
        "const v f32[8,8,1,1] random; const w f32[8,8,1,1] random; "
        "a = Conv(x, u); b = Relu(a); c = Conv(b, v); y = Conv(c, w); out y",
        &options, &report);
    assert_int_equal(report.equalized, 2);
    assert_int_equal(report.convolutions, 2);
    cz_int8_report_fini(&report);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantizes_all_between_convolutions_for_onnx_runtime),
        cmocka_unit_test(quantizes_inputs_of_convolutions_for_tensorrt),
        cmocka_unit_test(stays_near_the_float_model),
        cmocka_unit_test(learns_codes_that_are_nearer),
        cmocka_unit_test(keeps_what_is_asked_for),
        cmocka_unit_test(refuses_what_cannot_be_quantized),
        cmocka_unit_test(refuses_images_of_one_colour),
        cmocka_unit_test(survives_short_memory),
        cmocka_unit_test(quantizes_again_from_statistics),
        cmocka_unit_test(refuses_statistics_of_another_model),
        cmocka_unit_test(tells_the_noise_of_each_layer),
        cmocka_unit_test(spends_no_codes_where_silu_is_0),
        cmocka_unit_test(keeps_the_codes_of_what_a_pool_moves),
        cmocka_unit_test(equalizes_weights_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
