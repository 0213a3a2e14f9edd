/* The heap, arenas, and the arithmetic on sizes. */
#include "core/alloc.h"
#include "core/checked.h"
#include "tests/support/support.h"

/* Larger than the address space of any machine, small enough to multiply. */
#define HUGE_COUNT (SIZE_MAX / 4)

static void gives_memory_for_no_bytes(void **state)
{
    (void)state;
    void *a = cz_malloc(0), *b = cz_calloc(0, 8), *c = cz_calloc(8, 0);
    void *d = cz_realloc_array(NULL, 0, 8);
    assert_true(a && b && c && d);
    cz_free(a);
    cz_free(b);
    cz_free(c);
    cz_free(d);
    cz_free(NULL);
}

static void clears_what_calloc_gives(void **state)
{
    (void)state;
    unsigned char *memory = cz_calloc(100, 3);
    assert_non_null(memory);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(memory[i], 0);
    cz_free(memory);
}

static void keeps_elements_when_an_array_grows(void **state)
{
    (void)state;
    int *array = cz_realloc_array(NULL, 2, sizeof *array);
    assert_non_null(array);
    array[1] = 7;
    array = cz_realloc_array(array, 1000, sizeof *array);
    assert_non_null(array);
    assert_int_equal(array[1], 7);
    cz_free(array);
}

static void refuses_products_that_overflow(void **state)
{
    (void)state;
    struct cz_arena arena = {0};
    int *array = cz_realloc_array(NULL, 2, sizeof *array);
    assert_null(cz_calloc(HUGE_COUNT, 8));
    assert_null(cz_realloc_array(array, HUGE_COUNT, 8));
    array[0] = 1; /* still there */
    assert_null(cz_arena_alloc(&arena, HUGE_COUNT, 8));
    assert_null(cz_arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(cz_arena_alloc(&arena, SIZE_MAX - 15, 1));
    assert_null(cz_arena_strdup(&arena, "", SIZE_MAX));
    cz_free(array);
    cz_arena_fini(&arena);
}

static void multiplies_and_adds_with_a_check(void **state)
{
    (void)state;
    size_t result;
    assert_true(cz_mul_size(3, 5, &result));
    assert_int_equal(result, 15);
    assert_true(cz_mul_size(SIZE_MAX, 1, &result));
    assert_false(cz_mul_size(SIZE_MAX, 2, &result));
    assert_true(cz_add_size(SIZE_MAX - 1, 1, &result));
    assert_true(result == SIZE_MAX);
    assert_false(cz_add_size(SIZE_MAX, 1, &result));
}

static void counts_elements_of_dims(void **state)
{
    (void)state;
    size_t count;
    assert_true(cz_dims_count((const int64_t[]){2, 3, 4}, 3, &count));
    assert_int_equal(count, 24);
    assert_true(cz_dims_count(NULL, 0, &count));
    assert_int_equal(count, 1);
    assert_true(cz_dims_count((const int64_t[]){2, 0}, 2, &count));
    assert_int_equal(count, 0);
    assert_false(cz_dims_count((const int64_t[]){2, -1}, 2, &count));
    assert_false(cz_dims_count((const int64_t[]){INT64_MAX, 3}, 2, &count));
}

/* ---- arenas ----------------------------------------------------------- */

static void gives_aligned_zeros_from_an_arena(void **state)
{
    (void)state;
    struct cz_arena arena = {0};
    for (size_t size = 1; size < 3000; size += 7) {
        unsigned char *memory = cz_arena_alloc(&arena, size, 1);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(memory[i], 0);
            memory[i] = 0xff;
        }
    }
    cz_arena_fini(&arena);
    assert_null(arena.head);
}

static void gives_blocks_larger_than_usual(void **state)
{
    (void)state;
    const size_t large = (size_t)10 << 20;
    struct cz_arena arena = {0};
    char *a = cz_arena_alloc(&arena, 10, 1);
    char *b = cz_arena_alloc(&arena, large, 1);
    char *c = cz_arena_alloc(&arena, 10, 1);
    assert_true(a && b && c);
    memset(b, 1, large);
    assert_int_equal(a[9], 0);
    assert_int_equal(c[0], 0);
    cz_arena_fini(&arena);
}

static void copies_text_into_an_arena(void **state)
{
    (void)state;
    struct cz_arena arena = {0};
    char *text = cz_arena_strdup(&arena, "abcdef", 3);
    assert_string_equal(text, "abc");
    assert_string_equal(cz_arena_strdup(&arena, NULL, 0), "");
    assert_memory_equal(cz_arena_strdup(&arena, "a\0b", 3), "a\0b", 4);
    cz_arena_fini(&arena);
}

