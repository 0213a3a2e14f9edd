/* Arithmetic on two or more operands that are broadcast against each other, by
 * the ONNX operator specification. Integers wrap around and divide towards
 * zero; dividing one by zero is an error. The larger of a number and NaN is
 * NaN, as in numpy. */
#include <math.h>
#include <string.h>

#include "engine/attr_internal.h"
#include "engine/scalar_internal.h"
#include "engine/walk_internal.h"

/* One operator: its kernel for each element type, NULL where it has none. */
struct arithmetic {
    const char *op_type;
    bool divides; /* integers, which 0 must not be */
    void (*of[CZ_DTYPE_COUNT])(const struct cz_row *row);
};

struct arithmetic_params {
    const struct arithmetic *arithmetic;
};

/* ---- kernels ---------------------------------------------------------- */

#define REAL(dtype, T, name, low, high)                                        \
    CZ_BINARY_KERNEL(add, name, T, T, u + v)                                   \
    CZ_BINARY_KERNEL(sub, name, T, T, u - v)                                   \
    CZ_BINARY_KERNEL(mul, name, T, T, (u * v))                                 \
    CZ_BINARY_KERNEL(div, name, T, T, u / v)                                   \
    CZ_BINARY_KERNEL(max, name, T, T, u > v || u != u ? u : v)                 \
    CZ_BINARY_KERNEL(min, name, T, T, u < v || u != u ? u : v)                 \
    CZ_BINARY_KERNEL(prelu, name, T, T, u < 0 ? u * v : u)

/* Through uint64_t, where overflow is defined. */
#define INTEGER(dtype, T, name, low, high)                                     \
    CZ_BINARY_KERNEL(add, name, T, T, (uint64_t)u + (uint64_t)v)               \
    CZ_BINARY_KERNEL(sub, name, T, T, (uint64_t)u - (uint64_t)v)               \
    CZ_BINARY_KERNEL(mul, name, T, T, ((uint64_t)u * (uint64_t)v))             \
    CZ_BINARY_KERNEL(max, name, T, T, u > v ? u : v)                           \
    CZ_BINARY_KERNEL(min, name, T, T, u < v ? u : v)

/* The lowest number divided by -1 is no number: it wraps. mod has the sign of
 * the divisor, rem that of the dividend. */
#define SIGNED(dtype, T, name, low, high)                                      \
    CZ_BINARY_KERNEL(div, name, T, T,                                          \
                     v == -1 ? (T)(0 - (uint64_t)u) : (T)(u / v))              \
    CZ_BINARY_KERNEL(rem, name, T, T, v == -1 ? 0 : u % v)                     \
    CZ_BINARY_KERNEL(mod, name, T, T,                                          \
                     v == -1                                ? 0                \
                     : u % v != 0 && (u % v < 0) != (v < 0) ? u % v + v        \
                                                            : u % v)           \
    CZ_BINARY_KERNEL(prelu, name, T, T,                                        \
                     u < 0 ? (T)((uint64_t)u * (uint64_t)v) : u)

#define UNSIGNED(dtype, T, name, low, high)                                    \
    CZ_BINARY_KERNEL(div, name, T, T, u / v)                                   \
    CZ_BINARY_KERNEL(rem, name, T, T, u % v)

/* Operand 0, broadcast. */
#define COPY(dtype, T, name, low, high)                                        \
    static void copy_##name(const struct cz_row *row)                          \
    {                                                                          \
        const T *x = row->x[0];                                                \
        T *y = row->y;                                                         \
        for (size_t i = 0; i < row->count; i++)                                \
            y[i] = x[i * row->step[0]];                                        \
    }
CZ_EACH_NUMBER(COPY)
CZ_EACH_FLOAT(REAL)
CZ_EACH_INT(INTEGER)
CZ_EACH_SIGNED(SIGNED)
CZ_EACH_UNSIGNED(UNSIGNED)
CZ_BINARY_KERNEL(rem, f32, float, float, fmodf(u, v))
CZ_BINARY_KERNEL(rem, f64, double, double, fmod(u, v))
/* Squares are most of what models have. */
CZ_BINARY_KERNEL(pow, f32, float, float, v == 2 ? u * u : powf(u, v))
CZ_BINARY_KERNEL(pow, f64, double, double, pow(u, v))

