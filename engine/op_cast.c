/* Cast and CastLike. Integers wrap around; floats become integers by cutting
 * off, at the ends of the range where they are beyond it, NaN as 0 (the
 * specification leaves those two open). float16 and bfloat16 are rounded to,
 * but stay float32, as they do everywhere in a plan. */
#include <string.h>

#include "core/bits.h"
#include "core/half.h"
#include "engine/attr_internal.h"
#include "engine/scalar_internal.h"
#include "engine/walk_internal.h"

struct cast_params {
    enum cz_dtype to; /* as the model has it */
};

/* ---- kernels ---------------------------------------------------------- */

#define SAME(x) (x)
#define IS_SET(x) ((x) != 0)

#define CASE(dtype, S, T, convert)                                             \
    case CZ_DTYPE_##dtype:                                                     \
        for (size_t i = 0; i < n; i++)                                         \
            y[i] = (T)convert(((const S *)x)[i]);                              \
        break;

/* A kernel for each type to cast to, from any type: row->user is the dtype. */
#define CAST_TO(name, T, of_float, of_int)                                     \
    static void to_##name(const struct cz_row *row)                            \
    {                                                                          \
        const void *x = row->x[0];                                             \
        const size_t n = row->count;                                           \
        T *y = row->y;                                                         \
        switch (*(const enum cz_dtype *)row->user) {                           \
            CASE(FLOAT, float, T, of_float)                                    \
            CASE(DOUBLE, double, T, of_float)                                  \
            CASE(INT8, int8_t, T, of_int)                                      \
            CASE(INT16, int16_t, T, of_int)                                    \
            CASE(INT32, int32_t, T, of_int)                                    \
            CASE(INT64, int64_t, T, of_int)                                    \
            CASE(UINT8, uint8_t, T, of_int)                                    \
            CASE(UINT16, uint16_t, T, of_int)                                  \
            CASE(UINT32, uint32_t, T, of_int)                                  \
            CASE(UINT64, uint64_t, T, of_int)                                  \
            CASE(BOOL, uint8_t, T, IS_SET)                                     \
        default:                                                               \
            break;                                                             \
        }                                                                      \
    }

#define INT(dtype, T, name, low, high)                                         \
    CAST_TO(name, T, cz_##name##_saturate, SAME)
CZ_EACH_INT(INT)
CAST_TO(f32, float, SAME, SAME)
CAST_TO(f64, double, SAME, SAME)
CAST_TO(b8, uint8_t, IS_SET, IS_SET)

/* cz_half_to_float(cz_half_from_float(x)) without a branch, for vectors. */
static float round_to_half(float x)
{
    const uint32_t magnitude = cz_float_bits(x) & 0x7fffffff;
    const uint32_t sign = cz_float_bits(x) ^ magnitude;
    const uint32_t odd = magnitude >> 13 & 1;
    uint32_t result = (magnitude + 0xfff + odd) & ~(uint32_t)0x1fff;
    /* Below 2^-14 the steps are of 2^-24, as those of floats at 0.5 are. */
    const uint32_t tiny =
        cz_float_bits((cz_bits_float(magnitude) + 0.5f) - 0.5f);
    result = magnitude < 0x38800000 ? tiny : result;
    /* 65520 and above round to infinity. */
    result = magnitude >= 0x477ff000 ? 0x7f800000 : result;
    result = magnitude > 0x7f800000 ? 0x7fc00000 : result;
    return cz_bits_float(sign | result);
}

static float round_to_bfloat16(float x)
{
    return cz_bfloat16_to_float(cz_bfloat16_from_float(x));
}

static void to_half(const struct cz_row *row)
{
    float *y = row->y;
    to_f32(row);
    for (size_t i = 0; i < row->count; i++)
        y[i] = round_to_half(y[i]);
}

static void to_bfloat16(const struct cz_row *row)
{
    float *y = row->y;
    to_f32(row);
    for (size_t i = 0; i < row->count; i++)
        y[i] = round_to_bfloat16(y[i]);
}

static const struct {
    void (*of[CZ_DTYPE_COUNT])(const struct cz_row *row);
} casts = {
    CZ_OF_NUMBERS(to),
    .of[CZ_DTYPE_BOOL] = to_b8,
    .of[CZ_DTYPE_FLOAT16] = to_half,
    .of[CZ_DTYPE_BFLOAT16] = to_bfloat16,
};

/* ---- operators -------------------------------------------------------- */

static enum cz_status parse_cast(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct cast_params *p = step->params;
    int64_t to = 0;
    CZ_TRY(cz_attrs_int(&attrs, "to", CZ_RANGE_ANY, &to));
    if (to <= 0 || to >= CZ_DTYPE_COUNT)
        return cz_step_error(step, err, "to is %lld, not an element type",
                             (long long)to);
    p->to = (enum cz_dtype)to;
    if (!casts.of[p->to])
        return cz_step_unsupported(step, err, "cannot cast to %s",
                                   cz_dtype_name(p->to));
    return CZ_OK;
}

static enum cz_status shape_cast(struct cz_step *step, struct cz_error *err)
{
    const enum cz_dtype to = ((struct cast_params *)step->params)->to;
    return cz_step_output(step, 0, cz_inner_dtype(to), &step->inputs[0]->dims,
                          err);
}

static void cast(const struct cz_step *step, enum cz_dtype to,
                 const struct cz_exec *exec)
{
    const struct cz_array *x = step->inputs[0];
    cz_walk_run(&(struct cz_walk){.output = step->outputs[0],
                                  .n_inputs = 1,
                                  .inputs = {x},
                                  .kernel = casts.of[to],
                                  .user = &x->dtype},
                exec);
}

static enum cz_status run_cast(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    (void)err;
    cast(step, ((struct cast_params *)step->params)->to, exec);
    return CZ_OK;
}

static enum cz_status shape_cast_like(struct cz_step *step,
                                      struct cz_error *err)
{
    return cz_step_output(step, 0, step->inputs[1]->dtype,
                          &step->inputs[0]->dims, err);
}

static enum cz_status run_cast_like(struct cz_step *step,
                                    const struct cz_exec *exec,
                                    struct cz_error *err)
{
    (void)err;
    cast(step, step->inputs[1]->dtype, exec);
    return CZ_OK;
}

const struct cz_op cz_ops_cast[] = {
    {.op_type = "Cast",
     .since = 6,
     .min_inputs = 1,
     .max_inputs = 1,
     .params_size = sizeof(struct cast_params),
     .parse = parse_cast,
     .shape = shape_cast,
     .run = run_cast},
    {.op_type = "CastLike",
     .since = 15,
     .min_inputs = 2,
     .max_inputs = 2,
     .shape = shape_cast_like,
     .run = run_cast_like},
    {.op_type = NULL},
};
