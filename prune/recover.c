/* See recover.h. */
#include "prune/recover.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "prune/cluster.h"
#include "prune/cluster_internal.h"
#include "prune/layers_internal.h"
#include "prune/obs_internal.h"
#include "prune/walk_internal.h"

struct recovery {
    const struct cz_recover_options *options;
    struct cz_recover_report *report;
    struct cz_prune_layers list; /* of the pruned model */
    struct cz_walk *walk;
    size_t done, layers; /* to be solved for, for the progress */
};

/* ---- one layer -------------------------------------------------------- */

/* Weights are [groups, outputs, inputs] of its shape. */
struct layer {
    const struct cz_recover_options *options;
    struct cz_walk_layer place;
    size_t channels, count; /* outputs, weights */
    bool has_zeros;
    float *original;      /* of the original model */
    float *masked, *bias; /* of the pruned one; bias NULL: there is none */
    float *solved, *solved_bias;
    bool *keep;
    double *before, *after; /* [channels] */
    struct cz_lsq lsq;
};

static enum cz_status read_layer(struct layer *l, struct cz_error *err)
{
    const size_t n = l->count;
    CZ_TRY(cz_conv_view_read(&l->original, NULL, &l->place.original, err));
    CZ_TRY(cz_conv_view_read(&l->masked, &l->bias, &l->place.pruned, err));
    l->solved = cz_calloc(n + 1, sizeof *l->solved);
    l->solved_bias = cz_calloc(l->channels + 1, sizeof *l->solved_bias);
    l->keep = cz_calloc(n + 1, sizeof *l->keep);
    l->before = cz_calloc(l->channels + 1, sizeof *l->before);
    l->after = cz_calloc(l->channels + 1, sizeof *l->after);
    if (!l->solved || !l->solved_bias || !l->keep || !l->before || !l->after)
        return cz_error_nomem(err);
    const struct cz_lsq_options options = {.ridge = l->options->ridge,
                                           .bias = l->bias,
                                           .bias_is_free = l->bias != NULL,
                                           .threads = l->options->plan.threads};
    return cz_lsq_init(&l->lsq, &l->place.shape, &options, err);
}

static void free_layer(struct layer *l)
{
    cz_lsq_fini(&l->lsq);
    cz_free(l->original);
    cz_free(l->masked);
    cz_free(l->bias);
    cz_free(l->solved);
    cz_free(l->solved_bias);
    cz_free(l->keep);
    cz_free(l->before);
    cz_free(l->after);
}

/* With the weights that `keep` has; they begin as `weights`. */
static enum cz_status solve_for(struct layer *l, const float *weights,
                                struct cz_error *err)
{
    memcpy(l->solved, weights, l->count * sizeof *l->solved);
    if (l->bias)
        memcpy(l->solved_bias, l->bias, l->channels * sizeof *l->bias);
    CZ_TRY(cz_lsq_solve(l->solved, l->solved_bias, &l->lsq, l->keep, err));
    return cz_lsq_errors(l->after, &l->lsq, l->solved, l->solved_bias, err);
}

