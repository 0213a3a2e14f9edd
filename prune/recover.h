/* What pruning took, given back by the weights that remain. */
#ifndef CZ_PRUNE_RECOVER_H
#define CZ_PRUNE_RECOVER_H

#include "core/progress.h"
#include "engine/engine.h"
#include "onnx/onnx.h"

struct cz_recover_options {
    struct cz_images images;
    struct cz_plan_options plan; /* threads, shapes */
    size_t windows;              /* of each image, at random places */
    double ridge; /* towards the weights as they were: see lsq_internal.h */
    const struct cz_progress *progress; /* may be NULL */
};

#define CZ_RECOVER_OPTIONS_INIT                                                \
    ((struct cz_recover_options){                                              \
        .plan = CZ_PLAN_OPTIONS_INIT, .windows = 256, .ridge = 0.003})

struct cz_recover_layer {
    const char *name;    /* of the Conv; lives as long as the pruned model */
    const char *skipped; /* why it was left alone, or NULL */
    /* Mean squared errors of its outputs on the images, to their variance. */
    double before, after;
    size_t outputs, kept; /* channels; those whose masked weights stay */
    bool is_deficient;    /* fewer windows than unknowns: the ridge decides */
};

struct cz_recover_report {
    struct cz_recover_layer *layers; /* [n_layers], those with zeros; owned */
    size_t n_layers;
};

void cz_recover_report_fini(struct cz_recover_report *report);

/* Solves, for one Conv after the other, for those weights that are not zero in
 * `pruned`, and for its bias, so that its outputs come nearest to what it gives
 * in `original`: from the inputs that the network recovered so far gives it.
 * Both models are the same but for the weights, and have their shapes inferred.
 *
 * All images go through one layer before any goes through the next one: memory
 * is that of what lives between two layers, times images, times two.
 *
 * CZ_EUNSUPPORTED: no OpenBLAS. Errors of plans and images. End the report with
 * _fini whatever the result. */
enum cz_status cz_recover_lsq(struct cz_model *pruned,
                              struct cz_model *original,
                              const struct cz_recover_options *options,
                              struct cz_recover_report *report,
                              struct cz_error *err);

#endif
