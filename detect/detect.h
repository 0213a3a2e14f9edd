/* Pixels in, boxes out: images, letterbox, decoders, NMS, drawing.
 *
 *     cz_detector_load(&detector, "yolov8n.onnx", &options, err);
 *     cz_engine_open(&engine, ...) with cz_detector_shape()
 *     cz_detector_bind(detector, outputs, n_outputs, err);
 *     cz_opencv_open(&opencv, err);
 *     for each image:
 *         cz_image_read(&image, opencv, path, err);
 *         cz_letterbox_fit(&fit, &format, image.width, image.height);
 *         cz_letterbox_fill(input->data, &fit, &format, &image, err);
 *         cz_engine_run(engine, err);
 *         cz_detector_decode(detector, outputs, n, &thresholds, boxes, err);
 *         cz_boxes_suppress(boxes, &thresholds, err);
 *         cz_letterbox_undo(&fit, boxes);
 *
 * Each step is a function of its own, so that they can run in different
 * threads and be timed. A struct cz_opencv and a bound struct cz_detector may
 * be used by any number of threads at once; images, boxes and buffers belong
 * to one thread at a time. */
#ifndef CZ_DETECT_DETECT_H
#define CZ_DETECT_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "engine/engine.h"

/* ---- images ----------------------------------------------------------- */

/* OpenCV's codecs and drawing. They are a hundred libraries and more, so they
 * are opened when they are needed and not before. */
struct cz_opencv;

/* Looks for compress-opencv.so: the file that $CZ_OPENCV names, else beside
 * the program, else in ../lib/compress from there. CZ_EUNSUPPORTED with what
 * to install where it, or OpenCV, is missing. Takes 0.1 to 0.2 s. */
enum cz_status cz_opencv_open(struct cz_opencv **opencv, struct cz_error *err);
void cz_opencv_close(struct cz_opencv *opencv);

/* The same in a second thread while `other` runs in the caller's: models take
 * as long to open, and may wait for a file until a signal comes. Where both
 * fail, the error is that of `other`. */
enum cz_status
cz_opencv_open_beside(struct cz_opencv **opencv,
                      enum cz_status (*other)(void *user, struct cz_error *err),
                      void *user, struct cz_error *err);

const char *cz_opencv_version(const struct cz_opencv *opencv);

/* BGR, 8 bits: pixel (x, y) at pixels + y * step + 3 * x. */
struct cz_image {
    uint8_t *pixels;
    size_t width, height, step;
    void *owner; /* for detect/ only */
};

/* Reads what OpenCV's imread(IMREAD_COLOR) reads, with the same pixels: turned
 * as EXIF says, alpha dropped, grey and CMYK made BGR, 16 bits reduced to 8.
 * JPEG, PNG, BMP, WebP, TIFF. CZ_EIO, also for what is no regular file, which
 * is not waited for; CZ_EPARSE for what is no image, and for a JPEG that ends
 * early or is damaged: OpenCV would make up the rest. */
enum cz_status cz_image_read(struct cz_image *image,
                             const struct cz_opencv *opencv, const char *path,
                             struct cz_error *err);
void cz_image_free(struct cz_image *image, const struct cz_opencv *opencv);

/* The size that cz_image_read() will give, EXIF included: from the header of a
 * JPEG, which may end early behind it, else by decoding. */
enum cz_status cz_image_size(size_t *width, size_t *height,
                             const struct cz_opencv *opencv, const char *path,
                             struct cz_error *err);

/* Writes in the format that the name's ending says; through core/output.h. */
enum cz_status cz_image_write(const struct cz_image *image,
                              const struct cz_opencv *opencv, const char *path,
                              bool overwrite, struct cz_error *err);

/* An image as the bytes of a file. Zero-initialise; its memory is used again
 * by the next _encode; end with _free. */
struct cz_encoded {
    const uint8_t *data;
    size_t size;
    void *owner; /* for detect/ only */
};

/* ending: ".jpg", ".png", ... */
enum cz_status cz_image_encode(struct cz_encoded *encoded,
                               const struct cz_image *image,
                               const struct cz_opencv *opencv,
                               const char *ending, struct cz_error *err);
void cz_encoded_free(struct cz_encoded *encoded,
                     const struct cz_opencv *opencv);

