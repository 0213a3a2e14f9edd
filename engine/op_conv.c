/* Conv and ConvTranspose of one to three spatial dimensions, float32. The
 * loops are those of three: fewer have sizes of 1 in front. Faster kernels
 * for 2-d Conv are elsewhere. */
#include <inttypes.h>
#include <string.h>

#include "core/checked.h"
#include "engine/finish_internal.h"
#include "engine/window_internal.h"

#define SPATIAL CZ_SPATIAL_MAX

enum { INPUT, WEIGHT, BIAS };

/* ---- attributes ------------------------------------------------------- */

static enum cz_status parse_common(const struct cz_attrs *attrs,
                                   struct cz_conv_params *params)
{
    struct cz_range range = {1, INT32_MAX};
    params->group = 1;
    CZ_TRY(cz_attrs_int(attrs, "group", range, &params->group));
    return cz_window_parse(&params->window, attrs);
}

static enum cz_status parse_conv(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    struct cz_attrs attrs = {step, node, err};
    return parse_common(&attrs, step->params);
}

static enum cz_status check_per_dim(const struct cz_attrs *attrs,
                                    const char *name, size_t count,
                                    const struct cz_window *w)
{
    if (count == 0 || w->spatial == 0 || count == w->spatial)
        return CZ_OK;
    return cz_step_error(attrs->step, attrs->err,
                         "'%s' has %zu numbers, want %zu", name, count,
                         w->spatial);
}

static enum cz_status parse_transpose(struct cz_step *step,
                                      const struct cz_node *node,
                                      struct cz_error *err)
{
    struct cz_conv_params *p = step->params;
    struct cz_attrs attrs = {step, node, err};
    struct cz_attrs_list extra = {p->output_padding, SPATIAL, {0, INT32_MAX}};
    struct cz_attrs_list shape = {p->output_shape, SPATIAL, {0, INT32_MAX}};
    size_t n_extra, n_shape;
    CZ_TRY(parse_common(&attrs, p));
    CZ_TRY(cz_attrs_ints(&attrs, "output_padding", extra, &n_extra));
    CZ_TRY(cz_attrs_ints(&attrs, "output_shape", shape, &n_shape));
    CZ_TRY(check_per_dim(&attrs, "output_padding", n_extra, &p->window));
    CZ_TRY(check_per_dim(&attrs, "output_shape", n_shape, &p->window));
    p->has_output_shape = n_shape > 0;
    if (p->window.spatial == 0)
        p->window.spatial = n_shape ? n_shape : n_extra;
    return CZ_OK;
}

/* ---- shapes ----------------------------------------------------------- */

static enum cz_status check_operands(const struct cz_step *step,
                                     struct cz_error *err)
{
    for (size_t i = INPUT; i <= BIAS; i++)
        CZ_TRY(cz_step_want_dtype(step, i, CZ_DTYPE_FLOAT, err));
    return cz_step_want_rank(step, BIAS, 1, err);
}

/* The input must have `want` x group channels, the bias `output` numbers. */
static enum cz_status check_channels(const struct cz_step *step, int64_t want,
                                     int64_t output, struct cz_error *err)
{
    const struct cz_conv_params *p = step->params;
    const struct cz_array *bias = cz_step_input(step, BIAS);
    int64_t input = step->inputs[INPUT]->dims.size[1];
    if (input % p->group || input / p->group != want)
        return cz_step_error(step, err,
                             "input has %" PRId64 " channels, its weight wants "
                             "%" PRId64 " x %" PRId64 " groups",
                             input, want, p->group);
    if (bias && bias->dims.size[0] != output)
        return cz_step_error(step, err,
                             "bias has %" PRId64 " numbers, want %" PRId64,
                             bias->dims.size[0], output);
    return CZ_OK;
}

