/* Runs images through the float model and chooses a scale for each tensor from
 * what it holds. Values are counted, not kept: memory does not depend on the
 * number of images. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "quant/int8_internal.h"
#include "quant/silu.h"

struct calibration {
    struct cz_int8_plan *plan;
    const struct cz_port *const *ports; /* [n_tensors] of the image; itself */
    const struct cz_value *image;
    float pixel; /* the first one, where there is one */
    bool has_pixel, has_contrast;
};

/* ---- images ----------------------------------------------------------- */

/* The greatest value of each channel of an image [1, C, ...]. */
static void observe_channels(struct cz_int8_seen *seen, const float *values,
                             size_t count)
{
    const size_t per_channel = count / seen->channels;
    for (size_t c = 0; c < seen->channels; c++) {
        float most = seen->channel_most[c];
        for (size_t i = 0; i < per_channel; i++) {
            const float value = values[c * per_channel + i];
            most = value > most ? value : most;
        }
        seen->channel_most[c] = most;
    }
}

static void observe(void *user, size_t i)
{
    struct calibration *c = user;
    struct cz_int8_seen *seen = c->plan->tensors[i].seen;
    const struct cz_port *port = c->ports[i];
    const size_t count = port->size_bytes / sizeof(float);
    cz_observer_add(&seen->observer, port->data, count);
    if (seen->channel_most)
        observe_channels(seen, port->data, count);
}

static enum cz_status check_finite(const struct cz_int8_plan *plan,
                                   size_t image, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct cz_observer *o = &plan->tensors[i].seen->observer;
        if (o->nans || o->infinities)
            return cz_error_set(err, CZ_EINVAL,
                                "tensor '%.200s': %llu values are NaN and %llu "
                                "infinite on calibration image %zu",
                                plan->tensors[i].value->name,
                                (unsigned long long)o->nans,
                                (unsigned long long)o->infinities, image + 1);
    }
    return CZ_OK;
}

/* Are all pixels so far the same? */
static void look_at_pixels(struct calibration *c, const struct cz_port *image)
{
    const float *pixels = image->data;
    const size_t count = image->size_bytes / sizeof *pixels;
    if (image->dtype != CZ_DTYPE_FLOAT)
        c->has_contrast = true; /* nobody looks */
    if (!c->has_contrast && count && !c->has_pixel)
        c->pixel = pixels[0];
    c->has_pixel = c->has_pixel || count;
    for (size_t i = 0; i < count && !c->has_contrast; i++)
        c->has_contrast = pixels[i] != c->pixel;
}

static enum cz_status visit(void *user, const struct cz_port *const *ports,
                            size_t image, struct cz_error *err)
{
    struct calibration *c = user;
    struct cz_int8_plan *plan = c->plan;
    c->ports = ports;
    look_at_pixels(c, ports[plan->n_tensors]);
    cz_parallel_for(plan->n_tensors, plan->options->plan.threads, observe, c);
    return check_finite(plan, image, err);
}

/* Nothing can be told from images of which each pixel is the same. */
static enum cz_status check_images(const struct calibration *c,
                                   struct cz_error *err)
{
    return c->has_contrast
               ? CZ_OK
               : cz_error_set(err, CZ_EINVAL,
                              "input '%.200s': all calibration images are of "
                              "one colour; want images like those that the "
                              "model will see",
                              c->image->name);
}

/* ---- scales ----------------------------------------------------------- */

static struct cz_range_options
range_options(const struct cz_int8_plan *plan,
              const struct cz_int8_tensor *tensor)
{
    struct cz_range_options options = CZ_RANGE_OPTIONS_INIT;
    options.method = plan->options->method;
    options.symmetric = plan->options->target == CZ_INT8_TENSORRT;
    options.levels = options.symmetric ? 255 : 256;
    options.known_min = tensor->known_min;
    options.known_max = tensor->known_max;
    return options;
}

static enum cz_status find_range(struct cz_range *range,
                                 const struct cz_int8_plan *plan,
                                 const struct cz_int8_tensor *tensor,
                                 struct cz_error *err)
{
    const struct cz_range_options options = range_options(plan, tensor);
    return cz_error_prefix(
        err, cz_observer_range(range, &tensor->seen->observer, &options, err),
        tensor->value->name);
}

/* The tensor that stands for all with the same scale as number i. */
static size_t find_first(const struct cz_int8_plan *plan, size_t i)
{
    while (plan->tensors[i].same_as != i)
        i = plan->tensors[i].same_as;
    return i;
}

static struct cz_range widest(struct cz_range a, struct cz_range b)
{
    return (struct cz_range){a.low < b.low ? a.low : b.low,
                             a.high > b.high ? a.high : b.high};
}

static float width_of(struct cz_range range)
{
    return range.high - range.low;
}

/* Each tensor's own, and the widest of those that share a scale for the one
 * that stands for them. */
