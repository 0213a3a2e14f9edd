/* Convolutions of operands rounded to bfloat16, with sums in float32: half the
 * bytes and, where the processor multiplies bfloat16 itself, half the
 * instructions.
 *
 * The output is cut into tiles of some rows and columns. For each, the part of
 * the image below it is rounded into memory of the thread's own, in all blocks
 * of channels and with zeros for the border; it stays in the second cache
 * while all output channels are made of it, as a product of matrices that
 * gathers its left side by a table of offsets (see kernel_direct.c). Arrays
 * between steps stay float32: what is rounded once for a tile is used by
 * hundreds of products.
 *
 * The first convolution of a model, which reads the plain image, is left to
 * float32: rounding pixels costs accuracy, and it is a hundredth of the work.
 * So are depthwise ones, which wait for memory. */
#include <string.h>

#include "core/half.h"
#include "core/sizes.h"
#include "engine/bf16_internal.h"
#include "engine/conv_tiles_internal.h"
#include "engine/kernels_internal.h"

/* Of the rounded part of the image; its neighbours in the second cache are the
 * weights of a pair of output blocks. */
#define WINDOW_BYTES (128 * 1024)

struct bf16 {
    struct cz_conv_shape shape;
    const struct cz_bf16 *loops;
    const struct cz_simd *simd; /* for what comes behind the products */
    uint16_t *w;                /* [pair][taps][lanes / 2][outputs][lanes][2] */
    float *bias;                /* [out_blocks * lanes] */
    ptrdiff_t *offsets;         /* [taps] */
    size_t taps;
    struct cz_conv_tiles tiles; /* parts: pairs of output blocks */
};

struct frame {
    const struct bf16 *b;
    const struct cz_step *step;
    struct cz_scratch *scratch; /* for windows */
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_conv_shape s;
    return cz_conv_shape(&s, step, plan) && s.group == 1 && !s.is_plain &&
           cz_bf16_find(plan->block) && cz_simd_find(plan->block);
}

/* Of the window below a tile: [in_blocks][window_rows][window_columns][lanes].
 */
static size_t window_elements(const struct bf16 *b)
{
    return b->shape.in_blocks * b->shape.lanes * b->tiles.window_rows *
           b->tiles.window_columns;
}

static void choose_tiles(struct bf16 *b, size_t threads)
{
    const struct cz_conv_shape *s = &b->shape;
    const size_t pixel_bytes = s->in_blocks * s->lanes * sizeof(uint16_t);
    cz_conv_tiles_choose(&b->tiles, s, WINDOW_BYTES / pixel_bytes,
                         cz_conv_pairs(s), threads);
}

static void make_offsets(struct bf16 *b)
{
    const struct cz_conv_shape *s = &b->shape;
    const size_t positions = s->kernel_h * s->kernel_w;
    for (size_t t = 0; t < b->taps; t++) {
        const size_t block = t / positions;
        const size_t y = t % positions / s->kernel_w * s->dilation_h;
        const size_t x = t % s->kernel_w * s->dilation_w;
        b->offsets[t] = (ptrdiff_t)(((block * b->tiles.window_rows + y) *
                                         b->tiles.window_columns +
                                     x) *
                                    s->lanes);
    }
}

/* The weights of one output channel; `outputs` blocks share its couples. */
static void pack_channel(const struct bf16 *b, const float *weights,
                         size_t outputs, uint16_t *to)
{
    const struct cz_conv_shape *s = &b->shape;
    const size_t positions = s->kernel_h * s->kernel_w;
    const size_t width = outputs * s->lanes * 2;
    for (size_t ic = 0; ic < s->in_channels; ic++) {
        const size_t block = ic / s->lanes, c = ic % s->lanes;
        for (size_t p = 0; p < positions; p++)
            to[((block * positions + p) * (s->lanes / 2) + c / 2) * width +
               c % 2] = cz_bfloat16_from_float(weights[ic * positions + p]);
    }
}

static void pack_weights(struct bf16 *b, const float *weights)
{
    const struct cz_conv_shape *s = &b->shape;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    for (size_t oc = 0; oc < s->out_channels; oc++) {
        const size_t pair = oc / pair_lanes;
        pack_channel(b,
                     weights + oc * s->in_channels * s->kernel_h * s->kernel_w,
                     cz_conv_pair_outputs(s, pair),
                     b->w + pair * b->taps * s->lanes * pair_lanes +
                         oc % pair_lanes * 2);
    }
}

static void release(void *state)
{
    struct bf16 *b = state;
    if (b) {
        cz_free(b->offsets);
        cz_free(b);
    }
}

/* Floats that take the place of `elements`; whole vectors. */
static size_t floats_of(size_t elements)
{
    const size_t vector = CZ_SIMD_ALIGN_BYTES / sizeof(float);
    return cz_divide_up(elements, 2 * vector) * vector;
}

