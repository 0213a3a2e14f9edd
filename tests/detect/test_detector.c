/* Which decoder is chosen for which outputs, and what is refused. */
#include <stdio.h>

#include "core/alloc.h"
#include "detect/detect.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

/* Names of C classes as metadata cannot be written in a graph's text, so they
 * come from a file. */
static const char *names_file(char *folder, size_t count)
{
    char text[8 * 100];
    size_t used = 0;
    const char *path = cz_test_path(folder, "names.txt");
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "c%zu\n", i);
    cz_test_file_write(path, text, used);
    return path;
}

/* One row: a model's graph, the shapes of its outputs, what is found. */
struct row {
    const char *graph;
    size_t names; /* 0: none */
    size_t count;
    struct cz_dims dims[9];
    enum cz_decoder decoder;
    size_t classes;
};

/* The outputs come from the shapes: only the graph's tail matters. */
#define RAW                                                                    \
    "in x f32[1,3,64,64]; const w f32[4,3,1,1] 1; y = Conv(x, w);"             \
    "out y"
#define ACTIVE                                                                 \
    "in x f32[1,3,64,64]; const w f32[4,3,1,1] 1; c = Conv(x, w);"             \
    "y = Sigmoid(c); out y"
#define DECODES                                                                \
    "in x f32[1,3,64,64]; const w f32[4,3,1,1] 1; c = Conv(x, w);"             \
    "y = Mul(c, c); out y"
#define SELECTS                                                                \
    "in x f32[1,3,64,64]; const w f32[4,3,1,1] 1; const k i64[1] 7;"           \
    "c = Conv(x, w); y, i = TopK(c, k); out y"

/* 64x64 has 8*8 + 4*4 + 2*2 = 84 cells. */
static const struct row rows[] = {
    {DECODES, 0, 1, {{3, {1, 84, 84}}}, CZ_DECODER_V8, 80},
    {DECODES, 3, 1, {{3, {1, 7, 84}}}, CZ_DECODER_V8, 3},
    {DECODES, 1, 1, {{3, {1, 5, 84}}}, CZ_DECODER_V8, 1},
    {DECODES, 3, 1, {{3, {1, 84, 7}}}, CZ_DECODER_V8, 3},
    {DECODES, 0, 1, {{3, {1, 252, 85}}}, CZ_DECODER_V5, 80},
    {DECODES, 1, 1, {{3, {1, 252, 6}}}, CZ_DECODER_V5, 1},
    {DECODES, 2, 1, {{3, {1, 84, 7}}}, CZ_DECODER_V5, 2},
    {RAW, 0, 1, {{3, {1, 84, 85}}}, CZ_DECODER_YOLOX, 80},
    {SELECTS, 3, 1, {{3, {1, 300, 6}}}, CZ_DECODER_END_TO_END, 3},
    {SELECTS, 3, 1, {{2, {7, 6}}}, CZ_DECODER_END_TO_END, 3},
    {SELECTS, 0, 1, {{3, {1, 300, 6}}}, CZ_DECODER_END_TO_END, 0},
    /* YOLOv5's and v7's exports carry their maps along. */
    {DECODES,
     0,
     4,
     {{3, {1, 252, 85}},
      {5, {1, 3, 8, 8, 85}},
      {5, {1, 3, 4, 4, 85}},
      {5, {1, 3, 2, 2, 85}}},
     CZ_DECODER_V5,
     80},
    {RAW,
     0,
     3,
     {{4, {1, 255, 8, 8}}, {4, {1, 255, 4, 4}}, {4, {1, 255, 2, 2}}},
     CZ_DECODER_V5_MAPS,
     80},
    {RAW,
     2,
     3,
     {{5, {1, 3, 2, 2, 7}}, {5, {1, 3, 4, 4, 7}}, {5, {1, 3, 8, 8, 7}}},
     CZ_DECODER_V5_MAPS,
     2},
    {RAW,
     0,
     3,
     {{4, {1, 144, 8, 8}}, {4, {1, 144, 4, 4}}, {4, {1, 144, 2, 2}}},
     CZ_DECODER_V8_MAPS,
     80},
    {RAW,
     0,
     6,
     {{4, {1, 64, 8, 8}},
      {4, {1, 5, 8, 8}},
      {4, {1, 64, 4, 4}},
      {4, {1, 5, 4, 4}},
      {4, {1, 64, 2, 2}},
      {4, {1, 5, 2, 2}}},
     CZ_DECODER_V8_MAPS,
     5},
    {RAW,
     0,
     9,
     {{4, {1, 64, 8, 8}},
      {4, {1, 9, 8, 8}},
      {4, {1, 1, 8, 8}},
      {4, {1, 64, 4, 4}},
      {4, {1, 9, 4, 4}},
      {4, {1, 1, 4, 4}},
      {4, {1, 64, 2, 2}},
      {4, {1, 9, 2, 2}},
      {4, {1, 1, 2, 2}}},
     CZ_DECODER_V8_MAPS,
     9},
    {RAW,
     0,
     3,
     {{4, {1, 85, 8, 8}}, {4, {1, 85, 4, 4}}, {4, {1, 85, 2, 2}}},
     CZ_DECODER_YOLOX_MAPS,
     80},
    {RAW,
     0,
     3,
     {{4, {1, 4, 8, 8}}, {4, {1, 1, 8, 8}}, {4, {1, 20, 8, 8}}},
     CZ_DECODER_YOLOX_MAPS,
     20},
};

