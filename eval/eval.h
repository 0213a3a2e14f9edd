/* Boxes against the truth: COCO annotations, detections, the twelve statistics,
 * and what else can be said of the same matches. */
#ifndef CZ_EVAL_EVAL_H
#define CZ_EVAL_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/progress.h"
#include "detect/detect.h"

/* ---- annotations ------------------------------------------------------ */

/* What the boxes should be; read once, not changed afterwards. Any number of
 * threads may look into it. */
struct cz_coco;

struct cz_arena;

struct cz_coco_image {
    int64_t id;
    const char *file_name; /* as in the file; "" where there is none */
    int64_t width, height; /* pixels; 0 where the file does not tell */
};

struct cz_coco_category {
    int64_t id;
    const char *name; /* "" where the file does not tell */
};

/* Tells the size in pixels of the image file at `path`, turned as its EXIF
 * orientation says. One of 0x0 has no boxes: their labels cannot be read. */
struct cz_image_sizes {
    enum cz_status (*read)(void *user, const char *path, int64_t *width,
                           int64_t *height, struct cz_error *err);
    void *user;
};

/* Reads annotations; free with cz_coco_free().
 *
 * What cz_coco_is_yolo() says of is a YOLO data set as Ultralytics has it, see
 * cz_coco_load_yolo(); everything else is COCO's instances JSON, of which
 * these are looked at: images (id; file_name, width, height), categories (id;
 * name) and annotations (id, image_id, category_id, bbox; area, iscrowd); what
 * is behind the semicolon may be missing. `area` is then that of the box.
 * Segmentations are skipped, so that memory is that of the boxes.
 *
 * CZ_EIO when the file cannot be read. CZ_EPARSE when it is no JSON, a key is
 * missing or has the wrong type. CZ_EINVAL: an id twice, an image or category
 * that is not there, a box that is not finite or has a negative size. */
enum cz_status cz_coco_load(struct cz_coco **coco, const char *path,
                            const struct cz_image_sizes *sizes,
                            struct cz_error *err);

/* Whether the name is that of a YOLO data set: it ends in .yaml or .yml, upper
 * or lower case. */
bool cz_coco_is_yolo(const char *path);

/* Where a YOLO data set has the labels of an image; in `arena`. NULL: no
 * memory. */
const char *cz_yolo_label_path(struct cz_arena *arena, const char *image);

/* The same from memory; `name` stands for the file in messages. JSON only. */
enum cz_status cz_coco_parse(struct cz_coco **coco, const void *bytes,
                             size_t size, const char *name,
                             struct cz_error *err);

/* Reads the images and boxes that `val:` of a data.yaml names, with the rules
 * of ultralytics/data/utils.py:
 *
 * - `path:` is relative to the yaml's folder, `val:` to `path:`. It is a folder
 *   (searched with all below it), a list file (one image a line; `./` and
 *   relative names from the list's folder), or a list of these. Where it is not
 *   there and begins with ../, it is tried without (Roboflow's exports).
 * - The labels of a/images/b/c.jpg are in a/labels/b/c.txt, where the last
 *   /images/ counts. No such file: an image without boxes.
 * - A line is `class x y w h`, centre and size as fractions of the image, or
 *   `class x1 y1 x2 y2 x3 y3 ...`, a polygon, of which the box is taken.
 * - Lines that say the same count once.
 * - `names:` is a list, or a map from numbers. Category ids are class + 1, as
 *   Ultralytics writes results. An image's id is the number that its file is
 *   called by, where no other is called by it, as there, too. The others are 1,
 *   2, 3, ... in the order of the paths, but for numbers that files have.
 *   `area` is width x height.
 *
 * file_name of an image is then the path to it. `sizes` is called once for each
 * image. Errors as above. */
enum cz_status cz_coco_load_yolo(struct cz_coco **coco, const char *path,
                                 const struct cz_image_sizes *sizes,
                                 struct cz_error *err);

void cz_coco_free(struct cz_coco *coco); /* NULL is fine */

/* In the order of the file: [*count], good as long as `coco`. */
const struct cz_coco_image *cz_coco_images(const struct cz_coco *coco,
                                           size_t *count);
const struct cz_coco_category *cz_coco_categories(const struct cz_coco *coco,
                                                  size_t *count);
size_t cz_coco_box_count(const struct cz_coco *coco);

/* NULL where there is none. */
const struct cz_coco_image *cz_coco_image(const struct cz_coco *coco,
                                          int64_t id);
const struct cz_coco_category *cz_coco_category(const struct cz_coco *coco,
                                                int64_t id);

/* The image that `name` means: its file_name, or a path to it, or the base
 * name, with or without the suffix. NULL where there is none, or where several
 * fit equally well. */
