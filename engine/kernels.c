/* Picks an implementation for each step: the first of the tables that fits, or
 * none, which means the operator's own plain C. */
#include "engine/kernels_internal.h"

#include <string.h>

#include "engine/storage_internal.h"
#include "engine/tune_internal.h"

static const struct cz_kernel *const tables[] = {
    cz_kernels_winograd,
    cz_kernels_depthwise,
    cz_kernels_direct,
    cz_kernels_blocked,
    cz_kernels_channels,
    cz_kernels_transpose,
    cz_kernels_im2col,
    cz_kernels_matmul,
    cz_kernels_onednn,
    cz_kernels_openblas_im2col,
    cz_kernels_openblas_matmul,
    cz_kernels_narrow,
    cz_kernels_codes_winograd,
    cz_kernels_codes_depthwise,
    cz_kernels_codes_direct,
    cz_kernels_place,
    cz_kernels_simd,
    cz_kernels_codes,
};

#define N_TABLES (sizeof tables / sizeof *tables)

/* Did the caller leave the kernel out? */
static bool is_off(const struct cz_plan *plan, const struct cz_kernel *kernel)
{
    const char *list = plan->options.kernels;
    const size_t size = strlen(kernel->name);
    while (list && *list) {
        size_t length = strcspn(list, ",");
        if (length == size + 1 && *list == '-' &&
            memcmp(list + 1, kernel->name, size) == 0)
            return true;
        list += length;
        list += *list == ',';
    }
    return false;
}

/* Does any kernel have the name [length]? */
static bool is_name(const char *name, size_t length)
{
    for (size_t t = 0; t < N_TABLES; t++) {
        for (const struct cz_kernel *k = tables[t]; k->name; k++) {
            if (strlen(k->name) == length && memcmp(k->name, name, length) == 0)
                return true;
        }
    }
    return false;
}

enum cz_status cz_kernels_check(const char *list, struct cz_error *err)
{
    while (list && *list) {
        size_t length = strcspn(list, ",");
        if (*list != '-' || !is_name(list + 1, length - 1))
            return cz_error_set(err, CZ_EINVAL,
                                "there is no kernel to leave out by '%.*s'; "
                                "write -NAME,-NAME",
                                (int)(length < 100 ? length : 100), list);
        list += length;
        list += *list == ',';
    }
    return CZ_OK;
}

static bool suits(const struct cz_kernel *kernel, const struct cz_step *step,
                  const struct cz_plan *plan)
{
    return strcmp(kernel->op_type, step->op->op_type) == 0 &&
           !is_off(plan, kernel) && kernel->fits(step, plan);
}

static bool has_kernel_in(enum cz_precision precision,
                          const struct cz_step *step,
                          const struct cz_plan *plan)
{
    for (size_t t = 0; t < N_TABLES; t++) {
        for (const struct cz_kernel *k = tables[t]; k->name; k++) {
            if (k->precision == precision && suits(k, step, plan))
                return true;
        }
    }
    return false;
}

/* Does the plan's precision allow this kernel for the step? With one of 16 bits
 * those of float32 are for steps that have no other. */
static bool is_allowed(const struct cz_kernel *kernel,
                       const struct cz_step *step, const struct cz_plan *plan)
{
    const enum cz_precision asked = plan->options.precision;
    return asked == CZ_PRECISION_AUTO || kernel->precision == asked ||
           (kernel->precision == CZ_PRECISION_FLOAT32 &&
            !has_kernel_in(asked, step, plan));
}

/* Can the step have this kernel? */
static bool is_candidate(const struct cz_kernel *kernel,
                         const struct cz_step *step, const struct cz_plan *plan)
{
    return is_allowed(kernel, step, plan) && suits(kernel, step, plan);
}

/* Up to `most` kernels that fit the step as it is; returns how many. oneDNN is
 * only asked where nothing else fits: to load it takes longer than the first
 * frame of a small detector, and with several threads those of its OpenMP spin
 * for milliseconds after each loop, while ours wait. */
static size_t find(const struct cz_kernel *found[CZ_CANDIDATES_MAX],
                   size_t most, const struct cz_step *step,
                   const struct cz_plan *plan)
{
    size_t n = 0;
    for (size_t t = 0; t < N_TABLES; t++) {
        if (tables[t] == cz_kernels_onednn && n)
            continue;
        for (const struct cz_kernel *k = tables[t]; k->name; k++) {
            if (n < most && is_candidate(k, step, plan))
                found[n++] = k;
        }
    }
    return n;
}

/* The kernel of this name, if it fits. */
static size_t find_named(const struct cz_kernel *found[CZ_CANDIDATES_MAX],
                         const char *name, const struct cz_step *step,
                         const struct cz_plan *plan)
{
    for (size_t t = 0; t < N_TABLES && name; t++) {
        for (const struct cz_kernel *k = tables[t]; k->name; k++) {
            if (strcmp(k->name, name) != 0 || !is_candidate(k, step, plan))
                continue;
            found[0] = k;
            return 1;
        }
    }
    return 0;
}

bool cz_kernel_exists(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_kernel *found[CZ_CANDIDATES_MAX];
    return find(found, 1, step, plan) > 0;
}

