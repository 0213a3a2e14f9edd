/* Convolutions with a channel a group, in blocks of channels: each row of the
 * output is a sum over the rows of the window; the few columns whose windows
 * reach over the left or right border are made one at a time from the taps
 * that are inside. */
#include "engine/conv_internal.h"
#include "engine/kernels_internal.h"

struct depthwise {
    struct cz_conv_shape shape;
    const struct cz_simd *simd;
    void *memory;
    float *w;    /* [block][kernel_h][kernel_w][lanes] */
    float *bias; /* [out_blocks * lanes] */
    size_t shares;
};

struct frame {
    const struct depthwise *d;
    const struct cz_step *step;
};

/* Taps [from, to) of a window along one dimension. */
struct taps {
    size_t from, to;
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_conv_shape s;
    return cz_conv_shape(&s, step, plan) && !s.is_plain &&
           s.group == s.in_channels && s.group == s.out_channels &&
           cz_simd_find(plan->block);
}

static void pack_weights(struct depthwise *d, const float *weights)
{
    const struct cz_conv_shape *s = &d->shape;
    const size_t lanes = s->lanes, positions = s->kernel_h * s->kernel_w;
    for (size_t c = 0; c < s->out_channels; c++) {
        for (size_t p = 0; p < positions; p++)
            d->w[(c / lanes * positions + p) * lanes + c % lanes] =
                weights[c * positions + p];
    }
}

static void release(void *state)
{
    struct depthwise *d = state;
    if (d)
        cz_free(d->memory);
    cz_free(d);
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct depthwise *d = cz_calloc(1, sizeof *d);
    if (!d)
        return cz_error_nomem(err);
    *state = d;
    struct cz_conv_shape *s = &d->shape;
    cz_conv_shape(s, step, plan);
    d->simd = cz_simd_find(plan->block);
    const size_t channels = s->out_blocks * s->lanes;
    const size_t weights = channels * s->kernel_h * s->kernel_w;
    const size_t rows = s->batch * s->out_blocks * s->out_h;
    d->shares = plan->exec.threads < rows ? plan->exec.threads : rows;
    d->w = cz_conv_floats(weights + channels, &d->memory);
    if (!d->w)
        return cz_error_nomem(err);
    d->bias = d->w + weights;
    pack_weights(d, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, d->bias);
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* The taps of a window that begins at `at` which are inside [0, size). */
static struct taps taps_inside(ptrdiff_t at, size_t count, size_t dilation,
                               size_t size)
{
    struct taps taps = {0, 0};
    if (at < 0)
        taps.from = ((size_t)-at + dilation - 1) / dilation;
    if (at < (ptrdiff_t)size)
        taps.to = (size_t)((ptrdiff_t)size - 1 - at) / dilation + 1;
    taps.to = taps.to < count ? taps.to : count;
    taps.from = taps.from < taps.to ? taps.from : taps.to;
    return taps;
}

/* Output columns [from, to) with the taps `columns` of each window. */
static void run_columns(const struct depthwise *d,
                        const struct cz_simd_depthwise *row, size_t from,
                        size_t to, struct taps columns)
{
    const struct cz_conv_shape *s = &d->shape;
    struct cz_simd_depthwise part = *row;
    const ptrdiff_t column =
        (ptrdiff_t)(from * s->stride_w + columns.from * s->dilation_w) -
        (ptrdiff_t)s->pad_left;
    part.columns = columns.to - columns.from;
    part.rows = part.columns ? row->rows : 0;
    if (part.rows)
        part.x += column * (ptrdiff_t)s->lanes;
    part.w += columns.from * s->lanes;
    part.y += from * s->lanes;
    d->simd->depthwise(&part, to - from);
}

static void run_row(const struct depthwise *d,
                    const struct cz_simd_depthwise *row)
{
    const struct cz_conv_shape *s = &d->shape;
    for (size_t x = 0; x < s->out_w;) {
        const ptrdiff_t at =
            (ptrdiff_t)(x * s->stride_w) - (ptrdiff_t)s->pad_left;
        const struct taps taps =
            taps_inside(at, s->kernel_w, s->dilation_w, s->in_w);
        size_t to = x + 1;
        if (taps.from == 0 && taps.to == s->kernel_w) {
            const size_t reach = (s->kernel_w - 1) * s->dilation_w;
            to = (s->in_w + s->pad_left - reach - 1) / s->stride_w + 1;
            to = to < s->out_w ? to : s->out_w;
        }
        run_columns(d, row, x, to, taps);
        x = to;
    }
}

/* Row i of images x blocks x rows. */
static void run_item(const struct frame *frame, size_t i)
{
    const struct depthwise *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const struct cz_step *step = frame->step;
    const size_t plane = i / s->out_h, block = plane % s->out_blocks;
    const size_t lanes = s->lanes, at = i * s->out_w * lanes;
    const ptrdiff_t y =
        (ptrdiff_t)(i % s->out_h * s->stride_h) - (ptrdiff_t)s->pad_top;
    const struct taps taps =
        taps_inside(y, s->kernel_h, s->dilation_h, s->in_h);
    struct cz_simd_depthwise row = {
        .x = (const float *)step->inputs[0]->data + plane * cz_conv_in_plane(s),
        .x_row = s->dilation_h * s->in_w * lanes,
        .rows = taps.to - taps.from,
        .stride = s->stride_w,
        .dilation = s->dilation_w,
        .w = d->w + (block * s->kernel_h + taps.from) * s->kernel_w * lanes,
        .w_row = s->kernel_w,
        .bias = d->bias + block * lanes,
        .y = (float *)step->outputs[0]->data + at,
    };
    if (row.rows)
        row.x += (y + (ptrdiff_t)(taps.from * s->dilation_h)) *
                 (ptrdiff_t)(s->in_w * lanes);
    run_row(d, &row);
    const float *residual = step->residual ? step->residual->data : NULL;
    d->simd->finish(&step->activation, row.y, residual ? residual + at : NULL,
                    s->out_w);
}

/* The rows of one thread. */
static void run_share(void *user, size_t share)
{
    const struct frame *frame = user;
    const struct depthwise *d = frame->d;
    const size_t rows = d->shape.batch * d->shape.out_blocks * d->shape.out_h;
    const size_t last = (share + 1) * rows / d->shares;
    for (size_t i = share * rows / d->shares; i < last; i++)
        run_item(frame, i);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step};
    cz_team_for(exec, frame.d->shares, run_share, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_depthwise[] = {
    {"depthwise", "Conv", fits, prepare, run, release, NULL},
    {.name = NULL},
};
