/* Chooses a layout for each step and puts conversions where two disagree.
 *
 * Blocked, [N, C/b, H, W, b], is what convolutions are fast in: the b channels
 * of a pixel are one register. In it Concat and Split along the channels are
 * free for whole blocks. The image comes in plain, which the first convolution
 * reads as it is; the decode tail is plain. Every array is converted once at
 * most in each direction. */
#include <string.h>

#include "engine/codes_internal.h"
#include "engine/kernels_internal.h"
#include "engine/op_facts_internal.h"

/* A convolution that does less work for each element that it reads is not
 * worth a conversion. */
#define WORK_MIN 32

static bool is_op(const struct cz_step *step, const char *op_type)
{
    return strcmp(step->op->op_type, op_type) == 0;
}

static bool has_block_type(const struct cz_array *array)
{
    return array->dtype == CZ_DTYPE_FLOAT || cz_is_codes(array->dtype);
}

/* Could `array` be blocked? Only a convolution may make blocks that are not
 * full; they are refilled with zeros. */
static bool can_block(const struct cz_plan *plan, const struct cz_array *array)
{
    return array && !array->is_constant && !array->is_dynamic &&
           has_block_type(array) && array->dims.rank == 4 &&
           array->size_bytes > 0 &&
           (size_t)array->dims.size[1] % cz_plan_block(plan, array->dtype) == 0;
}

static bool is_at_hand(const struct cz_array *array)
{
    return array->layout == CZ_LAYOUT_BLOCKED || array->twin;
}

static size_t blocked_bytes(const struct cz_plan *plan,
                            const struct cz_array *array)
{
    size_t block = cz_plan_block(plan, array->dtype);
    size_t channels = (size_t)array->dims.size[1];
    size_t blocks = (channels + block - 1) / block;
    return (size_t)array->dims.size[0] * blocks * block *
           cz_dims_product(&array->dims, 2, 4) * cz_element_bytes(array->dtype);
}

/* ---- what a step would like ------------------------------------------- */

/* Multiplications for each element of the input. */
static int64_t work(const struct cz_step *step)
{
    const struct cz_dims *w = &step->inputs[1]->dims;
    const struct cz_dims *x = &step->inputs[0]->dims;
    int64_t macs = w->size[0];
    for (size_t i = 1; i < w->rank; i++)
        macs *= w->size[i];
    return x->size[1] ? macs / x->size[1] : 0;
}

/* Does a convolution read its image plain and make blocks of it? Few channels
 * would leave most of a block empty, and little work is not worth a
 * conversion. */
static bool reads_plain(const struct cz_plan *plan, const struct cz_step *step)
{
    const struct cz_array *x = step->inputs[0];
    if (x->layout != CZ_LAYOUT_PLAIN)
        return false;
    if (is_op(step, CZ_OP_CONV_CODES))
        return cz_codes_read_plain(x);
    return (size_t)x->dims.size[1] < cz_plan_block(plan, x->dtype) ||
           (!can_block(plan, x) && !x->twin && work(step) < WORK_MIN);
}

static bool is_conv(const struct cz_step *step)
{
    return is_op(step, "Conv") || is_op(step, CZ_OP_CONV_CODES);
}

static bool conv_wants_blocks(const struct cz_plan *plan, struct cz_step *step)
{
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    if (x->dims.rank != 4 || y->dims.rank != 4 || y->size_bytes == 0 ||
        !has_block_type(x) || x->is_constant ||
        (step->residual && step->residual->is_constant))
        return false;
    const bool is_codes = is_op(step, CZ_OP_CONV_CODES);
    if (reads_plain(plan, step))
        return (is_codes || can_block(plan, y)) &&
               cz_kernel_exists_for(step, plan, CZ_LAYOUT_PLAIN,
                                    CZ_LAYOUT_BLOCKED);
    return (is_codes || is_at_hand(x) || work(step) >= WORK_MIN) &&
           cz_kernel_exists_for(step, plan, CZ_LAYOUT_BLOCKED,
                                CZ_LAYOUT_BLOCKED);
}

/* Is input i an image, not a weight, a size or the like? */
static bool is_image(const struct cz_step *step, size_t i)
{
    return i == 0 || is_op(step, "Concat") ||
           (step->op->flags & CZ_OP_ELEMENTWISE);
}

/* Steps that are as fast in either layout follow their inputs. */
static bool follows_blocks(const struct cz_plan *plan,
                           const struct cz_step *step)
{
    const struct cz_array *first = step->inputs[0];
    for (size_t i = 0; i < step->n_inputs; i++) {
        const struct cz_array *in = step->inputs[i];
        if (is_image(step, i) && (!can_block(plan, in) || !is_at_hand(in)))
            return false;
        if ((step->op->flags & CZ_OP_ELEMENTWISE) &&
            !cz_dims_equal(&in->dims, &first->dims))
            return false;
    }
    for (size_t i = 0; i < step->n_outputs; i++) {
        if (step->outputs[i] && !can_block(plan, step->outputs[i]))
            return false;
    }
    return true;
}

