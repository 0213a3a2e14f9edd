/* See walk_internal.h. */
#include "prune/walk_internal.h"

#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "core/random.h"

/* The steps of a plan are those of the graph: where a Conv begins, there is
 * what it reads, one plane behind the other. */
#define PASSES "-layout,-fuse_batchnorm,-fuse_focus"

/* One of the two models. */
struct side {
    struct cz_model *model; /* NULL: not there */
    struct cz_plan *plan;
    struct cz_frames *frames;
};

/* Where an image shows something. */
struct sights {
    struct cz_region regions[CZ_REGIONS_MAX];
    size_t count;
};

struct cz_walk {
    struct cz_walk_options options;
    struct side original, pruned;
    struct sights *sights; /* [images.count] */
    size_t at;             /* the step before which all images wait */
    bool has_contrast;     /* some image has pixels that differ */
};

/* ---- begin and end ---------------------------------------------------- */

static enum cz_status compile(const struct cz_walk *w, struct side *side,
                              struct cz_error *err)
{
    cz_plan_free(side->plan);
    return cz_plan_compile(&side->plan, side->model, &w->options.plan, err);
}

static enum cz_status open_side(const struct cz_walk *w, struct side *side,
                                struct cz_error *err)
{
    CZ_TRY(compile(w, side, err));
    return cz_frames_new(&side->frames, w->options.images.count, err);
}

static void close_side(struct side *side)
{
    cz_frames_free(side->frames);
    cz_plan_free(side->plan);
}

static enum cz_status look(struct cz_walk *w, size_t i, struct cz_error *err)
{
    const struct cz_images *images = &w->options.images;
    struct sights *sights = &w->sights[i];
    if (!images->look)
        return CZ_OK;
    CZ_TRY(cz_plan_run(w->original.plan, err));
    CZ_TRY(images->look(images->user, w->original.plan, sights->regions,
                        &sights->count, err));
    return cz_frames_load(w->original.frames, i, w->original.plan, 0, err);
}

/* Do the pixels differ? Only of float32 it is looked at. */
static bool has_contrast(const struct cz_port *image)
{
    const float *pixels = image->data;
    const size_t count = image->size_bytes / sizeof *pixels;
    bool differ = image->dtype != CZ_DTYPE_FLOAT;
    for (size_t i = 1; i < count && !differ; i++)
        differ = pixels[i] != pixels[0];
    return differ;
}

static enum cz_status start_image(struct cz_walk *w, size_t i,
                                  struct cz_error *err)
{
    const struct cz_images *images = &w->options.images;
    size_t count;
    const struct cz_port *from = cz_plan_inputs(w->original.plan, &count);
    CZ_TRY(images->fill(images->user, i, w->original.plan, err));
    w->has_contrast = w->has_contrast || !count || has_contrast(&from[0]);
    CZ_TRY(cz_frames_save(w->original.frames, i, w->original.plan, 0, err));
    CZ_TRY(look(w, i, err));
    if (!w->pruned.model)
        return CZ_OK;
    const struct cz_port *to = cz_plan_inputs(w->pruned.plan, NULL);
    for (size_t k = 0; k < count; k++)
        memcpy(to[k].data, from[k].data, from[k].size_bytes);
    return cz_frames_save(w->pruned.frames, i, w->pruned.plan, 0, err);
}

static bool has_same_weights(const struct cz_conv_view *a,
                             const struct cz_conv_view *b)
{
    return !a->weights == !b->weights && !a->bias == !b->bias &&
           (!a->weights || a->weights->count == b->weights->count) &&
           (!a->bias || a->bias->count == b->bias->count) &&
           a->channels == b->channels && a->outputs == b->outputs;
}

/* The same but for the numbers in the weights. */
static bool is_alike(const struct cz_plan *a, const struct cz_plan *b)
{
    size_t inputs, others;
    const struct cz_port *x = cz_plan_inputs(a, &inputs);
    const struct cz_port *y = cz_plan_inputs(b, &others);
    const size_t steps = cz_plan_step_count(a);
    bool alike = inputs == others && steps == cz_plan_step_count(b);
    for (size_t i = 0; i < inputs && alike; i++)
        alike = x[i].dtype == y[i].dtype && x[i].size_bytes == y[i].size_bytes;
    for (size_t i = 0; i < steps && alike; i++) {
        struct cz_conv_view u, v;
        const bool is_conv = cz_plan_conv(a, i, &u);
        alike = is_conv == cz_plan_conv(b, i, &v) &&
                (!is_conv || has_same_weights(&u, &v));
    }
    return alike;
}

