/* How single operators get the form that opset 13 or 19 has for them; what each
 * of them meant before is in the ONNX operator specification. Constants that
 * become inputs are initializers. */
#include <string.h>

#include "core/half.h"
#include "onnx/raise_internal.h"

/* ---- attributes become inputs ----------------------------------------- */

static enum cz_status add_input(struct cz_node *node, size_t input,
                                const char *suffix,
                                const struct cz_tensor_spec *spec,
                                struct cz_error *err)
{
    struct cz_value *value;
    CZ_TRY(cz_graph_add_tensor(&value, node->graph, cz_node_label(node), suffix,
                               spec, err));
    return cz_node_set_input(node, input, value, err);
}

static enum cz_status add_ints(struct cz_node *node, size_t input,
                               const char *suffix, const int64_t *ints,
                               size_t count, struct cz_error *err)
{
    const int64_t dim = (int64_t)count;
    const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_INT64,
                                        .rank = 1,
                                        .dims = &dim,
                                        .data = ints,
                                        .size_bytes = count * sizeof *ints};
    return add_input(node, input, suffix, &spec, err);
}

/* The attribute `name`, which must be of this kind, or NULL. */
static enum cz_status find_attr(const struct cz_attr **attr,
                                const struct cz_node *node, const char *name,
                                enum cz_attr_kind kind, struct cz_error *err)
{
    *attr = cz_node_attr(node, name);
    if (*attr && (*attr)->kind != kind)
        return cz_error_set(err, CZ_EPARSE,
                            "%.50s '%.100s': its attribute '%s' is of another "
                            "kind",
                            node->op_type, cz_node_label(node), name);
    return CZ_OK;
}

enum empty_list { EMPTY_IS_ABSENT, EMPTY_IS_KEPT };

/* A list of ints moves to an input. */
static enum cz_status move_ints(struct cz_node *node, const char *name,
                                size_t input, const char *suffix,
                                enum empty_list empty, struct cz_error *err)
{
    const struct cz_attr *attr;
    CZ_TRY(find_attr(&attr, node, name, CZ_ATTR_INTS, err));
    if (!attr)
        return CZ_OK;
    if (attr->count || empty == EMPTY_IS_KEPT)
        CZ_TRY(add_ints(node, input, suffix, attr->ints, attr->count, err));
    cz_node_drop_attr(node, name);
    return CZ_OK;
}

/* A float moves to a scalar input of the type of input 0. */
static enum cz_status move_float(struct cz_node *node, const char *name,
                                 size_t input, const char *suffix,
                                 struct cz_error *err)
{
    const struct cz_attr *attr;
    const struct cz_value *data = cz_node_input(node, 0);
    CZ_TRY(find_attr(&attr, node, name, CZ_ATTR_FLOAT, err));
    if (!attr)
        return CZ_OK;
    const float number = attr->floats[0];
    const double wide = (double)number;
    const uint16_t half = cz_half_from_float(number);
    struct cz_tensor_spec spec = {
        .dtype = data ? data->dtype : CZ_DTYPE_UNDEFINED, .data = &number};
    spec.size_bytes = cz_dtype_bits(spec.dtype) / 8;
    switch (spec.dtype) {
    case CZ_DTYPE_FLOAT:
        break;
    case CZ_DTYPE_DOUBLE:
        spec.data = &wide;
        break;
    case CZ_DTYPE_FLOAT16:
        spec.data = &half;
        break;
    default:
        return cz_raise_refuse(node, err,
                               "its input is not known to be of a float type");
    }
    CZ_TRY(add_input(node, input, suffix, &spec, err));
    cz_node_drop_attr(node, name);
    return CZ_OK;
}

enum cz_status cz_raise_axes(struct cz_node *node, struct cz_error *err)
{
    enum empty_list empty =
        cz_node_is(node, "Unsqueeze") ? EMPTY_IS_KEPT : EMPTY_IS_ABSENT;
    return move_ints(node, "axes", 1, "_axes", empty, err);
}

enum cz_status cz_raise_split(struct cz_node *node, struct cz_error *err)
{
    return move_ints(node, "split", 1, "_split", EMPTY_IS_ABSENT, err);
}

