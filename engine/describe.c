/* What a step of a plan is called and how much work it is, for profiles. */
#include <stdio.h>
#include <string.h>

#include "engine/codes_internal.h"
#include "engine/narrow_internal.h"
#include "engine/plan_internal.h"

#define LABEL_BYTES 64

static const char *const activation_names[CZ_ACT_COUNT] = {
    [CZ_ACT_RELU] = "Relu",
    [CZ_ACT_LEAKY_RELU] = "LeakyRelu",
    [CZ_ACT_CLIP] = "Clip",
    [CZ_ACT_SIGMOID] = "Sigmoid",
    [CZ_ACT_SILU] = "Silu",
    [CZ_ACT_HARD_SIGMOID] = "HardSigmoid",
    [CZ_ACT_HARD_SWISH] = "HardSwish",
    [CZ_ACT_TANH] = "Tanh",
    [CZ_ACT_MISH] = "Mish",
    [CZ_ACT_ELU] = "Elu",
    [CZ_ACT_GELU] = "Gelu",
};

static bool is_op(const struct cz_step *step, const char *op_type)
{
    return strcmp(step->op->op_type, op_type) == 0;
}

/* ---- labels ----------------------------------------------------------- */

static enum cz_status label(struct cz_plan *plan, struct cz_step *step,
                            struct cz_error *err)
{
    const char *activation = activation_names[step->activation.kind];
    step->label = step->op->op_type;
    if (is_op(step, CZ_OP_ACTIVATION))
        step->label = activation;
    else if (activation || step->residual) {
        char *text = cz_arena_alloc(&plan->arena, LABEL_BYTES, 1);
        if (!text)
            return cz_error_nomem(err);
        snprintf(text, LABEL_BYTES, "%s%s%s%s", step->op->op_type,
                 activation ? "+" : "", activation ? activation : "",
                 step->residual ? "+Add" : "");
        step->label = text;
    }
    return CZ_OK;
}

enum cz_status cz_plan_label(struct cz_plan *plan, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++)
        CZ_TRY(label(plan, plan->steps[i], err));
    return CZ_OK;
}

/* ---- work ------------------------------------------------------------- */

/* The elements of an operand that meet in one place of dimension `axis`. */
static uint64_t count_along(const struct cz_array *array, size_t axis)
{
    if (axis >= array->dims.rank || array->dims.size[axis] == 0)
        return 0;
    return cz_array_count(array) / (uint64_t)array->dims.size[axis];
}

static uint64_t count_macs(const struct cz_step *step)
{
    const struct cz_array *a = cz_step_input(step, 0);
    const struct cz_array *b = cz_step_input(step, 1);
    const struct cz_array *out = step->outputs[0];
    if (is_op(step, "Conv") || is_op(step, CZ_OP_CONV_CODES))
        return cz_array_count(out) * count_along(b, 0);
    if (is_op(step, "ConvTranspose"))
        return cz_array_count(a) * count_along(b, 0);
    if (is_op(step, "Gemm"))
        return out->dims.rank == 2
                   ? (uint64_t)out->dims.size[1] * cz_array_count(a)
                   : 0;
    if (is_op(step, "MatMul") && a->dims.rank > 0)
        return cz_array_count(out) * (uint64_t)a->dims.size[a->dims.rank - 1];
    return 0;
}

/* The instructions for 16 bits that the CPU has not; float32 needs none. */
static const char *missing_instructions(const struct cz_plan *plan)
{
    const enum cz_precision asked = plan->options.precision;
    const struct cz_narrow *bf16 = cz_bf16_find(plan->block);
    const bool has_bf16 = bf16 && bf16->is_native;
    const bool has_fp16 = cz_fp16_find(plan->block) != NULL;
    if (asked == CZ_PRECISION_FLOAT32 ||
        (asked != CZ_PRECISION_FP16 && has_bf16) ||
        (asked != CZ_PRECISION_BF16 && has_fp16))
        return NULL;
#ifdef __aarch64__
    return asked == CZ_PRECISION_BF16 ? "bfloat16 instructions that are used"
                                      : "FEAT_FP16";
#else
    return asked == CZ_PRECISION_FP16 ? "FEAT_FP16" : "AVX512_BF16";
#endif
}

struct cz_precision_report cz_plan_precision(const struct cz_plan *plan)
{
    struct cz_precision_report report = {
        .asked = plan->options.precision,
        .is_timed = plan->options.tune != CZ_TUNE_OFF,
        .missing = missing_instructions(plan),
    };
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct cz_step *step = plan->steps[i];
        report.convolutions += is_op(step, "Conv");
        if (!step->kernel)
            continue;
        report.in_bf16 += step->kernel->precision == CZ_PRECISION_BF16;
        report.in_fp16 += step->kernel->precision == CZ_PRECISION_FP16;
    }
    return report;
}

struct cz_step_info cz_plan_step(const struct cz_plan *plan, size_t i)
{
    const struct cz_step *step = plan->steps[i];
    const struct cz_array *out = step->outputs[0];
    return (struct cz_step_info){
        .name = step->name,
        .op_type = step->label,
        .kernel = step->kernel ? step->kernel->name : "reference",
        .layout = out->layout == CZ_LAYOUT_BLOCKED ? "blocked" : "plain",
        .dims = out->dims,
        .macs = count_macs(step),
    };
}
