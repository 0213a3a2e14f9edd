/* The loops of simd_internal.h in vectors of LANES floats. Included by one
 * file for each kind of vector unit, which defines before it
 *
 *     LANES    floats of a vector: the block of channels
 *     vec, vec_at, ivec  vectors of LANES floats, floats at any address, ints
 *     TARGET   the function attribute that switches the instructions on
 *     SPLAT(f)               a vector of f
 *     MULTIPLY_ADD(a, b, c)  a * b + c
 *     MIN(a, b), MAX(a, b)   b where one is no number
 *     PIXELS   of a tile of multiply(): PIXELS * 2 accumulators, 2 vectors of
 *              weights and one of x have to fit in the registers
 *
 * and exports SIMD_LOOPS, the initializer of its struct cz_simd.
 *
 * exp(x) is 2^n 2^r with x log2(e) = n + r, and 2^r is (a + r) / (a - r), where
 * a, which is r / tanh(r log(2) / 2), is taken for a quadratic function: that
 * costs a relative error of 5e-7, and activations divide anyway. */
#include <math.h>

#define INLINE static inline __attribute__((always_inline)) TARGET
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_4 _Pragma("clang loop unroll_count(4)")
#define UNROLL_8 _Pragma("clang loop unroll_count(8)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_4 _Pragma("GCC unroll 4")
#define UNROLL_8 _Pragma("GCC unroll 8")
#endif
/* The compiler must not know where `p` points. */
#define FORGET(p) __asm__("" : "+r"(p))
#define LOAD(p) (*(const vec_at *)(p))
#define STORE(p, v) (*(vec_at *)(p) = (v))

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
            UNROLL_8
            for (size_t c = 0; c < LANES; c++)
                multiply_column(from + c, w + c * width, sum, pixels, outputs,
                                step);
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
#define TILES_12 TILES_6 TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#if PIXELS == 4
#define EACH_TILE TILES_4
#elif PIXELS == 6
#define EACH_TILE TILES_6
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

/* ---- depthwise -------------------------------------------------------- */

/* The number of taps, `step` apart, before `at`: all that there are at most. */
INLINE size_t taps_before(ptrdiff_t at, size_t step, size_t taps)
{
    if (at <= 0)
        return 0;
    const size_t n = step == 1 ? (size_t)at : ((size_t)at + step - 1) / step;
    return n < taps ? n : taps;
}

/* Pixel p of some rows, whatever the window; taps beside the image are left
 * out. */
