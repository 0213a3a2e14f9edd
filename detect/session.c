/* A detector and the engine that runs it: an image in, boxes out. */
#include "core/alloc.h"
#include "core/clock.h"
#include "detect/letterbox_internal.h"

#define IOU_ULTRALYTICS 0.7F
#define IOU_YOLOX 0.65F

struct cz_session {
    const char *path;
    const struct cz_session_options *options;
    struct cz_detector *detector;
    struct cz_engine *engine;
    struct cz_input_format format; /* of the engine that is open */
    size_t side; /* the longest of the input that the model has without rect */
    struct cz_thresholds thresholds;
    struct cz_boxes boxes;
    void *memory; /* of the letterbox: [memory_bytes], grows */
    size_t memory_bytes;
};

static const char *const stage_names[CZ_STAGE_COUNT] = {
    [CZ_STAGE_READ] = "read",
    [CZ_STAGE_LETTERBOX] = "letterbox",
    [CZ_STAGE_INFERENCE] = "inference",
    [CZ_STAGE_DECODE] = "decode",
    [CZ_STAGE_NMS] = "nms",
};

const char *cz_stage_name(enum cz_stage stage)
{
    return stage_names[stage];
}

struct cz_moment cz_moment_now(void)
{
    return (struct cz_moment){cz_now_ms(), cz_thread_cpu_ms()};
}

void cz_stage_end(struct cz_stage_times *times, enum cz_stage stage,
                  struct cz_moment *start)
{
    const struct cz_moment now = cz_moment_now();
    times->wall_ms[stage] = now.wall_ms - start->wall_ms;
    times->cpu_ms[stage] = now.cpu_ms - start->cpu_ms;
    *start = now;
}

/* ---- opening ---------------------------------------------------------- */

/* An engine for inputs of session->format, and how its outputs are read. */
static enum cz_status open_engine(struct cz_session *session,
                                  struct cz_error *err)
{
    struct cz_engine_options options = session->options->engine;
    const struct cz_input_shape shape = {
        .dims = cz_detector_shape(&session->format)};
    size_t count;
    if (cz_detector_is_open(session->detector)) {
        options.plan.shapes = &shape;
        options.plan.n_shapes = 1;
    }
    cz_engine_close(session->engine);
    session->engine = NULL;
    CZ_TRY(cz_engine_open(&session->engine, session->path, &options, err));
    const struct cz_port *outputs = cz_engine_outputs(session->engine, &count);
    cz_detector_set_size(session->detector, session->format.width,
                         session->format.height);
    return cz_detector_bind(session->detector, outputs, count, err);
}

static void choose_thresholds(struct cz_session *session)
{
    session->thresholds = session->options->thresholds;
    if (session->thresholds.iou < 0)
        session->thresholds.iou = cz_detector_is_yolox(session->detector)
                                      ? IOU_YOLOX
                                      : IOU_ULTRALYTICS;
}

static enum cz_status open_model(struct cz_session *session,
                                 struct cz_error *err)
{
    const struct cz_session_options *options = session->options;
    CZ_TRY(cz_detector_load(&session->detector, session->path,
                            &options->detector, err));
    if (options->rect && !cz_detector_is_dynamic(session->detector))
        return cz_error_set(err, CZ_EINVAL,
                            "%s: --rect is for models that leave the size of "
                            "their input open; this one is fixed",
                            session->path);
    session->format = *cz_detector_format(session->detector);
    session->side = session->format.width > session->format.height
                        ? session->format.width
                        : session->format.height;
    CZ_TRY(open_engine(session, err));
    session->format = *cz_detector_format(session->detector);
    choose_thresholds(session);
    return CZ_OK;
}

enum cz_status cz_session_open(struct cz_session **session, const char *path,
                               const struct cz_session_options *options,
                               struct cz_error *err)
{
    *session = cz_calloc(1, sizeof **session);
    if (!*session)
        return cz_error_nomem(err);
    (*session)->path = path;
    (*session)->options = options;
    const enum cz_status status = open_model(*session, err);
    if (status != CZ_OK) {
        cz_session_close(*session);
        *session = NULL;
    }
    return status;
}

void cz_session_close(struct cz_session *session)
{
    if (!session)
        return;
    cz_engine_close(session->engine);
    cz_detector_free(session->detector);
    cz_boxes_fini(&session->boxes);
    cz_free(session->memory);
    cz_free(session);
}

const struct cz_detector *cz_session_detector(const struct cz_session *session)
{
    return session->detector;
}

const struct cz_engine *cz_session_engine(const struct cz_session *session)
{
    return session->engine;
}

const struct cz_thresholds *
cz_session_thresholds(const struct cz_session *session)
{
    return &session->thresholds;
}

/* ---- an image --------------------------------------------------------- */

struct cz_input_format cz_session_format(const struct cz_session *session,
                                         size_t width, size_t height)
{
    struct cz_input_format format = *cz_detector_format(session->detector);
    if (session->options->rect)
        cz_letterbox_rect(&format, session->side,
                          cz_detector_stride(session->detector), width, height);
    return format;
}

/* Lets the engine take the input for an image of this size. */
static enum cz_status fit_engine(struct cz_session *session, size_t width,
                                 size_t height, struct cz_error *err)
{
    const struct cz_input_format format =
        cz_session_format(session, width, height);
    const bool is_same = session->format.width == format.width &&
                         session->format.height == format.height;
    session->format = format;
    return is_same && session->engine ? CZ_OK : open_engine(session, err);
}

/* Memory is taken when an image needs more than those before. */
static enum cz_status fill_input(struct cz_session *session,
                                 const struct cz_fit *fit,
                                 const struct cz_image *image,
                                 struct cz_error *err)
{
    size_t count;
    const size_t bytes = cz_letterbox_bytes(fit, &session->format);
    if (bytes > session->memory_bytes) {
        cz_free(session->memory);
        session->memory_bytes = 0;
        session->memory = cz_malloc(bytes);
        if (!session->memory)
            return cz_error_nomem(err);
        session->memory_bytes = bytes;
    }
    cz_letterbox_fill_with(session->memory,
                           cz_engine_inputs(session->engine, &count)->data, fit,
                           &session->format, image);
    return CZ_OK;
}

enum cz_status cz_session_run(struct cz_session *session,
                              const struct cz_boxes **boxes,
                              struct cz_stage_times *times,
                              const struct cz_image *image,
                              struct cz_error *err)
{
    struct cz_fit fit;
    size_t count;
    CZ_TRY(fit_engine(session, image->width, image->height, err));
    struct cz_moment start = cz_moment_now();
    cz_letterbox_fit(&fit, &session->format, image->width, image->height);
    CZ_TRY(fill_input(session, &fit, image, err));
    cz_stage_end(times, CZ_STAGE_LETTERBOX, &start);
    CZ_TRY(cz_error_prefix(err, cz_engine_run(session->engine, err),
                           session->path));
    cz_stage_end(times, CZ_STAGE_INFERENCE, &start);
    const struct cz_port *outputs = cz_engine_outputs(session->engine, &count);
    CZ_TRY(cz_detector_decode(session->detector, outputs, count,
                              &session->thresholds, &session->boxes, err));
    cz_stage_end(times, CZ_STAGE_DECODE, &start);
    CZ_TRY(cz_boxes_suppress(&session->boxes, &session->thresholds, err));
    cz_letterbox_undo(&fit, &session->boxes);
    cz_stage_end(times, CZ_STAGE_NMS, &start);
    *boxes = &session->boxes;
    return CZ_OK;
}
