/* `compress infer`: one frame, raw tensors or an image in, raw tensors out. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/arguments.h"
#include "app/json_memory.h"
#include "app/precision.h"
#include "app/progress.h"
#include "app/tensor_file.h"
#include "app/text.h"
#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/output.h"
#include "core/parallel.h"
#include "core/path.h"
#include "detect/detect.h"

#define COMMAND "compress infer"

static const char help[] =
    "Usage: compress infer MODEL.onnx --input [NAME=]X.f32 --output "
    "[NAME=]Y.f32\n"
    "\n"
    "Runs a model once, on raw tensors: the elements alone, row-major,\n"
    "little-endian, in the type that the model declares. Prints the type, "
    "shape\n"
    "and range of every output.\n"
    "\n"
    "  -i, --input [NAME=]FILE\n"
    "                      what goes in; once for each input. NAME may be "
    "left\n"
    "                      out when there is one input. A JPEG, PNG, ... is\n"
    "                      letterboxed as compress detect does it\n"
    "  -o, --output [NAME=]FILE\n"
    "                      where an output goes; those not named are not "
    "written\n"
    "  --engine E          compress (default), ort (ONNX Runtime), ort:cuda,\n"
    "                      ort:tensorrt\n"
    "  --precision P       float32 (default), bf16, fp16 or auto (16 bits "
    "where\n"
    "                      they are timed to be faster): what convolutions of "
    "our\n"
    "                      engine round their operands to\n"
    "  -t, --threads N     default: the cores that this process may "
    "use\n" APP_ENGINE_HELP "  -f, --force         overwrite FILE\n"
    "  -j, --json          print one JSON object on stdout, nothing else\n"
    "  -q, --quiet         print nothing but errors\n"
    "      --operators     list the operators that the engine has: the opsets "
    "at\n"
    "                      which their rules change, and their kernels\n"
    "  -h, --help          this text\n";

static const struct option long_options[] = {
    {"input", required_argument, NULL, 'i'},
    {"output", required_argument, NULL, 'o'},
    {"engine", required_argument, NULL, 'e'},
    {"precision", required_argument, NULL, 'p'},
    {"threads", required_argument, NULL, 't'},
    APP_ENGINE_LONG_OPTIONS,
    {"force", no_argument, NULL, 'f'},
    {"json", no_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"operators", no_argument, NULL, 'O'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* A file for an input or an output. */
struct binding {
    const char *name; /* NULL: the only one */
    const char *path;
    const struct cz_port *port;
};

struct bindings {
    struct binding *items; /* owned */
    size_t count;
};

struct infer {
    struct app_engine_options options;
    const char *model;
    struct bindings inputs, outputs;
    bool force, json, quiet;
    struct cz_engine *engine;
    double load_ms, time_ms;
};

/* ---- the operators ---------------------------------------------------- */

/* The opsets of row i's operator, with commas; only for its first row. */
static bool print_opsets(size_t i)
{
    struct cz_operator_info info, other;
    cz_operator(i, &info);
    for (size_t k = 0; k < i; k++) {
        cz_operator(k, &other);
        if (strcmp(info.op_type, other.op_type) == 0)
            return false;
    }
    printf("%s\t%u", info.op_type, info.since);
    for (size_t k = i + 1; cz_operator(k, &other); k++) {
        if (strcmp(info.op_type, other.op_type) == 0)
            printf(",%u", other.since);
    }
    return true;
}

/* A line each: operator, opsets, kernels. */
static void list_operators(void)
{
    struct cz_operator_info info;
    for (size_t i = 0; cz_operator(i, &info); i++) {
        const char *kernel;
        if (!print_opsets(i))
            continue;
        putchar('\t');
        for (size_t k = 0; (kernel = cz_operator_kernel(info.op_type, k)); k++)
            printf("%s,", kernel);
        puts("reference");
    }
}

/* ---- the command line ------------------------------------------------- */

