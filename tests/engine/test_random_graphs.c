/* Random graphs: with all passes and kernels they give what the operators'
 * plain C gives on the graph as it was written.
 *
 * CZ_GRAPHS says how many, CZ_SEED which is the first; a failure prints the
 * seed and the smallest part of the graph that fails. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/engine.h"
#include "tests/support/random_graph.h"

#define GRAPHS 1000
#define PIECES_MAX 16

/* Sums in another order and Winograd's transforms, through a dozen layers;
 * relative to the largest number of an output. */
#define TOLERANCE 2e-4

/* One way to compile a graph. */
struct variant {
    const char *name, *passes, *kernels, *cpu;
    size_t threads;
    bool keep_all, tap;
    enum cz_tune tune;
};

static const struct variant reference = {
    .name = "reference",
    .passes = "none",
    .kernels = "-winograd,-direct,-depthwise,-onednn,-blocked,-place,-simd,"
               "-gemm,-openblas",
    .threads = 1,
};

static const struct variant variants[] = {
    {.name = "all", .threads = 1},
    {.name = "2 threads", .threads = 2, .tap = true},
    {.name = "no layout", .threads = 1, .passes = "-layout"},
    {.name = "no layout, tap", .threads = 1, .passes = "-layout", .tap = true},
    {.name = "no fusing",
     .threads = 2,
     .passes =
         "-fuse_focus,-fuse_silu,-fuse_add,-fuse_batchnorm,-fuse_activation"},
    {.name = "no folding", .threads = 1, .passes = "-fold,-dead,-identity"},
    {.name = "no Winograd", .threads = 1, .kernels = "-winograd"},
    {.name = "no oneDNN", .threads = 1, .kernels = "-onednn,-winograd"},
    {.name = "oneDNN", .threads = 2, .kernels = "-direct,-depthwise,-winograd"},
    {.name = "no products", .threads = 2, .kernels = "-gemm,-onednn"},
    {.name = "no place", .threads = 1, .kernels = "-place"},
    {.name = "keep all", .threads = 1, .keep_all = true, .tap = true},
    {.name = "tuned", .threads = 2, .tune = CZ_TUNE_CACHE, .tap = true},
    {.name = "AVX2", .threads = 1, .cpu = "avx2", .tap = true},
    {.name = "AVX2 without oneDNN",
     .threads = 2,
     .cpu = "avx2",
     .kernels = "-onednn"},
    {.name = "any CPU", .threads = 1, .cpu = "baseline"},
};

#define N_VARIANTS (sizeof variants / sizeof *variants)

/* ---- one graph -------------------------------------------------------- */

static enum cz_status compile(struct cz_plan **plan, struct cz_model *model,
                              const struct variant *v, const char *tap)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_error err = CZ_ERROR_INIT;
    options.passes = v->passes;
    options.kernels = v->kernels;
    options.threads = v->threads;
    options.keep_all = v->keep_all;
    options.tune = v->tune;
    options.taps = &tap;
    options.n_taps = v->tap || v == &reference;
    if (v->cpu)
        setenv("CZ_CPU", v->cpu, 1);
    else
        unsetenv("CZ_CPU");
    enum cz_status status = cz_plan_compile(plan, model, &options, &err);
    unsetenv("CZ_CPU");
    if (status != CZ_OK)
        print_message("%s: %s\n", v->name, err.message);
    return status;
}

/* Frame `frame` of numbers in -1..1. */
static void feed(struct cz_plan *plan, uint64_t frame)
{
    struct cz_random random = {frame};
    size_t n;
    const struct cz_port *inputs = cz_plan_inputs(plan, &n);
    for (size_t i = 0; i < n; i++) {
        float *x = inputs[i].data;
        for (size_t k = 0; k < inputs[i].size_bytes / sizeof *x; k++)
            x[k] = (float)cz_random_below(&random, 1 << 20) / (1 << 19) - 1;
    }
}

