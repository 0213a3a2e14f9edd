/* Does the steps of a run that are not done yet.
 *
 * A step's key is a hash of this program, its arguments and the content of all
 * files that its result depends on. What it printed is kept in
 * OUTPUT/cache/ID.json with the key and the hashes of what it wrote: with the
 * same key and products it is not done again. */
#ifndef CZ_APP_RUN_STEP_H
#define CZ_APP_RUN_STEP_H

#include "app/run_plan.h"
#include "core/hash.h"

struct app_run_worker {
    struct app_run_plan *plan;
    bool quiet, is_terminal; /* of stderr */
    bool redo;               /* whatever the cache holds */
    char program[CZ_HASH_TEXT_BYTES], machine[CZ_HASH_TEXT_BYTES];
    char val[CZ_HASH_TEXT_BYTES], calib[CZ_HASH_TEXT_BYTES]; /* their images */
    double start_ms;
};

/* Hashes what all steps share. */
enum cz_status app_run_worker_init(struct app_run_worker *worker,
                                   struct app_run_plan *plan,
                                   struct cz_error *err);

/* Takes the step's result from the cache, if it is there and still right. */
enum cz_status app_run_look_up(struct app_run_worker *worker,
                               struct app_run_step *step, struct cz_error *err);

/* All steps in order. A step that fails is told of in its `message`, and those
 * that need it are left out. Errors: CZ_EINTERRUPTED, and what keeps the run
 * itself from going on. */
enum cz_status app_run_work(struct app_run_worker *worker,
                            struct cz_error *err);

#endif
