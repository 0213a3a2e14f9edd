/* Convolutions on codes of any window, stride and dilation, as products of
 * matrices that gather their left side by a table of offsets (see
 * kernel_direct.c).
 *
 * The output is cut into tiles of some rows and columns. For each, the part of
 * the image below it is copied, with the zero point for the border, into memory
 * of the thread's own, where it stays in the first caches while all output
 * channels are made of it. Codes of a plain image become pixels of 4 channels
 * there. 1 x 1 of stride 1 needs no copy where the codes are unsigned. Each
 * block of outputs has an order of quads, and so offsets, of its own: see
 * codes_quads.c. */
#include <string.h>

#include "core/sizes.h"
#include "engine/codes_quads_internal.h"
#include "engine/conv_tiles_internal.h"
#include "engine/kernels_internal.h"

/* Of the copied part of the image. */
#define WINDOW_BYTES ((size_t)24 * 1024)

struct block {
    const int8_t *w;          /* [quads][16][4] */
    const ptrdiff_t *offsets; /* [quads] */
    const uint8_t *lanes;     /* [mixed quads][4] */
    struct cz_codes_counts counts;
};

struct direct {
    struct cz_codes_conv conv;
    struct block *blocks;       /* [out_blocks] */
    ptrdiff_t *offsets;         /* of all blocks */
    uint8_t *lanes;             /* the same, [quads][4] */
    bool is_copied;             /* else the image is read where it is */
    size_t unit, planes;        /* bytes of a copied pixel, planes */
    struct cz_conv_tiles tiles; /* parts: blocks of the output */
};

struct frame {
    const struct direct *d;
    const struct cz_step *step;
    struct cz_scratch *scratch; /* for windows */
};

/* ---- sizes ------------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_codes_conv conv;
    return cz_codes_conv(&conv, step, plan) && conv.shape.group == 1;
}

/* Nothing to gather: each pixel is made of the one at the same place. */
static bool is_flat(const struct cz_conv_shape *s)
{
    return s->in_h == 1 && s->kernel_h == 1 && s->kernel_w == 1 &&
           s->stride_w == 1 && s->in_w == s->out_w && !s->pad_left &&
           !s->pad_top;
}

static void choose_sizes(struct direct *d, size_t threads)
{
    struct cz_conv_shape *s = &d->conv.shape;
    cz_conv_flatten(s);
    cz_conv_flatten(&d->conv.floats);
    d->is_copied = s->is_plain || d->conv.flip || !is_flat(s);
    d->unit = s->is_plain ? CZ_CODES_QUAD : CZ_CODES_BLOCK;
    d->planes = cz_divide_up(s->in_channels, d->unit);
    cz_conv_tiles_choose(&d->tiles, s, WINDOW_BYTES / (d->planes * d->unit),
                         s->out_blocks, threads);
}

/* ---- preparation ------------------------------------------------------ */

/* Where the block of a quad of the first pixel's window is, in the copy or in
 * the image. */
static ptrdiff_t offset_of(const struct direct *d,
                           const struct cz_codes_quad *quad)
{
    const struct cz_conv_shape *s = &d->conv.shape;
    const size_t plane = quad->first / d->unit;
    if (!d->is_copied)
        return (ptrdiff_t)(plane * cz_conv_in_plane(s));
    const size_t y = quad->position / s->kernel_w * s->dilation_h;
    const size_t x = quad->position % s->kernel_w * s->dilation_w;
    const size_t row = plane * d->tiles.window_rows + y;
    return (ptrdiff_t)((row * d->tiles.window_columns + x) * d->unit);
}

/* The quads of all blocks in their orders. */
struct all_quads {
    struct cz_codes_quads *blocks; /* [out_blocks] */
    struct cz_codes_quad *quads;   /* [out_blocks][max] */
    size_t total;
};

static void free_quads(struct all_quads *all)
{
    cz_free(all->blocks);
    cz_free(all->quads);
}

static enum cz_status order_quads(struct all_quads *all, const struct direct *d,
                                  const struct cz_step *step,
                                  struct cz_error *err)
{
    const size_t blocks = d->conv.shape.out_blocks;
    const size_t most = cz_codes_quads_max(&d->conv);
    all->blocks = cz_calloc(blocks, sizeof *all->blocks);
    all->quads = cz_calloc(blocks, most * sizeof *all->quads);
    if (!all->blocks || !all->quads)
        return cz_error_nomem(err);
    for (size_t b = 0; b < blocks; b++) {
        struct cz_codes_quads *quads = all->blocks + b;
        quads->quads = all->quads + b * most;
        CZ_TRY(cz_codes_quads_order(quads, &d->conv, step, b, d->unit, err));
        all->total += cz_codes_quads_count(quads);
    }
    return CZ_OK;
}

/* Quads of neighbours begin at their first lane; of mixed ones the loops find
 * all lanes from the beginning of the block. */
static void pack_weights(struct direct *d, const struct cz_step *step,
                         const struct all_quads *all, int8_t *w)
{
    ptrdiff_t *offset = d->offsets;
    uint8_t *lanes = d->lanes;
    for (size_t b = 0; b < d->conv.shape.out_blocks; b++) {
        const struct cz_codes_quads *quads = all->blocks + b;
        d->blocks[b] = (struct block){w, offset, lanes, quads->counts};
        for (size_t i = 0; i < cz_codes_quads_count(quads); i++) {
            const struct cz_codes_quad *quad = quads->quads + i;
            const bool is_mixed = i >= cz_codes_quads_mixed(quads);
            cz_codes_quad_weights(w, &d->conv, step, b, quad);
            w += CZ_CODES_QUAD_WEIGHTS;
            *offset++ = offset_of(d, quad) + (is_mixed ? 0 : quad->lanes[0]);
            if (is_mixed) {
                memcpy(lanes, quad->lanes, CZ_CODES_QUAD);
                lanes += CZ_CODES_QUAD;
            }
        }
    }
}

