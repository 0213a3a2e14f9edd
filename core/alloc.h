/* The heap, and arenas on top of it.
 *
 * All C code allocates here, so that a test can make the nth allocation fail
 * and see that every path of an error is clean. Sizes are products of file
 * contents: the array forms check them for overflow. */
#ifndef CZ_CORE_ALLOC_H
#define CZ_CORE_ALLOC_H

#include <stddef.h>

#include "core/error.h"

/* NULL when memory is short, when count * size overflows, or when the test
 * switch says so. Never returns NULL for a size of 0. */
void *cz_malloc(size_t size);
void *cz_calloc(size_t count, size_t size);

/* Grows or shrinks an array; the old one stays valid when NULL comes back. */
void *cz_realloc_array(void *array, size_t count, size_t size);

/* Room for one element more at array[count]: gives `array`, or a reallocated
 * one of twice the capacity; the old one stays valid when NULL comes back. */
void *cz_array_grow(void *array, size_t count, size_t *capacity, size_t size);

/* A copy of the text; NULL as cz_malloc(). */
char *cz_strdup(const char *text);

void cz_free(void *memory);

/* Zeroed memory at a multiple of `alignment`, a power of two. */
void *cz_aligned_alloc(size_t alignment, size_t size);

/* Zeroed memory in whole pages for what is large and all used, in huge pages
 * where the system has them: a page of 4 KB costs as much as the work on it
 * when it is touched first. */
void *cz_pages_alloc(size_t size);

/* Gives back all but the first `kept` bytes of the `size` that were asked for;
 * all of them with 0. `pages` may be NULL. */
void cz_pages_free(void *pages, size_t size, size_t kept);

/* For tests: the nth allocation from now (1 = the next) and all after it
 * fail; 0 switches the failures off. Returns how many allocations were asked
 * for since the last call. Not thread safe. */
size_t cz_alloc_fail_at(size_t nth);

/* The same, but those after the nth do not fail: for work that goes on another
 * way. */
size_t cz_alloc_fail_only(size_t nth);

/* Many small blocks with one lifetime. Zero-initialise, use, then _fini. */
struct cz_arena {
    struct cz_arena_block *head;
};

/* Zeroed memory for count * size bytes, aligned for any type; NULL as
 * cz_malloc(). */
void *cz_arena_alloc(struct cz_arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of `size` bytes of `text`. */
char *cz_arena_strdup(struct cz_arena *arena, const char *text, size_t size);

/* Room for one more element at array[count]: gives `array`, or a copy of twice
 * the capacity when it is full; NULL as cz_malloc(). */
void *cz_arena_grow(struct cz_arena *arena, void *array, size_t count,
                    size_t *capacity, size_t size);

void cz_arena_fini(struct cz_arena *arena);

/* CZ_ENOMEM with the usual sentence. */
enum cz_status cz_error_nomem(struct cz_error *err);

#endif
