/* Convolutions of 3 x 3 and stride 1 on codes in a quarter of the
 * multiplications, and exact: Winograd's F(4x4, 3x3) in integers modulo 2^32
 * (see simd_codes_internal.h). It takes weights for which no sum of a
 * convolution can be as large as 2^25.
 *
 * The output is cut into tiles of 4 x 4, each from 6 x 6 of the input, as in
 * kernel_winograd.c: for a group of tiles that fits into the cache V = B' d B
 * is made of all input channels; then, for each block of output channels,
 * M = U V at each of the 36 positions, and A' M A is finished to codes. */
#include "core/sizes.h"
#include "engine/conv_codes_internal.h"
#include "engine/kernels_internal.h"
#include "engine/winograd_internal.h"

#define TILE CZ_WINOGRAD_OUT
#define SIDE CZ_CODES_WINOGRAD_SIDE
#define POSITIONS (SIDE * SIDE)

/* Positions are an odd multiple of a line of the cache apart: a power of two
 * would make them share few lines of the first one. */
#define SKEW_BYTES ((size_t)64)

struct winograd {
    struct cz_codes_conv conv;
    int16_t *u; /* [out_blocks][POSITIONS][in_blocks * 8][16][2] */
    struct cz_winograd_tiles tiles;
    size_t v_step, m_step; /* words and sums between positions */
};

/* A run of the kernel, and a group of tiles in it. */
struct frame {
    const struct winograd *w;
    const struct cz_step *step;
    struct cz_scratch *scratch;
};

struct group {
    size_t first, count;
    int16_t *v;
    int32_t *m;
    uint8_t *window; /* SIDE x SIDE pixels */
};

/* ---- preparation ------------------------------------------------------ */

/* Is the sum of 255 times the weights of one sign small enough? */
static bool sums_fit(const struct cz_codes_conv *conv,
                     const struct cz_step *step)
{
    const size_t weights = conv->shape.in_channels * 9;
    const int8_t *w = step->inputs[1]->known;
    for (size_t m = 0; m < conv->shape.out_channels; m++) {
        int64_t above = 0, below = 0;
        for (size_t i = 0; i < weights; i++, w++)
            *(*w < 0 ? &below : &above) += *w;
        if (255 * above >= CZ_CODES_WINOGRAD_SUM_MAX ||
            255 * below <= -CZ_CODES_WINOGRAD_SUM_MAX)
            return false;
    }
    return true;
}

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_codes_conv conv;
    if (!cz_codes_conv(&conv, step, plan))
        return false;
    const struct cz_conv_shape *s = &conv.shape;
    return !s->is_plain && s->group == 1 && s->kernel_h == 3 &&
           s->kernel_w == 3 && s->stride_h == 1 && s->stride_w == 1 &&
           s->dilation_h == 1 && s->dilation_w == 1 && sums_fit(&conv, step);
}

/* 24 times 3 taps at the points, but for the last one, which is 12 times. */
static void transform_taps(const int t[3], int at[SIDE])
{
    at[0] = 6 * t[0];
    at[1] = -4 * (t[0] + t[1] + t[2]);
    at[2] = -4 * (t[0] - t[1] + t[2]);
    at[3] = t[0] + 2 * t[1] + 4 * t[2];
    at[4] = t[0] - 2 * t[1] + 4 * t[2];
    at[5] = 12 * t[2];
}

/* U of a window of 9 weights; positions lie `step` apart. */
static void transform_weights(const int8_t kernel[9], int16_t *u, size_t step)
{
    int columns[SIDE][3], at[SIDE];
    for (size_t x = 0; x < 3; x++) {
        const int taps[3] = {kernel[x], kernel[3 + x], kernel[6 + x]};
        transform_taps(taps, at);
        for (size_t i = 0; i < SIDE; i++)
            columns[i][x] = at[i];
    }
    for (size_t i = 0; i < SIDE; i++) {
        transform_taps(columns[i], at);
        for (size_t j = 0; j < SIDE; j++)
            u[(i * SIDE + j) * step] = (int16_t)at[j];
    }
}

struct packing {
    struct winograd *w;
    const struct cz_step *step;
};

