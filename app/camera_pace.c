/* When to read the next frame of a file.
 *
 * A frame that is read as soon as there is room waits for the inference before
 * it: its latency is two inferences. One that is read when the inference has
 * ended makes that wait. So it is read as long before the expected end as
 * reading takes, and a moment more. */
#include "app/camera.h"
#include "core/clock.h"

#define MARGIN_MS 1.5
#define SMOOTHING 0.1 /* weight of the newest frame */

void app_pace_init(struct app_pace *pace)
{
    *pace = (struct app_pace){.given = 0};
    pthread_mutex_init(&pace->lock, NULL);
    app_condition_init(&pace->changed);
}

void app_pace_fini(struct app_pace *pace)
{
    pthread_cond_destroy(&pace->changed);
    pthread_mutex_destroy(&pace->lock);
}

static void smooth(double *mean_ms, double ms)
{
    *mean_ms += *mean_ms > 0 ? SMOOTHING * (ms - *mean_ms) : ms;
}

void app_pace_wait(struct app_pace *pace)
{
    pthread_mutex_lock(&pace->lock);
    while (!pace->stopped && pace->taken < pace->given)
        pthread_cond_wait(&pace->changed, &pace->lock);
    while (!pace->stopped && pace->busy) {
        const double due_ms =
            pace->since_ms + pace->busy_ms - pace->capture_ms - MARGIN_MS;
        if (cz_now_ms() >= due_ms)
            break;
        app_condition_wait(&pace->changed, &pace->lock, due_ms);
    }
    pthread_mutex_unlock(&pace->lock);
}

void app_pace_give(struct app_pace *pace, double capture_ms)
{
    pthread_mutex_lock(&pace->lock);
    pace->given++;
    smooth(&pace->capture_ms, capture_ms);
    pthread_mutex_unlock(&pace->lock);
}

void app_pace_begin(struct app_pace *pace)
{
    pthread_mutex_lock(&pace->lock);
    pace->taken++;
    pace->busy = true;
    pace->since_ms = cz_now_ms();
    pthread_cond_broadcast(&pace->changed);
    pthread_mutex_unlock(&pace->lock);
}

void app_pace_end(struct app_pace *pace)
{
    pthread_mutex_lock(&pace->lock);
    smooth(&pace->busy_ms, cz_now_ms() - pace->since_ms);
    pace->busy = false;
    pthread_cond_broadcast(&pace->changed);
    pthread_mutex_unlock(&pace->lock);
}

void app_pace_stop(struct app_pace *pace)
{
    pthread_mutex_lock(&pace->lock);
    pace->stopped = true;
    pthread_cond_broadcast(&pace->changed);
    pthread_mutex_unlock(&pace->lock);
}

bool app_pace_sleep(struct app_pace *pace, double ms)
{
    const double until_ms = cz_now_ms() + ms;
    pthread_mutex_lock(&pace->lock);
    while (!pace->stopped && cz_now_ms() < until_ms)
        app_condition_wait(&pace->changed, &pace->lock, until_ms);
    const bool goes_on = !pace->stopped;
    pthread_mutex_unlock(&pace->lock);
    return goes_on;
}
