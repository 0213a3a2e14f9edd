/* What pruning refuses, in which words; the model stays as it was. */
#include "tests/prune/support.h"

#include "core/alloc.h"
#include "tests/support/graph_text.h"

#define TWO_CONVS                                                              \
    "in x f32[1,10,2,2]; out a; out b\n"                                       \
    "const w f32[1,10,1,1] 1 2 3 4 5 6 7 8 9 10\n"                             \
    "const v f32[1,10,1,1] 5\n"                                                \
    "a = Conv(x, w); b = Conv(x, v)"

/* Pruning is refused with CZ_EINVAL and these words; nothing has changed. */
static void check_refused(struct cz_model *model,
                          const struct cz_prune_options *options,
                          const char *words)
{
    struct cz_prune_report report;
    struct cz_test_operands before = cz_test_operands_read(model);
    assert_error(cz_prune_l1(model, options, &report, cz_test_error()),
                 CZ_EINVAL, words);
    struct cz_test_operands after = cz_test_operands_read(model);
    assert_operands_equal(&after, &before);
    cz_prune_report_fini(&report);
    cz_test_operands_fini(&before);
    cz_test_operands_fini(&after);
}

static void check_text_refused(const char *text,
                               struct cz_prune_options options,
                               const char *words)
{
    struct cz_model *model = cz_test_graph(text);
    check_refused(model, &options, words);
    cz_model_free(model);
}

static void check_file_refused(const char *name, double sparsity,
                               const char *words)
{
    const struct cz_prune_options options = {.sparsity = sparsity};
    struct cz_model *model = cz_test_load(cz_test_model(name));
    check_refused(model, &options, words);
    cz_model_free(model);
}

/* ---- options ---------------------------------------------------------- */

static void refuses_a_sparsity_outside_its_range(void **state)
{
    (void)state;
    static const double wrong[] = {
        -1, -1e-9, 1, 1.5, (double)INFINITY, (double)-INFINITY, (double)NAN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct cz_prune_rule rule = {"a", wrong[i]};
        check_text_refused(TWO_CONVS,
                           (struct cz_prune_options){.sparsity = wrong[i]},
                           "outside 0 <= p < 1");
        check_text_refused(TWO_CONVS,
                           (struct cz_prune_options){
                               .sparsity = 0.5, .rules = &rule, .n_rules = 1},
                           "outside 0 <= p < 1");
    }
}

static void refuses_patterns_that_match_no_conv(void **state)
{
    (void)state;
    static const char *const patterns[] = {"a", "model.22*"};
    const struct cz_prune_rule rule = {"A", 0.5};
    check_text_refused(TWO_CONVS,
                       (struct cz_prune_options){
                           .sparsity = 0.5, .skip = patterns, .n_skip = 2},
                       "pattern 'model.22*' matches no Conv");
    check_text_refused(TWO_CONVS,
                       (struct cz_prune_options){
                           .sparsity = 0.5, .rules = &rule, .n_rules = 1},
                       "pattern 'A' matches no Conv");
}

/* ---- models ----------------------------------------------------------- */

static void refuses_a_model_without_a_conv(void **state)
{
    (void)state;
    check_file_refused("bad/no_conv.onnx", 0.05, "there is no Conv to prune");
}

static void refuses_a_model_none_of_whose_convs_can_be_pruned(void **state)
{
    (void)state;
    static const char *const everything = "*";
    check_text_refused("in x f32[1,2,2,2]; in w f32[1,2,1,1]; out y\n"
                       "y = Conv(x, w)",
                       (struct cz_prune_options){.sparsity = 0.5},
                       "none of the 1 Convs can be pruned (the first, 'y': "
                       "weights are computed)");
    check_text_refused(TWO_CONVS,
                       (struct cz_prune_options){
                           .sparsity = 0.5, .skip = &everything, .n_skip = 1},
                       "none of the 2 Convs can be pruned (the first, 'a': "
                       "asked for)");
}

static void refuses_a_model_that_is_pruned_already(void **state)
{
    (void)state;
    check_file_refused("bad/already_pruned.onnx", 0.05, "is pruned already");
    check_file_refused("bad/already_pruned.onnx", 0.02, "is pruned already");
    check_text_refused(
        "in x f32[1,4,2,2]; out y\n"
        "const w f32[1,4,1,1] 0; y = Conv(x, w)",
        (struct cz_prune_options){.sparsity = 0.5, .scope = CZ_PRUNE_GLOBAL},
        "is pruned already");
}

