/* What the precision of a plan decides: which convolutions are rounded to 16
 * bits, what is timed and remembered, what the report says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/cpu.h"
#include "tests/support/graph_text.h"
#include "tests/support/plan.h"
#include "tests/support/rewrite.h"
#include "tests/support/support.h"

/* The first Conv reads the image; e is depthwise; b and g are for 16 bits. */
#define MODEL                                                                  \
    "in x f32[1,3,24,24]; const u f32[16,3,3,3] random; "                      \
    "const v f32[32,16,3,3] random 7 0.1; const d f32[32,1,3,3] random; "      \
    "const w f32[32,32,1,1] random 9 0.2; a = Conv(x, u) pads=[1,1,1,1]; "     \
    "b = Conv(a, v) pads=[1,1,1,1]; c = Relu(b); "                             \
    "e = Conv(c, d) group=32; g = Conv(e, w); y = Relu(g); out y"
#define CONVOLUTIONS 4
#define FOR_NARROW 2

/* Sums of up to 144 products of numbers rounded to 8 bits, 2^-9 each, twice,
 * which partly cancel; a wrong operand is off by the result itself. */
#define ROUNDED 0.03
#define ROUNDED_LEAST 1e-5 /* float32 kernels differ by less */

static struct cz_plan *compile(struct cz_model *model,
                               enum cz_precision precision, enum cz_tune tune,
                               const char *cache_file)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.precision = precision;
    options.tune = tune;
    options.cache_file = cache_file;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

static size_t count_bf16(const struct cz_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < cz_plan_step_count(plan); i++)
        count += strcmp(cz_plan_step(plan, i).kernel, "bf16") == 0;
    assert_int_equal(count, cz_plan_precision(plan).in_bf16);
    return count;
}

/* Convolutions in float16, where it is asked for. */
static size_t for_fp16(void)
{
    return cz_cpu_has(CZ_CPU_FP16) ? FOR_NARROW : 0;
}

static size_t count_compiled(struct cz_test_tuning *f,
                             enum cz_precision precision, enum cz_tune tune)
{
    struct cz_plan *plan = compile(f->model, precision, tune, f->file);
    const size_t count = count_bf16(plan);
    cz_plan_free(plan);
    return count;
}

/* ---- the three -------------------------------------------------------- */

static void float32_rounds_nothing(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    const struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    assert_int_equal(options.precision, CZ_PRECISION_FLOAT32);
    assert_int_equal(count_compiled(&f, CZ_PRECISION_FLOAT32, CZ_TUNE_OFF), 0);
    assert_int_equal(count_compiled(&f, CZ_PRECISION_FLOAT32, CZ_TUNE_CACHE),
                     0);
    cz_test_tuning_free(&f);
}

static void bf16_rounds_all_but_the_first_and_depthwise_ones(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    struct cz_plan *plan =
        compile(f.model, CZ_PRECISION_BF16, CZ_TUNE_OFF, NULL);
    assert_int_equal(count_bf16(plan), FOR_NARROW);
    assert_string_not_equal(cz_plan_step(plan, 0).kernel, "bf16");
    const struct cz_precision_report r = cz_plan_precision(plan);
    assert_int_equal(r.asked, CZ_PRECISION_BF16);
    assert_int_equal(r.convolutions, CONVOLUTIONS);
    cz_plan_free(plan);
    assert_int_equal(count_compiled(&f, CZ_PRECISION_BF16, CZ_TUNE_CACHE),
                     FOR_NARROW);
    cz_test_tuning_free(&f);
}

static void auto_is_float32_where_nothing_is_timed(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    struct cz_plan *plan =
        compile(f.model, CZ_PRECISION_AUTO, CZ_TUNE_OFF, NULL);
    assert_int_equal(count_bf16(plan), 0);
    assert_false(cz_plan_precision(plan).is_timed);
    cz_plan_free(plan);
    plan = compile(f.model, CZ_PRECISION_AUTO, CZ_TUNE_CACHE, NULL);
    assert_true(cz_plan_precision(plan).is_timed);
    cz_plan_free(plan);
    cz_test_tuning_free(&f);
}

