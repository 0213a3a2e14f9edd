/* Which Convs there are, which of them pruning may touch, and what their
 * tensors hold. */
#include "prune/layers_internal.h"

#include <fnmatch.h>
#include <math.h>
#include <stdint.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "prune/nm_internal.h"
#include "prune/select_internal.h"
#include "prune/share.h"

/* ---- the list --------------------------------------------------------- */

static enum cz_status grow_layers(struct cz_prune_layers *list,
                                  struct cz_error *err)
{
    size_t capacity = list->layer_capacity;
    struct cz_prune_layer *layers =
        cz_array_grow(list->layers, list->n_layers, &capacity, sizeof *layers);
    if (!layers)
        return cz_error_nomem(err);
    list->layers = layers;
    size_t *target_of = cz_array_grow(list->target_of, list->n_layers,
                                      &list->layer_capacity, sizeof *target_of);
    if (!target_of)
        return cz_error_nomem(err);
    list->target_of = target_of;
    return CZ_OK;
}

static enum cz_status find_target(size_t *index, struct cz_prune_layers *list,
                                  const struct cz_value *value,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    struct cz_tensor *tensor = value->constant;
    for (size_t i = 0; i < list->n_targets; i++) {
        if (list->targets[i].tensor == tensor) {
            *index = i;
            return CZ_OK;
        }
    }
    struct cz_prune_target *targets =
        cz_array_grow(list->targets, list->n_targets, &list->target_capacity,
                      sizeof *targets);
    if (!targets)
        return cz_error_nomem(err);
    list->targets = targets;
    *index = list->n_targets++;
    targets[*index] = (struct cz_prune_target){
        .tensor = tensor, .name = value->name, .node = node, .sparsity = 1};
    if (value->is_output || cz_weight_other_reader(value))
        targets[*index].skipped = "read by other operators too";
    return cz_tensor_elements(tensor, &targets[*index].elements, err);
}

/* ---- options ---------------------------------------------------------- */

static bool matches(const char *pattern, const struct cz_prune_layer *layer)
{
    return fnmatch(pattern, layer->name, 0) == 0 ||
           fnmatch(pattern, layer->weight, 0) == 0;
}

bool cz_prune_is_named(const struct cz_prune_layer *layer,
                       const struct cz_prune_options *options)
{
    for (size_t i = 0; i < options->n_skip; i++) {
        if (matches(options->skip[i], layer))
            return true;
    }
    return false;
}

static enum cz_status check_sparsity(double sparsity, struct cz_error *err)
{
    if (sparsity >= 0 && sparsity < 1)
        return CZ_OK;
    return cz_error_set(err, CZ_EINVAL, "sparsity %g is outside 0 <= p < 1",
                        sparsity);
}

static enum cz_status check_pattern(const struct cz_prune_layers *list,
                                    const char *pattern, struct cz_error *err)
{
    for (size_t i = 0; i < list->n_layers; i++) {
        if (matches(pattern, &list->layers[i]))
            return CZ_OK;
    }
    return cz_error_set(err, CZ_EINVAL,
                        "pattern '%s' matches no Conv; `compress inspect` "
                        "lists their names",
                        pattern);
}

static enum cz_status check_options(const struct cz_prune_layers *list,
                                    const struct cz_prune_options *options,
                                    struct cz_error *err)
{
    const struct cz_prune_nm *nm = &options->nm;
    CZ_TRY(check_sparsity(options->sparsity, err));
    if (nm->m && (nm->n < 1 || nm->n >= nm->m || nm->m > CZ_PRUNE_NM_MAX))
        return cz_error_set(err, CZ_EINVAL,
                            "%zu:%zu sparsity: want N:M with 0 < N < M <= %d, "
                            "such as 2:4",
                            nm->n, nm->m, CZ_PRUNE_NM_MAX);
    for (size_t i = 0; i < options->n_rules; i++) {
        CZ_TRY(check_sparsity(options->rules[i].sparsity, err));
        CZ_TRY(check_pattern(list, options->rules[i].pattern, err));
    }
    for (size_t i = 0; i < options->n_skip; i++)
        CZ_TRY(check_pattern(list, options->skip[i], err));
    return CZ_OK;
}

/* What the options say of one layer. */
static void apply_options(struct cz_prune_layer *layer,
                          struct cz_prune_target *target,
                          const struct cz_prune_options *options)
{
    bool has_rule = false;
    const struct cz_share_layer *share =
        options->share ? cz_share_of(options->share, layer->weight) : NULL;
    layer->sparsity = share ? share->sparsity : options->sparsity;
    if (options->nm.m && share && share->sparsity == 0 && !layer->skipped)
        layer->skipped = "dense: it would cost most";
    if (options->nm.m)
        layer->sparsity = 1 - (double)options->nm.n / (double)options->nm.m;
    for (size_t i = 0; i < options->n_rules; i++) {
        if (matches(options->rules[i].pattern, layer)) {
            layer->sparsity = options->rules[i].sparsity;
            has_rule = true;
        }
    }
    if (!layer->skipped && cz_prune_is_named(layer, options))
        layer->skipped = "asked for";
    if (!target)
        return;
    target->has_rule |= has_rule;
    if (layer->sparsity < target->sparsity)
        target->sparsity = layer->sparsity;
    if (layer->skipped && !target->skipped)
        target->skipped = layer->skipped;
}

