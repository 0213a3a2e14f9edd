/* Where frames go: the video of --save, the rows of --csv, the page of --http,
 * a window. Files are opened with the first frame and get their names at the
 * end, so that what ends before leaves nothing. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/camera.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"

#define FPS_UNKNOWN 25
/* A live source that pauses longer leaves a cut in the video. */
#define PAUSE_MAX_S 10

enum cz_status app_camera_output_check(const struct app_camera_options *options,
                                       struct cz_error *err)
{
    const bool force = options->detector.force;
    const char *source = options->source.text;
    if ((options->save && cz_file_is_same(options->save, source)) ||
        (options->csv && cz_file_is_same(options->csv, source)))
        return cz_error_set(err, CZ_EINVAL, "%s: would replace the source",
                            source);
    if (options->save)
        CZ_TRY(cz_writer_check(options->save, force, err));
    return options->csv ? cz_output_try(options->csv, force, err) : CZ_OK;
}

enum cz_status app_camera_output_open(struct app_camera *camera,
                                      struct cz_error *err)
{
    camera->csv.fd = -1;
    if (camera->options->headless || !cz_window_possible())
        return CZ_OK;
    return cz_window_open(&camera->window, "compress camera", err);
}

/* ---- the video -------------------------------------------------------- */

static double saved_fps(const struct app_camera *camera)
{
    const double fps = camera->pipeline->facts.fps;
    return fps >= 1 && fps <= 240 ? fps : FPS_UNKNOWN;
}

static enum cz_status open_writer(struct app_camera *camera,
                                  const struct cz_image *picture,
                                  struct cz_error *err)
{
    const struct cz_writer_options options = {
        .path = camera->options->save,
        .overwrite = camera->options->detector.force,
        .fps = saved_fps(camera),
        .width = picture->width,
        .height = picture->height};
    camera->saved.width = picture->width;
    camera->saved.height = picture->height;
    camera->saved.step = 3 * picture->width;
    return cz_writer_open(&camera->writer, camera->video, &options, err);
}

/* A frame of another size, on black, as large as fits. */
static enum cz_status fit_saved(struct app_camera *camera,
                                const struct cz_image *picture,
                                struct cz_error *err)
{
    struct cz_image *saved = &camera->saved;
    const struct cz_input_format format = {.width = saved->width,
                                           .height = saved->height};
    struct cz_fit fit;
    if (!saved->pixels)
        saved->pixels = cz_malloc(saved->step * saved->height);
    if (!saved->pixels)
        return cz_error_nomem(err);
    memset(saved->pixels, 0, saved->step * saved->height);
    cz_letterbox_fit(&fit, &format, picture->width, picture->height);
    struct cz_image part = *saved;
    part.pixels += fit.top * saved->step + 3 * fit.left;
    part.width = fit.width;
    part.height = fit.height;
    return cz_image_scale(&part, picture, camera->video, err);
}

/* How often this frame stands in the file: files as they are, live sources so
 * that the video runs as fast as the world did. */
static size_t copies(struct app_camera *camera,
                     const struct app_camera_frame *frame)
{
    if (!camera->pipeline->facts.is_live)
        return 1;
    if (camera->n_saved == 0)
        camera->saved_since_ms = frame->start_ms;
    const double fps = saved_fps(camera);
    const double passed_s = (frame->start_ms - camera->saved_since_ms) / 1e3;
    const double missing = floor(passed_s * fps) + 1 - (double)camera->n_saved;
    if (missing <= PAUSE_MAX_S * fps)
        return missing > 0 ? (size_t)missing : 0;
    camera->saved_since_ms =
        frame->start_ms - (double)camera->n_saved / fps * 1e3;
    return 1;
}

static enum cz_status save(struct app_camera *camera,
                           const struct cz_image *picture,
                           const struct app_camera_frame *frame,
                           struct cz_error *err)
{
    if (!camera->writer)
        CZ_TRY(open_writer(camera, picture, err));
    if (picture->width != camera->saved.width ||
        picture->height != camera->saved.height) {
        CZ_TRY(fit_saved(camera, picture, err));
        picture = &camera->saved;
    }
    for (size_t n = copies(camera, frame); n > 0; n--) {
        CZ_TRY(cz_writer_write(camera->writer, picture, err));
        camera->n_saved++;
    }
    return CZ_OK;
}

/* ---- the table -------------------------------------------------------- */

