/* Carries out the plan of fp16_plan.c: converts constants, redirects edges
 * between the two precisions through Casts, retypes what is declared. */

#include "core/alloc.h"
#include "core/half.h"
#include "quant/fp16_internal.h"

struct conversion {
    struct cz_half_plan plan;
    const struct cz_fp16_options *options;
    struct cz_fp16_report *report;
};

/* ---- constants -------------------------------------------------------- */

static enum cz_status check_counts(const struct conversion *c,
                                   const struct cz_value *value,
                                   const struct cz_half_counts *counts,
                                   struct cz_error *err)
{
    /* Elsewhere they may be meant: a mask, a mark. float16 has both. */
    if ((counts->nan || counts->infinite) && cz_value_is_parameter(value))
        return cz_error_set(err, CZ_EINVAL,
                            "tensor '%.200s': %zu of its weights are NaN, %zu "
                            "infinite",
                            value->name, counts->nan, counts->infinite);
    if (counts->clamped && c->options->strict)
        return cz_error_set(err, CZ_EINVAL,
                            "tensor '%.200s': %zu values are beyond float16's "
                            "65504; without --strict they are clamped",
                            value->name, counts->clamped);
    return CZ_OK;
}

/* A scale may be beyond the digits of float16: what it scales goes with it. */
static bool is_scale(const struct cz_value *value)
{
    return value->n_uses && value->uses[0].input == 1 &&
           cz_node_is(value->uses[0].node, "DequantizeLinear");
}

static enum cz_status convert_scale(struct cz_value *scale,
                                    struct cz_half_counts *counts,
                                    struct cz_error *err)
{
    float *before;
    CZ_TRY(cz_tensor_floats(scale->constant, &before, err));
    enum cz_status status = cz_tensor_to_half(scale->constant, counts, err);
    if (status == CZ_OK)
        status = cz_half_follow_scale(scale, before, err);
    cz_free(before);
    return status;
}

static enum cz_status convert_constant(struct conversion *c,
                                       struct cz_value *value,
                                       struct cz_error *err)
{
    struct cz_fp16_report *report = c->report;
    struct cz_half_counts counts = {0};
    CZ_TRY(is_scale(value) ? convert_scale(value, &counts, err)
                           : cz_tensor_to_half(value->constant, &counts, err));
    CZ_TRY(check_counts(c, value, &counts, err));
    cz_value_set_dtype(value, CZ_DTYPE_FLOAT16);
    report->tensors++;
    report->clamped += counts.clamped;
    report->raised += counts.raised;
    if (counts.clamped && !report->clamped_in)
        report->clamped_in = value->name;
    return CZ_OK;
}

/* ---- edges ------------------------------------------------------------ */

static size_t count_wishes(const struct conversion *c,
                           const struct cz_value *value, enum cz_half_wish wish)
{
    size_t count = 0;
    for (size_t i = 0; i < value->n_uses; i++)
        count += cz_half_plan_wish(&c->plan, &value->uses[i]) == wish;
    return count;
}

/* Lets the readers of `from` that have this wish read `to`. */
static enum cz_status redirect(const struct conversion *c,
                               struct cz_value *from, struct cz_value *to,
                               enum cz_half_wish wish, struct cz_error *err)
{
    for (size_t i = 0; i < from->n_uses;) {
        if (cz_half_plan_wish(&c->plan, &from->uses[i]) == wish)
            CZ_TRY(cz_value_move_use(from, i, to, err));
        else
            i++;
    }
    return CZ_OK;
}

static const char *suffix_of(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_FLOAT16 ? "_fp16" : "_fp32";
}

static enum cz_dtype other_dtype(enum cz_dtype dtype)
{
    return dtype == CZ_DTYPE_FLOAT ? CZ_DTYPE_FLOAT16 : CZ_DTYPE_FLOAT;
}

/* Readers of `value` that want `dtype`, which it has not, get it from a Cast.
 */
