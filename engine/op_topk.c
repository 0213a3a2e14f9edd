/* TopK: by the ONNX operator specification; ties go to the lower index, NaN
 * comes last. A heap of the best k so far lies in the outputs, so that it needs
 * no memory of its own. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

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
    struct cz_int_room room = {.ints = &k, .capacity = 1};
    CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    CZ_TRY(cz_step_ints(&room, step, 1, err));
    if (!room.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    if (cz_step_input(step, 1) && room.count != 1)
        return cz_step_error(step, err, "k has %zu numbers, want 1",
                             room.count);
    if (k < 0 || k > y.size[p->axis])
        return cz_step_error(step, err,
                             "k is %" PRId64 ", axis %zu has %" PRId64, k,
                             p->axis, y.size[p->axis]);
    y.size[p->axis] = k;
    CZ_TRY(cz_step_output(step, 0, x->dtype, &y, err));
    return cz_step_output(step, 1, CZ_DTYPE_INT64, &y, err);
}

/* One position of the other axes: n elements of x of which k are taken. */
struct column {
    const char *x;
    char *values;     /* NULL where nobody reads them */
    int64_t *indices; /* likewise */
    size_t n, k;
    size_t stride, bytes; /* elements from one to the next, and their size */
    struct cz_order order;
};

#define BLOCK 256

/* The keys from element `first` on, up to `end`; gives how many there are. */
static size_t block_keys(uint64_t keys[BLOCK], const struct column *c,
                         size_t first, size_t end)
{
    const size_t count = end - first < BLOCK ? end - first : BLOCK;
    cz_order_keys(keys, c->order, c->x + first * c->stride * c->bytes,
                  c->stride, count);
    return count;
}

static void take(const struct column *c, size_t slot, size_t index)
{
    if (c->values)
        memcpy(c->values + slot * c->stride * c->bytes,
               c->x + index * c->stride * c->bytes, c->bytes);
    if (c->indices)
        c->indices[slot * c->stride] = (int64_t)index;
}

/* ---- elements of up to 4 bytes ---------------------------------------- */

/* Key and index fit in 64 bits: the heap, with the last of the best k at slot
 * 0, lies where the indices will be. */
static void sift_down(uint64_t *slots, size_t stride, size_t at, size_t count)
{
    const uint64_t item = slots[at * stride];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count &&
            slots[(child + 1) * stride] > slots[child * stride])
            child++;
        if (slots[child * stride] <= item)
            break;
        slots[at * stride] = slots[child * stride];
        at = child;
    }
    slots[at * stride] = item;
}

static void make_heap(const struct column *c, uint64_t *slots)
{
    uint64_t keys[BLOCK];
    for (size_t first = 0; first < c->k; first += BLOCK) {
        const size_t count = block_keys(keys, c, first, c->k);
        for (size_t i = 0; i < count; i++)
            slots[(first + i) * c->stride] = keys[i] << 32 | (first + i);
    }
    for (size_t i = c->k / 2; i-- > 0;)
        sift_down(slots, c->stride, i, c->k);
}

/* Lets each element that comes before the heap's last one take its place. */
static void scan_rest(const struct column *c, uint64_t *slots)
{
    uint64_t keys[BLOCK];
    for (size_t first = c->k; first < c->n; first += BLOCK) {
        const size_t count = block_keys(keys, c, first, c->n);
        for (size_t i = 0; i < count; i++) {
            const uint64_t item = keys[i] << 32 | (first + i);
            if (item >= slots[0])
                continue;
            slots[0] = item;
            sift_down(slots, c->stride, 0, c->k);
        }
    }
}

static void select_narrow(const struct column *c)
{
    uint64_t *slots = (uint64_t *)c->indices;
    make_heap(c, slots);
    scan_rest(c, slots);
    for (size_t count = c->k; count > 1; count--) {
        const uint64_t last = slots[0];
        slots[0] = slots[(count - 1) * c->stride];
        slots[(count - 1) * c->stride] = last;
        sift_down(slots, c->stride, 0, count - 1);
    }
    for (size_t i = 0; i < c->k; i++)
        take(c, i, (size_t)(slots[i * c->stride] & UINT32_MAX));
}

