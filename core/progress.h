/* How a stage tells its caller how far it is, and hears that it should stop. */
#ifndef CZ_CORE_PROGRESS_H
#define CZ_CORE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct cz_progress {
    /* Called from the thread that runs the stage, `done` of `total` steps of
     * `stage` being ready. Returns false to stop: the stage then gives
     * CZ_EINTERRUPTED. */
    bool (*tick)(void *user, const char *stage, size_t done, size_t total);
    void *user;
};

/* True when the stage should go on; `progress` may be NULL. */
static inline bool cz_progress_tick(const struct cz_progress *progress,
                                    const char *stage, size_t done,
                                    size_t total)
{
    return !progress || progress->tick(progress->user, stage, done, total);
}

#endif
