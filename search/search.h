/* Which choices cost a detector its boxes: found out by trying them.
 *
 * A judge runs a changed model over a few images and tells how far its boxes
 * are from those of the model as it was. What stands on it tries changes: one
 * layer at a time (sensitivity), or one choice after the other. */
#ifndef CZ_SEARCH_SEARCH_H
#define CZ_SEARCH_SEARCH_H

#include "detect/detect.h"
#include "eval/eval.h"
#include "prune/prune.h"
#include "quant/quant.h"

/* ---- the model -------------------------------------------------------- */

/* Makes the model anew, as it is before it is quantized; the caller of load()
 * frees it. */
struct cz_model_source {
    enum cz_status (*load)(void *user, struct cz_model **model,
                           struct cz_error *err);
    void *user;
};

/* ---- judge ------------------------------------------------------------ */

struct cz_judge;

/* What should be found on the images of a judge. */
struct cz_truth {
    const struct cz_coco *coco;
    const int64_t *image_ids; /* [images.count] in `coco` */
    /* Of each class of the detector; NULL for those without one. These two are
     * looked at after images.begin(); no classes: the truth is not known. */
    const struct cz_coco_category *const *categories; /* [n_classes] */
    size_t n_classes;
    /* Boxes from pixels of the input to those of the image that images.fill()
     * was last called for. */
    void (*undo)(void *user, struct cz_boxes *boxes);
    void *user;
};

struct cz_judge_options {
    struct cz_images images; /* begin() is called with each plan */
    struct cz_plan_options plan;
    /* For the same file; must outlive the judge. begin() binds it. Where it is
     * not bound then, outputs are compared instead of boxes. */
    struct cz_detector *detector;
    const struct cz_truth *truth; /* NULL: not known; must outlive the judge */
    /* Where the detector has anchors, these are compared instead of boxes, and
     * verdicts have a difference alone. Not with the truth. */
    bool by_anchors;
};

/* What a judge goes by. */
enum cz_evidence {
    CZ_EVIDENCE_TRUTH,   /* drops are measured, and estimated from boxes */
    CZ_EVIDENCE_BOXES,   /* estimated: the truth is not known, has no box on the
                            images, or there is but one */
    CZ_EVIDENCE_OUTPUTS, /* there are no boxes, and no drops */
};

/* What a judge says of a changed model. */
struct cz_verdict {
    /* How far its boxes are from those of the model as it was: 0 for equal
     * ones, 1 where nothing is found any more; see cz_boxes_compare(). Boxes
     * with a score of 0.05 at least count. Of outputs: the squares of what they
     * are apart to those of the outputs themselves. Of anchors: the mean over
     * images of cz_detector_diverge(), in nats, without a limit. */
    double difference;
    /* mAP50-95 that is lost; below 0 where some is won. 0 without boxes. With
     * the truth: what was measured and what is estimated, each counts the
     * more, the surer it is. */
    double drop;
    /* The change of mAP50-95 on the images, and how sure that is. 0 without the
     * truth. */
    struct cz_coco_delta measured;
};

/* A drop is estimated as this times the difference. docs/benchmarks.md has the
 * measurements behind it. */
#define CZ_DROP_PER_DIFFERENCE 0.1

/* Estimates are off by the first (RMS), those above the second by as much as
 * they are. */
#define CZ_ESTIMATE_ERROR 0.008
#define CZ_ESTIMATED_MOST 0.05

/* An estimate alone is too much only beyond so many times what is allowed: by
 * default 0.01 and three of these errors. */
#define CZ_ESTIMATE_SLACK 3.4

/* Outputs that no decoder knows: beyond this difference they are others. */
#define CZ_OUTPUTS_MOST 0.5

/* Runs the model over the images and keeps what will be compared. CZ_EINVAL
 * where it finds nothing at all, or makes outputs that are not finite: nothing
 * can be told. */
enum cz_status cz_judge_new(struct cz_judge **judge,
                            const struct cz_model_source *source,
                            const struct cz_judge_options *options,
                            struct cz_error *err);
void cz_judge_free(struct cz_judge *judge); /* NULL is fine */

/* mAP50-95 of the model as it was; below 0 where the truth is not known. */
double cz_judge_precision(const struct cz_judge *judge);

enum cz_evidence cz_judge_evidence(const struct cz_judge *judge);

/* Runs a changed model over the same images. */
enum cz_status cz_judge_measure(struct cz_judge *judge, struct cz_model *model,
                                struct cz_verdict *verdict,
                                struct cz_error *err);

/* ---- trials ----------------------------------------------------------- */

struct cz_trial_options {
    struct cz_model_source source;
    struct cz_judge *judge;
    /* Its statistics are used by all trials, and filled by the first. Its
     * progress is told of trials, too. */
    const struct cz_int8_options *int8;
};

/* ---- sensitivity ------------------------------------------------------ */

struct cz_sensitivity_row {
    char *name;        /* of the convolution; owned */
    double snr_db;     /* of int8: see struct cz_int8_layer */
    double difference; /* of the boxes, with this layer alone changed */
    size_t place;      /* in the graph's order */
    uint64_t macs;     /* of a frame; 0 where they are not known */
};

struct cz_sensitivity {
    struct cz_sensitivity_row *rows; /* [n_rows] in the graph's order; owned */
    size_t n_rows;
    double all; /* with all of them changed */
    /* Convolutions that are no rows, but change with them: in int8 those that
     * feed the decode tail. */
    char **others; /* [n_others]; owned */
    size_t n_others;
};

