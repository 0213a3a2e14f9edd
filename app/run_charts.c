/* See run_charts.h. What memory is short for is left out. */
#include "app/run_charts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/chart.h"
#include "app/plot.h"
#include "app/run_rows.h"
#include "core/alloc.h"

/* Bins of the times of a benchmark. */
#define TIME_BINS 24

/* Fewer zeros than this are not for pruning. */
#define PRUNED 0.002

/* A chart that is being made: all of it lives in the arena. */
struct builder {
    const struct app_run_page *page;
    size_t model;
    struct cz_arena arena;
    struct app_chart_series *series;
    size_t n_series, capacity;
};

const char *app_run_chart_name(enum app_run_chart chart)
{
    static const char *const names[] = {
        [APP_RUN_CHART_LATENCY] = "accuracy-latency",
        [APP_RUN_CHART_SIZE] = "accuracy-size",
        [APP_RUN_CHART_SPARSITY] = "accuracy-sparsity",
        [APP_RUN_CHART_TIMES] = "latency",
        [APP_RUN_CHART_PRECISION] = "precision-recall",
        [APP_RUN_CHART_LAYERS] = "layer-sparsity",
        [APP_RUN_CHART_WEIGHTS] = "weights",
        [APP_RUN_CHART_SENSITIVITY] = "sensitivity"};
    return names[chart];
}

static const struct app_run_config *config_of(const struct builder *b)
{
    return b->page->plan->config;
}

/* ---- series ----------------------------------------------------------- */

static struct app_chart_series *add_series(struct builder *b, const char *name,
                                           enum app_chart_mark mark,
                                           size_t most)
{
    struct app_chart_series *grown = cz_arena_grow(
        &b->arena, b->series, b->n_series, &b->capacity, sizeof *grown);
    struct app_chart_point *points =
        cz_arena_alloc(&b->arena, most, sizeof *points);
    const char *copy = cz_arena_strdup(&b->arena, name, strlen(name));
    if (!grown || !points || !copy)
        return NULL;
    b->series = grown;
    struct app_chart_series *series = &grown[b->n_series];
    *series = (struct app_chart_series){copy, mark, points, 0, b->n_series++};
    return series;
}

/* A variant has its colour in all charts; for those of one model. */
static struct app_chart_series *add_variant(struct builder *b, size_t variant,
                                            enum app_chart_mark mark,
                                            size_t most)
{
    const struct app_run_config *c = config_of(b);
    struct app_chart_series *series =
        add_series(b, c->variants[variant].name, mark, most);
    if (series)
        series->colour = b->model * c->n_variants + variant;
    return series;
}

static void add_point(struct app_chart_series *series, double x, double y)
{
    if (series && isfinite(x) && isfinite(y))
        series->points[series->count++] = (struct app_chart_point){x, y};
}

/* Those without points go. */
static void drop_empty(struct builder *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->n_series; i++) {
        if (b->series[i].count)
            b->series[kept++] = b->series[i];
    }
    b->n_series = kept;
}

static bool print(FILE *file, struct builder *b, struct app_chart chart)
{
    drop_empty(b);
    chart.series = b->series;
    chart.n_series = b->n_series;
    if (b->n_series && file)
        app_chart_print(file, &chart);
    return b->n_series > 0;
}

/* ---- rows ------------------------------------------------------------- */

static const json_t *row_of(const struct builder *b, size_t model,
                            size_t variant)
{
    return json_array_get(json_object_get(b->page->root, "rows"),
                          model * config_of(b)->n_variants + variant);
}

static const json_t *result_of(const struct builder *b, enum app_run_kind kind,
                               size_t variant)
{
    const struct app_run_step *step =
        app_run_find(b->page->plan, kind, b->model, variant);
    return step ? step->result : NULL;
}

static void name_row(char name[256], const struct builder *b, const json_t *row)
{
    const bool several = config_of(b)->n_models > 1;
    snprintf(name, 256, "%s%s%s", several ? app_run_word(row, "model") : "",
             several ? " " : "", app_run_word(row, "variant"));
}

/* ---- accuracy by cost ------------------------------------------------- */

static int compare_x(const void *a, const void *b)
{
    const struct app_chart_point *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x)
                        : (p->y < q->y) - (p->y > q->y);
}

