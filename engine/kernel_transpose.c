/* ConvTranspose in the blocked layout, where the stride is the window: every
 * pixel of the input gives kernel_h x kernel_w pixels of the output that no
 * other touches, each by a 1 x 1 convolution of its own. */
#include <string.h>

#include "engine/conv_internal.h"
#include "engine/kernels_internal.h"
#include "engine/storage_internal.h"
#include "engine/window_internal.h"

/* Pixels of a row of the input at a time: their output, of a pair of blocks,
 * waits on the stack. */
#define PIXELS 60
#define LANES_MAX 16

struct state {
    struct cz_conv_shape shape;
    const struct cz_simd *simd;
    const struct cz_step *step;
    float *w;           /* [tap][pair][in_blocks][lanes][outputs][lanes] */
    float *bias;        /* [out_blocks * lanes] */
    ptrdiff_t *offsets; /* [in_blocks] */
};

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_conv_params *p = step->params;
    const struct cz_window *w = &p->window;
    struct cz_conv_shape s;
    if (!cz_conv_shape(&s, step, plan))
        return false;
    /* Lanes behind the last channel stay 0 as they are. */
    if (s.out_channels % s.lanes && cz_activate(&step->activation, 0) != 0)
        return false;
    return s.group == 1 && !s.is_plain && !step->residual &&
           w->dilations[0] == 1 && w->dilations[1] == 1 &&
           s.kernel_h == s.stride_h && s.kernel_w == s.stride_w && !s.pad_top &&
           !s.pad_left && s.out_h == s.in_h * s.stride_h &&
           s.out_w == s.in_w * s.stride_w && cz_simd_find(plan->block);
}

/* ---- preparation ------------------------------------------------------ */

static size_t pair_floats(const struct cz_conv_shape *s)
{
    return s->in_blocks * s->lanes * CZ_SIMD_OUTPUTS * s->lanes;
}

/* The last pair of a tap may be half empty. */
static float *weights_of(const struct state *state, size_t tap, size_t pair)
{
    const struct cz_conv_shape *s = &state->shape;
    return state->w + (tap * cz_conv_pairs(s) + pair) * pair_floats(s);
}

/* From [inputs][outputs][taps]. */
static void pack_weights(struct state *state, const float *from)
{
    const struct cz_conv_shape *s = &state->shape;
    const size_t taps = s->kernel_h * s->kernel_w;
    const size_t pair_lanes = CZ_SIMD_OUTPUTS * s->lanes;
    for (size_t i = 0; i < s->in_channels * s->out_channels * taps; i++) {
        const size_t tap = i % taps, oc = i / taps % s->out_channels;
        const size_t ic = i / taps / s->out_channels, pair = oc / pair_lanes;
        const size_t width = cz_conv_pair_outputs(s, pair) * s->lanes;
        weights_of(state, tap, pair)[ic * width + oc % pair_lanes] = from[i];
    }
}

static void release(void *user)
{
    struct state *state = user;
    cz_free(state->offsets);
    cz_free(state);
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **result, struct cz_error *err)
{
    struct state *state = cz_calloc(1, sizeof *state);
    if (!state)
        return cz_error_nomem(err);
    struct cz_conv_shape *s = &state->shape;
    cz_conv_shape(s, step, plan);
    state->step = step;
    state->simd = cz_simd_find(plan->block);
    const size_t weights =
        s->kernel_h * s->kernel_w * cz_conv_pairs(s) * pair_floats(s);
    state->w = cz_store_floats(plan->store, weights + s->out_blocks * s->lanes);
    state->offsets = cz_calloc(s->in_blocks, sizeof *state->offsets);
    if (!state->w || !state->offsets) {
        release(state);
        return cz_error_nomem(err);
    }
    for (size_t i = 0; i < s->in_blocks; i++)
        state->offsets[i] = (ptrdiff_t)(i * cz_conv_in_plane(s));
    state->bias = state->w + weights;
    pack_weights(state, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, state->bias);
    step->is_packed = true;
    *result = state;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* Some neighbours in a row of the input. */
struct run {
    size_t image, y, x, pixels;
};

/* Pixels that were neighbours, `distance` floats apart. */
static void spread(float *to, const float *from, size_t pixels, size_t lanes,
                   size_t distance)
{
    for (size_t i = 0; i < pixels; i++) {
        if (lanes == 8) /* sizes that the compiler knows are no call */
            memcpy(to + i * distance, from + i * 8, 8 * sizeof *to);
        else if (lanes == 4)
            memcpy(to + i * distance, from + i * 4, 4 * sizeof *to);
        else
            memcpy(to + i * distance, from + i * lanes, lanes * sizeof *to);
    }
}

static void make_tap(const struct state *state, const struct run *run,
                     size_t tap, size_t pair)
{
    _Alignas(
        CZ_SIMD_ALIGN_BYTES) float made[CZ_SIMD_OUTPUTS * PIXELS * LANES_MAX];
    const struct cz_conv_shape *s = &state->shape;
    const size_t outputs = cz_conv_pair_outputs(s, pair);
    const size_t block = run->image * s->out_blocks + pair * CZ_SIMD_OUTPUTS;
    const size_t y = run->y * s->stride_h + tap / s->kernel_w;
    const size_t x = run->x * s->stride_w + tap % s->kernel_w;
    const struct cz_simd_product product = {
        .x = (const float *)state->step->inputs[0]->data +
             run->image * s->in_blocks * cz_conv_in_plane(s) +
             (run->y * s->in_w + run->x) * s->lanes,
        .offsets = state->offsets,
        .taps = s->in_blocks,
        .depth = s->lanes,
        .step = s->lanes,
        .w = weights_of(state, tap, pair),
        .outputs = outputs,
        .bias = state->bias + pair * CZ_SIMD_OUTPUTS * s->lanes,
        .y = made,
        .y_block = run->pixels * s->lanes,
    };
    state->simd->multiply(&product, run->pixels);
    state->simd->finish(&state->step->activation, made, NULL,
                        outputs * run->pixels);
    for (size_t o = 0; o < outputs; o++)
        spread((float *)state->step->outputs[0]->data +
                   (block + o) * cz_conv_out_plane(s) +
                   (y * s->out_w + x) * s->lanes,
               made + o * product.y_block, run->pixels, s->lanes,
               s->stride_w * s->lanes);
}

/* Item i of images x rows. */
static void run_row(void *user, size_t i)
{
    const struct state *state = user;
    const struct cz_conv_shape *s = &state->shape;
    const size_t taps = s->kernel_h * s->kernel_w, pairs = cz_conv_pairs(s);
    struct run run = {.image = i / s->in_h, .y = i % s->in_h};
    for (; run.x < s->in_w; run.x += PIXELS) {
        const size_t left = s->in_w - run.x;
        run.pixels = left < PIXELS ? left : PIXELS;
        for (size_t k = 0; k < taps * pairs; k++)
            make_tap(state, &run, k / pairs, k % pairs);
    }
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    struct state *state = step->state;
    const struct cz_conv_shape *s = &state->shape;
    (void)err;
    cz_team_for(exec, s->batch * s->in_h, run_row, state);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_transpose[] = {
    {.name = "direct",
     .op_type = "ConvTranspose",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release},
    {.name = NULL},
};