/* Splits NAME=FILE at its first '='; both stay in `argument`. */
static bool add_binding(struct bindings *bindings, const char *option,
                        char *argument)
{
    struct binding *binding = &bindings->items[bindings->count++];
    char *equals = strchr(argument, '=');
    binding->path = equals ? equals + 1 : argument;
    if (equals) {
        *equals = 0;
        binding->name = argument;
    }
    if (*binding->path && (!equals || *binding->name))
        return true;
    app_usage_error(COMMAND, "%s wants [NAME=]FILE", option);
    return false;
}

/* False after a usage error, or when the command is over. */
static bool parse_option(struct infer *infer, int option, int *exit_code)
{
    static const struct app_number threads = {COMMAND, "--threads", 1,
                                              CZ_THREADS_MAX};
    struct cz_engine_options *engine = &infer->options.engine;
    switch (option) {
    case 'i':
        return add_binding(&infer->inputs, "--input", optarg);
    case 'o':
        return add_binding(&infer->outputs, "--output", optarg);
    case 'e':
        return app_parse_engine(&engine->kind, COMMAND, optarg);
    case 'p':
        return app_parse_precision(&engine->plan.precision, COMMAND, optarg);
    case 't':
        return app_parse_number(&engine->plan.threads, &threads, optarg);
    case 'f':
        infer->force = true;
        return true;
    case 'j':
        infer->json = true;
        return true;
    case 'q':
        infer->quiet = true;
        return true;
    case 'O':
        list_operators();
        *exit_code = APP_DONE;
        return false;
    case 'h':
        fputs(help, stdout);
        *exit_code = APP_DONE;
        return false;
    default:
        return app_engine_option(&infer->options, option, optarg);
    }
}

static bool parse(struct infer *infer, int argc, char **argv, int *exit_code)
{
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "i:o:t:fjqh", long_options,
                                 NULL)) != -1) {
        if (!parse_option(infer, option, exit_code))
            return false;
    }
    if (optind + 1 != argc)
        return app_usage_error(COMMAND, "want one model"), false;
    infer->model = argv[optind];
    if (infer->options.engine.kind != CZ_ENGINE_COMPRESS &&
        infer->options.engine.plan.precision != CZ_PRECISION_FLOAT32)
        return app_usage_error(COMMAND, APP_PRECISION_ENGINE), false;
    if (!infer->options.engine.plan.threads)
        infer->options.engine.plan.threads = cz_cpu_count();
    return true;
}

/* ---- before the work -------------------------------------------------- */

/* Do both name one entry of one folder, whether or not it is there? */
static bool is_same_place(const char *a, const char *b)
{
    const char *const paths[] = {a, b}, *names[2];
    char folders[2][PATH_MAX];
    for (size_t i = 0; i < 2; i++) {
        const int length = (int)cz_path_folder_size(paths[i]);
        names[i] = paths[i] + length;
        snprintf(folders[i], sizeof folders[i], "%.*s.", length, paths[i]);
    }
    return strcmp(names[0], names[1]) == 0 &&
           cz_file_is_same(folders[0], folders[1]);
}

/* No output may replace what is read, nor another output. */
static enum cz_status check_output(const struct infer *infer, size_t i,
                                   struct cz_error *err)
{
    const char *path = infer->outputs.items[i].path;
    bool taken = cz_file_is_same(path, infer->model);
    for (size_t k = 0; k < infer->inputs.count; k++)
        taken |= cz_file_is_same(path, infer->inputs.items[k].path);
    for (size_t k = 0; k < i; k++)
        taken |= is_same_place(path, infer->outputs.items[k].path);
    if (taken)
        return cz_error_set(err, CZ_EINVAL,
                            "%s: the output is another file of this command; "
                            "give it another name",
                            path);
    return cz_output_check(path, infer->force, err);
}

/* ---- names ------------------------------------------------------------ */

