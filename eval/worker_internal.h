/* One thread's share of cz_eval_run(): a session for each model, and what
 * becomes of an image in them. */
#ifndef CZ_EVAL_WORKER_INTERNAL_H
#define CZ_EVAL_WORKER_INTERNAL_H

#include "eval/eval.h"

/* What all workers share and none changes. */
struct cz_eval_job {
    const struct cz_coco *coco;
    const struct cz_eval_options *options;
    const struct cz_opencv *opencv;
    struct cz_session_options session; /* of each worker: one thread */
};

/* A model in a worker. */
struct cz_eval_seat {
    struct cz_session *session;
    const struct cz_coco_category **categories; /* [n_classes]; NULL: none */
    size_t n_classes;
    char class_note[CZ_COCO_NOTE_BYTES];
};

struct cz_eval_worker {
    const struct cz_eval_job *job;
    struct cz_eval_seat *seats; /* [job->options->n_models]; owned */
};

/* What a model found in an image. */
struct cz_eval_found {
    struct cz_coco_detection *items; /* [count]; owned */
    size_t count, not_finite, above_one, unknown_class;
    struct cz_stage_times times;
};

/* An image, and what came of it. */
struct cz_eval_result {
    const struct cz_coco_image *image;
    size_t first_model;          /* that it goes through */
    struct cz_eval_found *found; /* [n_models] */
    bool is_done, is_resized;    /* done: by all models */
    char *skipped;               /* the reason; owned */
};

/* Opens the models. Ends with _fini in any case. */
enum cz_status cz_eval_worker_init(struct cz_eval_worker *worker,
                                   const struct cz_eval_job *job,
                                   struct cz_error *err);
void cz_eval_worker_fini(struct cz_eval_worker *worker);

/* Image to detections, in `result`, which tells the image. One that cannot be
 * read is no error, but noted there, unless the options are strict. */
enum cz_status cz_eval_worker_run(struct cz_eval_worker *worker,
                                  struct cz_eval_result *result,
                                  struct cz_error *err);

#endif
