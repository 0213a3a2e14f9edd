/* Least squares for one convolution: sums over windows of what it reads, and
 * the weights that follow from them.
 *
 * With x the inputs that the pruned network gives it, y the outputs that the
 * original one has at the same place, each output channel's remaining weights v
 * and bias b minimise
 *
 *     mean (v x + b - y)^2 + ridge * mean(x_i^2) * |v - w|^2
 *
 * around the means where b is free (Y. He et al., "Channel Pruning for
 * Accelerating Very Deep Neural Networks", ICCV 2017, section 3.1, step (ii);
 * the ridge is towards the weights as they were, not towards 0). */
#ifndef CZ_PRUNE_LSQ_INTERNAL_H
#define CZ_PRUNE_LSQ_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct cz_lsq_shape {
    size_t groups;
    size_t inputs;  /* of a group: channels times kernel */
    size_t outputs; /* of a group */
};

/* All in double, row-major; owned. */
struct cz_lsq_sums {
    struct cz_lsq_shape shape;
    double *xx; /* [groups, inputs, inputs], the lower triangle */
    double *xy; /* [groups, inputs, outputs] */
    double *x;  /* [groups, inputs] */
    double *y;  /* [groups, outputs] */
    double *yy; /* [groups, outputs] squares */
    size_t count;
    float *product; /* room for one image's */
};

/* CZ_EUNSUPPORTED without OpenBLAS. End with _fini whatever the result. */
enum cz_status cz_lsq_sums_init(struct cz_lsq_sums *sums,
                                const struct cz_lsq_shape *shape,
                                struct cz_error *err);
void cz_lsq_sums_fini(struct cz_lsq_sums *sums);

/* Adds `count` windows. x: [count, groups, inputs], y: [count, groups,
 * outputs], both less the origins that the caller chose. */
void cz_lsq_add(struct cz_lsq_sums *sums, const float *x, const float *y,
                size_t count, size_t threads);

/* A random number, for the places of windows (splitmix64, S. Vigna). */
uint64_t cz_lsq_draw(uint64_t *state);

struct cz_lsq_problem {
    const struct cz_lsq_sums *sums;
    const bool *keep;     /* [groups, outputs, inputs]: others are 0 */
    const float *weights; /* [groups, outputs, inputs] as they were */
    const float *bias;    /* [groups, outputs], or NULL: there is none */
    bool bias_is_free;
    double ridge;
    size_t threads;
};

/* What the solution is worth, as mean squared errors of the outputs. */
struct cz_lsq_result {
    double before; /* with the weights masked */
    double after;
    double power; /* the variance of y */
    size_t kept;  /* output channels whose masked weights were no worse */
};

/* Writes the solution: weights [groups, outputs, inputs], and the bias where
 * it is free. A channel for which it would be no better keeps what it had. */
enum cz_status cz_lsq_solve(float *weights, float *bias,
                            struct cz_lsq_result *result,
                            const struct cz_lsq_problem *problem,
                            struct cz_error *err);

#endif
