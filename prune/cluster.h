/* Weight clustering: each layer's weights in a few values. */
#ifndef CZ_PRUNE_CLUSTER_H
#define CZ_PRUNE_CLUSTER_H

#include <stddef.h>

#include "core/error.h"
#include "core/progress.h"
#include "onnx/onnx.h"

/* Values that a layer may have, zero included. */
#define CZ_CLUSTERS_MIN 2
#define CZ_CLUSTERS_MAX 256

struct cz_cluster_options {
    size_t clusters;         /* values of each layer at most */
    const char *const *skip; /* [n_skip] patterns as in prune.h */
    size_t n_skip;
    size_t threads; /* 0: as many as there are cores */
    const struct cz_progress *progress;
};

/* One Conv of the model. */
struct cz_cluster_layer {
    const char *name;    /* node name; lives as long as the model */
    const char *weight;  /* name of the tensor, likewise */
    const char *skipped; /* why it was left alone, or NULL */
    size_t weights;      /* 0 where they are computed at run time */
    /* Distinct values, zero included; 0 where the layer was left alone. */
    size_t values_before, values;
    double error; /* mean squared change, as a share of the weights' variance */
};

struct cz_cluster_report {
    struct cz_cluster_layer *layers; /* [n_layers], in order of the graph */
    size_t n_layers;
    size_t n_clustered; /* layers that were not left alone */
};

void cz_cluster_report_fini(struct cz_cluster_report *report);

/* CZ_EINVAL where `clusters` is not in CZ_CLUSTERS_MIN..CZ_CLUSTERS_MAX. */
enum cz_status cz_cluster_check(size_t clusters, struct cz_error *err);

/* Gives the weights of each Conv at most options->clusters distinct values, in
 * place: the means of groups that k-means finds (Han, Mao, Dally, Deep
 * Compression, ICLR 2016, section 3). Tensors keep type and shape; it is a file
 * compressor that makes use of it. Zeros stay zeros, and are one of the values.
 * A layer that has no more values than that stays as it is.
 *
 * Left alone, and reported so, are the same Convs as in cz_prune_l1(). Those
 * that share a tensor share its values. The same result for any number of
 * threads. Wants the shapes of cz_graph_infer().
 *
 * With images, cz_recover_lsq() of recover.h does better.
 *
 * CZ_EINVAL: a number outside its range, a pattern that matches no Conv, no
 * Conv to cluster, a weight that is NaN or infinite; the model is then
 * unchanged. End the report with _fini whatever the result. */
enum cz_status cz_cluster_weights(struct cz_model *model,
                                  const struct cz_cluster_options *options,
                                  struct cz_cluster_report *report,
                                  struct cz_error *err);

#endif
