/* Models of opset 9 to 12 give the same numbers, bit for bit, once they were
 * raised to opset 13, or to 19, saved and loaded again: in the engine and,
 * where its library is there and the opset 13, in ONNX Runtime. libonnx's
 * checker accepts those of opset 13; it does not know 19. */
#include <math.h>
#include <stdio.h>

#include "core/alloc.h"
#include "tests/support/graph_text.h"
#include "tests/support/ort.h"
#include "tests/support/plan.h"
#include "tests/support/support.h"

#define SEED 5
#define OPEN_DIM 4
#define TEXT_BYTES 4096

/* ---- comparing -------------------------------------------------------- */

/* Open dimensions of the first input are OPEN_DIM. */
static struct cz_plan *run_in_engine(struct cz_model *model)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    const struct cz_value *x = cz_model_graph(model)->inputs[0];
    struct cz_input_shape shape = {.name = x->name};
    struct cz_plan *plan;
    shape.dims.rank = x->shape.rank;
    for (size_t i = 0; i < x->shape.rank; i++)
        shape.dims.size[i] = x->shape.dims[i] < 0 ? OPEN_DIM : x->shape.dims[i];
    options.threads = 2;
    options.shapes = &shape;
    options.n_shapes = 1;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    cz_test_randomize(plan, SEED);
    assert_ok(cz_plan_run(plan, cz_test_error()));
    return plan;
}

static void compare_in_engine(struct cz_model *before, struct cz_model *after)
{
    struct cz_plan *a = run_in_engine(before), *b = run_in_engine(after);
    assert_true(cz_test_difference(a, b) == 0);
    cz_plan_free(a);
    cz_plan_free(b);
}

static void run_in_ort(struct cz_ort_tensors *outputs, struct cz_ort *ort,
                       const char *path)
{
    struct cz_ort_session *session;
    struct cz_ort_tensors inputs;
    assert_ok(cz_ort_session_new(&session, ort, path, cz_test_error()));
    assert_ok(cz_ort_random_inputs(&inputs, session, OPEN_DIM, SEED,
                                   cz_test_error()));
    assert_ok(cz_ort_run(outputs, session, &inputs, cz_test_error()));
    cz_ort_tensors_fini(&inputs);
    cz_ort_session_free(session);
}

/* ONNX Runtime fuses other operators where their version is another one, and
 * then rounds once more or less. */
#define FUSED_ELSEWHERE 1e-6F

/* Names of outputs are the session's, and are not looked at. */
static void compare_in_ort(const char *before, const char *after,
                           float tolerance)
{
    struct cz_ort *ort;
    struct cz_ort_tensors a, b;
    assert_ok(cz_ort_open(&ort, cz_test_error()));
    if (!ort)
        return;
    run_in_ort(&a, ort, before);
    run_in_ort(&b, ort, after);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        assert_int_equal(a.items[i].count, b.items[i].count);
        for (size_t k = 0; k < a.items[i].count; k++)
            assert_true(fabsf(a.items[i].values[k] - b.items[i].values[k]) <=
                        tolerance * fabsf(a.items[i].values[k]));
    }
    cz_ort_tensors_fini(&a);
    cz_ort_tensors_fini(&b);
    cz_ort_close(ort);
}

static void check(struct cz_model *model, int64_t opset)
{
    bool checked;
    assert_ok(cz_model_check(model, &checked, cz_test_error()));
    assert_true(checked == (opset == 13));
    assert_int_equal(cz_model_opset(model, ""), opset);
    assert_true(cz_model_ir_version(model) >= (opset == 13 ? 7 : 9));
}

/* Raises the model at `path` and compares; gives the raised one. */
static struct cz_model *raise_file_to(const char *path, int64_t opset)
{
    char *folder = cz_test_folder_new();
    const char *raised = cz_test_path(folder, "raised.onnx");
    struct cz_raise_report report;
    struct cz_model *before = cz_test_load(path), *after = cz_test_load(path);
    assert_ok(cz_model_raise_opset(after, opset, &report, cz_test_error()));
    assert_int_equal(report.from, cz_model_opset(before, ""));
    assert_int_equal(report.to, opset);
    assert_ok(cz_model_save(after, raised, false, cz_test_error()));
    cz_model_free(after);
    after = cz_test_load(raised);
    check(after, opset);
    compare_in_engine(before, after);
    compare_in_ort(path, raised, opset == 13 ? 0 : FUSED_ELSEWHERE);
    cz_model_free(before);
    cz_test_folder_remove(folder);
    return after;
}

