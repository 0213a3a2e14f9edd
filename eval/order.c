/* Counting sort, and a radix sort for scores (least significant byte first:
 * Knuth, The Art of Computer Programming 3, section 5.2.5). */
#include "eval/order_internal.h"

#include <stdbool.h>
#include <string.h>

void cz_order_by_key(uint32_t *places, size_t count, const uint32_t *keys,
                     size_t n_keys, uint32_t *scratch, size_t *starts)
{
    memset(starts, 0, (n_keys + 1) * sizeof *starts);
    for (size_t i = 0; i < count; i++)
        starts[keys[places[i]] + 1]++;
    for (size_t k = 0; k < n_keys; k++)
        starts[k + 1] += starts[k];
    for (size_t i = 0; i < count; i++)
        scratch[starts[keys[places[i]]]++] = places[i];
    if (count)
        memcpy(places, scratch, count * sizeof *places);
    /* Each start has moved on to the next one's. */
    memmove(starts + 1, starts, n_keys * sizeof *starts);
    starts[0] = 0;
}

uint64_t cz_score_key(double score)
{
    uint64_t bits;
    score = -score + 0.0; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static void insertion_sort(struct cz_scored *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct cz_scored item = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].key > item.key; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

#define RADIX_BITS 8
#define RADIX (1u << RADIX_BITS)
#define FEW 64 /* below, insertion is faster */

static size_t digit(uint64_t key, size_t pass)
{
    return key >> (pass * RADIX_BITS) & (RADIX - 1);
}

/* False where all items have the same digit: there is nothing to do. */
static bool radix_pass(struct cz_scored *to, const struct cz_scored *from,
                       size_t count, size_t pass)
{
    size_t starts[RADIX + 1] = {0};
    for (size_t i = 0; i < count; i++)
        starts[digit(from[i].key, pass) + 1]++;
    if (starts[digit(from[0].key, pass) + 1] == count)
        return false;
    for (size_t d = 0; d < RADIX; d++)
        starts[d + 1] += starts[d];
    for (size_t i = 0; i < count; i++)
        to[starts[digit(from[i].key, pass)]++] = from[i];
    return true;
}

void cz_order_by_score(struct cz_scored *items, size_t count,
                       struct cz_scored *scratch)
{
    struct cz_scored *from = items, *to = scratch;
    if (count <= FEW) {
        insertion_sort(items, count);
        return;
    }
    for (size_t pass = 0; pass < 64 / RADIX_BITS; pass++) {
        if (radix_pass(to, from, count, pass)) {
            struct cz_scored *sorted = to;
            to = from;
            from = sorted;
        }
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}
