/* Sources of frames and videos that are written, on OpenCV's videoio. What is a
 * camera, a file, an address or a pipeline is told from the text alone. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/output.h"
#include "core/path.h"
#include "detect/image_internal.h"
#include "detect/shim_internal.h"
#include "detect/video_shim.h"

struct cz_video {
    const struct cz_vs_table *vs;
};

struct cz_source {
    const struct cz_vs_table *vs;
    struct cz_vs_source *source;
    struct cz_source_facts facts;
};

struct cz_writer {
    const struct cz_vs_table *vs;
    struct cz_vs_writer *writer;
    struct cz_output output;
    size_t width, height;
    size_t count; /* frames that were written */
};

/* ---- the library ------------------------------------------------------ */

/* FFmpeg and GStreamer would write what they think to stderr. Addresses are
 * asked for frames as they come, none kept back; of a file that would cost the
 * last frame. */
static void prepare_environment(const char *source)
{
    setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
    setenv("GST_DEBUG", "none", 0);
    if (cz_source_kind(source) == CZ_SOURCE_URL)
        setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS",
               "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay", 0);
}

enum cz_status cz_video_open(struct cz_video **video, const char *source,
                             struct cz_error *err)
{
    static const struct cz_shim shim = {
        .file = "compress-video.so",
        .symbol = "cz_vs_table",
        .what = "videos",
        .packages = "OpenCV 4 (apt install libopencv-videoio406)",
        .abi = CZ_VS_ABI};
    const void *table;
    *video = NULL;
    prepare_environment(source);
    CZ_TRY(cz_shim_open(&table, &shim, err));
    *video = cz_calloc(1, sizeof **video);
    if (!*video)
        return cz_error_nomem(err);
    (*video)->vs = table;
    return CZ_OK;
}

void cz_video_close(struct cz_video *video)
{
    cz_free(video);
}

/* ---- kinds ------------------------------------------------------------ */

static const char *const kind_names[CZ_SOURCE_KIND_COUNT] = {
    [CZ_SOURCE_CAMERA] = "camera",
    [CZ_SOURCE_FILE] = "file",
    [CZ_SOURCE_URL] = "url",
    [CZ_SOURCE_PIPELINE] = "pipeline",
};

const char *cz_source_kind_name(enum cz_source_kind kind)
{
    return kind_names[kind];
}

static bool is_url(const char *text)
{
    const char *c = text;
    while (isalnum((unsigned char)*c) || *c == '+' || *c == '-' || *c == '.')
        c++;
    return c > text && strncmp(c, "://", 3) == 0;
}

enum cz_source_kind cz_source_kind(const char *text)
{
    struct stat info;
    const size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits < 10 && !text[digits])
        return CZ_SOURCE_CAMERA;
    if (stat(text, &info) == 0)
        return S_ISCHR(info.st_mode) ? CZ_SOURCE_CAMERA : CZ_SOURCE_FILE;
    if (is_url(text))
        return CZ_SOURCE_URL;
    return strchr(text, '!') ? CZ_SOURCE_PIPELINE : CZ_SOURCE_FILE;
}

/* ---- sources ---------------------------------------------------------- */

enum cz_status cz_source_check(const char *path, struct cz_error *err)
{
    struct stat info;
    if (cz_source_kind(path) != CZ_SOURCE_FILE || strcmp(path, "-") == 0)
        return CZ_OK;
    if (stat(path, &info) != 0)
        return cz_file_fail(path, err);
    if (S_ISDIR(info.st_mode))
        return cz_error_set(err, CZ_EIO, "%s: is a folder, want a video", path);
    return CZ_OK;
}

