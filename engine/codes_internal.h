/* Values as codes: 8-bit integers, each of which stands for
 * (code - zero point) * scale. pass_fuse_codes.c makes operators on codes of a
 * model's QuantizeLinear and DequantizeLinear; op_codes.c has them in plain C,
 * kernel_codes.c faster, and kernel_codes_*.c the convolutions.
 *
 * Codes are uint8 or int8. A table of codes has 256 entries, the one of a code
 * at the position of its byte: that of the int8 -1 is entry 255.
 *
 * In blocks, codes are [N, C/16, H, W, 16], whatever the block of floats is.
 * Lanes behind the last channel hold any code: the weights for them are 0. */
#ifndef CZ_ENGINE_CODES_INTERNAL_H
#define CZ_ENGINE_CODES_INTERNAL_H

#include <math.h>
#include <stdint.h>

#include "engine/window_internal.h"

/* How many there are. */
#define CZ_CODES 256

/* y = table[clamp(round((sum + bias[m]) * multiplier[m]) + y_zero)], where
 *
 *     sum = the convolution of x - x_zero with w, exact in int32
 *
 * Inputs: x, codes; w, int8 constant [M, C/group, ...] with the zero point 0;
 * bias, int32 constant [M] in steps of x's scale * w's scale[m], or none.
 * Rounding is to even. This is the arithmetic of QLinearConv.
 *
 * Where the output is float32 it is sum * multiplier[m] + bias[m], the bias
 * float32, and then the step's activation and residual as in Conv; there is no
 * table, and y_zero is 0. */
#define CZ_OP_CONV_CODES "cz.ConvCodes"

struct cz_conv_codes_params {
    struct cz_conv_params conv; /* resolved, as behind shape() */
    int32_t x_zero, y_zero;     /* what is outside of the image is x_zero */
    /* [M]: x_scale * w_scale[m] / y_scale; float32: x_scale * w_scale[m] */
    const float *multiplier;
    const uint8_t *table; /* [CZ_CODES] or NULL */
};

/* y = table[x]: an activation, or other scales. Any shape, any layout. */
#define CZ_OP_MAP_CODES "cz.MapCodes"

struct cz_map_codes_params {
    const uint8_t *table; /* [CZ_CODES] */
};

/* y = clamp(round(a * a_factor + b * b_factor + offset) + y_zero), operands of
 * the same shape: a_factor is a's scale / y's scale, and the offset takes the
 * zero points of both into account. */
#define CZ_OP_ADD_CODES "cz.AddCodes"

struct cz_add_codes_params {
    float a_factor, b_factor, offset;
    int32_t y_zero;
};

/* Is it a type of codes? */
static inline bool cz_is_codes(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_UINT8 || dtype == CZ_DTYPE_INT8;
}

/* The code at the position i of `data`. */
static inline int32_t cz_code_at(enum cz_dtype dtype, const void *data,
                                 size_t i)
{
    return dtype == CZ_DTYPE_INT8 ? ((const int8_t *)data)[i]
                                  : ((const uint8_t *)data)[i];
}

/* The byte of the code that is nearest to zero + x, ties to even. */
static inline uint8_t cz_code_of(enum cz_dtype dtype, float x, int32_t zero)
{
    const float low = (float)((dtype == CZ_DTYPE_INT8 ? INT8_MIN : 0) - zero);
    const float rounded = rintf(x);
    const float kept = rounded > low ? rounded : low;
    const float cut = kept < low + 255 ? kept : low + 255;
    return (uint8_t)((int32_t)cut + zero);
}

/* ---- making them of a model's steps ----------------------------------- */

/* What codes stand for: those of an array where a pass knows them, or those
 * that a QuantizeLinear makes. */
struct cz_coding {
    struct cz_array *codes;
    struct cz_array *scale_array, *zero_array; /* zero: NULL for 0 */
    enum cz_dtype dtype;
    float scale;
    int32_t zero;
};

/* The numbers that codes stand for, and back: as DequantizeLinear and
 * QuantizeLinear have them. */
static inline float cz_code_value(const struct cz_coding *coding, uint8_t byte)
{
    return (float)(cz_code_at(coding->dtype, &byte, 0) - coding->zero) *
           coding->scale;
}

static inline uint8_t cz_code_of_value(const struct cz_coding *coding, float x)
{
    return cz_code_of(coding->dtype, x / coding->scale, coding->zero);
}

/* codes_tables.c */

/* The codes that all operands of `step` are functions of, those that are
 * constants apart, if it is a function of one number; else NULL. */
struct cz_array *cz_codes_argument(const struct cz_step *step);

/* Turns such a step into a MapCodes of its argument that makes `to->codes`. */
enum cz_status cz_codes_map_step(struct cz_plan *plan, struct cz_step *step,
                                 const struct cz_coding *to,
                                 struct cz_error *err);

/* table[code] = the code of `to` for what the code of `from` stands for. */
enum cz_status cz_codes_convert(uint8_t **table, struct cz_plan *plan,
                                const struct cz_coding *from,
                                const struct cz_coding *to,
                                struct cz_error *err);

/* Does a ConvCodes read such an image plain? Few channels would leave most of a
 * block empty. */
static inline bool cz_codes_read_plain(const struct cz_array *x)
{
    return x->dims.rank > 1 && (size_t)x->dims.size[1] < CZ_CODES_BLOCK;
}

/* codes_conv.c: turns a Conv of codes, whose weights were codes before they
 * were folded, into a ConvCodes that makes `to->codes`, or float32 where `to`
 * is NULL. *is_done is false where it is left as it was: the weights have a
 * zero point, sums would overflow, a value between has no codes, or no kernel
 * but the reference would do it. */
enum cz_status cz_codes_fuse_conv(struct cz_plan *plan, struct cz_step *conv,
                                  const struct cz_coding *to, bool *is_done,
                                  struct cz_error *err);

#endif
