/* Text to ModelProto, written as protobuf's wire format: 16 field numbers of
 * onnx.proto are all that it takes. */
#include "tests/support/graph_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/half.h"
#include "tests/support/support.h"

#define NAME_BYTES 64
#define ELEMENTS_MAX 65536
#define VERSION_OF_IR 8

struct buffer {
    unsigned char *bytes;
    size_t size, capacity;
};

struct reader {
    const char *at;
    struct buffer graph;
    struct buffer metadata;
    long opset, ir;
};

/* ---- wire format ------------------------------------------------------ */

enum wire { WIRE_VARINT = 0, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void put(struct buffer *b, const void *bytes, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = (b->size + size) * 2;
        b->bytes = cz_realloc_array(b->bytes, b->capacity, 1);
        assert_non_null(b->bytes);
    }
    if (size)
        memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void put_varint(struct buffer *b, uint64_t number)
{
    unsigned char byte;
    for (; number > 0x7f; number >>= 7) {
        byte = (unsigned char)((number & 0x7f) | 0x80);
        put(b, &byte, 1);
    }
    byte = (unsigned char)number;
    put(b, &byte, 1);
}

static void put_int(struct buffer *b, unsigned field, int64_t number)
{
    put_varint(b, field << 3 | WIRE_VARINT);
    put_varint(b, (uint64_t)number);
}

static void put_float(struct buffer *b, unsigned field, float number)
{
    put_varint(b, field << 3 | WIRE_FIXED32);
    put(b, &number, sizeof number);
}

static void put_bytes(struct buffer *b, unsigned field, const void *bytes,
                      size_t size)
{
    put_varint(b, field << 3 | WIRE_BYTES);
    put_varint(b, size);
    put(b, bytes, size);
}

static void put_text(struct buffer *b, unsigned field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

/* Puts a message and frees it. */
static void put_message(struct buffer *b, unsigned field, struct buffer *inner)
{
    put_bytes(b, field, inner->bytes ? (void *)inner->bytes : "", inner->size);
    cz_free(inner->bytes);
    *inner = (struct buffer){0};
}

/* ---- tokens ----------------------------------------------------------- */

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool at_end(struct reader *r)
{
    skip_blanks(r);
    return !*r->at || *r->at == ';' || *r->at == '\n' || *r->at == '}';
}

static bool take(struct reader *r, char c)
{
    skip_blanks(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static void expect(struct reader *r, char c)
{
    if (!take(r, c))
        fail_msg("graph text: want '%c' at: %.40s", c, r->at);
}

/* A name; empty where there is none. */
static void take_name(struct reader *r, char name[NAME_BYTES])
{
    size_t n = 0;
    skip_blanks(r);
    while (isalnum((unsigned char)*r->at) ||
           (*r->at && strchr("_./:?", *r->at)))
        if (n + 1 < NAME_BYTES)
            name[n++] = *r->at++;
        else
            fail_msg("graph text: long name at: %.40s", r->at);
    name[n] = '\0';
}

static bool take_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(r);
    if (strncmp(r->at, word, n) != 0 || (r->at[n] && !strchr(" ;\n", r->at[n])))
        return false;
    r->at += n;
    return true;
}

/* A number; `*is_float` when it is written as one. */
static double take_number(struct reader *r, bool *is_float)
{
    char *end;
    skip_blanks(r);
    double number = strtod(r->at, &end);
    if (end == r->at)
        fail_msg("graph text: want a number at: %.40s", r->at);
    *is_float = false;
    for (const char *c = r->at; c < end; c++)
        *is_float |= *c == '.' || *c == 'e' || *c == 'n';
    r->at = end;
    return number;
}

static int64_t take_int(struct reader *r)
{
    char *end;
    skip_blanks(r);
    int64_t number = strtoll(r->at, &end, 10);
    if (end == r->at)
        fail_msg("graph text: want an integer at: %.40s", r->at);
    r->at = end;
    return number;
}

/* ---- types and tensors ------------------------------------------------ */

static enum cz_dtype take_dtype(struct reader *r)
{
    static const struct {
        const char *name;
        enum cz_dtype dtype;
    } types[] = {
        {"f32", CZ_DTYPE_FLOAT},     {"f16", CZ_DTYPE_FLOAT16},
        {"bf16", CZ_DTYPE_BFLOAT16}, {"f64", CZ_DTYPE_DOUBLE},
        {"i8", CZ_DTYPE_INT8},       {"u8", CZ_DTYPE_UINT8},
        {"i16", CZ_DTYPE_INT16},     {"u16", CZ_DTYPE_UINT16},
        {"i32", CZ_DTYPE_INT32},     {"u32", CZ_DTYPE_UINT32},
        {"i64", CZ_DTYPE_INT64},     {"u64", CZ_DTYPE_UINT64},
        {"bool", CZ_DTYPE_BOOL},
    };
    char name[NAME_BYTES];
    take_name(r, name);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].dtype;
    fail_msg("graph text: type '%s' is not known", name);
    return CZ_DTYPE_UNDEFINED;
}

/* TypeProto: tensor_type(1) { elem_type(1), shape(2) { dim(1) { value(1),
 * param(2) } } } */
static void take_type(struct reader *r, struct buffer *type)
{
    struct buffer tensor = {0}, shape = {0};
    put_int(&tensor, 1, take_dtype(r));
    if (take(r, '[')) {
        while (!take(r, ']')) {
            struct buffer dim = {0};
            char name[NAME_BYTES];
            skip_blanks(r);
            if (isdigit((unsigned char)*r->at) || *r->at == '-') {
                put_int(&dim, 1, take_int(r));
            } else {
                take_name(r, name);
                if (strcmp(name, "?") != 0)
                    put_text(&dim, 2, name);
            }
            put_message(&shape, 1, &dim);
            take(r, ',');
        }
        put_message(&tensor, 2, &shape);
    }
    put_message(type, 1, &tensor);
}

static void put_element(struct buffer *b, enum cz_dtype dtype, double number)
{
    union {
        float f;
        double d;
        uint16_t h;
        int64_t i;
    } v = {.i = (int64_t)number};
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        v.f = (float)number;
        break;
    case CZ_DTYPE_DOUBLE:
        v.d = number;
        break;
    case CZ_DTYPE_FLOAT16:
        v.h = cz_half_from_float((float)number);
        break;
    case CZ_DTYPE_BFLOAT16:
        v.f = (float)number;
        v.h = (uint16_t)(v.i >> 16);
        break;
    default:
        break;
    }
    put(b, &v, cz_dtype_bits(dtype) / 8);
}

/* A seed of one's own for each name. */
static uint64_t seed_of(const char *name)
{
    uint64_t seed = 5381;
    while (*name)
        seed = seed * 33 + (unsigned char)*name++;
    return seed;
}

/* A number in -size..size that looks random; `*state` goes on to the next. */
static double take_random(uint64_t *state, double size)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 40) / (1 << 23) - 1) * size;
}

