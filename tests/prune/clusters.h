/* What the tests of clusters share: random weights, and how many values they
 * have. */
#ifndef CZ_TESTS_PRUNE_CLUSTERS_H
#define CZ_TESTS_PRUNE_CLUSTERS_H

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

#define THREE_CONVS                                                            \
    "in x f32[1,3,12,12]; const w f32[8,3,3,3] random\n"                       \
    "const v f32[8,1,3,3] random; const b f32[8] random\n"                     \
    "const u f32[4,8,1,1] random\n"                                            \
    "c = Conv(x, w, b) pads=[1,1,1,1]; d = Sigmoid(c)\n"                       \
    "e = Conv(d, v) group=8; f = Relu(e); y = Conv(f, u); out y"

/* [-1, 1), the same ones for the same seed. */
static inline float draw(unsigned *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (float)(*seed >> 8) * 0x1p-23f - 1;
}

static inline void draw_all(float *values, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        values[i] = draw(&seed);
}

static inline int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static inline size_t count_distinct(const float *values, size_t n)
{
    float *sorted = cz_calloc(n + 1, sizeof *sorted);
    size_t distinct = 0;
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n; i++)
        distinct += i == 0 || sorted[i] != sorted[i - 1];
    cz_free(sorted);
    return distinct;
}

#endif
