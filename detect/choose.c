/* Which decoder a model's outputs want: by their shapes, the number of cells
 * of the strides 8, 16, 32, the number of class names, and the graph. */
#include <stdio.h>
#include <string.h>

#include "detect/detector_internal.h"

#define DIMS_BYTES 64
#define SHAPES_BYTES 160
#define ANCHORS 3
/* As many rows as NMS gives at the most, where nothing else tells. */
#define DETECTIONS_MAX 300
#define END_TO_END_FIELDS 6

/* ---- names ------------------------------------------------------------ */

static const struct {
    const char *name, *text;
} decoders[CZ_DECODER_COUNT] = {
    [CZ_DECODER_AUTO] = {"auto", "chosen from the model"},
    [CZ_DECODER_V8] = {"v8", "boxes in pixels, then class scores (YOLOv8, "
                             "YOLOv9, YOLO11, YOLO12)"},
    [CZ_DECODER_V5] = {"v5", "boxes in pixels, objectness, class scores "
                             "(YOLOv5, YOLOv6, YOLOv7)"},
    [CZ_DECODER_YOLOX] = {"yolox", "offsets in grid cells, objectness, class "
                                   "scores (YOLOX)"},
    [CZ_DECODER_END_TO_END] = {"end2end", "one row a box: corners, score, "
                                          "class (YOLOv10, NMS in the graph)"},
    [CZ_DECODER_V5_MAPS] = {"v5-maps", "raw maps with anchors (YOLOv5, "
                                       "YOLOv7)"},
    [CZ_DECODER_V8_MAPS] = {"v8-maps", "raw maps of box distances and class "
                                       "scores (YOLOv8, YOLO11)"},
    [CZ_DECODER_YOLOX_MAPS] = {"yolox-maps", "raw maps of offsets, "
                                             "objectness, class scores "
                                             "(YOLOX)"},
};

const char *cz_decoder_name(enum cz_decoder decoder)
{
    return decoders[decoder].name;
}

const char *cz_decoder_text(enum cz_decoder decoder)
{
    return decoders[decoder].text;
}

/* ---- what there is ---------------------------------------------------- */

void cz_dims_print(char *text, size_t size, const int64_t *dims, size_t rank)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < rank && used < size; i++) {
        const char *comma = i ? "," : "";
        used += (size_t)(dims[i] < 0
                             ? snprintf(text + used, size - used, "%s?", comma)
                             : snprintf(text + used, size - used, "%s%lld",
                                        comma, (long long)dims[i]));
    }
    if (used < size)
        snprintf(text + used, size - used, "]");
}

/* "[1,10], [1,20,3]" */
static void outputs_text(char *text, size_t size, const struct cz_port *outputs,
                         size_t count)
{
    size_t used = 0;
    *text = 0;
    for (size_t i = 0; i < count && used < size; i++) {
        char dims[DIMS_BYTES];
        cz_dims_print(dims, sizeof dims, outputs[i].dims.size,
                      outputs[i].dims.rank);
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 i ? ", " : "", dims);
    }
}

static enum cz_status refuse(const struct cz_detector *detector,
                             const struct cz_port *outputs, size_t count,
                             const char *why, struct cz_error *err)
{
    char shapes[SHAPES_BYTES];
    enum cz_decoder wanted = detector->options.decoder;
    outputs_text(shapes, sizeof shapes, outputs, count);
    if (wanted)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "the decoder %s (%s) does not fit outputs %s%s%s",
                            cz_decoder_name(wanted), cz_decoder_text(wanted),
                            shapes, why ? ": " : "", why ? why : "");
    return cz_error_set(
        err, CZ_EUNSUPPORTED,
        "no decoder fits outputs %s%s%s; there are v8 [1,4+C,N], v5 and yolox "
        "[1,N,5+C], end2end [1,K,6], v5-maps [1,3*(5+C),H,W], v8-maps "
        "[1,64+C,H,W], yolox-maps [1,5+C,H,W]",
        shapes, why ? ": " : "", why ? why : "");
}

/* Cells of the grids of the strides 8, 16, ..., `last`. */
static size_t count_cells(const struct cz_input_format *format, size_t last)
{
    size_t cells = 0;
    for (size_t s = 8; s <= last; s *= 2)
        cells += (format->width / s) * (format->height / s);
    return cells;
}

/* How many anchors a cell has where there are `anchors` of them in all, for
 * strides up to `*last`; 0 where it does not come out. */
static size_t anchors_per_cell(const struct cz_detector *detector,
                               size_t anchors, size_t *last)
{
    for (*last = 32; *last <= 64; *last *= 2) {
        size_t cells = count_cells(&detector->format, *last);
        if (anchors == cells)
            return 1;
        if (anchors == ANCHORS * cells)
            return ANCHORS;
    }
    return 0;
}

