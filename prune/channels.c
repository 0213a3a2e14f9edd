/* Which channels go, the least important first: the same share of each set, or
 * as many as it takes to come down to the MACs that are asked for. */
#include "prune/channels.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "prune/channels_internal.h"
#include "prune/layers_internal.h"

/* What each set keeps whatever the MACs: layers that are cut to nothing are
 * beyond recovery, and no importance sees that. */
#define LEAST_SHARE 0.25

static const char *const importance_names[] = {"l1", "energy", "lsq", "trial"};

const char *cz_channels_importance_name(enum cz_channels_importance importance)
{
    return (unsigned)importance < CZ_CHANNELS_IMPORTANCE_COUNT
               ? importance_names[importance]
               : "?";
}

/* ---- sets ------------------------------------------------------------- */

/* A set with its units, those that go first in front. */
struct set {
    struct cz_channels_ranked *units;
    size_t count, gone, step;
};

struct choice {
    struct cz_channels *channels;
    const struct cz_channels_options *options;
    struct cz_channels_ranked *units; /* [n_units] by sets */
    struct set *sets;                 /* [n_sets] */
};

/* Kept counts of the set are multiples of it. */
static size_t step_of(size_t count, const struct cz_channels_options *options)
{
    size_t step = options->multiple;
    while (step > 1 && count < options->least_steps * step)
        step /= 2;
    return step;
}

static enum cz_status rank_units(struct choice *choice, struct cz_error *err)
{
    const struct cz_coupling *c = &choice->channels->coupling;
    choice->units = cz_calloc(c->n_units + 1, sizeof *choice->units);
    choice->sets = cz_calloc(c->n_sets + 1, sizeof *choice->sets);
    if (!choice->units || !choice->sets)
        return cz_error_nomem(err);
    struct cz_channels_ranked *next = choice->units;
    for (size_t i = 0; i < c->n_sets; i++) {
        choice->sets[i].units = next;
        choice->sets[i].count = c->set_sizes[i];
        cz_channels_rank(next, choice->channels, i);
        choice->sets[i].step = step_of(c->set_sizes[i], choice->options);
        next += c->set_sizes[i];
    }
    return CZ_OK;
}

static void take(struct choice *choice, size_t set, size_t count)
{
    struct set *s = &choice->sets[set];
    cz_channels_take(choice->channels, set, count);
    for (size_t i = 0; i < count; i++)
        choice->channels->gone[s->units[s->gone++].unit] = true;
}

/* ---- by ratio --------------------------------------------------------- */

static size_t kept_at(const struct set *set, double ratio)
{
    const double step = (double)set->step;
    const double kept = rint((1 - ratio) * (double)set->count / step) * step;
    const double least = fmin(step, (double)set->count);
    return (size_t)fmin(fmax(kept, least), (double)set->count);
}

static enum cz_status choose_by_ratio(struct choice *choice,
                                      struct cz_error *err)
{
    const double ratio = choice->options->ratio;
    size_t total = 0;
    for (size_t i = 0; i < choice->channels->coupling.n_sets; i++) {
        const struct set *set = &choice->sets[i];
        const size_t going = set->count - kept_at(set, ratio);
        take(choice, i, going);
        total += going;
    }
    return total ? CZ_OK
                 : cz_error_set(err, CZ_EINVAL,
                                "%g of the channels is less than one of each "
                                "layer: ask for more",
                                ratio);
}

/* ---- by MACs ---------------------------------------------------------- */

static enum cz_status check_macs(struct cz_model *model, struct cz_error *err)
{
    struct cz_stats stats;
    cz_model_count(&stats, model);
    if (!stats.macs || stats.macs_unknown)
        return cz_error_set(err, CZ_EINVAL,
                            "the multiply-accumulates of %zu operators are not "
                            "known, as sizes are open: export the model with a "
                            "fixed size, or ask for a share of the channels",
                            stats.macs_unknown);
    return CZ_OK;
}

/* How many go at once: down to the next multiple of the step. 0: none. */
static size_t next_count(const struct set *set)
{
    const size_t left = set->count - set->gone;
    const size_t count = left % set->step ? left % set->step : set->step;
    const double least = ceil(LEAST_SHARE * (double)set->count);
    return left >= count + (size_t)fmax(least, 1) ? count : 0;
}

/* What is lost for each MAC; infinite where nothing may go. */
static double price(const struct choice *choice, size_t set)
{
    const struct set *s = &choice->sets[set];
    const size_t count = next_count(s);
    double lost = 0;
    for (size_t i = 0; i < count; i++)
        lost += s->units[s->gone + i].score;
    const uint64_t saved = cz_channels_saving(choice->channels, set, count);
    return saved ? lost / (double)saved : INFINITY;
}

