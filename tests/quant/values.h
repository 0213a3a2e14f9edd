/* Values for the tests of ranges and codes: known distributions, from a
 * seed. */
#ifndef CZ_TESTS_QUANT_VALUES_H
#define CZ_TESTS_QUANT_VALUES_H

#include <math.h>

#include "quant/range.h"
#include "tests/support/support.h"

/* Uniform in [0, 1): a linear congruential generator's upper bits. */
static inline double random_share(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) * 0x1p-53;
}

/* Mean 0, deviation 1: Box and Muller. */
static inline double random_normal(uint64_t *seed)
{
    double length = sqrt(-2 * log(1 - random_share(seed)));
    return length * cos(2 * 3.14159265358979 * random_share(seed));
}

enum shape {
    NORMAL,
    OUTLIERS,  /* normal, and one in a thousand 20 times as large */
    FAR,       /* normal, and a single value of 1000 */
    UNIFORM,   /* -1..1 */
    POSITIVE,  /* half a normal, with many exact zeros: behind ReLU */
    NEGATIVE,  /* the same below 0, no zeros */
    SILU,      /* normal, deviation 3, through x * sigmoid(x) */
    TAILS,     /* two-sided exponential, cubed */
    STEPS,     /* whole numbers from -3 to 12 */
    CONSTANT,  /* 0.7 */
    SUBNORMAL, /* below 1e-38 */
    LARGE,     /* normal, times 1e30 */
    SHAPES
};

static inline float shape_value(enum shape shape, uint64_t *seed, size_t i)
{
    double z = random_normal(seed);
    switch (shape) {
    case NORMAL:
        return (float)z;
    case OUTLIERS:
        return (float)(i % 1000 == 500 ? 20 * z : z);
    case FAR:
        return i == 77 ? 1000 : (float)z;
    case UNIFORM:
        return (float)(2 * random_share(seed) - 1);
    case POSITIVE:
        return (float)fmax(z, 0);
    case NEGATIVE:
        return (float)-fabs(z);
    case SILU:
        return (float)(3 * z / (1 + exp(-3 * z)));
    case TAILS:
        return (float)copysign(pow(log(1 - random_share(seed)), 3), z);
    case STEPS:
        return (float)floor(16 * random_share(seed) - 3);
    case CONSTANT:
        return 0.7f;
    case SUBNORMAL:
        return (float)(1e-39 * z);
    default:
        return (float)(1e30 * z);
    }
}

static inline void fill(float *values, size_t count, enum shape shape,
                        uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        values[i] = shape_value(shape, &seed, i);
}

#endif
