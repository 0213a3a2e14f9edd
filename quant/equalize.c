/* Weight equalization; see equalize.h. */
#include "quant/equalize.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"

/* A chain of n pairs needs some n turns; what changes less is at rest. */
#define TURNS_MOST 30
#define AT_REST 1e-3

/* No channel becomes so many times smaller or larger in one turn. */
#define FACTOR_MOST 1e4

/* A Conv as the first or the second of a pair. */
struct layer {
    struct cz_elements weight; /* [m, c / groups, ...] */
    size_t m;                  /* output channels */
    size_t per_group;          /* input channels of a group */
    size_t groups;
    size_t taps; /* weights of an input and output channel */
};

struct pair {
    struct layer first, second;
    struct cz_elements bias; /* of the first; none: count 0 */
    struct cz_tensor *tensors[3];
};

/* ---- which pairs ------------------------------------------------------ */

/* An initializer that can be changed, or NULL. */
static struct cz_tensor *own_tensor(const struct cz_node *node, size_t input)
{
    const struct cz_value *value = cz_node_input(node, input);
    const bool is_own =
        value && value->constant && value->constant->dtype == CZ_DTYPE_FLOAT &&
        value->n_uses == 1 && !value->is_output && !value->is_input;
    return is_own ? value->constant : NULL;
}

/* The only reader of the value, as its first input, or NULL. */
static const struct cz_node *only_reader(const struct cz_value *value)
{
    if (value->n_uses != 1 || value->is_output || value->uses[0].input != 0 ||
        value->uses[0].node->graph != value->graph)
        return NULL;
    return value->uses[0].node;
}

/* f(a x) = a f(x) for a > 0. */
static bool is_homogeneous(const struct cz_node *node)
{
    return cz_node_is(node, "Relu") || cz_node_is(node, "LeakyRelu");
}

static const struct cz_node *find_second(const struct cz_node *first)
{
    const struct cz_node *reader = only_reader(first->outputs[0]);
    if (reader && is_homogeneous(reader))
        reader = only_reader(reader->outputs[0]);
    return reader && cz_node_is(reader, "Conv") ? reader : NULL;
}

static enum cz_status open_layer(struct layer *layer,
                                 const struct cz_node *node,
                                 struct cz_tensor *weight, struct cz_error *err)
{
    CZ_TRY(cz_tensor_elements(weight, &layer->weight, err));
    layer->m = (size_t)weight->dims[0];
    layer->per_group = (size_t)weight->dims[1];
    layer->groups = (size_t)cz_node_attr_int(node, "group", 1);
    layer->taps = weight->count / layer->m / layer->per_group;
    return CZ_OK;
}

static bool is_layer(const struct cz_node *node)
{
    const struct cz_tensor *weight = own_tensor(node, 1);
    const int64_t groups = cz_node_attr_int(node, "group", 1);
    return weight && weight->rank > 2 && weight->count && groups > 0 &&
           weight->dims[0] % groups == 0 && !cz_node_is_dfl(node);
}

/* Appends the pair that begins with `node`, if one does. */
static enum cz_status add_pair(struct pair *pairs, size_t *count,
                               const struct cz_node *node, struct cz_error *err)
{
    struct pair *pair = &pairs[*count];
    const bool has_bias = cz_node_input(node, 2) != NULL;
    *pair = (struct pair){.bias = {.count = 0}};
    const struct cz_node *second =
        cz_node_is(node, "Conv") ? find_second(node) : NULL;
    if (!second || !is_layer(node) || !is_layer(second) ||
        (has_bias && !own_tensor(node, 2)))
        return CZ_OK;
    pair->tensors[0] = own_tensor(node, 1);
    pair->tensors[1] = own_tensor(second, 1);
    pair->tensors[2] = has_bias ? own_tensor(node, 2) : NULL;
    CZ_TRY(open_layer(&pair->first, node, pair->tensors[0], err));
    CZ_TRY(open_layer(&pair->second, second, pair->tensors[1], err));
    if (has_bias)
        CZ_TRY(cz_tensor_elements(pair->tensors[2], &pair->bias, err));
    const bool fits =
        pair->first.m == pair->second.per_group * pair->second.groups &&
        (!has_bias || pair->bias.count == pair->first.m);
    *count += fits;
    return CZ_OK;
}

