/* Selection by magnitude: the threshold below which the k smallest weights
 * lie, found without sorting. */
#ifndef CZ_PRUNE_SELECT_INTERNAL_H
#define CZ_PRUNE_SELECT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "onnx/onnx.h"

/* A magnitude as an integer of the same order: the bits of |w|, as a float32
 * or, where doubles take part, as a double. */
typedef uint64_t cz_magnitude;

/* What to zero: all magnitudes below `threshold`, and of those equal to it
 * the first `ties` in order. */
struct cz_selection {
    cz_magnitude threshold;
    size_t ties;
    bool wide; /* magnitudes are those of doubles */
};

/* The `k` smallest of all the weights in `tensors` ([n_tensors], float types,
 * finite), 0 < k <= their number. The time is linear in their number whatever
 * they are. */
struct cz_selection cz_select_smallest(const struct cz_elements *tensors,
                                       size_t n_tensors, size_t k);

/* Zeroes what `selection` says in one tensor, and takes the ties that it
 * used off selection->ties. Gives the number of zeros in the tensor. */
size_t cz_select_zero(struct cz_elements *tensor,
                      struct cz_selection *selection);

/* What a tensor holds. */
struct cz_weight_counts {
    size_t zeros;
    size_t first_bad; /* index of the first NaN or infinity, or count */
};

struct cz_weight_counts cz_count_weights(const struct cz_elements *tensor);

#endif