/* Whether the name ends like that of an image, those that Ultralytics looks
 * for included: .bmp .dng .jpeg .jpg .mpo .pfm .png .tif .tiff .webp. */
bool cz_image_is_name(const char *path);

/* Whether such an error is one of the image, so that others can go on: all but
 * want of memory and faults of our own. */
bool cz_image_is_bad(enum cz_status status);

/* ---- letterbox -------------------------------------------------------- */

/* What a model's input wants. */
struct cz_input_format {
    size_t width, height;
    size_t longest;      /* side of the scaled image; 0: as large as fits */
    enum cz_dtype dtype; /* float32, float16 or uint8 */
    bool rgb;            /* order of the channel planes; else BGR */
    bool unit;           /* 0..1 (pixel / 255), else 0..255; not for uint8 */
    /* The image lies at the top left, as YOLOX has it; else in the middle, as
     * Ultralytics has it. Its size is rounded to nearest in both cases, where
     * YOLOX's own code rounds down: on COCO the two differ by noise. */
    bool corner;
};

/* Where an image lies in an input: input = image * scale + (left, top). */
struct cz_fit {
    size_t image_width, image_height;
    size_t width, height; /* of the scaled image */
    size_t left, top;
    double scale;
};

/* The largest size at which the image fits into the format, small images
 * scaled up, sides rounded to nearest (Ultralytics' LetterBox; YOLOX's loader
 * cuts instead, which is a row of pixels less in some images). With `longest`
 * they are rounded up, as load_image() of Ultralytics' validation does. At
 * least 1x1. */
void cz_letterbox_fit(struct cz_fit *fit, const struct cz_input_format *format,
                      size_t width, size_t height);

/* The input that Ultralytics' validation (rect=True) has for an image: its
 * longest side becomes `size`, and each side of the input is
 * ceil(scaled side / stride + 0.5) * stride, so that 640 becomes 672. The
 * arithmetic is that of ultralytics/data/base.py (set_rectangle), whose
 * rounding decides where that ends in .5. */
void cz_letterbox_rect(struct cz_input_format *format, size_t size,
                       size_t stride, size_t width, size_t height);

/* Writes `input`, [1,3,height,width] of the format's type: the image resized
 * as OpenCV's resize(INTER_LINEAR) does it, bit by bit, grey 114 around it.
 * Only CZ_ENOMEM. */
enum cz_status cz_letterbox_fill(void *input, const struct cz_fit *fit,
                                 const struct cz_input_format *format,
                                 const struct cz_image *image,
                                 struct cz_error *err);

/* ---- boxes ------------------------------------------------------------ */

/* Corners in pixels, of the input or, after cz_letterbox_undo(), the image. */
struct cz_box {
    float x1, y1, x2, y2;
    float score;
    uint32_t label; /* below the number of classes where that is known */
};

/* Boxes, best first, and the memory that making them takes: used again for
 * each image, it stops growing. Zero-initialise, end with _fini. */
struct cz_boxes {
    struct cz_box *items;
    size_t count;
    size_t not_finite; /* candidates that were dropped: of NaN or infinite
                          numbers, or of negative sizes */
    size_t above_one;  /* scores that no probability has */
    bool final;        /* the model has done NMS: cz_boxes_suppress() only
                          takes the best */
    size_t capacity;
    struct cz_box_memory *memory; /* for detect/ only */
};

void cz_boxes_fini(struct cz_boxes *boxes);

struct cz_thresholds {
    float confidence;      /* scores above it are candidates */
    float iou;             /* boxes that overlap more than this are the same;
                              a session takes CZ_IOU_AUTO, too */
    size_t max_boxes;      /* kept for an image */
    size_t max_candidates; /* the best of them go into NMS */
    bool multi_label; /* each class above the confidence; else the best one */
    bool agnostic;    /* a box suppresses those of other classes too */
};

/* The authors' own: 0.65 for YOLOX and 0.7 for the others. */
#define CZ_IOU_AUTO (-1.0F)

/* What the models' authors evaluate with (YOLOX: an IoU of 0.65), and what
 * they show pictures with. */
