/* A progress bar on stderr, for stages that take long. */
#ifndef CZ_APP_PROGRESS_H
#define CZ_APP_PROGRESS_H

#include <stdbool.h>

#include "core/progress.h"

struct app_progress {
    struct cz_progress callback; /* what the stages get */
    bool visible;                /* stderr is a terminal, and not --quiet */
    const char *stage;           /* that runs */
    size_t percent;              /* that is drawn of it */
    bool is_drawn;
    double start_ms, stage_ms; /* when all began, and this stage */
};

/* Starts the clock. The bar appears after half a second. */
void app_progress_init(struct app_progress *progress, bool quiet);

/* Wipes the bar. */
void app_progress_fini(struct app_progress *progress);

#endif