/* The words of U at a position, in a block of outputs. */
static size_t position_words(const struct winograd *w)
{
    return w->conv.shape.in_blocks * CZ_CODES_BLOCK * CZ_CODES_BLOCK;
}

static void pack_block(void *user, size_t block)
{
    const struct packing *packing = user;
    const struct winograd *w = packing->w;
    const size_t words = position_words(w);
    int16_t *u = w->u + block * POSITIONS * words;
    for (size_t c = 0; c < w->conv.shape.in_channels; c++) {
        for (size_t l = 0; l < CZ_CODES_BLOCK; l++) {
            int8_t kernel[9];
            for (size_t i = 0; i < 9; i++)
                kernel[i] = cz_codes_weight(&w->conv, packing->step,
                                            block * CZ_CODES_BLOCK + l, c, i);
            transform_weights(
                kernel, u + (c / 2 * CZ_CODES_BLOCK + l) * 2 + c % 2, words);
        }
    }
}

static void choose_sizes(struct winograd *w, size_t threads)
{
    const struct cz_conv_shape *s = &w->conv.shape;
    const size_t tile_bytes = s->in_blocks * CZ_CODES_BLOCK * sizeof(int16_t);
    cz_winograd_tiles_choose(&w->tiles, s, POSITIONS * tile_bytes, threads);
    const size_t v_bytes = w->tiles.group_tiles * tile_bytes;
    const size_t m_bytes =
        w->tiles.group_tiles * CZ_CODES_BLOCK * sizeof(int32_t);
    w->v_step =
        (cz_round_up(v_bytes, 2 * SKEW_BYTES) + SKEW_BYTES) / sizeof(int16_t);
    w->m_step =
        (cz_round_up(m_bytes, 2 * SKEW_BYTES) + SKEW_BYTES) / sizeof(int32_t);
}

/* Floats that take the place of V, of M and of a window. */
static size_t v_floats(const struct winograd *w)
{
    return POSITIONS * w->v_step * sizeof(int16_t) / sizeof(float);
}

static size_t m_floats(const struct winograd *w)
{
    return POSITIONS * w->m_step;
}

#define WINDOW_FLOATS (POSITIONS * CZ_CODES_BLOCK / sizeof(float))

