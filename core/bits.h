/* The bits of numbers. */
#ifndef CZ_CORE_BITS_H
#define CZ_CORE_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint32_t cz_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float cz_bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
