/* Charts as SVG; see plot.h. Lengths are units of the view box, which a viewer
 * stretches; narrow windows get larger letters by a media query. */
#include "app/plot.h"

#include <math.h>

#include "app/text.h"
#include "core/output.h"

#define WIDTH 640
#define LEFT 64
#define RIGHT 12
#define TOP 70
#define CHART_HEIGHT 250
#define BOTTOM (TOP + CHART_HEIGHT)
#define LIST_TOP (BOTTOM + 56)
#define LINE_HEIGHT 23
#define TICKS_MOST 6
#define NONE ((size_t)-1)

static const char style[] =
    "<style>\n"
    "svg { max-width: 960px; background: #fff; --text: #1c2126; --dim: "
    "#59636e;\n"
    "  --grid: #dfe3e8; --bar: #2f6fd0; --worst: #c2410c; }\n"
    "@media (prefers-color-scheme: dark) { svg { background: #14171b;\n"
    "  --text: #e8ebee; --dim: #a3adb8; --grid: #333a42; --bar: #74a7ff;\n"
    "  --worst: #ff9b5e; } }\n"
    "text { font: 13px system-ui, sans-serif; fill: var(--text); }\n"
    ".title { font-weight: 600; }\n"
    ".dim { fill: var(--dim); }\n"
    ".end { text-anchor: end; }\n"
    ".middle { text-anchor: middle; }\n"
    ".grid { stroke: var(--grid); }\n"
    ".bar { fill: var(--bar); }\n"
    ".worst { fill: var(--worst); }\n"
    ".line { fill: none; stroke-width: 2; stroke: var(--s); }\n"
    ".point { fill: var(--s); }\n"
    ".front { fill: none; stroke: var(--dim); stroke-dasharray: 5 4; }\n"
    ".s0 { --s: #2f6fd0; } .s1 { --s: #d9480f; } .s2 { --s: #0b8a6a; }\n"
    ".s3 { --s: #a3348e; } .s4 { --s: #8a6d00; } .s5 { --s: #5c3fc4; }\n"
    ".s6 { --s: #0086a8; } .s7 { --s: #6b7280; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  .s0 { --s: #74a7ff; } .s1 { --s: #ff9b5e; } .s2 { --s: #4fd1ac; }\n"
    "  .s3 { --s: #f08bdc; } .s4 { --s: #e3c04f; } .s5 { --s: #b3a0ff; }\n"
    "  .s6 { --s: #5fd0ee; } .s7 { --s: #b4bcc6; } }\n"
    "text.rank { fill: var(--worst); font-size: 11px; }\n"
    "@media (max-width: 520px) { text { font-size: 18px; }\n"
    "  text.rank { font-size: 16px; } }\n"
    "</style>\n";

/* ---- numbers ---------------------------------------------------------- */

static double value_of(const struct app_plot_bar *bar)
{
    return bar->value > 0 && isfinite(bar->value) ? bar->value : 0;
}

static double greatest(const struct app_plot *plot)
{
    double most = 0;
    for (size_t i = 0; i < plot->n_bars; i++)
        most = fmax(most, value_of(&plot->bars[i]));
    return most;
}

double app_plot_step(double value, unsigned most)
{
    static const double leads[] = {1, 2, 5, 10};
    if (!(value > 0))
        return 1;
    const double unit = pow(10, floor(log10(value / most)));
    size_t i = 0;
    while (i < 3 && leads[i] * unit * most < value)
        i++;
    return leads[i] * unit;
}

/* The greatest bars, the first of equal ones first. */
static size_t find_worst(size_t worst[APP_PLOT_NAMED],
                         const struct app_plot *plot)
{
    size_t count = 0;
    for (size_t i = 0; i < plot->n_bars; i++) {
        const double value = value_of(&plot->bars[i]);
        size_t at = count;
        while (at > 0 && value > value_of(&plot->bars[worst[at - 1]]))
            at--;
        if (at == APP_PLOT_NAMED || !(value > 0))
            continue;
        count += count < APP_PLOT_NAMED;
        for (size_t k = count - 1; k > at; k--)
            worst[k] = worst[k - 1];
        worst[at] = i;
    }
    return count;
}

/* ---- parts ------------------------------------------------------------ */

/* What the chart shows, up to which height. */
struct scale {
    double step;
    unsigned steps;
};

