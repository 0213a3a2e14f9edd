/* Zeroing channels, and cutting them out: weights, biases and constants along
 * their axes of channels, sizes that Split and Resize are told, groups of
 * depthwise Convs, and the shapes of values. */
#include <string.h>

#include "core/alloc.h"
#include "prune/channels_internal.h"

/* ---- masks ------------------------------------------------------------ */

/* A tensor as [outer, count, inner] around one of its axes. */
struct split_dims {
    size_t outer, count, inner;
};

static struct split_dims split_at(const int64_t *dims, size_t rank, size_t axis)
{
    struct split_dims s = {1, (size_t)dims[axis], 1};
    for (size_t i = 0; i < axis; i++)
        s.outer *= (size_t)dims[i];
    for (size_t i = axis + 1; i < rank; i++)
        s.inner *= (size_t)dims[i];
    return s;
}

static void zero_elements(const struct cz_elements *e, size_t from,
                          size_t count)
{
    for (size_t i = from; i < from + count; i++)
        memset((char *)e->data + i * e->stride, 0, sizeof(float));
}

static enum cz_status mask_operand(const struct cz_channels *channels,
                                   struct cz_tensor *tensor,
                                   const struct cz_channel_operand *operand,
                                   struct cz_error *err)
{
    const struct split_dims s =
        split_at(tensor->dims, tensor->rank, operand->axis);
    struct cz_elements e;
    if (cz_channels_kept_along(channels, operand, s.count) == s.count)
        return CZ_OK;
    CZ_TRY(cz_tensor_elements(tensor, &e, err));
    for (size_t i = 0; i < s.count; i++) {
        if (!cz_channels_is_gone(channels, operand->value, i))
            continue;
        for (size_t o = 0; o < s.outer; o++)
            zero_elements(&e, (o * s.count + i) * s.inner, s.inner);
    }
    cz_tensor_touch(tensor);
    return CZ_OK;
}

enum cz_status cz_channels_mask(struct cz_channels *channels,
                                struct cz_error *err)
{
    struct cz_channel_operand operands[CZ_CHANNEL_OPERANDS_MAX];
    for (size_t i = 0; i < channels->n_convs; i++) {
        const struct cz_node *conv = channels->convs[i].node;
        if (!cz_channels_touch(channels, conv))
            continue;
        const size_t n = cz_channel_operands(operands, conv);
        for (size_t k = 0; k < n; k++)
            CZ_TRY(mask_operand(channels,
                                conv->inputs[operands[k].input]->constant,
                                &operands[k], err));
    }
    return CZ_OK;
}

/* ---- tensors ---------------------------------------------------------- */

/* A constant that is being cut. */
struct piece {
    float *floats;
    int64_t dims[8];
    size_t rank;
};

/* Moves what stays along one axis together. */
static void cut_axis(const struct cz_channels *channels, struct piece *piece,
                     const struct cz_channel_operand *operand)
{
    const struct split_dims s =
        split_at(piece->dims, piece->rank, operand->axis);
    float *to = piece->floats;
    for (size_t i = 0; i < s.outer * s.count; i++) {
        if (cz_channels_is_gone(channels, operand->value, i % s.count))
            continue;
        memmove(to, piece->floats + i * s.inner, s.inner * sizeof *to);
        to += s.inner;
    }
    piece->dims[operand->axis] =
        (int64_t)cz_channels_kept_along(channels, operand, s.count);
}

static enum cz_status put_tensor(struct cz_node *node, size_t input,
                                 const struct cz_tensor_spec *spec,
                                 struct cz_error *err)
{
    struct cz_value *value;
    const struct cz_value *old = cz_node_input(node, input);
    CZ_TRY(cz_graph_add_tensor(&value, node->graph,
                               old ? old->name : cz_node_label(node), "_cut",
                               spec, err));
    return cz_node_set_input(node, input, value, err);
}

static enum cz_status put_piece(struct cz_node *node, size_t input,
                                const struct piece *piece, struct cz_error *err)
{
    size_t count = 1;
    for (size_t i = 0; i < piece->rank; i++)
        count *= (size_t)piece->dims[i];
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_FLOAT,
                                        .rank = piece->rank,
                                        .dims = piece->dims,
                                        .data = piece->floats,
                                        .size_bytes = count * sizeof(float)};
    return put_tensor(node, input, &spec, err);
}

/* Cuts the tensor of operands[0], along the axes of all that follow it for the
 * same input. */
static enum cz_status cut_tensor(const struct cz_channels *channels,
                                 struct cz_node *node,
                                 const struct cz_channel_operand *operands,
                                 size_t n, struct cz_error *err)
{
    const size_t input = operands->input;
    struct cz_tensor *tensor = node->inputs[input]->constant;
    struct piece piece = {.rank = tensor->rank};
    if (tensor->rank > sizeof piece.dims / sizeof *piece.dims)
        return cz_error_set(err, CZ_EUNSUPPORTED, "'%.100s' has %zu dims",
                            node->inputs[input]->name, tensor->rank);
    memcpy(piece.dims, tensor->dims, tensor->rank * sizeof *tensor->dims);
    CZ_TRY(cz_tensor_floats(tensor, &piece.floats, err));
    for (size_t i = 0; i < n && operands[i].input == input; i++)
        cut_axis(channels, &piece, &operands[i]);
    const enum cz_status status = put_piece(node, input, &piece, err);
    cz_free(piece.floats);
    return status;
}

