/* Pruning that is made up for: layer by layer, on small networks. */
#include <math.h>

#include "core/alloc.h"
#include "prune/recover.h"
#include "prune/share.h"
#include "tests/prune/support.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"
#include "tests/support/random_graph.h"

#define IMAGES 8

/* A residual block, a Concat, a depthwise Conv, groups, and one without bias.
 */
#define NETWORK                                                                \
    "in x f32[1,4,10,10]; out y\n"                                             \
    "const w1 f32[8,4,3,3] random; const b1 f32[8] random\n"                   \
    "const w2 f32[8,8,1,1] random; const b2 f32[8] random\n"                   \
    "const w3 f32[8,1,3,3] random; const b3 f32[8] random\n"                   \
    "const w4 f32[4,8,3,3] random\n"                                           \
    "const w5 f32[6,4,3,3] random; const b5 f32[6] random\n"                   \
    "a = Conv(x, w1, b1) pads=[1,1,1,1]; p = Relu(a)\n"                        \
    "b = Conv(p, w2, b2); q = Relu(b); r = Add(p, q)\n"                        \
    "c = Conv(r, w3, b3) pads=[1,1,1,1] group=8; s = Relu(c)\n"                \
    "t = Concat(s, x) axis=1; u = MaxPool(s) kernel_shape=[3,3] "              \
    "pads=[1,1,1,1]\n"                                                         \
    "d = Conv(u, w4) strides=[2,2] pads=[1,1,1,1]; v = Relu(d)\n"              \
    "z = Concat(v, v) axis=1\n"                                                \
    "y = Conv(z, w5, b5) group=2 pads=[1,1,1,1]"

static struct cz_model *load(const char *text)
{
    struct cz_model *model = cz_test_graph(text);
    assert_ok(cz_graph_infer(cz_model_graph(model), cz_test_error()));
    return model;
}

/* A network as it was, pruned, and recovered. */
struct recovered {
    struct cz_model *original, *model;
    struct cz_prune_options prune;
    struct cz_prune_report pruned;
    struct cz_recover_report report;
    struct cz_test_operands masked, after;
};

static void recover(struct recovered *r, const char *text,
                    enum cz_recover_mask mask, size_t threads)
{
    struct cz_recover_options options = CZ_RECOVER_OPTIONS_INIT;
    options.images = cz_test_noise(IMAGES);
    options.windows = 64;
    options.plan.threads = threads;
    options.plan.tune = CZ_TUNE_OFF;
    options.mask = mask;
    options.prune = &r->prune;
    r->original = load(text);
    r->model = load(text);
    assert_ok(cz_prune_l1(r->model, &r->prune, &r->pruned, cz_test_error()));
    r->masked = cz_test_operands_read(r->model);
    assert_ok(cz_recover_lsq(r->model, r->original, &options, &r->report,
                             cz_test_error()));
    r->after = cz_test_operands_read(r->model);
}

static void recovered_free(struct recovered *r)
{
    cz_recover_report_fini(&r->report);
    cz_prune_report_fini(&r->pruned);
    cz_test_operands_fini(&r->masked);
    cz_test_operands_fini(&r->after);
    cz_model_free(r->original);
    cz_model_free(r->model);
}

static struct cz_plan *compile(struct cz_model *model)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.tune = CZ_TUNE_OFF;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

/* Mean squared difference of the models' outputs, on images that nothing was
 * solved with. */
static double distance(struct cz_model *a, struct cz_model *b)
{
    struct cz_plan *plans[2] = {compile(a), compile(b)};
    double sum = 0;
    size_t count = 0;
    for (uint64_t seed = 100; seed < 110; seed++) {
        for (size_t i = 0; i < 2; i++) {
            cz_test_randomize(plans[i], seed);
            assert_ok(cz_plan_run(plans[i], cz_test_error()));
        }
        const struct cz_port *y = cz_plan_outputs(plans[0], NULL);
        const float *u = y->data, *v = cz_plan_outputs(plans[1], NULL)->data;
        for (size_t i = 0; i < y->size_bytes / sizeof *u; i++, count++)
            sum += pow((double)u[i] - (double)v[i], 2);
    }
    cz_plan_free(plans[0]);
    cz_plan_free(plans[1]);
    return sum / (double)count;
}

