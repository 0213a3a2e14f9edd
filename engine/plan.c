/* Plans: compiled in four stages, run step by step. */
#include <string.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/half.h"
#include "core/parallel.h"
#include "core/sizes.h"
#include "engine/kernels_internal.h"
#include "engine/onednn_internal.h"
#include "engine/openblas_internal.h"
#include "engine/plan_internal.h"
#include "engine/storage_internal.h"
#include "engine/team_internal.h"

/* ---- ports ------------------------------------------------------------ */

/* The model must say what its node makes; it need not say anything. */
static enum cz_status check_type(const struct cz_port *port,
                                 const struct cz_array *array,
                                 struct cz_error *err)
{
    if (port->dtype == CZ_DTYPE_UNDEFINED ||
        cz_inner_dtype(port->dtype) == array->dtype)
        return CZ_OK;
    return cz_error_set(err, CZ_ESHAPE, "'%.200s' is declared %s, but is %s",
                        port->name, cz_dtype_name(port->dtype),
                        cz_dtype_name(array->dtype));
}

/* Gives a port the place of its array; one of float16 gets its own, from which
 * or to which each frame converts. */
static enum cz_status update_port(struct cz_plan *plan, size_t i,
                                  struct cz_error *err)
{
    struct cz_port *port = &plan->ports[i];
    const struct cz_array *array = plan->port_arrays[i];
    size_t count = cz_array_count(array);
    CZ_TRY(check_type(port, array, err));
    port->dims = array->dims;
    if (!cz_is_half(port->dtype)) {
        port->dtype = array->dtype;
        port->data = array->data;
        port->size_bytes = array->size_bytes;
        return CZ_OK;
    }
    if (!port->data || port->size_bytes < count * 2) {
        cz_free(port->data);
        port->data = cz_calloc(count + 1, 2);
        if (!port->data)
            return cz_error_nomem(err);
    }
    port->size_bytes = count * 2;
    return CZ_OK;
}

static size_t port_count(const struct cz_plan *plan)
{
    return plan->n_inputs + plan->n_outputs + plan->n_taps;
}

static enum cz_status update_ports(struct cz_plan *plan, struct cz_error *err)
{
    for (size_t i = 0; i < port_count(plan); i++) {
        if (!plan->port_arrays[i]->is_dynamic)
            CZ_TRY(update_port(plan, i, err));
    }
    return CZ_OK;
}

/* Elements of a float16 port that a thread converts at a time. */
#define CONVERTED ((size_t)1 << 16)

/* A port and its array, of which one is converted to the other. */
struct conversion {
    const struct cz_port *port;
    float *floats;
    bool is_input;
};

static void convert_piece(void *user, size_t i)
{
    const struct conversion *c = user;
    const size_t from = i * CONVERTED, count = c->port->size_bytes / 2;
    const size_t n = cz_least(count - from, CONVERTED);
    uint16_t *halves = (uint16_t *)c->port->data + from;
    float *floats = c->floats + from;
    const bool is_bfloat16 = c->port->dtype == CZ_DTYPE_BFLOAT16;
    if (c->is_input)
        (is_bfloat16 ? cz_bfloat16_widen : cz_half_widen)(floats, halves, n);
    else
        (is_bfloat16 ? cz_bfloat16_narrow : cz_half_narrow)(halves, floats, n);
}

static void convert(const struct cz_plan *plan, size_t i, bool is_input)
{
    struct conversion c = {&plan->ports[i], plan->port_arrays[i]->data,
                           is_input};
    if (cz_is_half(c.port->dtype))
        cz_team_for(&plan->exec,
                    cz_divide_up(c.port->size_bytes / 2, CONVERTED),
                    convert_piece, &c);
}

void cz_plan_read_inputs(struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_inputs; i++)
        convert(plan, i, true);
}

void cz_plan_write_inputs(struct cz_plan *plan)
{
    for (size_t i = 0; i < plan->n_inputs; i++)
        convert(plan, i, false);
}

static enum cz_status write_outputs(struct cz_plan *plan, struct cz_error *err)
{
    for (size_t i = plan->n_inputs; i < port_count(plan); i++) {
        if (!plan->port_arrays[i]->data)
            continue; /* of an open size, and its step has not run yet */
        if (plan->port_arrays[i]->is_dynamic)
            CZ_TRY(update_port(plan, i, err));
        convert(plan, i, false);
    }
    return CZ_OK;
}

/* ---- compiling -------------------------------------------------------- */

static enum cz_status compile(struct cz_plan *plan, struct cz_error *err)
{
    CZ_TRY(cz_kernels_check(plan->options.kernels, err));
    CZ_TRY(cz_plan_build(plan, err));
    CZ_TRY(cz_plan_rewrite(plan, err));
    CZ_TRY(cz_plan_label(plan, err));
    CZ_TRY(cz_plan_choose_kernels(plan, err));
    CZ_TRY(cz_plan_place(plan, err));
    CZ_TRY(cz_plan_bind(plan, err));
    return update_ports(plan, err);
}

