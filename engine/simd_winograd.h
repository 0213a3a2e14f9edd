/* The transforms of Winograd's convolution for the points that simd_internal.h
 * names: a part of simd_loops.h. */

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