/* The port that is called `name`, or the only one for NULL. */
static const struct cz_port *find_port(const struct cz_port *ports,
                                       size_t count, const char *name)
{
    if (!name)
        return count == 1 ? ports : NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ports[i].name, name) == 0)
            return &ports[i];
    }
    return NULL;
}

/* "a, b, c" */
static void list_names(char *text, size_t size, const struct cz_port *ports,
                       size_t count)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i ? ", " : "", ports[i].name);
}

/* Finds the port of each file; a port has one file at most. */
static enum cz_status bind(const struct bindings *bindings, const char *what,
                           const struct cz_port *ports, size_t count,
                           struct cz_error *err)
{
    char names[256];
    list_names(names, sizeof names, ports, count);
    for (size_t i = 0; i < bindings->count; i++) {
        struct binding *b = &bindings->items[i];
        b->port = find_port(ports, count, b->name);
        if (!b->port && b->name)
            return cz_error_set(err, CZ_EINVAL,
                                "there is no %s '%s'; there are: %s", what,
                                b->name, names);
        if (!b->port)
            return cz_error_set(err, CZ_EINVAL,
                                "%s: which %s is it for? Write NAME=FILE; "
                                "there are: %s",
                                b->path, what, names);
        for (size_t k = 0; k < i; k++) {
            if (bindings->items[k].port == b->port)
                return cz_error_set(
                    err, CZ_EINVAL, "two files for %s '%s': %s and %s", what,
                    b->port->name, bindings->items[k].path, b->path);
        }
    }
    return CZ_OK;
}

static const struct binding *find_binding(const struct bindings *bindings,
                                          const struct cz_port *port)
{
    for (size_t i = 0; i < bindings->count; i++) {
        if (bindings->items[i].port == port)
            return &bindings->items[i];
    }
    return NULL;
}

static enum cz_status bind_all(const struct infer *infer, struct cz_error *err)
{
    size_t n_in, n_out;
    const struct cz_port *in = cz_engine_inputs(infer->engine, &n_in);
    const struct cz_port *out = cz_engine_outputs(infer->engine, &n_out);
    char dims[APP_DIMS_BYTES];
    CZ_TRY(bind(&infer->inputs, "input", in, n_in, err));
    CZ_TRY(bind(&infer->outputs, "output", out, n_out, err));
    for (size_t i = 0; i < n_in; i++) {
        if (!find_binding(&infer->inputs, &in[i]))
            return cz_error_set(err, CZ_EINVAL,
                                "input '%s' (%s %s) has no file; give one "
                                "with --input",
                                in[i].name, cz_dtype_name(in[i].dtype),
                                app_dims(dims, &in[i].dims));
    }
    return CZ_OK;
}

/* ---- the work --------------------------------------------------------- */

/* How a model of this kind wants its pixels: as the decoder of its outputs
 * says, RGB / 255 where there is none. */
static void find_format(struct cz_input_format *format,
                        const struct infer *infer)
{
    const struct cz_detector_options options = CZ_DETECTOR_OPTIONS_INIT;
    struct cz_detector *detector;
    size_t count;
    const struct cz_port *out = cz_engine_outputs(infer->engine, &count);
    *format = (struct cz_input_format){.rgb = true, .unit = true};
    if (cz_detector_load(&detector, infer->model, &options, NULL) != CZ_OK)
        return;
    if (cz_detector_bind(detector, out, count, NULL) == CZ_OK)
        *format = *cz_detector_format(detector);
    cz_detector_free(detector);
}

static enum cz_status check_image_port(const struct cz_port *port,
                                       const char *path, struct cz_error *err)
{
    char dims[APP_DIMS_BYTES];
    const struct cz_dims *d = &port->dims;
    if (d->rank == 4 && d->size[0] == 1 && d->size[1] == 3 && d->size[2] > 0 &&
        d->size[3] > 0 &&
        (port->dtype == CZ_DTYPE_FLOAT || port->dtype == CZ_DTYPE_FLOAT16 ||
         port->dtype == CZ_DTYPE_UINT8))
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "%s: input '%s' (%s %s) takes no image: want "
                        "1x3xHxW, float32, float16 or uint8",
                        path, port->name, cz_dtype_name(port->dtype),
                        app_dims(dims, d));
}

