/* The stream of JSON events (yajl's) as objects with known fields.
 *
 * Depth tells where an event belongs. With D the depth of what is inside of a
 * list: at D objects begin, at D + 1 are their fields, at D + 2 the numbers of
 * a box; what is elsewhere or deeper is skipped. Numbers come as text, so that
 * none is rounded before it is known what it is. */
#include "eval/records_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "eval/json_internal.h"
#include "eval/number_shim.h"

#define CHUNK_BYTES ((size_t)256 * 1024)
/* Of a string or a number, which may be cut into several chunks. */
#define SILENT_BYTES_MAX ((size_t)1024 * 1024)
/* Of numbers that std::from_chars() has no answer for, and of whole ones. */
#define NUMBER_BYTES_MAX 63

struct reader {
    const char *name;
    const struct cz_record_list *lists;
    size_t n_lists;
    void *user;
    struct cz_error *err;
    enum cz_status status; /* of the callback that ended the parse */

    struct cz_json json;
    const unsigned char *chunk;
    size_t silent_bytes; /* since the last event, in whole chunks */
    size_t lines_before; /* line ends in the chunks before this one */
    bool is_empty;       /* there was no chunk */

    size_t depth;                      /* lists and objects that are open */
    unsigned seen;                     /* bit i: lists[i] was there */
    const struct cz_record_list *list; /* that is open, or comes next */
    size_t list_depth;                 /* of what is inside of it */
    bool in_list;
    size_t index;                 /* of the object in its list */
    const struct cz_field *field; /* whose value comes next, or NULL */
    bool in_box;
    size_t n_box;
    struct cz_field_value values[CZ_FIELDS_MAX];
    struct {
        char *bytes;
        size_t capacity;
    } texts[CZ_FIELDS_MAX]; /* the texts of this object; owned */
};

/* ---- messages --------------------------------------------------------- */

static size_t count_lines(const unsigned char *bytes, size_t size)
{
    size_t lines = 0;
    const unsigned char *end = bytes + size;
    while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes)))) {
        lines++;
        bytes++;
    }
    return lines;
}

static size_t line(const struct reader *r)
{
    size_t consumed = cz_json_consumed(&r->json);
    return r->lines_before + 1 + count_lines(r->chunk, consumed);
}

/* Puts file, object and line before what is in `err`; ends the parse. */
static int fail(struct reader *r, enum cz_status status)
{
    char where[256];
    size_t used = (size_t)snprintf(where, sizeof where, "line %zu", line(r));
    if (r->in_list && used < sizeof where)
        snprintf(where + used, sizeof where - used, ", %s %zu", r->list->noun,
                 r->index);
    r->status = status;
    cz_error_prefix(r->err, status, where);
    cz_error_prefix(r->err, status, r->name);
    return 0;
}

#define FAIL(r, ...) fail((r), cz_error_set((r)->err, CZ_EPARSE, __VA_ARGS__))

static const char *wanted(enum cz_field_kind kind)
{
    static const char *const words[] = {
        [CZ_FIELD_INTEGER] = "a whole number",
        [CZ_FIELD_NUMBER] = "a number",
        [CZ_FIELD_FLAG] = "0 or 1",
        [CZ_FIELD_TEXT] = "a string",
        [CZ_FIELD_ID] = "a whole number or a name",
        [CZ_FIELD_BOX] = "a list of 4 numbers",
    };
    return words[kind];
}

/* ---- where an event belongs ------------------------------------------- */

static struct cz_field_value *value_of(struct reader *r)
{
    return &r->values[r->field - r->list->fields];
}

static bool at_field(const struct reader *r)
{
    return r->in_list && r->depth == r->list_depth + 1 && r->field;
}

static bool at_box(const struct reader *r)
{
    return r->in_box && r->depth == r->list_depth + 2;
}