static struct cz_detector *load(char *folder, const char *graph, size_t names,
                                struct cz_detector_options options)
{
    struct cz_detector *detector;
    struct cz_model *model = cz_test_graph(graph);
    const char *path = cz_test_path(folder, "m.onnx");
    if (names)
        options.names_file = names_file(folder, names);
    assert_ok(cz_model_save(model, path, true, cz_test_error()));
    assert_ok(cz_detector_load(&detector, path, &options, cz_test_error()));
    cz_model_free(model);
    return detector;
}

static void fill_ports(struct cz_port *ports, const struct cz_dims *dims,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        ports[i] = (struct cz_port){
            .name = "y", .dtype = CZ_DTYPE_FLOAT, .dims = dims[i]};
}

static void chooses_the_decoder_that_fits(void **state)
{
    char *folder = cz_test_folder_new();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct cz_port ports[9];
        struct cz_detector *detector =
            load(folder, row->graph, row->names, CZ_DETECTOR_OPTIONS_INIT);
        fill_ports(ports, row->dims, row->count);
        struct cz_error *err = cz_test_error();
        if (cz_detector_bind(detector, ports, row->count, err) != CZ_OK)
            fail_msg("row %zu: %s", i, err->message);
        if (cz_detector_decoder(detector) != row->decoder ||
            cz_detector_classes(detector) != row->classes)
            fail_msg("row %zu: %s, %zu classes", i,
                     cz_decoder_name(cz_detector_decoder(detector)),
                     cz_detector_classes(detector));
        cz_detector_free(detector);
    }
    cz_test_folder_remove(folder);
}

static void feeds_yolox_its_pixels(void **state)
{
    char *folder = cz_test_folder_new();
    struct cz_port port;
    (void)state;
    struct cz_detector *detector =
        load(folder, RAW, 0, CZ_DETECTOR_OPTIONS_INIT);
    assert_true(cz_detector_format(detector)->rgb);
    fill_ports(&port, &(struct cz_dims){3, {1, 84, 85}}, 1);
    assert_ok(cz_detector_bind(detector, &port, 1, cz_test_error()));
    assert_false(cz_detector_format(detector)->rgb);
    assert_false(cz_detector_format(detector)->unit);
    assert_true(cz_detector_format(detector)->corner);
    assert_string_equal(cz_detector_label(detector, 0), "person");
    assert_null(cz_detector_label(detector, 80));
    cz_detector_free(detector);
    cz_test_folder_remove(folder);
}

