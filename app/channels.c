/* See channels.h. */
#include "app/channels.h"

#include <math.h>

#include "app/latency.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "search/search.h"

/* Frames that are measured, and those before them. */
#define FRAMES 30
#define WARM_UP 5

/* Choices that are tried until one is fast enough, but hardly faster. */
#define TRIALS 8
#define NEAR 0.96

/* Images that judge trials, at most: more take longer and tell hardly more. */
#define JUDGED 16

/* Where more channels than usual are computed together, sets keep multiples of
 * these if they have so many times as many. */
#define LANES_USUAL 8
#define LANES_LEAST_STEPS 2

/* A share of MACs that hardly any model refuses, for scores alone. */
#define SCORED 0.98

/* ---- images ----------------------------------------------------------- */

/* Some of the images, which are read once: plans differ in their constants
 * only. */
struct some {
    struct cz_images all;
    size_t count;
    struct cz_frames *frames;
    bool is_saved[JUDGED];
};

static enum cz_status begin_some(void *user, struct cz_plan *plan,
                                 struct cz_error *err)
{
    struct some *some = user;
    return some->all.begin(some->all.user, plan, err);
}

/* They are spread over all: neighbours are of one scene, or one class. */
static enum cz_status fill_some(void *user, size_t i, struct cz_plan *plan,
                                struct cz_error *err)
{
    struct some *some = user;
    if (some->is_saved[i])
        return cz_frames_load(some->frames, i, plan, 0, err);
    CZ_TRY(some->all.fill(some->all.user, i * some->all.count / some->count,
                          plan, err));
    CZ_TRY(cz_frames_save(some->frames, i, plan, 0, err));
    some->is_saved[i] = true;
    return CZ_OK;
}

/* ---- trials ----------------------------------------------------------- */

/* Made when the first trial asks for it: what can be refused without, is. */
struct jury {
    const struct app_channels *channels;
    struct some images;
    struct cz_judge *judge;
};

static enum cz_status load(void *user, struct cz_model **model,
                           struct cz_error *err)
{
    const struct app_channels *a = user;
    CZ_TRY(cz_model_load(model, a->path, err));
    return cz_graph_infer(cz_model_graph(*model), err);
}

static enum cz_status open_jury(struct jury *jury, struct cz_error *err)
{
    const struct app_channels *a = jury->channels;
    const struct cz_model_source source = {.load = load, .user = (void *)a};
    const size_t count = a->images.count < JUDGED ? a->images.count : JUDGED;
    const struct cz_judge_options options = {.images = {.count = count,
                                                        .begin = begin_some,
                                                        .fill = fill_some,
                                                        .user = &jury->images},
                                             .plan = a->plan,
                                             .detector = a->detector,
                                             .by_anchors = true};
    jury->images.all = a->images;
    jury->images.count = count;
    CZ_TRY(cz_frames_new(&jury->images.frames, count, err));
    return cz_judge_new(&jury->judge, &source, &options, err);
}

static void close_jury(struct jury *jury)
{
    cz_judge_free(jury->judge);
    cz_frames_free(jury->images.frames);
}

static enum cz_status measure_lost(void *user, struct cz_model *model,
                                   double *lost, struct cz_error *err)
{
    struct jury *jury = user;
    struct cz_verdict verdict;
    if (!jury->judge)
        CZ_TRY(open_jury(jury, err));
    CZ_TRY(cz_judge_measure(jury->judge, model, &verdict, err));
    *lost = verdict.difference;
    return CZ_OK;
}

/* ---- options ---------------------------------------------------------- */

static struct cz_channels_options
options_for(struct jury *jury, const struct cz_channels *like, double macs)
{
    const struct app_channels *a = jury->channels;
    struct cz_channels_options options = CZ_CHANNELS_OPTIONS_INIT;
    options.importance = a->pruning->importance;
    options.ratio = macs > 0 ? 0 : a->pruning->channels;
    options.macs = macs;
    if (a->lanes > LANES_USUAL) {
        options.multiple = a->lanes;
        options.least_steps = LANES_LEAST_STEPS;
    }
    options.like = like;
    options.skip = a->pruning->prune.skip;
    options.n_skip = a->pruning->prune.n_skip;
    options.images = a->images.count ? &a->images : NULL;
    options.plan = a->plan;
    options.judge =
        (struct cz_channels_judge){.measure = measure_lost, .user = jury};
    options.progress = a->pruning->prune.progress;
    return options;
}

/* ---- times ------------------------------------------------------------ */

/* The model as it was, which frames of others take turns with: what slows the
 * machine down for a while meets both. */
struct reference {
    struct cz_model *model;
    struct cz_plan *plan;
};

/* Medians of frames, whose inputs are 0, of `count` plans in turn. */
static enum cz_status run_frames(double *medians_ms,
                                 struct cz_plan *const *plans, size_t count,
                                 struct cz_error *err)
{
    double times_ms[2][FRAMES];
    for (size_t i = 0; i < WARM_UP + FRAMES; i++) {
        for (size_t k = 0; k < count; k++) {
            const double start = cz_now_ms();
            CZ_TRY(cz_plan_run(plans[k], err));
            if (i >= WARM_UP)
                times_ms[k][i - WARM_UP] = cz_now_ms() - start;
        }
    }
    for (size_t k = 0; k < count; k++)
        medians_ms[k] = app_latency(times_ms[k], FRAMES).median_ms;
    return CZ_OK;
}

