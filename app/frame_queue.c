/* A bounded queue of frames; see frame_queue.h. */
#include "app/frame_queue.h"

#include <string.h>

#include "core/clock.h"

void app_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void app_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                        double deadline_ms)
{
    const double whole_s = (double)(time_t)(deadline_ms / 1e3);
    const struct timespec until = {
        .tv_sec = (time_t)whole_s,
        .tv_nsec = (long)((deadline_ms - whole_s * 1e3) * 1e6)};
    pthread_cond_timedwait(condition, lock, &until);
}

void app_queue_init(struct app_frame_queue *queue, size_t capacity)
{
    *queue = (struct app_frame_queue){.capacity = capacity};
    pthread_mutex_init(&queue->lock, NULL);
    app_condition_init(&queue->changed);
}

void app_queue_fini(struct app_frame_queue *queue)
{
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

static void append(struct app_frame_queue *queue,
                   struct app_camera_frame *frame)
{
    queue->items[queue->count++] = frame;
    pthread_cond_broadcast(&queue->changed);
}

static struct app_camera_frame *remove_oldest(struct app_frame_queue *queue)
{
    struct app_camera_frame *oldest = queue->items[0];
    queue->count--;
    memmove(queue->items, queue->items + 1,
            queue->count * sizeof *queue->items);
    pthread_cond_broadcast(&queue->changed);
    return oldest;
}

bool app_queue_put(struct app_frame_queue *queue,
                   struct app_camera_frame *frame)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->count == queue->capacity)
        pthread_cond_wait(&queue->changed, &queue->lock);
    const bool is_open = !queue->closed;
    if (is_open)
        append(queue, frame);
    pthread_mutex_unlock(&queue->lock);
    return is_open;
}

struct app_camera_frame *app_queue_put_newest(struct app_frame_queue *queue,
                                              struct app_camera_frame *frame)
{
    struct app_camera_frame *back = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        back = frame;
    } else {
        if (queue->count == queue->capacity)
            back = remove_oldest(queue);
        append(queue, frame);
    }
    pthread_mutex_unlock(&queue->lock);
    return back;
}

enum app_taken app_queue_take(struct app_camera_frame **frame,
                              struct app_frame_queue *queue, double timeout_ms)
{
    const double deadline_ms = cz_now_ms() + timeout_ms;
    enum app_taken taken = APP_TAKEN_NONE;
    *frame = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->closed) {
        if (timeout_ms < 0)
            pthread_cond_wait(&queue->changed, &queue->lock);
        else if (cz_now_ms() < deadline_ms)
            app_condition_wait(&queue->changed, &queue->lock, deadline_ms);
        else
            break;
    }
    if (queue->count) {
        *frame = remove_oldest(queue);
        taken = APP_TAKEN;
    } else if (queue->closed) {
        taken = APP_TAKEN_CLOSED;
    }
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

void app_queue_close(struct app_frame_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
