/* Operators that write where tensors of indices say: Scatter, ScatterElements,
 * ScatterND. By the ONNX operator specification; where an index is there twice
 * the updates are applied in their order. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MAX, REDUCE_MIN };

struct scatter {
    int64_t number; /* the attribute axis */
    size_t axis;
    enum reduction reduction;
};

static enum cz_status parse_scatter(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    static const char *const names[] = {
        [REDUCE_NONE] = "none", [REDUCE_ADD] = "add", [REDUCE_MUL] = "mul",
        [REDUCE_MAX] = "max",   [REDUCE_MIN] = "min",
    };
    struct scatter *p = step->params;
    const char *name = cz_node_attr_string(node, "reduction", "none");
    p->number = cz_node_attr_int(node, "axis", 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            p->reduction = (enum reduction)i;
            return CZ_OK;
        }
    }
    return cz_step_unsupported(step, err, "reduction '%.40s'", name);
}

/* ---- reductions ------------------------------------------------------- */

/* `wide` is the type to calculate in: unsigned for integers, whose sums wrap
 * around. */
#define COMBINE(type, wide)                                                    \
    do {                                                                       \
        type *a = to;                                                          \
        const type *b = from;                                                  \
        for (size_t i = 0; i < count; i++) {                                   \
            switch (reduction) {                                               \
            case REDUCE_ADD:                                                   \
                a[i] = (type)((wide)a[i] + (wide)b[i]);                        \
                break;                                                         \
            case REDUCE_MUL:                                                   \
                a[i] = (type)((wide)a[i] * (wide)b[i]);                        \
                break;                                                         \
            case REDUCE_MAX:                                                   \
                a[i] = a[i] < b[i] ? b[i] : a[i];                              \
                break;                                                         \
            default:                                                           \
                a[i] = b[i] < a[i] ? b[i] : a[i];                              \
                break;                                                         \
            }                                                                  \
        }                                                                      \
    } while (0)

static void combine_bools(uint8_t *to, const uint8_t *from,
                          enum reduction reduction, size_t count)
{
    bool is_or = reduction == REDUCE_ADD || reduction == REDUCE_MAX;
    for (size_t i = 0; i < count; i++)
        to[i] = is_or ? to[i] || from[i] : to[i] && from[i];
}

static void combine_numbers(void *to, const void *from, enum cz_dtype dtype,
                            enum reduction reduction, size_t count)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        COMBINE(float, float);
        break;
    case CZ_DTYPE_DOUBLE:
        COMBINE(double, double);
        break;
    case CZ_DTYPE_INT8:
        COMBINE(int8_t, uint64_t);
        break;
    case CZ_DTYPE_INT16:
        COMBINE(int16_t, uint64_t);
        break;
    case CZ_DTYPE_INT32:
        COMBINE(int32_t, uint64_t);
        break;
    case CZ_DTYPE_INT64:
        COMBINE(int64_t, uint64_t);
        break;
    case CZ_DTYPE_UINT8:
        COMBINE(uint8_t, uint64_t);
        break;
    case CZ_DTYPE_UINT16:
        COMBINE(uint16_t, uint64_t);
        break;
    case CZ_DTYPE_UINT32:
        COMBINE(uint32_t, uint64_t);
        break;
    default:
        COMBINE(uint64_t, uint64_t);
        break;
    }
}

/* Elements on both sides from element `at` and `from` on. */
static void update(struct cz_step *step, size_t at, size_t from, size_t count)
{
    const struct scatter *p = step->params;
    const enum cz_dtype dtype = step->inputs[0]->dtype;
    const size_t bytes = cz_element_bytes(dtype);
    char *to = (char *)step->outputs[0]->data + at * bytes;
    const char *updates = (const char *)step->inputs[2]->data + from * bytes;
    if (p->reduction == REDUCE_NONE)
        cz_copy_bytes(to, updates, count * bytes);
    else if (dtype == CZ_DTYPE_BOOL)
        combine_bools((uint8_t *)to, (const uint8_t *)updates, p->reduction,
                      count);
    else
        combine_numbers(to, updates, dtype, p->reduction, count);
}

static void copy_data(struct cz_step *step)
{
    cz_copy_bytes(step->outputs[0]->data, step->inputs[0]->data,
                  cz_copy_array_bytes(step->inputs[0]));
}

/* ---- Scatter, ScatterElements ----------------------------------------- */