enum cz_status cz_raise_slice(struct cz_node *node, struct cz_error *err)
{
    CZ_TRY(move_ints(node, "starts", 1, "_starts", EMPTY_IS_KEPT, err));
    CZ_TRY(move_ints(node, "ends", 2, "_ends", EMPTY_IS_KEPT, err));
    return move_ints(node, "axes", 3, "_axes", EMPTY_IS_ABSENT, err);
}

enum cz_status cz_raise_pad(struct cz_node *node, struct cz_error *err)
{
    CZ_TRY(move_ints(node, "pads", 1, "_pads", EMPTY_IS_KEPT, err));
    const struct cz_attr *attr;
    CZ_TRY(find_attr(&attr, node, "value", CZ_ATTR_FLOAT, err));
    if (attr && attr->floats[0] != 0)
        return move_float(node, "value", 2, "_value", err);
    cz_node_drop_attr(node, "value"); /* 0 is the default in any type */
    return CZ_OK;
}

enum cz_status cz_raise_clip(struct cz_node *node, struct cz_error *err)
{
    CZ_TRY(move_float(node, "min", 1, "_min", err));
    return move_float(node, "max", 2, "_max", err);
}

enum cz_status cz_raise_top_k(struct cz_node *node, struct cz_error *err)
{
    const struct cz_attr *attr;
    CZ_TRY(find_attr(&attr, node, "k", CZ_ATTR_INT, err));
    if (!attr)
        return cz_raise_refuse(node, err, "it has no attribute 'k'");
    CZ_TRY(add_ints(node, 1, "_k", attr->ints, 1, err));
    cz_node_drop_attr(node, "k");
    return CZ_OK;
}

/* ---- other forms ------------------------------------------------------ */

/* Nothing is dropped outside of training, so the ratio says nothing; what the
 * mask held then was not said before opset 12. */
enum cz_status cz_raise_dropout(struct cz_node *node, struct cz_error *err)
{
    struct cz_value *mask = node->n_outputs > 1 ? node->outputs[1] : NULL;
    if (mask && (mask->n_uses || mask->is_output))
        return cz_raise_refuse(node, err, "its mask is read");
    if (mask)
        cz_value_set_dtype(mask, CZ_DTYPE_BOOL);
    const struct cz_attr *attr;
    CZ_TRY(find_attr(&attr, node, "ratio", CZ_ATTR_FLOAT, err));
    if (!attr)
        return CZ_OK;
    const float ratio = attr->floats[0];
    const struct cz_tensor_spec spec = {
        .dtype = CZ_DTYPE_FLOAT, .data = &ratio, .size_bytes = sizeof ratio};
    CZ_TRY(add_input(node, 1, "_ratio", &spec, err));
    cz_node_drop_attr(node, "ratio");
    return CZ_OK;
}

enum cz_status cz_raise_scatter(struct cz_node *node, struct cz_error *err)
{
    return cz_node_set_op_type(node, "ScatterElements", err);
}

/* Where SAME or an output shape leave an odd number of pixels to pad, opset 11
 * put the odd one on the other side. */
enum cz_status cz_raise_conv_transpose(struct cz_node *node,
                                       struct cz_error *err)
{
    const char *pad = cz_node_attr_string(node, "auto_pad", "NOTSET");
    if (strncmp(pad, "SAME_", 5) == 0)
        return cz_raise_refuse(node, err, "auto_pad SAME changed its meaning");
    if (cz_node_attr(node, "output_shape"))
        return cz_raise_refuse(node, err, "output_shape changed its meaning");
    return CZ_OK;
}

enum cz_status cz_raise_one_hot(struct cz_node *node, struct cz_error *err)
{
    return cz_raise_refuse(node, err, "negative indices changed their meaning");
}

/* ---- Resize ----------------------------------------------------------- */

static enum cz_status set_string(struct cz_node *node, const char *name,
                                 const char *text, struct cz_error *err)
{
    const struct cz_bytes bytes = {text, strlen(text)};
    const struct cz_attr attr = {
        .name = name, .kind = CZ_ATTR_STRING, .count = 1, .strings = &bytes};
    return cz_node_set_attr(node, &attr, err);
}

