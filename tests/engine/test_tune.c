/* Choosing kernels: the table's order, kernels that are left out, timing and
 * the file of its results. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <jansson.h>

#include "core/alloc.h"
#include "core/cpu.h"
#include "engine/plan_internal.h"
#include "tests/support/plan.h"
#include "tests/support/rewrite.h"

/* A 3x3 Conv of whole blocks: more than one kernel takes it. */
#define MODEL                                                                  \
    "in x f32[1,32,12,12]; const w f32[32,32,3,3] random; "                    \
    "y = Conv(x, w) pads=[1,1,1,1]; out y"
/* More of the kind, and other operators with kernels. */
#define LARGER                                                                 \
    "in x f32[1,3,16,16]; const u f32[32,3,3,3] random; "                      \
    "const v f32[32,1,3,3] random; const w f32[32,32,3,3] random; "            \
    "a = Conv(x, u); b = Relu(a); c = Conv(b, v) group=32; "                   \
    "d = Conv(c, w); e = MaxPool(d) kernel_shape=[3,3]; f = Sigmoid(e); "      \
    "g, h = Split(f) axis=1; i = Concat(h, g) axis=1; j = Softmax(i) axis=1; " \
    "const m f32[16,9] random; const n f32[32,5,2,2] random; "                 \
    "k = ConvTranspose(j, n) strides=[2,2]; y = MatMul(k, m); "                \
    "out y"

static struct cz_plan *compile(struct cz_model *model, enum cz_tune tune,
                               const char *kernels, const char *cache_file)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.tune = tune;
    options.kernels = kernels;
    options.cache_file = cache_file;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

/* The kernel of the first step called `op_type`. */
static const char *kernel_of(const struct cz_plan *plan, const char *op_type)
{
    for (size_t i = 0; i < cz_plan_step_count(plan); i++) {
        if (strcmp(cz_plan_step(plan, i).op_type, op_type) == 0)
            return cz_plan_step(plan, i).kernel;
    }
    fail_msg("no step %s", op_type);
    return NULL;
}

static bool uses(const struct cz_plan *plan, const char *kernel)
{
    bool found = false;
    for (size_t i = 0; i < cz_plan_step_count(plan); i++)
        found |= strcmp(cz_plan_step(plan, i).kernel, kernel) == 0;
    return found;
}

/* "-first" of the table's kernels for Conv that are tried before `last`. */
static char *without_those_before(const char *last, char *list, size_t size)
{
    const char *kernel;
    size_t at = 0;
    for (size_t i = 0; (kernel = cz_operator_kernel("Conv", i)); i++) {
        if (strcmp(kernel, last) == 0)
            break;
        at += (size_t)snprintf(list + at, size - at, "%s-%s", at ? "," : "",
                               kernel);
    }
    return list;
}

/* ---- without timing --------------------------------------------------- */