/* TensorProto: dims(1), data_type(2), name(8), raw_data(9) */
static void take_constant(struct reader *r)
{
    struct buffer tensor = {0}, raw = {0};
    char name[NAME_BYTES];
    size_t count = 1;
    take_name(r, name);
    put_text(&tensor, 8, name);
    enum cz_dtype dtype = take_dtype(r);
    put_int(&tensor, 2, dtype);
    expect(r, '[');
    while (!take(r, ']')) {
        int64_t dim = take_int(r);
        put_int(&tensor, 1, dim);
        count *= (size_t)dim;
        take(r, ',');
    }
    assert_true(count <= ELEMENTS_MAX);
    bool iota = take_word(r, "iota"), random = take_word(r, "random"), is_float;
    bool by_name = random && at_end(r);
    uint64_t state = by_name  ? seed_of(name)
                     : random ? (uint64_t)take_int(r)
                              : 0;
    int64_t integer = 0;
    double number = 0, size = 1;
    if (random && !by_name)
        size = take_number(r, &is_float);
    for (size_t i = 0; i < count; i++) {
        if (dtype == CZ_DTYPE_INT64 && !random && !iota && !at_end(r))
            integer = take_int(r); /* a double has not all of them */
        else if (random)
            number = take_random(&state, size);
        else if (!iota && !at_end(r))
            number = take_number(r, &is_float);
        if (dtype == CZ_DTYPE_INT64 && !random && !iota)
            put(&raw, &integer, sizeof integer);
        else
            put_element(&raw, dtype, iota ? (double)i : number);
    }
    put_message(&tensor, 9, &raw);
    put_message(&r->graph, 5, &tensor);
}

