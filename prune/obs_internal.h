/* Which weights of a convolution go: one after the other, that whose loss is
 * least when all that remain make up for it.
 *
 * With H the moments of the inputs, the loss of weight j is w_j^2 / [H^-1]_jj;
 * the others then change by -w_j / [H^-1]_jj times column j of H^-1, which
 * loses its row and column j (B. Hassibi, D. Stork, "Second Order Derivatives
 * for Network Pruning: Optimal Brain Surgeon", NeurIPS 1992; row by row for one
 * layer: E. Frantar, D. Alistarh, "Optimal Brain Compression", NeurIPS 2022,
 * section 4). */
#ifndef CZ_PRUNE_OBS_INTERNAL_H
#define CZ_PRUNE_OBS_INTERNAL_H

#include "prune/l1.h"
#include "prune/lsq_internal.h"

struct cz_obs_options {
    size_t zeros;          /* that the layer should have */
    struct cz_prune_nm nm; /* if m is not 0, the layout that they have */
    size_t kernel;         /* places: inputs are channels times these */
};

/* Chooses keep [groups, outputs, inputs] for a layer whose weights were
 * [groups, outputs, inputs]. Without N:M the weights of all output channels
 * compete. The same for any number of threads. */
enum cz_status cz_obs_choose(bool *keep, const struct cz_lsq *lsq,
                             const float *weights,
                             const struct cz_obs_options *options,
                             struct cz_error *err);

/* What it costs. */
struct cz_obs_curve {
    double *losses; /* [count] the mean squared error that the layer's outputs
                       have, summed over them, when i / (count - 1) of its
                       weights are gone; infinite for nearly all */
    size_t count;   /* 2 at least */
    size_t rows;    /* output channels of each group that it is estimated from,
                       evenly spread */
};

/* Fills the losses for a layer whose weights were [groups, outputs, inputs]. */
enum cz_status cz_obs_losses(const struct cz_obs_curve *curve,
                             const struct cz_lsq *lsq, const float *weights,
                             struct cz_error *err);

#endif