/* ---- the list --------------------------------------------------------- */

static const struct arithmetic arithmetics[] = {
    {"Add", CZ_OF_NUMBERS(add)},
    {"Sub", CZ_OF_NUMBERS(sub)},
    {"Mul", CZ_OF_NUMBERS(mul)},
    {"Div", CZ_OF_NUMBERS(div), .divides = true},
    {"Mod", CZ_OF_SIGNED(mod), CZ_OF_UNSIGNED(rem), .divides = true},
    {"Mod:fmod", CZ_OF_NUMBERS(rem), .divides = true},
    {"PRelu", CZ_OF_FLOATS(prelu), CZ_OF_SIGNED(prelu), CZ_OF_UNSIGNED(copy)},
    {"Max", CZ_OF_NUMBERS(max)},
    {"Min", CZ_OF_NUMBERS(min)},
    {"Sum", CZ_OF_FLOATS(add)},
    {"Mean", CZ_OF_FLOATS(add)},
};

static const struct arithmetic *find(const char *op_type)
{
    for (size_t i = 0; i < sizeof arithmetics / sizeof *arithmetics; i++) {
        if (strcmp(arithmetics[i].op_type, op_type) == 0)
            return &arithmetics[i];
    }
    return NULL;
}

static const struct arithmetic *arithmetic_of(const struct cz_step *step)
{
    return ((const struct arithmetic_params *)step->params)->arithmetic;
}

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    (void)node;
    (void)err;
    struct arithmetic_params *p = step->params;
    p->arithmetic = find(step->op->op_type);
    return CZ_OK;
}

static enum cz_status parse_mod(struct cz_step *step,
                                const struct cz_node *node,
                                struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct arithmetic_params *p = step->params;
    bool fmod_form = false;
    CZ_TRY(cz_attrs_bool(&attrs, "fmod", &fmod_form));
    p->arithmetic = find(fmod_form ? "Mod:fmod" : "Mod");
    return CZ_OK;
}

/* ---- two operands ----------------------------------------------------- */

