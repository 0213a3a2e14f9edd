/* See run_table.h. */
#include "app/run_table.h"

#include <math.h>
#include <string.h>

#include "app/run_rows.h"
#include "app/text.h"

const char *const app_run_heads[APP_RUN_CELLS] = {
    "model", "variant", "size",     "gzip", "zeros",  "AP",   "change (95 %)",
    "AP50",  "ms",      "relative", "fps",  "memory", "gates"};

#define NOT_KNOWN "-"

static void put_bytes(char *cell, double bytes)
{
    if (isnan(bytes))
        snprintf(cell, APP_RUN_CELL_BYTES, NOT_KNOWN);
    else
        app_bytes(cell, (uint64_t)bytes);
}

__attribute__((format(printf, 2, 0))) static void
put(char *cell, const char *format, double number)
{
    if (isnan(number))
        format = NOT_KNOWN;
    snprintf(cell, APP_RUN_CELL_BYTES, format, number);
}

/* -0.0031 (-0.0062 to +0.0002) */
static void put_delta(char *cell, const json_t *row)
{
    const double difference = app_run_number(row, "delta_AP.difference");
    if (isnan(difference))
        snprintf(cell, APP_RUN_CELL_BYTES, NOT_KNOWN);
    else
        snprintf(cell, APP_RUN_CELL_BYTES, "%+.4f (%+.4f to %+.4f)", difference,
                 app_run_number(row, "delta_AP.low"),
                 app_run_number(row, "delta_AP.high"));
}

static void put_gates(char *cell, const json_t *row)
{
    const json_t *gates = json_object_get(row, "gates");
    const json_t *drop = json_object_get(gates, "max_drop");
    const json_t *ms = json_object_get(gates, "max_ms");
    const char *text = NOT_KNOWN;
    if (*app_run_word(row, "failed"))
        text = "failed";
    else if (json_is_false(drop) && json_is_false(ms))
        text = "loses too much, too slow";
    else if (json_is_false(drop))
        text = "loses too much";
    else if (json_is_false(ms))
        text = "too slow";
    else if (json_is_true(json_object_get(gates, "unknown")))
        text = "not known";
    else if (json_is_true(drop) || json_is_true(ms))
        text = "pass";
    snprintf(cell, APP_RUN_CELL_BYTES, "%s", text);
}

bool app_run_is_word(size_t cell)
{
    return cell <= APP_RUN_CELL_VARIANT || cell == APP_RUN_CELL_GATES;
}

void app_run_cells(char cells[APP_RUN_CELLS][APP_RUN_CELL_BYTES],
                   const json_t *row)
{
    snprintf(cells[APP_RUN_CELL_MODEL], APP_RUN_CELL_BYTES, "%s",
             app_run_word(row, "model"));
    snprintf(cells[APP_RUN_CELL_VARIANT], APP_RUN_CELL_BYTES, "%s",
             app_run_word(row, "variant"));
    put_bytes(cells[APP_RUN_CELL_SIZE], app_run_number(row, "bytes"));
    put_bytes(cells[APP_RUN_CELL_GZIP], app_run_number(row, "bytes_gzip"));
    put(cells[APP_RUN_CELL_ZEROS], "%.1f %%",
        100 * app_run_number(row, "sparsity"));
    put(cells[APP_RUN_CELL_AP], "%.4f", app_run_number(row, "AP"));
    put_delta(cells[APP_RUN_CELL_DELTA], row);
    put(cells[APP_RUN_CELL_AP50], "%.4f", app_run_number(row, "AP50"));
    put(cells[APP_RUN_CELL_MS], "%.2f", app_run_number(row, "runs.median_ms"));
    put(cells[APP_RUN_CELL_RATIO], "%.3f", app_run_number(row, "runs.ratio"));
    put(cells[APP_RUN_CELL_FPS], "%.1f", app_run_number(row, "runs.fps"));
    put_bytes(cells[APP_RUN_CELL_MEMORY],
              app_run_number(row, "runs.peak_rss_bytes"));
    put_gates(cells[APP_RUN_CELL_GATES], row);
}

/* ---- for the terminal ------------------------------------------------- */

/* Bytes, which are letters in names and numbers. */
static void widen(size_t widths[APP_RUN_CELLS], const json_t *rows)
{
    size_t i;
    const json_t *row;
    for (size_t k = 0; k < APP_RUN_CELLS; k++)
        widths[k] = strlen(app_run_heads[k]);
    json_array_foreach(rows, i, row)
    {
        char cells[APP_RUN_CELLS][APP_RUN_CELL_BYTES];
        app_run_cells(cells, row);
        for (size_t k = 0; k < APP_RUN_CELLS; k++) {
            if (strlen(cells[k]) > widths[k])
                widths[k] = strlen(cells[k]);
        }
    }
}

