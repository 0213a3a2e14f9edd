/* Dead code: steps whose outputs nobody reads. */
#include "engine/plan_internal.h"

static bool is_read(const struct cz_step *step)
{
    for (size_t k = 0; k < step->n_outputs; k++) {
        if (step->outputs[k] && step->outputs[k]->n_uses)
            return true;
    }
    return false;
}

static void drop_use(struct cz_array *array)
{
    if (array)
        array->n_uses--;
}

enum cz_status cz_pass_dead(struct cz_plan *plan, struct cz_error *err)
{
    (void)err;
    for (size_t i = plan->n_steps; i-- > 0;) {
        struct cz_step *step = plan->steps[i];
        if (is_read(step))
            continue;
        step->is_dead = true;
        for (size_t k = 0; k < step->n_inputs; k++)
            drop_use(step->inputs[k]);
        drop_use(step->residual);
    }
    return CZ_OK;
}
