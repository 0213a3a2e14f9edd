/* Ranges from histograms: extremes, averages, percentiles; the methods that
 * search have files of their own. */
#include "quant/range_internal.h"

#include <string.h>

static const char *const METHOD_NAMES[CZ_RANGE_METHODS] = {
    [CZ_RANGE_MINMAX] = "minmax",
    [CZ_RANGE_AVERAGE] = "average",
    [CZ_RANGE_PERCENTILE] = "percentile",
    [CZ_RANGE_ENTROPY] = "entropy",
    [CZ_RANGE_MSE] = "mse",
};

const char *cz_range_method_name(enum cz_range_method method)
{
    return METHOD_NAMES[method];
}

bool cz_range_method_find(enum cz_range_method *method, const char *name)
{
    for (size_t i = 0; i < CZ_RANGE_METHODS; i++) {
        if (strcmp(name, METHOD_NAMES[i]) == 0) {
            *method = (enum cz_range_method)i;
            return true;
        }
    }
    return false;
}

/* ---- percentile ------------------------------------------------------- */

/* The value below which a share of all values lies. */
static double quantile(const struct cz_observer *o, double share)
{
    double wanted = share * (double)o->values, below = 0;
    for (size_t i = 0; i < CZ_OBSERVER_BINS; i++) {
        double count = (double)o->bins[i];
        if (count > 0 && below + count >= wanted) {
            double low = fmax(cz_bin_edge(o, i), (double)o->min);
            double high = fmin(cz_bin_edge(o, i + 1), (double)o->max);
            return low + (wanted - below) / count * (high - low);
        }
        below += count;
    }
    return (double)o->max;
}

/* The values in [n, n + 1) bins from 0, on both sides. */
static double magnitude_count(const struct cz_observer *o, int32_t n)
{
    int32_t above = n - o->first_bin, below = -1 - n - o->first_bin;
    double count = 0;
    if (above < CZ_OBSERVER_BINS)
        count += (double)o->bins[above];
    if (below >= 0)
        count += (double)o->bins[below];
    return count;
}

/* The magnitude below which a share of all magnitudes lies. */
static double magnitude_quantile(const struct cz_observer *o, double share)
{
    double most = fmax((double)o->max, -(double)o->min);
    double least = fmax((double)o->min, -(double)o->max);
    double wanted = share * (double)o->values, below = 0;
    for (int32_t n = 0; n < CZ_OBSERVER_BINS; n++) {
        double count = magnitude_count(o, n);
        if (count > 0 && below + count >= wanted) {
            double low = fmax(n * o->bin_width, least);
            double high = fmin((n + 1) * o->bin_width, most);
            return low + (wanted - below) / count * (high - low);
        }
        below += count;
    }
    return most;
}

struct cz_ends cz_range_percentile(const struct cz_observer *observer,
                                   const struct cz_range_options *options)
{
    if (options->symmetric) {
        double end = magnitude_quantile(observer, options->coverage);
        return (struct cz_ends){-end, end};
    }
    double cut = (1 - options->coverage) / 2;
    return (struct cz_ends){quantile(observer, cut),
                            quantile(observer, 1 - cut)};
}

/* ---- all methods ------------------------------------------------------ */

struct cz_ends cz_range_clip(struct cz_ends ends,
                             const struct cz_range_options *options)
{
    ends.low = fmin(fmax(ends.low, (double)options->known_min), 0);
    ends.high = fmax(fmin(ends.high, (double)options->known_max), 0);
    if (options->symmetric) {
        ends.high = fmax(ends.high, -ends.low);
        ends.low = -ends.high;
    }
    return ends;
}

static enum cz_status check(const struct cz_observer *o,
                            const struct cz_range_options *options,
                            struct cz_error *err)
{
    if (options->levels < 3 || options->levels > 65536)
        return cz_error_set(err, CZ_EINVAL, "%u levels, want 3 to 65536",
                            options->levels);
    if (!(options->coverage > 0 && options->coverage <= 1))
        return cz_error_set(err, CZ_EINVAL,
                            "a coverage of %g is outside 0 < c <= 1",
                            options->coverage);
    if (!(options->known_min <= options->known_max))
        return cz_error_set(err, CZ_EINVAL, "known values from %g to %g",
                            (double)options->known_min,
                            (double)options->known_max);
    if (!o->values)
        return cz_error_set(err, CZ_EINVAL,
                            "no finite value was seen (NaN: %llu, infinite: "
                            "%llu): nothing to calibrate with",
                            (unsigned long long)o->nans,
                            (unsigned long long)o->infinities);
    return CZ_OK;
}

enum cz_status cz_observer_range(struct cz_range *range,
                                 const struct cz_observer *observer,
                                 const struct cz_range_options *options,
                                 struct cz_error *err)
{
    CZ_TRY(check(observer, options, err));
    const struct cz_ends all = {(double)observer->min, (double)observer->max};
    struct cz_ends ends = all;
    switch (options->method) {
    case CZ_RANGE_MINMAX:
        break;
    case CZ_RANGE_AVERAGE:
        ends = (struct cz_ends){observer->average_min, observer->average_max};
        break;
    case CZ_RANGE_PERCENTILE:
        ends = cz_range_percentile(observer, options);
        break;
    case CZ_RANGE_ENTROPY:
        ends = cz_range_entropy(observer, options);
        break;
    case CZ_RANGE_MSE:
        ends = cz_range_mse(observer, cz_range_clip(all, options), options);
        break;
    }
    ends = cz_range_clip(ends, options);
    *range = (struct cz_range){(float)ends.low, (float)ends.high};
    return CZ_OK;
}
