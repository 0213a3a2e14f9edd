/* Products of matrices, of which convolutions are made: a part of simd_loops.h.
 * Tiles of PIXELS rows and two vectors of columns stay in registers. */

/* ---- products --------------------------------------------------------- */

/* All counts are constants where this is used, so that `sum` is registers. */
INLINE void clear(vec *sum, size_t count)
{
    UNROLL
    for (size_t i = 0; i < count; i++)
        sum[i] = SPLAT(0);
}

/* Adds the products of one column of the left matrix to the sums. */
INLINE void multiply_column(const float *x, const float *w, vec *sum,
                            size_t pixels, size_t outputs, size_t step)
{
    const vec w0 = LOAD(w), w1 = LOAD(w + (outputs - 1) * LANES);
    FORGET(x);
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        const vec xp = SPLAT(x[p * step]);
        vec *s = sum + p * outputs;
        s[0] = MULTIPLY_ADD(xp, w0, s[0]);
        if (outputs > 1)
            s[1] = MULTIPLY_ADD(xp, w1, s[1]);
    }
}

/* Adds the products of a block of columns. */
INLINE void multiply_block(const float *x, const float *w, vec *sum,
                           size_t pixels, size_t outputs, size_t step)
{
    const size_t width = outputs * LANES;
#if HAS_LANE_PRODUCTS
    vec blocks[PIXELS];
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        blocks[p] = LOAD(x + p * step);
    UNROLL
    for (size_t c = 0; c < LANES; c++, w += width) {
        const vec w0 = LOAD(w), w1 = LOAD(w + width - LANES);
        UNROLL
        for (size_t p = 0; p < pixels; p++) {
            vec *s = sum + p * outputs;
            s[0] = MULTIPLY_ADD(SPLAT(blocks[p][c]), w0, s[0]);
            if (outputs > 1)
                s[1] = MULTIPLY_ADD(SPLAT(blocks[p][c]), w1, s[1]);
        }
    }
#else
    UNROLL_8
    for (size_t c = 0; c < LANES; c++)
        multiply_column(x + c, w + c * width, sum, pixels, outputs, step);
#endif
}

/* Adds `taps` taps to the sums: blocks, or of any depth. */
INLINE void multiply_taps(const struct cz_simd_product *m, const float *x,
                          size_t first_tap, size_t taps, vec *sum,
                          size_t pixels, size_t outputs, bool is_block,
                          size_t step)
{
    const size_t depth = is_block ? LANES : m->depth, width = outputs * LANES;
    const float *w = m->w + first_tap * depth * width;
    const ptrdiff_t *offsets = m->offsets + first_tap;
    for (size_t t = 0; t < taps; t++, w += depth * width) {
        const float *from = x + offsets[t];
        if (is_block) {
            multiply_block(from, w, sum, pixels, outputs, step);
        } else {
            for (size_t c = 0; c < depth; c++)
                multiply_column(from + c, w + c * width, sum, pixels, outputs,
                                step);
        }
    }
}

/* Sums of many terms are sums of sums of SEGMENT terms: the rounding errors
 * grow with the square root of the number of terms in a row. */
#define SEGMENT CZ_SIMD_DEPTH_MAX

/* Stores the sums of a segment: the first alone, the others on top of what is
 * there; the bias comes with the last. */
INLINE void multiply_store(const struct cz_simd_product *m, const vec *sum,
                           float *y, size_t pixels, size_t outputs,
                           bool is_first, bool is_last)
{
    UNROLL
    for (size_t o = 0; o < outputs; o++) {
        vec bias = SPLAT(0);
        if (is_last && m->bias)
            bias = LOAD(m->bias + o * LANES);
        UNROLL
        for (size_t p = 0; p < pixels; p++) {
            float *to = y + o * m->y_block + p * LANES;
            vec s = sum[p * outputs + o];
            if (!is_first)
                s += LOAD(to);
            STORE(to, s + bias);
        }
    }
}

INLINE void multiply_tile(const struct cz_simd_product *m, const float *x,
                          float *y, size_t pixels, size_t outputs,
                          bool is_block, size_t step)
{
    const size_t segment = SEGMENT / (is_block ? LANES : m->depth);
    for (size_t t = 0; t == 0 || t < m->taps; t += segment) {
        size_t taps = m->taps - t < segment ? m->taps - t : segment;
        vec sum[2 * PIXELS];
        clear(sum, pixels * outputs);
        multiply_taps(m, x, t, taps, sum, pixels, outputs, is_block, step);
        multiply_store(m, sum, y, pixels, outputs, t == 0, t + taps == m->taps);
    }
}

