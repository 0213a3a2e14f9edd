/* Codes and biases learned from what the convolutions read.
 *
 * Windows of each convolution's input, padding included (but for auto_pad), are
 * cut out at random places of the images, as the float model has them and as
 * the codes have them. They give the
 * moments that rounding.h minds, and the mean that codes add to an output,
 * which the bias takes away again (M. Nagel et al., "Data-Free Quantization
 * Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2: the
 * empirical one, of the layer alone, fed by the float model). */
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "core/random.h"
#include "quant/int8_internal.h"
#include "quant/rounding.h"

/* More would hardly change a code. */
#define IMAGES 32
#define WINDOWS 128 /* of an image */
#define BLOCK 8     /* that are added at once */

/* Moments that are held at the same time: large models take more rounds. */
#define MOMENTS_BYTES_MOST ((size_t)512 << 20)
#define SIDE_MOST 65536 /* of a matrix of them */

/* What is added to the diagonal of the moments, of its mean: few windows tell
 * little about rare combinations of inputs. */
#define DAMPING 0.01F

/* What is known of one convolution's inputs, n = groups * per_channel. */
struct inputs {
    struct cz_int8_conv *conv;
    size_t kernel[2], dilations[2], strides[2];
    size_t pads[4]; /* top, left, bottom, right */
    /* [groups, per_channel, per_channel] sums of what codes are away from
     * `origin`, [n], one window of them: of large numbers that hardly change,
     * float32 would keep nothing. */
    float *moments, *origin;
    double *mean, *coded; /* [n] sums: of the float model's, of the codes' */
    float *values;        /* [BLOCK, n] windows; in codes afterwards */
    size_t windows;       /* how many were added */
};

struct learning {
    struct cz_int8_plan *plan;
    struct inputs *inputs; /* [count] of this round */
    size_t count;
    const struct cz_port *const *ports; /* of the image */
    size_t image;
};

/* ---- windows ---------------------------------------------------------- */

static size_t size_of(const struct inputs *in)
{
    return in->conv->weights.groups * in->conv->weights.per_channel;
}

/* A well mixed number of two. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    return cz_random_mix((a << 32) + b + 0x9e3779b97f4a7c15);
}

/* Copies the window whose corner is at (y, x) of an image [channels, height,
 * width] with its padding of zeros. */
static void cut(float *values, const struct inputs *in, const float *image,
                const struct cz_dims *dims, size_t y, size_t x)
{
    const size_t channels = (size_t)dims->size[1];
    const size_t height = (size_t)dims->size[2];
    const size_t width = (size_t)dims->size[3];
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < in->kernel[0] * in->kernel[1]; i++) {
            /* Below 0 they wrap, and are beyond the image, too. */
            const size_t row =
                y + i / in->kernel[1] * in->dilations[0] - in->pads[0];
            const size_t column =
                x + i % in->kernel[1] * in->dilations[1] - in->pads[1];
            *values++ = row < height && column < width
                            ? image[(c * height + row) * width + column]
                            : 0;
        }
    }
}

/* The numbers that the codes stand for. */
static void code(float *values, const struct inputs *in, size_t count)
{
    const struct cz_int8_tensor *tensor = in->conv->input;
    uint8_t codes[256];
    for (size_t i = 0; tensor && i < count; i += sizeof codes) {
        const size_t n = count - i < sizeof codes ? count - i : sizeof codes;
        if (tensor->codes == CZ_CODES_UINT8) {
            cz_affine_to_uint8(codes, values + i, n, tensor->affine);
            cz_affine_from_uint8(values + i, codes, n, tensor->affine);
        } else {
            cz_affine_to_int8((int8_t *)codes, values + i, n, tensor->affine);
            cz_affine_from_int8(values + i, (int8_t *)codes, n, tensor->affine);
        }
    }
}

/* ---- sums ------------------------------------------------------------- */

static void add_to_mean(double *mean, const float *values, size_t n)
{
    for (size_t b = 0; b < BLOCK; b++) {
        for (size_t i = 0; i < n; i++)
            mean[i] += (double)values[b * n + i];
    }
}

/* The windows as they are seen from the origin. */
static void move_origin(struct inputs *in)
{
    const size_t n = size_of(in);
    for (size_t i = 0; i < BLOCK * n; i++)
        in->values[i] -= in->origin[i % n];
}

/* row[k] += sum of left[b] * windows[b][k], for k < n. */
static void add_products(float *restrict row, const float left[BLOCK],
                         const float *restrict windows, size_t stride, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        float sum = 0;
        for (size_t b = 0; b < BLOCK; b++)
            sum += left[b] * windows[b * stride + k];
        row[k] += sum;
    }
}

/* The lower triangle of one group's moments. */
static void add_moments(float *moments, const float *windows, size_t stride,
                        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float left[BLOCK];
        for (size_t b = 0; b < BLOCK; b++)
            left[b] = windows[b * stride + i];
        add_products(moments + i * n, left, windows, stride, i + 1);
    }
}

