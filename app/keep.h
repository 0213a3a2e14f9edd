/* Names that --keep gives. */
#ifndef CZ_APP_KEEP_H
#define CZ_APP_KEEP_H

#include "quant/quant.h"

/* CZ_EINVAL where a name of `options->keep` is that of no Conv in the main
 * graph, with the Conv whose name is nearest, if one is near. */
enum cz_status app_keep_check(const struct cz_int8_options *options,
                              const struct cz_graph *graph,
                              struct cz_error *err);

#endif
