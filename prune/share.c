/* See share.h. */
#include "prune/share.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "prune/layers_internal.h"
#include "prune/obs_internal.h"
#include "prune/walk_internal.h"

/* Output channels of a layer that its losses are estimated from. */
#define ROWS ((size_t)8)

struct sharing {
    const struct cz_share_options *options;
    struct cz_share *share;
    struct cz_prune_layers list;
    struct cz_walk *walk;
};

void cz_share_fini(struct cz_share *share)
{
    for (size_t i = 0; i < share->n_layers; i++)
        cz_free(share->layers[i].weight);
    cz_free(share->layers);
    *share = (struct cz_share){.n_layers = 0};
}

const struct cz_share_layer *cz_share_of(const struct cz_share *share,
                                         const char *weight)
{
    for (size_t i = 0; i < share->n_layers; i++) {
        if (strcmp(share->layers[i].weight, weight) == 0)
            return &share->layers[i];
    }
    return NULL;
}

/* ---- losses ----------------------------------------------------------- */

/* The weights, where they take part; else NULL. */
static const struct cz_prune_target *
find_target(const struct sharing *s, const struct cz_walk_layer *layer)
{
    const struct cz_prune_target *target =
        cz_prune_layers_target(&s->list, layer->original.weights);
    return target && !target->has_rule && !layer->skipped ? target : NULL;
}

/* What does not vary loses nothing that can be told: it stays whole. */
static void scale(struct cz_share_layer *row, const struct cz_lsq *lsq)
{
    double power = 0;
    for (size_t i = 0; i < lsq->shape.groups * lsq->shape.outputs; i++)
        power += lsq->variance[i];
    for (size_t i = 0; i < CZ_SHARE_POINTS; i++)
        row->losses[i] = power > 0 ? row->losses[i] / power : i ? INFINITY : 0;
}

static enum cz_status measure_with(struct cz_share_layer *row,
                                   const struct cz_lsq *lsq,
                                   const struct cz_walk_layer *layer,
                                   struct cz_error *err)
{
    float *weights;
    const struct cz_obs_curve curve = {
        .losses = row->losses, .count = CZ_SHARE_POINTS, .rows = ROWS};
    enum cz_status status =
        cz_conv_view_read(&weights, NULL, &layer->original, err);
    if (status == CZ_OK)
        status = cz_obs_losses(&curve, lsq, weights, err);
    cz_free(weights);
    scale(row, lsq);
    return status;
}

static enum cz_status measure(struct cz_share_layer *row,
                              const struct sharing *s,
                              const struct cz_walk_layer *layer,
                              struct cz_error *err)
{
    struct cz_lsq lsq;
    const struct cz_lsq_options options = {.ridge = s->options->ridge,
                                           .bias_is_free =
                                               layer->original.bias != NULL,
                                           .threads = s->options->plan.threads};
    enum cz_status status = cz_lsq_init(&lsq, &layer->shape, &options, err);
    if (status == CZ_OK)
        status = cz_walk_gather(&lsq, s->walk, layer, err);
    if (status == CZ_OK)
        status = measure_with(row, &lsq, layer, err);
    cz_lsq_fini(&lsq);
    return status;
}

static size_t count_layers(const struct sharing *s)
{
    struct cz_walk_layer layer;
    size_t count = 0;
    for (size_t step = 0; cz_walk_next(&layer, &step, s->walk);)
        count += find_target(s, &layer) != NULL;
    return count;
}

static enum cz_status measure_all(struct sharing *s, struct cz_error *err)
{
    struct cz_walk_layer layer;
    const size_t count = count_layers(s);
    s->share->layers = cz_calloc(count + 1, sizeof *s->share->layers);
    if (!s->share->layers)
        return cz_error_nomem(err);
    for (size_t step = 0; cz_walk_next(&layer, &step, s->walk);) {
        const struct cz_prune_target *target = find_target(s, &layer);
        if (!target)
            continue;
        struct cz_share_layer *row = &s->share->layers[s->share->n_layers];
        row->weight = cz_strdup(target->name);
        row->weights = target->elements.count;
        row->macs = layer.macs;
        if (!row->weight)
            return cz_error_nomem(err);
        if (!cz_progress_tick(s->options->progress, "sparsity",
                              s->share->n_layers++, count))
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
        CZ_TRY(cz_error_prefix(err, measure(row, s, &layer, err), layer.name));
    }
    return CZ_OK;
}