enum cz_status cz_plan_compile(struct cz_plan **plan, struct cz_model *model,
                               const struct cz_plan_options *options,
                               struct cz_error *err)
{
    *plan = NULL;
    CZ_TRY(cz_cpu_check(err));
    struct cz_plan *p = cz_calloc(1, sizeof *p);
    if (!p)
        return cz_error_nomem(err);
    p->model = model;
    p->block = cz_simd_lanes();
    p->options = *options;
    p->exec.threads = options->threads ? options->threads : cz_cpu_count();
    if (p->exec.threads > CZ_THREADS_MAX)
        p->exec.threads = CZ_THREADS_MAX;
    p->exec.team = cz_team_new(p->exec.threads);
    p->exec.scratch = cz_scratch_new(p->exec.threads);
    p->store = cz_store_new();
    p->onednn = cz_onednn_new(p->exec.threads);
    p->openblas = cz_openblas_new();
    enum cz_status status =
        p->store && p->exec.scratch ? compile(p, err) : cz_error_nomem(err);
    if (status != CZ_OK) {
        cz_plan_free(p);
        return status;
    }
    *plan = p;
    return CZ_OK;
}

void cz_plan_free(struct cz_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->n_steps; i++)
        cz_kernel_drop(plan->steps[i]);
    for (size_t i = 0; i < plan->n_arrays; i++) {
        if (plan->arrays[i]->capacity_bytes)
            cz_free(plan->arrays[i]->data);
        cz_free(plan->arrays[i]->own);
    }
    for (size_t i = 0; plan->ports && i < port_count(plan); i++) {
        if (cz_is_half(plan->ports[i].dtype))
            cz_free(plan->ports[i].data);
    }
    cz_onednn_free(plan->onednn);
    cz_openblas_free(plan->openblas);
    cz_team_free(plan->exec.team);
    cz_scratch_free(plan->exec.scratch);
    cz_store_free(plan->store);
    cz_pages_free(plan->memory, plan->memory_bytes, 0);
    cz_arena_fini(&plan->arena);
    cz_free(plan);
}

/* ---- running ---------------------------------------------------------- */

/* Room for what a dynamic step makes; it only grows. */
static enum cz_status grow_outputs(struct cz_step *step, struct cz_error *err)
{
    for (size_t i = 0; i < step->n_outputs; i++) {
        struct cz_array *out = step->outputs[i];
        if (!out ||
            (out->capacity_bytes && out->capacity_bytes >= out->size_bytes))
            continue;
        void *data = cz_malloc(out->size_bytes + 1);
        if (!data)
            return cz_error_nomem(err);
        if (out->capacity_bytes)
            cz_free(out->data);
        out->data = data;
        out->capacity_bytes = out->size_bytes + 1;
    }
    return CZ_OK;
}

/* Shapes and runs a step whose sizes depend on data. */
static enum cz_status run_dynamic(struct cz_plan *plan, struct cz_step *step,
                                  struct cz_error *err)
{
    for (size_t i = 0; i < step->n_inputs; i++) {
        if (step->inputs[i] && !step->inputs[i]->is_constant)
            step->inputs[i]->known = step->inputs[i]->data;
    }
    CZ_TRY(step->op->shape(step, err));
    CZ_TRY(grow_outputs(step, err));
    CZ_TRY(step->op->run(step, &plan->exec, err));
    for (size_t i = 0; i < step->n_outputs; i++) {
        struct cz_array *out = step->outputs[i];
        if (out) /* run() may have made it smaller */
            out->size_bytes =
                cz_array_count(out) * cz_element_bytes(out->dtype);
    }
    return CZ_OK;
}

static enum cz_status run_step(struct cz_plan *plan, struct cz_step *step,
                               struct cz_error *err)
{
    if (step->is_dynamic)
        return run_dynamic(plan, step, err);
    if (step->kernel)
        return step->kernel->run(step, &plan->exec, err);
    return step->op->run(step, &plan->exec, err);
}

enum cz_status cz_plan_run_steps(struct cz_plan *plan, size_t from, size_t to,
                                 struct cz_error *err)
{
    if (from == 0)
        cz_plan_read_inputs(plan);
    for (size_t i = from; i < to && i < plan->n_steps; i++)
        CZ_TRY(run_step(plan, plan->steps[i], err));
    return write_outputs(plan, err);
}

enum cz_status cz_plan_run(struct cz_plan *plan, struct cz_error *err)
{
    return cz_plan_run_steps(plan, 0, plan->n_steps, err);
}

enum cz_status cz_plan_run_timed(struct cz_plan *plan, double *times_ms,
                                 struct cz_error *err)
{
    cz_plan_read_inputs(plan);
    double before = cz_now_ms();
    for (size_t i = 0; i < plan->n_steps; i++) {
        CZ_TRY(run_step(plan, plan->steps[i], err));
        double after = cz_now_ms();
        times_ms[i] = after - before;
        before = after;
    }
    return write_outputs(plan, err);
}

/* ---- looking in ------------------------------------------------------- */

const struct cz_port *cz_plan_inputs(const struct cz_plan *plan, size_t *count)
{
    if (count)
        *count = plan->n_inputs;
    return plan->ports;
}

const struct cz_port *cz_plan_outputs(const struct cz_plan *plan, size_t *count)
{
    if (count)
        *count = plan->n_outputs;
    return plan->ports + plan->n_inputs;
}

size_t cz_plan_lanes(const struct cz_plan *plan)
{
    return plan->block;
}

const struct cz_port *cz_plan_find(const struct cz_plan *plan, const char *name)
{
    for (size_t i = 0; i < port_count(plan); i++) {
        if (strcmp(plan->ports[i].name, name) == 0)
            return &plan->ports[i];
    }
    return NULL;
}

size_t cz_plan_step_count(const struct cz_plan *plan)
{
    return plan->n_steps;
}

void cz_plan_memory(const struct cz_plan *plan, size_t *arena_bytes,
                    size_t *packed_bytes)
{
    *arena_bytes = plan->memory_bytes;
    *packed_bytes = cz_store_bytes(plan->store);
}
