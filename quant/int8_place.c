/* What is quantized: the role of each operator, the tensors that get a scale,
 * and which of them share one. Found by structure, never by names. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "quant/int8_internal.h"

/* Channels below which TensorRT computes a convolution faster in float (NVIDIA
 * ModelOpt, onnx/quantization/graph_utils.py). */
#define SMALL_CHANNELS 16
#define CHANNEL_UNIT 8

/* ---- operators -------------------------------------------------------- */

static const struct {
    const char *op_type;
    enum cz_int8_role role;
} ops[] = {
    {"Conv", CZ_INT8_WEIGHTED},
    {"Sigmoid", CZ_INT8_ARITHMETIC},
    {"LeakyRelu", CZ_INT8_ARITHMETIC},
    {"Relu", CZ_INT8_ARITHMETIC},
    {"Clip", CZ_INT8_ARITHMETIC},
    {"HardSigmoid", CZ_INT8_ARITHMETIC},
    {"HardSwish", CZ_INT8_ARITHMETIC},
    {"Add", CZ_INT8_ARITHMETIC},
    {"Mul", CZ_INT8_ARITHMETIC},
    {"Concat", CZ_INT8_ARITHMETIC},
    {"AveragePool", CZ_INT8_ARITHMETIC},
    {"GlobalAveragePool", CZ_INT8_ARITHMETIC},
    {"MaxPool", CZ_INT8_MOVING},
    {"Resize", CZ_INT8_MOVING},
    {"Split", CZ_INT8_MOVING},
    {"Slice", CZ_INT8_MOVING},
    {"Reshape", CZ_INT8_MOVING},
    {"Transpose", CZ_INT8_MOVING},
};

static bool is_float(const struct cz_value *value)
{
    return value && value->dtype == CZ_DTYPE_FLOAT;
}

static bool is_activation(const struct cz_value *value)
{
    return is_float(value) && !value->constant;
}

/* Whether every float operand is computed: a constant factor has no codes. */
static bool is_plain(const struct cz_node *node)
{
    const bool joins = cz_node_is(node, "Add") || cz_node_is(node, "Mul") ||
                       cz_node_is(node, "Concat");
    bool good = is_activation(cz_node_input(node, 0));
    for (size_t i = 1; joins && i < node->n_inputs; i++)
        good = good && is_activation(node->inputs[i]);
    return good;
}

static enum cz_int8_role find_role(const struct cz_node *node)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (cz_node_is(node, ops[i].op_type))
            return is_plain(node) ? ops[i].role : CZ_INT8_NO_ROLE;
    }
    return CZ_INT8_NO_ROLE;
}

/* The x of x * sigmoid(x), or NULL. */
static const struct cz_value *find_silu_input(const struct cz_node *mul)
{
    for (size_t i = 0; i < 2 && cz_node_is(mul, "Mul"); i++) {
        const struct cz_value *x = cz_node_input(mul, i);
        const struct cz_value *gate = cz_node_input(mul, 1 - i);
        if (x && gate && gate->producer &&
            cz_node_is(gate->producer, "Sigmoid") &&
            gate->producer->inputs[0] == x)
            return x;
    }
    return NULL;
}

/* ---- convolutions ----------------------------------------------------- */

/* By its own name, or that of what it makes: several may have the same. */
static bool is_named(const struct cz_int8_options *options,
                     const struct cz_node *node)
{
    for (size_t i = 0; i < options->n_keep; i++) {
        if (strcmp(options->keep[i], cz_node_label(node)) == 0 ||
            strcmp(options->keep[i], node->outputs[0]->name) == 0)
            return true;
    }
    return false;
}

/* Do only nodes of the decode tail read what the node makes? */
static bool feeds_tail(const struct cz_int8_plan *plan,
                       const struct cz_node *node)
{
    const struct cz_value *y = node->outputs[0];
    for (size_t i = 0; i < y->n_uses; i++) {
        if (!plan->in_tail[cz_value_reader(y, i)->id])
            return false;
    }
    return true;
}

/* Convolutions that are not worth the conversion on a GPU: few channels,
 * unless they are all of a square, ungrouped convolution that reads the image
 * or has enough on the other side; groups of odd sizes, or of one pixel. */
