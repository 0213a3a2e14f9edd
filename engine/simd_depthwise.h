/* Depthwise convolutions of two rows at a time: a part of simd_loops.h. */

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
