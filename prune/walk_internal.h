/* A network layer by layer: all calibration images wait before one convolution,
 * go through it, and wait before the next. Between two of them its weights may
 * change. */
#ifndef CZ_PRUNE_WALK_INTERNAL_H
#define CZ_PRUNE_WALK_INTERNAL_H

#include "engine/engine.h"
#include "onnx/onnx.h"
#include "prune/lsq_internal.h"

struct cz_walk;

struct cz_walk_options {
    struct cz_images images;
    struct cz_plan_options plan; /* threads, shapes */
    size_t windows;              /* of each image and layer, at random places
                                    that are the same in every run; half of
                                    them where the original sees something */
};

/* Puts the images before the first step. `pruned` may be NULL; else it is
 * `original` with other weights. Errors of plans and images; CZ_EINVAL where
 * the models differ in more than weights. Free it whatever the result. */
enum cz_status cz_walk_new(struct cz_walk **walk, struct cz_model *original,
                           struct cz_model *pruned,
                           const struct cz_walk_options *options,
                           struct cz_error *err);
void cz_walk_free(struct cz_walk *walk);

/* A convolution of the two models; without a pruned one both are the same. */
struct cz_walk_layer {
    size_t step;
    const char *name; /* until the weights change */
    struct cz_conv_view original, pruned;
    struct cz_lsq_shape shape;
    uint64_t macs; /* of a frame */
    /* Why its weights cannot be solved for, or NULL. */
    const char *skipped;
};

/* The next convolution from step `*step` on, and the step behind it; false when
 * there is none. */
bool cz_walk_next(struct cz_walk_layer *layer, size_t *step,
                  const struct cz_walk *walk);

/* Lets all images go to the layer, never back, and finds the moments of what
 * the pruned network gives it with what it makes in the original one: all of
 * `lsq` between _init and _fini. */
enum cz_status cz_walk_gather(struct cz_lsq *lsq, struct cz_walk *walk,
                              const struct cz_walk_layer *layer,
                              struct cz_error *err);

/* After the pruned model's weights have changed. */
enum cz_status cz_walk_renew(struct cz_walk *walk, struct cz_error *err);

#endif