/* cz_test_path() keeps only a few paths. */
#define PATH_BYTES 512

/* To opset 19, and then to 13, which comes back. */
static struct cz_model *raise_file(const char *path)
{
    char copy[PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", path);
    cz_model_free(raise_file_to(copy, CZ_OPSET_RAISED));
    return raise_file_to(copy, 13);
}

static struct cz_model *raise_text(const char *text)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "before.onnx");
    struct cz_model *model = cz_test_graph(text);
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    cz_model_free(model);
    model = raise_file(path);
    cz_test_folder_remove(folder);
    return model;
}

/* The same text with each of these opsets, first to last. */
static void raise_from(int first, int last, const char *text)
{
    char full[TEXT_BYTES];
    for (int opset = first; opset <= last; opset++) {
        snprintf(full, sizeof full, "ir 4; opset %d; %s", opset, text);
        cz_model_free(raise_text(full));
    }
}

static void expect_refusal(const char *text, const char *message)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_raise_report report;
    assert_error(cz_model_raise_opset(model, 13, &report, cz_test_error()),
                 CZ_EUNSUPPORTED, message);
    cz_model_free(model);
}

/* ---- attributes that became inputs ------------------------------------ */

static void raises_axes(void **state)
{
    (void)state;
    raise_from(9, 12,
               "in x f32[1,3,1,4]; a = Squeeze(x) axes=[0,2]; b = Squeeze(x);"
               "c = Add(a, b); d = Unsqueeze(c) axes=[0,3];"
               "y = ReduceSum(d) axes=[1] keepdims=0; z = ReduceSum(x);"
               "out y f32[1,4,1]; out z f32[1,1,1,1]");
}

static void raises_split(void **state)
{
    (void)state;
    raise_from(9, 12,
               "in x f32[2,6]; a, b = Split(x) axis=1 split=[2,4];"
               "c, d = Split(x); e, f = Split(x) axis=-1;"
               "out a f32[2,2]; out b f32[2,4]; out c f32[1,6]; out d f32[1,6];"
               "out e f32[2,3]; out f f32[2,3]");
}

static void raises_slice(void **state)
{
    (void)state;
    raise_from(9, 9,
               "in x f32[4,6]; a = Slice(x) starts=[1,-3] ends=[99,-1];"
               "b = Slice(x) starts=[2] ends=[9223372036854775807] axes=[1];"
               "out a f32[3,2]; out b f32[4,4]");
    raise_from(10, 12,
               "in x f32[4,6]; const s i64[1] 5; const e i64[1] 0;"
               "const a i64[1] 1; const t i64[1] -2; y = Slice(x, s, e, a, t);"
               "out y f32[4,3]");
}

static void raises_pad(void **state)
{
    (void)state;
    raise_from(9, 10,
               "in x f32[1,1,3,3]; a = Pad(x) pads=[0,0,1,2,0,0,0,-1];"
               "b = Pad(x) pads=[0,0,1,1,0,0,1,1] value=1.5;"
               "c = Pad(x) pads=[0,0,1,1,0,0,1,1] mode=\"reflect\" value=0.0;"
               "out a f32[1,1,4,4]; out b f32[1,1,5,5]; out c f32[1,1,5,5]");
    raise_from(11, 12,
               "in x f32[2,2]; const p i64[4] 1 0 0 1; const v f32[] 2;"
               "y = Pad(x, p, v); out y f32[3,3]");
}

static void raises_clip(void **state)
{
    (void)state;
    raise_from(9, 10,
               "in x f32[8]; a = Clip(x) min=-0.25 max=0.25;"
               "b = Clip(x) max=0.1; c = Clip(x) min=0.1; d = Clip(x);"
               "out a f32[8]; out b f32[8]; out c f32[8]; out d f32[8]");
    raise_from(9, 10,
               "in x f16[8]; y = Clip(x) min=-0.25 max=0.3; out y f16[8]");
    raise_from(11, 12,
               "in x f32[8]; const hi f32[] 0.25; y = Clip(x, , hi);"
               "out y f32[8]");
}

static void raises_top_k(void **state)
{
    (void)state;
    raise_from(
        9, 9,
        "in x f32[3,9]; v, i = TopK(x) k=4; w, j = TopK(x) k=2 axis=0;"
        "out v f32[3,4]; out i i64[3,4]; out w f32[2,9]; out j i64[2,9]");
    raise_from(10, 12,
               "in x f32[3,9]; const k i64[1] 4; v, i = TopK(x, k);"
               "out v f32[3,4]; out i i64[3,4]");
}

