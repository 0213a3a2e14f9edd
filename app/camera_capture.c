/* The capture thread: opens the source, reads frames, and opens a live source
 * again when it is lost, with longer and longer pauses. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/camera.h"
#include "app/text.h"
#include "core/clock.h"

#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 5000
/* OpenCV (4.6) does not see it when a stream goes on in another size: from
 * then on the picture, or the lower part of it, stands still. An address whose
 * last row has been the same for so many frames is opened again. Where that
 * changes nothing, the row is just so, and patience grows. */
#define STILL_FRAMES 10
#define STILL_GROWTH 8

struct capture {
    struct app_pipeline *pipeline;
    struct cz_source *source;
    size_t tries; /* in a row, without a frame in between */
    uint64_t last_row;
    size_t still, still_limit; /* frames with the same one */
    size_t width, height;      /* before it was opened again; 0: it was not */
};

static void tell(const struct app_camera_options *options, const char *what)
{
    if (options->detector.quiet)
        return;
    fputs("compress: ", stderr);
    app_print_clean(stderr, options->source.text);
    fprintf(stderr, ": %s\n", what);
}

static bool is_stopping(struct app_pipeline *p)
{
    return atomic_load(&p->end) != APP_END_NONE;
}

/* ---- opening ---------------------------------------------------------- */

static enum cz_status open_source(struct capture *c, struct cz_error *err)
{
    struct app_pipeline *p = c->pipeline;
    CZ_TRY(cz_source_open(&c->source, p->video, &p->options->source, err));
    if (!atomic_load(&p->is_open))
        p->facts = *cz_source_facts(c->source);
    atomic_store(&p->is_open, true);
    return CZ_OK;
}

static void give_up(struct app_pipeline *p, size_t tries)
{
    struct cz_error err;
    cz_error_set(&err, CZ_EIO, "%s: lost; tried %zu time%s to get it back",
                 p->options->source.text, tries, tries == 1 ? "" : "s");
    app_pipeline_fail(p, APP_END_LOST, &err);
}

/* Tries until the source is there again; false: it is over. */
static bool reconnect(struct capture *c)
{
    struct app_pipeline *p = c->pipeline;
    cz_source_close(c->source);
    c->source = NULL;
    if (c->tries == 0)
        tell(p->options, "lost; trying to get it back");
    while (!c->source) {
        if (c->tries >= p->options->reconnect) {
            give_up(p, c->tries);
            return false;
        }
        const double pause_ms = PAUSE_MIN_MS * exp2((double)c->tries++);
        if (!app_pace_sleep(&p->pace, fmin(pause_ms, PAUSE_MAX_MS)))
            return false;
        open_source(c, NULL);
    }
    atomic_fetch_add(&p->reconnects, 1);
    return true;
}

/* ---- pictures that stand still ---------------------------------------- */

/* FNV-1a, eight bytes at a time. */
static uint64_t hash_last_row(const struct cz_image *image)
{
    const uint8_t *row = image->pixels + (image->height - 1) * image->step;
    uint64_t hash = 14695981039346656037U, part;
    for (size_t i = 0; i + sizeof part <= 3 * image->width; i += sizeof part) {
        memcpy(&part, row + i, sizeof part);
        hash = (hash ^ part) * 1099511628211U;
    }
    return hash;
}

/* Whether the frame, and many before it, are what such a stream looks like. */
static bool is_stuck(struct capture *c, const struct cz_image *image)
{
    const uint64_t row = hash_last_row(image);
    if (c->width) {
        const bool is_same =
            c->width == image->width && c->height == image->height;
        c->still_limit = is_same ? c->still_limit * STILL_GROWTH : STILL_FRAMES;
        c->width = c->height = 0;
    }
    c->still = row == c->last_row ? c->still + 1 : 0;
    c->last_row = row;
    return c->pipeline->facts.kind == CZ_SOURCE_URL &&
           c->pipeline->facts.is_live && c->still >= c->still_limit;
}

static void open_again(struct capture *c, const struct cz_image *image)
{
    c->width = image->width;
    c->height = image->height;
    c->still = 0;
    tell(c->pipeline->options, "stands still; opening it again");
    cz_source_close(c->source);
    c->source = NULL;
    if (open_source(c, NULL) == CZ_OK)
        atomic_fetch_add(&c->pipeline->reconnects, 1);
}

/* ---- frames ----------------------------------------------------------- */

/* The latency of a live source begins when the frame is there: how long one
 * waits for it is up to the camera. */
static bool read_frame(struct capture *c, struct app_camera_frame *frame)
{
    frame->start_ms = cz_now_ms();
    if (!c->source || !cz_source_grab(c->source))
        return false;
    if (c->pipeline->facts.is_live)
        frame->start_ms = cz_now_ms();
    if (!cz_source_retrieve(c->source, &frame->image))
        return false;
    frame->ready_ms = cz_now_ms();
    frame->times[APP_TIME_CAPTURE] = frame->ready_ms - frame->start_ms;
    frame->number = atomic_fetch_add(&c->pipeline->captured, 1) + 1;
    c->tries = 0;
    return true;
}

static void give_newest(struct app_pipeline *p, struct app_camera_frame *frame)
{
    struct app_camera_frame *old = app_queue_put_newest(&p->ready, frame);
    if (!old)
        return;
    atomic_fetch_add(&p->dropped, 1);
    app_queue_put(&p->free, old);
}

static void give(struct app_pipeline *p, struct app_camera_frame *frame)
{
    app_pace_give(&p->pace, frame->times[APP_TIME_CAPTURE]);
    if (p->facts.is_live)
        give_newest(p, frame);
    else
        app_queue_put(&p->ready, frame);
}

static void end_of_stream(struct app_pipeline *p)
{
    struct cz_error err;
    if (atomic_load(&p->captured)) {
        app_queue_close(&p->ready); /* what is in it is still done */
        return;
    }
    cz_error_set(&err, CZ_EPARSE, "%s: has no frame that can be read",
                 p->options->source.text);
    app_pipeline_fail(p, APP_END_FAILED, &err);
}

/* Ends the source, or gets it back; false: it is over. */
static bool without_frame(struct capture *c, struct app_camera_frame *frame)
{
    struct app_pipeline *p = c->pipeline;
    app_queue_put(&p->free, frame);
    if (is_stopping(p))
        return false;
    if (p->facts.is_live)
        return reconnect(c);
    end_of_stream(p);
    return false;
}

static void read_frames(struct capture *c)
{
    struct app_pipeline *p = c->pipeline;
    struct app_camera_frame *frame;
    bool goes_on = true;
    while (goes_on && !is_stopping(p)) {
        if (app_queue_take(&frame, &p->free, -1) != APP_TAKEN)
            return;
        if (!p->facts.is_live)
            app_pace_wait(&p->pace);
        if (!read_frame(c, frame)) {
            goes_on = without_frame(c, frame);
            continue;
        }
        if (is_stuck(c, &frame->image))
            open_again(c, &frame->image);
        give(p, frame);
    }
}

void *app_camera_capture(void *pipeline)
{
    struct capture c = {.pipeline = pipeline, .still_limit = STILL_FRAMES};
    struct cz_error err = CZ_ERROR_INIT;
    if (open_source(&c, &err) == CZ_OK)
        read_frames(&c);
    else
        app_pipeline_fail(pipeline, APP_END_FAILED, &err);
    cz_source_close(c.source);
    return NULL;
}
