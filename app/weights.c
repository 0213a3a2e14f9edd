/* See weights.h. */
#include "app/weights.h"

#include <math.h>

#include "app/text.h"
#include "core/alloc.h"

/* Bins on each side of 0, of an eighth of the root of the mean square each. */
#define SIDE 32
#define BINS_PER_RMS 8

struct spread {
    size_t count, zeros;
    double squares, width;
    double bins[2 * SIDE];
};

static void measure(struct spread *s, const float *weights, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        s->zeros += weights[i] == 0;
        if (isfinite(weights[i]))
            s->squares += (double)weights[i] * (double)weights[i];
    }
    s->count += count;
}

static void fill(struct spread *s, const float *weights, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const double bin = floor((double)weights[i] / s->width) + SIDE;
        if (weights[i] != 0 && isfinite(bin))
            s->bins[(size_t)fmin(fmax(bin, 0), 2 * SIDE - 1)]++;
    }
}

/* The floats of a constant; NULL: there are none, or no memory. */
static float *read_floats(const struct cz_value *value, size_t *count)
{
    struct cz_elements elements;
    float *floats = NULL;
    *count = 0;
    if (!value || !value->constant ||
        cz_tensor_elements(value->constant, &elements, NULL) != CZ_OK ||
        cz_tensor_floats(value->constant, &floats, NULL) != CZ_OK)
        return NULL;
    *count = elements.count;
    return floats;
}

/* Codes become (code - zero point) * scale, of each output channel or of all:
 * the channels are the first axis of a Conv's weights. */
static void decode(float *weights, size_t count, const struct cz_node *node)
{
    size_t n_scales, n_zeros;
    float *scales = read_floats(cz_node_input(node, 1), &n_scales);
    float *zeros = read_floats(cz_node_input(node, 2), &n_zeros);
    for (size_t i = 0; i < count && n_scales && count % n_scales == 0; i++) {
        const size_t channel = i / (count / n_scales);
        const float zero = n_zeros == n_scales ? zeros[channel] : 0;
        weights[i] = (weights[i] - zero) * scales[channel];
    }
    cz_free(scales);
    cz_free(zeros);
}

/* A constant, or the numbers of constant codes. */
static float *read_weights(const struct cz_node *conv, size_t *count)
{
    const struct cz_value *value = cz_node_input(conv, 1);
    const struct cz_node *node = value ? value->producer : NULL;
    const bool is_coded =
        node && !value->constant && cz_node_is(node, "DequantizeLinear");
    float *weights =
        read_floats(is_coded ? cz_node_input(node, 0) : value, count);
    if (weights && is_coded)
        decode(weights, *count, node);
    return weights;
}

static void each_conv(struct spread *s, const struct cz_graph *graph,
                      void (*visit)(struct spread *s, const float *weights,
                                    size_t count))
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        size_t count;
        if (!cz_node_is(graph->nodes[i], "Conv"))
            continue;
        float *weights = read_weights(graph->nodes[i], &count);
        if (weights)
            visit(s, weights, count);
        cz_free(weights);
    }
}

json_t *app_weights_json(const struct cz_graph *graph)
{
    struct spread s = {.count = 0};
    each_conv(&s, graph, measure);
    if (s.count == s.zeros || !(s.squares > 0))
        return json_null();
    const double nonzero = (double)(s.count - s.zeros);
    s.width = exp2(round(log2(sqrt(s.squares / nonzero) / BINS_PER_RMS)));
    each_conv(&s, graph, fill);
    json_t *object = json_object(), *density = json_array();
    for (size_t i = 0; i < 2 * SIDE; i++)
        json_array_append_new(
            density, app_json_rounded(s.bins[i] / nonzero / s.width, 1e6));
    json_object_set_new(object, "count", app_json_count(s.count));
    json_object_set_new(object, "zeros", app_json_count(s.zeros));
    json_object_set_new(object, "width", app_json_real(s.width));
    json_object_set_new(object, "density", density);
    return object;
}