static void bf16_differs_by_its_rounding(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(MODEL);
    const char *level;
    for (size_t i = 0; (level = cz_test_limit_cpu(i)); i++) {
        struct cz_plan *exact =
            compile(model, CZ_PRECISION_FLOAT32, CZ_TUNE_OFF, NULL);
        struct cz_plan *plan =
            compile(model, CZ_PRECISION_BF16, CZ_TUNE_OFF, NULL);
        cz_test_random_frame(exact, 3);
        cz_test_random_frame(plan, 3);
        const double difference = cz_test_difference(exact, plan);
        if (!(difference > ROUNDED_LEAST && difference < ROUNDED))
            fail_msg("%s: off by %g", level, difference);
        cz_plan_free(exact);
        cz_plan_free(plan);
    }
    cz_model_free(model);
}

/* float16 is nowhere where the processor does not compute with it. */
static void fp16_rounds_what_bf16_does_and_less(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(MODEL);
    const char *level;
    for (size_t i = 0; (level = cz_test_limit_cpu(i)); i++) {
        struct cz_plan *plans[3];
        for (int k = 0; k < 3; k++) {
            plans[k] = compile(model, (enum cz_precision)k, CZ_TUNE_OFF, NULL);
            cz_test_random_frame(plans[k], 3);
        }
        const struct cz_precision_report r =
            cz_plan_precision(plans[CZ_PRECISION_FP16]);
        assert_int_equal(r.in_fp16, for_fp16());
        assert_int_equal(r.in_bf16, 0);
        const double bf16 = cz_test_difference(plans[0], plans[1]);
        const double fp16 = cz_test_difference(plans[0], plans[2]);
        if (for_fp16() ? fp16 <= ROUNDED_LEAST || fp16 > bf16 / 2 : fp16 != 0)
            fail_msg("%s: fp16 is off by %g, bf16 by %g", level, fp16, bf16);
        for (int k = 0; k < 3; k++)
            cz_plan_free(plans[k]);
    }
    cz_model_free(model);
}

static void what_a_processor_has_not_is_reported(void **state)
{
    (void)state;
    static const struct {
        enum cz_precision precision;
        const char *missing, *on_arm; /* with CZ_CPU=baseline */
    } cases[] = {
        {CZ_PRECISION_FLOAT32, NULL, NULL},
        {CZ_PRECISION_BF16, "AVX512_BF16",
         "bfloat16 instructions that are used"},
        {CZ_PRECISION_FP16, "FEAT_FP16", "FEAT_FP16"},
        {CZ_PRECISION_AUTO, "AVX512_BF16", "FEAT_FP16"},
    };
    struct cz_model *model = cz_test_graph(MODEL);
    setenv("CZ_CPU", "baseline", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cz_plan *plan =
            compile(model, cases[i].precision, CZ_TUNE_OFF, NULL);
        const char *want = cases[i].missing;
#ifdef __aarch64__
        want = cases[i].on_arm;
#endif
        const char *got = cz_plan_precision(plan).missing;
        assert_int_equal(!got, !want);
        if (want)
            assert_string_equal(got, want);
        cz_plan_free(plan);
    }
    unsetenv("CZ_CPU");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cz_plan *plan =
            compile(model, cases[i].precision, CZ_TUNE_OFF, NULL);
        const bool has_all = cases[i].precision == CZ_PRECISION_FLOAT32 ||
                             (cases[i].precision == CZ_PRECISION_FP16
                                  ? cz_cpu_has(CZ_CPU_FP16)
                                  : cz_cpu_has(CZ_CPU_AVX512_BF16));
        if (cases[i].precision != CZ_PRECISION_AUTO)
            assert_int_equal(!cz_plan_precision(plan).missing, has_all);
        cz_plan_free(plan);
    }
    cz_model_free(model);
}

/* ---- what is remembered ----------------------------------------------- */

/* Gives every Conv of the file to `kernel`. */
static void give_all_to(struct cz_test_tuning *f, const char *kernel)
{
    size_t size;
    char *text = cz_test_file_read(f->file, &size);
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *key = strstr(line, "\"Conv ");
        char *value = key ? strstr(line, "\": \"") : NULL;
        const char *comma = line[strlen(line) - 1] == ',' ? "," : "";
        if (value)
            fprintf(file, "%.*s\": \"%s\"%s\n", (int)(value - line), line,
                    kernel, comma);
        else
            fprintf(file, "%s\n", line);
    }
    fclose(file);
    cz_free(text);
}

