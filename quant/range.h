/* What the values of one tensor are like, and which range of them is worth a
 * code.
 *
 * Calibration shows every image's values to an observer, which keeps a
 * histogram and not the values: 16 KB for each tensor, whatever the number of
 * images. A range is chosen from it at the end; quant/affine.h makes a scale
 * of the range. */
#ifndef CZ_QUANT_RANGE_H
#define CZ_QUANT_RANGE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* ---- observer --------------------------------------------------------- */

/* Half of them or more lie between the least and the greatest value (and 0):
 * at least four bins for each of 256 codes. The range of least squared error
 * is then within 0.02 % of the best that all values tell; with 1024 bins it
 * would be 0.05 %, with 512 and 256 0.4 %. */
#define CZ_OBSERVER_BINS 2048

/* The weight of a new image in the moving averages: ONNX Runtime's for
 * CalibMovingAverage. */
#define CZ_OBSERVER_AVERAGING 0.01

/* Read by anyone, written by cz_observer_add(). All zero to start with; it
 * owns nothing.
 *
 * Bin i counts the values in [first_bin + i, first_bin + i + 1) * bin_width.
 * The width is a power of two, the least with which the bins reach from the
 * least to the greatest value and to 0; it doubles, and pairs of bins become
 * one, when a value lies outside. So 0 is an edge for ever, no count is ever
 * split, and bin_width and all counts are the same in whatever order the
 * images come. A value 2048 times as large as all others leaves these one
 * bin. */
struct cz_observer {
    size_t images;   /* with a finite value: the others leave no trace below */
    uint64_t values; /* finite ones, zeros included: only they are binned */
    uint64_t zeros;  /* exactly 0, which every code has */
    uint64_t nans, infinities;
    float min, max; /* of the finite ones */

    /* Exponential moving averages of each image's least and greatest value:
     * average += 0.01 * (image's - average), from the first image's own. So
     * they depend on the order, and of 64 images the first has 53 % of the
     * weight. */
    double average_min, average_max;

    double bin_width;  /* 0: nothing binned yet */
    int32_t first_bin; /* of the grid; -2048..0 */
    uint64_t bins[CZ_OBSERVER_BINS];
};

/* Adds one image's values of the tensor, NaNs and infinities allowed. About a
 * nanosecond a value; no allocation. One thread at a time for each observer:
 * spread tensors over threads, not images, since the average minds their
 * order. */
void cz_observer_add(struct cz_observer *observer, const float *values,
                     size_t count);

/* ---- range ------------------------------------------------------------ */

/* Values outside are clipped. Finite, low <= 0 <= high. */
struct cz_range {
    float low, high;
};

enum cz_range_method {
    CZ_RANGE_MINMAX,     /* all values */
    CZ_RANGE_AVERAGE,    /* the moving averages of each image's ends */
    CZ_RANGE_PERCENTILE, /* all but a given share */
    CZ_RANGE_ENTROPY,    /* least information lost */
    CZ_RANGE_MSE,        /* least squared error */
};
#define CZ_RANGE_METHODS 5

/* "minmax", "average", "percentile", "entropy", "mse" */
const char *cz_range_method_name(enum cz_range_method method);

/* The method of that name; false, and *method untouched, when there is none.
 */
bool cz_range_method_find(enum cz_range_method *method, const char *name);

/* The least value of x * sigmoid(x), and the x that has it. */
#define CZ_SILU_MIN (-0.27846454f)
#define CZ_SILU_MIN_AT (-1.2784645f)

struct cz_range_options {
    enum cz_range_method method;

    /* Codes around a zero point in the middle: low == -high. */
    bool symmetric;

    /* How many codes there are: 256, or 255 where -128 is not used. With
     * `symmetric` the step is high / ((levels - 1) / 2), an int8's scale, and
     * of an even number the code more is a negative one. 3..65536. */
    unsigned levels;

    /* PERCENTILE: the share of values inside, in (0, 1]. What remains is cut
     * in equal parts at the two ends, or, with `symmetric`, of magnitudes. */
    double coverage;

    /* What the operator can give at all, or its readers tell apart, whatever
     * was seen: -INFINITY and INFINITY where nothing is known; CZ_SILU_MIN, 0
     * and 1 of a Sigmoid. Values outside cost nothing. */
    float known_min, known_max;
};

#define CZ_RANGE_OPTIONS_INIT                                                  \
    {                                                                          \
        .method = CZ_RANGE_MSE, .levels = 256, .coverage = 0.99999,            \
        .known_min = -INFINITY, .known_max = INFINITY                          \
    }

/* Chooses the range. The same observer gives the same range, always.
 *
 * MINMAX     the least and the greatest value.
 * AVERAGE    average_min and average_max.
 * PERCENTILE quantiles, by straight lines inside a bin.
 * ENTROPY    the ends between which the quantized distribution tells least
 *            apart from the clipped one: S. Migacz, "8-bit Inference with
 *            TensorRT", GTC 2017. With `symmetric` as there: of all ends of
 *            at least 128 bins of magnitudes, those with the least divergence
 *            KL(P || Q), where P has what lies outside in its last bin, and Q
 *            is P without that, merged to 128 levels and spread again over
 *            the bins that are not empty. Without, the same for 256 levels
 *            and two ends, one moved after the other over all bins until
 *            neither helps. Known to cut SiLU's long tails too short.
 * MSE        the ends with the least cz_observer_error(), searched over
 *            factors of the extremes: both together, then one after the other
 *            until nothing helps. Never worse than MINMAX and PERCENTILE.
 *
 * All are clipped to what is known and widened to 0. Exact zeros, which cost
 * nothing, are left out of ENTROPY and MSE. A tensor of nothing but zeros
 * gets [0, 0].
 *
 * Takes up to 70 KB of the stack and nothing of the heap. CZ_EINVAL: no finite
 * value was seen, or an option is outside its range. */
enum cz_status cz_observer_range(struct cz_range *range,
                                 const struct cz_observer *observer,
                                 const struct cz_range_options *options,
                                 struct cz_error *err);

/* The mean squared error of a value that is clipped to the range, rounded to
 * the nearest of the codes that `symmetric` and `levels` give (0 is one of
 * them), and turned back; as far as the histogram tells: values are taken to
 * lie evenly inside a bin. 0 without values. */
double cz_observer_error(const struct cz_observer *observer,
                         const struct cz_range *range,
                         const struct cz_range_options *options);

/* The mean of the squared values, as far as the histogram tells. */
double cz_observer_power(const struct cz_observer *observer);

#endif
