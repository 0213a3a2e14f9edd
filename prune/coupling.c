/* The forest of channels, and the units and sets that it leaves; see
 * coupling_internal.h. What each operator does to channels is
 * coupling_rules.c's. */
#include "prune/coupling_internal.h"

#include "core/alloc.h"
#include "core/random.h"

/* More along axis 1 than this are no channels of a Conv. */
#define CHANNELS_MAX 65536

/* ---- the forest ------------------------------------------------------- */

static size_t root_of(const struct cz_coupling *c, size_t atom)
{
    while (c->parent[atom] != atom) {
        c->parent[atom] = c->parent[c->parent[atom]];
        atom = c->parent[atom];
    }
    return atom;
}

static void freeze(struct cz_coupling *c, const struct cz_value *value,
                   const char *why, const struct cz_node *node)
{
    for (size_t i = 0; value && i < c->counts[value->id]; i++) {
        struct cz_coupling_reason *reason =
            &c->reasons[root_of(c, c->first[value->id] + i)];
        if (!reason->why)
            *reason = (struct cz_coupling_reason){why, node};
    }
}

void cz_coupling_unite(struct cz_coupling *c, const struct cz_value *a,
                       size_t channel_a, const struct cz_value *b,
                       size_t channel_b)
{
    const size_t x = root_of(c, c->first[a->id] + channel_a);
    const size_t y = root_of(c, c->first[b->id] + channel_b);
    const size_t low = x < y ? x : y, high = x < y ? y : x;
    if (!c->reasons[low].why)
        c->reasons[low] = c->reasons[high];
    c->parent[high] = low;
}

/* ---- the walk --------------------------------------------------------- */

static bool is_captured(const struct cz_value *value)
{
    for (size_t i = 0; i < value->n_uses; i++) {
        if (value->uses[i].node->graph != value->graph)
            return true;
    }
    return false;
}

static void freeze_borders(struct cz_coupling *c)
{
    for (size_t i = 0; i < c->n_values; i++) {
        const struct cz_value *value = c->graph->values[i];
        if (value->is_output)
            freeze(c, value, "it is an output of the model", NULL);
        else if (value->is_input)
            freeze(c, value, "it is an input of the model", NULL);
        else if (value->constant || !value->producer)
            freeze(c, value, "it is a constant", NULL);
        else if (is_captured(value))
            freeze(c, value, "a subgraph reads it", NULL);
    }
}

static void couple(struct cz_coupling *c, const struct cz_node *node)
{
    cz_coupling_rule *rule = cz_coupling_rule_of(node);
    const char *why =
        rule ? rule(c, node) : "an operator that may mix channels reads it";
    if (!why)
        return;
    for (size_t i = 0; i < node->n_inputs; i++)
        freeze(c, node->inputs[i], why, node);
    for (size_t i = 0; i < node->n_outputs; i++)
        freeze(c, node->outputs[i], why, node);
}

static size_t count_channels(const struct cz_value *value)
{
    const struct cz_shape *shape = &value->shape;
    return shape->known && shape->rank >= 3 && shape->dims[1] > 0 &&
                   shape->dims[1] <= CHANNELS_MAX
               ? (size_t)shape->dims[1]
               : 0;
}

static enum cz_status start(struct cz_coupling *c, struct cz_error *err)
{
    const struct cz_graph *graph = c->graph;
    c->first = cz_calloc(c->n_values + 1, sizeof *c->first);
    c->counts = cz_calloc(c->n_values + 1, sizeof *c->counts);
    if (!c->first || !c->counts)
        return cz_error_nomem(err);
    for (size_t i = 0; i < c->n_values; i++) {
        c->first[i] = c->n_atoms;
        c->counts[i] = count_channels(graph->values[i]);
        c->n_atoms += c->counts[i];
    }
    c->parent = cz_calloc(c->n_atoms + 1, sizeof *c->parent);
    c->reasons = cz_calloc(c->n_atoms + 1, sizeof *c->reasons);
    c->unit_of = cz_calloc(c->n_atoms + 1, sizeof *c->unit_of);
    if (!c->parent || !c->reasons || !c->unit_of)
        return cz_error_nomem(err);
    for (size_t i = 0; i < c->n_atoms; i++)
        c->parent[i] = i;
    return CZ_OK;
}

