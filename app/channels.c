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
#define TRIALS 6
#define NEAR 0.95

/* Images whose boxes judge trials, at most: more take longer and tell hardly
 * more. */
#define JUDGED 16

/* A share of MACs that hardly any model refuses, for scores alone. */
#define SCORED 0.98

/* ---- images ----------------------------------------------------------- */

/* Images that are read once, for plans that differ in their constants only. */
struct app_images_once {
    struct cz_images images;
    struct cz_frames *frames;
    bool is_saved[JUDGED];
};

static enum cz_status begin_once(void *user, struct cz_plan *plan,
                                 struct cz_error *err)
{
    struct app_images_once *once = user;
    return once->images.begin(once->images.user, plan, err);
}

static enum cz_status fill_once(void *user, size_t i, struct cz_plan *plan,
                                struct cz_error *err)
{
    struct app_images_once *once = user;
    if (once->is_saved[i])
        return cz_frames_load(once->frames, i, plan, 0, err);
    CZ_TRY(once->images.fill(once->images.user, i, plan, err));
    CZ_TRY(cz_frames_save(once->frames, i, plan, 0, err));
    once->is_saved[i] = true;
    return CZ_OK;
}

/* ---- trials ----------------------------------------------------------- */

static enum cz_status load(void *user, struct cz_model **model,
                           struct cz_error *err)
{
    const struct app_channels *a = user;
    CZ_TRY(cz_model_load(model, a->path, err));
    return cz_graph_infer(cz_model_graph(*model), err);
}

static enum cz_status open_judge(struct app_channels *a, struct cz_error *err)
{
    const struct cz_source source = {.load = load, .user = a};
    const size_t count = a->images.count < JUDGED ? a->images.count : JUDGED;
    struct app_images_once *once = a->once = cz_calloc(1, sizeof *once);
    if (!once)
        return cz_error_nomem(err);
    CZ_TRY(cz_frames_new(&once->frames, count, err));
    once->images = a->images;
    struct cz_judge_options options = {.images = {.count = count,
                                                  .begin = begin_once,
                                                  .fill = fill_once,
                                                  .user = once},
                                       .plan = a->plan,
                                       .detector = a->detector,
                                       .by_anchors = true};
    return cz_judge_new(&a->judge, &source, &options, err);
}

static void close_judge(struct app_channels *a)
{
    cz_judge_free(a->judge);
    if (a->once)
        cz_frames_free(a->once->frames);
    cz_free(a->once);
    a->judge = NULL;
    a->once = NULL;
}

static enum cz_status measure_lost(void *user, struct cz_model *model,
                                   double *lost, struct cz_error *err)
{
    struct cz_verdict verdict = {.difference = 0};
    CZ_TRY(cz_judge_measure(user, model, &verdict, err));
    *lost = verdict.difference;
    return CZ_OK;
}

/* ---- options ---------------------------------------------------------- */

static struct cz_channels_options options_for(const struct app_channels *a,
                                              const struct cz_channels *like,
                                              double macs)
{
    struct cz_channels_options options = CZ_CHANNELS_OPTIONS_INIT;
    options.importance = a->pruning->importance;
    options.ratio = macs > 0 ? 0 : a->pruning->channels;
    options.macs = macs;
    options.like = like;
    options.skip = a->pruning->prune.skip;
    options.n_skip = a->pruning->prune.n_skip;
    options.images = a->images.count ? &a->images : NULL;
    options.plan = a->plan;
    options.judge =
        (struct cz_channels_judge){.measure = measure_lost, .user = a->judge};
    options.progress = a->pruning->prune.progress;
    return options;
}

/* ---- times ------------------------------------------------------------ */

static enum cz_status run_frames(double *median_ms, struct cz_plan *plan,
                                 struct cz_error *err)
{
    double times_ms[FRAMES];
    for (size_t i = 0; i < WARM_UP + FRAMES; i++) {
        const double start = cz_now_ms();
        CZ_TRY(cz_plan_run(plan, err));
        if (i >= WARM_UP)
            times_ms[i - WARM_UP] = cz_now_ms() - start;
    }
    *median_ms = app_latency(times_ms, FRAMES).median_ms;
    return CZ_OK;
}

/* The median of frames whose inputs are 0. */
static enum cz_status measure(double *median_ms, struct cz_model *model,
                              const struct app_channels *a,
                              struct cz_error *err)
{
    struct cz_plan *plan = NULL;
    enum cz_status status = cz_plan_compile(&plan, model, &a->plan, err);
    if (status == CZ_OK)
        status = run_frames(median_ms, plan, err);
    cz_plan_free(plan);
    return status;
}

/* A copy of the model with the channels cut out that `like` says for so many
 * MACs. */
static enum cz_status measure_cut(struct app_channels *a, double macs,
                                  const struct cz_channels *like,
                                  struct cz_error *err)
{
    const struct cz_channels_options options = options_for(a, like, macs);
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
        status = measure(&a->after_ms, copy, a, err);
    cz_model_free(copy);
    return status;
}

/* ---- choosing --------------------------------------------------------- */

/* The largest share of MACs that was found to be fast enough, by halving what
 * is between those that are and those that are not. */
static enum cz_status find_macs(double *macs, struct app_channels *a,
                                const struct cz_channels *like,
                                struct cz_error *err)
{
    const double target_ms = a->pruning->target_ms;
    double fast = 0, slow = 1, fast_ms = 0, least_ms = a->before_ms;
    for (size_t i = 0; i < TRIALS && fast_ms < NEAR * target_ms; i++) {
        const double next =
            fast > 0 ? (fast + slow) / 2 : slow * target_ms / least_ms * NEAR;
        struct cz_error refused = CZ_ERROR_INIT;
        const enum cz_status status = measure_cut(a, next, like, &refused);
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
                                     struct app_channels *a,
                                     struct cz_error *err)
{
    const double target_ms = a->pruning->target_ms;
    struct cz_channels *scored = NULL;
    double macs = 0;
    CZ_TRY(measure(&a->before_ms, model, a, err));
    if (a->before_ms <= target_ms)
        return cz_error_set(err, CZ_EINVAL,
                            "--target-ms %g: a frame takes %.1f ms as it is",
                            target_ms, a->before_ms);
    struct cz_channels_options options = options_for(a, NULL, SCORED);
    enum cz_status status = cz_channels_choose(&scored, model, &options, err);
    if (status == CZ_OK)
        status = find_macs(&macs, a, scored, err);
    if (status == CZ_OK) {
        options = options_for(a, scored, macs);
        status = cz_channels_choose(channels, model, &options, err);
    }
    cz_channels_free(scored);
    return status;
}

static enum cz_status choose(struct cz_channels **channels,
                             struct cz_model *model, struct app_channels *a,
                             struct cz_error *err)
{
    if (a->pruning->importance == CZ_CHANNELS_TRIAL)
        CZ_TRY(open_judge(a, err));
    if (a->pruning->target_ms > 0)
        return choose_by_time(channels, model, a, err);
    const struct cz_channels_options options =
        options_for(a, NULL, a->pruning->target_macs);
    return cz_channels_choose(channels, model, &options, err);
}

enum cz_status app_channels_choose(struct cz_channels **channels,
                                   struct cz_model *model,
                                   struct app_channels *a, struct cz_error *err)
{
    *channels = NULL;
    const enum cz_status status = choose(channels, model, a, err);
    close_judge(a);
    return status;
}
