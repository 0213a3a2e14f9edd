/* Small arithmetic on sizes. */
#ifndef CZ_CORE_SIZES_H
#define CZ_CORE_SIZES_H

#include <stddef.h>

static inline size_t cz_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t cz_most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* a / b, rounded up. */
static inline size_t cz_divide_up(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* The next multiple of `unit` from `a` on. */
static inline size_t cz_round_up(size_t a, size_t unit)
{
    return cz_divide_up(a, unit) * unit;
}

#endif
