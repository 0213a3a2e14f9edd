/* Which channels go together, operator by operator. */
#include <stdio.h>

#include "prune/coupling_internal.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

struct coupled {
    struct cz_model *model;
    struct cz_coupling coupling;
};

static struct coupled couple(const char *text)
{
    struct coupled c = {.model = cz_test_graph(text)};
    struct cz_graph *graph = cz_model_graph(c.model);
    assert_ok(cz_graph_infer(graph, cz_test_error()));
    assert_ok(cz_coupling_find(&c.coupling, graph, NULL, 0, cz_test_error()));
    return c;
}

static void coupled_free(struct coupled *c)
{
    cz_coupling_fini(&c->coupling);
    cz_model_free(c->model);
}

/* The units of a value's channels, numbered as they come in `names`: "a0.b"
 * for units 0, 1, none, 2 where a and b are values of two channels each. */
static const char *describe(struct coupled *c, const char *names)
{
    static char text[256];
    size_t seen[64], n_seen = 0, at = 0;
    char copy[64];
    snprintf(copy, sizeof copy, "%s", names);
    for (char *name = strtok(copy, " "); name; name = strtok(NULL, " ")) {
        const struct cz_value *v = cz_test_value(c->model, name);
        const size_t count = cz_coupling_channels(&c->coupling, v);
        for (size_t i = 0; i < count; i++) {
            const size_t unit = cz_coupling_unit(&c->coupling, v, i);
            size_t k = 0;
            while (k < n_seen && seen[k] != unit)
                k++;
            if (k == n_seen && unit != CZ_NO_UNIT)
                seen[n_seen++] = unit;
            text[at++] = unit == CZ_NO_UNIT ? '.' : (char)('a' + k);
        }
        text[at++] = ' ';
    }
    text[at ? at - 1 : 0] = 0;
    return text;
}

/* Between a Conv that makes p, of four channels, and one that reads q. */
#define AROUND(middle)                                                         \
    "in x f32[1,2,8,8]; const w f32[4,2,1,1] random; p = Conv(x, w);" middle   \
    "; const e f32[1,4,1,1] random; y = Conv(q, e); out y"

struct row {
    const char *text;
    const char *values;
    const char *units;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct coupled c = couple(rows[i].text);
        const char *got = describe(&c, rows[i].values);
        if (strcmp(got, rows[i].units) != 0)
            fail_msg("%s\n%s are %s, want %s", rows[i].text, rows[i].values,
                     got, rows[i].units);
        coupled_free(&c);
    }
}

#define CHECK(...)                                                             \
    do {                                                                       \
        const struct row rows[] = {__VA_ARGS__};                               \
        check_rows(rows, sizeof rows / sizeof *rows);                          \
    } while (0)

/* ---- one behind the other --------------------------------------------- */

static void hands_channels_through_what_works_on_each(void **state)
{
    (void)state;
    CHECK({AROUND("q = Relu(p)"), "x p q y", ".. abcd abcd ."},
          {AROUND("s = Sigmoid(p); q = Mul(p, s)"), "p s q", "abcd abcd abcd"},
          {AROUND("q = MaxPool(p) kernel_shape=[2,2]"), "p q", "abcd abcd"},
          {AROUND("q = GlobalAveragePool(p)"), "p q", "abcd abcd"},
          {AROUND("const k f32[4] 1 1 2 2; q = Resize(p, , k)"), "p q",
           "abcd abcd"},
          {AROUND("const k i64[4] 1 4 16 16; q = Resize(p, , , k)"), "p q",
           "abcd abcd"},
          {AROUND("const k i64[8] 0 0 1 1 0 0 1 1; q = Pad(p, k)"), "p q",
           "abcd abcd"},
          {AROUND("const a i64[1] 0; const b i64[1] 4; const k i64[1] -1;"
                  "q = Slice(p, a, b, k)"),
           "p q", "abcd abcd"},
          {AROUND("q = ReduceMean(p) axes=[2,3]"), "p q", "abcd abcd"},
          {AROUND("const k f32[4] 1; q = BatchNormalization(p, k, k2, k3, k4);"
                  "const k2 f32[4] 1; const k3 f32[4] 1; const k4 f32[4] 1"),
           "p q", "abcd abcd"});
}

static void cuts_constants_that_belong_to_channels(void **state)
{
    (void)state;
    CHECK({AROUND("const k f32[4,1,1] 1; q = Add(p, k)"), "p", "abcd"},
          {AROUND("const k f32[1,4,1,1] 1; q = Mul(k, p)"), "p", "abcd"},
          {AROUND("const k f32[] 1; q = Mul(p, k)"), "p", "abcd"},
          {AROUND("const k f32[8] 1; q = Mul(p, k)"), "p", "abcd"},
          {AROUND("const k f32[4,1,1] 1; r = Add(p, k); q = Add(r, k)"), "p",
           "...."});
}

static void leaves_alone_what_it_does_not_know(void **state)
{
    (void)state;
    CHECK(
        {AROUND("q = Softmax(p) axis=1"), "p q", ".... ...."},
        {AROUND("q = Transpose(p) perm=[0,1,3,2]"), "p q", ".... ...."},
        {AROUND("q = com.example::Relu(p); info q f32[1,4,8,8]"), "p q",
         ".... ...."},
        {AROUND("q = Relu(p); out p"), "p q", ".... ...."},
        {AROUND("s = Shape(p); q = Relu(p); out s"), "p q", ".... ...."},
        {AROUND("const k f32[4] 1 1 2 2; q = Resize(p, , k)"
                " coordinate_transformation_mode=\"tf_crop_and_resize\""),
         "p", "...."},
        {AROUND("const k i64[8] 0 1 0 0 0 -1 0 0; q = Pad(p, k)"), "p", "...."},
        {AROUND("q, i = MaxPool(p) kernel_shape=[2,2]; out i"), "p", "...."});
}

