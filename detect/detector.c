/* A model as a detector: its metadata, its input, what its graph tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/detector_internal.h"

#define SIZE_DEFAULT 640
#define SIZE_MAX_PIXELS 16384
#define STRIDE_DEFAULT 32
#define COCO_CLASSES 80
#define DIMS_BYTES 64

/* ---- the graph -------------------------------------------------------- */

/* Operators that only move or regroup elements. */
static bool is_movement(const struct cz_node *node)
{
    static const char *const types[] = {
        "Transpose",      "Reshape", "Identity",  "Cast",
        "Concat",         "Squeeze", "Unsqueeze", "Flatten",
        "QuantizeLinear", "Slice",   "Split",     "DequantizeLinear"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (cz_node_is(node, types[i]))
            return true;
    }
    return false;
}

/* Whether a Sigmoid made what the node gives, or some of it; `activated` tells
 * it of the values before. */
static bool is_activated(const struct cz_node *node, const bool *activated)
{
    if (cz_node_is(node, "Sigmoid") || cz_node_is(node, "HardSigmoid"))
        return true;
    const size_t operands = cz_node_is(node, "Concat") ? node->n_inputs : 1;
    for (size_t i = 0; i < operands && is_movement(node); i++) {
        const struct cz_value *value = cz_node_input(node, i);
        if (value && activated[value->id])
            return true;
    }
    return false;
}

/* Which outputs of the graph went through a Sigmoid. */
static enum cz_status find_activated(struct cz_tail_facts *facts,
                                     const struct cz_graph *graph,
                                     struct cz_error *err)
{
    bool *activated = cz_calloc(graph->n_values, sizeof *activated);
    if (!activated)
        return cz_error_nomem(err);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        const bool is = is_activated(node, activated);
        for (size_t o = 0; o < node->n_outputs; o++) {
            if (node->outputs[o])
                activated[node->outputs[o]->id] = is;
        }
    }
    for (size_t i = 0; i < graph->n_outputs && i < CZ_OUTPUTS_MAX; i++)
        facts->activated[i] = activated[graph->outputs[i]->id];
    cz_free(activated);
    return CZ_OK;
}

static bool is_arithmetic(const struct cz_node *node)
{
    return cz_node_is(node, "Mul") || cz_node_is(node, "Add") ||
           cz_node_is(node, "Sub") || cz_node_is(node, "Pow");
}

static enum cz_status look_at_graph(struct cz_tail_facts *facts,
                                    const struct cz_graph *graph,
                                    struct cz_error *err)
{
    bool *tail = cz_calloc(graph->n_nodes, sizeof *tail);
    if (!tail)
        return cz_error_nomem(err);
    cz_graph_mark_tail(graph, tail);
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct cz_node *node = graph->nodes[i];
        if (!tail[i] || !node->n_outputs || !node->outputs[0])
            continue;
        facts->selects |=
            cz_node_is(node, "TopK") || cz_node_is(node, "NonMaxSuppression");
        facts->has_exp |= cz_node_is(node, "Exp");
        facts->decodes |=
            cz_dtype_is_float(node->outputs[0]->dtype) && is_arithmetic(node);
    }
    cz_free(tail);
    return find_activated(facts, graph, err);
}

/* ---- metadata --------------------------------------------------------- */

static enum cz_status check_task(const struct cz_model *model,
                                 struct cz_error *err)
{
    static const struct {
        const char *task, *what;
    } others[] = {
        {"segment", "a segmentation model: its masks are not decoded here"},
        {"pose", "a pose model: its key points are not decoded here"},
        {"obb", "a model of oriented boxes: their angle is not decoded here"},
        {"classify", "a classification model: it has no boxes"},
    };
    const char *task = cz_model_metadata(model, "task");
    for (size_t i = 0; task && i < sizeof others / sizeof *others; i++) {
        if (strcmp(task, others[i].task) == 0)
            return cz_error_set(err, CZ_EUNSUPPORTED, "is %s", others[i].what);
    }
    return CZ_OK;
}

/* "[640, 480]" or "640": height and width; untouched where it says else. */
static void read_imgsz(size_t *height, size_t *width, const char *text)
{
    unsigned long numbers[2];
    text += *text == '[';
    for (int i = 0; i < 2; i++) {
        char *end;
        numbers[i] = strtoul(text, &end, 10);
        if (end == text)
            numbers[i] = i ? numbers[0] : 0;
        text = end + strspn(end, ", ");
    }
    if (numbers[0] && numbers[1] && numbers[0] <= SIZE_MAX_PIXELS &&
        numbers[1] <= SIZE_MAX_PIXELS) {
        *height = numbers[0];
        *width = numbers[1];
    }
}

