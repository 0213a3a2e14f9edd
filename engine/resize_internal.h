/* Resizing an array along some of its axes: what operators ask for. */
#ifndef CZ_ENGINE_RESIZE_INTERNAL_H
#define CZ_ENGINE_RESIZE_INTERNAL_H

#include "engine/plan_internal.h"

enum cz_resize_mode { CZ_RESIZE_NEAREST, CZ_RESIZE_LINEAR, CZ_RESIZE_CUBIC };

/* coordinate_transformation_mode: what position in the input an output
 * position means. */
enum cz_resize_position {
    CZ_POSITION_HALF_PIXEL,
    CZ_POSITION_HALF_PIXEL_SYMMETRIC,
    CZ_POSITION_PYTORCH_HALF_PIXEL,
    CZ_POSITION_ALIGN_CORNERS,
    CZ_POSITION_ASYMMETRIC,
    CZ_POSITION_TF_HALF_PIXEL_FOR_NN,
    CZ_POSITION_TF_CROP_AND_RESIZE
};

enum cz_resize_nearest {
    CZ_NEAREST_ROUND_PREFER_FLOOR,
    CZ_NEAREST_ROUND_PREFER_CEIL,
    CZ_NEAREST_FLOOR,
    CZ_NEAREST_CEIL,
    CZ_NEAREST_SIMPLE /* before opset 11: down when it grows, else up */
};

enum cz_resize_policy {
    CZ_POLICY_STRETCH,
    CZ_POLICY_NOT_LARGER,
    CZ_POLICY_NOT_SMALLER
};

struct cz_resize_axis {
    int64_t in, out;
    float scale;
    float roi_begin, roi_end; /* TF_CROP_AND_RESIZE: as fractions of `in` */
    bool is_kept;             /* every position is its own */
};

struct cz_resize_params {
    enum cz_resize_mode mode;
    enum cz_resize_position position;
    enum cz_resize_nearest nearest;
    enum cz_resize_policy policy;
    float cubic_a;
    float extrapolation; /* what lies outside, in TF_CROP_AND_RESIZE */
    bool exclude_outside, antialias;
    /* The axes that scales, sizes and roi speak of; all where there are none.
     */
    int64_t axes[CZ_RANK_MAX];
    size_t n_axes;
    /* Upsample-7 has them as an attribute. */
    float scales[CZ_RANK_MAX];
    size_t n_scales;
    struct cz_resize_axis axis[CZ_RANK_MAX]; /* set by shape() */
};

/* Resizes input 0 to output 0, whose dims are those of params->axis. */
void cz_resize_run(const struct cz_step *step, const struct cz_exec *exec);

#endif
