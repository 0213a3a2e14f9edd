/* Convolutions on codes with a channel a group: rows of the output, each from a
 * copy of the rows of the input below it with the zero point for the border.
 * A row of 16 channels is small: it stays in the first cache. */
#include "core/sizes.h"
#include "engine/conv_codes_internal.h"
#include "engine/kernels_internal.h"

/* Of a band: rows of the output in one block that are one item of work. */
#define BAND_BYTES ((size_t)8 * 1024)

struct depthwise {
    struct cz_codes_conv conv;
    int16_t *w;         /* [block][taps / 2][16][2] */
    ptrdiff_t *offsets; /* [taps], of the taps in a window */
    size_t taps;        /* a multiple of 2 */
    size_t columns;     /* of the input that a row needs */
    size_t bands;       /* of a block */
    size_t window_rows; /* below a band, at most */
};

struct frame {
    const struct depthwise *d;
    const struct cz_step *step;
    struct cz_scratch *scratch;
};

/* ---- preparation ------------------------------------------------------ */

static bool fits(const struct cz_step *step, const struct cz_plan *plan)
{
    struct cz_codes_conv conv;
    if (!cz_codes_conv(&conv, step, plan))
        return false;
    const struct cz_conv_shape *s = &conv.shape;
    return !s->is_plain && s->group == s->in_channels &&
           s->group == s->out_channels;
}

static void choose_bands(struct depthwise *d, size_t threads)
{
    const struct cz_conv_shape *s = &d->conv.shape;
    const size_t row_bytes = s->out_w * CZ_CODES_BLOCK;
    const size_t rows = cz_most(BAND_BYTES / row_bytes, 1);
    const size_t bands_wanted =
        cz_divide_up(2 * threads, s->batch * s->out_blocks);
    d->bands =
        cz_least(cz_most(cz_divide_up(s->out_h, rows), bands_wanted), s->out_h);
    d->window_rows = cz_conv_window_rows(s, cz_divide_up(s->out_h, d->bands));
    d->columns = cz_conv_window_columns(s, s->out_w);
    d->taps = cz_round_up(s->kernel_h * s->kernel_w, 2);
}

static void pack_weights(struct depthwise *d, const struct cz_step *step)
{
    const struct cz_conv_shape *s = &d->conv.shape;
    int16_t *w = d->w;
    for (size_t block = 0; block < s->out_blocks; block++) {
        for (size_t i = 0; i < d->taps * CZ_CODES_BLOCK; i++) {
            const size_t tap = i / 2 / CZ_CODES_BLOCK * 2 + i % 2;
            const size_t lane = i / 2 % CZ_CODES_BLOCK;
            if (tap < s->kernel_h * s->kernel_w)
                w[i] = cz_codes_weight(&d->conv, step,
                                       block * CZ_CODES_BLOCK + lane, 0, tap);
        }
        w += d->taps * CZ_CODES_BLOCK;
    }
}

/* Where there is one tap more than the window has, its weight is 0. */
static void make_offsets(struct depthwise *d)
{
    const struct cz_conv_shape *s = &d->conv.shape;
    for (size_t t = 0; t < s->kernel_h * s->kernel_w; t++) {
        const size_t y = t / s->kernel_w * s->dilation_h;
        const size_t x = t % s->kernel_w * s->dilation_w;
        d->offsets[t] = (ptrdiff_t)((y * d->columns + x) * CZ_CODES_BLOCK);
    }
}

static void release(void *state)
{
    struct depthwise *d = state;
    if (d) {
        cz_free(d->offsets);
        cz_free(d);
    }
}

static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **state, struct cz_error *err)
{
    struct depthwise *d = cz_calloc(1, sizeof *d);
    if (!d)
        return cz_error_nomem(err);
    cz_codes_conv(&d->conv, step, plan);
    choose_bands(d, plan->exec.threads);
    const size_t w_floats = d->conv.shape.out_blocks * d->taps *
                            CZ_CODES_BLOCK * sizeof *d->w / sizeof(float);
    float *floats =
        cz_store_floats(plan->store, w_floats + cz_codes_conv_floats(&d->conv));
    d->offsets = cz_calloc(d->taps, sizeof *d->offsets);
    if (!floats || !d->offsets ||
        !cz_scratch_reserve(plan->exec.scratch, d->window_rows * d->columns *
                                                    CZ_CODES_BLOCK /
                                                    sizeof(float))) {
        release(d);
        return cz_error_nomem(err);
    }
    *state = d;
    d->w = (int16_t *)floats;
    make_offsets(d);
    pack_weights(d, step);
    cz_codes_conv_pack(&d->conv, step, floats + w_floats);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* Output rows [from, to) of a block, counted over all images. */
static void run_band(const struct frame *frame, size_t block, size_t from,
                     size_t to, uint8_t *copy)
{
    const struct depthwise *d = frame->d;
    const struct cz_conv_shape *s = &d->conv.shape;
    const struct cz_conv_window window = {.y = cz_conv_window_y(s, from),
                                          .x = cz_conv_window_x(s, 0),
                                          .rows =
                                              cz_conv_window_rows(s, to - from),
                                          .columns = d->columns,
                                          .unit = CZ_CODES_BLOCK};
    struct cz_codes_depthwise loop = {
        .x = copy,
        .offsets = d->offsets,
        .couples = d->taps / 2,
        .step = s->stride_w * CZ_CODES_BLOCK,
        .w = d->w + block % s->out_blocks * d->taps * CZ_CODES_BLOCK,
    };
    cz_codes_copy_window(&d->conv,
                         (const uint8_t *)frame->step->inputs[0]->data +
                             block * cz_conv_in_plane(s),
                         &window, copy);
    for (size_t y = from; y < to; y++) {
        const struct cz_codes_finish finish =
            cz_codes_conv_open(&d->conv, frame->step, block, y * s->out_w);
        d->conv.loops->depthwise(&loop, &finish, s->out_w);
        loop.x += s->stride_h * d->columns * CZ_CODES_BLOCK;
    }
    cz_codes_conv_close(&d->conv, frame->step, block, from * s->out_w,
                        (to - from) * s->out_w);
}

/* Band i of images x blocks x bands. */
static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct depthwise *d = frame->d;
    const struct cz_conv_shape *s = &d->conv.shape;
    const size_t band = i % d->bands;
    float *floats = cz_scratch_take(frame->scratch);
    run_band(frame, i / d->bands, band * s->out_h / d->bands,
             (band + 1) * s->out_h / d->bands, (uint8_t *)floats);
    cz_scratch_give(frame->scratch, floats);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step, exec->scratch};
    const struct cz_conv_shape *s = &frame.d->conv.shape;
    cz_team_for(exec, s->batch * s->out_blocks * frame.d->bands, run_item,
                &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_codes_depthwise[] = {
    {.name = "codes_depthwise",
     .op_type = CZ_OP_CONV_CODES,
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = release},
    {.name = NULL},
};
