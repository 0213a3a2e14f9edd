/* `compress run`: a matrix of models and variants from one YAML file, with what
 * came of them in one folder. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "app/app.h"
#include "app/json_memory.h"
#include "app/run_charts.h"
#include "app/run_check.h"
#include "app/run_page.h"
#include "app/run_rows.h"
#include "app/run_step.h"
#include "app/run_table.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/file.h"
#include "core/output.h"

#define COMMAND "compress run"

static const char help[] =
    "Usage: compress run CONFIG.yaml\n"
    "\n"
    "Makes variants of models, evaluates and times all of them, and writes\n"
    "OUTPUT/report.html, run.json, table.csv and table.md. What is done stays\n"
    "done: the same command goes on where it was, and does again only what\n"
    "depends on a changed line or file. docs/run.md describes the keys.\n"
    "\n"
    "      --check         only look for mistakes in the file and models\n"
    "      --dry-run       print the commands, and which are done already\n"
    "  -o, --output DIR    in place of 'output:' of the file\n"
    "      --redo          do all again\n"
    "  -j, --json          print the rows as JSON on stdout, nothing else\n"
    "  -q, --quiet         print nothing but errors\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 input rejected, 4 a gate does "
    "not\nhold, 130 interrupted\n";

enum { OPTION_CHECK = 256, OPTION_DRY_RUN, OPTION_REDO };

struct run {
    const char *path, *output;
    bool check, dry_run, redo, json, quiet;
    struct app_run_config config;
    struct app_run_plan plan;
    struct app_run_worker worker;
    int lock;
};

/* ---- command line ----------------------------------------------------- */

static bool parse_option(struct run *run, int option, int *exit_code)
{
    switch (option) {
    case OPTION_CHECK:
        run->check = true;
        return true;
    case OPTION_DRY_RUN:
        run->dry_run = true;
        return true;
    case OPTION_REDO:
        run->redo = true;
        return true;
    case 'o':
        run->output = optarg;
        return true;
    case 'j':
        run->json = true;
        return true;
    case 'q':
        run->quiet = true;
        return true;
    case 'h':
        fputs(help, stdout);
        *exit_code = APP_DONE;
        return false;
    default: /* getopt has said what is wrong */
        fputs("Try '" COMMAND " --help'.\n", stderr);
        return false;
    }
}

