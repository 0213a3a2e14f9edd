/* Layer after layer, with all images waiting before each; see recover.h. */
#include "prune/recover.h"

#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "prune/lsq_internal.h"

/* The steps of a plan are those of the graph: where a Conv begins, there is
 * what it reads, one plane behind the other. */
#define PASSES "-layout,-fuse_batchnorm"

/* One of the two models. */
struct side {
    struct cz_model *model;
    struct cz_plan *plan;
    struct cz_frames *frames;
};

struct recovery {
    const struct cz_recover_options *options;
    struct cz_plan_options plan;
    struct cz_recover_report *report;
    struct side original, pruned;
    size_t at;           /* the step before which all images wait */
    size_t done, layers; /* for the progress */
};

/* ---- images ----------------------------------------------------------- */

static enum cz_status compile(struct recovery *r, struct side *side,
                              struct cz_error *err)
{
    cz_plan_free(side->plan);
    return cz_plan_compile(&side->plan, side->model, &r->plan, err);
}

static enum cz_status start_image(const struct recovery *r, size_t i,
                                  struct cz_error *err)
{
    const struct cz_images *images = &r->options->images;
    const struct cz_port *to = cz_plan_inputs(r->pruned.plan, NULL);
    const struct cz_port *from = cz_plan_inputs(r->original.plan, NULL);
    CZ_TRY(images->fill(images->user, i, r->original.plan, err));
    memcpy(to->data, from->data, from->size_bytes);
    CZ_TRY(cz_frames_save(r->original.frames, i, r->original.plan, 0, err));
    return cz_frames_save(r->pruned.frames, i, r->pruned.plan, 0, err);
}

static enum cz_status advance_side(const struct recovery *r, struct side *side,
                                   size_t i, size_t to, struct cz_error *err)
{
    CZ_TRY(cz_frames_load(side->frames, i, side->plan, r->at, err));
    CZ_TRY(cz_plan_run_steps(side->plan, r->at, to, err));
    return cz_frames_save(side->frames, i, side->plan, to, err);
}

static enum cz_status advance(struct recovery *r, size_t to,
                              struct cz_error *err)
{
    for (size_t i = 0; i < r->options->images.count && to > r->at; i++) {
        CZ_TRY(advance_side(r, &r->original, i, to, err));
        CZ_TRY(advance_side(r, &r->pruned, i, to, err));
    }
    r->at = to;
    return CZ_OK;
}

/* ---- one layer -------------------------------------------------------- */

struct layer {
    const struct cz_recover_options *options;
    struct cz_conv_view views[2]; /* original, pruned */
    struct cz_lsq_shape shape;
    size_t channels;         /* of the outputs */
    size_t window;           /* of all inputs */
    float *weights, *wanted; /* masked, original: [channels, inputs] */
    float *bias, *old_bias;  /* [channels] of the pruned, of the original */
    bool *keep;
    float *x, *exact, *y; /* [windows, window] twice, [windows, channels] */
    struct cz_lsq_sums sums;
    uint64_t seed;
};

/* What the original convolution gives for each window. */
static void find_outputs(void *user, size_t k)
{
    const struct layer *l = user;
    const size_t n = l->shape.inputs, m = l->shape.outputs;
    for (size_t c = 0; c < l->channels; c++) {
        const float *w = l->wanted + c * n;
        const float *x = l->exact + k * l->window + c / m * n;
        float sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += w[i] * x[i];
        l->y[k * l->channels + c] = sum + (l->old_bias ? l->old_bias[c] : 0);
    }
}

static void gather(struct layer *l, size_t image)
{
    const size_t count = l->options->windows;
    const size_t *out = l->views[0].out_size;
    uint64_t state = l->seed + image;
    for (size_t k = 0; k < count; k++) {
        const uint64_t at = cz_lsq_draw(&state) % (out[0] * out[1]);
        cz_conv_view_window(l->exact + k * l->window, &l->views[0], at / out[1],
                            at % out[1]);
        cz_conv_view_window(l->x + k * l->window, &l->views[1], at / out[1],
                            at % out[1]);
    }
    cz_parallel_for(count, l->options->plan.threads, find_outputs, l);
    cz_lsq_add(&l->sums, l->x, l->y, count, l->options->plan.threads);
}

