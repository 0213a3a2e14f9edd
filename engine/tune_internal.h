/* Choosing among kernels by timing them. */
#ifndef CZ_ENGINE_TUNE_INTERNAL_H
#define CZ_ENGINE_TUNE_INTERNAL_H

#include "engine/plan_internal.h"

/* Raise it when kernels changed, so that they are timed again. */
#define CZ_KERNELS_VERSION 6

/* No operator has more kernels. */
#define CZ_CANDIDATES_MAX 8

struct cz_tuner;

/* NULL where the options ask for no timing, or memory is short: then the first
 * kernel is taken. */
struct cz_tuner *cz_tuner_open(const struct cz_plan *plan);

/* Writes what was learned to `path`, if that is possible. */
void cz_tuner_close(struct cz_tuner *tuner, const char *path);

/* The name of the kernel that was the fastest when the step was last timed;
 * NULL where it never was. */
const char *cz_tuner_known(const struct cz_tuner *tuner,
                           const struct cz_step *step,
                           const struct cz_plan *plan);

/* The fastest of the kernels [n] for the step, all of which fit; NULL for
 * none. Its operands have no address yet. */
const struct cz_kernel *cz_tuner_choose(struct cz_tuner *tuner,
                                        struct cz_step *step,
                                        const struct cz_plan *plan,
                                        const struct cz_kernel *const *kernels,
                                        size_t n);

#endif
