/* Slices of every s-th row and column + Concat + Conv: one convolution of the
 * image itself, with a window and strides that are s times as large. YOLOX and
 * YOLOv5 up to 5.0 begin so ("Focus"); the sums are the same, and nothing is
 * moved to make them. Later YOLOv5 were exported so rewritten: 6 x 6, stride 2.
 *
 * The part of the Concat that begins at row oy and column ox of the image x
 * (channel c of it) meets weight (ky, kx) where x is read at
 * (ky * s + oy, kx * s + ox). */
#include <string.h>

#include "engine/op_facts_internal.h"
#include "engine/window_internal.h"

/* 0 is the rows, 1 the columns. */
struct grid {
    struct cz_array *image;
    int64_t start[2], step[2];
};

static bool is_op(const struct cz_step *step, const char *op_type)
{
    return step && strcmp(step->op->op_type, op_type) == 0;
}

/* Does the Slice take all of an axis, in its order? */
static bool takes_all(const struct cz_slice *slice, size_t axis,
                      const struct cz_array *from, const struct cz_array *to)
{
    return slice->start[axis] == 0 && slice->step[axis] == 1 &&
           from->dims.size[axis] == to->dims.size[axis];
}

/* The grid of a Slice's input that its output's grid is. */
static bool widen(struct grid *grid, const struct cz_slice *slice)
{
    for (size_t i = 0; i < 2; i++) {
        const int64_t step = slice->step[2 + i], start = slice->start[2 + i];
        if (step < 1 ||
            __builtin_mul_overflow(grid->start[i], step, &grid->start[i]) ||
            __builtin_add_overflow(grid->start[i], start, &grid->start[i]) ||
            __builtin_mul_overflow(grid->step[i], step, &grid->step[i]))
            return false;
    }
    return true;
}

/* Which pixels of which image the array holds, behind any number of Slices. */
static bool trace(struct grid *grid, struct cz_array *array)
{
    struct cz_slice slice;
    *grid = (struct grid){array, {0, 0}, {1, 1}};
    while (is_op(grid->image->producer, "Slice")) {
        struct cz_array *from = grid->image->producer->inputs[0];
        if (!cz_op_slice(grid->image->producer, &slice) ||
            from->dims.rank != 4 || !takes_all(&slice, 0, from, array) ||
            !takes_all(&slice, 1, from, array) || !widen(grid, &slice))
            return false;
        grid->image = from;
    }
    return true;
}

/* Is the part one of those that `first` belongs to: every step-th pixel of the
 * same image, all of them, from a start below the step? */
static bool belongs(const struct grid *part, const struct cz_array *array,
                    const struct grid *first)
{
    const struct cz_dims *image = &first->image->dims;
    int64_t size;
    if (part->image != first->image)
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (part->step[i] != first->step[i] ||
            part->start[i] >= part->step[i] ||
            __builtin_mul_overflow(array->dims.size[2 + i], part->step[i],
                                   &size) ||
            size != image->size[2 + i])
            return false;
    }
    return true;
}

/* The Concat's input i. */
static bool find_part(struct grid *part, const struct cz_step *concat, size_t i)
{
    struct grid first;
    return trace(&first, concat->inputs[0]) && trace(part, concat->inputs[i]) &&
           belongs(part, concat->inputs[i], &first);
}

/* Does the Concat join all pixels of an image along the channels, each once? */
static bool joins_image(const struct cz_step *concat)
{
    struct grid part;
    int64_t parts;
    if (!find_part(&part, concat, 0) || part.image->dims.rank != 4 ||
        __builtin_mul_overflow(part.step[0], part.step[1], &parts) ||
        parts < 2 || concat->n_inputs != (size_t)parts ||
        concat->outputs[0]->dims.size[2] != concat->inputs[0]->dims.size[2] ||
        concat->outputs[0]->dims.size[3] != concat->inputs[0]->dims.size[3] ||
        concat->outputs[0]->dims.size[0] != concat->inputs[0]->dims.size[0])
        return false;
    for (size_t i = 0; i < concat->n_inputs; i++) {
        struct grid other;
        if (!find_part(&part, concat, i))
            return false;
        for (size_t k = 0; k < i; k++) {
            find_part(&other, concat, k);
            if (memcmp(other.start, part.start, sizeof part.start) == 0)
                return false;
        }
    }
    return true;
}

static bool is_convolution(const struct cz_step *conv)
{
    const struct cz_conv_params *params = conv->params;
    const struct cz_array *x = conv->inputs[0], *w = conv->inputs[1];
    return params->group == 1 && params->window.spatial == 2 &&
           params->window.dilations[0] == 1 &&
           params->window.dilations[1] == 1 && x->n_uses == 1 && !x->is_kept &&
           x->dtype == CZ_DTYPE_FLOAT && w->is_constant;
}

/* Puts the weights of part i, whose first channel is `channel`, in place. */
static void spread_weights(struct cz_array *to, const struct cz_array *from,
                           const struct grid *part, int64_t channel)
{
    const int64_t *in = from->dims.size, *out = to->dims.size;
    const float *w = from->known;
    float *wide = to->data;
    for (int64_t k = 0; k < out[0] * out[1] * in[2] * in[3]; k++) {
        const int64_t x = k % in[3], y = k / in[3] % in[2];
        const int64_t c = k / in[3] / in[2] % out[1];
        const int64_t m = k / in[3] / in[2] / out[1];
        const int64_t row = y * part->step[0] + part->start[0];
        const int64_t column = x * part->step[1] + part->start[1];
        wide[((m * out[1] + c) * out[2] + row) * out[3] + column] =
            w[((m * in[1] + channel + c) * in[2] + y) * in[3] + x];
    }
}

static enum cz_status fuse(struct cz_plan *plan, struct cz_step *conv,
                           const struct cz_step *concat, struct cz_error *err)
{
    struct cz_conv_params *params = conv->params;
    struct cz_window *window = &params->window;
    struct cz_array *weights = conv->inputs[1];
    struct cz_dims dims = weights->dims;
    struct grid part;
    find_part(&part, concat, 0);
    dims.size[1] = part.image->dims.size[1];
    for (size_t i = 0; i < 2; i++)
        dims.size[2 + i] *= part.step[i];
    conv->inputs[1] =
        cz_plan_add_constant(plan, weights->name, CZ_DTYPE_FLOAT, &dims, err);
    if (!conv->inputs[1])
        return CZ_ENOMEM;
    for (size_t i = 0; i < concat->n_inputs; i++) {
        find_part(&part, concat, i);
        spread_weights(conv->inputs[1], weights, &part,
                       (int64_t)i * dims.size[1]);
    }
    for (size_t i = 0; i < 2; i++) {
        window->kernel[i] *= part.step[i];
        window->strides[i] *= part.step[i];
        window->pads_begin[i] *= part.step[i];
        window->pads_end[i] *= part.step[i];
    }
    conv->inputs[0] = part.image;
    return CZ_OK;
}

enum cz_status cz_pass_fuse_focus(struct cz_plan *plan, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *conv = plan->steps[i];
        if (conv->is_dynamic || !is_op(conv, "Conv") || !is_convolution(conv))
            continue;
        struct cz_step *concat = conv->inputs[0]->producer;
        if (is_op(concat, "Concat") && joins_image(concat))
            CZ_TRY(fuse(plan, conv, concat, err));
    }
    return CZ_OK;
}