static enum cz_status cut_operands(const struct cz_channels *channels,
                                   struct cz_node *node, struct cz_error *err)
{
    struct cz_channel_operand operands[CZ_CHANNEL_OPERANDS_MAX];
    const size_t n = cz_channel_operands(operands, node);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || operands[i].input != operands[i - 1].input)
            CZ_TRY(cut_tensor(channels, node, &operands[i], n - i, err));
    }
    return CZ_OK;
}

/* ---- sizes and groups ------------------------------------------------- */

static enum cz_status put_ints(struct cz_node *node, size_t input,
                               const int64_t *ints, size_t count,
                               struct cz_error *err)
{
    const int64_t dims[] = {(int64_t)count};
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_INT64,
                                        .rank = 1,
                                        .dims = dims,
                                        .data = ints,
                                        .size_bytes = count * sizeof *ints};
    return put_tensor(node, input, &spec, err);
}

static enum cz_status put_split(struct cz_node *node, const int64_t *sizes,
                                struct cz_error *err)
{
    const struct cz_attr attr = {.name = "split",
                                 .kind = CZ_ATTR_INTS,
                                 .count = node->n_outputs,
                                 .ints = sizes};
    if (cz_model_opset(node->graph->model, "") < 13)
        return cz_node_set_attr(node, &attr, err);
    cz_node_drop_attr(node, "num_outputs");
    return put_ints(node, 1, sizes, node->n_outputs, err);
}

static enum cz_status cut_split(const struct cz_channels *channels,
                                struct cz_node *node, struct cz_error *err)
{
    if (!cz_parts_are_channels(node))
        return CZ_OK;
    int64_t *sizes = cz_calloc(node->n_outputs, sizeof *sizes);
    if (!sizes)
        return cz_error_nomem(err);
    for (size_t i = 0; i < node->n_outputs; i++)
        sizes[i] = (int64_t)cz_channels_kept(channels, node->outputs[i]);
    const enum cz_status status = put_split(node, sizes, err);
    cz_free(sizes);
    return status;
}

/* One that is told sizes, not scales. */
static enum cz_status cut_resize(const struct cz_channels *channels,
                                 struct cz_node *node, struct cz_error *err)
{
    const struct cz_value *sizes = cz_node_input(node, 3);
    struct cz_elements e;
    int64_t ints[8];
    if (!sizes || cz_node_attr(node, "axes"))
        return CZ_OK;
    CZ_TRY(cz_tensor_elements(sizes->constant, &e, err));
    if (e.count > sizeof ints / sizeof *ints)
        return cz_error_set(err, CZ_EUNSUPPORTED, "'%.100s' has %zu sizes",
                            cz_node_label(node), e.count);
    for (size_t i = 0; i < e.count; i++)
        ints[i] = (int64_t)cz_elements_get(&e, i);
    ints[1] = (int64_t)cz_channels_kept(channels, node->outputs[0]);
    return put_ints(node, 3, ints, e.count, err);
}

static enum cz_status cut_node(const struct cz_channels *channels,
                               struct cz_node *node, struct cz_error *err)
{
    if (!cz_channels_touch(channels, node))
        return CZ_OK;
    CZ_TRY(cut_operands(channels, node, err));
    if (cz_node_is(node, "Conv") && cz_conv_is_depthwise(node)) {
        const size_t groups = cz_channels_kept(channels, node->inputs[0]);
        return cz_node_set_attr_int(node, "group", (int64_t)groups, err);
    }
    if (cz_node_is(node, "Split"))
        return cut_split(channels, node, err);
    if (cz_node_is(node, "Resize"))
        return cut_resize(channels, node, err);
    return CZ_OK;
}

static enum cz_status cut_values(const struct cz_channels *channels,
                                 struct cz_error *err)
{
    const struct cz_coupling *c = &channels->coupling;
    for (size_t i = 0; i < c->n_values; i++) {
        struct cz_value *value = c->graph->values[i];
        const size_t kept = cz_channels_kept(channels, value);
        if (kept != cz_coupling_channels(c, value))
            CZ_TRY(cz_value_set_dim(value, 1, (int64_t)kept, err));
    }
    return CZ_OK;
}

enum cz_status cz_channels_cut(struct cz_channels *channels,
                               struct cz_error *err)
{
    struct cz_graph *graph = channels->coupling.graph;
    CZ_TRY(cz_model_raise_ir(channels->model, 4, err));
    for (size_t i = 0; i < graph->n_nodes; i++)
        CZ_TRY(cut_node(channels, graph->nodes[i], err));
    CZ_TRY(cut_values(channels, err));
    return cz_model_drop_unused(channels->model, err);
}