static double distance_when_masked(const char *text,
                                   const struct cz_prune_options *options)
{
    struct cz_model *original = load(text), *masked = load(text);
    struct cz_prune_report report;
    assert_ok(cz_prune_l1(masked, options, &report, cz_test_error()));
    const double far = distance(original, masked);
    cz_prune_report_fini(&report);
    cz_model_free(original);
    cz_model_free(masked);
    return far;
}

static struct cz_share find_shares(const char *text,
                                   const struct cz_prune_options *prune)
{
    struct cz_share_options options = CZ_SHARE_OPTIONS_INIT;
    struct cz_share share;
    struct cz_model *model = load(text);
    options.images = cz_test_noise(IMAGES);
    options.windows = 64;
    options.plan.threads = 2;
    options.plan.tune = CZ_TUNE_OFF;
    options.prune = prune;
    assert_ok(cz_share_find(&share, model, &options, cz_test_error()));
    cz_model_free(model);
    return share;
}

/* ---- what is promised ------------------------------------------------- */

static void check_errors(const struct recovered *r)
{
    for (size_t i = 0; i < r->report.n_layers; i++) {
        const struct cz_recover_layer *layer = &r->report.layers[i];
        assert_null(layer->skipped);
        assert_true(layer->after <= layer->before);
        assert_true(layer->after >= 0);
    }
}

static void brings_every_layer_and_the_outputs_nearer(void **state)
{
    (void)state;
    for (int mask = 0; mask < 2; mask++) {
        struct recovered r = {.prune = {.sparsity = 0.4}};
        recover(&r, NETWORK, (enum cz_recover_mask)mask, 2);
        assert_int_equal(r.report.n_layers, 5);
        check_errors(&r);
        const double before = distance_when_masked(NETWORK, &r.prune);
        /* How far it came: these numbers are of no other network. */
        assert_true(distance(r.original, r.model) < 0.5 * before);
        recovered_free(&r);
    }
}

static void keeps_the_zeros_of_a_given_mask(void **state)
{
    (void)state;
    struct recovered r = {.prune = {.sparsity = 0.3}};
    recover(&r, NETWORK, CZ_RECOVER_MASK_GIVEN, 1);
    for (size_t i = 0; i < r.pruned.n_layers; i++) {
        const char *conv = r.pruned.layers[i].name;
        const struct cz_test_operand *was = cz_test_weight(&r.masked, conv);
        const struct cz_test_operand *is = cz_test_weight(&r.after, conv);
        for (size_t k = 0; k < was->count; k++)
            assert_true((was->values[k] == 0) == (is->values[k] == 0));
    }
    recovered_free(&r);
}

static void chooses_as_many_zeros_as_there_were(void **state)
{
    (void)state;
    static const double sparsities[] = {0.05, 0.5, 0.9};
    for (size_t s = 0; s < 3; s++) {
        struct recovered r = {.prune = {.sparsity = sparsities[s]}};
        recover(&r, NETWORK, CZ_RECOVER_MASK_OBS, 1);
        check_errors(&r);
        for (size_t i = 0; i < r.pruned.n_layers; i++) {
            const struct cz_prune_layer *layer = &r.pruned.layers[i];
            struct cz_test_operand *is = cz_test_weight(&r.after, layer->name);
            assert_int_equal(cz_test_count_zeros(is->values, is->count),
                             layer->zeros);
        }
        recovered_free(&r);
    }
}

static void is_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    struct recovered r[2] = {{.prune = {.sparsity = 0.4}},
                             {.prune = {.sparsity = 0.4}}};
    recover(&r[0], NETWORK, CZ_RECOVER_MASK_OBS, 1);
    recover(&r[1], NETWORK, CZ_RECOVER_MASK_OBS, 3);
    assert_operands_equal(&r[0].after, &r[1].after);
    recovered_free(&r[0]);
    recovered_free(&r[1]);
}

