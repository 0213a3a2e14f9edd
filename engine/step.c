/* What operators are written with: operands, shapes, errors. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "engine/plan_internal.h"

/* No array may be larger: a shape that asks for more is a mistake or an
 * attack. */
#define ARRAY_BYTES_MAX ((size_t)1 << 36)

/* ---- errors ----------------------------------------------------------- */

static enum cz_status fail(const struct cz_step *step, enum cz_status status,
                           struct cz_error *err, const char *format,
                           va_list list)
{
    char text[320];
    vsnprintf(text, sizeof text, format, list);
    return cz_error_set(err, status, "%s '%.120s': %s", step->op->op_type,
                        step->name, text);
}

enum cz_status cz_step_error(const struct cz_step *step, struct cz_error *err,
                             const char *format, ...)
{
    va_list list;
    va_start(list, format);
    enum cz_status status = fail(step, CZ_ESHAPE, err, format, list);
    va_end(list);
    return status;
}

enum cz_status cz_step_unsupported(const struct cz_step *step,
                                   struct cz_error *err, const char *format,
                                   ...)
{
    va_list list;
    va_start(list, format);
    enum cz_status status = fail(step, CZ_EUNSUPPORTED, err, format, list);
    va_end(list);
    return status;
}

/* ---- shapes ----------------------------------------------------------- */

const char *cz_dims_text(const struct cz_dims *dims,
                         char text[CZ_DIMS_TEXT_BYTES])
{
    size_t at = 0;
    text[at++] = '[';
    for (size_t i = 0; i < dims->rank; i++)
        at += (size_t)snprintf(text + at, CZ_DIMS_TEXT_BYTES - at, "%s%" PRId64,
                               i ? "," : "", dims->size[i]);
    snprintf(text + at, CZ_DIMS_TEXT_BYTES - at, "]");
    return text;
}

bool cz_dims_equal(const struct cz_dims *a, const struct cz_dims *b)
{
    return a->rank == b->rank &&
           memcmp(a->size, b->size, a->rank * sizeof *a->size) == 0;
}

/* The dimension of `dims` at position i of a shape of `rank`: 1 in front. */
static int64_t size_at(const struct cz_dims *dims, size_t i, size_t rank)
{
    size_t missing = rank - dims->rank;
    return i < missing ? 1 : dims->size[i - missing];
}

bool cz_dims_broadcast(struct cz_dims *result, const struct cz_dims *a,
                       const struct cz_dims *b)
{
    struct cz_dims both = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (size_t i = 0; i < both.rank; i++) {
        int64_t x = size_at(a, i, both.rank), y = size_at(b, i, both.rank);
        if (x != y && x != 1 && y != 1)
            return false;
        both.size[i] = x == 1 ? y : x;
    }
    *result = both;
    return true;
}

size_t cz_dims_product(const struct cz_dims *dims, size_t from, size_t to)
{
    size_t product = 1;
    for (size_t i = from; i < to; i++)
        product *= (size_t)dims->size[i];
    return product;
}

void cz_dims_strides(const struct cz_dims *dims, size_t strides[CZ_RANK_MAX])
{
    size_t stride = 1;
    for (size_t i = dims->rank; i-- > 0;) {
        strides[i] = stride;
        stride *= (size_t)dims->size[i];
    }
}

void cz_dims_broadcast_strides(const struct cz_dims *dims,
                               const struct cz_dims *as,
                               size_t strides[CZ_RANK_MAX])
{
    size_t own[CZ_RANK_MAX];
    size_t missing = as->rank - dims->rank;
    cz_dims_strides(dims, own);
    for (size_t i = 0; i < as->rank; i++) {
        bool repeats = i < missing || dims->size[i - missing] == 1;
        strides[i] = repeats ? 0 : own[i - missing];
    }
}

/* ---- arrays ----------------------------------------------------------- */

size_t cz_element_bytes(enum cz_dtype dtype)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
    case CZ_DTYPE_DOUBLE:
    case CZ_DTYPE_INT8:
    case CZ_DTYPE_INT16:
    case CZ_DTYPE_INT32:
    case CZ_DTYPE_INT64:
    case CZ_DTYPE_UINT8:
    case CZ_DTYPE_UINT16:
    case CZ_DTYPE_UINT32:
    case CZ_DTYPE_UINT64:
    case CZ_DTYPE_BOOL:
        return cz_dtype_bits(dtype) / 8;
    default:
        return 0;
    }
}

size_t cz_array_count(const struct cz_array *array)
{
    return cz_dims_product(&array->dims, 0, array->dims.rank);
}

/* ---- operands --------------------------------------------------------- */

struct cz_array *cz_step_input(const struct cz_step *step, size_t i)
{
    return i < step->n_inputs ? step->inputs[i] : NULL;
}