/* Mul and Add of an image and a number for each of its channels. The numbers
 * are few: they are converted where they have to be. */
static bool scales_blocks(const struct cz_plan *plan, struct cz_step *step)
{
    struct cz_array *y = step->outputs[0];
    struct cz_array *a = step->inputs[0], *b = step->inputs[1];
    if (!is_op(step, "Mul") && !is_op(step, "Add"))
        return false;
    struct cz_array *image = cz_dims_equal(&a->dims, &y->dims) ? a : b;
    if (!can_block(plan, image) || !can_block(plan, y) || !is_at_hand(image))
        return false;
    const enum cz_layout before[3] = {a->layout, b->layout, y->layout};
    a->layout = b->layout = y->layout = CZ_LAYOUT_BLOCKED;
    bool found = cz_kernel_exists(step, plan);
    a->layout = before[0];
    b->layout = before[1];
    y->layout = before[2];
    return found;
}

/* Concat and Split of whole blocks: one part stands for any number. */
static bool has_place_kernel(const struct cz_plan *plan,
                             const struct cz_step *step,
                             const struct cz_array *whole)
{
    struct cz_array blocked = *whole, *ends[] = {&blocked};
    struct cz_step one = *step;
    blocked.layout = CZ_LAYOUT_BLOCKED;
    one.inputs = one.outputs = ends;
    one.n_inputs = one.n_outputs = 1;
    return cz_kernel_exists(&one, plan);
}

/* With all layouts that matter set for a try. */
static bool kernel_if_blocked(const struct cz_plan *plan, struct cz_step *step)
{
    enum cz_layout before[2] = {step->inputs[0]->layout,
                                step->outputs[0]->layout};
    bool found;
    if (step->op->flags & CZ_OP_ELEMENTWISE)
        return true;
    if (is_op(step, "Concat"))
        return has_place_kernel(plan, step, step->outputs[0]);
    if (is_op(step, "Split"))
        return has_place_kernel(plan, step, step->inputs[0]);
    step->inputs[0]->layout = step->outputs[0]->layout = CZ_LAYOUT_BLOCKED;
    found = cz_kernel_exists(step, plan);
    step->inputs[0]->layout = before[0];
    step->outputs[0]->layout = before[1];
    return found;
}

static bool joins_channels(const struct cz_array *whole,
                           struct cz_array *const *parts, size_t n)
{
    int64_t channels = 0;
    for (size_t i = 0; i < n; i++) {
        if (!parts[i] || parts[i]->dims.size[2] != whole->dims.size[2] ||
            parts[i]->dims.size[3] != whole->dims.size[3] ||
            parts[i]->dims.size[0] != whole->dims.size[0])
            return false;
        channels += parts[i]->dims.size[1];
    }
    return channels == whole->dims.size[1];
}

/* QuantizeLinear and DequantizeLinear, which read either layout. */
static bool changes_type(const struct cz_step *step)
{
    struct cz_quantization q;
    return cz_op_quantization(step, &q) && q.count == 1 &&
           has_block_type(step->inputs[0]) && has_block_type(step->outputs[0]);
}

/* Blocks stay blocks, where both types have them; of a plain image they are
 * made for a convolution. */
static bool type_wants_blocks(const struct cz_plan *plan, struct cz_step *step)
{
    struct cz_array *in = step->inputs[0], *out = step->outputs[0];
    const bool is_for_conv =
        out->reader && is_conv(out->reader) && out->reader->inputs[0] == out;
    if (!can_block(plan, in) || !can_block(plan, out) ||
        !(is_at_hand(in) || is_for_conv))
        return false;
    out->layout = CZ_LAYOUT_BLOCKED;
    const bool found = cz_kernel_exists(step, plan);
    out->layout = CZ_LAYOUT_PLAIN;
    return found;
}

static bool wants_blocks(const struct cz_plan *plan, struct cz_step *step)
{
    if (step->is_dynamic || !step->n_inputs || !step->inputs[0])
        return false;
    if (is_conv(step))
        return conv_wants_blocks(plan, step);
    if (changes_type(step))
        return type_wants_blocks(plan, step);
    if (scales_blocks(plan, step))
        return true;
    if (!follows_blocks(plan, step) || !kernel_if_blocked(plan, step))
        return false;
    if (is_op(step, "Concat"))
        return joins_channels(step->outputs[0], step->inputs, step->n_inputs);
    if (is_op(step, "Split"))
        return joins_channels(step->inputs[0], step->outputs, step->n_outputs);
    return true;
}

