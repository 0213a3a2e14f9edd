/* Any shapes, metadata and numbers as a model's outputs: the choice of the
 * decoder, decoding, NMS, and back to the image, twice with the same memory.
 *
 * The first line is a Python dictionary of class names, may be empty. Then come
 * the size of the input, what the graph tells, options, thresholds, outputs,
 * and the numbers in them, a byte each, as often as it takes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "detect/detector_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* More take too long to tell a loop without end from hard work. */
#define ELEMENTS_MAX (1u << 15)
#define NAMES_BYTES 1024
#define ANCHORS_MAX 12
#define OPTIONS_BYTES 8 /* that decode() takes */

struct input {
    const uint8_t *bytes;
    size_t size, at;
};

/* 0 behind the end. */
static uint8_t take(struct input *in)
{
    return in->at < in->size ? in->bytes[in->at++] : 0;
}

static bool take_flag(struct input *in)
{
    return take(in) & 1;
}

/* ---- the detector ----------------------------------------------------- */

static void take_names(struct cz_detector *detector, struct input *in)
{
    char text[NAMES_BYTES];
    size_t used = 0;
    struct cz_error err;
    for (uint8_t c = take(in); c && c != '\n'; c = take(in)) {
        if (used < sizeof text - 1)
            text[used++] = (char)c;
    }
    text[used] = 0;
    if (used && cz_labels_parse(&detector->names, text, &err) != CZ_OK)
        cz_labels_fini(&detector->names);
}

static void take_detector(struct cz_detector *detector, float *anchors,
                          struct input *in)
{
    take_names(detector, in);
    detector->format.width = 8 * ((size_t)take(in) + 1);
    detector->format.height =
        take_flag(in) ? 8 * ((size_t)take(in) + 1) : detector->format.width;
    const uint8_t flags = take(in);
    detector->facts.decodes = flags & 1;
    detector->facts.selects = flags & 2;
    detector->facts.has_exp = flags & 4;
    for (size_t i = 0; i < CZ_OUTPUTS_MAX; i++)
        detector->facts.activated[i] = (flags >> (3 + i % 5)) & 1;
    detector->options.decoder = (enum cz_decoder)(take(in) % CZ_DECODER_COUNT);
    detector->options.n_anchors = take(in) % (ANCHORS_MAX / 2 + 1) * 2;
    for (size_t i = 0; i < detector->options.n_anchors; i++)
        anchors[i] = (float)take(in) + 1;
    if (detector->options.n_anchors)
        detector->options.anchors = anchors;
}

/* ---- the outputs ------------------------------------------------------ */

/* Cells of the strides 8 to `last`. */
static size_t cells(const struct cz_detector *detector, size_t last)
{
    size_t sum = 0;
    for (size_t s = 8; s <= last; s *= 2)
        sum += (detector->format.width / s) * (detector->format.height / s);
    return sum;
}

/* A number that means something, or any. */
static size_t take_dim(struct input *in, const struct cz_detector *detector)
{
    static const size_t usual[] = {1,  3,  4,   5,   6,   7,   8,  16,
                                   32, 64, 84,  85,  144, 255, 20, 21,
                                   24, 80, 100, 300, 301, 2,   12, 116};
    const size_t names = detector->names.count, n = take(in);
    const size_t of_model[] = {cells(detector, 32),
                               3 * cells(detector, 32),
                               cells(detector, 64),
                               3 * cells(detector, 64),
                               names + 4,
                               names + 5,
                               3 * (names + 5),
                               names + 64,
                               detector->format.height / 8,
                               detector->format.height / 16,
                               detector->format.height / 32,
                               detector->format.width / 8,
                               detector->format.width / 16,
                               detector->format.width / 32};
    const size_t n_usual = sizeof usual / sizeof *usual;
    const size_t n_of_model = sizeof of_model / sizeof *of_model;
    if (n < n_usual)
        return usual[n];
    if (n - n_usual < n_of_model)
        return of_model[n - n_usual];
    return n < 128 ? take(in) : 256 * ((size_t)take(in) & 15) + take(in);
}

/* False where there would be too many elements. */
static bool take_port(struct cz_port *port, size_t *total, struct input *in,
                      const struct cz_detector *detector)
{
    static const enum cz_dtype types[] = {CZ_DTYPE_FLOAT, CZ_DTYPE_FLOAT,
                                          CZ_DTYPE_FLOAT16, CZ_DTYPE_INT32};
    size_t elements = 1;
    *port = (struct cz_port){.name = "y", .dtype = types[take(in) % 4]};
    port->dims.rank = take(in) % (CZ_RANK_MAX + 1);
    for (size_t i = 0; i < port->dims.rank; i++) {
        const size_t dim = take_dim(in, detector);
        port->dims.size[i] = (int64_t)dim;
        elements *= dim;
        if (elements > ELEMENTS_MAX)
            return false;
    }
    *total += elements;
    port->size_bytes = elements * cz_dtype_bits(port->dtype) / 8;
    return *total <= ELEMENTS_MAX;
}

