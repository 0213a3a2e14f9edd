/* See run_page.h. */
#include "app/run_page.h"

#include <math.h>
#include <nettle/base64.h>
#include <string.h>

#include "app/run_charts.h"
#include "app/run_rows.h"
#include "app/run_table.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/file.h"
#include "core/path.h"

/* Larger pictures are named and not shown. */
#define PICTURE_BYTES_MAX ((size_t)4 << 20)
/* Bytes of a picture that are written at once: a multiple of 3. */
#define PIECE_BYTES 3072

static const char style[] =
    "<style>\n"
    ":root { color-scheme: light dark; --paper: #fff; --ink: #1c2126;\n"
    "  --dim: #59636e; --edge: #dfe3e8; --soft: #f5f7f9; --good: #0b7a3b;\n"
    "  --bad: #b42318; }\n"
    "@media (prefers-color-scheme: dark) { :root { --paper: #14171b;\n"
    "  --ink: #e8ebee; --dim: #a3adb8; --edge: #333a42; --soft: #1c2127;\n"
    "  --good: #5cd68b; --bad: #ff8a7a; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; padding: 24px 20px 64px; max-width: 1240px;\n"
    "  background: var(--paper); color: var(--ink);\n"
    "  font: 15px/1.5 system-ui, sans-serif; }\n"
    "h1 { font-size: 26px; margin: 0 0 4px; }\n"
    "h2 { font-size: 19px; margin: 40px 0 12px; }\n"
    "h3 { font-size: 15px; margin: 20px 0 8px; }\n"
    "p { margin: 0 0 8px; overflow-wrap: anywhere; }\n"
    ".dim { color: var(--dim); }\n"
    ".good { color: var(--good); } .bad { color: var(--bad); }\n"
    ".scroll { overflow-x: auto; border: 1px solid var(--edge);\n"
    "  border-radius: 8px; }\n"
    "table { border-collapse: collapse; width: 100%;\n"
    "  font-variant-numeric: tabular-nums; }\n"
    "th, td { padding: 6px 9px; font-size: 14px; text-align: right; "
    "white-space: nowrap; }\n"
    "th { color: var(--dim); font-weight: 500; background: var(--soft); }\n"
    "td { border-top: 1px solid var(--edge); }\n"
    "tr.baseline td { background: var(--soft); }\n"
    ".left { text-align: left; }\n"
    ".charts { display: grid; gap: 20px;\n"
    "  grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr));"
    "\n  }\n"
    ".charts > div { border: 1px solid var(--edge); border-radius: 8px;\n"
    "  padding: 8px; }\n"
    "svg { display: block; width: 100%; height: auto; }\n"
    ".pictures { display: grid; gap: 12px; grid-template-columns:\n"
    "  repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }\n"
    "figure { margin: 0; } figcaption { color: var(--dim); }\n"
    "img { width: 100%; border-radius: 6px; display: block; }\n"
    "pre { overflow-x: auto; background: var(--soft); padding: 12px;\n"
    "  border-radius: 8px; font-size: 13px; }\n"
    "dl { display: grid; grid-template-columns: max-content 1fr;\n"
    "  gap: 4px 16px; margin: 0; } dt { color: var(--dim); }\n"
    "dd { margin: 0; overflow-wrap: anywhere; }\n"
    "</style>\n";

static void print_element(FILE *file, const char *open, const char *text,
                          const char *close)
{
    fputs(open, file);
    app_print_xml(file, text);
    fputs(close, file);
}

/* ---- the head --------------------------------------------------------- */

static void print_images(FILE *file, const json_t *root)
{
    const double images = app_run_images(root);
    if (isnan(images))
        return;
    fprintf(file, "<p>mAP is that of %.0f image%s of ", images,
            images == 1 ? "" : "s");
    print_element(file, "", app_run_word(root, "annotations"), ".</p>\n");
}

