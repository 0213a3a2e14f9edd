/* Stable sorting in linear time. */
#ifndef CZ_EVAL_ORDER_INTERNAL_H
#define CZ_EVAL_ORDER_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* Puts places[count] into the order of keys[place], smallest first, equal ones
 * staying as they are. keys are below n_keys. scratch: [count]; starts:
 * [n_keys + 1], afterwards starts[k] is where key k begins. */
void cz_order_by_key(uint32_t *places, size_t count, const uint32_t *keys,
                     size_t n_keys, uint32_t *scratch, size_t *starts);

struct cz_scored {
    uint64_t key; /* cz_score_key() */
    uint32_t place;
};

/* Rises as the score falls; -0 and 0 are equal. Not for NaN. */
uint64_t cz_score_key(double score);

/* Sorts by rising key, equal ones staying as they are. scratch: [count]. */
void cz_order_by_score(struct cz_scored *items, size_t count,
                       struct cz_scored *scratch);

#endif
