/* Names that --keep gives. */
#ifndef CZ_APP_KEEP_H
#define CZ_APP_KEEP_H

#include "quant/quant.h"

/* Takes the names of --keep, where `none` alone is no name: sets n_keep and
 * keep_weights. CZ_EINVAL where one is that of no Conv in the main graph, with
 * the Conv whose name is nearest, if one is near. */
enum cz_status app_keep_take(struct cz_int8_options *options,
                             const struct cz_graph *graph,
                             struct cz_error *err);

#endif
