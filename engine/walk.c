/* Rows of a broadcast: dimensions of size 1 are dropped, neighbours over which
 * every operand advances evenly become one, and the last is the row. */
#include "engine/walk_internal.h"

/* Elements that one thread takes at a time. */
#define CHUNK ((size_t)16384)

struct rows {
    const struct cz_walk *walk;
    size_t count; /* of the output */
    size_t rank;
    size_t size[CZ_RANK_MAX];
    size_t strides[CZ_WALK_MAX][CZ_RANK_MAX];
    size_t bytes[CZ_WALK_MAX], y_bytes; /* of an element */
};

size_t cz_walk_count(const struct cz_array *array)
{
    if (array->layout == CZ_LAYOUT_BLOCKED)
        return array->size_bytes / cz_element_bytes(array->dtype);
    return cz_array_count(array);
}

/* Can dimension d follow the last one as if the two were one? */
static bool continues(const struct rows *rows,
                      size_t strides[CZ_WALK_MAX][CZ_RANK_MAX], size_t d,
                      size_t size)
{
    if (rows->rank == 0)
        return false;
    for (size_t i = 0; i < rows->walk->n_inputs; i++) {
        if (rows->strides[i][rows->rank - 1] != strides[i][d] * size)
            return false;
    }
    return true;
}

static void set_rows(struct rows *rows)
{
    const struct cz_walk *walk = rows->walk;
    const struct cz_dims *shape = &walk->output->dims;
    size_t strides[CZ_WALK_MAX][CZ_RANK_MAX];
    for (size_t i = 0; i < walk->n_inputs; i++)
        cz_dims_broadcast_strides(&walk->inputs[i]->dims, shape, strides[i]);
    for (size_t d = 0; d < shape->rank; d++) {
        size_t size = (size_t)shape->size[d];
        if (size == 1)
            continue;
        if (continues(rows, strides, d, size))
            rows->size[rows->rank - 1] *= size;
        else
            rows->size[rows->rank++] = size;
        for (size_t i = 0; i < walk->n_inputs; i++)
            rows->strides[i][rows->rank - 1] = strides[i][d];
    }
}

/* Everything as one row, whatever the layout. */
static void set_flat(struct rows *rows)
{
    rows->rank = 1;
    rows->size[0] = rows->count;
    for (size_t i = 0; i < rows->walk->n_inputs; i++)
        rows->strides[i][0] = 1;
}

static bool is_flat(const struct cz_walk *walk)
{
    for (size_t i = 0; i < walk->n_inputs; i++) {
        if (!cz_dims_equal(&walk->inputs[i]->dims, &walk->output->dims))
            return false;
    }
    return true;
}

/* The part of a row that begins at element `at` of the output. */
static struct cz_row row_at(const struct rows *rows, size_t at, size_t end)
{
    const struct cz_walk *walk = rows->walk;
    const size_t last = rows->rank - 1, length = rows->size[last];
    const size_t column = at % length, left = length - column;
    struct cz_row row = {
        .y = (char *)walk->output->data + at * rows->y_bytes,
        .count = end - at < left ? end - at : left,
        .user = walk->user,
    };
    size_t offsets[CZ_WALK_MAX] = {0};
    size_t outer = at / length;
    for (size_t d = last; d-- > 0; outer /= rows->size[d]) {
        for (size_t i = 0; i < walk->n_inputs; i++)
            offsets[i] += outer % rows->size[d] * rows->strides[i][d];
    }
    for (size_t i = 0; i < walk->n_inputs; i++) {
        row.step[i] = rows->strides[i][last];
        offsets[i] += column * row.step[i];
        row.x[i] =
            (const char *)walk->inputs[i]->data + offsets[i] * rows->bytes[i];
    }
    return row;
}

static void run_chunk(void *user, size_t chunk)
{
    const struct rows *rows = user;
    const size_t begin = chunk * CHUNK, left = rows->count - begin;
    const size_t end = begin + (left < CHUNK ? left : CHUNK);
    for (size_t at = begin; at < end;) {
        const struct cz_row row = row_at(rows, at, end);
        rows->walk->kernel(&row);
        at += row.count;
    }
}

void cz_walk_run(const struct cz_walk *walk, const struct cz_exec *exec)
{
    struct rows rows = {
        .walk = walk,
        .count = cz_walk_count(walk->output),
        .y_bytes = cz_element_bytes(walk->output->dtype),
    };
    if (rows.count == 0)
        return;
    for (size_t i = 0; i < walk->n_inputs; i++)
        rows.bytes[i] = cz_element_bytes(walk->inputs[i]->dtype);
    if (!is_flat(walk))
        set_rows(&rows);
    if (rows.rank == 0)
        set_flat(&rows);
    cz_team_for(exec, (rows.count - 1) / CHUNK + 1, run_chunk, &rows);
}