static void print_verdict(FILE *file, const json_t *root)
{
    const json_t *gates = json_object_get(root, "gates");
    const double drop = app_run_number(gates, "max_drop");
    const double ms = app_run_number(gates, "max_ms");
    if (app_run_rows_fail(root))
        fputs("<p class=\"bad\">Not all could be done; see below.</p>\n", file);
    if (isnan(drop) && isnan(ms))
        return;
    fputs("<p>Gates:", file);
    if (!isnan(drop))
        fprintf(file, " mAP50-95 loses at most %g%s", drop,
                isnan(ms) ? ". " : ",");
    if (!isnan(ms))
        fprintf(file, " a frame takes at most %g ms. ", ms);
    const size_t unchecked = app_run_rows_unchecked(root);
    if (app_run_rows_miss(root))
        fputs("<span class=\"bad\">Not all hold.</span></p>\n", file);
    else if (unchecked)
        fprintf(file,
                "<span class=\"bad\">Not known of %zu row%s.</span></p>\n",
                unchecked, unchecked == 1 ? "" : "s");
    else
        fputs("<span class=\"good\">All hold.</span></p>\n", file);
}

static void print_failures(FILE *file, const json_t *root)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        if (!*app_run_word(row, "failed"))
            continue;
        fputs("<p class=\"bad\">", file);
        print_element(file, "", app_run_word(row, "model"), " ");
        print_element(file, "", app_run_word(row, "variant"), ": ");
        print_element(file, "", app_run_word(row, "failed"), " failed: ");
        print_element(file, "", app_run_word(row, "message"), "</p>\n");
    }
}

/* ---- the table -------------------------------------------------------- */

static const char *class_of(size_t cell, const char *text)
{
    if (cell != APP_RUN_CELL_GATES)
        return app_run_is_word(cell) ? "left" : "";
    if (strcmp(text, "pass") == 0)
        return "left good";
    return strcmp(text, "-") == 0 ? "left" : "left bad";
}

static void print_row(FILE *file, const json_t *row)
{
    char cells[APP_RUN_CELLS][APP_RUN_CELL_BYTES];
    app_run_cells(cells, row);
    fputs(json_is_true(json_object_get(row, "is_baseline"))
              ? "<tr class=\"baseline\">"
              : "<tr>",
          file);
    for (size_t k = 0; k < APP_RUN_CELLS; k++) {
        fprintf(file, "<td class=\"%s\">", class_of(k, cells[k]));
        print_element(file, "", cells[k], "</td>");
    }
    fputs("</tr>\n", file);
}

static void print_table(FILE *file, const json_t *root)
{
    size_t i;
    const json_t *row;
    fputs("<div class=\"scroll\" tabindex=\"0\"><table>\n<tr>", file);
    for (size_t k = 0; k < APP_RUN_CELLS; k++) {
        fprintf(file, "<th class=\"%s\">", app_run_is_word(k) ? "left" : "");
        print_element(file, "", app_run_heads[k], "</th>");
    }
    fputs("</tr>\n", file);
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        print_row(file, row);
    }
    fputs("</table></div>\n<p class=\"dim\">ms, relative, fps and memory are "
          "those of the first engine, precision and number of threads of the "
          "benchmark, whose files took turns frame by frame; the change of "
          "mAP50-95 has "
          "its 95 % interval from resampled images: one with 0 in it may be "
          "chance.</p>\n",
          file);
}

/* The most runs that the benchmark has of a file. */
static size_t count_runs(const json_t *rows)
{
    size_t i, most = 0;
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        const size_t count = json_array_size(json_object_get(row, "runs"));
        most = count > most ? count : most;
    }
    return most;
}