/* Those that no other is both cheaper and better than. */
static void add_front(struct builder *b)
{
    const size_t n = b->n_series;
    struct app_chart_series *front =
        add_series(b, "Pareto front", APP_CHART_FRONT, n);
    double best = -INFINITY;
    size_t kept = 0;
    for (size_t i = 0; front && i < n; i++) {
        if (b->series[i].count)
            add_point(front, b->series[i].points[0].x,
                      b->series[i].points[0].y);
    }
    if (!front)
        return;
    qsort(front->points, front->count, sizeof *front->points, compare_x);
    for (size_t i = 0; i < front->count; i++) {
        if (front->points[i].y > best) {
            best = front->points[i].y;
            front->points[kept++] = front->points[i];
        }
    }
    front->count = kept;
}

/* `unit` of the row's number is 1 of the axis. */
static bool print_accuracy(FILE *file, struct builder *b, const char *number,
                           double unit, struct app_chart chart)
{
    const struct app_run_config *c = config_of(b);
    for (size_t m = 0; m < c->n_models; m++) {
        for (size_t v = 0; v < c->n_variants; v++) {
            const json_t *row = row_of(b, m, v);
            char name[256];
            name_row(name, b, row);
            add_point(add_series(b, name, APP_CHART_POINTS, 1),
                      app_run_number(row, number) / unit,
                      app_run_number(row, "AP"));
        }
    }
    add_front(b);
    chart.y_label = "mAP50-95";
    return print(file, b, chart);
}

static bool print_latency(FILE *file, struct builder *b)
{
    return print_accuracy(file, b, "runs.median_ms", 1,
                          (struct app_chart){.title = "Accuracy by latency",
                                             .x_label = "ms a frame, median"});
}

static bool print_size(FILE *file, struct builder *b)
{
    return print_accuracy(
        file, b, "bytes", 1e6,
        (struct app_chart){.title = "Accuracy by size", .x_label = "MB"});
}

/* ---- accuracy by sparsity --------------------------------------------- */

/* What a variant does besides --prune P: "--recover lsq". False: it prunes not.
 */
static bool name_method(char name[256], const struct builder *b, size_t model,
                        size_t variant)
{
    const struct app_run_config *c = config_of(b);
    const struct app_run_args *args = &c->variants[variant].args;
    bool prunes = false;
    size_t size = (size_t)snprintf(
        name, 256, "%s", c->n_models > 1 ? c->models[model].name : "");
    for (size_t i = 0; i < args->count; i++) {
        if (strcmp(args->items[i], "--prune") == 0) {
            prunes = true;
            i++;
        } else if (size < 255) {
            size += (size_t)snprintf(name + size, 256 - size, "%s%s",
                                     size ? " " : "", args->items[i]);
        }
    }
    if (size == 0)
        snprintf(name, 256, "--prune alone");
    return prunes;
}

static struct app_chart_series *find_series(const struct builder *b,
                                            const char *name)
{
    for (size_t i = 0; i < b->n_series; i++) {
        if (strcmp(b->series[i].name, name) == 0)
            return &b->series[i];
    }
    return NULL;
}

static void add_pruned(struct builder *b, size_t model, size_t variant)
{
    const struct app_run_config *c = config_of(b);
    char name[256];
    if (!name_method(name, b, model, variant))
        return;
    struct app_chart_series *series = find_series(b, name);
    if (!series) {
        const json_t *base = row_of(b, model, c->baseline);
        series = add_series(b, name, APP_CHART_LINE, c->n_variants + 1);
        add_point(series, app_run_number(base, "sparsity"),
                  app_run_number(base, "AP"));
    }
    const json_t *row = row_of(b, model, variant);
    add_point(series, app_run_number(row, "sparsity"),
              app_run_number(row, "AP"));
}

/* Those with the baseline alone: what was to be compared with it failed. */
static void drop_single(struct builder *b)
{
    for (size_t i = 0; i < b->n_series; i++) {
        if (b->series[i].count < 2)
            b->series[i].count = 0;
    }
}

