/* Products of matrices, our own for every vector unit that this processor has
 * and those of OpenBLAS, and the operators that are made of them: odd sizes,
 * batches, transposed operands, groups, windows, what is fused in. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/gemm_internal.h"
#include "engine/kernels_internal.h"
#include "engine/openblas_internal.h"
#include "tests/support/rewrite.h"

/* Of the largest sum of |products|: rounding of some hundred terms. */
#define TOLERANCE 2e-6

static uint32_t random_state = 1;

static uint32_t random_bits(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static size_t random_from(size_t least, size_t most)
{
    return least + random_bits() % (most - least + 1);
}

static float *random_floats(size_t count)
{
    float *floats = calloc(count, sizeof *floats);
    assert_non_null(floats);
    for (size_t i = 0; i < count; i++)
        floats[i] = (float)random_bits() / 8388608.0f - 1;
    return floats;
}

/* ---- products --------------------------------------------------------- */

/* What stands between the rows of y and must stay. */
#define UNTOUCHED 1234.5f

/* Calls visit() for every unit there is. */
static void for_each_unit(void (*visit)(const struct cz_gemm_unit *unit))
{
    struct cz_openblas *openblas = cz_openblas_new();
    assert_non_null(openblas);
    for (size_t i = 0; cz_test_limit_cpu(i / 3); i++) {
        struct cz_gemm_unit unit = {.simd = cz_simd_find(4 << i % 3)};
        if (unit.simd)
            visit(&unit);
        if (i == 0 && cz_openblas_load(openblas)) {
            unit.openblas = openblas;
            visit(&unit);
        }
    }
    cz_openblas_free(openblas);
}

static double sum_at(const struct cz_gemm *g, size_t row, size_t column,
                     double *magnitude)
{
    double sum = 0;
    *magnitude = 0;
    for (size_t k = 0; k < g->k; k++) {
        double product = (double)g->a[row * g->a_row + k * g->a_column] *
                         (double)g->b[k * g->b_row + column * g->b_column];
        sum += product;
        *magnitude += fabs(product);
    }
    return sum;
}

static void check_product(const struct cz_gemm *g)
{
    double worst = 0, scale = 0;
    for (size_t i = 0; i < g->m * g->y_row; i++) {
        const size_t row = i / g->y_row, column = i % g->y_row;
        double magnitude;
        if (column >= g->n) {
            assert_true(g->y[i] == UNTOUCHED);
            continue;
        }
        double error =
            fabs((double)g->y[i] - sum_at(g, row, column, &magnitude));
        worst = error > worst || isnan(error) ? error : worst;
        scale = magnitude > scale ? magnitude : scale;
    }
    if (!(worst <= TOLERANCE * scale))
        fail_msg("[%zu,%zu] x [%zu,%zu], strides %zu %zu, %zu %zu: off by %g "
                 "of %g",
                 g->m, g->k, g->k, g->n, g->a_row, g->a_column, g->b_row,
                 g->b_column, worst, scale);
}

/* Distances in a matrix of rows x columns with something between its lines. */
static void choose_strides(size_t *row, size_t *column, size_t rows,
                           size_t columns)
{
    const bool is_transposed = random_bits() % 3 == 0;
    const size_t line =
        (is_transposed ? rows : columns) + random_bits() % 2 * 3;
    *row = is_transposed ? 1 : line;
    *column = is_transposed ? line : 1;
}

static void multiply_random(const struct cz_gemm_unit *unit, size_t m, size_t n,
                            size_t k)
{
    struct cz_gemm g = {.m = m, .n = n, .k = k};
    choose_strides(&g.a_row, &g.a_column, m, k);
    choose_strides(&g.b_row, &g.b_column, k, n);
    g.y_row = n + random_bits() % 2 * 5;
    float *a = random_floats(m * g.a_row + k * g.a_column);
    float *b = random_floats(k * g.b_row + n * g.b_column);
    g.y = random_floats(m * g.y_row);
    g.a = a;
    g.b = b;
    for (size_t i = 0; i < m * g.y_row; i++)
        g.y[i] = UNTOUCHED;
    cz_gemm_run(unit, &g);
    check_product(&g);
    free(a);
    free(b);
    free(g.y);
}

static void multiply_sizes(const struct cz_gemm_unit *unit)
{
    /* Around the sizes at which the loops are cut. */
    static const size_t sizes[][3] = {
        {1, 1, 1},     {1, 16, 128}, {6, 16, 129}, {7, 17, 127}, {12, 32, 256},
        {13, 33, 257}, {385, 5, 3},  {770, 31, 2}, {1, 70, 300}, {70, 1, 300},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        multiply_random(unit, sizes[i][0], sizes[i][1], sizes[i][2]);
    for (size_t i = 0; i < 60; i++)
        multiply_random(unit, random_from(1, 60), random_from(1, 70),
                        random_from(1, 140));
}

static void products_agree_with_sums_in_double(void **state)
{
    (void)state;
    for_each_unit(multiply_sizes);
}

/* ---- operators -------------------------------------------------------- */

#define OTHERS "-winograd,-depthwise,-direct,-blocked,-onednn,-simd,"

static struct cz_plan *compile(struct cz_model *model, const char *kernels,
                               size_t threads)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = threads;
    options.kernels = kernels;
    options.passes = "-layout";
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    cz_test_random_frame(plan, 1);
    assert_ok(cz_plan_run(plan, cz_test_error()));
    return plan;
}

/* The model's last step by the kernel, and by plain C. */
static void check_model(const char *text, const char *kernel, const char *off)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *want = compile(model, OTHERS "-gemm,-openblas", 1);
    for (size_t threads = 1; threads <= 3; threads++) {
        struct cz_plan *plan = compile(model, off, threads);
        const size_t last = cz_plan_step_count(plan) - 1;
        if (strcmp(cz_plan_step(plan, last).kernel, kernel) != 0)
            fail_msg("%s: by %s, not %s", text, cz_plan_step(plan, last).kernel,
                     kernel);
        const double difference = cz_test_difference(plan, want);
        if (!(difference <= CZ_TEST_FUSED))
            fail_msg("%s: %zu threads, off by %g", text, threads, difference);
        cz_plan_free(plan);
    }
    cz_plan_free(want);
    cz_model_free(model);
}

