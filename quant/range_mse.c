/* The range with the least squared error of rounding and clipping, computed
 * from the histogram alone.
 *
 * Let G(x) be the integral, from 0 to x, of the squared distance to the
 * nearest code. With a density that is even inside a bin [a, b], the mean
 * squared error there is (G(b) - G(a)) / (b - a): exact, with no centres of
 * bins and no sum over codes. */
#include "quant/range_internal.h"

/* ---- values ----------------------------------------------------------- */

/* Where the values are: evenly between two edges, but for those of the last
 * bin when the greatest value is its lower edge. Exact zeros are nowhere, nor
 * is what lies outside of what is known: it costs nothing. */
struct density {
    size_t n;                           /* bins from the least value on */
    double edges[CZ_OBSERVER_BINS + 1]; /* [n + 1], no value is outside */
    double height[CZ_OBSERVER_BINS];    /* [n]: count / width */
    double at_end; /* the count of a last bin without width */
};

static void find_density(struct density *d, const struct cz_observer *o,
                         const struct cz_range_options *options)
{
    double low = fmax((double)o->min, (double)options->known_min);
    double high = fmin((double)o->max, (double)options->known_max);
    d->n = 0;
    d->edges[0] = low;
    d->at_end = 0;
    for (size_t i = 0; i < CZ_OBSERVER_BINS; i++) {
        double from = d->edges[d->n], to = cz_bin_edge(o, i + 1);
        if (to <= low || cz_bin_edge(o, i) > high)
            continue;
        to = fmin(to, high);
        double count = cz_bin_count(o, i);
        if (!(to > from))
            d->at_end = count;
        d->height[d->n++] = to > from ? count / (to - from) : 0;
        d->edges[d->n] = to;
    }
}

/* ---- error ------------------------------------------------------------ */

/* The codes n * step for whole n from `least` to `most`. */
struct grid {
    double step, least, most;
};

/* t to the nearest whole number, ties to even, below 2^51. */
static double nearest(double t)
{
    const double shift = 0x1.8p52;
    return (t + shift) - shift;
}

static struct grid make_grid(struct cz_ends ends,
                             const struct cz_range_options *options)
{
    double last = options->levels - 1, half = floor(last / 2);
    struct grid grid = {.least = half - last, .most = half};
    grid.step =
        options->symmetric ? ends.high / half : (ends.high - ends.low) / last;
    if (!(grid.step > 0))
        return (struct grid){1, 0, 0}; /* all become 0, whatever the step */
    if (!options->symmetric) {
        grid.least = nearest(ends.low / grid.step);
        grid.most = grid.least + last;
    }
    return grid;
}

/* The distance of x from the code n * step nearest to it. */
static double distance(const struct grid *grid, double x, double *n)
{
    double t = x / grid->step;
    t = t < grid->least ? grid->least : t;
    t = t > grid->most ? grid->most : t;
    *n = nearest(t);
    return x - *n * grid->step;
}

/* G(x): each whole step before x adds step^3 / 12; the last piece, from its
 * code on and beyond the last code too, a third of its cube. */
static double error_before(const struct grid *grid, double x)
{
    double n, rest = distance(grid, x, &n), step = grid->step;
    return n * (step * step * step / 12) + rest * rest * rest / 3;
}

/* The sum of squared errors of all values. */
static double total_error(const struct density *d, struct cz_ends ends,
                          const struct cz_range_options *options)
{
    struct grid grid = make_grid(ends, options);
    double before[CZ_OBSERVER_BINS + 1], sum = 0;
    for (size_t i = 0; i <= d->n; i++)
        before[i] = error_before(&grid, d->edges[i]);
    for (size_t i = 0; i < d->n; i++)
        sum += d->height[i] * (before[i + 1] - before[i]);
    double n, rest = distance(&grid, d->edges[d->n], &n);
    sum += d->at_end * rest * rest;
    return sum;
}

double cz_observer_error(const struct cz_observer *observer,
                         const struct cz_range *range,
                         const struct cz_range_options *options)
{
    if (!observer->values)
        return 0;
    struct density density;
    find_density(&density, observer, options);
    struct cz_ends ends = {(double)range->low, (double)range->high};
    return total_error(&density, ends, options) / (double)observer->values;
}

double cz_observer_power(const struct cz_observer *observer)
{
    double sum = 0;
    for (size_t i = 0; i < CZ_OBSERVER_BINS && observer->values; i++) {
        const double a = cz_bin_edge(observer, i);
        const double b = cz_bin_edge(observer, i + 1);
        sum += cz_bin_count(observer, i) * (a * a + a * b + b * b) / 3;
    }
    return observer->values ? sum / (double)observer->values : 0;
}

/* ---- search ----------------------------------------------------------- */

enum moved { LOW = 1, HIGH = 2, BOTH = 3 };

/* An eighth of an octave: coarse enough to be quick, and no hollow of the
 * error is narrower. */
#define COARSE 0.917004043204671
#define COARSE_STEPS (8 * 11) /* down to one bin */
#define FINEST (1.0 / 1024)

struct search {
    struct density density;
    const struct cz_range_options *options;
    struct cz_ends limits, best;
    double best_error, no_gain; /* the latter: rounding of doubles */
};

static void attempt(struct search *s, struct cz_ends ends)
{
    ends.low = (double)(float)fmax(ends.low, s->limits.low);
    ends.high = (double)(float)fmin(ends.high, s->limits.high);
    double error = total_error(&s->density, ends, s->options);
    if (error < s->best_error - s->no_gain) {
        s->best = ends;
        s->best_error = error;
    }
}

/* `from` with the moved ends taken `factor` times. */
static struct cz_ends scale_ends(struct cz_ends from, struct cz_ends factors,
                                 enum moved moved, double factor)
{
    return (struct cz_ends){moved & LOW ? factors.low * factor : from.low,
                            moved & HIGH ? factors.high * factor : from.high};
}

/* All factors of the limits, then smaller and smaller ones of the best. */
static void search_along(struct search *s, enum moved moved)
{
    struct cz_ends from = s->best;
    double factor = 1;
    for (int i = 0; i <= COARSE_STEPS; i++, factor *= COARSE)
        attempt(s, scale_ends(from, s->limits, moved, factor));
    if (moved != BOTH)
        attempt(s, scale_ends(from, s->limits, moved, 0));
    for (double step = 1.0 / 16; step >= FINEST; step /= 2) {
        from = s->best;
        attempt(s, scale_ends(from, from, moved, 1 + step));
        attempt(s, scale_ends(from, from, moved, 1 / (1 + step)));
    }
}

#define MOST_ROUNDS 8

struct cz_ends cz_range_mse(const struct cz_observer *observer,
                            struct cz_ends limits,
                            const struct cz_range_options *options)
{
    struct search s = {.options = options,
                       .limits = limits,
                       .best = limits,
                       .best_error = INFINITY};
    double noise = (limits.high - limits.low) * 1e-9;
    s.no_gain = noise * noise * (double)observer->values;
    find_density(&s.density, observer, options);
    attempt(&s, limits);
    attempt(&s, cz_range_clip(cz_range_percentile(observer, options), options));
    double before = INFINITY;
    search_along(&s, BOTH);
    for (int i = 0; i < MOST_ROUNDS && !options->symmetric; i++) {
        if (!(s.best_error < before))
            break;
        before = s.best_error;
        search_along(&s, HIGH);
        search_along(&s, LOW);
    }
    return s.best;
}
