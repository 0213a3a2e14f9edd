/* Frames on their way from thread to thread: a bounded queue. */
#ifndef CZ_APP_FRAME_QUEUE_H
#define CZ_APP_FRAME_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct app_camera_frame;

#define APP_QUEUE_ROOM 8

struct app_frame_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct app_camera_frame *items[APP_QUEUE_ROOM]; /* the oldest first */
    size_t count, capacity;
    bool closed;
};

/* `capacity`: 1 to APP_QUEUE_ROOM. End with _fini. */
void app_queue_init(struct app_frame_queue *queue, size_t capacity);
void app_queue_fini(struct app_frame_queue *queue);

/* Waits until there is room; false: the queue is closed. */
bool app_queue_put(struct app_frame_queue *queue,
                   struct app_camera_frame *frame);

/* Waits for nothing: where the queue is full, the oldest frame is given back,
 * and where it is closed, `frame` itself; else NULL. */
struct app_camera_frame *app_queue_put_newest(struct app_frame_queue *queue,
                                              struct app_camera_frame *frame);

enum app_taken { APP_TAKEN, APP_TAKEN_NONE, APP_TAKEN_CLOSED };

/* The oldest frame. Waits for `timeout_ms` at most (APP_TAKEN_NONE), without
 * end for a negative one. What is in a closed queue still comes. */
enum app_taken app_queue_take(struct app_camera_frame **frame,
                              struct app_frame_queue *queue, double timeout_ms);

/* Nothing is put any more, and nobody waits. */
void app_queue_close(struct app_frame_queue *queue);

/* For threads that wait: conditions on the clock of cz_now_ms(). */
void app_condition_init(pthread_cond_t *condition);
/* Until `deadline_ms` of it at most. */
void app_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock,
                        double deadline_ms);

#endif