/* ---- units and sets --------------------------------------------------- */

static void number_units(struct cz_coupling *c)
{
    for (size_t i = 0; i < c->n_atoms; i++) {
        const size_t root = root_of(c, i); /* the lowest atom of its tree */
        if (c->reasons[root].why)
            c->unit_of[i] = CZ_NO_UNIT;
        else
            c->unit_of[i] = root == i ? c->n_units++ : c->unit_of[root];
    }
}

/* A number for each value whose sums tell sets of values apart. */
static uint64_t mix(size_t id)
{
    return cz_random_mix(((uint64_t)id + 1) * 0x9e3779b97f4a7c15);
}

/* Units next to each other are mostly of one set. */
static size_t find_set(uint64_t *keys, size_t count, uint64_t key, size_t hint)
{
    if (hint < count && keys[hint] == key)
        return hint;
    size_t set = 0;
    while (set < count && keys[set] != key)
        set++;
    keys[set] = key;
    return set;
}

static enum cz_status find_sets(struct cz_coupling *c, struct cz_error *err)
{
    uint64_t *keys = cz_calloc(2 * c->n_units + 1, sizeof *keys);
    c->set_of = cz_calloc(c->n_units + 1, sizeof *c->set_of);
    c->set_sizes = cz_calloc(c->n_units + 1, sizeof *c->set_sizes);
    if (!keys || !c->set_of || !c->set_sizes) {
        cz_free(keys);
        return cz_error_nomem(err);
    }
    for (size_t v = 0; v < c->n_values; v++) {
        for (size_t i = 0; i < c->counts[v]; i++) {
            const size_t unit = c->unit_of[c->first[v] + i];
            if (unit != CZ_NO_UNIT)
                keys[unit] += mix(v);
        }
    }
    uint64_t *sets = keys + c->n_units;
    size_t set = 0;
    for (size_t unit = 0; unit < c->n_units; unit++) {
        set = find_set(sets, c->n_sets, keys[unit], set);
        c->n_sets += set == c->n_sets;
        c->set_of[unit] = set;
        c->set_sizes[set]++;
    }
    cz_free(keys);
    return CZ_OK;
}

enum cz_status cz_coupling_find(struct cz_coupling *c, struct cz_graph *graph,
                                const struct cz_node *const *kept,
                                size_t n_kept, struct cz_error *err)
{
    *c = (struct cz_coupling){.graph = graph, .n_values = graph->n_values};
    CZ_TRY(start(c, err));
    freeze_borders(c);
    for (size_t i = 0; i < n_kept; i++) {
        if (kept[i]->n_outputs && kept[i]->outputs[0])
            freeze(c, kept[i]->outputs[0], "asked for", NULL);
    }
    for (size_t i = 0; i < graph->n_nodes; i++)
        couple(c, graph->nodes[i]);
    number_units(c);
    return find_sets(c, err);
}

void cz_coupling_fini(struct cz_coupling *c)
{
    cz_free(c->first);
    cz_free(c->counts);
    cz_free(c->parent);
    cz_free(c->reasons);
    cz_free(c->unit_of);
    cz_free(c->set_of);
    cz_free(c->set_sizes);
    *c = (struct cz_coupling){.graph = NULL};
}

/* ---- reading ---------------------------------------------------------- */

size_t cz_coupling_channels(const struct cz_coupling *c,
                            const struct cz_value *value)
{
    return value ? c->counts[value->id] : 0;
}

size_t cz_coupling_unit(const struct cz_coupling *c,
                        const struct cz_value *value, size_t channel)
{
    return c->unit_of[c->first[value->id] + channel];
}

struct cz_coupling_reason cz_coupling_reason(const struct cz_coupling *c,
                                             const struct cz_value *value,
                                             size_t channel)
{
    return c->reasons[root_of(c, c->first[value->id] + channel)];
}
