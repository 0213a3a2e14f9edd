/* The threads of a plan: loops cover each index once, whatever the number of
 * threads and items. */
#include <stdatomic.h>
#include <time.h>

#include "engine/team_internal.h"
#include "tests/support/support.h"

#define ITEMS_MAX 1000
#define LOOPS 100000

static const size_t thread_counts[] = {1, 2, 3, 8};
#define THREAD_COUNTS (sizeof thread_counts / sizeof *thread_counts)

struct tally {
    unsigned char seen[ITEMS_MAX]; /* each written by one thread at a time */
    size_t count;
};

static void count_item(void *user, size_t i)
{
    struct tally *tally = user;
    assert_true(i < tally->count);
    tally->seen[i]++;
}

static void expect_each_once(const struct cz_exec *exec, size_t count)
{
    struct tally tally = {.count = count};
    cz_team_for(exec, count, count_item, &tally);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        assert_int_equal(tally.seen[i], i < count);
}

static void for_each_team(void (*check)(const struct cz_exec *exec))
{
    for (size_t i = 0; i < THREAD_COUNTS; i++) {
        struct cz_exec exec = {.threads = thread_counts[i],
                               .team = cz_team_new(thread_counts[i])};
        assert_int_equal(exec.team == NULL, thread_counts[i] == 1);
        check(&exec);
        cz_team_free(exec.team);
    }
}

/* 0 and 1 items, fewer than threads, as many, more. */
static void check_counts(const struct cz_exec *exec)
{
    static const size_t counts[] = {0,  1,  2,  3,  7,   8,   9,   15,
                                    16, 17, 63, 64, 100, 999, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        expect_each_once(exec, counts[i]);
}

static void covers_each_index_once(void **state)
{
    (void)state;
    for_each_team(check_counts);
}

struct sum {
    atomic_size_t total;
};

static void add_index(void *user, size_t i)
{
    struct sum *sum = user;
    atomic_fetch_add_explicit(&sum->total, i + 1, memory_order_relaxed);
}

/* Of 0 to 12 items, one right after the other: workers are still awake. */
static void check_short_loops(const struct cz_exec *exec)
{
    for (size_t i = 0; i < LOOPS; i++) {
        const size_t count = i % 13;
        struct sum sum = {0};
        cz_team_for(exec, count, add_index, &sum);
        if (sum.total != count * (count + 1) / 2)
            fail_msg("loop %zu of %zu items: the sum is %zu", i, count,
                     (size_t)sum.total);
    }
}

static void runs_many_short_loops_in_a_row(void **state)
{
    (void)state;
    for_each_team(check_short_loops);
}

/* Plain writes of one loop are seen by the next, which reads what other
 * threads wrote. */
struct relay {
    size_t from[ITEMS_MAX], to[ITEMS_MAX];
};

static void pass_on(void *user, size_t i)
{
    struct relay *relay = user;
    relay->to[i] = relay->from[ITEMS_MAX - 1 - i] + 1;
}

static void pass_back(void *user, size_t i)
{
    struct relay *relay = user;
    relay->from[i] = relay->to[ITEMS_MAX - 1 - i] + 1;
}

static void check_relay(const struct cz_exec *exec)
{
    static struct relay relay;
    relay = (struct relay){{0}, {0}};
    for (size_t i = 0; i < 100; i++) {
        cz_team_for(exec, ITEMS_MAX, pass_on, &relay);
        cz_team_for(exec, ITEMS_MAX, pass_back, &relay);
    }
    for (size_t i = 0; i < ITEMS_MAX; i++)
        assert_int_equal(relay.from[i], 200);
}

static void shows_each_loop_what_the_last_one_wrote(void **state)
{
    (void)state;
    for_each_team(check_relay);
}

/* Long enough for workers to fall asleep in between. */
static void wakes_workers_that_sleep(void **state)
{
    (void)state;
    const struct timespec nap = {.tv_nsec = 2000000};
    struct cz_exec exec = {.threads = 3, .team = cz_team_new(3)};
    for (size_t i = 0; i < 20; i++) {
        nanosleep(&nap, NULL);
        expect_each_once(&exec, 50);
    }
    cz_team_free(exec.team);
}

static void starts_and_stops_without_a_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++)
        cz_team_free(cz_team_new(i % 9));
    cz_team_free(NULL);
}

static void does_without_a_team(void **state)
{
    (void)state;
    const struct cz_exec exec = {.threads = 4};
    check_counts(&exec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_each_index_once),
        cmocka_unit_test(runs_many_short_loops_in_a_row),
        cmocka_unit_test(shows_each_loop_what_the_last_one_wrote),
        cmocka_unit_test(wakes_workers_that_sleep),
        cmocka_unit_test(starts_and_stops_without_a_loop),
        cmocka_unit_test(does_without_a_team),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
