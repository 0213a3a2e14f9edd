/* Gives up the weights of the model that no step will read: a kernel that packs
 * them has its own copy, of another order or of another size. */
#include "engine/plan_internal.h"

static void give_up(struct cz_array *array)
{
    if (!array->tensor)
        return;
    cz_tensor_drop(array->tensor);
    array->tensor = NULL;
    array->known = array->data = NULL;
}

void cz_plan_drop_unread(struct cz_plan *plan)
{
    cz_plan_count_uses(plan);
    for (size_t i = 0; i < plan->n_arrays && plan->options.takes_weights; i++) {
        if (!plan->arrays[i]->n_uses)
            give_up(plan->arrays[i]);
    }
}

void cz_plan_drop_packed(struct cz_plan *plan, const struct cz_step *step)
{
    if (!plan->options.takes_weights || !step->is_packed)
        return;
    /* All of these are convolutions, which read their image in each frame. */
    for (size_t i = 1; i < step->n_inputs; i++) {
        struct cz_array *in = step->inputs[i];
        if (in && in->is_constant && --in->n_uses == 0)
            give_up(in);
    }
}