#define CZ_THRESHOLDS_EVAL                                                     \
    ((struct cz_thresholds){.confidence = 0.001F,                              \
                            .iou = 0.7F,                                       \
                            .max_boxes = 300,                                  \
                            .max_candidates = 30000,                           \
                            .multi_label = true})
#define CZ_THRESHOLDS_DEMO                                                     \
    ((struct cz_thresholds){.confidence = 0.25F,                               \
                            .iou = 0.7F,                                       \
                            .max_boxes = 300,                                  \
                            .max_candidates = 30000})

/* Greedy non-maximum suppression: in the order of the scores, a box is kept
 * unless it overlaps one kept before, of the same class, by more than `iou`.
 * Ends when max_boxes are kept. Classes are told apart by their number; the
 * authors shift the boxes of class c by 7680 c, which rounds the coordinates
 * of the last classes to 1/16 pixel and is the same otherwise. */
enum cz_status cz_boxes_suppress(struct cz_boxes *boxes,
                                 const struct cz_thresholds *thresholds,
                                 struct cz_error *err);

/* Sums over images; all zero to start with. */
struct cz_agreement {
    double difference, weight;
};

/* Adds how far the boxes of a detector, after suppression, are from those of
 * the reference for the same image. To each box of the reference, best first,
 * belongs the free one of its class that overlaps it most, by an IoU of 0.5 at
 * least. A pair differs by the squares of what its scores are apart and of
 * score * 5 (1 - IoU), at most score; a box alone by its score squared. The
 * weight is that of the reference's scores squared: difference / weight is 0
 * for equal boxes and 1 where none is found. */
enum cz_status cz_boxes_compare(struct cz_agreement *agreement,
                                const struct cz_boxes *reference,
                                const struct cz_boxes *others,
                                struct cz_error *err);

/* From pixels of the input to pixels of the image, clipped to it. */
void cz_letterbox_undo(const struct cz_fit *fit, struct cz_boxes *boxes);

/* ---- detectors -------------------------------------------------------- */

enum cz_decoder {
    CZ_DECODER_AUTO,
    CZ_DECODER_V8,         /* [1,4+C,N] or [1,N,4+C]: cx cy w h, scores */
    CZ_DECODER_V5,         /* [1,N,5+C]: cx cy w h, objectness, scores */
    CZ_DECODER_YOLOX,      /* [1,N,5+C]: offsets in grid cells, log sizes */
    CZ_DECODER_END_TO_END, /* [1,K,6]: x1 y1 x2 y2 score class */
    CZ_DECODER_V5_MAPS,    /* [1,A*(5+C),H,W] or [1,A,H,W,5+C], A anchors */
    CZ_DECODER_V8_MAPS,    /* [1,4*R+C,H,W], or boxes and classes apart */
    CZ_DECODER_YOLOX_MAPS, /* [1,5+C,H,W], or three maps */
    CZ_DECODER_COUNT
};

/* "auto", "v8", ...; what it stands for in words. */
const char *cz_decoder_name(enum cz_decoder decoder);
const char *cz_decoder_text(enum cz_decoder decoder);

/* How the pixels go in, if not as the decoder's family has it. */
enum cz_pixels {
    CZ_PIXELS_AUTO,
    CZ_PIXELS_RGB_UNIT, /* RGB / 255, in the middle: Ultralytics */
    CZ_PIXELS_RGB,
    CZ_PIXELS_BGR_UNIT,
    CZ_PIXELS_BGR, /* 0..255, at the top left: YOLOX */
    CZ_PIXELS_COUNT
};
const char *cz_pixels_name(enum cz_pixels pixels);

struct cz_detector_options {
    enum cz_decoder decoder;
    enum cz_pixels pixels;
    size_t height, width;   /* of an input that the model leaves open; 0: what
                             its metadata say, else 640 */
    const char *names_file; /* a class name a line; NULL: the metadata's */
    /* Widths and heights in pixels of the anchors of V5_MAPS, smallest stride
     * first: [n_anchors]; NULL: YOLOv5's, three for each of three strides. */
    const float *anchors;
    size_t n_anchors;
};

#define CZ_DETECTOR_OPTIONS_INIT ((struct cz_detector_options){.width = 0})

/* What is known of a model besides how to run it. */
struct cz_detector;