/* ValueInfoProto: name(1), type(2) */
static void take_info(struct reader *r, unsigned field)
{
    struct buffer info = {0}, type = {0};
    char name[NAME_BYTES];
    take_name(r, name);
    put_text(&info, 1, name);
    if (!at_end(r)) {
        take_type(r, &type);
        put_message(&info, 2, &type);
    }
    put_message(&r->graph, field, &info);
}

/* ---- nodes ------------------------------------------------------------ */

/* AttributeProto: f(2), i(3), floats(7), ints(8), type(20) */
static enum cz_attr_kind take_numbers(struct reader *r, struct buffer *attr)
{
    bool is_list = take(r, '['), is_float = false;
    do {
        const char *start = r->at;
        double number = take_number(r, &is_float);
        if (is_float) {
            put_float(attr, is_list ? 7 : 2, (float)number);
        } else {
            r->at = start;
            put_int(attr, is_list ? 8 : 3, take_int(r));
        }
    } while (take(r, ','));
    if (is_list)
        expect(r, ']');
    if (is_list)
        return is_float ? CZ_ATTR_FLOATS : CZ_ATTR_INTS;
    return is_float ? CZ_ATTR_FLOAT : CZ_ATTR_INT;
}

static void take_statement(struct reader *r);

/* AttributeProto: g(6) */
static enum cz_attr_kind take_graph(struct reader *r, struct buffer *attr)
{
    struct buffer outer = r->graph;
    r->graph = (struct buffer){0};
    put_text(&r->graph, 2, "branch");
    while (!take(r, '}')) {
        if (!*r->at)
            fail_msg("graph text: a brace is open");
        take_statement(r);
    }
    put_message(attr, 6, &r->graph);
    r->graph = outer;
    return CZ_ATTR_GRAPH;
}

/* AttributeProto: name(1), s(4), type(20) */
static void take_attribute(struct reader *r, struct buffer *node)
{
    struct buffer attr = {0};
    enum cz_attr_kind kind = CZ_ATTR_STRING;
    char name[NAME_BYTES];
    take_name(r, name);
    put_text(&attr, 1, name);
    expect(r, '=');
    if (take(r, '"')) {
        size_t length = strcspn(r->at, "\"");
        put_bytes(&attr, 4, r->at, length);
        r->at += length;
        expect(r, '"');
    } else if (take(r, '{')) {
        kind = take_graph(r, &attr);
    } else {
        kind = take_numbers(r, &attr);
    }
    put_int(&attr, 20, kind);
    put_message(node, 5, &attr);
}

/* NodeProto: input(1), output(2), name(3), op_type(4), attribute(5),
 * domain(7) */
static void take_node(struct reader *r)
{
    struct buffer node = {0};
    char name[NAME_BYTES];
    for (bool first = true; !take(r, '='); first = false) {
        take_name(r, name);
        put_text(&node, 2, name);
        if (first)
            put_text(&node, 3, name);
        take(r, ',');
    }
    take_name(r, name);
    char *colons = strstr(name, "::");
    put_text(&node, 4, colons ? colons + 2 : name);
    if (colons) {
        *colons = '\0';
        put_text(&node, 7, name);
    }
    expect(r, '(');
    while (!take(r, ')')) {
        take_name(r, name);
        put_text(&node, 1, name);
        take(r, ',');
    }
    while (!at_end(r))
        take_attribute(r, &node);
    put_message(&r->graph, 1, &node);
}