static void takes_the_first_that_fits(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(MODEL);
    struct cz_plan *plan = compile(model, CZ_TUNE_OFF, NULL, NULL);
    const char *first = kernel_of(plan, "Conv");
    char before[128] = "";
    without_those_before(first, before, sizeof before);
    cz_plan_free(plan);
    /* Those before it do not fit: without them nothing changes. */
    plan = compile(model, CZ_TUNE_OFF, before, NULL);
    assert_string_equal(kernel_of(plan, "Conv"), first);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void tries_the_next_where_one_is_left_out(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(MODEL);
    char off[256] = "";
    const char *kernel;
    /* One more is left out each time; what is chosen comes behind them. */
    for (size_t i = 0; (kernel = cz_operator_kernel("Conv", i)); i++) {
        size_t at = strlen(off);
        snprintf(off + at, sizeof off - at, "%s-%s", at ? "," : "", kernel);
        struct cz_plan *plan = compile(model, CZ_TUNE_OFF, off, NULL);
        for (size_t k = 0; k <= i; k++)
            assert_false(uses(plan, cz_operator_kernel("Conv", k)));
        cz_plan_free(plan);
    }
    struct cz_plan *plan = compile(model, CZ_TUNE_OFF, off, NULL);
    assert_string_equal(kernel_of(plan, "Conv"), "reference");
    cz_plan_free(plan);
    cz_model_free(model);
}

static void tries_the_next_where_one_finds_no_memory(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(MODEL);
    struct cz_plan *plan = compile(model, CZ_TUNE_OFF, NULL, NULL);
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_error err;
    const char *first = kernel_of(plan, "Conv");
    size_t others = 0, total = SIZE_MAX;
    cz_plan_free(plan);
    options.threads = 1;
    for (size_t nth = 1; nth <= total; nth++) {
        cz_alloc_fail_only(nth);
        enum cz_status status = cz_plan_compile(&plan, model, &options, &err);
        if (cz_alloc_fail_at(0) < nth)
            total = 0; /* none failed */
        if (status != CZ_OK)
            continue;
        others += strcmp(kernel_of(plan, "Conv"), first) != 0;
        cz_plan_free(plan);
    }
    assert_true(others > 0);
    cz_model_free(model);
}

static const char *const all_kernels[] = {"winograd",
                                          "depthwise",
                                          "direct",
                                          "blocked",
                                          "gemm",
                                          "onednn",
                                          "openblas",
                                          "bf16",
                                          "place",
                                          "simd",
                                          "codes",
                                          "codes_winograd",
                                          "codes_depthwise",
                                          "codes_direct"};
#define KERNELS (sizeof all_kernels / sizeof *all_kernels)

static void never_takes_one_that_is_left_out(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(LARGER);
    struct cz_plan *plain = cz_test_compile(model, "none", NULL);
    cz_test_random_frame(plain, 1);
    for (size_t i = 0; i < 2 * KERNELS; i++) {
        const char *kernel = all_kernels[i / 2];
        char off[32];
        snprintf(off, sizeof off, "-%s", kernel);
        struct cz_plan *plan =
            compile(model, i % 2 ? CZ_TUNE_CACHE : CZ_TUNE_OFF, off, NULL);
        if (uses(plan, kernel))
            fail_msg("%s is used", kernel);
        cz_test_random_frame(plan, 1);
        assert_true(cz_test_difference(plan, plain) <= CZ_TEST_OTHER_KERNELS);
        cz_plan_free(plan);
    }
    cz_plan_free(plain);
    cz_model_free(model);
}

static void finds_all_kernels_in_the_tables(void **state)
{
    (void)state;
    struct cz_operator_info op;
    for (size_t k = 0; k < KERNELS; k++) {
        bool found = false;
        for (size_t i = 0; cz_operator(i, &op); i++) {
            const char *name;
            for (size_t n = 0; (name = cz_operator_kernel(op.op_type, n)); n++)
                found |= strcmp(name, all_kernels[k]) == 0;
        }
        assert_true(found);
    }
}

/* ---- the file --------------------------------------------------------- */

/* Compiles with timing and the file; the name of the kernel that was taken.
 * It is one of ours, or a static text. */
static const char *tuned(struct cz_test_tuning *f)
{
    struct cz_plan *plan = compile(f->model, CZ_TUNE_CACHE, NULL, f->file);
    const char *kernel = kernel_of(plan, "Conv");
    cz_plan_free(plan);
    return kernel;
}

/* Replaces `from` in the file, which has it, by `to`. */
static void edit(struct cz_test_tuning *f, const char *from, const char *to)
{
    size_t size;
    char *text = cz_test_file_read(f->file, &size);
    char *at = strstr(text, from);
    assert_non_null(at);
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    fclose(file);
    cz_free(text);
}

static bool file_has(const struct cz_test_tuning *f, const char *what)
{
    size_t size;
    char *text = cz_test_file_read(f->file, &size);
    bool found = strstr(text, what) != NULL;
    cz_free(text);
    return found;
}

/* Another kernel that fits than the one that was taken. */
static const char *other_kernel(struct cz_test_tuning *f, const char *taken)
{
    char off[64];
    snprintf(off, sizeof off, "-%s", taken);
    struct cz_plan *plan = compile(f->model, CZ_TUNE_OFF, off, NULL);
    const char *kernel = kernel_of(plan, "Conv");
    cz_plan_free(plan);
    assert_string_not_equal(kernel, "reference");
    return kernel;
}

static void writes_what_it_found_and_believes_it(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    char entry[64], other[64];
    const char *taken = tuned(&f);
    assert_true(file_has(&f, "compress.tune/1"));
    assert_true(file_has(&f, "Conv x[1,32,12,12]"));
    snprintf(entry, sizeof entry, "\"%s\"", taken);
    snprintf(other, sizeof other, "\"%s\"", other_kernel(&f, taken));
    edit(&f, entry, other);
    /* Believed, and not timed again. */
    const char *again = tuned(&f);
    assert_memory_equal(again, other + 1, strlen(again));
    assert_true(file_has(&f, other));
    /* Without timing the file is not even read. */
    struct cz_plan *plan = compile(f.model, CZ_TUNE_OFF, NULL, f.file);
    struct cz_plan *plain = compile(f.model, CZ_TUNE_OFF, NULL, NULL);
    assert_string_equal(kernel_of(plan, "Conv"), kernel_of(plain, "Conv"));
    cz_plan_free(plan);
    cz_plan_free(plain);
    cz_test_tuning_free(&f);
}

static void keeps_results_of_other_shapes_and_processors(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    tuned(&f);
    edit(&f, "\"cpu\": {", "\"cpu\": {\"Some other\": {\"Conv\": \"fast\"},");
    struct cz_model *model = cz_test_graph(LARGER);
    struct cz_plan *plan = compile(model, CZ_TUNE_CACHE, NULL, f.file);
    assert_true(file_has(&f, "Some other"));
    assert_true(file_has(&f, "\"fast\""));
    assert_true(file_has(&f, "Conv x[1,32,12,12]"));
    assert_true(file_has(&f, "Conv x[1,32,12,12]b y[1,32,10,10]b"));
    cz_plan_free(plan);
    cz_model_free(model);
    cz_test_tuning_free(&f);
}

/* What was found under a limit is not what is looked up without it. */
static void keeps_results_of_limits_apart(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    struct cz_plan *plan = compile(f.model, CZ_TUNE_CACHE, "-onednn", f.file);
    cz_plan_free(plan);
    setenv("CZ_CPU", "baseline", 1);
    tuned(&f);
    setenv("CZ_CPU", "avx2", 1);
    tuned(&f);
    unsetenv("CZ_CPU");
    tuned(&f);
    json_t *file = json_load_file(f.file, 0, NULL);
    const char *name;
    json_t *results;
    size_t limited = 0;
    json_object_foreach(json_object_get(file, "cpu"), name, results) limited +=
        strstr(name, " -onednn") || strstr(name, ", baseline,");
    assert_int_equal(limited, 2);
    /* Where there is nothing to limit, two of them are one. */
    assert_true(json_object_size(json_object_get(file, "cpu")) >=
                (cz_cpu_has(CZ_CPU_AVX2) ? 3 : 2));
    json_decref(file);
    cz_test_tuning_free(&f);
}

static void times_again_what_is_no_kernel(void **state)
{
    (void)state;
    static const char *const values[] = {"\"onednn2\"", "7", "null", "[]",
                                         "\"\""};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct cz_test_tuning f = cz_test_tuning_new(MODEL);
        char entry[64];
        snprintf(entry, sizeof entry, "\"%s\"", tuned(&f));
        edit(&f, entry, values[i]);
        const char *kernel = tuned(&f);
        assert_string_not_equal(kernel, "reference");
        snprintf(entry, sizeof entry, "\"%s\"", kernel);
        assert_true(file_has(&f, entry));
        cz_test_tuning_free(&f);
    }
}

