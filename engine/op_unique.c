/* Unique: by the ONNX operator specification. What is compared are slabs: the
 * elements of a flat array, or all that lies at one position of an axis. */
#include <string.h>

#include "engine/element_internal.h"

struct unique {
    bool has_axis, is_sorted;
    int64_t number;
    size_t axis;
};

static enum cz_status parse_unique(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct unique *p = step->params;
    (void)err;
    p->has_axis = cz_node_attr(node, "axis") != NULL;
    p->number = cz_node_attr_int(node, "axis", 0);
    p->is_sorted = cz_node_attr_int(node, "sorted", 1) != 0;
    return CZ_OK;
}

/* As if all slabs were different; run() tells how many are. */
static enum cz_status shape_unique(struct cz_step *step, struct cz_error *err)
{
    struct unique *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = {.rank = 1, .size = {(int64_t)cz_array_count(x)}};
    if (p->has_axis) {
        y = x->dims;
        CZ_TRY(cz_step_axis(step, p->number, y.rank, &p->axis, err));
    }
    if (!x->known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    const struct cz_dims list = {.rank = 1, .size = {y.size[p->axis]}};
    CZ_TRY(cz_step_output(step, 0, x->dtype, &y, err));
    for (size_t i = 1; i < 4; i++)
        CZ_TRY(cz_step_output(step, i, CZ_DTYPE_INT64, &list, err));
    return CZ_OK;
}

/* ---- groups ----------------------------------------------------------- */

struct groups {
    size_t n_slabs, outer, inner; /* elements of a slab: outer * inner */
    uint64_t *keys;               /* [n_slabs, outer * inner] */
    size_t *sorted;               /* [n_slabs]: slabs in their order */
    size_t *group_of;             /* [n_slabs] */
    size_t *first, *count;        /* [n_groups]: first slab, number of slabs */
    size_t *number;               /* [n_groups]: while they are renumbered */
    size_t n_groups;
};

static int compare(const struct groups *g, size_t a, size_t b)
{
    const size_t n = g->outer * g->inner;
    const uint64_t *key_a = g->keys + a * n, *key_b = g->keys + b * n;
    for (size_t i = 0; i < n; i++) {
        if (key_a[i] != key_b[i])
            return key_a[i] < key_b[i] ? -1 : 1;
    }
    return 0;
}

static bool is_after(const struct groups *g, size_t a, size_t b)
{
    const int order = compare(g, a, b);
    return order > 0 || (order == 0 && a > b);
}

static void sift_down(struct groups *g, size_t at, size_t count)
{
    const size_t slab = g->sorted[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count &&
            is_after(g, g->sorted[child + 1], g->sorted[child]))
            child++;
        if (!is_after(g, g->sorted[child], slab))
            break;
        g->sorted[at] = g->sorted[child];
        at = child;
    }
    g->sorted[at] = slab;
}

static void sort(struct groups *g)
{
    for (size_t i = 0; i < g->n_slabs; i++)
        g->sorted[i] = i;
    for (size_t i = g->n_slabs / 2; i-- > 0;)
        sift_down(g, i, g->n_slabs);
    for (size_t count = g->n_slabs; count > 1; count--) {
        const size_t last = g->sorted[0];
        g->sorted[0] = g->sorted[count - 1];
        g->sorted[count - 1] = last;
        sift_down(g, 0, count - 1);
    }
}

static void find_groups(struct groups *g)
{
    sort(g);
    for (size_t i = 0; i < g->n_slabs; i++) {
        const size_t slab = g->sorted[i];
        if (i == 0 || compare(g, g->sorted[i - 1], slab) != 0) {
            g->first[g->n_groups] = slab;
            g->count[g->n_groups++] = 0;
        }
        g->group_of[slab] = g->n_groups - 1;
        g->count[g->n_groups - 1]++;
    }
}

/* Numbers the groups in the order in which they first occur. */
static void renumber(struct groups *g)
{
    size_t next = 0;
    for (size_t i = 0; i < g->n_slabs; i++) {
        const size_t group = g->group_of[i];
        if (g->first[group] == i)
            g->number[group] = next++;
        g->group_of[i] = g->number[group];
    }
    memset(g->count, 0, g->n_groups * sizeof *g->count);
    for (size_t i = g->n_slabs; i-- > 0;) {
        g->first[g->group_of[i]] = i;
        g->count[g->group_of[i]]++;
    }
}

/* ---- outputs ---------------------------------------------------------- */

static void read_keys(struct groups *g, const struct cz_array *x)
{
    const struct cz_order order = {x->dtype, false};
    const size_t bytes = cz_element_bytes(x->dtype);
    const char *from = x->data;
    for (size_t o = 0; o < g->outer; o++) {
        for (size_t i = 0; i < g->n_slabs; i++, from += g->inner * bytes)
            cz_order_keys(g->keys + (i * g->outer + o) * g->inner, order, from,
                          1, g->inner);
    }
}

static void write_values(const struct groups *g, const struct cz_step *step,
                         const struct cz_exec *exec)
{
    const struct unique *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_array *y = step->outputs[0];
    const size_t bytes = g->inner * cz_element_bytes(x->dtype);
    y->dims.size[p->axis] = (int64_t)g->n_groups;
    for (size_t i = 0; i < g->n_groups; i++)
        cz_copy_rows(
            &(struct cz_rows){
                .to = (char *)y->data + i * bytes,
                .from = (const char *)x->data + g->first[i] * bytes,
                .to_stride = g->n_groups * bytes,
                .from_stride = g->n_slabs * bytes,
                .count = g->outer,
                .bytes = bytes,
            },
            exec);
}

static void write_list(struct cz_step *step, size_t output, const size_t *from,
                       size_t count)
{
    struct cz_array *y =
        output < step->n_outputs ? step->outputs[output] : NULL;
    if (!y)
        return;
    y->dims.size[0] = (int64_t)count;
    for (size_t i = 0; i < count; i++)
        ((int64_t *)y->data)[i] = (int64_t)from[i];
}

static enum cz_status run_unique(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const struct unique *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const size_t count = cz_array_count(x);
    struct groups g = {.n_slabs = count, .outer = 1, .inner = 1};
    if (p->has_axis) {
        g.n_slabs = (size_t)x->dims.size[p->axis];
        g.outer = cz_dims_product(&x->dims, 0, p->axis);
        g.inner = cz_dims_product(&x->dims, p->axis + 1, x->dims.rank);
    }
    g.keys = cz_calloc(count, sizeof *g.keys);
    g.sorted = cz_calloc(g.n_slabs, 5 * sizeof *g.sorted);
    if (!g.keys || !g.sorted) {
        cz_free(g.keys);
        cz_free(g.sorted);
        return cz_error_nomem(err);
    }
    g.group_of = g.sorted + g.n_slabs;
    g.first = g.group_of + g.n_slabs;
    g.count = g.first + g.n_slabs;
    g.number = g.count + g.n_slabs;
    read_keys(&g, x);
    find_groups(&g);
    if (!p->is_sorted)
        renumber(&g);
    if (step->outputs[0])
        write_values(&g, step, exec);
    write_list(step, 1, g.first, g.n_groups);
    write_list(step, 2, g.group_of, g.n_slabs);
    write_list(step, 3, g.count, g.n_groups);
    cz_free(g.keys);
    cz_free(g.sorted);
    return CZ_OK;
}

const struct cz_op cz_ops_unique[] = {
    {"Unique", 11, 0, 1, 1, sizeof(struct unique), parse_unique, shape_unique,
     run_unique},
    {.op_type = NULL},
};