static bool is_small(const struct cz_node *node)
{
    const struct cz_tensor *w = node->inputs[1]->constant;
    if (w->rank != 4)
        return true;
    const int64_t group = cz_node_attr_int(node, "group", 1);
    const int64_t outputs = w->dims[0], inputs = w->dims[1];
    const bool reads_image = !node->inputs[0]->producer;
    if (group != 1)
        return outputs % CHANNEL_UNIT != 0 || w->dims[2] < 3 || w->dims[3] < 3;
    if (outputs >= SMALL_CHANNELS && inputs >= SMALL_CHANNELS)
        return false;
    return w->dims[2] != w->dims[3] ||
           (outputs % CHANNEL_UNIT != 0 && inputs % CHANNEL_UNIT != 0) ||
           (!reads_image && outputs < SMALL_CHANNELS &&
            inputs < SMALL_CHANNELS);
}

static enum cz_int8_state find_state(const struct cz_int8_plan *plan,
                                     const struct cz_node *node)
{
    const struct cz_value *w = cz_node_input(node, 1);
    if (plan->in_tail[node->id] || cz_node_is_dfl(node))
        return CZ_INT8_IS_TAIL;
    if (!w || !w->constant || !is_float(w) ||
        (cz_node_input(node, 2) && !node->inputs[2]->constant) ||
        !is_activation(node->inputs[0]))
        return CZ_INT8_COMPUTED;
    if (is_named(plan->options, node))
        return CZ_INT8_KEPT;
    if (feeds_tail(plan, node))
        return CZ_INT8_IS_LAST;
    if (plan->options->target == CZ_INT8_TENSORRT && is_small(node))
        return CZ_INT8_SMALL;
    return CZ_INT8_DONE;
}

static enum cz_status find_roles(struct cz_int8_plan *plan,
                                 struct cz_int8_report *report,
                                 struct cz_error *err)
{
    report->layers = cz_calloc(plan->n_nodes + 1, sizeof *report->layers);
    if (!report->layers)
        return cz_error_nomem(err);
    for (size_t i = 0; i < plan->graph->n_nodes; i++) {
        const struct cz_node *node = plan->graph->nodes[i];
        enum cz_int8_role role = find_role(node);
        if (cz_node_is(node, "Conv")) {
            const enum cz_int8_state state = find_state(plan, node);
            report->layers[report->n_layers++] =
                (struct cz_int8_layer){.node = node, .state = state};
            report->convolutions += state == CZ_INT8_DONE;
            plan->states[node->id] = state;
            if (state != CZ_INT8_DONE)
                role = CZ_INT8_NO_ROLE;
        } else if (plan->in_tail[node->id]) {
            role = CZ_INT8_NO_ROLE;
        }
        plan->roles[node->id] = role;
    }
    return CZ_OK;
}

enum cz_int8_role cz_int8_plan_role(const struct cz_int8_plan *plan,
                                    const struct cz_node *node)
{
    return node && node->graph == plan->graph ? plan->roles[node->id]
                                              : CZ_INT8_NO_ROLE;
}

/* What reads nothing but what float operators make stays float, too: a
 * convolution that is kept takes its activation with it. */
static void leave_float(struct cz_int8_plan *plan)
{
    for (size_t i = 0; i < plan->graph->n_nodes; i++) {
        const struct cz_node *node = plan->graph->nodes[i];
        bool is_float_only = plan->roles[node->id] == CZ_INT8_ARITHMETIC ||
                             plan->roles[node->id] == CZ_INT8_MOVING;
        for (size_t k = 0; k < node->n_inputs && is_float_only; k++) {
            const struct cz_value *x = node->inputs[k];
            is_float_only =
                !is_activation(x) ||
                (x->producer &&
                 cz_int8_plan_role(plan, x->producer) == CZ_INT8_NO_ROLE);
        }
        if (is_float_only)
            plan->roles[node->id] = CZ_INT8_NO_ROLE;
    }
}

/* ---- tensors ---------------------------------------------------------- */

/* A Relu or Clip behind a convolution is part of it: runtimes fold it into the
 * range of the codes. */