/* A value that is not what belongs here, `what` being "a string" and so on. */
static int misplaced(struct reader *r, const char *what)
{
    if (r->depth == 0)
        return FAIL(r, "is %s, want %s", what,
                    r->lists->key ? "an object" : "a list");
    if (r->in_list && r->depth == r->list_depth)
        return FAIL(r, "is %s, want an object", what);
    if (at_box(r))
        return FAIL(r, "'%s' has %s in it, want 4 numbers", r->field->name,
                    what);
    if (at_field(r))
        return FAIL(r, "'%s' is %s, want %s", r->field->name, what,
                    wanted(r->field->kind));
    if (!r->in_list && r->list && r->depth + 1 == r->list_depth)
        return FAIL(r, "'%s' is %s, want a list", r->list->key, what);
    return 1;
}

/* The reader of an event. */
static struct reader *reader_of(void *context)
{
    struct reader *r = context;
    r->silent_bytes = 0;
    return r;
}

/* ---- values ----------------------------------------------------------- */

/* The number; false after an error. */
static bool parse_number(struct reader *r, double *number, const char *text,
                         size_t size)
{
    char copy[NUMBER_BYTES_MAX + 1];
    if (cz_number_parse(number, text, size))
        return true;
    /* Too large, or so small that it is 0. */
    if (size <= NUMBER_BYTES_MAX) {
        memcpy(copy, text, size);
        copy[size] = 0;
        *number = strtod(copy, NULL);
        if (isfinite(*number))
            return true;
    }
    FAIL(r, "'%s' has the number %.*s%s, which is too large", r->field->name,
         (int)(size < 24 ? size : 24), text, size < 24 ? "" : "...");
    return false;
}

static bool parse_integer(struct reader *r, int64_t *integer, const char *text,
                          size_t size)
{
    char copy[NUMBER_BYTES_MAX + 1], *end;
    double number;
    if (size <= NUMBER_BYTES_MAX) {
        memcpy(copy, text, size);
        copy[size] = 0;
        errno = 0;
        long long whole = strtoll(copy, &end, 10);
        *integer = whole;
        if (!*end && errno == 0)
            return true;
        /* 5.0 and 5e3 are whole numbers, too. */
        number = strtod(copy, NULL);
        *integer = fabs(number) < 0x1p53 ? (int64_t)number : 0;
        if (*end && (double)*integer == number)
            return true;
    }
    FAIL(r, "'%s' is %.*s%s, want a whole number of at most 64 bits",
         r->field->name, (int)(size < 24 ? size : 24), text,
         size < 24 ? "" : "...");
    return false;
}

static int take_field_number(struct reader *r, const char *text, size_t size)
{
    struct cz_field_value *value = value_of(r);
    switch (r->field->kind) {
    case CZ_FIELD_INTEGER:
    case CZ_FIELD_ID:
        if (!parse_integer(r, &value->integer, text, size))
            return 0;
        value->text = NULL;
        break;
    case CZ_FIELD_NUMBER:
    case CZ_FIELD_FLAG:
        if (!parse_number(r, &value->number, text, size))
            return 0;
        value->integer = value->number != 0;
        break;
    default:
        return misplaced(r, "a number");
    }
    value->present = true;
    return 1;
}

static int on_number(void *context, const char *text, size_t size)
{
    struct reader *r = reader_of(context);
    if (at_box(r)) {
        if (r->n_box == 4)
            return FAIL(r, "'%s' has more than 4 numbers", r->field->name);
        return parse_number(r, &value_of(r)->box[r->n_box++], text, size);
    }
    return at_field(r) ? take_field_number(r, text, size)
                       : misplaced(r, "a number");
}

/* A copy that is good until the field's next text; NULL: no memory. */
static const char *keep_text(struct reader *r, const unsigned char *text,
                             size_t size)
{
    size_t i = (size_t)(r->field - r->list->fields);
    if (size >= r->texts[i].capacity) {
        char *grown = cz_realloc_array(r->texts[i].bytes, size + 1, 2);
        if (!grown)
            return NULL;
        r->texts[i].bytes = grown;
        r->texts[i].capacity = 2 * (size + 1);
    }
    if (size)
        memcpy(r->texts[i].bytes, text, size);
    r->texts[i].bytes[size] = 0;
    return r->texts[i].bytes;
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
    struct reader *r = reader_of(context);
    if (!at_field(r) ||
        (r->field->kind != CZ_FIELD_TEXT && r->field->kind != CZ_FIELD_ID))
        return misplaced(r, "a string");
    struct cz_field_value *value = value_of(r);
    value->text = keep_text(r, text, size);
    if (!value->text)
        return fail(r, cz_error_nomem(r->err));
    if (strlen(value->text) != size)
        return FAIL(r, "'%s' has a NUL in it", r->field->name);
    value->present = true;
    return 1;
}

