/* Constant folding: what was computed at compile time is a constant. The chains
 * of Shape, Gather, Unsqueeze and Concat that exporters write vanish. */
#include "engine/plan_internal.h"

enum cz_status cz_pass_fold(struct cz_plan *plan, struct cz_error *err)
{
    (void)err;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        bool known = true;
        for (size_t k = 0; k < step->n_outputs; k++)
            known &= !step->outputs[k] || step->outputs[k]->known;
        if (!known)
            continue;
        for (size_t k = 0; k < step->n_outputs; k++) {
            struct cz_array *out = step->outputs[k];
            if (!out)
                continue;
            out->is_constant = true;
            out->folded = step;
            out->producer = NULL;
        }
        step->is_dead = true;
    }
    return CZ_OK;
}
