/* From the model's graph to a list of steps.
 *
 * Nodes come in topological order, so one walk tells every shape: each step is
 * shaped as soon as it is made, and what depends on constants and shapes alone
 * is computed on the spot, since later shapes may need it. */
#include <stdio.h>
#include <string.h>

#include "core/half.h"
#include "engine/plan_internal.h"

/* What goes beyond it, all results together, stays uncomputed at compile time:
 * a constant that a frame can make is not worth that much memory. */
#define KNOWN_BYTES_MAX ((size_t)256 << 20)

/* ---- arrays and steps ------------------------------------------------- */

struct cz_array *cz_plan_add_array(struct cz_plan *plan, const char *name,
                                   struct cz_error *err)
{
    struct cz_array **arrays =
        cz_arena_grow(&plan->arena, plan->arrays, plan->n_arrays,
                      &plan->array_capacity, sizeof(struct cz_array *));
    struct cz_array *array = cz_arena_alloc(&plan->arena, 1, sizeof *array);
    if (arrays)
        plan->arrays = arrays;
    if (!arrays || !array) {
        cz_error_nomem(err);
        return NULL;
    }
    array->name = name;
    array->id = plan->n_arrays;
    arrays[plan->n_arrays++] = array;
    return array;
}

enum cz_status cz_plan_push_step(struct cz_plan *plan, struct cz_step *step,
                                 struct cz_error *err)
{
    struct cz_step **steps =
        cz_arena_grow(&plan->arena, plan->steps, plan->n_steps,
                      &plan->step_capacity, sizeof(struct cz_step *));
    if (!steps)
        return cz_error_nomem(err);
    plan->steps = steps;
    steps[plan->n_steps++] = step;
    return CZ_OK;
}

struct cz_step *cz_plan_add_step(struct cz_plan *plan, const struct cz_op *op,
                                 const char *name, size_t n_inputs,
                                 size_t n_outputs, struct cz_error *err)
{
    struct cz_arena *arena = &plan->arena;
    struct cz_step *step = cz_arena_alloc(arena, 1, sizeof *step);
    struct cz_array **ends =
        cz_arena_alloc(arena, n_inputs + n_outputs + 1, sizeof *ends);
    void *params = cz_arena_alloc(arena, 1, op->params_size + 1);
    if (!step || !ends || !params) {
        cz_error_nomem(err);
        return NULL;
    }
    step->op = op;
    step->name = name;
    step->inputs = ends;
    step->outputs = ends + n_inputs;
    step->n_inputs = n_inputs;
    step->n_outputs = n_outputs;
    step->params = params;
    return cz_plan_push_step(plan, step, err) == CZ_OK ? step : NULL;
}

/* ---- what is known at compile time ------------------------------------ */

static bool all_known(const struct cz_step *step)
{
    for (size_t i = 0; i < step->n_inputs; i++) {
        const struct cz_array *in = step->inputs[i];
        bool wants_data = !(step->op->flags & CZ_OP_OF_SHAPE);
        if (in && !in->known && (wants_data || in->is_dynamic))
            return false;
    }
    return true;
}

/* Computes the outputs now, if they are not too large. */
static enum cz_status compute(struct cz_plan *plan, struct cz_step *step,
                              struct cz_error *err)
{
    const struct cz_exec exec = {.threads = 1};
    size_t total = 0;
    for (size_t i = 0; i < step->n_outputs; i++)
        total += step->outputs[i] ? step->outputs[i]->size_bytes : 0;
    if (total > KNOWN_BYTES_MAX - plan->known_bytes)
        return CZ_OK;
    plan->known_bytes += total;
    for (size_t i = 0; i < step->n_outputs; i++) {
        struct cz_array *out = step->outputs[i];
        if (!out)
            continue;
        CZ_TRY(cz_array_own(out, out->size_bytes, err));
    }
    CZ_TRY(step->op->run(step, &exec, err));
    for (size_t i = 0; i < step->n_outputs; i++) {
        struct cz_array *out = step->outputs[i];
        if (!out)
            continue;
        out->known = out->data;
        out->size_bytes = cz_array_count(out) * cz_element_bytes(out->dtype);
    }
    step->is_dynamic = false; /* its data never change, nor does its size */
    return CZ_OK;
}