/* Windows down (0) or across (1); 0: the image is smaller than one. */
static size_t count_places(const struct inputs *in, const struct cz_dims *dims,
                           size_t d)
{
    const size_t size =
        (size_t)dims->size[2 + d] + in->pads[d] + in->pads[2 + d];
    const size_t span = (in->kernel[d] - 1) * in->dilations[d] + 1;
    return size < span ? 0 : (size - span) / in->strides[d] + 1;
}

static void add_windows(struct inputs *in, const struct cz_port *port,
                        size_t image, size_t place)
{
    const struct cz_dims *dims = &port->dims;
    const size_t n = size_of(in), per_group = in->conv->weights.per_channel;
    const size_t rows = count_places(in, dims, 0);
    const size_t columns = count_places(in, dims, 1);
    for (size_t b = 0; b < BLOCK; b++) {
        const uint64_t at = mix(image * WINDOWS + place + b, n);
        cut(in->values + b * n, in, port->data, dims,
            (at >> 32) % rows * in->strides[0],
            (at & UINT32_MAX) % columns * in->strides[1]);
    }
    add_to_mean(in->mean, in->values, n);
    code(in->values, in, BLOCK * n);
    add_to_mean(in->coded, in->values, n);
    if (!in->windows)
        memcpy(in->origin, in->values, n * sizeof *in->origin);
    move_origin(in);
    for (size_t g = 0; g < in->conv->weights.groups; g++)
        add_moments(in->moments + g * per_group * per_group,
                    in->values + g * per_group, n, per_group);
    in->windows += BLOCK;
}

static bool fits(const struct inputs *in, const struct cz_dims *dims)
{
    return dims->rank == 4 && dims->size[0] == 1 &&
           (size_t)dims->size[1] ==
               in->conv->weights.groups * in->conv->weights.inputs &&
           count_places(in, dims, 0) > 0 && count_places(in, dims, 1) > 0;
}

static void look(void *user, size_t i)
{
    struct learning *l = user;
    for (size_t k = 0; k < WINDOWS && fits(&l->inputs[i], &l->ports[i]->dims);
         k += BLOCK)
        add_windows(&l->inputs[i], l->ports[i], l->image, k);
}

/* ---- from sums to codes ----------------------------------------------- */

/* Makes means of the sums, the moments those around the mean where a bias can
 * take that, and completes them. */
static void finish_moments(const struct inputs *in, size_t group)
{
    const size_t n = in->conv->weights.per_channel;
    const double *coded = in->coded + group * n, count = (double)in->windows;
    const float *origin = in->origin + group * n;
    float *moments = in->moments + group * n * n;
    double diagonal = 0;
    for (size_t i = 0; i < n; i++) {
        const double mean = coded[i] / count;
        for (size_t k = 0; k <= i; k++) {
            const double other = coded[k] / count;
            const double around =
                (mean - (double)origin[i]) * (other - (double)origin[k]);
            const double moment = (double)moments[i * n + k] / count - around +
                                  (in->conv->bias ? 0 : mean * other);
            moments[i * n + k] = moments[k * n + i] = (float)moment;
            diagonal += i == k ? moment : 0;
        }
    }
    const float damping = DAMPING * (float)(diagonal / (double)n) + 1e-12F;
    for (size_t i = 0; i < n; i++)
        moments[i * n + i] += damping;
}

/* Gives the bias what the codes of inputs and weights take from the mean of
 * each output. */
static void correct_bias(const struct inputs *in)
{
    const struct cz_int8_conv *conv = in->conv;
    const struct cz_weights *w = &conv->weights;
    for (size_t c = 0; c < w->channels && conv->bias; c++) {
        const size_t from = c * w->groups / w->channels * w->per_channel;
        double missing = 0;
        for (size_t i = 0; i < w->per_channel; i++) {
            const size_t k = c * w->per_channel + i;
            missing += (double)w->values[k] * in->mean[from + i] -
                       (double)conv->codes[k] * (double)conv->scales[c] *
                           in->coded[from + i];
        }
        conv->bias[c] += (float)(missing / (double)in->windows);
    }
}

static enum cz_status learn(const struct learning *l, const struct inputs *in,
                            struct cz_error *err)
{
    const struct cz_rounding rounding = {.weights = &in->conv->weights,
                                         .scales = in->conv->scales,
                                         .moments = in->moments,
                                         .threads =
                                             l->plan->options->plan.threads};
    const size_t count =
        in->conv->weights.channels * in->conv->weights.per_channel;
    if (!in->windows)
        return CZ_OK; /* no image, or smaller than a window */
    int8_t *start = cz_malloc(count);
    if (!start)
        return cz_error_nomem(err);
    memcpy(start, in->conv->codes, count);
    for (size_t g = 0; g < in->conv->weights.groups; g++)
        finish_moments(in, g);
    enum cz_status status = cz_rounding_learn(in->conv->codes, &rounding, err);
    if (status == CZ_OK) {
        correct_bias(in);
        status = cz_int8_remember(l->plan->statistics, in->conv, start, err);
    }
    cz_free(start);
    return status;
}