static bool is_folded(const struct cz_int8_plan *plan,
                      const struct cz_value *value)
{
    return cz_int8_plan_role(plan, value->producer) == CZ_INT8_WEIGHTED &&
           value->n_uses == 1 && !value->is_output &&
           cz_int8_plan_role(plan, value->uses[0].node) == CZ_INT8_ARITHMETIC &&
           (cz_node_is(value->uses[0].node, "Relu") ||
            cz_node_is(value->uses[0].node, "Clip"));
}

/* The convolution that makes a value, with its activation; NULL: none does. */
static const struct cz_node *find_convolution(const struct cz_value *value)
{
    const struct cz_node *node = value->producer;
    if (node && !cz_node_is(node, "Conv") && cz_node_input(node, 0)) {
        const struct cz_value *gated = find_silu_input(node);
        node = (gated ? gated : node->inputs[0])->producer;
    }
    return node && cz_node_is(node, "Conv") ? node : NULL;
}

/* The branch of a residual Add that does not come straight from a convolution
 * in int8 (with its activation), with which TensorRT fuses the sum. */
static bool is_skip_branch(const struct cz_int8_plan *plan,
                           const struct cz_use *use)
{
    if (!cz_node_is(use->node, "Add") ||
        cz_int8_plan_role(plan, use->node) != CZ_INT8_ARITHMETIC ||
        use->node->n_inputs != 2)
        return false;
    const struct cz_value *own = use->node->inputs[use->input];
    const struct cz_value *other = use->node->inputs[1 - use->input];
    return own != other && other->n_uses == 1 && own->n_uses > 1 &&
           cz_int8_plan_role(plan, find_convolution(other)) == CZ_INT8_WEIGHTED;
}

/* A float operator before the decode tail that reads what an integer one makes:
 * ONNX Runtime wants nobody to read that as float. */
static bool is_behind_integers(const struct cz_int8_plan *plan,
                               const struct cz_use *use)
{
    const struct cz_value *x = use->node->inputs[use->input];
    return !plan->in_tail[use->node->id] &&
           cz_int8_plan_role(plan, x->producer) != CZ_INT8_NO_ROLE;
}

/* A convolution that reads codes and makes floats, for the decode tail. */
static bool makes_floats(const struct cz_int8_plan *plan,
                         const struct cz_node *node)
{
    return plan->options->target == CZ_INT8_ONNXRUNTIME &&
           plan->states[node->id] == CZ_INT8_IS_LAST;
}

bool cz_int8_plan_stores_codes(const struct cz_int8_plan *plan,
                               const struct cz_node *node)
{
    const bool is_kept = plan->options->target == CZ_INT8_ONNXRUNTIME &&
                         plan->states[node->id] == CZ_INT8_KEPT;
    return (is_kept && !plan->options->keep_weights) ||
           makes_floats(plan, node);
}

bool cz_int8_plan_reads(const struct cz_int8_plan *plan,
                        const struct cz_use *use)
{
    const struct cz_node *node = use->node;
    const enum cz_int8_role role = cz_int8_plan_role(plan, node);
    if (node->graph != plan->graph)
        return false;
    if (plan->options->target == CZ_INT8_TENSORRT)
        return (use->input == 0 && role == CZ_INT8_WEIGHTED) ||
               is_skip_branch(plan, use);
    return role != CZ_INT8_NO_ROLE || makes_floats(plan, node) ||
           is_behind_integers(plan, use);
}

/* ONNX Runtime takes an operator for an integer one only where its outputs
 * have codes, too. */
static bool needs_codes(const struct cz_int8_plan *plan,
                        const struct cz_value *value)
{
    if (!is_activation(value) || is_folded(plan, value))
        return false;
    if (plan->options->target == CZ_INT8_ONNXRUNTIME &&
        cz_int8_plan_role(plan, value->producer) != CZ_INT8_NO_ROLE)
        return true;
    for (size_t i = 0; i < value->n_uses; i++) {
        const struct cz_use *use = &value->uses[i];
        if (cz_int8_plan_role(plan, use->node) != CZ_INT8_NO_ROLE &&
            cz_int8_plan_reads(plan, use))
            return true;
    }
    return false;
}

