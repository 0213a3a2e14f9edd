/* A file of labels: lines of class and box, or class and polygon, in fractions
 * of the image. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "eval/yolo_internal.h"

#define TEXT_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* Fractions may leave the image by this much, for want of decimals. */
#define SLACK .01

/* Points of a polygon, or a box. */
struct label {
    size_t class;
    size_t count; /* numbers after the class */
    double first[4];
    double low[2], high[2]; /* x and y of all */
};

struct line {
    const char *path;
    size_t number;
    struct cz_error *err;
};

/* Puts file and line before what is in the error. */
static enum cz_status located(const struct line *line, enum cz_status status)
{
    char where[32];
    snprintf(where, sizeof where, "line %zu", line->number);
    cz_error_prefix(line->err, status, where);
    return cz_error_prefix(line->err, status, line->path);
}

#define WRONG(line, ...)                                                       \
    located((line), cz_error_set((line)->err, CZ_EPARSE, __VA_ARGS__))

#define SPACE " \t\r\n\v\f"

/* The next word, for "%.*s"; a long one is cut. */
static int word_size(const char *text)
{
    size_t size = strcspn(text, SPACE);
    return size < 20 ? (int)size : 20;
}

/* A number that ends where the word does. */
static bool read_number(double *number, char **text)
{
    char *end;
    *number = strtod(*text, &end);
    if (end == *text || !strchr(SPACE, *end)) /* or the text's end */
        return false;
    *text = end;
    return true;
}

static enum cz_status read_class(struct label *label, const struct line *line,
                                 char **text, size_t n_classes)
{
    const char *word = *text;
    double class;
    if (!read_number(&class, text))
        return WRONG(line, "'%.*s' is no class, want a number", word_size(word),
                     word);
    if (!(class >= 0 && class < (double)n_classes) || class != floor(class))
        return WRONG(line, "there is no class %.*s; there are %zu classes",
                     word_size(word), word, n_classes);
    label->class = (size_t) class;
    return CZ_OK;
}

static enum cz_status read_fraction(struct label *label,
                                    const struct line *line, char **text)
{
    const char *word = *text;
    size_t axis = label->count % 2;
    double number;
    if (!read_number(&number, text))
        return WRONG(line, "'%.*s' is no number", word_size(word), word);
    if (!(number >= -SLACK && number <= 1 + SLACK))
        return WRONG(line, "%.*s is no fraction of the image, want 0 to 1",
                     word_size(word), word);
    if (label->count < 4)
        label->first[label->count] = number;
    if (label->count < 2 || number < label->low[axis])
        label->low[axis] = number;
    if (label->count < 2 || number > label->high[axis])
        label->high[axis] = number;
    label->count++;
    return CZ_OK;
}

static char *skip_space(char *text)
{
    return text + strspn(text, SPACE);
}

static enum cz_status read_label(struct label *label, const struct line *line,
                                 char *text, size_t n_classes)
{
    *label = (struct label){.count = 0};
    CZ_TRY(read_class(label, line, &text, n_classes));
    while (*(text = skip_space(text)))
        CZ_TRY(read_fraction(label, line, &text));
    if (label->count != 4 && (label->count < 6 || label->count % 2))
        return WRONG(line,
                     "has %zu numbers after the class, want 4, or a "
                     "polygon's 6, 8, 10, ...",
                     label->count);
    return CZ_OK;
}

static enum cz_status add(struct cz_coco *coco, size_t image,
                          const struct label *label, struct cz_error *err)
{
    double width = (double)coco->images[image].width;
    double height = (double)coco->images[image].height;
    struct cz_coco_box box = {.image = (uint32_t)image,
                              .category = (uint32_t)label->class};
    double x = label->low[0], y = label->low[1];
    double w = label->high[0] - x, h = label->high[1] - y;
    if (label->count == 4) {
        w = label->first[2];
        h = label->first[3];
        x = label->first[0] - w / 2;
        y = label->first[1] - h / 2;
    }
    box.bbox[0] = x * width;
    box.bbox[1] = y * height;
    box.bbox[2] = fmax(w, 0) * width;
    box.bbox[3] = fmax(h, 0) * height;
    box.area = box.bbox[2] * box.bbox[3];
    return cz_coco_add_box(coco, &box, err);
}