static enum cz_status open_csv(struct app_camera *camera, struct cz_error *err)
{
    CZ_TRY(cz_output_open(&camera->csv, camera->options->csv,
                          camera->options->detector.force, err));
    const int copy = dup(camera->csv.fd);
    camera->csv_file = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (!camera->csv_file) {
        if (copy >= 0)
            close(copy);
        return cz_file_fail(camera->options->csv, err);
    }
    fputs("frame,time_ms,width,height,dropped,boxes,capture_ms,wait_ms,pre_ms,"
          "inference_ms,post_ms,latency_ms,draw_ms",
          camera->csv_file);
    if (camera->n_models > 1)
        fputs(",boxes_2,pre_2_ms,inference_2_ms,post_2_ms", camera->csv_file);
    fputc('\n', camera->csv_file);
    return CZ_OK;
}

static void print_row(struct app_camera *camera,
                      const struct app_camera_frame *frame)
{
    FILE *file = camera->csv_file;
    const double *t = frame->times;
    const double *second = t + APP_TIMES_MODEL;
    const double since_ms =
        camera->stats.frames ? frame->start_ms - camera->stats.start_ms : 0;
    fprintf(file, "%zu,%.3f,%zu,%zu,%zu,%zu", frame->number, since_ms,
            frame->image.width, frame->image.height,
            atomic_load(&camera->pipeline->dropped), frame->boxes[0].count);
    fprintf(file, ",%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f", t[APP_TIME_CAPTURE],
            t[APP_TIME_WAIT], t[APP_TIME_PRE], t[APP_TIME_INFERENCE],
            t[APP_TIME_POST], t[APP_TIME_LATENCY], t[APP_TIME_DRAW]);
    if (camera->n_models > 1)
        fprintf(file, ",%zu,%.3f,%.3f,%.3f", frame->boxes[1].count,
                second[APP_TIME_PRE], second[APP_TIME_INFERENCE],
                second[APP_TIME_POST]);
    fputc('\n', file);
}

static enum cz_status write_row(struct app_camera *camera,
                                const struct app_camera_frame *frame,
                                struct cz_error *err)
{
    if (!camera->csv_file)
        CZ_TRY(open_csv(camera, err));
    print_row(camera, frame);
    if (!ferror(camera->csv_file))
        return CZ_OK;
    return cz_error_set(err, CZ_EIO, "%s: cannot write: %s",
                        camera->options->csv, strerror(errno));
}

static enum cz_status commit_csv(struct app_camera *camera,
                                 struct cz_error *err)
{
    const bool is_bad = ferror(camera->csv_file) != 0;
    const int result = fclose(camera->csv_file);
    camera->csv_file = NULL;
    if (is_bad || result != 0)
        return cz_error_set(err, CZ_EIO, "%s: cannot write: %s",
                            camera->options->csv, strerror(errno));
    return cz_output_commit(&camera->csv, err);
}

/* ---- a frame ---------------------------------------------------------- */

static enum cz_status show(struct app_camera *camera,
                           const struct cz_image *picture,
                           const struct app_camera_frame *frame,
                           struct cz_error *err)
{
    if (camera->options->save)
        CZ_TRY(save(camera, picture, frame, err));
    if (camera->http && app_http_is_watched(camera->http))
        CZ_TRY(app_http_publish(camera->http, picture,
                                camera->detectors[0].opencv, err));
    if (camera->window && !cz_window_show(camera->window, picture))
        app_pipeline_stop(camera->pipeline, APP_END_CLOSED);
    return CZ_OK;
}

enum cz_status app_camera_output_frame(struct app_camera *camera,
                                       struct app_camera_frame *frame,
                                       struct cz_error *err)
{
    const struct cz_image *picture;
    const double start_ms = cz_now_ms();
    const bool is_seen = camera->window || camera->options->save ||
                         (camera->http && app_http_is_watched(camera->http));
    if (!is_seen)
        frame->times[APP_TIME_DRAW] = 0;
    if (is_seen) {
        CZ_TRY(app_camera_draw(&picture, camera, frame, err));
        CZ_TRY(show(camera, picture, frame, err));
    }
    if (camera->options->csv)
        CZ_TRY(write_row(camera, frame, err));
    frame->times[APP_TIME_OUTPUT] =
        cz_now_ms() - start_ms - frame->times[APP_TIME_DRAW];
    app_camera_note(&camera->stats, frame, camera->n_models);
    return CZ_OK;
}

/* ---- the end ---------------------------------------------------------- */

enum cz_status app_camera_output_commit(struct app_camera *camera,
                                        struct cz_error *err)
{
    struct cz_writer *writer = camera->writer;
    camera->writer = NULL;
    if (writer)
        CZ_TRY(cz_writer_commit(writer, err));
    return camera->csv_file ? commit_csv(camera, err) : CZ_OK;
}

void app_camera_output_close(struct app_camera *camera)
{
    cz_writer_abort(camera->writer);
    if (camera->csv_file)
        fclose(camera->csv_file);
    cz_output_abort(&camera->csv);
    cz_window_close(camera->window);
    cz_free(camera->saved.pixels);
    cz_free(camera->canvas.pixels);
}
