/* TopK, NonZero and Compress: by the ONNX operator specification.
 * NonMaxSuppression is op_nms.c's, Unique op_unique.c's. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

/* ---- TopK ------------------------------------------------------------- */

struct topk {
    int64_t number, k; /* the attributes; k only before opset 10 */
    bool is_largest;
    size_t axis;
};

static enum cz_status parse_topk(struct cz_step *step,
                                 const struct cz_node *node,
                                 struct cz_error *err)
{
    struct topk *p = step->params;
    (void)err;
    /* What is not `sorted` may be in any order: in order, too. */
    p->number = cz_node_attr_int(node, "axis", -1);
    p->k = cz_node_attr_int(node, "k", -1);
    p->is_largest = cz_node_attr_int(node, "largest", 1) != 0;
    return CZ_OK;
}

static enum cz_status shape_topk(struct cz_step *step, struct cz_error *err)
{
    struct topk *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = x->dims;
    int64_t k = p->k;
    bool is_known;
    size_t n;
    CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    CZ_TRY(cz_step_ints(step, 1, &k, 1, &n, &is_known, err));
    if (!is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    if (cz_step_input(step, 1) && n != 1)
        return cz_step_error(step, err, "k has %zu numbers, want 1", n);
    if (k < 0 || k > y.size[p->axis])
        return cz_step_error(step, err,
                             "k is %" PRId64 ", axis %zu has %" PRId64, k,
                             p->axis, y.size[p->axis]);
    y.size[p->axis] = k;
    CZ_TRY(cz_step_output(step, 0, x->dtype, &y, err));
    return cz_step_output(step, 1, CZ_DTYPE_INT64, &y, err);
}

/* A heap with the last of the best k at slot 0. It lies in the outputs, so that
 * it needs no memory of its own; either of them may be NULL. */
struct heap {
    const char *x;
    char *values;
    int64_t *indices;
    size_t stride, bytes; /* elements from one to the next, and their size */
    struct cz_order order;
};

static uint64_t slot_key(const struct heap *heap, size_t slot)
{
    const char *at =
        heap->values ? heap->values + slot * heap->stride * heap->bytes
                     : heap->x + (size_t)heap->indices[slot * heap->stride] *
                                     heap->stride * heap->bytes;
    uint64_t key;
    cz_order_keys(&key, heap->order, at, 1, 1);
    return key;
}

static void slot_set(struct heap *heap, size_t slot, size_t index)
{
    if (heap->values)
        memcpy(heap->values + slot * heap->stride * heap->bytes,
               heap->x + index * heap->stride * heap->bytes, heap->bytes);
    if (heap->indices)
        heap->indices[slot * heap->stride] = (int64_t)index;
}

static void slot_swap(struct heap *heap, size_t a, size_t b)
{
    char element[8];
    if (heap->values) {
        char *at_a = heap->values + a * heap->stride * heap->bytes;
        char *at_b = heap->values + b * heap->stride * heap->bytes;
        memcpy(element, at_a, heap->bytes);
        memcpy(at_a, at_b, heap->bytes);
        memcpy(at_b, element, heap->bytes);
    }
    if (heap->indices) {
        int64_t index = heap->indices[a * heap->stride];
        heap->indices[a * heap->stride] = heap->indices[b * heap->stride];
        heap->indices[b * heap->stride] = index;
    }
}

/* Does slot a come after slot b in the order? */
static bool slot_is_after(const struct heap *heap, size_t a, size_t b)
{
    const uint64_t key_a = slot_key(heap, a), key_b = slot_key(heap, b);
    if (key_a != key_b)
        return key_a > key_b;
    return heap->indices &&
           heap->indices[a * heap->stride] > heap->indices[b * heap->stride];
}

static void sift_down(struct heap *heap, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && slot_is_after(heap, child + 1, child))
            child++;
        if (!slot_is_after(heap, child, at))
            return;
        slot_swap(heap, at, child);
        at = child;
    }
}

/* Lets each element that comes before the heap's last one take its place. */
static void scan(struct heap *heap, size_t k, size_t n)
{
    uint64_t keys[256], last = slot_key(heap, 0);
    const size_t block = sizeof keys / sizeof *keys;
    for (size_t first = k; first < n; first += block) {
        const size_t count = n - first < block ? n - first : block;
        cz_order_keys(keys, heap->order,
                      heap->x + first * heap->stride * heap->bytes,
                      heap->stride, count);
        for (size_t i = 0; i < count; i++) {
            if (keys[i] >= last)
                continue;
            slot_set(heap, 0, first + i);
            sift_down(heap, 0, k);
            last = slot_key(heap, 0);
        }
    }
}

static void select_best(struct heap *heap, size_t k, size_t n)
{
    for (size_t i = 0; i < k; i++)
        slot_set(heap, i, i);
    for (size_t i = k / 2; i-- > 0;)
        sift_down(heap, i, k);
    scan(heap, k, n);
    for (size_t count = k; count > 1; count--) {
        slot_swap(heap, 0, count - 1);
        sift_down(heap, 0, count - 1);
    }
}

/* Column i: one position of the other axes. */
static void topk_column(void *user, size_t i)
{
    const struct cz_step *step = user;
    const struct topk *p = step->params;
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    const struct cz_array *indices =
        step->n_outputs > 1 ? step->outputs[1] : NULL;
    const size_t inner = cz_dims_product(&x->dims, p->axis + 1, x->dims.rank);
    const size_t n = (size_t)x->dims.size[p->axis];
    const size_t k = (size_t)(y ? y : indices)->dims.size[p->axis];
    const size_t bytes = cz_element_bytes(x->dtype);
    const size_t from = i / inner * inner * n + i % inner;
    const size_t to = i / inner * inner * k + i % inner;
    struct heap heap = {
        .x = (const char *)x->data + from * bytes,
        .values = y ? (char *)y->data + to * bytes : NULL,
        .indices = indices ? (int64_t *)indices->data + to : NULL,
        .stride = inner,
        .bytes = bytes,
        .order = {x->dtype, p->is_largest},
    };
    select_best(&heap, k, n);
}

