/* The loops of simd_codes_internal.h in vectors of 32 bytes. Included by one
 * file for each kind of vector unit, which defines before it
 *
 *     TARGET    the function attribute that switches the instructions on
 *     PIXELS    of a tile: 2 * PIXELS sums, 4 vectors of weights and 3 others
 *               have to fit in the registers
 *     ORDER     the channel of each lane of two vectors of sums
 *     IS_SATURATING
 *     quads, words, sums, wraps, floats
 *               vectors: 32 uint8, 16 int16, 8 int32, 8 uint32, 8 floats
 *     splat_quad(q, x), splat_couple(w, x)    4 or 2 elements for all lanes
 *     splat_lanes(q, x, lanes)                4 of a block; lanes: splat_quad
 *     load_words(w, x, flip)                  16 codes ^ flip
 *     add_quads(s, x, w)                      to sums, products of 4 codes;
 *               in this order: if the compiler added products to each other
 *               first, it would run out of registers
 *     add_two_quads(s, x, w, x2, w2)
 *     add_couples(s, x, w)                    to sums, products of 2 words
 *     interleave(low, high, a, b)             couples of words, by ORDER
 *     round_words(w, low, high, zero)         floats to words
 *     store_codes(a, b, is_signed, y)         two pixels; b: NULL for one
 *     store_floats(low, high, f, at)
 *
 * and exports CODES_LOOPS, the initializer of its struct cz_codes_loops. */
#include "engine/simd_codes_macros.h"

/* ---- what becomes of sums, the bias among them ------------------------ */

INLINE void to_floats(const struct cz_codes_finish *f, const sums *s,
                      floats *low, floats *high)
{
    const floats *multiplier = (const floats *)f->multiplier;
    *low = __builtin_convertvector(s[0], floats) * multiplier[0];
    *high = __builtin_convertvector(s[1], floats) * multiplier[1];
}

INLINE void finish_codes(const struct cz_codes_finish *f, const sums *s,
                         size_t pixels, uint8_t *y)
{
    words w[2 * PIXELS];
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        floats low, high;
        to_floats(f, s + 2 * p, &low, &high);
        round_words(w + p, &low, &high, (int16_t)f->y_zero);
    }
    UNROLL
    for (size_t p = 0; p < pixels; p += 2)
        store_codes(w + p, p + 1 < pixels ? w + p + 1 : NULL, f->is_signed,
                    y + p * CZ_CODES_BLOCK);
}

INLINE void finish_floats(const struct cz_codes_finish *f, const sums *s,
                          size_t pixels, size_t at)
{
    const floats *offset = (const floats *)f->offset;
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        floats low, high;
        to_floats(f, s + 2 * p, &low, &high);
        low += offset[0];
        high += offset[1];
        store_floats(&low, &high, f, at + p * f->float_step);
    }
}

/* Of neighbours from pixel `at` on. */
INLINE void finish_pixels(const struct cz_codes_finish *f, const sums *s,
                          size_t pixels, size_t at)
{
    if (f->offset)
        finish_floats(f, s, pixels, at * f->float_step);
    else
        finish_codes(f, s, pixels, f->codes + at * CZ_CODES_BLOCK);
}

/* ---- products --------------------------------------------------------- */

/* All counts are constants where this is used, so that `s` is registers. */
INLINE void begin(const struct cz_codes_finish *f, sums *s, size_t pixels)
{
    UNROLL
    for (size_t i = 0; i < 2 * pixels; i++)
        s[i] = ((const sums *)f->bias)[i % 2];
}

INLINE void multiply_single(const struct cz_codes_product *m, const uint8_t *x,
                            const int8_t *w, sums *s, size_t pixels)
{
    const quads *weights = (const quads *)w;
    const quads w0 = weights[0], w1 = weights[1];
    FORGET(x);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quads q;
        splat_quad(&q, x + p * m->step);
        add_quads(s + 2 * p, &q, &w0);
        add_quads(s + 2 * p + 1, &q, &w1);
    }
}

