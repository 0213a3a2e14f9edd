/* One threshold over all Convs, and threads: the same bytes whatever their
 * number. */
#include "tests/prune/support.h"

#include "core/alloc.h"
#include "tests/support/graph_text.h"

/* Of eleven weights 0.4 is four: by magnitude 1, 2, 2 and the first of the
 * 3s, which is in the earlier Conv. */
static const char two_convs[] = "in x f32[1,5,2,2]; in z f32[1,6,2,2]\n"
                                "const w f32[1,5,1,1] 9 -3 2 8 7\n"
                                "const v f32[1,6,1,1] -1 2 3 -3 6 5\n"
                                "a = Conv(x, w); b = Conv(z, v); out a; out b";

static struct pruned prune_globally(struct cz_model *model, double sparsity,
                                    const struct cz_prune_rule *rule)
{
    const struct cz_prune_options options = {.sparsity = sparsity,
                                             .scope = CZ_PRUNE_GLOBAL,
                                             .rules = rule,
                                             .n_rules = rule != NULL};
    return prune(model, &options);
}

static void check_values(struct pruned *p, const char *conv, const double *want,
                         size_t count)
{
    const struct cz_test_operand *w = cz_test_weight(&p->after, conv);
    assert_int_equal(w->count, count);
    assert_values_equal(w->values, want, count, conv);
}

/* ---- global scope ----------------------------------------------------- */

static void finds_one_threshold_over_all_convs(void **state)
{
    (void)state;
    static const double a[] = {9, 0, 0, 8, 7}, b[] = {0, 0, 3, -3, 6, 5};
    struct pruned p = prune_globally(cz_test_graph(two_convs), 0.4, NULL);
    check_values(&p, "a", a, 5);
    check_values(&p, "b", b, 6);
    assert_int_equal(p.report.zeros, 4);
    assert_int_equal(row(&p, "a")->zeros, 2);
    assert_int_equal(row(&p, "b")->zeros, 2);
    pruned_free(&p);
}

static void takes_convs_with_a_rule_out_of_the_global_count(void **state)
{
    (void)state;
    /* a by its rule: one of five; b: 0.4 of six is 2.4. */
    static const double a[] = {9, -3, 0, 8, 7}, b[] = {0, 0, 3, -3, 6, 5};
    const struct cz_prune_rule rule = {"a", 0.2};
    struct pruned p = prune_globally(cz_test_graph(two_convs), 0.4, &rule);
    check_values(&p, "a", a, 5);
    check_values(&p, "b", b, 6);
    pruned_free(&p);
}

/* The weights of all Convs that may go, in the order of the graph. */
static double *all_weights(const struct pruned *p,
                           struct cz_test_operands *operands, size_t *count)
{
    double *all = NULL;
    *count = 0;
    for (size_t i = 0; i < p->report.n_layers; i++) {
        if (p->report.layers[i].skipped)
            continue;
        const struct cz_test_operand *w =
            cz_test_weight(operands, p->report.layers[i].name);
        all = cz_realloc_array(all, *count + w->count, sizeof *all);
        assert_non_null(all);
        memcpy(all + *count, w->values, w->count * sizeof *all);
        *count += w->count;
    }
    return all;
}

static void equals_a_stable_sort_of_all_weights(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny_v8_opset17.onnx", "ties.onnx",
                                         "tiny_yolox.onnx", "conv_groups.onnx"};
    static const double sparsities[] = {0.15, 0.4, 0.9};
    for (size_t i = 0; i < 12; i++) {
        double sparsity = sparsities[i / 4];
        struct pruned p = prune_globally(
            cz_test_load(cz_test_model(models[i % 4])), sparsity, NULL);
        size_t count;
        double *want = all_weights(&p, &p.before, &count);
        double *got = all_weights(&p, &p.after, &count);
        cz_test_prune_values(want, count,
                             (size_t)rint(sparsity * (double)count));
        assert_values_equal(got, want, count, models[i % 4]);
        cz_free(want);
        cz_free(got);
        pruned_free(&p);
    }
}

static void counts_existing_zeros_in_the_global_share(void **state)
{
    (void)state;
    /* 20 of the 160 weights are zeros; 25 have to be. */
    struct pruned p = prune_globally(cz_test_load(cz_test_model("ties.onnx")),
                                     25.0 / 160, NULL);
    assert_int_equal(p.report.zeros_before, 20);
    assert_int_equal(p.report.zeros, 25);
    pruned_free(&p);
}

static void touches_nothing_when_the_zeros_are_enough(void **state)
{
    (void)state;
    static const double want[] = {-0.0, 0, 1, 2};
    const struct cz_prune_rule rule = {"b", 0.5};
    struct pruned p =
        prune_globally(cz_test_graph("in x f32[1,4,2,2]; out a; out b\n"
                                     "const w f32[1,4,1,1] -0.0 0 1 2\n"
                                     "const v f32[1,4,1,1] 1 2 3 4\n"
                                     "a = Conv(x, w); b = Conv(x, v)"),
                       0.25, &rule);
    check_values(&p, "a", want, 4);
    assert_int_equal(zeros_of(&p, "b"), 2);
    pruned_free(&p);
}

static void leaves_dfl_out_of_the_global_count(void **state)
{
    (void)state;
    struct pruned p = prune_globally(
        cz_test_load(cz_test_model("tiny_v8_opset17.onnx")), 0.5, NULL);
    check_left_alone(&p, "model.12/dfl/Conv", "DFL");
    /* The 16 weights of DFL are in the sum of weights, with one zero. */
    assert_int_equal(p.report.zeros - 1,
                     rint(0.5 * (double)(p.report.weights - 16)));
    pruned_free(&p);
}

/* ---- threads ---------------------------------------------------------- */

static void gives_the_same_weights_with_any_number_of_threads(void **state)
{
    (void)state;
    for (int scope = CZ_PRUNE_LAYER; scope <= CZ_PRUNE_GLOBAL; scope++) {
        struct cz_prune_options options = {
            .sparsity = 0.3, .scope = (enum cz_prune_scope)scope, .threads = 1};
        const char *file = cz_test_model("tiny_v8_opset17.onnx");
        struct pruned one = prune(cz_test_load(file), &options);
        for (options.threads = 2; options.threads <= 8; options.threads *= 2) {
            struct pruned more = prune(cz_test_load(file), &options);
            assert_operands_equal(&more.after, &one.after);
            assert_int_equal(more.report.zeros, one.report.zeros);
            pruned_free(&more);
        }
        pruned_free(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_one_threshold_over_all_convs),
        cmocka_unit_test(takes_convs_with_a_rule_out_of_the_global_count),
        cmocka_unit_test(equals_a_stable_sort_of_all_weights),
        cmocka_unit_test(counts_existing_zeros_in_the_global_share),
        cmocka_unit_test(touches_nothing_when_the_zeros_are_enough),
        cmocka_unit_test(leaves_dfl_out_of_the_global_count),
        cmocka_unit_test(gives_the_same_weights_with_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