static void ignores_files_of_another_kind(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "no JSON at all",
        "[]",
        "17",
        "{}",
        "{\"schema\": \"compress.tune/2\", \"cpu\": {}}",
        "{\"schema\": 1, \"cpu\": {}}",
        "{\"schema\": \"compress.tune/1\"}",
        "{\"schema\": \"compress.tune/1\", \"cpu\": []}",
        "{\"schema\": \"compress.tune/1\", \"cpu\": {}, \"cpu\": {}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cz_test_tuning f = cz_test_tuning_new(MODEL);
        cz_test_file_write(f.file, texts[i], strlen(texts[i]));
        assert_string_not_equal(tuned(&f), "reference");
        assert_true(file_has(&f, "\"schema\": \"compress.tune/1\""));
        assert_true(file_has(&f, "Conv x[1,32,12,12]"));
        cz_test_tuning_free(&f);
    }
}

static void does_without_a_file_that_cannot_be_written(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    snprintf(f.file, sizeof f.file, "%s/none/tune.json", f.path);
    assert_string_not_equal(tuned(&f), "reference");
    assert_false(cz_test_file_exists(f.file));
    snprintf(f.file, sizeof f.file, "%s/folder", f.path);
    assert_int_equal(mkdir(f.file, 0700), 0);
    assert_string_not_equal(tuned(&f), "reference");
    snprintf(f.file, sizeof f.file, "%s/closed", f.path);
    assert_int_equal(mkdir(f.file, 0500), 0);
    strcat(f.file, "/tune.json");
    assert_string_not_equal(tuned(&f), "reference");
    cz_test_tuning_free(&f);
}

static void leaves_a_complete_file_alone(void **state)
{
    (void)state;
    struct cz_test_tuning f = cz_test_tuning_new(MODEL);
    struct stat before, after;
    tuned(&f);
    assert_int_equal(stat(f.file, &before), 0);
    tuned(&f);
    assert_int_equal(stat(f.file, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* not written anew */
    cz_test_tuning_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_first_that_fits),
        cmocka_unit_test(tries_the_next_where_one_is_left_out),
        cmocka_unit_test(tries_the_next_where_one_finds_no_memory),
        cmocka_unit_test(never_takes_one_that_is_left_out),
        cmocka_unit_test(finds_all_kernels_in_the_tables),
        cmocka_unit_test(writes_what_it_found_and_believes_it),
        cmocka_unit_test(keeps_results_of_other_shapes_and_processors),
        cmocka_unit_test(keeps_results_of_limits_apart),
        cmocka_unit_test(times_again_what_is_no_kernel),
        cmocka_unit_test(ignores_files_of_another_kind),
        cmocka_unit_test(does_without_a_file_that_cannot_be_written),
        cmocka_unit_test(leaves_a_complete_file_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
