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
 * exp() is Cody and Waite's reduction, x = n log 2 + r, with a polynomial of
 * degree 6 in r, fitted to a relative error of 3e-9. */
#define INLINE static inline __attribute__((always_inline)) TARGET
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_8 _Pragma("clang loop unroll_count(8)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_8 _Pragma("GCC unroll 8")
#endif
#define LOAD(p) (*(const vec_at *)(p))
#define STORE(p, v) (*(vec_at *)(p) = (v))

/* ---- products --------------------------------------------------------- */

INLINE void load_bias(const struct cz_simd_product *m, vec *sum, size_t pixels,
                      size_t outputs)
{
    UNROLL
    for (size_t o = 0; o < outputs; o++) {
        vec bias = SPLAT(0);
        if (m->bias)
            bias = LOAD(m->bias + o * LANES);
        UNROLL
        for (size_t p = 0; p < pixels; p++)
            sum[p * outputs + o] = bias;
    }
}

/* All counts are constants where this is used, so that `sum` is registers. */
INLINE void multiply_tile(const struct cz_simd_product *m, const float *x,
                          float *y, size_t pixels, size_t outputs, size_t depth,
                          size_t step)
{
    vec sum[2 * PIXELS];
    load_bias(m, sum, pixels, outputs);
    const float *w = m->w;
    const size_t taps = m->taps;
    for (size_t t = 0; t < taps; t++, w += depth * outputs * LANES) {
        const float *from = x + m->offsets[t];
        UNROLL_8
        for (size_t c = 0; c < depth; c++) {
            const float *wc = w + c * outputs * LANES;
            vec w0 = LOAD(wc), w1 = LOAD(wc + (outputs - 1) * LANES);
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                vec xp = SPLAT(from[p * step + c]), *s = sum + p * outputs;
                s[0] = MULTIPLY_ADD(xp, w0, s[0]);
                if (outputs > 1)
                    s[1] = MULTIPLY_ADD(xp, w1, s[1]);
            }
        }
    }
    UNROLL
    for (size_t o = 0; o < outputs; o++) {
        UNROLL
        for (size_t p = 0; p < pixels; p++)
            STORE(y + o * m->y_block + p * LANES, sum[p * outputs + o]);
    }
}

#define TILE(p)                                                                \
    case p:                                                                    \
        multiply_tile(m, x, y, p, outputs, depth, step);                       \
        break;

/* n pixels in tiles that differ by no more than one pixel. */
INLINE void multiply_run(const struct cz_simd_product *m, size_t n,
                         size_t outputs, size_t depth, size_t step)
{
    const float *x = m->x;
    float *y = m->y;
    for (size_t tiles = (n + PIXELS - 1) / PIXELS; tiles > 0; tiles--) {
        const size_t pixels = (n + tiles - 1) / tiles;
        switch (pixels) {
            TILE(1)
            TILE(2)
            TILE(3)
            TILE(4)
#if PIXELS > 4
            TILE(5)
            TILE(6)
#endif
#if PIXELS > 6
            TILE(7)
            TILE(8)
            TILE(9)
            TILE(10)
            TILE(11)
            TILE(12)
#endif
        }
        x += pixels * step;
        y += pixels * LANES;
        n -= pixels;
    }
}

#undef TILE

/* The distances that occur most are constants, the others variables. */
TARGET static void multiply_pairs(const struct cz_simd_product *m, size_t n)
{
    if (m->depth == 1)
        multiply_run(m, n, 2, 1, m->step);
    else if (m->step == LANES)
        multiply_run(m, n, 2, LANES, LANES);
    else if (m->step == 2 * LANES)
        multiply_run(m, n, 2, LANES, 2 * LANES);
    else
        multiply_run(m, n, 2, LANES, m->step);
}

TARGET static void multiply_singles(const struct cz_simd_product *m, size_t n)
{
    if (m->depth == 1)
        multiply_run(m, n, 1, 1, m->step);
    else
        multiply_run(m, n, 1, LANES, m->step);
}

static void multiply(const struct cz_simd_product *product, size_t n)
{
    if (product->outputs == 2)
        multiply_pairs(product, n);
    else
        multiply_singles(product, n);
}

/* ---- depthwise -------------------------------------------------------- */

INLINE void depthwise_tile(const struct cz_simd_depthwise *d, const float *x,
                           float *y, size_t pixels, size_t columns,
                           size_t stride, size_t dilation)
{
    vec sum[4];
    const float *w = d->w;
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        sum[p] = LOAD(d->bias);
    for (size_t r = 0; r < d->rows; r++, x += d->x_row, w += d->w_row * LANES) {
        UNROLL
        for (size_t c = 0; c < columns; c++) {
            vec wc = LOAD(w + c * LANES);
            UNROLL
            for (size_t p = 0; p < pixels; p++) {
                vec xp = LOAD(x + (p * stride + c * dilation) * LANES);
                sum[p] = MULTIPLY_ADD(xp, wc, sum[p]);
            }
        }
    }
    UNROLL
    for (size_t p = 0; p < pixels; p++)
        STORE(y + p * LANES, sum[p]);
}

