/* How the weights of a model's Convs are spread. */
#ifndef CZ_APP_WEIGHTS_H
#define CZ_APP_WEIGHTS_H

#include <jansson.h>

#include "onnx/onnx.h"

/* {"count", "zeros", "width", "density": [...]}: of the weights that are not
 * zero, the share per unit in bins of a width that is a power of two, as many
 * to the left of 0 as to the right; those beyond count in the outermost. Codes
 * of int8 are the numbers that they stand for. JSON's null where there are no
 * weights, or memory is short. */
json_t *app_weights_json(const struct cz_graph *graph);

#endif
