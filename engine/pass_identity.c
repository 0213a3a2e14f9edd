/* Views that do not even change the shape (Identity, Dropout, a Reshape to what
 * is there): readers read through them. */
#include "engine/plan_internal.h"

enum cz_status cz_pass_identity(struct cz_plan *plan, struct cz_error *err)
{
    (void)err;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        if (!(step->op->flags & CZ_OP_VIEW) || step->is_dynamic ||
            (step->n_outputs > 1 && step->outputs[1]))
            continue;
        struct cz_array *in = step->inputs[0], *out = step->outputs[0];
        if (in->dtype == out->dtype && cz_dims_equal(&in->dims, &out->dims))
            step->is_dead = cz_plan_replace(plan, out, in);
    }
    return CZ_OK;
}