#define DROPOUTS                                                               \
    "in x f32[5]; a, unread = Dropout(x) ratio=0.25; b = Relu(a);"             \
    "c = Dropout(x); y = Add(b, c); out y f32[5];"

static void raises_dropout(void **state)
{
    (void)state;
    raise_from(9, 9, DROPOUTS "info unread f32[5]");
    raise_from(10, 11, DROPOUTS "info unread bool[5]");
    raise_from(12, 12, "in x f32[5]; y = Dropout(x); out y f32[5]");
}

/* ---- Resize ----------------------------------------------------------- */

static void raises_upsample(void **state)
{
    (void)state;
    raise_from(
        9, 9,
        "in x f32[1,2,3,5]; const s f32[4] 1 1 2 1.6; a = Upsample(x, s);"
        "b = Upsample(x, s) mode=\"linear\";"
        "out a f32[1,2,6,8]; out b f32[1,2,6,8]");
}

static void raises_resize(void **state)
{
    (void)state;
    raise_from(10, 10,
               "in x f32[1,2,6,10]; const up f32[4] 1 1 2 1.3;"
               "const down f32[4] 1 1 0.6 0.3; a = Resize(x, up);"
               "b = Resize(x, down); c = Resize(x, up) mode=\"linear\";"
               "d = Resize(x, down) mode=\"linear\";"
               "out a f32[1,2,12,13]; out b f32[1,2,3,3];"
               "out c f32[1,2,12,13]; out d f32[1,2,3,3]");
    raise_from(11, 12,
               "in x f32[1,2,6,10]; const none f32[0]; const s f32[4] 1 1 2 2;"
               "const z i64[4] 1 2 7 5; a = Resize(x, none, s);"
               "b = Resize(x, none, none, z) mode=\"linear\""
               " coordinate_transformation_mode=\"align_corners\";"
               "out a f32[1,2,12,20]; out b f32[1,2,7,5]");
}

static void raises_computed_scales_that_enlarge(void **state)
{
    (void)state;
    raise_from(10, 10,
               "in x f32[1,1,2,2]; in t f32[4]; const two f32[4] 1 1 2 2;"
               "zero = Sub(t, t); s = Add(zero, two); y = Resize(x, s);"
               "info y f32[1,1,4,4]; out y f32[1,1,4,4]");
}

/* ---- Softmax ---------------------------------------------------------- */

#define SOFTMAXES(type, out)                                                   \
    "in x f32" type "; a = Softmax(x); b = LogSoftmax(x) axis=2;"              \
    "c = Hardmax(x) axis=3; d = Softmax(x) axis=0; e = Softmax(x) axis=1;"     \
    "f = Softmax(x) axis=3; out a f32" out "; out b f32" out ";"               \
    "out c f32" out "; out d f32" out "; out e f32" out "; out f f32" out

static void raises_softmax(void **state)
{
    (void)state;
    raise_from(9, 12, SOFTMAXES("[2,3,4,5]", "[2,3,4,5]"));
    raise_from(9, 12, SOFTMAXES("[2,3,1,1]", "[2,3,1,1]"));
    raise_from(9, 12, SOFTMAXES("[n,3,h,1]", "[n,3,h,1]"));
    raise_from(
        11, 12,
        "in x f32[2,3,4]; a = Softmax(x) axis=-1; b = Softmax(x) axis=-2;"
        "out a f32[2,3,4]; out b f32[2,3,4]");
}

static void keeps_softmax_whole_where_one_axis_does_it(void **state)
{
    (void)state;
    struct cz_model *model =
        raise_text("opset 9; in x f32[n,1,7,1]; y = Softmax(x); "
                   "out y f32[n,1,7,1]");
    assert_int_equal(cz_model_graph(model)->n_nodes, 1);
    assert_int_equal(
        cz_node_attr_int(cz_model_graph(model)->nodes[0], "axis", 1), 2);
    cz_model_free(model);
}

/* ---- to opset 19 ------------------------------------------------------ */

/* The same text with each opset from 13 to 17. */
static void raise_later(const char *text)
{
    char full[TEXT_BYTES];
    char *folder = cz_test_folder_new();
    for (int opset = 13; opset <= 17; opset++) {
        const char *path = cz_test_path(folder, "before.onnx");
        snprintf(full, sizeof full, "ir 7; opset %d; %s", opset, text);
        struct cz_model *model = cz_test_graph(full);
        assert_ok(cz_model_save(model, path, true, cz_test_error()));
        cz_model_free(model);
        cz_model_free(raise_file_to(path, CZ_OPSET_RAISED));
    }
    cz_test_folder_remove(folder);
}