static enum cz_status read_metadata(struct cz_detector *detector,
                                    const struct cz_model *model,
                                    struct cz_error *err)
{
    const char *names = cz_model_metadata(model, "names");
    const char *stride = cz_model_metadata(model, "stride");
    CZ_TRY(check_task(model, err));
    unsigned long number = stride ? strtoul(stride, NULL, 10) : 0;
    detector->stride = number >= 1 && number <= 1024 ? number : STRIDE_DEFAULT;
    if (detector->options.names_file)
        return CZ_OK; /* they have been read */
    return names ? cz_labels_parse(&detector->names, names, err) : CZ_OK;
}

/* ---- the input -------------------------------------------------------- */

static struct cz_value *find_input(const struct cz_graph *graph, size_t *count)
{
    struct cz_value *found = NULL;
    *count = 0;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        if (graph->inputs[i]->constant)
            continue;
        found = found ? found : graph->inputs[i];
        ++*count;
    }
    return found;
}

static bool is_pixels(const struct cz_value *input)
{
    const struct cz_shape *s = &input->shape;
    return s->known && s->rank == 4 &&
           (s->dims[1] == 3 || (s->dims[1] < 0 && s->dims[3] != 3)) &&
           s->dims[0] != 0 && s->dims[0] <= 1 &&
           (input->dtype == CZ_DTYPE_FLOAT || input->dtype == CZ_DTYPE_UINT8 ||
            input->dtype == CZ_DTYPE_FLOAT16);
}

static enum cz_status check_input(const struct cz_value *input, size_t count,
                                  struct cz_error *err)
{
    if (count != 1)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "has %zu inputs; a detector has one", count);
    if (is_pixels(input))
        return CZ_OK;
    char dims[DIMS_BYTES] = "of any shape";
    if (input->shape.known)
        cz_dims_print(dims, sizeof dims, input->shape.dims, input->shape.rank);
    return cz_error_set(
        err, CZ_EUNSUPPORTED,
        "input '%s', %s %s, is no image: want [1,3,height,width], float32, "
        "float16 or uint8, one image at a time",
        input->name, cz_dtype_name(input->dtype), dims);
}

/* A side of the input: what the model fixes, or what is wanted. */
static enum cz_status take_side(size_t *side, int64_t fixed, size_t wanted,
                                size_t otherwise, struct cz_error *err)
{
    if (fixed == 0)
        return cz_error_set(err, CZ_ESHAPE, "the input has a side of 0");
    *side = fixed > 0 ? (size_t)fixed : wanted ? wanted : otherwise;
    if (wanted && *side != wanted)
        return cz_error_set(err, CZ_EINVAL,
                            "takes images of side %zu only, not %zu", *side,
                            wanted);
    if (*side > SIZE_MAX_PIXELS)
        return cz_error_set(err, CZ_ESHAPE,
                            "an input side of %zu pixels: the "
                            "largest is %d",
                            *side, SIZE_MAX_PIXELS);
    return CZ_OK;
}

static enum cz_status read_input(struct cz_detector *detector,
                                 const struct cz_model *model,
                                 const struct cz_graph *graph,
                                 struct cz_error *err)
{
    size_t count, height = SIZE_DEFAULT, width = SIZE_DEFAULT;
    const struct cz_value *input = find_input(graph, &count);
    const char *imgsz = cz_model_metadata(model, "imgsz");
    CZ_TRY(check_input(input, count, err));
    if (imgsz)
        read_imgsz(&height, &width, imgsz);
    const int64_t *dims = input->shape.dims;
    detector->is_dynamic = dims[2] < 0 && dims[3] < 0;
    for (size_t i = 0; i < input->shape.rank; i++)
        detector->is_open |= dims[i] < 0;
    detector->format.dtype = input->dtype;
    CZ_TRY(take_side(&detector->format.height, dims[2],
                     detector->options.height, height, err));
    return take_side(&detector->format.width, dims[3], detector->options.width,
                     width, err);
}

/* ---- loading ---------------------------------------------------------- */

static void set_pixels(struct cz_detector *detector, enum cz_pixels pixels)
{
    detector->format.rgb =
        pixels == CZ_PIXELS_RGB || pixels == CZ_PIXELS_RGB_UNIT;
    detector->format.unit =
        pixels == CZ_PIXELS_RGB_UNIT || pixels == CZ_PIXELS_BGR_UNIT;
    detector->format.corner = pixels == CZ_PIXELS_BGR;
}

