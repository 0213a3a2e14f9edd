/* Models that are wrong, or made to do harm: each is refused with a message
 * that names the node and the numbers, soon, and without much memory. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/alloc.h"
#include "tests/engine/op_support.h"
#include "tests/support/rewrite.h"

/* A chain that takes longer is not compiled in linear time: on a slow and busy
 * machine, under a sanitizer, 20,000 nodes take a tenth of it. */
#define CHAIN_SECONDS 30
#define CHAIN_NODES 20000

/* ---- messages --------------------------------------------------------- */

static void names_missing_operators_of_other_domains(void **state)
{
    static const struct cz_test_failure rows[] = {
        {"in x f32[1]; a = Relu(x); y = com.example::Relu(a); out y",
         CZ_EUNSUPPORTED, "does not have: com.example.Relu ('y')"},
        {"in x f32[1]; a = com.example::A(x); b = B(a); c = B(b); "
         "y = com.example::B(c); out y",
         CZ_EUNSUPPORTED, "com.example.A ('a'), B ('b'), com.example.B ('y')"},
    };
    (void)state;
    CHECK_REFUSED(rows);
}

static void names_what_does_not_fit_together(void **state)
{
    static const struct cz_test_failure rows[] = {
        {"in x f32[1,3,8,8]; const w f32[4,2,3,3] 1; y = Conv(x, w); out y",
         CZ_ESHAPE, "Conv 'y': input has 3 channels, its weight wants 2 x 1"},
        {"in x f32[1,3,8]; const w f32[4,3,3,3] 1; y = Conv(x, w); out y",
         CZ_ESHAPE, "Conv 'y': its input has 3 dimensions, its weight 4"},
        {"in x f32[1,3,8,8]; const w f32[4,3,1,1] 1; const b f32[3] 1; "
         "y = Conv(x, w, b); out y",
         CZ_ESHAPE, "Conv 'y': bias has 3 numbers, want 4"},
        {"in x f32[2,3]; in z f32[5,4]; y = Add(x, z); out y", CZ_ESHAPE,
         "Add 'y': cannot broadcast [2,3] against [5,4]"},
        {"in x f32[2,3]; in z f32[5,4]; y = MatMul(x, z); out y", CZ_ESHAPE,
         "MatMul 'y': its operands are [2,3] and [5,4]"},
        {"in x f32[1,16,8,8]; in z f32[1,16,7,8]; y = Concat(x, z) axis=1; "
         "out y",
         CZ_ESHAPE, "Concat 'y': input 1 is [1,16,7,8], the first [1,16,8,8]"},
        {"in x f32[1,3,4,4]; const s f32[2] 1; "
         "y = BatchNormalization(x, s, s, s, s); out y",
         CZ_ESHAPE, "BatchNormalization 'y': input 1 is [2], want [3]"},
        {"in x f32[2,3]; in z i64[2,3]; y = Add(x, z); out y", CZ_ESHAPE,
         "Add 'y': input 1 is int64, want float32"},
        {"in x f32[1,3,8,8]; y = Conv(x); out y", CZ_ESHAPE,
         "Conv 'y': input 1 is missing"},
        {"in x f32[1]; y = Relu(x, x); out y", CZ_ESHAPE,
         "Relu 'y': 2 inputs, at most 1 can be"},
    };
    (void)state;
    CHECK_REFUSED(rows);
}

