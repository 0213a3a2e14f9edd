/* How far a run is, on stderr: a line for each step that is done and, on a
 * terminal, one that tells what is done now and when all will be. */
#ifndef CZ_APP_RUN_PROGRESS_H
#define CZ_APP_RUN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct app_run_worker;

struct app_run_meter {
    const struct app_run_worker *worker;
    size_t step; /* that runs */
    double start_ms, drawn_ms;
};

void app_run_meter_init(struct app_run_meter *meter,
                        const struct app_run_worker *worker);
void app_run_meter_start(struct app_run_meter *meter, size_t step);

/* While it runs; once in a while it really draws. */
void app_run_meter_draw(struct app_run_meter *meter);

/* Made, cached, failed or left out, as the step's state says. */
void app_run_meter_end(struct app_run_meter *meter, size_t step);
void app_run_meter_fini(struct app_run_meter *meter);

#endif