static enum cz_status shape_conv(struct cz_step *step, struct cz_error *err)
{
    struct cz_conv_params *p = step->params;
    const struct cz_dims *x = &step->inputs[INPUT]->dims;
    const struct cz_dims *w = &step->inputs[WEIGHT]->dims;
    struct cz_dims y = *x;
    CZ_TRY(check_operands(step, err));
    CZ_TRY(cz_window_fit(&p->window, step, x, w, err));
    if (w->size[0] % p->group)
        return cz_step_error(
            step, err, "%" PRId64 " output channels in %" PRId64 " groups",
            w->size[0], p->group);
    CZ_TRY(check_channels(step, w->size[1], w->size[0], err));
    CZ_TRY(cz_window_resolve(&p->window, step, x, &y, err));
    y.size[1] = w->size[0];
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

/* The output's size along spatial dimension i, whose pads are set on the way.
 */
static int64_t transposed_size(struct cz_conv_params *p, size_t i, int64_t size)
{
    struct cz_window *w = &p->window;
    bool same =
        w->auto_pad == CZ_PAD_SAME_UPPER || w->auto_pad == CZ_PAD_SAME_LOWER;
    int64_t extent = w->dilations[i] * (w->kernel[i] - 1) + 1;
    int64_t full = w->strides[i] * (size - 1) + extent + p->output_padding[i];
    if (!p->has_output_shape && !same)
        return full - w->pads_begin[i] - w->pads_end[i];
    int64_t out =
        p->has_output_shape ? p->output_shape[i] : size * w->strides[i];
    cz_window_pad(w, i, full > out ? full - out : 0,
                  w->auto_pad != CZ_PAD_SAME_UPPER);
    return out;
}

static enum cz_status shape_transpose(struct cz_step *step,
                                      struct cz_error *err)
{
    struct cz_conv_params *p = step->params;
    const struct cz_dims *x = &step->inputs[INPUT]->dims;
    const struct cz_dims *w = &step->inputs[WEIGHT]->dims;
    struct cz_dims y = *x;
    size_t channels;
    CZ_TRY(check_operands(step, err));
    CZ_TRY(cz_window_fit(&p->window, step, x, w, err));
    if (!cz_mul_size((size_t)w->size[1], (size_t)p->group, &channels) ||
        channels > INT32_MAX)
        return cz_step_error(step, err,
                             "%" PRId64 " output channels in each of %" PRId64
                             " groups",
                             w->size[1], p->group);
    y.size[1] = (int64_t)channels;
    if (w->size[0] % p->group)
        return cz_step_error(step, err,
                             "%" PRId64 " input channels in %" PRId64 " groups",
                             w->size[0], p->group);
    CZ_TRY(check_channels(step, w->size[0] / p->group, y.size[1], err));
    for (size_t i = 0; i < p->window.spatial; i++) {
        int64_t size = x->size[i + 2];
        y.size[i + 2] = size ? transposed_size(p, i, size) : 0;
        if (y.size[i + 2] < 0 || (y.size[i + 2] == 0 && size))
            return cz_step_error(step, err,
                                 "dimension %zu of its output would be %" PRId64
                                 ": the pads %" PRId64 " and %" PRId64
                                 " leave nothing",
                                 i + 2, y.size[i + 2], p->window.pads_begin[i],
                                 p->window.pads_end[i]);
    }
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &y, err);
}

/* ---- computing -------------------------------------------------------- */

/* Everything about a convolution that a plane of its output needs. */
struct conv {
    const struct cz_step *step;
    struct cz_window w; /* of three dimensions, as are the sizes */
    int64_t in[SPATIAL], out[SPATIAL];
    size_t in_plane, out_plane, taps; /* elements */
    size_t outputs;                   /* channels of the output */
    size_t group_inputs, group_outputs;
    const float *x, *weight, *bias;
    float *y;
};

static size_t product(const int64_t sizes[SPATIAL])
{
    return (size_t)sizes[0] * (size_t)sizes[1] * (size_t)sizes[2];
}

static struct conv conv_of(const struct cz_step *step)
{
    const struct cz_conv_params *p = step->params;
    const struct cz_array *x = step->inputs[INPUT], *y = step->outputs[0];
    const struct cz_array *bias = cz_step_input(step, BIAS);
    struct conv c = {.step = step, .w = cz_window_3d(&p->window)};
    cz_window_sizes(&x->dims, c.in);
    cz_window_sizes(&y->dims, c.out);
    c.in_plane = product(c.in);
    c.out_plane = product(c.out);
    c.taps = product(c.w.kernel);
    c.outputs = (size_t)y->dims.size[1];
    c.group_inputs = (size_t)(x->dims.size[1] / p->group);
    c.group_outputs = c.outputs / (size_t)p->group;
    c.x = x->data;
    c.weight = step->inputs[WEIGHT]->data;
    c.bias = bias ? bias->data : NULL;
    c.y = y->data;
    return c;
}

