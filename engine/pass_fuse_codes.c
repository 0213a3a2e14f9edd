/* Models in QDQ form (QuantizeLinear and DequantizeLinear around each operator)
 * in integers: what stands between two of them works on the codes.
 *
 * One walk along the steps notes what the codes of each float array are: its
 * coding. Steps that only move elements move codes, and what they make has the
 * coding of what they read. A QuantizeLinear then takes its producer with it:
 *
 *     Conv                                   ConvCodes      codes_conv.c
 *     f(x), f(x, g(x)): Sigmoid, Mul, ...    MapCodes       codes_tables.c
 *     Add of two                             AddCodes
 *     Concat                                 of parts that a MapCodes converts
 *     another DequantizeLinear               none, or a MapCodes
 *
 * A Conv that nobody quantizes makes float32 of codes. What is left works in
 * float32, behind DequantizeLinears; those that nobody reads are dropped.
 * (B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
 * Integer-Arithmetic-Only Inference", 2018, has the arithmetic.) */
#include <string.h>

#include "engine/codes_internal.h"
#include "engine/op_facts_internal.h"
#include "engine/resize_internal.h"

static bool is_op(const struct cz_step *step, const char *op_type)
{
    return strcmp(step->op->op_type, op_type) == 0;
}

/* ---- codings ---------------------------------------------------------- */

/* The codes that a QuantizeLinear makes or a DequantizeLinear reads, of one
 * scale. */
static bool coding_of(struct cz_coding *coding, const struct cz_step *step)
{
    struct cz_quantization q;
    if (!cz_op_quantization(step, &q) || q.count != 1)
        return false;
    struct cz_array *codes = q.to_codes ? step->outputs[0] : step->inputs[0];
    if (!cz_is_codes(codes->dtype) || codes->is_constant)
        return false;
    *coding = (struct cz_coding){
        .codes = codes,
        .scale_array = step->inputs[1],
        .zero_array = cz_step_input(step, 2),
        .dtype = codes->dtype,
        .scale = *q.scale,
        .zero = q.zero ? cz_code_at(codes->dtype, q.zero->known, 0) : 0,
    };
    return true;
}

/* Is there a QuantizeLinear that will take the step with it? */
static bool is_quantized(const struct cz_step *step)
{
    const struct cz_array *out = step->outputs[0];
    struct cz_coding coding;
    return out->n_uses == 1 && !out->is_kept &&
           coding_of(&coding, out->reader) &&
           out->reader->outputs[0] == coding.codes;
}

static bool is_same(const struct cz_coding *a, const struct cz_coding *b)
{
    return a->dtype == b->dtype && a->scale == b->scale && a->zero == b->zero;
}

/* Notes that `array` is what `codes` stand for, as those of `like` do. */
static enum cz_status set_coding(struct cz_array *array, struct cz_array *codes,
                                 const struct cz_coding *like,
                                 struct cz_plan *plan, struct cz_error *err)
{
    struct cz_coding *coding = cz_arena_alloc(&plan->arena, 1, sizeof *coding);
    if (!coding)
        return cz_error_nomem(err);
    *coding = *like;
    coding->codes = codes;
    array->coding = coding;
    return CZ_OK;
}

/* An array like `array`, for its codes. */
static struct cz_array *add_codes(struct cz_plan *plan,
                                  const struct cz_array *array,
                                  enum cz_dtype dtype, struct cz_error *err)
{
    struct cz_array *codes = cz_plan_add_array(plan, array->name, err);
    if (!codes)
        return NULL;
    codes->dtype = dtype;
    codes->dims = array->dims;
    codes->size_bytes = cz_array_count(codes);
    return codes;
}

/* ---- steps that move elements ----------------------------------------- */

static bool moves_elements(const struct cz_step *step)
{
    static const char *const others[] = {"Split",        "Slice",   "Transpose",
                                         "DepthToSpace", "MaxPool", "Tile",
                                         "SpaceToDepth", "Expand",  "Concat"};
    if (is_op(step, "Resize") || is_op(step, "Upsample")) {
        const struct cz_resize_params *p = step->params;
        return p->mode == CZ_RESIZE_NEAREST &&
               p->position != CZ_POSITION_TF_CROP_AND_RESIZE;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (is_op(step, others[i]))
            return !is_op(step, "MaxPool") || step->n_outputs < 2 ||
                   !step->outputs[1];
    }
    return (step->op->flags & CZ_OP_VIEW) && step->n_outputs == 1;
}

