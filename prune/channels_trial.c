/* What parts of each set cost the model: taken out, with the scales and biases
 * by which the Convs that read them make up for it, and judged. The scores of
 * a set's units, which are of the Convs next to it, leave the order in which
 * they go; how much is lost becomes what the judge has said. */
#include <math.h>

#include "core/alloc.h"
#include "prune/channels_internal.h"

/* More than any judge says. */
#define BEYOND 1e30

/* ---- weights ---------------------------------------------------------- */

/* A tensor as it was. */
struct saved {
    struct cz_elements elements;
    float *floats;
};

static enum cz_status save(struct saved *saved, struct cz_value *value,
                           struct cz_error *err)
{
    if (!value || !value->constant || value->constant->dtype != CZ_DTYPE_FLOAT)
        return CZ_OK;
    CZ_TRY(cz_tensor_elements(value->constant, &saved->elements, err));
    return cz_tensor_floats(value->constant, &saved->floats, err);
}

/* The last one saved first: a tensor may be there twice. */
static void restore(struct saved *saved, size_t count)
{
    while (saved && count-- > 0) {
        struct saved *s = &saved[count];
        for (size_t i = 0; s->floats && i < s->elements.count; i++)
            cz_elements_set(&s->elements, i, s->floats[i]);
        cz_free(s->floats);
    }
    cz_free(saved);
}

/* Scales the columns of the Conv, and gives its bias what its outputs lose in
 * the mean. */
static void scale(const struct cz_channels_conv *conv, const double *scales,
                  const struct cz_elements *w, const struct cz_elements *bias)
{
    const struct cz_tensor *weight = conv->node->inputs[1]->constant;
    const size_t rows = (size_t)weight->dims[0];
    const size_t columns = (size_t)weight->dims[1];
    const size_t area = weight->count / rows / columns;
    const size_t per_group = rows / cz_conv_groups(conv->node);
    for (size_t i = 0; i < rows; i++) {
        const size_t first = i / per_group * columns;
        double lost = 0;
        for (size_t k = 0; k < columns * area; k++) {
            const double by = scales[first + k / area];
            const size_t at = i * columns * area + k;
            lost += cz_elements_get(w, at) * (1 - by) *
                    conv->means[first * area + k];
            cz_elements_set(w, at, (float)(cz_elements_get(w, at) * by));
        }
        if (bias->data)
            cz_elements_set(bias, i, (float)(cz_elements_get(bias, i) + lost));
    }
}

/* ---- trials ----------------------------------------------------------- */

/* What the model loses with the scales of that part. */
static enum cz_status judge_part(double *lost, struct cz_channels *channels,
                                 size_t part,
                                 const struct cz_channels_judge *judge,
                                 struct cz_error *err)
{
    struct saved *saved = cz_calloc(2 * channels->n_convs + 1, sizeof *saved);
    enum cz_status status = saved ? CZ_OK : cz_error_nomem(err);
    for (size_t i = 0; i < channels->n_convs && status == CZ_OK; i++) {
        const struct cz_channels_conv *conv = &channels->convs[i];
        struct saved *weight = &saved[2 * i], *bias = &saved[2 * i + 1];
        if (!conv->scales)
            continue;
        status = save(weight, conv->node->inputs[1], err);
        if (status == CZ_OK)
            status = save(bias, cz_node_input(conv->node, 2), err);
        if (status == CZ_OK)
            scale(conv, conv->scales + part * conv->inputs, &weight->elements,
                  &bias->elements);
    }
    if (status == CZ_OK)
        status = judge->measure(judge->user, channels->model, lost, err);
    restore(saved, 2 * channels->n_convs);
    return status;
}

/* ---- scores ----------------------------------------------------------- */

/* How much is lost when how many of a set are gone. */
struct point {
    double gone, lost;
};

static double slope(struct point a, struct point b)
{
    return (b.lost - a.lost) / (b.gone - a.gone);
}

/* Leaves those of the points that are on the lower convex hull: what is taken
 * for more than the next one costs can go no sooner than that. */
static size_t keep_lower_hull(struct point *points, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        while (n > 1 && slope(points[n - 2], points[n - 1]) >=
                            slope(points[n - 1], points[i]))
            n--;
        points[n++] = points[i];
    }
    return n;
}

/* A unit's share of what is lost from one point to the next; each that goes
 * later is at least a hair more. */
static enum cz_status set_scores(struct cz_channels *channels, size_t set,
                                 const struct point *points, size_t count,
                                 struct cz_error *err)
{
    const size_t n = channels->coupling.set_sizes[set];
    struct cz_channels_ranked *units = cz_calloc(n + 1, sizeof *units);
    size_t segment = 1;
    double last = 0;
    if (!units)
        return cz_error_nomem(err);
    cz_channels_rank(units, channels, set);
    for (size_t i = 0; i < n; i++) {
        while (segment + 1 < count && (double)i >= points[segment].gone)
            segment++;
        const double each = slope(points[segment - 1], points[segment]);
        last = fmax(each, nextafter(last, INFINITY));
        channels->scores[units[i].unit] = last;
    }
    cz_free(units);
    return CZ_OK;
}

/* ---- sets ------------------------------------------------------------- */

static enum cz_status try_set(struct cz_channels *channels, size_t set,
                              const struct cz_channels_judge *judge,
                              const struct cz_progress *progress,
                              struct cz_error *err)
{
    const size_t size = channels->coupling.set_sizes[set];
    struct point points[CZ_CHANNELS_PARTS + 1] = {{0, 0}};
    size_t count = 1;
    CZ_TRY(cz_channels_eliminate(channels, set, err));
    for (size_t part = 0; part < CZ_CHANNELS_PARTS; part++) {
        struct point *next = &points[count];
        next->gone = (double)cz_channels_part(size, part);
        if (next->gone == points[count - 1].gone)
            continue;
        if (!cz_progress_tick(progress, "trials",
                              set * CZ_CHANNELS_PARTS + part,
                              channels->coupling.n_sets * CZ_CHANNELS_PARTS))
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        CZ_TRY(judge_part(&next->lost, channels, part, judge, err));
        next->lost = isnan(next->lost) ? BEYOND : fmin(next->lost, BEYOND);
        count++;
    }
    count = keep_lower_hull(points, count);
    return count > 1 ? set_scores(channels, set, points, count, err) : CZ_OK;
}

enum cz_status cz_channels_try(struct cz_channels *channels,
                               const struct cz_channels_options *options,
                               struct cz_error *err)
{
    const size_t n = channels->coupling.n_sets;
    if (!options->judge.measure)
        return cz_error_set(err, CZ_EINVAL, "want a judge of trials");
    for (size_t i = 0; i < n; i++)
        CZ_TRY(try_set(channels, i, &options->judge, options->progress, err));
    return CZ_OK;
}
