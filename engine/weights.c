/* The elements of constants: memory for those that the plan makes; all of them
 * are given up when no step will read them. A kernel that packs weights has its
 * own copy, of another order or of another size. */
#include "engine/plan_internal.h"

enum cz_status cz_array_own(struct cz_array *array, size_t bytes,
                            struct cz_error *err)
{
    array->own = array->data = cz_calloc(bytes + 1, 1);
    return array->own ? CZ_OK : cz_error_nomem(err);
}

static void give_up(const struct cz_plan *plan, struct cz_array *array)
{
    const bool drops_tensor = array->tensor && plan->options.takes_weights;
    if (!array->is_constant || (!array->own && !drops_tensor))
        return;
    if (drops_tensor) {
        cz_tensor_drop(array->tensor);
        array->tensor = NULL;
    }
    cz_free(array->own);
    array->own = array->data = NULL;
    array->known = NULL;
}

void cz_plan_drop_unread(struct cz_plan *plan)
{
    cz_plan_count_uses(plan);
    for (size_t i = 0; i < plan->n_arrays; i++) {
        if (!plan->arrays[i]->n_uses)
            give_up(plan, plan->arrays[i]);
    }
}

void cz_plan_drop_packed(struct cz_plan *plan, const struct cz_step *step)
{
    if (!step->is_packed)
        return;
    /* All of these are convolutions, which read their image in each frame. */
    for (size_t i = 1; i < step->n_inputs; i++) {
        struct cz_array *in = step->inputs[i];
        if (in && in->is_constant && --in->n_uses == 0)
            give_up(plan, in);
    }
}