static double sum_of(const double *numbers, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

/* As many weights as are zero, others perhaps. */
static enum cz_status solve_with_new_mask(bool *is_better, struct layer *l,
                                          struct cz_error *err)
{
    const struct cz_conv_view *p = &l->place.pruned;
    struct cz_obs_options options = {.nm = l->options->prune->nm,
                                     .kernel = p->kernel[0] * p->kernel[1]};
    for (size_t i = 0; i < l->count; i++)
        options.zeros += l->masked[i] == 0;
    CZ_TRY(cz_obs_choose(l->keep, &l->lsq, l->original, &options, err));
    CZ_TRY(solve_for(l, l->original, err));
    *is_better = sum_of(l->after, l->channels) < sum_of(l->before, l->channels);
    return CZ_OK;
}

/* Channels that are cut out later: no weights, and no bias. */
static bool is_gone(const struct layer *l, size_t channel)
{
    const size_t n = l->place.shape.inputs;
    bool any = !l->options->cuts || (l->bias && l->bias[channel] != 0);
    for (size_t i = 0; i < n && !any; i++)
        any = l->masked[channel * n + i] != 0;
    return !any;
}

/* With the zeros that there are; a channel that is no better stays. */
static enum cz_status solve_with_mask(size_t *kept, struct layer *l,
                                      struct cz_error *err)
{
    const size_t n = l->place.shape.inputs;
    for (size_t i = 0; i < l->count; i++)
        l->keep[i] = l->masked[i] != 0;
    CZ_TRY(solve_for(l, l->masked, err));
    *kept = 0;
    for (size_t c = 0; c < l->channels; c++) {
        if (l->after[c] < l->before[c] && !is_gone(l, c))
            continue;
        l->after[c] = l->before[c];
        memcpy(l->solved + c * n, l->masked + c * n, n * sizeof *l->solved);
        if (l->bias)
            l->solved_bias[c] = l->bias[c];
        *kept += !is_gone(l, c);
    }
    return CZ_OK;
}

/* Solved for with no zeros to make up for, weights follow some images more than
 * the errors before them: those of a layer that is only clustered wait for it.
 */
static void keep_weights(struct layer *l)
{
    memcpy(l->solved, l->masked, l->count * sizeof *l->solved);
    if (l->bias)
        memcpy(l->solved_bias, l->bias, l->channels * sizeof *l->bias);
    memcpy(l->after, l->before, l->channels * sizeof *l->after);
}

static enum cz_status solve(size_t *kept, struct layer *l, struct cz_error *err)
{
    bool is_done = !l->has_zeros;
    if (is_done)
        keep_weights(l);
    else if (l->options->mask == CZ_RECOVER_MASK_OBS)
        CZ_TRY(solve_with_new_mask(&is_done, l, err));
    return is_done ? CZ_OK : solve_with_mask(kept, l, err);
}

static enum cz_status cluster(size_t *values, struct layer *l,
                              struct cz_error *err)
{
    CZ_TRY(cz_clusters_solve(l->solved, l->solved_bias, values, &l->lsq,
                             l->options->clusters, err));
    return cz_lsq_errors(l->after, &l->lsq, l->solved, l->solved_bias, err);
}

/* Errors of what stays, as a share of the variance that the outputs have. */
static double share_of(const struct layer *l, const double *errors)
{
    double error = 0, power = 0;
    for (size_t c = 0; c < l->channels; c++) {
        if (is_gone(l, c))
            continue;
        error += errors[c];
        power += l->lsq.variance[c];
    }
    return power > 0 ? error / power : 0;
}

/* From moments to weights, with what the report says of it. */
static enum cz_status work_out(struct cz_recover_layer *row, struct layer *l,
                               struct cz_error *err)
{
    CZ_TRY(cz_lsq_errors(l->before, &l->lsq, l->masked, l->bias, err));
    CZ_TRY(solve(&row->kept, l, err));
    row->before = share_of(l, l->before);
    row->after = row->clustered = share_of(l, l->after);
    row->is_deficient = l->has_zeros && l->lsq.count < l->place.shape.inputs;
    if (!l->options->clusters)
        return CZ_OK;
    CZ_TRY(cluster(&row->values, l, err));
    row->clustered = share_of(l, l->after);
    return CZ_OK;
}

static bool are_finite(const float *floats, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++)
        all &= isfinite(floats[i]) != 0;
    return all;
}

/* Numbers that no float32 holds are no solution. */
static bool is_solved(const struct layer *l)
{
    return are_finite(l->solved, l->count) &&
           (!l->bias || are_finite(l->solved_bias, l->channels));
}

static enum cz_status store_floats(const struct cz_tensor *tensor,
                                   const float *floats, struct cz_error *err)
{
    struct cz_tensor *to = (struct cz_tensor *)tensor; /* of our own model */
    struct cz_elements e;
    if (!to)
        return CZ_OK;
    CZ_TRY(cz_tensor_elements(to, &e, err));
    for (size_t i = 0; i < e.count; i++)
        cz_elements_set(&e, i, floats[i]);
    cz_tensor_touch(to);
    return CZ_OK;
}

static enum cz_status recover_layer(struct recovery *r,
                                    struct cz_recover_layer *row,
                                    struct layer *l, struct cz_error *err)
{
    CZ_TRY(read_layer(l, err));
    CZ_TRY(cz_walk_gather(&l->lsq, r->walk, &l->place, err));
    CZ_TRY(work_out(row, l, err));
    if (!is_solved(l)) {
        row->skipped = "its numbers are too large for least squares";
        return CZ_OK;
    }
    CZ_TRY(store_floats(l->place.pruned.weights, l->solved, err));
    CZ_TRY(store_floats(l->place.pruned.bias, l->solved_bias, err));
    return cz_walk_renew(r->walk, err);
}

/* ---- all layers ------------------------------------------------------- */

/* The next layer to be solved for from step `*step` on; false: none. */
static bool next_layer(struct layer *l, size_t *step, const struct recovery *r)
{
    *l = (struct layer){.options = r->options};
    while (cz_walk_next(&l->place, step, r->walk)) {
        const struct cz_prune_target *target =
            cz_prune_layers_target(&r->list, l->place.pruned.weights);
        l->channels = l->place.original.outputs;
        l->count = l->channels * l->place.shape.inputs;
        l->has_zeros = target && target->zeros > 0;
        if (target && (l->has_zeros || r->options->clusters))
            return true;
    }
    return false;
}

