/* How much of each layer goes, when a share of all weights should. */
#ifndef CZ_PRUNE_SHARE_H
#define CZ_PRUNE_SHARE_H

#include "core/progress.h"
#include "engine/engine.h"
#include "prune/l1.h"

struct cz_share_options {
    struct cz_images images;
    struct cz_plan_options plan;          /* threads, shapes */
    size_t windows;                       /* of each image and layer */
    double ridge;                         /* as in recover.h */
    const struct cz_prune_options *prune; /* sparsity: of all Convs that are
                                             not skipped and have no rule */
    const struct cz_progress *progress;   /* may be NULL */
};

#define CZ_SHARE_OPTIONS_INIT                                                  \
    ((struct cz_share_options){                                                \
        .plan = CZ_PLAN_OPTIONS_INIT, .windows = 256, .ridge = 0.003})

/* Sparsities, from 0 on in steps of 1 %, at which losses are known. */
#define CZ_SHARE_POINTS 101

struct cz_share_layer {
    char *weight;    /* name of the tensor; owned */
    size_t weights;  /* in it */
    uint64_t macs;   /* of a frame */
    double sparsity; /* its share; with N:M 0 where it stays dense */
    /* What the outputs' mean squared error becomes, the remaining weights
     * having made up for those that went, as a share of their variance. */
    double losses[CZ_SHARE_POINTS];
};

struct cz_share {
    struct cz_share_layer *layers; /* [n_layers] in the order of the steps */
    size_t n_layers;
};

void cz_share_fini(struct cz_share *share);

/* Of the MACs of all Convs that could have N:M sparsity, those of Convs that
 * stay dense, at most. */
#define CZ_SHARE_DENSE 0.25

/* Chooses the sparsities of the Convs of `model`, whose shapes are inferred, so
 * that the sum of their losses is least: of all weights prune->sparsity goes.
 * With N:M, those Convs stay dense whose loss is greatest for their MACs, until
 * they have CZ_SHARE_DENSE of all. Losses are estimated from some output
 * channels of each layer (see obs_internal.h), with the inputs that the model
 * gives it. Convs whose losses cannot be told, as shared ones, are not listed:
 * they get options->prune->sparsity.
 *
 * CZ_EUNSUPPORTED: no OpenBLAS. Errors of cz_prune_l1()'s options, plans and
 * images. End with _fini whatever the result. */
enum cz_status cz_share_find(struct cz_share *share, struct cz_model *model,
                             const struct cz_share_options *options,
                             struct cz_error *err);

/* The layer with this weight, or NULL. */
const struct cz_share_layer *cz_share_of(const struct cz_share *share,
                                         const char *weight);

#endif