/* Reads metadata (`task`, `names`, `stride`, `imgsz`), input and graph of the
 * model. CZ_EUNSUPPORTED for what is no detector, with a sentence on what it
 * is: segmentation, pose, oriented boxes, classification. */
enum cz_status cz_detector_load(struct cz_detector **detector, const char *path,
                                const struct cz_detector_options *options,
                                struct cz_error *err);
void cz_detector_free(struct cz_detector *detector);

/* True when the model leaves both sides of its input open; when it leaves any
 * dimension of it open, so that the engine has to be told. */
bool cz_detector_is_dynamic(const struct cz_detector *detector);
bool cz_detector_is_open(const struct cz_detector *detector);

/* The input's shape for the engine: [1,3,height,width]. */
struct cz_dims cz_detector_shape(const struct cz_input_format *format);

/* The size of the input that the next _bind is for, where it is not that of
 * cz_detector_format(): dynamic models with --rect. */
void cz_detector_set_size(struct cz_detector *detector, size_t width,
                          size_t height);

/* Chooses the decoder from the shapes of the outputs, the graph and the
 * metadata, or checks the one that was asked for. CZ_EUNSUPPORTED with the
 * shapes and the decoders that there are when none fits. */
enum cz_status cz_detector_bind(struct cz_detector *detector,
                                const struct cz_port *outputs, size_t count,
                                struct cz_error *err);

/* Before _bind: what the graph tells; after it: what it will be fed with. */
const struct cz_input_format *
cz_detector_format(const struct cz_detector *detector);

/* Whether _bind has found a decoder. */
bool cz_detector_is_bound(const struct cz_detector *detector);

/* After _bind. */
enum cz_decoder cz_detector_decoder(const struct cz_detector *detector);
/* Of YOLOX, also where its graph decodes: it has pixels and an IoU of its
 * own. */
bool cz_detector_is_yolox(const struct cz_detector *detector);
/* 0: unknown, an end-to-end model without names. */
size_t cz_detector_classes(const struct cz_detector *detector);
/* The largest stride of the head, 32 where the model does not tell. */
size_t cz_detector_stride(const struct cz_detector *detector);
/* Of class `label`: the model's or the file's, COCO's where there are none and
 * 80 classes, else NULL. */
const char *cz_detector_label(const struct cz_detector *detector,
                              uint32_t label);
/* "metadata", "file", "COCO", "none" */
const char *cz_detector_names_source(const struct cz_detector *detector);

/* Candidates of a frame: those above the confidence, at most max_candidates,
 * the best first, ties by anchor and class. Types float32 and float16. The
 * outputs must have the shapes of _bind but for a K that depends on the data:
 * CZ_ESHAPE. Does not change the detector. */
enum cz_status cz_detector_decode(const struct cz_detector *detector,
                                  const struct cz_port *outputs, size_t count,
                                  const struct cz_thresholds *thresholds,
                                  struct cz_boxes *boxes, struct cz_error *err);

/* After _bind: whether its numbers belong to anchors, as those of all decoders
 * but END_TO_END do. */
bool cz_detector_has_anchors(const struct cz_detector *detector);

/* The two below take the numbers of all outputs as float32, one output after
 * the other, of a detector that has anchors. Scores below 0.001 count as none,
 * above 1 as 1. */

/* Does any class at any anchor have a score? */
bool cz_detector_sees(const struct cz_detector *detector, const float *numbers);

/* How far the outputs are from those of a reference for the same image.
 * Modelled on the loss that Ultralytics trains with, the reference for the
 * truth: the sum over anchors of the Kullback-Leibler divergences of the
 * classes' scores, in nats, where one of the two has a score, and of 15
 * (1 - IoU) times the best score of the reference. Nothing is divided by the
 * number of objects, and objectness is a part of the scores. Unlike
 * cz_boxes_compare() it goes on growing when boxes are lost. Infinity where a
 * score is NaN. */
double cz_detector_diverge(const struct cz_detector *detector,
                           const float *reference, const float *other);

/* ---- all of it -------------------------------------------------------- */

/* What an image goes through, each timed. */
enum cz_stage {
    CZ_STAGE_READ,      /* file to pixels: the caller's */
    CZ_STAGE_LETTERBOX, /* pixels to the input */
    CZ_STAGE_INFERENCE,
    CZ_STAGE_DECODE, /* outputs to candidates */
    CZ_STAGE_NMS,    /* candidates to boxes of the image */
    CZ_STAGE_COUNT
};

