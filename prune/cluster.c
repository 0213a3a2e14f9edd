/* See cluster.h. */
#include "prune/cluster.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "prune/cluster_internal.h"
#include "prune/layers_internal.h"

/* A tensor of weights. */
struct target {
    struct cz_prune_target *of;
    size_t values_before, values;
    double error;
};

struct clustering {
    const struct cz_cluster_options *options;
    struct target *targets; /* [n_targets], as in the list */
    size_t n_targets;
    pthread_t owner; /* the thread that may call progress */
    atomic_size_t done;
    atomic_bool stopped, has_failed;
};

void cz_cluster_report_fini(struct cz_cluster_report *report)
{
    cz_free(report->layers);
    *report = (struct cz_cluster_report){.n_layers = 0};
}

/* ---- checks before anything changes ----------------------------------- */

enum cz_status cz_cluster_check(size_t clusters, struct cz_error *err)
{
    if (clusters >= CZ_CLUSTERS_MIN && clusters <= CZ_CLUSTERS_MAX)
        return CZ_OK;
    return cz_error_set(err, CZ_EINVAL,
                        "%zu values for a layer are outside %d <= K <= %d",
                        clusters, CZ_CLUSTERS_MIN, CZ_CLUSTERS_MAX);
}

static enum cz_status check_layers(const struct cz_prune_layers *list,
                                   struct cz_error *err)
{
    if (!list->n_layers)
        return cz_error_set(err, CZ_EINVAL, "there is no Conv to cluster");
    for (size_t i = 0; i < list->n_targets; i++) {
        if (!list->targets[i].skipped)
            return CZ_OK;
    }
    return cz_error_set(err, CZ_EINVAL,
                        "the weights of none of the %zu Convs can be clustered "
                        "(the first, '%.200s': %s)",
                        list->n_layers, list->layers[0].name,
                        list->layers[0].skipped ? list->layers[0].skipped
                                                : list->targets[0].skipped);
}

/* ---- one tensor ------------------------------------------------------- */

static double variance_of(const float *weights, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)weights[i];
    for (size_t i = 0; i < n; i++) {
        const double off = (double)weights[i] - sum / (double)n;
        squares += off * off;
    }
    return squares / (double)n;
}

static void store(struct target *t, const struct cz_clusters *c,
                  const float *weights)
{
    struct cz_elements *e = &t->of->elements;
    const double variance = variance_of(weights, e->count);
    double change = 0;
    for (size_t i = 0; i < e->count; i++) {
        cz_elements_set(e, i, c->values[c->of[i]]);
        const double off = cz_elements_get(e, i) - (double)weights[i];
        change += off * off;
    }
    t->error = variance > 0 ? change / (double)e->count / variance : 0;
}

/* False when memory is short. */
static bool cluster(struct target *t, size_t most)
{
    const struct cz_elements *e = &t->of->elements;
    struct cz_clusters c = {.count = 0};
    float *weights = cz_calloc(e->count + 1, sizeof *weights);
    bool is_done = false;
    for (size_t i = 0; weights && i < e->count; i++)
        weights[i] = (float)cz_elements_get(e, i);
    if (weights &&
        cz_clusters_find(&c, weights, e->count, most, NULL) == CZ_OK) {
        t->values_before = t->values = c.distinct;
        is_done = true;
    }
    if (is_done && c.distinct > most) {
        store(t, &c, weights);
        t->values = cz_clusters_count(&c);
    }
    cz_clusters_fini(&c);
    cz_free(weights);
    return is_done;
}

/* ---- all of them ------------------------------------------------------ */

static void cluster_target(void *user, size_t i)
{
    struct clustering *run = user;
    struct target *t = &run->targets[i];
    if (atomic_load(&run->stopped) || atomic_load(&run->has_failed))
        return;
    if (!t->of->skipped && !cluster(t, run->options->clusters))
        atomic_store(&run->has_failed, true);
    const size_t done = atomic_fetch_add(&run->done, 1) + 1;
    if (pthread_equal(pthread_self(), run->owner) &&
        !cz_progress_tick(run->options->progress, "cluster", done,
                          run->n_targets))
        atomic_store(&run->stopped, true);
}

static enum cz_status cluster_all(struct clustering *run, struct cz_error *err)
{
    cz_parallel_for(run->n_targets, run->options->threads, cluster_target, run);
    for (size_t i = 0; i < run->n_targets; i++) { /* one thread: see onnx.h */
        if (run->targets[i].values != run->targets[i].values_before)
            cz_tensor_touch(run->targets[i].of->tensor);
    }
    if (atomic_load(&run->has_failed))
        return cz_error_nomem(err);
    if (atomic_load(&run->stopped))
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    return CZ_OK;
}

static enum cz_status fill_report(struct cz_cluster_report *report,
                                  const struct cz_prune_layers *list,
                                  const struct target *targets,
                                  struct cz_error *err)
{
    report->layers = cz_calloc(list->n_layers + 1, sizeof *report->layers);
    if (!report->layers)
        return cz_error_nomem(err);
    for (size_t i = 0; i < list->n_layers; i++) {
        const struct cz_prune_layer *from = &list->layers[i];
        const size_t at = list->target_of[i];
        const struct target *t = at == SIZE_MAX ? NULL : &targets[at];
        struct cz_cluster_layer *to = &report->layers[report->n_layers++];
        *to = (struct cz_cluster_layer){.name = from->name,
                                        .weight = from->weight,
                                        .weights = from->weights,
                                        .skipped = from->skipped};
        if (t && !to->skipped)
            to->skipped = t->of->skipped;
        report->n_clustered += !to->skipped;
        if (to->skipped)
            continue;
        to->values_before = t->values_before;
        to->values = t->values;
        to->error = t->error;
    }
    return CZ_OK;
}

static enum cz_status start(struct clustering *run,
                            const struct cz_prune_layers *list,
                            struct cz_error *err)
{
    run->targets = cz_calloc(list->n_targets + 1, sizeof *run->targets);
    if (!run->targets)
        return cz_error_nomem(err);
    run->n_targets = list->n_targets;
    for (size_t i = 0; i < list->n_targets; i++) {
        struct cz_prune_target *of = &list->targets[i];
        if (!of->skipped && of->elements.dtype == CZ_DTYPE_DOUBLE)
            of->skipped = "its weights are float64";
        run->targets[i].of = of;
    }
    CZ_TRY(check_layers(list, err));
    return cz_prune_layers_check(list, err);
}

enum cz_status cz_cluster_weights(struct cz_model *model,
                                  const struct cz_cluster_options *options,
                                  struct cz_cluster_report *report,
                                  struct cz_error *err)
{
    const struct cz_prune_options select = {.skip = options->skip,
                                            .n_skip = options->n_skip,
                                            .threads = options->threads};
    struct clustering run = {.options = options, .owner = pthread_self()};
    struct cz_prune_layers list;
    *report = (struct cz_cluster_report){.n_layers = 0};
    CZ_TRY(cz_cluster_check(options->clusters, err));
    enum cz_status status = cz_prune_layers_find(&list, model, &select, err);
    if (status == CZ_OK)
        status = start(&run, &list, err);
    if (status == CZ_OK)
        status = cluster_all(&run, err);
    if (status == CZ_OK)
        status = fill_report(report, &list, run.targets, err);
    cz_free(run.targets);
    cz_prune_layers_fini(&list);
    return status;
}
