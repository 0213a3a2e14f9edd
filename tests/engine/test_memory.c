/* Where arrays lie: what is alive together never shares bytes by mistake, and
 * what can be free of copies is. */
#include <stdlib.h>

#include "engine/plan_internal.h"
#include "tests/support/engine.h"
#include "tests/support/plan.h"
#include "tests/support/random_graph.h"
#include "tests/support/rewrite.h"

#define ALIGNMENT 64
#define SEEDS 80

static struct cz_plan *compile_all(struct cz_model *model, const char *passes,
                                   bool keep_all)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.passes = passes;
    options.keep_all = keep_all;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

static struct cz_array *array_called(const struct cz_plan *plan,
                                     const char *name)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cz_step *step = plan->steps[i];
        for (size_t k = 0; k < step->n_outputs; k++) {
            if (step->outputs[k] && strcmp(step->outputs[k]->name, name) == 0)
                return step->outputs[k];
        }
    }
    for (size_t i = 0; i < plan->n_inputs; i++) {
        if (strcmp(plan->port_arrays[i]->name, name) == 0)
            return plan->port_arrays[i];
    }
    fail_msg("no array '%s'", name);
    return NULL;
}

/* ---- life times, found anew ------------------------------------------- */

/* When each array (by id) has its values: from the step `made` (0: before the
 * first, i + 1: by step i) to the step `read` that is the last to need them. */
struct life {
    size_t made, read;
    bool is_used;
};

static void reads(struct life *lives, const struct cz_array *array, size_t time)
{
    if (array)
        lives[array->id].read = time;
}

static struct life *find_lives(const struct cz_plan *plan)
{
    struct life *lives = calloc(plan->n_arrays, sizeof *lives);
    assert_non_null(lives);
    for (size_t i = 0; i < plan->n_inputs; i++)
        lives[plan->port_arrays[i]->id] = (struct life){0, 0, true};
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cz_step *step = plan->steps[i];
        for (size_t k = 0; k < step->n_inputs; k++)
            reads(lives, step->inputs[k], i + 1);
        reads(lives, step->residual, i + 1);
        for (size_t k = 0; k < step->n_outputs; k++) {
            if (step->outputs[k])
                lives[step->outputs[k]->id] = (struct life){i + 1, i + 1, true};
        }
    }
    for (size_t i = 0; i < plan->n_arrays; i++) {
        const struct cz_array *a = plan->arrays[i];
        if (a->is_kept || a->is_input || plan->options.keep_all)
            lives[i].read = plan->n_steps + 1;
        lives[i].is_used &= !a->is_constant && !a->is_dynamic;
    }
    return lives;
}

static const struct cz_array *root_of(const struct cz_array *array)
{
    while (array->root != array)
        array = array->root;
    return array;
}

static bool overlap(const struct cz_array *a, const struct cz_array *b)
{
    const char *p = a->data, *q = b->data;
    return p < q + b->size_bytes && q < p + a->size_bytes;
}

static void check_pairs(const struct cz_plan *plan, const struct life *lives)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        const struct cz_array *a = plan->arrays[i];
        if (!lives[i].is_used)
            continue;
        const char *base = plan->memory;
        const char *data = a->data;
        assert_true(data >= base &&
                    data + a->size_bytes <= base + plan->memory_bytes);
        if (a->root == a)
            assert_int_equal((uintptr_t)a->data % ALIGNMENT, 0);
        for (size_t k = 0; k < i; k++) {
            const struct cz_array *b = plan->arrays[k];
            bool meet = lives[k].is_used && lives[i].made <= lives[k].read &&
                        lives[k].made <= lives[i].read;
            if (meet && root_of(a) != root_of(b) && overlap(a, b))
                fail_msg("'%s' and '%s' are alive together and overlap",
                         a->name, b->name);
        }
    }
}

/* ---- values, watched -------------------------------------------------- */

/* Runs step by step: whatever an array held when it was made, it holds until
 * its last reader has run. */