static bool parse(struct run *run, int argc, char **argv, int *exit_code)
{
    static const struct option options[] = {
        {"check", no_argument, NULL, OPTION_CHECK},
        {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
        {"output", required_argument, NULL, 'o'},
        {"redo", no_argument, NULL, OPTION_REDO},
        {"json", no_argument, NULL, 'j'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    *exit_code = APP_USAGE;
    while ((option = getopt_long(argc, argv, "o:jqh", options, NULL)) != -1) {
        if (!parse_option(run, option, exit_code))
            return false;
    }
    if (optind + 1 != argc)
        return app_usage_error(COMMAND, "want one CONFIG.yaml; configs/ has "
                                        "examples"),
               false;
    if (run->output && !*run->output)
        return app_usage_error(COMMAND, "--output wants a folder"), false;
    run->path = argv[optind];
    return true;
}

/* ---- the folder ------------------------------------------------------- */

/* One run at a time works in a folder. */
static enum cz_status lock_folder(struct run *run, struct cz_error *err)
{
    const char *output = run->config.output;
    const char *cache = app_run_text(&run->config, "%s/cache", output);
    if (!cache)
        return cz_error_nomem(err);
    CZ_TRY(cz_file_make_folder(cache, err));
    run->lock = open(output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->lock < 0)
        return cz_file_fail(output, err);
    if (flock(run->lock, LOCK_EX | LOCK_NB) == 0)
        return CZ_OK;
    return errno == EWOULDBLOCK
               ? cz_error_set(err, CZ_EINVAL,
                              "%s: another 'compress run' works here; wait "
                              "for it, or give another folder with -o",
                              output)
               : cz_file_fail(output, err);
}

/* ---- reports ---------------------------------------------------------- */

static void print_csv(FILE *file, const void *user)
{
    app_run_table_csv(file, user);
}

static void print_markdown(FILE *file, const void *user)
{
    app_run_table_markdown(file, user);
}

static enum cz_status write_one(struct run *run, const char *name,
                                void (*print)(FILE *file, const void *user),
                                const void *user, struct cz_error *err)
{
    const char *path =
        app_run_text(&run->config, "%s/%s", run->config.output, name);
    return path ? cz_output_print(path, true, print, user, err)
                : cz_error_nomem(err);
}

static enum cz_status write_json(struct run *run, const json_t *root,
                                 struct cz_error *err)
{
    char *text = app_json_dump(root, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    const enum cz_status status =
        text ? write_one(run, "run.json", app_print_line, text, err)
             : cz_error_nomem(err);
    cz_free(text);
    return status;
}

struct chart {
    const struct app_run_page *page;
    enum app_run_chart chart;
    size_t model;
};

static void print_chart(FILE *file, const void *user)
{
    const struct chart *chart = user;
    app_run_chart_print(file, chart->page, chart->chart, chart->model);
}

/* Those of all models, or of one. */
static enum cz_status write_chart(struct run *run, const struct chart *chart,
                                  struct cz_error *err)
{
    const bool of_all = chart->model == APP_RUN_ALL;
    const char *name =
        app_run_text(&run->config, "charts/%s%s%s.svg",
                     of_all ? "" : run->config.models[chart->model].name,
                     of_all ? "" : "-", app_run_chart_name(chart->chart));
    if (!name)
        return cz_error_nomem(err);
    if (app_run_chart_print(NULL, chart->page, chart->chart, chart->model))
        return write_one(run, name, print_chart, chart, err);
    const char *path =
        app_run_text(&run->config, "%s/%s", run->config.output, name);
    if (path)
        unlink(path); /* that of an earlier run */
    return CZ_OK;
}

static enum cz_status write_charts(struct run *run,
                                   const struct app_run_page *page,
                                   struct cz_error *err)
{
    const char *folder =
        app_run_text(&run->config, "%s/charts", run->config.output);
    if (!folder)
        return cz_error_nomem(err);
    CZ_TRY(cz_file_make_folder(folder, err));
    for (int k = 0; k < APP_RUN_CHART_COUNT; k++) {
        struct chart chart = {page, (enum app_run_chart)k, APP_RUN_ALL};
        if (k < APP_RUN_CHART_OF_MODEL)
            CZ_TRY(write_chart(run, &chart, err));
        for (size_t m = 0; m < run->config.n_models; m++) {
            chart.model = m;
            if (k >= APP_RUN_CHART_OF_MODEL)
                CZ_TRY(write_chart(run, &chart, err));
        }
    }
    return CZ_OK;
}

static enum cz_status write_reports(struct run *run, const json_t *root,
                                    struct cz_error *err)
{
    const struct app_run_page page = {&run->plan, root};
    CZ_TRY(write_json(run, root, err));
    CZ_TRY(write_one(run, "table.csv", print_csv, root, err));
    CZ_TRY(write_one(run, "table.md", print_markdown, root, err));
    CZ_TRY(write_charts(run, &page, err));
    return write_one(run, "report.html", app_run_page_print, &page, err);
}

/* The table, what failed, where the files are. */
static void tell(const struct run *run, const json_t *root)
{
    const double images = app_run_images(root);
    size_t i, cached = 0;
    const json_t *row;
    for (i = 0; i < run->plan.n_steps; i++)
        cached += run->plan.steps[i].state == APP_RUN_CACHED;
    app_run_table_text(stdout, root);
    json_array_foreach(json_object_get(root, "rows"), i, row)
    {
        if (!*app_run_word(row, "failed"))
            continue;
        printf("note: %s %s failed to %s: ", app_run_word(row, "model"),
               app_run_word(row, "variant"), app_run_word(row, "failed"));
        app_print_clean(stdout, app_run_word(row, "message"));
        putchar('\n');
    }
    if (!isnan(images))
        printf("note: AP is that of %.0f image%s\n", images,
               images == 1 ? "" : "s");
    printf("%s/report.html: written; %zu of %zu steps were done before\n",
           run->config.output, cached, run->plan.n_steps);
}

static void print_command(const struct app_run_step *step)
{
    fputs("compress", stdout);
    for (size_t i = 0; i < step->args.count; i++) {
        char *word = app_shell_word(step->args.items[i]);
        putchar(' ');
        app_print_clean(stdout, word ? word : "?");
        cz_free(word);
    }
    putchar('\n');
}

/* What they make is not known before. */
static bool are_needs_done(const struct app_run_plan *plan,
                           const struct app_run_step *step)
{
    bool are_done = true;
    for (size_t i = 0; i < step->n_needs; i++)
        are_done &= plan->steps[step->needs[i]].state == APP_RUN_CACHED;
    for (size_t i = 0; i < step->n_parts; i++) {
        const size_t need = step->parts[i].need;
        are_done &=
            need == APP_RUN_ALL || plan->steps[need].state == APP_RUN_CACHED;
    }
    return are_done;
}

static enum cz_status print_plan(struct run *run, struct cz_error *err)
{
    size_t done = 0;
    for (size_t i = 0; i < run->plan.n_steps; i++) {
        struct app_run_step *step = &run->plan.steps[i];
        CZ_TRY(app_run_look_up(&run->worker, step, err));
        if (!are_needs_done(&run->plan, step))
            step->state = APP_RUN_TO_DO;
        done += step->state == APP_RUN_CACHED;
        fputs(step->state == APP_RUN_CACHED ? "# done before: " : "", stdout);
        print_command(step);
    }
    if (!run->quiet)
        printf("# %zu steps, %zu of them done before\n", run->plan.n_steps,
               done);
    return CZ_OK;
}

/* ---- from start to end ------------------------------------------------ */

static enum cz_status report(struct run *run, json_t *root,
                             struct cz_error *err)
{
    CZ_TRY(write_reports(run, root, err));
    if (run->json)
        app_print_json(json_incref(root));
    else if (!run->quiet)
        tell(run, root);
    if (app_run_rows_fail(root))
        return cz_error_set(err, CZ_EINVAL,
                            "%s: not all could be done; the table has what "
                            "could, %s/run.json says why not",
                            run->path, run->config.output);
    if (app_run_rows_miss(root))
        return cz_error_set(err, CZ_EGATE,
                            "%s: a gate does not hold; see the table",
                            run->path);
    return CZ_OK;
}

static enum cz_status work(struct run *run, struct cz_error *err)
{
    CZ_TRY(app_run_config_read(&run->config, run->path, err));
    if (run->output)
        run->config.output = run->output;
    CZ_TRY(app_run_plan_make(&run->plan, &run->config, err));
    if (run->check) {
        CZ_TRY(app_run_check(&run->plan, err));
        if (!run->quiet)
            printf("%s: %zu model%s, %zu variant%s, %zu steps\n", run->path,
                   run->config.n_models, run->config.n_models == 1 ? "" : "s",
                   run->config.n_variants,
                   run->config.n_variants == 1 ? "" : "s", run->plan.n_steps);
        return CZ_OK;
    }
    CZ_TRY(app_run_worker_init(&run->worker, &run->plan, err));
    run->worker.quiet = run->quiet || run->json;
    run->worker.is_terminal = !run->worker.quiet && isatty(STDERR_FILENO);
    run->worker.redo = run->redo;
    if (run->dry_run)
        return print_plan(run, err);
    CZ_TRY(lock_folder(run, err));
    CZ_TRY(app_run_work(&run->worker, err));
    json_t *root = app_run_rows(&run->plan);
    const enum cz_status status = report(run, root, err);
    json_decref(root);
    return status;
}

int app_run(int argc, char **argv)
{
    struct run run = {.lock = -1};
    struct cz_error err = CZ_ERROR_INIT;
    int exit_code;
    if (!parse(&run, argc, argv, &exit_code))
        return exit_code;
    const enum cz_status status = work(&run, &err);
    app_run_plan_fini(&run.plan);
    app_run_config_fini(&run.config);
    if (run.lock >= 0)
        close(run.lock);
    return status == CZ_OK ? APP_DONE : app_fail(&err);
}