static enum cz_status pack(struct direct *d, const struct cz_step *step,
                           const struct cz_plan *plan,
                           const struct all_quads *all, struct cz_error *err)
{
    const size_t weights = all->total * CZ_CODES_QUAD_WEIGHTS / sizeof(float);
    const size_t window_bytes =
        d->planes * d->tiles.window_rows * d->tiles.window_columns * d->unit +
        CZ_CODES_BLOCK; /* the last quad is read as a block */
    float *floats =
        cz_store_floats(plan->store, weights + cz_codes_conv_floats(&d->conv));
    d->blocks = cz_calloc(d->conv.shape.out_blocks, sizeof *d->blocks);
    d->offsets = cz_calloc(all->total, sizeof *d->offsets);
    d->lanes = cz_calloc(all->total, CZ_CODES_QUAD);
    if (!floats || !d->blocks || !d->offsets || !d->lanes ||
        !cz_scratch_reserve(plan->exec.scratch,
                            cz_divide_up(window_bytes, sizeof(float))))
        return cz_error_nomem(err);
    pack_weights(d, step, all, (int8_t *)floats);
    cz_codes_conv_pack(&d->conv, step, floats + weights);
    return CZ_OK;
}

static void release(void *state)
{
    struct direct *d = state;
    if (d) {
        cz_free(d->offsets);
        cz_free(d->lanes);
        cz_free(d->blocks);
        cz_free(d);
    }
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct all_quads all = {0};
    struct direct *d = cz_calloc(1, sizeof *d);
    if (!d)
        return cz_error_nomem(err);
    cz_codes_conv(&d->conv, step, plan);
    d->conv.x_shift = d->conv.loops->x_shift;
    choose_sizes(d, plan->exec.threads);
    enum cz_status status = order_quads(&all, d, step, err);
    if (status == CZ_OK)
        status = pack(d, step, plan, &all, err);
    free_quads(&all);
    if (status != CZ_OK) {
        release(d);
        return status;
    }
    *state = d;
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

static const uint8_t *image_of(const struct frame *frame, size_t image)
{
    const struct cz_conv_shape *s = &frame->d->conv.shape;
    const size_t planes = s->is_plain ? s->in_channels : s->in_blocks;
    return (const uint8_t *)frame->step->inputs[0]->data +
           image * planes * cz_conv_in_plane(s);
}

static void copy_window(const struct frame *frame,
                        const struct cz_conv_tile *tile, uint8_t *to)
{
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->conv.shape;
    const struct cz_conv_window window = {
        .y = cz_conv_window_y(s, tile->y),
        .x = cz_conv_window_x(s, tile->x),
        .rows = cz_conv_window_rows(s, tile->rows),
        .columns = d->tiles.window_columns,
        .unit = s->is_plain ? 1 : CZ_CODES_BLOCK};
    const size_t plane = cz_conv_in_plane(s);
    const uint8_t *from = image_of(frame, tile->image);
    for (size_t p = 0; p < d->planes; p++) {
        if (s->is_plain)
            cz_codes_copy_planes(
                &d->conv, from + p * CZ_CODES_QUAD * plane,
                cz_least(s->in_channels - p * CZ_CODES_QUAD, CZ_CODES_QUAD),
                &window, to);
        else
            cz_codes_copy_window(&d->conv, from + p * plane, &window, to);
        to += d->tiles.window_rows * d->tiles.window_columns * d->unit;
    }
}

/* Row r of a tile, in one block of the output, from what is below the tile:
 * [planes][window_rows][window_columns][unit]. */
static void multiply_row(const struct frame *frame,
                         const struct cz_conv_tile *tile, const uint8_t *window,
                         size_t b, size_t r)
{
    const struct direct *d = frame->d;
    const struct cz_conv_shape *s = &d->conv.shape;
    const struct block *block = d->blocks + b;
    const size_t plane = tile->image * s->out_blocks + b;
    const size_t pixel = (tile->y + r) * s->out_w + tile->x;
    const struct cz_codes_product product = {
        .x = window + r * s->stride_h * d->tiles.window_columns * d->unit,
        .offsets = block->offsets,
        .lanes = block->lanes,
        .counts = block->counts,
        .step = s->stride_w * d->unit,
        .w = block->w,
    };
    const struct cz_codes_finish finish =
        cz_codes_conv_open(&d->conv, frame->step, plane, pixel);
    d->conv.loops->multiply(&product, &finish, tile->columns);
    cz_codes_conv_close(&d->conv, frame->step, plane, pixel, tile->columns);
}

static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct direct *d = frame->d;
    const struct cz_conv_tile tile =
        cz_conv_tile_at(&d->tiles, &d->conv.shape, i);
    float *floats = cz_scratch_take(frame->scratch);
    const uint8_t *window = (uint8_t *)floats;
    if (d->is_copied)
        copy_window(frame, &tile, (uint8_t *)floats);
    else
        window = image_of(frame, tile.image) + tile.x * CZ_CODES_BLOCK;
    for (size_t b = tile.part_from; b < tile.part_to; b++) {
        for (size_t r = 0; r < tile.rows; r++)
            multiply_row(frame, &tile, window, b, r);
    }
    cz_scratch_give(frame->scratch, floats);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step, exec->scratch};
    cz_team_for(exec, frame.d->tiles.items, run_item, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_codes_direct[] = {
    {.name = "codes_direct",
     .op_type = CZ_OP_CONV_CODES,
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release},
    {.name = NULL},
};