static enum cz_status fill_from_image(const struct infer *infer,
                                      const struct binding *binding,
                                      const struct cz_opencv *opencv,
                                      struct cz_error *err)
{
    const struct cz_port *port = binding->port;
    struct cz_input_format format;
    struct cz_image image;
    struct cz_fit fit;
    find_format(&format, infer);
    format.height = (size_t)port->dims.size[2];
    format.width = (size_t)port->dims.size[3];
    format.dtype = port->dtype;
    CZ_TRY(cz_image_read(&image, opencv, binding->path, err));
    cz_letterbox_fit(&fit, &format, image.width, image.height);
    enum cz_status status =
        cz_letterbox_fill(port->data, &fit, &format, &image, err);
    cz_image_free(&image, opencv);
    return status;
}

static enum cz_status read_input(const struct infer *infer,
                                 const struct binding *binding,
                                 struct cz_error *err)
{
    struct cz_opencv *opencv;
    if (!cz_image_is_name(binding->path))
        return app_tensor_read(binding->port, binding->path, err);
    CZ_TRY(check_image_port(binding->port, binding->path, err));
    CZ_TRY(cz_opencv_open(&opencv, err));
    enum cz_status status = fill_from_image(infer, binding, opencv, err);
    cz_opencv_close(opencv);
    return status;
}

static enum cz_status run_frame(struct infer *infer, struct cz_error *err)
{
    CZ_TRY(cz_error_prefix(err, bind_all(infer, err), infer->model));
    for (size_t i = 0; i < infer->inputs.count; i++)
        CZ_TRY(read_input(infer, &infer->inputs.items[i], err));
    double start = cz_now_ms();
    CZ_TRY(
        cz_error_prefix(err, cz_engine_run(infer->engine, err), infer->model));
    infer->time_ms = cz_now_ms() - start;
    if (app_interrupted())
        return cz_error_set(err, CZ_EINTERRUPTED, "interrupted");
    return CZ_OK;
}

static enum cz_status work(struct infer *infer, struct cz_error *err)
{
    for (size_t i = 0; i < infer->outputs.count; i++)
        CZ_TRY(check_output(infer, i, err));
    double start = cz_now_ms();
    CZ_TRY(cz_engine_open(&infer->engine, infer->model, &infer->options.engine,
                          err));
    infer->load_ms = cz_now_ms() - start;
    CZ_TRY(run_frame(infer, err));
    for (size_t i = 0; i < infer->outputs.count; i++)
        CZ_TRY(app_tensor_write(infer->outputs.items[i].port,
                                infer->outputs.items[i].path, infer->force,
                                err));
    return CZ_OK;
}

/* ---- the report ------------------------------------------------------- */

static void print_output(const struct infer *infer, const struct cz_port *out)
{
    char dims[APP_DIMS_BYTES];
    const struct app_tensor_summary s = app_tensor_summary(out);
    const struct binding *binding = find_binding(&infer->outputs, out);
    app_print_clean(stdout, out->name);
    printf("  %s %s  ", cz_dtype_name(out->dtype), app_dims(dims, &out->dims));
    if (out->size_bytes)
        printf("min %g  max %g  mean %g", s.min, s.max, s.mean);
    else
        fputs("no elements", stdout);
    if (binding) {
        fputs("  -> ", stdout);
        app_print_clean(stdout, binding->path);
    }
    putchar('\n');
}

