/* Weights in few values without images: which of them go together. */
#include "prune/cluster.h"

#include <math.h>

#include "prune/cluster_internal.h"
#include "tests/prune/clusters.h"
#include "tests/prune/support.h"
#include "tests/support/graph_text.h"

/* Sums in another order, of some numbers near 1. */
#define ROUNDING 1e-6

static double square(double x)
{
    return x * x;
}

/* ---- k-means ---------------------------------------------------------- */

static double cost_of(const float *weights, size_t n, size_t most)
{
    struct cz_clusters c;
    float got[64];
    double cost = 0;
    assert_ok(cz_clusters_find(&c, weights, n, most, cz_test_error()));
    cz_clusters_apply(got, &c);
    for (size_t i = 0; i < n; i++)
        cost += square((double)got[i] - (double)weights[i]);
    assert_int_equal(count_distinct(got, n), cz_clusters_count(&c));
    assert_true(cz_clusters_count(&c) <= most);
    cz_clusters_fini(&c);
    return cost;
}

/* Of sorted numbers in k stretches, all of them tried. */
static double least_cost(const float *sorted, size_t n, size_t k)
{
    double least = k == 0 && n == 0 ? 0 : INFINITY, mean = 0;
    for (size_t from = n; k > 0 && from-- > 0;) {
        double cost = 0;
        mean += ((double)sorted[from] - mean) / (double)(n - from);
        for (size_t i = from; i < n; i++)
            cost += square((double)sorted[i] - mean);
        least = fmin(least, cost + least_cost(sorted, from, k - 1));
    }
    return least;
}

/* Each number to the nearest of `k` values of even distances. */
static double even_cost(const float *sorted, size_t n, size_t k)
{
    const double least = (double)sorted[0];
    const double step = ((double)sorted[n - 1] - least) / (double)(k - 1);
    double cost = 0;
    for (size_t i = 0; i < n; i++) {
        const double at = rint(((double)sorted[i] - least) / step);
        cost += square((double)sorted[i] - least - at * step);
    }
    return cost;
}

static void is_never_worse_than_even_distances(void **state)
{
    (void)state;
    float weights[64];
    for (unsigned seed = 0; seed < 200; seed++) {
        draw_all(weights, 64, seed);
        for (size_t i = 0; i < 64; i++) /* more of them near 0 */
            weights[i] *= weights[i] * weights[i];
        qsort(weights, 64, sizeof *weights, by_value);
        for (size_t k = 2; k < 20; k++)
            assert_true(cost_of(weights, 64, k) <=
                        even_cost(weights, 64, k) + ROUNDING);
    }
}

/* Lloyd's method ends in a local minimum: of random numbers, mostly in the
 * best one. */
static void finds_mostly_the_best_clusters(void **state)
{
    (void)state;
    float weights[12];
    size_t found = 0, all = 0;
    for (unsigned seed = 0; seed < 100; seed++) {
        draw_all(weights, 12, seed);
        qsort(weights, 12, sizeof *weights, by_value);
        for (size_t k = 2; k < 5; k++, all++) {
            const double cost = cost_of(weights, 12, k);
            const double least = least_cost(weights, 12, k);
            assert_true(cost >= least - ROUNDING);
            found += cost <= least + ROUNDING;
        }
    }
    assert_true(found * 4 >= all * 3);
}

static void finds_groups_that_lie_apart(void **state)
{
    (void)state;
    const float weights[] = {5, -1, 0.5f, 5.5f, 0, -1.5f, 0.75f, 0, 6, -2};
    const float want[] = {5.5f,  -1.5f,  0.625f, 5.5f, 0,
                          -1.5f, 0.625f, 0,      5.5f, -1.5f};
    struct cz_clusters c;
    float got[10];
    assert_ok(cz_clusters_find(&c, weights, 10, 4, cz_test_error()));
    cz_clusters_apply(got, &c);
    for (size_t i = 0; i < 10; i++)
        assert_float_equal(got[i], want[i], ROUNDING);
    assert_int_equal(c.distinct, 9);
    assert_int_equal(cz_clusters_count(&c), 4);
    cz_clusters_fini(&c);
}