static void grows_an_array_in_an_arena_by_doubling(void **state)
{
    (void)state;
    struct cz_arena arena = {0};
    size_t capacity = 0, grown = 0;
    int *array = NULL;
    for (size_t i = 0; i < 1000; i++) {
        int *now = cz_arena_grow(&arena, array, i, &capacity, sizeof *array);
        assert_non_null(now);
        assert_true(capacity > i);
        grown += now != array;
        array = now;
        array[i] = (int)i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], (int)i);
    assert_in_range(grown, 1, 12);
    cz_arena_fini(&arena);
}

/* ---- failures on demand ----------------------------------------------- */

static void fails_at_the_nth_allocation_and_after(void **state)
{
    (void)state;
    cz_alloc_fail_at(3);
    void *a = cz_malloc(1), *b = cz_calloc(1, 1), *c = cz_malloc(1);
    void *d = cz_realloc_array(NULL, 1, 1);
    assert_int_equal(cz_alloc_fail_at(0), 4);
    assert_true(a && b);
    assert_true(!c && !d);
    c = cz_malloc(1);
    assert_non_null(c);
    assert_int_equal(cz_alloc_fail_at(0), 1);
    cz_free(a);
    cz_free(b);
    cz_free(c);
}

static void fails_at_the_nth_allocation_only(void **state)
{
    (void)state;
    cz_alloc_fail_only(2);
    void *a = cz_malloc(1), *b = cz_calloc(1, 1), *c = cz_malloc(1);
    assert_int_equal(cz_alloc_fail_at(0), 3);
    assert_true(a && !b && c);
    cz_free(a);
    cz_free(c);
}

static void leaves_array_and_arena_as_they_were_when_it_fails(void **state)
{
    (void)state;
    struct cz_arena arena = {0};
    size_t capacity = 0;
    int *array = cz_arena_grow(&arena, NULL, 0, &capacity, sizeof *array);
    assert_non_null(array);
    array[0] = 5;
    /* What is left of the first block does not suffice. */
    assert_non_null(cz_arena_alloc(&arena, 60000, 1));
    capacity = 4000;
    cz_alloc_fail_at(1);
    assert_null(
        cz_arena_grow(&arena, array, capacity, &capacity, sizeof *array));
    cz_alloc_fail_at(0);
    assert_int_equal(capacity, 4000);
    assert_int_equal(array[0], 5);
    cz_arena_fini(&arena);
}

static void gives_zeroed_pages_and_takes_their_end_back(void **state)
{
    (void)state;
    const size_t size = ((size_t)5 << 20) + 3;
    unsigned char *pages = cz_pages_alloc(size);
    assert_non_null(pages);
    assert_int_equal((uintptr_t)pages % 4096, 0);
    assert_int_equal(pages[0] | pages[size / 2] | pages[size - 1], 0);
    memset(pages, 1, size);
    cz_pages_free(pages, size, 100000);
    assert_int_equal(pages[0] & pages[99999], 1);
    cz_pages_free(pages, 100000, 0);
    pages = cz_pages_alloc(0);
    assert_non_null(pages);
    cz_pages_free(pages, 0, 0);
    cz_pages_free(NULL, size, 0);
    assert_null(cz_pages_alloc(SIZE_MAX));
    assert_null(cz_pages_alloc(SIZE_MAX / 2));
}

static void says_out_of_memory(void **state)
{
    (void)state;
    assert_error(cz_error_nomem(cz_test_error()), CZ_ENOMEM, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_memory_for_no_bytes),
        cmocka_unit_test(clears_what_calloc_gives),
        cmocka_unit_test(keeps_elements_when_an_array_grows),
        cmocka_unit_test(refuses_products_that_overflow),
        cmocka_unit_test(multiplies_and_adds_with_a_check),
        cmocka_unit_test(counts_elements_of_dims),
        cmocka_unit_test(gives_aligned_zeros_from_an_arena),
        cmocka_unit_test(gives_blocks_larger_than_usual),
        cmocka_unit_test(copies_text_into_an_arena),
        cmocka_unit_test(grows_an_array_in_an_arena_by_doubling),
        cmocka_unit_test(fails_at_the_nth_allocation_and_after),
        cmocka_unit_test(fails_at_the_nth_allocation_only),
        cmocka_unit_test(leaves_array_and_arena_as_they_were_when_it_fails),
        cmocka_unit_test(gives_zeroed_pages_and_takes_their_end_back),
        cmocka_unit_test(says_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
