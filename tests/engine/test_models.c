/* Whole detectors against ONNX Runtime on random images: each pass and each
 * kernel switched off alone, and all of them, with 1 and 2 threads, in several
 * sizes. Skipped where ONNX Runtime is not, and for each model that is not
 * there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/engine.h"
#include "tests/support/ort.h"

/* What the project promises. A box moves by less than what a drawing of it
 * shows; the scores of a detector that is sure differ by more from image to
 * image. */
#define BOX_PIXELS 0.01
#define SCORE 1e-5
/* With pixels of 0..255 (YOLOX) two right float32 computations differ by more:
 * in float64 the scores of ONNX Runtime are off by 8e-6 on the golden image,
 * ours by 7e-6, and both by more on images of noise. */
#define SCORE_OF_PIXELS 3e-5

#define RECTANGLES 60
#define LIST_BYTES 160

/* Sanitizers make it ten times as slow: then the defaults alone. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SLOW true
#else
#define IS_SLOW false
#endif

enum output {
    ROWS,    /* [N, 4 + classes, boxes]: x, y, w, h in pixels */
    COLUMNS, /* [N, boxes, 5 + classes]: the same, then scores */
    GRID     /* the same, but x, y in cells and log w, log h: YOLOX */
};

struct detector {
    const char *variable; /* of the folder: "SHARED" */
    const char *path;
    enum output output;
    struct cz_dims dims;
    float largest; /* of a pixel */
    bool is_large; /* takes turns with the threads instead of both */
};

struct configuration {
    char passes[LIST_BYTES], kernels[LIST_BYTES];
    size_t threads;
};

/* ---- the reference ---------------------------------------------------- */

struct reference {
    struct cz_ort *ort;
    struct cz_ort_session *session;
    struct cz_ort_tensor image;
    struct cz_ort_tensors outputs;
};

static uint64_t random_state;

static size_t random_below(size_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(random_state >> 33) % n;
}

/* Sets a rectangle of each plane to a colour of its own, with some noise. */
static void draw_rectangle(float *values, const struct detector *d)
{
    const size_t planes = (size_t)(d->dims.size[0] * d->dims.size[1]);
    const size_t h = (size_t)d->dims.size[2], w = (size_t)d->dims.size[3];
    const size_t top = random_below(h), bottom = top + random_below(h - top);
    const size_t left = random_below(w), right = left + random_below(w - left);
    for (size_t p = 0; p < planes; p++) {
        const size_t colour = random_below(200);
        for (size_t y = top; y <= bottom; y++) {
            for (size_t x = left; x <= right; x++)
                values[(p * h + y) * w + x] =
                    (float)(colour + random_below(56)) / 255 * d->largest;
        }
    }
}

/* Rectangles: detectors see more in them than in noise. */
static float *random_image(const struct detector *d, size_t count)
{
    float *values = calloc(count + 1, sizeof *values);
    assert_non_null(values);
    random_state = 11;
    for (size_t i = 0; i < RECTANGLES; i++)
        draw_rectangle(values, d);
    return values;
}

static void run_reference(struct reference *r, const struct detector *d,
                          const char *path)
{
    assert_ok(cz_ort_session_new(&r->session, r->ort, path, cz_test_error()));
    const struct cz_ort_tensors *inputs = cz_ort_session_inputs(r->session);
    assert_int_equal(inputs->count, 1);
    r->image = inputs->items[0];
    r->image.rank = d->dims.rank;
    r->image.count = 1;
    for (size_t i = 0; i < d->dims.rank; i++) {
        r->image.dims[i] = d->dims.size[i];
        r->image.count *= (size_t)d->dims.size[i];
    }
    r->image.values = random_image(d, r->image.count);
    const struct cz_ort_tensors image = {&r->image, 1};
    assert_ok(cz_ort_run(&r->outputs, r->session, &image, cz_test_error()));
    assert_int_equal(r->outputs.count, 1);
    assert_int_equal(r->outputs.items[0].rank, 3);
}

static void free_reference(struct reference *r)
{
    cz_ort_tensors_fini(&r->outputs);
    free(r->image.values);
    cz_ort_session_free(r->session);
    cz_ort_close(r->ort);
}

