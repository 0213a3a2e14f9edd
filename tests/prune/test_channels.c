/* Channels that are cut out: the smaller model gives what the masked one gives,
 * in the same shapes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "prune/channels.h"
#include "tests/support/graph_text.h"
#include "tests/support/ort.h"
#include "tests/support/plan.h"
#include "tests/support/random_graph.h"
#include "tests/support/support.h"

/* The same sums, with zeros left out, in another order and through other
 * kernels; to the largest number of an output. */
#define TOLERANCE 2e-4

#define GRAPHS 300
#define PIECES_MAX 16

/* ---- masked and cut --------------------------------------------------- */

/* A model twice, with the same channels masked in one and cut out of the
 * other. */
struct pair {
    struct cz_model *masked, *cut;
    struct cz_channels_report report; /* its names are those of `masked` */
};

static struct cz_channels_options by_ratio(double ratio)
{
    struct cz_channels_options options = CZ_CHANNELS_OPTIONS_INIT;
    options.importance = CZ_CHANNELS_L1;
    options.ratio = ratio;
    options.multiple = 1;
    return options;
}

/* Takes both models over, which are the same. */
static struct pair make_pair(struct cz_model *masked, struct cz_model *cut,
                             const struct cz_channels_options *options)
{
    struct pair p = {.masked = masked, .cut = cut};
    struct cz_channels *channels;
    assert_ok(cz_graph_infer(cz_model_graph(masked), cz_test_error()));
    assert_ok(cz_graph_infer(cz_model_graph(cut), cz_test_error()));
    assert_ok(cz_channels_choose(&channels, masked, options, cz_test_error()));
    assert_ok(cz_channels_report(&p.report, channels, cz_test_error()));
    assert_ok(cz_channels_mask(channels, cz_test_error()));
    cz_channels_free(channels);
    assert_ok(cz_channels_choose(&channels, cut, options, cz_test_error()));
    assert_ok(cz_channels_cut(channels, cz_test_error()));
    cz_channels_free(channels);
    assert_ok(cz_graph_infer(cz_model_graph(cut), cz_test_error()));
    p.cut = cz_test_reload(cut);
    assert_ok(cz_graph_infer(cz_model_graph(p.cut), cz_test_error()));
    return p;
}

static struct pair pair_of_text(const char *text,
                                const struct cz_channels_options *options)
{
    return make_pair(cz_test_graph(text), cz_test_graph(text), options);
}

static struct pair pair_of_file(const char *path,
                                const struct cz_channels_options *options)
{
    return make_pair(cz_test_load(path), cz_test_load(path), options);
}

static void pair_free(struct pair *p)
{
    cz_channels_report_fini(&p->report);
    cz_model_free(p->masked);
    cz_model_free(p->cut);
}

/* ---- outputs ---------------------------------------------------------- */

static bool is_near(const struct cz_port *got, const struct cz_port *want)
{
    const float *a = got->data, *b = want->data;
    double most = 1, worst = 0;
    assert_string_equal(got->name, want->name);
    assert_int_equal(got->dims.rank, want->dims.rank);
    for (size_t i = 0; i < want->dims.rank; i++)
        assert_int_equal(got->dims.size[i], want->dims.size[i]);
    for (size_t i = 0; i < want->size_bytes / sizeof *b; i++) {
        const double distance = fabs((double)a[i] - (double)b[i]);
        most = fmax(most, fabs((double)b[i]));
        worst = isnan(distance) ? INFINITY : fmax(worst, distance);
    }
    if (worst > TOLERANCE * most)
        print_message("%s differs by %g, its numbers are up to %g\n", got->name,
                      worst, most);
    return worst <= TOLERANCE * most;
}

static struct cz_plan *run(struct cz_model *model)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    cz_test_randomize(plan, 1);
    assert_ok(cz_plan_run(plan, cz_test_error()));
    return plan;
}

static bool agrees(const struct pair *p)
{
    struct cz_plan *masked = run(p->masked), *cut = run(p->cut);
    size_t n, n_cut;
    const struct cz_port *want = cz_plan_outputs(masked, &n);
    const struct cz_port *got = cz_plan_outputs(cut, &n_cut);
    assert_int_equal(n, n_cut);
    bool same = true;
    for (size_t i = 0; i < n && same; i++)
        same = is_near(&got[i], &want[i]);
    cz_plan_free(masked);
    cz_plan_free(cut);
    return same;
}

