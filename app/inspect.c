/* `compress inspect`: what a model is made of. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "app/app.h"
#include "app/json_memory.h"
#include "app/text.h"
#include "app/weights.h"
#include "onnx/onnx.h"
#include "prune/prune.h"

static const char help[] =
    "Usage: compress inspect MODEL.onnx [--json]\n"
    "\n"
    "Shows the inputs, outputs, head and layers of a detector.\n"
    "\n"
    "  -j, --json   print one JSON object on stdout, nothing else\n"
    "  -q, --quiet  print nothing: only check the model\n"
    "  -h, --help   this text\n";

struct inspection {
    const char *path;
    struct cz_model *model;
    struct cz_stats stats;
    struct cz_prune_report convs;
    enum cz_head head;
    int64_t classes;
    bool used_checker;
};

/* Stable names for scripts; head_text() has the words for people. */
static const char *head_id(enum cz_head head)
{
    static const char *const ids[] = {
        [CZ_HEAD_UNKNOWN] = "unknown",
        [CZ_HEAD_ANCHOR_FREE] = "anchor-free",
        [CZ_HEAD_ANCHORS] = "anchors",
        [CZ_HEAD_GRID] = "grid",
        [CZ_HEAD_END_TO_END] = "end-to-end",
        [CZ_HEAD_FEATURE_MAPS] = "feature-maps",
    };
    return ids[head];
}

static const char *head_text(enum cz_head head)
{
    switch (head) {
    case CZ_HEAD_ANCHOR_FREE:
        return "anchor-free, boxes decoded in the graph (YOLOv8, YOLO11)";
    case CZ_HEAD_ANCHORS:
        return "anchors and objectness, decoded in the graph (YOLOv5, YOLOv7)";
    case CZ_HEAD_GRID:
        return "grid offsets, decoded outside (YOLOX)";
    case CZ_HEAD_END_TO_END:
        return "end to end, one row a box";
    case CZ_HEAD_FEATURE_MAPS:
        return "raw feature maps, decoded outside";
    case CZ_HEAD_UNKNOWN:
        break;
    }
    return "not recognised";
}

/* "1x3x640x640", with ? for what is not known. Gives `text` ([size]) back. */
static const char *shape_text(char *text, size_t size,
                              const struct cz_shape *shape)
{
    size_t used = 0;
    text[0] = 0;
    if (!shape->known)
        snprintf(text, size, "?");
    else if (!shape->rank)
        snprintf(text, size, "scalar");
    for (size_t i = 0; shape->known && i < shape->rank && used < size; i++) {
        char dim[32] = "?";
        if (shape->dims[i] >= 0)
            snprintf(dim, sizeof dim, "%" PRId64, shape->dims[i]);
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? "x" : "",
                                 dim);
    }
    return text;
}

/* ---- text ------------------------------------------------------------- */

static void print_value(const char *what, const struct cz_value *value)
{
    char shape[128];
    printf("%-10s ", what);
    app_print_clean(stdout, value->name);
    printf("  %s %s\n", cz_dtype_name(value->dtype),
           shape_text(shape, sizeof shape, &value->shape));
}

static void print_metadata(const struct cz_model *model)
{
    static const char *const keys[] = {"task", "stride", "imgsz", "names"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = cz_model_metadata(model, keys[i]);
        if (!value)
            continue;
        printf("%-10s ", keys[i]);
        app_print_clean(stdout, value);
        putchar('\n');
    }
}

static void print_head(const struct inspection *in)
{
    const struct cz_graph *graph = cz_model_graph(in->model);
    app_print_clean(stdout, in->path);
    printf(": opset %" PRId64 ", IR %" PRId64 ", by ",
           cz_model_opset(in->model, ""), cz_model_ir_version(in->model));
    const char *producer = cz_model_producer(in->model);
    app_print_clean(stdout, *producer ? producer : "unknown");
    putchar('\n');
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (!graph->inputs[i]->constant)
            print_value("input", graph->inputs[i]);
    }
    for (size_t i = 0; i < graph->n_outputs; i++)
        print_value("output", graph->outputs[i]);
    printf("%-10s %s", "head", head_text(in->head));
    if (in->classes)
        printf(", %" PRId64 " classes", in->classes);
    putchar('\n');
    print_metadata(in->model);
}

static void print_layer(const struct cz_prune_layer *layer)
{
    const struct cz_node *node = layer->node;
    const struct cz_value *weight = cz_node_input(node, 1);
    char shape[128], out[128], count[APP_NUMBER_BYTES] = "?";
    uint64_t macs;
    if (cz_node_macs(node, &macs))
        app_si(count, macs);
    printf("%-16s %-8s %-16s %9zu %6.2f%% %8s  ",
           weight ? shape_text(shape, sizeof shape, &weight->shape) : "?",
           weight ? cz_dtype_name(weight->dtype) : "?",
           node->n_outputs && node->outputs[0]
               ? shape_text(out, sizeof out, &node->outputs[0]->shape)
               : "?",
           layer->weights,
           layer->weights ? 100 * (double)layer->zeros / (double)layer->weights
                          : 0,
           count);
    app_print_clean(stdout, layer->name);
    if (layer->skipped)
        printf("  (%s)", layer->skipped);
    putchar('\n');
}

