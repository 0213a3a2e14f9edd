/* Sorted ids: no assumption on their size or density, no worst case. */
#include "eval/ids_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/alloc.h"

enum cz_status cz_ids_add(struct cz_ids *ids, int64_t id, struct cz_error *err)
{
    struct cz_id *grown =
        cz_array_grow(ids->items, ids->count, &ids->capacity, sizeof *grown);
    if (!grown)
        return cz_error_nomem(err);
    ids->items = grown;
    ids->items[ids->count] = (struct cz_id){id, (uint32_t)ids->count};
    ids->count++;
    return CZ_OK;
}

static int compare(const void *a, const void *b)
{
    int64_t x = ((const struct cz_id *)a)->id;
    int64_t y = ((const struct cz_id *)b)->id;
    return (x > y) - (x < y);
}

enum cz_status cz_ids_sort(struct cz_ids *ids, const char *noun,
                           struct cz_error *err)
{
    if (ids->count)
        qsort(ids->items, ids->count, sizeof *ids->items, compare);
    for (size_t i = 1; i < ids->count; i++) {
        if (ids->items[i].id == ids->items[i - 1].id)
            return cz_error_set(err, CZ_EINVAL,
                                "%s id %" PRId64 " is there twice", noun,
                                ids->items[i].id);
    }
    return CZ_OK;
}

uint32_t cz_ids_find(const struct cz_ids *ids, int64_t id)
{
    size_t low = 0, high = ids->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ids->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ids->count && ids->items[low].id == id ? ids->items[low].place
                                                        : CZ_ID_NONE;
}

void cz_ids_fini(struct cz_ids *ids)
{
    cz_free(ids->items);
    *ids = (struct cz_ids){.items = NULL};
}
