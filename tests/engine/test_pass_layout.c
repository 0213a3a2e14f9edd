/* Layouts: which steps work in blocks, where conversions stand, and that
 * outputs stay what they were. */
#include <stdio.h>

#include "engine/plan_internal.h"
#include "tests/support/rewrite.h"

/* ---- layout ----------------------------------------------------------- */

#define TO_BLOCKED CZ_OP_TO_BLOCKED
#define TO_PLAIN CZ_OP_TO_PLAIN

/* Channels of 16 and 32 are whole blocks whatever the processor has. */
#define IMAGE_CONV                                                             \
    "in x f32[1,3,9,10]; const w f32[16,3,3,3] random; a = Conv(x, w); "
#define SECOND_CONV "const v f32[32,16,1,1] random; "

static void converts_once_in_each_direction(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"Convs read the image as it is, and each other",
         IMAGE_CONV SECOND_CONV "y = Conv(a, v); out y", NULL, "Conv Conv",
         "Conv Conv " TO_PLAIN},
        {"little work on channels that are no whole blocks",
         "in x f32[1,18,9,10]; const w f32[16,18,1,1] random; y = Conv(x, w); "
         "out y",
         NULL, "Conv", "Conv " TO_PLAIN},
        {"more work on them",
         "in x f32[1,18,9,10]; const w f32[48,18,1,1] random; y = Conv(x, w); "
         "out y",
         NULL, "Conv", TO_BLOCKED " Conv " TO_PLAIN},
        {"two plain readers share a conversion",
         IMAGE_CONV "b = Transpose(a) perm=[0,2,3,1]; "
                    "c = Transpose(a) perm=[3,2,1,0]; out b; out c",
         NULL, "Conv Transpose Transpose",
         "Conv " TO_PLAIN " Transpose Transpose"},
        {"two Convs share a conversion",
         "in x f32[1,16,7,6]; const w f32[32,16,3,3] random; "
         "const v f32[32,16,3,3] random; a = Conv(x, w); b = Conv(x, v); "
         "c = Mul(a, b); out c",
         NULL, "Conv Conv Mul", TO_BLOCKED " Conv Conv Mul " TO_PLAIN},
        {"a value that is plain and blocked by turns",
         IMAGE_CONV SECOND_CONV
         "t = Transpose(a) perm=[0,1,3,2]; b = Conv(a, v); out t; out b",
         NULL, "Conv Transpose Conv",
         "Conv " TO_PLAIN " Transpose Conv " TO_PLAIN},
        {"an output that a Conv reads too",
         IMAGE_CONV SECOND_CONV "y = Conv(a, v); out y; out a", NULL,
         "Conv Conv", "Conv " TO_PLAIN " Conv " TO_PLAIN},
        {"Concat, Split, pools, sums and resizes between Convs",
         IMAGE_CONV
         "const s f32[4] 1 1 2 2; b = Relu(a); "
         "c = MaxPool(b) kernel_shape=[3,3] pads=[1,1,1,1]; "
         "d = Concat(b, c) axis=1; e, f = Split(d) axis=1; g = Mul(e, f); "
         "y = Resize(g, , s) mode=\"nearest\"; out y",
         NULL, "Conv+Relu MaxPool Concat Split Mul Resize",
         "Conv+Relu MaxPool Concat Split Mul Resize " TO_PLAIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_graph(rows[i].text);
        cz_test_expect_steps(model, "-layout", NULL, rows[i].what,
                             rows[i].without);
        cz_test_expect_steps(model, NULL, NULL, rows[i].what, rows[i].with);
        cz_test_expect_same_outputs(model, NULL, NULL, rows[i].what);
        cz_model_free(model);
    }
}

static void leaves_little_work_where_it_is(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"channels that are no whole blocks",
         "in x f32[1,3,9,10]; const w f32[18,3,3,3] random; y = Conv(x, w); "
         "out y",
         NULL, "Conv", "Conv"},
        {"a depthwise Conv of a plain value",
         "in x f32[1,16,9,10]; const w f32[16,1,3,3] random; "
         "y = Conv(x, w) group=16; out y",
         NULL, "Conv", "Conv"},
        {"lines",
         "in x f32[1,16,9]; const w f32[16,16,3] random; "
         "y = Conv(x, w); out y",
         NULL, "Conv", "Conv"},
    };
    CZ_TEST_REWRITES("layout", rows);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_graph(rows[i].text);
        cz_test_expect_steps(model, NULL, NULL, rows[i].what, rows[i].with);
        cz_model_free(model);
    }
}

/* Every array has one layout for all who touch it, and what is read after the
 * frame is plain. */
