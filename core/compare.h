/* Orders for qsort(): rising numbers. None of them is NaN. */
#ifndef CZ_CORE_COMPARE_H
#define CZ_CORE_COMPARE_H

static inline int cz_compare_floats(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static inline int cz_compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