static struct cz_vs_request
make_request(enum cz_source_kind kind, const struct cz_source_options *options)
{
    const char *text = options->text;
    struct cz_vs_request request = {.api = CZ_VS_FFMPEG,
                                    .text = text,
                                    .width = (int)options->width,
                                    .height = (int)options->height,
                                    .fps = options->fps};
    if (kind == CZ_SOURCE_PIPELINE) {
        request.api = CZ_VS_GSTREAMER;
    } else if (kind == CZ_SOURCE_CAMERA) {
        request.api = CZ_VS_CAMERA;
        request.camera = (int)strtol(text, NULL, 10);
        request.text = isdigit((unsigned char)*text) ? NULL : text;
    } else if (kind == CZ_SOURCE_URL) {
        request.timeout_ms = options->timeout_ms;
    } else if (strcmp(text, "-") == 0) {
        request.text = "pipe:0";
        request.timeout_ms = INT_MAX;
    } else {
        request.timeout_ms = INT_MAX; /* whoever writes a pipe may pause */
    }
    return request;
}

static enum cz_status refuse(const char *text, enum cz_source_kind kind,
                             const char *why, struct cz_error *err)
{
    static const char *const sentences[CZ_SOURCE_KIND_COUNT] = {
        [CZ_SOURCE_CAMERA] = "no camera answers here",
        [CZ_SOURCE_FILE] = "is no video that can be read",
        [CZ_SOURCE_URL] = "no video comes from this address",
        [CZ_SOURCE_PIPELINE] =
            ("GStreamer cannot run this pipeline; does it "
             "end in an appsink, are its plugins installed?"),
    };
    return cz_error_set(err, CZ_EIO, "%s%s: %s%s%s",
                        kind == CZ_SOURCE_CAMERA ? "camera " : "", text,
                        sentences[kind], *why ? ": " : "", why);
}

static void note_facts(struct cz_source_facts *facts, enum cz_source_kind kind,
                       const struct cz_vs_facts *told)
{
    /* FFmpeg makes up a number where the length is unknown: it is negative, or
     * beyond all reason. */
    const bool is_counted = told->frames >= 1 && told->frames < 1e9;
    facts->kind = kind;
    facts->fps = told->fps > 0 && told->fps < 1000 ? told->fps : 0;
    facts->frames = is_counted ? (size_t)told->frames : 0;
    facts->is_live = kind == CZ_SOURCE_CAMERA || kind == CZ_SOURCE_PIPELINE ||
                     (kind == CZ_SOURCE_URL && !is_counted);
}

enum cz_status cz_source_open(struct cz_source **source,
                              const struct cz_video *video,
                              const struct cz_source_options *options,
                              struct cz_error *err)
{
    const enum cz_source_kind kind = cz_source_kind(options->text);
    const struct cz_vs_request request = make_request(kind, options);
    struct cz_vs_facts told = {0};
    char why[CZ_CV_WHY_BYTES] = "";
    *source = NULL;
    CZ_TRY(cz_source_check(options->text, err));
    struct cz_source *opened = cz_calloc(1, sizeof *opened);
    if (!opened)
        return cz_error_nomem(err);
    opened->vs = video->vs;
    if (!video->vs->open(&opened->source, &request, &told, why)) {
        cz_free(opened);
        return refuse(options->text, kind, why, err);
    }
    note_facts(&opened->facts, kind, &told);
    *source = opened;
    return CZ_OK;
}

void cz_source_close(struct cz_source *source)
{
    if (!source)
        return;
    source->vs->close(source->source);
    cz_free(source);
}

const struct cz_source_facts *cz_source_facts(const struct cz_source *source)
{
    return &source->facts;
}

bool cz_source_grab(struct cz_source *source)
{
    return source->vs->grab(source->source);
}

bool cz_source_retrieve(struct cz_source *source, struct cz_image *image)
{
    struct cz_cv_picture picture = {.owner = image->owner};
    const bool is_done = source->vs->retrieve(source->source, &picture);
    *image = (struct cz_image){picture.pixels, picture.width, picture.height,
                               picture.step, picture.owner};
    return is_done;
}

static struct cz_cv_picture view(const struct cz_image *image)
{
    return (struct cz_cv_picture){image->pixels, image->width, image->height,
                                  image->step, NULL};
}

enum cz_status cz_image_scale(const struct cz_image *to,
                              const struct cz_image *from,
                              const struct cz_video *video,
                              struct cz_error *err)
{
    const struct cz_cv_picture target = view(to), source = view(from);
    return video->vs->scale(&target, &source)
               ? CZ_OK
               : cz_error_set(err, CZ_EINTERNAL, "OpenCV could not resize");
}

