/* Looks into plans: their steps as text, random inputs, outputs compared. */
#ifndef CZ_TESTS_SUPPORT_PLAN_H
#define CZ_TESTS_SUPPORT_PLAN_H

#include "engine/engine.h"

/* Fills the inputs: floats in [-1, 1), integers and bools 0 or 1. The same
 * ones for the same seed. */
void cz_test_randomize(struct cz_plan *plan, uint64_t seed);

/* Images of noise, as cz_test_randomize() makes it from the seeds 1, 2, ... */
struct cz_images cz_test_noise(size_t count);

/* "Conv+Silu MaxPool Conv": the operators of all steps. Good until the next
 * call. */
const char *cz_test_steps(const struct cz_plan *plan);

/* The largest difference of two plans' outputs, which must have the same types
 * and dims; relative for values above 1. Integers count as 1 where they are not
 * the same. */
double cz_test_difference(const struct cz_plan *a, const struct cz_plan *b);

/* The same for one output, input or tap. */
double cz_test_port_difference(const struct cz_port *a,
                               const struct cz_port *b);

/* A model and a folder with a place for a tuning cache. */
struct cz_test_tuning {
    char *path;
    struct cz_model *model;
    char file[4096]; /* of the cache, which is not there yet */
};

/* `text` as for cz_test_graph(). Ends with _free. */
struct cz_test_tuning cz_test_tuning_new(const char *text);
void cz_test_tuning_free(struct cz_test_tuning *tuning);

#endif
