/* Which channels are worth the least, as images tell. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/blas.h"
#include "prune/channels.h"
#include "prune/recover.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"
#include "tests/support/support.h"

static void need_blas(void)
{
    if (!cz_blas())
        skip();
}

static struct cz_images noise; /* the same in all tests */

/* What the outputs of the model as it was are on one input. */
static float *exact;

/* Squares of what the outputs are away from them; the first call is for the
 * model as it was. */
static double compare(const struct cz_plan *plan)
{
    const struct cz_port *y = cz_plan_outputs(plan, NULL);
    const float *got = y->data;
    double sum = 0;
    if (!exact) {
        exact = test_malloc(y->size_bytes);
        memcpy(exact, got, y->size_bytes);
    }
    for (size_t i = 0; i < y->size_bytes / sizeof *got; i++)
        sum += pow((double)got[i] - (double)exact[i], 2);
    return sum;
}

static enum cz_status judge(void *user, struct cz_model *model, double *lost,
                            struct cz_error *err)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    (void)user;
    options.threads = 1;
    CZ_TRY(cz_plan_compile(&plan, model, &options, err));
    cz_test_randomize(plan, 3);
    const enum cz_status status = cz_plan_run(plan, err);
    if (status == CZ_OK)
        *lost = compare(plan);
    cz_plan_free(plan);
    return status;
}

static void start_judge(struct cz_model *model)
{
    double lost;
    assert_ok(judge(NULL, model, &lost, cz_test_error()));
    assert_true(lost == 0);
}

static void end_judge(void)
{
    test_free(exact);
    exact = NULL;
}

static struct cz_channels_options
by_images(enum cz_channels_importance importance, double ratio)
{
    struct cz_channels_options options = CZ_CHANNELS_OPTIONS_INIT;
    options.importance = importance;
    options.ratio = ratio;
    options.multiple = 1;
    noise = cz_test_noise(3);
    options.images = &noise;
    options.windows = 64;
    options.plan.threads = 1;
    options.judge.measure = judge;
    return options;
}

/* ---- which go --------------------------------------------------------- */

/* Four channels behind p: twice the same one, which counts most, one of its
 * own, and one that hardly anything reads. */
#define FOUR                                                                   \
    "in x f32[1,3,6,6];"                                                       \
    "const w f32[4,3,1,1] 1 0 0 1 0 0 0 1 0 0 0 9;"                            \
    "const b f32[4] 5 -5 0 0; p = Conv(x, w, b);"                              \
    "const e f32[1,4,1,1] 1 1 0.8 0.001; const f f32[1] 1;"                    \
    "y = Conv(p, e, f); out y"

/* The weights of the first column that are left, [count]. */
static void check_kept(enum cz_channels_importance importance, double ratio,
                       const float *want, size_t count)
{
    const struct cz_channels_options options = by_images(importance, ratio);
    struct cz_model *model = cz_test_graph(FOUR);
    struct cz_channels *channels;
    float *w;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    start_judge(model);
    assert_ok(cz_channels_choose(&channels, model, &options, cz_test_error()));
    end_judge();
    assert_ok(cz_channels_cut(channels, cz_test_error()));
    cz_channels_free(channels);
    const struct cz_tensor *left =
        cz_test_node(model, "y")->inputs[1]->constant;
    assert_int_equal(left->count, count);
    assert_ok(cz_tensor_floats((struct cz_tensor *)left, &w, cz_test_error()));
    for (size_t i = 0; i < count; i++)
        assert_true(w[i] == want[i]);
    cz_free(w);
    cz_model_free(model);
}

static void energy_takes_what_adds_least(void **state)
{
    (void)state;
    need_blas();
    check_kept(CZ_CHANNELS_ENERGY, .25, (const float[]){1, 1, .8f}, 3);
    check_kept(CZ_CHANNELS_ENERGY, .5, (const float[]){1, 1}, 2);
}

static void least_squares_take_one_of_two_that_are_the_same(void **state)
{
    (void)state;
    need_blas();
    check_kept(CZ_CHANNELS_LSQ, .25, (const float[]){1, 1, .8f}, 3);
    check_kept(CZ_CHANNELS_LSQ, .5, (const float[]){1, .8f}, 2);
    /* The same share of each set: nothing to try. */
    check_kept(CZ_CHANNELS_TRIAL, .5, (const float[]){1, .8f}, 2);
}

static void wants_images(void **state)
{
    (void)state;
    struct cz_channels_options options = by_images(CZ_CHANNELS_LSQ, .5);
    struct cz_model *model = cz_test_graph(FOUR);
    struct cz_channels *channels;
    options.images = NULL;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_error(
        cz_channels_choose(&channels, model, &options, cz_test_error()),
        CZ_EINVAL, "want images");
    cz_model_free(model);
}

/* ---- trials ----------------------------------------------------------- */

