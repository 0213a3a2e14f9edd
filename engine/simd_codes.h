/* The loops of simd_codes_internal.h in vectors of LANES sums. Included by one
 * file for each kind of vector unit, which defines before it
 *
 *     TARGET    the function attribute that switches the instructions on
 *     LANES     sums of a vector
 *     PIXELS    of a tile: the sums of as many blocks, the weights of a quad
 *               and 3 other vectors have to fit in the registers
 *     ORDER     the channel of each lane of a block's sums
 *     IS_SATURATING, X_SHIFT    see struct cz_codes_loops
 *     sums, wraps, floats
 *               vectors: LANES int32, uint32, floats
 *     quads, words, couples
 *               4 int8 for each lane; 2 * LANES int16; 2 int16 for each lane
 *     quad      the same 4 codes for all lanes
 *     splat_quad(q, x), splat_lanes(q, x, lanes)   of 4 codes, of 4 in a block
 *     splat_couple(c, x)                      2 words for all lanes
 *     load_words(w, x, flip)                  2 * LANES codes ^ flip
 *     load_couples(c, w)
 *     interleave(c, a, b)   couples of the words of a block, by ORDER
 *     add_quads(s, x, w)    to sums, products of 4 codes less X_SHIFT; in this
 *               order: if the compiler added products to each other first, it
 *               would run out of registers
 *     add_two_quads(s, x, w, x2, w2)
 *     add_couples(s, x, w)                    to sums, products of 2 words
 *     round_words(w, f, zero)                 2 vectors of floats to words
 *     store_codes(w, pixels, is_signed, y)    one pixel or two
 *     store_floats(f, finish, at)             a block
 *
 * and exports CODES_LOOPS, the initializer of its struct cz_codes_loops. */
#include "engine/simd_macros.h"

/* Vectors of a block. */
#define VECTORS (CZ_CODES_BLOCK / LANES)
#define WORDS (VECTORS / 2)
#define EACH_VECTOR                                                            \
    UNROLL                                                                     \
    for (size_t v = 0; v < VECTORS; v++)

/* ---- what becomes of sums, the bias among them ------------------------ */

INLINE void to_floats(const struct cz_codes_finish *f, const sums *s,
                      floats y[VECTORS])
{
    const floats *multiplier = (const floats *)f->multiplier;
    EACH_VECTOR y[v] = __builtin_convertvector(s[v], floats) * multiplier[v];
}

INLINE void finish_codes(const struct cz_codes_finish *f, const sums *s,
                         size_t pixels, uint8_t *y)
{
    words w[PIXELS * WORDS];
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        floats numbers[VECTORS];
        to_floats(f, s + p * VECTORS, numbers);
        UNROLL
        for (size_t i = 0; i < WORDS; i++)
            round_words(w + p * WORDS + i, numbers + 2 * i, (int16_t)f->y_zero);
    }
    UNROLL
    for (size_t p = 0; p < pixels; p += 2)
        store_codes(w + p * WORDS, p + 1 < pixels ? 2 : 1, f->is_signed,
                    y + p * CZ_CODES_BLOCK);
}

INLINE void finish_floats(const struct cz_codes_finish *f, const sums *s,
                          size_t pixels, size_t at)
{
    const floats *offset = (const floats *)f->offset;
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        floats numbers[VECTORS];
        to_floats(f, s + p * VECTORS, numbers);
        EACH_VECTOR numbers[v] += offset[v];
        store_floats(numbers, f, at + p * f->float_step);
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
    for (size_t i = 0; i < pixels * VECTORS; i++)
        s[i] = ((const sums *)f->bias)[i % VECTORS];
}

INLINE void add_single(const quad *q, const quads *w, sums *s)
{
    EACH_VECTOR add_quads(s + v, q, w + v);
}

INLINE void add_pair(const quad *q, const quad *r, const quads *w, sums *s)
{
    EACH_VECTOR add_two_quads(s + v, q, w + v, r, w + VECTORS + v);
}

INLINE void multiply_single(const struct cz_codes_product *m, const uint8_t *x,
                            const int8_t *w, sums *s, size_t pixels)
{
    FORGET(x);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quad q;
        splat_quad(&q, x + p * m->step);
        add_single(&q, (const quads *)w, s + p * VECTORS);
    }
}

INLINE void multiply_pair(const struct cz_codes_product *m, const uint8_t *x,
                          const uint8_t *x2, const int8_t *w, sums *s,
                          size_t pixels)
{
    FORGET(x);
    FORGET(x2);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quad q, r;
        splat_quad(&q, x + p * m->step);
        splat_quad(&r, x2 + p * m->step);
        add_pair(&q, &r, (const quads *)w, s + p * VECTORS);
    }
}

INLINE void multiply_mixed_single(const struct cz_codes_product *m,
                                  const uint8_t *x, const uint8_t *lanes,
                                  const int8_t *w, sums *s, size_t pixels)
{
    FORGET(x);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quad q;
        splat_lanes(&q, x + p * m->step, lanes);
        add_single(&q, (const quads *)w, s + p * VECTORS);
    }
}