static enum cz_status check_dtype(const struct cz_step *step,
                                  struct cz_error *err)
{
    const enum cz_dtype dtype = step->inputs[0]->dtype;
    if (!arithmetic_of(step)->of[dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(dtype));
    for (size_t i = 1; i < step->n_inputs; i++) {
        if (!step->inputs[i])
            return cz_step_error(step, err, "input %zu is missing", i);
        CZ_TRY(cz_step_want_dtype(step, i, dtype, err));
    }
    return CZ_OK;
}

static enum cz_status shape(struct cz_step *step, struct cz_error *err)
{
    struct cz_dims dims = step->inputs[0]->dims;
    char a[CZ_DIMS_TEXT_BYTES], b[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(check_dtype(step, err));
    for (size_t i = 1; i < step->n_inputs; i++) {
        const struct cz_dims *next = &step->inputs[i]->dims;
        if (!cz_dims_broadcast(&dims, &dims, next))
            return cz_step_error(step, err, "cannot broadcast %s against %s",
                                 cz_dims_text(&dims, a), cz_dims_text(next, b));
    }
    return cz_step_output(step, 0, step->inputs[0]->dtype, &dims, err);
}

/* The slope is broadcast to x, never x to the slope. */
static enum cz_status shape_prelu(struct cz_step *step, struct cz_error *err)
{
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *slope = &step->inputs[1]->dims;
    struct cz_dims both;
    char a[CZ_DIMS_TEXT_BYTES], b[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(check_dtype(step, err));
    if (!cz_dims_broadcast(&both, x, slope) || !cz_dims_equal(&both, x))
        return cz_step_error(step, err, "slope %s does not broadcast to %s",
                             cz_dims_text(slope, a), cz_dims_text(x, b));
    return cz_step_output(step, 0, step->inputs[0]->dtype, x, err);
}

static bool has_zero(const struct cz_array *array)
{
    static const char zero[8];
    const size_t bytes = cz_element_bytes(array->dtype);
    const size_t count = cz_array_count(array);
    const char *element = array->data;
    for (size_t i = 0; i < count; i++, element += bytes) {
        if (memcmp(element, zero, bytes) == 0)
            return true;
    }
    return false;
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    const struct arithmetic *arithmetic = arithmetic_of(step);
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    if (arithmetic->divides && !cz_dtype_is_float(b->dtype) &&
        cz_array_count(step->outputs[0]) && has_zero(b))
        return cz_error_set(err, CZ_EINVAL, "%s '%.200s': division by zero",
                            step->op->op_type, step->name);
    cz_walk_run(&(struct cz_walk){.output = step->outputs[0],
                                  .n_inputs = 2,
                                  .inputs = {a, b},
                                  .kernel = arithmetic->of[a->dtype]},
                exec);
    return CZ_OK;
}

/* ---- any number of operands ------------------------------------------- */

#define DIVIDE(dtype, T, name, low, high)                                      \
    static void divide_##name(const struct cz_row *row)                        \
    {                                                                          \
        const T n = (T)(*(const size_t *)row->user);                           \
        T *y = row->y;                                                         \
        for (size_t i = 0; i < row->count; i++)                                \
            y[i] /= n;                                                         \
    }
CZ_EACH_FLOAT(DIVIDE)

static const struct arithmetic copies = {"", CZ_OF_NUMBERS(copy)};
static const struct arithmetic divisions = {"", CZ_OF_FLOATS(divide)};

/* Input 0 into the output, broadcast, and then one input after the other. */
static enum cz_status run_many(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    struct cz_array *y = step->outputs[0];
    struct cz_walk walk = {.output = y};
    if (step->n_inputs == 2)
        return run(step, exec, err);
    walk.n_inputs = 1;
    walk.inputs[0] = step->inputs[0];
    walk.kernel = copies.of[y->dtype];
    cz_walk_run(&walk, exec);
    walk.n_inputs = 2;
    walk.inputs[0] = y;
    walk.kernel = arithmetic_of(step)->of[y->dtype];
    for (size_t i = 1; i < step->n_inputs; i++) {
        walk.inputs[1] = step->inputs[i];
        cz_walk_run(&walk, exec);
    }
    return CZ_OK;
}

static enum cz_status run_mean(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    struct cz_array *y = step->outputs[0];
    CZ_TRY(run_many(step, exec, err));
    cz_walk_run(&(struct cz_walk){.output = y,
                                  .kernel = divisions.of[y->dtype],
                                  .user = &step->n_inputs},
                exec);
    return CZ_OK;
}

/* ---- powers ----------------------------------------------------------- */

/* An exponent that integers are multiplied by; for others there is pow(). */
static bool is_count(double exponent)
{
    return exponent >= 0 && exponent < 0x1p63 && exponent == floor(exponent);
}

/* It wraps around, as products do. */
static uint64_t power(int64_t base, double exponent)
{
    uint64_t result = 1, square = (uint64_t)base;
    for (uint64_t n = (uint64_t)exponent; n; n >>= 1) {
        result *= n & 1 ? square : 1;
        square *= square;
    }
    return result;
}

/* Exponents of any type; row->user is the dtype. */
#define POW(name, T, expression)                                               \
    static void pow_any_##name(const struct cz_row *row)                       \
    {                                                                          \
        const enum cz_dtype dtype = *(const enum cz_dtype *)row->user;         \
        const T *a = row->x[0];                                                \
        T *y = row->y;                                                         \
        for (size_t i = 0; i < row->count; i++) {                              \
            const T u = a[i * row->step[0]];                                   \
            const double v =                                                   \
                cz_read_double(dtype, row->x[1], i * row->step[1]);            \
            y[i] = (T)(expression);                                            \
        }                                                                      \
    }
POW(f32, float, powf(u, (float)v))
POW(f64, double, pow(u, v))
POW(i32, int32_t,
    is_count(v) ? (int32_t)power(u, v) : cz_i32_saturate(pow(u, v)))
POW(i64, int64_t,
    is_count(v) ? (int64_t)power(u, v) : cz_i64_saturate(pow((double)u, v)))

static const struct arithmetic powers = {"Pow", CZ_OF_FLOATS(pow)};
static const struct arithmetic mixed_powers = {
    "Pow", CZ_OF_FLOATS(pow_any), .of[CZ_DTYPE_INT32] = pow_any_i32,
    .of[CZ_DTYPE_INT64] = pow_any_i64};

static enum cz_status shape_pow(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    struct cz_dims dims;
    char a_text[CZ_DIMS_TEXT_BYTES], b_text[CZ_DIMS_TEXT_BYTES];
    if (!mixed_powers.of[a->dtype] || b->dtype == CZ_DTYPE_BOOL)
        return cz_step_unsupported(
            step, err, "not for elements of %s with exponents of %s",
            cz_dtype_name(a->dtype), cz_dtype_name(b->dtype));
    if (!cz_dims_broadcast(&dims, &a->dims, &b->dims))
        return cz_step_error(step, err, "cannot broadcast %s against %s",
                             cz_dims_text(&a->dims, a_text),
                             cz_dims_text(&b->dims, b_text));
    return cz_step_output(step, 0, a->dtype, &dims, err);
}

static enum cz_status run_pow(struct cz_step *step, const struct cz_exec *exec,
                              struct cz_error *err)
{
    (void)err;
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    const struct arithmetic *form =
        a->dtype == b->dtype && powers.of[a->dtype] ? &powers : &mixed_powers;
    cz_walk_run(&(struct cz_walk){.output = step->outputs[0],
                                  .n_inputs = 2,
                                  .inputs = {a, b},
                                  .kernel = form->of[a->dtype],
                                  .user = &b->dtype},
                exec);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

#define ROW(name, version, flag)                                               \
    {                                                                          \
        .op_type = name, .since = version, .flags = flag, .min_inputs = 2,     \
        .max_inputs = 2, .params_size = sizeof(struct arithmetic_params),      \
        .parse = parse, .shape = shape, .run = run                             \
    }
#define ROW_OF_MANY(name, flag, runner)                                        \
    {                                                                          \
        .op_type = name, .since = 8, .flags = flag, .min_inputs = 1,           \
        .max_inputs = SIZE_MAX,                                                \
        .params_size = sizeof(struct arithmetic_params), .parse = parse,       \
        .shape = shape, .run = runner                                          \
    }

const struct cz_op cz_ops_binary[] = {
    ROW("Add", 7, CZ_OP_ELEMENTWISE),
    ROW("Sub", 7, CZ_OP_ELEMENTWISE),
    ROW("Mul", 7, CZ_OP_ELEMENTWISE),
    ROW("Div", 7, 0),
    {.op_type = "Mod",
     .since = 10,
     .min_inputs = 2,
     .max_inputs = 2,
     .params_size = sizeof(struct arithmetic_params),
     .parse = parse_mod,
     .shape = shape,
     .run = run},
    {.op_type = "PRelu",
     .since = 7,
     .min_inputs = 2,
     .max_inputs = 2,
     .params_size = sizeof(struct arithmetic_params),
     .parse = parse,
     .shape = shape_prelu,
     .run = run},
    {.op_type = "Pow",
     .since = 7,
     .min_inputs = 2,
     .max_inputs = 2,
     .shape = shape_pow,
     .run = run_pow},
    ROW_OF_MANY("Max", CZ_OP_ELEMENTWISE, run_many),
    ROW_OF_MANY("Min", CZ_OP_ELEMENTWISE, run_many),
    /* Not in place: the operand that y overwrites may come twice. */
    ROW_OF_MANY("Sum", 0, run_many),
    ROW_OF_MANY("Mean", 0, run_mean),
    {.op_type = NULL},
};
