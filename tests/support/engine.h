/* Runs small models that are written as text (graph_text.h) in the engine. */
#ifndef CZ_TESTS_SUPPORT_ENGINE_H
#define CZ_TESTS_SUPPORT_ENGINE_H

#include "engine/engine.h"
#include "tests/support/graph_text.h"
#include "tests/support/support.h"

struct cz_test_engine {
    struct cz_model *model;
    struct cz_plan *plan;
};

/* Compiles the model, with the reference kernels unless `options` says
 * otherwise; fails the test when that fails. End with _fini. */
struct cz_test_engine cz_test_engine(const char *text,
                                     const struct cz_plan_options *options);
void cz_test_engine_fini(struct cz_test_engine *engine);

/* Sets the graph input `name`, in its own type. */
void cz_test_feed(struct cz_test_engine *engine, const char *name,
                  const double *values, size_t count);

/* Runs a frame, which must work. */
void cz_test_run(struct cz_test_engine *engine);

/* The output or tap `name` must be "float32[1,3]" and hold the values, each
 * within `tolerance` (absolute, and relative for those above 1). */
void cz_test_expect(struct cz_test_engine *engine, const char *name,
                    const char *type, const double *values, size_t count,
                    double tolerance);

/* One input x, one output y, all in one call: what is compiled from `text`
 * makes `want` of `x`. */
struct cz_test_case {
    const char *text;
    const double *x;
    size_t n_x;
    const char *type; /* of y: "float32[2,2]" */
    const double *want;
    size_t n_want;
    double tolerance;
};
void cz_test_cases(const struct cz_test_case *cases, size_t count);

/* An array literal as two members. */
#define CZ_NUMBERS(...)                                                        \
    (const double[]){__VA_ARGS__},                                             \
        sizeof((const double[]){__VA_ARGS__}) / sizeof(double)

/* Compiling the text, or its first frame (inputs all 0), fails like this. */
enum cz_status cz_test_engine_try(const char *text, struct cz_error *err);

/* A model that is refused with this sentence. */
struct cz_test_refusal {
    const char *text, *message;
};
void cz_test_refusals(const struct cz_test_refusal *rows, size_t count);

/* The same where the status matters: that of a mistake in the data, say. */
struct cz_test_failure {
    const char *text;
    enum cz_status status;
    const char *message;
};
void cz_test_failures(const struct cz_test_failure *rows, size_t count);

#endif
