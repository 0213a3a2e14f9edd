/* QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear, by the ONNX
 * operator specification: one scale for all, for each index of an axis (opset
 * 13), or for each block of an axis (21); 8 and 16 bits. */
#include <inttypes.h>
#include <math.h>

#include "engine/attr_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/scalar_internal.h"

/* Elements that one thread takes at a time. */
#define CHUNK ((size_t)16384)

struct quant_params {
    int64_t axis, block_size, output_dtype;
};

/* Neighbours that share a scale. */
struct span {
    const void *x;
    void *y;
    size_t count;
    float scale;
    double zero; /* point */
};

/* ---- kernels ---------------------------------------------------------- */

#define QUANTIZE(from, S, to, T)                                               \
    static void quantize_##from##_##to(const struct span *span)                \
    {                                                                          \
        const float scale = span->scale;                                       \
        const double zero = span->zero;                                        \
        const S *x = span->x;                                                  \
        T *y = span->y;                                                        \
        for (size_t i = 0; i < span->count; i++)                               \
            y[i] =                                                             \
                cz_##to##_saturate((double)rintf((float)x[i] / scale) + zero); \
    }
#define QUANTIZE_TO(to, T)                                                     \
    QUANTIZE(f32, float, to, T)                                                \
    QUANTIZE(i32, int32_t, to, T)
QUANTIZE_TO(i8, int8_t)
QUANTIZE_TO(u8, uint8_t)
QUANTIZE_TO(i16, int16_t)
QUANTIZE_TO(u16, uint16_t)

#define DEQUANTIZE(from, S)                                                    \
    static void dequantize_##from(const struct span *span)                     \
    {                                                                          \
        const float scale = span->scale;                                       \
        const double zero = span->zero;                                        \
        const S *x = span->x;                                                  \
        float *y = span->y;                                                    \
        for (size_t i = 0; i < span->count; i++)                               \
            y[i] = (float)((double)x[i] - zero) * scale;                       \
    }
DEQUANTIZE(i8, int8_t)
DEQUANTIZE(u8, uint8_t)
DEQUANTIZE(i16, int16_t)
DEQUANTIZE(u16, uint16_t)
DEQUANTIZE(i32, int32_t)

static void (*const from_float[CZ_DTYPE_COUNT])(const struct span *) = {
    [CZ_DTYPE_INT8] = quantize_f32_i8,
    [CZ_DTYPE_UINT8] = quantize_f32_u8,
    [CZ_DTYPE_INT16] = quantize_f32_i16,
    [CZ_DTYPE_UINT16] = quantize_f32_u16,
};

static void (*const from_int32[CZ_DTYPE_COUNT])(const struct span *) = {
    [CZ_DTYPE_INT8] = quantize_i32_i8,
    [CZ_DTYPE_UINT8] = quantize_i32_u8,
    [CZ_DTYPE_INT16] = quantize_i32_i16,
    [CZ_DTYPE_UINT16] = quantize_i32_u16,
};

static void (*const to_float[CZ_DTYPE_COUNT])(const struct span *) = {
    [CZ_DTYPE_INT8] = dequantize_i8,   [CZ_DTYPE_UINT8] = dequantize_u8,
    [CZ_DTYPE_INT16] = dequantize_i16, [CZ_DTYPE_UINT16] = dequantize_u16,
    [CZ_DTYPE_INT32] = dequantize_i32,
};

/* ---- which scale for which element ------------------------------------ */

/* The array as [outer, length, inner]; the scale of element [o, k, i] is
 * number k, or that of block [o, k / block, i]. */
struct grid {
    size_t length, inner;
    size_t block, blocks; /* elements of one and blocks of a line; or 0 */
};

enum { X, SCALE, ZERO };

static enum cz_status grid_of_blocks(struct grid *grid,
                                     const struct cz_step *step, size_t axis,
                                     struct cz_error *err)
{
    const struct cz_dims *x = &step->inputs[X]->dims;
    const struct cz_dims *scale = &step->inputs[SCALE]->dims;
    const struct quant_params *p = step->params;
    const int64_t length = x->size[axis], block = p->block_size;
    struct cz_dims want = *x;
    char a[CZ_DIMS_TEXT_BYTES], b[CZ_DIMS_TEXT_BYTES];
    want.size[axis] = length / block + (length % block != 0);
    if (!cz_dims_equal(scale, &want))
        return cz_step_error(
            step, err, "scale is %s, blocks of %" PRId64 " want %s",
            cz_dims_text(scale, a), block, cz_dims_text(&want, b));
    grid->block = (size_t)block;
    grid->blocks = (size_t)want.size[axis];
    return CZ_OK;
}