static bool print_sparsity(FILE *file, struct builder *b)
{
    const struct app_run_config *c = config_of(b);
    for (size_t m = 0; m < c->n_models; m++) {
        for (size_t v = 0; v < c->n_variants; v++)
            add_pruned(b, m, v);
    }
    drop_single(b);
    for (size_t i = 0; i < b->n_series; i++)
        qsort(b->series[i].points, b->series[i].count,
              sizeof *b->series[i].points, compare_x);
    return print(file, b,
                 (struct app_chart){.title = "Accuracy by sparsity",
                                    .x_label = "share of the Convs' weights "
                                               "that is zero",
                                    .y_label = "mAP50-95",
                                    .y_from_zero = true});
}

/* ---- times ------------------------------------------------------------ */

static const json_t *times_of(const struct builder *b, size_t variant)
{
    return json_object_get(
        app_run_bench_run(b->page->plan, b->model, variant, 0), "times_ms");
}

static double time_at(const json_t *times, size_t i)
{
    return json_number_value(json_array_get(times, i));
}

/* From the fastest of all to the slowest but one in a hundred. */
static void find_range(const struct builder *b, double *low, double *high)
{
    *low = INFINITY;
    *high = 0;
    for (size_t v = 0; v < config_of(b)->n_variants; v++) {
        const json_t *times = times_of(b, v);
        const size_t n = json_array_size(times);
        if (!n)
            continue;
        *low = fmin(*low, time_at(times, 0));
        *high = fmax(*high, time_at(times, (n - 1) * 99 / 100));
    }
}

static void add_times(struct builder *b, size_t variant, double low,
                      double high)
{
    const json_t *times = times_of(b, variant);
    const size_t n = json_array_size(times);
    double bins[TIME_BINS] = {0};
    struct app_chart_series *series =
        add_variant(b, variant, APP_CHART_STEPS, TIME_BINS + 1);
    const double width = (high - low) / TIME_BINS;
    for (size_t i = 0; i < n; i++) {
        const double bin = floor((time_at(times, i) - low) / width);
        if (bin >= 0 && bin < TIME_BINS)
            bins[(size_t)bin] += 1.0 / (double)n;
    }
    for (size_t i = 0; i <= TIME_BINS && n; i++)
        add_point(series, low + (double)i * width, i < TIME_BINS ? bins[i] : 0);
}

static bool print_times(FILE *file, struct builder *b)
{
    double low, high;
    find_range(b, &low, &high);
    for (size_t v = 0; v < config_of(b)->n_variants && high > low; v++)
        add_times(b, v, low, high);
    return print(file, b,
                 (struct app_chart){.title = "Frames by latency",
                                    .x_label = "ms a frame",
                                    .y_label = "share of frames",
                                    .y_from_zero = true});
}

/* ---- precision by recall ---------------------------------------------- */

/* The mean over the classes that the data has. */
static void add_curve(struct builder *b, size_t variant)
{
    const json_t *curves =
        json_object_get(result_of(b, APP_RUN_EVAL, variant), "curves");
    const json_t *first = json_array_get(curves, 0);
    const size_t n = json_array_size(json_object_get(first, "precision"));
    struct app_chart_series *series =
        add_variant(b, variant, APP_CHART_CURVE, n + 1);
    for (size_t r = 0; r < n; r++) {
        size_t i;
        const json_t *curve;
        double sum = 0, count = 0;
        json_array_foreach(curves, i, curve)
        {
            const json_t *p =
                json_array_get(json_object_get(curve, "precision"), r);
            if (json_is_number(p) && json_number_value(p) >= 0) {
                sum += json_number_value(p);
                count++;
            }
        }
        add_point(series, (double)r / (double)(n - 1), sum / count);
    }
}

static bool print_precision(FILE *file, struct builder *b)
{
    for (size_t v = 0; v < config_of(b)->n_variants; v++)
        add_curve(b, v);
    return print(file, b,
                 (struct app_chart){.title = "Precision by recall",
                                    .x_label = "recall at IoU 0.50",
                                    .y_label = "precision, mean over classes",
                                    .y_from_zero = true});
}

/* ---- layers and weights ----------------------------------------------- */

