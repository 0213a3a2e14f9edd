/* --precision: what convolutions are to be computed in, and what came of it. */
#ifndef CZ_APP_PRECISION_H
#define CZ_APP_PRECISION_H

#include <jansson.h>

#include "engine/engine.h"

/* Said where another engine is asked for one. */
#define APP_PRECISION_ENGINE                                                   \
    "--precision goes with --engine compress: ONNX Runtime computes in the "   \
    "types of the model"

/* float32, bf16, fp16 or auto; false after a usage error. */
bool app_parse_precision(enum cz_precision *precision, const char *command,
                         const char *text);

/* The same with commas between them, each once at most; splits `text`. */
bool app_parse_precisions(enum cz_precision precisions[CZ_PRECISION_COUNT],
                          size_t *count, const char *command, char *text);

#define APP_PRECISION_BYTES 192

/* "bf16: 62 of 64 convolutions; ...": what was chosen and why. */
const char *app_precision_text(char text[APP_PRECISION_BYTES],
                               const struct cz_precision_report *report);

/* As docs/formats.md has it; null where there is no report, or no plan, which
 * other engines do not have. */
json_t *app_precision_json(const struct cz_precision_report *report);
json_t *app_plan_json(const struct cz_plan *plan);

#endif