static void makes_n_of_m_masks(void **state)
{
    (void)state;
    for (int mask = 0; mask < 2; mask++) {
        struct recovered r = {.prune = {.nm = {2, 4}}};
        recover(&r, NETWORK, (enum cz_recover_mask)mask, 2);
        check_errors(&r);
        assert_string_equal(r.pruned.layers[2].skipped,
                            "input channels do not divide");
        const struct cz_test_operand *w = cz_test_weight(&r.after, "d");
        assert_int_equal(w->count, 4 * 8 * 9);
        for (size_t block = 0; block < 4 * 2; block++) {
            for (size_t k = 0; k < 9; k++) {
                size_t zeros = 0;
                for (size_t c = 0; c < 4; c++)
                    zeros += w->values[(block * 4 + c) * 9 + k] == 0;
                assert_int_equal(zeros, 2);
            }
        }
        recovered_free(&r);
    }
}

static void recovers_random_networks(void **state)
{
    (void)state;
    static char text[CZ_RANDOM_TEXT_BYTES];
    char tap[16];
    size_t pruned = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct recovered r = {.prune = {.sparsity = 0.3}};
        struct cz_recover_options options = CZ_RECOVER_OPTIONS_INIT;
        cz_random_graph(text, tap, seed, 8);
        r.original = load(text);
        r.model = load(text);
        options.images = cz_test_noise(IMAGES);
        options.windows = 16;
        options.mask = seed % 2 ? CZ_RECOVER_MASK_OBS : CZ_RECOVER_MASK_GIVEN;
        options.prune = &r.prune;
        options.plan.threads = 1;
        options.plan.tune = CZ_TUNE_OFF;
        if (cz_prune_l1(r.model, &r.prune, &r.pruned, cz_test_error()) ==
                CZ_OK &&
            r.pruned.zeros > 0) {
            struct cz_error err = CZ_ERROR_INIT;
            const enum cz_status status =
                cz_recover_lsq(r.model, r.original, &options, &r.report, &err);
            if (status != CZ_OK && status != CZ_EINVAL)
                fail_msg("seed %zu: %s", (size_t)seed, err.message);
            for (size_t i = 0; i < r.report.n_layers; i++)
                assert_true(r.report.layers[i].skipped ||
                            r.report.layers[i].after <=
                                r.report.layers[i].before);
            pruned += r.report.n_layers;
        }
        recovered_free(&r);
    }
    assert_true(pruned > 60);
}

/* ---- left alone ------------------------------------------------------- */

static void leaves_shared_weights_as_they_are(void **state)
{
    (void)state;
    struct recovered r = {.prune = {.sparsity = 0.5}};
    recover(&r,
            "in x f32[1,4,6,6]; out y\n"
            "const w f32[4,4,3,3] random; const b f32[4] random\n"
            "const v f32[4,4,1,1] random\n"
            "p = Conv(x, w, b) pads=[1,1,1,1]; q = Relu(p)\n"
            "s = Conv(q, w, b) pads=[1,1,1,1]; t = Relu(s); y = Conv(t, v)",
            CZ_RECOVER_MASK_OBS, 1);
    assert_int_equal(r.report.n_layers, 3);
    assert_string_equal(r.report.layers[0].skipped,
                        "others read its weights too");
    assert_non_null(r.report.layers[1].skipped);
    assert_null(r.report.layers[2].skipped);
    assert_values_equal(cz_test_weight(&r.masked, "p")->values,
                        cz_test_weight(&r.after, "p")->values, 144, "p");
    recovered_free(&r);
}

static void leaves_what_pruning_leaves(void **state)
{
    (void)state;
    static const char *const skip[] = {"p"};
    struct recovered r = {
        .prune = {.sparsity = 0.5, .skip = skip, .n_skip = 1}};
    recover(&r,
            "in x f32[1,2,6,6]; out y\n"
            "const w f32[2,2,1,1] 0 1 2 3; const v f32[4,2,1,1] random\n"
            "p = Conv(x, w); q = Relu(p); y = Conv(q, v)",
            CZ_RECOVER_MASK_OBS, 1);
    assert_int_equal(r.report.n_layers, 1);
    assert_values_equal(cz_test_weight(&r.after, "p")->values,
                        (const double[]){0, 1, 2, 3}, 4, "p");
    recovered_free(&r);
}

static void warns_of_fewer_windows_than_weights(void **state)
{
    (void)state;
    struct recovered r = {.prune = {.sparsity = 0.5}};
    recover(&r,
            "in x f32[1,64,8,8]; out y\nconst w f32[4,64,3,3] random\n"
            "y = Conv(x, w) pads=[1,1,1,1]",
            CZ_RECOVER_MASK_GIVEN, 1);
    assert_true(r.report.layers[0].is_deficient);
    check_errors(&r);
    recovered_free(&r);
}