/* Two sets of eight channels with the same MACs. */
#define TWO                                                                    \
    "in x f32[1,3,6,6]; const w f32[8,3,1,1] random; p = Conv(x, w);"          \
    "const v f32[8,3,1,1] random; q = Conv(x, v);"                             \
    "const e f32[4,8,1,1] random; const f f32[4,8,1,1] random;"                \
    "r = Conv(p, e); s = Conv(q, f); y = Add(r, s); out y"

/* What each trial is said to lose: of the first set a quarter, a half, three
 * quarters, then of the second. */
struct script {
    double lost[6];
    size_t next;
};

static enum cz_status recite(void *user, struct cz_model *model, double *lost,
                             struct cz_error *err)
{
    struct script *script = user;
    (void)model;
    (void)err;
    assert_true(script->next < 6);
    *lost = script->lost[script->next++];
    return CZ_OK;
}

/* The channels of both that are left with half of the MACs. */
static void check_spent(struct script script, size_t first, size_t second)
{
    struct cz_channels_options options = by_images(CZ_CHANNELS_TRIAL, 0);
    struct cz_channels_report report;
    struct cz_channels *channels;
    struct cz_model *model = cz_test_graph(TWO);
    options.macs = .5;
    options.judge = (struct cz_channels_judge){recite, &script};
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_channels_choose(&channels, model, &options, cz_test_error()));
    assert_int_equal(script.next, 6);
    assert_ok(cz_channels_report(&report, channels, cz_test_error()));
    assert_int_equal(report.layers[0].after, first);
    assert_int_equal(report.layers[1].after, second);
    cz_channels_report_fini(&report);
    cz_channels_free(channels);
    cz_model_free(model);
}

static void trials_say_how_far_each_set_goes(void **state)
{
    (void)state;
    need_blas();
    /* More of the second costs less than more of the first. */
    check_spent((struct script){.lost = {1, 9, 30, 3, 6, 9}}, 6, 2);
    check_spent((struct script){.lost = {1, 2, 3, 4, 40, 400}}, 2, 6);
    check_spent((struct script){.lost = {5, 10, 90, 5, 10, 90}}, 4, 4);
    /* In whatever unit. */
    check_spent(
        (struct script){.lost = {1e-10, 9e-10, 3e-9, 3e-10, 6e-10, 9e-10}}, 6,
        2);
    check_spent((struct script){.lost = {1e20, 9e20, 3e21, 3e20, 6e20, 9e20}},
                6, 2);
    /* What is won by more than is lost by less. */
    check_spent((struct script){.lost = {9, 5, 1, 3, 6, 9}}, 2, 6);
    /* What is lost at once, and then no more, goes last. */
    check_spent((struct script){.lost = {50, 50, 51, 5, 10, 15}}, 6, 2);
    /* What makes no numbers goes last. */
    check_spent((struct script){.lost = {1, NAN, NAN, 4, 8, 12}}, 6, 2);
}

static void wants_a_judge(void **state)
{
    (void)state;
    need_blas();
    struct cz_channels_options options = by_images(CZ_CHANNELS_TRIAL, 0);
    struct cz_model *model = cz_test_graph(FOUR);
    struct cz_channels *channels;
    options.macs = .7;
    options.judge.measure = NULL;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_error(
        cz_channels_choose(&channels, model, &options, cz_test_error()),
        CZ_EINVAL, "want a judge");
    cz_model_free(model);
}

/* ---- what a model is left as ------------------------------------------ */

static enum cz_status fail_later(void *user, struct cz_model *model,
                                 double *lost, struct cz_error *err)
{
    size_t *tries = user;
    if ((*tries)-- == 0)
        return cz_error_set(err, CZ_EINVAL, "enough");
    return judge(NULL, model, lost, err);
}

static void changes_no_weight_by_choosing(void **state)
{
    (void)state;
    need_blas();
    struct cz_channels_options options = by_images(CZ_CHANNELS_TRIAL, 0);
    const char *path = cz_test_model("tiny_v8_opset12.onnx");
    struct cz_model *model = cz_test_load(path), *other = cz_test_load(path);
    struct cz_channels *channels;
    struct cz_plan *a, *b;
    options.macs = .7;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    start_judge(model);
    assert_ok(cz_channels_choose(&channels, model, &options, cz_test_error()));
    cz_channels_free(channels);
    size_t tries = 3; /* the judge fails in the middle */
    options.judge = (struct cz_channels_judge){fail_later, &tries};
    assert_error(
        cz_channels_choose(&channels, model, &options, cz_test_error()),
        CZ_EINVAL, "enough");
    assert_null(channels);
    end_judge();
    assert_ok(cz_plan_compile(&a, model, &options.plan, cz_test_error()));
    assert_ok(cz_plan_compile(&b, other, &options.plan, cz_test_error()));
    cz_test_randomize(a, 5);
    cz_test_randomize(b, 5);
    assert_ok(cz_plan_run(a, cz_test_error()));
    assert_ok(cz_plan_run(b, cz_test_error()));
    assert_true(cz_test_difference(a, b) == 0);
    cz_plan_free(a);
    cz_plan_free(b);
    cz_model_free(model);
    cz_model_free(other);
}

