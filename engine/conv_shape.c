/* The sizes of a convolution, read from its step; packed biases and windows
 * with a border of zeros. */
#include <string.h>

#include "core/sizes.h"
#include "engine/conv_internal.h"
#include "engine/window_internal.h"

enum { INPUT, WEIGHT, BIAS };

static bool is_static_float(const struct cz_array *array)
{
    return array && array->dtype == CZ_DTYPE_FLOAT && !array->is_dynamic;
}

static bool is_constant_or_absent(const struct cz_array *array)
{
    return !array || (array->is_constant && array->dtype == CZ_DTYPE_FLOAT);
}

/* Types, layouts, what is constant. */
static bool operands_fit(const struct cz_step *step)
{
    const struct cz_array *x = step->inputs[INPUT], *y = step->outputs[0];
    const struct cz_array *w = step->inputs[WEIGHT], *sum = step->residual;
    if (step->is_dynamic || !is_static_float(x) || !is_static_float(y))
        return false;
    if (x->dims.rank != 4 || y->layout != CZ_LAYOUT_BLOCKED)
        return false;
    if (!is_static_float(w) || !w->is_constant ||
        !is_constant_or_absent(cz_step_input(step, BIAS)))
        return false;
    return !sum || (is_static_float(sum) && sum->layout == y->layout &&
                    cz_dims_equal(&sum->dims, &y->dims));
}

static void read_window(struct cz_conv_shape *shape,
                        const struct cz_window *window)
{
    shape->kernel_h = (size_t)window->kernel[0];
    shape->kernel_w = (size_t)window->kernel[1];
    shape->stride_h = (size_t)window->strides[0];
    shape->stride_w = (size_t)window->strides[1];
    shape->dilation_h = (size_t)window->dilations[0];
    shape->dilation_w = (size_t)window->dilations[1];
    shape->pad_top = (size_t)window->pads_begin[0];
    shape->pad_left = (size_t)window->pads_begin[1];
}

static void read_dims(struct cz_conv_shape *shape, const struct cz_step *step)
{
    const struct cz_dims *in = &step->inputs[INPUT]->dims;
    const struct cz_dims *out = &step->outputs[0]->dims;
    const size_t lanes = shape->lanes;
    shape->batch = (size_t)in->size[0];
    shape->in_channels = (size_t)in->size[1];
    shape->in_h = (size_t)in->size[2];
    shape->in_w = (size_t)in->size[3];
    shape->out_channels = (size_t)out->size[1];
    shape->out_h = (size_t)out->size[2];
    shape->out_w = (size_t)out->size[3];
    shape->in_blocks = (shape->in_channels + lanes - 1) / lanes;
    shape->out_blocks = (shape->out_channels + lanes - 1) / lanes;
    shape->is_plain = step->inputs[INPUT]->layout == CZ_LAYOUT_PLAIN;
}

void cz_conv_read_shape(struct cz_conv_shape *shape, const struct cz_step *step,
                        const struct cz_conv_params *params, size_t lanes)
{
    *shape =
        (struct cz_conv_shape){.group = (size_t)params->group, .lanes = lanes};
    read_window(shape, &params->window);
    read_dims(shape, step);
}

bool cz_conv_shape(struct cz_conv_shape *shape, const struct cz_step *step,
                   const struct cz_plan *plan)
{
    const struct cz_conv_params *params = step->params;
    if (params->window.spatial != 2 || !operands_fit(step))
        return false;
    cz_conv_read_shape(shape, step, params, plan->block);
    return shape->batch && shape->out_h && shape->out_w && shape->in_channels;
}

/* The lanes of n pixels from `first` on become 0. */
static void clear_lanes(float *y, size_t first, size_t lanes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t lane = first; lane < lanes; lane++)
            y[i * lanes + lane] = 0;
    }
}

void cz_conv_finish(const struct cz_step *step,
                    const struct cz_conv_shape *shape,
                    const struct cz_simd *simd, size_t at, size_t n)
{
    const size_t block = at / cz_conv_out_plane(shape) % shape->out_blocks;
    const size_t used = shape->out_channels - block * shape->lanes;
    float *y = (float *)step->outputs[0]->data + at;
    const float *residual = NULL;
    if (step->residual)
        residual = (const float *)step->residual->data + at;
    simd->finish(&step->activation, y, residual, n);
    if (used < shape->lanes && cz_activate(&step->activation, 0) != 0)
        clear_lanes(y, used, shape->lanes, n);
}

