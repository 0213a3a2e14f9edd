/* The threads of a plan. */
#ifndef CZ_ENGINE_TEAM_INTERNAL_H
#define CZ_ENGINE_TEAM_INTERNAL_H

#include "engine/plan_internal.h"

/* Starts threads - 1 workers, or as many as there can be; the thread that
 * calls cz_team_for() is the last one. NULL for a single thread, and without
 * memory: then loops run where they are called. */
struct cz_team *cz_team_new(size_t threads);

/* Joins the workers. */
void cz_team_free(struct cz_team *team);

#endif