/* X, scales becomes X, no roi, scales. */
static enum cz_status make_resize(struct cz_node *node, const char *rounding,
                                  struct cz_error *err)
{
    struct cz_value *scales = cz_node_input(node, 1);
    if (!scales)
        return cz_raise_refuse(node, err, "it has no input 'scales'");
    CZ_TRY(cz_node_set_op_type(node, "Resize", err));
    CZ_TRY(cz_node_set_input(node, 2, scales, err));
    CZ_TRY(cz_node_set_input(node, 1, NULL, err));
    CZ_TRY(
        set_string(node, "coordinate_transformation_mode", "asymmetric", err));
    const char *mode = cz_node_attr_string(node, "mode", "nearest");
    if (strcmp(mode, "nearest") != 0)
        return CZ_OK;
    return set_string(node, "nearest_mode", rounding, err);
}

enum cz_status cz_raise_upsample(struct cz_node *node, struct cz_error *err)
{
    return make_resize(node, "floor", err);
}

/* How many elements a value has that no caller can replace; -1 where that is
 * not known. */
static int64_t fixed_count(const struct cz_value *value)
{
    bool is_fixed = value && value->constant && !value->is_input;
    return is_fixed ? (int64_t)value->constant->count : -1;
}

/* Which dimensions become larger, which smaller? Told from the scales or,
 * where they are computed, from the shapes. */
static enum cz_status find_directions(bool *up, bool *down,
                                      const struct cz_node *node,
                                      struct cz_error *err)
{
    const struct cz_value *scales = cz_node_input(node, 1);
    const struct cz_shape *x = &node->inputs[0]->shape;
    const struct cz_shape *y = &node->outputs[0]->shape;
    *up = *down = false;
    if (fixed_count(scales) >= 0) {
        struct cz_elements e;
        CZ_TRY(cz_tensor_elements(scales->constant, &e, err));
        for (size_t i = 0; i < e.count; i++) {
            *up |= cz_elements_get(&e, i) > 1;
            *down |= cz_elements_get(&e, i) < 1;
        }
        return CZ_OK;
    }
    bool known = x->known && y->known && x->rank == y->rank;
    for (size_t i = 0; known && i < x->rank; i++)
        known = x->dims[i] >= 0 && y->dims[i] >= x->dims[i];
    if (!known)
        return cz_raise_refuse(node, err,
                               "its scales are computed, and whether they make "
                               "it smaller is not known");
    *up = true;
    return CZ_OK;
}

/* Opset 10 does not say how the nearest pixel is rounded; ONNX's example and
 * ONNX Runtime take the next one up where a dimension becomes smaller and the
 * next one down elsewhere. */
enum cz_status cz_raise_resize_10(struct cz_node *node, struct cz_error *err)
{
    bool up = false, down = false;
    const char *mode = cz_node_attr_string(node, "mode", "nearest");
    if (!cz_node_input(node, 0) || !node->n_outputs || !node->outputs[0])
        return cz_raise_refuse(node, err, "it has no input or no output");
    if (strcmp(mode, "nearest") == 0)
        CZ_TRY(find_directions(&up, &down, node, err));
    if (up && down)
        return cz_raise_refuse(node, err,
                               "it makes one dimension larger and another one "
                               "smaller");
    return make_resize(node, down ? "ceil" : "floor", err);
}

/* Empty tensors stood for inputs that can be left out now. */
enum cz_status cz_raise_resize_11(struct cz_node *node, struct cz_error *err)
{
    const char *mode = cz_node_attr_string(
        node, "coordinate_transformation_mode", "half_pixel");
    if (strcmp(mode, "tf_half_pixel_for_nn") == 0)
        return cz_raise_refuse(node, err,
                               "opset 13 has no coordinate_transformation_mode "
                               "'tf_half_pixel_for_nn'");
    for (size_t i = 1; i < node->n_inputs; i++) {
        if (fixed_count(node->inputs[i]) == 0)
            CZ_TRY(cz_node_set_input(node, i, NULL, err));
    }
    return CZ_OK;
}

/* ---- to opset 19 ------------------------------------------------------ */

enum cz_status cz_raise_split_count(struct cz_node *node, struct cz_error *err)
{
    if (cz_node_input(node, 1))
        return CZ_OK;
    return cz_node_set_attr_int(node, "num_outputs", (int64_t)node->n_outputs,
                                err);
}

