/* Conv and MaxPool by oneDNN, whose kernels are made at run time
 * for the shape and the CPU at hand. Activation and residual are its "post
 * operations". */
#include <string.h>

#include "engine/kernels_internal.h"
#include "engine/onednn_internal.h"
#include "engine/pool_internal.h"

#define ARGS_MAX 5

struct state {
    const struct cz_onednn *dnn;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    int n_args;
    dnnl_exec_arg_t args[ARGS_MAX]; /* each memory is the state's */
};

/* A primitive in the making: what its description is put together from. */
struct draft {
    struct state *state;
    const struct cz_step *step;
    const struct cz_plan *plan;
    dnnl_memory_desc_t x, y, weights, bias;
    dnnl_memory_desc_t weights_as_given;
    dnnl_dims_t strides, dilations, pads_begin, pads_end, kernel;
};

/* ---- descriptions ----------------------------------------------------- */

static dnnl_format_tag_t tag_of(const struct cz_array *array, size_t block)
{
    static const dnnl_format_tag_t plain[] = {dnnl_abc, dnnl_abcd, dnnl_abcde};
    if (array->layout == CZ_LAYOUT_BLOCKED)
        return block == 16  ? dnnl_aBcd16b
               : block == 8 ? dnnl_aBcd8b
                            : dnnl_aBcd4b;
    return plain[array->dims.rank - 3];
}

static bool describe(const struct draft *d, dnnl_memory_desc_t *desc,
                     const struct cz_array *array)
{
    dnnl_dims_t dims;
    for (size_t i = 0; i < array->dims.rank; i++)
        dims[i] = array->dims.size[i];
    return d->state->dnn->memory_desc_init_by_tag(
               desc, (int)array->dims.rank, dims, dnnl_f32,
               tag_of(array, d->plan->block)) == dnnl_success;
}

/* Weights [OC, IC/g, ...] as [g, OC/g, IC/g, ...] where there are groups; in
 * any layout that oneDNN likes, and as they are. */
static bool describe_weights(struct draft *d, int64_t group)
{
    static const dnnl_format_tag_t plain[] = {dnnl_abc, dnnl_abcd, dnnl_abcde,
                                              dnnl_abcdef};
    const struct cz_onednn *dnn = d->state->dnn;
    const struct cz_dims *w = &d->step->inputs[1]->dims;
    dnnl_dims_t dims;
    int rank = 0;
    if (group > 1)
        dims[rank++] = group;
    for (size_t i = 0; i < w->rank; i++)
        dims[rank++] = i == 0 ? w->size[0] / group : w->size[i];
    return dnn->memory_desc_init_by_tag(&d->weights, rank, dims, dnnl_f32,
                                        dnnl_format_tag_any) == dnnl_success &&
           dnn->memory_desc_init_by_tag(&d->weights_as_given, rank, dims,
                                        dnnl_f32,
                                        plain[rank - 3]) == dnnl_success;
}

static bool describe_bias(struct draft *d)
{
    const struct cz_array *bias = cz_step_input(d->step, 2);
    dnnl_dims_t dims = {bias ? bias->dims.size[0] : 0};
    memset(&d->bias, 0, sizeof d->bias);
    return !bias || d->state->dnn->memory_desc_init_by_tag(
                        &d->bias, 1, dims, dnnl_f32, dnnl_a) == dnnl_success;
}

static void describe_window(struct draft *d, const struct cz_window *window)
{
    for (size_t i = 0; i < window->spatial; i++) {
        d->kernel[i] = window->kernel[i];
        d->strides[i] = window->strides[i];
        d->dilations[i] = window->dilations[i] - 1;
        d->pads_begin[i] = window->pads_begin[i];
        d->pads_end[i] = window->pads_end[i];
    }
}

/* ---- what is fused in ------------------------------------------------- */

struct eltwise {
    dnnl_alg_kind_t kind; /* undef: oneDNN does not have it */
    float alpha, beta;
};

