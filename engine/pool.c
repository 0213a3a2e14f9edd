/* Pooling planes row by row, whatever the reduction. */
#include "engine/pool_internal.h"

/* A row is folded in pieces that lie on the stack. */
#define PIECE 512

static size_t product(const int64_t sizes[CZ_SPATIAL_MAX])
{
    return (size_t)sizes[0] * (size_t)sizes[1] * (size_t)sizes[2];
}

struct cz_pool cz_pool_of(const struct cz_step *step,
                          const struct cz_reduction *reduction)
{
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    struct cz_pool pool = {.params = step->params, .reduction = reduction};
    pool.window = cz_window_3d(&pool.params->window);
    cz_window_sizes(&x->dims, pool.in);
    cz_window_sizes(&y->dims, pool.out);
    pool.in_plane = product(pool.in);
    pool.out_plane = product(pool.out);
    pool.planes = cz_dims_product(&x->dims, 0, 2);
    pool.x = x->data;
    pool.y = y->data;
    return pool;
}

/* Where in the input a row of the output comes from. */
struct source {
    const char *plane;
    struct cz_span depth, height; /* taps */
    int64_t z, row;               /* position of tap 0 */
};

static struct source source_of(const struct cz_pool *pool, const char *plane,
                               const int64_t at[2])
{
    const struct cz_window *w = &pool->window;
    return (struct source){
        .plane = plane,
        .depth = cz_window_taps(w, 0, at[0], pool->in[0]),
        .height = cz_window_taps(w, 1, at[1], pool->in[1]),
        .z = at[0] * w->strides[0] - w->pads_begin[0],
        .row = at[1] * w->strides[1] - w->pads_begin[1],
    };
}

/* Folds columns [from, from + count) of the source's rows. */
static void fold_rows(const struct cz_pool *pool, const struct source *source,
                      void *row, int64_t from, size_t count)
{
    const struct cz_window *w = &pool->window;
    const struct cz_reduction *r = pool->reduction;
    r->start(row, count);
    for (int64_t d = source->depth.begin; d < source->depth.end; d++) {
        int64_t z = source->z + d * w->dilations[0];
        for (int64_t h = source->height.begin; h < source->height.end; h++) {
            int64_t at = z * pool->in[1] + source->row + h * w->dilations[1];
            int64_t first = at * pool->in[2] + from;
            r->fold(pool, row, source->plane + (size_t)first * r->element_bytes,
                    count);
        }
    }
}

/* A piece of a folded row. */
struct piece {
    const char *row;
    int64_t from; /* its first column in the input */
    size_t count;
};

/* Adds tap k for outputs [span.begin, span.end). */
static void slide_tap(const struct cz_pool *pool, char *y,
                      const struct piece *piece, int64_t k, struct cz_span span)
{
    const struct cz_window *w = &pool->window;
    const struct cz_reduction *r = pool->reduction;
    int64_t stride = w->strides[2];
    int64_t offset = k * w->dilations[2] - w->pads_begin[2] - piece->from;
    if (span.begin < span.end)
        r->slide(y + (size_t)span.begin * r->element_bytes,
                 piece->row +
                     (size_t)(span.begin * stride + offset) * r->element_bytes,
                 (size_t)(span.end - span.begin), (size_t)stride);
}

/* Where at most one window meets the piece in a tap: window by window, so
 * that taps in the padding cost nothing. */
static void slide_far(const struct cz_pool *pool, char *y,
                      const struct piece *piece)
{
    const struct cz_window *w = &pool->window;
    for (int64_t x = 0; x < pool->out[2]; x++) {
        int64_t start = x * w->strides[2] - w->pads_begin[2] - piece->from;
        struct cz_span taps = cz_window_inside(
            w->dilations[2], start, (int64_t)piece->count, w->kernel[2]);
        for (int64_t k = taps.begin; k < taps.end; k++)
            slide_tap(pool, y, piece, k, (struct cz_span){x, x + 1});
    }
}

/* Tap by tap, of those that meet the piece at all. */
static void slide_near(const struct cz_pool *pool, char *y,
                       const struct piece *piece)
{
    const struct cz_window *w = &pool->window;
    int64_t stride = w->strides[2], count = (int64_t)piece->count;
    int64_t first = -w->pads_begin[2] - piece->from; /* of window 0, tap 0 */
    int64_t reach = (pool->out[2] - 1) * stride;
    struct cz_span taps = cz_window_inside(w->dilations[2], first + reach,
                                           count + reach, w->kernel[2]);
    for (int64_t k = taps.begin; k < taps.end; k++) {
        struct cz_span span = cz_window_inside(
            stride, first + k * w->dilations[2], count, pool->out[2]);
        slide_tap(pool, y, piece, k, span);
    }
}

static void pool_row(const struct cz_pool *pool, const char *plane, char *y,
                     const int64_t at[2])
{
    _Alignas(16) char row[PIECE * sizeof(double)];
    const struct cz_reduction *r = pool->reduction;
    struct source source = source_of(pool, plane, at);
    r->start(y, (size_t)pool->out[2]);
    for (int64_t from = 0; from < pool->in[2]; from += PIECE) {
        int64_t left = pool->in[2] - from;
        size_t count = left < PIECE ? (size_t)left : PIECE;
        fold_rows(pool, &source, row, from, count);
        struct piece piece = {row, from, count};
        if (pool->window.strides[2] > (int64_t)count)
            slide_far(pool, y, &piece);
        else
            slide_near(pool, y, &piece);
    }
    if (r->finish)
        r->finish(pool, y, at);
}

static void pool_plane(void *user, size_t i)
{
    const struct cz_pool *pool = user;
    const size_t bytes = pool->reduction->element_bytes;
    const char *plane = pool->x + i * pool->in_plane * bytes;
    char *y = pool->y + i * pool->out_plane * bytes;
    for (int64_t z = 0; z < pool->out[0]; z++) {
        for (int64_t h = 0; h < pool->out[1]; h++) {
            pool_row(pool, plane, y, (int64_t[2]){z, h});
            y += (size_t)pool->out[2] * bytes;
        }
    }
}

void cz_pool_run(const struct cz_pool *pool, const struct cz_exec *exec)
{
    if (pool->out_plane > 0)
        cz_team_for(exec, pool->planes, pool_plane, (void *)pool);
}
