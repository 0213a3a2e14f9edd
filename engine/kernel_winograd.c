/* Convolutions of 3 x 3 in a quarter (stride 1) or nine sixteenths (stride 2)
 * of the multiplications. Stride 1 is Winograd's F(4x4, 3x3), from Lavin and
 * Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; stride
 * 2 is made of shorter ones, as in Yepez and Ko, "Stride 2 1-D, 2-D, and 3-D
 * Winograd for Convolutional Neural Networks", IEEE Trans. VLSI Systems 2020.
 *
 * The output is cut into tiles of 4 x 4, each from 6 x 6 or 9 x 9 of the input
 * (d):
 *
 *     Y = A' [ sum over input channels of (G g G') . (B' d B) ] A
 *
 * U = G g G' is made once. For a group of tiles that fits into the cache,
 * V = B' d B is made of all input channels; then, for each pair of output
 * blocks, M = U V is a product of matrices at each of the 36 or 81 positions,
 * and A' M A with the bias, the activation and the residual goes to the
 * output. Each thread works on a V and M of its own. */
#include <string.h>

#include "core/sizes.h"
#include "engine/kernels_internal.h"
#include "engine/winograd_internal.h"

#define TILE CZ_WINOGRAD_OUT
#define SIDE CZ_WINOGRAD_WEIGHTS
#define WEIGHTS (SIDE * SIDE)

/* With fewer, stride 2 saves less than the transforms cost. */
#define STRIDE_2_CHANNELS_MIN 32

/* Positions are an odd multiple of 32 floats apart: a power of two would make
 * them share few lines of the first cache. */
#define SKEW_FLOATS 32

struct winograd {
    struct cz_conv_shape shape;
    const struct cz_simd *simd;
    float *u;           /* [pair][WEIGHTS][in_blocks * lanes][outputs] */
    float *bias;        /* [out_blocks * lanes] */
    ptrdiff_t *offsets; /* [in_blocks], of blocks in V */
    size_t side;        /* of a tile in the input: 6 or 9 */
    struct cz_winograd_tiles tiles;
    size_t v_step, m_step; /* floats between positions */
};

/* A run of the kernel, and a group of tiles in it. */
struct frame {
    const struct winograd *w;
    const struct cz_step *step;
    struct cz_scratch *scratch;
};

struct group {
    size_t first, count;
    float *v, *m, *window;
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_conv_shape s;
    if (!cz_conv_shape(&s, step, plan) || !cz_simd_find(plan->block))
        return false;
    if (s.is_plain || s.group != 1 || s.kernel_h != 3 || s.kernel_w != 3)
        return false;
    if (s.stride_h != s.stride_w || s.dilation_h != 1 || s.dilation_w != 1)
        return false;
    return s.stride_h == 1 ||
           (s.stride_h == 2 && s.in_channels >= STRIDE_2_CHANNELS_MIN);
}

/* Rows of (1, p, p^2 ...) over the product of p's distances to the other
 * points: what a kernel with `taps` taps, `spread` apart, contributes. */
static void make_g_points(double g[][3], const double *points, size_t count,
                          size_t taps, size_t spread)
{
    for (size_t i = 0; i < count; i++) {
        double value = 1;
        for (size_t j = 0; j < count; j++)
            value /= j == i ? 1 : points[i] - points[j];
        for (size_t k = 0; k < taps; k++, value *= points[i])
            g[i][k * spread] = value;
    }
}

/* The row for infinity is (0, 0, 1); that for the odd inputs (0, 1, 0). */
static void make_g(double g[SIDE][3], size_t stride)
{
    const double a = CZ_WINOGRAD_A, b = CZ_WINOGRAD_B;
    const double a2 = CZ_WINOGRAD_A2, b2 = CZ_WINOGRAD_B2;
    memset(g, 0, SIDE * sizeof *g);
    if (stride == 1) {
        make_g_points(g, (const double[]){0, a, -a, b, -b}, 5, 3, 1);
        g[5][2] = 1;
    } else {
        make_g_points(g, (const double[]){a2, -a2, b2, -b2}, 4, 2, 2);
        g[4][2] = 1;
        g[5][1] = 1;
    }
}

/* u = g kernel g', in double: it is rounded once. */
static void transform_weights(double g[SIDE][3], const float *kernel, float *u,
                              size_t step)
{
    double rows[SIDE][3];
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t x = 0; x < 3; x++)
            rows[i][x] = g[i][0] * (double)kernel[x] +
                         g[i][1] * (double)kernel[3 + x] +
                         g[i][2] * (double)kernel[6 + x];
    }
    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++)
            u[(i * SIDE + j) * step] =
                (float)(rows[i][0] * g[j][0] + rows[i][1] * g[j][1] +
                        rows[i][2] * g[j][2]);
    }
}

struct packing {
    struct winograd *w;
    const float *weights;
    double g[SIDE][3];
};

/* The weights of one pair of output blocks: an input channel of all of them at
 * a time, which fills whole cache lines. */