/* ---- writers ---------------------------------------------------------- */

/* The codec of a name; NULL: none. */
static const char *find_codec(const char *path)
{
    static const char *const endings[] = {".mp4", ".mov", ".mkv"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (cz_path_ends_in(path, endings[i]))
            return "mp4v";
    }
    return cz_path_ends_in(path, ".avi") ? "MJPG" : NULL;
}

enum cz_status cz_writer_check(const char *path, bool overwrite,
                               struct cz_error *err)
{
    if (!find_codec(path))
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "%s: a video's name ends in .mp4, .mov, .mkv or "
                            ".avi",
                            path);
    return cz_output_try(path, overwrite, err);
}

static enum cz_status start_writer(struct cz_writer *w,
                                   const struct cz_writer_options *options,
                                   struct cz_error *err)
{
    const struct cz_vs_sheet sheet = {.path = w->output.temporary,
                                      .codec = find_codec(options->path),
                                      .fps = options->fps,
                                      .width = (int)options->width,
                                      .height = (int)options->height};
    char why[CZ_CV_WHY_BYTES] = "";
    if (w->vs->writer_open(&w->writer, &sheet, why))
        return CZ_OK;
    return cz_error_set(err, CZ_EIO, "%s: cannot be written: %s", options->path,
                        why);
}

enum cz_status cz_writer_open(struct cz_writer **writer,
                              const struct cz_video *video,
                              const struct cz_writer_options *options,
                              struct cz_error *err)
{
    *writer = NULL;
    if (!find_codec(options->path))
        return cz_writer_check(options->path, options->overwrite, err);
    struct cz_writer *w = cz_calloc(1, sizeof *w);
    if (!w)
        return cz_error_nomem(err);
    *w = (struct cz_writer){.vs = video->vs,
                            .output.fd = -1,
                            .width = options->width,
                            .height = options->height};
    enum cz_status status = cz_output_open_alike(&w->output, options->path,
                                                 options->overwrite, err);
    if (status == CZ_OK)
        status = start_writer(w, options, err);
    if (status == CZ_OK)
        *writer = w;
    else
        cz_writer_abort(w);
    return status;
}

enum cz_status cz_writer_write(struct cz_writer *writer,
                               const struct cz_image *image,
                               struct cz_error *err)
{
    const struct cz_cv_picture picture = view(image);
    if (image->width != writer->width || image->height != writer->height ||
        !writer->vs->write(writer->writer, &picture))
        return cz_error_set(err, CZ_EINTERNAL,
                            "%s: OpenCV could not write a frame",
                            writer->output.path);
    writer->count++;
    return CZ_OK;
}

/* OpenCV tells of no error when it writes. So the file is opened again: what
 * its header counts has to be what was written. */
static bool is_whole(const struct cz_writer *w)
{
    const struct cz_vs_request request = {.api = CZ_VS_FFMPEG,
                                          .text = w->output.temporary};
    struct cz_vs_facts told = {0};
    struct cz_vs_source *source;
    if (!w->vs->open(&source, &request, &told, NULL))
        return false;
    /* Of Matroska the number is the length times the rate. */
    const bool is_good =
        fabs(told.frames - (double)w->count) <= 1 && w->vs->grab(source);
    w->vs->close(source);
    return is_good;
}

enum cz_status cz_writer_commit(struct cz_writer *writer, struct cz_error *err)
{
    enum cz_status status = CZ_OK;
    writer->vs->writer_close(writer->writer);
    writer->writer = NULL;
    if (!is_whole(writer))
        status = cz_error_set(err, CZ_EIO,
                              "%s: cannot be written whole; is the disk full?",
                              writer->output.path);
    else
        status = cz_output_commit(&writer->output, err);
    cz_writer_abort(writer);
    return status;
}

void cz_writer_abort(struct cz_writer *writer)
{
    if (!writer)
        return;
    if (writer->writer)
        writer->vs->writer_close(writer->writer);
    cz_output_abort(&writer->output);
    cz_free(writer);
}
