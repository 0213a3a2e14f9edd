/* A layer's weights in few values: which weights have the same one, and which
 * it is.
 *
 * Both are first what k-means says over the weights of all output channels (S.
 * Han, H. Mao, W. Dally, "Deep Compression", ICLR 2016, section 3). With
 * moments of what the layer reads, its outputs come nearer to what they should
 * be: they are linear in the few values; and weights that are rounded one after
 * the other make up for those before. */
#ifndef CZ_PRUNE_CLUSTER_INTERNAL_H
#define CZ_PRUNE_CLUSTER_INTERNAL_H

#include <stdint.h>

#include "prune/lsq_internal.h"

struct cz_clusters {
    float *values; /* [count] rising from the second on; the first is 0, for
                      those weights that are zero, and stays so */
    uint16_t *of;  /* [n_weights] which of the values */
    size_t count, n_weights;
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

/* How many of the values the weights have, zero included. */
size_t cz_clusters_count(const struct cz_clusters *clusters);

/* weights [n_weights]: the values. */
void cz_clusters_apply(float *weights, const struct cz_clusters *clusters);

/* Solves for the values that minimise what lsq_internal.h says of weights,
 * summed over the output channels, `values` being what they were. The same for
 * any number of threads. Values that cannot be solved for stay as they are. */
enum cz_status cz_clusters_fit(struct cz_clusters *clusters,
                               const struct cz_lsq *lsq, struct cz_error *err);

/* Gives each weight that is not zero the value that fits best once others are
 * rounded before it: see cluster_round.c. weights [n_weights] as they would be
 * without; the values get sorted. The same for any number of threads. */
enum cz_status cz_clusters_round(struct cz_clusters *clusters,
                                 const struct cz_lsq *lsq, const float *weights,
                                 struct cz_error *err);

/* All of it: weights [groups, outputs, inputs] and the bias, where it is free,
 * become those of at most `most` values that have the least error
 * (cz_lsq_errors()) of what was tried, means of k-means among them. *values:
 * how many they are. In: as they would be without. */
enum cz_status cz_clusters_solve(float *weights, float *bias, size_t *values,
                                 const struct cz_lsq *lsq, size_t most,
                                 struct cz_error *err);

#endif
