/* The passes that remove steps, each by itself: what they remove, what they
 * must leave alone; and lists of passes. */
#include "tests/support/rewrite.h"

/* ---- fold ------------------------------------------------------------- */

#define SHAPE_CHAIN                                                            \
    "in x f32[2,3,4]; const zero i64[] 0; const axis i64[1] 0; "               \
    "const rest i64[1] -1; s = Shape(x); g = Gather(s, zero); "                \
    "u = Unsqueeze(g, axis); t = Concat(u, rest) axis=0; y = Reshape(x, t); "  \
    "out y"

static void folds_what_is_known(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"the shape chain of an exporter", SHAPE_CHAIN, NULL,
         "Shape Gather Unsqueeze Concat Reshape", "Reshape"},
        {"arithmetic of constants",
         "in x f32[3]; const a f32[3] iota; const b f32[1] 2; c = Mul(a, b); "
         "d = Exp(c); y = Add(x, d); out y",
         NULL, "Mul Exp Add", "Add"},
        {"a constant that is an output",
         "in x f32[3]; const a f32[3] iota; c = Neg(a); y = Add(x, c); "
         "out c; out y",
         NULL, "Neg Add", "Add"},
        {"a constant that is a tap",
         "in x f32[3]; const a f32[3] iota; c = Neg(a); y = Add(x, c); out y",
         "c", "Neg Add", "Add"},
        {"all parts of a Split",
         "in x f32[3]; const a f32[6] iota; c, d = Split(a) axis=0; "
         "e = Add(x, c); y = Add(e, d); out y",
         NULL, "Split Add Add", "Add Add"},
        {"the shape of a value that is not known",
         "in x f32[3,2]; r = Relu(x); s = Shape(r); y = Expand(r, s); out y",
         NULL, "Relu Shape Expand", "Relu Expand"},
    };
    CZ_TEST_REWRITES("fold", rows);
}

static void folds_nothing_that_depends_on_data(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"an input's elements", "in x f32[3]; y = Add(x, x); out y", NULL,
         "Add", "Add"},
        {"a shape that depends on data",
         "in x f32[4]; n = NonZero(x); s = Shape(n); f = Cast(s) to=1; "
         "y = Neg(f); out y",
         NULL, "NonZero Shape Cast Neg", "NonZero Shape Cast Neg"},
    };
    CZ_TEST_REWRITES("fold", rows);
}

/* ---- dead ------------------------------------------------------------- */

static void removes_what_nobody_reads(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"a chain without a reader",
         "in x f32[4]; a = Relu(x); b = Exp(x); c = Neg(b); y = Abs(a); out y",
         NULL, "Relu Exp Neg Abs", "Relu Abs"},
        {"one reader alive, one dead",
         "in x f32[4]; a = Relu(x); b = Exp(a); y = Abs(a); out y", NULL,
         "Relu Exp Abs", "Relu Abs"},
    };
    CZ_TEST_REWRITES("dead", rows);
}

static void keeps_what_is_read_after_the_frame(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"a tap", "in x f32[4]; a = Relu(x); b = Exp(x); y = Abs(a); out y",
         "b", "Relu Exp Abs", "Relu Exp Abs"},
        {"an output",
         "in x f32[4]; a = Relu(x); b = Exp(x); y = Abs(a); out y; out b", NULL,
         "Relu Exp Abs", "Relu Exp Abs"},
        {"the second output",
         "in x f32[4]; a, b = Split(x) axis=0; y = Abs(b); out y", NULL,
         "Split Abs", "Split Abs"},
    };
    CZ_TEST_REWRITES("dead", rows);
}

/* ---- identity --------------------------------------------------------- */

static void reads_through_identities(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"a chain of them",
         "in x f32[2,3]; const s i64[2] 2 3; a = Relu(x); b = Identity(a); "
         "c = Dropout(b); d = Reshape(c, s); y = Abs(d); out y",
         NULL, "Relu Identity Dropout Reshape Abs", "Relu Abs"},
        {"of an input", "in x f32[3]; a = Identity(x); y = Abs(a); out y", NULL,
         "Identity Abs", "Abs"},
        {"of a kept value",
         "in x f32[3]; a = Relu(x); b = Identity(a); y = Abs(b); out y; out a",
         NULL, "Relu Identity Abs", "Relu Abs"},
    };
    CZ_TEST_REWRITES("identity", rows);
}

static void keeps_identities_that_matter(void **state)
{
    (void)state;
    static const struct cz_test_rewrite rows[] = {
        {"one that makes an output",
         "in x f32[3]; a = Relu(x); y = Identity(a); out y", NULL,
         "Relu Identity", "Relu Identity"},
        {"one that is tapped",
         "in x f32[3]; a = Relu(x); b = Identity(a); y = Abs(b); out y", "b",
         "Relu Identity Abs", "Relu Identity Abs"},
        {"another shape",
         "in x f32[2,3]; const s i64[2] 3 2; a = Reshape(x, s); y = Abs(a); "
         "out y",
         NULL, "Reshape Abs", "Reshape Abs"},
        {"a Dropout whose mask is read",
         "in x f32[3]; a, m = Dropout(x); n = Not(m); y = Abs(a); out y; out n",
         NULL, "Dropout Not Abs", "Dropout Not Abs"},
        {"another type",
         "in x f32[3]; a = Cast(x) to=11; y = Abs(a); z = Cast(y) to=1; out z",
         NULL, "Cast Abs Cast", "Cast Abs Cast"},
        {"a shape that depends on data",
         "in x f32[4]; a = NonZero(x); b = Identity(a); y = Neg(b); out y",
         NULL, "NonZero Identity Neg", "NonZero Identity Neg"},
    };
    CZ_TEST_REWRITES("identity", rows);
}

/* ---- lists ------------------------------------------------------------- */

static void refuses_lists_that_name_no_pass(void **state)
{
    (void)state;
    static const char *const lists[] = {"-fuse",    "fold",    "-fold,",
                                        "-fold,-x", "nothing", "--fold"};
    struct cz_model *model = cz_test_graph("in x f32[1]; y = Abs(x); out y");
    for (size_t i = 0; i < 6; i++) {
        struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
        struct cz_plan *plan = NULL;
        options.threads = 1;
        options.passes = lists[i];
        if (strcmp(lists[i], "-fold,") == 0) { /* a comma more is no name */
            assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
            cz_plan_free(plan);
            continue;
        }
        assert_error(cz_plan_compile(&plan, model, &options, cz_test_error()),
                     CZ_EINVAL, "there is no pass to switch off by");
    }
    cz_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_what_is_known),
        cmocka_unit_test(folds_nothing_that_depends_on_data),
        cmocka_unit_test(removes_what_nobody_reads),
        cmocka_unit_test(keeps_what_is_read_after_the_frame),
        cmocka_unit_test(reads_through_identities),
        cmocka_unit_test(keeps_identities_that_matter),
        cmocka_unit_test(refuses_lists_that_name_no_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
