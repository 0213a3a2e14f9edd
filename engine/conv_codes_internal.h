/* What the kernels of cz.ConvCodes share: its sizes, what happens to a sum, and
 * windows of codes. */
#ifndef CZ_ENGINE_CONV_CODES_INTERNAL_H
#define CZ_ENGINE_CONV_CODES_INTERNAL_H

#include "engine/bytes_internal.h"
#include "engine/conv_internal.h"
#include "engine/simd_codes_internal.h"

struct cz_codes_conv {
    struct cz_conv_shape shape; /* lanes: CZ_CODES_BLOCK */
    /* Of a float32 output, in blocks of plan->block lanes. */
    struct cz_conv_shape floats;
    bool is_float;
    const struct cz_codes_loops *loops;
    const struct cz_byte_loops *bytes; /* for the table */
    const struct cz_simd *simd;        /* for what comes behind float32 */
    uint8_t flip;    /* 128 for int8 codes, which are read ^ 128 */
    uint8_t x_zero;  /* in the codes that are read */
    int32_t x_shift; /* what the loops take off these, see cz_codes_loops */
    const struct cz_conv_codes_params *params;
    int32_t *bias;              /* [out_blocks * 16], in the loops' order: */
    float *multiplier, *offset; /* see cz_codes_finish */
};

/* The sizes of a cz.ConvCodes step that the fast kernels may take: static, 2-d,
 * weights and bias constant, a blocked output, no sum times its multiplier
 * beyond int32. False for all others. */
bool cz_codes_conv(struct cz_codes_conv *conv, const struct cz_step *step,
                   const struct cz_plan *plan);

/* The floats that cz_codes_conv_pack() fills, and where they begin: what it is
 * given has to be aligned as packed weights are. */
size_t cz_codes_conv_floats(const struct cz_codes_conv *conv);
void cz_codes_conv_pack(struct cz_codes_conv *conv, const struct cz_step *step,
                        float *floats);

/* The weight of an input channel of output channel m's group at a position of
 * the window, both in the loops' order; 0 for channels that there are not. */
int8_t cz_codes_weight(const struct cz_codes_conv *conv,
                       const struct cz_step *step, size_t lane, size_t channel,
                       size_t position);

/* Where the sums of pixels from `pixel` on, in a block of the output counted
 * over all images, go; and what is left to be done with n neighbours that are
 * there: the table, or the activation and the residual. */
struct cz_codes_finish cz_codes_conv_open(const struct cz_codes_conv *conv,
                                          const struct cz_step *step,
                                          size_t block, size_t pixel);
void cz_codes_conv_close(const struct cz_codes_conv *conv,
                         const struct cz_step *step, size_t block, size_t pixel,
                         size_t n);

/* Copies a window of a block of the input, with x_zero for what is outside. */
void cz_codes_copy_window(const struct cz_codes_conv *conv,
                          const uint8_t *block,
                          const struct cz_conv_window *window, uint8_t *to);

/* The same of up to 4 planes of a plain input: a pixel has 4 bytes. */
void cz_codes_copy_planes(const struct cz_codes_conv *conv,
                          const uint8_t *planes, size_t count,
                          const struct cz_conv_window *window, uint8_t *to);

#endif