static void set_outputs_dynamic(struct cz_step *step)
{
    step->is_dynamic = true;
    for (size_t i = 0; i < step->n_outputs; i++) {
        if (step->outputs[i])
            step->outputs[i]->is_dynamic = true;
    }
}

enum cz_status cz_plan_settle(struct cz_plan *plan, struct cz_step *step,
                              struct cz_error *err)
{
    for (size_t i = 0; i < step->n_inputs; i++)
        step->is_dynamic |= step->inputs[i] && step->inputs[i]->is_dynamic;
    if (!step->is_dynamic)
        CZ_TRY(step->op->shape(step, err));
    if (all_known(step))
        CZ_TRY(compute(plan, step, err));
    if (step->is_dynamic)
        set_outputs_dynamic(step);
    return CZ_OK;
}

/* ---- constants -------------------------------------------------------- */

/* A half precision tensor as float32. */
static void widen(float *to, const struct cz_elements *from)
{
    for (size_t i = 0; i < from->count; i++) {
        uint16_t bits;
        memcpy(&bits, (const char *)from->data + i * from->stride, sizeof bits);
        to[i] = from->dtype == CZ_DTYPE_FLOAT16 ? cz_half_to_float(bits)
                                                : cz_bfloat16_to_float(bits);
    }
}

/* Elements as the engine wants them: in the message where they are dense and
 * aligned, else a copy. */
static enum cz_status view_elements(struct cz_array *array,
                                    const struct cz_elements *e,
                                    struct cz_error *err)
{
    size_t bytes = cz_element_bytes(array->dtype);
    if (!cz_is_half(e->dtype) && e->stride == bytes &&
        (uintptr_t)e->data % bytes == 0 && e->count) {
        array->data = e->data;
    } else {
        CZ_TRY(cz_array_own(array, array->size_bytes, err));
        char *copy = array->own;
        if (cz_is_half(e->dtype))
            widen((float *)(void *)copy, e);
        for (size_t i = 0; !cz_is_half(e->dtype) && i < e->count; i++)
            memcpy(copy + i * bytes, (const char *)e->data + i * e->stride,
                   bytes);
    }
    array->known = array->data;
    array->is_constant = true;
    return CZ_OK;
}

static enum cz_status add_constant(struct cz_array *array,
                                   struct cz_tensor *tensor,
                                   struct cz_error *err)
{
    struct cz_elements elements;
    array->dtype = cz_inner_dtype(tensor->dtype);
    if (tensor->rank > CZ_RANK_MAX || !cz_element_bytes(array->dtype))
        return cz_error_set(
            err, CZ_EUNSUPPORTED, "tensor '%.200s': %zu dimensions of %s",
            array->name, tensor->rank, cz_dtype_name(tensor->dtype));
    array->dims.rank = tensor->rank;
    for (size_t i = 0; i < tensor->rank; i++)
        array->dims.size[i] = tensor->dims[i];
    CZ_TRY(cz_tensor_elements(tensor, &elements, err));
    array->tensor = tensor;
    array->size_bytes = elements.count * cz_element_bytes(array->dtype);
    return view_elements(array, &elements, err);
}

/* ---- operators -------------------------------------------------------- */

/* NULL for those of other domains, and for those that only passes may put in:
 * they trust what the pass has set. */
static const struct cz_op *find_op(const struct cz_node *node)
{
    if (*node->domain && strcmp(node->domain, "ai.onnx") != 0)
        return NULL;
    if (strncmp(node->op_type, CZ_OP_OWN, strlen(CZ_OP_OWN)) == 0)
        return NULL;
    return cz_op_find(node->op_type, cz_model_opset(node->graph->model, ""));
}

