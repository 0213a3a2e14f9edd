/* Conv + Add: the residual is added while the result is still at hand. The
 * convolution moves to where the Add was, since the other operand may be made
 * in between. */
#include <string.h>

#include "engine/plan_internal.h"

/* The convolution that makes operand i of the Add and nothing else, or NULL. */
static struct cz_step *maker(const struct cz_step *add, size_t i)
{
    const struct cz_array *in = add->inputs[i];
    const struct cz_array *other = add->inputs[1 - i];
    struct cz_step *conv = in->producer;
    if (!conv || strcmp(conv->op->op_type, "Conv") != 0 || conv->residual ||
        conv->is_dynamic || in->n_uses != 1 || in->is_kept ||
        in->dtype != CZ_DTYPE_FLOAT || other->is_constant ||
        !cz_dims_equal(&in->dims, &other->dims))
        return NULL;
    return conv;
}

static size_t position_of(const struct cz_plan *plan,
                          const struct cz_step *step, size_t before)
{
    size_t i = before;
    while (plan->steps[i] != step)
        i--;
    return i;
}

/* Of two convolutions the later one takes the sum: its input is alive. */
static struct cz_step *later(const struct cz_plan *plan, size_t add,
                             struct cz_step *a, struct cz_step *b)
{
    if (!a || !b)
        return a ? a : b;
    return position_of(plan, a, add) > position_of(plan, b, add) ? a : b;
}

enum cz_status cz_pass_fuse_add(struct cz_plan *plan, struct cz_error *err)
{
    (void)err;
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *add = plan->steps[i];
        if (strcmp(add->op->op_type, "Add") != 0 || add->is_dynamic ||
            add->inputs[0] == add->inputs[1])
            continue;
        struct cz_step *conv = later(plan, i, maker(add, 0), maker(add, 1));
        if (!conv)
            continue;
        size_t k = add->inputs[0] == conv->outputs[0];
        conv->residual = add->inputs[k];
        conv->outputs[0] = add->outputs[0];
        conv->outputs[0]->producer = conv;
        size_t from = position_of(plan, conv, i);
        plan->steps[from] = add;
        plan->steps[i] = conv;
        add->is_dead = true;
    }
    return CZ_OK;
}