static void check_layouts(const struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        const struct cz_array *a = plan->arrays[i];
        if (a->is_kept || a->is_input || a->is_constant)
            assert_int_equal(a->layout, CZ_LAYOUT_PLAIN);
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cz_step *step = plan->steps[i];
        const char *want =
            step->outputs[0]->layout == CZ_LAYOUT_BLOCKED ? "blocked" : "plain";
        assert_string_equal(cz_plan_step(plan, i).layout, want);
        if (step->residual)
            assert_int_equal(step->residual->layout, step->outputs[0]->layout);
        if (step->op->flags & CZ_OP_ELEMENTWISE) {
            for (size_t k = 0; k < step->n_inputs; k++)
                assert_true(!step->inputs[k] || step->inputs[k]->is_constant ||
                            step->inputs[k]->layout ==
                                step->outputs[0]->layout);
        }
    }
}

/* How often each array is converted. */
static void check_conversions(const struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        size_t conversions = 0;
        for (size_t k = 0; k < plan->n_steps; k++) {
            const struct cz_step *step = plan->steps[k];
            conversions += step->op->flags & CZ_OP_ANY_LAYOUT &&
                           step->inputs[0] == plan->arrays[i];
        }
        assert_true(conversions <= 1);
    }
}

static void takes_any_number_of_channels(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 3, 8, 12, 16, 20, 24, 32, 33};
    char text[512];
    for (size_t i = 0; i < 9; i++) {
        for (size_t k = 0; k < 9; k++) {
            size_t c = widths[i], d = widths[k];
            snprintf(text, sizeof text,
                     "in x f32[2,3,6,5]; const u f32[%zu,3,3,3] random; "
                     "const v f32[%zu,%zu,3,3] random; "
                     "const w f32[%zu,%zu,1,1] random; "
                     "a = Conv(x, u); b = Relu(a); "
                     "c = Conv(b, v) pads=[1,1,1,1]; e = Concat(b, c) axis=1; "
                     "y = Conv(e, w); out y",
                     c, d, c, c, c + d);
            struct cz_model *model = cz_test_graph(text);
            struct cz_plan *plan = cz_test_compile(model, NULL, NULL);
            check_layouts(plan);
            check_conversions(plan);
            cz_plan_free(plan);
            cz_test_expect_same_outputs(model, "-layout", NULL, text);
            cz_model_free(model);
        }
    }
}

/* The weights of a Conv stay plain, also where another step made them in
 * blocks. */
static void gives_weights_that_are_made_plain(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph(IMAGE_CONV "in z f32[1,16,20,20]; y = Conv(z, a); out y");
    cz_test_expect_same_outputs(model, NULL, NULL, "weights made by a Conv");
    cz_model_free(model);
}

/* Nor are sizes put into blocks that a step of their own makes. */
static void gives_sizes_that_are_made_plain(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        IMAGE_CONV "s = Shape(a); const two i64[4] 1 1 2 2; t = Mul(s, two); "
                   "y = Resize(a, , , t) mode=\"nearest\"; out y");
    cz_test_expect_steps(model, "-fold", NULL, "sizes",
                         "Conv " TO_PLAIN " Shape Mul Resize " TO_PLAIN);
    cz_test_expect_same_outputs(model, "-fold", NULL, "sizes");
    cz_model_free(model);
}

/* ---- channels --------------------------------------------------------- */

static void keeps_attention_to_channels_in_blocks(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"squeeze and excitation",
         IMAGE_CONV "const d f32[4,16,1,1] random; "
                    "const u f32[16,4,1,1] random; b = Relu(a); "
                    "c = GlobalAveragePool(b); e = Conv(c, d); f = Relu(e); "
                    "g = Conv(f, u); h = HardSigmoid(g); y = Mul(b, h); out y",
         NULL, "Conv+Relu GlobalAveragePool Conv+Relu Conv+HardSigmoid Mul",
         "Conv+Relu GlobalAveragePool Conv+Relu Conv+HardSigmoid "
         "Mul " TO_PLAIN},
        {"a mean that an axis attribute asks for, and a sum",
         IMAGE_CONV "const u f32[16,16,1,1] random; "
                    "c = ReduceMean(a) axes=[2,3]; g = Conv(c, u); "
                    "y = Add(g, a); out y",
         NULL, "Conv ReduceMean Conv Add",
         "Conv ReduceMean Conv Add " TO_PLAIN},
        {"numbers that are made plain",
         IMAGE_CONV "in s f32[1,16,1,1]; y = Mul(a, s); out y", NULL,
         "Conv Mul", "Conv " TO_BLOCKED " Mul " TO_PLAIN},
        {"constants for each channel and for all",
         IMAGE_CONV "const s f32[16,1,1] random; const t f32[] 3; "
                    "b = Mul(s, a); y = Add(b, t); out y",
         NULL, "Conv Mul Add", "Conv Mul Add " TO_PLAIN},
        {"a mean of rows, a map of places: not in blocks",
         IMAGE_CONV "b = ReduceMean(a) axes=[3]; "
                    "c = ReduceMean(a) axes=[1]; d = Mul(a, c); out b; out d",
         NULL, "Conv ReduceMean ReduceMean Mul",
         "Conv " TO_PLAIN " ReduceMean ReduceMean Mul"},
        {"a deconvolution that doubles the size",
         IMAGE_CONV "const u f32[16,32,2,2] random; "
                    "b = ConvTranspose(a, u) strides=[2,2]; c = Relu(b); "
                    "out c",
         NULL, "Conv ConvTranspose+Relu", "Conv ConvTranspose+Relu " TO_PLAIN},
        {"a deconvolution whose windows overlap: not in blocks",
         IMAGE_CONV "const u f32[16,32,3,3] random; "
                    "b = ConvTranspose(a, u) strides=[2,2]; out b",
         NULL, "Conv ConvTranspose", "Conv " TO_PLAIN " ConvTranspose"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cz_model *model = cz_test_graph(rows[i].text);
        cz_test_expect_steps(model, "-layout", NULL, rows[i].what,
                             rows[i].without);
        cz_test_expect_steps(model, NULL, NULL, rows[i].what, rows[i].with);
        cz_test_expect_same_outputs(model, NULL, NULL, rows[i].what);
        cz_model_free(model);
    }
}