INLINE void depthwise_run(const struct cz_simd_depthwise *d, size_t n,
                          size_t columns, size_t stride, size_t dilation)
{
    const float *x = d->x;
    float *y = d->y;
    for (; n >= 4; n -= 4, x += 4 * stride * LANES, y += 4 * LANES)
        depthwise_tile(d, x, y, 4, columns, stride, dilation);
    for (; n > 0; n--, x += stride * LANES, y += LANES)
        depthwise_tile(d, x, y, 1, columns, stride, dilation);
}

TARGET static void depthwise(const struct cz_simd_depthwise *d, size_t n)
{
    const size_t columns = d->columns, stride = d->stride;
    if (columns == 3 && stride == 1 && d->dilation == 1)
        depthwise_run(d, n, 3, 1, 1);
    else if (columns == 3 && stride == 2 && d->dilation == 1)
        depthwise_run(d, n, 3, 2, 1);
    else if (columns == 5 && stride == 1 && d->dilation == 1)
        depthwise_run(d, n, 5, 1, 1);
    else
        depthwise_run(d, n, columns, stride, d->dilation);
}

/* ---- activations ------------------------------------------------------ */

/* *y = exp(-*x) for x in [-88, 87]; beyond, that of the nearer end. Vectors go
 * by address: those of simd_plain.c have no registers to be passed in. */
INLINE void exp_of_minus(const vec *minus_x, vec *y)
{
    const vec round = SPLAT(0x1.8p23f); /* adding it leaves an integer */
    vec x = MAX(SPLAT(-87), MIN(SPLAT(88), -*minus_x));
    vec shifted = MULTIPLY_ADD(x, SPLAT(0x1.715476p+0f), round);
    vec n = shifted - round;
    vec r = MULTIPLY_ADD(n, SPLAT(-0x1.62e4p-1f), x);
    r = MULTIPLY_ADD(n, SPLAT(-0x1.7f7d1cp-20f), r);
    vec p = SPLAT(0x1.6a2446p-10f);
    p = MULTIPLY_ADD(p, r, SPLAT(0x1.1239d4p-7f));
    p = MULTIPLY_ADD(p, r, SPLAT(0x1.5558f2p-5f));
    p = MULTIPLY_ADD(p, r, SPLAT(0x1.555492p-3f));
    p = MULTIPLY_ADD(p, r, SPLAT(0x1.fffffcp-2f));
    p = MULTIPLY_ADD(p, r, SPLAT(1));
    p = MULTIPLY_ADD(p, r, SPLAT(1));
    *y = (vec)((ivec)p + ((ivec)shifted << 23)); /* p * 2^n */
}

/* The `kind` is a constant where this is used. */
INLINE void activate(const struct cz_activation *a,
                     enum cz_activation_kind kind, vec *y)
{
    const vec zero = SPLAT(0), one = SPLAT(1), x = *y;
    vec e = zero;
    switch (kind) {
    case CZ_ACT_RELU:
        *y = MAX(zero, x);
        break;
    case CZ_ACT_LEAKY_RELU:
        *y = MULTIPLY_ADD(MIN(zero, x), SPLAT(a->alpha), MAX(zero, x));
        break;
    case CZ_ACT_CLIP:
        *y = MIN(SPLAT(a->beta), MAX(SPLAT(a->alpha), x));
        break;
    case CZ_ACT_SIGMOID:
        exp_of_minus(&x, &e);
        *y = one / (one + e);
        break;
    case CZ_ACT_SILU:
        exp_of_minus(&x, &e);
        *y = x / (one + e);
        break;
    case CZ_ACT_HARD_SIGMOID:
        e = MULTIPLY_ADD(x, SPLAT(a->alpha), SPLAT(a->beta));
        *y = MIN(one, MAX(zero, e));
        break;
    case CZ_ACT_HARD_SWISH:
        e = MULTIPLY_ADD(x, SPLAT(1 / 6.0f), SPLAT(0.5f));
        *y = x * MIN(one, MAX(zero, e));
        break;
    default:
        break;
    }
}

