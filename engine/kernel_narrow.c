/* Convolutions of operands rounded to bfloat16 or float16: half the bytes and,
 * where the processor multiplies such numbers itself, half the instructions.
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
#include <math.h>
#include <string.h>

#include "core/sizes.h"
#include "engine/conv_tiles_internal.h"
#include "engine/kernels_internal.h"
#include "engine/narrow_internal.h"

/* Of the rounded part of the image; its neighbours in the second cache are the
 * weights of a pair of output blocks. */
#define WINDOW_BYTES (128 * 1024)

struct narrow {
    struct cz_conv_shape shape;
    const struct cz_narrow *loops;
    const struct cz_simd *simd; /* for what comes behind the products */
    /* [pair][taps][lanes / together][outputs][lanes][together] */
    uint16_t *w;
    float *bias, *scale; /* [out_blocks * lanes] */
    ptrdiff_t *offsets;  /* [taps] */
    size_t taps;
    struct cz_conv_tiles tiles; /* parts: pairs of output blocks */
};

struct frame {
    const struct narrow *conv;
    const struct cz_step *step;
    struct cz_scratch *scratch; /* for windows */
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_conv_shape s;
    return cz_conv_shape(&s, step, plan) && s.group == 1 && !s.is_plain &&
           cz_simd_find(plan->block);
}

static bool fits_bf16(const struct cz_step *step, const struct cz_plan *plan)
{
    return cz_bf16_find(plan->block) && fits(step, plan);
}

static bool fits_fp16(const struct cz_step *step, const struct cz_plan *plan)
{
    return cz_fp16_find(plan->block) && fits(step, plan);
}

/* Of the window below a tile: [in_blocks][window_rows][window_columns][lanes].
 */
static size_t window_elements(const struct narrow *conv)
{
    return conv->shape.in_blocks * conv->shape.lanes * conv->tiles.window_rows *
           conv->tiles.window_columns;
}

static void choose_tiles(struct narrow *conv, size_t threads)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t pixel_bytes = s->in_blocks * s->lanes * sizeof(uint16_t);
    cz_conv_tiles_choose(&conv->tiles, s, WINDOW_BYTES / pixel_bytes,
                         cz_conv_pairs(s), threads);
}

static void make_offsets(struct narrow *conv)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t positions = s->kernel_h * s->kernel_w;
    for (size_t t = 0; t < conv->taps; t++) {
        const size_t block = t / positions;
        const size_t y = t % positions / s->kernel_w * s->dilation_h;
        const size_t x = t % s->kernel_w * s->dilation_w;
        conv->offsets[t] = (ptrdiff_t)(((block * conv->tiles.window_rows + y) *
                                            conv->tiles.window_columns +
                                        x) *
                                       s->lanes);
    }
}

/* The power of two that leaves the largest of the weights in [1, 2). */
static float scale_of(const float *weights, size_t count)
{
    float largest = 0;
    int exponent;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(weights[i]));
    frexpf(largest, &exponent);
    return isfinite(largest) ? ldexpf(1, exponent - 1) : 1;
}

/* The weights of one output channel; `outputs` blocks lie side by side. */
static void pack_channel(const struct narrow *conv, const float *weights,
                         float scale, size_t outputs, uint16_t *to)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t together = conv->loops->together;
    const size_t positions = s->kernel_h * s->kernel_w;
    const size_t width = outputs * s->lanes * together;
    for (size_t ic = 0; ic < s->in_channels; ic++) {
        const size_t block = ic / s->lanes, c = ic % s->lanes;
        for (size_t p = 0; p < positions; p++) {
            const size_t at =
                (block * positions + p) * (s->lanes / together) + c / together;
            to[at * width + c % together] =
                conv->loops->narrow(weights[ic * positions + p] / scale);
        }
    }
}

static void pack_weights(struct narrow *conv, const float *weights)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    const size_t count = s->in_channels * s->kernel_h * s->kernel_w;
    for (size_t oc = 0; oc < s->out_channels; oc++, weights += count) {
        const size_t pair = oc / pair_lanes;
        const float scale =
            conv->loops->is_scaled ? scale_of(weights, count) : 1;
        conv->scale[oc] = scale;
        pack_channel(conv, weights, scale, cz_conv_pair_outputs(s, pair),
                     conv->w + pair * conv->taps * s->lanes * pair_lanes +
                         oc % pair_lanes * conv->loops->together);
    }
}

static void release(void *state)
{
    struct narrow *conv = state;
    if (conv) {
        cz_free(conv->offsets);
        cz_free(conv);
    }
}

/* Floats that take the place of `elements`; whole vectors. */
static size_t floats_of(size_t elements)
{
    const size_t vector = CZ_SIMD_ALIGN_BYTES / sizeof(float);
    return cz_divide_up(elements, 2 * vector) * vector;
}

