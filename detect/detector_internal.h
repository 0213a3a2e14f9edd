/* What a detector knows of its model, and where in the outputs its numbers
 * are. */
#ifndef CZ_DETECT_DETECTOR_INTERNAL_H
#define CZ_DETECT_DETECTOR_INTERNAL_H

#include "core/alloc.h"
#include "detect/detect.h"

#define CZ_LEVELS_MAX 32
#define CZ_OUTPUTS_MAX 16

/* Class names, in one arena. */
struct cz_labels {
    struct cz_arena arena;
    const char **items;
    size_t count, capacity;
    const char *source;
};

/* As Ultralytics writes metadata: Python's "{0: 'person', ...}" or
 * "['person', ...]"; JSON is read too. CZ_EPARSE for another text. */
enum cz_status cz_labels_parse(struct cz_labels *names, const char *text,
                               struct cz_error *err);
/* One a line; empty lines at the end do not count. */
enum cz_status cz_labels_read(struct cz_labels *names, const char *path,
                              struct cz_error *err);
void cz_labels_fini(struct cz_labels *names);
/* Of COCO's 80 classes; NULL beyond them. */
const char *cz_labels_coco(uint32_t label);

/* The fields of an anchor in an output: number f of anchor i is element
 * start + f * field + i * anchor. */
struct cz_fields {
    size_t port;
    size_t start, field, anchor;
};

/* Anchors that are decoded alike: a grid of cells, or all of a model. */
struct cz_level {
    struct cz_fields box, objectness, scores;
    bool has_objectness;
    bool logits; /* of objectness, scores and V5_MAPS' boxes: no sigmoid yet */
    size_t anchors;
    size_t columns;           /* of the grid */
    float stride;             /* pixels of a cell */
    size_t bins;              /* of a distance's distribution; 1: itself */
    float anchor_w, anchor_h; /* V5_MAPS */
    size_t first;             /* the number of its first anchor */
};

/* What the graph tells. */
struct cz_tail_facts {
    bool decodes; /* computes boxes behind the last convolution */
    bool selects; /* picks the best boxes */
    bool has_exp; /* takes boxes' sizes from their logarithm: YOLOX */
    bool activated[CZ_OUTPUTS_MAX]; /* the output went through a Sigmoid */
};

struct cz_detector {
    char *path;
    struct cz_labels names;
    struct cz_detector_options options;
    struct cz_input_format format;
    struct cz_tail_facts facts;
    bool is_dynamic, is_open; /* see cz_detector_is_dynamic() */
    size_t stride;
    enum cz_decoder decoder;
    size_t classes;
    struct cz_level levels[CZ_LEVELS_MAX];
    size_t n_levels;
    struct cz_dims dims[CZ_OUTPUTS_MAX]; /* of the outputs at _bind */
    size_t n_outputs;
};

/* The outputs of a frame, as float32. */
struct cz_numbers {
    const float *data[CZ_OUTPUTS_MAX];
};

/* Number f of anchor i. */
static inline const float *cz_field(const struct cz_numbers *numbers,
                                    const struct cz_fields *fields, size_t f,
                                    size_t i)
{
    return numbers->data[fields->port] + fields->start + f * fields->field +
           i * fields->anchor;
}

/* The box of anchor i of the level, without its score. Not for END_TO_END. */
struct cz_box cz_decode_box(const struct cz_detector *detector,
                            const struct cz_numbers *numbers,
                            const struct cz_level *level, size_t i);

/* "[1,3,?,?]" for dims of which some are negative. */
void cz_dims_print(char *text, size_t size, const int64_t *dims, size_t rank);

/* Fills levels, classes and decoder. */
enum cz_status cz_decoder_choose(struct cz_detector *detector,
                                 const struct cz_port *outputs, size_t count,
                                 struct cz_error *err);

/* The same for outputs that are all maps, rank 4 or 5. False where they fit no
 * decoder; `*why` then says more, or is NULL. */
bool cz_decoder_choose_maps(struct cz_detector *detector,
                            const struct cz_port *outputs, size_t count,
                            const char **why);

#endif
