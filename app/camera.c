/* `compress camera`: a detector on a camera or a video. Opens models, outputs
 * and the pipeline, hands on its results, and closes all in any case. */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/camera.h"
#include "app/json_memory.h"
#include "app/progress.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/clock.h"

/* How soon Ctrl-C is heard where no frames come. */
#define LOOK_MS 100

/* ---- opening ---------------------------------------------------------- */

static enum cz_status open_models(struct app_camera *camera,
                                  struct cz_error *err)
{
    const struct app_camera_options *options = camera->options;
    const char *const models[] = {options->model, options->compare};
    for (size_t m = 0; m < APP_MODELS_MAX && models[m]; m++) {
        camera->n_models++;
        CZ_TRY(app_detector_open(&camera->detectors[m], models[m],
                                 &options->detector, err));
    }
    camera->models = app_camera_models_json(camera);
    return CZ_OK;
}

static json_t *stats_json(void *user)
{
    return app_camera_json(user);
}

static enum cz_status start_page(struct app_camera *camera,
                                 struct cz_error *err)
{
    if (!camera->http)
        return CZ_OK;
    CZ_TRY(app_http_start(camera->http, stats_json, camera, err));
    if (!camera->options->detector.quiet)
        fprintf(stderr, "compress: watch at %s\n", app_http_url(camera->http));
    return CZ_OK;
}

static enum cz_status make_pipeline(struct app_camera *camera,
                                    struct cz_error *err)
{
    struct app_pipeline *p = cz_calloc(1, sizeof *p);
    if (!p)
        return cz_error_nomem(err);
    camera->pipeline = p;
    p->options = camera->options;
    p->video = camera->video;
    p->n_models = camera->n_models;
    for (size_t m = 0; m < camera->n_models; m++)
        p->sessions[m] = camera->detectors[m].session;
    return app_pipeline_prepare(p, err);
}

static enum cz_status open_all(struct app_camera *camera, struct cz_error *err)
{
    const struct app_camera_options *options = camera->options;
    CZ_TRY(cz_source_check(options->source.text, err));
    CZ_TRY(app_camera_output_check(options, err));
    if (options->http)
        CZ_TRY(app_http_open(&camera->http, options->http, err));
    CZ_TRY(open_models(camera, err));
    CZ_TRY(cz_video_open(&camera->video, options->source.text, err));
    CZ_TRY(make_pipeline(camera, err));
    CZ_TRY(app_camera_output_open(camera, err));
    CZ_TRY(start_page(camera, err));
    return app_pipeline_start(camera->pipeline, err);
}

/* ---- frames ----------------------------------------------------------- */

/* A frame that cannot be written ends it all; those behind it are let go. */
static void hand_on(struct app_camera *camera, struct app_camera_frame *frame)
{
    struct app_pipeline *p = camera->pipeline;
    struct cz_error err;
    if (atomic_load(&p->end) != APP_END_FAILED &&
        app_camera_output_frame(camera, frame, &err) != CZ_OK)
        app_pipeline_fail(p, APP_END_FAILED, &err);
    app_queue_put(&p->free, frame);
}

/* OpenCV waits without end for a pipeline that never starts, as one does whose
 * elements are not installed; files and addresses have limits of their own. */
static void look_at_start(struct app_camera *camera, double since_ms)
{
    const struct cz_source_options *source = &camera->options->source;
    const enum cz_source_kind kind = cz_source_kind(source->text);
    struct cz_error err;
    if (atomic_load(&camera->pipeline->is_open) ||
        cz_now_ms() - since_ms < source->timeout_ms ||
        (kind != CZ_SOURCE_PIPELINE && kind != CZ_SOURCE_CAMERA))
        return;
    cz_error_set(&err, CZ_EIO,
                 "%s: did not start within %d s; is all of it there? "
                 "--timeout waits longer",
                 source->text, source->timeout_ms / 1000);
    app_pipeline_fail(camera->pipeline, APP_END_FAILED, &err);
}

