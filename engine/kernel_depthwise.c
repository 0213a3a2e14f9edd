/* Convolutions with a channel a group, in blocks of channels: each row of the
 * output is a sum over the rows of the window; the few columns whose windows
 * reach over the left or right border are made one at a time from the taps
 * that are inside. */
#include "engine/conv_internal.h"
#include "engine/kernels_internal.h"

/* Taps [from, to) of a window along one dimension. */
struct taps {
    size_t from, to;
};

/* Output columns [from, to) whose windows have the same taps inside. */
struct columns {
    size_t from, to;
    struct taps taps;
};

struct depthwise {
    struct cz_conv_shape shape;
    const struct cz_simd *simd;
    float *w;    /* [block][kernel_h][kernel_w][lanes] */
    float *bias; /* [out_blocks * lanes] */
    struct columns *columns;
    size_t n_columns;
};

struct frame {
    const struct depthwise *d;
    const struct cz_step *step;
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

static ptrdiff_t window_begin(size_t at, size_t stride, size_t pad)
{
    return (ptrdiff_t)(at * stride) - (ptrdiff_t)pad;
}

/* Runs of columns with the same taps. */
static void find_columns(struct depthwise *d)
{
    const struct cz_conv_shape *s = &d->shape;
    for (size_t x = 0; x < s->out_w; x++) {
        const struct taps taps =
            taps_inside(window_begin(x, s->stride_w, s->pad_left), s->kernel_w,
                        s->dilation_w, s->in_w);
        struct columns *last = d->columns + d->n_columns;
        if (d->n_columns && last[-1].taps.from == taps.from &&
            last[-1].taps.to == taps.to) {
            last[-1].to = x + 1;
        } else {
            *last = (struct columns){x, x + 1, taps};
            d->n_columns++;
        }
    }
}

static void release(void *state)
{
    struct depthwise *d = state;
    if (d) {
        cz_free(d->columns);
        cz_free(d);
    }
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct depthwise *d = cz_calloc(1, sizeof *d);
    if (!d)
        return cz_error_nomem(err);
    struct cz_conv_shape *s = &d->shape;
    cz_conv_shape(s, step, plan);
    d->simd = cz_simd_find(plan->block);
    const size_t channels = s->out_blocks * s->lanes;
    const size_t weights = channels * s->kernel_h * s->kernel_w;
    d->w = cz_store_floats(plan->store, weights + channels);
    d->columns = cz_calloc(s->out_w, sizeof *d->columns);
    if (!d->w || !d->columns) {
        release(d);
        return cz_error_nomem(err);
    }
    *state = d;
    find_columns(d);
    d->bias = d->w + weights;
    pack_weights(d, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, d->bias);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

static void run_columns(const struct depthwise *d,
                        const struct cz_simd_depthwise *row,
                        const struct columns *columns)
{
    const struct cz_conv_shape *s = &d->shape;
    const struct taps *taps = &columns->taps;
    struct cz_simd_depthwise part = *row;
    part.columns = taps->to - taps->from;
    part.rows = part.columns ? row->rows : 0;
    if (part.rows)
        part.x += (window_begin(columns->from, s->stride_w, s->pad_left) +
                   (ptrdiff_t)(taps->from * s->dilation_w)) *
                  (ptrdiff_t)s->lanes;
    part.w += taps->from * s->lanes;
    part.y += columns->from * s->lanes;
    d->simd->depthwise(&part, columns->to - columns->from);
}

static void run_row(const struct depthwise *d,
                    const struct cz_simd_depthwise *row)
{
    for (size_t i = 0; i < d->n_columns; i++)
        run_columns(d, row, &d->columns[i]);
}

/* Row i of images x blocks x rows. */
static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct depthwise *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const struct cz_step *step = frame->step;
    const size_t plane = i / s->out_h, block = plane % s->out_blocks;
    const size_t lanes = s->lanes, at = i * s->out_w * lanes;
    const ptrdiff_t y = window_begin(i % s->out_h, s->stride_h, s->pad_top);
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

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step};
    const struct cz_conv_shape *s = &frame.d->shape;
    cz_team_for(exec, s->batch * s->out_blocks * s->out_h, run_item, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_depthwise[] = {
    {.name = "depthwise",
     .op_type = "Conv",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release},
    {.name = NULL},
};