static void refuses_hostile_attributes(void **state)
{
#define WINDOW(attributes)                                                     \
    "in x f32[1,3,4,4]; const w f32[4,3,2,2] 1; y = Conv(x, w) " attributes    \
    "; out y"
    static const struct cz_test_failure rows[] = {
        {WINDOW("strides=[0,1]"), CZ_ESHAPE,
         "Conv 'y': 'strides' is 0, want 1 to"},
        {WINDOW("strides=[1,-2]"), CZ_ESHAPE, "'strides' is -2, want 1 to"},
        {WINDOW("strides=[1,1,1,1,1,1,1,1,1,1,1,1]"), CZ_ESHAPE,
         "'strides' has 12 numbers"},
        {WINDOW("dilations=[9223372036854775807,1]"), CZ_ESHAPE,
         "'dilations' is 9223372036854775807"},
        {WINDOW("pads=[9223372036854775807,0,9223372036854775807,0]"),
         CZ_ESHAPE, "'pads' is 9223372036854775807"},
        {WINDOW("pads=[-9,0,0,0]"), CZ_ESHAPE, "'pads' is -9"},
        {WINDOW("group=0"), CZ_ESHAPE, "'group' is 0"},
        {WINDOW("group=-1"), CZ_ESHAPE, "'group' is -1"},
        {WINDOW("dilations=[4,4]"), CZ_ESHAPE,
         "dimension 2 of its input is 4 with 0 of padding, too small for a "
         "kernel of 2 with a dilation of 4"},
        {"in x f32[1,3,4,4]; const w f32[4,3,7,7] 1; y = Conv(x, w); out y",
         CZ_ESHAPE,
         "input is 4 with 0 of padding, too small for a kernel of 7"},
        {"in x f32[1,3,4,4]; y = MaxPool(x) kernel_shape=[0,1]; out y",
         CZ_ESHAPE, "MaxPool 'y': 'kernel_shape' is 0"},
        {"in x f32[1,3,4,4]; y = MaxPool(x) kernel_shape=[9,9]; out y",
         CZ_ESHAPE,
         "input is 4 with 0 of padding, too small for a kernel of 9"},
        {"in x f32[2,3]; y = Transpose(x) perm=[0,0]; out y", CZ_ESHAPE,
         "Transpose 'y': perm has axis 0 twice"},
        {"in x f32[2,3]; y = Transpose(x) perm=[0,1,0,1,0,1,0,1,0,1]; out y",
         CZ_ESHAPE, "perm has 10 numbers, want 2"},
        {"in x f32[2,3]; y = Softmax(x) axis=9223372036854775807; out y",
         CZ_ESHAPE, "axis 9223372036854775807 is outside of 2 dimensions"},
        {"opset 11; in x f32[2,3]; y = Unsqueeze(x) "
         "axes=[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]; out y",
         CZ_ESHAPE, "Unsqueeze 'y': an attribute has 18 numbers"},
        {"in x f32[1,4,2,2]; y = DepthToSpace(x) blocksize=4294967296; out y",
         CZ_ESHAPE, "blocksize is 4294967296"},
    };
    (void)state;
    CHECK_REFUSED(rows);
}

/* ---- constants -------------------------------------------------------- */

#define MOST "9223372036854775807"
#define LEAST "-9223372036854775808"