/* Distance of the outputs to those of the model as it was. */
static double distance(struct cz_model *model, struct cz_model *original)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *a, *b;
    double sum = 0;
    options.threads = 1;
    assert_ok(cz_plan_compile(&a, model, &options, cz_test_error()));
    assert_ok(cz_plan_compile(&b, original, &options, cz_test_error()));
    cz_test_randomize(a, 9);
    cz_test_randomize(b, 9);
    assert_ok(cz_plan_run(a, cz_test_error()));
    assert_ok(cz_plan_run(b, cz_test_error()));
    const struct cz_port *x = cz_plan_outputs(a, NULL);
    const struct cz_port *y = cz_plan_outputs(b, NULL);
    assert_int_equal(x->size_bytes, y->size_bytes);
    for (size_t i = 0; i < x->size_bytes / sizeof(float); i++)
        sum +=
            fabs((double)((float *)x->data)[i] - (double)((float *)y->data)[i]);
    cz_plan_free(a);
    cz_plan_free(b);
    return sum;
}

/* Eight channels that are sums of three: five can go without a loss. */
#define REDUNDANT                                                              \
    "in x f32[1,3,16,16]; const w f32[8,3,1,1] random; const b f32[8] random;" \
    "p = Conv(x, w, b); const e f32[4,8,3,3] random; const f f32[4] random;"   \
    "y = Conv(p, e, f); out y"

static void recovers_between_mask_and_cut(void **state)
{
    (void)state;
    need_blas();
    const struct cz_channels_options options = by_images(CZ_CHANNELS_LSQ, .5);
    struct cz_recover_options recovery = CZ_RECOVER_OPTIONS_INIT;
    const struct cz_prune_options prune = CZ_PRUNE_OPTIONS_INIT;
    struct cz_recover_report report;
    struct cz_model *model = cz_test_graph(REDUNDANT);
    struct cz_model *original = cz_test_graph(REDUNDANT);
    struct cz_channels *channels;
    recovery.prune = &prune;
    recovery.cuts = true;
    recovery.images = noise;
    recovery.ridge = 1e-6;
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    assert_ok(cz_graph_infer(cz_model_graph(original), cz_test_error()));
    assert_ok(cz_channels_choose(&channels, model, &options, cz_test_error()));
    assert_ok(cz_channels_mask(channels, cz_test_error()));
    const double masked = distance(model, original);
    assert_ok(
        cz_recover_lsq(model, original, &recovery, &report, cz_test_error()));
    cz_recover_report_fini(&report);
    assert_ok(cz_channels_cut(channels, cz_test_error()));
    cz_channels_free(channels);
    assert_true(masked > 1);
    assert_true(distance(model, original) < .01 * masked);
    cz_model_free(model);
    cz_model_free(original);
}

/* ---- memory ----------------------------------------------------------- */

static enum cz_status cut_file(const char *path,
                               const struct cz_channels_options *options,
                               struct cz_error *err)
{
    struct cz_channels_report report;
    struct cz_channels *channels = NULL;
    struct cz_model *model;
    CZ_TRY(cz_model_load(&model, path, err));
    enum cz_status status = cz_graph_infer(cz_model_graph(model), err);
    if (status == CZ_OK)
        status = cz_channels_choose(&channels, model, options, err);
    if (status == CZ_OK) {
        status = cz_channels_report(&report, channels, err);
        cz_channels_report_fini(&report);
    }
    if (status == CZ_OK)
        status = cz_channels_mask(channels, err);
    if (status == CZ_OK)
        status = cz_channels_cut(channels, err);
    cz_channels_free(channels);
    cz_model_free(model);
    return status;
}

static void survives_when_memory_is_short(void **state)
{
    (void)state;
    const enum cz_channels_importance importance =
        cz_blas() ? CZ_CHANNELS_TRIAL : CZ_CHANNELS_L1;
    struct cz_channels_options options = by_images(importance, 0);
    enum cz_status status = CZ_ENOMEM;
    const char *path = cz_test_model("tiny_v8_opset12.onnx");
    size_t nth = 0;
    struct cz_model *model = cz_test_load(path);
    options.macs = .8;
    start_judge(model);
    cz_model_free(model);
    while (status != CZ_OK) {
        struct cz_error err = CZ_ERROR_INIT;
        nth += 1 + nth / 50; /* trials repeat themselves */
        cz_alloc_fail_at(nth);
        status = cut_file(path, &options, &err);
        cz_alloc_fail_at(0);
        if (status != CZ_OK && status != CZ_ENOMEM)
            fail_msg("allocation %zu: status %d: %s", nth, status, err.message);
    }
    assert_true(nth > 20);
    end_judge();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energy_takes_what_adds_least),
        cmocka_unit_test(least_squares_take_one_of_two_that_are_the_same),
        cmocka_unit_test(wants_images),
        cmocka_unit_test(trials_say_how_far_each_set_goes),
        cmocka_unit_test(wants_a_judge),
        cmocka_unit_test(changes_no_weight_by_choosing),
        cmocka_unit_test(recovers_between_mask_and_cut),
        cmocka_unit_test(survives_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
