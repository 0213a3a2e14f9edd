/* Parallel loops, and how many cores there are. */
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/parallel.h"
#include "tests/support/support.h"

#define ITEMS 1000

struct visits {
    atomic_int of[ITEMS];
    atomic_int in_order; /* -1 once an item came before a smaller one */
    atomic_int inside, most_inside;
};

static void visit(void *user, size_t i)
{
    struct visits *visits = user;
    atomic_fetch_add(&visits->of[i], 1);
}

static void calls_every_index_exactly_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, 100, ITEMS};
    for (size_t threads = 0; threads <= 8; threads++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            struct visits visits = {0};
            cz_parallel_for(counts[c], threads, visit, &visits);
            for (size_t i = 0; i < ITEMS; i++)
                assert_int_equal(visits.of[i], i < counts[c]);
        }
}

static void takes_more_threads_than_it_has_room_for(void **state)
{
    (void)state;
    struct visits visits = {0};
    cz_parallel_for(ITEMS, 100000, visit, &visits);
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(visits.of[i], 1);
}

static void check_order(void *user, size_t i)
{
    struct visits *visits = user;
    if (atomic_load(&visits->in_order) != (int)i)
        atomic_store(&visits->in_order, -1);
    else
        atomic_store(&visits->in_order, (int)i + 1);
}

static void works_in_order_with_one_thread(void **state)
{
    (void)state;
    struct visits visits = {0};
    cz_parallel_for(ITEMS, 1, check_order, &visits);
    assert_int_equal(visits.in_order, ITEMS);
}

static void stay_inside(void *user, size_t i)
{
    struct visits *visits = user;
    int inside = atomic_fetch_add(&visits->inside, 1) + 1;
    int most = atomic_load(&visits->most_inside);
    while (inside > most &&
           !atomic_compare_exchange_weak(&visits->most_inside, &most, inside))
        ;
    atomic_fetch_add(&visits->of[i], 1);
    usleep(1000);
    atomic_fetch_sub(&visits->inside, 1);
}

static void works_in_as_many_threads_as_asked_for(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 3; threads++) {
        struct visits visits = {0};
        cz_parallel_for(60, threads, stay_inside, &visits);
        assert_in_range(visits.most_inside, 1, threads);
        if (threads > 1)
            assert_true(visits.most_inside > 1);
        assert_int_equal(visits.inside, 0);
    }
}

static void counts_the_cores_it_may_run_on(void **state)
{
    (void)state;
    cpu_set_t all, one;
    size_t cores = cz_cpu_count();
    assert_true(cores >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cz_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(cz_cpu_count(), cores);
}

/* ---- control groups --------------------------------------------------- */

static void obeys_the_quota_of_a_control_group(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
        size_t limit;
    } rows[] = {
        {"cpu.max", "max 100000\n", 8},    {"cpu.max", "200000 100000\n", 2},
        {"cpu.max", "150000 100000\n", 2}, {"cpu.max", "1 100000\n", 1},
        {"cpu.max", "garbage\n", 8},       {"cpu.max", "", 8},
        {"cpu.max", "-5 100000\n", 8},     {"cpu.max", "100000 0\n", 8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = cz_test_folder_new();
        cz_test_file_write(cz_test_path(folder, rows[i].file), rows[i].text,
                           strlen(rows[i].text));
        assert_int_equal(cz_cgroup_limit(folder, 8), rows[i].limit);
        cz_test_folder_remove(folder);
    }
}

static void obeys_the_quota_of_a_group_of_version_1(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    cz_test_file_write(cz_test_path(folder, "cpu.cfs_quota_us"), "300000\n", 7);
    assert_int_equal(cz_cgroup_limit(folder, 8), 8);
    cz_test_file_write(cz_test_path(folder, "cpu.cfs_period_us"), "100000\n",
                       7);
    assert_int_equal(cz_cgroup_limit(folder, 8), 3);
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(obeys_the_quota_of_a_control_group),
        cmocka_unit_test(obeys_the_quota_of_a_group_of_version_1),
        cmocka_unit_test(calls_every_index_exactly_once),
        cmocka_unit_test(takes_more_threads_than_it_has_room_for),
        cmocka_unit_test(works_in_order_with_one_thread),
        cmocka_unit_test(works_in_as_many_threads_as_asked_for),
        cmocka_unit_test(counts_the_cores_it_may_run_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
