/* `compress sensitivity`: what int8, or pruning, does to each layer alone. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/arguments.h"
#include "app/int8.h"
#include "app/json_memory.h"
#include "app/plot.h"
#include "app/progress.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/output.h"
#include "core/parallel.h"

#define COMMAND "compress sensitivity"

static const char help[] =
    "Usage: compress sensitivity MODEL.onnx --calib SOURCE [--prune P]\n"
    "                            [--plot FILE.svg]\n"
    "\n"
    "Quantizes each convolution alone, and tells how far that moves the boxes\n"
    "on a few of the images (0: not at all, 1: none is found any more), with\n"
    "the ratio of signal to noise of its tensors. The worst come first: they\n"
    "are what --keep is for, and with --prune what --skip is for.\n"
    "\n" APP_INT8_HELP
    "  --keep NAME           a Conv that stays float32 in all trials; may be\n"
    "                        repeated\n"
    "  --prune P             prune each to the fraction P in place of int8\n"
    "  --plot FILE.svg       a bar for each layer, in the graph's order\n"
    "  -f, --force           overwrite FILE.svg\n"
    "  -j, --json            print one JSON object on stdout, nothing else\n"
    "  -q, --quiet           no progress\n"
    "  -t, --threads N       default: the cores that this process may use\n"
    "  -h, --help            this text\n";

enum { OPTION_PRUNE = 256, OPTION_PLOT };

static const struct option long_options[] = {
    APP_INT8_LONG_OPTIONS,
    {"prune", required_argument, NULL, OPTION_PRUNE},
    {"plot", required_argument, NULL, OPTION_PLOT},
    {"force", no_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"threads", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct app_number threads_number = {COMMAND, "--threads", 1,
                                                 CZ_THREADS_MAX};

/* ---- command line ----------------------------------------------------- */

static bool parse_option(struct app_compress_options *o, int option,
                         int *exit_code)
{
    if (app_is_int8_option(option))
        return app_parse_int8_option(&o->int8_options, option, optarg);
    switch (option) {
    case OPTION_PRUNE:
        o->pruning.is_asked = true;
        return app_parse_sparsity(&o->pruning.prune.sparsity, "--prune",
                                  optarg);
    case OPTION_PLOT:
        o->output = optarg;
        return true;
    case 'f':
        o->force = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    case 't':
        return app_parse_number(&o->pruning.prune.threads, &threads_number,
                                optarg);
    case 'h':
        fputs(help, stdout);
        *exit_code = APP_DONE;
        return false;
    default: /* getopt has said what is wrong */
        fputs("Try '" COMMAND " --help'.\n", stderr);
        return false;
    }
}

static bool parse(struct app_compress_options *o, int argc, char **argv,
                  int *exit_code)
{
    int option;
    *exit_code = APP_USAGE;
    while ((option = getopt_long(argc, argv, "fjqt:h", long_options, NULL)) !=
           -1) {
        if (!parse_option(o, option, exit_code))
            return false;
    }
    if (optind + 1 != argc)
        app_usage_error(COMMAND, "want one model");
    else if (!o->int8_options.calib)
        app_usage_error(COMMAND, "want --calib SOURCE, images like those that "
                                 "the model will see");
    else if (o->pruning.is_asked && !(o->pruning.prune.sparsity > 0))
        app_usage_error(COMMAND, "--prune 0 changes nothing");
    else
        o->model = argv[optind];
    return o->model != NULL;
}

