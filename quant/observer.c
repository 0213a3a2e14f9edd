/* Minimum, maximum and histogram of a tensor's values, image after image.
 *
 * Two passes over an image: the extremes, which say how wide the bins must be,
 * then the counts. Both are written for the compiler's vectors. */
#include "quant/range.h"

#include <string.h>

#include "core/sizes.h"

#define LANES 64   /* values side by side: a few vectors, however wide */
#define SCAN 16384 /* values between two looks for what is not finite */
#define BLOCK 1024 /* values whose bins are found before they are counted */

/* Neighbours are often equal, and an increment waits for the last one of the
 * same bin: each of four values in a row has a histogram of its own. */
#define PARTS 4
#define PART_VALUES ((size_t)1 << 31) /* that a part's bin cannot overflow */

#define BINS_EXPONENT 11
_Static_assert(CZ_OBSERVER_BINS == 1 << BINS_EXPONENT, "a power of two");

/* 2^-126 and its reciprocal are both normal floats. */
#define LEAST_EXPONENT (-126)

struct extent {
    float min, max; /* of the finite values */
    size_t finite, zeros, nans, infinities;
};

/* ---- extremes --------------------------------------------------------- */

static void extend(struct extent *extent, float min, float max)
{
    extent->min = min < extent->min ? min : extent->min;
    extent->max = max > extent->max ? max : extent->max;
}

static void extend_by_each(struct extent *extent, const float *values,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float value = values[i];
        if (isnan(value)) {
            extent->nans++;
        } else if (isinf(value)) {
            extent->infinities++;
        } else {
            extend(extent, value, value);
            extent->finite++;
            extent->zeros += value == 0;
        }
    }
}

/* The same for many values, all of them finite; false, and nothing done, when
 * one is not. */
static bool extend_by_finite(struct extent *extent, const float *values,
                             size_t count)
{
    float min[LANES], max[LANES];
    uint32_t zeros[LANES] = {0}, nans[LANES] = {0};
    for (size_t j = 0; j < LANES; j++)
        min[j] = max[j] = values[j];
    for (size_t i = 0; i < count; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            float value = values[i + j];
            min[j] = value < min[j] ? value : min[j];
            max[j] = value > max[j] ? value : max[j];
            zeros[j] += value == 0;
            nans[j] += value != value;
        }
    }
    struct extent all = *extent;
    for (size_t j = 0; j < LANES; j++) {
        if (nans[j] || isinf(min[j]) || isinf(max[j]))
            return false;
        extend(&all, min[j], max[j]);
        all.zeros += zeros[j];
    }
    all.finite += count;
    *extent = all;
    return true;
}

static struct extent measure(const float *values, size_t count)
{
    struct extent extent = {.min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < count; i += SCAN) {
        size_t n = cz_least(count - i, SCAN), even = n - n % LANES;
        if (even && !extend_by_finite(&extent, values + i, even))
            even = 0;
        extend_by_each(&extent, values + i + even, n - even);
    }
    return extent;
}

static void add_extent(struct cz_observer *o, const struct extent *extent)
{
    bool first = o->images++ == 0;
    if (first || extent->min < o->min)
        o->min = extent->min;
    if (first || extent->max > o->max)
        o->max = extent->max;
    double weight = first ? 1 : CZ_OBSERVER_AVERAGING;
    o->average_min += weight * ((double)extent->min - o->average_min);
    o->average_max += weight * ((double)extent->max - o->average_max);
    o->values += extent->finite;
    o->zeros += extent->zeros;
}

/* ---- bins ------------------------------------------------------------- */

/* The exponent of the bins' width for values and 0 from `low` to `high`. */
static int width_exponent(double low, double high)
{
    int exponent;
    frexp(fmax(high, -low), &exponent); /* all are below 2^exponent */
    exponent -= BINS_EXPONENT;          /* enough for the bins of one side */
    if (exponent < LEAST_EXPONENT || fmax(high, -low) == 0)
        return LEAST_EXPONENT;
    double width = ldexp(1, exponent);
    bool fits = floor(high / width) - floor(low / width) < CZ_OBSERVER_BINS;
    return fits ? exponent : exponent + 1;
}

/* Makes room for min, max and 0: wider bins, another first one. */
static void widen(struct cz_observer *o)
{
    double low = fmin(o->min, 0), high = fmax(o->max, 0);
    double width = ldexp(1, width_exponent(low, high));
    int32_t first = (int32_t)floor(low / width);
    if (o->bin_width == width && o->first_bin == first)
        return;
    uint64_t old[CZ_OBSERVER_BINS];
    memcpy(old, o->bins, sizeof old);
    memset(o->bins, 0, sizeof o->bins);
    double ratio = o->bin_width / width; /* a power of two, at most 1 */
    for (int32_t i = 0; i < CZ_OBSERVER_BINS; i++) {
        if (old[i]) {
            int32_t bin = (int32_t)floor((o->first_bin + i) * ratio);
            o->bins[bin - first] += old[i];
        }
    }
    o->bin_width = width;
    o->first_bin = first;
}

static size_t copy_finite(float *finite, const float *values, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i]))
            finite[n++] = values[i];
    }
    return n;
}

/* indices[i] = floor(values[i] * scale) - first, where scale is a power of
 * two: exact. */
static void find_bins(int32_t *indices, const float *values, size_t count,
                      float scale, int32_t first)
{
    for (size_t i = 0; i < count; i++) {
        float scaled = values[i] * scale;
        int32_t bin = (int32_t)scaled;
        bin -= (float)bin > scaled;
        indices[i] = bin - first;
    }
}

static void count_block(uint32_t (*parts)[CZ_OBSERVER_BINS],
                        const int32_t *indices, size_t count)
{
    size_t even = count - count % PARTS;
    for (size_t i = 0; i < even; i += PARTS) {
        for (size_t j = 0; j < PARTS; j++)
            parts[j][indices[i + j]]++;
    }
    for (size_t i = even; i < count; i++)
        parts[0][indices[i]]++;
}

static void add_bins(struct cz_observer *o, const float *values, size_t count,
                     bool all_finite)
{
    uint32_t parts[PARTS][CZ_OBSERVER_BINS] = {{0}};
    float scale = (float)(1 / o->bin_width);
    for (size_t i = 0; i < count; i += BLOCK) {
        int32_t indices[BLOCK];
        float finite[BLOCK];
        const float *block = values + i;
        size_t n = cz_least(count - i, BLOCK);
        if (!all_finite) {
            n = copy_finite(finite, block, n);
            block = finite;
        }
        find_bins(indices, block, n, scale, o->first_bin);
        count_block(parts, indices, n);
    }
    for (size_t j = 0; j < PARTS; j++) {
        for (size_t i = 0; i < CZ_OBSERVER_BINS; i++)
            o->bins[i] += parts[j][i];
    }
}

void cz_observer_add(struct cz_observer *observer, const float *values,
                     size_t count)
{
    struct extent extent = measure(values, count);
    observer->nans += extent.nans;
    observer->infinities += extent.infinities;
    if (!extent.finite)
        return;
    add_extent(observer, &extent);
    widen(observer);
    for (size_t i = 0; i < count; i += PART_VALUES) {
        add_bins(observer, values + i, cz_least(count - i, PART_VALUES),
                 extent.finite == count);
    }
}