static enum cz_status shape_elements(struct cz_step *step, struct cz_error *err)
{
    struct scatter *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const struct cz_dims *index = &step->inputs[1]->dims;
    const struct cz_dims *updates = &step->inputs[2]->dims;
    char text[CZ_DIMS_TEXT_BYTES], other[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(cz_step_axis(step, p->number, x->dims.rank, &p->axis, err));
    CZ_TRY(cz_step_check_index_dims(step, p->axis, err));
    CZ_TRY(cz_step_want_dtype(step, 2, x->dtype, err));
    if (!cz_dims_equal(index, updates))
        return cz_step_error(step, err, "%s indices for %s updates",
                             cz_dims_text(index, text),
                             cz_dims_text(updates, other));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static enum cz_status run_elements(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct scatter *p = step->params;
    const struct cz_array *x = step->inputs[0], *index = step->inputs[1];
    const size_t size = (size_t)x->dims.size[p->axis], last = x->dims.rank - 1;
    size_t strides[CZ_RANK_MAX];
    (void)exec;
    CZ_TRY(cz_step_check_indices(step, 1, size, err));
    copy_data(step);
    if (!cz_array_count(index))
        return CZ_OK;
    cz_dims_strides(&x->dims, strides);
    const size_t columns = (size_t)index->dims.size[last];
    const size_t column = last == p->axis ? 0 : 1;
    for (size_t row = 0; row < cz_array_count(index) / columns; row++) {
        const size_t start =
            cz_index_row_start(&index->dims, row, p->axis, strides);
        for (size_t c = 0; c < columns; c++) {
            const size_t i = row * columns + c;
            size_t at;
            cz_index_wrap(&at, cz_index_get(index, i), size);
            update(step, start + at * strides[p->axis] + c * column, i, 1);
        }
    }
    return CZ_OK;
}

/* ---- ScatterND -------------------------------------------------------- */

/* The updates must have the dims of the indices but the last, and then those of
 * the data that the indices leave. */
static enum cz_status shape_nd(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const struct cz_dims *index = &step->inputs[1]->dims;
    const struct cz_dims *updates = &step->inputs[2]->dims;
    char text[CZ_DIMS_TEXT_BYTES], other[CZ_DIMS_TEXT_BYTES];
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    CZ_TRY(cz_step_want_dtype(step, 2, x->dtype, err));
    int64_t depth = index->rank ? index->size[index->rank - 1] : 0;
    bool fits = depth >= 1 && depth <= (int64_t)x->dims.rank &&
                updates->rank + 1 + (size_t)depth == index->rank + x->dims.rank;
    for (size_t i = 0; fits && i < updates->rank; i++) {
        fits = updates->size[i] ==
               (i + 1 < index->rank
                    ? index->size[i]
                    : x->dims.size[i + 1 + (size_t)depth - index->rank]);
    }
    if (!fits)
        return cz_step_error(
            step, err, "%s indices and %s updates do not fit together",
            cz_dims_text(index, text), cz_dims_text(updates, other));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

static enum cz_status run_nd(struct cz_step *step, const struct cz_exec *exec,
                             struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0], *index = step->inputs[1];
    const size_t depth = (size_t)index->dims.size[index->dims.rank - 1];
    const size_t count = cz_dims_product(&x->dims, depth, x->dims.rank);
    const size_t n = cz_array_count(index) / depth;
    (void)exec;
    copy_data(step);
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        for (size_t d = 0; d < depth; d++) {
            const size_t size = (size_t)x->dims.size[d];
            const int64_t k = cz_index_get(index, i * depth + d);
            size_t part;
            if (!cz_index_wrap(&part, k, size))
                return cz_step_bad_index(step, k, size, err);
            at = at * size + part;
        }
        update(step, at * count, i * count, count);
    }
    return CZ_OK;
}

#define PARAMS sizeof(struct scatter)

const struct cz_op cz_ops_scatter[] = {
    {"Scatter", 9, 0, 3, 3, PARAMS, parse_scatter, shape_elements,
     run_elements},
    /* 16: reduction; 18: its values 'max' and 'min' */
    {"ScatterElements", 11, 0, 3, 3, PARAMS, parse_scatter, shape_elements,
     run_elements},
    {"ScatterElements", 16, 0, 3, 3, PARAMS, parse_scatter, shape_elements,
     run_elements},
    {"ScatterElements", 18, 0, 3, 3, PARAMS, parse_scatter, shape_elements,
     run_elements},
    {"ScatterND", 11, 0, 3, 3, PARAMS, parse_scatter, shape_nd, run_nd},
    {"ScatterND", 16, 0, 3, 3, PARAMS, parse_scatter, shape_nd, run_nd},
    {"ScatterND", 18, 0, 3, 3, PARAMS, parse_scatter, shape_nd, run_nd},
    {.op_type = NULL},
};
