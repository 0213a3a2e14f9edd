/* What a list of times says: the smallest, the middle, the slow end. */
#ifndef CZ_APP_LATENCY_H
#define CZ_APP_LATENCY_H

#include <stddef.h>

struct app_latency {
    double min_ms, median_ms, p90_ms, p99_ms;
};

/* Sorts times_ms ([count], count > 0). Percentile q is the value at position
 * q * (count - 1), with a straight line between neighbours (definition 7 of
 * Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996; numpy's
 * default). */
struct app_latency app_latency(double *times_ms, size_t count);

#endif
