/* What `compress MODEL --int8` did, as text and as JSON. */
#ifndef CZ_APP_INT8_REPORT_H
#define CZ_APP_INT8_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "app/int8.h"

/* A table of the convolutions, on stdout. */
void app_int8_report_layers(const struct cz_int8_report *int8);

/* The table of what was tried. */
void app_int8_report_tried(FILE *file, const struct app_int8_result *int8);

/* Notes on stdout. */
void app_int8_report_notes(const struct app_int8_result *result,
                           const struct app_compress_options *options);

/* The caller's; see docs/formats.md. */
json_t *app_int8_report_json(const struct app_int8_result *result,
                             double max_drop);

#endif