enum cz_status cz_raise_roi_align(struct cz_node *node, struct cz_error *err)
{
    return set_string(node, "coordinate_transformation_mode",
                      "output_half_pixel", err);
}

/* Outputs behind the first made it a training step. */
enum cz_status cz_raise_batch_normalization(struct cz_node *node,
                                            struct cz_error *err)
{
    return node->n_outputs > 1
               ? cz_raise_refuse(node, err, "it has outputs for training")
               : CZ_OK;
}

/* ---- Softmax ---------------------------------------------------------- */

/* Before opset 13 all dimensions from `axis` on counted as one. The only one
 * of them that is not 1, or where there is none the first; false where there
 * are several. */
static bool find_only_axis(int64_t *only, const struct cz_shape *shape,
                           int64_t axis)
{
    size_t n_large = 0;
    *only = axis;
    for (int64_t i = axis; i < (int64_t)shape->rank; i++) {
        if (shape->dims[i] == 1)
            continue;
        *only = i;
        n_large++;
    }
    return n_large <= 1;
}

/* The shape of x as a value: an initializer where it is known. */
static enum cz_status add_shape(struct cz_value **value, struct cz_node *node,
                                struct cz_value *x, struct cz_error *err)
{
    const int64_t rank = (int64_t)x->shape.rank;
    bool is_fixed = x->shape.known;
    for (size_t i = 0; is_fixed && i < x->shape.rank; i++)
        is_fixed = x->shape.dims[i] > 0;
    if (is_fixed) {
        const struct cz_tensor_spec spec = {.dtype = CZ_DTYPE_INT64,
                                            .rank = 1,
                                            .dims = &rank,
                                            .data = x->shape.dims,
                                            .size_bytes = x->shape.rank * 8};
        return cz_graph_add_tensor(value, node->graph, cz_node_label(node),
                                   "_shape", &spec, err);
    }
    struct cz_node *made;
    const struct cz_shape shape = {x->shape.known, x->shape.known, &rank};
    const struct cz_node_spec spec = {.op_type = "Shape",
                                      .suffix = "_shape",
                                      .dtype = CZ_DTYPE_INT64,
                                      .shape = &shape};
    CZ_TRY(cz_value_append(&made, x, &spec, err));
    *value = made->outputs[0];
    return CZ_OK;
}

/* Flatten before the node, Reshape behind it. */
static enum cz_status coerce(struct cz_node *node, int64_t axis,
                             struct cz_error *err)
{
    struct cz_value *x = node->inputs[0], *shape;
    const struct cz_shape unknown = {.known = false};
    const struct cz_attr attr = {
        .name = "axis", .kind = CZ_ATTR_INT, .count = 1, .ints = &axis};
    struct cz_node_spec spec = {.op_type = "Flatten",
                                .suffix = "_flat",
                                .dtype = x->dtype,
                                .shape = &unknown,
                                .attrs = &attr,
                                .n_attrs = 1};
    struct cz_node *made;
    CZ_TRY(add_shape(&shape, node, x, err));
    CZ_TRY(cz_node_interpose(&made, node, 0, &spec, err));
    spec.op_type = "Reshape";
    spec.n_attrs = 0;
    spec.operands = &shape;
    spec.n_operands = 1;
    CZ_TRY(cz_value_interpose(&made, node->outputs[0], &spec, err));
    return cz_node_set_attr_int(node, "axis", 1, err);
}

enum cz_status cz_raise_softmax(struct cz_node *node, struct cz_error *err)
{
    const struct cz_value *x = cz_node_input(node, 0);
    int64_t axis = cz_node_attr_int(node, "axis", 1), only;
    if (!x || !node->n_outputs || !node->outputs[0])
        return cz_raise_refuse(node, err, "it has no input or no output");
    int64_t rank = (int64_t)x->shape.rank;
    if (!x->shape.known)
        return coerce(node, axis, err);
    if (axis < -rank || axis > rank)
        return cz_raise_refuse(node, err, "its axis is not one of its input");
    if (axis < 0)
        axis += rank;
    if (axis < rank && find_only_axis(&only, &x->shape, axis))
        return cz_node_set_attr_int(node, "axis", only, err);
    return coerce(node, axis, err);
}
