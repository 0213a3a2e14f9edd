/* Conv + activation: applied before the result leaves the registers. */
#include <string.h>

#include "engine/op_facts_internal.h"

static bool can_take(const struct cz_step *step)
{
    return step && !step->is_dynamic && !step->residual &&
           step->activation.kind == CZ_ACT_NONE &&
           (strcmp(step->op->op_type, "Conv") == 0 ||
            strcmp(step->op->op_type, "ConvTranspose") == 0);
}

enum cz_status cz_pass_fuse_activation(struct cz_plan *plan,
                                       struct cz_error *err)
{
    (void)err;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        struct cz_activation activation;
        if (step->is_dynamic || step->n_inputs == 0 ||
            !cz_step_activation(step, &activation))
            continue;
        struct cz_array *in = step->inputs[0], *out = step->outputs[0];
        struct cz_step *conv = in->producer;
        if (!can_take(conv) || in->n_uses != 1 || in->is_kept)
            continue;
        conv->activation = activation;
        conv->outputs[0] = out;
        out->producer = conv;
        step->is_dead = true;
    }
    return CZ_OK;
}
