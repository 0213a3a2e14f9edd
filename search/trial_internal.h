/* What trials of all kinds are made of. */
#ifndef CZ_SEARCH_TRIAL_INTERNAL_H
#define CZ_SEARCH_TRIAL_INTERNAL_H

#include "search/search.h"

/* Room for `most` rows; they are added with the names copied. Their MACs are 0
 * until somebody says so. */
enum cz_status cz_sensitivity_start(struct cz_sensitivity *sensitivity,
                                    size_t most, struct cz_error *err);
enum cz_status cz_sensitivity_add(struct cz_sensitivity *sensitivity,
                                  const char *name, double snr_db,
                                  struct cz_error *err);

enum cz_status cz_sensitivity_add_other(struct cz_sensitivity *sensitivity,
                                        const char *name, struct cz_error *err);

/* Quantizes a fresh model and measures it. `rows`: NULL, or gets one for each
 * layer in int8. */
enum cz_status cz_trial_run(struct cz_verdict *verdict,
                            const struct cz_trial_options *options,
                            const struct cz_int8_options *int8,
                            struct cz_sensitivity *rows, struct cz_error *err);

/* The drop of mAP50-95 by what was measured on n images and what is estimated:
 * their mean, each by the inverse of its variance. That of the bootstrap is too
 * small by (n - 1) / n (Efron & Tibshirani, An Introduction to the Bootstrap,
 * chapter 5); that of an estimate is CZ_ESTIMATE_ERROR, squared, and its own
 * square beyond CZ_ESTIMATED_MOST. One image measures nothing. */
double cz_drop_weigh(const struct cz_coco_delta *measured, double estimated,
                     size_t n);

/* The row with the lowest signal-to-noise ratio first. */
void cz_sensitivity_sort_by_noise(struct cz_sensitivity *sensitivity);

/* Measures one row: with that layer alone in int8. */
enum cz_status cz_sensitivity_alone(struct cz_sensitivity *sensitivity,
                                    size_t row,
                                    const struct cz_trial_options *options,
                                    struct cz_error *err);

/* False, with CZ_EINTERRUPTED in `err`, when the user wants an end. */
bool cz_trial_tick(const struct cz_trial_options *options, const char *stage,
                   size_t i, size_t count, struct cz_error *err);

/* Names of all that stays float32; only the list is owned. */
struct cz_kept {
    const char **names;
    size_t count;
};

/* What the caller keeps, with room for more. Free `names`. */
enum cz_status cz_kept_start(struct cz_kept *kept,
                             const struct cz_int8_options *int8, size_t more,
                             struct cz_error *err);

#endif