enum cz_status cz_step_output(struct cz_step *step, size_t i,
                              enum cz_dtype dtype, const struct cz_dims *dims,
                              struct cz_error *err)
{
    struct cz_array *array = i < step->n_outputs ? step->outputs[i] : NULL;
    char text[CZ_DIMS_TEXT_BYTES];
    size_t count, bytes;
    if (!array)
        return CZ_OK;
    if (cz_element_bytes(dtype) == 0)
        return cz_step_unsupported(step, err, "element type %s",
                                   cz_dtype_name(dtype));
    for (size_t d = 0; d < dims->rank; d++) {
        if (dims->size[d] < 0)
            return cz_step_error(step, err, "its output would be %s",
                                 cz_dims_text(dims, text));
    }
    if (!cz_dims_count(dims->size, dims->rank, &count) ||
        !cz_mul_size(count, cz_element_bytes(dtype), &bytes) ||
        bytes > ARRAY_BYTES_MAX)
        return cz_step_error(step, err,
                             "its output of %s %s would not fit in memory",
                             cz_dtype_name(dtype), cz_dims_text(dims, text));
    array->dtype = dtype;
    array->dims = *dims;
    array->size_bytes = bytes;
    return CZ_OK;
}

void cz_step_set_dynamic(struct cz_step *step)
{
    step->is_dynamic = true;
}

enum cz_status cz_step_ints(struct cz_int_room *room,
                            const struct cz_step *step, size_t i,
                            struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    room->is_known = !array || array->known;
    room->count = 0;
    if (!array || !array->known)
        return CZ_OK;
    if (array->dtype != CZ_DTYPE_INT64 && array->dtype != CZ_DTYPE_INT32)
        return cz_step_error(step, err, "input %zu is %s, want int64", i,
                             cz_dtype_name(array->dtype));
    size_t n = cz_array_count(array);
    if (n > room->capacity)
        return cz_step_error(step, err,
                             "input %zu has %zu numbers, at most %zu can be", i,
                             n, room->capacity);
    for (size_t k = 0; k < n; k++)
        room->ints[k] = array->dtype == CZ_DTYPE_INT64
                            ? ((const int64_t *)array->known)[k]
                            : ((const int32_t *)array->known)[k];
    room->count = n;
    return CZ_OK;
}

enum cz_status cz_step_axis(const struct cz_step *step, int64_t number,
                            size_t rank, size_t *axis, struct cz_error *err)
{
    int64_t n = (int64_t)rank;
    if (number < -n || number >= n)
        return cz_step_error(step, err,
                             "axis %" PRId64 " is outside of %zu dimensions",
                             number, rank);
    *axis = (size_t)(number < 0 ? number + n : number);
    return CZ_OK;
}

enum cz_status cz_step_want_dtype(const struct cz_step *step, size_t i,
                                  enum cz_dtype dtype, struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    if (!array || array->dtype == dtype)
        return CZ_OK;
    return cz_step_error(step, err, "input %zu is %s, want %s", i,
                         cz_dtype_name(array->dtype), cz_dtype_name(dtype));
}

enum cz_status cz_step_want_rank(const struct cz_step *step, size_t i,
                                 size_t rank, struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    char text[CZ_DIMS_TEXT_BYTES];
    if (!array || array->dims.rank == rank)
        return CZ_OK;
    return cz_step_error(step, err, "input %zu is %s, want %zu dimensions", i,
                         cz_dims_text(&array->dims, text), rank);
}

/* ---- activations ------------------------------------------------------ */

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float clip(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

float cz_activate(const struct cz_activation *activation, float x)
{
    const float alpha = activation->alpha, beta = activation->beta;
    switch (activation->kind) {
    case CZ_ACT_RELU:
        return x < 0 ? 0 : x;
    case CZ_ACT_LEAKY_RELU:
        return x < 0 ? alpha * x : x;
    case CZ_ACT_CLIP:
        return clip(x, alpha, beta);
    case CZ_ACT_SIGMOID:
        return sigmoid(x);
    case CZ_ACT_SILU:
        return x * sigmoid(x);
    case CZ_ACT_HARD_SIGMOID:
        return clip(alpha * x + beta, 0, 1);
    case CZ_ACT_HARD_SWISH:
        return x * clip(x / 6 + 0.5f, 0, 1);
    case CZ_ACT_TANH:
        return tanhf(x);
    case CZ_ACT_MISH:
        return x * tanhf(log1pf(expf(x)));
    case CZ_ACT_ELU:
        return x < 0 ? alpha * expm1f(x) : x;
    case CZ_ACT_GELU:
        return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
    default:
        return x;
    }
}
