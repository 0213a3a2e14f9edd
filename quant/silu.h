/* Codes for what a SiLU reads, where it is computed from codes to codes.
 *
 * As operators of ONNX it is y = x * g, g = Sigmoid(x), and x, g and y are each
 * rounded to codes. What counts is y: far below 0 all x are the same, and where
 * g is 1, steps of x that are those of y are not rounded a second time. Neither
 * shows in the error of x itself. */
#ifndef CZ_QUANT_SILU_H
#define CZ_QUANT_SILU_H

#include "quant/affine.h"

/* A SiLU in uint8, and what it has read. */
struct cz_silu {
    const struct cz_observer *x;
    struct cz_affine g, y; /* the codes of the gate and of the product */
};

/* The mean squared error of y over the values of x that were seen, with these
 * codes of x. 0 without values. */
double cz_silu_error(const struct cz_silu *silu, struct cz_affine x_codes);

/* The codes of x with the least such error: `start`, or better ones of which
 * the least stands for an x whose y has the code of 0, as what lies below has:
 * values that are clipped would all be off to the same side, and such errors,
 * unlike those of rounding, add up in the convolutions that read y. Takes 80 KB
 * of the stack and nothing of the heap. */
struct cz_affine cz_silu_input_codes(const struct cz_silu *silu,
                                     struct cz_affine start);

#endif