static struct eltwise eltwise_of(const struct cz_activation *a)
{
    switch (a->kind) {
    case CZ_ACT_RELU:
        return (struct eltwise){dnnl_eltwise_relu, 0, 0};
    case CZ_ACT_LEAKY_RELU:
        return (struct eltwise){dnnl_eltwise_relu, a->alpha, 0};
    case CZ_ACT_CLIP:
        return (struct eltwise){dnnl_eltwise_clip, a->alpha, a->beta};
    case CZ_ACT_SIGMOID:
        return (struct eltwise){dnnl_eltwise_logistic, 0, 0};
    case CZ_ACT_SILU:
        return (struct eltwise){dnnl_eltwise_swish, 1, 0};
    case CZ_ACT_HARD_SWISH:
        return (struct eltwise){dnnl_eltwise_hardswish, 0, 0};
    case CZ_ACT_TANH:
        return (struct eltwise){dnnl_eltwise_tanh, 0, 0};
    case CZ_ACT_MISH:
        return (struct eltwise){dnnl_eltwise_mish, 0, 0};
    case CZ_ACT_ELU:
        return (struct eltwise){dnnl_eltwise_elu, a->alpha, 0};
    default:
        return (struct eltwise){dnnl_alg_kind_undef, 0, 0};
    }
}

static bool can_fuse(const struct cz_step *step)
{
    return step->activation.kind == CZ_ACT_NONE ||
           eltwise_of(&step->activation).kind != dnnl_alg_kind_undef;
}

static bool append_fused(struct draft *d, dnnl_post_ops_t ops)
{
    const struct cz_onednn *dnn = d->state->dnn;
    const struct eltwise e = eltwise_of(&d->step->activation);
    dnnl_memory_desc_t residual;
    if (d->step->activation.kind != CZ_ACT_NONE &&
        dnn->post_ops_append_eltwise(ops, 1, e.kind, e.alpha, e.beta) !=
            dnnl_success)
        return false;
    return !d->step->residual ||
           (describe(d, &residual, d->step->residual) &&
            dnn->post_ops_append_binary(ops, dnnl_binary_add, &residual) ==
                dnnl_success);
}

static bool make_attr(struct draft *d)
{
    const struct cz_onednn *dnn = d->state->dnn;
    dnnl_post_ops_t ops;
    if (dnn->primitive_attr_create(&d->state->attr) != dnnl_success ||
        dnn->post_ops_create(&ops) != dnnl_success)
        return false;
    bool done =
        append_fused(d, ops) &&
        dnn->primitive_attr_set_post_ops(d->state->attr, ops) == dnnl_success;
    dnn->post_ops_destroy(ops);
    return done;
}

/* ---- state ------------------------------------------------------------ */

static void release(void *user)
{
    struct state *s = user;
    for (int i = 0; i < s->n_args; i++)
        s->dnn->memory_destroy(s->args[i].memory);
    if (s->primitive)
        s->dnn->primitive_destroy(s->primitive);
    if (s->desc)
        s->dnn->primitive_desc_destroy(s->desc);
    if (s->attr)
        s->dnn->primitive_attr_destroy(s->attr);
    cz_free(s);
}

/* Adds an operand at `data`; `data` DNNL_MEMORY_ALLOCATE: oneDNN's own. */
static bool add_arg(struct state *s, int arg, const dnnl_memory_desc_t *desc,
                    void *data)
{
    dnnl_memory_t memory;
    if (s->dnn->memory_create(&memory, desc, s->dnn->engine, data) !=
        dnnl_success)
        return false;
    s->args[s->n_args++] = (dnnl_exec_arg_t){arg, memory};
    return true;
}

/* The weights in the layout that the primitive chose. */
static bool pack_weights(struct draft *d)
{
    struct state *s = d->state;
    const struct cz_onednn *dnn = s->dnn;
    union {
        const void *known;
        void *data;
    } given = {d->step->inputs[1]->known};
    const dnnl_memory_desc_t *want =
        dnn->primitive_desc_query_md(s->desc, dnnl_query_weights_md, 0);
    if (dnn->memory_desc_equal(want, &d->weights_as_given))
        return add_arg(s, DNNL_ARG_WEIGHTS, want, given.data);
    dnnl_memory_t from;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t reorder = NULL;
    if (!add_arg(s, DNNL_ARG_WEIGHTS, want, DNNL_MEMORY_ALLOCATE) ||
        dnn->memory_create(&from, &d->weights_as_given, dnn->engine,
                           given.data) != dnnl_success)
        return false;
    bool done = dnn->reorder_primitive_desc_create(
                    &desc, &d->weights_as_given, dnn->engine, want, dnn->engine,
                    NULL) == dnnl_success;
    if (done) {
        const dnnl_exec_arg_t args[] = {
            {DNNL_ARG_FROM, from},
            {DNNL_ARG_TO, s->args[s->n_args - 1].memory}};
        done = dnn->primitive_create(&reorder, desc) == dnnl_success &&
               dnn->primitive_execute(reorder, dnn->stream, 2, args) ==
                   dnnl_success &&
               dnn->stream_wait(dnn->stream) == dnnl_success;
        dnn->primitive_desc_destroy(desc);
    }
    if (reorder)
        dnn->primitive_destroy(reorder);
    dnn->memory_destroy(from);
    return done;
}

