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

/* A constant, or the numbers of constant codes: of each output channel, or of
 * all, one scale. No weights: NULL. */
static float *read_weights(const struct cz_node *conv, size_t *count)
{
    const struct cz_value *value = cz_node_input(conv, 1);
    const struct cz_node *codes = value ? value->producer : NULL;
    float *weights = NULL, *scales = NULL;
    *count = 0;
    if (value && !value->constant && codes &&
        cz_node_is(codes, "DequantizeLinear"))
        value = cz_node_input(codes, 0);
    else
        codes = NULL;
    if (!value || !value->constant || !value->shape.known ||
        cz_tensor_floats(value->constant, &weights, NULL) != CZ_OK)
        return NULL;
    struct cz_elements elements;
    if (cz_tensor_elements(value->constant, &elements, NULL) == CZ_OK)
        *count = elements.count;
    const struct cz_value *scale = codes ? cz_node_input(codes, 1) : NULL;
    struct cz_elements s = {.count = 0};
    if (scale && scale->constant &&
        cz_tensor_elements(scale->constant, &s, NULL) == CZ_OK &&
        s.count && *count % s.count == 0 &&
        cz_tensor_floats(scale->constant, &scales, NULL) == CZ_OK) {
        for (size_t i = 0; i < *count; i++)
            weights[i] *= scales[i / (*count / s.count)];
    }
    cz_free(scales);
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
