/* The multiply() of struct cz_narrow, made of multiply_tile(m, x, y, pixels,
 * outputs, step), all of whose counts are constants: a part of bf16_loops.h and
 * of fp16_neon.c. */
#define TILE(p)                                                                \
    case p:                                                                    \
        multiply_tile(m, x, y, p, outputs, step);                              \
        break;

/* n pixels in tiles that differ by no more than one pixel. */
INLINE void multiply_run(const struct cz_narrow_product *m, size_t n,
                         size_t outputs, size_t step)
{
    const uint16_t *x = m->x;
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

/* The distance that occurs most is a constant. */
TARGET static void multiply(const struct cz_narrow_product *m, size_t n)
{
    if (m->outputs == 1)
        multiply_run(m, n, 1, m->step);
    else if (m->step == LANES)
        multiply_run(m, n, 2, LANES);
    else
        multiply_run(m, n, 2, m->step);
}
