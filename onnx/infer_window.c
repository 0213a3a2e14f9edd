/* Shapes of the operators that slide a window over the image: Conv,
 * ConvTranspose and the pools (ONNX operator specification, their sections on
 * auto_pad and ceil_mode). */
#include <string.h>

#include "onnx/infer_internal.h"

#define SPATIAL_MAX 3

struct window {
    size_t spatial; /* dimensions behind batch and channel */
    int64_t kernel[SPATIAL_MAX], strides[SPATIAL_MAX], dilations[SPATIAL_MAX];
    int64_t pads[2 * SPATIAL_MAX]; /* begins, then ends */
    enum { PAD_GIVEN, PAD_SAME, PAD_VALID } padding;
};

static enum cz_status check_kind(const struct cz_node *node, const char *name,
                                 enum cz_attr_kind kind, struct cz_error *err)
{
    const struct cz_attr *attr = cz_node_attr(node, name);
    if (!attr || attr->kind == kind)
        return CZ_OK;
    return cz_infer_error(node, err, "attribute '%s' has type %d, want %d (%s)",
                          name, attr->kind, kind,
                          kind == CZ_ATTR_INT ? "an integer" : "integers");
}

/* Reads a list of `count` numbers of at least `least`, all `otherwise` where
 * there is none. */
static enum cz_status read_list(int64_t *list, const struct cz_node *node,
                                const char *name, size_t count, int64_t least,
                                int64_t otherwise, struct cz_error *err)
{
    size_t given;
    CZ_TRY(check_kind(node, name, CZ_ATTR_INTS, err));
    const int64_t *ints = cz_node_attr_ints(node, name, &given);
    if (ints && given != count)
        return cz_infer_error(node, err, "'%s' has %zu numbers, want %zu", name,
                              given, count);
    for (size_t i = 0; i < count; i++) {
        list[i] = ints ? ints[i] : otherwise;
        if (list[i] < least || list[i] > CZ_DIM_MAX)
            return cz_infer_error(node, err, "'%s' is %lld, want %lld to %d",
                                  name, (long long)list[i], (long long)least,
                                  CZ_DIM_MAX);
    }
    return CZ_OK;
}

static void read_padding(struct window *w, const struct cz_node *node)
{
    const struct cz_attr *attr = cz_node_attr(node, "auto_pad");
    w->padding = PAD_GIVEN;
    if (!attr || attr->kind != CZ_ATTR_STRING)
        return;
    if (strncmp(attr->strings[0].data, "SAME_", 5) == 0)
        w->padding = PAD_SAME;
    else if (strcmp(attr->strings[0].data, "VALID") == 0)
        w->padding = PAD_VALID;
}

/* kernel: dims of the weight behind the first two, or NULL for a pool. */
static enum cz_status read_window(struct window *w, const struct cz_node *node,
                                  size_t spatial, const int64_t *kernel,
                                  struct cz_error *err)
{
    w->spatial = spatial;
    read_padding(w, node);
    CZ_TRY(read_list(w->kernel, node, "kernel_shape", spatial, 1, 1, err));
    CZ_TRY(read_list(w->strides, node, "strides", spatial, 1, 1, err));
    CZ_TRY(read_list(w->dilations, node, "dilations", spatial, 1, 1, err));
    CZ_TRY(read_list(w->pads, node, "pads", 2 * spatial, 0, 0, err));
    bool given = cz_node_attr(node, "kernel_shape") != NULL;
    for (size_t i = 0; kernel && i < spatial; i++) {
        if (given && kernel[i] >= 0 && kernel[i] != w->kernel[i])
            return cz_infer_error(
                node, err, "kernel_shape says %lld, the weight %lld",
                (long long)w->kernel[i], (long long)kernel[i]);
        w->kernel[i] = kernel[i];
    }
    if (!kernel && !given)
        return cz_infer_error(node, err, "has no kernel_shape");
    return CZ_OK;
}

/* Output size along spatial dimension i, -1 where it is not known. */
static int64_t slide(const struct window *w, size_t i, int64_t size, bool ceil)
{
    if (size < 0 || w->kernel[i] < 0)
        return -1;
    int64_t stride = w->strides[i];
    if (w->padding == PAD_SAME)
        return (size + stride - 1) / stride;
    int64_t extent = w->dilations[i] * (w->kernel[i] - 1) + 1;
    int64_t pads =
        w->padding == PAD_VALID ? 0 : w->pads[i] + w->pads[i + w->spatial];
    int64_t room = size + pads - extent;
    if (room < 0)
        return 0;
    int64_t steps = (ceil ? room + stride - 1 : room) / stride;
    /* A window may not start in the padding behind the image. */
    if (ceil && steps * stride >= size + w->pads[i])
        steps--;
    return steps + 1;
}

static enum cz_status check_positive(const struct cz_node *node,
                                     const struct cz_infer_shape *out,
                                     const struct cz_infer_shape *in,
                                     struct cz_error *err)
{
    for (size_t i = 2; i < out->rank; i++) {
        if (out->dims[i] == 0 && in->dims[i] != 0)
            return cz_infer_error(node, err,
                                  "dimension %zu of its input is %lld, too "
                                  "small for its window",
                                  i, (long long)in->dims[i]);
    }
    return CZ_OK;
}