/* ---- rounds ----------------------------------------------------------- */

static size_t moments_bytes(const struct cz_int8_conv *conv)
{
    const struct cz_weights *w = &conv->weights;
    return w->groups * w->per_channel * w->per_channel * sizeof(float);
}

/* Can windows of what it reads be cut out, and their moments be held? */
static bool can_learn(const struct cz_int8_conv *conv)
{
    return conv->node->inputs[1]->constant->rank == 4 &&
           conv->weights.per_channel > 0 &&
           conv->weights.per_channel < SIDE_MOST &&
           moments_bytes(conv) <= MOMENTS_BYTES_MOST;
}

/* An attribute of `count` sizes. */
static void read_sizes(size_t *sizes, const struct cz_node *node,
                       const char *name, size_t count, size_t otherwise)
{
    size_t found;
    const int64_t *given = cz_node_attr_ints(node, name, &found);
    for (size_t i = 0; i < count; i++)
        sizes[i] = found == count && given[i] >= (int64_t)otherwise
                       ? (size_t)given[i]
                       : otherwise;
}

static enum cz_status start(struct inputs *in, struct cz_int8_conv *conv,
                            struct cz_error *err)
{
    const struct cz_tensor *w = conv->node->inputs[1]->constant;
    *in = (struct inputs){.conv = conv,
                          .kernel = {(size_t)w->dims[2], (size_t)w->dims[3]}};
    const size_t n = size_of(in);
    read_sizes(in->dilations, conv->node, "dilations", 2, 1);
    read_sizes(in->strides, conv->node, "strides", 2, 1);
    read_sizes(in->pads, conv->node, "pads", 4, 0);
    in->moments = cz_calloc(moments_bytes(conv), 1);
    in->origin = cz_calloc(n, sizeof *in->origin);
    in->mean = cz_calloc(n, sizeof *in->mean);
    in->coded = cz_calloc(n, sizeof *in->coded);
    in->values = cz_calloc(BLOCK * n, sizeof *in->values);
    return in->moments && in->origin && in->mean && in->coded && in->values
               ? CZ_OK
               : cz_error_nomem(err);
}

static void end(struct inputs *in)
{
    cz_free(in->moments);
    cz_free(in->origin);
    cz_free(in->mean);
    cz_free(in->coded);
    cz_free(in->values);
}

static enum cz_status visit(void *user, const struct cz_port *const *ports,
                            size_t image, struct cz_error *err)
{
    struct learning *l = user;
    (void)err;
    l->ports = ports;
    l->image = image;
    cz_parallel_for(l->count, l->plan->options->plan.threads, look, l);
    return CZ_OK;
}

static enum cz_status learn_round(struct learning *l, struct cz_model *model,
                                  struct cz_error *err)
{
    const char **names = cz_calloc(l->count + 1, sizeof *names);
    const struct cz_int8_visit some = {.names = names,
                                       .count = l->count,
                                       .images = IMAGES,
                                       .stage = "learn",
                                       .visit = visit,
                                       .user = l};
    if (!names)
        return cz_error_nomem(err);
    for (size_t i = 0; i < l->count; i++)
        names[i] = l->inputs[i].conv->node->inputs[0]->name;
    enum cz_status status =
        cz_int8_visit_images(&some, l->plan->options, model, err);
    for (size_t i = 0; i < l->count && status == CZ_OK; i++)
        status = learn(l, &l->inputs[i], err);
    cz_free(names);
    return status;
}

/* As many convolutions, from number `*next` on, as there may be moments; at
 * least one. */
static enum cz_status start_round(struct learning *l, size_t *next,
                                  struct cz_error *err)
{
    size_t bytes = 0;
    for (l->count = 0; *next < l->plan->n_convs; ++*next) {
        struct cz_int8_conv *conv = &l->plan->convs[*next];
        if (!can_learn(conv) || cz_int8_recall(l->plan->statistics, conv))
            continue;
        bytes += moments_bytes(conv);
        if (l->count && bytes > MOMENTS_BYTES_MOST)
            return CZ_OK;
        CZ_TRY(start(&l->inputs[l->count++], conv, err));
    }
    return CZ_OK;
}

enum cz_status cz_int8_learn(struct cz_int8_plan *plan, struct cz_model *model,
                             struct cz_error *err)
{
    struct learning l = {.plan = plan};
    size_t next = 0;
    enum cz_status status = CZ_OK;
    l.inputs = cz_calloc(plan->n_convs + 1, sizeof *l.inputs);
    if (!l.inputs)
        return cz_error_nomem(err);
    while (status == CZ_OK && next < plan->n_convs) {
        status = start_round(&l, &next, err);
        if (status == CZ_OK && l.count)
            status = learn_round(&l, model, err);
        for (size_t i = 0; i < l.count; i++)
            end(&l.inputs[i]);
    }
    cz_free(l.inputs);
    return status;
}
