/* What the files of `compress camera` share.
 *
 *     capture thread -> ready -> inference thread -> results -> first thread
 *            ^                                                       |
 *            +--------------------- free <--------------------------+
 *
 * Frames go round and are used again. A live source replaces what waits in
 * `ready`; a file is read just in time, so that nothing waits there. */
#ifndef CZ_APP_CAMERA_H
#define CZ_APP_CAMERA_H

#include <stdatomic.h>
#include <stdio.h>

#include "app/detector.h"
#include "app/frame_queue.h"
#include "app/histogram.h"
#include "core/output.h"

struct app_camera_options {
    struct app_detector_options detector;
    struct cz_source_options source;
    const char *model, *compare; /* compare, save, csv, http: or NULL */
    const char *save, *csv, *http;
    size_t frames;    /* then it ends; 0: with the source */
    size_t reconnect; /* tries in a row; SIZE_MAX: no end of them */
    bool headless;
    const char *csi;    /* number of the sensor, or NULL */
    char pipeline[512]; /* that of --csi */
};

/* Parses the command line. False when the command is over, with its exit code
 * in `*exit_code`. Ends with _fini in any case. */
bool app_camera_options_parse(struct app_camera_options *options, int argc,
                              char **argv, int *exit_code);
void app_camera_options_fini(struct app_camera_options *options);

/* ---- times ------------------------------------------------------------ */

#define APP_MODELS_MAX 2

/* Of a frame. Those of the second model stand APP_TIMES_MODEL further. */
enum app_time {
    APP_TIME_CAPTURE, /* to pixels; live: without the wait for the camera */
    APP_TIME_WAIT,    /* for the inference before */
    APP_TIME_PRE,
    APP_TIME_INFERENCE,
    APP_TIME_POST,
    APP_TIMES_MODEL = APP_TIME_POST + 1 - APP_TIME_PRE,
    APP_TIME_DRAW = APP_TIME_PRE + APP_MODELS_MAX * APP_TIMES_MODEL,
    APP_TIME_OUTPUT,  /* --save, --csv, --http, the window */
    APP_TIME_LATENCY, /* from the start of capture until boxes are there */
    APP_TIME_COUNT
};

#define APP_RATE_FRAMES 30

/* What happened so far. Read and written under `lock`. */
struct app_camera_stats {
    pthread_mutex_t lock;
    struct app_histogram times[APP_TIME_COUNT];
    size_t frames, boxes[APP_MODELS_MAX], changes; /* of size */
    size_t width, height;                          /* of the last frame */
    double start_ms, last_ms;                      /* of the results */
    double recent_ms[APP_RATE_FRAMES];             /* a ring */
};

struct app_camera_frame {
    struct cz_image image;
    size_t number; /* of those that were read, from 1 */
    double start_ms, ready_ms, done_ms;
    double times[APP_TIME_COUNT];
    struct cz_boxes boxes[APP_MODELS_MAX]; /* [max_boxes] */
};

void app_camera_note(struct app_camera_stats *stats,
                     const struct app_camera_frame *frame, size_t n_models);
/* Frames a second: of the last APP_RATE_FRAMES, of all. */
double app_camera_rate(const struct app_camera_stats *stats);
double app_camera_mean_rate(const struct app_camera_stats *stats);

/* ---- the pipeline ----------------------------------------------------- */

enum app_camera_end {
    APP_END_NONE,        /* it runs */
    APP_END_OF_STREAM,   /* the source has no more */
    APP_END_FRAMES,      /* --frames are done */
    APP_END_INTERRUPTED, /* Ctrl-C, SIGTERM */
    APP_END_CLOSED,      /* the window */
    APP_END_LOST,        /* the source, for good */
    APP_END_FAILED
};

/* When the inference will want the next frame of a file. */
struct app_pace {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t given, taken; /* frames, to and by the inference */
    bool busy;           /* it has one, since: */
    double since_ms;
    double busy_ms, capture_ms; /* what a frame takes, smoothed */
    bool stopped;
};

/* Three threads use it, so it lives on the heap. */
struct app_pipeline {
    const struct app_camera_options *options;
    const struct cz_video *video;
    struct cz_session *sessions[APP_MODELS_MAX];
    size_t n_models;
    struct app_camera_frame frames[APP_QUEUE_ROOM];
    struct app_frame_queue free, ready, results;
    struct app_pace pace;
    struct cz_source_facts facts; /* of the first connection; once is_open */
    atomic_bool is_open;
    atomic_size_t captured, dropped, reconnects;
    atomic_int end;         /* enum app_camera_end; the first one counts */
    struct cz_error failed; /* of it; once the threads have ended */
    pthread_t capture, inference;
    bool has_capture, has_inference;
};