void cz_sensitivity_fini(struct cz_sensitivity *sensitivity);

/* Quantizes each convolution alone (its weights, what it reads, and where the
 * target wants that what it makes up to its activation) and measures what that
 * does to the boxes. options->int8 must have statistics. End with _fini
 * whatever the result. */
enum cz_status cz_sensitivity_measure(struct cz_sensitivity *sensitivity,
                                      const struct cz_trial_options *options,
                                      struct cz_error *err);

struct cz_prune_trial_options {
    struct cz_model_source source;
    struct cz_judge *judge;
    struct cz_prune_options
        prune; /* of all layers; progress is told of trials */
};

/* Prunes each convolution alone, and all of them: the sparsity is that of
 * options->prune. End with _fini whatever the result. */
enum cz_status
cz_sensitivity_prune(struct cz_sensitivity *sensitivity,
                     const struct cz_prune_trial_options *options,
                     struct cz_error *err);

/* ---- layers to keep --------------------------------------------------- */

struct cz_keep {
    char **names; /* [count] convolutions that should stay float32; owned */
    size_t count;
    struct cz_verdict after; /* with all of them kept */
};

void cz_keep_fini(struct cz_keep *keep);

/* Looks for the few layers that int8 costs most among those with the lowest
 * signal-to-noise ratio: at most CZ_KEEP_MOST, found by CZ_KEEP_STEPS trials
 * that keep 1, 2, 4, ... of them and as many as were kept then. Kept layers
 * cost bytes and time: they are given back where no more than `enough` is lost
 * without. `layers`, which are sorted anew, and `before` are of a trial with
 * the options that lost more. */
#define CZ_KEEP_MOST 8
#define CZ_KEEP_STEPS 4
enum cz_status cz_keep_find(struct cz_keep *keep,
                            const struct cz_trial_options *options,
                            struct cz_sensitivity *layers,
                            const struct cz_verdict *before, double enough,
                            struct cz_error *err);

/* A trial with the first layers in float32, as many as have `share` of the
 * MACs of all `layers`; none, and no trial, where the first one has more, or
 * MACs are not known: the input's size is open. `layers` are of a trial with
 * the options, which keep none; `rest` gets those that stay in int8. */
enum cz_status cz_keep_first(struct cz_keep *keep,
                             const struct cz_trial_options *options,
                             const struct cz_sensitivity *layers, double share,
                             struct cz_sensitivity *rest, struct cz_error *err);

/* ---- choices ---------------------------------------------------------- */

#define CZ_CHOICE_BYTES 48
#define CZ_TRIED_MOST 18

/* A row of the table of what was tried. */
struct cz_tried {
    char choice[CZ_CHOICE_BYTES]; /* "ranges percentile", "equalization", ... */
    /* It changes nothing in this model, and no trial was made of it. */
    bool is_void;
    bool is_kept; /* it stayed: it is the first, or brought the boxes nearer;
                     learning stays unless it is clearly worse */
    struct cz_verdict verdict;
};

struct cz_choices_options {
    /* Its `int8` is what is tried first. */
    struct cz_trial_options trial;
    double max_drop;   /* of mAP50-95: more is not good enough */
    bool learn;        /* codes and biases are learned unless that is worse */
    bool fixed_ranges; /* the method stays as it is */
    bool fixed_keep;   /* no other layers are kept in float32 */
    /* The first layers, up to this share of the MACs of all that become int8,
     * stay float32 where that brings the boxes nearer; 0: no trial of it. */
    double first_share;
};

struct cz_choices {
    /* The best that was found. Its lists and statistics are those of the
     * options or of this. */
    struct cz_int8_options int8;
    struct cz_verdict verdict; /* of it */
    bool holds;                /* it is good enough, as far as is known */
    /* It is not, and surely: 95 % of what may have been measured is more than
     * max_drop. Estimates that do not hold are sure. */
    bool fails;
    enum cz_evidence evidence;
    struct cz_tried tried[CZ_TRIED_MOST]; /* [n_tried] in turn */
    size_t n_tried;
    /* For search/ only, and owned. */
    struct cz_keep first, keep;
    struct cz_sensitivity sensitive;
    const char *
        *names; /* room for int8.keep; NULL: it is that of the options */
    struct cz_int8_statistics *statistics;
};

/* Quantizes as it was asked for, keeps the first layers in float32 where that
 * is to be tried (cz_keep_first()), and the few others that are worth it
 * (cz_keep_find()) where that loses more than max_drop or nobody can tell, and
 * learns codes and biases unless that is worse. Where it still loses more,
 * other choices are tried in this order, each on top of those that brought the
 * boxes nearer, until it loses less:
 *
 * - ranges by mse, percentile, minmax;
 * - equalization (cz_equalize()), where the model has a pair for it;
 * - the 1, 2, 4, 8 most sensitive layers in float32, of the CZ_CHOICES_LOOKED
 *   with the lowest signal-to-noise ratio, each measured alone.
 *
 * That nothing holds is no error: `holds` and `fails` say so. End with _fini
 * whatever the result. */
#define CZ_CHOICES_LOOKED 16
enum cz_status cz_choices_find(struct cz_choices *choices,
                               const struct cz_choices_options *options,
                               struct cz_error *err);
void cz_choices_fini(struct cz_choices *choices);

#endif
