/* The sizes of a convolution on codes, its biases and multipliers packed, its
 * windows copied. */
#include "engine/conv_codes_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/sizes.h"

enum { INPUT, WEIGHT, BIAS };

/* ---- sizes ------------------------------------------------------------ */

static bool is_constant_or_absent(const struct cz_array *array,
                                  enum cz_dtype dtype)
{
    return !array || (array->is_constant && array->dtype == dtype);
}

static bool codes_fit(const struct cz_step *step)
{
    return cz_is_codes(step->outputs[0]->dtype) && !step->residual &&
           step->activation.kind == CZ_ACT_NONE &&
           is_constant_or_absent(cz_step_input(step, BIAS), CZ_DTYPE_INT32);
}

static bool floats_fit(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *y = step->outputs[0], *sum = step->residual;
    if (y->dtype != CZ_DTYPE_FLOAT || !cz_simd_find(plan->block))
        return false;
    if (!is_constant_or_absent(cz_step_input(step, BIAS), CZ_DTYPE_FLOAT))
        return false;
    return !sum || (sum->dtype == CZ_DTYPE_FLOAT && sum->layout == y->layout &&
                    !sum->is_dynamic && cz_dims_equal(&sum->dims, &y->dims));
}

static bool operands_fit(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *x = step->inputs[INPUT], *y = step->outputs[0];
    const struct cz_array *w = step->inputs[WEIGHT];
    if (step->is_dynamic || x->is_dynamic || x->dims.rank != 4)
        return false;
    if (!cz_is_codes(x->dtype) || w->dtype != CZ_DTYPE_INT8 || !w->is_constant)
        return false;
    return y->layout == CZ_LAYOUT_BLOCKED &&
           (codes_fit(step) || floats_fit(step, plan));
}

/* Are all sums times their multipliers within int32? The absurd ones that are
 * not would be rounded to something else. */
static bool products_fit(const struct cz_step *step)
{
    const struct cz_conv_codes_params *params = step->params;
    const struct cz_array *weights = step->inputs[WEIGHT];
    const struct cz_array *bias = cz_step_input(step, BIAS);
    const size_t outputs = (size_t)weights->dims.size[0];
    const size_t count = cz_array_count(weights) / outputs;
    const int8_t *w = weights->known;
    for (size_t m = 0; m < outputs; m++) {
        int64_t most = 0;
        for (size_t i = 0; i < count; i++, w++)
            most += abs(*w);
        most *= UINT8_MAX;
        if (bias && bias->dtype == CZ_DTYPE_INT32)
            most += llabs(((const int32_t *)bias->known)[m]);
        const double largest =
            fabs((double)params->multiplier[m]) * (double)most;
        if (!(largest < INT32_MAX / 2))
            return false;
    }
    return true;
}

bool cz_codes_conv(struct cz_codes_conv *conv, const struct cz_step *step,
                   const struct cz_plan *plan)
{
    const struct cz_conv_codes_params *params = step->params;
    if (params->conv.window.spatial != 2 || !operands_fit(step, plan) ||
        !products_fit(step))
        return false;
    const bool is_signed = step->inputs[INPUT]->dtype == CZ_DTYPE_INT8;
    *conv = (struct cz_codes_conv){
        .is_float = step->outputs[0]->dtype == CZ_DTYPE_FLOAT,
        .loops = cz_codes_find(),
        .bytes = cz_byte_loops_find(),
        .simd = cz_simd_find(plan->block),
        .flip = is_signed ? 128 : 0,
        .x_zero = (uint8_t)(params->x_zero + (is_signed ? 128 : 0)),
        .params = params,
    };
    cz_conv_read_shape(&conv->shape, step, &params->conv, CZ_CODES_BLOCK);
    cz_conv_read_shape(&conv->floats, step, &params->conv, plan->block);
    const struct cz_conv_shape *s = &conv->shape;
    return s->batch && s->out_h && s->out_w && s->in_channels;
}

/* ---- packing ---------------------------------------------------------- */

static size_t lanes_of(const struct cz_codes_conv *conv)
{
    return conv->shape.out_blocks * CZ_CODES_BLOCK;
}

