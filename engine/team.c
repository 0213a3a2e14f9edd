/* The threads of a plan, and the loops that they share.
 *
 * Between two loops of a frame a worker spins for a moment, since the next one
 * is microseconds away, and then sleeps on a futex; so does the caller until
 * the last worker is done. The items of a loop are taken a few at a time; when
 * none is left, the caller takes the loop back from the workers that have not
 * begun, so that one which the kernel has put aside delays nobody. No lock is
 * taken. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/team_internal.h"

/* About 50 microseconds. */
#define SPINS 2000
/* Shares of a loop for each thread: small enough to even out, large enough to
 * be worth an atomic addition. */
#define SHARES 8

enum { IDLE, POSTED, BUSY, STOPPED };

struct worker {
    _Alignas(64) atomic_uint state; /* a futex */
    atomic_uint asleep;             /* the worker waits for `state` to change */
    atomic_uint awaited;            /* the caller does */
    pthread_t thread;
    struct cz_team *team;
};

struct cz_team {
    size_t n_workers;
    /* The loop that is posted. */
    void (*work)(void *user, size_t i);
    void *user;
    size_t count, share;
    _Alignas(64) atomic_size_t next;
    struct worker workers[];
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- items ------------------------------------------------------------ */

static void take_items(struct cz_team *team)
{
    const size_t count = team->count, share = team->share;
    for (;;) {
        size_t from =
            atomic_fetch_add_explicit(&team->next, share, memory_order_relaxed);
        if (from >= count)
            return;
        size_t to = count - from < share ? count : from + share;
        for (size_t i = from; i < to; i++)
            team->work(team->user, i);
    }
}

/* ---- workers ---------------------------------------------------------- */

/* Spins until the state is no longer `state`, then sleeps; says so in `flag`.
 */
static void wait_while(struct worker *w, unsigned state, atomic_uint *flag)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&w->state, memory_order_acquire) != state)
            return;
        pause_briefly();
    }
    atomic_store(flag, 1);
    while (atomic_load(&w->state) == state) /* wakes at once if it changed */
        syscall(SYS_futex, &w->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
    atomic_store(flag, 0);
}

static void wake(struct worker *w)
{
    syscall(SYS_futex, &w->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *work_on(void *argument)
{
    struct worker *w = argument;
    for (;;) {
        wait_while(w, IDLE, &w->asleep);
        unsigned state = POSTED;
        if (atomic_compare_exchange_strong(&w->state, &state, BUSY)) {
            take_items(w->team);
            atomic_store(&w->state, IDLE);
            if (atomic_load(&w->awaited))
                wake(w);
        } else if (state == STOPPED) {
            return NULL;
        }
    }
}

static void post(struct worker *w, unsigned state)
{
    atomic_store(&w->state, state);
    if (atomic_load(&w->asleep))
        wake(w);
}

/* Takes the loop back, or waits until the worker has done what it began. */
static void settle(struct worker *w)
{
    unsigned state = POSTED;
    if (atomic_compare_exchange_strong(&w->state, &state, IDLE))
        return;
    wait_while(w, BUSY, &w->awaited);
}

/* ---- the team --------------------------------------------------------- */

struct cz_team *cz_team_new(size_t threads)
{
    size_t n = threads > 1 ? threads - 1 : 0;
    struct cz_team *team =
        n ? cz_aligned_alloc(64, sizeof *team + n * sizeof *team->workers)
          : NULL;
    if (!team)
        return NULL;
    team->n_workers = 0;
    for (size_t i = 0; i < n; i++) {
        struct worker *w = &team->workers[i];
        w->team = team;
        atomic_init(&w->state, IDLE);
        atomic_init(&w->asleep, 0);
        atomic_init(&w->awaited, 0);
        if (pthread_create(&w->thread, NULL, work_on, w) != 0)
            break; /* fewer do as well */
        team->n_workers++;
    }
    return team;
}

void cz_team_free(struct cz_team *team)
{
    for (size_t i = 0; team && i < team->n_workers; i++) {
        post(&team->workers[i], STOPPED);
        pthread_join(team->workers[i].thread, NULL);
    }
    cz_free(team);
}

void cz_team_for(const struct cz_exec *exec, size_t count,
                 void (*work)(void *user, size_t i), void *user)
{
    struct cz_team *team = exec->team;
    if (!team || count < 2) {
        for (size_t i = 0; i < count; i++)
            work(user, i);
        return;
    }
    team->work = work;
    team->user = user;
    team->count = count;
    team->share = count / ((team->n_workers + 1) * SHARES) + 1;
    atomic_store_explicit(&team->next, 0, memory_order_relaxed);
    size_t n = team->n_workers < count - 1 ? team->n_workers : count - 1;
    for (size_t i = 0; i < n; i++)
        post(&team->workers[i], POSTED);
    take_items(team);
    for (size_t i = 0; i < n; i++)
        settle(&team->workers[i]);
}
