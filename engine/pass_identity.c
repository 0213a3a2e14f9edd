/* Views that do not even change the shape (Identity, Dropout, a Reshape to what
 * is there): readers read through them. Steps come in topological order, so one
 * walk meets a view before its readers. */
#include "engine/plan_internal.h"

static void read_through(struct cz_array **array)
{
    if (*array && (*array)->same)
        *array = (*array)->same;
}

static bool is_identity(const struct cz_step *step)
{
    if (!(step->op->flags & CZ_OP_VIEW) || step->is_dynamic ||
        (step->n_outputs > 1 && step->outputs[1]))
        return false;
    const struct cz_array *in = step->inputs[0], *out = step->outputs[0];
    return !out->is_kept && in->dtype == out->dtype &&
           cz_dims_equal(&in->dims, &out->dims);
}

enum cz_status cz_pass_identity(struct cz_plan *plan, struct cz_error *err)
{
    (void)err;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        for (size_t k = 0; k < step->n_inputs; k++)
            read_through(&step->inputs[k]);
        read_through(&step->residual);
        if (is_identity(step)) {
            step->outputs[0]->same = step->inputs[0];
            step->is_dead = true;
        }
    }
    return CZ_OK;
}