/* ---- any elements ----------------------------------------------------- */

/* The same with values and indices as the heap's items, either of which may be
 * missing. */
static uint64_t item_key(const struct column *c, size_t slot)
{
    const char *at = c->values ? c->values + slot * c->stride * c->bytes
                               : c->x + (size_t)c->indices[slot * c->stride] *
                                            c->stride * c->bytes;
    uint64_t key;
    cz_order_keys(&key, c->order, at, 1, 1);
    return key;
}

static void item_swap(const struct column *c, size_t a, size_t b)
{
    char element[8];
    if (c->values) {
        char *at_a = c->values + a * c->stride * c->bytes;
        char *at_b = c->values + b * c->stride * c->bytes;
        memcpy(element, at_a, c->bytes);
        memcpy(at_a, at_b, c->bytes);
        memcpy(at_b, element, c->bytes);
    }
    if (c->indices) {
        int64_t index = c->indices[a * c->stride];
        c->indices[a * c->stride] = c->indices[b * c->stride];
        c->indices[b * c->stride] = index;
    }
}

/* Does item a come after item b in the order? */
static bool item_is_after(const struct column *c, size_t a, size_t b)
{
    const uint64_t key_a = item_key(c, a), key_b = item_key(c, b);
    if (key_a != key_b)
        return key_a > key_b;
    return c->indices && c->indices[a * c->stride] > c->indices[b * c->stride];
}

static void item_sift_down(const struct column *c, size_t at, size_t count)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && item_is_after(c, child + 1, child))
            child++;
        if (!item_is_after(c, child, at))
            return;
        item_swap(c, at, child);
        at = child;
    }
}

static void select_any(const struct column *c)
{
    uint64_t keys[BLOCK];
    for (size_t i = 0; i < c->k; i++)
        take(c, i, i);
    for (size_t i = c->k / 2; i-- > 0;)
        item_sift_down(c, i, c->k);
    uint64_t last = item_key(c, 0);
    for (size_t first = c->k; first < c->n; first += BLOCK) {
        const size_t count = block_keys(keys, c, first, c->n);
        for (size_t i = 0; i < count; i++) {
            if (keys[i] >= last)
                continue;
            take(c, 0, first + i);
            item_sift_down(c, 0, c->k);
            last = item_key(c, 0);
        }
    }
    for (size_t count = c->k; count > 1; count--) {
        item_swap(c, 0, count - 1);
        item_sift_down(c, 0, count - 1);
    }
}

/* ---- run -------------------------------------------------------------- */

static void select_column(void *user, size_t i)
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
    const struct column column = {
        .x = (const char *)x->data + from * bytes,
        .values = y ? (char *)y->data + to * bytes : NULL,
        .indices = indices ? (int64_t *)indices->data + to : NULL,
        .n = n,
        .k = k,
        .stride = inner,
        .bytes = bytes,
        .order = {x->dtype, p->is_largest},
    };
    if (indices && bytes <= 4 && n <= UINT32_MAX)
        select_narrow(&column);
    else
        select_any(&column);
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
                    select_column, step);
    return CZ_OK;
}

#define PARAMS sizeof(struct topk)

const struct cz_op cz_ops_topk[] = {
    /* 10: k is an input; 11: largest, sorted */
    {"TopK", 1, 0, 1, 1, PARAMS, parse_topk, shape_topk, run_topk},
    {"TopK", 10, 0, 2, 2, PARAMS, parse_topk, shape_topk, run_topk},
    {"TopK", 11, 0, 2, 2, PARAMS, parse_topk, shape_topk, run_topk},
    {.op_type = NULL},
};
