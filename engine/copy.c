/* Copies of boxes with strides: the one loop behind Transpose, Concat, Split,
 * Slice, Tile, Expand and the block operators.
 *
 * Axes that stay together are joined first, so that most boxes become rows to
 * memcpy(). Where the fastest axes of the two sides differ, these two form the
 * plane, which goes in tiles through a buffer: the lines of either side are
 * used up at once, even if their addresses compete for the same place in the
 * cache. */
#include <string.h>

#include "engine/element_internal.h"

/* Rows and columns of a tile: four lines of the cache, or less. */
#define TILE(bytes) ((size_t)((bytes) > 4 ? 256 / (bytes) : 64))
/* Elements that one item of work has at least, where the plane is narrow. */
#define ITEM_ELEMENTS ((size_t)4096)
/* Fewer bytes are not worth waking a thread. */
#define PARALLEL_BYTES ((size_t)1 << 16)

/* ---- boxes ------------------------------------------------------------ */

void cz_copy_add_axis(struct cz_copy *copy, size_t size, ptrdiff_t to_stride,
                      ptrdiff_t from_stride)
{
    copy->size[copy->rank] = size;
    copy->to_stride[copy->rank] = to_stride;
    copy->from_stride[copy->rank++] = from_stride;
}

size_t cz_copy_row_bytes(const struct cz_array *array, size_t axis)
{
    return cz_dims_product(&array->dims, axis, array->dims.rank) *
           cz_element_bytes(array->dtype);
}

size_t cz_copy_array_bytes(const struct cz_array *array)
{
    return cz_copy_row_bytes(array, 0);
}

void cz_copy_strides(const struct cz_array *array,
                     ptrdiff_t strides[CZ_RANK_MAX])
{
    size_t elements[CZ_RANK_MAX];
    cz_dims_strides(&array->dims, elements);
    for (size_t i = 0; i < array->dims.rank; i++)
        strides[i] = (ptrdiff_t)(elements[i] * cz_element_bytes(array->dtype));
}

static bool is_empty(const struct cz_copy *copy)
{
    for (size_t i = 0; i < copy->rank; i++) {
        if (copy->size[i] == 0)
            return true;
    }
    return false;
}

/* Is axis `outer` of the box just more of the axis `inner`? */
static bool can_join(const struct cz_copy *box, size_t outer,
                     const struct cz_copy *other, size_t inner)
{
    ptrdiff_t n = (ptrdiff_t)other->size[inner];
    return box->to_stride[outer] == n * other->to_stride[inner] &&
           box->from_stride[outer] == n * other->from_stride[inner];
}

/* The same copy with as few axes as it can be told with. */
static struct cz_copy join_axes(const struct cz_copy *copy)
{
    struct cz_copy box = {.element_bytes = copy->element_bytes};
    for (size_t i = 0; i < copy->rank; i++) {
        if (copy->size[i] == 1)
            continue;
        if (box.rank && can_join(&box, box.rank - 1, copy, i)) {
            box.rank--;
            cz_copy_add_axis(&box, box.size[box.rank] * copy->size[i],
                             copy->to_stride[i], copy->from_stride[i]);
        } else {
            cz_copy_add_axis(&box, copy->size[i], copy->to_stride[i],
                             copy->from_stride[i]);
        }
    }
    return box;
}

static bool has_dense_rows(const struct cz_copy *box)
{
    const ptrdiff_t bytes = (ptrdiff_t)box->element_bytes;
    return box->rank && box->to_stride[box->rank - 1] == bytes &&
           box->from_stride[box->rank - 1] == bytes;
}

/* Rows of a few bytes are elements of a larger size. */
static void widen_elements(struct cz_copy *box)
{
    if (!has_dense_rows(box))
        return;
    size_t bytes = box->size[box->rank - 1] * box->element_bytes;
    if (bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16) {
        box->element_bytes = bytes;
        box->rank--;
    }
}

