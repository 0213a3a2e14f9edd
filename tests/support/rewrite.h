/* What a pass does to a plan's steps, and that outputs stay what they were. */
#ifndef CZ_TESTS_SUPPORT_REWRITE_H
#define CZ_TESTS_SUPPORT_REWRITE_H

#include "tests/support/engine.h"
#include "tests/support/plan.h"

/* A fused step rounds in another order: some units in the last place of sums
 * of up to 300 products below 1. */
#define CZ_TEST_FUSED 2e-5
/* Blocked layouts have other kernels. Winograd's transforms multiply the
 * rounding of float32, 6e-8, by up to 20, of sums that are larger. */
#define CZ_TEST_OTHER_KERNELS 2e-4

/* The steps of a model with all passes but one (and the layouts, which have
 * tests of their own), and with it; equal where it must leave all alone. */
struct cz_test_rewrite {
    const char *what, *text;
    const char *tap; /* or NULL */
    const char *without, *with;
};

/* Checks the rows [count] for the pass; outputs too, with layouts or not. */
void cz_test_rewrites(const char *pass, const struct cz_test_rewrite *rows,
                      size_t count);
#define CZ_TEST_REWRITES(pass, rows)                                           \
    cz_test_rewrites(pass, rows, sizeof(rows) / sizeof *(rows))

/* For one thread, with cz_plan_options.passes and a tap, or NULL. */
struct cz_plan *cz_test_compile(struct cz_model *model, const char *passes,
                                const char *tap);

/* A frame of random inputs. */
void cz_test_random_frame(struct cz_plan *plan, uint64_t seed);

/* Fails the test, with `what` in the message, unless the steps are these. */
void cz_test_expect_steps(struct cz_model *model, const char *passes,
                          const char *tap, const char *what, const char *want);

/* Outputs with these passes and with none agree, and so does the tap. */
void cz_test_expect_same_outputs(struct cz_model *model, const char *passes,
                                 const char *tap, const char *what);

#endif