static void counts_zero_among_the_values(void **state)
{
    (void)state;
    float weights[5000];
    draw_all(weights, 5000, 1);
    for (size_t i = 0; i < 5000; i += 3)
        weights[i] = i % 2 ? 0.0f : -0.0f;
    for (size_t k = 2; k <= CZ_CLUSTERS_MAX; k += 127) {
        struct cz_clusters c;
        float got[5000];
        assert_ok(cz_clusters_find(&c, weights, 5000, k, cz_test_error()));
        cz_clusters_apply(got, &c);
        assert_int_equal(count_distinct(got, 5000), k);
        assert_int_equal(cz_clusters_count(&c), k);
        for (size_t i = 0; i < 5000; i++)
            assert_true((got[i] == 0) == (weights[i] == 0));
        cz_clusters_fini(&c);
    }
}

static void keeps_values_that_are_few(void **state)
{
    (void)state;
    static const float some[] = {0.1f, -7, 0, 1e-30f, 3e38f};
    for (size_t n = 0; n <= 5; n++) {
        struct cz_clusters c;
        float weights[40], got[40];
        for (size_t i = 0; i < 40; i++)
            weights[i] = n ? some[i % n] : 0;
        assert_ok(cz_clusters_find(&c, weights, 40, 5, cz_test_error()));
        cz_clusters_apply(got, &c);
        assert_memory_equal(got, weights, sizeof got);
        assert_int_equal(cz_clusters_count(&c), n ? n : 1);
        cz_clusters_fini(&c);
    }
}

/* ---- models ----------------------------------------------------------- */

static void clusters_each_layer(void **state)
{
    (void)state;
    static const char *const skip = "e";
    for (size_t threads = 1; threads <= 3; threads += 2) {
        const struct cz_cluster_options options = {
            .clusters = 7, .skip = &skip, .n_skip = 1, .threads = threads};
        struct cz_cluster_report report;
        struct cz_model *model = cz_test_graph(THREE_CONVS);
        float *weights, *before;
        struct cz_tensor *w = cz_test_value(model, "w")->constant;
        assert_ok(cz_tensor_floats(w, &before, cz_test_error()));
        assert_ok(
            cz_cluster_weights(model, &options, &report, cz_test_error()));
        assert_ok(cz_tensor_floats(w, &weights, cz_test_error()));
        assert_int_equal(count_distinct(weights, 216), 7);
        assert_int_equal(report.n_layers, 3);
        assert_int_equal(report.n_clustered, 2);
        assert_string_equal(report.layers[0].name, "c");
        assert_int_equal(report.layers[0].values_before,
                         count_distinct(before, 216));
        assert_int_equal(report.layers[0].values, 7);
        /* Seven even steps of even numbers leave 1/49 of their variance. */
        assert_float_equal(report.layers[0].error, 1.0 / 49, 0.01);
        assert_string_equal(report.layers[1].skipped, "asked for");
        cz_free(before);
        cz_free(weights);
        cz_cluster_report_fini(&report);
        cz_model_free(model);
    }
}

static void clusters_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    struct cz_model *models[2];
    struct cz_test_operands operands[2];
    for (size_t i = 0; i < 2; i++) {
        const struct cz_cluster_options options = {.clusters = 5,
                                                   .threads = i ? 3 : 1};
        struct cz_cluster_report report;
        models[i] = cz_test_graph(THREE_CONVS);
        assert_ok(
            cz_cluster_weights(models[i], &options, &report, cz_test_error()));
        operands[i] = cz_test_operands_read(models[i]);
        cz_cluster_report_fini(&report);
    }
    assert_operands_equal(&operands[0], &operands[1]);
    for (size_t i = 0; i < 2; i++) {
        cz_test_operands_fini(&operands[i]);
        cz_model_free(models[i]);
    }
}