/* The report says what the cut model has. Nodes that nobody reads, which
 * random graphs have, are dropped besides. */
static void check_counts(const struct pair *p)
{
    struct cz_stats before, after;
    cz_model_count(&before, p->masked);
    cz_model_count(&after, p->cut);
    if (before.nodes != after.nodes)
        return;
    assert_int_equal(p->report.macs_before, before.macs);
    assert_int_equal(p->report.macs_after, after.macs);
    assert_int_equal(p->report.parameters_before, before.parameters);
    assert_int_equal(p->report.parameters_after, after.parameters);
    assert_true(after.parameters < before.parameters);
}

static void check_pair(struct pair p)
{
    assert_true(agrees(&p));
    check_counts(&p);
    pair_free(&p);
}

/* ---- small graphs ----------------------------------------------------- */

#define IMAGE "in x f32[1,3,8,8]; "
#define STEM "const w f32[8,3,3,3] random; p = Conv(x, w) pads=[1,1,1,1]; "
#define HEAD "const e f32[2,8,1,1] random; y = Conv(q, e); out y"

static const struct cz_channels_layer *row(const struct pair *p,
                                           const char *conv)
{
    for (size_t i = 0; i < p->report.n_layers; i++) {
        if (strcmp(p->report.layers[i].name, conv) == 0)
            return &p->report.layers[i];
    }
    fail_msg("no row for '%s'", conv);
    return NULL;
}

static void cuts_the_same_share_of_each_layer(void **state)
{
    (void)state;
    const struct cz_channels_options options = by_ratio(.25);
    struct pair p = pair_of_text(IMAGE STEM "q = Relu(p); " HEAD, &options);
    assert_int_equal(row(&p, "p")->before, 8);
    assert_int_equal(row(&p, "p")->after, 6);
    assert_null(row(&p, "p")->reason);
    assert_int_equal(row(&p, "y")->after, 2);
    assert_int_equal(row(&p, "y")->fixed, 2);
    assert_string_equal(row(&p, "y")->reason, "it is an output of the model");
    assert_string_equal(cz_test_type(p.cut, "q"), "float32[1,6,8,8]");
    check_pair(p);
}

/* A residual's other Conv stays with it; one that only reads from it does not.
 */
static void keeps_all_channels_of_what_is_skipped(void **state)
{
    (void)state;
    static const char *const skip[] = {"p"};
    struct cz_channels_options options = by_ratio(.25);
    options.skip = skip;
    options.n_skip = 1;
    struct pair p = pair_of_text(
        IMAGE STEM "const v f32[8,8,1,1] random 3 1; r = Conv(p, v);"
                   "s = Add(p, r); const u f32[8,8,1,1] random 4 1;"
                   "q = Conv(s, u);" HEAD,
        &options);
    assert_int_equal(row(&p, "p")->after, 8);
    assert_int_equal(row(&p, "p")->fixed, 8);
    assert_string_equal(row(&p, "p")->reason, "asked for");
    assert_int_equal(row(&p, "r")->after, 8);
    assert_string_equal(row(&p, "r")->reason, "asked for");
    assert_int_equal(row(&p, "q")->after, 6);
    assert_null(row(&p, "q")->reason);
    check_pair(p);
}

static void cuts_the_rows_of_smallest_magnitude(void **state)
{
    (void)state;
    const struct cz_channels_options options = by_ratio(.5);
    struct pair p =
        pair_of_text("in x f32[1,1,2,2]; const w f32[4,1,1,1] 3 -1 -4 2;"
                     "p = Conv(x, w); q = Relu(p);"
                     "const e f32[1,4,1,1] 1; y = Conv(q, e); out y",
                     &options);
    float *w;
    const struct cz_node *conv = cz_test_node(p.cut, "p");
    assert_ok(cz_tensor_floats(conv->inputs[1]->constant, &w, cz_test_error()));
    assert_true(w[0] == 3 && w[1] == -4);
    cz_free(w);
    check_pair(p);
}

