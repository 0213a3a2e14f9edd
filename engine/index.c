/* Integers that operators read: short lists that tell what to do, and long
 * ones that index into other arrays. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

struct cz_int_list cz_node_int_list(const struct cz_node *node,
                                    const char *name)
{
    struct cz_int_list list;
    list.ints = cz_node_attr_ints(node, name, &list.count);
    return list;
}

enum cz_status cz_step_read_ints(struct cz_ints *ints,
                                 const struct cz_step *step, size_t i,
                                 const struct cz_int_list *list,
                                 struct cz_error *err)
{
    const size_t capacity = sizeof ints->at / sizeof *ints->at;
    struct cz_int_room room = {.ints = ints->at, .capacity = capacity};
    *ints = (struct cz_ints){.is_known = true};
    if (cz_step_input(step, i)) {
        CZ_TRY(cz_step_ints(&room, step, i, err));
        ints->is_given = true;
        ints->count = room.count;
        ints->is_known = room.is_known;
        return CZ_OK;
    }
    if (!list || !list->ints)
        return CZ_OK;
    if (list->count > capacity)
        return cz_step_error(step, err,
                             "an attribute has %zu numbers, at most %zu can be",
                             list->count, capacity);
    ints->is_given = true;
    ints->count = list->count;
    memcpy(ints->at, list->ints, list->count * sizeof *ints->at);
    return CZ_OK;
}

enum cz_status cz_step_want_index_dtype(const struct cz_step *step, size_t i,
                                        struct cz_error *err)
{
    const struct cz_array *array = cz_step_input(step, i);
    if (!array || array->dtype == CZ_DTYPE_INT64 ||
        array->dtype == CZ_DTYPE_INT32)
        return CZ_OK;
    return cz_step_error(step, err, "input %zu is %s, want int64 or int32", i,
                         cz_dtype_name(array->dtype));
}

enum cz_status cz_step_bad_index(const struct cz_step *step, int64_t index,
                                 size_t size, struct cz_error *err)
{
    return cz_error_set(err, CZ_EINVAL,
                        "%s '%.120s': index %" PRId64 " is outside of %zu",
                        step->op->op_type, step->name, index, size);
}

enum cz_status cz_step_check_indices(const struct cz_step *step, size_t i,
                                     size_t size, struct cz_error *err)
{
    const struct cz_array *array = step->inputs[i];
    const size_t n = cz_array_count(array);
    size_t at;
    for (size_t k = 0; k < n; k++) {
        int64_t index = cz_index_get(array, k);
        if (!cz_index_wrap(&at, index, size))
            return cz_step_bad_index(step, index, size, err);
    }
    return CZ_OK;
}

enum cz_status cz_step_check_index_dims(const struct cz_step *step, size_t axis,
                                        struct cz_error *err)
{
    const struct cz_dims *x = &step->inputs[0]->dims;
    const struct cz_dims *index = &step->inputs[1]->dims;
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    CZ_TRY(cz_step_want_rank(step, 1, x->rank, err));
    for (size_t i = 0; i < x->rank; i++) {
        if (i != axis && index->size[i] > x->size[i])
            return cz_step_error(step, err,
                                 "axis %zu of the indices is %" PRId64
                                 ", of the data %" PRId64,
                                 i, index->size[i], x->size[i]);
    }
    return CZ_OK;
}

size_t cz_index_row_start(const struct cz_dims *index, size_t row, size_t axis,
                          const size_t strides[CZ_RANK_MAX])
{
    size_t at = 0;
    for (size_t i = index->rank - 1; i-- > 0; row /= (size_t)index->size[i]) {
        if (i != axis)
            at += row % (size_t)index->size[i] * strides[i];
    }
    return at;
}