static void check_values(struct cz_plan *plan, const struct life *lives,
                         const char *what)
{
    void **copies = calloc(plan->n_arrays, sizeof *copies);
    assert_non_null(copies);
    for (size_t time = 0; time <= plan->n_steps; time++) {
        if (time > 0)
            assert_ok(cz_plan_run_steps(plan, time - 1, time, cz_test_error()));
        for (size_t i = 0; i < plan->n_arrays; i++) {
            const struct cz_array *a = plan->arrays[i];
            if (!lives[i].is_used || lives[i].made > time ||
                lives[i].read <= time)
                continue;
            if (lives[i].made == time) {
                copies[i] = malloc(a->size_bytes + 1);
                assert_non_null(copies[i]);
                memcpy(copies[i], a->data, a->size_bytes);
            } else if (memcmp(copies[i], a->data, a->size_bytes) != 0) {
                fail_msg("'%s' was overwritten by step %zu, '%s', and is "
                         "read by step %zu; %s",
                         a->name, time - 1, plan->steps[time - 1]->name,
                         lives[i].read - 1, what);
            }
        }
    }
    for (size_t i = 0; i < plan->n_arrays; i++)
        free(copies[i]);
    free(copies);
}

static void check_plan(struct cz_plan *plan, const char *what)
{
    struct life *lives = find_lives(plan);
    check_pairs(plan, lives);
    cz_test_randomize(plan, 7);
    check_values(plan, lives, what);
    free(lives);
}

static void check_model(struct cz_model *model, const char *what)
{
    static const char *const lists[] = {NULL, "-layout", "none", "-fold"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct cz_plan *plan = compile_all(model, lists[i], false);
        check_plan(plan, what);
        cz_plan_free(plan);
    }
    struct cz_plan *plan = compile_all(model, NULL, true);
    check_plan(plan, what);
    cz_plan_free(plan);
}

static void keeps_live_arrays_apart(void **state)
{
    (void)state;
    static const char *const texts[] = {
        /* a block of YOLOv8: halves, sums, all joined */
        "in x f32[1,16,6,6]; const u f32[32,16,1,1] random; "
        "const v f32[16,16,3,3] random; const w f32[16,64,1,1] random; "
        "a = Conv(x, u); b, c = Split(a) axis=1; "
        "d = Conv(c, v) pads=[1,1,1,1]; e = Add(c, d); "
        "f = Conv(e, v) pads=[1,1,1,1]; g = Add(e, f); "
        "h = Concat(b, c, e, g) axis=1; y = Conv(h, w); out y",
        /* a part that is joined twice, and one that lives longer */
        "in x f32[1,16,4,4]; a = Relu(x); b = Abs(x); "
        "c = Concat(a, b) axis=1; d = Concat(b, a) axis=1; "
        "e = Concat(a, a) axis=1; f = Add(c, d); g = Add(f, e); "
        "y = Concat(g, a, b) axis=1; out y",
        /* views of views of parts, overwritten in place if that were allowed */
        "in x f32[1,8,4]; const s i64[2] 8 4; const t i64[3] 2 4 4; "
        "a = Neg(x); b = Reshape(a, s); c = Reshape(b, t); d, e = Split(c) "
        "axis=0; f = Exp(d); g = Exp(e); h = Relu(c); i = Abs(b); "
        "j = Concat(f, g) axis=0; k = Add(j, h); out k; out i",
        /* outputs that are views of inputs, and of each other */
        "in x f32[2,6]; const s i64[1] 12; y = Reshape(x, s); z = Neg(y); "
        "w = Identity(z); v = Relu(z); out y; out z; out w; out v",
        /* an operand that is overwritten is the other one too */
        "in x f32[8]; a = Exp(x); b = Add(a, a); c = Mul(b, a); d = Sub(b, c); "
        "y = Add(d, x); out y",
        /* sizes that depend on data in between */
        "in x f32[3,4]; a = Relu(x); n = NonZero(a); b = Exp(a); "
        "t = Transpose(n); g = GatherND(b, t); y = Abs(g); z = Neg(b); "
        "out y; out z",
        /* parts of several images do not lie one behind the other */
        "in x f32[3,16,4,4]; a = Relu(x); b, c = Split(a) axis=1; "
        "d = Exp(b); e = Concat(c, d) axis=1; y = Add(e, a); out y",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cz_model *model = cz_test_graph(texts[i]);
        check_model(model, texts[i]);
        cz_model_free(model);
    }
}

static void keeps_live_arrays_of_random_graphs_apart(void **state)
{
    (void)state;
    char text[CZ_RANDOM_TEXT_BYTES], tap[16];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        cz_random_graph(text, tap, 100000 + seed, 3 + seed % 24);
        struct cz_model *model = cz_test_graph(text);
        check_model(model, text);
        cz_model_free(model);
    }
}

