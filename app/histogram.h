/* Times of any number of frames in fixed memory: percentiles to half a percent,
 * from counts in steps of one percent. */
#ifndef CZ_APP_HISTOGRAM_H
#define CZ_APP_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* From 0.001 ms to 11 minutes. */
#define APP_HISTOGRAM_STEPS 2048

/* All zero to start with. */
struct app_histogram {
    uint32_t counts[APP_HISTOGRAM_STEPS];
    size_t count;
    double sum_ms;
};

void app_histogram_add(struct app_histogram *histogram, double ms);

/* The time that a fraction `q` of all times does not exceed, within 0.5 %; 0
 * where there is none. */
double app_histogram_percentile(const struct app_histogram *histogram,
                                double q);

#endif
