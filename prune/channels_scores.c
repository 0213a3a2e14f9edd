/* What each unit is worth; see channels.h. */
#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "prune/channels_internal.h"

/* ---- magnitudes ------------------------------------------------------- */

/* Adds to each unit the magnitude of its rows of one Conv, to their mean. */
static enum cz_status add_magnitudes(const struct cz_channels *channels,
                                     const struct cz_channels_conv *conv,
                                     size_t *rows_of, struct cz_error *err)
{
    float *w;
    double mean = 0;
    struct cz_tensor *weight = conv->node->inputs[1]->constant;
    const size_t size = weight->count / conv->rows;
    if (weight->dtype != CZ_DTYPE_FLOAT) /* none of its channels go */
        return CZ_OK;
    CZ_TRY(cz_tensor_floats(weight, &w, err));
    for (size_t i = 0; i < conv->rows * size; i++)
        mean += fabs((double)w[i]) / (double)conv->rows;
    for (size_t i = 0; i < conv->rows; i++) {
        const size_t unit = cz_coupling_unit(&channels->coupling, conv->y, i);
        double sum = 0;
        for (size_t k = 0; k < size; k++)
            sum += fabs((double)w[i * size + k]);
        if (unit == CZ_NO_UNIT)
            continue;
        channels->scores[unit] += mean > 0 ? sum / mean : 0;
        rows_of[unit]++;
    }
    cz_free(w);
    return CZ_OK;
}

static enum cz_status score_magnitudes(struct cz_channels *channels,
                                       struct cz_error *err)
{
    const size_t n = channels->coupling.n_units;
    size_t *rows_of = cz_calloc(n + 1, sizeof *rows_of);
    enum cz_status status = rows_of ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; i < channels->n_convs && status == CZ_OK; i++)
        status = add_magnitudes(channels, &channels->convs[i], rows_of, err);
    for (size_t i = 0; i < n && status == CZ_OK; i++)
        channels->scores[i] /= (double)(rows_of[i] ? rows_of[i] : 1);
    cz_free(rows_of);
    return status;
}

/* ---- shares ----------------------------------------------------------- */

/* Adds to each unit the power of its share in one Conv, to that of all. */
static void add_power(const struct cz_channels *channels,
                      const struct cz_channels_conv *conv)
{
    const struct cz_coupling *c = &channels->coupling;
    const size_t n = conv->gram ? conv->inputs : 0;
    double power = 0;
    for (size_t i = 0; i < n * n; i++)
        power += conv->gram[i];
    for (size_t i = 0; i < n && power > 0; i++) {
        const size_t unit = cz_coupling_unit(c, conv->x, i);
        for (size_t k = 0; k < n && unit != CZ_NO_UNIT; k++) {
            if (cz_coupling_unit(c, conv->x, k) == unit)
                channels->scores[unit] += conv->gram[i * n + k] / power;
        }
    }
}

/* ---- order ------------------------------------------------------------ */

static int by_score(const void *a, const void *b)
{
    const struct cz_channels_ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return (x->unit > y->unit) - (x->unit < y->unit);
}

void cz_channels_rank(struct cz_channels_ranked *units,
                      const struct cz_channels *channels, size_t set)
{
    const struct cz_coupling *c = &channels->coupling;
    size_t n = 0;
    for (size_t i = 0; i < c->n_units; i++) {
        if (c->set_of[i] == set)
            units[n++] = (struct cz_channels_ranked){channels->scores[i], i};
    }
    qsort(units, n, sizeof *units, by_score);
}

/* ---- all -------------------------------------------------------------- */

enum cz_status cz_channels_score(struct cz_channels *channels,
                                 const struct cz_channels_options *options,
                                 struct cz_error *err)
{
    if (options->importance == CZ_CHANNELS_L1)
        return score_magnitudes(channels, err);
    CZ_TRY(cz_channels_look(channels, options, err));
    if (options->importance == CZ_CHANNELS_TRIAL && options->macs > 0)
        return cz_channels_try(channels, options, err);
    if (options->importance == CZ_CHANNELS_ENERGY) {
        for (size_t i = 0; i < channels->n_convs; i++)
            add_power(channels, &channels->convs[i]);
        return CZ_OK;
    }
    for (size_t i = 0; i < channels->coupling.n_sets; i++)
        CZ_TRY(cz_channels_eliminate(channels, i, err));
    return CZ_OK;
}