static void refuses_hostile_constants(void **state)
{
    static const struct cz_test_failure rows[] = {
        {"in x f32[2,3]; const s i64[2] " MOST " 2; y = Reshape(x, s); out y",
         CZ_ESHAPE, "Reshape 'y': its output of float32 [" MOST ",2]"},
        {"in x f32[2,3]; const s i64[3] 4294967296 4294967296 -1; "
         "y = Reshape(x, s); out y",
         CZ_ESHAPE, "cannot become [4294967296,4294967296,-1]"},
        {"in x f32[2,3]; const s i64[2] -1; y = Reshape(x, s); out y",
         CZ_ESHAPE, "Reshape 'y': its shape is [-1,-1]"},
        {"in x f32[2,3]; const s i64[99] 1; y = Reshape(x, s); out y",
         CZ_ESHAPE, "input 1 has 99 numbers, at most 8 can be"},
        {"in x f32[2,3]; const a i64[1] 0; const b i64[1] 1; "
         "const d i64[1] 0; y = Slice(x, a, b, a, d); out y",
         CZ_ESHAPE, "Slice 'y': the step of axis 0 is 0"},
        {"in x f32[2,3]; const a i64[2] 0; const b i64[1] 1; "
         "y = Slice(x, a, b); out y",
         CZ_ESHAPE, "2 starts, 1 ends"},
        {"in x f32[2,3]; const p i64[4] " MOST "; y = Pad(x, p); out y",
         CZ_ESHAPE, "Pad 'y': pads of " MOST " and " MOST " for axis 0 of 2"},
        {"in x f32[2,3]; const p i64[4] " LEAST "; y = Pad(x, p); out y",
         CZ_ESHAPE, "Pad 'y': pads of " LEAST " and " LEAST},
        {"in x f32[2,3]; const p i64[4] -5 0 0 0; y = Pad(x, p); out y",
         CZ_ESHAPE, "pads of -5 and 0 for axis 0 of 2"},
        {"in x f32[2,3]; const n i64[1] 4; y, i = TopK(x, n); out y", CZ_ESHAPE,
         "TopK 'y': k is 4, axis 1 has 3"},
        {"in x f32[2,3]; const n i64[1] " MOST "; y, i = TopK(x, n); out y",
         CZ_ESHAPE, "TopK 'y': k is " MOST ", axis 1 has 3"},
        {"in x f32[2,3]; const i i64[1] 2; y = Gather(x, i); out y", CZ_EINVAL,
         "Gather 'y': index 2 is outside of 2"},
        {"in x f32[2,3]; const i i64[1] " LEAST "; y = Gather(x, i); out y",
         CZ_EINVAL, "Gather 'y': index " LEAST " is outside of 2"},
        {"in x f32[2]; const c i64[2] 5 6; const i i64[] -3; "
         "g = Gather(c, i); y = Expand(x, g); out y",
         CZ_EINVAL, "Gather 'g': index -3 is outside of 2"},
        {"in x f32[2,3]; const s i64[2] 3 -1; a, b = Split(x, s); out a; out b",
         CZ_ESHAPE, "Split 'a': part 0 is 3, there are 2"},
        {"in x f32[2,3]; const s i64[2] " LEAST " " LEAST "; "
         "a, b = Split(x, s); out a; out b",
         CZ_ESHAPE, "Split 'a': part 0 is " LEAST},
        {"in x f32[1]; const b i64[] " LEAST "; const e i64[] " MOST "; "
         "const d i64[] 1; r = Range(b, e, d); y = Cast(r) to=1; out y",
         CZ_ESHAPE, "Range 'r'"},
        {"in x f32[1,3,4,4]; const s i64[4] 1 3 " MOST " 4; "
         "y = Resize(x, , , s); out y",
         CZ_ESHAPE, "Resize 'y'"},
    };
    (void)state;
    CHECK_REFUSED(rows);
}

static void takes_extreme_constants_that_mean_something(void **state)
{
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const a i64[1] " LEAST "; const b i64[1] " MOST "; "
         "y = Slice(x, a, b); out y",
         CZ_NUMBERS(1, 2, 3), "float32[3]", CZ_NUMBERS(1, 2, 3), EXACT},
        {"in x f32[3]; const a i64[1] " MOST "; const b i64[1] " LEAST "; "
         "const c i64[1] 0; const d i64[1] -1; y = Slice(x, a, b, c, d); out y",
         CZ_NUMBERS(1, 2, 3), "float32[3]", CZ_NUMBERS(3, 2, 1), EXACT},
        {"in x f32[3]; const a i64[1] " MOST "; const b i64[1] " LEAST "; "
         "const c i64[1] 0; const d i64[1] " LEAST "; "
         "y = Slice(x, a, b, c, d); out y",
         CZ_NUMBERS(1, 2, 3), "float32[1]", CZ_NUMBERS(3), EXACT},
        {"in x f32[3]; const a i64[1] 0; const b i64[1] " MOST "; "
         "const c i64[1] 0; y = Slice(x, a, b, c, b); out y",
         CZ_NUMBERS(1, 2, 3), "float32[1]", CZ_NUMBERS(1), EXACT},
    };
    (void)state;
    CHECK_CASES(cases);
}

