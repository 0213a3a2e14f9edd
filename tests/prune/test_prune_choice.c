/* Which Convs pruning leaves alone, and which get a sparsity of their own. */
#include "tests/prune/support.h"

#include "tests/support/graph_text.h"

/* Two Convs, a and b, with one weight of ten elements; c has its own. */
static const char shared[] = "in x f32[1,10,4,4]; out y; out a; out b\n"
                             "const w f32[1,10,1,1] 10 9 8 7 6 5 4 3 2 1\n"
                             "const v f32[1,10,1,1] 1 2 3 4 5 6 7 8 9 10\n"
                             "a = Conv(x, w); b = Conv(x, w); y = Conv(x, v)";

static struct pruned prune_text(const char *text,
                                struct cz_prune_options options)
{
    return prune(cz_test_graph(text), &options);
}

static struct pruned prune_tiny_v8(struct cz_prune_options options)
{
    return prune(cz_test_load(cz_test_model("tiny_v8_opset17.onnx")), &options);
}

/* ---- DFL -------------------------------------------------------------- */

static void leaves_the_dfl_convolution_alone(void **state)
{
    (void)state;
    struct pruned p = prune_tiny_v8((struct cz_prune_options){.sparsity = 0.3});
    check_left_alone(&p, "model.12/dfl/Conv", "DFL");
    assert_int_equal(row(&p, "model.12/dfl/Conv")->weights, 16);
    assert_int_equal(p.report.n_pruned, p.report.n_layers - 1);
    pruned_free(&p);
}

static void prunes_the_dfl_convolution_when_asked_to(void **state)
{
    (void)state;
    struct pruned p = prune_tiny_v8(
        (struct cz_prune_options){.sparsity = 0.25, .prune_dfl = true});
    check_all_convs(&p, 0.25);
    assert_int_equal(zeros_of(&p, "model.12/dfl/Conv"), 4);
    pruned_free(&p);
}

static void prunes_what_only_looks_like_dfl(void **state)
{
    (void)state;
    static const char *const others[] = {"Conv_2", "Conv_3", "Conv_4",
                                         "Conv_5"};
    struct pruned p = prune_file("dfl_lookalikes.onnx", 0.5);
    check_left_alone(&p, "Conv_1", "DFL");
    for (size_t i = 0; i < 4; i++) {
        const struct cz_prune_layer *layer = row(&p, others[i]);
        assert_null(layer->skipped);
        check_conv(&p, others[i], layer->weights / 2);
    }
    pruned_free(&p);
}

/* ---- weights that have other readers ---------------------------------- */

static void prunes_a_weight_of_two_convs_once(void **state)
{
    (void)state;
    struct pruned p = prune_file("shared_two_convs.onnx", 0.1);
    check_conv(&p, "Conv_1", 32);
    check_conv(&p, "Conv_2", 32);
    assert_int_equal(row(&p, "Conv_1")->zeros, 32);
    assert_int_equal(row(&p, "Conv_2")->zeros, 32);
    assert_int_equal(p.report.weights, 162 + 324); /* not twice */
    assert_int_equal(p.report.zeros, 16 + 32);
    pruned_free(&p);
}

static void prunes_a_shared_weight_with_the_smallest_sparsity(void **state)
{
    (void)state;
    const struct cz_prune_rule rules[] = {{"a", 0.2}, {"b", 0.7}};
    for (size_t first = 0; first < 2; first++) {
        const struct cz_prune_rule either[] = {rules[first], rules[!first]};
        struct pruned p = prune_text(
            shared, (struct cz_prune_options){
                        .sparsity = 0.5, .rules = either, .n_rules = 2});
        check_conv(&p, "a", 2);
        check_conv(&p, "b", 2);
        check_conv(&p, "y", 5);
        pruned_free(&p);
    }
}