/* ---- side by side ----------------------------------------------------- */

#define TWO                                                                    \
    "in x f32[1,2,4,4]; const v f32[2,2,1,1] random;"                          \
    "const w f32[3,2,1,1] random; a = Conv(x, v); b = Conv(x, w);"

static void joins_the_parts_of_a_concat(void **state)
{
    (void)state;
    CHECK({TWO "c = Concat(a, b) axis=1; const e f32[1,5,1,1] random;"
               "y = Conv(c, e); out y",
           "a b c", "ab cde abcde"},
          {TWO "c = Concat(a, b) axis=-3; d = Softmax(b); out d;"
               "const e f32[1,5,1,1] random; y = Conv(c, e); out y",
           "a b c", "ab ... ab..."},
          {TWO "c = Concat(a, a) axis=2; const e f32[1,2,1,1] random;"
               "y = Conv(c, e); out y",
           "a c", "ab ab"});
}

static void parts_a_split_and_couples_the_halves_that_meet(void **state)
{
    (void)state;
    CHECK({AROUND("l, r = Split(p, k) axis=1; const k i64[2] 1 3;"
                  "q = Concat(r, l) axis=1"),
           "p l r q", "abcd a bcd bcda"},
          {AROUND("l, r = Split(p) axis=1; const h f32[2,2,1,1] random;"
                  "m = Conv(r, h); s = Add(r, m); q = Concat(l, s) axis=1"),
           "p l r m s q", "abcd ab cd cd cd abcd"},
          {AROUND("l, r = Split(p) axis=1; s = Add(l, r);"
                  "q = Concat(s, s) axis=1"),
           "p l r q", "abab ab ab abab"});
}

static void couples_both_sides_of_a_residual(void **state)
{
    (void)state;
    CHECK({AROUND("const h f32[4,4,1,1] random; m = Conv(p, h);"
                  "q = Add(p, m)"),
           "p m q", "abcd abcd abcd"},
          {AROUND("const h f32[4,4,1,1] random; m = Conv(p, h); out m;"
                  "q = Add(p, m)"),
           "p m q", ".... .... ...."});
}

/* ---- groups ----------------------------------------------------------- */

static void couples_depthwise_convs_one_to_one(void **state)
{
    (void)state;
    CHECK({AROUND("const h f32[4,1,3,3] random; q = Conv(p, h) group=4"
                  " pads=[1,1,1,1]"),
           "p q", "abcd abcd"},
          {"in x f32[1,2,4,4]; const w f32[2,2,1,1] random; p = Conv(x, w);"
           "const h f32[4,1,1,1] random; q = Conv(p, h) group=2;"
           "const e f32[1,4,1,1] random; y = Conv(q, e); out y",
           "p q", "ab aabb"});
}

static void keeps_groups_of_one_size(void **state)
{
    (void)state;
    CHECK({AROUND("const h f32[4,2,1,1] random; q = Conv(p, h) group=2"), "p q",
           "abab cdcd"});
}

/* ---- weights ---------------------------------------------------------- */

static void leaves_alone_weights_that_are_shared_or_computed(void **state)
{
    (void)state;
    CHECK({AROUND("const h f32[4,4,1,1] random; m = Conv(p, h);"
                  "q = Conv(m, h)"),
           "p m q", ".... .... ...."},
          {AROUND("const h f32[4,4,1,1] random; i = Neg(h); q = Conv(p, i)"),
           "p q", ".... ...."},
          {AROUND("in b f32[4]; const h f32[4,4,1,1] random;"
                  "q = Conv(p, h, b)"),
           "p q", ".... ...."});
}

static void names_the_reason(void **state)
{
    (void)state;
    struct coupled c = couple(AROUND("q = Softmax(p) axis=1"));
    const struct cz_coupling_reason reason =
        cz_coupling_reason(&c.coupling, cz_test_value(c.model, "p"), 2);
    assert_string_equal(reason.why, "an operator that may mix channels reads "
                                    "it");
    assert_ptr_equal(reason.node, cz_test_node(c.model, "q"));
    coupled_free(&c);
    c = couple(AROUND("q = Relu(p); out p"));
    assert_string_equal(
        cz_coupling_reason(&c.coupling, cz_test_value(c.model, "q"), 0).why,
        "it is an output of the model");
    coupled_free(&c);
}

static void finds_the_sets_of_units_that_live_together(void **state)
{
    (void)state;
    struct coupled c = couple(
        AROUND("l, r = Split(p) axis=1; const h f32[2,2,1,1] random;"
               "m = Conv(r, h); s = Add(r, m); q = Concat(l, s) axis=1"));
    assert_int_equal(c.coupling.n_units, 4);
    assert_int_equal(c.coupling.n_sets, 2);
    assert_int_equal(c.coupling.set_sizes[0], 2);
    assert_int_equal(c.coupling.set_sizes[1], 2);
    coupled_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_channels_through_what_works_on_each),
        cmocka_unit_test(cuts_constants_that_belong_to_channels),
        cmocka_unit_test(leaves_alone_what_it_does_not_know),
        cmocka_unit_test(joins_the_parts_of_a_concat),
        cmocka_unit_test(parts_a_split_and_couples_the_halves_that_meet),
        cmocka_unit_test(couples_both_sides_of_a_residual),
        cmocka_unit_test(couples_depthwise_convs_one_to_one),
        cmocka_unit_test(keeps_groups_of_one_size),
        cmocka_unit_test(leaves_alone_weights_that_are_shared_or_computed),
        cmocka_unit_test(names_the_reason),
        cmocka_unit_test(finds_the_sets_of_units_that_live_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