/* ---- what data say ---------------------------------------------------- */

static void refuses_bad_indices_of_a_frame_and_goes_on(void **state)
{
    struct cz_test_engine e = cz_test_engine(
        "in x f32[3]; in i i64[2]; y = Gather(x, i); out y", NULL);
    (void)state;
    cz_test_feed(&e, "x", CZ_NUMBERS(5, 6, 7));
    cz_test_feed(&e, "i", CZ_NUMBERS(0, 3));
    assert_error(cz_plan_run(e.plan, cz_test_error()), CZ_EINVAL,
                 "Gather 'y': index 3 is outside of 3");
    cz_test_feed(&e, "i", CZ_NUMBERS(-4, 0));
    assert_error(cz_plan_run(e.plan, cz_test_error()), CZ_EINVAL,
                 "index -4 is outside of 3");
    cz_test_feed(&e, "i", CZ_NUMBERS(-1, 0));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[2]", CZ_NUMBERS(7, 5), EXACT);
    cz_test_engine_fini(&e);
}

static void refuses_bad_shapes_of_a_frame_and_goes_on(void **state)
{
    struct cz_test_engine e =
        cz_test_engine("in x f32[2,3]; in s i64[2]; in k i64[1]; "
                       "y = Reshape(x, s); z, i = TopK(x, k); out y; out z",
                       NULL);
    (void)state;
    cz_test_feed(&e, "x", CZ_NUMBERS(1, 2, 3, 4, 5, 6));
    cz_test_feed(&e, "s", CZ_NUMBERS(1000000007, 1000000007));
    cz_test_feed(&e, "k", CZ_NUMBERS(1));
    assert_error(cz_plan_run(e.plan, cz_test_error()), CZ_ESHAPE,
                 "Reshape 'y': its output of float32 [1000000007,1000000007]");
    cz_test_feed(&e, "s", CZ_NUMBERS(3, 2));
    cz_test_feed(&e, "k", CZ_NUMBERS(4));
    assert_error(cz_plan_run(e.plan, cz_test_error()), CZ_ESHAPE,
                 "TopK 'z': k is 4, axis 1 has 3");
    cz_test_feed(&e, "k", CZ_NUMBERS(2));
    cz_test_run(&e);
    cz_test_expect(&e, "y", "float32[3,2]", CZ_NUMBERS(1, 2, 3, 4, 5, 6),
                   EXACT);
    cz_test_expect(&e, "z", "float32[2,2]", CZ_NUMBERS(3, 2, 6, 5), EXACT);
    cz_test_engine_fini(&e);
}

/* ---- sizes ------------------------------------------------------------ */

static void refuses_arrays_that_no_memory_holds(void **state)
{
    static const struct cz_test_failure rows[] = {
        {"in x f32[100000,100000,10000]; y = Relu(x); out y", CZ_ESHAPE,
         "input 'x': its output of float32 [100000,100000,10000] would not"},
        {"in x f32[2147483647,2147483647,4]; y = Relu(x); out y", CZ_ESHAPE,
         "[2147483647,2147483647,4] would not fit in memory"},
        {"in x f32[1,4]; const r i64[2] 1000000000 100000; y = Tile(x, r); "
         "out y",
         CZ_ESHAPE, "Tile 'y': its output of float32 [1000000000,400000]"},
        {"in x f32[1,4]; const r i64[2] 10000000000; y = Tile(x, r); out y",
         CZ_ESHAPE, "Tile 'y'"},
        {"in x f32[1]; const s i64[2] 10000000 10000000; y = Expand(x, s); "
         "out y",
         CZ_ESHAPE, "Expand 'y': its output of float32 [10000000,10000000]"},
        {"in x f32[1]; const s i64[2] 10000000; y = ConstantOfShape(s); "
         "out y",
         CZ_ESHAPE, "ConstantOfShape 'y'"},
        {"in x f32[1,3,4,4]; const w f32[3,4,1,1] 1; "
         "y = ConvTranspose(x, w) strides=[2147483647,2147483647]; out y",
         CZ_ESHAPE, "ConvTranspose 'y': its output of float32 [1,4,"},
        {"in x f32[1,3,4,4]; const w f32[4,3,1,1] 1; "
         "y = Conv(x, w) pads=[2147483647,2147483647,2147483647,2147483647]; "
         "out y",
         CZ_ESHAPE, "Conv 'y': its output of float32 [1,4,"},
        {"in x f32[1,3,4,4]; const s f32[4] 1 1 1e9 1e9; "
         "y = Resize(x, , s); out y",
         CZ_ESHAPE, "Resize 'y'"},
        {"in x f32[1]; const b f32[] 0; const e f32[] 1e38; "
         "const d f32[] 1e-38; y = Range(b, e, d); out y",
         CZ_ESHAPE, "Range 'y': it would make 1e+76 numbers"},
    };
    (void)state;
    CHECK_REFUSED(rows);
}

