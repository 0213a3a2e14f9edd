/* What `compress camera` tells at the end, and its page all the time. */
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/camera.h"
#include "app/precision.h"
#include "app/text.h"
#include "core/alloc.h"

static const char *const time_names[APP_TIME_COUNT] = {
    [APP_TIME_CAPTURE] = "capture", [APP_TIME_WAIT] = "wait",
    [APP_TIME_PRE] = "pre",         [APP_TIME_INFERENCE] = "inference",
    [APP_TIME_POST] = "post",       [APP_TIME_DRAW] = "draw",
    [APP_TIME_OUTPUT] = "output",   [APP_TIME_LATENCY] = "latency",
};

static const char *end_name(int end)
{
    switch (end) {
    case APP_END_OF_STREAM:
        return "end of stream";
    case APP_END_FRAMES:
        return "frames";
    case APP_END_INTERRUPTED:
        return "interrupted";
    case APP_END_CLOSED:
        return "closed";
    case APP_END_LOST:
        return "lost";
    case APP_END_FAILED:
        return "failed";
    default:
        return NULL;
    }
}

/* ---- JSON ------------------------------------------------------------- */

/* {"p50": ..., "p99": ..., "mean": ...}, or null where nothing was timed. */
static json_t *time_json(const struct app_histogram *times)
{
    if (!times->count)
        return json_null();
    json_t *object = json_object();
    json_object_set_new(object, "p50",
                        app_json_ms(app_histogram_percentile(times, 0.5)));
    json_object_set_new(object, "p99",
                        app_json_ms(app_histogram_percentile(times, 0.99)));
    json_object_set_new(object, "mean",
                        app_json_ms(times->sum_ms / (double)times->count));
    return object;
}

json_t *app_camera_models_json(const struct app_camera *camera)
{
    json_t *models = json_array();
    for (size_t m = 0; m < camera->n_models; m++) {
        const struct app_detector *d = &camera->detectors[m];
        const struct cz_engine *engine = cz_session_engine(d->session);
        json_t *object = json_object();
        json_object_set_new(object, "model", app_json_text(d->model));
        json_object_set_new(object, "compute",
                            app_plan_json(cz_engine_plan(engine)));
        json_object_set_new(object, "detector", app_detector_json(d));
        json_array_append_new(models, object);
    }
    return models;
}

static void add_model_times(json_t *model, const struct app_camera_stats *stats,
                            size_t index)
{
    json_t *ms = json_object();
    for (size_t t = APP_TIME_PRE; t <= APP_TIME_POST; t++)
        json_object_set_new(
            ms, time_names[t],
            time_json(&stats->times[t + index * APP_TIMES_MODEL]));
    json_object_set_new(model, "boxes", app_json_count(stats->boxes[index]));
    json_object_set_new(model, "ms", ms);
}

static json_t *frame_times(const struct app_camera_stats *stats)
{
    static const enum app_time shown[] = {APP_TIME_CAPTURE, APP_TIME_WAIT,
                                          APP_TIME_LATENCY, APP_TIME_DRAW,
                                          APP_TIME_OUTPUT};
    json_t *ms = json_object();
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        json_object_set_new(ms, time_names[shown[i]],
                            time_json(&stats->times[shown[i]]));
    return ms;
}

/* As it was given, but for the user and password of an address: who watches
 * the page need not know them. */
static json_t *source_text(const char *text)
{
    const char *from = strstr(text, "://");
    const char *to = from ? from + 3 + strcspn(from + 3, "/?#") : NULL;
    const char *at = to ? memrchr(from, '@', (size_t)(to - from)) : NULL;
    if (!at || cz_source_kind(text) != CZ_SOURCE_URL)
        return app_json_text(text);
    char *shown = cz_malloc(strlen(text) + 1);
    if (!shown)
        return json_null();
    const size_t scheme = (size_t)(from + 3 - text);
    memcpy(shown, text, scheme);
    memcpy(shown + scheme, at + 1, strlen(at));
    json_t *made = app_json_text(shown);
    cz_free(shown);
    return made;
}

static json_t *source_json(const struct app_camera *camera)
{
    const struct app_pipeline *p = camera->pipeline;
    const char *text = camera->options->source.text;
    const bool is_open = atomic_load(&p->is_open);
    json_t *object = json_object();
    json_object_set_new(object, "source", source_text(text));
    json_object_set_new(object, "kind",
                        json_string(cz_source_kind_name(cz_source_kind(text))));
    json_object_set_new(object, "live",
                        json_boolean(is_open && p->facts.is_live));
    json_object_set_new(object, "fps",
                        is_open && p->facts.fps > 0
                            ? app_json_rounded(p->facts.fps, 1e3)
                            : json_null());
    json_object_set_new(object, "frames",
                        app_json_known(is_open ? p->facts.frames : 0));
    return object;
}