/* "read", "letterbox", ... */
const char *cz_stage_name(enum cz_stage stage);

/* What the stages of an image took, and how much processor time of the thread
 * that called them: less where it had to wait for a core, or where an engine
 * has threads of its own. */
struct cz_stage_times {
    double wall_ms[CZ_STAGE_COUNT], cpu_ms[CZ_STAGE_COUNT];
};

/* Where both clocks of a thread stand. */
struct cz_moment {
    double wall_ms, cpu_ms;
};

struct cz_moment cz_moment_now(void);

/* Notes what `stage` took since `*start`, which becomes now. */
void cz_stage_end(struct cz_stage_times *times, enum cz_stage stage,
                  struct cz_moment *start);

struct cz_session_options {
    struct cz_engine_options engine;
    struct cz_detector_options detector;
    struct cz_thresholds thresholds;
    bool rect; /* an input of its own for each image: cz_letterbox_rect() */
};

#define CZ_SESSION_OPTIONS_INIT                                                \
    ((struct cz_session_options){.engine = CZ_ENGINE_OPTIONS_INIT,             \
                                 .detector = CZ_DETECTOR_OPTIONS_INIT,         \
                                 .thresholds = {.iou = CZ_IOU_AUTO}})

/* A model that is ready for images; for one thread at a time. */
struct cz_session;

/* `path` and `options` must outlive the session. Errors: those of
 * cz_detector_load(), cz_engine_open() and cz_detector_bind(); CZ_EINVAL for
 * `rect` with a model whose input has one size. */
enum cz_status cz_session_open(struct cz_session **session, const char *path,
                               const struct cz_session_options *options,
                               struct cz_error *err);
void cz_session_close(struct cz_session *session); /* NULL is fine */

const struct cz_detector *cz_session_detector(const struct cz_session *session);
/* With `rect`, good until the next image. */
const struct cz_engine *cz_session_engine(const struct cz_session *session);
const struct cz_thresholds *
cz_session_thresholds(const struct cz_session *session);

/* The input for an image of this size: the model's, or with `rect` its own. */
struct cz_input_format cz_session_format(const struct cz_session *session,
                                         size_t width, size_t height);

/* From an image to boxes in its pixels, best first, which are good until the
 * next image. `times` gets what each stage but the first took.
 * With `rect` another shape of input compiles the model anew: that is not in
 * the times. */
enum cz_status cz_session_run(struct cz_session *session,
                              const struct cz_boxes **boxes,
                              struct cz_stage_times *times,
                              const struct cz_image *image,
                              struct cz_error *err);

/* ---- drawing ---------------------------------------------------------- */

/* Draws the boxes, which are in pixels of the image: frames in a colour for
 * each class, name and score on a background, all scaled with the image. */
enum cz_status cz_draw_boxes(const struct cz_image *image,
                             const struct cz_opencv *opencv,
                             const struct cz_detector *detector,
                             const struct cz_boxes *boxes,
                             struct cz_error *err);

#define CZ_PANEL_LINES 2
#define CZ_PANEL_ROWS 12
#define CZ_PANEL_COLUMNS 4
#define CZ_PANEL_BYTES 32

/* A table of short texts under two lines; the first column is flush left, the
 * others right. */
struct cz_panel {
    char lines[CZ_PANEL_LINES][96];
    char cells[CZ_PANEL_ROWS][CZ_PANEL_COLUMNS][CZ_PANEL_BYTES];
    size_t rows, columns;
};

/* Draws it at the top left on a darkened ground, scaled with the image, which
 * must be CZ_PANEL_SIDE_MIN pixels wide and high or stays as it is. */
#define CZ_PANEL_SIDE_MIN 96
enum cz_status cz_draw_panel(const struct cz_image *image,
                             const struct cz_opencv *opencv,
                             const struct cz_panel *panel,
                             struct cz_error *err);

/* ---- video ------------------------------------------------------------ */

/* OpenCV's videoio: two hundred libraries, opened when they are needed. They
 * come through compress-video.so, which is looked for as compress-opencv.so
 * is. */
