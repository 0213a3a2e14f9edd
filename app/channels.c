/* See channels.h. */
#include "app/channels.h"

#include <math.h>

#include "app/latency.h"
#include "core/alloc.h"
#include "core/clock.h"

/* Frames that are measured, and those before them. */
#define FRAMES 30
#define WARM_UP 5

/* Choices that are tried until one is fast enough, but hardly faster. */
#define TRIALS 6
#define NEAR 0.95

/* A share of MACs that hardly any model refuses, for scores alone. */
#define SCORED 0.98

static struct cz_channels_options options_for(const struct app_channels *a,
                                              const struct cz_channels *like,
                                              double macs)
{
    struct cz_channels_options options = CZ_CHANNELS_OPTIONS_INIT;
    options.importance = a->pruning->importance;
    options.ratio = macs > 0 ? 0 : a->pruning->channels;
    options.macs = macs;
    options.like = like;
    options.images = a->images.count ? &a->images : NULL;
    options.plan = a->plan;
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
    enum cz_status status = cz_model_load(&copy, a->path, err);
    if (status == CZ_OK)
        status = cz_graph_infer(cz_model_graph(copy), err);
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

enum cz_status app_channels_choose(struct cz_channels **channels,
                                   struct cz_model *model,
                                   struct app_channels *a, struct cz_error *err)
{
    *channels = NULL;
    if (a->pruning->target_ms > 0)
        return choose_by_time(channels, model, a, err);
    const struct cz_channels_options options =
        options_for(a, NULL, a->pruning->target_macs);
    return cz_channels_choose(channels, model, &options, err);
}