INLINE void multiply_pair(const struct cz_codes_product *m, const uint8_t *x,
                          const uint8_t *x2, const int8_t *w, sums *s,
                          size_t pixels)
{
    const quads *weights = (const quads *)w;
    const quads w0 = weights[0], w1 = weights[1];
    const quads v0 = weights[2], v1 = weights[3];
    FORGET(x);
    FORGET(x2);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quads q, r;
        splat_quad(&q, x + p * m->step);
        splat_quad(&r, x2 + p * m->step);
        add_two_quads(s + 2 * p, &q, &w0, &r, &v0);
        add_two_quads(s + 2 * p + 1, &q, &w1, &r, &v1);
    }
}

INLINE void multiply_mixed_single(const struct cz_codes_product *m,
                                  const uint8_t *x, const uint8_t *lanes,
                                  const int8_t *w, sums *s, size_t pixels)
{
    const quads *weights = (const quads *)w;
    const quads w0 = weights[0], w1 = weights[1];
    quads from;
    splat_quad(&from, lanes);
    FORGET(x);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quads q;
        splat_lanes(&q, x + p * m->step, &from);
        add_quads(s + 2 * p, &q, &w0);
        add_quads(s + 2 * p + 1, &q, &w1);
    }
}

INLINE void multiply_mixed_pair(const struct cz_codes_product *m,
                                const uint8_t *x, const uint8_t *x2,
                                const uint8_t *lanes, const int8_t *w, sums *s,
                                size_t pixels)
{
    const quads *weights = (const quads *)w;
    quads from, from2;
    splat_quad(&from, lanes);
    splat_quad(&from2, lanes + CZ_CODES_QUAD);
    FORGET(x);
    FORGET(x2);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quads q, r;
        splat_lanes(&q, x + p * m->step, &from);
        splat_lanes(&r, x2 + p * m->step, &from2);
        add_two_quads(s + 2 * p, &q, weights, &r, weights + 2);
        add_two_quads(s + 2 * p + 1, &q, weights + 1, &r, weights + 3);
    }
}

INLINE void multiply_tile(const struct cz_codes_product *m,
                          const struct cz_codes_finish *f, size_t at,
                          size_t pixels)
{
    const uint8_t *x = m->x + at * m->step, *lanes = m->lanes;
    const int8_t *w = m->w;
    const ptrdiff_t *offset = m->offsets;
    sums s[2 * PIXELS];
    begin(f, s, pixels);
    for (size_t i = 0; i < m->counts.pairs; i++, offset += 2) {
        multiply_pair(m, x + offset[0], x + offset[1], w, s, pixels);
        w += 2 * CZ_CODES_QUAD_WEIGHTS;
    }
    for (size_t i = 0; i < m->counts.singles; i++, offset++) {
        multiply_single(m, x + *offset, w, s, pixels);
        w += CZ_CODES_QUAD_WEIGHTS;
    }
    for (size_t i = 0; i < m->counts.mixed_pairs; i++, offset += 2) {
        multiply_mixed_pair(m, x + offset[0], x + offset[1], lanes, w, s,
                            pixels);
        w += 2 * CZ_CODES_QUAD_WEIGHTS;
        lanes += 2 * CZ_CODES_QUAD;
    }
    for (size_t i = 0; i < m->counts.mixed_singles; i++, offset++) {
        multiply_mixed_single(m, x + *offset, lanes, w, s, pixels);
        w += CZ_CODES_QUAD_WEIGHTS;
        lanes += CZ_CODES_QUAD;
    }
    finish_pixels(f, s, pixels, at);
}

#define TILE(p)                                                                \
    case p:                                                                    \
        multiply_tile(m, f, at, p);                                            \
        break;

