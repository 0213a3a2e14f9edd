/* Files written beside their name and renamed. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/output.h"
#include "tests/support/support.h"

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(d);
    return count;
}

static void assert_content(const char *path, const char *want)
{
    size_t size;
    char *bytes = cz_test_file_read(path, &size);
    assert_string_equal(bytes, want);
    cz_free(bytes);
}

static void write_text(const struct cz_output *output, const char *text)
{
    assert_int_equal(write(output->fd, text, strlen(text)), strlen(text));
}

static void gives_the_file_its_name_on_commit(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output output;
    assert_ok(cz_output_open(&output, path, false, cz_test_error()));
    write_text(&output, "new");
    assert_false(cz_test_file_exists(path));
    assert_int_equal(count_files(folder), 1);
    assert_ok(cz_output_commit(&output, cz_test_error()));
    assert_content(path, "new");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void print_number(FILE *file, const void *user)
{
    fprintf(file, "%d", *(const int *)user);
}

/* As on a full disk. */
static void print_badly(FILE *file, const void *user)
{
    (void)user;
    assert_non_null(freopen("/dev/full", "w", file));
    fputs("lost", file);
}

static void is_whole_or_not_there_when_printed(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    const int number = 42;
    assert_error(
        cz_output_print(path, false, print_badly, NULL, cz_test_error()),
        CZ_EIO, "out: cannot write: No space left");
    assert_int_equal(count_files(folder), 0);
    assert_ok(
        cz_output_print(path, false, print_number, &number, cz_test_error()));
    assert_content(path, "42");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void leaves_nothing_on_abort(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    struct cz_output output;
    assert_ok(cz_output_open(&output, cz_test_path(folder, "out"), false,
                             cz_test_error()));
    write_text(&output, "new");
    cz_output_abort(&output);
    assert_int_equal(count_files(folder), 0);
    cz_output_abort(&output); /* again is harmless */
    cz_test_folder_remove(folder);
}

static void refuses_to_overwrite_without_leave(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output output;
    cz_test_file_write(path, "old", 3);
    assert_error(cz_output_open(&output, path, false, cz_test_error()),
                 CZ_EINVAL, "out: exists already");
    assert_error(cz_output_check(path, false, cz_test_error()), CZ_EINVAL,
                 "--force");
    assert_ok(cz_output_check(path, true, cz_test_error()));
    assert_content(path, "old");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void keeps_the_old_file_until_commit(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output output;
    cz_test_file_write(path, "old", 3);
    assert_ok(cz_output_open(&output, path, true, cz_test_error()));
    write_text(&output, "new");
    assert_content(path, "old");
    cz_output_abort(&output);
    assert_content(path, "old");
    assert_ok(cz_output_open(&output, path, true, cz_test_error()));
    write_text(&output, "new");
    assert_ok(cz_output_commit(&output, cz_test_error()));
    assert_content(path, "new");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void keeps_a_file_that_appears_in_the_meantime(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output output;
    assert_ok(cz_output_open(&output, path, false, cz_test_error()));
    write_text(&output, "new");
    cz_test_file_write(path, "other", 5);
    assert_error(cz_output_commit(&output, cz_test_error()), CZ_EIO,
                 "out: cannot write");
    assert_content(path, "other");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void steps_aside_for_temporary_files_of_others(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output first, second;
    assert_ok(cz_output_open(&first, path, true, cz_test_error()));
    assert_ok(cz_output_open(&second, path, true, cz_test_error()));
    write_text(&first, "first");
    write_text(&second, "second");
    assert_ok(cz_output_commit(&second, cz_test_error()));
    assert_ok(cz_output_commit(&first, cz_test_error()));
    assert_content(path, "first");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void names_the_folder_that_is_missing(void **state)
{
    (void)state;
    struct cz_output output;
    assert_error(
        cz_output_open(&output, "/no/such/out", false, cz_test_error()), CZ_EIO,
        "/no/such/out: cannot write here: No such file");
}

static void refuses_a_folder_without_permission(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip(); /* root may write everywhere */
    char *folder = cz_test_folder_new();
    struct cz_output output;
    assert_int_equal(chmod(folder, 0500), 0);
    assert_error(cz_output_open(&output, cz_test_path(folder, "out"), false,
                                cz_test_error()),
                 CZ_EIO, "Permission denied");
    assert_int_equal(chmod(folder, 0700), 0);
    cz_test_folder_remove(folder);
}

static void refuses_what_is_no_regular_file(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    struct cz_output output;
    assert_error(cz_output_open(&output, folder, true, cz_test_error()),
                 CZ_EINVAL, "is not a regular file");
    assert_error(cz_output_open(&output, "/dev/null", true, cz_test_error()),
                 CZ_EINVAL, "/dev/null: is not a regular file");
    assert_ok(
        cz_output_check(cz_test_path(folder, "none"), false, cz_test_error()));
    cz_test_folder_remove(folder);
}

static void writes_through_a_link(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *link = cz_test_path(folder, "link");
    const char *target = cz_test_path(folder, "target");
    struct cz_output output;
    struct stat info;
    cz_test_file_write(target, "old", 3);
    assert_int_equal(symlink("target", link), 0);
    assert_error(cz_output_open(&output, link, false, cz_test_error()),
                 CZ_EINVAL, "link: exists already");
    assert_ok(cz_output_open(&output, link, true, cz_test_error()));
    write_text(&output, "new");
    assert_ok(cz_output_commit(&output, cz_test_error()));
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_content(target, "new");
    assert_int_equal(lstat(target, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    assert_int_equal(count_files(folder), 2);
    cz_test_folder_remove(folder);
}

static void refuses_a_link_to_no_file(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *link = cz_test_path(folder, "link");
    struct cz_output output;
    assert_int_equal(symlink("none", link), 0);
    assert_error(cz_output_open(&output, link, true, cz_test_error()),
                 CZ_EINVAL, "link: is a link that leads nowhere");
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_error(cz_output_open(&output, link, true, cz_test_error()),
                 CZ_EINVAL, "link: is not a regular file");
    assert_int_equal(count_files(folder), 1);
    cz_test_folder_remove(folder);
}

static void tries_without_a_trace(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    assert_ok(cz_output_try(path, false, cz_test_error()));
    assert_int_equal(count_files(folder), 0);
    assert_error(cz_output_try("/no/such/out", true, cz_test_error()), CZ_EIO,
                 "/no/such/out: cannot write here: No such file");
    cz_test_folder_remove(folder);
}

static void writes_into_the_current_folder(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    char *here = getcwd(NULL, 0);
    struct cz_output output;
    assert_int_equal(chdir(folder), 0);
    assert_ok(cz_output_open(&output, "out", false, cz_test_error()));
    assert_ok(cz_output_commit(&output, cz_test_error()));
    assert_int_equal(chdir(here), 0);
    free(here);
    assert_content(cz_test_path(folder, "out"), "");
    cz_test_folder_remove(folder);
}

static void leaves_nothing_when_memory_is_short(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output output;
    for (size_t nth = 1; nth <= 2; nth++) {
        cz_alloc_fail_at(nth);
        enum cz_status status =
            cz_output_open(&output, path, false, cz_test_error());
        cz_alloc_fail_at(0);
        assert_int_equal(status, CZ_ENOMEM);
        assert_int_equal(count_files(folder), 0);
    }
    cz_test_folder_remove(folder);
}

static void gives_the_usual_permissions(void **state)
{
    (void)state;
    char *folder = cz_test_folder_new();
    const char *path = cz_test_path(folder, "out");
    struct cz_output output;
    struct stat info;
    mode_t mask = umask(027);
    assert_ok(cz_output_open(&output, path, false, cz_test_error()));
    assert_ok(cz_output_commit(&output, cz_test_error()));
    umask(mask);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    cz_test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_file_its_name_on_commit),
        cmocka_unit_test(is_whole_or_not_there_when_printed),
        cmocka_unit_test(leaves_nothing_on_abort),
        cmocka_unit_test(refuses_to_overwrite_without_leave),
        cmocka_unit_test(keeps_the_old_file_until_commit),
        cmocka_unit_test(keeps_a_file_that_appears_in_the_meantime),
        cmocka_unit_test(steps_aside_for_temporary_files_of_others),
        cmocka_unit_test(names_the_folder_that_is_missing),
        cmocka_unit_test(refuses_a_folder_without_permission),
        cmocka_unit_test(refuses_what_is_no_regular_file),
        cmocka_unit_test(writes_through_a_link),
        cmocka_unit_test(refuses_a_link_to_no_file),
        cmocka_unit_test(tries_without_a_trace),
        cmocka_unit_test(writes_into_the_current_folder),
        cmocka_unit_test(leaves_nothing_when_memory_is_short),
        cmocka_unit_test(gives_the_usual_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
