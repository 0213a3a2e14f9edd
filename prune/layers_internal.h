/* The Convs of a model as pruning sees them. */
#ifndef CZ_PRUNE_LAYERS_INTERNAL_H
#define CZ_PRUNE_LAYERS_INTERNAL_H

#include "prune/l1.h"

/* A tensor of weights that one or more Convs read. */
struct cz_prune_target {
    struct cz_tensor *tensor;
    const char *name; /* of it; lives as long as the model */
    struct cz_elements elements;
    const struct cz_node *node; /* the first Conv that reads it */
    const char *skipped;        /* why none of them may be pruned, or NULL */
    double sparsity;            /* the smallest that they ask for */
    bool has_rule;              /* some Conv has a rule of its own */
    size_t zeros_before, zeros;
    size_t first_bad; /* index of the first NaN or infinity, or the count */
};

struct cz_prune_layers {
    struct cz_prune_layer *layers; /* [n_layers], in order of the graph */
    size_t *target_of;             /* [n_layers], SIZE_MAX: no constant */
    size_t n_layers, layer_capacity;
    struct cz_prune_target *targets; /* [n_targets] */
    size_t n_targets, target_capacity;
};

/* Lists the Convs, applies skip and rules, finds shared tensors, and counts
 * zeros, NaNs and infinities. Ends with cz_prune_layers_fini(), also after an
 * error. */
enum cz_status cz_prune_layers_find(struct cz_prune_layers *list,
                                    struct cz_model *model,
                                    const struct cz_prune_options *options,
                                    struct cz_error *err);

/* The weights, where pruning may touch them; else NULL. */
const struct cz_prune_target *
cz_prune_layers_target(const struct cz_prune_layers *list,
                       const struct cz_tensor *tensor);

/* Does a pattern of `skip` name the layer? */
bool cz_prune_is_named(const struct cz_prune_layer *layer,
                       const struct cz_prune_options *options);

/* CZ_EINVAL where a weight that is not skipped is NaN or infinite. */
enum cz_status cz_prune_layers_check(const struct cz_prune_layers *list,
                                     struct cz_error *err);

void cz_prune_layers_fini(struct cz_prune_layers *list);

/* Fills `report` from the list, whose layers it takes over. */
void cz_prune_layers_report(struct cz_prune_layers *list,
                            struct cz_prune_report *report);

#endif