static void swap_axes(struct cz_copy *box, size_t a, size_t b)
{
    struct cz_copy old = *box;
    box->size[a] = old.size[b];
    box->to_stride[a] = old.to_stride[b];
    box->from_stride[a] = old.from_stride[b];
    box->size[b] = old.size[a];
    box->to_stride[b] = old.to_stride[a];
    box->from_stride[b] = old.from_stride[a];
}

/* Brings the axis that is dense in `from` beside the last one, so that the last
 * two make the plane; a box of fewer axes gets some of size 1. */
static void choose_plane(struct cz_copy *box)
{
    while (box->rank < 2) {
        struct cz_copy old = *box;
        box->rank = 0;
        cz_copy_add_axis(box, 1, 0, 0);
        for (size_t i = 0; i < old.rank; i++)
            cz_copy_add_axis(box, old.size[i], old.to_stride[i],
                             old.from_stride[i]);
    }
    if (has_dense_rows(box))
        return;
    for (size_t i = 0; i + 2 < box->rank; i++) {
        if (box->from_stride[i] == (ptrdiff_t)box->element_bytes)
            swap_axes(box, i, box->rank - 2);
    }
}

/* ---- planes ----------------------------------------------------------- */

/* A part of the plane: strides in bytes. */
struct tile {
    char *to;
    const char *from;
    size_t rows, columns;
    ptrdiff_t to_row, to_column, from_row, from_column;
};

/* memcpy() of a constant size is one load and one store, whatever the type. */
#define DEFINE_COPY_TILE(bytes)                                                \
    static void copy_tile_##bytes(const struct tile *t)                        \
    {                                                                          \
        for (size_t r = 0; r < t->rows; r++) {                                 \
            char *to = t->to + (ptrdiff_t)r * t->to_row;                       \
            const char *from = t->from + (ptrdiff_t)r * t->from_row;           \
            for (size_t c = 0; c < t->columns; c++)                            \
                memcpy(to + (ptrdiff_t)c * t->to_column,                       \
                       from + (ptrdiff_t)c * t->from_column, bytes);           \
        }                                                                      \
    }

/* Columns are dense in `from`, rows in `to`. */
#define DEFINE_TRANSPOSE_TILE(bytes)                                           \
    static void transpose_tile_##bytes(const struct tile *t)                   \
    {                                                                          \
        char buffer[TILE(bytes)][TILE(bytes) * (bytes)];                       \
        for (size_t c = 0; c < t->columns; c++)                                \
            memcpy(buffer[c], t->from + (ptrdiff_t)c * t->from_column,         \
                   t->rows * (bytes));                                         \
        for (size_t r = 0; r < t->rows; r++) {                                 \
            char *to = t->to + (ptrdiff_t)r * t->to_row;                       \
            for (size_t c = 0; c < t->columns; c++)                            \
                memcpy(to + c * (bytes), buffer[c] + r * (bytes), bytes);      \
        }                                                                      \
    }

DEFINE_COPY_TILE(1)
DEFINE_COPY_TILE(2)
DEFINE_COPY_TILE(4)
DEFINE_COPY_TILE(8)
DEFINE_COPY_TILE(16)
DEFINE_TRANSPOSE_TILE(1)
DEFINE_TRANSPOSE_TILE(2)
DEFINE_TRANSPOSE_TILE(8)
DEFINE_TRANSPOSE_TILE(16)

typedef uint32_t quad __attribute__((vector_size(16)));

#ifdef __clang__
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad){i, j, k, l})
#endif