/* The output channel of a lane; out_channels or more where it has none. */
static size_t channel_of(const struct cz_codes_conv *conv, size_t lane)
{
    return lane / CZ_CODES_BLOCK * CZ_CODES_BLOCK +
           conv->loops->order[lane % CZ_CODES_BLOCK];
}

size_t cz_codes_conv_floats(const struct cz_codes_conv *conv)
{
    return 3 * lanes_of(conv);
}

static size_t kernel_size(const struct cz_codes_conv *conv)
{
    return conv->shape.kernel_h * conv->shape.kernel_w;
}

static size_t group_inputs(const struct cz_codes_conv *conv)
{
    return conv->shape.in_channels / conv->shape.group;
}

/* What sum (x - x_shift) * w lacks of sum (x - x_zero) * w, modulo 2^32. */
static uint32_t zero_times_weights(const struct cz_codes_conv *conv,
                                   const int8_t *w)
{
    int64_t sum = 0;
    for (size_t i = 0; i < group_inputs(conv) * kernel_size(conv); i++)
        sum += w[i];
    return (uint32_t)(-sum * (conv->x_zero - conv->x_shift));
}

void cz_codes_conv_pack(struct cz_codes_conv *conv, const struct cz_step *step,
                        float *floats)
{
    const size_t lanes = lanes_of(conv);
    const size_t weights = group_inputs(conv) * kernel_size(conv);
    const int8_t *w = step->inputs[WEIGHT]->known;
    const struct cz_array *bias = cz_step_input(step, BIAS);
    conv->multiplier = floats;
    conv->offset = floats + lanes;
    conv->bias = (int32_t *)(floats + 2 * lanes);
    for (size_t lane = 0; lane < lanes; lane++) {
        const size_t m = channel_of(conv, lane);
        if (m >= conv->shape.out_channels)
            continue;
        uint32_t whole = zero_times_weights(conv, w + m * weights);
        if (bias && conv->is_float)
            conv->offset[lane] = ((const float *)bias->known)[m];
        else if (bias)
            whole += (uint32_t)((const int32_t *)bias->known)[m];
        conv->bias[lane] = (int32_t)whole;
        conv->multiplier[lane] = conv->params->multiplier[m];
    }
}

int8_t cz_codes_weight(const struct cz_codes_conv *conv,
                       const struct cz_step *step, size_t lane, size_t channel,
                       size_t position)
{
    const size_t m = channel_of(conv, lane), inputs = group_inputs(conv);
    if (m >= conv->shape.out_channels || channel >= inputs)
        return 0;
    return ((const int8_t *)step->inputs[WEIGHT]
                ->known)[(m * inputs + channel) * kernel_size(conv) + position];
}

/* ---- outputs ---------------------------------------------------------- */

/* Blocks of floats in a block of codes, and the first of them. */
static size_t float_blocks(const struct cz_codes_conv *conv)
{
    return CZ_CODES_BLOCK / conv->floats.lanes;
}

static size_t first_float_block(const struct cz_codes_conv *conv, size_t block)
{
    const struct cz_conv_shape *s = &conv->shape;
    return block / s->out_blocks * conv->floats.out_blocks +
           block % s->out_blocks * float_blocks(conv);
}

/* The blocks of floats in a block of codes: fewer in the last one. */
static size_t count_float_blocks(const struct cz_codes_conv *conv, size_t block)
{
    const size_t before = block % conv->shape.out_blocks * float_blocks(conv);
    return cz_least(conv->floats.out_blocks - before, float_blocks(conv));
}

