/* What Convs read on images, as products of their channels' shares; see
 * channels_internal.h. All images go through one Conv before any goes through
 * the next one, as in recover.c. */
#include <string.h>

#include "core/alloc.h"
#include "prune/channels_internal.h"
#include "prune/lsq_internal.h"

/* As in recover.c: steps are those of the graph, planes are not blocked. */
#define PASSES "-layout,-fuse_batchnorm"

struct look {
    struct cz_channels *channels;
    const struct cz_channels_options *options;
    struct cz_plan *plan;
    struct cz_frames *frames;
    size_t at; /* the step before which all images wait */
};

/* ---- one Conv --------------------------------------------------------- */

struct gathering {
    struct cz_conv_view view;
    struct cz_lsq_sums inputs, weights; /* products of windows, of rows */
    float *x, *y;                       /* windows, and zeros */
    size_t window;
};

/* The rows of the weight, one of each group side by side, as if they were
 * windows. */
static enum cz_status add_weights(struct gathering *g, struct cz_error *err)
{
    const size_t rows = g->view.outputs / g->view.groups;
    const size_t n = g->window / g->view.groups;
    float *w, *sorted = cz_calloc(rows * g->window + 1, sizeof *sorted);
    float *zeros = cz_calloc(g->view.outputs + 1, sizeof *zeros);
    enum cz_status status =
        cz_tensor_floats((struct cz_tensor *)g->view.weights, &w, err);
    if (status == CZ_OK && (!sorted || !zeros)) {
        cz_free(w);
        status = cz_error_nomem(err);
    }
    if (status == CZ_OK) {
        for (size_t i = 0; i < g->view.outputs; i++) {
            const size_t group = i / rows, row = i % rows;
            memcpy(sorted + row * g->window + group * n, w + i * n,
                   n * sizeof *w);
        }
        cz_lsq_add(&g->weights, sorted, zeros, rows, 1);
        cz_free(w);
    }
    cz_free(sorted);
    cz_free(zeros);
    return status;
}

static enum cz_status start_gathering(struct gathering *g, size_t windows,
                                      struct cz_error *err)
{
    const struct cz_conv_view *v = &g->view;
    g->window = v->channels * v->kernel[0] * v->kernel[1];
    const struct cz_lsq_shape shape = {
        .groups = v->groups, .inputs = g->window / v->groups, .outputs = 1};
    CZ_TRY(cz_lsq_sums_init(&g->inputs, &shape, err));
    CZ_TRY(cz_lsq_sums_init(&g->weights, &shape, err));
    g->x = cz_calloc(windows * g->window + 1, sizeof *g->x);
    g->y = cz_calloc(windows * v->groups + 1, sizeof *g->y);
    if (!g->x || !g->y)
        return cz_error_nomem(err);
    return add_weights(g, err);
}

static void end_gathering(struct gathering *g)
{
    cz_lsq_sums_fini(&g->inputs);
    cz_lsq_sums_fini(&g->weights);
    cz_free(g->x);
    cz_free(g->y);
}

static void gather(struct gathering *g, const struct look *look, uint64_t seed)
{
    const size_t *out = g->view.out_size;
    const size_t count = look->options->windows;
    for (size_t k = 0; k < count; k++) {
        const uint64_t at = cz_lsq_draw(&seed) % (out[0] * out[1]);
        cz_conv_view_window(g->x + k * g->window, &g->view, at / out[1],
                            at % out[1]);
    }
    cz_lsq_add(&g->inputs, g->x, g->y, count, look->options->plan.threads);
}

/* The sum over the windows of two channels of one group. */
static double product(const struct gathering *g, size_t group, size_t c,
                      size_t d)
{
    const size_t area = g->view.kernel[0] * g->view.kernel[1];
    const size_t n = g->inputs.shape.inputs;
    const double *xx = g->inputs.xx + group * n * n;
    const double *ww = g->weights.xx + group * n * n;
    const double *x = g->inputs.x + group * n;
    const double count = (double)g->inputs.count;
    double sum = 0;
    for (size_t a = c * area; a < (c + 1) * area; a++) {
        for (size_t b = d * area; b < (d + 1) * area; b++) {
            const size_t at = a > b ? a * n + b : b * n + a;
            const double around =
                g->view.has_bias ? x[a] / count * (x[b] / count) : 0;
            sum += ww[at] * (xx[at] / count - around);
        }
    }
    return sum;
}

