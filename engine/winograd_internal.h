/* The output of Winograd's convolutions of 3 x 3 in tiles of 4 x 4, and these
 * in groups that a thread works on at once. */
#ifndef CZ_ENGINE_WINOGRAD_INTERNAL_H
#define CZ_ENGINE_WINOGRAD_INTERNAL_H

#include "engine/conv_internal.h"

struct cz_winograd_tiles {
    size_t rows, columns, count; /* of an image; of all */
    size_t groups, group_tiles;  /* tiles of a group, at most */
};

struct cz_winograd_tile {
    size_t image, y, x; /* in tiles */
};

/* Groups of equal size, a multiple of the threads if there are enough.
 * tile_bytes: what a tile needs in V. */
void cz_winograd_tiles_choose(struct cz_winograd_tiles *tiles,
                              const struct cz_conv_shape *shape,
                              size_t tile_bytes, size_t threads);

struct cz_winograd_tile
cz_winograd_tile_at(const struct cz_winograd_tiles *tiles, size_t i);

/* The first tile of a group, and that behind its last one: the first of the
 * next. */
size_t cz_winograd_group_start(const struct cz_winograd_tiles *tiles,
                               size_t group);

/* The part of the image, side x side pixels, below a tile; *is_inside says
 * whether none of it is beyond the border. */
struct cz_conv_window cz_winograd_window(const struct cz_conv_shape *shape,
                                         struct cz_winograd_tile tile,
                                         size_t side, bool *is_inside);

#endif
