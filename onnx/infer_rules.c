/* Shapes of the operators that do not slide a window, by the ONNX operator
 * specification. A rule that lacks a number leaves its output unknown. */
#include <math.h>
#include <string.h>

#include "onnx/infer_internal.h"

enum cz_status cz_infer_same(const struct cz_node *node,
                             struct cz_infer_shape *outputs,
                             struct cz_error *err)
{
    (void)err;
    outputs[0] = cz_infer_input(node, 0);
    return CZ_OK;
}

/* One dimension of a broadcast: a known one wins over 1 and over unknown. */
static enum cz_status broadcast_dim(const struct cz_node *node, int64_t *dim,
                                    int64_t other, struct cz_error *err)
{
    if (other == 1 || other == *dim)
        return CZ_OK;
    if (*dim == 1 || (*dim < 0 && other >= 0)) {
        *dim = other;
        return CZ_OK;
    }
    if (other < 0)
        return CZ_OK;
    return cz_infer_error(node, err, "cannot broadcast %lld against %lld",
                          (long long)*dim, (long long)other);
}

enum cz_status cz_infer_broadcast(const struct cz_node *node,
                                  struct cz_infer_shape *outputs,
                                  struct cz_error *err)
{
    struct cz_infer_shape *y = &outputs[0];
    for (size_t i = 0; i < node->n_inputs; i++) {
        struct cz_infer_shape x = cz_infer_input(node, i);
        if (!x.known) {
            y->known = false;
            return CZ_OK;
        }
        size_t rank = x.rank > y->rank ? x.rank : y->rank;
        struct cz_infer_shape wide = {.known = true, .rank = rank};
        for (size_t d = 0; d < rank; d++)
            wide.dims[d] =
                d < rank - y->rank ? 1 : y->dims[d - (rank - y->rank)];
        for (size_t d = 0; d < x.rank; d++)
            CZ_TRY(broadcast_dim(node, &wide.dims[d + rank - x.rank], x.dims[d],
                                 err));
        *y = wide;
    }
    return CZ_OK;
}

