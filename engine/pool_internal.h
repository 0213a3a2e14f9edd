/* What the pools share: pooling a plane row by row. */
#ifndef CZ_ENGINE_POOL_INTERNAL_H
#define CZ_ENGINE_POOL_INTERNAL_H

#include "engine/window_internal.h"

struct cz_pool_params {
    struct cz_window window;
    bool include_pad;  /* AveragePool: count_include_pad */
    bool column_major; /* MaxPool: storage_order */
    float p;           /* LpPool */
};

struct cz_reduction;

/* A pool over planes of `in` that gives planes of `out`. */
struct cz_pool {
    struct cz_window window; /* of three dimensions */
    int64_t in[CZ_SPATIAL_MAX], out[CZ_SPATIAL_MAX];
    size_t in_plane, out_plane; /* elements */
    size_t planes;              /* batch x channels */
    const char *x;
    char *y;
    const struct cz_reduction *reduction;
    const struct cz_pool_params *params;
};

/* How the elements of a window become one. A row is folded from all rows that
 * meet in a row of the output, then the window slides along it: both are
 * commutative, so that a window is as much work as its height and width. */
struct cz_reduction {
    size_t element_bytes;
    /* row[0..count) = what folding begins with */
    void (*start)(void *row, size_t count);
    /* row[i] = row[i] with x[i] */
    void (*fold)(const struct cz_pool *pool, void *row, const void *x,
                 size_t count);
    /* y[i] = y[i] with row[i * stride] */
    void (*slide)(void *y, const void *row, size_t count, size_t stride);
    /* Brings row `at` (depth, height) of the output to its end; or NULL. */
    void (*finish)(const struct cz_pool *pool, void *y, const int64_t at[2]);
};

/* For a step whose input 0 and output 0 are the images. */
struct cz_pool cz_pool_of(const struct cz_step *step,
                          const struct cz_reduction *reduction);
void cz_pool_run(const struct cz_pool *pool, const struct cz_exec *exec);

#endif
