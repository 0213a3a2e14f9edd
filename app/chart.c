/* See chart.h. Lengths are units of the view box, as in plot.c. */
#include "app/chart.h"

#include <math.h>
#include <string.h>

#include "app/plot.h"
#include "app/text.h"

#define WIDTH 640
#define LEFT 64
#define RIGHT 20
#define TOP 70
#define CHART_HEIGHT 290
#define BOTTOM (TOP + CHART_HEIGHT)
#define LIST_TOP (BOTTOM + 70)
#define LINE_HEIGHT 23
#define COLUMNS 2 /* at most */
#define NAME_LEFT 12
#define LETTER_WIDTH 10 /* on a phone, where letters are larger */
#define TICKS_MOST 6
#define COLOURS 8
/* Of a range, to its left and right where it does not begin with 0. */
#define MARGIN 0.06

/* From `low`, `steps` times `step`. */
struct axis {
    double low, step;
    unsigned steps;
};

struct scale {
    struct axis x, y;
};

/* ---- axes ------------------------------------------------------------- */

static void widen(double *low, double *high, double value)
{
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

/* From round numbers to round numbers; points keep clear of the edges. */
static struct axis axis_of(double low, double high, bool are_points)
{
    if (!(low <= high)) /* there are none */
        low = high = 0;
    if (are_points || low == high) {
        const double margin = (high > low ? high - low : fabs(high)) * MARGIN;
        low -= low > margin || low < 0 ? margin : low;
        high += margin;
    }
    struct axis axis = {.step = app_plot_step(high - low, TICKS_MOST)};
    axis.low = floor(low / axis.step + 1e-9) * axis.step;
    axis.steps = (unsigned)fmax(1, ceil((high - axis.low) / axis.step - 1e-9));
    return axis;
}

static struct scale scale_of(const struct app_chart *chart)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < chart->n_series; i++) {
        const struct app_chart_series *s = &chart->series[i];
        for (size_t k = 0; k < s->count; k++) {
            widen(&low[0], &high[0], s->points[k].x);
            widen(&low[1], &high[1], s->points[k].y);
        }
    }
    const bool are_points =
        chart->n_series && chart->series[0].mark == APP_CHART_POINTS;
    if (chart->y_from_zero)
        low[1] = fmin(low[1], 0);
    return (struct scale){axis_of(low[0], high[0], are_points),
                          axis_of(low[1], high[1], are_points)};
}

static double share(const struct axis *axis, double value)
{
    return (value - axis->low) / (axis->step * axis->steps);
}

static double x_of(const struct scale *scale, double value)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * share(&scale->x, value);
}

static double y_of(const struct scale *scale, double value)
{
    return BOTTOM - CHART_HEIGHT * share(&scale->y, value);
}

/* ---- parts ------------------------------------------------------------ */

static void print_line(FILE *file, double x1, double y1, double x2, double y2)
{
    fprintf(file,
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
            "class=\"grid\"/>\n",
            x1, x2, y1, y2);
}

/* Without -0, and without the noise of a sum of steps. */
static void tick_text(char text[APP_NUMBER_BYTES], const struct axis *axis,
                      unsigned i)
{
    const double value = axis->low + i * axis->step;
    snprintf(text, APP_NUMBER_BYTES, "%.6g",
             fabs(value) < axis->step * 1e-6 ? 0 : value);
}

static void print_axes(FILE *file, const struct app_chart *chart,
                       const struct scale *scale)
{
    char number[APP_NUMBER_BYTES];
    app_plot_print_text(file, LEFT, 26, "title", chart->title);
    app_plot_print_text(file, LEFT, 50, "dim", chart->y_label);
    app_plot_print_text(file, (LEFT + WIDTH - RIGHT) / 2.0, BOTTOM + 44,
                        "dim middle", chart->x_label);
    for (unsigned i = 0; i <= scale->y.steps; i++) {
        const double y = y_of(scale, scale->y.low + i * scale->y.step);
        print_line(file, LEFT, y, WIDTH - RIGHT, y);
        tick_text(number, &scale->y, i);
        app_plot_print_text(file, LEFT - 6, y + 4, "dim end", number);
    }
    for (unsigned i = 0; i <= scale->x.steps; i++) {
        const double x = x_of(scale, scale->x.low + i * scale->x.step);
        print_line(file, x, BOTTOM, x, BOTTOM + 5);
        tick_text(number, &scale->x, i);
        app_plot_print_text(file, x, BOTTOM + 21, "dim middle", number);
    }
}