static enum cz_status choose_by_macs(struct choice *choice,
                                     struct cz_error *err)
{
    struct cz_channels *channels = choice->channels;
    const size_t n = channels->coupling.n_sets;
    const double all = (double)channels->macs_before;
    const double goal = choice->options->macs * all;
    while ((double)channels->macs > goal) {
        size_t best = 0;
        double least = INFINITY;
        for (size_t i = 0; i < n; i++) {
            const double p = price(choice, i);
            if (p < least) {
                least = p;
                best = i;
            }
        }
        if (least == INFINITY)
            return cz_error_set(
                err, CZ_EINVAL,
                "%g of the multiply-accumulates cannot be reached: with a "
                "quarter of the channels that can go, %.3f are left",
                choice->options->macs, (double)channels->macs / all);
        take(choice, best, next_count(&choice->sets[best]));
    }
    return CZ_OK;
}

/* ---- choosing --------------------------------------------------------- */

static enum cz_status check_options(const struct cz_channels_options *options,
                                    struct cz_error *err)
{
    const double ratio = options->ratio, macs = options->macs;
    if ((ratio != 0) == (macs != 0))
        return cz_error_set(err, CZ_EINVAL,
                            "want a share of the channels or one of the "
                            "multiply-accumulates, one of the two");
    if (ratio != 0 && !(ratio > 0 && ratio < 1))
        return cz_error_set(err, CZ_EINVAL,
                            "a share of %g of the channels: want a number "
                            "between 0 and 1",
                            ratio);
    if (macs != 0 && !(macs > 0 && macs < 1))
        return cz_error_set(err, CZ_EINVAL,
                            "%g of the multiply-accumulates: want a number "
                            "between 0 and 1",
                            macs);
    if (!options->multiple || !options->least_steps ||
        (unsigned)options->importance >= CZ_CHANNELS_IMPORTANCE_COUNT)
        return cz_error_set(err, CZ_EINVAL, "no such importance or multiple");
    return CZ_OK;
}

/* Why nothing can go. */
static enum cz_status refuse(const struct cz_channels *channels,
                             struct cz_error *err)
{
    struct cz_stats stats;
    cz_model_count(&stats, channels->model);
    if (stats.parameters && stats.dtype != CZ_DTYPE_FLOAT)
        return cz_error_set(err, CZ_EINVAL,
                            "the model's weights are %s: cut the channels of "
                            "the float32 model that it was made from, with "
                            "--int8 or --fp16 in the same command",
                            cz_dtype_name(stats.dtype));
    if (!channels->n_convs)
        return cz_error_set(err, CZ_EINVAL,
                            "there is no Conv whose channels are known");
    const struct cz_channels_conv *conv = &channels->convs[0];
    const struct cz_coupling_reason reason =
        cz_coupling_reason(&channels->coupling, conv->y, 0);
    return cz_error_set(
        err, CZ_EINVAL,
        "no channel of the %zu Convs can go (the first, '%.100s': %s%s%.100s)",
        channels->n_convs, cz_node_label(conv->node),
        reason.why ? reason.why : "it has one", reason.node ? ": " : "",
        reason.node ? cz_node_label(reason.node) : "");
}

static bool has_choice(const struct cz_coupling *c)
{
    for (size_t i = 0; i < c->n_sets; i++) {
        if (c->set_sizes[i] > 1)
            return true;
    }
    return false;
}

static enum cz_status choose(struct cz_channels *channels,
                             const struct cz_channels_options *options,
                             struct cz_error *err)
{
    struct choice choice = {.channels = channels, .options = options};
    enum cz_status status = rank_units(&choice, err);
    if (status == CZ_OK)
        status = options->macs > 0 ? choose_by_macs(&choice, err)
                                   : choose_by_ratio(&choice, err);
    cz_free(choice.units);
    cz_free(choice.sets);
    return status;
}

/* What belongs together while the Convs that are to be skipped keep theirs. */
static enum cz_status couple(struct cz_channels *channels,
                             const struct cz_prune_layers *list,
                             const struct cz_prune_options *skips,
                             struct cz_error *err)
{
    struct cz_graph *graph = cz_model_graph(channels->model);
    const struct cz_node **kept = cz_calloc(list->n_layers + 1, sizeof *kept);
    size_t n_kept = 0;
    if (!kept)
        return cz_error_nomem(err);
    for (size_t i = 0; i < list->n_layers; i++) {
        const struct cz_node *node = list->layers[i].node;
        if (node->graph == graph && cz_prune_is_named(&list->layers[i], skips))
            kept[n_kept++] = node;
    }
    const enum cz_status status =
        cz_coupling_find(&channels->coupling, graph, kept, n_kept, err);
    cz_free((void *)kept);
    return status;
}

/* NaN and infinity have no importance, as for cz_prune_l1(). */
static enum cz_status look_at_convs(struct cz_channels *channels,
                                    const struct cz_channels_options *options,
                                    struct cz_error *err)
{
    struct cz_prune_options skips = CZ_PRUNE_OPTIONS_INIT;
    struct cz_prune_layers list;
    skips.skip = options->skip;
    skips.n_skip = options->n_skip;
    enum cz_status status =
        cz_prune_layers_find(&list, channels->model, &skips, err);
    if (status == CZ_OK)
        status = cz_prune_layers_check(&list, err);
    if (status == CZ_OK)
        status = couple(channels, &list, &skips, err);
    cz_prune_layers_fini(&list);
    return status;
}