/* Opset, Split as text, how its sizes are told afterwards. */
static void tells_splits_their_sizes_in_every_opset(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "opset 11; " IMAGE STEM "l, r = Split(p) axis=1 split=[2,6];"
        "const h f32[6,6,1,1] random; m = Conv(r, h); s = Add(r, m);"
        "q = Concat(l, s) axis=1; " HEAD,
        "opset 13; " IMAGE STEM "l, r = Split(p) axis=1;"
        "const h f32[4,4,1,1] random; m = Conv(r, h); s = Add(r, m);"
        "q = Concat(l, s) axis=1; " HEAD,
        "opset 18; " IMAGE STEM "l, r = Split(p) axis=1 num_outputs=2;"
        "const h f32[4,4,1,1] random; m = Conv(r, h); s = Add(r, m);"
        "q = Concat(l, s) axis=1; " HEAD,
    };
    static const char *const parts[] = {"float32[1,4,8,8]", "float32[1,3,8,8]",
                                        "float32[1,3,8,8]"};
    const struct cz_channels_options options = by_ratio(.3);
    for (size_t i = 0; i < 3; i++) {
        struct pair p = pair_of_text(texts[i], &options);
        assert_string_equal(cz_test_type(p.cut, "r"), parts[i]);
        check_pair(p);
    }
}

static void follows_constants_and_sizes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        IMAGE STEM "const k f32[8,1,1] random; q = Add(k, p); " HEAD,
        IMAGE STEM "const k f32[1,8,1,1] random; q = PRelu(p, k); " HEAD,
        IMAGE STEM "const k i64[4] 1 8 16 16; q = Resize(p, , , k); " HEAD,
        IMAGE STEM "const a f32[8] random; const b f32[8] random;"
                   "const c f32[8] random; const d f32[8] 1;"
                   "q = BatchNormalization(p, a, b, c, d); " HEAD,
        IMAGE STEM "const d f32[16,1,3,3] random; const b f32[16] random;"
                   "m = Conv(p, d, b) group=8 pads=[1,1,1,1];"
                   "const g f32[8,4,1,1] random; q = Conv(m, g) group=4; " HEAD,
        "ir 3; opset 9; " IMAGE STEM "q = Relu(p); " HEAD,
        IMAGE STEM
        "info p f32[1,8,8,8]; info q f32[n,8,?,?]; q = Relu(p); " HEAD,
    };
    const struct cz_channels_options options = by_ratio(.4);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_pair(pair_of_text(texts[i], &options));
}

static void keeps_one_channel_of_each_set(void **state)
{
    (void)state;
    const struct cz_channels_options options = by_ratio(.999);
    struct pair p = pair_of_text(
        IMAGE STEM "l, r = Split(p) axis=1; const h f32[4,4,1,1] random;"
                   "m = Conv(r, h); q = Concat(l, m) axis=1; " HEAD,
        &options);
    assert_int_equal(row(&p, "p")->after, 2);
    assert_int_equal(row(&p, "m")->after, 1);
    check_pair(p);
}

/* Layers of 48 and of 9 channels. */
#define TWO_SIZES                                                              \
    IMAGE "const w f32[48,3,1,1] random; p = Conv(x, w);"                      \
          "const v f32[9,48,1,1] random; q = Conv(p, v);"                      \
          "const e f32[2,9,1,1] random; y = Conv(q, e); out y"

static void keeps_multiples_where_there_are_many(void **state)
{
    (void)state;
    struct cz_channels_options options = by_ratio(.3);
    options.multiple = 8;
    struct pair p = pair_of_text(TWO_SIZES, &options);
    assert_int_equal(row(&p, "p")->after, 32);
    assert_int_equal(row(&p, "q")->after, 6);
    check_pair(p);
}

static void keeps_multiples_of_what_is_computed_together(void **state)
{
    (void)state;
    struct cz_channels_options options = by_ratio(.5);
    options.multiple = 16;
    options.least_steps = 2;
    struct pair p = pair_of_text(TWO_SIZES, &options);
    assert_int_equal(row(&p, "p")->after, 32);
    assert_int_equal(row(&p, "q")->after, 4);
    check_pair(p);
}

/* ---- a number of MACs ------------------------------------------------- */

static void comes_down_to_the_macs(void **state)
{
    (void)state;
    for (double macs = .9; macs > .2; macs -= .2) {
        struct cz_channels_options options = by_ratio(0);
        options.macs = macs;
        struct pair p =
            pair_of_file(cz_test_model("tiny_v8_opset12.onnx"), &options);
        const double left =
            (double)p.report.macs_after / (double)p.report.macs_before;
        assert_true(left <= macs && left > macs - .1);
        check_pair(p);
    }
}