static void auto_takes_what_was_the_fastest(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    count_compiled(&f, CZ_PRECISION_AUTO, CZ_TUNE_CACHE);
    give_all_to(&f, "bf16");
    assert_int_equal(count_compiled(&f, CZ_PRECISION_AUTO, CZ_TUNE_CACHE),
                     FOR_NARROW);
    give_all_to(&f, "direct");
    assert_int_equal(count_compiled(&f, CZ_PRECISION_AUTO, CZ_TUNE_CACHE), 0);
    cz_test_tuning_free(&f);
}

static void precisions_do_not_read_each_other(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    count_compiled(&f, CZ_PRECISION_AUTO, CZ_TUNE_CACHE);
    give_all_to(&f, "bf16");
    assert_int_equal(count_compiled(&f, CZ_PRECISION_FLOAT32, CZ_TUNE_CACHE),
                     0);
    assert_int_equal(count_compiled(&f, CZ_PRECISION_AUTO, CZ_TUNE_CACHE),
                     FOR_NARROW);
    /* Not even where the file says so under float32's own key. */
    give_all_to(&f, "bf16");
    assert_int_equal(count_compiled(&f, CZ_PRECISION_FLOAT32, CZ_TUNE_CACHE),
                     0);
    give_all_to(&f, "direct");
    assert_int_equal(count_compiled(&f, CZ_PRECISION_BF16, CZ_TUNE_CACHE),
                     FOR_NARROW);
    cz_test_tuning_free(&f);
}

/* ---- float16 files, other engines ------------------------------------- */

/* float16 is widened without loss before it is rounded. */
static void float16_weights_are_rounded_like_float32_ones(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "in x f32[1,32,12,12]; const w f32[32,32,3,3] 0.25 -3 1.00390625 2; "
        "y = Conv(x, w); out y",
        "in x f32[1,32,12,12]; const h f16[32,32,3,3] 0.25 -3 1.00390625 2; "
        "w = Cast(h) to=1; y = Conv(x, w); out y",
    };
    struct cz_model *models[2];
    struct cz_plan *plans[2];
    for (size_t i = 0; i < 2; i++) {
        models[i] = cz_test_graph(texts[i]);
        plans[i] = compile(models[i], CZ_PRECISION_BF16, CZ_TUNE_OFF, NULL);
        assert_int_equal(count_bf16(plans[i]), 1);
        cz_test_random_frame(plans[i], 5);
    }
    assert_true(cz_test_difference(plans[0], plans[1]) == 0);
    for (size_t i = 0; i < 2; i++) {
        cz_plan_free(plans[i]);
        cz_model_free(models[i]);
    }
}

static void onnx_runtime_has_no_precision(void **state)
{
    (void)state;
    struct cz_engine_options options = CZ_ENGINE_OPTIONS_INIT;
    struct cz_engine *engine;
    struct cz_error err;
    options.kind = CZ_ENGINE_ORT;
    options.plan.precision = CZ_PRECISION_AUTO;
    assert_int_equal(cz_engine_open(&engine, "none.onnx", &options, &err),
                     CZ_EINVAL);
    assert_string_equal(err.message,
                        "ONNX Runtime computes in the types of the model: "
                        "precision auto is for the engine 'compress'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float32_rounds_nothing),
        cmocka_unit_test(bf16_rounds_all_but_the_first_and_depthwise_ones),
        cmocka_unit_test(auto_is_float32_where_nothing_is_timed),
        cmocka_unit_test(bf16_differs_by_its_rounding),
        cmocka_unit_test(fp16_rounds_what_bf16_does_and_less),
        cmocka_unit_test(what_a_processor_has_not_is_reported),
        cmocka_unit_test(auto_takes_what_was_the_fastest),
        cmocka_unit_test(precisions_do_not_read_each_other),
        cmocka_unit_test(float16_weights_are_rounded_like_float32_ones),
        cmocka_unit_test(onnx_runtime_has_no_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
