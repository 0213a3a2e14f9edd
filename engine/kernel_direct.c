/* Convolutions of any window, stride and dilation as a product of matrices
 * that gathers its left side from the image: a table holds, for each tap (a
 * kernel position in a block of input channels), how far it lies from the
 * output's pixel. Where a window reaches over the border, the pixels' part of
 * the image is first copied with its zeros ("patch") and has a table of its
 * own. So does Dukhan, "The Indirect Convolution Algorithm", 2019, with a
 * pointer for each pixel and tap, where here one is enough for a row.
 *
 * 1 x 1 of stride 1 is the case where the image is a single row. The input may
 * be plain, as a model's first one is; then a tap is a row of the window in one
 * channel, or a pixel of it where the window is dilated. */
#include "core/sizes.h"
#include "engine/conv_internal.h"
#include "engine/kernels_internal.h"

/* Pixels of a patch, and those that a side of a row has at least, which keeps
 * the tiles of multiply() full. */
#define PATCH_PIXELS 12
#define SIDE_PIXELS 6

/* Of a row: one pair of its output stays in the first cache. */
#define SPAN_PIXELS 240

struct direct {
    struct cz_conv_shape shape;
    const struct cz_simd *simd;
    float *w;    /* [pair][taps][depth][outputs][lanes] */
    float *bias; /* [out_blocks * lanes] */
    ptrdiff_t *offsets, *patch_offsets; /* [taps] each, one block of memory */
    size_t taps, row_taps, depth, unit; /* unit: floats of an input pixel */
    size_t patch_columns;
    size_t inside_from, inside_to; /* columns whose windows are inside */
    size_t spans, slices; /* of a row, of the pairs: for more threads */
    size_t items;
};

struct frame {
    const struct direct *d;
    const struct cz_step *step;
    struct cz_scratch *scratch; /* for patches */
};

/* Neighbours in an output row, for some pairs of output blocks. */
struct run {
    size_t image, y, from, to;
    size_t pair_from, pair_to;
    float *patch;
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_conv_shape s;
    return cz_conv_shape(&s, step, plan) && s.group == 1 &&
           cz_simd_find(plan->block);
}

static void find_inside(struct direct *d)
{
    const struct cz_conv_shape *s = &d->shape;
    cz_conv_inside(s, &d->inside_from, &d->inside_to);
    if (d->inside_from > 0)
        d->inside_from =
            cz_least(cz_most(d->inside_from, SIDE_PIXELS), s->out_w);
    if (d->inside_to < s->out_w)
        d->inside_to = cz_least(
            d->inside_to, s->out_w > SIDE_PIXELS ? s->out_w - SIDE_PIXELS : 0);
    d->inside_to = cz_most(d->inside_to, d->inside_from);
}

static void choose_sizes(struct direct *d, size_t threads)
{
    const struct cz_conv_shape *s = &d->shape;
    const bool takes_rows =
        s->is_plain && s->dilation_w == 1 && s->kernel_w <= CZ_SIMD_DEPTH_MAX;
    const size_t planes = s->is_plain ? s->in_channels : s->in_blocks;
    d->unit = s->is_plain ? 1 : s->lanes;
    d->depth = takes_rows ? s->kernel_w : d->unit;
    d->row_taps = takes_rows ? 1 : s->kernel_w;
    d->taps = planes * s->kernel_h * d->row_taps;
    d->patch_columns =
        cz_conv_window_columns(s, cz_least(PATCH_PIXELS, s->out_w));
    find_inside(d);
    d->spans = cz_divide_up(s->out_w, SPAN_PIXELS);
    if (s->batch * s->out_h * d->spans % threads != 0 && s->out_h == 1)
        d->spans = cz_least(cz_divide_up(d->spans, threads) * threads,
                            cz_divide_up(s->out_w, PATCH_PIXELS));
    const size_t items = s->batch * s->out_h * d->spans;
    d->slices = cz_least(cz_divide_up(threads, items), cz_conv_pairs(s));
    d->items = items * d->slices;
}