static enum cz_status grid_of(struct grid *grid, const struct cz_step *step,
                              struct cz_error *err)
{
    const struct cz_dims *x = &step->inputs[X]->dims;
    const struct cz_array *scale = step->inputs[SCALE];
    const struct quant_params *p = step->params;
    char text[CZ_DIMS_TEXT_BYTES];
    size_t axis;
    *grid =
        (struct grid){.length = 1, .inner = cz_array_count(step->inputs[X])};
    if (p->block_size == 0 && scale->dims.rank <= 1 &&
        cz_array_count(scale) == 1)
        return CZ_OK;
    CZ_TRY(cz_step_axis(step, p->axis, x->rank, &axis, err));
    grid->length = (size_t)x->size[axis];
    grid->inner = cz_dims_product(x, axis + 1, x->rank);
    if (p->block_size > 0)
        return grid_of_blocks(grid, step, axis, err);
    if (step->op->since < 13 || scale->dims.rank != 1 ||
        scale->dims.size[0] != x->size[axis])
        return cz_step_error(step, err,
                             "scale is %s, want one number, or %" PRId64
                             " from opset 13 on",
                             cz_dims_text(&scale->dims, text), x->size[axis]);
    return CZ_OK;
}

/* A frame's view of a step, for its threads. */
struct job {
    const char *x;
    char *y;
    size_t x_bytes, y_bytes; /* of an element */
    size_t count;
    struct grid grid;
    const float *scale;
    const struct cz_array *zero; /* NULL: all 0 */
    void (*kernel)(const struct span *span);
};

static void run_span(const struct job *job, size_t at, size_t count,
                     size_t scale_at)
{
    const struct cz_array *zero = job->zero;
    job->kernel(&(struct span){
        .x = job->x + at * job->x_bytes,
        .y = job->y + at * job->y_bytes,
        .count = count,
        .scale = job->scale[scale_at],
        .zero = zero ? cz_read_double(zero->dtype, zero->data, scale_at) : 0,
    });
}

static void run_chunk(void *user, size_t chunk)
{
    const struct job *job = user;
    const struct grid *grid = &job->grid;
    const size_t begin = chunk * CHUNK, left = job->count - begin;
    const size_t end = begin + (left < CHUNK ? left : CHUNK);
    for (size_t at = begin; at < end;) {
        const size_t row = at / grid->inner, i = at % grid->inner;
        const size_t k = row % grid->length, o = row / grid->length;
        size_t count = grid->inner - i, scale_at = k;
        if (grid->block) {
            count = 1;
            scale_at = (o * grid->blocks + k / grid->block) * grid->inner + i;
        }
        count = end - at < count ? end - at : count;
        run_span(job, at, count, scale_at);
        at += count;
    }
}

static enum cz_status run_job(const struct cz_step *step, struct job *job,
                              const struct cz_exec *exec, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[X], *y = step->outputs[0];
    CZ_TRY(grid_of(&job->grid, step, err));
    job->x = x->data;
    job->y = y->data;
    job->x_bytes = cz_element_bytes(x->dtype);
    job->y_bytes = cz_element_bytes(y->dtype);
    job->count = cz_array_count(y);
    job->scale = step->inputs[SCALE]->data;
    job->zero = cz_step_input(step, ZERO);
    if (job->count)
        cz_team_for(exec, (job->count - 1) / CHUNK + 1, run_chunk, job);
    return CZ_OK;
}

/* ---- QuantizeLinear and DequantizeLinear ------------------------------ */

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct quant_params *p = step->params;
    p->axis = 1;
    CZ_TRY(cz_attrs_int(&attrs, "axis", CZ_RANGE_ANY, &p->axis));
    CZ_TRY(cz_attrs_int(&attrs, "block_size", (struct cz_range){0, INT32_MAX},
                        &p->block_size));
    return cz_attrs_int(&attrs, "output_dtype",
                        (struct cz_range){0, CZ_DTYPE_COUNT - 1},
                        &p->output_dtype);
}

