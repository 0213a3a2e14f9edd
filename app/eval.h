/* The parts of `compress eval`: its options, one result for each file of
 * detections, and what is made of them. */
#ifndef CZ_APP_EVAL_H
#define CZ_APP_EVAL_H

#include "app/app.h"
#include "eval/eval.h"

struct app_eval_options {
    const char *annotations;
    const char **detections; /* [n_detections] files; owned */
    size_t n_detections;
    char *classes; /* names and ids with commas between, or NULL */
    size_t limit;  /* images; 0: all */
    size_t threads, resamples, seed;
    bool per_class, curves, confusion, json, quiet;
};

/* Parses the command line. False when the command is over, with its exit code
 * in `*exit_code`. Ends with _fini in any case. */
bool app_eval_options_parse(struct app_eval_options *options, int argc,
                            char **argv, int *exit_code);
void app_eval_options_fini(struct app_eval_options *options);

/* Detections, and what they are worth. */
struct app_eval_result {
    const char *name; /* the file */
    struct cz_coco_detections detections;
    struct cz_coco_matches *matches;
    struct cz_coco_report report;
    struct cz_coco_delta ap, ap50; /* to the first result; not for itself */
    double read_ms, match_ms;      /* the file; the rest */
};

/* All that there is to report. */
struct app_eval {
    const struct app_eval_options *options;
    struct cz_coco *coco;
    struct app_eval_result *results; /* [options->n_detections]; owned */
    /* Of the first result, where they were asked for. */
    struct cz_coco_f1 *f1, best_f1; /* [n_classes]; owned */
    struct cz_coco_confusion confusion;
    double (*curves)[CZ_COCO_RECALLS]; /* [n_classes], at IoU .50; owned */
    double read_ms;                    /* the annotations */
    double compare_ms;
};

void app_eval_print_text(const struct app_eval *eval);
void app_eval_print_json(const struct app_eval *eval);

/* Reads the size of a JPEG, PNG or BMP from its header, turned as a JPEG's EXIF
 * orientation says; the function of struct cz_image_sizes. CZ_EIO,
 * CZ_EUNSUPPORTED. */
enum cz_status app_image_size(void *user, const char *path, int64_t *width,
                              int64_t *height, struct cz_error *err);

#endif