static enum cz_status open_reference(struct reference *reference,
                                     struct app_channels *a,
                                     struct cz_error *err)
{
    CZ_TRY(load(a, &reference->model, err));
    CZ_TRY(cz_plan_compile(&reference->plan, reference->model, &a->plan, err));
    a->lanes = cz_plan_lanes(reference->plan);
    return run_frames(&a->before_ms, &reference->plan, 1, err);
}

static void close_reference(struct reference *reference)
{
    cz_plan_free(reference->plan);
    cz_model_free(reference->model);
}

/* What a frame takes of the time of the reference, times what that takes on a
 * machine that has nothing else to do: the least that was seen. */
static enum cz_status measure(struct app_channels *a, struct cz_model *model,
                              const struct reference *reference,
                              struct cz_error *err)
{
    struct cz_plan *plans[] = {reference->plan, NULL};
    double medians_ms[2];
    enum cz_status status = cz_plan_compile(&plans[1], model, &a->plan, err);
    if (status == CZ_OK)
        status = run_frames(medians_ms, plans, 2, err);
    if (status == CZ_OK) {
        a->before_ms = fmin(a->before_ms, medians_ms[0]);
        a->after_ms = a->before_ms * medians_ms[1] / medians_ms[0];
    }
    cz_plan_free(plans[1]);
    return status;
}

/* A copy of the model with the channels cut out that `like` says for so many
 * MACs. */
static enum cz_status measure_cut(struct app_channels *a, struct jury *jury,
                                  double macs, const struct cz_channels *like,
                                  const struct reference *reference,
                                  struct cz_error *err)
{
    const struct cz_channels_options options = options_for(jury, like, macs);
    struct cz_channels *channels = NULL;
    struct cz_model *copy = NULL;
    enum cz_status status = load(a, &copy, err);
    if (status == CZ_OK)
        status = cz_channels_choose(&channels, copy, &options, err);
    if (status == CZ_OK)
        status = cz_channels_cut(channels, err);
    cz_channels_free(channels);
    if (status == CZ_OK)
        status = cz_graph_infer(cz_model_graph(copy), err);
    if (status == CZ_OK)
        status = measure(a, copy, reference, err);
    cz_model_free(copy);
    return status;
}

/* ---- choosing --------------------------------------------------------- */

/* The largest share of MACs that was found to be fast enough, by halving what
 * is between those that are and those that are not. */
static enum cz_status find_macs(double *macs, struct app_channels *a,
                                struct jury *jury,
                                const struct cz_channels *like,
                                const struct reference *reference,
                                struct cz_error *err)
{
    const double target_ms = a->pruning->target_ms;
    double fast = 0, slow = 1, fast_ms = 0, least_ms = a->before_ms;
    for (size_t i = 0; i < TRIALS && fast_ms < NEAR * target_ms; i++) {
        const double next =
            fast > 0 ? (fast + slow) / 2 : slow * target_ms / least_ms * NEAR;
        struct cz_error refused = CZ_ERROR_INIT;
        const enum cz_status status =
            measure_cut(a, jury, next, like, reference, &refused);
        if (status == CZ_EINVAL) /* so few MACs are not to be had */
            break;
        if (status != CZ_OK)
            return cz_error_set(err, status, "%s", refused.message);
        least_ms = fmin(least_ms, a->after_ms);
        if (a->after_ms > target_ms) {
            slow = next;
        } else {
            fast = next;
            fast_ms = a->after_ms;
        }
    }
    *macs = fast;
    a->after_ms = fast_ms;
    if (fast > 0)
        return CZ_OK;
    return cz_error_set(
        err, CZ_EINVAL,
        "--target-ms %g: a frame takes %.1f ms, and no cut that "
        "was tried made it faster than %.1f ms: ask for that, "
        "or for a smaller model",
        target_ms, a->before_ms, least_ms);
}

/* Scores all channels once, finds the MACs, and chooses again. */
static enum cz_status choose_by_time(struct cz_channels **channels,
                                     struct cz_model *model,
                                     struct app_channels *a, struct jury *jury,
                                     const struct reference *reference,
                                     struct cz_error *err)
{
    const double target_ms = a->pruning->target_ms;
    struct cz_channels *scored = NULL;
    double macs = 0;
    if (a->before_ms <= target_ms)
        return cz_error_set(err, CZ_EINVAL,
                            "--target-ms %g: a frame takes %.1f ms as it is",
                            target_ms, a->before_ms);
    struct cz_channels_options options = options_for(jury, NULL, SCORED);
    enum cz_status status = cz_channels_choose(&scored, model, &options, err);
    if (status == CZ_OK)
        status = find_macs(&macs, a, jury, scored, reference, err);
    if (status == CZ_OK) {
        options = options_for(jury, scored, macs);
        status = cz_channels_choose(channels, model, &options, err);
    }
    cz_channels_free(scored);
    return status;
}

static enum cz_status choose(struct cz_channels **channels,
                             struct cz_model *model, struct app_channels *a,
                             struct jury *jury, struct cz_error *err)
{
    struct reference reference = {NULL, NULL};
    if (!(a->pruning->target_ms > 0)) {
        const struct cz_channels_options options =
            options_for(jury, NULL, a->pruning->target_macs);
        return cz_channels_choose(channels, model, &options, err);
    }
    enum cz_status status = open_reference(&reference, a, err);
    if (status == CZ_OK)
        status = choose_by_time(channels, model, a, jury, &reference, err);
    close_reference(&reference);
    return status;
}

enum cz_status app_channels_choose(struct cz_channels **channels,
                                   struct cz_model *model,
                                   struct app_channels *a, struct cz_error *err)
{
    struct jury jury = {.channels = a};
    *channels = NULL;
    const enum cz_status status = choose(channels, model, a, &jury, err);
    close_jury(&jury);
    return status;
}