const struct cz_coco_image *cz_coco_find_image(const struct cz_coco *coco,
                                               const char *name);

#define CZ_COCO_NOTE_BYTES 320

/* The category of each of a model's classes: categories[n_classes], good as
 * long as `coco`; NULL for those without one.
 *
 * By name where `names` ([n_classes], or NULL) has the names of all categories,
 * or where all names are those of categories; upper and lower case are the
 * same. Else by order, where there are as many categories as classes (in the
 * order of their ids, which is how COCO's 80 classes have the ids 1 to 90) and
 * no name says that it is another order; else by name, where most have one.
 * CZ_EINVAL where nothing fits.
 *
 * note: what a person should know of this: "" where each category has the class
 * of its name. */
enum cz_status cz_coco_map_classes(const struct cz_coco_category **categories,
                                   char note[CZ_COCO_NOTE_BYTES],
                                   const char *const *names, size_t n_classes,
                                   const struct cz_coco *coco,
                                   struct cz_error *err);

/* ---- detections ------------------------------------------------------- */

struct cz_coco_detection {
    int64_t image_id, category_id;
    double bbox[4]; /* left, top, width, height, in pixels of the image */
    double score;
};

struct cz_coco_detections {
    struct cz_coco_detection *items; /* [count]; owned */
    size_t count, capacity;
};

#define CZ_COCO_DETECTIONS_INIT                                                \
    {                                                                          \
        .items = NULL                                                          \
    }

/* Appends one. CZ_ENOMEM only. */
enum cz_status cz_coco_detections_add(struct cz_coco_detections *detections,
                                      const struct cz_coco_detection *detection,
                                      struct cz_error *err);
void cz_coco_detections_fini(struct cz_coco_detections *detections);

/* Appends the detections of a file in COCO's results format: a list of objects
 * with image_id, category_id, bbox, score. image_id may also be the name of an
 * image (see cz_coco_find_image()), as Ultralytics writes it where a file is
 * not called by a number. Errors as cz_coco_load(). */
enum cz_status cz_coco_detections_load(struct cz_coco_detections *detections,
                                       const char *path,
                                       const struct cz_coco *coco,
                                       struct cz_error *err);

/* The same from memory. */
enum cz_status cz_coco_detections_parse(struct cz_coco_detections *detections,
                                        const void *bytes, size_t size,
                                        const char *name,
                                        const struct cz_coco *coco,
                                        struct cz_error *err);

/* Writes them in that format, byte for byte as Ultralytics' save_json does:
 * boxes rounded to 3 decimals, scores to 5. The file is whole or not there;
 * one that exists is CZ_EINVAL unless `overwrite`. */
enum cz_status
cz_coco_detections_save(const struct cz_coco_detections *detections,
                        const char *path, bool overwrite, struct cz_error *err);

/* ---- matching --------------------------------------------------------- */

#define CZ_COCO_IOUS 10     /* thresholds 0.50, 0.55, ... 0.95 */
#define CZ_COCO_RECALLS 101 /* 0.00, 0.01, ... 1.00 */

/* Which detection found which box: everything below is counted from this, as
 * often as one likes. */
struct cz_coco_matches;

struct cz_coco_match_options {
    const int64_t *image_ids; /* [n_images] only these; NULL: all */
    size_t n_images;
    const int64_t *category_ids; /* [n_categories] only these; NULL: all */
    size_t n_categories;
    size_t threads; /* 0: as many as there are cores */
};

#define CZ_COCO_MATCH_OPTIONS_INIT                                             \
    {                                                                          \
        .image_ids = NULL                                                      \
    }

/* Matches detections with boxes exactly as pycocotools' COCOeval does for
 * iouType 'bbox' (pycocotools/cocoeval.py, evaluateImg): class by class and
 * image by image the 100 best detections, by falling score (ties: the earlier
 * one), each with the free box that it overlaps most; boxes that are crowds, or
 * outside of an area range, are taken only when no other is left and make the
 * detection count as nothing; for a crowd the overlap is by the detection's own
 * area and it may be taken again. Like there, a box with the annotation id 0
 * counts as never found (cz_coco_has_id_zero()).
 *
 * coco: must outlive the result. detections: need not. CZ_EINVAL: a detection
 * of an image or a category that is not in `coco`, or with a box or score that
 * is not finite or a negative size; an option that names an unknown id. */
enum cz_status cz_coco_match(struct cz_coco_matches **matches,
                             const struct cz_coco *coco,
                             const struct cz_coco_detection *detections,
                             size_t n_detections,
                             const struct cz_coco_match_options *options,
                             struct cz_error *err);