static void skips_a_shared_weight_when_one_of_its_convs_is_skipped(void **state)
{
    (void)state;
    static const char *const skips[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        struct pruned p = prune_text(
            shared, (struct cz_prune_options){
                        .sparsity = 0.5, .skip = &skips[i], .n_skip = 1});
        check_left_alone(&p, "a", "asked for");
        check_left_alone(&p, "b", "asked for");
        check_conv(&p, "y", 5);
        assert_int_equal(p.report.n_pruned, 1);
        pruned_free(&p);
    }
}

static void leaves_weights_alone_that_others_read_too(void **state)
{
    (void)state;
    static const char *const models[] = {"shared_conv_mul.onnx",
                                         "shared_conv_matmul.onnx",
                                         "shared_weight_output.onnx"};
    for (size_t i = 0; i < 3; i++) {
        struct pruned p = prune_file(models[i], 0.5);
        check_left_alone(&p, "Conv_1", "read by other operators too");
        check_conv(&p, "Conv", row(&p, "Conv")->weights / 2);
        assert_operands_equal(&p.after, &p.before);
        pruned_free(&p);
    }
}

static void leaves_alone_a_weight_that_is_the_input_of_a_conv_too(void **state)
{
    (void)state;
    struct pruned p =
        prune_text("in x f32[1,2,4,4]; out y; out z\n"
                   "const w f32[1,2,1,1] 1 2; const v f32[1,2,1,1] 3 4\n"
                   "y = Conv(x, w); z = Conv(w, v)",
                   (struct cz_prune_options){.sparsity = 0.5});
    check_left_alone(&p, "y", "read by other operators too");
    check_conv(&p, "z", 1);
    pruned_free(&p);
}

static void leaves_alone_a_weight_that_a_reshape_makes_an_output(void **state)
{
    (void)state;
    struct pruned p =
        prune_text("in x f32[1,2,4,4]; out y; out z; out v\n"
                   "const flat f32[2] 1 2; const shape i64[4] 1 2 1 1\n"
                   "const w f32[1,2,1,1] 3 4\n"
                   "v = Reshape(flat, shape); y = Conv(x, v); z = Conv(x, w)",
                   (struct cz_prune_options){.sparsity = 0.5});
    check_left_alone(&p, "y", "read by other operators too");
    pruned_free(&p);
}

/* ---- weights that are not there --------------------------------------- */

static void leaves_weights_alone_that_are_no_constants(void **state)
{
    (void)state;
    static const struct {
        const char *model, *why;
    } rows[] = {{"computed_weight.onnx", "weights are computed"},
                {"input_weight.onnx", "weights are computed"},
                {"dequantized_weight.onnx", "quantized weights"}};
    for (size_t i = 0; i < 3; i++) {
        struct pruned p = prune_file(rows[i].model, 0.5);
        check_left_alone(&p, "Conv_1", rows[i].why);
        assert_int_equal(row(&p, "Conv_1")->weights, 0);
        check_conv(&p, "Conv", 54);
        assert_operands_equal(&p.after, &p.before);
        pruned_free(&p);
    }
}

/* ---- skip ------------------------------------------------------------- */

static struct pruned prune_but(const char *pattern)
{
    return prune_tiny_v8((struct cz_prune_options){
        .sparsity = 0.5, .skip = &pattern, .n_skip = 1});
}

static void skips_by_the_name_of_a_node(void **state)
{
    (void)state;
    struct pruned p = prune_but("model.2/cv1/Conv");
    check_left_alone(&p, "model.2/cv1/Conv", "asked for");
    assert_int_equal(p.report.n_pruned, p.report.n_layers - 2); /* and DFL */
    pruned_free(&p);
}

static void skips_by_the_name_of_a_weight(void **state)
{
    (void)state;
    struct pruned p = prune_but("model.2/cv1/weight");
    check_left_alone(&p, "model.2/cv1/Conv", "asked for");
    assert_int_equal(p.report.n_pruned, p.report.n_layers - 2);
    pruned_free(&p);
}