static void matrices_agree_with_plain_c(void **state)
{
    (void)state;
    static const char *const models[] = {
        "in x f32[7,13]; in w f32[13,19]; y = MatMul(x, w); out y",
        "in x f32[13]; in w f32[13,19]; y = MatMul(x, w); out y",
        "in x f32[7,13]; in w f32[13]; y = MatMul(x, w); out y",
        "in x f32[13]; in w f32[13]; y = MatMul(x, w); out y",
        "in x f32[5,70,13]; in w f32[5,13,9]; y = MatMul(x, w); out y",
        "in x f32[5,1,13]; const w f32[13,40] random; y = MatMul(x, w); out y",
        "in x f32[2,1,9,13]; in w f32[3,13,40]; y = MatMul(x, w); out y",
        "in x f32[9,13]; in w f32[2,3,13,140]; y = MatMul(x, w); out y",
        "in x f32[3,1,9,13]; in w f32[1,1,13,8]; y = MatMul(x, w); out y",
        "in x f32[200,33]; y = MatMul(x, z); in z f32[33,5]; out y",
        "in x f32[7,13]; in w f32[13,19]; y = Gemm(x, w); out y",
        "in x f32[13,7]; in w f32[13,19]; in c f32[7,19]; "
        "y = Gemm(x, w, c) transA=1 alpha=0.5 beta=-2.; out y",
        "in x f32[7,13]; const w f32[99,13] random; const c f32[99] random; "
        "y = Gemm(x, w, c) transB=1; out y",
        "in x f32[13,70]; in w f32[9,13]; in c f32[70,1]; "
        "y = Gemm(x, w, c) transA=1 transB=1 beta=0.25; out y",
        "in x f32[70,13]; in w f32[13,9]; in c f32[]; "
        "y = Gemm(x, w, c) alpha=3.; out y",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], "gemm", OTHERS "-openblas");
}