void cz_coco_matches_free(struct cz_coco_matches *matches); /* NULL is fine */

/* True where a box has the annotation id 0: pycocotools' answer is then lower
 * than it should be, and so is ours. */
bool cz_coco_has_id_zero(const struct cz_coco *coco);

/* ---- the twelve statistics -------------------------------------------- */

enum cz_coco_stat {
    CZ_COCO_AP, /* mean over IoU .50:.95, areas all, 100 detections */
    CZ_COCO_AP50,
    CZ_COCO_AP75,
    CZ_COCO_AP_SMALL,  /* area up to 32^2 */
    CZ_COCO_AP_MEDIUM, /* 32^2 to 96^2 */
    CZ_COCO_AP_LARGE,  /* from 96^2 */
    CZ_COCO_AR1,       /* recall with the best detection of each image */
    CZ_COCO_AR10,
    CZ_COCO_AR100,
    CZ_COCO_AR_SMALL,
    CZ_COCO_AR_MEDIUM,
    CZ_COCO_AR_LARGE,
    CZ_COCO_STAT_COUNT
};

/* "AP", "AP50", "APsmall", "AR100", ... */
const char *cz_coco_stat_name(enum cz_coco_stat stat);

/* A class; numbers are -1 where it has no box to find. */
struct cz_coco_class {
    const struct cz_coco_category *category;
    size_t boxes;      /* to find: crowds do not count */
    size_t detections; /* the 100 best of each image */
    double ap, ap50, ar100;
};

struct cz_coco_report {
    size_t images, boxes, detections; /* sums of the classes */
    double stats[CZ_COCO_STAT_COUNT]; /* -1 where there is no box to find */
    double ap_by_iou[CZ_COCO_IOUS];
    struct cz_coco_class *classes; /* [n_classes], by id; owned */
    size_t n_classes;
};

/* The statistics as COCOeval's accumulate() and summarize() give them: equal
 * but for rounding in the last places of the means. free with
 * cz_coco_report_fini(), also after an error. CZ_ENOMEM only. */
enum cz_status cz_coco_evaluate(struct cz_coco_report *report,
                                const struct cz_coco_matches *matches,
                                size_t threads, struct cz_error *err);
void cz_coco_report_fini(struct cz_coco_report *report);

/* ---- on request ------------------------------------------------------- */

/* The precision at each of the 101 recalls, of the class at `index` of the
 * report, at the IoU threshold number `iou` (0: .50); areas all, 100
 * detections. -1 where the class has no box to find. CZ_ENOMEM only. */
enum cz_status cz_coco_curve(double precision[CZ_COCO_RECALLS],
                             const struct cz_coco_matches *matches,
                             size_t index, size_t iou, struct cz_error *err);

/* The confidence at which F1 is best, at IoU .50. */
struct cz_coco_f1 {
    double confidence, precision, recall, f1; /* -1 where there is no box */
};

/* classes: [n_classes] of the report, each at the confidence that is best for
 * it. overall: the one confidence of 0.000, 0.001, ... 0.999 at which the mean
 * F1 of the classes with boxes is best (the lowest of equals), with the means
 * of precision and recall there. (Ultralytics smooths that curve first.)
 * CZ_ENOMEM only. */
enum cz_status cz_coco_best_f1(struct cz_coco_f1 *classes,
                               struct cz_coco_f1 *overall,
                               const struct cz_coco_matches *matches,
                               struct cz_error *err);

/* Which class was taken for which. */
struct cz_coco_confusion {
    size_t n_classes; /* as in the report; index n_classes is "nothing" */
    size_t *counts;   /* [n_classes + 1][n_classes + 1]: [found][true]; owned */
};

struct cz_coco_confusion_options {
    double conf_threshold, iou_threshold;
};

/* Ultralytics' own. */
#define CZ_COCO_CONFUSION_OPTIONS_INIT                                         \
    {                                                                          \
        .conf_threshold = .25, .iou_threshold = .45                            \
    }

/* Counts as ultralytics/utils/metrics.py ConfusionMatrix does: of the
 * detections with a score above `conf_threshold`, of any class, each proposes
 * to the box that it overlaps most, if more than `iou_threshold`, and each box
 * takes the proposal that overlaps it most. A box without one counts as
 * [n_classes][its class], a detection that was not taken as
 * [its class][n_classes], unless it lies in a crowd of its class. Images and
 * classes are those of `matches`. */
enum cz_status cz_coco_confusion_count(
    struct cz_coco_confusion *confusion, const struct cz_coco_matches *matches,
    const struct cz_coco_detections *detections,
    const struct cz_coco_confusion_options *options, struct cz_error *err);
