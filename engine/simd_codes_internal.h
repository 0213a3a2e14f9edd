/* The inner loops of convolutions on codes, once for each kind of vector unit.
 *
 * A pixel is 16 codes, one block of channels; sums are int32 and exact. All
 * codes are unsigned here: who has int8 codes adds 128 to them and to their
 * zero point (the bytes ^ 0x80). The loops are written once, in simd_codes.h,
 * and compiled by simd_codes_plain.c (any processor), simd_codes_neon.c,
 * simd_codes_dotprod.c, simd_codes_avx2.c and simd_codes_vnni.c. Distances are
 * in elements. */
#ifndef CZ_ENGINE_SIMD_CODES_INTERNAL_H
#define CZ_ENGINE_SIMD_CODES_INTERNAL_H

#include "engine/codes_internal.h"

/* Neighbouring channels whose products are added first. */
#define CZ_CODES_QUAD 4

/* Bytes of a quad's weights for a block of outputs. */
#define CZ_CODES_QUAD_WEIGHTS (CZ_CODES_BLOCK * CZ_CODES_QUAD)

/* Weights of one sign in two neighbouring channels may add up to this: 255
 * times as much is still an int16. */
#define CZ_CODES_SAFE 128

/* What becomes of the sums of a block of outputs:
 *
 *     codes:  clamp(round((sum + bias[l]) * multiplier[l]) + y_zero)
 *     floats: (sum + bias[l]) * multiplier[l] + offset[l]
 *
 * Lane l of bias, multiplier and offset belongs to channel order[l]; what is
 * stored is in the order of the channels. */
struct cz_codes_finish {
    const int32_t *bias;
    const float *multiplier, *offset; /* offset: NULL for codes */
    int32_t y_zero;
    bool is_signed; /* int8 codes */
    uint8_t *codes; /* where the first pixel goes */
    /* Where channels 4 * i to 4 * i + 3 go, pixels float_step apart; NULL where
     * there are none. */
    float *floats[CZ_CODES_BLOCK / CZ_CODES_QUAD];
    size_t float_step;
};

/* Quads come in this order, two of a pair side by side. */
struct cz_codes_counts {
    size_t pairs, singles, mixed_pairs, mixed_singles;
};

/* A product of matrices, where row p of the left one is gathered from x:
 *
 *     sum[p][l] = sum over quads q, c < 4 of
 *         (x[offsets[q] + p * step + lane(q, c)] - x_shift) *
 *         w[(q * 16 + l) * 4 + c]
 *
 * with lane(q, c) = c but for mixed quads, where it is lanes[4 * i + c] for the
 * ith of them, and all 16 bytes from their offset on are read.
 *
 * Where the loops are `is_saturating`, each product of neighbours c = 0, 1 and
 * c = 2, 3 has to fit into int16 for all x, and so has the sum of two such of a
 * pair of quads. */
struct cz_codes_product {
    const uint8_t *x;
    const ptrdiff_t *offsets;
    const uint8_t *lanes;
    struct cz_codes_counts counts;
    size_t step;
    const int8_t *w;
};

/* The same of words, in blocks of 16 that lie x_block apart:
 *
 *     y[p * 16 + l] = sum over b < blocks, c < 16 of
 *         x[b * x_block + p * 16 + c] *
 *         w[((b * 8 + c / 2) * 16 + l) * 2 + c % 2]
 *
 * modulo 2^32. */
struct cz_codes_words {
    const int16_t *x;
    size_t x_block, blocks;
    const int16_t *w;
    int32_t *y;
};

/* A row of a depthwise convolution in one block of channels:
 *
 *     sum[p][l] = sum over t < 2 * couples of
 *         x[offsets[t] + p * step + l] * w[(t / 2 * 16 + l) * 2 + t % 2] */
struct cz_codes_depthwise {
    const uint8_t *x;
    const ptrdiff_t *offsets; /* of taps */
    size_t couples, step;
    const int16_t *w;
};

/* A tile of Winograd's convolution: what is stored of 4 rows of 4 pixels, from
 * pixel `at` on, rows y_row pixels apart. */
struct cz_codes_tile {
    const int32_t *m; /* 16 sums of position i at i * m_step */
    size_t m_step, rows, columns, at, y_row;
};

struct cz_codes_loops {
    const uint8_t *order; /* [16], of the lanes of sums, weights and the like */
    bool is_saturating;
    /* 128 where products are of signed codes, else 0: multiply() is the only
     * one that knows it. */
    int32_t x_shift;
    /* Pixels p in [0, n). */
    void (*multiply)(const struct cz_codes_product *product,
                     const struct cz_codes_finish *finish, size_t n);
    void (*multiply_words)(const struct cz_codes_words *words, size_t n);
    void (*depthwise)(const struct cz_codes_depthwise *d,
                      const struct cz_codes_finish *finish, size_t n);
    /* B'xB of a tile of 6 x 6 pixels whose bytes are first xored with `flip`;
     * v[i * v_step ...] gets 16 words of position i. See below. */
    void (*winograd_in)(const uint8_t *x, size_t x_row, uint8_t flip,
                        int16_t *v, size_t v_step);
    /* A'mA, finished. */
    void (*winograd_out)(const struct cz_codes_tile *tile,
                         const struct cz_codes_finish *finish);
};

/* The fastest that the processor has (CZ_CPU may limit it). */
const struct cz_codes_loops *cz_codes_find(void);

extern const struct cz_codes_loops cz_codes_plain;
#ifdef __x86_64__
extern const struct cz_codes_loops cz_codes_avx2, cz_codes_vnni;
#endif
#ifdef __aarch64__
extern const struct cz_codes_loops cz_codes_neon, cz_codes_dotprod;
#endif

/* Winograd's F(4, 3) in integers, on the points 0, 1, -1, 2, -2 and infinity:
 * the usual matrices with the rows of G times 24 times what makes each of them
 * whole, but for infinity, whose row is times 12 and doubled in A'. The result
 * is 24 * 24 = 9 * 2^6 times the convolution.
 *
 * Everything wraps modulo 2^32 and stays exact: what is 9 * 2^6 times a number
 * below 2^25 gives it back by the inverse of 9 modulo 2^32 and a shift.
 * Transformed codes are below 68 * 255, weights within 144 * 128: both are
 * words. */
#define CZ_CODES_WINOGRAD_SIDE 6
#define CZ_CODES_WINOGRAD_SHIFT 6
#define CZ_CODES_WINOGRAD_INVERSE 954437177u /* of 9 */
#define CZ_CODES_WINOGRAD_SUM_MAX (1 << 25)

#endif