INLINE void depthwise_pixel(const struct cz_simd_depthwise *d, size_t p,
                            size_t rows)
{
    const ptrdiff_t first = (ptrdiff_t)(p * d->stride_w - d->pad_left);
    const size_t from = taps_before(-first, d->dilation_w, d->kernel_w);
    const size_t to =
        taps_before((ptrdiff_t)d->in_w - first, d->dilation_w, d->kernel_w);
    vec sum[2] = {LOAD(d->bias), LOAD(d->bias)};
    for (size_t r = 0; r < d->kernel_h; r++) {
        const float *w = d->w + r * d->kernel_w * LANES;
        for (size_t c = from; c < to; c++) {
            const ptrdiff_t at = first + (ptrdiff_t)(c * d->dilation_w);
            UNROLL
            for (size_t i = 0; i < rows; i++) {
                const float *x = d->x[i * d->stride_h + r];
                sum[i] = MULTIPLY_ADD(LOAD(x + at * LANES), LOAD(w + c * LANES),
                                      sum[i]);
            }
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++)
        STORE(d->y + i * d->y_row + p * LANES, sum[i]);
}

/* Pixels [from, to) of one or two rows. */
TARGET static void depthwise_pixels(const struct cz_simd_depthwise *d,
                                    size_t rows, size_t from, size_t to)
{
    for (size_t p = from; p < to; p++) {
        if (rows == 2)
            depthwise_pixel(d, p, 2);
        else
            depthwise_pixel(d, p, 1);
    }
}

/* Adds the taps in row r of the input to the sums of some pixels of the upper
 * row, the lower one, or both: what is loaded serves all that it belongs to. */
INLINE void depthwise_taps(const struct cz_simd_depthwise *d, const float *x,
                           size_t r, vec *upper, vec *lower, size_t pixels,
                           size_t kernel, size_t stride)
{
    const float *w = d->w + r * kernel * LANES;
    const float *above = w - stride * kernel * LANES;
    FORGET(w);
    FORGET(above);
    UNROLL
    for (size_t j = 0; j < (pixels - 1) * stride + kernel; j++) {
        const vec column = LOAD(x + j * LANES);
        UNROLL
        for (size_t p = 0; p < pixels; p++) {
            const size_t c = j - p * stride;
            if (upper && c < kernel)
                upper[p] = MULTIPLY_ADD(column, LOAD(w + c * LANES), upper[p]);
            if (lower && c < kernel)
                lower[p] =
                    MULTIPLY_ADD(column, LOAD(above + c * LANES), lower[p]);
        }
    }
}

/* Pixels from `first` on of two rows, all of whose taps are inside. */
INLINE void depthwise_tile(const struct cz_simd_depthwise *d, size_t first,
                           size_t pixels, size_t kernel, size_t stride)
{
    const size_t at = (first * stride - d->pad_left) * LANES;
    vec upper[4], lower[4];
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        upper[p] = lower[p] = LOAD(d->bias);
    size_t r = 0;
    for (; r < stride; r++)
        depthwise_taps(d, d->x[r] + at, r, upper, NULL, pixels, kernel, stride);
    for (; r < kernel; r++)
        depthwise_taps(d, d->x[r] + at, r, upper, lower, pixels, kernel,
                       stride);
    for (; r < kernel + stride; r++)
        depthwise_taps(d, d->x[r] + at, r, NULL, lower, pixels, kernel, stride);
    float *y = d->y + first * LANES;
    UNROLL
    for (size_t p = 0; p < pixels; p++) {
        STORE(y + p * LANES, upper[p]);
        STORE(y + d->y_row + p * LANES, lower[p]);
    }
}

#define TILE(p)                                                                \
    case p:                                                                    \
        depthwise_tile(d, at, p, kernel, stride);                              \
        break;

/* Two rows, up to the last pixel that is inside. */
INLINE void depthwise_square(const struct cz_simd_depthwise *d, size_t kernel,
                             size_t stride)
{
    for (size_t at = d->inside_from; at < d->inside_to;) {
        const size_t left = d->inside_to - at;
        const size_t pixels = left > 7 ? 4 : left > 4 ? (left + 1) / 2 : left;
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

/* The usual windows; false for others. */
TARGET static bool depthwise_inside(const struct cz_simd_depthwise *d)
{
    const size_t kernel = d->kernel_h, stride = d->stride_h;
    if (d->kernel_w != kernel || d->stride_w != stride || d->dilation_w != 1)
        return false;
    if (kernel == 3 && stride == 1)
        depthwise_square(d, 3, 1);
    else if (kernel == 3 && stride == 2)
        depthwise_square(d, 3, 2);
    else if (kernel == 5 && stride == 1)
        depthwise_square(d, 5, 1);
    else if (kernel == 5 && stride == 2)
        depthwise_square(d, 5, 2);
    else
        return false;
    return true;
}

static void depthwise(const struct cz_simd_depthwise *d, size_t rows)
{
    if (rows == 2 && depthwise_inside(d)) {
        depthwise_pixels(d, 2, 0, d->inside_from);
        depthwise_pixels(d, 2, d->inside_to, d->out_w);
    } else {
        depthwise_pixels(d, rows, 0, d->out_w);
    }
}

/* ---- activations ------------------------------------------------------ */

/* Vectors that are worked on in turns: what one of them waits for hides behind
 * the other. Vectors go by address, as those of simd_plain.c have no registers
 * to be passed in. */
#define TURNS 2

#define EACH                                                                   \
    UNROLL                                                                     \
    for (size_t k = 0; k < count; k++)

/* exp(-x) = up / down for x in [-87, 87]; beyond, that of the nearer end. */
INLINE void exp_of_minus(const vec *x, vec *up, vec *down, size_t count)
{
    const vec round = SPLAT(0x1.8p23f); /* adding it leaves an integer */
    const vec scale = SPLAT(-0x1.715476p+0f);
    vec r[TURNS], n[TURNS], a[TURNS];
    EACH r[k] = MIN(SPLAT(87), MAX(SPLAT(-87), x[k]));
    EACH n[k] = MULTIPLY_ADD(r[k], scale, round);
    EACH r[k] = MULTIPLY_ADD(r[k], scale, round - n[k]);
    EACH a[k] = r[k] * r[k];
    EACH a[k] =
        MULTIPLY_ADD(a[k], SPLAT(0x1.d801a6p-4f), SPLAT(0x1.71550ep+1f));
    EACH down[k] = a[k] - r[k];
    EACH a[k] += r[k];
    EACH up[k] = (vec)((ivec)a[k] + ((ivec)n[k] << 23)); /* a * 2^n */
}

/* The `kind` is a constant where this is used. */
INLINE void activate(const struct cz_activation *a,
                     enum cz_activation_kind kind, vec *y, size_t count)
{
    const vec zero = SPLAT(0), one = SPLAT(1);
    const vec alpha = SPLAT(a->alpha), beta = SPLAT(a->beta);
    vec e[TURNS], d[TURNS];
    switch (kind) {
    case CZ_ACT_RELU:
        EACH y[k] = MAX(zero, y[k]);
        break;
    case CZ_ACT_LEAKY_RELU:
        EACH y[k] = MULTIPLY_ADD(MIN(zero, y[k]), alpha, MAX(zero, y[k]));
        break;
    case CZ_ACT_CLIP:
        EACH y[k] = MIN(beta, MAX(alpha, y[k]));
        break;
    case CZ_ACT_SIGMOID:
        exp_of_minus(y, e, d, count);
        EACH y[k] = d[k] / (d[k] + e[k]);
        break;
    case CZ_ACT_SILU:
        exp_of_minus(y, e, d, count);
        EACH y[k] *= d[k] / (d[k] + e[k]);
        break;
    case CZ_ACT_HARD_SIGMOID:
        EACH e[k] = MULTIPLY_ADD(y[k], alpha, beta);
        EACH y[k] = MIN(one, MAX(zero, e[k]));
        break;
    case CZ_ACT_HARD_SWISH:
        EACH e[k] = MULTIPLY_ADD(y[k], SPLAT(1 / 6.0f), SPLAT(0.5f));
        EACH y[k] *= MIN(one, MAX(zero, e[k]));
        break;
    default:
        break;
    }
}

INLINE void finish_turn(const struct cz_activation *activation, float *y,
                        const float *residual, size_t count,
                        enum cz_activation_kind kind)
{
    vec v[TURNS];
    EACH v[k] = LOAD(y + k * LANES);
    activate(activation, kind, v, count);
    if (residual) {
        EACH v[k] += LOAD(residual + k * LANES);
    }
    EACH STORE(y + k * LANES, v[k]);
}

INLINE void finish_with(const struct cz_activation *activation, float *y,
                        const float *residual, size_t n,
                        enum cz_activation_kind kind)
{
    size_t i = 0;
    for (; i + TURNS <= n; i += TURNS)
        finish_turn(activation, y + i * LANES,
                    residual ? residual + i * LANES : NULL, TURNS, kind);
    for (; i < n; i++)
        finish_turn(activation, y + i * LANES,
                    residual ? residual + i * LANES : NULL, 1, kind);
}

static void finish_each(const struct cz_activation *activation, float *y,
                        const float *residual, size_t n)
{
    for (size_t i = 0; i < n * LANES; i++)
        y[i] = cz_activate(activation, y[i]) + (residual ? residual[i] : 0);
}

#define KIND(kind)                                                             \
    case kind:                                                                 \
        finish_with(activation, y, residual, n, kind);                         \
        break;

TARGET static void finish(const struct cz_activation *activation, float *y,
                          const float *residual, size_t n)
{
    switch (activation->kind) {
    case CZ_ACT_NONE:
        if (residual)
            finish_with(activation, y, residual, n, CZ_ACT_NONE);
        break;
        KIND(CZ_ACT_RELU)
        KIND(CZ_ACT_LEAKY_RELU)
        KIND(CZ_ACT_CLIP)
        KIND(CZ_ACT_SIGMOID)
        KIND(CZ_ACT_SILU)
        KIND(CZ_ACT_HARD_SIGMOID)
        KIND(CZ_ACT_HARD_SWISH)
    default:
        finish_each(activation, y, residual, n);
    }
}

#undef KIND

/* ---- Winograd --------------------------------------------------------- */

#define C(f) SPLAT((float)(f))

/* t[0], t[1] = (d3 - b^2 d1) +- a (d2 - b^2 d0): the value at +-a of what
 * vanishes at +-b. */
INLINE void transform_pair(const vec *d0, const vec *d1, const vec *d2,
                           const vec *d3, double a, double b, vec t[2])
{
    const vec odd = MULTIPLY_ADD(*d0, C(-b * b), *d2);
    const vec even = MULTIPLY_ADD(*d1, C(-b * b), *d3);
    t[0] = MULTIPLY_ADD(odd, C(a), even);
    t[1] = MULTIPLY_ADD(odd, C(-a), even);
}

/* (x^2 - a^2)(x^2 - b^2) */
INLINE void transform_end(const vec *d0, const vec *d2, const vec *d4, double a,
                          double b, vec *t)
{
    *t = MULTIPLY_ADD(*d2, C(-a * a - b * b), *d4);
    *t = MULTIPLY_ADD(*d0, C(a * a * b * b), *t);
}

/* t = B'd, of 6 or 9. */
INLINE void transform_in(const vec *d, vec *t, size_t stride)
{
    if (stride == 1) {
        const double a = CZ_WINOGRAD_A, b = CZ_WINOGRAD_B;
        transform_end(d, d + 2, d + 4, a, b, t);
        transform_pair(d + 1, d + 2, d + 3, d + 4, a, b, t + 1);
        transform_pair(d + 1, d + 2, d + 3, d + 4, b, a, t + 3);
        transform_end(d + 1, d + 3, d + 5, a, b, t + 5);
    } else {
        const double a = CZ_WINOGRAD_A2, b = CZ_WINOGRAD_B2;
        transform_pair(d, d + 2, d + 4, d + 6, a, b, t);
        transform_pair(d, d + 2, d + 4, d + 6, b, a, t + 2);
        transform_end(d, d + 4, d + 8, a, b, t + 4);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            t[5 + i] = d[2 * i + 1];
    }
}

/* y = A'm for the points +-a, +-b and infinity: row k is a^k (-a)^k b^k (-b)^k
 * and, for infinity, 1 in row 3. */
INLINE void transform_points(const vec m[5], double a, double b, vec y[4])
{
    const vec sum_a = m[0] + m[1], difference_a = m[0] - m[1];
    const vec sum_b = m[2] + m[3], difference_b = m[2] - m[3];
    y[0] = sum_a + sum_b;
    y[1] = MULTIPLY_ADD(difference_a, C(a), difference_b * C(b));
    y[2] = MULTIPLY_ADD(sum_a, C(a * a), sum_b * C(b * b));
    y[3] = MULTIPLY_ADD(difference_a, C(a * a * a), m[4]);
    y[3] = MULTIPLY_ADD(difference_b, C(b * b * b), y[3]);
}

INLINE void transform_out(const vec *m, vec y[4], size_t stride)
{
    if (stride == 1) {
        transform_points(m + 1, CZ_WINOGRAD_A, CZ_WINOGRAD_B, y);
        y[0] += m[0];
    } else {
        transform_points(m, CZ_WINOGRAD_A2, CZ_WINOGRAD_B2, y);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            y[i] += m[5 + i];
    }
}

/* One row of tB, stored. */
INLINE void transform_row(const vec *row, float *v, size_t v_step,
                          size_t stride)
{
    const size_t n = stride == 1 ? 6 : 9;
    vec t[9];
    transform_in(row, t, stride);
    UNROLL
    for (size_t j = 0; j < n; j++)
        STORE(v + j * v_step, t[j]);
}

/* Two tiles on: their rows are too short for the processor to foresee. */
#define AHEAD(stride) (2 * CZ_WINOGRAD_OUT * (stride)*LANES)

/* With stride 2 the odd rows are not transformed: they go straight from x. */
INLINE void winograd_in(const float *x, size_t x_row, float *v, size_t v_step,
                        size_t stride)
{
    const size_t n = stride == 1 ? 6 : 9, mixed = stride == 1 ? 6 : 5;
    vec columns[6][9], d[9], t[9];
    for (size_t j = 0; j < n; j++) {
        UNROLL
        for (size_t i = 0; i < n; i++) {
            const float *at = x + i * x_row + j * LANES;
            d[i] = LOAD(at);
            __builtin_prefetch(at + AHEAD(stride));
        }
        transform_in(d, t, stride);
        UNROLL
        for (size_t i = 0; i < mixed; i++)
            columns[i][j] = t[i];
    }
    for (size_t i = 0; i < mixed; i++)
        transform_row(columns[i], v + i * n * v_step, v_step, stride);
    for (size_t i = mixed; i < n; i++) {
        UNROLL
        for (size_t j = 0; j < n; j++)
            d[j] = LOAD(x + (2 * (i - mixed) + 1) * x_row + j * LANES);
        transform_row(d, v + i * n * v_step, v_step, stride);
    }
}

INLINE void winograd_out(const float *m, size_t m_step, const float *bias,
                         float *y, size_t y_row, size_t stride)
{
    const size_t n = stride == 1 ? 6 : 9;
    vec columns[4][9], d[9], t[4];
    for (size_t j = 0; j < n; j++) {
        UNROLL
        for (size_t i = 0; i < n; i++)
            d[i] = LOAD(m + (i * n + j) * m_step);
        transform_out(d, t, stride);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            columns[i][j] = t[i];
    }
    const vec b = LOAD(bias);
    for (size_t i = 0; i < 4; i++) {
        transform_out(columns[i], t, stride);
        UNROLL
        for (size_t j = 0; j < 4; j++)
            STORE(y + i * y_row + j * LANES, t[j] + b);
    }
}

TARGET static void winograd_in_1(const float *x, size_t x_row, float *v,
                                 size_t v_step)
{
    winograd_in(x, x_row, v, v_step, 1);
}

TARGET static void winograd_in_2(const float *x, size_t x_row, float *v,
                                 size_t v_step)
{
    winograd_in(x, x_row, v, v_step, 2);
}

TARGET static void winograd_out_1(const float *m, size_t m_step,
                                  const float *bias, float *y, size_t y_row)
{
    winograd_out(m, m_step, bias, y, y_row, 1);
}

TARGET static void winograd_out_2(const float *m, size_t m_step,
                                  const float *bias, float *y, size_t y_row)
{
    winograd_out(m, m_step, bias, y, y_row, 2);
}

/* ---- softmax ---------------------------------------------------------- */

TARGET static void softmax(const float *x, float *y, size_t count,
                           size_t stride)
{
    vec most = LOAD(x), sum = SPLAT(0);
    for (size_t i = 1; i < count; i++)
        most = MAX(most, LOAD(x + i * stride));
    for (size_t i = 0; i < count; i++) {
        vec minus_x = most - LOAD(x + i * stride), up, down;
        exp_of_minus(&minus_x, &up, &down, 1);
        STORE(y + i * stride, up / down);
        sum += up / down;
    }
    const vec share = SPLAT(1) / sum;
    for (size_t i = 0; i < count; i++)
        STORE(y + i * stride, LOAD(y + i * stride) * share);
}

/* y = exp(x - most) for `count` vectors, which are added to *sum. */
INLINE void exp_turn(const float *x, float *y, const vec *most, size_t count,
                     vec *sum)
{
    vec v[TURNS], up[TURNS], down[TURNS];
    EACH v[k] = *most - LOAD(x + k * LANES);
    exp_of_minus(v, up, down, count);
    EACH v[k] = up[k] / down[k];
    EACH *sum += v[k];
    EACH STORE(y + k * LANES, v[k]);
}

TARGET static void softmax_row(const float *x, float *y, size_t count)
{
    const size_t n = count / LANES, left = count % LANES;
    float tail[LANES], lanes[LANES], total = 0;
    vec most = SPLAT(x[0]), sum = SPLAT(0);
    for (size_t l = 0; l < LANES; l++) /* e^-87 is nothing beside e^0 */
        tail[l] = l < left ? x[n * LANES + l] : -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = MAX(most, LOAD(x + i * LANES));
    most = MAX(most, LOAD(tail));
    STORE(lanes, most);
    for (size_t l = 1; l < LANES; l++)
        lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
    most = SPLAT(lanes[0]);
    size_t i = 0;
    for (; i + TURNS <= n; i += TURNS)
        exp_turn(x + i * LANES, y + i * LANES, &most, TURNS, &sum);
    for (; i < n; i++)
        exp_turn(x + i * LANES, y + i * LANES, &most, 1, &sum);
    if (left)
        exp_turn(tail, tail, &most, 1, &sum);
    STORE(lanes, sum);
    for (size_t l = 0; l < LANES; l++)
        total += lanes[l];
    const float share = 1 / total;
    for (i = 0; i < n; i++)
        STORE(y + i * LANES, LOAD(y + i * LANES) * SPLAT(share));
    for (size_t l = 0; l < left; l++)
        y[n * LANES + l] = tail[l] * share;
}

#define SIMD_LOOPS                                                             \
    {                                                                          \
        .lanes = LANES, .multiply = multiply, .depthwise = depthwise,          \
        .rows = rows, .finish = finish, .softmax = softmax,                    \
        .softmax_row = softmax_row,                                            \
        .winograd_in = {winograd_in_1, winograd_in_2}, .winograd_out = {       \
            winograd_out_1,                                                    \
            winograd_out_2                                                     \
        }                                                                      \
    }
