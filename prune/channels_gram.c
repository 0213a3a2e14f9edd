/* What Convs read on images, as products of their channels' shares; see
 * channels_internal.h. */
#include <string.h>

#include "core/alloc.h"
#include "prune/channels_internal.h"
#include "prune/walk_internal.h"

struct look {
    struct cz_channels *channels;
    const struct cz_channels_options *options;
    struct cz_walk *walk;
};

/* ---- one Conv --------------------------------------------------------- */

struct gathering {
    struct cz_walk_layer layer;
    struct cz_lsq inputs, weights; /* of windows, and of rows of the weights as
                                      if they were windows */
    float *w;
    size_t area, channels; /* of the kernel; of all groups */
};

/* The rows of the weights, one of each group side by side. */
static enum cz_status add_weights(struct gathering *g, struct cz_error *err)
{
    const struct cz_lsq_shape *s = &g->layer.shape;
    const size_t n = s->inputs, window = s->groups * n;
    float *sorted = cz_calloc(s->outputs * window + 1, sizeof *sorted);
    float *zeros = cz_calloc(s->groups * s->outputs + 1, sizeof *zeros);
    const bool is_there = sorted && zeros;
    for (size_t i = 0; is_there && i < s->groups * s->outputs; i++)
        memcpy(sorted + i % s->outputs * window + i / s->outputs * n,
               g->w + i * n, n * sizeof *sorted);
    if (is_there)
        cz_lsq_add(&g->weights, sorted, zeros, s->outputs);
    cz_free(sorted);
    cz_free(zeros);
    return is_there ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status gather(struct gathering *g, const struct look *look,
                             struct cz_error *err)
{
    const struct cz_conv_view *view = &g->layer.original;
    const struct cz_lsq_shape rows = {.groups = g->layer.shape.groups,
                                      .inputs = g->layer.shape.inputs,
                                      .outputs = 1};
    const struct cz_lsq_options options = {
        .bias_is_free = view->has_bias, .threads = look->options->plan.threads};
    g->channels = view->channels;
    g->area = view->kernel[0] * view->kernel[1];
    CZ_TRY(cz_conv_view_read(&g->w, NULL, view, err));
    CZ_TRY(cz_lsq_init(&g->inputs, &g->layer.shape, &options, err));
    CZ_TRY(cz_lsq_init(&g->weights, &rows, &options, err));
    CZ_TRY(add_weights(g, err));
    return cz_walk_gather(&g->inputs, look->walk, &g->layer, err);
}

static void end_gathering(struct gathering *g)
{
    cz_lsq_fini(&g->inputs);
    cz_lsq_fini(&g->weights);
    cz_free(g->w);
}

/* The mean over the windows of the product of what two channels of one group
 * add to the outputs, around their means where there is a bias; summed over the
 * outputs. */
static double product(const struct gathering *g, size_t group, size_t c,
                      size_t d)
{
    const size_t n = g->layer.shape.inputs;
    const double *xx = g->inputs.xx + group * n * n;
    const double *ww = g->weights.xx + group * n * n;
    double sum = 0;
    for (size_t a = c * g->area; a < (c + 1) * g->area; a++) {
        for (size_t b = d * g->area; b < (d + 1) * g->area; b++)
            sum += ww[a > b ? a * n + b : b * n + a] * xx[a * n + b];
    }
    return sum;
}

static void fill_gram(double *gram, const struct gathering *g)
{
    const size_t channels = g->channels;
    const size_t size = channels / g->layer.shape.groups;
    for (size_t i = 0; i < channels; i++) {
        const size_t group = i / size;
        for (size_t k = group * size; k <= i; k++) {
            gram[i * channels + k] = gram[k * channels + i] =
                product(g, group, i % size, k % size);
        }
    }
}

static enum cz_status look_at(struct gathering *g, const struct look *look,
                              struct cz_channels_conv *conv,
                              struct cz_error *err)
{
    const size_t window = g->layer.shape.groups * g->layer.shape.inputs;
    CZ_TRY(gather(g, look, err));
    conv->gram = cz_calloc(conv->inputs * conv->inputs, sizeof(double));
    conv->means = cz_calloc(window, sizeof(double));
    if (!conv->gram || !conv->means)
        return cz_error_nomem(err);
    fill_gram(conv->gram, g);
    memcpy(conv->means, g->inputs.x, window * sizeof *conv->means);
    return CZ_OK;
}

/* ---- all Convs -------------------------------------------------------- */

static bool reads_units(const struct cz_channels *channels,
                        const struct cz_channels_conv *conv)
{
    bool any = false;
    for (size_t i = 0; i < conv->inputs; i++)
        any |= cz_coupling_unit(&channels->coupling, conv->x, i) != CZ_NO_UNIT;
    return any && !cz_conv_is_depthwise(conv->node);
}

/* The Conv with these weights that reads units, or NULL. */
static struct cz_channels_conv *find_conv(const struct cz_channels *channels,
                                          const struct cz_tensor *weights)
{
    for (size_t i = 0; i < channels->n_convs; i++) {
        struct cz_channels_conv *conv = &channels->convs[i];
        if (conv->node->inputs[1]->constant == weights)
            return reads_units(channels, conv) ? conv : NULL;
    }
    return NULL;
}

static enum cz_status look_at_all(const struct look *look, struct cz_error *err)
{
    struct gathering g = {.area = 0};
    size_t done = 0;
    for (size_t step = 0; cz_walk_next(&g.layer, &step, look->walk);) {
        struct cz_channels_conv *conv =
            find_conv(look->channels, g.layer.original.weights);
        if (!conv)
            continue;
        if (!cz_progress_tick(look->options->progress, "channels", done++,
                              look->channels->n_convs))
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        const enum cz_status status = look_at(&g, look, conv, err);
        end_gathering(&g);
        CZ_TRY(cz_error_prefix(err, status, cz_node_label(conv->node)));
        g = (struct gathering){.area = 0};
    }
    return CZ_OK;
}

static enum cz_status check_all_seen(const struct cz_channels *channels,
                                     struct cz_error *err)
{
    for (size_t i = 0; i < channels->n_convs; i++) {
        const struct cz_channels_conv *conv = &channels->convs[i];
        if (!conv->gram && reads_units(channels, conv))
            return cz_error_set(err, CZ_EUNSUPPORTED,
                                "Conv '%.200s': what it reads cannot be looked "
                                "at: choose by the magnitude of weights "
                                "(--importance l1)",
                                cz_node_label(conv->node));
    }
    return CZ_OK;
}

enum cz_status cz_channels_look(struct cz_channels *channels,
                                const struct cz_channels_options *options,
                                struct cz_error *err)
{
    struct look look = {.channels = channels, .options = options};
    const struct cz_images *images = options->images;
    if (!images || !images->count)
        return cz_error_set(err, CZ_EINVAL,
                            "want images to find out what channels are worth");
    const struct cz_walk_options walk = {
        .images = *images, .plan = options->plan, .windows = options->windows};
    enum cz_status status =
        cz_walk_new(&look.walk, channels->model, NULL, &walk, err);
    if (status == CZ_OK)
        status = look_at_all(&look, err);
    cz_walk_free(look.walk);
    return status == CZ_OK ? check_all_seen(channels, err) : status;
}