void cz_coco_confusion_fini(struct cz_coco_confusion *confusion);

/* ---- models over images ----------------------------------------------- */

struct cz_eval_options {
    const char *const *models; /* [n_models] files, at least one */
    size_t n_models;
    /* engine.plan.threads: images at work at a time, each on one thread with
     * plans of its own (0: the cores that this process may use). That takes
     * less time than one image after the other on all cores, and reading
     * overlaps with inference by itself. On a GPU two sessions take turns. */
    struct cz_session_options session;
    const char *images;       /* folder of the files; NULL: names are paths */
    const int64_t *image_ids; /* [n_images] only these; NULL: all */
    size_t n_images;
    bool strict; /* an image that cannot be read is an error */
    const struct cz_progress *progress; /* may be NULL */
};

/* An image that could not be read, and why. */
struct cz_eval_skipped {
    const struct cz_coco_image *image;
    char *reason;
};

/* What a model made of the images, and how they went in. */
struct cz_eval_model {
    struct cz_coco_detections detections; /* in the order of the images */
    double *times_ms[CZ_STAGE_COUNT];     /* [n_images] each; reading is done
                                             once for all models */
    double cpu_ms[CZ_STAGE_COUNT];        /* sums; see struct cz_stage_times */
    size_t not_finite;    /* candidates with NaN or infinite numbers, or
                             negative sizes */
    size_t above_one;     /* scores that no probability has */
    size_t unknown_class; /* boxes of classes that no category has */
    enum cz_decoder decoder;
    struct cz_input_format format; /* with `rect`, of a square image */
    size_t n_classes;              /* 0: unknown, see cz_detector_classes() */
    bool has_plan;                 /* our own engine ran it: */
    struct cz_precision_report precision; /* of the first thread's plan */
    char class_note[CZ_COCO_NOTE_BYTES];  /* see cz_coco_map_classes() */
    struct cz_thresholds thresholds;
};

struct cz_eval_run {
    struct cz_eval_model *models; /* [n_models] */
    size_t n_models;
    int64_t *image_ids; /* [n_images]: those that every model was run on */
    size_t n_images;
    struct cz_eval_skipped *skipped; /* [n_skipped] */
    size_t n_skipped;
    size_t n_resized; /* images of another size than the annotations say */
    bool rect;
    double wall_ms;   /* from the first image to the end */
    size_t threads;   /* that worked */
    bool interrupted; /* by `progress`: the rest was not run */
};

/* Runs the models over images of `coco`. They take turns: an image is read
 * once and goes through all of them, the first of an image being the second of
 * the next, so that a slow moment of the machine meets all. Memory is that of
 * n_models plans for each thread. free with cz_eval_run_fini(), also after an
 * error. `coco` must outlive the result.
 *
 * Images that cannot be read are skipped, unless `strict`. CZ_EINTERRUPTED is
 * not an error here: `interrupted` is set and what was done is kept. The result
 * does not depend on the number of threads. Other errors: those of
 * cz_session_open(), cz_opencv_open() and cz_coco_map_classes(). */
enum cz_status cz_eval_run(struct cz_eval_run *run, const struct cz_coco *coco,
                           const struct cz_eval_options *options,
                           struct cz_error *err);
void cz_eval_run_fini(struct cz_eval_run *run);

/* ---- is a difference noise? ------------------------------------------- */

struct cz_coco_bootstrap_options {
    size_t resamples;
    uint64_t seed;
    size_t threads; /* 0: as many as there are cores */
};

#define CZ_COCO_BOOTSTRAP_OPTIONS_INIT                                         \
    {                                                                          \
        .resamples = 1000, .seed = 1                                           \
    }

struct cz_coco_delta {
    double difference; /* of the second result to the first, on all images */
    double low, high;  /* 95 % interval of it */
    bool noise;        /* 0 lies in the interval */
};

/* The paired bootstrap over images for AP and AP50 of two results on the same
 * images: images are drawn with replacement, as many as there are, the same
 * ones for both results; both are evaluated as if those were the data set (an
 * image drawn twice counts twice); the interval is from the 2.5th to the 97.5th
 * percentile of the differences (Efron & Tibshirani, An Introduction to the
 * Bootstrap, 1993, chapter 13). Matches are not made again. The same seed gives
 * the same interval with any number of threads.
 *
 * CZ_EINVAL where the images or classes of the two are not the same or where
 * there is no box to find. */
enum cz_status cz_coco_bootstrap(
    struct cz_coco_delta *ap, struct cz_coco_delta *ap50,
    const struct cz_coco_matches *first, const struct cz_coco_matches *second,
    const struct cz_coco_bootstrap_options *options, struct cz_error *err);

#endif