static enum cz_status check_weight_dtype(const struct cz_node *node,
                                         struct cz_error *err)
{
    const struct cz_value *weight = cz_node_input(node, 1);
    if (!weight || weight->dtype == CZ_DTYPE_UNDEFINED ||
        cz_dtype_is_float(weight->dtype))
        return CZ_OK;
    return cz_infer_error(node, err, "weight is %s, want a float type",
                          cz_dtype_name(weight->dtype));
}

/* Reads x and w of a convolution; `*known` is false when their shapes do not
 * suffice to go on. */
static enum cz_status read_conv(const struct cz_node *node, bool *known,
                                struct cz_infer_shape *x,
                                struct cz_infer_shape *w, struct window *win,
                                int64_t *group, struct cz_error *err)
{
    *known = false;
    *x = cz_infer_input(node, 0);
    *w = cz_infer_input(node, 1);
    CZ_TRY(check_weight_dtype(node, err));
    CZ_TRY(check_kind(node, "group", CZ_ATTR_INT, err));
    *group = cz_node_attr_int(node, "group", 1);
    if (*group < 1 || *group > CZ_DIM_MAX)
        return cz_infer_error(node, err, "group is %lld, want 1 or more",
                              (long long)*group);
    if (!w->known)
        return CZ_OK;
    if (w->rank < 3)
        return cz_infer_error(node, err, "weight has %zu dims, want 4",
                              w->rank);
    if (w->rank - 2 > SPATIAL_MAX)
        return CZ_OK;
    if (x->known && x->rank != w->rank)
        return cz_infer_error(node, err, "input has %zu dims, its weight %zu",
                              x->rank, w->rank);
    CZ_TRY(read_window(win, node, w->rank - 2, w->dims + 2, err));
    *known = x->known;
    return CZ_OK;
}

enum cz_status cz_infer_conv(const struct cz_node *node,
                             struct cz_infer_shape *outputs,
                             struct cz_error *err)
{
    struct cz_infer_shape x, w, *y = &outputs[0];
    struct window win;
    int64_t group;
    bool known;
    CZ_TRY(read_conv(node, &known, &x, &w, &win, &group, err));
    if (w.known && w.dims[0] > 0 && w.dims[0] % group)
        return cz_infer_error(node, err, "%lld output channels in %lld groups",
                              (long long)w.dims[0], (long long)group);
    if (!known)
        return CZ_OK;
    if (x.dims[1] >= 0 && w.dims[1] >= 0 && x.dims[1] != w.dims[1] * group)
        return cz_infer_error(node, err,
                              "input has %lld channels, its weight wants "
                              "%lld x %lld groups",
                              (long long)x.dims[1], (long long)w.dims[1],
                              (long long)group);
    *y = x;
    y->dims[1] = w.dims[0];
    for (size_t i = 0; i < win.spatial; i++)
        y->dims[i + 2] = slide(&win, i, x.dims[i + 2], false);
    return check_positive(node, y, &x, err);
}

enum cz_status cz_infer_conv_transpose(const struct cz_node *node,
                                       struct cz_infer_shape *outputs,
                                       struct cz_error *err)
{
    struct cz_infer_shape x, w, *y = &outputs[0];
    struct window win;
    int64_t group, extra[SPATIAL_MAX];
    size_t n_sizes;
    bool known;
    CZ_TRY(read_conv(node, &known, &x, &w, &win, &group, err));
    if (!known)
        return CZ_OK;
    CZ_TRY(read_list(extra, node, "output_padding", win.spatial, 0, 0, err));
    const int64_t *sizes = cz_node_attr_ints(node, "output_shape", &n_sizes);
    *y = x;
    y->dims[1] = w.dims[1] < 0 ? -1 : w.dims[1] * group;
    for (size_t i = 0; i < win.spatial; i++) {
        int64_t size = x.dims[i + 2];
        int64_t extent = win.dilations[i] * (win.kernel[i] - 1) + 1;
        if (sizes && n_sizes == win.spatial)
            y->dims[i + 2] = sizes[i];
        else if (size <= 0 || win.kernel[i] < 0)
            y->dims[i + 2] = -1;
        else if (win.padding == PAD_SAME)
            y->dims[i + 2] = size * win.strides[i];
        else
            y->dims[i + 2] = win.strides[i] * (size - 1) + extra[i] + extent -
                             win.pads[i] - win.pads[i + win.spatial];
    }
    return CZ_OK;
}

enum cz_status cz_infer_pool(const struct cz_node *node,
                             struct cz_infer_shape *outputs,
                             struct cz_error *err)
{
    struct cz_infer_shape x = cz_infer_input(node, 0), *y = &outputs[0];
    struct window win;
    if (!x.known || x.rank < 3 || x.rank - 2 > SPATIAL_MAX)
        return CZ_OK;
    CZ_TRY(read_window(&win, node, x.rank - 2, NULL, err));
    bool ceil = cz_node_attr_int(node, "ceil_mode", 0) != 0;
    *y = x;
    for (size_t i = 0; i < win.spatial; i++)
        y->dims[i + 2] = slide(&win, i, x.dims[i + 2], ceil);
    if (node->n_outputs > 1)
        outputs[1] = *y;
    return check_positive(node, y, &x, err);
}

enum cz_status cz_infer_global_pool(const struct cz_node *node,
                                    struct cz_infer_shape *outputs,
                                    struct cz_error *err)
{
    (void)err;
    outputs[0] = cz_infer_input(node, 0);
    for (size_t i = 2; outputs[0].known && i < outputs[0].rank; i++)
        outputs[0].dims[i] = 1;
    return CZ_OK;
}