static bool is_constant_node(const struct cz_node *node)
{
    return node->n_outputs == 1 && node->outputs[0] &&
           node->outputs[0]->constant;
}

/* More missing operators than this are not named. */
#define MISSING_MAX 20

static bool is_same_op(const struct cz_node *a, const struct cz_node *b)
{
    return strcmp(a->op_type, b->op_type) == 0 &&
           strcmp(a->domain, b->domain) == 0;
}

/* The first node of each operator that is missing; returns how many. */
static size_t find_missing(const struct cz_node *missing[MISSING_MAX],
                           const struct cz_graph *graph)
{
    size_t n = 0;
    for (size_t i = 0; i < graph->n_nodes && n < MISSING_MAX; i++) {
        const struct cz_node *node = graph->nodes[i];
        size_t k = 0;
        while (k < n && !is_same_op(missing[k], node))
            k++;
        if (k == n && !is_constant_node(node) && !cz_node_is(node, "If") &&
            !find_op(node))
            missing[n++] = node;
    }
    return n;
}

/* Names all operators that are missing, each with its first node. */
static enum cz_status check_ops(const struct cz_graph *graph,
                                struct cz_error *err)
{
    const struct cz_node *missing[MISSING_MAX];
    char list[400];
    size_t at = 0, count = find_missing(missing, graph);
    for (size_t i = 0; i < count && at < sizeof list; i++) {
        const struct cz_node *node = missing[i];
        int n =
            snprintf(list + at, sizeof list - at, "%s%.60s%s%.60s ('%.60s')",
                     at ? ", " : "", node->domain, *node->domain ? "." : "",
                     node->op_type, cz_node_label(node));
        at += n > 0 ? (size_t)n : 0;
    }
    if (!count)
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "operators that the engine does not have: %s", list);
}

/* ---- the walk --------------------------------------------------------- */

enum cz_status cz_plan_array_of(struct cz_array **array, struct cz_plan *plan,
                                struct cz_value *value, struct cz_error *err)
{
    const struct cz_scope *scope = plan->scopes;
    while (scope->graph != value->graph)
        scope = scope->next;
    *array = scope->by_value[value->id];
    if (*array)
        return CZ_OK;
    *array = cz_plan_add_array(plan, value->name, err);
    if (!*array)
        return CZ_ENOMEM;
    scope->by_value[value->id] = *array;
    return value->constant ? add_constant(*array, value->constant, err) : CZ_OK;
}

static bool is_tap(const struct cz_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->options.n_taps; i++) {
        if (strcmp(plan->options.taps[i], name) == 0)
            return true;
    }
    return false;
}

/* Is output i made at all? The first always is. */
static bool is_wanted(const struct cz_plan *plan, const struct cz_node *node,
                      size_t i)
{
    const struct cz_value *value = node->outputs[i];
    return value && (i == 0 || value->n_uses || value->is_output ||
                     is_tap(plan, value->name));
}

static enum cz_status check_arity(const struct cz_step *step,
                                  struct cz_error *err)
{
    const struct cz_op *op = step->op;
    if (step->n_inputs > op->max_inputs)
        return cz_step_error(step, err, "%zu inputs, at most %zu can be",
                             step->n_inputs, op->max_inputs);
    for (size_t i = 0; i < op->min_inputs; i++) {
        if (!cz_step_input(step, i))
            return cz_step_error(step, err, "input %zu is missing", i);
    }
    if (step->n_outputs == 0 || !step->outputs[0])
        return cz_step_error(step, err, "its first output is missing");
    return CZ_OK;
}

