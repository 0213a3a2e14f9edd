/* Packed weights in large blocks of huge pages.
 *
 * A block has far more addresses than most models need: those that nobody
 * touches cost nothing, and cz_store_close() gives them back. */
#include <string.h>

#include "core/alloc.h"
#include "core/checked.h"
#include "core/sizes.h"
#include "engine/simd_internal.h"
#include "engine/storage_internal.h"

#define BLOCK_BYTES ((size_t)64 << 20)

struct block {
    struct block *next;
    char *pages;
    size_t size, used;
    size_t dirty;  /* bytes that were in use once, and are not zero any more */
    size_t before; /* in use in the blocks behind `next` */
};

struct cz_store {
    struct block *head;
};

struct cz_store *cz_store_new(void)
{
    return cz_calloc(1, sizeof(struct cz_store));
}

static void drop_head(struct cz_store *store)
{
    struct block *block = store->head;
    store->head = block->next;
    cz_pages_free(block->pages, block->size, 0);
    cz_free(block);
}

void cz_store_free(struct cz_store *store)
{
    while (store && store->head)
        drop_head(store);
    cz_free(store);
}

static struct block *add_block(struct cz_store *store, size_t bytes)
{
    struct block *block = cz_calloc(1, sizeof *block);
    if (!block)
        return NULL;
    block->size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    block->pages = cz_pages_alloc(block->size);
    if (!block->pages) {
        cz_free(block);
        return NULL;
    }
    block->before = cz_store_bytes(store);
    block->next = store->head;
    store->head = block;
    return block;
}

float *cz_store_floats(struct cz_store *store, size_t count)
{
    const size_t unit = CZ_SIMD_ALIGN_BYTES;
    size_t bytes;
    if (!store || !cz_mul_size(count, sizeof(float), &bytes) ||
        !cz_add_size(bytes, unit - 1, &bytes))
        return NULL;
    bytes -= bytes % unit;
    struct block *block = store->head;
    if (!block || block->size - block->used < bytes)
        block = add_block(store, bytes);
    if (!block)
        return NULL;
    char *floats = block->pages + block->used;
    if (block->dirty > block->used)
        memset(floats, 0, cz_least(bytes, block->dirty - block->used));
    block->used += bytes;
    return (float *)(void *)floats;
}

size_t cz_store_bytes(const struct cz_store *store)
{
    return store && store->head ? store->head->before + store->head->used : 0;
}

void cz_store_rewind(struct cz_store *store, size_t bytes)
{
    while (store->head && store->head->before >= bytes && store->head->next)
        drop_head(store);
    struct block *block = store->head;
    if (!block)
        return;
    block->dirty = block->used > block->dirty ? block->used : block->dirty;
    block->used = bytes - block->before;
}

void cz_store_close(struct cz_store *store)
{
    while (store->head && store->head->used == 0)
        drop_head(store);
    for (struct block *block = store->head; block; block = block->next) {
        cz_pages_free(block->pages, block->size, block->used);
        block->size = block->used;
    }
}
