/* Operators that pool from, or write to, places that their data name:
 * MaxUnpool, MaxRoiPool (Girshick, Fast R-CNN, ICCV 2015, section 2.1) and
 * RoiAlign (He et al., Mask R-CNN, ICCV 2017, section 3). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/window_internal.h"

/* ---- MaxUnpool -------------------------------------------------------- */

static enum cz_status parse_unpool(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    return cz_window_parse(step->params, &attrs);
}

/* The smallest image whose MaxPool has the input's size. */
static enum cz_status unpooled_dims(const struct cz_step *step,
                                    const struct cz_window *w,
                                    struct cz_dims *y, struct cz_error *err)
{
    for (size_t i = 0; i < w->spatial; i++) {
        int64_t size = y->size[i + 2];
        if (size == 0)
            continue;
        y->size[i + 2] = (size - 1) * w->strides[i] + w->kernel[i] -
                         w->pads_begin[i] - w->pads_end[i];
        if (y->size[i + 2] < 0)
            return cz_step_error(step, err,
                                 "dimension %zu of its output would be %" PRId64
                                 ": the pads are larger than the windows",
                                 i + 2, y->size[i + 2]);
    }
    return CZ_OK;
}

static enum cz_status shape_unpool(struct cz_step *step, struct cz_error *err)
{
    struct cz_window *w = step->params;
    const struct cz_dims *x = &step->inputs[0]->dims;
    struct cz_dims y = *x;
    struct cz_int_room sizes = {.ints = y.size, .capacity = CZ_RANK_MAX};
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_dtype(step, 1, CZ_DTYPE_INT64, err));
    CZ_TRY(cz_window_fit(w, step, x, NULL, err));
    if (!cz_dims_equal(x, &step->inputs[1]->dims))
        return cz_step_error(step, err,
                             "its indices do not have the input's shape");
    CZ_TRY(unpooled_dims(step, w, &y, err));
    CZ_TRY(cz_step_ints(&sizes, step, 2, err));
    if (!sizes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    if (sizes.count && sizes.count != x->rank)
        return cz_step_error(step, err,
                             "output_shape has %zu numbers, want %zu",
                             sizes.count, x->rank);
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

static enum cz_status run_unpool(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    (void)exec;
    const float *x = step->inputs[0]->data;
    const int64_t *indices = step->inputs[1]->data;
    float *y = step->outputs[0]->data;
    const size_t n_x = cz_array_count(step->inputs[0]);
    const int64_t n_y = (int64_t)cz_array_count(step->outputs[0]);
    memset(y, 0, (size_t)n_y * sizeof *y);
    for (size_t i = 0; i < n_x; i++) {
        if (indices[i] < 0 || indices[i] >= n_y)
            return cz_error_set(err, CZ_EINVAL,
                                "MaxUnpool '%.120s': index %" PRId64
                                " is outside of %" PRId64 " elements",
                                step->name, indices[i], n_y);
        y[indices[i]] = x[i];
    }
    return CZ_OK;
}

/* ---- regions ---------------------------------------------------------- */

struct roi_params {
    int64_t height, width; /* of the output */
    float scale;           /* from the regions' unit to elements */
    /* RoiAlign */
    int64_t sampling; /* points along a side of a bin; 0: by its size */
    float offset;     /* of the elements' centres */
    bool is_max;
};

/* Regions cut out of the planes of an image. */
struct regions {
    const struct roi_params *params;
    const float *x, *rois;
    const int64_t *batch; /* of each region; NULL: the first of 5 numbers */
    float *y;
    int64_t channels, height, width;
};

static struct regions regions_of(const struct cz_step *step)
{
    const struct cz_array *x = step->inputs[0];
    const struct cz_array *batch = cz_step_input(step, 2);
    return (struct regions){.params = step->params,
                            .x = x->data,
                            .rois = step->inputs[1]->data,
                            .batch = batch ? batch->data : NULL,
                            .y = step->outputs[0]->data,
                            .channels = x->dims.size[1],
                            .height = x->dims.size[2],
                            .width = x->dims.size[3]};
}

/* `per_roi`: numbers that describe a region. */
static enum cz_status shape_regions(struct cz_step *step, int64_t per_roi,
                                    struct cz_error *err)
{
    const struct roi_params *params = step->params;
    const struct cz_array *x = step->inputs[0], *rois = step->inputs[1];
    char text[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_dtype(step, 1, CZ_DTYPE_FLOAT, err));
    CZ_TRY(cz_step_want_rank(step, 0, 4, err));
    CZ_TRY(cz_step_want_rank(step, 1, 2, err));
    if (rois->dims.size[1] != per_roi)
        return cz_step_error(step, err,
                             "its regions are %s, want [R,%" PRId64 "]",
                             cz_dims_text(&rois->dims, text), per_roi);
    struct cz_dims y = {
        4,
        {rois->dims.size[0], x->dims.size[1], params->height, params->width}};
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

/* Region i must be of finite numbers in an image that there is. */
static enum cz_status check_region(const struct cz_step *step, const float *roi,
                                   double batch, struct cz_error *err)
{
    int64_t images = step->inputs[0]->dims.size[0];
    if (!(batch >= 0 && batch < (double)images))
        return cz_error_set(err, CZ_EINVAL,
                            "%s '%.120s': a region is in image %g of %" PRId64,
                            step->op->op_type, step->name, batch, images);
    for (size_t i = 0; i < 4; i++) {
        if (!(fabsf(roi[i]) <= 1e9f))
            return cz_error_set(err, CZ_EINVAL,
                                "%s '%.120s': a region ends at %g",
                                step->op->op_type, step->name, (double)roi[i]);
    }
    return CZ_OK;
}

/* ---- MaxRoiPool ------------------------------------------------------- */

static enum cz_status parse_max_roi(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    struct roi_params *params = step->params;
    int64_t shape[2];
    struct cz_attrs_list list = {shape, 2, {1, INT32_MAX}};
    size_t count;
    CZ_TRY(cz_attrs_ints(&attrs, "pooled_shape", list, &count));
    if (count != 2)
        return cz_step_error(step, err, "pooled_shape has %zu numbers, want 2",
                             count);
    params->height = shape[0];
    params->width = shape[1];
    params->scale = 1;
    return cz_attrs_float(&attrs, "spatial_scale", &params->scale);
}

static enum cz_status shape_max_roi(struct cz_step *step, struct cz_error *err)
{
    return shape_regions(step, 5, err);
}

/* A coordinate as an integer of 0..most, also where it is NaN. */
static int64_t clamp_to_int(float x, int64_t most)
{
    return x > 0 ? x < (float)most ? (int64_t)x : most : 0;
}

/* Part i of `parts` of the elements from..to (both inside), cut to an image
 * of `size`. */
static struct cz_span part_of(const float ends[2], int64_t i, int64_t parts,
                              int64_t size)
{
    float extent = fmaxf(ends[1] - ends[0] + 1, 1) / (float)parts;
    float begin = floorf((float)i * extent) + ends[0];
    float end = ceilf((float)(i + 1) * extent) + ends[0];
    return (struct cz_span){clamp_to_int(begin, size), clamp_to_int(end, size)};
}

static float max_inside(const float *x, int64_t width, struct cz_span rows,
                        struct cz_span columns)
{
    if (rows.begin >= rows.end || columns.begin >= columns.end)
        return 0;
    float best = -INFINITY;
    for (int64_t h = rows.begin; h < rows.end; h++) {
        for (int64_t w = columns.begin; w < columns.end; w++) {
            float v = x[h * width + w];
            best = v > best ? v : best;
        }
    }
    return best;
}

/* i: region and channel */
static void max_roi_plane(void *user, size_t i)
{
    const struct regions *r = user;
    const struct roi_params *p = r->params;
    const float *roi = r->rois + i / (size_t)r->channels * 5;
    size_t channel = i % (size_t)r->channels;
    size_t plane = (size_t)roi[0] * (size_t)r->channels + channel;
    const float *x = r->x + plane * (size_t)(r->height * r->width);
    float *y = r->y + i * (size_t)(p->height * p->width);
    float across[2] = {roundf(roi[1] * p->scale), roundf(roi[3] * p->scale)};
    float down[2] = {roundf(roi[2] * p->scale), roundf(roi[4] * p->scale)};
    for (int64_t h = 0; h < p->height; h++) {
        struct cz_span rows = part_of(down, h, p->height, r->height);
        for (int64_t w = 0; w < p->width; w++)
            *y++ = max_inside(x, r->width, rows,
                              part_of(across, w, p->width, r->width));
    }
}

static enum cz_status run_max_roi(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    struct regions r = regions_of(step);
    size_t count = (size_t)step->inputs[1]->dims.size[0];
    for (size_t i = 0; i < count; i++) {
        const float *roi = r.rois + i * 5;
        CZ_TRY(check_region(step, roi + 1, (double)roi[0], err));
    }
    cz_team_for(exec, count * (size_t)r.channels, max_roi_plane, &r);
    return CZ_OK;
}

/* ---- RoiAlign --------------------------------------------------------- */

static enum cz_status parse_align(struct cz_step *step,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    static const char *const modes[] = {"avg", "max", NULL};
    static const char *const offsets[] = {"half_pixel", "output_half_pixel",
                                          NULL};
    struct cz_attrs attrs = {step, node, err};
    struct roi_params *p = step->params;
    const struct cz_range sizes = {1, INT32_MAX}, samples = {0, 1024};
    size_t mode = 0, offset = step->op->since < 16;
    *p = (struct roi_params){.height = 1, .width = 1, .scale = 1};
    CZ_TRY(cz_attrs_word(&attrs, "mode", modes, &mode));
    if (step->op->since >= 16)
        CZ_TRY(cz_attrs_word(&attrs, "coordinate_transformation_mode", offsets,
                             &offset));
    p->is_max = mode == 1;
    p->offset = offset == 0 ? 0.5f : 0;
    CZ_TRY(cz_attrs_int(&attrs, "output_height", sizes, &p->height));
    CZ_TRY(cz_attrs_int(&attrs, "output_width", sizes, &p->width));
    CZ_TRY(cz_attrs_int(&attrs, "sampling_ratio", samples, &p->sampling));
    return cz_attrs_float(&attrs, "spatial_scale", &p->scale);
}

static enum cz_status shape_align(struct cz_step *step, struct cz_error *err)
{
    CZ_TRY(cz_step_want_dtype(step, 2, CZ_DTYPE_INT64, err));
    CZ_TRY(cz_step_want_rank(step, 2, 1, err));
    if (step->inputs[2]->dims.size[0] != step->inputs[1]->dims.size[0])
        return cz_step_error(
            step, err, "%" PRId64 " regions, %" PRId64 " batch indices",
            step->inputs[1]->dims.size[0], step->inputs[2]->dims.size[0]);
    return shape_regions(step, 4, err);
}

/* The points of a bin along one side: from + i * step, count of them, of
 * which only [inside) meet the image. */
struct points {
    float from, step;
    int64_t count;
    struct cz_span inside;
};

static struct points points_of(const struct roi_params *p, float begin,
                               float extent, int64_t size)
{
    struct points s = {.count = p->sampling};
    if (s.count == 0)
        s.count = clamp_to_int(ceilf(extent), INT32_MAX);
    s.step = s.count ? extent / (float)s.count : 0;
    s.from = begin + 0.5f * s.step;
    s.inside = (struct cz_span){0, s.count};
    if (s.step > 0) { /* one more on both sides: the points tell exactly */
        s.inside.begin = clamp_to_int((-1 - s.from) / s.step - 1, s.count);
        s.inside.end =
            clamp_to_int(((float)size - s.from) / s.step + 2, s.count);
    }
    return s;
}

/* Between which two elements a coordinate lies, and how near to the second;
 * false outside of -1..size. */
static bool between(float x, int64_t size, int64_t at[2], float *fraction)
{
    if (!(x >= -1 && x <= (float)size) || size == 0)
        return false;
    at[0] = clamp_to_int(x, size - 1);
    at[1] = at[0] + 1 < size ? at[0] + 1 : at[0];
    *fraction = at[1] == at[0] || x < 0 ? 0 : x - (float)at[0];
    return true;
}

/* The four weighted neighbours of a point; zeros outside of the image. */
static void neighbours(const struct regions *r, const float *plane, float h,
                       float w, float four[4])
{
    int64_t rows[2], columns[2];
    float down, across;
    memset(four, 0, 4 * sizeof *four);
    if (!between(h, r->height, rows, &down) ||
        !between(w, r->width, columns, &across))
        return;
    four[0] =
        plane[rows[0] * r->width + columns[0]] * (1 - down) * (1 - across);
    four[1] = plane[rows[0] * r->width + columns[1]] * (1 - down) * across;
    four[2] = plane[rows[1] * r->width + columns[0]] * down * (1 - across);
    four[3] = plane[rows[1] * r->width + columns[1]] * down * across;
}

/* The mean of the points of a bin, or the largest of their weighted
 * neighbours, as ONNX Runtime has it. */
static float align_bin(const struct regions *r, const float *plane,
                       const struct points *down, const struct points *across)
{
    float sum = 0, best = -INFINITY, four[4];
    int64_t seen = 0;
    for (int64_t i = down->inside.begin; i < down->inside.end; i++) {
        float h = down->from + (float)i * down->step;
        for (int64_t k = across->inside.begin; k < across->inside.end; k++) {
            float w = across->from + (float)k * across->step;
            neighbours(r, plane, h, w, four);
            sum += four[0] + four[1] + four[2] + four[3];
            for (size_t n = 0; n < 4; n++)
                best = fmaxf(best, four[n]);
            seen++;
        }
    }
    float count = (float)down->count * (float)across->count;
    if (!r->params->is_max)
        return count > 0 ? sum / count : 0;
    /* Points that were passed over are outside, where all is 0. */
    return (float)seen < count || seen == 0 ? fmaxf(best, 0) : best;
}

static void align_plane(void *user, size_t i)
{
    const struct regions *r = user;
    const struct roi_params *p = r->params;
    const float *roi = r->rois + i / (size_t)r->channels * 4;
    size_t batch = (size_t)r->batch[i / (size_t)r->channels];
    size_t plane = batch * (size_t)r->channels + i % (size_t)r->channels;
    const float *x = r->x + plane * (size_t)(r->height * r->width);
    float *y = r->y + i * (size_t)(p->height * p->width);
    float left = roi[0] * p->scale - p->offset;
    float top = roi[1] * p->scale - p->offset;
    float width = roi[2] * p->scale - p->offset - left;
    float height = roi[3] * p->scale - p->offset - top;
    if (p->offset == 0) { /* at least one element large */
        width = fmaxf(width, 1);
        height = fmaxf(height, 1);
    }
    width /= (float)p->width;
    height /= (float)p->height;
    for (int64_t h = 0; h < p->height; h++) {
        struct points down =
            points_of(p, top + (float)h * height, height, r->height);
        for (int64_t w = 0; w < p->width; w++) {
            struct points across =
                points_of(p, left + (float)w * width, width, r->width);
            *y++ = align_bin(r, x, &down, &across);
        }
    }
}

static enum cz_status run_align(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    struct regions r = regions_of(step);
    size_t count = (size_t)step->inputs[1]->dims.size[0];
    for (size_t i = 0; i < count; i++)
        CZ_TRY(check_region(step, r.rois + i * 4, (double)r.batch[i], err));
    cz_team_for(exec, count * (size_t)r.channels, align_plane, &r);
    return CZ_OK;
}

const struct cz_op cz_ops_roi[] = {
    {.op_type = "MaxUnpool",
     .since = 9,
     .min_inputs = 2,
     .max_inputs = 3,
     .params_size = sizeof(struct cz_window),
     .parse = parse_unpool,
     .shape = shape_unpool,
     .run = run_unpool},
    {.op_type = "MaxRoiPool",
     .since = 1,
     .min_inputs = 2,
     .max_inputs = 2,
     .params_size = sizeof(struct roi_params),
     .parse = parse_max_roi,
     .shape = shape_max_roi,
     .run = run_max_roi},
    {.op_type = "RoiAlign",
     .since = 10,
     .min_inputs = 3,
     .max_inputs = 3,
     .params_size = sizeof(struct roi_params),
     .parse = parse_align,
     .shape = shape_align,
     .run = run_align},
    {.op_type = "RoiAlign",
     .since = 16,
     .min_inputs = 3,
     .max_inputs = 3,
     .params_size = sizeof(struct roi_params),
     .parse = parse_align,
     .shape = shape_align,
     .run = run_align},
    {.op_type = NULL},
};
