/* Charts for reports: an SVG file that stands alone, without scripts and fonts
 * of its own, for light and dark and for narrow windows. */
#ifndef CZ_APP_PLOT_H
#define CZ_APP_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/error.h"

struct app_plot_bar {
    const char *name;
    double value; /* 0 or more; others stand for 0 */
};

struct app_plot {
    const char *title;
    const char *y_label; /* with its unit */
    const char *x_label;
    const struct app_plot_bar *bars; /* [n_bars] from left to right */
    size_t n_bars;
};

/* So many bars, the greatest, are numbered and named below the chart; all are
 * named in their tooltips. */
#define APP_PLOT_NAMED 10

/* Names are escaped, whatever they hold. */
void app_plot_print(FILE *file, const struct app_plot *plot);

/* The same as a file. */
enum cz_status app_plot_save(const struct app_plot *plot, const char *path,
                             bool overwrite, struct cz_error *err);

/* For within the <svg> of any chart: its style, and an escaped text at a place
 * of the view box, of one of the style's classes. */
void app_plot_print_style(FILE *file);
void app_plot_print_text(FILE *file, double x, double y, const char *class,
                         const char *text);

/* A step of 1, 2 or 5 times a power of ten, of which at most `most` lead from 0
 * to `value`. */
double app_plot_step(double value, unsigned most);

#endif
