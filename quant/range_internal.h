/* What the methods that choose a range share. */
#ifndef CZ_QUANT_RANGE_INTERNAL_H
#define CZ_QUANT_RANGE_INTERNAL_H

#include "quant/range.h"

/* How many values bin i holds, without exact zeros. */
static inline double cz_bin_count(const struct cz_observer *o, size_t i)
{
    uint64_t zeros = o->first_bin + (int32_t)i == 0 ? o->zeros : 0;
    return (double)(o->bins[i] - zeros);
}

/* The lower edge of bin i, the upper edge of bin i - 1. */
static inline double cz_bin_edge(const struct cz_observer *o, size_t i)
{
    return (o->first_bin + (int32_t)i) * o->bin_width;
}

/* The least or greatest end that a range can have, `symmetric` or not: all
 * values, what is known, and 0. */
struct cz_ends {
    double low, high;
};

/* The ends with the least squared error. */
struct cz_ends cz_range_mse(const struct cz_observer *observer,
                            struct cz_ends limits,
                            const struct cz_range_options *options);

/* The ends with the least divergence. */
struct cz_ends cz_range_entropy(const struct cz_observer *observer,
                                const struct cz_range_options *options);

/* The ends that keep `options->coverage` of the values. */
struct cz_ends cz_range_percentile(const struct cz_observer *observer,
                                   const struct cz_range_options *options);

/* `ends` inside what is known, with 0, and symmetric where that is wanted. */
struct cz_ends cz_range_clip(struct cz_ends ends,
                             const struct cz_range_options *options);

#endif