/* The kernel `op_type` has in a plan with all passes must be `kernel`; outputs
 * are those of plain C, for blocks of 8 and, where there are such, 16. */
static void check_kernel(const char *text, const char *op_type,
                         const char *kernel)
{
    struct cz_model *model = cz_test_graph(text);
    for (size_t i = 0; cz_test_limit_cpu(i); i++) {
        struct cz_plan *plan = cz_test_compile(model, NULL, NULL);
        bool found = false;
        for (size_t k = 0; k < plan->n_steps; k++) {
            if (strcmp(plan->steps[k]->op->op_type, op_type) == 0) {
                assert_string_equal(cz_plan_step(plan, k).kernel, kernel);
                found = true;
            }
        }
        if (!found)
            fail_msg("%s: no step %s", text, op_type);
        cz_plan_free(plan);
        cz_test_expect_same_outputs(model, NULL, NULL, text);
    }
    cz_model_free(model);
}

/* Images of these sizes: odd ones, a few pixels, more than a segment. */
static const size_t sizes[][3] = {{1, 1, 2},  {2, 1, 3},   {1, 7, 9},
                                  {3, 16, 5}, {2, 31, 47}, {1, 65, 64}};

#define N_SIZES (sizeof sizes / sizeof *sizes)

static void means_and_scales_agree_in_odd_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *op_type, *text;
    } rows[] = {
        {"GlobalAveragePool", "y = GlobalAveragePool(a)"},
        {"ReduceMean", "y = ReduceMean(a) axes=[-1,2]"},
        {"ReduceMean", "opset 18; y = ReduceMean(a, n); const n i64[2] 2 3"},
        {"Mul", "m = GlobalAveragePool(a); y = Mul(a, m)"},
        {"Add", "m = GlobalAveragePool(a); y = Add(m, a)"},
        {"Mul", "y = Mul(a, s); const s f32[1,32,1,1] random"},
        {"Add", "y = Add(s, a); const s f32[32,1,1] random"},
        {"Mul", "y = Mul(a, s); const s f32[1] 0.25"},
        {"Add", "y = Add(a, s); in s f32[1,32,1,1]"},
    };
    char text[256];
    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            snprintf(text, sizeof text,
                     "in x f32[%zu,4,%zu,%zu]; const w f32[32,4,1,1] random; "
                     "a = Conv(x, w); %s; out y",
                     sizes[i][0], sizes[i][1], sizes[i][2], rows[k].text);
            check_kernel(text, rows[k].op_type, "blocked");
        }
    }
}

static void deconvolutions_agree_in_odd_sizes(void **state)
{
    (void)state;
    static const size_t windows[][2] = {{2, 2}, {1, 3}, {4, 1}};
    char text[320];
    for (size_t i = 0; i < 3 * N_SIZES; i++) {
        const size_t *size = sizes[i / 3], *k = windows[i % 3];
        snprintf(text, sizeof text,
                 "in x f32[%zu,4,%zu,%zu]; const w f32[32,4,1,1] random; "
                 "const v f32[32,48,%zu,%zu] random; const b f32[48] random; "
                 "a = Conv(x, w); c = ConvTranspose(a, v, b) strides=[%zu,%zu];"
                 "s = Sigmoid(c); y = Mul(c, s); out y",
                 size[0], size[1], size[2], k[0], k[1], k[0], k[1]);
        check_kernel(text, "ConvTranspose", "direct");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts_once_in_each_direction),
        cmocka_unit_test(leaves_little_work_where_it_is),
        cmocka_unit_test(takes_any_number_of_channels),
        cmocka_unit_test(gives_weights_that_are_made_plain),
        cmocka_unit_test(gives_sizes_that_are_made_plain),
        cmocka_unit_test(keeps_attention_to_channels_in_blocks),
        cmocka_unit_test(means_and_scales_agree_in_odd_sizes),
        cmocka_unit_test(deconvolutions_agree_in_odd_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