/* Of the benchmark, where it has more than one of each file. */
static void print_runs(FILE *file, const json_t *root)
{
    const json_t *rows = json_object_get(root, "rows"), *row, *run;
    size_t i, k;
    if (count_runs(rows) < 2)
        return;
    fputs("<h2>Benchmark</h2>\n<div class=\"scroll\" tabindex=\"0\"><table>\n"
          "<tr><th class=\"left\">model</th><th class=\"left\">variant</th>"
          "<th class=\"left\">engine</th><th class=\"left\">computes</th>"
          "<th>threads</th><th>median ms</th>"
          "<th>p90</th><th>p99</th><th>first ms</th><th>relative</th>"
          "<th>memory</th></tr>\n",
          file);
    json_array_foreach(rows, i, row)
    {
        json_array_foreach(json_object_get(row, "runs"), k, run)
        {
            char memory[APP_NUMBER_BYTES];
            print_element(file, "<tr><td class=\"left\">",
                          app_run_word(row, "model"), "</td>");
            print_element(file, "<td class=\"left\">",
                          app_run_word(row, "variant"), "</td>");
            print_element(file, "<td class=\"left\">",
                          app_run_word(run, "engine"), "</td>");
            print_element(file, "<td class=\"left\">",
                          app_run_word(run, "computes"), "</td>");
            fprintf(
                file,
                "<td>%g</td><td>%.2f</td><td>%.2f</td><td>%.2f</td>"
                "<td>%.1f</td><td>%.3f</td><td>%s</td></tr>\n",
                app_run_number(run, "threads"),
                app_run_number(run, "median_ms"), app_run_number(run, "p90_ms"),
                app_run_number(run, "p99_ms"), app_run_number(run, "first_ms"),
                app_run_number(run, "ratio"),
                app_bytes(memory,
                          (uint64_t)app_run_number(run, "peak_rss_bytes")));
        }
    }
    fputs("</table></div>\n", file);
}

/* ---- charts ----------------------------------------------------------- */

/* The charts from `first` to before `end`, where there are any, below a
 * heading. */
static void print_section(FILE *file, const struct app_run_page *page,
                          const char *heading, int first, int end, size_t model)
{
    bool is_open = false;
    for (int k = first; k < end; k++) {
        const enum app_run_chart chart = (enum app_run_chart)k;
        if (!app_run_chart_print(NULL, page, chart, model))
            continue;
        if (!is_open)
            print_element(file, "<h2>", heading,
                          "</h2>\n<div class=\"charts\">\n");
        is_open = true;
        fputs("<div>\n", file);
        app_run_chart_print(file, page, chart, model);
        fputs("</div>\n", file);
    }
    fputs(is_open ? "</div>\n" : "", file);
}

static void print_charts(FILE *file, const struct app_run_page *page)
{
    const struct app_run_config *c = page->plan->config;
    print_section(file, page, "Accuracy and cost", 0, APP_RUN_CHART_OF_MODEL,
                  APP_RUN_ALL);
    for (size_t m = 0; m < c->n_models; m++)
        print_section(file, page, c->models[m].name, APP_RUN_CHART_OF_MODEL,
                      APP_RUN_CHART_COUNT, m);
}

/* ---- pictures --------------------------------------------------------- */

static void print_base64(FILE *file, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE_BYTES) {
        char text[BASE64_ENCODE_RAW_LENGTH(PIECE_BYTES)];
        const size_t n = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
        base64_encode_raw(text, n, bytes + at);
        fwrite(text, 1, BASE64_ENCODE_RAW_LENGTH(n), file);
    }
}

static void print_picture(FILE *file, const char *path, const char *caption)
{
    void *bytes;
    size_t size;
    fputs("<figure>", file);
    if (cz_file_load(&bytes, &size, path, PICTURE_BYTES_MAX, NULL) == CZ_OK) {
        fprintf(file, "<img loading=\"lazy\" alt=\"");
        app_print_xml(file, caption);
        fprintf(file, "\" src=\"data:image/%s;base64,",
                cz_path_ends_in(path, ".png") ? "png" : "jpeg");
        print_base64(file, bytes, size);
        fputs("\">", file);
        cz_free(bytes);
    } else {
        print_element(file, "<p class=\"dim\">", path, "</p>");
    }
    print_element(file, "<figcaption>", caption, "</figcaption></figure>\n");
}

/* The same image with the boxes of each variant. */
static void print_image(FILE *file, const struct app_run_page *page,
                        size_t model, size_t image)
{
    const struct app_run_config *c = page->plan->config;
    fputs("<div class=\"pictures\">\n", file);
    for (size_t v = 0; v < c->n_variants; v++) {
        const struct app_run_step *step =
            app_run_find(page->plan, APP_RUN_DETECT, model, v);
        if (step && step->result && image < step->products.count)
            print_picture(file, step->products.items[image],
                          c->variants[v].name);
    }
    fputs("</div>\n", file);
}