static enum cz_status find_ranges(struct cz_int8_plan *plan,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct cz_int8_tensor *tensor = &plan->tensors[i];
        struct cz_int8_tensor *first = &plan->tensors[find_first(plan, i)];
        CZ_TRY(find_range(&tensor->range, plan, tensor, err));
        first->range = widest(first->range, tensor->range);
    }
    return CZ_OK;
}

/* Rounding once, to slightly larger steps, is better than rounding twice. */
#define JOIN_MOST 1.25F

/* A Concat of tensors whose ranges are nearly the same only copies codes where
 * these and its output share a scale. (For TensorRT all do.) */
static void join_ranges(struct cz_int8_plan *plan, const struct cz_node *concat)
{
    const struct cz_int8_tensor *y =
        cz_int8_plan_tensor(plan, concat->outputs[0]);
    for (size_t k = 0; y && k < concat->n_inputs; k++) {
        const struct cz_int8_tensor *x =
            cz_int8_plan_tensor(plan, concat->inputs[k]);
        if (!x)
            continue;
        const size_t i = find_first(plan, (size_t)(x - plan->tensors));
        const size_t o = find_first(plan, (size_t)(y - plan->tensors));
        struct cz_int8_tensor *a = &plan->tensors[i < o ? i : o];
        struct cz_int8_tensor *b = &plan->tensors[i < o ? o : i];
        const struct cz_range both = widest(a->range, b->range);
        if (width_of(both) > JOIN_MOST * width_of(a->range) ||
            width_of(both) > JOIN_MOST * width_of(b->range))
            continue;
        b->same_as = a->same_as;
        a->range = both;
    }
}

static bool shares_its_scale(const struct cz_int8_plan *plan, size_t i)
{
    for (size_t k = 0; k < plan->n_tensors; k++) {
        if (k != i && find_first(plan, k) == find_first(plan, i))
            return true;
    }
    return false;
}

/* What a SiLU in codes reads gets the codes that are best for what it makes. */
static void fit_to_silu(void *user, size_t i)
{
    const struct cz_int8_plan *plan = user;
    struct cz_int8_tensor *x = &plan->tensors[i];
    if (!x->silu || shares_its_scale(plan, i))
        return;
    const size_t gate_input = x->silu->inputs[0] == x->value;
    const struct cz_int8_tensor *gate =
        cz_int8_plan_tensor(plan, x->silu->inputs[gate_input]);
    const struct cz_int8_tensor *y =
        cz_int8_plan_tensor(plan, x->silu->outputs[0]);
    if (!gate || !y || y->silu)
        return;
    const struct cz_silu silu = {&x->seen->observer, gate->affine, y->affine};
    x->affine = cz_silu_input_codes(&silu, x->affine);
    x->range = cz_affine_range_of_uint8(x->affine);
}

static enum cz_status find_scales(struct cz_int8_plan *plan,
                                  struct cz_error *err)
{
    const enum cz_codes codes = plan->options->target == CZ_INT8_TENSORRT
                                    ? CZ_CODES_INT8_SYMMETRIC
                                    : CZ_CODES_UINT8;
    CZ_TRY(find_ranges(plan, err));
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct cz_node *node = plan->graph->nodes[i];
        if (cz_node_is(node, "Concat"))
            join_ranges(plan, node);
    }
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct cz_int8_tensor *tensor = &plan->tensors[i];
        tensor->range = plan->tensors[find_first(plan, i)].range;
        tensor->codes = codes;
        tensor->affine = cz_affine_from_range(&tensor->range, codes);
        if (codes == CZ_CODES_INT8_SYMMETRIC)
            tensor->affine.scale = cz_affine_half_scale(tensor->affine.scale);
    }
    if (codes == CZ_CODES_UINT8 && plan->options->method == CZ_RANGE_MSE)
        cz_parallel_for(plan->n_tensors, plan->options->plan.threads,
                        fit_to_silu, plan);
    return CZ_OK;
}

/* ---- noise ------------------------------------------------------------ */

static double find_snr_db(const struct cz_int8_plan *plan,
                          const struct cz_value *value)
{
    const struct cz_int8_tensor *tensor = cz_int8_plan_tensor(plan, value);
    if (!tensor)
        return INFINITY;
    const struct cz_observer *observer = &tensor->seen->observer;
    struct cz_range_options options = range_options(plan, tensor);
    const double power = cz_observer_power(observer);
    const double error = cz_observer_error(observer, &tensor->range, &options);
    return power > 0 && error > 0 ? 10 * log10(power / error) : INFINITY;
}

/* Of a convolution: what it reads, makes, and what is made of that at once. */
static double find_layer_snr_db(const struct cz_int8_plan *plan,
                                const struct cz_node *node)
{
    const struct cz_value *y = node->outputs[0];
    double least =
        fmin(find_snr_db(plan, node->inputs[0]), find_snr_db(plan, y));
    for (size_t i = 0; i < y->n_uses; i++) {
        const struct cz_node *reader = y->uses[i].node;
        if (cz_int8_plan_role(plan, reader) == CZ_INT8_ARITHMETIC)
            least = fmin(least, find_snr_db(plan, reader->outputs[0]));
    }
    return least;
}