struct cz_codes_finish cz_codes_conv_open(const struct cz_codes_conv *conv,
                                          const struct cz_step *step,
                                          size_t block, size_t pixel)
{
    const struct cz_conv_shape *s = &conv->shape;
    const size_t lanes = conv->floats.lanes;
    const size_t first = block % s->out_blocks * CZ_CODES_BLOCK;
    struct cz_codes_finish finish = {
        .bias = conv->bias + first,
        .multiplier = conv->multiplier + first,
        .y_zero = conv->params->y_zero,
        .is_signed = step->outputs[0]->dtype == CZ_DTYPE_INT8,
    };
    if (!conv->is_float) {
        finish.codes = (uint8_t *)step->outputs[0]->data +
                       block * cz_conv_out_plane(s) + pixel * CZ_CODES_BLOCK;
        return finish;
    }
    const size_t plane = cz_conv_out_plane(&conv->floats);
    finish.offset = conv->offset + first;
    finish.float_step = lanes;
    float *y = (float *)step->outputs[0]->data +
               first_float_block(conv, block) * plane + pixel * lanes;
    const size_t channels = count_float_blocks(conv, block) * lanes;
    for (size_t c = 0; c < channels; c += CZ_CODES_QUAD)
        finish.floats[c / CZ_CODES_QUAD] = y + c / lanes * plane + c % lanes;
    return finish;
}

void cz_codes_conv_close(const struct cz_codes_conv *conv,
                         const struct cz_step *step, size_t block, size_t pixel,
                         size_t n)
{
    if (conv->is_float) {
        const struct cz_conv_shape *s = &conv->floats;
        const size_t plane = cz_conv_out_plane(s);
        const size_t at =
            first_float_block(conv, block) * plane + pixel * s->lanes;
        for (size_t i = 0; i < count_float_blocks(conv, block); i++)
            cz_conv_finish(step, s, conv->simd, at + i * plane, n);
    } else if (conv->params->table) {
        uint8_t *y = (uint8_t *)step->outputs[0]->data +
                     block * cz_conv_out_plane(&conv->shape) +
                     pixel * CZ_CODES_BLOCK;
        conv->bytes->map(conv->params->table, y, y, n * CZ_CODES_BLOCK);
    }
}

/* ---- inputs ----------------------------------------------------------- */

static void copy_codes(const uint8_t *from, size_t n, uint8_t flip, uint8_t *to)
{
    if (flip) {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i] ^ flip;
    } else {
        memcpy(to, from, n);
    }
}

void cz_codes_copy_window(const struct cz_codes_conv *conv,
                          const uint8_t *block,
                          const struct cz_conv_window *window, uint8_t *to)
{
    const size_t row_bytes = window->columns * CZ_CODES_BLOCK;
    for (size_t r = 0; r < window->rows; r++, to += row_bytes) {
        const struct cz_conv_row row =
            cz_conv_window_row(&conv->shape, window, r);
        const size_t left = row.left * CZ_CODES_BLOCK;
        const size_t inside = row.inside * CZ_CODES_BLOCK;
        memset(to, conv->x_zero, left);
        copy_codes(block + row.from, inside, conv->flip, to + left);
        memset(to + left + inside, conv->x_zero, row_bytes - left - inside);
    }
}

/* Up to 4 rows become one of pixels; further channels are copies of the last
 * one, and their weights are 0. */
static void interleave(const uint8_t *from, size_t plane, size_t count,
                       size_t n, uint8_t flip, uint8_t *restrict to)
{
    const size_t last = count - 1;
    const uint8_t *a = from, *b = from + cz_least(1, last) * plane;
    const uint8_t *c = from + cz_least(2, last) * plane;
    const uint8_t *d = from + cz_least(3, last) * plane;
    for (size_t i = 0; i < n; i++) {
        to[4 * i] = a[i] ^ flip;
        to[4 * i + 1] = b[i] ^ flip;
        to[4 * i + 2] = c[i] ^ flip;
        to[4 * i + 3] = d[i] ^ flip;
    }
}

void cz_codes_copy_planes(const struct cz_codes_conv *conv,
                          const uint8_t *planes, size_t count,
                          const struct cz_conv_window *window, uint8_t *to)
{
    const size_t unit = CZ_CODES_QUAD, row_bytes = window->columns * unit;
    for (size_t r = 0; r < window->rows; r++, to += row_bytes) {
        const struct cz_conv_row row =
            cz_conv_window_row(&conv->shape, window, r);
        const size_t left = row.left * unit, inside = row.inside * unit;
        memset(to, conv->x_zero, left);
        interleave(planes + row.from, cz_conv_in_plane(&conv->shape), count,
                   row.inside, conv->flip, to + left);
        memset(to + left + inside, conv->x_zero, row_bytes - left - inside);
    }
}