/* Of what any variant of the model drew: all draw on the same images. NULL:
 * there is nothing. */
static const struct app_run_step *find_drawn(const struct app_run_plan *plan,
                                             size_t model)
{
    for (size_t v = 0; v < plan->config->n_variants; v++) {
        const struct app_run_step *step =
            app_run_find(plan, APP_RUN_DETECT, model, v);
        if (step && step->result)
            return step;
    }
    return NULL;
}

static void print_pictures(FILE *file, const struct app_run_page *page)
{
    const struct app_run_config *c = page->plan->config;
    for (size_t m = 0; m < c->n_models; m++) {
        const struct app_run_step *step = find_drawn(page->plan, m);
        if (!step)
            continue;
        print_element(file, "<h2>Boxes of ", c->models[m].name, "</h2>\n");
        for (size_t i = 0; i < step->products.count; i++) {
            print_element(file, "<h3>", cz_path_base(step->products.items[i]),
                          "</h3>\n");
            print_image(file, page, m, i);
        }
    }
}

/* ---- how it was made -------------------------------------------------- */

static void print_fact(FILE *file, const char *name, const char *value)
{
    if (!*value)
        return;
    print_element(file, "<dt>", name, "</dt>");
    print_element(file, "<dd>", value, "</dd>\n");
}

static void print_facts(FILE *file, const json_t *root)
{
    const json_t *machine = json_object_get(root, "machine");
    char memory[APP_NUMBER_BYTES], cores[APP_NUMBER_BYTES];
    fputs("<h2>Made on</h2>\n<dl>\n", file);
    print_fact(file, "CPU", app_run_word(machine, "cpu"));
    print_fact(file, "model", app_run_word(machine, "cpu_family"));
    print_fact(file, "cores",
               app_count(cores, (uint64_t)app_run_number(machine, "cores")));
    print_fact(
        file, "memory",
        app_bytes(memory, (uint64_t)app_run_number(machine, "memory_bytes")));
    print_fact(file, "system", app_run_word(machine, "system"));
    print_fact(file, "compress", app_run_word(machine, "compress"));
    print_fact(file, "annotations", app_run_word(root, "annotations"));
    print_fact(file, "calibration", app_run_word(root, "calib"));
    fputs("</dl>\n", file);
}

static void print_words(FILE *file, const struct app_run_step *step)
{
    fputs("compress", file);
    for (size_t i = 0; i < step->args.count; i++) {
        char *word = app_shell_word(step->args.items[i]);
        fputc(' ', file);
        app_print_xml(file, word ? word : "?");
        cz_free(word);
    }
    fputc('\n', file);
}

static void print_commands(FILE *file, const struct app_run_page *page)
{
    fputs("<h2>Commands</h2>\n<p>All of it again:</p>\n<pre>", file);
    print_element(file, "compress run ", page->plan->config->path, "</pre>\n");
    fputs("<p>Step by step:</p>\n<pre>", file);
    for (size_t i = 0; i < page->plan->n_steps; i++)
        print_words(file, &page->plan->steps[i]);
    fputs("</pre>\n", file);
}

void app_run_page_print(FILE *file, const void *user)
{
    const struct app_run_page *page = user;
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, "
          "initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n",
          file);
    print_element(file, "<title>", app_run_word(page->root, "name"),
                  "</title>\n");
    fputs(style, file);
    fputs("</head>\n<body>\n", file);
    print_element(file, "<h1>", app_run_word(page->root, "name"), "</h1>\n");
    print_images(file, page->root);
    print_verdict(file, page->root);
    print_failures(file, page->root);
    print_table(file, page->root);
    print_runs(file, page->root);
    print_charts(file, page);
    print_pictures(file, page);
    print_facts(file, page->root);
    print_commands(file, page);
    fputs("</body>\n</html>\n", file);
}