/* ---- channels --------------------------------------------------------- */

/* Weights of one channel: `runs` of `length`, `step` apart. */
struct slice {
    struct cz_elements *weights;
    size_t begin, runs, length, step;
};

/* Those that make output channel `c`. */
static struct slice making(struct layer *layer, size_t c)
{
    const size_t length = layer->per_group * layer->taps;
    return (struct slice){&layer->weight, c * length, 1, length, 0};
}

/* Those that read input channel `c`. */
static struct slice reading(struct layer *layer, size_t c)
{
    const size_t group = c / layer->per_group, within = c % layer->per_group;
    const size_t outputs = layer->m / layer->groups;
    const size_t step = layer->per_group * layer->taps;
    return (struct slice){&layer->weight,
                          group * outputs * step + within * layer->taps,
                          outputs, layer->taps, step};
}

static char *element(const struct cz_elements *e, size_t i)
{
    return (char *)e->data + i * e->stride;
}

static float greatest(const struct slice *s)
{
    float most = 0;
    for (size_t r = 0; r < s->runs; r++) {
        for (size_t i = 0; i < s->length; i++) {
            float w;
            memcpy(&w, element(s->weights, s->begin + r * s->step + i),
                   sizeof w);
            most = fmaxf(most, fabsf(w));
        }
    }
    return most;
}

static void scale(const struct slice *s, float factor)
{
    for (size_t r = 0; r < s->runs; r++) {
        for (size_t i = 0; i < s->length; i++) {
            char *at = element(s->weights, s->begin + r * s->step + i);
            float w;
            memcpy(&w, at, sizeof w);
            w *= factor;
            memcpy(at, &w, sizeof w);
        }
    }
}

/* Both ranges of a channel become sqrt(r1 r2). Gives how far they were from
 * that, as a logarithm. */
static double equalize_channel(struct pair *pair, size_t c)
{
    const struct slice first = making(&pair->first, c);
    const struct slice second = reading(&pair->second, c);
    const float r1 = greatest(&first), r2 = greatest(&second);
    if (!(r1 > 0) || !(r2 > 0) || !isfinite(r1) || !isfinite(r2))
        return 0;
    const float s = fminf(fmaxf(sqrtf(r1 / r2), 1 / (float)FACTOR_MOST),
                          (float)FACTOR_MOST);
    scale(&first, 1 / s);
    scale(&second, s);
    if (pair->bias.count)
        scale(&(struct slice){&pair->bias, c, 1, 1, 0}, 1 / s);
    return fabs(log(s));
}

static double equalize_pair(struct pair *pair)
{
    double most = 0;
    for (size_t c = 0; c < pair->first.m; c++)
        most = fmax(most, equalize_channel(pair, c));
    for (size_t i = 0; i < 3; i++) {
        if (pair->tensors[i])
            cz_tensor_touch(pair->tensors[i]);
    }
    return most;
}

/* ---- all of it -------------------------------------------------------- */

enum cz_status cz_equalize(struct cz_model *model, size_t *count,
                           struct cz_error *err)
{
    const struct cz_graph *graph = cz_model_graph(model);
    struct pair *pairs = cz_calloc(graph->n_nodes + 1, sizeof *pairs);
    enum cz_status status = pairs ? CZ_OK : cz_error_nomem(err);
    double most = INFINITY;
    *count = 0;
    for (size_t i = 0; i < graph->n_nodes && status == CZ_OK; i++)
        status = add_pair(pairs, count, graph->nodes[i], err);
    for (size_t turn = 0;
         turn < TURNS_MOST && most > AT_REST && status == CZ_OK; turn++) {
        most = 0;
        for (size_t i = 0; i < *count; i++)
            most = fmax(most, equalize_pair(&pairs[i]));
    }
    cz_free(pairs);
    return status;
}
