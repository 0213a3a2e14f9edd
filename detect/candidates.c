/* Candidates: collected, the best chosen, sorted. A radix sort, since there
 * are up to 30,000 of them in each frame, and only those digits that differ. */
#include <string.h>

#include "core/alloc.h"
#include "detect/boxes_internal.h"

#define DIGIT_BITS 11
#define DIGITS 6 /* of 64 bits */
#define BUCKETS (1U << DIGIT_BITS)
/* The upper bits of a key: sign, exponent and 7 bits of the score. */
#define COARSE_BITS 16

/* ---- memory ----------------------------------------------------------- */

enum cz_status cz_boxes_prepare(struct cz_boxes *boxes, struct cz_error *err)
{
    if (!boxes->memory)
        boxes->memory = cz_calloc(1, sizeof *boxes->memory);
    if (!boxes->memory)
        return cz_error_nomem(err);
    boxes->memory->keys.count = 0;
    boxes->count = 0;
    boxes->not_finite = 0;
    boxes->above_one = 0;
    boxes->final = false;
    return CZ_OK;
}

void cz_boxes_fini(struct cz_boxes *boxes)
{
    struct cz_box_memory *m = boxes->memory;
    cz_free(boxes->items);
    if (m) {
        cz_free(m->keys.items);
        cz_free(m->spare);
        cz_free(m->widened);
        cz_free(m->seen);
        cz_free(m->kept);
        cz_free(m->chains);
    }
    cz_free(m);
    *boxes = (struct cz_boxes){0};
}

enum cz_status cz_reserve(void *array, size_t *capacity, size_t count,
                          size_t size, struct cz_error *err)
{
    void *old, *grown;
    if (count <= *capacity)
        return CZ_OK;
    memcpy(&old, array, sizeof old);
    grown = cz_realloc_array(old, count, size);
    if (!grown)
        return cz_error_nomem(err);
    memcpy(array, &grown, sizeof grown);
    *capacity = count;
    return CZ_OK;
}

enum cz_status cz_keys_add(struct cz_keys *keys, float score, uint32_t order,
                           struct cz_error *err)
{
    if (keys->count == keys->capacity) {
        void *grown = cz_array_grow(keys->items, keys->count, &keys->capacity,
                                    sizeof *keys->items);
        if (!grown)
            return cz_error_nomem(err);
        keys->items = grown;
    }
    keys->items[keys->count++] = cz_key_make(score, order);
    return CZ_OK;
}

/* ---- choosing --------------------------------------------------------- */

/* Drops all that are certain not to be among the `limit` first: those beyond
 * the coarse value at which so many are reached. */
static void drop_last(struct cz_keys *keys, size_t *counts, size_t limit)
{
    size_t sum = 0, end = 0, kept = 0;
    memset(counts, 0, sizeof *counts << COARSE_BITS);
    for (size_t i = 0; i < keys->count; i++)
        counts[keys->items[i] >> (64 - COARSE_BITS)]++;
    while (sum < limit)
        sum += counts[end++];
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->items[i] >> (64 - COARSE_BITS) < end)
            keys->items[kept++] = keys->items[i];
    }
    keys->count = kept;
}

/* ---- sorting ---------------------------------------------------------- */

static unsigned digit(uint64_t key, unsigned d)
{
    return (unsigned)(key >> (d * DIGIT_BITS)) & (BUCKETS - 1);
}

static void count_digits(uint32_t counts[DIGITS][BUCKETS],
                         const struct cz_keys *keys)
{
    memset(counts, 0, sizeof(uint32_t[DIGITS][BUCKETS]));
    for (size_t i = 0; i < keys->count; i++) {
        for (unsigned d = 0; d < DIGITS; d++)
            counts[d][digit(keys->items[i], d)]++;
    }
}

/* The first position of each digit. */
static void to_positions(uint32_t counts[BUCKETS])
{
    uint32_t sum = 0;
    for (unsigned b = 0; b < BUCKETS; b++) {
        uint32_t count = counts[b];
        counts[b] = sum;
        sum += count;
    }
}

static enum cz_status sort(struct cz_box_memory *memory, struct cz_error *err)
{
    struct cz_keys *keys = &memory->keys;
    uint32_t counts[DIGITS][BUCKETS];
    CZ_TRY(cz_reserve(&memory->spare, &memory->spare_capacity, keys->capacity,
                      sizeof *memory->spare, err));
    count_digits(counts, keys);
    for (unsigned d = 0; d < DIGITS && keys->count; d++) {
        if (counts[d][digit(keys->items[0], d)] == keys->count)
            continue; /* all the same */
        uint64_t *from = keys->items, *to = memory->spare;
        to_positions(counts[d]);
        for (size_t i = 0; i < keys->count; i++)
            to[counts[d][digit(from[i], d)]++] = from[i];
        keys->items = to;
        memory->spare = from;
        size_t capacity = keys->capacity;
        keys->capacity = memory->spare_capacity;
        memory->spare_capacity = capacity;
    }
    return CZ_OK;
}

/* ---- one class for each anchor ---------------------------------------- */

static enum cz_status keep_first_of_anchor(struct cz_box_memory *memory,
                                           size_t classes, struct cz_error *err)
{
    struct cz_keys *keys = &memory->keys;
    size_t anchors = 0, kept = 0;
    for (size_t i = 0; i < keys->count; i++) {
        size_t anchor = cz_key_order(keys->items[i]) / classes;
        anchors = anchor < anchors ? anchors : anchor + 1;
    }
    size_t words = anchors / 64 + 1;
    CZ_TRY(cz_reserve(&memory->seen, &memory->seen_capacity, words,
                      sizeof *memory->seen, err));
    memset(memory->seen, 0, words * sizeof *memory->seen);
    for (size_t i = 0; i < keys->count; i++) {
        size_t anchor = cz_key_order(keys->items[i]) / classes;
        uint64_t *word = &memory->seen[anchor / 64], bit = 1ULL << anchor % 64;
        if (!(*word & bit))
            keys->items[kept++] = keys->items[i];
        *word |= bit;
    }
    keys->count = kept;
    return CZ_OK;
}

enum cz_status cz_keys_best(struct cz_box_memory *memory, size_t limit,
                            size_t classes, struct cz_error *err)
{
    struct cz_keys *keys = &memory->keys;
    if (keys->count > limit && limit && !classes) {
        CZ_TRY(cz_reserve(&memory->kept, &memory->kept_capacity,
                          sizeof(size_t) << COARSE_BITS, 1, err));
        drop_last(keys, memory->kept, limit);
    }
    CZ_TRY(sort(memory, err));
    if (classes)
        CZ_TRY(keep_first_of_anchor(memory, classes, err));
    if (keys->count > limit)
        keys->count = limit;
    return CZ_OK;
}
