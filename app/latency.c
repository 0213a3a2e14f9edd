/* Percentiles of times; see latency.h. */
#include "app/latency.h"

#include <stdlib.h>

#include "core/compare.h"

static double percentile(const double *sorted, size_t count, double q)
{
    double position = q * (double)(count - 1);
    size_t below = (size_t)position;
    size_t above = below + 1 < count ? below + 1 : below;
    double part = position - (double)below;
    return sorted[below] + part * (sorted[above] - sorted[below]);
}

struct app_latency app_latency(double *times_ms, size_t count)
{
    qsort(times_ms, count, sizeof *times_ms, cz_compare_doubles);
    return (struct app_latency){
        .min_ms = times_ms[0],
        .median_ms = percentile(times_ms, count, 0.5),
        .p90_ms = percentile(times_ms, count, 0.9),
        .p99_ms = percentile(times_ms, count, 0.99),
    };
}