static enum cz_status allocate(struct winograd *w, const struct cz_step *step,
                               const struct cz_plan *plan, struct cz_error *err)
{
    const size_t words =
        w->conv.shape.out_blocks * POSITIONS * position_words(w);
    const size_t u_floats = words * sizeof *w->u / sizeof(float);
    float *floats =
        cz_store_floats(plan->store, u_floats + cz_codes_conv_floats(&w->conv));
    if (!floats ||
        !cz_scratch_reserve(plan->exec.scratch,
                            v_floats(w) + m_floats(w) + WINDOW_FLOATS))
        return cz_error_nomem(err);
    w->u = (int16_t *)floats;
    cz_codes_conv_pack(&w->conv, step, floats + u_floats);
    return CZ_OK;
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct winograd *w = cz_calloc(1, sizeof *w);
    if (!w)
        return cz_error_nomem(err);
    cz_codes_conv(&w->conv, step, plan);
    choose_sizes(w, plan->exec.threads);
    const enum cz_status status = allocate(w, step, plan, err);
    if (status != CZ_OK) {
        cz_free(w);
        return status;
    }
    *state = w;
    struct packing packing = {w, step};
    cz_team_for(&plan->exec, w->conv.shape.out_blocks, pack_block, &packing);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* V of one tile in one block. A window at the border is already in the codes
 * that are read, that of the image is not. */
static void transform_tile(const struct winograd *w, const struct group *group,
                           const uint8_t *plane, struct cz_winograd_tile tile,
                           int16_t *v)
{
    const struct cz_conv_shape *s = &w->conv.shape;
    const size_t row = s->in_w * CZ_CODES_BLOCK;
    bool is_inside;
    const struct cz_conv_window window =
        cz_winograd_window(s, tile, SIDE, &is_inside);
    if (is_inside) {
        const uint8_t *from =
            plane + (size_t)window.y * row + (size_t)window.x * CZ_CODES_BLOCK;
        w->conv.loops->winograd_in(from, row, w->conv.flip, v, w->v_step);
        return;
    }
    cz_codes_copy_window(&w->conv, plane, &window, group->window);
    w->conv.loops->winograd_in(group->window, SIDE * CZ_CODES_BLOCK, 0, v,
                               w->v_step);
}

static void transform_input(const struct winograd *w, const uint8_t *x,
                            const struct group *group)
{
    const struct cz_conv_shape *s = &w->conv.shape;
    const size_t plane = cz_conv_in_plane(s);
    for (size_t b = 0; b < s->in_blocks; b++) {
        for (size_t i = 0; i < group->count; i++) {
            const struct cz_winograd_tile tile =
                cz_winograd_tile_at(&w->tiles, group->first + i);
            transform_tile(
                w, group, x + (tile.image * s->in_blocks + b) * plane, tile,
                group->v + (b * w->tiles.group_tiles + i) * CZ_CODES_BLOCK);
        }
    }
}

static void multiply(const struct winograd *w, const struct group *group,
                     size_t block)
{
    const size_t words = position_words(w);
    struct cz_codes_words product = {
        .x = group->v,
        .x_block = w->tiles.group_tiles * CZ_CODES_BLOCK,
        .blocks = w->conv.shape.in_blocks,
        .w = w->u + block * POSITIONS * words,
        .y = group->m,
    };
    for (size_t i = 0; i < POSITIONS; i++) {
        w->conv.loops->multiply_words(&product, group->count);
        product.x += w->v_step;
        product.w += words;
        product.y += w->m_step;
    }
}

/* The tiles of a group in one block, to codes; and what is left to be done for
 * those that are neighbours in a row of tiles. */
static void store_block(const struct frame *frame, const struct group *group,
                        size_t block)
{
    const struct winograd *w = frame->w;
    const struct cz_conv_shape *s = &w->conv.shape;
    for (size_t i = 0; i < group->count;) {
        const struct cz_winograd_tile from =
            cz_winograd_tile_at(&w->tiles, group->first + i);
        const size_t plane = from.image * s->out_blocks + block;
        const size_t n = cz_least(w->tiles.columns - from.x, group->count - i);
        const size_t rows = cz_least(TILE, s->out_h - from.y * TILE);
        const size_t to = cz_least(s->out_w, (from.x + n) * TILE);
        const struct cz_codes_finish finish = cz_codes_conv_open(
            &w->conv, frame->step, plane, from.y * TILE * s->out_w);
        for (size_t x = from.x * TILE; x < to; x += TILE, i++) {
            const struct cz_codes_tile tile = {
                .m = group->m + i * CZ_CODES_BLOCK,
                .m_step = w->m_step,
                .rows = rows,
                .columns = cz_least(TILE, to - x),
                .at = x,
                .y_row = s->out_w};
            w->conv.loops->winograd_out(&tile, &finish);
        }
        for (size_t r = 0; r < rows; r++)
            cz_codes_conv_close(&w->conv, frame->step, plane,
                                (from.y * TILE + r) * s->out_w + from.x * TILE,
                                to - from.x * TILE);
    }
}

static void run_group(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct winograd *w = frame->w;
    float *floats = cz_scratch_take(frame->scratch);
    const size_t first = cz_winograd_group_start(&w->tiles, i);
    const struct group group = {
        .first = first,
        .count = cz_winograd_group_start(&w->tiles, i + 1) - first,
        .v = (int16_t *)floats,
        .m = (int32_t *)(floats + v_floats(w)),
        .window = (uint8_t *)(floats + v_floats(w) + m_floats(w)),
    };
    transform_input(w, frame->step->inputs[0]->data, &group);
    for (size_t block = 0; block < w->conv.shape.out_blocks; block++) {
        multiply(w, &group, block);
        store_block(frame, &group, block);
    }
    cz_scratch_give(frame->scratch, floats);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step, exec->scratch};
    cz_team_for(exec, frame.w->tiles.groups, run_group, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_codes_winograd[] = {
    {.name = "codes_winograd",
     .op_type = CZ_OP_CONV_CODES,
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = cz_free},
    {.name = NULL},
};