static void convolutions_agree_with_plain_c(void **state)
{
    (void)state;
    static const char *const models[] = {
        "in x f32[1,3,9,10]; const w f32[5,3,3,3] random; y = Conv(x, w); "
        "out y",
        "in x f32[2,20,9,10]; const w f32[12,10,3,3] random; "
        "const b f32[12] random; y = Conv(x, w, b) group=2 pads=[1,1,1,1]; "
        "out y",
        "in x f32[2,20,9,10]; const w f32[21,20,1,1] random; "
        "const b f32[21] random; y = Conv(x, w, b); out y",
        "in x f32[1,6,30,31]; const w f32[4,6,1,1] random; "
        "y = Conv(x, w) strides=[2,3]; out y",
        "in x f32[1,6,30,31]; const w f32[4,6,1,1] random; "
        "y = Conv(x, w) pads=[0,1,2,0]; out y",
        "in x f32[1,6,17,40]; const w f32[9,6,5,3] random; "
        "y = Conv(x, w) strides=[2,2] pads=[3,0,1,4] dilations=[1,2]; out y",
        "in x f32[1,9,40,41]; const w f32[8,9,3,3] random; "
        "y = Conv(x, w) pads=[6,6,6,6] dilations=[6,6]; out y",
        "in x f32[3,20,50]; const w f32[8,10,4] random; "
        "y = Conv(x, w) group=2 strides=[3] pads=[2,1]; out y",
        "in x f32[1,6,20,21]; in r f32[1,5,20,21]; "
        "const w f32[5,6,3,3] random; const b f32[5] random; "
        "a = Conv(x, w, b) pads=[1,1,1,1]; s = Sigmoid(a); m = Mul(a, s); "
        "y = Add(r, m); out y",
        "in x f32[1,6,20,21]; const w f32[5,6,3,3] random; "
        "a = Conv(x, w); y = Clip(a, lo, hi); const lo f32[] -0.5; "
        "const hi f32[] 1; out y",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], "gemm", OTHERS "-openblas");
}

static void transposed_convolutions_agree_with_plain_c(void **state)
{
    (void)state;
    static const char *const models[] = {
        "in x f32[1,5,9,10]; const w f32[5,3,2,2] random; "
        "const b f32[3] random; y = ConvTranspose(x, w, b) strides=[2,2]; "
        "out y",
        "in x f32[2,6,9,10]; const w f32[6,5,3,3] random; "
        "y = ConvTranspose(x, w) group=2 strides=[2,2] pads=[1,1,1,1] "
        "output_padding=[1,1]; out y",
        "in x f32[1,6,9,10]; const w f32[6,5,4,4] random; "
        "const b f32[5] random; a = ConvTranspose(x, w, b) strides=[2,2] "
        "pads=[1,1,1,1]; y = Relu(a); out y",
        "in x f32[1,4,60,50]; const w f32[4,9,3,5] random; "
        "y = ConvTranspose(x, w) strides=[1,3] pads=[0,2,2,5] "
        "dilations=[3,1]; out y",
        "in x f32[1,4,2,3]; const w f32[4,4,2,2] random; "
        "y = ConvTranspose(x, w) strides=[5,4]; out y",
        "in x f32[2,8,19]; const w f32[8,3,4] random; "
        "y = ConvTranspose(x, w) group=2 strides=[2] pads=[1,0]; out y",
        "in x f32[1,16,7,7]; const w f32[16,8,1,1] random; "
        "y = ConvTranspose(x, w); out y",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], "gemm", OTHERS "-openblas");
}

static bool has_openblas(void)
{
    struct cz_openblas *openblas = cz_openblas_new();
    assert_non_null(openblas);
    const bool found = cz_openblas_load(openblas);
    cz_openblas_free(openblas);
    return found;
}