static double y_of(const struct scale *scale, double value)
{
    return BOTTOM - CHART_HEIGHT * value / (scale->step * scale->steps);
}

static void print_axes(FILE *file, const struct app_plot *plot,
                       const struct scale *scale)
{
    char number[APP_NUMBER_BYTES];
    app_plot_print_text(file, LEFT, 26, "title", plot->title);
    app_plot_print_text(file, LEFT, 50, "dim", plot->y_label);
    app_plot_print_text(file, (LEFT + WIDTH - RIGHT) / 2.0, BOTTOM + 24,
                        "dim middle", plot->x_label);
    for (unsigned i = 0; i <= scale->steps; i++) {
        const double y = y_of(scale, i * scale->step);
        fprintf(file,
                "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" "
                "class=\"grid\"/>\n",
                LEFT, WIDTH - RIGHT, y, y);
        snprintf(number, sizeof number, "%g", i * scale->step);
        app_plot_print_text(file, LEFT - 6, y + 4, "dim end", number);
    }
}

static size_t rank_of(size_t bar, const size_t *worst, size_t n_worst)
{
    for (size_t i = 0; i < n_worst; i++) {
        if (worst[i] == bar)
            return i;
    }
    return NONE;
}

static void print_bar(FILE *file, const struct app_plot *plot, size_t i,
                      const struct scale *scale, size_t rank)
{
    const double slot = (double)(WIDTH - LEFT - RIGHT) / (double)plot->n_bars;
    const double x = LEFT + slot * (double)i;
    const double y = y_of(scale, value_of(&plot->bars[i]));
    char number[APP_NUMBER_BYTES];
    fprintf(file,
            "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
            "class=\"%s\"><title>",
            x + slot * 0.1, y, slot * 0.8, BOTTOM - y,
            rank == NONE ? "bar" : "worst");
    app_print_xml(file, plot->bars[i].name);
    fprintf(file, ": %g</title></rect>\n", plot->bars[i].value);
    snprintf(number, sizeof number, "%zu", rank + 1);
    if (rank != NONE)
        app_plot_print_text(file, x + slot / 2, y - 4, "rank middle", number);
}

static void print_list(FILE *file, const struct app_plot *plot,
                       const size_t *worst, size_t n_worst)
{
    char number[APP_NUMBER_BYTES];
    for (size_t i = 0; i < n_worst; i++) {
        const double y = LIST_TOP + LINE_HEIGHT * (double)i;
        const struct app_plot_bar *bar = &plot->bars[worst[i]];
        snprintf(number, sizeof number, "%zu", i + 1);
        app_plot_print_text(file, 28, y, "rank end", number);
        snprintf(number, sizeof number, "%.3g", bar->value);
        app_plot_print_text(file, 116, y, "dim end", number);
        app_plot_print_text(file, 130, y, "name", bar->name);
    }
}

/* ---- all of it -------------------------------------------------------- */

void app_plot_print_text(FILE *file, double x, double y, const char *class,
                         const char *text)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    app_print_xml(file, text);
    fputs("</text>\n", file);
}

void app_plot_print_style(FILE *file)
{
    fputs(style, file);
}

void app_plot_print(FILE *file, const struct app_plot *plot)
{
    size_t worst[APP_PLOT_NAMED];
    const size_t n_worst = find_worst(worst, plot);
    const double most = greatest(plot);
    struct scale scale = {.step = app_plot_step(most, TICKS_MOST)};
    scale.steps = (unsigned)fmax(1, ceil(most / scale.step - 1e-9));
    const int height = LIST_TOP + LINE_HEIGHT * (int)n_worst;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "role=\"img\">\n<title>",
            WIDTH, height);
    app_print_xml(file, plot->title);
    fputs("</title>\n", file);
    app_plot_print_style(file);
    print_axes(file, plot, &scale);
    for (size_t i = 0; i < plot->n_bars; i++)
        print_bar(file, plot, i, &scale, rank_of(i, worst, n_worst));
    print_list(file, plot, worst, n_worst);
    fputs("</svg>\n", file);
}

static void print(FILE *file, const void *user)
{
    app_plot_print(file, user);
}

enum cz_status app_plot_save(const struct app_plot *plot, const char *path,
                             bool overwrite, struct cz_error *err)
{
    return cz_output_print(path, overwrite, print, plot, err);
}
