/* Normalizations by mean and variance, by the ONNX operator specification:
 * BatchNormalization in its form for inference; Instance-, Group- and
 * LayerNormalization, which take them from what they normalize, added up in
 * double. */
#include <math.h>

#include "engine/attr_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/scalar_internal.h"
#include "engine/walk_internal.h"

#define CALL(dtype, function, ...)                                             \
    do {                                                                       \
        if ((dtype) == CZ_DTYPE_FLOAT)                                         \
            function##_f32(__VA_ARGS__);                                       \
        else                                                                   \
            function##_f64(__VA_ARGS__);                                       \
    } while (0)

/* ---- kernels ---------------------------------------------------------- */

/* (x - mean) * scale + shift */
struct affine {
    double mean, scale, shift;
};

#define AFFINE(dtype, T, name, low, high)                                      \
    static void affine_##name(void *to, const void *from, size_t n,            \
                              const struct affine *affine)                     \
    {                                                                          \
        const T mean = (T)affine->mean, scale = (T)affine->scale;              \
        const T shift = (T)affine->shift, *x = from;                           \
        T *y = to;                                                             \
        for (size_t i = 0; i < n; i++)                                         \
            y[i] = (x[i] - mean) * scale + shift;                              \
    }
CZ_EACH_FLOAT(AFFINE)

struct moments {
    double mean, inverse; /* of the standard deviation */
};

#define MOMENTS(dtype, T, name, low, high)                                     \
    static void moments_##name(struct moments *moments, const void *elements,  \
                               size_t n, double epsilon)                       \
    {                                                                          \
        const T *x = elements;                                                 \
        double sum = 0, squares = 0;                                           \
        for (size_t i = 0; i < n; i++)                                         \
            sum += (double)x[i];                                               \
        moments->mean = sum / (double)n;                                       \
        for (size_t i = 0; i < n; i++) {                                       \
            const double d = (double)x[i] - moments->mean;                     \
            squares += d * d;                                                  \
        }                                                                      \
        moments->inverse = 1 / sqrt(squares / (double)n + epsilon);            \
    }
CZ_EACH_FLOAT(MOMENTS)

/* ---- operands --------------------------------------------------------- */

/* The input is float32 or double, and has `rank` dimensions or more. */
static enum cz_status check_input(const struct cz_step *step, size_t rank,
                                  struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    char text[CZ_DIMS_TEXT_BYTES];
    if (!cz_dtype_is_float(x->dtype))
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    if (x->dims.rank < rank)
        return cz_step_error(step, err,
                             "input 0 is %s, want %zu dimensions or more",
                             cz_dims_text(&x->dims, text), rank);
    return CZ_OK;
}

/* Inputs from..to-1 are float vectors of `size`. */
static enum cz_status check_vectors(const struct cz_step *step, size_t from,
                                    size_t to, size_t size,
                                    struct cz_error *err)
{
    char text[CZ_DIMS_TEXT_BYTES];
    for (size_t i = from; i < to; i++) {
        const struct cz_array *vector = step->inputs[i];
        if (!cz_dtype_is_float(vector->dtype))
            return cz_step_error(step, err, "input %zu is %s, want float32", i,
                                 cz_dtype_name(vector->dtype));
        if (vector->dims.rank != 1 || vector->dims.size[0] != (int64_t)size)
            return cz_step_error(step, err, "input %zu is %s, want [%zu]", i,
                                 cz_dims_text(&vector->dims, text), size);
    }
    return CZ_OK;
}

static double read(const struct cz_step *step, size_t input, size_t i)
{
    const struct cz_array *array = step->inputs[input];
    return cz_read_double(array->dtype, array->data, i);
}

/* [batch, channels, plane]; an array of one dimension is of one channel. */
struct planes {
    size_t batch, channels, plane;
};

static struct planes planes_of(const struct cz_dims *dims)
{
    if (dims->rank < 2)
        return (struct planes){cz_dims_product(dims, 0, dims->rank), 1, 1};
    return (struct planes){
        .batch = (size_t)dims->size[0],
        .channels = (size_t)dims->size[1],
        .plane = cz_dims_product(dims, 2, dims->rank),
    };
}