static enum cz_status add_node(struct cz_plan *plan, struct cz_node *node,
                               struct cz_error *err)
{
    struct cz_step *step =
        cz_plan_add_step(plan, find_op(node), cz_node_label(node),
                         node->n_inputs, node->n_outputs, err);
    if (!step)
        return CZ_ENOMEM;
    step->opset = cz_model_opset(plan->model, "");
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i])
            CZ_TRY(
                cz_plan_array_of(&step->inputs[i], plan, node->inputs[i], err));
    }
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (!is_wanted(plan, node, i))
            continue;
        CZ_TRY(
            cz_plan_array_of(&step->outputs[i], plan, node->outputs[i], err));
        step->outputs[i]->producer = step;
    }
    CZ_TRY(check_arity(step, err));
    if (step->op->parse)
        CZ_TRY(step->op->parse(step, node, err));
    return cz_plan_settle(plan, step, err);
}

enum cz_status cz_plan_open_graph(struct cz_plan *plan,
                                  const struct cz_graph *graph,
                                  struct cz_error *err)
{
    CZ_TRY(check_ops(graph, err));
    struct cz_scope *scope = cz_arena_alloc(&plan->arena, 1, sizeof *scope);
    struct cz_array **by_value = cz_arena_alloc(
        &plan->arena, graph->n_values + 1, sizeof(struct cz_array *));
    if (!scope || !by_value)
        return cz_error_nomem(err);
    *scope = (struct cz_scope){graph, by_value, plan->scopes};
    plan->scopes = scope;
    return CZ_OK;
}

enum cz_status cz_plan_add_graph(struct cz_plan *plan, struct cz_graph *graph,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_node *node = graph->nodes[i];
        if (cz_node_is(node, "If"))
            CZ_TRY(cz_plan_add_if(plan, node, err));
        else if (!is_constant_node(node))
            CZ_TRY(add_node(plan, node, err));
    }
    return CZ_OK;
}

/* ---- ports ------------------------------------------------------------ */

static bool is_open(const struct cz_shape *shape)
{
    bool open = !shape->known;
    for (size_t i = 0; i < shape->rank; i++)
        open |= shape->dims[i] < 0;
    return open;
}

/* The dims that the model declares, where they are open those of `given`. */
static enum cz_status input_dims(struct cz_dims *dims,
                                 const struct cz_value *value,
                                 const struct cz_dims *given,
                                 struct cz_error *err)
{
    const struct cz_shape *shape = &value->shape;
    char text[CZ_DIMS_TEXT_BYTES];
    if (given && shape->known && given->rank != shape->rank)
        return cz_error_set(err, CZ_EINVAL,
                            "input '%.200s' has %zu dimensions, the shape that "
                            "was given is %s",
                            value->name, shape->rank,
                            cz_dims_text(given, text));
    if (!shape->known) {
        if (!given)
            return cz_error_set(err, CZ_ESHAPE,
                                "input '%.200s' has no shape: give one",
                                value->name);
        *dims = *given;
        return CZ_OK;
    }
    if (shape->rank > CZ_RANK_MAX)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "input '%.200s' has %zu dimensions", value->name,
                            shape->rank);
    dims->rank = shape->rank;
    for (size_t i = 0; i < shape->rank; i++) {
        dims->size[i] = shape->dims[i];
        if (dims->size[i] < 0)
            dims->size[i] = given ? given->size[i] : i == 0 ? 1 : -1;
        if (given && given->size[i] != dims->size[i])
            return cz_error_set(err, CZ_EINVAL,
                                "input '%.200s': dimension %zu is %lld in the "
                                "model, %lld was given",
                                value->name, i, (long long)dims->size[i],
                                (long long)given->size[i]);
        if (dims->size[i] < 0)
            return cz_error_set(err, CZ_ESHAPE,
                                "input '%.200s': dimension %zu is open: give "
                                "the input's shape",
                                value->name, i);
    }
    return CZ_OK;
}

/* An array as a step's output would be checked. */
static enum cz_status check_input(struct cz_array *array, struct cz_error *err)
{
    static const struct cz_op op = {.op_type = "input"};
    struct cz_array *outputs[] = {array};
    struct cz_step step = {
        .op = &op, .name = array->name, .n_outputs = 1, .outputs = outputs};
    const struct cz_dims dims = array->dims;
    return cz_step_output(&step, 0, array->dtype, &dims, err);
}