/* TILE() of all sizes, a case each. */
#define TILES_4 TILE(1) TILE(2) TILE(3) TILE(4)
#define TILES_6 TILES_4 TILE(5) TILE(6)
#define TILES_8 TILES_6 TILE(7) TILE(8)
#define TILES_12 TILES_8 TILE(9) TILE(10) TILE(11) TILE(12)
#if PIXELS == 4
#define EACH_TILE TILES_4
#elif PIXELS == 6
#define EACH_TILE TILES_6
#elif PIXELS == 8
#define EACH_TILE TILES_8
#else
#define EACH_TILE TILES_12
#endif

#define TILE(p)                                                                \
    case p:                                                                    \
        multiply_tile(m, x, y, p, outputs, is_block, step);                    \
        break;

/* n pixels in tiles that differ by no more than one pixel. */
INLINE void multiply_run(const struct cz_simd_product *m, size_t n,
                         size_t outputs, bool is_block, size_t step)
{
    const float *x = m->x;
    float *y = m->y;
    const size_t tiles = (n + PIXELS - 1) / PIXELS;
    const size_t least = tiles ? n / tiles : 0, more = n - least * tiles;
    for (size_t i = 0; i < tiles; i++) {
        const size_t pixels = least + (i < more);
        switch (pixels) {
            EACH_TILE
        }
        x += pixels * step;
        y += pixels * LANES;
    }
}

#undef TILE

/* The distances that occur most are constants, the others variables. */
TARGET static void multiply_pairs(const struct cz_simd_product *m, size_t n)
{
    if (m->depth != LANES)
        multiply_run(m, n, 2, false, m->step);
    else if (m->step == LANES)
        multiply_run(m, n, 2, true, LANES);
    else if (m->step == 2 * LANES)
        multiply_run(m, n, 2, true, 2 * LANES);
    else
        multiply_run(m, n, 2, true, m->step);
}

TARGET static void multiply_singles(const struct cz_simd_product *m, size_t n)
{
    if (m->depth != LANES)
        multiply_run(m, n, 1, false, m->step);
    else
        multiply_run(m, n, 1, true, m->step);
}

static void multiply(const struct cz_simd_product *product, size_t n)
{
    if (product->outputs == 2)
        multiply_pairs(product, n);
    else
        multiply_singles(product, n);
}

/* ---- rows of matrices ------------------------------------------------- */

INLINE void rows_tile(const struct cz_simd_rows *m, const float *a, float *y,
                      size_t rows, size_t a_column)
{
    const float *b = m->b;
    vec sum[2 * PIXELS];
    clear(sum, 2 * rows);
    UNROLL_4
    for (size_t k = 0; k < m->depth; k++, a += a_column, b += m->b_row) {
        vec b0 = LOAD(b), b1 = LOAD(b + LANES);
        UNROLL
        for (size_t r = 0; r < rows; r++) {
            vec ar = SPLAT(a[r * m->a_row]);
            sum[2 * r] = MULTIPLY_ADD(ar, b0, sum[2 * r]);
            sum[2 * r + 1] = MULTIPLY_ADD(ar, b1, sum[2 * r + 1]);
        }
    }
    UNROLL
    for (size_t r = 0; r < rows; r++, y += m->y_row) {
        vec s0 = sum[2 * r], s1 = sum[2 * r + 1];
        if (m->adds) {
            s0 += LOAD(y);
            s1 += LOAD(y + LANES);
        }
        STORE(y, s0);
        STORE(y + LANES, s1);
    }
}

#define TILE(p)                                                                \
    case p:                                                                    \
        rows_tile(m, a, y, p, a_column);                                       \
        break;

/* n rows in tiles that differ by no more than one row. */
INLINE void rows_run(const struct cz_simd_rows *m, size_t n, size_t a_column)
{
    const float *a = m->a;
    float *y = m->y;
    for (size_t tiles = (n + PIXELS - 1) / PIXELS; tiles > 0; tiles--) {
        const size_t rows = (n + tiles - 1) / tiles;
        switch (rows) {
            EACH_TILE
        }
        a += rows * m->a_row;
        y += rows * m->y_row;
        n -= rows;
    }
}

#undef TILE

TARGET static void rows(const struct cz_simd_rows *m, size_t n)
{
    if (m->a_column == 1)
        rows_run(m, n, 1);
    else
        rows_run(m, n, m->a_column);
}
