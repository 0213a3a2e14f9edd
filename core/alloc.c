/* The heap behind one door: malloc with overflow checks and a switch that
 * makes allocations fail, and a bump allocator for small long-lived blocks. */
#include "core/alloc.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/checked.h"
#include "core/sizes.h"

/* Of x86-64 and of aarch64 with pages of 4 KB. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static atomic_size_t allocations;
static atomic_size_t failing_from, failing_to; /* 0: none fails */

static int must_fail(void)
{
    size_t nth = atomic_fetch_add(&allocations, 1) + 1;
    size_t from = atomic_load(&failing_from);
    return from != 0 && nth >= from && nth <= atomic_load(&failing_to);
}

static size_t fail_between(size_t from, size_t to)
{
    size_t asked = atomic_exchange(&allocations, 0);
    atomic_store(&failing_to, to);
    atomic_store(&failing_from, from);
    return asked;
}

size_t cz_alloc_fail_at(size_t nth)
{
    return fail_between(nth, SIZE_MAX);
}

size_t cz_alloc_fail_only(size_t nth)
{
    return fail_between(nth, nth);
}

void *cz_malloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *cz_calloc(size_t count, size_t size)
{
    if (must_fail())
        return NULL;
    return count && size ? calloc(count, size) : calloc(1, 1);
}

void *cz_realloc_array(void *array, size_t count, size_t size)
{
    size_t bytes;
    if (must_fail() || !cz_mul_size(count, size, &bytes))
        return NULL;
    return realloc(array, bytes ? bytes : 1);
}

static size_t next_capacity(size_t capacity)
{
    return capacity ? capacity * 2 : 4;
}

void *cz_array_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t doubled = next_capacity(*capacity);
    void *grown = cz_realloc_array(array, doubled, size);
    if (grown)
        *capacity = doubled;
    return grown;
}

char *cz_strdup(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = cz_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

void cz_free(void *memory)
{
    free(memory);
}

void *cz_aligned_alloc(size_t alignment, size_t size)
{
    size_t padded;
    if (must_fail() || !cz_add_size(size, alignment - 1, &padded))
        return NULL;
    void *memory = aligned_alloc(alignment, padded & ~(alignment - 1));
    return memory ? memset(memory, 0, size) : NULL;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *cz_pages_alloc(size_t size)
{
    size_t mapped;
    if (must_fail() || !cz_add_size(size, HUGE_PAGE_BYTES, &mapped) ||
        !cz_add_size(mapped, page_bytes(), &mapped))
        return NULL;
    size = cz_round_up(size ? size : 1, page_bytes());
    mapped = size + HUGE_PAGE_BYTES;
    char *map = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    char *pages = (char *)cz_round_up((size_t)map, HUGE_PAGE_BYTES);
    const size_t before = (size_t)(pages - map);
    if (before)
        munmap(map, before);
    munmap(pages + size, mapped - before - size);
    madvise(pages, size, MADV_HUGEPAGE);
    return pages;
}

void cz_pages_free(void *pages, size_t size, size_t kept)
{
    size = cz_round_up(size ? size : 1, page_bytes());
    kept = cz_round_up(kept, page_bytes());
    if (pages && size > kept)
        munmap((char *)pages + kept, size - kept);
}

enum cz_status cz_error_nomem(struct cz_error *err)
{
    return cz_error_set(err, CZ_ENOMEM, "out of memory");
}

struct cz_arena_block {
    struct cz_arena_block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

#define BLOCK_BYTES ((size_t)64 * 1024)

static struct cz_arena_block *add_block(struct cz_arena *arena, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    size_t total;
    if (!cz_add_size(sizeof(struct cz_arena_block), size, &total))
        return NULL;
    struct cz_arena_block *block = cz_calloc(1, total);
    if (!block)
        return NULL;
    block->size = size;
    block->next = arena->head;
    arena->head = block;
    return block;
}

void *cz_arena_alloc(struct cz_arena *arena, size_t count, size_t size)
{
    const size_t align = alignof(max_align_t);
    size_t bytes;
    if (!cz_mul_size(count, size, &bytes) || bytes > SIZE_MAX - align)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    struct cz_arena_block *block = arena->head;
    if (!block || block->size - block->used < bytes) {
        block = add_block(arena, bytes);
        if (!block)
            return NULL;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memory;
}

char *cz_arena_strdup(struct cz_arena *arena, const char *text, size_t size)
{
    size_t bytes;
    if (!cz_add_size(size, 1, &bytes))
        return NULL;
    char *copy = cz_arena_alloc(arena, bytes, 1);
    if (copy && size)
        memcpy(copy, text, size);
    return copy;
}

void *cz_arena_grow(struct cz_arena *arena, void *array, size_t count,
                    size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t doubled = next_capacity(*capacity);
    void *grown = cz_arena_alloc(arena, doubled, size);
    if (!grown)
        return NULL;
    if (count)
        memcpy(grown, array, count * size);
    *capacity = doubled;
    return grown;
}

void cz_arena_fini(struct cz_arena *arena)
{
    while (arena->head) {
        struct cz_arena_block *next = arena->head->next;
        cz_free(arena->head);
        arena->head = next;
    }
}
