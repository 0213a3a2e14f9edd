/* N:M sparsity: of each M weights in a row, along the input channels and at the
 * same place of the kernel, at most N are not zero. 2:4 is what sparse tensor
 * cores multiply at twice the rate (A. Mishra et al., "Accelerating Sparse Deep
 * Neural Networks", 2021). */
#ifndef CZ_PRUNE_NM_INTERNAL_H
#define CZ_PRUNE_NM_INTERNAL_H

#include "prune/l1.h"

/* Whether the input channels of [outputs, channels, kernel] come in `m`s. */
bool cz_nm_fits(const struct cz_tensor *weights, size_t m);

/* Zeroes all but the `n` largest of each `m`; of equal ones the first stay.
 * `weights` fit. Gives the number of zeros. */
size_t cz_nm_zero(struct cz_elements *elements, const struct cz_tensor *weights,
                  const struct cz_prune_nm *nm);

#endif