/* One plane of the output: what it reads and writes. */
struct plane {
    const struct conv *c;
    const float *x;      /* the planes of its group, one after the other */
    const float *weight; /* the taps for the group's first plane */
    size_t weight_step;  /* from there to those for the next one */
    float *y;
};

static struct plane plane_of(const struct conv *c, size_t i)
{
    size_t batch = i / c->outputs, channel = i % c->outputs;
    size_t group = channel / c->group_outputs;
    size_t groups = c->outputs / c->group_outputs;
    size_t first = (batch * groups + group) * c->group_inputs;
    return (struct plane){
        .c = c, .x = c->x + first * c->in_plane, .y = c->y + i * c->out_plane};
}

static void fill(float *y, size_t count, float x)
{
    for (size_t i = 0; i < count; i++)
        y[i] = x;
}

/* y[i] += weight * x[i * stride] */
static void add_row(float *restrict y, const float *restrict x, float weight,
                    int64_t stride, size_t count)
{
    if (stride == 1) {
        for (size_t i = 0; i < count; i++)
            y[i] += weight * x[i];
    } else {
        for (size_t i = 0; i < count; i++)
            y[i] += weight * x[i * (size_t)stride];
    }
}

/* Adds, to a row of the output, the row of the input and the row of taps that
 * meet in it. */
static void conv_row(const struct conv *c, float *y, const float *x,
                     const float *weight)
{
    const struct cz_window *w = &c->w;
    for (int64_t k = 0; k < w->kernel[2]; k++) {
        int64_t offset = k * w->dilations[2] - w->pads_begin[2];
        struct cz_span s =
            cz_window_inside(w->strides[2], offset, c->in[2], c->out[2]);
        if (s.begin < s.end)
            add_row(y + s.begin, x + s.begin * w->strides[2] + offset,
                    weight[k], w->strides[2], (size_t)(s.end - s.begin));
    }
}

/* Row `at` (depth, height) of a plane, from all planes of the input. */
static void conv_rows(const struct plane *p, const int64_t at[2], float *y)
{
    const struct conv *c = p->c;
    const struct cz_window *w = &c->w;
    struct cz_span depth = cz_window_taps(w, 0, at[0], c->in[0]);
    struct cz_span height = cz_window_taps(w, 1, at[1], c->in[1]);
    int64_t z = at[0] * w->strides[0] - w->pads_begin[0];
    int64_t row = at[1] * w->strides[1] - w->pads_begin[1];
    for (size_t i = 0; i < c->group_inputs; i++) {
        const float *x = p->x + i * c->in_plane;
        const float *weight = p->weight + i * p->weight_step;
        for (int64_t d = depth.begin; d < depth.end; d++) {
            for (int64_t h = height.begin; h < height.end; h++) {
                int64_t from = (z + d * w->dilations[0]) * c->in[1] + row +
                               h * w->dilations[1];
                conv_row(c, y, x + from * c->in[2],
                         weight + (d * w->kernel[1] + h) * w->kernel[2]);
            }
        }
    }
}

static void conv_plane(void *user, size_t i)
{
    const struct conv *c = user;
    struct plane p = plane_of(c, i);
    size_t channel = i % c->outputs;
    float *y = p.y;
    p.weight = c->weight + channel * c->group_inputs * c->taps;
    p.weight_step = c->taps;
    fill(y, c->out_plane, c->bias ? c->bias[channel] : 0);
    for (int64_t z = 0; z < c->out[0]; z++) {
        for (int64_t h = 0; h < c->out[1]; h++, y += c->out[2])
            conv_rows(&p, (int64_t[2]){z, h}, y);
    }
    cz_step_finish(c->step, i * c->out_plane, c->out_plane);
}