static void survives_inputs_that_are_all_zero(void **state)
{
    (void)state;
    struct recovered r = {.prune = {.sparsity = 0.5}};
    recover(&r,
            "in x f32[1,4,8,8]; out y\nconst n f32[1] -9\n"
            "const w f32[4,4,3,3] random; const b f32[4] random\n"
            "a = Add(x, n); z = Relu(a); y = Conv(z, w, b) pads=[1,1,1,1]",
            CZ_RECOVER_MASK_OBS, 1);
    assert_true(distance(r.original, r.model) < 1e-9);
    recovered_free(&r);
}

static void names_what_it_does_not_see(void **state)
{
    (void)state;
    struct recovered r = {.prune = {.sparsity = 0.5}};
    recover(&r,
            "in x f32[1,4,8,8]; out y; out z\n"
            "const w f32[4,4,3,3] random; const v f32[4,4,3] random\n"
            "const s i64[3] 1 4 64\n"
            "y = Conv(x, w) pads=[1,1,1,1]; a = Reshape(x, s); z = Conv(a, v)",
            CZ_RECOVER_MASK_OBS, 1);
    assert_int_equal(r.report.n_layers, 2);
    assert_string_equal(r.report.layers[0].name, "z");
    assert_string_equal(r.report.layers[0].skipped,
                        "no Conv over one image in two dimensions");
    assert_null(r.report.layers[1].skipped);
    recovered_free(&r);
}

static void takes_nothing_of_what_does_not_vary(void **state)
{
    (void)state;
    static const char text[] =
        "in x f32[1,4,8,8]; out y; out z; const n f32[1] -10000\n"
        "const w f32[4,4,3,3] random; const v f32[4,4,3,3] random\n"
        "y = Conv(x, w); a = Add(x, n); r = Relu(a); z = Conv(r, v)";
    const struct cz_prune_options prune = {.sparsity = 0.4};
    struct cz_share share = find_shares(text, &prune);
    assert_true(cz_share_of(&share, "v")->sparsity == 0);
    assert_true(cz_share_of(&share, "w")->sparsity > 0.79);
    cz_share_fini(&share);
}

/* ---- refused ---------------------------------------------------------- */

static void refuses_a_model_without_zeros(void **state)
{
    (void)state;
    struct cz_model *a = load(NETWORK), *b = load(NETWORK);
    const struct cz_prune_options prune = CZ_PRUNE_OPTIONS_INIT;
    struct cz_recover_options options = CZ_RECOVER_OPTIONS_INIT;
    struct cz_recover_report report;
    options.images = cz_test_noise(IMAGES);
    options.prune = &prune;
    assert_error(cz_recover_lsq(a, b, &options, &report, cz_test_error()),
                 CZ_EINVAL, "nothing to recover");
    cz_recover_report_fini(&report);
    cz_model_free(a);
    cz_model_free(b);
}

static void refuses_another_model(void **state)
{
    (void)state;
    struct cz_model *a = load(NETWORK);
    struct cz_model *b = load("in x f32[1,4,10,10]; out y\ny = Relu(x)");
    const struct cz_prune_options prune = CZ_PRUNE_OPTIONS_INIT;
    struct cz_recover_options options = CZ_RECOVER_OPTIONS_INIT;
    struct cz_recover_report report;
    options.images = cz_test_noise(IMAGES);
    options.prune = &prune;
    assert_error(cz_recover_lsq(a, b, &options, &report, cz_test_error()),
                 CZ_EINVAL, "differ in more than weights");
    cz_recover_report_fini(&report);
    cz_model_free(a);
    cz_model_free(b);
}