static int on_boolean(void *context, int boolean)
{
    struct reader *r = reader_of(context);
    if (!at_field(r) || r->field->kind != CZ_FIELD_FLAG)
        return misplaced(r, boolean ? "true" : "false");
    value_of(r)->integer = boolean;
    value_of(r)->present = true;
    return 1;
}

static int on_null(void *context)
{
    struct reader *r = reader_of(context);
    if (!at_field(r) || r->field->required)
        return misplaced(r, "null");
    value_of(r)->present = false;
    return 1;
}

/* ---- lists and objects ------------------------------------------------ */

static int start_list(struct reader *r, const struct cz_record_list *list)
{
    unsigned bit = 1u << (list - r->lists);
    if (r->seen & bit)
        return FAIL(r, "'%s' is there twice", list->key);
    r->seen |= bit;
    r->list = list;
    r->list_depth = r->depth;
    r->in_list = true;
    r->index = 0;
    return 1;
}

static int on_start_array(void *context)
{
    struct reader *r = reader_of(context);
    bool is_whole = r->depth == 0 && !r->lists->key;
    bool is_named = !r->in_list && r->list && r->depth + 1 == r->list_depth;
    if (at_field(r) && r->field->kind == CZ_FIELD_BOX) {
        r->in_box = true;
        r->n_box = 0;
    } else if (!is_whole && !is_named && !misplaced(r, "a list")) {
        return 0;
    }
    r->depth++;
    if (is_whole || is_named)
        return start_list(r, is_whole ? r->lists : r->list);
    return 1;
}

static int on_end_array(void *context)
{
    struct reader *r = reader_of(context);
    r->depth--;
    if (r->in_box && r->depth == r->list_depth + 1) {
        r->in_box = false;
        if (r->n_box < 4)
            return FAIL(r, "'%s' has %zu numbers, want 4", r->field->name,
                        r->n_box);
        value_of(r)->present = true;
    } else if (r->in_list && r->depth + 1 == r->list_depth) {
        r->in_list = false;
        r->list = NULL;
    }
    return 1;
}

static int on_start_map(void *context)
{
    struct reader *r = reader_of(context);
    bool is_whole = r->depth == 0 && r->lists->key;
    bool is_record = r->in_list && r->depth == r->list_depth;
    if (!is_whole && !is_record && !misplaced(r, "an object"))
        return 0;
    r->depth++;
    if (is_record) {
        memset(r->values, 0, sizeof r->values);
        r->field = NULL;
    }
    return 1;
}

/* Finds the list of a key of the file's object, or the field of an object. */
static int on_map_key(void *context, const unsigned char *key, size_t size)
{
    struct reader *r = reader_of(context);
#define IS_KEY(name) (strlen(name) == size && memcmp(name, key, size) == 0)
    if (!r->in_list && r->depth == 1) {
        r->list = NULL;
        for (size_t i = 0; i < r->n_lists; i++) {
            if (IS_KEY(r->lists[i].key))
                r->list = &r->lists[i];
        }
        r->list_depth = 2;
    } else if (r->in_list && r->depth == r->list_depth + 1) {
        r->field = NULL;
        for (size_t i = 0; i < r->list->n_fields; i++) {
            if (IS_KEY(r->list->fields[i].name))
                r->field = &r->list->fields[i];
        }
    }
#undef IS_KEY
    return 1;
}

static int end_record(struct reader *r)
{
    for (size_t i = 0; i < r->list->n_fields; i++) {
        if (r->list->fields[i].required && !r->values[i].present)
            return FAIL(r, "has no '%s'", r->list->fields[i].name);
    }
    enum cz_status status = r->list->take(r->user, r->values, r->err);
    if (status != CZ_OK)
        return fail(r, status);
    r->index++;
    return 1;
}

static int on_end_map(void *context)
{
    struct reader *r = reader_of(context);
    r->depth--;
    return r->in_list && r->depth == r->list_depth ? end_record(r) : 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_map_key,
    .yajl_end_map = on_end_map,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end_array,
};

