/* L1 unstructured pruning, layer by layer or over the whole model. */
#include "prune/l1.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "prune/layers_internal.h"
#include "prune/nm_internal.h"
#include "prune/select_internal.h"

static size_t share(double sparsity, size_t count)
{
    return (size_t)rint(sparsity * (double)count);
}

/* Is the target pruned on its own, not over all layers together? */
static bool is_own(const struct cz_prune_target *target,
                   const struct cz_prune_options *options)
{
    return options->scope == CZ_PRUNE_LAYER || options->nm.m ||
           target->has_rule;
}

/* ---- checks before anything changes ----------------------------------- */

/* How many weights have to be zero, and how many have still to become so. */
static void count_goal(const struct cz_prune_layers *list,
                       const struct cz_prune_options *options, size_t *goal,
                       size_t *missing)
{
    size_t weights = 0, zeros = 0;
    *goal = *missing = 0;
    for (size_t i = 0; i < list->n_targets; i++) {
        const struct cz_prune_target *t = &list->targets[i];
        if (t->skipped)
            continue;
        if (!is_own(t, options)) {
            weights += t->elements.count;
            zeros += t->zeros_before;
            continue;
        }
        size_t k = share(t->sparsity, t->elements.count);
        *goal += k;
        *missing += k > t->zeros_before ? k - t->zeros_before : 0;
    }
    size_t k = share(options->sparsity, weights);
    *goal += k;
    *missing += k > zeros ? k - zeros : 0;
}

static enum cz_status check_any(const struct cz_prune_layers *list,
                                struct cz_error *err)
{
    bool any = false;
    for (size_t i = 0; i < list->n_targets; i++)
        any |= !list->targets[i].skipped;
    if (!list->n_layers)
        return cz_error_set(err, CZ_EINVAL, "there is no Conv to prune");
    if (!any)
        return cz_error_set(err, CZ_EINVAL,
                            "none of the %zu Convs can be pruned (the first, "
                            "'%.200s': %s)",
                            list->n_layers, list->layers[0].name,
                            list->layers[0].skipped);
    return CZ_OK;
}

static enum cz_status check_goal(const struct cz_prune_layers *list,
                                 const struct cz_prune_options *options,
                                 struct cz_error *err)
{
    size_t goal, missing;
    CZ_TRY(check_any(list, err));
    count_goal(list, options, &goal, &missing);
    if (goal && !missing && !options->nm.m) /* the zeros may lie elsewhere */
        return cz_error_set(err, CZ_EINVAL,
                            "is pruned already: its Convs hold the %zu zeros "
                            "that are asked for; ask for more, or leave "
                            "--prune out",
                            goal);
    return CZ_OK;
}

/* ---- pruning ---------------------------------------------------------- */

struct layer_run {
    struct cz_prune_target **targets; /* largest first */
    size_t n_targets;
    const struct cz_prune_nm *nm;
    const struct cz_progress *progress;
    pthread_t owner; /* the thread that may call progress */
    atomic_size_t done;
    atomic_bool stopped;
};

static void prune_target(void *user, size_t i)
{
    struct layer_run *run = user;
    struct cz_prune_target *t = run->targets[i];
    if (atomic_load(&run->stopped))
        return;
    size_t k = share(t->sparsity, t->elements.count);
    if (run->nm->m) {
        t->zeros = cz_nm_zero(&t->elements, t->tensor, run->nm);
    } else if (k > t->zeros_before) {
        struct cz_selection selection = cz_select_smallest(&t->elements, 1, k);
        t->zeros = cz_select_zero(&t->elements, &selection);
    }
    size_t done = atomic_fetch_add(&run->done, 1) + 1;
    if (pthread_equal(pthread_self(), run->owner) &&
        !cz_progress_tick(run->progress, "prune", done, run->n_targets))
        atomic_store(&run->stopped, true);
}

static int by_falling_size(const void *a, const void *b)
{
    size_t x = (*(struct cz_prune_target *const *)a)->elements.count;
    size_t y = (*(struct cz_prune_target *const *)b)->elements.count;
    return (x < y) - (x > y);
}

