/* Activations that exporters write as several operators become one:
 *
 *     x * sigmoid(x)              SiLU    (Sigmoid, Mul)
 *     x * hard_sigmoid(x)         HardSwish where alpha 1/6, beta 1/2
 *     x * tanh(softplus(x))       Mish    (Softplus, Tanh, Mul)
 */
#include <math.h>
#include <string.h>

#include "engine/op_facts_internal.h"

/* HardSwish is given as 0.16667 in many files: what x times that moves is below
 * the rounding of a later sum. */
#define SIXTH_TOLERANCE 1e-5f

static bool is_op(const struct cz_step *step, const char *op_type)
{
    return step && strcmp(step->op->op_type, op_type) == 0;
}

/* What gate(x) * x is, or CZ_ACT_NONE. */
static enum cz_activation_kind kind_of(const struct cz_step *gate,
                                       const struct cz_array *x)
{
    struct cz_activation a;
    if (is_op(gate, "Tanh") && is_op(gate->inputs[0]->producer, "Softplus") &&
        gate->inputs[0]->n_uses == 1)
        return gate->inputs[0]->producer->inputs[0] == x ? CZ_ACT_MISH
                                                         : CZ_ACT_NONE;
    if (gate->inputs[0] != x || !cz_op_activation(gate, &a))
        return CZ_ACT_NONE;
    if (a.kind == CZ_ACT_SIGMOID)
        return CZ_ACT_SILU;
    if (a.kind == CZ_ACT_HARD_SIGMOID &&
        fabsf(a.alpha - 1.0f / 6) < SIXTH_TOLERANCE &&
        fabsf(a.beta - 0.5f) < SIXTH_TOLERANCE)
        return CZ_ACT_HARD_SWISH;
    return CZ_ACT_NONE;
}

/* Turns a Mul of x and its gate into an Activation of x. */
static bool fuse(struct cz_step *mul, size_t gate_input)
{
    struct cz_array *gated = mul->inputs[gate_input];
    struct cz_array *x = mul->inputs[1 - gate_input];
    struct cz_step *gate = gated->producer;
    if (!gate || gated->n_uses != 1 || gated->is_kept ||
        x->dtype != CZ_DTYPE_FLOAT)
        return false;
    enum cz_activation_kind kind = kind_of(gate, x);
    if (kind == CZ_ACT_NONE)
        return false;
    gate->is_dead = true;
    if (kind == CZ_ACT_MISH)
        gate->inputs[0]->producer->is_dead = true;
    mul->op = cz_op_find(CZ_OP_ACTIVATION, 1);
    mul->activation.kind = kind;
    mul->inputs[0] = x;
    mul->n_inputs = 1;
    return true;
}

enum cz_status cz_pass_fuse_silu(struct cz_plan *plan, struct cz_error *err)
{
    (void)err;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        if (!step->is_dynamic && is_op(step, "Mul") && !fuse(step, 0))
            fuse(step, 1);
    }
    return CZ_OK;
}
