/* Affine codes of 8 bits: scales from ranges, loops that quantize, weights by
 * channel. The loops divide, as the specification does, and round without a
 * call, so that the compiler makes vectors of them. */
#include "quant/affine.h"

#include <float.h>
#include <math.h>

#include "core/half.h"

/* ---- scales ----------------------------------------------------------- */

static int32_t clamp_code(double code, int32_t least, int32_t most)
{
    return (int32_t)fmin(fmax(rint(code), least), most);
}

/* `scale` as a float, or 0 where that is no normal number. */
static float normal_scale(double scale)
{
    float rounded = (float)scale;
    return isnormal(rounded) ? rounded : 0;
}

struct cz_affine cz_affine_from_range(const struct cz_range *range,
                                      enum cz_codes codes)
{
    double low = fmin((double)range->low, 0);
    double high = fmax((double)range->high, 0);
    bool symmetric = codes == CZ_CODES_INT8_SYMMETRIC;
    int32_t least = codes == CZ_CODES_UINT8 ? 0 : -128, most = least + 255;
    float scale =
        normal_scale(symmetric ? fmax(-low, high) / most : (high - low) / 255);
    if (!(scale > 0))
        return cz_affine_from_range(&(struct cz_range){0, 1}, codes);
    int32_t zero_point =
        symmetric ? 0 : clamp_code(least - low / (double)scale, least, most);
    return (struct cz_affine){scale, zero_point};
}

struct cz_range cz_affine_range_of_uint8(struct cz_affine affine)
{
    return (struct cz_range){(float)-affine.zero_point * affine.scale,
                             (float)(UINT8_MAX - affine.zero_point) *
                                 affine.scale};
}

/* Below it float16 has fewer digits. */
#define LEAST_NORMAL_HALF 0x1p-14F

float cz_affine_half_scale(float scale)
{
    const uint16_t half = cz_half_from_float(scale);
    const float rounded = cz_half_to_float(half);
    if (!(scale >= LEAST_NORMAL_HALF && scale <= CZ_HALF_MAX))
        return scale;
    return rounded < scale ? cz_half_to_float((uint16_t)(half + 1)) : rounded;
}

/* ---- loops ------------------------------------------------------------ */

/* What `value` is in steps of `scale`, in [least, most], which are whole:
 * rounded after it is clamped, to the same number. A NaN becomes `least`. The
 * sum of any |x| <= 2^22 and 1.5 * 2^23 has no bits for a fraction. */
static inline float round_to_step(float value, float scale, float least,
                                  float most)
{
    const float shift = 0x1.8p23f;
    float steps = value / scale;
    steps = steps > least ? steps : least;
    steps = steps < most ? steps : most;
    return (steps + shift) - shift;
}

void cz_affine_to_uint8(uint8_t *restrict codes, const float *restrict values,
                        size_t count, struct cz_affine affine)
{
    int32_t zero = affine.zero_point;
    float least = (float)-zero, most = (float)(255 - zero);
    for (size_t i = 0; i < count; i++) {
        float steps = round_to_step(values[i], affine.scale, least, most);
        codes[i] = (uint8_t)((int32_t)steps + zero);
    }
}

void cz_affine_to_int8(int8_t *restrict codes, const float *restrict values,
                       size_t count, struct cz_affine affine)
{
    int32_t zero = affine.zero_point;
    float least = (float)(-128 - zero), most = (float)(127 - zero);
    for (size_t i = 0; i < count; i++) {
        float steps = round_to_step(values[i], affine.scale, least, most);
        codes[i] = (int8_t)((int32_t)steps + zero);
    }
}

void cz_affine_from_uint8(float *restrict values, const uint8_t *restrict codes,
                          size_t count, struct cz_affine affine)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(codes[i] - affine.zero_point) * affine.scale;
}

void cz_affine_from_int8(float *restrict values, const int8_t *restrict codes,
                         size_t count, struct cz_affine affine)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(codes[i] - affine.zero_point) * affine.scale;
}

/* ---- weights ---------------------------------------------------------- */

/* The greatest code. */
static float limit_of(const struct cz_weight_options *options)
{
    return (float)((1 << (options->bits - 1)) - 1);
}

#define LANES 32 /* values side by side: a few vectors, however wide */