/* ---- comparing -------------------------------------------------------- */

struct difference {
    double pixels, score;
};

/* The stride of row `row` of YOLOX's grid. */
static double stride_of(size_t row, const struct cz_dims *dims)
{
    static const size_t strides[] = {8, 16, 32};
    size_t end = 0;
    for (size_t i = 0; i < 3; i++) {
        end += (size_t)dims->size[2] / strides[i] *
               ((size_t)dims->size[3] / strides[i]);
        if (row < end)
            return (double)strides[i];
    }
    fail_msg("row %zu of %zu", row, end);
    return 0;
}

static double worse(double a, double b)
{
    return isnan(a) || isnan(b) ? INFINITY : fmax(a, b);
}

static struct difference compare(const float *got, const struct reference *r,
                                 const struct detector *d)
{
    const struct cz_ort_tensor *want = &r->outputs.items[0];
    const size_t columns = (size_t)want->dims[2], rows = (size_t)want->dims[1];
    struct difference worst = {0, 0};
    for (size_t i = 0; i < want->count; i++) {
        const double x = (double)got[i], y = (double)want->values[i];
        const size_t row = i / columns % rows;
        const size_t part = d->output == ROWS ? row : i % columns;
        if (part >= 4)
            worst.score = worse(worst.score, fabs(x - y));
        else if (d->output != GRID)
            worst.pixels = worse(worst.pixels, fabs(x - y));
        else
            worst.pixels = worse(worst.pixels,
                                 stride_of(row, &d->dims) *
                                     fabs(part < 2 ? x - y : exp(x) - exp(y)));
    }
    return worst;
}

static struct difference run_ours(struct cz_model *model,
                                  const struct reference *r,
                                  const struct detector *d,
                                  const struct configuration *c)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    const struct cz_input_shape shape = {NULL, d->dims};
    struct cz_plan *plan;
    options.threads = c->threads;
    options.passes = c->passes;
    options.kernels = c->kernels;
    options.shapes = &shape;
    options.n_shapes = 1;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    memcpy(cz_plan_inputs(plan, NULL)->data, r->image.values,
           cz_plan_inputs(plan, NULL)->size_bytes);
    assert_ok(cz_plan_run(plan, cz_test_error()));
    const struct cz_port *out = cz_plan_outputs(plan, NULL);
    assert_int_equal(out->size_bytes,
                     r->outputs.items[0].count * sizeof(float));
    struct difference worst = compare(out->data, r, d);
    cz_plan_free(plan);
    return worst;
}

/* ---- configurations --------------------------------------------------- */

static const char *const kernels[] = {"winograd", "depthwise", "direct",
                                      "blocked",  "gemm",      "onednn",
                                      "openblas", "place",     "simd"};
#define KERNELS (sizeof kernels / sizeof *kernels)

static void switch_off(char list[LIST_BYTES], const char *name)
{
    size_t at = strlen(list);
    snprintf(list + at, LIST_BYTES - at, "%s-%s", at ? "," : "", name);
}

/* Number i; false behind the last. */
static bool configuration(struct configuration *c, size_t i)
{
    size_t n_passes = 0;
    while (cz_plan_pass(n_passes))
        n_passes++;
    *c = (struct configuration){"", "", 1};
    if (i == 0)
        return true;
    if (--i < n_passes) {
        switch_off(c->passes, cz_plan_pass(i));
        return true;
    }
    if ((i -= n_passes) < KERNELS) {
        switch_off(c->kernels, kernels[i]);
        return true;
    }
    i -= KERNELS;
    if (i != 1)
        snprintf(c->passes, sizeof c->passes, "none");
    for (size_t k = 0; k < KERNELS && i > 0; k++)
        switch_off(c->kernels, kernels[k]);
    return i < 3 - IS_SLOW; /* no passes, no kernels, neither */
}

struct report {
    double score_limit;
    size_t n_failures;
    struct difference worst;
};