static enum cz_status start(struct cz_walk *w, struct cz_error *err)
{
    const struct cz_images *images = &w->options.images;
    w->sights = cz_calloc(images->count + 1, sizeof *w->sights);
    if (!w->sights)
        return cz_error_nomem(err);
    CZ_TRY(open_side(w, &w->original, err));
    if (w->pruned.model)
        CZ_TRY(open_side(w, &w->pruned, err));
    if (w->pruned.model && !is_alike(w->original.plan, w->pruned.plan))
        return cz_error_set(err, CZ_EINVAL,
                            "the models differ in more than weights");
    if (!images->count || !w->options.windows)
        return cz_error_set(err, CZ_EINVAL, "want images, and windows of them");
    CZ_TRY(images->begin(images->user, w->original.plan, err));
    for (size_t i = 0; i < images->count; i++)
        CZ_TRY(start_image(w, i, err));
    return w->has_contrast
               ? CZ_OK
               : cz_error_set(err, CZ_EINVAL,
                              "all calibration images are of one colour; want "
                              "images like those that the model will see");
}

enum cz_status cz_walk_new(struct cz_walk **walk, struct cz_model *original,
                           struct cz_model *pruned,
                           const struct cz_walk_options *options,
                           struct cz_error *err)
{
    struct cz_walk *w = *walk = cz_calloc(1, sizeof *w);
    if (!w)
        return cz_error_nomem(err);
    *w = (struct cz_walk){.options = *options,
                          .original = {.model = original},
                          .pruned = {.model = pruned}};
    w->options.plan.passes = PASSES;
    return start(w, err);
}

void cz_walk_free(struct cz_walk *walk)
{
    if (walk) {
        close_side(&walk->original);
        close_side(&walk->pruned);
        cz_free(walk->sights);
    }
    cz_free(walk);
}

enum cz_status cz_walk_renew(struct cz_walk *walk, struct cz_error *err)
{
    return compile(walk, &walk->pruned, err);
}

/* ---- layers ----------------------------------------------------------- */

/* Others read it, too: behind all names that the model has for it. */
static bool is_shared(struct cz_model *model, const struct cz_tensor *tensor)
{
    const struct cz_graph *graph = cz_model_graph(model);
    size_t readers = 0;
    for (size_t i = 0; tensor && i < graph->n_values; i++) {
        const struct cz_value *value = graph->values[i];
        if (value->constant != tensor)
            continue;
        readers += value->n_uses + value->is_output;
        if (value->n_uses == 1 && !cz_node_is(value->uses[0].node, "Conv"))
            readers++; /* passed on to we do not know whom */
    }
    return readers != 1;
}

static const char *find_reason(const struct cz_walk *w,
                               const struct cz_walk_layer *l)
{
    const struct cz_conv_view *o = &l->original, *p = &l->pruned;
    struct cz_model *model =
        w->pruned.model ? w->pruned.model : w->original.model;
    if (!o->weights || !p->weights)
        return "its weights are computed";
    if (p->weights->dtype != CZ_DTYPE_FLOAT ||
        (p->bias && p->bias->dtype != CZ_DTYPE_FLOAT))
        return "its weights are not float32";
    if (p->has_bias != (p->bias != NULL))
        return "its bias is computed";
    if (!o->out_size[0] || !o->out_size[1])
        return "it makes nothing";
    if (!cz_lsq_fits(&l->shape))
        return "too many inputs for least squares";
    if (is_shared(model, p->weights) || (p->bias && is_shared(model, p->bias)))
        return "others read its weights too";
    return NULL;
}

static bool find_layer(struct cz_walk_layer *l, size_t step,
                       const struct cz_walk *w)
{
    const struct side *pruned = w->pruned.model ? &w->pruned : &w->original;
    if (!cz_plan_conv(w->original.plan, step, &l->original) ||
        !cz_plan_conv(pruned->plan, step, &l->pruned))
        return false;
    const struct cz_conv_view *o = &l->original;
    const size_t window = o->channels * o->kernel[0] * o->kernel[1];
    l->step = step;
    l->name = cz_plan_step(pruned->plan, step).name;
    l->macs = cz_plan_step(pruned->plan, step).macs;
    l->shape = (struct cz_lsq_shape){.groups = o->groups,
                                     .inputs = window / o->groups,
                                     .outputs = o->outputs / o->groups};
    l->skipped = find_reason(w, l);
    return true;
}

bool cz_walk_next(struct cz_walk_layer *layer, size_t *step,
                  const struct cz_walk *walk)
{
    const size_t count = cz_plan_step_count(walk->original.plan);
    while (*step < count) {
        if (find_layer(layer, (*step)++, walk))
            return true;
    }
    return false;
}

/* ---- windows ---------------------------------------------------------- */

/* At once: what stays in a core's cache. */
#define CHUNK ((size_t)16)

/* What all windows of one image are made of. */
struct gathering {
    struct cz_lsq *lsq;
    const struct cz_walk_layer *layer;
    float *weights, *bias; /* of the original */
    size_t count;          /* windows */
    size_t *places;        /* [count] in the output's plane */
    float *x, *exact, *y;  /* [count, inputs] twice, [count, outputs], all of
                             all groups; exact is x where nothing is pruned */
};

/* A whole number between two shares of `size`. */
static size_t draw_between(uint64_t *state, float low, float high, size_t size)
{
    const double at =
        (double)low + cz_random_share(state) * (double)(high - low);
    const size_t place = (size_t)(at * (double)size);
    return place < size ? place : size - 1;
}

