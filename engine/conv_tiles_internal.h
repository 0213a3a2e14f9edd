/* The output of a convolution in tiles, for kernels that copy the part of the
 * image below each of them. */
#ifndef CZ_ENGINE_CONV_TILES_INTERNAL_H
#define CZ_ENGINE_CONV_TILES_INTERNAL_H

#include "engine/conv_internal.h"

struct cz_conv_tiles {
    size_t window_rows, window_columns; /* below a tile, at most */
    size_t bands, spans;                /* tiles of an image */
    size_t parts;  /* of the output's channels, blocks or pairs of them */
    size_t slices; /* of the parts, where threads outnumber the tiles */
    size_t items;
};

/* The work of an item: a tile, in some parts of the output. */
struct cz_conv_tile {
    size_t image, y, x, rows, columns;
    size_t part_from, part_to;
};

/* Chooses tiles whose window has at most pixels_max pixels, if it can: as many
 * rows as that lets in, but for all threads to have some. */
void cz_conv_tiles_choose(struct cz_conv_tiles *tiles,
                          const struct cz_conv_shape *shape, size_t pixels_max,
                          size_t parts, size_t threads);

/* Item i of images x bands x spans x slices. */
struct cz_conv_tile cz_conv_tile_at(const struct cz_conv_tiles *tiles,
                                    const struct cz_conv_shape *shape,
                                    size_t i);

#endif