static void keeps_live_arrays_of_models_apart(void **state)
{
    (void)state;
    static const char *const names[] = {
        "tiny_v8_opset17.onnx", "tiny_v5.onnx",   "tiny_yolox.onnx",
        "tiny_nms.onnx",        "qdq.onnx",       "attention_mask.onnx",
        "shape_zoo.onnx",       "reduce_zoo.onnx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct cz_model *model = cz_test_load(cz_test_model(names[i]));
        check_model(model, names[i]);
        cz_model_free(model);
    }
}

/* ---- without copies --------------------------------------------------- */

static void expect_inside(const struct cz_plan *plan, const char *part,
                          const char *whole, size_t offset)
{
    const struct cz_array *p = array_called(plan, part);
    const struct cz_array *w = array_called(plan, whole);
    if ((char *)p->data != (char *)w->data + offset)
        fail_msg("'%s' is not at %zu of '%s'", part, offset, whole);
}

static void makes_parts_inside_of_what_they_are_joined_to(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,16,4,4]; a = Relu(x); b = Exp(x); c = Neg(x); "
        "d = Concat(a, b, c) axis=1; e = Tanh(d); f, g = Split(e) axis=1; "
        "h = Relu(f); i = Abs(g); y = Concat(h, i) axis=1; z = Exp(y); out z");
    struct cz_plan *plan = compile_all(model, NULL, false);
    const size_t bytes = 16 * 4 * 4 * sizeof(float);
    expect_inside(plan, "a", "d", 0);
    expect_inside(plan, "b", "d", bytes);
    expect_inside(plan, "c", "d", 2 * bytes);
    expect_inside(plan, "f", "e", 0);
    expect_inside(plan, "g", "e", bytes * 3 / 2);
    expect_inside(plan, "h", "y", 0);
    expect_inside(plan, "i", "y", bytes * 3 / 2);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void joins_blocks_without_copies(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,3,6,6]; const u f32[32,3,3,3] random; "
        "const v f32[32,32,3,3] random; const w f32[16,96,1,1] random; "
        "a = Conv(x, u); b = Conv(a, v) pads=[1,1,1,1]; "
        "c = Conv(b, v) pads=[1,1,1,1]; d = Concat(c, a, b) axis=1; "
        "e = Conv(d, w); f, g = Split(e) axis=1; "
        "const s i64[2] 16 0; y = Add(f, g); out y");
    struct cz_plan *plan = compile_all(model, NULL, false);
    const size_t bytes = 32 * 4 * 4 * sizeof(float);
    assert_int_equal(array_called(plan, "d")->layout, CZ_LAYOUT_BLOCKED);
    expect_inside(plan, "c", "d", 0);
    expect_inside(plan, "a", "d", bytes);
    expect_inside(plan, "b", "d", 2 * bytes);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void copies_parts_where_it_must(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,2,3,4]; a = Relu(x); b = Exp(x); c = Concat(a, b) axis=2; "
        "d = Concat(a, a) axis=1; const k f32[1,2,3,4] random; "
        "e = Concat(k, b) axis=1; f = Concat(c, c) axis=1; out c; out d; "
        "out e; out f");
    struct cz_plan *plan = compile_all(model, NULL, false);
    const struct cz_array *a = array_called(plan, "a");
    const struct cz_array *c = array_called(plan, "c");
    assert_false(overlap(a, c)); /* rows of both by turns */
    expect_inside(plan, "a", "d", 0);
    expect_inside(plan, "b", "e", a->size_bytes);
    cz_plan_free(plan);
    cz_test_expect_same_outputs(model, NULL, NULL, "copied parts");
    cz_model_free(model);
}

static void gives_views_the_place_of_their_input(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,2,3,4]; const s i64[2] 6 4; const n i64[1] 0; a = Relu(x); "
        "b = Reshape(a, s); c = Unsqueeze(b, n); d = Flatten(c) axis=2; "
        "y = Transpose(d); out y; z = Reshape(x, s); out z");
    struct cz_plan *plan = compile_all(model, NULL, false);
    expect_inside(plan, "b", "a", 0);
    expect_inside(plan, "c", "a", 0);
    expect_inside(plan, "d", "a", 0);
    expect_inside(plan, "z", "x", 0);
    cz_plan_free(plan);
    cz_model_free(model);
}