/* As many paths lead back from the output as 2^48. */
/* A model that decodes in its graph, by what it does with its numbers. */
static float iou_of(char *folder, const char *operator)
{
    char text[512];
    struct cz_session *session;
    struct cz_session_options options = CZ_SESSION_OPTIONS_INIT;
    snprintf(text, sizeof text,
             "in x f32[1,3,64,64]; const s i64[3] 1 1 1;"
             "const b f32[1,84,6]; m = ReduceMean(x) axes=[1,2,3];"
             "r = Reshape(m, s); e = %s(r); y = Mul(e, b); out y f32[1,84,6]",
             operator);
    cz_detector_free(load(folder, text, 1, CZ_DETECTOR_OPTIONS_INIT));
    options.detector.names_file = names_file(folder, 1);
    assert_ok(cz_session_open(&session, cz_test_path(folder, "m.onnx"),
                              &options, cz_test_error()));
    const float iou = cz_session_thresholds(session)->iou;
    assert_int_equal(cz_detector_format(cz_session_detector(session))->rgb,
                     iou > 0.66F);
    cz_session_close(session);
    return iou;
}

static void knows_yolox_that_decodes_in_its_graph(void **state)
{
    char *folder = cz_test_folder_new();
    (void)state;
    assert_float_equal(iou_of(folder, "Exp"), 0.65, 1e-6);
    assert_float_equal(iou_of(folder, "Abs"), 0.7, 1e-6);
    cz_test_folder_remove(folder);
}

/* Only both sides make it fit for --rect; the engine has to know any. */
static void tells_what_the_input_leaves_open(void **state)
{
    static const struct {
        const char *graph;
        bool is_dynamic, is_open;
    } inputs[] = {
        {"in x f32[1,3,64,64]; y = Relu(x); out y", false, false},
        {"in x f32[1,3,64,w]; y = Relu(x); out y", false, true},
        {"in x f32[n,3,64,64]; y = Relu(x); out y", false, true},
        {"in x f32[1,3,h,w]; y = Relu(x); out y", true, true},
    };
    char *folder = cz_test_folder_new();
    (void)state;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct cz_detector *detector =
            load(folder, inputs[i].graph, 0, CZ_DETECTOR_OPTIONS_INIT);
        assert_int_equal(cz_detector_is_dynamic(detector),
                         inputs[i].is_dynamic);
        assert_int_equal(cz_detector_is_open(detector), inputs[i].is_open);
        cz_detector_free(detector);
    }
    cz_test_folder_remove(folder);
}

static void looks_at_each_node_once(void **state)
{
    char *folder = cz_test_folder_new();
    char text[2048];
    struct cz_port port;
    size_t used =
        (size_t)snprintf(text, sizeof text,
                         "in x f32[1,3,64,64]; v0 = Relu(x); const b i64[1] 0;"
                         "const e i64[1] 3; const a i64[1] 1;");
    (void)state;
    for (int i = 0; i < 16; i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "w%d = Concat(v%d, v%d, v%d, v%d, v%d, v%d, "
                                 "v%d, v%d) axis=1; v%d = Slice(w%d, b, e, a);",
                                 i, i, i, i, i, i, i, i, i, i + 1, i);
    snprintf(text + used, sizeof text - used, "out v16");
    struct cz_detector *detector =
        load(folder, text, 0, CZ_DETECTOR_OPTIONS_INIT);
    fill_ports(&port, &(struct cz_dims){3, {1, 84, 85}}, 1);
    assert_ok(cz_detector_bind(detector, &port, 1, cz_test_error()));
    cz_detector_free(detector);
    cz_test_folder_remove(folder);
}