/* Only of variants that were pruned; the others keep their colours. */
static void add_layers(struct builder *b, size_t variant)
{
    const json_t *prune =
        json_object_get(result_of(b, APP_RUN_MAKE, variant), "prune");
    const json_t *layers = json_object_get(prune, "layers"), *layer;
    const size_t n = json_array_size(layers);
    const double zeros =
        app_run_number(row_of(b, b->model, variant), "sparsity");
    size_t i;
    struct app_chart_series *series =
        add_variant(b, variant, APP_CHART_STEPS, n + 1);
    if (!(zeros >= PRUNED))
        return;
    json_array_foreach(layers, i, layer)
    {
        const double share =
            app_run_number(layer, "zeros") / app_run_number(layer, "weights");
        add_point(series, (double)i, isfinite(share) ? share : 0);
    }
    if (series && n) /* so that the last one has a width, too */
        add_point(series, (double)n, series->points[n - 1].y);
}

static bool print_layers(FILE *file, struct builder *b)
{
    for (size_t v = 0; v < config_of(b)->n_variants; v++)
        add_layers(b, v);
    return print(file, b,
                 (struct app_chart){.title = "Sparsity by layer",
                                    .x_label = "Convs in the graph's order",
                                    .y_label = "share of weights that is zero",
                                    .y_from_zero = true});
}

static void add_weights(struct builder *b, size_t variant)
{
    const json_t *weights =
        json_object_get(result_of(b, APP_RUN_INSPECT, variant), "weights");
    const json_t *density = json_object_get(weights, "density");
    const size_t n = json_array_size(density);
    const double width = app_run_number(weights, "width");
    struct app_chart_series *series =
        add_variant(b, variant, APP_CHART_STEPS, n + 1);
    for (size_t i = 0; i <= n && n; i++)
        add_point(
            series, ((double)i - (double)n / 2) * width,
            json_number_value(json_array_get(density, i < n ? i : n - 1)));
}

static bool print_weights(FILE *file, struct builder *b)
{
    for (size_t v = 0; v < config_of(b)->n_variants; v++)
        add_weights(b, v);
    return print(file, b,
                 (struct app_chart){.title = "Weights that are not zero",
                                    .x_label = "weight of a Conv; the last "
                                               "bins hold those beyond",
                                    .y_label = "density",
                                    .y_from_zero = true});
}

/* ---- sensitivity ------------------------------------------------------ */

static bool print_sensitivity(FILE *file, struct builder *b)
{
    const json_t *layers = json_object_get(
        result_of(b, APP_RUN_SENSITIVITY, APP_RUN_ALL), "layers");
    const json_t *layer;
    const size_t n = json_array_size(layers);
    struct app_plot_bar *bars = cz_arena_alloc(&b->arena, n, sizeof *bars);
    size_t i;
    json_array_foreach(layers, i, layer)
    {
        if (bars)
            bars[i] =
                (struct app_plot_bar){app_run_word(layer, "name"),
                                      app_run_number(layer, "difference")};
    }
    const struct app_plot plot = {
        .title = "Sensitivity: each Conv alone in int8",
        .y_label = "difference of the boxes (0: none, 1: none is found)",
        .x_label = "Convs, the most sensitive first",
        .bars = bars,
        .n_bars = n};
    if (n && bars && file)
        app_plot_print(file, &plot);
    return n && bars;
}

/* ---- all of them ------------------------------------------------------ */

bool app_run_chart_print(FILE *file, const struct app_run_page *page,
                         enum app_run_chart chart, size_t model)
{
    static bool (*const printers[])(FILE * file, struct builder * b) = {
        [APP_RUN_CHART_LATENCY] = print_latency,
        [APP_RUN_CHART_SIZE] = print_size,
        [APP_RUN_CHART_SPARSITY] = print_sparsity,
        [APP_RUN_CHART_TIMES] = print_times,
        [APP_RUN_CHART_PRECISION] = print_precision,
        [APP_RUN_CHART_LAYERS] = print_layers,
        [APP_RUN_CHART_WEIGHTS] = print_weights,
        [APP_RUN_CHART_SENSITIVITY] = print_sensitivity};
    struct builder b = {.page = page, .model = model};
    const bool printed = printers[chart](file, &b);
    cz_arena_fini(&b.arena);
    return printed;
}
