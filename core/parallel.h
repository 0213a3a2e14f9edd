/* Threads: one loop over independent items. */
#ifndef CZ_CORE_PARALLEL_H
#define CZ_CORE_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

/* The cores that this process may use, at least 1: CPU affinity, and the CPU
 * quota of its control groups, rounded up. */
size_t cz_cpu_count(void);

/* `limit`, or the smaller quota of the control group whose files (cpu.max, or
 * cpu.cfs_quota_us and cpu.cfs_period_us) are in `folder`. */
size_t cz_cgroup_limit(const char *folder, size_t limit);

/* More threads than this are never started. */
#define CZ_THREADS_MAX 64

/* Calls work(user, i) once for each i in [0, count), from up to `threads`
 * threads, the calling one included (0: cz_cpu_count()). Items are handed out
 * one at a time in order, so put the large ones first. Returns when all are
 * done. With fewer threads than asked for, for want of memory, the work is
 * done all the same. */
void cz_parallel_for(size_t count, size_t threads,
                     void (*work)(void *user, size_t i), void *user);

#endif