/* y[i * stride] += weight * x[i] */
static void spread_row(float *restrict y, const float *restrict x, float weight,
                       int64_t stride, size_t count)
{
    if (stride == 1) {
        for (size_t i = 0; i < count; i++)
            y[i] += weight * x[i];
    } else {
        for (size_t i = 0; i < count; i++)
            y[i * (size_t)stride] += weight * x[i];
    }
}

/* Adds what a row of the input gives to the row of the output that its taps
 * `weight` lead to. */
static void transpose_row(const struct conv *c, float *y, const float *x,
                          const float *weight)
{
    const struct cz_window *w = &c->w;
    for (int64_t k = 0; k < w->kernel[2]; k++) {
        int64_t offset = k * w->dilations[2] - w->pads_begin[2];
        struct cz_span s =
            cz_window_inside(w->strides[2], offset, c->out[2], c->in[2]);
        if (s.begin < s.end)
            spread_row(y + s.begin * w->strides[2] + offset, x + s.begin,
                       weight[k], w->strides[2], (size_t)(s.end - s.begin));
    }
}

/* The same for all rows of a plane of the input. */
static void transpose_rows(const struct plane *p, const float *x,
                           const float *weight)
{
    const struct conv *c = p->c;
    const struct cz_window *w = &c->w;
    const int64_t *in = c->in, *out = c->out;
    for (int64_t d = 0; d < w->kernel[0]; d++) {
        int64_t z = d * w->dilations[0] - w->pads_begin[0];
        struct cz_span depth =
            cz_window_inside(w->strides[0], z, out[0], in[0]);
        for (int64_t h = 0; h < w->kernel[1]; h++, weight += w->kernel[2]) {
            int64_t row = h * w->dilations[1] - w->pads_begin[1];
            struct cz_span height =
                cz_window_inside(w->strides[1], row, out[1], in[1]);
            for (int64_t i = depth.begin; i < depth.end; i++) {
                for (int64_t j = height.begin; j < height.end; j++) {
                    int64_t to = (i * w->strides[0] + z) * out[1] +
                                 j * w->strides[1] + row;
                    transpose_row(c, p->y + to * out[2],
                                  x + (i * in[1] + j) * in[2], weight);
                }
            }
        }
    }
}

/* The weight is [C, M/group, ...]. */
static void transpose_plane(void *user, size_t i)
{
    const struct conv *c = user;
    struct plane p = plane_of(c, i);
    size_t channel = i % c->outputs;
    size_t group = channel / c->group_outputs;
    size_t first = group * c->group_inputs * c->group_outputs;
    p.weight = c->weight + (first + channel % c->group_outputs) * c->taps;
    p.weight_step = c->group_outputs * c->taps;
    fill(p.y, c->out_plane, c->bias ? c->bias[channel] : 0);
    for (size_t k = 0; k < c->group_inputs; k++)
        transpose_rows(&p, p.x + k * c->in_plane, p.weight + k * p.weight_step);
    cz_step_finish(c->step, i * c->out_plane, c->out_plane);
}

static void for_planes(const struct conv *c, const struct cz_exec *exec,
                       void (*work)(void *user, size_t i))
{
    size_t batch = (size_t)c->step->outputs[0]->dims.size[0];
    if (c->out_plane > 0)
        cz_team_for(exec, batch * c->outputs, work, (void *)c);
}

static enum cz_status run_conv(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)err;
    struct conv c = conv_of(step);
    for_planes(&c, exec, conv_plane);
    return CZ_OK;
}

static enum cz_status run_transpose(struct cz_step *step,
                                    const struct cz_exec *exec,
                                    struct cz_error *err)
{
    (void)err;
    struct conv c = conv_of(step);
    for_planes(&c, exec, transpose_plane);
    return CZ_OK;
}

const struct cz_op cz_ops_conv[] = {
    {.op_type = "Conv",
     .since = 1,
     .min_inputs = 2,
     .max_inputs = 3,
     .params_size = sizeof(struct cz_conv_params),
     .parse = parse_conv,
     .shape = shape_conv,
     .run = run_conv},
    {.op_type = "ConvTranspose",
     .since = 1,
     .min_inputs = 2,
     .max_inputs = 3,
     .params_size = sizeof(struct cz_conv_params),
     .parse = parse_transpose,
     .shape = shape_transpose,
     .run = run_transpose},
    {.op_type = NULL},
};