/* The greatest magnitude; infinite when a value is not finite. */
static float greatest(const float *values, size_t count)
{
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        float magnitude = fabsf(values[i]);
        if (!(magnitude <= FLT_MAX))
            return INFINITY;
        most = magnitude > most ? magnitude : most;
    }
    return most;
}

static inline float squared_step(float value, float scale, float limit)
{
    float rest = value / scale - round_to_step(value, scale, -limit, limit);
    return rest * rest;
}

/* The sum of squared errors, in steps. */
static double squared_steps(const float *values, size_t count, float scale,
                            float limit)
{
    float sums[LANES] = {0};
    size_t even = count - count % LANES;
    for (size_t i = 0; i < even; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            sums[j] += squared_step(values[i + j], scale, limit);
    }
    double sum = 0;
    for (size_t j = 0; j < LANES; j++)
        sum += (double)sums[j];
    for (size_t i = even; i < count; i++)
        sum += (double)squared_step(values[i], scale, limit);
    return sum;
}

/* ---- pairs ------------------------------------------------------------ */

/* One channel: its values, room for codes, and how they may be chosen. */
struct channel {
    const float *values;
    int8_t *codes;
    const struct cz_weights *all;
    const struct cz_weight_options *options;
    const uint8_t *most_codes; /* [inputs] of its group */
    float limit;
};

size_t cz_weights_pair_of(const struct cz_weights *w, size_t place)
{
    if (w->inputs < 2)
        return w->per_channel;
    const size_t window = w->per_channel / w->inputs;
    const size_t k = place % window * w->inputs + place / window;
    const size_t other = k ^ 1;
    return other < w->per_channel
               ? other % w->inputs * window + other / w->inputs
               : w->per_channel;
}

/* Brings two codes of one sign, whose inputs have codes up to x and y, down to
 * what 16 bits hold: with the least squares of what each loses. */
static void limit_pair(float *a, float *b, float x, float y)
{
    const float sign = *a > 0 ? 1 : -1;
    float more = sign * *a, other = sign * *b;
    const float excess = more * x + other * y - CZ_PAIR_MOST;
    if (!(excess > 0) || other <= 0)
        return;
    const float share = excess / (x * x + y * y);
    more = floorf(fmaxf(more - share * x, 0));
    other = floorf(fmaxf(fminf(other, (CZ_PAIR_MOST - more * x) / y), 0));
    *a = sign * more;
    *b = sign * other;
}

/* Walks a channel's weights in the order [window, inputs]. */
struct walk {
    size_t input, window; /* of the next one */
};

/* Where the next weight lies in [inputs, window]. */
static inline size_t next_place(struct walk *walk, const struct cz_weights *w,
                                size_t window)
{
    const size_t place = walk->input * window + walk->window;
    walk->input++;
    if (walk->input == w->inputs) {
        walk->input = 0;
        walk->window++;
    }
    return place;
}

/* One channel's codes with limited pairs, and the sum of their squared
 * errors, in steps; or more than `enough`, and no codes that mean anything. */
static double quantize_pairs(const struct channel *c, float scale,
                             double enough)
{
    const struct cz_weights *w = c->all;
    const size_t window = w->per_channel / w->inputs;
    const float *values = c->values;
    struct walk walk = {0, 0};
    double sum = 0;
    for (size_t k = 0; k < w->per_channel && sum <= enough; k += 2) {
        const bool has_two = k + 1 < w->per_channel;
        const float x = (float)c->most_codes[walk.input];
        const size_t i = next_place(&walk, w, window);
        const float y = has_two ? (float)c->most_codes[walk.input] : 0;
        const size_t j = has_two ? next_place(&walk, w, window) : i;
        float a = round_to_step(values[i], scale, -c->limit, c->limit);
        float b = round_to_step(values[j], scale, -c->limit, c->limit);
        if (has_two)
            limit_pair(&a, &b, x, y);
        const float rest_a = values[i] / scale - a;
        const float rest_b = has_two ? values[j] / scale - b : 0;
        sum += (double)(rest_a * rest_a + rest_b * rest_b);
        c->codes[j] = (int8_t)b;
        c->codes[i] = (int8_t)a;
    }
    return sum;
}