enum cz_status cz_yolo_text_load(char **text, const char *path,
                                 struct cz_error *err)
{
    void *bytes;
    size_t size, lines = 1;
    CZ_TRY(cz_file_load(&bytes, &size, path, TEXT_BYTES_MAX, err));
    *text = bytes;
    const char *nul = memchr(bytes, 0, size);
    if (!nul)
        return CZ_OK;
    for (const char *c = bytes; c < nul; c++)
        lines += *c == '\n';
    cz_free(bytes);
    return cz_error_set(err, CZ_EPARSE, "%s: line %zu: has a NUL, is no text",
                        path, lines);
}

static enum cz_status read_lines(struct cz_coco *coco, size_t image, char *text,
                                 const char *path, struct cz_error *err)
{
    struct line line = {.path = path, .err = err};
    struct label label;
    enum cz_status status = CZ_OK;
    for (char *begin; status == CZ_OK && (begin = strsep(&text, "\n"));) {
        line.number++;
        begin = skip_space(begin);
        if (!*begin)
            continue;
        status = read_label(&label, &line, begin, coco->n_categories);
        if (status == CZ_OK)
            status = add(coco, image, &label, err);
    }
    return status;
}

/* ---- lines that are there twice --------------------------------------- */

static int compare_floats(double a, double b)
{
    const float x = (float)a, y = (float)b;
    return (x > y) - (x < y);
}

static int compare_labels(const struct cz_coco_box *a,
                          const struct cz_coco_box *b)
{
    int order = (a->category > b->category) - (a->category < b->category);
    for (size_t i = 0; order == 0 && i < 4; i++)
        order = compare_floats(a->bbox[i], b->bbox[i]);
    return order;
}

static int compare_places(const void *a, const void *b, void *user)
{
    const struct cz_coco_box *boxes = user;
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const int order = compare_labels(&boxes[x], &boxes[y]);
    return order ? order : (x > y) - (x < y);
}

/* Of boxes[n], those whose places come behind an equal one in `order` go. */
static size_t compact(struct cz_coco_box *boxes, const uint32_t *order,
                      bool *is_again, size_t n)
{
    size_t kept = 0;
    for (size_t i = 1; i < n; i++)
        is_again[order[i]] =
            compare_labels(&boxes[order[i - 1]], &boxes[order[i]]) == 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_again[i])
            boxes[kept++] = boxes[i];
    }
    return kept;
}

/* Leaves one of several equal boxes from `first` on, which are those of an
 * image, in float32: ultralytics/data/utils.py (verify_image_label). */
static enum cz_status drop_repeated(struct cz_coco *coco, size_t first,
                                    struct cz_error *err)
{
    struct cz_coco_box *boxes = coco->boxes + first;
    const size_t n = coco->n_boxes - first;
    if (n < 2)
        return CZ_OK;
    uint32_t *order = cz_calloc(n, sizeof *order);
    bool *is_again = cz_calloc(n, sizeof *is_again);
    for (size_t i = 0; order && i < n; i++)
        order[i] = (uint32_t)i;
    if (order && is_again) {
        qsort_r(order, n, sizeof *order, compare_places, boxes);
        coco->n_boxes = first + compact(boxes, order, is_again, n);
    }
    const bool ok = order && is_again;
    cz_free(order);
    cz_free(is_again);
    return ok ? CZ_OK : cz_error_nomem(err);
}

/* ---- the file --------------------------------------------------------- */

enum cz_status cz_yolo_labels(struct cz_coco *coco, size_t image,
                              const char *path, struct cz_error *err)
{
    const size_t first = coco->n_boxes;
    struct stat info;
    char *text;
    if (stat(path, &info) != 0 && errno == ENOENT)
        return CZ_OK;
    CZ_TRY(cz_yolo_text_load(&text, path, err));
    enum cz_status status = read_lines(coco, image, text, path, err);
    cz_free(text);
    return status == CZ_OK ? drop_repeated(coco, first, err) : status;
}