static void refuses_outputs_of_no_decoder(void **state)
{
    static const struct {
        size_t names, count;
        struct cz_dims dims[3];
        const char *text;
    } refused[] = {
        {0, 1, {{2, {1, 1000}}}, "classification"},
        {0, 1, {{1, {10}}}, "no decoder fits outputs [10]; there are v8"},
        {0, 1, {{3, {2, 84, 84}}}, "no decoder fits outputs [2,84,84];"},
        {0, 2, {{3, {1, 84, 80}}, {3, {1, 84, 4}}}, "[1,84,4]: boxes and"},
        {3, 2, {{3, {1, 39, 84}}, {4, {1, 32, 16, 16}}}, "segmentation"},
        {3, 1, {{3, {1, 8, 84}}}, "oriented boxes"},
        {1, 1, {{3, {1, 56, 84}}}, "pose"},
        {3, 1, {{3, {1, 39, 84}}}, "segmentation"},
        {9, 1, {{3, {1, 7, 84}}}, "fewer fields"},
        /* Not decoded, and of other strides. */
        {0, 1, {{3, {1, 600, 9}}}, "strides 8, 16, 32"},
        /* 3 * (5 + 50), 64 + 101, 5 + 160 */
        {0, 1, {{4, {1, 165, 8, 8}}}, "--decoder"},
        {0, 1, {{4, {1, 255, 7, 7}}}, "equal cells"},
        {0, 1, {{4, {1, 255, 8, 8}}}, "--anchors"},
    };
    char *folder = cz_test_folder_new();
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct cz_port ports[3];
        struct cz_detector *detector =
            load(folder, RAW, refused[i].names, CZ_DETECTOR_OPTIONS_INIT);
        fill_ports(ports, refused[i].dims, refused[i].count);
        assert_error(cz_detector_bind(detector, ports, refused[i].count,
                                      cz_test_error()),
                     CZ_EUNSUPPORTED, refused[i].text);
        cz_detector_free(detector);
    }
    cz_test_folder_remove(folder);
}

static void refuses_a_decoder_that_does_not_fit(void **state)
{
    char *folder = cz_test_folder_new();
    struct cz_port port;
    struct cz_detector_options options = {.decoder = CZ_DECODER_END_TO_END};
    (void)state;
    struct cz_detector *detector = load(folder, RAW, 0, options);
    fill_ports(&port, &(struct cz_dims){3, {1, 84, 85}}, 1);
    assert_error(cz_detector_bind(detector, &port, 1, cz_test_error()),
                 CZ_EUNSUPPORTED, "end2end");
    port.dtype = CZ_DTYPE_INT64;
    assert_error(cz_detector_bind(detector, &port, 1, cz_test_error()),
                 CZ_EUNSUPPORTED, "int64");
    cz_detector_free(detector);
    cz_test_folder_remove(folder);
}

/* Loading `graph` fails with `text` in the message. */
static void expect_refusal(const char *graph, const char *text)
{
    char *folder = cz_test_folder_new();
    struct cz_detector *detector;
    struct cz_model *model = cz_test_graph(graph);
    const struct cz_detector_options options = {.width = 0};
    const char *path = cz_test_path(folder, "m.onnx");
    assert_ok(cz_model_save(model, path, true, cz_test_error()));
    assert_error(cz_detector_load(&detector, path, &options, cz_test_error()),
                 CZ_EUNSUPPORTED, text);
    cz_model_free(model);
    cz_test_folder_remove(folder);
}

static void refuses_models_for_other_tasks(void **state)
{
    (void)state;
    expect_refusal("meta task segment;" RAW, "segmentation");
    expect_refusal("meta task pose;" RAW, "pose");
    expect_refusal("meta task obb;" RAW, "oriented boxes");
    expect_refusal("meta task classify;" RAW, "classification");
    expect_refusal("in x f32[1,8]; y = Relu(x); out y", "no image");
    expect_refusal("in x f32[4,3,8,8]; y = Relu(x); out y", "at a time");
    expect_refusal("in x f32[0,3,8,8]; y = Relu(x); out y", "at a time");
    expect_refusal("in x f32[1,3,8,8]; in z f32[1]; y = Add(x, z); out y",
                   "2 inputs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_the_decoder_that_fits),
        cmocka_unit_test(feeds_yolox_its_pixels),
        cmocka_unit_test(knows_yolox_that_decodes_in_its_graph),
        cmocka_unit_test(tells_what_the_input_leaves_open),
        cmocka_unit_test(looks_at_each_node_once),
        cmocka_unit_test(refuses_outputs_of_no_decoder),
        cmocka_unit_test(refuses_a_decoder_that_does_not_fit),
        cmocka_unit_test(refuses_models_for_other_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