bool cz_kernel_exists_for(struct cz_step *step, const struct cz_plan *plan,
                          enum cz_layout in, enum cz_layout out)
{
    struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    struct cz_array *sum = step->residual;
    const struct cz_array before[3] = {*x, *y, sum ? *sum : *y};
    y->layout = out;
    if (sum)
        sum->layout = out;
    x->layout = in;
    bool found = cz_kernel_exists(step, plan);
    x->layout = before[0].layout;
    y->layout = before[1].layout;
    if (sum)
        sum->layout = before[2].layout;
    return found;
}

const char *cz_operator_kernel(const char *op_type, size_t i)
{
    for (size_t t = 0; t < N_TABLES; t++) {
        for (const struct cz_kernel *k = tables[t]; k->name; k++) {
            if (strcmp(k->op_type, op_type) == 0 && i-- == 0)
                return k->name;
        }
    }
    return NULL;
}

static bool is_blocked(const struct cz_step *step)
{
    bool blocked = false;
    for (size_t i = 0; i < step->n_inputs; i++)
        blocked |=
            step->inputs[i] && step->inputs[i]->layout == CZ_LAYOUT_BLOCKED;
    for (size_t i = 0; i < step->n_outputs; i++)
        blocked |=
            step->outputs[i] && step->outputs[i]->layout == CZ_LAYOUT_BLOCKED;
    return blocked;
}

/* Can the operator's plain C do a step with blocked operands? */
static bool runs_blocked(const struct cz_step *step)
{
    const struct cz_array *y = step->outputs[0];
    bool same = true;
    for (size_t i = 0; i < step->n_inputs; i++)
        same &= step->inputs[i] && step->inputs[i]->layout == y->layout &&
                cz_dims_equal(&step->inputs[i]->dims, &y->dims);
    return (step->op->flags & CZ_OP_ANY_LAYOUT) ||
           (same && (step->op->flags & CZ_OP_ELEMENTWISE));
}

enum cz_status cz_kernel_take(struct cz_step *step, const struct cz_plan *plan,
                              const struct cz_kernel *kernel,
                              struct cz_error *err)
{
    step->kernel = kernel;
    enum cz_status status = kernel->prepare
                                ? kernel->prepare(step, plan, &step->state, err)
                                : CZ_OK;
    if (status != CZ_OK)
        cz_kernel_drop(step);
    return status;
}

void cz_kernel_drop(struct cz_step *step)
{
    if (step->state)
        step->kernel->release(step->state);
    step->state = NULL;
    step->kernel = NULL;
    step->is_packed = false;
}

/* A library may refuse what it should take, and a kernel may want more memory
 * for its weights than there is: others are tried then. */
static bool is_for_others(enum cz_status status)
{
    return status == CZ_EUNSUPPORTED || status == CZ_ENOMEM;
}

static enum cz_status choose(struct cz_plan *plan, struct cz_step *step,
                             struct cz_tuner *tuner, struct cz_error *err)
{
    const struct cz_kernel *found[CZ_CANDIDATES_MAX];
    const struct cz_kernel *tried = NULL;
    enum cz_status status = CZ_EUNSUPPORTED;
    size_t n = find_named(found, cz_tuner_known(tuner, step, plan), step, plan);
    if (!n)
        n = find(found, tuner ? CZ_CANDIDATES_MAX : 1, step, plan);
    if (n) {
        tried = cz_tuner_choose(tuner, step, plan, found, n);
        status = cz_kernel_take(step, plan, tried, err);
    }
    if (is_for_others(status) && n)
        n = find(found, CZ_CANDIDATES_MAX, step, plan);
    bool is_short = status == CZ_ENOMEM;
    for (size_t i = 0; i < n && is_for_others(status); i++) {
        if (found[i] == tried)
            continue;
        status = cz_kernel_take(step, plan, found[i], err);
        is_short |= status == CZ_ENOMEM;
    }
    if (!is_for_others(status))
        return status;
    if (!is_blocked(step) || runs_blocked(step))
        return CZ_OK;
    if (is_short)
        return cz_error_nomem(err);
    return cz_error_set(err, CZ_EINTERNAL,
                        "%s '%.200s': no kernel for its layout",
                        step->op->op_type, step->name);
}

enum cz_status cz_plan_choose_kernels(struct cz_plan *plan,
                                      struct cz_error *err)
{
    struct cz_tuner *tuner = cz_tuner_open(plan);
    enum cz_status status = CZ_OK;
    cz_plan_drop_unread(plan);
    for (size_t i = 0; i < plan->n_steps && status == CZ_OK; i++) {
        if (plan->steps[i]->is_dynamic)
            continue;
        status = choose(plan, plan->steps[i], tuner, err);
        cz_plan_drop_packed(plan, plan->steps[i]);
    }
    cz_tuner_close(tuner, plan->options.cache_file);
    cz_store_close(plan->store);
    return status;
}

enum cz_status cz_plan_bind(struct cz_plan *plan, struct cz_error *err)
{
    for (size_t i = 0; i < plan->n_steps; i++) {
        struct cz_step *step = plan->steps[i];
        if (step->kernel && step->kernel->bind)
            CZ_TRY(step->kernel->bind(step, err));
    }
    return CZ_OK;
}