static enum cz_status gather_all(struct recovery *r, struct layer *l,
                                 struct cz_error *err)
{
    for (size_t i = 0; i < r->options->images.count; i++) {
        CZ_TRY(cz_frames_load(r->original.frames, i, r->original.plan, r->at,
                              err));
        CZ_TRY(cz_frames_load(r->pruned.frames, i, r->pruned.plan, r->at, err));
        gather(l, i);
    }
    return CZ_OK;
}

static enum cz_status read_layer(struct layer *l, struct cz_error *err)
{
    const struct cz_conv_view *o = &l->views[0], *p = &l->views[1];
    const size_t windows = l->options->windows;
    CZ_TRY(cz_tensor_floats((struct cz_tensor *)o->weights, &l->wanted, err));
    CZ_TRY(cz_tensor_floats((struct cz_tensor *)p->weights, &l->weights, err));
    if (o->bias)
        CZ_TRY(
            cz_tensor_floats((struct cz_tensor *)o->bias, &l->old_bias, err));
    if (p->bias)
        CZ_TRY(cz_tensor_floats((struct cz_tensor *)p->bias, &l->bias, err));
    l->keep = cz_calloc(l->channels * l->shape.inputs + 1, sizeof *l->keep);
    l->x = cz_calloc(windows * l->window + 1, sizeof *l->x);
    l->exact = cz_calloc(windows * l->window + 1, sizeof *l->exact);
    l->y = cz_calloc(windows * l->channels + 1, sizeof *l->y);
    if (!l->keep || !l->x || !l->exact || !l->y)
        return cz_error_nomem(err);
    for (size_t i = 0; i < l->channels * l->shape.inputs; i++)
        l->keep[i] = l->weights[i] != 0;
    return cz_lsq_sums_init(&l->sums, &l->shape, err);
}

static void free_layer(struct layer *l)
{
    cz_lsq_sums_fini(&l->sums);
    cz_free(l->weights);
    cz_free(l->wanted);
    cz_free(l->bias);
    cz_free(l->old_bias);
    cz_free(l->keep);
    cz_free(l->x);
    cz_free(l->exact);
    cz_free(l->y);
}

static enum cz_status store(const struct cz_tensor *tensor,
                            const float *numbers, struct cz_error *err)
{
    struct cz_tensor *t = (struct cz_tensor *)tensor;
    struct cz_elements e;
    CZ_TRY(cz_tensor_elements(t, &e, err));
    for (size_t i = 0; i < e.count; i++)
        memcpy((char *)e.data + i * e.stride, &numbers[i], sizeof *numbers);
    cz_tensor_touch(t);
    return CZ_OK;
}

static enum cz_status solve(struct recovery *r, struct layer *l,
                            struct cz_recover_layer *row, struct cz_error *err)
{
    const struct cz_conv_view *p = &l->views[1];
    struct cz_lsq_result result;
    CZ_TRY(gather_all(r, l, err));
    float *masked = l->wanted; /* not wanted any more */
    memcpy(masked, l->weights, l->channels * l->shape.inputs * sizeof *masked);
    const struct cz_lsq_problem problem = {.sums = &l->sums,
                                           .keep = l->keep,
                                           .weights = masked,
                                           .bias = l->bias,
                                           .bias_is_free = l->bias != NULL,
                                           .ridge = r->options->ridge,
                                           .threads = r->options->plan.threads};
    CZ_TRY(cz_lsq_solve(l->weights, l->bias, &result, &problem, err));
    row->before = result.power > 0 ? result.before / result.power : 0;
    row->after = result.power > 0 ? result.after / result.power : 0;
    row->kept = result.kept;
    row->is_deficient = l->sums.count < l->shape.inputs;
    CZ_TRY(store(p->weights, l->weights, err));
    if (l->bias)
        CZ_TRY(store(p->bias, l->bias, err));
    return compile(r, &r->pruned, err);
}

/* ---- all layers ------------------------------------------------------- */

/* Why the Conv is left alone, or NULL. */
static const char *find_reason(const struct layer *l)
{
    const struct cz_conv_view *o = &l->views[0], *p = &l->views[1];
    if (!o->weights || !p->weights)
        return "its weights are computed";
    if (p->weights->dtype != CZ_DTYPE_FLOAT ||
        (p->bias && p->bias->dtype != CZ_DTYPE_FLOAT))
        return "its weights are not float32";
    if (p->has_bias != (p->bias != NULL))
        return "its bias is computed";
    return NULL;
}

