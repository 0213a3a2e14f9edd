/* Memory that kernels ask for while they are prepared: a place for the weights
 * that they pack, and working memory that they share. */
#ifndef CZ_ENGINE_STORAGE_INTERNAL_H
#define CZ_ENGINE_STORAGE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

/* ---- packed weights --------------------------------------------------- */

/* Blocks of all steps of a plan, one behind the other in huge pages. */
struct cz_store;

struct cz_store *cz_store_new(void);
void cz_store_free(struct cz_store *store);

/* Zeroed floats from a multiple of CZ_SIMD_ALIGN_BYTES on, which stay until the
 * store is freed or rewound; NULL without memory. */
float *cz_store_floats(struct cz_store *store, size_t count);

/* The bytes in use, and the way back to a moment when there were fewer. */
size_t cz_store_bytes(const struct cz_store *store);
void cz_store_rewind(struct cz_store *store, size_t bytes);

/* Gives back the pages that are not in use; nothing more will be asked for. */
void cz_store_close(struct cz_store *store);

/* ---- working memory --------------------------------------------------- */

/* One slot for each thread, lent to an item of a loop at a time. The steps of a
 * plan take turns, so that one set serves all of them, and stays in the cache
 * between them. */
struct cz_scratch;

struct cz_scratch *cz_scratch_new(size_t threads);
void cz_scratch_free(struct cz_scratch *scratch);

/* Sees that a slot has at least `count` floats; to be called while none is
 * lent. False without memory: then the slots are as large as before. */
bool cz_scratch_reserve(struct cz_scratch *scratch, size_t count);

/* A free slot, aligned as above, its content undefined; waits for one where
 * callers outnumber the threads. */
float *cz_scratch_take(struct cz_scratch *scratch);
void cz_scratch_give(struct cz_scratch *scratch, const float *slot);

#endif