/* ---- conversions ------------------------------------------------------ */

static struct cz_array *add_twin(struct cz_plan *plan, struct cz_array *array,
                                 struct cz_error *err)
{
    struct cz_array *twin = cz_plan_add_array(plan, array->name, err);
    if (!twin)
        return NULL;
    size_t id = twin->id;
    *twin = *array;
    twin->id = id;
    twin->is_kept = twin->is_input = false;
    twin->known = NULL;
    twin->own = NULL;
    twin->layout =
        array->layout == CZ_LAYOUT_PLAIN ? CZ_LAYOUT_BLOCKED : CZ_LAYOUT_PLAIN;
    twin->twin = array;
    array->twin = twin;
    return twin;
}

static void set_bytes(const struct cz_plan *plan, struct cz_array *array)
{
    array->size_bytes =
        array->layout == CZ_LAYOUT_BLOCKED
            ? blocked_bytes(plan, array)
            : cz_array_count(array) * cz_element_bytes(array->dtype);
}

static enum cz_status add_conversion(struct cz_plan *plan,
                                     struct cz_array *from, struct cz_array *to,
                                     struct cz_error *err)
{
    bool to_blocked = to->layout == CZ_LAYOUT_BLOCKED;
    struct cz_step *step = cz_plan_add_step(
        plan, cz_op_find(to_blocked ? CZ_OP_TO_BLOCKED : CZ_OP_TO_PLAIN, 1),
        from->name, 1, 1, err);
    if (!step)
        return CZ_ENOMEM;
    *(size_t *)step->params = cz_plan_block(plan, from->dtype);
    step->inputs[0] = from;
    step->outputs[0] = to;
    to->producer = step;
    set_bytes(plan, from);
    set_bytes(plan, to);
    return CZ_OK;
}

/* Has the operand read `*array` in `layout`. */
static enum cz_status use_as(struct cz_plan *plan, struct cz_array **array,
                             enum cz_layout layout, struct cz_error *err)
{
    struct cz_array *a = *array;
    if (!a || a->layout == layout || a->is_constant)
        return CZ_OK;
    if (!a->twin) {
        struct cz_array *twin = add_twin(plan, a, err);
        if (!twin)
            return CZ_ENOMEM;
        CZ_TRY(add_conversion(plan, a, twin, err));
    }
    *array = a->twin;
    return CZ_OK;
}

/* Makes the step's outputs blocked. One that is read after the frame stays
 * plain and is converted to. */
static enum cz_status block_outputs(struct cz_plan *plan, struct cz_step *step,
                                    struct cz_error *err)
{
    for (size_t i = 0; i < step->n_outputs; i++) {
        struct cz_array *out = step->outputs[i];
        if (!out)
            continue;
        if (out->is_kept) {
            struct cz_array *twin = add_twin(plan, out, err);
            if (!twin)
                return CZ_ENOMEM;
            step->outputs[i] = twin;
            twin->producer = step;
            CZ_TRY(add_conversion(plan, twin, out, err));
        } else {
            out->layout = CZ_LAYOUT_BLOCKED;
            set_bytes(plan, out);
        }
    }
    return CZ_OK;
}

static enum cz_status place_step(struct cz_plan *plan, struct cz_step *step,
                                 struct cz_error *err)
{
    bool blocked = wants_blocks(plan, step);
    enum cz_layout layout = blocked ? CZ_LAYOUT_BLOCKED : CZ_LAYOUT_PLAIN;
    bool plain_input = blocked && is_conv(step) && reads_plain(plan, step);
    bool any_input = blocked && changes_type(step);
    for (size_t i = 0; i < step->n_inputs; i++) {
        bool is_plain = plain_input || !is_image(step, i);
        if (any_input && i == 0)
            continue;
        CZ_TRY(use_as(plan, &step->inputs[i],
                      is_plain ? CZ_LAYOUT_PLAIN : layout, err));
    }
    CZ_TRY(use_as(plan, &step->residual, layout, err));
    CZ_TRY(cz_plan_push_step(plan, step, err));
    return blocked ? block_outputs(plan, step, err) : CZ_OK;
}

enum cz_status cz_pass_layout(struct cz_plan *plan, struct cz_error *err)
{
    struct cz_step **old = plan->steps;
    size_t n = plan->n_steps;
    plan->steps = NULL;
    plan->n_steps = plan->step_capacity = 0;
    for (size_t i = 0; i < n; i++)
        CZ_TRY(place_step(plan, old[i], err));
    return CZ_OK;
}
