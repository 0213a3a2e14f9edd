/* Functions of one number as tables of 256 codes: DequantizeLinear, operator,
 * QuantizeLinear, computed once for each code by the operator itself. */
#include <string.h>

#include "engine/codes_internal.h"
#include "engine/op_facts_internal.h"

/* An operand of a function has a constant of one element, or codes. */
#define OPERANDS_MAX 4

static bool is_number(const struct cz_array *array)
{
    return array->known && array->dtype == CZ_DTYPE_FLOAT &&
           cz_array_count(array) == 1;
}

/* The codes that a MapCodes made `codes` of, or NULL. */
static struct cz_array *source_of(const struct cz_array *codes)
{
    const struct cz_step *step = codes->producer;
    return step && strcmp(step->op->op_type, CZ_OP_MAP_CODES) == 0
               ? step->inputs[0]
               : NULL;
}

/* The codes that both are functions of, or NULL. */
static struct cz_array *common(struct cz_array *a, struct cz_array *b)
{
    if (!a || !b || a == b)
        return a == b ? a : NULL;
    struct cz_array *from_a = source_of(a), *from_b = source_of(b);
    if (from_a == b || (from_a && from_a == from_b))
        return from_a;
    return from_b == a ? a : NULL;
}

/* Does it give floats, one for each element? */
static bool is_pointwise(const struct cz_step *step)
{
    struct cz_activation activation;
    return !step->is_dynamic && step->n_inputs &&
           step->n_inputs <= OPERANDS_MAX &&
           step->outputs[0]->dtype == CZ_DTYPE_FLOAT &&
           ((step->op->flags & CZ_OP_ELEMENTWISE) ||
            cz_step_activation(step, &activation));
}

struct cz_array *cz_codes_argument(const struct cz_step *step)
{
    struct cz_array *codes = NULL;
    if (!is_pointwise(step))
        return NULL;
    for (size_t i = 0; i < step->n_inputs; i++) {
        const struct cz_array *in = step->inputs[i];
        if (!in || is_number(in))
            continue;
        if (!in->coding || !cz_dims_equal(&in->dims, &step->outputs[0]->dims))
            return NULL;
        codes = codes ? common(codes, in->coding->codes) : in->coding->codes;
        if (!codes)
            return NULL;
    }
    return codes;
}

/* What the operand is for each byte of `argument`. */
static void fill_operand(float values[CZ_CODES], const struct cz_coding *coding,
                         const struct cz_array *argument)
{
    const struct cz_map_codes_params *map =
        coding->codes == argument ? NULL : coding->codes->producer->params;
    for (size_t i = 0; i < CZ_CODES; i++)
        values[i] = cz_code_value(coding, map ? map->table[i] : (uint8_t)i);
}

/* Runs the step on all codes of its argument. */
static enum cz_status compute(float y[CZ_CODES], const struct cz_step *step,
                              const struct cz_array *argument,
                              struct cz_error *err)
{
    const struct cz_exec exec = {.threads = 1};
    float values[OPERANDS_MAX][CZ_CODES];
    struct cz_array operands[OPERANDS_MAX], *inputs[OPERANDS_MAX] = {NULL};
    struct cz_array out = {.dtype = CZ_DTYPE_FLOAT,
                           .dims = {1, {CZ_CODES}},
                           .size_bytes = CZ_CODES * sizeof(float),
                           .data = y};
    struct cz_array *outputs[] = {&out};
    struct cz_step all = *step;
    for (size_t i = 0; i < step->n_inputs; i++) {
        const struct cz_array *in = step->inputs[i];
        if (!in)
            continue;
        inputs[i] = &operands[i];
        operands[i] = is_number(in) ? *in : out;
        operands[i].dims.rank = is_number(in) ? 0 : 1;
        operands[i].data = is_number(in) ? in->data : values[i];
        if (!is_number(in))
            fill_operand(values[i], in->coding, argument);
    }
    all.inputs = inputs;
    all.outputs = outputs;
    all.n_outputs = 1;
    return step->op->run(&all, &exec, err);
}

/* Makes the step a MapCodes with this table. */
static enum cz_status set_map(struct cz_plan *plan, struct cz_step *step,
                              struct cz_array *argument, const uint8_t *table,
                              struct cz_error *err)
{
    struct cz_map_codes_params *params =
        cz_arena_alloc(&plan->arena, 1, sizeof *params);
    if (!params)
        return cz_error_nomem(err);
    params->table = table;
    step->op = cz_op_find(CZ_OP_MAP_CODES, 1);
    step->params = params;
    step->activation.kind = CZ_ACT_NONE;
    step->inputs[0] = argument;
    step->n_inputs = 1;
    return CZ_OK;
}

enum cz_status cz_codes_map_step(struct cz_plan *plan, struct cz_step *step,
                                 const struct cz_coding *to,
                                 struct cz_error *err)
{
    struct cz_array *argument = cz_codes_argument(step);
    float y[CZ_CODES];
    uint8_t *table = cz_arena_alloc(&plan->arena, CZ_CODES, 1);
    if (!table)
        return cz_error_nomem(err);
    CZ_TRY(compute(y, step, argument, err));
    for (size_t i = 0; i < CZ_CODES; i++)
        table[i] = cz_code_of_value(to, y[i]);
    CZ_TRY(set_map(plan, step, argument, table, err));
    step->outputs[0] = to->codes;
    to->codes->producer = step;
    return CZ_OK;
}

enum cz_status cz_codes_convert(uint8_t **table, struct cz_plan *plan,
                                const struct cz_coding *from,
                                const struct cz_coding *to,
                                struct cz_error *err)
{
    *table = cz_arena_alloc(&plan->arena, CZ_CODES, 1);
    if (!*table)
        return cz_error_nomem(err);
    for (size_t i = 0; i < CZ_CODES; i++)
        (*table)[i] = cz_code_of_value(to, cz_code_value(from, (uint8_t)i));
    return CZ_OK;
}
