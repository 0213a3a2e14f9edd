/* Picks an implementation for each step: the first of the table that fits, or
 * none, which means the operator's own plain C. */
#include <string.h>

#include "engine/plan_internal.h"

static const struct cz_kernel *const tables[] = {NULL};

enum cz_status cz_plan_choose_kernels(struct cz_plan *plan,
                                      struct cz_error *err)
{
    (void)plan;
    (void)err;
    (void)tables;
    return CZ_OK;
}

struct cz_step_info cz_plan_step(const struct cz_plan *plan, size_t i)
{
    const struct cz_step *step = plan->steps[i];
    const struct cz_array *out = step->outputs[0];
    return (struct cz_step_info){
        .name = step->name,
        .op_type = step->op->op_type,
        .kernel = step->kernel ? step->kernel->name : "reference",
        .layout = out->layout == CZ_LAYOUT_BLOCKED ? "blocked" : "plain",
        .dims = out->dims,
    };
}