/* Does the limit of pairs have anything to say? */
static bool has_pairs(const struct cz_weights *w)
{
    return w->most_codes && cz_weights_pair_of(w, 0) != w->per_channel;
}

/* ---- channels --------------------------------------------------------- */

/* The squared error, or more than `enough`. */
static double channel_error(const struct channel *c, float scale, double enough)
{
    const double square = (double)scale * (double)scale;
    const double steps =
        has_pairs(c->all)
            ? quantize_pairs(c, scale, enough / square)
            : squared_steps(c->values, c->all->per_channel, scale, c->limit);
    return steps * square;
}

struct best {
    float scale; /* 0: none */
    double error;
};

/* Takes the scale that `percent` of the greatest magnitude, `most`, gives where
 * its error is less. */
static void attempt(struct best *best, const struct channel *c, double most,
                    int percent)
{
    const float scale = normal_scale(most * percent / (100 * (double)c->limit));
    if (!(scale > 0))
        return;
    const double error = channel_error(c, scale, best->error);
    if (error < best->error)
        *best = (struct best){scale, error};
}

/* The scale with the least squared error of those that a share of the greatest
 * magnitude, `most`, gives: of equal ones the one nearest to all of it. */
static float best_scale(const struct channel *c, double most)
{
    const int to = has_pairs(c->all) ? 200 : 100;
    const int from = c->options->least_error ? 50 : 100;
    struct best best = {0, INFINITY};
    for (int percent = 100; percent <= to; percent++)
        attempt(&best, c, most, percent);
    for (int percent = 99; percent >= from; percent--)
        attempt(&best, c, most, percent);
    return best.scale;
}

static void quantize_channel(const struct channel *c, float scale)
{
    if (has_pairs(c->all)) {
        quantize_pairs(c, scale, INFINITY);
        return;
    }
    for (size_t i = 0; i < c->all->per_channel; i++)
        c->codes[i] =
            (int8_t)round_to_step(c->values[i], scale, -c->limit, c->limit);
}

static struct channel channel_of(const struct cz_weights *weights, size_t i,
                                 int8_t *codes,
                                 const struct cz_weight_options *options)
{
    const size_t at = i * weights->per_channel;
    const size_t group = i * weights->groups / weights->channels;
    return (struct channel){.values = weights->values + at,
                            .codes = codes + at,
                            .all = weights,
                            .options = options,
                            .most_codes = has_pairs(weights)
                                              ? weights->most_codes +
                                                    group * weights->inputs
                                              : NULL,
                            .limit = limit_of(options)};
}

static enum cz_status find_scales(float *scales, int8_t *codes,
                                  const struct cz_weights *w,
                                  const struct cz_weight_options *options,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < w->channels; i++) {
        const struct channel c = channel_of(w, i, codes, options);
        const float most = greatest(c.values, w->per_channel);
        if (isinf(most))
            return cz_error_set(err, CZ_EINVAL,
                                "a weight of output channel %zu is not finite",
                                i);
        scales[i] = options->least_error || has_pairs(w)
                        ? best_scale(&c, (double)most)
                        : normal_scale((double)most / (double)c.limit);
    }
    return CZ_OK;
}

/* Gives each channel without a scale the greatest one of the others. */
static void fill_scales(float *scales, size_t channels, float limit)
{
    float most = greatest(scales, channels);
    for (size_t c = 0; c < channels; c++) {
        if (!(scales[c] > 0))
            scales[c] = most > 0 ? most : 1 / limit;
    }
}

enum cz_status cz_affine_weights(float *scales, int8_t *codes,
                                 const struct cz_weights *weights,
                                 const struct cz_weight_options *options,
                                 struct cz_error *err)
{
    if (options->bits < 2 || options->bits > 8)
        return cz_error_set(err, CZ_EINVAL, "%u bits for a weight, want 2 to 8",
                            options->bits);
    CZ_TRY(find_scales(scales, codes, weights, options, err));
    fill_scales(scales, weights->channels, limit_of(options));
    for (size_t i = 0; i < weights->channels; i++) {
        const struct channel c = channel_of(weights, i, codes, options);
        if (options->least_scales)
            scales[i] = fmaxf(scales[i], options->least_scales[i]);
        quantize_channel(&c, scales[i]);
    }
    return CZ_OK;
}