/* ---- one output of rank 3 --------------------------------------------- */

struct matrix {
    size_t rows, columns; /* [1,rows,columns] */
    size_t port;
};

/* Fills one level for a matrix of anchors; `before` fields stand before the
 * class scores. */
static void set_level(struct cz_detector *detector, const struct matrix *m,
                      size_t before, bool anchors_are_rows)
{
    struct cz_fields fields = {.port = m->port,
                               .field = anchors_are_rows ? 1 : m->columns,
                               .anchor = anchors_are_rows ? m->columns : 1};
    struct cz_level *level = &detector->levels[0];
    *level = (struct cz_level){
        .box = fields, .objectness = fields, .scores = fields};
    level->objectness.start = 4 * fields.field;
    level->scores.start = before * fields.field;
    level->has_objectness = before == 5;
    level->anchors = anchors_are_rows ? m->rows : m->columns;
    detector->classes = (anchors_are_rows ? m->columns : m->rows) - before;
    detector->n_levels = 1;
}

/* Splits the one level into the grids of its strides. */
static bool set_grids(struct cz_detector *detector)
{
    const struct cz_level whole = detector->levels[0];
    size_t last, first = 0;
    if (anchors_per_cell(detector, whole.anchors, &last) != 1)
        return false;
    detector->n_levels = 0;
    for (size_t s = 8; s <= last; s *= 2) {
        struct cz_level *level = &detector->levels[detector->n_levels++];
        *level = whole;
        level->columns = detector->format.width / s;
        level->anchors = level->columns * (detector->format.height / s);
        level->stride = (float)s;
        level->first = first;
        level->box.start += first * whole.box.anchor;
        level->objectness.start += first * whole.box.anchor;
        level->scores.start += first * whole.box.anchor;
        first += level->anchors;
    }
    return true;
}

static bool is_end_to_end(const struct cz_detector *detector,
                          const struct matrix *m)
{
    size_t last;
    bool few = m->rows <= DETECTIONS_MAX &&
               !anchors_per_cell(detector, m->rows, &last);
    return m->columns == END_TO_END_FIELDS && (detector->facts.selects || few);
}

/* True where the fields of an anchor stand in a row: [1,N,4+C]. Told by the
 * number of anchors, else of names, else there are more anchors than fields. */
static bool anchors_are_rows(const struct cz_detector *detector,
                             const struct matrix *m)
{
    size_t last_row, last_column, names = detector->names.count;
    bool rows = anchors_per_cell(detector, m->rows, &last_row) != 0;
    bool columns = anchors_per_cell(detector, m->columns, &last_column) != 0;
    if (rows != columns)
        return rows;
    if (rows && last_row != last_column)
        return last_row < last_column; /* three strides are the usual */
    if (names && (m->rows == names + 4) !=
                     (m->columns == names + 4 || m->columns == names + 5))
        return m->rows != names + 4;
    return m->rows > m->columns;
}

/* For anchors in rows: 4 fields before the scores, or 5 with objectness. What
 * the graph does not decode is never read as pixels. */
static enum cz_decoder row_decoder(const struct cz_detector *detector,
                                   const struct matrix *m)
{
    size_t names = detector->names.count;
    if (names && m->columns == names + 4)
        return CZ_DECODER_V8;
    return detector->facts.decodes ? CZ_DECODER_V5 : CZ_DECODER_YOLOX;
}

static enum cz_decoder auto_decoder(const struct cz_detector *detector,
                                    const struct matrix *m)
{
    if (is_end_to_end(detector, m))
        return CZ_DECODER_END_TO_END;
    return anchors_are_rows(detector, m) ? row_decoder(detector, m)
                                         : CZ_DECODER_V8;
}

/* Why a number of fields is none of a detector with so many names. */
static const char *explain_fields(size_t fields, size_t names, size_t before)
{
    size_t more = fields - before - names;
    if (fields < before + names)
        return "fewer fields than the class names ask for; --names FILE gives "
               "others";
    if (more == 32)
        return "32 fields more than the class names ask for, as segmentation "
               "models have";
    if (more == 1)
        return "one field more than the class names ask for, as models of "
               "oriented boxes have";
    if (more % 3 == 0 || more % 2 == 0)
        return "more fields than the class names ask for, as pose models have";
    return "more fields than the class names ask for";
}

static bool choose_end_to_end(struct cz_detector *detector,
                              const struct matrix *m)
{
    if (m->columns != END_TO_END_FIELDS)
        return false;
    detector->classes = detector->names.count;
    detector->levels[0] = (struct cz_level){.box = {.port = m->port}};
    return true;
}

