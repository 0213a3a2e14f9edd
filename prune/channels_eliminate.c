/* Channels one after the other, each time the one whose loss the others make
 * up for best.
 *
 * A Conv gives the sum of its channels' shares z_c. Scaled by b_c, those
 * that remain come nearest to the sum of all by least squares, with a ridge
 * towards 1. With P the inverse of the ridged gram, taking out the channels B
 * costs b_B' (P_BB)^-1 b_B of the outputs' power, and moves b and P by what is
 * known of the inverse (the surgeon of Hassibi and Stork, NeurIPS 1993, with
 * channels for weights). */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/blas.h"
#include "prune/channels_internal.h"

/* To the mean of the gram's diagonal. */
#define RIDGE 0.003

/* Of the columns that one unit has in one Conv, so many are tried at most, and
 * speak for the others. */
#define BLOCK_MAX 16

/* A Conv that reads the set. */
struct reader {
    struct cz_channels_conv *conv;
    double *inverse, *scales; /* [n, n], [n] */
    size_t *columns;          /* [units, each] of the units */
    size_t n, each;
    double power;
};

struct elimination {
    struct cz_channels *channels;
    size_t *units; /* [count] those of the set */
    size_t count;
    struct reader *readers; /* [n_readers] */
    size_t n_readers;
    const struct cz_blas *blas;
};

/* ---- the inverse ------------------------------------------------------ */

/* Inverts in place what is symmetric and positive. What cannot be inverted, of
 * numbers too large, counts as if its channels had nothing to do with each
 * other. */
static void invert(double *a, size_t n, const struct cz_blas *blas)
{
    const int size = (int)n;
    int info;
    blas->dpotrf("L", &size, a, &size, &info);
    if (info == 0)
        blas->dpotri("L", &size, a, &size, &info);
    for (size_t i = 0; i < n; i++) { /* column after column: the lower half */
        for (size_t k = 0; k < i; k++)
            a[i * n + k] = info ? 0 : a[k * n + i];
    }
    for (size_t i = 0; i < n && info; i++) {
        for (size_t k = i; k < n; k++)
            a[i * n + k] = k == i;
    }
}

/* Takes column k out of the m by m matrix and its scales; says what it cost. */
static double take_out(double *p, double *scales, size_t m, size_t k)
{
    const double pivot = p[k * m + k];
    if (!(pivot > 0)) /* it is out already */
        return 0;
    const double scale = scales[k], cost = scale * scale / pivot;
    for (size_t i = 0; i < m; i++) {
        const double factor = p[i * m + k] / pivot;
        if (i == k || factor == 0)
            continue;
        scales[i] -= factor * scale;
        for (size_t j = 0; j < m; j++)
            p[i * m + j] -= factor * p[k * m + j];
    }
    for (size_t i = 0; i < m; i++)
        p[i * m + k] = p[k * m + i] = 0;
    scales[k] = 0;
    return cost;
}

/* What a unit would cost a reader: its columns are taken out of a copy of
 * theirs alone. */
static double price(const struct reader *r, size_t unit)
{
    const size_t *columns = r->columns + unit * r->each;
    const size_t m = r->each < BLOCK_MAX ? r->each : BLOCK_MAX;
    const double times = (double)r->each / (double)m;
    double p[BLOCK_MAX * BLOCK_MAX], scales[BLOCK_MAX], cost = 0, own = 0;
    for (size_t i = 0; i < m; i++)
        own += r->conv->gram[columns[i] * r->n + columns[i]];
    if (own <= 0) /* masked before: the ridge is all that it would cost */
        return 0;
    for (size_t i = 0; i < m; i++) {
        scales[i] = r->scales[columns[i]];
        for (size_t k = 0; k < m; k++)
            p[i * m + k] = r->inverse[columns[i] * r->n + columns[k]];
    }
    for (size_t i = 0; i < m; i++)
        cost += take_out(p, scales, m, i);
    return cost * times / r->power;
}

/* ---- readers ---------------------------------------------------------- */

static enum cz_status start_reader(struct reader *r,
                                   const struct elimination *e,
                                   struct cz_channels_conv *conv,
                                   struct cz_error *err)
{
    const struct cz_coupling *c = &e->channels->coupling;
    const size_t n = r->n = conv->inputs;
    double diagonal = 0;
    r->conv = conv;
    r->inverse = cz_calloc(n * n + 1, sizeof *r->inverse);
    r->scales = cz_calloc(n + 1, sizeof *r->scales);
    r->columns = cz_calloc(r->each * e->count + 1, sizeof *r->columns);
    if (!r->inverse || !r->scales || !r->columns)
        return cz_error_nomem(err);
    memcpy(r->inverse, conv->gram, n * n * sizeof *r->inverse);
    for (size_t i = 0; i < n * n; i++)
        r->power += conv->gram[i];
    for (size_t i = 0; i < n; i++)
        diagonal += conv->gram[i * n + i];
    r->power = fmax(r->power, 1e-30);
    for (size_t i = 0; i < n; i++) {
        r->inverse[i * n + i] += RIDGE * diagonal / (double)n + 1e-30;
        r->scales[i] = 1;
    }
    invert(r->inverse, n, e->blas);
    for (size_t unit = 0; unit < e->count; unit++) {
        size_t *column = r->columns + unit * r->each;
        for (size_t i = 0; i < n; i++) {
            if (cz_coupling_unit(c, conv->x, i) == e->units[unit])
                *column++ = i;
        }
    }
    return CZ_OK;
}