/* A line through the points; with steps, one more below the last one. */
static void print_path(FILE *file, const struct app_chart_series *s,
                       const struct scale *scale, size_t colour)
{
    const bool is_front = s->mark == APP_CHART_FRONT;
    fprintf(file, "<path class=\"%s", is_front ? "front" : "line");
    if (!is_front)
        fprintf(file, " s%zu", colour);
    fputs("\" d=\"", file);
    for (size_t i = 0; i < s->count; i++) {
        const double x = x_of(scale, s->points[i].x);
        const double y = y_of(scale, s->points[i].y);
        if (i == 0)
            fprintf(file, "M%.1f %.1f", x, y);
        else if (s->mark == APP_CHART_STEPS)
            fprintf(file, "H%.1fV%.1f", x, y);
        else
            fprintf(file, "L%.1f %.1f", x, y);
    }
    fputs("\"/>\n", file);
}

static void print_point(FILE *file, const struct app_chart_series *s,
                        const struct app_chart_point *point,
                        const struct scale *scale, size_t colour)
{
    fprintf(file,
            "<circle class=\"point s%zu\" cx=\"%.1f\" cy=\"%.1f\" "
            "r=\"5\"><title>",
            colour, x_of(scale, point->x), y_of(scale, point->y));
    app_print_xml(file, s->name);
    fprintf(file, ": %.5g, %.5g</title></circle>\n", point->x, point->y);
}

static void print_series(FILE *file, const struct app_chart_series *s,
                         const struct scale *scale, size_t number)
{
    char text[APP_NUMBER_BYTES];
    const size_t colour = s->colour % COLOURS;
    if (s->mark != APP_CHART_POINTS && s->count)
        print_path(file, s, scale, colour);
    if (s->mark != APP_CHART_POINTS && s->mark != APP_CHART_LINE)
        return;
    snprintf(text, sizeof text, "%zu", number + 1);
    for (size_t i = 0; i < s->count; i++) {
        const struct app_chart_point *point = &s->points[i];
        print_point(file, s, point, scale, colour);
        if (s->mark == APP_CHART_POINTS)
            app_plot_print_text(file, x_of(scale, point->x),
                                y_of(scale, point->y) - 9, "rank middle", text);
    }
}

static void print_entry(FILE *file, const struct app_chart_series *s,
                        size_t number, size_t columns)
{
    char text[APP_NUMBER_BYTES];
    const double column = (WIDTH - LEFT) / (double)columns;
    const double x = LEFT + (double)(number % columns) * column;
    const double y = LIST_TOP + LINE_HEIGHT * (double)(number / columns);
    fprintf(file,
            "<circle class=\"point s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n",
            s->colour % COLOURS, x, y - 4);
    snprintf(text, sizeof text, "%zu", number + 1);
    if (s->mark == APP_CHART_POINTS)
        app_plot_print_text(file, x - 10, y, "rank end", text);
    app_plot_print_text(file, x + NAME_LEFT, y, "name", s->name);
}

/* ---- all of it -------------------------------------------------------- */

static size_t count_entries(const struct app_chart *chart)
{
    size_t count = 0;
    for (size_t i = 0; i < chart->n_series; i++)
        count += chart->series[i].mark != APP_CHART_FRONT;
    return count;
}

/* Of the list: as many as hold the longest name. */
static size_t count_columns(const struct app_chart *chart)
{
    size_t longest = 1;
    for (size_t i = 0; i < chart->n_series; i++) {
        const size_t length = strlen(chart->series[i].name);
        longest = length > longest ? length : longest;
    }
    const size_t width = NAME_LEFT + longest * LETTER_WIDTH;
    const size_t columns = (WIDTH - LEFT) / width;
    return columns < 1 ? 1 : columns < COLUMNS ? columns : COLUMNS;
}

void app_chart_print(FILE *file, const struct app_chart *chart)
{
    const size_t columns = count_columns(chart);
    const struct scale scale = scale_of(chart);
    const size_t entries = count_entries(chart);
    size_t number = 0;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" "
            "role=\"img\">\n<title>",
            WIDTH,
            LIST_TOP + LINE_HEIGHT * ((entries + columns - 1) / columns));
    app_print_xml(file, chart->title);
    fputs("</title>\n", file);
    app_plot_print_style(file);
    print_axes(file, chart, &scale);
    for (size_t i = 0; i < chart->n_series; i++) {
        const struct app_chart_series *s = &chart->series[i];
        print_series(file, s, &scale, number);
        if (s->mark == APP_CHART_FRONT)
            continue;
        print_entry(file, s, number, columns);
        number++;
    }
    fputs("</svg>\n", file);
}
