/* Class names: from a model's metadata, from a file, or COCO's. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "detect/detector_internal.h"

#define NAME_BYTES 256
#define NAMES_MAX 100000
#define FILE_BYTES_MAX ((size_t)NAME_BYTES * NAMES_MAX)

static enum cz_status add(struct cz_labels *names, const char *text,
                          size_t size, struct cz_error *err)
{
    const char **grown =
        cz_arena_grow(&names->arena, names->items, names->count,
                      &names->capacity, sizeof *names->items);
    if (!grown)
        return cz_error_nomem(err);
    names->items = grown;
    names->items[names->count] = cz_arena_strdup(&names->arena, text, size);
    if (!names->items[names->count++])
        return cz_error_nomem(err);
    return CZ_OK;
}

void cz_labels_fini(struct cz_labels *names)
{
    cz_arena_fini(&names->arena);
    *names = (struct cz_labels){0};
}

/* ---- metadata --------------------------------------------------------- */

static const char *skip(const char *text, const char *what)
{
    return text + strspn(text, what);
}

/* A string in either kind of quotes; a backslash keeps the next character.
 * NULL when it does not end. */
static const char *read_string(char name[NAME_BYTES], size_t *size,
                               const char *text)
{
    char quote = *text++;
    for (*size = 0; *text != quote; text++) {
        if (*text == '\\')
            text++;
        if (!*text || *size == NAME_BYTES - 1)
            return NULL;
        name[(*size)++] = *text;
    }
    return text + 1;
}

/* The key of a dictionary's entry, which must count up; lists have none. */
static bool read_key(const char **text, size_t expected)
{
    char *end;
    *text = skip(*text, " \t\r\n,\"");
    unsigned long key = strtoul(*text, &end, 10);
    if (end == *text || key != expected)
        return false;
    *text = skip(end, " \t\"");
    if (**text != ':')
        return false;
    *text = skip(*text + 1, " \t");
    return true;
}

enum cz_status cz_labels_parse(struct cz_labels *names, const char *text,
                               struct cz_error *err)
{
    char name[NAME_BYTES];
    size_t size;
    text = skip(text, " \t\r\n");
    bool is_list = *text == '[';
    const char *at = text + 1;
    bool good = is_list || *text == '{';
    while (good && *(at = skip(at, " \t\r\n,")) != (is_list ? ']' : '}')) {
        good = (is_list || read_key(&at, names->count)) &&
               (*at == '\'' || *at == '"') && names->count < NAMES_MAX &&
               (at = read_string(name, &size, at)) != NULL;
        if (good)
            CZ_TRY(add(names, name, size, err));
    }
    names->source = "metadata";
    if (good && names->count)
        return CZ_OK;
    return cz_error_set(err, CZ_EPARSE,
                        "the metadata's class names cannot be read after "
                        "name %zu; give them with --names",
                        names->count);
}

/* ---- files ------------------------------------------------------------ */

static enum cz_status read_lines(struct cz_labels *names, char *text,
                                 const char *path, struct cz_error *err)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        size_t size = strcspn(line, "\r");
        bool is_end = !text && !size;
        if (size >= NAME_BYTES - 1 || (names->count == NAMES_MAX && !is_end))
            return cz_error_set(err, CZ_EPARSE,
                                "%s: line %zu: want a class name a line, at "
                                "most %d bytes each",
                                path, names->count + 1, NAME_BYTES - 2);
        if (!is_end)
            CZ_TRY(add(names, line, size, err));
    }
    while (names->count && !*names->items[names->count - 1])
        names->count--;
    if (!names->count)
        return cz_error_set(err, CZ_EPARSE, "%s: has no class names", path);
    return CZ_OK;
}

enum cz_status cz_labels_read(struct cz_labels *names, const char *path,
                              struct cz_error *err)
{
    void *text;
    size_t size;
    CZ_TRY(cz_file_drain(&text, &size, path, FILE_BYTES_MAX, err));
    enum cz_status status =
        memchr(text, 0, size)
            ? cz_error_set(err, CZ_EPARSE, "%s: has a NUL, is no text", path)
            : read_lines(names, text, path, err);
    cz_free(text);
    names->source = "file";
    return status;
}

/* ---- COCO ------------------------------------------------------------- */

/* The 80 classes of COCO 2017, in the order of their ids. */
const char *cz_labels_coco(uint32_t label)
{
    static const char *const names[] = {
        "person",        "bicycle",      "car",
        "motorcycle",    "airplane",     "bus",
        "train",         "truck",        "boat",
        "traffic light", "fire hydrant", "stop sign",
        "parking meter", "bench",        "bird",
        "cat",           "dog",          "horse",
        "sheep",         "cow",          "elephant",
        "bear",          "zebra",        "giraffe",
        "backpack",      "umbrella",     "handbag",
        "tie",           "suitcase",     "frisbee",
        "skis",          "snowboard",    "sports ball",
        "kite",          "baseball bat", "baseball glove",
        "skateboard",    "surfboard",    "tennis racket",
        "bottle",        "wine glass",   "cup",
        "fork",          "knife",        "spoon",
        "bowl",          "banana",       "apple",
        "sandwich",      "orange",       "broccoli",
        "carrot",        "hot dog",      "pizza",
        "donut",         "cake",         "chair",
        "couch",         "potted plant", "bed",
        "dining table",  "toilet",       "tv",
        "laptop",        "mouse",        "remote",
        "keyboard",      "cell phone",   "microwave",
        "oven",          "toaster",      "sink",
        "refrigerator",  "book",         "clock",
        "vase",          "scissors",     "teddy bear",
        "hair drier",    "toothbrush",
    };
    return label < sizeof names / sizeof *names ? names[label] : NULL;
}
