/* What a quarter of each set costs the model: taken out, with the scales and
 * biases by which the Convs that read it make up for it, and measured where
 * channels end, at the last Convs. The scores of a set, which are of the Convs
 * next to it, are scaled so that those of the quarter add up to that. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/compare.h"
#include "prune/channels_internal.h"

/* More of the images than this say hardly more. */
#define IMAGES_MAX 8

/* An output of one of the last Convs, for all images. */
struct target {
    const char *name;
    float *exact; /* [images, count] of the model as it is */
    size_t count;
    double power; /* the variance of all */
};

struct trial {
    struct cz_channels *channels;
    const struct cz_images *images;
    struct cz_plan_options plan_options;
    struct cz_plan *plan;
    struct cz_frames *frames;
    size_t n_images;
    struct target *targets; /* [n_targets] */
    const char **names;     /* [n_targets] */
    size_t n_targets;
};

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

static void restore(struct saved *saved)
{
    for (size_t i = 0; saved->floats && i < saved->elements.count; i++)
        cz_elements_set(&saved->elements, i, saved->floats[i]);
    cz_free(saved->floats);
}

/* Scales the columns of the Conv, and gives its bias what its outputs lose in
 * the mean. */
static void scale(const struct cz_channels_conv *conv,
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
            const double by = conv->scales[first + k / area];
            const size_t at = i * columns * area + k;
            lost += cz_elements_get(w, at) * (1 - by) *
                    conv->means[first * area + k];
            cz_elements_set(w, at, (float)(cz_elements_get(w, at) * by));
        }
        if (bias->data)
            cz_elements_set(bias, i, (float)(cz_elements_get(bias, i) + lost));
    }
}

/* ---- runs ------------------------------------------------------------- */

/* Compares, or keeps as exact, what the plan gave for image i. */
static double compare(const struct trial *t, size_t i, bool keep)
{
    double sum = 0;
    for (size_t k = 0; k < t->n_targets; k++) {
        const struct target *target = &t->targets[k];
        const float *got = cz_plan_find(t->plan, target->name)->data;
        float *exact = target->exact + i * target->count;
        double error = 0;
        if (keep)
            memcpy(exact, got, target->count * sizeof *got);
        for (size_t j = 0; j < target->count; j++) {
            const double d = (double)got[j] - (double)exact[j];
            error += d * d;
        }
        if (target->power > 0)
            sum += error / (double)target->count / target->power;
    }
    return sum / (double)t->n_images;
}

static enum cz_status compile(struct trial *t, struct cz_error *err)
{
    cz_plan_free(t->plan);
    return cz_plan_compile(&t->plan, t->channels->model, &t->plan_options, err);
}

/* What the model, as it is now, loses. */
static enum cz_status measure(struct trial *t, double *lost,
                              struct cz_error *err)
{
    *lost = 0;
    CZ_TRY(compile(t, err));
    for (size_t i = 0; i < t->n_images; i++) {
        CZ_TRY(cz_frames_load(t->frames, i, t->plan, 0, err));
        CZ_TRY(cz_plan_run(t->plan, err));
        *lost += compare(t, i, false);
    }
    return CZ_OK;
}

/* ---- targets ---------------------------------------------------------- */

static bool is_last(const struct cz_channels *channels,
                    const struct cz_channels_conv *conv)
{
    bool fixed = conv->gram != NULL && conv->y->dtype == CZ_DTYPE_FLOAT;
    for (size_t i = 0; i < conv->rows && fixed; i++)
        fixed = cz_coupling_unit(&channels->coupling, conv->y, i) == CZ_NO_UNIT;
    return fixed;
}

static enum cz_status find_targets(struct trial *t, struct cz_error *err)
{
    const struct cz_channels *channels = t->channels;
    t->targets = cz_calloc(channels->n_convs + 1, sizeof *t->targets);
    t->names = cz_calloc(channels->n_convs + 1, sizeof *t->names);
    if (!t->targets || !t->names)
        return cz_error_nomem(err);
    for (size_t i = 0; i < channels->n_convs; i++) {
        if (!is_last(channels, &channels->convs[i]))
            continue;
        t->names[t->n_targets] = channels->convs[i].y->name;
        t->targets[t->n_targets].name = channels->convs[i].y->name;
        t->n_targets++;
    }
    t->plan_options.taps = t->names;
    t->plan_options.n_taps = t->n_targets;
    return CZ_OK;
}