static void raises_splits_of_equal_parts(void **state)
{
    (void)state;
    raise_later("in x f32[2,6]; const s i64[2] 2 4; a, b = Split(x, s) axis=1;"
                "c, d, e = Split(x) axis=1; out a f32[2,2]; out b f32[2,4];"
                "out c f32[2,2]; out d f32[2,2]; out e f32[2,2]");
}

static void raises_what_did_not_change_later(void **state)
{
    (void)state;
    raise_later(
        "in x f32[1,4,6,6]; const m f32[4] random;"
        "const v f32[4] 1.5 2 1 1; n = BatchNormalization(x, m, m, m, v);"
        "p = MaxPool(n) kernel_shape=[2,2] strides=[2,2];"
        "q = AveragePool(n) kernel_shape=[3,3] pads=[1,1,1,1];"
        "const s f32[4] 1 1 2 2; r = Resize(p, , s); h = Shape(p);"
        "a = Add(q, r); const z i64[2] 1 -1; t = Reshape(a, z);"
        "u = Softmax(t); l = LeakyRelu(t);"
        "out u f32[1,144]; out l f32[1,144]; out h i64[4]");
}

static void raises_reductions(void **state)
{
    (void)state;
    raise_later(
        "in x f32[2,3,4]; a = ReduceL1(x) axes=[1];"
        "b = ReduceL2(x) axes=[-1] keepdims=0; c = ReduceMax(x);"
        "d = ReduceMin(x) axes=[0,2]; e = ReduceMean(x) axes=[1];"
        "f = ReduceProd(x) axes=[2]; g = ReduceSumSquare(x) axes=[0];"
        "h = ReduceLogSumExp(x) axes=[1]; k = Exp(x);"
        "l = ReduceLogSum(k) axes=[1]; out a f32[2,1,4]; out b f32[2,3];"
        "out c f32[1,1,1]; out d f32[1,3,1]; out e f32[2,1,4];"
        "out f f32[2,3,1]; out g f32[1,3,4]; out h f32[2,1,4];"
        "out l f32[2,1,4]");
}

/* ---- models ----------------------------------------------------------- */

static void raises_what_did_not_change(void **state)
{
    (void)state;
    raise_from(9, 12,
               "in x f32[1,4,6,6]; const w f32[8,4,3,3] random;"
               "const b f32[8] random; const m f32[8] random;"
               "const v f32[8] 1.5 2; const half f32[] 0.5;"
               "c = Conv(x, w, b) pads=[1,1,1,1];"
               "n = BatchNormalization(c, b, m, m, v); r = LeakyRelu(n);"
               "p = MaxPool(r) kernel_shape=[2,2] strides=[2,2];"
               "q = AveragePool(r) kernel_shape=[2,2] strides=[2,2];"
               "k = Concat(p, q) axis=1; t = Transpose(k) perm=[0,2,3,1];"
               "g = Sigmoid(t); s = Pow(g, half); d = DepthToSpace(k)"
               " blocksize=2; f = Flatten(s); i = ArgMax(d) axis=1;"
               "u = ReduceMean(d) axes=[2,3]; out f f32[1,144];"
               "out i i64[1,1,6,6]; out u f32[1,4,1,1]");
    raise_from(9, 12,
               "in x f32[3,4]; const w f32[4,5] random; const b f32[5] random;"
               "const d f32[3,4] random; const i i64[1,4] 1 0 2 1;"
               "const r i64[2] 2 0; const far f32[] 3; g = Gemm(x, w, b);"
               "m = MatMul(x, w); e = Equal(r, r); k = Greater(x, d);"
               "h = Gather(x, r) axis=0; z = Where(k, x, d); l = Exp(z);"
               "a = Add(g, m); s = Shape(a); n = Min(x, d); o = Max(n, far);"
               "out a f32[3,5]; out e bool[2]; out h f32[2,4]; out l f32[3,4];"
               "out s i64[2]; out o f32[3,4]");
}

static void raises_scatter(void **state)
{
    (void)state;
    raise_from(9, 10,
               "in x f32[3,4]; const i i64[1,4] 1 0 2 1;"
               "const u f32[1,4] random; y = Scatter(x, i, u); out y f32[3,4]");
}

