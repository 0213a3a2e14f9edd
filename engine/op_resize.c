/* Resize and Upsample: their attributes, and the sizes that scales, sizes and
 * regions of interest lead to. The arithmetic is in resize.c. */
#include <inttypes.h>
#include <math.h>

#include "engine/attr_internal.h"
#include "engine/resize_internal.h"

/* ---- attributes ------------------------------------------------------- */

static enum cz_status read_mode(const struct cz_attrs *attrs,
                                struct cz_resize_params *p)
{
    static const char *const words[] = {"nearest", "linear", "cubic",
                                        "bilinear", NULL};
    size_t word = 0;
    CZ_TRY(cz_attrs_word(attrs, "mode", words, &word));
    p->mode = word == 3 ? CZ_RESIZE_LINEAR : (enum cz_resize_mode)word;
    return CZ_OK;
}

static enum cz_status read_position(const struct cz_attrs *attrs,
                                    struct cz_resize_params *p)
{
    static const char *const positions[] = {
        "half_pixel",         "half_pixel_symmetric",
        "pytorch_half_pixel", "align_corners",
        "asymmetric",         "tf_half_pixel_for_nn",
        "tf_crop_and_resize", NULL};
    static const char *const nearest[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    size_t word = CZ_POSITION_HALF_PIXEL;
    CZ_TRY(cz_attrs_word(attrs, "coordinate_transformation_mode", positions,
                         &word));
    p->position = (enum cz_resize_position)word;
    word = CZ_NEAREST_ROUND_PREFER_FLOOR;
    CZ_TRY(cz_attrs_word(attrs, "nearest_mode", nearest, &word));
    p->nearest = (enum cz_resize_nearest)word;
    return CZ_OK;
}

static enum cz_status read_policy(const struct cz_attrs *attrs,
                                  struct cz_resize_params *p)
{
    static const char *const words[] = {"stretch", "not_larger", "not_smaller",
                                        NULL};
    struct cz_attrs_list axes = {
        p->axes, CZ_RANK_MAX, {-CZ_RANK_MAX, CZ_RANK_MAX - 1}};
    size_t word = CZ_POLICY_STRETCH;
    CZ_TRY(cz_attrs_word(attrs, "keep_aspect_ratio_policy", words, &word));
    p->policy = (enum cz_resize_policy)word;
    CZ_TRY(cz_attrs_bool(attrs, "antialias", &p->antialias));
    return cz_attrs_ints(attrs, "axes", axes, &p->n_axes);
}

static enum cz_status parse_resize(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct cz_resize_params *p = step->params;
    p->cubic_a = -0.75f;
    CZ_TRY(read_mode(&attrs, p));
    CZ_TRY(read_position(&attrs, p));
    CZ_TRY(read_policy(&attrs, p));
    CZ_TRY(cz_attrs_float(&attrs, "cubic_coeff_a", &p->cubic_a));
    CZ_TRY(cz_attrs_float(&attrs, "extrapolation_value", &p->extrapolation));
    return cz_attrs_bool(&attrs, "exclude_outside", &p->exclude_outside);
}

/* Upsample, and Resize before opset 11. */
static enum cz_status parse_simple(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct cz_resize_params *p = step->params;
    p->position = CZ_POSITION_ASYMMETRIC;
    p->nearest = CZ_NEAREST_SIMPLE;
    CZ_TRY(read_mode(&attrs, p));
    if (p->mode == CZ_RESIZE_CUBIC)
        return cz_step_unsupported(step, err, "mode is 'cubic'");
    return CZ_OK;
}

static enum cz_status parse_upsample_7(struct cz_step *step,
                                       const struct cz_node *node,
                                       struct cz_error *err)
{
    struct cz_resize_params *p = step->params;
    const struct cz_attr *attr = cz_node_attr(node, "scales");
    CZ_TRY(parse_simple(step, node, err));
    if (!attr || attr->kind != CZ_ATTR_FLOATS)
        return cz_step_error(step, err, "no 'scales' of floats");
    if (attr->count > CZ_RANK_MAX)
        return cz_step_error(step, err, "'scales' has %zu numbers",
                             attr->count);
    p->n_scales = attr->count;
    for (size_t i = 0; i < attr->count; i++)
        p->scales[i] = attr->floats[i];
    return CZ_OK;
}

/* ---- operands --------------------------------------------------------- */

/* The known numbers of an input of floats; a count of 0 where it is left out
 * or empty. */
struct floats {
    float x[2 * CZ_RANK_MAX];
    size_t count;
    bool is_known;
};

static enum cz_status read_floats(struct floats *f, const struct cz_step *step,
                                  size_t i, struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    *f = (struct floats){.is_known = true};
    if (!array || (!array->is_dynamic && cz_array_count(array) == 0))
        return CZ_OK;
    f->is_known = array->known != NULL;
    if (!f->is_known)
        return CZ_OK;
    bool is_float = array->dtype == CZ_DTYPE_FLOAT;
    if (!is_float && array->dtype != CZ_DTYPE_DOUBLE)
        return cz_step_error(step, err, "input %zu is %s, want float32", i,
                             cz_dtype_name(array->dtype));
    f->count = cz_array_count(array);
    if (f->count > 2 * CZ_RANK_MAX)
        return cz_step_error(step, err, "input %zu has %zu numbers", i,
                             f->count);
    for (size_t k = 0; k < f->count; k++)
        f->x[k] = is_float ? ((const float *)array->known)[k]
                           : (float)((const double *)array->known)[k];
    return CZ_OK;
}

/* Everything that tells the size of the output. */
struct request {
    const struct cz_step *step;
    struct cz_resize_params *params;
    size_t axes[CZ_RANK_MAX], n_axes;
    struct floats roi, scales;
    int64_t sizes[CZ_RANK_MAX];
    size_t n_sizes;
    bool is_known;
};

/* scales: the input that holds them; behind it may be sizes, before it roi. */
static enum cz_status read_operands(struct request *q, size_t scales,
                                    struct cz_error *err)
{
    const struct cz_resize_params *p = q->params;
    struct cz_int_room sizes = {.ints = q->sizes, .capacity = CZ_RANK_MAX};
    q->is_known = true;
    if (p->n_scales) {
        q->scales = (struct floats){.count = p->n_scales, .is_known = true};
        for (size_t i = 0; i < p->n_scales; i++)
            q->scales.x[i] = p->scales[i];
        return CZ_OK;
    }
    CZ_TRY(read_floats(&q->scales, q->step, scales, err));
    CZ_TRY(cz_step_ints(&sizes, q->step, scales + 1, err));
    q->n_sizes = sizes.count;
    q->is_known = q->scales.is_known && sizes.is_known;
    if (p->position != CZ_POSITION_TF_CROP_AND_RESIZE)
        return CZ_OK;
    CZ_TRY(read_floats(&q->roi, q->step, 1, err));
    q->is_known &= q->roi.is_known;
    return CZ_OK;
}

/* ---- sizes ------------------------------------------------------------ */

static enum cz_status read_axes(struct request *q, size_t rank,
                                struct cz_error *err)
{
    const struct cz_resize_params *p = q->params;
    bool seen[CZ_RANK_MAX] = {false};
    q->n_axes = p->n_axes ? p->n_axes : rank;
    for (size_t i = 0; i < q->n_axes; i++) {
        int64_t number = p->n_axes ? p->axes[i] : (int64_t)i;
        CZ_TRY(cz_step_axis(q->step, number, rank, &q->axes[i], err));
        if (seen[q->axes[i]])
            return cz_step_error(q->step, err, "axis %zu is there twice",
                                 q->axes[i]);
        seen[q->axes[i]] = true;
    }
    return CZ_OK;
}

static enum cz_status check_counts(const struct request *q,
                                   struct cz_error *err)
{
    size_t given = q->n_sizes ? q->n_sizes : q->scales.count;
    if (q->n_sizes && q->scales.count)
        return cz_step_error(q->step, err, "both scales and sizes are given");
    if (given != q->n_axes)
        return cz_step_error(q->step, err, "%zu %s for %zu dimensions", given,
                             q->n_sizes ? "sizes" : "scales", q->n_axes);
    if (q->params->position == CZ_POSITION_TF_CROP_AND_RESIZE &&
        q->roi.count != 2 * q->n_axes)
        return cz_step_error(q->step, err, "roi has %zu numbers, want %zu",
                             q->roi.count, 2 * q->n_axes);
    for (size_t i = 0; i < q->roi.count; i++) {
        if (!(fabsf(q->roi.x[i]) <= 1e6f))
            return cz_step_error(q->step, err, "roi holds %g",
                                 (double)q->roi.x[i]);
    }
    return CZ_OK;
}

/* The size of an axis, floor(in * scale) as a product in float32. */
static enum cz_status scale_axis(const struct request *q,
                                 struct cz_resize_axis *a, float scale,
                                 struct cz_error *err)
{
    float in = (float)a->in * (a->roi_end - a->roi_begin);
    float out = in * scale;
    if (!(scale > 0 && scale <= 1e9f))
        return cz_step_error(q->step, err, "a scale is %g, want more than 0",
                             (double)scale);
    if (!(out >= 0 && out < (float)INT32_MAX))
        return cz_step_error(q->step, err, "%g times %" PRId64 " elements",
                             (double)scale, a->in);
    a->scale = scale;
    a->out = (int64_t)out;
    return CZ_OK;
}

/* The one scale that keeps the aspect ratio. */
static float common_scale(const struct request *q)
{
    const bool larger = q->params->policy == CZ_POLICY_NOT_SMALLER;
    float scale = 0;
    for (size_t i = 0; i < q->n_axes; i++) {
        const struct cz_resize_axis *a = &q->params->axis[q->axes[i]];
        float own = a->in ? (float)q->sizes[i] / (float)a->in : 1;
        if (i == 0 || (larger ? own > scale : own < scale))
            scale = own;
    }
    return scale;
}

static enum cz_status size_axes(const struct request *q, struct cz_error *err)
{
    const bool stretch = q->params->policy == CZ_POLICY_STRETCH;
    for (size_t i = 0; i < q->n_axes; i++) {
        if (q->sizes[i] < 0 || q->sizes[i] > INT32_MAX)
            return cz_step_error(q->step, err, "a size is %" PRId64,
                                 q->sizes[i]);
    }
    float common = stretch ? 1 : common_scale(q);
    for (size_t i = 0; i < q->n_axes; i++) {
        struct cz_resize_axis *a = &q->params->axis[q->axes[i]];
        a->out = q->sizes[i];
        a->scale = a->in ? (float)a->out / (float)a->in : 1;
        if (stretch)
            continue;
        float out = roundf(common * (float)a->in);
        if (!(out < (float)INT32_MAX))
            return cz_step_error(q->step, err, "%g times %" PRId64 " elements",
                                 (double)common, a->in);
        a->scale = common;
        a->out = (int64_t)out;
    }
    return CZ_OK;
}

/* Is every element its own source? */
static bool is_kept(const struct cz_resize_params *p,
                    const struct cz_resize_axis *a)
{
    bool crop = p->position == CZ_POSITION_TF_CROP_AND_RESIZE;
    return a->in == a->out && a->scale == 1 &&
           (!crop || (a->roi_begin == 0 && a->roi_end == 1));
}

static enum cz_status set_axes(struct request *q, struct cz_dims *y,
                               struct cz_error *err)
{
    struct cz_resize_params *p = q->params;
    for (size_t i = 0; i < y->rank; i++)
        p->axis[i] = (struct cz_resize_axis){
            .in = y->size[i], .out = y->size[i], .scale = 1, .roi_end = 1};
    for (size_t i = 0; i < q->n_axes; i++) {
        struct cz_resize_axis *a = &p->axis[q->axes[i]];
        if (q->roi.count) {
            a->roi_begin = q->roi.x[i];
            a->roi_end = q->roi.x[i + q->n_axes];
        }
        if (q->n_sizes == 0)
            CZ_TRY(scale_axis(q, a, q->scales.x[i], err));
    }
    if (q->n_sizes)
        CZ_TRY(size_axes(q, err));
    for (size_t i = 0; i < y->rank; i++) {
        struct cz_resize_axis *a = &p->axis[i];
        a->is_kept = is_kept(p, a);
        y->size[i] = a->out;
        if (a->in == 0 && a->out > 0)
            return cz_step_error(q->step, err,
                                 "dimension %zu would grow from 0 to %" PRId64,
                                 i, a->out);
        /* Else a filter could be wider than anything it is for. */
        if (p->antialias && a->scale * (float)(a->in + 1) < 0.25f)
            return cz_step_error(q->step, err,
                                 "a scale of %g for %" PRId64 " elements",
                                 (double)a->scale, a->in);
    }
    return CZ_OK;
}

static enum cz_status shape(struct cz_step *step, size_t scales,
                            struct cz_error *err)
{
    struct cz_resize_params *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct request q = {.step = step, .params = p};
    struct cz_dims y = x->dims;
    CZ_TRY(read_operands(&q, scales, err));
    bool floats = p->mode != CZ_RESIZE_NEAREST ||
                  p->position == CZ_POSITION_TF_CROP_AND_RESIZE;
    if (floats && x->dtype != CZ_DTYPE_FLOAT)
        return cz_step_unsupported(step, err, "input 0 is %s",
                                   cz_dtype_name(x->dtype));
    if (!q.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    for (size_t i = 0; i < y.rank; i++) {
        if (y.size[i] > INT32_MAX)
            return cz_step_error(step, err,
                                 "dimension %zu of input 0 is %" PRId64, i,
                                 y.size[i]);
    }
    CZ_TRY(read_axes(&q, y.rank, err));
    CZ_TRY(check_counts(&q, err));
    CZ_TRY(set_axes(&q, &y, err));
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status shape_simple(struct cz_step *step, struct cz_error *err)
{
    return shape(step, 1, err);
}

static enum cz_status shape_resize(struct cz_step *step, struct cz_error *err)
{
    return shape(step, 2, err);
}

static enum cz_status run_resize(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    (void)err;
    cz_resize_run(step, exec);
    return CZ_OK;
}

/* Rows differ in their inputs: (X), (X, scales), (X, roi, scales, sizes). */
#define ROW(name, since_, inputs, parse_, shape_)                              \
    {                                                                          \
        .op_type = name, .since = since_, .min_inputs = 1,                     \
        .max_inputs = inputs, .params_size = sizeof(struct cz_resize_params),  \
        .parse = parse_, .shape = shape_, .run = run_resize                    \
    }

const struct cz_op cz_ops_resize[] = {
    ROW("Upsample", 7, 1, parse_upsample_7, shape_simple),
    ROW("Upsample", 9, 2, parse_simple, shape_simple),
    ROW("Resize", 10, 2, parse_simple, shape_simple),
    ROW("Resize", 11, 4, parse_resize, shape_resize),
    {.op_type = NULL},
};