static void prunes_a_pruned_model_further(void **state)
{
    (void)state;
    struct pruned p = prune_file("bad/already_pruned.onnx", 0.1);
    check_all_convs(&p, 0.1);
    pruned_free(&p);
}

static void refuses_weights_that_are_not_finite(void **state)
{
    (void)state;
    check_file_refused("bad/weight_nan.onnx", 0.05,
                       "Conv 'Conv': weight 50 is NaN");
    check_file_refused("bad/weight_inf.onnx", 0.05,
                       "Conv 'Conv': weight 50 is infinite");
    check_file_refused("bad/weight_minus_inf.onnx", 0.05,
                       "Conv 'Conv': weight 50 is infinite");
}

static void ignores_what_is_not_finite_in_a_skipped_conv(void **state)
{
    (void)state;
    static const char *const skip = "Conv";
    const struct cz_prune_options options = {
        .sparsity = 0.5, .skip = &skip, .n_skip = 1};
    struct pruned p =
        prune(cz_test_load(cz_test_model("bad/weight_nan.onnx")), &options);
    assert_non_null(row(&p, "Conv")->skipped);
    check_conv(&p, "Conv_1", 72);
    pruned_free(&p);
}

/* ---- on the way ------------------------------------------------------- */

struct ticks {
    size_t calls, last_done, total;
    size_t stop_at;
};

static bool count_tick(void *user, const char *stage, size_t done, size_t total)
{
    struct ticks *ticks = user;
    assert_string_equal(stage, "prune");
    assert_true(done > ticks->last_done && done <= total);
    ticks->calls++;
    ticks->last_done = done;
    ticks->total = total;
    return ticks->calls != ticks->stop_at;
}

static void reports_its_progress(void **state)
{
    (void)state;
    struct ticks ticks = {0};
    const struct cz_progress progress = {count_tick, &ticks};
    const struct cz_prune_options options = {
        .sparsity = 0.5, .threads = 1, .progress = &progress};
    struct pruned p = prune(cz_test_graph(TWO_CONVS), &options);
    assert_int_equal(ticks.calls, 2);
    assert_int_equal(ticks.last_done, 2);
    assert_int_equal(ticks.total, 2);
    pruned_free(&p);
}

static void stops_when_it_is_told_to(void **state)
{
    (void)state;
    struct ticks ticks = {.stop_at = 1};
    const struct cz_progress progress = {count_tick, &ticks};
    const struct cz_prune_options options = {
        .sparsity = 0.5, .threads = 1, .progress = &progress};
    struct cz_prune_report report;
    struct cz_model *model = cz_test_graph(TWO_CONVS);
    assert_error(cz_prune_l1(model, &options, &report, cz_test_error()),
                 CZ_EINTERRUPTED, "interrupted");
    assert_int_equal(ticks.calls, 1);
    cz_prune_report_fini(&report);
    cz_model_free(model);
}

/* Every allocation fails once: CZ_ENOMEM each time, and no leak (asan). */
static void survives_a_lack_of_memory(void **state)
{
    (void)state;
    static const char *const skip = "b";
    for (int scope = CZ_PRUNE_LAYER; scope <= CZ_PRUNE_GLOBAL; scope++) {
        const struct cz_prune_options options = {.sparsity = 0.5,
                                                 .scope =
                                                     (enum cz_prune_scope)scope,
                                                 .skip = &skip,
                                                 .n_skip = 1,
                                                 .threads = 1};
        enum cz_status status = CZ_ENOMEM;
        for (size_t nth = 1; status != CZ_OK; nth++) {
            struct cz_prune_report report;
            struct cz_model *model = cz_test_graph(TWO_CONVS);
            cz_alloc_fail_at(nth);
            status = cz_prune_l1(model, &options, &report, cz_test_error());
            cz_alloc_fail_at(0);
            assert_true(status == CZ_OK ? nth > 1 : status == CZ_ENOMEM);
            cz_prune_report_fini(&report);
            cz_model_free(model);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_sparsity_outside_its_range),
        cmocka_unit_test(refuses_patterns_that_match_no_conv),
        cmocka_unit_test(refuses_a_model_without_a_conv),
        cmocka_unit_test(refuses_a_model_none_of_whose_convs_can_be_pruned),
        cmocka_unit_test(refuses_a_model_that_is_pruned_already),
        cmocka_unit_test(prunes_a_pruned_model_further),
        cmocka_unit_test(refuses_weights_that_are_not_finite),
        cmocka_unit_test(ignores_what_is_not_finite_in_a_skipped_conv),
        cmocka_unit_test(reports_its_progress),
        cmocka_unit_test(stops_when_it_is_told_to),
        cmocka_unit_test(survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