static void overwrites_an_operand_that_nobody_needs(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[8]; a = Softmax(x) axis=0; b = Tanh(a); "
        "c = Softmax(b) axis=0; d = Exp(c); e = Neg(c); "
        "f = Softmax(d) axis=0; y = Add(f, e); out y; "
        "g = Softmax(y) axis=0; z = Relu(g); out z; out g; w = Neg(x); out w");
    struct cz_plan *plan = compile_all(model, NULL, false);
    expect_inside(plan, "b", "a", 0);
    /* c is read by e too: the last reader may take its place, no other. */
    assert_false(overlap(array_called(plan, "d"), array_called(plan, "c")));
    expect_inside(plan, "e", "c", 0);
    /* Outputs and inputs are left alone. */
    assert_false(overlap(array_called(plan, "z"), array_called(plan, "g")));
    assert_false(overlap(array_called(plan, "w"), array_called(plan, "x")));
    cz_plan_free(plan);
    cz_test_expect_same_outputs(model, NULL, NULL, "in place");
    cz_model_free(model);
}

/* ---- sizes ------------------------------------------------------------ */

static size_t sum_of_bytes(const struct cz_plan *plan)
{
    struct life *lives = find_lives(plan);
    size_t sum = 0;
    for (size_t i = 0; i < plan->n_arrays; i++)
        sum += lives[i].is_used ? plan->arrays[i]->size_bytes : 0;
    free(lives);
    return sum;
}

static void needs_less_than_all_arrays_together(void **state)
{
    (void)state;
    size_t arena, packed, kept;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,8,32,32]; a = Softmax(x); b = Softmax(a); c = Softmax(b); "
        "d = Softmax(c); e = Softmax(d); y = ReduceMax(e); out y");
    struct cz_plan *plan = compile_all(model, NULL, false);
    cz_plan_memory(plan, &arena, &packed);
    /* x, which stays, and two by turns */
    const size_t bytes = 8 * 32 * 32 * sizeof(float);
    assert_true(arena >= 3 * bytes && arena < 3 * bytes + 1024);
    assert_true(arena < sum_of_bytes(plan));
    cz_plan_free(plan);
    plan = compile_all(model, NULL, true);
    cz_plan_memory(plan, &kept, &packed);
    assert_true(kept >= 6 * bytes);
    assert_true(kept >= sum_of_bytes(plan));
    cz_plan_free(plan);
    cz_model_free(model);
}

static void shares_memory_in_models(void **state)
{
    (void)state;
    size_t arena, packed;
    struct cz_model *model =
        cz_test_load(cz_test_model("tiny_v8_opset17.onnx"));
    struct cz_plan *plan = compile_all(model, NULL, false);
    cz_plan_memory(plan, &arena, &packed);
    assert_true(2 * arena < sum_of_bytes(plan));
    cz_plan_free(plan);
    cz_model_free(model);
}

static void keeps_every_value_where_it_was_asked_to(void **state)
{
    (void)state;
    struct cz_model *model = cz_test_graph(
        "in x f32[1,16,6,6]; a = Relu(x); s = Sigmoid(a); b = Mul(a, s); "
        "c, d = Split(b) axis=1; e = Concat(d, c) axis=1; y = Relu(e); out y");
    struct cz_plan *plan = compile_all(model, NULL, true);
    assert_string_equal(cz_test_steps(plan),
                        "Relu Sigmoid Mul Split Concat Relu");
    for (size_t i = 0; i < plan->n_arrays; i++) {
        for (size_t k = 0; k < i; k++) {
            if (!plan->arrays[i]->is_constant && !plan->arrays[k]->is_constant)
                assert_false(overlap(plan->arrays[i], plan->arrays[k]));
        }
    }
    cz_plan_free(plan);
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_live_arrays_apart),
        cmocka_unit_test(keeps_live_arrays_of_random_graphs_apart),
        cmocka_unit_test(keeps_live_arrays_of_models_apart),
        cmocka_unit_test(makes_parts_inside_of_what_they_are_joined_to),
        cmocka_unit_test(joins_blocks_without_copies),
        cmocka_unit_test(copies_parts_where_it_must),
        cmocka_unit_test(gives_views_the_place_of_their_input),
        cmocka_unit_test(overwrites_an_operand_that_nobody_needs),
        cmocka_unit_test(needs_less_than_all_arrays_together),
        cmocka_unit_test(shares_memory_in_models),
        cmocka_unit_test(keeps_every_value_where_it_was_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
