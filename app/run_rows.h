/* What came of a run: one row for each variant of each model.
 *
 * All reports are made of this object, which is also what --json prints and
 * OUTPUT/run.json holds; docs/formats_run.md describes it. */
#ifndef CZ_APP_RUN_ROWS_H
#define CZ_APP_RUN_ROWS_H

#include <jansson.h>

#include "app/run_plan.h"

/* "compress.run/1" */
json_t *app_run_rows(const struct app_run_plan *plan);

/* Whether a gate of some row does not hold, or a step failed. */
bool app_run_rows_miss(const json_t *root);
bool app_run_rows_fail(const json_t *root);

/* How many images AP is of; NaN where nothing was evaluated. */
double app_run_images(const json_t *root);

/* Rows about which a gate could not be asked. */
size_t app_run_rows_unchecked(const json_t *root);

/* A number of a row by its path, "delta_AP.difference", or of its first run of
 * the benchmark, "runs.median_ms"; NaN where there is none. */
double app_run_number(const json_t *row, const char *path);

/* The text of a row's key; "" where there is none. */
const char *app_run_word(const json_t *row, const char *key);

#endif
