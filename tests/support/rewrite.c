/* See rewrite.h. */
#include "tests/support/rewrite.h"

#include <stdio.h>
#include <string.h>

#define LIST_BYTES 128

struct cz_plan *cz_test_compile(struct cz_model *model, const char *passes,
                                const char *tap)
{
    struct cz_plan_options options = CZ_PLAN_OPTIONS_INIT;
    struct cz_plan *plan;
    options.threads = 1;
    options.passes = passes;
    options.taps = &tap;
    options.n_taps = tap ? 1 : 0;
    assert_ok(cz_plan_compile(&plan, model, &options, cz_test_error()));
    return plan;
}

void cz_test_random_frame(struct cz_plan *plan, uint64_t seed)
{
    cz_test_randomize(plan, seed);
    assert_ok(cz_plan_run(plan, cz_test_error()));
}

static const char *text_of(const char *passes)
{
    return passes ? passes : "";
}

void cz_test_expect_same_outputs(struct cz_model *model, const char *passes,
                                 const char *tap, const char *what)
{
    bool blocks = !strstr(text_of(passes), "-layout");
    double tolerance = blocks ? CZ_TEST_OTHER_KERNELS : CZ_TEST_FUSED;
    struct cz_plan *plain = cz_test_compile(model, "none", tap);
    struct cz_plan *plan = cz_test_compile(model, passes, tap);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        cz_test_random_frame(plain, seed);
        cz_test_random_frame(plan, seed);
        double difference = cz_test_difference(plan, plain);
        if (tap)
            difference += cz_test_port_difference(cz_plan_find(plan, tap),
                                                  cz_plan_find(plain, tap));
        if (!(difference <= tolerance))
            fail_msg("%s: passes \"%s\" change outputs by %g", what,
                     text_of(passes), difference);
    }
    cz_plan_free(plan);
    cz_plan_free(plain);
}

void cz_test_expect_steps(struct cz_model *model, const char *passes,
                          const char *tap, const char *what, const char *want)
{
    struct cz_plan *plan = cz_test_compile(model, passes, tap);
    if (strcmp(cz_test_steps(plan), want) != 0)
        fail_msg("%s, passes \"%s\": steps \"%s\", want \"%s\"", what,
                 text_of(passes), cz_test_steps(plan), want);
    cz_plan_free(plan);
}

static void check_row(const char *pass, const struct cz_test_rewrite *r)
{
    char without[LIST_BYTES], off[LIST_BYTES];
    struct cz_model *model = cz_test_graph(r->text);
    snprintf(without, sizeof without, "-layout,-%s", pass);
    snprintf(off, sizeof off, "-%s", pass);
    cz_test_expect_steps(model, without, r->tap, r->what, r->without);
    cz_test_expect_steps(model, "-layout", r->tap, r->what, r->with);
    cz_test_expect_same_outputs(model, "-layout", r->tap, r->what);
    cz_test_expect_same_outputs(model, without, r->tap, r->what);
    cz_test_expect_same_outputs(model, off, r->tap, r->what);
    cz_test_expect_same_outputs(model, NULL, r->tap, r->what);
    cz_model_free(model);
}

void cz_test_rewrites(const char *pass, const struct cz_test_rewrite *rows,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(pass, &rows[i]);
}