static bool choose_matrix(struct cz_detector *detector, const struct matrix *m,
                          const char **why)
{
    bool rows = anchors_are_rows(detector, m);
    size_t fields = rows ? m->columns : m->rows;
    size_t before = detector->decoder == CZ_DECODER_V8 ? 4 : 5;
    if (detector->decoder == CZ_DECODER_END_TO_END)
        return choose_end_to_end(detector, m);
    if (detector->decoder > CZ_DECODER_END_TO_END || fields <= before)
        return false;
    set_level(detector, m, before, rows);
    if (detector->names.count && detector->classes != detector->names.count) {
        *why = explain_fields(fields, detector->names.count, before);
        return false;
    }
    *why = "the number of anchors is not that of the strides 8, 16, 32";
    return detector->decoder != CZ_DECODER_YOLOX || set_grids(detector);
}

/* ---- all outputs ------------------------------------------------------ */

/* The first that is [1,rows,columns], or [rows,6]. */
static bool find_matrix(struct matrix *m, const struct cz_port *outputs,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cz_dims *d = &outputs[i].dims;
        bool flat = d->rank == 2 && d->size[1] == END_TO_END_FIELDS;
        if (!flat && (d->rank != 3 || d->size[0] != 1))
            continue;
        *m = (struct matrix){(size_t)d->size[d->rank - 2],
                             (size_t)d->size[d->rank - 1], i};
        return true;
    }
    return false;
}

/* Whether another output is a matrix, too, of another shape. Two heads of one
 * shape are what some models are trained with; the first is the better one. */
static bool has_other_matrix(const struct cz_port *outputs, size_t count,
                             const struct matrix *m)
{
    for (size_t i = m->port + 1; i < count; i++) {
        const struct cz_dims *d = &outputs[i].dims;
        if (d->rank == 3 && d->size[0] == 1 &&
            ((size_t)d->size[1] != m->rows || (size_t)d->size[2] != m->columns))
            return true;
    }
    return false;
}

/* Prototype masks beside the boxes. */
static bool has_masks(const struct cz_port *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].dims.rank == 4 && outputs[i].dims.size[1] == 32)
            return true;
    }
    return false;
}

static bool choose(struct cz_detector *detector, const struct cz_port *outputs,
                   size_t count, const char **why)
{
    struct matrix m;
    detector->decoder = detector->options.decoder;
    if (!find_matrix(&m, outputs, count)) {
        if (count == 1 && outputs[0].dims.rank == 2)
            *why = "one number a class, as classification models have";
        return cz_decoder_choose_maps(detector, outputs, count, why);
    }
    if (has_masks(outputs, count)) {
        *why = "boxes and 32 masks, as segmentation models have";
        return false;
    }
    if (has_other_matrix(outputs, count, &m)) {
        *why = "boxes and scores in outputs of their own are not decoded here";
        return false;
    }
    if (!detector->decoder)
        detector->decoder = auto_decoder(detector, &m);
    return choose_matrix(detector, &m, why);
}

static enum cz_status check_types(const struct cz_port *outputs, size_t count,
                                  struct cz_error *err)
{
    char shapes[SHAPES_BYTES];
    if (!count || count > CZ_OUTPUTS_MAX)
        return cz_error_set(err, CZ_EUNSUPPORTED,
                            "has %zu outputs; a detector has 1 to %d", count,
                            CZ_OUTPUTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].dtype != CZ_DTYPE_FLOAT &&
            outputs[i].dtype != CZ_DTYPE_FLOAT16) {
            outputs_text(shapes, sizeof shapes, outputs, count);
            return cz_error_set(err, CZ_EUNSUPPORTED,
                                "output '%s' is %s; decoders read float32 and "
                                "float16, and none fits outputs %s",
                                outputs[i].name,
                                cz_dtype_name(outputs[i].dtype), shapes);
        }
    }
    return CZ_OK;
}

/* A candidate's number is anchor * classes + class, in 32 bits. */
static enum cz_status check_count(const struct cz_detector *detector,
                                  struct cz_error *err)
{
    uint64_t anchors = 0;
    for (size_t i = 0; i < detector->n_levels; i++)
        anchors += detector->levels[i].anchors;
    if (anchors * detector->classes <= UINT32_MAX)
        return CZ_OK;
    return cz_error_set(err, CZ_EUNSUPPORTED,
                        "%llu anchors of %zu classes are too many",
                        (unsigned long long)anchors, detector->classes);
}

enum cz_status cz_decoder_choose(struct cz_detector *detector,
                                 const struct cz_port *outputs, size_t count,
                                 struct cz_error *err)
{
    const char *why = NULL;
    CZ_TRY(check_types(outputs, count, err));
    if (!choose(detector, outputs, count, &why))
        return refuse(detector, outputs, count, why, err);
    detector->n_outputs = count;
    for (size_t i = 0; i < count; i++)
        detector->dims[i] = outputs[i].dims;
    return check_count(detector, err);
}
