/* Operators that copy elements to other places: by the ONNX operator
 * specification. Each tells copy.c which box goes where. Concat and Split are
 * op_join.c's, Slice and Pad op_slice.c's. */
#include <inttypes.h>
#include <string.h>

#include "engine/element_internal.h"

/* ---- Transpose -------------------------------------------------------- */

struct transpose {
    struct cz_int_list perm;
    size_t from[CZ_RANK_MAX]; /* axis i of the output is this one */
};

static enum cz_status parse_transpose(struct cz_step *step,
                                      const struct cz_node *node,
                                      struct cz_error *err)
{
    struct transpose *p = step->params;
    (void)err;
    p->perm = cz_node_int_list(node, "perm");
    return CZ_OK;
}

static enum cz_status shape_transpose(struct cz_step *step,
                                      struct cz_error *err)
{
    struct transpose *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const size_t rank = x->dims.rank;
    struct cz_dims y = {.rank = rank};
    bool used[CZ_RANK_MAX] = {false};
    if (p->perm.ints && p->perm.count != rank)
        return cz_step_error(step, err, "perm has %zu numbers, want %zu",
                             p->perm.count, rank);
    for (size_t i = 0; i < rank; i++) {
        p->from[i] = rank - 1 - i;
        if (p->perm.ints)
            CZ_TRY(cz_step_axis(step, p->perm.ints[i], rank, &p->from[i], err));
        if (used[p->from[i]])
            return cz_step_error(step, err, "perm has axis %zu twice",
                                 p->from[i]);
        used[p->from[i]] = true;
        y.size[i] = x->dims.size[p->from[i]];
    }
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status run_transpose(struct cz_step *step,
                                    const struct cz_exec *exec,
                                    struct cz_error *err)
{
    const struct transpose *p = step->params;
    const struct cz_array *x = step->inputs[0];
    struct cz_array *y = step->outputs[0];
    struct cz_copy copy = {.element_bytes = cz_element_bytes(x->dtype)};
    ptrdiff_t from[CZ_RANK_MAX], to[CZ_RANK_MAX];
    (void)err;
    cz_copy_strides(x, from);
    cz_copy_strides(y, to);
    for (size_t i = 0; i < y->dims.rank; i++)
        cz_copy_add_axis(&copy, (size_t)y->dims.size[i], to[i],
                         from[p->from[i]]);
    cz_copy_run(&copy, y->data, x->data, exec);
    return CZ_OK;
}

/* ---- Tile, Expand ----------------------------------------------------- */

static enum cz_status shape_tile(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    struct cz_dims y = x->dims;
    struct cz_ints repeats;
    CZ_TRY(cz_step_read_ints(&repeats, step, 1, NULL, err));
    if (!repeats.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    if (repeats.count != y.rank)
        return cz_step_error(step, err, "%zu repeats for %zu dimensions",
                             repeats.count, y.rank);
    for (size_t i = 0; i < y.rank; i++) {
        if (repeats.at[i] < 0 ||
            __builtin_mul_overflow(y.size[i], repeats.at[i], &y.size[i]))
            return cz_step_error(step, err,
                                 "it repeats axis %zu of %" PRId64 " %" PRId64
                                 " times",
                                 i, x->dims.size[i], repeats.at[i]);
    }
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status run_tile(struct cz_step *step, const struct cz_exec *exec,
                               struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    struct cz_array *y = step->outputs[0];
    struct cz_copy copy = {.element_bytes = cz_element_bytes(x->dtype)};
    ptrdiff_t from[CZ_RANK_MAX], to[CZ_RANK_MAX];
    (void)err;
    if (!cz_array_count(y))
        return CZ_OK;
    cz_copy_strides(x, from);
    cz_copy_strides(y, to);
    for (size_t i = 0; i < y->dims.rank; i++) {
        const int64_t size = x->dims.size[i];
        cz_copy_add_axis(&copy, (size_t)(y->dims.size[i] / size),
                         (ptrdiff_t)size * to[i], 0);
        cz_copy_add_axis(&copy, (size_t)size, to[i], from[i]);
    }
    cz_copy_run(&copy, y->data, x->data, exec);
    return CZ_OK;
}

static enum cz_status shape_expand(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    struct cz_dims shape = {0}, y;
    char from[CZ_DIMS_TEXT_BYTES], to[CZ_DIMS_TEXT_BYTES];
    struct cz_int_room sizes = {.ints = shape.size, .capacity = CZ_RANK_MAX};
    CZ_TRY(cz_step_ints(&sizes, step, 1, err));
    if (!sizes.is_known) {
        cz_step_set_dynamic(step);
        return CZ_OK;
    }
    shape.rank = sizes.count;
    if (!cz_dims_broadcast(&y, &x->dims, &shape))
        return cz_step_error(step, err, "%s cannot become %s",
                             cz_dims_text(&x->dims, from),
                             cz_dims_text(&shape, to));
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status run_expand(struct cz_step *step,
                                 const struct cz_exec *exec,
                                 struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0];
    struct cz_array *y = step->outputs[0];
    struct cz_copy copy = {.element_bytes = cz_element_bytes(x->dtype)};
    size_t from[CZ_RANK_MAX];
    ptrdiff_t to[CZ_RANK_MAX];
    (void)err;
    cz_dims_broadcast_strides(&x->dims, &y->dims, from);
    cz_copy_strides(y, to);
    for (size_t i = 0; i < y->dims.rank; i++)
        cz_copy_add_axis(&copy, (size_t)y->dims.size[i], to[i],
                         (ptrdiff_t)(from[i] * cz_element_bytes(x->dtype)));
    cz_copy_run(&copy, y->data, x->data, exec);
    return CZ_OK;
}

/* ---- DepthToSpace, SpaceToDepth --------------------------------------- */

struct blocks {
    int64_t size;
    bool is_crd; /* DepthToSpace: columns, rows, depth */
};

static enum cz_status parse_blocks(struct cz_step *step,
                                   const struct cz_node *node,
                                   struct cz_error *err)
{
    struct blocks *p = step->params;
    const char *mode = cz_node_attr_string(node, "mode", "DCR");
    p->size = cz_node_attr_int(node, "blocksize", 0);
    p->is_crd = strcmp(mode, "CRD") == 0;
    if (p->size < 1 || p->size > 1 << 15)
        return cz_step_error(step, err, "blocksize is %" PRId64, p->size);
    if (!p->is_crd && strcmp(mode, "DCR") != 0)
        return cz_step_unsupported(step, err, "mode '%.40s'", mode);
    return CZ_OK;
}

static enum cz_status shape_depth_to_space(struct cz_step *step,
                                           struct cz_error *err)
{
    const struct blocks *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const int64_t *size = x->dims.size;
    struct cz_dims y = {.rank = 4};
    CZ_TRY(cz_step_want_rank(step, 0, 4, err));
    y.size[0] = size[0];
    y.size[1] = size[1] / (p->size * p->size);
    if (size[1] % (p->size * p->size) ||
        __builtin_mul_overflow(size[2], p->size, &y.size[2]) ||
        __builtin_mul_overflow(size[3], p->size, &y.size[3]))
        return cz_step_error(step, err,
                             "%" PRId64 " channels are no blocks of %" PRId64
                             "x%" PRId64,
                             size[1], p->size, p->size);
    return cz_step_output(step, 0, x->dtype, &y, err);
}

static enum cz_status shape_space_to_depth(struct cz_step *step,
                                           struct cz_error *err)
{
    const struct blocks *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const int64_t *size = x->dims.size;
    struct cz_dims y = {.rank = 4};
    CZ_TRY(cz_step_want_rank(step, 0, 4, err));
    y.size[0] = size[0];
    y.size[2] = size[2] / p->size;
    y.size[3] = size[3] / p->size;
    if (size[2] % p->size || size[3] % p->size ||
        __builtin_mul_overflow(size[1], p->size * p->size, &y.size[1]))
        return cz_step_error(
            step, err, "%" PRId64 "x%" PRId64 " are no blocks of %" PRId64,
            size[2], size[3], p->size);
    return cz_step_output(step, 0, x->dtype, &y, err);
}

/* Strides of the channels' three parts on the deep side: channel of the flat
 * side, row and column in the block. */
static void block_strides(ptrdiff_t strides[3], const struct blocks *p,
                          const struct cz_array *deep,
                          const struct cz_array *flat)
{
    const ptrdiff_t b = (ptrdiff_t)p->size;
    const ptrdiff_t plane = (ptrdiff_t)cz_copy_row_bytes(deep, 2);
    strides[0] = p->is_crd ? plane * b * b : plane;
    strides[2] = p->is_crd ? plane : plane * (ptrdiff_t)flat->dims.size[1];
    strides[1] = strides[2] * b;
}

/* Both are the same box of [n, channel, row, block row, column, block column],
 * from the deep side to the flat one or back. */
static void copy_blocks(const struct cz_step *step, const struct cz_array *deep,
                        const struct cz_array *flat, const struct cz_exec *exec)
{
    const struct blocks *p = step->params;
    const ptrdiff_t b = (ptrdiff_t)p->size;
    const size_t block = (size_t)p->size;
    const bool to_flat = step->outputs[0] == flat;
    struct cz_copy copy = {.element_bytes = cz_element_bytes(deep->dtype)};
    ptrdiff_t d[CZ_RANK_MAX], f[CZ_RANK_MAX], part[3];
    if (!cz_array_count(deep))
        return;
    cz_copy_strides(deep, d);
    cz_copy_strides(flat, f);
    block_strides(part, p, deep, flat);
    const struct {
        size_t size;
        ptrdiff_t flat, deep;
    } axes[] = {
        {(size_t)deep->dims.size[0], f[0], d[0]},
        {(size_t)flat->dims.size[1], f[1], part[0]},
        {(size_t)deep->dims.size[2], f[2] * b, d[2]},
        {block, f[2], part[1]},
        {(size_t)deep->dims.size[3], f[3] * b, d[3]},
        {block, f[3], part[2]},
    };
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        cz_copy_add_axis(&copy, axes[i].size,
                         to_flat ? axes[i].flat : axes[i].deep,
                         to_flat ? axes[i].deep : axes[i].flat);
    cz_copy_run(&copy, step->outputs[0]->data, step->inputs[0]->data, exec);
}

static enum cz_status run_depth_to_space(struct cz_step *step,
                                         const struct cz_exec *exec,
                                         struct cz_error *err)
{
    (void)err;
    copy_blocks(step, step->inputs[0], step->outputs[0], exec);
    return CZ_OK;
}

static enum cz_status run_space_to_depth(struct cz_step *step,
                                         const struct cz_exec *exec,
                                         struct cz_error *err)
{
    (void)err;
    copy_blocks(step, step->outputs[0], step->inputs[0], exec);
    return CZ_OK;
}

/* ---- ReverseSequence -------------------------------------------------- */

struct reverse {
    size_t batch_axis, time_axis; /* 0 and 1, or 1 and 0 */
};

static enum cz_status parse_reverse(struct cz_step *step,
                                    const struct cz_node *node,
                                    struct cz_error *err)
{
    struct reverse *p = step->params;
    int64_t batch = cz_node_attr_int(node, "batch_axis", 1);
    int64_t time = cz_node_attr_int(node, "time_axis", 0);
    if ((batch != 0 && batch != 1) || time != 1 - batch)
        return cz_step_error(step, err,
                             "batch_axis is %" PRId64 ", time_axis %" PRId64
                             ", want 0 and 1 or 1 and 0",
                             batch, time);
    p->batch_axis = (size_t)batch;
    p->time_axis = (size_t)time;
    return CZ_OK;
}

static enum cz_status shape_reverse(struct cz_step *step, struct cz_error *err)
{
    const struct reverse *p = step->params;
    const struct cz_array *x = step->inputs[0], *lengths = step->inputs[1];
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    CZ_TRY(cz_step_want_rank(step, 1, 1, err));
    if (x->dims.rank < 2)
        return cz_step_error(step, err,
                             "input 0 has %zu dimensions, want 2 or more",
                             x->dims.rank);
    if (lengths->dims.size[0] != x->dims.size[p->batch_axis])
        return cz_step_error(
            step, err, "%" PRId64 " lengths for a batch of %" PRId64,
            lengths->dims.size[0], x->dims.size[p->batch_axis]);
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* One entry of the batch: `length` positions backwards, then the rest. */
static void reverse_one(const struct cz_step *step, size_t batch, size_t length,
                        const struct cz_exec *exec)
{
    const struct reverse *p = step->params;
    const struct cz_array *x = step->inputs[0];
    const size_t row = cz_copy_row_bytes(x, 2),
                 times = (size_t)x->dims.size[p->time_axis];
    ptrdiff_t strides[CZ_RANK_MAX];
    cz_copy_strides(x, strides);
    const ptrdiff_t time = strides[p->time_axis];
    const ptrdiff_t at = (ptrdiff_t)batch * strides[p->batch_axis];
    char *to = (char *)step->outputs[0]->data + at;
    const char *from = (const char *)x->data + at;
    struct cz_copy copy = {.element_bytes = 1};
    cz_copy_add_axis(&copy, length, time, -time);
    cz_copy_add_axis(&copy, row, 1, 1);
    if (length)
        cz_copy_run(&copy, to, from + ((ptrdiff_t)length - 1) * time, exec);
    copy.rank = 0;
    cz_copy_add_axis(&copy, times - length, time, time);
    cz_copy_add_axis(&copy, row, 1, 1);
    cz_copy_run(&copy, to + (ptrdiff_t)length * time,
                from + (ptrdiff_t)length * time, exec);
}

static enum cz_status run_reverse(struct cz_step *step,
                                  const struct cz_exec *exec,
                                  struct cz_error *err)
{
    const struct reverse *p = step->params;
    const struct cz_array *x = step->inputs[0], *lengths = step->inputs[1];
    const int64_t times = x->dims.size[p->time_axis];
    if (!cz_array_count(x))
        return CZ_OK;
    for (size_t i = 0; i < cz_array_count(lengths); i++) {
        int64_t length = cz_index_get(lengths, i);
        if (length < 0 || length > times)
            return cz_error_set(err, CZ_EINVAL,
                                "%s '%.120s': length %" PRId64
                                " is outside of 0 to %" PRId64,
                                step->op->op_type, step->name, length, times);
        reverse_one(step, i, (size_t)length, exec);
    }
    return CZ_OK;
}

/* ---- Trilu ------------------------------------------------------------ */

struct trilu {
    bool is_upper;
};

static enum cz_status parse_trilu(struct cz_step *step,
                                  const struct cz_node *node,
                                  struct cz_error *err)
{
    struct trilu *p = step->params;
    (void)err;
    p->is_upper = cz_node_attr_int(node, "upper", 1) != 0;
    return CZ_OK;
}

static enum cz_status shape_trilu(struct cz_step *step, struct cz_error *err)
{
    const struct cz_array *x = step->inputs[0], *k = cz_step_input(step, 1);
    CZ_TRY(cz_step_want_index_dtype(step, 1, err));
    if (x->dims.rank < 2)
        return cz_step_error(step, err,
                             "input 0 has %zu dimensions, want 2 or more",
                             x->dims.rank);
    if (k && cz_array_count(k) != 1)
        return cz_step_error(step, err, "k has %zu numbers, want 1",
                             cz_array_count(k));
    return cz_step_output(step, 0, x->dtype, &x->dims, err);
}

/* The first column of `row` on or right of diagonal k, in 0..columns. */
static size_t diagonal_column(size_t row, int64_t k, size_t columns)
{
    const int64_t n = (int64_t)columns, r = (int64_t)row;
    if (k >= n)
        return columns;
    if (k <= -r)
        return 0;
    return r + k < n ? (size_t)(r + k) : columns;
}

static enum cz_status run_trilu(struct cz_step *step,
                                const struct cz_exec *exec,
                                struct cz_error *err)
{
    const struct trilu *p = step->params;
    const struct cz_array *x = step->inputs[0], *k = cz_step_input(step, 1);
    const size_t rank = x->dims.rank, bytes = cz_element_bytes(x->dtype);
    const size_t rows = (size_t)x->dims.size[rank - 2];
    const size_t columns = (size_t)x->dims.size[rank - 1];
    int64_t diagonal = k ? cz_index_get(k, 0) : 0;
    (void)exec;
    (void)err;
    if (!cz_array_count(x))
        return CZ_OK;
    /* The lower triangle ends behind its diagonal. */
    if (!p->is_upper && diagonal < INT64_MAX)
        diagonal++;
    const size_t all_rows = cz_array_count(x) / columns;
    for (size_t i = 0; i < all_rows; i++) {
        size_t cut = diagonal_column(i % rows, diagonal, columns);
        size_t kept = p->is_upper ? cut : 0;
        size_t kept_end = p->is_upper ? columns : cut;
        char *to = (char *)step->outputs[0]->data + i * columns * bytes;
        const char *from = (const char *)x->data + i * columns * bytes;
        memset(to, 0, kept * bytes);
        memset(to + kept_end * bytes, 0, (columns - kept_end) * bytes);
        cz_copy_bytes(to + kept * bytes, from + kept * bytes,
                      (kept_end - kept) * bytes);
    }
    return CZ_OK;
}

#define PARAMS(type) sizeof(struct type)

const struct cz_op cz_ops_move[] = {
    {"Transpose", 1, 0, 1, 1, PARAMS(transpose), parse_transpose,
     shape_transpose, run_transpose},
    {"Tile", 6, 0, 2, 2, 0, NULL, shape_tile, run_tile},
    {"Expand", 8, 0, 2, 2, 0, NULL, shape_expand, run_expand},
    /* 11: mode */
    {"DepthToSpace", 1, 0, 1, 1, PARAMS(blocks), parse_blocks,
     shape_depth_to_space, run_depth_to_space},
    {"DepthToSpace", 11, 0, 1, 1, PARAMS(blocks), parse_blocks,
     shape_depth_to_space, run_depth_to_space},
    {"SpaceToDepth", 1, 0, 1, 1, PARAMS(blocks), parse_blocks,
     shape_space_to_depth, run_space_to_depth},
    {"ReverseSequence", 10, 0, 2, 2, PARAMS(reverse), parse_reverse,
     shape_reverse, run_reverse},
    {"Trilu", 14, 0, 1, 2, PARAMS(trilu), parse_trilu, shape_trilu, run_trilu},
    {.op_type = NULL},
};