static enum cz_status prune_own(struct cz_prune_layers *list,
                                const struct cz_prune_options *options,
                                struct cz_error *err)
{
    struct layer_run run = {.nm = &options->nm,
                            .progress = options->progress,
                            .owner = pthread_self()};
    run.targets = cz_realloc_array(NULL, list->n_targets, sizeof *run.targets);
    if (!run.targets)
        return cz_error_nomem(err);
    for (size_t i = 0; i < list->n_targets; i++) {
        struct cz_prune_target *t = &list->targets[i];
        if (!t->skipped && is_own(t, options))
            run.targets[run.n_targets++] = t;
    }
    qsort(run.targets, run.n_targets, sizeof *run.targets, by_falling_size);
    cz_parallel_for(run.n_targets, options->threads, prune_target, &run);
    for (size_t i = 0; i < run.n_targets; i++) { /* in one thread: see onnx.h */
        if (run.targets[i]->zeros != run.targets[i]->zeros_before)
            cz_tensor_touch(run.targets[i]->tensor);
    }
    cz_free(run.targets);
    if (atomic_load(&run.stopped))
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    return CZ_OK;
}

static enum cz_status prune_together(struct cz_prune_layers *list,
                                     const struct cz_prune_options *options,
                                     struct cz_error *err)
{
    struct cz_elements *tensors =
        cz_realloc_array(NULL, list->n_targets, sizeof *tensors);
    size_t n_tensors = 0, weights = 0, zeros = 0;
    if (!tensors)
        return cz_error_nomem(err);
    for (size_t i = 0; i < list->n_targets; i++) {
        const struct cz_prune_target *t = &list->targets[i];
        if (t->skipped || is_own(t, options))
            continue;
        tensors[n_tensors++] = t->elements;
        weights += t->elements.count;
        zeros += t->zeros_before;
    }
    size_t k = share(options->sparsity, weights);
    if (k > zeros) {
        struct cz_selection selection =
            cz_select_smallest(tensors, n_tensors, k);
        for (size_t i = 0; i < list->n_targets; i++) {
            struct cz_prune_target *t = &list->targets[i];
            if (t->skipped || is_own(t, options))
                continue;
            t->zeros = cz_select_zero(&t->elements, &selection);
            cz_tensor_touch(t->tensor);
        }
    }
    cz_free(tensors);
    return CZ_OK;
}

enum cz_status cz_prune_l1(struct cz_model *model,
                           const struct cz_prune_options *options,
                           struct cz_prune_report *report, struct cz_error *err)
{
    struct cz_prune_layers list;
    *report = (struct cz_prune_report){.layers = NULL};
    enum cz_status status = cz_prune_layers_find(&list, model, options, err);
    if (status == CZ_OK)
        status = cz_prune_layers_check(&list, err);
    if (status == CZ_OK)
        status = check_goal(&list, options, err);
    if (status == CZ_OK)
        status = prune_own(&list, options, err);
    if (status == CZ_OK)
        status = prune_together(&list, options, err);
    if (status == CZ_OK)
        cz_prune_layers_report(&list, report);
    cz_prune_layers_fini(&list);
    return status;
}

enum cz_status cz_prune_check(struct cz_model *model,
                              const struct cz_prune_options *options,
                              struct cz_error *err)
{
    const bool zeroes =
        options->sparsity > 0 || options->n_rules || options->nm.m;
    struct cz_prune_layers list;
    enum cz_status status = cz_prune_layers_find(&list, model, options, err);
    if (status == CZ_OK && zeroes)
        status = check_any(&list, err);
    cz_prune_layers_fini(&list);
    return status;
}

enum cz_status cz_prune_inspect(struct cz_model *model, size_t threads,
                                struct cz_prune_report *report,
                                struct cz_error *err)
{
    const struct cz_prune_options options = {.threads = threads};
    struct cz_prune_layers list;
    *report = (struct cz_prune_report){.layers = NULL};
    enum cz_status status = cz_prune_layers_find(&list, model, &options, err);
    if (status == CZ_OK)
        cz_prune_layers_report(&list, report);
    cz_prune_layers_fini(&list);
    return status;
}

void cz_prune_report_fini(struct cz_prune_report *report)
{
    cz_free(report->layers);
    *report = (struct cz_prune_report){.layers = NULL};
}
