/* The range that loses the least information: S. Migacz, "8-bit Inference with
 * TensorRT", GTC 2017.
 *
 * Between two ends, P is the histogram with all that lies outside added to its
 * first and last bin, and Q is the histogram merged to as many groups as there
 * are codes, each group spread again evenly over its bins that are not empty
 * in P. In a group g, Q is one number there, so
 *
 *     T KL(P || Q) = sum p log p - sum_g P_g log(S_g / filled_g)
 *                    - T log(T / M)
 *
 * with P_g and S_g the sums of a group with and without what lies outside, T
 * all values and M those inside. With sums from the left, one pair of ends
 * costs one logarithm a group and not one a bin. */
#include "quant/range_internal.h"

struct histogram {
    size_t n, zero;                      /* bins; of 0, a lower edge */
    double counts[CZ_OBSERVER_BINS];     /* [n] */
    double below[CZ_OBSERVER_BINS + 1];  /* [n + 1]: sum of counts[0..i) */
    double logs[CZ_OBSERVER_BINS + 1];   /* the same of count * log(count) */
    size_t filled[CZ_OBSERVER_BINS + 1]; /* the same of count > 0 */
};

static double times_log(double x)
{
    return x > 0 ? x * log(x) : 0;
}

/* Values, or with `symmetric` magnitudes; exact zeros are left out, for every
 * range has a code that is 0, and one high bin says nothing of the others. */
static void read_counts(struct histogram *h, const struct cz_observer *o,
                        bool symmetric)
{
    size_t zero = (size_t)-o->first_bin;
    *h = (struct histogram){.zero = symmetric ? 0 : zero};
    for (size_t i = 0; i < CZ_OBSERVER_BINS; i++) {
        double count = cz_bin_count(o, i);
        size_t at = i;
        if (symmetric)
            at = i >= zero ? i - zero : zero - 1 - i;
        h->counts[at] += count;
        if (count > 0 && at >= h->n)
            h->n = at + 1;
    }
    if (h->n < h->zero)
        h->n = h->zero;
}

static void sum_counts(struct histogram *h)
{
    for (size_t i = 0; i < h->n; i++) {
        double count = h->counts[i];
        h->below[i + 1] = h->below[i] + count;
        h->logs[i + 1] = h->logs[i] + times_log(count);
        h->filled[i + 1] = h->filled[i] + (count > 0);
    }
}

/* ---- divergence ------------------------------------------------------- */

/* Bins [begin, end), what lies outside, and whether that fills a bin which was
 * empty. */
struct window {
    size_t begin, end;
    double before, behind;
    bool fills_first, fills_last;
};

static struct window open_window(const struct histogram *h, size_t begin,
                                 size_t end)
{
    struct window w = {begin, end, h->below[begin], 0, false, false};
    w.behind = h->below[h->n] - h->below[end];
    w.fills_first = w.before > 0 && h->counts[begin] <= 0;
    w.fills_last = w.behind > 0 && h->counts[end - 1] <= 0;
    return w;
}

/* The sum of p log p. */
static double own_logs(const struct histogram *h, const struct window *w)
{
    double first = h->counts[w->begin], last = h->counts[w->end - 1];
    return h->logs[w->end] - h->logs[w->begin] - times_log(first) -
           times_log(last) + times_log(first + w->before) +
           times_log(last + w->behind);
}

/* The sum of P_g log(S_g / filled_g); -INFINITY when what lies outside is all
 * that a group has. */
static double group_logs(const struct histogram *h, const struct window *w,
                         size_t groups)
{
    size_t n = w->end - w->begin, from = w->begin;
    double sum = 0;
    for (size_t g = 0; g < groups; g++) {
        size_t to = w->begin + (g + 1) * n / groups;
        double inside = h->below[to] - h->below[from], all = inside;
        size_t filled = h->filled[to] - h->filled[from];
        if (g == 0) {
            all += w->before;
            filled += w->fills_first;
        }
        if (g == groups - 1) {
            all += w->behind;
            filled += w->fills_last;
        }
        if (all > 0)
            sum += all * log(inside / (double)filled);
        from = to;
    }
    return sum;
}

/* KL(P || Q) between bins `begin` and `end`, at least `groups` of them. */
static double divergence(const struct histogram *h, size_t begin, size_t end,
                         size_t groups)
{
    struct window w = open_window(h, begin, end);
    double all = h->below[h->n], inside = h->below[end] - h->below[begin];
    if (!(inside > 0))
        return INFINITY;
    double own = own_logs(h, &w), grouped = group_logs(h, &w, groups);
    return (own - grouped) / all - log(all / inside);
}

/* ---- search ----------------------------------------------------------- */

/* Nothing but rounding of doubles. Of ends as good as each other the widest
 * are kept: where values are few and far between, many are. */
#define NO_GAIN 1e-9

struct bounds {
    size_t begin, end;
    double divergence;
};

static void move_end(const struct histogram *h, struct bounds *best,
                     size_t groups)
{
    size_t begin = best->begin;
    for (size_t end = h->n; end >= begin + groups && end >= h->zero; end--) {
        double d = divergence(h, begin, end, groups);
        if (d < best->divergence - NO_GAIN)
            *best = (struct bounds){begin, end, d};
    }
}

static void move_begin(const struct histogram *h, struct bounds *best,
                       size_t groups)
{
    size_t end = best->end;
    for (size_t begin = 0; begin + groups <= end && begin <= h->zero; begin++) {
        double d = divergence(h, begin, end, groups);
        if (d < best->divergence - NO_GAIN)
            *best = (struct bounds){begin, end, d};
    }
}

#define MOST_ROUNDS 8

/* The ends, in bins. */
static struct bounds search(const struct histogram *h, size_t groups,
                            bool symmetric)
{
    struct bounds best = {0, h->n, INFINITY};
    for (int i = 0; i < MOST_ROUNDS; i++) {
        double before = best.divergence;
        move_end(h, &best, groups);
        if (!symmetric)
            move_begin(h, &best, groups);
        if (symmetric || !(best.divergence < before))
            break;
    }
    return best;
}

struct cz_ends cz_range_entropy(const struct cz_observer *observer,
                                const struct cz_range_options *options)
{
    struct histogram h;
    read_counts(&h, observer, options->symmetric);
    sum_counts(&h);
    size_t groups =
        options->symmetric ? (options->levels + 1) / 2 : options->levels;
    struct bounds best = search(&h, groups, options->symmetric);
    double begin = (double)best.begin - (double)h.zero;
    double end = (double)best.end - (double)h.zero;
    struct cz_ends ends = {begin * observer->bin_width,
                           end * observer->bin_width};
    ends.low = fmax(ends.low, (double)observer->min);
    ends.high = options->symmetric
                    ? fmin(ends.high,
                           fmax((double)observer->max, -(double)observer->min))
                    : fmin(ends.high, (double)observer->max);
    return ends;
}
