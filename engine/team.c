/* Parallel loops of a frame: OpenMP's threads, which oneDNN uses too, so that
 * two pools never wait for each other. Where the compiler has no OpenMP (or a
 * sanitizer could not see into it), POSIX threads. */
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/parallel.h"
#include "engine/plan_internal.h"

void cz_team_use(const struct cz_exec *exec)
{
#ifdef _OPENMP
    omp_set_num_threads((int)exec->threads);
#else
    (void)exec;
#endif
}

void cz_team_for(const struct cz_exec *exec, size_t count,
                 void (*work)(void *user, size_t i), void *user)
{
#ifdef _OPENMP
    if (count > 1 && exec->threads > 1) {
        const int threads = (int)exec->threads;
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t i = 0; i < count; i++)
            work(user, i);
        return;
    }
    for (size_t i = 0; i < count; i++)
        work(user, i);
#else
    cz_parallel_for(count, exec->threads, work, user);
#endif
}
