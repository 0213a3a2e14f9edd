/* Comparisons, logic, bits and Where, with operands that are broadcast against
 * each other, by the ONNX operator specification. */
#include <string.h>

#include "engine/attr_internal.h"
#include "engine/scalar_internal.h"
#include "engine/walk_internal.h"

/* One operator: its kernel for each element type, NULL where it has none. */
struct logic {
    const char *op_type;
    bool makes_bool;
    void (*of[CZ_DTYPE_COUNT])(const struct cz_row *row);
};

struct logic_params {
    const struct logic *logic;
};

/* ---- kernels ---------------------------------------------------------- */

#define COMPARE(dtype, T, name, low, high)                                     \
    CZ_BINARY_KERNEL(equal, name, T, uint8_t, u == v)                          \
    CZ_BINARY_KERNEL(greater, name, T, uint8_t, u > v)                         \
    CZ_BINARY_KERNEL(less, name, T, uint8_t, u < v)                            \
    CZ_BINARY_KERNEL(greater_or_equal, name, T, uint8_t, u >= v)               \
    CZ_BINARY_KERNEL(less_or_equal, name, T, uint8_t, u <= v)
CZ_EACH_NUMBER(COMPARE)

/* A file may hold any byte for true. */
CZ_BINARY_KERNEL(and, b8, uint8_t, uint8_t, (u != 0) & (v != 0))
CZ_BINARY_KERNEL(or, b8, uint8_t, uint8_t, (u | v) != 0)
CZ_BINARY_KERNEL(xor, b8, uint8_t, uint8_t, (u != 0) ^ (v != 0))
CZ_BINARY_KERNEL(equal, b8, uint8_t, uint8_t, (u != 0) == (v != 0))

#define BITS(dtype, T, name, low, high)                                        \
    CZ_BINARY_KERNEL(bit_and, name, T, T, u &v)                                \
    CZ_BINARY_KERNEL(bit_or, name, T, T, u | v)                                \
    CZ_BINARY_KERNEL(bit_xor, name, T, T, u ^ v)
CZ_EACH_INT(BITS)

/* Shifted out altogether where C would not have it. */
#define SHIFT(dtype, T, name, low, high)                                       \
    CZ_BINARY_KERNEL(shift_left, name, T, T,                                   \
                     v < 8 * sizeof(T) ? (uint64_t)u << v : 0)                 \
    CZ_BINARY_KERNEL(shift_right, name, T, T,                                  \
                     v < 8 * sizeof(T) ? (uint64_t)u >> v : 0)
CZ_EACH_UNSIGNED(SHIFT)

/* ---- the list --------------------------------------------------------- */

static const struct logic logics[] = {
    {"Equal", true, CZ_OF_NUMBERS(equal), .of[CZ_DTYPE_BOOL] = equal_b8},
    {"Greater", true, CZ_OF_NUMBERS(greater)},
    {"Less", true, CZ_OF_NUMBERS(less)},
    {"GreaterOrEqual", true, CZ_OF_NUMBERS(greater_or_equal)},
    {"LessOrEqual", true, CZ_OF_NUMBERS(less_or_equal)},
    {"And", true, .of[CZ_DTYPE_BOOL] = and_b8},
    {"Or", true, .of[CZ_DTYPE_BOOL] = or_b8},
    {"Xor", true, .of[CZ_DTYPE_BOOL] = xor_b8},
    {"BitwiseAnd", false, CZ_OF_INTS(bit_and)},
    {"BitwiseOr", false, CZ_OF_INTS(bit_or)},
    {"BitwiseXor", false, CZ_OF_INTS(bit_xor)},
    {"BitShift:LEFT", false, CZ_OF_UNSIGNED(shift_left)},
    {"BitShift:RIGHT", false, CZ_OF_UNSIGNED(shift_right)},
};

static const struct logic *find(const char *op_type)
{
    for (size_t i = 0; i < sizeof logics / sizeof *logics; i++) {
        if (strcmp(logics[i].op_type, op_type) == 0)
            return &logics[i];
    }
    return NULL;
}

/* ---- two operands ----------------------------------------------------- */

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    (void)node;
    (void)err;
    struct logic_params *p = step->params;
    p->logic = find(step->op->op_type);
    return CZ_OK;
}

static enum cz_status parse_shift(struct cz_step *step,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    static const char *const words[] = {"LEFT", "RIGHT", NULL};
    const struct cz_attrs attrs = {step, node, err};
    struct logic_params *p = step->params;
    size_t direction = 2;
    CZ_TRY(cz_attrs_word(&attrs, "direction", words, &direction));
    if (direction == 2)
        return cz_step_error(step, err, "no direction");
    p->logic = find(direction == 0 ? "BitShift:LEFT" : "BitShift:RIGHT");
    return CZ_OK;
}