static void clusters_float16_and_leaves_float64(void **state)
{
    (void)state;
    const struct cz_cluster_options options = {.clusters = 4};
    struct cz_cluster_report report;
    struct cz_model *model = cz_test_graph(
        "in x f16[1,8,2,2]; const w f16[8,8,1,1] random; y = Conv(x, w); out y;"
        "in p f64[1,8,2,2]; const q f64[8,8,1,1] random; r = Conv(p, q); out r;"
        "in s bf16[1,8,2,2]; const t bf16[8,8,1,1] random; u = Conv(s, t);"
        "out u");
    assert_ok(cz_cluster_weights(model, &options, &report, cz_test_error()));
    for (size_t i = 0; i < 3; i += 2) {
        float *weights;
        struct cz_tensor *t =
            cz_test_value(model, report.layers[i].weight)->constant;
        assert_ok(cz_tensor_floats(t, &weights, cz_test_error()));
        assert_int_equal(count_distinct(weights, 64), 4);
        assert_true(report.layers[i].error < 0.15); /* even ones: 1/16 */
        cz_free(weights);
    }
    assert_string_equal(report.layers[1].skipped, "its weights are float64");
    cz_cluster_report_fini(&report);
    cz_model_free(model);
}

static void check_refused(struct cz_model *model,
                          struct cz_cluster_options options, const char *words)
{
    struct cz_cluster_report report;
    struct cz_test_operands before = cz_test_operands_read(model);
    assert_error(cz_cluster_weights(model, &options, &report, cz_test_error()),
                 CZ_EINVAL, words);
    struct cz_test_operands after = cz_test_operands_read(model);
    assert_operands_equal(&after, &before);
    cz_cluster_report_fini(&report);
    cz_test_operands_fini(&before);
    cz_test_operands_fini(&after);
    cz_model_free(model);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    static const size_t wrong[] = {0, 1, 257, SIZE_MAX};
    static const char *const nobody = "nobody", *const all = "*";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_refused(cz_test_graph(THREE_CONVS),
                      (struct cz_cluster_options){.clusters = wrong[i]},
                      "are outside 2 <= K <= 256");
    check_refused(cz_test_graph(THREE_CONVS),
                  (struct cz_cluster_options){
                      .clusters = 4, .skip = &nobody, .n_skip = 1},
                  "pattern 'nobody' matches no Conv");
    check_refused(
        cz_test_graph(THREE_CONVS),
        (struct cz_cluster_options){.clusters = 4, .skip = &all, .n_skip = 1},
        "the weights of none of the 3 Convs can be clustered (the first, 'c': "
        "asked for)");
    check_refused(cz_test_load(cz_test_model("bad/no_conv.onnx")),
                  (struct cz_cluster_options){.clusters = 4},
                  "there is no Conv to cluster");
    check_refused(cz_test_load(cz_test_model("bad/weight_nan.onnx")),
                  (struct cz_cluster_options){.clusters = 4},
                  "Conv 'Conv': weight 50 is NaN");
}

static void survives_a_lack_of_memory(void **state)
{
    (void)state;
    const struct cz_cluster_options options = {.clusters = 4, .threads = 1};
    enum cz_status status = CZ_ENOMEM;
    for (size_t nth = 1; status != CZ_OK; nth++) {
        struct cz_cluster_report report;
        struct cz_model *model = cz_test_graph(THREE_CONVS);
        cz_alloc_fail_at(nth);
        status = cz_cluster_weights(model, &options, &report, cz_test_error());
        cz_alloc_fail_at(0);
        assert_true(status == CZ_OK ? nth > 1 : status == CZ_ENOMEM);
        cz_cluster_report_fini(&report);
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_never_worse_than_even_distances),
        cmocka_unit_test(finds_mostly_the_best_clusters),
        cmocka_unit_test(finds_groups_that_lie_apart),
        cmocka_unit_test(counts_zero_among_the_values),
        cmocka_unit_test(keeps_values_that_are_few),
        cmocka_unit_test(clusters_each_layer),
        cmocka_unit_test(clusters_the_same_for_any_number_of_threads),
        cmocka_unit_test(clusters_float16_and_leaves_float64),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(survives_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
