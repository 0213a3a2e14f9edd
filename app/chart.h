/* Charts of numbers by numbers, as SVG files that stand alone: see plot.h for
 * charts with bars. */
#ifndef CZ_APP_CHART_H
#define CZ_APP_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum app_chart_mark {
    APP_CHART_POINTS, /* numbered as their series in the list below */
    APP_CHART_LINE,   /* with points */
    APP_CHART_CURVE,  /* without */
    APP_CHART_STEPS,  /* each y from its x to the next x */
    APP_CHART_FRONT,  /* dashed, not in the list */
};

struct app_chart_point {
    double x, y; /* finite */
};

struct app_chart_series {
    const char *name;
    enum app_chart_mark mark;
    struct app_chart_point *points; /* [count] */
    size_t count;
    size_t colour; /* any number: what has the same one looks alike */
};

struct app_chart {
    const char *title, *x_label, *y_label; /* with their units */
    bool y_from_zero;
    const struct app_chart_series *series; /* [n_series] */
    size_t n_series;
};

/* Names are escaped, whatever they hold. */
void app_chart_print(FILE *file, const struct app_chart *chart);

#endif