static enum cz_status build(struct cz_channels *channels,
                            const struct cz_channels_options *options,
                            struct cz_error *err)
{
    CZ_TRY(check_options(options, err));
    CZ_TRY(look_at_convs(channels, options, err));
    CZ_TRY(cz_channels_measure(channels, err));
    if (!has_choice(&channels->coupling))
        return refuse(channels, err);
    if (options->macs > 0)
        CZ_TRY(check_macs(channels->model, err));
    const size_t n = channels->coupling.n_units;
    channels->gone = cz_calloc(n + 1, sizeof *channels->gone);
    channels->scores = cz_calloc(n + 1, sizeof *channels->scores);
    if (!channels->gone || !channels->scores)
        return cz_error_nomem(err);
    const struct cz_channels *like = options->like;
    if (like && like->coupling.n_units == n)
        memcpy(channels->scores, like->scores, n * sizeof *channels->scores);
    else
        CZ_TRY(cz_channels_score(channels, options, err));
    return choose(channels, options, err);
}

enum cz_status cz_channels_choose(struct cz_channels **channels,
                                  struct cz_model *model,
                                  const struct cz_channels_options *options,
                                  struct cz_error *err)
{
    *channels = NULL;
    struct cz_channels *made = cz_calloc(1, sizeof *made);
    if (!made)
        return cz_error_nomem(err);
    made->model = model;
    const enum cz_status status = build(made, options, err);
    if (status == CZ_OK)
        *channels = made;
    else
        cz_channels_free(made);
    return status;
}

void cz_channels_free(struct cz_channels *channels)
{
    if (!channels)
        return;
    for (size_t i = 0; i < channels->n_convs; i++) {
        cz_free(channels->convs[i].gram);
        cz_free(channels->convs[i].means);
        cz_free(channels->convs[i].scales);
    }
    cz_coupling_fini(&channels->coupling);
    cz_free(channels->gone);
    cz_free(channels->scores);
    cz_free(channels->convs);
    cz_free(channels->shares);
    cz_free(channels);
}

/* ---- report ----------------------------------------------------------- */

static struct cz_channels_layer make_row(const struct cz_channels *channels,
                                         const struct cz_node *conv)
{
    const struct cz_coupling *c = &channels->coupling;
    const struct cz_value *y = conv->n_outputs ? conv->outputs[0] : NULL;
    struct cz_channels_layer row = {.name = cz_node_label(conv),
                                    .before = cz_coupling_channels(c, y)};
    row.after = row.before ? cz_channels_kept(channels, y) : 0;
    if (!row.before)
        row.reason = "the shape of what it makes is not known";
    for (size_t i = 0; i < row.before; i++) {
        const struct cz_coupling_reason r = cz_coupling_reason(c, y, i);
        row.fixed += r.why != NULL;
        if (!r.why || row.reason)
            continue;
        row.reason = r.why;
        row.needed_by = r.node ? cz_node_label(r.node) : NULL;
        row.needed_by_type = r.node ? r.node->op_type : NULL;
    }
    return row;
}

/* Elements that the node's constants lose. */
static uint64_t count_cut(const struct cz_channels *channels,
                          const struct cz_node *node)
{
    struct cz_channel_operand operands[CZ_CHANNEL_OPERANDS_MAX];
    if (!cz_channels_touch(channels, node))
        return 0;
    const size_t n = cz_channel_operands(operands, node);
    uint64_t cut = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t input = operands[i].input;
        const struct cz_value *value = node->inputs[input];
        if (!value->constant || !cz_value_is_parameter(value))
            continue;
        uint64_t left = value->constant->count;
        for (; i < n && operands[i].input == input; i++) {
            const size_t count =
                (size_t)value->constant->dims[operands[i].axis];
            if (count)
                left = left / count *
                       cz_channels_kept_along(channels, &operands[i], count);
        }
        i--;
        cut += value->constant->count - left;
    }
    return cut;
}

enum cz_status cz_channels_report(struct cz_channels_report *report,
                                  const struct cz_channels *channels,
                                  struct cz_error *err)
{
    const struct cz_graph *graph = channels->coupling.graph;
    struct cz_stats stats;
    cz_model_count(&stats, channels->model);
    *report = (struct cz_channels_report){
        .macs_before = channels->macs_before,
        .macs_after = channels->macs,
        .parameters_before = stats.parameters,
        .parameters_after = stats.parameters,
        .layers = cz_calloc(graph->n_nodes + 1, sizeof *report->layers)};
    if (!report->layers)
        return cz_error_nomem(err);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        report->parameters_after -= count_cut(channels, node);
        if (cz_node_is(node, "Conv"))
            report->layers[report->n_layers++] = make_row(channels, node);
    }
    return CZ_OK;
}

void cz_channels_report_fini(struct cz_channels_report *report)
{
    cz_free(report->layers);
    *report = (struct cz_channels_report){.layers = NULL};
}
