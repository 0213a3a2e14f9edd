/* Tiles of Winograd's convolutions. */
#include "engine/winograd_internal.h"

#include "core/sizes.h"

#define TILE CZ_WINOGRAD_OUT

/* V of a group is to stay in the second cache. */
#define GROUP_BYTES ((size_t)192 * 1024)
#define GROUP_TILES_MIN 12
#define GROUP_TILES_MAX 48

void cz_winograd_tiles_choose(struct cz_winograd_tiles *tiles,
                              const struct cz_conv_shape *shape,
                              size_t tile_bytes, size_t threads)
{
    const size_t most = cz_least(
        cz_most(GROUP_BYTES / tile_bytes, GROUP_TILES_MIN), GROUP_TILES_MAX);
    struct cz_winograd_tiles t = {.rows = cz_divide_up(shape->out_h, TILE),
                                  .columns = cz_divide_up(shape->out_w, TILE)};
    t.count = shape->batch * t.rows * t.columns;
    t.groups =
        cz_least(cz_round_up(cz_divide_up(t.count, most), threads), t.count);
    t.group_tiles = cz_divide_up(t.count, t.groups);
    *tiles = t;
}

struct cz_winograd_tile
cz_winograd_tile_at(const struct cz_winograd_tiles *tiles, size_t i)
{
    const size_t row = i / tiles->columns;
    return (struct cz_winograd_tile){row / tiles->rows, row % tiles->rows,
                                     i % tiles->columns};
}

size_t cz_winograd_group_start(const struct cz_winograd_tiles *tiles,
                               size_t group)
{
    return group * tiles->count / tiles->groups;
}

struct cz_conv_window cz_winograd_window(const struct cz_conv_shape *shape,
                                         struct cz_winograd_tile tile,
                                         size_t side, bool *is_inside)
{
    const struct cz_conv_window window = {
        cz_conv_window_y(shape, tile.y * TILE),
        cz_conv_window_x(shape, tile.x * TILE), side, side, shape->lanes};
    *is_inside = window.y >= 0 && window.x >= 0 &&
                 (size_t)window.y + side <= shape->in_h &&
                 (size_t)window.x + side <= shape->in_w;
    return window;
}