static enum cz_status recover_layer(struct recovery *r, size_t step,
                                    struct layer *l, struct cz_error *err)
{
    const struct cz_conv_view *o = &l->views[0];
    const char *name = cz_plan_step(r->pruned.plan, step).name;
    struct cz_recover_layer *row = &r->report->layers[r->report->n_layers];
    l->channels = o->outputs;
    l->window = o->channels * o->kernel[0] * o->kernel[1];
    l->shape = (struct cz_lsq_shape){.groups = o->groups,
                                     .inputs = l->window / o->groups,
                                     .outputs = o->outputs / o->groups};
    l->seed = (uint64_t)step << 32;
    *row = (struct cz_recover_layer){
        .name = name, .outputs = o->outputs, .skipped = find_reason(l)};
    r->report->n_layers++;
    if (row->skipped)
        return CZ_OK;
    if (!cz_progress_tick(r->options->progress, "recover", r->done++,
                          r->layers))
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    CZ_TRY(advance(r, step, err));
    cz_plan_conv(r->original.plan, step, &l->views[0]);
    cz_plan_conv(r->pruned.plan, step, &l->views[1]);
    CZ_TRY(read_layer(l, err));
    return solve(r, l, row, err);
}

static enum cz_status has_zeros(bool *found, const struct cz_conv_view *view,
                                struct cz_error *err)
{
    struct cz_elements e;
    *found = false;
    if (!view->weights)
        return CZ_OK;
    CZ_TRY(cz_tensor_elements((struct cz_tensor *)view->weights, &e, err));
    for (size_t i = 0; i < e.count && !*found; i++)
        *found = cz_elements_get(&e, i) == 0;
    return CZ_OK;
}

static enum cz_status recover_layers(struct recovery *r, struct cz_error *err)
{
    const size_t steps = cz_plan_step_count(r->pruned.plan);
    for (size_t i = 0; i < steps; i++) {
        struct layer l = {.options = r->options};
        bool found = false;
        if (!cz_plan_conv(r->original.plan, i, &l.views[0]) ||
            !cz_plan_conv(r->pruned.plan, i, &l.views[1]))
            continue;
        CZ_TRY(has_zeros(&found, &l.views[1], err));
        if (!found)
            continue;
        const enum cz_status status =
            cz_error_prefix(err, recover_layer(r, i, &l, err),
                            cz_plan_step(r->pruned.plan, i).name);
        free_layer(&l);
        CZ_TRY(status);
    }
    return CZ_OK;
}

static enum cz_status start(struct recovery *r, struct cz_error *err)
{
    const struct cz_images *images = &r->options->images;
    CZ_TRY(compile(r, &r->original, err));
    CZ_TRY(compile(r, &r->pruned, err));
    if (cz_plan_step_count(r->original.plan) !=
        cz_plan_step_count(r->pruned.plan))
        return cz_error_set(err, CZ_EINVAL,
                            "the models differ in more than weights");
    r->layers = cz_plan_step_count(r->pruned.plan);
    r->report->layers = cz_calloc(r->layers + 1, sizeof *r->report->layers);
    if (!r->report->layers)
        return cz_error_nomem(err);
    CZ_TRY(cz_frames_new(&r->original.frames, images->count, err));
    CZ_TRY(cz_frames_new(&r->pruned.frames, images->count, err));
    CZ_TRY(images->begin(images->user, r->original.plan, err));
    for (size_t i = 0; i < images->count; i++)
        CZ_TRY(start_image(r, i, err));
    return CZ_OK;
}

static void finish(struct side *side)
{
    cz_frames_free(side->frames);
    cz_plan_free(side->plan);
}

enum cz_status cz_recover_lsq(struct cz_model *pruned,
                              struct cz_model *original,
                              const struct cz_recover_options *options,
                              struct cz_recover_report *report,
                              struct cz_error *err)
{
    struct recovery r = {.options = options,
                         .plan = options->plan,
                         .report = report,
                         .original = {.model = original},
                         .pruned = {.model = pruned}};
    *report = (struct cz_recover_report){.n_layers = 0};
    r.plan.passes = PASSES;
    enum cz_status status = start(&r, err);
    if (status == CZ_OK)
        status = recover_layers(&r, err);
    finish(&r.original);
    finish(&r.pruned);
    return status;
}

void cz_recover_report_fini(struct cz_recover_report *report)
{
    cz_free(report->layers);
    report->layers = NULL;
}