struct cz_video;

/* `source`: what will be opened. An address gets another environment than a
 * file, for the libraries below OpenCV; so call this before there are threads.
 */
enum cz_status cz_video_open(struct cz_video **video, const char *source,
                             struct cz_error *err);
void cz_video_close(struct cz_video *video);

enum cz_source_kind {
    CZ_SOURCE_CAMERA,   /* digits, or a device file */
    CZ_SOURCE_FILE,     /* a file or a pipe; "-": standard input */
    CZ_SOURCE_URL,      /* scheme://... */
    CZ_SOURCE_PIPELINE, /* GStreamer's: elements with '!' between them */
    CZ_SOURCE_KIND_COUNT
};
enum cz_source_kind cz_source_kind(const char *text);
/* "camera", "file", "url", "pipeline" */
const char *cz_source_kind_name(enum cz_source_kind kind);

struct cz_source_options {
    const char *text;
    size_t width, height; /* asked of a camera; 0: as it likes */
    double fps;           /* likewise */
    int timeout_ms;       /* of opening a URL, and of waiting for its frames */
};

struct cz_source_facts {
    enum cz_source_kind kind;
    bool is_live;  /* frames come when they come, without an end: cameras,
                      pipelines, URLs of unknown length */
    double fps;    /* 0: unknown */
    size_t frames; /* as a file's header has it; 0: unknown */
};

/* Where frames come from; for one thread at a time. */
struct cz_source;

/* CZ_EIO for a file that is missing, or a folder: before anything is opened. */
enum cz_status cz_source_check(const char *text, struct cz_error *err);

/* CZ_EIO for a file that is missing or no video, and for a camera or an
 * address that does not answer. Waits for the writer of a pipe. */
enum cz_status cz_source_open(struct cz_source **source,
                              const struct cz_video *video,
                              const struct cz_source_options *options,
                              struct cz_error *err);
void cz_source_close(struct cz_source *source); /* NULL is fine */
const struct cz_source_facts *cz_source_facts(const struct cz_source *source);

/* Waits for the next frame; false: there is none, the source has ended or is
 * lost. Then _retrieve makes pixels of it: `image`, zero-initialised or of an
 * earlier frame, whose memory is used again; end with cz_image_free(). */
bool cz_source_grab(struct cz_source *source);
bool cz_source_retrieve(struct cz_source *source, struct cz_image *image);

/* Resizes `from` to the size of `to`, bilinear. */
enum cz_status cz_image_scale(const struct cz_image *to,
                              const struct cz_image *from,
                              const struct cz_video *video,
                              struct cz_error *err);

struct cz_writer_options {
    const char *path; /* .mp4, .mov, .mkv: MPEG-4; .avi: Motion JPEG */
    bool overwrite;
    double fps;
    size_t width, height;
};

/* A video that is being written: through core/output.h. */
struct cz_writer;

/* CZ_EUNSUPPORTED for a name that ends otherwise. */
enum cz_status cz_writer_check(const char *path, bool overwrite,
                               struct cz_error *err);
enum cz_status cz_writer_open(struct cz_writer **writer,
                              const struct cz_video *video,
                              const struct cz_writer_options *options,
                              struct cz_error *err);
/* The image has the size of the options. */
enum cz_status cz_writer_write(struct cz_writer *writer,
                               const struct cz_image *image,
                               struct cz_error *err);
/* Ends the file, sees that all frames are in it, and gives it its name; frees
 * `writer` in any case. CZ_EIO where the disk was full, and nothing is left. */
enum cz_status cz_writer_commit(struct cz_writer *writer, struct cz_error *err);
void cz_writer_abort(struct cz_writer *writer); /* NULL is fine */

/* A window on the screen; for one thread, the program's first. */
struct cz_window;

/* Whether there is a display: $DISPLAY, and an X server answers there, or
 * $WAYLAND_DISPLAY. */
bool cz_window_possible(void);
enum cz_status cz_window_open(struct cz_window **window, const char *title,
                              struct cz_error *err);
void cz_window_close(struct cz_window *window); /* NULL is fine */
/* False when the window was closed, or Esc or q pressed. */
bool cz_window_show(struct cz_window *window, const struct cz_image *image);

#endif
