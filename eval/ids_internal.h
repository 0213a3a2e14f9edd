/* From ids, which are any 64-bit integers, to places in an array. */
#ifndef CZ_EVAL_IDS_INTERNAL_H
#define CZ_EVAL_IDS_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct cz_id {
    int64_t id;
    uint32_t place;
};

/* Sorted by id. Zero-initialise, _add, _sort, use, _fini. */
struct cz_ids {
    struct cz_id *items; /* [count]; owned */
    size_t count, capacity;
};

#define CZ_ID_NONE UINT32_MAX

/* Appends the id of place `count`. CZ_ENOMEM only. */
enum cz_status cz_ids_add(struct cz_ids *ids, int64_t id, struct cz_error *err);

/* Sorts; CZ_EINVAL where an id is there twice: "image id 7 is there twice",
 * with `noun` "image". */
enum cz_status cz_ids_sort(struct cz_ids *ids, const char *noun,
                           struct cz_error *err);

/* The place of `id`, or CZ_ID_NONE. */
uint32_t cz_ids_find(const struct cz_ids *ids, int64_t id);

void cz_ids_fini(struct cz_ids *ids);

#endif
