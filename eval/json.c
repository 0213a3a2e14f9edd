/* yajl takes memory functions, but never looks at what they give: it writes to
 * NULL where memory is short. So ours do not return then; they jump back to
 * where yajl was called. Its memory is in a list of ours, from which it is
 * freed, whatever state the parser was left in. */
#include "eval/json_internal.h"

#include <stdalign.h>
#include <stdint.h>

#include "core/alloc.h"

/* Before each of yajl's pieces of memory. */
struct cz_json_block {
    alignas(max_align_t) struct cz_json_block *next;
    struct cz_json_block **link; /* what points here */
};

/* A new block, or a larger `old` one; does not return without memory. */
static void *resize(struct cz_json *json, struct cz_json_block *old,
                    size_t size)
{
    struct cz_json_block *block = NULL;
    if (size <= SIZE_MAX - sizeof *block)
        block = cz_realloc_array(old, 1, sizeof *block + size);
    if (!block)
        longjmp(json->no_memory, 1);
    if (!old) {
        block->next = json->blocks;
        block->link = &json->blocks;
    }
    *block->link = block;
    if (block->next)
        block->next->link = &block->next;
    return block + 1;
}

static struct cz_json_block *block_of(void *memory)
{
    return memory ? (struct cz_json_block *)memory - 1 : NULL;
}

static void *yajl_malloc(void *json, size_t size)
{
    return resize(json, NULL, size);
}

static void *yajl_realloc(void *json, void *memory, size_t size)
{
    return resize(json, block_of(memory), size);
}

static void free_block(void *json, void *memory)
{
    struct cz_json_block *block = block_of(memory);
    (void)json;
    if (!block)
        return;
    *block->link = block->next;
    if (block->next)
        block->next->link = block->link;
    cz_free(block);
}

bool cz_json_open(struct cz_json *json, const yajl_callbacks *callbacks,
                  void *context)
{
    json->parser = NULL;
    json->blocks = NULL;
    yajl_alloc_funcs memory = {yajl_malloc, yajl_realloc, free_block, json};
    if (setjmp(json->no_memory))
        return false;
    json->parser = yajl_alloc(callbacks, &memory, context);
    return json->parser;
}

void cz_json_close(struct cz_json *json)
{
    while (json->blocks)
        free_block(json, json->blocks + 1);
}

enum cz_json_result cz_json_feed(struct cz_json *json, const void *bytes,
                                 size_t size)
{
    if (setjmp(json->no_memory))
        return CZ_JSON_NO_MEMORY;
    switch (size ? yajl_parse(json->parser, bytes, size)
                 : yajl_complete_parse(json->parser)) {
    case yajl_status_ok:
        return CZ_JSON_OK;
    case yajl_status_client_canceled:
        return CZ_JSON_ENDED;
    default:
        return CZ_JSON_SYNTAX;
    }
}

size_t cz_json_consumed(const struct cz_json *json)
{
    return yajl_get_bytes_consumed(json->parser);
}
