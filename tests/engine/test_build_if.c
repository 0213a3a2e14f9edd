/* If: a condition that is known when the plan is compiled chooses the branch,
 * whose nodes stand in its place. */
#include "tests/engine/op_support.h"
#include "tests/support/rewrite.h"

#define BRANCHES                                                               \
    "y = If(c) then_branch={a = Relu(x); out a} "                              \
    "else_branch={a = Neg(x); out a}; out y"

static void takes_the_branch_of_a_constant(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2]; const c bool[] 1; " BRANCHES, CZ_NUMBERS(-1, 2),
         "float32[2]", CZ_NUMBERS(0, 2), EXACT},
        {"in x f32[2]; const c bool[1] 0; " BRANCHES, CZ_NUMBERS(-1, 2),
         "float32[2]", CZ_NUMBERS(1, -2), EXACT},
    };
    CHECK_CASES(cases);
}

/* As torch.onnx writes squeeze(1): the sizes decide. */
#define SQUEEZE                                                                \
    "s = Shape(x); const i i64[] 1; g = Gather(s, i); const one i64[] 1; "     \
    "c = Equal(g, one); const axes i64[1] 1; "                                 \
    "y = If(c) then_branch={q = Squeeze(x, axes); out q} "                     \
    "else_branch={q = Identity(x); out q}; out y"

static void takes_the_branch_that_the_shapes_decide(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[2,1]; " SQUEEZE, CZ_NUMBERS(3, 4), "float32[2]",
         CZ_NUMBERS(3, 4), EXACT},
        {"in x f32[1,2]; " SQUEEZE, CZ_NUMBERS(3, 4), "float32[1,2]",
         CZ_NUMBERS(3, 4), EXACT},
    };
    CHECK_CASES(cases);
}

static void leaves_no_trace_in_the_plan(void **state)
{
    (void)state;
    struct cz_model *model =
        cz_test_graph("in x f32[2,1]; a = Exp(x); const c bool[] 1; "
                      "b = If(c) then_branch={q = Sqrt(a); out q} "
                      "else_branch={q = Missing(a); out q}; y = Neg(b); out y");
    cz_test_expect_steps(model, NULL, NULL, "If", "Exp Sqrt Neg");
    cz_test_expect_same_outputs(model, NULL, NULL, "If");
    cz_model_free(model);
}

static void reads_what_is_around_a_branch(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        /* of the main graph, its own constant, and that of a branch around */
        {"in x f32[2]; const c bool[] 1; const d bool[] 0; const k f32[] 10; "
         "y = If(c) then_branch={const m f32[] 2; a = Mul(x, m); "
         "r = If(d) then_branch={z = Identity(x); out z} "
         "else_branch={s = Mul(a, m); z = Add(s, k); out z}; out r} "
         "else_branch={r = Identity(k); out r}; out y",
         CZ_NUMBERS(1, 2), "float32[2]", CZ_NUMBERS(14, 18), EXACT},
        /* what the branch makes may be a condition */
        {"in x f32[2]; const c bool[] 1; "
         "y = If(c) then_branch={d = Not(c); "
         "r = If(d) then_branch={z = Neg(x); out z} "
         "else_branch={z = Abs(x); out z}; out r} "
         "else_branch={r = Identity(x); out r}; out y",
         CZ_NUMBERS(-1, 2), "float32[2]", CZ_NUMBERS(1, 2), EXACT},
    };
    CHECK_CASES(cases);
}

static void keeps_equal_names_apart(void **state)
{
    (void)state;
    /* `a` is three values: of the main graph and of two branches; the second
     * branch reads the first one's result. */
    const struct cz_test_case cases[] = {
        {"in x f32[2]; const c bool[] 1; const k f32[] 1; "
         "b = If(c) then_branch={const k f32[] 5; a = Add(x, k); out a} "
         "else_branch={a = Neg(x); out a}; "
         "d = If(c) then_branch={a = Mul(b, k); out a} "
         "else_branch={a = Neg(x); out a}; "
         "a = Add(d, k); y = Add(a, b); out y",
         CZ_NUMBERS(1, 2), "float32[2]", CZ_NUMBERS(13, 15), EXACT},
    };
    CHECK_CASES(cases);
}

static void makes_several_outputs(void **state)
{
    (void)state;
    struct cz_test_engine e = cz_test_engine(
        "in x f32[2]; const c bool[] 1; "
        "a, b, z = If(c) then_branch={s = Neg(x); const t f32[2] 7; "
        "u = Abs(s); out s; out t; out u} "
        "else_branch={s = Exp(x); out s; t = Exp(x); out t; u = Exp(x); "
        "out u}; out a; out b; out z",
        NULL);
    cz_test_feed(&e, "x", CZ_NUMBERS(1, -2));
    cz_test_run(&e);
    cz_test_expect(&e, "a", "float32[2]", CZ_NUMBERS(-1, 2), EXACT);
    cz_test_expect(&e, "b", "float32[2]", CZ_NUMBERS(7, 7), EXACT);
    cz_test_expect(&e, "z", "float32[2]", CZ_NUMBERS(1, 2), EXACT);
    cz_test_engine_fini(&e);
}

static void works_on_sizes_that_depend_on_data(void **state)
{
    (void)state;
    const struct cz_test_case cases[] = {
        {"in x f32[3]; const c bool[] 1; "
         "y = If(c) then_branch={n = NonZero(x); out n} "
         "else_branch={n = Identity(x); out n}; out y",
         CZ_NUMBERS(0, 2, 3), "int64[1,2]", CZ_NUMBERS(1, 2), EXACT},
    };
    CHECK_CASES(cases);
}

static void refuses_what_it_cannot_decide(void **state)
{
    (void)state;
    static const struct cz_test_failure rows[] = {
        {"in x f32[2]; in c bool[]; " BRANCHES, CZ_EUNSUPPORTED,
         "does not have: If ('y'), whose condition depends on the data"},
        {"in x f32[2]; const c bool[] 1; "
         "y = If(c) then_branch={a = Missing(x); b = com.example::A(a); out b} "
         "else_branch={a = Neg(x); out a}; out y",
         CZ_EUNSUPPORTED, "does not have: Missing ('a'), com.example.A ('b')"},
        {"in x f32[2]; const c bool[2] 1; " BRANCHES, CZ_ESHAPE,
         "If 'y': its condition is no single bool"},
        {"in x f32[2]; const c f32[] 1; " BRANCHES, CZ_ESHAPE,
         "If 'y': its condition is no single bool"},
        {"in x f32[2]; const c bool[] 0; "
         "y = If(c) then_branch={a = Neg(x); out a}; out y",
         CZ_ESHAPE, "If 'y': it has no else_branch"},
        {"in x f32[2]; const c bool[] 1; "
         "y, z = If(c) then_branch={a = Neg(x); out a} "
         "else_branch={a = Neg(x); out a}; out y; out z",
         CZ_ESHAPE, "If 'y': its then_branch has 1 outputs, want 2"},
    };
    CHECK_REFUSED(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_branch_of_a_constant),
        cmocka_unit_test(takes_the_branch_that_the_shapes_decide),
        cmocka_unit_test(leaves_no_trace_in_the_plan),
        cmocka_unit_test(reads_what_is_around_a_branch),
        cmocka_unit_test(keeps_equal_names_apart),
        cmocka_unit_test(makes_several_outputs),
        cmocka_unit_test(works_on_sizes_that_depend_on_data),
        cmocka_unit_test(refuses_what_it_cannot_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
