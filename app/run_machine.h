/* What a run was made on. */
#ifndef CZ_APP_RUN_MACHINE_H
#define CZ_APP_RUN_MACHINE_H

#include <jansson.h>

#include "core/hash.h"

/* {"cpu", "cores", "memory_bytes", "system", "compress"} */
json_t *app_run_machine_json(void);

/* What makes times of one machine those of another one. */
void app_run_machine_hash(struct cz_hash *hash);

#endif
