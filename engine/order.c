/* The order of elements of any type, as numbers; and a heap of them.
 *
 * The bits of IEEE numbers, with the sign bit of positive ones set and all bits
 * of negative ones turned, are unsigned integers in the same order. */
#include <string.h>

#include "engine/element_internal.h"

#define SIGN_32 ((uint32_t)1 << 31)
#define SIGN_64 ((uint64_t)1 << 63)

static uint64_t key_of_float(float x)
{
    uint32_t bits;
    if (x != x)
        return UINT64_MAX;
    x += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits & SIGN_32 ? ~bits : bits | SIGN_32;
}

static uint64_t key_of_double(double x)
{
    uint64_t bits;
    if (x != x)
        return UINT64_MAX;
    x += 0.0;
    memcpy(&bits, &x, sizeof bits);
    return bits & SIGN_64 ? ~bits : bits | SIGN_64;
}

static uint64_t key_of_narrow(int32_t x)
{
    return (uint32_t)x ^ SIGN_32;
}

static uint64_t key_of_wide(int64_t x)
{
    return (uint64_t)x ^ SIGN_64;
}

#define KEYS(type, key)                                                        \
    for (size_t i = 0; i < count; i++) {                                       \
        const type x = ((const type *)elements)[i * stride];                   \
        keys[i] = key;                                                         \
    }                                                                          \
    break

static void ascending_keys(uint64_t *keys, enum cz_dtype dtype,
                           const void *elements, size_t stride, size_t count)
{
    switch (dtype) {
    case CZ_DTYPE_FLOAT:
        KEYS(float, key_of_float(x));
    case CZ_DTYPE_DOUBLE:
        KEYS(double, key_of_double(x));
    case CZ_DTYPE_INT8:
        KEYS(int8_t, key_of_narrow(x));
    case CZ_DTYPE_INT16:
        KEYS(int16_t, key_of_narrow(x));
    case CZ_DTYPE_INT32:
        KEYS(int32_t, key_of_narrow(x));
    case CZ_DTYPE_INT64:
        KEYS(int64_t, key_of_wide(x));
    case CZ_DTYPE_UINT16:
        KEYS(uint16_t, x);
    case CZ_DTYPE_UINT32:
        KEYS(uint32_t, x);
    case CZ_DTYPE_UINT64:
        KEYS(uint64_t, x);
    default:
        KEYS(uint8_t, x);
    }
}

void cz_order_keys(uint64_t *keys, struct cz_order order, const void *elements,
                   size_t stride, size_t count)
{
    const bool has_nan = cz_dtype_is_float(order.dtype);
    ascending_keys(keys, order.dtype, elements, stride, count);
    /* No number has the key 0, so that NaN stays the largest. */
    for (size_t i = 0; order.is_descending && i < count; i++) {
        if (!has_nan || keys[i] != UINT64_MAX)
            keys[i] = ~keys[i];
    }
}

/* ---- heaps ------------------------------------------------------------ */

static bool is_before(struct cz_ranked a, struct cz_ranked b)
{
    return a.key < b.key || (a.key == b.key && a.index < b.index);
}

static void sift_down(struct cz_ranked *items, size_t count, size_t at)
{
    const struct cz_ranked item = items[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_before(items[child + 1], items[child]))
            child++;
        if (!is_before(items[child], item))
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = item;
}

void cz_ranked_heapify(struct cz_ranked *items, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(items, count, i);
}

struct cz_ranked cz_ranked_pop(struct cz_ranked *items, size_t *count)
{
    const struct cz_ranked first = items[0];
    items[0] = items[--*count];
    if (*count)
        sift_down(items, *count, 0);
    return first;
}