/* ---- the graph -------------------------------------------------------- */

struct collector {
    struct cz_prune_layers *list;
    const struct cz_prune_options *options;
    struct cz_error *err;
};

static const char *why_not_constant(const struct cz_node *node)
{
    const struct cz_value *weight = cz_node_input(node, 1);
    if (weight && weight->producer &&
        cz_node_is(weight->producer, "DequantizeLinear"))
        return "quantized weights";
    return "weights are computed";
}

static enum cz_status collect(void *user, struct cz_node *node)
{
    struct collector *c = user;
    struct cz_prune_layers *list = c->list;
    struct cz_value *value;
    if (!cz_node_is(node, "Conv"))
        return CZ_OK;
    CZ_TRY(grow_layers(list, c->err));
    size_t at = list->n_layers++;
    struct cz_tensor *tensor = cz_node_weight(node, &value);
    list->layers[at] = (struct cz_prune_layer){
        .node = node,
        .name = cz_node_label(node),
        .weight = value ? value->name : "",
    };
    list->target_of[at] = SIZE_MAX;
    if (!tensor) {
        list->layers[at].skipped = why_not_constant(node);
        return CZ_OK;
    }
    list->layers[at].weights = tensor->count;
    if (!c->options->prune_dfl && cz_node_is_dfl(node))
        list->layers[at].skipped = "DFL";
    else if (c->options->nm.m && !cz_nm_fits(tensor, c->options->nm.m))
        list->layers[at].skipped = "input channels do not divide";
    return find_target(&list->target_of[at], list, value, node, c->err);
}

static void count_target(void *user, size_t i)
{
    struct cz_prune_target *target = &((struct cz_prune_target *)user)[i];
    struct cz_weight_counts counts = cz_count_weights(&target->elements);
    target->zeros_before = target->zeros = counts.zeros;
    target->first_bad = counts.first_bad;
}

enum cz_status cz_prune_layers_find(struct cz_prune_layers *list,
                                    struct cz_model *model,
                                    const struct cz_prune_options *options,
                                    struct cz_error *err)
{
    *list = (struct cz_prune_layers){.layers = NULL};
    struct collector collector = {list, options, err};
    CZ_TRY(cz_graph_visit(cz_model_graph(model), collect, &collector));
    CZ_TRY(check_options(list, options, err));
    for (size_t i = 0; i < list->n_layers; i++) {
        size_t t = list->target_of[i];
        apply_options(&list->layers[i],
                      t == SIZE_MAX ? NULL : &list->targets[t], options);
    }
    cz_parallel_for(list->n_targets, options->threads, count_target,
                    list->targets);
    return CZ_OK;
}

const struct cz_prune_target *
cz_prune_layers_target(const struct cz_prune_layers *list,
                       const struct cz_tensor *tensor)
{
    for (size_t i = 0; i < list->n_targets; i++) {
        const struct cz_prune_target *target = &list->targets[i];
        if (target->tensor == tensor)
            return target->skipped ? NULL : target;
    }
    return NULL;
}

enum cz_status cz_prune_layers_check(const struct cz_prune_layers *list,
                                     struct cz_error *err)
{
    for (size_t i = 0; i < list->n_targets; i++) {
        const struct cz_prune_target *t = &list->targets[i];
        if (t->skipped || t->first_bad == t->elements.count)
            continue;
        double bad = cz_elements_get(&t->elements, t->first_bad);
        return cz_error_set(err, CZ_EINVAL,
                            "Conv '%.200s': weight %zu is %s, want a finite "
                            "number",
                            cz_node_label(t->node), t->first_bad,
                            isnan(bad) ? "NaN" : "infinite");
    }
    return CZ_OK;
}

void cz_prune_layers_fini(struct cz_prune_layers *list)
{
    cz_free(list->layers);
    cz_free(list->target_of);
    cz_free(list->targets);
    *list = (struct cz_prune_layers){.layers = NULL};
}

void cz_prune_layers_report(struct cz_prune_layers *list,
                            struct cz_prune_report *report)
{
    for (size_t i = 0; i < list->n_layers; i++) {
        struct cz_prune_layer *layer = &list->layers[i];
        if (list->target_of[i] != SIZE_MAX) {
            const struct cz_prune_target *target =
                &list->targets[list->target_of[i]];
            layer->zeros_before = target->zeros_before;
            layer->zeros = target->zeros;
            if (!layer->skipped)
                layer->skipped = target->skipped;
        }
        report->n_pruned += !layer->skipped;
    }
    for (size_t i = 0; i < list->n_targets; i++) {
        report->weights += list->targets[i].elements.count;
        report->zeros_before += list->targets[i].zeros_before;
        report->zeros += list->targets[i].zeros;
    }
    report->layers = list->layers;
    report->n_layers = list->n_layers;
    list->layers = NULL;
}