enum cz_status cz_infer_concat(const struct cz_node *node,
                               struct cz_infer_shape *outputs,
                               struct cz_error *err)
{
    struct cz_infer_shape y = cz_infer_input(node, 0);
    size_t axis;
    if (!y.known)
        return CZ_OK;
    CZ_TRY(cz_infer_axis(&axis, node, cz_node_attr_int(node, "axis", 1), y.rank,
                         err));
    for (size_t i = 1; i < node->n_inputs; i++) {
        struct cz_infer_shape x = cz_infer_input(node, i);
        if (!x.known)
            return CZ_OK;
        if (x.rank != y.rank)
            return cz_infer_error(node, err,
                                  "input %zu has %zu dims, the "
                                  "first %zu",
                                  i, x.rank, y.rank);
        for (size_t d = 0; d < y.rank; d++) {
            if (d == axis)
                y.dims[d] =
                    x.dims[d] < 0 || y.dims[d] < 0 ? -1 : y.dims[d] + x.dims[d];
            else if (y.dims[d] < 0)
                y.dims[d] = x.dims[d];
            else if (x.dims[d] >= 0 && x.dims[d] != y.dims[d])
                return cz_infer_error(node, err,
                                      "dimension %zu of input %zu "
                                      "is %lld, of the first %lld",
                                      d, i, (long long)x.dims[d],
                                      (long long)y.dims[d]);
        }
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_split(const struct cz_node *node,
                              struct cz_infer_shape *outputs,
                              struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0);
    int64_t parts[64];
    size_t axis, n_parts;
    int64_t n = (int64_t)node->n_outputs;
    if (!x.known)
        return CZ_OK;
    CZ_TRY(cz_infer_axis(&axis, node, cz_node_attr_int(node, "axis", 0), x.rank,
                         err));
    bool given = cz_infer_ints_or_attr(node, 1, "split", parts,
                                       sizeof parts / sizeof *parts, &n_parts);
    if (given && n_parts != node->n_outputs)
        return cz_infer_error(node, err, "splits into %zu, has %zu outputs",
                              n_parts, node->n_outputs);
    int64_t size = x.dims[axis];
    int64_t part = size < 0 ? -1 : (size + n - 1) / n;
    for (size_t i = 0; i < node->n_outputs; i++) {
        outputs[i] = x;
        if (given)
            outputs[i].dims[axis] = parts[i];
        else if (cz_node_input(node, 1) || cz_node_attr(node, "split") ||
                 part < 0)
            outputs[i].dims[axis] = -1;
        else
            outputs[i].dims[axis] =
                (int64_t)i < n - 1 ? part : size - part * (n - 1);
    }
    return CZ_OK;
}

static int64_t clamp(int64_t number, int64_t low, int64_t high)
{
    return number < low ? low : number > high ? high : number;
}

/* Elements of one sliced dimension. */
static int64_t slice_dim(int64_t size, int64_t start, int64_t end, int64_t step)
{
    if (size <= 0)
        return size;
    start = start < 0 ? (start < -size ? -1 : start + size) : start;
    end = end < 0 ? (end < -size ? -1 : end + size) : end;
    int64_t span;
    if (step > 0) {
        start = clamp(start, 0, size);
        span = clamp(end, 0, size) - start;
    } else {
        start = clamp(start, 0, size - 1);
        span = start - clamp(end, -1, size - 1);
        step = -step;
    }
    return span <= 0 ? 0 : (span - 1) / step + 1;
}

enum cz_status cz_infer_slice(const struct cz_node *node,
                              struct cz_infer_shape *outputs,
                              struct cz_error *err)
{
    enum { N = CZ_INFER_RANK_MAX };
    struct cz_infer_shape y = cz_infer_input(node, 0);
    int64_t starts[N], ends[N], axes[N], steps[N];
    size_t n, n_ends, n_axes, n_steps;
    if (!y.known || !cz_infer_ints_or_attr(node, 1, "starts", starts, N, &n) ||
        !cz_infer_ints_or_attr(node, 2, "ends", ends, N, &n_ends) ||
        n_ends != n)
        return CZ_OK;
    bool has_axes = cz_infer_ints_or_attr(node, 3, "axes", axes, N, &n_axes);
    bool has_steps = cz_infer_ints(node, 4, steps, N, &n_steps);
    if ((cz_node_input(node, 3) && !has_axes) ||
        (cz_node_input(node, 4) && !has_steps) || (has_axes && n_axes != n) ||
        (has_steps && n_steps != n))
        return CZ_OK;
    for (size_t i = 0; i < n; i++) {
        size_t axis;
        int64_t step = has_steps ? steps[i] : 1;
        CZ_TRY(cz_infer_axis(&axis, node, has_axes ? axes[i] : (int64_t)i,
                             y.rank, err));
        if (step == 0 || step == INT64_MIN)
            return cz_infer_error(node, err, "step is %lld", (long long)step);
        y.dims[axis] = slice_dim(y.dims[axis], starts[i], ends[i], step);
    }
    outputs[0] = y;
    return CZ_OK;
}

/* The product of all dims, or -1. */
static int64_t count_of(const struct cz_infer_shape *shape)
{
    int64_t count = 1;
    for (size_t i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0 ||
            __builtin_mul_overflow(count, shape->dims[i], &count))
            return -1;
    }
    return count;
}