INLINE void finish_with(const struct cz_activation *activation, float *y,
                        const float *residual, size_t n,
                        enum cz_activation_kind kind)
{
    for (size_t i = 0; i < n * LANES; i += LANES) {
        vec v = LOAD(y + i);
        activate(activation, kind, &v);
        if (residual)
            v += LOAD(residual + i);
        STORE(y + i, v);
    }
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

#define A CZ_WINOGRAD_A
#define B CZ_WINOGRAD_B
#define C(f) SPLAT((float)(f))

/* B'd: rows (x^2 - a^2)(x^2 - b^2), x(x +- a)(x^2 - b^2),
 * x(x +- b)(x^2 - a^2), x(x^2 - a^2)(x^2 - b^2). */
INLINE void transform_in(const vec d[6], vec t[6])
{
    vec even = MULTIPLY_ADD(d[2], C(-B * B), d[4]);
    vec odd = MULTIPLY_ADD(d[1], C(-B * B), d[3]);
    t[1] = MULTIPLY_ADD(odd, C(A), even);
    t[2] = MULTIPLY_ADD(odd, C(-A), even);
    even = MULTIPLY_ADD(d[2], C(-A * A), d[4]);
    odd = MULTIPLY_ADD(d[1], C(-A * A), d[3]);
    t[3] = MULTIPLY_ADD(odd, C(B), even);
    t[4] = MULTIPLY_ADD(odd, C(-B), even);
    t[0] = MULTIPLY_ADD(d[2], C(-A * A - B * B), d[4]);
    t[0] = MULTIPLY_ADD(d[0], C(A * A * B * B), t[0]);
    t[5] = MULTIPLY_ADD(d[3], C(-A * A - B * B), d[5]);
    t[5] = MULTIPLY_ADD(d[1], C(A * A * B * B), t[5]);
}

/* A'm: row k is 1 a^k (-a)^k b^k (-b)^k, and 1 for infinity in row 3. */
INLINE void transform_out(const vec m[6], vec y[4])
{
    vec sum_a = m[1] + m[2], difference_a = m[1] - m[2];
    vec sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = MULTIPLY_ADD(difference_a, C(A), difference_b * C(B));
    y[2] = MULTIPLY_ADD(sum_a, C(A * A), sum_b * C(B * B));
    y[3] = MULTIPLY_ADD(difference_a, C(A * A * A), m[5]);
    y[3] = MULTIPLY_ADD(difference_b, C(B * B * B), y[3]);
}

TARGET static void winograd_in(const float *x, size_t x_row, float *v,
                               size_t v_step)
{
    vec columns[6][6];
    for (size_t j = 0; j < 6; j++) {
        vec d[6], t[6];
        UNROLL
        for (size_t i = 0; i < 6; i++)
            d[i] = LOAD(x + i * x_row + j * LANES);
        transform_in(d, t);
        UNROLL
        for (size_t i = 0; i < 6; i++)
            columns[i][j] = t[i];
    }
    for (size_t i = 0; i < 6; i++) {
        vec t[6];
        transform_in(columns[i], t);
        UNROLL
        for (size_t j = 0; j < 6; j++)
            STORE(v + (i * 6 + j) * v_step, t[j]);
    }
}

TARGET static void winograd_out(const float *m, size_t m_step,
                                const float *bias, float *y, size_t y_row)
{
    vec columns[4][6];
    for (size_t j = 0; j < 6; j++) {
        vec d[6], t[4];
        UNROLL
        for (size_t i = 0; i < 6; i++)
            d[i] = LOAD(m + (i * 6 + j) * m_step);
        transform_out(d, t);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            columns[i][j] = t[i];
    }
    const vec b = LOAD(bias);
    for (size_t i = 0; i < 4; i++) {
        vec t[4];
        transform_out(columns[i], t);
        UNROLL
        for (size_t j = 0; j < 4; j++)
            STORE(y + i * y_row + j * LANES, t[j] + b);
    }
}

/* ---- softmax ---------------------------------------------------------- */

TARGET static void softmax(const float *x, float *y, size_t count,
                           size_t stride)
{
    vec most = LOAD(x), sum = SPLAT(0);
    for (size_t i = 1; i < count; i++)
        most = MAX(most, LOAD(x + i * stride));
    for (size_t i = 0; i < count; i++) {
        vec minus_x = most - LOAD(x + i * stride), e;
        exp_of_minus(&minus_x, &e);
        STORE(y + i * stride, e);
        sum += e;
    }
    const vec share = SPLAT(1) / sum;
    for (size_t i = 0; i < count; i++)
        STORE(y + i * stride, LOAD(y + i * stride) * share);
}

#define SIMD_LOOPS                                                             \
    {                                                                          \
        .lanes = LANES, .multiply = multiply, .depthwise = depthwise,          \
        .finish = finish, .winograd_in = winograd_in,                          \
        .winograd_out = winograd_out, .softmax = softmax                       \
    }