/* The operands behind the first are no images, but for Concat. */
static size_t image_count(const struct cz_step *step)
{
    return is_op(step, "Concat") ? step->n_inputs : 1;
}

/* Are all images codes? */
static bool reads_codes(const struct cz_step *step)
{
    for (size_t i = 0; i < image_count(step); i++) {
        if (!step->inputs[i] || !step->inputs[i]->coding)
            return false;
    }
    return true;
}

/* What the step would make: for a Concat the coding that its reader converts
 * to, else the one that the images have in common. */
static bool moved_coding(struct cz_coding *coding, const struct cz_step *step)
{
    if (is_op(step, "Concat") && is_quantized(step))
        return coding_of(coding, step->outputs[0]->reader);
    *coding = *step->inputs[0]->coding;
    for (size_t i = 1; i < image_count(step); i++) {
        if (!is_same(step->inputs[i]->coding, coding))
            return false;
    }
    return true;
}

/* The codes of `array` as those of `to` are. */
static enum cz_status convert(struct cz_array **codes, struct cz_plan *plan,
                              const struct cz_array *array,
                              const struct cz_coding *to, struct cz_error *err)
{
    uint8_t *table;
    *codes = array->coding->codes;
    if (is_same(array->coding, to))
        return CZ_OK;
    struct cz_step *map = cz_plan_add_step(plan, cz_op_find(CZ_OP_MAP_CODES, 1),
                                           array->name, 1, 1, err);
    struct cz_array *converted = add_codes(plan, array, to->dtype, err);
    if (!map || !converted)
        return CZ_ENOMEM;
    CZ_TRY(cz_codes_convert(&table, plan, array->coding, to, err));
    ((struct cz_map_codes_params *)map->params)->table = table;
    map->inputs[0] = *codes;
    map->outputs[0] = converted;
    converted->producer = map;
    *codes = converted;
    return CZ_OK;
}

/* Makes `array` of `codes`, for those who want floats. */
static enum cz_status dequantize(struct cz_plan *plan, struct cz_array *array,
                                 const struct cz_step *like,
                                 struct cz_error *err)
{
    const struct cz_coding *coding = array->coding;
    struct cz_step *step =
        cz_plan_add_step(plan, cz_op_find("DequantizeLinear", like->opset),
                         like->name, coding->zero_array ? 3 : 2, 1, err);
    if (!step)
        return CZ_ENOMEM;
    step->opset = like->opset;
    step->inputs[0] = coding->codes;
    step->inputs[1] = coding->scale_array;
    if (coding->zero_array)
        step->inputs[2] = coding->zero_array;
    step->outputs[0] = array;
    array->producer = step;
    return CZ_OK;
}

static enum cz_status move_codes(struct cz_plan *plan, struct cz_step *step,
                                 const struct cz_coding *coding,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < image_count(step); i++)
        CZ_TRY(convert(&step->inputs[i], plan, step->inputs[i], coding, err));
    CZ_TRY(cz_plan_push_step(plan, step, err));
    for (size_t i = 0; i < step->n_outputs; i++) {
        struct cz_array *out = step->outputs[i];
        if (!out)
            continue;
        struct cz_array *codes = add_codes(plan, out, coding->dtype, err);
        if (!codes)
            return CZ_ENOMEM;
        codes->producer = step;
        step->outputs[i] = codes;
        CZ_TRY(set_coding(out, codes, coding, plan, err));
        CZ_TRY(dequantize(plan, out, step, err));
    }
    return CZ_OK;
}

/* ---- QuantizeLinear --------------------------------------------------- */

/* Turns an Add of two images into one of codes. */
static bool fuse_add(struct cz_step *add, const struct cz_coding *to,
                     struct cz_add_codes_params *p)
{
    const struct cz_array *a = add->inputs[0], *b = add->inputs[1];
    if (!is_op(add, "Add") || add->is_dynamic || !a->coding || !b->coding ||
        !cz_dims_equal(&a->dims, &b->dims))
        return false;
    p->a_factor = a->coding->scale / to->scale;
    p->b_factor = b->coding->scale / to->scale;
    p->offset = -((float)a->coding->zero * p->a_factor +
                  (float)b->coding->zero * p->b_factor);
    p->y_zero = to->zero;
    add->op = cz_op_find(CZ_OP_ADD_CODES, 1);
    add->params = p;
    add->inputs[0] = a->coding->codes;
    add->inputs[1] = b->coding->codes;
    add->outputs[0] = to->codes;
    to->codes->producer = add;
    return true;
}