static void print_text(const struct infer *infer)
{
    const struct cz_engine_options *options = &infer->options.engine;
    char precision[APP_PRECISION_BYTES];
    size_t count;
    const struct cz_port *out = cz_engine_outputs(infer->engine, &count);
    app_print_clean(stdout, infer->model);
    printf(": %s, %zu thread%s, loaded in %.1f ms, run in %.1f ms\n",
           cz_engine_name(options->kind), options->plan.threads,
           options->plan.threads == 1 ? "" : "s", infer->load_ms,
           infer->time_ms);
    if (options->plan.precision != CZ_PRECISION_FLOAT32) {
        const struct cz_precision_report report =
            cz_plan_precision(cz_engine_plan(infer->engine));
        printf("  %s\n", app_precision_text(precision, &report));
    }
    for (size_t i = 0; i < count; i++)
        print_output(infer, &out[i]);
}

static json_t *port_json(const struct cz_port *port,
                         const struct bindings *bindings)
{
    const struct binding *binding = find_binding(bindings, port);
    const struct app_tensor_summary s = app_tensor_summary(port);
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(port->name));
    json_object_set_new(object, "dtype",
                        json_string(cz_dtype_name(port->dtype)));
    json_object_set_new(object, "dims", app_json_dims(&port->dims));
    json_object_set_new(object, "path",
                        app_json_maybe(binding ? binding->path : NULL));
    json_object_set_new(object, "min", app_json_real(s.min));
    json_object_set_new(object, "max", app_json_real(s.max));
    json_object_set_new(object, "mean", app_json_real(s.mean));
    return object;
}

static void print_json(const struct infer *infer)
{
    const struct cz_engine_options *options = &infer->options.engine;
    size_t n_in, n_out;
    const struct cz_port *in = cz_engine_inputs(infer->engine, &n_in);
    const struct cz_port *out = cz_engine_outputs(infer->engine, &n_out);
    json_t *inputs = json_array(), *outputs = json_array();
    for (size_t i = 0; i < n_in; i++)
        json_array_append_new(inputs, port_json(&in[i], &infer->inputs));
    for (size_t i = 0; i < n_out; i++)
        json_array_append_new(outputs, port_json(&out[i], &infer->outputs));

    json_t *root = json_object();
    json_object_set_new(root, "schema", json_string("compress.infer/1"));
    json_object_set_new(root, "model", app_json_text(infer->model));
    json_object_set_new(root, "engine",
                        json_string(cz_engine_name(options->kind)));
    json_object_set_new(root, "compute",
                        app_plan_json(cz_engine_plan(infer->engine)));
    json_object_set_new(root, "threads", app_json_count(options->plan.threads));
    json_object_set_new(root, "inputs", inputs);
    json_object_set_new(root, "outputs", outputs);
    json_object_set_new(root, "load_ms", app_json_ms(infer->load_ms));
    json_object_set_new(root, "time_ms", app_json_ms(infer->time_ms));
    app_print_json(root);
}

/* ---- from start to end ------------------------------------------------ */

static int run(struct infer *infer)
{
    struct cz_error err = CZ_ERROR_INIT;
    enum cz_status status = work(infer, &err);
    if (status == CZ_OK && infer->json)
        print_json(infer);
    else if (status == CZ_OK && !infer->quiet)
        print_text(infer);
    cz_engine_close(infer->engine);
    return status == CZ_OK ? APP_DONE : app_fail(&err);
}

int app_infer(int argc, char **argv)
{
    struct infer infer = {0};
    int exit_code = APP_FAILED;
    /* No option comes more often than there are arguments. */
    infer.inputs.items = cz_calloc((size_t)argc, sizeof *infer.inputs.items);
    infer.outputs.items = cz_calloc((size_t)argc, sizeof *infer.outputs.items);
    bool go_on = app_engine_options_init(&infer.options, COMMAND, argc);
    if (go_on && infer.inputs.items && infer.outputs.items) {
        exit_code = APP_USAGE;
        if (parse(&infer, argc, argv, &exit_code))
            exit_code = run(&infer);
    } else if (go_on) {
        fputs("compress: out of memory\n", stderr);
    }
    app_engine_options_fini(&infer.options);
    cz_free(infer.inputs.items);
    cz_free(infer.outputs.items);
    return exit_code;
}