/* ---- shares ----------------------------------------------------------- */

/* What a weight more of the layer costs. */
static double price(const struct cz_share_layer *row, size_t point)
{
    if (point + 1 >= CZ_SHARE_POINTS)
        return INFINITY;
    const double loss = row->losses[point + 1] - row->losses[point];
    return loss / ((double)row->weights / (CZ_SHARE_POINTS - 1));
}

/* The curves are convex, as each weight that goes costs more than the one
 * before: who takes the cheapest step again and again ends at the least sum. */
static enum cz_status share_out(struct cz_share *share, double sparsity,
                                struct cz_error *err)
{
    size_t *points = cz_calloc(share->n_layers + 1, sizeof *points);
    double left = 0;
    if (!points)
        return cz_error_nomem(err);
    for (size_t i = 0; i < share->n_layers; i++)
        left += sparsity * (double)share->layers[i].weights;
    while (left > 0) {
        size_t best = 0;
        for (size_t i = 1; i < share->n_layers; i++) {
            if (price(&share->layers[i], points[i]) <
                price(&share->layers[best], points[best]))
                best = i;
        }
        struct cz_share_layer *row = &share->layers[best];
        const double step = (double)row->weights / (CZ_SHARE_POINTS - 1);
        const double taken = step < left ? step : left;
        if (price(row, points[best]) == INFINITY)
            break;
        row->sparsity += taken / (double)row->weights;
        left -= taken;
        points[best]++;
    }
    cz_free(points);
    return left > 1e-6 ? cz_error_set(err, CZ_EINVAL,
                                      "%g of the weights are more than the "
                                      "layers can lose with --sparsity auto: "
                                      "ask for less",
                                      sparsity)
                       : CZ_OK;
}

/* What the layer loses with N:M, for each of its MACs. */
static double loss_of_macs(const struct cz_share_layer *row, double sparsity)
{
    const size_t at = (size_t)(sparsity * (CZ_SHARE_POINTS - 1) + 0.5);
    return row->macs ? row->losses[at] / (double)row->macs : 0;
}

/* All are sparse at first; the dearest of those that there is room for become
 * dense. */
static void choose_dense(struct cz_share *share, double sparsity)
{
    double room = 0;
    for (size_t i = 0; i < share->n_layers; i++) {
        share->layers[i].sparsity = sparsity;
        room += CZ_SHARE_DENSE * (double)share->layers[i].macs;
    }
    for (;;) {
        struct cz_share_layer *best = NULL;
        for (size_t i = 0; i < share->n_layers; i++) {
            struct cz_share_layer *row = &share->layers[i];
            if (row->sparsity > 0 && (double)row->macs <= room &&
                (!best ||
                 loss_of_macs(row, sparsity) > loss_of_macs(best, sparsity)))
                best = row;
        }
        if (!best)
            return;
        best->sparsity = 0;
        room -= (double)best->macs;
    }
}

enum cz_status cz_share_find(struct cz_share *share, struct cz_model *model,
                             const struct cz_share_options *options,
                             struct cz_error *err)
{
    const struct cz_walk_options walk = {.images = options->images,
                                         .plan = options->plan,
                                         .windows = options->windows};
    struct sharing s = {.options = options, .share = share};
    *share = (struct cz_share){.n_layers = 0};
    enum cz_status status =
        cz_prune_layers_find(&s.list, model, options->prune, err);
    if (status == CZ_OK)
        status = cz_walk_new(&s.walk, model, NULL, &walk, err);
    if (status == CZ_OK)
        status = measure_all(&s, err);
    const struct cz_prune_nm *nm = &options->prune->nm;
    if (status == CZ_OK && nm->m)
        choose_dense(share, 1 - (double)nm->n / (double)nm->m);
    else if (status == CZ_OK)
        status = share_out(share, options->prune->sparsity, err);
    cz_walk_free(s.walk);
    cz_prune_layers_fini(&s.list);
    return status;
}
