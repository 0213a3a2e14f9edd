/* How many channels are left where, and what MACs they cost: those of a Conv
 * are rows times columns of its weight times its pixels, so a unit saves less
 * the more others went before it. */
#include "prune/channels_internal.h"

#include "core/alloc.h"
#include "core/checked.h"

bool cz_channels_is_gone(const struct cz_channels *channels,
                         const struct cz_value *value, size_t channel)
{
    if (channel >= cz_coupling_channels(&channels->coupling, value))
        return false;
    const size_t unit = cz_coupling_unit(&channels->coupling, value, channel);
    return unit != CZ_NO_UNIT && channels->gone[unit];
}

size_t cz_channels_kept_along(const struct cz_channels *channels,
                              const struct cz_channel_operand *operand,
                              size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += !cz_channels_is_gone(channels, operand->value, i);
    return kept;
}

size_t cz_channels_kept(const struct cz_channels *channels,
                        const struct cz_value *value)
{
    const struct cz_channel_operand all = {.value = value};
    return cz_channels_kept_along(
        channels, &all, cz_coupling_channels(&channels->coupling, value));
}

bool cz_channels_touch(const struct cz_channels *channels,
                       const struct cz_node *node)
{
    const struct cz_value *x = cz_node_input(node, 0);
    const struct cz_value *y = node->n_outputs ? node->outputs[0] : NULL;
    const struct cz_coupling *c = &channels->coupling;
    return (x && cz_channels_kept(channels, x) != cz_coupling_channels(c, x)) ||
           (y && cz_channels_kept(channels, y) != cz_coupling_channels(c, y));
}

/* ---- Convs ------------------------------------------------------------ */

/* False for one of which the channels or the weights are not known. */
static bool measure_conv(struct cz_channels_conv *conv,
                         const struct cz_coupling *c,
                         const struct cz_node *node)
{
    const struct cz_value *x = cz_node_input(node, 0);
    const struct cz_value *w = cz_node_input(node, 1);
    const struct cz_value *y = node->n_outputs ? node->outputs[0] : NULL;
    uint64_t times, macs;
    if (!cz_node_is(node, "Conv") || !cz_coupling_channels(c, x) ||
        !cz_coupling_channels(c, y) || !w || !w->constant ||
        w->constant->rank < 3 || !w->constant->count)
        return false;
    if (!cz_node_macs(node, &macs) || !cz_node_weight_reuse(node, &times))
        times = 0;
    const size_t rows = (size_t)w->constant->dims[0];
    const size_t columns = (size_t)w->constant->dims[1];
    *conv = (struct cz_channels_conv){
        .node = node,
        .x = x,
        .y = y,
        .each = times * (w->constant->count / rows / columns),
        .rows = rows,
        .columns = columns,
        .inputs = cz_coupling_channels(c, x)};
    size_t inputs;
    return rows == cz_coupling_channels(c, y) &&
           cz_mul_size(columns, cz_conv_groups(node), &inputs) &&
           inputs == cz_coupling_channels(c, x);
}

static void add_shares(struct cz_channels *channels, size_t i)
{
    const struct cz_coupling *c = &channels->coupling;
    const struct cz_channels_conv *conv = &channels->convs[i];
    const bool has_columns = !cz_conv_is_depthwise(conv->node);
    for (size_t k = 0; k < conv->rows; k++) {
        const size_t unit = cz_coupling_unit(c, conv->y, k);
        if (unit != CZ_NO_UNIT)
            channels->shares[c->set_of[unit] * channels->n_convs + i].rows++;
    }
    for (size_t k = 0; k < conv->columns && has_columns; k++) {
        const size_t unit = cz_coupling_unit(c, conv->x, k);
        if (unit != CZ_NO_UNIT)
            channels->shares[c->set_of[unit] * channels->n_convs + i].columns++;
    }
}

/* All units of a set have the same share. */
static void divide_shares(struct cz_channels *channels)
{
    const struct cz_coupling *c = &channels->coupling;
    for (size_t set = 0; set < c->n_sets; set++) {
        for (size_t i = 0; i < channels->n_convs; i++) {
            struct cz_channels_share *share =
                &channels->shares[set * channels->n_convs + i];
            share->rows /= c->set_sizes[set];
            share->columns /= c->set_sizes[set];
        }
    }
}

enum cz_status cz_channels_measure(struct cz_channels *channels,
                                   struct cz_error *err)
{
    const struct cz_coupling *c = &channels->coupling;
    struct cz_stats stats;
    cz_model_count(&stats, channels->model);
    channels->macs = channels->macs_before = stats.macs;
    channels->convs = cz_calloc(c->graph->n_nodes + 1, sizeof *channels->convs);
    if (!channels->convs)
        return cz_error_nomem(err);
    for (size_t i = 0; i < c->graph->n_nodes; i++)
        channels->n_convs += measure_conv(&channels->convs[channels->n_convs],
                                          c, c->graph->nodes[i]);
    channels->shares =
        cz_calloc(c->n_sets * channels->n_convs + 1, sizeof *channels->shares);
    if (!channels->shares)
        return cz_error_nomem(err);
    for (size_t i = 0; i < channels->n_convs; i++)
        add_shares(channels, i);
    divide_shares(channels);
    return CZ_OK;
}

/* ---- MACs ------------------------------------------------------------- */

uint64_t cz_channels_saving(const struct cz_channels *channels, size_t set,
                            size_t count)
{
    const struct cz_channels_share *shares =
        &channels->shares[set * channels->n_convs];
    uint64_t saved = 0;
    for (size_t i = 0; i < channels->n_convs; i++) {
        const struct cz_channels_conv *conv = &channels->convs[i];
        const size_t rows = conv->rows - count * shares[i].rows;
        const size_t columns = conv->columns - count * shares[i].columns;
        saved += conv->each * (conv->rows * conv->columns - rows * columns);
    }
    return saved;
}

void cz_channels_take(struct cz_channels *channels, size_t set, size_t count)
{
    const struct cz_channels_share *shares =
        &channels->shares[set * channels->n_convs];
    channels->macs -= cz_channels_saving(channels, set, count);
    for (size_t i = 0; i < channels->n_convs; i++) {
        channels->convs[i].rows -= count * shares[i].rows;
        channels->convs[i].columns -= count * shares[i].columns;
    }
}