static enum cz_status run_topk(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    const struct topk *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const struct cz_array *y = step->outputs[0];
    (void)err;
    if (!y && step->n_outputs > 1)
        y = step->outputs[1];
    if (y && cz_array_count(y))
        cz_team_for(exec, cz_array_count(x) / (size_t)x->dims.size[p->axis],
                    topk_column, step);
    return CZ_OK;
}

/* ---- NonZero ---------------------------------------------------------- */

static bool is_nonzero(const void *data, enum cz_dtype dtype, size_t i)
{
    switch (cz_element_bytes(dtype)) {
    case 1:
        return ((const uint8_t *)data)[i] != 0;
    case 2:
        return ((const uint16_t *)data)[i] != 0;
    case 4:
        return dtype == CZ_DTYPE_FLOAT ? ((const float *)data)[i] != 0
                                       : ((const uint32_t *)data)[i] != 0;
    default:
        return dtype == CZ_DTYPE_DOUBLE ? ((const double *)data)[i] != 0
                                        : ((const uint64_t *)data)[i] != 0;
    }
}

static enum cz_status shape_nonzero(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = {.rank = 2, .size = {(int64_t)x->dims.rank, 0}};
    if (!x->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    for (size_t i = 0; i < cz_array_count(x); i++)
        y.size[1] += is_nonzero(x->known, x->dtype, i);
    return cz_step_output(step, 0, CZ_DTYPE_INT64, &y, err);
}

static enum cz_status run_nonzero(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    const size_t n = (size_t)step->outputs[0]->dims.size[1];
    int64_t *to = step->outputs[0]->data;
    size_t found = 0;
    (void)exec;
    (void)err;
    for (size_t i = 0; found < n; i++) {
        if (!is_nonzero(x->data, x->dtype, i))
            continue;
        size_t rest = i;
        for (size_t d = x->dims.rank; d-- > 0; rest /= (size_t)x->dims.size[d])
            to[d * n + found] = (int64_t)(rest % (size_t)x->dims.size[d]);
        found++;
    }
    return CZ_OK;
}

/* ---- Compress --------------------------------------------------------- */

struct compress {
    bool has_axis;
    int64_t number;
    size_t axis;
};

static enum cz_status parse_compress(struct cz_step *step,
                                     const struct cz_node *node,
                                     struct cz_error *err)
{
    struct compress *p = step->params;
    (void)err;
    p->has_axis = cz_node_attr(node, "axis") != NULL;
    p->number = cz_node_attr_int(node, "axis", 0);
    return CZ_OK;
}

static enum cz_status shape_compress(struct cz_step *step, struct cz_error *err)
{
    struct compress *p = step->params;
    const struct cz_array *x = step->inputs[0], *condition = step->inputs[1];
    struct cz_dims y = {.rank = 1, .size = {(int64_t)cz_array_count(x)}};
    CZ_TRY(cz_step_want_dtype(step, 1, CZ_DTYPE_BOOL, err));
    CZ_TRY(cz_step_want_rank(step, 1, 1, err));
    if (p->has_axis) {
        y = x->dims;
        CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    }
    if (condition->dims.size[0] > y.size[p->axis])
        return cz_step_error(
            step, err, "a condition of %" PRId64 " for %" PRId64 " elements",
            condition->dims.size[0], y.size[p->axis]);
    if (!condition->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    y.size[p->axis] = 0;
    for (size_t i = 0; i < cz_array_count(condition); i++)
        y.size[p->axis] += ((const uint8_t *)condition->known)[i] != 0;
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status run_compress(struct cz_step *step,
                                   const struct cz_exec *exec,
                                   struct cz_error *err)
{
    const struct compress *p = step->params;
    const struct cz_array *x = step->inputs[0], *condition = step->inputs[1];
    const uint8_t *is_kept = condition->data;
    const size_t rank = x->dims.rank, n = cz_array_count(condition);
    const size_t element = cz_element_bytes(x->dtype);
    const size_t bytes =
        p->has_axis ? cz_copy_row_bytes(x, p->axis + 1) : element;
    const size_t row = p->has_axis
                           ? cz_copy_row_bytes(x, p->axis)
                           : cz_dims_product(&x->dims, 0, rank) * element;
    const size_t rows = p->has_axis ? cz_dims_product(&x->dims, 0, p->axis) : 1;
    char *to = step->outputs[0]->data;
    (void)exec;
    (void)err;
    if (!cz_array_count(step->outputs[0]))
        return CZ_OK;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i++) {
            if (!is_kept[i])
                continue;
            memcpy(to, (const char *)x->data + r * row + i * bytes, bytes);
            to += bytes;
        }
    }
    return CZ_OK;
}

#define PARAMS(type) sizeof(struct type)

const struct cz_op cz_ops_select[] = {
    /* 10: k is an input; 11: largest, sorted */
    {"TopK", 1, 0, 1, 1, PARAMS(topk), parse_topk, shape_topk, run_topk},
    {"TopK", 10, 0, 2, 2, PARAMS(topk), parse_topk, shape_topk, run_topk},
    {"TopK", 11, 0, 2, 2, PARAMS(topk), parse_topk, shape_topk, run_topk},
    {"NonZero", 9, 0, 1, 1, 0, NULL, shape_nonzero, run_nonzero},
    {"Compress", 9, 0, 2, 2, PARAMS(compress), parse_compress, shape_compress,
     run_compress},
    {.op_type = NULL},
};
