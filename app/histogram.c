/* Percentiles in fixed memory; see histogram.h. */
#include "app/histogram.h"

#include <math.h>

#define LOWEST_MS 0.001
#define RATIO 1.01

void app_histogram_add(struct app_histogram *histogram, double ms)
{
    size_t step = 0;
    if (ms > LOWEST_MS)
        step = (size_t)(log(ms / LOWEST_MS) / log(RATIO));
    if (step >= APP_HISTOGRAM_STEPS)
        step = APP_HISTOGRAM_STEPS - 1;
    histogram->counts[step]++;
    histogram->count++;
    histogram->sum_ms += ms;
}

double app_histogram_percentile(const struct app_histogram *histogram, double q)
{
    const double wanted = q * (double)histogram->count;
    size_t seen = 0, step = 0;
    if (histogram->count == 0)
        return 0;
    while (step + 1 < APP_HISTOGRAM_STEPS) {
        seen += histogram->counts[step];
        if (seen > 0 && (double)seen >= wanted)
            break;
        step++;
    }
    return LOWEST_MS * pow(RATIO, (double)step + 0.5);
}