/* The scale fits x, and the zero point the scale. */
static enum cz_status check_scale(const struct cz_step *step,
                                  struct cz_error *err)
{
    const struct cz_array *scale = step->inputs[SCALE];
    const struct cz_array *zero = cz_step_input(step, ZERO);
    struct grid grid;
    char a[CZ_DIMS_TEXT_BYTES], b[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(cz_step_want_dtype(step, SCALE, CZ_DTYPE_FLOAT, err));
    CZ_TRY(grid_of(&grid, step, err));
    if (zero && cz_array_count(zero) != cz_array_count(scale))
        return cz_step_error(step, err, "zero point is %s, the scale is %s",
                             cz_dims_text(&zero->dims, a),
                             cz_dims_text(&scale->dims, b));
    return CZ_OK;
}

static enum cz_status shape_quantize(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[X];
    const struct cz_array *zero = cz_step_input(step, ZERO);
    const struct quant_params *p = step->params;
    enum cz_dtype to = CZ_DTYPE_UINT8;
    if (p->output_dtype)
        to = (enum cz_dtype)p->output_dtype;
    else if (zero)
        to = zero->dtype;
    if (x->dtype != CZ_DTYPE_FLOAT && x->dtype != CZ_DTYPE_INT32)
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    if (!from_float[to])
        return cz_step_unsupported(step, err, "cannot quantize to %s",
                                   cz_dtype_name(to));
    CZ_TRY(cz_step_want_dtype(step, ZERO, to, err));
    CZ_TRY(check_scale(step, err));
    return cz_step_output(step, 0, to, &x->dims, err);
}

static enum cz_status run_quantize(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const enum cz_dtype to = step->outputs[0]->dtype;
    struct job job = {.kernel = step->inputs[X]->dtype == CZ_DTYPE_FLOAT
                                    ? from_float[to]
                                    : from_int32[to]};
    return run_job(step, &job, exec, err);
}

static enum cz_status shape_dequantize(struct cz_step *step,
                                       struct cz_error *err)
{
    const struct cz_array *x = step->inputs[X];
    if (!to_float[x->dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    CZ_TRY(cz_step_want_dtype(step, ZERO, x->dtype, err));
    CZ_TRY(check_scale(step, err));
    return cz_step_output(step, 0, CZ_DTYPE_FLOAT, &x->dims, err);
}

static enum cz_status run_dequantize(struct cz_step *step,
                                     const struct cz_exec *exec,
                                     struct cz_error *err)
{
    struct job job = {.kernel = to_float[step->inputs[X]->dtype]};
    return run_job(step, &job, exec, err);
}

bool cz_op_quantization(const struct cz_step *step, struct cz_quantization *q)
{
    const struct quant_params *p = step->params;
    struct cz_error err;
    if ((step->op->run != run_quantize && step->op->run != run_dequantize) ||
        step->is_dynamic || p->block_size)
        return false;
    const struct cz_array *scale = step->inputs[SCALE];
    *q = (struct cz_quantization){.to_codes = step->op->run == run_quantize,
                                  .scale = scale->known,
                                  .zero = cz_step_input(step, ZERO),
                                  .count = cz_array_count(scale)};
    if (!q->scale || (q->zero && !q->zero->known))
        return false;
    for (size_t i = 0; i < q->count; i++) {
        if (!(q->scale[i] > 0 && q->scale[i] <= FLT_MAX))
            return false;
    }
    return q->count == 1 ||
           cz_step_axis(step, p->axis, step->inputs[X]->dims.rank, &q->axis,
                        &err) == CZ_OK;
}

/* ---- DynamicQuantizeLinear -------------------------------------------- */

static enum cz_status shape_dynamic(struct cz_step *step, struct cz_error *err)
{
    const struct cz_dims scalar = {.rank = 0};
    CZ_TRY(cz_step_want_dtype(step, X, CZ_DTYPE_FLOAT, err));
    CZ_TRY(
        cz_step_output(step, 0, CZ_DTYPE_UINT8, &step->inputs[X]->dims, err));
    CZ_TRY(cz_step_output(step, 1, CZ_DTYPE_FLOAT, &scalar, err));
    return cz_step_output(step, 2, CZ_DTYPE_UINT8, &scalar, err);
}

static void *output_data(const struct cz_step *step, size_t i)
{
    return i < step->n_outputs && step->outputs[i] ? step->outputs[i]->data
                                                   : NULL;
}

/* The range of the elements and 0 becomes 0..255; a range of nothing has the
 * scale 1. */
static enum cz_status run_dynamic(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    (void)exec;
    (void)err;
    const size_t count = cz_array_count(step->inputs[X]);
    const float *x = step->inputs[X]->data;
    float low = 0, high = 0, *scale_out = output_data(step, 1);
    uint8_t *zero_out = output_data(step, 2);
    for (size_t i = 0; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float scale = high > low ? (high - low) / 255 : 1;
    const uint8_t zero = cz_u8_saturate((double)rintf(-low / scale));
    quantize_f32_u8(&(struct span){.x = x,
                                   .y = step->outputs[0]->data,
                                   .count = count,
                                   .scale = scale,
                                   .zero = zero});
    if (scale_out)
        *scale_out = scale;
    if (zero_out)
        *zero_out = zero;
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

#define ROW(name, version, kind)                                               \
    {                                                                          \
        .op_type = name, .since = version, .min_inputs = 2, .max_inputs = 3,   \
        .params_size = sizeof(struct quant_params), .parse = parse,            \
        .shape = shape_##kind, .run = run_##kind                               \
    }

const struct cz_op cz_ops_quant[] = {
    ROW("QuantizeLinear", 10, quantize),
    ROW("QuantizeLinear", 13, quantize),
    ROW("QuantizeLinear", 21, quantize),
    ROW("DequantizeLinear", 10, dequantize),
    ROW("DequantizeLinear", 13, dequantize),
    ROW("DequantizeLinear", 21, dequantize),
    {.op_type = "DynamicQuantizeLinear",
     .since = 11,
     .min_inputs = 1,
     .max_inputs = 1,
     .shape = shape_dynamic,
     .run = run_dynamic},
    {.op_type = NULL},
};