/* All over the image and, in turn, where there is something. */
static void choose_places(struct gathering *g, const struct cz_walk *w,
                          size_t image)
{
    static const struct cz_region all = {0, 0, 1, 1};
    const struct sights *sights = &w->sights[image];
    const size_t *out = g->layer->original.out_size;
    uint64_t state = ((uint64_t)g->layer->step << 32) + image;
    for (size_t k = 0; k < g->count; k++) {
        const struct cz_region *r = &all;
        if (k % 2 && sights->count)
            r = &sights->regions[cz_random_next(&state) % sights->count];
        const size_t y = draw_between(&state, r->top, r->bottom, out[0]);
        const size_t x = draw_between(&state, r->left, r->right, out[1]);
        g->places[k] = y * out[1] + x;
    }
}

/* What the original convolution gives for windows from..from+count-1. */
static void multiply(const struct gathering *g, size_t from, size_t count)
{
    const struct cz_lsq_shape *s = &g->lsq->shape;
    const size_t n = s->groups * s->inputs, m = s->groups * s->outputs;
    float *y = g->y + from * m;
    for (size_t i = 0; i < count * m; i++)
        y[i] = g->bias ? g->bias[i % m] : 0;
    for (size_t k = 0; k < s->groups; k++)
        g->lsq->blas->sgemm(CZ_BLAS_ROW_MAJOR, CZ_BLAS_AS_IT_IS,
                            CZ_BLAS_TRANSPOSED, (int)count, (int)s->outputs,
                            (int)s->inputs, 1,
                            g->exact + from * n + k * s->inputs, (int)n,
                            g->weights + k * s->outputs * s->inputs,
                            (int)s->inputs, 1, y + k * s->outputs, (int)m);
}

static void gather_chunk(void *user, size_t chunk)
{
    const struct gathering *g = user;
    const struct cz_walk_layer *l = g->layer;
    const size_t n = l->shape.groups * l->shape.inputs;
    const size_t width = l->original.out_size[1], from = chunk * CHUNK;
    const size_t left = g->count - from, count = left < CHUNK ? left : CHUNK;
    for (size_t k = from; k < from + count; k++) {
        const size_t row = g->places[k] / width, column = g->places[k] % width;
        cz_conv_view_window(g->x + k * n, &l->pruned, row, column);
        if (g->exact != g->x)
            cz_conv_view_window(g->exact + k * n, &l->original, row, column);
    }
    multiply(g, from, count);
}

static enum cz_status advance(const struct cz_walk *w, const struct side *side,
                              size_t i, size_t to, struct cz_error *err)
{
    if (!side->model)
        return CZ_OK;
    CZ_TRY(cz_frames_load(side->frames, i, side->plan, w->at, err));
    if (to == w->at)
        return CZ_OK;
    CZ_TRY(cz_plan_run_steps(side->plan, w->at, to, err));
    return cz_frames_save(side->frames, i, side->plan, to, err);
}

static enum cz_status gather(struct gathering *g, struct cz_walk *w,
                             struct cz_error *err)
{
    const struct cz_walk_layer *l = g->layer;
    const size_t n = l->shape.groups * l->shape.inputs;
    const size_t m = l->shape.groups * l->shape.outputs;
    const bool has_pruned = w->pruned.model != NULL;
    const size_t threads = w->options.plan.threads;
    CZ_TRY(cz_conv_view_read(&g->weights, &g->bias, &l->original, err));
    g->places = cz_calloc(g->count + 1, sizeof *g->places);
    g->x = cz_calloc(g->count * n + 1, sizeof *g->x);
    g->exact = has_pruned ? cz_calloc(g->count * n + 1, sizeof *g->x) : g->x;
    g->y = cz_calloc(g->count * m + 1, sizeof *g->y);
    if (!g->places || !g->x || !g->exact || !g->y)
        return cz_error_nomem(err);
    for (size_t i = 0; i < w->options.images.count; i++) {
        CZ_TRY(advance(w, &w->original, i, l->step, err));
        CZ_TRY(advance(w, &w->pruned, i, l->step, err));
        choose_places(g, w, i);
        cz_parallel_for((g->count + CHUNK - 1) / CHUNK, threads, gather_chunk,
                        g);
        cz_lsq_add(g->lsq, g->x, g->y, g->count);
    }
    w->at = l->step;
    return CZ_OK;
}

enum cz_status cz_walk_gather(struct cz_lsq *lsq, struct cz_walk *walk,
                              const struct cz_walk_layer *layer,
                              struct cz_error *err)
{
    struct gathering g = {
        .lsq = lsq, .layer = layer, .count = walk->options.windows};
    const enum cz_status status = gather(&g, walk, err);
    if (status == CZ_OK)
        cz_lsq_finish(lsq);
    cz_free(g.weights);
    cz_free(g.bias);
    cz_free(g.places);
    if (g.exact != g.x)
        cz_free(g.exact);
    cz_free(g.x);
    cz_free(g.y);
    return status;
}
