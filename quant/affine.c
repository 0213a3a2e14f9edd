/* Affine codes of 8 bits: scales from ranges, loops that quantize, weights by
 * channel. The loops divide, as the specification does, and round without a
 * call, so that the compiler makes vectors of them. */
#include "quant/affine.h"

#include <float.h>
#include <math.h>

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

/* The scale with the least squared error of those from `most` down to half
 * of it. */
static float best_scale(const float *values, size_t count, double most,
                        float limit)
{
    float best = 0;
    double least = INFINITY;
    for (int percent = 100; percent >= 50; percent--) {
        float scale = normal_scale(most * percent / (100 * (double)limit));
        if (!(scale > 0))
            break;
        double error = squared_steps(values, count, scale, limit) *
                       (double)scale * (double)scale;
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

static void quantize_channel(int8_t *restrict codes,
                             const float *restrict values, size_t count,
                             float scale, float limit)
{
    for (size_t i = 0; i < count; i++)
        codes[i] = (int8_t)round_to_step(values[i], scale, -limit, limit);
}

static enum cz_status find_scales(float *scales, const struct cz_weights *w,
                                  float limit, bool least_error,
                                  struct cz_error *err)
{
    for (size_t c = 0; c < w->channels; c++) {
        const float *values = w->values + c * w->per_channel;
        float most = greatest(values, w->per_channel);
        if (isinf(most))
            return cz_error_set(err, CZ_EINVAL,
                                "a weight of output channel %zu is not finite",
                                c);
        scales[c] = least_error ? best_scale(values, w->per_channel,
                                             (double)most, limit)
                                : normal_scale((double)most / (double)limit);
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
    float limit = (float)((1 << (options->bits - 1)) - 1);
    CZ_TRY(find_scales(scales, weights, limit, options->least_error, err));
    fill_scales(scales, weights->channels, limit);
    for (size_t c = 0; c < weights->channels; c++) {
        size_t at = c * weights->per_channel;
        quantize_channel(codes + at, weights->values + at, weights->per_channel,
                         scales[c], limit);
    }
    return CZ_OK;
}
