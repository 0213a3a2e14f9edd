/* Arithmetic on sizes that came from a file: it says when it overflows. */
#ifndef CZ_CORE_CHECKED_H
#define CZ_CORE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *result = a * b, or a + b; false when it does not fit. */
static inline bool cz_mul_size(size_t a, size_t b, size_t *result)
{
    return !__builtin_mul_overflow(a, b, result);
}

static inline bool cz_add_size(size_t a, size_t b, size_t *result)
{
    return !__builtin_add_overflow(a, b, result);
}

/* The number of elements of a tensor, 1 for rank 0; false when a dimension is
 * negative or the product does not fit. */
static inline bool cz_dims_count(const int64_t *dims, size_t rank,
                                 size_t *count)
{
    *count = 1;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0 || !cz_mul_size(*count, (size_t)dims[i], count))
            return false;
    }
    return true;
}

#endif
