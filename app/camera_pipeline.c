/* The threads of `compress camera`, and the frames that go round. */
#include <string.h>

#include "app/camera.h"
#include "core/alloc.h"
#include "core/clock.h"

/* One frame each that is read, waits, is run, waits for the output, is
 * drawn. */
#define N_FRAMES 5
/* A source that was told to stop comes back within: */
#define PATIENCE_S 2

/* ---- inference -------------------------------------------------------- */

static void keep_boxes(struct cz_boxes *kept, const struct cz_boxes *boxes)
{
    const size_t count =
        boxes->count < kept->capacity ? boxes->count : kept->capacity;
    if (count)
        memcpy(kept->items, boxes->items, count * sizeof *kept->items);
    kept->count = count;
}

static enum cz_status run_model(struct app_pipeline *p,
                                struct app_camera_frame *frame, size_t model,
                                struct cz_error *err)
{
    struct cz_stage_times stages = {.wall_ms = {0}};
    const struct cz_boxes *boxes;
    double *times = frame->times + model * APP_TIMES_MODEL;
    CZ_TRY(cz_session_run(p->sessions[model], &boxes, &stages, &frame->image,
                          err));
    keep_boxes(&frame->boxes[model], boxes);
    times[APP_TIME_PRE] = stages.wall_ms[CZ_STAGE_LETTERBOX];
    times[APP_TIME_INFERENCE] = stages.wall_ms[CZ_STAGE_INFERENCE];
    times[APP_TIME_POST] =
        stages.wall_ms[CZ_STAGE_DECODE] + stages.wall_ms[CZ_STAGE_NMS];
    return CZ_OK;
}

static enum cz_status run_models(struct app_pipeline *p,
                                 struct app_camera_frame *frame,
                                 struct cz_error *err)
{
    frame->times[APP_TIME_WAIT] = cz_now_ms() - frame->ready_ms;
    for (size_t model = 0; model < p->n_models; model++)
        CZ_TRY(run_model(p, frame, model, err));
    frame->done_ms = cz_now_ms();
    frame->times[APP_TIME_LATENCY] = frame->done_ms - frame->start_ms;
    return CZ_OK;
}

static void *infer(void *argument)
{
    struct app_pipeline *p = argument;
    struct app_camera_frame *frame;
    struct cz_error err = CZ_ERROR_INIT;
    size_t done = 0;
    while (app_queue_take(&frame, &p->ready, -1) == APP_TAKEN &&
           atomic_load(&p->end) == APP_END_NONE) {
        app_pace_begin(&p->pace);
        if (run_models(p, frame, &err) != CZ_OK)
            app_pipeline_fail(p, APP_END_FAILED, &err);
        else
            app_queue_put(&p->results, frame);
        app_pace_end(&p->pace);
        if (++done == p->options->frames)
            app_pipeline_stop(p, APP_END_FRAMES);
    }
    app_pipeline_stop(p, APP_END_OF_STREAM);
    app_queue_close(&p->results);
    return NULL;
}

/* ---- start and end ---------------------------------------------------- */

static enum cz_status make_frames(struct app_pipeline *p, struct cz_error *err)
{
    for (size_t i = 0; i < N_FRAMES; i++) {
        for (size_t m = 0; m < p->n_models; m++) {
            struct cz_boxes *boxes = &p->frames[i].boxes[m];
            boxes->capacity = cz_session_thresholds(p->sessions[m])->max_boxes;
            boxes->items = cz_calloc(boxes->capacity, sizeof *boxes->items);
            if (!boxes->items)
                return cz_error_nomem(err);
        }
        app_queue_put(&p->free, &p->frames[i]);
    }
    return CZ_OK;
}

enum cz_status app_pipeline_prepare(struct app_pipeline *p,
                                    struct cz_error *err)
{
    app_queue_init(&p->free, N_FRAMES);
    app_queue_init(&p->ready, 1);
    app_queue_init(&p->results, 1);
    app_pace_init(&p->pace);
    return make_frames(p, err);
}

enum cz_status app_pipeline_start(struct app_pipeline *p, struct cz_error *err)
{
    p->has_inference = pthread_create(&p->inference, NULL, infer, p) == 0;
    p->has_capture =
        p->has_inference &&
        pthread_create(&p->capture, NULL, app_camera_capture, p) == 0;
    return p->has_capture
               ? CZ_OK
               : cz_error_set(err, CZ_ENOMEM, "no thread can be started");
}

void app_pipeline_stop(struct app_pipeline *p, enum app_camera_end end)
{
    int none = APP_END_NONE;
    atomic_compare_exchange_strong(&p->end, &none, end);
    app_pace_stop(&p->pace);
    app_queue_close(&p->free);
    app_queue_close(&p->ready);
}

void app_pipeline_fail(struct app_pipeline *p, enum app_camera_end end,
                       const struct cz_error *err)
{
    int none = APP_END_NONE;
    if (atomic_compare_exchange_strong(&p->end, &none, end))
        p->failed = *err;
    app_pipeline_stop(p, end);
}

bool app_pipeline_join(struct app_pipeline *p)
{
    struct timespec until;
    if (p->has_inference)
        pthread_join(p->inference, NULL);
    if (!p->has_capture)
        return true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return pthread_timedjoin_np(p->capture, NULL, &until) == 0;
}

void app_pipeline_free(struct app_pipeline *p, const struct cz_opencv *opencv)
{
    for (size_t i = 0; i < N_FRAMES; i++) {
        cz_image_free(&p->frames[i].image, opencv);
        for (size_t m = 0; m < APP_MODELS_MAX; m++)
            cz_free(p->frames[i].boxes[m].items);
    }
    app_queue_fini(&p->free);
    app_queue_fini(&p->ready);
    app_queue_fini(&p->results);
    app_pace_fini(&p->pace);
    cz_free(p);
}
