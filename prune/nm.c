/* See nm_internal.h. */
#include "prune/nm_internal.h"

#include <math.h>
#include <string.h>

#include "prune/select_internal.h"

bool cz_nm_fits(const struct cz_tensor *weights, size_t m)
{
    return weights->rank > 1 && weights->dims[1] > 0 &&
           (size_t)weights->dims[1] % m == 0;
}

/* How many of the block's magnitudes come before number i. */
static size_t rank_of(const double *magnitudes, size_t count, size_t i)
{
    size_t rank = 0;
    for (size_t k = 0; k < count; k++)
        rank += magnitudes[k] > magnitudes[i] ||
                (magnitudes[k] == magnitudes[i] && k < i);
    return rank;
}

static void zero_block(struct cz_elements *e, size_t first, size_t stride,
                       const struct cz_prune_nm *nm)
{
    double magnitudes[CZ_PRUNE_NM_MAX];
    for (size_t i = 0; i < nm->m; i++)
        magnitudes[i] = fabs(cz_elements_get(e, first + i * stride));
    for (size_t i = 0; i < nm->m; i++) {
        if (rank_of(magnitudes, nm->m, i) >= nm->n)
            memset((char *)e->data + (first + i * stride) * e->stride, 0,
                   e->stride);
    }
}

size_t cz_nm_zero(struct cz_elements *elements, const struct cz_tensor *weights,
                  const struct cz_prune_nm *nm)
{
    const size_t outputs = (size_t)weights->dims[0];
    const size_t channels = (size_t)weights->dims[1];
    if (!elements->count)
        return 0;
    const size_t kernel = elements->count / (outputs * channels);
    for (size_t o = 0; o < outputs; o++) {
        for (size_t c = 0; c < channels; c += nm->m) {
            for (size_t k = 0; k < kernel; k++)
                zero_block(elements, (o * channels + c) * kernel + k, kernel,
                           nm);
        }
    }
    return cz_count_weights(elements).zeros;
}
