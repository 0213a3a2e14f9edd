/* Codes of 8 bits: the scale and zero point of a range, numbers to codes and
 * back, weights channel by channel.
 *
 *     value = (code - zero_point) * scale
 *
 * B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
 * Integer-Arithmetic-Only Inference", CVPR 2018, section 2.1. */
#ifndef CZ_QUANT_AFFINE_H
#define CZ_QUANT_AFFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "quant/range.h"

/* ---- activations ------------------------------------------------------ */

enum cz_codes {
    CZ_CODES_UINT8, /* 0..255, any zero point */
    CZ_CODES_INT8,  /* -128..127, any zero point */

    /* -128..127, zero point 0, as TensorRT wants it. The range is that of
     * -127..127: its two ends have the same number of steps, and QuantizeLinear
     * saturates to the type, so that -128 is a step more than was asked for. */
    CZ_CODES_INT8_SYMMETRIC
};

/* 0 has a code: zero_point. The scale is finite and a normal number. */
struct cz_affine {
    float scale;
    int32_t zero_point;
};

/* scale = (high - low) / 255, and zero_point = least code - low / scale,
 * rounded to nearest (ties to even) and clamped to the codes; symmetric:
 * scale = max(-low, high) / 127. The range is widened to 0 first. What is
 * farthest off after rounding is half a step at one end.
 *
 * A range that is nothing, or so small that its scale is no normal float, is
 * taken for [0, 1]: all its values have the code of 0, and a bias in steps of
 * this scale and a weight's stays exact enough. */
struct cz_affine cz_affine_from_range(const struct cz_range *range,
                                      enum cz_codes codes);

/* The numbers of the codes 0..255. */
struct cz_range cz_affine_range_of_uint8(struct cz_affine affine);

/* ONNX's QuantizeLinear: values / scale, rounded to nearest (ties to even),
 * plus the zero point, saturated. A NaN gets the least code. `codes` may not
 * overlap `values`. */
void cz_affine_to_uint8(uint8_t *codes, const float *values, size_t count,
                        struct cz_affine affine);
void cz_affine_to_int8(int8_t *codes, const float *values, size_t count,
                       struct cz_affine affine);

/* ONNX's DequantizeLinear. */
void cz_affine_from_uint8(float *values, const uint8_t *codes, size_t count,
                          struct cz_affine affine);
void cz_affine_from_int8(float *values, const int8_t *codes, size_t count,
                         struct cz_affine affine);

/* The next scale up that float16 has, or the scale itself where float16 has
 * not all its digits. A file for TensorRT may get float16 scales in the end
 * (cz_fp16_convert()): its codes are the same then. */
float cz_affine_half_scale(float scale);

/* ---- weights ---------------------------------------------------------- */

/* Row-major, the output channel first. */
struct cz_weights {
    const float *values; /* [channels, per_channel] */
    size_t channels, per_channel;

    /* For a convolution [channels, inputs, window] whose products x86 without
     * VNNI shall add without loss: vpmaddubsw sums those of two neighbours, in
     * the order [window, inputs] (channels last) in which runtimes multiply,
     * in 16 bits that saturate. most_codes: [groups, inputs] the greatest
     * uint8 code that each input channel has; NULL: nothing is limited. A pair
     * then is small enough not to saturate, at the cost of less than the bit
     * that 7-bit weights would lose everywhere: a channel's scale grows as far
     * as that lowers its error, and pairs still too large come down together.
     */
    const uint8_t *most_codes;
    size_t inputs, groups;
};

/* What the sum of two products may be. */
#define CZ_PAIR_MOST 32767

/* Where in [inputs, window] the weight lies whose product is added to that of
 * the weight at `place`; per_channel: there is none, as in all of a depthwise
 * convolution, whose products stay alone. */
size_t cz_weights_pair_of(const struct cz_weights *weights, size_t place);

struct cz_weight_options {
    /* 2..8: codes -limit..limit with limit = 2^(bits - 1) - 1. */
    unsigned bits;

    /* Clip where that lowers the channel's squared error: the best of the
     * scales that 0.5, 0.51, ... 1 of the greatest magnitude give; of equal
     * ones the greatest. Otherwise 1. (With limited pairs, from there to 2.) */
    bool least_error;

    /* [channels] no scale is less; NULL: any may be. */
    const float *least_scales;
};

#define CZ_WEIGHT_OPTIONS_INIT ((struct cz_weight_options){.bits = 8})

/* Symmetric codes for each channel on its own: scales[c] = clip / limit,
 * codes[c, i] = value / scale, rounded to nearest (ties to even), in
 * -limit..limit. A 0 has code 0.
 *
 * A channel with nothing to tell, all 0 or too small for a normal scale, gets
 * codes 0 and the greatest scale of the others (1 / limit if there is none): a
 * bias is an int32 in steps of the scale, and that is its channel's only
 * output.
 *
 * scales: [channels]; codes: [channels, per_channel]. CZ_EINVAL: a weight is
 * NaN or infinite (the message names its channel), or `bits` is outside
 * 2..8. */
enum cz_status cz_affine_weights(float *scales, int8_t *codes,
                                 const struct cz_weights *weights,
                                 const struct cz_weight_options *options,
                                 struct cz_error *err);

#endif