/* ---- the file --------------------------------------------------------- */

/* yajl's message is several lines of which the first is worth something. */
static int syntax_error(struct reader *r, size_t size)
{
    size_t at = cz_json_consumed(&r->json);
    if (size == 0)
        return FAIL(r, r->is_empty ? "is empty" : "ends in the middle");
    at = at > 0 && at <= size ? at - 1 : 0;
    size_t begin = at;
    const char *stops = " \t\r\n,:[]{}";
    while (begin > 0 && at - begin < 16 && !strchr(stops, r->chunk[begin - 1]))
        begin--;
    size_t end = at;
    while (end < size && end - begin < 24 && !strchr(stops, r->chunk[end]))
        end++;
    if (end == begin && end < size)
        end++;
    return FAIL(r, "is no JSON here: '%.*s'", (int)(end - begin),
                (const char *)r->chunk + begin);
}

static bool is_blank(const char *bytes, size_t size)
{
    size_t i = 0;
    while (i < size && strchr(" \t\r\n", bytes[i]) && bytes[i])
        i++;
    return i == size;
}

/* The next bytes of the text; none: it is at its end. */
static enum cz_status parse(struct reader *r, const void *bytes, size_t size)
{
    r->chunk = bytes;
    r->is_empty = r->is_empty && size == 0;
    r->silent_bytes = is_blank(bytes, size) ? 0 : r->silent_bytes + size;
    const enum cz_json_result result = cz_json_feed(&r->json, bytes, size);
    if (result == CZ_JSON_NO_MEMORY)
        return cz_error_nomem(r->err);
    if (result == CZ_JSON_SYNTAX)
        syntax_error(r, size);
    if (result != CZ_JSON_OK)
        return r->status;
    /* yajl begins anew with each chunk of what a string or a number has. */
    if (r->silent_bytes > SILENT_BYTES_MAX)
        return FAIL(r, "a string or a number has more than 1 MB"), r->status;
    r->lines_before += count_lines(bytes, size);
    return CZ_OK;
}

static enum cz_status parse_open_file(struct reader *r, int file, char *chunk)
{
    size_t size = CHUNK_BYTES;
    while (size == CHUNK_BYTES) {
        CZ_TRY(cz_file_read(&size, file, chunk, CHUNK_BYTES, r->name, r->err));
        if (size)
            CZ_TRY(parse(r, chunk, size));
    }
    return CZ_OK;
}

static enum cz_status parse_file(struct reader *r, const char *path)
{
    int file;
    CZ_TRY(cz_file_open(&file, path, r->err));
    char *chunk = cz_malloc(CHUNK_BYTES);
    enum cz_status status =
        chunk ? parse_open_file(r, file, chunk) : cz_error_nomem(r->err);
    cz_free(chunk);
    close(file);
    return status;
}

static enum cz_status check_lists(struct reader *r)
{
    for (size_t i = 0; i < r->n_lists; i++) {
        if (!(r->seen & 1u << i))
            return cz_error_set(r->err, CZ_EPARSE, "%s: has no '%s'", r->name,
                                r->lists[i].key);
    }
    return CZ_OK;
}

static enum cz_status read_all(struct reader *r, const struct cz_source *source)
{
    if (!source->bytes)
        CZ_TRY(parse_file(r, source->name));
    else if (source->size)
        CZ_TRY(parse(r, source->bytes, source->size));
    CZ_TRY(parse(r, "", 0));
    return check_lists(r);
}

enum cz_status cz_records_read(const struct cz_source *source,
                               const struct cz_record_list *lists,
                               size_t n_lists, void *user, struct cz_error *err)
{
    struct reader r = {.name = source->name,
                       .lists = lists,
                       .n_lists = n_lists,
                       .user = user,
                       .err = err,
                       .is_empty = true};
    enum cz_status status = cz_json_open(&r.json, &callbacks, &r)
                                ? read_all(&r, source)
                                : cz_error_nomem(err);
    cz_json_close(&r.json);
    for (size_t i = 0; i < CZ_FIELDS_MAX; i++)
        cz_free(r.texts[i].bytes);
    return status;
}