static enum cz_status allocate(struct narrow *conv, const struct cz_plan *plan,
                               struct cz_error *err)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t outputs = s->out_blocks * s->lanes;
    const size_t weights = floats_of(conv->taps * s->lanes * outputs);
    float *floats = cz_store_floats(plan->store, weights + 2 * outputs);
    conv->offsets = cz_calloc(conv->taps, sizeof *conv->offsets);
    if (!floats || !conv->offsets ||
        !cz_scratch_reserve(plan->exec.scratch,
                            floats_of(window_elements(conv))))
        return cz_error_nomem(err);
    conv->w = (uint16_t *)floats;
    conv->bias = floats + weights;
    conv->scale = conv->bias + outputs;
    return CZ_OK;
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              const struct cz_narrow *loops, void **state,
                              struct cz_error *err)
{
    struct narrow *conv = cz_calloc(1, sizeof *conv);
    if (!conv)
        return cz_error_nomem(err);
    struct cz_conv_shape *s = &conv->shape;
    cz_conv_shape(s, step, plan);
    conv->loops = loops;
    conv->simd = cz_simd_find(plan->block);
    conv->taps = s->in_blocks * s->kernel_h * s->kernel_w;
    choose_tiles(conv, plan->exec.threads);
    const enum cz_status status = allocate(conv, plan, err);
    if (status != CZ_OK) {
        release(conv);
        return status;
    }
    *state = conv;
    make_offsets(conv);
    pack_weights(conv, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, conv->bias);
    step->is_packed = true;
    return CZ_OK;
}

static enum cz_status prepare_bf16(struct cz_step *step,
                                   const struct cz_plan *plan, void **state,
                                   struct cz_error *err)
{
    return prepare(step, plan, cz_bf16_find(plan->block), state, err);
}

static enum cz_status prepare_fp16(struct cz_step *step,
                                   const struct cz_plan *plan, void **state,
                                   struct cz_error *err)
{
    return prepare(step, plan, cz_fp16_find(plan->block), state, err);
}

/* ---- a frame ---------------------------------------------------------- */

/* A row of a window, rounded, with zeros for what is outside the image. */
static void round_row(const struct narrow *conv, const float *plane,
                      const struct cz_conv_row *row, size_t columns,
                      uint16_t *to)
{
    const size_t lanes = conv->shape.lanes;
    const size_t right = row->left + row->inside;
    memset(to, 0, row->left * lanes * sizeof *to);
    conv->loops->round(plane + row->from, to + row->left * lanes, row->inside);
    memset(to + right * lanes, 0, (columns - right) * lanes * sizeof *to);
}

static void round_window(const struct frame *frame,
                         const struct cz_conv_tile *tile, uint16_t *to)
{
    const struct narrow *conv = frame->conv;
    const struct cz_conv_shape *s = &conv->shape;
    const struct cz_conv_window window = {
        cz_conv_window_y(s, tile->y), cz_conv_window_x(s, tile->x),
        cz_conv_window_rows(s, tile->rows),
        cz_conv_window_columns(s, tile->columns), s->lanes};
    const float *plane = (const float *)frame->step->inputs[0]->data +
                         tile->image * s->in_blocks * cz_conv_in_plane(s);
    const size_t to_row = conv->tiles.window_columns * s->lanes;
    for (size_t k = 0; k < s->in_blocks; k++, plane += cz_conv_in_plane(s)) {
        for (size_t r = 0; r < window.rows; r++) {
            const struct cz_conv_row row = cz_conv_window_row(s, &window, r);
            round_row(conv, plane, &row, window.columns, to + r * to_row);
        }
        to += conv->tiles.window_rows * to_row;
    }
}

/* Row r of a tile, in one pair of output blocks. */
static void multiply_row(const struct frame *frame,
                         const struct cz_conv_tile *tile,
                         const uint16_t *window, size_t pair, size_t r)
{
    const struct narrow *conv = frame->conv;
    const struct cz_conv_shape *s = &conv->shape;
    const struct cz_step *step = frame->step;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    const size_t outputs = cz_conv_pair_outputs(s, pair);
    const size_t block = tile->image * s->out_blocks + pair * CZ_SIMD_OUTPUTS;
    const size_t plane = cz_conv_out_plane(s);
    size_t at = block * plane + ((tile->y + r) * s->out_w + tile->x) * s->lanes;
    const struct cz_narrow_product product = {
        .x = window + r * s->stride_h * conv->tiles.window_columns * s->lanes,
        .offsets = conv->offsets,
        .taps = conv->taps,
        .step = s->stride_w * s->lanes,
        .w = conv->w + pair * conv->taps * s->lanes * pair_lanes,
        .outputs = outputs,
        .bias = conv->bias + pair * pair_lanes,
        .scale = conv->scale + pair * pair_lanes,
        .y = (float *)step->outputs[0]->data + at,
        .y_block = plane,
    };
    conv->loops->multiply(&product, tile->columns);
    for (size_t o = 0; o < outputs; o++, at += plane)
        cz_conv_finish(step, s, conv->simd, at, tile->columns);
}

static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct narrow *conv = frame->conv;
    const struct cz_conv_tile tile =
        cz_conv_tile_at(&conv->tiles, &conv->shape, i);
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
    cz_team_for(exec, frame.conv->tiles.items, run_item, &frame);
    return CZ_OK;
}

#define KERNEL(type, value)                                                    \
    {                                                                          \
        .name = #type, .op_type = "Conv", .fits = fits_##type,                 \
        .prepare = prepare_##type, .run = run, .release = release,             \
        .precision = value                                                     \
    }

const struct cz_kernel cz_kernels_narrow[] = {
    KERNEL(bf16, CZ_PRECISION_BF16),
    KERNEL(fp16, CZ_PRECISION_FP16),
    {.name = NULL},
};