/* Two frames: nothing of the first may be left in the second. */
static enum cz_status run(struct cz_plan *plan)
{
    struct cz_error err = CZ_ERROR_INIT;
    enum cz_status status = CZ_OK;
    for (uint64_t frame = 1; frame <= 2 && status == CZ_OK; frame++) {
        feed(plan, frame);
        status = cz_plan_run(plan, &err);
    }
    if (status != CZ_OK)
        print_message("%s\n", err.message);
    return status;
}

static bool is_near(const struct cz_port *got, const struct cz_port *want)
{
    const float *a = got->data, *b = want->data;
    double most = 1, worst = 0;
    if (got->size_bytes != want->size_bytes)
        return false;
    size_t n = got->size_bytes / sizeof *a;
    for (size_t i = 0; i < n; i++) {
        double distance = fabs((double)a[i] - (double)b[i]);
        most = fmax(most, fabs((double)b[i]));
        worst = isnan(distance) ? INFINITY : fmax(worst, distance);
    }
    if (worst > TOLERANCE * most)
        print_message("%s differs by %g, its numbers are up to %g\n", got->name,
                      worst, most);
    return worst <= TOLERANCE * most;
}

static bool agrees(struct cz_model *model, const struct variant *v,
                   const char *tap, const struct cz_plan *want)
{
    struct cz_plan *plan = NULL;
    bool same = compile(&plan, model, v, tap) == CZ_OK && run(plan) == CZ_OK;
    if (same) {
        size_t n;
        const struct cz_port *outputs = cz_plan_outputs(plan, &n);
        const struct cz_port *others = cz_plan_outputs(want, NULL);
        for (size_t i = 0; i < n + v->tap; i++) /* the tap comes behind */
            same = same && is_near(&outputs[i], &others[i]);
    }
    if (!same)
        print_message("variant: %s\n", v->name);
    cz_plan_free(plan);
    return same;
}

/* Line by line: a message has a limit. */
static void print_text(const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");
        print_message("%.*s\n", length, text);
        text += length;
        text += *text == '\n';
    }
}

/* The graph of `seed`, of `n_pieces`, in all the ways that `seed` has. */
static bool check_graph(uint64_t seed, size_t n_pieces, bool every)
{
    static char text[CZ_RANDOM_TEXT_BYTES];
    char tap[16];
    cz_random_graph(text, tap, seed, n_pieces);
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *want = NULL;
    bool same =
        compile(&want, model, &reference, tap) == CZ_OK && run(want) == CZ_OK;
    for (size_t i = 0; i < N_VARIANTS && same; i++) {
        if (every || i < 1 || i == 1 + seed % (N_VARIANTS - 1))
            same = agrees(model, &variants[i], tap, want);
    }
    cz_plan_free(want);
    cz_model_free(model);
    if (!same) {
        print_message("seed %llu, %zu pieces, tap %s:\n",
                      (unsigned long long)seed, n_pieces, tap);
        print_text(text);
    }
    return same;
}

/* ---- many ------------------------------------------------------------- */

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void passes_and_kernels_change_no_output(void **state)
{
    uint64_t seed = number_from("CZ_SEED", 1);
    uint64_t count = number_from("CZ_GRAPHS", GRAPHS);
    bool every = count == 1;
    (void)state;
    print_message("seeds %llu to %llu\n", (unsigned long long)seed,
                  (unsigned long long)(seed + count - 1));
    for (uint64_t end = seed + count; seed < end; seed++) {
        size_t n = 1 + (size_t)(seed % PIECES_MAX);
        if (check_graph(seed, n, every))
            continue;
        for (size_t part = 1; part < n; part++) {
            if (!check_graph(seed, part, true))
                break;
        }
        fail_msg("CZ_SEED=%llu CZ_GRAPHS=1 shows it again",
                 (unsigned long long)seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_and_kernels_change_no_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
