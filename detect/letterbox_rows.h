/* The loops of letterbox_internal.h. Included by one file for each kind of
 * vector unit, which defines TARGET, the function attribute that switches its
 * instructions on. */
static TARGET void row_split(uint8_t *restrict planes,
                             const uint8_t *restrict pixels, size_t count)
{
    uint8_t *b = planes, *g = b + count, *r = g + count;
    for (size_t i = 0; i < count; i++) {
        b[i] = pixels[3 * i];
        g[i] = pixels[3 * i + 1];
        r[i] = pixels[3 * i + 2];
    }
}

/* Columns from `first` on. */
static TARGET void row_resize_from(size_t first, int16_t *restrict planes,
                                   const uint8_t *restrict pixels, size_t width,
                                   const struct cz_axis *x)
{
    int16_t *b = planes, *g = b + x->count, *r = g + x->count;
    for (size_t i = first; i < x->count; i++) {
        size_t from = (size_t)x->from[i];
        const uint8_t *p = pixels + 3 * from;
        const uint8_t *q = p + (from + 1 < width ? 3 : 0);
        int w0 = x->weights[2 * i], w1 = x->weights[2 * i + 1];
        b[i] = (int16_t)((p[0] * w0 + q[0] * w1) >> 4);
        g[i] = (int16_t)((p[1] * w0 + q[1] * w1) >> 4);
        r[i] = (int16_t)((p[2] * w0 + q[2] * w1) >> 4);
    }
}

/* Each product loses its low 16 bits before they are added. */
static TARGET void row_blend(uint8_t *restrict row,
                             const int16_t *restrict above,
                             const int16_t *restrict below,
                             const int16_t weights[2], size_t count)
{
    int w0 = weights[0], w1 = weights[1];
    for (size_t i = 0; i < count; i++) {
        int16_t a = (int16_t)((above[i] * w0) >> 16);
        int16_t b = (int16_t)((below[i] * w1) >> 16);
        row[i] = (uint8_t)((a + b + 2) >> 2);
    }
}

static TARGET void row_to_float(float *restrict to,
                                const uint8_t *restrict from, float divisor,
                                size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i] / divisor;
}
