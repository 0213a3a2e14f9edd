/* A layer's weights in few values: which weights have the same one, and which
 * it is.
 *
 * Who goes with whom is k-means over the weights of all output channels (S.
 * Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, section 3). The values
 * are then those whose outputs come nearest to what they should be: with
 * weights w_i = c_a(i) the outputs are linear in the few c. */
#ifndef CZ_PRUNE_CLUSTER_INTERNAL_H
#define CZ_PRUNE_CLUSTER_INTERNAL_H

#include <stdint.h>

#include "prune/lsq_internal.h"

struct cz_clusters {
    float *values; /* [count] rising from the second on; the first is 0, for
                      those weights that are zero, and stays so */
    uint16_t *of;  /* [n_weights] which of the values */
    size_t count, n_weights;
    bool has_zeros;
    size_t distinct; /* values that the weights had, zero included */
};

/* Groups `n` finite weights in at most `most` values, zero included where some
 * are zero: in those that they have, if there are no more; else those of least
 * squared distance that Lloyd's method finds, from values of even distances
 * (Deep Compression's "linear") and from some that k-means++ draws (D. Arthur,
 * S. Vassilvitskii, SODA 2007), always the same ones. Never worse than the even
 * distances. 2 <= most <= CZ_CLUSTERS_MAX. End with _fini whatever the result.
 */
enum cz_status cz_clusters_find(struct cz_clusters *clusters,
                                const float *weights, size_t n, size_t most,
                                struct cz_error *err);
void cz_clusters_fini(struct cz_clusters *clusters);

/* How many values the weights have then, zero included. */
size_t cz_clusters_count(const struct cz_clusters *clusters);

/* weights [n_weights]: the values. */
void cz_clusters_apply(float *weights, const struct cz_clusters *clusters);

/* Solves for the values that minimise what lsq_internal.h says of weights,
 * summed over the output channels, `values` being what they were. The same for
 * any number of threads. Values that cannot be solved for stay as they are. */
enum cz_status cz_clusters_fit(struct cz_clusters *clusters,
                               const struct cz_lsq *lsq, struct cz_error *err);

#endif