/* `n` times the line, in which %d is the number of the node and of the one
 * before; between the head and an output of the last, vN. */
static char *chain(const char *head, const char *line, int n)
{
    size_t size = strlen(head) + (size_t)n * (strlen(line) + 64) + 64;
    char *text = cz_malloc(size), *at;
    assert_non_null(text);
    at = text + sprintf(text, "%s\n", head);
    for (int i = 1; i <= n; i++) {
        for (const char *c = line; *c; c++) {
            if (*c == '@') /* this one */
                at += sprintf(at, "%d", i);
            else if (*c == '<') /* the one before */
                at += sprintf(at, "%d", i - 1);
            else
                *at++ = *c;
        }
        *at++ = '\n';
    }
    sprintf(at, "out v%d", n);
    return text;
}

static void refuses_chains_that_grow(void **state)
{
    static const struct {
        const char *head, *line, *message;
    } rows[] = {
        {"in v0 f32[1,16]; const r i64[2] 1 16", "v@ = Tile(v<, r)",
         "would not fit in memory"},
        {"in v0 f32[1,16]", "v@ = Concat(v<, v<, v<, v<) axis=0",
         "would not fit in memory"},
        {"in v0 f32[1,16]; const p i64[4] 1000 1000 1000 1000",
         "w@ = Pad(v<, p)\nv@ = Concat(w@, w@) axis=1",
         "would not fit in memory"},
        {"in x f32[1]; const v0 f32[1,16] 1; const r i64[2] 1 16",
         "v@ = Tile(v<, r)", "would not fit in memory"},
        {"in v0 f32[1,1,8,8]; const s f32[4] 1 1 2 2", "v@ = Resize(v<, , s)",
         "would not fit in memory"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = chain(rows[i].head, rows[i].line, 200);
        assert_error(cz_test_engine_try(text, cz_test_error()), CZ_ESHAPE,
                     rows[i].message);
        cz_free(text);
    }
}

/* 64 constants of 200 MB each are not all computed when it is compiled. */
static void computes_only_so_many_constants(void **state)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    char *text = chain("in x f32[1]; const s i64[1] 50000000; "
                       "v0 = ConstantOfShape(s)",
                       "v@ = Neg(v<)", 64);
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan;
    size_t arena, packed;
    (void)state;
    options.threads = 1;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    cz_plan_memory(plan, &arena, &packed);
    assert_true(cz_plan_step_count(plan) > 32);
    assert_true(arena < (size_t)1 << 30);
    cz_plan_free(plan);
    cz_model_free(model);
    cz_free(text);
}

/* ---- long chains ------------------------------------------------------ */