void cz_int8_find_noise(const struct cz_int8_plan *plan,
                        struct cz_int8_report *report)
{
    for (size_t i = 0; i < report->n_layers; i++) {
        struct cz_int8_layer *layer = &report->layers[i];
        if (layer->state == CZ_INT8_DONE)
            layer->snr_db = find_layer_snr_db(plan, layer->node);
    }
}

/* ---- statistics ------------------------------------------------------- */

struct cz_int8_statistics *cz_int8_statistics_new(void)
{
    return cz_calloc(1, sizeof(struct cz_int8_statistics));
}

void cz_int8_statistics_free(struct cz_int8_statistics *statistics)
{
    if (!statistics)
        return;
    for (size_t i = 0; i < statistics->count; i++) {
        cz_free(statistics->seen[i]->channel_most);
        cz_free(statistics->seen[i]->name);
        cz_free(statistics->seen[i]);
    }
    cz_free(statistics->seen);
    cz_int8_forget(statistics);
    cz_free(statistics);
}

static enum cz_status add_seen(struct cz_int8_statistics *statistics,
                               struct cz_int8_tensor *tensor,
                               const struct cz_dims *dims, struct cz_error *err)
{
    struct cz_int8_seen *seen = cz_calloc(1, sizeof *seen);
    if (!seen)
        return cz_error_nomem(err);
    statistics->seen[statistics->count++] = seen;
    tensor->seen = seen;
    seen->name = cz_strdup(tensor->value->name);
    if (!seen->name)
        return cz_error_nomem(err);
    if (!tensor->feeds_convolution || dims->rank < 2 || dims->size[0] != 1 ||
        dims->size[1] < 1)
        return CZ_OK;
    seen->channels = (size_t)dims->size[1];
    seen->channel_most = cz_calloc(seen->channels, sizeof(float));
    return seen->channel_most ? CZ_OK : cz_error_nomem(err);
}

/* Those of an earlier run. */
static enum cz_status find_seen(const struct cz_int8_plan *plan,
                                struct cz_error *err)
{
    const struct cz_int8_statistics *statistics = plan->statistics;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        struct cz_int8_tensor *tensor = &plan->tensors[i];
        for (size_t k = 0; k < statistics->count && !tensor->seen; k++) {
            if (strcmp(statistics->seen[k]->name, tensor->value->name) == 0)
                tensor->seen = statistics->seen[k];
        }
        if (!tensor->seen)
            return cz_error_set(err, CZ_EINVAL,
                                "the statistics are of another model: they "
                                "have no tensor '%.200s'",
                                tensor->value->name);
    }
    return CZ_OK;
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status begin(void *user, const struct cz_port *const *ports,
                            struct cz_error *err)
{
    const struct calibration *c = user;
    struct cz_int8_plan *plan = c->plan;
    struct cz_int8_statistics *statistics = plan->statistics;
    statistics->seen =
        cz_calloc(plan->n_tensors, sizeof(struct cz_int8_seen *));
    if (!statistics->seen)
        return cz_error_nomem(err);
    for (size_t i = 0; i < plan->n_tensors; i++)
        CZ_TRY(add_seen(statistics, &plan->tensors[i], &ports[i]->dims, err));
    return CZ_OK;
}

/* The image; NULL where there is none. */
static const struct cz_value *find_image(const struct cz_graph *graph)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (!graph->inputs[i]->constant)
            return graph->inputs[i];
    }
    return NULL;
}

/* Fills the statistics from the images. */
static enum cz_status look(struct cz_int8_plan *plan, struct cz_model *model,
                           struct cz_error *err)
{
    struct calibration c = {.plan = plan, .image = find_image(plan->graph)};
    if (!c.image)
        return cz_error_set(err, CZ_EINVAL, "the model has no input");
    const char **names = cz_calloc(plan->n_tensors + 1, sizeof *names);
    const struct cz_int8_visit all = {.names = names,
                                      .count = plan->n_tensors + 1,
                                      .images = plan->options->images.count,
                                      .stage = "calibrate",
                                      .begin = begin,
                                      .visit = visit,
                                      .user = &c};
    if (!names)
        return cz_error_nomem(err);
    for (size_t i = 0; i < plan->n_tensors; i++)
        names[i] = plan->tensors[i].value->name;
    names[plan->n_tensors] = c.image->name;
    enum cz_status status =
        cz_int8_visit_images(&all, plan->options, model, err);
    if (status == CZ_OK)
        status = check_images(&c, err);
    cz_free(names);
    return status;
}

enum cz_status cz_int8_calibrate(struct cz_int8_plan *plan,
                                 struct cz_model *model, struct cz_error *err)
{
    CZ_TRY(plan->statistics->count ? find_seen(plan, err)
                                   : look(plan, model, err));
    return find_scales(plan, err);
}