static void pack_pair(void *user, size_t pair)
{
    struct packing *packing = user;
    struct winograd *w = packing->w;
    const struct cz_conv_shape *s = &w->shape;
    const size_t lanes = s->lanes, depth = s->in_blocks * lanes;
    const size_t first = pair * CZ_SIMD_OUTPUTS * lanes;
    const size_t width = cz_conv_pair_outputs(s, pair) * lanes;
    const size_t rest = s->out_channels - first;
    const size_t n = rest < width ? rest : width;
    float *to = w->u + pair * WEIGHTS * depth * CZ_SIMD_OUTPUTS * lanes;
    float u[WEIGHTS][CZ_SIMD_OUTPUTS * CZ_SIMD_ALIGN_BYTES / sizeof(float)];
    memset(u, 0, sizeof u);
    for (size_t ic = 0; ic < s->in_channels; ic++) {
        for (size_t o = 0; o < n; o++)
            transform_weights(packing->g,
                              packing->weights +
                                  ((first + o) * s->in_channels + ic) * 9,
                              &u[0][o], sizeof *u / sizeof **u);
        for (size_t p = 0; p < WEIGHTS; p++)
            memcpy(to + (p * depth + ic) * width, u[p], width * sizeof **u);
    }
}

static void pack_weights(struct winograd *w, const float *weights,
                         const struct cz_exec *exec)
{
    struct packing packing = {.w = w, .weights = weights};
    make_g(packing.g, w->shape.stride_h);
    cz_team_for(exec, cz_conv_pairs(&w->shape), pack_pair, &packing);
}

static void choose_sizes(struct winograd *w, size_t threads)
{
    const struct cz_conv_shape *s = &w->shape;
    w->side = s->stride_h == 1 ? 6 : 9;
    const size_t positions = w->side * w->side;
    cz_winograd_tiles_choose(
        &w->tiles, s, positions * s->in_blocks * s->lanes * sizeof(float),
        threads);
    const size_t row = w->tiles.group_tiles * s->lanes;
    w->v_step = cz_round_up(s->in_blocks * row, 2 * SKEW_FLOATS) + SKEW_FLOATS;
    w->m_step =
        cz_round_up(CZ_SIMD_OUTPUTS * row, 2 * SKEW_FLOATS) + SKEW_FLOATS;
}

static void release(void *state)
{
    struct winograd *w = state;
    if (w) {
        cz_free(w->offsets);
        cz_free(w);
    }
}