static enum cz_status load(struct cz_detector *detector, struct cz_model *model,
                           struct cz_error *err)
{
    struct cz_graph *graph = cz_model_graph(model);
    CZ_TRY(cz_graph_infer(graph, err));
    CZ_TRY(read_metadata(detector, model, err));
    CZ_TRY(read_input(detector, model, graph, err));
    CZ_TRY(look_at_graph(&detector->facts, graph, err));
    enum cz_pixels pixels = detector->options.pixels;
    set_pixels(detector, pixels ? pixels : CZ_PIXELS_RGB_UNIT);
    return CZ_OK;
}

static enum cz_status load_file(struct cz_detector *detector, const char *path,
                                struct cz_error *err)
{
    struct cz_model *model;
    detector->path = cz_strdup(path);
    if (!detector->path)
        return cz_error_nomem(err);
    const char *names_file = detector->options.names_file;
    if (names_file)
        CZ_TRY(cz_labels_read(&detector->names, names_file, err));
    CZ_TRY(cz_model_load(&model, path, err));
    enum cz_status status =
        cz_error_prefix(err, load(detector, model, err), path);
    cz_model_free(model);
    return status;
}

enum cz_status cz_detector_load(struct cz_detector **detector, const char *path,
                                const struct cz_detector_options *options,
                                struct cz_error *err)
{
    *detector = NULL;
    struct cz_detector *loaded = cz_calloc(1, sizeof *loaded);
    if (!loaded)
        return cz_error_nomem(err);
    loaded->options = *options;
    enum cz_status status = load_file(loaded, path, err);
    if (status == CZ_OK)
        *detector = loaded;
    else
        cz_detector_free(loaded);
    return status;
}

void cz_detector_free(struct cz_detector *detector)
{
    if (!detector)
        return;
    cz_labels_fini(&detector->names);
    cz_free(detector->path);
    cz_free(detector);
}

enum cz_status cz_detector_bind(struct cz_detector *detector,
                                const struct cz_port *outputs, size_t count,
                                struct cz_error *err)
{
    CZ_TRY(cz_error_prefix(
        err, cz_decoder_choose(detector, outputs, count, err), detector->path));
    if (!detector->options.pixels && cz_detector_is_yolox(detector))
        set_pixels(detector, CZ_PIXELS_BGR);
    if (!detector->names.source && detector->classes == COCO_CLASSES)
        detector->names.source = "COCO";
    return CZ_OK;
}

/* ---- questions -------------------------------------------------------- */

bool cz_detector_is_dynamic(const struct cz_detector *detector)
{
    return detector->is_dynamic;
}

bool cz_detector_is_open(const struct cz_detector *detector)
{
    return detector->is_open;
}

void cz_detector_set_size(struct cz_detector *detector, size_t width,
                          size_t height)
{
    detector->format.width = width;
    detector->format.height = height;
}

struct cz_dims cz_detector_shape(const struct cz_input_format *format)
{
    return (struct cz_dims){
        4, {1, 3, (int64_t)format->height, (int64_t)format->width}};
}

const struct cz_input_format *
cz_detector_format(const struct cz_detector *detector)
{
    return &detector->format;
}

bool cz_detector_is_bound(const struct cz_detector *detector)
{
    return detector->n_outputs > 0;
}

enum cz_decoder cz_detector_decoder(const struct cz_detector *detector)
{
    return detector->decoder;
}

bool cz_detector_is_yolox(const struct cz_detector *detector)
{
    return detector->decoder == CZ_DECODER_YOLOX ||
           detector->decoder == CZ_DECODER_YOLOX_MAPS ||
           (detector->decoder == CZ_DECODER_V5 && detector->facts.has_exp);
}

size_t cz_detector_classes(const struct cz_detector *detector)
{
    return detector->classes;
}

size_t cz_detector_stride(const struct cz_detector *detector)
{
    return detector->stride;
}

const char *cz_detector_label(const struct cz_detector *detector,
                              uint32_t label)
{
    if (label < detector->names.count)
        return detector->names.items[label];
    return detector->classes == COCO_CLASSES && !detector->names.count
               ? cz_labels_coco(label)
               : NULL;
}

const char *cz_detector_names_source(const struct cz_detector *detector)
{
    return detector->names.source ? detector->names.source : "none";
}

const char *cz_pixels_name(enum cz_pixels pixels)
{
    static const char *const names[CZ_PIXELS_COUNT] = {
        [CZ_PIXELS_AUTO] = "auto", [CZ_PIXELS_RGB_UNIT] = "rgb/255",
        [CZ_PIXELS_RGB] = "rgb",   [CZ_PIXELS_BGR_UNIT] = "bgr/255",
        [CZ_PIXELS_BGR] = "bgr",
    };
    return names[pixels];
}
