/* See yaml.h. */
#include "core/yaml.h"

#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"

#define DEPTH_MAX 100
#define FILE_BYTES_MAX ((size_t)64 * 1024 * 1024)

const char *cz_yaml_scalar(const yaml_node_t *node)
{
    if (!node || node->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

/* libyaml takes time by the square of the depth. CZ_OK where it ends in an
 * error: that is found again. */
static enum cz_status check_depth(const char *path, const void *bytes,
                                  size_t size, struct cz_error *err)
{
    yaml_parser_t parser;
    yaml_event_t event = {.type = YAML_NO_EVENT};
    size_t depth = 0, line = 0;
    if (!yaml_parser_initialize(&parser))
        return cz_error_nomem(err);
    yaml_parser_set_input_string(&parser, bytes, size);
    while (depth <= DEPTH_MAX && event.type != YAML_STREAM_END_EVENT &&
           yaml_parser_parse(&parser, &event)) {
        depth += event.type == YAML_SEQUENCE_START_EVENT ||
                 event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT ||
                 event.type == YAML_MAPPING_END_EVENT;
        line = event.start_mark.line + 1;
        const yaml_event_type_t type = event.type;
        yaml_event_delete(&event);
        event.type = type;
    }
    yaml_parser_delete(&parser);
    if (depth <= DEPTH_MAX)
        return CZ_OK;
    return cz_error_set(err, CZ_EPARSE,
                        "%s: line %zu: lists and maps in each other, more "
                        "than %d deep",
                        path, line, DEPTH_MAX);
}

/* Nobody would look at a second document. */
static enum cz_status check_end(yaml_document_t *document,
                                yaml_parser_t *parser, const char *path,
                                struct cz_error *err)
{
    yaml_document_t next;
    const bool is_read = yaml_parser_load(parser, &next);
    const bool is_more = !is_read || yaml_document_get_root_node(&next);
    if (is_read)
        yaml_document_delete(&next);
    if (!is_more)
        return CZ_OK;
    yaml_document_delete(document);
    return cz_error_set(err, CZ_EPARSE,
                        "%s: holds more than one YAML document ('---'); want "
                        "one",
                        path);
}

static enum cz_status parse(yaml_document_t *document, yaml_parser_t *parser,
                            const char *path, struct cz_error *err)
{
    if (yaml_parser_load(parser, document))
        return check_end(document, parser, path, err);
    if (parser->error == YAML_MEMORY_ERROR)
        return cz_error_nomem(err);
    return cz_error_set(
        err, CZ_EPARSE, "%s: line %zu, column %zu: is no YAML here: %s", path,
        parser->problem_mark.line + 1, parser->problem_mark.column + 1,
        parser->problem ? parser->problem : "?");
}

static enum cz_status load(yaml_document_t *document, const char *path,
                           const void *bytes, size_t size, struct cz_error *err)
{
    yaml_parser_t parser;
    CZ_TRY(check_depth(path, bytes, size, err));
    if (!yaml_parser_initialize(&parser))
        return cz_error_nomem(err);
    yaml_parser_set_input_string(&parser, bytes, size);
    const enum cz_status status = parse(document, &parser, path, err);
    yaml_parser_delete(&parser);
    return status;
}

enum cz_status cz_yaml_load(yaml_document_t *document, const char *path,
                            struct cz_error *err)
{
    void *bytes;
    size_t size;
    CZ_TRY(cz_file_load(&bytes, &size, path, FILE_BYTES_MAX, err));
    const enum cz_status status = load(document, path, bytes, size, err);
    cz_free(bytes);
    return status;
}
