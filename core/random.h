/* Random numbers that are the same in every run: SplitMix64 (G. Steele, D. Lea,
 * C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014,
 * figure 15). */
#ifndef CZ_CORE_RANDOM_H
#define CZ_CORE_RANDOM_H

#include <stdint.h>

/* A number that nothing in `z` can be told from: its finalizer. */
static inline uint64_t cz_random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The next one; any state is a seed. */
static inline uint64_t cz_random_next(uint64_t *state)
{
    return cz_random_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* The next one in [0, 1). */
static inline double cz_random_share(uint64_t *state)
{
    return (double)(cz_random_next(state) >> 11) * 0x1p-53;
}

#endif