/* The product of a SiLU, where nothing but this and its gate reads the tensor;
 * else NULL. */
static const struct cz_node *find_only_silu(const struct cz_value *value)
{
    const struct cz_node *product = NULL;
    for (size_t i = 0; i < value->n_uses && !value->is_output; i++) {
        const struct cz_node *reader = value->uses[i].node;
        const bool is_product = find_silu_input(reader) == value;
        if (reader->graph != value->graph ||
            (!is_product && !cz_node_is(reader, "Sigmoid")))
            return NULL;
        product = is_product ? reader : product;
    }
    return product;
}

/* A SiLU in codes is 0 from here down, as its gate is: less than half of
 * 1/255, or little more where it has smaller steps. */
#define SILU_INPUT_MIN (-7.0F)

/* What the operator can give, whatever it reads, and what its readers can
 * tell apart. */
static void find_known(struct cz_int8_tensor *tensor)
{
    const struct cz_node *node = tensor->value->producer;
    tensor->known_min = -INFINITY;
    tensor->known_max = INFINITY;
    tensor->silu = find_only_silu(tensor->value);
    if (tensor->silu)
        tensor->known_min = SILU_INPUT_MIN;
    if (!node)
        return;
    if (cz_node_is(node, "Sigmoid") || cz_node_is(node, "HardSigmoid")) {
        tensor->known_min = 0;
        tensor->known_max = 1;
    } else if (cz_node_is(node, "Relu")) {
        tensor->known_min = 0;
    } else if (find_silu_input(node)) {
        tensor->known_min = CZ_SILU_MIN;
    }
}

static bool feeds_convolution(const struct cz_int8_plan *plan,
                              const struct cz_value *value)
{
    for (size_t i = 0; i < value->n_uses; i++) {
        if (cz_int8_plan_role(plan, value->uses[i].node) == CZ_INT8_WEIGHTED)
            return true;
    }
    return false;
}

static enum cz_status list_tensors(struct cz_int8_plan *plan,
                                   struct cz_error *err)
{
    struct cz_graph *graph = plan->graph;
    plan->tensors = cz_calloc(plan->n_values + 1, sizeof *plan->tensors);
    if (!plan->tensors)
        return cz_error_nomem(err);
    for (size_t i = 0; i < graph->n_values; i++) {
        struct cz_value *value = graph->values[i];
        plan->tensor_of[i] = SIZE_MAX;
        if (!needs_codes(plan, value))
            continue;
        struct cz_int8_tensor *tensor = &plan->tensors[plan->n_tensors];
        plan->tensor_of[i] = plan->n_tensors;
        tensor->value = value;
        tensor->same_as = plan->n_tensors++;
        tensor->feeds_convolution = feeds_convolution(plan, value);
        find_known(tensor);
    }
    return CZ_OK;
}

struct cz_int8_tensor *cz_int8_plan_tensor(const struct cz_int8_plan *plan,
                                           const struct cz_value *value)
{
    const size_t i =
        value && value->graph == plan->graph && value->id < plan->n_values
            ? plan->tensor_of[value->id]
            : SIZE_MAX;
    return i == SIZE_MAX ? NULL : &plan->tensors[i];
}

/* ---- shared scales ---------------------------------------------------- */

/* The value that stands for all with the same scale as number i. */
static size_t find_first(const size_t *same_as, size_t i)
{
    while (same_as[i] != i)
        i = same_as[i];
    return i;
}

static void share(size_t *same_as, const struct cz_value *a,
                  const struct cz_value *b)
{
    const size_t i = find_first(same_as, a->id);
    const size_t k = find_first(same_as, b->id);
    same_as[i < k ? k : i] = i < k ? i : k;
}

/* Moving operators keep codes. TensorRT wants the same of Concat: otherwise it
 * puts a kernel before it that converts. */