/* A row for a target that has zeros and that the walk does not come by. */
static enum cz_status add_unseen(struct cz_recover_report *report,
                                 const struct cz_prune_target *target,
                                 struct cz_error *err)
{
    struct cz_recover_layer *row = &report->layers[report->n_layers];
    *row = (struct cz_recover_layer){
        .name = cz_strdup(cz_node_label(target->node)),
        .skipped = "no Conv over one image in two dimensions"};
    if (!row->name)
        return cz_error_nomem(err);
    report->n_layers++;
    return CZ_OK;
}

static enum cz_status add_all_unseen(struct recovery *r, struct cz_error *err)
{
    struct cz_walk_layer layer;
    enum cz_status status = CZ_OK;
    bool *seen = cz_calloc(r->list.n_targets + 1, sizeof *seen);
    if (!seen)
        return cz_error_nomem(err);
    for (size_t step = 0; cz_walk_next(&layer, &step, r->walk);) {
        const struct cz_prune_target *target =
            cz_prune_layers_target(&r->list, layer.pruned.weights);
        if (target)
            seen[target - r->list.targets] = true;
    }
    for (size_t i = 0; i < r->list.n_targets && status == CZ_OK; i++) {
        const struct cz_prune_target *target = &r->list.targets[i];
        if (!seen[i] && !target->skipped && target->zeros)
            status = add_unseen(r->report, target, err);
    }
    cz_free(seen);
    return status;
}

static enum cz_status start_report(struct recovery *r, struct cz_error *err)
{
    struct layer layer;
    for (size_t step = 0; next_layer(&layer, &step, r);)
        r->layers++;
    r->report->layers =
        cz_calloc(r->layers + r->list.n_targets + 1, sizeof *r->report->layers);
    if (!r->report->layers)
        return cz_error_nomem(err);
    CZ_TRY(add_all_unseen(r, err));
    if (r->layers || r->report->n_layers)
        return CZ_OK;
    return cz_error_set(err, CZ_EINVAL,
                        r->options->clusters
                            ? "no Conv has weights that can be clustered"
                            : "no Conv has weights that are zero: there is "
                              "nothing to recover");
}

static enum cz_status visit(struct recovery *r, struct layer *l,
                            struct cz_error *err)
{
    struct cz_recover_report *report = r->report;
    struct cz_recover_layer *row = &report->layers[report->n_layers];
    *row = (struct cz_recover_layer){.name = cz_strdup(l->place.name),
                                     .outputs = l->channels,
                                     .skipped = l->place.skipped};
    if (!row->name)
        return cz_error_nomem(err);
    report->n_layers++;
    if (!cz_progress_tick(r->options->progress, "recover", r->done++,
                          r->layers))
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    if (row->skipped)
        return CZ_OK;
    const enum cz_status status =
        cz_error_prefix(err, recover_layer(r, row, l, err), row->name);
    free_layer(l);
    return status;
}

static enum cz_status visit_all(struct recovery *r, struct cz_error *err)
{
    struct layer layer;
    CZ_TRY(start_report(r, err));
    for (size_t step = 0; next_layer(&layer, &step, r);)
        CZ_TRY(visit(r, &layer, err));
    return CZ_OK;
}

/* The Convs, and which of them may be touched. */
static enum cz_status select_layers(struct recovery *r, struct cz_model *pruned,
                                    struct cz_error *err)
{
    const struct cz_recover_options *o = r->options;
    if (o->clusters)
        CZ_TRY(cz_cluster_check(o->clusters, err));
    CZ_TRY(cz_prune_layers_find(&r->list, pruned, o->prune, err));
    return o->clusters ? cz_prune_layers_check(&r->list, err) : CZ_OK;
}

enum cz_status cz_recover_lsq(struct cz_model *pruned,
                              struct cz_model *original,
                              const struct cz_recover_options *options,
                              struct cz_recover_report *report,
                              struct cz_error *err)
{
    const struct cz_walk_options walk = {.images = options->images,
                                         .plan = options->plan,
                                         .windows = options->windows};
    struct recovery r = {.options = options, .report = report};
    *report = (struct cz_recover_report){.n_layers = 0};
    enum cz_status status = select_layers(&r, pruned, err);
    if (status == CZ_OK)
        status = cz_walk_new(&r.walk, original, pruned, &walk, err);
    if (status == CZ_OK)
        status = visit_all(&r, err);
    cz_walk_free(r.walk);
    cz_prune_layers_fini(&r.list);
    return status;
}

void cz_recover_report_fini(struct cz_recover_report *report)
{
    for (size_t i = 0; i < report->n_layers; i++)
        cz_free(report->layers[i].name);
    cz_free(report->layers);
    *report = (struct cz_recover_report){.n_layers = 0};
}
