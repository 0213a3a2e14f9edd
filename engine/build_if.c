/* An If whose condition is known when the plan is compiled, as exporters write
 * them around a Squeeze: the nodes of the branch that it takes stand in its
 * place, and the other one is never looked at. What a branch reads of the
 * graphs around it, it reads from there; its own names are values of a graph
 * of their own, whatever else is called so. */
#include "engine/plan_internal.h"

static enum cz_status find_branch(struct cz_graph **branch,
                                  const struct cz_node *node, bool condition,
                                  struct cz_error *err)
{
    const char *name = condition ? "then_branch" : "else_branch";
    const struct cz_attr *attr = cz_node_attr(node, name);
    if (!attr || attr->kind != CZ_ATTR_GRAPH || attr->count != 1)
        return cz_error_set(err, CZ_ESHAPE, "If '%.200s': it has no %s",
                            cz_node_label(node), name);
    *branch = attr->graphs[0];
    if ((*branch)->n_outputs == node->n_outputs)
        return CZ_OK;
    return cz_error_set(
        err, CZ_ESHAPE, "If '%.200s': its %s has %zu outputs, want %zu",
        cz_node_label(node), name, (*branch)->n_outputs, node->n_outputs);
}

static enum cz_status read_condition(bool *condition, struct cz_plan *plan,
                                     const struct cz_node *node,
                                     struct cz_error *err)
{
    struct cz_value *value = cz_node_input(node, 0);
    struct cz_array *array = NULL;
    if (value)
        CZ_TRY(cz_plan_array_of(&array, plan, value, err));
    if (array && array->dtype == CZ_DTYPE_BOOL && !array->known)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "operators that the engine does not have: If "
                            "('%.60s'), whose condition depends on the data",
                            cz_node_label(node));
    if (!array || array->dtype != CZ_DTYPE_BOOL || cz_array_count(array) != 1)
        return cz_error_set(err, CZ_ESHAPE,
                            "If '%.200s': its condition is no single bool",
                            cz_node_label(node));
    *condition = *(const uint8_t *)array->known;
    return CZ_OK;
}

/* The node's output i is the branch's. */
static enum cz_status add_output(struct cz_plan *plan,
                                 const struct cz_node *node,
                                 struct cz_value *made, struct cz_value *output,
                                 struct cz_error *err)
{
    const int64_t opset = cz_model_opset(plan->model, "");
    struct cz_step *step = cz_plan_add_step(plan, cz_op_find("Identity", opset),
                                            cz_node_label(node), 1, 1, err);
    if (!step)
        return CZ_ENOMEM;
    step->opset = opset;
    CZ_TRY(cz_plan_array_of(&step->inputs[0], plan, made, err));
    CZ_TRY(cz_plan_array_of(&step->outputs[0], plan, output, err));
    step->outputs[0]->producer = step;
    return cz_plan_settle(plan, step, err);
}

enum cz_status cz_plan_add_if(struct cz_plan *plan, struct cz_node *node,
                              struct cz_error *err)
{
    struct cz_graph *branch = NULL;
    bool condition = false;
    CZ_TRY(read_condition(&condition, plan, node, err));
    CZ_TRY(find_branch(&branch, node, condition, err));
    CZ_TRY(cz_plan_open_graph(plan, branch, err));
    CZ_TRY(cz_plan_add_graph(plan, branch, err));
    for (size_t i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i])
            CZ_TRY(add_output(plan, node, branch->outputs[i], node->outputs[i],
                              err));
    }
    return CZ_OK;
}
