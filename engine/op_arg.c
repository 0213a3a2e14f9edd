/* ArgMax and ArgMin, by the ONNX operator specification. NaN is found before
 * any number, as numpy does. */
#include <string.h>

#include "engine/attr_internal.h"
#include "engine/lines_internal.h"
#include "engine/scalar_internal.h"

struct arg_params {
    int64_t axis;
    bool keepdims, takes_last;
};

/* ---- kernels ---------------------------------------------------------- */

/* `better`: does v take the place of u, the best so far? */
#define ARG(op, name, T, better)                                               \
    static void op##_##name(const struct cz_tile *tile)                        \
    {                                                                          \
        const T *x = tile->x;                                                  \
        int64_t *y = tile->y;                                                  \
        T best[CZ_TILE];                                                       \
        memcpy(best, x, tile->count * sizeof(T));                              \
        memset(y, 0, tile->count * sizeof *y);                                 \
        for (size_t k = 1; k < tile->length; k++) {                            \
            const T *line = x + k * tile->stride;                              \
            for (size_t j = 0; j < tile->count; j++) {                         \
                const T u = best[j], v = line[j];                              \
                const bool wins = (better);                                    \
                best[j] = wins ? v : u;                                        \
                y[j] = wins ? (int64_t)k : y[j];                               \
            }                                                                  \
        }                                                                      \
    }

#define ARGS(dtype, T, name, low, high)                                        \
    ARG(first_max, name, T, v > u || (v != v && u == u))                       \
    ARG(last_max, name, T, v >= u || v != v)                                   \
    ARG(first_min, name, T, v < u || (v != v && u == u))                       \
    ARG(last_min, name, T, v <= u || v != v)
CZ_EACH_NUMBER(ARGS)

/* [is ArgMin][takes the last][dtype] */
static void (*const args[2][2][CZ_DTYPE_COUNT])(const struct cz_tile *tile) = {
#define ENTRY(dtype, T, name, low, high)                                       \
    [0][0][CZ_DTYPE_##dtype] = first_max_##name,                               \
    [0][1][CZ_DTYPE_##dtype] = last_max_##name,                                \
    [1][0][CZ_DTYPE_##dtype] = first_min_##name,                               \
    [1][1][CZ_DTYPE_##dtype] = last_min_##name,
    CZ_EACH_NUMBER(ENTRY)
#undef ENTRY
};

/* ---- the operator ----------------------------------------------------- */

static enum cz_status parse(struct cz_step *step, const struct cz_node *node,
                            struct cz_error *err)
{
    const struct cz_attrs attrs = {step, node, err};
    struct arg_params *p = step->params;
    p->keepdims = true;
    CZ_TRY(cz_attrs_int(&attrs, "axis", CZ_RANGE_ANY, &p->axis));
    CZ_TRY(cz_attrs_bool(&attrs, "keepdims", &p->keepdims));
    return cz_attrs_bool(&attrs, "select_last_index", &p->takes_last);
}

static enum cz_status shape(struct cz_step *step, struct cz_error *err)
{
    const struct arg_params *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_dims dims = {.rank = 0};
    size_t axis;
    char text[CZ_DIMS_TEXT_BYTES];
    if (!args[0][0][x->dtype])
        return cz_step_unsupported(step, err, "not for elements of %s",
                                   cz_dtype_name(x->dtype));
    CZ_TRY(cz_step_axis(step, p->axis, x->dims.rank, &axis, err));
    for (size_t i = 0; i < x->dims.rank; i++) {
        if (i != axis)
            dims.size[dims.rank++] = x->dims.size[i];
        else if (p->keepdims)
            dims.size[dims.rank++] = 1;
    }
    if (x->dims.size[axis] == 0)
        return cz_step_error(step, err, "axis %zu of %s has no elements", axis,
                             cz_dims_text(&x->dims, text));
    return cz_step_output(step, 0, CZ_DTYPE_INT64, &dims, err);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    const struct arg_params *p = step->params;
    const bool is_min = strcmp(step->op->op_type, "ArgMin") == 0;
    size_t axis;
    CZ_TRY(cz_step_axis(step, p->axis, step->inputs[0]->dims.rank, &axis, err));
    struct cz_lines lines = cz_lines_of(step, axis, axis + 1);
    lines.reduces = true;
    lines.kernel = args[is_min][p->takes_last][step->inputs[0]->dtype];
    cz_lines_run(&lines, exec);
    return CZ_OK;
}

#define ROW(name)                                                              \
    {                                                                          \
        .op_type = name, .since = 1, .min_inputs = 1, .max_inputs = 1,         \
        .params_size = sizeof(struct arg_params), .parse = parse,              \
        .shape = shape, .run = run                                             \
    }

const struct cz_op cz_ops_arg[] = {
    ROW("ArgMax"),
    ROW("ArgMin"),
    {.op_type = NULL},
};