static bool finish(struct draft *d, const_dnnl_op_desc_t desc)
{
    struct state *s = d->state;
    return s->dnn->primitive_desc_create(
               &s->desc, desc, s->attr, s->dnn->engine, NULL) == dnnl_success &&
           s->dnn->primitive_create(&s->primitive, s->desc) == dnnl_success;
}

/* Wraps a maker of primitives: a state, or the reason why there is none. */
static enum cz_status prepare(struct cz_step *step, const struct cz_plan *plan,
                              void **result, bool (*make)(struct draft *),
                              struct cz_error *err)
{
    struct draft d = {.step = step, .plan = plan};
    d.state = cz_calloc(1, sizeof *d.state);
    if (!d.state)
        return cz_error_nomem(err);
    d.state->dnn = plan->onednn;
    cz_onednn_use_threads(plan->onednn);
    if (!make(&d)) {
        release(d.state);
        return cz_step_unsupported(step, err, "oneDNN cannot run it");
    }
    *result = d.state;
    return CZ_OK;
}

static enum cz_status bind(struct cz_step *step, struct cz_error *err)
{
    struct state *s = step->state;
    const dnnl_memory_desc_t *x =
        s->dnn->primitive_desc_query_md(s->desc, dnnl_query_src_md, 0);
    const dnnl_memory_desc_t *y =
        s->dnn->primitive_desc_query_md(s->desc, dnnl_query_dst_md, 0);
    bool done = add_arg(s, DNNL_ARG_SRC, x, step->inputs[0]->data) &&
                add_arg(s, DNNL_ARG_DST, y, step->outputs[0]->data);
    int n_before = step->activation.kind != CZ_ACT_NONE;
    if (done && step->residual)
        done = add_arg(
            s, DNNL_ARG_ATTR_MULTIPLE_POST_OP(n_before) | DNNL_ARG_SRC_1, y,
            step->residual->data);
    return done ? CZ_OK : cz_error_nomem(err);
}

static enum cz_status run(struct cz_step *step, const struct cz_exec *exec,
                          struct cz_error *err)
{
    const struct state *s = step->state;
    (void)exec;
    cz_onednn_use_threads(s->dnn);
    if (s->dnn->primitive_execute(s->primitive, s->dnn->stream, s->n_args,
                                  s->args) != dnnl_success)
        return cz_error_set(err, CZ_EINTERNAL, "%s '%.200s': oneDNN failed",
                            step->op->op_type, step->name);
    return CZ_OK;
}

/* ---- Conv ------------------------------------------------------------- */

static bool is_float(const struct cz_array *array)
{
    return !array || array->dtype == CZ_DTYPE_FLOAT;
}

static bool is_constant(const struct cz_array *array)
{
    return !array || array->is_constant;
}

static bool has_elements(const struct cz_array *array)
{
    return array->size_bytes > 0 && array->dims.rank >= 3 &&
           array->dims.rank <= 5;
}

/* To be asked last: it loads the library. */
static bool fits_any(const struct cz_step *step, const struct cz_plan *plan)
{
    return plan->onednn && !step->is_dynamic && is_float(step->inputs[0]) &&
           has_elements(step->inputs[0]) && has_elements(step->outputs[0]) &&
           can_fuse(step) && cz_onednn_load(plan->onednn);
}

/* oneDNN 2 takes a sum with [N,1,1,1] for one with a scalar. */
static bool can_add(const struct cz_array *residual, const struct cz_array *y)
{
    const struct cz_dims *dims = &y->dims;
    return residual->layout == y->layout &&
           (dims->size[0] == 1 || cz_dims_product(dims, 1, dims->rank) > 1);
}