static void hand_on_all(struct app_camera *camera)
{
    const double start_ms = cz_now_ms();
    struct app_pipeline *p = camera->pipeline;
    struct app_camera_frame *frame;
    struct app_progress progress;
    enum app_taken taken;
    app_progress_init(&progress, camera->options->detector.quiet ||
                                     camera->options->detector.json);
    while ((taken = app_queue_take(&frame, &p->results, LOOK_MS)) !=
           APP_TAKEN_CLOSED) {
        if (taken == APP_TAKEN)
            hand_on(camera, frame);
        look_at_start(camera, start_ms);
        const size_t total = atomic_load(&p->is_open) ? p->facts.frames : 0;
        if (!cz_progress_tick(&progress.callback, "camera",
                              total ? camera->stats.frames : 0, total))
            app_pipeline_stop(p, APP_END_INTERRUPTED);
    }
    app_progress_fini(&progress);
}

/* ---- the end ---------------------------------------------------------- */

/* Ctrl-C is how one ends a camera; a file has an end of its own. */
static enum cz_status interrupted(const struct app_camera *camera,
                                  struct cz_error *err)
{
    const struct app_pipeline *p = camera->pipeline;
    const size_t frames = camera->stats.frames;
    if (frames && p->facts.is_live)
        return CZ_OK;
    if (frames && p->facts.frames)
        return cz_error_set(err, CZ_EINTERRUPTED,
                            "interrupted after %zu of %zu frames", frames,
                            p->facts.frames);
    return cz_error_set(err, CZ_EINTERRUPTED, "interrupted after %zu frames",
                        frames);
}

/* How it ended: after a failure nothing is kept, after all else what was done
 * until then is. */
static enum cz_status conclude(struct app_camera *camera, struct cz_error *err)
{
    struct app_pipeline *p = camera->pipeline;
    const int end = atomic_load(&p->end);
    if (end == APP_END_FAILED) {
        *err = p->failed;
        return p->failed.code;
    }
    CZ_TRY(app_camera_output_commit(camera, err));
    camera->is_kept = true;
    if (end == APP_END_LOST) {
        *err = p->failed;
        return p->failed.code;
    }
    return end == APP_END_INTERRUPTED ? interrupted(camera, err) : CZ_OK;
}

static bool is_worth_telling(const struct app_camera *camera)
{
    return camera->stats.frames && camera->is_kept;
}

static void report(struct app_camera *camera)
{
    if (camera->options->detector.json)
        app_print_json(app_camera_json(camera));
    else if (!camera->options->detector.quiet)
        app_camera_print(camera);
}

/* Where the capture thread is still in a call that does not come back, what it
 * uses stays. */
static void close_all(struct app_camera *camera, bool is_joined)
{
    const struct cz_opencv *opencv = camera->detectors[0].opencv;
    app_http_close(camera->http, opencv);
    app_camera_output_close(camera);
    if (camera->pipeline && is_joined) {
        app_pipeline_free(camera->pipeline, opencv);
        cz_video_close(camera->video);
    }
    for (size_t m = 0; m < camera->n_models; m++)
        app_detector_close(&camera->detectors[m]);
    json_decref(camera->models);
    pthread_mutex_destroy(&camera->stats.lock);
    cz_free(camera);
}

static int run(const struct app_camera_options *options)
{
    struct cz_error err = CZ_ERROR_INIT;
    bool is_joined = true;
    struct app_camera *camera = cz_calloc(1, sizeof *camera);
    if (!camera) {
        cz_error_nomem(&err);
        return app_fail(&err);
    }
    camera->options = options;
    camera->csv.fd = -1;
    pthread_mutex_init(&camera->stats.lock, NULL);
    enum cz_status status = open_all(camera, &err);
    if (status == CZ_OK)
        hand_on_all(camera);
    else if (camera->pipeline)
        app_pipeline_stop(camera->pipeline, APP_END_FAILED);
    if (camera->pipeline)
        is_joined = app_pipeline_join(camera->pipeline);
    if (status == CZ_OK)
        status = conclude(camera, &err);
    const int exit_code = status == CZ_OK ? APP_DONE : app_fail(&err);
    if (is_worth_telling(camera))
        report(camera);
    close_all(camera, is_joined);
    return exit_code;
}

int app_camera(int argc, char **argv)
{
    struct app_camera_options options;
    int exit_code;
    if (app_camera_options_parse(&options, argc, argv, &exit_code))
        exit_code = run(&options);
    app_camera_options_fini(&options);
    return exit_code;
}
