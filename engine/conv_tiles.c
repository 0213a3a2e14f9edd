/* Tiles of a convolution's output. */
#include "engine/conv_tiles_internal.h"

#include "core/sizes.h"

/* Columns that a tile keeps, however many channels there are. */
#define COLUMNS_MIN 24

/* Tiles for each of several threads: the last to finish is late by a part of
 * one. */
#define TILES_PER_THREAD 4

static size_t window_pixels(const struct cz_conv_shape *s, size_t rows,
                            size_t columns)
{
    return cz_conv_window_rows(s, rows) * cz_conv_window_columns(s, columns);
}

void cz_conv_tiles_choose(struct cz_conv_tiles *tiles,
                          const struct cz_conv_shape *shape, size_t pixels_max,
                          size_t parts, size_t threads)
{
    const struct cz_conv_shape *s = shape;
    const size_t wanted = threads > 1 ? threads * TILES_PER_THREAD : 1;
    size_t rows = 1, spans = 1;
    while (cz_divide_up(s->out_w, spans + 1) >= COLUMNS_MIN &&
           (window_pixels(s, 1, cz_divide_up(s->out_w, spans)) > pixels_max ||
            s->batch * s->out_h * spans < wanted))
        spans++;
    const size_t columns = cz_divide_up(s->out_w, spans);
    const size_t strips = s->batch * s->out_h * spans;
    while (rows < s->out_h && (rows + 1) * wanted <= strips &&
           window_pixels(s, rows + 1, columns) <= pixels_max)
        rows++;
    const size_t bands = cz_divide_up(s->out_h, rows);
    const size_t count = s->batch * bands * spans;
    const size_t slices = cz_least(cz_divide_up(threads, count), parts);
    *tiles = (struct cz_conv_tiles){
        .window_rows = cz_conv_window_rows(s, cz_divide_up(s->out_h, bands)),
        .window_columns = cz_conv_window_columns(s, columns),
        .bands = bands,
        .spans = spans,
        .parts = parts,
        .slices = slices,
        .items = count * slices,
    };
}

struct cz_conv_tile cz_conv_tile_at(const struct cz_conv_tiles *tiles,
                                    const struct cz_conv_shape *shape, size_t i)
{
    const struct cz_conv_tiles *t = tiles;
    const size_t slice = i % t->slices, at = i / t->slices;
    const size_t span = at % t->spans, band = at / t->spans % t->bands;
    const size_t y = band * shape->out_h / t->bands;
    const size_t x = span * shape->out_w / t->spans;
    return (struct cz_conv_tile){
        .image = at / t->spans / t->bands,
        .y = y,
        .x = x,
        .rows = (band + 1) * shape->out_h / t->bands - y,
        .columns = (span + 1) * shape->out_w / t->spans - x,
        .part_from = slice * t->parts / t->slices,
        .part_to = (slice + 1) * t->parts / t->slices,
    };
}