/* Less is done before the library is loaded. */
#define MACS_MIN ((size_t)4 << 20)

static bool is_worth_it(const struct cz_step *step)
{
    const struct cz_dims *w = &step->inputs[1]->dims;
    return cz_array_count(step->outputs[0]) * cz_dims_product(w, 1, w->rank) >=
           MACS_MIN;
}

static bool fits_conv(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    if (!is_constant(step->inputs[1]) || !is_worth_it(step) ||
        !is_constant(cz_step_input(step, 2)))
        return false;
    if (step->residual && !can_add(step->residual, y))
        return false;
    /* The first layer reads the image as it is. */
    return (x->layout == y->layout ||
            (x->layout == CZ_LAYOUT_PLAIN && x->dims.size[1] <= 4)) &&
           fits_any(step, plan);
}

static bool make_conv(struct draft *d)
{
    const struct cz_onednn *dnn = d->state->dnn;
    const struct cz_conv_params *p = d->step->params;
    dnnl_convolution_desc_t conv;
    describe_window(d, &p->window);
    if (!describe(d, &d->x, d->step->inputs[0]) ||
        !describe(d, &d->y, d->step->outputs[0]) ||
        !describe_weights(d, p->group) || !describe_bias(d) || !make_attr(d))
        return false;
    if (dnn->dilated_convolution_forward_desc_init(
            &conv, dnnl_forward_inference, dnnl_convolution_direct, &d->x,
            &d->weights, &d->bias, &d->y, d->strides, d->dilations,
            d->pads_begin, d->pads_end) != dnnl_success ||
        !finish(d, &conv) || !pack_weights(d))
        return false;
    const struct cz_array *bias = cz_step_input(d->step, 2);
    return !bias ||
           add_arg(d->state, DNNL_ARG_BIAS, &d->bias, (void *)bias->data);
}

static enum cz_status prepare_conv(struct cz_step *step,
                                   const struct cz_plan *plan, void **state,
                                   struct cz_error *err)
{
    return prepare(step, plan, state, make_conv, err);
}

/* ---- pools ------------------------------------------------------------ */

static bool fits_pool(const struct cz_step *step, const struct cz_plan *plan)
{
    const struct cz_array *x = step->inputs[0], *y = step->outputs[0];
    return step->n_outputs == 1 && x->layout == y->layout &&
           x->layout == CZ_LAYOUT_BLOCKED &&
           step->activation.kind == CZ_ACT_NONE && !step->residual &&
           fits_any(step, plan);
}

static bool make_max_pool(struct draft *d)
{
    const struct cz_pool_params *params = d->step->params;
    const struct cz_window *window = &params->window;
    dnnl_pooling_desc_t pool;
    describe_window(d, window);
    return describe(d, &d->x, d->step->inputs[0]) &&
           describe(d, &d->y, d->step->outputs[0]) &&
           d->state->dnn->pooling_forward_desc_init(
               &pool, dnnl_forward_inference, dnnl_pooling_max, &d->x, &d->y,
               d->strides, d->kernel, d->pads_begin,
               d->pads_end) == dnnl_success &&
           finish(d, &pool);
}

static bool fits_max_pool(const struct cz_step *step,
                          const struct cz_plan *plan)
{
    const struct cz_pool_params *params = step->params;
    const struct cz_window *window = &params->window;
    for (size_t i = 0; i < window->spatial; i++) {
        if (window->dilations[i] != 1)
            return false;
    }
    return fits_pool(step, plan);
}

static enum cz_status prepare_max_pool(struct cz_step *step,
                                       const struct cz_plan *plan, void **state,
                                       struct cz_error *err)
{
    return prepare(step, plan, state, make_max_pool, err);
}

const struct cz_kernel cz_kernels_onednn[] = {
    {.name = "onednn",
     .op_type = "Conv",
     .fits = fits_conv,
     .prepare = prepare_conv,
     .run = run,
     .release = release,
     .bind = bind},
    {.name = "onednn",
     .op_type = "MaxPool",
     .fits = fits_max_pool,
     .prepare = prepare_max_pool,
     .run = run,
     .release = release,
     .bind = bind},
    {.name = NULL},
};
