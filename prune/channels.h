/* Structured pruning: whole channels go, and weights and activations get
 * smaller, in every runtime.
 *
 *     CZ_TRY(cz_channels_choose(&channels, model, &options, err));
 *     CZ_TRY(cz_channels_report(&report, channels, err));
 *     CZ_TRY(cz_channels_mask(channels, err));
 *     CZ_TRY(cz_recover_lsq(model, original, ...));         if wanted
 *     CZ_TRY(cz_channels_cut(channels, err));
 *     cz_channels_free(channels);
 *
 * Channels that operators couple (residuals, Concat, Split, depthwise Convs) go
 * together. Those that reach what is not known to keep channels apart (Reshape,
 * Softmax, MatMul, ...; inputs and outputs of the model) stay, so outputs keep
 * their shapes and their meaning. */
#ifndef CZ_PRUNE_CHANNELS_H
#define CZ_PRUNE_CHANNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/progress.h"
#include "engine/engine.h"
#include "onnx/onnx.h"

/* What a channel is worth. */
enum cz_channels_importance {
    /* Magnitudes of the weights that make it, to the mean of their layers (Li
     * et al., Pruning Filters for Efficient ConvNets, ICLR 2017). */
    CZ_CHANNELS_L1,
    /* What it adds to the outputs of the Convs that read it: the variance of
     * its share on the images, to that of the outputs. */
    CZ_CHANNELS_ENERGY,
    /* What is lost of those outputs when the channels that remain make up for
     * it as well as they can, each scaled as a whole (the selection of He et
     * al., Channel Pruning, ICCV 2017, section 3.1, step (i), by elimination
     * instead of LASSO). */
    CZ_CHANNELS_LSQ,
    /* Within a set of coupled channels as LSQ, which is all where each gives
     * the same share. Between sets, by what a quarter, a half and three
     * quarters of the set cost the whole model: they are taken out, the Convs
     * that read them make up for it by scales and biases, and `judge` says what
     * that loses. */
    CZ_CHANNELS_TRIAL,
    CZ_CHANNELS_IMPORTANCE_COUNT
};

/* "l1", "energy", "lsq", "trial" */
const char *cz_channels_importance_name(enum cz_channels_importance importance);

/* Which channels of a model go. */
struct cz_channels;

/* Says how much of the model as it was a changed one loses: 0 where it is the
 * same, else more, in any unit. */
struct cz_channels_judge {
    enum cz_status (*measure)(void *user, struct cz_model *model, double *lost,
                              struct cz_error *err);
    void *user;
};

struct cz_channels_options {
    enum cz_channels_importance importance;
    /* One of the two, the other one 0. */
    double ratio; /* (0, 1): the share of each set of coupled channels to go */
    double macs;  /* (0, 1): the share of the model's MACs to stay; channels go
                     where the least is lost for each MAC */
    /* Sets keep a multiple of it if they have `least_steps` times as many
     * channels, smaller ones one of its half, and so on. 1: any number. */
    size_t multiple, least_steps;
    /* [n_skip] patterns as in prune.h: Convs that keep all channels that they
     * make. Those that they read may go. */
    const char *const *skip;
    size_t n_skip;
    /* A choice for the same model, whose scores are taken; or NULL. */
    const struct cz_channels *like;
    /* For all but L1, as for cz_recover_lsq(). */
    const struct cz_images *images;
    struct cz_plan_options plan;
    size_t windows;                     /* of each image, at random places */
    struct cz_channels_judge judge;     /* for TRIAL by MACs */
    const struct cz_progress *progress; /* may be NULL */
};

#define CZ_CHANNELS_OPTIONS_INIT                                               \
    ((struct cz_channels_options){.importance = CZ_CHANNELS_TRIAL,             \
                                  .multiple = 8,                               \
                                  .least_steps = 4,                            \
                                  .plan = CZ_PLAN_OPTIONS_INIT,                \
                                  .windows = 256})

/* Chooses; nothing changes. The model must have its shapes inferred, and must
 * not be changed, but for its weights, before cz_channels_cut(). In case of
 * doubt the lower channel goes.
 *
 * CZ_EINVAL: an option outside its range; a pattern that names no Conv; a
 * weight that is NaN or infinite and not skipped; MACs that are not known, as
 * sizes are open; no channel of any Conv can go, with the reason of the first;
 * none goes by so small a ratio; the MACs cannot be reached while each set
 * keeps a quarter of its channels. CZ_EUNSUPPORTED: all but L1 without
 * OpenBLAS. Errors of plans, images and the judge. */
enum cz_status cz_channels_choose(struct cz_channels **channels,
                                  struct cz_model *model,
                                  const struct cz_channels_options *options,
                                  struct cz_error *err);
void cz_channels_free(struct cz_channels *channels);

/* Zeroes what will be cut: the rows of Convs that make these channels, with
 * their biases, and the columns of those that read them. Outputs are those that
 * the cut model gives. */
enum cz_status cz_channels_mask(struct cz_channels *channels,
                                struct cz_error *err);

/* Cuts them out of the model: weights, biases, constants and sizes get smaller,
 * and the declared shapes follow. IR version 3 becomes 4. `channels` can only
 * be freed afterwards; after an error, so can the model. */
enum cz_status cz_channels_cut(struct cz_channels *channels,
                               struct cz_error *err);

/* One Conv. */
struct cz_channels_layer {
    const char *name;      /* lives as long as the model */
    size_t before, after;  /* channels that it makes */
    size_t fixed;          /* of them, those that could not go */
    const char *reason;    /* why the first of those could not, or NULL */
    const char *needed_by; /* the node that needs it, or NULL: as "Reshape" */
    const char *needed_by_type;
};

struct cz_channels_report {
    struct cz_channels_layer *layers; /* [n_layers], in order of the graph */
    size_t n_layers;
    uint64_t macs_before, macs_after;
    uint64_t parameters_before, parameters_after;
};

/* Before the cut. End with _fini whatever the result. */
enum cz_status cz_channels_report(struct cz_channels_report *report,
                                  const struct cz_channels *channels,
                                  struct cz_error *err);
void cz_channels_report_fini(struct cz_channels_report *report);

#endif
