/* Codes of weights by what they do, not by what they are: rounding up or down
 * so that the errors of a channel's weights make up for each other.
 *
 * With x the inputs that a channel's weights w are multiplied by, and q the
 * codes times their scale, the mean squared error of the output is
 * (q - w)^T H (q - w), H = mean(x x^T): the objective of M. Nagel et al., "Up
 * or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020,
 * section 3. It is lowered one code at a time, each to its best value for the
 * others as they are: K. Behdin et al., "QuantEase: Optimization-based
 * Quantization for Language Models", 2023, algorithm 1. */
#ifndef CZ_QUANT_ROUNDING_H
#define CZ_QUANT_ROUNDING_H

#include "quant/affine.h"

struct cz_rounding {
    const struct cz_weights *weights; /* pairs stay limited */
    const float *scales;              /* [channels] */
    /* [groups, per_channel, per_channel] H of each group's inputs: symmetric,
     * its diagonal positive. */
    const float *moments;
    size_t threads; /* 0: all that the process may use */
};

/* Changes codes: [channels, per_channel], each in -127..127. Never for the
 * worse. A code of 0 whose weight is 0 stays, as pruned weights shall. */
enum cz_status cz_rounding_learn(int8_t *codes,
                                 const struct cz_rounding *rounding,
                                 struct cz_error *err);

#endif
