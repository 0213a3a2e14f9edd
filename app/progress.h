/* A progress bar on stderr, for stages that take long. */
#ifndef CZ_APP_PROGRESS_H
#define CZ_APP_PROGRESS_H

#include <stdbool.h>

#include "core/progress.h"

struct app_progress {
    struct cz_progress callback; /* what the stages get */
    bool visible;                /* stderr is a terminal, and not --quiet */
    const char *stage; /* what is drawn, and how much of it; NULL: nothing */
    size_t percent;
    double start_ms;
};

/* Starts the clock. The bar appears after half a second. */
void app_progress_init(struct app_progress *progress, bool quiet);

/* Wipes the bar. */
void app_progress_fini(struct app_progress *progress);

/* Milliseconds of a clock that only goes forward. */
double app_now_ms(void);

#endif