static void compiles_long_chains_in_linear_time(void **state)
{
    static const struct {
        const char *head, *line;
    } rows[] = {
        {"in v0 f32[4]", "v@ = Relu(v<)"},
        {"in v0 f32[4]", "v@ = Identity(v<)"},
        {"in v0 f32[4]", "w@ = Identity(v<)\nv@ = Neg(w@)"},
        {"in v0 f32[4]", "w@ = Sigmoid(v<)\nv@ = Mul(w@, v<)"},
        {"in v0 f32[4]", "w@ = Shape(v<)\nv@ = Reshape(v<, w@)"},
        {"in v0 f32[2,4]",
         "w@, u@ = Split(v<) axis=0\nv@ = Concat(u@, w@) axis=0"},
        {"in v0 f32[4,4]", "v@ = Transpose(v<)"},
        {"in v0 f32[1,16,4,4]; const k f32[16,16,1,1] random 1 0.1",
         "w@ = Conv(v<, k)\nv@ = Add(w@, v0)"},
        {"in x f32[4]; v0 = NonZero(x)", "v@ = Neg(v<)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = chain(rows[i].head, rows[i].line, CHAIN_NODES);
        clock_t start = clock();
        assert_ok(cz_test_engine_try(text, cz_test_error()));
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        print_message("%s: %.2f s\n", rows[i].line, seconds);
        assert_true(seconds < CHAIN_SECONDS);
        cz_free(text);
    }
}

static void joins_many_parts_in_linear_time(void **state)
{
    size_t size = CHAIN_NODES * 32;
    char *text = cz_malloc(size), *at = text;
    (void)state;
    assert_non_null(text);
    at += sprintf(at, "in x f32[1,4]\n");
    for (int i = 0; i < CHAIN_NODES / 2; i++)
        at += sprintf(at, "v%d = Neg(x)\n", i);
    at += sprintf(at, "y = Concat(v0");
    for (int i = 1; i < CHAIN_NODES / 2; i++)
        at += sprintf(at, ", v%d", i);
    sprintf(at, ") axis=0\nout y");
    clock_t start = clock();
    assert_ok(cz_test_engine_try(text, cz_test_error()));
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < CHAIN_SECONDS);
    cz_free(text);
}

/* Nearly all of a window, or of the way to the next one, lies outside. */
static void runs_windows_that_are_mostly_outside_soon(void **state)
{
    static const char *const texts[] = {
        "in x f32[1,16,8,8]; const w f32[16,16,3,3] random; "
        "a = Conv(x, w) pads=[1,1,1,1]; y = MaxPool(a) "
        "kernel_shape=[1,2147483647] pads=[0,1073741823,0,1073741823]; out y",
        "in x f32[1,16,8,8]; const w f32[16,16,3,3] random; "
        "a = Conv(x, w) pads=[1,1,1,1]; y = MaxPool(a) "
        "kernel_shape=[2147483647,1] pads=[1073741823,0,1073741823,0]; out y",
        "in x f32[1,3,8,8]; const w f32[16,3,1,1] random; "
        "y = Conv(x, w) strides=[2147483647,2147483647]; out y",
        "in x f32[1,16,8,8]; const w f32[64,16,1,1] random; "
        "y = Conv(x, w) strides=[2147483647,2147483647]; out y",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct cz_model *model = cz_test_graph(texts[i]);
        clock_t start = clock();
        cz_test_expect_same_outputs(model, NULL, NULL, texts[i]);
        assert_true((double)(clock() - start) / CLOCKS_PER_SEC < CHAIN_SECONDS);
        cz_model_free(model);
    }
}

/* ---- what is asked for ------------------------------------------------ */

static void try_options(const char *text, const struct cz_plan_options *options,
                        enum cz_status status, const char *message)
{
    struct cz_model *model = cz_test_graph(text);
    struct cz_plan *plan = NULL;
    assert_error(cz_plan_compile(&plan, model, options, cz_test_error()),
                 status, message);
    cz_model_free(model);
}