/* 4 x 4 elements, of which every four are dense. */
static void transpose_4x4(const uint32_t *from, size_t from_stride, char *to,
                          ptrdiff_t to_stride)
{
    quad a[4], b[4];
    for (size_t i = 0; i < 4; i++)
        memcpy(&a[i], from + i * from_stride, sizeof a[i]);
    for (size_t i = 0; i < 2; i++) {
        b[i] = SHUFFLE(a[i], a[i + 2], 0, 4, 1, 5);
        b[i + 2] = SHUFFLE(a[i], a[i + 2], 2, 6, 3, 7);
    }
    for (size_t i = 0; i < 4; i += 2) {
        a[i] = SHUFFLE(b[i], b[i + 1], 0, 4, 1, 5);
        a[i + 1] = SHUFFLE(b[i], b[i + 1], 2, 6, 3, 7);
    }
    for (size_t i = 0; i < 4; i++)
        memcpy(to + (ptrdiff_t)i * to_stride, &a[i], sizeof a[i]);
}

/* As the others, but the copies of the usual sizes are no calls. */
#define SIDE TILE(sizeof(uint32_t))

static void fill_buffer(uint32_t buffer[SIDE][SIDE], const struct tile *t)
{
    for (size_t c = 0; c < t->columns; c++) {
        const char *from = t->from + (ptrdiff_t)c * t->from_column;
        if (t->rows == SIDE)
            memcpy(buffer[c], from, SIDE * sizeof **buffer);
        else if (t->rows == 8)
            memcpy(buffer[c], from, 8 * sizeof **buffer);
        else
            memcpy(buffer[c], from, t->rows * sizeof **buffer);
    }
}

static void transpose_tile_4(const struct tile *t)
{
    const size_t rows = t->rows / 4 * 4, columns = t->columns / 4 * 4;
    uint32_t buffer[SIDE][SIDE];
    fill_buffer(buffer, t);
    for (size_t r = 0; r < t->rows; r++) {
        char *to = t->to + (ptrdiff_t)r * t->to_row;
        for (size_t c = 0; c < columns && r < rows && r % 4 == 0; c += 4)
            transpose_4x4(&buffer[c][r], SIDE, to + c * 4, t->to_row);
        for (size_t c = r < rows ? columns : 0; c < t->columns; c++)
            memcpy(to + c * 4, &buffer[c][r], 4);
    }
}

#define COPY_TILE(bytes)                                                       \
    case bytes:                                                                \
        if (is_transposed)                                                     \
            transpose_tile_##bytes(tile);                                      \
        else                                                                   \
            copy_tile_##bytes(tile);                                           \
        break

static void copy_tile(const struct tile *tile, size_t element_bytes,
                      bool is_transposed)
{
    switch (element_bytes) {
        COPY_TILE(1);
        COPY_TILE(2);
        COPY_TILE(4);
        COPY_TILE(8);
    default: /* 16 */
        COPY_TILE(16);
    }
}