static void survives_every_failing_allocation(void **state)
{
    (void)state;
    static const char text[] = "in x f32[1,2,6,6]; out y\n"
                               "const w f32[3,2,3,3] random\n"
                               "const b f32[3] random\n"
                               "y = Conv(x, w, b) pads=[1,1,1,1]";
    for (size_t n = 1;; n++) {
        struct cz_model *a = load(text), *b = load(text);
        struct cz_prune_options prune = {.sparsity = 0.5, .threads = 1};
        struct cz_share_options sharing = CZ_SHARE_OPTIONS_INIT;
        struct cz_recover_options options = CZ_RECOVER_OPTIONS_INIT;
        struct cz_prune_report pruned = {0};
        struct cz_recover_report report = {0};
        struct cz_share share = {0};
        options.images = sharing.images = cz_test_noise(IMAGES);
        options.plan.threads = sharing.plan.threads = 1;
        options.plan.tune = sharing.plan.tune = CZ_TUNE_OFF;
        options.mask = CZ_RECOVER_MASK_OBS;
        options.windows = sharing.windows = 8;
        options.prune = sharing.prune = &prune;
        cz_alloc_fail_at(n);
        enum cz_status status =
            cz_share_find(&share, b, &sharing, cz_test_error());
        prune.share = &share;
        if (status == CZ_OK)
            status = cz_prune_l1(a, &prune, &pruned, cz_test_error());
        if (status == CZ_OK)
            status = cz_recover_lsq(a, b, &options, &report, cz_test_error());
        cz_alloc_fail_at(0);
        cz_share_fini(&share);
        cz_prune_report_fini(&pruned);
        cz_recover_report_fini(&report);
        cz_model_free(a);
        cz_model_free(b);
        if (status == CZ_OK)
            break;
        assert_int_equal(status, CZ_ENOMEM);
        assert_true(n < 10000);
    }
}

/* ---- shares ----------------------------------------------------------- */

static void shares_add_up_to_what_was_asked_for(void **state)
{
    (void)state;
    const struct cz_prune_options prune = {.sparsity = 0.35};
    struct cz_share share = find_shares(NETWORK, &prune);
    double zeros = 0, weights = 0;
    assert_int_equal(share.n_layers, 5);
    for (size_t i = 0; i < 5; i++) {
        zeros += share.layers[i].sparsity * (double)share.layers[i].weights;
        weights += (double)share.layers[i].weights;
    }
    assert_true(fabs(zeros / weights - 0.35) < 1e-9);
    cz_share_fini(&share);
}

static void takes_more_where_weights_say_the_same(void **state)
{
    (void)state;
    /* Channels 0 to 3 of what the second reads are all the same. */
    static const char text[] =
        "in x f32[1,4,8,8]; out y; out z\n"
        "const c f32[4,4,1,1] 1 1 1 1 1\n"
        "const w f32[4,4,3,3] random 1 1.0; const v f32[4,4,3,3] random 2 1.0\n"
        "y = Conv(x, w); s = Conv(x, c); r = Relu(s); z = Conv(r, v)";
    static const char *const skip[] = {"s"};
    const struct cz_prune_options prune = {
        .sparsity = 0.3, .skip = skip, .n_skip = 1};
    struct cz_share share = find_shares(text, &prune);
    assert_int_equal(share.n_layers, 2);
    assert_true(cz_share_of(&share, "v")->sparsity >
                cz_share_of(&share, "w")->sparsity + 0.3);
    assert_null(cz_share_of(&share, "c"));
    cz_share_fini(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_every_layer_and_the_outputs_nearer),
        cmocka_unit_test(keeps_the_zeros_of_a_given_mask),
        cmocka_unit_test(chooses_as_many_zeros_as_there_were),
        cmocka_unit_test(is_the_same_for_any_number_of_threads),
        cmocka_unit_test(makes_n_of_m_masks),
        cmocka_unit_test(recovers_random_networks),
        cmocka_unit_test(leaves_shared_weights_as_they_are),
        cmocka_unit_test(leaves_what_pruning_leaves),
        cmocka_unit_test(warns_of_fewer_windows_than_weights),
        cmocka_unit_test(survives_inputs_that_are_all_zero),
        cmocka_unit_test(names_what_it_does_not_see),
        cmocka_unit_test(takes_nothing_of_what_does_not_vary),
        cmocka_unit_test(refuses_a_model_without_zeros),
        cmocka_unit_test(refuses_another_model),
        cmocka_unit_test(survives_every_failing_allocation),
        cmocka_unit_test(shares_add_up_to_what_was_asked_for),
        cmocka_unit_test(takes_more_where_weights_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