static void print_padded(FILE *file, const char *text, size_t width, bool left)
{
    const int blanks = (int)(width - strlen(text));
    fprintf(file, "%*s", left ? 0 : blanks, "");
    app_print_clean(file, text);
    fprintf(file, "%*s", left ? blanks + 2 : 2, "");
}

void app_run_table_text(FILE *file, const json_t *root)
{
    const json_t *rows = json_object_get(root, "rows"), *row;
    size_t widths[APP_RUN_CELLS], i;
    widen(widths, rows);
    for (size_t k = 0; k < APP_RUN_CELLS; k++)
        print_padded(file, app_run_heads[k], widths[k], app_run_is_word(k));
    fputc('\n', file);
    json_array_foreach(rows, i, row)
    {
        char cells[APP_RUN_CELLS][APP_RUN_CELL_BYTES];
        app_run_cells(cells, row);
        for (size_t k = 0; k < APP_RUN_CELLS; k++)
            print_padded(file, cells[k], widths[k], app_run_is_word(k));
        fputc('\n', file);
    }
}

/* ---- Markdown --------------------------------------------------------- */

static void print_cell(FILE *file, const char *text)
{
    fputs("| ", file);
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', file);
        fputc(*text, file);
    }
    fputc(' ', file);
}

void app_run_table_markdown(FILE *file, const json_t *root)
{
    const json_t *row;
    size_t i;
    for (size_t k = 0; k < APP_RUN_CELLS; k++)
        print_cell(file, app_run_heads[k]);
    fputs("|\n", file);
    for (size_t k = 0; k < APP_RUN_CELLS; k++)
        print_cell(file, app_run_is_word(k) ? "---" : "---:");
    fputs("|\n", file);
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        char cells[APP_RUN_CELLS][APP_RUN_CELL_BYTES];
        app_run_cells(cells, row);
        for (size_t k = 0; k < APP_RUN_CELLS; k++)
            print_cell(file, cells[k]);
        fputs("|\n", file);
    }
}

/* ---- CSV -------------------------------------------------------------- */

static const char *const columns[] = {
    "bytes",        "bytes_gzip",   "parameters",
    "macs",         "sparsity",     "images",
    "AP",           "AP50",         "delta_AP.difference",
    "delta_AP.low", "delta_AP.high"};
static const char *const run_columns[] = {
    "threads",  "min_ms", "median_ms", "p90_ms",        "p99_ms",
    "first_ms", "ratio",  "fps",       "peak_rss_bytes"};

static void print_quoted(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void print_numbers(FILE *file, const json_t *row,
                          const char *const *keys, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const double number = app_run_number(row, keys[k]);
        if (isnan(number))
            fputc(',', file);
        else
            fprintf(file, ",%.10g", number);
    }
}

static void print_line(FILE *file, const json_t *row, const json_t *run)
{
    print_quoted(file, app_run_word(row, "model"));
    fputc(',', file);
    print_quoted(file, app_run_word(row, "variant"));
    fputc(',', file);
    print_quoted(file, app_run_word(row, "failed"));
    print_numbers(file, row, columns, sizeof columns / sizeof *columns);
    fputc(',', file);
    print_quoted(file, app_run_word(run, "engine"));
    fputc(',', file);
    print_quoted(file, app_run_word(run, "computes"));
    print_numbers(file, run, run_columns,
                  sizeof run_columns / sizeof *run_columns);
    fputs("\r\n", file);
}

static void print_head(FILE *file)
{
    fputs("model,variant,failed", file);
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
        fprintf(file, ",%s", columns[k]);
    fputs(",engine,computes", file);
    for (size_t k = 0; k < sizeof run_columns / sizeof *run_columns; k++)
        fprintf(file, ",%s", run_columns[k]);
    fputs("\r\n", file);
}

/* A line for each run of the benchmark, or one where there is none. */
void app_run_table_csv(FILE *file, const json_t *root)
{
    const json_t *row, *run;
    size_t i, k;
    print_head(file);
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        const json_t *runs = json_object_get(row, "runs");
        if (!json_array_size(runs))
            print_line(file, row, NULL);
        json_array_foreach(runs, k, run)
        {
            print_line(file, row, run);
        }
    }
}