static size_t columns_of(const struct elimination *e,
                         const struct cz_channels_conv *conv)
{
    size_t count = 0;
    for (size_t i = 0; i < conv->inputs && conv->gram; i++)
        count +=
            cz_coupling_unit(&e->channels->coupling, conv->x, i) == e->units[0];
    return count;
}

static enum cz_status start(struct elimination *e, size_t set,
                            struct cz_error *err)
{
    const struct cz_channels *channels = e->channels;
    const struct cz_coupling *c = &channels->coupling;
    e->units = cz_calloc(c->set_sizes[set] + 1, sizeof *e->units);
    e->readers = cz_calloc(channels->n_convs + 1, sizeof *e->readers);
    if (!e->units || !e->readers)
        return cz_error_nomem(err);
    for (size_t i = 0; i < c->n_units; i++) {
        if (c->set_of[i] == set)
            e->units[e->count++] = i;
    }
    for (size_t i = 0; i < channels->n_convs; i++) {
        struct reader *r = &e->readers[e->n_readers];
        r->each = columns_of(e, &channels->convs[i]);
        if (!r->each)
            continue;
        e->n_readers++;
        CZ_TRY(start_reader(r, e, &channels->convs[i], err));
    }
    return CZ_OK;
}

static void finish(struct elimination *e)
{
    for (size_t i = 0; i < e->n_readers; i++) {
        cz_free(e->readers[i].inverse);
        cz_free(e->readers[i].scales);
        cz_free(e->readers[i].columns);
    }
    cz_free(e->units);
    cz_free(e->readers);
}

/* ---- one set ---------------------------------------------------------- */

static double price_of_all(const struct elimination *e, size_t unit)
{
    double sum = 0;
    for (size_t i = 0; i < e->n_readers; i++)
        sum += price(&e->readers[i], unit);
    return sum;
}

static void take_unit(struct elimination *e, size_t unit)
{
    for (size_t i = 0; i < e->n_readers; i++) {
        struct reader *r = &e->readers[i];
        for (size_t k = 0; k < r->each; k++)
            take_out(r->inverse, r->scales, r->n,
                     r->columns[unit * r->each + k]);
    }
}

size_t cz_channels_part(size_t size, size_t part)
{
    const size_t count = (size * (part + 1) + 3) / (CZ_CHANNELS_PARTS + 1);
    return count < size ? count : size - 1;
}

static enum cz_status make_scales(const struct elimination *e,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < e->n_readers; i++) {
        struct reader *r = &e->readers[i];
        r->conv->scales =
            cz_calloc(CZ_CHANNELS_PARTS * r->n, sizeof *r->scales);
        if (!r->conv->scales)
            return cz_error_nomem(err);
    }
    return CZ_OK;
}

/* Hands the scales of the readers out, when `gone` units are. */
static void keep_scales(const struct elimination *e, size_t gone)
{
    for (size_t part = 0; part < CZ_CHANNELS_PARTS; part++) {
        for (size_t i = 0; i < e->n_readers; i++) {
            const struct reader *r = &e->readers[i];
            if (gone == cz_channels_part(e->count, part))
                memcpy(r->conv->scales + part * r->n, r->scales,
                       r->n * sizeof *r->scales);
        }
    }
}

/* Scores rise from one unit to the next one that goes. */
static enum cz_status eliminate(struct elimination *e, struct cz_error *err)
{
    bool *gone = cz_calloc(e->count + 1, sizeof *gone);
    double last = 0;
    enum cz_status status = gone ? make_scales(e, err) : cz_error_nomem(err);
    for (size_t k = 0; k < e->count && status == CZ_OK; k++) {
        size_t best = e->count;
        double least = 0;
        for (size_t i = 0; i < e->count; i++) {
            const double p = gone[i] ? 0 : price_of_all(e, i);
            if (!gone[i] && (best == e->count || p < least)) {
                best = i;
                least = p;
            }
        }
        gone[best] = true;
        take_unit(e, best);
        last = fmax(nextafter(last, INFINITY), least);
        e->channels->scores[e->units[best]] = last;
        keep_scales(e, k + 1);
    }
    cz_free(gone);
    return status;
}

enum cz_status cz_channels_eliminate(struct cz_channels *channels, size_t set,
                                     struct cz_error *err)
{
    struct elimination e = {.channels = channels};
    for (size_t i = 0; i < channels->n_convs; i++) {
        cz_free(channels->convs[i].scales);
        channels->convs[i].scales = NULL;
    }
    enum cz_status status = cz_blas_open(&e.blas, err);
    if (status == CZ_OK)
        status = start(&e, set, err);
    if (status == CZ_OK)
        status = eliminate(&e, err);
    finish(&e);
    return status;
}
