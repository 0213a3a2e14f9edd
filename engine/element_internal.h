/* What the operators share that move, index and order elements of any type.
 *
 * They see elements as 1, 2, 4 or 8 bytes, and an operator such as Transpose,
 * Slice or Tile as a box of them with strides on both sides. */
#ifndef CZ_ENGINE_ELEMENT_INTERNAL_H
#define CZ_ENGINE_ELEMENT_INTERNAL_H

#include "engine/plan_internal.h"

/* ---- copies (copy.c) -------------------------------------------------- */

#define CZ_COPY_RANK_MAX (2 * CZ_RANK_MAX)

/* A box of elements on its way from one array to another: how many there are
 * along each axis, and how many bytes apart. Start from {.element_bytes = b}.
 */
struct cz_copy {
    size_t rank, element_bytes;
    size_t size[CZ_COPY_RANK_MAX];
    ptrdiff_t to_stride[CZ_COPY_RANK_MAX];
    ptrdiff_t from_stride[CZ_COPY_RANK_MAX]; /* 0: repeated; < 0: backwards */
};

/* One axis more, the new fastest one. */
void cz_copy_add_axis(struct cz_copy *copy, size_t size, ptrdiff_t to_stride,
                      ptrdiff_t from_stride);

/* Copies the box whose first elements are `to` and `from`. Where these are the
 * same the strides must be too; else the boxes do not overlap. */
void cz_copy_run(const struct cz_copy *copy, void *to, const void *from,
                 const struct cz_exec *exec);

/* Dense rows on their way from one array to another: strides in bytes. */
struct cz_rows {
    void *to;
    const void *from;
    size_t to_stride, from_stride, count, bytes;
};

void cz_copy_rows(const struct cz_rows *rows, const struct cz_exec *exec);

/* `bytes` from one place to another, which may be the same. */
void cz_copy_bytes(void *to, const void *from, size_t bytes);

/* `count` times the same element. */
void cz_copy_fill(void *to, const void *element, size_t element_bytes,
                  size_t count);

/* The element 1 of a type. */
const void *cz_element_one(enum cz_dtype dtype);

/* Strides of a dense array in bytes. */
void cz_copy_strides(const struct cz_array *array,
                     ptrdiff_t strides[CZ_RANK_MAX]);

/* The bytes that an array has for one position of the axes before `axis`, and
 * all its bytes. */
size_t cz_copy_row_bytes(const struct cz_array *array, size_t axis);
size_t cz_copy_array_bytes(const struct cz_array *array);

/* ---- integers (index.c) ----------------------------------------------- */

/* A list of an attribute; it lives as long as the model. */
struct cz_int_list {
    const int64_t *ints;
    size_t count;
};

struct cz_int_list cz_node_int_list(const struct cz_node *node,
                                    const char *name);

/* A short list: axes, starts, pads, a shape. */
struct cz_ints {
    bool is_known, is_given;
    size_t count;
    int64_t at[2 * CZ_RANK_MAX];
};

/* The numbers of input i where the step has one, else those of `list`, which
 * may be NULL. Where neither is given there are none, and that is known. */
enum cz_status cz_step_read_ints(struct cz_ints *ints,
                                 const struct cz_step *step, size_t i,
                                 const struct cz_int_list *list,
                                 struct cz_error *err);

/* The input must be int64 or int32. */
enum cz_status cz_step_want_index_dtype(const struct cz_step *step, size_t i,
                                        struct cz_error *err);

/* Element i of an int64 or int32 array while the plan runs. */
static inline int64_t cz_index_get(const struct cz_array *array, size_t i)
{
    return array->dtype == CZ_DTYPE_INT64 ? ((const int64_t *)array->data)[i]
                                          : ((const int32_t *)array->data)[i];
}

/* Brings an index of -size..size-1 into 0..size-1; false for others. */
static inline bool cz_index_wrap(size_t *at, int64_t index, size_t size)
{
    *at = index < 0 ? (size_t)index + size : (size_t)index;
    return index < 0 ? (size_t)0 - (size_t)index <= size : *at < size;
}

/* All elements of input i must be indices into `size`. */
enum cz_status cz_step_check_indices(const struct cz_step *step, size_t i,
                                     size_t size, struct cz_error *err);

/* Input 1 must be indices with the rank of input 0 and dims that are not larger
 * than its, but for `axis`, into which they point. */
enum cz_status cz_step_check_index_dims(const struct cz_step *step, size_t axis,
                                        struct cz_error *err);

/* Where row `row` (along the last axis) of such indices lies in input 0, which
 * has the strides, without what the indices along `axis` add. */
size_t cz_index_row_start(const struct cz_dims *index, size_t row, size_t axis,
                          const size_t strides[CZ_RANK_MAX]);

/* CZ_EINVAL: the data hold an index outside of `size`. */
enum cz_status cz_step_bad_index(const struct cz_step *step, int64_t index,
                                 size_t size, struct cz_error *err);

/* ---- order (order.c) -------------------------------------------------- */

/* Numbers whose order is that of the elements, whatever their type: equal for
 * -0 and 0, and NaN comes last in both directions. */
struct cz_order {
    enum cz_dtype dtype;
    bool is_descending;
};

/* The keys of `count` elements that are `stride` elements apart. The low 32
 * bits alone have the same order where an element has at most 4 bytes. */
void cz_order_keys(uint64_t *keys, struct cz_order order, const void *elements,
                   size_t stride, size_t count);

/* Something to sort: before those with a larger key and, where keys are equal,
 * a larger index. */
struct cz_ranked {
    uint64_t key;
    size_t index;
};

/* A heap of `count` items with the first in order at items[0]. */
void cz_ranked_heapify(struct cz_ranked *items, size_t count);

/* Takes items[0] out of the heap. */
struct cz_ranked cz_ranked_pop(struct cz_ranked *items, size_t *count);

#endif
