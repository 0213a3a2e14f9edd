/* The overlay: boxes, and a panel of figures; with --compare, one picture for
 * each model, side by side. */
#include <stdio.h>
#include <string.h>

#include "app/camera.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/path.h"

/* Figures that change with each frame cannot be read. */
#define PANEL_EVERY_MS 250

/* ---- the panel -------------------------------------------------------- */

/* A row of the panel: the time of this frame, p50 and p99 of all. */
static void add_row(struct cz_panel *panel, const char *name, double now_ms,
                    const struct app_histogram *all)
{
    char(*cells)[CZ_PANEL_BYTES] = panel->cells[panel->rows++];
    snprintf(cells[0], CZ_PANEL_BYTES, "%s", name);
    snprintf(cells[1], CZ_PANEL_BYTES, "%.1f", now_ms);
    snprintf(cells[2], CZ_PANEL_BYTES, "%.1f",
             app_histogram_percentile(all, 0.5));
    snprintf(cells[3], CZ_PANEL_BYTES, "%.1f",
             app_histogram_percentile(all, 0.99));
}

static void add_head(struct cz_panel *panel)
{
    static const char *const heads[] = {"ms", "now", "p50", "p99"};
    for (size_t c = 0; c < CZ_PANEL_COLUMNS; c++)
        snprintf(panel->cells[0][c], CZ_PANEL_BYTES, "%s", heads[c]);
    panel->rows = 1;
    panel->columns = CZ_PANEL_COLUMNS;
}

static void make_panel(struct cz_panel *panel, struct app_camera *camera,
                       const struct app_camera_frame *frame, size_t model)
{
    static const struct {
        enum app_time time;
        bool is_models;
        const char *name;
    } rows[] = {
        {APP_TIME_CAPTURE, false, "capture"},
        {APP_TIME_PRE, true, "pre"},
        {APP_TIME_INFERENCE, true, "inference"},
        {APP_TIME_POST, true, "post"},
        {APP_TIME_DRAW, false, "draw"},
        {APP_TIME_LATENCY, false, "latency"},
    };
    struct app_camera_stats *stats = &camera->stats;
    snprintf(panel->lines[0], sizeof panel->lines[0], "%s",
             cz_path_base(camera->detectors[model].model));
    pthread_mutex_lock(&stats->lock);
    snprintf(panel->lines[1], sizeof panel->lines[1],
             "%.1f fps, %zu frames dropped", app_camera_rate(stats),
             atomic_load(&camera->pipeline->dropped));
    add_head(panel);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t t =
            rows[i].time + (rows[i].is_models ? model * APP_TIMES_MODEL : 0);
        add_row(panel, rows[i].name, frame->times[t], &stats->times[t]);
    }
    pthread_mutex_unlock(&stats->lock);
}

/* ---- pictures --------------------------------------------------------- */

static enum cz_status draw_model(const struct cz_image *image,
                                 struct app_camera *camera,
                                 const struct app_camera_frame *frame,
                                 size_t model, struct cz_error *err)
{
    const struct app_detector *d = &camera->detectors[model];
    /* Boxes come last: what is found is not hidden. */
    CZ_TRY(cz_draw_panel(image, camera->detectors[0].opencv,
                         &camera->panels[model], err));
    return cz_draw_boxes(image, camera->detectors[0].opencv,
                         cz_session_detector(d->session), &frame->boxes[model],
                         err);
}

/* The canvas for two pictures of this size; its memory grows. */
static enum cz_status fit_canvas(struct app_camera *camera,
                                 const struct cz_image *image,
                                 struct cz_error *err)
{
    const size_t step = 2 * 3 * image->width, bytes = step * image->height;
    if (bytes > camera->canvas_bytes) {
        cz_free(camera->canvas.pixels);
        camera->canvas_bytes = 0;
        camera->canvas.pixels = cz_malloc(bytes);
        if (!camera->canvas.pixels)
            return cz_error_nomem(err);
        camera->canvas_bytes = bytes;
    }
    camera->canvas.width = 2 * image->width;
    camera->canvas.height = image->height;
    camera->canvas.step = step;
    return CZ_OK;
}

static enum cz_status draw_pair(struct app_camera *camera,
                                const struct app_camera_frame *frame,
                                struct cz_error *err)
{
    const struct cz_image *image = &frame->image;
    const size_t row = 3 * image->width;
    CZ_TRY(fit_canvas(camera, image, err));
    for (size_t m = 0; m < camera->n_models; m++) {
        struct cz_image half = camera->canvas;
        half.pixels += m * row;
        half.width = image->width;
        for (size_t y = 0; y < image->height; y++)
            memcpy(half.pixels + y * half.step, image->pixels + y * image->step,
                   row);
        CZ_TRY(draw_model(&half, camera, frame, m, err));
    }
    return CZ_OK;
}

enum cz_status app_camera_draw(const struct cz_image **picture,
                               struct app_camera *camera,
                               struct app_camera_frame *frame,
                               struct cz_error *err)
{
    const double start_ms = cz_now_ms();
    const bool is_pair = camera->n_models > 1;
    if (camera->panel_ms <= 0 || start_ms - camera->panel_ms > PANEL_EVERY_MS) {
        for (size_t m = 0; m < camera->n_models; m++)
            make_panel(&camera->panels[m], camera, frame, m);
        camera->panel_ms = start_ms;
    }
    *picture = is_pair ? &camera->canvas : &frame->image;
    CZ_TRY(is_pair ? draw_pair(camera, frame, err)
                   : draw_model(&frame->image, camera, frame, 0, err));
    frame->times[APP_TIME_DRAW] = cz_now_ms() - start_ms;
    return CZ_OK;
}
