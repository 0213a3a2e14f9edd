/* Which choices cost a detector its boxes: found out by trying them.
 *
 * A judge runs a changed model over a few images and tells how far its boxes
 * are from those of the model as it was. What stands on it tries changes: one
 * layer at a time (sensitivity), or one choice after the other. */
#ifndef CZ_SEARCH_SEARCH_H
#define CZ_SEARCH_SEARCH_H

#include "detect/detect.h"
#include "prune/prune.h"
#include "quant/quant.h"

/* ---- the model -------------------------------------------------------- */

/* Makes the model anew, as it is before it is quantized; the caller of load()
 * frees it. */
struct cz_source {
    enum cz_status (*load)(void *user, struct cz_model **model,
                           struct cz_error *err);
    void *user;
};

/* ---- judge ------------------------------------------------------------ */

struct cz_judge;

struct cz_judge_options {
    struct cz_int8_images images; /* begin() is called with each plan */
    struct cz_plan_options plan;
    /* Of a detector for the same file; must outlive the judge. */
    struct cz_detector *detector;
};

/* Runs the model over the images and keeps its boxes. */
enum cz_status cz_judge_new(struct cz_judge **judge,
                            const struct cz_source *source,
                            const struct cz_judge_options *options,
                            struct cz_error *err);
void cz_judge_free(struct cz_judge *judge); /* NULL is fine */

/* How far the model's boxes are from those kept: 0 for equal ones, 1 where
 * nothing is found any more; see cz_boxes_compare(). Boxes with a score of
 * 0.05 at least count. */
enum cz_status cz_judge_measure(struct cz_judge *judge, struct cz_model *model,
                                double *difference, struct cz_error *err);

/* ---- trials ----------------------------------------------------------- */

struct cz_trial_options {
    struct cz_source source;
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
};

struct cz_sensitivity {
    struct cz_sensitivity_row *rows; /* [n_rows] in the graph's order; owned */
    size_t n_rows;
    double all; /* with all of them changed */
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
    struct cz_source source;
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
    double before, after; /* how far the boxes are from the float model's with
                             none of them kept, and with all */
};

void cz_keep_fini(struct cz_keep *keep);

/* Looks for the few layers that int8 costs most among those with the lowest
 * signal-to-noise ratio: at most CZ_KEEP_MOST, found by CZ_KEEP_STEPS trials
 * that keep 1, 2, 4, ... of them and as many as were kept then. */
#define CZ_KEEP_MOST 8
#define CZ_KEEP_STEPS 4
enum cz_status cz_keep_find(struct cz_keep *keep,
                            const struct cz_trial_options *options,
                            struct cz_error *err);

#endif