INLINE void multiply_mixed_pair(const struct cz_codes_product *m,
                                const uint8_t *x, const uint8_t *x2,
                                const uint8_t *lanes, const int8_t *w, sums *s,
                                size_t pixels)
{
    FORGET(x);
    FORGET(x2);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        quad q, r;
        splat_lanes(&q, x + p * m->step, lanes);
        splat_lanes(&r, x2 + p * m->step, lanes + CZ_CODES_QUAD);
        add_pair(&q, &r, (const quads *)w, s + p * VECTORS);
    }
}

INLINE void multiply_tile(const struct cz_codes_product *m,
                          const struct cz_codes_finish *f, size_t at,
                          size_t pixels)
{
    const uint8_t *x = m->x + at * m->step, *lanes = m->lanes;
    const int8_t *w = m->w;
    const ptrdiff_t *offset = m->offsets;
    sums s[PIXELS * VECTORS];
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
    const int16_t *w = m->w;
    sums s[PIXELS * VECTORS];
    UNROLL
    for (size_t i = 0; i < pixels * VECTORS; i++)
        s[i] = (sums){0};
    for (size_t b = 0; b < m->blocks; b++, x += m->x_block) {
        UNROLL_8
        for (size_t c = 0; c < CZ_CODES_BLOCK; c += 2) {
            couples weights[VECTORS];
            EACH_VECTOR load_couples(weights + v, w + v * 2 * LANES);
            w += 2 * CZ_CODES_BLOCK;
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                couples couple;
                splat_couple(&couple, x + p * CZ_CODES_BLOCK + c);
                EACH_VECTOR add_couples(s + p * VECTORS + v, &couple,
                                        weights + v);
            }
        }
    }
    sums *y = (sums *)(m->y + at * CZ_CODES_BLOCK);
    UNROLL
    for (size_t i = 0; i < pixels * VECTORS; i++)
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

INLINE void load_block(words w[WORDS], const uint8_t *x)
{
    UNROLL
    for (size_t i = 0; i < WORDS; i++)
        load_words(w + i, x + i * 2 * LANES, 0);
}

/* Adds two taps to the sums. */
INLINE void add_taps(const struct cz_codes_depthwise *d, const uint8_t *x,
                     const uint8_t *y, const int16_t *w, sums *s, size_t pixels)
{
    couples weights[VECTORS];
    EACH_VECTOR load_couples(weights + v, w + v * 2 * LANES);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        words a[WORDS], b[WORDS];
        couples both[VECTORS];
        load_block(a, x + p * d->step);
        load_block(b, y + p * d->step);
        interleave(both, a, b);
        EACH_VECTOR add_couples(s + p * VECTORS + v, both + v, weights + v);
    }
}

INLINE void depthwise_tile(const struct cz_codes_depthwise *d,
                           const struct cz_codes_finish *f, size_t at,
                           size_t pixels)
{
    sums s[PIXELS * VECTORS];
    begin(f, s, pixels);
    const uint8_t *x = d->x + at * d->step;
    for (size_t i = 0; i < d->couples; i++)
        add_taps(d, x + d->offsets[2 * i], x + d->offsets[2 * i + 1],
                 d->w + i * 2 * CZ_CODES_BLOCK, s, pixels);
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

/* 2 * LANES channels. */
INLINE void winograd_in_words(const uint8_t *x, size_t x_row, uint8_t flip,
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

TARGET static void winograd_in(const uint8_t *x, size_t x_row, uint8_t flip,
                               int16_t *v, size_t v_step)
{
    for (size_t i = 0; i < CZ_CODES_BLOCK; i += 2 * LANES)
        winograd_in_words(x + i, x_row, flip, v + i, v_step);
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

/* One vector of each of four pixels, from values at the points that are 9 * 2^6
 * times too large. */
INLINE void transform_row(const wraps m[6], const int32_t *bias, sums *y)
{
    wraps t[4];
    transform_out(m, t);
    UNROLL
    for (size_t p = 0; p < 4; p++)
        y[p * VECTORS] =
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
        finish_pixels(f, y + p * VECTORS, 1, at + p);
}

TARGET static void winograd_out(const struct cz_codes_tile *tile,
                                const struct cz_codes_finish *f)
{
    wraps columns[VECTORS][4][6], d[6], t[4];
    for (size_t k = 0; k < 6 * VECTORS; k++) {
        const size_t j = k / VECTORS, v = k % VECTORS;
        UNROLL
        for (size_t i = 0; i < 6; i++)
            d[i] = ((const wraps *)(tile->m + (i * 6 + j) * tile->m_step))[v];
        transform_out(d, t);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            columns[v][i][j] = t[i];
    }
    for (size_t i = 0; i < tile->rows; i++) {
        sums y[4 * VECTORS];
        EACH_VECTOR transform_row(columns[v][i], f->bias + v * LANES, y + v);
        finish_row(f, y, tile->columns, tile->at + i * tile->y_row);
    }
}

static const uint8_t order[CZ_CODES_BLOCK] = ORDER;

#define CODES_LOOPS                                                            \
    {                                                                          \
        .order = order, .is_saturating = IS_SATURATING, .x_shift = X_SHIFT,    \
        .multiply = multiply, .multiply_words = multiply_words,                \
        .depthwise = depthwise, .winograd_in = winograd_in,                    \
        .winograd_out = winograd_out                                           \
    }
