/* `compress sensitivity`: what int8 does to each layer alone. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/arguments.h"
#include "app/int8.h"
#include "app/progress.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/parallel.h"

#define COMMAND "compress sensitivity"

static const char help[] =
    "Usage: compress sensitivity MODEL.onnx --calib SOURCE\n"
    "\n"
    "Quantizes each convolution alone, and tells how far that moves the boxes\n"
    "on a few of the images (0: not at all, 1: none is found any more), with\n"
    "the ratio of signal to noise of its tensors. The worst come first: they\n"
    "are what --keep is for.\n"
    "\n" APP_INT8_HELP
    "  --keep NAME           a Conv that stays float32 in all trials; may be\n"
    "                        repeated\n"
    "  -j, --json            print one JSON object on stdout, nothing else\n"
    "  -q, --quiet           no progress\n"
    "  -t, --threads N       default: the cores that this process may use\n"
    "  -h, --help            this text\n";

static const struct option long_options[] = {
    APP_INT8_LONG_OPTIONS,
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
    case 'j':
        o->json = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    case 't':
        return app_parse_number(&o->prune_options.threads, &threads_number,
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
    while ((option = getopt_long(argc, argv, "jqt:h", long_options, NULL)) !=
           -1) {
        if (!parse_option(o, option, exit_code))
            return false;
    }
    if (optind + 1 != argc)
        app_usage_error(COMMAND, "want one model");
    else if (!o->int8_options.calib)
        app_usage_error(COMMAND, "want --calib SOURCE, images like those that "
                                 "the model will see");
    o->model = argv[optind];
    return optind + 1 == argc && o->int8_options.calib;
}

/* ---- report ----------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
    const struct cz_sensitivity_row *x = a, *y = b;
    return (x->difference < y->difference) - (x->difference > y->difference);
}

static void print_json(const struct app_compress_options *o,
                       const struct cz_sensitivity *s, size_t judged)
{
    const struct cz_int8_options *int8 = &o->int8_options.int8;
    json_t *root = json_object(), *layers = json_array();
    for (size_t i = 0; i < s->n_rows; i++) {
        const struct cz_sensitivity_row *row = &s->rows[i];
        json_t *object = json_object();
        json_object_set_new(object, "name", app_json_text(row->name));
        json_object_set_new(object, "difference",
                            app_json_rounded(row->difference, 1e6));
        json_object_set_new(object, "snr_db",
                            app_json_rounded(row->snr_db, 100));
        json_array_append_new(layers, object);
    }
    json_object_set_new(root, "schema", json_string("compress.sensitivity/1"));
    json_object_set_new(root, "model", app_json_text(o->model));
    json_object_set_new(root, "target",
                        json_string(cz_int8_target_name(int8->target)));
    json_object_set_new(root, "images", app_json_count(judged));
    json_object_set_new(root, "difference_all", app_json_rounded(s->all, 1e6));
    json_object_set_new(root, "layers", layers);
    app_print_json(root);
}

static void print_text(const struct cz_sensitivity *s, size_t judged)
{
    puts("difference   SNR dB  layer");
    for (size_t i = 0; i < s->n_rows; i++) {
        printf("%10.6f  %7.1f  ", s->rows[i].difference, s->rows[i].snr_db);
        app_print_clean(stdout, s->rows[i].name);
        puts("");
    }
    printf("%10.6f           all of them\n", s->all);
    printf(
        "\nnote: boxes of float32 on %zu images are 0 apart; 1: none found\n",
        judged);
}

/* ---- all of it -------------------------------------------------------- */

static enum cz_status run(const struct app_compress_options *options,
                          struct cz_error *err)
{
    struct cz_sensitivity sensitivity = {.n_rows = 0};
    size_t judged;
    const enum cz_status status = cz_error_prefix(
        err, app_int8_sensitivity(&sensitivity, options, &judged, err),
        options->model);
    if (status == CZ_OK) {
        qsort(sensitivity.rows, sensitivity.n_rows, sizeof *sensitivity.rows,
              compare_rows);
        if (options->json)
            print_json(options, &sensitivity, judged);
        else
            print_text(&sensitivity, judged);
    }
    cz_sensitivity_fini(&sensitivity);
    return status;
}

int app_sensitivity(int argc, char **argv)
{
    struct app_compress_options options = {.prune_options =
                                               CZ_PRUNE_OPTIONS_INIT};
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