static void copy_dense_rows(const struct tile *t, size_t row_bytes)
{
    for (size_t r = 0; r < t->rows; r++)
        cz_copy_bytes(t->to + (ptrdiff_t)r * t->to_row,
                      t->from + (ptrdiff_t)r * t->from_row, row_bytes);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void copy_plane(const struct tile *plane, size_t element_bytes)
{
    const ptrdiff_t dense = (ptrdiff_t)element_bytes;
    if (plane->from_row != dense || plane->to_column != dense) {
        copy_tile(plane, element_bytes, false);
        return;
    }
    const size_t tile = TILE(element_bytes);
    for (size_t c = 0; c < plane->columns; c += tile) {
        for (size_t r = 0; r < plane->rows; r += tile) {
            struct tile part = *plane;
            part.rows = smaller(plane->rows - r, tile);
            part.columns = smaller(plane->columns - c, tile);
            part.to +=
                (ptrdiff_t)r * plane->to_row + (ptrdiff_t)c * plane->to_column;
            part.from += (ptrdiff_t)r * plane->from_row +
                         (ptrdiff_t)c * plane->from_column;
            copy_tile(&part, element_bytes, true);
        }
    }
}

/* ---- the walk --------------------------------------------------------- */

struct walk {
    struct cz_copy box;
    char *to;
    const char *from;
    size_t item_rows, blocks; /* rows of an item, items of a plane */
    size_t n_items, n_parts;
    bool is_dense;
};

static void copy_item(const struct walk *walk, size_t item)
{
    const struct cz_copy *box = &walk->box;
    const size_t row = box->rank - 2, column = box->rank - 1;
    const size_t first = item % walk->blocks * walk->item_rows;
    struct tile plane = {
        .to = walk->to + (ptrdiff_t)first * box->to_stride[row],
        .from = walk->from + (ptrdiff_t)first * box->from_stride[row],
        .rows = smaller(box->size[row] - first, walk->item_rows),
        .columns = box->size[column],
        .to_row = box->to_stride[row],
        .to_column = box->to_stride[column],
        .from_row = box->from_stride[row],
        .from_column = box->from_stride[column],
    };
    item /= walk->blocks;
    for (size_t i = row; i-- > 0; item /= box->size[i]) {
        ptrdiff_t at = (ptrdiff_t)(item % box->size[i]);
        plane.to += at * box->to_stride[i];
        plane.from += at * box->from_stride[i];
    }
    if (walk->is_dense)
        copy_dense_rows(&plane, plane.columns * box->element_bytes);
    else
        copy_plane(&plane, box->element_bytes);
}

static void copy_part(void *user, size_t part)
{
    const struct walk *walk = user;
    size_t end = walk->n_items * (part + 1) / walk->n_parts;
    for (size_t i = walk->n_items * part / walk->n_parts; i < end; i++)
        copy_item(walk, i);
}

void cz_copy_run(const struct cz_copy *copy, void *to, const void *from,
                 const struct cz_exec *exec)
{
    if (to == from || is_empty(copy))
        return;
    struct walk walk = {.box = join_axes(copy), .to = to, .from = from};
    struct cz_copy *box = &walk.box;
    widen_elements(box);
    choose_plane(box);
    const size_t rows = box->size[box->rank - 2];
    const size_t columns = box->size[box->rank - 1];
    const size_t tile = TILE(box->element_bytes);
    walk.is_dense = has_dense_rows(box);
    walk.item_rows = (ITEM_ELEMENTS / columns + tile) / tile * tile;
    walk.blocks = (rows + walk.item_rows - 1) / walk.item_rows;
    walk.n_items = walk.blocks;
    size_t bytes = rows * columns * box->element_bytes;
    for (size_t i = 0; i + 2 < box->rank; i++) {
        walk.n_items *= box->size[i];
        bytes *= box->size[i];
    }
    walk.n_parts =
        smaller(bytes < PARALLEL_BYTES ? 1 : exec->threads * 2, walk.n_items);
    cz_team_for(exec, walk.n_parts, copy_part, &walk);
}

/* ---- runs ------------------------------------------------------------- */

void cz_copy_rows(const struct cz_rows *rows, const struct cz_exec *exec)
{
    struct cz_copy copy = {.element_bytes = 1};
    cz_copy_add_axis(&copy, rows->count, (ptrdiff_t)rows->to_stride,
                     (ptrdiff_t)rows->from_stride);
    cz_copy_add_axis(&copy, rows->bytes, 1, 1);
    cz_copy_run(&copy, rows->to, rows->from, exec);
}

void cz_copy_bytes(void *to, const void *from, size_t bytes)
{
    if (to != from && bytes)
        memcpy(to, from, bytes);
}

void cz_copy_fill(void *to, const void *element, size_t element_bytes,
                  size_t count)
{
    size_t done = element_bytes, total = element_bytes * count;
    if (!total)
        return;
    memcpy(to, element, element_bytes);
    while (done < total) {
        size_t next = done < total - done ? done : total - done;
        memcpy((char *)to + done, to, next);
        done += next;
    }
}

const void *cz_element_one(enum cz_dtype dtype)
{
    static const float narrow = 1;
    static const double wide = 1;
    static const int64_t whole = 1; /* its low bytes come first */
    return dtype == CZ_DTYPE_FLOAT    ? (const void *)&narrow
           : dtype == CZ_DTYPE_DOUBLE ? (const void *)&wide
                                      : (const void *)&whole;
}