/* n pixels in tiles that differ by no more than one pixel. */
TARGET static void multiply(const struct cz_codes_product *m,
                            const struct cz_codes_finish *f, size_t n)
{
    for (size_t at = 0; at < n;) {
        const size_t tiles = (n - at + PIXELS - 1) / PIXELS;
        const size_t pixels = (n - at + tiles - 1) / tiles;
        switch (pixels) {
            TILE(1)
            TILE(2)
            TILE(3)
            TILE(4)
        }
        at += pixels;
    }
}

#undef TILE

INLINE void multiply_words_tile(const struct cz_codes_words *m, size_t at,
                                size_t pixels)
{
    const int16_t *x = m->x + at * CZ_CODES_BLOCK;
    const words *w = (const words *)m->w;
    sums s[2 * PIXELS];
    UNROLL
    for (size_t i = 0; i < 2 * pixels; i++)
        s[i] = (sums){0};
    for (size_t b = 0; b < m->blocks; b++, x += m->x_block) {
        UNROLL_8
        for (size_t c = 0; c < CZ_CODES_BLOCK; c += 2, w += 2) {
            const words w0 = w[0], w1 = w[1];
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                words couple;
                splat_couple(&couple, x + p * CZ_CODES_BLOCK + c);
                add_couples(s + 2 * p, &couple, &w0);
                add_couples(s + 2 * p + 1, &couple, &w1);
            }
        }
    }
    sums *y = (sums *)(m->y + at * CZ_CODES_BLOCK);
    UNROLL
    for (size_t i = 0; i < 2 * pixels; i++)
        y[i] = s[i];
}

#define TILE(p)                                                                \
    case p:                                                                    \
        multiply_words_tile(m, at, p);                                         \
        break;

TARGET static void multiply_words(const struct cz_codes_words *m, size_t n)
{
    for (size_t at = 0; at < n;) {
        const size_t tiles = (n - at + PIXELS - 1) / PIXELS;
        const size_t pixels = (n - at + tiles - 1) / tiles;
        switch (pixels) {
            TILE(1)
            TILE(2)
            TILE(3)
            TILE(4)
        }
        at += pixels;
    }
}

#undef TILE

/* ---- depthwise -------------------------------------------------------- */

/* Adds two taps to the sums. */
INLINE void add_taps(const struct cz_codes_depthwise *d, const uint8_t *x,
                     const uint8_t *y, const words *w, sums *s, size_t pixels)
{
    const words w0 = w[0], w1 = w[1];
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        words a, b, low, high;
        load_words(&a, x + p * d->step, 0);
        load_words(&b, y + p * d->step, 0);
        interleave(&low, &high, &a, &b);
        add_couples(s + 2 * p, &low, &w0);
        add_couples(s + 2 * p + 1, &high, &w1);
    }
}

INLINE void depthwise_tile(const struct cz_codes_depthwise *d,
                           const struct cz_codes_finish *f, size_t at,
                           size_t pixels)
{
    sums s[2 * PIXELS];
    begin(f, s, pixels);
    const uint8_t *x = d->x + at * d->step;
    for (size_t i = 0; i < d->couples; i++)
        add_taps(d, x + d->offsets[2 * i], x + d->offsets[2 * i + 1],
                 (const words *)d->w + 2 * i, s, pixels);
    finish_pixels(f, s, pixels, at);
}

TARGET static void depthwise(const struct cz_codes_depthwise *d,
                             const struct cz_codes_finish *f, size_t n)
{
    size_t at = 0;
    for (; at + PIXELS <= n; at += PIXELS)
        depthwise_tile(d, f, at, PIXELS);
    for (; at < n; at++)
        depthwise_tile(d, f, at, 1);
}

/* ---- Winograd --------------------------------------------------------- */

/* t = B'd:  4  0 -5  0  1  0
 *           0 -4 -4  1  1  0
 *           0  4 -4 -1  1  0
 *           0 -2 -1  2  1  0
 *           0  2 -1 -2  1  0
 *           0  4  0 -5  0  1 */
