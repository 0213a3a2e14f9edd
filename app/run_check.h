/* `compress run --check`: what can be known before the work. */
#ifndef CZ_APP_RUN_CHECK_H
#define CZ_APP_RUN_CHECK_H

#include "app/run_plan.h"

/* Opens each model, as its evaluation will where there is one (engine, library,
 * decoder), and looks in it for what the variants name. Says the first thing
 * that is wrong; where a variant or `evaluate:` asks for it, with the place in
 * the file. CZ_EINTERRUPTED after a signal. */
enum cz_status app_run_check(const struct app_run_plan *plan,
                             struct cz_error *err);

#endif
