/* Queues of frames and the pace of reading, from several threads. */
#include <pthread.h>

#include "app/camera.h"
#include "core/clock.h"
#include "tests/support/support.h"

#define SLACK_MS 60 /* a busy machine wakes threads late */

static struct app_camera_frame frames[3];

static void gives_the_oldest_first(void **state)
{
    struct app_frame_queue q;
    struct app_camera_frame *frame;
    (void)state;
    app_queue_init(&q, 3);
    for (int i = 0; i < 3; i++)
        assert_true(app_queue_put(&q, &frames[i]));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(app_queue_take(&frame, &q, -1), APP_TAKEN);
        assert_ptr_equal(frame, &frames[i]);
    }
    assert_int_equal(app_queue_take(&frame, &q, 1), APP_TAKEN_NONE);
    assert_null(frame);
    app_queue_fini(&q);
}

static void newest_displaces_the_oldest_where_it_is_full(void **state)
{
    struct app_frame_queue q;
    struct app_camera_frame *frame;
    (void)state;
    app_queue_init(&q, 2);
    assert_null(app_queue_put_newest(&q, &frames[0]));
    assert_null(app_queue_put_newest(&q, &frames[1]));
    assert_ptr_equal(app_queue_put_newest(&q, &frames[2]), &frames[0]);
    assert_int_equal(app_queue_take(&frame, &q, 0), APP_TAKEN);
    assert_ptr_equal(frame, &frames[1]);
    app_queue_fini(&q);
}

static void what_is_in_a_closed_queue_still_comes(void **state)
{
    struct app_frame_queue q;
    struct app_camera_frame *frame;
    (void)state;
    app_queue_init(&q, 2);
    app_queue_put(&q, &frames[0]);
    app_queue_close(&q);
    assert_false(app_queue_put(&q, &frames[1]));
    assert_ptr_equal(app_queue_put_newest(&q, &frames[1]), &frames[1]);
    assert_int_equal(app_queue_take(&frame, &q, -1), APP_TAKEN);
    assert_int_equal(app_queue_take(&frame, &q, -1), APP_TAKEN_CLOSED);
    app_queue_fini(&q);
}

static void *put_one_more(void *queue)
{
    return app_queue_put(queue, &frames[1]) ? &frames[1] : NULL;
}

static void full_queue_waits_until_one_is_taken_or_it_closes(void **state)
{
    struct app_frame_queue q;
    struct app_camera_frame *frame;
    pthread_t thread;
    void *result;
    (void)state;
    app_queue_init(&q, 1);
    app_queue_put(&q, &frames[0]);
    pthread_create(&thread, NULL, put_one_more, &q);
    assert_int_equal(app_queue_take(&frame, &q, -1), APP_TAKEN);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &frames[1]);
    pthread_create(&thread, NULL, put_one_more, &q);
    app_queue_close(&q);
    pthread_join(thread, &result);
    assert_null(result);
    app_queue_fini(&q);
}

/* 200 ms of inference less 50 ms of reading, and a moment, are waited for. */
static void reads_just_in_time(void **state)
{
    struct app_pace pace;
    (void)state;
    app_pace_init(&pace);
    pace.busy_ms = 200;
    app_pace_give(&pace, 50);
    app_pace_begin(&pace);
    const double start_ms = cz_now_ms();
    app_pace_wait(&pace);
    const double passed_ms = cz_now_ms() - start_ms;
    if (passed_ms < 140 || passed_ms > 150 + SLACK_MS)
        fail_msg("waited %.1f ms, want about 148", passed_ms);
    app_pace_end(&pace);
    app_pace_wait(&pace); /* nothing is run: at once */
    assert_true(cz_now_ms() - start_ms < passed_ms + SLACK_MS);
    app_pace_fini(&pace);
}

static void *stop_soon(void *pace)
{
    app_pace_stop(pace);
    return NULL;
}

static void nobody_waits_any_more_when_it_is_stopped(void **state)
{
    struct app_pace pace;
    pthread_t thread;
    (void)state;
    app_pace_init(&pace);
    app_pace_give(&pace, 1); /* a frame that nobody takes */
    pthread_create(&thread, NULL, stop_soon, &pace);
    app_pace_wait(&pace);
    assert_false(app_pace_sleep(&pace, 1e6));
    pthread_join(thread, NULL);
    app_pace_fini(&pace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_oldest_first),
        cmocka_unit_test(newest_displaces_the_oldest_where_it_is_full),
        cmocka_unit_test(what_is_in_a_closed_queue_still_comes),
        cmocka_unit_test(full_queue_waits_until_one_is_taken_or_it_closes),
        cmocka_unit_test(reads_just_in_time),
        cmocka_unit_test(nobody_waits_any_more_when_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