/* A frame's view of a step, for its threads. */
struct job {
    const struct cz_step *step;
    struct planes planes;
    enum cz_dtype dtype;
    size_t bytes; /* of an element */
};

static struct job job_of(const struct cz_step *step)
{
    const struct cz_array *x = step->inputs[0];
    return (struct job){
        .step = step,
        .planes = planes_of(&x->dims),
        .dtype = x->dtype,
        .bytes = cz_element_bytes(x->dtype),
    };
}

static const char *x_at(const struct job *job, size_t element)
{
    return (const char *)job->step->inputs[0]->data + element * job->bytes;
}

static char *y_at(const struct job *job, size_t element)
{
    return (char *)job->step->outputs[0]->data + element * job->bytes;
}

/* ---- BatchNormalization ----------------------------------------------- */

struct norm_params {
    float epsilon;
    int64_t groups, axis;
};

static enum cz_status parse_norm(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct norm_params *p = step->params;
    p->epsilon = 1e-5f;
    p->axis = -1;
    CZ_TRY(cz_attrs_float(&attrs, "epsilon", &p->epsilon));
    CZ_TRY(cz_attrs_int(&attrs, "axis", CZ_RANGE_ANY, &p->axis));
    return cz_attrs_int(&attrs, "num_groups", CZ_RANGE_ANY, &p->groups);
}

static enum cz_status parse_batch_norm(struct cz_step *step,
                                       const struct cz_node *node,
                                       struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    bool training = false;
    CZ_TRY(cz_attrs_bool(&attrs, "training_mode", &training));
    for (size_t i = 1; i < step->n_outputs; i++)
        training |= step->outputs[i] != NULL;
    if (training)
        return cz_step_unsupported(step, err,
                                   "training_mode: only inference is done");
    return parse_norm(step, node, err);
}