static void make_offsets(struct direct *d)
{
    const struct cz_conv_shape *s = &d->shape;
    const size_t positions = s->kernel_h * d->row_taps;
    d->patch_offsets = d->offsets + d->taps;
    for (size_t t = 0; t < d->taps; t++) {
        const size_t block = t / positions;
        const size_t y = t % positions / d->row_taps;
        const size_t column = t % d->row_taps * s->dilation_w;
        d->offsets[t] =
            (ptrdiff_t)(block * cz_conv_in_plane(s) +
                        (y * s->dilation_h * s->in_w + column) * d->unit);
        d->patch_offsets[t] =
            (ptrdiff_t)(((block * s->kernel_h + y) * d->patch_columns +
                         column) *
                        d->unit);
    }
}

/* The weights of one output channel; `width` is the distance of its inputs. */
static void pack_channel(const struct direct *d, const float *weights,
                         size_t width, float *to)
{
    const struct cz_conv_shape *s = &d->shape;
    const size_t positions = s->kernel_h * s->kernel_w;
    for (size_t ic = 0; ic < s->in_channels; ic++) {
        const size_t block = ic / d->unit, c = ic % d->unit;
        for (size_t p = 0; p < positions; p++)
            to[((block * positions + p) * d->unit + c) * width] =
                weights[ic * positions + p];
    }
}

static void pack_weights(struct direct *d, const float *weights)
{
    const struct cz_conv_shape *s = &d->shape;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    for (size_t oc = 0; oc < s->out_channels; oc++) {
        const size_t pair = oc / pair_lanes;
        pack_channel(
            d, weights + oc * s->in_channels * s->kernel_h * s->kernel_w,
            cz_conv_pair_outputs(s, pair) * s->lanes,
            d->w + pair * d->taps * d->depth * pair_lanes + oc % pair_lanes);
    }
}