static enum cz_status add_port(struct cz_plan *plan, struct cz_value *value,
                               struct cz_error *err)
{
    struct cz_array *array;
    size_t i = plan->n_inputs + plan->n_outputs + plan->n_taps;
    CZ_TRY(cz_plan_array_of(&array, plan, value, err));
    plan->ports[i].name = value->name;
    plan->ports[i].dtype = value->dtype;
    plan->port_arrays[i] = array;
    return CZ_OK;
}

/* The shape and the type of the input that `value` is. */
static enum cz_status set_input(struct cz_plan *plan, struct cz_array *array,
                                const struct cz_value *value,
                                struct cz_error *err)
{
    const struct cz_plan_options *o = &plan->options;
    const struct cz_dims *given = cz_shapes_find(
        o->shapes, o->n_shapes, value->name, is_open(&value->shape));
    array->is_input = true;
    array->dtype = cz_inner_dtype(value->dtype);
    CZ_TRY(input_dims(&array->dims, value, given, err));
    return check_input(array, err);
}

/* A constant among a graph's inputs is a default, as IR version 3 lists them.
 */
static enum cz_status add_inputs(struct cz_plan *plan, struct cz_error *err)
{
    const struct cz_graph *graph = cz_model_graph(plan->model);
    const struct cz_plan_options *o = &plan->options;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (graph->inputs[i]->constant)
            continue;
        CZ_TRY(add_port(plan, graph->inputs[i], err));
        plan->n_inputs++;
    }
    CZ_TRY(cz_shapes_check(o->shapes, o->n_shapes, plan->ports, plan->n_inputs,
                           err));
    for (size_t i = 0, n = 0; i < graph->n_inputs; i++) {
        if (!graph->inputs[i]->constant)
            CZ_TRY(
                set_input(plan, plan->port_arrays[n++], graph->inputs[i], err));
    }
    return CZ_OK;
}

static enum cz_status add_outputs(struct cz_plan *plan, struct cz_error *err)
{
    const struct cz_graph *graph = cz_model_graph(plan->model);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        CZ_TRY(add_port(plan, graph->outputs[i], err));
        plan->port_arrays[plan->n_inputs + plan->n_outputs++]->is_kept = true;
    }
    for (size_t i = 0; i < plan->options.n_taps; i++) {
        struct cz_value *value = cz_graph_find(graph, plan->options.taps[i]);
        if (!value || value->graph != graph)
            return cz_error_set(err, CZ_EINVAL,
                                "there is no value '%.200s' in the model",
                                plan->options.taps[i]);
        CZ_TRY(add_port(plan, value, err));
        plan->port_arrays[plan->n_inputs + plan->n_outputs + plan->n_taps++]
            ->is_kept = true;
    }
    return CZ_OK;
}

static enum cz_status make_room(struct cz_plan *plan,
                                const struct cz_graph *graph,
                                struct cz_error *err)
{
    size_t ports =
        graph->n_inputs + graph->n_outputs + plan->options.n_taps + 1;
    plan->ports = cz_arena_alloc(&plan->arena, ports, sizeof *plan->ports);
    plan->port_arrays =
        cz_arena_alloc(&plan->arena, ports, sizeof(struct cz_array *));
    return plan->ports && plan->port_arrays ? CZ_OK : cz_error_nomem(err);
}

enum cz_status cz_plan_build(struct cz_plan *plan, struct cz_error *err)
{
    struct cz_graph *graph = cz_model_graph(plan->model);
    CZ_TRY(cz_plan_open_graph(plan, graph, err));
    CZ_TRY(make_room(plan, graph, err));
    CZ_TRY(add_inputs(plan, err));
    CZ_TRY(cz_plan_add_graph(plan, graph, err));
    return add_outputs(plan, err);
}