static enum cz_status make_room(struct trial *t, struct cz_error *err)
{
    for (size_t k = 0; k < t->n_targets; k++) {
        struct target *target = &t->targets[k];
        target->count =
            cz_plan_find(t->plan, target->name)->size_bytes / sizeof(float);
        target->exact =
            cz_calloc(t->n_images * target->count + 1, sizeof *target->exact);
        if (!target->exact)
            return cz_error_nomem(err);
    }
    return CZ_OK;
}

static void find_powers(struct trial *t)
{
    for (size_t k = 0; k < t->n_targets; k++) {
        struct target *target = &t->targets[k];
        const size_t n = t->n_images * target->count;
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) {
            sum += (double)target->exact[i];
            squares += (double)target->exact[i] * (double)target->exact[i];
        }
        target->power = n ? (squares - sum * sum / (double)n) / (double)n : 0;
    }
}

static enum cz_status start(struct trial *t, struct cz_error *err)
{
    CZ_TRY(find_targets(t, err));
    CZ_TRY(compile(t, err));
    CZ_TRY(make_room(t, err));
    CZ_TRY(cz_frames_new(&t->frames, t->n_images, err));
    CZ_TRY(t->images->begin(t->images->user, t->plan, err));
    for (size_t i = 0; i < t->n_images; i++) {
        CZ_TRY(t->images->fill(t->images->user, i, t->plan, err));
        CZ_TRY(cz_frames_save(t->frames, i, t->plan, 0, err));
        CZ_TRY(cz_plan_run(t->plan, err));
        compare(t, i, true);
    }
    find_powers(t);
    return CZ_OK;
}

static void finish(struct trial *t)
{
    for (size_t k = 0; k < t->n_targets; k++)
        cz_free(t->targets[k].exact);
    cz_free(t->targets);
    cz_free(t->names);
    cz_frames_free(t->frames);
    cz_plan_free(t->plan);
}

/* ---- sets ------------------------------------------------------------- */

/* Measures with the scales that the Convs have now. */
static enum cz_status measure_scaled(struct trial *t, double *lost,
                                     struct cz_error *err)
{
    struct cz_channels *channels = t->channels;
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
            scale(conv, &weight->elements, &bias->elements);
    }
    if (status == CZ_OK)
        status = measure(t, lost, err);
    for (size_t i = 0; saved && i < 2 * channels->n_convs; i++)
        restore(&saved[i]);
    cz_free(saved);
    return status;
}

/* Lets the lowest quarter of the set's scores add up to what was lost. */
static enum cz_status rescale(const struct cz_channels *channels, size_t set,
                              double lost, struct cz_error *err)
{
    const struct cz_coupling *c = &channels->coupling;
    double *sorted = cz_calloc(c->set_sizes[set] + 1, sizeof *sorted);
    double sum = 0;
    size_t n = 0;
    if (!sorted)
        return cz_error_nomem(err);
    for (size_t i = 0; i < c->n_units; i++) {
        if (c->set_of[i] == set)
            sorted[n++] = channels->scores[i];
    }
    qsort(sorted, n, sizeof *sorted, cz_compare_doubles);
    for (size_t i = 0; i <= (n - 1) / 4; i++)
        sum += sorted[i];
    for (size_t i = 0; i < c->n_units && sum > 0; i++) {
        if (c->set_of[i] == set)
            channels->scores[i] *= lost / sum;
    }
    cz_free(sorted);
    return CZ_OK;
}

static enum cz_status try_set(struct trial *t, size_t set, struct cz_error *err)
{
    double lost = 0;
    CZ_TRY(cz_channels_eliminate(t->channels, set, err));
    if (t->channels->coupling.set_sizes[set] == 1 || !t->n_targets)
        return CZ_OK;
    CZ_TRY(measure_scaled(t, &lost, err));
    return rescale(t->channels, set, lost, err);
}

enum cz_status cz_channels_try(struct cz_channels *channels,
                               const struct cz_channels_options *options,
                               struct cz_error *err)
{
    struct trial t = {.channels = channels,
                      .images = options->images,
                      .plan_options = options->plan,
                      .n_images = options->images->count};
    if (t.n_images > IMAGES_MAX)
        t.n_images = IMAGES_MAX;
    enum cz_status status = start(&t, err);
    const size_t n = channels->coupling.n_sets;
    for (size_t i = 0; i < n && status == CZ_OK; i++) {
        if (!cz_progress_tick(options->progress, "trials", i, n))
            status = cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        else
            status = try_set(&t, i, err);
    }
    finish(&t);
    return status;
}