/* Has the step that makes floats for one QuantizeLinear make its codes. */
static enum cz_status fuse_producer(struct cz_plan *plan, struct cz_step *step,
                                    const struct cz_coding *to, bool *is_done,
                                    struct cz_error *err)
{
    CZ_TRY(cz_codes_fuse_conv(plan, step, to, is_done, err));
    if (*is_done)
        return CZ_OK;
    *is_done = true;
    if (cz_codes_argument(step))
        return cz_codes_map_step(plan, step, to, err);
    struct cz_add_codes_params *add =
        cz_arena_alloc(&plan->arena, 1, sizeof *add);
    if (!add)
        return cz_error_nomem(err);
    *is_done = fuse_add(step, to, add);
    if (!*is_done && is_op(step, "Conv")) {
        bool is_float;
        return cz_codes_fuse_conv(plan, step, NULL, &is_float, err);
    }
    return CZ_OK;
}

/* Other codes for what was codes before. */
static enum cz_status requantize(struct cz_plan *plan, struct cz_step *step,
                                 const struct cz_coding *to,
                                 struct cz_error *err)
{
    const struct cz_coding *from = step->inputs[0]->coding;
    struct cz_map_codes_params *params =
        cz_arena_alloc(&plan->arena, 1, sizeof *params);
    uint8_t *table;
    if (is_same(from, to) && !to->codes->is_kept) {
        to->codes->same = from->codes;
        return CZ_OK;
    }
    if (!params)
        return cz_error_nomem(err);
    CZ_TRY(cz_codes_convert(&table, plan, from, to, err));
    params->table = table;
    step->op = cz_op_find(CZ_OP_MAP_CODES, 1);
    step->params = params;
    step->inputs[0] = from->codes;
    step->n_inputs = 1;
    return cz_plan_push_step(plan, step, err);
}

static enum cz_status quantize(struct cz_plan *plan, struct cz_step *step,
                               const struct cz_coding *to, struct cz_error *err)
{
    const struct cz_array *in = step->inputs[0];
    bool is_done = false;
    if (in->coding)
        return requantize(plan, step, to, err);
    if (in->n_uses == 1 && !in->is_kept && in->producer)
        CZ_TRY(fuse_producer(plan, in->producer, to, &is_done, err));
    return is_done ? CZ_OK : cz_plan_push_step(plan, step, err);
}

/* ---- the walk --------------------------------------------------------- */

static void read_through(struct cz_array **array)
{
    while (*array && (*array)->same)
        *array = (*array)->same;
}

static enum cz_status visit(struct cz_plan *plan, struct cz_step *step,
                            struct cz_error *err)
{
    struct cz_coding coding;
    bool is_done;
    for (size_t i = 0; i < step->n_inputs; i++)
        read_through(&step->inputs[i]);
    if (coding_of(&coding, step)) {
        if (coding.codes == step->outputs[0])
            return quantize(plan, step, &coding, err);
        CZ_TRY(set_coding(step->outputs[0], coding.codes, &coding, plan, err));
    } else if (!step->is_dynamic && moves_elements(step) && reads_codes(step) &&
               moved_coding(&coding, step)) {
        return move_codes(plan, step, &coding, err);
    } else if (is_op(step, "Conv") && !is_quantized(step)) {
        CZ_TRY(cz_codes_fuse_conv(plan, step, NULL, &is_done, err));
    }
    return cz_plan_push_step(plan, step, err);
}

/* Conversions that nobody reads any more. */
static void drop_conversions(struct cz_plan *plan)
{
    cz_plan_count_uses(plan);
    for (size_t i = plan->n_steps; i-- > 0;) {
        struct cz_step *step = plan->steps[i];
        if (step->outputs[0]->n_uses ||
            (!is_op(step, "DequantizeLinear") && !is_op(step, CZ_OP_MAP_CODES)))
            continue;
        step->is_dead = true;
        step->inputs[0]->n_uses--;
    }
}

enum cz_status cz_pass_fuse_codes(struct cz_plan *plan, struct cz_error *err)
{
    struct cz_step **old = plan->steps;
    const size_t n = plan->n_steps;
    plan->steps = NULL;
    plan->n_steps = plan->step_capacity = 0;
    for (size_t i = 0; i < n; i++)
        CZ_TRY(visit(plan, old[i], err));
    drop_conversions(plan);
    return CZ_OK;
}
