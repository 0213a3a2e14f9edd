/* The parts of `compress eval`: its options, one result for each model and each
 * file of detections, and what is made of them. */
#ifndef CZ_APP_EVAL_H
#define CZ_APP_EVAL_H

#include <getopt.h>

#include "app/app.h"
#include "app/detector.h"
#include "app/latency.h"
#include "eval/eval.h"

struct app_eval_options {
    const char *annotations;
    const char *images; /* their folder; NULL: to be found */
    /* What to compare, the first with the rest: [n_models], then files of
     * detections up to [n_sources]; owned. */
    const char **sources;
    size_t n_models, n_sources;
    struct app_detector_options detector;
    const char *model_option; /* the first that only models have a use for */
    const char *save_dets;    /* where a model's detections go, or NULL */
    char *classes;            /* names and ids with commas between, or NULL */
    size_t limit;             /* images; 0: all */
    size_t resamples, seed;
    bool per_class, curves, confusion, strict;
};

/* Parses the command line. False when the command is over, with its exit code
 * in `*exit_code`. Ends with _fini in any case. */
bool app_eval_options_parse(struct app_eval_options *options, int argc,
                            char **argv, int *exit_code);
void app_eval_options_fini(struct app_eval_options *options);

/* The options that there are; the last has no name. */
const struct option *app_eval_long_options(void);

/* Detections, and what they are worth. */
struct app_eval_result {
    const char *name;                  /* the file */
    const struct cz_eval_model *model; /* of the run; NULL: a file of them */
    struct app_latency latency[CZ_STAGE_COUNT];
    size_t bytes; /* of the model's file */
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
    struct cz_eval_run run;          /* of the models; detections moved out */
    struct app_eval_result *results; /* [n_results], one a source; owned */
    size_t n_results;
    char *images; /* their folder; NULL: names are paths; owned */
    /* Of the first result, where they were asked for. */
    struct cz_coco_f1 *f1, best_f1; /* [n_classes]; owned */
    struct cz_coco_confusion confusion;
    double (*curves)[CZ_COCO_RECALLS]; /* [n_classes], at IoU .50; owned */
    double read_ms;                    /* the annotations */
    double compare_ms;
};

void app_eval_print_text(const struct app_eval *eval);
void app_eval_print_json(const struct app_eval *eval);

#endif
