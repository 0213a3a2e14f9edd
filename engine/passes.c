/* The passes in their order, and what they share. */
#include <string.h>

#include "engine/plan_internal.h"

struct pass {
    const char *name;
    cz_pass *run;
    bool fuses; /* makes values disappear: off where all are kept */
};

static const struct pass passes[] = {
    {"fold", cz_pass_fold, false},
    {"fuse_focus", cz_pass_fuse_focus, true},
    {"dead", cz_pass_dead, false},
    {"identity", cz_pass_identity, true},
    {"fuse_batchnorm", cz_pass_fuse_batchnorm, true},
    {"fuse_silu", cz_pass_fuse_silu, true},
    {"fuse_activation", cz_pass_fuse_activation, true},
    {"fuse_add", cz_pass_fuse_add, true},
    {"fuse_codes", cz_pass_fuse_codes, true},
    {"fuse_tables", cz_pass_fuse_tables, true},
    {"layout", cz_pass_layout, true},
};

#define N_PASSES (sizeof passes / sizeof *passes)

const char *cz_plan_pass(size_t i)
{
    return i < N_PASSES ? passes[i].name : NULL;
}

/* ---- which are on ----------------------------------------------------- */

/* Switches passes off as `list` says. */
static enum cz_status parse_list(bool on[N_PASSES], const char *list,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < N_PASSES; i++)
        on[i] = true;
    while (list && *list) {
        size_t length = strcspn(list, ",");
        size_t i = 0;
        bool none = length == 4 && memcmp(list, "none", 4) == 0;
        while (!none && i < N_PASSES &&
               (*list != '-' || strlen(passes[i].name) != length - 1 ||
                memcmp(passes[i].name, list + 1, length - 1) != 0))
            i++;
        if (i == N_PASSES)
            return cz_error_set(err, CZ_EINVAL,
                                "there is no pass to switch off by '%.*s'; "
                                "write -NAME,-NAME or none",
                                (int)(length < 100 ? length : 100), list);
        for (size_t k = 0; k < N_PASSES; k++)
            on[k] = on[k] && !none && k != i;
        if (none)
            memset(on, 0, N_PASSES);
        list += length;
        list += *list == ',';
    }
    return CZ_OK;
}

/* ---- what passes share ------------------------------------------------ */

static void use(struct cz_array *array, struct cz_step *step)
{
    if (!array)
        return;
    array->n_uses++;
    array->reader = step;
}

void cz_plan_count_uses(struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_arrays; i++) {
        plan->arrays[i]->n_uses = plan->arrays[i]->is_kept;
        plan->arrays[i]->reader = NULL;
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        if (step->is_dead)
            continue;
        for (size_t k = 0; k < step->n_inputs; k++)
            use(step->inputs[k], step);
        use(step->residual, step);
    }
}

struct cz_array *cz_plan_add_constant(struct cz_plan *plan, const char *name,
                                      enum cz_dtype dtype,
                                      const struct cz_dims *dims,
                                      struct cz_error *err)
{
    struct cz_array *array = cz_plan_add_array(plan, name, err);
    if (!array)
        return NULL;
    array->dtype = dtype;
    array->dims = *dims;
    array->size_bytes = cz_array_count(array) * cz_element_bytes(dtype);
    array->is_constant = true;
    const enum cz_status status = cz_array_own(array, array->size_bytes, err);
    array->known = array->data;
    return status == CZ_OK ? array : NULL;
}

static void remove_dead(struct cz_plan *plan)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (!plan->steps[i]->is_dead)
            plan->steps[n++] = plan->steps[i];
    }
    plan->n_steps = n;
}

enum cz_status cz_plan_rewrite(struct cz_plan *plan, struct cz_error *err)
{
    bool on[N_PASSES];
    CZ_TRY(parse_list(on, plan->options.passes, err));
    for (size_t i = 0; i < N_PASSES; i++) {
        if (!on[i] || (passes[i].fuses && plan->options.keep_all))
            continue;
        cz_plan_count_uses(plan);
        CZ_TRY(passes[i].run(plan, err));
        remove_dead(plan);
    }
    return CZ_OK;
}