static void share_across(const struct cz_int8_plan *plan, size_t *same_as,
                         const struct cz_node *node)
{
    const enum cz_int8_role role = cz_int8_plan_role(plan, node);
    const bool joins = role != CZ_INT8_NO_ROLE && cz_node_is(node, "Concat") &&
                       plan->options->target == CZ_INT8_TENSORRT;
    if (role != CZ_INT8_MOVING && !joins)
        return;
    for (size_t o = 0; o < node->n_outputs; o++) {
        if (node->outputs[o])
            share(same_as, node->inputs[0], node->outputs[o]);
    }
    for (size_t k = 1; joins && k < node->n_inputs; k++)
        share(same_as, node->inputs[0], node->inputs[k]);
}

/* Values without codes pass a scale on: TensorRT moves a QuantizeLinear from
 * behind these operators to before them. */
static enum cz_status share_scales(struct cz_int8_plan *plan,
                                   struct cz_error *err)
{
    size_t *same_as = cz_calloc(plan->n_values + 1, sizeof *same_as);
    size_t *tensor_of = cz_calloc(plan->n_values + 1, sizeof *tensor_of);
    if (!same_as || !tensor_of) {
        cz_free(tensor_of);
        cz_free(same_as);
        return cz_error_nomem(err);
    }
    for (size_t i = 0; i < plan->n_values; i++)
        same_as[i] = i;
    for (size_t i = 0; i < plan->graph->n_nodes; i++)
        share_across(plan, same_as, plan->graph->nodes[i]);
    for (size_t i = plan->n_tensors; i-- > 0;)
        tensor_of[find_first(same_as, plan->tensors[i].value->id)] = i;
    for (size_t i = 0; i < plan->n_tensors; i++)
        plan->tensors[i].same_as =
            tensor_of[find_first(same_as, plan->tensors[i].value->id)];
    cz_free(tensor_of);
    cz_free(same_as);
    return CZ_OK;
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status allocate(struct cz_int8_plan *plan, struct cz_error *err)
{
    plan->roles = cz_calloc(plan->n_nodes + 1, sizeof *plan->roles);
    plan->states = cz_calloc(plan->n_nodes + 1, sizeof *plan->states);
    plan->in_tail = cz_calloc(plan->n_nodes + 1, sizeof *plan->in_tail);
    plan->tensor_of = cz_calloc(plan->n_values + 1, sizeof *plan->tensor_of);
    return plan->roles && plan->states && plan->in_tail && plan->tensor_of
               ? CZ_OK
               : cz_error_nomem(err);
}

/* cz_graph_mark_tail() goes by position. */
static enum cz_status mark_tail(struct cz_int8_plan *plan, struct cz_error *err)
{
    bool *tail = cz_calloc(plan->n_nodes + 1, sizeof *tail);
    if (!tail)
        return cz_error_nomem(err);
    cz_graph_mark_tail(plan->graph, tail);
    for (size_t i = 0; i < plan->n_nodes; i++)
        plan->in_tail[plan->graph->nodes[i]->id] = tail[i];
    cz_free(tail);
    return CZ_OK;
}

enum cz_status cz_int8_plan_make(struct cz_int8_plan *plan,
                                 struct cz_graph *graph,
                                 const struct cz_int8_options *options,
                                 struct cz_int8_report *report,
                                 struct cz_error *err)
{
    *plan = (struct cz_int8_plan){.options = options,
                                  .graph = graph,
                                  .n_nodes = graph->n_nodes,
                                  .n_values = graph->n_values};
    CZ_TRY(allocate(plan, err));
    CZ_TRY(mark_tail(plan, err));
    CZ_TRY(find_roles(plan, report, err));
    if (!report->convolutions)
        return cz_error_set(err, CZ_EINVAL,
                            "no convolution that int8 could speed up: %zu "
                            "convolutions in all",
                            report->n_layers);
    if (options->target == CZ_INT8_ONNXRUNTIME)
        leave_float(plan);
    CZ_TRY(list_tensors(plan, err));
    CZ_TRY(share_scales(plan, err));
    report->tensors = plan->n_tensors;
    return CZ_OK;
}

void cz_int8_plan_fini(struct cz_int8_plan *plan)
{
    cz_int8_weights_free(plan);
    cz_free(plan->tensors);
    cz_free(plan->tensor_of);
    cz_free(plan->in_tail);
    cz_free(plan->states);
    cz_free(plan->roles);
}