enum cz_status cz_infer_reshape(const struct cz_node *node,
                                struct cz_infer_shape *outputs,
                                struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), y = {.known = true};
    bool keep_zero = cz_node_attr_int(node, "allowzero", 0) == 0;
    size_t open_at = CZ_INFER_RANK_MAX;
    if (!cz_infer_ints(node, 1, y.dims, CZ_INFER_RANK_MAX, &y.rank))
        return CZ_OK;
    for (size_t i = 0; i < y.rank; i++) {
        if (y.dims[i] < -1)
            return cz_infer_error(node, err, "shape holds %lld",
                                  (long long)y.dims[i]);
        if (y.dims[i] == -1)
            open_at = i;
        else if (y.dims[i] == 0 && keep_zero)
            y.dims[i] = x.known && i < x.rank ? x.dims[i] : -1;
    }
    int64_t want = x.known ? count_of(&x) : -1;
    if (open_at < y.rank) {
        struct cz_infer_shape rest = y;
        rest.dims[open_at] = 1;
        int64_t others = count_of(&rest);
        if (want >= 0 && others > 0 && want % others)
            return cz_infer_error(node, err,
                                  "%lld elements cannot be "
                                  "divided by %lld",
                                  (long long)want, (long long)others);
        y.dims[open_at] = want >= 0 && others > 0 ? want / others : -1;
    } else if (want >= 0 && count_of(&y) >= 0 && count_of(&y) != want) {
        return cz_infer_error(node, err, "%lld elements become %lld",
                              (long long)want, (long long)count_of(&y));
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_transpose(const struct cz_node *node,
                                  struct cz_infer_shape *outputs,
                                  struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), y = x;
    size_t n;
    const int64_t *perm = cz_node_attr_ints(node, "perm", &n);
    if (!x.known)
        return CZ_OK;
    if (perm && n != x.rank)
        return cz_infer_error(node, err, "perm has %zu numbers, want %zu", n,
                              x.rank);
    for (size_t i = 0; i < x.rank; i++) {
        size_t from = x.rank - 1 - i;
        if (perm)
            CZ_TRY(cz_infer_axis(&from, node, perm[i], x.rank, err));
        y.dims[i] = x.dims[from];
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_squeeze(const struct cz_node *node,
                                struct cz_infer_shape *outputs,
                                struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), y = {.known = true};
    int64_t axes[CZ_INFER_RANK_MAX];
    bool drop[CZ_INFER_RANK_MAX] = {false};
    size_t n;
    if (!x.known ||
        !cz_infer_ints_or_attr(node, 1, "axes", axes, CZ_INFER_RANK_MAX, &n))
        return CZ_OK;
    for (size_t i = 0; i < n; i++) {
        size_t axis;
        CZ_TRY(cz_infer_axis(&axis, node, axes[i], x.rank, err));
        drop[axis] = true;
    }
    for (size_t i = 0; i < x.rank; i++) {
        if (!drop[i])
            y.dims[y.rank++] = x.dims[i];
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_unsqueeze(const struct cz_node *node,
                                  struct cz_infer_shape *outputs,
                                  struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), y = {.known = true};
    int64_t axes[CZ_INFER_RANK_MAX];
    bool added[CZ_INFER_RANK_MAX] = {false};
    size_t n, next = 0;
    if (!x.known ||
        !cz_infer_ints_or_attr(node, 1, "axes", axes, CZ_INFER_RANK_MAX, &n) ||
        x.rank + n > CZ_INFER_RANK_MAX)
        return CZ_OK;
    y.rank = x.rank + n;
    for (size_t i = 0; i < n; i++) {
        size_t axis;
        CZ_TRY(cz_infer_axis(&axis, node, axes[i], y.rank, err));
        if (added[axis])
            return cz_infer_error(node, err, "axis %zu twice", axis);
        added[axis] = true;
    }
    for (size_t i = 0; i < y.rank; i++)
        y.dims[i] = added[i] ? 1 : x.dims[next++];
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_flatten(const struct cz_node *node,
                                struct cz_infer_shape *outputs,
                                struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0);
    int64_t axis = cz_node_attr_int(node, "axis", 1);
    int64_t rank = (int64_t)x.rank;
    if (!x.known)
        return CZ_OK;
    if (axis < -rank || axis > rank)
        return cz_infer_error(node, err, "axis %lld of %zu dimensions",
                              (long long)axis, x.rank);
    struct cz_infer_shape front = x, back = {.known = true};
    front.rank = (size_t)(axis < 0 ? axis + rank : axis);
    back.rank = x.rank - front.rank;
    memcpy(back.dims, x.dims + front.rank, back.rank * sizeof *back.dims);
    outputs[0] =
        (struct cz_infer_shape){true, 2, {count_of(&front), count_of(&back)}};
    return CZ_OK;
}

/* Upsample has its scales in input 1, Resize in input 1 (opset 10) or 2, and
 * sizes in input 3. */
enum cz_status cz_infer_resize(const struct cz_node *node,
                               struct cz_infer_shape *outputs,
                               struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), y = x;
    int64_t sizes[CZ_INFER_RANK_MAX];
    size_t n;
    (void)err;
    /* Opset 18 resizes some axes only. */
    if (!x.known || cz_node_attr(node, "axes") ||
        cz_node_attr(node, "keep_aspect_ratio_policy"))
        return CZ_OK;
    if (cz_infer_ints(node, 3, sizes, CZ_INFER_RANK_MAX, &n) && n == x.rank) {
        memcpy(y.dims, sizes, n * sizeof *sizes);
        outputs[0] = y;
        return CZ_OK;
    }
    /* tf_crop_and_resize scales a part of the image only. */
    const struct cz_attr *mode =
        cz_node_attr(node, "coordinate_transformation_mode");
    if (mode && mode->kind == CZ_ATTR_STRING &&
        strcmp(mode->strings[0].data, "tf_crop_and_resize") == 0)
        return CZ_OK;
    const struct cz_value *scales =
        cz_node_input(node, node->n_inputs == 2 ? 1 : 2);
    struct cz_elements e;
    if (!scales || !scales->constant || scales->constant->count != x.rank ||
        scales->dtype != CZ_DTYPE_FLOAT ||
        cz_tensor_elements(scales->constant, &e, NULL) != CZ_OK)
        return CZ_OK;
    for (size_t i = 0; i < x.rank; i++) {
        /* In float, as runtimes do: 10 * 0.7f is 7, in double below it. */
        float size = floorf((float)x.dims[i] * (float)cz_elements_get(&e, i));
        bool known = x.dims[i] >= 0 && size >= 0 && (double)size <= CZ_DIM_MAX;
        y.dims[i] = known ? (int64_t)size : -1;
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_pad(const struct cz_node *node,
                            struct cz_infer_shape *outputs,
                            struct cz_error *err)
{
    struct cz_infer_shape y = cz_infer_input(node, 0);
    int64_t pads[2 * CZ_INFER_RANK_MAX];
    size_t n;
    (void)err;
    if (!y.known || cz_node_input(node, 3) ||
        !cz_infer_ints_or_attr(node, 1, "pads", pads, 2 * CZ_INFER_RANK_MAX,
                               &n) ||
        n != 2 * y.rank)
        return CZ_OK;
    for (size_t i = 0; i < y.rank; i++) {
        int64_t both;
        if (y.dims[i] < 0 ||
            __builtin_add_overflow(pads[i], pads[i + y.rank], &both) ||
            __builtin_add_overflow(y.dims[i], both, &y.dims[i]) ||
            y.dims[i] < 0 || y.dims[i] > CZ_DIM_MAX)
            y.dims[i] = -1;
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_matmul(const struct cz_node *node,
                               struct cz_infer_shape *outputs,
                               struct cz_error *err)
{
    struct cz_infer_shape a = cz_infer_input(node, 0);
    struct cz_infer_shape b = cz_infer_input(node, 1);
    if (!a.known || !b.known || a.rank < 2 || b.rank < 2)
        return CZ_OK;
    int64_t inner = a.dims[a.rank - 1], other = b.dims[b.rank - 2];
    if (inner >= 0 && other >= 0 && inner != other)
        return cz_infer_error(node, err,
                              "multiplies %lld columns with %lld "
                              "rows",
                              (long long)inner, (long long)other);
    struct cz_infer_shape y = a.rank >= b.rank ? a : b;
    size_t short_rank = a.rank >= b.rank ? b.rank : a.rank;
    const int64_t *shorter = a.rank >= b.rank ? b.dims : a.dims;
    for (size_t i = 0; i + 2 < short_rank; i++)
        CZ_TRY(broadcast_dim(node, &y.dims[i + y.rank - short_rank], shorter[i],
                             err));
    y.dims[y.rank - 2] = a.dims[a.rank - 2];
    y.dims[y.rank - 1] = b.dims[b.rank - 1];
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_gemm(const struct cz_node *node,
                             struct cz_infer_shape *outputs,
                             struct cz_error *err)
{
    struct cz_infer_shape a = cz_infer_input(node, 0);
    struct cz_infer_shape b = cz_infer_input(node, 1);
    size_t ta = cz_node_attr_int(node, "transA", 0) != 0;
    size_t tb = cz_node_attr_int(node, "transB", 0) != 0;
    if (!a.known || !b.known)
        return CZ_OK;
    if (a.rank != 2 || b.rank != 2)
        return cz_infer_error(node, err,
                              "operands have %zu and %zu dims, "
                              "want 2",
                              a.rank, b.rank);
    outputs[0] = (struct cz_infer_shape){true, 2, {a.dims[ta], b.dims[1 - tb]}};
    return CZ_OK;
}

enum cz_status cz_infer_reduce(const struct cz_node *node,
                               struct cz_infer_shape *outputs,
                               struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), y = {.known = true};
    int64_t axes[CZ_INFER_RANK_MAX];
    bool reduced[CZ_INFER_RANK_MAX] = {false};
    bool keep = cz_node_attr_int(node, "keepdims", 1) != 0;
    size_t n;
    if (!x.known ||
        !cz_infer_ints_or_attr(node, 1, "axes", axes, CZ_INFER_RANK_MAX, &n))
        return CZ_OK;
    if (!n) /* an empty list means all of them, or none */
        return CZ_OK;
    for (size_t i = 0; i < n; i++) {
        size_t axis;
        CZ_TRY(cz_infer_axis(&axis, node, axes[i], x.rank, err));
        reduced[axis] = true;
    }
    for (size_t i = 0; i < x.rank; i++) {
        if (!reduced[i])
            y.dims[y.rank++] = x.dims[i];
        else if (keep)
            y.dims[y.rank++] = 1;
    }
    outputs[0] = y;
    return CZ_OK;
}

/* Both block operators exchange channels with height and width. */
static enum cz_status infer_blocks(const struct cz_node *node,
                                   struct cz_infer_shape *outputs,
                                   bool to_space, struct cz_error *err)
{
    struct cz_infer_shape y = cz_infer_input(node, 0);
    int64_t block = cz_node_attr_int(node, "blocksize", 0);
    if (block < 1 || block > 1 << 15)
        return cz_infer_error(node, err, "blocksize is %lld", (long long)block);
    if (!y.known || y.rank != 4)
        return CZ_OK;
    for (size_t i = 1; i < 4; i++) {
        int64_t factor = i == 1 ? block * block : block;
        bool grows = to_space == (i != 1);
        if (y.dims[i] < 0 || y.dims[i] > CZ_DIM_MAX)
            y.dims[i] = -1;
        else
            y.dims[i] = grows ? y.dims[i] * factor : y.dims[i] / factor;
    }
    outputs[0] = y;
    return CZ_OK;
}

enum cz_status cz_infer_depth_to_space(const struct cz_node *node,
                                       struct cz_infer_shape *outputs,
                                       struct cz_error *err)
{
    return infer_blocks(node, outputs, true, err);
}

enum cz_status cz_infer_space_to_depth(const struct cz_node *node,
                                       struct cz_infer_shape *outputs,
                                       struct cz_error *err)
{
    return infer_blocks(node, outputs, false, err);
}

enum cz_status cz_infer_shape_of(const struct cz_node *node,
                                 struct cz_infer_shape *outputs,
                                 struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0);
    (void)err;
    if (!cz_node_attr(node, "start") && !cz_node_attr(node, "end"))
        outputs[0] =
            (struct cz_infer_shape){true, 1, {x.known ? (int64_t)x.rank : -1}};
    return CZ_OK;
}

enum cz_status cz_infer_gather(const struct cz_node *node,
                               struct cz_infer_shape *outputs,
                               struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0);
    struct cz_infer_shape index = cz_infer_input(node, 1);
    struct cz_infer_shape y = {.known = true};
    size_t axis;
    if (!x.known || !index.known || x.rank + index.rank > CZ_INFER_RANK_MAX)
        return CZ_OK;
    CZ_TRY(cz_infer_axis(&axis, node, cz_node_attr_int(node, "axis", 0), x.rank,
                         err));
    for (size_t i = 0; i < axis; i++)
        y.dims[y.rank++] = x.dims[i];
    for (size_t i = 0; i < index.rank; i++)
        y.dims[y.rank++] = index.dims[i];
    for (size_t i = axis + 1; i < x.rank; i++)
        y.dims[y.rank++] = x.dims[i];
    outputs[0] = y;
    return CZ_OK;
}