INLINE void transform_in(const words d[6], words t[6])
{
    const words even = d[4] - (d[2] << 2), odd = d[3] - (d[1] << 2);
    const words difference = d[4] - d[2], twice = (d[3] - d[1]) << 1;
    t[0] = ((d[0] - d[2]) << 2) + difference;
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = difference + twice;
    t[4] = difference - twice;
    t[5] = d[5] - d[3] - (twice << 1);
}

TARGET static void winograd_in(const uint8_t *x, size_t x_row, uint8_t flip,
                               int16_t *v, size_t v_step)
{
    words columns[6][6], d[6], t[6];
    for (size_t j = 0; j < 6; j++) {
        UNROLL
        for (size_t i = 0; i < 6; i++)
            load_words(d + i, x + i * x_row + j * CZ_CODES_BLOCK, flip);
        transform_in(d, t);
        UNROLL
        for (size_t i = 0; i < 6; i++)
            columns[i][j] = t[i];
    }
    for (size_t i = 0; i < 6; i++) {
        transform_in(columns[i], t);
        UNROLL
        for (size_t j = 0; j < 6; j++)
            *(words *)(v + (i * 6 + j) * v_step) = t[j];
    }
}

/* y = A'm:  1  1  1  1  1  0
 *           0  1 -1  2 -2  0
 *           0  1  1  4  4  0
 *           0  1 -1  8 -8  2 */
INLINE void transform_out(const wraps m[6], wraps y[4])
{
    const wraps sum_1 = m[1] + m[2], difference_1 = m[1] - m[2];
    const wraps sum_2 = m[3] + m[4], difference_2 = (m[3] - m[4]) << 1;
    y[0] = m[0] + sum_1 + sum_2;
    y[1] = difference_1 + difference_2;
    y[2] = sum_1 + (sum_2 << 2);
    y[3] = difference_1 + ((m[5] + (difference_2 << 1)) << 1);
}

/* One half of four pixels, from values at the points that are 9 * 2^6 times too
 * large. */
INLINE void transform_row(const wraps m[6], const int32_t *bias, sums *y)
{
    wraps t[4];
    transform_out(m, t);
    UNROLL
    for (size_t p = 0; p < 4; p++)
        y[2 * p] =
            *(const sums *)bias + ((sums)(t[p] * CZ_CODES_WINOGRAD_INVERSE) >>
                                   CZ_CODES_WINOGRAD_SHIFT);
}

/* What of four pixels is stored. */
INLINE void finish_row(const struct cz_codes_finish *f, const sums *y,
                       size_t columns, size_t at)
{
    if (columns == 4) {
        finish_pixels(f, y, 4, at);
        return;
    }
    for (size_t p = 0; p < columns; p++)
        finish_pixels(f, y + 2 * p, 1, at + p);
}

TARGET static void winograd_out(const struct cz_codes_tile *tile,
                                const struct cz_codes_finish *f)
{
    wraps columns[2][4][6], d[6], t[4];
    for (size_t k = 0; k < 12; k++) {
        const size_t j = k / 2, half = k % 2;
        UNROLL
        for (size_t i = 0; i < 6; i++)
            d[i] =
                ((const wraps *)(tile->m + (i * 6 + j) * tile->m_step))[half];
        transform_out(d, t);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            columns[half][i][j] = t[i];
    }
    for (size_t i = 0; i < tile->rows; i++) {
        sums y[8];
        transform_row(columns[0][i], f->bias, y);
        transform_row(columns[1][i], f->bias + 8, y + 1);
        finish_row(f, y, tile->columns, tile->at + i * tile->y_row);
    }
}

static const uint8_t order[CZ_CODES_BLOCK] = ORDER;

#define CODES_LOOPS                                                            \
    {                                                                          \
        .order = order, .is_saturating = IS_SATURATING, .multiply = multiply,  \
        .multiply_words = multiply_words, .depthwise = depthwise,              \
        .winograd_in = winograd_in, .winograd_out = winograd_out               \
    }