static enum cz_status allocate(struct bf16 *b, const struct cz_plan *plan,
                               struct cz_error *err)
{
    const struct cz_conv_shape *s = &b->shape;
    const size_t outputs = s->out_blocks * s->lanes;
    const size_t weights = floats_of(b->taps * s->lanes * outputs);
    float *floats = cz_store_floats(plan->store, weights + outputs);
    b->offsets = cz_calloc(b->taps, sizeof *b->offsets);
    if (!floats || !b->offsets ||
        !cz_scratch_reserve(plan->exec.scratch, floats_of(window_elements(b))))
        return cz_error_nomem(err);
    b->w = (uint16_t *)floats;
    b->bias = floats + weights;
    return CZ_OK;
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct bf16 *b = cz_calloc(1, sizeof *b);
    if (!b)
        return cz_error_nomem(err);
    struct cz_conv_shape *s = &b->shape;
    cz_conv_shape(s, step, plan);
    b->loops = cz_bf16_find(plan->block);
    b->simd = cz_simd_find(plan->block);
    b->taps = s->in_blocks * s->kernel_h * s->kernel_w;
    choose_tiles(b, plan->exec.threads);
    const enum cz_status status = allocate(b, plan, err);
    if (status != CZ_OK) {
        release(b);
        return status;
    }
    *state = b;
    make_offsets(b);
    pack_weights(b, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, b->bias);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* A row of a window, rounded, with zeros for what is outside the image. */
static void round_row(const struct bf16 *b, const float *plane,
                      const struct cz_conv_row *row, size_t columns,
                      uint16_t *to)
{
    const size_t lanes = b->shape.lanes;
    const size_t right = row->left + row->inside;
    memset(to, 0, row->left * lanes * sizeof *to);
    b->loops->round(plane + row->from, to + row->left * lanes, row->inside);
    memset(to + right * lanes, 0, (columns - right) * lanes * sizeof *to);
}

static void round_window(const struct frame *frame,
                         const struct cz_conv_tile *tile, uint16_t *to)
{
    const struct bf16 *b = frame->b;
    const struct cz_conv_shape *s = &b->shape;
    const struct cz_conv_window window = {
        cz_conv_window_y(s, tile->y), cz_conv_window_x(s, tile->x),
        cz_conv_window_rows(s, tile->rows),
        cz_conv_window_columns(s, tile->columns), s->lanes};
    const float *plane = (const float *)frame->step->inputs[0]->data +
                         tile->image * s->in_blocks * cz_conv_in_plane(s);
    const size_t to_row = b->tiles.window_columns * s->lanes;
    for (size_t k = 0; k < s->in_blocks; k++, plane += cz_conv_in_plane(s)) {
        for (size_t r = 0; r < window.rows; r++) {
            const struct cz_conv_row row = cz_conv_window_row(s, &window, r);
            round_row(b, plane, &row, window.columns, to + r * to_row);
        }
        to += b->tiles.window_rows * to_row;
    }
}

/* Row r of a tile, in one pair of output blocks. */
static void multiply_row(const struct frame *frame,
                         const struct cz_conv_tile *tile,
                         const uint16_t *window, size_t pair, size_t r)
{
    const struct bf16 *b = frame->b;
    const struct cz_conv_shape *s = &b->shape;
    const struct cz_step *step = frame->step;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    const size_t outputs = cz_conv_pair_outputs(s, pair);
    const size_t block = tile->image * s->out_blocks + pair * CZ_SIMD_OUTPUTS;
    const size_t plane = cz_conv_out_plane(s);
    size_t at = block * plane + ((tile->y + r) * s->out_w + tile->x) * s->lanes;
    const struct cz_bf16_product product = {
        .x = window + r * s->stride_h * b->tiles.window_columns * s->lanes,
        .offsets = b->offsets,
        .taps = b->taps,
        .step = s->stride_w * s->lanes,
        .w = b->w + pair * b->taps * s->lanes * pair_lanes,
        .outputs = outputs,
        .bias = b->bias + pair * pair_lanes,
        .y = (float *)step->outputs[0]->data + at,
        .y_block = plane,
    };
    b->loops->multiply(&product, tile->columns);
    for (size_t o = 0; o < outputs; o++, at += plane)
        cz_conv_finish(step, s, b->simd, at, tile->columns);
}

static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct bf16 *b = frame->b;
    const struct cz_conv_tile tile = cz_conv_tile_at(&b->tiles, &b->shape, i);
    float *floats = cz_scratch_take(frame->scratch);
    uint16_t *window = (uint16_t *)floats;
    round_window(frame, &tile, window);
    for (size_t pair = tile.part_from; pair < tile.part_to; pair++) {
        for (size_t r = 0; r < tile.rows; r++)
            multiply_row(frame, &tile, window, pair, r);
    }
    cz_scratch_give(frame->scratch, floats);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step, exec->scratch};
    cz_team_for(exec, frame.b->tiles.items, run_item, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_bf16[] = {
    {.name = "bf16",
     .op_type = "Conv",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release,
     .is_bfloat16 = true},
    {.name = NULL},
};
