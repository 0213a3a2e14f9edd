/* An observer of one known distribution, and the ranges that it gives. */
#ifndef CZ_TESTS_QUANT_RANGES_H
#define CZ_TESTS_QUANT_RANGES_H

#include "tests/quant/values.h"

#define VALUES 50000

static float values[VALUES]; /* large; `observe` fills both */
static struct cz_observer observer;

static inline void observe_values(size_t count)
{
    observer = (struct cz_observer){0};
    cz_observer_add(&observer, values, count);
}

static inline void observe(enum shape shape)
{
    fill(values, VALUES, shape, 5);
    observe_values(VALUES);
}

static const struct cz_range_options DEFAULTS = CZ_RANGE_OPTIONS_INIT;

static inline struct cz_range range_of(const struct cz_range_options *options)
{
    struct cz_range range;
    assert_ok(cz_observer_range(&range, &observer, options, cz_test_error()));
    return range;
}

static inline struct cz_range range_by(enum cz_range_method method,
                                       bool symmetric)
{
    struct cz_range_options options = DEFAULTS;
    options.method = method;
    options.symmetric = symmetric;
    options.levels = symmetric ? 255 : 256;
    return range_of(&options);
}

static inline void assert_range(struct cz_range range, double low, double high,
                                double tolerance)
{
    if (!(fabs((double)range.low - low) <= tolerance &&
          fabs((double)range.high - high) <= tolerance))
        fail_msg("[%.9g, %.9g], want [%.9g, %.9g]", (double)range.low,
                 (double)range.high, low, high);
}

#endif