static void note(struct report *report, const struct configuration *c,
                 struct difference found)
{
    report->worst.pixels = worse(report->worst.pixels, found.pixels);
    report->worst.score = worse(report->worst.score, found.score);
    if (found.pixels <= BOX_PIXELS && found.score <= report->score_limit)
        return;
    report->n_failures++;
    print_message("passes '%s' kernels '%s' threads %zu: %.2g pixel, scores "
                  "%.2g\n",
                  c->passes, c->kernels, c->threads, found.pixels, found.score);
}

static void check(const struct detector *d, bool all)
{
    struct reference r = {0};
    struct report report = {.score_limit =
                                d->largest > 1 ? SCORE_OF_PIXELS : SCORE};
    struct configuration c;
    const char *folder = getenv(d->variable);
    assert_ok(cz_ort_open(&r.ort, cz_test_error()));
    if (!r.ort || !folder) {
        cz_ort_close(r.ort);
        skip();
    }
    const char *path = cz_test_path(folder, d->path);
    run_reference(&r, d, path);
    struct cz_model *model = cz_test_load(path);
    for (size_t i = 0; configuration(&c, i) && (all || i == 0); i++) {
        if (IS_SLOW && i > 0 && d->is_large)
            break;
        for (c.threads = 1; c.threads <= 2; c.threads++) {
            if (i == 0 || !d->is_large || i % 2 == c.threads - 1)
                note(&report, &c, run_ours(model, &r, d, &c));
        }
    }
    print_message("%s: %.2g pixel, scores %.2g\n", d->path, report.worst.pixels,
                  report.worst.score);
    cz_model_free(model);
    free_reference(&r);
    if (report.n_failures)
        fail_msg("%s: %zu configurations differ", d->path, report.n_failures);
}

/* ---- models ----------------------------------------------------------- */

static void yolov8n_agrees(void **state)
{
    (void)state;
    static const struct detector d = {
        "SHARED", "models/yolov8n.onnx", ROWS, {4, {1, 3, 640, 640}}, 1, true};
    check(&d, true);
}

static void yolov5n_agrees(void **state)
{
    (void)state;
    static const struct detector d = {"SHARED", "models/yolov5n.onnx",
                                      COLUMNS,  {4, {1, 3, 640, 640}},
                                      1,        true};
    check(&d, true);
}

static void yolox_nano_agrees(void **state)
{
    (void)state;
    static const struct detector d = {"SHARED", "models/yolox_nano.onnx",
                                      GRID,     {4, {1, 3, 416, 416}},
                                      255,      false};
    check(&d, true);
}

static void the_sample_agrees(void **state)
{
    (void)state;
    static const struct detector d = {
        "SAMPLES", "shapes8n.onnx", ROWS, {4, {1, 3, 320, 320}}, 1, false};
    check(&d, true);
}

static void small_detectors_agree(void **state)
{
    (void)state;
    static const struct detector detectors[] = {
        {"MODELS", "tiny_v8_opset11.onnx", ROWS, {4, {1, 3, 64, 64}}, 1, false},
        {"MODELS", "tiny_v8_opset22.onnx", ROWS, {4, {1, 3, 64, 64}}, 1, false},
        {"MODELS", "tiny_v5.onnx", COLUMNS, {4, {1, 3, 64, 64}}, 1, false},
        {"MODELS", "tiny_yolox.onnx", GRID, {4, {1, 3, 64, 64}}, 1, false},
    };
    for (size_t i = 0; i < sizeof detectors / sizeof *detectors; i++)
        check(&detectors[i], true);
}

static void open_sizes_agree(void **state)
{
    (void)state;
    static const struct cz_dims sizes[] = {
        {4, {1, 3, 320, 320}}, {4, {1, 3, 416, 416}}, {4, {1, 3, 640, 640}},
        {4, {1, 3, 608, 800}}, {4, {3, 3, 64, 96}},   {4, {2, 3, 320, 416}}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct detector d = {
            "MODELS", "dynamic_axes.onnx", ROWS, sizes[i], 1, true};
        check(&d, i == 0 || i == 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolov8n_agrees),
        cmocka_unit_test(yolov5n_agrees),
        cmocka_unit_test(yolox_nano_agrees),
        cmocka_unit_test(the_sample_agrees),
        cmocka_unit_test(small_detectors_agree),
        cmocka_unit_test(open_sizes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