#define BRANCHES                                                               \
    "in x f32[1,2,3]; a = Relu(x);"                                            \
    "y = If(c) then_branch={ s = Squeeze(a) axes=[0]; t = Softmax(a);"         \
    "                        u = Unsqueeze(s) axes=[0]; v = Add(t, u);"        \
    "                        out v f32[1,2,3] }"                               \
    "          else_branch={ d = ReduceSum(x) axes=[0];"                       \
    "                        e = Softmax(d); out e f32[1,2,3] };"              \
    "out y f32[1,2,3]"

static void raises_inside_subgraphs(void **state)
{
    (void)state;
    raise_from(9, 12, "const c bool[] 1;" BRANCHES);
    raise_from(9, 12, "const c bool[] 0;" BRANCHES);
}

static void keeps_names_of_the_domain_and_other_domains(void **state)
{
    (void)state;
    struct cz_raise_report report;
    struct cz_model *model = cz_test_graph(
        "opset 10; in x f32[1,2]; a = ai.onnx::Squeeze(x) axes=[0];"
        "y = com.example::Squeeze(a) axes=[0]; out y f32");
    int64_t other = cz_model_opset(model, "com.example");
    assert_ok(cz_model_raise_opset(model, 13, &report, cz_test_error()));
    assert_int_equal(report.nodes, 1);
    model = cz_test_reload(model);
    assert_int_equal(cz_model_opset(model, ""), 13);
    assert_int_equal(cz_model_opset(model, "com.example"), other);
    assert_non_null(cz_node_attr(cz_test_node(model, "y"), "axes"));
    assert_null(cz_node_attr(cz_test_node(model, "a"), "axes"));
    cz_model_free(model);
}

static void takes_initializers_from_the_inputs_of_ir_3(void **state)
{
    (void)state;
    struct cz_model *model =
        raise_text("ir 3; opset 9; in x f32[2,2]; in w f32[2,2];"
                   "const w f32[2,2] 1 2 3 4; a = MatMul(x, w);"
                   "y = Squeeze(a); out y f32[2,2]");
    assert_int_equal(cz_model_graph(model)->n_inputs, 1);
    cz_model_free(model);
}

static void leaves_later_opsets_alone(void **state)
{
    (void)state;
    struct cz_raise_report report;
    struct cz_model *model =
        cz_test_graph("opset 17; in x f32[2]; y = Relu(x); out y f32[2]");
    assert_ok(cz_model_raise_opset(model, 13, &report, cz_test_error()));
    assert_int_equal(report.from, 17);
    assert_int_equal(report.to, 17);
    assert_error(cz_model_raise_opset(model, 20, &report, cz_test_error()),
                 CZ_EINVAL, "opset 17 cannot be raised to 20");
    assert_int_equal(cz_model_opset(model, ""), 17);
    cz_model_free(model);
}