static void release(void *state)
{
    struct direct *d = state;
    if (d) {
        cz_free(d->offsets);
        cz_free(d);
    }
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct direct *d = cz_calloc(1, sizeof *d);
    if (!d)
        return cz_error_nomem(err);
    struct cz_conv_shape *s = &d->shape;
    cz_conv_shape(s, step, plan);
    cz_conv_flatten(s);
    d->simd = cz_simd_find(plan->block);
    choose_sizes(d, plan->exec.threads);
    const size_t outputs = s->out_blocks * s->lanes;
    const size_t weights = d->taps * d->depth * outputs;
    d->w = cz_store_floats(plan->store, weights + outputs);
    d->offsets = cz_calloc(d->taps, 2 * sizeof *d->offsets);
    if (!d->w || !d->offsets ||
        !cz_scratch_reserve(plan->exec.scratch, d->taps / d->row_taps *
                                                    d->patch_columns *
                                                    d->unit)) {
        release(d);
        return cz_error_nomem(err);
    }
    *state = d;
    d->bias = d->w + weights;
    make_offsets(d);
    pack_weights(d, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, d->bias);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* The products of a run, pair by pair, with the pixels of `x` as far apart as
 * `offsets` says. */
static void multiply(const struct frame *frame, const struct run *run,
                     const float *x, const ptrdiff_t *offsets)
{
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const struct cz_step *step = frame->step;
    const size_t plane = cz_conv_out_plane(s), n = run->to - run->from;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    for (size_t pair = run->pair_from; pair < run->pair_to; pair++) {
        const size_t outputs = cz_conv_pair_outputs(s, pair);
        const size_t block =
            run->image * s->out_blocks + pair * CZ_SIMD_OUTPUTS;
        size_t at = block * plane + (run->y * s->out_w + run->from) * s->lanes;
        const struct cz_simd_product product = {
            .x = x,
            .offsets = offsets,
            .taps = d->taps,
            .depth = d->depth,
            .step = s->stride_w * d->unit,
            .w = d->w + pair * d->taps * d->depth * pair_lanes,
            .outputs = outputs,
            .bias = d->bias + pair * pair_lanes,
            .y = (float *)step->outputs[0]->data + at,
            .y_block = plane,
        };
        d->simd->multiply(&product, n);
        for (size_t o = 0; o < outputs; o++, at += plane)
            cz_conv_finish(step, s, d->simd, at, n);
    }
}

static const float *image_of(const struct frame *frame, size_t image)
{
    const struct cz_conv_shape *s = &frame->d->shape;
    const size_t planes = s->is_plain ? s->in_channels : s->in_blocks;
    return (const float *)frame->step->inputs[0]->data +
           image * planes * cz_conv_in_plane(s);
}

/* The patch of a run: kernel_h rows of each plane. */
static void copy_patch(const struct frame *frame, const struct run *run)
{
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const float *plane = image_of(frame, run->image);
    const size_t planes = d->taps / (s->kernel_h * d->row_taps);
    float *to = run->patch;
    for (size_t b = 0; b < planes; b++, plane += cz_conv_in_plane(s)) {
        for (size_t r = 0; r < s->kernel_h; r++) {
            const struct cz_conv_window window = {
                cz_conv_window_y(s, run->y) + (ptrdiff_t)(r * s->dilation_h),
                cz_conv_window_x(s, run->from), 1, d->patch_columns, d->unit};
            cz_conv_copy_window(s, plane, &window, to);
            to += d->patch_columns * d->unit;
        }
    }
}

static void run_patched(const struct frame *frame, const struct run *run,
                        size_t from, size_t to)
{
    for (; from < to; from += PATCH_PIXELS) {
        struct run piece = *run;
        piece.from = from;
        piece.to = cz_least(to, from + PATCH_PIXELS);
        copy_patch(frame, &piece);
        multiply(frame, &piece, run->patch, frame->d->patch_offsets);
    }
}

static void run_inside(const struct frame *frame, const struct run *run,
                       size_t from, size_t to)
{
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    if (from >= to)
        return;
    struct run piece = *run;
    piece.from = from;
    piece.to = to;
    const size_t y = (size_t)cz_conv_window_y(s, run->y),
                 x = (size_t)cz_conv_window_x(s, from);
    multiply(frame, &piece,
             image_of(frame, run->image) + (y * s->in_w + x) * d->unit,
             d->offsets);
}

static void run_row(const struct frame *frame, const struct run *run)
{
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const ptrdiff_t y = cz_conv_window_y(s, run->y);
    const size_t reach = (s->kernel_h - 1) * s->dilation_h;
    if (y < 0 || (size_t)y + reach >= s->in_h) {
        run_patched(frame, run, run->from, run->to);
        return;
    }
    const size_t from = cz_most(run->from, cz_least(d->inside_from, run->to));
    const size_t to = cz_most(from, cz_least(d->inside_to, run->to));
    run_patched(frame, run, run->from, from);
    run_inside(frame, run, from, to);
    run_patched(frame, run, to, run->to);
}

/* Item i of images x rows x spans x slices. */
static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const size_t pairs = cz_conv_pairs(s), slice = i % d->slices;
    i /= d->slices;
    const size_t span = i % d->spans, row = i / d->spans;
    struct run run = {
        .image = row / s->out_h,
        .y = row % s->out_h,
        .from = span * s->out_w / d->spans,
        .to = (span + 1) * s->out_w / d->spans,
        .pair_from = slice * pairs / d->slices,
        .pair_to = (slice + 1) * pairs / d->slices,
        .patch = cz_scratch_take(frame->scratch),
    };
    run_row(frame, &run);
    cz_scratch_give(frame->scratch, run.patch);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step, exec->scratch};
    cz_team_for(exec, frame.d->items, run_item, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_direct[] = {
    {.name = "direct",
     .op_type = "Conv",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release},
    {.name = NULL},
};
