/* Files read whole: what is there, and what must not be waited for. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "tests/support/support.h"

#define MOST 5

static void loads_a_file_of_at_most_so_many_bytes(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a");
    void *bytes;
    size_t size;
    (void)state;
    cz_test_file_write(path, "12345", 5);
    assert_ok(cz_file_load(&bytes, &size, path, MOST, cz_test_error()));
    assert_int_equal(size, 5);
    assert_memory_equal(bytes, "12345", 5);
    cz_free(bytes);
    cz_test_file_write(path, "", 0);
    assert_ok(cz_file_load(&bytes, &size, path, MOST, cz_test_error()));
    assert_int_equal(size, 0);
    cz_free(bytes);
    cz_test_file_write(path, "123456", 6);
    assert_error(cz_file_load(&bytes, &size, path, MOST, cz_test_error()),
                 CZ_EUNSUPPORTED, "a: has 6 bytes, the most is 5");
    assert_null(bytes);
    cz_test_folder_remove(folder);
}

static void loads_regular_files_only(void **state)
{
    char *folder = cz_test_folder_new();
    const char *pipe = cz_test_path(folder, "pipe");
    const char *others[] = {pipe, folder, "/dev/zero"};
    void *bytes;
    size_t size;
    (void)state;
    assert_int_equal(mkfifo(pipe, 0600), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_error(
            cz_file_load(&bytes, &size, others[i], MOST, cz_test_error()),
            CZ_EIO, "is no regular file");
    assert_error(cz_file_load(&bytes, &size, cz_test_path(folder, "none"), MOST,
                              cz_test_error()),
                 CZ_EIO, "none: No such file");
    cz_test_folder_remove(folder);
}

static void says_that_memory_is_short(void **state)
{
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "a");
    void *bytes;
    size_t size;
    (void)state;
    cz_test_file_write(path, "12345", 5);
    cz_alloc_fail_at(1);
    enum cz_status status =
        cz_file_load(&bytes, &size, path, MOST, cz_test_error());
    cz_alloc_fail_at(0);
    assert_int_equal(status, CZ_ENOMEM);
    assert_null(bytes);
    cz_test_folder_remove(folder);
}

/* Through a pipe, which gives less than is asked for. */
static void reads_until_the_end(void **state)
{
    int ends[2];
    char bytes[8] = "";
    size_t done;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_ok(cz_file_write(ends[1], "abc", 3, "pipe", cz_test_error()));
    assert_ok(cz_file_write(ends[1], "de", 2, "pipe", cz_test_error()));
    close(ends[1]);
    assert_ok(cz_file_read(&done, ends[0], bytes, 4, "pipe", cz_test_error()));
    assert_int_equal(done, 4);
    assert_ok(
        cz_file_read(&done, ends[0], bytes + 4, 4, "pipe", cz_test_error()));
    assert_int_equal(done, 1);
    assert_string_equal(bytes, "abcde");
    close(ends[0]);
    assert_error(cz_file_read(&done, -1, bytes, 1, "pipe", cz_test_error()),
                 CZ_EIO, "pipe: Bad file descriptor");
    assert_error(cz_file_write(-1, bytes, 1, "pipe", cz_test_error()), CZ_EIO,
                 "pipe: Bad file descriptor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_a_file_of_at_most_so_many_bytes),
        cmocka_unit_test(loads_regular_files_only),
        cmocka_unit_test(says_that_memory_is_short),
        cmocka_unit_test(reads_until_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