static void fill_gram(double *gram, const struct gathering *g)
{
    const size_t channels = g->view.channels;
    const size_t size = channels / g->view.groups;
    for (size_t i = 0; i < channels; i++) {
        const size_t group = i / size;
        for (size_t k = group * size; k <= i; k++) {
            gram[i * channels + k] = gram[k * channels + i] =
                product(g, group, i % size, k % size);
        }
    }
}

/* ---- all Convs -------------------------------------------------------- */

static enum cz_status start(struct look *look, struct cz_error *err)
{
    const struct cz_images *images = look->options->images;
    struct cz_plan_options options = look->options->plan;
    options.passes = PASSES;
    if (!images || !images->count)
        return cz_error_set(err, CZ_EINVAL,
                            "want images to find out what channels are worth");
    CZ_TRY(cz_plan_compile(&look->plan, look->channels->model, &options, err));
    CZ_TRY(cz_frames_new(&look->frames, images->count, err));
    CZ_TRY(images->begin(images->user, look->plan, err));
    for (size_t i = 0; i < images->count; i++) {
        CZ_TRY(images->fill(images->user, i, look->plan, err));
        CZ_TRY(cz_frames_save(look->frames, i, look->plan, 0, err));
    }
    return CZ_OK;
}

/* Brings image i before `step`. */
static enum cz_status advance(const struct look *look, size_t i, size_t step,
                              struct cz_error *err)
{
    CZ_TRY(cz_frames_load(look->frames, i, look->plan, look->at, err));
    CZ_TRY(cz_plan_run_steps(look->plan, look->at, step, err));
    return cz_frames_save(look->frames, i, look->plan, step, err);
}

static enum cz_status look_at(struct look *look, size_t step,
                              struct gathering *g,
                              struct cz_channels_conv *conv,
                              struct cz_error *err)
{
    CZ_TRY(start_gathering(g, look->options->windows, err));
    for (size_t i = 0; i < look->options->images->count; i++) {
        CZ_TRY(advance(look, i, step, err));
        cz_plan_conv(look->plan, step, &g->view);
        gather(g, look, ((uint64_t)step << 32) + i);
    }
    look->at = step;
    conv->gram = cz_calloc(conv->inputs * conv->inputs, sizeof(double));
    conv->means = cz_calloc(g->window, sizeof(double));
    if (!conv->gram || !conv->means)
        return cz_error_nomem(err);
    fill_gram(conv->gram, g);
    for (size_t i = 0; i < g->window; i++)
        conv->means[i] = g->inputs.x[i] / (double)g->inputs.count;
    return CZ_OK;
}

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

static enum cz_status look_at_steps(struct look *look, struct cz_error *err)
{
    const size_t steps = cz_plan_step_count(look->plan);
    for (size_t i = 0; i < steps; i++) {
        struct gathering g = {.window = 0};
        struct cz_channels_conv *conv = NULL;
        if (cz_plan_conv(look->plan, i, &g.view))
            conv = find_conv(look->channels, g.view.weights);
        if (!conv)
            continue;
        if (!cz_progress_tick(look->options->progress, "channels", i, steps))
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        const enum cz_status status = look_at(look, i, &g, conv, err);
        end_gathering(&g);
        CZ_TRY(cz_error_prefix(err, status, cz_node_label(conv->node)));
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
                                "at: choose by the magnitude of weights",
                                cz_node_label(conv->node));
    }
    return CZ_OK;
}

enum cz_status cz_channels_look(struct cz_channels *channels,
                                const struct cz_channels_options *options,
                                struct cz_error *err)
{
    struct look look = {.channels = channels, .options = options};
    enum cz_status status = start(&look, err);
    if (status == CZ_OK)
        status = look_at_steps(&look, err);
    cz_frames_free(look.frames);
    cz_plan_free(look.plan);
    return status == CZ_OK ? check_all_seen(channels, err) : status;
}
