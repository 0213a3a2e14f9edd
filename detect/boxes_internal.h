/* What makes boxes of numbers: candidates, and their memory. */
#ifndef CZ_DETECT_BOXES_INTERNAL_H
#define CZ_DETECT_BOXES_INTERNAL_H

#include "detect/detect.h"

/* A candidate is a number of 64 bits: the higher its score, the lower it is,
 * and among equal scores those of the first anchor, then of the first class,
 * come first. */
static inline uint64_t cz_key_make(float score, uint32_t order)
{
    union {
        float number;
        uint32_t bits;
    } s = {score};
    return (uint64_t)(~s.bits) << 32 | order;
}

static inline float cz_key_score(uint64_t key)
{
    union {
        uint32_t bits;
        float number;
    } s = {~(uint32_t)(key >> 32)};
    return s.number;
}

static inline uint32_t cz_key_order(uint64_t key)
{
    return (uint32_t)key;
}

struct cz_keys {
    uint64_t *items;
    size_t count, capacity;
};

/* What a struct cz_boxes works with. */
struct cz_box_memory {
    struct cz_keys keys;
    uint64_t *spare; /* for sorting */
    size_t spare_capacity;
    float *widened; /* outputs of float16 */
    size_t widened_capacity;
    uint64_t *seen; /* a bit for each anchor */
    size_t seen_capacity;
    void *kept; /* by NMS */
    size_t kept_capacity;
    void *chains;
    size_t chains_capacity;
};

/* boxes->memory, made if it is not there. */
enum cz_status cz_boxes_prepare(struct cz_boxes *boxes, struct cz_error *err);

/* Lets an array hold at least `count` elements of `size` bytes; what was in it
 * is lost. */
enum cz_status cz_reserve(void *array, size_t *capacity, size_t count,
                          size_t size, struct cz_error *err);

/* Adds a candidate; scores are positive. */
enum cz_status cz_keys_add(struct cz_keys *keys, float score, uint32_t order,
                           struct cz_error *err);

/* Keeps the `limit` first and sorts them. With `classes` only the first of
 * each anchor stay, an anchor being order / classes; 0: all. */
enum cz_status cz_keys_best(struct cz_box_memory *memory, size_t limit,
                            size_t classes, struct cz_error *err);

/* Are its corners finite, and in order? */
bool cz_is_box(const struct cz_box *box);

/* 0 where they do not overlap, or have no area. */
double cz_box_iou(const struct cz_box *a, const struct cz_box *b);

#endif
