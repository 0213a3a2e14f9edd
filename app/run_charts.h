/* The charts of a run's report. */
#ifndef CZ_APP_RUN_CHARTS_H
#define CZ_APP_RUN_CHARTS_H

#include "app/run_page.h"

enum app_run_chart {
    /* Of all models: accuracy by what it costs, and by what was zeroed. */
    APP_RUN_CHART_LATENCY,
    APP_RUN_CHART_SIZE,
    APP_RUN_CHART_SPARSITY,
    /* Of one model. */
    APP_RUN_CHART_TIMES,
    APP_RUN_CHART_PRECISION,
    APP_RUN_CHART_LAYERS,
    APP_RUN_CHART_WEIGHTS,
    APP_RUN_CHART_SENSITIVITY,
    APP_RUN_CHART_COUNT,
    APP_RUN_CHART_OF_MODEL = APP_RUN_CHART_TIMES,
};

/* A name fit for files. */
const char *app_run_chart_name(enum app_run_chart chart);

/* An SVG; false, and nothing printed, where there is nothing to show. Without a
 * file it only tells that. `model` is APP_RUN_ALL for those of all models. */
bool app_run_chart_print(FILE *file, const struct app_run_page *page,
                         enum app_run_chart chart, size_t model);

#endif