static void add_counts(json_t *root, const struct app_camera *camera)
{
    struct app_pipeline *p = camera->pipeline;
    const struct app_camera_stats *stats = &camera->stats;
    json_object_set_new(root, "frames", app_json_count(stats->frames));
    json_object_set_new(root, "captured",
                        app_json_count(atomic_load(&p->captured)));
    json_object_set_new(root, "dropped",
                        app_json_count(atomic_load(&p->dropped)));
    json_object_set_new(root, "reconnects",
                        app_json_count(atomic_load(&p->reconnects)));
    json_object_set_new(root, "width", app_json_count(stats->width));
    json_object_set_new(root, "height", app_json_count(stats->height));
    json_object_set_new(root, "size_changes", app_json_count(stats->changes));
    json_object_set_new(root, "elapsed_ms",
                        app_json_ms(stats->last_ms - stats->start_ms));
}

json_t *app_camera_json(struct app_camera *camera)
{
    const struct app_camera_options *options = camera->options;
    const struct cz_engine_options *engine = &options->detector.engine.engine;
    const int end = atomic_load(&camera->pipeline->end);
    struct app_camera_stats *stats = &camera->stats;
    json_t *root = json_object(), *models = json_deep_copy(camera->models);
    json_object_set_new(root, "schema", json_string("compress.camera/1"));
    json_object_set_new(root, "source", source_json(camera));
    json_object_set_new(root, "engine",
                        json_string(cz_engine_name(engine->kind)));
    json_object_set_new(root, "threads", app_json_count(engine->plan.threads));
    pthread_mutex_lock(&stats->lock);
    add_counts(root, camera);
    json_object_set_new(root, "fps",
                        app_json_rounded(end == APP_END_NONE
                                             ? app_camera_rate(stats)
                                             : app_camera_mean_rate(stats),
                                         1e3));
    for (size_t m = 0; m < camera->n_models; m++)
        add_model_times(json_array_get(models, m), stats, m);
    json_object_set_new(root, "models", models);
    json_object_set_new(root, "ms", frame_times(stats));
    pthread_mutex_unlock(&stats->lock);
    json_object_set_new(root, "ended", app_json_maybe(end_name(end)));
    json_object_set_new(root, "save", app_json_maybe(options->save));
    json_object_set_new(root, "csv", app_json_maybe(options->csv));
    json_object_set_new(
        root, "http",
        app_json_maybe(camera->http ? app_http_url(camera->http) : NULL));
    return root;
}

/* ---- for people ------------------------------------------------------- */

static void print_time(const char *name, const struct app_histogram *times)
{
    if (times->count)
        printf("  %-10s %8.2f %8.2f\n", name,
               app_histogram_percentile(times, 0.5),
               app_histogram_percentile(times, 0.99));
}

static void print_model(const struct app_camera *camera, size_t model)
{
    const struct app_camera_stats *stats = &camera->stats;
    if (camera->n_models > 1) {
        fputs("  ", stdout);
        app_print_clean(stdout, camera->detectors[model].model);
        printf(": %zu boxes\n", stats->boxes[model]);
    }
    for (size_t t = APP_TIME_PRE; t <= APP_TIME_POST; t++)
        print_time(time_names[t], &stats->times[t + model * APP_TIMES_MODEL]);
}

static void print_count(const char *what, size_t count)
{
    if (count)
        printf(", %zu %s", count, what);
}

static void print_file(const char *what, const char *path)
{
    if (!path)
        return;
    printf("%s: ", what);
    app_print_clean(stdout, path);
    putchar('\n');
}

void app_camera_print(struct app_camera *camera)
{
    const struct app_camera_stats *stats = &camera->stats;
    struct app_pipeline *p = camera->pipeline;
    for (size_t m = 0; m < camera->n_models; m++)
        app_detector_print(&camera->detectors[m]);
    printf("  ms              p50      p99\n");
    print_time(time_names[APP_TIME_CAPTURE], &stats->times[APP_TIME_CAPTURE]);
    print_time(time_names[APP_TIME_WAIT], &stats->times[APP_TIME_WAIT]);
    for (size_t m = 0; m < camera->n_models; m++)
        print_model(camera, m);
    for (size_t t = APP_TIME_DRAW; t < APP_TIME_COUNT; t++)
        print_time(time_names[t], &stats->times[t]);
    printf("%zu frame%s of %zux%zu", stats->frames,
           stats->frames == 1 ? "" : "s", stats->width, stats->height);
    if (camera->n_models == 1)
        printf(", %zu box%s", stats->boxes[0],
               stats->boxes[0] == 1 ? "" : "es");
    print_count("dropped", atomic_load(&p->dropped));
    print_count("reconnects", atomic_load(&p->reconnects));
    print_count("changes of size", stats->changes);
    printf("; %.1f frames a second; ended: %s\n", app_camera_mean_rate(stats),
           end_name(atomic_load(&p->end)));
    print_file("video", camera->options->save);
    print_file("table", camera->options->csv);
}
