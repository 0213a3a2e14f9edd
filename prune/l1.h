/* Pruning by magnitude: which weights of a model go. */
#ifndef CZ_PRUNE_L1_H
#define CZ_PRUNE_L1_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/progress.h"
#include "onnx/onnx.h"

/* Over what the smallest weights are sought. */
enum cz_prune_scope {
    CZ_PRUNE_LAYER,  /* in each Conv of its own, the same share in each */
    CZ_PRUNE_GLOBAL, /* over all Convs together, one threshold */
};

/* Another sparsity for the Convs that a pattern matches. Patterns are shell
 * globs (`*` matches `/` too) against the node's name and, where that fails,
 * the name of its weight. */
struct cz_prune_rule {
    const char *pattern;
    double sparsity; /* [0, 1) */
};

struct cz_share;

/* N:M sparsity: `n` of each `m` weights in a row stay, along the input channels
 * and at the same place of the kernel. */
struct cz_prune_nm {
    size_t n, m; /* 0 < n < m <= CZ_PRUNE_NM_MAX; m 0: anywhere */
};

#define CZ_PRUNE_NM_MAX 32

struct cz_prune_options {
    double sparsity; /* [0, 1), the fraction of weights to zero */
    enum cz_prune_scope scope;
    bool prune_dfl;          /* also the DFL convolution of YOLOv8's head */
    const char *const *skip; /* [n_skip] patterns of Convs to leave alone */
    size_t n_skip;
    const struct cz_prune_rule *rules; /* [n_rules], the last match counts */
    size_t n_rules;
    const struct cz_share *share; /* sparsities of Convs without a rule, from
                                     share.h, instead of `sparsity`; or NULL */
    struct cz_prune_nm nm;        /* instead of sparsities */
    size_t threads;               /* 0: as many as there are cores */
    const struct cz_progress *progress;
};

#define CZ_PRUNE_OPTIONS_INIT                                                  \
    {                                                                          \
        .scope = CZ_PRUNE_LAYER                                                \
    }

/* One Conv of the model. */
struct cz_prune_layer {
    const struct cz_node *node;
    const char *name;    /* node name; lives as long as the model */
    const char *weight;  /* name of the tensor, likewise */
    const char *skipped; /* why it was left alone, or NULL */
    double sparsity;     /* asked for */
    size_t weights;      /* 0 where they are computed at run time */
    size_t zeros_before;
    size_t zeros;
};

struct cz_prune_report {
    struct cz_prune_layer *layers; /* [n_layers], in order of the graph */
    size_t n_layers;
    size_t n_pruned; /* layers that were not skipped */
    /* Sums over all layers; a tensor that several Convs share counts once. */
    size_t weights, zeros_before, zeros;
};

/* Zeroes the weights of smallest magnitude in the Convs of `model` (L1
 * unstructured pruning; Han et al., Learning both Weights and Connections,
 * NeurIPS 2015, section 3): `rint(sparsity * n)` of the n weights of each
 * Conv, halves to even, as torch.nn.utils.prune counts. In global scope n is
 * the sum over all Convs without a rule of their own (as in OptDNN).
 *
 * Ties go to the lower index, and in global scope to the earlier node. Biases
 * are not touched. Left alone, and reported so: the DFL convolution
 * (cz_node_is_dfl()), weights that are computed or quantized, weights that
 * something other than a Conv reads too. Convs that share a tensor are pruned
 * once, with the smallest of their sparsities; if one of them is skipped, so
 * are all. Convs inside subgraphs are pruned, those inside model-local
 * functions are not. With N:M, Convs whose input channels do not come in `m`s
 * are left alone, too.
 *
 * Wants the shapes of cz_graph_infer(), by which a DFL convolution is told.
 *
 * report: free with cz_prune_report_fini(), also after an error.
 *
 * CZ_EINVAL: a number outside its range, a pattern that matches no Conv, no
 * Conv to prune, a weight that is NaN or infinite, or weights that are all as
 * sparse as asked for already. The model is then unchanged. */
enum cz_status cz_prune_l1(struct cz_model *model,
                           const struct cz_prune_options *options,
                           struct cz_prune_report *report,
                           struct cz_error *err);

/* Errors that cz_prune_l1() would have for these options but those of the
 * weights' values; nothing changes. Where no weight is to go, only patterns are
 * looked at. Wants inferred shapes, too. */
enum cz_status cz_prune_check(struct cz_model *model,
                              const struct cz_prune_options *options,
                              struct cz_error *err);

/* The same report for the model as it is; nothing changes. threads: 0 for as
 * many as there are cores. */
enum cz_status cz_prune_inspect(struct cz_model *model, size_t threads,
                                struct cz_prune_report *report,
                                struct cz_error *err);

void cz_prune_report_fini(struct cz_prune_report *report);

#endif
