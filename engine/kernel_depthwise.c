/* Convolutions with a channel a group, in blocks of channels: two rows of the
 * output at a time are sums over rows of the input. Above and below the image
 * lies a row of zeros; the few columns whose windows reach over the left or
 * right border are made one at a time. */
#include "core/sizes.h"
#include "engine/conv_internal.h"
#include "engine/kernels_internal.h"

/* Of a band: rows of the output in one block that are one item of work. They
 * stay in the first cache until they are finished. */
#define BAND_BYTES (8 * 1024)

/* Input rows that two rows of the output are made of. */
#define INPUT_ROWS_MAX 64

struct depthwise {
    struct cz_conv_shape shape;
    const struct cz_simd *simd;
    float *w;                      /* [block][kernel_h][kernel_w][lanes] */
    float *bias;                   /* [out_blocks * lanes] */
    float *zeros;                  /* [in_w * lanes] */
    size_t inside_from, inside_to; /* columns whose windows are inside */
    size_t bands;                  /* of a block */
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
           s.kernel_h + s.stride_h <= INPUT_ROWS_MAX &&
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

static void choose_bands(struct depthwise *d, size_t threads)
{
    const struct cz_conv_shape *s = &d->shape;
    const size_t row_bytes = s->out_w * s->lanes * sizeof(float);
    const size_t rows = cz_most(BAND_BYTES / row_bytes / 2 * 2, 2);
    const size_t bands_wanted =
        cz_divide_up(2 * threads, s->batch * s->out_blocks);
    d->bands =
        cz_least(cz_most(cz_divide_up(s->out_h, rows), bands_wanted), s->out_h);
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
    d->w =
        cz_store_floats(plan->store, weights + channels + s->in_w * s->lanes);
    if (!d->w) {
        cz_free(d);
        return cz_error_nomem(err);
    }
    *state = d;
    d->bias = d->w + weights;
    d->zeros = d->bias + channels;
    choose_bands(d, plan->exec.threads);
    cz_conv_inside(s, &d->inside_from, &d->inside_to);
    pack_weights(d, step->inputs[1]->known);
    cz_conv_pack_bias(step, s, d->bias);
    step->is_packed = true;
    return CZ_OK;
}

/* ---- a frame ---------------------------------------------------------- */

/* The rows of the input, in `plane`, that `rows` of the output from `y` on are
 * made of. */
static void find_rows(const struct depthwise *d, const float *plane, size_t y,
                      size_t rows, const float *x[INPUT_ROWS_MAX])
{
    const struct cz_conv_shape *s = &d->shape;
    for (size_t r = 0; r < s->kernel_h + (rows - 1) * s->stride_h; r++) {
        const size_t at = y * s->stride_h + r * s->dilation_h - s->pad_top;
        x[r] = at < s->in_h ? plane + at * s->in_w * s->lanes : d->zeros;
    }
}

/* Output rows [from, to) of a plane. */
static void run_band(const struct frame *frame, size_t plane, size_t from,
                     size_t to)
{
    const struct depthwise *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const size_t block = plane % s->out_blocks, y_row = s->out_w * s->lanes;
    const float *in = (const float *)frame->step->inputs[0]->data +
                      plane * cz_conv_in_plane(s);
    float *out =
        (float *)frame->step->outputs[0]->data + plane * cz_conv_out_plane(s);
    const float *x[INPUT_ROWS_MAX];
    struct cz_simd_depthwise rows = {
        .kernel_h = s->kernel_h,
        .kernel_w = s->kernel_w,
        .stride_h = s->stride_h,
        .stride_w = s->stride_w,
        .dilation_w = s->dilation_w,
        .in_w = s->in_w,
        .pad_left = s->pad_left,
        .out_w = s->out_w,
        .inside_from = d->inside_from,
        .inside_to = d->inside_to,
        .x = x,
        .w = d->w + block * s->kernel_h * s->kernel_w * s->lanes,
        .bias = d->bias + block * s->lanes,
        .y_row = y_row,
    };
    /* Where their number is odd, the last row but one is made twice. */
    const size_t at_once = to - from > 1 && s->dilation_h == 1 ? 2 : 1;
    for (size_t y = from; y < to; y += at_once) {
        const size_t first = cz_least(y, to - at_once);
        find_rows(d, in, first, at_once, x);
        rows.y = out + first * y_row;
        d->simd->depthwise(&rows, at_once);
    }
}

/* Band i of images x blocks x bands. */
static void run_item(void *user, size_t i)
{
    const struct frame *frame = user;
    const struct depthwise *d = frame->d;
    const struct cz_conv_shape *s = &d->shape;
    const size_t plane = i / d->bands, band = i % d->bands;
    const size_t from = band * s->out_h / d->bands;
    const size_t to = (band + 1) * s->out_h / d->bands;
    const size_t at = plane * cz_conv_out_plane(s) + from * s->out_w * s->lanes;
    run_band(frame, plane, from, to);
    cz_conv_finish(frame->step, s, d->simd, at, (to - from) * s->out_w);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    struct frame frame = {step->state, step};
    const struct cz_conv_shape *s = &frame.d->shape;
    cz_team_for(exec, s->batch * s->out_blocks * frame.d->bands, run_item,
                &frame);
    return CZ_OK;
}

const struct cz_kernel cz_kernels_depthwise[] = {
    {.name = "depthwise",
     .op_type = "Conv",
     .fits = fits,
     .prepare = prepare,
     .run = run,
     .release = cz_free},
    {.name = NULL},
};