/* Sizes that are worth loading it. */
static void openblas_agrees_with_plain_c(void **state)
{
    (void)state;
    static const char *const models[] = {
        "in x f32[2,130,121]; in w f32[2,121,140]; y = MatMul(x, w); out y",
        "in x f32[1,3,130,121]; const w f32[121,140] random; "
        "y = MatMul(x, w); out y",
        "in x f32[121,230]; in w f32[190,121]; in c f32[190]; "
        "y = Gemm(x, w, c) transA=1 transB=1 alpha=0.5 beta=2.; out y",
        "in x f32[1,30,50,51]; const w f32[20,30,3,3] random; "
        "const b f32[20] random; a = Conv(x, w, b) pads=[1,1,1,1]; "
        "y = Relu(a); out y",
        "in x f32[1,70,50,51]; const w f32[60,35,1,1] random; "
        "y = Conv(x, w) group=2; out y",
        "in x f32[1,60,30,31]; const w f32[60,30,2,2] random; "
        "const b f32[30] random; y = ConvTranspose(x, w, b) strides=[2,2]; "
        "out y",
    };
    if (!has_openblas())
        skip();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_model(models[i], "openblas", OTHERS "-gemm");
}

/* ---- what is left to others ------------------------------------------- */

static const char *kernel_of(const char *text)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan = compile(model, NULL, 1);
    const char *kernel = cz_plan_step(plan, 0).kernel;
    cz_plan_free(plan);
    cz_model_free(model);
    return kernel;
}

static void leaves_other_cases_to_plain_c(void **state)
{
    (void)state;
    static const char *const models[] = {
        "in x i64[7,13]; in w i64[13,19]; y = MatMul(x, w); out y",
        "in x f32[7,0]; in w f32[0,19]; y = MatMul(x, w); out y",
        "in x f32[0,7]; in w f32[7,19]; y = MatMul(x, w); out y",
        "in x f32[1,9,9,10]; const w f32[9,1,3,3] random; "
        "y = Conv(x, w) group=9; out y",
        "in x f32[1,3,5,6,7]; const w f32[4,3,2,2,2] random; y = Conv(x, w); "
        "out y",
        "in x f32[1,3,5,6]; in w f32[4,3,2,2]; y = Conv(x, w); out y",
        "in x f32[1,3,5,6]; in w f32[3,4,2,2]; y = ConvTranspose(x, w); out y",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        assert_string_equal(kernel_of(models[i]), "reference");
}

/* Asks every kernel of the table for the plan's first step. */
static bool takes_first_step(const struct cz_kernel *table,
                             const struct cz_plan *plan)
{
    for (; table->name; table++) {
        if (strcmp(table->op_type, plan->steps[0]->op->op_type) == 0)
            return table->fits(plan->steps[0], plan);
    }
    return false;
}

static void openblas_is_loaded_for_much_work_alone(void **state)
{
    (void)state;
    static const char *const models[] = {
        "in x f32[%u,128]; in w f32[128,64]; y = MatMul(x, w); out y",
        "in x f32[1,16,%u,16]; const w f32[32,16,1,1]; y = Conv(x, w); out y"};
    const struct cz_kernel *const tables[] = {cz_kernels_openblas_matmul,
                                              cz_kernels_openblas_im2col};
    const bool is_there = has_openblas();
    for (size_t i = 0; i < 4; i++) {
        const bool is_large = i / 2;
        char text[128];
        snprintf(text, sizeof text, models[i % 2], is_large ? 600 : 30);
        struct cz_model *model = cz_test_graph(text);
        struct cz_plan *plan = compile(model, NULL, 1);
        assert_false(plan->openblas->was_tried); /* ours come first */
        assert_int_equal(takes_first_step(tables[i % 2], plan),
                         is_large && is_there);
        assert_int_equal(plan->openblas->was_tried, is_large);
        /* Where it is not installed. */
        plan->openblas->was_tried = true;
        plan->openblas->blas = NULL;
        assert_false(takes_first_step(tables[i % 2], plan));
        cz_plan_free(plan);
        cz_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_sums_in_double),
        cmocka_unit_test(matrices_agree_with_plain_c),
        cmocka_unit_test(convolutions_agree_with_plain_c),
        cmocka_unit_test(transposed_convolutions_agree_with_plain_c),
        cmocka_unit_test(openblas_agrees_with_plain_c),
        cmocka_unit_test(leaves_other_cases_to_plain_c),
        cmocka_unit_test(openblas_is_loaded_for_much_work_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
