/* Which channels of a graph have to go together.
 *
 * Each channel of each value, [N, C, ...], is an atom, and operators unite
 * atoms: Add those of its operands, Concat those of its parts with those of
 * the whole, a depthwise Conv what it reads with what it makes. What an
 * operator that is not known here reads or makes is frozen, and so are the
 * model's inputs and outputs. A set of united atoms of which none is frozen is
 * a *unit*: one channel that can be removed from the whole graph, with the rows
 * of the Convs that make it and the columns of those that read it (the
 * dependency graph of Fang et al., DepGraph: Towards Any Structural Pruning,
 * CVPR 2023, channel by channel).
 *
 * Units that live in the same values make a *set*: as many as a layer has
 * channels, of which any may go as long as one stays. */
#ifndef CZ_PRUNE_COUPLING_INTERNAL_H
#define CZ_PRUNE_COUPLING_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "onnx/onnx.h"

/* The unit of a channel that cannot go. */
#define CZ_NO_UNIT SIZE_MAX

/* Why channels stay. */
struct cz_coupling_reason {
    const char *why;            /* NULL: they need not */
    const struct cz_node *node; /* that needs them, or NULL */
};

struct cz_coupling {
    struct cz_graph *graph;
    size_t n_values; /* of the graph when it was looked at */
    size_t n_atoms;
    size_t *first;  /* [n_values] the atom of channel 0, by value id */
    size_t *counts; /* [n_values] channels; 0: it has none */
    size_t *parent; /* [n_atoms] a forest */
    struct cz_coupling_reason *reasons; /* [n_atoms] of its roots */
    size_t n_units, n_sets;
    size_t *unit_of;   /* [n_atoms] */
    size_t *set_of;    /* [n_units] */
    size_t *set_sizes; /* [n_sets] units */
};

/* Wants the shapes of cz_graph_infer(). The graph must keep its values as long
 * as the coupling is read. What the `kept` nodes make stays. CZ_ENOMEM. End
 * with _fini whatever the result. */
enum cz_status cz_coupling_find(struct cz_coupling *coupling,
                                struct cz_graph *graph,
                                const struct cz_node *const *kept,
                                size_t n_kept, struct cz_error *err);
void cz_coupling_fini(struct cz_coupling *coupling);

size_t cz_coupling_channels(const struct cz_coupling *coupling,
                            const struct cz_value *value);

/* channel: below cz_coupling_channels(). */
size_t cz_coupling_unit(const struct cz_coupling *coupling,
                        const struct cz_value *value, size_t channel);
struct cz_coupling_reason cz_coupling_reason(const struct cz_coupling *coupling,
                                             const struct cz_value *value,
                                             size_t channel);

/* ---- for the rules: coupling_rules.c ---------------------------------- */

void cz_coupling_unite(struct cz_coupling *coupling, const struct cz_value *a,
                       size_t channel_a, const struct cz_value *b,
                       size_t channel_b);

/* Says of one node which channels belong together. Gives NULL, or why it
 * cannot tell: then all that the node reads and makes stays. */
typedef const char *cz_coupling_rule(struct cz_coupling *coupling,
                                     const struct cz_node *node);

/* The rule of the node's operator; NULL: none. */
cz_coupling_rule *cz_coupling_rule_of(const struct cz_node *node);

/* ---- operands --------------------------------------------------------- */

#define CZ_CHANNEL_OPERANDS_MAX 4

/* A constant with an axis of channels: element i along it belongs to channel i
 * of `value`. */
struct cz_channel_operand {
    size_t input; /* of the node */
    size_t axis;
    const struct cz_value *value;
};

/* Lists those of a Conv, BatchNormalization, PRelu, Add, ... Gives how many.
 * The second axis of a grouped Conv's weight goes by the first group. */
size_t cz_channel_operands(struct cz_channel_operand *operands,
                           const struct cz_node *node);

/* The groups of a Conv, and whether each has one channel to read. */
size_t cz_conv_groups(const struct cz_node *conv);
bool cz_conv_is_depthwise(const struct cz_node *conv);

/* Does a Split or Concat go along the channels? */
bool cz_parts_are_channels(const struct cz_node *node);

#endif