static void refuses_what_the_model_does_not_have(void **state)
{
    static const char *const taps[] = {"y", "nothing"};
    static const struct cz_input_shape shapes[] = {
        {"x", {4, {1, 3, 8, -8}}}, {"x", {3, {1, 3, 8}}},
        {"x", {4, {2, 3, 8}}},     {"z", {4, {1, 3, 8, 8}}},
        {"x", {4, {1, 3, 8, 8}}},  {"x", {4, {1, 3, 8, 8}}},
        {NULL, {4, {1, 3, 8, 8}}}, {NULL, {4, {1, 3, 9, 9}}},
    };
    const char *open = "in x f32[1,3,h,w]; y = Relu(x); out y";
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    (void)state;
    options.threads = 1;
    try_options(open, &options, CZ_ESHAPE, "input 'x': dimension 2 is open");
    try_options("in x f32; y = Relu(x); out y", &options, CZ_ESHAPE,
                "input 'x' has no shape: give one");
    options.n_shapes = 1;
    options.shapes = &shapes[0];
    try_options(open, &options, CZ_ESHAPE, "input 'x'");
    options.shapes = &shapes[1];
    try_options(open, &options, CZ_EINVAL, "input 'x' has 4 dimensions");
    options.shapes = &shapes[2];
    try_options(open, &options, CZ_EINVAL,
                "input 'x': dimension 0 is 1 in the model, 2 was given");
    options.shapes = &shapes[3];
    try_options(open, &options, CZ_EINVAL,
                "a shape for 'z', which is no input of the model");
    options.shapes = &shapes[4];
    options.n_shapes = 2;
    try_options(open, &options, CZ_EINVAL, "two shapes for input 'x'");
    options.shapes = &shapes[6];
    try_options(open, &options, CZ_EINVAL, "two shapes without a name");
    options.n_shapes = 0;
    options.taps = taps;
    options.n_taps = 2;
    try_options("in x f32[1]; y = Relu(x); out y", &options, CZ_EINVAL,
                "there is no value 'nothing'");
    options.n_taps = 0;
    options.passes = "-foo";
    try_options("in x f32[1]; y = Relu(x); out y", &options, CZ_EINVAL,
                "'-foo'");
    options.passes = NULL;
    static const char *const kernels[] = {"-winogradd", "winograd", "-gemm,-",
                                          "-gemm,,-simd"};
    for (size_t i = 0; i < COUNT(kernels); i++) {
        options.kernels = kernels[i];
        try_options("in x f32[1]; y = Relu(x); out y", &options, CZ_EINVAL,
                    "there is no kernel to leave out by '");
    }
}

static void refuses_a_limit_that_is_not_known(void **state)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    (void)state;
    setenv("CZ_CPU", "avx-2", 1);
    try_options("in x f32[1]; y = Relu(x); out y", &options, CZ_EINVAL,
                "CZ_CPU is 'avx-2', want baseline, dotprod, fp16, avx2, "
                "avx512 or avx512_bf16");
    setenv("CZ_CPU", "", 1);
    assert_ok(
        cz_test_engine_try("in x f32[1]; y = Relu(x); out y", cz_test_error()));
    unsetenv("CZ_CPU");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_missing_operators_of_other_domains),
        cmocka_unit_test(names_what_does_not_fit_together),
        cmocka_unit_test(refuses_hostile_attributes),
        cmocka_unit_test(refuses_hostile_constants),
        cmocka_unit_test(takes_extreme_constants_that_mean_something),
        cmocka_unit_test(refuses_bad_indices_of_a_frame_and_goes_on),
        cmocka_unit_test(refuses_bad_shapes_of_a_frame_and_goes_on),
        cmocka_unit_test(refuses_arrays_that_no_memory_holds),
        cmocka_unit_test(refuses_chains_that_grow),
        cmocka_unit_test(computes_only_so_many_constants),
        cmocka_unit_test(compiles_long_chains_in_linear_time),
        cmocka_unit_test(joins_many_parts_in_linear_time),
        cmocka_unit_test(runs_windows_that_are_mostly_outside_soon),
        cmocka_unit_test(refuses_what_the_model_does_not_have),
        cmocka_unit_test(refuses_a_limit_that_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
