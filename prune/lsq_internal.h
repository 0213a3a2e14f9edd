/* Least squares for one convolution: moments of windows of what it reads and of
 * what it should give, and the weights that follow from them.
 *
 * With x the inputs that the pruned network gives it and y the outputs that the
 * original one has at the same place, each output channel's remaining weights v
 * and bias b minimise
 *
 *     mean (v x + b - y)^2 + ridge * mean(x_i^2) * |v - w|^2
 *
 * with x_i around its mean where b is free (Y. He et al., "Channel Pruning for
 * Accelerating Very Deep Neural Networks", ICCV 2017, section 3.1, step (ii);
 * the ridge is towards the weights w as they were, not towards 0). */
#ifndef CZ_PRUNE_LSQ_INTERNAL_H
#define CZ_PRUNE_LSQ_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/blas.h"
#include "core/error.h"

struct cz_lsq_shape {
    size_t groups;
    size_t inputs;  /* of a group: channels times kernel */
    size_t outputs; /* of a group */
};

struct cz_lsq_options {
    double ridge;      /* share of the inputs' mean square */
    const float *bias; /* [groups, outputs] as it is, or NULL: there is none */
    bool bias_is_free; /* solved for, too */
    size_t threads;
};

/* All arrays are owned. While windows are added: sums; after _finish: */
struct cz_lsq {
    struct cz_lsq_shape shape;
    struct cz_lsq_options options;
    const struct cz_blas *blas;
    size_t count;     /* windows */
    double *xx;       /* [groups, inputs, inputs] covariances of inputs; second
                         moments where the bias is not free */
    double *xy;       /* [groups, outputs, inputs] of inputs with outputs,
                         likewise; less the bias where it is not free */
    double *x;        /* [groups, inputs] means */
    double *y;        /* [groups, outputs] means */
    double *yy;       /* [groups, outputs] as xy */
    double *variance; /* [groups, outputs] of y */
    double *ridge;    /* [groups] what is added to the diagonal of xx */
    float *product;   /* room */
};

/* Whether its moments have a size that memory is likely to have: up to 2 GB, of
 * 16384 inputs in one group. */
bool cz_lsq_fits(const struct cz_lsq_shape *shape);

/* CZ_EUNSUPPORTED without OpenBLAS, or where the shape does not fit. End with
 * _fini whatever the result. */
enum cz_status cz_lsq_init(struct cz_lsq *lsq, const struct cz_lsq_shape *shape,
                           const struct cz_lsq_options *options,
                           struct cz_error *err);
void cz_lsq_fini(struct cz_lsq *lsq);

/* Adds `count` windows. x: [count, groups, inputs], y: [count, groups,
 * outputs]. */
void cz_lsq_add(struct cz_lsq *lsq, const float *x, const float *y,
                size_t count);

/* After the last window. */
void cz_lsq_finish(struct cz_lsq *lsq);

/* The mean squared errors [groups, outputs] of the outputs that weights
 * [groups, outputs, inputs] with a bias make; NULL: there is none, and none is
 * free. */
enum cz_status cz_lsq_errors(double *errors, const struct cz_lsq *lsq,
                             const float *weights, const float *bias,
                             struct cz_error *err);

/* The bias [groups, outputs] with which the outputs of weights [groups,
 * outputs, inputs] have the means that they should have; where it is not free,
 * none is written. */
void cz_lsq_level(float *bias, const struct cz_lsq *lsq, const float *weights);

/* Solves for the weights [groups, outputs, inputs] that `keep` has, the others
 * are 0, and for the bias where it is free. In: as they were. */
enum cz_status cz_lsq_solve(float *weights, float *bias,
                            const struct cz_lsq *lsq, const bool *keep,
                            struct cz_error *err);

#endif
