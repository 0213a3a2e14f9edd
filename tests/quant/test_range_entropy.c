/* The range of least divergence, against sums over all bins. */
#include "tests/quant/ranges.h"

struct bins {
    size_t n, zero;
    double counts[CZ_OBSERVER_BINS];
};

/* Magnitudes with `symmetric`; no exact zeros. */
static struct bins read_bins(bool symmetric)
{
    size_t zero = (size_t)-observer.first_bin;
    struct bins b = {.zero = symmetric ? 0 : zero};
    for (size_t i = 0; i < CZ_OBSERVER_BINS; i++) {
        double count = (double)observer.bins[i];
        if (i == zero)
            count -= (double)observer.zeros;
        size_t at = !symmetric ? i : i >= zero ? i - zero : zero - 1 - i;
        b.counts[at] += count;
        if (count > 0 && at + 1 > b.n)
            b.n = at + 1;
    }
    return b;
}

/* P: bins [begin, end) of all, with the rest in the first and the last. */
static void clip_bins(double *p, const struct bins *b, size_t begin, size_t end)
{
    memset(p, 0, CZ_OBSERVER_BINS * sizeof *p);
    for (size_t i = 0; i < b->n; i++) {
        size_t at = i < begin ? begin : i >= end ? end - 1 : i;
        p[at] += b->counts[i];
    }
}

/* Q: the inside merged to `levels` groups, spread over bins with some P. */
static void merge_bins(double *q, const double *p, const struct bins *b,
                       size_t begin, size_t end, size_t levels)
{
    for (size_t g = 0; g < levels; g++) {
        size_t from = begin + g * (end - begin) / levels, filled = 0;
        size_t to = begin + (g + 1) * (end - begin) / levels;
        double sum = 0;
        for (size_t i = from; i < to; i++) {
            sum += b->counts[i];
            filled += p[i] > 0;
        }
        for (size_t i = from; i < to; i++)
            q[i] = p[i] > 0 ? sum / (double)filled : 0;
    }
}

static double divergence(const struct bins *b, size_t begin, size_t end,
                         size_t levels)
{
    static double p[CZ_OBSERVER_BINS], q[CZ_OBSERVER_BINS];
    clip_bins(p, b, begin, end);
    merge_bins(q, p, b, begin, end, levels);
    double all = 0, inside = 0, sum = 0;
    for (size_t i = begin; i < end; i++) {
        all += p[i];
        inside += q[i];
    }
    for (size_t i = begin; i < end; i++) {
        if (p[i] > 0)
            sum += p[i] / all * log(p[i] / all / (q[i] / inside));
    }
    return sum;
}

/* Sums of logarithms from the left against sums bin by bin. */
#define LOG_TOLERANCE 2e-9

static void finds_the_symmetric_range_of_least_divergence(void **state)
{
    (void)state;
    static const enum shape shapes[] = {NORMAL,   OUTLIERS, UNIFORM,
                                        POSITIVE, SILU,     STEPS};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        observe(shapes[k]);
        double high = (double)range_by(CZ_RANGE_ENTROPY, true).high;
        struct bins b = read_bins(true);
        size_t end = (size_t)ceil(high / observer.bin_width);
        if (end > b.n)
            end = b.n;
        double got = divergence(&b, 0, end, 128), least = INFINITY;
        for (size_t i = 128; i <= b.n; i++)
            least = fmin(least, divergence(&b, 0, i, 128));
        assert_true(fabs(got - least) <= LOG_TOLERANCE);
    }
}

/* No single end is better anywhere else. */
static void finds_two_ends_of_least_divergence(void **state)
{
    (void)state;
    static const enum shape shapes[] = {OUTLIERS, SILU, NEGATIVE};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        observe(shapes[k]);
        struct cz_range r = range_by(CZ_RANGE_ENTROPY, false);
        struct bins b = read_bins(false);
        double zero = (double)b.zero;
        size_t begin =
            (size_t)(zero + floor((double)r.low / observer.bin_width));
        size_t end = (size_t)(zero + ceil((double)r.high / observer.bin_width));
        if (b.n < b.zero)
            b.n = b.zero;
        double got = divergence(&b, begin, end, 256), least = INFINITY;
        for (size_t i = b.n; i >= b.zero && i >= begin + 256; i--)
            least = fmin(least, divergence(&b, begin, i, 256));
        for (size_t i = 0; i <= b.zero && i + 256 <= end; i++)
            least = fmin(least, divergence(&b, i, end, 256));
        assert_true(got <= least + LOG_TOLERANCE);
    }
}

static void keeps_the_whole_of_an_even_distribution(void **state)
{
    (void)state;
    for (size_t i = 0; i < VALUES; i++)
        values[i] = ((float)i + 0.5f) / VALUES - 0.5f;
    observe_values(VALUES);
    assert_range(range_by(CZ_RANGE_ENTROPY, true), -0.5, 0.5, 0.01);
    assert_range(range_by(CZ_RANGE_ENTROPY, false), -0.5, 0.5, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_symmetric_range_of_least_divergence),
        cmocka_unit_test(finds_two_ends_of_least_divergence),
        cmocka_unit_test(keeps_the_whole_of_an_even_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