/* ---- what is refused -------------------------------------------------- */

static void check_refused(const char *text,
                          const struct cz_channels_options *options,
                          const char *message)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_channels *channels;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_error(cz_channels_choose(&channels, model, options, cz_test_error()),
                 CZ_EINVAL, message);
    assert_null(channels);
    cz_model_free(model);
}

static void refuses_options_outside_their_ranges(void **state)
{
    (void)state;
    const char *text = IMAGE STEM "q = Relu(p); " HEAD;
    static const double bad[] = {1, 1.5, -.1, NAN, INFINITY};
    for (size_t i = 0; i < 5; i++) {
        struct cz_channels_options options = by_ratio(bad[i]);
        check_refused(text, &options, "want a number between 0 and 1");
        options.ratio = 0;
        options.macs = bad[i];
        check_refused(text, &options, "want a number between 0 and 1");
    }
    struct cz_channels_options options = by_ratio(0);
    check_refused(text, &options, "one of the two");
    options = by_ratio(.01);
    check_refused(text, &options, "less than one of each layer");
    options = by_ratio(0);
    options.macs = .01;
    check_refused(text, &options, "cannot be reached");
}

static void says_why_nothing_can_go(void **state)
{
    (void)state;
    const struct cz_channels_options options = by_ratio(.3);
    check_refused(IMAGE STEM "q = Softmax(p); " HEAD, &options,
                  "'p': an operator that may mix channels reads it: q");
    check_refused(IMAGE "y = Relu(x); out y", &options, "there is no Conv");
    check_refused(IMAGE "const w f32[2,3,1,1] 1; y = Conv(x, w); out y",
                  &options, "it is an output of the model");
    static const char *const skip[] = {"[pq]", "none"};
    struct cz_channels_options skips = options;
    skips.skip = skip;
    skips.n_skip = 1;
    check_refused(IMAGE STEM "q = Relu(p); " HEAD, &skips, "'p': asked for");
    skips.n_skip = 2;
    check_refused(IMAGE STEM "q = Relu(p); " HEAD, &skips,
                  "pattern 'none' matches no Conv");
}

/* ---- many graphs ------------------------------------------------------ */

static enum cz_status try_to_choose(const char *text,
                                    const struct cz_channels_options *options)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_channels *channels;
    struct cz_error err = CZ_ERROR_INIT;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    const enum cz_status status =
        cz_channels_choose(&channels, model, options, &err);
    cz_channels_free(channels);
    cz_model_free(model);
    return status;
}

static void gives_what_the_masked_model_gives(void **state)
{
    static char text[CZ_RANDOM_TEXT_BYTES];
    char tap[16];
    size_t cut = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        const struct cz_channels_options options =
            by_ratio(.2 + .1 * (double)(seed % 7));
        cz_random_graph(text, tap, seed, 4 + seed % PIECES_MAX);
        if (try_to_choose(text, &options) != CZ_OK)
            continue;
        struct pair p = pair_of_text(text, &options);
        if (!agrees(&p)) {
            print_message("%s\n", text);
            fail_msg("seed %llu", (unsigned long long)seed);
        }
        check_counts(&p);
        pair_free(&p);
        cut++;
    }
    print_message("%zu of %d graphs were cut\n", cut, GRAPHS);
    assert_true(cut > 100);
}

/* ---- detectors -------------------------------------------------------- */

/* The file in ONNX Runtime, on the inputs of the plan. */
static void check_in_ort(struct cz_model *model)
{
    struct cz_ort *ort;
    struct cz_ort_session *session;
    struct cz_ort_tensors inputs, outputs;
    assert_ok(cz_ort_open(&ort, cz_test_error()));
    if (!ort)
        return;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "cut.onnx");
    assert_ok(cz_model_save(model, path, false, cz_test_error()));
    assert_ok(cz_ort_session_new(&session, ort, path, cz_test_error()));
    assert_ok(cz_ort_random_inputs(&inputs, session, 64, 7, cz_test_error()));
    assert_ok(cz_ort_run(&outputs, session, &inputs, cz_test_error()));
    struct cz_plan *plan = run(model);
    size_t n;
    const struct cz_port *own = cz_plan_outputs(plan, &n);
    memcpy(cz_plan_inputs(plan, NULL)->data, inputs.items->values,
           inputs.items->count * sizeof(float));
    assert_ok(cz_plan_run(plan, cz_test_error()));
    for (size_t i = 0; i < n; i++) {
        struct cz_port port = own[i];
        assert_int_equal(outputs.items[i].count * sizeof(float),
                         port.size_bytes);
        port.data = outputs.items[i].values;
        assert_true(is_near(&port, &own[i]));
    }
    cz_plan_free(plan);
    cz_ort_tensors_fini(&inputs);
    cz_ort_tensors_fini(&outputs);
    cz_ort_session_free(session);
    cz_ort_close(ort);
    cz_test_folder_remove(folder);
}