static enum cz_status cast_for_readers(struct conversion *c,
                                       struct cz_value *value,
                                       enum cz_dtype dtype,
                                       struct cz_error *err)
{
    enum cz_half_wish wish =
        dtype == CZ_DTYPE_FLOAT16 ? CZ_WISH_HALF : CZ_WISH_FLOAT;
    struct cz_node *cast;
    if (!count_wishes(c, value, wish))
        return CZ_OK;
    const struct cz_node_spec spec = {
        .op_type = "Cast", .suffix = suffix_of(dtype), .dtype = dtype};
    CZ_TRY(cz_value_append(&cast, value, &spec, err));
    CZ_TRY(cz_node_set_attr_int(cast, "to", (int64_t)dtype, err));
    c->report->casts++;
    return redirect(c, value, cast->outputs[0], wish, err);
}

/* The graph output `value` is made as `inner_dtype` and has to be the other
 * type: a Cast before it, and readers take the side that they want. */
static enum cz_status cast_output(struct conversion *c, struct cz_value *value,
                                  enum cz_dtype inner_dtype,
                                  struct cz_error *err)
{
    enum cz_dtype dtype = other_dtype(inner_dtype);
    struct cz_node *cast;
    const struct cz_node_spec spec = {.op_type = "Cast",
                                      .suffix = suffix_of(inner_dtype),
                                      .dtype = inner_dtype};
    CZ_TRY(cz_value_interpose(&cast, value, &spec, err));
    CZ_TRY(cz_node_set_attr_int(cast, "to", (int64_t)dtype, err));
    c->report->casts++;
    cz_value_set_dtype(value, dtype);
    if (inner_dtype == CZ_DTYPE_FLOAT16)
        return redirect(c, value, cast->inputs[0], CZ_WISH_HALF, err);
    /* A Cast to integers wants all digits, too. */
    CZ_TRY(redirect(c, value, cast->inputs[0], CZ_WISH_ANY, err));
    return redirect(c, value, cast->inputs[0], CZ_WISH_FLOAT, err);
}

/* ---- values ----------------------------------------------------------- */

static enum cz_status handle_constant(struct conversion *c,
                                      struct cz_value *value,
                                      struct cz_error *err)
{
    struct cz_value *clone;
    if (!count_wishes(c, value, CZ_WISH_HALF)) {
        c->report->tensors_kept++;
        return CZ_OK;
    }
    /* A Cast to integers wants all digits, too. */
    if (!count_wishes(c, value, CZ_WISH_FLOAT) &&
        !count_wishes(c, value, CZ_WISH_ANY) && !value->is_output)
        return convert_constant(c, value, err);
    /* Both kinds of readers: one tensor for each. */
    c->report->tensors_kept++;
    if (!cz_value_can_clone(value))
        return cast_for_readers(c, value, CZ_DTYPE_FLOAT16, err);
    CZ_TRY(cz_value_clone_constant(&clone, value, suffix_of(CZ_DTYPE_FLOAT16),
                                   err));
    CZ_TRY(redirect(c, value, clone, CZ_WISH_HALF, err));
    return convert_constant(c, clone, err);
}

static enum cz_status handle_value(struct conversion *c, struct cz_value *value,
                                   struct cz_error *err)
{
    bool is_half = cz_half_plan_makes_half(&c->plan, value);
    if (value->is_output && value->producer && is_half != c->options->half_io)
        return cast_output(c, value,
                           is_half ? CZ_DTYPE_FLOAT16 : CZ_DTYPE_FLOAT, err);
    if (is_half)
        cz_value_set_dtype(value, CZ_DTYPE_FLOAT16);
    return cast_for_readers(c, value,
                            is_half ? CZ_DTYPE_FLOAT : CZ_DTYPE_FLOAT16, err);
}

static enum cz_status handle_values(struct conversion *c,
                                    struct cz_graph *graph,
                                    struct cz_error *err)
{
    size_t n = graph->n_values; /* edits add more behind these */
    cz_graph_edit_begin(graph);
    for (size_t i = 0; i < n; i++) {
        struct cz_value *value = graph->values[i];
        if (value->dtype == CZ_DTYPE_FLOAT)
            CZ_TRY(value->constant ? handle_constant(c, value, err)
                                   : handle_value(c, value, err));
        if (!cz_progress_tick(c->options->progress, "fp16", i + 1, n))
            return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    }
    cz_graph_edit_end(graph);
    return CZ_OK;
}