static enum cz_status shape_batch_norm(struct cz_step *step,
                                       struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    CZ_TRY(check_input(step, 1, err));
    CZ_TRY(check_vectors(step, 1, 5, planes_of(&x->dims).channels, err));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static void batch_norm_plane(void *user, size_t i)
{
    const struct job *job = user;
    const size_t n = job->planes.plane, c = i % job->planes.channels;
    const struct norm_params *p = job->step->params;
    const struct affine affine = {
        .mean = read(job->step, 3, c),
        .scale =
            read(job->step, 1, c) / sqrt(read(job->step, 4, c) + p->epsilon),
        .shift = read(job->step, 2, c),
    };
    CALL(job->dtype, affine, y_at(job, i * n), x_at(job, i * n), n, &affine);
}

static enum cz_status run_batch_norm(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    (void)err;
    struct job job = job_of(step);
    if (cz_array_count(step->outputs[0]))
        cz_team_for(exec, job.planes.batch * job.planes.channels,
                    batch_norm_plane, &job);
    return CZ_OK;
}

bool cz_op_batch_norm(const struct cz_step *step, size_t channels, float *scale,
                      float *shift)
{
    const struct norm_params *p = step->params;
    const void *known[5] = {NULL};
    if (step->op->run != run_batch_norm)
        return false;
    for (size_t i = 1; i < 5; i++) {
        const struct cz_array *vector = step->inputs[i];
        known[i] = vector->known;
        if (!known[i] || vector->dtype != CZ_DTYPE_FLOAT ||
            cz_array_count(vector) != channels)
            return false;
    }
    for (size_t c = 0; c < channels; c++) {
        const double gamma = ((const float *)known[1])[c];
        const double beta = ((const float *)known[2])[c];
        const double mean = ((const float *)known[3])[c];
        const double variance = ((const float *)known[4])[c];
        const double factor = gamma / sqrt(variance + p->epsilon);
        scale[c] = (float)factor;
        shift[c] = (float)(beta - mean * factor);
    }
    return true;
}

/* ---- InstanceNormalization and GroupNormalization --------------------- */

static enum cz_status shape_instance_norm(struct cz_step *step,
                                          struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    CZ_TRY(check_input(step, 2, err));
    CZ_TRY(check_vectors(step, 1, 3, planes_of(&x->dims).channels, err));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* Up to opset 20 a group has one scale and bias, then each channel its own. */
static bool has_scale_of_group(const struct cz_step *step)
{
    return step->op->since < 21;
}

static enum cz_status shape_group_norm(struct cz_step *step,
                                       struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const struct norm_params *p = step->params;
    CZ_TRY(check_input(step, 2, err));
    const int64_t channels = x->dims.size[1];
    if (p->groups < 1 || channels % p->groups)
        return cz_step_error(
            step, err,
            "num_groups is %lld, which does not divide %lld channels",
            (long long)p->groups, (long long)channels);
    CZ_TRY(check_vectors(
        step, 1, 3, (size_t)(has_scale_of_group(step) ? p->groups : channels),
        err));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* Normalizes `size` channels from channel `from` of the batch's planes on as
 * one; `scale_step` is 0 where they share scale and bias. */
struct group {
    size_t from, size;
    size_t scale_at, scale_step;
};

static void normalize_group(const struct job *job, const struct group *group)
{
    const size_t n = job->planes.plane, first = group->from * n;
    const struct norm_params *p = job->step->params;
    struct moments moments;
    CALL(job->dtype, moments, &moments, x_at(job, first), group->size * n,
         p->epsilon);
    for (size_t c = 0; c < group->size; c++) {
        const size_t at = group->scale_at + c * group->scale_step;
        const struct affine affine = {
            .mean = moments.mean,
            .scale = read(job->step, 1, at) * moments.inverse,
            .shift = read(job->step, 2, at),
        };
        CALL(job->dtype, affine, y_at(job, first + c * n),
             x_at(job, first + c * n), n, &affine);
    }
}

static void normalize_instance(void *user, size_t i)
{
    const struct job *job = user;
    normalize_group(job, &(struct group){.from = i,
                                         .size = 1,
                                         .scale_at = i % job->planes.channels});
}

static void normalize_one_group(void *user, size_t i)
{
    const struct job *job = user;
    const struct norm_params *p = job->step->params;
    const size_t groups = (size_t)p->groups, g = i % groups;
    const size_t size = job->planes.channels / groups;
    const bool shared = has_scale_of_group(job->step);
    normalize_group(job, &(struct group){.from = i * size,
                                         .size = size,
                                         .scale_at = shared ? g : g * size,
                                         .scale_step = !shared});
}

static enum cz_status run_instance_norm(struct cz_step *step,
                                        const struct cz_exec *exec,
                                        struct cz_error *err)
{
    (void)err;
    struct job job = job_of(step);
    if (cz_array_count(step->outputs[0]))
        cz_team_for(exec, job.planes.batch * job.planes.channels,
                    normalize_instance, &job);
    return CZ_OK;
}

static enum cz_status run_group_norm(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    (void)err;
    struct job job = job_of(step);
    const struct norm_params *p = step->params;
    if (cz_array_count(step->outputs[0]))
        cz_team_for(exec, job.planes.batch * (size_t)p->groups,
                    normalize_one_group, &job);
    return CZ_OK;
}

/* ---- LayerNormalization ----------------------------------------------- */

static enum cz_status check_broadcast(const struct cz_step *step, size_t i,
                                      struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0],
                          *factor = cz_step_input(step, i);
    struct cz_dims both;
    char a[CZ_DIMS_TEXT_BYTES], b[CZ_DIMS_TEXT_BYTES];
    if (!factor)
        return CZ_OK;
    CZ_TRY(cz_step_want_dtype(step, i, x->dtype, err));
    if (!cz_dims_broadcast(&both, &x->dims, &factor->dims) ||
        !cz_dims_equal(&both, &x->dims))
        return cz_step_error(step, err,
                             "input %zu of %s does not broadcast "
                             "to %s",
                             i, cz_dims_text(&factor->dims, a),
                             cz_dims_text(&x->dims, b));
    return CZ_OK;
}

static enum cz_status shape_layer_norm(struct cz_step *step,
                                       struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const struct norm_params *p = step->params;
    struct cz_dims dims = x->dims;
    size_t axis;
    CZ_TRY(check_input(step, 1, err));
    CZ_TRY(cz_step_axis(step, p->axis, x->dims.rank, &axis, err));
    CZ_TRY(check_broadcast(step, 1, err));
    CZ_TRY(check_broadcast(step, 2, err));
    CZ_TRY(cz_step_output(step, 0, x->dtype, &dims, err));
    for (size_t d = axis; d < dims.rank; d++)
        dims.size[d] = 1;
    CZ_TRY(cz_step_output(step, 1, CZ_DTYPE_FLOAT, &dims, err));
    return cz_step_output(step, 2, CZ_DTYPE_FLOAT, &dims, err);
}

struct layer_job {
    struct job job;
    size_t length;
    float *means, *inverses; /* NULL where nobody reads them */
};

static void normalize_layer(void *user, size_t i)
{
    const struct layer_job *layer = user;
    const struct job *job = &layer->job;
    const struct norm_params *p = job->step->params;
    const size_t n = layer->length;
    struct moments moments;
    CALL(job->dtype, moments, &moments, x_at(job, i * n), n, p->epsilon);
    const struct affine affine = {moments.mean, moments.inverse, 0};
    CALL(job->dtype, affine, y_at(job, i * n), x_at(job, i * n), n, &affine);
    if (layer->means)
        layer->means[i] = (float)moments.mean;
    if (layer->inverses)
        layer->inverses[i] = (float)moments.inverse;
}

CZ_BINARY_KERNEL(multiply, f32, float, float, (u * v))
CZ_BINARY_KERNEL(multiply, f64, double, double, (u * v))
CZ_BINARY_KERNEL(add, f32, float, float, u + v)
CZ_BINARY_KERNEL(add, f64, double, double, u + v)

/* The output with input i, in place. */
static void apply(const struct cz_step *step, const struct cz_exec *exec,
                  size_t i, void (*kernel)(const struct cz_row *row))
{
    struct cz_array *y = step->outputs[0];
    if (cz_step_input(step, i))
        cz_walk_run(&(struct cz_walk){.output = y,
                                      .n_inputs = 2,
                                      .inputs = {y, step->inputs[i]},
                                      .kernel = kernel},
                    exec);
}

static float *output_data(const struct cz_step *step, size_t i)
{
    return i < step->n_outputs && step->outputs[i] ? step->outputs[i]->data
                                                   : NULL;
}

static enum cz_status run_layer_norm(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    const struct cz_dims *dims = &step->inputs[0]->dims;
    const struct norm_params *p = step->params;
    const bool is_f32 = step->inputs[0]->dtype == CZ_DTYPE_FLOAT;
    size_t axis;
    CZ_TRY(cz_step_axis(step, p->axis, dims->rank, &axis, err));
    struct layer_job layer = {
        .job = job_of(step),
        .length = cz_dims_product(dims, axis, dims->rank),
        .means = output_data(step, 1),
        .inverses = output_data(step, 2),
    };
    if (layer.length == 0 && !layer.means && !layer.inverses)
        return CZ_OK;
    cz_team_for(exec, cz_dims_product(dims, 0, axis), normalize_layer, &layer);
    apply(step, exec, 1, is_f32 ? multiply_f32 : multiply_f64);
    apply(step, exec, 2, is_f32 ? add_f32 : add_f64);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

#define ROW(name, version, operands, params, parser, kind)                     \
    {                                                                          \
        .op_type = name, .since = version, .min_inputs = operands,             \
        .max_inputs = operands, .params_size = sizeof(struct params),          \
        .parse = parser, .shape = shape_##kind, .run = run_##kind              \
    }

const struct cz_op cz_ops_norm[] = {
    ROW("BatchNormalization", 9, 5, norm_params, parse_batch_norm, batch_norm),
    ROW("InstanceNormalization", 6, 3, norm_params, parse_norm, instance_norm),
    ROW("GroupNormalization", 18, 3, norm_params, parse_norm, group_norm),
    ROW("GroupNormalization", 21, 3, norm_params, parse_norm, group_norm),
    {.op_type = "LayerNormalization",
     .since = 17,
     .min_inputs = 2,
     .max_inputs = 3,
     .params_size = sizeof(struct norm_params),
     .parse = parse_norm,
     .shape = shape_layer_norm,
     .run = run_layer_norm},
    {.op_type = NULL},
};