static void check_detector(const char *path, double most)
{
    struct cz_channels_options options = by_ratio(.3);
    options.multiple = 8;
    struct pair p = pair_of_file(path, &options);
    bool checked;
    const double left =
        (double)p.report.macs_after / (double)p.report.macs_before;
    assert_true(left < most);
    assert_ok(cz_model_check(p.cut, &checked, cz_test_error()));
    assert_true(checked);
    check_in_ort(p.cut);
    check_pair(p);
}

static void cuts_the_sample_detector(void **state)
{
    (void)state;
    check_detector(cz_test_path(getenv("SAMPLES"), "shapes8n.onnx"), .65);
}

static void cuts_real_detectors(void **state)
{
    (void)state;
    check_detector(cz_test_shared("models/yolov8n.onnx"), .6);
    check_detector(cz_test_shared("models/yolov5n.onnx"), .6);
    check_detector(cz_test_shared("models/yolox_nano.onnx"), .6);
}

static void leaves_alone_what_is_broken(void **state)
{
    (void)state;
#define TWO                                                                    \
    "opset 18; in x f32[1,4,8,8]; out y; out u; const w f32[8,4,1,1] random;"  \
    "const v f32[2,8,1,1] random; p = Conv(x, w); y = Conv(p, v);"
    static const char *const texts[] = {
        TWO "u = BatchNormalization(x)",
        TWO "u = Conv(x)",
        TWO "f = com.example::Op(x); const k f32[4096,4,1,1] 1;"
            "u = Conv(f, k)",
        TWO "const k f32[2,4096,1,1,1,1] 1; info u f32[1,2,2,2,2,2];"
            "const s i64[6] 1 4 4 4 2 2; q = Reshape(x, s); u = Conv(q, k)",
    };
    const struct cz_channels_options options = {.importance = CZ_CHANNELS_L1,
                                                .ratio = .5,
                                                .multiple = 1,
                                                .least_steps = 1};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cz_model *model = cz_test_graph(texts[i]);
        struct cz_channels_report report;
        struct cz_channels *channels;
        struct cz_error err = CZ_ERROR_INIT;
        if (cz_graph_infer(cz_model_graph(model), &err) == CZ_OK) {
            assert_ok(cz_channels_choose(&channels, model, &options,
                                         cz_test_error()));
            assert_ok(cz_channels_report(&report, channels, cz_test_error()));
            assert_int_equal(report.layers[0].after, 4);
            assert_ok(cz_channels_cut(channels, cz_test_error()));
            cz_channels_report_fini(&report);
            cz_channels_free(channels);
        }
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_the_same_share_of_each_layer),
        cmocka_unit_test(keeps_all_channels_of_what_is_skipped),
        cmocka_unit_test(cuts_the_rows_of_smallest_magnitude),
        cmocka_unit_test(tells_splits_their_sizes_in_every_opset),
        cmocka_unit_test(follows_constants_and_sizes),
        cmocka_unit_test(keeps_one_channel_of_each_set),
        cmocka_unit_test(keeps_multiples_where_there_are_many),
        cmocka_unit_test(keeps_multiples_of_what_is_computed_together),
        cmocka_unit_test(comes_down_to_the_macs),
        cmocka_unit_test(refuses_options_outside_their_ranges),
        cmocka_unit_test(says_why_nothing_can_go),
        cmocka_unit_test(gives_what_the_masked_model_gives),
        cmocka_unit_test(cuts_the_sample_detector),
        cmocka_unit_test(cuts_real_detectors),
        cmocka_unit_test(leaves_alone_what_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
