/* Parallel loops on POSIX threads. */
#include "core/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

struct loop {
    atomic_size_t next;
    size_t count;
    void (*work)(void *user, size_t i);
    void *user;
};

static void *run_loop(void *argument)
{
    struct loop *loop = argument;
    size_t i;
    while ((i = atomic_fetch_add(&loop->next, 1)) < loop->count)
        loop->work(loop->user, i);
    return NULL;
}

void cz_parallel_for(size_t count, size_t threads,
                     void (*work)(void *user, size_t i), void *user)
{
    struct loop loop = {.count = count, .work = work, .user = user};
    if (threads == 0)
        threads = cz_cpu_count();
    if (threads > count)
        threads = count;
    if (threads > CZ_THREADS_MAX)
        threads = CZ_THREADS_MAX;

    pthread_t helpers[CZ_THREADS_MAX];
    size_t started = 0;
    while (started + 1 < threads &&
           pthread_create(&helpers[started], NULL, run_loop, &loop) == 0)
        started++;
    run_loop(&loop);
    for (size_t i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
}