/* ---- report ----------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const struct cz_sensitivity_row *x = a, *y = b;
    if (x->difference != y->difference)
        return x->difference > y->difference ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void print_json(const struct app_compress_options *o,
                       const struct cz_sensitivity *s,
                       const struct app_int8_judged *judged)
{
    const struct cz_int8_options *int8 = &o->int8_options.int8;
    json_t *root = json_object(), *layers = json_array();
    for (size_t i = 0; i < s->n_rows; i++) {
        const struct cz_sensitivity_row *row = &s->rows[i];
        json_t *object = json_object();
        json_object_set_new(object, "name", app_json_text(row->name));
        json_object_set_new(object, "difference",
                            app_json_rounded(row->difference, 1e6));
        if (!o->pruning.is_asked)
            json_object_set_new(object, "snr_db",
                                app_json_rounded(row->snr_db, 100));
        json_array_append_new(layers, object);
    }
    json_object_set_new(root, "schema", json_string("compress.sensitivity/1"));
    json_object_set_new(root, "model", app_json_text(o->model));
    json_object_set_new(root, "change",
                        json_string(o->pruning.is_asked ? "prune" : "int8"));
    if (o->pruning.is_asked)
        json_object_set_new(root, "sparsity",
                            json_real(o->pruning.prune.sparsity));
    else
        json_object_set_new(root, "target",
                            json_string(cz_int8_target_name(int8->target)));
    json_object_set_new(root, "images", app_json_count(judged->images));
    json_object_set_new(root, "judged_by",
                        json_string(judged->by_boxes ? "boxes" : "outputs"));
    json_object_set_new(root, "difference_all", app_json_rounded(s->all, 1e6));
    json_object_set_new(root, "layers", layers);
    app_print_json(root);
}

static void print_text(const struct app_compress_options *o,
                       const struct cz_sensitivity *s,
                       const struct app_int8_judged *judged)
{
    puts(o->pruning.is_asked ? "difference  layer"
                             : "difference   SNR dB  layer");
    for (size_t i = 0; i < s->n_rows; i++) {
        printf("%10.6f  ", s->rows[i].difference);
        if (!o->pruning.is_asked)
            printf("%7.1f  ", s->rows[i].snr_db);
        app_print_clean(stdout, s->rows[i].name);
        puts("");
    }
    printf("%10.6f  %sall of them\n", s->all,
           o->pruning.is_asked ? "" : "         ");
    if (judged->by_boxes)
        printf("\nnote: boxes on %zu images; 0: equal to those of the model as "
               "it is, 1: none found\n",
               judged->images);
    else
        printf("\nnote: no boxes to judge by; outputs on %zu images, 0: equal "
               "to those of the\n      model as it is, 1: as far as they are "
               "from 0\n",
               judged->images);
}

/* ---- plot ------------------------------------------------------------- */

#define TITLE_BYTES 96

static enum cz_status save_plot(const struct app_compress_options *o,
                                const struct cz_sensitivity *s,
                                const struct app_int8_judged *judged,
                                struct cz_error *err)
{
    char title[TITLE_BYTES];
    struct app_plot_bar *bars = cz_calloc(s->n_rows + 1, sizeof *bars);
    if (!bars)
        return cz_error_nomem(err);
    for (size_t i = 0; i < s->n_rows; i++)
        bars[i] = (struct app_plot_bar){s->rows[i].name, s->rows[i].difference};
    if (o->pruning.is_asked)
        snprintf(title, sizeof title, "Each layer alone pruned to %g %%",
                 100 * o->pruning.prune.sparsity);
    else
        snprintf(title, sizeof title, "Each layer alone in int8, for %s",
                 cz_int8_target_name(o->int8_options.int8.target));
    const struct app_plot plot = {
        .title = title,
        .y_label = judged->by_boxes
                       ? "difference of the boxes (0: equal, 1: none is found)"
                       : "difference of the outputs (0: equal)",
        .x_label = "layers, in the graph's order",
        .bars = bars,
        .n_bars = s->n_rows};
    const enum cz_status status =
        app_plot_save(&plot, o->output, o->force, err);
    cz_free(bars);
    return status;
}

/* ---- all of it -------------------------------------------------------- */

static void report(const struct app_compress_options *options,
                   struct cz_sensitivity *sensitivity,
                   const struct app_int8_judged *judged)
{
    qsort(sensitivity->rows, sensitivity->n_rows, sizeof *sensitivity->rows,
          compare_rows);
    if (options->json)
        print_json(options, sensitivity, judged);
    else
        print_text(options, sensitivity, judged);
}

static enum cz_status run(const struct app_compress_options *options,
                          struct cz_error *err)
{
    struct cz_sensitivity sensitivity = {.n_rows = 0};
    struct app_int8_judged judged;
    if (options->output)
        CZ_TRY(cz_output_check(options->output, options->force, err));
    enum cz_status status = cz_error_prefix(
        err, app_int8_sensitivity(&sensitivity, options, &judged, err),
        options->model);
    if (status == CZ_OK && options->output)
        status = save_plot(options, &sensitivity, &judged, err);
    if (status == CZ_OK)
        report(options, &sensitivity, &judged);
    cz_sensitivity_fini(&sensitivity);
    return status;
}

int app_sensitivity(int argc, char **argv)
{
    struct app_compress_options options = {
        .pruning = {.prune = CZ_PRUNE_OPTIONS_INIT}};
    struct app_progress progress;
    struct cz_error err = CZ_ERROR_INIT;
    int exit_code = APP_FAILED;
    if (!app_int8_options_init(&options.int8_options, COMMAND, argc)) {
        cz_error_nomem(&err);
        return app_fail(&err);
    }
    if (parse(&options, argc, argv, &exit_code)) {
        app_progress_init(&progress, options.quiet || options.json);
        options.int8_options.int8.progress = &progress.callback;
        const enum cz_status status = run(&options, &err);
        app_progress_fini(&progress);
        exit_code = status == CZ_OK ? APP_DONE : app_fail(&err);
    }
    app_int8_options_fini(&options.int8_options);
    return exit_code;
}
