/* Time. */
#ifndef CZ_CORE_CLOCK_H
#define CZ_CORE_CLOCK_H

#include <time.h>

/* Milliseconds of a clock that only goes forward. */
static inline double cz_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Milliseconds of processor time that the calling thread has used. */
static inline double cz_thread_cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

#endif