static enum cz_status broadcast(const struct cz_step *step,
                                struct cz_dims *dims, struct cz_error *err)
{
    char a[CZ_DIMS_TEXT_BYTES], b[CZ_DIMS_TEXT_BYTES];
    *dims = step->inputs[0]->dims;
    for (size_t i = 1; i < step->n_inputs; i++) {
        const struct cz_dims *next = &step->inputs[i]->dims;
        if (!cz_dims_broadcast(dims, dims, next))
            return cz_step_error(step, err, "cannot broadcast %s against %s",
                                 cz_dims_text(dims, a), cz_dims_text(next, b));
    }
    return CZ_OK;
}

static enum cz_status shape(struct cz_step *step, struct cz_error *err)
{
    const struct logic *logic = ((struct logic_params *)step->params)->logic;
    const enum cz_dtype dtype = step->inputs[0]->dtype;
    struct cz_dims dims;
    if (!logic->of[dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(dtype));
    CZ_TRY(cz_step_want_dtype(step, 1, dtype, err));
    CZ_TRY(broadcast(step, &dims, err));
    return cz_step_output(step, 0, logic->makes_bool ? CZ_DTYPE_BOOL : dtype,
                          &dims, err);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    (void)err;
    const struct logic *logic = ((struct logic_params *)step->params)->logic;
    const struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    cz_walk_run(&(struct cz_walk){.output = step->outputs[0],
                                  .n_inputs = 2,
                                  .inputs = {a, b},
                                  .kernel = logic->of[a->dtype]},
                exec);
    return CZ_OK;
}

/* ---- Where ------------------------------------------------------------ */

/* Elements are moved, not looked at: their size is all that matters. */
#define WHERE(T)                                                               \
    static void where_##T(const struct cz_row *row)                            \
    {                                                                          \
        const uint8_t *condition = row->x[0];                                  \
        const T *a = row->x[1], *b = row->x[2];                                \
        const size_t c_step = row->step[0];                                    \
        const size_t a_step = row->step[1], b_step = row->step[2];             \
        T *y = row->y;                                                         \
        for (size_t i = 0; i < row->count; i++)                                \
            y[i] = condition[i * c_step] ? a[i * a_step] : b[i * b_step];      \
    }
WHERE(uint8_t)
WHERE(uint16_t)
WHERE(uint32_t)
WHERE(uint64_t)

static enum cz_status shape_where(struct cz_step *step, struct cz_error *err)
{
    struct cz_dims dims;
    CZ_TRY(cz_step_want_dtype(step, 0, CZ_DTYPE_BOOL, err));
    CZ_TRY(cz_step_want_dtype(step, 2, step->inputs[1]->dtype, err));
    CZ_TRY(broadcast(step, &dims, err));
    return cz_step_output(step, 0, step->inputs[1]->dtype, &dims, err);
}

static enum cz_status run_where(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    (void)err;
    struct cz_walk walk = {
        .output = step->outputs[0],
        .n_inputs = 3,
        .inputs = {step->inputs[0], step->inputs[1], step->inputs[2]},
    };
    switch (cz_element_bytes(step->outputs[0]->dtype)) {
    case 1:
        walk.kernel = where_uint8_t;
        break;
    case 2:
        walk.kernel = where_uint16_t;
        break;
    case 4:
        walk.kernel = where_uint32_t;
        break;
    default:
        walk.kernel = where_uint64_t;
    }
    cz_walk_run(&walk, exec);
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

#define ROW_PARSED(name, version, parser)                                      \
    {                                                                          \
        .op_type = name, .since = version, .min_inputs = 2, .max_inputs = 2,   \
        .params_size = sizeof(struct logic_params), .parse = parser,           \
        .shape = shape, .run = run                                             \
    }
#define ROW(name, version) ROW_PARSED(name, version, parse)

const struct cz_op cz_ops_logic[] = {
    ROW("Equal", 7),
    ROW("Greater", 7),
    ROW("Less", 7),
    ROW("GreaterOrEqual", 12),
    ROW("LessOrEqual", 12),
    ROW("And", 7),
    ROW("Or", 7),
    ROW("Xor", 7),
    ROW("BitwiseAnd", 18),
    ROW("BitwiseOr", 18),
    ROW("BitwiseXor", 18),
    ROW_PARSED("BitShift", 11, parse_shift),
    {.op_type = "Where",
     .since = 9,
     .min_inputs = 3,
     .max_inputs = 3,
     .shape = shape_where,
     .run = run_where},
    {.op_type = NULL},
};