/* Frames, and all that the threads wait on; _free ends it. sessions[] are open
 * and stay so. */
enum cz_status app_pipeline_prepare(struct app_pipeline *pipeline,
                                    struct cz_error *err);
/* Starts both threads. */
enum cz_status app_pipeline_start(struct app_pipeline *pipeline,
                                  struct cz_error *err);
/* Asks both to end, for this reason if there is none yet. Any thread. */
void app_pipeline_stop(struct app_pipeline *pipeline, enum app_camera_end end);
/* The same for an error. */
void app_pipeline_fail(struct app_pipeline *pipeline, enum app_camera_end end,
                       const struct cz_error *err);
/* Waits for both. False: the source does not come back from a call, and the
 * capture thread has to be left alone with all that it uses. */
bool app_pipeline_join(struct app_pipeline *pipeline);
void app_pipeline_free(struct app_pipeline *pipeline,
                       const struct cz_opencv *opencv);

/* The capture thread; see app/camera_capture.c. */
void *app_camera_capture(void *pipeline);

void app_pace_init(struct app_pace *pace);
void app_pace_fini(struct app_pace *pace);
/* Waits until a frame that is read now is ready just when it is wanted. */
void app_pace_wait(struct app_pace *pace);
void app_pace_give(struct app_pace *pace, double capture_ms);
/* The inference takes a frame; it is done with it. */
void app_pace_begin(struct app_pace *pace);
void app_pace_end(struct app_pace *pace);
/* Nobody waits any more. */
void app_pace_stop(struct app_pace *pace);
/* False when it was stopped meanwhile. */
bool app_pace_sleep(struct app_pace *pace, double ms);

/* ---- what comes of it ------------------------------------------------- */

struct app_http;

struct app_camera {
    const struct app_camera_options *options;
    struct app_detector detectors[APP_MODELS_MAX];
    size_t n_models;
    struct cz_video *video;
    struct app_pipeline *pipeline;
    struct app_camera_stats stats;
    json_t *models; /* of the report; made before the threads start */
    /* See app/camera_output.c. */
    struct cz_window *window;
    struct cz_writer *writer;
    struct cz_image saved; /* where frames of other sizes are fitted in */
    size_t n_saved;        /* frames in the file */
    double saved_since_ms;
    struct cz_output csv;
    FILE *csv_file;
    struct cz_image canvas; /* two pictures side by side */
    size_t canvas_bytes;
    struct cz_panel panels[APP_MODELS_MAX];
    double panel_ms; /* when their figures were made */
    struct app_http *http;
    bool is_kept; /* files have their names */
};

/* Opens what can be opened before the first frame; checks the rest. */
enum cz_status app_camera_output_check(const struct app_camera_options *options,
                                       struct cz_error *err);
enum cz_status app_camera_output_open(struct app_camera *camera,
                                      struct cz_error *err);
/* Draws, writes, shows. */
enum cz_status app_camera_output_frame(struct app_camera *camera,
                                       struct app_camera_frame *frame,
                                       struct cz_error *err);
/* Gives the files their names. */
enum cz_status app_camera_output_commit(struct app_camera *camera,
                                        struct cz_error *err);
/* Ends what is open, without files that were not committed. */
void app_camera_output_close(struct app_camera *camera);

/* Boxes and figures: on the frame itself or, of two models, side by side on
 * camera->canvas. */
enum cz_status app_camera_draw(const struct cz_image **picture,
                               struct app_camera *camera,
                               struct app_camera_frame *frame,
                               struct cz_error *err);

/* Reports: the object of compress.camera/1, for people. */
json_t *app_camera_models_json(const struct app_camera *camera);
json_t *app_camera_json(struct app_camera *camera);
void app_camera_print(struct app_camera *camera);

/* ---- the page --------------------------------------------------------- */

/* Listens at "[ADDR:]PORT", 127.0.0.1 without ADDR; a port of 0: any. CZ_EIO
 * where that is not possible. */
enum cz_status app_http_open(struct app_http **http, const char *address,
                             struct cz_error *err);
/* Serves the page, /stream and /stats, which `stats` makes, in threads of its
 * own until _close. */
enum cz_status app_http_start(struct app_http *http,
                              json_t *(*stats)(void *user), void *user,
                              struct cz_error *err);
const char *app_http_url(const struct app_http *http);
/* Whether somebody watches. */
bool app_http_is_watched(struct app_http *http);
/* The next picture of the stream. */
enum cz_status app_http_publish(struct app_http *http,
                                const struct cz_image *image,
                                const struct cz_opencv *opencv,
                                struct cz_error *err);
void app_http_close(struct app_http *http, const struct cz_opencv *opencv);

#endif
