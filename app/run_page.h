/* The report of a run: one HTML file that needs nothing else, with charts and
 * pictures in it, for light and dark and for narrow windows. */
#ifndef CZ_APP_RUN_PAGE_H
#define CZ_APP_RUN_PAGE_H

#include <jansson.h>
#include <stdio.h>

#include "app/run_plan.h"

struct app_run_page {
    const struct app_run_plan *plan; /* all steps done */
    const json_t *root;              /* its rows */
};

/* `page` is a struct app_run_page. */
void app_run_page_print(FILE *file, const void *page);

#endif