static bool computes_on_float(const struct cz_node *node)
{
    if (cz_node_is(node, "Constant"))
        return false;
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] && node->inputs[i]->dtype == CZ_DTYPE_FLOAT)
            return true;
    }
    return false;
}

/* Counts the nodes and lets the Casts that give float16 say so. */
static enum cz_status handle_nodes(struct conversion *c, struct cz_graph *graph,
                                   struct cz_error *err)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        struct cz_node *node = graph->nodes[i];
        bool is_half = c->plan.half[node->id];
        c->report->nodes += is_half;
        c->report->nodes_kept += !is_half && computes_on_float(node);
        if (is_half && cz_node_is(node, "Cast"))
            CZ_TRY(cz_node_set_attr_int(node, "to", CZ_DTYPE_FLOAT16, err));
    }
    return CZ_OK;
}

/* ---- checks ----------------------------------------------------------- */

struct census {
    size_t half_weights, quantized;
    const char *half_name;
};

static enum cz_status take_census(void *user, struct cz_node *node)
{
    struct census *census = user;
    struct cz_value *value;
    census->quantized += cz_node_is(node, "DequantizeLinear") ||
                         cz_node_is(node, "QLinearConv") ||
                         cz_node_is(node, "ConvInteger");
    if (!cz_node_is_learned(node))
        return CZ_OK;
    const struct cz_tensor *weight = cz_node_weight(node, &value);
    if (weight && weight->dtype == CZ_DTYPE_FLOAT16) {
        census->half_weights++;
        census->half_name = cz_node_label(node);
    }
    return CZ_OK;
}

static enum cz_status check_model(struct cz_graph *graph,
                                  enum cz_fp16_codes codes,
                                  struct cz_error *err)
{
    struct census census = {0};
    CZ_TRY(cz_graph_visit(graph, take_census, &census));
    if (census.half_weights)
        return cz_error_set(err, CZ_EINVAL,
                            "is float16 already (the weights of %zu operators, "
                            "'%.200s' the last); leave --fp16 out",
                            census.half_weights, census.half_name);
    if (census.quantized && codes == CZ_FP16_NO_CODES)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "is quantized (%zu quantized operators); --fp16 "
                            "wants the float32 model",
                            census.quantized);
    return CZ_OK;
}

/* The first opset with scales of float16. */
#define OPSET_OF_HALF_SCALES 19

static enum cz_status raise_opset(struct cz_model *model, struct cz_error *err)
{
    struct cz_raise_report raised;
    if (cz_model_opset(model, "") >= OPSET_OF_HALF_SCALES)
        return CZ_OK;
    CZ_TRY(cz_model_raise_opset(model, OPSET_OF_HALF_SCALES, &raised, err));
    return cz_graph_infer(cz_model_graph(model), err);
}

enum cz_status cz_fp16_convert(struct cz_model *model,
                               const struct cz_fp16_options *options,
                               struct cz_fp16_report *report,
                               struct cz_error *err)
{
    struct cz_graph *graph = cz_model_graph(model);
    struct conversion c = {.options = options, .report = report};
    *report = (struct cz_fp16_report){0};
    CZ_TRY(cz_graph_infer(graph, err));
    CZ_TRY(check_model(graph, options->codes, err));
    if (options->codes == CZ_FP16_CODES_HALF)
        CZ_TRY(raise_opset(model, err));
    enum cz_status status = cz_half_plan_make(&c.plan, graph, options, err);
    report->tail_nodes = c.plan.n_tail;
    if (status == CZ_OK)
        status = handle_nodes(&c, graph, err);
    if (status == CZ_OK)
        status = handle_values(&c, graph, err);
    cz_half_plan_fini(&c.plan);
    if (status == CZ_OK && !report->tensors &&
        options->codes == CZ_FP16_NO_CODES)
        status = cz_error_set(
            err, CZ_EINVAL,
            "has no float32 weights that an operator could use as float16; "
            "there is nothing to convert");
    return status;
}
