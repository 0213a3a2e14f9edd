/* What happened so far, of all frames. */
#include "app/camera.h"

static void note_time(struct app_camera_stats *stats, size_t time, double ms)
{
    app_histogram_add(&stats->times[time], ms);
}

static void note_times(struct app_camera_stats *stats,
                       const struct app_camera_frame *frame, size_t n_models)
{
    const size_t model_end = APP_TIME_PRE + n_models * APP_TIMES_MODEL;
    for (size_t t = 0; t < APP_TIME_COUNT; t++) {
        const bool is_missing = (t >= model_end && t < APP_TIME_DRAW) ||
                                (t == APP_TIME_DRAW && frame->times[t] <= 0);
        if (!is_missing)
            note_time(stats, t, frame->times[t]);
    }
}

void app_camera_note(struct app_camera_stats *stats,
                     const struct app_camera_frame *frame, size_t n_models)
{
    const struct cz_image *image = &frame->image;
    pthread_mutex_lock(&stats->lock);
    if (stats->frames == 0)
        stats->start_ms = frame->start_ms;
    else if (stats->width != image->width || stats->height != image->height)
        stats->changes++;
    stats->width = image->width;
    stats->height = image->height;
    stats->last_ms = frame->done_ms;
    stats->recent_ms[stats->frames % APP_RATE_FRAMES] = frame->done_ms;
    stats->frames++;
    for (size_t m = 0; m < n_models; m++)
        stats->boxes[m] += frame->boxes[m].count;
    note_times(stats, frame, n_models);
    pthread_mutex_unlock(&stats->lock);
}

static double rate(size_t frames, double ms)
{
    return ms > 0 ? (double)frames / ms * 1e3 : 0;
}

double app_camera_rate(const struct app_camera_stats *stats)
{
    const size_t n = stats->frames;
    if (n < APP_RATE_FRAMES)
        return app_camera_mean_rate(stats);
    return rate(APP_RATE_FRAMES - 1,
                stats->last_ms - stats->recent_ms[n % APP_RATE_FRAMES]);
}

double app_camera_mean_rate(const struct app_camera_stats *stats)
{
    return rate(stats->frames, stats->last_ms - stats->start_ms);
}
