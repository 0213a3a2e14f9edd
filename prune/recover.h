/* What pruning took, given back by the weights that remain. */
#ifndef CZ_PRUNE_RECOVER_H
#define CZ_PRUNE_RECOVER_H

#include "core/progress.h"
#include "engine/engine.h"
#include "onnx/onnx.h"
#include "prune/l1.h"

/* Which weights of a layer are zero. */
enum cz_recover_mask {
    CZ_RECOVER_MASK_GIVEN, /* those that are */
    CZ_RECOVER_MASK_OBS,   /* as many, but those that the others make up for
                              best: see obs_internal.h */
};

struct cz_recover_options {
    struct cz_images images;
    struct cz_plan_options plan; /* threads, shapes */
    size_t windows;              /* of each image and layer, at random places
                                    that are the same in every run */
    double ridge; /* towards the weights as they were: see lsq_internal.h */
    enum cz_recover_mask mask;
    bool cuts; /* output channels without weights and bias will be cut out: they
                  are left as they are, and no errors */
    const struct cz_prune_options *prune; /* that it was pruned with: what it
                                             leaves alone stays as it is */
    size_t clusters; /* values that a layer may have, zero included, as in
                        cluster.h; 0: any number */
    const struct cz_progress *progress; /* may be NULL */
};

#define CZ_RECOVER_OPTIONS_INIT                                                \
    ((struct cz_recover_options){                                              \
        .plan = CZ_PLAN_OPTIONS_INIT, .windows = 256, .ridge = 0.003})

/* A Conv that pruning may touch, with zeros or to be clustered. */
struct cz_recover_layer {
    char *name;          /* owned */
    const char *skipped; /* why it was left as it was, or NULL */
    /* Mean squared errors of its outputs on the images, against those of the
     * original model, as shares of their variance. */
    double before, after;
    double clustered;     /* likewise with few values; else `after` */
    size_t values;        /* distinct ones, zero included; 0: not clustered */
    size_t outputs, kept; /* channels; those whose masked weights were best */
    bool is_deficient;    /* fewer windows than weights of an output channel:
                             the ridge decides */
};

struct cz_recover_report {
    struct cz_recover_layer *layers; /* [n_layers]; owned */
    size_t n_layers;
};

void cz_recover_report_fini(struct cz_recover_report *report);

/* Solves, for one Conv after the other, for those weights that are not zero in
 * `pruned`, and for its bias, so that its outputs come nearest to what it gives
 * in `original`: from the inputs that the network recovered so far gives it. An
 * output channel for which that is no better on the images keeps its weights;
 * with CZ_RECOVER_MASK_OBS, the layer its mask.
 *
 * With options->clusters each Conv gets at most so many values after that, also
 * one without zeros, whose weights are not solved for: of k-means, or fitted to
 * the same windows where that is better (see cluster_internal.h); zeros stay.
 * Those for which it cannot be done are reported as skipped:
 * cz_cluster_weights() does them afterwards, and leaves the others as they are.
 *
 * Both models are the same but for the weights, and have their shapes inferred.
 * All images go through one layer before any goes through the next one: memory
 * is that of what lives between two layers, times images, times two.
 *
 * CZ_EUNSUPPORTED: no OpenBLAS. CZ_EINVAL: nothing is zero, or to be clustered;
 * `clusters` as in cluster.h. Errors of plans and
 * images. End the report with _fini whatever the result. */
enum cz_status cz_recover_lsq(struct cz_model *pruned,
                              struct cz_model *original,
                              const struct cz_recover_options *options,
                              struct cz_recover_report *report,
                              struct cz_error *err);

#endif