static void print_text(const struct inspection *in)
{
    char parameters[APP_NUMBER_BYTES], macs[APP_NUMBER_BYTES];
    print_head(in);
    printf("\n%-16s %-8s %-16s %9s %7s %8s  %s\n", "weight", "type", "output",
           "weights", "zeros", "MACs", "Conv");
    for (size_t i = 0; i < in->convs.n_layers; i++)
        print_layer(&in->convs.layers[i]);
    printf("\n%zu nodes, %zu Convs, %s parameters, %s MACs", in->stats.nodes,
           in->convs.n_layers, app_count(parameters, in->stats.parameters),
           app_si(macs, in->stats.macs));
    if (in->stats.macs_unknown)
        printf(" (without %zu operators of unknown shape)",
               in->stats.macs_unknown);
    putchar('\n');
    if (!in->used_checker)
        puts("note: too new for libonnx's checker (opset 17, IR 8): own checks "
             "only");
}

/* ---- JSON ------------------------------------------------------------- */

static json_t *shape_json(const struct cz_shape *shape)
{
    if (!shape->known)
        return json_null();
    json_t *dims = json_array();
    for (size_t i = 0; i < shape->rank; i++)
        json_array_append_new(dims, shape->dims[i] < 0
                                        ? json_null()
                                        : json_integer(shape->dims[i]));
    return dims;
}

static json_t *value_json(const struct cz_value *value)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(value->name));
    json_object_set_new(object, "type",
                        json_string(cz_dtype_name(value->dtype)));
    json_object_set_new(object, "shape", shape_json(&value->shape));
    return object;
}

static json_t *values_json(struct cz_value *const *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!values[i]->is_input || !values[i]->constant)
            json_array_append_new(list, value_json(values[i]));
    }
    return list;
}

static json_t *layer_json(const struct cz_prune_layer *layer)
{
    const struct cz_node *node = layer->node;
    const struct cz_shape unknown = {.known = false};
    const struct cz_value *weight = cz_node_input(node, 1);
    const struct cz_value *output = node->n_outputs ? node->outputs[0] : NULL;
    uint64_t macs;
    bool known = cz_node_macs(node, &macs);
    json_t *object = json_object();
    json_object_set_new(object, "name", app_json_text(layer->name));
    json_object_set_new(object, "weight", app_json_text(layer->weight));
    json_object_set_new(object, "type",
                        json_string(cz_dtype_name(
                            weight ? weight->dtype : CZ_DTYPE_UNDEFINED)));
    json_object_set_new(object, "shape",
                        shape_json(weight ? &weight->shape : &unknown));
    json_object_set_new(object, "output",
                        shape_json(output ? &output->shape : &unknown));
    json_object_set_new(object, "weights", app_json_count(layer->weights));
    json_object_set_new(object, "zeros", app_json_count(layer->zeros));
    json_object_set_new(object, "macs",
                        known ? app_json_count(macs) : json_null());
    json_object_set_new(object, "skipped", app_json_maybe(layer->skipped));
    return object;
}

static void print_json(const struct inspection *in)
{
    const struct cz_graph *graph = cz_model_graph(in->model);
    json_t *layers = json_array();
    for (size_t i = 0; i < in->convs.n_layers; i++)
        json_array_append_new(layers, layer_json(&in->convs.layers[i]));
    json_t *macs = json_object();
    json_object_set_new(macs, "dense", app_json_count(in->stats.macs));
    json_object_set_new(macs, "unknown_nodes",
                        app_json_count(in->stats.macs_unknown));

    json_t *root = json_object();
    json_object_set_new(root, "schema", json_string("compress.inspect/1"));
    json_object_set_new(root, "path", app_json_text(in->path));
    json_object_set_new(root, "opset",
                        json_integer(cz_model_opset(in->model, "")));
    json_object_set_new(root, "ir_version",
                        json_integer(cz_model_ir_version(in->model)));
    json_object_set_new(root, "producer",
                        app_json_text(cz_model_producer(in->model)));
    json_object_set_new(root, "inputs",
                        values_json(graph->inputs, graph->n_inputs));
    json_object_set_new(root, "outputs",
                        values_json(graph->outputs, graph->n_outputs));
    json_object_set_new(root, "head", json_string(head_id(in->head)));
    json_object_set_new(root, "classes", json_integer(in->classes));
    json_object_set_new(root, "nodes", app_json_count(in->stats.nodes));
    json_object_set_new(root, "parameters",
                        app_json_count(in->stats.parameters));
    json_object_set_new(root, "macs", macs);
    json_object_set_new(root, "weights", app_weights_json(graph));
    json_object_set_new(root, "layers", layers);
    app_print_json(root);
}

/* ---- the command ------------------------------------------------------ */

static enum cz_status inspect(struct inspection *in, struct cz_error *err)
{
    CZ_TRY(cz_model_load(&in->model, in->path, err));
    CZ_TRY(cz_model_check(in->model, &in->used_checker, err));
    CZ_TRY(cz_graph_infer(cz_model_graph(in->model), err));
    cz_model_count(&in->stats, in->model);
    in->head = cz_graph_head(cz_model_graph(in->model), &in->classes);
    return cz_prune_inspect(in->model, 0, &in->convs, err);
}

int app_inspect(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool json = false, quiet = false;
    int option;
    while ((option = getopt_long(argc, argv, "jqh", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return APP_DONE;
        default:
            fputs("Try 'compress inspect --help'.\n", stderr);
            return APP_USAGE;
        }
    }
    if (optind + 1 != argc)
        return app_usage_error("compress inspect", "want one model");

    struct inspection in = {.path = argv[optind]};
    struct cz_error err = CZ_ERROR_INIT;
    enum cz_status status = inspect(&in, &err);
    if (status == CZ_OK && json)
        print_json(&in);
    else if (status == CZ_OK && !quiet)
        print_text(&in);
    cz_prune_report_fini(&in.convs);
    cz_model_free(in.model);
    return status == CZ_OK ? APP_DONE : app_fail(&err);
}
