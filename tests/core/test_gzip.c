/* The gzip size of a file, against gzip itself. */
#include <stdio.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/gzip.h"
#include "tests/support/support.h"

/* What core/gzip.h promises is 0.3 % on weights of real models. */
#define TOLERANCE 0.005

#define MEGABYTE ((size_t)1 << 20)

/* Bytes of `gzip -6 < path`. */
static uint64_t size_by_gzip(const char *path)
{
    char command[4200];
    uint64_t size = 0;
    snprintf(command, sizeof command, "gzip -6 < '%s' | wc -c", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%lu", &size), 1);
    assert_int_equal(pclose(pipe), 0);
    return size;
}

static uint64_t size_by_us(const char *path, size_t threads)
{
    uint64_t size = 0;
    struct cz_gzip *gzip = cz_gzip_new(threads);
    assert_non_null(gzip);
    assert_ok(cz_gzip_size(&size, gzip, path, cz_test_error()));
    cz_gzip_free(gzip);
    return size;
}

/* Weights of about normal distribution, a twentieth of them zero. */
static void write_weights(const char *path, size_t count)
{
    float *weights = calloc(count + 1, sizeof *weights);
    uint32_t random = 12345;
    assert_non_null(weights);
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (int k = 0; k < 4; k++) {
            random = random * 1664525u + 1013904223u;
            sum += (float)(random >> 8) * 0x1p-24f - .5f;
        }
        weights[i] = random >> 8 & 0x1f ? sum * .05f : 0;
    }
    cz_test_file_write(path, weights, count * sizeof *weights);
    free(weights);
}

static void comes_within_half_a_percent_of_gzip(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "weights");
    static const size_t bytes[] = {100000, 3 * MEGABYTE, 5 * MEGABYTE + 20};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        write_weights(path, bytes[i] / sizeof(float));
        double want = (double)size_by_gzip(path);
        double got = (double)size_by_us(path, 0);
        if (got < want * (1 - TOLERANCE) || got > want * (1 + TOLERANCE))
            fail_msg("%zu bytes: %.0f, gzip %.0f", bytes[i], got, want);
    }
    cz_test_folder_remove(folder);
}

static void does_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "weights");
    write_weights(path, MEGABYTE);
    uint64_t one = size_by_us(path, 1);
    for (size_t threads = 2; threads <= 5; threads++)
        assert_int_equal(size_by_us(path, threads), one);
    cz_test_folder_remove(folder);
}

static void shrinks_zeros_to_almost_nothing(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "zeros");
    char *zeros = calloc(MEGABYTE, 1);
    assert_non_null(zeros);
    cz_test_file_write(path, zeros, MEGABYTE);
    free(zeros);
    assert_in_range(size_by_us(path, 0), 18, MEGABYTE / 100);
    cz_test_folder_remove(folder);
}

static void knows_the_size_of_an_empty_file(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "empty");
    cz_test_file_write(path, "", 0);
    /* A stored block takes 3 bytes more than gzip's. */
    assert_in_range(size_by_us(path, 0), 18, 32);
    cz_test_folder_remove(folder);
}

static void names_a_file_that_cannot_be_read(void **state)
{
    (void)state;
    uint64_t size;
    char *folder = cz_test_folder_new();
    struct cz_gzip *gzip = cz_gzip_new(0);
    assert_error(cz_gzip_size(&size, gzip, "/no/such/file", cz_test_error()),
                 CZ_EIO, "/no/such/file: No such file");
    assert_error(cz_gzip_size(&size, gzip, folder, cz_test_error()), CZ_EIO,
                 folder);
    cz_gzip_free(gzip);
    cz_test_folder_remove(folder);
}

static void asks_for_all_its_memory_at_first(void **state)
{
    (void)state;
    uint64_t size;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "weights");
    write_weights(path, 1000);
    struct cz_gzip *gzip = cz_gzip_new(2);
    cz_alloc_fail_at(1);
    assert_null(cz_gzip_new(2));
    assert_ok(cz_gzip_size(&size, gzip, path, cz_test_error()));
    cz_alloc_fail_at(0);
    cz_gzip_free(gzip);
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_within_half_a_percent_of_gzip),
        cmocka_unit_test(does_not_depend_on_the_number_of_threads),
        cmocka_unit_test(shrinks_zeros_to_almost_nothing),
        cmocka_unit_test(knows_the_size_of_an_empty_file),
        cmocka_unit_test(names_a_file_that_cannot_be_read),
        cmocka_unit_test(asks_for_all_its_memory_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