void cz_conv_pack_bias(const struct cz_step *step,
                       const struct cz_conv_shape *shape, float *bias)
{
    const struct cz_array *from = cz_step_input(step, BIAS);
    memset(bias, 0, shape->out_blocks * shape->lanes * sizeof *bias);
    if (from)
        memcpy(bias, from->known, shape->out_channels * sizeof *bias);
}

size_t cz_conv_in_plane(const struct cz_conv_shape *shape)
{
    return shape->in_h * shape->in_w * (shape->is_plain ? 1 : shape->lanes);
}

size_t cz_conv_out_plane(const struct cz_conv_shape *shape)
{
    return shape->out_h * shape->out_w * shape->lanes;
}

void cz_conv_inside(const struct cz_conv_shape *shape, size_t *from, size_t *to)
{
    const size_t reach = (shape->kernel_w - 1) * shape->dilation_w;
    const size_t size = shape->in_w + shape->pad_left;
    *from = cz_least((shape->pad_left + shape->stride_w - 1) / shape->stride_w,
                     shape->out_w);
    *to = *from;
    if (size > reach)
        *to = cz_least((size - reach - 1) / shape->stride_w + 1, shape->out_w);
    if (*to < *from)
        *to = *from;
}

void cz_conv_flatten(struct cz_conv_shape *shape)
{
    struct cz_conv_shape *s = shape;
    if (s->kernel_h != 1 || s->kernel_w != 1 || s->stride_h != 1 ||
        s->stride_w != 1 || s->out_h != s->in_h || s->out_w != s->in_w ||
        s->pad_top || s->pad_left)
        return;
    s->in_w = s->out_w = s->in_h * s->in_w;
    s->in_h = s->out_h = 1;
}

size_t cz_conv_window_rows(const struct cz_conv_shape *shape, size_t rows)
{
    return (rows - 1) * shape->stride_h +
           (shape->kernel_h - 1) * shape->dilation_h + 1;
}

size_t cz_conv_window_columns(const struct cz_conv_shape *shape, size_t columns)
{
    return (columns - 1) * shape->stride_w +
           (shape->kernel_w - 1) * shape->dilation_w + 1;
}

ptrdiff_t cz_conv_window_y(const struct cz_conv_shape *shape, size_t y)
{
    return (ptrdiff_t)(y * shape->stride_h) - (ptrdiff_t)shape->pad_top;
}

ptrdiff_t cz_conv_window_x(const struct cz_conv_shape *shape, size_t x)
{
    return (ptrdiff_t)(x * shape->stride_w) - (ptrdiff_t)shape->pad_left;
}

/* How many of `count` positions from `at` on lie before `bound`. */
static size_t count_before(ptrdiff_t at, size_t count, size_t bound)
{
    if (at >= (ptrdiff_t)bound)
        return 0;
    const size_t before = (size_t)((ptrdiff_t)bound - at);
    return before < count ? before : count;
}

struct cz_conv_row cz_conv_window_row(const struct cz_conv_shape *shape,
                                      const struct cz_conv_window *window,
                                      size_t r)
{
    const size_t columns = window->columns;
    const ptrdiff_t y = window->y + (ptrdiff_t)r;
    if (y < 0 || y >= (ptrdiff_t)shape->in_h)
        return (struct cz_conv_row){0};
    const size_t left = count_before(window->x, columns, 0);
    const size_t inside = count_before(window->x, columns, shape->in_w) - left;
    const size_t x = inside ? (size_t)(window->x + (ptrdiff_t)left) : 0;
    return (struct cz_conv_row){left, inside,
                                ((size_t)y * shape->in_w + x) * window->unit};
}

void cz_conv_copy_window(const struct cz_conv_shape *shape, const float *plane,
                         const struct cz_conv_window *window, float *to)
{
    const size_t unit = window->unit, columns = window->columns;
    for (size_t r = 0; r < window->rows; r++, to += columns * unit) {
        const struct cz_conv_row row = cz_conv_window_row(shape, window, r);
        float *copy = to + row.left * unit, *right = copy + row.inside * unit;
        memset(to, 0, row.left * unit * sizeof *to);
        memcpy(copy, plane + row.from, row.inside * unit * sizeof *to);
        memset(right, 0, (columns - row.left - row.inside) * unit * sizeof *to);
    }
}

size_t cz_conv_pairs(const struct cz_conv_shape *shape)
{
    return (shape->out_blocks + CZ_SIMD_OUTPUTS - 1) / CZ_SIMD_OUTPUTS;
}

size_t cz_conv_pair_outputs(const struct cz_conv_shape *shape, size_t pair)
{
    const size_t left = shape->out_blocks - pair * CZ_SIMD_OUTPUTS;
    return left < CZ_SIMD_OUTPUTS ? left : CZ_SIMD_OUTPUTS;
}