/* ---- models ----------------------------------------------------------- */

/* StringStringEntryProto: key(1), value(2) */
static void take_metadata(struct reader *r)
{
    struct buffer entry = {0};
    char text[NAME_BYTES];
    take_name(r, text);
    put_text(&entry, 1, text);
    take_name(r, text);
    put_text(&entry, 2, text);
    put_message(&r->metadata, 14, &entry);
}

static void take_statement(struct reader *r)
{
    if (take_word(r, "opset"))
        r->opset = take_int(r);
    else if (take_word(r, "ir"))
        r->ir = take_int(r);
    else if (take_word(r, "meta"))
        take_metadata(r);
    else if (take_word(r, "in"))
        take_info(r, 11);
    else if (take_word(r, "out"))
        take_info(r, 12);
    else if (take_word(r, "info"))
        take_info(r, 13);
    else if (take_word(r, "const"))
        take_constant(r);
    else if (!at_end(r))
        take_node(r);
    if (!at_end(r))
        fail_msg("graph text: too much: %.40s", r->at);
    if (*r->at && *r->at != '}')
        r->at++;
}

static void put_import(struct buffer *model, const char *domain, long version)
{
    struct buffer import = {0};
    put_text(&import, 1, domain);
    put_int(&import, 2, version);
    put_message(model, 8, &import);
}

enum cz_status cz_test_graph_try(struct cz_model **model, const char *text,
                                 struct cz_error *err)
{
    struct reader r = {.at = text, .opset = 17, .ir = VERSION_OF_IR};
    struct buffer proto = {0};
    put_text(&r.graph, 2, "text");
    while (*r.at)
        take_statement(&r);
    put_int(&proto, 1, r.ir);
    put_text(&proto, 2, "graph_text");
    put_message(&proto, 7, &r.graph);
    put_import(&proto, "", r.opset);
    put_import(&proto, "com.example", 1);
    put(&proto, r.metadata.bytes, r.metadata.size);
    cz_free(r.metadata.bytes);
    enum cz_status status =
        cz_model_parse(model, proto.bytes, proto.size, "text", NULL, err);
    cz_free(proto.bytes);
    return status;
}

struct cz_model *cz_test_graph(const char *text)
{
    struct cz_model *model;
    struct cz_error err = CZ_ERROR_INIT;
    if (cz_test_graph_try(&model, text, &err) != CZ_OK)
        fail_msg("%s in:\n%s", err.message, text);
    return model;
}

const char *cz_test_type(struct cz_model *model, const char *value)
{
    static char text[512];
    const struct cz_value *v = cz_test_value(model, value);
    size_t n =
        (size_t)snprintf(text, sizeof text, "%s", cz_dtype_name(v->dtype));
    if (!v->shape.known)
        return text;
    n += (size_t)snprintf(text + n, sizeof text - n, "[");
    for (size_t i = 0; i < v->shape.rank; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, i ? "," : "");
        if (v->shape.dims[i] < 0)
            n += (size_t)snprintf(text + n, sizeof text - n, "?");
        else
            n += (size_t)snprintf(text + n, sizeof text - n, "%lld",
                                  (long long)v->shape.dims[i]);
    }
    snprintf(text + n, sizeof text - n, "]");
    return text;
}

static void infer_row(const struct cz_test_row *row)
{
    struct cz_error err = CZ_ERROR_INIT;
    struct cz_model *model = cz_test_graph(row->text);
    if (cz_graph_infer(cz_model_graph(model), &err) != CZ_OK)
        fail_msg("%s in:\n%s", err.message, row->text);
    const char *type = cz_test_type(model, "y");
    if (strcmp(type, row->type) != 0)
        fail_msg("y is %s, want %s in:\n%s", type, row->type, row->text);
    cz_model_free(model);
}

void cz_test_infer_rows(const struct cz_test_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        infer_row(&rows[i]);
}