static bool allocate(struct winograd *w, const struct cz_plan *plan)
{
    const struct cz_conv_shape *s = &w->shape;
    const size_t outputs = s->out_blocks * s->lanes;
    const size_t u_floats = WEIGHTS * s->in_blocks * s->lanes * outputs;
    w->u = cz_store_floats(plan->store, u_floats + outputs);
    w->offsets = cz_calloc(s->in_blocks, sizeof *w->offsets);
    if (!w->u || !w->offsets)
        return false;
    w->bias = w->u + u_floats;
    /* V, M and a window */
    return cz_scratch_reserve(plan->exec.scratch,
                              w->side * w->side *
                                  (w->v_step + w->m_step + s->lanes));
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct winograd *w = cz_calloc(1, sizeof *w);
    if (!w)
        return cz_error_nomem(err);
    cz_conv_shape(&w->shape, step, plan);
    w->simd = cz_simd_find(plan->block);
    choose_sizes(w, plan->exec.threads);
    if (!allocate(w, plan)) {
        release(w);
        return cz_error_nomem(err);
    }
    *state = w;
    for (size_t i = 0; i < w->shape.in_blocks; i++)
        w->offsets[i] = (ptrdiff_t)(i * w->tiles.group_tiles * w->shape.lanes);
    pack_weights(w, step->inputs[1]->known, &plan->exec);
    cz_conv_pack_bias(step, &w->shape, w->bias);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* V of one tile in one block. */
static void transform_tile(const struct winograd *w, const struct group *group,
                           const float *plane, struct cz_winograd_tile tile,
                           float *v)
{
    const struct cz_conv_shape *s = &w->shape;
    bool is_inside;
    const struct cz_conv_window window =
        cz_winograd_window(s, tile, w->side, &is_inside);
    size_t row = s->in_w * s->lanes;
    const float *from = group->window;
    if (is_inside) {
        from = plane + (size_t)window.y * row + (size_t)window.x * s->lanes;
    } else {
        cz_conv_copy_window(s, plane, &window, group->window);
        row = w->side * s->lanes;
    }
    w->simd->winograd_in[s->stride_h - 1](from, row, v, w->v_step);
}

static void transform_input(const struct winograd *w, const float *x,
                            const struct group *group)
{
    const struct cz_conv_shape *s = &w->shape;
    const size_t plane = cz_conv_in_plane(s);
    for (size_t b = 0; b < s->in_blocks; b++) {
        for (size_t i = 0; i < group->count; i++) {
            const struct cz_winograd_tile tile =
                cz_winograd_tile_at(&w->tiles, group->first + i);
            transform_tile(w, group,
                           x + (tile.image * s->in_blocks + b) * plane, tile,
                           group->v + w->offsets[b] + i * s->lanes);
        }
    }
}

static void multiply(const struct winograd *w, const struct group *group,
                     size_t pair, size_t outputs)
{
    const struct cz_conv_shape *s = &w->shape;
    const size_t depth = s->in_blocks * s->lanes;
    const float *u = w->u + pair * WEIGHTS * depth * CZ_SIMD_OUTPUTS * s->lanes;
    struct cz_simd_product product = {
        .x = group->v,
        .offsets = w->offsets,
        .taps = s->in_blocks,
        .depth = s->lanes,
        .step = s->lanes,
        .outputs = outputs,
        .y = group->m,
        .y_block = w->tiles.group_tiles * s->lanes,
    };
    for (size_t i = 0; i < w->side * w->side; i++) {
        const size_t row = cz_least(i / w->side, SIDE - 1);
        const size_t column = cz_least(i % w->side, SIDE - 1);
        product.w = u + (row * SIDE + column) * depth * outputs * s->lanes;
        w->simd->multiply(&product, group->count);
        product.x += w->v_step;
        product.y += w->m_step;
    }
}

/* The tile's outputs to `plane`, but for those behind the last row or column.
 */
static void store_tile(const struct winograd *w, const struct group *group,
                       const float *m, const float *bias,
                       struct cz_winograd_tile tile, float *plane)
{
    const struct cz_conv_shape *s = &w->shape;
    const size_t lanes = s->lanes, row = s->out_w * lanes;
    void (*winograd_out)(const float *, size_t, const float *, float *,
                         size_t) = w->simd->winograd_out[s->stride_h - 1];
    const size_t rows = cz_least(TILE, s->out_h - tile.y * TILE);
    const size_t columns = cz_least(TILE, s->out_w - tile.x * TILE);
    float *y = plane + tile.y * TILE * row + tile.x * TILE * lanes;
    if (rows == TILE && columns == TILE) {
        winograd_out(m, w->m_step, bias, y, row);
        return;
    }
    winograd_out(m, w->m_step, bias, group->window, TILE * lanes);
    for (size_t r = 0; r < rows; r++)
        memcpy(y + r * row, group->window + r * TILE * lanes,
               columns * lanes * sizeof *y);
}

/* Activation and residual for the tiles [from, to), which are neighbours in a
 * row of tiles. */
static void finish_row(const struct frame *frame, struct cz_winograd_tile from,
                       size_t to, size_t block)
{
    const struct winograd *w = frame->w;
    const struct cz_conv_shape *s = &w->shape;
    const size_t last = cz_least(s->out_h, (from.y + 1) * TILE);
    const size_t pixels = cz_least(s->out_w, to * TILE) - from.x * TILE;
    for (size_t y = from.y * TILE; y < last; y++) {
        const size_t at =
            (from.image * s->out_blocks + block) * cz_conv_out_plane(s) +
            (y * s->out_w + from.x * TILE) * s->lanes;
        cz_conv_finish(frame->step, s, w->simd, at, pixels);
    }
}

static void store_block(const struct frame *frame, const struct group *group,
                        const float *m, size_t block)
{
    const struct winograd *w = frame->w;
    const struct cz_conv_shape *s = &w->shape;
    float *y = frame->step->outputs[0]->data;
    struct cz_winograd_tile from = cz_winograd_tile_at(&w->tiles, group->first);
    for (size_t i = 0; i < group->count; i++) {
        const struct cz_winograd_tile tile =
            cz_winograd_tile_at(&w->tiles, group->first + i);
        store_tile(w, group, m + i * s->lanes, w->bias + block * s->lanes, tile,
                   y + (tile.image * s->out_blocks + block) *
                           cz_conv_out_plane(s));
        if (tile.x + 1 == w->tiles.columns || i + 1 == group->count) {
            finish_row(frame, from, tile.x + 1, block);
            from = cz_winograd_tile_at(&w->tiles, group->first + i + 1);
        }
    }
}

static void run_group(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct winograd *w = frame->w;
    const size_t positions = w->side * w->side,
                 pairs = cz_conv_pairs(&w->shape);
    const size_t first = cz_winograd_group_start(&w->tiles, i);
    struct group group = {.first = first,
                          .count =
                              cz_winograd_group_start(&w->tiles, i + 1) - first,
                          .v = cz_scratch_take(frame->scratch)};
    group.m = group.v + positions * w->v_step;
    group.window = group.m + positions * w->m_step;
    transform_input(w, frame->step->inputs[0]->data, &group);
    for (size_t pair = 0; pair < pairs; pair++) {
        const size_t outputs = cz_conv_pair_outputs(&w->shape, pair);
        multiply(w, &group, pair, outputs);
        for (size_t o = 0; o < outputs; o++)
            store_block(frame, &group,
                        group.m + o * w->tiles.group_tiles * w->shape.lanes,
                        pair * CZ_SIMD_OUTPUTS + o);
    }
    cz_scratch_give(frame->scratch, group.v);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step, exec->scratch};
    cz_team_for(exec, frame.w->tiles.groups, run_group, &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_winograd[] = {
    {.name = "winograd",
     .op_type = "Conv",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release},
    {.name = NULL},
};
