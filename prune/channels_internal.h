/* What choosing, scoring and cutting channels share. */
#ifndef CZ_PRUNE_CHANNELS_INTERNAL_H
#define CZ_PRUNE_CHANNELS_INTERNAL_H

#include "prune/channels.h"
#include "prune/coupling_internal.h"

/* A Conv whose MACs follow the channels. */
struct cz_channels_conv {
    const struct cz_node *node;
    const struct cz_value *x, *y;
    uint64_t each;        /* MACs for each row and column; 0: not known */
    size_t rows, columns; /* of its weight that are left */
    size_t inputs;        /* channels of x, at first */
    double *gram;         /* see cz_channels_look(), or NULL */
    double *means;        /* [inputs, kernel] of what it reads, with gram */
    double *scales;       /* [CZ_CHANNELS_PARTS, inputs] of trials, see
                             cz_channels_eliminate(), or NULL */
};

/* What one unit of a set has in one Conv. */
struct cz_channels_share {
    size_t rows, columns;
};

struct cz_channels {
    struct cz_model *model;
    struct cz_coupling coupling;
    bool *gone;     /* [n_units] */
    double *scores; /* [n_units] the lowest of a set goes first */
    struct cz_channels_conv *convs; /* [n_convs], in order of the graph */
    size_t n_convs;
    struct cz_channels_share *shares; /* [n_sets, n_convs] */
    uint64_t macs_before, macs;       /* of the model, and what is left */
};

/* ---- channels_sizes.c ------------------------------------------------- */

/* Fills convs, shares and macs. */
enum cz_status cz_channels_measure(struct cz_channels *channels,
                                   struct cz_error *err);

/* The MACs that go with `count` units of `set`. */
uint64_t cz_channels_saving(const struct cz_channels *channels, size_t set,
                            size_t count);

/* Takes them off. */
void cz_channels_take(struct cz_channels *channels, size_t set, size_t count);

/* Does anything change in the node? If so, its rule has found no fault. */
bool cz_channels_touch(const struct cz_channels *channels,
                       const struct cz_node *node);

/* Does the channel go? */
bool cz_channels_is_gone(const struct cz_channels *channels,
                         const struct cz_value *value, size_t channel);

/* Channels of the value that stay. */
size_t cz_channels_kept(const struct cz_channels *channels,
                        const struct cz_value *value);

/* How many of the `count` elements along the operand's axis stay. */
size_t cz_channels_kept_along(const struct cz_channels *channels,
                              const struct cz_channel_operand *operand,
                              size_t count);

/* ---- channels_gram.c -------------------------------------------------- */

/* Fills the gram of each Conv that reads a unit, but for depthwise ones, whose
 * units are read again behind them: [inputs, inputs], how the shares that the
 * channels it reads have in its outputs go together on the images. With z_c
 * the share of channel c, that is the sum over outputs of mean(z_c z_d), around
 * the means where the Conv has a bias. The sum of all is the power of the
 * outputs. */
enum cz_status cz_channels_look(struct cz_channels *channels,
                                const struct cz_channels_options *options,
                                struct cz_error *err);

/* ---- channels_eliminate.c --------------------------------------------- */

/* Parts of a set that are taken out in trials: a quarter, a half, three
 * quarters. */
#define CZ_CHANNELS_PARTS 3

/* How many units of a set of `size` go with that part; one always stays. */
size_t cz_channels_part(size_t size, size_t part);

/* Scores of the units of one set by the power that the Convs which read them
 * lose, one unit after the other, as CZ_CHANNELS_LSQ. The Convs get, as
 * `scales`, those of their channels when the parts of the set are gone. */
enum cz_status cz_channels_eliminate(struct cz_channels *channels, size_t set,
                                     struct cz_error *err);

/* ---- channels_trial.c ------------------------------------------------- */

/* Scores all units as CZ_CHANNELS_TRIAL. */
enum cz_status cz_channels_try(struct cz_channels *channels,
                               const struct cz_channels_options *options,
                               struct cz_error *err);

/* ---- channels_scores.c ------------------------------------------------ */

/* A unit, and what it is worth. */
struct cz_channels_ranked {
    double score;
    size_t unit;
};

/* Lists the units of the set, those that go first in front: [set_sizes[set]].
 */
void cz_channels_rank(struct cz_channels_ranked *units,
                      const struct cz_channels *channels, size_t set);

/* Fills scores. */
enum cz_status cz_channels_score(struct cz_channels *channels,
                                 const struct cz_channels_options *options,
                                 struct cz_error *err);

#endif