static void lets_a_star_match_slashes(void **state)
{
    (void)state;
    struct pruned p = prune_but("model.2/*");
    check_left_alone(&p, "model.2/m.cv1/Conv", "asked for");
    check_left_alone(&p, "model.2/cv2/Conv", "asked for");
    assert_int_equal(p.report.n_pruned, p.report.n_layers - 5);
    pruned_free(&p);
}

static void skips_what_any_of_the_patterns_matches(void **state)
{
    (void)state;
    static const char *const skip[] = {"model.?/Conv", "model.12/cv[23].0/*"};
    struct pruned p = prune_tiny_v8(
        (struct cz_prune_options){.sparsity = 0.5, .skip = skip, .n_skip = 2});
    check_left_alone(&p, "model.0/Conv", "asked for");
    check_left_alone(&p, "model.12/cv2.0/Conv", "asked for");
    check_left_alone(&p, "model.12/cv3.0/0/Conv", "asked for");
    assert_null(row(&p, "model.12/cv2.1/Conv")->skipped);
    pruned_free(&p);
}

/* ---- rules ------------------------------------------------------------ */

static void follows_the_last_rule_that_matches(void **state)
{
    (void)state;
    static const struct cz_prune_rule rules[] = {
        {"model.2/*", 0.5}, {"model.2/cv1/weight", 0.25}, {"model.5/*", 0}};
    struct pruned p = prune_tiny_v8((struct cz_prune_options){
        .sparsity = 0.125, .rules = rules, .n_rules = 3});
    check_conv(&p, "model.2/cv2/Conv", 192); /* 0.5 of 384 */
    check_conv(&p, "model.2/cv1/Conv", 64);  /* 0.25 of 256 */
    check_conv(&p, "model.5/cv1/Conv", 0);
    check_conv(&p, "model.0/Conv", 27); /* 0.125 of 216 */
    assert_true(row(&p, "model.2/cv1/Conv")->sparsity == 0.25);
    assert_true(row(&p, "model.5/cv1/Conv")->sparsity == 0);
    assert_true(row(&p, "model.0/Conv")->sparsity == 0.125);
    pruned_free(&p);
}

static void lets_skip_win_over_a_rule(void **state)
{
    (void)state;
    static const char *const skip = "a";
    const struct cz_prune_rule rule = {"[ab]", 0.9};
    struct pruned p =
        prune_text(shared, (struct cz_prune_options){.sparsity = 0.5,
                                                     .skip = &skip,
                                                     .n_skip = 1,
                                                     .rules = &rule,
                                                     .n_rules = 1});
    check_left_alone(&p, "a", "asked for");
    check_left_alone(&p, "b", "asked for");
    pruned_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_the_dfl_convolution_alone),
        cmocka_unit_test(prunes_the_dfl_convolution_when_asked_to),
        cmocka_unit_test(prunes_what_only_looks_like_dfl),
        cmocka_unit_test(prunes_a_weight_of_two_convs_once),
        cmocka_unit_test(prunes_a_shared_weight_with_the_smallest_sparsity),
        cmocka_unit_test(
            skips_a_shared_weight_when_one_of_its_convs_is_skipped),
        cmocka_unit_test(leaves_weights_alone_that_others_read_too),
        cmocka_unit_test(leaves_alone_a_weight_that_is_the_input_of_a_conv_too),
        cmocka_unit_test(leaves_alone_a_weight_that_a_reshape_makes_an_output),
        cmocka_unit_test(leaves_weights_alone_that_are_no_constants),
        cmocka_unit_test(skips_by_the_name_of_a_node),
        cmocka_unit_test(skips_by_the_name_of_a_weight),
        cmocka_unit_test(lets_a_star_match_slashes),
        cmocka_unit_test(skips_what_any_of_the_patterns_matches),
        cmocka_unit_test(follows_the_last_rule_that_matches),
        cmocka_unit_test(lets_skip_win_over_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