static float take_number(struct input *in)
{
    static const float rare[] = {
        NAN,    INFINITY, -INFINITY, 0,  -0.0F,   1,       3.4e38F, -3.4e38F,
        1e-45F, 1e-38F,   65504,     -1, 0.0011F, 0.2501F, 1000,    1e9F};
    if (in->at >= in->size)
        in->at = in->size / 2;
    const uint8_t n = take(in);
    return n < 16 ? rare[n] : n < 128 ? (float)n / 128 : (float)n / 4 - 40;
}

/* A block of its own for each, so that a sanitizer sees its ends. */
static void fill(struct cz_port *port, struct input *in)
{
    port->data = malloc(port->size_bytes);
    for (size_t at = 0; port->data && at < port->size_bytes;) {
        const float number = take_number(in);
        if (port->dtype == CZ_DTYPE_FLOAT16) {
            const uint16_t half = (uint16_t)(take(in) << 8 | take(in));
            memcpy((char *)port->data + at, &half, sizeof half);
            at += sizeof half;
        } else {
            memcpy((char *)port->data + at, &number, sizeof number);
            at += sizeof number;
        }
    }
    if (!port->data)
        abort();
}

/* ---- what has to hold ------------------------------------------------- */

/* Models that do NMS themselves need not tell how many classes they have. */
static bool is_class(const struct cz_detector *detector, uint32_t label)
{
    return !detector->classes || label < detector->classes;
}

static void check(const struct cz_boxes *boxes, const struct cz_fit *fit,
                  const struct cz_detector *detector,
                  const struct cz_thresholds *t)
{
    if (boxes->count > t->max_boxes)
        abort();
    for (size_t i = 0; i < boxes->count; i++) {
        const struct cz_box *b = &boxes->items[i];
        const float width = (float)fit->image_width;
        const float height = (float)fit->image_height;
        if (!(b->score > t->confidence) || !isfinite(b->score) ||
            !is_class(detector, b->label) ||
            (i && b->score > boxes->items[i - 1].score))
            abort();
        if (!(b->x1 >= 0 && b->x1 <= width && b->x2 >= 0 && b->x2 <= width &&
              b->y1 >= 0 && b->y1 <= height && b->y2 >= 0 && b->y2 <= height))
            abort();
    }
}

static void decode(const struct cz_detector *detector,
                   const struct cz_port *ports, size_t count, struct input *in)
{
    static const float confidences[] = {0, 0.001F, 0.25F, 1};
    const struct cz_thresholds t = {.confidence = confidences[take(in) % 4],
                                    .iou = (float)take(in) / 255,
                                    .max_boxes = (size_t)take(in) + 1,
                                    .max_candidates = 16 * (size_t)take(in) + 1,
                                    .multi_label = take_flag(in),
                                    .agnostic = take_flag(in)};
    struct cz_boxes boxes = {0};
    struct cz_fit fit;
    struct cz_error err;
    cz_letterbox_fit(&fit, &detector->format, (size_t)take(in) + 1,
                     (size_t)take(in) + 1);
    size_t first = 0;
    for (int turn = 0; turn < 2; turn++) {
        if (cz_detector_decode(detector, ports, count, &t, &boxes, &err) ==
                CZ_OK &&
            cz_boxes_suppress(&boxes, &t, &err) == CZ_OK) {
            cz_letterbox_undo(&fit, &boxes);
            check(&boxes, &fit, detector, &t);
        }
        if (turn && boxes.count != first)
            abort();
        first = boxes.count;
    }
    cz_boxes_fini(&boxes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = {bytes, size, 0};
    struct cz_detector detector = {.path = (char *)"fuzz"};
    struct cz_port ports[CZ_OUTPUTS_MAX];
    float anchors[ANCHORS_MAX];
    struct cz_error err;
    size_t total = 0;
    take_detector(&detector, anchors, &in);
    const size_t count = take(&in) % (CZ_OUTPUTS_MAX + 1);
    bool is_small = true;
    for (size_t i = 0; i < count && is_small; i++)
        is_small = take_port(&ports[i], &total, &in, &detector);
    if (is_small && cz_detector_bind(&detector, ports, count, &err) == CZ_OK) {
        struct input options = in;
        in.at += OPTIONS_BYTES;
        for (size_t i = 0; i < count; i++)
            fill(&ports[i], &in);
        decode(&detector, ports, count, &options);
        for (size_t i = 0; i < count; i++)
            free(ports[i].data);
    }
    cz_labels_fini(&detector.names);
    return 0;
}