static void raises_the_generated_models(void **state)
{
    (void)state;
    static const char *const names[] = {
        "clip_opset9.onnx",     "tiny_v5.onnx",    "tiny_v8_opset11.onnx",
        "tiny_v8_opset12.onnx", "tiny_yolox.onnx", "inputs_of_ir3.onnx",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cz_model_free(raise_file(cz_test_model(names[i])));
}

static void raises_yolov5n(void **state)
{
    (void)state;
    cz_model_free(raise_file(cz_test_shared("models/yolov5n.onnx")));
}

static void raises_yolox_nano(void **state)
{
    (void)state;
    cz_model_free(raise_file(cz_test_shared("models/yolox_nano.onnx")));
}

/* ---- refusals --------------------------------------------------------- */

static void refuses_what_has_no_such_form(void **state)
{
    (void)state;
    expect_refusal("opset 10; in x f32[2]; a, m = Dropout(x); y = Not(m);"
                   "out y bool[2]",
                   "Dropout 'a': cannot be raised from opset 10 to 13: its "
                   "mask is read");
    expect_refusal("opset 12; in x f32[2]; y = HardSwish(x); out y f32[2]",
                   "HardSwish 'y': cannot be raised from opset 12 to 13: it is "
                   "no operator of this opset");
    expect_refusal("opset 10; in x f32[1,1,4,4]; const s f32[4] 1 1 2 0.5;"
                   "y = Resize(x, s); out y f32",
                   "one dimension larger and another one smaller");
    expect_refusal("opset 10; in x f32[1,1,4,4]; in s f32[4];"
                   "y = Resize(x, s); out y f32",
                   "whether they make it smaller is not known");
    expect_refusal("opset 11; in x f32[1,1,4,4]; const r f32[0];"
                   "const s f32[4] 1 1 2 2; y = Resize(x, r, s) "
                   "coordinate_transformation_mode=\"tf_half_pixel_for_nn\";"
                   "out y f32",
                   "'tf_half_pixel_for_nn'");
    expect_refusal("opset 9; in x f32[1,1,4,4]; const w f32[1,1,3,3] 1;"
                   "y = ConvTranspose(x, w) auto_pad=\"SAME_UPPER\"; out y f32",
                   "auto_pad SAME");
    expect_refusal("opset 10; in x f32[1,1,4,4]; const w f32[1,1,3,3] 1;"
                   "y = ConvTranspose(x, w) output_shape=[9,9]; out y f32",
                   "output_shape");
    expect_refusal("opset 9; in x i64[2]; const d i64[] 3; const v f32[2] 0 1;"
                   "y = OneHot(x, d, v); out y f32[2,3]",
                   "negative indices");
    expect_refusal("opset 9; in x f32[2]; u = com.example::Op(x);"
                   "y = Clip(u) min=0.5; out y f32[2]",
                   "not known to be of a float type");
    expect_refusal("opset 9; in x f32[2]; v, i = TopK(x); out v f32",
                   "it has no attribute 'k'");
    expect_refusal("opset 9; in x f32[2]; y = Softmax(x) axis=7; out y f32",
                   "its axis is not one of its input");
}

static void refuses_what_opset_19_has_not(void **state)
{
    (void)state;
    struct cz_raise_report report;
    struct cz_model *model =
        cz_test_graph("opset 13; in x f32[2]; y = Gelu(x); out y f32[2]");
    assert_error(cz_model_raise_opset(model, 19, &report, cz_test_error()),
                 CZ_EUNSUPPORTED,
                 "Gelu 'y': cannot be raised from opset 13 to 19: it is no "
                 "operator of this opset");
    cz_model_free(model);
    model = cz_test_graph("opset 9; in x f32[1,2,3]; const s f32[2] 1 2;"
                          "y, m, v, n, w = BatchNormalization(x, s, s, s, s);"
                          "out y f32[1,2,3]; out m f32[2]");
    assert_error(cz_model_raise_opset(model, 19, &report, cz_test_error()),
                 CZ_EUNSUPPORTED, "from opset 13 to 19: it has outputs for");
    cz_model_free(model);
}

static void refuses_attributes_of_another_kind(void **state)
{
    (void)state;
    struct cz_raise_report report;
    struct cz_model *model = cz_test_graph(
        "opset 9; in x f32[1,2]; y = Squeeze(x) axes=1; out y f32");
    assert_error(cz_model_raise_opset(model, 13, &report, cz_test_error()),
                 CZ_EPARSE, "its attribute 'axes' is of another kind");
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raises_axes),
        cmocka_unit_test(raises_split),
        cmocka_unit_test(raises_slice),
        cmocka_unit_test(raises_pad),
        cmocka_unit_test(raises_clip),
        cmocka_unit_test(raises_top_k),
        cmocka_unit_test(raises_dropout),
        cmocka_unit_test(raises_upsample),
        cmocka_unit_test(raises_resize),
        cmocka_unit_test(raises_computed_scales_that_enlarge),
        cmocka_unit_test(raises_softmax),
        cmocka_unit_test(keeps_softmax_whole_where_one_axis_does_it),
        cmocka_unit_test(raises_splits_of_equal_parts),
        cmocka_unit_test(raises_reductions),
        cmocka_unit_test(raises_what_did_not_change_later),
        cmocka_unit_test(raises_what_did_not_change),
        cmocka_unit_test(raises_scatter),
        cmocka_unit_test(raises_inside_subgraphs),
        cmocka_unit_test(keeps_names_of_the_domain_and_other_domains),
        cmocka_unit_test(takes_initializers_from_the_inputs_of_ir_3),
        cmocka_unit_test(leaves_later_opsets_alone),
        cmocka_unit_test(raises_the_generated_models),
        cmocka_unit_test(raises_yolov5n),
        cmocka_unit_test(raises_yolox_nano),
        cmocka_unit_test(refuses_what_has_no_such_form),
        cmocka_unit_test(refuses_what_opset_19_has_not),
        cmocka_unit_test(refuses_attributes_of_another_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
